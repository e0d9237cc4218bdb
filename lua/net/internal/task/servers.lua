-- SPDX-License-Identifier: MIT

--- net.internal.task.servers - servers in tasks' hands: co.listen, incoming, serve.
--
-- A server that is asked for its connections accepts when somebody asks; what comes before
-- that waits in the kernel's backlog. One that serves accepts always, and has a task for
-- each connection.

local core = require("net.core")
local children = require("net.internal.task.children")
local lazy = require("net.internal.lazy")
local listen = require("net.internal.task.listen")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local server = lazy.module("net.internal.server.server")
local timers = lazy.module("net.timers")

local tasks = core.open_tasks()
local methods = core.Server.methods
local native, taken_by = core.server, core.stream.taken_by

local LINGER = 2000 -- milliseconds from the FIN to the close, for a peer that does not end

local servers = {}

local states = setmetatable({}, { __mode = "k" }) -- server -> what tasks want of it

-- When it closes

--- Connections that were accepted, and that no loop asks for any more, go the way of those
--- in the backlog.
local function drop_ready(state)
  for i = #state.ready, 1, -1 do
    table.remove(state.ready, i):destroy()
  end
end

--- 'close' comes when the last connection has gone; who waits for the next is told at once.
local close = native.close
function native.close(self)
  local state = states[self]
  if not state then
    return close(self)
  end
  state.closing = true -- first, as the rest may lack memory
  close(self)
  if state.over then
    local ok, err = pcall(state.over)
    if not ok then
      tasks.look()
      tasks.rethrow(err)
    end
  else
    drop_ready(state)
  end
end

--- Closes it; after a close() that somebody has called 'close' would come once more.
local function shut(self, state)
  if not state.closing or self.listening then
    self:close()
  end
end

-- When to accept

--- The event that says who has connected: a server of another kind has its own.
local function event_of(self)
  return self._tells or "connection"
end

--- Accepts exactly while somebody wants to: a task that asks, one that serves, a listener.
local function apply(self, state)
  native.hold(self, not (state.asks or state.serves > 0 or self:listenerCount(event_of(self))
    > (state.listener and 1 or 0)))
end

--- What is known of a server that tasks use.
local function state_of(self)
  local state = states[self]
  if state then
    return state
  end
  state = {
    serves = 0, asks = false,
    listener = false, over = false, -- of the loop over its connections, if there is one
    closing = false, -- by close(), since somebody has begun to wait
    ready = {}, -- accepted, and handed to nobody yet
  }
  states[self] = state
  local function look(event)
    if event == event_of(self) or event == nil then
      core.tick(apply, self, state)
    end
  end
  core.listen_hidden(self, "newListener", look, "first")
  core.listen_hidden(self, "removeListener", look, "first")
  core.listen_hidden(self, "listening", function() apply(self, state) end, "first")
  return state
end

--- Waits until the server listens, or has failed to.
local function wait_for_listening(self, where)
  return tasks.suspend(function(resume)
    local remove
    local function answer(...)
      resume(...) -- first, as it may lack memory
      remove()
    end
    local function undo()
      remove()
      self:close()
    end
    local function look()
      if not self.listening then -- it may have failed, and nothing says so any more
        error("not enough memory", 0)
      end
      answer(true)
    end
    remove = listen(self, {
      listening = function() answer(true) end,
      error = function(err) answer(nil, err) end,
      close = function() answer(nil, errors.codes.ERR_SERVER_NOT_RUNNING()) end,
    })
    return undo, look
  end, false, "listen on", nil, where)
end

--- Makes a server that listens, and accepts nobody before it is asked to. Arguments are
--- those of `server:listen`; as a table, with the options of `createServer`.
---@param ... any
---@return net.Server? server
---@return net.Error? err
function servers.listen(...)
  local first, second = ...
  if type(first) == "string" and type(second) == "number" and not first:find("[/\0]") then
    errors.raise("ERR_INVALID_ARG_VALUE", 2, "port", first,
      "must be the port: the order is (port, host)")
  end
  children.check_wait()
  local self = server.createServer(type(first) == "table" and first or nil)
  local state = state_of(self)
  self:listen(...)
  local done, ok, err = pcall(wait_for_listening, self, { as = "arguments", n = 2, ... })
  if not done then
    shut(self, state)
    tasks.rethrow(ok)
  elseif ok then
    return self
  end
  return nil, err
end

-- One after the other

local function check_this(self)
  if not core.server.is(self) then
    errors.raise("ERR_INVALID_THIS", 3, "Server")
  end
end

--- For a `for` loop: the next connection, until the server closes. Raises if it could not
--- listen.
---@return fun(): net.Socket?
function methods:incoming()
  check_this(self)
  local state = state_of(self)
  if state.listener then
    errors.raise("ERR_SOCKET_BUSY", 2, "another loop over its connections")
  end
  local ready, resume_with, closed, failure = state.ready, nil, false, nil
  state.closing = false

  local function wake(...)
    local counts = resume_with and resume_with(...)
    resume_with, state.asks = nil, false
    apply(self, state)
    return counts
  end

  local function take(socket)
    if not wake(socket) then
      ready[#ready + 1] = socket
    end
  end

  local function on_connection(socket)
    local ok, err = pcall(take, socket)
    if not ok then
      socket:destroy() -- whom nobody gets
      tasks.rethrow(err)
    end
  end

  local listeners, remove = { [event_of(self)] = on_connection }, nil
  local function stop()
    remove()
    if state.listener == on_connection then
      state.over, state.listener = false, false
    end
    apply(self, state)
  end
  local function over()
    closed = true
    stop()
    wake()
  end
  local function leave()
    stop()
    if closed then
      drop_ready(state)
    end
  end
  if not self.listening then
    function listeners.error(err)
      failure = err
      over()
    end
    function listeners.listening()
      self:off("error", listeners.error)
    end
  end
  remove = listen(self, listeners)
  state.over, state.listener = over, on_connection
  apply(self, state)

  local function undo(socket)
    resume_with, state.asks = nil, false
    apply(self, state)
    if socket then
      table.insert(ready, 1, socket)
    end
  end
  local function look()
    if ready[1] or closed or core.server.closed(self) then
      closed = closed or not ready[1]
      wake(table.remove(ready, 1))
    end
  end
  local function ask(resume)
    resume_with, state.asks = resume, true
    apply(self, state)
    return undo, look
  end

  local function next_one()
    local socket = table.remove(ready, 1)
    if not socket and not closed then
      socket = tasks.suspend(ask, false, "incoming on", nil, self)
    end
    if socket then
      tasks.hold(socket)
    elseif failure then
      errors.throw(failure, 2)
    end
    return socket
  end
  return next_one, nil, nil, setmetatable({}, { __close = leave })
end

-- All at once

--- The socket that has the connection: this one, or TLS that the handler has begun over it.
local function outermost(socket)
  return taken_by(socket) and outermost(taken_by(socket)) or socket
end

--- What a handler has answered is sent, and the rest of the request thrown away; a close
--- with bytes unread would send RST, and the answer be lost.
local function linger(lingering, socket)
  if socket.destroyed then
    return
  end
  local function cut() socket:destroy() end
  local timer
  socket:once("close", function()
    lingering[socket] = nil
    timers.clearTimeout(timer)
  end)
  socket:once("finish", function()
    timer = timers.setTimeout(cut, LINGER)
  end)
  socket:once("timeout", cut)
  socket:finish()
  socket:resume()
  lingering[socket] = true -- last: without, as when memory runs out, it is destroyed
end

--- Is the error no more than the socket's end, as its methods, or those of what is over it, told?
local function is_its_end(socket, err)
  local over = taken_by(socket)
  return err ~= nil and (err == tasks.last_error(socket) or err == socket.errored)
    or over and is_its_end(over, err)
end

--- The task of one connection.
local function handle(serving, socket)
  tasks.hold(socket)
  local ok, err = pcall(serving.handler, socket)
  if ok then
    return linger(serving.lingering, outermost(socket))
  end
  local ends = is_its_end(socket, err)
  socket:destroy()
  if ends then
    return
  elseif serving.on_error and not tasks.is_interruption(err) then
    serving.on_error(err, socket)
  else
    tasks.rethrow(err)
  end
end

--- A handler has ended, maybe closed by the loop, past handle(): its socket goes then, too.
local function let_go(serving, task, socket)
  if socket and task.status ~= "done" and not serving.lingering[outermost(socket)] then
    socket:destroy()
  end
  return false
end

--- Hears of the server from now on, whenever the task begins: `serving.closed` when it has,
--- and `serving.err` if it could not listen.
local function attend(self, serving)
  local listeners = {}
  local function over(err)
    serving.closed, serving.err = true, err
    local resume = serving.resume
    if resume then
      resume()
    end
  end
  listeners[event_of(self)] = function(socket)
    local ok, task, entry = pcall(children.spawn, serving.set, handle, serving, socket)
    if not ok then
      socket:destroy() -- whom nobody serves
      tasks.rethrow(task)
    end
    entry.tag = socket
  end
  function listeners.close() over() end
  if not self.listening then
    listeners.error = over
    function listeners.listening()
      self:off("error", over)
    end
  end
  serving.leave = listen(self, listeners)
end

--- Waits until it is closed.
local function wait_for_close(serving)
  if not serving.closed then
    tasks.suspend(function(resume)
      serving.resume = resume
      return nil, function()
        if serving.closed or native.closed(serving.server) then
          resume()
        end
      end
    end, true, "serve on", nil, serving.server)
  end
end

--- The end of those who are there: of handlers, and of sockets that linger.
local function cut(self, serving)
  shut(self, serving.state)
  children.cancel(serving.set)
  tasks.shield(children.wait, serving.set)
  for socket in next, serving.lingering do
    socket:destroy()
  end
end

local function serve(self, serving)
  local ok, err = pcall(wait_for_close, serving)
  if ok then
    ok, err = pcall(children.wait, serving.set)
  end
  if not ok then
    cut(self, serving)
    tasks.rethrow(err)
  elseif serving.err then
    errors.throw(serving.err, 1)
  end
  return true
end

--- Calls `handler(socket)` in a task of its own for each connection. When it returns the
--- socket is finished; when it raises it is destroyed, and the error, unless it is the
--- socket's own end, goes to `onError(err, socket)`, or is uncaught. May be called anywhere.
---@param handler fun(socket: net.Socket)
---@param onError? fun(err: any, socket: net.Socket)
---@return net.Task task that returns true when the server is closed and all handlers have ended
function methods:serve(handler, onError)
  check_this(self)
  validate.func(handler, "handler")
  if onError ~= nil then
    validate.func(onError, "onError")
  end
  local serving = {
    server = self, handler = handler, on_error = onError, lingering = {},
  }
  serving.set = children.new(function(_, task, entry)
    return let_go(serving, task, entry.tag)
  end)
  local state = state_of(self)
  serving.state, state.closing = state, false
  attend(self, serving)
  local done, task = pcall(tasks.spawn, function(task)
    serving.leave()
    state.serves = state.serves - 1
    if task.status == "cancelled" then -- maybe before it has begun
      shut(self, state)
    end
    apply(self, state)
  end, serve, self, serving)
  if not done then
    serving.leave()
    tasks.rethrow(task)
  end
  state.serves = state.serves + 1
  apply(self, state)
  return task
end

return servers
