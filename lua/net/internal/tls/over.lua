-- SPDX-License-Identifier: MIT

--- net.internal.tls.over - how a TLS socket comes to the connection of another socket: at
--- once, or when that has connected and sent what was written to it.

local core = require("net.tls.core")
local net_core = require("net.core")
local connection = require("net.internal.tls.connection")
local lazy = require("net.internal.lazy")
local state_of = require("net.internal.tls.state")

local errors = lazy.module("net.internal.errors")

local stream = net_core.stream

local EAGAIN, EISCONN = net_core.errnum("EAGAIN"), net_core.errnum("EISCONN")

local M = {}

--- The socket waits for the other one as one that connects.
local function wait_for(socket, state, from)
  if not socket.connecting then
    stream.connecting(socket, false)
  end
  if not state.waits then
    state.waits = true
    socket:once("close", function() from:destroy() end)
  end
end

--- Does it connect? One that waits for another, which has connected, does not.
local function connects(from)
  local state = state_of.of(from)
  return from.connecting and not (state and state.waits and not state.connects)
end

--- What became of the other socket before its connection could be had. It is told soon, not
--- amid the call that wraps it.
function M.lost(socket, state, from)
  local message = state.isServer and "socket hang up"
    or "Client network socket disconnected before secure TLS connection was established"
  local err = errors.new("Error", message, "ECONNRESET")
  if socket.destroyed then
    return state_of.fail(socket, state, err)
  end
  wait_for(socket, state, from)
  net_core.tick(function()
    if state.isServer or not socket.destroyed then
      state_of.fail(socket, state, err)
    end
  end)
end

--- The name that the other socket has looked up, or whom its TLS has met.
local function host_of(from)
  local over = state_of.of(from)
  return over and over.host or stream.private(from).host or "localhost"
end

local function begin_over(socket, state, from, bytes)
  if not state.isServer then
    state.host = state.host or host_of(from)
  end
  connection.install(socket, state, bytes, from)
  if state.connects then
    socket:emit("connect")
  else
    stream.catch_up(socket) -- it may have waited until the other one had sent all
  end
  stream.begin(socket)
end

--- The other socket has not begun to connect: waits until it has.
local function take_later(socket, state, from)
  local on_connect, on_close
  function on_connect()
    from:off("close", on_close)
    M.take(socket, state, from)
  end
  function on_close()
    from:off("connect", on_connect)
    M.take(socket, state, from)
  end
  state.connects = true
  wait_for(socket, state, from)
  from:once("connect", on_connect)
  from:once("close", on_close)
end

--- If connect() was called on it meanwhile, its hook leaves TLS to who takes.
local function take(socket, state, from)
  local _ <close> = state
  state.takes = true
  return core.take(socket, from)
end

--- Takes the connection of 'from', or waits until it can be had.
---@param socket net.tls.TLSSocket
---@param state net.tls.State
---@param from net.Socket
function M.take(socket, state, from)
  if socket.destroyed then
    return
  end
  state.connects = state.connects or connects(from)
  local bytes, errno = take(socket, state, from)
  if bytes then
    return begin_over(socket, state, from, bytes)
  elseif errno == EISCONN then
    return -- connect() was called on it meanwhile, and was faster: it has a connection
  elseif errno ~= EAGAIN and from.pending and not from.destroyed then
    return take_later(socket, state, from)
  elseif errno ~= EAGAIN then
    return M.lost(socket, state, from)
  end
  wait_for(socket, state, from)
  while from.writableCorked > 0 do
    from:uncork()
  end
  from:write("", function() M.take(socket, state, from) end)
end

return M
