-- SPDX-License-Identifier: MIT

--- net.events - emitters for Lua code, and the rarer methods of all of them.
--
-- `on`, `once`, `off`, `emit` and their kin are src/events/emitter.c's and work on
-- every object of ours and on any Lua table. What is called seldom is here, and
-- is added to the same method tables. An object of one's own:
--
--     local door = events.EventEmitter()          -- an emitter, with any fields
--
--     local Door = events.EventEmitter.extend()   -- a class of emitters
--     function Door:open() self:emit("open") end
--     local front = setmetatable({}, Door)
--
-- Listeners live in an array of event, entries, event, entries, ... in order of
-- first use (core.events). Entries are one entry or a list of them; an entry is
-- a function, a once entry {fn} under core.once_metatable, or one of ours, a
-- light userdata or a table with 'hidden', which nothing here ever shows.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local inspect = lazy.module("net.internal.inspect")
local onabort = lazy.module("net.internal.onabort")
local process = lazy.module("net.process")
local wait = lazy.module("net.internal.wait")

local SAFE_INTEGER = 9007199254740991 -- 2^53 - 1

local events = {}

--- The name under which listeners hear every "error" without handling it.
events.errorMonitor = core.error_monitor

-- Entries

local function is_list(entries)
  return type(entries) == "table" and getmetatable(entries) ~= core.once_metatable
end

local function is_visible(entry)
  return type(entry) == "function" or (type(entry) == "table" and not entry.hidden)
end

local function listener_of(entry)
  return type(entry) == "table" and entry[1] or entry
end

--- The visible entries of an event, or of a value that holds entries.
local function visible_of(entries)
  local visible = {}
  if is_list(entries) then
    for _, entry in ipairs(entries) do
      if is_visible(entry) then
        visible[#visible + 1] = entry
      end
    end
  elseif entries ~= nil and is_visible(entries) then
    visible[1] = entries
  end
  return visible
end

local function visible_entries(emitter, event)
  local array = core.events(emitter) or {}
  for i = 1, #array, 2 do
    if rawequal(array[i], event) or array[i] == event then
      return visible_of(array[i + 1])
    end
  end
  return {}
end

local prototype = core.EventEmitter.methods

--- A method of an emitter: its own, or ours where it is a table that has none.
local function method_of(emitter, name)
  return emitter[name] or prototype[name]
end

-- Methods

local methods = {}

--- Names of the events that have listeners, in order of first use.
---@return any[]
function methods:eventNames()
  local array, names = core.events(self) or {}, {}
  for i = 1, #array, 2 do
    if #visible_of(array[i + 1]) > 0 then
      names[#names + 1] = array[i]
    end
  end
  return names
end

--- The listeners of an event, those added by `once` as they were given.
---@return function[]
function methods:listeners(event)
  local list = visible_entries(self, event)
  for i, entry in ipairs(list) do
    list[i] = listener_of(entry)
  end
  return list
end

local wrapper = {}

--- Removes the once listener and calls it, as an emit would.
function wrapper.__call(self, ...)
  if getmetatable(self) ~= wrapper then
    errors.raise("ERR_INVALID_THIS", 2, "Listener")
  end
  if self.entry then
    method_of(self.emitter, "off")(self.emitter, self.event, self.listener)
    self.entry = nil
    return self.listener(...)
  end
end

--- The listeners of an event; for one added by `once` a callable table with the
--- field `listener`.
---@return any[]
function methods:rawListeners(event)
  local list = visible_entries(self, event)
  for i, entry in ipairs(list) do
    if type(entry) == "table" then
      list[i] = setmetatable({
        listener = entry[1], entry = entry, emitter = self, event = event,
      }, wrapper)
    end
  end
  return list
end

--- How many listeners an event has, or how often one of them is there.
---@param event any
---@param listener? function
---@return integer
function methods:listenerCount(event, listener)
  local list = visible_entries(self, event)
  if listener == nil then
    return #list
  end
  local count = 0
  for _, entry in ipairs(list) do
    count = count + (listener_of(entry) == listener and 1 or 0)
  end
  return count
end

--- Removes an event's listeners, the newest first. Where somebody hears of it each is
--- removed as by `off`.
local function remove_all(emitter, event)
  local list = visible_entries(emitter, event)
  for i = #list, 1, -1 do
    local heard = core.listens(emitter, "removeListener")
    if core.unlisten(emitter, event, list[i], not heard) and heard then
      method_of(emitter, "emit")(emitter, "removeListener", event, listener_of(list[i]))
    end
  end
end

--- Removes all listeners, or all of one event. "removeListener" tells of each.
---@param ... any the event
---@return self
function methods:removeAllListeners(...)
  local event = ...
  if event ~= nil then
    remove_all(self, event)
    if event == "readable" then
      core.unlistened(self, event)
    end
    return self
  end
  for _, each in ipairs(methods.eventNames(self)) do
    if each ~= "removeListener" then
      remove_all(self, each)
    end
  end
  remove_all(self, "removeListener")
  core.unlistened(self, "readable")
  return self
end

--- From how many listeners of one event on a warning is due.
---@param n number 0 for any number
---@return self
function methods:setMaxListeners(n)
  validate.number(n, "setMaxListeners", 0)
  core.events(self, true).max = n
  return self
end

---@return number
function methods:getMaxListeners()
  local array = core.events(self)
  local n = array and array.max or core.max_listeners()
  return math.tointeger(n) or n
end

-- Every class that emits has them: those that are there at the end of loading, and what
-- is opened later gets them from EventEmitter.
for _, class in next, core do
  if type(class) == "table" and class.methods and class.methods.emit then
    for name, method in pairs(methods) do
      class.methods[name] = method
    end
  end
end

-- Listeners that look like a leak

--- The core's word that an event has got more listeners than it may, once.
function events._warn_of_listeners(emitter, event, count)
  local message = ("Possible EventEmitter memory leak detected. %d %s listeners added to [%s]. "
    .. "MaxListeners is %s. Use emitter.setMaxListeners() to increase limit"):format(
    count, tostring(event), inspect.class_name(emitter),
    inspect.number(methods.getMaxListeners(emitter)))
  process.emitWarning(errors.new("MaxListenersExceededWarning", message, nil, {
    emitter = emitter, type = event, count = count,
  }))
end

-- EventEmitter

local EventEmitter = { prototype = prototype }

--- Makes a class of emitters: a table to put methods into, and the metatable of
--- its objects, which are plain tables.
---@param class? table to be made one
---@return table class
function EventEmitter.extend(class)
  class = class or {}
  class.__index = class
  if not getmetatable(class) then
    setmetatable(class, { __index = prototype })
  else
    for name, method in pairs(prototype) do
      class[name] = class[name] or method
    end
  end
  return class
end

--- What EventEmitter and the module have in common: a default that can be set.
local default_max = {
  __index = function(_, key)
    if key == "defaultMaxListeners" then
      local n = core.max_listeners()
      return math.tointeger(n) or n
    end
  end,
  __newindex = function(t, key, value)
    if t ~= events and t ~= EventEmitter then
      errors.raise("ERR_INVALID_THIS", 2, "EventEmitter")
    end
    if key ~= "defaultMaxListeners" then
      rawset(t, key, value)
      return
    end
    core.max_listeners(validate.number(value, "defaultMaxListeners", 0))
  end,
}

setmetatable(EventEmitter, {
  --- In Node the class and the module are one.
  __index = function(_, key)
    return events[key]
  end,
  __newindex = default_max.__newindex,
  --- `captureRejections` is taken and means nothing: Lua has no promises.
  __call = function(_, options)
    if options and options.captureRejections then
      validate.boolean(options.captureRejections, "options.captureRejections")
    end
    return core.emitter.new()
  end,
})

events.EventEmitter = EventEmitter

-- Functions about emitters

local function is_emitter(v)
  return (type(v) == "userdata" or type(v) == "table") and pcall(core.events, v)
end

local function check_emitter(v, name, classes)
  if not is_emitter(v) then
    errors.raise("ERR_INVALID_ARG_TYPE", 3, name or "emitter", classes or "EventEmitter", v)
  end
end

local EITHER = { "EventEmitter", "EventTarget" }

---@return integer
function events.listenerCount(emitter, event)
  check_emitter(emitter, "emitter", EITHER)
  return methods.listenerCount(emitter, event)
end

---@return function[]
function events.getEventListeners(emitter, event)
  check_emitter(emitter, "emitter", EITHER)
  return methods.listeners(emitter, event)
end

---@return number
function events.getMaxListeners(emitter)
  check_emitter(emitter, "emitter", EITHER)
  return methods.getMaxListeners(emitter)
end

--- Sets the maximum of each emitter, or the default where there is none.
---@param n? number 10 if left out
---@param ... table|userdata
function events.setMaxListeners(n, ...)
  n = validate.number(n == nil and 10 or n, "setMaxListeners", 0)
  if select("#", ...) == 0 then
    core.max_listeners(n)
  end
  for i = 1, select("#", ...) do
    local emitter = select(i, ...)
    check_emitter(emitter, "eventTargets", EITHER)
    methods.setMaxListeners(emitter, n)
  end
end

-- For coroutines

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
function events.once(emitter, event, options)
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
function events.on(emitter, event, options)
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

return setmetatable(events, default_max)
