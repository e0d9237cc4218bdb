-- SPDX-License-Identifier: MIT

--- Random JSON: values, texts of them with every freedom that the grammar has, and texts
--- that are JSON no more. The same seed gives the same ones.
---
---     local random = jsonrandom.new(7)
---     local text = random:mutated(random:text())

local M = {}
M.__index = M

local STRINGS = { "", "a", "b", "name", "$b", "$$b", "é", "😀", "\u{2028}", "\127", "\0", "\n\t\"\\/\b\f\r\1",
  ("long "):rep(30), ("ü"):rep(300), "NODE_x", "Yf9i", "0", "length", "toString" }
local PIECES = { "\\ud800", "\\udc00", "\\ud83d\\ude00", "\\u0000", "\\u00e9", "\\uFFFD", "\\/", "\\n", "\\\"", "\\\\",
  "é", "😀", "\u{FFFF}", "x", " ", "plain text", "\127", "'" }
local NUMBERS = { "0", "-0", "-0.0", "1", "-1", "1.5", "1e5", "1E+2", "1e-7", "123456789012345678", "9007199254740993",
  "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1e400", "-1e400",
  "1e-400", "0.1", "0.30000000000000004", "12345678901234567890123", "5e-324", "1.7976931348623157e308", "0.000001" }
local BYTES = { "{", "}", "[", "]", ",", ":", '"', "\\", "0", "-", "+", ".", "e", "E", "u", "n", "t", " ", "\n", "\r",
  "\0", "\31", "\127", "\128", "\xC3", "\xE2\x80\xA8", "\xF0\x9F", "\xED\xA0\x80", "\xFF", "\\u", "\\ud83d", "null",
  "true", "[[","é", "\u{FEFF}", "\u{A0}", "😀" }

--- A source of random JSON.
---@param seed integer
function M.new(seed)
  return setmetatable({ state = seed }, M)
end

--- An integer from 1 to n; not math.random, which is not the same everywhere.
function M:below(n)
  self.state = (self.state * 6364136223846793005 + 1442695040888963407)
  return (self.state >> 33) % n + 1
end

function M:one_of(list)
  return list[self:below(#list)]
end

--- A float of any size, finite.
function M:float()
  local kind = self:below(4)
  if kind == 1 then
    return self:below(1000000) / self:one_of({ 10, 100, 1000, 8, 3, 7 })
  elseif kind == 2 then
    return (self:below(1 << 31) * (1 << 22) + self:below(1 << 22)) * 2.0 ^ (self:below(2040) - 1080)
  elseif kind == 3 then
    return 2.0 ^ (self:below(2040) - 1060)
  end
  return -self:below(1 << 30) / self:below(1 << 30)
end

--- A value that has JSON; `null` stands for null.
function M:value(depth, null)
  local kind = self:below(depth > 0 and 9 or 6)
  if kind == 1 then
    return self:one_of(STRINGS)
  elseif kind == 2 then
    return self:below(1 << 31) * (self:below(3) - 2)
  elseif kind == 3 then
    return self:float()
  elseif kind == 4 then
    return self:below(2) == 1
  elseif kind == 5 then
    return null
  elseif kind == 6 then
    return self:one_of(STRINGS) .. self:one_of(STRINGS)
  end
  local t, length = {}, self:below(6) - 1
  length = length == 5 and self:below(200) or length
  for i = 1, length do
    local key = kind == 7 and i or self:one_of(STRINGS) .. (length > 10 and i or "")
    t[key] = self:value(length > 10 and 0 or depth - 1, null)
  end
  return t
end

function M:blank()
  return self:below(8) == 1 and self:one_of({ " ", "\n", "\r\n", "\t ", "\r" }) or ""
end

function M:string_text()
  local parts = {}
  for i = 1, self:below(5) - 1 do
    parts[i] = self:one_of(PIECES)
  end
  return '"' .. table.concat(parts) .. '"'
end

--- A JSON text.
function M:text(depth)
  depth = depth or 4
  local kind = self:below(depth > 0 and 8 or 4)
  if kind == 1 then
    return self:string_text()
  elseif kind == 2 then
    return self:one_of(NUMBERS)
  elseif kind == 3 then
    return ("%.17g"):format(self:float())
  elseif kind == 4 then
    return self:one_of({ "true", "false", "null" })
  end
  local parts = {}
  for i = 1, self:below(5) - 1 do
    local value = self:blank() .. self:text(depth - 1) .. self:blank()
    parts[i] = kind > 6 and value or self:blank() .. self:string_text() .. self:blank() .. ":" .. value
  end
  local inside = table.concat(parts, ",") .. self:blank()
  return kind > 6 and "[" .. inside .. "]" or "{" .. inside .. "}"
end

--- A text with some bytes taken out, put in, or repeated.
function M:mutated(text)
  for _ = 1, self:below(3) do
    local at = self:below(#text + 1)
    local front, kind = text:sub(1, at - 1), self:below(5)
    if kind == 1 then
      text = front .. text:sub(at + self:below(3))
    elseif kind == 2 then
      text = front .. self:one_of(BYTES) .. text:sub(at)
    elseif kind == 3 then
      text = front .. self:one_of(BYTES) .. text:sub(at + 1)
    elseif kind == 4 then
      text = front .. text:sub(at, at + self:below(10)):rep(2) .. text:sub(at)
    else
      text = self:below(4) == 1 and front or text
    end
  end
  return text
end

return M
