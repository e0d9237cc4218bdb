-- SPDX-License-Identifier: MIT

--- setKeyCert: which certificate a TLS socket shows, said amid its handshake or before. What
--- else the context has is not taken over: a client trusts whom it trusted, and versions stay.

local net = require("net")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local within = require("spec.support").within

local function credentials(who, more)
  local options = { cert = pair[who].cert, key = pair[who].key }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

--- A server that serves one client and tells of it, and what it told.
local function listen(options)
  local log = {}
  local server
  server = pair.listen(options, function(socket)
    local subject = socket:getPeerCertificate().subject
    log[#log + 1] = ("%s %s %s"):format(socket.authorized, subject and subject.CN,
      socket:getProtocol())
    socket:resume():finish()
  end)
  return server, log
end

--- Connects a client to it; `prepare(client)` may say more. Returns what the client told.
local function visit(t, server, options, prepare)
  local client = pair.connect(server, options)
  local log = pair.watch({}, client, { "error" })
  client:on("secureConnect", function()
    log[#log + 1] = ("%s %s"):format(client.authorized, client:getPeerCertificate().subject.CN)
  end)
  client:resume():on("close", t.calls(1))
  if prepare then prepare(client) end
  return log, client
end

--- Whether a socket is told now or when it has connected.
local MOMENTS = {
  ["before it connects"] = function(client, set) set(client) end,
  ["amid its handshake"] = function(client, set) client:on("connect", function() set(client) end) end,
}

describe("setKeyCert of a client", function()
  local ASKS = { requestCert = true, rejectUnauthorized = false }

  for moment, at in pairs(MOMENTS) do
    for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
      local function server_of(options)
        return listen { minVersion = version, maxVersion = version, ca = pair.ca.cert,
          requestCert = options.requestCert, rejectUnauthorized = options.rejectUnauthorized }
      end

      it(("is the certificate that it shows, %s: %s"):format(moment, version), within(function(t)
        local server, told = server_of(ASKS)
        local log = visit(t, server, credentials("stranger"), function(client)
          at(client, function() client:setKeyCert(credentials("client")) end)
          client:on("close", function() server:close() end)
        end)
        t.run()
        assert.same({ "true localhost" }, log)
        assert.same({ "true a client " .. version }, told)
      end))

      it(("has it trust nobody else, %s: %s"):format(moment, version), within(function(t)
        local server = server_of {}
        local log = visit(t, server, { ca = pair.other_ca.cert }, function(client)
          local context = tls.createSecureContext(credentials("client", { ca = pair.ca.cert }))
          at(client, function() client:setKeyCert(context) end)
          client:on("close", function() server:close() end)
        end)
        t.run()
        assert.same({ "error SELF_SIGNED_CERT_IN_CHAIN" }, log)
      end))
    end

    it("keeps its versions, " .. moment, within(function(t)
      local server, told = listen { maxVersion = "TLSv1.2" }
      local log = visit(t, server, { minVersion = "TLSv1.3" }, function(client)
        at(client, function() client:setKeyCert(credentials("client")) end)
        client:on("close", function() server:close() end)
      end)
      t.run()
      assert.same({ "error ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" }, log)
      assert.same({}, told)
    end))
  end

  it("says nothing in an open connection", within(function(t)
    local server, told = listen { requestCert = true, rejectUnauthorized = false }
    visit(t, server, nil, function(client)
      client:on("secureConnect", function()
        client:setKeyCert(credentials("client"))
        server:close()
      end)
    end)
    t.run()
    assert.same({ "false nil TLSv1.3" }, told)
  end))

  it("raises for what is none, and what does not fit", function()
    local socket = tls.TLSSocket(nil, {})
    assert.error_matches(function() socket:setKeyCert("x") end, "ERR_INVALID_ARG_TYPE")
    local odd = credentials("client", { key = pair.stranger.key })
    assert.error_matches(function() socket:setKeyCert(odd) end, "ERR_OSSL_X509_KEY_VALUES_MISMATCH")
    socket:destroy()
  end)
end)

describe("setKeyCert of a server's socket", function()
  --- Serves one client over a pair, with that set in ALPNCallback.
  local function serve(t, options, context, client_options)
    local a, b = net.duplexPair()
    local socket
    options.isServer, options.cert, options.key = true, pair.server.cert, pair.server.key
    options.ALPNCallback = function(asked)
      socket:setKeyCert(context)
      return asked.protocols[1]
    end
    socket = tls.TLSSocket(a, options)
    local served
    socket:on("secure", function()
      served = { socket.authorized, socket:getProtocol(), socket:isSessionReused() }
      socket:finish("hi")
    end)
    socket:resume():on("error", function() end)
    local own = { socket = b, ca = pair.ca.cert, ALPNProtocols = { "a" },
      checkServerIdentity = function() end }
    for name, value in pairs(client_options or {}) do own[name] = value end
    local client = tls.connect(own)
    local shown, session
    client:on("secureConnect", function() shown = client:getPeerCertificate().subject.CN end)
    client:on("session", function(blob) session = blob end)
    client:resume():on("close", t.calls(1))
    client:on("end", function() client:finish() end) -- halves of a pair are half-open
    client:on("error", function() end)
    t.run()
    return served, shown, session
  end

  it("is the certificate that it shows, and versions stay", within(function(t)
    local context = tls.createSecureContext(credentials("client"))
    local served, shown = serve(t, { maxVersion = "TLSv1.2" }, context)
    assert.same({ false, "TLSv1.2", false }, served)
    assert.equal("a client", shown)
  end))

  it("has it trust whom the context trusts", within(function(t)
    local context = credentials("server", { ca = pair.other_ca.cert })
    local asks = { requestCert = true, ca = pair.ca.cert, rejectUnauthorized = false }
    assert.is_true(serve(t, asks, context, credentials("stranger"))[1])
    assert.is_false(serve(t, asks, context, credentials("client"))[1])
  end))

  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    it("resumes nobody whom it does not trust any more: " .. version, within(function(t)
      local keys = ("k"):rep(48)
      local function options()
        return { requestCert = true, rejectUnauthorized = false, ticketKeys = keys,
          minVersion = version, maxVersion = version, sessionIdContext = "spec" }
      end
      local ours = credentials("server", { ca = pair.ca.cert })
      local theirs = credentials("server", { ca = pair.other_ca.cert })
      local served, _, session = serve(t, options(), ours, credentials("client"))
      assert.same({ true, version, false }, served)
      local more = credentials("client", { session = session })
      assert.same({ true, version, true }, (serve(t, options(), ours, more)))
      assert.same({ false, version, false }, (serve(t, options(), theirs, more)))
    end))
  end
end)
