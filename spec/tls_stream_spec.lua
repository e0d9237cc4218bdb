-- SPDX-License-Identifier: MIT

--- Bytes through TLS: much of it, in pieces of any size, cut by the way anywhere; over TCP,
--- Unix sockets, pairs in memory, and TLS itself.

local net = require("net")
local timers = require("net.timers")
local tls = require("net.tls")
local lua = require("spec.support.lua")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local VERSIONS = { "TLSv1.2", "TLSv1.3" }

--- Bytes that are the same at no two places.
local function bytes(n, seed)
  local parts, state = {}, seed or 1
  for i = 1, n // 4 + 1 do
    state = (state * 1103515245 + 12345) % 0x80000000
    parts[i] = string.pack("<I4", state)
  end
  return table.concat(parts):sub(1, n)
end

--- Collects what a socket reads.
local function collect(socket)
  local got = {}
  socket:on("data", function(chunk) got[#got + 1] = chunk end)
  return function() return table.concat(got) end
end

--- A relay in front of a server; `pass(from, to, chunk)` passes what came on.
local function relay(server, pass)
  local ends_of = {}
  local front = net.createServer({ allowHalfOpen = true }, function(from)
    local to = net.connect({ port = server:address().port, host = "127.0.0.1", allowHalfOpen = true })
    table.move({ from, to }, 1, 2, #ends_of + 1, ends_of)
    from:setNoDelay(true)
    to:setNoDelay(true)
    for _, ends in ipairs { { from, to }, { to, from } } do
      local a, b = ends[1], ends[2]
      a:on("data", function(chunk) pass(a, b, chunk) end)
      a:on("end", function() pass(a, b, nil) end)
      a:on("error", function() b:destroy() end)
    end
  end):listen(0, "127.0.0.1")
  sockets.wait(function() return front.listening end)
  return front, function()
    front:close()
    for _, socket in ipairs(ends_of) do socket:destroy() end
  end
end

describe("Bytes through TLS", function()
  for _, version in ipairs(VERSIONS) do
    local options = { minVersion = version, maxVersion = version }

    it("come back whole from an echo, in pieces of all sizes: " .. version, within(function(t)
      local server = pair.listen(options, function(socket) socket:pipe(socket) end)
      local client = pair.connect(server, options)
      local got, sent = collect(client), {}
      for i, n in ipairs { 1, 16383, 16384, 16385, 3, 65536, 100000, 300000, 7 } do
        sent[i] = bytes(n, i)
        client:write(sent[i])
      end
      client:finish()
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.equal(table.concat(sent), got())
    end))

    it("come whole where each byte arrives by itself: " .. version, within(function(t)
      local server = pair.listen(options, function(socket) socket:pipe(socket) end)
      local front, close = relay(server, function(_, to, chunk)
        if not chunk then return to:finish() end
        for i = 1, #chunk do
          to:write(chunk:sub(i, i))
          to:write("", function() end) -- which flushes
        end
      end)
      local client = pair.connect(front, options)
      local got, sent = collect(client), bytes(5000)
      client:write(sent:sub(1, 100))
      client:finish(sent:sub(101))
      client:on("close", t.calls(1, function()
        server:close()
        close()
      end))
      t.run()
      assert.equal(sent, got())
    end))

    it("and their end come by a relay that holds ends back: " .. version, within(function(t)
      local server, log = pair.listen(options, function(socket)
        socket:resume():finish("bye")
        pair.watch({}, socket)
      end)
      local front, close = relay(server, function(_, to, chunk)
        if chunk then to:write(chunk) end
      end)
      local client = pair.connect(front, options)
      local seen = pair.watch({}, client, { "data", "end", "finish", "error", "close" })
      client:on("close", t.calls(1, function()
        server:close()
        close()
      end))
      t.run()
      assert.same({ "secureConnection" }, log)
      assert.same({ "data bye", "end", "finish", "close false" }, seen)
    end))

    it("are read in parts by who has a small buffer: " .. version, within(function(t)
      local sent = bytes(200000)
      local server = pair.listen(options, function(socket) socket:finish(sent) end)
      local parts, total = 0, {}
      local client = pair.connect(server, { minVersion = version, maxVersion = version,
        onread = { buffer = 1000, callback = function(n, chunk)
          assert.is_true(n <= 1000)
          parts = parts + 1
          total[#total + 1] = chunk
        end } })
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.equal(sent, table.concat(total))
      assert.is_true(parts >= 200)
    end))

    it("are asked a size for once for each read that gives some: " .. version, within(function(t)
      local server = pair.listen(options, function(socket) socket:finish("hello world") end)
      local asked, read = 0, 0
      local client = pair.connect(server, { minVersion = version, maxVersion = version,
        onread = {
          buffer = function()
            asked = asked + 1
            return 2
          end,
          callback = function() read = read + 1 end,
        } })
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ 7, 6 }, { asked, read }) -- the end is read, too
    end))

    it("wait while nobody reads, and pass when somebody does: " .. version, within(function(t)
      local sent = bytes(1000000):rep(20)
      local done = false
      local server = pair.listen(options, function(socket)
        socket:finish(sent, function() done = true end)
      end)
      local client = pair.connect(server, options)
      client:pause()
      local got
      client:on("secureConnect", function()
        timers.setTimeout(function()
          assert.is_false(done)
          got = collect(client)
          client:resume()
        end, 20)
      end)
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.is_true(done)
      assert.equal(sent, got())
    end))

    it("that are damaged end both sides with an error: " .. version, within(function(t)
      local seen = {}
      local server = pair.listen(options, function(socket)
        pair.watch(seen, socket, { "data", "error", "close" })
        socket:write("ready")
      end)
      local damages = false
      local front, close = relay(server, function(_, to, chunk)
        if chunk and damages then
          chunk = chunk:sub(1, -2) .. string.char(chunk:byte(-1) ~ 1)
        end
        if chunk then to:write(chunk) else to:finish() end
      end)
      local client = pair.connect(front, options)
      local log = pair.watch({}, client, { "error", "close" })
      client:once("data", function()
        damages = true
        client:write("to be damaged")
      end)
      client:on("close", t.calls(1, function()
        server:close()
        close()
      end))
      t.run()
      assert.same({ "error ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "close true" }, seen)
      assert.equal("close true", log[2])
      assert.matches("^error E", log[1])
    end))
  end

  it("pass over a Unix socket", within(function(t)
    local path = t.tmpname(".sock")
    local server = tls.createServer({ cert = pair.server.cert, key = pair.server.key },
      function(socket) socket:pipe(socket) end):listen(path)
    local client = tls.connect(path, { ca = pair.ca.cert }, t.calls(1))
    local got = collect(client)
    client:finish("over a path")
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.equal("over a path", got())
  end))

  it("leave though the program exits behind the write", within(function(t)
    local got = {}
    local server = pair.listen({}, function(socket)
      socket:on("data", function(chunk) got[#got + 1] = chunk end)
      socket:on("error", function() end)
    end)
    local env = net.process.env
    env.LUA_PATH, env.LUA_CPATH = package.path, package.cpath
    local child = net.child.spawn(lua.command, { "-e", ([[
      local tls = require("net.tls")
      local socket
      socket = tls.connect({ port = %d, host = "127.0.0.1", rejectUnauthorized = false }, function()
        socket:write("the last words")
        os.exit(3)
      end)
      require("net").run()
    ]]):format(server:address().port) }, { stdio = "inherit", env = env })
    child:on("exit", t.calls(1, function(code)
      assert.equal(3, code)
      server:close()
    end))
    t.run()
    assert.equal("the last words", table.concat(got))
  end))

  it("are a file, sent by copying", within(function(t)
    local file <close> = assert(io.open("README.md"))
    local text = file:read("a")
    local server = pair.listen({}, function(socket)
      socket:write("head ")
      socket:sendFile("README.md")
      socket:finish()
    end)
    local client = pair.connect(server)
    local got = collect(client)
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.equal("head " .. text, got())
  end))

  it("are one record for the writes of a turn", within(function(t)
    local chunks = {}
    local server = pair.listen({}, function(socket)
      socket:on("data", function(chunk) chunks[#chunks + 1] = chunk end)
    end)
    local client = pair.connect(server)
    client:on("secureConnect", function()
      client:write("a")
      client:write("b")
      client:finish("c")
    end)
    client:resume():on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "abc" }, chunks)
  end))

  it("that end without the peer's word can be made an error", within(function(t)
    for _, requires in ipairs { false, true } do
      local server = pair.listen({ requireCloseNotify = requires }, function(socket)
        local log = pair.watch({}, socket, { "data", "end", "error", "close" })
        socket:on("close", function()
          assert.same(requires
            and { "data x", "error ERR_SSL_UNEXPECTED_EOF_WHILE_READING", "close true" }
            or { "data x", "end", "close false" }, log)
        end)
      end)
      local client = pair.connect(server)
      client:write("x", function() client:destroy() end)
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
    end
  end))

  it("and a reset behind them: the reset is told last", within(function(t)
    local log = {}
    local server = pair.listen({}, function(socket)
      pair.watch(log, socket, { "data", "end", "error", "close" })
    end)
    local client = pair.connect(server)
    client:write("x", function() client:resetAndDestroy() end)
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "data x", "error ECONNRESET", "close true" }, log)
  end))

  for _, version in ipairs(VERSIONS) do
    for when, delay in pairs { ["in secureConnect"] = false, ["later"] = true } do
      it(("leave before a destroy() of the same turn, and say so: %s, %s"):format(version, when), within(function(t)
        local log = {}
        local server = pair.listen({ minVersion = version, maxVersion = version }, function(socket)
          pair.watch(log, socket, { "data" })
          if delay then socket:write("go") end
        end)
        local told, client = {}, pair.connect(server)
        local function leave()
          client:write("one", pair.callback(told, "first"))
          client:write("two", pair.callback(told, "second"))
          client:destroy()
        end
        pair.watch(told, client, { "error", "close" })
        if delay then client:once("data", leave) else client:once("secureConnect", leave) end
        client:on("close", t.calls(1, function()
          told[#told + 1] = "buffered " .. client.writableLength
          server:close()
        end))
        t.run()
        assert.equal("onetwo", (table.concat(log):gsub("data ", "")))
        assert.same({ "first", "second", "close false", "buffered 0" }, told)
        assert.same({ 6 }, { client.bytesWritten, client.errored })
      end))
    end
  end

  --- The first write is the request, and the second is encrypted along with it, but below
  --- there is no room for it any more.
  it("are not sent to who goes before they are below: the writes fail", within(function(t)
    local path, log = t.tmpname(".sock"), {}
    local server = tls.createServer({ cert = pair.server.cert, key = pair.server.key },
      function(socket)
        pair.watch(log, socket, { "error", "close" })
        socket:write(("x"):rep(65536), pair.callback(log, "first"))
        socket:write(("x"):rep(240000), pair.callback(log, "second"))
        socket:on("close", function() log[#log + 1] = "buffered " .. socket.writableLength end)
      end):listen(path)
    local client = tls.connect(path, { ca = pair.ca.cert })
    client:once("readable", function() client:destroy() end)
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "error ECONNRESET", "first ECANCELED", "second ECANCELED", "close true",
      "buffered 0" }, log)
  end))

  --- The second write is encrypted along with the first one, while the other side reads
  --- nothing; what cork() then holds is behind both, or on a slow machine the second one, too.
  it("are all sent where cork() holds the rest behind finish()", within(function(t)
    local half, other = net.duplexPair()
    local socket = tls.TLSSocket(half, { isServer = true, cert = pair.server.cert, key = pair.server.key })
    local client = tls.connect({ socket = other, ca = pair.ca.cert, servername = "localhost" })
    local got, is_first = 0, true
    client:on("data", function(chunk)
      got = got + #chunk
      if got >= 93411 and is_first then
        is_first = false
        assert.is_false(socket.writableFinished)
        timers.setImmediate(socket.uncork, socket)
      end
    end):pause()
    client:on("end", function() client:finish() end)
    client:on("secureConnect", function()
      socket:write(("x"):rep(93411))
      socket:write("y")
      timers.setImmediate(function()
        socket:write(("z"):rep(65000), t.calls(1))
        socket:finish()
        socket:cork()
        client:resume()
      end)
    end)
    t.run()
    assert.equal(93412 + 65000, got)
  end))
end)

describe("A crowd of handshakes", function()
  it("does not keep those waiting who are connected", within(function(t)
    local CLIENTS = 200
    local server = pair.listen({}, function(socket)
      socket:on("error", function() end):pipe(socket)
    end)
    local echoes, secure = 0, 0
    local first = pair.connect(server)
    local context = tls.createSecureContext({ ca = pair.ca.cert })
    local others = {}
    first:on("data", function()
      if secure == CLIENTS then
        for _, client in ipairs(others) do client:destroy() end
        server:close()
        return first:finish()
      end
      echoes = echoes + 1
      first:write("x")
    end)
    first:on("secureConnect", function()
      for i = 1, CLIENTS do
        others[i] = pair.connect(server, { secureContext = context },
          function() secure = secure + 1 end)
      end
      first:write("x")
    end)
    first:on("close", t.calls(1))
    t.run()
    assert.is_true(echoes > 5, echoes) -- 2 where they are not put off, whatever the machine
  end))
end)

describe("TLS over another socket", function()
  local function over(socket, options, ...)
    local own = { socket = socket, host = "localhost", ca = pair.ca.cert }
    for name, value in pairs(options or {}) do own[name] = value end
    return tls.connect(own, ...)
  end

  local function serve(socket, options)
    local own = { isServer = true, cert = pair.server.cert, key = pair.server.key }
    for name, value in pairs(options or {}) do own[name] = value end
    return tls.TLSSocket(socket, own)
  end

  it("is done over a pair in memory", within(function(t)
    local a, b = net.duplexPair()
    local server, client = serve(b), over(a)
    server:pipe(server)
    local got = collect(client)
    client:finish(bytes(100000))
    client:on("secureConnect", t.calls(1))
    server:on("secure", t.calls(1))
    client:on("close", t.calls(1))
    server:on("close", t.calls(1))
    t.run()
    assert.equal(bytes(100000), got())
  end))

  it("is done over TLS", within(function(t)
    local server = pair.listen({}, function(outer)
      local inner = serve(outer)
      inner:pipe(inner)
    end)
    local outer = pair.connect(server)
    local inner = over(outer)
    local got = collect(inner)
    assert.is_true(inner.encrypted)
    inner:finish(bytes(100000))
    inner:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.equal(bytes(100000), got())
    assert.is_true(outer.destroyed)
    assert.is_true(outer.bytesWritten > 100000)
  end))

  it("is done over TLS that is amid its own handshake", within(function(t)
    local server = pair.listen({}, function(outer)
      local inner = serve(outer)
      inner:pipe(inner)
    end)
    local outer, got = pair.connect(server), nil
    outer:on("connect", t.calls(1, function()
      local inner = over(outer)
      got = collect(inner)
      inner:finish("early")
      inner:on("close", t.calls(1, function() server:close() end))
    end))
    t.run()
    assert.equal("early", got())
  end))

  it("begins behind a plain greeting, and what was pipelined behind that is TLS's", within(function(t)
    local server = net.createServer(function(socket)
      socket:once("readable", function()
        assert.equal("STARTTLS\n", socket:read(9))
        socket:write("GO\n")
        local secure = serve(socket)
        secure:pipe(secure)
      end)
    end):listen(0, "127.0.0.1")
    sockets.wait(function() return server.listening end)
    local socket = net.connect(server:address().port, "127.0.0.1")
    local client, got
    socket:write("STARTTLS\n")
    socket:once("data", function(chunk)
      assert.equal("GO\n", chunk)
      client = over(socket)
      got = collect(client)
      client:finish("secret")
      client:on("close", t.calls(1, function() server:close() end))
    end)
    t.run()
    assert.equal("secret", got())
  end))

  it("takes plain text that was read before for what it is not", within(function(t)
    local a, b = net.duplexPair()
    a:on("error", function() end)
    b:write("220 injected\r\n")
    b:resume()
    sockets.wait(function() return a.readableLength > 0 or a:read(0) end)
    local client = over(a)
    local log = pair.watch({}, client, { "error", "close" })
    client:on("close", t.calls(1))
    t.run()
    assert.same({ "error ERR_SSL_WRONG_VERSION_NUMBER", "close true" }, log)
    b:destroy()
  end))

  it("takes what was put back in a listener", within(function(t)
    local server = net.createServer(function(socket)
      socket:once("data", function(chunk)
        assert.equal("HELLO", chunk:sub(1, 5))
        socket:unshift(chunk:sub(6))
        local secure = serve(socket)
        secure:pipe(secure)
      end)
    end):listen(0, "127.0.0.1")
    sockets.wait(function() return server.listening end)
    local socket = net.connect(server:address().port, "127.0.0.1")
    socket:cork()
    socket:write("HELLO")
    local client = over(socket)
    local got = collect(client)
    client:finish("all of it")
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.equal("all of it", got())
  end))

  it("waits for a socket that connects", within(function(t)
    local server = pair.listen({}, function(socket) socket:pipe(socket) end)
    local socket = net.connect(server:address().port, "127.0.0.1")
    local client = over(socket)
    local log = pair.watch({}, client, { "connect", "ready", "secureConnect", "end", "close" })
    assert.is_true(client.connecting)
    local got = collect(client)
    client:finish("early")
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.equal("early", got())
    assert.same({ "connect", "secureConnect", "end", "close" }, { log[1], log[2], log[3], (log[4]:match("%l+")) })
  end))

  it("fails with a socket that cannot connect", within(function(t)
    local server = net.createServer():listen(0, "127.0.0.1")
    sockets.wait(function() return server.listening end)
    local port = server:address().port
    server:close()
    local socket = net.connect(port, "127.0.0.1")
    socket:on("error", t.calls(1, function(err) assert.equal("ECONNREFUSED", err.code) end))
    local client = over(socket)
    client:on("error", t.calls(1, function(err) assert.equal("ECONNRESET", err.code) end))
    client:on("close", t.calls(1))
    t.run()
  end))

  it("fails over one that is closed", within(function(t)
    local a, b = net.duplexPair()
    a:destroy()
    b:destroy()
    local client = over(a)
    client:on("error", t.calls(1, function(err) assert.equal("ECONNRESET", err.code) end))
    t.run()
  end))

  it("closes the other socket first, whichever is destroyed", within(function(t)
    for _, which in ipairs { "inner", "outer" } do
      local a, b = net.duplexPair()
      local server, client = serve(b), over(a)
      local log = {}
      client:on("error", function(err) log[#log + 1] = "tls " .. err.message end)
      a:on("error", function(err) log[#log + 1] = "socket " .. err.message end)
      a:on("close", function() log[#log + 1] = "socket closed" end)
      client:on("close", function() log[#log + 1] = "tls closed" end)
      server:on("error", function() end)
      server:resume()
      client:on("secureConnect", function()
        (which == "inner" and a or client):destroy(net.Error("mine"))
      end)
      server:on("close", t.calls(1))
      t.run()
      assert.equal("socket closed", log[#log - 1], which)
      assert.equal("tls closed", log[#log], which)
      assert.truthy(table.concat(log, " "):find("tls mine", 1, true), which)
    end
  end))

  it("raises for what is no socket", function()
    for _, call in ipairs { function() tls.TLSSocket({}) end,
      function() tls.connect({ socket = "x" }) end } do
      local ok, err = pcall(call)
      assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
    end
  end)
end)
