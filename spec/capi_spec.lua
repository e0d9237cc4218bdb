-- SPDX-License-Identifier: MIT

--- net.core.capi: what another library's C code may do with sockets. It is
--- support/foreign.c, with a transport 'xor', the example of docs/internals.md, and one
--- called 'slow', which shakes hands, keeps bytes back and has errors of its own.

local core = require("net.core")
local foreign_module = require("spec.support.foreign")
local lua = require("spec.support.lua")
local net = require("net")
local sockets = require("spec.support.sockets")
local support = require("spec.support")

local wait, wait_for, within = sockets.wait, sockets.wait_for, support.within

local scratch = os.tmpname()
os.remove(scratch)
local cpath, foreign

setup(function()
  cpath = foreign_module.build(scratch)
  package.cpath, cpath = cpath, package.cpath
  foreign = require("foreign")
  package.cpath, cpath = cpath, package.cpath
end)

teardown(function()
  os.execute("rm -r " .. lua.quote(scratch))
end)

--- Two connected sockets, by what is below them.
local GROUNDS = {
  tcp = function(options) return sockets.pair({ client = options, server = options }) end,
  unix = function(options)
    return sockets.pair({ client = options, server = options, unix = true })
  end,
  memory = function(options)
    options = options or {}
    options.allowHalfOpen = options.allowHalfOpen or false
    return net.duplexPair(options)
  end,
}

--- Ways to put layers on both ends.
local LAYERS = {
  xor = function(a, b)
    foreign.xor(a, 7)
    foreign.xor(b, 7)
  end,
  ["xor, xor"] = function(a, b)
    for _, key in ipairs { 5, 250 } do
      foreign.xor(a, key)
      foreign.xor(b, key)
    end
  end,
  slow = function(a, b)
    foreign.slow(a)
    foreign.slow(b, nil, 1000)
  end,
  ["slow on xor"] = function(a, b)
    foreign.xor(a, 7)
    foreign.xor(b, 7)
    foreign.slow(a)
    foreign.slow(b)
  end,
  ["xor on slow"] = function(a, b)
    foreign.slow(a)
    foreign.slow(b)
    foreign.xor(a, 128) -- keeps text clear of what 'slow' takes for an error
    foreign.xor(b, 128)
  end,
}

local function of_all(promise)
  for ground, pair in pairs(GROUNDS) do
    for layers, put_on in pairs(LAYERS) do
      promise(("(%s on %s)"):format(layers, ground), function(options)
        local a, b = pair(options)
        put_on(a, b)
        return a, b
      end)
    end
  end
end

--- Bytes that are not all alike, without those that 'slow' takes for an error.
local function bytes(n)
  local list = {}
  for i = 1, n // 10 do list[i] = ("%09d\n"):format(i * 7919 % 1000000007) end
  return table.concat(list)
end

local function collect(socket)
  local chunks = {}
  socket:on("data", function(chunk)
    assert(select(2, foreign.counts()) == 0, "a listener amid a transport")
    chunks[#chunks + 1] = chunk
  end)
  return chunks
end

--- No layer is left, and none is amid something.
local function assert_clean()
  assert.same({ 0, 0 }, { foreign.counts() })
end

local function finish(t, a, b)
  a:finish()
  b:finish()
  a:resume()
  b:resume()
  t.run()
  assert.is_true(a.closed and b.closed)
  assert_clean()
end

describe("a layer", function()
  of_all(function(where, pair)
    it("moves all bytes, both ways " .. where, within(function(t)
      local a, b = pair()
      local text = bytes(300000)
      local at_a, at_b = collect(a), collect(b)
      b:on("end", t.calls(1, function() assert.equal(text, table.concat(at_b)) end))
      a:on("end", t.calls(1, function() assert.equal(text:reverse(), table.concat(at_a)) end))
      for i = 1, #text, 9973 do
        a:write(text:sub(i, i + 9972))
        b:write(text:reverse():sub(i, i + 9972))
      end
      wait(function() return b.bytesRead == #text and a.bytesRead == #text end)
      assert.same({ #text, #text }, { a.bytesWritten, b.bytesWritten })
      finish(t, a, b)
    end))

    it("has half-open ends " .. where, within(function(t)
      local a, b = pair({ allowHalfOpen = true })
      local at_a = collect(a)
      b:resume()
      b:on("end", t.calls(1, function() b:finish("after the end") end))
      a:finish("x")
      a:on("end", t.calls(1, function() assert.equal("after the end", table.concat(at_a)) end))
      t.run()
      assert.is_true(a.closed and b.closed)
      assert_clean()
    end))

    it("waits for a peer that does not read " .. where, within(function(t)
      local a, b = pair({ highWaterMark = 1000 })
      b:pause()
      local written, drained = 12 << 20, false -- more than any kernel keeps
      for _ = 1, 12 do a:write(("x"):rep(1 << 20)) end
      assert.is_true(a.writableNeedDrain)
      a:on("drain", t.calls(1, function() drained = true end))
      a:write("y", t.calls(1, function(err)
        assert.is_nil(err)
        assert.is_true(drained)
      end))
      sockets.settle()
      assert.is_false(drained)
      local at_b = collect(b)
      b:resume()
      wait(function() return drained and b.bytesRead == written + 1 end)
      assert.equal(0, a.writableLength)
      local text = table.concat(at_b)
      assert.is_true(text == ("x"):rep(written) .. "y")
      finish(t, a, b)
    end))

    it("is closed with its stream, whose peer hears the end " .. where, within(function(t)
      local a, b = pair()
      b:on("end", t.calls(1)):resume()
      a:write("x", function() a:destroy() end)
      a:on("close", t.calls(1, function(failed) assert.is_false(failed) end))
      b:on("close", t.calls(1))
      t.run()
      assert_clean()
    end))

    it("leaves nothing when it is destroyed at once " .. where, within(function(t)
      local a, b = pair()
      a:write("x")
      b:destroy()
      a:destroy()
      t.run()
      assert_clean()
    end))

    it("keeps the idle timeout " .. where, within(function(t)
      local a, b = pair()
      local guard, timed_out = net.timers.setTimeout(function() end, 10000), false
      a:setTimeout(5, t.calls(1, function() timed_out = true end))
      wait(function() return timed_out end)
      guard:close()
      finish(t, a, b)
    end))

    it("is piped and sends files, by copying " .. where, within(function(t)
      local a, b = pair()
      local at_a = collect(a)
      b:pipe(b)
      a:write("head\n")
      a:sendFile("spec/capi_spec.lua", 0, 1000, t.calls(1, function(err) assert.is_nil(err) end))
      local file <close> = assert(io.open("spec/capi_spec.lua"))
      local text = "head\n" .. file:read(1000)
      wait(function() return a.bytesRead == #text end)
      assert.equal(text, table.concat(at_a))
      finish(t, a, b)
    end))
  end)

  it("lets addresses, the descriptor and its options through", within(function(t)
    local a, b = GROUNDS.tcp()
    local before = { a.localPort, a.remoteAddress, a:fd() }
    foreign.xor(a, 1)
    foreign.slow(a)
    assert.same({ "slow", "xor", "tcp" }, { foreign.layers(a) })
    assert.same(before, { a.localPort, a.remoteAddress, a:fd() })
    assert.is_true(core.stream.nodelay(a, true))
    assert.is_true(core.stream.set_tos(a, 16))
    assert.equal(16, a:getTypeOfService())
    a:destroy()
    finish(t, a, b)
  end))

  it("lets a reset through, both ways", within(function(t)
    local a, b = GROUNDS.tcp()
    LAYERS["xor, xor"](a, b)
    b:on("error", t.calls(1, function(err) assert.equal("read ECONNRESET", err.message) end))
    b:resume()
    a:resetAndDestroy()
    t.run()
    assert.is_true(b.closed)
    assert_clean()
  end))

  it("sees the bytes that are below: a peer without it reads them flipped", within(function(t)
    local a, b = GROUNDS.tcp()
    foreign.xor(a, 1)
    local at_b = collect(b)
    a:write("abc")
    wait(function() return b.bytesRead == 3 end)
    assert.equal("`cb", table.concat(at_b))
    finish(t, a, b)
  end))

  for ground, pair in pairs(GROUNDS) do
    it("may wish for events all the time, which end with it, on " .. ground, within(function(t)
      local a, b = pair()
      foreign.wishful(a)
      local at_a = collect(a)
      b:write("text")
      wait(function() return a.bytesRead == 4 end)
      assert.same({ "text" }, at_a)
      a:pause()
      b:resume()
      a:destroy()
      finish(t, a, b)
    end))
  end

  it("is put on behind what was written, and before what comes", within(function(t)
    local a, b = GROUNDS.tcp()
    local at_b = collect(b)
    net.process.nextTick(function() -- where small writes wait for the turn's end
      a:write("plain ")
      foreign.xor(a, 1)
      a:write("abc")
    end)
    wait(function() return b.bytesRead == 9 end)
    assert.equal("plain `cb", table.concat(at_b))
    finish(t, a, b)
  end))

  it("is refused, with nothing done, where there is no connection, or no room", within(function(t)
    local a, b = GROUNDS.tcp()
    b:pause()
    sockets.fill(a)
    wait(function() return a.writableLength > 0 end)
    for _, socket in ipairs { a, net.Socket() } do
      for _, layer in ipairs { foreign.xor, foreign.slow } do
        local ok, err = pcall(layer, socket, 1)
        assert.is_false(ok)
        assert.matches("a layer for a socket that", err)
      end
    end
    assert.same({ "tcp" }, { foreign.layers(a) })
    assert.equal(0, select("#", foreign.layers(net.Socket())))
    a:destroy()
    finish(t, a, b)
  end))
end)

describe("a layer's 'ready'", function()
  for ground, pair in pairs(GROUNDS) do
    it("shakes hands, and early writes go behind that, on " .. ground, within(function(t)
      local a, b = pair()
      local order = {}
      foreign.slow(a, t.calls(1, function(socket)
        assert.equal(a, socket)
        assert.equal(5, a.writableLength)
        order[#order + 1] = "open"
      end))
      a:write("early", t.calls(1, function() order[#order + 1] = "written" end))
      assert.equal(5, a.writableLength)
      foreign.slow(b, t.calls(1), 2)
      local at_b = collect(b)
      wait(function() return b.bytesRead == 5 and a.writableLength == 0 end)
      assert.same({ "open", "written" }, order)
      assert.same({ "ea", "rl", "y" }, at_b)
      finish(t, a, b)
    end))

    it("may raise: it comes out of net.run, and goes on, on " .. ground, within(function(t)
      local a, b = pair()
      local at_a = collect(a)
      foreign.slow(a, t.calls(1, function() error("by ready", 0) end))
      foreign.slow(b)
      b:write("after")
      local ok, err = pcall(function()
        wait(function() return false end)
      end)
      assert.same({ false, "by ready" }, { ok, err })
      wait(function() return a.bytesRead == 5 end)
      assert.same({ "after" }, at_a)
      finish(t, a, b)
    end))

    it("may destroy its stream, with and without an error, on " .. ground, within(function(t)
      for _, err in ipairs { false, "broken" } do
        local a, b = pair()
        local closed
        foreign.slow(a, t.calls(1, function()
          a:destroy(err or nil)
          collectgarbage()
        end))
        a:on("error", function(e) assert.equal(err, e) end)
        a:on("close", t.calls(1, function(failed) closed = failed end))
        foreign.slow(b)
        b:on("error", function() end):resume()
        t.run()
        assert.equal(err ~= false, closed)
        b:destroy()
        t.run()
        assert_clean()
      end
    end))

    it("tells an error of its own where the handshake fails, on " .. ground, within(function(t)
      local a, b = pair()
      a:on("error", t.calls(1, function(err)
        assert.equal("ERR_INVALID_ADDRESS", err.code)
      end))
      foreign.slow(a)
      b:write("no greeting")
      b:on("error", function() end):resume()
      t.run()
      b:destroy()
      t.run()
      assert.is_true(a.closed)
      assert_clean()
    end))
  end
end)

describe("NET_OWN_ERROR", function()
  for _, layers in ipairs { "slow", "xor on slow" } do
    it(("of a read is what 'error' says (%s)"):format(layers), within(function(t)
      local a, b = GROUNDS.tcp()
      LAYERS[layers](a, b)
      a:on("error", t.calls(1, function(err)
        assert.equal("ERR_INVALID_ADDRESS", err.code)
        assert.equal(err, a.errored)
      end)):resume()
      b:write(layers == "slow" and "!" or string.char(("!"):byte() ~ 128))
      wait_for(a, "close")
      b:destroy()
      t.run()
      assert_clean()
    end))
  end

  it("of a write is told to its callback", within(function(t)
    local a, b = GROUNDS.tcp()
    LAYERS.slow(a, b)
    local seen = {}
    a:on("error", t.calls(1, function(err) seen[#seen + 1] = err end))
    wait(function()
      a:write("x")
      return b.bytesRead > 0
    end)
    a:write("?", t.calls(1, function(err) seen[#seen + 1] = err end))
    b:resume()
    wait_for(a, "close")
    assert.equal("ERR_INVALID_ADDRESS", seen[1].code)
    assert.equal(seen[1], seen[2])
    b:destroy()
    t.run()
    assert_clean()
  end))
end)

--- 'trace' of both, in one list.
local function trace_both(to, from, more)
  local seen = {}
  sockets.trace(to, more, seen, "to")
  sockets.trace(from, more, seen, "from")
  return seen
end

--- A socket that has taken what is under another.
local function taker(from)
  local to = foreign.new()
  local read, err = foreign.take(to, from)
  assert(read, err)
  return to, read
end

describe("take", function()
  for ground, pair in pairs(GROUNDS) do
    it("moves the connection, with the bytes that were read, on " .. ground, within(function(t)
      local from, peer = pair()
      peer:write("read before")
      wait(function() return from.readableLength == 11 end)
      local to, read = taker(from)
      assert.equal("read before", read)
      local seen = trace_both(to, from, { "data" })
      assert.same({ "open", "open", 0 }, { to.readyState, from.readyState, from.readableLength })
      assert.same({ 11, 0 }, { from.bytesRead, to.bytesRead })
      assert.equal(0, select("#", foreign.layers(from)))
      from:resume()
      peer:write("after")
      wait(function() return to.bytesRead == 5 end)
      local at_peer = collect(peer)
      to:write("answer")
      wait(function() return #at_peer > 0 end)
      assert.same({ "answer" }, at_peer)
      for _, line in ipairs(seen) do
        assert.is_true(line == "from resume" or line:sub(1, 3) == "to ", line)
      end
      finish(t, to, peer)
      assert.is_true(from.closed)
    end))

    it("lets what was written go first, and ends a cork, on " .. ground, within(function(t)
      local from, peer = pair()
      local at_peer, to = collect(peer), foreign.new()
      net.process.nextTick(function()
        from:write("one ")
        from:cork()
        from:write("two ", t.calls(1))
        local read, err = foreign.take(to, from)
        if read then
          to:write("three")
        else -- what waits for the other half of a pair is not done yet
          assert.equal("EAGAIN", core.errname(err))
          from:write("", function()
            assert(foreign.take(to, from))
            to:write("three")
          end)
        end
        assert.equal(0, from.writableCorked)
      end)
      wait(function() return table.concat(at_peer) == "one two three" end)
      finish(t, to, peer)
    end))

    it("is undone by the other way round, on " .. ground, within(function(t)
      local first, peer = pair()
      first:resume()
      peer:write("a")
      wait(function() return first.bytesRead == 1 end)
      local second = taker(first)
      local at_second, at_first = collect(second), collect(first)
      peer:write("b")
      wait(function() return second.bytesRead == 1 end)
      assert.equal("", foreign.take(first, second))
      peer:write("c")
      wait(function() return first.bytesRead == 2 end)
      assert.same({ { "b" }, { "c" } }, { at_second, at_first })
      finish(t, first, peer)
      assert.is_true(second.closed)
    end))

    it("destroys both: the one that had it closes first, on " .. ground, within(function(t)
      local function run(destroy)
        local from, peer = pair()
        local to = taker(from)
        local seen = trace_both(to, from)
        destroy(to, from)
        peer:on("error", function() end):resume()
        t.run()
        peer:destroy()
        t.run()
        assert.is_true(from.destroyed and to.destroyed)
        return seen
      end
      assert.same({ "from close false", "to close false" }, run(function(to) to:destroy() end))
      assert.same({ "from close false", "to close false" },
        run(function(_, from) from:destroy() end))
      assert.same({ "to error e", "from close false", "to close true" },
        run(function(to) to:destroy("e") end))
      assert.same({ "to error e", "from error e", "from close true", "to close true" },
        run(function(_, from) from:destroy("e") end))
    end))

    it("stacks: a third takes it from the second, and a layer is on it, on " .. ground,
      within(function(t)
        local first, peer = pair()
        local second = taker(first)
        foreign.xor(second, 1)
        local third = taker(second)
        foreign.xor(third, 1)
        local at_peer = collect(peer)
        third:write("as it was")
        wait(function() return peer.bytesRead == 9 end)
        assert.same({ "as it was" }, at_peer)
        assert.same({ "xor", "xor", ground }, { foreign.layers(third) })
        local seen = {}
        for i, s in ipairs { first, second, third } do
          s:on("error", function(err) seen[#seen + 1] = i .. err end)
          s:on("close", function(failed) seen[#seen + 1] = ("%d %s"):format(i, failed) end)
        end
        second:destroy("e")
        peer:on("error", function() end):resume()
        t.run()
        assert.same({ "3e", "2e", "1 false", "2 true", "3 true" }, seen)
        peer:destroy()
        t.run()
        assert_clean()
      end))

    it("gives bytes where an encoding was set, on " .. ground, within(function(t)
      for _, encoding in ipairs { "utf8", "base64", "hex", "latin1", "utf16le" } do
        local from, peer = pair()
        from:setEncoding(encoding)
        peer:write("abcd\u{20AC}")
        wait(function() return from.bytesRead == 7 end)
        local to, read = taker(from)
        assert.equal("abcd\u{20AC}", read)
        finish(t, to, peer)
      end
    end))

    it("goes on with what the taken one had begun, on " .. ground, within(function(t)
      local from, peer = pair()
      local to = foreign.new()
      from:setEncoding("utf8"):on("data", t.never()):unref()
      assert(foreign.take(to, from))
      local at_to = collect(to)
      peer:finish("last words")
      to:on("end", t.calls(1))
      to:on("close", t.calls(1))
      from:on("close", t.calls(1))
      to:ref()
      t.run()
      assert.same({ "last words" }, at_to)
      assert.is_true(to.closed and peer.closed and from.closed)
    end))
  end

  for ground, pair in pairs(GROUNDS) do
    it("may come from any listener of the taken one, on " .. ground, within(function(t)
      for _, event in ipairs { "data", "readable", "resume", "drain", "pause", "newListener" } do
        local from, peer = pair({ highWaterMark = 4 })
        local to, took = foreign.new(), 0
        from:on(event, function()
          if took == 0 and foreign.take(to, from) then
            took = took + 1
            collectgarbage()
          end
        end)
        from:on("data", function() end)
        if event == "pause" then from:pause() end
        peer:write("some bytes that are more than the mark")
        if event == "drain" then sockets.fill(from) end
        peer:resume()
        wait(function() return took == 1 end)
        assert.equal(0, from.readableLength)
        local at_peer = collect(peer)
        to:write("from the taker")
        wait(function() return table.concat(at_peer):find("from the taker", 1, true) end)
        finish(t, to, peer)
        assert.is_true(from.closed)
      end
    end))

    it("may come from a layer's 'ready', which goes along, on " .. ground, within(function(t)
      local from, peer = pair()
      local to = foreign.new()
      local at_to = collect(to)
      foreign.slow(from, t.calls(1, function()
        assert.equal("", foreign.take(to, from))
        from = nil
        collectgarbage()
      end))
      foreign.slow(peer)
      peer:write("for the taker")
      wait(function() return to.bytesRead == 13 end)
      assert.same({ { "for the taker" }, { "slow", ground } }, { at_to, { foreign.layers(to) } })
      finish(t, to, peer)
    end))
  end

  it("says EAGAIN while it connects, EISCONN to who has one, EBADF where there is nothing", within(function(t)
    local function refused(to, from)
      local read, err = foreign.take(to, from)
      assert.is_nil(read)
      return core.errname(err)
    end
    local server, where = sockets.listen()
    local client, peer = net.connect(where), nil
    server:on("connection", function(socket)
      peer = socket
      server:close()
    end)
    assert.equal("EAGAIN", refused(foreign.new(), client))
    wait(function() return peer and not client.connecting end)
    assert.equal("EISCONN", refused(client, client))
    assert.equal("EISCONN", refused(client, peer))
    assert.equal("EBADF", refused(foreign.new(), net.Socket()))
    local destroyed = net.Socket():destroy()
    assert.equal("EBADF", refused(destroyed, client))
    peer:pause()
    local to = foreign.new()
    sockets.fill(client)
    wait(function() return client.writableLength > 0 end)
    assert.equal("EAGAIN", refused(to, client))
    assert.same({ "tcp" }, { foreign.layers(client) })
    client:write("", t.calls(1, function() assert.equal("", foreign.take(to, client)) end))
    peer:resume()
    wait(function() return foreign.layers(to) end)
    assert.equal("EBADF", refused(foreign.new(), client))
    assert.equal("EBADF", refused(to, foreign.new()))
    to:resume():finish()
    assert.equal("EBADF", refused(foreign.new(), to))
    peer:finish()
    t.run()
    assert.is_true(client.closed)
  end))

  it("counts with the server, and knows the peer, as before", within(function(t)
    local server, where = sockets.listen()
    local to
    server:on("connection", function(from)
      server:close()
      from:unref()
      to = taker(from)
      assert.same({ 1, server }, { server.connections, to.server })
      assert.same({ to.remoteAddress, to.remotePort }, { from.remoteAddress, from.remotePort })
      to:ref():resume()
    end)
    local client = net.connect(where)
    client:on("connect", function()
      wait(function() return to end)
    end)
    wait(function() return to and not client.connecting end)
    assert.equal(client.localPort, to.remotePort)
    client:resetAndDestroy()
    to:on("error", t.calls(1, function()
      assert.equal(0, server.connections)
    end))
    t.run()
    assert.is_true(to.closed)
  end))

  it("leaves the taken one's peer known, on either end and of either family", within(function(t)
    for _, host in ipairs { "127.0.0.1", "::1" } do
      local server, failed = net.createServer(), nil
      server:on("error", function(err) failed = err end)
      server:listen(0, host)
      wait(function() return server.listening or failed end)
      if failed then return end -- no IPv6 here
      local peer
      server:on("connection", function(socket)
        peer = socket
        server:close()
      end)
      local client = net.connect(server:address().port, host)
      wait(function() return peer and not client.connecting end)
      local to, from = taker(client), taker(peer)
      for socket, other in pairs { [client] = to, [peer] = from } do
        assert.equal(host, socket.remoteAddress)
        assert.same({ other.remotePort, other.remoteFamily },
          { socket.remotePort, socket.remoteFamily })
        assert.equal(-1, socket:fd())
      end
      finish(t, to, from)
    end
  end))

  it("connects one that waits as connecting, whose early writes go then", within(function(t)
    local from, peer = GROUNDS.tcp()
    local to = foreign.new()
    core.stream.connecting(to, false)
    to:setNoDelay():setKeepAlive(true, 1000)
    to:write("early")
    local at_peer, at_to = collect(peer), collect(to)
    assert.equal("", foreign.take(to, from))
    assert.same({ false, "open" }, { to.connecting, to.readyState })
    to:on("connect", t.calls(1))
    assert.is_true(foreign.emit(to, "connect"))
    peer:write("answer")
    wait(function() return peer.bytesRead == 5 and to.bytesRead == 6 end)
    assert.same({ { "early" }, { "answer" } }, { at_peer, at_to })
    finish(t, to, peer)
  end))

  it("has the counters of the taken one grow by 'count', and its idle timeout wait", within(function(t)
    local from, peer = GROUNDS.tcp()
    local to = taker(from)
    from:setTimeout(10, t.calls(1))
    foreign.count(from, 10, 20)
    assert.same({ 10, 20, 0, 0 }, { from.bytesRead, from.bytesWritten, to.bytesRead, to.bytesWritten })
    wait_for(from, "timeout")
    finish(t, to, peer)
  end))

  it("makes writes to the taken one fail, and a reset of it one of the connection", within(function(t)
    for _, act in ipairs { "write", "resetAndDestroy" } do
      local from, peer = GROUNDS.tcp()
      local to = taker(from)
      peer:on("error", function() end):resume()
      from:on("error", function(err) assert.equal("ERR_SOCKET_CLOSED", err.code) end)
      to:on("error", function() end)
      from[act](from, "x")
      t.run()
      assert.is_true(from.closed and to.closed)
      assert.equal(act == "write" and "nil" or "ECONNRESET",
        peer.errored and peer.errored.code or "nil")
    end
  end))

  it("hands on that bytes were lost: the taker fails before it tells any more", within(function(t)
    local from, peer = GROUNDS.tcp()
    core.stream.lost(from)
    local to = taker(from)
    to:on("data", t.never())
    to:on("error", t.calls(1, function(err) assert.equal("read ENOMEM", err.message) end))
    peer:on("error", function() end):resume()
    peer:write("what follows")
    t.run()
    assert.is_true(to.closed and from.closed)
  end))

  it("finishes the other half of a pair when the taker has emitted 'end'", within(function(t)
    local from, peer = net.duplexPair()
    local to = taker(from)
    local order = {}
    peer:finish("x", t.calls(1, function() order[#order + 1] = "finished" end))
    to:on("end", t.calls(1, function() order[#order + 1] = "end" end))
    to:resume()
    t.run()
    assert.same({ "end", "finished" }, order)
    to:destroy()
    t.run()
  end))
end)

describe("a class of another library's", function()
  local class

  setup(function()
    class = foreign.class("Foreign", 0)
    function class.methods:hello() return "hello from " .. tostring(self) end
    class.getters.answer = function() return 42 end
    class.getters.writable = function() return "its own" end
    class.setters.level = function(self, value) self.own = value * 2 end
  end)

  it("is a socket, whose text names it", within(function()
    local socket = foreign.new(0)
    assert.is_true(net.isSocket(socket))
    assert.same({ true, true }, { foreign.is(socket) })
    assert.same({ true, false }, { foreign.is(net.Socket()) })
    assert.same({ false, false }, { foreign.is(io.stdout) })
    assert.same({ false, false }, { foreign.is(net.createServer()) })
    assert.equal("Foreign (new)", tostring(socket))
    assert.equal("hello from Foreign (new)", socket:hello())
    assert.is_nil(net.Socket().hello)
  end))

  it("has fields of its own, its parent's, and the user's", within(function()
    local socket = foreign.new(0)
    assert.same({ 42, "its own", true, 0 },
      { socket.answer, socket.writable, socket.readable, socket.bytesRead })
    socket.level = 2
    socket.mine = "mine"
    socket.allowHalfOpen = true
    assert.same({ 4, "mine", true }, { socket.own, socket.mine, socket.allowHalfOpen })
    for name, value in pairs({ answer = 1, bytesRead = 1 }) do
      local err = sockets.raised(function() socket[name] = value end)
      assert.equal(("Cannot set property %s of #<Foreign> which has only a getter"):format(name),
        err.message)
    end
    assert.is_nil(socket.nothing)
  end))

  it("has the methods that its parent gets later", within(function()
    local socket = foreign.new(0)
    core.Socket.methods.later = function(self) return self == socket end
    assert.is_true(socket:later())
    core.Socket.methods.later = nil
    assert.is_nil(socket.later)
  end))

  it("emits, connects, ends, and takes every method and option", within(function(t)
    local server, where = sockets.listen()
    server:once("connection", function(peer)
      peer:pipe(peer)
      server:close()
    end)
    local socket = foreign.new(0)
    socket:setTimeout(60000):setNoDelay():setKeepAlive(true, 1000):setEncoding("utf8")
    socket:once("connect", t.calls(1))
    socket:once("close", t.calls(1))
    socket:connect(where)
    socket:write("echo", t.calls(1))
    assert.equal("echo", wait_for(socket, "data"))
    assert.same({ 1 }, { socket:listenerCount("close") })
    socket:finish()
    t.run()
    assert.equal("Foreign (closed)", tostring(socket))
  end))

  it("is written to by its own 'write' where a pipe ends in it", within(function(t)
    local a, b = GROUNDS.tcp()
    local to = foreign.new(0)
    local c, d = GROUNDS.tcp()
    assert(foreign.take(to, c))
    function class.methods:write(chunk) return core.Socket.methods.write(self, chunk:upper()) end
    t.finally(function() class.methods.write = nil end)
    b:pipe(to)
    local at_d = collect(d)
    a:write("text")
    wait(function() return d.bytesRead == 4 end)
    assert.same({ "TEXT" }, at_d)
    to:resume()
    a:finish()
    d:finish()
    t.run()
    assert.is_true(to.closed)
  end))

  it("closes with its scope, and without a word when it is forgotten", within(function()
    local kept
    do
      local socket <close> = foreign.new(0)
      kept = socket
    end
    assert.is_true(kept.destroyed)
    net.run()
    for _ = 1, 20 do foreign.new(0) end
    collectgarbage()
  end))

  it("is refused by what is for others, and refuses what is another", within(function()
    local socket = foreign.new(0)
    local err = sockets.raised(core.Server.methods.address, socket)
    assert.equal("ERR_INVALID_THIS", err.code)
    err = sockets.raised(core.Socket.methods.write, io.stdout, "x")
    assert.equal("ERR_INVALID_THIS", err.code)
    err = sockets.raised(getmetatable(socket).__index, 1, "write")
    assert.equal("ERR_INVALID_THIS", err.code)
  end))

  it("may be one of servers", within(function(t)
    local tables = foreign.class("ForeignServer", 1)
    function tables.methods:double() return self.connections * 2 end
    local server = foreign.new(1)
    assert.is_true(net.isServer(server))
    assert.is_false(net.isSocket(server))
    assert.equal("ForeignServer (not listening)", tostring(server))
    server:on("connection", t.calls(1, function(peer)
      assert.equal(2, server:double())
      server:close()
      peer:destroy()
    end))
    server:listen(0)
    net.connect(server:address().port):resume()
    t.run()
    assert.is_false(server.listening)
  end))

  it("is accepted by a server that is 'over' to it, which tells no 'connection'", within(function(t)
    local server, where = sockets.listen({ server = { pauseOnConnect = true } })
    server:on("connection", t.calls(1, function(raw) assert.equal("raw", raw.what) end))
    foreign.over(server, t.calls(1, function(self, socket)
      assert.equal(server, self)
      assert.same({ true, true }, { foreign.is(socket) })
      assert.same({ 1, server, true }, { server.connections, socket.server, socket:isPaused() })
      assert.is_true(foreign.listens(server, "connection"))
      local raw = taker(socket) -- as if there were a plain one first
      raw.what = "raw"
      assert.is_true(foreign.emit(server, "connection", raw))
      assert.equal("", foreign.take(socket, raw))
      foreign.xor(socket, 1)
      socket:pipe(socket)
      server:close()
    end))
    local client = net.connect(where)
    client:write("text")
    assert.equal("text", wait_for(client, "data"))
    client:finish()
    t.run()
    assert.equal(0, server.connections)
    assert_clean()
  end))

  it("is not any more when 'over' is taken back, and an error of it is uncaught", within(function(t)
    local server, where = sockets.listen()
    foreign.over(server, function() error("by accepted", 0) end, true)
    local client = net.connect(where)
    local ok, err = pcall(wait_for, server, "connection")
    assert.same({ false, "by accepted" }, { ok, err })
    foreign.over(server)
    local other = net.connect(where)
    local peer = wait_for(server, "connection")
    assert.same({ true, false }, { foreign.is(peer) })
    server:close()
    client:destroy()
    other:destroy()
    peer:resume()
    t.run()
  end))
end)

describe("net.core.capi", function()
  it("emits any event; what a listener raises is uncaught", within(function(t)
    local socket = foreign.new()
    local heard = {}
    assert.is_false(foreign.emit(socket, "data", "x"))
    assert.is_false(foreign.emit(socket, "secureConnect", "x"))
    assert.is_false(foreign.listens(socket, "secureConnect"))
    for _, event in ipairs { "data", "secureConnect" } do
      socket:on(event, function(...) heard[#heard + 1] = table.pack(...) end)
      assert.is_true(foreign.listens(socket, event))
      assert.is_true(foreign.emit(socket, event, 1, nil, 3))
      assert.same({ 1, nil, 3, n = 3 }, heard[#heard])
    end
    local taken = {}
    local function take(err) taken[#taken + 1] = err end
    net.process:on("uncaughtException", take)
    t.finally(function() net.process:off("uncaughtException", take) end)
    socket:on("raises", function() error("by a listener", 0) end)
    assert.is_true(foreign.emit(socket, "raises"))
    assert.is_false(foreign.emit(socket, "error", foreign.error_sys(-104, "read")))
    assert.same({ "by a listener", "read ECONNRESET" }, { taken[1], taken[2].message })
    socket:resume():destroy()
    t.run()
  end))

  it("makes errors as net's own, and destroys with them", within(function(t)
    local err = foreign.error_code("ERR_SOCKET_BAD_PORT", "port", -1)
    assert.same({ "ERR_SOCKET_BAD_PORT", true }, { err.code, net.Error.isError(err) })
    local socket = foreign.new()
    socket:on("error", t.calls(1, function(e) assert.equal(err, e) end))
    foreign.destroy(socket, err)
    t.run()
    assert.is_true(socket.closed)
  end))

  --- Once, a list of those that are woken grew with each, and into other memory.
  it("wakes for events alone: of none, or of others of libev's, nothing comes", within(function(t)
    local a, b = net.duplexPair()
    for _, events in ipairs { 0, 4, 0x100, 3 } do
      foreign.wake(a, events, 1000)
    end
    b:finish("x")
    a:on("data", t.calls(1))
    a:finish()
    t.run()
  end))

  it("tells the turns apart", within(function(t)
    local socket = net.Socket()
    local turns = {}
    local function note()
      turns[#turns + 1] = foreign.turn(socket)
      if #turns < 6 then
        net.timers.setImmediate(note)
      end
    end
    net.timers.setImmediate(function()
      assert.equal(foreign.turn(socket), foreign.turn(socket))
      note()
    end)
    t.run()
    for i = 2, #turns do
      assert.is_true(turns[i] > turns[i - 1])
    end
  end))

  it("has the version of net", function()
    assert.equal(net.version, foreign.version)
  end)

  it("is refused with both numbers where the ABI is another #slow", function()
    local folder = scratch .. "/other"
    local path = foreign_module.build(folder, 99)
    local result = lua.run({ env = { LUA_CPATH = path }, script = [[print(pcall(require, "foreign"))]] })
    assert.matches(("built with ABI 99 of net_capi.h, but net %s has ABI 1"):format(net.version),
      result.stdout, 1, true)
  end)
end)

--- A program of its own: two sockets 'a' and 'b', connected, as 'ground' has it.
local PROGRAM = [[
local net, foreign = require("net"), require("foreign")
local function start(a, b) %s end
if arg[1] == "memory" then
  start(net.duplexPair())
else
  local server = net.createServer()
  server:listen(0, "127.0.0.1", function()
    local a, b = net.connect(server:address().port), nil
    local function begin()
      if b and not a.connecting then start(a, b) end
    end
    a:on("ready", begin)
    server:on("connection", function(socket)
      b = socket
      server:close()
      begin()
    end)
  end)
end
net.run()
]]

local function program(ground, body, options)
  local script = (options and options.before or "") .. PROGRAM:format(body)
  local result = lua.run({ script = script, args = { ground }, env = { LUA_CPATH = cpath } })
  assert.same({ code = 0, stderr = "" }, { code = result.code, stderr = result.stderr })
  return result.stdout
end

local BUSY = [[
  local to = foreign.new()
  foreign.take(to, a)
  for _, socket in ipairs { to, b } do
    foreign.xor(socket, 1)
    foreign.slow(socket, function()
      io.write("open ")
      if exits then os.exit(0, true) end
    end, 100)
    foreign.xor(socket, 128)
    socket:on("error", function() end)
  end
  to:on("data", function(data) if #data > 0 and to.bytesRead == 10000 then to:finish() end end)
  b:pipe(b)
  to:write(("x"):rep(10000))
  net.timers.setTimeout(function() to:destroy() b:destroy() end, 5000):unref()
  %s
]]

describe("layers", function()
  for _, ground in ipairs { "tcp", "memory" } do
    it("are closed with the Lua state, wherever that is, on " .. ground, function()
      local after = [[for _, s in ipairs { a, to, b } do
        s:on("close", function() print("no listener any more") end) end
        ]]
      for _, where in ipairs { "os.exit(0, true)",
        "net.timers.setImmediate(os.exit, 0, true)",
        "to:once('data', function() os.exit(0, true) end)",
        "exits = true" } do
        local output = program(ground, BUSY:format(after .. where))
        assert.equal("", (output:gsub("open ", "")))
      end
    end)

    it("are whole though what is garbage goes at each step, on " .. ground .. " #slow", function()
      local output = program(ground, BUSY:format([[to:on("close", function() print("closed") end)]]),
        { before = "debug.sethook(function() collectgarbage() end, '', 50)\n" })
      assert.equal("open open closed\n", output)
    end)
  end

  it("have a listener's writes sent though it calls os.exit, in net's exit_flush #slow", function()
    local output = program("tcp", [[
      foreign.flush_at_exit()
      foreign.xor(a, 1)
      local child = io.popen("cat", "w")
      b:on("data", function(data) io.write(data) os.exit(0) end)
      net.process.nextTick(function() a:write("sent") end)
      foreign.xor(b, 1)
    ]])
    assert.equal("sent", output)
  end)
end)

--- Runs in want of memory, by support/starve.c: what raised may be tried again.
local STARVED = [[
local net, foreign, core = require("net"), require("foreign"), require("net.core")
for name in pairs(package.preload) do
  if name:find("^net%%.") then require(name) end
end
local problem
local function check(right, text)
  problem = problem or (not right and text or nil)
end
local a, b, server
if %q == "memory" then
  a, b = net.duplexPair()
else
  server = net.createServer(function(socket) b = socket end)
  server:listen(0, "127.0.0.1")
  repeat net.run("nowait") await() until server.listening
  a = net.connect(server:address().port, "127.0.0.1")
  repeat net.run("nowait") await() until b and not a.connecting
  server:close()
end
b:write("before")
repeat net.run("nowait") await() until a.readableLength == 6
for _, s in ipairs { a, b } do s:on("error", function() end) end
collectgarbage()
collectgarbage("stop")
local to, read
local errors, other = choke(function()
  to = to or foreign.new()
  read = foreign.take(to, a)
  foreign.xor(to, 3)
  foreign.xor(b, 3)
  foreign.slow(to)
  foreign.slow(b)
  to:write("question")
  b:write("answer")
end, net.run)
collectgarbage("restart")
check(not other, "another error: " .. tostring(other))
if not read then
  check(a.readableLength == 6 and foreign.layers(a), "the take that raised has done something")
  check(to == nil or not foreign.layers(to), "or to the other")
  to = to or foreign.new()
  check(foreign.take(to, a) == "before", "it cannot be tried again")
end
if to then to:destroy() end
a:destroy()
b:destroy()
for _ = 1, 3 do net.run("nowait") end
check(foreign.counts() == 0, "a layer is left")
check(core.alive() == 0, "the loop is held")
check(select(2, core.alive()) == 0, "an object is anchored")
return problem
]]

--- The same of destroy() where one has taken the handle of another.
local STARVED_END = STARVED:gsub("collectgarbage%(%)\n.*", "") .. [[
local c = foreign.new()
b:setEncoding("utf8")
b:resume()
check(foreign.take(c, a), "nothing was taken")
local closed, failed = {}, 0
for name, s in pairs { a = a, c = c } do
  s:on("close", function() closed[#closed + 1] = name end)
  s:on("error", function() failed = failed + 1 end)
end
c:write("question")
collectgarbage()
collectgarbage("stop")
local errors, other = choke(function() a:destroy("e") end, net.run)
collectgarbage("restart")
check(not other, "another error: " .. tostring(other))
check(a.destroyed == c.destroyed, "one is destroyed, and the other is not")
c:destroy("e")
b:destroy()
for _ = 1, 3 do pcall(net.run, "nowait") end
check(a.closed and c.closed and failed <= 2, "errors are told again")
check(core.alive() == 0, "the loop is held")
check(select(2, core.alive()) == 0, "an object is anchored")
return problem
]]

describe("without memory", function()
  local starve
  setup(function()
    starve = lua.compile("spec/support/starve.c", scratch .. "/starve")
  end)

  for _, ground in ipairs { "tcp", "memory" } do
    for name, args in pairs({ ["2 requests refused"] = { 2, "grown" },
      ["30 requests refused"] = { 30, "grown" }, ["all refused"] = { 0, "grown" },
      ["all refused, little stack"] = { 0 } }) do
      for what, script in pairs({ ["a take or a layer is"] = STARVED,
        ["a destroy() of both is"] = STARVED_END }) do
        it(("%s whole, or not there (%s, %s) #slow"):format(what, ground, name), function()
          if not starve then
            return pending("no Lua library to link with")
          end
          local path = os.tmpname()
          local file = assert(io.open(path, "w"))
          file:write((script:format(ground)))
          file:close()
          local result = lua.run({ program = starve, args = { path, table.unpack(args) },
            env = { LUA_CPATH = cpath } })
          os.remove(path)
          assert.same({ code = 0, stdout = "the end\n", stderr = "" }, result)
        end)
      end
    end
  end
end)
