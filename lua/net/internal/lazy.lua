-- SPDX-License-Identifier: MIT

--- net.internal.lazy - what is loaded when a program first uses it.
--
-- A server that listens runs a tenth of this library's Lua code, and to load all of it
-- takes longer than that. So modules know each other by stand-ins, and a method that is
-- written in Lua is loaded by the first look at it.

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

--- Has what a public table lacks be loaded by the first look at it.
---@param public table
---@param name string as errors call it
---@param rest table<string, string|true> key -> the module that has it; true: `net.<key>` itself
---@return table public
function lazy.public(public, name, rest)
  local function check_this(self)
    if self ~= public then
      require("net.internal.errors").raise("ERR_INVALID_THIS", 3, name)
    end
  end
  return setmetatable(public, {
    __index = function(self, key)
      check_this(self)
      local where = rest[key]
      if where then
        self[key] = where == true and require("net." .. key) or require(where)[key]
        return self[key]
      end
    end,
    __pairs = function(self)
      check_this(self)
      for key in next, rest do
        local _ = self[key]
      end
      return next, self
    end,
  })
end

-- Methods of the core's classes that a module adds: which. The first look at one loads the
-- module, which puts all of its own into their places.

--- What every class that emits has.
lazy.EMITTER = {
  eventNames = "net.events",
  getMaxListeners = "net.events",
  listenerCount = "net.events",
  listeners = "net.events",
  rawListeners = "net.events",
  removeAllListeners = "net.events",
  setMaxListeners = "net.events",
}

core.lazy_methods(core.Socket, {
  chunks = "net.co",
  connect = "net.internal.socket.connect",
  flush = "net.co",
  getTypeOfService = "net.internal.socket.socket",
  lines = "net.co",
  peek = "net.co",
  pipe = "net.internal.socket.pipe",
  receive = "net.co",
  receiveUntil = "net.co",
  send = "net.co",
  sendFile = "net.internal.socket.sendfile",
  setKeepAlive = "net.internal.socket.socket",
  setNoDelay = "net.internal.socket.socket",
  setTimeout = "net.internal.socket.socket",
  setTypeOfService = "net.internal.socket.socket",
  unpipe = "net.internal.socket.pipe",
}, lazy.EMITTER)

core.lazy_methods(core.Server, {
  closeIdle = "net.internal.server.drain",
  drain = "net.internal.server.drain",
  handOver = "net.internal.process.handover",
  incoming = "net.co",
  serve = "net.co",
  sockets = "net.internal.server.drain",
}, lazy.EMITTER)

core.lazy_methods(core.Process, {
  messages = "net.internal.task.messages",
  notify = "net.internal.process.notify",
  receive = "net.internal.task.messages",
}, lazy.EMITTER)

core.lazy_methods(core.EventEmitter, lazy.EMITTER)

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

core.on_many_listeners(function(...)
  return require("net.events")._warn_of_listeners(...)
end)

return lazy
