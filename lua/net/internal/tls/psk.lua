-- SPDX-License-Identifier: MIT

--- net.internal.tls.psk - keys that both sides know before, instead of certificates.
--
-- OpenSSL cannot wait for such a key, so the core (src/tls/connection/psk.c) calls here in
-- the middle of a handshake. What raises ends that handshake, and is the error that is told.

local core = require("net.tls.core")
local lazy = require("net.internal.lazy")
local truthy = require("net.internal.options").truthy
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")

local KEY_MAX, IDENTITY_MAX = core.PSK_MAX, core.PSK_IDENTITY_MAX -- bytes

local M = {}

--- What is too long, as an error: without the bytes, which are secret.
local function check_length(value, max, name, what)
  if #value > max then
    errors.raise("ERR_INVALID_ARG_VALUE", 3, name, #value,
      ("%s exceeds %d bytes"):format(what, max))
  end
  return value
end

--- The options, checked: what is called, and the hint.
---@param given table
---@param prefix string as errors call `given`
---@return function? callback
---@return string? hint
function M.options(given, prefix)
  local callback, hint = given.pskCallback, given.pskIdentityHint
  if truthy(callback) then
    validate.func(callback, prefix .. "pskCallback")
  end
  if truthy(hint) then
    validate.string_without_nul(hint, "options.pskIdentityHint")
    if #hint > IDENTITY_MAX then
      errors.raise("ERR_TLS_PSK_SET_IDENTITY_HINT_FAILED", 4)
    end
  end
  if not truthy(callback) or KEY_MAX == 0 then -- this OpenSSL has none
    return nil
  end
  return callback, truthy(hint) and hint or nil
end

local function client_answer(state, hint)
  local ret = state.psk(hint)
  if ret == nil then
    return nil
  end
  validate.object(ret, "ret")
  check_length(validate.string(ret.psk, "psk"), KEY_MAX, "psk", "Pre-shared key")
  validate.string_without_nul(ret.identity, "identity")
  return ret.psk, check_length(ret.identity, IDENTITY_MAX, "identity", "PSK identity")
end

--- Identities are text: what a client offers besides, such as a ticket, is not asked about.
local function server_answer(socket, state, identity)
  local ret
  if utf8.len(identity) then
    ret = state.psk(socket, identity)
  end
  if ret == nil then
    return nil
  elseif type(ret) == "table" then
    ret = validate.string(ret.psk, "psk")
  elseif type(ret) ~= "string" then
    errors.raise("ERR_INVALID_ARG_TYPE", 2, "ret", { "string", "Object" }, ret)
  end
  return check_length(ret, KEY_MAX, "psk", "Pre-shared key")
end

--- The key, and a client's identity; nil: there is none.
---@param socket net.tls.TLSSocket
---@param state net.tls.State
---@param about? string the identity, or the hint
---@return string? psk
---@return string? identity
function M.answer(socket, state, about)
  if state.isServer then
    return server_answer(socket, state, about)
  end
  return client_answer(state, about)
end

return M
