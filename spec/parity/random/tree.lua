-- SPDX-License-Identifier: MIT

--- Programs as trees of lines, which is what can be shrunk.
--
-- A node is `{text = "on C1 data", body = {nodes}}`, or has no body and is a
-- line. One with `keep` stays when a program is shrunk, and those with the same
-- `unit` go together. A program is `{title=, kind=, body=}`, maybe with the `side`
-- that runs it here (edits.lua), `global` if its objects share a log, and the version
-- of `tls` that it is for; its text is a scenario of ../README.md.

local tree = {}

--- A line, or with `body` a block.
function tree.node(text, body) return { text = text, body = body } end

--- A line that no shrinking takes away.
function tree.kept(text) return { text = text, keep = true } end

local function write(out, body, indent)
  for _, node in ipairs(body) do
    if node.body then
      out[#out + 1] = indent .. node.text .. " {"
      write(out, node.body, indent .. "  ")
      out[#out + 1] = indent .. "}"
    else
      out[#out + 1] = indent .. node.text
    end
  end
end

--- A program as the text of a scenario; `title` in place of its own, if given.
---@return string
function tree.text(program, title)
  local out = { "== " .. (title or program.title), program.global and "@global" or nil }
  if program.tls then out[2] = "@tls " .. program.tls end
  write(out, program.body, "")
  return table.concat(out, "\n") .. "\n"
end

local function collect(found, units, body)
  for _, node in ipairs(body) do
    local unit = node.unit and units[node.unit]
    if unit then
      unit[#unit + 1] = node
    elseif not node.keep then
      found[#found + 1] = { node }
      if node.unit then units[node.unit] = found[#found] end
    end
    if node.body then collect(found, units, node.body) end
  end
  return found
end

--- What may be taken away, as lists of nodes, each before those inside of it.
function tree.units(program) return collect({}, {}, program.body) end

local function copy_without(body, gone)
  local kept = {}
  for _, node in ipairs(body) do
    if not gone[node] then
      kept[#kept + 1] = node.body
        and { text = node.text, keep = node.keep, unit = node.unit,
          body = copy_without(node.body, gone) } or node
    end
  end
  return kept
end

--- The same program with another body.
function tree.with(program, body)
  local made = {}
  for key, v in pairs(program) do made[key] = v end
  made.body = body
  return made
end

--- The program without some of its nodes and what is inside of them.
---@param gone table<table, true>
function tree.without(program, gone)
  return tree.with(program, copy_without(program.body, gone))
end

return tree
