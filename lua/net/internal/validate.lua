-- SPDX-License-Identifier: MIT

--- net.internal.validate - checks of arguments and options, with Node's errors.
--
-- Each validator takes the value and the name under which Node's message speaks
-- of it ("port", "options.localPort"), raises an error of net.errors, and
-- otherwise returns the value, as an integer where it has to be integral:
-- `80.0` comes back as `80`. Types are Lua's own; a string is never taken for a
-- number, except where JavaScript's rules say so (`port`).
--
-- Validators know nothing of defaults or of optional values: whether nil is
-- fine is decided by who calls. Only `signal` takes nil, as in Node. Whatever
-- they raise has a stack that starts with the caller of their caller: the
-- user's line, when a public function calls a validator itself.

local args = require("net.internal.args")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")
local inspect = lazy.module("net.internal.inspect")

local INT32_MIN, INT32_MAX = -2147483648, 2147483647
local UINT32_MAX = 4294967295
local SAFE_INTEGER = 9007199254740991 -- 2^53 - 1
local DURATION_MAX = INT32_MAX -- milliseconds
local USER = 3 -- level of the user's line: above validator and public function

local validate = {}

--- Whether a number has no fraction; not so for NaN and infinities.
local function is_integral(n)
  return n % 1 == 0
end

-- Types

local function type_validator(kind)
  return function(value, name)
    if type(value) ~= kind then
      errors.raise("ERR_INVALID_ARG_TYPE", USER, name, kind, value)
    end
    return value
  end
end

--- A string; no number is taken for one.
---@type fun(value: any, name: string): string
validate.string = type_validator("string")

---@type fun(value: any, name: string): boolean
validate.boolean = type_validator("boolean")

--- A function; no callable table, as with `typeof`.
---@type fun(value: any, name: string): function
validate.func = type_validator("function")

--- A string without "\0", for names that C will see.
---@param value any
---@param name string
---@return string
function validate.string_without_nul(value, name)
  if type(value) ~= "string" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, name, "string", value)
  elseif value:find("\0", 1, true) then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, name, value, "must be a string without null bytes")
  end
  return value
end

--- The path of a Unix socket: a string, but no name of a pipe of Windows's.
---@param value any
---@param name string
---@return string
function validate.unix_path(value, name)
  if type(value) ~= "string" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, name, "string", value)
  elseif value:find("^\\\\[.?]\\") then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, name, value,
      "must not be a Windows named pipe on this system")
  end
  return value
end

--- A table that is no Array.
---@param value any
---@param name string
---@return table
function validate.object(value, name)
  if type(value) ~= "table" or inspect.is_array(value) then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, name, "Object", value)
  end
  return value
end

--- A list; the empty table is one too.
---@param value any
---@param name string
---@return table
function validate.array(value, name)
  if type(value) ~= "table" or (next(value) ~= nil and not inspect.is_array(value)) then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, name, "Array", value)
  end
  return value
end

--- A list of strings. Messages count from 0, as in Node: "addresses[0]".
---@param value any
---@param name string
---@return string[]
function validate.string_array(value, name)
  validate.array(value, name)
  for i = 1, #value do
    if type(value[i]) ~= "string" then
      local element = ("%s[%d]"):format(name, i - 1)
      errors.raise("ERR_INVALID_ARG_TYPE", USER, element, "string", value[i])
    end
  end
  return value
end

--- One of a list of values.
---@param value any
---@param name string
---@param allowed any[]
---@return any
function validate.one_of(value, name, allowed)
  local texts = {}
  for i, choice in ipairs(allowed) do
    if value == choice then
      return value
    end
    texts[i] = type(choice) == "string" and "'" .. choice .. "'" or inspect.inspect(choice)
  end
  local reason = "must be one of: " .. table.concat(texts, ", ")
  errors.raise("ERR_INVALID_ARG_VALUE", USER, name, value, reason)
end

-- Numbers

--- ">= 0 && <= 255", ">= 0", "<= 255".
local function range_text(min, max)
  local low = min and ">= " .. inspect.number(min)
  local high = max and "<= " .. inspect.number(max)
  return low and high and low .. " && " .. high or low or high
end

--- False for NaN, unless there is no limit at all.
local function in_range(n, min, max)
  return (not min or n >= min) and (not max or n <= max)
end

--- A number; NaN only where there is no limit.
---@param value any
---@param name string
---@param min? number
---@param max? number
---@return number
function validate.number(value, name, min, max)
  if type(value) ~= "number" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, name, "number", value)
  elseif not in_range(value, min, max) then
    errors.raise("ERR_OUT_OF_RANGE", USER, name, range_text(min, max), value)
  end
  return value
end

--- What the three integer validators share. They must not call it as a tail
--- call, or the levels would be one off.
local function check_integer(value, name, min, max)
  if type(value) ~= "number" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER + 1, name, "number", value)
  elseif not is_integral(value) then
    errors.raise("ERR_OUT_OF_RANGE", USER + 1, name, "an integer", value)
  elseif not in_range(value, min, max) then
    errors.raise("ERR_OUT_OF_RANGE", USER + 1, name, range_text(min, max), value)
  end
  return math.tointeger(value)
end

--- An integral number, by default within ±(2^53 - 1).
---@param value any
---@param name string
---@param min? integer
---@param max? integer
---@return integer
function validate.integer(value, name, min, max)
  local n = check_integer(value, name, min or -SAFE_INTEGER, max or SAFE_INTEGER)
  return n
end

--- An integral number, by default within -2^31 .. 2^31 - 1.
---@param value any
---@param name string
---@param min? integer
---@param max? integer
---@return integer
function validate.int32(value, name, min, max)
  local n = check_integer(value, name, min or INT32_MIN, max or INT32_MAX)
  return n
end

--- An integral number within 0 .. 2^32 - 1.
---@param value any
---@param name string
---@return integer
function validate.uint32(value, name)
  local n = check_integer(value, name, 0, UINT32_MAX)
  return n
end

-- What net itself needs

--- A port: a number, or a string that JavaScript reads as one ("080", " 80 ",
--- "8e1", "0x50").
---@param value any
---@param name? string "Port" if left out
---@param allow_zero? boolean default true
---@return integer port
function validate.port(value, name, allow_zero)
  local port = args.port(value)
  if not port or (port == 0 and allow_zero == false) then
    errors.raise("ERR_SOCKET_BAD_PORT", USER, name or "Port", value, allow_zero)
  end
  return port
end

--- An AbortSignal, that is a table with `aborted`; or nil.
---@param value any
---@param name string
---@return table?
function validate.signal(value, name)
  if value ~= nil and (type(value) ~= "table" or value.aborted == nil) then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, name, "AbortSignal", value)
  end
  return value
end

--- The length of a timer.
---@param value any milliseconds, not negative, finite
---@param name string
---@return number ms at most 2^31 - 1
---@return string? warning text of the TimeoutOverflowWarning to emit, when it was cut
function validate.duration(value, name)
  if type(value) ~= "number" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, name, "number", value)
  elseif not (value >= 0 and value < math.huge) then
    errors.raise("ERR_OUT_OF_RANGE", USER, name, "a non-negative finite number", value)
  elseif value <= DURATION_MAX then
    return value
  end
  return DURATION_MAX, ("%s does not fit into a 32-bit signed integer.\n"
    .. "Timer duration was truncated to %d."):format(inspect.number(value), DURATION_MAX)
end

--- A high-water mark.
---@param value any bytes, integral, not negative
---@param name? string "options.readableHighWaterMark" if left out, as Node says of either side
---@return integer bytes
function validate.high_water_mark(value, name)
  if type(value) ~= "number" or not is_integral(value) or value < 0 then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, name or "options.readableHighWaterMark", value)
  end
  return math.tointeger(value) or math.maxinteger
end

return validate
