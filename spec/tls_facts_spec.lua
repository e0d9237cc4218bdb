-- SPDX-License-Identifier: MIT

--- What a TLS socket can be asked for, before its handshake, after it, and at its end.

local certificates = require("spec.support.certificates")
local net = require("net")
local pair = require("spec.support.tlspair")
local since = require("spec.support.openssl").since
local sockets = require("spec.support.sockets")
local tls = require("net.tls")
local within = require("spec.support").within

local VERSIONS = { "TLSv1.2", "TLSv1.3" }

--- A client and a server's socket that have met; `play(client, socket)` looks at them, and
--- then both are destroyed.
local function meet(t, server_options, client_options, play)
  local server, peer
  local client
  local function go()
    if peer and client and not client.secureConnecting then
      play(client, peer)
      client:destroy()
      peer:destroy()
    end
  end
  server = pair.listen(server_options, function(socket)
    peer = socket
    socket:on("error", function() end)
    server:close()
    go()
  end)
  client = pair.connect(server, client_options, t.calls(1, go))
  t.run()
  return client, peer
end

local function of_version(version, options)
  options = options or {}
  options.minVersion, options.maxVersion = version, version
  return options
end

local NOTHING = { "getCipher", "getSession", "getFinished", "getPeerFinished", "getTLSTicket",
  "getEphemeralKeyInfo" }

local function knows_nothing(socket)
  assert.equal("TLSv1.3", socket:getProtocol())
  for _, name in ipairs(NOTHING) do assert.is_nil(socket[name](socket), name) end
  assert.same({}, socket:getPeerCertificate())
  assert.same({}, socket:getPeerCertificate(true))
  assert.same({}, socket:getCertificate())
  assert.same({}, socket:getSharedSigalgs())
  assert.is_false(socket:isSessionReused())
  assert.is_true(socket.encrypted)
  assert.is_true(socket.secureConnecting)
  assert.is_false(socket.authorized)
  assert.same({}, { socket.authorizationError, socket.alpnProtocol, socket.servername })
  local ok, err = pcall(socket.exportKeyingMaterial, socket, 10, "x")
  assert.same({ false, "ERR_TLS_INVALID_STATE", "TLS socket connection must be securely established" },
    { ok, err.code, err.message })
end

describe("A TLS socket", function()
  it("knows nothing before it has connected, and no more before its handshake", within(function(t)
    local server = pair.listen()
    local client = pair.connect(server)
    knows_nothing(client)
    client:once("connect", t.calls(1, function()
      knows_nothing(client)
      client:destroy()
      server:close()
    end))
    t.run()
  end))

  it("tells its highest version until both have agreed on one", within(function(t)
    for highest, ciphers in pairs { ["TLSv1.3"] = "DEFAULT", ["TLSv1.2"] = "DEFAULT",
      ["TLSv1.1"] = "DEFAULT@SECLEVEL=0", ["TLSv1"] = "DEFAULT@SECLEVEL=0" } do
      local server = pair.listen()
      local client = pair.connect(server, { minVersion = "TLSv1", maxVersion = highest, ciphers = ciphers })
      assert.equal("TLSv1.3", client:getProtocol()) -- as in Node, which has no connection to ask by then
      client:once("connect", t.calls(1, function()
        assert.equal(highest, client:getProtocol())
        client:destroy()
        server:close()
      end))
      t.run()
    end
  end))

  it("of a server tells TLS 1.3 until both have agreed on a version", within(function(t)
    local half, other = net.duplexPair()
    local socket = tls.TLSSocket(half, { isServer = true, cert = pair.server.cert, key = pair.server.key,
      maxVersion = "TLSv1.2" })
    assert.equal("TLSv1.3", socket:getProtocol())
    socket:destroy()
    other:destroy()
    t.run()
  end))

  it("takes the size of its records before it has connected", within(function(t)
    local server = pair.listen(nil, function(socket) socket:resume() end)
    local function encrypted_of(size)
      local below = net.connect(server:address().port, "127.0.0.1")
      local client = pair.connect(server, { socket = below })
      for _, wrong in ipairs({ 511, 16385, -1 }) do
        assert.is_false(client:setMaxSendFragment(wrong))
      end
      assert.is_true(client:setMaxSendFragment(size))
      client:finish(("x"):rep(16384))
      client:resume():on("close", t.calls(1))
      sockets.wait(function() return client.closed end)
      return below.bytesWritten
    end
    local few, many = encrypted_of(16384), encrypted_of(512)
    server:close()
    t.run()
    assert.is_true(many >= few + 31 * 22, many - few) -- a head and a tag for each record more
  end))

  it("knows its own certificate before it has connected", within(function(t)
    local server = net.createServer():listen(0)
    local own = { cert = pair.client.cert, key = pair.client.key, port = server:address().port }
    local client = tls.connect(own)
    assert.equal("a client", client:getCertificate().subject.CN)
    client:on("connect", t.calls(1, function()
      assert.equal("a client", client:getCertificate().subject.CN)
      client:destroy()
      assert.is_nil(client:getCertificate())
      server:close()
    end))
    local unconnected = tls.TLSSocket(nil, { isServer = true, cert = pair.server.cert, key = pair.server.key })
    assert.equal("DNS:localhost, IP Address:127.0.0.1", unconnected:getCertificate().subjectaltname)
    t.run()
  end))

  it("has forgotten all when it is destroyed", within(function(t)
    local client, peer = meet(t, nil, nil, function() end)
    for _, socket in ipairs({ client, peer }) do
      for _, name in ipairs(NOTHING) do assert.is_nil(socket[name](socket), name) end
      for _, name in ipairs({ "getProtocol", "getPeerCertificate", "getCertificate",
        "getSharedSigalgs", "isSessionReused" }) do
        assert.is_nil(socket[name](socket), name)
      end
      assert.is_true(socket.encrypted)
      assert.is_false(socket.secureConnecting)
      assert.is_false(pcall(socket.exportKeyingMaterial, socket, 10, "x"))
    end
    assert.is_true(client.authorized)
  end))

  for _, version in ipairs(VERSIONS) do
    it("knows how it is encrypted: " .. version, within(function(t)
      local name = version == "TLSv1.3" and "TLS_AES_128_GCM_SHA256" or "ECDHE-ECDSA-AES128-GCM-SHA256"
      meet(t, of_version(version, { ciphers = name }), { ecdhCurve = "P-256" }, function(client, peer)
        for _, socket in ipairs({ client, peer }) do
          assert.equal(version, socket:getProtocol())
          local cipher = socket:getCipher()
          assert.same({ name, version == "TLSv1.3" and name or "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            version }, { cipher.name, cipher.standardName, cipher.version })
        end
        assert.same({ type = "ECDH", name = "prime256v1", size = 256 }, client:getEphemeralKeyInfo())
        assert.is_nil(peer:getEphemeralKeyInfo())
      end)
    end))

    it("knows both sides' certificates: " .. version, within(function(t)
      meet(t, of_version(version, { requestCert = true, ca = pair.ca.cert }),
        { cert = pair.client.cert, key = pair.client.key }, function(client, peer)
          assert.equal("DNS:localhost, IP Address:127.0.0.1", client:getPeerCertificate().subjectaltname)
          assert.equal("a client", client:getCertificate().subject.CN)
          assert.equal("a client", peer:getPeerCertificate().subject.CN)
          local issuer = peer:getPeerCertificate(true).issuerCertificate
          assert.equal("an authority", issuer.subject.CN)
          assert.equal(issuer, issuer.issuerCertificate)
          assert.is_nil(peer:getPeerCertificate().issuerCertificate)
        end)
    end))

    it("knows the ends of the handshake, and makes keys of it: " .. version, within(function(t)
      meet(t, of_version(version), nil, function(client, peer)
        assert.equal(client:getFinished(), peer:getPeerFinished())
        assert.equal(client:getPeerFinished(), peer:getFinished())
        assert.equal(version == "TLSv1.2" and 12 or 48, #client:getFinished())
        local function key(socket, context) return socket:exportKeyingMaterial(20, "EXPERIMENTAL", context) end
        assert.equal(20, #key(client))
        assert.equal(key(client), key(peer))
        assert.equal(key(client, "a"), key(peer, "a"))
        assert.not_equal(key(client, "a"), key(peer, "b"))
      end)
    end))
  end

  it("names a group that gives no key to look at", within(function(t)
    local group = "X25519MLKEM768" -- OpenSSL 3.5 has it, and begins with it
    if not pcall(tls.createSecureContext, { ecdhCurve = group }) then
      pending("this OpenSSL has no ML-KEM")
      return
    end
    meet(t, nil, { ecdhCurve = group }, function(client, peer)
      assert.same({ type = "TLSGroup", name = group }, client:getEphemeralKeyInfo())
      assert.is_nil(peer:getEphemeralKeyInfo())
    end)
    meet(t, { ecdhCurve = "P-256" }, { ecdhCurve = group .. ":P-256" }, function(client)
      assert.same({ type = "ECDH", name = "prime256v1", size = 256 }, client:getEphemeralKeyInfo())
    end)
  end))

  it("has no group where the server's key alone did", within(function(t)
    local rsa = certificates.self_signed({ key = "rsa:2048" })
    local options = of_version("TLSv1.2", { cert = rsa.cert, key = rsa.key, ciphers = "AES128-GCM-SHA256" })
    meet(t, options, { ca = rsa.cert }, function(client)
      assert.same({}, client:getEphemeralKeyInfo())
    end)
  end))

  it("names the group of a session of TLS 1.2 that is resumed, if OpenSSL knows it", within(function(t)
    local ticketKeys, kept = ("k"):rep(48), nil
    local options = of_version("TLSv1.2", { ticketKeys = ticketKeys, ecdhCurve = "P-256" })
    meet(t, options, nil, function(client)
      kept = client:getSession()
    end)
    meet(t, options, { session = kept }, function(client)
      assert.is_true(client:isSessionReused())
      local named = { type = "TLSGroup", name = "secp256r1" }
      assert.same(since(3, 2) and named or {}, client:getEphemeralKeyInfo())
    end)
  end))

  it("knows which signatures both sides have, on the server's", within(function(t)
    meet(t, nil, { sigalgs = "ed25519:ECDSA+SHA256:rsa_pss_rsae_sha256" }, function(client, peer)
      local list = peer:getSharedSigalgs()
      table.sort(list)
      assert.same({ "ECDSA+SHA256", "Ed25519+UNDEF", "RSA-PSS+SHA256" }, list)
      assert.same({}, client:getSharedSigalgs())
    end)
  end))

  it("looks at what it is asked for", within(function(t)
    meet(t, nil, nil, function(client)
      local function refused(code, ...)
        local ok, err = pcall(client.exportKeyingMaterial, client, ...)
        assert.same({ false, code }, { ok, err.code })
        return err.message
      end
      assert.equal('The value of "length" is out of range. It must be >= 1 && <= 4294967295. Received 0',
        refused("ERR_OUT_OF_RANGE", 0, "x"))
      refused("ERR_OUT_OF_RANGE", 1.5, "x")
      refused("ERR_INVALID_ARG_TYPE", "1", "x")
      refused("ERR_INVALID_ARG_TYPE", 10, 5)
      refused("ERR_INVALID_ARG_TYPE", 10, "x", 5)
      assert.is_true(client:setMaxSendFragment(512))
      assert.is_true(client:setMaxSendFragment(16384))
      assert.is_false(client:setMaxSendFragment(511))
      assert.is_false(client:setMaxSendFragment(16385))
      for _, size in ipairs({ 1.5, 2^31, math.mininteger, 1 / 0 }) do
        local ok, err = pcall(client.setMaxSendFragment, client, size)
        assert.same({ false, "ERR_OUT_OF_RANGE" }, { ok, err.code })
      end
      local ok, err = pcall(client.setMaxSendFragment, client, "x")
      assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
    end)
  end))

  it("refuses Diffie and Hellman with fewer bits than minDHSize", within(function(t)
    local rsa = certificates.self_signed({ key = "rsa:2048" })
    local options = of_version("TLSv1.2", { cert = rsa.cert, key = rsa.key, ciphers = "DHE-RSA-AES128-GCM-SHA256",
      dhparam = certificates.dh(2048) })
    local server = pair.listen(options)
    local client = pair.connect(server, { ca = rsa.cert, minDHSize = 3072 })
    client:on("error", t.calls(1, function(err)
      assert.same({ "ERR_TLS_DH_PARAM_SIZE", "DH parameter size 2048 is less than 2048" }, { err.code, err.message })
      server:close()
    end))
    t.run()
    meet(t, options, { ca = rsa.cert, minDHSize = 2048 }, function(other)
      assert.same({ type = "DH", size = 2048 }, other:getEphemeralKeyInfo())
    end)
  end))
end)
