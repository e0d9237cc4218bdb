-- SPDX-License-Identifier: MIT

--- pipe() and unpipe(): what is listened to, what is ended, who waits for whom,
--- and what an error on either side does.

local net = require("net")
local events = require("net.events")
local process = require("net.process")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local pair, wait, wait_for, settle = sockets.pair, sockets.wait, sockets.wait_for, sockets.settle
local trace, fill, raised = sockets.trace, sockets.fill, sockets.raised

local HALF = { allowHalfOpen = true }
local BIG = ("0123456789abcdef"):rep(1 << 21) -- 32 MiB

local function drop(t, ...)
  for i = 1, select("#", ...) do
    (select(i, ...)):destroy()
  end
  t.run()
end

--- A source with the socket that feeds it, and a destination with the one that
--- reads from it.
local function two(source_options, dest_options)
  local src, feeder = pair(source_options)
  local dest, reader = pair(dest_options)
  return src, feeder, dest, reader
end

--- Follows both ends of a pipe in one list: "a" is the source, "b" the destination.
local function follow(src, dest)
  local seen = {}
  trace(src, nil, seen, "a")
  trace(dest, nil, seen, "b")
  return seen
end

--- Chunks that arrive at `socket` from now on.
local function collect(socket)
  local got = {}
  socket:on("data", function(chunk) got[#got + 1] = chunk end)
  return got
end

local function count(socket)
  local read = { bytes = 0 }
  socket:on("data", function(chunk) read.bytes = read.bytes + #chunk end)
  return read
end

--- The lines of `seen` about one of the two.
local function about(seen, name)
  local lines = {}
  for _, line in ipairs(seen) do
    if line:sub(1, 2) == name .. " " then
      lines[#lines + 1] = line:sub(3)
    end
  end
  return lines
end

describe("pipe()", function()
  it("returns the destination and tells it 'pipe' with the source, inside the call",
    within(function(t)
      local src, feeder, dest, reader = two()
      local told
      dest:on("pipe", function(source) told = source end)
      assert.equal(dest, src:pipe(dest))
      assert.equal(src, told)
      drop(t, src, feeder, dest, reader)
    end))

  it("makes the source flow at once, 'resume' follows", within(function(t)
    local src, feeder, dest, reader = two()
    local seen = trace(src)
    src:pipe(dest)
    assert.is_true(src.readableFlowing)
    assert.same({}, seen)
    wait(function() return #seen > 0 end)
    assert.same({ "resume" }, seen)
    drop(t, src, feeder, dest, reader)
  end))

  it("says no 'resume' when the source flows already", within(function(t)
    local src, feeder, dest, reader = two()
    src:resume()
    wait_for(src, "resume")
    local seen = trace(src)
    src:pipe(dest)
    settle()
    assert.same({}, seen)
    drop(t, src, feeder, dest, reader)
  end))

  it("resumes a paused source", within(function(t)
    local src, feeder, dest, reader = two()
    src:pause()
    src:pipe(dest)
    assert.is_true(src.readableFlowing)
    assert.is_false(src:isPaused())
    drop(t, src, feeder, dest, reader)
  end))

  it("sends what arrives, and what was buffered before", within(function(t)
    local src, feeder, dest, reader = two()
    feeder:write("early ")
    wait(function() return src.readableLength == 6 end)
    local got = collect(reader)
    src:pipe(dest)
    feeder:finish("late")
    wait_for(reader, "close")
    assert.equal("early late", table.concat(got))
    t.run()
  end))

  it("ends the destination with the source, in Node's order", within(function(t)
    local src, feeder, dest, reader = two()
    local seen = follow(src, dest)
    local got = collect(reader)
    src:pipe(dest)
    feeder:finish("abc")
    t.run()
    assert.same({ "abc" }, got)
    assert.same({ "resume", "end", "pause", "prefinish", "finish", "close false" }, about(seen, "a"))
    assert.same({ "pipe socket", "prefinish", "finish", "unpipe socket table", "end",
      "close false" }, about(seen, "b"))
  end))

  it("carries 32 MiB byte for byte through a chain", within(function(t)
    local src, feeder, dest, reader = two()
    local got = {}
    src:pipe(dest)
    reader:on("data", function(chunk) got[#got + 1] = chunk end)
    feeder:finish(BIG)
    wait_for(reader, "close")
    assert.is_true(table.concat(got) == BIG)
    t.run()
  end))

  it("of a socket to itself is an echo (trace 27)", within(function(t)
    local socket, peer = pair()
    local seen, served = trace(socket, { "data" }), trace(peer)
    peer:pipe(peer)
    socket:finish("abc")
    t.run()
    assert.same({ "resume", "prefinish", "finish", "data abc", "end", "close false" }, seen)
    assert.same({ "pipe socket", "resume", "end", "prefinish", "finish", "pause",
      "unpipe socket table", "close false" }, served)
  end))

  it("of a Unix socket to itself is one too", within(function(t)
    local socket, peer = pair({ unix = true })
    peer:pipe(peer)
    local got = count(socket)
    socket:finish(BIG)
    t.run()
    assert.equal(#BIG, got.bytes)
  end))

  it("both ways makes a proxy", within(function(t)
    local client, front = pair()
    local back, server = pair()
    front:pipe(back)
    back:pipe(front)
    server:on("data", function(chunk) server:write(chunk:upper()) end)
    local got = collect(client)
    client:write("through")
    wait(function() return #got > 0 end)
    client:finish()
    t.run()
    assert.same({ "THROUGH" }, got)
    for _, socket in ipairs({ client, front, back, server }) do
      assert.is_true(socket.destroyed)
    end
  end))

  it("adds no listener that listenerCount would show", within(function(t)
    local src, feeder, dest, reader = two()
    src:pipe(dest)
    for _, event in ipairs({ "data", "end", "error", "close" }) do
      assert.equal(0, src:listenerCount(event), event)
    end
    for _, event in ipairs({ "unpipe", "close", "finish", "error", "drain" }) do
      assert.equal(0, dest:listenerCount(event), event)
    end
    assert.same({}, src:eventNames())
    drop(t, src, feeder, dest, reader)
  end))

  it("of a source not connected yet waits for it", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", function(peer)
      peer:finish("abc")
      server:close()
    end)
    local dest, reader = pair()
    local got = collect(reader)
    net.connect(where):pipe(dest)
    t.run()
    assert.same({ "abc" }, got)
  end))

  it("to a destination not connected yet waits for it", within(function(t)
    local server, where = sockets.listen()
    local got
    server:on("connection", function(peer)
      got = collect(peer)
      server:close()
    end)
    local src, feeder = pair()
    src:pipe(net.connect(where))
    feeder:finish("abc")
    t.run()
    assert.same({ "abc" }, got)
  end))

  it("sends text of a source with an encoding", within(function(t)
    local src, feeder, dest, reader = two()
    src:setEncoding("hex")
    src:pipe(dest)
    local got = collect(reader)
    feeder:finish("ab")
    t.run()
    assert.equal("6162", table.concat(got))
  end))

  it("from what is no socket says so, whatever it is to", function()
    for _, this in ipairs({ 5, "text", {}, events.EventEmitter(), net.createServer() }) do
      for _, dest in ipairs({ 5, {}, net.Socket() }) do
        assert.equal("ERR_INVALID_THIS", raised(net.Socket.pipe, this, dest).code)
      end
    end
  end)

  for name, bad in pairs({ ["nothing"] = "nothing", ["a number"] = 5, ["a plain table"] = {},
                           ["a string"] = "dest" }) do
    it("to " .. name .. " raises, and nothing has begun", within(function(t)
      local src, feeder = pair()
      local err = raised(src.pipe, src, bad ~= "nothing" and bad or nil)
      assert.equal("TypeError ERR_INVALID_ARG_TYPE", sockets.kind(err))
      assert.is_nil(src.readableFlowing)
      feeder:write("kept")
      assert.equal("kept", wait_for(src, "data"))
      drop(t, src, feeder)
    end))
  end
end)

describe("pipe(dest, {end = false})", function()
  it("leaves the destination open, and unpipes it", within(function(t)
    local src, feeder, dest, reader = two()
    local seen, got = follow(src, dest), collect(reader)
    src:pipe(dest, { ["end"] = false })
    feeder:finish("abc")
    wait_for(src, "close")
    assert.same({ "resume", "end", "pause", "prefinish", "finish", "close false" }, about(seen, "a"))
    assert.same({ "pipe socket", "unpipe socket table" }, about(seen, "b"))
    assert.is_true(dest.writable)
    dest:finish(" and more")
    wait_for(reader, "end")
    assert.equal("abc and more", table.concat(got))
    t.run()
  end))

  it("lets one source follow another", within(function(t)
    local one, feed_one, dest, reader = two()
    local other, feed_other = pair()
    local got = collect(reader)
    one:pipe(dest, { ["end"] = false })
    one:on("end", function() other:pipe(dest) end)
    feed_other:finish("second")
    feed_one:finish("first ")
    t.run()
    assert.equal("first second", table.concat(got))
  end))

  for _, options in ipairs({ { ["end"] = true }, {}, { ["end"] = nil } }) do
    it("is meant by false alone", within(function(t)
      local src, feeder, dest, reader = two()
      src:pipe(dest, options)
      reader:resume()
      feeder:finish()
      t.run()
      assert.is_true(dest.writableFinished)
    end))
  end
end)

describe("a source", function()
  it("that has ended already ends the destination, on a tick", within(function(t)
    local src, feeder, dest, reader = two({ client = HALF })
    feeder:finish()
    wait_for(src, "end")
    settle()
    local seen = follow(src, dest)
    reader:resume()
    src:pipe(dest)
    assert.is_true(dest.writable)
    process.nextTick(function() seen[#seen + 1] = "tick " .. tostring(dest.writable) end)
    wait_for(dest, "close")
    assert.same({ "b pipe socket", "a resume", "tick false" }, { table.unpack(seen, 1, 3) })
    assert.same({ "pipe socket", "prefinish", "finish", "unpipe socket table", "end",
      "close false" }, about(seen, "b"))
    drop(t, src)
  end))

  for name, err in pairs({ ["destroyed"] = false, ["errored"] = "mine" }) do
    it("that is " .. name .. " leaves the destination open and piped", within(function(t)
      local src, feeder, dest, reader = two()
      local seen = follow(src, dest)
      src:pipe(dest)
      src:destroy(err or nil)
      wait_for(src, "close")
      settle()
      assert.same({ "pipe socket" }, about(seen, "b"))
      assert.same({ true, false }, { dest.writable, dest.destroyed })
      dest:destroy()
      wait_for(dest, "close")
      assert.same({ "pipe socket", "close false", "unpipe socket table" }, about(seen, "b"))
      drop(t, feeder, reader)
    end))
  end

  it("that is reset leaves the destination open", within(function(t)
    local src, feeder, dest, reader = two()
    local seen = follow(src, dest)
    src:pipe(dest)
    feeder:resetAndDestroy()
    wait_for(src, "close")
    settle()
    assert.equal("error ECONNRESET", about(seen, "a")[2])
    assert.is_true(dest.writable)
    drop(t, dest, reader)
  end))
end)

describe("a destination", function()
  it("that closes is unpiped, and the source paused with what it has", within(function(t)
    local src, feeder, dest = two()
    local seen = follow(src, dest)
    src:pipe(dest)
    dest:destroy()
    wait_for(dest, "close")
    feeder:write("x")
    wait(function() return src.readableLength == 1 end)
    assert.same({ "pipe socket", "close false", "unpipe socket table" }, about(seen, "b"))
    assert.same({ false, true, false },
      { src.readableFlowing, src:isPaused(), src.destroyed })
    drop(t, src, feeder)
  end))

  it("that fails is unpiped before its 'error' is told (trace 29)", within(function(t)
    local src, feeder, dest = two()
    local seen = follow(src, dest)
    src:pipe(dest)
    dest:destroy("mine")
    wait_for(dest, "close")
    assert.same({ "b pipe socket", "a resume", "a pause", "b unpipe socket table", "b error mine",
      "b close true" }, seen)
    feeder:write("kept")
    wait(function() return src.readableLength == 4 end)
    assert.is_false(src.destroyed)
    drop(t, src, feeder)
  end))

  it("that fails with no listener of its own raises the error", within(function(t)
    local src, feeder, dest = two()
    local closed, mine = nil, raised(net.connect)
    dest:on("close", function(had_error) closed = had_error end)
    src:pipe(dest)
    dest:destroy(mine)
    local ok, err = pcall(wait, function() return closed ~= nil end)
    assert.same({ false, mine }, { ok, err })
    wait(function() return closed ~= nil end)
    assert.same({ true, false, true }, { closed, src.destroyed, src:isPaused() })
    drop(t, src, feeder)
  end))

  it("whose peer is gone fails by EPIPE or ECONNRESET, the source lives", within(function(t)
    local src, feeder, dest, reader = two()
    local seen = follow(src, dest)
    src:pipe(dest)
    reader:resetAndDestroy()
    feeder:write("x")
    wait_for(dest, "close")
    assert.equal("close true", about(seen, "b")[#about(seen, "b")])
    assert.is_false(src.destroyed)
    drop(t, src, feeder)
  end))

  it("that finishes by itself is unpiped", within(function(t)
    local src, feeder, dest, reader = two(nil, { server = HALF })
    local seen = follow(src, dest)
    src:pipe(dest)
    dest:finish()
    wait_for(dest, "finish")
    settle()
    assert.same({ "pipe socket", "prefinish", "finish", "unpipe socket table" }, about(seen, "b"))
    assert.equal("pause", about(seen, "a")[2])
    feeder:write("kept")
    wait(function() return src.readableLength == 4 end)
    drop(t, src, feeder, dest, reader)
  end))

  it("that was ended before fails with the first chunk", within(function(t)
    local src, feeder, dest, reader = two(nil, { server = HALF })
    dest:finish()
    wait_for(dest, "finish")
    local seen = follow(src, dest)
    src:pipe(dest)
    feeder:write("late")
    wait_for(dest, "close")
    assert.same({ "pipe socket", "unpipe socket table", "error ERR_STREAM_WRITE_AFTER_END",
      "close true" }, about(seen, "b"))
    assert.same({ "resume", "pause" }, about(seen, "a"))
    drop(t, src, feeder, reader)
  end))

  it("that was destroyed before pauses the source for ever, without an event", within(function(t)
    local src, feeder, dest, reader = two()
    dest:destroy()
    wait_for(dest, "close")
    local seen = follow(src, dest)
    src:pipe(dest)
    feeder:write("lost")
    wait(function() return src:isPaused() end)
    settle()
    assert.same({ "pipe socket" }, about(seen, "b"))
    assert.same({ "resume", "pause" }, about(seen, "a"))
    drop(t, src, feeder, reader)
  end))

  it("that raises in write() is destroyed with what it raised", within(function(t)
    local src, feeder, dest, reader = two()
    local seen = follow(src, dest)
    dest.write = function() error("mine", 0) end
    src:pipe(dest)
    feeder:write("x")
    wait_for(dest, "close")
    assert.same({ "pipe socket", "unpipe socket table", "error mine", "close true" },
      about(seen, "b"))
    assert.same({ false, false }, { src.destroyed, src.readableFlowing })
    drop(t, src, feeder, reader)
  end))

  it("piped twice gets each chunk twice; unpipe() removes one", within(function(t)
    local src, feeder, dest, reader = two()
    local got = count(reader)
    src:pipe(dest)
    src:pipe(dest)
    feeder:write("abc")
    wait(function() return got.bytes == 6 end)
    src:unpipe(dest)
    feeder:write("def")
    wait(function() return got.bytes == 9 end)
    settle()
    assert.equal(9, got.bytes)
    feeder:finish()
    t.run()
    assert.is_true(dest.writableFinished)
  end))

  it("may be any emitter with write and finish", within(function(t)
    local src, feeder = pair()
    local dest = events.EventEmitter()
    local got = {}
    function dest:write(chunk) -- luacheck: ignore 212
      got[#got + 1] = chunk
      return true
    end
    function dest:finish() got[#got + 1] = self == dest and "finished" end
    assert.equal(dest, src:pipe(dest))
    feeder:finish("abc")
    t.run()
    assert.same({ "abc", "finished" }, got)
  end))

  it("may be one that is slow: it says 'drain'", within(function(t)
    local src, feeder = pair()
    local dest = events.EventEmitter()
    local got = 0
    function dest:write(chunk)
      got = got + #chunk
      process.nextTick(function() self:emit("drain") end)
      return false
    end
    function dest.finish() got = got .. " finished" end
    src:pipe(dest)
    feeder:finish(("x"):rep(300000))
    t.run()
    assert.equal("300000 finished", got)
  end))
end)

describe("a slow reader", function()
  it("pauses the source, which reads no more than its buffer", within(function(t)
    local src, feeder, dest, reader = two()
    local seen = follow(src, dest)
    src:pipe(dest)
    feeder:write(BIG) -- more than all kernel buffers take
    wait(function() return dest.writableNeedDrain and src.readableLength >= 65536 end)
    settle()
    assert.same({ false, true }, { src.readableFlowing, src:isPaused() })
    assert.is_true(src.readableLength < 2 * 65536)
    assert.is_true(dest.writableLength < 8 * 65536)
    assert.same({ "resume", "pause" }, about(seen, "a"))
    drop(t, src, feeder, dest, reader)
  end))

  it("that reads again has all of it in the end", within(function(t)
    local src, feeder, dest, reader = two()
    src:pipe(dest)
    feeder:finish(BIG)
    wait(function() return dest.writableNeedDrain and src.readableLength >= 65536 end)
    local got, paused = {}, 0
    reader:on("data", function(chunk)
      got[#got + 1] = chunk
      if #got % 50 == 0 then
        paused = paused + 1
        reader:pause()
        process.nextTick(function() reader:resume() end)
      end
    end)
    t.run()
    assert.is_true(table.concat(got) == BIG)
    assert.is_true(paused > 0)
  end))

  it("that needs 'drain' already has the source paused from the start", within(function(t)
    local src, feeder, dest, reader = two()
    fill(dest)
    local seen = follow(src, dest)
    src:pipe(dest)
    assert.is_false(src.readableFlowing)
    assert.same({ "b pipe socket", "a pause" }, seen)
    feeder:write("x")
    wait(function() return src.readableLength == 1 end)
    reader:resume()
    wait_for(dest, "drain")
    assert.is_true(src.readableFlowing)
    wait(function() return src.readableLength == 0 end)
    drop(t, src, feeder, dest, reader)
  end))

  it("holds the other destinations back, until all have drained", within(function(t)
    local src, feeder, dest, reader = two()
    local other, slow = pair()
    src:pipe(dest)
    src:pipe(other)
    local got = count(reader)
    feeder:finish(BIG)
    wait(function() return other.writableNeedDrain and not src.readableFlowing end)
    settle()
    assert.is_true(got.bytes < #BIG)
    assert.is_false(src.readableFlowing)
    local slow_got = count(slow)
    t.run()
    assert.same({ #BIG, #BIG }, { got.bytes, slow_got.bytes })
  end))

  for name, act in pairs({
    ["unpiped"] = function(src, slow) src:unpipe(slow) end,
    ["destroyed"] = function(_, slow) slow:destroy() end,
    ["destroyed with an error"] = function(_, slow)
      slow:on("error", function() end)
      slow:destroy("mine")
    end,
  }) do
    it("that is " .. name .. " sets the others free", within(function(t)
      local src, feeder, dest, reader = two()
      local other, slow = pair()
      src:pipe(dest)
      src:pipe(other)
      local got = count(reader)
      feeder:finish(BIG)
      wait(function() return other.writableNeedDrain and not src.readableFlowing end)
      act(src, other)
      wait_for(reader, "end")
      assert.equal(#BIG, got.bytes)
      drop(t, other, slow)
    end))
  end
end)

describe("many destinations", function()
  it("get the same bytes, and all end", within(function(t)
    local src, feeder = pair()
    local got = {}
    for i = 1, 10 do
      local dest, reader = pair()
      got[i] = count(reader)
      src:pipe(dest)
    end
    feeder:finish(("x"):rep(1 << 20))
    t.run()
    for i = 1, 10 do
      assert.equal(1 << 20, got[i].bytes)
    end
  end))

  it("go on when one of them is unpiped", within(function(t)
    local src, feeder, dest, reader = two()
    local other, last = pair()
    local got = collect(last)
    src:pipe(dest)
    src:pipe(other)
    src:unpipe(dest)
    assert.is_true(src.readableFlowing)
    feeder:write("x")
    wait(function() return #got == 1 end)
    assert.equal(0, reader.bytesRead)
    drop(t, src, feeder, dest, reader, other, last)
  end))
end)

describe("unpipe()", function()
  it("tells the destination, with the source, and pauses it", within(function(t)
    local src, feeder, dest, reader = two()
    local told
    dest:on("unpipe", function(source, info) told = { source, info.hasUnpiped } end)
    src:pipe(dest)
    local seen = trace(src)
    assert.equal(src, src:unpipe(dest))
    assert.equal(src, told[1])
    assert.same({ "pause" }, seen)
    assert.same({ false, true }, { src.readableFlowing, src:isPaused() })
    feeder:write("kept")
    wait(function() return src.readableLength == 4 end)
    drop(t, src, feeder, dest, reader)
  end))

  it("without a destination ends all pipes, the source pauses first", within(function(t)
    local src, feeder, dest, reader = two()
    local other, last = pair()
    local seen = follow(src, dest)
    trace(other, nil, seen, "c")
    src:pipe(dest)
    src:pipe(other)
    assert.equal(src, src:unpipe())
    assert.same({ "b pipe socket", "c pipe socket", "a pause", "b unpipe socket table",
      "c unpipe socket table" }, seen)
    drop(t, src, feeder, dest, reader, other, last)
  end))

  it("of an unknown destination does nothing", within(function(t)
    local src, feeder, dest, reader = two()
    local seen = follow(src, dest)
    assert.equal(src, src:unpipe(dest))
    assert.equal(src, src:unpipe())
    src:pipe(dest)
    assert.equal(src, src:unpipe(feeder))
    assert.same({ "b pipe socket" }, seen)
    assert.is_true(src.readableFlowing)
    drop(t, src, feeder, dest, reader)
  end))

  it("twice is as once", within(function(t)
    local src, feeder, dest, reader = two()
    dest:on("unpipe", t.calls(1))
    src:pipe(dest)
    src:unpipe(dest)
    src:unpipe(dest)
    drop(t, src, feeder, dest, reader)
  end))

  it("in a listener of 'data' stops at once, and the chunk is still sent", within(function(t)
    local src, feeder, dest, reader = two()
    local got = collect(reader)
    src:on("data", function() src:unpipe(dest) end)
    src:pipe(dest)
    feeder:write("abc")
    wait(function() return #got > 0 end)
    assert.same({ "abc" }, got)
    feeder:write("kept")
    wait(function() return src.readableLength == 4 end)
    drop(t, src, feeder, dest, reader)
  end))

  it("in a listener of 'pipe' undoes it", within(function(t)
    local src, feeder, dest, reader = two()
    dest:on("pipe", function() src:unpipe(dest) end)
    src:pipe(dest)
    feeder:write("abc")
    settle()
    assert.equal(0, reader.bytesRead)
    drop(t, src, feeder, dest, reader)
  end))

  it("in a listener of 'unpipe' has no effect", within(function(t)
    local src, feeder, dest, reader = two()
    dest:on("unpipe", t.calls(1, function() src:unpipe(dest) end))
    src:pipe(dest)
    src:unpipe(dest)
    drop(t, src, feeder, dest, reader)
  end))

  it("and pipe() again goes on where it stopped", within(function(t)
    local src, feeder, dest, reader = two()
    local got = count(reader)
    src:pipe(dest)
    feeder:finish(BIG)
    wait(function() return got.bytes > 1 << 20 end)
    src:unpipe(dest)
    wait(function() return src.readableLength > 0 end)
    src:pipe(dest)
    t.run()
    assert.equal(#BIG, got.bytes)
  end))

  it("lets go of the destination", within(function(t)
    local src, feeder = pair()
    local weak = setmetatable({}, { __mode = "k" })
    do
      local dest, reader = pair()
      weak[dest] = true
      src:pipe(dest)
      src:unpipe(dest)
      drop({ run = function() end }, dest, reader)
      wait(function() return dest.destroyed end)
      settle()
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
    drop(t, src, feeder)
  end))
end)
