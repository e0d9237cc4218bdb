-- SPDX-License-Identifier: MIT

--- net.internal.process.kept - "message", and what waits until somebody listens to it.
--
-- As in Node a message without a listener is kept, and told on a tick after there is one;
-- but not without a limit: bytes of lines, handles, and the memory that the values take, as
-- a line of `[],[],…` is twenty times longer as tables. Methods of a channel's state
-- (channel.lua), of which `kept` is nil, or the entries from `first` to `last` and the sums
-- of what they have.

local core = require("net.core")
local lazy = require("net.internal.lazy")

local arrivals = lazy.module("net.internal.process.arrivals")
local process = lazy.module("net.process")

local native = core.channel

local MAX_HANDLES = 64
local LEAST = 1048576 -- bytes of memory that may be used whatever the longest line is

-- Bytes of memory, about: of an entry of ours, a table, an element, a name and value, a string.
local ENTRY, TABLE, ELEMENT, PAIR, STRING = 160, 56, 16, 40, 32

local State = {} -- methods

local warned

local function warn_of_lost()
  if not warned then
    warned = true
    process.emitWarning("Messages from another process were dropped, as nobody listens to them")
  end
end

--- How many bytes of memory a message takes, about.
local function weigh(message)
  local weight, open, count = ENTRY, { message }, 1
  while count > 0 do
    local value = open[count]
    open[count], count = nil, count - 1
    if type(value) == "string" then
      weight = weight + STRING + #value
    elseif type(value) == "table" then
      weight = weight + TABLE
      for name, item in next, value do
        weight = weight + (type(name) == "string" and PAIR + #name or ELEMENT)
        if type(item) == "string" or type(item) == "table" then
          count = count + 1
          open[count] = item
        end
      end
    end
  end
  return weight
end

local function emit(self, message, handle)
  if handle then
    arrivals.deliver(handle)
  end
  self.owner:emit("message", message, handle)
end

--- Tells a message, behind those that were kept.
function State:tell(message, handle, size)
  if self.kept and core.listens(self.owner, "message") then
    self:tell_kept()
  end
  if self.kept or not core.listens(self.owner, "message") then
    self:keep(message, size, handle)
  else
    emit(self, message, handle)
  end
end

--- The sums with one more; nil if that is too much. One message alone may weigh what it likes.
local function add(self, message, size, handle)
  local kept = self.kept or { first = 1, last = 0, bytes = 0, handles = 0, weight = 0 }
  local max, weight = self.native.maxMessage, weigh(message)
  local bytes, handles = kept.bytes + size, kept.handles + arrivals.count(handle)
  local is_heavy = kept.weight > 0 and kept.weight + weight > math.max(max, LEAST)
  if not self.isOpen or bytes > max or handles > MAX_HANDLES or is_heavy then
    return nil
  end
  native.keeps(self.native, true)
  kept[kept.last + 1] = { message, handle, size, weight }
  kept.last, kept.bytes, kept.handles = kept.last + 1, bytes, handles
  kept.weight = kept.weight + weight
  return kept
end

--- Keeps a message; where there is no room or no memory for that, its handle is nobody's.
function State:keep(message, size, handle)
  local ok, kept = pcall(add, self, message, size, handle)
  if ok and kept then
    self.kept = kept
    return
  end
  if handle then
    arrivals.drop(handle)
  end
  if not ok then
    error(kept, 0)
  elseif self.isOpen then
    warn_of_lost()
  end
end

--- Takes the oldest of those that were kept.
local function unkeep(self)
  local kept = self.kept
  local entry = kept[kept.first]
  kept[kept.first], kept.first = nil, kept.first + 1
  kept.bytes, kept.handles = kept.bytes - entry[3], kept.handles - arrivals.count(entry[2])
  kept.weight = kept.weight - entry[4]
  if kept.first > kept.last then
    self.kept = nil
    native.keeps(self.native, false)
  end
  return entry[1], entry[2]
end

--- Nobody will listen any more; but as in Node those that are being told all are, though a
--- listener closes the channel.
function State:drop_kept()
  while self.kept and not self.is_telling do
    local _, handle = unkeep(self)
    if handle then
      arrivals.drop(handle)
    end
  end
end

--- Tick: tells what was kept, as long as somebody listens. Where a listener raises, the rest
--- comes on another tick.
function State:tell_kept()
  self.is_due = nil
  if self.kept and core.listens(self.owner, "message") then
    self:heard()
    self.is_telling = true
    repeat
      emit(self, unkeep(self))
    until not (self.kept and core.listens(self.owner, "message"))
  end
  self.is_telling = nil
  if not self.isOpen then
    self:drop_kept()
  end
end

--- A listener of "message" is about to be added.
function State:heard()
  if self.kept and not self.is_due then
    core.tick(self.tell_kept, self)
    self.is_due = true
  end
end

return State
