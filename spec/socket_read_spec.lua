-- SPDX-License-Identifier: MIT

--- How what arrives reaches the program: chunks, flowing and paused, 'readable'
--- and read(), unshift(), text, onread.

local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local pair, wait, wait_for, settle = sockets.pair, sockets.wait, sockets.wait_for, sockets.settle
local trace, raised, kind = sockets.trace, sockets.raised, sockets.kind

--- Has `peer` send `data`, and waits until `socket` has it in its buffer.
local function buffer(socket, peer, data)
  local length = socket.readableLength + #data
  peer:write(data)
  wait(function() return socket.readableLength == length end)
end

--- Two sockets of which the first has `data` in its buffer, unread.
local function buffered(data, options)
  local socket, peer = pair(options)
  buffer(socket, peer, data)
  return socket, peer
end

--- Everything that 'data' brings from now on, as one string.
local function collect(socket)
  local got = {}
  socket:on("data", function(chunk) got[#got + 1] = chunk end)
  return got
end

--- Two sockets of which the first has `data` in its buffer, and has read the end too.
local function ended(data, options)
  local socket, peer = buffered(data, options)
  peer:finish()
  wait(function() return not socket:unshift("") end)  -- no more is wanted
  return socket, peer
end

local function drop(t, ...)
  for i = 1, select("#", ...) do
    (select(i, ...)):destroy()
  end
  t.run()
end

local function turn(holds)
  timers.setImmediate(function() holds.over = true end)
  wait(function() return holds.over end)
end

describe("a chunk", function()
  it("is exactly the bytes that came, whatever they are", within(function(t)
    local socket, peer = pair()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    all = table.concat(all)
    peer:write(all)
    assert.equal(all, wait_for(socket, "data"))
    drop(t, socket, peer)
  end))

  it("has at most 65536 bytes", within(function(t)
    local socket, peer = pair()
    local sent, total = ("0123456789abcdef"):rep(1 << 16), 0
    socket:on("data", function(chunk)
      assert.is_true(#chunk <= 65536 and #chunk > 0)
      assert.equal(sent:sub(total + 1, total + #chunk), chunk)
      total = total + #chunk
    end)
    peer:finish(sent)
    wait_for(socket, "close")
    assert.equal(#sent, total)
    t.run()
  end))

  it("is delivered at once to a listener of a flowing socket", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:resume()
    wait_for(socket, "resume")
    socket:on("data", function(chunk)
      seen[#seen + 1] = { chunk, socket.readableLength, socket.bytesRead }
    end)
    peer:write("abc")
    wait(function() return #seen > 0 end)
    assert.same({ { "abc", 0, 3 } }, seen)
    drop(t, socket, peer)
  end))
end)

describe("data that came before the first listener", function()
  for _, event in ipairs({ "data", "readable" }) do
    it("is kept for a late listener of '" .. event .. "'", within(function(t)
      local socket, peer = buffered("early")
      assert.is_nil(socket.readableFlowing)
      if event == "data" then
        assert.equal("early", wait_for(socket, "data"))
      else
        wait_for(socket, "readable")
        assert.equal("early", socket:read())
      end
      drop(t, socket, peer)
    end))
  end

  it("is kept by an accepted socket as well", within(function(t)
    local server, where = sockets.listen()
    local peer
    server:on("connection", function(socket) peer = socket server:close() end)
    local client = net.connect(where)
    client:write("early")
    wait(function() return peer and peer.readableLength == 5 end)
    assert.equal("early", wait_for(peer, "data"))
    drop(t, client, peer)
  end))

  it("stays in order with what comes later", within(function(t)
    local socket, peer = buffered("one ")
    local got = collect(socket)
    peer:finish("two")
    wait_for(socket, "end")
    assert.equal("one two", table.concat(got))
    t.run()
  end))

  it("keeps 'end' waiting until it is read", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:finish("bye")
    wait(function() return socket.readableLength == 3 end)
    settle()
    assert.same({}, seen)
    socket:resume()
    t.run()
    assert.same({ "resume", "end", "prefinish", "finish", "close false" }, seen)
  end))
end)

describe("backpressure", function()
  it("stops the reading of a socket that nobody reads at one buffer", within(function(t)
    local socket, peer = pair()
    local total = sockets.fill(peer)
    wait(function() return socket.readableLength >= 65536 end)
    settle()
    local held = socket.readableLength
    assert.is_true(held < 2 * 65536, held .. " bytes are held")
    assert.equal(held, socket.bytesRead)
    assert.is_true(peer.writableLength > 0)
    local got = 0
    socket:on("data", function(chunk) got = got + #chunk end)
    peer:finish()
    wait_for(socket, "close")
    assert.equal(total, got)
    t.run()
  end))

  it("goes by readableHighWaterMark", within(function(t)
    local socket, peer = pair({ client = { highWaterMark = 16 } })
    buffer(socket, peer, "0123456789")
    buffer(socket, peer, "0123456789")
    peer:write("not read any more")
    settle()
    assert.same({ 20, 20 }, { socket.readableLength, socket.bytesRead })
    drop(t, socket, peer)
  end))

  it("stops at exactly the mark", within(function(t)
    local socket, peer = pair({ client = { highWaterMark = 4 } })
    buffer(socket, peer, "1234")
    peer:write("5")
    settle()
    assert.equal(4, socket.bytesRead)
    drop(t, socket, peer)
  end))

  it("lets a socket with mark 0 read when asked", within(function(t)
    local socket, peer = pair({ client = { highWaterMark = 0 } })
    local got = collect(socket)
    peer:write("abc")
    wait(function() return #got > 0 end)
    peer:finish("def")
    wait_for(socket, "end")
    assert.equal("abcdef", table.concat(got))
    t.run()
  end))

  it("holds back a paused socket in the middle of a stream", within(function(t)
    local socket, peer = pair()
    local got = 0
    socket:on("data", function(chunk)
      if got == 0 then
        socket:pause()
      end
      got = got + #chunk
    end)
    local total = sockets.fill(peer)
    wait(function() return got > 0 and socket.readableLength >= 65536 end)
    settle()
    assert.is_true(got <= 65536)
    assert.is_true(socket.readableLength < 2 * 65536)
    assert.equal(got + socket.readableLength, socket.bytesRead)
    socket:resume()
    peer:finish()
    wait_for(socket, "close")
    assert.equal(total, got)
    t.run()
  end))

  it("leaves the writer's bytes where they are: 'drain' comes when they are read", within(function(t)
    local socket, peer = pair()
    sockets.fill(peer)
    local drained = false
    peer:on("drain", function() drained = true end)
    settle()
    assert.is_false(drained)
    socket:resume()
    wait(function() return drained end)
    assert.equal(0, peer.writableLength)
    drop(t, socket, peer)
  end))
end)

describe("'data'", function()
  it("makes a new socket flow at once, and 'resume' follows on a tick", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    assert.is_nil(socket.readableFlowing)
    collect(socket)
    assert.is_true(socket.readableFlowing)
    assert.same({}, seen)
    local over = {}
    turn(over)
    assert.same({ "resume" }, seen)
    drop(t, socket, peer)
  end))

  it("delivers what is buffered on a tick, not inside on()", within(function(t)
    local socket, peer = buffered("abc")
    local got = collect(socket)
    assert.same({}, got)
    wait(function() return #got > 0 end)
    assert.same({ "abc" }, got)
    drop(t, socket, peer)
  end))

  it("does not start a paused socket", within(function(t)
    local socket, peer = buffered("abc")
    socket:pause()
    local got = collect(socket)
    assert.is_false(socket.readableFlowing)
    settle()
    assert.same({}, got)
    socket:resume()
    wait(function() return #got > 0 end)
    assert.same({ "abc" }, got)
    drop(t, socket, peer)
  end))

  it("reaches several listeners in their order", within(function(t)
    local socket, peer = pair()
    local seen = {}
    for i = 1, 3 do
      socket:on("data", function(chunk) seen[#seen + 1] = i .. chunk end)
    end
    peer:write("x")
    wait(function() return #seen == 3 end)
    assert.same({ "1x", "2x", "3x" }, seen)
    drop(t, socket, peer)
  end))

  it("stops at once when a listener pauses, and the rest waits", within(function(t)
    local socket, peer = buffered("abc")
    buffer(socket, peer, "def")
    local seen = {}
    socket:on("data", function(chunk)
      seen[#seen + 1] = chunk
      socket:pause()
    end)
    wait(function() return #seen > 0 end)
    settle()
    assert.same({ "abc" }, seen)
    assert.equal(3, socket.readableLength)
    socket:resume()
    wait(function() return #seen > 1 end)
    assert.same({ "abc", "def" }, seen)
    drop(t, socket, peer)
  end))

  it("is lost when the last listener has gone: the socket flows on", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    local function listener(chunk)
      seen[#seen + 1] = chunk
      socket:off("data", listener)
    end
    socket:on("data", listener)
    peer:write("one")
    wait(function() return socket.bytesRead == 3 end)
    assert.is_true(socket.readableFlowing)
    peer:finish("lost")
    t.run()
    assert.same({ "resume", "one", "end", "prefinish", "finish", "close false" }, seen)
    assert.same({ 7, 0 }, { socket.bytesRead, socket.readableLength })
  end))

  it("comes no more after destroy() in a listener, and no 'end' does", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:on("data", function(chunk)
      seen[#seen + 1] = chunk
      socket:destroy()
    end)
    peer:finish("one")
    t.run()
    assert.same({ "resume", "one", "close false" }, seen)
  end))

  -- As in Node, where the loop that empties the buffer does not look.
  it("that was buffered before destroy() in a listener is still told", within(function(t)
    local socket, peer = buffered("one")
    buffer(socket, peer, "two")
    local seen = trace(socket)
    socket:on("data", function(chunk)
      seen[#seen + 1] = chunk
      socket:destroy()
    end)
    peer:finish()
    t.run()
    assert.same({ "resume", "one", "two", "close false" }, seen)
  end))

  it("goes on after a listener has raised", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:once("data", function() error("mine", 0) end)
    socket:on("data", function(chunk) seen[#seen + 1] = chunk end)
    peer:write("one")
    local ok, err = pcall(wait, function() return false end)
    assert.same({ false, "mine" }, { ok, err })
    peer:finish("two")
    t.run()
    assert.same({ "resume", "two", "end", "prefinish", "finish", "close false" }, seen)
  end))
end)

describe("resume()", function()
  it("makes a new socket flow at once, 'resume' comes on a tick", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:resume()
    assert.is_true(socket.readableFlowing)
    assert.same({}, seen)
    process.nextTick(function() seen[#seen + 1] = "tick" end)
    turn({})
    assert.same({ "resume", "tick" }, seen)
    drop(t, socket, peer)
  end))

  it("says nothing when the socket flows already", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:resume()
    socket:resume()
    turn({})
    socket:resume()
    turn({})
    assert.same({ "resume" }, seen)
    drop(t, socket, peer)
  end))

  it("throws data away when nobody listens", within(function(t)
    local socket, peer = buffered("lost")
    socket:resume()
    wait(function() return socket.readableLength == 0 end)
    assert.equal(4, socket.bytesRead)
    drop(t, socket, peer)
  end))

  it("leaves flowing false while somebody listens to 'readable'", within(function(t)
    local socket, peer = pair()
    socket:on("readable", function() end)
    socket:resume()
    assert.is_false(socket.readableFlowing)
    assert.is_false(socket.readableLength > 0)
    drop(t, socket, peer)
  end))

  it("does nothing to a destroyed socket", within(function(t)
    local socket = net.Socket()
    socket:destroy()
    local seen = trace(socket)
    assert.equal(socket, socket:resume())
    assert.is_nil(socket.readableFlowing)
    t.run()
    assert.same({ "close" }, seen)
  end))

  it("before connect has the data flow from the start", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", function(peer) peer:finish("abc") server:close() end)
    local socket = net.connect(where)
    local seen = trace(socket)
    socket:resume()
    t.run()
    assert.same({ "resume", "connect", "ready", "end", "prefinish", "finish", "close false" }, seen)
    assert.equal(3, socket.bytesRead)
  end))
end)

describe("pause()", function()
  it("says 'pause' inside the call, once", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:pause()
    assert.same({ "pause" }, seen)
    socket:pause()
    assert.same({ "pause" }, seen)
    assert.same({ false, true }, { socket.readableFlowing, socket:isPaused() })
    drop(t, socket, peer)
  end))

  it("and resume() in one tick leave 'pause' and a 'resume'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:resume()
    socket:pause()
    socket:resume()
    turn({})
    assert.same({ "pause", "resume" }, seen)
    assert.is_true(socket.readableFlowing)
    drop(t, socket, peer)
  end))

  it("stops 'data', but not the filling of the buffer", within(function(t)
    local socket, peer = pair()
    local got = collect(socket)
    peer:write("a")
    wait(function() return #got == 1 end)
    socket:pause()
    peer:write("bc")
    wait(function() return socket.readableLength == 2 end)
    assert.same({ "a" }, got)
    drop(t, socket, peer)
  end))

  it("before connect keeps reading from ever starting", within(function(t)
    local server, where = sockets.listen()
    local peer
    server:on("connection", function(s) peer = s peer:finish("bye") server:close() end)
    local socket = net.connect(where):pause()
    local seen = trace(socket, { "data" })
    wait(function() return peer and #seen >= 2 end)
    settle()
    assert.same({ "connect", "ready" }, seen)
    assert.same({ 0, 0 }, { socket.bytesRead, socket.readableLength })
    socket:resume()
    t.run()
    assert.same({ "connect", "ready", "resume", "data bye", "end", "prefinish", "finish",
      "close false" }, seen)
  end))

  it("does nothing to a destroyed socket", within(function(t)
    local socket = net.Socket()
    socket:destroy()
    local seen = trace(socket)
    assert.equal(socket, socket:pause())
    assert.is_nil(socket.readableFlowing)
    assert.is_false(socket:isPaused())
    t.run()
    assert.same({ "close" }, seen)
  end))

  it("by pauseOnConnect reads nothing until resume()", within(function(t)
    local server, where = sockets.listen({ server = { pauseOnConnect = true } })
    local peer
    server:on("connection", function(s) peer = s server:close() end)
    local client = net.connect(where)
    client:finish("abc")
    client:resume()
    wait(function() return peer end)
    local seen = trace(peer, { "data" })
    assert.same({ false, true }, { peer.readableFlowing, peer:isPaused() })
    settle()
    assert.same({}, seen)
    assert.equal(0, peer.bytesRead)
    peer:resume()
    t.run()
    assert.same({ "resume", "data abc", "end", "prefinish", "finish", "close false" }, seen)
  end))
end)

describe("isPaused()", function()
  it("is false on a new socket", function()
    assert.is_false(net.Socket():isPaused())
  end)

  it("is true after pause() and false after resume()", function()
    local socket = net.Socket()
    assert.is_true(socket:pause():isPaused())
    assert.is_false(socket:resume():isPaused())
  end)

  it("is true after on('readable')", function()
    local socket = net.Socket()
    socket:on("readable", function() end)
    assert.is_true(socket:isPaused())
  end)
end)

describe("removing listeners", function()
  it("of 'readable' has 'data' flow again, on a tick", within(function(t)
    local socket, peer = pair()
    local got = collect(socket)
    local function listener() end
    socket:on("readable", listener)
    assert.is_false(socket.readableFlowing)
    socket:off("readable", listener)
    assert.is_false(socket.readableFlowing)
    turn({})
    assert.is_true(socket.readableFlowing)
    peer:write("x")
    wait(function() return #got > 0 end)
    drop(t, socket, peer)
  end))

  it("of 'readable' leaves flowing nil without a listener of 'data'", within(function(t)
    local socket, peer = pair()
    local function listener() end
    socket:on("readable", listener)
    socket:off("readable", listener)
    assert.is_false(socket.readableFlowing)
    turn({})
    assert.is_nil(socket.readableFlowing)
    drop(t, socket, peer)
  end))

  it("of 'readable' by removeAllListeners() does the same", within(function(t)
    local socket, peer = pair()
    socket:on("readable", function() end)
    socket:removeAllListeners("readable")
    turn({})
    assert.is_nil(socket.readableFlowing)
    drop(t, socket, peer)
  end))

  it("of 'readable' changes nothing while one is left", within(function(t)
    local socket, peer = pair()
    local function listener() end
    socket:on("readable", listener)
    socket:on("readable", function() end)
    socket:off("readable", listener)
    turn({})
    assert.is_false(socket.readableFlowing)
    drop(t, socket, peer)
  end))

  it("of 'readable' that are not there has it flow again, a turn later", within(function(t)
    for how, remove in pairs({
      off = function(socket) socket:off("readable", function() end) end,
      removeAllListeners = function(socket) socket:removeAllListeners("readable") end,
    }) do
      local socket, peer = pair()
      collect(socket)
      socket:pause()
      remove(socket)
      assert.is_false(socket.readableFlowing, how)
      turn({})
      assert.is_true(socket.readableFlowing, how)
      drop(t, socket, peer)
    end
  end))

  it("of 'data' by removeAllListeners() loses what comes, and what is put back", within(function(t)
    local socket, peer = pair()
    collect(socket)
    turn({})
    socket:removeAllListeners("data")
    assert.is_true(socket:unshift("lost"))
    assert.equal(0, socket.readableLength)
    assert.is_true(socket.readableDidRead)
    drop(t, socket, peer)
  end))

  it("of 'data' leaves the socket flowing", within(function(t)
    local socket, peer = pair()
    local function listener() end
    socket:on("data", listener)
    socket:off("data", listener)
    turn({})
    assert.is_true(socket.readableFlowing)
    drop(t, socket, peer)
  end))
end)

describe("prependListener()", function()
  it("of 'data' or 'readable' neither starts nor stops the flow", within(function(t)
    for _, event in ipairs({ "data", "readable" }) do
      for _, method in ipairs({ "prependListener", "prependOnceListener" }) do
        local idle, flowing, peer = net.Socket(), pair()
        flowing:resume()
        idle[method](idle, event, function() end)
        flowing[method](flowing, event, function() end)
        turn({})
        assert.is_nil(idle.readableFlowing)
        assert.is_true(flowing.readableFlowing)
        drop(t, flowing, peer)
      end
    end
  end))

  it("of 'data' hears what somebody else makes flow", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:prependListener("data", function(chunk) seen[#seen + 1] = chunk end)
    socket:resume()
    peer:write("abc")
    wait(function() return #seen > 0 end)
    assert.same({ "abc" }, seen)
    drop(t, socket, peer)
  end))
end)

describe("'readable'", function()
  it("stops the flow, and wins over 'data'", within(function(t)
    local socket, peer = pair()
    local got = collect(socket)
    socket:on("readable", t.calls(1))
    assert.is_false(socket.readableFlowing)
    peer:write("abc")
    wait(function() return socket.readableLength == 3 end)
    settle()
    assert.same({}, got)
    drop(t, socket, peer)
  end))

  it("comes on a tick when data is there already", within(function(t)
    local socket, peer = buffered("abc")
    local seen = {}
    socket:on("readable", function() seen[#seen + 1] = "readable" end)
    assert.same({}, seen)
    process.nextTick(function() seen[#seen + 1] = "tick" end)
    turn({})
    assert.same({ "readable", "tick" }, seen)
    drop(t, socket, peer)
  end))

  it("comes once for a burst, with all of it", within(function(t)
    local socket, peer = buffered("abc")
    buffer(socket, peer, "def")
    local seen = {}
    socket:on("readable", function()
      seen[#seen + 1] = socket.readableLength
    end)
    settle()
    assert.same({ 6 }, seen)
    drop(t, socket, peer)
  end))

  it("comes again when more arrives though the rest was left", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:on("readable", function() seen[#seen + 1] = socket.readableLength end)
    peer:write("ab")
    wait(function() return #seen == 1 end)
    peer:write("cd")
    wait(function() return #seen == 2 end)
    assert.same({ 2, 4 }, seen)
    drop(t, socket, peer)
  end))

  it("comes of the next connection too, though it began in there, with bytes unread", within(function(t)
    local server, where = sockets.listen({})
    server:on("connection", function(peer)
      peer:on("error", function() end)
      peer:finish("abcdef")
    end)
    local socket, rounds = net.connect(where), 0
    local seen = {}
    socket:on("readable", function()
      rounds = rounds + 1
      if rounds == 1 then
        socket:destroy()
        socket:connect(where)
      else
        seen[#seen + 1] = socket:read()
      end
    end)
    wait_for(socket, "end")
    server:close()
    t.run()
    assert.same({ "abcdef" }, seen)
  end))

  it("comes once more at the end, when read() has nothing", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:on("readable", function()
      local chunk = socket:read()
      seen[#seen + 1] = "readable " .. tostring(chunk)
      while chunk do chunk = socket:read() end
    end)
    peer:write("abc")
    wait(function() return #seen == 1 end)
    peer:write("de")
    wait(function() return #seen == 2 end)
    peer:finish()
    t.run()
    assert.same({ "readable abc", "readable de", "readable nil", "end", "prefinish", "finish",
      "close false" }, seen)
  end))

  it("comes at the end of an empty stream", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:on("readable", function() seen[#seen + 1] = "readable " .. tostring(socket:read()) end)
    peer:finish()
    t.run()
    assert.same({ "readable nil", "end", "prefinish", "finish", "close false" }, seen)
  end))

  it("has 'data' told by each read(), inside it", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:on("data", function(chunk) seen[#seen + 1] = "data " .. chunk end)
    socket:on("readable", function()
      seen[#seen + 1] = "before"
      local chunk = socket:read()
      seen[#seen + 1] = "read " .. tostring(chunk)
    end)
    peer:write("abc")
    wait(function() return #seen == 3 end)
    assert.same({ "before", "data abc", "read abc" }, seen)
    drop(t, socket, peer)
  end))

  it("once, and then 'data', work together", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:once("readable", function()
      seen[#seen + 1] = "readable"
      socket:on("data", function(chunk) seen[#seen + 1] = chunk end)
    end)
    peer:write("abc")
    wait(function() return #seen == 2 end)
    peer:write("def")
    wait(function() return #seen == 3 end)
    assert.same({ "readable", "abc", "def" }, seen)
    drop(t, socket, peer)
  end))

  it("is not told after destroy()", within(function(t)
    local socket, peer = buffered("abc")
    socket:on("readable", t.calls(0))
    socket:destroy()
    drop(t, peer)
  end))

  it("may destroy the socket", within(function(t)
    local socket, peer = buffered("abc")
    local seen = trace(socket)
    socket:on("readable", t.calls(1, function() socket:destroy() end))
    peer:finish()
    t.run()
    assert.same({ "close false" }, seen)
  end))
end)

describe("read()", function()
  it("is nil when there is nothing", within(function(t)
    local socket, peer = pair()
    assert.is_nil(socket:read())
    drop(t, socket, peer)
  end))

  it("is nil on a socket that was never connected", function()
    assert.is_nil(net.Socket():read())
  end)

  it("gives the first chunk that came", within(function(t)
    local socket, peer = buffered("abc")
    buffer(socket, peer, "def")
    assert.same({ "abc", "def" }, { socket:read(), socket:read() })
    assert.is_nil(socket:read())
    assert.equal(0, socket.readableLength)
    drop(t, socket, peer)
  end))

  it("gives all there is, joined, when there is an encoding", within(function(t)
    local socket, peer = pair()
    socket:setEncoding("latin1")
    buffer(socket, peer, "abc")
    buffer(socket, peer, "def")
    assert.equal("abcdef", socket:read())
    drop(t, socket, peer)
  end))

  it("gives exactly the bytes asked for, over several chunks", within(function(t)
    local socket, peer = buffered("abc")
    buffer(socket, peer, "def")
    assert.same({ "ab", "cde", "f" }, { socket:read(2), socket:read(3), socket:read(1) })
    drop(t, socket, peer)
  end))

  it("gives nil while fewer bytes are there, and takes none", within(function(t)
    local socket, peer = buffered("abc")
    assert.is_nil(socket:read(4))
    assert.equal(3, socket.readableLength)
    buffer(socket, peer, "d")
    assert.equal("abcd", socket:read(4))
    drop(t, socket, peer)
  end))

  it("gives the rest when the stream has ended", within(function(t)
    local socket, peer = pair()
    local got
    socket:on("readable", function() got = got or socket:read(10) end)
    peer:finish("abc")
    t.run()
    assert.equal("abc", got)
  end))

  it("of more than the mark raises the mark to a power of two", within(function(t)
    local socket, peer = pair({ client = { highWaterMark = 8 } })
    assert.is_nil(socket:read(9))
    assert.equal(16, socket.readableHighWaterMark)
    peer:write("0123456789abcdef")
    wait(function() return socket.readableLength >= 9 end)
    assert.equal("012345678", socket:read(9))
    drop(t, socket, peer)
  end))

  it("of more than the mark gets it in the end", within(function(t)
    local socket, peer = pair()
    local sent = ("0123456789abcdef"):rep(20000)
    local got
    socket:on("readable", function() got = got or socket:read(#sent) end)
    peer:write(sent)
    wait(function() return got end)
    assert.is_true(got == sent)
    drop(t, socket, peer)
  end))

  it("of exactly 1 GiB is allowed, of more raises", function()
    local socket = net.Socket()
    assert.is_nil(socket:read(1 << 30))
    local err = raised(socket.read, socket, (1 << 30) + 1)
    assert.equal("RangeError ERR_OUT_OF_RANGE", kind(err))
    assert.equal('The value of "size" is out of range. It must be <= 1GiB. Received 1073741825',
      err.message)
  end)

  it("of more is allowed up to the mark", function()
    local socket = net.Socket({ highWaterMark = 2.0 ^ 70 })
    for _, n in ipairs({ 1 << 40, 2.0 ^ 63, 1e300 }) do
      assert.is_nil(socket:read(n))
    end
  end)

  for given, shown in pairs({
    [1e300] = "1e+_300", [2.0 ^ 63] = "9_223_372_036_854_776_000", [2.0 ^ 31 + 0.5] = "2147483648",
    [math.maxinteger] = "9_223_372_036_854_775_807",
  }) do
    it(("of %s raises with what was given"):format(given), function()
      assert.equal('The value of "size" is out of range. It must be <= 1GiB. Received ' .. shown,
        raised(net.Socket().read, net.Socket(), given).message)
    end)
  end

  it("of a fraction takes what JavaScript reads of it", function()
    local socket = net.Socket()
    socket:unshift("abcdefghijklm")
    assert.same({ "a", "b", "cdefg" }, { socket:read(1.9), socket:read(1e-300), socket:read(5.5e-7) })
    assert.same({}, { socket:read(0.9), socket:read(-0.0), socket:read(-1e-7), socket:read(-2.5) })
    assert.same({ "hijklm" }, { socket:read(0 / 0) })
  end)

  for _, n in ipairs({ 0, -1, -1000 }) do
    it(("of %d is nil, and takes nothing"):format(n), within(function(t)
      local socket, peer = buffered("abc")
      assert.is_nil(socket:read(n))
      assert.equal(3, socket.readableLength)
      drop(t, socket, peer)
    end))
  end

  it("tells 'data' what it returned", within(function(t)
    local socket, peer = buffered("abc")
    local seen = {}
    socket:pause()
    socket:on("data", function(chunk) seen[#seen + 1] = chunk end)
    assert.equal("ab", socket:read(2))
    assert.same({ "ab" }, seen)
    drop(t, socket, peer)
  end))

  it("has the socket read on when the buffer was full", within(function(t)
    local socket, peer = pair({ client = { highWaterMark = 4 } })
    buffer(socket, peer, "abcd")
    peer:write("efgh")
    settle()
    assert.equal(4, socket.bytesRead)
    assert.equal("abcd", socket:read())
    wait(function() return socket.readableLength == 4 end)
    assert.equal("efgh", socket:read())
    drop(t, socket, peer)
  end))

  it("of what was buffered still works after 'end' was held back", within(function(t)
    local socket, peer = pair()
    peer:finish("abc")
    wait(function() return socket.readableLength == 3 end)
    settle()
    assert.equal("abc", socket:read())
    wait_for(socket, "end")
    t.run()
  end))

  it("refuses a count that is no number", function()
    -- Node: NaN, hence as without a count.
    assert.is_nil(net.Socket():read("x"))
  end)
end)

describe("unshift()", function()
  it("puts bytes before the buffered ones", within(function(t)
    local socket, peer = buffered("abcdef")
    assert.equal("abcd", socket:read(4))
    assert.is_nil(socket:read(4))
    assert.is_true(socket:unshift("XY"))
    assert.equal(4, socket.readableLength)
    assert.same({ "XY", "ef" }, { socket:read(), socket:read() })
    drop(t, socket, peer)
  end))

  it("joins with read(n)", within(function(t)
    local socket, peer = buffered("cd")
    socket:unshift("b")
    socket:unshift("a")
    assert.equal("abcd", socket:read(4))
    drop(t, socket, peer)
  end))

  it("of an empty chunk does nothing", within(function(t)
    local socket, peer = buffered("abc")
    assert.is_true(socket:unshift(""))
    assert.equal(3, socket.readableLength)
    drop(t, socket, peer)
  end))

  it("of an empty chunk after 'end' does nothing, and of another is an error", within(function(t)
    local socket, peer = pair({ client = { allowHalfOpen = true } })
    local seen = trace(socket)
    socket:resume()
    peer:finish()
    wait_for(socket, "end")
    assert.is_false(socket:unshift(""))
    assert.is_false(socket.destroyed)
    assert.is_false(socket:unshift("x"))
    drop(t, peer)
    assert.same({ "resume", "end", "error ERR_STREAM_UNSHIFT_AFTER_END_EVENT", "close true" }, seen)
  end))

  it("of nothing tells whether more may come", within(function(t)
    local socket, peer = pair({ client = { highWaterMark = 1 } })
    assert.is_true(socket:unshift())
    socket:unshift("x")
    assert.is_false(socket:unshift())
    assert.equal(1, socket.readableLength)
    drop(t, socket, peer)
  end))

  it("of nil is the end", within(function(t)
    local socket, peer = buffered("abc", { server = { allowHalfOpen = true } })
    local seen = trace(socket)
    assert.is_false(socket:unshift(nil))
    assert.is_false(socket:unshift(nil))
    assert.equal("abc", socket:read())
    peer:on("end", function() peer:finish() end)
    peer:resume()
    t.run()
    assert.same({ "end", "prefinish", "finish", "close false" }, seen)
  end))

  it("of nil makes an error of what comes afterwards", within(function(t)
    local socket, peer = buffered("abc")
    local seen = trace(socket)
    socket:unshift(nil)
    peer:write("more")
    t.run()
    assert.same({ "error ERR_STREAM_PUSH_AFTER_EOF", "close true" }, seen)
    drop(t, peer)
  end))

  it("takes the default for a falsy encoding", within(function(t)
    local socket, peer = pair({ client = { defaultEncoding = "hex" } })
    for _, falsy in ipairs({ false, 0, 0 / 0, "" }) do
      socket:unshift("61", falsy)
    end
    assert.equal("aaaa", socket:read(4))
    drop(t, socket, peer)
  end))

  it("returns whether more may come", within(function(t)
    local socket, peer = pair({ client = { highWaterMark = 4 } })
    assert.is_true(socket:unshift("abc"))
    assert.is_false(socket:unshift("d"))
    drop(t, socket, peer)
  end))

  it("decodes by the encoding named", within(function(t)
    local socket, peer = pair()
    socket:unshift("6162", "hex")
    assert.equal("ab", socket:read())
    drop(t, socket, peer)
  end))

  it("is told by 'readable'", within(function(t)
    local socket, peer = pair()
    socket:on("readable", function() end)
    turn({})
    socket:unshift("abc")
    wait_for(socket, "readable")
    assert.equal("abc", socket:read())
    drop(t, socket, peer)
  end))

  it("in a listener of 'data' is delivered inside the call", within(function(t)
    local socket, peer = pair()
    local seen = {}
    socket:on("data", function(chunk)
      seen[#seen + 1] = "in " .. chunk
      if chunk == "abc" then
        socket:unshift("bc")
      end
      seen[#seen + 1] = "out " .. chunk
    end)
    peer:write("abc")
    wait(function() return #seen == 4 end)
    assert.same({ "in abc", "in bc", "out bc", "out abc" }, seen)
    drop(t, socket, peer)
  end))

  for _, value in ipairs({ 5, true, {}, print }) do
    it("of a " .. type(value) .. " destroys the socket", within(function(t)
      local socket, peer = pair()
      local seen = trace(socket)
      assert.is_false(socket:unshift(value))
      assert.equal("TypeError ERR_INVALID_ARG_TYPE", kind(socket.errored))
      drop(t, peer)
      assert.same({ "error ERR_INVALID_ARG_TYPE", "close true" }, seen)
    end))
  end

  it("after 'end' destroys the socket", within(function(t)
    local socket, peer = pair({ client = { allowHalfOpen = true } })
    peer:finish()
    wait_for(socket, "end")
    local seen = trace(socket)
    assert.is_false(socket:unshift("x"))
    t.run()
    assert.same({ "error ERR_STREAM_UNSHIFT_AFTER_END_EVENT", "close true" }, seen)
  end))

  it("before 'end' is read before it comes", within(function(t)
    local socket, peer = buffered("abc")
    local seen = trace(socket)
    socket:pause()
    socket:on("data", function(chunk) seen[#seen + 1] = chunk end)
    socket:unshift("before ")
    socket:resume()
    wait(function() return socket.readableLength == 0 end)
    peer:finish()
    t.run()
    assert.same({ "pause", "before ", "abc", "resume", "end", "prefinish", "finish",
      "close false" }, seen)
  end))
end)

describe("the end of the stream", function()
  it("is told even if nobody listens or resumes", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:finish()
    t.run()
    assert.same({ "end", "prefinish", "finish", "close false" }, seen)
  end))

  it("is not told to a destroyed socket", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:finish()
    socket:destroy()
    t.run()
    assert.same({ "close false" }, seen)
  end))

  it("waits for a paused socket that has data, not for one that has none", within(function(t)
    local socket, peer = pair()
    socket:pause()
    local seen = trace(socket)
    peer:finish()
    t.run()
    assert.same({ "end", "prefinish", "finish", "close false" }, seen)
  end))

  it("may be followed by a resume() that has no effect", within(function(t)
    local socket, peer = pair({ client = { allowHalfOpen = true } })
    peer:finish()
    wait_for(socket, "end")
    local seen = trace(socket)
    socket:resume()
    settle()
    assert.same({ "resume" }, seen)
    drop(t, socket)
  end))
end)

describe("a reset by the peer", function()
  it("is 'error' ECONNRESET, never 'end'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:resetAndDestroy()
    t.run()
    assert.same({ "error ECONNRESET", "close true" }, seen)
  end))

  it("has errno, code and syscall of the read", within(function(t)
    local socket, peer = pair()
    peer:resetAndDestroy()
    local err = wait_for(socket, "error")
    assert.same({ "Error", "ECONNRESET", "read", -104, "read ECONNRESET", "Error: read ECONNRESET" },
      { err.name, err.code, err.syscall, err.errno, err.message, tostring(err) })
    t.run()
  end))

  it("drops what was buffered", within(function(t)
    local socket, peer = buffered("abc")
    local seen = trace(socket)
    peer:resetAndDestroy()
    wait(function() return socket.destroyed end)
    socket:on("data", t.calls(0))
    t.run()
    assert.same({ "error ECONNRESET", "close true" }, seen)
  end))

  it("is uncaught when nobody listens, and 'close' comes all the same", within(function(t)
    local socket, peer = pair()
    local closed
    socket:on("close", function(had_error) closed = had_error end)
    peer:resetAndDestroy()
    local ok, err = pcall(t.run)
    assert.same({ false, "ECONNRESET" }, { ok, err.code })
    t.run()
    assert.is_true(closed)
  end))
end)

describe("setEncoding()", function()
  it("makes text of bytes, and never breaks a character", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:setEncoding("utf8")
    socket:on("data", function(chunk) seen[#seen + 1] = chunk end)
    peer:write("\x61\xE2\x82")
    wait(function() return socket.bytesRead == 3 end)
    peer:write("\xAC\x62\xF0\x9F")
    wait(function() return socket.bytesRead == 7 end)
    peer:finish()
    t.run()
    assert.same({ "resume", "a", "€b", "\u{FFFD}", "end", "prefinish", "finish", "close false" },
      seen)
  end))

  it("says nothing for a chunk that completes no character", within(function(t)
    local socket, peer = pair()
    socket:setEncoding("utf8")
    local got = collect(socket)
    peer:write("\xE2")
    wait(function() return socket.bytesRead == 1 end)
    settle()
    assert.same({}, got)
    assert.equal(0, socket.readableLength)
    drop(t, socket, peer)
  end))

  it("converts what is buffered already", within(function(t)
    local socket, peer = buffered("abc")
    buffer(socket, peer, "def")
    socket:setEncoding("hex")
    assert.equal("616263646566", socket:read())
    drop(t, socket, peer)
  end))

  it("after the end was read gives what is left of a character, too", within(function(t)
    for encoding, expected in pairs({
      utf8 = { "A\xE2\x82", "A\u{FFFD}" }, base64 = { "abcd", "YWJjZA==" },
      base64url = { "a", "YQ" }, utf16le = { "A\0B", "A" }, hex = { "\xff", "ff" },
      ascii = { "\xe9", "i" },
    }) do
      for how, read in pairs({
        data = function(socket) return wait_for(socket, "data") end,
        ["read()"] = function(socket) return socket:read() end,
        ["read(1)"] = function(socket)
          local parts = {}
          while socket.readableLength > 0 do parts[#parts + 1] = socket:read(1) end
          return table.concat(parts)
        end,
      }) do
        local socket, peer = ended(expected[1])
        socket:setEncoding(encoding)
        assert.equal(expected[2], read(socket), encoding .. " by " .. how)
        drop(t, socket, peer)
      end
    end
  end))

  it("twice after the end was read keeps the text of the first", within(function(t)
    local socket, peer = ended("abcd")
    socket:setEncoding("base64"):setEncoding("hex")
    assert.equal("YWJjZA==", socket:read())
    drop(t, socket, peer)
  end))

  it("counts bytes of the text in readableLength and read(n)", within(function(t)
    local socket, peer = pair()
    socket:setEncoding("hex")
    peer:write("ab")
    wait(function() return socket.readableLength == 4 end)
    assert.same({ "616", "2" }, { socket:read(3), socket:read(1) })
    drop(t, socket, peer)
  end))

  it("has a last 'data' with what is left at the end", within(function(t)
    for encoding, expected in pairs({
      utf8 = { "A\xE2\x82", "A\u{FFFD}" }, base64 = { "abcd", "YWJjZA==" },
      base64url = { "abcd", "YWJjZA" }, utf16le = { "A\0B", "A" }, hex = { "\xff", "ff" },
      latin1 = { "\xe9", "é" }, ascii = { "\xe9", "i" },
    }) do
      local socket, peer = pair()
      socket:setEncoding(encoding)
      local got = collect(socket)
      peer:finish(expected[1])
      wait_for(socket, "close")
      assert.equal(expected[2], table.concat(got), encoding)
    end
    t.run()
  end))

  for given, shown in pairs({
    ["utf8"] = "utf8", ["UTF-8"] = "utf8", ["hex"] = "hex", ["base64"] = "base64",
    ["base64url"] = "base64url", ["latin1"] = "latin1", ["Binary"] = "latin1", ["ascii"] = "ascii",
    ["utf16le"] = "utf16le", ["utf-16le"] = "utf16le", ["UCS2"] = "utf16le", ["ucs-2"] = "utf16le",
    [""] = "utf8",
  }) do
    it(("of '%s' shows as %s"):format(given, shown), function()
      assert.equal(shown, net.Socket():setEncoding(given).readableEncoding)
    end)
  end

  it("without an argument is utf8", function()
    assert.equal("utf8", net.Socket():setEncoding().readableEncoding)
    assert.equal("utf8", net.Socket():setEncoding(nil).readableEncoding)
  end)

  for _, bad in ipairs({ "utf9", "buffer", "utf 8", 7, true, false }) do
    it(("of %s raises and changes nothing"):format(tostring(bad)), function()
      local socket = net.Socket()
      local err = raised(socket.setEncoding, socket, bad)
      assert.equal("TypeError ERR_UNKNOWN_ENCODING", kind(err))
      assert.equal("Unknown encoding: " .. tostring(bad), err.message)
      assert.is_nil(socket.readableEncoding)
    end)
  end
end)

describe("option onread", function()
  local function reader(t, options)
    local calls = {}
    options.callback = options.callback or function(n, chunk) calls[#calls + 1] = { n, chunk } end
    local socket, peer = pair({ client = { onread = options } })
    return socket, peer, calls, t
  end

  it("has the callback called with count and bytes, and no 'data'", within(function(t)
    local socket, peer, calls = reader(t, { buffer = 100 })
    socket:on("data", t.calls(0))
    peer:write("abc")
    wait(function() return #calls == 1 end)
    assert.same({ { 3, "abc" } }, calls)
    assert.same({ 3, 0 }, { socket.bytesRead, socket.readableLength })
    drop(t, socket, peer)
  end))

  it("reads at most the buffer's size", within(function(t)
    local socket, peer, calls = reader(t, { buffer = 4 })
    peer:write("0123456789")
    wait(function() return socket.bytesRead == 10 end)
    assert.same({ { 4, "0123" }, { 4, "4567" }, { 2, "89" } }, calls)
    drop(t, socket, peer)
  end))

  it("asks a function for the size each time", within(function(t)
    local sizes = 0
    local socket, peer, calls = reader(t, {
      buffer = function() sizes = sizes + 1 return sizes end,
    })
    peer:write("abbccc")
    wait(function() return socket.bytesRead == 6 end)
    assert.equal("abbccc", calls[1][2] .. calls[2][2] .. calls[3][2] .. (calls[4] or { "", "" })[2])
    assert.same({ 1, 2, 3 }, { calls[1][1], calls[2][1], calls[3][1] })
    drop(t, socket, peer)
  end))

  it("stops reading when the callback returns false, until resume()", within(function(t)
    local got = {}
    local socket, peer = reader(t, {
      buffer = 3,
      callback = function(_, chunk)
        got[#got + 1] = chunk
        return #got ~= 1
      end,
    })
    peer:write("abcdef")
    wait(function() return #got == 1 end)
    settle()
    assert.same({ "abc" }, got)
    socket:resume()
    wait(function() return #got == 2 end)
    assert.same({ "abc", "def" }, got)
    drop(t, socket, peer)
  end))

  it("leaves 'end', 'finish' and 'close' as they are", within(function(t)
    local socket, peer = reader(t, { buffer = 10 })
    local seen = trace(socket)
    peer:finish("abc")
    t.run()
    assert.same({ "end", "prefinish", "finish", "close false" }, seen)
  end))

  it("goes on reading after the callback has raised", within(function(t)
    local got = {}
    local socket, peer = reader(t, {
      buffer = 3,
      callback = function(_, chunk)
        got[#got + 1] = chunk
        if #got == 1 then
          error("mine", 0)
        end
      end,
    })
    peer:write("abcdef")
    local ok, err = pcall(wait, function() return false end)
    assert.same({ false, "mine" }, { ok, err })
    wait(function() return #got == 2 end)
    assert.same({ "abc", "def" }, got)
    drop(t, socket, peer)
  end))

  it("may destroy the socket in the callback", within(function(t)
    local socket, peer
    socket, peer = reader(t, { buffer = 1, callback = t.calls(1, function() socket:destroy() end) })
    local seen = trace(socket)
    peer:write("abc")
    wait(function() return socket.destroyed end)
    drop(t, peer)
    assert.same({ "close false" }, seen)
  end))

  it("tells of a reset by 'error'", within(function(t)
    local socket, peer = reader(t, { buffer = 10 })
    local seen = trace(socket)
    peer:resetAndDestroy()
    t.run()
    assert.same({ "error ECONNRESET", "close true" }, seen)
  end))

  for name, onread in pairs({
    ["without a callback"] = { buffer = 10 }, ["without a buffer"] = { callback = print },
    ["that is no table"] = 7, ["with a callback that is none"] = { buffer = 10, callback = 7 },
  }) do
    it(name .. " is ignored", within(function(t)
      local socket, peer = pair({ client = { onread = onread } })
      peer:write("abc")
      assert.equal("abc", wait_for(socket, "data"))
      drop(t, socket, peer)
    end))
  end
end)
