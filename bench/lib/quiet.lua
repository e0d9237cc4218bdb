-- SPDX-License-Identifier: MIT

--- A machine that is quiet: waited for, and measured on again where it was not.
--
-- What others had of the CPU is what was not idle, less what this process and its
-- children had, of whom the last was waited for: so it is known when the servers of a
-- scenario have ended, and not before. What the host took is no part of it: run.lua
-- leaves out those rounds. The load average was refused: it still tells of the build
-- when that has been over for a minute.

local tool = require("tool")

local quiet = {}

--- The part of the CPU time of all cores from which on others are at work. Two ways of
--- counting are compared, which differ by a per cent or two.
quiet.LIMIT = .05

--- Ticks (10 ms) that this process had, and its children that have ended.
function quiet.own_time()
  local file = io.open("/proc/self/stat")
  local rest = file and file:read("a"):match("%) (.*)") or ""
  if file then
    file:close()
  end
  local sum, column = 0, 2
  for word in rest:gmatch("%S+") do
    column = column + 1
    sum = sum + (column >= 14 and column <= 17 and tonumber(word) or 0)
  end
  return sum
end

--- Begins to watch; what it returns says what part of the CPU time others had since.
function quiet.watch()
  local _, all, idle = tool.cpu_time()
  local own = quiet.own_time()
  return function()
    local _, all_now, idle_now = tool.cpu_time()
    local others = all_now - all - (idle_now - idle) - (quiet.own_time() - own)
    return math.max(0, others / math.max(1, all_now - all))
  end
end

--- What the machine is asked; a spec has another.
local HERE = {
  watch = quiet.watch,
  now = os.time,
  nap = function() os.execute("sleep 1") end,
}

--- Waits until a second was quiet, but not beyond `until_time`.
local function wait(machine, until_time, progress)
  local others
  repeat
    local watch = machine.watch()
    machine.nap()
    others = watch()
    progress(("others have %.0f %% of the CPU time: waiting"):format(others * 100))
  until others <= quiet.LIMIT or machine.now() >= until_time
end

--- Measures until others were not at work meanwhile, as long as there is patience for
--- it; what comes out is what was measured when they were least.
---
--- `patience.left` are the seconds that waiting, and measuring again, may still take; what
--- they took is subtracted. `machine` is this one, if none is given.
---@param run fun(): any
---@param patience {left: number}
---@param progress fun(text: string)
---@param machine? {watch: function, now: function, nap: function}
---@return any result of `run`
---@return number others the part of the CPU time that others had meanwhile
function quiet.measured(run, patience, progress, machine)
  machine = machine or HERE
  local best, least
  repeat
    local from = machine.now()
    if patience.left > 0 then
      wait(machine, from + patience.left, progress)
    end
    local begun, watch = machine.now(), machine.watch()
    local result, others = run(), watch()
    local took = machine.now() - begun
    patience.left = patience.left - (begun - from) - (least and took or 0)
    if not least or others < least then
      best, least = result, others
    end
  until least <= quiet.LIMIT or patience.left <= 0 or patience.left < took
  return best, least
end

return quiet
