-- SPDX-License-Identifier: MIT

--- net.internal.wait - how a coroutine waits for the loop.
--
-- Internal. What Node does with promises is done here by functions that yield
-- until something has happened. The coroutine is resumed on a tick, never from
-- inside an emit, so that it may do as it likes; an error in it is uncaught,
-- like that of a listener, and keeps the coroutine's own traceback.
--
-- When `net.run()` has nothing left to do, no coroutine that still waits will be
-- resumed by it: each is named in a warning, once. Nothing keeps it alive for that.
-- One that was collected before is remembered by its text, in `lost`.

local core = require("net.core")
local lazy = require("net.internal.lazy")

local inspect = lazy.module("net.internal.inspect")

local OURS = debug.getinfo(1, "S").source:match("^(.*)internal/wait%.lua$") -- our sources

local MAX_LOST = 100 -- texts; a program may make up names of events for ever
local OTHERS = "others" -- in `lost`, all beyond that

local wait = {
  warn_of_tasks = nil, ---@type fun()? tells of tasks that wait as net.run() ends
}

local waiting = setmetatable({}, { __mode = "k" }) -- waiters that were made, and are not told of
local lost, lost_texts = {}, 0 -- text -> how many of these were collected; how many texts

--- What a coroutine waits for: who, a public function, waits for which event of
--- what object; `co` is the coroutine, while it waits, and `done` is true when it
--- need not any more.
---@class net.Waiter
local Waiter = {}

--- `FILE:LINE` of the first function on a coroutine's stack that is not ours.
local function place_of(co)
  local level = 0
  repeat
    local info = debug.getinfo(co, level, "Sl")
    if info and info.what ~= "C" and info.source:sub(1, #OURS) ~= OURS then
      return info.short_src .. ":" .. info.currentline
    end
    level = level + 1
  until not info
end

--- `events.once(Socket, 'connect') at FILE:LINE`, or nil where nobody waits.
local function text_of(waiter)
  if not waiter.co or waiter.done or coroutine.status(waiter.co) ~= "suspended" then
    return nil
  end
  local place = place_of(waiter.co)
  return ("%s(%s, %s)%s"):format(waiter.who, inspect.class_name(waiter.emitter),
    inspect.inspect(waiter.event, 0), place and " at " .. place or "")
end

--- A waiter that is collected waits for what cannot happen any more.
function Waiter.__gc(waiter)
  local text = waiting[waiter] and text_of(waiter)
  if not text then
    return
  elseif not lost[text] then
    lost_texts = lost_texts + 1
    text = lost_texts > MAX_LOST and OTHERS or text
  end
  lost[text] = (lost[text] or 0) + 1
end

--- What is to be told: text -> number of coroutines. Each is counted once.
local function take_texts()
  local texts = lost
  lost, lost_texts = {}, 0
  for waiter in next, waiting do
    local text = text_of(waiter)
    if text then
      texts[text] = (texts[text] or 0) + 1
      waiting[waiter] = nil
    end
  end
  return texts
end

--- The warnings, by text.
local function take_lines()
  local texts, lines = take_texts(), {}
  local others = texts[OTHERS]
  texts[OTHERS] = nil
  for text, count in next, texts do
    local who = count == 1 and "A coroutine still waits" or count .. " coroutines still wait"
    lines[#lines + 1] = who .. " as net.run() ends: " .. text
  end
  table.sort(lines)
  if others then
    local who = others == 1 and "Another coroutine still waits"
      or others .. " more coroutines still wait"
    lines[#lines + 1] = who .. " as net.run() ends"
  end
  return lines
end

--- Not yet where "beforeExit" is still to come, which may wake them.
local function warn_of_waiters()
  if core.launched and require("net.process"):listenerCount("beforeExit") > 0 then
    return
  end
  for _, line in ipairs(take_lines()) do
    require("net.process").emitWarning(line)
  end
  if wait.warn_of_tasks then
    wait.warn_of_tasks()
  end
end

--- For `wait.suspend`.
---@param who string name of the public function
---@param emitter table|userdata
---@param event any
---@return net.Waiter
function wait.new(who, emitter, event)
  local waiter = setmetatable({ who = who, emitter = emitter, event = event }, Waiter)
  waiting[waiter] = true
  return waiter
end

--- The running coroutine; raises where nothing can wait.
---@param who string name of the public function, for the message
---@param level? integer as in `error`; 3, the caller of the public function, if left out
---@return thread
function wait.current(who, level)
  if not coroutine.isyieldable() then
    error(who .. " has to wait, and so must be called in a coroutine", level or 3)
  end
  return (coroutine.running())
end

local function resume(co)
  local ok, err = coroutine.resume(co)
  if not ok then
    core.rethrow(co, err)
  end
end

--- Waits as tasks do, in one: what interrupts it raises.
local function suspend_task(waiter)
  if not waiter.done then
    core.tasks.suspend(function(go_on)
      waiter.resume = go_on
      return nil, function()
        if waiter.done then
          go_on()
        end
      end
    end, true, waiter.who .. " %s of", waiter.event, waiter.emitter)
  end
end

--- Yields until `waiter.done` is true. Somebody else may resume the coroutine
--- meanwhile; that is not what it waits for.
---@param waiter net.Waiter
function wait.suspend(waiter)
  if core.tasks and core.tasks.can_wait() then
    return suspend_task(waiter)
  end
  while not waiter.done do
    waiter.co = coroutine.running()
    coroutine.yield()
  end
  waiter.co = nil
end

--- Says that what `waiter` waits for has happened; its coroutine goes on soon.
---@param waiter net.Waiter
function wait.done(waiter)
  waiter.done = true
  if waiter.resume then
    waiter.resume()
  elseif waiter.co then
    core.tick(resume, waiter.co)
    waiter.co = nil
  end
end

core.on_ended(warn_of_waiters)

return wait
