-- SPDX-License-Identifier: MIT

--- TLS over another socket that is not just open, and what that one does afterwards; a server's
--- raw sockets.

local net, net_core = require("net"), require("net.core")
local sockets = require("spec.support.sockets")
local timers = require("net.timers")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local within = require("spec.support").within

local EVENTS = { "connect", "secureConnect", "data", "end", "finish", "error", "close" }

local function over(from, requestOCSP)
  return tls.connect({ socket = from, ca = pair.ca.cert, servername = "localhost",
    requestOCSP = requestOCSP })
end

--- A server that says "hi" to each client, and its log.
local function greeter()
  return pair.listen({}, function(socket)
    socket:on("error", function() end)
    socket:finish("hi")
    socket:resume()
  end)
end

--- The log with "finish" behind "end": it comes at the client's own end, before or behind the other's.
local function sorted(log)
  local list = {}
  for _, line in ipairs(log) do
    if line ~= "finish" then list[#list + 1] = line end
  end
  table.insert(list, #list, #list < #log and "finish" or nil)
  return list
end

describe("TLS over a socket", function()
  it("that has not begun to connect waits for that", within(function(t)
    local server = greeter()
    local raw = net.Socket()
    local client = over(raw)
    local log = pair.watch({}, client, EVENTS)
    assert.same({ true, false }, { client.connecting, client.destroyed })
    raw:connect(server:address().port, "127.0.0.1")
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "connect", "secureConnect", "data hi", "end", "finish", "close false" }, log)
  end))

  for _, way in ipairs { "connects", "has connected", "has not begun to connect" } do
    it("that " .. way .. " has to meet the host that this looks up", within(function(t)
      local server = greeter()
      local here = { { address = "127.0.0.1", family = 4 } }
      local function meet(host)
        local raw, log = net.Socket(), nil
        local function wrap()
          local client = tls.connect({ socket = raw, ca = pair.ca.cert })
          log = pair.watch({}, client, { "secureConnect", "error", "close" })
          client:resume()
        end
        if way == "has not begun to connect" then wrap() end
        raw:connect({ port = server:address().port, host = host,
          lookup = function(_, _, callback) callback(nil, here) end })
        if way == "connects" then wrap() end
        if way == "has connected" then raw:once("connect", wrap) end
        sockets.wait(function() return log and log[#log] and log[#log]:find("^close") end)
        return log
      end
      assert.same({ "error ERR_TLS_CERT_ALTNAME_INVALID", "close true" }, meet("elsewhere.example"))
      assert.same({ "secureConnect", "close false" }, meet("localhost"))
      server:close(t.calls(1))
      t.run()
    end))
  end

  it("that never connects holds nothing, and ends with it", within(function(t)
    local raw = net.Socket()
    local client = over(raw)
    local log = pair.watch({}, client, EVENTS)
    t.run()
    assert.same({}, log)
    raw:destroy()
    t.run()
    assert.same({ "error ECONNRESET", "close true" }, log)
    raw = net.Socket()
    client = over(raw)
    log = pair.watch({}, client, EVENTS)
    client:destroy()
    t.run()
    assert.same({ "close false" }, log)
    assert.is_true(raw.destroyed)
  end))

  it("is half-open if that is, whatever its own options say", within(function(t)
    for _, half_open in ipairs { false, true } do
      local one, other = net.duplexPair({ allowHalfOpen = half_open })
      assert.equal(half_open, one.allowHalfOpen)
      local socket = tls.TLSSocket(one, { isServer = true, cert = pair.server.cert, key = pair.server.key,
        allowHalfOpen = not half_open })
      assert.equal(half_open, socket.allowHalfOpen)
      socket:destroy()
      other:destroy()
      t.run()
    end
    assert.is_true(tls.TLSSocket(nil, { isServer = true, allowHalfOpen = true }).allowHalfOpen)
  end))

  for name, make in pairs({ net = net.createServer, tls = tls.createServer }) do
    it("asks a server that it was given, and tells all else itself: net." .. name, within(function(t)
      local asked, log = make(), {}
      for _, event in ipairs({ "secureConnection", "tlsClientError", "keylog" }) do
        asked:on(event, t.calls(0))
      end
      asked:on("resumeSession", t.calls(1, function(_, done) done() end))
      asked:on("newSession", t.calls(1, function(_, _, done) done() end))
      asked:on("OCSPRequest", t.calls(1, function(_, _, done) done(nil, "good") end))
      local one, other = net.duplexPair()
      local server = tls.TLSSocket(one, { isServer = true, server = asked, cert = pair.server.cert,
        key = pair.server.key, maxVersion = "TLSv1.2", secureOptions = tls.constants.SSL_OP_NO_TICKET })
      assert.equal(asked, server.server)
      pair.watch(log, server, { "secure", "end", "finish", "error", "close" })
      local client = over(other, true)
      client:on("OCSPResponse", t.calls(1, function(der) assert.equal("good", der) end))
      client:on("secureConnect", function() client:finish() end)
      server:resume():on("end", function() server:finish() end)
      t.run()
      assert.same({ "secure", "end", "finish", "close false" }, log)
    end))
  end

  it("has an error itself where it was given a server", within(function(t)
    local asked = tls.createServer()
    asked:on("tlsClientError", t.calls(0))
    local one, other = net.duplexPair()
    local server = tls.TLSSocket(one, { isServer = true, server = asked })
    local log = pair.watch({}, server, EVENTS)
    other:resume():finish(("*"):rep(100))
    t.run()
    assert.same({ "error ERR_SSL_WRONG_VERSION_NUMBER", "close true" }, log)
    local ok, err = pcall(tls.TLSSocket, net.Socket(), { isServer = true, server = {} })
    assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
  end))

  it("has the addresses of the one below, which keeps them as long", within(function(t)
    local server = greeter()
    local port = server:address().port
    local below = net.connect(port, "127.0.0.1")
    local socket = over(below)
    local seen = {}
    socket:on("secureConnect", function()
      for i, one in ipairs({ socket, below }) do
        seen[i] = { one:address(), one.localAddress, one.localPort, one.localFamily, one.remotePort }
      end
    end)
    socket:resume():on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same(seen[1], seen[2])
    assert.same({ "127.0.0.1", "IPv4", port }, { seen[2][2], seen[2][4], seen[2][5] })
    assert.same({ address = "127.0.0.1", family = "IPv4", port = seen[2][3] }, seen[2][1])
    assert.same({ {}, {} }, { below:address(), socket:address() })
  end))

  it("that is half of a pair hears why the other half's handshake has failed", within(function(t)
    local one, other = net.duplexPair()
    local server = tls.TLSSocket(one, { isServer = true, cert = pair.server.cert, key = pair.server.key,
      sigalgs = "RSA-PSS+SHA256" })
    local log = pair.watch({}, server, EVENTS)
    local client = over(other)
    local told = pair.watch({}, client, EVENTS)
    t.run()
    assert.match("^error ERR_SSL_NO_S", log[1])
    assert.same({ "error ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", "close true" }, told)
  end))

  it("that is half of a pair has an end where the other half is destroyed with an error", within(function(t)
    local one, other = net.duplexPair()
    local server = tls.TLSSocket(one, { isServer = true, cert = pair.server.cert, key = pair.server.key })
    local log = pair.watch({}, server, EVENTS)
    local client = over(other)
    client:on("secureConnect", function() client:destroy(net.Error { message = "enough" }) end)
    client:on("error", t.calls(1, function() end))
    t.run()
    assert.same({ "end", "close false" }, log)
  end))

  it("that is destroyed has no address, if nobody has asked before", within(function(t)
    local seen
    local server = net.createServer(function(raw)
      local socket = tls.TLSSocket(raw, { isServer = true, cert = pair.server.cert, key = pair.server.key })
      socket:destroy()
      seen = { socket.remoteAddress == nil, socket.remotePort == nil, socket.remoteFamily == nil }
    end):listen(0)
    local raw = net.connect(server:address().port, "127.0.0.1"):resume()
    raw:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ true, true, true }, seen)
  end))

  it("that connects is one layer, though connect() was called meanwhile", within(function(t)
    local server = greeter()
    local raw = net.connect(server:address().port, "127.0.0.1")
    local client = over(raw)
    local log = pair.watch({}, client, EVENTS)
    client:connect({ port = 1, host = "never.example", lookup = function() end })
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "connect", "secureConnect", "data hi", "end", "finish", "close false" }, log)
  end))

  local function here_later(_, _, callback)
    timers.setTimeout(callback, 20, nil, { { address = "127.0.0.1", family = 4 } })
  end

  -- What becomes of the socket below when the one above has a connection of its own.
  local BELOW = {
    ["connects"] = function(port) return net.connect({ port = port, host = "x.example", lookup = here_later }) end,
    ["connects in the same turn"] = function(port) return net.connect(port, "127.0.0.1") end,
    ["begins to connect"] = function(port)
      local raw = net.Socket()
      timers.setTimeout(function() raw:connect(port, "127.0.0.1") end, 20)
      return raw
    end,
    ["fails to connect"] = function()
      return net.connect({ port = 1, host = "x.example", lookup = here_later })
    end,
    ["is destroyed"] = function()
      local raw = net.connect({ port = 1, host = "x.example", lookup = function() end })
      timers.setTimeout(function() raw:destroy() end, 20)
      return raw
    end,
  }
  for what, begin in pairs(BELOW) do
    it("that has connected by itself keeps its connection, when the one below " .. what, within(function(t)
      local at_server, below = {}, net.createServer(function(socket)
        socket:on("error", function() end):resume()
      end)
      below:listen(0, "127.0.0.1")
      sockets.wait(function() return below.listening end)
      local server = pair.listen({}, function(socket)
        pair.watch(at_server, socket, { "data", "end", "error", "close" })
        socket:write("hi")
      end)
      local raw, told = begin(below:address().port), false
      for _, name in ipairs({ "connect", "close" }) do raw:once(name, function() told = true end) end
      raw:on("error", function() end)
      local client = over(raw)
      local log = pair.watch({}, client, EVENTS)
      client:connect(server:address().port, "127.0.0.1")
      sockets.wait(function() return told and log[3] end)
      client:finish("bye")
      client:on("close", t.calls(1, function()
        server:close()
        below:close()
      end))
      t.run()
      assert.same({ "connect", "secureConnect", "data hi", "end", "finish", "close false" }, sorted(log))
      assert.same({ "data bye", "end", "close false" }, at_server)
      assert.is_true(raw.destroyed)
    end))
  end

  --- The other end reads a megabyte of plain text before it does TLS, so that 'one' waits.
  local function behind_plain_text(layers, log)
    local one, other = net.duplexPair()
    local text, got = ("x"):rep(1 << 20), 0
    one:write(text)
    local top = over(one)
    for _ = 2, layers do top = over(top) end
    assert.is_true(top.connecting)
    local function serve(from, left)
      local socket = tls.TLSSocket(from, { isServer = true, cert = pair.server.cert, key = pair.server.key })
      if left > 1 then return serve(socket, left - 1) end
      pair.watch(log, socket, { "data", "end", "error", "close" })
      socket:finish("bye")
    end
    other:on("readable", function()
      while got < #text do
        local chunk = other:read(math.min(#text - got, 4096))
        if not chunk then return end
        got = got + #chunk
      end
      other:removeAllListeners("readable")
      serve(other, layers)
    end)
    return top
  end

  for layers = 1, 3 do
    it("that has still to send does all that it is asked meanwhile: " .. layers, within(function(t)
      local there, log = {}, {}
      local client = behind_plain_text(layers, there)
      pair.watch(log, client, EVENTS)
      client:write("early", pair.callback(log))
      client:finish("!")
      t.run()
      assert.same({ "data early!", "end", "close false" }, there)
      table.sort(log)
      assert.same({ "close false", "data bye", "end", "finish", "secureConnect", "wcb" }, log)
    end))
  end

  it("that is destroyed fails soon, not amid the call", within(function(t)
    local raw = net.Socket()
    raw:destroy()
    for _ = 1, 2 do -- closed, the second time
      local client = over(raw)
      assert.is_false(client.destroyed)
      local log = pair.watch({}, client, EVENTS)
      t.run()
      assert.same({ "error ECONNRESET", "close true" }, log)
    end
  end))

  it("that has ended fails, with what was written, and ends that one", within(function(t)
    local far
    local server = net.createServer({ allowHalfOpen = true }, function(socket)
      far = socket:on("error", function() end):resume()
    end)
    server:listen(0, "127.0.0.1")
    sockets.wait(function() return server.listening end)
    local raw = net.connect(server:address().port, "127.0.0.1")
    local log = {}
    raw:on("close", t.calls(1, function()
      far:destroy()
      server:close()
    end))
    raw:finish()
    raw:once("finish", t.calls(1, function()
      local client = over(raw)
      assert.is_false(client.destroyed)
      pair.watch(log, client, EVENTS)
      client:write("early", pair.callback(log))
    end))
    t.run()
    table.sort(log)
    assert.same({ "close true", "error ECONNRESET", "wcb ERR_SOCKET_CLOSED_BEFORE_CONNECTION" }, log)
  end))
end)

--- What becomes of a TLS client over a socket with which that is done when it is open.
local function misuse(t, what)
  local server, said = greeter()
  local raw = net.connect(server:address().port, "127.0.0.1")
  local log = {}
  raw:on("connect", function()
    local client = over(raw)
    pair.watch(log, client, { "data", "end", "error", "close" })
    client:on("secureConnect", function() what(raw, log) end)
    client:on("close", t.calls(1, function() server:close() end))
  end)
  raw:on("error", function() end)
  t.run()
  return log, said
end

describe("A socket over which TLS is", function()
  it("takes nothing to write: both fail", within(function(t)
    local log = misuse(t, function(raw, log) raw:write("plain", pair.callback(log)) end)
    assert.same({ "wcb ERR_SOCKET_CLOSED", "error ERR_SOCKET_CLOSED", "close true" }, log)
  end))

  it("may be finished, which is a word about itself", within(function(t)
    local log = misuse(t, function(raw, log) raw:finish(pair.callback(log)) end)
    assert.same({ "wcb", "data hi", "end", "close false" }, log)
  end))

  it("cannot connect again: both fail", within(function(t)
    local log = misuse(t, function(raw) raw:connect(1, "127.0.0.1") end)
    assert.same({ "error EISCONN", "close true" }, log)
  end))
end)

describe("A listener of a TLS server's 'connection'", function()
  it("that raises does not keep the client from TLS", within(function(t)
    local server, said = greeter()
    server:on("connection", function() error("mine", 0) end)
    local client = pair.connect(server)
    local log = pair.watch({}, client, EVENTS)
    client:on("close", t.calls(1, function() server:close() end))
    local ok, err = pcall(t.run)
    assert.same({ false, "mine" }, { ok, err })
    t.run()
    assert.same({ "secureConnection" }, said)
    assert.same({ "connect", "secureConnect", "data hi", "end", "finish", "close false" }, log)
  end))

  it("that raises, of a socket which somebody hands over, is heard by who does", within(function(t)
    local server, said = greeter()
    server:on("connection", function() error("mine", 0) end)
    local a, b = net.duplexPair()
    local ok, err = pcall(server.emit, server, "connection", a)
    assert.same({ false, "mine" }, { ok, err })
    local client = over(b)
    client:on("data", t.calls(1, function() client:finish() end))
    client:on("close", function() server:close() end)
    t.run()
    assert.same({ "secureConnection" }, said)
  end))
end)

describe("A TLS server's handshakeTimeout", function()
  it("is a time that a timer can have", within(function(t)
    for _, ms in ipairs({ -1, 2147483648, math.huge, 0 / 0 }) do
      local ok, err = pcall(tls.createServer, { handshakeTimeout = ms })
      assert.same({ false, "ERR_OUT_OF_RANGE" }, { ok, err.code })
    end
    tls.createServer({ handshakeTimeout = 2147483647 })
    t.run()
  end))

  it("ends with the socket, also where nobody hears of that", within(function(t)
    local server = tls.createServer({ cert = pair.server.cert, key = pair.server.key })
    local a, b = net.duplexPair()
    server:emit("connection", b)
    local socket = net_core.stream.taken_by(b)
    socket:removeAllListeners()
    socket:destroy()
    a:destroy()
    t.run()
  end))
end)

describe("A TLS client's handshakeTimeout", function()
  it("ends with the socket, also where nobody hears of that", within(function(t)
    local a, b = net.duplexPair()
    local client = tls.connect({ socket = a, ca = pair.ca.cert, handshakeTimeout = 60000 })
    client:removeAllListeners("close")
    client:destroy()
    b:destroy()
    t.run()
  end))

  it("is that of each connection, and of none before", within(function(t)
    local codes, server = {}, nil
    server = net.createServer(function(peer)
      peer:resume():on("close", function() if #codes == 2 then server:close() end end)
    end)
    server:listen(0, "127.0.0.1", t.calls(1, function()
      local port = server:address().port
      local client = tls.connect({ port = port, host = "127.0.0.1", handshakeTimeout = 10 })
      client:on("error", t.calls(2, function(err) codes[#codes + 1] = err.code end))
      client:once("close", function() client:connect(port, "127.0.0.1") end)
    end))
    t.run()
    assert.same({ "ERR_TLS_HANDSHAKE_TIMEOUT", "ERR_TLS_HANDSHAKE_TIMEOUT" }, codes)
  end))
end)

describe("The limit of a stream", function()
  local limit, unlimit = net_core.stream.limit, net_core.stream.unlimit

  it("comes again until it is taken back", within(function(t)
    local socket, times = net.Socket(), 0
    limit(socket, t.calls(3, function(given)
      times = times + 1
      assert.equal(socket, given)
      if times == 3 then unlimit(given) end
    end), 1)
    t.run()
  end))

  it("comes again though it raises", within(function(t)
    local socket = net.Socket()
    limit(socket, t.calls(2, function() error("mine", 0) end), 1)
    assert.same({ false, "mine" }, { pcall(t.run) })
    assert.same({ false, "mine" }, { pcall(t.run) })
    socket:destroy()
    t.run()
  end))

  it("is one, the last that was set", within(function(t)
    local socket = net.Socket()
    limit(socket, t.calls(0), 1)
    limit(socket, t.calls(1, function() socket:destroy() end), 1)
    t.run()
  end))

  it("is none of a socket that is destroyed", within(function(t)
    local socket = net.Socket()
    socket:destroy()
    limit(socket, t.calls(0), 1)
    unlimit(socket)
    t.run()
  end))

  it("is a time, and calls a function", function()
    assert.is_false(pcall(limit, net.Socket(), function() end, 0))
    assert.is_false(pcall(limit, net.Socket(), nil, 1))
    assert.is_false(pcall(limit, {}, function() end, 1))
    assert.is_false(pcall(unlimit, {}))
  end)
end)
