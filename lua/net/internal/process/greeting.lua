-- SPDX-License-Identifier: MIT

--- net.internal.process.greeting - is a peer that says nothing this library?
--
-- A process that `fork` has started without `execPath` counts as one, and what only one of
-- ours knows waits for its first line. Ours greets before it reads anything; another program
-- may read for years and never say a word, and all that is sent to it would wait. So a peer
-- that has read what was sent, and has not greeted, is no process of ours. That there is
-- something to read a line sees to that every program ignores.
--
-- Who does not read either is waited for, as Node waits for who acknowledges no handle: until
-- it has ended. Refused: to wait for so long and no longer, as the head that travels with a
-- socket would be lost where a machine is busy.

local core = require("net.core")
local timers = require("net.timers")

local native = core.channel

local LINE = '{"cmd":"NODE_LUANET","v":1}\n'
local FIRST, LONGEST = 100, 1000 -- ms between two looks

local greeting = {}

--- Behind a poll, which has found the first line if there was one when all was read.
local function decide(channel)
  if channel.unsure and channel.isOpen then
    channel:greeted()
  end
end

local function look(channel, wait)
  local is_read = native.is_read(channel.native)
  if is_read then
    timers.setImmediate(decide, channel)
  elseif is_read == false then
    channel.asking = timers.setTimeout(look, wait, channel, math.min(2 * wait, LONGEST)):unref()
  end
end

local function begin(channel)
  native.write(channel.native, LINE, nil, true)
  if channel.isOpen then
    look(channel, FIRST)
  end
end

--- Something waits for the first line: has `channel:greeted()` be called where none comes of
--- a peer that reads.
---@param channel table
function greeting.await(channel)
  if not channel.asking then
    channel.asking = timers.setTimeout(begin, FIRST, channel):unref()
  end
end

--- The line has come, or never will.
---@param channel table
function greeting.over(channel)
  channel.asking:close()
end

return greeting
