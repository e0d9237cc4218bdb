-- SPDX-License-Identifier: MIT

--- net.internal.task.several - co.all, co.any and co.race: functions side by side.
--
-- Each function of the table is a child; a task in it is awaited by one, and never
-- cancelled itself. What decides is the end of a child: amid that the others are cancelled,
-- before anybody else runs, so that what a loser was about to get goes back to where it
-- was. All three return when every child has ended. A socket in a child's hands is in those
-- of who waits then, as if that had called the function itself: a handler that asks which of
-- two things comes first may still answer a peer that has ended.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local children = require("net.internal.task.children")

local errors = lazy.module("net.internal.errors")

local tasks = core.open_tasks()

local several = {}

--- The keys of a table in the order in which they begin: 1 to #t, then the rest.
local function keys_of(t)
  local keys = {}
  for i = 1, #t do
    keys[i] = i
  end
  for key in next, t do
    if not (math.type(key) == "integer" and key >= 1 and key <= #t) then
      keys[#keys + 1] = key
    end
  end
  return keys
end

local function check(t, level)
  children.check_wait()
  if type(t) ~= "table" then
    errors.raise("ERR_INVALID_ARG_TYPE", level + 1, "t", "Table", t)
  end
  for key, value in next, t do
    if type(value) ~= "function" and not tasks.is(value) then
      errors.raise("ERR_INVALID_ARG_TYPE", level + 1, ("t[%s]"):format(core.describe(key)),
        { "Function", "Task" }, value)
    end
  end
end

local function await(task)
  return task:await()
end

--- Has it failed: raised, been cancelled, or returned nil and an error?
local function has_failed(result)
  return result.status ~= "done" or (result[1] == nil and result[2] ~= nil)
end

--- Starts them all.
local function start(set, t)
  local caller = tasks.current()
  for _, key in ipairs(keys_of(t)) do
    local value = t[key]
    local task, entry
    if tasks.is(value) then
      task, entry = children.spawn(set, await, value)
    else
      task, entry = children.spawn(set, value)
    end
    entry.tag = key
    tasks.inherit(caller, task)
  end
end

local function on_broken(set, err)
  set.broken = err
  children.cancel(set)
end

--- Runs them; `decide(set, key, result)` is called amid the end of each, and returns true
--- when the others are to be cancelled. Returns the set, whose `results` has, by key, what
--- each has given: `status`, `n` and the values.
local function run(t, decide)
  local set
  set = children.new(function(_, task, entry)
    local key = entry.tag
    local result = table.pack(select(2, tasks.outcome(task)))
    result.status = task.status
    set.results[key] = result
    if not set.decided and decide(set, key, result) then
      set.decided = true
      children.cancel(set)
    end
    return true
  end)
  set.results, set.on_broken = {}, on_broken
  local ok, err = pcall(start, set, t)
  if ok then
    ok, err = pcall(children.wait, set)
  end
  if not ok then
    set.decided = true
    children.cancel(set)
    tasks.shield(children.wait, set)
  elseif set.broken ~= nil then
    ok, err = false, set.broken
  end
  return set, not ok, err
end

--- Closes what is not handed out, and tells of errors that nobody gets.
---@param handed table<any, boolean|"first"> by key: whose values are
local function clean_up(set, handed)
  for key, result in next, set.results do
    local kept = handed[key]
    if result.status == "failed" then
      if not kept then
        children.warn(result[1])
      end
    elseif kept ~= true then -- of one that was cancelled its error comes first
      for i = (kept == "first" or result.status == "cancelled") and 2 or 1, result.n do
        children.close(result[i])
      end
    end
  end
end

--- Runs all, and returns a table of each first value by the same keys. The first failure
--- cancels the rest, and is raised, or returned as nil, err.
---@param t table<any, function|net.Task>
---@return table? values
---@return any err
function several.all(t)
  check(t, 2)
  local failed, failure
  local set, interrupted, err = run(t, function(_, key, result)
    if has_failed(result) then
      failed, failure = key, result
      return true
    end
  end)
  if interrupted then
    clean_up(set, {})
    tasks.rethrow(err)
  elseif failure then
    clean_up(set, { [failed] = true })
    if failure.status == "failed" then
      tasks.rethrow(failure[1])
    elseif failure.status == "cancelled" then
      return nil, failure[1]
    end
    return table.unpack(failure, 1, failure.n)
  end
  local values, handed = {}, {}
  for key, result in next, set.results do
    values[key], handed[key] = result[1], "first"
  end
  clean_up(set, handed)
  return values
end

local function check_some(t)
  check(t, 3)
  if next(t) == nil then
    errors.raise("ERR_INVALID_ARG_VALUE", 3, "t", t, "must not be empty")
  end
end

--- Runs all until one does not fail, and returns its key and values; the rest is cancelled.
--- None: nil and an AggregateError, whose `errors` has each by its key.
---@param t table<any, function|net.Task>
---@return any key
---@return any ...
function several.any(t)
  check_some(t)
  local winner
  local set, interrupted, err = run(t, function(_, key, result)
    if not has_failed(result) then
      winner = key
      return true
    end
  end)
  if interrupted then
    clean_up(set, {})
    tasks.rethrow(err)
  elseif winner == nil then
    local list = {}
    for key, result in next, set.results do
      list[key] = result[result.status == "done" and 2 or 1]
    end
    return nil, errors.aggregate(list, "All of them have failed")
  end
  clean_up(set, { [winner] = true })
  local result = set.results[winner]
  return winner, table.unpack(result, 1, result.n)
end

--- Runs all until one ends, and returns its key and values, or raises its error; the rest
--- is cancelled.
---@param t table<any, function|net.Task>
---@return any key
---@return any ...
function several.race(t)
  check_some(t)
  local winner
  local set, interrupted, err = run(t, function(_, key)
    winner = key
    return true
  end)
  if interrupted then
    clean_up(set, {})
    tasks.rethrow(err)
  end
  clean_up(set, { [winner] = true })
  local result = set.results[winner]
  if result.status == "failed" then
    tasks.rethrow(result[1])
  elseif result.status == "cancelled" then
    return winner, nil, result[1]
  end
  return winner, table.unpack(result, 1, result.n)
end

return several
