-- SPDX-License-Identifier: MIT

--- net.internal.inspect - values as Node's `util.inspect` prints them.
--
-- Error messages show the value that was wrong, and users compare those
-- messages. So what a Lua program can pass is printed exactly as by Node: which
-- quotes and escapes, how a number, `{ port: true }`, `[ 1, 2 ]`, nesting up to
-- two levels, circular references, and the line breaks at 80 columns, where a
-- wide character counts as one column. Numbers and strings alone are literals.lua's.
-- This only builds text, and calls no metamethod but the one named below. It is needed
-- when something failed, so it is not made fast.
--
-- A table is an Array when it has elements (`#t > 0`, or a `[1]`), otherwise
-- an Object; the empty table is the Object. JavaScript keeps keys in the order
-- in which they were set, which a Lua table does not know: here they are
-- sorted. An object of a class of ours prints as the `__name` of its
-- metatable, with the fields that `__inspect(object)` returns, if there is
-- such a metamethod: a table, and optionally a list of its keys in order.

local core = require("net.core")
local literals = require("net.internal.literals")

local BREAK_LENGTH = 80 -- columns
local MIN_LINE_LENGTH = 16 -- a string up to this length is never broken
local COMPACT = 3 -- that many inner levels share a line
local MAX_ARRAY = 100 -- elements shown
local MAX_STRING = 10000 -- units shown
local DEPTH = 2 -- levels shown below the outermost

local inspect = {}

inspect.length, inspect.prefix = literals.length, literals.prefix
inspect.number, inspect.quote = literals.number, literals.quote

--- A long string is broken behind its newlines, as `'…\n' +` and so on.
local function format_string(ctx, s)
  local trailer, length = "", inspect.length(s)
  if length > MAX_STRING then
    local rest = length - MAX_STRING
    trailer = ("... %d more character%s"):format(rest, rest > 1 and "s" or "")
    s, length = inspect.prefix(s, MAX_STRING), MAX_STRING
  end
  if length <= MIN_LINE_LENGTH or length <= BREAK_LENGTH - ctx.indent - 4 then
    return inspect.quote(s) .. trailer
  end
  local lines = {}
  for line in s:gmatch("[^\n]*\n?") do
    if line ~= "" then
      lines[#lines + 1] = inspect.quote(line)
    end
  end
  return table.concat(lines, " +\n" .. (" "):rep(ctx.indent + 2)) .. trailer
end

--- The name of a global function, as the only one a Lua function has by
--- itself; "" for any other.
---@param f function
---@return string
function inspect.function_name(f)
  local found = ""
  for name, value in next, _G do
    if value == f and type(name) == "string" and (found == "" or name < found) then
      found = name
    end
  end
  return found
end

local function format_function(f)
  local name = inspect.function_name(f)
  return name == "" and "[Function (anonymous)]" or "[Function: " .. name .. "]"
end

--- Whether JavaScript would have an Array where Lua has this table.
---@param t table
---@return boolean
function inspect.is_array(t)
  return rawlen(t) > 0 or rawget(t, 1) ~= nil
end

--- The metatable of a table or userdata, nil if it is hidden.
local function metatable_of(v)
  local mt = getmetatable(v)
  return type(mt) == "table" and mt or nil
end

--- What JavaScript would call the constructor of a table or userdata: the name
--- of an error, the `__name` of its metatable, "Array" or "Object".
---@param v table|userdata
---@return string
function inspect.class_name(v)
  local mt = metatable_of(v)
  if mt == core.error_metatable and type(rawget(v, "name")) == "string" then
    return rawget(v, "name")
  elseif mt and type(rawget(mt, "__name")) == "string" then
    return rawget(mt, "__name")
  elseif type(v) ~= "table" then
    return "userdata"
  end
  return inspect.is_array(v) and "Array" or "Object"
end

--- Array elements shown in columns once there are more than six: how many
--- columns, or 1 for none. `widths` are those of the entries, in characters.
local function column_count(ctx, widths, entries)
  local total, longest = 0, 0
  for _, width in ipairs(widths) do
    total = total + width + 2
    longest = math.max(longest, width)
  end
  local cell = longest + 2 -- a comma and a blank
  if cell * 3 + ctx.indent >= BREAK_LENGTH or (total / cell <= 5 and longest > 6) then
    return 1
  end
  local biased = math.max(cell - 3 - math.sqrt(cell - total / entries), 1)
  return math.min(
    math.floor(math.sqrt(2.5 * biased * #widths) / biased + 0.5),
    (BREAK_LENGTH - ctx.indent) // cell,
    COMPACT * 4,
    15
  )
end

local function width_of(text)
  return utf8.len(text) or #text
end

--- The lines of a grouped array: each entry padded to its column.
local function column_lines(output, widths, columns, numeric)
  local lines = {}
  for first = 1, #widths, columns do
    local last = math.min(first + columns - 1, #widths)
    local line = {}
    for i = first, last do
      local widest = 0
      for j = (i - first) + 1, #output, columns do
        widest = math.max(widest, widths[j] or 0)
      end
      local padding = (" "):rep(widest - widths[i])
      local comma = i < last and ", " or ""
      line[#line + 1] = numeric and padding .. output[i] .. comma
        or output[i] .. comma .. (i < last and padding or "")
    end
    lines[#lines + 1] = table.concat(line)
  end
  return lines
end

--- Node's groupArrayElements: more than six entries share lines.
local function group_elements(ctx, output, value)
  local shown = #output
  if shown > MAX_ARRAY then
    shown = shown - 1 -- "... n more items" stays on a line of its own
  end
  local widths, numeric = {}, true
  for i = 1, shown do
    widths[i] = width_of(output[i])
  end
  for i = 1, #output do
    numeric = numeric and type(rawget(value, i)) == "number"
  end
  local columns = column_count(ctx, widths, #output)
  if columns <= 1 then
    return output
  end
  local lines = column_lines(output, widths, columns, numeric)
  if shown < #output then
    lines[#lines + 1] = output[#output]
  end
  return lines
end

--- Whether the entries fit on one line, with `start` columns of other text.
local function fits(output, start, base)
  local total = #output + start
  for _, entry in ipairs(output) do
    total = total + inspect.length(entry)
    if entry:find("\n", 1, true) then
      return false
    end
  end
  return total <= BREAK_LENGTH and not base:find("\n", 1, true)
end

--- Node's reduceToSingleString: puts the entries on one line if they fit.
local function join_entries(ctx, output, base, open, close, level, array)
  local entries = #output
  local prefix = base ~= "" and base .. " " or ""
  if array and entries > 6 then
    output = group_elements(ctx, output, array)
  end
  if ctx.deepest - level < COMPACT and entries == #output then
    local start = #output + ctx.indent + inspect.length(open .. base) + 10
    if fits(output, start, base) then
      return prefix .. open .. " " .. table.concat(output, ", ") .. " " .. close
    end
  end
  local line = "\n" .. (" "):rep(ctx.indent)
  local body = table.concat(output, "," .. line .. "  ")
  return prefix .. open .. line .. "  " .. body .. line .. close
end

local format_value -- the recursion

local function format_key(key)
  if type(key) == "number" then
    key = inspect.number(key)
  elseif type(key) ~= "string" then
    return "[" .. tostring(key) .. "]"
  end
  return key:find("^[%a_][%w_]*$") and key or inspect.quote(key)
end

local function format_property(ctx, value, level)
  ctx.indent = ctx.indent + 2
  local text = format_value(ctx, value, level)
  ctx.indent = ctx.indent - 2
  return text
end

--- The entries of an Array, holes counted as Node counts them.
local function array_entries(ctx, t, level)
  local output, length, at = {}, rawlen(t), 1
  while at <= length and #output < MAX_ARRAY do
    local first = at
    while at <= length and rawget(t, at) == nil do
      at = at + 1
    end
    if at > first then
      output[#output + 1] = ("<%d empty item%s>"):format(at - first, at - first > 1 and "s" or "")
    else
      output[#output + 1] = format_property(ctx, rawget(t, at), level)
      at = at + 1
    end
  end
  if at <= length then
    local rest = length - at + 1
    output[#output + 1] = ("... %d more item%s"):format(rest, rest > 1 and "s" or "")
  end
  return output
end

--- JavaScript's order as far as we can know it: indices first, ascending, then
--- the strings, here by their bytes.
local function key_before(a, b)
  local ta, tb = type(a), type(b)
  if ta == tb and (ta == "number" or ta == "string") then
    return a < b
  elseif ta == tb then
    return tostring(a) < tostring(b)
  end
  return ta == "number" or (ta == "string" and tb ~= "number")
end

--- The keys to show, sorted, without those in `hidden`, nor an Array's indices.
local function sorted_keys(t, hidden)
  local keys, length = {}, inspect.is_array(t) and rawlen(t) or 0
  for key in next, t do
    local index = math.type(key) == "integer" and key >= 1 and key <= length
    if not index and not hidden[key] then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, key_before)
  return keys
end

local NOTHING = {}
-- Of an error: what its text shows already, and what comes last in brackets,
-- as it is not enumerable in Node.
local ERROR_HIDDEN = { name = true, message = true, stack = true, cause = true, errors = true }
local ERROR_BRACKETED = { "cause", "errors" }

local function error_keys(e)
  local keys = sorted_keys(e, ERROR_HIDDEN)
  for _, key in ipairs(ERROR_BRACKETED) do
    if rawget(e, key) ~= nil then
      keys[#keys + 1] = key
    end
  end
  return keys
end

--- What is shown of a value: its keys, what stands before the brace, and what
--- belongs to the brace itself (which Node counts differently).
local function parts_of(value)
  if metatable_of(value) == core.error_metatable then
    return error_keys(value), "[" .. tostring(value) .. "]", ""
  end
  local name = inspect.class_name(value)
  local plain = name == "Array" or name == "Object"
  return type(value) == "table" and sorted_keys(value, NOTHING) or NOTHING, "",
    plain and "" or name .. " "
end

--- "[Circular *1]" for a value that is being shown further out, and the mark
--- that it needs there.
local function circular(ctx, value)
  if not ctx.circular[value] then
    ctx.circles = ctx.circles + 1
    ctx.circular[value] = ctx.circles
  end
  return ("[Circular *%d]"):format(ctx.circular[value])
end

--- Appends `key: value` for each key.
local function object_entries(ctx, output, value, keys, level)
  local is_error = metatable_of(value) == core.error_metatable
  for _, key in ipairs(keys) do
    local name = format_key(key)
    if is_error and ERROR_HIDDEN[key] then
      name = "[" .. name .. "]"
    end
    output[#output + 1] = name .. ": " .. format_property(ctx, rawget(value, key), level)
  end
  return output
end

--- The entries of a value between its braces, on one line or on several.
local function format_entries(ctx, value, keys, base, brace, level)
  local array = type(value) == "table" and inspect.is_array(value) and value
  ctx.seen[value] = true
  ctx.deepest = level
  local output = array and array_entries(ctx, value, level) or {}
  object_entries(ctx, output, value, keys, level)
  ctx.seen[value] = nil
  if ctx.circular[value] then
    local mark = ("<ref *%d>"):format(ctx.circular[value])
    base = base ~= "" and mark .. " " .. base or mark
  end
  local open, close = brace .. (array and "[" or "{"), array and "]" or "}"
  return join_entries(ctx, output, base, open, close, level, array)
end

local function format_object(ctx, value, level)
  if ctx.seen[value] then
    return circular(ctx, value)
  end
  local keys, base, brace = parts_of(value)
  if #keys == 0 and not (type(value) == "table" and inspect.is_array(value)) then
    return base ~= "" and base or brace .. "{}"
  elseif level > ctx.depth then
    return "[" .. inspect.class_name(value) .. "]"
  end
  return format_entries(ctx, value, keys, base, brace, level + 1)
end

local function new_context(depth)
  return {
    depth = depth, -- levels shown below the outermost
    indent = 0, -- columns
    deepest = 0, -- the innermost level reached so far
    seen = {}, -- what is being shown, from the outermost to here
    circular = {}, -- value to its number
    circles = 0, -- how many have one
  }
end

--- An object whose class says what to show of it, set in like any other.
local function format_custom(ctx, value, level, custom)
  local name = inspect.class_name(value)
  if level > ctx.depth then
    return "[" .. name .. "]"
  end
  local fields, keys = custom(value)
  keys = keys or sorted_keys(fields, NOTHING)
  local text = format_entries(new_context(ctx.depth - level - 1), fields, keys, "", "", 1)
  return name .. " " .. text:gsub("\n", "\n" .. (" "):rep(ctx.indent))
end

function format_value(ctx, value, level)
  local kind = type(value)
  if kind == "string" then
    return format_string(ctx, value)
  elseif kind == "number" then
    return inspect.number(value)
  elseif value == core.json.null then
    return "null"
  elseif kind == "table" or kind == "userdata" then
    local mt = metatable_of(value)
    local custom = mt and rawget(mt, "__inspect")
    if custom then
      return format_custom(ctx, value, level, custom)
    end
    return format_object(ctx, value, level)
  elseif kind == "function" then
    return format_function(value)
  elseif kind == "thread" then
    return "[Coroutine]"
  end
  return tostring(value)
end

--- A value as `util.inspect` prints it.
---@param value any
---@param depth? integer levels shown below the outermost; default 2
---@return string
function inspect.inspect(value, depth)
  return format_value(new_context(depth or DEPTH), value, 0)
end

return inspect
