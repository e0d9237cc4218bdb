-- SPDX-License-Identifier: MIT

--- The same calls under another's library and under ours, side by side: a program prints a line for
--- each, "section | label | what came", and says which of the two it is run under.

local assert = require("luassert")
local process = require("spec.support.process")

local M = {}

--- The lines that a program prints: label -> what came, and the labels in order. Labels that come
--- again are numbered.
local function lines_of(program, which, ...)
  local output, code = process.run(process.lua(program, which, ...) .. " 2>&1")
  assert.equal(0, code, output)
  local lines, count, list = {}, {}, {}
  for label, rest in output:gmatch("([^\n|]- | [^\n]-) | ([^\n]*)") do
    label = label:gsub(" RAISES$", "")
    count[label] = (count[label] or 0) + 1
    local name = count[label] == 1 and label or label .. " " .. count[label]
    lines[name] = rest
    list[#list + 1] = name
  end
  return lines, list
end

local function is_known(otherwise, label)
  for _, pattern in ipairs(otherwise) do
    if label:find(pattern) then
      return true
    end
  end
  return false
end

--- Fails unless both give the same, but for labels of which a pattern in `otherwise` tells that ours
--- gives something else.
---@param program string its path; its arguments are "real" or "ours", and the rest
---@param otherwise string[] patterns
---@param least integer as many lines there are at the least
---@param ... string|number
---@return integer different lines, all of them known
function M.compare(program, otherwise, least, ...)
  local real, list = lines_of(program, "real", ...)
  local ours = lines_of(program, "ours", ...)
  assert.is_true(#list > least, #list .. " lines, and then " .. tostring(list[#list]))
  local wrong, different = {}, 0
  for _, label in ipairs(list) do
    different = different + (real[label] == ours[label] and 0 or 1)
    if real[label] ~= ours[label] and not is_known(otherwise, label) then
      wrong[#wrong + 1] = ("%s: %s, and not %s"):format(label, tostring(ours[label]), real[label])
    end
    ours[label] = nil
  end
  for label in pairs(ours) do wrong[#wrong + 1] = label .. ": only of ours" end
  assert.same({}, wrong)
  return different
end

return M
