-- SPDX-License-Identifier: MIT

-- net.luasocket in the main script, as busted's is: how calls block, and wait for several.

local co = require("net.co")
local lua = require("spec.support.lua")
local net = require("net")
local socket = require("net.luasocket")
local sockets = require("spec.support.luasockets")
local support = require("spec.support.tasks")
local timers = require("net.timers")
local within = require("spec.support").within

local raised = support.raised

local address_of, complaint = sockets.address_of, sockets.complaint
local connected = sockets.connected

describe("select", function()
  it("tells who is ready, by number and by object", connected(function(client, peer, server)
    assert.same({ {}, {}, "timeout" }, { socket.select({ peer, server }, nil, 0) })
    client:send("one\ntwo\n")
    local r, w, err = socket.select({ peer, server }, { client })
    assert.same({ 1, peer, 1, client, nil }, { r[peer], r[1], w[client], w[1], err })
    peer:receive()
    assert.is_true(peer:dirty())
    r = socket.select({ peer }, nil, 5)
    assert.equal(peer, r[1])
  end))

  it("takes whatever has a getfd", connected(function(client, peer)
    local wrapped = { getfd = function() return peer:getfd() end }
    local none = { getfd = function() return -1 end }
    client:send("x")
    local r = socket.select({ none, wrapped, {} }, nil, 5)
    assert.same({ 1, 1 }, { #r, r[wrapped] })
    assert.has.errors(function() socket.select({ 1 }) end)
    assert.equal("bad argument #1 to 'select' (table expected, got number)",
      complaint(socket.select, 1))
    local gone = { getfd = function() return 99999 end }
    assert.equal("select failed", complaint(socket.select, { gone }, nil, 1))
  end))

  it("knows no limit of descriptors", within(function(t)
    local server, all = assert(socket.bind("127.0.0.1", 0, 1500)), {}
    t.finally(function()
      for _, one in ipairs(all) do one:close() end
    end)
    for i = 1, 1100 do
      local err
      all[i], err = socket.tcp4()
      if not all[i] then -- and who has asked was told
        assert.equal("Too many open files", err)
        server:close()
        return pending("the system gives no more than 1024 descriptors")
      end
    end
    local client = assert(socket.connect(address_of(server)))
    assert.is_true(client:getfd() > 1024)
    local _, w = socket.select(nil, { client }, 5)
    assert.equal(client, w[1])
    client:close()
    server:close()
  end))
end)

describe("a call that blocks", function()
  it("runs the loop meanwhile", connected(function(client, peer)
    timers.setTimeout(function() client:send("from a timer\n") end, 5)
    assert.equal("from a timer", (peer:receive()))
  end))

  it("serves its own process", within(function()
    local server = net.createServer(function(connection)
      connection:on("data", function(data) connection:finish(data:upper()) end)
    end)
    server:listen(0, "127.0.0.1")
    server:once("listening", net.stop)
    net.run()
    local client = assert(socket.connect("127.0.0.1", server:address().port))
    client:send("shout")
    assert.equal("SHOUT", (client:receive("*a")))
    client:close()
    server:close()
  end))

  it("works in a coroutine of the program's", connected(function(client, peer)
    timers.setTimeout(function() client:send("x\n") end, 5)
    local wrapped = coroutine.wrap(function()
      coroutine.yield((peer:receive()))
      return "end"
    end)
    assert.same({ "x", "end" }, { wrapped(), wrapped() })
  end))

  it("raises what another listener has raised, and may be made again", connected(
    function(client, peer)
      timers.setTimeout(function() error("of a timer", 0) end, 5)
      assert.equal("of a timer", raised(peer.receive, peer))
      client:send("later\n")
      assert.equal("later", (peer:receive()))
    end))

  it("left by another's error in a coroutine stops no later run", connected(
    function(client, peer, _, t)
      timers.setImmediate(function() error("of another", 0) end)
      local left = coroutine.create(function() return peer:receive() end)
      assert.same({ false, "of another" }, { coroutine.resume(left) })
      client:send("wakes it\n")
      timers.setImmediate(timers.setImmediate, timers.setImmediate, t.log, "ran on")
      net.run()
      assert.same({ "ran on" }, t.lines)
      coroutine.close(left)
      assert.equal("wakes it", (peer:receive()))
    end))

  it("raises in a listener, where it would wait, and only there", connected(
    function(client, peer, _, t)
      timers.setTimeout(t.calls(1, function()
        assert.equal("ERR_CANNOT_WAIT", raised(peer.receive, peer).code)
        assert.equal("ERR_CANNOT_WAIT", raised(socket.sleep, 1).code)
        peer:settimeout(0)
        assert.same({ nil, "timeout", "" }, { peer:receive() })
        client:send("x\n")
        peer:settimeout()
        assert.equal("x", (peer:receive()))
      end), 1)
      net.run()
    end))

  it("holds the loop no longer than it waits", connected(function()
    assert.is_false(net.run())
  end))
end)

describe("a call that blocks, and ends before the poll", function()
  it("ends", connected(function(_, peer)
    co.spawn(function() peer:close() end)
    assert.same({ nil, "closed", "" }, { peer:receive() })
  end))
end)

describe("sleep", function()
  it("waits so many seconds, and not for nothing", within(function()
    local fired = false
    timers.setTimeout(function() fired = true end, 10)
    socket.sleep(0.03)
    assert.is_true(fired)
    socket.sleep(0)
    socket.sleep(-1)
    assert.equal("bad argument #1 to 'sleep' (number expected, got nil)", complaint(socket.sleep))
  end))
end)

describe("a Unix socket", function()
  it("connects by a path", within(function(t)
    local path = t.tmpname()
    local server = socket.unix()
    assert(server:bind(path))
    assert(server:listen())
    local client = socket.unix.stream()
    assert(client:connect(path))
    local peer = assert(server:accept())
    assert.truthy(tostring(peer):find("^unixstream{client}: 0x"))
    client:send("hello\n")
    assert.equal("hello", (peer:receive()))
    for _, one in ipairs { client, peer, server } do one:close() end
    assert.same({ nil, "connection refused" }, { socket.unix():connect(path) })
    assert.same({ nil, "path too long" }, { socket.unix():connect(("x"):rep(200)) })
    assert.equal("bad argument #1 to 'bind' (string expected, got nil)",
      complaint(client.bind and function() socket.unix():bind() end))
    collectgarbage()
  end))

  it("waits for room in a backlog", within(function(t)
    local path, clients = t.tmpname(), {}
    local server = socket.unix()
    assert(server:bind(path))
    assert(server:listen(0))
    local err
    repeat
      local client = socket.unix()
      client:settimeout(0)
      clients[#clients + 1] = client
      err = select(2, client:connect(path))
    until err
    assert.equal("timeout", err)
    local late = clients[#clients]
    late:settimeout(0.03)
    assert.same({ nil, "timeout" }, { late:connect(path) })
    timers.setTimeout(function() server:accept():close() end, 20)
    late:settimeout(5)
    assert.equal(1, late:connect(path))
    for _, one in ipairs(clients) do one:close() end
    server:close()
  end))
end)

describe("lua_close", function()
  it("is silent amid all waits", function()
    local result = lua.run({ script = [[
      local co, core, net = require("net.co"), require("net.core"), require("net")
      local socket, timers = require("net.luasocket"), require("net.timers")
      local server = assert(socket.bind("127.0.0.1", 0))
      local host, port = server:getsockname()
      local client = assert(socket.connect(host, port))
      local peer = assert(server:accept())
      local other = core.descriptor.dup(client:getfd())
      local around = { getfd = function() return other:number() end }
      co.spawn(peer.receive, peer)
      co.spawn(server.accept, server)
      co.spawn(socket.select, { client, around }, nil)
      co.spawn(socket.sleep, 100)
      co.spawn(function()
        client:settimeout(0)
        repeat until not client:send(("x"):rep(1000000))
        client:settimeout()
        co.spawn(client.send, client, "y")
        client:send("z")
      end)
      KEEP = setmetatable({}, { __gc = function()
        local late = socket.tcp()
        print(late:bind("127.0.0.1", 0), late:connect("127.0.0.1", 1))
        print(peer:close(), socket.select({ server, client }, nil, 0.01))
      end })
      timers.setTimeout(net.stop, 20)
      net.run()
      print("end")
    ]] })
    assert.equal("", result.stderr)
    assert.matches("^end\n1\tnil\tconnection refused\n1\ttable: [^\n]*\n$", result.stdout)
    assert.equal(0, result.code)
  end)
end)
