-- SPDX-License-Identifier: MIT

--- net.internal.task.sockets - sockets in tasks' hands: co.connect, lines, pipeline.
--
-- What runs for each packet (receive, send, flush) is src/task; here is what is made of it,
-- and what is seldom enough to be waited for by listeners.

local core = require("net.core")
local children = require("net.internal.task.children")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")
local connect = lazy.module("net.internal.socket.connect")
local listen = require("net.internal.task.listen")

local tasks = core.open_tasks()
local methods = core.Socket.methods
local native = tasks.socket

local sockets = {}

for _, name in ipairs({ "receive", "receiveUntil", "peek", "lines", "chunks", "send", "flush" }) do
  methods[name] = native[name]
end

-- Connecting

--- Whoever comes from LuaSocket has the host first: raises at the caller of who asks.
---@param first any
---@param second any
function sockets.check_order(first, second)
  if type(first) == "string" and type(second) == "number" and not first:find("[/\0]") then
    errors.raise("ERR_INVALID_ARG_VALUE", 3, "port", first,
      "must be the port: the order is (port, host)")
  end
end

local function wait_for_connect(socket, event, where)
  tasks.hold(socket)
  return tasks.suspend(function(resume)
    local remove
    local function answer(...)
      resume(...) -- first, as it may lack memory
      remove()
    end
    local function undo()
      remove()
      socket:destroy()
    end
    local function look()
      if socket.destroyed then
        answer(nil, socket.errored or errors.codes.ERR_STREAM_PREMATURE_CLOSE())
      elseif not socket.pending and not socket.secureConnecting then
        answer(true)
      end
    end
    remove = listen(socket, {
      [event] = function() answer(true) end,
      error = function(err) answer(nil, err) end,
      timeout = function() answer(nil, errors.codes.ERR_TIMEOUT()) end,
      close = function() answer(nil, errors.codes.ERR_STREAM_PREMATURE_CLOSE()) end,
    })
    return undo, look
  end, false, "connect to", nil, where)
end

--- Connects, and waits until the connection stands. Arguments are those of `net.connect`.
---@param ... any
---@return net.Socket? socket
---@return net.Error? err
function sockets.connect(...)
  sockets.check_order(...)
  return sockets.connect_by(connect.connect, "connect", ...)
end

--- The same by another function, of whose sockets another event says that they are ready.
---@param make fun(...): net.Socket
---@param event string
function sockets.connect_by(make, event, ...)
  children.check_wait()
  local where = { as = "arguments", n = 2, ... }
  local socket = make(...)
  local done, ok, err = pcall(wait_for_connect, socket, event, where)
  if done and ok then
    return socket
  end
  socket:destroy()
  if not done then
    tasks.rethrow(ok)
  end
  return nil, err
end

-- The end

--- Waits for 'close', at once if it was.
---@param it net.Socket|net.Server
---@return true? ok
---@return net.Error? err the socket's, if it has failed
function sockets.finished(it)
  children.check_wait()
  local is_socket = core.stream.is(it)
  if not is_socket and not core.server.is(it) then
    errors.raise("ERR_INVALID_ARG_TYPE", 2, "it", { "Socket", "Server" }, it)
  end
  local function outcome()
    local err = is_socket and it.errored
    if err then
      return nil, err
    end
    return true
  end
  local function has_closed()
    return is_socket and it.closed or not is_socket and core.server.closed(it)
  end
  if has_closed() then
    return outcome()
  elseif is_socket then
    tasks.hold(it)
  end
  tasks.suspend(function(resume)
    local remove
    local function answer()
      resume()
      remove()
    end
    local function look()
      if has_closed() then
        answer()
      end
    end
    remove = listen(it, { close = answer })
    return remove, look
  end, true, "finished of", nil, it)
  return outcome()
end

local function check_socket(value, name)
  if not core.stream.is(value) then
    errors.raise("ERR_INVALID_ARG_TYPE", 3, name, "Socket", value)
  end
end

--- Has all of `a`, and its end, sent to `b`. On a failure, or interrupted, both are destroyed.
---@param a net.Socket
---@param b net.Socket
---@return true? ok
---@return net.Error? err
function sockets.pipeline(a, b)
  children.check_wait()
  check_socket(a, "a")
  check_socket(b, "b")
  local function wait()
    if a.closed and not a.readableEnded then -- of which nothing comes any more
      return nil, a.errored or errors.codes.ERR_STREAM_PREMATURE_CLOSE()
    end
    return tasks.suspend(function(resume)
      local remove_a, remove_b
      local function remove()
        remove_a()
        if remove_b then
          remove_b()
        end
      end
      local function answer(...)
        resume(...)
        remove()
      end
      local function fail(err)
        answer(nil, err)
      end
      local function cut()
        fail(errors.codes.ERR_STREAM_PREMATURE_CLOSE())
      end
      local function look()
        if b.writableFinished and a.readableEnded then
          answer(true)
        elseif b.destroyed or b.writableFinished or a.destroyed and not a.readableEnded then
          fail(a.errored or b.errored or errors.codes.ERR_STREAM_PREMATURE_CLOSE())
        end
      end
      remove_a = listen(a, {
        error = fail,
        close = function()
          if not a.readableEnded then
            cut()
          end
        end,
      })
      remove_b = listen(b, {
        error = fail,
        close = cut,
        finish = function()
          if a.readableEnded then
            answer(true)
          else
            cut()
          end
        end,
      })
      tasks.hold(a)
      tasks.hold(b)
      a:pipe(b)
      return remove, look
    end, false, "pipeline from", nil, a)
  end
  local done, ok, err = pcall(wait)
  if done and ok then
    return true
  end
  a:unpipe(b)
  a:destroy()
  b:destroy()
  if not done then
    tasks.rethrow(ok)
  end
  return nil, err
end

return sockets
