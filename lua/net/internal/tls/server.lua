-- SPDX-License-Identifier: MIT

--- net.internal.tls.server - `tls.createServer`, and what a TLS server does besides net's.

local core = require("net.tls.core")
local net_core = require("net.core")
local alpn = require("net.internal.tls.alpn")
local context = require("net.internal.tls.context")
local lazy = require("net.internal.lazy")
local options_of = require("net.internal.options")
local sessions = require("net.internal.tls.sessions")
local socket_of = require("net.internal.tls.socket")
local state_of = require("net.internal.tls.state")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local hello = lazy.module("net.internal.tls.hello")
local psk = lazy.module("net.internal.tls.psk")

local methods = core.Server.methods
local emit = net_core.Server.methods.emit

local HANDSHAKE_TIMEOUT = 120000 -- ms
local TIMEOUT_MAX = 2147483647 -- ms

local M = {}

---@class net.tls.Settings
---@field context net.tls.SecureContext of the handshakes to come
---@field requests boolean
---@field rejects boolean
---@field timeout number ms
---@field alpn? string as in ALPN's extension
---@field given table the options
---@field isGiven boolean `context` was made by the program
---@field tickets? net.tls.SecureContext with the keys of its tickets, if they are not in `context`
---@field bond? string what the sessions of clients with certificates are known by
---@field bound? net.tls.SecureContext of which that was said
---@field common? table the metatable of the states; nil where the settings have changed

--- Server -> its settings.
---@type table<net.tls.Server, net.tls.Settings>
local settings = setmetatable({}, { __mode = "k" })

--- What tasks listen to, for connections that are ready.
function core.Server.getters._tells() return "secureConnection" end

-- Accepting

--- What the states of all connections have in common, until the settings change.
local function common_of(server, set)
  return state_of.common {
    isServer = true, server = server, asked = server, context = set.context,
    requests = set.requests, rejects = set.rejects, alpn_names = set.alpn,
    handshakeTimeout = set.timeout, requireCloseNotify = set.requireCloseNotify,
    asks = set.asks, settings = set, psk = set.psk, hint = set.hint, traces = set.traces,
    tickets = set.tickets,
    isPlain = not (set.requests or set.alpn or set.requireCloseNotify or set.asks or set.psk
      or set.hint or set.traces or set.tickets),
  }
end

--- The state of a connection; nil is said of what it will have, so that its table has the
--- size for that at once.
local function new_state(server, set)
  set.common = set.common or common_of(server, set)
  return setmetatable({
    pending = true, socket = nil, conn = nil, authorized = nil, on_close = nil,
    alpn = nil, name = nil, secured = nil,
  }, set.common)
end

--- Does that behind the block, also where the block raises: a listener that fails is no
--- reason to leave a connection without TLS.
local function behind(fn)
  return setmetatable({}, { __close = fn })
end

core.on_accepted(function(server, socket, is_heard)
  local state = new_state(server, settings[server])
  if not is_heard then
    return socket_of.accept(socket, state)
  end
  -- Whoever listens to 'connection' gets a socket of its own, which has the connection until
  -- the listeners are done.
  local raw = core.plain()
  assert(core.take(raw, socket))
  local _ <close> = behind(function() socket_of.take_back(socket, state, raw) end)
  emit(server, "connection", raw)
end)

--- A connection that a program has, as if it had been accepted.
function methods:emit(event, stream, ...)
  if event ~= "connection" or not net_core.stream.is(stream) then
    return emit(self, event, stream, ...)
  end
  local set = settings[self]
  if not set then
    errors.raise("ERR_INVALID_THIS", 2, "Server")
  end
  local _ <close> = behind(function()
    local state = new_state(self, set)
    local socket = socket_of.make({ allowHalfOpen = stream.allowHalfOpen }, state)
    socket_of.over(socket, stream)
  end)
  emit(self, event, stream, ...)
  return true
end

-- Settings

local function check_function(value, name)
  if value ~= nil then
    validate.func(value, name)
  end
end

local function check_callbacks(given)
  if given.ALPNCallback ~= nil then
    validate.func(given.ALPNCallback, "options.ALPNCallback")
    if given.ALPNProtocols ~= nil then
      errors.raise("ERR_TLS_ALPN_CALLBACK_WITH_PROTOCOLS", 4)
    end
  end
  check_function(given.SNICallback, "options.SNICallback")
end

local function asks(given)
  return given.ALPNCallback ~= nil or given.SNICallback ~= nil
end

local function read_trace(given)
  if given.enableTrace ~= nil then
    return validate.boolean(given.enableTrace, "options.enableTrace")
  end
end

--- What is called for a key, and the hint to clients.
local function read_psk(given, prefix)
  if given.pskCallback ~= nil or given.pskIdentityHint ~= nil then
    return psk.options(given, prefix)
  end
end

-- Keys of tickets

local function ticket_keys(set)
  return core.context.ticket_keys(set.tickets or set.context)
end

--- A context that the program has made may be that of others, too, and keeps its keys: these
--- are then in one of the server's own.
local function set_ticket_keys(set, given, keys)
  local holder = set.context
  if given then
    holder = context.SecureContext()
  end
  core.context.set_ticket_keys(holder, keys)
  set.tickets, set.common = given and holder or nil, nil
end

--- The keys that the options have, or nil.
local function read_ticket_keys(options)
  local keys = options.ticketKeys
  if keys ~= nil then
    context.check_ticket_keys(keys, "options.ticketKeys")
  end
  return keys
end

--- What the options say, checked; nothing of the server has changed by then.
local function read_settings(given)
  check_callbacks(given)
  if given.handshakeTimeout ~= nil then
    validate.number(given.handshakeTimeout, "options.handshakeTimeout", 0, TIMEOUT_MAX)
  end
  local context_made = M.new_context(given, given.requestCert == true)
  local psk_callback, hint = read_psk(given, "options.")
  local set = {
    given = given, isGiven = options_of.truthy(given.secureContext),
    context = context_made, psk = psk_callback, hint = hint, traces = read_trace(given),
    requests = given.requestCert == true,
    rejects = given.rejectUnauthorized ~= false,
    timeout = options_of.truthy(given.handshakeTimeout) and given.handshakeTimeout
      or HANDSHAKE_TIMEOUT,
    alpn = alpn.encode(given.ALPNProtocols, 3),
    requireCloseNotify = options_of.truthy(given.requireCloseNotify),
    asks = asks(given), sessions = given.sessionIdContext or sessions.program_id(),
    contexts = {},
  }
  local keys = set.isGiven and read_ticket_keys(given)
  if keys then
    set_ticket_keys(set, true, keys)
  end
  return set
end

--- The context of a server: it has its own order of ciphers, unless told otherwise. One that
--- asks no client for a certificate needs nobody's to trust, which take 27 ms to load.
function M.new_context(given, requests)
  if options_of.truthy(given.secureContext) then
    return (socket_of.context_of(given))
  end
  local own = {}
  for name, value in pairs(given) do own[name] = value end
  if own.honorCipherOrder == nil then
    own.honorCipherOrder = true
  end
  if own.ca == nil and not requests then
    own.ca = {}
  end
  own.sessionIdContext = own.sessionIdContext or sessions.program_id()
  return (context.createSecureContext(own))
end

--- The settings of a server's TLS socket over another one, which no server has accepted, but
--- whose options may name one: checked.
---@param given table the options of TLSSocket
---@return table
function M.check_over(given)
  if given.handshakeTimeout ~= nil then
    validate.number(given.handshakeTimeout, "options.handshakeTimeout", 0, TIMEOUT_MAX)
  end
  if given.server ~= nil and not net_core.server.is(given.server) then
    errors.raise("ERR_INVALID_ARG_TYPE", 4, "options.server", "an instance of net.Server",
      given.server)
  end
  check_callbacks(given)
  local psk_callback, hint = read_psk(given, "")
  return { given = given, contexts = {}, asks = asks(given), psk = psk_callback, hint = hint,
    sessions = given.sessionIdContext or "", traces = read_trace(given) }
end

--- The settings of a server; raises for what is none.
local function check_self(self)
  local set = settings[self]
  if not set then
    errors.raise("ERR_INVALID_THIS", 3, "Server")
  end
  return set
end

--- From the next handshake on the server is of these options; what is not given is as in
--- createServer. Connections that are there go on as they are, tickets stay good, but for those
--- of clients of a server that requests certificates and trusts others now; and where this
--- raises all stays as it was.
---@param options net.tls.SecureContextOptions
function methods:setSecureContext(options)
  local set = check_self(self)
  validate.object(options, "options")
  local keys = read_ticket_keys(options) or ticket_keys(set)
  local made = M.new_context(options, set.requests)
  local own = { context = made }
  set.isGiven = options_of.truthy(options.secureContext)
  set_ticket_keys(own, set.isGiven, keys)
  set.context, set.tickets, set.common = made, own.tickets, nil
end

--- A context for clients that ask for such a name: `*` stands for what is no dot. Of several
--- that match the last one counts.
---@param name string
---@param options net.tls.SecureContext|net.tls.SecureContextOptions
function methods:addContext(name, options)
  local set = check_self(self)
  if not options_of.truthy(name) then
    errors.raise("ERR_TLS_REQUIRED_SERVER_NAME", 2)
  end
  validate.string(name, "hostname")
  if not context.isSecureContext(options) then
    options = M.new_context(validate.object(options, "options"), set.requests)
  end
  table.insert(set.contexts, { pattern = hello.pattern(name), context = options })
  set.asks, set.common = true, nil
end

--- The keys of the tickets that this server gives, which others may set to take them.
---@return string keys 48 bytes
function methods:getTicketKeys()
  return ticket_keys(check_self(self))
end

--- Sets them: from the next handshake on.
---@param keys string 48 bytes
function methods:setTicketKeys(keys)
  local set = check_self(self)
  context.check_ticket_keys(keys, "keys")
  set_ticket_keys(set, set.isGiven, keys)
end

--- What a worker of a cluster tells the others of its server, and is told, in Node's words.
function methods:_getServerData()
  local hex = self:getTicketKeys():gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  return { ticketKeys = hex }
end

function methods:_setServerData(data)
  local hex = type(data) == "table" and data.ticketKeys
  if type(hex) == "string" and #hex == 96 and not hex:find("%X") then
    self:setTicketKeys((hex:gsub("..", function(two) return string.char(tonumber(two, 16)) end)))
  end
end

-- Making one

--- A new TLS server, which does not listen yet.
---
---     createServer([options] [, onSecureConnection])
---@param given? table|fun(socket: net.tls.TLSSocket)
---@param on_connection? fun(socket: net.tls.TLSSocket)
---@return net.tls.Server
function M.createServer(given, on_connection)
  if type(given) == "function" then
    given, on_connection = nil, given
  elseif given ~= nil and type(given) ~= "table" then
    errors.raise("ERR_INVALID_ARG_TYPE", 2, "options", "Object", given)
  end
  given = given or {}
  local set = read_settings(given)
  local values = options_of.read(options_of.server, given)
  local self = core.server()
  settings[self] = set
  if type(on_connection) == "function" then
    self:on("secureConnection", on_connection)
  end
  for name, value in pairs(values) do
    self[name] = value
  end
  return self
end

M.Server = M.createServer

return M
