-- SPDX-License-Identifier: MIT

--- A BlockList's rules looked at one by one, for rules_spec.lua to compare with; and random ones.
---
--- An address is { 4 or 6, high, low, text }, its numbers the halves of its IPv6 form, unsigned. A rule
--- is { kind =, first =, prefix =, last = }, its kind "Address", "Subnet" or "Range". Rules are a list
--- of them in the order of adding.

local model = {}

local V4_PREFIX = 0xFFFF00000000

local function is_v4(a)
  return a[2] == 0 and a[3] & ~0xFFFFFFFF == V4_PREFIX
end

--- -1, 0 or 1; nil for what cannot be compared.
local function compare(a, b)
  if a[1] ~= b[1] and not (is_v4(a) and is_v4(b)) then
    return nil
  end
  for i = 2, 3 do
    if a[i] ~= b[i] then
      return math.ult(a[i], b[i]) and -1 or 1
    end
  end
  return 0
end

local function same_bits(a, b, count)
  local high = count >= 64 and -1 or count == 0 and 0 or -1 << (64 - count)
  local low = count <= 64 and 0 or -1 << (128 - count)
  return (a[2] ~ b[2]) & high == 0 and (a[3] ~ b[3]) & low == 0
end

local HOLDS = {
  Address = function(rule, a)
    return a[2] == rule.first[2] and a[3] == rule.first[3]
  end,
  Subnet = function(rule, a)
    return same_bits(a, rule.first, rule.prefix + (rule.first[1] == 4 and 96 or 0))
  end,
  Range = function(rule, a)
    local first, last = compare(a, rule.first), compare(a, rule.last)
    return first ~= nil and last ~= nil and first >= 0 and last <= 0
  end,
}

--- Whether a rule holds the address.
function model.check(rules, a)
  for _, rule in ipairs(rules) do
    if HOLDS[rule.kind](rule, a) then
      return true
    end
  end
  return false
end

local function text_of(rule)
  local family = rule.first[1] == 4 and "IPv4 " or "IPv6 "
  local rest = rule.prefix and "/" .. rule.prefix or rule.last and "-" .. rule.last[4] or ""
  return rule.kind .. ": " .. family .. rule.first[4] .. rest
end

--- The place of the newest equal rule.
local function find(rules, rule)
  for i = #rules, 1, -1 do
    local is_same = text_of(rules[i]) == text_of(rule)
    if is_same or (rule.kind == "Address" and rules[i].kind == "Address" and HOLDS.Address(rule, rules[i].first)) then
      return i
    end
  end
end

--- Of equal addresses the last one stays.
function model.add(rules, rule)
  local at = rule.kind == "Address" and find(rules, rule)
  rules[at or #rules + 1] = rule
end

--- Removes the newest rule that is the same.
function model.remove(rules, rule)
  local at = find(rules, rule)
  if at then
    table.remove(rules, at)
  end
end

--- What `list.rules` has to be.
function model.texts(rules)
  local texts = {}
  for _, kind in ipairs({ "Address", "Subnet", "Range" }) do
    for i = #rules, 1, -1 do
      if rules[i].kind == kind then
        texts[#texts + 1] = text_of(rules[i])
      end
    end
  end
  return texts
end

--- A random address among few, near to each other, with the text that the library shows of it.
function model.address()
  local family, high, low = math.random(2) * 2 + 2, 0, math.random(0, 3) << 8 | math.random(0, 15)
  family = family == 4 and 4 or 6
  if family == 4 or math.random(3) == 1 then
    low = V4_PREFIX | 0x0A000000 | low
  else
    high = math.random(3) == 1 and -1 or 0x20010DB8 << 32
  end
  local bytes = ("%d.%d.%d.%d"):format(low >> 24 & 255, low >> 16 & 255, low >> 8 & 255, low & 255)
  local text = family == 4 and bytes or high == 0 and "::ffff:" .. bytes
    or high == -1 and ("ffff:ffff:ffff:ffff::%x"):format(low) or ("2001:db8::%x"):format(low)
  if low == 0 and high ~= 0 then
    text = text:gsub("::0$", "::")
  end
  return { family, high, low, text }
end

--- A random rule.
function model.rule()
  local kind = ({ "Address", "Subnet", "Range" })[math.random(3)]
  local rule = { kind = kind, first = model.address() }
  if kind == "Subnet" then
    local longest = rule.first[1] == 4 and 32 or 128
    rule.prefix = math.random(4) == 1 and math.random(0, longest) or longest - math.random(0, 9)
  elseif kind == "Range" then
    rule.last = model.address()
    if compare(rule.first, rule.last) == 1 then
      rule.first, rule.last = rule.last, rule.first
    end
  end
  return rule
end

return model
