-- SPDX-License-Identifier: MIT

--- net.internal.cluster.worker - this process as a worker of a cluster.
--
-- Started when the core is loaded, by the channel (process/own.lua), in a process that has
-- NODE_UNIQUE_ID; `core.cluster` is this module from then on, and nil in any other process.
-- `listen` asks the primary by it (server.lua). The answer has either no descriptor: the
-- primary accepts, and sends connections; or one that is bound: this process listens.
--
-- An entry is one listen of a server, from the question on:
--
--   server, query   who asks for what; `index` is the number of this listen among those
--                   for the same, `indexes` their place to be given back to
--   cancelled       another listen, or close, came before the answer: that is answered by
--                   `close`
--   key             the primary's name for it, from the answer on
--   handed, told    under `least`: connections that the primary has handed over, and how
--                   many it knows to be closed

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

local LONGEST = 2147483647 -- ms, for a timer

local Worker = shared.worker_class()

local worker = {} -- the module

local self_worker    -- cluster.worker
local link
local by_key = {}    -- key -> entry
local by_server = {} -- server -> entry, of those that listen
local counters = {}  -- address, port, type and descriptor -> { next, used }

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
  entry.key = key
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

--- The primary has answered a query.
local function answered(entry, reply, descriptor)
  local errno = refusal(reply)
  entry.waits = false
  if errno or entry.cancelled then
    if descriptor then
      descriptor:close()
    end
    if not entry.cancelled then
      return failed(entry, bind_error(errno, entry.query))
    end
    give_back(entry)
    return not errno and send_close(reply.key)
  end
  local ok, failure, err
  if descriptor then
    ok, failure, err = listen_bound(entry, descriptor)
  else
    ok, failure = listen_remote(entry, reply)
  end
  if ok then
    entry.least = reply.least == true and new_least(entry) or nil
    return started(entry, reply.key)
  end
  send_close(reply.key)
  failed(entry, err or bind_error(failure, entry.query))
end

--- The primary has no such socket.
local function not_there(entry)
  entry.waits = false
  if entry.cancelled then
    give_back(entry)
  else
    failed(entry, bind_error(EINVAL, entry.query))
  end
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
function worker.listen(server, query, backlog, chosen)
  local entry = { server = server, query = query, backlog = backlog, waits = true }
  setmetatable(entry, Entry)
  number(entry, query)
  query.backlog, query.data = chosen and backlog or false, null
  if query.activated and not is_primary_ours() then -- Node does not know what is asked for
    core.tick(not_there, entry)
    return entry
  end
  link:send(about(entry, "queryServer"), nil, function(reply, descriptor)
    answered(entry, reply, descriptor)
  end, function(err)
    if err and not entry.cancelled then
      entry.waits = false
      failed(entry, err)
    end
  end)
  return entry
end

--- A server has closed.
function worker.closed(server)
  local entry = by_server[server]
  if entry then
    by_server[server], by_key[entry.key] = nil, nil
    give_back(entry)
    send_close(entry.key)
  end
end

-- Connections

--- Tells how many connections of a key have closed since it was told last.
local function tell_closed(entry)
  local least = entry.least
  least.due = nil
  local open = count_connections(entry.server) - least.before
  local closed = least.handed - open - least.told
  if closed > 0 and by_server[entry.server] == entry then
    least.told = least.told + closed
    link:send({ act = "closed", key = entry.key, count = closed })
  end
end

local function review_closed(entry)
  if not entry.least.due then
    entry.least.due = true
    core.tick(tell_closed, entry)
  end
end

--- Under `least` what becomes of a connection matters.
local function count(entry)
  local least = entry.least
  least.handed = least.handed + 1
  review_closed(entry)
  if least.listens then
    return -- the last one was not accepted after all
  end
  least.listens = true
  core.listen_hidden(entry.server, "connection", function(socket)
    least.listens = nil
    core.listen_hidden(socket, "close", function() review_closed(entry) end, "once")
  end, "once")
end

--- The primary hands over a connection. It is told first that this process has it: what
--- the kernel does not take of that is never served here.
local function on_connection(message, descriptor)
  local entry = by_key[message.key]
  local server = entry and entry.server
  local accepted = descriptor ~= nil and server ~= nil
    and native.accepts(server, descriptor, server.dropMaxConnection == true)
  link:answer({ ack = message.seq, accepted = accepted }, function(err)
    if not accepted then
      return descriptor and descriptor:close()
    elseif err or not is_listening(server) then
      return descriptor:close()
    end
    if entry.least then
      count(entry)
    end
    native.deliver(server, descriptor)
  end)
end

-- Leaving

--- Calls back when all servers that the primary knows have closed.
local function close_servers(drain, callback)
  local waits = 1
  local function done()
    waits = waits - 1
    if waits == 0 then
      callback()
    end
  end
  local servers = {}
  for server in pairs(by_server) do
    servers[#servers + 1] = server
  end
  for _, server in ipairs(servers) do
    waits = waits + 1
    if drain then
      server:drain(drain, done)
    else
      server:close(done)
    end
  end
  done()
end

local function leave()
  if process.connected then
    process.disconnect()
  end
end

local function tell_and_leave()
  link:send({ act = "exitedAfterDisconnect" }, nil, leave)
end

--- The primary has this worker leave.
local function on_disconnect_asked(message)
  local drain = message.drain
  drain = type(drain) == "number" and drain >= 0 and math.min(drain, LONGEST) or nil
  self_worker.exitedAfterDisconnect = true
  close_servers(drain, leave)
end

--- The channel has ended. Nobody wants this process any more, unless it was to leave.
local function on_disconnected()
  self_worker:emit("disconnect")
  if not self_worker.exitedAfterDisconnect or self_worker.state == "destroying" then
    process.exit(0)
  end
end

-- The Worker

function Worker.isDead()
  return false
end

function Worker:send(...)
  return self.process.send(...)
end

--- Closes the servers, waits for their connections, and leaves the primary.
---@return table self
function Worker:disconnect()
  if self.state ~= "disconnecting" and self.state ~= "destroying" then
    self.state = "disconnecting"
    self.exitedAfterDisconnect = true
    close_servers(nil, tell_and_leave)
  end
  return self
end

--- Leaves the primary, and exits.
function Worker:kill()
  if self.state == "destroying" then
    return
  end
  self.exitedAfterDisconnect = true
  if not self:isConnected() then
    process.exit(0)
  end
  self.state = "destroying"
  tell_and_leave()
end

Worker.destroy = Worker.kill

--- Begins: the primary is told, and its messages are heard.
---@param channel table
---@param id integer
function worker.start(channel, id)
  local own = require("net.process")
  core.cluster = worker
  self_worker = setmetatable({ id = id, process = own, state = "online" }, Worker)
  worker.worker = self_worker
  channel.native:ref() -- until it ends, whoever listens
  shared.forward(self_worker, own, core)
  core.listen_hidden(own, "disconnect", on_disconnected, "first")
  link = shared.link(channel, {
    newconn = on_connection,
    disconnect = on_disconnect_asked,
  }, self_worker)
  link:send({ act = "online" })
end

return worker
