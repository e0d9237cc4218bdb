-- SPDX-License-Identifier: MIT

--- net.internal.process.channel - messages to another process and from it.
--
-- The C half (src/process/channel.h) reads and writes lines; this one has what is not done
-- for every message. Here are the forms of `send`, who listens, the beginning and the end.
-- Its table, the state, is what C calls.
--
-- Its parts: queue.lua, what leaves, and waits behind a handle; lines.lua, what internal
-- lines mean; kept.lua, messages that nobody listens to yet.
--
--     local c = channel.attach(owner, descriptor, options)
--
-- `owner`, an emitter, tells "message", "disconnect" and "error". Options: `max_message`,
-- bytes of a line; `ended`, a function to be called on a tick, behind "disconnect", or right
-- before it if the peer has ended; `is_own`, for the
-- channel of this process to its parent, which holds the loop only while somebody listens;
-- `is_lua`: the peer is to be this library, as its first line will tell.
-- What comes back has
--
--   native                          the user's `channel`, with ref(), unref(), maxMessage
--   connected, isOpen
--   is_ours, unsure                 the peer is this library; it has not told yet
--   send(message[, handle[, options]][, callback])
--   disconnect()
--   send_internal(message[, descriptor[, callback[, is_answer[, lost[, is_lent]]]]])
--                                   in the same queue; `is_answer`: the peer has asked for it;
--                                   lost() where the peer could not take the descriptor, instead
--                                   of a warning; the descriptor is used up, unless it is lent
--   on_internal(cmd, fn)            fn(message, descriptor or nil) for lines with that `cmd`
--   answer(message, go)             within such a function: leaves now, with the ACK for the
--                                   descriptor if that has not left; go() when the kernel has
--                                   it, go(err) if that will never be

local core = require("net.core")
local kept = require("net.internal.process.kept")
local lazy = require("net.internal.lazy")
local lines = require("net.internal.process.lines")
local queue = require("net.internal.process.queue")

local errors = lazy.module("net.internal.errors")
local greeting = lazy.module("net.internal.process.greeting")
local handles = lazy.module("net.internal.process.handles")
local validate = lazy.module("net.internal.validate")

local MAX_MESSAGE = 67108864 -- bytes of a line, if nothing else was asked for
local LONGEST = 2 ^ 53 -- bytes that may be asked for
local NOT_OURS = "needs a process of this library at the other end"

local json, native = core.json, core.channel
local is_internal = native.is_internal

local channel = {}

local State = {} -- methods, of which each state has a copy
local fields = {}

for _, part in ipairs({ queue.methods, lines, kept }) do
  for name, method in next, part do
    State[name] = method
  end
end

--- What is not in the table itself, where the methods are, is asked of C.
local state_metatable = {
  __index = function(self, key)
    local field = fields[key]
    return field and field(self.native)
  end,
  __close = function(self) self:acknowledge() end, -- see handle_internal
}

fields.connected = native.connected
fields.isOpen = native.is_open

local function truthy(value)
  return value and value ~= 0 and value ~= "" and value == value
end

-- What is sent

local function check_message(message)
  local kind = type(message)
  if message == nil then
    errors.raise("ERR_MISSING_ARGS", 4, "message")
  elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" and kind ~= "table"
    and message ~= json.null then
    errors.raise("ERR_INVALID_ARG_TYPE", 4, "message", { "string", "object", "number", "boolean" },
      message)
  elseif is_internal(message) then
    errors.raise("ERR_INVALID_ARG_VALUE", 4, "message.cmd", message.cmd)
  end
end

--- The arguments behind the message, each in its place.
local function forms(handle, options, callback)
  if type(handle) == "function" then
    return nil, nil, handle
  elseif type(options) == "function" then
    return handle, nil, options
  elseif options ~= nil then
    validate.object(options, "options")
  end
  return handle, options, type(callback) == "function" and callback or nil
end

--- What `send` does when the owner has no channel, or one that is closed.
---@return false
function channel.refuse(owner, _, ...)
  local _, _, callback = forms(...)
  queue.refuse(owner, errors.codes.ERR_IPC_CHANNEL_CLOSED(), callback)
  return false
end

--- A send that is more than a message on its own, or comes when that cannot leave.
function State:sends(message, handle, options, callback)
  if not self.connected then
    return channel.refuse(self.owner, message, handle, options, callback)
  end
  handle, options, callback = forms(handle, options, callback)
  check_message(message)
  local is_binary = options and truthy(options.binary)
  if is_binary and not self.is_ours then
    errors.raise("ERR_INVALID_ARG_VALUE", 3, "options.binary", options.binary, NOT_OURS)
  end
  local text = json.encode(message, is_binary)
  local has_handle = truthy(handle)
  if has_handle then
    handles.check(handle, self.is_ours)
  end
  local err, parcel = self:full(), nil
  if has_handle and not err then
    parcel, err = handles.prepare(self, handle, truthy(options and options.keepOpen), is_binary)
  end
  if err then
    queue.refuse(self.owner, err, callback)
    return err.syscall == "dup" -- as a write that fails at once; else there is no room
  elseif not parcel then
    return self:enqueue_alone(text, is_binary, callback)
  end
  return self:enqueue(text, parcel, callback)
end

-- Who listens

--- Whether somebody listens, as far as a program can tell.
local function is_listened_to(owner)
  return owner:listenerCount("message") > 0 or owner:listenerCount("disconnect") > 0
end

local function review(self)
  native.want(self.native, is_listened_to(self.owner))
end

--- A listener of `event` is about to be added to the owner, or was removed.
local function listened(self, event)
  if event == "message" then
    self:heard()
  end
  if self.is_own and self.native and (event == "message" or event == "disconnect") then
    native.want(self.native, true)
    core.tick(review, self)
  end
end

-- The end

local function emit_disconnect(owner)
  owner:emit("disconnect")
end

--- Tick, one for both: what comes second does so though the first raises.
local function tell_end(owner, first, second)
  if second then
    core.tick(second, owner)
  end
  first(owner)
end

--- Lets go of the owner; needs no memory.
function State:unlisten()
  for event, fn in next, self.hidden do
    core.forget(self.owner, event, fn)
  end
end

--- Closes it; "disconnect" is behind what was read. As in Node a child that is closed by its
--- channel's end, the last that was open, tells so before.
function State:finish(by_peer)
  local first, second = self.ended, emit_disconnect
  if not first or not by_peer then
    first, second = second, first
  end
  core.tick(tell_end, self.owner, first, second)
  if self.asking then
    greeting.over(self)
  end
  native.shut(self.native)
  self:unlisten()
  self:drop_kept()
end

--- The peer has ended, or cannot be understood any more: whoever waits is told.
function State:over()
  local c, err = self.native, errors.codes.ERR_IPC_CHANNEL_CLOSED()
  if not self.isOpen then
    return
  end
  native.disconnected(c)
  native.dismiss(c, err)
  self:dismiss(err)
  for _, go in ipairs(self.going or {}) do
    core.tick(go, err)
  end
  self.going = nil
  self:finish(true)
end

--- An error that is the owner's to tell; behind one that `is_over` nothing comes.
function State:fail(err, is_over)
  if not is_over then
    self.owner:emit("error", err)
    return
  end
  queue.refuse(self.owner, err)
  self:over()
end

-- For others

function State:send(...)
  return native.send(self.native, ...)
end

function State:disconnect()
  if not self.connected then
    self.owner:emit("error", errors.codes.ERR_IPC_DISCONNECTED())
    return
  end
  self.closing = true
  native.disconnected(self.native)
  self:settle()
end

function core.Channel.setters.maxMessage(object, value)
  native.limit(object, validate.integer(value, "maxMessage", 1, LONGEST))
end

core.Channel.metatable.__tostring = function(self)
  native.is_open(self) -- raises for what is none
  return "Channel"
end

--- Closes a channel that nobody will have, as something was raised behind its start.
local guard_metatable = {
  __close = function(guard)
    local self = guard.state
    if self then
      native.shut(self.native)
      self:unlisten()
    end
  end,
}

--- Makes a channel of a Unix stream socket that is connected to another process.
---@param owner table|userdata an emitter
---@param descriptor userdata a Descriptor, which is used up
---@param options? {max_message: integer?, ended: function?, is_own: boolean?, is_lua: boolean?}
---@return table channel
function channel.attach(owner, descriptor, options)
  options = options or {}
  local self = setmetatable({
    owner = owner, handlers = {}, queue = {}, first = 1, last = 0, waiting = 0, closing = false,
    ended = options.ended, is_own = options.is_own, native = false,
  }, state_metatable)
  for name, method in next, State do
    self[name] = method
  end
  local function on_listener(event)
    listened(self, event)
  end
  self.hidden = { newListener = on_listener, removeListener = on_listener }
  local guard <close> = setmetatable({ state = false }, guard_metatable)
  self.native = native.open(descriptor, owner, self, options.max_message or MAX_MESSAGE)
  guard.state = self
  for event, fn in next, self.hidden do
    core.listen_hidden(owner, event, fn, "first")
  end
  if options.is_own then
    review(self)
  else
    self.is_ours, self.unsure = options.is_lua or false, options.is_lua or nil
    native.await_first(self.native)
    native.want(self.native, true)
  end
  guard.state = false
  return self
end

return channel
