-- SPDX-License-Identifier: MIT

--- net.internal.tls.connection - a connection of the core's: what it is told before its
--- handshake, and how it comes under a socket.

local core = require("net.tls.core")
local context = require("net.internal.tls.context")
local sessions = require("net.internal.tls.sessions")
local state_of = require("net.internal.tls.state")

local M = {}

--- Has a connection show the certificate that setKeyCert has set.
---@param state net.tls.State
---@param conn userdata
function M.show(state, conn)
  local sessions_of
  if state.isServer then
    sessions_of = state.settings.sessions .. "\0keys\0" .. context.trust(state.credentials)
  end
  conn:credentials(state.credentials, sessions_of)
end

--- A server that asks for certificates resumes sessions of clients whom a server like it has
--- judged: one with the same keys may trust others, as this one may have done before. OpenSSL
--- refuses who resumes where a context does not say what its sessions are known by.
local function bind_sessions(state, conn)
  local set = state.settings
  if set.bound ~= state.context then
    local own = set.sessions ~= "" and set.sessions or sessions.program_id()
    set.bound, set.bond = state.context, own .. "\0" .. context.trust(state.context)
  end
  conn:context(state.context, set.bond)
end

--- A connection of the core's as the state says, not under the socket yet.
local function new_connection(socket, state)
  local conn = core.connection(state.context, state.isServer, socket)
  conn:verify(state.requests, state.rejects)
  if state.isServer and state.requests then
    bind_sessions(state, conn)
  end
  if state.tickets then
    conn:tickets(state.tickets)
  end
  if state.credentials then
    M.show(state, conn)
  end
  if state.alpn_names then
    conn:alpn(state.alpn_names)
  end
  if state.sends then
    conn:name(state.sends)
  end
  if state.psk then
    conn:psk()
    if state.hint then
      conn:hint(state.hint)
    end
  end
  if state.fragment then
    conn:fragment(state.fragment)
  end
  if state.resumes then
    local der, unchecked = sessions.unwrap(state, state.resumes)
    if der then
      conn:resume(der)
      state.unchecked = unchecked
    end
  end
  if state.traces then
    conn:trace()
  end
  if state.wantsStatus then
    conn:want_status()
  end
  if state.asks or state.requireCloseNotify then
    conn:flags(state.asks, state.requireCloseNotify)
  end
  if state.asked then
    conn:hears(state.asked)
  end
  return conn
end

--- Puts TLS under a socket that has just been accepted, whose state is new. Most servers have
--- no more to tell a connection than this.
function M.accept(socket, state)
  if not state.isPlain then
    return M.install(socket, state)
  end
  local _ <close> = state -- who raises does not leave a connection without TLS
  local conn = core.connection(state.context, true, socket)
  conn:verify(false, state.rejects)
  conn:hears(state.server)
  state.authorized, state.conn = false, conn
  core.install(socket, conn)
  state_of.watch(socket, state, state.handshakeTimeout)
end

--- Puts TLS under a socket that is open. 'bytes' are what was read of the connection
--- before, 'from' the socket that had it.
function M.install(socket, state, bytes, from)
  local _ <close> = state -- who raises does not leave a connection without TLS
  state.pending, state.authorized, state.authorizationError = true, false, nil
  state.alpn, state.name, state.session, state.failure = nil, nil, nil, nil
  state.unchecked, state.secured = nil, nil
  state.told, state.holds, state.held, state.sessions = nil, nil, nil, nil
  state.conn = new_connection(socket, state)
  core.install(socket, state.conn, bytes, from)
  state_of.watch(socket, state, state.handshakeTimeout)
end

return M
