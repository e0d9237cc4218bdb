-- SPDX-License-Identifier: MIT

--- net.internal.eventwaits - events.once and events.on: a coroutine waits for events.
--
-- Each wait has listeners of its own on the emitter, and on the signal that may end it, of
-- which none is left behind. How a coroutine waits is wait.lua's.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local onabort = lazy.module("net.internal.onabort")
local wait = lazy.module("net.internal.wait")

local SAFE_INTEGER = 9007199254740991 -- 2^53 - 1

local prototype = core.EventEmitter.methods

local waits = {}

local function is_emitter(v)
  return (type(v) == "userdata" or type(v) == "table") and pcall(core.events, v)
end

--- Raises for what is no emitter, which the caller's caller has been given.
function waits.check_emitter(v, name, classes)
  if not is_emitter(v) then
    errors.raise("ERR_INVALID_ARG_TYPE", 3, name or "emitter", classes or "EventEmitter", v)
  end
end

local check_emitter = waits.check_emitter

local function check_options(options)
  if options ~= nil then
    validate.object(options, "options")
  end
  return options or {}
end

--- The listeners that belong to one wait: emitter, event and listener by turns. They are
--- there all, or none of them, also where memory runs out. Behind a pcall only functions
--- of C are called here: Lua gives room for calls back there, and always keeps enough for
--- one of those.
local Group = {}
Group.__index = Group

local function new_group()
  return setmetatable({ n = 0 }, Group)
end

function Group:note(emitter, event, listener)
  local n = self.n
  self[n + 1], self[n + 2], self[n + 3] = emitter, event, listener
  self.n = n + 3
end

local function add_all(group, method, signal)
  for i = 1, group.n, 3 do
    if group[i] == signal then
      onabort.listen(signal, group[i + 2])
    else
      (group[i][method] or prototype[method])(group[i], group[i + 1], group[i + 2])
    end
  end
end

local function remove_all_of(group, signal)
  for i = 1, group.n, 3 do
    if group[i] == signal then
      onabort.unlisten(signal, group[i + 2])
    else
      (group[i].off or prototype.off)(group[i], group[i + 1], group[i + 2])
    end
  end
end

--- Adds those that were noted by the method, and that of the signal unseen.
function Group:add(method, signal)
  local ok, err = pcall(add_all, self, method, signal)
  if not ok then
    core.forget_all(self)
    error(err, 0)
  end
end

function Group:remove(signal)
  local ok, err = pcall(remove_all_of, self, signal)
  if not ok then
    core.forget_all(self)
    error(err, 0)
  end
end

--- A coroutine that is closed while it waits leaves none; nor does one that fails, where
--- whoever resumes it closes it, as coroutine.wrap does.
Group.__close = core.forget_all

--- Waits for an event. An "error" meanwhile, unless that is the event, or the
--- abort of `signal` is a failure.
---@param emitter net.EventEmitter
---@param event any
---@param options? {signal: net.AbortSignal}
---@return table? args the event's arguments, and their number as `n`
---@return any err when it failed
function waits.once(emitter, event, options)
  local signal = validate.signal(check_options(options).signal, "options.signal")
  check_emitter(emitter)
  wait.current("events.once")
  if signal and signal.aborted then
    return nil, errors.abort(signal.reason)
  end

  local waiter, args, failure = wait.new("events.once", emitter, event), nil, nil
  local group <close> = new_group()
  local function on_event(...)
    group:remove(signal)
    args = table.pack(...)
    wait.done(waiter)
  end
  local function on_failure(err)
    group:remove(signal)
    failure = err
    wait.done(waiter)
  end
  group:note(emitter, event, on_event)
  if event ~= "error" then
    group:note(emitter, "error", on_failure)
  end
  if signal then
    group:note(signal, "abort", function() on_failure(errors.abort(signal.reason)) end)
  end
  group:add("once", signal)
  local ok, err = pcall(wait.suspend, waiter)
  if not ok then
    core.forget_all(group)
    error(err, 0)
  end
  return args, failure
end

--- One running events.on: a queue of arguments that the loop fills and a
--- coroutine empties.
local Stream = {}
Stream.__index = Stream

function Stream:push(...)
  self.last = self.last + 1
  self[self.last] = table.pack(...)
  self.claimed = self.claimed or self.waiter ~= nil
  self:wake()
  if not self.paused and self.emitter.pause and self:size() > self.high then
    self.paused = true
    self.emitter:pause()
  end
end

--- How many wait for a coroutine that is busy.
function Stream:size()
  return self.last - self.first + 1 - (self.claimed and 1 or 0)
end

function Stream:wake()
  local waiter = self.waiter
  self.waiter = nil
  if waiter then
    wait.done(waiter)
  end
end

--- Stops to listen; what has come is still handed out, then the failure raised.
function Stream:finish(failure)
  if self.finished then
    return
  end
  self.finished, self.failure = true, failure
  local ok, err = pcall(self.group.remove, self.group, self.signal)
  self:wake()
  return ok or error(err, 0)
end

--- Takes the oldest, if there is one.
function Stream:shift()
  if self.first > self.last then
    return nil
  end
  local args = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  self.claimed = false
  if self.paused and self:size() < self.low then
    self.paused = false
    self.emitter:resume()
  end
  return args
end

--- The iterator: waits for the next, ends with nil, raises what failed.
function Stream:next()
  wait.current("events.on")
  local args = self:shift()
  while not args and not self.finished do
    self.waiter = wait.new("events.on", self.emitter, self.event)
    wait.suspend(self.waiter)
    args = self:shift()
  end
  local failure = self.failure
  if not args and failure ~= nil then
    self.failure = nil
    error(failure, 0)
  end
  return args
end

--- Leaving the loop, by break or by an error, is the end of it.
function Stream:__close()
  if getmetatable(self) ~= Stream then
    errors.raise("ERR_INVALID_THIS", 2, "Stream")
  end
  self.failure = nil
  if not pcall(self.finish, self) then
    core.forget_all(self.group)
  end
end

--- Iterates over the events of one name, in a coroutine:
---
---     for args in events.on(server, "connection") do handle(args[1]) end
---
--- Those that come while the loop's body is busy wait. An "error" (unless that
--- is the event) and the abort of `signal` are raised, after what came before.
---@param emitter net.EventEmitter
---@param event any
---@param options? net.EventsOnOptions
---@return fun(): table? next the arguments of one event, and their number as `n`
---@return nil
---@return nil
---@return table closing for the generic `for`
function waits.on(emitter, event, options)
  options = check_options(options)
  local signal = validate.signal(options.signal, "options.signal")
  if signal and signal.aborted then
    errors.throw(errors.abort(signal.reason), 2)
  end
  local high = options.highWaterMark == nil and SAFE_INTEGER
    or validate.integer(options.highWaterMark, "options.highWaterMark", 1)
  local low = options.lowWaterMark == nil and 1
    or validate.integer(options.lowWaterMark, "options.lowWaterMark", 1)
  check_emitter(emitter)

  local group = new_group()
  local stream = setmetatable({
    emitter = emitter, event = event, signal = signal, group = group,
    first = 1, last = 0, high = high, low = low,
  }, Stream)
  local function fail(err) stream:finish(err) end
  if signal then
    group:note(signal, "abort", function() fail(errors.abort(signal.reason)) end)
  end
  group:note(emitter, event, function(...) stream:push(...) end)
  if event ~= "error" then
    group:note(emitter, "error", fail)
  end
  for _, name in ipairs(type(options.close) == "table" and options.close or {}) do
    group:note(emitter, name, function() stream:finish() end)
  end
  local function next_one() return stream:next() end
  group:add("on", signal)
  return next_one, nil, nil, stream
end

return waits
