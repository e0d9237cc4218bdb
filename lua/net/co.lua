-- SPDX-License-Identifier: MIT

--- net.co - tasks: the same sockets without callbacks.
--
-- The object, its waits and its scopes are C (src/task); here are the argument forms, the
-- end of the program, and what is made of a wait for a function that somebody calls.

local core = require("net.core")
local args = require("net.internal.args")
local children = require("net.internal.task.children")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")
local wait = require("net.internal.wait")

local errors = lazy.module("net.internal.errors")
local listen = require("net.internal.task.listen")
local queue = lazy.module("net.internal.task.queue")
local servers = require("net.internal.task.servers")
local sockets = require("net.internal.task.sockets")
local several = lazy.module("net.internal.task.several")

local tasks = core.open_tasks()

local MAX_MS = 2147483647

---@type net.co
local co = {}

-- Tasks

--- Starts a task that runs `fn(...)`; it only queues it, and may be called anywhere.
---@type fun(fn: function, ...: any): net.Task
co.spawn = tasks.launch

--- The running task, or nil.
---@type fun(): net.Task?
co.current = tasks.current

--- The tasks that have not ended, by age.
---@type fun(): net.Task[]
co.tasks = tasks.tasks

local function describe_task(task)
  local waiting = task.waiting
  local text = tostring(task) .. ": " .. (waiting and "waits in " .. waiting or task.status)
  local trace = task:traceback()
  return trace == "" and text or text .. "\n" .. trace
end

--- All tasks with their tracebacks, as text.
---@return string
function co.traceback()
  local lines = {}
  for i, task in ipairs(tasks.tasks()) do
    lines[i] = describe_task(task)
  end
  return table.concat(lines, "\n")
end

-- Running

--- Starts what a call of `co.run` runs, whose error stops the loop: only as long as that runs
--- for this call, as else nobody is there to raise it. One that an error has left may have
--- found no memory to take note of it, so it is the loop that knows.
local function spawn_run(call, fn, ...)
  return tasks.spawn(function(task)
    local _, runs_for = core.running()
    local counts = runs_for == call and task.status == "failed"
    if counts then
      core.stop()
    end
    return counts
  end, fn, ...)
end

local function results_of(status, ...)
  if status == "done" then
    return ...
  elseif status == "failed" then
    tasks.rethrow((...))
  elseif status == "cancelled" then
    return nil, (...)
  end
end

--- Spawns a task, runs the loop until nothing holds it, and returns what `fn` does, or
--- raises its error at once. After `net.stop()`: nil and an error; the task lives on.
---@param fn function
---@param ... any
---@return any ...
function co.run(fn, ...)
  validate.func(fn, "fn")
  if core.running() then
    error("net.run() is running already", 2) -- before it queues anything
  end
  local call = core.caller()
  local task = spawn_run(call, fn, ...)
  local alive = core.run_for(nil, call)
  if tasks.outcome(task) then
    return results_of(tasks.outcome(task))
  elseif alive then
    return nil, errors.codes.ERR_LOOP_STOPPED()
  end
  errors.raise("ERR_DEADLOCK", 2, "Nothing can wake the task of co.run: " .. describe_task(task))
end

-- Time

--- A duration as setTimeout takes it: whole ms, 1 to 2^31-1.
local function duration(ms)
  ms = ms == nil and 1 or args.tonumber_js(ms)
  return ms >= 1 and ms <= MAX_MS and ms // 1 | 0 or 1
end

local sleep = tasks.sleeper(duration)

--- Waits so many milliseconds.
---@type fun(ms: number): true
co.sleep = sleep

--- Lets others run, and what there is to read of this turn.
---@type fun(): true
co.yield = tasks.yield

--- For a `for` loop that runs every `ms`, at a fixed rate: the number of the period, the
--- first after `ms`. One that is missed is skipped.
---@param ms number
---@return fun(): integer
function co.every(ms)
  ms = duration(ms)
  local start, n = core.now(), 0
  return function()
    local now = core.now()
    n = math.max(n + 1, (now - start) // ms)
    local due = start + n * ms
    if due > now then
      sleep(due - now)
    else
      tasks.yield()
    end
    return n
  end
end

--- Calls `fn(...)`, which has so much time for its waits.
---@param ms number milliseconds; math.huge: no limit
---@param fn function
---@param ... any
---@return any ... what fn returns; nil and a TimeoutError once it was interrupted
function co.timeout(ms, fn, ...)
  validate.number(ms, "ms", 0)
  return tasks.timeout(ms == math.huge and ms or duration(ms), fn, ...)
end

-- Scopes

--- Calls `fn(...)` where no cancel and no timeout from outside reaches it.
---@type fun(fn: function, ...: any): ...
co.shield = tasks.shield

--- As Lua's pcall, but a cancel or a timeout passes through it.
---@type fun(fn: function, ...: any): boolean, ...
co.pcall = tasks.pcall

--- Would a wait here be interrupted?
---@type fun(): boolean
co.cancelled = tasks.cancelled

local function pass(release, ok, ...)
  release()
  if not ok then
    tasks.rethrow((...))
  end
  return ...
end

--- Calls `fn(...)`, whose waits an AbortSignal ends.
---@param signal net.AbortSignal
---@param fn function
---@param ... any
---@return any ... what fn returns; nil and an AbortError once it was interrupted
function co.withSignal(signal, fn, ...)
  validate.signal(signal, "signal")
  local scope, on_abort
  local function release()
    signal:removeEventListener("abort", on_abort)
  end
  scope = tasks.scope(release)
  function on_abort()
    tasks.hit(scope, errors.codes.ABORT_ERR(signal.reason))
  end
  if signal.aborted then
    on_abort()
  else
    signal:addEventListener("abort", on_abort)
  end
  return pass(release, pcall(tasks.within, scope, fn, ...))
end

co.group = require("net.internal.task.group")
co.all = function(t) return several.all(t) end
co.any = function(t) return several.any(t) end
co.race = function(t) return several.race(t) end
co.queue = function(capacity) return queue.queue(capacity) end
co.semaphore = function(n) return queue.semaphore(n) end

-- Waiting for what callbacks tell

--- Calls `start(resume)`, and waits until somebody calls `resume(...)`, whose arguments it
--- returns.
---@type fun(start: fun(resume: fun(...): boolean): function?): ...
co.suspend = function(start)
  return tasks.suspend(start)
end

--- An iterator whose body may wait; it yields by `coroutine.yield`.
---@type fun(fn: function, ...: any): function, nil, nil, any
co.generator = tasks.generator

--- Anything with `on` and `off`, as events.once takes it.
local function is_emitter(value)
  local kind = type(value)
  return (kind == "table" or kind == "userdata") and value.on ~= nil and value.off ~= nil
end

--- Waits for the first of some events of an emitter, or for the end of a task.
---@param emitter table|userdata
---@param ... any events
---@return any event nil, and the error, if "error" comes first and was not named
---@return any ... its arguments
function co.await(emitter, ...)
  if tasks.is(emitter) then
    return emitter:await()
  end
  local events = table.pack(...)
  if not is_emitter(emitter) then
    errors.raise("ERR_INVALID_ARG_TYPE", 2, "source", { "EventEmitter", "Task" }, emitter)
  elseif events.n == 0 then
    errors.raise("ERR_MISSING_ARGS", 2, "event")
  end
  return tasks.suspend(function(resume)
    local listeners, remove = {}, nil
    local function answer(...)
      resume(...) -- first, as it may lack memory
      remove()
    end
    for i = 1, events.n do
      local event = events[i]
      listeners[event] = function(...) answer(event, ...) end
    end
    listeners.error = listeners.error or function(err) answer(nil, err) end
    remove = listen(emitter, listeners)
    return remove
  end, true, "await %s of", events, emitter)
end

local function close_all(...)
  for i = 1, select("#", ...) do
    children.close((select(i, ...)))
  end
end

local function settled(err, ...)
  if err ~= nil then
    return nil, err
  elseif select("#", ...) == 0 then
    return true
  end
  return ...
end

--- Makes a function that waits of one that takes a callback, called with an error or nil
--- first.
---@param fn function called with its arguments and the callback
---@return function
function co.wrap(fn)
  local meta = debug.getmetatable(fn)
  if type(fn) ~= "function" and not (type(meta) == "table" and meta.__call) then
    validate.func(fn, "fn")
  end
  return function(...)
    local given = table.pack(...)
    return settled(tasks.suspend(function(resume)
      given[given.n + 1] = function(err, ...)
        if not resume(err, ...) then
          close_all(...)
        end
      end
      fn(table.unpack(given, 1, given.n + 1))
      return function(_, ...)
        close_all(...)
      end
    end, false, "wrap"))
  end
end

--- Looks up a name as `net.dns.lookup` does.
---@param host string
---@param options? table
---@return string|table|nil address with `all` a list
---@return integer|net.Error family
function co.lookup(host, options)
  return settled(tasks.suspend(function(resume)
    local request
    local function cancel()
      request:cancel()
    end
    local function look()
      error("not enough memory", 0) -- the answer may have come, and nobody has it
    end
    request = require("net.dns").lookup(host, options or {}, resume)
    return cancel, look
  end, false, "lookup %s", host))
end

-- Sockets and servers

co.EOF = tasks.socket.EOF
co.connect = sockets.connect
co.listen = servers.listen
co.finished = sockets.finished
co.pipeline = sockets.pipeline

-- Signals

tasks.on_abort(function(controller, err)
  controller:abort(err)
end)

--- A signal for callback APIs, aborted when a wait here would be interrupted.
---@return net.AbortSignal
function co.signal()
  return tasks.signal(function()
    return require("net.abort").AbortController()
  end).signal
end

-- The end of the program

tasks.on_waiting(function(...)
  return require("net.internal.task.waiting")(...)
end)

local told = setmetatable({}, { __mode = "k" }) -- tasks that were reported

--- Those that wait and that nothing can wake, once each.
core.tasks = tasks
function wait.warn_of_tasks()
  local lines = {}
  for _, task in ipairs(tasks.tasks()) do
    if task.status == "waiting" and not tasks.is_unref(task) and not told[task] then
      told[task] = true
      lines[#lines + 1] = describe_task(task)
    end
  end
  if #lines > 0 then
    local count = #lines == 1 and "A task waits" or #lines .. " tasks wait"
    require("net.process").emitWarning(count .. " as net.run() ends:\n"
      .. table.concat(lines, "\n"), "DeadlockWarning")
  end
end

return co
