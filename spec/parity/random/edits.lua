-- SPDX-License-Identifier: MIT

--- What takes the reason for a listed difference out of a program.
--
-- A row of listed.lua may have an edit: the program without its reason runs again
-- on both sides, and must then be without an unlisted difference. So a row hides
-- nothing else that such a program does. An edit gets a program and answers another
-- one, or nil if there is nothing to take out.
--
-- A node is found by its path: its text behind those that it is in, a line each.

local tree = require("spec.parity.random.tree")

local edits = {}

--- Rebuilds a body: `change(path, node)` answers nil (as it is) or a list of nodes
--- for its place. Tells whether anything changed.
local function rebuild(body, prefix, change)
  local made, changed = {}, false
  for _, node in ipairs(body) do
    local path = prefix .. node.text
    local instead = change(path, node)
    if not instead and node.body then
      local inner, other = rebuild(node.body, path .. "\n", change)
      if other then
        instead = { { text = node.text, keep = node.keep, unit = node.unit, body = inner } }
      end
    end
    changed = changed or instead ~= nil
    for _, one in ipairs(instead or { node }) do made[#made + 1] = one end
  end
  return made, changed
end

local function edited(program, change)
  local body, changed = rebuild(program.body, "", change)
  if not changed then return nil end
  return tree.with(program, body)
end

--- Without the nodes whose path matches.
function edits.without(pattern)
  return function(program)
    return edited(program, function(path) return path:find(pattern) and {} or nil end)
  end
end

--- With `by` for what matches in each line.
function edits.instead(pattern, by)
  return function(program)
    return edited(program, function(_, node)
      local text, n = node.text:gsub(pattern, by)
      if n == 0 or text == node.text then return nil end
      return { { text = text, keep = node.keep, unit = node.unit, body = node.body } }
    end)
  end
end

--- With a `settle` before the nodes at the outermost level whose text matches, if
--- there is none already.
function edits.settled(pattern)
  return function(program)
    local before
    return edited(program, function(path, node)
      if path:find("\n", 1, true) then return nil end
      local is_quiet = before == "settle"
      before = node.text
      if is_quiet or not path:find(pattern) then return nil end
      return { tree.kept("settle"), node }
    end)
  end
end

--- Several, one after the other; nil if none of them changes anything.
function edits.all(...)
  local list = { ... }
  return function(program)
    local now = program
    for _, edit in ipairs(list) do now = edit(now) or now end
    return now ~= program and now or nil
  end
end

--- With eyes shut to some fields.
function edits.blind(...)
  local names = { ... }
  return function(program)
    local made, changed = tree.with(program, program.body), false
    made.blind = {}
    for name in pairs(program.blind or {}) do made.blind[name] = true end
    for _, name in ipairs(names) do
      changed = changed or not made.blind[name]
      made.blind[name] = true
    end
    return changed and made or nil
  end
end

--- Run here by the build that sends each write at once.
function edits.eager(program)
  if program.side == "eager" then return nil end
  local made = tree.with(program, program.body)
  made.side = "eager"
  return made
end

--- Run here by the usual build again, or nil if it is.
function edits.usual(program)
  if not program.side then return nil end
  local made = tree.with(program, program.body)
  made.side = nil
  return made
end

return edits
