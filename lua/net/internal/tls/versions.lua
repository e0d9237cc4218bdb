-- SPDX-License-Identifier: MIT

--- net.internal.tls.versions - which versions of TLS a context is to have.

local json = require("net.core").json
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local inspect = lazy.module("net.internal.inspect")
local tls = lazy.module("net.tls")

local USER = 3 -- level of the line that called a public function, from a function it calls
local VERSIONS = {
  TLSv1 = 0x0301, ["TLSv1.1"] = 0x0302, ["TLSv1.2"] = 0x0303, ["TLSv1.3"] = 0x0304,
}

-- What `secureProtocol` may be: the versions, of which 0 is the lowest that there is.
local METHODS = {
  TLS_method = { 0, VERSIONS["TLSv1.3"] },
  TLSv1_2_method = { VERSIONS["TLSv1.2"], VERSIONS["TLSv1.2"] },
}

local M = {
  TLS_1_3 = VERSIONS["TLSv1.3"],
  DEFAULT_MIN = "TLSv1.2",
  HIGHEST = "TLSv1.3", -- of a connection that has agreed on none yet
}

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

--- The lowest and the highest version, as OpenSSL numbers them, and the side, "client" or
--- "server", if it is to be for one alone.
---
--- Raises ERR_TLS_PROTOCOL_VERSION_CONFLICT, ERR_TLS_INVALID_PROTOCOL_VERSION,
--- ERR_TLS_INVALID_PROTOCOL_METHOD, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
---@param protocol any the option `secureProtocol`
---@param min any
---@param max any
---@return integer low
---@return integer high
---@return string? side
function M.of(protocol, min, max)
  if protocol and (min ~= nil or max ~= nil) then
    local version = min == nil and max or min
    errors.raise("ERR_TLS_PROTOCOL_VERSION_CONFLICT", USER, quoted(version), quoted(protocol))
  end
  local low = version_number(min == nil and tls.DEFAULT_MIN_VERSION or min, "minimum")
  local high = version_number(max == nil and tls.DEFAULT_MAX_VERSION or max, "maximum")
  if protocol then
    validate.string(protocol, "options.secureProtocol")
    return method_versions(protocol)
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

--- Does the program say the lowest version, and the highest? Where it does not, the system's
--- openssl.cnf has a word, too.
---@param protocol any
---@param min any
---@param max any
---@return boolean low
---@return boolean high
function M.told(protocol, min, max)
  local is_told = protocol ~= nil and protocol ~= false
  return is_told or min ~= nil or tls.DEFAULT_MIN_VERSION ~= M.DEFAULT_MIN,
    is_told or max ~= nil or tls.DEFAULT_MAX_VERSION ~= M.HIGHEST
end

return M
