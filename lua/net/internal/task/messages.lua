-- SPDX-License-Identifier: MIT

--- net.internal.task.messages - messages of a channel for tasks: receive and messages.
--
-- Of the ChildProcess in a parent, and of `process` in a child. Who waits listens for one
-- message: without a listener the channel keeps what comes. One that was handed to a task
-- which is cancelled before it went on is the next one's.

local core = require("net.core")
require("net.co")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")
local listen = require("net.internal.task.listen")

local tasks = core.open_tasks()

local readers = setmetatable({}, { __mode = "k" }) -- emitter -> {task =, kept = {messages}}

local function reader_of(emitter)
  local reader = readers[emitter]
  if not reader then
    reader = { kept = {}, task = nil }
    readers[emitter] = reader
  end
  return reader
end

local function check_free(emitter, reader, level)
  local who = reader.task and tostring(reader.task)
    or emitter:listenerCount("message") > 0 and "a listener for 'message'"
  if who then
    errors.raise("ERR_SOCKET_BUSY", level + 1, who)
  end
end

local function wait(emitter, reader)
  return tasks.suspend(function(resume)
    local remove
    local function leave()
      reader.task = nil
      remove()
    end
    local function answer(...)
      resume(...) -- first, as it may lack memory
      leave()
    end
    local function undo(message, handle)
      leave()
      if message ~= nil then
        table.insert(reader.kept, 1, { message, handle })
      end
    end
    local function look()
      if not emitter.channel then
        answer(nil, errors.codes.ERR_IPC_CHANNEL_CLOSED())
      end
    end
    remove = listen(emitter, {
      message = answer,
      disconnect = function() answer(nil, errors.codes.ERR_IPC_CHANNEL_CLOSED()) end,
    })
    reader.task = tasks.current()
    return undo, look
  end, false, "message from", nil, core.child.is(emitter) and emitter or "the parent")
end

local function receive(emitter)
  if not tasks.can_wait() then
    tasks.yield() -- which says why
  end
  local reader = reader_of(emitter)
  check_free(emitter, reader, 3)
  local kept = table.remove(reader.kept, 1)
  if kept then
    return kept[1], kept[2]
  elseif not emitter.channel then
    return nil, errors.codes.ERR_IPC_CHANNEL_CLOSED()
  end
  return wait(emitter, reader)
end

--- An iterator that ends with the channel.
local function messages(emitter)
  return function()
    local message, handle = receive(emitter)
    if message ~= nil then
      return message, handle
    end
  end
end

local methods, functions = core.ChildProcess.methods, core.Process.methods
local check_this = core.child.life -- raises ERR_INVALID_THIS for what is no ChildProcess

--- Waits for the next message from the child.
---@return any message nil when the channel has ended
---@return any handle or, with nil, the error
function methods:receive()
  check_this(self)
  return receive(self)
end

--- For a `for` loop: each message, and its handle, until the channel ends.
---@return fun(): any, any
function methods:messages()
  check_this(self)
  return messages(self)
end

--- Waits for the next message from the parent.
---@return any message nil when the channel has ended
---@return any handle or, with nil, the error
function functions.receive()
  return receive(require("net.process"))
end

--- For a `for` loop: each message, and its handle, until the channel ends.
---@return fun(): any, any
function functions.messages()
  return messages(require("net.process"))
end
