-- SPDX-License-Identifier: MIT

--- net.internal.tls.socket - TLSSocket: a net.Socket whose bytes are encrypted below.
--
-- The object is one of net's, of a class of its own; what is under it is the core's
-- transport. Here are the ways to make one, over a connection that it makes itself or over
-- another socket, and what a program asks it. What becomes of its handshake is state.lua's.

local core = require("net.tls.core")
local net_core = require("net.core")
local alpn = require("net.internal.tls.alpn")
local connection = require("net.internal.tls.connection")
local context = require("net.internal.tls.context")
local identity = require("net.internal.tls.identity")
local lazy = require("net.internal.lazy")
local net_socket = require("net.internal.socket.socket")
local over = require("net.internal.tls.over")
local sessions = require("net.internal.tls.sessions")
local state_of = require("net.internal.tls.state")
local validate = require("net.internal.validate")
local versions = require("net.internal.tls.versions")

local errors = lazy.module("net.internal.errors")

local stream = net_core.stream
local methods, getters = core.TLSSocket.methods, core.TLSSocket.getters

local M = {}

local UINT32_MAX = 4294967295
local RECORD_MIN, RECORD_MAX = 512, 16384 -- bytes

-- Making one ready

--- Called when the socket has connected, before anything is sent.
local function opens(socket)
  local state = state_of.of(socket)
  if not state.takes then
    connection.install(socket, state)
  end
end

--- However it came to its first connection, the ones that it makes by itself are TLS.
function methods:connect(...)
  if core.is_socket(self) and state_of.of(self) then
    local private = stream.private(self)
    private.opens, private.on_connected = opens, net_socket.on_connected
  end
  return net_core.Socket.methods.connect(self, ...)
end

--- Makes a new socket of that class, with that state, ready for its connection.
---@param options table those of net.Socket
---@param state net.tls.State
---@return net.tls.TLSSocket
function M.make(options, state)
  local socket = net_socket.make(options, core.socket)
  state_of.attach(socket, state)
  return socket
end

--- Puts TLS under an accepted socket.
function M.accept(socket, state)
  state_of.attach(socket, state)
  connection.accept(socket, state)
end

-- Over another socket

--- Gives an accepted socket its connection back, and puts TLS under it.
function M.take_back(socket, state, raw)
  state_of.attach(socket, state)
  if socket.destroyed then
    return over.lost(socket, state, raw)
  end
  over.take(socket, state, raw)
end

--- Puts TLS over a socket that somebody else has made.
---@param socket net.tls.TLSSocket
---@param from net.Socket
function M.over(socket, from)
  local state = state_of.of(socket)
  state.over = from
  over.take(socket, state, from)
end

-- Fields

function getters.encrypted() return true end

local function field(name, key, otherwise)
  getters[name] = function(self)
    local state = state_of.of(self)
    if not state or state[key] == nil then
      return otherwise
    end
    return state[key]
  end
end

field("authorized", "authorized", false)
field("authorizationError", "authorizationError")
field("alpnProtocol", "alpn")
field("servername", "name")
field("server", "asked")

--- It stays so where the handshake comes to nothing.
function getters.secureConnecting(self)
  local state = state_of.of(self)
  return not (state and state.secured)
end

--- Whether the peer has said that it has sent all.
function getters.closeNotifyReceived(self)
  local state = state_of.of(self)
  return state ~= nil and state.conn ~= nil and state.conn:got_notify()
end

-- Methods

--- The receiver of a method, and its connection; none before it has connected.
local function conn_of(self)
  if not core.is_socket(self) then
    errors.raise("ERR_INVALID_THIS", 3, "TLSSocket")
  end
  local state = state_of.of(self)
  return state and state.conn, state
end

--- The connection, if it has one that is not closed.
local function live(self)
  local conn, state = conn_of(self)
  return conn and conn:state() and conn, state
end

--- What the connection answers; before there is one, `otherwise`; nil when it is closed.
local function ask(self, otherwise, question, ...)
  local conn = conn_of(self)
  if conn then
    return conn[question](conn, ...)
  elseif not self.destroyed then
    return otherwise
  end
end

function methods:getProtocol()
  return (ask(self, versions.HIGHEST, "protocol"))
end

function methods:getCipher()
  return (ask(self, nil, "cipher"))
end

function methods:getPeerCertificate(detailed)
  return (ask(self, {}, "certificate", false, detailed))
end

function methods:getCertificate()
  local conn, state = conn_of(self)
  if conn then
    return (conn:certificate(true))
  elseif not self.destroyed then
    return core.own_certificate(state.context)
  end
end

function methods:getEphemeralKeyInfo()
  return (ask(self, nil, "ephemeral"))
end

function methods:getSharedSigalgs()
  return (ask(self, {}, "sigalgs"))
end

function methods:getFinished()
  return (ask(self, nil, "finished"))
end

function methods:getPeerFinished()
  return (ask(self, nil, "peer_finished"))
end

function methods:getSession()
  local conn, state = live(self)
  local der = conn and conn:state() == "open" and conn:session()
  return der and (state.isServer and der or sessions.wrap(state, der)) or nil
end

function methods:setSession(session)
  local conn, state = conn_of(self)
  validate.string(session, "session")
  if state then
    state.resumes = session
    if not conn or conn:state() ~= "new" then
      return
    end
    local der, unchecked = sessions.unwrap(state, session)
    if der then
      conn:resume(der)
      state.unchecked = unchecked
    end
  end
end

function methods:getTLSTicket()
  return (ask(self, nil, "ticket"))
end

function methods:isSessionReused()
  return (ask(self, false, "reused"))
end

function methods:exportKeyingMaterial(length, label, context_bytes)
  local conn = live(self)
  validate.integer(length, "length", 1, UINT32_MAX)
  validate.string(label, "label")
  if context_bytes ~= nil then
    validate.string(context_bytes, "context")
  end
  if not conn or conn:state() ~= "open" then
    errors.raise("ERR_TLS_INVALID_STATE", 2)
  end
  return conn:export(length, label, context_bytes)
end

function methods:setMaxSendFragment(size)
  local conn, state = live(self)
  size = validate.int32(size, "size")
  local is_one = state ~= nil and not self.destroyed and size >= RECORD_MIN and size <= RECORD_MAX
  if is_one then
    state.fragment = size
  end
  return is_one and (not conn or conn:fragment(size))
end

function methods:setServername(name)
  local conn, state = conn_of(self)
  identity.check_sent(name, "name", 2)
  if state and state.isServer then
    errors.raise("ERR_TLS_SNI_FROM_SERVER", 2)
  end
  if state then
    state.sends = name ~= "" and name or nil
    if conn and conn:state() == "new" and state.sends then
      conn:name(name)
    end
  end
end

function methods:setKeyCert(credentials)
  local conn, state = conn_of(self)
  if not context.isSecureContext(credentials) then
    credentials = context.createSecureContext(credentials)
  end
  if state then
    state.credentials = credentials
  end
  if conn and conn:state() and conn:state() ~= "open" then
    connection.show(state, conn)
  end
end

function methods:enableTrace()
  local conn, state = conn_of(self)
  if state then
    state.traces = true
  end
  if conn and conn:state() then
    conn:trace()
  end
end

--- Renegotiation is off, for good: TLS 1.3 has none, and in 1.2 it is a way to attack.
function methods:renegotiate(options, callback)
  conn_of(self)
  validate.object(options, "options")
  if callback ~= nil then
    validate.func(callback, "callback")
    net_core.tick(callback, errors.codes.ERR_TLS_RENEGOTIATION_DISABLED())
  end
  return false
end

function methods:disableRenegotiation()
  conn_of(self)
end

-- The class

local function server_state(options)
  local settings = require("net.internal.tls.server").check_over(options)
  return {
    settings = settings, asks = settings.asks, psk = settings.psk, hint = settings.hint,
    isServer = true, asked = options.server, pending = true, traces = settings.traces,
    requests = options.requestCert == true,
    rejects = options.rejectUnauthorized ~= false,
  }
end

--- A TLS socket over another one, or without a connection yet.
---
--- Raises what createSecureContext raises, ERR_INVALID_ARG_TYPE, ERR_TLS_INVALID_CONTEXT.
---@param from? net.Socket
---@param options? net.tls.TLSSocketOptions
---@return net.tls.TLSSocket
function M.TLSSocket(from, options)
  options = options or {}
  validate.object(options, "options")
  if from ~= nil and not stream.is(from) then
    errors.raise("ERR_INVALID_ARG_TYPE", 2, "socket", "an instance of net.Socket", from)
  end
  if not options.isServer then
    return require("net.internal.tls.connect").over(from, options)
  end
  local state = server_state(options)
  state.context = M.context_of(options)
  state.alpn_names = alpn.encode(options.ALPNProtocols, 2)
  state.handshakeTimeout = options.handshakeTimeout
  state.requireCloseNotify = options.requireCloseNotify
  local half_open = options.allowHalfOpen
  if from then
    half_open = from.allowHalfOpen
  end
  local socket = M.make({ allowHalfOpen = half_open, highWaterMark = options.highWaterMark }, state)
  if from then
    M.over(socket, from)
  end
  return socket
end

--- The context that the options have, or one made of them.
function M.context_of(options)
  local given = options.secureContext
  if not given then
    return context.of(options)
  elseif not context.isSecureContext(given) then
    errors.raise("ERR_TLS_INVALID_CONTEXT", 3)
  end
  return given
end

--- Whether a value is a TLS socket.
---@param v any
---@return boolean
function M.isTLSSocket(v)
  return core.is_socket(v)
end

return M
