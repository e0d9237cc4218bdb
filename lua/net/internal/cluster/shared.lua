-- SPDX-License-Identifier: MIT

--- net.internal.cluster.shared - what both seats of a cluster have: the messages between
-- them, with numbers and answers, and what is alike in a Worker here and there.
--
-- A link is one channel as cluster messages see it. Each has a number, of one counter in
-- this process; an answer names the number of what it answers. What nobody waits for, and
-- what nobody knows, is ignored.

local events = require("net.events")

local CMD = "NODE_CLUSTER"

--- What a write says whose reader is no longer there.
local GONE = { EPIPE = true, ECONNRESET = true, ERR_IPC_CHANNEL_CLOSED = true }

local shared = {}

--- Whether an error of sending means that nobody is there any more.
---@param err net.Error
---@return boolean
function shared.is_gone(err)
  return GONE[err.code] == true
end

-- Links

local Link = {}
Link.__index = Link

local next_number = 0

--- Sends a message.
---@param message table
---@param descriptor? userdata goes with it, and is used up, unless it is lent
---@param answered? fun(reply: table, descriptor?: userdata)
---@param sent? fun(err?: net.Error) the kernel has the message, or never will
---@param lost? fun() the peer has no room for the descriptor, though it was asked often
---@param is_lent? boolean
function Link:send(message, descriptor, answered, sent, lost, is_lent)
  local number = next_number
  next_number = number + 1
  message.cmd, message.seq = CMD, number
  if answered then
    self.waiting[number] = answered
  end
  local given_up = lost and function()
    self.waiting[number] = nil
    lost()
  end
  if self.channel then
    self.channel:send_internal(message, descriptor, sent or self.sent, message.ack ~= nil, given_up,
      is_lent)
  end
end

--- Answers the request that is being heard, at once: `go` is called when the kernel has the
--- answer, or, with an error, when it never will.
---@param message table
---@param go fun(err?: net.Error)
function Link:answer(message, go)
  message.cmd, message.seq = CMD, next_number
  next_number = next_number + 1
  self.channel:answer(message, go)
end

--- A message has come. A descriptor that nobody takes is closed.
local function received(self, message, descriptor)
  local ack = message.ack
  local fn
  if ack ~= nil then
    fn = self.waiting[ack]
    self.waiting[ack] = nil
  else
    fn = self.acts[message.act]
  end
  local is_taken = fn and self.takes and (ack ~= nil or message.act == self.takes)
  if descriptor and not is_taken then
    descriptor:close()
    descriptor = nil
  end
  if fn then
    fn(message, descriptor)
  end
end

--- Joins the cluster messages of a channel to functions by their `act`.
---@param channel table? nil where none could be made: nothing is said or heard then
---@param acts table<string, fun(message: table, descriptor?: userdata)>
---@param worker table it tells "error" for what could not be sent, unless the peer has gone:
---   that is told otherwise
---@param takes? string the act that may come with a descriptor; answers may then, too
function shared.link(channel, acts, worker, takes)
  local self = setmetatable({ channel = channel, acts = acts, waiting = {}, takes = takes }, Link)
  function self.sent(err)
    if err and not shared.is_gone(err) then
      worker:emit("error", err)
    end
  end
  if channel then
    channel:on_internal(CMD, function(message, descriptor)
      received(self, message, descriptor)
    end)
  end
  return self
end

-- Workers

--- The class of workers; each seat adds its own methods to a class derived from this.
function shared.worker_class()
  local Worker = events.EventEmitter.extend()

  function Worker:isConnected()
    return self.process.connected == true
  end

  return Worker
end

--- What the process of a worker says is also said by the worker: messages first, an error
--- where nobody else would hear it, or somebody here does.
function shared.forward(worker, process, core)
  core.listen_hidden(process, "message", function(message, handle)
    worker:emit("message", message, handle)
  end, "first")
  core.listen_hidden(process, "error", function(err)
    if worker:listenerCount("error") > 0 or process:listenerCount("error") == 0 then
      worker:emit("error", err)
    end
  end, "first")
end

return shared
