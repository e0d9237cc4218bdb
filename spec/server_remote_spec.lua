-- SPDX-License-Identifier: MIT

--- Servers that listen without a descriptor, and acceptors, which hand out what they
--- accept: the two ends of a cluster, here in one process.

local core = require("net.core")
local net = require("net")
local within = require("spec.support").within
local servers = require("spec.support.servers")
local sockets = require("spec.support.sockets")

local LOCAL = "127.0.0.1"

local native = core.server

--- A server that listens without a descriptor.
local function remote(options, listener)
  local server = net.createServer(options, listener)
  assert(native.listen_remote(server, LOCAL, 4321))
  return server
end

--- An acceptor that listens, and its port.
local function accept(fn)
  local acceptor = core.acceptor.new(fn)
  assert(native.listen_tcp(acceptor, LOCAL, 0, 511))
  return acceptor, acceptor:address().port
end

--- What one acceptor hands out: a client, and the descriptor of its other end.
local function accepted(t, path)
  local found
  local acceptor = core.acceptor.new(t.calls(1, function(descriptor) found = descriptor end))
  assert(path and native.listen_unix(acceptor, path, 5) or native.listen_tcp(acceptor, LOCAL, 0, 5))
  local client = net.connect(path or acceptor:address())
  client:on("error", function() end)
  sockets.wait(function() return found and not client.connecting end)
  native.close(acceptor)
  return client, found
end

describe("a server without a descriptor", function()
  it("listens at the address that it is told, and holds the loop", within(function(t)
    local server = net.createServer()
    assert.is_true(native.listen_remote(server, LOCAL, 4321))
    assert.is_true(server.listening)
    assert.same({ address = LOCAL, family = "IPv4", port = 4321 }, server:address())
    assert.are_not.equal(server:address(), server:address())
    assert.equal(-1, server:fd())
    assert.equal("Server (listening on 127.0.0.1:4321, 0 connections)", tostring(server))
    assert.is_true(net.run("nowait"))
    server:unref()
    assert.is_false(net.run("nowait"))
    server:ref()
    assert.is_true(net.run("nowait"))
    server:close(t.calls(1, function(...) assert.equal(0, select("#", ...)) end))
    assert.is_false(server.listening)
    assert.is_nil(server:address())
    t.run()
  end))

  it("knows IPv6 addresses and paths, and may have neither", within(function()
    local server = net.createServer()
    assert.is_true(native.listen_remote(server, "::1", 5))
    assert.same({ address = "::1", family = "IPv6", port = 5 }, server:address())
    server:close()
    assert.is_true(native.listen_remote(server, "/a/path", -1))
    assert.equal("/a/path", server:address())
    assert.equal("Server (listening on /a/path, 0 connections)", tostring(server))
    server:close()
    assert.is_true(native.listen_remote(server, nil, -1))
    assert.is_nil(server:address())
    server:close()
  end))

  it("refuses what is no address, and stays as it was", within(function()
    local server = net.createServer()
    for _, case in ipairs({ { "no.ip", 80 }, { LOCAL, 65536 }, { "", 0 } }) do
      local ok, errno, step = native.listen_remote(server, case[1], case[2])
      assert.is_nil(ok)
      assert.equal(-22, errno)
      assert.equal("bind", step)
    end
    assert.is_false(server.listening)
    assert.has_error(function() native.listen_remote(server, nil, 80) end)
    assert.has_error(function() native.listen_remote(server, LOCAL) end)
  end))

  it("listens once only, with a descriptor or without", within(function()
    local server = remote()
    for _, again in ipairs({
      function() native.listen_remote(server, LOCAL, 1) end,
      function() server:listen(0, LOCAL) end,
    }) do
      local ok, err = pcall(again)
      assert.is_false(ok)
      assert.equal("ERR_SERVER_ALREADY_LISTEN", err.code)
    end
    assert.equal(4321, server:address().port)
    server:close()
    server:listen(0, LOCAL)
    sockets.wait(function() return server.listening end)
    assert.are_not.equal(4321, server:address().port)
    server:close()
  end))

  it("makes sockets of what is handed to it, with its options", within(function(t)
    local client, descriptor = accepted(t)
    local server
    server = remote({ noDelay = true, allowHalfOpen = true, highWaterMark = 7 }, t.calls(1, function(socket)
      assert.equal(server, socket.server)
      assert.equal(1, server.connections)
      assert.equal(client.localPort, socket.remotePort)
      assert.equal(7, socket.readableHighWaterMark)
      assert.is_true(socket.allowHalfOpen)
      socket:pipe(socket)
    end))
    assert.is_true(native.accepts(server, descriptor))
    native.deliver(server, descriptor)
    assert.is_nil(descriptor:number())
    client:finish("hello")
    local echo = {}
    client:on("data", function(chunk) echo[#echo + 1] = chunk end)
    sockets.wait_for(client, "close")
    assert.equal("hello", table.concat(echo))
    server:close(t.calls(1, function(err) assert.is_nil(err) end))
    t.run()
  end))

  it("reads at once, or not where it pauses on connect", within(function(t)
    for _, pause in ipairs({ false, true }) do
      local client, descriptor = accepted(t)
      client:write("x")
      local peer
      local server = remote({ pauseOnConnect = pause }, t.calls(1, function(socket) peer = socket end))
      native.deliver(server, descriptor)
      assert.equal(pause, peer:isPaused())
      sockets.settle()
      assert.equal(pause and 0 or 1, peer.bytesRead)
      peer:destroy()
      client:destroy()
      server:close()
      t.run()
    end
  end))

  it("drops what is more than maxConnections, with both addresses", within(function(t)
    local client, descriptor = accepted(t)
    local server = remote(nil, t.never())
    server.maxConnections = 0
    assert.is_false(native.accepts(server, descriptor))
    assert.is_true(native.accepts(server, descriptor, true))
    server:on("drop", t.calls(1, function(data)
      assert.equal(client.localPort, data.remotePort)
      assert.equal(LOCAL, data.localAddress)
    end))
    native.deliver(server, descriptor)
    client:resume()
    sockets.wait_for(client, "close")
    server:close()
    t.run()
  end))

  it("closes those on its block list, and those whom nobody knows any more", within(function(t)
    local list = net.BlockList()
    list:addAddress(LOCAL)
    local client, descriptor = accepted(t)
    local server = remote({ blockList = list }, t.never())
    native.deliver(server, descriptor)
    sockets.wait_for(client:resume(), "close")
    server.blockList = net.BlockList()
    client, descriptor = accepted(t)
    client:resetAndDestroy()
    sockets.settle()
    native.deliver(server, descriptor) -- getpeername(2) fails: ENOTCONN
    assert.is_nil(descriptor:number())
    server:close()
    t.run()
  end))

  it("takes no descriptor of another kind, nor when it has closed", within(function(t)
    local server = remote(nil, t.never())
    local path = t.tmpname()
    local client, stream = accepted(t, path)
    assert.is_false(native.accepts(server, stream))
    native.deliver(server, stream)
    assert.is_nil(stream:number())
    client:destroy()
    client, stream = accepted(t)
    server:close()
    assert.is_false(native.accepts(server, stream))
    native.deliver(server, stream)
    assert.is_nil(stream:number())
    client:destroy()
    assert.has_error(function() native.deliver(server, 7) end)
    assert.has_error(function() native.accepts(server, nil) end)
    t.run()
  end))

  it("serves Unix sockets where it has a path", within(function(t)
    local client, descriptor = accepted(t, t.tmpname())
    local server = net.createServer(t.calls(1, function(socket) socket:finish("hi") end))
    assert.is_true(native.listen_remote(server, "/somewhere", -1))
    assert.is_true(native.accepts(server, descriptor))
    native.deliver(server, descriptor)
    client:on("data", t.calls(1, function(chunk) assert.equal("hi", chunk) end))
    sockets.wait_for(client, "close")
    server:close()
    t.run()
  end))

  it("keeps no descriptor when a listener raises", within(function(t)
    local client, descriptor = accepted(t)
    local server = remote(nil, t.calls(1, function(socket)
      socket:destroy()
      error("oh")
    end))
    assert.has_error(function() native.deliver(server, descriptor) end)
    assert.is_nil(descriptor:number())
    client:destroy()
    server:close()
    t.run()
  end))

  it("waits for its connections when it closes, and tells once", within(function(t)
    local client, descriptor = accepted(t)
    local peer
    local server = remote(nil, function(socket) peer = socket end)
    native.deliver(server, descriptor)
    local closed = false
    server:close(t.calls(1, function() closed = true end))
    sockets.settle()
    assert.is_false(closed)
    peer:destroy()
    client:destroy()
    t.run()
  end))
end)

describe("a server on what another process has bound", function()
  it("listens on the descriptor, and leaves the file alone", within(function(t)
    local path = t.tmpname()
    local bound = net.BoundSocket({ path = path })
    local server = net.createServer(t.calls(1, function(socket) socket:destroy() end))
    local copy = core.descriptor.dup(bound:fd())
    assert.is_true(native.listen_descriptor(server, copy, 5, path))
    assert.is_nil(copy:number())
    assert.equal(path, server:address())
    sockets.wait_for(net.connect(path):resume(), "close")
    server:close()
    assert.matches("^s", servers.mode(path))
    bound:close()
    assert.is_nil(servers.mode(path))
    t.run()
  end))

  it("tells what listen(2) and the kind of the descriptor say", within(function(t)
    local server = net.createServer()
    local one, other = core.descriptor.pair()
    local ok, errno, step = native.listen_descriptor(server, one, 5)
    assert.is_nil(ok)
    assert.equal(-22, errno) -- EINVAL: it is connected
    assert.equal("listen", step)
    assert.is_nil(one:number())
    other:close()
    assert.is_nil(native.listen_descriptor(server, other, 5)) -- closed
    assert.is_false(server.listening)
    t.run()
  end))
end)

describe("an acceptor", function()
  it("hands out each connection, and emits nothing", within(function(t)
    local got = {}
    local acceptor, port = accept(t.calls(2, function(descriptor) got[#got + 1] = descriptor end))
    acceptor:on("connection", t.never())
    local one, other = net.connect(port, LOCAL), net.connect(port, LOCAL)
    sockets.wait(function() return #got == 2 end)
    assert.equal("TCP", got[1]:kind())
    assert.equal(0, acceptor.connections)
    for i = 1, 2 do got[i]:close() end
    sockets.wait_for(one:resume(), "close")
    other:destroy()
    acceptor:close(t.calls(1))
    t.run()
  end))

  it("closes what nobody keeps", within(function(t)
    local acceptor, port = accept(t.calls(1))
    local client = net.connect(port, LOCAL)
    sockets.wait_for(client, "connect")
    sockets.settle()
    collectgarbage()
    sockets.wait_for(client:resume(), "close")
    acceptor:close()
    t.run()
  end))

  it("accepts one more at most when it is held, and goes on", within(function(t)
    local got = {}
    local acceptor, port
    acceptor, port = accept(function(descriptor)
      got[#got + 1] = descriptor
      core.acceptor.hold(acceptor, true)
    end)
    local clients = {}
    for i = 1, 3 do
      clients[i] = net.connect(port, LOCAL)
      clients[i]:on("error", function() end)
    end
    sockets.wait(function() return not clients[3].connecting and #got > 0 end)
    sockets.settle()
    assert.equal(1, #got)
    core.acceptor.hold(acceptor, false)
    sockets.wait(function() return #got == 2 end)
    sockets.settle()
    assert.equal(2, #got)
    acceptor:close()
    core.acceptor.hold(acceptor, false) -- of one that is closed: nothing
    for i = 1, 3 do clients[i]:destroy() end
    for i = 1, #got do got[i]:close() end
    t.run()
  end))

  it("keeps the listening socket when the function raises", within(function(t)
    local acceptor, port = accept(function() error("no") end)
    local client = net.connect(port, LOCAL)
    client:resume()
    assert.has_error(function() sockets.wait(function() return false end) end)
    collectgarbage()
    sockets.wait_for(client, "close")
    assert.is_true(acceptor.listening)
    acceptor:close()
    t.run()
  end))

  it("wants a function", function()
    assert.has_error(function() core.acceptor.new() end)
    assert.has_error(function() core.acceptor.hold(nil, true) end)
  end)

  it("pauses when descriptors run out, and goes on by itself #slow", function()
    local output, code = servers.child([[
      local core, net = require("net.core"), require("net")
      local timers = require("net.timers")
      local kept, clients, acceptor = {}, {}, nil
      acceptor = core.acceptor.new(function(descriptor)
        kept[#kept + 1] = descriptor
        if #kept == 20 then
          acceptor:close()
          for i = 1, 20 do clients[i]:destroy() end
          for i = 1, #kept do kept[i]:close() end
          print("all")
        end
      end)
      acceptor:on("error", function(err)
        print(err)
        core.acceptor.hold(acceptor, true) -- amid the pause
        for i = 1, #kept do kept[i]:close() end
        timers.setTimeout(function() core.acceptor.hold(acceptor, false) end, 50)
      end)
      assert(core.server.listen_tcp(acceptor, "127.0.0.1", 0, 511))
      local port = acceptor:address().port
      for i = 1, 20 do clients[i] = net.connect(port, "127.0.0.1"):on("error", function() end) end
      net.run()
    ]], "ulimit -n 40")
    assert.matches("accept EMFILE\nall\n", output)
    assert.equal(0, code)
  end)
end)
