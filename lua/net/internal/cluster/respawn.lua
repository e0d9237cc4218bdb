-- SPDX-License-Identifier: MIT

--- net.internal.cluster.respawn - workers that die are forked again.
--
-- A death is an 'exit' of a worker that nobody has told to go. Its successor comes after a
-- delay that doubles with each death of the last `within` milliseconds, which is also the
-- longest, as no death counts when it is over; more than `max` of them, and no worker is forked
-- any more: 'giveup'. Meanwhile the sockets of those who died stay open, and what connects
-- waits: primary.lua asks `expects` before it lets go of one. A reload does not wait for the
-- delay: reload.lua forks at once who would have come.

local core = require("net.core")
local keys = require("net.internal.cluster.keys")
local lazy = require("net.internal.lazy")
local primary = require("net.internal.cluster.primary")
local process = require("net.process")
local timers = require("net.timers")

local errors = lazy.module("net.internal.errors")

local DELAY_MAX = 2147483647 -- ms, the longest that a timer takes
local DOUBLINGS = 31         -- from any delay of a ms on, that is beyond it

local respawn = {}

local limits         -- of settings.respawn; nil: nobody is forked again
local deaths = {}    -- when, in ms, those within `limits.within`
local waiting = {}   -- record -> timer, of each that is to have a successor

--- From now on workers are forked again, within these limits; nil: they are not, and those
--- that were to come do not.
function respawn.set(new)
  limits, deaths = new, {}
  if not new then
    respawn.stop()
  end
end

--- Whether the worker, if it is dying, will have a successor, as far as is known now.
function respawn.expects(record)
  return limits ~= nil and not record.expected and not record.worker.exitedAfterDisconnect
end

--- No successor comes any more, and what waits for one is closed.
function respawn.stop()
  limits = nil
  for _, timer in pairs(waiting) do
    timer:close()
  end
  waiting = {}
  keys.sweep()
end

--- How many deaths there were lately, with this one.
local function count_death()
  local since, kept = core.now() - limits.within, {}
  for _, at in ipairs(deaths) do
    if at > since then
      kept[#kept + 1] = at
    end
  end
  kept[#kept + 1] = core.now()
  deaths = kept
  return #kept
end

--- The workers that are to have a successor, and have none yet.
---@return table[] records
function respawn.waiting()
  local list = {}
  for record in pairs(waiting) do
    list[#list + 1] = record
  end
  return list
end

--- Whether the worker's successor is to come.
function respawn.awaits(record)
  return waiting[record] ~= nil
end

local plan

--- Forks the successor of a worker now. Where it cannot be started the worker tells why by
--- "error", if there is one that may have listeners; it is as good as dead then, which a
--- reload sees to itself. Raises as `primary.fork`.
---@return table record
function respawn.fork(old)
  local new = primary.fork(old.env)
  local worker = new.worker
  if waiting[old] then
    waiting[old]:close()
    waiting[old] = nil
  end
  new.serves, old.successor = old.serves, new
  core.listen_hidden(worker, "error", function(err)
    if new.expected then
      return
    elseif not worker.process.pid then
      plan(new)
    elseif worker:listenerCount("error") == 0 then
      error(err, 0)
    end
  end, "keep")
  return new
end

function respawn.tell(new, old)
  primary.cluster:emit("respawn", new.worker, old.worker)
end

--- The delay is over. A successor that cannot even be tried is as good as dead, too.
local function fork_again(old)
  local ok, new = pcall(respawn.fork, old)
  if ok then
    return respawn.tell(new, old)
  end
  process.emitWarning(errors.is_error(new) and new or tostring(new))
  plan(old)
end

--- How long to wait after so many deaths, in ms: not longer than they count, unless the first
--- delay is.
local function delay_after(count)
  local longest = math.max(limits.within, limits.delay)
  return math.min(limits.delay * 2 ^ math.min(count - 1, DOUBLINGS), longest, DELAY_MAX)
end

--- Has a successor of a worker forked in a while, unless too many have died.
function plan(old)
  if not limits then
    return
  end
  local count = count_death()
  if count > limits.max then
    respawn.stop()
    primary.cluster:emit("giveup", old.worker)
    return
  end
  old.successor = nil
  waiting[old] = timers.setTimeout(function()
    waiting[old] = nil
    fork_again(old)
  end, delay_after(count))
end

--- A worker has exited. The successor of one that is being replaced is there already.
function respawn.died(record)
  if respawn.expects(record) and not (record.replaced or record.successor or waiting[record]) then
    plan(record)
  end
end

return respawn
