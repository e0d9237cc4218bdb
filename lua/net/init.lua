-- SPDX-License-Identifier: MIT

--- net - Node's `net` for Lua: TCP and Unix-socket servers and clients on libev.
--
--     local net = require("net")
--     net.createServer(function(socket) socket:pipe(socket) end):listen(8080)
--     net.run()
--
-- The public table, put together from the modules that do the work; they can be
-- required by themselves too, as `net.timers` and so on.

local core = require("net.core")

require("net.errors") -- gives the core its texts

local connect = require("net.connect")
local server = require("net.server")
local socket = require("net.socket")
require("net.pipe")
require("net.sendfile")

---@type net
local net = {
  version = core.version,
  events = require("net.events"),
  timers = require("net.timers"),
  process = require("net.process"),
  dns = require("net.dns"),
  abort = require("net.abort"),
}

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

-- Servers

net.createServer = server.createServer
net.Server = server.Server
net.isServer = server.isServer

-- Sockets

connect.install(core.Socket.methods)

--- The class of sockets: called, it makes one; its fields are the methods.
net.Socket = setmetatable({}, {
  __name = "class Socket",
  __index = core.Socket.methods,
  __call = function(_, options)
    return socket.new(options)
  end,
})
net.Stream = net.Socket
net.isSocket = socket.is_socket
net.connect = connect.connect
net.createConnection = connect.connect
net.getDefaultAutoSelectFamily = connect.getDefaultAutoSelectFamily
net.setDefaultAutoSelectFamily = connect.setDefaultAutoSelectFamily
net.getDefaultAutoSelectFamilyAttemptTimeout = connect.getDefaultAutoSelectFamilyAttemptTimeout
net.setDefaultAutoSelectFamilyAttemptTimeout = connect.setDefaultAutoSelectFamilyAttemptTimeout

-- Addresses

net.isIP = core.isIP
net.isIPv4 = core.isIPv4
net.isIPv6 = core.isIPv6
net.BlockList = require("net.blocklist").BlockList
net.BoundSocket = require("net.boundsocket").BoundSocket
net.SocketAddress = require("net.socketaddress").SocketAddress

return net
