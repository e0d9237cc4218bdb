-- SPDX-License-Identifier: MIT

--- What a TLS socket tells about its connection, and what tls.connect and tls.createServer
--- take and refuse.

local net = require("net")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local since = require("spec.support.openssl").since
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local VERSIONS = { "TLSv1.2", "TLSv1.3" }
--- How keys are agreed on by default.
local AGREED = { ["TLSv1.2"] = "ECDH", ["TLSv1.3"] = since(3, 5) and "TLSGroup" or "ECDH" }

--- Both sides of a connection that is open.
local function open(t, server_options, client_options)
  local there
  local server = pair.listen(server_options, function(socket) there = socket end)
  local client = pair.connect(server, client_options)
  local here
  client:on("secureConnect", function() here = client end)
  sockets.wait(function() return here and there end)
  server:close()
  t.finally(function() here:destroy() there:destroy() end)
  return here, there
end

local function close(t, ...)
  for _, socket in ipairs { ... } do socket:destroy() end
  t.run()
end

describe("A TLS socket", function()
  for _, version in ipairs(VERSIONS) do
    local options = { minVersion = version, maxVersion = version }

    it("tells what it is: " .. version, within(function(t)
      local client, peer = open(t, options)
      for _, socket in ipairs { client, peer } do
        assert.same({ true, true, true, version, false, "open" }, { net.isSocket(socket),
          tls.isTLSSocket(socket), socket.encrypted, socket:getProtocol(), socket.secureConnecting,
          socket.readyState })
        local cipher = socket:getCipher()
        assert.same({ "string", "string", "string" },
          { type(cipher.name), type(cipher.standardName), type(cipher.version) })
        assert.equal("127.0.0.1", socket.remoteAddress)
        assert.is_false(socket:isSessionReused())
      end
      assert.same({ "localhost", "localhost", true, false },
        { client.servername, peer.servername, client.authorized, peer.authorized })
      assert.same({ "localhost", "localhost" }, { client:getPeerCertificate().subject.CN,
        peer:getCertificate().subject.CN })
      assert.same({ {}, {} }, { peer:getPeerCertificate(), client:getCertificate() })
      local root = client:getPeerCertificate(true).issuerCertificate
      assert.equal(root, root.issuerCertificate)
      assert.equal(AGREED[version], client:getEphemeralKeyInfo().type)
      assert.is_nil(peer:getEphemeralKeyInfo())
      assert.truthy(#peer:getSharedSigalgs() > 0)
      close(t, client, peer)
    end))

    it("has keys that only both sides know: " .. version, within(function(t)
      local client, peer = open(t, options)
      assert.equal(client:exportKeyingMaterial(32, "label"), peer:exportKeyingMaterial(32, "label"))
      assert.equal(32, #client:exportKeyingMaterial(32, "label"))
      assert.not_equal(client:exportKeyingMaterial(32, "label"),
        client:exportKeyingMaterial(32, "label", "context"))
      assert.equal(client:getFinished(), peer:getPeerFinished())
      assert.equal(client:getPeerFinished(), peer:getFinished())
      for _, row in ipairs { { "ERR_INVALID_ARG_TYPE", "x", "y" }, { "ERR_OUT_OF_RANGE", -1, "y" },
        { "ERR_INVALID_ARG_TYPE", 1, 2 } } do
        local ok, err = pcall(client.exportKeyingMaterial, client, row[2], row[3])
        assert.same({ false, row[1] }, { ok, err.code })
      end
      close(t, client, peer)
    end))

    it("cuts what it writes into records of a size: " .. version, within(function(t)
      local client, peer = open(t, options)
      assert.same({ true, true, false, false }, { client:setMaxSendFragment(512),
        client:setMaxSendFragment(16384), client:setMaxSendFragment(511), client:setMaxSendFragment(1e6) })
      client:setMaxSendFragment(512)
      local got = {}
      peer:on("data", function(chunk) got[#got + 1] = chunk end)
      local sent = ("0123456789abcdef"):rep(40000)
      client:finish(sent)
      peer:on("end", t.calls(1))
      t.run()
      assert.equal(sent, table.concat(got))
    end))

    it("tells its keys to who listens, and to nobody else: " .. version, within(function(t)
      local lines = { here = {}, there = {} }
      local server = pair.listen(options, function(socket) socket:finish() end)
      server:on("keylog", function(line, socket)
        assert.is_true(tls.isTLSSocket(socket))
        lines.there[#lines.there + 1] = line
      end)
      local client = pair.connect(server)
      client:on("keylog", function(line)
        assert.is_true(client.secureConnecting)
        lines.here[#lines.here + 1] = line
      end)
      client:resume():on("close", t.calls(1, function() server:close() end))
      t.run()
      table.sort(lines.here)
      table.sort(lines.there)
      assert.same(lines.there, lines.here)
      assert.equal(version == "TLSv1.2" and 1 or 5, #lines.here)
      for _, line in ipairs(lines.here) do assert.matches("^[A-Z_0-9]+ %x+ %x+\n$", line) end
    end))
  end

  it("knows little before its handshake, and nothing once it is closed", within(function(t)
    local server = pair.listen({}, function(socket) socket:finish() end)
    local client = pair.connect(server)
    client:on("connect", t.calls(1, function()
      assert.same({ "open", false, true, false, "TLSv1.3", false }, { client.readyState,
        client.connecting, client.secureConnecting, client.authorized, client:getProtocol(),
        client:isSessionReused() })
      assert.same({ {}, {}, {} }, { client:getPeerCertificate(), client:getCertificate(),
        client:getSharedSigalgs() })
      for _, name in ipairs { "getCipher", "getSession", "getFinished", "getPeerFinished",
        "getTLSTicket", "getEphemeralKeyInfo" } do
        assert.is_nil(client[name](client), name)
      end
      local ok, err = pcall(client.exportKeyingMaterial, client, 1, "x")
      assert.same({ false, "ERR_TLS_INVALID_STATE" }, { ok, err.code })
    end))
    client:resume():on("close", t.calls(1, function()
      server:close()
      for _, name in ipairs { "getProtocol", "getCipher", "getSession", "getFinished",
        "getPeerFinished", "getTLSTicket", "getEphemeralKeyInfo", "getPeerCertificate",
        "getCertificate", "getSharedSigalgs" } do
        assert.is_nil(client[name](client), name)
      end
    end))
    t.run()
  end))

  it("does not renegotiate", within(function(t)
    local client, peer = open(t, {})
    assert.is_false(client:renegotiate({}, t.calls(1, function(err)
      assert.equal("ERR_TLS_RENEGOTIATION_DISABLED", err.code)
    end)))
    client:disableRenegotiation()
    for _, wrong in ipairs { 1, "x" } do
      local ok, err = pcall(client.renegotiate, client, wrong)
      assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
    end
    close(t, client, peer)
  end))

  it("asks for no name that it is too late or wrong to ask for", within(function(t)
    local client, peer = open(t, {})
    local ok, err = pcall(peer.setServername, peer, "x")
    assert.same({ false, "ERR_TLS_SNI_FROM_SERVER" }, { ok, err.code })
    ok, err = pcall(client.setServername, client, 1)
    assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
    close(t, client, peer)
  end))

  it("has methods for itself alone", within(function(t)
    local plain = net.Socket()
    for _, name in ipairs { "getProtocol", "getPeerCertificate", "setSession" } do
      local ok, err = pcall(tls.TLSSocket()[name], plain, "x")
      assert.same({ false, "ERR_INVALID_THIS" }, { ok, err.code }, name)
    end
    t.run()
  end))

  it("made without a connection does TLS when it connects", within(function(t)
    local server = pair.listen({}, function(socket) socket:finish("hi") end)
    local client = tls.TLSSocket(nil, { host = "localhost", ca = pair.ca.cert })
    client:removeAllListeners("connect")
    client:connect({ port = server:address().port, host = "127.0.0.1" })
    client:on("data", t.calls(1, function(chunk) assert.equal("hi", chunk) end))
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
  end))

  it("does TLS again when it is connected again", within(function(t)
    local count = 0
    local server = pair.listen({}, function(socket)
      count = count + 1
      socket:finish("hello " .. count)
    end)
    local port = server:address().port
    local client, got = pair.connect(server), {}
    client:on("data", function(chunk) got[#got + 1] = chunk end)
    client:on("secureConnect", t.calls(2))
    client:once("close", function()
      client:connect({ port = port, host = "127.0.0.1" })
      client:once("close", t.calls(1, function() server:close() end))
    end)
    t.run()
    assert.same({ "hello 1", "hello 2" }, got)
  end))
end)

describe("tls.connect", function()
  it("asks for the host's name, and for none where that is an address or told so", within(function(t)
    for _, row in ipairs { { { host = "localhost" }, "localhost" },
      { { host = "127.0.0.1" }, false }, { { host = "localhost", servername = "" }, false },
      { { host = "127.0.0.1", servername = "localhost" }, "localhost" } } do
      local name
      local server = pair.listen({}, function(socket)
        name = socket.servername
        socket:finish()
      end)
      local client = pair.connect(server, row[1])
      client:resume():on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.equal(row[2], name)
    end
  end))

  it("has checkServerIdentity decide, also by raising", within(function(t)
    for _, row in ipairs { { function() end, nil }, { function() return net.Error("no") end, "no" },
      { function() error(net.Error("raised"), 0) end, "raised" } } do
      local host, subject
      local server = pair.listen({}, function(socket) socket:on("data", t.never()):on("error", print) end)
      local client = pair.connect(server, { servername = "wrong.example",
        checkServerIdentity = function(name, cert)
          host, subject = name, cert.subject.CN
          return row[1]()
        end })
      local message
      client:on("error", function(err) message = err.message end)
      client:on("secureConnect", function() client:destroy() end)
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "wrong.example", "localhost", row[2] }, { host, subject, message })
    end
  end))

  it("takes its arguments in all forms", within(function(t)
    local server = pair.listen({}, function(socket) socket:finish() end)
    local port, options = server:address().port, { ca = pair.ca.cert }
    local left = 4
    for _, arguments in ipairs { { port, "127.0.0.1", options }, { tostring(port), options },
      { { port = port }, options }, { { port = port, ca = pair.ca.cert } } } do
      local client = tls.connect(table.unpack(arguments))
      client:on("secureConnect", t.calls(1))
      client:resume():on("close", t.calls(1, function()
        left = left - 1
        if left == 0 then server:close() end
      end))
    end
    t.run()
    assert.same({ ca = pair.ca.cert }, options)
  end))

  it("raises for what comes first in Node, where several options are wrong", function()
    local wrong = {
      { "ERR_INVALID_ARG_TYPE", "checkServerIdentity", 5 }, { "ERR_OUT_OF_RANGE", "minDHSize", 0 },
      { "ERR_INVALID_ARG_TYPE", "ca", 5 }, { "ERR_INVALID_ARG_VALUE", "servername", "1.2.3.4" },
      { "ERR_INVALID_ARG_TYPE", "enableTrace", 5 }, { "ERR_INVALID_ARG_VALUE", "ALPNProtocols", { "" } },
      { "ERR_INVALID_ARG_TYPE", "session", 5 }, { "ERR_INVALID_ARG_TYPE", "pskCallback", 5 },
    }
    local function message(...)
      local options = {}
      for _, one in ipairs({ ... }) do options[one[2]] = one[3] end
      local ok, err = pcall(tls.connect, options)
      assert.is_false(ok)
      return err.message, err.code
    end
    for i, one in ipairs(wrong) do
      local alone, code = message(one)
      assert.equal(one[1], code)
      for k = i + 1, #wrong do
        assert.equal(alone, (message(one, wrong[k])))
      end
    end
    assert.equal("ERR_MISSING_ARGS", (select(2, message())))
  end)

  it("raises for what is wrong, before it connects", function()
    for _, row in ipairs {
      { "ERR_MISSING_ARGS", {} },
      { "ERR_INVALID_ARG_TYPE", { port = 1, checkServerIdentity = 1 } },
      { "ERR_INVALID_ARG_TYPE", { port = 1, minDHSize = "x" } },
      { "ERR_OUT_OF_RANGE", { port = 1, minDHSize = 0 } },
      { "ERR_INVALID_ARG_VALUE", { port = 1, servername = "127.0.0.1" } },
      { "ERR_INVALID_ARG_TYPE", { port = 1, servername = 1 } },
      { "ERR_INVALID_ARG_TYPE", { port = 1, session = 1 } },
      { "ERR_OUT_OF_RANGE", { port = 1, handshakeTimeout = -1 } },
      { "ERR_TLS_INVALID_CONTEXT", { port = 1, secureContext = {} } },
      { "ERR_OSSL_PEM_NO_START_LINE", { port = 1, ca = "x" } },
      { "ERR_TLS_INVALID_PROTOCOL_VERSION", { port = 1, minVersion = "SSLv3" } },
      { "ERR_SOCKET_BAD_PORT", { port = 65536 } },
    } do
      local ok, err = pcall(tls.connect, row[2])
      assert.same({ false, row[1] }, { ok, err.code })
    end
    net.run()
  end)
end)

describe("tls.createServer", function()
  it("is a server of net's", within(function(t)
    local server = tls.createServer({ allowHalfOpen = true, noDelay = true })
    assert.same({ true, true, true }, { net.isServer(server), server.allowHalfOpen, server.noDelay })
    t.run()
  end))

  it("raises for what is wrong", function()
    for _, row in ipairs {
      { "ERR_INVALID_ARG_TYPE", "x" },
      { "ERR_INVALID_ARG_TYPE", { handshakeTimeout = "x" } },
      { "ERR_TLS_INVALID_CONTEXT", { secureContext = 1 } },
      { "ERR_OSSL_PEM_NO_START_LINE", { cert = "x" } },
      { "ERR_INVALID_ARG_TYPE", { keepAliveInitialDelay = "x" } },
    } do
      local ok, err = pcall(tls.createServer, row[2])
      assert.same({ false, row[1] }, { ok, err.code })
    end
  end)

  it("counts connections amid the handshake, and drops what is too many", within(function(t)
    local server, log = pair.listen({})
    server.maxConnections = 1
    local dropped
    server:on("drop", t.calls(1, function() dropped = true end))
    local raw = net.connect(server:address().port, "127.0.0.1")
    raw:on("connect", function()
      local second = net.connect(server:address().port, "127.0.0.1")
      second:on("error", function() end)
      second:resume():on("close", t.calls(1, function()
        assert.equal(1, server.connections)
        raw:destroy()
        server:close()
      end))
    end)
    t.run()
    assert.is_true(dropped)
    assert.same({ "tlsClientError ECONNRESET" }, log)
  end))

  it("does TLS over a connection that was accepted by somebody else", within(function(t)
    local server = tls.createServer({ cert = pair.server.cert, key = pair.server.key },
      function(socket) socket:finish("hi") end)
    local plain = net.createServer(function(socket) server:emit("connection", socket) end)
      :listen(0, "127.0.0.1")
    sockets.wait(function() return plain.listening end)
    local client = pair.connect(plain)
    client:on("data", t.calls(1, function(chunk) assert.equal("hi", chunk) end))
    client:on("close", t.calls(1, function() plain:close() end))
    t.run()
  end))

  it("tells of a raw socket that a listener of 'connection' destroys", within(function(t)
    local server, log = pair.listen({})
    server:on("connection", function(raw) raw:destroy() end)
    local client = pair.connect(server)
    client:on("error", t.calls(1))
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "tlsClientError ECONNRESET" }, log)
  end))
end)

describe("A signal that aborts after tls.connect has raised", function()
  it("finds no socket", within(function(t)
    for _, options in ipairs({
      { port = 99999 }, { port = 1, host = 5 }, { port = 1, host = "127.0.0.1", timeout = "x" },
    }) do
      local controller = require("net.abort").AbortController()
      options.signal = controller.signal
      assert.is_false(pcall(tls.connect, options))
      controller:abort()
      t.run() -- raises what is uncaught
    end
  end))
end)

describe("The memory of an idle TLS connection", function()
  --- Each would be a table of 32 slots otherwise, for what is the same in all.
  it("has no copy of its server's settings", within(function(t)
    local here, there = open(t)
    local fields = {}
    for name in pairs(require("net.internal.tls.state").of(there)) do
      fields[#fields + 1] = name
    end
    table.sort(fields)
    assert.same({ "alpn", "authorized", "conn", "name", "pending", "secured", "socket" }, fields)
    here:destroy()
    there:destroy()
  end))
end)

describe("A server's socket that is destroyed amid its handshake", function()
  for what, err in pairs { ["no error"] = false, ["an error"] = net.Error { code = "E_OWN", message = "own" } } do
    it("is told to the server, and ends nobody else: " .. what, within(function(t)
      local told = {}
      local server, log = pair.listen()
      server:on("keylog", function(_, socket)
        if not told[socket] then
          told[socket] = true
          socket:on("close", t.calls(1, function(failed) log[#log + 1] = "close " .. tostring(failed) end))
          socket:destroy(err or nil)
        end
      end)
      local client = pair.connect(server)
      client:on("error", function() end):on("close", function() server:close() end)
      t.run()
      assert.same({ "tlsClientError " .. (err and "E_OWN" or "ECONNRESET"), "close " .. tostring(err and true) }, log)
    end))
  end
end)
