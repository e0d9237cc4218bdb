-- SPDX-License-Identifier: MIT

--- net.wait - how a coroutine waits for the loop.
--
-- Internal. What Node does with promises is done here by functions that yield
-- until something has happened. The coroutine is resumed on a tick, never from
-- inside an emit, so that it may do as it likes; an error in it is uncaught,
-- like that of a listener, and keeps the coroutine's own traceback.

local core = require("net.core")

local wait = {}

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

--- Yields until `waiter.done` is true. Somebody else may resume the coroutine
--- meanwhile; that is not what it waits for.
---@param waiter {co?: thread, done?: boolean}
function wait.suspend(waiter)
  while not waiter.done do
    waiter.co = coroutine.running()
    coroutine.yield()
  end
  waiter.co = nil
end

--- Says that what `waiter` waits for has happened; its coroutine goes on soon.
---@param waiter {co?: thread, done?: boolean}
function wait.done(waiter)
  waiter.done = true
  if waiter.co then
    core.tick(resume, waiter.co)
    waiter.co = nil
  end
end

return wait
