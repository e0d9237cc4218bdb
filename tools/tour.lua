-- SPDX-License-Identifier: MIT

--- tools.tour - checks docs/internals.md against the tree, by `make docs-check`.
--
-- The page is a tour of the files, with a heading for each folder: a file that its folder
-- does not have, one that the tour leaves out, and a function or field that no source has
-- any more are found here. What the page says of them is for readers to check.

local PAGE = "docs/internals.md"
local SOURCES = "find src lua/net include -name '*.[ch]' -o -name '*.lua'"
local INTERNAL = "lua/net/internal/" -- its files are named from there

local M = {}

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

--- The paths of all sources, and their text.
local function read_sources()
  local paths, texts = {}, {}
  local pipe = assert(io.popen(SOURCES))
  for path in pipe:lines() do
    paths[path] = true
    texts[#texts + 1] = read(path)
  end
  pipe:close()
  return paths, table.concat(texts, "\n")
end

--- The file that the tour means by `name` in the folder that it is at, or nil.
local function find(paths, folder, name)
  for _, prefix in ipairs({ folder, "include/", "src/", "lua/net/", INTERNAL,
    INTERNAL .. "cluster/" }) do
    if paths[prefix .. name] then
      return prefix .. name
    end
  end
end

--- Is there what the tour names: a file, or an identifier of more than one word?
local function is_there(tour, name)
  if name:find("^[%w_/]+%.[chlua]+$") then
    local path = find(tour.paths, tour.folder, name)
    tour.named[path or false] = true
    return path or not tour.in_first_cell -- elsewhere it may be any file
  end
  local identifier = name:match("^%a%w*_[%w_]*$")
  return not identifier or tour.text:find("%f[%w_]" .. identifier .. "%f[^%w_]")
end

--- Of a row in a table the first cell has the files of the heading's folder.
local function look_at_line(tour, line, problems)
  tour.folder = line:match("^### `([%w_/]+/)`") or tour.folder
  local first, rest = line:match("^(| `.- |)(.*)$")
  for i, part in ipairs({ first or "", rest or line }) do
    tour.in_first_cell = i == 1
    for name in part:gmatch("`([^`]+)`") do
      if not is_there(tour, name) then
        problems[#problems + 1] = ("%s: there is no %s"):format(PAGE, name)
      end
    end
  end
end

local function is_toured(path)
  return path:find("^src/.*%.c$") or path:find("%.lua$")
end

--- What is not so: files and functions that are not there, and files left out.
---@return string[] problems
function M.check()
  local problems = {}
  local paths, text = read_sources()
  local page = read(PAGE)
  local tour = { paths = paths, text = text .. page:match("```c.*```"), folder = "", named = {} }
  for line in page:gsub("```c.-```", ""):gmatch("[^\n]+") do
    look_at_line(tour, line, problems)
  end
  for path in pairs(paths) do
    if is_toured(path) and not tour.named[path] then
      problems[#problems + 1] = ("%s leaves out %s"):format(PAGE, path)
    end
  end
  return problems
end

return M
