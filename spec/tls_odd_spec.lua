-- SPDX-License-Identifier: MIT

--- What contexts, connections and servers are given, and should not be: PKCS #12 that lack
--- something, PEMs that would have OpenSSL ask the terminal, options that are none, or others each
--- time they are read. Each is an error at the call, with its code.

local certificates = require("spec.support.certificates")
local lua = require("spec.support.lua")
local net = require("net")
local pair = require("spec.support.tlspair")
local since = require("spec.support.openssl").since
local tls = require("net.tls")

--- A PKCS #12 with the passphrase "secret".
local function pfx(arguments)
  local path = certificates.path("pfx")
  certificates.openssl("pkcs12 -export -passout pass:secret -out %s " .. arguments, path)
  return certificates.read(path)
end

local function whole(more)
  return pfx(("-inkey %s -in %s %s"):format(pair.server.key_path, pair.server.path, more or ""))
end

--- The code and the message with which they are refused; nothing: they are not.
local function refusal(bytes, passphrase)
  local ok, err = pcall(tls.createSecureContext, { pfx = bytes, passphrase = passphrase })
  if not ok then return err.code, err.message end
end

describe("A PKCS #12", function()
  it("may be without a MAC, and then is judged by its passphrase alone", function()
    local bytes = whole("-nomac")
    assert.is_nil(refusal(bytes, "secret"))
    assert.same({ nil, "bad decrypt" }, { refusal(bytes, "wrong") })
    -- Without a passphrase 1.1.1 looks for the MAC first.
    assert.same({ nil, since(3, 0) and "bad decrypt" or "mac absent" }, { refusal(bytes) })
  end)

  it("without a key says so", function()
    assert.same({ "ERR_CRYPTO_OPERATION_FAILED", "Unable to load private key from PFX data" },
      { refusal(pfx("-nokeys -in " .. pair.server.path), "secret") })
  end)

  it("without a certificate says so", function()
    assert.same({ "ERR_CRYPTO_OPERATION_FAILED", "Unable to load certificate from PFX data" },
      { refusal(pfx("-nocerts -inkey " .. pair.server.key_path), "secret") })
  end)

  it("with several certificates shows that of its key", function()
    assert.is_nil(refusal(whole("-certfile " .. pair.ca.path), "secret"))
    assert.is_nil(refusal(pfx(("-inkey %s -in %s -certfile %s"):format(pair.server.key_path,
      pair.server.path, pair.client.path)), "secret"))
  end)

  it("that is cut is refused, wherever that is", function()
    local bytes = whole()
    for i = 0, #bytes - 1 do
      local _, message = refusal(bytes:sub(1, i), "secret")
      assert.is_string(message)
    end
  end)

  it("of which a byte is another is refused, or is as before", function()
    local bytes = whole()
    for i = 1, #bytes, 20 do
      local other = bytes:sub(1, i - 1) .. string.char(bytes:byte(i) ~ 0x40) .. bytes:sub(i + 1)
      local ok, err = pcall(tls.createSecureContext, { pfx = other, passphrase = "secret" })
      assert.is_true(ok or type(err.message) == "string")
    end
  end)
end)

describe("What says that it is encrypted", function()
  --- A PEM of anything may say so.
  local function encrypted(pem)
    return (pem:gsub("(%-%-%-%-%-BEGIN [^\n]*\n)", "%1Proc-Type: 4,ENCRYPTED\n"
      .. "DEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F\n\n"))
  end

  it("asks neither the terminal nor standard input", function()
    local as_list = pair.server.cert:gsub("CERTIFICATE", "X509 CRL")
    local result = lua.run({ stdin = "secret\n", script = ([[
      local net, ssl, tls = require("net"), require("net.luasec"), require("net.tls")
      local cert, key, list, pfx = %q, %q, %q, %q
      local function refuses(fn, ...)
        local ok, err = pcall(fn, ...)
        print(ok and "taken" or err.code or err.message)
      end
      local encrypted = { cert = cert, key = key }
      refuses(tls.createSecureContext, { crl = list })
      refuses(tls.createSecureContext, { ca = cert })
      refuses(tls.createSecureContext, { pfx = pfx })
      refuses(tls.createServer, encrypted)
      refuses(tls.createServer().setSecureContext, tls.createServer(), encrypted)
      refuses(tls.createServer().addContext, tls.createServer(), "a.com", encrypted)
      local socket = tls.TLSSocket(net.Socket(), { isServer = true })
      refuses(socket.setKeyCert, socket, encrypted)
      print(ssl.loadcertificate(cert))
    ]]):format(encrypted(pair.server.cert), encrypted(pair.server.key), encrypted(as_list), whole()) })
    assert.equal("", result.stderr) -- where it would ask
    local lines = {}
    for line in result.stdout:gmatch("[^\n]+") do
      lines[#lines + 1] = line:gsub("^ERR_OSSL_[%u_]+$", "ERR_OSSL")
    end
    assert.same({ "ERR_CRYPTO_OPERATION_FAILED", "ERR_OSSL", "mac verify failure", "ERR_OSSL", "ERR_OSSL",
      "ERR_OSSL", "ERR_OSSL", "nil" }, lines)
  end)
end)

-- Options that are none

local function raises(word)
  return function() error(word, 0) end
end

local cyclic = {}
cyclic[1], cyclic.pem, cyclic.buf, cyclic.passphrase = cyclic, cyclic, cyclic, cyclic

local ODD = {
  0 / 0, math.huge, -math.huge, 1 << 62, -1, math.mininteger, 1.5, 0, "", ("A"):rep(1 << 20), "A\0B", true, false,
  print, coroutine.create(print), io.stdout, {}, { 1, 2 }, cyclic, { "x", nil, "y" }, { { {} } }, { true },
  setmetatable({}, { __len = function() return 1 << 40 end }),
  setmetatable({}, { __index = raises("an own error") }), setmetatable({}, { __len = raises("an own error") }),
  setmetatable({}, { __tostring = raises("an own error") }),
}

local CONTEXT = { "secureProtocol", "secureOptions", "minVersion", "maxVersion", "honorCipherOrder", "ciphers", "ca",
  "allowPartialTrustChain", "cert", "key", "passphrase", "sigalgs", "privateKeyIdentifier", "ecdhCurve", "dhparam",
  "crl", "sessionIdContext", "pfx", "clientCertEngine", "ticketKeys", "sessionTimeout" }
local OTHERS = { "requestCert", "rejectUnauthorized", "handshakeTimeout", "ALPNProtocols", "ALPNCallback",
  "SNICallback", "pskCallback", "pskIdentityHint", "secureContext", "servername", "checkServerIdentity",
  "minDHSize", "session", "requestOCSP", "isServer" }

--- Everybody who takes options of TLS.
local TAKE = {
  function(options) return tls.createSecureContext(options) end,
  function(options) tls.createServer():setSecureContext(options) end,
  function(options) return tls.createServer(options) end,
  function(options) return tls.TLSSocket(net.Socket(), options) end,
  function(options) return tls.TLSSocket(net.Socket()):connect(options) end,
  function(options) tls.createServer():addContext("a.com", options) end,
  function(options) tls.TLSSocket(net.Socket()):setKeyCert(options) end,
}

--- An error with a code or OpenSSL's words, or the options' own; never one of a C function's.
local function is_clear(err)
  return err == "an own error" or type(err) == "table" and type(err.message) == "string"
end

local function try(take, options)
  local ok, given = pcall(take, options)
  assert.is_true(ok or is_clear(given), tostring(given))
  if ok and net.isSocket(given) then given:on("error", function() end):destroy() end
end

describe("An option", function()
  --- Gives each of those options each odd value, to TAKE's from `first` to `last`.
  local function try_all(names, first, last)
    for _, name in ipairs(names) do
      for which = first, last do
        for i = 1, #ODD do
          try(TAKE[which], { cert = pair.server.cert, key = pair.server.key, port = 1, host = "127.0.0.1",
            [name] = ODD[i] })
        end
      end
    end
    net.run()
  end

  it("of a context that is none of its kind is told of, or is none #slow", function()
    try_all(CONTEXT, 1, 2)
  end)

  it("of a connection or a server that is none of its kind is told of, or is none #slow", function()
    try_all(OTHERS, 3, 5)
  end)

  it("may be another each time it is read", function()
    local state = 1
    local function dice(n)
      state = (state * 1103515245 + 12345) % 0x80000000
      return (state >> 8) % n + 1
    end
    local good = { cert = pair.server.cert, key = pair.server.key, ca = pair.ca.cert, minVersion = "TLSv1.2",
      maxVersion = "TLSv1.3", ciphers = "TLS_AES_128_GCM_SHA256", sigalgs = "ECDSA+SHA256", ecdhCurve = "P-256",
      sessionIdContext = "abc", ticketKeys = ("k"):rep(48), sessionTimeout = 10, secureOptions = 1, passphrase = "x",
      host = "127.0.0.1", port = 1, servername = "localhost", ALPNProtocols = { "a", "b" }, session = "x",
      handshakeTimeout = 1000, minDHSize = 1024, SNICallback = print, pskCallback = print,
      checkServerIdentity = print, pskIdentityHint = "hint", secureContext = tls.createSecureContext() }
    for _ = 1, 200 do
      local oddness = dice(40) + 3
      try(TAKE[dice(#TAKE)], setmetatable({}, { __index = function(_, name)
        if dice(oddness) == 1 then return ODD[dice(#ODD)] end
        return good[name]
      end }))
    end
    net.run()
  end)

  it("is read once where it is looked at before it is used: ticketKeys", function()
    local reads = 0
    local ok, err = pcall(tls.createSecureContext, setmetatable({}, { __index = function(_, name)
      if name ~= "ticketKeys" then return nil end
      reads = reads + 1
      return reads == 1 and ("k"):rep(48) or 5
    end }))
    assert.is_true(ok, tostring(err))
  end)
end)
