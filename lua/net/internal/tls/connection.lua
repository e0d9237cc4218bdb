-- SPDX-License-Identifier: MIT

--- net.internal.tls.connection - what a connection of the core's is told before its
--- handshake.

local core = require("net.tls.core")
local context = require("net.internal.tls.context")
local sessions = require("net.internal.tls.sessions")

local M = {}

--- What a server's listeners want to hear of.
local function listen_for(conn, state)
  local server = state.server
  conn:flag("asks", state.asks or core.listens(server, "resumeSession"))
  conn:flag("stores", core.listens(server, "newSession"))
  conn:flag("keylog", core.listens(server, "keylog"))
  conn:flag("status", core.listens(server, "OCSPRequest"))
end

--- A connection of the core's as the state says, not under the socket yet.
---@param socket net.tls.TLSSocket
---@param state net.tls.State
function M.new(socket, state)
  local conn = core.connection(state.context, state.isServer, socket)
  conn:verify(state.requests, state.rejects)
  if state.isServer and state.requests and not context.has_sessions(state.context) then
    conn:context(state.context, sessions.program_id()) -- without, who resumes would be refused
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
    local der = sessions.unwrap(state.resumes, state.host, state.rejects)
    if der then
      conn:resume(der)
    end
  end
  if state.traces then
    conn:trace()
  end
  if state.wantsStatus then
    conn:want_status()
  end
  conn:flag("notify", state.requireCloseNotify)
  conn:flag("asks", state.asks)
  if state.server then
    listen_for(conn, state)
  end
  return conn
end

return M
