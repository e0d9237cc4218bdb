-- SPDX-License-Identifier: MIT

--- `socket:fd()` and `server:fd()`: the number of the descriptor, for other libraries.

local net = require("net")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local wait, wait_for, pair = sockets.wait, sockets.wait_for, sockets.pair

--- Destroys what is left, and runs the loop to its end.
local function drop(t, ...)
  for _, socket in ipairs({ ... }) do
    socket:destroy()
  end
  t.run()
end

--- Whether the system knows such a descriptor of ours as a socket; nil where one cannot see.
local function is_socket(fd)
  local listing = io.popen("test -d /proc/$PPID/fd && { readlink /proc/$PPID/fd/" .. fd .. " || echo none; }")
  local text = listing:read("l")
  listing:close()
  return text and text:find("^socket:") ~= nil
end

local function is_open(fd)
  assert.equal("integer", math.type(fd))
  assert.is_true(fd >= 0)
  assert.not_equal(false, is_socket(fd))
end

describe("socket:fd()", function()
  for _, kind in ipairs({ { "TCP", false }, { "a Unix path", true } }) do
    it("is the descriptor's number over " .. kind[1] .. ", of both ends, until destroy()", within(function(t)
      local socket, peer = pair({ unix = kind[2] })
      is_open(socket:fd())
      is_open(peer:fd())
      assert.not_equal(socket:fd(), peer:fd())
      socket:pause()
      is_open(socket:fd())
      local before = peer:fd()
      socket:destroy()
      assert.equal(-1, socket:fd())
      assert.equal(before, peer:fd())
      drop(t, socket, peer)
      assert.equal(-1, socket:fd())
      assert.equal(-1, peer:fd())
    end))
  end

  it("is -1 before connect(), and while it connects", within(function(t)
    local socket = net.Socket()
    assert.equal(-1, socket:fd())
    local server = sockets.listen()
    socket:connect(server:address().port, "127.0.0.1")
    assert.equal(-1, socket:fd())
    socket:on("connectionAttempt", t.calls(1, function() assert.equal(-1, socket:fd()) end))
    socket:on("connect", t.calls(1, function() is_open(socket:fd()) end))
    wait_for(socket, "connect")
    server:close()
    drop(t, socket)
  end))

  it("is -1 after an attempt that failed, and the new one after another connect()", within(function(t)
    local socket = net.connect(1, "127.0.0.1")
    socket:on("error", t.calls(1, function() assert.equal(-1, socket:fd()) end))
    wait_for(socket, "close")
    assert.equal(-1, socket:fd())
    local server = sockets.listen()
    socket:connect(server:address().port, "127.0.0.1")
    wait_for(socket, "connect")
    is_open(socket:fd())
    server:close()
    drop(t, socket)
  end))

  it("is there while one side is done, and -1 in 'close'", within(function(t)
    local socket, peer = pair({ server = { allowHalfOpen = true } })
    socket:finish()
    socket:resume()
    peer:resume()
    wait_for(peer, "end")
    is_open(peer:fd())
    is_open(socket:fd())
    socket:on("close", t.calls(1, function() assert.equal(-1, socket:fd()) end))
    peer:finish()
    wait_for(socket, "close")
    drop(t, socket, peer)
  end))

  it("is -1 in 'error' of a reset connection", within(function(t)
    local socket, peer = pair()
    socket:on("error", t.calls(1, function() assert.equal(-1, socket:fd()) end))
    peer:resetAndDestroy()
    wait_for(socket, "close")
    drop(t, socket, peer)
  end))

  it("is that of a bound socket only once it is connected", within(function(t)
    local bound = net.BoundSocket({ host = "127.0.0.1" })
    local socket = net.Socket({ handle = bound })
    assert.equal(-1, socket:fd())
    socket:destroy()
    drop(t, socket)
  end))

  it("raises for what is no socket", function()
    for _, value in ipairs({ 5, {}, net.createServer(), "x" }) do
      local ok, err = pcall(net.Socket.fd, value)
      assert.is_false(ok)
      assert.equal("ERR_INVALID_THIS", err.code)
    end
  end)
end)

describe("server:fd()", function()
  for _, where in ipairs({ "port", "path" }) do
    it("is the descriptor's number while it listens at a " .. where, within(function(t)
      local server = net.createServer()
      assert.equal(-1, server:fd())
      server:listen(where == "port" and { port = 0, host = "127.0.0.1" } or { path = sockets.path() })
      wait(function() return server.listening end)
      is_open(server:fd())
      server:close()
      assert.equal(-1, server:fd())
      wait_for(server, "close")
      assert.equal(-1, server:fd())
      server:listen(0, "127.0.0.1")
      wait(function() return server.listening end)
      is_open(server:fd())
      server:close()
      t.run()
    end))
  end

  it("is not that of a connection which outlives it", within(function(t)
    local server = sockets.listen()
    local socket = net.connect(server:address().port, "127.0.0.1")
    local peer = wait_for(server, "connection")
    assert.not_equal(server:fd(), peer:fd())
    server:close()
    assert.equal(-1, server:fd())
    is_open(peer:fd())
    drop(t, socket, peer)
  end))

  it("is -1 after a listen() that failed", within(function(t)
    local first = sockets.listen()
    local second = net.createServer():listen(first:address().port, "127.0.0.1")
    assert.equal("EADDRINUSE", wait_for(second, "error").code)
    assert.equal(-1, second:fd())
    first:close()
    t.run()
  end))

  it("is that of another server's or a bound socket's port, once it listens there", within(function(t)
    local bound = net.BoundSocket({ host = "127.0.0.1" })
    local number = bound:fd()
    local server = net.createServer():listen(bound)
    wait(function() return server.listening end)
    assert.equal(number, server:fd())
    server:close()
    t.run()
  end))

  it("raises for what is no server", function()
    for _, value in ipairs({ 5, {}, net.Socket(), "x" }) do
      local ok, err = pcall(net.Server.fd, value)
      assert.is_false(ok)
      assert.equal("ERR_INVALID_THIS", err.code)
    end
  end)
end)
