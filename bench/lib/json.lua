-- SPDX-License-Identifier: MIT

--- Values as JSON, with keys in order, so that two results can be compared.

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

return json
