-- SPDX-License-Identifier: MIT

--- net.internal.process.talk - what two strangers say to each other who hand a server over.
--
-- Lines of JSON over a Unix socket, as of a channel (src/process/channel.c), of which this
-- is all: no messages of a program's, no handles but the one, and whatever is not expected
-- ends it. `told(message, group)` is called for each line, on a tick, with the Descriptors
-- that came with it; `over(err)` once when the other side has closed, or err says what was
-- wrong with it, unless `close` was called before.

local core = require("net.core")
local EventEmitter = require("net.events").EventEmitter

local native = core.channel

local LINE_MAX = 65536 -- bytes
local GONE = { [core.errnum("EPIPE")] = true, [core.errnum("ECONNRESET")] = true }

---@class net.Talk
local Talk = {}
Talk.__index = Talk

local talk = {}

--- Closes it, and says nothing more.
function Talk:close()
  if self.channel then
    native.shut(self.channel)
  end
  if self.again then
    self.again.descriptor:close()
  end
  self.again, self.closed = false, true
end

local function tell_over(self, err)
  if not self.closed then
    self.hooks.over(err) -- first: where this raises, the end is told again
    self:close()
  end
end

local function tell_line(self, message, group)
  if self.closed then
    return core.descriptor.close_all(group)
  end
  self.hooks.told(message, group or {})
end

-- What the channel calls: see src/process/channel.h.

function Talk:line(message)
  local group = native.take(self.channel)
  core.tick(tell_line, self, message, group)
end

--- A line that is nothing internal.
function Talk:tell()
  core.tick(tell_over, self)
end

function Talk:fail(err)
  core.tick(tell_over, self, err)
end

function Talk:over()
  core.tick(tell_over, self)
end

--- What waited is with the kernel.
function Talk:drained()
  local again = self.again
  if again and not self.closed then
    self:send(again.line, again.descriptor)
  end
end

function Talk.went() end

--- Sends a line, and a Descriptor, which is closed when it has gone. What goes wrong ends
--- the talk, as the other side's end does.
---@param line string without its end
---@param descriptor? userdata
---@param done? fun(err?: net.Error) of a line alone: the kernel has it, or never will
function Talk:send(line, descriptor, done)
  if not descriptor then
    native.write(self.channel, line .. "\n", done, true)
    return
  end
  local sent, errno = native.send_with(self.channel, line .. "\n", { descriptor })
  self.again = sent == false and { line = line, descriptor = descriptor }
  if self.again then
    return
  end
  descriptor:close()
  if not sent then
    self:fail(not GONE[errno] and core.errno_error(errno, "write") or nil)
  end
end

--- Whether it holds the loop.
function Talk:hold(holds)
  native.want(self.channel, holds)
end

--- Opens one.
---@param descriptor userdata of a connected Unix socket; used up
---@param hooks {told: fun(message: table, group: userdata[]), over: fun(err?: net.Error)}
---@return net.Talk
function talk.open(descriptor, hooks)
  -- All fields are there: what is opened below must not be lost for want of memory.
  local self = setmetatable({ hooks = hooks, channel = false, closed = false, again = false }, Talk)
  local owner = EventEmitter()
  owner:on("error", function() -- what was sent has met a closed end
    tell_over(self)
  end)
  self.channel = native.open(descriptor, owner, self, LINE_MAX)
  return self
end

return talk
