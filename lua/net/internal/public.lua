-- SPDX-License-Identifier: MIT

--- net.internal.public - the table that `require("net")` returns.
--
-- Put together from the modules that do the work; they can be required by themselves
-- too, as `net.timers` and so on. What a server needs to listen is there at once, the
-- rest is loaded when it is first asked for.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local server = require("net.internal.server.server")

local socket = lazy.module("net.internal.socket.socket")

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
net.isSocket = core.stream.is

-- Addresses

net.isIP = core.isIP
net.isIPv4 = core.isIPv4
net.isIPv6 = core.isIPv6

-- The rest: the module that has it; true for what is a module itself.
return lazy.public(net, "net", {
  abort = true,
  child = true,
  cluster = true,
  co = true,
  dns = true,
  events = true,
  luasocket = true,
  process = true,
  timers = true,
  BlockList = "net.internal.address.blocklist",
  BoundSocket = "net.internal.address.boundsocket",
  Error = "net.internal.errorclass",
  activated = "net.internal.process.activated",
  takeOver = "net.internal.process.takeover",
  SocketAddress = "net.internal.address.socketaddress",
  connect = "net.internal.socket.connect",
  createConnection = "net.internal.socket.connect",
  duplexPair = "net.internal.socket.duplexpair",
  getDefaultAutoSelectFamily = "net.internal.socket.connect",
  setDefaultAutoSelectFamily = "net.internal.socket.connect",
  getDefaultAutoSelectFamilyAttemptTimeout = "net.internal.socket.connect",
  setDefaultAutoSelectFamilyAttemptTimeout = "net.internal.socket.connect",
})
