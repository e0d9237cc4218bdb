-- SPDX-License-Identifier: MIT

--- The blocks of code of a page in docs/, as they stand there.
---
---     local guide = require("spec.support.guide").of("docs/guide/processes.md")
---     guide.block("nginx", "least_conn")  -- the only block of that language that has this
---     guide.unused("lua")                 -- those that nobody has asked for so far

local M = {}

--- The blocks of that language, in their order. One in a list is indented, by blanks that go.
local function blocks_of(text, language)
  local list = {}
  for indent, block in text:gmatch("\n( *)```" .. language .. "\n(.-)\n *```") do
    list[#list + 1] = ("\n" .. block):gsub("\n" .. indent, "\n"):sub(2)
  end
  return list
end

--- Those of a page.
---@param path string
---@return table
function M.of(path)
  local file <close> = assert(io.open(path))
  local text, used = file:read("a"), {}
  local self = {}

  function self.block(language, part)
    local found
    for _, block in ipairs(blocks_of(text, language)) do
      if block:find(part, 1, true) then
        assert(not found, part .. " is in two blocks")
        found = block
      end
    end
    used[assert(found, part .. " is in no block")] = true
    return found
  end

  function self.unused(language)
    local list = {}
    for _, block in ipairs(blocks_of(text, language)) do
      list[#list + 1] = not used[block] and block or nil
    end
    return list
  end

  return self
end

return M
