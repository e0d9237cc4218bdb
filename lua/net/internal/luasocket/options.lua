-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.options - setoption and getoption.

local core = require("net.core")
local words = require("net.internal.luasocket.words")

local plain = core.open_luasocket()

local options = {}

local function kind_of(name, use, method)
  name = words.text(name, 1, method)
  local kind = not name:find("\0", 1, true) and plain.kind(name, use)
  return kind or words.bad_argument(1, method, "unsupported option `" .. name .. "'", 4)
end

local function set_linger(socket, value)
  words.typed(value, "table", 2, "setoption")
  if type(value.on) ~= "boolean" then
    words.bad_argument(2, "setoption", "boolean 'on' field expected", 4)
  elseif not tonumber(value.timeout) then
    words.bad_argument(2, "setoption", "number 'timeout' field expected", 4)
  end
  return plain.set_option(socket, "linger", value.on, words.integer(value.timeout))
end

local function set_integer(socket, name, value)
  return plain.set_option(socket, name, words.integer(value, 2, "setoption") & 0x7FFFFFFF)
end

local function set_boolean(socket, name, value)
  return plain.set_option(socket, name, words.typed(value, "boolean", 2, "setoption"))
end

--- setoption(name, value) -> 1
---@param use "set"|"unix" which options there are
function options.set(socket, use, name, value)
  local kind = kind_of(name, use, "setoption")
  local ok
  if kind == "linger" then
    ok = set_linger(socket, value)
  elseif kind == "boolean" then
    ok = set_boolean(socket, name, value)
  else
    ok = set_integer(socket, name, value)
  end
  if not ok then
    return nil, "setsockopt failed"
  end
  return 1
end

--- getoption(name) -> its value
function options.get(socket, name)
  local kind = kind_of(name, "get", "getoption")
  local value, seconds = plain.get_option(socket, name)
  if value == nil then
    return nil, "getsockopt failed"
  elseif kind == "linger" then
    return { on = value, timeout = seconds }
  elseif name == "error" then
    return value ~= 0 and words.of(-value) or nil
  end
  return value
end

return options
