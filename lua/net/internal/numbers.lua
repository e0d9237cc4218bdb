-- SPDX-License-Identifier: MIT

--- net.internal.numbers - what JavaScript reads as a number in a string, where it takes
-- strings for numbers: ports, backlogs, and the choice between port and path.

local SAFE_INTEGER = 9007199254740991 -- 2^53 - 1

local numbers = {}

-- What String.prototype.trim takes for white space beyond ASCII, in UTF-8.
local WIDE_SPACES = {}
for _, first_last in ipairs({
  { 0xA0, 0xA0 }, { 0x1680, 0x1680 }, { 0x2000, 0x200A }, { 0x2028, 0x2029 },
  { 0x202F, 0x202F }, { 0x205F, 0x205F }, { 0x3000, 0x3000 }, { 0xFEFF, 0xFEFF },
}) do
  for point = first_last[1], first_last[2] do
    WIDE_SPACES[utf8.char(point)] = true
  end
end

--- How many bytes of white space stand at `at`, 0 for none.
local function space_at(s, at)
  if s:find("^[\t-\r ]", at) then
    return 1
  end
  local wide = s:match("^[\xC2\xE1-\xEF][\x80-\xBF]+", at)
  for size = 2, wide and 3 or 0 do
    if WIDE_SPACES[s:sub(at, at + size - 1)] then
      return size
    end
  end
  return 0
end

--- How many bytes of white space end at `at`, 0 for none.
local function space_before(s, at)
  for size = 1, math.min(3, at) do
    if space_at(s, at - size + 1) == size then
      return size
    end
  end
  return 0
end

--- A string without the white space around it, as `String.prototype.trim`.
---@param s string
---@return string
function numbers.trim(s)
  local first, last = 1, #s
  repeat
    local size = space_at(s, first)
    first = first + size
  until size == 0
  repeat
    local size = last >= first and space_before(s, last) or 0
    last = last - size
  until size == 0
  return s:sub(first, last)
end

local RADIX = {
  x = { 16, "^%x+$" },
  o = { 8, "^[0-7]+$" },
  b = { 2, "^[01]+$" },
}

--- "0x50", "0o17", "0b101"; nil for another form. Added up as a float beyond
--- 2^53, where Lua's own tonumber would wrap around.
local function radix_number(s)
  local letter, digits = s:match("^0([xXoObB])(.*)$")
  local radix = letter and RADIX[letter:lower()]
  if not radix or not digits:find(radix[2]) then
    return nil
  end
  local n = 0
  for digit in digits:gmatch(".") do
    n = n * radix[1] + tonumber(digit, radix[1])
    if math.type(n) == "integer" and n > SAFE_INTEGER then
      n = n + 0.0
    end
  end
  return n
end

--- "80", "-1.5e3", ".5", "5."; nil for another form. Lua's tonumber knows more
--- forms (hexadecimal floats, "inf" with some libraries), so they are sifted out.
local function decimal_number(s)
  local sign, digits = s:match("^([+-]?)(.*)$")
  if digits == "Infinity" then
    return sign == "-" and -math.huge or math.huge
  end
  local mantissa, exponent = digits:match("^([%d.]+)(.*)$")
  if not mantissa or not mantissa:find("%d") or select(2, mantissa:gsub("%.", "")) > 1 then
    return nil
  elseif exponent ~= "" and not exponent:find("^[eE][+-]?%d+$") then
    return nil
  end
  local n = tonumber(digits)
  return sign == "-" and -n or n
end

--- `Number(text)` of JavaScript: a decimal with an exponent, `0x…`, `0o…`, `0b…`
--- or `Infinity`, surrounded by white space or not; 0 if blank, else NaN.
---@param text string
---@return number
function numbers.parse(text)
  local s = numbers.trim(text)
  if s == "" then
    return 0
  end
  local n = radix_number(s) or decimal_number(s) or 0 / 0
  return math.tointeger(n) or n
end

return numbers
