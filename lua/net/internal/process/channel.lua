-- SPDX-License-Identifier: MIT

--- net.internal.process.channel - messages to another process and from it.
--
-- The C half (src/process/channel.h) reads and writes lines; this one has what is not done
-- for every message: the forms of `send`, what internal lines mean, the queue behind a
-- handle, and the end. Its table, the state, is what C calls.
--
-- At most one handle is under way to the peer: until its ACK has come, all that is sent
-- waits in `queue`, so that the order is kept. `current` is the message with that handle: it
-- may itself still wait, for what its socket has to write, or for lines before it that the
-- kernel has not taken. Handles themselves are handles.lua's: see there what a parcel is.
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
--   send_internal(message[, descriptor[, callback[, lost[, is_lent]]]])   in the same queue;
--                                   lost() where the peer could not take the descriptor, instead
--                                   of a warning; the descriptor is used up, unless it is lent
--   on_internal(cmd, fn)            fn(message, descriptor or nil) for lines with that `cmd`
--   answer(message, go)             within such a function: leaves now, with the ACK for the
--                                   descriptor if that has not left; go() when the kernel has
--                                   it, go(err) if that will never be

local core = require("net.core")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")
local arrivals = lazy.module("net.internal.process.arrivals")
local counting = lazy.module("net.internal.process.counting")
local handles = lazy.module("net.internal.process.handles")
local process = lazy.module("net.process")
local validate = lazy.module("net.internal.validate")

local ACK = '{"cmd":"NODE_HANDLE_ACK"}\n'
local NACK = '{"cmd":"NODE_HANDLE_NACK"}\n'
local FULL = 131072 -- bytes that wait; from here on `send` says false
local REPEATS = 3 -- of a message with a handle that arrived without
local KEPT_HANDLES = 64 -- that wait for a listener of "message"
local MAX_MESSAGE = 67108864 -- bytes of a line, if nothing else was asked for
local LONGEST = 2 ^ 53 -- bytes that may be asked for

local json, native = core.json, core.channel

local channel = {}

local State = {} -- methods, of which each state has a copy
local fields = {}

--- What is not in the table itself, where the methods are, is asked of C.
local state_metatable = {
  __index = function(self, key)
    local field = fields[key]
    return field and field(self.native)
  end,
}

fields.connected = native.connected
fields.isOpen = native.is_open

local function truthy(value)
  return value and value ~= 0 and value ~= "" and value == value
end

local function is_internal(message)
  local cmd = type(message) == "table" and rawget(message, "cmd")
  return type(cmd) == "string" and #cmd > 5 and cmd:sub(1, 5) == "NODE_"
end

local function close_all(list)
  for i = 1, list and #list or 0 do
    list[i]:close()
  end
end

--- The callback of who does not mind whether it was sent.
local function ignore() end

local function emit_error(owner, err)
  owner:emit("error", err)
end

--- Tells why a message was not sent: its callback, or "error"; on a tick.
local function refuse(owner, err, callback)
  if callback then
    core.tick(callback, err)
  else
    core.tick(emit_error, owner, err)
  end
end

-- What is sent

--- Has all that can be sent leave, oldest first. It may be called at any time, and once more
--- where it raised.
function State:advance()
  local c, queue = self.native, self.queue
  if self.current and not self.current.begun then
    self:begin()
  end
  while not self.current and self.first <= self.last do
    local entry = queue[self.first]
    if entry.parcel then
      self.current = entry
      queue[self.first], self.first = nil, self.first + 1
      self:begin()
    else
      native.write(c, entry.text .. "\n", entry.callback, false, entry.owed)
      queue[self.first], self.first = nil, self.first + 1
    end
  end
  self:settle()
end

--- Nothing waits any more: what disconnect() has waited for.
function State:settle()
  local c, waits = self.native, self.first <= self.last
  native.wait(c, self.current ~= nil or waits, waits or self.closing)
  local over = self.closing and not self.current and not waits and native.flush(c)
  if over and self.isOpen then -- what the flush has told may have ended it
    self:finish()
  end
end

--- The current message is through, or will never be.
function State:done()
  handles.discard(self.current.parcel)
  self.current = nil
end

--- Gives the current message to the kernel, as soon as its socket's data and the lines before
--- it allow that.
function State:begin()
  local entry = self.current
  local parcel = entry.parcel
  entry.begun = true
  if parcel.is_lent and not parcel.descriptors[1]:number() then
    self:done() -- its owner has closed it meanwhile
    return
  elseif parcel.needs_ours and self.unsure then
    return -- until `greeted` is called
  elseif parcel.needs_ours and not self.is_ours and not handles.make_plain(parcel) then
    refuse(self.owner, errors.codes.ERR_INVALID_HANDLE_TYPE(), entry.callback)
    self:done()
    return
  elseif parcel.waits > 0 then
    function parcel.go()
      entry.begun = false
      self:advance()
    end
    return
  end
  local line, going = handles.line(parcel, entry.text)
  if #going == 0 and not parcel.is_list then
    native.write(self.native, line .. "\n", entry.callback, false)
    self.current = nil
    return
  end
  local ok, errno = native.send_with(self.native, line .. "\n", going, entry.callback)
  if ok then
    entry.sent, entry.callback = true, nil
  elseif errno then
    refuse(self.owner, errors.system(errno, "write"), entry.callback)
    self:done()
  else
    entry.begun = false -- `drained` comes
  end
end

function State:drained()
  self:advance()
end

--- Takes a message in. Returns what `send` says.
function State:enqueue(text, parcel, callback)
  local c = self.native
  if self.current then
    local last = self.last + 1
    self.queue[last] = { text = text, parcel = parcel, callback = callback, owed = self.answering }
    self.last = last
    self:advance()
    return last == self.first
  elseif not parcel then
    return native.write(c, text .. "\n", callback, false, self.answering) < FULL
  end
  self.current = { text = text, parcel = parcel, callback = callback }
  self:advance()
  return true
end

--- An ACK or NACK. One that nobody waits for means nothing.
function State:acknowledged(is_nack)
  local entry = self.current
  if entry and entry.sent then
    local repeats = is_nack and entry.parcel.entries[1].type ~= "net.Server"
    entry.tries = (entry.tries or 0) + 1
    if repeats and entry.tries <= REPEATS then
      entry.sent, entry.begun = false, false
    else
      if repeats and entry.parcel.lost then
        core.tick(entry.parcel.lost)
      elseif repeats then
        process.emitWarning("Handle did not reach the receiving process correctly",
          "SentHandleNotReceivedWarning")
      end
      self:done()
    end
  end
  self:advance()
end

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
  refuse(owner, errors.codes.ERR_IPC_CHANNEL_CLOSED(), callback)
  return false
end

--- A send that is more than a message on its own, or comes when that cannot leave.
function State:sends(message, handle, options, callback)
  if not self.connected then
    return channel.refuse(self.owner, message, handle, options, callback)
  end
  handle, options, callback = forms(handle, options, callback)
  check_message(message)
  local text = json.encode(message)
  if not truthy(handle) then
    return self:enqueue(text, nil, callback)
  end
  handles.check(handle, self.is_ours)
  local parcel, err = handles.prepare(self, handle, options and truthy(options.keepOpen))
  if err then
    refuse(self.owner, err, callback)
    return true
  end
  return self:enqueue(text, parcel, callback)
end

-- What comes

--- The first line, before it is looked at: one of ours greets by it.
function State:greeted(message)
  local version = type(message) == "table" and message.cmd == "NODE_LUANET" and message.v
  self.is_ours, self.unsure = math.type(version) == "integer" and version >= 1, nil
  if self.current and not self.current.sent then
    self.current.begun = false
  end
  self:advance()
end

--- An internal line, amid its chunk.
function State:line(message)
  local cmd = message.cmd
  if cmd == "NODE_HANDLE" then
    self:handle_line(message)
  elseif cmd == "NODE_HANDLE_ACK" or cmd == "NODE_HANDLE_NACK" then
    self:acknowledged(cmd == "NODE_HANDLE_NACK")
  elseif self.handlers[cmd] or cmd:find("^NODE_SOCKET_") then
    native.post(self.native, message)
  end
end

--- One with a handle, or so it says. Of what Node sends again the inner message counts. The
--- answer to a new connection of a cluster waits for its tick.
function State:handle_line(message)
  local c, inner = self.native, message.msg
  if type(inner) == "table" and inner.cmd == "NODE_HANDLE" then
    message, inner = inner, inner.msg
  end
  local needed = arrivals.needs(self, message)
  local group = needed > 0 and native.take(c) or {}
  if #group < needed then
    close_all(group)
    native.post(c, nil, nil, NACK)
  elseif is_internal(inner) and inner.cmd == "NODE_CLUSTER" and inner.act == "newconn" then
    native.post(c, message, group)
  else
    native.post(c, message, group, ACK)
  end
end

--- What was posted, on its tick.
function State:internal(message, group, size)
  if message.cmd ~= "NODE_HANDLE" then
    self:handle_internal(message)
    return
  end
  local inner = message.msg
  if is_internal(inner) then
    self.ack_due = inner.cmd == "NODE_CLUSTER" and inner.act == "newconn"
    self:handle_internal(inner, group[1])
    for i = 2, #group do
      group[i]:close()
    end
    return
  end
  local object
  if message.type == "net.Native" then
    close_all(group)
  else
    object = arrivals.receive(self, message, group)
  end
  self:tell(inner == nil and json.null or inner, object, size)
end

--- An ACK that is still due leaves whatever becomes of the handler. A descriptor that it
--- does not want is closed.
function State:handle_internal(message, descriptor)
  local is_count = message.cmd:find("^NODE_SOCKET_")
  local handler = not is_count and self.handlers[message.cmd]
  local ok, err = true, nil
  if descriptor and not handler then
    descriptor:close()
  end
  if is_count then
    counting.hear(self, message)
    return
  end
  self.answering = true
  if handler then
    ok, err = pcall(handler, message, descriptor)
  end
  self.answering = nil
  if self.ack_due then
    self.ack_due = nil
    native.urgent(self.native, ACK)
  end
  if not ok then
    error(err, 0)
  end
end

--- All that was urgent has left.
function State:went()
  local going = self.going
  self.going = nil
  for i = 1, #going do
    core.tick(going[i])
  end
end

-- "message", and what waits until somebody listens

local warned

local function warn_of_lost()
  if not warned then
    warned = true
    process.emitWarning("Messages from another process were dropped, as nobody listens to them")
  end
end

function State:tell(message, handle, size)
  if not core.listens(self.owner, "message") then
    self:keep(message, size, handle)
    return
  end
  if handle then
    arrivals.deliver(handle)
  end
  self.owner:emit("message", message, handle)
end

local function keep(self, message, size, handle)
  local kept = self.kept or { first = 1, last = 0, bytes = 0, handles = 0 }
  local bytes, count = kept.bytes + size, kept.handles + arrivals.count(handle)
  local c = self.native
  if not self.isOpen or bytes > c.maxMessage or count > KEPT_HANDLES then
    if handle then
      arrivals.drop(handle)
    end
    if self.isOpen then
      warn_of_lost()
    end
    return
  end
  kept[kept.last + 1] = { message, handle, size }
  kept.last, kept.bytes, kept.handles = kept.last + 1, bytes, count
  self.kept = kept
end

--- Keeps a message; where there is no memory for that, its handle is nobody's.
function State:keep(message, size, handle)
  local ok, err = pcall(keep, self, message, size, handle)
  if not ok then
    arrivals.drop(handle)
    error(err, 0)
  end
end

--- Takes the oldest of those that were kept.
local function unkeep(self)
  local kept = self.kept
  local entry = kept[kept.first]
  kept[kept.first], kept.first = nil, kept.first + 1
  kept.bytes, kept.handles = kept.bytes - entry[3], kept.handles - arrivals.count(entry[2])
  if kept.first > kept.last then
    self.kept = nil
  end
  return entry[1], entry[2], entry[3]
end

local function drop_kept(self)
  while self.kept do
    local _, handle = unkeep(self)
    if handle then
      arrivals.drop(handle)
    end
  end
end

--- Tick: somebody listens, or did when it was queued.
local function tell_kept(self)
  if self.kept and core.listens(self.owner, "message") then
    self:tell(unkeep(self))
  end
end

--- Whether somebody listens, as far as a program can tell.
local function is_listened_to(owner)
  return owner:listenerCount("message") > 0 or owner:listenerCount("disconnect") > 0
end

local function review(self)
  native.want(self.native, is_listened_to(self.owner))
end

--- A listener of `event` is about to be added to the owner, or was removed.
local function listened(self, event)
  if event == "message" and self.kept then
    for _ = self.kept.first, self.kept.last do
      core.tick(tell_kept, self)
    end
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
  native.shut(self.native)
  self:unlisten()
  drop_kept(self)
end

--- The peer has ended, or cannot be understood any more: whoever waits is told.
function State:over()
  local c, err = self.native, errors.codes.ERR_IPC_CHANNEL_CLOSED()
  if not self.isOpen then
    return
  end
  native.disconnected(c)
  native.dismiss(c, err)
  local function give_up(entry)
    if entry.callback then
      core.tick(entry.callback, err)
      entry.callback = nil
    end
    if entry.parcel then
      handles.discard(entry.parcel)
    end
  end
  if self.current then
    give_up(self.current)
    self.current = nil
  end
  while self.first <= self.last do
    give_up(self.queue[self.first])
    self.queue[self.first], self.first = nil, self.first + 1
  end
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
  core.tick(emit_error, self.owner, err)
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

function State:send_internal(message, descriptor, callback, lost, is_lent)
  local parcel = descriptor and {
    entries = { { type = "net.Native" } }, descriptors = { descriptor }, waits = 0, lost = lost,
    is_lent = is_lent,
  }
  if not self.isOpen then
    if parcel then
      handles.discard(parcel)
    end
    if callback then
      core.tick(callback, errors.codes.ERR_IPC_CHANNEL_CLOSED())
    end
    return false
  end
  local text = type(message) == "string" and message or json.encode(message)
  return self:enqueue(text, parcel, callback or ignore)
end

function State:on_internal(cmd, fn)
  self.handlers[cmd] = fn
end

function State:answer(message, go)
  local line = (self.ack_due and ACK or "") .. json.encode(message) .. "\n"
  self.ack_due = nil
  if not self.isOpen then
    core.tick(go, errors.codes.ERR_IPC_CHANNEL_CLOSED())
  elseif native.urgent(self.native, line) then
    go()
  else
    self.going = self.going or {}
    table.insert(self.going, go)
  end
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
    owner = owner, handlers = {}, queue = {}, first = 1, last = 0, closing = false,
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
