-- SPDX-License-Identifier: MIT

--- net.internal.process.handles - servers, sockets and the like on their way into a message.
--
-- `send(message, handle)` asks `check`, which raises, and then `prepare`, which does all
-- that happens to the handle at the call and gives a parcel: what the line says of it, and
-- the descriptor that goes with it.
--
-- The other side's half is arrivals.lua. Neither knows a line's way through the channel
-- (channel.lua), nor who counts a server's sockets (counting.lua).
--
-- A parcel:
--   entries      what the line says of each handle: { type =, key =, mode =, head = }, and
--                `way`, if its server counts it: see counting.lua
--   descriptors  their Descriptors, in the same places; none for what has nothing to send
--   is_list      a list was sent
--   is_binary    the message has binary strings
--   needs_ours   only another process of ours knows what the line says: a list, a head, or
--                binary strings
--   waits        how many of the sockets have still to write something. `parcel.go` is
--                called on a tick when none has; one that was destroyed meanwhile has no
--                descriptor then

local core = require("net.core")
local lazy = require("net.internal.lazy")

local counting = lazy.module("net.internal.process.counting")
local errors = lazy.module("net.internal.errors")
local process = lazy.module("net.process")

local native = core.handles
local stream = core.stream

local USER = 3 -- the caller of `send`, whose functions call ours
local MAX_HANDLES = 64 -- in a list
-- What a message may come with that is no list.
local SINGLE = { ["net.Server"] = true, ["net.Socket"] = true, ["net.BoundSocket"] = true }

local handles = {}

local warned = false

--- Once a process.
local function warn_of_unread(bytes)
  if not warned and bytes > 0 then
    warned = true
    process.emitWarning(("%d bytes that were read from a socket before it was sent to another "
      .. "process do not go with it; option pauseOnConnect of its server leaves them to the "
      .. "system"):format(bytes))
  end
end

-- What is sent: is it right?

--- Raises unless the handle can be sent.
local function check_one(handle, level, is_in_list)
  local kind, state = native.kind(handle)
  if not (SINGLE[kind] or (is_in_list and kind == "file"))
    or (state == "never" and kind ~= "net.BoundSocket")
    or (kind == "net.BoundSocket" and handle.isPipe) then
    errors.raise("ERR_INVALID_HANDLE_TYPE", level + 1)
  elseif state == "never" then
    errors.raise("ERR_WORKER_HANDLE_NOT_TRANSFERABLE", level + 1, kind)
  end
end

--- Raises unless it is a list of up to 64 handles, all different, that can be sent.
local function check_list(list, level)
  local seen = {}
  for i = 1, MAX_HANDLES + 1 do
    local handle = rawget(list, i)
    if handle == nil then
      break
    elseif i > MAX_HANDLES or seen[handle] then
      errors.raise("ERR_INVALID_HANDLE_TYPE", level + 1)
    end
    check_one(handle, level + 1, true)
    seen[handle] = i
  end
  for key in next, list do -- those behind a hole, and what is no list
    if seen[rawget(list, key)] ~= key then
      errors.raise("ERR_INVALID_HANDLE_TYPE", level + 1)
    end
  end
  if rawget(list, 1) == nil then
    errors.raise("ERR_INVALID_HANDLE_TYPE", level + 1)
  end
end

--- Raises for what cannot be sent.
---@param handle any a list too, if `takes_lists`
---@param takes_lists? boolean the other side may be a process of ours
---@param level? integer as in `error`; the caller of the public function if left out
function handles.check(handle, takes_lists, level)
  level = (level or USER) + 1
  if type(handle) == "table" and takes_lists then
    check_list(handle, level)
  else
    check_one(handle, level)
  end
end

-- What is sent: what happens to it

--- What stays open here is duplicated; false for what is given away, which needs no
--- duplicate and cannot fail; nil and a negative errno. And the mode of a file.
local function duplicate(kind, handle, keep_open)
  if kind == "net.Server" then
    return native.dup_server(handle)
  elseif kind == "file" then
    return native.dup_file(handle)
  elseif kind == "net.Socket" and keep_open then
    return native.dup_socket(handle)
  end
  return false
end

--- What stays open, of all handles, or nothing: a list of what `duplicate` gave, and the
--- entries. Nil and a negative errno if one failed.
local function duplicate_all(list, keep_open)
  local descriptors, entries = {}, {}
  for place, handle in ipairs(list) do
    local kind, state = native.kind(handle)
    local entry = { type = state == "may" and kind or nil }
    entries[place] = entry
    if entry.type then
      local descriptor, more = duplicate(kind, handle, keep_open)
      if descriptor == nil then
        for _, other in pairs(descriptors) do
          other:close()
        end
        return nil, more
      end
      entry.mode = kind == "file" and more or nil
      descriptors[place] = descriptor or nil
    end
  end
  return descriptors, entries
end

--- Takes along what the socket has read, if the other side knows of that.
local function take_head(parcel, entry, socket, is_ours)
  if socket.readableLength == 0 and not socket.readableEncoding then
    return
  end
  local head = is_ours and native.take_read(socket)
  if not head then
    warn_of_unread(socket.readableLength)
  elseif #head > 0 then
    local encoder = core.decoder("base64")
    entry.head = encoder:write(head) .. encoder:finish()
    parcel.needs_ours = true
  end
end

--- Takes the socket's connection away from it, into the parcel: now, or when all that it has
--- written has left.
local function give(parcel, place, socket)
  native.give(socket)
  socket.timeout = 0
  local descriptor = native.take(socket)
  if descriptor then
    parcel.descriptors[place] = descriptor
    return
  end
  local private = stream.private(socket)
  parcel.waits = parcel.waits + 1
  local function settle(taken)
    private.on_sent, private.on_destroy = nil, nil
    parcel.descriptors[place] = taken
    parcel.waits = parcel.waits - 1
    if parcel.is_void then
      handles.discard(parcel)
    elseif parcel.waits == 0 and parcel.go then
      core.tick(parcel.go)
    end
  end
  function private.on_sent() settle(native.take(socket)) end
  function private.on_destroy() settle(nil) end
end

--- All that happens to a handle at the call, once what may fail has not.
local function take(parcel, place, handle, channel, keep_open)
  local entry = parcel.entries[place]
  if entry.type == "net.Server" then
    native.keep_file(handle)
  elseif entry.type == "net.BoundSocket" then
    parcel.descriptors[place] = native.adopt(handle)
  elseif entry.type == "net.Socket" then
    entry.key, entry.way = counting.sent(channel, handle, not keep_open)
    if not keep_open then
      take_head(parcel, entry, handle, channel.is_ours)
      give(parcel, place, handle)
    end
  end
end

--- Prepares a handle, or a list of them, that `check` has passed for its way.
---@param channel table
---@param handle any
---@param keep_open? boolean
---@param is_binary? boolean
---@return table? parcel nil: there is no descriptor, or `err`
---@return net.Error? err the system refused a duplicate; nothing has happened
function handles.prepare(channel, handle, keep_open, is_binary)
  local is_list = type(handle) == "table"
  local list = is_list and table.move(handle, 1, rawlen(handle), 1, {}) or { handle }
  local descriptors, entries = duplicate_all(list, keep_open)
  if not descriptors then
    return nil, errors.system(entries, "dup")
  elseif not is_list and not entries[1].type then
    return nil
  end
  local parcel = {
    entries = entries, descriptors = descriptors, waits = 0,
    is_list = is_list, is_binary = is_binary, needs_ours = is_list or is_binary,
  }
  for place, one in ipairs(list) do
    take(parcel, place, one, channel, keep_open)
  end
  return parcel
end

--- The parcel of a message with binary strings, and nothing else.
function handles.nothing()
  return { entries = {}, descriptors = {}, waits = 0, is_binary = true, needs_ours = true }
end

--- Has a parcel say what any program knows; false for what none does.
---@param parcel table
---@return boolean
function handles.make_plain(parcel)
  if parcel.is_list or parcel.is_binary then
    return false
  end
  local entry = parcel.entries[1]
  if entry.head then
    warn_of_unread(#core.encode(entry.head, "base64"))
    entry.head = nil
  end
  parcel.needs_ours = false
  return true
end

--- The line of a message with binary strings that goes alone.
---@param message string JSON
---@return string
function handles.binary(message)
  return ('{"cmd":"NODE_LUANET","act":"binary","msg":%s}'):format(message)
end

--- What the line says of one handle besides its type.
local function fields(entry)
  return (entry.key and (',"key":"%s"'):format(entry.key) or "")
    .. (entry.mode and (',"mode":"%s"'):format(entry.mode) or "")
    .. (entry.head and (',"head":"%s"'):format(entry.head) or "")
end

--- `{"type":"net.Socket","key":…}`, or `{"type":null}` where nothing is sent.
local function entry_text(entry, descriptor)
  return descriptor and ('{"type":"%s"%s}'):format(entry.type, fields(entry)) or '{"type":null}'
end

--- The line of a parcel that waits for nothing, without its LF, and what goes with it.
---@param parcel table
---@param message string JSON
---@return string line
---@return table[] descriptors in the order of the line; empty: the message goes alone
function handles.line(parcel, message)
  local texts, going = {}, {}
  for place, entry in ipairs(parcel.entries) do
    texts[place] = entry_text(entry, parcel.descriptors[place])
    going[#going + 1] = parcel.descriptors[place]
  end
  local entry, flag = parcel.entries[1], parcel.is_binary and ',"binary":true' or ""
  if parcel.is_list then
    return ('{"cmd":"NODE_HANDLE","type":"lua.Handles","msg":%s,"handles":[%s]%s}'):format(
      message, table.concat(texts, ","), flag), going
  elseif #going == 0 then
    return parcel.is_binary and handles.binary(message) or message, going
  end
  return ('{"cmd":"NODE_HANDLE","type":"%s","msg":'):format(entry.type) .. message
    .. fields(entry) .. flag .. "}", going
end

--- Tells who counts its sockets whether they have arrived; of a socket without a descriptor,
--- which was destroyed meanwhile, that it has not.
---@param parcel table
---@param has_arrived boolean
function handles.settle(parcel, has_arrived)
  for place, entry in ipairs(parcel.entries) do
    local way = entry.way
    if way then
      counting.settled(way, has_arrived and parcel.descriptors[place] ~= nil)
      entry.way = nil
    end
  end
end

--- Closes what a parcel has, and will have: it goes nowhere, or has been there. What is only
--- lent (`is_lent`) stays open.
function handles.discard(parcel)
  parcel.is_void, parcel.go = true, nil
  if parcel.is_lent then
    return
  end
  for _, descriptor in pairs(parcel.descriptors) do
    descriptor:close()
  end
end

return handles
