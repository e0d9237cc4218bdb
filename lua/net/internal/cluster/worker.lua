-- SPDX-License-Identifier: MIT

--- net.internal.cluster.worker - this process as a worker of a cluster.
--
-- Started when the core is loaded, by the channel (process/own.lua), in a process that has
-- NODE_UNIQUE_ID; `core.cluster` is this module from then on, and nil in any other process.
-- What it listens on is listens.lua's; here are the connections that the primary hands over,
-- and how a worker leaves.
--
-- Under SCHED_LEAST the primary wants to know how many connections are open, of which it counts
-- each from the hand-over on. An entry (listens.lua) has `least` then:
--
--   handed, told    how many were handed over, and how many it knows to be closed
--   before          how many the server had before
--   due             what has come of the last ones is looked at on a tick
--   watched         accepted.c tells when connections have gone

local core = require("net.core")
local lazy = require("net.internal.lazy")
local listens = require("net.internal.cluster.listens")
local shared = require("net.internal.cluster.shared")

local process = lazy.module("net.process")

local native = core.server
local count_connections = core.Server.getters.connections
local is_listening = core.Server.getters.listening

local LONGEST = 2147483647 -- ms, for a timer

local Worker = shared.worker_class()

local worker = { listen = listens.listen, closed = listens.closed } -- for server.lua

local self_worker -- cluster.worker
local link

-- Connections

--- Tells how many connections of a key have closed since it was told last.
local function tell_closed(entry)
  local least = entry.least
  least.due = nil
  local open = count_connections(entry.server) - least.before
  local closed = least.handed - open - least.told
  if closed > 0 and listens.is_open(entry) then
    least.told = least.told + closed
    link:send({ act = "closed", key = entry.key, count = closed })
  end
end

--- Connections of a server have gone.
local function on_left(server)
  local entry = listens.of(server)
  if entry and entry.least then
    tell_closed(entry)
  end
end

--- Under `least` what becomes of a connection matters: whether it is one of the server's at all,
--- once it is delivered, and when it goes.
local function count(entry)
  local least = entry.least
  if not least.watched then
    native.watch(entry.server, on_left)
    least.watched = true
  end
  least.handed = least.handed + 1
  if not least.due then
    least.due = true
    core.tick(tell_closed, entry)
  end
end

--- The primary hands over a connection. It is told first that this process has it: what
--- the kernel does not take of that is never served here.
local function on_connection(message, descriptor)
  local entry = listens.find(message.key)
  local server = entry and entry.server
  local accepted = descriptor ~= nil and server ~= nil
    and native.accepts(server, descriptor, server.dropMaxConnection == true)
  link:answer({ ack = message.seq, accepted = accepted }, function(err)
    if not accepted then
      return descriptor and descriptor:close()
    elseif err or not is_listening(server) then
      return descriptor:close()
    end
    if entry.least then
      count(entry)
    end
    native.deliver(server, descriptor)
  end)
end

-- Leaving

--- Calls back when all servers that the primary knows have closed.
local function close_servers(drain, callback)
  local waits = 1
  local function done()
    waits = waits - 1
    if waits == 0 then
      callback()
    end
  end
  for _, server in ipairs(listens.servers()) do
    waits = waits + 1
    if drain then
      server:drain(drain, done)
    else
      server:close(done)
    end
  end
  done()
end

local function leave()
  if process.connected then
    process.disconnect()
  end
end

local function tell_and_leave()
  link:send({ act = "exitedAfterDisconnect" }, nil, leave)
end

--- The primary has this worker leave.
local function on_disconnect_asked(message)
  local drain = message.drain
  drain = type(drain) == "number" and drain >= 0 and math.min(drain, LONGEST) or nil
  self_worker.exitedAfterDisconnect = true
  close_servers(drain, leave)
end

--- The channel has ended. Nobody wants this process any more, unless it was to leave.
local function on_disconnected()
  self_worker:emit("disconnect")
  if not self_worker.exitedAfterDisconnect then
    process.exit(0)
  end
  listens.over()
end

-- The Worker

function Worker.isDead()
  return false
end

function Worker:send(...)
  return self.process.send(...)
end

--- Closes the servers, waits for their connections, and leaves the primary.
---@return table self
function Worker:disconnect()
  if self.state ~= "disconnecting" and self.state ~= "destroying" then
    self.state = "disconnecting"
    self.exitedAfterDisconnect = true
    close_servers(nil, tell_and_leave)
  end
  return self
end

--- Leaves the primary, and exits: behind the listeners that the process has by now.
function Worker:kill()
  if self.state == "destroying" then
    return
  end
  self.exitedAfterDisconnect = true
  if not self:isConnected() then
    process.exit(0)
  end
  self.state = "destroying"
  core.listen_hidden(self.process, "disconnect", function() process.exit(0) end, "once")
  tell_and_leave()
end

Worker.destroy = Worker.kill

--- Begins: the primary is told, and its messages are heard.
---@param channel table
---@param id integer
function worker.start(channel, id)
  local own = require("net.process")
  core.cluster = worker
  self_worker = setmetatable({ id = id, process = own, state = "online" }, Worker)
  worker.worker = self_worker
  channel.native:ref() -- until it ends, whoever listens
  shared.forward(self_worker, own, core)
  core.listen_hidden(own, "disconnect", on_disconnected, "first")
  link = shared.link(channel, {
    newconn = on_connection,
    disconnect = on_disconnect_asked,
  }, self_worker, "newconn")
  listens.start(link)
  link:send({ act = "online" })
end

return worker
