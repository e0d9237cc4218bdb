-- SPDX-License-Identifier: MIT

local BlockList = require("net.internal.address.blocklist").BlockList
local net = require("net")
local process = require("net.process")
local within = require("spec.support").within
local servers = require("spec.support.servers")
local sockets = require("spec.support.sockets")

local LOCAL = "127.0.0.1"

--- Connects, and takes whatever the server does.
local function visit(server)
  return net.connect(server:address().port, LOCAL):on("error", function() end):resume()
end

--- A server on a free port; runs until it listens.
local function listening(...)
  local server = net.createServer(...):listen(0, LOCAL)
  servers.wait_for(server, "listening")
  return server
end

describe("net.createServer", function()
  it("takes options, a listener, both or neither", within(function(t)
    local function listener() end
    assert.same(0, net.createServer():listenerCount("connection"))
    assert.same(1, net.createServer(listener):listenerCount("connection"))
    assert.same(1, net.createServer(nil, listener):listenerCount("connection"))
    assert.same(1, net.createServer({}, listener):listenerCount("connection"))
    assert.same(1, net.Server({}, listener):listenerCount("connection"))
    assert.same(0, net.createServer({}, "no listener"):listenerCount("connection"))
    t.run()
  end))

  it("makes what net.isServer knows", function()
    assert.is_true(net.isServer(net.createServer()))
    assert.is_true(net.isServer(net.Server()))
    for _, other in ipairs({ {}, 1, "server", net.Socket(), io.stdout }) do
      assert.is_false(net.isServer(other))
    end
    assert.is_false(net.isServer(nil))
  end)

  it("raises for options that are none", function()
    for _, wrong in ipairs({ 1, "path", true }) do
      local err = sockets.raised(net.createServer, wrong)
      assert.matches('^The "options" argument must be of type object%. Received', err.message)
    end
    for name, expected in pairs({
      keepAliveInitialDelay = 'The "options.keepAliveInitialDelay" property must be of type '
        .. "number. Received type string ('x')",
      highWaterMark = 'The "options.highWaterMark" property must be of type number. '
        .. "Received type string ('x')",
      blockList = 'The "options.blockList" property must be an net.BlockList. '
        .. "Received type string ('x')",
    }) do
      local err = sockets.raised(net.createServer, { [name] = "x" })
      assert.same("TypeError", err.name)
      assert.same(expected, err.message)
    end
  end)

  it("shows its options as fields", function()
    local server = net.createServer()
    assert.is_false(server.allowHalfOpen)
    assert.is_false(server.pauseOnConnect)
    assert.is_false(server.noDelay)
    assert.is_false(server.keepAlive)
    assert.same(0, server.keepAliveInitialDelay)
    assert.same(65536, server.highWaterMark)
    assert.is_nil(server.blockList)
    assert.is_nil(server.maxConnections)
    assert.is_false(server.listening)
    assert.same(0, server.connections)
  end)

  it("coerces them as Node does", function()
    local server = net.createServer({ allowHalfOpen = 7, pauseOnConnect = "yes", noDelay = 0,
      keepAlive = "", keepAliveInitialDelay = 1999, highWaterMark = -1 })
    assert.same(7, server.allowHalfOpen)
    assert.is_true(server.pauseOnConnect)
    assert.is_false(server.noDelay)
    assert.is_false(server.keepAlive)
    assert.same(1, server.keepAliveInitialDelay)
    assert.same(65536, server.highWaterMark)
    assert.same(0, net.createServer({ keepAliveInitialDelay = -5 }).keepAliveInitialDelay)
  end)

  it("leaves the options table alone", function()
    local options = { highWaterMark = -1, keepAliveInitialDelay = 5000 }
    net.createServer(options)
    assert.same({ highWaterMark = -1, keepAliveInitialDelay = 5000 }, options)
  end)

  it("keeps what is written into a field, and any field of the user's", function()
    local server = net.createServer()
    for _, name in ipairs({ "allowHalfOpen", "pauseOnConnect", "noDelay", "keepAlive",
      "keepAliveInitialDelay", "highWaterMark", "blockList", "maxConnections",
      "dropMaxConnection", "name" }) do
      server[name] = "anything"
      assert.same("anything", server[name])
    end
  end)

  it("raises for writing a field that is computed", function()
    local server = net.createServer()
    for _, name in ipairs({ "listening", "connections" }) do
      local err = sockets.raised(function() server[name] = 1 end)
      assert.same("TypeError: Cannot set property " .. name
        .. " of #<Server> which has only a getter", tostring(err))
    end
  end)
end)

describe("tostring of a server", function()
  it("names class, address and connections", within(function(t)
    local server = net.createServer()
    assert.same("Server (not listening)", tostring(server))
    server:listen(0, LOCAL)
    servers.wait_for(server, "listening")
    local where = "Server (listening on 127.0.0.1:" .. server:address().port
    assert.same(where .. ", 0 connections)", tostring(server))
    server:on("connection", t.calls(1, function(peer)
      assert.same(where .. ", 1 connection)", tostring(server))
      server:close()
      assert.same("Server (closing, 1 connection)", tostring(server))
      peer:destroy()
    end))
    visit(server)
    t.run()
    assert.same("Server (not listening)", tostring(server))
  end))

  it("names a path, an abstract name, and IPv6 in brackets", within(function(t)
    local path = sockets.path()
    local server = net.createServer():listen(path)
    assert.same("Server (listening on " .. path .. ", 0 connections)", tostring(server))
    server:close()
    local any = net.createServer():listen(0)
    local address = any:address()
    local shown = address.family == "IPv6" and "[::]" or "0.0.0.0"
    assert.same(("Server (listening on %s:%d, 0 connections)"):format(shown, address.port),
      tostring(any))
    any:close()
    t.run()
  end))
end)

describe("an accepted connection", function()
  it("is an open socket that knows its server, and has no 'connect'", within(function(t)
    local server = listening()
    server:on("connection", t.calls(1, function(peer)
      assert.is_true(net.isSocket(peer))
      assert.equal(server, peer.server)
      assert.same("open", peer.readyState)
      assert.is_false(peer.pending)
      assert.is_nil(peer.readableFlowing)
      assert.is_false(peer:isPaused())
      assert.same(server:address().port, peer.localPort)
      assert.same(LOCAL, peer.remoteAddress)
      peer:on("connect", t.calls(0, function() end))
      peer:on("ready", t.calls(0, function() end))
      peer:resume()
      server:close()
    end))
    visit(server):finish()
    t.run()
  end))

  it("is read before anybody listens, up to its mark", within(function(t)
    local server = listening()
    local peer
    server:on("connection", t.calls(1, function(socket) peer = socket end))
    local client = visit(server)
    client:write("early")
    servers.wait(function() return peer and peer.readableLength == 5 end)
    peer:on("data", t.calls(1, function(data)
      assert.same("early", data)
      client:destroy()
      peer:destroy()
      server:close()
    end))
    t.run()
  end))

  it("stays open and is counted when a listener raises", within(function(t)
    local server = listening()
    local peer
    server:on("connection", t.calls(2, function(socket)
      peer = socket
      error("oops", 0)
    end))
    local clients = { visit(server), visit(server) }
    assert.same("oops", sockets.raised(servers.wait_for, server, "never"))
    assert.same(1, server.connections)
    assert.same("open", peer.readyState)
    assert.same("oops", sockets.raised(servers.wait_for, server, "never"))
    assert.same(2, server.connections)
    for _, client in ipairs(clients) do client:destroy() end
    server:removeAllListeners("connection")
    server:close()
    t.run()
  end))

  it("does not stop the next one when the error is taken", within(function(t)
    local server = listening()
    server:on("connection", t.calls(2, function(peer)
      peer:destroy()
      if server.taken then server:close() end
      server.taken = true
      error("oops", 0)
    end))
    local take = t.calls(2, function(err) assert.same("oops", err) end)
    process:on("uncaughtException", take)
    visit(server)
    visit(server)
    t.run()
    process:off("uncaughtException", take)
  end))

  it("gets its ticks done before the next is told of", within(function(t)
    local server = listening()
    local order = {}
    server:on("connection", t.calls(20, function(peer)
      order[#order + 1] = "connection"
      process.nextTick(function() order[#order + 1] = "tick" end)
      peer:destroy()
      if #order >= 39 then server:close() end
    end))
    for _ = 1, 20 do visit(server) end
    t.run()
    for i = 1, 40, 2 do
      assert.same("connection", order[i])
      assert.same("tick", order[i + 1])
    end
  end))

  it("comes in a burst larger than a turn takes", within(function(t)
    local server = listening()
    local count = 0
    server:on("connection", t.calls(300, function(peer)
      count = count + 1
      peer:resume()
      if count == 300 then server:close() end
    end))
    for _ = 1, 300 do visit(server):finish() end
    t.run()
  end))
end)

describe("an option of a server", function()
  --- Lets one connection through; returns the accepted socket, in its listener.
  local function accepts(t, server, check)
    server:once("connection", t.calls(1, function(peer)
      check(peer)
      peer:destroy()
    end))
    visit(server)
    servers.wait_for(server, "connection")
  end

  it("counts for each connection from when it was set", within(function(t)
    local server = listening({ allowHalfOpen = true, highWaterMark = 10 })
    accepts(t, server, function(peer)
      assert.is_true(peer.allowHalfOpen)
      assert.same(10, peer.readableHighWaterMark)
      assert.same(10, peer.writableHighWaterMark)
    end)
    server.allowHalfOpen, server.highWaterMark = nil, nil
    accepts(t, server, function(peer)
      assert.is_false(peer.allowHalfOpen)
      assert.same(65536, peer.readableHighWaterMark)
    end)
    server.highWaterMark = 1e300
    accepts(t, server, function(peer)
      assert.same({ 1e300, 1e300 }, { peer.readableHighWaterMark, peer.writableHighWaterMark })
    end)
    server.highWaterMark = 0
    accepts(t, server, function(peer) assert.same(0, peer.writableHighWaterMark) end)
    server:close()
    t.run()
  end))

  it("highWaterMark that is none raises per connection, which is closed", within(function(t)
    local server = listening({ highWaterMark = 1.5 })
    server:on("connection", t.calls(0, function() end))
    local client = visit(server)
    client:on("end", t.calls(1, function() end))
    local err = sockets.raised(servers.wait_for, server, "never")
    assert.same("The property 'options.readableHighWaterMark' is invalid. Received 1.5",
      err.message)
    assert.same(0, server.connections)
    server:close()
    t.run()
  end))

  it("pauseOnConnect holds all data back until resume", within(function(t)
    local server = listening({ pauseOnConnect = true })
    local peer
    server:on("connection", t.calls(1, function(socket) peer = socket end))
    local client = visit(server)
    client:finish("held")
    servers.wait(function() return peer and client.writableFinished end)
    sockets.settle()
    assert.is_false(peer.readableFlowing)
    assert.is_true(peer:isPaused())
    local seen = {}
    peer:on("data", t.calls(1, function(data) seen[#seen + 1] = data end))
    sockets.settle()
    assert.same({}, seen)
    assert.same(0, peer.bytesRead)
    peer:resume()
    server:close()
    t.run()
    assert.same({ "held" }, seen)
  end))

  it("noDelay and keepAlive are set on the descriptor", function()
    if not os.execute("command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null") then
      return
    end
    local output = servers.child([[
      local net = require("net")
      local server
      server = net.createServer({ noDelay = true, keepAlive = true, keepAliveInitialDelay = 7999 },
        function(peer) peer:destroy() server:close() end)
      server:listen(0, "127.0.0.1", function()
        net.connect(server:address().port, "127.0.0.1"):on("error", print):resume()
      end)
      net.run()
    ]], nil, "strace -qq -e trace=setsockopt -e signal=none")
    assert.matches("TCP_NODELAY, %[1%]", output)
    assert.matches("SO_KEEPALIVE, %[1%]", output)
    assert.matches("TCP_KEEPIDLE, %[7%]", output)
    assert.matches("TCP_KEEPINTVL, %[1%]", output)
    assert.matches("TCP_KEEPCNT, %[10%]", output)
  end)

  it("blockList is asked about each peer, who is sent away in silence", within(function(t)
    local server = listening()
    server:on("connection", t.calls(0, function() end))
    server:on("drop", t.calls(0, function() end))
    server.blockList = { check = t.calls(1, function(self, ip, family)
      assert.equal(server.blockList, self)
      assert.same(LOCAL, ip)
      assert.same("ipv4", family)
      return true
    end) }
    local client = visit(server)
    client:on("connect", t.calls(1, function() end))
    client:on("end", t.calls(1, function() end))
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
  end))

  it("blockList may be a net.BlockList, given at the start", within(function(t)
    local list = BlockList()
    list:addSubnet("127.0.0.0", 8)
    local server = listening({ blockList = list }, t.never())
    assert.equal(list, server.blockList)
    visit(server):on("close", t.calls(1, function()
      server:close()
    end))
    t.run()
  end))

  it("blockList that can answer nothing is an error, and lets nobody in", within(function(t)
    for _, value in ipairs({ 5, "list", true, {}, { check = 1 }, function() end }) do
      local server = listening(nil, t.never())
      server.blockList = value
      visit(server)
      local err = sockets.raised(servers.wait_for, server, "never")
      assert.equal("TypeError: self.blockList.check is not a function", tostring(err))
      server:close()
    end
    t.run()
  end))

  it("blockList lets others in, and is gone when set to nil", within(function(t)
    local server = listening()
    server.blockList = { check = t.calls(1, function() return false end) }
    accepts(t, server, function() server.blockList = nil end)
    accepts(t, server, function() server:close() end)
    t.run()
  end))
end)

describe("server.maxConnections", function()
  it("drops who comes beyond it, and says who that was", within(function(t)
    local server = listening(t.calls(1, function() end))
    server.maxConnections = 1
    local first, second = visit(server), nil
    servers.wait_for(server, "connection")
    server:on("drop", t.calls(1, function(data)
      assert.same({
        localAddress = LOCAL, localPort = server:address().port, localFamily = "IPv4",
        remoteAddress = LOCAL, remotePort = second.localPort, remoteFamily = "IPv4",
      }, data)
    end))
    second = visit(server)
    second:on("connect", t.calls(1, function() end))
    second:on("end", t.calls(1, function() end))
    second:on("close", t.calls(1, function(had_error)
      assert.is_false(had_error)
      first:destroy()
      server:close()
    end))
    t.run()
  end))

  it("of 0 lets nobody in, and of nil everybody", within(function(t)
    local server = listening()
    server.maxConnections = 0
    server:on("connection", t.calls(1, function(peer)
      peer:destroy()
      server:close()
    end))
    server:on("drop", t.calls(1, function()
      server.maxConnections = nil
      visit(server)
    end))
    visit(server)
    t.run()
  end))

  it("makes room when a connection is destroyed", within(function(t)
    local server = listening()
    server.maxConnections = 1
    local seen = 0
    server:on("drop", t.calls(0, function() end))
    server:on("connection", t.calls(3, function(peer)
      seen = seen + 1
      peer:destroy()
      if seen < 3 then visit(server) else server:close() end
    end))
    visit(server)
    t.run()
  end))

  it("closes the connection when a 'drop' listener raises", within(function(t)
    local server = listening()
    server.maxConnections = 0
    server:on("drop", t.calls(1, function() error("oops", 0) end))
    local client = visit(server)
    client:on("end", t.calls(1, function() end))
    assert.same("oops", sockets.raised(servers.wait_for, server, "never"))
    server:close()
    t.run()
  end))
end)

describe("a server without descriptors left", function()
  local PROGRAM = [[
    local net = require("net")
    local timers = require("net.timers")
    local told, accepted, served = 0, {}, 0
    local server = net.createServer(function(peer)
      accepted[#accepted + 1] = peer
      peer:on("error", function() end)
      peer:on("data", function() served = served + 1 end)
    end)
    %s
    local path = os.tmpname()
    os.remove(path)
    server:listen(path, 128)

    -- Clients of another process, who have descriptors enough.
    local lua = os.getenv("LUA") or "lua5.4"
    local clients = io.popen(([=[ulimit -Sn 1000; exec %%s -e '
      local net = require("net")
      local ok, closed = 0, 0
      for i = 1, 80 do
        local client = net.connect(%%q, function() ok = ok + 1 end)
        client:on("close", function() closed = closed + 1 end):on("error", print):resume()
        client:write("x")
      end
      net.run()
      io.write(ok, " connected, ", closed, " closed")
    ']=]):format(lua, path))

    local was, quiet = -1, 0
    timers.setInterval(function()
      if #accepted == 80 and served == 80 then
        for _, peer in ipairs(accepted) do peer:destroy() end
        server:close()
        return net.stop()
      end
      quiet = #accepted == was and quiet + 1 or 0
      was = #accepted
      if quiet == 6 then -- 100 ms of nothing but a pause: make room for some more
        for i = 1, #accepted do
          if not accepted[i].destroyed then accepted[i]:destroy() end
        end
        quiet = 0
        print("paused with", #accepted > 10)
      end
    end, 20)
    net.run()
    print(told, #accepted, clients:read("a"))
  ]]

  local function run(setup)
    return servers.child(PROGRAM:format(setup), "ulimit -Sn 40")
  end

  it("says so once, goes on serving, and accepts again by itself", function()
    local output, code = run([[
      server:on("error", function(err)
        told = told + 1
        assert(tostring(err) == "Error: accept EMFILE" and err.syscall == "accept")
      end)
    ]])
    assert.matches("paused with\ttrue\n", output)
    assert.matches("\n1\t80\t80 connected, 80 closed", output)
    assert.same(0, code)
  end)

  it("does not end a program that has no 'error' listener", function()
    local output, code = run("")
    assert.matches("Warning: Server %(listening on [^)]*%): accept EMFILE, accepting pauses", output)
    assert.matches("\n0\t80\t80 connected, 80 closed", output)
    assert.same(0, code)
  end)
end)
