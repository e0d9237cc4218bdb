-- SPDX-License-Identifier: MIT

--- net.internal.cluster.primary - cluster in the process that forks: its workers, what they
-- say, and the order of events.
--
-- A Worker is what the program sees. Beside it there is a record, which keys.lua and those
-- behind it take for the worker:
--
--   worker      the Worker
--   link        its channel, see shared.lua
--   keys, held  key -> who has it (keys.lua), and how many
--   env         what `fork` was given
--   listened    how often it has said 'listening'
--   serves      how many keys it had when it died; those of whom it replaces, before it has any
--   expected    its death is somebody's affair (reload.lua): none is forked in its place
--   replaced    its successor has been forked already, by a reload
--   successor   the record of who was forked in its place when it had died (respawn.lua)
--   gone        its channel has ended
--   started     false until it is somebody's; what is not does not tell of anything
--
-- What happens to a worker is told in Node's order: the worker's listeners before the
-- cluster's, but for a message.

local core = require("net.core")
local keys = require("net.internal.cluster.keys")
local lazy = require("net.internal.lazy")
local process = require("net.process")
local settings = require("net.internal.cluster.settings")
local shared = require("net.internal.cluster.shared")

local reload = lazy.module("net.internal.cluster.reload")
local respawn = lazy.module("net.internal.cluster.respawn")
local timers = lazy.module("net.timers")
local validate = lazy.module("net.internal.validate")

local GRACE = 5000 -- ms for a worker to go by itself, and then for SIGTERM to work

local Worker = shared.worker_class()

local records = setmetatable({}, { __mode = "k" }) -- Worker -> its record
local connected = {} -- record -> true, until its channel has ended

local primary = {}

-- Events

--- Tells the worker's listeners, then the cluster's.
local function tell(record, event, ...)
  record.worker:emit(event, ...)
  primary.cluster:emit(event, record.worker, ...)
end

--- The worker is no longer among `cluster.workers`.
local function remove(record)
  primary.cluster.workers[record.worker.id] = nil
end

--- `exitedAfterDisconnect` is nil until the worker has left.
local function settle_reason(worker)
  worker.exitedAfterDisconnect = worker.exitedAfterDisconnect or false
end

--- The worker has died, and has no part in any key.
local function bury(record)
  record.serves = record.held > 0 and record.held or record.serves
  keys.died(record, respawn.expects(record))
end

local function on_disconnect(record)
  local worker = record.worker
  if not record.started then
    return
  end
  connected[record] = nil
  record.gone = true
  settle_reason(worker)
  bury(record)
  if worker:isDead() then
    remove(record)
  end
  worker.state = "disconnected"
  tell(record, "disconnect")
  primary.review_leaving()
end

local function on_exit(record, code, signal)
  local worker = record.worker
  if not record.started then
    return
  end
  settle_reason(worker)
  if not worker:isConnected() then
    bury(record)
    remove(record)
  end
  worker.state = "dead"
  core.tick(respawn.died, record)
  tell(record, "exit", code, signal)
end

--- Where not even a channel could be made, this is all that comes.
local function on_close(record)
  if record.started and not record.gone then
    connected[record] = nil
    remove(record)
    primary.review_leaving()
  end
end

-- What a worker says

local function acts_of(record)
  local worker, cluster = record.worker, primary.cluster
  return {
    online = function()
      worker.state = "online"
      tell(record, "online")
    end,
    queryServer = function(message)
      if not worker.exitedAfterDisconnect then
        keys.query(record, message, primary.policy)
      end
    end,
    listening = function(message)
      worker.state = "listening"
      record.listened = record.listened + 1
      local info = {
        addressType = message.addressType, address = message.address,
        port = message.port, fd = message.fd,
      }
      worker:emit("listening", info)
      cluster:emit("listening", worker, info)
    end,
    exitedAfterDisconnect = function(message)
      worker.exitedAfterDisconnect = true
      record.link:send({ ack = message.seq })
    end,
    close = function(message) keys.leave(record, message.key) end,
    closed = function(message) keys.closed(record, message) end,
  }
end

-- Workers

--- Whether the process has ended, or was never there.
function Worker:isDead()
  return self.process.exitCode ~= nil or self.process.signalCode ~= nil
end

function Worker:send(...)
  return self.process:send(...)
end

--- Sends a signal, and nothing else.
---@param signal? string|integer "SIGTERM"
function Worker:kill(signal)
  self.process:kill(signal)
end

Worker.destroy = Worker.kill

--- Has a worker that is still there after `ms` ended by signals.
local function end_later(record, ms)
  timers.setTimeout(function()
    if not record.worker:isDead() then
      record.worker.process:kill("SIGTERM")
      timers.setTimeout(function()
        if not record.worker:isDead() then
          record.worker.process:kill("SIGKILL")
        end
      end, GRACE):unref()
    end
  end, ms):unref()
end

--- Ends a worker by SIGTERM, and by SIGKILL where that does not work, `ms` from now unless it
--- has gone by then.
---@param ms? number 0
function primary.terminate(record, ms)
  end_later(record, ms or 0)
end

local function read_drain(options)
  if options == nil then
    return nil
  end
  validate.object(options, "options")
  return options.drain ~= nil and validate.duration(options.drain, "options.drain") or nil
end

local function disconnect(record, drain)
  local worker = record.worker
  worker.exitedAfterDisconnect = true
  if worker:isConnected() then
    record.link:send({ act = "disconnect", drain = drain })
  end
  keys.leave_all(record)
  remove(record)
  if drain then
    end_later(record, drain + GRACE)
  end
end

--- Has the worker close its servers, wait for their connections, and leave.
---@param options? {drain: number} ms after which connections are cut
---@return table self
function Worker:disconnect(options)
  disconnect(records[self], read_drain(options))
  return self
end

-- fork

local next_id = 0

--- Whether the worker is one of this library, as far as it has said.
local function is_lua(kid)
  local channel = core.child.life(kid).channel
  return channel ~= nil and channel.is_ours == true
end

--- A connection has not reached a worker, which has no descriptor left: told once of each.
local function warn_of_lost(record)
  if not record.warned then
    record.warned = true
    process.emitWarning(("Handle did not reach worker %d correctly, it is tried again"):format(
      record.worker.id), "SentHandleNotReceivedWarning")
  end
end

local function watch(record)
  local worker, kid = record.worker, record.worker.process
  shared.forward(worker, kid, core)
  core.listen_hidden(worker, "message", function(message, handle)
    primary.cluster:emit("message", worker, message, handle)
  end, "first")
  core.listen_hidden(kid, "exit", function(...) on_exit(record, ...) end, "first")
  core.listen_hidden(kid, "disconnect", function() on_disconnect(record) end, "first")
  core.listen_hidden(kid, "close", function() on_close(record) end, "first")
  core.tick(primary.cluster.emit, primary.cluster, "fork", worker)
end

--- The process is the worker's, and what it says.
local function adopt(record, kid)
  local worker = record.worker
  worker.process = kid
  records[worker], connected[record] = record, true
  primary.cluster.workers[worker.id] = worker
  record.link = shared.link(core.child.life(kid).channel, acts_of(record), worker)
  watch(record)
end

--- A worker that nobody gets, as something was raised, has never been. Its process is ended.
local guard_metatable = {
  __close = function(record)
    if not record.started then
      connected[record] = nil
      remove(record)
    end
  end,
}

--- Starts a worker.
---@param env table? what its environment has besides ours
---@return table record
function primary.fork(env)
  primary.setup()
  next_id = next_id + 1
  local worker = setmetatable({ id = next_id, state = "none" }, Worker)
  local record <close> = setmetatable({
    worker = worker, env = env, keys = {}, held = 0, serves = 0, listened = 0, started = false,
  }, guard_metatable)
  function record.starve() warn_of_lost(record) end
  function record.greeted() return is_lua(worker.process) end
  settings.start(primary.cluster.settings, next_id, env, function(kid) adopt(record, kid) end)
  record.started = true
  return record
end

-- Settings

--- Sets what counts for later forks, and freezes the policy.
---@param given table?
function primary.setup(given)
  local cluster = primary.cluster
  if given ~= nil then
    validate.object(given, "settings")
    settings.check_max_message(given.maxMessage)
  end
  local limits = settings.respawn(given and given.respawn)
  primary.policy = primary.policy or settings.check_policy(cluster.schedulingPolicy)
  cluster.settings = settings.merge(cluster.settings, given)
  if given and given.respawn ~= nil then
    respawn.set(limits)
  end
  core.tick(cluster.emit, cluster, "setup", cluster.settings)
end

-- disconnect

local leaving = {} -- of each call of cluster.disconnect: its callback, and who is still there

--- Calls back for those calls whose workers have all left.
function primary.review_leaving()
  for i = #leaving, 1, -1 do
    local call = leaving[i]
    local waits = false
    for record in pairs(call.records) do
      waits = waits or connected[record] ~= nil
    end
    if not waits then
      table.remove(leaving, i)
      call.callback()
    end
  end
end

--- Has all workers leave.
---@param drain? number ms
---@param callback? function
function primary.disconnect(drain, callback)
  respawn.stop()
  local waits = {}
  for record in pairs(connected) do
    waits[record] = true
    if primary.cluster.workers[record.worker.id] then
      disconnect(record, drain)
    end
  end
  if type(callback) ~= "function" then
    return
  elseif next(waits) then
    leaving[#leaving + 1] = { records = waits, callback = callback }
  else
    core.tick(callback)
  end
end

-- The public functions

local functions = {}

--- Sets how workers are forked from now on.
---@param options? table
function functions.setupPrimary(options)
  primary.setup(options)
end

--- Forks a worker.
---@param env? table<string, any> added to the own environment
---@return table worker
function functions.fork(env)
  if env ~= nil then
    validate.object(env, "env")
  end
  return primary.fork(env).worker
end

--- Has all workers close their servers, wait for their connections, and leave.
---@param options? {drain: number}
---@param callback? function when all have left
function functions.disconnect(options, callback)
  if type(options) == "function" then
    options, callback = nil, options
  end
  primary.disconnect(read_drain(options), callback)
end

--- Replaces all workers, one after the other.
---@param options? {ready: number, drain: number}
---@param callback? fun(err?: net.Error)
function functions.reload(options, callback)
  if type(options) == "function" then
    options, callback = nil, options
  end
  reload.start(options, callback)
end

primary.disconnect_one = disconnect
primary.records = records

--- Makes `cluster` the primary's.
---@param cluster table
function primary.extend(cluster)
  primary.cluster = cluster
  cluster.workers, cluster.settings = {}, {}
  cluster.schedulingPolicy = settings.default_policy()
  cluster.SCHED_NONE, cluster.SCHED_RR, cluster.SCHED_LEAST = 1, 2, 3
  for name, fn in pairs(functions) do
    cluster[name] = fn
  end
end

return primary
