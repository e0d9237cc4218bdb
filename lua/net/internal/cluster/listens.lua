-- SPDX-License-Identifier: MIT

--- net.internal.cluster.listens - what this process, a worker, listens on by its primary.
--
-- `listen` of a server asks the primary (server.lua). The answer has either no descriptor: the
-- primary accepts, and sends connections; or one that is bound: this process listens.
--
-- An entry is one listen of a server, from the question on:
--
--   server, query   who asks for what; `query.index` is the number of this listen among those
--                   for the same, `name` says what that is
--   waits           the answer has not come
--   cancelled       another listen, or close, came before it: it is answered by `close`
--   key             the primary's name for it, from the answer on
--   started         its number among those that have begun, from then on
--   least           where the primary wants to know how many connections are open: see worker.lua

local core = require("net.core")
local lazy = require("net.internal.lazy")
local shared = require("net.internal.cluster.shared")

local errors = lazy.module("net.internal.errors")
local process = lazy.module("net.process")

local native = core.server
local null = core.json.null
local count_connections = core.Server.getters.connections
local is_listening = core.Server.getters.listening

local EADDRINUSE, EINVAL = core.errnum("EADDRINUSE"), core.errnum("EINVAL")

local listens = {}

local link           -- to the primary
local by_key = {}    -- key -> entry
local by_server = {} -- server -> entry, of those that listen
local counters = {}  -- address, port, type and descriptor -> { next, used }
local count = 0      -- of listens that have begun
local asked = {}     -- set of entries of which the answer has not come

--- Whether the primary is this library.
local function is_primary_ours()
  return require("net.internal.process.own").is_lua
end

-- The numbers of listens

--- Gives the entry a number among the listens for the same.
local function number(entry, query)
  local name = ("%s:%s:%s:%s"):format(query.address, query.port, query.addressType,
    query.fd or query.activated)
  local counter = counters[name] or { next = 0, used = 0 }
  counters[name] = counter
  query.index, entry.name = counter.next, name
  counter.next, counter.used = counter.next + 1, counter.used + 1
end

--- The listen is over. When all for the same are, their numbers start anew.
local function give_back(entry)
  local counter = counters[entry.name]
  counter.used = counter.used - 1
  if counter.used == 0 then
    counters[entry.name] = nil
  end
end

-- Listening

local function copy(from, to)
  for name, value in pairs(from) do
    to[name] = value
  end
  return to
end

--- A message about the entry's query: what it says, as the wire has it.
local function about(entry, act)
  local query = entry.query
  local message = copy(query, { act = act })
  message.given = nil
  message.address, message.port = query.address or null, query.port or null
  message.addressType = query.addressType or null
  return message
end

--- Tells the primary that the server listens, unless it has closed again.
local function tell_listening(entry)
  if by_server[entry.server] ~= entry then
    return
  end
  local address = entry.server:address()
  local message = about(entry, "listening")
  if type(address) == "table" then
    message.port = address.port
  end
  link:send(message)
end

--- 'listening', and then the primary hears of it.
local function emit_listening(entry)
  if is_listening(entry.server) then
    core.tick(tell_listening, entry)
    entry.server:emit("listening")
  end
end

local function started(entry, key)
  count = count + 1
  entry.key, entry.started = key, count
  by_key[key], by_server[entry.server] = entry, entry
  core.tick(emit_listening, entry)
end

--- What is to be known of connections where the primary wants to know how many are open.
local function new_least(entry)
  return { handed = 0, told = 0, before = count_connections(entry.server) }
end

local function send_close(key)
  link:send({ act = "close", key = key })
end

local function failed(entry, err)
  give_back(entry)
  entry.server:emit("error", err)
end

--- The error of a listen that the primary could not do.
local function bind_error(errno, query)
  local err = errors.system(errno, "bind", query.given or query.address, query.port)
  if not query.address and query.port and query.port > 0 then
    err.message = ("%s null:%d"):format(err.message, query.port)
  end
  return err
end

--- The primary listens: so does the server, without a descriptor.
local function listen_remote(entry, reply)
  local query, name = entry.query, reply.sockname
  if type(name) ~= "table" then
    return native.listen_remote(entry.server, query.given, -1)
  elseif type(name.address) ~= "string" or math.type(name.port) ~= "integer" or name.port < 0 then
    return nil, EINVAL
  elseif query.port and query.port > 0 and query.port ~= name.port then
    return nil, EADDRINUSE
  end
  return native.listen_remote(entry.server, name.address, name.port)
end

--- The primary has bound a socket: the server listens on it.
local function listen_bound(entry, descriptor)
  local query, server = entry.query, entry.server
  local ok, errno = native.listen_descriptor(server, descriptor, entry.backlog, query.given)
  if not ok then
    return nil, nil, errors.listen(errno, query.given or query.address or "::", query.port)
  end
  local address = server:address()
  if type(address) == "table" and (query.port or 0) > 0 and address.port ~= query.port then
    native.close(server)
    return nil, EADDRINUSE
  end
  return true
end

--- What is wrong with an answer; nil for nothing.
local function refusal(reply)
  local errno = reply.errno
  if type(reply.key) ~= "string" or by_key[reply.key] then
    return math.type(errno) == "integer" and errno < 0 and errno or EADDRINUSE
  elseif errno ~= nil and errno ~= 0 then
    return math.type(errno) == "integer" and errno < 0 and errno or EINVAL
  end
end

--- Begins to listen, as the answer says.
---@return boolean? ok
---@return integer? errno
---@return net.Error? err instead of the errno
local function begin(entry, reply, descriptor)
  if descriptor then
    return listen_bound(entry, descriptor)
  end
  local ok, errno = listen_remote(entry, reply)
  return ok, errno
end

--- Nothing came of a query; nobody wants to hear that of one that was cancelled.
local function ended(entry, err)
  if not asked[entry] then
    return -- it has been told, in another way
  end
  entry.waits, asked[entry] = false, nil
  if entry.cancelled then
    give_back(entry)
  else
    failed(entry, err)
  end
end

--- What a server of another module shares with those of the other workers, by Node's names.
local function shared_data(server)
  local get = server._getServerData
  return get and get(server) or null
end

local function share_data(server, data)
  local set = server._setServerData
  if set then
    set(server, data)
  end
end

--- The primary has answered a query.
local function answered(entry, reply, descriptor)
  local errno = refusal(reply)
  share_data(entry.server, reply.data)
  if (errno or entry.cancelled) and descriptor then
    descriptor:close()
  end
  if errno then
    return ended(entry, bind_error(errno, entry.query))
  elseif entry.cancelled then
    send_close(reply.key)
    return ended(entry)
  end
  local ok, failure, err = begin(entry, reply, descriptor)
  if not ok then
    send_close(reply.key)
    return ended(entry, err or bind_error(failure, entry.query))
  end
  entry.waits, asked[entry] = false, nil
  entry.least = reply.least == true and new_least(entry) or nil
  started(entry, reply.key)
end

local Entry = {}
Entry.__index = Entry

--- Another listen, or close, has come before the answer.
function Entry:cancel()
  self.cancelled = self.waits
end

--- Asks the primary to listen.
---@param server net.Server
---@param query table address, port, addressType, fd, flags, readableAll, writableAll as on the
---   wire; `given` is the path as the program has it
---@param backlog integer
---@param chosen boolean it is the program's
---@return table entry has `cancel`
function listens.listen(server, query, backlog, chosen)
  local entry = { server = server, query = query, backlog = backlog, waits = true }
  setmetatable(entry, Entry)
  number(entry, query)
  asked[entry] = true
  query.backlog, query.data = chosen and backlog or false, shared_data(server)
  if query.activated and not is_primary_ours() then -- Node does not know what is asked for
    core.tick(ended, entry, bind_error(EINVAL, query))
    return entry
  end
  link:send(about(entry, "queryServer"), nil, function(reply, descriptor)
    answered(entry, reply, descriptor)
  end, function(err)
    if err and not (shared.is_gone(err) and process.connected) then -- else `over` comes
      ended(entry, err)
    end
  end)
  return entry
end

--- The channel has ended, and this process goes on: no answer will come.
function listens.over()
  for entry in pairs(asked) do
    core.tick(ended, entry, errors.codes.ERR_IPC_CHANNEL_CLOSED())
  end
end

--- A server has closed.
function listens.closed(server)
  local entry = by_server[server]
  if entry then
    by_server[server], by_key[entry.key] = nil, nil
    give_back(entry)
    send_close(entry.key)
  end
end

--- The entry that the primary knows by that key.
---@param key any
---@return table?
function listens.find(key)
  return by_key[key]
end

--- The entry of a server that listens.
---@param server net.Server
---@return table?
function listens.of(server)
  return by_server[server]
end

--- Whether an entry's server listens still.
---@param entry table
---@return boolean
function listens.is_open(entry)
  return by_server[entry.server] == entry
end

--- The servers that the primary knows, in the order in which they began to listen.
---@return net.Server[]
function listens.servers()
  local list = {}
  for server in pairs(by_server) do
    list[#list + 1] = server
  end
  table.sort(list, function(a, b) return by_server[a].started < by_server[b].started end)
  return list
end

--- From now on the primary is asked by this link.
---@param new table
function listens.start(new)
  link = new
end

return listens
