-- SPDX-License-Identifier: MIT

--- net.internal.tls.state - what is known of a TLS socket, and what becomes of its handshake.
--
-- The core (src/tls/connection/handshake.c) calls here from the loop, amid no call of
-- OpenSSL's: a handshake is over, has failed, waits for an answer; a session or a key has
-- come. What is policy is decided here: whom the peer has to be, which event comes in which
-- order, and when bytes may pass (`conn:open`), which is never before all of that is good.

local core = require("net.tls.core")
local net_core = require("net.core")
local lazy = require("net.internal.lazy")
local timers = require("net.timers")
local verdict = require("net.internal.tls.verdict")

local contexts = lazy.module("net.internal.tls.context")
local errors = lazy.module("net.internal.errors")
local hello = lazy.module("net.internal.tls.hello")
local psk = lazy.module("net.internal.tls.psk")
local sessions = lazy.module("net.internal.tls.sessions")

local stream, duration = net_core.stream, net_core.timeout.duration
local private = stream.private

-- By name they would be looked for in two classes, for each connection.
local on, off = net_core.Socket.methods.on, net_core.Socket.methods.off
local is_paused = net_core.Socket.methods.isPaused

local M = {}

---@class net.tls.State
---@field socket net.tls.TLSSocket
---@field conn userdata the core's Connection; one for each time that the socket connects
---@field isServer boolean
---@field server? net.tls.Server that has accepted it
---@field asked? net.Server whose listeners are asked: that one, or what TLSSocket was given
---@field requests boolean the peer is asked for a certificate
---@field rejects boolean and refused without a good one
---@field host? string whom a client has to meet
---@field unchecked? boolean nobody has checked that the session's certificate is that host's
---@field identity? function a program's own checkServerIdentity
---@field minDHSize? number bits
---@field given? table a client's options
---@field psk? function the program's pskCallback
---@field hint? string what a server says of keys
---@field credentials? net.tls.SecureContext whose certificate is shown, of setKeyCert
---@field waits? boolean for the connection of another socket
---@field takes? boolean that connection is being taken
---@field connects? boolean which has to connect first: "connect" is told
---@field pending boolean the handshake is not over
---@field secured? boolean it is, and has come to something
---@field failure? any what a client fails with
---@field on_close? function a listener, while it lasts
---@field told? boolean 'tlsClientError' was
---@field holds? integer listeners of 'newSession' that have not kept it yet
---@field held? boolean all else is over
---@field sessions? table[] for 'newSession', behind 'secureConnection'

--- What is known of a TLS socket; nil before it was made ready.
---@param socket net.tls.TLSSocket
---@return net.tls.State?
function M.of(socket)
  return private(socket).tls
end

local State = {}

--- Do bytes pass?
local function is_open(state)
  return state.conn ~= nil and state.conn:state() == "open"
end

--- Something raised amid a handshake, for want of memory perhaps, and nobody would go on.
function State.__close(state, err)
  state.takes = nil
  if err ~= nil and not is_open(state) then
    state.socket:destroy()
  end
end

--- The metatable of states that have all of these fields in common: a server has thousands
--- of them, of which each is 400 bytes smaller then.
---@param fields table
---@return table
function M.common(fields)
  return { __index = fields, __close = State.__close }
end

-- Its end

local function forget_handshake(socket, state)
  state.pending = false
  if state.on_close then
    off(socket, "close", state.on_close)
    state.on_close = nil
  end
end

local function reset_error(message, fields)
  return errors.new("Error", message, "ECONNRESET", fields)
end

--- Ends a client that has refused its server, or was refused. What it has written before
--- fails with the same error, hence by the write, if it is waiting.
local function destroy(socket, state, err)
  state.failure = err
  local conn = state.conn
  if conn and conn:state() and socket.writableLength > 0 then
    conn:refuse(err)
    timers.setImmediate(function()
      if conn:state() then -- it may have another one by then
        socket:destroy(err)
      end
    end)
  else
    socket:destroy(err)
  end
end

--- Notes what name a client has asked for, if it came so far.
local function note_name(state)
  if state.isServer and state.conn and not state.name then
    local _, name = state.conn:chosen()
    state.name = name or nil
  end
end

--- The handshake came to nothing: a server's listeners hear of it, once, or the socket
--- fails.
local function fail(socket, state, err)
  note_name(state)
  forget_handshake(socket, state)
  if not state.server then
    destroy(socket, state, err)
  elseif not state.told then
    state.told = true
    local _ <close> = setmetatable({}, { __close = function() socket:destroy() end })
    state.server:emit("tlsClientError", err, socket) -- while it is known who it was
  end
end

--- Has a socket be a TLS socket, in that state. A server's has a listener of "error", as in
--- Node: a client that is gone ends no program. Amid a handshake it tells of who is destroyed.
---@param socket net.tls.TLSSocket
---@param state net.tls.State
function M.attach(socket, state)
  state.socket = socket
  private(socket).tls = getmetatable(state) and state or setmetatable(state, State)
  if state.isServer then
    on(socket, "error", function(err)
      if state.server and state.pending then
        fail(socket, state, err)
      end
    end)
  end
end

--- The limit is the socket's own, and comes again as long as that is neither open nor
--- destroyed: this may run out of memory.
local function on_timeout(socket)
  local state <close> = M.of(socket)
  if state.pending then
    fail(socket, state, errors.codes.ERR_TLS_HANDSHAKE_TIMEOUT())
  else
    socket:destroy(state.failure) -- whoever began that had no memory
  end
end

--- Limits the time of a handshake, and notes if the socket goes before it is over.
---@param socket net.tls.TLSSocket
---@param state net.tls.State
---@param ms? number
function M.watch(socket, state, ms)
  local is_limited = ms and ms > 0
  if is_limited or state.server then
    state.on_close = function()
      if state.conn:state() then -- it was another one's end, that of before
        return
      end
      forget_handshake(socket, state)
      if state.server and not state.told then
        fail(socket, state, reset_error("socket hang up"))
      end
    end
    on(socket, "close", state.on_close)
  end
  if is_limited then
    stream.limit(socket, on_timeout, duration(ms))
  end
end

-- A client

--- It is read though it is paused, up to its mark: sessions, alerts and the end are not data.
local function read_on(socket)
  if is_paused(socket) then
    socket:read(0)
  end
end

local function open(socket, state)
  state.secured = true
  stream.unlimit(socket)
  state.conn:open()
end

--- Makes what a program keeps of a session only for who listens.
local function tell_session(socket, state, der)
  if core.listens(socket, "session") then
    socket:emit("session", sessions.wrap(state, der))
  end
end

--- Lets bytes pass, and tells. A session that came before the verdict comes behind it.
local function client_open(socket, state)
  open(socket, state)
  socket:emit("secureConnect")
  if state.session then
    local der = state.session
    state.session = nil
    tell_session(socket, state, der)
  end
  socket:emit("secure")
  read_on(socket)
end

local function client_secure(socket, state)
  local err = verdict.of_key(state)
  if err then
    return fail(socket, state, err)
  end
  err = state.conn:verdict()
  local is_chain = err ~= nil
  if not err and (state.unchecked or not state.conn:reused()) then
    err = verdict.of_name(socket, state)
  end
  state.unchecked = err and true or nil
  forget_handshake(socket, state)
  if not state.conn:state() then
    return -- by the program's checkServerIdentity
  end
  state.authorized = err == nil
  if err then
    state.authorizationError = verdict.word(err)
    if state.rejects then
      destroy(socket, state, err)
      if not is_chain then
        socket:emit("secure")
      end
      return
    end
  end
  client_open(socket, state)
end

-- A server

--- Tells of sessions that came before 'secureConnection', where that comes first.
local function tell_sessions(state)
  local list = state.sessions
  if not list then
    return
  end
  state.sessions = nil
  for _, one in ipairs(list) do
    state.asked:emit("newSession", one.id, one.der, function() end)
  end
end

local function server_secure(socket, state)
  local err = state.requests and state.conn:verdict() or nil
  if err then
    state.authorizationError = verdict.word(err)
    if state.rejects then
      return fail(socket, state, err)
    end
  end
  forget_handshake(socket, state)
  state.authorized = state.requests and not err
  open(socket, state)
  local is_heard = not state.server or core.listens(socket, "secure")
  if state.server then
    state.server:emit("secureConnection", socket) -- whose listeners do not hear 'secure'
  end
  if is_heard then
    socket:emit("secure")
  end
  read_on(socket)
  tell_sessions(state)
end

-- What the core tells

local told = {}

--- The handshake is over.
function told.secure(socket, state)
  state.alpn, state.name = state.conn:chosen()
  if (state.holds or 0) > 0 then
    state.held = true
  elseif state.isServer then
    server_secure(socket, state)
  else
    client_secure(socket, state)
  end
end

--- OpenSSL has ended it, or the system has.
function told.failed(socket, state, err)
  if err.code == "ERR_SSL_CERTIFICATE_VERIFY_FAILED" then
    err = state.conn:verdict(true) or err
    state.authorizationError = verdict.word(err)
  end
  fail(socket, state, err)
end

--- Tells that nothing is to come, also who does not read.
local function tell_end(socket)
  stream.ended(socket)
  socket:emit("readable")
  socket:emit("end")
end

--- The peer has ended before it was over.
function told.hangup(socket, state)
  if state.isServer and not state.server then
    tell_end(socket)
    return socket:destroy()
  elseif state.isServer then
    return fail(socket, state, reset_error("socket hang up"))
  end
  local given = state.given or {}
  fail(socket, state, reset_error("Client network socket disconnected before secure TLS "
    .. "connection was established", { path = given.path, host = given.host, port = given.port,
    localAddress = given.localAddress }))
  tell_end(socket)
end

function told.keylog(socket, state, line)
  if state.server then
    state.server:emit("keylog", line .. "\n", socket)
  else
    socket:emit("keylog", line .. "\n")
  end
end

function told.session(socket, state, der)
  if state.pending then
    state.session = der
  else
    tell_session(socket, state, der)
  end
end

--- In TLS 1.3 there is nothing to wait for.
function told.new_session(socket, state, id, der)
  if not state.pending then
    state.asked:emit("newSession", id, der, function() end)
  elseif state.conn:protocol() == "TLSv1.3" then
    state.sessions = state.sessions or {}
    table.insert(state.sessions, { id = id, der = der })
  else
    hello.keep(state, id, der, function() server_secure(socket, state) end)
  end
end

--- A client has said what it wants.
function told.hello(socket, state)
  hello.answer(socket, state)
end

--- A client wants to have the status of the server's certificate.
function told.status(socket, state)
  hello.status(socket, state)
end

--- What a server has said of that.
function told.response(socket, _, der)
  socket:emit("OCSPResponse", der ~= "" and der or nil)
end

--- Lua has raised where OpenSSL had asked for a key.
function told.raised(socket, state, err)
  fail(socket, state, err or errors.new("Error", "pskCallback has failed"))
end

M.fail = fail

--- Has a connection be of another context; what is told about keys is its own. One that was
--- chosen by a name resumes sessions of that name alone: those of others may be of clients whom
--- this context does not trust.
---@param state net.tls.State
---@param context net.tls.SecureContext
---@param name? string
function M.use(state, context, name)
  local trust = state.requests and contexts.trust(context) or ""
  state.conn:context(context, name and
    table.concat({ state.settings.sessions, name:lower(), trust }, "\0"))
  if state.hint then
    state.conn:hint(state.hint)
  end
end

core.on_event(function(socket, event, ...)
  local state = socket and M.of(socket)
  if state and event == "psk" then
    return psk.answer(socket, state, ...)
  elseif state and event == "keylog" then
    told.keylog(socket, state, ...)
  elseif state then
    local _ <close> = state
    told[event](socket, state, ...)
  end
end)

return M
