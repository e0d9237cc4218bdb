-- SPDX-License-Identifier: MIT

--- Small writes of a turn leave together, as bytes that lie side by side (batch.h),
--- while nothing else comes in between. Whatever does, nothing of it shows.

local timers = require("net.timers")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local pair, wait = sockets.pair, sockets.wait

--- Collects what arrives at `socket`.
local function listen(socket)
  local got = {}
  socket:on("data", function(chunk) got[#got + 1] = chunk end)
  return got
end

--- Runs `fn` where small writes wait for the turn's end: in a callback, on sockets
--- that are read.
local function in_a_turn(fn)
  local over = false
  timers.setImmediate(function()
    fn()
    over = true
  end)
  wait(function() return over end)
end

--- Connected pairs: each {client, peer, got}, both of which flow.
local function pairs_of(count, options)
  local list = {}
  for i = 1, count do
    local client, peer = pair(options)
    client:resume()
    list[i] = { client = client, peer = peer, got = listen(peer), sent = {} }
  end
  for _, p in ipairs(list) do
    wait(function() return p.client.readableFlowing end)
  end
  return list
end

local function finish(t, list)
  for _, p in ipairs(list) do p.client:finish() end
  t.run()
  for i, p in ipairs(list) do
    assert.equal(table.concat(p.sent), table.concat(p.got), "pair " .. i)
    assert.equal(#table.concat(p.sent), p.client.bytesWritten)
  end
end

--- A piece that is like no other.
local number = 0
local function piece(size)
  number = number + 1
  return (("%d;"):format(number)):rep(size):sub(1, size)
end

local function write(p, size, callback)
  local chunk = piece(size)
  p.sent[#p.sent + 1] = chunk
  return p.client:write(chunk, callback)
end

local SIZES = { 1, 2, 3, 64, 700, 2047, 2048, 2049, 4000, 16383, 16384, 20000 }

describe("small writes of a turn", function()
  for _, unix in ipairs({ false, true }) do
    local kind = unix and "a Unix socket" or "TCP"

    it("arrive in order, each size beside each, on " .. kind, within(function(t)
      local list = pairs_of(1, { unix = unix })
      for _, first in ipairs(SIZES) do
        for _, second in ipairs(SIZES) do
          in_a_turn(function()
            write(list[1], first)
            write(list[1], second)
            write(list[1], 5)
          end)
        end
      end
      finish(t, list)
    end))

    it("arrive in order with those of other sockets in between, on " .. kind, within(function(t)
      local list = pairs_of(3, { unix = unix })
      for round = 1, 40 do
        in_a_turn(function()
          for i = 1, 12 do
            write(list[(i * round) % 3 + 1], SIZES[(i + round) % 6 + 1])
          end
        end)
      end
      finish(t, list)
    end))

    it("that the kernel refuses are buffered piece by piece, on " .. kind, within(function(t)
      local list = pairs_of(1, { unix = unix })
      local p = list[1]
      local refused
      p.peer:pause()
      repeat
        in_a_turn(function()
          for _ = 1, 7 do write(p, 1000) end
        end)
        refused = p.client.writableLength
      until refused > 0
      assert.equal(0, refused % 1000)
      assert.is_true(refused <= 7000)
      in_a_turn(function()
        write(p, 1000)
        assert.equal(refused + 1000, p.client.writableLength)
      end)
      p.peer:resume()
      finish(t, list)
    end))
  end

  it("are followed by one with a callback, a corked one, an empty one, a large one", within(function(t)
    local list = pairs_of(1)
    local p, called = list[1], 0
    local function callback() called = called + 1 end
    local after = {
      function() write(p, 10, callback) end,
      function()
        p.client:cork()
        write(p, 10)
        write(p, 11)
        p.client:uncork()
      end,
      function() p.client:write("") end,
      function() write(p, 100000) end,
    }
    for _, other in ipairs(after) do
      in_a_turn(function()
        write(p, 10)
        write(p, 20)
        other()
        write(p, 30)
      end)
    end
    finish(t, list)
    assert.equal(1, called)
  end))

  it("leave without what is corked behind them, which counts as buffered", within(function(t)
    local list = pairs_of(1)
    local p = list[1]
    in_a_turn(function()
      write(p, 10)
      p.client:cork()
      write(p, 20)
    end)
    wait(function() return #table.concat(p.got) >= 10 end)
    assert.same({ p.sent[1], 20 }, { table.concat(p.got), p.client.writableLength })
    p.client:uncork()
    assert.equal(0, p.client.writableLength)
    finish(t, list)
    assert.is_true(p.client.writableFinished)
  end))

  it("may be more than there is room for: many sockets", within(function(t)
    local list = pairs_of(60)
    in_a_turn(function()
      for _, p in ipairs(list) do
        for _ = 1, 3 do write(p, 1500) end
      end
    end)
    finish(t, list)
  end))

  it("may be more than there is room for: many pieces", within(function(t)
    local list = pairs_of(2)
    in_a_turn(function()
      for i = 1, 10000 do write(list[i % 2 + 1], 1) end
      for _ = 1, 5000 do write(list[1], 1) end
    end)
    finish(t, list)
  end))

  it("leave before finish(), also within the turn", within(function(t)
    local list = pairs_of(2)
    in_a_turn(function()
      for _, p in ipairs(list) do
        write(p, 10)
        write(p, 20)
      end
      list[1].client:finish()
      list[2].sent[3] = "last"
      list[2].client:finish("last")
    end)
    finish(t, list)
  end))

  it("leave before destroy(), and so does what other sockets wrote", within(function(t)
    local list = pairs_of(3)
    in_a_turn(function()
      for _, p in ipairs(list) do
        write(p, 10)
        write(p, 20)
      end
      list[2].client:destroy()
    end)
    finish(t, list)
  end))

  it("after the peer's reset end in 'error', not elsewhere", within(function(t)
    local list = pairs_of(2)
    local code
    list[1].client:on("error", function(err) code = err.code end)
    list[1].peer:resetAndDestroy()
    in_a_turn(function()
      list[1].client:write("a")
      list[1].client:write("b")
      write(list[2], 100)
    end)
    wait(function() return list[1].client.closed end)
    assert.equal("ECONNRESET", code)
    finish(t, { list[2] })
  end))

  it("to a peer that has just closed are one to the kernel, and succeed", within(function(t)
    local p = pairs_of(1, { client = { allowHalfOpen = true } })[1]
    local seen = {}
    local function note(name)
      return function(err) seen[#seen + 1] = name .. " " .. tostring(err and err.code) end
    end
    p.client:on("end", note("end")):on("error", note("error"))
    in_a_turn(function()
      p.peer:destroy()
      p.client:write("a", note("first"))
      p.client:write("b", note("second"))
    end)
    wait(function() return p.client.readableEnded end)
    p.client:write("c", note("third"))
    t.run()
    assert.same({ "first nil", "second nil", "end nil", "third EPIPE", "error EPIPE" }, seen)
    assert.is_true(p.client.closed)
  end))

  it("by finalizers too arrive once, and whole", within(function(t)
    local list = pairs_of(2)
    local _ <close> = setmetatable({}, { __close = function()
      collectgarbage("incremental", 200, 100)
    end })
    collectgarbage("incremental", 100, 1000)
    local count, made, over = { 0, 0 }, 0, false
    local function frame(i, size)
      if over then
        return
      end
      count[i] = count[i] + 1
      list[i].client:write(("<%s>"):format(("x"):rep(size)))
    end
    for _ = 1, 300 do
      in_a_turn(function()
        for _ = 1, 6 do
          made = made + 1
          local i = made % 2 + 1
          setmetatable({}, { __gc = function() frame(i, 30) end })
          frame(i, 600)
          if made % 7 == 0 then
            frame(i, 5000)
          end
        end
      end)
    end
    over = true
    for i = 1, 2 do list[i].client:finish() end
    t.run()
    for i = 1, 2 do
      local frames = 0
      local rest = table.concat(list[i].got):gsub("<(x+)>", function(body)
        frames = frames + 1
        assert.is_true(#body == 30 or #body == 600 or #body == 5000)
        return ""
      end)
      assert.same({ "", count[i] }, { rest, frames })
    end
  end))
end)

--- Has a finalizer call `fn` amid the next request for memory.
local function at_next_request(fn)
  collectgarbage()
  collectgarbage("stop")
  collectgarbage("incremental", 100, 1000, 40)
  setmetatable({}, { __gc = fn })
  collectgarbage("restart")
end

describe("a finalizer that runs amid a write behind small ones", function()
  local LAST = ("z"):rep(3000)  -- too large for the batch, so that all moves to the table

  --- Writes LAST behind two small writes, while a finalizer calls `fn`. Returns what
  --- was sent before LAST, and what write() said.
  local function amid(p, callback, fn)
    local _ <close> = setmetatable({}, { __close = function()
      collectgarbage("incremental", 200, 100, 13)
    end })
    local first, second, ran, said = piece(600), piece(601), false, nil
    in_a_turn(function() p.client:write(LAST) end)  -- the table is made
    in_a_turn(function()
      p.client:write(first)
      p.client:write(second)
      at_next_request(function()
        if not ran then
          ran = true
          fn()
        end
      end)
      if callback then
        said = p.client:write(LAST, callback)
      else
        said = p.client:write(LAST)
      end
    end)
    assert.is_true(ran)
    return LAST .. first .. second, said
  end

  for _, way in ipairs({ "without", "with" }) do
    local function callback_of(t, expected)
      return way == "with" and t.calls(1, function(err) assert.equal(expected, err and err.code) end)
        or nil
    end

    it("may write a lot, " .. way .. " a callback", within(function(t)
      local p, large = pairs_of(1)[1], piece(20000)
      local sent = amid(p, callback_of(t), function() p.client:write(large) end)
      p.sent[1] = sent .. large .. LAST
      wait(function() return #table.concat(p.got) == #p.sent[1] end)
      finish(t, { p })
    end))

    it("may finish it, " .. way .. " a callback", within(function(t)
      local p, code = pairs_of(1)[1], "ERR_STREAM_WRITE_AFTER_END"
      p.client:on("error", t.calls(1, function(err) assert.equal(code, err.code) end))
      local sent, said = amid(p, callback_of(t, code), function() p.client:finish("F") end)
      t.run()
      assert.same({ sent .. "F", false }, { table.concat(p.got), said })
    end))

    it("may destroy it, " .. way .. " a callback", within(function(t)
      local p = pairs_of(1)[1]
      local sent, said = amid(p, callback_of(t, "ERR_STREAM_DESTROYED"),
        function() p.client:destroy() end)
      assert.equal(0, p.client.writableLength)
      t.run()
      assert.same({ sent, false }, { table.concat(p.got), said })
    end))

    it("may connect it anew, " .. way .. " a callback", within(function(t)
      local p, got = pairs_of(1)[1], nil
      local server, where = sockets.listen()
      server:on("connection", t.calls(1, function(peer)
        server:close()
        got = listen(peer)
      end))
      local sent = amid(p, callback_of(t), function()
        p.client:destroy()
        p.client:connect(where)
      end)
      assert.equal(#LAST, p.client.writableLength)
      wait(function() return got and #table.concat(got) == #LAST end)
      p.client:finish()
      t.run()
      assert.same({ sent, LAST }, { table.concat(p.got), table.concat(got) })
    end))
  end
end)

describe("a finalizer that runs amid destroy(err)", function()
  for name, callback in pairs({ ["nobody"] = false, ["a callback"] = true }) do
    it("may still write, heard of by " .. name, within(function(t)
      local _ <close> = setmetatable({}, { __close = function()
        collectgarbage("incremental", 200, 100, 13)
      end })
      local p, wrong, ran, got = pairs_of(1)[1], {}, false, {}
      p.client:on("data", function(chunk) got[#got + 1] = chunk end)
      p.peer:on("error", t.calls(1, function(err) assert.equal(wrong, err) end))
      local heard = callback and t.calls(1, function(err) assert.is_nil(err) end) or nil
      in_a_turn(function()
        at_next_request(function()
          if not ran then
            ran = true
            p.peer:write("x", heard)
          end
        end)
        p.peer:destroy(wrong)
      end)
      t.run()
      assert.same({ true, "x", 1 }, { ran, table.concat(got), p.peer.bytesWritten })
    end))
  end
end)
