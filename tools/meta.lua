-- SPDX-License-Identifier: MIT

--- tools.meta - reads lua/net/meta.lua, for tools/docs.lua and spec/api_spec.lua.
--
-- What stands in that file, besides Lua and the tags of the Lua language server:
-- a block of `---` lines with nothing behind it is text of the page. Above a
-- `function x:y() end`, an `x.y = value` with `@type` or an `x.y = z` it tells of
-- that name. A `@class` behind which `local x = {}` stands is a class whose
-- functions are called x's, any other one a table of fields. `x.y = z` without a
-- block tells where a class is to be found. An event is a `@field on` whose second
-- parameter is a name in quotes. A type may be followed by attributes in
-- parentheses, separated by semicolons, and by text.
--
-- The reading is of that one file, not of all that the tags allow.

local M = {}

-- Types

local CLOSING = { ["("] = ")", ["{"] = "}", ["["] = "]", ["<"] = ">" }

--- Where the part that starts at `at` ends: before the next of `stops` that is not
--- inside of brackets or quotes, or at the end.
local function find_end(text, at, stops)
  while at <= #text do
    local c = text:sub(at, at)
    if stops:find(c, 1, true) then
      return at - 1
    elseif c == '"' then
      at = text:find('"', at + 1, true)
    elseif CLOSING[c] then
      at = select(2, text:find("%b" .. c .. CLOSING[c], at))
    end
    at = at + 1
  end
  return #text
end

--- Splits at a character that is not inside of brackets or quotes.
---@param text string
---@param separator string one character
---@return string[] parts without blanks around them
function M.split(text, separator)
  local parts, at = {}, 1
  while at <= #text do
    local last = find_end(text, at, separator)
    parts[#parts + 1] = text:sub(at, last):match("^%s*(.-)%s*$")
    at = last + 2
  end
  return parts
end

--- Takes a type from the front of a text; what a function returns is part of it.
local function take_type(text)
  local last = find_end(text, 1, " ")
  while text:sub(last, last) == ":" do
    last = find_end(text, last + 2, " ")
  end
  return text:sub(1, last), text:sub(last + 2)
end

--- "name?: T" or "..." among the parameters of a `fun()`.
local function parameter(text)
  local name, optional, kind = text:match("^([%w_.]+)(%??):%s*(.+)$")
  return { name = name or text, type = kind or "any", optional = optional == "?" or text == "..." }
end

--- Takes `fun(a: T, b?: U): V` apart.
---@param text string
---@return table[] params {name =, type =, optional =}
---@return string? returned
function M.parse_fun(text)
  local inside, returned = text:match("^fun(%b())%s*:?%s*(.-)$")
  local params = {}
  for _, part in ipairs(M.split(inside:sub(2, -2), ",")) do
    params[#params + 1] = parameter(part)
  end
  return params, returned ~= "" and returned or nil
end

-- Tags

--- Takes "(bytes; default 65536) text" apart.
local function attributes(rest)
  local inside, text = rest:match("^(%b())%s*(.*)$")
  local found = { text = text or rest }
  for _, attribute in ipairs(inside and M.split(inside:sub(2, -2), ";") or {}) do
    local default = attribute:match("^default (.+)$")
    if default then
      found.default = default
    elseif attribute == "read-only" then
      found.read_only = true
    else
      found.unit = attribute
    end
  end
  return found
end

--- "name? T (unit) text" of a parameter or a field.
local function named(rest)
  local name, optional, behind = rest:match("^([%w_.]+)(%??) (.+)$")
  local kind, description = take_type(behind)
  local found = attributes(description)
  found.name, found.type = name, kind
  found.optional = optional == "?" or name == "..."
  return found
end

local function is_event(field)
  return field.name == "on"
end

--- Adds a field to its class, or the event that it is: one of any name is none.
local function add_field(block, field)
  if not is_event(field) then
    block.fields[#block.fields + 1] = field
    return
  end
  local params = M.parse_fun(field.type)
  local name = params[2].type:match('^"(.*)"$')
  if name then
    block.events[#block.events + 1] = { name = name, type = params[3].type, text = field.text }
  end
end

local tags = {}

function tags.class(block, rest)
  block.class, block.parent = rest:match("^([%w_.]+):?%s*(.*)$")
end

function tags.field(block, rest)
  local field = named(rest)
  if #block.lines > 0 then
    field.text = table.concat(block.lines, " ") .. field.text
  end
  block.lines = {}
  add_field(block, field)
end

function tags.param(block, rest)
  table.insert(block.params, named(rest))
end

tags["return"] = function(block, rest)
  local kind, behind = take_type(rest)
  table.insert(block.returns, { type = kind, name = behind:match("^[%w_]+") })
end

function tags.overload(block, rest)
  table.insert(block.overloads, rest)
end

function tags.generic(block, rest)
  block.generic = rest
end

function tags.type(block, rest)
  local field = named("it " .. rest)
  block.type, block.read_only = field.type, field.read_only
end

function tags.alias(block, rest)
  block.alias, block.type = rest:match("^([%w_.]+) (.+)$")
end

local function new_block(number)
  return { line = number, lines = {}, fields = {}, events = {}, params = {}, returns = {},
    overloads = {} }
end

--- Adds a `---` line to a block.
local function add_line(block, line)
  local tag, rest = line:match("^%-%-%-@(%w+) ?(.*)$")
  if not tag then
    table.insert(block.lines, (line:gsub("^%-%-%- ?", "")))
    return
  end
  if not block.text then
    block.text, block.lines = block.lines, {} -- what comes later is of a field
  end
  if tags[tag] then
    tags[tag](block, rest)
  end
end

-- Code

--- What an assignment says: where a class is, another name, or a field.
local function assignment(model, block, owner, name, value)
  local item = { owner = owner, name = name, value = value }
  if block and block.type then
    item.kind = "field"
  elseif block then
    item.kind, item.target = "alias", value
  else
    model.places[value] = owner .. "." .. name
    model.assigned[#model.assigned + 1] = item
    return nil
  end
  return item
end

--- The item that a line of code makes of the block above it, if any.
local function code_item(model, block, line)
  local owner, sign, name = line:match("^function ([%w_]+)([.:])([%w_]+)%(")
  if owner then
    return { kind = "function", owner = owner, name = name, method = sign == ":" }
  end
  local value
  owner, name, value = line:match("^([%w_]+)%.([%w_]+) = (.+)$")
  if not owner then
    owner, name, value = line:match('^([%w_]+)%["(%w+)"%] = (.+)$')
  end
  if owner then
    return assignment(model, block, owner, name, value)
  end
  local var = line:match("^local ([%w_]+) = {}$")
  if var and block and block.class then
    return { kind = "class", var = var }
  end
end

--- What a block without code is.
local function bare_item(block)
  if block.class then
    return { kind = "table" }
  elseif block.alias then
    return { kind = "type" }
  end
  return { kind = "text" }
end

local function add_item(model, block, item)
  for key, value in pairs(block) do
    item[key] = item[key] or value
  end
  item.text = block.text or block.lines
  model.items[#model.items + 1] = item
  if item.class then
    model.classes[item.class] = item
    model.vars[item.var or false] = item
  elseif item.kind == "type" then
    model.aliases[item.alias] = item.type
  end
end

-- Members

--- What an item is; another name for something is what that is.
local function member_kind(model, item)
  if item.kind ~= "alias" then
    return item.kind
  end
  local owner, name = item.target:match("^([%w_]+)%.([%w_]+)$")
  return model.vars[owner].members[name]
end

--- The members of each class: name -> "function", "field" or "class".
local function collect(model)
  for _, class in pairs(model.classes) do
    class.members = {}
    for _, field in ipairs(class.fields) do
      class.members[field.name] = "field"
    end
  end
  for _, item in ipairs(model.assigned) do
    local class = model.vars[item.value]
    model.vars[item.owner].members[item.name] = class.class:find("Class$") and "class" or "field"
  end
  for _, item in ipairs(model.items) do
    if item.owner then
      model.vars[item.owner].members[item.name] = member_kind(model, item)
    end
  end
end

--- Whether a class has a member, or its parents have it.
---@param class string
---@param name string
---@return "function"|"field"|"class"|nil kind
function M.member(model, class, name)
  local found = model.classes[class]
  while found do
    if found.members[name] then
      return found.members[name]
    end
    found = model.classes[found.parent]
  end
end

-- Reading

--- Takes a file in, line by line.
local function scan(model, lines)
  local block
  for number, line in ipairs(lines) do
    if line:find("^%-%-%-") and not line:find("^%-%-%-@meta") then
      block = block or new_block(number)
      add_line(block, line)
    else
      local item = code_item(model, block, line)
      if block then
        add_item(model, block, item or bare_item(block))
      end
      block = nil
    end
  end
end

--- Reads the definitions.
---@param path? string
---@return table model `items`, in order; `classes` and `aliases` by name; `vars`, the classes by
---  the variable that stands for them; `places`, where a variable's class is to be found
function M.read(path)
  local model = { items = {}, classes = {}, aliases = {}, vars = {}, places = {}, assigned = {} }
  local lines = {}
  for line in io.lines(path or "lua/net/meta.lua") do
    lines[#lines + 1] = line
  end
  lines[#lines + 1] = ""
  scan(model, lines)
  collect(model)
  return model
end

return M
