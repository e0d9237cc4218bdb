-- SPDX-License-Identifier: MIT

--- net.internal.options - the options of servers and of listen, and how each is read.
--
-- A section names its options and their readers, in the order in which Node
-- checks them. Types, units and defaults are in lua/net/meta.lua, which has to
-- have the same names (make docs-check). A reader takes what the user gave, which
-- is never nil, and the name under which messages speak of it; it raises, or
-- returns the value to use, nil for the default. Code takes what it needs from
-- `options.read`; nothing else names an option's check.
--
-- What JavaScript coerces is coerced here by the same rules (`truthy`), but no
-- number is made of a string unless Node does so too.

local core = require("net.core")
local args = require("net.internal.args")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")
local validate = lazy.module("net.internal.validate")

local INT32_MAX = 2147483647

local options = {}

--- Whether JavaScript takes a value for true: not nil, false, 0, NaN or "".
---@param value any
---@return boolean
function options.truthy(value)
  return value ~= nil and value ~= false and value ~= 0 and value ~= "" and value == value
end

local truthy = options.truthy

--- Reads a section out of the user's table, which is left alone.
---@param section table a name, its reader, the next name, …
---@param given table
---@return table values without those that are the default
function options.read(section, given)
  local values = {}
  for i = 1, #section, 2 do
    local name = section[i]
    local value = given[name]
    if value ~= nil then
      values[name] = section[i + 1](value, "options." .. name)
    end
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
  local ms = validate.number(value, name)
  if not (ms >= 1000 and ms < math.huge) then
    return nil
  end
  return ((math.tointeger(ms // 1000) or 0) + 0x80000000) % 0x100000000 - 0x80000000
end

--- A number of bytes. Whether it is a sensible one is checked by the socket.
local function high_water_mark(value, name)
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

-- Sections

--- `net.createServer(options)`. Each is also a field of the server, read again
--- for every accepted connection.
options.server = {
  "keepAliveInitialDelay", whole_seconds,
  "highWaterMark", high_water_mark,
  "allowHalfOpen", if_truthy,
  "pauseOnConnect", flag,
  "noDelay", flag,
  "keepAlive", flag,
  "blockList", block_list,
  "proxyProtocol", as_given, -- which the field checks: src/server/proxy.c
}

--- `server:listen(options)`. Ports and paths are checked by listen itself, as
--- which of them counts depends on the others.
options.listen = {
  "port", as_given,
  "host", if_truthy,
  "path", if_truthy,
  "backlog", options.backlog,
  "exclusive", flag,
  "ipv6Only", exactly_true,
  "reusePort", exactly_true,
  "readableAll", if_truthy,
  "writableAll", if_truthy,
  "signal", as_given,
  "fd", as_given,
  "activated", as_given,
  "handle", if_truthy,
}

return options
