-- SPDX-License-Identifier: MIT

--- `tls.createSecureContext`: what it takes, and what it says to what it does not take.

local certificates = require("spec.support.certificates")
local fields = require("spec.support").fields
local lua = require("spec.support.lua")
local process = require("net.process")
local since = require("spec.support.openssl").since
local support = require("spec.support")
local tls = require("net.tls")

local within = support.within

-- What no PKCS #12 can be: nothing, and a single byte.
local NOTHING = since(3, 0) and "not enough data" or "header too long"
local TOO_SHORT = since(3, 0, 22) and "not enough data" or "header too long"

local function create(options)
  return function() return tls.createSecureContext(options) end
end

--- What the call raises.
local function refusal(options)
  local ok, err = pcall(tls.createSecureContext, options)
  assert.is_false(ok)
  assert.is_table(err, tostring(err))
  return err
end

--- Demands an error of that code, and of that text if there is one.
local function refuses(options, code, message)
  local err = refusal(options)
  assert.same({ code, message or err.message }, { err.code, err.message })
  return err
end


-- Made once, as some take their time.
local made = {}
local function ours()
  if not made.cert then
    local rsa = certificates.self_signed({ key = "rsa:2048" })
    local ec = certificates.self_signed({})
    made = { cert = rsa.cert, key = rsa.key, rsa = rsa, ec = ec }
  end
  return made
end

local function encrypted(passphrase)
  local path = certificates.path("encrypted")
  certificates.openssl("pkey -in %s -aes128 -passout %s -out %s", ours().rsa.key_path,
    "pass:" .. passphrase, path)
  return certificates.read(path)
end

local function pfx(passphrase, more)
  local path = certificates.path("pfx")
  certificates.openssl("pkcs12 -export -inkey %s -in %s -passout %s -out %s " .. (more or ""),
    ours().rsa.key_path, ours().rsa.path, "pass:" .. passphrase, path)
  return certificates.read(path)
end

describe("tls.createSecureContext", function()
  it("needs no options", function()
    assert.equal("SecureContext", tostring(tls.createSecureContext()):match("^%a+"))
    assert.has_no.errors(create({}))
    assert.has_no.errors(create(false))
  end)

  it("takes a table of options, and nothing else", function()
    refuses(5, "ERR_INVALID_ARG_TYPE",
      'The "options" argument must be of type object. Received type number (5)')
    refuses("x", "ERR_INVALID_ARG_TYPE")
    refuses({ 1 }, "ERR_INVALID_ARG_TYPE")
    refuses(tls.createSecureContext(), "ERR_INVALID_ARG_TYPE")
  end)

  it("tells where it was called, in the error's stack", function()
    assert.matches("tls_context_spec%.lua", refusal({ ca = 5 }).stack)
  end)

  it("cannot be taken apart", function()
    local context = tls.createSecureContext()
    assert.is_false(getmetatable(context))
    local finalizer = debug.getmetatable(context).__gc
    for _, wrong in ipairs { 5, "x", {}, io.stdout } do
      local ok, err = pcall(finalizer, wrong)
      assert.is_false(ok)
      assert.equal("ERR_INVALID_THIS", err.code)
    end
    finalizer(context)
    finalizer(context)
  end)
end)

describe("the versions of a context", function()
  it("are named as in Node, from TLSv1 to TLSv1.3", function()
    for _, version in ipairs({ "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3" }) do
      assert.has_no.errors(create({ minVersion = version }))
      assert.has_no.errors(create({ minVersion = "TLSv1", maxVersion = version }))
    end
    refuses({ minVersion = "x" }, "ERR_TLS_INVALID_PROTOCOL_VERSION",
      '"x" is not a valid minimum TLS protocol version')
    refuses({ maxVersion = "SSLv3" }, "ERR_TLS_INVALID_PROTOCOL_VERSION",
      '"SSLv3" is not a valid maximum TLS protocol version')
    refuses({ minVersion = 5 }, "ERR_TLS_INVALID_PROTOCOL_VERSION",
      "5 is not a valid minimum TLS protocol version")
  end)

  it("are some: a lowest above the highest is refused", function()
    refuses({ minVersion = "TLSv1.3", maxVersion = "TLSv1.2" }, "ERR_INVALID_ARG_VALUE",
      "The property 'options.minVersion' leaves no version between TLSv1.3 and TLSv1.2. "
      .. "Received 'TLSv1.3'")
    refuses({ maxVersion = "TLSv1.1" }, "ERR_INVALID_ARG_VALUE",
      "The property 'options.maxVersion' leaves no version between TLSv1.2 and TLSv1.1. "
      .. "Received 'TLSv1.1'")
  end)

  it("are by default what the module's fields say when the context is made", function()
    finally(function() tls.DEFAULT_MIN_VERSION, tls.DEFAULT_MAX_VERSION = "TLSv1.2", "TLSv1.3" end)
    tls.DEFAULT_MAX_VERSION = "TLSv1.2"
    refuses({ minVersion = "TLSv1.3" }, "ERR_INVALID_ARG_VALUE")
    tls.DEFAULT_MIN_VERSION = "TLSv9"
    refuses({}, "ERR_TLS_INVALID_PROTOCOL_VERSION")
  end)

  it("are those of secureProtocol, which excludes the two", function()
    for _, name in ipairs({ "TLS_method", "TLS_client_method", "TLS_server_method",
      "TLSv1_2_method", "TLSv1_2_client_method", "TLSv1_2_server_method" }) do
      assert.has_no.errors(create({ secureProtocol = name }))
    end
    refuses({ secureProtocol = "TLS_method", minVersion = "TLSv1.2" },
      "ERR_TLS_PROTOCOL_VERSION_CONFLICT",
      'TLS protocol version "TLSv1.2" conflicts with secureProtocol "TLS_method"')
    refuses({ secureProtocol = "TLS_method", maxVersion = "TLSv1.3" },
      "ERR_TLS_PROTOCOL_VERSION_CONFLICT")
  end)

  it("know no other secureProtocol", function()
    refuses({ secureProtocol = "x" }, "ERR_TLS_INVALID_PROTOCOL_METHOD", "Unknown method: x")
    refuses({ secureProtocol = "TLSv1_method" }, "ERR_TLS_INVALID_PROTOCOL_METHOD")
    refuses({ secureProtocol = "TLS_x_method" }, "ERR_TLS_INVALID_PROTOCOL_METHOD")
    refuses({ secureProtocol = "SSLv3_method" }, "ERR_TLS_INVALID_PROTOCOL_METHOD",
      "SSLv3 methods disabled")
    refuses({ secureProtocol = 5 }, "ERR_INVALID_ARG_TYPE")
  end)
end)

describe("the ciphers of a context", function()
  it("are one list for TLS 1.2 and 1.3", function()
    assert.has_no.errors(create({ ciphers = "TLS_AES_128_GCM_SHA256:AES128-SHA" }))
    assert.has_no.errors(create({ ciphers = "TLS_AES_128_GCM_SHA256" }))
    assert.has_no.errors(create({ ciphers = "DEFAULT@SECLEVEL=0" }))
    assert.has_no.errors(create({ ciphers = "" }))
  end)

  it("have to be known", function()
    refuses({ ciphers = "xyz" }, "ERR_SSL_NO_CIPHER_MATCH",
      "error:0A0000B9:SSL routines::no cipher match")
    refuses({ ciphers = "TLS_xyz" }, "ERR_SSL_NO_CIPHER_MATCH")
    refuses({ ciphers = "TLS_AES_128_GCM_SHA256:xyz" }, "ERR_SSL_NO_CIPHER_MATCH")
    refuses({ ciphers = "DEFAULT@SECLEVEL=9" }, "ERR_SSL_INVALID_COMMAND")
  end)

  it("are a string, with something between the colons", function()
    refuses({ ciphers = 5 }, "ERR_INVALID_ARG_TYPE",
      'The "options.ciphers" property must be of type string. Received type number (5)')
    refuses({ ciphers = "::" }, "ERR_INVALID_ARG_VALUE",
      "The property 'options.ciphers' is invalid. Received [ '', '', '' ]")
    refuses({ ciphers = "AES128-SHA\0x" }, "ERR_INVALID_ARG_VALUE")
  end)

  it("are by default what the module's field says when the context is made", function()
    local default = tls.DEFAULT_CIPHERS
    finally(function() tls.DEFAULT_CIPHERS = default end)
    tls.DEFAULT_CIPHERS = "xyz"
    refuses({}, "ERR_SSL_NO_CIPHER_MATCH")
  end)
end)

describe("the authorities of a context", function()
  it("are PEMs of any number of certificates, or a list of such", function()
    local all = ours().cert .. "between\n" .. ours().ec.cert
    assert.has_no.errors(create({ ca = all }))
    assert.has_no.errors(create({ ca = { all, ours().cert } }))
    assert.has_no.errors(create({ ca = {}, allowPartialTrustChain = true }))
  end)

  it("are certificates: what has none raises, and is not taken for nobody to trust", function()
    for _, ca in ipairs({ "", "x", ours().key, { ours().cert, "" } }) do
      refuses({ ca = ca }, "ERR_OSSL_PEM_NO_START_LINE",
        "error:0480006C:PEM routines::no start line")
    end
  end)

  it("are whole: one that is cut off raises, also behind good ones", function()
    refuses({ ca = ours().cert:sub(1, 500) }, "ERR_OSSL_PEM_BAD_END_LINE")
    refuses({ ca = ours().cert .. ours().cert:sub(1, 300) }, "ERR_OSSL_PEM_BAD_END_LINE")
  end)

  it("are strings", function()
    refuses({ ca = 5 }, "ERR_INVALID_ARG_TYPE",
      'The "options.ca" property must be of type string. Received type number (5)')
    refuses({ ca = { 5 } }, "ERR_INVALID_ARG_TYPE")
    refuses({ ca = { pem = ours().cert } }, "ERR_INVALID_ARG_TYPE")
  end)

  it("may have lists of what they have revoked", function()
    local ca = certificates.authority()
    local leaf = ca:issue()
    ca:revoke(leaf)
    assert.has_no.errors(create({ ca = ca.cert, crl = ca:crl() }))
    assert.has_no.errors(create({ crl = { ca:crl(), ca:crl() } })) -- beside the system's
    assert.has_no.errors(create({ crl = {} }))
  end)

  it("have no other lists", function()
    for _, crl in ipairs({ "", "x", ours().cert }) do
      refuses({ crl = crl }, "ERR_CRYPTO_OPERATION_FAILED", "Failed to parse CRL")
    end
    refuses({ crl = 5 }, "ERR_INVALID_ARG_TYPE")
    refuses({ crl = { 5 } }, "ERR_INVALID_ARG_TYPE")
  end)
end)

describe("the certificates and keys of a context", function()
  it("are PEMs, and may be several of several kinds, in any order", function()
    assert.has_no.errors(create({ cert = ours().cert, key = ours().key }))
    assert.has_no.errors(create({ cert = { ours().cert, ours().ec.cert },
      key = { ours().ec.key, ours().key } }))
    assert.has_no.errors(create({ cert = ours().cert .. ours().ec.cert, key = ours().key }))
  end)

  it("are PEMs of certificates", function()
    for _, cert in ipairs({ "", "x", ours().key }) do
      refuses({ cert = cert }, "ERR_OSSL_PEM_NO_START_LINE")
    end
    refuses({ cert = ours().cert:sub(1, 500) }, "ERR_OSSL_PEM_BAD_END_LINE")
    refuses({ cert = ours().cert .. ours().cert:sub(1, 300) }, "ERR_OSSL_PEM_BAD_END_LINE")
  end)

  it("are PEMs of keys", function()
    for _, key in ipairs({ "", "x", ours().cert, ours().key:sub(1, 500) }) do
      refuses({ key = key }, "ERR_OSSL_UNSUPPORTED", "error:1E08010C:DECODER routines::unsupported")
    end
  end)

  it("are strings", function()
    refuses({ cert = 5 }, "ERR_INVALID_ARG_TYPE",
      'The "options.cert" property must be of type string. Received type number (5)')
    refuses({ key = 5 }, "ERR_INVALID_ARG_TYPE",
      'The "options.key" property must be of type string. Received type number (5)')
    refuses({ key = { 5 } }, "ERR_INVALID_ARG_TYPE")
    refuses({ key = { pem = ours().key } }, "ERR_INVALID_ARG_TYPE")
    refuses({ key = { {} } }, "ERR_INVALID_ARG_TYPE")
    refuses({ key = { { pem = 5 } } }, "ERR_INVALID_ARG_TYPE")
  end)

  it("belong to each other", function()
    refuses({ cert = ours().cert, key = certificates.key("rsa:2048") },
      "ERR_OSSL_X509_KEY_VALUES_MISMATCH",
      "error:05800074:x509 certificate routines::key values mismatch")
  end)

  it("are of some strength, unless the ciphers say otherwise", function()
    local weak = certificates.self_signed({ key = "rsa:1024" })
    local options = { cert = weak.cert, key = weak.key }
    refuses(options, "ERR_SSL_EE_KEY_TOO_SMALL")
    options.ciphers = "DEFAULT@SECLEVEL=0"
    assert.has_no.errors(create(options))
  end)

  it("may be encrypted", function()
    local key = encrypted("secret")
    assert.has_no.errors(create({ key = key, passphrase = "secret" }))
    assert.has_no.errors(create({ key = { { pem = key, passphrase = "secret" } } }))
    assert.has_no.errors(create({ key = { { pem = key } }, passphrase = "secret" }))
    assert.has_no.errors(create({ key = { { pem = key, passphrase = "secret" } }, passphrase = "x" }))
  end)

  --- What a wrong passphrase leads to. One of 256 seems to be right as far as the padding
  --- goes, and then there is no key: hence another try.
  local function wrong(passphrase)
    local err
    for _ = 1, 5 do
      err = refusal({ key = encrypted("secret"), passphrase = passphrase })
      if err.code ~= "ERR_OSSL_UNSUPPORTED" then break end
    end
    return err
  end

  it("cannot be read without the passphrase, and nobody is asked for it", function()
    for _, passphrase in ipairs({ false, "", "wrong" }) do
      local err = wrong(passphrase or nil)
      assert.same({ "ERR_OSSL_BAD_DECRYPT", "Provider routines", "bad decrypt" },
        fields(err, "code", "library", "reason"))
    end
    local key = encrypted("secret")
    refuses({ key = key, passphrase = ("x"):rep(5000) }, "ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED")
    refuses({ key = key, passphrase = 5 }, "ERR_INVALID_ARG_TYPE")
  end)

  it("ask neither the terminal nor standard input", function()
    -- A PEM of anything may say that it is encrypted.
    local cert = ours().cert:gsub("CERTIFICATE%-%-%-%-%-\n", "%0Proc-Type: 4,ENCRYPTED\n"
      .. "DEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F\n\n", 1)
    local result = lua.run({ stdin = "secret\n",
      args = { certificates.write("pem", encrypted("secret")), certificates.write("pem", cert) },
      script = [[
        local function read(path)
          local file <close> = io.open(path)
          return file:read("a")
        end
        local function code_of(options)
          local _, err = pcall(require("net.tls").createSecureContext, options)
          return err.code
        end
        local key, cert = read(...), read((select(2, ...)))
        print(code_of({ key = key }), code_of({ cert = cert }), code_of({ ca = cert }))
      ]] })
    assert.equal("", result.stderr) -- where it would ask
    assert.matches("^ERR_OSSL_[%u_]+\tERR_OSSL_[%u_]+\tERR_OSSL_[%u_]+\n$", result.stdout)
  end)

  it("may come as PKCS #12", function()
    assert.has_no.errors(create({ pfx = pfx("secret"), passphrase = "secret" }))
    assert.has_no.errors(create({ pfx = pfx("") }))
    assert.has_no.errors(create({ pfx = { { buf = pfx("secret"), passphrase = "secret" } } }))
    assert.has_no.errors(create({ pfx = { { buf = pfx("secret") } }, passphrase = "secret" }))
  end)

  it("trust those who come along in a PKCS #12", function()
    assert.has_no.errors(create({ pfx = pfx("", "-certfile " .. ours().ec.path) }))
  end)

  it("cannot be read from a PKCS #12 that is none, nor without its passphrase", function()
    refuses({ pfx = pfx("secret") }, nil, "mac verify failure")
    refuses({ pfx = pfx("secret"), passphrase = "wrong" }, nil, "mac verify failure")
    refuses({ pfx = "" }, nil, NOTHING)
    refuses({ pfx = "x" }, nil, TOO_SHORT)
    refuses({ pfx = pfx(""):sub(1, 900) }, nil, "not enough data")
    refuses({ pfx = ours().cert }, nil, "wrong tag")
    refuses({ pfx = 5 }, "ERR_INVALID_ARG_TYPE")
    refuses({ pfx = { 5 } }, "ERR_INVALID_ARG_TYPE")
    refuses({ pfx = pfx(""), passphrase = 5 }, "ERR_INVALID_ARG_TYPE")
  end)

  it("are not read from a PKCS #12 in a cipher of the past", function()
    if not since(3, 0) then
      pending("OpenSSL 1.1.1 has those ciphers")
      return
    end
    refuses({ pfx = pfx("secret", "-legacy"), passphrase = "secret" },
      "ERR_CRYPTO_UNSUPPORTED_OPERATION", "Unsupported PKCS12 PFX data")
  end)

  it("are not in hardware", function()
    refuses({ clientCertEngine = "x" }, "ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED")
    refuses({ privateKeyIdentifier = "x", privateKeyEngine = "y" },
      "ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED")
    refuses({ clientCertEngine = 5 }, "ERR_INVALID_ARG_TYPE")
  end)

  it("are told of what is wrong with the name of one in hardware first", function()
    refuses({ privateKeyIdentifier = "x" }, "ERR_INVALID_ARG_VALUE",
      "The property 'options.privateKeyEngine' is invalid. Received nil")
    refuses({ privateKeyIdentifier = "x", privateKeyEngine = 0 }, "ERR_INVALID_ARG_TYPE",
      'The "options.privateKeyEngine" property must be of type string. Received type number (0)')
    refuses({ privateKeyIdentifier = 0, privateKeyEngine = "y" }, "ERR_INVALID_ARG_TYPE",
      'The "options.privateKeyIdentifier" property must be of type string. Received type number (0)')
    refuses({ privateKeyIdentifier = "x", privateKeyEngine = "y", key = ours().key },
      "ERR_INVALID_ARG_VALUE", "The property 'options.privateKeyIdentifier' is invalid. Received 'x'")
    tls.createSecureContext({ privateKeyEngine = 0 })
  end)
end)

describe("the signatures and groups of a context", function()
  it("are lists of OpenSSL's", function()
    assert.has_no.errors(create({ sigalgs = "RSA+SHA256:ecdsa_secp256r1_sha256" }))
    assert.has_no.errors(create({ ecdhCurve = "P-256:X25519" }))
    assert.has_no.errors(create({ ecdhCurve = "auto" }))
    refuses({ sigalgs = "x" }, "ERR_CRYPTO_OPERATION_FAILED")
    refuses({ sigalgs = "" }, "ERR_INVALID_ARG_VALUE",
      "The property 'options.sigalgs' is invalid. Received ''")
    refuses({ sigalgs = 5 }, "ERR_INVALID_ARG_TYPE")
    refuses({ ecdhCurve = "x" }, "ERR_CRYPTO_OPERATION_FAILED", "Failed to set ECDH curve")
    refuses({ ecdhCurve = false }, "ERR_INVALID_ARG_TYPE")
  end)

  it("are by default what the module's field says when the context is made", function()
    finally(function() tls.DEFAULT_ECDH_CURVE = "auto" end)
    tls.DEFAULT_ECDH_CURVE = "x"
    refuses({}, "ERR_CRYPTO_OPERATION_FAILED", "Failed to set ECDH curve")
  end)

  it("are of Diffie and Hellman as their PEM says, or as OpenSSL finds right", function()
    assert.has_no.errors(create({ dhparam = "auto" }))
    assert.has_no.errors(create({ dhparam = certificates.dh(2048) }))
  end)

  it("are not of Diffie and Hellman where there is no such PEM", function()
    for _, dhparam in ipairs({ "", "x", ours().cert }) do
      refuses({ dhparam = dhparam }, "ERR_OSSL_PEM_NO_START_LINE")
    end
    refuses({ dhparam = 5 }, "ERR_INVALID_ARG_TYPE")
  end)

  it("are not of Diffie and Hellman with few bits", within(function(t)
    local few = certificates.dh(768)
    refuses({ dhparam = few }, "ERR_INVALID_ARG_VALUE", "DH parameter is less than 1024 bits")
    refuses({ dhparam = few, ciphers = "DEFAULT@SECLEVEL=0" }, "ERR_INVALID_ARG_VALUE")
    local more = certificates.dh(1024)
    refuses({ dhparam = more }, "ERR_CRYPTO_OPERATION_FAILED", "Error setting temp DH parameter")
    process:once("warning", t.calls(1, function(warning)
      assert.same({ "SecurityWarning", "DH parameter is less than 2048 bits" },
        { warning.name, warning.message })
    end))
    tls.createSecureContext({ dhparam = more, ciphers = "DEFAULT@SECLEVEL=0" })
    t.run()
  end))
end)

describe("the sessions of a context", function()
  it("have a name, of at most 32 bytes", function()
    assert.has_no.errors(create({ sessionIdContext = ("x"):rep(32) }))
    refuses({ sessionIdContext = ("x"):rep(33) }, "ERR_SSL_SSL_SESSION_ID_CONTEXT_TOO_LONG")
    refuses({ sessionIdContext = 5 }, "ERR_INVALID_ARG_TYPE")
  end)

  it("have keys of 48 bytes for their tickets", function()
    assert.has_no.errors(create({ ticketKeys = ("x"):rep(48) }))
    refuses({ ticketKeys = ("x"):rep(47) }, "ERR_INVALID_ARG_VALUE",
      "The property 'options.ticketKeys' must be exactly 48 bytes. Received 47")
    refuses({ ticketKeys = 5 }, "ERR_INVALID_ARG_TYPE")
  end)

  it("last for some seconds", function()
    assert.has_no.errors(create({ sessionTimeout = 0 }))
    assert.has_no.errors(create({ sessionTimeout = 300.0 }))
    refuses({ sessionTimeout = -1 }, "ERR_OUT_OF_RANGE", 'The value of "options.sessionTimeout" '
      .. "is out of range. It must be >= 0 && <= 2147483647. Received -1")
    refuses({ sessionTimeout = 1.5 }, "ERR_OUT_OF_RANGE")
    refuses({ sessionTimeout = 2 ^ 31 }, "ERR_OUT_OF_RANGE")
    refuses({ sessionTimeout = "5" }, "ERR_INVALID_ARG_TYPE")
  end)
end)

describe("Of two options that are wrong", function()
  it("a context tells of the one that Node looks at first", function()
    refuses({ minVersion = "x", secureOptions = "x" }, "ERR_TLS_INVALID_PROTOCOL_VERSION")
    refuses({ secureOptions = "x", ciphers = "x" }, "ERR_INVALID_ARG_TYPE")
    refuses({ ciphers = "x", ca = 5 }, "ERR_SSL_NO_CIPHER_MATCH")
    refuses({ sessionTimeout = -1, crl = "x" }, "ERR_CRYPTO_OPERATION_FAILED")
  end)
end)

describe("OpenSSL's options of a context", function()
  it("are bits", function()
    assert.has_no.errors(create({ secureOptions = tls.constants.SSL_OP_NO_TICKET }))
    assert.has_no.errors(create({ secureOptions = 0, honorCipherOrder = true }))
    refuses({ secureOptions = "x" }, "ERR_INVALID_ARG_TYPE",
      'The "secureOptions" argument must be of type number. Received type string (\'x\')')
    refuses({ secureOptions = 1.5 }, "ERR_OUT_OF_RANGE")
  end)
end)

describe("tls.SecureContext", function()
  it("makes a context of versions and options alone", function()
    assert.equal("SecureContext", tostring(tls.SecureContext()):match("^%a+"))
    assert.equal("SecureContext", tostring(tls.SecureContext("TLS_method", 4)):match("^%a+"))
    assert.has.errors(function() tls.SecureContext("x") end)
    assert.has.errors(function() tls.SecureContext(nil, nil, "x") end)
  end)
end)

describe("The context of clients that say nothing of it", function()
  local context = require("net.internal.tls.context")

  it("is one for all of them", function()
    assert.equal(context.of({ port = 1 }), context.of({ port = 2, host = "x" }))
  end)

  it("is another where something is said", function()
    assert.not_equal(context.of({}), context.of({ ca = {} }))
    assert.not_equal(context.of({ minVersion = "TLSv1.3" }), context.of({ minVersion = "TLSv1.3" }))
    assert.has.errors(function() context.of({ ciphers = "x" }) end)
  end)

  it("is another when a default has changed", function()
    finally(function() tls.DEFAULT_MAX_VERSION = "TLSv1.3" end)
    local before = context.of({})
    tls.DEFAULT_MAX_VERSION = "TLSv1.2"
    local other = context.of({})
    assert.not_equal(before, other)
    assert.equal(other, context.of({}))
  end)

  it("is another when others are trusted", function()
    local result = lua.run({ script = [[
      local tls, context = require("net.tls"), require("net.internal.tls.context")
      local before = context.of({})
      tls.setDefaultCACertificates({})
      assert(before ~= context.of({}))
      print("done")
    ]] })
    assert.same({ "done\n", "" }, { result.stdout, result.stderr })
  end)

  it("knows all options of a context", function()
    local inside = false
    for line in io.lines("lua/net/meta.lua") do
      inside = line == "---@class net.tls.SecureContextOptions" or inside and line ~= ""
      local name = inside and line:match("^%-%-%-@field (%w+)")
      if name and name ~= "passphrase" then
        assert.not_equal(context.of({}), select(2, pcall(context.of, { [name] = false })), name)
      end
    end
  end)
end)
