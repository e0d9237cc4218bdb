-- SPDX-License-Identifier: MIT

--- TLS sockets in tasks whose waits end otherwise than they hoped: by a limit of time, a cancel, a
--- peer that is mute, or gone. What is interrupted has taken nothing, and leaves nothing behind.

local co = require("net.co")
local net = require("net")
local pair = require("spec.support.tlspair")
local raised = require("spec.support.tasks").raised
local tasks = require("spec.support.tlstasks")
local timers = require("net.timers")
local tls = require("net.tls")
local in_task = tasks.in_task

local VERSIONS = { "TLSv1.2", "TLSv1.3" }

--- A server that accepts, reads, and never says a word: its port, and a function that waits until
--- its client has gone.
local function mute()
  local server, peer = net.createServer(), nil
  server:on("connection", function(socket)
    peer = socket
    socket:on("error", function() end):resume()
  end)
  server:listen(0, "127.0.0.1")
  co.await(server, "listening")
  return server:address().port, function()
    while not peer do co.yield() end
    if not peer.closed then co.await(peer, "close") end
    server:close()
  end
end

local function of(version, options)
  options = options or {}
  options.minVersion, options.maxVersion = version, version
  return options
end

describe("tls.co.connect to a server that says nothing", function()
  it("ends with co.timeout, and so does the connection", in_task(function()
    local port, gone = mute()
    local socket, err = co.timeout(10, tasks.connect, port, { host = "127.0.0.1" })
    assert.same({ nil, "ERR_TIMEOUT" }, { socket, err.code })
    gone()
  end))

  it("ends with its task", in_task(function()
    local port, gone = mute()
    local task = co.spawn(tasks.connect, port, { host = "127.0.0.1" })
    timers.setTimeout(function() task:cancel() end, 10)
    local socket, err = task:await()
    assert.same({ nil, "ABORT_ERR" }, { socket, err.code })
    gone()
  end))

  it("ends with a signal", in_task(function()
    local port, gone = mute()
    local controller = net.abort.AbortController()
    timers.setTimeout(function() controller:abort() end, 10)
    local socket, err = tasks.connect(port, { host = "127.0.0.1", signal = controller.signal })
    assert.same({ nil, "ABORT_ERR" }, { socket, err.code })
    gone()
  end))

  for option, code in pairs { handshakeTimeout = "ERR_TLS_HANDSHAKE_TIMEOUT", timeout = "ERR_TIMEOUT" } do
    it("ends by the option " .. option, in_task(function()
      local port, gone = mute()
      local socket, err = tasks.connect(port, { host = "127.0.0.1", [option] = 10 })
      assert.same({ nil, code }, { socket, err.code })
      gone()
    end))
  end

  it("destroys the socket that it was to be over", in_task(function()
    local port, gone = mute()
    local plain = assert(co.connect(port, "127.0.0.1"))
    local socket, err = co.timeout(10, tls.co.connect, { socket = plain, ca = pair.ca.cert })
    assert.same({ nil, "ERR_TIMEOUT", true }, { socket, err.code, plain.destroyed })
    gone()
  end))
end)

describe("tls.co.connect", function()
  it("gives nil and the error where nobody listens, and of another's certificate", in_task(function()
    local server <close>, port = tasks.serve(function() end)
    local _, other = tasks.connect(port, { servername = "example.com" })
    assert.equal("ERR_TLS_CERT_ALTNAME_INVALID", other.code)
    server:close()
    co.finished(server)
    local socket, err = tasks.connect(port, { host = "127.0.0.1" })
    assert.same({ nil, "ECONNREFUSED" }, { socket, err.code })
  end))

  it("raises for what is wrong, and for LuaSocket's order of arguments", in_task(function()
    assert.equal("ERR_MISSING_ARGS", raised(tls.co.connect, {}).code)
    assert.equal("ERR_OSSL_PEM_NO_START_LINE", raised(tls.co.connect, { port = 1, cert = "x" }).code)
    assert.matches("the order is (port, host)", raised(tls.co.connect, "localhost", 443).message, 1, true)
  end))
end)

for _, version in ipairs(VERSIONS) do
  describe("A TLS socket of a task, in " .. version .. ",", function()
    it("keeps what has come when receive is interrupted", in_task(function()
      local go = co.queue()
      local server <close>, port = tasks.serve(function(socket)
        socket:send("part")
        go:get()
        socket:send("ial\nmore\n")
      end, of(version))
      local socket <close> = assert(tasks.connect(port))
      for _, what in ipairs { "line", 10, "all" } do
        local value, err = co.timeout(5, socket.receive, socket, what)
        assert.same({ nil, "ERR_TIMEOUT" }, { value, err.code })
      end
      local task = co.spawn(socket.receive, socket)
      co.yield()
      task:cancel()
      task:await()
      go:put(true)
      assert.same({ "partial", "more" }, { socket:receive(), (socket:receive()) })
      server:close()
    end))

    it("sends what an interrupted send has begun, and what comes behind it", in_task(function()
      local BYTES, got = 20000000, 0
      local go = co.queue()
      local server <close>, port = tasks.serve(function(socket)
        go:get()
        for chunk in socket:chunks() do got = got + #chunk end
        go:put(true)
      end, of(version))
      local socket <close> = assert(tasks.connect(port))
      local sent, err = co.timeout(5, socket.send, socket, ("x"):rep(BYTES))
      assert.same({ nil, "ERR_TIMEOUT" }, { sent, err.code })
      go:put(true)
      socket:send("!")
      socket:finish()
      assert.is_true(co.finished(socket))
      go:get()
      assert.equal(BYTES + 1, got)
      server:close()
    end))

    it("has what came before a reset, and before an end that nobody has told", in_task(function()
      local server <close>, port = tasks.serve(function(socket)
        local word = socket:receive()
        socket:send("ab")
        socket:flush()
        if word == "reset" then socket:resetAndDestroy() else socket:destroy() end
      end, of(version))
      for word, code in pairs { reset = "ECONNRESET", cut = "ERR_SSL_UNEXPECTED_EOF_WHILE_READING" } do
        for _, what in ipairs { "line", "all", 3 } do
          local socket <close> = assert(tasks.connect(port, { requireCloseNotify = true, noDelay = true }))
          socket:send(word, "\n")
          socket:peek(2) -- a reset may overtake it
          local value, err, rest = socket:receive(what)
          assert.same({ nil, code, "ab" }, { value, err.code, rest })
          assert.is_false(socket.closeNotifyReceived)
        end
      end
      server:close()
    end))

    it("tells by receive that the server wants no such client", in_task(function()
      local server <close>, port, refused = tasks.serve(function() end,
        of(version, { requestCert = true, ca = pair.ca.cert }))
      local socket, err = tasks.connect(port)
      if version == "TLSv1.3" then
        assert(socket)
        socket, err = socket:receive()
      end
      assert.is_nil(socket)
      assert.matches("^ERR_SSL_.*ALERT", err.code)
      assert.same({ "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE" }, refused)
      server:close()
    end))

    it("may be silent for a while, and is not closed for it", in_task(function()
      local server <close>, port = tasks.serve(function(socket) socket:send(socket:receive(), "\n") end, of(version))
      local socket <close> = assert(tasks.connect(port))
      socket:setTimeout(5)
      local value, err = socket:receive()
      assert.same({ nil, "ERR_TIMEOUT" }, { value, err.code })
      socket:send("still here\n")
      socket:setTimeout(0)
      assert.equal("still here", socket:receive())
      server:close()
    end))

    it("is one end of a pipeline, whose bytes and end pass", in_task(function()
      local BYTES = 3000000
      local back <close>, port = tasks.serve(function(socket)
        local count = 0
        for chunk in socket:chunks() do count = count + #chunk end
        socket:send(tostring(count))
      end, of(version, { allowHalfOpen = true }))
      local front <close>, front_port = tasks.serve(function(socket)
        local other <close> = assert(tasks.connect(port, { allowHalfOpen = true }))
        co.all({ function() return co.pipeline(socket, other) end,
          function() return co.pipeline(other, socket) end })
      end, of(version, { allowHalfOpen = true }))
      local socket <close> = assert(tasks.connect(front_port, { allowHalfOpen = true }))
      socket:send(("x"):rep(BYTES))
      socket:finish()
      assert.equal(tostring(BYTES), socket:receive("all"))
      assert.is_true(socket.closeNotifyReceived)
      front:close()
      back:close()
    end))

    it("has a pipeline fail where one end is cut", in_task(function()
      local server <close>, port = tasks.serve(function(socket)
        socket:send("ab")
        socket:flush()
        socket:destroy()
      end, of(version))
      local a = assert(tasks.connect(port, { requireCloseNotify = true }))
      local b, other = net.duplexPair()
      local ok, err = co.pipeline(a, b)
      assert.same({ nil, "ERR_SSL_UNEXPECTED_EOF_WHILE_READING", true, true },
        { ok, err.code, a.destroyed, b.destroyed })
      other:destroy()
      server:close()
    end))
  end)

  describe("A TLS server's tasks, in " .. version .. ",", function()
    it("get verified clients alone from incoming, which ends with the server", in_task(function()
      local server = tls.createServer(of(version, { cert = pair.server.cert, key = pair.server.key }))
      local refused = 0
      server:on("tlsClientError", function() refused = refused + 1 end)
      server:listen(0, "127.0.0.1")
      co.await(server, "listening")
      local port, served = server:address().port, 0
      local task = co.spawn(function()
        for socket in server:incoming() do
          served = served + 1
          socket:send("hello\n")
          socket:finish()
        end
        return "over"
      end)
      assert.is_nil(tasks.connect(port, { ca = pair.other_ca.cert }))
      local plain <close> = assert(co.connect(port, "127.0.0.1"))
      plain:send("GET / HTTP/1.0\r\n\r\n")
      plain:receive("all")
      local socket <close> = assert(tasks.connect(port))
      assert.equal("hello", socket:receive())
      server:close()
      assert.same({ "over", 1, 2 }, { task:await(), served, refused })
    end))

    it("are asked no more when the one that asks is cancelled amid a handshake", in_task(function()
      local server = tls.createServer(of(version, { cert = pair.server.cert, key = pair.server.key }))
      server:on("tlsClientError", function() end)
      server:listen(0, "127.0.0.1")
      co.await(server, "listening")
      local task = co.spawn(function() for _ in server:incoming() do error("nobody has come") end end)
      local plain = assert(co.connect(server:address().port, "127.0.0.1"))
      plain:send("\22\3\1")
      plain:flush()
      co.yield()
      task:cancel()
      assert.equal("ABORT_ERR", select(2, task:await()).code)
      plain:destroy()
      server:close()
      assert.is_true(co.finished(server))
    end))

    it("answer what was asked before the server drains", in_task(function()
      local server, port = tasks.serve(function(socket)
        socket:send(socket:receive(), "\n")
        socket:receive()
        socket:send("and this\n")
      end, of(version))
      local socket <close> = assert(tasks.connect(port))
      socket:send("one\n")
      assert.equal("one", socket:receive())
      socket:send("two\n")
      server:drain(5000)
      assert.equal("and this", socket:receive())
      assert.equal(co.EOF, select(2, socket:receive()))
      assert.is_true(socket.closeNotifyReceived)
    end))
  end)
end
