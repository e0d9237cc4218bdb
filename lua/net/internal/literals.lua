-- SPDX-License-Identifier: MIT

--- net.internal.literals - numbers and strings as JavaScript writes them, and how long it
-- holds a string to be.

local literals = {}

--- How long JavaScript holds a string to be: in UTF-16 units, or in bytes for
--- what is not UTF-8.
---@param s string
---@return integer units
function literals.length(s)
  local points = utf8.len(s)
  if not points then
    return #s
  end
  local _, pairs_needed = s:gsub("[\xF0-\xF4]", "")
  return points + pairs_needed
end

--- The first `n` UTF-16 units of a string; never half a character.
---@param s string
---@param n integer
---@return string
function literals.prefix(s, n)
  if not utf8.len(s) then
    return s:sub(1, n)
  end
  for at, point in utf8.codes(s) do
    n = n - (point > 0xFFFF and 2 or 1)
    if n < 0 then
      return s:sub(1, at - 1)
    end
  end
  return s
end

--- The shortest digits that read back as `n`, and the power of ten behind
--- "0.digits"; for a positive, finite float.
local function shortest_digits(n)
  for precision = 0, 16 do
    local text = ("%." .. precision .. "e"):format(n)
    if tonumber(text) == n or precision == 16 then
      local digits, exponent = text:match("^([%d.,]+)e(.+)$")
      digits = digits:gsub("%D", ""):gsub("0+$", "")
      return digits, tonumber(exponent) + 1
    end
  end
end

--- A positive, finite float by JavaScript's rules for Number::toString.
local function float_text(n)
  local digits, point = shortest_digits(n)
  local count = #digits
  if count <= point and point <= 21 then
    return digits .. ("0"):rep(point - count)
  elseif 0 < point and point <= 21 then
    return digits:sub(1, point) .. "." .. digits:sub(point + 1)
  elseif -6 < point and point <= 0 then
    return "0." .. ("0"):rep(-point) .. digits
  end
  local fraction = count > 1 and "." .. digits:sub(2) or ""
  return ("%s%se%+d"):format(digits:sub(1, 1), fraction, point - 1)
end

--- A number as JavaScript writes it: `80.0` is "80", `-0.0` is "-0".
---@param n number
---@return string
function literals.number(n)
  if math.type(n) == "integer" then
    return ("%d"):format(n)
  elseif n ~= n then
    return "NaN"
  elseif n == math.huge then
    return "Infinity"
  elseif n == -math.huge then
    return "-Infinity"
  elseif n == 0 then
    return 1 / n < 0 and "-0" or "0"
  end
  return n < 0 and "-" .. float_text(-n) or float_text(n)
end

local NAMED_ESCAPES = {
  ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n", ["\f"] = "\\f", ["\r"] = "\\r",
  ["\\"] = "\\\\",
}

local function escape_byte(c)
  return NAMED_ESCAPES[c] or ("\\x%02X"):format(c:byte())
end

--- Escapes the bytes that are no part of a character, in a string that is not
--- UTF-8. JavaScript has no such strings; Node would have shown U+FFFD.
local function escape_broken(s)
  local out, at = {}, 1
  while at <= #s do
    local _, bad = utf8.len(s, at)
    out[#out + 1] = s:sub(at, (bad or #s + 1) - 1)
    if not bad then
      break
    end
    out[#out + 1] = escape_byte(s:sub(bad, bad))
    at = bad + 1
  end
  return table.concat(out)
end

--- Node's choice: single quotes, unless they would need an escape that double
--- quotes or backticks do not.
local function choose_quote(s)
  if not s:find("'", 1, true) then
    return "'"
  elseif not s:find('"', 1, true) then
    return '"'
  elseif not s:find("`", 1, true) and not s:find("${", 1, true) then
    return "`"
  end
  return "'"
end

--- A string in quotes, with what cannot be printed escaped.
---@param s string
---@return string
function literals.quote(s)
  local quote = choose_quote(s)
  local text = s:gsub("[\0-\31\127\\]", escape_byte) -- not %c: it depends on the locale
  if utf8.len(text) then
    text = text:gsub("\xC2([\x80-\x9F])", escape_byte) -- the C1 controls
  else
    text = escape_broken(text)
  end
  if quote == "'" then
    text = text:gsub("'", "\\'")
  end
  return quote .. text .. quote
end

return literals
