-- SPDX-License-Identifier: MIT

--- net.internal.process.notify - process.notify, and how long a watchdog waits.
--
-- The datagram is src/process/notify.c's; here is what it says, in the order of FIELDS, as
-- a service manager reads it line by line. That the program is ready goes to a parent of
-- this library too, by the channel to it.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")

local USER = 4 -- level of the caller of `notify`, from within a reader of FIELDS
local PID_MAX = 2147483647

--- A line that is there or not.
local function flag(text)
  return function(value, name)
    if type(value) ~= "boolean" then
      errors.raise("ERR_INVALID_ARG_TYPE", USER, name, "boolean", value)
    end
    return value and (type(text) == "function" and text() or text) or nil
  end
end

--- Since when, so that systemd knows to which request to reload a later "ready" belongs.
local function reloading()
  return "RELOADING=1\nMONOTONIC_USEC=" .. core.monotonic_usec()
end

--- A line feed would begin another line.
local function status(value, name)
  if type(value) ~= "string" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, name, "string", value)
  elseif value:find("[\n\0]") then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, name, value, "must be one line")
  end
  return "STATUS=" .. value
end

local function main_pid(value, name)
  local pid = type(value) == "number" and math.tointeger(value)
  if not pid then
    errors.raise(type(value) == "number" and "ERR_OUT_OF_RANGE" or "ERR_INVALID_ARG_TYPE", USER,
      name, type(value) == "number" and "an integer" or "number", value)
  elseif pid < 1 or pid > PID_MAX then
    errors.raise("ERR_OUT_OF_RANGE", USER, name, (">= 1 && <= %d"):format(PID_MAX), value)
  end
  return "MAINPID=" .. pid
end

local FIELDS = {
  "ready", flag("READY=1"),
  "reloading", flag(reloading),
  "stopping", flag("STOPPING=1"),
  "status", status,
  "watchdog", flag("WATCHDOG=1"),
  "mainpid", main_pid,
}

local known = {}
for i = 1, #FIELDS, 2 do
  known[FIELDS[i]] = true
end

--- What the fields say, as lines; "" for nothing.
local function lines_of(fields)
  for name in next, fields do
    if not known[name] then
      errors.raise("ERR_INVALID_ARG_VALUE", 3, "fields", fields,
        ("has no field '%s'"):format(tostring(name)))
    end
  end
  local lines = {}
  for i = 1, #FIELDS, 2 do
    local value = fields[FIELDS[i]]
    if value ~= nil then
      lines[#lines + 1] = FIELDS[i + 1](value, "fields." .. FIELDS[i])
    end
  end
  return table.concat(lines, "\n")
end

--- Whether there is a parent that wants to know, which is told.
local function tell_parent()
  local own = package.loaded["net.internal.process.own"]
  if not (own and own.is_lua and own.channel.connected) then
    return false
  end
  own.channel:send_internal({ cmd = "NODE_LUANET", act = "ready" })
  return true
end

local functions = core.Process.methods

--- Tells whoever started this process how it is.
---@param fields net.Notification
---@return boolean? told false: there is nobody to tell; nil: it failed
---@return net.Error? err
function functions.notify(fields)
  local text = lines_of(validate.object(fields, "fields"))
  local told = fields.ready and tell_parent() or false
  local address = os.getenv("NOTIFY_SOCKET")
  if not address or text == "" then
    return told
  end
  local ok, errno = core.notify(address, text)
  if not ok then
    return nil, errors.system(errno, "notify", address)
  end
  return true
end

--- Milliseconds within which a watchdog has to be told, or nil if there is none for us.
---@return integer?
local function watchdog_interval()
  local usec, pid = os.getenv("WATCHDOG_USEC"), os.getenv("WATCHDOG_PID")
  usec = usec and usec:find("^%d+$") and math.tointeger(tonumber(usec))
  if not usec or usec == 0 or (pid and pid ~= tostring(core.pid())) then
    return nil
  end
  return math.max(1, usec // 1000)
end

return { watchdog_interval = watchdog_interval }
