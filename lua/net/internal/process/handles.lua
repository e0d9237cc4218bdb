-- SPDX-License-Identifier: MIT

--- net.internal.process.handles - servers, sockets and the like as parts of a message.
--
-- `send(message, handle)` asks `check`, which raises, and then `prepare`, which does all
-- that happens to the handle at the call and gives a parcel: what the line says of it, and
-- the descriptor that goes with it. On the other side `receive` makes the object, and
-- `deliver` sets it going when a listener is about to have it: a server that accepted
-- before, or a socket that failed, would do so unheard. Neither knows a line's way through
-- the channel (channel.lua), nor who counts a server's sockets (counting.lua).
--
-- A parcel:
--   type         as on the wire: "net.Socket", "lua.Handles", ...
--   key          of the server that accepted the socket, or nil
--   descriptors  list of Descriptors, each with its place in `entries` if that is a list
--   waits        true while what a socket has still to write is in the way; `parcel.go` is
--                called, once, when it is not. Then `descriptors` may be empty: the socket
--                was destroyed, and the message goes alone
--   more         what the line says behind the message, as JSON

local core = require("net.core")
local lazy = require("net.internal.lazy")

local counting = lazy.module("net.internal.process.counting")
local errors = lazy.module("net.internal.errors")
local process = lazy.module("net.process")

local native = core.handles
local stream = core.stream

local USER = 3 -- the caller of `send`, whose functions call ours
local MODES = { r = true, w = true, a = true, ["r+"] = true }

local handles = {}

-- Warnings, each once a process

local warned = {}

local function warn_once(what, text)
  if not warned[what] then
    warned[what] = true
    process.emitWarning(text)
  end
end

local function warn_of_unread(socket)
  if socket.readableLength > 0 then
    warn_once("unread", ("%d bytes that were read from a socket before it was sent to another "
      .. "process do not go with it; option pauseOnConnect of its server keeps them in the "
      .. "system"):format(socket.readableLength))
  end
end

local function warn_of_kind(name)
  warn_once("kind", ("A message came with a handle of the kind %s, which is not known here, "
    .. "or is not what it came as: it is delivered without"):format(name))
end

-- What is sent

--- Raises for what cannot be sent.
---@param handle any
---@param level? integer as in `error`; the caller of the public function if left out
function handles.check(handle, level)
  local kind, state = native.kind(handle)
  level = (level or USER) + 1
  if not kind or kind == "file" or (kind == "net.Socket" and state == "never") then
    errors.raise("ERR_INVALID_HANDLE_TYPE", level)
  elseif kind == "net.BoundSocket" and handle.isPipe then
    errors.raise("ERR_INVALID_HANDLE_TYPE", level)
  elseif kind == "net.BoundSocket" and state == "never" then
    errors.raise("ERR_WORKER_HANDLE_NOT_TRANSFERABLE", level, kind)
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
  parcel.waits = (parcel.waits or 0) + 1
  local function settle(taken)
    private.on_sent, private.on_destroy = nil, nil
    parcel.descriptors[place] = taken
    parcel.waits = parcel.waits > 1 and parcel.waits - 1 or nil
    if not parcel.waits and parcel.go then
      core.tick(parcel.go)
    end
  end
  function private.on_sent() settle(native.take(socket)) end
  function private.on_destroy() settle(nil) end
end

--- What stays open here is duplicated; false for what is given away, which needs no
--- duplicate and cannot fail; nil and a negative errno.
local function duplicate(kind, handle, keep_open)
  if kind == "net.Server" then
    return native.dup_server(handle)
  elseif kind == "net.Socket" and keep_open then
    return native.dup_socket(handle)
  end
  return false
end

--- All that happens to a handle at the call, once what may fail has not.
local function take(parcel, place, kind, handle, keep_open)
  if kind == "net.Server" then
    native.keep_file(handle)
  elseif kind == "net.BoundSocket" then
    parcel.descriptors[place] = native.adopt(handle)
  elseif kind == "net.Socket" and not keep_open then
    warn_of_unread(handle)
    give(parcel, place, handle)
  end
end

--- Prepares a handle that `check` has passed for its way.
---@param channel table
---@param handle any
---@param options? {keepOpen?: boolean}
---@return table? parcel nil: there is no descriptor, or `err`
---@return net.Error? err the system refused a duplicate; nothing has happened
function handles.prepare(channel, handle, options)
  local kind, state = native.kind(handle)
  if state ~= "may" then
    return nil
  end
  local keep_open = options and options.keepOpen
  local descriptor, errno = duplicate(kind, handle, keep_open)
  if descriptor == nil then
    return nil, errors.system(errno, "dup")
  end
  local parcel = { type = kind, descriptors = { descriptor or nil } }
  if kind == "net.Socket" then
    parcel.key = counting.sent(channel, handle, not keep_open)
  end
  take(parcel, 1, kind, handle, keep_open)
  return parcel
end

--- The line of a message with a handle, without its LF.
---@param parcel table
---@param message string JSON
---@return string
function handles.line(parcel, message)
  local key = parcel.key and (',"key":"%s"'):format(parcel.key) or ""
  return ('{"cmd":"NODE_HANDLE","type":"%s","msg":'):format(parcel.type) .. message .. key
    .. (parcel.more or "") .. "}"
end

-- What comes

local function close_all(group)
  for i = 1, #group do
    group[i]:close()
  end
end

--- Makers of objects: (descriptor, entry, channel) -> object, or nothing.
local MAKE = {
  ["net.Server"] = native.make_server,
  ["net.BoundSocket"] = native.make_bound,
  ["net.Socket"] = function(descriptor, entry, channel)
    local socket = native.make_socket(descriptor)
    if socket and type(entry.key) == "string" then
      counting.received(channel, entry.key, socket)
    end
    return socket
  end,
  ["file"] = function(descriptor, entry)
    return MODES[entry.mode] and native.make_file(descriptor, entry.mode)
  end,
}

--- The object of one descriptor, which is used up; nil with a warning where it makes none.
local function make(channel, entry, descriptor)
  local kind = entry.type
  local maker = type(kind) == "string" and (kind ~= "file" or entry.in_list) and MAKE[kind]
  local object = maker and maker(descriptor, entry, channel)
  descriptor:close()
  if not object then
    warn_of_kind(tostring(kind))
  end
  return object or nil
end

--- Are there as many descriptors as the line speaks of?
---@param line table
---@param group? table[] list of Descriptors
---@return boolean
function handles.fits(_, group)
  return group ~= nil and #group >= 1
end

--- Makes what a NODE_HANDLE line came with, with a group that `fits`. It does nothing yet.
---@param channel table
---@param line table decoded
---@param group table[] list of Descriptors, which are used up
---@return any object nil where the message is to be delivered without
function handles.receive(channel, line, group)
  local object = make(channel, line, group[1])
  close_all(group)
  return object
end

--- Sets going what a listener is about to have.
---@param object any
function handles.deliver(object)
  if core.server.is(object) then
    native.accept(object)
  elseif stream.is(object) then
    stream.begin(object)
  end
end

--- Closes what nobody is to have.
---@param object any
function handles.drop(object)
  if stream.is(object) then
    object:destroy()
  else
    object:close()
  end
end

return handles
