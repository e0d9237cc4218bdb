-- SPDX-License-Identifier: MIT

--- net.abort - AbortController and AbortSignal.
--
-- A signal is a plain table: `aborted`, `reason`, `onabort`. Its one event,
-- "abort", comes at most once, inside `controller:abort()`, with a table
-- {type = "abort", target = signal}. Listeners are added as to an EventTarget
-- (`addEventListener`, one listener only once) or as to an emitter (`on`); each
-- is called whatever the others do, and an error of one is uncaught on a tick.

local core = require("net.core")
local events = require("net.events")
local lazy = require("net.internal.lazy")
local onabort = require("net.internal.onabort")
local truthy = require("net.internal.options").truthy
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local process = lazy.module("net.process")
local timers = lazy.module("net.timers")

local ABORT_CODE, TIMEOUT_CODE = 20, 23 -- DOMException's

local WEAK_KEYS, WEAK_VALUES = { __mode = "k" }, { __mode = "v" }

local abort = {}

---@class net.AbortSignal
local AbortSignal = events.EventEmitter.extend({ __name = "AbortSignal" })

---@class net.AbortController
local AbortController = { __name = "AbortController" }
AbortController.__index = AbortController

local function new_signal()
  local signal = setmetatable({ aborted = false }, AbortSignal)
  core.events(signal, true).max = 0 -- any number of listeners
  return signal
end

local function abort_reason(...)
  local reason = ...
  if reason == nil then
    reason = errors.new("AbortError", "This operation was aborted", ABORT_CODE)
  end
  return reason
end

--- The first thing of each method: with a dot instead of the colon, what is said is
--- not of the arguments, which are one place off then.
local function check_this(self, class, name)
  if getmetatable(self) ~= class then
    errors.raise("ERR_INVALID_THIS", 3, name)
  end
end

-- The event

--- The entries of "abort", in order; see net.events for what they are.
local function entries_of(signal)
  local array = core.events(signal)
  for i = 1, #array, 2 do
    if array[i] == "abort" then
      local entries = array[i + 1]
      local single = type(entries) ~= "table" or getmetatable(entries) == core.once_metatable
      return single and { entries } or entries
    end
  end
  return {}
end

--- Calls one listener; its error must not keep the next from being called.
local function call(fn, event)
  local ok, err = pcall(fn, event)
  if not ok then
    core.tick(error, err, 0)
  end
end

local function dispatch(signal)
  local event = { type = "abort", target = signal }
  for _, entry in ipairs(entries_of(signal)) do
    local fn = entry
    if type(entry) == "table" then
      fn = entry[1]
      if not entry.keep then
        core.unlisten(signal, "abort", entry)
      end
    end
    call(fn, event)
  end
end

--- The composites of a signal, oldest first.
local function dependents_of(signal)
  local list = {}
  for dependent in pairs(signal._dependents or {}) do
    list[#list + 1] = dependent
  end
  table.sort(list, function(a, b) return a._order < b._order end)
  return list
end

local function mark(signal, reason)
  signal.aborted, signal.reason = true, reason
  for _, source in ipairs(signal._sources or {}) do
    source._dependents[signal] = nil
    source._held[signal] = nil
  end
end

--- Marks the signal and its composites, then tells each: a listener finds every
--- one of them aborted.
local function abort_signal(signal, reason)
  if signal.aborted then
    return
  end
  local told = dependents_of(signal)
  table.insert(told, 1, signal)
  for _, each in ipairs(told) do
    mark(each, reason)
  end
  for _, each in ipairs(told) do
    dispatch(each)
  end
end

-- AbortSignal

--- Raises unless there are a name and a listener: a function, a table, or nil, which
--- has no effect. Returns whether there is one.
local function check_listener(count, listener)
  if count < 2 then
    errors.raise("ERR_MISSING_ARGS", 3, "type", "listener")
  end
  local kind = type(listener)
  if kind ~= "function" and kind ~= "table" and kind ~= "nil" then
    errors.raise("ERR_INVALID_ARG_TYPE", 3, "listener", "EventListener", listener)
  end
  return kind ~= "nil"
end

--- The options as a table; true and false say whether to capture.
local function check_options(options)
  if type(options) == "boolean" then
    return { capture = options }
  elseif type(options) == "function" or options == nil then
    return {}
  elseif type(options) ~= "table" then
    errors.raise("ERR_INVALID_ARG_TYPE", 3, "options", "object", options)
  elseif options.signal ~= nil then
    validate.signal(options.signal, "options.signal")
  end
  return options
end

--- What is called for a listener: itself if it is a function, else a function that looks
--- for its `handleEvent` when the time has come. As in the DOM one that captures is
--- another than one that does not. `made` is kept with the signal.
local function called_for(signal, listener, capture, made)
  if type(listener) == "function" and not capture then
    return listener
  end
  local all = rawget(signal, "_called") or setmetatable({}, WEAK_KEYS)
  rawset(signal, "_called", all)
  local own = all[listener] or {}
  all[listener] = own
  own[capture] = own[capture] or made
  return own[capture]
end

local function caller(listener)
  return function(event)
    if type(listener) == "function" then
      listener(event)
    elseif truthy(listener.handleEvent) then
      listener.handleEvent(listener, event)
    end
  end
end

--- What a signal keeps for each listener that another takes back: at its end the other
--- forgets it.
local Link = {
  __gc = function(link)
    onabort.unlisten(link.other, link.fn)
  end,
}

--- Has a listener of `signal` taken off when another signal aborts. The other, which may
--- live for ever, does not keep `signal` alive, nor anything of it once that is gone.
local function take_back_with(other, signal, kind, listener)
  local weak = setmetatable({ signal = signal, listener = listener }, WEAK_VALUES)
  local function take_back()
    if weak.signal and weak.listener then
      weak.signal:off(kind, weak.listener)
    end
  end
  onabort.listen(other, take_back)
  local links = rawget(signal, "_links") or {}
  links[#links + 1] = setmetatable({ other = other, fn = take_back }, Link)
  rawset(signal, "_links", links)
end

--- Adds a listener, unless it is there already: a function, or a table with a method
--- `handleEvent`. Options have `once`, `capture`, and a `signal` that takes it back.
---@param kind "abort"
---@param ... any listener, options
function AbortSignal:addEventListener(kind, ...)
  check_this(self, AbortSignal, "EventTarget")
  local listener, options = ...
  options = check_options(options)
  if not check_listener(select("#", ...) + 1, listener) then
    return process.emitWarning("addEventListener called with nil which has no effect.",
      "AddEventListenerArgumentTypeWarning")
  elseif options.signal and options.signal.aborted then
    return
  end
  kind = tostring(kind)
  local fn = called_for(self, listener, truthy(options.capture), caller(listener))
  if self:listenerCount(kind, fn) > 0 then
    return
  end
  self[truthy(options.once) and "once" or "on"](self, kind, fn)
  if options.signal then
    take_back_with(options.signal, self, kind, fn)
  end
end

--- Takes a listener back that was added with the same `capture`.
---@param kind "abort"
---@param ... any listener, options
function AbortSignal:removeEventListener(kind, ...)
  check_this(self, AbortSignal, "EventTarget")
  local listener, options = ...
  if not check_listener(select("#", ...) + 1, listener) then
    return
  end
  local capture = options == true or type(options) == "table" and options.capture == true
  local fn = called_for(self, listener, capture)
  if fn then
    self:off(tostring(kind), fn)
  end
end

--- Raises the reason, if the signal is aborted.
function AbortSignal:throwIfAborted()
  check_this(self, AbortSignal, "AbortSignal")
  if self.aborted then
    errors.throw(self.reason, 2)
  end
end

--- The listener behind the field `onabort`, in its place among the others.
function AbortSignal:__newindex(key, value)
  check_this(self, AbortSignal, "AbortSignal")
  if key ~= "onabort" then
    rawset(self, key, value)
    return
  end
  local slot = rawget(self, "_onabort")
  if not slot then
    slot = {}
    rawset(self, "_onabort", slot)
    core.listen_hidden(self, "abort", function(event)
      if type(slot.fn) == "function" then
        slot.fn(event)
      end
    end, "keep")
  end
  slot.fn = value
end

function AbortSignal:__index(key)
  check_this(self, AbortSignal, "AbortSignal")
  if key == "onabort" then
    local slot = rawget(self, "_onabort")
    return slot and slot.fn
  end
  return AbortSignal[key]
end

AbortSignal.__tostring = function(self)
  check_this(self, AbortSignal, "AbortSignal")
  return "[object AbortSignal]"
end

--- What hangs off the class, not off signals.
local class = {}

--- A signal that is aborted already.
---@param ... any the reason; an AbortError if left out
---@return net.AbortSignal
function class.abort(...)
  local signal = new_signal()
  signal.aborted, signal.reason = true, abort_reason(...)
  return signal
end

--- A signal that aborts by itself, with a TimeoutError; its timer does not hold
--- the loop.
---@param ms integer milliseconds
---@return net.AbortSignal
function class.timeout(ms)
  validate.uint32(ms, "delay")
  local signal = new_signal()
  timers.setTimeout(function()
    abort_signal(signal, errors.new("TimeoutError",
      "The operation was aborted due to timeout", TIMEOUT_CODE))
  end, ms):unref()
  return signal
end

local function check_signals(signals)
  if type(signals) ~= "table" or getmetatable(signals) == AbortSignal then
    errors.throw(errors.new("TypeError", "signals cannot be converted to sequence.",
      "ERR_INVALID_ARG_TYPE"), 3)
  end
  for i, signal in ipairs(signals) do
    if getmetatable(signal) ~= AbortSignal then
      local message = ("signals[%d] is not of type AbortSignal."):format(i - 1)
      errors.throw(errors.new("TypeError", message, "ERR_INVALID_ARG_TYPE"), 3)
    end
  end
end

local made = 0 -- composites so far, for their order

--- A source knows its composites weakly, so that a signal which lives as long as
--- the program does not collect one for each connection; but it holds those that
--- somebody listens to.
local function depend(signal, source)
  source._dependents = source._dependents or setmetatable({}, WEAK_KEYS)
  source._held = source._held or {}
  source._dependents[signal] = true
  table.insert(signal._sources, source)
end

local function hold_while_heard(signal)
  local function set(value)
    for _, source in ipairs(signal._sources) do
      source._held[signal] = value
    end
  end
  core.listen_hidden(signal, "newListener", function()
    set(not signal.aborted or nil)
  end, "keep")
  core.listen_hidden(signal, "removeListener", function()
    set(signal:listenerCount("abort") > 0 and not signal.aborted or nil)
  end, "keep")
end

--- A signal that aborts with the first of several, and with its reason.
---@param signals net.AbortSignal[]
---@return net.AbortSignal
function class.any(signals)
  check_signals(signals)
  for _, source in ipairs(signals) do
    if source.aborted then
      return class.abort(source.reason)
    end
  end
  local signal = new_signal()
  made = made + 1
  signal._order, signal._sources = made, {}
  for _, source in ipairs(signals) do
    -- Of a composite its sources count, so that they all abort at once.
    for _, origin in ipairs(source._sources or { source }) do
      depend(signal, origin)
    end
  end
  hold_while_heard(signal)
  return signal
end

abort.AbortSignal = setmetatable(class, {
  __call = function()
    errors.raise("ERR_ILLEGAL_CONSTRUCTOR", 2)
  end,
})

-- AbortController

--- Aborts the signal, once.
---@param ... any the reason; an AbortError if left out
function AbortController:abort(...)
  check_this(self, AbortController, "AbortController")
  abort_signal(self.signal, abort_reason(...))
end

AbortController.__tostring = function(self)
  check_this(self, AbortController, "AbortController")
  return "[object AbortController]"
end

--- `AbortController()` makes one: `signal`, and `abort` to pull it.
abort.AbortController = setmetatable({}, {
  __call = function()
    return setmetatable({ signal = new_signal() }, AbortController)
  end,
})

return abort
