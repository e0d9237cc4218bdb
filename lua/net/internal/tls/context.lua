-- SPDX-License-Identifier: MIT

--- net.internal.tls.context - `tls.createSecureContext`.
--
-- Options are applied in Node's order, by a step of the core each
-- (src/tls/context/configure.h), so that of two that are wrong the same one is told of.
-- Nothing of a context that could not be made is left: it is collected with its SSL_CTX.
-- An option that is nil is not there; `ca`, `cert` and `key` also where they are false, as
-- in Node.
--
-- An empty text as `ca`, `cert` or `key` is a file that was not what it should have been.
-- Node takes it for none, and for `ca` then trusts all the world; here it raises.

local core = require("net.tls.core")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")
local versions = require("net.internal.tls.versions")

local authorities = lazy.module("net.internal.tls.authorities")
local errors = lazy.module("net.internal.errors")
local inspect = lazy.module("net.internal.inspect")
local process = lazy.module("net.process")
local tls = lazy.module("net.tls")

local native = core.context

local USER = 3 -- level of the line that called a public function, from a function it calls
local TICKET_KEYS = 48 -- bytes
local SMALL_DH = 2048 -- bits; with fewer a warning is due

local M = {}


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
  if ciphers == "" and low < versions.TLS_1_3 and high == versions.TLS_1_3 then
    check(native.set_min_version(context, versions.TLS_1_3))
  end
end

-- Trust

local function set_trust(context, options)
  if options.ca then
    each(options.ca, function(pem)
      check(native.add_ca(context, text_or_throw(pem, "options.ca")))
    end)
  else
    check(native.use_default_ca(context))
    authorities.warn_if_none()
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
  local reason, code = native.load_pfx(context, bytes, passphrase)
  if code then
    errors.raise(code, USER, reason)
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
local function refuse_engine(options, name)
  text_or_throw(options[name], "options." .. name)
  errors.raise("ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED", USER)
end

local function refuse_engine_key(options)
  if options.privateKeyEngine == nil then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "options.privateKeyEngine", nil)
  elseif options.key then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "options.privateKeyIdentifier",
      options.privateKeyIdentifier)
  end
  text_or_throw(options.privateKeyIdentifier, "options.privateKeyIdentifier")
  refuse_engine(options, "privateKeyEngine")
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
  local keys = options.ticketKeys
  if keys ~= nil then
    M.check_ticket_keys(keys, "options.ticketKeys")
    native.set_ticket_keys(context, keys)
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
  if options.privateKeyIdentifier ~= nil then
    refuse_engine_key(options)
  end
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
  if options.clientCertEngine ~= nil then
    refuse_engine(options, "clientCertEngine")
  end
end

--- A context of those versions, without anybody whom it trusts.
local function new_context(protocol, bits, min, max)
  local low, high, side = versions.of(protocol, min, max)
  local context, problem = native.new(low, high, side, versions.told(protocol, min, max))
  check(problem)
  if bits then
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
  local context, low, high = new_context(options.secureProtocol, options.secureOptions,
    options.minVersion, options.maxVersion)
  if options.honorCipherOrder then
    native.set_options(context, core.constants.SSL_OP_CIPHER_SERVER_PREFERENCE)
  end
  set_ciphers(context, options.ciphers, low, high)
  set_trust(context, options)
  set_credentials(context, options)
  set_rest(context, options)
  set_session_options(context, options)
  return context
end

-- What a context depends on; others of its options need one of these.
local OWN = {
  "allowPartialTrustChain", "ca", "cert", "ciphers", "clientCertEngine", "crl", "dhparam",
  "ecdhCurve", "honorCipherOrder", "key", "maxVersion", "minVersion", "pfx",
  "privateKeyIdentifier", "secureOptions", "secureProtocol", "sessionIdContext",
  "sessionTimeout", "sigalgs", "ticketKeys",
}
local DEFAULTS = {
  "DEFAULT_CIPHERS", "DEFAULT_ECDH_CURVE", "DEFAULT_MIN_VERSION", "DEFAULT_MAX_VERSION",
}

local shared -- the context of connections that say nothing of theirs
local shared_trust -- whom it trusts: `authorities.generation()`
local shared_of = {} -- the module's fields when it was made

local function is_still_so()
  for i = 1, #DEFAULTS do
    if shared_of[i] ~= tls[DEFAULTS[i]] then
      return false
    end
  end
  return shared_trust == authorities.generation()
end

--- The context of a connection with these options. Those that say nothing of it have one
--- among them, until a default changes.
---@param options table
---@return net.tls.SecureContext
function M.of(options)
  for i = 1, #OWN do
    if options[OWN[i]] ~= nil then
      return (M.createSecureContext(options))
    end
  end
  if not shared or not is_still_so() then
    shared, shared_trust = M.createSecureContext(), authorities.generation()
    for i = 1, #DEFAULTS do
      shared_of[i] = tls[DEFAULTS[i]]
    end
  end
  return shared
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

local trusts = setmetatable({}, { __mode = "k" }) -- what `M.trust` has said

--- Whom a context trusts, and whom it does not any more: bytes, the same for the same
--- certificates, lists of revoked ones and flags.
---@param context net.tls.SecureContext
---@return string
function M.trust(context)
  trusts[context] = trusts[context] or native.trust(context)
  return trusts[context]
end

return M
