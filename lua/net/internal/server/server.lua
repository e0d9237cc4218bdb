-- SPDX-License-Identifier: MIT

--- net.internal.server.server - net.createServer, and what net.Server does besides accepting.
--
-- The object is src/server/server.c's userdata; accepting, counting and the fields are
-- there. Here are the forms of `listen`, its checks in Node's order and words,
-- listening on addresses, `close`, and the events that a listen ends in; what else
-- there is to listen on is in lua/net/internal/server/listen.lua. The next `listen` or `close`
-- drops a look-up that is still under way.
--
-- Everything that fails because of the world (the address is taken, the
-- directory is missing) is told on a tick as 'error', and leaves the server
-- ready for another `listen`. What is wrong in the call itself raises. Either
-- way the callback of that `listen` stays, as in Node: it waits for 'listening'.

local core = require("net.core")
local args = require("net.internal.args")
local lazy = require("net.internal.lazy")
local options = require("net.internal.options")

local errors = lazy.module("net.internal.errors")
local listen = lazy.module("net.internal.server.listen")
local process = lazy.module("net.process")
local validate = lazy.module("net.internal.validate")

local BACKLOG = 511 -- connections; Linux makes it 512
local ANY6, ANY4 = "::", "0.0.0.0"
local USER = 2 -- where a stack starts: at the caller of the public function

--- What this module is to others; `across` is counting.lua's, once a connection of a server
--- was sent to another process.
local M = {}

local native = core.server
local methods = core.Server.methods
local is_listening = core.Server.getters.listening
local count_connections = core.Server.getters.connections
local truthy = options.truthy

-- Server -> the look-up that its listen waits for: { request = … }.
local lookups = setmetatable({}, { __mode = "k" })

-- What a listen ends in

local function emit_error(self, err)
  self:emit("error", err)
end

local function emit_listening(self)
  if is_listening(self) then -- not closed meanwhile
    self:emit("listening")
  end
end

--- Tells on a tick how listening went. 'port' is -1 where there is none.
local function finish(self, ok, errno, address, port)
  if ok then
    core.tick(emit_listening, self)
  else
    core.tick(emit_error, self, errors.listen(errno, address, port))
  end
  return self
end

-- TCP

--- Listens on one address; `o` are the options of `listen`, read.
local function listen_on(self, ip, port, o)
  return native.listen_tcp(self, ip, port, o.backlog, o.ipv6Only, o.reusePort)
end

--- Listens on all addresses: both families if the system can, else IPv4.
local function listen_on_any(self, port, o)
  local ok, errno, step = listen_on(self, ANY6, port, o)
  if ok or step ~= "bind" then
    return finish(self, ok, errno, ANY6, port)
  end
  ok, errno = listen_on(self, ANY4, port, o)
  return finish(self, ok, errno, ANY4, port)
end

local function forget_lookup(self)
  local lookup = lookups[self]
  if lookup and lookup.request then
    lookup.request:cancel() -- where that raises it is there for the next attempt
  end
  if lookup then
    lookups[self] = nil
  end
end

--- Finds the address of a host. One that is an address is so on the next tick, as
--- net.dns has it, without loading that: no program has replaced its `lookup`.
local function find_address(host, callback)
  if core.isIP(host) == 0 or package.loaded["net.dns"] then
    return listen.lookup(host, callback)
  end
  core.tick(callback, nil, host)
end

--- In a worker of a cluster the primary opens what is listened on, unless that is to be the
--- worker's own. The question is dropped as a look-up is.
local function ask_primary(self, query, o)
  lookups[self] = { request = core.cluster.listen(self, query, o.backlog, o.chosen) }
  return self
end

local function is_shared(o)
  return core.cluster and not o.exclusive and not o.reusePort
end

--- What a worker asks its primary for, of TCP.
local function tcp_query(ip, port, o)
  return {
    address = ip, port = port, addressType = ip and core.isIP(ip) or 4,
    flags = o.ipv6Only and 1 or 0,
  }
end

local function listen_on_host(self, host, port, o)
  local lookup = {}
  lookups[self] = lookup
  lookup.request = find_address(host, function(err, ip)
    if lookups[self] ~= lookup then
      return
    end
    lookups[self] = nil
    if err then
      self:emit("error", err)
    elseif is_shared(o) then
      ask_primary(self, tcp_query(ip, port, o), o)
    else
      local ok, errno = listen_on(self, ip, port, o)
      finish(self, ok, errno, ip, port)
    end
  end)
  return self
end

local function listen_tcp(self, given, o)
  local port = args.port(given.port) or validate.port(given.port, "options.port")
  if o.reusePort then
    given.exclusive = true -- Node writes it into the caller's table, too
  end
  if o.host then
    return listen_on_host(self, o.host, port, o)
  elseif is_shared(o) then
    return ask_primary(self, tcp_query(nil, port, o), o)
  end
  return listen_on_any(self, port, o)
end

-- listen

--- Takes the descriptor over; one that is gone raises, before anything changes.
local function listen_bound(self, bound, backlog)
  local ok, errno = native.listen_bound(self, bound, backlog or BACKLOG)
  forget_lookup(self)
  return finish(self, ok, errno, nil, -1)
end

--- The backlog among the arguments: the second or the third, as a number > 0.
local function backlog_argument(...)
  for i = 2, 3 do
    local n = args.tonumber_js((select(i, ...)))
    if n > 0 then
      return n
    end
  end
end

--- The options of a listen, read, with the backlog that counts.
local function read_options(given, backlog)
  local o = options.read(options.listen, given)
  o.chosen = o.backlog or options.backlog(backlog)
  o.backlog = o.chosen or BACKLOG
  return o
end

--- What `given` asks to share: a server or a socket, or the table that stands
--- in for the options; the options themselves if neither.
local function unwrap(given)
  if type(given) == "table" and truthy(given.handle) then
    return given.handle
  end
  return given
end

--- Listens as the options say.
local function listen_with(self, given, backlog)
  if given.signal ~= nil then
    listen.obey(self, validate.signal(given.signal, "options.signal"))
  end
  local o = read_options(given, backlog)
  if o.activated ~= nil and is_shared(o) then
    return ask_primary(self, { activated = listen.check_activated(o.activated) }, o)
  elseif o.activated ~= nil then
    return listen_bound(self, listen.activated(o.activated), o.backlog)
  elseif type(o.fd) == "number" and o.fd >= 0 then
    if is_shared(o) then
      return ask_primary(self, { fd = o.fd }, o)
    end
    return finish(self, listen.fd(self, o.fd, o))
  elseif type(o.port) == "number" or type(o.port) == "string" then
    return listen_tcp(self, given, o)
  elseif args.is_path(o.path) then
    if is_shared(o) then
      return ask_primary(self, listen.path_query(given, o), o)
    end
    return finish(self, listen.unix(self, given, o))
  end
  listen.refuse(given)
end

--- Starts to listen.
---
---     listen([port [, host [, backlog]]] [, onListening])
---     listen(path [, backlog] [, onListening])
---     listen(options [, onListening])
---     listen(handle [, backlog] [, onListening])   -- a server, a socket, a
---                                                  -- BoundSocket, {fd = n}
---
--- Without a host it listens on all addresses, IPv6 and IPv4; without a port, or
--- with 0, on a free one, see `address()`. A path is that of a Unix socket, whose
--- file must not exist; one that starts with "\0" is a Linux abstract name.
---
--- 'listening' follows on a tick, or 'error' (EADDRINUSE, EACCES, …), after which
--- `listen` may be called again. With a host it is looked up first.
---
--- Raises ERR_SERVER_ALREADY_LISTEN, ERR_SOCKET_BAD_PORT, ERR_INVALID_ARG_VALUE,
--- ERR_INVALID_ARG_TYPE and ERR_SOCKET_HANDLE_ADOPTED.
---@param ... any
---@return net.Server self
function methods:listen(...)
  if is_listening(self) then
    errors.raise("ERR_SERVER_ALREADY_LISTEN", USER)
  end
  local first = ...
  local given, callback = args.normalize(...)
  if callback then
    self:once("listening", callback)
  end
  local bound, backlog = args.bound_socket(given), backlog_argument(...)
  if bound then
    return listen_bound(self, bound, options.backlog(backlog))
  end
  forget_lookup(self)
  local source = unwrap(given)
  if native.has_handle(source) then
    return finish(self, listen.shared(self, source, options.backlog(backlog) or BACKLOG))
  elseif type(source) ~= "table" then
    listen.refuse(source)
  elseif first == nil or type(first) == "function" then
    source.port = 0
  end
  return listen_with(self, source, backlog)
end

-- The other methods

--- Stops accepting. Connections go on; when the last is gone, and at once if
--- there is none, 'close' follows on a tick.
---
--- The callback is called then, with ERR_SERVER_NOT_RUNNING if the server was not
--- listening. A Unix socket's file is removed before this returns.
---@param callback? fun(err?: net.Error)
---@return net.Server self
function methods:close(callback)
  local was_listening = is_listening(self)
  if type(callback) == "function" then
    self:once("close", was_listening and callback or function()
      callback(errors.codes.ERR_SERVER_NOT_RUNNING())
    end)
  end
  forget_lookup(self)
  if M.across and was_listening then
    M.across.close(self)
  end
  native.close(self)
  if core.cluster then
    core.cluster.closed(self)
  end
  return self
end

--- Leaving the scope of a <close> variable: as `close`, if there is something.
core.Server.metatable.__close = function(self)
  if not native.is(self) then
    errors.raise("ERR_INVALID_THIS", 2, "Server")
  end
  forget_lookup(self)
  if is_listening(self) then
    methods.close(self)
  end
end

--- Counts the connections there are, and calls back on a tick.
---@param callback fun(err: nil, count: integer)
---@return net.Server self
function methods:getConnections(callback)
  local count = count_connections(self)
  validate.func(callback, "callback")
  if not (M.across and M.across.count(self, count, callback)) then
    core.tick(callback, nil, count)
  end
  return self
end

-- Construction

--- A new server, which does not listen yet.
---
---     createServer([options] [, onConnection])
---
--- Options, each also a field that may be changed at any time and counts for what
--- is accepted from then on: `allowHalfOpen`, `pauseOnConnect`, `noDelay`,
--- `keepAlive`, `keepAliveInitialDelay` (ms; the field is in whole seconds),
--- `highWaterMark` (bytes, 65536), `blockList`.
---
--- Emits 'connection' (socket), 'listening', 'close', 'error' (err) and 'drop'
--- (data), the last for a connection beyond `maxConnections`.
---
--- Raises ERR_INVALID_ARG_TYPE.
---@param given? table|fun(socket: net.Socket)
---@param on_connection? fun(socket: net.Socket)
---@return net.Server
local function create_server(given, on_connection)
  if type(given) == "function" then
    given, on_connection = nil, given
  elseif given ~= nil and type(given) ~= "table" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, "options", "Object", given)
  end
  local values = options.read(options.server, given or {})
  local self = native.new()
  if type(on_connection) == "function" then
    self:on("connection", on_connection)
  end
  for name, value in pairs(values) do
    self[name] = value
  end
  return self
end

--- Running short of descriptors does not end a program that has no 'error'
--- listener: the server pauses and goes on by itself.
native.on_starved(function(self, err)
  process.emitWarning(("%s: %s, accepting pauses"):format(self, err.message))
end)

--- For what is under way, and ends at the next `close` or `listen`: `cancel(self)` then.
---@param self net.Server
---@param cancel fun(self: net.Server)
function M.pend(self, cancel)
  lookups[self] = { request = { cancel = function() cancel(self) end } }
end

--- What was under way has ended by itself.
---@param self net.Server
function M.settled(self)
  lookups[self] = nil
end

M.finish = finish
M.createServer = create_server
M.isServer = native.is
M.Server = setmetatable({}, {
  __name = "class Server",
  __index = methods,
  __call = function(_, ...)
    return create_server(...)
  end,
})

return M
