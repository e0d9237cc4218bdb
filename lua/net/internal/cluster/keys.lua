-- SPDX-License-Identifier: MIT

--- net.internal.cluster.keys - what the workers of a primary listen on.
--
-- A worker that wants to listen asks (queryServer). The same address, port, type and
-- descriptor make one key, and one socket here; for port 0 the number of the listen in its
-- worker belongs to it, so that the n-th listen(0) of all workers is one port. How the
-- workers of a key share its connections is roundrobin.lua or sharedhandle.lua.
--
-- Whatever a worker sends may be wrong: it gets EINVAL for what makes no sense, and EMFILE
-- beyond so many keys.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local shared = require("net.internal.cluster.shared")

local roundrobin = lazy.module("net.internal.cluster.roundrobin")
local sharedhandle = lazy.module("net.internal.cluster.sharedhandle")

local EADDRINUSE, EINVAL = core.errnum("EADDRINUSE"), core.errnum("EINVAL")
local EMFILE, ENOMEM = core.errnum("EMFILE"), core.errnum("ENOMEM")
local NO_MEMORY = "not enough memory" -- Lua's own error
local BACKLOG, BACKLOG_MAX = 511, 2147483647 -- connections
local KEYS_MAX = 1024    -- of one worker
local PATH_MAX = 4096    -- bytes, of what a worker may say
local PORT_MAX = 65535
local SCHED_NONE, SCHED_LEAST = 1, 3

local null = core.json.null

local keys = {}

local handles = {} -- key -> roundrobin or sharedhandle

-- Queries

local function integer(value, least, most)
  local n = type(value) == "number" and math.tointeger(value)
  return n and n >= least and n <= most and n or nil
end

--- The path from one directory to a file, where both are absolute.
local function relative(from, to)
  local up, rest = 0, from
  while rest ~= "" and to:sub(1, #rest + 1) ~= rest .. "/" do
    rest = rest:match("^(.*)/[^/]*$") or ""
    up = up + 1
  end
  return ("../"):rep(up) .. to:sub(#rest + 2)
end

--- The shorter of a path's absolute name and its name from here: 108 bytes are all that a
--- Unix socket's may have.
local function shorter(path)
  local here = path:sub(1, 1) == "/" and core.cwd()
  local near = here and relative(here == "/" and "" or here, path)
  return near and near ~= "" and #near < #path and near or path
end

local function read_path(query, message)
  local path = message.address
  if type(path) ~= "string" or path == "" or #path > PATH_MAX then
    return nil
  end
  query.path = shorter(path)
  return query
end

local function read_tcp(query, message)
  local address = message.address
  if address ~= nil and (type(address) ~= "string" or core.isIP(address) == 0) then
    return nil
  end
  query.address = address
  return query
end

--- A socket that the primary was started with, by its name or number.
local function read_activated(query, which)
  local is_name = type(which) == "string" and #which <= PATH_MAX
  query.activated = is_name and which or integer(which, 1, BACKLOG_MAX)
  return query.activated and query
end

--- What a worker asks for, checked; nil where that makes no sense.
local function read(message)
  local query = {
    backlog = integer(message.backlog, 1, BACKLOG_MAX) or BACKLOG,
    ipv6Only = (integer(message.flags, 0, BACKLOG_MAX) or 0) & 1 == 1,
    index = integer(message.index, 0, BACKLOG_MAX) or 0,
    readableAll = message.readableAll == true,
    writableAll = message.writableAll == true,
  }
  if message.activated ~= nil then
    return read_activated(query, message.activated)
  elseif message.fd ~= nil then
    query.fd = integer(message.fd, 0, BACKLOG_MAX)
    return query.fd and query
  end
  query.port = integer(message.port, -1, PORT_MAX)
  if not query.port then
    return nil
  end
  return (query.port < 0 and read_path or read_tcp)(query, message)
end

--- The key of a query, as Node writes it.
local function key_of(query, message)
  if query.activated then
    local mark = type(query.activated) == "number" and "#" or ""
    return "activated:" .. mark .. query.activated
  end
  local family = integer(message.addressType, -1, BACKLOG_MAX)
  local key = ("%s:%s:%s:%s"):format(message.address or null, query.port or null, family or null,
    query.fd or "undefined")
  return query.port == 0 and key .. ":" .. query.index or key
end

-- Workers and keys

local function make(policy, key, query)
  if policy == SCHED_NONE then
    return sharedhandle.new(key)
  end
  return roundrobin.new(key, query.backlog, policy == SCHED_LEAST)
end

--- Closes what nobody serves. It is forgotten only then, as closing it may want memory.
local function drop(key)
  handles[key]:close()
  handles[key] = nil
end

--- The state of a key, made and listening if it is new; or nil and the errno.
local function find(policy, key, query)
  local handle = handles[key]
  if not handle then
    handle = make(policy, key, query)
    handles[key] = handle
    local errno = handle:listen(query)
    if errno then
      drop(key)
      return nil, errno
    end
  end
  return handle
end

--- What the answer says, its descriptor, and the state that the worker has part in now.
local function join(worker, policy, key, query)
  if worker.keys[key] then
    return { errno = EADDRINUSE }
  elseif worker.held >= KEYS_MAX then
    return { errno = EMFILE }
  end
  local handle, errno = find(policy, key, query)
  if not handle then
    return { errno = errno }
  end
  local reply, descriptor = handle:join(worker, worker.greeted())
  if not handle:has(worker) then
    if handle.count == 0 then
      drop(key)
    end
    return reply
  end
  worker.keys[key] = handle
  worker.held = worker.held + 1
  return reply, descriptor, handle
end

--- As `join`, with an errno for what it raises, where memory runs out or the system does not
--- tell where a socket is: what it has opened by then is closed again.
local function try_to_join(worker, policy, key, query)
  local was = handles[key]
  local ok, reply, descriptor, handle = pcall(join, worker, policy, key, query)
  if ok then
    return reply, descriptor, handle
  end
  keys.leave(worker, key, true)
  if not was and handles[key] then
    drop(key)
  end
  local errno = type(reply) == "table" and reply.errno or reply == NO_MEMORY and ENOMEM
  if not errno then
    error(reply, 0)
  end
  return { errno = errno }
end

--- What the first worker of a key has told the others of its server, such as the keys of its
--- tickets: Node's workers with TLS want to have that, whatever the answer is.
local function data_of(key, message)
  local handle = handles[key]
  if handle and handle.data == nil and message.data ~= null then
    handle.data = message.data
  end
  local data = handle and handle.data
  return data ~= nil and data or message.data or null
end

--- The answer has not reached the worker: it has no part in the key, and is told why.
local function refuse(worker, message, key, errno)
  local data = data_of(key, message)
  keys.leave(worker, key)
  worker.link:send({ errno = errno, ack = message.seq, key = key, data = data })
end

--- Answers a worker that wants to listen.
---@param worker table its record, see primary.lua
---@param message table
---@param policy integer
function keys.query(worker, message, policy)
  local query = read(message)
  local key = query and key_of(query, message)
  local reply, descriptor, handle = { errno = EINVAL }, nil, nil
  if query then
    reply, descriptor, handle = try_to_join(worker, policy, key, query)
  end
  reply.ack, reply.key, reply.data = message.seq, key, data_of(key, message)
  worker.link:send(reply, descriptor, nil, descriptor and function(err)
    if err and not shared.is_gone(err) then
      return refuse(worker, message, key, err.errno)
    end
    worker.link.sent(err)
  end, function() refuse(worker, message, key, EMFILE) end)
  if handle then
    handle:joined(worker)
  end
end

--- A worker listens on this key no longer. With its last one the socket is closed, unless
--- `kept`: another worker is to come.
function keys.leave(worker, key, kept)
  local handle = worker.keys[key]
  if not handle then
    return
  end
  worker.keys[key] = nil
  worker.held = worker.held - 1
  handle:leave(worker)
  if handle.count == 0 and not kept then
    drop(key)
  end
end

--- A worker has no part in any key from here on; what it was given it still answers for.
function keys.leave_all(worker)
  for key in pairs(worker.keys) do
    keys.leave(worker, key)
  end
end

--- A worker is dead.
function keys.died(worker, kept)
  for _, handle in pairs(handles) do
    handle:died(worker)
  end
  for key in pairs(worker.keys) do
    keys.leave(worker, key, kept)
  end
end

--- No other worker is to come for those that nobody serves.
function keys.sweep()
  for key, handle in pairs(handles) do
    if handle.count == 0 then
      drop(key)
    end
  end
end

--- A worker tells of connections that it has closed.
function keys.closed(worker, message)
  local handle, count = worker.keys[message.key], integer(message.count, 1, BACKLOG_MAX)
  if handle and count then
    handle:closed(worker, count)
  end
end

return keys
