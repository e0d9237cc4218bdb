-- SPDX-License-Identifier: MIT

--- net.internal.cluster.reload - all workers replaced, one after the other.
--
-- The next old worker goes when a new one serves what it serves: as many 'listening' as the
-- old one has keys, or 'online' where it has none. The primary's sockets stay, so nothing is
-- refused meanwhile. What a worker listens on by itself (`exclusive`, `reusePort`) is not
-- known here, and closes with it.
--
-- One that has died, and whose successor is to come (respawn.lua), counts as an old worker: its
-- successor is forked in its turn, without the rest of the delay, and has to serve what it
-- served. One that came meanwhile is only waited for. So a reload that has gone well leaves a
-- worker that serves in the place of each that was there, or was to be.
--
-- A new worker that dies or is late ends the reload: it is ended, the others stay as they
-- are, and those that were told to go, go.

local core = require("net.core")
local errors = require("net.internal.errors")
local lazy = require("net.internal.lazy")
local primary = require("net.internal.cluster.primary")
local timers = require("net.timers")
local validate = require("net.internal.validate")

local respawn = lazy.module("net.internal.cluster.respawn")

local READY, DRAIN = 10000, 30000 -- ms

local reload = {}

local current -- the plan under way: { old, at, all, going, ready, drain, callback }

--- The records of the workers there are.
local function all_workers()
  local list = {}
  for _, worker in pairs(primary.cluster.workers) do
    list[#list + 1] = primary.records[worker]
  end
  return list
end

--- Adds those who have died, and are to have a successor, and puts all in the order of their ids.
local function complete(plan)
  local old, known = plan.old, {}
  for _, record in ipairs(old) do
    known[record] = true
  end
  for _, record in ipairs(respawn.waiting()) do
    if not known[record] then
      old[#old + 1] = record
    end
  end
  table.sort(old, function(a, b) return a.worker.id < b.worker.id end)
end

local function finish(plan, err)
  current = nil
  if plan.callback then
    plan.callback(err)
  elseif err then
    primary.cluster:emit("error", err)
  end
end

--- Calls back when the last old worker has exited.
local function review(plan)
  if current == plan and plan.all and plan.going == 0 then
    finish(plan)
  end
end

local function fail(plan, record, cause)
  local err = errors.codes.ERR_CLUSTER_RELOAD("a new worker did not become ready")
  err.cause, err.worker = cause, record and record.worker
  if record then
    primary.terminate(record)
  end
  finish(plan, err)
end

--- Sends the old worker away, which the new one replaces. One without a channel cannot be told.
local function retire(plan, record)
  local worker = record.worker
  if worker:isDead() then
    return
  end
  plan.going = plan.going + 1
  core.listen_hidden(worker, "exit", function()
    plan.going = plan.going - 1
    review(plan)
  end, "once")
  if record.gone then
    primary.terminate(record, plan.drain)
  else
    primary.disconnect_one(record, plan.drain)
  end
end

--- How many keys a worker has, or had, or is to have.
local function served(record)
  return record.held > 0 and record.held or record.serves
end

--- Whether the new worker serves as much as the old one did.
local function is_ready(new, wanted)
  if wanted > 0 then
    return new.listened >= wanted
  end
  return new.worker.state ~= "none"
end

--- Waits for the new worker to serve as much as the old one; calls back once, with what
--- went wrong, if anything. Nothing of the worker's is heard after that: its errors are the
--- program's.
local function await(new, wanted, ms, callback)
  local worker, heard, timer = new.worker, {}, nil
  local function done(cause)
    if not timer then
      return
    end
    timer:close()
    timer = nil
    for event, fn in pairs(heard) do
      core.unlisten(worker, event, fn)
    end
    callback(cause)
  end
  local function look()
    if is_ready(new, wanted) then
      done()
    end
  end
  local function died()
    done(errors.new("Error", "the worker has gone"))
  end
  timer = timers.setTimeout(function() done(errors.system("ETIMEDOUT", "reload")) end, ms)
  heard.online, heard.listening, heard.error = look, look, done
  heard.exit, heard.disconnect = died, died
  for event, fn in pairs(heard) do
    core.listen_hidden(worker, event, fn, "keep")
  end
  look() -- it may have been there for a while
end

--- Whether somebody is to be in the worker's place: it is there, or was not told to go.
local function is_wanted(record)
  if record.gone then
    return respawn.expects(record)
  end
  return not record.worker.exitedAfterDisconnect
end

--- The next old worker whose place is to be another's; or who is in its place by now, if that
--- worker has died and respawn was quicker.
---@return table? record
---@return boolean? is_new
local function next_old(plan)
  local old, latest
  repeat
    old = plan.old[plan.at]
    latest = old
    while latest and latest.successor do
      latest = latest.successor
    end
    plan.at = plan.at + 1
  until not old or is_wanted(latest)
  return latest, latest ~= old and not latest.gone
end

local step

--- Puts a new worker in the place of an old one.
local function replace(plan, old)
  local is_due = respawn.awaits(old)
  local ok, new = pcall(is_due and respawn.fork or primary.fork, is_due and old or old.env)
  if not ok then
    return fail(plan, nil, new)
  end
  new.expected, old.replaced = true, true
  await(new, served(old), plan.ready, function(cause)
    if cause ~= nil then
      old.replaced, old.successor = nil, nil
      if old.worker:isDead() then
        respawn.died(old)
      end
      return fail(plan, new, cause)
    end
    new.expected = nil
    retire(plan, old)
    step(plan)
  end)
  if is_due then
    respawn.tell(new, old)
  end
end

--- Waits for a worker that is new already.
local function join(plan, new)
  await(new, served(new), plan.ready, function(cause)
    if cause ~= nil then
      return fail(plan, new, cause)
    end
    step(plan)
  end)
end

--- Goes on with the next old worker.
function step(plan)
  local old, is_new = next_old(plan)
  if not old then
    plan.all = true
    return review(plan)
  end
  return (is_new and join or replace)(plan, old)
end

local function begin(plan)
  complete(plan)
  step(plan)
end

local function option(options, name, default)
  local value = options[name]
  return value == nil and default or validate.duration(value, "options." .. name)
end

--- Replaces the workers that are there now.
---@param options? {ready: number, drain: number} ms
---@param callback? fun(err?: net.Error)
function reload.start(options, callback)
  if options == nil then
    options = {}
  end
  validate.object(options, "options")
  local ready, drain = option(options, "ready", READY), option(options, "drain", DRAIN)
  if current then
    errors.raise("ERR_CLUSTER_RELOAD", 3, "it is under way already")
  end
  current = {
    old = all_workers(), at = 1, going = 0, ready = ready, drain = drain,
    callback = type(callback) == "function" and callback or nil,
  }
  core.tick(begin, current)
end

return reload
