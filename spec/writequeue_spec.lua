-- SPDX-License-Identifier: MIT

--- The queue of what a stream is to send (src/writequeue.c) by itself: see support/queues.c.

local lua = require("spec.support.lua")

local queues = lua.module("spec/support/queues.c", "queues")

local promise = queues and it or pending

local EAGAIN, EPIPE = 11, 32
local MASK = 0xFFFFFFFF
local BATCH_MAX, IOV_MAX = 2048, 64

if queues then -- their numbers differ between systems
  local q = queues.new(queues.loop())
  q:push("x")
  EAGAIN = q:send()
end

--- A new queue with the pieces, of strings.
local function queue_of(pieces, first)
  local q = queues.new(queues.loop(), first)
  for _, piece in ipairs(pieces) do
    q:push(piece)
  end
  return q
end

--- Has no earlier spec's pieces closed from here on.
local function forget()
  collectgarbage()
  collectgarbage()
  return queues and queues.closed()
end

describe("A write queue", function()
  promise("sends its strings in order, in one call", function()
    local q = queue_of { "one ", "two ", "three" }
    q:allow(100)
    assert.equal(0, q:send())
    local taken, calls = q:taken()
    assert.equal("one two three", taken)
    assert.same({ sends = 0, writevs = 1, followed = 0, widest = 3 }, calls)
    assert.equal(q:state().tail, q:state().head)
    assert.equal(0, q:slots())
  end)

  promise("goes on where the transport was full", function()
    local q = queue_of { "abc", "def", "ghi" }
    q:allow(4)
    assert.equal(EAGAIN, q:send())
    assert.same({ 1, 2 }, { q:state().off, q:state().head })
    q:allow(0)
    assert.equal(EAGAIN, q:send())
    q:allow(2)
    assert.equal(EAGAIN, q:send())
    assert.same({ 0, 3 }, { q:state().off, q:state().head })
    q:allow(100)
    assert.equal(0, q:send())
    assert.equal("abcdefghi", (q:taken()))
  end)

  promise("says what the transport failed with, and keeps what was not taken", function()
    local q = queue_of { "abc", "def" }
    q:allow(4, EPIPE)
    assert.equal(EAGAIN, q:send())
    assert.equal(EPIPE, q:send())
    assert.same({ 1, 2 }, { q:state().off, q:state().head })
    assert.equal("abcd", (q:taken()))
    assert.equal(3, q:drop(q:state().tail))
  end)

  promise("sends no further than it is told", function()
    local q = queue_of { "abc", "def", "ghi" }
    q:allow(100)
    assert.equal(0, q:send(3))
    assert.equal("abcdef", (q:taken()))
    assert.equal(0, q:send(3))
    assert.equal(0, q:send())
    assert.equal("ghi", (q:taken()))
  end)

  promise("sends what is more than one call takes in several", function()
    local pieces = {}
    for i = 1, 3 * IOV_MAX + 1 do
      pieces[i] = ("<%d>"):format(i)
    end
    local q = queue_of(pieces)
    q:allow(10000)
    assert.equal(0, q:send())
    local taken, calls = q:taken()
    assert.equal(table.concat(pieces), taken)
    assert.same({ 4, IOV_MAX }, { calls.writevs, calls.widest })
  end)

  promise("is done with empty strings without the transport", function()
    local q = queue_of { "", "" }
    assert.equal(0, q:send())
    assert.equal(0, select(2, q:taken()).writevs)
    q:push("")
    q:push("x")
    q:push("")
    q:allow(1)
    assert.equal(0, q:send())
    assert.equal(q:state().tail, q:state().head)
  end)

  promise("tells the bytes of all, and of the first, sent in part or not", function()
    local q = queue_of { "abc", "de" }
    assert.same({ 5, 3 }, { q:bytes() })
    q:allow(1)
    q:send()
    assert.same({ 5, 3 }, { q:bytes() })
    q:push(queues.piece("fghi"))
    assert.same({ 9, 3 }, { q:bytes() })
  end)

  promise("gives each callback once, in order, and none where there is none", function()
    local q = queue_of {}
    local function one() end
    local function two() end
    q:push("a", one)
    q:push("b")
    q:push("c", two)
    assert.equal(2, q:state().callbacks)
    q:allow(10)
    q:send()
    assert.equal(one, q:take_callback())
    assert.is_nil(q:take_callback())
    assert.equal(two, q:take_callback())
    assert.same({ 0, 4 }, { q:state().callbacks, q:state().done })
    assert.equal(0, q:slots())
  end)

  promise("keeps the callbacks of what it drops", function()
    local q = queue_of {}
    local function told() end
    q:push("abc", told)
    q:push("de")
    q:push("f")
    q:allow(1)
    q:send()
    assert.equal(5, q:drop(3))
    assert.same({ 0, 3 }, { q:state().off, q:state().head })
    assert.equal(told, q:take_callback())
    q:allow(10)
    assert.equal(0, q:send())
    assert.equal("af", (q:taken()))
  end)

  promise("forgets all, but not its numbers", function()
    forget()
    local q = queue_of { "abc", "de" }
    q:push(queues.piece("f"), print)
    q:allow(1)
    q:send()
    q:clear()
    assert.same({ off = 0, done = 4, head = 4, tail = 4, callbacks = 0, objects = 0, batched = 0 }, q:state())
    assert.same({ 1, 0 }, { queues.closed(), q:slots() })
    q:taken()
    q:push("new")
    q:allow(10)
    assert.equal(0, q:send())
    assert.equal("new", (q:taken()))
  end)

  promise("counts across the wrap of its numbers", function()
    for _, first in ipairs { MASK - 1, 0x7FFFFFFE, 0 } do
      local q = queue_of({ "abc" }, first)
      local function told() end
      q:push("def")
      q:push("ghi", told)
      q:push("jkl")
      q:allow(4)
      assert.equal(EAGAIN, q:send())
      q:push("mno")
      assert.equal(6, q:drop((first + 3) & MASK))
      q:allow(100)
      assert.equal(0, q:send())
      assert.equal("abcdjklmno", (q:taken()))
      assert.same({}, { q:take_callback(), q:take_callback() })
      assert.equal(told, q:take_callback())
      assert.equal((first + 5) & MASK, q:state().tail)
    end
  end)

  promise("needs no more room the longer it is busy", function()
    local q = queue_of { "first" }
    q:allow(1)
    q:send()
    for i = 1, 1000 do
      q:push("piece " .. i)
      q:allow(#"piece " + #tostring(i))
      q:send()
      q:take_callback()
    end
    assert.is_true(q:slots() <= 2)
  end)
end)

describe("A write queue's objects", function()
  before_each(forget)

  promise("go in their turn, with what stands before them announced as followed", function()
    local q = queue_of { "head " }
    q:push(queues.piece("body"))
    q:push(" tail")
    q:allow(100)
    assert.equal(0, q:send())
    local taken, calls = q:taken()
    assert.equal("head body tail", taken)
    assert.same({ sends = 1, writevs = 2, followed = 1, widest = 1 }, calls)
    assert.same({ 1, 0 }, { queues.closed(), q:state().objects })
  end)

  promise("go on where the transport was full, and are closed when all went", function()
    local q = queue_of {}
    q:push(queues.piece("abcdef"))
    q:push("g")
    q:allow(4)
    assert.equal(EAGAIN, q:send())
    assert.same({ 4, 0 }, { q:state().off, queues.closed() })
    q:allow(10)
    assert.equal(0, q:send())
    assert.same({ "abcdefg", 1 }, { (q:taken()), queues.closed() })
  end)

  promise("fail with what the transport fails with", function()
    local q = queue_of {}
    q:push(queues.piece("abc"))
    q:allow(0, EPIPE)
    assert.equal(EPIPE, q:send())
    assert.equal(3, q:drop(2))
    assert.equal(1, queues.closed())
  end)

  promise("are closed once when nobody sends them", function()
    collectgarbage() -- what other specs have left
    collectgarbage()
    queues.closed()
    local q = queue_of {}
    q:push(queues.piece("abc"))
    q = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(1, queues.closed())
  end)
end)

describe("A write queue's batch", function()
  promise("takes small pieces, and sends them in one call", function()
    local q = queue_of {}
    for _, piece in ipairs { "a", "bc", "def" } do
      assert.is_true(q:push_bytes(piece))
    end
    assert.same({ 3, 0 }, { q:state().batched, q:slots() })
    assert.same({ 6, 1 }, { q:bytes() })
    q:allow(10)
    assert.equal(0, q:send())
    local taken, calls = q:taken()
    assert.equal("abcdef", taken)
    assert.same({ sends = 1, writevs = 0, followed = 0, widest = 0 }, calls)
    assert.equal(0, q:state().batched)
  end)

  promise("goes on where the transport was full", function()
    local q = queue_of {}
    for _, piece in ipairs { "abc", "de", "fgh" } do q:push_bytes(piece) end
    for _, step in ipairs { { 1, 1, 1 }, { 2, 2, 0 }, { 3, 3, 1 } } do
      q:allow(step[1])
      assert.equal(EAGAIN, q:send())
      assert.same({ step[2], step[3] }, { q:state().head, q:state().off })
    end
    q:allow(0, EPIPE)
    assert.equal(EPIPE, q:send())
    q:allow(10)
    assert.equal(0, q:send())
    assert.equal("abcdefgh", (q:taken()))
  end)

  promise("moves to the table, what was sent in part too, when another kind of piece comes", function()
    for taken = 0, 7 do
      local q = queue_of {}
      for _, piece in ipairs { "abc", "de", "fgh" } do q:push_bytes(piece) end
      q:allow(taken)
      assert.equal(EAGAIN, q:send())
      q:push("ijk", print)
      assert.equal(0, q:state().batched)
      assert.is_false(q:push_bytes("lmn"))
      q:push(queues.piece("lmn"))
      q:allow(100)
      assert.equal(0, q:send())
      assert.equal("abcdefghijklmn", (q:taken()))
      for _ = 1, 3 do assert.is_nil(q:take_callback()) end
      assert.equal(print, q:take_callback())
      assert.equal(0, q:slots())
    end
  end)

  promise("moves to the table on request, and is dropped from there", function()
    local q = queue_of {}
    q:push_bytes("abc")
    q:push_bytes("de")
    q:prepare()
    assert.same({ 0, 2 }, { q:state().batched, q:slots() })
    assert.equal(5, q:drop(3))
    q:take_callback()
    q:take_callback()
    assert.is_true(q:push_bytes("f"))
    assert.is_true(q:push_bytes("g"))
    assert.equal(1, q:drop(4))
    q:allow(10)
    assert.equal(0, q:send())
    assert.equal("g", (q:taken()))
  end)

  promise("does not take what is large, nor what comes behind the table's", function()
    local q = queue_of {}
    assert.is_false(q:push_bytes(("x"):rep(BATCH_MAX + 1)))
    assert.is_true(q:push_bytes(("x"):rep(BATCH_MAX)))
    q:clear()
    q:push("x")
    assert.is_false(q:push_bytes("y"))
    q:allow(1)
    q:send()
    assert.is_false(q:push_bytes("y")) -- the first one is not called back yet
    q:take_callback()
    assert.is_true(q:push_bytes("y"))
  end)

  promise("is full when its bytes or its pieces are, until all have left", function()
    for _, size in ipairs { 1, BATCH_MAX } do
      local q, count = queue_of {}, 0
      while q:push_bytes(("x"):rep(size)) do count = count + 1 end
      assert.equal(size == 1 and 4096 or 32, count)
      q:allow(count * size)
      assert.equal(0, q:send())
      assert.equal(count * size, #q:taken())
      q:clear()
      assert.is_true(q:push_bytes("x"))
    end
  end)

  promise("is shared: who finds another's pieces behind his own moves to the table", function()
    local loop = queues.loop()
    local p, q = queues.new(loop), queues.new(loop)
    assert.is_true(p:push_bytes("p1 "))
    assert.is_true(q:push_bytes("q1 "))
    assert.is_false(p:push_bytes("p2 "))
    p:push("p2 ")
    assert.is_true(q:push_bytes("q2 "))
    p:allow(100)
    q:allow(100)
    p:send()
    q:send()
    assert.same({ "p1 p2 ", "q1 q2 " }, { (p:taken()), (q:taken()) })
  end)
end)

describe("Write queues and a plain list", function()
  --- What a queue should hold: pieces {text, callback}, and how many are sent and done.
  local function model_of(q, first)
    return { q = q, first = first, pieces = {}, sent = 0, done = 0, off = 0, taken = {} }
  end

  local function some()
    return string.rep(string.char(math.random(97, 122)), math.random(0, 12))
  end

  local function number(m, n) return (m.first + n) & MASK end

  --- The transport took what `taken` is; it must be what comes next.
  local function check_taken(m, what)
    local left, head = m.q:taken(), m.q:state().head
    while left ~= "" or number(m, m.sent) ~= head do
      local text = m.pieces[m.sent + 1].text:sub(m.off + 1)
      local part = text:sub(1, #left)
      assert.equal(part, left:sub(1, #part), what)
      left, m.off = left:sub(#part + 1), m.off + #part
      if part == text then
        m.sent, m.off = m.sent + 1, 0
      end
    end
  end

  local OPERATIONS = {
    function(m)
      local text, callback = some(), math.random(2) == 1 and function() end or nil
      local is_object = math.random(4) == 1
      text = is_object and text .. "o" or text -- none is empty
      m.q:push(is_object and queues.piece(text) or text, callback)
      m.pieces[#m.pieces + 1] = { text = text, callback = callback }
    end,
    function(m)
      local text = some() .. "b"
      if m.q:push_bytes(text) then
        m.pieces[#m.pieces + 1] = { text = text }
      end
    end,
    function(m, what)
      local end_ = m.q:state().batched > 0 and #m.pieces or math.random(m.sent, #m.pieces)
      m.q:allow(math.random(0, 40), math.random(3) == 1 and EPIPE or 0)
      local answer = m.q:send(number(m, end_))
      check_taken(m, what)
      assert.equal(answer == 0, m.sent == end_, what)
    end,
    function(m, what)
      if m.done < m.sent then
        m.done = m.done + 1
        assert.equal(m.pieces[m.done].callback, m.q:take_callback(), what)
      end
    end,
    function(m, what)
      local end_ = math.random(m.sent, #m.pieces)
      if math.random(8) == 1 and end_ > m.sent then
        local bytes = 0
        for i = m.sent + 1, end_ do bytes = bytes + #m.pieces[i].text end
        assert.equal(bytes, m.q:drop(number(m, end_)), what)
        m.sent, m.off = end_, 0
      end
    end,
    function(m, what)
      if m.sent < #m.pieces then
        local bytes = 0
        for i = m.sent + 1, #m.pieces do bytes = bytes + #m.pieces[i].text end
        local all, first = m.q:bytes()
        assert.same({ bytes, #m.pieces[m.sent + 1].text }, { all, first }, what)
      end
    end,
    function(m)
      m.q:prepare()
    end,
    function(m)
      if math.random(20) == 1 then
        m.q:clear()
        m.sent, m.done, m.off = #m.pieces, #m.pieces, 0
      end
    end,
  }

  local function check_state(m, what)
    local state, callbacks = m.q:state(), 0
    for i = m.done + 1, #m.pieces do
      callbacks = callbacks + (m.pieces[i].callback and 1 or 0)
    end
    assert.same({ number(m, m.sent), number(m, #m.pieces), m.off, callbacks },
      { state.head, state.tail, state.off, state.callbacks }, what)
  end

  promise("hold the same after random operations", function()
    for seed = 1, 300 do
      math.randomseed(seed)
      local loop, models = queues.loop(), {}
      for i = 1, 2 do
        local first = ({ 1, MASK - 20, 0x7FFFFFF0 })[math.random(3)]
        models[i] = model_of(queues.new(loop, first), first)
      end
      for step = 1, 150 do
        local m, what = models[math.random(2)], ("seed %d, step %d"):format(seed, step)
        OPERATIONS[math.random(#OPERATIONS)](m, what)
        check_state(m, what)
      end
    end
  end)
end)
