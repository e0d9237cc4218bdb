-- SPDX-License-Identifier: MIT

--- net.internal.jsonerrors - the words for what is no JSON, and for what has none.
--
-- Whoever reads JSON finds that it is none at some byte, and says of which kind: the C
-- decoder, core.json, and net.internal.json. Only the words are made here, JSON.parse's,
-- from what is around that byte: a text from another process may be long, and hostile.

local core = require("net.core")
local errors = require("net.internal.errors")
local inspect = require("net.internal.inspect")

local CONTEXT = 10 -- units of the text shown on either side of an unexpected token
local WINDOW = 4 * CONTEXT -- bytes which are as many units at least
local PATH = 32 -- keys of a path that are shown

local PROBLEMS = { -- with the place of the byte
  ["control"] = "Bad control character in string literal in",
  ["escape"] = "Bad escaped character in",
  ["unicode"] = "Bad Unicode escape in",
  ["string"] = "Unterminated string in",
  ["minus"] = "No number after minus sign in",
  ["fraction"] = "Unterminated fractional number in",
  ["exponent"] = "Exponent part is missing a number in",
  ["name"] = "Expected property name or '}' in",
  ["next name"] = "Expected double-quoted property name in",
  ["colon"] = "Expected ':' after property name in",
  ["element"] = "Expected ',' or ']' after array element in",
  ["property"] = "Expected ',' or '}' after property value in",
  ["more"] = "Unexpected non-whitespace character after",
  ["deep"] = "Nesting deeper than 1000 in", -- not Node's, which has no limit
}

local SPECIAL = { -- what JavaScript makes of a value that is no text
  ["undefined"] = true, ["NaN"] = true, ["Infinity"] = true, ["[object Object]"] = true,
}

local jsonerrors = {}

local function with_place(words, text, at)
  local units, _, line, column = core.json.place(text, at)
  return ("%s JSON at position %d (line %d column %d)"):format(words, units, line, column)
end

--- Bytes as JavaScript has them, which holds U+FFFD for what is no UTF-8.
local function as_text(bytes)
  local decoder = core.decoder("utf8")
  return decoder:write(bytes) .. decoder:finish()
end

--- The first, and the last, `n` units of a text; half of a pair is U+FFFD.
local function first_units(text, n)
  local units = inspect.prefix(text, n)
  local is_cut = #units < #text and inspect.length(units) < n
  return is_cut and units .. "\u{FFFD}" or units
end

local function last_units(text, n)
  local over = inspect.length(text) - n
  while over > 0 do
    over = over - (text:byte() >= 0xF0 and 2 or 1)
    text = text:sub(utf8.offset(text, 2))
  end
  return over < 0 and "\u{FFFD}" .. text or text
end

--- The text around an unexpected character, in quotes.
local function context(text, at)
  local before, length = core.json.place(text, at)
  if length <= 2 * CONTEXT then
    return '"' .. as_text(text) .. '"'
  end
  local front = as_text(text:sub(math.max(1, at - WINDOW), at - 1))
  local back = as_text(text:sub(at, at + WINDOW))
  local cut_before = before >= CONTEXT
  local cut_behind = before < math.max(CONTEXT, length - CONTEXT)
  return (cut_before and '..."' .. last_units(front, CONTEXT) or '"' .. front)
    .. (cut_behind and first_units(back, CONTEXT) .. '"...' or back .. '"')
end

--- For a byte that nothing may start or continue with.
local function unexpected(text, at)
  local c = as_text(text:sub(at, at + 3)):match("^" .. utf8.charpattern) or ""
  if c:find("^[%d-]") then
    return with_place("Unexpected number in", text, at)
  elseif c == '"' then
    return with_place("Unexpected string in", text, at)
  elseif SPECIAL[text] then
    return ('"%s" is not valid JSON'):format(text)
  elseif at > #text then
    return "Unexpected end of JSON input"
  end
  c = #c < 4 and c or "\u{FFFD}" -- Node shows half of a pair
  return ("Unexpected token '%s', %s is not valid JSON"):format(c, context(text, at))
end

--- The message for a text that is no JSON.
---@param problem string a key of PROBLEMS, or "token"
---@param text string
---@param at integer the byte to blame
---@return string
function jsonerrors.decode(problem, text, at)
  if problem == "token" then
    return unexpected(text, at)
  end
  return with_place(PROBLEMS[problem], text, at)
end

-- What has no JSON

local REFUSALS = {
  ["value"] = "must be valid UTF-8",
  ["name"] = "must have names of valid UTF-8",
  ["kind"] = "must be a string, number, boolean, table or child.null",
  ["mixed"] = "must have the keys 1 to n, or strings",
  ["hole"] = "must have no holes",
  ["deep"] = "must not be nested deeper than 1000",
}

--- `message.a[2]`
local function path_text(path)
  local parts = { "message" }
  for i, key in ipairs(path) do
    if math.type(key) == "integer" then
      parts[#parts + 1] = ("[%d]"):format(key)
    elseif key:find("^[%a_$][%w_$]*$") then
      parts[#parts + 1] = "." .. key
    else
      parts[#parts + 1] = "[" .. inspect.quote(key) .. "]"
    end
    if i == PATH and #path > PATH then
      parts[#parts + 1] = "..."
      break
    end
  end
  return table.concat(parts)
end

--- The error for a value that has no JSON.
---@param problem string a key of REFUSALS
---@param value any what is wrong
---@param path any[] the keys on the way to it, or to the table that it is in
---@return net.Error
function jsonerrors.encode(problem, value, path)
  return errors.codes.ERR_INVALID_ARG_VALUE(path_text(path), value, REFUSALS[problem])
end

local function class_text(t)
  return ("object with constructor '%s'"):format(inspect.class_name(t))
end

--- A key, as JavaScript has it: its indices begin with 0.
local function key_text(key)
  if math.type(key) == "integer" then
    return ("index %d"):format(key - 1)
  end
  return ("property '%s'"):format(key)
end

--- The error for a table that is inside of itself, in JSON.stringify's words.
---@param tables table[] of the circle, from the one that is inside
---@param path any[] the keys from the outermost table to where it is met again
---@param first integer how many of these are in front of the circle
---@return net.Error
function jsonerrors.circle(tables, path, first)
  local lines = { "Converting circular structure to JSON",
    "    --> starting at " .. class_text(tables[1]) }
  for i = 2, #tables do
    if i <= 3 or i == #tables then
      local key = key_text(path[first + i - 1])
      lines[#lines + 1] = ("    |     %s -> %s"):format(key, class_text(tables[i]))
    elseif i == 4 then
      lines[#lines + 1] = "    |     ..."
    end
  end
  lines[#lines + 1] = ("    --- %s closes the circle"):format(key_text(path[#path]))
  return errors.new("TypeError", table.concat(lines, "\n"))
end

return jsonerrors
