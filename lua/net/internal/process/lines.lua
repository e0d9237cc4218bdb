-- SPDX-License-Identifier: MIT

--- net.internal.process.lines - what the internal lines of a channel mean.
--
-- They are seen amid their chunk (`line`), which is when ACKs are queued, and heard on their
-- tick (`internal`). Methods of a channel's state (channel.lua).

local core = require("net.core")
local lazy = require("net.internal.lazy")

local arrivals = lazy.module("net.internal.process.arrivals")
local counting = lazy.module("net.internal.process.counting")
local errors = lazy.module("net.internal.errors")
local greeting = lazy.module("net.internal.process.greeting")

local ACK = '{"cmd":"NODE_HANDLE_ACK"}\n'
local NACK = '{"cmd":"NODE_HANDLE_NACK"}\n'

local json, native = core.json, core.channel
local close_all, is_internal = core.descriptor.close_all, native.is_internal

local State = {} -- methods

--- The first line, before it is looked at: one of ours greets by it. Nil: none comes
--- (greeting.lua).
function State:greeted(message)
  local version = type(message) == "table" and message.cmd == "NODE_LUANET" and message.v
  self.is_ours, self.unsure = math.type(version) == "integer" and version >= 1, nil
  if self.current and not self.current.sent then
    self.current.begun = false
  end
  if self.asking then
    greeting.over(self)
  end
  self:advance()
end

--- An internal line, amid its chunk.
function State:line(message)
  local cmd = message.cmd
  if cmd == "NODE_HANDLE" then
    self:handle_line(message)
  elseif cmd == "NODE_LUANET" and message.act == "binary" then
    local again = self.is_ours and native.reread(self.native)
    if again then
      native.post(self.native, again)
    end
  elseif cmd == "NODE_HANDLE_ACK" or cmd == "NODE_HANDLE_NACK" then
    self:acknowledged(cmd == "NODE_HANDLE_NACK")
  elseif self.handlers[cmd] or cmd:find("^NODE_SOCKET_") then
    native.post(self.native, message)
  end
end

--- One with a handle, or so it says. Of what Node sends again the inner message counts. The
--- answer to a new connection of a cluster waits for its tick.
function State:handle_line(message)
  local c, inner = self.native, message.msg
  if message.binary == true and self.is_ours then
    message = native.reread(c) or message
    inner = message.msg
  end
  if type(inner) == "table" and inner.cmd == "NODE_HANDLE" then
    message, inner = inner, inner.msg
  end
  local needed = arrivals.needs(self, message)
  local group = needed > 0 and native.take(c) or {}
  if #group < needed then
    close_all(group)
    native.post(c, nil, nil, NACK)
  elseif is_internal(inner) and inner.cmd == "NODE_CLUSTER" and inner.act == "newconn" then
    native.post(c, message, group)
  else
    native.post(c, message, group, ACK)
  end
end

--- What was posted, on its tick.
function State:internal(message, group, size)
  local inner = message.msg
  if message.cmd == "NODE_LUANET" and message.act == "binary" then
    self:tell_inner(inner, nil, size)
    return
  elseif message.cmd ~= "NODE_HANDLE" then
    self:handle_internal(message)
    return
  elseif is_internal(inner) then
    close_all(table.move(group, 2, #group, 1, {}))
    self.ack_due = inner.cmd == "NODE_CLUSTER" and inner.act == "newconn"
    self:handle_internal(inner, group[1])
    return
  end
  local object
  if message.type == "net.Native" then
    close_all(group)
  else
    object = arrivals.receive(self, message, group)
  end
  self:tell_inner(inner, object, size)
end

--- Tells what was in a line, or in none of its fields; what is internal is no message.
function State:tell_inner(message, object, size)
  if not is_internal(message) then
    self:tell(message == nil and json.null or message, object, size)
  end
end

--- An ACK that is still due leaves.
function State:acknowledge()
  if self.ack_due then
    self.ack_due = nil
    native.urgent(self.native, ACK)
  end
end

--- Calls who is told of such a message; a descriptor that nobody wants is closed. An ACK
--- that is due leaves whatever becomes of that: by the state's __close, as a pcall would
--- take from an error the frames that its traceback is to show.
function State:handle_internal(message, descriptor)
  local is_count = message.cmd:find("^NODE_SOCKET_")
  local handler = not is_count and self.handlers[message.cmd]
  if descriptor and not handler then
    descriptor:close()
  end
  if is_count then
    counting.hear(self, message)
    return
  end
  local _ <close> = self
  if handler then
    handler(message, descriptor)
  end
end

--- All that was urgent has left.
function State:went()
  local going = self.going
  self.going = nil
  for i = 1, #going do
    core.tick(going[i])
  end
end

function State:on_internal(cmd, fn)
  self.handlers[cmd] = fn
end

function State:answer(message, go)
  local line = (self.ack_due and ACK or "") .. json.encode(message) .. "\n"
  self.ack_due = nil
  if self.isOpen and native.urgent(self.native, line) then
    go()
  elseif not self.isOpen then
    core.tick(go, errors.codes.ERR_IPC_CHANNEL_CLOSED())
  else
    self.going = self.going or {}
    table.insert(self.going, go)
  end
end

return State
