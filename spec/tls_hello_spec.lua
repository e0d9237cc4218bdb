-- SPDX-License-Identifier: MIT

--- What a server's program says to a client's first message: which certificate for the name
--- that it asks for, which of its protocols.

local net = require("net")
local timers = require("net.timers")
local tls = require("net.tls")
local lua = require("spec.support.lua")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local VERSIONS = { "TLSv1.2", "TLSv1.3" }

local made = {}

--- A certificate for a name.
local function certificate(name)
  made[name] = made[name] or pair.ca:issue({ subject = "/CN=" .. name, san = "DNS:" .. name })
  return { cert = made[name].cert, key = made[name].key }
end

--- Connects once for each name, and gives whose certificate came back, or the error's code.
local function ask(t, server, names, options)
  local got = {}
  local function next_one(i)
    if not names[i] then
      return server:close()
    end
    local own = { servername = names[i], checkServerIdentity = function() end }
    for key, value in pairs(options or {}) do own[key] = value end
    local client = pair.connect(server, own)
    client:on("secureConnect", function()
      got[i] = client:getPeerCertificate().subject.CN
      client:finish()
    end)
    client:on("error", function(err) got[i] = err.code end)
    client:resume():on("close", t.calls(1, function() next_one(i + 1) end))
  end
  next_one(1)
  t.run()
  return got
end

describe("A TLS server's contexts", function()
  for _, version in ipairs(VERSIONS) do
    it("are chosen by the name that a client asks for, the last that matches: " .. version,
      within(function(t)
        local server, log = pair.listen({ minVersion = version, maxVersion = version })
        server:addContext("a.example", certificate("a.example"))
        server:addContext("*.b.example", certificate("*.b.example"))
        server:addContext("x.b.example", tls.createSecureContext(certificate("x.b.example")))
        assert.same({ "a.example", "a.example", "*.b.example", "x.b.example", "localhost", "localhost",
          "localhost" }, ask(t, server, { "a.example", "A.Example", "y.b.example", "x.b.example",
            "z.y.b.example", "bxexample", "" }))
        assert.equal(7, #log)
      end))
  end

  for _, version in ipairs(VERSIONS) do
    it("may be one and the same, of two servers and their clients at once: " .. version, within(function(t)
      local own = certificate("a.example")
      own.ca, own.minVersion, own.maxVersion = pair.ca.cert, version, version
      local shared = tls.createSecureContext(own)
      for _ = 1, 2 do
        local server, log = pair.listen({ secureContext = shared, requestCert = true })
        server:addContext("*.b.example", shared)
        assert.same({ "a.example", "a.example" }, ask(t, server, { "x.b.example", "c.example" },
          { secureContext = shared }))
        assert.same({ "secureConnection", "secureConnection" }, log)
      end
    end))

    it("stay a handshake's that waits while the server is given another: " .. version, within(function(t)
      local old, new = certificate("old.example"), certificate("new.example")
      local server
      server = pair.listen({ minVersion = version, maxVersion = version, cert = old.cert, key = old.key,
        SNICallback = function(name, done)
          if name == "first.example" then
            server:setSecureContext({ cert = new.cert, key = new.key, minVersion = version, maxVersion = version })
          end
          timers.setImmediate(done)
        end })
      assert.same({ "old.example", "new.example" }, ask(t, server, { "first.example", "second.example" }))
    end))

    it("stay a handshake's that waits for a session while the server is given another: " .. version,
      within(function(t)
        local old, new = certificate("old.example"), certificate("new.example")
        for _, own in ipairs({ old, new }) do own.minVersion, own.maxVersion = version, version end
        local server, asked = pair.listen(old), 0
        server:on("resumeSession", function(_, done) -- a client of TLS 1.3 always shows an id
          asked = asked + 1
          server:setSecureContext(new)
          timers.setImmediate(done)
        end)
        assert.same({ "old.example", "new.example" }, ask(t, server, { "a.example", "b.example" }))
        assert.equal(2, asked)
      end))
  end

  it("have their own authorities for the clients' certificates", within(function(t)
    local server, log = pair.listen({ requestCert = true, ca = pair.ca.cert })
    local own = certificate("a.example")
    own.ca = pair.other_ca.cert
    server:addContext("a.example", own)
    ask(t, server, { "a.example", "b.example" }, { cert = pair.stranger.cert, key = pair.stranger.key })
    assert.same({ "secureConnection", "tlsClientError UNABLE_TO_VERIFY_LEAF_SIGNATURE" }, log)
  end))

  it("do not widen the server's versions", within(function(t)
    local server, log = pair.listen({ minVersion = "TLSv1.3" })
    server:addContext("a.example", certificate("a.example"))
    assert.same({ "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" },
      ask(t, server, { "a.example" }, { maxVersion = "TLSv1.2" }))
    server, log = pair.listen({ maxVersion = "TLSv1.2" }, function(socket) log.version = socket:getProtocol() end)
    server:addContext("a.example", certificate("a.example"))
    assert.same({ "a.example" }, ask(t, server, { "a.example" }))
    assert.equal("TLSv1.2", log.version)
  end))

  for _, row in ipairs {
    { "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384" },
    { "TLSv1.3", "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384" },
  } do
    local version, own, of_name = row[1], row[2], row[3]

    it("do not change the server's ciphers: " .. version, within(function(t)
      local server, log, cipher
      local options = { minVersion = version, maxVersion = version, ciphers = own }
      local named = certificate("a.example")
      named.ciphers = of_name
      server = pair.listen(options, function(socket) cipher = socket:getCipher().standardName end)
      server:addContext("a.example", named)
      ask(t, server, { "a.example" })
      assert.matches("WITH_AES_128_GCM_SHA256$", cipher:gsub("TLS_AES", "WITH_AES"))
      server, log = pair.listen(options)
      server:addContext("a.example", named)
      assert.same({ "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE" },
        ask(t, server, { "a.example" }, { ciphers = of_name }))
      assert.same({ "tlsClientError ERR_SSL_NO_SHARED_CIPHER" }, log)
    end))

    it("have their keys told, too: " .. version, within(function(t)
      local server, log = pair.listen({ minVersion = version, maxVersion = version })
      server:addContext("a.example", certificate("a.example"))
      server:on("keylog", function(line) log[line:match("^%S+")] = true end)
      ask(t, server, { "a.example" })
      assert.is_true(log[version == "TLSv1.3" and "CLIENT_TRAFFIC_SECRET_0" or "CLIENT_RANDOM"])
    end))
  end

  --- A certificate for a name, and who may have issued the clients'.
  local function trusting(name, ca)
    local own = certificate(name)
    own.ca = ca.cert
    return own
  end

  --- Connects by `first`, and again by `second` with the session of that: what the server told.
  local function resume(t, version, first, second, options)
    local own = { minVersion = version, maxVersion = version, requestCert = true, ca = pair.ca.cert }
    for key, value in pairs(options or {}) do own[key] = value end
    local seen = {}
    local server = pair.listen(own, function(socket)
      seen[#seen + 1] = ("%s %s"):format(socket.servername, socket:isSessionReused())
      socket:finish("x")
    end)
    server:on("tlsClientError", function(err) seen[#seen + 1] = err.code end)
    server:addContext("a.example", trusting("a.example", pair.ca))
    server:addContext("*.a.example", trusting("*.a.example", pair.ca))
    server:addContext("b.example", trusting("b.example", pair.other_ca))
    local session
    local function visit(name, done)
      -- A session is for whom the client has verified, so the name it sends is changed behind that.
      local client = pair.connect(server, { servername = first, session = session, key = pair.client.key,
        cert = pair.client.cert, checkServerIdentity = function() end })
      client:setServername(name)
      client:on("session", function(blob) session = blob end)
      client:on("error", function() end)
      client:resume():on("close", t.calls(1, done))
    end
    visit(first, function()
      visit(second, function() server:close() end)
    end)
    t.run()
    return seen
  end

  for _, version in ipairs(VERSIONS) do
    it("take no session of another name, whose client they may not trust: " .. version, within(function(t)
      assert.same({ "a.example false", "SELF_SIGNED_CERT_IN_CHAIN" },
        resume(t, version, "a.example", "b.example"))
    end))

    it("take those of their own name: " .. version, within(function(t)
      local seen = resume(t, version, "a.example", "A.example")
      assert.same({ "a.example false", "a.example true" }, { seen[1], seen[2]:lower() })
    end))

    it("tell names of one context apart: " .. version, within(function(t)
      assert.same({ "x.a.example false", "y.a.example false" },
        resume(t, version, "x.a.example", "y.a.example"))
    end))

    it("take none of a context that was there before: " .. version, within(function(t)
      local seen, session = {}, nil
      local server = pair.listen({ minVersion = version, maxVersion = version, requestCert = true,
        ca = pair.ca.cert }, function(socket)
        seen[#seen + 1] = tostring(socket:isSessionReused())
        socket:finish("x")
      end)
      server:on("tlsClientError", function(err) seen[#seen + 1] = err.code end)
      for _, ca in ipairs { pair.ca, pair.ca, pair.other_ca } do
        server:addContext("a.example", trusting("a.example", ca))
        local client = pair.connect(server, { servername = "a.example", session = session,
          key = pair.client.key, cert = pair.client.cert })
        client:on("session", function(blob) session = blob end)
        client:on("error", function() end)
        client:resume():on("close", t.calls(1))
        sockets.wait(function() return client.closed end)
      end
      server:close()
      t.run()
      assert.same({ "false", "true", "SELF_SIGNED_CERT_IN_CHAIN" }, seen)
    end))

    it("take none by SNICallback, either: " .. version, within(function(t)
      local contexts = { ["a.example"] = tls.createSecureContext(trusting("a.example", pair.ca)),
        ["b.example"] = tls.createSecureContext(trusting("b.example", pair.other_ca)) }
      local options = { SNICallback = function(name, callback) callback(nil, contexts[name]) end }
      assert.same({ "a.example false", "SELF_SIGNED_CERT_IN_CHAIN" },
        resume(t, version, "a.example", "b.example", options))
      assert.same({ "a.example false", "a.example true" },
        resume(t, version, "a.example", "a.example", options))
    end))
  end

  it("raise for no name, and for what is no context", within(function(t)
    local server = tls.createServer(certificate("a.example"))
    for _, row in ipairs { { "ERR_TLS_REQUIRED_SERVER_NAME", "", {} },
      { "ERR_TLS_REQUIRED_SERVER_NAME", nil, {} }, { "ERR_INVALID_ARG_TYPE", "a", "x" },
      { "ERR_OSSL_PEM_NO_START_LINE", "a", { cert = "x" } } } do
      local ok, err = pcall(server.addContext, server, row[2], row[3])
      assert.same({ false, row[1] }, { ok, err.code })
    end
    t.run()
  end))
end)

describe("SNICallback", function()
  for _, version in ipairs(VERSIONS) do
    it("chooses, now or later: " .. version, within(function(t)
      local context, asked = tls.createSecureContext(certificate("a.example")), {}
      local server = pair.listen({ minVersion = version, maxVersion = version,
        SNICallback = function(name, callback)
          asked[#asked + 1] = name
          if name == "late.example" then
            return timers.setTimeout(callback, 5, nil, context)
          end
          callback(nil, name == "now.example" and context or nil)
        end })
      assert.same({ "a.example", "a.example", "localhost", "localhost" },
        ask(t, server, { "now.example", "late.example", "other.example", "" }))
      assert.same({ "now.example", "late.example", "other.example" }, asked)
    end))

    it("refuses: " .. version, within(function(t)
      local server, log = pair.listen({ minVersion = version, maxVersion = version,
        SNICallback = function(name, callback)
          if name == "raises" then error(net.Error("raised"), 0) end
          if name == "twice" then callback(nil, nil) return callback(nil, nil) end
          callback(name == "error" and net.Error("mine") or nil, name == "wrong" and "x" or nil)
        end })
      ask(t, server, { "error", "raises", "wrong", "twice" })
      assert.same({ "tlsClientError mine", "tlsClientError raised",
        "tlsClientError Invalid SNI context", "tlsClientError ERR_MULTIPLE_CALLBACK" }, log)
    end))
  end

  it("that answers with what is no context has a TypeError told", within(function(t)
    local server = pair.listen({ SNICallback = function(_, callback) callback(nil, {}) end })
    server:on("tlsClientError", t.calls(1, function(err) assert.equal("TypeError", err.name) end))
    assert.same({ "ECONNRESET" }, ask(t, server, { "a.example" }))
  end))

  it("does not take for its own what listeners of 'tlsClientError' raise", within(function(t)
    local server = pair.listen({ SNICallback = function(_, callback) callback(net.Error("mine")) end })
    server:on("tlsClientError", function() error("a listener's", 0) end)
    local ok, err = pcall(ask, t, server, { "a.example" })
    assert.same({ false, "a listener's" }, { ok, err })
    t.run()
  end))

  it("that never answers is ended by the handshake's time limit", within(function(t)
    local kept
    local server, log = pair.listen({ handshakeTimeout = 200,
      SNICallback = function(_, callback) kept = callback end })
    assert.same({ "ECONNRESET" }, ask(t, server, { "a.example" }))
    kept(nil, nil)
    assert.same({ "tlsClientError ERR_TLS_HANDSHAKE_TIMEOUT" }, log)
  end))

  it("answers a client that has gone", within(function(t)
    local server, log, client
    server, log = pair.listen({ SNICallback = function(_, callback)
      client:destroy()
      timers.setTimeout(function()
        callback(nil, nil)
        server:close()
      end, 10)
    end })
    client = pair.connect(server)
    client:on("close", t.calls(1))
    server:on("close", t.calls(1))
    t.run()
    assert.same({ "tlsClientError ECONNRESET" }, log)
  end))

  it("has to be a function", function()
    local ok, err = pcall(tls.createServer, { SNICallback = 1 })
    assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
  end)
end)

describe("What a server's program is asked", function()
  local soon = timers.setImmediate

  --- A server that notes what it is asked; `wrong` says what goes wrong.
  local function asking(version, wrong)
    local server, log
    server, log = pair.listen({ minVersion = version, maxVersion = version,
      SNICallback = function(name, callback)
        log[#log + 1] = "name " .. name
        soon(callback, wrong == "name" and net.Error("mine") or nil, nil)
      end,
      ALPNCallback = function(offer)
        log[#log + 1] = "protocols of " .. tostring(offer.servername)
        if wrong == "raises" then error(net.Error("raised"), 0) end
        if wrong == "invalid" then return "x" end
        if wrong ~= "none" then return offer.protocols[1] end
      end })
    return server, log
  end

  local function one(t, server, name)
    ask(t, server, { name }, { ALPNProtocols = { "a", "b" } })
  end

  local function of(version, ...)
    local list = { ... }
    return version == "TLSv1.2" and { list[1], list[2], table.unpack(list, 3) }
      or { list[2], list[1], table.unpack(list, 3) }
  end

  for _, version in ipairs(VERSIONS) do
    it("comes in OpenSSL's order: session, name, protocol, status; protocol, name in 1.3: " .. version,
      within(function(t)
        local server, log = asking(version)
        server:on("resumeSession", function(_, callback)
          log[#log + 1] = "session"
          soon(callback, nil, nil)
        end)
        server:on("OCSPRequest", function(_, _, callback)
          log[#log + 1] = "status"
          soon(callback, nil, nil)
        end)
        ask(t, server, { "a.example" }, { ALPNProtocols = { "a", "b" }, requestOCSP = true })
        local expected = of(version, "name a.example", "protocols of a.example", "status", "secureConnection")
        table.insert(expected, 1, "session") -- who may speak 1.3 always has an id
        assert.same(expected, log)
      end))

    it("is no name where the client has none: " .. version, within(function(t)
      local server, log = asking(version)
      one(t, server, "")
      assert.same({ "protocols of false", "secureConnection" }, log)
    end))

    it("ends with the first that is refused: " .. version, within(function(t)
      local server, log = asking(version, "name")
      one(t, server, "a.example")
      assert.same(version == "TLSv1.2" and { "name a.example", "tlsClientError mine" }
        or { "protocols of a.example", "name a.example", "tlsClientError mine" }, log)
      for wrong, err in pairs { raises = "raised", invalid = "ERR_TLS_ALPN_CALLBACK_INVALID_RESULT",
        none = "ERR_SSL_NO_APPLICATION_PROTOCOL" } do
        server, log = asking(version, wrong)
        one(t, server, "a.example")
        assert.same(version == "TLSv1.2"
          and { "name a.example", "protocols of a.example", "tlsClientError " .. err }
          or { "protocols of a.example", "tlsClientError " .. err }, log)
      end
    end))
  end
end)

describe("ALPN", function()
  --- What both sides have agreed on, or the error's code.
  local function agree(t, server_options, client_options)
    local there
    local server, log = pair.listen(server_options, function(socket)
      there = socket.alpnProtocol
      socket:finish()
    end)
    local client, here = pair.connect(server, client_options), nil
    assert.is_nil(client.alpnProtocol)
    client:on("secureConnect", function() here = client.alpnProtocol end)
    client:on("error", function(err) here = err.code end)
    client:resume():on("close", t.calls(1, function() server:close() end))
    t.run()
    return { here, there, log[1] }
  end

  for _, version in ipairs(VERSIONS) do
    local function with(options)
      options.minVersion, options.maxVersion = version, version
      return options
    end

    it("goes by the server's order, and is false without a list: " .. version, within(function(t)
      assert.same({ "b", "b", "secureConnection" }, agree(t, with { ALPNProtocols = { "x", "b", "a" } },
        { ALPNProtocols = { "a", "b" } }))
      assert.same({ "a", "a", "secureConnection" }, agree(t, with { ALPNProtocols = "\1a" },
        { ALPNProtocols = "\1b\1a" }))
      assert.same({ false, false, "secureConnection" }, agree(t, with { ALPNProtocols = { "a" } }, {}))
      assert.same({ false, false, "secureConnection" }, agree(t, with {}, { ALPNProtocols = { "a" } }))
    end))

    it("is what ALPNCallback says: " .. version, within(function(t)
      local seen
      local options = with { ALPNCallback = function(offer)
        seen = offer
        return offer.protocols[2]
      end }
      assert.same({ "b", "b", "secureConnection" }, agree(t, options, { ALPNProtocols = { "a", "b" } }))
      assert.same({ servername = "localhost", protocols = { "a", "b" } }, seen)
      seen = nil
      assert.same({ false, false, "secureConnection" }, agree(t, options, {}))
      assert.is_nil(seen)
    end))

    it("ends where ALPNCallback refuses: " .. version, within(function(t)
      local answer
      local options = with { ALPNCallback = function()
        if answer == "raise" then error(net.Error("raised"), 0) end
        return answer
      end }
      assert.same({ "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL", nil,
        "tlsClientError ERR_SSL_NO_APPLICATION_PROTOCOL" }, agree(t, options, { ALPNProtocols = { "a" } }))
      answer = "b"
      assert.same({ "ECONNRESET", nil, "tlsClientError ERR_TLS_ALPN_CALLBACK_INVALID_RESULT" },
        agree(t, options, { ALPNProtocols = { "a" } }))
      answer = "raise"
      assert.same({ "ECONNRESET", nil, "tlsClientError raised" },
        agree(t, options, { ALPNProtocols = { "a" } }))
    end))
  end

  it("raises for lists that are none", function()
    for _, row in ipairs { { "ERR_INVALID_ARG_VALUE", { "" } }, { "ERR_OUT_OF_RANGE", { ("x"):rep(256) } },
      { "ERR_INVALID_ARG_TYPE", { 1 } }, { "ERR_INVALID_ARG_TYPE", 1 } } do
      for _, make in ipairs { tls.createServer, tls.connect } do
        local ok, err = pcall(make, { port = 1, ALPNProtocols = row[2] })
        assert.same({ false, row[1] }, { ok, err.code })
      end
    end
    local ok, err = pcall(tls.createServer, { ALPNProtocols = { "a" }, ALPNCallback = print })
    assert.same({ false, "ERR_TLS_ALPN_CALLBACK_WITH_PROTOCOLS" }, { ok, err.code })
  end)

  it("raises in Node's words", function()
    for text, protocols in pairs {
      ["The argument 'protocols[1]' must be a non-empty string. Received ''"] = { "a", "" },
      ["The byte length of the protocol at index 0 exceeds the maximum length. It must be <= 255. "
        .. "Received 256"] = { ("x"):rep(256) },
      ["The argument 'ALPNProtocols' must not contain zero-length protocol. Received '\\x00'"] = "\0",
      ["The argument 'ALPNProtocols' contains truncated protocol. Received '\\x02x'"] = "\2x",
    } do
      local ok, err = pcall(tls.createServer, { ALPNProtocols = protocols })
      assert.same({ false, text }, { ok, err.message })
    end
  end)
end)

describe("A server whose callback never answers", function()
  it("has its process wait for the time limit, though nothing is read", within(function(t)
    local child = lua.start({ script = ([[
      local tls = require("net.tls")
      local server
      server = tls.createServer({ cert = %q, key = %q, handshakeTimeout = 50,
        SNICallback = function() server:close() end })
      server:on("tlsClientError", function(err) print(err.code) end)
      server:on("close", function() print("close") end)
      server:listen(0, "127.0.0.1", function() print(server:address().port) io.stdout:flush() end)
      require("net").run()
    ]]):format(pair.server.cert, pair.server.key) })
    local client = tls.connect({ port = tonumber(child:read()), host = "127.0.0.1", ca = pair.ca.cert,
      servername = "localhost" })
    client:on("error", t.calls(1))
    t.run()
    local result = child:wait()
    assert.same({ code = 0, stdout = "ERR_TLS_HANDSHAKE_TIMEOUT\nclose\n", stderr = "" }, result)
  end))
end)
