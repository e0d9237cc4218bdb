-- SPDX-License-Identifier: MIT

--- What docs/api.md says of the loop, of closing, and of time, where a reader would guess
--- otherwise. Each was seen in Node 26, too.

local hole = require("spec.support.hole")
local lua = require("spec.support.lua")
local net = require("net")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local timers = net.timers
local wait_for = sockets.wait_for

local HEAD = [[
  local net = require("net")
  local client
  local function connected(with)
    local server
    server = net.createServer(function(peer)
      server:close()
      peer:unref():on("error", print)
      with(peer)
    end):listen(0, "127.0.0.1", function()
      client = net.connect(server:address().port, "127.0.0.1")
    end)
  end
]]

--- What a program prints that ends by itself.
local function printed(text)
  local result = lua.run({ script = HEAD .. text })
  assert.same({ 0, "" }, { result.code, result.stderr })
  return result.stdout
end

describe("net.run()", function()
  it("returns while a socket is open that is not read, as its buffer is full", function()
    assert.equal("false\t65536\tfalse\n", printed([[
      connected(function(peer)
        client:on("readable", function() end)
        peer:write(("x"):rep(1 << 18))
      end)
      print(net.run(), client.readableLength, client.destroyed)
    ]]))
  end)

  it("returns while the peer's end waits behind data that nobody takes", function()
    assert.equal("false\t1\tfalse\n", printed([[
      connected(function(peer)
        client:on("end", function() print("end") end)
        peer:resume():finish("x")
      end)
      print(net.run(), client.readableLength, client.destroyed)
    ]]))
  end)

  it("does not return while a socket is read", function()
    assert.equal("closed\nfalse\n", printed([[
      connected(function(peer)
        client:resume():on("close", function() print("closed") end)
        net.timers.setTimeout(function() peer:finish() end, 20):unref()
      end)
      print(net.run())
    ]]))
  end)
end)

describe("a listener", function()
  it("cannot yield", within(function(t)
    timers.setTimeout(coroutine.yield, 1)
    local ok, err = pcall(net.run)
    assert.is_false(ok)
    assert.matches("attempt to yield from outside a coroutine", err)
    ok, err = coroutine.resume(coroutine.create(function()
      local emitter = net.events.EventEmitter()
      emitter:on("x", coroutine.yield)
      emitter:emit("x")
    end))
    assert.is_false(ok)
    assert.matches("attempt to yield across a C%-call boundary", err)
    t.run()
  end))

  it("may start a coroutine that does", within(function(t)
    local emitter = net.events.EventEmitter()
    timers.setTimeout(function()
      coroutine.wrap(function() t.log("woken by", net.events.once(emitter, "x")[1]) end)()
    end, 1)
    timers.setTimeout(emitter.emit, 2, emitter, "x", "this")
    t.run()
    assert.same({ "woken by this" }, t.lines)
  end))
end)

describe("server:close()", function()
  it("has the kernel reset who has connected and waits to be accepted", function()
    local server = net.createServer(function() error("accepted") end):listen(0, "127.0.0.1")
    sockets.wait(function() return server.listening end)
    local child = lua.start({ script = ([[
      local socket = require("net").connect(%d, "127.0.0.1", function() print("connected") end)
      socket:on("error", function(err) print(err.code) end)
      require("net").run()
    ]]):format(server:address().port) })
    assert.equal("connected", child:read()) -- no loop has run here meanwhile
    server:close()
    assert.equal("ECONNRESET", child:read())
    assert.equal(0, child:wait().code)
    net.run()
  end)
end)

describe("net.connect's option timeout", function()
  it("counts while connecting, and leaves the attempt to the listener", within(function(t)
    local socket = net.connect({ port = (hole.open(t)), host = "127.0.0.1", timeout = 5 })
    wait_for(socket, "timeout")
    assert.is_true(socket.connecting)
    assert.is_false(socket.destroyed)
    socket:destroy()
    t.run()
  end))
end)

describe("an answer without allowHalfOpen", function()
  it("is sent when it is written at 'end', and refused later", within(function(t)
    local socket, peer = sockets.pair()
    local said = {}
    peer:resume():on("end", t.calls(1, function()
      assert.is_true(peer:write("at once"))
      timers.setImmediate(function()
        assert.is_false(peer:write("late", t.calls(1, function(err) said[1] = err.code end)))
      end)
    end))
    peer:on("error", function(err) said[2] = err.code end)
    socket:on("data", t.calls(1, function(chunk) assert.equal("at once", chunk) end))
    socket:finish()
    t.run()
    assert.equal("EPIPE", said[1])
  end))

  it("may come late with it", within(function(t)
    local socket, peer = sockets.pair({ server = { allowHalfOpen = true } })
    peer:resume():on("end", t.calls(1, function()
      timers.setImmediate(peer.finish, peer, "late")
    end))
    socket:on("data", t.calls(1, function(chunk) assert.equal("late", chunk) end))
    socket:finish()
    t.run()
  end))
end)

describe("the option signal", function()
  it("ends an established connection too", within(function(t)
    local server = sockets.listen()
    local controller = net.abort.AbortController()
    local socket = net.connect({ port = server:address().port, host = "127.0.0.1",
      signal = controller.signal })
    local peer = wait_for(server, "connection")
    if socket.connecting then wait_for(socket, "connect") end
    controller:abort()
    assert.equal("AbortError", wait_for(socket, "error").name)
    assert.is_true(socket.destroyed)
    peer:destroy()
    server:close()
    t.run()
  end))
end)

describe("read(n)", function()
  it("may exceed the mark, which grows to the next power of two", within(function(t)
    local socket, peer = sockets.pair()
    assert.is_nil(socket:read(200000))
    assert.equal(262144, socket.readableHighWaterMark)
    peer:write(("x"):rep(200000))
    socket:on("readable", function()
      local data = socket:read(200000)
      if data then
        t.log(#data)
        socket:destroy()
        peer:destroy()
      end
    end)
    t.run()
    assert.same({ "200000" }, t.lines)
  end))
end)
