-- SPDX-License-Identifier: MIT

--- net.internal.cluster.respawn - workers that die are forked again.
--
-- A death is an 'exit' of a worker that nobody has told to go. Its successor comes after a
-- delay that doubles with each death of the last `within` milliseconds; more than `max` of
-- them, and no worker is forked any more: 'giveup'. Meanwhile the sockets of those who died
-- stay open, and what connects waits: primary.lua asks `expects` before it lets go of one.

local core = require("net.core")
local keys = require("net.internal.cluster.keys")
local lazy = require("net.internal.lazy")
local primary = require("net.internal.cluster.primary")
local process = require("net.process")
local timers = require("net.timers")

local errors = lazy.module("net.internal.errors")

local DELAY_MAX = 2147483647 -- ms, the longest that a timer takes

local respawn = {}

local limits         -- of settings.respawn; nil: nobody is forked again
local deaths = {}    -- when, in ms, those within `limits.within`
local waiting = {}   -- timer -> true, for each successor to come

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
  for timer in pairs(waiting) do
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

local plan

--- A successor that cannot be started is as good as dead. The worker tells why by "error",
--- if there is one that may have listeners.
local function fork_again(old)
  local ok, new = pcall(primary.fork, old.env)
  if not ok then
    process.emitWarning(errors.is_error(new) and new or tostring(new))
    return plan(old)
  end
  local worker = new.worker
  core.listen_hidden(worker, "error", function(err)
    if not worker.process.pid then
      plan(new)
    elseif worker:listenerCount("error") == 0 then
      error(err, 0)
    end
  end, "keep")
  primary.cluster:emit("respawn", worker, old.worker)
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
  local timer
  timer = timers.setTimeout(function()
    waiting[timer] = nil
    fork_again(old)
  end, math.min(limits.delay * 2 ^ (count - 1), DELAY_MAX))
  waiting[timer] = true
end

--- A worker has exited. The successor of one that is being replaced is there already.
function respawn.died(record)
  if respawn.expects(record) and not record.replaced then
    plan(record)
  end
end

return respawn
