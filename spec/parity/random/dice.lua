-- SPDX-License-Identifier: MIT

--- Random choices that are the same for the same seed, on every machine.
--
-- Only the generators roll: both languages get the finished text. So this needs
-- no counterpart in runner.js, as random() of builtins.lua does.

local dice = {}
dice.__index = dice

--- A sequence for the program `index` of a run with `seed`.
---@param seed integer
---@param index integer
function dice.new(seed, index)
  local d = setmetatable({ state = seed * 0x9E3779B97F4A7C15 ~ index * 0x2545F4914F6CDD1D }, dice)
  for _ = 1, 3 do d:below(2) end
  return d
end

--- 0..n-1. The multiplier is that of Knuth's MMIX; its high bits are the good ones.
function dice:below(n)
  self.state = self.state * 6364136223846793005 + 1442695040888963407
  return (self.state >> 33) % n
end

--- Whether something with so many chances in a hundred happens.
function dice:chance(percent) return self:below(100) < percent end

--- One of a list.
function dice:one(list) return list[self:below(#list) + 1] end

--- One of a list of `{weight, value}`.
function dice:weighted(list)
  local total = 0
  for _, entry in ipairs(list) do total = total + entry[1] end
  local left = self:below(total)
  for _, entry in ipairs(list) do
    left = left - entry[1]
    if left < 0 then return entry[2] end
  end
end

return dice
