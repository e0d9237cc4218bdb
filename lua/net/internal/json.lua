-- SPDX-License-Identifier: MIT

--- net.internal.json - as much of JSON as BlockList's fromJSON needs: a list of strings.
--
-- A text is checked as strictly as by JSON.parse, and fails with the same words;
-- but values that are neither outermost, nor strings in the outermost list, are
-- only read over. Brackets that are open are kept on a stack of our own, so that
-- values nest as deep as they like.

local errors = require("net.internal.errors")
local inspect = require("net.internal.inspect")

local CONTEXT = 10 -- units of the text shown on either side of an unexpected token
local SPECIAL = { -- what JavaScript makes of a value that is no text
  ["undefined"] = true, ["NaN"] = true, ["Infinity"] = true, ["[object Object]"] = true,
}

local json = {}

--- Stand for values that have no other form here. No list looks like them.
json.null = setmetatable({ is = "null" }, { __name = "null" })
json.object = setmetatable({ is = "object" }, { __name = "Object" }) -- or a list in a list

-- A reader is {text =, at =}: the text, and the byte that is due.

--- Raises a SyntaxError. 'at' is the byte to blame.
local function fail(reader, message, at, preposition)
  if at then
    local before = reader.text:sub(1, at - 1)
    local lines = before:gsub("\r\n?", "\n")
    local _, breaks = lines:gsub("\n", "")
    message = ("%s %s JSON at position %d (line %d column %d)"):format(
      message, preposition or "in", inspect.length(before), breaks + 1,
      inspect.length(lines:match("[^\n]*$")) + 1)
  end
  errors.throw(errors.new("SyntaxError", message), 2)
end

--- The text around an unexpected character, in quotes.
local function context(text, at)
  local before, length = inspect.length(text:sub(1, at - 1)), inspect.length(text)
  local cut = length > 2 * CONTEXT
  local cut_before = cut and before >= CONTEXT
  local cut_behind = cut and before < math.max(CONTEXT, length - CONTEXT)
  local shown = cut_behind and inspect.prefix(text, before + CONTEXT) or text
  if cut_before then
    shown = shown:sub(#inspect.prefix(text, before - CONTEXT) + 1)
  end
  return (cut_before and '..."' or '"') .. shown .. (cut_behind and '"...' or '"')
end

--- Raises for the byte that is due, which nothing may start or continue with.
local function unexpected(reader)
  local text, at = reader.text, reader.at
  local c = text:match("^[%z\1-\127\194-\244][\128-\191]*", at)
  if c and c:find("^%d") or c == "-" then
    fail(reader, "Unexpected number", at)
  elseif c == '"' then
    fail(reader, "Unexpected string", at)
  elseif SPECIAL[text] then
    fail(reader, ('"%s" is not valid JSON'):format(text))
  elseif at > #text then
    fail(reader, "Unexpected end of JSON input")
  end
  c = c and #c < 4 and c or "\u{FFFD}" -- Node shows half of a pair
  fail(reader, ("Unexpected token '%s', %s is not valid JSON"):format(c, context(text, at)))
end

--- Skips white space, and returns the character that is due, "" at the end.
local function peek(reader)
  reader.at = reader.text:find("[^ \t\n\r]", reader.at) or #reader.text + 1
  return reader.text:sub(reader.at, reader.at)
end

--- Takes the character that is due if it is that one.
local function take(reader, c)
  local found = peek(reader) == c
  if found then
    reader.at = reader.at + 1
  end
  return found
end

-- Scalars

local ESCAPES = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

--- The four digits behind "\u"; 'at' is the first of them.
local function hex_unit(reader, at)
  local digits = reader.text:match("^%x*", at):sub(1, 4)
  if #digits < 4 then
    fail(reader, "Bad Unicode escape", at + #digits)
  end
  return tonumber(digits, 16)
end

--- The character behind "\u" at 'at', and the byte behind it. Half of a pair has
--- no place in UTF-8.
local function unicode_escape(reader, at)
  local unit = hex_unit(reader, at)
  if unit >= 0xD800 and unit < 0xDC00 and reader.text:find("^\\u[dD][c-fC-F]", at + 4) then
    local low = hex_unit(reader, at + 6)
    return utf8.char(0x10000 + ((unit & 0x3FF) << 10 | low & 0x3FF)), at + 10
  end
  return utf8.char(unit >> 11 == 0x1B and 0xFFFD or unit), at + 4
end

--- A string; its opening quote is due.
local function scan_string(reader)
  local text, at, out = reader.text, reader.at + 1, {}
  while true do
    local plain, stop, behind = text:match('^([^\\"\0-\31]*)(.?)()', at)
    out[#out + 1] = plain
    if stop == '"' then
      reader.at = behind
      return table.concat(out)
    elseif stop == "\\" then
      local letter = text:sub(behind, behind)
      if letter == "u" then
        out[#out + 1], at = unicode_escape(reader, behind + 1)
      elseif ESCAPES[letter] then
        out[#out + 1], at = ESCAPES[letter], behind + 1
      elseif letter ~= "" and letter < "\xC4" then
        fail(reader, "Bad escaped character", behind)
      else -- the end, or beyond Latin-1
        reader.at = behind
        unexpected(reader)
      end
    elseif stop == "" then
      fail(reader, "Unterminated string", behind)
    else
      fail(reader, "Bad control character in string literal", behind - 1)
    end
  end
end

--- A number; its minus sign or first digit is due.
local function scan_number(reader)
  local text, first = reader.text, reader.at
  local _, at = text:find("^-?%d*", first)
  if text:find("^-%D", first) or text:find("^-$", first) then
    fail(reader, "No number after minus sign", first + 1)
  elseif text:find("^-?0%d", first) then
    reader.at = text:find("0", first, true) + 1
    unexpected(reader)
  end
  for _, part in ipairs({
    { "^%.", "^%.%d+", "Unterminated fractional number" },
    { "^[eE][+-]?", "^[eE][+-]?%d+", "Exponent part is missing a number" },
  }) do
    local _, start = text:find(part[1], at + 1)
    if start then
      _, at = text:find(part[2], at + 1)
      if not at then
        fail(reader, part[3], start + 1)
      end
    end
  end
  reader.at = at + 1
  return tonumber(text:sub(first, at))
end

local LITERALS = { t = { "true", true }, f = { "false", false }, n = { "null", json.null } }

--- true, false or null, of which the first letter is due.
local function scan_literal(reader, literal)
  for i = 1, #literal[1] do
    if reader.text:sub(reader.at, reader.at) ~= literal[1]:sub(i, i) then
      unexpected(reader)
    end
    reader.at = reader.at + 1
  end
  return literal[2]
end

-- Containers

--- A property's name and the colon behind it.
local function scan_name(reader, expected)
  if peek(reader) ~= '"' then
    fail(reader, expected, reader.at)
  end
  scan_string(reader)
  if not take(reader, ":") then
    fail(reader, "Expected ':' after property name", reader.at)
  end
end

--- A scalar; or the bracket that is due, taken, and no value.
local function scan_value(reader)
  local c = peek(reader)
  if c == '"' then
    return scan_string(reader)
  elseif c:find("^[%d-]") then
    return scan_number(reader)
  elseif LITERALS[c] then
    return scan_literal(reader, LITERALS[c])
  elseif c ~= "[" and c ~= "{" then
    unexpected(reader)
  end
  reader.at = reader.at + 1
  return nil, c
end

local CLOSING = { ["["] = "]", ["{"] = "}" }

--- Behind a value in brackets: whether another one follows. If none does, the
--- brackets have been closed.
local function continues(reader, bracket)
  if take(reader, ",") then
    if bracket == "{" then
      scan_name(reader, "Expected double-quoted property name")
    end
    return true
  elseif not take(reader, CLOSING[bracket]) then
    fail(reader, bracket == "[" and "Expected ',' or ']' after array element"
      or "Expected ',' or '}' after property value", reader.at)
  end
  return false
end

--- Behind a value: closes what ends there. Returns the value that ends last, and
--- whether it is the whole text.
local function close(reader, open, list, value)
  while #open > 0 do
    if list and #open == 1 then
      list[#list + 1] = value
    end
    if continues(reader, open[#open]) then
      return nil, false
    end
    open[#open] = nil
    value = #open == 0 and list or json.object
  end
  if peek(reader) ~= "" then
    fail(reader, "Unexpected non-whitespace character", reader.at, "after")
  end
  return value, true
end

--- Reads a text. A list comes back as a list, a scalar as what it is in Lua, null
--- as `json.null`, any other value as `json.object`.
---
--- Raises a SyntaxError.
---@param text string
---@return string|number|boolean|table
function json.read(text)
  local reader, open, list = { text = text, at = 1 }, {}, nil
  while true do
    local value, bracket = scan_value(reader)
    local complete = not bracket
    if bracket then
      list = list or #open == 0 and bracket == "[" and {} or nil
      value = #open == 0 and list or json.object
      complete = take(reader, CLOSING[bracket])
    end
    if not complete then
      open[#open + 1] = bracket
      if bracket == "{" then
        scan_name(reader, "Expected property name or '}'")
      end
    else
      local whole
      value, whole = close(reader, open, list, value)
      if whole then
        return value
      end
    end
  end
end

return json
