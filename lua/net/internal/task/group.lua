-- SPDX-License-Identifier: MIT

--- net.internal.task.group - tasks that end together: co.group.
--
-- A group is a call: it comes back when the function and all children have ended. What
-- ends one of them badly ends all: children are cancelled, and the function is interrupted
-- by the scope that it runs in. Waiting for those who have been cancelled is shielded, as
-- a second cancel must not leave them behind.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local children = require("net.internal.task.children")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")

local tasks = core.open_tasks()

---@class net.Group
local Group = {}
Group.__index = Group
Group.__name = "Group"

local function interrupt(group, reason)
  tasks.hit(group.scope, errors.codes.ERR_TASK_CANCELLED(reason))
end

--- Ends what runs: the function by its scope, the children by their cancel. Who ran out of
--- memory amid that calls again, and all of it is done; without any for the function's error
--- its wait makes one, without the reason, or raises why it cannot.
local function stop(group, reason)
  if not group.stopped then
    group.stopped, group.reason = true, reason
  elseif group.cut then
    return
  end
  if not pcall(interrupt, group, reason) then
    tasks.hit(group.scope)
  end
  children.cancel(group, reason)
  group.cut = true
end

--- The first error counts; others are told of, but for those that the end itself makes.
local function fail(group, err)
  if group.failed then
    children.warn(err)
    return
  end
  group.failed, group.err = true, err
  stop(group, err)
end

--- Its end could not be dealt with, for want of memory: that ends the group, behind an error
--- that came first. Whoever waits for room looks again.
local function on_broken(group, err)
  if not group.failed then
    group.failed, group.err = true, err
  end
  stop(group, err)
  tasks.look()
end

--- There is room for the first of those who wait for it; some may not wait any more.
local function let_in(group)
  local waiting
  repeat
    waiting = group.queue[1]
    local counts = waiting and waiting(true) -- first, as even a call may lack memory
    table.remove(group.queue, 1)
  until not waiting or counts
end

--- A child has ended; returns whether its error is dealt with.
local function on_end(group, task)
  local status, err = tasks.outcome(task)
  local counts = status == "failed" and not tasks.is_taken(task)
  if counts then
    fail(group, err)
  end
  if group.limit then
    let_in(group)
  end
  return counts
end

--- With a limit, waits until there is room for one more.
local function wait_for_room(group)
  local queue = group.queue
  while group.count >= group.limit do
    tasks.suspend(function(resume)
      local function leave()
        for i, each in ipairs(queue) do
          if each == resume then
            table.remove(queue, i)
          end
        end
      end
      local function undo(given)
        leave()
        if given then
          let_in(group)
        end
      end
      local function look()
        if group.count < group.limit then
          leave()
          resume(true)
        end
      end
      queue[#queue + 1] = resume
      return undo, look
    end, false, "room in a group")
  end
end

--- Starts a child; with a limit it waits for room. Raises ERR_GROUP_CLOSED when the group
--- has ended.
---@param fn function
---@param ... any its arguments
---@return net.Task
function Group:spawn(fn, ...)
  children.check_this(self, Group)
  local group = self._group
  if group.limit and not group.closed then
    children.check_wait()
    wait_for_room(group)
  end
  if group.closed then
    errors.raise("ERR_GROUP_CLOSED", 2)
  end
  local task = children.spawn(group, fn, ...)
  if group.stopped then
    task:cancel(group.reason)
  end
  return task
end

--- Cancels the children and the function. The group returns what the function does, or
--- nil and the error if it was interrupted.
---@param reason? any
function Group:cancel(reason)
  children.check_this(self, Group)
  if not self._group.closed then
    stop(self._group, reason)
  end
end

--- A loop that closes the coroutine of the group cannot wait for its end.
local function new_group(limit)
  local group = children.new(on_end)
  group.limit, group.queue = limit, limit and {}
  group.failed, group.stopped, group.cut, group.closed = false, false, false, false
  group.on_broken = on_broken
  group.err, group.reason = false, false
  group.scope = tasks.scope(function()
    group.closed = true
    stop(group)
  end)
  return group
end

--- What ends the wait for the children ends them, too, but is no news behind an error that
--- came first.
local function wait_for_children(group)
  if not group.stopped then
    local ok, err = pcall(children.wait, group)
    if not ok then
      if not group.failed then
        group.failed, group.err = true, err
      end
      stop(group, err)
    end
  end
  if group.count > 0 then
    tasks.shield(children.wait, group)
  end
end

local function finish(group, ok, ...)
  if not ok then
    if not group.failed then
      group.failed, group.err = true, (...)
      stop(group, (...))
    elseif not tasks.is_interruption((...)) and (...) ~= group.err then
      children.warn((...))
    end
  end
  wait_for_children(group)
  group.closed = true
  if group.failed then
    tasks.rethrow(group.err)
  end
  return ...
end

--- Calls `fn(group)`, and returns its values when it and all children have ended.
---
---     group(fn)
---     group({ limit = n }, fn)
---
--- The first error of `fn`, or of a child that nobody awaits, cancels the others, and is
--- raised when they have ended, as it is.
---@param options table|fun(group: net.Group): ...
---@param fn? fun(group: net.Group): ...
---@return any ...
local function group(options, fn)
  if fn == nil then
    options, fn = nil, options
  end
  validate.func(fn, "fn")
  local limit
  if options ~= nil then
    validate.object(options, "options")
    limit = options.limit
    if limit ~= nil then
      validate.integer(limit, "options.limit", 1)
    end
  end
  local self = new_group(limit)
  return finish(self, pcall(tasks.within, self.scope, fn, setmetatable({ _group = self }, Group)))
end

return group
