-- SPDX-License-Identifier: MIT

--- net.internal.cluster.sharedhandle - one key under SCHED_NONE: the primary binds, and each
-- worker listens on a copy of the socket; who accepts is the kernel's choice.
--
-- The interface is that of roundrobin.lua.

local core = require("net.core")
local lazy = require("net.internal.lazy")

local activated = lazy.module("net.internal.process.activated")

local bound = core.boundsocket
local descriptor = core.descriptor

local EINVAL = core.errnum("EINVAL")
local ANY6, ANY4 = "::", "0.0.0.0"

local SharedHandle = {}
SharedHandle.__index = SharedHandle

local function new(key)
  return setmetatable({ key = key, workers = {}, count = 0 }, SharedHandle)
end

--- Takes over one of our descriptors, if it is a stream socket's.
local function adopt(fd)
  local kind = core.stream.fd_type(fd)
  if kind ~= "TCP" and kind ~= "PIPE" then
    return nil, EINVAL
  end
  return descriptor.adopt(fd)
end

local function bind_tcp(query)
  local socket, errno = bound.tcp(query.address or ANY6, query.port, query.ipv6Only)
  if not socket and not query.address then
    return bound.tcp(ANY4, query.port)
  end
  return socket, errno
end

--- Binds what the first worker has asked for.
---@return integer? errno negative, where that failed
function SharedHandle:listen(query)
  local errno
  if query.activated then
    self.own, errno = activated.share(query.activated)
    errno = not self.own and errno or nil
  elseif query.fd then
    self.own, errno = adopt(query.fd)
  elseif query.port < 0 then
    self.own, errno = bound.unix(query.path)
  else
    self.own, errno = bind_tcp(query)
  end
  return errno
end

--- A worker has part in the key from here on.
---@return table reply what the answer to its query says
---@return userdata? descriptor goes with it
function SharedHandle:join(worker)
  local copy, errno = descriptor.dup(self.own.number and self.own:number() or self.own:fd())
  if not copy then
    return { errno = errno }
  end
  self.workers[worker] = true
  self.count = self.count + 1
  return { errno = 0 }, copy
end

function SharedHandle.joined() end

function SharedHandle.closed() end

function SharedHandle:leave(worker)
  if self.workers[worker] then
    self.workers[worker] = nil
    self.count = self.count - 1
  end
end

SharedHandle.died = SharedHandle.leave

function SharedHandle:has(worker)
  return self.workers[worker] ~= nil
end

--- Nobody serves this key any more: the socket is closed, and its file removed.
function SharedHandle:close()
  if self.own then
    self.own:close()
  end
end

return { new = new }
