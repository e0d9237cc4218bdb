-- SPDX-License-Identifier: MIT

--- net.internal.cluster.fifo - queues of values, to be added to at either end.

local Fifo = {}
Fifo.__index = Fifo

local fifo = {}

function fifo.new()
  return setmetatable({ first = 1, last = 0 }, Fifo)
end

function Fifo:size()
  return self.last - self.first + 1
end

function Fifo:push(value)
  self[self.last + 1] = value
  self.last = self.last + 1
end

--- Puts it before all others.
function Fifo:unshift(value)
  self[self.first - 1] = value
  self.first = self.first - 1
end

--- Takes the first; nil if there is none.
function Fifo:shift()
  if self.first > self.last then
    return nil
  end
  local value = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  return value
end

--- Takes one out wherever it stands; returns whether it was there.
function Fifo:remove(value)
  for i = self.first, self.last do
    if self[i] == value then
      table.move(self, i + 1, self.last, i)
      self[self.last] = nil
      self.last = self.last - 1
      return true
    end
  end
  return false
end

--- Iterates over what is there, from the first on.
function Fifo:each()
  local i = self.first - 1
  return function()
    i = i + 1
    return self[i]
  end
end

--- As `each`, taking each one out.
function Fifo:drain()
  return function() return self:shift() end
end

return fifo
