-- SPDX-License-Identifier: MIT

--- What becomes of what is written: return values, callbacks, 'drain', cork,
--- accounting, and every way in which a write can fail.

local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local pair, wait, wait_for, settle = sockets.pair, sockets.wait, sockets.wait_for, sockets.settle
local trace, note, fill = sockets.trace, sockets.note, sockets.fill
local raised, kind = sockets.raised, sockets.kind

local BIG = ("0123456789abcdef"):rep(1 << 19) -- 8 MiB: more than any kernel takes at once

local function drop(t, ...)
  for i = 1, select("#", ...) do
    (select(i, ...)):destroy()
  end
  t.run()
end

--- What arrives at `socket` until its end.
local function received(socket)
  local got = {}
  socket:on("data", function(chunk) got[#got + 1] = chunk end)
  wait_for(socket, "end")
  return table.concat(got)
end

--- A connecting socket, and the peer once there is one. The server has stopped
--- to listen by then.
local function connecting(options)
  local server, where = sockets.listen(options)
  local found = {}
  server:on("connection", function(peer)
    found.peer = peer
    server:close()
  end)
  local socket = net.connect(where)
  socket:on("close", function() server:close() end)
  return socket, found
end

describe("write()", function()
  it("on an idle socket returns true and leaves nothing buffered", within(function(t)
    local socket, peer = pair()
    assert.is_true(socket:write("abc"))
    assert.same({ 0, 3, false },
      { socket.writableLength, socket.bytesWritten, socket.writableNeedDrain })
    drop(t, socket, peer)
  end))

  it("does so inside a listener too", within(function(t)
    local socket, peer = pair()
    local seen
    socket:on("data", function()
      seen = { socket:write("one"), socket.writableLength, socket:write("two"),
        socket.writableLength, socket.bytesWritten, socket.writableNeedDrain }
    end)
    peer:write("go")
    wait(function() return seen end)
    assert.same({ true, 0, true, 0, 6, false }, seen)
    drop(t, socket, peer)
  end))

  --- What such a write gives where the kernel has taken all of it, or a part.
  local function given(socket)
    local whole = socket.writableLength == 0
    return { whole, whole and 0 or 65536, not whole }
  end

  it("of 64 KiB that the kernel takes at once returns true", within(function(t)
    local socket, peer = pair()
    local seen = { socket:write(("x"):rep(65536)), socket.writableLength, socket.writableNeedDrain }
    assert.same(given(socket), seen)
    drop(t, socket, peer)
  end))

  it("of 64 KiB in a listener returns true as well", within(function(t)
    local socket, peer = pair()
    local seen, expected
    timers.setImmediate(function()
      seen = { socket:write(("x"):rep(65536)), socket.writableLength, socket.writableNeedDrain }
      expected = given(socket)
    end)
    wait(function() return seen end)
    assert.same(expected, seen)
    drop(t, socket, peer)
  end))

  it("of many small pieces in a listener returns true for each", within(function(t)
    local socket, peer = pair()
    local all
    timers.setImmediate(function()
      all = true
      for _ = 1, 1000 do
        all = socket:write("0123456789") and all and socket.writableLength == 0
      end
    end)
    wait(function() return all ~= nil end)
    assert.is_true(all)
    socket:finish()
    assert.equal(("0123456789"):rep(1000), received(peer))
    drop(t, socket, peer)
  end))

  it("of more than the kernel takes returns false, and all of it counts", within(function(t)
    local socket, peer = pair()
    assert.is_false(socket:write(BIG))
    assert.same({ #BIG, #BIG, true },
      { socket.writableLength, socket.bytesWritten, socket.writableNeedDrain })
    drop(t, socket, peer)
  end))

  it("keeps counting a piece wholly while it is only partly sent", within(function(t)
    local socket, peer = pair()
    socket:write(BIG)
    local read = 0
    peer:on("data", function(chunk)
      read = read + #chunk
      if read > 1 << 20 then
        peer:pause()
      end
    end)
    wait(function() return read > 1 << 20 end)
    assert.equal(#BIG, socket.writableLength)
    drop(t, socket, peer)
  end))

  it("behind a refused piece returns false and adds to it", within(function(t)
    local socket, peer = pair()
    socket:write(BIG)
    assert.is_false(socket:write("z"))
    assert.equal(#BIG + 1, socket.writableLength)
    drop(t, socket, peer)
  end))

  it("goes by writableHighWaterMark", within(function(t)
    local socket = connecting()
    local other = net.Socket({ highWaterMark = 4 })
    other:connect({ port = 1, host = "127.0.0.1" })
    other:on("error", function() end)
    assert.same({ true, false, false }, { other:write("abc"), other:write("d"), other:write("") })
    assert.is_true(socket:write(("x"):rep(65535)))
    assert.is_false(socket:write("x"))
    drop(t, socket, other)
  end))

  it("with mark 0 returns true when the kernel took all", within(function(t)
    local socket, peer = pair({ client = { highWaterMark = 0 } })
    assert.is_true(socket:write("abc"))
    assert.is_false(socket.writableNeedDrain)
    drop(t, socket, peer)
  end))

  it("sends bytes as they are", within(function(t)
    local socket, peer = pair()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    all = table.concat(all)
    socket:finish(all)
    assert.equal(all, received(peer))
    t.run()
  end))

  it("keeps the order of a thousand pieces of all sizes", within(function(t)
    local socket, peer = pair()
    local sent = {}
    for i = 1, 1000 do
      sent[i] = (("%d "):format(i)):rep(i)
      socket:write(sent[i])
    end
    socket:finish()
    assert.is_true(table.concat(sent) == received(peer))
    t.run()
  end))

  it("carries megabytes both ways at once", within(function(t)
    local socket, peer = pair()
    local got = {}
    for _, s in ipairs({ socket, peer }) do
      got[s] = {}
      s:on("data", function(chunk) table.insert(got[s], chunk) end)
      s:finish(BIG)
    end
    t.run()
    assert.is_true(table.concat(got[socket]) == BIG)
    assert.is_true(table.concat(got[peer]) == BIG)
  end))

  it("in a listener of 'data' answers each message", within(function(t)
    local socket, peer = pair()
    peer:on("data", function(chunk) peer:write(chunk:upper()) end)
    local seen = {}
    for _, word in ipairs({ "one", "two", "three" }) do
      socket:write(word)
      seen[#seen + 1] = wait_for(socket, "data")
    end
    assert.same({ "ONE", "TWO", "THREE" }, seen)
    drop(t, socket, peer)
  end))

  it("of an empty string is a write with a callback", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    assert.is_true(socket:write("", note(seen, "written")))
    assert.same({}, seen)
    wait(function() return #seen > 0 end)
    assert.same({ "written" }, seen)
    assert.equal(0, socket.bytesWritten)
    drop(t, socket, peer)
  end))

  it("ignores a callback that is no function", within(function(t)
    local socket, peer = pair()
    assert.is_true(socket:write("a", nil, 5))
    assert.is_true(socket:write("b", "latin1", {}))
    socket:finish("c", nil, true)
    assert.equal("abc", received(peer))
    t.run()
  end))

  for _, case in ipairs({
    { 5, "type number (5)" }, { 1.5, "type number (1.5)" }, { true, "type boolean (true)" },
    { {}, "an instance of Object" },
  }) do
    it("of " .. case[2] .. " raises, and nothing is written", within(function(t)
      local socket, peer = pair()
      for _, method in ipairs({ "write", "finish" }) do
        local err = raised(socket[method], socket, case[1])
        assert.equal("TypeError ERR_INVALID_ARG_TYPE", kind(err))
        assert.equal('The "chunk" argument must be of type string. Received ' .. case[2], err.message)
      end
      assert.same({ 0, false, true }, { socket.bytesWritten, socket.destroyed, socket.writable })
      drop(t, socket, peer)
    end))
  end

  it("without a chunk raises", function()
    local socket = net.Socket()
    local err = raised(socket.write, socket)
    assert.equal("TypeError ERR_INVALID_ARG_TYPE", kind(err))
    assert.is_truthy(err.message:find("Received nil", 1, true))
  end)

  it("of nil raises otherwise", function()
    local socket = net.Socket()
    local err = raised(socket.write, socket, nil)
    assert.equal("TypeError ERR_STREAM_NULL_VALUES", kind(err))
    assert.equal("May not write nil values to stream", err.message)
  end)

  it("raises for a bad chunk even when destroyed", function()
    local socket = net.Socket():destroy()
    assert.equal("ERR_INVALID_ARG_TYPE", raised(socket.write, socket, 5).code)
    assert.equal("ERR_UNKNOWN_ENCODING", raised(socket.write, socket, "a", "nope").code)
    net.run()
  end)
end)

describe("the encoding of a write", function()
  for _, case in ipairs({
    { "utf8", "é", "é" }, { "UTF-8", "é", "é" }, { "latin1", "é", "\xE9" },
    { "binary", "é", "\xE9" }, { "ascii", "é", "\xE9" }, { "hex", "616263", "abc" },
    { "hex", "abc", "\xAB" }, { "hex", "zz", "" }, { "base64", "YWJj", "abc" },
    { "base64", "_-_-", "\xFF\xEF\xFE" }, { "base64url", "YWI=", "ab" }, { "utf16le", "aé", "a\0\xE9\0" },
    { "ucs2", "a", "a\0" }, { "", "é", "é" },
  }) do
    it(("'%s' sends %q as %d bytes"):format(case[1], case[2], #case[3]), within(function(t)
      local socket, peer = pair()
      socket:write(case[2], case[1])
      assert.equal(#case[3], socket.bytesWritten)
      socket:finish()
      assert.equal(case[3], received(peer))
      t.run()
    end))
  end

  it("counts for finish() too", within(function(t)
    local socket, peer = pair()
    socket:finish("616263", "hex")
    assert.equal("abc", received(peer))
    t.run()
  end))

  it("is setDefaultEncoding()'s when none is named", within(function(t)
    local socket, peer = pair()
    assert.equal(socket, socket:setDefaultEncoding("hex"))
    socket:write("6162")
    socket:write("63", nil)
    socket:finish("64", "")
    assert.equal("abcd", received(peer))
    t.run()
  end))

  it("is the default's when what names it is falsy", within(function(t)
    local socket, peer = pair({ client = { defaultEncoding = "hex" } })
    for _, falsy in ipairs({ false, 0, -0.0, 0 / 0, "" }) do
      socket:write("61", falsy)
    end
    socket:finish("62", false)
    assert.equal("aaaaab", received(peer))
    t.run()
  end))

  it("is checked before the chunk, but for nil", within(function(t)
    local socket, peer = pair()
    assert.equal("ERR_UNKNOWN_ENCODING", raised(socket.write, socket, 5, "nope").code)
    assert.equal("ERR_INVALID_ARG_TYPE", raised(socket.write, socket, 5, "buffer").code)
    assert.equal("ERR_STREAM_NULL_VALUES", raised(socket.write, socket, nil, "nope").code)
    drop(t, socket, peer)
  end))

  for _, bad in ipairs({ "nope", "buffer", 5, true }) do
    it(tostring(bad) .. " raises, and nothing is written", within(function(t)
      local socket, peer = pair()
      for _, method in ipairs({ "write", "finish" }) do
        local err = raised(socket[method], socket, "a", bad)
        assert.equal("TypeError ERR_UNKNOWN_ENCODING", kind(err))
        assert.equal("Unknown encoding: " .. tostring(bad), err.message)
      end
      assert.same({ 0, true }, { socket.bytesWritten, socket.writable })
      drop(t, socket, peer)
    end))
  end

  for _, bad in ipairs({ "nope", "", 5 }) do
    it(("by default cannot be %q"):format(bad), function()
      local socket = net.Socket()
      assert.equal("ERR_UNKNOWN_ENCODING", raised(socket.setDefaultEncoding, socket, bad).code)
    end)
  end

  it("by default cannot be nothing", function()
    local socket = net.Socket()
    assert.equal("ERR_UNKNOWN_ENCODING", raised(socket.setDefaultEncoding, socket).code)
  end)
end)

describe("the callback of a write", function()
  it("comes on a tick, without an error", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:write("abc", function(...)
      seen[#seen + 1] = { select("#", ...) <= 1, (...) }
    end)
    assert.same({}, seen)
    process.nextTick(function() seen[#seen + 1] = "tick" end)
    timers.setImmediate(function() seen[#seen + 1] = "immediate" end)
    wait(function() return #seen == 3 end)
    assert.same({ { true }, "tick", "immediate" }, seen)
    drop(t, socket, peer)
  end))

  it("comes on a tick inside a listener too", within(function(t)
    local socket, peer = pair()
    local seen = {}
    timers.setImmediate(function()
      process.nextTick(function() seen[#seen + 1] = "tick before" end)
      socket:write("a", note(seen, "a"))
      socket:write("b", note(seen, "b"))
      process.nextTick(function() seen[#seen + 1] = "tick after" end)
      seen[#seen + 1] = "sync"
    end)
    timers.setImmediate(function() seen[#seen + 1] = "immediate" end)
    wait(function() return #seen == 6 end)
    assert.same({ "sync", "tick before", "a", "b", "tick after", "immediate" }, seen)
    drop(t, socket, peer)
  end))

  it("comes in the order of the writes, with or without backpressure", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:write("a", note(seen, "a"))
    socket:write(BIG, note(seen, "big"))
    socket:write("b", note(seen, "b"))
    socket:write("", note(seen, "empty"))
    socket:write("c", note(seen, "c"))
    peer:resume()
    wait(function() return #seen == 5 end)
    assert.same({ "a", "big", "b", "empty", "c" }, seen)
    drop(t, socket, peer)
  end))

  it("does not come before the kernel has taken all of it", within(function(t)
    local socket, peer = pair()
    local done
    socket:write(BIG, function() done = true end)
    settle()
    assert.is_nil(done)
    peer:resume()
    wait(function() return done end)
    assert.equal(0, socket.writableLength)
    drop(t, socket, peer)
  end))

  it("may write again", within(function(t)
    local socket, peer = pair()
    local left = 50
    local function more()
      left = left - 1
      if left > 0 then
        socket:write("x", more)
      else
        socket:finish()
      end
    end
    socket:write("x", more)
    assert.equal(("x"):rep(50), received(peer))
    t.run()
  end))

  for _, more in ipairs { 0, 1 } do
    it("hears of small writes, " .. 1 + more .. " a turn, that the kernel took late", within(function(t)
      local socket, peer = pair()
      socket:resume() -- a stream that is read sends at the end of the turn
      wait(function() return socket.readableFlowing end)
      local sent, number = {}, 0
      local function write()
        number = number + 1
        sent[number] = ("%08d"):format(number):rep(1000)
        return socket:write(sent[number])
      end
      local full
      local function turn()
        full = socket.writableLength > 0
        if not full then
          for _ = 0, more do write() end
          timers.setImmediate(turn)
        end
      end
      timers.setImmediate(turn)
      wait(function() return full end)
      local seen = {}
      socket:write("last", note(seen, "last"))
      socket:finish(note(seen, "end"))
      sent[#sent + 1] = "last"
      assert.equal(table.concat(sent), received(peer))
      t.run()
      assert.same({ "last", "end" }, seen)
      assert.equal(8000 * number + 4, socket.bytesWritten)
    end))
  end

  it("that raises does not keep the others from being called", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:write("a", function()
      seen[#seen + 1] = "a"
      error("mine", 0)
    end)
    socket:write("b", note(seen, "b"))
    local ok, err = pcall(t.run)
    assert.same({ false, "mine" }, { ok, err })
    wait(function() return #seen == 2 end)
    assert.same({ "a", "b" }, seen)
    assert.is_false(socket.destroyed)
    drop(t, socket, peer)
  end))

  it("is called, and its data sent, though a 'connect' listener before it raises", within(function(t)
    local server, where = sockets.listen()
    local peer
    server:once("connection", function(socket)
      peer = socket
      server:close()
    end)
    local socket, seen = net.connect(where), {}
    socket:on("connect", function() error("mine", 0) end)
    socket:write("a", note(seen, "a"))
    socket:finish("b", note(seen, "b"))
    local ok, err = pcall(t.run)
    assert.same({ false, "mine" }, { ok, err })
    assert.equal("ab", received(peer))
    t.run()
    assert.same({ "a", "b" }, seen)
  end))

  it("that raises does not keep those of a failed write from being called", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:cork()
    socket:write("a", function()
      seen[#seen + 1] = "a"
      error("mine", 0)
    end)
    socket:write("b", note(seen, "b"))
    socket:on("close", note(seen, "close"))
    socket:destroy()
    local ok, err = pcall(t.run)
    assert.same({ false, "mine" }, { ok, err })
    t.run()
    assert.same({ "a", "b ERR_STREAM_DESTROYED", "close false" }, seen)
    drop(t, peer)
  end))

  it("may destroy the socket: those of what was sent are called all the same", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:write("a", function() seen[#seen + 1] = "a" socket:destroy() end)
    socket:write("b", note(seen, "b"))
    socket:finish(note(seen, "end"))
    drop(t, peer)
    assert.same({ "a", "end ERR_STREAM_DESTROYED", "b", "close false" }, seen)
  end))
end)

describe("'drain'", function()
  it("comes when the last byte has gone, before the callbacks", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    assert.is_false(socket:write(BIG, note(seen, "big")))
    assert.is_false(socket:write("z", note(seen, "z")))
    socket:on("drain", function()
      seen[#seen + 1] = socket.writableLength .. tostring(socket.writableNeedDrain)
    end)
    peer:resume()
    wait(function() return #seen == 4 end)
    assert.same({ "drain", "0false", "big", "z" }, seen)
    drop(t, socket, peer)
  end))

  it("does not come when nothing was refused", within(function(t)
    local socket, peer = pair()
    socket:on("drain", t.calls(0))
    socket:write("abc")
    settle()
    drop(t, socket, peer)
  end))

  it("comes once for many refused writes", within(function(t)
    local socket, peer = pair()
    local drained
    socket:on("drain", t.calls(1, function() drained = true end))
    for _ = 1, 10 do
      socket:write(BIG)
    end
    peer:resume()
    wait(function() return drained end)
    drop(t, socket, peer)
  end))

  it("comes again after the next refusal, when a listener fills up again", within(function(t)
    local socket, peer = pair()
    local rounds = 0
    socket:on("drain", t.calls(3, function()
      rounds = rounds + 1
      if rounds < 3 then
        fill(socket)
      end
    end))
    fill(socket)
    peer:resume()
    wait(function() return rounds == 3 end)
    drop(t, socket, peer)
  end))

  it("never comes after finish()", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    fill(socket)
    socket:finish()
    peer:resume()
    t.run()
    assert.same({ "prefinish", "finish", "end", "close false" }, seen)
  end))

  it("never comes after destroy()", within(function(t)
    local socket, peer = pair()
    socket:on("drain", t.calls(0))
    fill(socket)
    socket:destroy()
    peer:resume()
    t.run()
  end))

  it("comes on a tick when uncork() empties a refused buffer", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:cork()
    assert.same({ true, false }, { socket:write(("x"):rep(65535)), socket:write("x") })
    assert.is_true(socket.writableNeedDrain)
    socket:uncork()
    assert.is_true(socket.writableNeedDrain)
    assert.same({}, seen)
    wait(function() return #seen > 0 end)
    assert.same({ "drain" }, seen)
    drop(t, socket, peer)
  end))

  it("comes for what was refused while connecting", within(function(t)
    local socket, found = connecting()
    local seen = trace(socket)
    assert.is_false(socket:write(BIG, note(seen, "written")))
    wait(function() return found.peer end)
    found.peer:resume()
    wait(function() return #seen == 4 end)
    assert.same({ "connect", "ready", "drain", "written" }, seen)
    drop(t, socket, found.peer)
  end))
end)

describe("cork()", function()
  it("holds back until as many uncork()", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:cork()
    socket:cork()
    assert.is_true(socket:write("a", note(seen, "a")))
    assert.is_true(socket:write("b", note(seen, "b")))
    assert.equal(2, socket.writableLength)
    socket:uncork()
    assert.equal(2, socket.writableLength)
    settle()
    assert.same({}, seen)
    assert.equal(0, peer.bytesRead)
    socket:uncork()
    assert.equal(0, socket.writableLength)
    assert.same({}, seen)
    wait(function() return #seen == 2 end)
    assert.same({ "a", "b" }, seen)
    drop(t, socket, peer)
  end))

  it("sends what it held as one", within(function(t)
    local socket, peer = pair()
    socket:cork()
    for _, word in ipairs({ "a", "b", "c" }) do
      socket:write(word)
    end
    socket:uncork()
    assert.equal("abc", wait_for(peer, "data"))
    drop(t, socket, peer)
  end))

  it("is undone by finish(), all levels of it", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:cork()
    socket:cork()
    socket:write("a", note(seen, "a"))
    socket:finish("b", note(seen, "end"))
    assert.equal(0, socket.writableCorked)
    assert.equal("ab", received(peer))
    t.run()
    assert.same({ "a", "end" }, seen)
  end))

  it("holds back past 'connect'", within(function(t)
    local socket, found = connecting()
    socket:cork()
    socket:write("a")
    socket:write("b")
    wait(function() return found.peer and not socket.connecting end)
    settle()
    assert.same({ 2, 0 }, { socket.writableLength, found.peer.bytesRead })
    socket:uncork()
    assert.equal("ab", wait_for(found.peer, "data"))
    drop(t, socket, found.peer)
  end))

  it("behind a write that is under way holds back what follows", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:write(BIG, note(seen, "big"))
    socket:cork()
    socket:write("x", note(seen, "x"))
    peer:resume()
    wait(function() return #seen == 1 end)
    settle()
    assert.same({ "big" }, seen)
    assert.equal(1, socket.writableLength)
    socket:uncork()
    wait(function() return #seen == 2 end)
    drop(t, socket, peer)
  end))

  it("in a listener works as anywhere", within(function(t)
    local socket, peer = pair()
    local lengths
    timers.setImmediate(function()
      socket:write("a")
      socket:cork()
      socket:write("b")
      lengths = { socket.writableLength }
      socket:uncork()
      lengths[2] = socket.writableLength
      socket:finish()
    end)
    assert.equal("ab", received(peer))
    assert.same({ 1, 0 }, lengths)
    t.run()
  end))

  it("counts down no further than 0", within(function(t)
    local socket, peer = pair()
    socket:uncork()
    socket:uncork()
    socket:cork()
    socket:write("x")
    assert.equal(1, socket.writableLength)
    drop(t, socket, peer)
  end))
end)

describe("a write while connecting", function()
  it("is queued, and its callback comes with 'connect'", within(function(t)
    local socket, found = connecting()
    local seen = trace(socket)
    assert.is_true(socket:write("abc", note(seen, "written")))
    assert.equal(3, socket.writableLength)
    wait(function() return #seen == 3 and found.peer end)
    assert.same({ "connect", "written", "ready" }, seen)
    assert.equal("abc", wait_for(found.peer, "data"))
    drop(t, socket, found.peer)
  end))

  it("is seen by a 'connect' listener added before it, not by one after", within(function(t)
    local socket, found = connecting()
    local seen = {}
    socket:on("connect", function() seen[#seen + 1] = socket.writableLength end)
    socket:write("abc")
    socket:on("connect", function() seen[#seen + 1] = socket.writableLength end)
    wait(function() return #seen == 2 and found.peer end)
    assert.same({ 3, 0 }, seen)
    drop(t, socket, found.peer)
  end))

  it("together with others completes together", within(function(t)
    local socket, found = connecting()
    local seen = {}
    socket:write("a", note(seen, "a"))
    socket:write("b", note(seen, "b"))
    socket:write("c", note(seen, "c"))
    wait(function() return #seen == 3 and found.peer end)
    assert.same({ "a", "b", "c" }, seen)
    assert.equal("abc", wait_for(found.peer, "data"))
    drop(t, socket, found.peer)
  end))

  it("and finish() are both done after 'connect'", within(function(t)
    local socket, found = connecting()
    local seen = trace(socket)
    socket:finish("data", note(seen, "end"))
    assert.same({ "opening", false }, { socket.readyState, socket.writable })
    wait(function() return found.peer end)
    assert.equal("data", received(found.peer))
    t.run()
    assert.same({ "connect", "ready", "prefinish", "end", "finish", "end", "close false" }, seen)
  end))

  it("works over a Unix path", within(function(t)
    local socket, found = connecting({ unix = true })
    socket:finish("data")
    wait(function() return found.peer end)
    assert.equal("data", received(found.peer))
    t.run()
  end))
end)

describe("write after finish()", function()
  it("fails, and destroys the socket with the error", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:finish("x", note(seen, "end"))
    assert.is_false(socket:write("y", note(seen, "write")))
    assert.same({}, seen)
    drop(t, peer)
    assert.same({ "write ERR_STREAM_WRITE_AFTER_END", "end ERR_STREAM_WRITE_AFTER_END",
      "error ERR_STREAM_WRITE_AFTER_END", "close true" }, seen)
  end))

  it("has the message of Node", within(function(t)
    local socket, peer = pair()
    socket:finish()
    socket:write("y")
    local err = wait_for(socket, "error")
    assert.equal("Error [ERR_STREAM_WRITE_AFTER_END]: write after end", tostring(err))
    drop(t, peer)
  end))

  it("is what finish(chunk) is the second time: the event first", within(function(t)
    local socket, peer = pair({ server = { allowHalfOpen = true } })
    socket:finish()
    wait_for(socket, "finish")
    local seen = trace(socket)
    socket:finish("z", note(seen, "end"))
    drop(t, peer)
    assert.same({ "error ERR_STREAM_WRITE_AFTER_END", "end ERR_STREAM_WRITE_AFTER_END",
      "close true" }, seen)
  end))

  it("is told by the callback alone when the socket is closed", within(function(t)
    local socket, peer = pair()
    socket:finish()
    peer:resume()
    t.run()
    local seen = trace(socket)
    assert.is_false(socket:write("z", note(seen, "write")))
    socket:finish("z", note(seen, "end"))
    t.run()
    assert.same({ "write EPIPE", "end ERR_STREAM_WRITE_AFTER_END" }, seen)
  end))
end)

describe("write after destroy()", function()
  it("fails in its callback, without an event", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:destroy()
    assert.is_false(socket:write("y", note(seen, "write")))
    drop(t, peer)
    assert.same({ "write ERR_STREAM_DESTROYED", "close false" }, seen)
  end))

  it("has the message of Node", within(function(t)
    local socket = net.Socket():destroy()
    local err
    socket:write("y", function(e) err = e end)
    t.run()
    assert.equal("Error [ERR_STREAM_DESTROYED]: Cannot call write after a stream was destroyed",
      tostring(err))
  end))

  it("counts no bytes", within(function(t)
    local socket, peer = pair()
    socket:destroy()
    socket:write("y")
    assert.same({ 0, 0 }, { socket.bytesWritten, socket.writableLength })
    drop(t, peer)
  end))

  it("says end to the callback of another finish()", within(function(t)
    local socket, peer = pair()
    local err
    socket:finish()
    socket:destroy()
    socket:finish(function(e) err = e end)
    drop(t, peer)
    assert.equal("Error [ERR_STREAM_DESTROYED]: Cannot call end after a stream was destroyed",
      tostring(err))
  end))
end)

describe("write on a socket that was never connected", function()
  it("counts what is behind it until its callback is told, and is readable meanwhile",
    within(function(t)
      local socket, seen = net.Socket(), {}
      local function note_lengths()
        seen[#seen + 1] = ("%d %d %s"):format(socket.writableLength, socket.bytesWritten,
          socket.readyState)
      end
      socket:on("error", t.calls(1))
      socket:write("aaaa", note_lengths)
      socket:write("bb", note_lengths)
      socket:write("c", note_lengths)
      note_lengths()
      t.run()
      note_lengths()
      assert.same({ "3 3 readOnly", "3 3 readOnly", "1 3 readOnly", "0 3 readOnly", "0 0 closed" },
        seen)
    end))

  it("tells the callback of finish() on a tick of its own", within(function(t)
    local socket = net.Socket()
    socket:on("error", t.calls(1))
    socket:write("a")
    socket:finish(t.calls(1, function(err)
      assert.same({ "ERR_SOCKET_CLOSED", true }, { err.code, socket.destroyed })
    end))
    t.run()
  end))

  it("returns false, tells the callback, then 'error' and 'close'", within(function(t)
    local socket = net.Socket()
    local seen = trace(socket)
    assert.is_false(socket:write("a", note(seen, "a")))
    t.run()
    assert.same({ "a ERR_SOCKET_CLOSED", "error ERR_SOCKET_CLOSED", "close" }, seen)
  end))

  it("fails all that follows with the same error", within(function(t)
    local socket = net.Socket()
    local seen = trace(socket)
    assert.is_false(socket:write("a", note(seen, "a")))
    assert.is_false(socket:write("b", note(seen, "b")))
    socket:finish(note(seen, "end"))
    assert.same({ 1, 1 }, { socket.writableLength, socket.bytesWritten })
    t.run()
    assert.same({ "a ERR_SOCKET_CLOSED", "b ERR_SOCKET_CLOSED", "end ERR_SOCKET_CLOSED",
      "error ERR_SOCKET_CLOSED", "close" }, seen)
  end))

  it("has the message of Node", within(function(t)
    local socket = net.Socket()
    local err
    socket:on("error", function(e) err = e end)
    socket:write("a")
    t.run()
    assert.equal("Error [ERR_SOCKET_CLOSED]: Socket is closed", tostring(err))
  end))
end)

describe("write to a peer that has ended", function()
  it("inside the listener of 'end' is sent", within(function(t)
    local socket, peer = pair({ server = { allowHalfOpen = true } })
    local seen = trace(socket)
    socket:on("end", function()
      seen[#seen + 1] = tostring(socket:write("late", note(seen, "written")))
    end)
    peer:finish()
    assert.equal("late", received(peer))
    t.run()
    assert.same({ "end", "true", "written", "prefinish", "finish", "close false" }, seen)
  end))

  it("after the automatic end gives EPIPE, made by hand", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    local err
    socket:on("end", function()
      process.nextTick(function()
        process.nextTick(function()
          seen[#seen + 1] = tostring(socket:write("late", function(e) err = e end))
        end)
      end)
    end)
    peer:finish()
    drop(t, peer)
    assert.same({ "end", "false", "error EPIPE", "close true" }, seen)
    assert.same({ "EPIPE", "This socket has been ended by the other party" },
      { err.code, err.message })
    assert.equal("Error: This socket has been ended by the other party", tostring(err))
    assert.is_nil(err.errno)
    assert.is_nil(err.syscall)
  end))

  it("after the automatic end gives EPIPE, whatever is written", within(function(t)
    for _, given in ipairs({ { 5 }, { "x", "nope" }, { nil, nil }, { {}, {} } }) do
      local socket, peer = pair()
      local seen = trace(socket)
      socket:on("finish", function()
        seen[#seen + 1] = tostring(socket:write(given[1], given[2], note(seen, "written")))
      end)
      peer:finish()
      socket:resume()
      drop(t, peer)
      assert.same({ "resume", "end", "prefinish", "finish", "false", "written EPIPE",
        "error EPIPE", "close true" }, seen)
    end
  end))

  it("after its own 'close' tells the callback alone", within(function(t)
    local socket, peer = pair()
    peer:finish()
    wait_for(socket, "close")
    local seen = trace(socket)
    assert.is_false(socket:write("late", note(seen, "written")))
    drop(t, peer)
    assert.same({ "written EPIPE" }, seen)
  end))

  it("is no failure with allowHalfOpen", within(function(t)
    local socket, peer = pair({ client = { allowHalfOpen = true } })
    peer:finish()
    wait_for(socket, "end")
    settle()
    assert.is_true(socket:write("late"))
    socket:finish()
    assert.equal("late", received(peer))
    t.run()
  end))
end)

describe("write to a peer that is gone", function()
  for way, code in pairs({ resetAndDestroy = "ECONNRESET", destroy = "EPIPE" }) do
    it(("by %s(), as the same poll has told, fails at once"):format(way), within(function(t)
      local other, first = pair()
      local socket, peer = pair({ client = { allowHalfOpen = true } })
      local seen = trace(socket)
      other:once("data", function()
        socket:write("one", note(seen, "one"))
        seen[#seen + 1] = tostring(socket:write("two", note(seen, "two")))
        seen[#seen + 1] = socket.errored.code
      end)
      timers.setImmediate(function()
        first:write(("x"):rep(20000))  -- so much that it does not wait for the turn's end
        peer[way](peer)
      end)
      wait_for(socket, "close")
      drop(t, other, first)
      assert.same({ "false", code }, { seen[1], seen[2] })
      assert.same({ "two " .. code, "error " .. code, "close true" },
        table.move(seen, #seen - 2, #seen, 1, {}))
    end))
  end

  it("is ECONNRESET for its callback, those behind, 'error' and 'close'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:resetAndDestroy()
    assert.is_false(socket:write("a", note(seen, "a")))
    assert.is_false(socket:write("b", note(seen, "b")))
    socket:finish(note(seen, "end"))
    t.run()
    assert.same({ "a ECONNRESET", "b ECONNRESET", "end ECONNRESET", "error ECONNRESET",
      "close true" }, seen)
    assert.same({ "write", -104, "write ECONNRESET" },
      { socket.errored.syscall, socket.errored.errno, socket.errored.message })
  end))

  it("is EPIPE on a Unix socket, and kills nobody by SIGPIPE", within(function(t)
    local socket, peer = pair({ unix = true })
    local seen = trace(socket)
    peer:destroy()
    assert.is_false(socket:write("a", note(seen, "a")))
    assert.is_false(socket:write("b", note(seen, "b")))
    socket:finish(note(seen, "end"))
    t.run()
    assert.same({ "a EPIPE", "b EPIPE", "end EPIPE", "error EPIPE", "close true" }, seen)
    assert.same({ "write", -32, "Error: write EPIPE" },
      { socket.errored.syscall, socket.errored.errno, tostring(socket.errored) })
  end))

  it("fails the same way in a listener", within(function(t)
    local socket, peer = pair({ unix = true })
    socket:pause()
    local seen = trace(socket)
    timers.setImmediate(function()
      peer:destroy()
      socket:write("a", note(seen, "a"))
      socket:write("b", note(seen, "b"))
    end)
    t.run()
    assert.same({ "a EPIPE", "b EPIPE", "error EPIPE", "close true" }, seen)
  end))

  it("is uncaught when nobody listens for 'error', and 'close' comes", within(function(t)
    local socket, peer = pair({ unix = true })
    local closed
    socket:on("close", function(had_error) closed = had_error end)
    peer:destroy()
    socket:write("a")
    local ok, err = pcall(t.run)
    assert.same({ false, "EPIPE" }, { ok, err.code })
    t.run()
    assert.is_true(closed)
  end))

  for _, unix in ipairs({ true, false }) do
    local code = unix and "EPIPE" or "ECONNRESET"
    it(("with bytes still queued is %s for all, on a socket that does not read"):format(code),
      within(function(t)
        local socket, found = connecting({ unix = unix })
        socket:pause()
        local seen = trace(socket)
        socket:write(BIG, note(seen, "big"))
        socket:write("b", note(seen, "b"))
        wait(function() return found.peer and found.peer.readableLength > 0 end)
        if unix then
          found.peer:destroy()
        else
          found.peer:resetAndDestroy()
        end
        t.run()
        assert.same({ "connect", "ready", "big " .. code, "b " .. code, "error " .. code,
          "close true" }, seen)
      end))
  end

  it("is the reader's error first, on a socket that reads", within(function(t)
    local socket, peer = pair({ unix = true })
    socket:write(BIG)
    local seen = trace(socket)
    socket:write("b", note(seen, "b"))
    wait(function() return peer.readableLength > 0 end)
    peer:destroy()
    t.run()
    assert.same({ "error ECONNRESET", "b ECONNRESET", "close true" }, seen)
    assert.equal("read", socket.errored.syscall)
  end))
end)

-- What every pending callback gets, row by row.
describe("destroy()", function()
  it("with nothing pending: 'close'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:destroy()
    assert.same({}, seen)
    drop(t, peer)
    assert.same({ "close false" }, seen)
  end))

  it("with an error and nothing pending: 'error' on a tick, 'close'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:destroy({ code = "MINE" })
    assert.same({}, seen)
    process.nextTick(function() seen[#seen + 1] = "tick" end)
    timers.setImmediate(function() seen[#seen + 1] = "immediate" end)
    drop(t, peer)
    assert.same({ "error MINE", "tick", "immediate", "close true" }, seen)
  end))

  it("with all accepted by the kernel: callbacks without an error, 'close'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:write("a", note(seen, "a"))
    socket:write("b", note(seen, "b"))
    socket:destroy()
    assert.equal("ab", received(peer))
    t.run()
    assert.same({ "a", "b", "close false" }, seen)
  end))

  it("does so in a listener too: what was written is sent", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    timers.setImmediate(function()
      socket:write("a", note(seen, "a"))
      socket:write("b", note(seen, "b"))
      socket:destroy()
    end)
    assert.equal("ab", received(peer))
    t.run()
    assert.same({ "a", "b", "close false" }, seen)
  end))

  it("with an error and all accepted: callbacks, 'error', 'close'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:write("a", note(seen, "a"))
    socket:destroy("mine")
    drop(t, peer)
    assert.same({ "a", "error mine", "close true" }, seen)
  end))

  it("with a write in flight: ECANCELED for all callbacks, no 'error'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:write(BIG, note(seen, "big"))
    socket:write("b", note(seen, "b"))
    socket:write("c", note(seen, "c"))
    socket:finish(note(seen, "end"))
    socket:destroy()
    assert.is_nil(socket.errored)
    drop(t, peer)
    assert.same({ "big ECANCELED", "b ECANCELED", "c ECANCELED", "end ECANCELED", "close false" },
      seen)
    assert.same({ "ECANCELED", "write", -125 },
      { socket.errored.code, socket.errored.syscall, socket.errored.errno })
  end))

  it("with an error and a write in flight: 'error', ECANCELED, the error for the rest", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:write(BIG, note(seen, "big"))
    socket:write("b", note(seen, "b"))
    socket:write("c", note(seen, "c"))
    socket:finish(note(seen, "end"))
    socket:destroy("mine")
    drop(t, peer)
    assert.same({ "error mine", "big ECANCELED", "b mine", "c mine", "end mine", "close true" },
      seen)
  end))

  it("of a corked socket: ERR_STREAM_DESTROYED for the callbacks, 'close'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:cork()
    socket:write("a", note(seen, "a"))
    socket:write("b", note(seen, "b"))
    socket:destroy()
    drop(t, peer)
    assert.same({ "a ERR_STREAM_DESTROYED", "b ERR_STREAM_DESTROYED", "close false" }, seen)
  end))

  it("of a corked socket with an error: it for the callbacks, 'error', 'close'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:cork()
    socket:write("a", note(seen, "a"))
    socket:write("b", note(seen, "b"))
    socket:destroy("mine")
    drop(t, peer)
    assert.same({ "a mine", "b mine", "error mine", "close true" }, seen)
  end))

  it("after finish() with an error: it for the end callback, 'error', 'close'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:write("x", note(seen, "x"))
    socket:finish(note(seen, "end"))
    socket:destroy("mine")
    drop(t, peer)
    assert.same({ "x", "end mine", "error mine", "close true" }, seen)
  end))

  it("after finish(): ERR_STREAM_DESTROYED for the end callback, 'close'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:write("x", note(seen, "x"))
    socket:finish(note(seen, "end"))
    socket:destroy()
    drop(t, peer)
    assert.same({ "x", "end ERR_STREAM_DESTROYED", "close false" }, seen)
  end))

  it("while connecting: 'close', then the callbacks", within(function(t)
    local socket = connecting()
    local seen = trace(socket)
    socket:write("a", note(seen, "a"))
    socket:write("b", note(seen, "b"))
    socket:finish(note(seen, "end"))
    socket:destroy()
    t.run()
    assert.same({ "close false", "a ERR_SOCKET_CLOSED_BEFORE_CONNECTION",
      "b ERR_SOCKET_CLOSED_BEFORE_CONNECTION", "end ERR_SOCKET_CLOSED_BEFORE_CONNECTION" }, seen)
  end))

  it("while connecting, with an error: 'error', 'close', then the callbacks", within(function(t)
    local socket = connecting()
    local seen = trace(socket)
    socket:write("a", note(seen, "a"))
    socket:write("b", note(seen, "b"))
    socket:finish(note(seen, "end"))
    socket:destroy("mine")
    t.run()
    assert.same({ "error mine", "close true", "a ERR_SOCKET_CLOSED_BEFORE_CONNECTION", "b mine",
      "end mine" }, seen)
  end))

  it("by a refused connection does the same with its error", within(function(t)
    local server, where = sockets.listen()
    server:close()
    t.run()
    local socket = net.connect(where)
    local seen = trace(socket)
    socket:write("a", note(seen, "a"))
    socket:write("b", note(seen, "b"))
    socket:finish(note(seen, "end"))
    t.run()
    assert.same({ "error ECONNREFUSED", "close true", "a ERR_SOCKET_CLOSED_BEFORE_CONNECTION",
      "b ECONNREFUSED", "end ECONNREFUSED" }, seen)
  end))

  it("by a read error with a write in flight: 'error' before the callbacks", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:write(BIG, note(seen, "big"))
    socket:write("b", note(seen, "b"))
    socket:finish(note(seen, "end"))
    peer:resetAndDestroy()
    t.run()
    assert.same({ "error ECONNRESET", "big ECANCELED", "b ECONNRESET", "end ECONNRESET",
      "close true" }, seen)
    assert.equal("read", socket.errored.syscall)
  end))

  it("wins the first time: a second one has no effect at all", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    assert.equal(socket, socket:destroy())
    assert.equal(socket, socket:destroy("late"))
    drop(t, peer)
    assert.same({ "close false" }, seen)
  end))

  it("with three errors tells the first", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:on("error", function() socket:destroy("third") end)
    socket:destroy("first")
    socket:destroy("second")
    drop(t, peer)
    assert.same({ "error first", "close true" }, seen)
  end))

  it("takes any value but nil and false for an error", within(function(t)
    for _, value in ipairs({ "text", 7, true, {} }) do
      local socket = net.Socket()
      socket:on("error", t.calls(1, function(err) assert.equal(value, err) end))
      socket:destroy(value)
    end
    local socket = net.Socket()
    socket:on("error", t.calls(0))
    socket:destroy(false)
    t.run()
  end))

  it("of a socket without a handle: 'error' and 'close' on ticks, 'close' alone", within(function(t)
    local socket = net.Socket()
    local seen = trace(socket)
    socket:destroy("mine")
    timers.setImmediate(function() seen[#seen + 1] = "immediate" end)
    t.run()
    assert.same({ "error mine", "close", "immediate" }, seen)
  end))

  it("closes the descriptor at once: the peer hears before 'close'", within(function(t)
    local socket, peer = pair()
    local seen = {}
    trace(socket, nil, seen, "C")
    trace(peer, nil, seen, "S")
    socket:destroy()
    t.run()
    table.sort(seen)
    assert.same({ "C close false", "S close false", "S end", "S finish", "S prefinish" }, seen)
  end))
end)

describe("what is queued", function()
  it("is accounted for exactly while it drains", within(function(t)
    local socket, peer = pair()
    local lengths, read = {}, 0
    for i = 1, 20 do
      socket:write(("x"):rep(1 << 18), function() lengths[i] = socket.writableLength end)
    end
    peer:on("data", function(chunk)
      read = read + #chunk
      assert.is_true(socket.writableLength >= 0 and socket.writableLength <= 20 << 18)
    end)
    wait(function() return read == 20 << 18 end)
    wait(function() return socket.writableLength == 0 end)
    for i = 2, 20 do
      assert.is_true(lengths[i] <= lengths[i - 1])
    end
    assert.equal(20 << 18, socket.bytesWritten)
    drop(t, socket, peer)
  end))

  it("is let go of once it is sent", within(function(t)
    local socket, peer = pair()
    peer:resume()
    collectgarbage()
    collectgarbage()
    local before = collectgarbage("count")
    for _ = 1, 20 do
      local done
      socket:write(BIG, function() done = true end)
      wait(function() return done end)
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage("count") - before < 1024)
    drop(t, socket, peer)
  end))

  it("is let go of when a connection is destroyed", within(function(t)
    local weak = setmetatable({}, { __mode = "k" })
    local socket, peer = pair()
    local callback = function() end
    weak[callback] = true
    socket:write(BIG, callback)
    callback = nil -- luacheck: ignore 311
    drop(t, socket, peer)
    socket = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end))
end)
