-- SPDX-License-Identifier: MIT

--- A wire between clients and a server that is as hostile as a network may be: it cuts what passes
--- at any byte, passes one byte at a time, ends or resets at any byte, and holds ends back. It
--- speaks by plain sockets, and counts the records of TLS that have passed.
---
---     local wire <close> = wire.open(server_port)
---     wire.plan = { down = { at = 100, what = "end" } }  -- for the connections to come
---     tls.connect({ port = wire.port })
---     local link = wire:link()                           -- the newest
---     link.down.bytes, link.down:records()
---
--- The two directions of a link are `up`, from the client to the server, and `down`. What may be
--- planned for each:
---
---     at = 100         -- behind so many bytes:
---     what = "cut"     -- the rest waits some turns of the loop (the default)
---     what = "end"     -- the receiver gets an end instead of the rest
---     what = "reset"   -- it gets a reset
---     at_once = true   -- which comes in the same turn as the bytes in front of it
---     slow = true      -- each byte comes by itself, with turns in between
---     holds = true     -- the end comes only when the other direction has ended
---
--- A turn that it waits has the sockets of this process read all that has come to them: what
--- another process has read by then is not known.

local co = require("net.co")
local net = require("net")
local timers = require("net.timers")

local M = {}

local TURNS = 4 -- from bytes in the kernel to what a TLS socket tells of them, and one more
local HEADER = 5 -- bytes of a record: its type, the version, and how many bytes follow

--- Calls `fn` when some turns of the loop have passed.
local function some_turns_later(fn, turns)
  if turns == 0 then
    return fn()
  end
  timers.setImmediate(some_turns_later, fn, turns - 1)
end

-- One direction

local Way = {}
Way.__index = Way

local function new_way(link, plan)
  return setmetatable({ link = link, plan = plan or {}, bytes = 0, passed = {}, waiting = "" }, Way)
end

--- Iterates over the whole records that have passed.
---@return fun(): string?
function Way:each_record()
  local text, at = table.concat(self.passed), 1
  return function()
    local from = at
    at = #text >= from + HEADER - 1 and from + HEADER + string.unpack(">I2", text, from + 3) or #text + 2
    return at <= #text + 1 and text:sub(from, at - 1) or nil
  end
end

--- The types of those, in order.
---@return integer[]
function Way:records()
  local types = {}
  for record in self:each_record() do types[#types + 1] = record:byte() end
  return types
end

--- Where they begin and end: 0, and what has passed behind each.
---@return integer[]
function Way:borders()
  local list = { 0 }
  for record in self:each_record() do list[#list + 1] = list[#list] + #record end
  return list
end

--- From here on the receiver gets these bytes, and nothing of what its peer sends.
---@param bytes string
function Way:take_over(bytes)
  self.stopped, self.waiting = true, ""
  self.to:write(bytes)
end

--- How many of the waiting bytes go next.
function Way:step()
  local n = #self.waiting
  if self.plan.slow then
    n = math.min(n, 1)
  end
  local at = self.plan.at
  return at and self.bytes < at and math.min(n, at - self.bytes) or n
end

--- The plan's byte has been reached: the receiver gets what comes instead of the rest.
function Way:stop()
  self.stopped, self.waiting = true, ""
  if self.plan.what == "end" then
    self.to:finish()
  else
    self.to:resetAndDestroy()
  end
end

--- Bytes are in the kernel, or none were to go: what comes then.
function Way:behind()
  local is_there, what = self.bytes == self.plan.at, self.plan.what
  local stops = is_there and (what == "end" or what == "reset")
  self.was_there = self.was_there or is_there
  local function go_on()
    self.busy = false
    if stops then
      self:stop()
    else
      self:go()
    end
  end
  local waits = is_there and not (stops and self.plan.at_once) or self.plan.slow
  some_turns_later(go_on, waits and TURNS or 0)
end

--- Passes on what may pass.
function Way:go()
  if self.busy or self.stopped or self.lost then
    return
  elseif self.bytes == self.plan.at and not self.was_there then
    self.busy = true
    return self:behind()
  elseif self.waiting ~= "" then
    self.busy = true
    return self:pass(self:step())
  elseif self.was_reset then
    self.to:resetAndDestroy()
  elseif self.ended and (self.other.ended or not self.plan.holds) then
    self.to:finish()
  end
end

--- Passes on that many bytes.
function Way:pass(n)
  local piece = self.waiting:sub(1, n)
  self.waiting = self.waiting:sub(n + 1)
  self.bytes = self.bytes + n
  self.passed[#self.passed + 1] = piece
  self.to:write(piece, function(err)
    if err then
      self.lost = true -- nobody is there any more
    else
      self:behind()
    end
  end)
end

--- Has a direction carry what the sender says.
function Way:carry(from, to, other)
  self.from, self.to, self.other = from, to, other
  from:setNoDelay(true)
  from:on("data", function(chunk)
    self.waiting = self.waiting .. chunk
    self:go()
  end)
  from:on("end", function()
    self.ended = true
    self:go()
    other:go()
  end)
  from:on("error", function() -- a reset passes, too, behind the bytes
    self.ended, self.was_reset = true, true
    self:go()
    other:go()
  end)
  from:on("close", function() -- who is at one end alone hears so
    if self.stopped or other.stopped then to:finish() end
  end)
  self:go()
end

-- One connection

local Link = {}
Link.__index = Link

local function new_link(wire, client, plan)
  local server = net.connect({ port = wire.server_port, host = "127.0.0.1", allowHalfOpen = true })
  local link = setmetatable({ wire = wire, client = client, server = server }, Link)
  link.up, link.down = new_way(link, plan.up), new_way(link, plan.down)
  link.up:carry(client, server, link.down)
  link.down:carry(server, client, link.up)
  return link
end

function Link:destroy()
  self.client:destroy()
  self.server:destroy()
end

-- The wire

local Wire = {}
Wire.__index = Wire

--- The newest connection.
function Wire:link()
  return self.links[#self.links]
end

--- Ends the connections that are left.
function Wire:cut()
  for _, link in ipairs(self.links) do link:destroy() end
  self.links = {}
end

--- Takes no more connections, and ends those that are left.
function Wire:__close()
  self.front:close()
  self:cut()
end

--- A wire to the server on that port of this machine; in a task.
---@param server_port integer
---@return table wire
function M.open(server_port)
  local wire = setmetatable({ server_port = server_port, plan = {}, links = {} }, Wire)
  wire.front = net.createServer({ allowHalfOpen = true }, function(client)
    table.insert(wire.links, new_link(wire, client, wire.plan))
  end):listen(0, "127.0.0.1")
  co.await(wire.front, "listening")
  wire.port = wire.front:address().port
  return wire
end

--- Waits for some turns of the loop, as at each cut; in a task.
function M.turns()
  co.suspend(function(resume) some_turns_later(function() resume() end, TURNS) end)
end

return M
