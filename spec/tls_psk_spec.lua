-- SPDX-License-Identifier: MIT

--- Keys that both sides know before: pskCallback, pskIdentityHint.

local lua = require("spec.support.lua")
local net = require("net")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local since = require("spec.support.openssl").since
local within = require("spec.support").within

-- What OpenSSL takes, in bytes: of a key, and of its name.
local MOST, NAME_MOST = 256, 128
if since(3, 0) then MOST, NAME_MOST = 512, 256 end

local VERSIONS = { "TLSv1.2", "TLSv1.3" }
local CIPHERS = "PSK+HIGH:TLS_AES_128_GCM_SHA256"
local KEY = "0123456789abcdef"

local function known() return { psk = KEY, identity = "me" } end

local NONE = {} -- an option that is not given

local function merge(own, more)
  for name, value in pairs(more or {}) do
    own[name] = value
    if value == NONE then own[name] = nil end
  end
  return own
end

--- A server without a certificate, and what it tells.
local function listen(version, options, on_secure)
  local own = merge({ cert = false, key = false, ciphers = CIPHERS, minVersion = version,
    maxVersion = version, pskCallback = function() return KEY end }, options)
  return pair.listen(own, function(socket)
    socket:on("error", function() end)
    if on_secure then on_secure(socket) end
    socket:finish("hi")
    socket:resume()
  end)
end

local function connect(server, version, options)
  return pair.connect(server, merge({ ca = false, ciphers = CIPHERS, minVersion = version,
    maxVersion = version, checkServerIdentity = function() end, pskCallback = known }, options))
end

--- One connection; what the client and the server tell of it.
local function meet(t, version, options, of_server, on_secure)
  local server, said = listen(version, of_server, on_secure)
  local client = connect(server, version, options)
  local log = pair.watch({}, client, { "secureConnect", "data", "error", "close" })
  client:on("close", t.calls(1, function() server:close() end))
  t.run()
  return log, said, client
end

describe("A key that both sides know", function()
  for _, version in ipairs(VERSIONS) do
    it("is enough for both, without a certificate: " .. version, within(function(t)
      local of_client, of_server
      local server = listen(version, { pskCallback = function(socket, identity)
        of_server = { tls.isTLSSocket(socket), identity }
        return { psk = KEY }
      end })
      local client = connect(server, version, {
        pskCallback = function(...) of_client = table.pack(...) return known() end,
      })
      client:on("secureConnect", function()
        assert.same({ true, nil, {} },
          { client.authorized, client.authorizationError, client:getPeerCertificate() })
        assert.equal(version == "TLSv1.3", client:isSessionReused())
      end)
      client:on("data", t.calls(1, function(data) assert.equal("hi", data) end))
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ n = 1 }, of_client)
      assert.same({ true, "me" }, of_server)
    end))

    it("may be long, and so may its name: " .. version, within(function(t)
      local key, got = ("k"):rep(MOST), nil
      local log = meet(t, version, { pskCallback = function()
        return { psk = key, identity = ("i"):rep(NAME_MOST) }
      end }, { pskCallback = function(_, identity) got = identity return key end })
      assert.same({ "secureConnect", "data hi", "close false" }, log)
      assert.equal(("i"):rep(NAME_MOST), got)
    end))

    it("that differs is refused: " .. version, within(function(t)
      local log, said = meet(t, version, { pskCallback = function()
        return { psk = "another", identity = "me" }
      end })
      if version == "TLSv1.2" then
        assert.same({ "error ERR_SSL_SSL/TLS_ALERT_BAD_RECORD_MAC", "close true" }, log)
        assert.same({ "tlsClientError ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC" }, said)
      else
        -- of OpenSSL 3.5; 3.0 says an illegal parameter
        assert.truthy(log[1] == "error ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR"
          or log[1] == "error ERR_SSL_SSL/TLS_ALERT_ILLEGAL_PARAMETER", log[1])
        assert.same({ "tlsClientError ERR_SSL_BINDER_DOES_NOT_VERIFY" }, said)
      end
    end))

    it("that the server does not know is refused: " .. version, within(function(t)
      local log, said = meet(t, version, {}, { pskCallback = function() end })
      if version == "TLSv1.2" then
        assert.same({ "error ERR_SSL_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY", "close true" }, log)
        assert.same({ "tlsClientError ERR_SSL_PSK_IDENTITY_NOT_FOUND" }, said)
      else
        assert.same({ "error ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", "close true" }, log)
        assert.same({ "tlsClientError ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM" }, said)
      end
    end))

    it("that the client does not have ends it: " .. version, within(function(t)
      local log = meet(t, version, { pskCallback = function() end })
      assert.same({ version == "TLSv1.2" and "error ERR_SSL_PSK_IDENTITY_NOT_FOUND"
        or "error ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", "close true" }, log)
    end))

    it("is not a certificate for who wants one: " .. version, within(function(t)
      local _, said = meet(t, version, {}, { requestCert = true, ca = pair.ca.cert })
      assert.same({ "tlsClientError UNABLE_TO_GET_ISSUER_CERT" }, said)
    end))

    it("is not asked for where the server has a certificate alone: " .. version, within(function(t)
      local log = meet(t, version, { ciphers = NONE, ca = pair.ca.cert, checkServerIdentity = NONE },
        { cert = pair.server.cert, key = pair.server.key, ciphers = NONE, pskCallback = NONE })
      assert.same({ "secureConnect", "data hi", "close false" }, log)
    end))

    it("also for the context that a name chooses, with the hint: " .. version, within(function(t)
      local hints = {}
      local log = meet(t, version, { servername = "a.example", pskCallback = function(hint)
        hints[#hints + 1] = hint or false
        return known()
      end }, {
        pskIdentityHint = "a hint",
        SNICallback = function(_, done) done(nil, tls.createSecureContext({ ciphers = CIPHERS })) end,
      })
      assert.same({ "secureConnect", "data hi", "close false" }, log)
      assert.same({ version == "TLSv1.2" and "a hint" }, hints)
    end))

    it("is of the sessions that come of it, too: " .. version, within(function(t)
      -- What a ticket begins with may be a name, too: libssl asks for its key first.
      local server = listen(version, { pskCallback = function(_, identity)
        return identity == "me" and KEY or nil
      end })
      local asked, blob = 0, nil
      local function visit(on_close)
        local client = connect(server, version, { session = blob, pskCallback = function()
          asked = asked + 1
          return known()
        end })
        client:on("session", function(session) blob = blob or session end)
        client:on("secureConnect", t.calls(1))
        client:resume():on("close", on_close)
        return client
      end
      visit(t.calls(1, function()
        local client
        client = visit(t.calls(1, function() server:close() end))
        client:on("secureConnect", function()
          assert.is_true(client:isSessionReused())
          assert.is_true(client.authorized)
        end)
      end))
      t.run()
      assert.equal(version == "TLSv1.2" and 1 or 2, asked)
    end))
  end

  it("does not say which host that is, in TLS 1.2", within(function(t)
    local log = meet(t, "TLSv1.2", { checkServerIdentity = NONE })
    assert.same({ "error ERR_TLS_CERT_ALTNAME_INVALID", "close true" }, log)
  end))

  it("needs a cipher for it, in TLS 1.2", within(function(t)
    local log, said = meet(t, "TLSv1.2", { ciphers = NONE }, { ciphers = NONE })
    assert.same({ "tlsClientError ERR_SSL_NO_SHARED_CIPHER" }, said)
    assert.same({ "error ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", "close true" }, log)
  end))

  it("is taken by TLS sockets over others", within(function(t)
    local a, b = net.duplexPair()
    local server = tls.TLSSocket(a, { isServer = true, ciphers = CIPHERS, maxVersion = "TLSv1.2",
      pskIdentityHint = "over", pskCallback = function(_, identity) return identity == "me" and KEY or nil end })
    local hint
    local client = tls.connect({ socket = b, ciphers = CIPHERS, checkServerIdentity = function() end,
      pskCallback = function(text) hint = text or hint return known() end })
    server:on("secure", t.calls(1, function() server:finish("hi") end))
    client:on("data", t.calls(1, function(data) assert.equal("hi", data) end))
    client:on("end", t.calls(1, function() client:finish() end))
    server:resume()
    t.run()
    assert.equal("over", hint)
  end))
end)

local function above(most)
  return { "ERR_INVALID_ARG_VALUE", ("exceeds %d bytes. Received %d"):format(most, most + 1) }
end

-- What is no answer: of the client, the error; of the server, the error.
local NO_ANSWERS = {
  { "a text", { "ERR_INVALID_ARG_TYPE" } },
  { false, { "ERR_INVALID_ARG_TYPE" }, { "ERR_INVALID_ARG_TYPE" } },
  { 5, { "ERR_INVALID_ARG_TYPE" }, { "ERR_INVALID_ARG_TYPE" } },
  { {}, { "ERR_INVALID_ARG_TYPE" }, { "ERR_INVALID_ARG_TYPE" } },
  { { psk = 5, identity = "me" }, { "ERR_INVALID_ARG_TYPE" }, { "ERR_INVALID_ARG_TYPE" } },
  { { psk = KEY }, { "ERR_INVALID_ARG_TYPE" } },
  { { psk = KEY, identity = 5 }, { "ERR_INVALID_ARG_TYPE" } },
  { { psk = KEY, identity = "a\0b" }, { "ERR_INVALID_ARG_VALUE" } },
  { { psk = KEY, identity = ("i"):rep(NAME_MOST + 1) }, above(NAME_MOST) },
  { { psk = ("k"):rep(MOST + 1), identity = "me" }, above(MOST), above(MOST) },
}

describe("A pskCallback", function()
  for _, version in ipairs(VERSIONS) do
    it("whose answer is none is told why, and nobody else: " .. version, within(function(t)
      for _, row in ipairs(NO_ANSWERS) do
        local message
        local server, said = listen(version)
        local client = connect(server, version, { pskCallback = function() return row[1] end })
        client:on("error", t.calls(1, function(err)
          message = err.message
          assert.equal(row[2][1], err.code)
        end))
        client:on("close", t.calls(1, function() server:close() end))
        t.run()
        assert.truthy(message:find(row[2][2] or "", 1, true), message)
        assert.same({ "tlsClientError ECONNRESET" }, said)
      end
      for _, row in ipairs(NO_ANSWERS) do
        if row[3] then
          local log, said = meet(t, version, {}, { pskCallback = function() return row[1] end })
          assert.same({ "tlsClientError " .. row[3][1] }, said)
          assert.same({ "error ECONNRESET", "close true" }, log)
        end
      end
    end))

    it("that raises ends the connection with that: " .. version, within(function(t)
      for _, what in ipairs({ { { code = "MINE" }, "MINE" }, { "text", nil }, { 5, nil } }) do
        local got
        local server, said = listen(version)
        local client = connect(server, version, { pskCallback = function() error(what[1], 0) end })
        client:on("error", t.calls(1, function(err) got = err end))
        client:on("close", t.calls(1, function() server:close() end))
        t.run()
        assert.equal(what[1], got)
        assert.same({ "tlsClientError ECONNRESET" }, said)
      end
      local log, said = meet(t, version, {}, { pskCallback = function() error({ code = "MINE" }) end })
      assert.same({ "error ECONNRESET", "close true" }, log)
      assert.same({ "tlsClientError MINE" }, said)
      _, said = meet(t, version, {}, { pskCallback = function() error(nil) end })
      assert.same({ "tlsClientError pskCallback has failed" }, said)
    end))

    it("fails what was written before, if it raises: " .. version, within(function(t)
      local server = listen(version)
      local log = {}
      local client = connect(server, version, { pskCallback = function() error({ code = "MINE" }) end })
      client:write("early", pair.callback(log))
      pair.watch(log, client, { "error", "close" })
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "wcb MINE", "error MINE", "close true" }, log)
    end))

    it("may destroy its socket: " .. version, within(function(t)
      local server, said = listen(version)
      local client
      client = connect(server, version, { pskCallback = function()
        client:destroy()
        collectgarbage()
        return known()
      end })
      local log = pair.watch({}, client, { "secureConnect", "error", "close" })
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "close false" }, log)
      assert.same({ "tlsClientError ECONNRESET" }, said)
      log, said = meet(t, version, {}, { pskCallback = function(socket)
        socket:destroy()
        return KEY
      end })
      assert.same({ "error ECONNRESET", "close true" }, log)
      assert.same({ "tlsClientError ECONNRESET" }, said)
    end))

    it("may use other connections meanwhile: " .. version, within(function(t)
      local long = ("x"):rep(300000)
      local got, log = {}, {}
      local server, other, far
      other = pair.listen({}, function(socket)
        far = socket
        local client = connect(server, version)
        pair.watch(log, client, { "secureConnect", "data", "error", "close" })
        client:on("close", t.calls(1, function() server:close() end))
      end)
      server = listen(version, { pskCallback = function()
        far:write(long)
        far:destroy() -- what was written leaves within the call
        return KEY
      end })
      local near = pair.connect(other)
      near:on("data", function(data) got[#got + 1] = data end)
      near:on("error", function() end)
      near:on("close", t.calls(1, function() other:close() end))
      t.run()
      assert.same({ "secureConnect", "data hi", "close false" }, log)
      assert.is_true(#table.concat(got) > 0)
    end))

    it("cannot wait: " .. version, within(function(t)
      local _, said = meet(t, version, {}, { pskCallback = function()
        coroutine.yield()
      end })
      assert.equal(1, #said)
      assert.equal("tlsClientError bytes", said[1])
    end))
  end

  it("is not asked about identities that are no text", within(function(t)
    local asked = 0
    local log = meet(t, "TLSv1.2", { pskCallback = function() return { psk = KEY, identity = "\xff" } end },
      { pskCallback = function() asked = asked + 1 return KEY end })
    assert.same({ "error ERR_SSL_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY", "close true" }, log)
    assert.equal(0, asked)
  end))

  it("has to be a function, and a hint a text that OpenSSL takes", within(function(t)
    for _, row in ipairs { { "ERR_INVALID_ARG_TYPE", { pskCallback = {} } },
      { "ERR_INVALID_ARG_TYPE", { pskIdentityHint = 5 } },
      { "ERR_INVALID_ARG_VALUE", { pskIdentityHint = "a\0b" } },
      { "ERR_TLS_PSK_SET_IDENTITY_HINT_FAILED", { pskIdentityHint = ("h"):rep(257) } } } do
      local ok, err = pcall(tls.createServer, row[2])
      assert.same({ false, row[1] }, { ok, err.code })
      row[2].isServer = true
      ok, err = pcall(tls.TLSSocket, nil, row[2])
      assert.same({ false, row[1] }, { ok, err.code })
    end
    local ok, err = pcall(tls.connect, { port = 1, pskCallback = 5 })
    assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
    t.run()
  end))

  -- A callback that runs a loop amid the handshake, and what another Lua state of the process
  -- and this one do meanwhile.
  local STATE = [[
    local net = require("net")
    local tls = require("net.tls")
    local function meet(name, inside)
      local a, b = net.duplexPair()
      local function answer()
        inside()
        return { psk = "0123456789abcdef", identity = "me" }
      end
      local server = tls.TLSSocket(a, { isServer = true, ciphers = "PSK", maxVersion = "TLSv1.2",
        pskCallback = answer })
      local client = tls.connect({ socket = b, ciphers = "PSK", maxVersion = "TLSv1.2",
        pskCallback = answer, checkServerIdentity = function() end })
      server:on("secure", function() server:finish(name) end)
      client:on("data", print)
      client:on("end", function() client:finish() end)
    end
    meet(%s)
    meet("its second connection", function() end)
  ]]

  it("may run the loop, for other states too", within(function()
    local path = os.tmpname()
    local host = lua.compile("spec/support/host.c", path)
    if not host then
      os.remove(path)
      return pending("no Lua library to link with")
    end
    local scripts = {}
    for i, text in ipairs({ '"the first state", host.run', '"the second state", function() end' }) do
      scripts[i] = os.tmpname()
      local file <close> = assert(io.open(scripts[i], "w"))
      file:write((STATE:format(text)))
    end
    local result = lua.run({ program = host, args = scripts })
    for _, name in ipairs({ path, table.unpack(scripts) }) do os.remove(name) end
    assert.equal(0, result.code, result.stderr)
    local lines = {}
    for line in result.stdout:gmatch("[^\n]+") do lines[#lines + 1] = line end
    table.sort(lines)
    assert.same({ "host: the loop has ended", "its second connection",
      "its second connection", "the first state", "the second state" }, lines)
  end))
end)
