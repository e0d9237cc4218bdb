-- SPDX-License-Identifier: MIT

--- net.internal.server.drain - a server that ends without cutting anybody off: its open
-- connections, the idle ones among them, and `drain`.
--
-- Loaded when one of the three methods is first called. A connection is idle for
-- `closeIdle` when nothing is buffered either way, for `drain` when besides no byte has
-- gone either way since it looked last. Neither can know of a request that is on its way:
-- a FIN that crosses it loses it. Only the protocol can tell its peer beforehand; it looks
-- at `server.draining`.
--
-- The looks and the deadline are timers that hold no loop, as the connections do. The looks
-- go on after the deadline until the server has closed: a destroy() that ran out of memory is
-- repeated. A server that listens again is no longer drained.

local core = require("net.core")
local server = require("net.internal.server.server")
local timers = require("net.timers")

local LOOK_MAX = 1000 -- ms from one look at the connections to the next
local LOOKS = 4 -- in the time given, if that is short

local native = core.server
local methods = core.Server.methods
local is_listening = core.Server.getters.listening
local is_draining = core.Server.getters.draining
local count_connections = core.Server.getters.connections

-- Server -> what is under way: { server, cut, ends, deadline, looks, read, written }.
local plans = setmetatable({}, { __mode = "k" })

local function has_buffered(socket)
  return socket.readableLength > 0 or socket.writableLength > 0
end

--- The open connections, in no order.
---@return net.Socket[]
function methods:sockets()
  return native.sockets(self)
end

--- Ends each connection with nothing buffered either way, by `finish()`.
---@return integer count how many
function methods:closeIdle()
  local count = 0
  for _, socket in ipairs(native.sockets(self)) do
    if not has_buffered(socket) and not socket.writableEnded then
      count = count + 1
      socket:finish()
    end
  end
  return count
end

-- drain

local function stop(plan)
  plans[plan.server] = nil
  timers.clearTimeout(plan.deadline)
  timers.clearInterval(plan.looks)
end

local function cut(plan)
  for _, socket in ipairs(native.sockets(plan.server)) do
    socket:destroy()
    plan.cut = plan.cut + 1
  end
  plan.cut = plan.cut + native.cut_pending(plan.server)
  if server.across then -- what was sent to other processes is not waited for any more
    server.across.forget(plan.server)
  end
end

--- Ends the connections where nothing has happened since the last look.
local function end_idle(plan)
  local read, written = {}, {}
  for _, socket in ipairs(native.sockets(plan.server)) do
    read[socket], written[socket] = socket.bytesRead, socket.bytesWritten
    local stands = read[socket] == plan.read[socket] and written[socket] == plan.written[socket]
    if stands and not has_buffered(socket) and not socket.writableEnded then
      socket:finish()
    end
  end
  plan.read, plan.written = read, written
end

local function look(plan)
  if not is_draining(plan.server) then
    stop(plan)
  elseif core.now() >= plan.ends then
    cut(plan)
    if count_connections(plan.server) == 0 then -- whether or not that has been told
      stop(plan)
    end
  else
    end_idle(plan)
  end
end

--- Has the plan end after `ms`, if that is earlier than it would.
local function hasten(plan, ms)
  local ends = core.now() + ms
  if plan.ends and plan.ends <= ends then
    return
  end
  local deadline, looks = plan.deadline, plan.looks
  plan.deadline = timers.setTimeout(look, ms, plan)
  plan.ends = ends
  timers.clearTimeout(deadline)
  plan.looks = timers.setInterval(look, math.max(1, math.min(LOOK_MAX, ms / LOOKS)), plan)
  timers.clearInterval(looks)
  plan.deadline:unref()
  plan.looks:unref()
end

--- Closes the server as planned, or waits until one that was closed before is; where that
--- fails, for want of memory, nothing is planned.
local function begin(self, plan, ms, done)
  native.set_draining(self, true)
  local ok, err = pcall(hasten, plan, ms)
  if ok and is_listening(self) then
    ok, err = pcall(self.close, self, done)
  elseif ok then
    ok, err = pcall(self.once, self, "close", done)
  end
  if not ok then
    native.set_draining(self, false)
    stop(plan)
    error(err, 0)
  end
end

local function start(self, ms, callback)
  local plan = {
    server = self, cut = 0, read = {}, written = {}, ends = false, deadline = false, looks = false,
  }
  end_idle(plan)
  plans[self] = plan
  begin(self, plan, ms, function(err)
    stop(plan)
    if callback then
      callback(err, plan.cut)
    end
  end)
end

local function refuse(self, callback)
  native.set_draining(self, true)
  self:close(callback and function(err)
    callback(err, 0)
  end)
end

--- Stops accepting, ends the connections that are idle, and after `ms` all others.
---@param ms number milliseconds, as for `timers.setTimeout`
---@param callback? fun(err?: net.Error, cut: integer) at 'close'; how many were cut off
---@return net.Server self
function methods:drain(ms, callback)
  local was_listening, plan = is_listening(self), plans[self]
  ms, callback = core.timeout.duration(ms), type(callback) == "function" and callback or nil
  if plan and not is_draining(self) then
    stop(plan)
    plan = nil
  end
  if plan then
    hasten(plan, ms)
    if callback then
      self:once("close", function()
        callback(nil, plan.cut)
      end)
    end
  elseif was_listening then
    start(self, ms, callback)
  else
    refuse(self, callback)
  end
  return self
end

local drain = {}

--- As `drain`, also for a server that the program has closed, but of which connections are
--- open, here or in other processes: they get no more time than others. One of which all is
--- over is not touched.
---@param self net.Server
---@param ms number
---@param callback fun(err?: net.Error, cut: integer)
function drain.finish(self, ms, callback)
  if is_listening(self) or plans[self] then
    self:drain(ms, callback)
  elseif native.closed(self) then
    callback(nil, 0)
  else
    start(self, core.timeout.duration(ms), callback)
  end
end

return drain
