-- SPDX-License-Identifier: MIT

--- One end of a channel with a foreign peer: a spec has the other end's descriptor, and
--- says and hears bytes there, with descriptors if it likes (see frames.c).
---
---     it("...", channels.connected(function(p)
---       p:say('"hello"\n')
---       p:turn()
---       assert.same({ "message hello" }, p.seen)
---       assert.equal("", p:heard())
---     end))

local channel = require("net.internal.process.channel")
local core = require("net.core")
local events = require("net.events")
local lua = require("spec.support.lua")
local net = require("net")
local support = require("spec.support")

local M = {}

local frames = lua.module("spec/support/frames.c", "frames")

M.frames = frames


local TURNS = 8 -- of the loop, in which all that is to happen does

local Peer = {}
Peer.__index = Peer

--- Some turns of the loop, none of which waits.
function Peer:turn(n) -- luacheck: no self
  for _ = 1, n or TURNS do
    net.run("nowait")
  end
end

--- Writes to the channel, in parts if the kernel has no room, with the numbers of
--- descriptors beside the first byte.
function Peer:say(text, numbers)
  while #text > 0 do
    local n = frames.send(self.fd, text, numbers)
    if n > 0 then
      text, numbers = text:sub(n + 1), nil
    else
      assert(n == core.errnum("EAGAIN"), n)
      net.run("nowait")
    end
  end
end

--- As `say`, with `n` new descriptors, which are closed here.
function Peer:say_with(text, n)
  local own, numbers = {}, {}
  for i = 1, n or 1 do
    own[i] = core.descriptor.pair()
    numbers[i] = own[i]:number()
  end
  self:say(text, numbers)
  for i = 1, #own do
    own[i]:close()
  end
end

--- All bytes that have come, and the numbers of the descriptors are closed: how many those
--- were is the second result.
function Peer:heard()
  local list, count = {}, 0
  repeat
    local n = self.frames:read(self.fd)
    for line in function() return (self.frames:line()) end do
      list[#list + 1] = line .. "\n"
      self.frames:next()
    end
    repeat
      local group = self.frames:take()
      for _, number in ipairs(group) do
        frames.close(number)
      end
      count = count + #group
    until #group == 0
  until n <= 0
  return table.concat(list), count
end

--- The peer is gone.
function Peer:close()
  self.descriptor:close()
end

local function shown(value)
  if type(value) == "table" and getmetatable(value) == core.error_metatable then
    return value.code or value.message
  elseif type(value) == "table" or value == core.json.null then
    return core.json.encode(value)
  end
  return tostring(value)
end

local function note(seen, name)
  return function(...)
    local words = table.pack(name, ...)
    while words[words.n] == nil do
      words.n = words.n - 1
    end
    for i = 2, words.n do
      words[i] = shown(words[i])
    end
    seen[#seen + 1] = table.concat(words, " ")
  end
end

--- A callback that notes its name and what it was called with.
function Peer:note(name)
  return note(self.seen, name)
end

--- Has an event noted, "message" above all.
function Peer:follow(...)
  for _, event in ipairs({ ... }) do
    self.owner:on(event, note(self.seen, event))
  end
  return self
end

--- Makes the function that `it` takes of one that takes a peer, and `t` of `within`. The
--- owner's events are noted, unless `options.quiet`.
---@param fn fun(p: table, t: table)
---@param options? table of channel.attach
function M.connected(fn, options)
  return support.within(function(t)
    local mine, theirs = core.descriptor.pair()
    local p = setmetatable({
      owner = events.EventEmitter(), descriptor = theirs, fd = theirs:number(), seen = {},
      frames = frames.new(1 << 30),
    }, Peer)
    p.channel = channel.attach(p.owner, mine, options)
    p.native = p.channel.native
    if not (options and options.quiet) then
      p:follow("message", "disconnect", "error")
    end
    local _ <close> = setmetatable({}, { __close = function()
      core.channel.shut(p.native)
      p.frames:close()
      theirs:close()
    end })
    fn(p, t)
  end)
end

return M
