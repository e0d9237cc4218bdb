-- SPDX-License-Identifier: MIT

--- net.process - this process: ticks, signals, warnings, its end.
--
-- `process` is an emitter, so `on` and the like take a colon; its functions are
-- called with a dot, as in Node: `process.nextTick(fn)`, `process.exit(1)`.
--
-- A signal is an event named after it. The first listener starts the watcher
-- (src/events/signal.c), the removal of the last brings the default disposition back.
-- Both are learned from hidden listeners for "newListener" and "removeListener",
-- which nobody counts and `removeAllListeners` leaves alone.
--
-- Events: a signal's name (name, number); "uncaughtExceptionMonitor" and
-- "uncaughtException" (err, origin); "warning" (warning); "beforeExit" (code)
-- when the launcher has run out of work, "exit" (code) before the end.

local core = require("net.core")

-- Where this module is the first to be required, the core has just loaded it, for the
-- channel to the parent; and there is one process.
if package.loaded["net.process"] then
  return package.loaded["net.process"]
end

local args = require("net.internal.args")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")

local signals = core.signals()

local process

-- Signals

local names_of = {} -- number -> names that have listeners; some have two names
local fallback = {} -- number -> what is called where nobody listens

local function add_name(name)
  local number = signals[name]
  local names = names_of[number] or {}
  names_of[number] = names
  if not names[name] then
    core.signal_start(process, number)
    names[name] = true
  end
end

--- Brings the default disposition back, if nobody listens any more.
local function stop_unheard(number)
  if not next(names_of[number]) and not fallback[number] then
    core.signal_stop(process, number)
  end
end

local function remove_name(name)
  local number = signals[name]
  local names = names_of[number]
  if not names or process:listenerCount(name) > 0 then
    return
  end
  names[name] = nil
  stop_unheard(number)
end

local function on_signal(number)
  if not next(names_of[number]) then
    return fallback[number](number)
  end
  for name in pairs(names_of[number]) do
    process:emit(name, name, number)
  end
end

process = core.process.new(on_signal)

core.listen_hidden(process, "newListener", function(event)
  if signals[event] then
    add_name(event)
  end
end, "first")

core.listen_hidden(process, "removeListener", function(event)
  if signals[event] then
    remove_name(event)
  end
end, "first")

--- Where memory runs out amid it, no watcher is left without a listener. Behind the
--- pcall only functions of C are called: Lua gives room for calls back there, and always
--- keeps enough for one of those.
for _, name in ipairs({
  "on", "addListener", "once", "prependListener", "prependOnceListener", "off", "removeListener",
}) do
  local method = core.Process.methods[name]
  core.Process.methods[name] = function(self, event, ...)
    local number = signals[event]
    if not number then
      return method(self, event, ...)
    end
    local ok, result = pcall(method, self, event, ...)
    if ok then
      return result
    end
    local array, names = core.events(self), names_of[number]
    for i = 1, array and #array or 0, 2 do
      if array[i] == event then
        error(result, 0)
      end
    end
    if names then
      names[event] = nil
      if not next(names) and not fallback[number] then
        core.signal_stop(self, number)
      end
    end
    error(result, 0)
  end
end

--- For the launcher: `fn(number)` is called when the signal comes and nobody listens.
function core.signal_fallback(number, fn)
  fallback[number] = fn
  names_of[number] = names_of[number] or {}
  core.signal_start(process, number)
end

-- Uncaught errors

--- Offers an error to the listeners; whether there was one that took it. The launcher
--- is to know of one that came out of them.
function core.offer_uncaught(err)
  core.uncaught_raised = true
  process:emit("uncaughtExceptionMonitor", err, "uncaughtException")
  local taken = process:emit("uncaughtException", err, "uncaughtException")
  core.uncaught_raised = false
  return taken
end

core.uncaught_raised = false
core.on_uncaught(core.offer_uncaught)

-- Functions

local functions = core.Process.methods

--- Calls `fn(...)` when the current callback is over, before anything else.
---@type fun(fn: function, ...: any)
functions.nextTick = core.tick

local function signal_number(signal)
  local number = type(signal) == "number" and math.tointeger(signal) or signals[signal]
  if not number then
    errors.raise("ERR_UNKNOWN_SIGNAL", 3, signal)
  end
  return number
end

--- Sends a signal.
---@param pid integer
---@param signal? string|integer "SIGTERM" if left out; 0 only looks whether there is such a process
---@return true
function functions.kill(pid, signal)
  local number = math.tointeger(args.tonumber_js(pid))
  if not number or number < -2 ^ 31 or number >= 2 ^ 31 then
    errors.raise("ERR_INVALID_ARG_TYPE", 2, "pid", "number", pid)
  end
  local err = core.kill(number, signal_number(signal or "SIGTERM"))
  if err < 0 then
    errors.throw(errors.system(err, "kill"), 2)
  end
  return true
end

-- Warnings

local function print_warning(warning)
  if process.noWarnings then
    return
  end
  local code = type(warning.code) == "string" and ("[%s] "):format(warning.code) or ""
  local detail = type(warning.detail) == "string" and "\n" .. warning.detail or ""
  io.stderr:write(("(lua:%d) %s%s%s\n"):format(process.pid, code, tostring(warning), detail))
end

local function warn(warning)
  print_warning(warning)
  process:emit("warning", warning)
end

local function new_warning(message, kind, code, detail)
  if kind ~= nil then
    validate.string(kind, "type")
  end
  if code ~= nil then
    validate.string(code, "code")
  end
  local fields = { detail = type(detail) == "string" and detail or nil }
  return errors.new(kind or "Warning", message, code, fields)
end

--- Warns on the next tick: one line on stderr, `(lua:PID) Type: message`, and
--- the event "warning". `process.noWarnings = true`, or the environment's
--- NET_NO_WARNINGS, leaves the line out.
---
---     emitWarning(message [, type [, code]])
---     emitWarning(message, { type =, code =, detail = })
---     emitWarning(err)
---@param warning string|net.Error
---@param kind? string|table its name; "Warning" if left out
---@param code? string
function functions.emitWarning(warning, kind, code)
  local detail
  if type(kind) == "table" then
    kind, code, detail = kind.type, kind.code, kind.detail
  end
  if type(warning) == "string" then
    warning = new_warning(warning, kind, code, detail)
  elseif not errors.is_error(warning) then
    errors.raise("ERR_INVALID_ARG_TYPE", 2, "warning", { "string", "Error" }, warning)
  end
  core.tick(warn, warning)
end

-- The end

local UNSETTLED = 13 -- Node's code for a main program that waits for ever

local exit_code          -- what process.exitCode says
local exiting = false    -- "exit" has been emitted

local function check_code(code)
  local number = type(code) == "string" and code ~= "" and args.tonumber_js(code) or code
  if type(number) ~= "number" or number ~= number then
    errors.raise("ERR_INVALID_ARG_TYPE", 4, "code", "number", code)
  end
  return validate.integer(number, "code")
end

function core.Process.getters.exitCode()
  return exit_code
end

function core.Process.setters.exitCode(_, code)
  exit_code = code ~= nil and check_code(code) or nil
end

--- The environment, in a new table at each read.
function core.Process.getters.env()
  local env = {}
  for _, entry in ipairs(core.child.environ()) do
    local name, value = entry:match("^([^=]+)=(.*)$")
    if name and env[name] == nil then -- the first counts, as for os.getenv
      env[name] = value
    end
  end
  return env
end

function core.Process.getters.watchdogInterval()
  return require("net.internal.process.notify").watchdog_interval()
end

--- Whether there is a channel to the parent: see net.internal.process.own.
function core.Process.getters.connected()
  return false
end

function core.Process.getters.pid()
  return core.pid()
end

--- Emits "exit", once. An error of a listener is uncaught: it is offered to
--- whoever listens, or printed, and then the code is 1.
local function emit_exit()
  if exiting then
    return
  end
  exiting = true
  local trace
  local ok, err = xpcall(process.emit, function(e)
    trace = core.stack(e) or debug.traceback(core.describe(e), 2)
    return e
  end, process, "exit", exit_code or 0)
  if ok then
    return
  end
  local heard, taken = pcall(core.offer_uncaught, err)
  if not (heard and taken) then
    io.stderr:write(trace, "\n")
    exit_code = 1
  end
end

--- Ends the process now: emits "exit", then does what `os.exit` does: what was written
--- to sockets is handed to the kernel as far as that takes it, and files are flushed.
--- Nothing else is closed or waited for, and the Lua state is not closed either, as
--- this may be called from any depth; the system takes back what it lent.
---@param ... integer? the exit code; process.exitCode, or 0, if left out
function functions.exit(...)
  if select("#", ...) > 0 then
    process.exitCode = (...)
  end
  emit_exit()
  os.exit(exit_code or 0)
end

--- For a launcher, after net.run() has come back: emits "beforeExit" as long as
--- its listeners find new work, which is done, and then "exit". With a code, as
--- after an uncaught error, there is no "beforeExit".
---@param code? integer
---@return integer code for os.exit
function functions.finish(code)
  if code then
    exit_code = code
  end
  while not code and core.alive() == 0 do
    core.tick(function()
      process:emit("beforeExit", exit_code or 0)
      core.stop() -- run() shall only drain the ticks, and tell what is left
    end)
    if not core.run() or core.run() then
      break -- nothing new, or stopped in the middle of it
    end
  end
  if core.launched and not code and core.alive() == 0 then
    core.launched = false
    core.run() -- which names the coroutines that "beforeExit" might have woken
    if exit_code == nil and core.unsettled() then
      exit_code = UNSETTLED
    end
  end
  emit_exit()
  return exit_code or 0
end

--- What child.fork runs; luanet says where it is itself.
process.execPath = "luanet"

process.noWarnings = (os.getenv("NET_NO_WARNINGS") or "") ~= ""

return process
