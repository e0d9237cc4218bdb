-- SPDX-License-Identifier: MIT

--- net.internal.cluster.roundrobin - one key under SCHED_RR: the primary accepts, and hands
-- each connection to a worker that is free.
--
-- Connections wait in a queue, workers in another one. A worker that was given a connection
-- is free again when it has answered, so that there is one in flight to each: what a dead
-- worker has lost is that one, and it goes to the queue's head. One that has left, but is
-- not dead, still answers: it may serve the connection. While `backlog` connections
-- wait, no more are accepted: the kernel's own backlog pushes back then. Node's queue has no
-- bound, and keeps a lost connection open for ever.
--
-- A worker that refuses a connection is full. It rests until some worker has accepted one
-- of this key, or for a moment: Node offers the connection again at once, and where all are
-- full it goes back and forth without pause.
--
-- With `least` the free worker with the fewest open connections is next, if all workers of
-- the key tell when they close some.
--
-- Workers here are the primary's records (primary.lua); `worker.link:send` and `starve`, which
-- warns, are all that this wants of one, besides being a key of tables.

local core = require("net.core")
local fifo = require("net.internal.cluster.fifo")
local lazy = require("net.internal.lazy")
local timers = require("net.timers")

local activated = lazy.module("net.internal.process.activated")

local native = core.server
local null = core.json.null

local REST = 50 -- ms
local READ_ALL, WRITE_ALL = tonumber("444", 8), tonumber("222", 8)
local ANY6, ANY4 = "::", "0.0.0.0"

local RoundRobin = {}
RoundRobin.__index = RoundRobin

--- The state of a new key, which does not listen yet.
---@param key string
---@param backlog integer connections that may wait
---@param least boolean
local function new(key, backlog, least)
  local self = setmetatable({
    key = key,
    backlog = backlog,
    least = least,
    workers = {},    -- worker -> how many of its connections are open, as far as it tells
    count = 0,       -- how many workers
    free = fifo.new(),
    queue = fifo.new(),
    flying = {},     -- descriptor -> the worker that has not answered for it
    resting = fifo.new(),
    counts = {},     -- worker -> whether it tells when it closes connections
    blind = 0,       -- how many do not
    held = false,
  }, RoundRobin)
  self.acceptor = core.acceptor.new(function(descriptor) self:add(descriptor) end)
  return self
end

--- Accepts, unless too many wait.
function RoundRobin:review()
  local full = self.queue:size() >= self.backlog
  if full ~= self.held then
    self.held = full
    core.acceptor.hold(self.acceptor, full)
  end
end

--- The free worker that is next; it is free no more.
function RoundRobin:choose()
  if not self.least or self.blind > 0 then
    return self.free:shift()
  end
  local best, fewest
  for worker in self.free:each() do
    if not fewest or self.workers[worker] < fewest then
      best, fewest = worker, self.workers[worker]
    end
  end
  self.free:remove(best)
  return best
end

--- Has the connections that wait handed to the workers that are free.
function RoundRobin:distribute()
  while self.queue:size() > 0 and self.free:size() > 0 do
    self:hand(self:choose(), self.queue:shift())
  end
  self:review()
end

--- Hands a connection to a worker, which is free no more. Our descriptor is lent to the
--- channel, and there until the worker has answered: a copy would want one more, which may
--- be the last.
function RoundRobin:hand(worker, descriptor)
  self.flying[descriptor] = worker
  worker.link:send({ act = "newconn", key = self.key }, descriptor, function(reply)
    self:answered(worker, descriptor, reply.accepted == true)
  end, function(err)
    if err then
      self:failed(worker, descriptor)
    end
  end, function()
    self:failed(worker, descriptor)
    worker.starve()
  end, true)
end

--- The connection has not reached the worker, which rests: it is the next again.
function RoundRobin:failed(worker, descriptor)
  if self.flying[descriptor] == worker then
    self.flying[descriptor] = nil
    self.queue:unshift(descriptor)
    self:rest(worker)
    self:distribute()
  end
end

--- A worker has taken the connection, or refused it.
function RoundRobin:answered(worker, descriptor, accepted)
  if self.flying[descriptor] ~= worker then
    return -- it is another one's by now, or closed
  end
  self.flying[descriptor] = nil
  if not accepted then
    self.queue:push(descriptor)
    self:rest(worker)
  else
    descriptor:close()
    if self.workers[worker] then
      self.workers[worker] = self.workers[worker] + 1
      self.free:push(worker)
    end
    self:wake()
  end
  self:distribute()
end

--- The worker, unless it has left, is free again in a moment.
function RoundRobin:rest(worker)
  if not self.workers[worker] then
    return
  end
  self.resting:push(worker)
  self.timer = self.timer or timers.setTimeout(function()
    self:wake()
    self:distribute()
  end, REST):unref()
end

--- Those who rest are free again.
function RoundRobin:wake()
  if self.timer then
    self.timer:close()
    self.timer = nil
  end
  for worker in self.resting:drain() do
    self.free:push(worker)
  end
end

--- The system has accepted one more.
function RoundRobin:add(descriptor)
  self.queue:push(descriptor)
  self:distribute()
end

-- For the primary

local function file_mode(query)
  local mode = (query.readableAll and READ_ALL or 0) | (query.writableAll and WRITE_ALL or 0)
  return mode ~= 0 and mode or nil
end

--- Listens on an address, or on all: IPv6 and IPv4 if the system can, else IPv4.
local function listen_tcp(acceptor, query)
  local ok, errno, step = native.listen_tcp(acceptor, query.address or ANY6, query.port,
    query.backlog, query.ipv6Only)
  if not ok and not query.address and step == "bind" then
    ok, errno = native.listen_tcp(acceptor, ANY4, query.port, query.backlog)
  end
  return ok, errno
end

--- Listens on a copy of what this process was started with.
local function listen_activated(acceptor, query)
  local descriptor, path = activated.share(query.activated)
  if not descriptor then
    return nil, path
  end
  return native.listen_descriptor(acceptor, descriptor, query.backlog, path)
end

--- Listens for what the first worker has asked.
---@return integer? errno negative, where that failed
function RoundRobin:listen(query)
  local ok, errno
  if query.activated then
    ok, errno = listen_activated(self.acceptor, query)
  elseif query.fd then
    ok, errno = native.listen_fd(self.acceptor, query.fd, query.backlog)
  elseif query.port < 0 then
    ok, errno = native.listen_unix(self.acceptor, query.path, query.backlog, file_mode(query))
  else
    ok, errno = listen_tcp(self.acceptor, query)
  end
  local address = ok and self.acceptor:address()
  self.sockname = type(address) == "table" and address or nil
  return not ok and errno or nil
end

--- A worker has part in the key from here on.
---@param worker table
---@param counts boolean it tells when it closes connections
---@return table reply what the answer to its query says
function RoundRobin:join(worker, counts)
  self.workers[worker] = 0
  self.blind = self.blind + (counts and 0 or 1)
  self.counts[worker] = counts
  self.count = self.count + 1
  return { errno = null, sockname = self.sockname, least = self.least or nil }
end

--- The worker's answer has been sent: it can be given connections.
function RoundRobin:joined(worker)
  if self.workers[worker] then
    self.free:push(worker)
    self:distribute()
  end
end

--- A worker tells that so many of its connections have gone.
function RoundRobin:closed(worker, count)
  if self.workers[worker] then
    self.workers[worker] = math.max(self.workers[worker] - count, 0)
  end
end

--- A worker has no part any more.
function RoundRobin:leave(worker)
  if not self.workers[worker] then
    return
  end
  self.blind = self.blind - (self.counts[worker] and 0 or 1)
  self.workers[worker], self.counts[worker] = nil, nil
  self.count = self.count - 1
  self.free:remove(worker)
  self.resting:remove(worker)
end

--- A worker will not answer any more. What it had not answered for is next.
function RoundRobin:died(worker)
  self:leave(worker)
  for descriptor, whose in pairs(self.flying) do
    if whose == worker then
      self.flying[descriptor] = nil
      self.queue:unshift(descriptor)
    end
  end
  self:distribute()
end

function RoundRobin:has(worker)
  return self.workers[worker] ~= nil
end

--- Nobody serves this key any more.
function RoundRobin:close()
  self:wake()
  for descriptor in self.queue:drain() do
    descriptor:close()
  end
  for descriptor in pairs(self.flying) do
    self.flying[descriptor] = nil
    descriptor:close()
  end
  if self.acceptor.listening then
    native.close(self.acceptor)
  end
end

return { new = new }
