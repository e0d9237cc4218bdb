-- SPDX-License-Identifier: MIT

--- net.internal.task.errors - the errors of tasks, which Node does not have.
--
-- Constructors by code, as those of `net.internal.errors`, which looks here for what it does
-- not have: so C finds them, and who has no tasks does not load them.

local errors = require("net.internal.errors")

local codes = {}

local CANNOT_WAIT = {
  outside = "outside of a task: call it in co.run or co.spawn",
  C = "below a call that cannot yield, such as a listener, table.sort or string.gsub",
  coroutine = "in a coroutine of yours: make it with co.generator, or spawn a task",
}

---@param where "outside"|"C"|"coroutine"
function codes.ERR_CANNOT_WAIT(where)
  return errors.new("Error", "Cannot wait " .. CANNOT_WAIT[where], "ERR_CANNOT_WAIT")
end

--- What a cancelled task's waits raise.
---@param reason? any kept as the field `cause`
function codes.ERR_TASK_CANCELLED(reason)
  return errors.new("AbortError", "The task was cancelled", "ABORT_ERR", { cause = reason })
end

function codes.ERR_TIMEOUT()
  return errors.new("TimeoutError", "The operation timed out", "ERR_TIMEOUT")
end

function codes.ERR_STRAY_YIELD()
  return errors.new("Error", "The task has yielded to nobody: coroutine.yield is for generators",
    "ERR_STRAY_YIELD")
end

function codes.ERR_CANCEL_IGNORED()
  return errors.new("Error", "The task has caught the error of its scope, and waited on, too often",
    "ERR_CANCEL_IGNORED")
end

--- A task that awaits itself, or the one of co.run that nothing can wake.
---@param text? string
function codes.ERR_DEADLOCK(text)
  return errors.new("Error", text or "A task cannot await itself", "ERR_DEADLOCK")
end

function codes.ERR_LOOP_STOPPED()
  return errors.new("Error", "The loop was stopped before the task has ended", "ERR_LOOP_STOPPED")
end

function codes.ERR_GROUP_CLOSED()
  return errors.new("Error", "The group has ended", "ERR_GROUP_CLOSED")
end

function codes.ERR_QUEUE_CLOSED()
  return errors.new("Error", "The queue is closed", "ERR_QUEUE_CLOSED")
end

--- The end of a stream, for those who read it by calls.
function codes.EOF()
  return errors.new("Error", "The end of the stream", "EOF")
end

---@param who string who reads already
function codes.ERR_SOCKET_BUSY(who)
  return errors.new("Error", "The socket is read already, by " .. who, "ERR_SOCKET_BUSY")
end

function codes.ERR_RECEIVE_TOO_LONG()
  return errors.new("Error", "What is to be received is longer than allowed",
    "ERR_RECEIVE_TOO_LONG")
end

return codes
