-- SPDX-License-Identifier: MIT

--- net.internal.process.queue - what leaves by a channel, and what waits behind a handle.
--
-- At most one handle is under way to the peer: until its ACK has come, all that is sent
-- waits in `queue`, so that the order is kept. `current` is the message with that handle: it
-- may itself still wait, for what its socket has to write, for lines before it that the
-- kernel has not taken, or for a peer to say whether it is this library. Handles themselves
-- are handles.lua's: see there what a parcel is.
--
-- These are methods of a channel's state (channel.lua). An entry of the queue:
--
--   text       JSON, without an LF
--   parcel     its handles, or nil
--   callback   called when the kernel has it, or never will
--   owed       it answers the peer
--   begun      of `current`: it waits for nothing that would call `advance`
--   sent       the kernel has it, and the ACK has not come
--   tries      how often it was sent

local core = require("net.core")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")
local greeting = lazy.module("net.internal.process.greeting")
local handles = lazy.module("net.internal.process.handles")
local process = lazy.module("net.process")

local FULL = 131072 -- bytes that wait; from here on `send` says false
local REPEATS = 3 -- of a message with a handle that arrived without
local LIMIT = 67108864 -- bytes behind a handle; when they wait nothing joins them
local ENTRY, PARCEL = 256, 1024 -- bytes that an entry takes besides its text, about

local json, native = core.json, core.channel

local State = {} -- methods
local queue = { methods = State }

--- The callback of who does not mind whether it was sent.
local function ignore() end

local function emit_error(owner, err)
  owner:emit("error", err)
end

--- Tells why a message was not sent: its callback, or "error"; on a tick.
function queue.refuse(owner, err, callback)
  if callback then
    core.tick(callback, err)
  else
    core.tick(emit_error, owner, err)
  end
end

local refuse = queue.refuse

--- How many bytes of memory a message that waits takes, about.
local function cost(text, parcel)
  return #text + (parcel and PARCEL or ENTRY)
end

--- Whether so much waits behind a handle that no more may: the peer has not acknowledged it,
--- and a hostile one never will. Returns why, if so.
---@return net.Error?
function State:full()
  return self.waiting >= LIMIT and errors.system("ENOBUFS", "write") or nil
end

--- Has all that can be sent leave, oldest first. It may be called at any time, and once more
--- where it raised.
function State:advance()
  if self.current and not self.current.begun then
    self:begin()
  end
  while not self.current and self.first <= self.last do
    local entry = self.queue[self.first]
    local rest = self.waiting - cost(entry.text, entry.parcel)
    if entry.parcel then
      self.current = entry
    else
      native.write(self.native, entry.text .. "\n", entry.callback, false, entry.owed)
    end
    self.queue[self.first], self.first, self.waiting = nil, self.first + 1, rest
    if entry.parcel then
      self:begin()
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
function State:done(has_arrived)
  handles.settle(self.current.parcel, has_arrived)
  handles.discard(self.current.parcel)
  self.current = nil
end

--- What is wrong with a message that only a process of ours would know, as the peer turns
--- out to be another program.
local function not_ours(parcel)
  return parcel.is_list and errors.codes.ERR_INVALID_HANDLE_TYPE()
    or errors.new("TypeError", "A binary message can only be sent to a process of this library",
      "ERR_INVALID_HANDLE_TYPE")
end

--- Gives the current message to the kernel, as soon as its socket's data and the lines before
--- it allow that.
function State:begin()
  local entry = self.current
  local parcel = entry.parcel
  entry.begun = true
  if parcel.is_lent and not parcel.descriptors[1]:number() then
    self:done(false) -- its owner has closed it meanwhile
    return
  elseif parcel.needs_ours and self.unsure then
    greeting.await(self)
    return -- until `greeted` is called
  elseif parcel.needs_ours and not self.is_ours and not handles.make_plain(parcel) then
    refuse(self.owner, not_ours(parcel), entry.callback)
    self:done(false)
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
    handles.settle(parcel, false)
    native.write(self.native, line .. "\n", entry.callback, false)
    self.current = nil
    return
  end
  local ok, errno = native.send_with(self.native, line .. "\n", going, entry.callback)
  if ok then
    entry.sent, entry.callback = true, nil
  elseif errno then
    refuse(self.owner, errors.system(errno, "write"), entry.callback)
    self:done(false)
  else
    entry.begun = false -- `drained` comes
  end
end

function State:drained()
  self:advance()
end

--- Takes a message in. Returns what `send` says. `owed`: it answers the peer, who is not
--- heard while it reads none of them.
function State:enqueue(text, parcel, callback, owed)
  local c = self.native
  if self.current then
    local last, waiting = self.last + 1, self.waiting + cost(text, parcel)
    self.queue[last] = { text = text, parcel = parcel, callback = callback, owed = owed }
    self.last, self.waiting = last, waiting
    self:advance()
    return last == self.first
  elseif not parcel then
    return native.write(c, text .. "\n", callback, false, owed) < FULL
  end
  self.current = { text = text, parcel = parcel, callback = callback }
  self:advance()
  return true
end

--- Takes in a message without handles.
function State:enqueue_alone(text, is_binary, callback)
  if is_binary and self.unsure then
    return self:enqueue(text, handles.nothing(), callback)
  end
  return self:enqueue(is_binary and handles.binary(text) or text, nil, callback)
end

--- Whether what has not arrived is sent again: as in Node a server, of which nothing is lost,
--- is not.
local function is_sent_again(parcel)
  for _, entry in ipairs(parcel.entries) do
    if entry.type and entry.type ~= "net.Server" then
      return true
    end
  end
  return false
end

--- An ACK or NACK. One that nobody waits for means nothing.
function State:acknowledged(is_nack)
  local entry = self.current
  if entry and entry.sent then
    local repeats = is_nack and is_sent_again(entry.parcel)
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
      self:done(not is_nack)
    end
  end
  self:advance()
end

function State:send_internal(message, descriptor, callback, is_answer, lost, is_lent)
  local parcel = descriptor and {
    entries = { { type = "net.Native" } }, descriptors = { descriptor }, waits = 0, lost = lost,
    is_lent = is_lent,
  }
  local err = not self.isOpen and errors.codes.ERR_IPC_CHANNEL_CLOSED() or self:full()
  if err then
    if parcel then
      handles.discard(parcel)
    end
    if callback then
      core.tick(callback, err)
    end
    return false
  end
  local text = type(message) == "string" and message or json.encode(message)
  return self:enqueue(text, parcel, callback or ignore, is_answer)
end

--- Nothing leaves any more: whoever waits is told.
function State:dismiss(err)
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
  self.waiting = 0
end

return queue
