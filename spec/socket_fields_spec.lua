-- SPDX-License-Identifier: MIT

--- The fields of a socket: what each says at every stage of its life,
--- which may be written, and what the program keeps there.

local net = require("net")
local process = require("net.process")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local pair, wait, wait_for, raised = sockets.pair, sockets.wait, sockets.wait_for, sockets.raised

local NIL = setmetatable({}, { __tostring = function() return "nil" end })
local STAGES = { "new", "connecting", "open", "ended", "ended by the peer", "destroyed" }

-- One row a field, one column a stage. All these sockets are half open, so that
-- they stay where they are.
local SAYS = {
  connecting = { false, true, false, false, false, false },
  pending = { true, true, false, false, false, true },
  readyState = { "open", "opening", "open", "readOnly", "writeOnly", "closed" },
  destroyed = { false, false, false, false, false, true },
  closed = { false, false, false, false, false, true },
  errored = { NIL, NIL, NIL, NIL, NIL, NIL },
  server = { NIL, NIL, NIL, NIL, NIL, NIL },
  timeout = { NIL, NIL, NIL, NIL, NIL, NIL },
  allowHalfOpen = { true, true, true, true, true, true },
  bytesRead = { 0, 0, 0, 0, 0, 0 },
  bytesWritten = { 0, 0, 0, 0, 0, 0 },
  bufferSize = { NIL, 0, 0, 0, 0, NIL },
  readable = { true, true, true, true, false, false },
  readableAborted = { false, false, false, false, false, true },
  readableDidRead = { false, false, false, false, false, false },
  readableEncoding = { NIL, NIL, NIL, NIL, NIL, NIL },
  readableEnded = { false, false, false, false, true, false },
  readableFlowing = { NIL, NIL, NIL, NIL, NIL, NIL },
  readableHighWaterMark = { 65536, 65536, 65536, 65536, 65536, 65536 },
  readableLength = { 0, 0, 0, 0, 0, 0 },
  readableObjectMode = { false, false, false, false, false, false },
  writable = { true, true, true, false, true, false },
  writableAborted = { NIL, NIL, NIL, NIL, NIL, NIL }, -- has no socket of Node's
  writableCorked = { 0, 0, 0, 0, 0, 0 },
  writableEnded = { false, false, false, true, false, false },
  writableFinished = { false, false, false, true, false, false },
  writableHighWaterMark = { 65536, 65536, 65536, 65536, 65536, 65536 },
  writableLength = { 0, 0, 0, 0, 0, 0 },
  writableNeedDrain = { false, false, false, false, false, false },
  writableObjectMode = { false, false, false, false, false, false },
  autoSelectFamilyAttemptedAddresses = { NIL, NIL, NIL, NIL, NIL, NIL },
  localAddress = { NIL, NIL, "127.0.0.1", "127.0.0.1", "127.0.0.1", NIL },
  localFamily = { NIL, NIL, "IPv4", "IPv4", "IPv4", NIL },
  remoteAddress = { NIL, NIL, "127.0.0.1", "127.0.0.1", "127.0.0.1", NIL },
  remoteFamily = { NIL, NIL, "IPv4", "IPv4", "IPv4", NIL },
  localPort = { NIL, NIL, "known", "known", "known", NIL },
  remotePort = { NIL, NIL, "known", "known", "known", NIL },
}

--- Brings a socket to a stage of its life.
local REACH = {
  new = function() return net.Socket({ allowHalfOpen = true }) end,
  connecting = function()
    local server, where = sockets.listen()
    where.allowHalfOpen = true
    local socket = net.connect(where)
    socket:on("close", function() server:close() end)
    return socket
  end,
  open = function()
    return pair({ client = { allowHalfOpen = true }, server = { allowHalfOpen = true } })
  end,
}

REACH.ended = function()
  local socket, peer = REACH.open()
  socket:finish()
  wait_for(socket, "finish")
  return socket, peer
end

REACH["ended by the peer"] = function()
  local socket, peer = REACH.open()
  peer:finish()
  wait_for(socket, "end")
  return socket, peer
end

REACH.destroyed = function()
  local socket, peer = REACH.open()
  socket:destroy()
  return socket, peer
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

--- Ends what a spec has opened.
local function drop(t, ...)
  for i = 1, select("#", ...) do
    local socket = select(i, ...)
    if socket then
      socket:destroy()
    end
  end
  t.run()
end

describe("the field", function()
  for _, field in ipairs(sorted_keys(SAYS)) do
    for i, stage in ipairs(STAGES) do
      local expected = SAYS[field][i]
      local name = ("%s is %s when a socket is %s"):format(field, tostring(expected), stage)
      it(name, within(function(t)
        local socket, peer = REACH[stage]()
        local value = socket[field]
        if expected == "known" then
          assert.equal("integer", math.type(value))
          local other = field == "localPort" and "remotePort" or "localPort"
          assert.equal(peer[other], value)
        elseif expected == NIL then
          assert.is_nil(value)
        else
          assert.equal(expected, value)
          assert.equal(math.type(expected), math.type(value))
        end
        drop(t, socket, peer)
      end))
    end
  end
end)

describe("a socket's own address", function()
  it("is {} before there is one", function()
    assert.same({}, net.Socket():address())
  end)

  it("is {} while connecting", within(function(t)
    local socket = REACH.connecting()
    assert.same({}, socket:address())
    drop(t, socket)
  end))

  it("is the kernel's choice once connect(2) was issued", within(function(t)
    local socket = REACH.connecting()
    local seen
    process.nextTick(function()
      seen = { socket.connecting, socket.localAddress, socket.localFamily, socket:address() }
      assert.equal(socket.localPort, socket:address().port)
      assert.is_nil(socket.remoteAddress)
    end)
    wait_for(socket, "connect")
    assert.equal(seen[4].port, socket.localPort)
    assert.same({ true, "127.0.0.1", "IPv4",
      { address = "127.0.0.1", family = "IPv4", port = socket.localPort } }, seen)
    drop(t, socket)
  end))

  it("is not spoilt by having been read too early", within(function(t)
    local socket = REACH.connecting()
    assert.same({ nil, {} }, { socket.localAddress, socket:address() })
    wait_for(socket, "connect")
    assert.equal("127.0.0.1", socket.localAddress)
    drop(t, socket)
  end))

  it("is a table of address, family and port while open", within(function(t)
    local socket, peer = pair()
    assert.same({ address = "127.0.0.1", family = "IPv4", port = peer.remotePort },
      socket:address())
    drop(t, socket, peer)
  end))

  it("is {} and nil again after destroy()", within(function(t)
    local socket, peer = pair()
    assert.equal("127.0.0.1", socket.localAddress)
    socket:destroy()
    assert.same({}, socket:address())
    assert.is_nil(socket.localAddress)
    assert.is_nil(socket.localPort)
    assert.is_nil(socket.localFamily)
    drop(t, socket, peer)
  end))

  it("is nil on a Unix socket, and so is the peer's", within(function(t)
    local socket, peer = pair({ unix = true })
    for _, s in ipairs({ socket, peer }) do
      for _, name in ipairs({ "Address", "Port", "Family" }) do
        assert.is_nil(s["local" .. name])
        assert.is_nil(s["remote" .. name])
      end
      assert.same({}, s:address())
    end
    drop(t, socket, peer)
  end))

  it("is IPv6, unlike the peer's port, over ::1", within(function(t)
    local server = net.createServer()
    server:on("connection", t.calls(1, function(peer)
      assert.same({ "::1", "IPv6" }, { peer.remoteAddress, peer.remoteFamily })
      server:close()
      peer:finish()
    end))
    server:listen(0, "::1", t.calls(1, function()
      local socket = net.connect(server:address().port, "::1")
      socket:on("connect", t.calls(1, function()
        assert.same({ "::1", "IPv6" }, { socket.localAddress, socket.localFamily })
        assert.same({ "::1", "IPv6" }, { socket.remoteAddress, socket.remoteFamily })
      end))
    end))
    t.run()
  end))
end)

describe("the peer's address", function()
  it("stays known after destroy() if it was read before", within(function(t)
    local socket, peer = pair()
    local port = socket.remotePort
    socket:destroy()
    assert.same({ "127.0.0.1", port, "IPv4" },
      { socket.remoteAddress, socket.remotePort, socket.remoteFamily })
    drop(t, peer)
  end))

  it("is nil after destroy() if nobody had read it", within(function(t)
    local socket, peer = pair()
    socket:destroy()
    assert.is_nil(socket.remoteAddress)
    assert.is_nil(socket.remotePort)
    assert.is_nil(socket.remoteFamily)
    drop(t, peer)
  end))

  it("stays known when the peer has reset the connection", within(function(t)
    local socket, peer = pair()
    local port = socket.remotePort
    peer:resetAndDestroy()
    local err = wait_for(socket, "error")
    assert.equal("ECONNRESET", err.code)
    assert.equal(port, socket.remotePort)
    drop(t, socket)
  end))
end)

describe("bytesRead", function()
  it("counts what came, also what nobody has read yet", within(function(t)
    local socket, peer = pair()
    peer:write("12345")
    wait(function() return socket.readableLength == 5 end)
    assert.equal(5, socket.bytesRead)
    drop(t, socket, peer)
  end))

  it("counts bytes, not what they decode to", within(function(t)
    local socket, peer = pair()
    socket:setEncoding("hex")
    peer:write("ab")
    assert.equal("6162", wait_for(socket, "data"))
    assert.equal(2, socket.bytesRead)
    drop(t, socket, peer)
  end))

  it("keeps the total after 'close'", within(function(t)
    local socket, peer = pair()
    socket:resume()
    peer:finish("12345")
    wait_for(socket, "close")
    assert.equal(5, socket.bytesRead)
    drop(t, peer)
  end))
end)

describe("bytesWritten", function()
  it("includes what waits for the connection", within(function(t)
    local socket = REACH.connecting()
    socket:write("abc")
    assert.same({ 3, 3, 3 }, { socket.bytesWritten, socket.writableLength, socket.bufferSize })
    drop(t, socket)
  end))

  it("counts the bytes of the encoded text", within(function(t)
    local socket, peer = pair()
    socket:write("616263", "hex")
    assert.equal(3, socket.bytesWritten)
    drop(t, socket, peer)
  end))

  it("includes what the kernel has not taken", within(function(t)
    local socket, peer = pair()
    local total = sockets.fill(socket)
    assert.equal(total, socket.bytesWritten)
    assert.is_true(socket.writableLength > 0)
    assert.equal(socket.writableLength, socket.bufferSize)
    drop(t, socket, peer)
  end))

  it("includes what is corked", within(function(t)
    local socket, peer = pair()
    socket:cork()
    socket:write("abc")
    socket:write("de")
    assert.equal(5, socket.bytesWritten)
    drop(t, socket, peer)
  end))

  it("keeps the total after 'close'", within(function(t)
    local socket, peer = pair()
    peer:resume()
    socket:finish("abc")
    wait_for(socket, "close")
    assert.equal(3, socket.bytesWritten)
    drop(t, peer)
  end))

  it("includes what was queued at destroy(), but not what was then dropped", within(function(t)
    local socket, peer = pair()
    local total = 16 << 20  -- more than the kernel takes
    socket:write(("x"):rep(total))
    socket:write("more")
    socket:destroy()
    assert.equal(total + 4, socket.bytesWritten)
    wait_for(socket, "close")
    assert.equal(total, socket.bytesWritten)
    drop(t, peer)
  end))

  it("does not count what the kernel refused for good", within(function(t)
    local socket, peer = pair({ unix = true })
    socket:on("error", t.calls(1))
    peer:destroy()
    socket:write("abc")
    assert.equal(0, socket.bytesWritten)
    socket:write("de")
    assert.equal(2, socket.bytesWritten)
    t.run()
    assert.equal(0, socket.bytesWritten)
  end))

  it("counts of a failed connection the first write alone", within(function(t)
    local socket = REACH.connecting()
    socket:write("abc")
    socket:write("de")
    assert.equal(5, socket.bytesWritten)
    drop(t, socket)
    assert.equal(3, socket.bytesWritten)
  end))
end)

describe("readyState", function()
  it("is closed, and pending false, when both sides have ended", within(function(t)
    local socket, peer = REACH["ended by the peer"]()
    socket:finish("last words")
    assert.same({ "closed", false, false }, { socket.readyState, socket.pending, socket.destroyed })
    peer:resume()
    wait_for(socket, "close")
    drop(t, peer)
  end))

  it("is opening when ended while connecting", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", t.calls(1, function(peer)
      peer:resume()
      server:close()
    end))
    local socket = net.connect(where)
    socket:finish("data")
    assert.same({ "opening", false }, { socket.readyState, socket.writable })
    t.run()
  end))
end)

describe("destroyed and closed", function()
  it("are true from the call of destroy() on", within(function(t)
    local socket = net.Socket()
    socket:destroy()
    assert.same({ true, true }, { socket.destroyed, socket.closed })
    t.run()
    assert.same({ true, true }, { socket.destroyed, socket.closed })
  end))

  it("are true inside the listeners of 'error' and 'close'", within(function(t)
    local socket = net.Socket()
    local function look() assert.same({ true, true }, { socket.destroyed, socket.closed }) end
    socket:on("error", t.calls(1, look))
    socket:on("close", t.calls(1, look))
    socket:destroy("because")
    t.run()
  end))
end)

describe("errored", function()
  it("is the very error that destroy() was given", within(function(t)
    local socket, err = net.Socket(), { message = "mine" }
    socket:on("error", t.calls(1, function(e) assert.equal(err, e) end))
    socket:destroy(err)
    assert.equal(err, socket.errored)
    t.run()
    assert.equal(err, socket.errored)
  end))

  it("keeps the first error", within(function(t)
    local socket = net.Socket()
    socket:on("error", t.calls(1))
    socket:destroy("first")
    socket:destroy("second")
    assert.equal("first", socket.errored)
    t.run()
  end))

  it("stays nil when destroy() had none, whatever a second call brings", within(function(t)
    local socket = net.Socket()
    socket:on("error", t.calls(0))
    socket:destroy()
    socket:destroy("late")
    assert.is_nil(socket.errored)
    t.run()
    assert.is_nil(socket.errored)
  end))

  it("is the system's error when the world failed", within(function(t)
    local socket, peer = pair()
    socket:on("error", t.calls(1))
    peer:resetAndDestroy()
    wait(function() return socket.destroyed end)
    assert.equal("ECONNRESET", socket.errored.code)
    t.run()
  end))
end)

describe("readableAborted", function()
  it("is true after an error before 'end'", within(function(t)
    local socket, peer = pair()
    socket:on("error", t.calls(1))
    socket:destroy("oops")
    assert.is_true(socket.readableAborted)
    drop(t, peer)
  end))

  it("is false when 'end' came before the destruction", within(function(t)
    local socket, peer = pair()
    peer:finish()
    wait_for(socket, "close")
    assert.is_false(socket.readableAborted)
    drop(t, peer)
  end))
end)

describe("readableDidRead", function()
  it("is false while data is only buffered", within(function(t)
    local socket, peer = pair()
    peer:write("x")
    wait(function() return socket.readableLength == 1 end)
    assert.is_false(socket.readableDidRead)
    drop(t, socket, peer)
  end))

  it("is true once data was delivered", within(function(t)
    local socket, peer = pair()
    peer:write("x")
    wait_for(socket, "data")
    assert.is_true(socket.readableDidRead)
    drop(t, socket, peer)
  end))

  it("is true once data was read", within(function(t)
    local socket, peer = pair()
    peer:write("x")
    wait(function() return socket.readableLength == 1 end)
    assert.equal("x", socket:read())
    assert.is_true(socket.readableDidRead)
    drop(t, socket, peer)
  end))
end)

describe("writableEnded and writableFinished", function()
  it("differ until 'finish'", within(function(t)
    local socket, peer = pair()
    local in_callback
    socket:finish("x", t.calls(1, function()
      in_callback = { socket.writableEnded, socket.writableFinished }
    end))
    assert.same({ true, false }, { socket.writableEnded, socket.writableFinished })
    wait_for(socket, "finish")
    assert.same({ true, true }, in_callback)
    drop(t, socket, peer)
  end))

  it("keep their values after 'close'", within(function(t)
    local socket, peer = pair()
    peer:resume()
    socket:finish()
    wait_for(socket, "close")
    assert.same({ true, true }, { socket.writableEnded, socket.writableFinished })
    drop(t, peer)
  end))

  it("stay false when the socket is destroyed instead", within(function(t)
    local socket, peer = pair()
    socket:destroy()
    t.run()
    assert.same({ false, false }, { socket.writableEnded, socket.writableFinished })
    drop(t, peer)
  end))
end)

describe("writableCorked", function()
  it("is the nesting depth", within(function(t)
    local socket, peer = pair()
    local depths = {}
    local function look() depths[#depths + 1] = socket.writableCorked end
    socket:cork() look()
    socket:cork() look()
    socket:uncork() look()
    socket:uncork() look()
    socket:uncork() look()
    assert.same({ 1, 2, 1, 0, 0 }, depths)
    drop(t, socket, peer)
  end))
end)

describe("the high-water marks", function()
  it("are what the options say", function()
    local socket = net.Socket({ readableHighWaterMark = 10, writableHighWaterMark = 20 })
    assert.same({ 10, 20 }, { socket.readableHighWaterMark, socket.writableHighWaterMark })
  end)

  it("are both highWaterMark, which wins", function()
    local socket = net.Socket({
      highWaterMark = 30, readableHighWaterMark = 10, writableHighWaterMark = 20,
    })
    assert.same({ 30, 30 }, { socket.readableHighWaterMark, socket.writableHighWaterMark })
  end)

  it("may be 0", function()
    local socket = net.Socket({ highWaterMark = 0 })
    assert.same({ 0, 0 }, { socket.readableHighWaterMark, socket.writableHighWaterMark })
  end)

  it("are integers even when given as a float", function()
    local mark = net.Socket({ highWaterMark = 1024.0 }).readableHighWaterMark
    assert.equal("integer", math.type(mark))
  end)
end)

describe("server", function()
  it("is the server that accepted the socket, after its destruction too", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", t.calls(1, function(peer)
      assert.equal(server, peer.server)
      peer:destroy()
      assert.equal(server, peer.server)
      server:close()
    end))
    net.connect(where)
    t.run()
  end))
end)

describe("timeout", function()
  it("is what setTimeout was given last", function()
    local socket = net.Socket()
    socket:setTimeout(1000)
    assert.equal(1000, socket.timeout)
    socket:setTimeout(0)
    assert.equal(0, socket.timeout)
  end)

  it("may be assigned, as any property", function()
    local socket = net.Socket()
    socket.timeout = "mine"
    assert.equal("mine", socket.timeout)
    socket.timeout = nil
    assert.is_nil(socket.timeout)
    socket:setTimeout(1.5)
    assert.equal(1.5, socket.timeout)
    socket:destroy()
  end)

  it("keeps its value after destroy()", within(function(t)
    local socket = net.Socket()
    socket:setTimeout(1000)
    socket:destroy()
    t.run()
    assert.equal(1000, socket.timeout)
  end))
end)

describe("_handle", function()
  it("is there exactly while the socket has one", within(function(t)
    local socket = net.Socket()
    assert.is_nil(socket._handle)
    local server, where = sockets.listen()
    socket:connect(where)
    assert.is_not_nil(socket._handle)
    wait_for(socket, "connect")
    assert.is_not_nil(socket._handle)
    socket:destroy()
    assert.is_nil(socket._handle)
    server:close()
    t.run()
  end))
end)

describe("allowHalfOpen", function()
  it("is a boolean, whatever the option was", function()
    for _, case in ipairs({ { true, true }, { false, false }, { 1, true }, { "yes", true },
                            { 0, false }, { "", false }, { nil, false } }) do
      assert.equal(case[2], net.Socket({ allowHalfOpen = case[1] }).allowHalfOpen)
    end
  end)
end)

-- Node's list, tried one by one.
local READ_ONLY = {
  "pending", "readyState", "closed", "errored", "bytesRead", "bytesWritten", "bufferSize",
  "localAddress", "localPort", "localFamily", "remoteAddress", "remotePort", "remoteFamily",
  "readableAborted", "readableDidRead", "readableEncoding", "readableEnded",
  "readableHighWaterMark", "readableLength", "readableObjectMode", "writableCorked",
  "writableEnded", "writableFinished", "writableHighWaterMark", "writableLength",
  "writableNeedDrain", "writableObjectMode",
}

describe("assigning", function()
  for _, field in ipairs(READ_ONLY) do
    it("to " .. field .. " raises Node's TypeError", function()
      local socket = net.Socket()
      local before = socket[field]
      local err = raised(function() socket[field] = 17 end)
      assert.equal("TypeError", err.name)
      assert.equal("Cannot set property " .. field .. " of #<Socket> which has only a getter",
        err.message)
      assert.equal("TypeError: " .. err.message, tostring(err))
      assert.equal(before, socket[field])
    end)

    it("nil to " .. field .. " raises as well", function()
      local socket = net.Socket()
      assert.equal("TypeError", raised(function() socket[field] = nil end).name)
    end)
  end

  for _, field in ipairs({ "readable", "writable", "destroyed" }) do
    it("to " .. field .. " changes nothing", function()
      local socket = net.Socket()
      local before = socket[field]
      socket[field] = not before
      assert.equal(before, socket[field])
    end)
  end

  for _, field in ipairs({ "connecting", "allowHalfOpen" }) do
    it("to " .. field .. " is seen", function()
      local socket = net.Socket()
      socket[field] = true
      assert.is_true(socket[field])
      socket[field] = false
      assert.is_false(socket[field])
    end)
  end

  for _, field in ipairs({ "timeout", "server" }) do
    it("to " .. field .. " is seen", function()
      local socket = net.Socket()
      socket[field] = 17
      assert.equal(17, socket[field])
      socket[field] = nil
      assert.is_nil(socket[field])
    end)
  end

  it("to readableFlowing is seen", function()
    local socket = net.Socket()
    socket.readableFlowing = false
    assert.is_false(socket.readableFlowing)
    socket.readableFlowing = true
    assert.is_true(socket.readableFlowing)
    socket.readableFlowing = nil
    assert.is_nil(socket.readableFlowing)
  end)
end)

describe("a program's own field", function()
  it("is kept with the socket", function()
    local a, b = net.Socket(), net.Socket()
    a.user, a[1] = "ann", { "list" }
    assert.same({ "ann", { "list" } }, { a.user, a[1] })
    assert.is_nil(b.user)
    a.user = nil
    assert.is_nil(a.user)
  end)

  it("may be false", function()
    local socket = net.Socket()
    socket.flag = false
    assert.is_false(socket.flag)
  end)

  it("may have any key", function()
    local socket, key = net.Socket(), {}
    socket[key], socket[2.5], socket[print] = 1, 2, 3
    assert.same({ 1, 2, 3 }, { socket[key], socket[2.5], socket[print] })
  end)

  it("shadows a method, until it is nil again", function()
    local socket = net.Socket()
    local write = socket.write
    socket.write = function() return "mine" end
    assert.equal("mine", socket:write("x"))
    socket.write = nil
    assert.equal(write, socket.write)
  end)

  it("outlives the connection", within(function(t)
    local socket, peer = pair()
    socket.user = "ann"
    socket:destroy()
    t.run()
    assert.equal("ann", socket.user)
    drop(t, peer)
  end))

  it("is held by the socket alone", function()
    local socket, weak = net.Socket(), setmetatable({}, { __mode = "k" })
    socket.data = {}
    weak[socket.data] = true
    socket = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)

  it("may be the socket itself, and both are collected", function()
    local weak = setmetatable({}, { __mode = "k" })
    local socket = net.Socket()
    socket.myself = socket
    weak[socket] = true
    socket = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)

  it("that nobody has set is nil", function()
    assert.is_nil(net.Socket().nonsense)
  end)
end)

describe("tostring", function()
  local function has(text, part)
    assert.is_truthy(text:find(part, 1, true), text .. " has no " .. part)
  end

  it("names a new socket a Socket", function()
    has(tostring(net.Socket()), "Socket")
  end)

  it("names peer and state of an open one", within(function(t)
    local socket, peer = pair()
    local text = tostring(socket)
    has(text, "Socket")
    has(text, "127.0.0.1:" .. socket.remotePort)
    has(text, "open")
    drop(t, socket, peer)
  end))

  it("puts an IPv6 peer in brackets", within(function(t)
    local server = net.createServer()
    server:on("connection", t.calls(1, function(peer)
      has(tostring(peer), "[::1]:" .. peer.remotePort)
      server:close()
      peer:finish()
    end))
    server:listen(0, "::1", t.calls(1, function()
      net.connect(server:address().port, "::1")
    end))
    t.run()
  end))

  for stage, state in pairs({ connecting = "opening", ended = "readOnly",
                              ["ended by the peer"] = "writeOnly", destroyed = "closed" }) do
    it("says " .. state .. " when it is " .. stage, within(function(t)
      local socket, peer = REACH[stage]()
      has(tostring(socket), state)
      drop(t, socket, peer)
    end))
  end

  it("works on a Unix socket", within(function(t)
    local socket, peer = pair({ unix = true })
    has(tostring(socket), "Socket")
    has(tostring(peer), "open")
    drop(t, socket, peer)
  end))
end)

local METHODS = {
  "connect", "write", "finish", "end", "destroy", "destroySoon", "resetAndDestroy", "pause",
  "resume", "isPaused", "read", "unshift", "pipe", "unpipe", "cork", "uncork", "setEncoding",
  "setDefaultEncoding", "setTimeout", "setNoDelay", "setKeepAlive", "setTypeOfService",
  "getTypeOfService", "address", "ref", "unref",
}

describe("the method", function()
  for _, name in ipairs(METHODS) do
    it(name .. " is there", function()
      assert.equal("function", type(net.Socket()[name]))
    end)

    it(name .. " without a receiver raises", function()
      local method = net.Socket()[name]
      assert.equal("TypeError ERR_INVALID_THIS", sockets.kind(raised(method)))
    end)

    it(name .. " called with a dot raises", function()
      local method = net.Socket()[name]
      assert.equal("TypeError ERR_INVALID_THIS", sockets.kind(raised(method, "text", "text")))
    end)

    it(name .. " on another object raises", function()
      local method = net.Socket()[name]
      for _, other in ipairs({ {}, 1, true, io.stdout, net.createServer(), print }) do
        local err = raised(method, other)
        assert.equal("TypeError ERR_INVALID_THIS", sockets.kind(err))
        assert.equal('Value of "this" must be of type Socket', err.message)
      end
    end)
  end

  it("end is finish under Node's name", function()
    local socket = net.Socket()
    assert.equal(socket.finish, socket["end"])
  end)

  for _, name in ipairs({ "pause", "resume", "setEncoding", "setTimeout", "setNoDelay",
                          "setKeepAlive", "ref", "unref", "unpipe", "destroy", "finish" }) do
    it(name .. " returns the socket", within(function(t)
      local socket, peer = pair()
      assert.equal(socket, socket[name](socket, name == "setTimeout" and 0 or nil))
      drop(t, socket, peer)
    end))
  end

  for _, name in ipairs({ "cork", "uncork", "destroySoon" }) do
    it(name .. " returns nothing", within(function(t)
      local socket, peer = pair()
      assert.equal(0, select("#", socket[name](socket)))
      drop(t, socket, peer)
    end))
  end
end)
