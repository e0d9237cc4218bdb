-- SPDX-License-Identifier: MIT

--- net - Node's `net` for Lua: TCP and Unix-socket servers and clients on libev.
--
--     local net = require("net")
--     net.createServer(function(socket) socket:pipe(socket) end):listen(8080)
--     net.run()
--
-- The public table, put together from the modules that do the work; they can be
-- required by themselves too, as `net.timers` and so on. What a server needs to
-- listen is there at once, the rest is loaded when it is first asked for.

local core = require("net.core")
local lazy = require("net.lazy")
local server = require("net.server")

local socket = lazy.module("net.socket")

---@type net
local net = { version = core.version }

-- The loop

--- Runs the loop: "default" until nothing holds it or `net.stop()`, "once"
--- until something has happened, "nowait" for one pass that does not wait. An
--- error that nobody takes is raised here; call again to go on.
---@type fun(mode?: "default"|"once"|"nowait"): boolean alive whether anything still holds it
net.run = core.run

--- Has `net.run` return once the current turn is over.
---@type fun()
net.stop = core.stop

--- The traceback of an error that came out of `net.run`, if it had one.
---@type fun(err: any): string?
net.traceback = core.traceback

-- Servers and sockets

net.createServer = server.createServer
net.Server = server.Server
net.isServer = server.isServer

--- The class of sockets: called, it makes one; its fields are the methods.
net.Socket = setmetatable({}, {
  __name = "class Socket",
  __index = core.Socket.methods,
  __call = function(_, options)
    return (socket.new(options))
  end,
})
net.Stream = net.Socket
net.isSocket = core.stream.is_socket

-- Addresses

net.isIP = core.isIP
net.isIPv4 = core.isIPv4
net.isIPv6 = core.isIPv6

-- The rest: its module, and its name there, if it is not the module itself.
local REST = {
  abort = { "net.abort" },
  dns = { "net.dns" },
  events = { "net.events" },
  process = { "net.process" },
  timers = { "net.timers" },
  BlockList = { "net.blocklist", "BlockList" },
  BoundSocket = { "net.boundsocket", "BoundSocket" },
  SocketAddress = { "net.socketaddress", "SocketAddress" },
  connect = { "net.connect", "connect" },
  createConnection = { "net.connect", "connect" },
}
for _, name in ipairs { "getDefaultAutoSelectFamily", "setDefaultAutoSelectFamily",
  "getDefaultAutoSelectFamilyAttemptTimeout", "setDefaultAutoSelectFamilyAttemptTimeout" } do
  REST[name] = { "net.connect", name }
end

return setmetatable(net, {
  __index = function(self, key)
    local where = REST[key]
    if where then
      local module = require(where[1])
      self[key] = where[2] and module[where[2]] or module
      return self[key]
    end
  end,
  __pairs = function(self)
    for name in next, REST do
      local _ = self[name]
    end
    return next, self
  end,
})
