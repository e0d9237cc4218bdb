-- SPDX-License-Identifier: MIT

--- net.internal.tls.context - `tls.createSecureContext`, and whom contexts trust by default.
--
-- Options are applied in Node's order, by a step of the core each (src/tls/configure.h), so
-- that of two that are wrong the same one is told of. Nothing of a context that could not
-- be made is left: it is collected with its SSL_CTX. An option that is nil is not there;
-- `ca`, `cert` and `key` also where they are false, as in Node.
--
-- An empty text as `ca`, `cert` or `key` is a file that was not what it should have been.
-- Node takes it for none, and for `ca` then trusts all the world; here it raises.

local core = require("net.tls.core")
local json = require("net.core").json
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local inspect = lazy.module("net.internal.inspect")
local process = lazy.module("net.process")
local tls = lazy.module("net.tls")

local native = core.context

local USER = 3 -- level of the line that called a public function, from a function it calls
local TICKET_KEYS = 48 -- bytes
local SMALL_DH = 2048 -- bits; with fewer a warning is due
local VERSIONS = {
  TLSv1 = 0x0301, ["TLSv1.1"] = 0x0302, ["TLSv1.2"] = 0x0303, ["TLSv1.3"] = 0x0304,
}

-- What `secureProtocol` may be: the versions, of which 0 is the lowest that there is.
local METHODS = {
  TLS_method = { 0, VERSIONS["TLSv1.3"] },
  TLSv1_2_method = { VERSIONS["TLSv1.2"], VERSIONS["TLSv1.2"] },
}

local M = {
  HIGHEST = "TLSv1.3", -- the version of a connection that has agreed on none yet
}

-- What is wrong

--- Raises what a step of the core has answered, if it has.
local function check(problem)
  if type(problem) == "string" then
    problem = errors.codes.ERR_CRYPTO_OPERATION_FAILED(problem)
  end
  if problem ~= nil then
    errors.throw(problem, USER)
  end
end

local function text_or_throw(value, name)
  if type(value) ~= "string" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, name, "string", value)
  end
  return value
end

--- Calls `fn` for each element of a list, or for the one value that there is.
local function each(value, fn)
  if type(value) ~= "table" or (next(value) ~= nil and not inspect.is_array(value)) then
    return fn(value)
  end
  for i = 1, #value do
    fn(value[i])
  end
end

-- Versions

local function quoted(value)
  return type(value) == "string" and json.encode(value) or inspect.inspect(value)
end

local function version_number(value, which)
  local number = VERSIONS[value]
  if not number then
    errors.raise("ERR_TLS_INVALID_PROTOCOL_VERSION", USER, quoted(value), which)
  end
  return number
end

--- Lowest and highest version, and the one side on which the context is to serve.
local function method_versions(name)
  local base, side = name:match("^(.*_)(%l+)_method$")
  local row = METHODS[side and side ~= "method" and base .. "method" or name] or METHODS[name]
  if not row or (side and side ~= "client" and side ~= "server") then
    local reason = name:find("^SSLv[23]_") and name:sub(1, 5) .. " methods disabled"
      or "Unknown method: " .. name
    errors.raise("ERR_TLS_INVALID_PROTOCOL_METHOD", USER, reason)
  end
  return row[1], row[2], side
end

local function versions_of(protocol, min, max)
  if protocol and (min ~= nil or max ~= nil) then
    local version = min == nil and max or min
    errors.raise("ERR_TLS_PROTOCOL_VERSION_CONFLICT", USER, quoted(version), quoted(protocol))
  end
  local low = version_number(min == nil and tls.DEFAULT_MIN_VERSION or min, "minimum")
  local high = version_number(max == nil and tls.DEFAULT_MAX_VERSION or max, "maximum")
  if protocol then
    return method_versions(text_or_throw(protocol, "options.secureProtocol"))
  elseif low > high then
    local name, value = "options.minVersion", min
    if min == nil then
      name, value = "options.maxVersion", max
    end
    errors.raise("ERR_INVALID_ARG_VALUE", USER, name, value, "leaves no version between "
      .. (min or tls.DEFAULT_MIN_VERSION) .. " and " .. (max or tls.DEFAULT_MAX_VERSION))
  end
  return low, high
end

-- Ciphers

--- The lists of TLS 1.2 and of TLS 1.3 in a list of both, and all that stands in it.
local function split_ciphers(list)
  local lists, all = { {}, {} }, {}
  for name in (list .. ":"):gmatch("([^:]*):") do
    local to = lists[name:find("^!?TLS_") and 2 or 1]
    to[#to + 1] = name ~= "" and name or nil
    all[#all + 1] = name
  end
  return table.concat(lists[1], ":"), table.concat(lists[2], ":"), all
end

local function set_ciphers(context, option, low, high)
  if option ~= nil then
    text_or_throw(option, "options.ciphers")
  end
  local list = (option == nil or option == "") and tls.DEFAULT_CIPHERS or option
  validate.string_without_nul(list, "options.ciphers")
  local ciphers, suites, all = split_ciphers(list)
  if ciphers == "" and suites == "" then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "options.ciphers", all)
  end
  if suites ~= "" then
    check(native.set_suites(context, suites))
  end
  check(native.set_ciphers(context, ciphers))
  if ciphers == "" and low < VERSIONS["TLSv1.3"] and high == VERSIONS["TLSv1.3"] then
    check(native.set_min_version(context, VERSIONS["TLSv1.3"]))
  end
end

-- Trust

local warned = false -- said already, or a program has set its own

--- Trusts whom the system trusts. That there is nobody is said once a process: each
--- connection of a client will fail for it.
local function use_default_ca(context)
  check(native.use_default_ca(context))
  if not warned and native.ca_count() == 0 then
    warned = true
    process.emitWarning("No certificates of authorities were found on this system: "
      .. "no server will be trusted. Set SSL_CERT_FILE, or the option 'ca'.")
  end
end

local function set_trust(context, options)
  if options.ca then
    each(options.ca, function(pem)
      check(native.add_ca(context, text_or_throw(pem, "options.ca")))
    end)
  else
    use_default_ca(context)
  end
  if options.allowPartialTrustChain then
    check(native.set_partial_chain(context))
  end
end

-- Certificates and keys

local function set_key(context, pem, passphrase)
  text_or_throw(pem, "options.key")
  if passphrase ~= nil then
    text_or_throw(passphrase, "options.passphrase")
  end
  check(native.set_key(context, pem, passphrase))
end

local function set_keys(context, key, passphrase)
  if type(key) ~= "table" then
    return set_key(context, key, passphrase)
  end
  each(key, function(value)
    local pem, pass = value, passphrase
    if type(value) == "table" and key ~= value then
      pem = value.pem == nil and value or value.pem
      pass = value.passphrase == nil and passphrase or value.passphrase
    end
    set_key(context, pem, pass)
  end)
end

local function load_pfx(context, bytes, passphrase)
  text_or_throw(bytes, "options.pfx")
  if passphrase ~= nil then
    text_or_throw(passphrase, "options.passphrase")
  end
  local reason, is_unsupported = native.load_pfx(context, bytes, passphrase)
  if is_unsupported then
    errors.raise("ERR_CRYPTO_UNSUPPORTED_OPERATION", USER, "Unsupported PKCS12 PFX data")
  elseif reason then
    errors.throw(errors.new("Error", reason), USER)
  end
end

local function set_pfx(context, pfx, passphrase)
  each(pfx, function(value)
    local bytes, pass = value, passphrase
    if type(value) == "table" and pfx ~= value then
      bytes = value.buf == nil and value or value.buf
      pass = value.passphrase or passphrase
    end
    load_pfx(context, bytes, pass)
  end)
end

-- The rest

local function set_sigalgs(context, sigalgs)
  text_or_throw(sigalgs, "options.sigalgs")
  if sigalgs == "" then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "options.sigalgs", sigalgs)
  end
  validate.string_without_nul(sigalgs, "options.sigalgs")
  check(native.set_sigalgs(context, sigalgs))
end

--- Keys in hardware by OpenSSL's engines, which OpenSSL itself gives up.
local function refuse_engines(options, name)
  local value = options[name]
  if value ~= nil then
    text_or_throw(value, "options." .. name)
    errors.raise("ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED", USER)
  end
end

local function set_groups(context, curve)
  if curve == nil then
    curve = tls.DEFAULT_ECDH_CURVE or "auto"
  end
  text_or_throw(curve, "options.ecdhCurve")
  if curve ~= "auto" and curve ~= "" then
    validate.string_without_nul(curve, "options.ecdhCurve")
    check(native.set_groups(context, curve))
  end
end

local function set_dh(context, dhparam)
  text_or_throw(dhparam, "options.dhparam")
  if dhparam == "auto" then
    return check(native.set_dh(context))
  end
  local bits = native.set_dh(context, dhparam)
  if math.type(bits) ~= "integer" then
    check(bits)
  elseif bits < 1024 then
    errors.throw(errors.new("TypeError", "DH parameter is less than 1024 bits",
      "ERR_INVALID_ARG_VALUE"), USER)
  elseif bits < SMALL_DH then
    process.emitWarning("DH parameter is less than 2048 bits", "SecurityWarning")
  end
end

--- Raises unless these are keys for tickets.
---@param keys any
---@param name string as errors call it
function M.check_ticket_keys(keys, name)
  text_or_throw(keys, name)
  if #keys ~= TICKET_KEYS then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, name, #keys, "must be exactly 48 bytes")
  end
end

local function add_crls(context, crl)
  each(crl, function(pem)
    check(native.add_crl(context, text_or_throw(pem, "options.crl")))
  end)
end

local function set_session_options(context, options)
  if options.ticketKeys ~= nil then
    M.check_ticket_keys(options.ticketKeys, "options.ticketKeys")
    native.set_ticket_keys(context, options.ticketKeys)
  end
  if options.sessionTimeout ~= nil then
    native.set_session_timeout(context,
      validate.int32(options.sessionTimeout, "options.sessionTimeout", 0))
  end
end

local function set_credentials(context, options)
  if options.cert then
    each(options.cert, function(pem)
      check(native.set_cert(context, text_or_throw(pem, "options.cert")))
    end)
  end
  if options.key then
    set_keys(context, options.key, options.passphrase)
  end
end

--- What only some programs set, in Node's order.
local function set_rest(context, options)
  if options.sigalgs ~= nil then
    set_sigalgs(context, options.sigalgs)
  end
  refuse_engines(options, "privateKeyIdentifier")
  set_groups(context, options.ecdhCurve)
  if options.dhparam ~= nil then
    set_dh(context, options.dhparam)
  end
  if options.crl ~= nil then
    add_crls(context, options.crl)
  end
  if options.sessionIdContext ~= nil then
    local id = text_or_throw(options.sessionIdContext, "options.sessionIdContext")
    check(native.set_session_id_context(context, id))
  end
  if options.pfx ~= nil then
    set_pfx(context, options.pfx, options.passphrase)
  end
  refuse_engines(options, "clientCertEngine")
end

--- A context of those versions, without anybody whom it trusts.
local function new_context(protocol, bits, min, max)
  local low, high, side = versions_of(protocol, min, max)
  local context, problem = native.new(low, high, side)
  check(problem)
  if bits and bits ~= 0 then
    native.set_options(context, validate.integer(bits, "secureOptions"))
  end
  return context, low, high
end

--- What connections share: certificates, keys, trust, versions, ciphers.
---
--- Raises for what is wrong with the options, ERR_OSSL_… and ERR_SSL_… for what OpenSSL does
--- not take.
---@param options? net.tls.SecureContextOptions
---@return net.tls.SecureContext
function M.createSecureContext(options)
  options = validate.object(options or {}, "options")
  local bits = options.secureOptions
  if bits then
    validate.integer(bits, "secureOptions")
  end
  if options.honorCipherOrder then
    bits = (bits or 0) | core.constants.SSL_OP_CIPHER_SERVER_PREFERENCE
  end
  local context, low, high = new_context(options.secureProtocol, bits, options.minVersion,
    options.maxVersion)
  set_ciphers(context, options.ciphers, low, high)
  set_trust(context, options)
  set_credentials(context, options)
  set_rest(context, options)
  set_session_options(context, options)
  return context
end

--- A context that trusts nobody and has no certificate.
---@param protocol? string
---@param bits? integer
---@param min? string
---@param max? string
---@return net.tls.SecureContext
function M.SecureContext(protocol, bits, min, max)
  return (new_context(protocol, bits, min, max))
end

--- Whether a value is a SecureContext.
---@type fun(v: any): boolean
M.isSecureContext = native.is

-- Authorities

local CA_TYPES = { default = true, system = true, bundled = false, extra = false }

--- The certificates that contexts without `ca` trust, each as PEM. There are only the
--- system's: "default" and "system" are the same until setDefaultCACertificates, "bundled"
--- and "extra" are empty.
---
--- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
---@param kind? "default"|"system"|"bundled"|"extra" default "default"
---@return string[]
function M.getCACertificates(kind)
  if kind == nil then
    kind = "default"
  end
  validate.string(kind, "type")
  if CA_TYPES[kind] == nil then
    errors.raise("ERR_INVALID_ARG_VALUE", 2, "type", kind)
  end
  if not CA_TYPES[kind] then
    return {}
  end
  return native.ca(kind == "default")
end

--- From now on contexts without `ca` trust these, and nobody else; {} is nobody at all.
---
--- Raises ERR_INVALID_ARG_TYPE; ERR_CRYPTO_OPERATION_FAILED if none of them is a certificate,
--- and then nothing has changed.
---@param certs string[] PEMs
function M.setDefaultCACertificates(certs)
  validate.string_array(certs, "certs")
  if native.set_default_ca(certs) == 0 and #certs > 0 then
    errors.throw(errors.codes.ERR_CRYPTO_OPERATION_FAILED(
      "No valid certificates found in the provided array"), 2)
  end
  warned = true
end

--- `tls.rootCertificates`: those of the system, as there are no others. Read when it is
--- asked for.
return setmetatable(M, {
  __index = function(self, key)
    if key == "rootCertificates" then
      self[key] = native.ca(false)
    end
    return rawget(self, key)
  end,
})
