-- SPDX-License-Identifier: MIT

--- net.internal.process.kept - "message", and what waits until somebody listens to it.
--
-- As in Node a message without a listener is kept, and told on a tick after there is one;
-- but not without a limit. Methods of a channel's state (channel.lua).

local core = require("net.core")
local lazy = require("net.internal.lazy")

local arrivals = lazy.module("net.internal.process.arrivals")
local process = lazy.module("net.process")

local MAX_HANDLES = 64

local State = {} -- methods

local warned

local function warn_of_lost()
  if not warned then
    warned = true
    process.emitWarning("Messages from another process were dropped, as nobody listens to them")
  end
end

function State:tell(message, handle, size)
  if not core.listens(self.owner, "message") then
    self:keep(message, size, handle)
    return
  end
  if handle then
    arrivals.deliver(handle)
  end
  self.owner:emit("message", message, handle)
end

local function keep(self, message, size, handle)
  local kept = self.kept or { first = 1, last = 0, bytes = 0, handles = 0 }
  local bytes, count = kept.bytes + size, kept.handles + arrivals.count(handle)
  local c = self.native
  if not self.isOpen or bytes > c.maxMessage or count > MAX_HANDLES then
    if handle then
      arrivals.drop(handle)
    end
    if self.isOpen then
      warn_of_lost()
    end
    return
  end
  kept[kept.last + 1] = { message, handle, size }
  kept.last, kept.bytes, kept.handles = kept.last + 1, bytes, count
  self.kept = kept
end

--- Keeps a message; where there is no memory for that, its handle is nobody's.
function State:keep(message, size, handle)
  local ok, err = pcall(keep, self, message, size, handle)
  if not ok then
    arrivals.drop(handle)
    error(err, 0)
  end
end

--- Takes the oldest of those that were kept.
local function unkeep(self)
  local kept = self.kept
  local entry = kept[kept.first]
  kept[kept.first], kept.first = nil, kept.first + 1
  kept.bytes, kept.handles = kept.bytes - entry[3], kept.handles - arrivals.count(entry[2])
  if kept.first > kept.last then
    self.kept = nil
  end
  return entry[1], entry[2], entry[3]
end

--- Nobody will listen any more.
function State:drop_kept()
  while self.kept do
    local _, handle = unkeep(self)
    if handle then
      arrivals.drop(handle)
    end
  end
end

--- Tick: somebody listens, or did when it was queued.
local function tell_kept(self)
  if self.kept and core.listens(self.owner, "message") then
    self:tell(unkeep(self))
  end
end

--- A listener of "message" is about to be added.
function State:heard()
  if self.kept then
    for _ = self.kept.first, self.kept.last do
      core.tick(tell_kept, self)
    end
  end
end

return State
