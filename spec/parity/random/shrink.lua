-- SPDX-License-Identifier: MIT

--- Makes a program smaller while it still fails.
--
-- Chunks of units are taken away, half of them at first, single ones at last.
-- All candidates of one size are judged together, as starting two processes
-- costs more than running fifty programs. Refused: Zeller's complements, which
-- gain nothing on trees whose inner nodes go with the outer ones.

local tree = require("spec.parity.random.tree")

local shrink = {}

--- How long it may take: some programs run for seconds, as they never settle.
local SECONDS = 20

local function set_of(units, first, last)
  local set = {}
  for i = first, last do
    for _, node in ipairs(units[i]) do set[node] = true end
  end
  return set
end

local function candidates(program, units, size)
  local found = {}
  for first = 1, #units, size do
    local gone = set_of(units, first, math.min(first + size - 1, #units))
    found[#found + 1] = { gone = gone, program = tree.without(program, gone) }
  end
  return found
end

--- Without the first so many of those that may go each by itself: together they
--- may be too much, so that all, half of them, a quarter and so on are tried.
local function unions(program, failing)
  local found, most = {}, #failing
  while most > 1 do
    local gone = {}
    for i = 1, most do
      for node in pairs(failing[i].gone) do gone[node] = true end
    end
    found[#found + 1] = { program = tree.without(program, gone) }
    most = most // 2
  end
  return found
end

local function failing_of(tried, fails)
  local failing = {}
  for i, failed in ipairs(fails(tried)) do
    if failed then failing[#failing + 1] = tried[i] end
  end
  return failing
end

--- The smaller program, or nil if no chunk of this size can go.
local function step(program, size, fails)
  local failing = failing_of(candidates(program, tree.units(program), size), fails)
  if #failing == 0 then return nil end
  if #failing == 1 then return failing[1].program end
  local together = failing_of(unions(program, failing), fails)[1]
  return (together or failing[1]).program
end

--- Shrinks.
---@param program table as tree.lua has it
---@param fails fun(candidates: table[]): boolean[] judges `{program=}`s at once
---@return table program
function shrink.run(program, fails)
  local size = math.max(1, #tree.units(program) // 2)
  local till = os.time() + SECONDS
  while #tree.units(program) > 0 and os.time() <= till do
    local smaller = step(program, size, fails)
    if smaller then
      program = smaller
      size = math.min(size, math.max(1, #tree.units(program) // 2))
    elseif size == 1 then
      break
    else
      size = size // 2
    end
  end
  return program
end

return shrink
