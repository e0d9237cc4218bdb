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

--- Methods that a module adds to classes of the core. The first call of one loads
--- the module, which puts the real ones in their places.
local function stand_in(module, classes, names)
  for name in names:gmatch("%a+") do
    local function load_and_call(...)
      require(module)
      return classes[1].methods[name](...)
    end
    for _, class in ipairs(classes) do
      class.methods[name] = load_and_call
    end
  end
end

local SOCKET, EMITTERS = { core.Socket }, {}
for _, class in pairs(core) do
  if type(class) == "table" and class.methods and class.methods.emit then
    EMITTERS[#EMITTERS + 1] = class
  end
end

stand_in("net.connect", SOCKET, "connect")
stand_in("net.pipe", SOCKET, "pipe unpipe")
stand_in("net.sendfile", SOCKET, "sendFile")
stand_in("net.socket", SOCKET,
  "setTimeout setNoDelay setKeepAlive setTypeOfService getTypeOfService")
stand_in("net.events", EMITTERS, "eventNames listeners rawListeners listenerCount "
  .. "removeAllListeners setMaxListeners getMaxListeners")

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
local ALL = "abort args attempt blocklist boundsocket connect dns errors events idna inspect "
  .. "listen numbers options pipe process sendfile server socket socketaddress timers validate wait"

local directory = (select(2, ...) or ""):match("^(.*)lazy%.lua$")

for word in (directory and ALL or ""):gmatch("%a+") do
  local name = "net." .. word
  if not package.loaded[name] and not package.preload[name] then
    package.preload[name] = core.keep_source(directory .. word .. ".lua")
  end
end

return lazy
