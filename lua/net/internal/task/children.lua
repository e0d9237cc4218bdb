-- SPDX-License-Identifier: MIT

--- net.internal.task.children - tasks that somebody has started and waits for.
--
-- What co.group, co.all, co.any, co.race and serve share: a set of tasks, told one by one
-- when they have ended, and a wait until all of them have. The tasks of a set are linked, so
-- that once a task has begun nothing that counts it may lack memory.

local core = require("net.core")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")
local process = lazy.module("net.process")

local tasks = core.open_tasks()

local children = {}

-- The place of a task in its set: its keeper, which C calls when it has ended; and calls
-- again where memory ran out before it could return, so each step is done once. One that
-- has left still knows who came behind it, for a loop that is there.
--
-- A set whose `on_end` has raised is broken: the others are cancelled, and what owns the set
-- raises that error. So none waits for what nobody will tell it.
local Entry = {}

local function leave_set(entry, set)
  entry.stage = "left"
  entry.before.behind, entry.behind.before = entry.behind, entry.before
  set.count = set.count - 1
end

function Entry.__call(entry, task)
  local set = entry.set
  if not entry.stage then
    leave_set(entry, set)
  end
  if entry.stage == "left" then
    local ok
    ok, entry.taken = pcall(set.on_end, set, task, entry)
    entry.stage = ok and "told" or "failed"
  end
  if set.count == 0 and set.resume then
    set.resume() -- which does nothing when called again
    set.resume = false
  end
  local taken = entry.taken
  if entry.stage == "told" then
    return taken
  elseif not set.on_broken then
    entry.stage, entry.taken = "told", false -- "not enough memory" would have C call again
    tasks.rethrow(taken)
  end
  set:on_broken(taken)
  return true
end

--- A set whose `on_end(set, task, entry)` is called amid the end of each, and returns whether
--- it takes the error of a task that has failed. What it raises is uncaught, or goes to
--- `on_broken(set, err)` of a set that has one, which is called again where memory runs out.
---@param on_end fun(set: table, task: net.Task, entry: table): boolean?
---@return table set with `count`
function children.new(on_end)
  local set = {
    count = 0, on_end = on_end, resume = false, before = false, behind = false,
    on_broken = false, broken = nil, decided = false, results = false,
  }
  set.before, set.behind = set, set
  return set
end

--- Starts a task of the set.
---@return net.Task
---@return table entry whose field `tag` is the caller's
function children.spawn(set, fn, ...)
  local entry = setmetatable(
    { set = set, before = false, behind = set, task = false, tag = false,
      stage = false, taken = false }, Entry)
  local task = tasks.spawn(entry, fn, ...)
  entry.task, entry.before = task, set.before
  entry.before.behind, set.before = entry, entry
  set.count = set.count + 1
  return task, entry
end

--- Cancels those that have not ended.
---@param reason any
function children.cancel(set, reason)
  local entry = set.behind
  while entry ~= set do
    entry.task:cancel(reason)
    entry = entry.behind
  end
end

--- Waits until none is left. One may be started by who runs between the end of the last and
--- the end of this wait.
function children.wait(set)
  local resume
  local function leave()
    set.resume = false
  end
  local function look()
    if set.count == 0 then
      resume()
    end
  end
  while set.count > 0 do
    tasks.suspend(function(go_on)
      resume, set.resume = go_on, go_on
      return leave, look
    end, true, "the end of", nil, { as = "children", n = 1, set })
  end
end

--- Raises where nobody may wait, also when there is nothing to wait for.
function children.check_wait()
  if not tasks.can_wait() then
    tasks.yield() -- which says why
  end
end

--- Raises where a method is called with a dot, or of something else.
---@param self any
---@param class table its metatable
function children.check_this(self, class)
  if debug.getmetatable(self) ~= class then
    errors.raise("ERR_INVALID_THIS", 3, class.__name)
  end
end

--- Tells of an error that nobody can get: a warning, with its traceback.
---@param err any
function children.warn(err)
  local text = core.traceback(err) or core.describe(err)
  process.emitWarning(text, "TaskWarning")
end

--- Closes a value that nobody gets, if it can be closed.
---@param value any
function children.close(value)
  local meta = debug.getmetatable(value)
  local close = type(meta) == "table" and meta.__close
  if close then
    local ok, err = pcall(close, value)
    if not ok then
      children.warn(err)
    end
  end
end

tasks.on_warning(children.warn)

return children
