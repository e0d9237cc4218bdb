-- SPDX-License-Identifier: MIT

--- net.internal.url - the little of URLs that SocketAddress.parse needs.
--
-- Node reads "1.2.3.4:80" as the URL "http://1.2.3.4:80", and so takes what a
-- browser's address bar takes: "0x7f.1", "1.2.3", "user@1.2.3.4/path",
-- "%31.2.3.4", and digits that merely look like such. This follows the WHATWG
-- URL standard for those hosts that turn out to be IP addresses; any other host
-- is nil here, as Node makes no SocketAddress of it.

local PORT_MAX = 65535

local url = {}

--- What follows "http://", up to where the path starts: white space and
--- controls are cut off the end, tabs and newlines out of the middle.
local function authority(text)
  text = text:match("^(.*[^\0-\32])") or ""
  text = text:gsub("[\t\n\r]+", "")
  return text:match("^[/\\]*([^/\\?#]*)")
end

--- The port behind the host: "" and ":" are 0; nil if it is none.
local function port_number(text)
  local digits = text:match("^:0*(%d*)$")
  if text == "" or digits == "" then
    return 0
  elseif not digits or #digits > 5 or tonumber(digits) > PORT_MAX then
    return nil
  end
  return math.tointeger(tonumber(digits))
end

-- Characters that IDNA (UTS 46, Unicode 17) takes for parts of a number: the
-- first and the last code point, and what they stand for, one after the other
-- and round again. "" for those that it ignores.
local DIGITS, LETTERS = "0123456789", "abcdefghijklmnopqrstuvwxyz"
local LOOKALIKES = {
  { 0xAA, 0xAA, "a" }, { 0xAD, 0xAD, "" }, { 0xB2, 0xB3, "23" }, { 0xB9, 0xB9, "1" },
  { 0x2E3, 0x2E3, "x" }, { 0x34F, 0x34F, "" }, { 0x115F, 0x1160, "" }, { 0x17B4, 0x17B5, "" },
  { 0x180B, 0x180F, "" }, { 0x1D2C, 0x1D2C, "a" }, { 0x1D2E, 0x1D2E, "b" },
  { 0x1D30, 0x1D31, "de" }, { 0x1D43, 0x1D43, "a" }, { 0x1D47, 0x1D49, "bde" },
  { 0x1D9C, 0x1D9C, "c" }, { 0x1DA0, 0x1DA0, "f" }, { 0x200B, 0x200B, "" },
  { 0x2060, 0x2064, "" }, { 0x206A, 0x206F, "" }, { 0x2070, 0x2070, "0" },
  { 0x2074, 0x2079, "456789" }, { 0x2080, 0x2089, DIGITS }, { 0x2090, 0x2091, "ae" },
  { 0x2093, 0x2093, "x" }, { 0x2102, 0x2102, "c" }, { 0x212C, 0x212D, "bc" },
  { 0x212F, 0x2131, "eef" }, { 0x2145, 0x2147, "dde" }, { 0x2169, 0x2169, "x" },
  { 0x216D, 0x216E, "cd" }, { 0x2179, 0x2179, "x" }, { 0x217D, 0x217E, "cd" },
  { 0x2460, 0x2468, "123456789" }, { 0x24B6, 0x24CF, LETTERS }, { 0x24D0, 0x24E9, LETTERS },
  { 0x24EA, 0x24EA, "0" }, { 0x3002, 0x3002, "." }, { 0x3164, 0x3164, "" },
  { 0xA7F2, 0xA7F3, "cf" }, { 0xFE00, 0xFE0F, "" }, { 0xFEFF, 0xFEFF, "" },
  { 0xFF0E, 0xFF0E, "." }, { 0xFF10, 0xFF19, DIGITS }, { 0xFF21, 0xFF3A, LETTERS },
  { 0xFF41, 0xFF5A, LETTERS }, { 0xFF61, 0xFF61, "." }, { 0xFFA0, 0xFFA0, "" },
  { 0x1BCA0, 0x1BCA3, "" }, { 0x1CCD6, 0x1CCEF, LETTERS }, { 0x1CCF0, 0x1CCF9, DIGITS },
  { 0x1D173, 0x1D17A, "" }, { 0x1D400, 0x1D6A3, LETTERS }, { 0x1D7CE, 0x1D7FF, DIGITS },
  { 0x1F12B, 0x1F12B, "c" }, { 0x1F130, 0x1F149, LETTERS }, { 0x1FBF0, 0x1FBF9, DIGITS },
  { 0xE0100, 0xE01EF, "" },
}
-- What characters stand for that no row above has: those that stand for several, and the
-- gaps in the rows, where another block had the letter already.
local SPECIAL = {
  [0x213B] = "fax", [0x3372] = "da", [0x33C4] = "cc", [0x33C5] = "cd", [0x33C8] = "db",
  [0xFB00] = "ff", [0x1F12D] = "cd", [0x1D49D] = "!", [0x1D4A0] = "!", [0x1D4A1] = "!",
  [0x1D4BA] = "!", [0x1D506] = "!", [0x1D53A] = "!",
}
-- The circled numbers from 10 to 50, in three blocks.
local CIRCLED = { { 0x2469, 0x2473, 10 }, { 0x3251, 0x325F, 21 }, { 0x32B1, 0x32BF, 36 } }

--- What a character of a host stands for; "!", which no host has, if it is none
--- that a number could have.
local function plain_character(point)
  if point < 0x80 then
    return string.char(point):lower()
  elseif SPECIAL[point] then
    return SPECIAL[point]
  end
  for _, row in ipairs(CIRCLED) do
    if point >= row[1] and point <= row[2] then
      return tostring(row[3] + point - row[1])
    end
  end
  for _, row in ipairs(LOOKALIKES) do
    if point >= row[1] and point <= row[2] then
      local at = #row[3] > 0 and (point - row[1]) % #row[3] + 1 or 1
      return row[3]:sub(at, at)
    end
  end
  return "!"
end

--- A host without percent escapes, in the ASCII form that numbers have; nil if
--- it is no UTF-8 then.
local function plain_host(host)
  host = host:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end)
  if not host:find("[\x80-\xFF]") then
    return host:lower()
  elseif not utf8.len(host) then
    return nil
  end
  local out = {}
  for _, point in utf8.codes(host) do
    out[#out + 1] = plain_character(point)
  end
  return table.concat(out)
end

--- One part of an IPv4 address: decimal, octal after a 0, hexadecimal after 0x
--- (alone, that is 0). Nil if it is none, or 2^32 or more.
local function part_number(part)
  local base, digits = 10, part
  if part:find("^0x") then
    base, digits = 16, part:sub(3)
  elseif part:find("^0.") then
    base, digits = 8, part:sub(2)
  end
  digits = digits:match("^0*(.*)$")
  if digits == "" then
    return part ~= "" and 0 or nil
  elseif digits:find("[^%x]") or #digits > 11 then
    return nil
  end
  local n = tonumber(digits, base)
  return n and n <= 0xFFFFFFFF and n or nil
end

--- An IPv4 address of one to four parts, of which the last fills the bytes that
--- are left, in the usual form; nil if it is none.
local function ipv4_text(host)
  local parts = {}
  for part in (host:gsub("%.$", "") .. "."):gmatch("([^.]*)%.") do
    local n = #parts < 4 and part_number(part)
    if not n then
      return nil
    end
    parts[#parts + 1] = n
  end
  local address = table.remove(parts)
  if address >= 1 << 8 * (4 - #parts) then
    return nil
  end
  for i, n in ipairs(parts) do
    if n > 255 then
      return nil
    end
    address = address | n << 8 * (4 - i)
  end
  return ("%d.%d.%d.%d"):format(
    address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255)
end

--- The IP address and the port in a text that would follow "http://" in a URL;
--- nil if it is no URL, or its host is a name.
---@param text string
---@return string? address of IPv6 still unchecked
---@return integer? family 4 or 6
---@return integer? port 0 if there is none
function url.endpoint(text)
  local where = authority(text)
  where = where:match("^.*@(.*)$") or where -- without user and password
  local family = where:sub(1, 1) == "[" and 6 or 4
  local host, rest = where:match(family == 6 and "^%[([^%]%%\0]*)%](.*)$" or "^([^:]*)(.*)$")
  local port = host and port_number(rest)
  if port and family == 4 then
    host = plain_host(host)
    host = host and ipv4_text(host)
  end
  if not port or not host then
    return nil
  end
  return host, family, port
end

return url
