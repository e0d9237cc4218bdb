-- SPDX-License-Identifier: MIT

--- net.internal.process.activated - the sockets that this process was started with.
--
-- src/process/activated.c has read the environment; objects are made when they are first
-- asked for, and kept, so that they are always the same. A stream socket that is bound, or
-- listens, becomes a BoundSocket, one that is connected a Socket; whatever else was given
-- stays open and is left out. Those sockets live as long as the program, whoever forgets
-- them: there is no getting them again.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")

local FIRST = 3 -- descriptor
local UNNAMED = "unknown" -- as sd_listen_fds_with_names(3) says of what has no name
local USER = 3 -- level of the caller of `listen`

local bound = core.boundsocket
local stream = core.stream

--- An open socket that is not read before somebody does.
local function make_socket(fd)
  local socket = stream.new()
  return stream.adopt(socket, fd) and socket or nil
end

local MAKERS = { bound = bound.adopt, connected = make_socket }

--- LISTEN_FDNAMES, as a list.
local function split(names)
  local list = {}
  for name in (names or ""):gmatch("([^:]*):?") do
    list[#list + 1] = name
  end
  return list
end

local objects, names -- in the order of their descriptors
local by_number -- 1 is the first descriptor; false where there is nothing for us

--- Makes all objects that can be made. What runs out of memory is gone on with by the next
--- call: none of the first is lost, as each has its place before it is made.
local function make_all(numbers)
  if not by_number then
    local places = {}
    for _, i in ipairs(numbers) do
      places[i] = false
    end
    by_number = places
  end
  for _, i in ipairs(numbers) do
    local make = not by_number[i] and MAKERS[core.descriptor_role(FIRST + i - 1)]
    if make then
      by_number[i] = make(FIRST + i - 1) or false
    end
  end
end

--- Makes the lists, when somebody first asks.
local function open()
  if objects then
    return
  end
  local given = core.activated or { open = {} }
  local list, list_names, texts = {}, {}, split(given.names)
  make_all(given.open)
  for _, i in ipairs(given.open) do
    if by_number[i] then
      local name = texts[i] or ""
      list[#list + 1], list_names[#list_names + 1] = by_number[i], name ~= "" and name or UNNAMED
    end
  end
  objects, names = list, list_names
end

--- The sockets that the process was started with, and what they are called.
---@param name? string only those of that name
---@return (net.BoundSocket|net.Socket)[] sockets
---@return string[] names
local function activated(name)
  if name ~= nil then
    validate.string(name, "name")
  end
  open()
  local list, list_names = {}, {}
  for i, object in ipairs(objects) do
    if name == nil or names[i] == name then
      list[#list + 1], list_names[#list_names + 1] = object, names[i]
    end
  end
  return list, list_names
end

local function is_free(object)
  return object and bound.is_open(object)
end

--- The one that `listen` is to have; nil if there is none that is not adopted.
local function find(which)
  open()
  if type(which) == "number" then
    return is_free(by_number[which]) and by_number[which] or nil
  end
  for i, object in ipairs(objects) do
    if names[i] == which and is_free(object) then
      return object
    end
  end
end

local function check(which)
  if type(which) ~= "string" and type(which) ~= "number" then
    local kinds = { "string", "number" }
    errors.raise("ERR_INVALID_ARG_TYPE", USER + 1, "options.activated", kinds, which)
  end
  return which
end

--- A duplicate, for the workers of a cluster, which leaves the socket itself to the next; or
--- nil and a negative errno.
---@return userdata? descriptor
---@return string|integer? path of a Unix socket, or the errno
local function share(which)
  local found = find(which)
  if not found then
    return nil, core.errnum("EINVAL")
  end
  local descriptor, errno = core.descriptor.dup(found:fd())
  local address = found:address()
  return descriptor, descriptor and (type(address) == "string" and address or nil) or errno
end

--- For `listen`: raises if there is none.
---@param which string|integer a name, or 1 for descriptor 3
---@return net.BoundSocket
local function take(which)
  local found = find(check(which))
  if not found then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "options.activated", which)
  end
  return found
end

return { activated = activated, check = check, share = share, take = take }
