-- SPDX-License-Identifier: MIT

--- The queue of what a stream has read (src/readbuffer.c) by itself: see support/queues.c.

local lua = require("spec.support.lua")

local queues = lua.module("spec/support/queues.c", "queues")

local promise = queues and it or pending

--- A queue that holds the chunks, the first of which has that number.
local function queue_of(chunks, first)
  local q = queues.new(queues.loop(), first)
  for _, chunk in ipairs(chunks) do
    q:append(chunk)
  end
  return q
end

--- All that is left, taken chunk by chunk.
local function rest(q)
  local out = {}
  while q:buffered() > 0 do
    out[#out + 1] = q:take(q:first())
  end
  return out
end

describe("A read buffer", function()
  promise("gives chunks in the order in which they came", function()
    local q = queue_of { "one", "two", "three" }
    assert.same({ 11, 3 }, { q:buffered() })
    assert.equal(3, q:first())
    assert.same({ "one", "two", "three" }, rest(q))
    assert.same({ 0, 0 }, { q:buffered() })
  end)

  promise("gives as many bytes as were asked for, of one chunk or of several", function()
    local q = queue_of { "abcdef", "gh", "ijk" }
    assert.equal("ab", q:take(2))
    assert.equal(4, q:first())
    assert.equal("cd", q:take(2))
    assert.equal("efg", q:take(3))
    assert.same({ 4, 2 }, { q:buffered() })
    assert.equal("hijk", q:take(4))
    assert.same({ 0, 0 }, { q:buffered() })
  end)

  promise("gives what is left of a chunk, without copying the others", function()
    local q = queue_of { "abc", "def" }
    assert.equal("a", q:take(1))
    assert.equal("bc", q:take(q:first()))
    assert.equal("def", q:take(q:first()))
  end)

  promise("takes a chunk back before all others", function()
    local q = queue_of { "two" }
    q:prepend("one")
    q:prepend("zero")
    assert.same({ "zero", "one", "two" }, rest(q))
    q:prepend("again")
    assert.same({ "again" }, rest(q))
  end)

  promise("takes a chunk back before one of which a part is gone", function()
    local q = queue_of { "abcdef", "gh" }
    assert.equal("ab", q:take(2))
    q:prepend("AB")
    assert.same({ 8, 3 }, { q:buffered() })
    assert.equal("ABc", q:take(3))
    assert.same({ "def", "gh" }, rest(q))
  end)

  promise("shows all as one chunk, and keeps it", function()
    local q = queue_of { "abc", "def" }
    q:take(1)
    assert.equal("bcdef", q:peek())
    assert.same({ "bc", "def" }, rest(q))
  end)

  promise("is replaced by one chunk", function()
    local q = queue_of { "abc", "def", "ghi" }
    q:take(1)
    q:replace("XYZZY")
    assert.same({ 5, 1 }, { q:buffered() })
    assert.equal(1, q:chunks())
    q:append("more")
    assert.same({ "XYZZY", "more" }, rest(q))
  end)

  promise("is empty when it was replaced by nothing", function()
    local q = queue_of { "abc", "def" }
    q:take(1)
    q:replace("")
    assert.same({ 0, 0 }, { q:buffered() })
    assert.equal(0, q:chunks())
    q:append("on")
    assert.same({ "on" }, rest(q))
  end)

  promise("can be replaced when it is empty", function()
    local q = queue_of {}
    q:replace("one")
    q:append("two")
    assert.same({ "one", "two" }, rest(q))
    q:replace("")
    assert.same({ 0, 0 }, { q:buffered() })
  end)

  promise("keeps no chunk that was taken", function()
    local q = queue_of {}
    for i = 1, 1000 do
      q:append("chunk " .. i)
      q:append("another")
      q:take(q:first())
      q:take(3)
      q:prepend("x")
      q:take(1 + q:first())
      q:take(q:buffered())
    end
    assert.equal(0, q:chunks())
  end)

  promise("forgets all, and begins anew", function()
    local q = queue_of { "abc", "def" }
    q:take(2)
    q:reset()
    assert.same({ 0, 0 }, { q:buffered() })
    q:append("new")
    assert.same({ "new" }, rest(q))
  end)

  promise("holds chunks across the wrap of their numbers", function()
    for _, first in ipairs { 0xFFFFFFFE, 0x7FFFFFFE, 0 } do
      local q = queue_of({ "a", "b", "c", "d" }, first)
      q:prepend("0")
      assert.equal("0abcd", q:peek())
      assert.equal("0abc", q:take(4))
      q:prepend("xy")
      assert.same({ "xy", "d" }, rest(q))
      q = queue_of({ "a", "b", "c", "d" }, first)
      q:take(1)
      q:replace("e")
      assert.equal(1, q:chunks())
      assert.same({ "e" }, rest(q))
    end
  end)
end)

describe("A read buffer and a string", function()
  local function some(length)
    return string.rep(string.char(math.random(97, 122)), length)
  end

  --- What is done to both, the string being what the buffer should hold.
  local OPERATIONS = {
    function(q, text)
      local chunk = some(math.random(9))
      q:append(chunk)
      return text .. chunk
    end,
    function(q, text)
      local chunk = some(math.random(4))
      q:prepend(chunk)
      return chunk .. text
    end,
    function(q, text, what)
      local n = math.random(math.max(1, math.min(#text, 20)))
      if #text > 0 then
        assert.equal(text:sub(1, n), q:take(n), what)
        return text:sub(n + 1)
      end
      return text
    end,
    function(q, text, what)
      if #text > 0 then
        local chunk = q:take(q:first())
        assert.equal(text:sub(1, #chunk), chunk, what)
        return text:sub(#chunk + 1)
      end
      return text
    end,
    function(q, text, what)
      if #text > 0 then
        assert.equal(text, q:peek(), what)
      end
      return text
    end,
    function(q, text)
      if math.random(6) > 1 then
        return text
      end
      local new = math.random(2) == 1 and "" or some(math.random(9))
      q:replace(new)
      return new
    end,
  }

  promise("hold the same after random operations", function()
    for seed = 1, 300 do
      math.randomseed(seed)
      local q, text = queue_of({}, ({ 1, 0xFFFFFFF0, 0x7FFFFFF0 })[math.random(3)]), ""
      for step = 1, 150 do
        local what = ("seed %d, step %d"):format(seed, step)
        text = OPERATIONS[math.random(#OPERATIONS)](q, text, what)
        local bytes, chunks = q:buffered()
        assert.equal(#text, bytes, what)
        assert.equal(chunks, q:chunks(), what)
      end
      assert.equal(text, table.concat(rest(q)), "seed " .. seed)
    end
  end)
end)
