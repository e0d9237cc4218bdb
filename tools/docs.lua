-- SPDX-License-Identifier: MIT

--- tools.docs - makes docs/api.md from lua/net/meta.lua and tools/node_names.lua.
--
--     lua tools/docs.lua            writes the page
--     lua tools/docs.lua --check    fails if the page is not what it would write, if a
--                                   public name is not in lua/net/meta.lua or the other
--                                   way round, if a link leads nowhere, or if the tour
--                                   in docs/internals.md is not of this tree
--
-- The page is the file in its order; of a class come first its functions, then its
-- fields, then its events. A paragraph "Options: `net.X`." or "Fields: `net.X`." is
-- replaced by a table of that class's fields. A name in backticks that has a heading
-- becomes a link where it stands first in an entry.

local forms = require("tools.forms")
local links = require("tools.links")
local meta = require("tools.meta")
local names = require("tools.node_names")
local tour = require("tools.tour")

local PAGE = "docs/api.md"
local PAGES = { PAGE, "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md",
  "docs/differences.md", "docs/internals.md" }

local anchor = links.anchor

local model -- what meta.read has read
local index -- heading or full name -> anchor
local page -- lines written so far

-- Names

--- "net.timers" for `timers`; nil for the variables that stand for objects.
local function place(var)
  local path = var == "net" and var or model.places[var]
  local owner, name = (path or ""):match("^([%w_]+)%.([%w_]+)$")
  return owner and owner ~= "net" and (place(owner) or owner) .. "." .. name or path
end

--- How a member is written: where the owner is a table one can name, in full.
local function full_name(owner, name, method)
  if name == "end" then
    return ('%s["end"]'):format(owner)
  end
  return (place(owner) or owner) .. (method and ":" or ".") .. name
end

--- An alias is what its target is.
local function is_method(item)
  local target = item.kind == "alias" and model.entries[item.target]
  if target then
    return is_method(target)
  end
  return item.method or (item.kind == "alias" and not place(item.owner))
end

--- "socket:write", "co.sleep"; "tls.co.connect" of a table that is a field of another one.
local function heading_of(item)
  local at = place(item.owner) or ""
  local owner = not at:find("^net") and at:find("%.") and at or item.owner
  return owner .. (is_method(item) and ":" or ".") .. item.name
end

-- Types in tables

--- A type in a table, where "|" would end the cell.
local function cell_type(field)
  local text = field.type:find("^fun%(") and "function" or forms.show_type(field.type)
  local linked = text:gsub("%f[%w]%u%w+", function(name)
    local at = index["net." .. name]
    return at and ("[%s](#%s)"):format(name, at)
  end)
  return (linked:gsub('"[^"]*"', "`%0`"):gsub("%b{}", "`%0`"):gsub(" ?| ?", " or "))
end

-- Text

local function put(...)
  for _, line in ipairs({ ... }) do
    page[#page + 1] = line
  end
end

local function put_heading(text)
  put("", "### " .. text)
end

local function put_code(lines)
  put("", "```lua")
  put(table.unpack(lines))
  put("```")
end

--- Makes links of the names in a text; `linked` has those that are not to be, more.
local function link(text, linked, var)
  return (text:gsub("(%[?)`([^`]+)`", function(bracket, name)
    local at = index[name] or var and index[var .. " " .. name]
    if bracket ~= "" or not at or linked[at] then
      return nil
    end
    linked[at] = true
    return ("[`%s`](#%s)"):format(name, at)
  end))
end

--- Joins lines to paragraphs, but for those of code, and list items.
local function paragraphs(lines)
  local list, fenced = {}, false
  local fresh = true
  for _, line in ipairs(lines) do
    local fence = line:find("^```")
    if fenced or fence or fresh or line == "" or line:find("^%- ") then
      list[#list + 1] = line
    else
      list[#list] = list[#list] .. " " .. line:gsub("^%s+", "")
    end
    fenced = fence and not fenced or fenced and not fence
    fresh = line == "" or (fence and not fenced) or line:find("^#")
  end
  return list
end

--- "integer, bytes".
local function cell_kind(field)
  return cell_type(field) .. (field.unit and ", " .. field.unit or "")
end

local function cell_default(field)
  local default = field.default or ""
  local is_code = default:find('^"[^"]*"$') or default:find("^%w+%.%a")
  return is_code and "`" .. default .. "`" or default
end

--- The fields of a class as a table: options with their defaults, others without.
local function put_fields(name, linked)
  local class = model.classes[name]
  local is_options = name:find("Options$")
  put("", is_options and "| option | type | default | |"
    or name == "net.Error" and "| field | type | of |" or "| field | type | |")
  put(is_options and "| --- | --- | --- | --- |" or "| --- | --- | --- |")
  for _, field in ipairs(class.fields) do
    local default = is_options and cell_default(field) .. " | " or ""
    local row = ("| `%s` | %s | %s%s |"):format(field.name, cell_kind(field), default,
      link(field.text, linked))
    put((row:gsub("  +|", " |")))
  end
end

local function put_text(lines, linked, var)
  local fenced, after_item = false, false
  for _, line in ipairs(paragraphs(lines)) do
    local class = line:match("^%u%l+: `(net%.[%w.]*%u%w+)`%.$")
    local fence, is_item = line:find("^```"), line:find("^%- ")
    if class then
      put_fields(class, linked)
    elseif fenced or fence then
      put(table.unpack(fence and not fenced and { "", line } or { line }))
    elseif line ~= "" then
      put(table.unpack(is_item and after_item and {} or { "" }))
      put(link(line, linked, var))
    end
    after_item = is_item
    fenced = fence and not fenced or fenced and not fence
  end
end

--- What there is to say about single parameters.
local function put_params(item)
  local first = true
  for _, p in ipairs(item.params) do
    if p.unit or p.text ~= "" then
      put(table.unpack(first and { "" } or {}))
      first = false
      local text = p.text ~= "" and ": " .. p.text or ""
      put(("- `%s`%s%s"):format(p.name, p.unit and ", " .. p.unit or "", text))
    end
  end
end

-- Entries

local function put_function(item)
  local name = full_name(item.owner, item.name, is_method(item))
  local heading = heading_of(item)
  local target = item
  while target.kind == "alias" do
    target = model.entries[target.target]
  end
  put_heading(heading)
  put_code(forms.signature(name, target))
  put_params(target)
  put_text(item.text, { [anchor(heading)] = true }, item.owner)
end

--- "server.listening: boolean, read-only"
local function put_field(var, field)
  local heading = var .. "." .. field.name
  local value = field.value and field.value:match("^%d+$")
  put_heading(heading)
  local text = full_name(var, field.name) .. ": " .. forms.show_type(field.type, field.optional)
    .. (value and " = " .. value or "") .. (field.unit and ", " .. field.unit or "")
    .. (field.read_only and ", read-only" or "")
  put_code({ text })
  local lines = type(field.text) == "table" and field.text or { field.text }
  put_text(lines, { [anchor(heading)] = true }, var)
end

local function put_event(var, event)
  local heading = ('%s "%s"'):format(var, event.name)
  put_heading(heading)
  local listener = forms.show_fun(event.type)
  put_code({ ('%s:on("%s", %s end)'):format(var, event.name, listener) })
  put_text({ event.text }, { [anchor(heading)] = true }, var)
end

--- The fields and events of a class, when its functions are through.
local function finish_class(class)
  for _, field in ipairs(class and class.fields or {}) do
    put_field(class.var, field)
  end
  for _, event in ipairs(class and class.events or {}) do
    put_event(class.var, event)
  end
end

local function put_class(item)
  local at = model.places[item.var]
  if item.class:find("Class$") then
    put_heading(at)
    local lines = forms.signature(place(item.var), item)
    put_code(#lines > 0 and lines or { place(item.var) })
    put_text(item.text, { [anchor(at)] = true }, item.var)
  else
    put_text(item.text, {}, item.var)
  end
end

local function put_item(item)
  if item.kind == "function" or item.kind == "alias" then
    put_function(item)
  elseif item.kind == "field" then
    put_field(item.owner, item)
  elseif item.kind == "class" then
    put_class(item)
  elseif item.kind == "text" then
    put_text(item.text, {})
  end
end

-- Node's names

local SPELLED = { ["function"] = "%s()", method = "%s()", class = "new %s()" }

--- How Node spells a name: "socket.write()", "'data'", "server[Symbol.asyncDispose]()".
local function node_name(section, kind, name)
  if kind == "event" then
    return "'" .. name .. "'"
  end
  local text = section.node:gsub("%%s", name):gsub("%.%[", "[")
  return (SPELLED[kind] or "%s"):format(text)
end

--- How it is spelled here, with a link to its entry.
local function lua_name(section, kind, name)
  local var = model.classes[section.owner].var
  name = names.renamed(section, kind, name)
  if name == "__close" then
    return "`<close>`"
  elseif kind == "option" then
    return ("`%s`"):format(name)
  elseif kind == "event" then
    return ('[`"%s"`](#%s)'):format(name, index[('%s "%s"'):format(var, name)])
  end
  local heading = var .. (kind == "method" and ":" or ".") .. name
  return ("[`%s`](#%s)"):format(heading, index[heading])
end

--- "there", or what differs, with a link to where it is told.
local function status(differs)
  if not differs then
    return "there"
  elseif differs:find("^#") then
    return ("[differs](differences.md%s)"):format(differs)
  end
  return "differs: " .. differs
end

local function put_names(section)
  put("", section.title .. ":", "", "| Node 26 | here | status |", "| --- | --- | --- |")
  for kind, name in names.rows(section) do
    local absent, differs = names.state(section, kind, name)
    local here = absent and "" or lua_name(section, kind, name) .. " "
    local state = absent and "not there: " .. absent or status(differs)
    put(("| `%s` | %s| %s |"):format(node_name(section, kind, name), here, state))
  end
end

local function put_node()
  put("", "## Node's names", "", "What Node 26 has, and what it is called here. What is there, and "
    .. "does not differ, behaves as in Node. Methods are called with a colon, classes without "
    .. "`new`; other differences are in [differences.md](differences.md).")
  for _, section in ipairs(names.sections) do
    put_names(section)
  end
end

-- The page

--- Finds the anchor of each heading, under the names that stand for it.
local function add_heading(heading, ...)
  local at = anchor(heading)
  for _, name in ipairs({ heading, ... }) do
    index[name] = index[name] or at
  end
end

local function index_class(item)
  local var = item.var
  if item.class:find("Class$") then
    add_heading(model.places[var], place(var))
  end
  for _, field in ipairs(item.fields) do
    add_heading(var .. "." .. field.name, full_name(var, field.name))
  end
  for _, event in ipairs(item.events) do
    add_heading(('%s "%s"'):format(var, event.name))
  end
end

local function make_index()
  index, model.entries = {}, {}
  for _, item in ipairs(model.items) do
    if item.kind == "class" then
      index_class(item)
      model.entries[model.places[item.var] or item.var] = item
    elseif item.owner then
      add_heading(heading_of(item), full_name(item.owner, item.name, is_method(item)))
      model.entries[item.owner .. "." .. item.name] = item
    end
  end
end

--- Makes the page.
---@return string
local function make()
  model, page = meta.read(), {}
  forms.use(model)
  make_index()
  local class
  for _, item in ipairs(model.items) do
    local is_section = item.kind == "text" and item.text[1]:find("^## ")
    if is_section or item.kind == "class" then
      finish_class(class)
      class = item.kind == "class" and item or nil
    end
    put_item(item)
  end
  put_node()
  table.remove(page, 1) -- the blank line before the title
  return table.concat(page, "\n") .. "\n"
end

-- Running

local function read_page()
  local file <close> = assert(io.open(PAGE))
  return file:read("a")
end

local function write_page()
  local file <close> = assert(io.open(PAGE, "w"))
  file:write(make())
end

--- Prints what is wrong; returns the exit code.
local function check()
  local public = require("tools.public") -- here, as it needs the library
  local problems = links.check(PAGES)
  if make() ~= read_page() then
    problems[#problems + 1] = PAGE .. " is not what lua/net/meta.lua makes: run `make docs`"
  end
  for _, find in ipairs({ public.undocumented, public.missing, public.options, tour.check }) do
    local found = find(model)
    table.move(found, 1, #found, #problems + 1, problems)
  end
  for _, problem in ipairs(problems) do
    io.stderr:write(problem, "\n")
  end
  return #problems == 0
end

if arg[1] == "--check" then
  os.exit(check(), true)
end
write_page()
