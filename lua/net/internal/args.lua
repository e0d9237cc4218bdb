-- SPDX-License-Identifier: MIT

--- net.internal.args - the argument forms of connect and listen, folded into one.
--
-- Pure: opens nothing, raises nothing, and leaves the caller's table untouched.
-- Who finds something wrong with a port or a path complains, as it knows under
-- which name.

local core = require("net.core")
local lazy = require("net.internal.lazy")

local numbers = lazy.module("net.internal.numbers")

local PORT_MAX = 65535

local args = {}

--- `Number(value)` of JavaScript. Nil, tables and whatever else is no number give
--- NaN, and so does an address, for which net.numbers need not be loaded.
---@param value any
---@return number
function args.tonumber_js(value)
  if type(value) == "number" then
    return value
  elseif type(value) == "string" and core.isIP(value) == 0 then
    return numbers.parse(value)
  elseif type(value) == "boolean" then
    return value and 1 or 0
  end
  return 0 / 0
end

--- A port: a number, or a string that JavaScript reads as one ("080", " 80 ",
--- "8e1", "0x50").
---@param value any
---@return integer? port nil if it is none
function args.port(value)
  local is_text = type(value) == "string"
  if type(value) ~= "number" and (not is_text or numbers.trim(value) == "") then
    return nil
  end
  local port = math.tointeger(args.tonumber_js(value))
  return port and port >= 0 and port <= PORT_MAX and port or nil
end

--- Whether a value names a Unix socket: a string that JavaScript would not read
--- as a number >= 0. "80" and " 0x50 " are ports, and so is "".
---@param value any
---@return boolean
function args.is_path(value)
  if type(value) ~= "string" then
    return false
  end
  local number = args.tonumber_js(value)
  return number < 0 or number ~= number
end

--- The options that a first argument stands for, and a host behind it.
local function options_of(first, second)
  if type(first) == "table" or type(first) == "userdata" then
    return first
  elseif args.is_path(first) then
    return { path = first }
  end
  return { port = first, host = type(second) == "string" and second or nil }
end

--- Folds the argument forms into one options table.
---
---     normalize()                              -- {}
---     normalize(options [, callback])          -- the caller's own table
---     normalize(path [, callback])             -- {path =}
---     normalize(port [, host] [, callback])    -- {port =, host =}
---
--- The last argument, if it is a function, is the callback, whatever stands
--- between: the number of arguments counts, holes included. It is also the port
--- if it is the only one.
---@param ... any
---@return table options
---@return function? callback
function args.normalize(...)
  local count = select("#", ...)
  if count == 0 then
    return {}
  end
  local last = select(count, ...)
  return options_of(...), type(last) == "function" and last or nil
end

--- The BoundSocket that a call is about: the value itself, or its `handle`.
---@param value any
---@return net.BoundSocket?
function args.bound_socket(value)
  if type(value) == "table" then
    value = value.handle
  end
  return type(value) == "userdata" and core.boundsocket.is(value) and value or nil
end

--- `value >>> 0` of JavaScript: the number modulo 2^32, without its fraction.
---@param value number
---@return integer
function args.uint32(value)
  if value ~= value or value == math.huge or value == -math.huge then
    return 0
  end
  local whole = value >= 0 and value // 1 or -(-value // 1)
  return math.tointeger(whole % 0x100000000)
end

return args
