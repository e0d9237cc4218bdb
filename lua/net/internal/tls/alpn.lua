-- SPDX-License-Identifier: MIT

--- net.internal.tls.alpn - lists of protocols, and as they stand in a handshake.

local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")
local inspect = lazy.module("net.internal.inspect")

local M = {}

local LONGEST = 255 -- bytes of a name

local function too_long(index, length)
  return errors.new("RangeError", ("The byte length of the protocol at index %d exceeds the "
    .. "maximum length. It must be <= %d. Received %d"):format(index, LONGEST, length),
    "ERR_OUT_OF_RANGE")
end

local function encode_list(list, level)
  local parts = {}
  for i, name in ipairs(list) do
    if type(name) ~= "string" then
      errors.raise("ERR_INVALID_ARG_TYPE", level + 1, ("protocols[%d]"):format(i - 1), "string",
        name)
    elseif name == "" then
      errors.raise("ERR_INVALID_ARG_VALUE", level + 1, ("protocols[%d]"):format(i - 1), name,
        "must be a non-empty string")
    elseif #name > LONGEST then
      errors.throw(too_long(i - 1, #name), level + 1)
    end
    parts[i] = string.pack("s1", name)
  end
  return table.concat(parts)
end

--- Bytes that are a list already: of names that are there, and whole.
local function check_bytes(bytes, level)
  local at = 1
  while at <= #bytes do
    local length = bytes:byte(at)
    if length == 0 or at + length > #bytes then
      errors.raise("ERR_INVALID_ARG_VALUE", level + 1, "ALPNProtocols", bytes,
        length == 0 and "must not contain zero-length protocol" or "contains truncated protocol")
    end
    at = at + length + 1
  end
  return bytes ~= "" and bytes or nil
end

--- The names as in ALPN's extension, of a list or of such bytes; nil for none.
---@param protocols any
---@param level integer where an error's stack starts, 1: at the caller
---@return string?
function M.encode(protocols, level)
  if protocols == nil then
    return nil
  elseif type(protocols) == "string" then
    return check_bytes(protocols, level + 1)
  elseif type(protocols) ~= "table"
    or (next(protocols) ~= nil and not inspect.is_array(protocols)) then
    errors.raise("ERR_INVALID_ARG_TYPE", level + 1, "options.ALPNProtocols", { "string", "Array" },
      protocols)
  end
  local bytes = encode_list(protocols, level + 1)
  return bytes ~= "" and bytes or nil
end

--- The list in such bytes.
---@param bytes string
---@return string[]
function M.decode(bytes)
  local list, at = {}, 1
  while at <= #bytes do
    local ok, name, after = pcall(string.unpack, "s1", bytes, at)
    if not ok then
      break
    end
    list[#list + 1], at = name, after
  end
  return list
end

return M
