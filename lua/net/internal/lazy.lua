-- SPDX-License-Identifier: MIT

--- net.internal.lazy - what is loaded when a program first uses it.
--
-- A server that listens runs a tenth of this library's Lua code, and to load all of it
-- takes longer than that. So modules know each other by stand-ins, and methods that
-- are written in Lua stand in for themselves until the first call of one.

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
  local methods = classes[1].methods
  for i = 1, #names do
    local name = names[i]
    local function load_and_call(...)
      require(module)
      return methods[name](...)
    end
    for j = 1, #classes do
      classes[j].methods[name] = load_and_call
    end
  end
end

local SOCKET = { core.Socket }

stand_in("net.internal.socket.connect", SOCKET, { "connect" })
stand_in("net.internal.socket.pipe", SOCKET, { "pipe", "unpipe" })
stand_in("net.co", SOCKET,
  { "receive", "receiveUntil", "peek", "lines", "chunks", "send", "flush" })
stand_in("net.co", { core.Server }, { "incoming", "serve" })
stand_in("net.co", { core.ChildProcess }, { "receive", "messages" })
stand_in("net.co", { core.Process }, { "receive", "messages" })
stand_in("net.internal.socket.sendfile", SOCKET, { "sendFile" })
stand_in("net.internal.socket.socket", SOCKET,
  { "setTimeout", "setNoDelay", "setKeepAlive", "setTypeOfService", "getTypeOfService" })
stand_in("net.internal.process.handover", { core.Server }, { "handOver" })
stand_in("net.internal.process.notify", { core.Process }, { "notify" })
stand_in("net.internal.server.drain", { core.Server }, { "sockets", "closeIdle", "drain" })
stand_in("net.events",
  { core.Socket, core.Server, core.Process, core.EventEmitter, core.ChildProcess },
  { "eventNames", "listeners", "rawListeners", "listenerCount", "removeAllListeners",
    "setMaxListeners", "getMaxListeners" })

core.Socket.metatable.__tostring = function(socket)
  require("net.internal.socket.socket")
  return core.Socket.metatable.__tostring(socket)
end

-- What the core asks of Lua

core.set_error_codes(setmetatable({}, {
  __index = function(_, code)
    return require("net.internal.errors").codes[code]
  end,
}))

core.on_describe(function(value)
  return require("net.internal.inspect").inspect(value)
end)

core.json.on_failure(function(name, ...)
  return require("net.internal.jsonerrors")[name](...)
end)

core.on_many_listeners(function(...)
  return require("net.events")._warn_of_listeners(...)
end)

return lazy
