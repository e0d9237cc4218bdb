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

-- What a socket had read where it came from, until it is delivered.
local heads = setmetatable({}, { __mode = "k" })

local function make_file(descriptor, entry, channel)
  return channel.is_ours and MODES[entry.mode] and native.make_file(descriptor, entry.mode)
end

--- Makers of objects: (descriptor, entry, channel) -> object, or nothing.
local MAKE = {
  ["net.Server"] = native.make_server,
  ["net.BoundSocket"] = native.make_bound,
  ["net.Socket"] = native.make_socket,
  ["file"] = make_file, -- in a list only
}

--- Notes what the line says of a socket.
local function note(channel, entry, socket)
  if type(entry.key) == "string" then
    counting.received(channel, entry.key, socket)
  end
  if type(entry.head) == "string" and channel.is_ours then
    heads[socket] = core.encode(entry.head, "base64")
  end
end

--- Puts the object of one descriptor, which is used up, into the list, where there is room
--- for it: nothing may raise while nobody has it. With a warning it stays false.
local function make(channel, entry, descriptor, objects, place)
  local kind = entry.type
  local maker = MAKE[kind]
  objects[place] = maker and maker(descriptor, entry, channel) or false
  descriptor:close()
  if not objects[place] then
    warn_of_kind(tostring(kind))
  elseif kind == "net.Socket" then
    note(channel, entry, objects[place])
  end
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

--- Fills the list of false with objects, but where nothing was sent.
local function make_all(channel, entries, group, objects)
  local used = 0
  for place = 1, #entries do
    if entries[place].type then
      used = used + 1
      make(channel, entries[place], group[used], objects, place)
    end
  end
end

--- Closes what nobody is to have.
---@param object any
function arrivals.drop(object)
  local list = type(object) == "table" and object
  for place = 1, list and #list or 1 do
    local one = object
    if list then
      one = list[place]
    end
    if stream.is(one) then
      one:destroy()
    elseif one then
      one:close()
    end
  end
end

--- Makes what a NODE_HANDLE line came with. It does nothing yet.
---@param channel table
---@param line table decoded
---@param group table[] Descriptors, at least as many as it `needs`; all are used up
---@return any object, or a list; nil where the message is to be delivered without
function arrivals.receive(channel, line, group)
  local entries = entries_of(channel, line)
  local objects = { false }
  for place = 2, entries and #entries or 1 do
    objects[place] = false
  end
  local ok, err = true, nil
  if entries then
    ok, err = pcall(make_all, channel, entries, group, objects)
  elseif line.type ~= "file" then
    ok, err = pcall(make, channel, line, group[1], objects, 1)
  else
    warn_of_kind("file")
  end
  core.descriptor.close_all(group)
  if not ok then
    arrivals.drop(objects)
    error(err, 0)
  elseif entries then
    return #entries > 0 and objects or {}
  end
  return objects[1] or nil
end

local function set_going(one)
  if core.server.is(one) then
    native.accept(one)
  elseif stream.is(one) then
    if heads[one] then
      one:unshift(heads[one])
      heads[one] = nil
    end
    stream.begin(one)
  end
end

local function set_all_going(object)
  if type(object) ~= "table" then
    set_going(object)
    return
  end
  for place = 1, #object do
    set_going(object[place])
  end
end

--- Sets going what a listener is about to have; where that raises nobody gets it.
---@param object any
function arrivals.deliver(object)
  local ok, err = pcall(set_all_going, object)
  if not ok then
    arrivals.drop(object)
    error(err, 0)
  end
end

--- How many descriptors it has.
---@param object any
---@return integer
function arrivals.count(object)
  return type(object) == "table" and #object or object and 1 or 0
end

return arrivals
