-- SPDX-License-Identifier: MIT

--- net.options - the schema of the options: type, unit, default, check.
--
-- A section is a list of rows, in the order in which Node checks them, and the
-- `class` of lua/net/meta.lua that must say the same (make docs-check). A row
-- has the option's `name`, its documented `type`, `unit` and `default`, and
-- `read`, which takes what the user gave (maybe nil) and the name under which
-- messages speak of it; it raises, or returns the value to use, nil for the
-- default. Code takes what it needs from `options.read`; nothing else names an
-- option's check or default.
--
-- What JavaScript coerces is coerced here by the same rules (`truthy`), but no
-- number is made of a string unless Node does so too.

local core = require("net.core")
local args = require("net.args")
local lazy = require("net.lazy")

local errors = lazy.module("net.errors")
local validate = lazy.module("net.validate")

local INT32_MAX = 2147483647
local HIGH_WATER_MARK = 65536 -- bytes

local options = {}

--- Whether JavaScript takes a value for true: not nil, false, 0, NaN or "".
---@param value any
---@return boolean
function options.truthy(value)
  return value ~= nil and value ~= false and value ~= 0 and value ~= "" and value == value
end

local truthy = options.truthy

--- Reads a section out of the user's table, which is left alone.
---@param section table[] rows
---@param given table
---@return table values without those that are the default
function options.read(section, given)
  local values = {}
  for _, row in ipairs(section) do
    values[row.name] = row.read(given[row.name], "options." .. row.name)
  end
  return values
end

-- Readers

local function as_given(value)
  return value
end

--- What is falsy is as good as absent.
local function if_truthy(value)
  if truthy(value) then
    return value
  end
end

local function flag(value)
  return truthy(value) or nil
end

local function exactly_true(value)
  return value == true or nil
end

--- Milliseconds as whole seconds; as a 32-bit integer, which it is in Node.
local function whole_seconds(value, name)
  if value == nil then
    return nil
  end
  local ms = validate.number(value, name)
  if not (ms >= 1000 and ms < math.huge) then
    return nil
  end
  return ((math.tointeger(ms // 1000) or 0) + 0x80000000) % 0x100000000 - 0x80000000
end

--- A number of bytes. Whether it is a sensible one is checked by the socket.
local function high_water_mark(value, name)
  if value == nil then
    return nil
  end
  local bytes = validate.number(value, name)
  if bytes < 0 then
    return nil
  end
  return bytes
end

local function block_list(value, name)
  if not truthy(value) then
    return nil
  elseif not core.blocklist.is(value) then
    errors.raise("ERR_INVALID_ARG_TYPE", 2, name, "net.BlockList", value)
  end
  return value
end

--- `Number(value)`, cut to what listen(2) takes; falsy is absent.
function options.backlog(value)
  if not truthy(value) then
    return nil
  end
  local n = args.tonumber_js(value)
  if n ~= n then
    return 0
  end
  return n >= INT32_MAX and INT32_MAX or n <= -INT32_MAX and -INT32_MAX or math.tointeger(n // 1)
end

--- A port as a number; 0 for any.
local function port(value, name)
  return value == nil and 0 or validate.port(value, name)
end

local function boolean(value, name)
  return value ~= nil and validate.boolean(value, name)
end

--- The address of net.BoundSocket, which asks no resolver.
local function numeric_host(value, name)
  if value == nil then
    return nil
  elseif core.isIP(validate.string(value, name)) == 0 then
    errors.raise("ERR_INVALID_ARG_VALUE", 2, name, value,
      "must be a numeric IP address; net.BoundSocket does not perform DNS resolution")
  end
  return value
end

-- Sections

--- `net.createServer(options)`. Each is also a field of the server, read again
--- for every accepted connection.
options.server = {
  class = "net.ServerOptions",
  { name = "keepAliveInitialDelay", type = "number", unit = "ms", default = 0,
    read = whole_seconds },
  { name = "highWaterMark", type = "integer", unit = "bytes", default = HIGH_WATER_MARK,
    read = high_water_mark },
  { name = "allowHalfOpen", type = "boolean", default = false, read = if_truthy },
  { name = "pauseOnConnect", type = "boolean", default = false, read = flag },
  { name = "noDelay", type = "boolean", default = false, read = flag },
  { name = "keepAlive", type = "boolean", default = false, read = flag },
  { name = "blockList", type = "net.BlockList", read = block_list },
}

--- `server:listen(options)`. Ports and paths are checked by listen itself, as
--- which of them counts depends on the others.
options.listen = {
  class = "net.ListenOptions",
  { name = "port", type = "integer|string", default = "any free one", read = as_given },
  { name = "host", type = "string", default = "all addresses", read = if_truthy },
  { name = "path", type = "string", read = if_truthy },
  { name = "backlog", type = "integer", unit = "connections", default = 511,
    read = options.backlog },
  { name = "exclusive", type = "boolean", default = false, read = flag },
  { name = "ipv6Only", type = "boolean", default = false, read = exactly_true },
  { name = "reusePort", type = "boolean", default = false, read = exactly_true },
  { name = "readableAll", type = "boolean", default = false, read = if_truthy },
  { name = "writableAll", type = "boolean", default = false, read = if_truthy },
  { name = "signal", type = "net.AbortSignal", read = as_given },
  { name = "fd", type = "integer", read = as_given },
  { name = "handle", type = "net.Handle", read = if_truthy },
}

--- `net.BoundSocket(options)`, without `path`, which stands alone.
options.bound = {
  class = "net.BoundSocketOptions",
  { name = "port", type = "integer|string", default = 0, read = port },
  { name = "ipv6Only", type = "boolean", default = false, read = boolean },
  { name = "reusePort", type = "boolean", default = false, read = boolean },
  { name = "host", type = "string", default = '"0.0.0.0", or "::" with ipv6Only',
    read = numeric_host },
}

return options
