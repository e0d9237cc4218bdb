-- SPDX-License-Identifier: MIT

--- Why a program's logs differ: row after row of listed.lua, until no difference is
--- left, or one that no row lists.

local differ = require("spec.parity.random.differ")
local edits = require("spec.parity.random.edits")
local tree = require("spec.parity.random.tree")

local explain = {}

--- The most rows that one program may need.
local MOST = 12

--- The differences in a text.
local function text_of(differences)
  local parts = {}
  for i, d in ipairs(differences) do parts[i] = d.object .. "\n" .. d.node .. "\n" .. d.lua end
  return table.concat(parts, "\n")
end

--- A row whose edit has changed nothing was no reason.
local function drop_vain(item, differences)
  local said = text_of(differences)
  if item.asked and item.said == said then table.remove(item.rows) end
  item.asked, item.said = false, said
end

--- What differs in the build that sends at once too, as each object may agree with
--- Node in one of the builds.
local function in_both(item, differences)
  local before, left = item.before, {}
  item.before = nil
  for _, d in ipairs(differences) do
    if not before or before[d.object] then left[#left + 1] = d end
  end
  return left
end

--- The objects of differences, as a set.
local function objects_of(differences)
  local objects = {}
  for _, d in ipairs(differences) do objects[d.object] = true end
  return objects
end

--- Looks at an item's logs once: answers the program to run next, or nil, when
--- `item.left` has what is unlisted. What is left may differ only by the build that
--- sends at once, as that tells later of what was written before "connect": so it is
--- run by the usual one once more.
local function look(item)
  local program = item.program
  local differences = differ.between(item.logs.node, item.logs.lua, program.blind)
  item.left, item.looks = {}, (item.looks or 0) + 1
  differences = in_both(item, differences)
  drop_vain(item, differences)
  if #differences == 0 then return nil end
  local text = tree.text(program)
  if program.kind == "odd" then
    item.left = differ.unlisted(program, text, differences, item.logs, function(row)
      item.rows[#item.rows + 1] = row
    end)
    return nil
  end
  for row in differ.rows(text, differences, item.logs) do
    local without = item.looks < MOST and not (item.is_back and row.edit == edits.eager)
      and row.edit(program)
    if without then
      item.rows[#item.rows + 1], item.asked = row, true
      item.before = row.edit == edits.eager and objects_of(differences) or nil
      return without
    end
  end
  item.left = differences
  if item.is_back or not item.may_go_back then return nil end
  item.is_back = true
  return edits.usual(program)
end

--- The differences of a program's logs, if no row lists one of them.
function explain.unlisted(program, logs)
  if logs.node == logs.lua then return {} end
  local item = { program = program, logs = logs, rows = {} }
  look(item)
  return item.left
end

--- Explains `items`, `{program=, logs=}`, by running them again. Each then has in
--- `left` its unlisted differences, of the program and logs that it has then, in
--- `rows` the rows, and in `differs` whether there was any.
---@param run fun(programs: table[]): table[] gives the logs of each
function explain.all(run, items)
  local open = {}
  for _, item in ipairs(items) do
    item.rows, item.left, item.differs = {}, {}, item.logs.node ~= item.logs.lua
    item.may_go_back = true
    if item.differs then open[#open + 1] = item end
  end
  while #open > 0 do
    local again, list = {}, {}
    for _, item in ipairs(open) do
      local program = look(item)
      if program then
        item.program = program
        again[#again + 1], list[#list + 1] = item, program
      end
    end
    for i, logs in ipairs(run(list)) do again[i].logs = logs end
    open = again
  end
end

return explain
