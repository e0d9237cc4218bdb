-- SPDX-License-Identifier: MIT

--- net.internal.idna - names in any script, as the name system spells them.
--
-- getaddrinfo knows ASCII; "bücher.example" has to be asked for as
-- "xn--bcher-kva.example" (Punycode, RFC 3492). Of Unicode's preparation
-- (UTS 46) this does what a name typed on a keyboard needs: full-width letters,
-- the CJK full stops, the soft hyphen, and small letters for the capitals of
-- Latin-1, Greek and Cyrillic. The tables for the rest would be larger than all
-- of this library; a name prepared elsewhere passes through unchanged.

local BASE, TMIN, TMAX, SKEW, DAMP = 36, 1, 26, 38, 700
local FIRST_N, FIRST_BIAS = 128, 72
local DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789"
local SOFT_HYPHEN = 0xAD
local FULL_STOPS = { [0x3002] = true, [0xFF0E] = true, [0xFF61] = true }

-- first, last, what to add: capitals to small letters, full-width forms to ASCII.
local MAPPED = {
  { 0x41, 0x5A, 32 }, { 0xC0, 0xD6, 32 }, { 0xD8, 0xDE, 32 },
  { 0x391, 0x3A1, 32 }, { 0x3A3, 0x3AB, 32 }, { 0x400, 0x40F, 80 }, { 0x410, 0x42F, 32 },
  { 0xFF01, 0xFF20, -0xFEE0 }, { 0xFF21, 0xFF3A, 32 - 0xFEE0 }, { 0xFF3B, 0xFF5E, -0xFEE0 },
}

local idna = {}

local function map(point)
  for _, range in ipairs(MAPPED) do
    if point >= range[1] and point <= range[2] then
      return point + range[3]
    end
  end
  return point
end

-- Punycode, with the names of RFC 3492

local function adapt(delta, count, first)
  delta = first and delta // DAMP or delta // 2
  delta = delta + delta // count
  local k = 0
  while delta > (BASE - TMIN) * TMAX // 2 do
    delta = delta // (BASE - TMIN)
    k = k + BASE
  end
  return k + (BASE - TMIN + 1) * delta // (delta + SKEW)
end

--- Appends one delta as digits of a changing weight.
local function put_delta(out, delta, bias)
  local k = BASE
  while true do
    local t = math.max(TMIN, math.min(TMAX, k - bias))
    if delta < t then
      out[#out + 1] = DIGITS:sub(delta + 1, delta + 1)
      return
    end
    local digit = t + (delta - t) % (BASE - t)
    out[#out + 1] = DIGITS:sub(digit + 1, digit + 1)
    delta = (delta - t) // (BASE - t)
    k = k + BASE
  end
end

--- The smallest code point not below 'n'.
local function next_point(points, n)
  local least = math.maxinteger
  for _, point in ipairs(points) do
    if point >= n and point < least then
      least = point
    end
  end
  return least
end

--- The ASCII among the points, in order.
local function basic_points(points)
  local out = {}
  for _, point in ipairs(points) do
    if point < FIRST_N then
      out[#out + 1] = string.char(point)
    end
  end
  return out
end

local function punycode(points)
  local out = basic_points(points)
  local basic = #out
  local n, delta, bias, handled = FIRST_N, 0, FIRST_BIAS, basic
  if basic > 0 then
    out[#out + 1] = "-"
  end
  while handled < #points do
    local m = next_point(points, n)
    delta = delta + (m - n) * (handled + 1)
    n = m
    for _, point in ipairs(points) do
      if point < n then
        delta = delta + 1
      elseif point == n then
        put_delta(out, delta, bias)
        bias = adapt(delta, handled + 1, handled == basic)
        delta, handled = 0, handled + 1
      end
    end
    delta, n = delta + 1, n + 1
  end
  return table.concat(out)
end

-- Names

--- One label, as ASCII.
local function label_text(points)
  for _, point in ipairs(points) do
    if point >= FIRST_N then
      return "xn--" .. punycode(points)
    end
  end
  return table.concat(basic_points(points))
end

--- Splits into labels of mapped code points.
local function labels_of(hostname)
  local labels = { {} }
  for _, point in utf8.codes(hostname) do
    if FULL_STOPS[point] or point == 0x2E then
      labels[#labels + 1] = {}
    elseif point ~= SOFT_HYPHEN then
      local label = labels[#labels]
      label[#label + 1] = map(point)
    end
  end
  return labels
end

--- A host name in ASCII. What is ASCII already, or no UTF-8, stays as it is.
---@param hostname string
---@return string
function idna.to_ascii(hostname)
  if not hostname:find("[\x80-\xFF]") or not utf8.len(hostname) then
    return hostname
  end
  local texts = {}
  for i, label in ipairs(labels_of(hostname)) do
    texts[i] = label_text(label)
  end
  return table.concat(texts, ".")
end

return idna
