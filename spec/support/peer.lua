-- SPDX-License-Identifier: MIT

--- A foreign program at the other end of a channel, which plays what it is told to: lines
--- as they are on the wire, and descriptors, by system calls of its own (rights.c).
---
---     local peer, descriptor = foreign.new(t)       -- the descriptor is the channel's end
---     peer:send('{"cmd":"NODE_HANDLE_ACK"}\n')
---     assert.equal('"second"', peer:line())         -- runs the loop until it is there
---     peer.fds                                      -- numbers that came, not taken yet

local assert = require("luassert")
local core = require("net.core")
local lua = require("spec.support.lua")
local sockets = require("spec.support.sockets")

local rights = lua.module("spec/support/rights.c", "rights")

local M = { rights = rights }

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

--- Sends the bytes, with these descriptors beside the first.
function Peer:send(bytes, fds)
  assert.equal(#bytes, rights.send(self.descriptor:number(), bytes, fds))
  return self
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

return M
