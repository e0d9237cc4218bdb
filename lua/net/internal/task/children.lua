-- SPDX-License-Identifier: MIT

--- net.internal.task.children - tasks that somebody has started and waits for.
--
-- What co.group, co.all, co.any and co.race share: a set of tasks, told one by one when
-- they have ended, and a wait until all of them have.

local core = require("net.core")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")
local process = lazy.module("net.process")

local tasks = core.open_tasks()

local children = {}

--- A set whose `on_end(set, task)` is called amid the end of each, and returns whether it
--- takes the error of a task that has failed.
---@param on_end fun(set: table, task: net.Task): boolean?
---@return table set with `count`
function children.new(on_end)
  local set = { count = 0, of = {} }
  function set.owner(task)
    set.of[task] = nil
    set.count = set.count - 1
    local taken = on_end(set, task)
    local resume = set.count == 0 and set.resume
    if resume then
      set.resume = nil
      resume()
    end
    return taken
  end
  return set
end

--- Starts a task of the set.
function children.spawn(set, fn, ...)
  local task = tasks.spawn(set.owner, fn, ...)
  set.count = set.count + 1
  set.of[task] = set.count
  return task
end

--- Cancels those that have not ended.
---@param reason any
function children.cancel(set, reason)
  local list = {}
  for task in next, set.of do
    list[#list + 1] = task
  end
  for _, task in ipairs(list) do
    task:cancel(reason)
  end
end

--- Waits until none is left. One may be started by who runs between the end of the last and
--- the end of this wait.
function children.wait(set)
  while set.count > 0 do
    tasks.suspend(function(resume)
      set.resume = resume
      return function()
        set.resume = nil
      end
    end, true, "the end of", nil, { as = "children", n = 1, set.of })
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
