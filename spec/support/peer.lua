-- SPDX-License-Identifier: MIT

--- A foreign program at the other end of a channel, which plays what it is told to: lines
--- as they are on the wire, and descriptors, by system calls of its own (rights.c).
---
---     local peer, descriptor = foreign.new(t)       -- the descriptor is the channel's end
---     peer:send('{"cmd":"NODE_HANDLE_ACK"}\n')
---     assert.equal('"second"', peer:line())         -- runs the loop until it is there
---     peer.fds                                      -- numbers that came, not taken yet
---
--- Or with the channel, of an emitter whose events are noted:
---
---     it("...", foreign.connected(function(p)
---       p:send('"hello"\n')
---       p:turn()
---       assert.same({ "message hello" }, p.seen)
---       assert.equal("", p:heard())
---     end))

local assert = require("luassert")
local channel = require("net.internal.process.channel")
local core = require("net.core")
local events = require("net.events")
local lua = require("spec.support.lua")
local net = require("net")
local sockets = require("spec.support.sockets")
local support = require("spec.support")

local rights = lua.module("spec/support/rights.c", "rights")

local M = { rights = rights }

local TURNS = 8 -- of the loop, in which all that is to happen does

local Peer = {}
Peer.__index = Peer

--- Takes in what there is.
local function read(peer)
  local bytes, more
  repeat
    bytes, more = nil, nil
    if peer.descriptor:number() then
      bytes, more = rights.recv(peer.descriptor:number())
    end
    peer.ended = peer.ended or bytes == "" or (bytes == nil and more == core.errnum("ECONNRESET"))
    if bytes then
      peer.rest = peer.rest .. bytes
      table.move(more, 1, #more, #peer.fds + 1, peer.fds)
      peer.with[#peer.with + 1] = #more > 0 and #peer.rest - #bytes + peer.told or nil
    end
  until not bytes or bytes == ""
end

--- The next line, without its LF; the loop runs until it is there. Nil at the end.
function Peer:line()
  sockets.wait(function()
    read(self)
    return self.ended or self.rest:find("\n", 1, true)
  end)
  local line, rest = self.rest:match("^([^\n]*)\n(.*)$")
  if line then
    self.told = self.told + #line + 1
    self.rest = rest
  end
  return line
end

--- Demands these lines, in this order.
function Peer:expect(...)
  for i = 1, select("#", ...) do
    assert.equal((select(i, ...)), self:line())
  end
  return self
end

--- Demands that nothing more comes.
function Peer:expect_nothing()
  sockets.settle()
  read(self)
  assert.equal("", self.rest)
  return self
end

--- Demands the end.
function Peer:expect_end()
  assert.is_nil(self:line())
end

--- Sends the bytes, in parts if the kernel has no room, with these descriptors beside the
--- first.
function Peer:send(bytes, fds)
  while #bytes > 0 do
    local n, errno = rights.send(self.descriptor:number(), bytes, fds)
    if n then
      bytes, fds = bytes:sub(n + 1), nil
    else
      assert.equal(core.errnum("EAGAIN"), errno)
      net.run("nowait")
    end
  end
  return self
end

--- As `send`, with `n` new descriptors, which are closed here.
function Peer:send_with(bytes, n)
  local own, numbers = {}, {}
  for i = 1, n or 1 do
    own[i] = core.descriptor.pair()
    numbers[i] = own[i]:number()
  end
  self:send(bytes, numbers)
  core.descriptor.close_all(own)
end

--- Some turns of the loop, none of which waits.
function Peer:turn(n) -- luacheck: no self
  for _ = 1, n or TURNS do
    net.run("nowait")
  end
end

--- All whole lines that have come; what came beside is closed: how many those were is the
--- second result.
function Peer:heard()
  read(self)
  local text, rest = self.rest:match("^(.*\n)(.*)$")
  self.rest = rest or self.rest
  self.told = self.told + #(text or "")
  local count = #self.fds
  while #self.fds > 0 do
    self:drop()
  end
  return text or "", count
end

--- The number of the oldest descriptor that has come, for the spec to close.
function Peer:take()
  return assert(table.remove(self.fds, 1))
end

--- Closes that.
function Peer:drop()
  rights.close(self:take())
end

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

--- A peer, and the Descriptor of the other end, for a channel. Both go with the spec.
---@param t table of `within`
function M.new(t)
  local theirs, ours = core.descriptor.pair()
  local peer = setmetatable({ descriptor = theirs, rest = "", fds = {}, told = 0, with = {} }, Peer)
  t.finally(function()
    peer:close()
    ours:close()
    for _, number in ipairs(peer.fds) do
      rights.close(number)
    end
  end)
  return peer, ours
end

--- Makes the function that `it` takes of one that takes a peer with a channel, and `t` of
--- `within`. The owner's events are noted, unless `options.quiet`.
---@param fn fun(p: table, t: table)
---@param options? table of channel.attach
function M.connected(fn, options)
  return support.within(function(t)
    local p, descriptor = M.new(t)
    p.owner, p.seen = events.EventEmitter(), {}
    p.channel = channel.attach(p.owner, descriptor, options)
    p.native = p.channel.native
    if not (options and options.quiet) then
      p:follow("message", "disconnect", "error")
    end
    local _ <close> = setmetatable({}, { __close = function() core.channel.shut(p.native) end })
    fn(p, t)
  end)
end

return M
