-- SPDX-License-Identifier: MIT

--- Lines from another process, and the descriptors among them (src/process/frames.c), by
--- themselves: see support/frames.c.

local core = require("net.core")
local lua = require("spec.support.lua")
local support = require("spec.support")

local frames = lua.module("spec/support/frames.c", "frames")

local promise = frames and it or pending
local within = support.within

local EAGAIN, NO_ROOM = core.errnum("EAGAIN"), -(1 << 20)
local EMSGSIZE = core.errnum("EMSGSIZE")
local SIZE = 65536 -- bytes of a buffer at first
local LINE = 1 << 20 -- bytes of a line that is long, and allowed

--- Runs `fn(f, to, from)`: frames, and the numbers of both ends of a connection to them.
local function connected(fn, max)
  return within(function(t)
    local writing, reading = core.descriptor.pair()
    local f = frames.new(max or LINE)
    t.finally(function()
      f:close()
      writing:close()
      reading:close()
    end)
    fn(f, writing:number(), reading:number(), writing)
  end)
end

--- All lines there are.
local function lines(f)
  local list = {}
  for line in function() return (f:line()) end do
    list[#list + 1] = line
    f:next()
  end
  return list
end

--- A new descriptor, that the spec forgets when it has been sent.
local function spare()
  return core.descriptor.dup(2)
end

--- Sends the bytes with `n` descriptors, which the sender closes.
local function send_with(to, bytes, n)
  local own, numbers = {}, {}
  for i = 1, n do
    own[i] = spare()
    numbers[i] = own[i]:number()
  end
  assert.equal(#bytes, frames.send(to, bytes, numbers))
  for i = 1, n do own[i]:close() end
end

--- How many descriptors the oldest group had; they are closed.
local function take(f)
  local group = f:take()
  for _, number in ipairs(group) do frames.close(number) end
  return #group
end

describe("Frames", function()
  promise("have the lines of a chunk in order, and nothing more", connected(function(f, to, from)
    frames.send(to, "one\n\ntwo\r\n\0\n")
    assert.equal(12, f:read(from))
    assert.same({ "one", "", "two\r", "\0" }, lines(f))
    assert.same({ n = 2, nil, 0 }, table.pack(f:line()))
    assert.is_false(f:amid())
  end))

  promise("tell the same line until it is done with", connected(function(f, to, from)
    frames.send(to, "one\ntwo\n")
    f:read(from)
    assert.equal("one", f:line())
    assert.equal("one", f:line())
    f:next()
    assert.equal("two", f:line())
  end))

  promise("put lines together wherever the chunks were cut", connected(function(f, to, from)
    local text = '{"a":"é"}\n\n"long ' .. ("x"):rep(20) .. '"\n'
    local whole = { '{"a":"é"}', "", '"long ' .. ("x"):rep(20) .. '"' }
    for cut = 1, #text - 1 do
      local got = {}
      for _, part in ipairs({ text:sub(1, cut), text:sub(cut + 1) }) do
        frames.send(to, part)
        f:read(from)
        for _, line in ipairs(lines(f)) do got[#got + 1] = line end
        assert.equal(part:sub(-1) ~= "\n", f:amid())
      end
      assert.same(whole, got)
    end
  end))

  promise("put a line together byte by byte", connected(function(f, to, from)
    local text = ("abc"):rep(30)
    for c in text:gmatch(".") do
      frames.send(to, c)
      f:read(from)
      assert.is_nil((f:line()))
    end
    frames.send(to, "\n")
    f:read(from)
    assert.equal(text, f:line())
  end))

  promise("know of the end, and that there is nothing yet", connected(function(f, to, from, writing)
    assert.equal(EAGAIN, (f:read(from)))
    frames.send(to, "unfinished")
    f:read(from)
    assert.is_true(f:amid())
    writing:close()
    assert.equal(0, (f:read(from)))
    assert.same({ n = 2, nil, 0 }, table.pack(f:line()))
  end))

  promise("say that there may be more behind a full buffer", connected(function(f, to, from)
    frames.send(to, ("x"):rep(99) .. "\n")
    assert.is_false(select(2, f:read(from)))
    assert.equal(1, #lines(f))
    frames.send(to, ("y\n"):rep(SIZE))
    local n, full = f:read(from)
    assert.same({ SIZE, true }, { n, full })
    assert.equal(SIZE // 2, #lines(f))
  end))

  promise("have a buffer of one size whatever comes in short lines", connected(function(f, to, from)
    for _ = 1, 50 do
      frames.send(to, ('"' .. ("z"):rep(997) .. '"\n'):rep(40))
      f:read(from)
      lines(f)
    end
    assert.equal(SIZE, f:state().size)
  end))

  promise("grow for a long line, and give that back behind it", connected(function(f, to, from)
    local text, at = ("x"):rep(LINE), 1
    repeat
      at = at + frames.send(to, text:sub(at, at + SIZE - 1))
      f:read(from)
      assert.same({ n = 2, nil, 0 }, table.pack(f:line()))
    until at > LINE
    assert.is_true(f:state().size > LINE)
    frames.send(to, "\n")
    f:read(from)
    assert.equal(text, f:line())
    f:next()
    assert.is_true(f:state().size <= SIZE)
    frames.send(to, "short\n")
    f:read(from)
    assert.same({ "short" }, lines(f))
  end))
end)

describe("Frames of at most 10 bytes", function()
  promise("have a line of 10", connected(function(f, to, from)
    frames.send(to, "0123456789\n")
    f:read(from)
    assert.equal("0123456789", f:line())
  end, 10))

  for _, text in ipairs({ "0123456789a", "0123456789a\n", "ok\n0123456789a" }) do
    promise(("refuse %q, in whatever chunks it comes"):format(text), connected(function(f, to, from)
      for i = 1, #text do
        frames.send(to, text:sub(i, i))
        f:read(from)
        if text:sub(1, i) == "ok\n" then assert.same({ "ok" }, lines(f)) end
      end
      assert.same({ n = 2, nil, EMSGSIZE }, table.pack(f:line()))
    end, 10))

    promise(("refuse %q in one chunk"):format(text), connected(function(f, to, from)
      frames.send(to, text)
      f:read(from)
      if text:find("^ok") then assert.same({ "ok" }, lines(f)) end
      assert.same({ n = 2, nil, EMSGSIZE }, table.pack(f:line()))
      assert.same({ n = 2, nil, EMSGSIZE }, table.pack(f:line()))
      assert.equal(EMSGSIZE, (f:read(from)))
    end, 10))
  end

  promise("hold no more of an endless one than a read", connected(function(f, to, from)
    local chunk = ("x"):rep(SIZE)
    frames.send(to, chunk)
    f:read(from)
    assert.equal(EMSGSIZE, select(2, f:line()))
    assert.is_true(f:state().size <= SIZE + 10)
  end, 10))

  promise("refuse one that had room when it began", connected(function(f, to, from)
    frames.send(to, "0123456789")
    f:read(from)
    f:limit(5)
    assert.equal(EMSGSIZE, (f:read(from)))
    assert.equal(EMSGSIZE, select(2, f:line()))
  end, 10))
end)

describe("Frames of a line without an end", function()
  promise("never have more than the longest line and a read", connected(function(f, to, from)
    local chunk = ("x"):rep(SIZE)
    repeat
      frames.send(to, chunk)
      f:read(from)
      assert.is_true(f:state().size <= LINE + SIZE)
    until f:line() or select(2, f:line()) ~= 0
    assert.equal(EMSGSIZE, select(2, f:line()))
  end))

  promise("have no room for it where memory is refused, and go on when there is some", connected(function(f, to, from)
    frames.send(to, "a")
    frames.refuse(1)
    assert.equal(NO_ROOM, (f:read(from)))
    assert.equal(1, (f:read(from)))
    local half = ("b"):rep(SIZE // 2 + 1)
    frames.send(to, half)
    f:read(from)
    frames.send(to, "c\n")
    frames.refuse(1)
    assert.equal(NO_ROOM, (f:read(from)))
    assert.equal(2, (f:read(from)))
    assert.same({ "a" .. half .. "c" }, lines(f))
  end))
end)

describe("Descriptors among frames", function()
  promise("are a group for each read that brought some", connected(function(f, to, from)
    send_with(to, "a\n", 1)
    send_with(to, "b\n", 2)
    frames.send(to, "c\n")
    repeat until f:read(from) < 0
    assert.same({ "a", "b", "c" }, lines(f))
    assert.same({ 1, 2, 0, 0 }, { take(f), take(f), take(f), take(f) })
  end))

  promise("come with the chunk in which their bytes begin, which may have others before", connected(
    function(f, to, from)
      frames.send(to, "a\n")
      send_with(to, "b\n", 1)
      frames.send(to, "c\n")
      local n, full = f:read(from)
      assert.same({ 4, true, 1 }, { n, full, f:state().groups })
      assert.same({ "a", "b" }, lines(f))
      assert.equal(1, take(f))
    end))

  promise("wait for a line that ends in a later chunk", connected(function(f, to, from)
    send_with(to, "a", 3)
    f:read(from)
    assert.is_nil((f:line()))
    frames.send(to, "b\n")
    f:read(from)
    assert.equal("ab", f:line())
    assert.equal(3, take(f))
  end))

  promise("wait in two groups at most: a third closes the oldest", connected(function(f, to, from)
    for n = 1, 4 do
      send_with(to, n .. "\n", n)
      f:read(from)
    end
    assert.equal(2, f:state().groups)
    assert.same({ 3, 4, 0 }, { take(f), take(f), take(f) })
  end))

  promise("are 64 of a message at most, and the kernel closes the others", connected(function(f, to, from)
    for n = 63, 66 do
      send_with(to, "x", n)
      f:read(from)
      assert.equal(math.min(n, 64), take(f))
    end
  end))

  promise("are closed when nobody has taken them", connected(function(f, to, from)
    send_with(to, "a", 2)
    f:read(from)
    send_with(to, "b", 5)
    f:read(from)
    f:close() -- `within` looks for what is left
    assert.same({ size = 0, rest = 0, groups = 0 }, f:state())
  end))

  promise("are closed where a line is too long", connected(function(f, to, from)
    send_with(to, ("x"):rep(20), 1)
    f:read(from)
    assert.equal(EMSGSIZE, select(2, f:line()))
  end, 10))

  promise("are close-on-exec", connected(function(f, to, from)
    send_with(to, "x", 1)
    f:read(from)
    local group = f:take()
    local pipe <close> = io.popen("test -e /proc/self/fd/" .. group[1] .. " && echo open")
    assert.equal("", pipe:read("a"))
    frames.close(group[1])
  end))
end)

describe("Frames that are cut anywhere, with descriptors anywhere", function()
  promise("lose no line, and no descriptor #slow", connected(function(f, to, from)
    math.randomseed(14)
    local sent, got = {}, {}
    for round = 1, 2000 do
      local text = {}
      for i = 1, math.random(0, 6) do
        text[i] = ("%d.%d"):format(round, i) .. ("x"):rep(math.random(0, 300))
        sent[#sent + 1] = text[i]
      end
      text = table.concat(text, "\n") .. (text[1] and "\n" or "")
      while #text > 0 do
        local part = text:sub(1, math.random(1, #text))
        text = text:sub(#part + 1)
        if math.random(4) == 1 then
          send_with(to, part, math.random(1, 3))
        else
          frames.send(to, part)
        end
        if math.random(3) > 1 then
          f:read(from)
          for _, line in ipairs(lines(f)) do got[#got + 1] = line end
        end
        if math.random(5) == 1 then take(f) end
      end
    end
    repeat
      for _, line in ipairs(lines(f)) do got[#got + 1] = line end
    until f:read(from) < 0
    assert.same(sent, got)
  end))
end)
