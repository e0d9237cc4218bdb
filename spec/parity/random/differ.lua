-- SPDX-License-Identifier: MIT

--- Where two logs of a program part, and whether that is listed.

local listed = require("spec.parity.random.listed")

local differ = {}

--- A line of `show` or `state` without the fields that are not to be seen.
local function without(line, blind)
  for name in pairs(blind) do line = line:gsub("%f[%w]" .. name .. "=%S+", "") end
  local who, fields = line:match("^([%w.]*)  (.*)$")
  return who .. "  " .. fields:gsub("unchanged", ""):gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
end

--- Adds a line. Where fields are not to be seen, those of several lines are one line, as
--- each line of `state` has six.
local function add(lines, text, blind)
  local shown = blind and (text:match("^  .*") or text:match("^%w+%.  .*"))
  if not shown then
    lines[#lines + 1] = text
    return
  end
  shown = without(shown, blind)
  if lines.last == #lines then
    lines[#lines] = without(lines[#lines] .. " " .. shown:match("  (.*)$"), blind)
  else
    lines[#lines + 1] = shown
    lines.last = #lines
  end
end

--- A log by object: name to its lines.
local function by_object(log, blind)
  local objects = {}
  for line in log:gmatch("[^\n]+") do
    local name, text = line:match("^([^:]+): (.*)$")
    objects[name] = objects[name] or {}
    add(objects[name], text, blind)
  end
  return objects
end

local function first_difference(a, b)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then return a[i] or "(no more)", b[i] or "(no more)" end
  end
end

--- A difference; of two lines of one object in the log of all it is that object's.
local function told_of(name, a, b)
  local who = a:match("^(%w+)%.")
  if name == "all" and who and b:match("^(%w+)%.") == who then
    return { object = who, node = a:sub(#who + 2), lua = b:sub(#who + 2) }
  end
  return { object = name, node = a, lua = b }
end

--- The first line of each object in which the logs part.
---@return table[] differences `{object=, node=, lua=}`, in order of the object's name
---@param blind? table<string, true> fields that are not to be seen
function differ.between(node_log, lua_log, blind)
  local node, lua, found, names = by_object(node_log, blind), by_object(lua_log, blind), {}, {}
  for name in pairs(node) do names[#names + 1] = name end
  for name in pairs(lua) do if not node[name] then names[#names + 1] = name end end
  table.sort(names)
  for _, name in ipairs(names) do
    local a, b = first_difference(node[name] or {}, lua[name] or {})
    if a then found[#found + 1] = told_of(name, a, b) end
  end
  return found
end

--- What of a program has to do with an object: of odd calls its lines, else all.
local function context(program, text, object)
  if program.kind ~= "odd" then return text end
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    if line:find("%f[%w]" .. object .. "%f[%W]") then lines[#lines + 1] = line end
  end
  return table.concat(lines, "\n")
end

--- The fields of a line of `show` or `state`: name to text.
local function fields_of(line)
  local found = {}
  for name, v in line:gmatch("(%w+)=(%S+)") do found[name] = v end
  return found
end

--- Whether two such lines part in these fields alone.
local function only_fields(names, difference)
  if not (difference.node:find("^  ") and difference.lua:find("^  ")) then return false end
  local a, b = fields_of(difference.node), fields_of(difference.lua)
  for name, v in pairs(a) do
    if b[name] ~= v and not names:find("%f[%w]" .. name .. "%f[%W]") then return false end
  end
  for name in pairs(b) do
    if not a[name] and not names:find("%f[%w]" .. name .. "%f[%W]") then return false end
  end
  return true
end

--- Whether a side's text, without what ends it, begins the other's.
local function is_prefix(side, difference)
  local other = difference[side == "node" and "lua" or "node"]
  local text = difference[side]:gsub('"%)?$', "")
  return other:find(text, 1, true) == 1
end

local function matches(row, difference, where)
  if not where:find(row.program or "") then return false end
  if not difference.object:find(row.object or "") then return false end
  if row.wash then
    return difference.node:gsub(row.wash, "") == difference.lua:gsub(row.wash, "")
  end
  if row.prefix and not is_prefix(row.prefix, difference) then return false end
  if row.fields then return only_fields(row.fields, difference) end
  return difference.node:find(row.node) and difference.lua:find(row.lua) ~= nil
end

--- How often each thing was told that happens once: callbacks, and closes.
local function tellings(log)
  local told, list = {}, {}
  for line in log:gmatch("[^\n]+") do
    local what = line:match("^[^:]+: %l+ callback %d+") or line:match("^[^:]+: close%f[%W]")
    if what then told[what] = (told[what] or 0) + 1 end
  end
  for what, n in pairs(told) do list[#list + 1] = what .. n end
  table.sort(list)
  return table.concat(list, "\n")
end

--- Whether callbacks and closes are as many on both sides, or one has met a peer that
--- is gone, which the other need not have noticed.
local function are_told_alike(logs)
  return tellings(logs.node) == tellings(logs.lua)
    or (logs.node .. logs.lua):find("=EPIPE ") ~= nil
    or (logs.node .. logs.lua):find("=ECONNRESET ") ~= nil
end

--- The first row that lists a difference of an odd call, or nil.
---@param logs? table `{node=, lua=}`
function differ.row(program, text, difference, logs)
  local where = context(program, text, difference.object)
  local own = "\n" .. difference.object .. ": "
  for _, row in ipairs(listed) do
    local has_said = (not row.said or logs and ("\n" .. logs.node):find(own .. row.said))
      and (not row.anywhere or logs and logs.node:find(row.anywhere))
    if not row.edit and has_said and matches(row, difference, where) then return row end
  end
end

--- Walks the rows that list any of a program's differences.
---@param logs table `{node=, lua=}`
function differ.rows(text, differences, logs)
  local function fits(row)
    if not row.edit or not logs.node:find(row.said or "") then return false end
    if row.told and not are_told_alike(logs) then return false end
    for _, difference in ipairs(differences) do
      if matches(row, difference, text) then return true end
    end
  end
  local i = 0
  return function()
    repeat i = i + 1 until not listed[i] or fits(listed[i])
    return listed[i]
  end
end

--- Those of the differences of odd calls that no row lists, as each is on its own.
function differ.unlisted(program, text, differences, logs, found)
  local left = {}
  for _, difference in ipairs(differences) do
    local row = differ.row(program, text, difference, logs)
    if not row then
      left[#left + 1] = difference
    elseif found then
      found(row)
    end
  end
  return left
end

--- What is before the details: an event's or a call's name, an error's code.
local function label(line)
  local raised = line:match("raises <[^:>]*")
  return ((line:match("^%s*[^(:=]+") or line) .. (raised or "")):gsub("%d+", "")
end

--- The first field in which two lines of `show` or `state` part.
local function field(a, b)
  local others = {}
  for part in b:gmatch("%S+") do others[part] = true end
  for part in a:gmatch("%S+") do
    if not others[part] then return part:match("^[^=]*") end
  end
  return "fields"
end

--- What kind of difference it is, for telling those alike: names without numbers.
function differ.signature(difference)
  local a, b = difference.node, difference.lua
  local object = difference.object:gsub("%d+", "")
  if a:find("^  ") and b:find("^  ") then return object .. ": " .. field(a, b) end
  return ("%s: %s / %s"):format(object, label(a), label(b))
end

return differ
