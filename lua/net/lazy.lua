-- SPDX-License-Identifier: MIT

--- net.lazy - what is compiled when a program first uses it.
--
-- A server that listens runs a tenth of this library's Lua code. Compiling all
-- of it took four fifths of the time between the start of a program and its
-- first "listening". So modules know each other by stand-ins, and methods that
-- are written in Lua stand in for themselves until the first call of one.
--
-- Only the compiling waits. The text of every module is read at once: a program
-- may change its directory or its root, or come to need an error's module when it
-- has run out of descriptors.

local core = require("net.core")

local lazy = {}

--- Stands for a module whose functions and tables are used, never kept: each is
--- looked up when it is, functions once.
---@param name string as for `require`
---@return table module
function lazy.module(name)
  return setmetatable({}, {
    __index = function(self, key)
      local value = require(name)[key]
      if type(value) == "function" then
        self[key] = value
      end
      return value
    end,
  })
end

-- Methods that modules add to the classes of the core: module, classes, names.
local METHODS = {
  { "net.connect", { core.Socket }, { "connect" } },
  { "net.pipe", { core.Socket }, { "pipe", "unpipe" } },
  { "net.sendfile", { core.Socket }, { "sendFile" } },
  { "net.socket", { core.Socket }, { "setTimeout", "setNoDelay", "setKeepAlive",
    "setTypeOfService", "getTypeOfService" } },
  { "net.events", {}, { "eventNames", "listeners", "rawListeners", "listenerCount",
    "removeAllListeners", "setMaxListeners", "getMaxListeners" } },
}

--- Has the first call of a method load the module, which puts the real one in its
--- place.
local function stand_in(methods, name, module)
  local function load_and_call(...)
    require(module)
    return methods[name](...)
  end
  methods[name] = load_and_call
end

for _, class in pairs(core) do
  if type(class) == "table" and class.methods and class.methods.emit then
    table.insert(METHODS[#METHODS][2], class)
  end
end

for _, row in ipairs(METHODS) do
  for _, class in ipairs(row[2]) do
    for _, name in ipairs(row[3]) do
      stand_in(class.methods, name, row[1])
    end
  end
end

core.Socket.metatable.__tostring = function(socket)
  require("net.socket")
  return core.Socket.metatable.__tostring(socket)
end

-- What the core asks of Lua

core.set_error_codes(setmetatable({}, {
  __index = function(_, code)
    return require("net.errors").codes[code]
  end,
}))

core.on_many_listeners(function(...)
  return require("net.events")._warn_of_listeners(...)
end)

-- Sources

--- All that a program may come to use. Not net.json and net.url, for which there
--- is one call each.
local ALL = { "abort", "args", "attempt", "blocklist", "boundsocket", "connect", "dns",
  "errors", "events", "idna", "inspect", "listen", "numbers", "options", "pipe", "process",
  "sendfile", "server", "socket", "socketaddress", "timers", "validate", "wait" }

local directory = (select(2, ...) or ""):match("^(.*)lazy%.lua$")

for _, word in ipairs(directory and ALL or {}) do
  local name = "net." .. word
  if not package.loaded[name] and not package.preload[name] then
    package.preload[name] = core.keep_source(directory .. word .. ".lua")
  end
end

return lazy
