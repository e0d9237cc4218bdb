-- SPDX-License-Identifier: MIT

--- tools.forms - types and the forms of a call, as docs/api.md has them.
--
-- A type of the Lua language server becomes one that is read at once: `integer |
-- nil` for `integer?`, `Socket` for `net.Socket`, `function(err: Error)` for `fun`,
-- a short table instead of the class that only names one. Forms of a function that
-- differ in what is left out become one line with brackets, as in Node's pages.

local meta = require("tools.meta")

local INLINE = 80 -- characters of a table's type that is still written out

local model -- what meta.read has read

local M = {}

--- Says whose classes and aliases count.
function M.use(what)
  model = what
end

-- Types

local show_type

--- A table's fields, if that is short, or "table".
local function show_fields(class)
  local parts = {}
  for _, field in ipairs(class.fields) do
    parts[#parts + 1] = field.name .. ": " .. show_type(field.type, field.optional)
  end
  local text = "{" .. table.concat(parts, ", ") .. "}"
  return #text <= INLINE and text or "table"
end

local function show_fun(text)
  local params, returned = meta.parse_fun(text)
  local parts = {}
  for _, p in ipairs(params) do
    parts[#parts + 1] = p.name == "..." and "..." or p.name .. ": " .. show_type(p.type, p.optional)
  end
  local result = returned and " -> " .. show_type(returned) or ""
  return "function(" .. table.concat(parts, ", ") .. ")" .. result
end

--- One part of a union.
local function show_part(text)
  local brackets = text:match("%[%]$") or ""
  local name = text:sub(1, #text - #brackets)
  local class = model.classes[name]
  if model.aliases[name] then
    return show_type(model.aliases[name])
  elseif text:find("^fun%(") then
    return show_fun(text)
  elseif class and class.kind == "table" and #class.fields > 0 and not name:find("Options$")
    and name ~= "net.Error" then
    return show_fields(class) .. brackets
  elseif text:find("^%(.*%)%[%]$") then
    return "(" .. show_type(text:match("^%((.*)%)%[%]$")) .. ")[]"
  elseif name:find("Options$") then
    return "table"
  end
  return (text:gsub("net%.(%u)", "%1"))
end

--- A type as the page has it: `integer | nil` for `integer?`.
function show_type(text, optional)
  local parts = {}
  if not text:find("^fun%(") and text:find("%?$") then
    text, optional = text:sub(1, -2), true
  end
  for _, part in ipairs(text:find("^fun%(") and { text } or meta.split(text, "|")) do
    parts[#parts + 1] = show_part(part)
  end
  if optional and text ~= "any" then
    parts[#parts + 1] = "nil"
  end
  return table.concat(parts, " | ")
end

-- Signatures

--- Overloads begin with what they are called on, which is not shown.
local function overload(text, generic)
  local params, returned = meta.parse_fun(text)
  if params[1] and params[1].name == "self" then
    table.remove(params, 1)
  end
  return { params = params, returned = returned, generic = generic }
end

local function names_of(params)
  local names = {}
  for _, p in ipairs(params) do
    names[#names + 1] = p.name
  end
  return names
end

--- Whether a form leaves out some of the parameters of another one, no more.
local function is_part(form, of)
  local at = 1
  for _, name in ipairs(names_of(of.params)) do
    at = at + (form.params[at] and form.params[at].name == name and 1 or 0)
  end
  return at > #form.params
end

--- Groups forms that are one with something left out. The longest is first in each.
local function group(forms)
  local groups = {}
  for _, form in ipairs(forms) do
    local last = groups[#groups]
    if last and is_part(form, last[1]) then
      last[#last + 1] = form
    elseif last and #last == 1 and is_part(last[1], form) then
      table.insert(last, 1, form)
    else
      groups[#groups + 1] = { form }
    end
  end
  return groups
end

--- The forms of a group that have a parameter, as a set; and whether some have not.
local function presence(forms, name)
  local having, optional = {}, false
  for i, form in ipairs(forms) do
    local found
    for _, p in ipairs(form.params) do
      found = found or p.name == name and p
    end
    having[i] = found and true or nil
    optional = optional or not found or found.optional
  end
  return having, optional
end

local function is_subset(a, b)
  for key in pairs(a) do
    if not b[key] then
      return false
    end
  end
  return true
end

--- "port: integer", or the name alone of what was told before.
local function show_param(p, known, generic)
  if p.name == "..." or p.type == generic or known[p.name] == p.type then
    return p.name
  end
  known[p.name] = p.type
  return p.name .. ": " .. show_type(p.type) .. (p.default and " = " .. p.default or "")
end

--- "a: T [, b: U [, c: V]] [, d: W]": what needs another parameter stands within its
--- brackets.
local function show_params(forms, known)
  local text, open = "", {}
  for i, p in ipairs(forms[1].params) do
    local having, optional = presence(forms, p.name)
    while #open > 0 and not (optional and is_subset(having, open[#open])) do
      text = text .. "]"
      table.remove(open)
    end
    local comma = i > 1 and ", " or ""
    if optional and (p.name ~= "..." or #open > 0) then
      text = text .. (i > 1 and " [" or "[") .. comma
      open[#open + 1] = having
    else
      text = text .. comma
    end
    text = text .. show_param(p, known, forms[1].generic)
  end
  return text .. ("]"):rep(#open)
end

local function show_returns(item)
  local parts = {}
  for _, r in ipairs(item.returns) do
    local name = r.type == item.generic and r.name
      or #item.returns > 1 and r.name and r.name .. ": " .. show_type(r.type) or show_type(r.type)
    parts[#parts + 1] = name ~= "nil" and name or nil
  end
  return #parts > 0 and " -> " .. table.concat(parts, ", ") or ""
end

--- The forms of a function or a class that is called, a line each.
local function signature(name, item)
  local forms, lines, known = {}, {}, {}
  if item.kind == "function" then
    forms[1] = item
  end
  for _, text in ipairs(item.overloads) do
    forms[#forms + 1] = overload(text, item.generic)
  end
  for _, each in ipairs(group(forms)) do
    local returned = item.kind == "function" and show_returns(item)
      or " -> " .. show_type(each[1].returned)
    local inside = show_params(each, known)
    inside = name:find('"]', 1, true) and "socket" .. inside:gsub("^%[", " [, ") or inside
    lines[#lines + 1] = ("%s(%s)%s"):format(name, inside, returned)
  end
  return lines
end

M.show_type, M.show_fun, M.signature = show_type, show_fun, signature

return M
