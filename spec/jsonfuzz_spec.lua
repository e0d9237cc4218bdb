-- SPDX-License-Identifier: MIT

--- core.json meets random values and texts, most of them broken. What it says of a text is
--- compared with net.json, the reader written in Lua, what it writes with what it reads.
---
--- NET_JSON_FUZZ is how many of them, NET_JSON_SEED where they begin.

require("net")
local core = require("net.core")
local read = require("net.internal.json").read
local jsonrandom = require("spec.support.jsonrandom")

local ROUNDS = tonumber(os.getenv("NET_JSON_FUZZ")) or 4000
local SEED = tonumber(os.getenv("NET_JSON_SEED")) or 1

local encode, decode, null = core.json.encode, core.json.decode, core.json.null

--- Whether two values are the same, NaN and all; where they are not, an error.
local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b or a ~= a and b ~= b
  end
  for key, value in pairs(a) do
    if not same(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

--- What comes back of a value: null as a field's value is nothing, and what is no number
--- is null, which is written for it.
local function expected(value, in_object)
  if value == null or value ~= value or value == math.huge or value == -math.huge then
    return not in_object and null or nil
  elseif type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, field in pairs(value) do
    copy[key] = expected(field, type(key) == "string")
  end
  return copy
end

describe("core.json", function()
  it("reads back what it writes #slow", function()
    local random = jsonrandom.new(SEED)
    for i = 1, ROUNDS do
      local value = random:value(4, null)
      local text = encode(value)
      assert(same(expected(value), decode(text)), ("round %d: %s"):format(i, text))
      assert(same(expected(value), decode(encode(value, true), true)), ("round %d, binary: %s"):format(i, text))
    end
  end)

  it("judges random texts as net.json does, in the same words #slow", function()
    local random = jsonrandom.new(SEED)
    local taken = 0
    for i = 1, ROUNDS do
      local text = random:text()
      text = i % 4 == 0 and text or random:mutated(text)
      local value, problem = decode(text)
      local ok, e = pcall(read, text)
      if ok ~= (problem == nil) or not ok and e.message ~= problem then
        error(("round %d: %q: %s, not %s"):format(i, text, problem or "taken", ok and "taken" or e.message))
      end
      if ok then
        taken = taken + 1
        local again = encode(value)
        assert(same(expected(value), decode(again)), ("round %d: %q"):format(i, text))
      end
      local _, binary_problem = decode(text, true)
      assert.equal(problem, binary_problem)
    end
    assert.is_true(taken > ROUNDS / 4 and taken < ROUNDS)
  end)

  it("refuses bytes that are no text of a value, at random #slow", function()
    local random = jsonrandom.new(SEED)
    for i = 1, ROUNDS do
      local bytes = {}
      for at = 1, random:below(12) do
        bytes[at] = string.char(random:below(256) - 1)
      end
      local s = table.concat(bytes)
      local ok, text = pcall(encode, { s })
      assert.equal(utf8.len(s) ~= nil, ok)
      assert.equal(s, decode(encode({ s }, true), true)[1])
      if ok then
        assert.equal(s, decode(text)[1], ("round %d: %q"):format(i, s))
      end
      decode(s)
    end
  end)
end)
