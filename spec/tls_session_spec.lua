-- SPDX-License-Identifier: MIT

--- Sessions that a client resumes, and the keys that servers share for that.

local certificates = require("spec.support.certificates")
local net = require("net")
local timers = require("net.timers")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local VERSIONS = { "TLSv1.2", "TLSv1.3" }

--- Connects, and gives the last session that the client was told of, whether it was resumed
--- on each side, and the error's code.
local function visit(t, server, options)
  local result = {}
  local function on_there(socket)
    result.there = socket:isSessionReused()
    socket:write("x")
  end
  server:once("secureConnection", on_there)
  local client = pair.connect(server, options)
  client:on("session", function(session) result.session = session end)
  client:on("secureConnect", function()
    result.here, result.authorized = client:isSessionReused(), client.authorized
    result.name = (client:getPeerCertificate().subject or {}).CN
  end)
  client:on("error", function(err) result.error = err.code end)
  client:once("data", function()
    result.got = client:getSession()
    client:finish()
  end)
  local over
  client:resume():on("close", t.calls(1, function() over = true end))
  while not over do net.run("once") end
  server:off("secureConnection", on_there)
  return result
end

local function with_values(one, more)
  local both = {}
  for name, value in pairs(one) do both[name] = value end
  for name, value in pairs(more or {}) do both[name] = value end
  return both
end

--- What OpenSSL knows of a session, without what is in front of it: DER, which begins with 0x30.
local function bare(session)
  return session:match("example(0.*)")
end

--- A server for as long as `use(server)` takes.
local function with_server(t, options, use)
  local server, log = pair.listen(options)
  use(server, log)
  local closed = false
  server:close(t.calls(1, function() closed = true end))
  sockets.wait(function() return closed end)
end

--- Whether a client that was at the first of some servers is resumed by each of the others.
local function resumed_by(t, client, servers)
  local session, list, up = nil, {}, {}
  for i, options in ipairs(servers) do
    up[i] = pair.listen(options)
    local seen = visit(t, up[i], with_values(client, { session = session }))
    session = session or seen.session
    list[i] = seen.there
  end
  for _, server in ipairs(up) do server:close() end
  t.run()
  return list
end

describe("Servers with the same keys", function()
  local KEYS = ("k"):rep(48)

  for _, version in ipairs(VERSIONS) do
    it("resume clients with certificates only where they trust the same: " .. version, within(function(t)
      local function server(more)
        return with_values({ ticketKeys = KEYS, sessionIdContext = "one", requestCert = true,
          minVersion = version, maxVersion = version, ca = pair.ca.cert }, more)
      end
      local client = { cert = pair.client.cert, key = pair.client.key }
      assert.same({ false, true, true }, resumed_by(t, client, { server(), server(),
        server({ ca = { pair.ca.cert } }) }))
      assert.same({ false, false, false, false }, resumed_by(t, client, { server(),
        server({ ca = pair.other_ca.cert, rejectUnauthorized = false }),
        server({ ca = { pair.ca.cert, pair.other_ca.cert } }), server({ sessionIdContext = "two" }) }))
    end))
  end
end)

describe("A client's session", function()
  for _, version in ipairs(VERSIONS) do
    it("is for who trusts the same, however that is said: " .. version, within(function(t)
      with_server(t, { minVersion = version, maxVersion = version }, function(server)
        local session = visit(t, server, {}).session
        local same = tls.createSecureContext({ ca = { pair.ca.cert, pair.ca.cert } })
        assert.is_true(visit(t, server, { session = session, secureContext = same }).there)
        local more = { pair.ca.cert, pair.other_ca.cert }
        assert.is_false(visit(t, server, { session = session, ca = more }).there)
        assert.is_false(visit(t, server, { session = session, allowPartialTrustChain = true }).there)
        assert.is_true(visit(t, server, { session = session }).there)
      end)
    end))

    it("that is bad is bad for who trusts the server, too: " .. version, within(function(t)
      with_server(t, { minVersion = version, maxVersion = version }, function(server)
        local session = visit(t, server, { ca = pair.other_ca.cert, rejectUnauthorized = false }).session
        local seen = visit(t, server, { session = session })
        assert.matches("^UNABLE_TO_", seen.error)
      end)
    end))

    it("lets in no server whom the client does not trust: " .. version, within(function(t)
      with_server(t, { minVersion = version, maxVersion = version }, function(server)
        local session = visit(t, server, {}).session
        local options = { session = session, ca = pair.other_ca.cert, rejectUnauthorized = false }
        local seen = visit(t, server, options)
        assert.same({ false, false }, { seen.there, seen.authorized })
      end)
    end))
  end
end)

describe("A context of two servers", function()
  for _, version in ipairs(VERSIONS) do
    local function made()
      return tls.createSecureContext({ cert = pair.server.cert, key = pair.server.key,
        minVersion = version, maxVersion = version })
    end

    it("has them resume each other's sessions, until one gets keys of its own: " .. version,
      within(function(t)
        local context = made()
        local one, other = pair.listen({ secureContext = context }), pair.listen({ secureContext = context })
        local session = visit(t, one, {}).session
        assert.is_true(visit(t, other, { session = session }).there)
        other:setTicketKeys(("o"):rep(48))
        assert.is_false(visit(t, other, { session = session }).there)
        assert.is_true(visit(t, one, { session = session }).there)
        one:close()
        other:close()
        t.run()
      end))

    it("keeps its keys where a server takes it later, with the keys of its own: " .. version,
      within(function(t)
        local context = made()
        local one = pair.listen({ secureContext = context })
        local other = pair.listen({ secureContext = made() })
        local keys, of_other = one:getTicketKeys(), other:getTicketKeys()
        local session, more = visit(t, one, {}).session, visit(t, other, {}).session
        other:setSecureContext({ secureContext = context })
        assert.same({ keys, of_other }, { one:getTicketKeys(), other:getTicketKeys() })
        assert.is_true(visit(t, one, { session = session }).there)
        assert.is_true(visit(t, other, { session = more }).there)
        one:close()
        other:close()
        t.run()
      end))
  end

  it("leaves each the keys that it is given, which have to be 48 bytes", function()
    local context = tls.createSecureContext()
    local server = tls.createServer({ secureContext = context, ticketKeys = ("a"):rep(48) })
    assert.equal(("a"):rep(48), server:getTicketKeys())
    assert.not_equal(("a"):rep(48), tls.createServer({ secureContext = context }):getTicketKeys())
    for _, set in ipairs({ tls.createServer, function(options) server:setSecureContext(options) end }) do
      local ok, err = pcall(set, { secureContext = context, ticketKeys = "short" })
      assert.same({ false, "ERR_INVALID_ARG_VALUE" }, { ok, err.code })
    end
    assert.equal(("a"):rep(48), server:getTicketKeys())
  end)
end)

describe("A TLS session", function()
  for _, version in ipairs(VERSIONS) do
    local options = { minVersion = version, maxVersion = version }

    it("is that of the socket in the event that tells of it: " .. version, within(function(t)
      with_server(t, options, function(server)
        local told, has, tickets = {}, {}, {}
        local client = pair.connect(server, options)
        client:on("session", function(session)
          table.insert(told, session)
          table.insert(has, client:getSession())
          tickets[client:getTLSTicket()] = true
        end)
        server:once("secureConnection", function(socket) socket:finish("x") end)
        client:resume():on("close", t.calls(1))
        sockets.wait(function() return client.closed end)
        assert.same(told, has)
        assert.equal(version == "TLSv1.3" and 2 or 1, #told)
        local count = 0
        for _ in pairs(tickets) do count = count + 1 end
        assert.equal(#told, count)
      end)
    end))

    it("is resumed, with what was verified then: " .. version, within(function(t)
      with_server(t, options, function(server)
        local first = visit(t, server, options)
        assert.same({ false, false, true }, { first.here, first.there, first.authorized })
        assert.is_string(first.session)
        local second = visit(t, server, { session = first.session })
        assert.same({ true, true, true, "localhost" },
          { second.here, second.there, second.authorized, second.name })
        assert.is_true(visit(t, server, { session = first.got }).here)
      end)
    end))

    it("is not used for another name, or where it is none: " .. version, within(function(t)
      with_server(t, options, function(server)
        local first = visit(t, server, { servername = "localhost" })
        local other = visit(t, server, { session = first.session, host = "127.0.0.1" })
        assert.same({ false, true }, { other.here, other.authorized })
        for _, blob in ipairs { "", "x", first.session:sub(1, -2), first.session .. "x",
          first.session:sub(1, 30) } do
          assert.is_true(visit(t, server, { session = blob }).authorized)
        end
      end)
    end))

    it("that was begun without verifying is refused by who verifies: " .. version, within(function(t)
      with_server(t, options, function(server)
        local first = visit(t, server, { ca = pair.other_ca.cert, rejectUnauthorized = false })
        local second = visit(t, server, { ca = pair.other_ca.cert, session = first.session })
        assert.same({ "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }, { second.error, second.here })
      end)
    end))

    it("of a server whose name nobody was sure of is looked at by who is: " .. version, within(function(t)
      with_server(t, options, function(server)
        local elsewhere = { servername = "elsewhere.example", rejectUnauthorized = false }
        local first = visit(t, server, elsewhere)
        assert.is_false(first.authorized)
        local again
        for _, session in ipairs { first.session, first.got, bare(first.session) } do
          elsewhere.session = session
          again = visit(t, server, elsewhere)
          assert.same({ true, false }, { again.here, again.authorized })
        end
        for _, session in ipairs { first.session, first.got, again.got } do
          local second = visit(t, server, { servername = "elsewhere.example", session = session })
          assert.same({ "ERR_TLS_CERT_ALTNAME_INVALID" }, { second.error, second.here })
        end
      end)
    end))

    it("is taken by another server with the same keys, and by no other: " .. version,
      within(function(t)
        with_server(t, options, function(one)
          local first = visit(t, one, options)
          with_server(t, options, function(two)
            assert.is_false(visit(t, two, { session = first.session }).here)
            assert.not_equal(one:getTicketKeys(), two:getTicketKeys())
            two:setTicketKeys(one:getTicketKeys())
            assert.is_true(visit(t, two, { session = first.session }).here)
          end)
        end)
      end))

    it("with a client's certificate is resumed: " .. version, within(function(t)
      with_server(t, { minVersion = version, maxVersion = version, requestCert = true,
        ca = pair.ca.cert }, function(server)
        local own = { cert = pair.client.cert, key = pair.client.key }
        local first = visit(t, server, own)
        own.session = first.session
        local second = visit(t, server, own)
        assert.same({ true, true }, { second.here, second.there })
      end)
    end))

    it("does not outlive the trust in a client's authority: " .. version, within(function(t)
      local mine = certificates.authority({ subject = "/CN=mine" })
      local leaf = mine:issue({ subject = "/CN=one of mine" })
      local own = { minVersion = version, maxVersion = version, cert = pair.server.cert, key = pair.server.key,
        requestCert = true, rejectUnauthorized = false, ca = { mine.cert, pair.ca.cert } }
      with_server(t, own, function(server)
        local kept = {}
        local function visited(name)
          local who = { cert = leaf.cert, key = leaf.key, session = kept[name] }
          local authorized
          server:once("secureConnection", function(socket) authorized = socket.authorized end)
          local result = visit(t, server, who)
          kept[name] = kept[name] or result.session
          return { result.there, authorized }
        end
        local function set(ca, crl)
          server:setSecureContext({ minVersion = version, maxVersion = version, cert = own.cert, key = own.key,
            ca = ca, crl = crl })
        end
        assert.same({ false, true }, visited("first"))
        set({ pair.ca.cert, mine.cert }) -- the same, in another order
        assert.same({ true, true }, visited("first"))
        local list = { mine:crl(), pair.ca:crl() }
        set(own.ca, list)
        assert.same({ false, true }, visited("first"))
        assert.same({ false, true }, visited("second"))
        assert.same({ true, true }, visited("second"))
        mine:revoke(leaf)
        set(own.ca, { mine:crl(), list[2] })
        assert.same({ false, false }, visited("second"))
        set(pair.ca.cert)
        assert.same({ false, false }, visited("first"))
      end)
    end))

    it("outlives a new certificate: " .. version, within(function(t)
      with_server(t, options, function(server)
        local keys = server:getTicketKeys()
        local first = visit(t, server, options)
        local other = pair.ca:issue({ subject = "/CN=renewed", san = "DNS:localhost" })
        server:setSecureContext({ cert = other.cert, key = other.key, minVersion = version,
          maxVersion = version })
        assert.equal(keys, server:getTicketKeys())
        assert.equal("renewed", visit(t, server).name)
        assert.is_true(visit(t, server, { session = first.session }).here)
      end)
    end))
  end

  it("of a server's keys is 48 bytes, and nothing else", within(function(t)
    local server = tls.createServer()
    for _, row in ipairs { { "ERR_INVALID_ARG_VALUE", "x" }, { "ERR_INVALID_ARG_TYPE", 48 } } do
      local ok, err = pcall(server.setTicketKeys, server, row[2])
      assert.same({ false, row[1] }, { ok, err.code })
    end
    assert.equal(48, #server:getTicketKeys())
    t.run()
  end))
end)

describe("A store of sessions", function()
  local WITHOUT_TICKETS = { secureOptions = tls.constants.SSL_OP_NO_TICKET }

  --- A server whose sessions are in a table, and what it tells.
  local function with_store(t, version, answer, use)
    local store = {}
    local options = { minVersion = version, maxVersion = version,
      secureOptions = WITHOUT_TICKETS.secureOptions }
    with_server(t, options, function(server, log)
      server:on("newSession", function(id, data, done)
        assert.same({ 32, "string" }, { #id, type(data) })
        log[#log + 1] = "newSession"
        timers.setTimeout(function()
          store[id] = data
          log[#log + 1] = "kept"
          done()
          done()
        end, 5)
      end)
      server:on("resumeSession", function(id, callback)
        log[#log + 1] = "resumeSession " .. (store[id] and "hit" or "miss")
        answer(callback, store[id])
      end)
      use(server, log)
    end)
  end

  for _, how in ipairs { "at once", "later" } do
    it("resumes TLS 1.2 by what it gives " .. how, within(function(t)
      local function answer(callback, data)
        if how == "later" then timers.setTimeout(callback, 5, nil, data) else callback(nil, data) end
      end
      with_store(t, "TLSv1.2", answer, function(server, log)
        local first = visit(t, server)
        assert.same({ false, false }, { first.here, first.there })
        local second = visit(t, server, { session = first.session })
        assert.same({ true, true }, { second.here, second.there })
        assert.is_nil(second.session)
        assert.same({ "resumeSession miss", "newSession", "kept", "secureConnection",
          "resumeSession hit", "secureConnection" }, log)
      end)
    end))
  end

  it("that has none has the client begin anew, as has nonsense", within(function(t)
    for _, nothing in ipairs { false, "nonsense" } do
      with_store(t, "TLSv1.2", function(callback) callback(nil, nothing or nil) end, function(server)
        local first = visit(t, server)
        local second = visit(t, server, { session = first.session })
        assert.same({ false, true }, { second.here, second.authorized })
      end)
    end
  end))

  it("that fails refuses the client", within(function(t)
    local function answer(callback) callback(net.Error("mine")) end
    with_store(t, "TLSv1.2", answer, function(server, log)
      local first = visit(t, server)
      assert.equal("ECONNRESET", visit(t, server, { session = first.session }).error)
      assert.equal("tlsClientError mine", log[#log])
    end)
  end))

  it("whose listener raises has the client refused", within(function(t)
    with_server(t, { maxVersion = "TLSv1.2" }, function(server, log)
      server:on("resumeSession", function() error("mine", 0) end)
      local client = pair.connect(server)
      client:on("error", t.calls(1, function(err) assert.equal("ECONNRESET", err.code) end))
      client:on("close", t.calls(1))
      sockets.wait(function() return client.destroyed end)
      assert.same({ "tlsClientError mine" }, log)
    end)
  end))

  it("that never keeps one is ended by the handshake's time limit", within(function(t)
    with_server(t, { maxVersion = "TLSv1.2", secureOptions = WITHOUT_TICKETS.secureOptions,
      handshakeTimeout = 100 }, function(server, log)
      server:on("newSession", function() end)
      assert.equal("ECONNRESET", visit(t, server).error)
      assert.same({ "tlsClientError ERR_TLS_HANDSHAKE_TIMEOUT" }, log)
    end)
  end))

  it("hears of TLS 1.3's behind 'secureConnection', and never hits", within(function(t)
    local function answer(callback, data) callback(nil, data) end
    with_store(t, "TLSv1.3", answer, function(server, log)
      local first = visit(t, server)
      local second = visit(t, server, { session = first.session })
      assert.is_false(second.here)
      assert.same({ "resumeSession miss", "secureConnection", "newSession", "newSession" },
        { log[1], log[2], log[3], log[4] })
    end)
  end))
end)

describe("setSecureContext", function()
  it("keeps what there is where it raises", within(function(t)
    with_server(t, {}, function(server)
      local ok, err = pcall(server.setSecureContext, server, { cert = "none", key = pair.server.key })
      assert.same({ false, "ERR_OSSL_PEM_NO_START_LINE" }, { ok, err.code })
      assert.equal("localhost", visit(t, server).name)
    end)
  end))

  it("with nothing leaves no certificate", within(function(t)
    with_server(t, {}, function(server, log)
      server:setSecureContext({})
      assert.equal("ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", visit(t, server).error)
      assert.matches("^tlsClientError ERR_SSL_NO_S", log[1])
    end)
  end))

  it("lets live connections go on", within(function(t)
    local server = pair.listen({}, function(socket) socket:pipe(socket) end)
    local client = pair.connect(server)
    client:on("secureConnect", function()
      server:setSecureContext({})
      client:finish("still here")
    end)
    client:on("data", t.calls(1, function(chunk) assert.equal("still here", chunk) end))
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
  end))

  it("is a TLS server's, and wants options", within(function(t)
    local ok, err = pcall(tls.createServer().setSecureContext, net.createServer(), {})
    assert.same({ false, "ERR_INVALID_THIS" }, { ok, err.code })
    ok, err = pcall(tls.createServer().setSecureContext, tls.createServer(), "x")
    assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
    t.run()
  end))
end)

describe("A server that asks for certificates, whose context says nothing of sessions", function()
  local function made(version)
    return tls.createSecureContext({ cert = pair.server.cert, key = pair.server.key, ca = pair.ca.cert,
      minVersion = version, maxVersion = version })
  end

  for _, version in ipairs(VERSIONS) do
    it("resumes those of clients that it knows: " .. version, within(function(t)
      with_server(t, { secureContext = made(version), requestCert = true }, function(server)
        local who = { cert = pair.client.cert, key = pair.client.key }
        who.session = visit(t, server, who).session
        assert.same({ true, true }, { who.session ~= nil, visit(t, server, who).there })
      end)
    end))

    it("does so over a connection that is there: " .. version, within(function(t)
      local context, session, reused = made(version), nil, {}
      for i = 1, 2 do
        local near, far = net.duplexPair()
        local server = tls.TLSSocket(near, { isServer = true, secureContext = context, requestCert = true })
        local client = tls.connect({ socket = far, host = "localhost", ca = pair.ca.cert, session = session,
          cert = pair.client.cert, key = pair.client.key })
        client:on("session", function(blob) session = blob end)
        server:on("secure", t.calls(1, function()
          reused[i] = server:isSessionReused()
          server:finish("x")
        end))
        client:on("end", function() client:finish() end) -- halves of a pair may be half open
        client:resume():on("close", t.calls(1))
        server:resume()
        t.run()
      end
      assert.same({ false, true }, reused)
    end))
  end
end)
