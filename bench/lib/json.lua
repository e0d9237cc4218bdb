-- SPDX-License-Identifier: MIT

--- Values as JSON, with keys in order, so that two results can be compared; and back.
--
-- Reads what it has written, and trusts that it has.

local json = {}

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t" }

local function quoted(s)
  return '"' .. s:gsub('[%c"\\]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local encode

local function object(value, indent)
  local keys, lines = {}, {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    lines[i] = ("%s  %s: %s"):format(indent, quoted(key), encode(value[key], indent .. "  "))
  end
  return "{\n" .. table.concat(lines, ",\n") .. "\n" .. indent .. "}"
end

local function array(value, indent)
  local items, flat = {}, true
  for i, item in ipairs(value) do
    items[i] = encode(item, indent .. "  ")
    flat = flat and type(item) ~= "table"
  end
  if flat then
    return "[" .. table.concat(items, ", ") .. "]"
  end
  return ("[\n%s  %s\n%s]"):format(indent, table.concat(items, ",\n" .. indent .. "  "), indent)
end

function encode(value, indent)
  if type(value) == "table" then
    return (#value > 0 and array or object)(value, indent)
  elseif type(value) == "string" then
    return quoted(value)
  elseif math.type(value) == "float" then
    return ("%.6g"):format(value)
  end
  return tostring(value)
end

--- A table with a first item is a list; any other is an object.
function json.encode(value)
  return encode(value, "") .. "\n"
end

-- A reader is {text =, at =}: the text, and the byte that is due.
local decode

local VALUES = { ["true"] = true, ["false"] = false }
local UNESCAPED = { n = "\n", t = "\t" }

--- Takes what a pattern finds here: its capture, or true; nil if it finds nothing.
local function take(r, pattern)
  local from, to, got = r.text:find("^" .. pattern, r.at)
  r.at = from and to + 1 or r.at
  return from and (got or true)
end

--- The same after blanks.
local function after_blanks(r, pattern)
  return take(r, "%s*" .. pattern)
end

--- The rest of a string whose first quote is taken.
local function string_of(r)
  local out = {}
  while not take(r, '"') do
    local code = take(r, "\\u(%x%x%x%x)")
    local sign = not code and take(r, "\\(.)")
    out[#out + 1] = code and utf8.char(tonumber(code, 16)) or UNESCAPED[sign] or sign
      or assert(take(r, '([^"\\]+)'), "a string that does not end")
  end
  return table.concat(out)
end

--- The rest of a list or an object; `item` puts one into the table.
local function items_of(r, close, item)
  local value = {}
  if not after_blanks(r, close) then
    repeat
      item(value)
    until not after_blanks(r, ",")
    assert(after_blanks(r, close), "a list or an object that does not end")
  end
  return value
end

function decode(r)
  if after_blanks(r, '"') then
    return string_of(r)
  elseif after_blanks(r, "%[") then
    return items_of(r, "%]", function(list) list[#list + 1] = decode(r) end)
  elseif after_blanks(r, "{") then
    return items_of(r, "}", function(object_)
      local key = assert(after_blanks(r, '"'), "a key is a string") and string_of(r)
      assert(after_blanks(r, ":"), "a key without a value")
      object_[key] = decode(r)
    end)
  end
  local word = assert(after_blanks(r, "([%w.+-]+)"), "no value")
  if VALUES[word] ~= nil then
    return VALUES[word]
  end
  return tonumber(word)
end

--- What `encode` made a text of. Raises if it is cut short.
function json.decode(text)
  return decode { text = text, at = 1 }
end

return json
