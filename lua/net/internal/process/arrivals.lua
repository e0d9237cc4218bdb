-- SPDX-License-Identifier: MIT

--- net.internal.process.arrivals - what came with a message: servers, sockets, lists of them.
--
-- `receive` makes an object of each descriptor, and `deliver` sets it going when a listener
-- is about to have it: a server that accepted before, or a socket that failed, would do so
-- unheard. A line is whatever the other process wrote: what it calls a server may be a
-- file, and then the message is delivered without it.
--
-- Its counterpart is handles.lua, which says what a line looks like.

local core = require("net.core")
local lazy = require("net.internal.lazy")

local counting = lazy.module("net.internal.process.counting")
local process = lazy.module("net.process")

local native = core.handles
local stream = core.stream

local MAX_HANDLES = 64 -- in a list
local MODES = { r = true, w = true, a = true, ["r+"] = true }

local arrivals = {}

local warned = false

--- Once a process.
local function warn_of_kind(name)
  if warned then
    return
  end
  warned = true
  process.emitWarning(("A message came with a handle of the kind %s, which is not known here, "
    .. "or is not what it came as: it is delivered without"):format(name))
end

local function close_all(group)
  for i = 1, #group do
    group[i]:close()
  end
end

-- What a socket had read where it came from, until it is delivered.
local heads = setmetatable({}, { __mode = "k" })

local function make_socket(descriptor, entry, channel)
  local socket = native.make_socket(descriptor)
  if socket and type(entry.key) == "string" then
    counting.received(channel, entry.key, socket)
  end
  if socket and type(entry.head) == "string" and channel.is_ours then
    heads[socket] = core.encode(entry.head, "base64")
  end
  return socket
end

local function make_file(descriptor, entry, channel)
  return channel.is_ours and MODES[entry.mode] and native.make_file(descriptor, entry.mode)
end

--- Makers of objects: (descriptor, entry, channel) -> object, or nothing.
local MAKE = {
  ["net.Server"] = native.make_server,
  ["net.BoundSocket"] = native.make_bound,
  ["net.Socket"] = make_socket,
  ["file"] = make_file, -- in a list only
}

--- The object of one descriptor, which is used up; nil with a warning where it makes none.
local function make(channel, entry, descriptor)
  local kind = entry.type
  local maker = MAKE[kind]
  local object = maker and maker(descriptor, entry, channel)
  descriptor:close()
  if not object then
    warn_of_kind(tostring(kind))
  end
  return object or nil
end

--- The entries of a line with a list of handles, those that are some: { type = "none" }
--- where nothing was sent. Nil for any other line.
local function entries_of(channel, line)
  if line.type ~= "lua.Handles" or not channel.is_ours or type(line.handles) ~= "table" then
    return nil
  end
  local entries = {}
  for place = 1, math.min(#line.handles, MAX_HANDLES) do
    local entry = line.handles[place]
    entries[place] = type(entry) == "table" and entry or {}
  end
  return entries
end

--- How many descriptors belong to a NODE_HANDLE line.
---@param channel table
---@param line table decoded
---@return integer
function arrivals.needs(channel, line)
  local entries, count = entries_of(channel, line), 0
  for _, entry in ipairs(entries or {}) do
    count = count + (entry.type and 1 or 0)
  end
  return entries and count or 1
end

--- The objects of a list: false where nothing was sent, or was what it is not.
local function make_list(channel, entries, group)
  local objects, used = {}, 0
  for place, entry in ipairs(entries) do
    objects[place] = false
    if entry.type then
      used = used + 1
      objects[place] = make(channel, entry, group[used]) or false
    end
  end
  return objects
end

--- Makes what a NODE_HANDLE line came with. It does nothing yet.
---@param channel table
---@param line table decoded
---@param group table[] Descriptors, at least as many as it `needs`; all are used up
---@return any object, or a list; nil where the message is to be delivered without
function arrivals.receive(channel, line, group)
  local entries, object = entries_of(channel, line), nil
  if entries then
    object = make_list(channel, entries, group)
  elseif line.type ~= "file" then
    object = make(channel, line, group[1])
  else
    warn_of_kind("file")
  end
  close_all(group)
  return object
end

local function each(object, fn)
  for _, one in ipairs(type(object) == "table" and object or { object }) do
    if one then
      fn(one)
    end
  end
end

--- Sets going what a listener is about to have.
---@param object any
function arrivals.deliver(object)
  each(object, function(one)
    if core.server.is(one) then
      native.accept(one)
    elseif stream.is(one) then
      if heads[one] then
        one:unshift(heads[one])
        heads[one] = nil
      end
      stream.begin(one)
    end
  end)
end

--- How many descriptors it has.
---@param object any
---@return integer
function arrivals.count(object)
  return type(object) == "table" and #object or object and 1 or 0
end

--- Closes what nobody is to have.
---@param object any
function arrivals.drop(object)
  each(object, function(one)
    if stream.is(one) then
      one:destroy()
    else
      one:close()
    end
  end)
end

return arrivals
