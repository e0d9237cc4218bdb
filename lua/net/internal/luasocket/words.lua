-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.words - what LuaSocket says: of errors, and of wrong arguments.
--
-- Its errors are words, a few of its own and else the C library's. Those for arguments are
-- Lua's, as a method in C would raise them; they are raised at the line of whoever called the
-- function that checks.

local core = require("net.core")

local plain = core.open_luasocket()
local e = plain.errors

local CALLER = 4 -- the level of who called the function whose argument is wrong

local words = {}

local OF_SYSTEM = {
  [e.EISCONN] = "already connected",
  [e.EACCES] = "permission denied",
  [e.ECONNREFUSED] = "connection refused",
  [e.ECONNABORTED] = "closed",
  [e.ECONNRESET] = "closed",
  [e.EPIPE] = "closed",
  [e.ETIMEDOUT] = "timeout",
  [e.EADDRINUSE] = "address already in use",
}

--- libuv's codes of the resolver.
local OF_RESOLVER = {
  [-3000] = "Address family for hostname not supported",
  [-3001] = "temporary failure in name resolution",
  [-3002] = "invalid value for ai_flags",
  [-3004] = "non-recoverable failure in name resolution",
  [-3005] = "ai_family not supported",
  [-3006] = "memory allocation failure",
  [-3007] = "No address associated with hostname",
  [-3008] = "host or service not provided, or not known",
  [-3009] = "argument buffer overflow",
  [-3010] = "service not supported for socket type",
  [-3011] = "ai_socktype not supported",
}

words.NO_NAME = OF_RESOLVER[-3008]
words.NO_SERVICE = OF_RESOLVER[-3010]
words.OTHER_FAMILY = OF_RESOLVER[-3000]

--- What LuaSocket says of a negative errno.
---@param err integer
---@return string
function words.of(err)
  return OF_SYSTEM[err] or plain.text(err)
end

--- The same of a code of `core.resolve`.
---@param code integer
---@return string
function words.of_resolver(code)
  return OF_RESOLVER[code] or code == e.EINVAL and words.NO_NAME or words.of(code)
end

-- Arguments

--- Raises for argument `n` of the function `name`; a method's self does not count.
---@param n integer
---@param name string
---@param text string
---@param level? integer as in `error`
function words.bad_argument(n, name, text, level)
  error(("bad argument #%d to '%s' (%s)"):format(n, name, text), level or CALLER - 1)
end

local function bad_type(n, name, expected, value)
  words.bad_argument(n, name, expected .. " expected, got " .. type(value), CALLER + 1)
end

--- A number, or a string that is one.
function words.number(value, n, name)
  local number = (type(value) == "number" or type(value) == "string") and tonumber(value)
  return number or bad_type(n, name, "number", value)
end

--- A string, or a number as one.
function words.text(value, n, name)
  if type(value) == "string" then
    return value
  end
  return type(value) == "number" and tostring(value) or bad_type(n, name, "string", value)
end

--- A value of that type.
function words.typed(value, kind, n, name)
  if type(value) ~= kind then
    bad_type(n, name, kind, value)
  end
  return value
end

--- A whole number, cut as C does; for an index or a size.
function words.integer(value, n, name)
  local number = (type(value) == "number" or type(value) == "string") and tonumber(value)
  if not number then
    bad_type(n, name, "number", value)
  end
  return math.tointeger(number)
    or math.tointeger(math.modf(math.max(-2^53, math.min(number, 2^53)))) or 0
end

return words
