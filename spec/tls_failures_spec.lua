-- SPDX-License-Identifier: MIT

--- Handshakes that cannot succeed: what each side hears, in Node's codes, whichever version
--- of OpenSSL it is.

local certificates = require("spec.support.certificates")
local fields = require("spec.support").fields
local net = require("net")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local FAILURE = "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE"

--- What becomes of a client and a server of those options: the code of 'tlsClientError' and
--- that of the client's 'error', and the client's error itself.
local function meet(t, server_options, client_options)
  local server = pair.listen(server_options, t.calls(0))
  local of_server, of_client
  server:on("tlsClientError", t.calls(1, function(err, socket)
    of_server = err
    assert.is_true(socket.secureConnecting)
  end))
  local client = pair.connect(server, client_options)
  client:on("secureConnect", t.calls(0))
  client:on("error", t.calls(1, function(err) of_client = err end))
  client:on("close", t.calls(1, function(had_error)
    assert.same({ true, true }, { had_error, client.secureConnecting })
    server:close()
  end))
  t.run()
  return of_server.code, of_client.code, of_client
end

local function both(version, options)
  options = options or {}
  options.minVersion, options.maxVersion = version, version
  return options
end

local function promise(name, on_server, on_client, server_options, client_options)
  it(name, within(function(t)
    local server, client = meet(t, server_options(), client_options())
    assert.same({ on_server, on_client }, { server, client })
  end))
end

local function rsa()
  local made = certificates.self_signed({ key = "rsa:2048" })
  return { cert = made.cert, key = made.key }
end

local function of(version, options)
  return function() return both(version, options and options()) end
end

--- What name the socket of 'tlsClientError' has.
local function name_told(t, server_options, client_options)
  local server = pair.listen(server_options, t.calls(0))
  local name = {}
  server:on("tlsClientError", t.calls(1, function(_, socket) name = socket.servername end))
  local client = pair.connect(server, client_options)
  client:on("error", t.calls(1))
  client:on("close", function() server:close() end)
  t.run()
  return name
end

describe("A handshake that fails", function()
  for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
    for cause, options in pairs({
      ["a protocol"] = { { ALPNProtocols = { "a" } }, { ALPNProtocols = { "b" } } },
      ["ALPNCallback"] = { { ALPNCallback = function() end }, { ALPNProtocols = { "b" } } },
      ["SNICallback"] = { { SNICallback = function(_, done) done(nil, {}) end }, {} },
      ["SNICallback's error"] = { { SNICallback = function() error("no") end }, {} },
      ["a certificate"] = { { requestCert = true }, {} },
    }) do
      it("by " .. cause .. " tells what name was asked for: " .. version, within(function(t)
        options[2].servername = "a.example"
        assert.equal("a.example", name_told(t, both(version, options[1]), options[2]))
      end))
    end
  end

  it("tells of no name where none was asked for, or could be read", within(function(t)
    assert.is_nil(name_told(t, { requestCert = true, maxVersion = "TLSv1.2" }, { servername = "" }))
    assert.is_nil(name_told(t, both("TLSv1.3"), both("TLSv1.2", { servername = "a.example" })))
  end))
end)

describe("A handshake without a common", function()
  promise("version fails: a server that wants 1.3", "ERR_SSL_UNSUPPORTED_PROTOCOL",
    "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", of("TLSv1.3"), of("TLSv1.2"))
  promise("version fails: a client that wants 1.3", "ERR_SSL_UNSUPPORTED_PROTOCOL",
    "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", of("TLSv1.2"), of("TLSv1.3"))
  promise("cipher fails in 1.2", "ERR_SSL_NO_SHARED_CIPHER", FAILURE,
    of("TLSv1.2", function() return { ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" } end),
    of("TLSv1.2", function() return { ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384" } end))
  promise("cipher fails in 1.3", "ERR_SSL_NO_SHARED_CIPHER", FAILURE,
    of("TLSv1.3", function() return { ciphers = "TLS_AES_128_GCM_SHA256" } end),
    of("TLSv1.3", function() return { ciphers = "TLS_AES_256_GCM_SHA384" } end))
  promise("kind of key fails in 1.2", "ERR_SSL_NO_SHARED_CIPHER", FAILURE,
    of("TLSv1.2", rsa), of("TLSv1.2", function() return { ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" } end))
  promise("group fails in 1.2", "ERR_SSL_NO_SHARED_CIPHER", FAILURE,
    of("TLSv1.2", function() return { ecdhCurve = "X25519" } end),
    of("TLSv1.2", function() return { ecdhCurve = "P-256" } end))
  promise("group fails in 1.3", "ERR_SSL_NO_SUITABLE_KEY_SHARE", FAILURE,
    of("TLSv1.3", function() return { ecdhCurve = "X25519" } end),
    of("TLSv1.3", function() return { ecdhCurve = "P-256" } end))
  for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
    promise("signature fails: " .. version, "ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS", FAILURE,
      of(version, function() return { sigalgs = "ECDSA+SHA256" } end),
      of(version, function() return { sigalgs = "ECDSA+SHA384" } end))
  end
end)

describe("A handshake of a server", function()
  promise("without a certificate fails in 1.3", "ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM", FAILURE,
    of("TLSv1.3", function() return { cert = false, key = false } end), of("TLSv1.3"))
  promise("without a certificate fails in 1.2", "ERR_SSL_NO_SHARED_CIPHER", FAILURE,
    of("TLSv1.2", function() return { cert = false, key = false } end), of("TLSv1.2"))
  promise("whose certificate's signatures the client does not take fails in 1.3",
    "ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM", FAILURE,
    of("TLSv1.3", rsa), of("TLSv1.3", function() return { sigalgs = "ECDSA+SHA256" } end))
end)

describe("The versions before 1.2", function()
  for _, version in ipairs({ "TLSv1", "TLSv1.1" }) do
    -- By which rule depends on OpenSSL: the versions are forbidden, or their signatures.
    it("do not do at the default security level, allowed or not: " .. version, within(function(t)
      local server, client = meet(t, both(version), both(version))
      assert.matches("^E", server)
      assert.matches("^ERR_SSL_", client)
    end))

    it("are there at level 0: " .. version, within(function(t)
      local options = both(version, { ciphers = "DEFAULT@SECLEVEL=0" })
      local server = pair.listen(options, t.calls(1, function(socket) socket:finish() end))
      local client = pair.connect(server, options)
      client:once("secureConnect", t.calls(1, function()
        assert.equal(version, client:getProtocol())
      end))
      client:resume():once("close", t.calls(1, function() server:close() end))
      t.run()
    end))
  end
end)

describe("The error of a handshake", function()
  it("has OpenSSL's number, library, reason and the alert", within(function(t)
    local _, _, err = meet(t, both("TLSv1.3", { ciphers = "TLS_AES_128_GCM_SHA256" }),
      both("TLSv1.3", { ciphers = "TLS_AES_256_GCM_SHA384" }))
    assert.same({ "Error", "error:0A000410:SSL routines::ssl/tls alert handshake failure (alert 40)",
      "SSL routines", "ssl/tls alert handshake failure" },
      fields(err, "name", "message", "library", "reason"))
  end))
end)

--- An end that is said, as no TLS that is under way has it.
local CLOSE_NOTIFY = "\21\3\3\0\2\1\0"

--- The first message of a client of that version.
local function hello_of(t, version)
  local hello
  local server = net.createServer(function(socket)
    socket:once("data", function(bytes)
      hello = bytes
      socket:destroy()
    end)
  end):listen(0, "127.0.0.1")
  sockets.wait(function() return server.listening end)
  local client = pair.connect(server, both(version))
  client:on("error", t.calls(1))
  client:on("close", t.calls(1, function() server:close() end))
  t.run()
  return hello
end

for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
  describe("A handshake of " .. version .. " amid which the other side", function()
    it("ends by close_notify is as one that was cut: a client", within(function(t)
      local server = net.createServer(function(socket)
        socket:once("data", function() socket:write(CLOSE_NOTIFY) end)
      end):listen(0, "127.0.0.1")
      sockets.wait(function() return server.listening end)
      local client = pair.connect(server, both(version))
      local log = pair.watch({}, client)
      client:on("error", t.calls(1, function(err)
        assert.equal("Client network socket disconnected before secure TLS connection was established", err.message)
      end))
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "connect", "ready", "end", "error ECONNRESET", "close true" }, log)
    end))

    it("ends by close_notify is as one that was cut: a server", within(function(t)
      local hello = hello_of(t, version)
      local server, log = pair.listen(both(version))
      server:on("tlsClientError", t.calls(1, function(err) assert.equal("socket hang up", err.message) end))
      local client = net.connect(server:address().port, "127.0.0.1")
      client:write(hello)
      client:once("data", function() client:write(CLOSE_NOTIFY) end)
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "tlsClientError ECONNRESET" }, log)
    end))
  end)
end
