-- SPDX-License-Identifier: MIT

--- How a connection ends: half open or not, by whom, in which order; finish(),
--- destroySoon(), resetAndDestroy(), and life after the end.

local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local pair, wait, wait_for, settle = sockets.pair, sockets.wait, sockets.wait_for, sockets.settle
local trace, note, raised, kind = sockets.trace, sockets.note, sockets.raised, sockets.kind

local BIG = ("0123456789abcdef"):rep(1 << 19) -- 8 MiB: more than any kernel takes at once
local HALF = { allowHalfOpen = true }

local function drop(t, ...)
  for i = 1, select("#", ...) do
    (select(i, ...)):destroy()
  end
  t.run()
end

--- A server whose connections `serve` gets, and a client that connects to it;
--- the server listens until the client has closed.
local function dial(serve, options)
  local server, where = sockets.listen(options)
  for name, value in pairs(options and options.client or {}) do
    where[name] = value
  end
  server:on("connection", serve)
  local client = net.connect(where)
  client:on("close", function() server:close() end)
  return client, where
end

-- Every way to end, row by row. F is 'finish', with 'prefinish' before.

describe("without allowHalfOpen, when the socket ends first", function()
  local function open()
    local socket, peer = pair({ server = HALF })
    return socket, peer, trace(socket)
  end

  for _, last in ipairs({ "", "data" }) do
    it(("and reads, with %s from the peer: F, end, close"):format(#last > 0 and "data" or "nothing"),
      within(function(t)
        local socket, peer, seen = open()
        peer:on("end", function() peer:finish(last) end)
        socket:on("data", function(chunk) seen[#seen + 1] = chunk end)
        socket:finish()
        t.run()
        local expected = { "resume", "prefinish", "finish", "end", "close false" }
        if #last > 0 then
          table.insert(expected, 4, "data")
        end
        assert.same(expected, seen)
      end))
  end

  it("and does not read, with nothing from the peer: F, end, close", within(function(t)
    local socket, peer, seen = open()
    peer:on("end", function() peer:finish() end)
    socket:finish()
    t.run()
    assert.same({ "prefinish", "finish", "end", "close false" }, seen)
  end))

  it("and does not read, with data from the peer: F, stays; after resume() end, close",
    within(function(t)
      local socket, peer, seen = open()
      peer:on("end", function() peer:finish("data") end)
      socket:finish()
      wait(function() return socket.readableLength == 4 end)
      settle()
      assert.same({ "prefinish", "finish" }, seen)
      assert.same({ "readOnly", 4, false }, { socket.readyState, socket.readableLength,
        socket.destroyed })
      socket:resume()
      t.run()
      assert.same({ "prefinish", "finish", "resume", "end", "close false" }, seen)
    end))

  it("it may still read for long: the peer is half open", within(function(t)
    local socket, peer = pair({ server = HALF })
    socket:finish()
    wait_for(peer, "end")
    local got = {}
    socket:on("data", function(chunk) got[#got + 1] = chunk end)
    for i = 1, 3 do
      peer:write("chunk " .. i)
      wait(function() return #got == i end)
    end
    peer:finish()
    t.run()
    assert.same({ "chunk 1", "chunk 2", "chunk 3" }, got)
  end))
end)

describe("without allowHalfOpen, when the peer ends first", function()
  for _, last in ipairs({ "", "data" }) do
    it(("and the socket reads %s: end, F, close"):format(#last > 0 and "data" or "nothing"),
      within(function(t)
        local socket, peer = pair()
        local seen = trace(socket)
        socket:resume()
        peer:finish(last)
        t.run()
        assert.same({ "resume", "end", "prefinish", "finish", "close false" }, seen)
      end))
  end

  it("and the socket does not read, without data: end, F, close", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:finish()
    t.run()
    assert.same({ "end", "prefinish", "finish", "close false" }, seen)
  end))

  it("and the socket does not read data: it stays; F by itself, after resume() end, close",
    within(function(t)
      local socket, peer = pair({ server = HALF })
      local seen = trace(socket)
      peer:resume()
      peer:finish("data")
      wait(function() return socket.readableLength == 4 end)
      settle()
      assert.same({}, seen)
      assert.same({ "open", true, false }, { socket.readyState, socket.writable, socket.destroyed })
      socket:finish()
      wait_for(socket, "finish")
      settle()
      assert.same({ "prefinish", "finish" }, seen)
      socket:resume()
      t.run()
      assert.same({ "prefinish", "finish", "resume", "end", "close false" }, seen)
    end))

  it("the socket is readable false and writable true inside 'end'", within(function(t)
    local socket, peer = pair()
    local seen
    socket:on("end", function()
      seen = { socket.readyState, socket.readable, socket.writable, socket.readableEnded }
    end)
    peer:finish()
    t.run()
    assert.same({ "writeOnly", false, true, true }, seen)
  end))

  it("the socket may end itself inside 'end', with data", within(function(t)
    local socket, peer = pair({ server = HALF })
    local seen = trace(socket)
    local got = {}
    socket:on("end", function() socket:finish("last", note(seen, "end-cb")) end)
    peer:on("data", function(chunk) got[#got + 1] = chunk end)
    peer:finish()
    t.run()
    assert.same({ "end", "prefinish", "end-cb", "finish", "close false" }, seen)
    assert.same({ "last" }, got)
  end))
end)

describe("with allowHalfOpen, when the socket ends first", function()
  for _, reads in ipairs({ true, false }) do
    it(("and %s: F, end, close"):format(reads and "reads" or "does not read"), within(function(t)
      local socket, peer = pair({ client = HALF, server = HALF })
      if reads then
        socket:resume()
        wait_for(socket, "resume")
      end
      local seen = trace(socket)
      peer:on("end", function() peer:finish() end)
      socket:finish()
      t.run()
      assert.same({ "prefinish", "finish", "end", "close false" }, seen)
    end))
  end
end)

describe("with allowHalfOpen, when the peer ends first", function()
  for name, case in pairs({
    ["and the socket reads"] = { data = "data", reads = true },
    ["without data, and the socket does not read"] = { data = "" },
  }) do
    it(name .. ": end, writeOnly; after its own end F, close", within(function(t)
      local socket, peer = pair({ client = HALF })
      local seen = trace(socket)
      if case.reads then
        socket:resume()
      end
      peer:finish(case.data)
      wait_for(socket, "end")
      settle()
      assert.same({ "writeOnly", false, true }, { socket.readyState, socket.destroyed,
        socket.writable })
      assert.equal("end", seen[#seen])
      peer:resume()
      socket:finish()
      t.run()
      assert.same({ "prefinish", "finish", "close false" }, { table.unpack(seen, #seen - 2) })
    end))
  end

  it("and the socket does not read data: it stays; F by itself, after resume() end, close",
    within(function(t)
      local socket, peer = pair({ client = HALF, server = HALF })
      local seen = trace(socket)
      peer:resume()
      peer:finish("data")
      wait(function() return socket.readableLength == 4 end)
      settle()
      assert.same({}, seen)
      socket:finish()
      wait_for(socket, "finish")
      settle()
      assert.same({ "prefinish", "finish" }, seen)
      socket:resume()
      t.run()
      assert.same({ "prefinish", "finish", "resume", "end", "close false" }, seen)
    end))

  it("megabytes may still go the other way", within(function(t)
    local socket, peer = pair({ client = HALF })
    peer:finish()
    wait_for(socket, "end")
    local got = 0
    peer:on("data", function(chunk) got = got + #chunk end)
    socket:finish(BIG)
    t.run()
    assert.equal(#BIG, got)
  end))
end)

describe("the four combinations of allowHalfOpen", function()
  it("neither: the client's end closes both", within(function(t)
    local socket, peer = pair()
    local c, s = trace(socket), trace(peer)
    socket:finish()
    t.run()
    assert.same({ "prefinish", "finish", "end", "close false" }, c)
    assert.same({ "end", "prefinish", "finish", "close false" }, s)
  end))

  it("the client only: its end closes both", within(function(t)
    local socket, peer = pair({ client = HALF })
    local c, s = trace(socket), trace(peer)
    socket:finish("q")
    peer:resume()
    t.run()
    assert.same({ "prefinish", "finish", "end", "close false" }, c)
    assert.same({ "resume", "end", "prefinish", "finish", "close false" }, s)
  end))

  it("the client only: the server ends, the client writes, then ends", within(function(t)
    local socket, peer = pair({ client = HALF })
    local c, s = trace(socket), trace(peer, { "data" })
    peer:finish("bye")
    socket:on("data", function(chunk) c[#c + 1] = chunk end)
    wait_for(socket, "end")
    assert.equal("writeOnly", socket.readyState)
    socket:write("late", note(c, "written"))
    wait(function() return c[#c] == "written" end)
    socket:finish()
    t.run()
    assert.same({ "resume", "bye", "end", "written", "prefinish", "finish", "close false" }, c)
    assert.same({ "resume", "prefinish", "finish", "data late", "end", "close false" }, s)
  end))

  it("both: request, FIN, answer, FIN", within(function(t)
    local socket, peer = pair({ client = HALF, server = HALF })
    local c, s = trace(socket), trace(peer)
    socket:on("data", function(chunk) c[#c + 1] = chunk end)
    peer:resume()
    socket:finish("req")
    wait_for(peer, "end")
    settle()
    assert.equal("writeOnly", peer.readyState)
    peer:finish("answer")
    t.run()
    assert.same({ "resume", "prefinish", "finish", "answer", "end", "close false" }, c)
    assert.same({ "resume", "end", "prefinish", "finish", "close false" }, s)
  end))

  it("the server only: the client's end leaves the server writing", within(function(t)
    local socket, peer = pair({ server = HALF })
    local c = trace(socket)
    socket:finish()
    wait_for(peer, "end")
    settle()
    assert.same({ "writeOnly", false }, { peer.readyState, peer.destroyed })
    assert.same({ "prefinish", "finish" }, c)
    peer:finish()
    t.run()
    assert.same({ "prefinish", "finish", "end", "close false" }, c)
  end))

  it("hold on a Unix socket as well", within(function(t)
    local socket, peer = pair({ client = HALF, server = HALF, unix = true })
    local c, s = trace(socket), trace(peer)
    socket:finish("req")
    peer:resume()
    wait_for(peer, "end")
    settle()
    peer:finish()
    t.run()
    assert.same({ "prefinish", "finish", "end", "close false" }, c)
    assert.same({ "resume", "end", "prefinish", "finish", "close false" }, s)
  end))
end)

describe("both ends finishing at once", function()
  it("both see end and finish, then close", within(function(t)
    local socket, peer = pair({ client = HALF, server = HALF })
    local c, s = trace(socket), trace(peer)
    socket:finish()
    peer:finish()
    t.run()
    assert.same({ "prefinish", "finish", "end", "close false" }, c)
    assert.same({ "prefinish", "finish", "end", "close false" }, s)
  end))
end)

describe("allowHalfOpen set later", function()
  it("to true keeps the socket open", within(function(t)
    local socket, peer = pair()
    socket.allowHalfOpen = true
    peer:finish()
    wait_for(socket, "end")
    settle()
    assert.equal("writeOnly", socket.readyState)
    drop(t, socket, peer)
  end))

  it("to false has it end by itself", within(function(t)
    local socket, peer = pair({ client = HALF })
    socket.allowHalfOpen = false
    local seen = trace(socket)
    peer:finish()
    t.run()
    assert.same({ "end", "prefinish", "finish", "close false" }, seen)
  end))

  it("to true inside 'end' is in time", within(function(t)
    local socket, peer = pair()
    socket:on("end", function() socket.allowHalfOpen = true end)
    peer:finish()
    wait_for(socket, "end")
    settle()
    assert.equal("writeOnly", socket.readyState)
    drop(t, socket, peer)
  end))

  it("to false inside 'end' is in time", within(function(t)
    local socket, peer = pair({ client = HALF })
    local seen = trace(socket)
    socket:on("end", function() socket.allowHalfOpen = false end)
    peer:finish()
    t.run()
    assert.same({ "end", "prefinish", "finish", "close false" }, seen)
  end))

  it("to false after 'end' is too late", within(function(t)
    local socket, peer = pair({ client = HALF })
    peer:finish()
    wait_for(socket, "end")
    settle()
    socket.allowHalfOpen = false
    settle()
    assert.is_true(socket:write("still open"))
    drop(t, socket, peer)
  end))
end)

describe("finish()", function()
  it("ends the writable side at once", within(function(t)
    local socket, peer = pair({ server = HALF })
    assert.equal(socket, socket:finish())
    assert.same({ true, false, false, "readOnly" },
      { socket.writableEnded, socket.writable, socket.writableFinished, socket.readyState })
    drop(t, socket, peer)
  end))

  it("has all callbacks called in order, between 'prefinish' and 'finish'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:resume()
    socket:write("x", note(seen, "write"))
    socket:finish(note(seen, "one"))
    socket:finish(note(seen, "two"))
    t.run()
    assert.same({ "write", "prefinish", "one", "two", "finish", "end", "close false" }, seen)
  end))

  it("calls its callback with nothing", within(function(t)
    local socket, peer = pair()
    peer:resume()
    local args
    socket:finish(function(...) args = table.pack(...) end)
    t.run()
    assert.is_nil(args[1])
  end))

  it("again after 'finish' says ERR_STREAM_ALREADY_FINISHED, without an event", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:resume()
    socket:on("finish", function() socket:finish(note(seen, "in finish")) end)
    socket:on("close", function() socket:finish(note(seen, "in close")) end)
    socket:finish()
    t.run()
    assert.same({ "prefinish", "finish", "in finish ERR_STREAM_ALREADY_FINISHED", "end",
      "close false", "in close ERR_STREAM_ALREADY_FINISHED" }, seen)
  end))

  it("has Node's message then", within(function(t)
    local socket, peer = pair()
    peer:resume()
    socket:finish()
    t.run()
    local err
    socket:finish(function(e) err = e end)
    t.run()
    assert.equal(
      "Error [ERR_STREAM_ALREADY_FINISHED]: Cannot call end after a stream was finished",
      tostring(err))
  end))

  it("without a callback may be called any number of times", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:resume()
    for _ = 1, 5 do
      assert.equal(socket, socket:finish())
    end
    t.run()
    socket:finish()
    t.run()
    assert.same({ "prefinish", "finish", "end", "close false" }, seen)
  end))

  it("takes nil for no chunk", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:resume()
    socket:finish(nil, note(seen, "one"))
    socket:finish(nil, nil, note(seen, "two"))
    t.run()
    assert.same({ "prefinish", "one", "two", "finish", "end", "close false" }, seen)
  end))

  it("of an empty chunk ends too", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:resume()
    socket:finish("", note(seen, "done"))
    t.run()
    assert.same({ "prefinish", "done", "finish", "end", "close false" }, seen)
  end))

  it("waits for all that is queued", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:write(BIG, note(seen, "big"))
    socket:finish("tail", note(seen, "end-cb"))
    settle()
    assert.same({}, seen)
    local got = 0
    peer:on("data", function(chunk) got = got + #chunk end)
    t.run()
    assert.same({ "big", "prefinish", "end-cb", "finish", "end", "close false" }, seen)
    assert.equal(#BIG + 4, got)
  end))

  it("on a socket never connected finishes at once, and does not destroy it", within(function(t)
    local socket = net.Socket()
    local seen = trace(socket)
    socket:finish(note(seen, "end-cb"))
    t.run()
    assert.same({ "prefinish", "end-cb", "finish" }, seen)
    assert.same({ false, "readOnly" }, { socket.destroyed, socket.readyState })
  end))

  it("with a chunk on a socket never connected fails", within(function(t)
    local socket = net.Socket()
    local seen = trace(socket)
    socket:finish("x", note(seen, "end-cb"))
    t.run()
    assert.same({ "end-cb ERR_SOCKET_CLOSED", "error ERR_SOCKET_CLOSED", "close" }, seen)
  end))

  it("while connecting waits for 'connect'", within(function(t)
    local socket = dial(function(peer) peer:resume() end)
    local seen = trace(socket)
    socket:finish("data", note(seen, "end-cb"))
    assert.same({ "opening", false, true },
      { socket.readyState, socket.writable, socket.writableEnded })
    t.run()
    assert.same({ "connect", "ready", "prefinish", "end-cb", "finish", "end", "close false" }, seen)
  end))

  it("without data while connecting does so too", within(function(t)
    local socket = dial(function(peer) peer:resume() end)
    local seen = trace(socket)
    socket:finish(note(seen, "end-cb"))
    t.run()
    assert.same({ "connect", "ready", "prefinish", "end-cb", "finish", "end", "close false" }, seen)
  end))

  it("has the other callbacks called when one raises; 'close' comes", within(function(t)
    local socket, peer = pair()
    local seen = {}
    peer:resume()
    socket:finish(function()
      seen[#seen + 1] = "one"
      error("mine", 0)
    end)
    socket:on("close", note(seen, "close"))
    local ok, err = pcall(t.run)
    assert.same({ false, "mine" }, { ok, err })
    t.run()
    assert.same({ "one", "close false" }, seen)
  end))
end)

describe("a connection", function()
  it("of which the client ends in 'data' closes in order (trace 1)", within(function(t)
    local seen, served = {}, {}
    local socket = dial(function(peer)
      trace(peer, nil, served)
      peer:on("data", function(chunk) peer:write(chunk) end)
    end)
    trace(socket, nil, seen)
    socket:write("hello", note(seen, "written"))
    socket:on("data", function(chunk)
      seen[#seen + 1] = chunk
      socket:finish(note(seen, "end-cb"))
    end)
    t.run()
    assert.same({ "resume", "connect", "written", "ready", "hello", "prefinish", "end-cb",
      "finish", "end", "close false" }, seen)
    assert.same({ "resume", "end", "prefinish", "finish", "close false" }, served)
  end))

  it("that the server ends at once closes in order (trace 2)", within(function(t)
    local served = {}
    local socket = dial(function(peer)
      trace(peer, nil, served)
      peer:finish("bye", note(served, "end-cb"))
    end)
    local seen = trace(socket)
    socket:on("data", function(chunk) seen[#seen + 1] = chunk end)
    t.run()
    assert.same({ "resume", "connect", "ready", "bye", "end", "prefinish", "finish",
      "close false" }, seen)
    assert.same({ "prefinish", "end-cb", "finish", "end", "close false" }, served)
  end))

  it("destroyed in 'connect' still says 'ready' (trace 5)", within(function(t)
    local served = {}
    local socket = dial(function(peer) trace(peer, nil, served) end)
    local seen = trace(socket)
    socket:on("connect", function() socket:destroy() end)
    t.run()
    assert.same({ "connect", "ready", "close false" }, seen)
    assert.same({ "end", "prefinish", "finish", "close false" }, served)
  end))

  it("destroyed in 'connect' with an error says so (trace 6)", within(function(t)
    local socket = dial(function() end)
    local seen = trace(socket)
    socket:on("connect", function() socket:destroy("mine") end)
    t.run()
    assert.same({ "connect", "ready", "error mine", "close true" }, seen)
  end))

  it("destroyed with an error by the server just ends for the client (trace 7)", within(function(t)
    local served = {}
    local socket = dial(function(peer)
      trace(peer, nil, served)
      peer:destroy("mine")
    end)
    local seen = trace(socket)
    t.run()
    assert.same({ "error mine", "close true" }, served)
    assert.same({ "connect", "ready", "end", "prefinish", "finish", "close false" }, seen)
  end))

  it("destroyed with an error nobody listens to raises it, then closes (trace 8)", within(function(t)
    local socket, peer = pair()
    local closed
    socket:on("close", function(had_error) closed = had_error end)
    local mine = raised(net.connect)
    socket:destroy(mine)
    local ok, err = pcall(t.run)
    assert.is_false(ok)
    assert.equal(mine, err)
    t.run()
    assert.is_true(closed)
    drop(t, peer)
  end))

  it("destroyed right after connect() and write() never reaches the server (trace 17)",
    within(function(t)
      local socket = dial(t.calls(0))
      local seen = trace(socket, { "connectionAttempt" })
      socket:write("x", note(seen, "written"))
      socket:destroy()
      t.run()
      assert.same({ "close false", "written ERR_SOCKET_CLOSED_BEFORE_CONNECTION" }, seen)
    end))

  it("may be made anew after 'close', with all its state fresh (trace 45)", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", function(peer) peer:finish("hi") end)
    local socket = net.connect(where)
    local seen = trace(socket)
    local rounds = 0
    socket:on("data", function(chunk) seen[#seen + 1] = chunk end)
    socket:on("close", function()
      rounds = rounds + 1
      seen[#seen + 1] = socket.bytesRead
      if rounds < 3 then
        socket:connect(where, note(seen, "cb"))
        assert.same({ true, false, 0, true },
          { socket.connecting, socket.destroyed, socket.bytesRead, socket.writable })
      else
        server:close()
      end
    end)
    t.run()
    local round = { "connect", "cb", "ready", "hi", "end", "prefinish", "finish", "close false", 2 }
    local expected = { "resume", "connect", table.unpack(round, 3) }
    for _ = 2, 3 do
      table.move(round, 1, #round, #expected + 1, expected)
    end
    assert.same(expected, seen)
  end))

  it("may be made anew after an error", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", function(peer)
      peer:on("error", function() end) -- the first is reset, as its "hi" is never read
      peer:finish("hi")
    end)
    local socket = net.connect(where)
    local seen = {}
    socket:on("error", note(seen, "error"))
    socket:once("connect", function() socket:destroy("mine") end)
    wait_for(socket, "close")
    assert.equal("mine", socket.errored)
    socket:connect(where)
    assert.is_nil(socket.errored)
    socket:on("data", function(chunk) seen[#seen + 1] = chunk end)
    wait_for(socket, "close")
    server:close()
    t.run()
    assert.same({ "error mine", "hi" }, seen)
  end))
end)

describe("destroySoon()", function()
  it("ends first, and destroys on 'finish'", within(function(t)
    local socket, peer = pair()
    local seen, served = trace(socket), trace(peer, { "data" })
    socket:write("abc")
    assert.equal(0, select("#", socket:destroySoon()))
    assert.same({ false, true }, { socket.destroyed, socket.writableEnded })
    t.run()
    assert.same({ "prefinish", "finish", "close false" }, seen)
    assert.same({ "resume", "data abc", "end", "prefinish", "finish", "close false" }, served)
  end))

  it("waits for all that is queued", within(function(t)
    local socket, peer = pair()
    local seen, got = trace(socket), 0
    socket:write(BIG, note(seen, "big"))
    socket:destroySoon()
    peer:on("data", function(chunk) got = got + #chunk end)
    t.run()
    assert.same({ "big", "prefinish", "finish", "close false" }, seen)
    assert.equal(#BIG, got)
  end))

  it("destroys at once when all is finished", within(function(t)
    local socket, peer = pair({ server = HALF })
    socket:finish()
    wait_for(socket, "finish")
    socket:destroySoon()
    assert.is_true(socket.destroyed)
    drop(t, peer)
  end))

  it("while connecting sends what was written, then closes", within(function(t)
    local got
    local socket = dial(function(peer)
      peer:on("data", function(chunk) got = chunk end)
    end)
    local seen = trace(socket)
    socket:write("x", note(seen, "written"))
    socket:destroySoon()
    assert.is_false(socket.destroyed)
    t.run()
    assert.same({ "connect", "written", "ready", "prefinish", "finish", "close false" }, seen)
    assert.equal("x", got)
  end))

  it("of a socket never connected closes it", within(function(t)
    local socket = net.Socket()
    local seen = trace(socket)
    socket:destroySoon()
    t.run()
    assert.same({ "prefinish", "finish", "close" }, seen)
  end))

  it("of a destroyed socket does nothing", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:destroy()
    socket:destroySoon()
    drop(t, peer)
    socket:destroySoon()
    t.run()
    assert.same({ "close false" }, seen)
  end))

  it("twice is as once", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:destroySoon()
    socket:destroySoon()
    drop(t, peer)
    assert.same({ "prefinish", "finish", "close false" }, seen)
  end))
end)

describe("resetAndDestroy()", function()
  it("of an open TCP socket resets the connection", within(function(t)
    local socket, peer = pair()
    local seen, served = trace(socket), trace(peer)
    assert.equal(socket, socket:resetAndDestroy())
    assert.is_true(socket.destroyed)
    t.run()
    assert.same({ "close false" }, seen)
    assert.same({ "error ECONNRESET", "close true" }, served)
  end))

  it("by the accepted side does so as well", within(function(t)
    local socket, peer = pair()
    local seen, served = trace(socket), trace(peer)
    peer:resetAndDestroy()
    t.run()
    assert.same({ "close false" }, served)
    assert.same({ "error ECONNRESET", "close true" }, seen)
  end))

  it("while connecting waits for 'connect'", within(function(t)
    local served = {}
    local socket = dial(function(peer) trace(peer, nil, served) end)
    local seen = trace(socket)
    assert.equal(socket, socket:resetAndDestroy())
    assert.same({ false, "opening" }, { socket.destroyed, socket.readyState })
    t.run()
    assert.same({ "connect", "ready", "close false" }, seen)
    assert.same({ "error ECONNRESET", "close true" }, served)
  end))

  it("of a socket never connected is ERR_SOCKET_CLOSED", within(function(t)
    local socket = net.Socket()
    local seen = trace(socket)
    assert.equal(socket, socket:resetAndDestroy())
    assert.is_true(socket.destroyed)
    t.run()
    assert.same({ "error ERR_SOCKET_CLOSED", "close" }, seen)
  end))

  for _, when in ipairs({ "open", "connecting" }) do
    it("of a Unix socket raises when it is " .. when .. ", and it lives on", within(function(t)
      local socket = dial(function(peer) peer:finish() end, { unix = true })
      if when == "open" then
        wait_for(socket, "connect")
      end
      local err = raised(socket.resetAndDestroy, socket)
      assert.equal("TypeError ERR_INVALID_HANDLE_TYPE", kind(err))
      assert.equal("This handle type cannot be sent", err.message)
      assert.is_false(socket.destroyed)
      t.run()
    end))
  end

  it("of a destroyed socket does nothing more", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:destroy()
    socket:resetAndDestroy()
    drop(t, peer)
    socket:resetAndDestroy()
    t.run()
    assert.same({ "close false" }, seen)
  end))

  it("twice is as once", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    peer:on("error", t.calls(1))
    socket:resetAndDestroy()
    socket:resetAndDestroy()
    t.run()
    assert.same({ "close false" }, seen)
  end))

  it("throws away what is queued, on both sides", within(function(t)
    local socket, peer = pair()
    local seen, served = trace(socket), trace(peer)
    socket:write(BIG, note(seen, "big"))
    wait(function() return peer.readableLength > 0 end)
    socket:resetAndDestroy()
    peer:resume()
    t.run()
    assert.same({ "big ECANCELED", "close false" }, seen)
    assert.same({ "resume", "error ECONNRESET", "close true" }, served)
    assert.is_true(peer.bytesRead < #BIG)
  end))

  it("after a plain connection's data was read looks like no end", within(function(t)
    local socket, peer = pair()
    local served = trace(peer, { "data" })
    socket:write("x")
    wait(function() return served[#served] == "data x" end)
    socket:resetAndDestroy()
    t.run()
    assert.same({ "resume", "data x", "error ECONNRESET", "close true" }, served)
  end))

  it("comes too late for a peer that has read the end", within(function(t)
    local socket, peer = pair({ server = HALF })
    socket:finish()
    wait_for(peer, "end")
    local served = trace(peer)
    socket:resetAndDestroy()
    settle()
    assert.same({}, served)
    drop(t, peer)
  end))
end)

describe("a reset", function()
  it("is seen by a paused socket whose buffer is not full", within(function(t)
    local socket, peer = pair()
    socket:pause()
    local seen = trace(socket)
    peer:resetAndDestroy()
    t.run()
    assert.same({ "error ECONNRESET", "close true" }, seen)
  end))

  it("drops unread data instead of ending", within(function(t)
    local socket, peer = pair()
    peer:write("unread")
    wait(function() return socket.readableLength == 6 end)
    local seen = trace(socket)
    peer:resetAndDestroy()
    t.run()
    assert.same({ "error ECONNRESET", "close true" }, seen)
    assert.is_true(socket.readableAborted)
  end))

  it("after the peer's end, while the socket still sends, is a write error", within(function(t)
    local socket, peer = pair({ client = HALF })
    peer:finish()
    wait_for(socket, "end")
    local seen = trace(socket)
    socket:write(BIG, note(seen, "big"))
    peer:resetAndDestroy()
    t.run()
    assert.equal("close true", seen[#seen])
    local big, err = seen[1], seen[2]
    assert.is_truthy(big == "big ECONNRESET" or big == "big EPIPE")
    assert.equal((big:gsub("big", "error")), err)
  end))

  it("of a peer that closes with unread data is told too", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:write("never read")
    wait(function() return peer.readableLength > 0 end)
    socket:write(BIG)
    peer:destroy()
    t.run()
    assert.equal("error ECONNRESET", seen[1])
    assert.equal("close true", seen[#seen])
  end))
end)

describe("destroy()", function()
  it("in 'end' skips 'finish'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:on("end", function() socket:destroy() end)
    peer:finish()
    t.run()
    assert.same({ "end", "close false" }, seen)
  end))

  it("in 'finish' skips 'end'", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:on("finish", function() socket:destroy() end)
    socket:finish()
    drop(t, peer)
    assert.same({ "prefinish", "finish", "close false" }, seen)
  end))

  it("in 'close' does nothing", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:on("close", function() socket:destroy("late") end)
    socket:destroy()
    drop(t, peer)
    assert.same({ "close false" }, seen)
  end))

  it("in a tick after 'end' comes before the automatic end", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:on("end", function()
      process.nextTick(function() socket:destroy() end)
    end)
    peer:finish()
    t.run()
    assert.equal("end", seen[1])
    assert.equal("close false", seen[#seen])
    assert.is_nil(table.concat(seen, " "):find("%f[%a]finish"))
  end))

  it("puts 'close' after the immediates of the turn", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    timers.setImmediate(function()
      timers.setImmediate(function() seen[#seen + 1] = "next turn" end)
    end)
    timers.setImmediate(function() seen[#seen + 1] = "immediate" end)
    socket:destroy()
    timers.setImmediate(function() seen[#seen + 1] = "immediate" end)
    drop(t, peer)
    assert.same({ "immediate", "immediate", "close false", "next turn" }, seen)
  end))

  it("closes the descriptor inside the call", within(function(t)
    local socket, peer = pair()
    local support = require("spec.support")
    local function count()
      local n = 0
      for _ in pairs(support.descriptors()) do n = n + 1 end
      return n
    end
    local before = count()
    socket:destroy()
    assert.equal(before - 1, count())
    drop(t, peer)
  end))
end)

describe("connect() after finish() without a connection", function()
  --- What a server gets from `use(socket, where)`, and what the socket says.
  local function sent_by(t, use)
    local server, where = sockets.listen()
    local got = {}
    server:on("connection", function(peer)
      server:close()
      peer:on("data", function(chunk) got[#got + 1] = chunk end)
      peer:on("end", function() got[#got + 1] = "end" end)
    end)
    local socket = net.Socket()
    local seen = trace(socket)
    use(socket, where, seen)
    t.run()
    return got, seen
  end

  it("makes it writable again", within(function(t)
    local got, seen = sent_by(t, function(socket, where)
      socket:finish()
      socket:on("finish", function()
        if socket.pending then
          socket:connect(where)
          assert.same({ true, false, false },
            { socket.writable, socket.writableEnded, socket.writableFinished })
          assert.is_true(socket:write("x"))
          socket:finish()
        end
      end)
      socket:resume()
    end)
    assert.same({ "x", "end" }, got)
    assert.same({ "prefinish", "finish", "resume", "connect", "ready", "prefinish", "finish",
      "end", "close false" }, seen)
  end))

  for _, event in ipairs({ "the same tick", "prefinish" }) do
    it(("in %s keeps the 'finish' that was due, and has one of its own"):format(event),
      within(function(t)
        local got, seen = sent_by(t, function(socket, where, seen)
          local function connect()
            socket:connect(where)
            socket:finish("x")
          end
          if event == "prefinish" then
            socket:once("prefinish", connect)
            socket:finish(note(seen, "first"))
          else
            socket:finish(note(seen, "first"))
            connect()
          end
          socket:resume()
        end)
        assert.same({ "x", "end" }, got)
        assert.same({ "prefinish", "first", "finish", "resume", "connect", "ready", "prefinish",
          "finish", "end", "close false" }, seen)
      end))
  end

  it("makes it readable again after unshift(nil)", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", function(peer)
      server:close()
      peer:finish("hello")
    end)
    local socket = net.Socket()
    socket:unshift(nil)
    socket:connect(where)
    assert.equal("hello", wait_for(socket, "data"))
    t.run()
  end))
end)

describe("destroy() of a falsy value", function()
  for _, falsy in ipairs({ false, 0, -0.0, 0 / 0, "" }) do
    it(("that is %s is without an error"):format(falsy == "" and "empty" or tostring(falsy)),
      within(function(t)
        local socket, peer = pair()
        local seen = trace(socket)
        socket:destroy(falsy)
        drop(t, peer)
        assert.is_nil(socket.errored)
        assert.same({ "close false" }, seen)
      end))
  end
end)

describe("destroy() when 'end' is due", function()
  --- A socket that has "abcd" and the end to read, unread, and what it will say.
  local function ended()
    local socket, peer = pair()
    peer:on("error", function() end)
    peer:finish("abcd")
    wait(function() return socket.readableLength == 4 and not socket:unshift("") end)
    return socket, trace(socket)
  end

  for name, way in pairs({
    ["read() has taken the last byte"] = function(socket, kill)
      socket:read()
      kill()
    end,
    ["'readable' tells of the end"] = function(socket, kill)
      socket:on("readable", function()
        while socket:read() do end
        kill()
      end)
    end,
    ["the last 'data' is told"] = function(socket, kill)
      socket:on("data", function() process.nextTick(kill) end)
    end,
    ["resume() has read it all, a tick later"] = function(socket, kill)
      socket:resume()
      process.nextTick(kill)
    end,
  }) do
    for _, method in ipairs({ "destroy", "resetAndDestroy" }) do
      it(("by %s() as %s: still comes, before 'close'"):format(method, name), within(function(t)
        local socket, seen = ended()
        way(socket, function() socket[method](socket) end)
        t.run()
        assert.same({ "end", "close false" },
          table.move(seen, #seen - 1, #seen, 1, {}))
        assert.same({ true, false }, { socket.readableEnded, socket.readableAborted })
      end))
    end
  end

  it("does not come after an error", within(function(t)
    local socket, seen = ended()
    socket:read()
    socket:destroy("broken")
    t.run()
    assert.same({ "error broken", "close true" }, seen)
    assert.is_false(socket.readableEnded)
  end))

  it("does not come where it became due after destroy()", within(function(t)
    local socket, seen = ended()
    socket:destroy()
    assert.same({ "abcd", nil }, { socket:read(), socket:read() })
    t.run()
    assert.same({ "close false" }, seen)
    assert.is_true(socket.readableAborted)
  end))

  it("lets read() tell 'data' in the same tick, and not later", within(function(t)
    local got = {}
    for _, later in ipairs({ false, true }) do
      local socket = ended()
      socket:on("readable", function() end)
      socket:prependListener("data", function(chunk) got[#got + 1] = chunk end)
      socket:destroy()
      if later then
        process.nextTick(socket.read, socket)
      else
        socket:read()
      end
      t.run()
    end
    assert.same({ "abcd" }, got)
  end))
end)

describe("a socket that nobody refers to any more", function()
  --- Opens and closes `count` connections without collecting. Returns the KiB of Lua's
  --- memory that they leave behind after one collection, and before it.
  local function leave(t, count)
    local server, where = sockets.listen()
    server:on("connection", function(peer) peer:resume() end)
    collectgarbage()
    collectgarbage()
    collectgarbage("stop")
    local before = collectgarbage("count")
    for _ = 1, count do
      local client = net.connect(where)
      client:on("connect", function() client:destroy() end)
      client:on("close", net.stop)
      net.run()
    end
    local grown = collectgarbage("count") - before
    collectgarbage()
    collectgarbage("restart")
    local kept = collectgarbage("count") - before
    server:close()
    t.run()
    return kept, grown
  end

  it("is freed by one collection", within(function(t)
    leave(t, 1) -- and what is kept for the next one is there
    local kept, grown = leave(t, 100)
    assert.is_true(kept < grown / 5, ("%d of %d KiB are kept"):format(kept // 1, grown // 1))
  end))
end)

describe("__close", function()
  it("destroys the socket at the end of its block", within(function(t)
    local outer, peer
    do
      local socket <close>, other = pair()
      outer, peer = socket, other
    end
    assert.is_true(outer.destroyed)
    drop(t, peer)
  end))

  it("does so when the block raises, and keeps the error", within(function(t)
    local outer, peer
    local ok, err = pcall(function()
      local socket <close>, other = pair()
      outer, peer = socket, other
      error("mine", 0)
    end)
    assert.same({ false, "mine", true }, { ok, err, outer.destroyed })
    outer:on("error", t.calls(0))
    drop(t, peer)
  end))
end)

describe("an empty last chunk that cork() holds", function()
  it("is not sent, and 'finish' does not come, before uncork()", within(function(t)
    local server <close> = net.createServer(function(peer) peer:resume() end):listen(0, "127.0.0.1")
    wait(function() return server.listening end)
    local socket = net.connect(server:address().port, "127.0.0.1"):resume()
    socket:write("a")
    socket:finish("")
    socket:cork()
    wait_for(socket, "connect")
    settle()
    assert.is_false(socket.writableFinished)
    socket:on("finish", t.calls(1))
    socket:uncork()
    server:close()
    t.run()
  end))
end)

describe("as many sockets as fit into the list of what one poll has found", function()
  it("may each end amid what they read, of which there is more", within(function(t)
    local open, chunks, finished = {}, 0, 0
    for i = 1, 64 do
      local socket, peer = pair()
      open[i] = socket
      peer:on("data", function()
        chunks = chunks + 1
        peer:finish()
      end)
      peer:on("finish", function() finished = finished + 1 end)
    end
    for _, socket in ipairs(open) do
      socket:resume():finish(("x"):rep(70000))
    end
    t.run()
    assert.is_true(chunks > 64)
    assert.equal(64, finished)
  end))
end)
