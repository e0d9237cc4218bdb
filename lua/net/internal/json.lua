-- SPDX-License-Identifier: MIT

--- net.internal.json - as much of JSON as BlockList's fromJSON needs: a list of strings.
--
-- A text is checked as strictly as by JSON.parse, and fails with the same words;
-- but values that are neither outermost, nor strings in the outermost list, are
-- only read over. Brackets that are open are kept on a stack of our own, so that
-- values nest as deep as they like.

local errors = require("net.internal.errors")
local jsonerrors = require("net.internal.jsonerrors")

local json = {}

--- Stand for values that have no other form here. No list looks like them.
json.null = setmetatable({ is = "null" }, { __name = "null" })
json.object = setmetatable({ is = "object" }, { __name = "Object" }) -- or a list in a list

-- A reader is {text =, at =}: the text, and the byte that is due.

--- Raises a SyntaxError for the byte 'at', of a kind that `jsonerrors` knows.
local function fail(reader, problem, at)
  errors.throw(errors.new("SyntaxError", jsonerrors.decode(problem, reader.text, at)), 2)
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
    fail(reader, "unicode", at + #digits)
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
      elseif text:find("^[%z\1-\127]", behind) or text:find("^[\xC2\xC3][\x80-\xBF]", behind) then
        fail(reader, "escape", behind)
      else -- the end, or beyond Latin-1, or no UTF-8
        fail(reader, "token", behind)
      end
    elseif stop == "" then
      fail(reader, "string", behind)
    else
      fail(reader, "control", behind - 1)
    end
  end
end

--- A number; its minus sign or first digit is due.
local function scan_number(reader)
  local text, first = reader.text, reader.at
  local _, at = text:find("^-?%d*", first)
  if text:find("^-%D", first) or text:find("^-$", first) then
    fail(reader, "minus", first + 1)
  elseif text:find("^-?0%d", first) then
    fail(reader, "token", text:find("0", first, true) + 1)
  end
  for _, part in ipairs({
    { "^%.", "^%.%d+", "fraction" },
    { "^[eE][+-]?", "^[eE][+-]?%d+", "exponent" },
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
      fail(reader, "token", reader.at)
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
    fail(reader, "colon", reader.at)
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
    fail(reader, "token", reader.at)
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
      scan_name(reader, "next name")
    end
    return true
  elseif not take(reader, CLOSING[bracket]) then
    fail(reader, bracket == "[" and "element"
      or "property", reader.at)
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
    fail(reader, "more", reader.at)
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
        scan_name(reader, "name")
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
