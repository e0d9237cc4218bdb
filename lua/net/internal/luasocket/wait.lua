-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.wait - how a call that LuaSocket would block in waits.
--
-- In a task as tasks do, so that others run. Where nobody runs the loop, in the main script
-- or in a coroutine of its own, the call runs it until what it waits for has come: to the
-- program that is a call that blocks, though listeners and tasks go on meanwhile. Anywhere
-- else, in a listener say, nothing can wait, and the call raises ERR_CANNOT_WAIT.
--
-- A limit is a time of the monotonic clock in microseconds; nil: there is none; false: the
-- call does not wait at all.

local core = require("net.core")
require("net.internal.lazy") -- by which the core knows errors

local plain = core.open_luasocket()
local tasks = core.open_tasks()

local LONGEST = 2^40 -- ms, of any wait
local LONGEST_USEC = LONGEST * 1000
local IN_A_ROW = 64 -- calls of tasks that had nothing to wait for, before others have a turn

local wait = { READS = 1, WRITES = 2 }

local in_a_row = 0

--- The nearer of two limits that begin now, in seconds; negative ones are none.
---@param block number
---@param total number
---@return integer|false|nil limit
function wait.limit(block, total)
  local seconds = total
  if block >= 0 and not (total >= 0 and total < block) then
    seconds = block
  end
  if seconds == 0 then
    return false
  end
  local usec = seconds > 0 and math.ceil(math.min(seconds * 1e6, LONGEST_USEC))
  return usec and plain.now() + usec or nil
end

--- Whether it is over, and else how many ms are left, nil for no end.
local function left(limit)
  if limit == nil then
    return false
  end
  local usec = limit and limit - plain.now() or 0
  return usec <= 0, math.ceil(usec / 1000)
end

-- Waiting

--- Runs the loop until `start`'s function was called, with one value that is not nil. It may
--- be so before the poll of a turn, which then must not wait.
local function block(start)
  local call, answer, undo = core.caller(), nil, nil
  local function resume(value)
    local counts = answer == nil
    if counts then
      answer = value
      local _, runs_for = core.running()
      if runs_for == call then -- an error may have left this wait by now
        core.stop()
      end
    end
    return counts
  end
  local _ <close> = setmetatable({}, {
    __close = function(_, err)
      if err ~= nil and undo then -- an error of another's, which comes out here
        undo(answer)
      end
    end,
  })
  undo = start(resume)
  while answer == nil do
    core.run_for("once", call)
  end
  return answer
end

--- Calls `start(resume)`, waits until resume(value) is called, and returns that value. The
--- function that start returns is called if an error ends the wait, with the value, if any.
--- The rest is what `task.waiting` tells, such as "receive %s from", 3 and a socket.
--- What start does last is what may not be left behind if memory runs out.
---@param start fun(resume: fun(value: any): boolean): fun(value: any)
---@param what string
---@param detail? any
---@param whose? any
function wait.suspend(start, what, detail, whose)
  in_a_row = 0
  if plain.may_block() then
    return block(start)
  end
  return tasks.suspend(start, false, what, detail, whose)
end

--- Whether a call that has nothing to wait for may do without `be_fair`.
function wait.has_turn()
  in_a_row = in_a_row + 1
  return in_a_row < IN_A_ROW
end

--- Has others run where a task's calls never have to wait.
function wait.be_fair(limit)
  in_a_row = in_a_row + 1
  if in_a_row >= IN_A_ROW and limit ~= false then
    in_a_row = 0
    if tasks.can_wait() then
      tasks.yield()
    end
  end
end

--- Starts a Watch; where the system refuses, the wait ends with the errno.
local function start_watch(watch, ms, resume)
  local ok, err = watch:start(ms)
  if not ok then
    resume(err)
  end
end

--- Waits for any of a list of descriptors (plain.watch) until the limit is over.
---@param list table
---@param limit integer|false|nil
---@param what string as in `suspend`, like the next two
---@param detail? any
---@param whose? any
---@return boolean? in_time true: look again, perhaps for the last time; false: the limit was over
---  before; nil: the system refuses
---@return integer? err negative errno
function wait.any(list, limit, what, detail, whose)
  local over, ms = left(limit)
  if over then
    return false
  end
  local answer = wait.suspend(function(resume)
    local watch = plain.watch(resume, list)
    local function leave()
      watch:stop()
    end
    start_watch(watch, ms, resume)
    return leave
  end, what, detail, whose)
  if answer < 0 then
    return nil, answer
  end
  return true
end

--- The same for one plain socket. To close it ends the wait.
---@param news integer wait.READS, wait.WRITES
function wait.ready(socket, news, limit, what, detail)
  return wait.any({ socket, news }, limit, what, detail, socket)
end

--- What a call says whose time is over; `news` is what it has waited for, if its `via` told.
---@param state table of a socket
---@param news? integer
---@return string
function wait.timeout_word(state, news)
  local words = state.via.timeout_words
  return words and words[news] or "timeout"
end

--- Waits so many ms, a number.
function wait.sleep(ms)
  wait.any({}, plain.now() + math.ceil(math.min(ms * 1000, LONGEST_USEC)), "sleep")
end

-- Turns

local TURN = "turn"

--- The next of those that wait for their turn has it.
local function pass(turn)
  local queue = turn.queue
  while queue[1] do
    if table.remove(queue, 1)(TURN) then
      return
    end
  end
  turn.taken = false
end

local Turn = { __close = pass }

--- What one has at a time: who has taken it holds it in a to-be-closed variable.
---@return table turn
function wait.turn()
  return setmetatable({ taken = false, queue = {} }, Turn)
end

local function remove(queue, resume)
  for i, other in ipairs(queue) do
    if other == resume then
      return table.remove(queue, i)
    end
  end
end

--- Waits until it is our turn. First come, first served.
---@param socket any whose turn it is
---@return boolean in_time
function wait.take_turn(turn, limit, socket)
  if not turn.taken then
    turn.taken = true
    return true
  end
  local over, ms = left(limit)
  if over then
    return false
  end
  local own, watch
  local answer = wait.suspend(function(resume)
    own = resume
    watch = plain.watch(resume, {})
    local function leave(given)
      watch:stop()
      remove(turn.queue, resume)
      if given == TURN then
        pass(turn)
      end
    end
    turn.queue[#turn.queue + 1] = resume
    local ok, err = pcall(start_watch, watch, ms, resume)
    if not ok then -- for want of memory
      leave()
      error(err, 0)
    end
    return leave
  end, "its turn to send to", nil, socket)
  watch:stop()
  remove(turn.queue, own)
  return answer == TURN
end

return wait
