-- SPDX-License-Identifier: MIT

--- tools.links - finds links between pages that lead nowhere.
--
-- Looks at `[…](page#heading)` with a page of this tree, or none. Headings are
-- found by the anchors that forges give them: small letters, no punctuation, "-"
-- for a blank.

local M = {}

--- The text of a heading, as a browser finds it.
---@param heading string
---@return string
function M.anchor(heading)
  return (heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-"))
end

--- The lines of a page that are no code, without the code within them.
local function prose(path)
  local lines, fenced = {}, false
  for line in io.lines(path) do
    local fence = line:find("^```")
    fenced = fence and not fenced or fenced and not fence
    lines[#lines + 1] = not fenced and not fence and line:gsub("%f[`]`[^`]*`", "`") or nil
  end
  return lines
end

--- The anchors of a page; `problems` is told of those that stand there twice.
local function anchors_of(path, problems)
  local anchors = {}
  for _, line in ipairs(prose(path)) do
    local at = line:match("^#+ (.+)$")
    at = at and M.anchor(at)
    if at and anchors[at] and not path:find("CHANGELOG", 1, true) then -- each version's "Added"
      problems[#problems + 1] = ("%s has two headings #%s"):format(path, at)
    end
    anchors[at or false] = true
  end
  return anchors
end

local function exists(path)
  local file = io.open(path)
  return file and file:close()
end

--- "docs/api.md" for "api.md" in a page of docs/.
local function resolve(page, target)
  if target == "" then
    return page
  end
  local path = (page:match("^(.*/)") or "") .. target
  return (path:gsub("[^/]+/%.%./", ""))
end

--- The links of these pages that lead nowhere, and headings that are there twice.
---@param pages string[] paths
---@return string[] problems
function M.check(pages)
  local problems, anchors = {}, {}
  for _, page in ipairs(pages) do
    anchors[page] = anchors_of(page, problems)
  end
  for _, page in ipairs(pages) do
    for target in table.concat(prose(page), "\n"):gmatch("%]%(([^)%s]+)%)") do
      local file, heading = target:match("^([^#]*)#?(.*)$")
      local path = resolve(page, file)
      local fine = target:find("^%a+:") or exists(path) and (heading == "" or not anchors[path]
        or anchors[path][heading])
      if not fine then
        problems[#problems + 1] = ("%s: %s leads nowhere"):format(page, target)
      end
    end
  end
  return problems
end

return M
