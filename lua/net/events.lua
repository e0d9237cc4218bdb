-- SPDX-License-Identifier: MIT

--- net.events - emitters for Lua code, and the rarer methods of all of them.
--
-- `on`, `once`, `off`, `emit` and their kin are src/events/emitter.c's and work on
-- every object of ours and on any Lua table. What is called seldom is here, and
-- is added to the same method tables; `once` and `on`, which wait, are eventwaits.lua's. An
-- object of one's own:
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
local waits = require("net.internal.eventwaits")

local errors = lazy.module("net.internal.errors")
local inspect = lazy.module("net.internal.inspect")
local process = lazy.module("net.process")

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

local check_emitter = waits.check_emitter

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

events.once, events.on = waits.once, waits.on

return setmetatable(events, default_max)
