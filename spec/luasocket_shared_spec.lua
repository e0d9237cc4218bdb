-- SPDX-License-Identifier: MIT

-- net.luasocket: a socket that several tasks use at once, and one that is closed meanwhile.

local co = require("net.co")
local core = require("net.core")
local socket = require("net.luasocket")
local sockets = require("spec.support.luasockets")
local support = require("spec.support.tasks")
local within = require("spec.support").within

local raised = support.raised

local address_of, connected = sockets.address_of, sockets.connected_in_task
local stall = sockets.stall

describe("a socket that several tasks use", function()
  it("has one reader, and says so to others", connected(function(client, peer)
    local first = co.spawn(function() return (peer:receive()) end)
    co.yield()
    assert.equal("ERR_SOCKET_BUSY", raised(peer.receive, peer).code)
    client:send("for the first\n")
    assert.equal("for the first", first())
    client:send("next\n")
    assert.equal("next", (peer:receive()))
  end))

  it("has one reader no more when that is cancelled", connected(function(client, peer)
    local first = co.spawn(peer.receive, peer)
    co.yield()
    first:cancel()
    first:await()
    client:send("x\n")
    assert.equal("x", (peer:receive()))
  end))

  it("sends each call's bytes together, in the order of the calls", connected(
    function(client, peer)
      local before = stall(client)
      co.group(function(group)
        for i = 0, 9 do
          group:spawn(function()
            assert.equal(100000, (client:send(tostring(i):rep(100000))))
          end)
        end
        co.yield()
        peer:receive(before)
        for i = 0, 9 do assert.equal(tostring(i):rep(100000), (peer:receive(100000))) end
      end)
    end))

  it("hands the turn to send on, whoever gives up", connected(function(client, peer)
    local before = stall(client)
    local first = co.spawn(client.send, client, "first")
    local second = co.spawn(client.send, client, "second")
    co.yield()
    client:settimeout(0.02)
    assert.same({ nil, "timeout", 2 }, { client:send("late", 3) })
    client:settimeout()
    local fourth = co.spawn(client.send, client, "fourth")
    co.yield()
    first:cancel()
    second:cancel()
    co.yield()
    peer:receive(before)
    assert.equal(6, fourth())
    assert.equal("fourth", (peer:receive(6)))
  end))

  it("wakes all of them by close", connected(function(client, peer, server)
    stall(client)
    local silent, accepted = assert(socket.connect(address_of(server))), false
    local tasks = {
      co.spawn(silent.receive, silent),
      co.spawn(client.send, client, "x"),
      co.spawn(client.send, client, "y"),
      co.spawn(function()
        server:accept():close()
        accepted = true
        return server:accept()
      end),
    }
    local selecting = co.spawn(socket.select, { peer, silent }, nil, 5)
    repeat co.yield() until accepted
    for _, one in ipairs { silent, client, server } do one:close() end
    for _, task in ipairs(tasks) do
      local _, err = task()
      assert.equal("closed", err)
    end
    assert.equal(peer, selecting()[1])
  end))

  it("wakes a connect by close", within(function()
    co.run(function()
      local server = assert(socket.bind("127.0.0.1", 0, 0))
      local host, port = address_of(server)
      local all = {}
      repeat -- until the backlog is full, and an attempt waits
        local one = socket.tcp4()
        one:settimeout(0.05)
        all[#all + 1] = one
      until not one:connect(host, port)
      local last = socket.tcp4()
      local task = co.spawn(last.connect, last, host, port)
      co.yield()
      last:close()
      assert.same({ nil, "closed" }, { task() })
      for _, one in ipairs(all) do one:close() end
      server:close()
    end)
  end))
end)

describe("a descriptor that is closed while somebody waits for it", function()
  --- Runs two tasks in one turn, before what the first waits for has come to the poller.
  local function close_amid(select_it, close)
    local selecting = co.spawn(select_it)
    co.spawn(close)
    return selecting
  end

  it("ends the wait of a table around a socket", connected(function(client, peer)
    local around = { getfd = function() return peer:getfd() end }
    local task = close_amid(function() return socket.select({ around }, nil, 5) end,
      function() peer:close() end)
    co.yield()
    co.yield()
    assert.equal("select of 0 sockets", task.waiting) -- for the time alone
    task:cancel()
    task = co.spawn(socket.select, { client }, nil, 5)
    assert.equal(client, task()[1])
  end))

  it("does no harm where it is another's", connected(function(_, peer)
    local other = core.descriptor.dup(peer:getfd())
    local around = { getfd = function() return other:number() or -1 end }
    local task = close_amid(function() return socket.select({ around }, nil, 0.02) end,
      function() other:close() end)
    assert.equal("timeout", (select(3, task())))
  end))

  it("does no harm where a program calls the finalizer", connected(function(client, peer)
    peer:settimeout(0.02)
    local task = close_amid(function() return peer:receive() end,
      function() getmetatable(peer).__gc(peer) end)
    assert.same({ nil, "closed", "" }, { task() })
    assert.same({ nil, "closed", "" }, { client:receive() })
  end))

  it("does no harm where another socket gets its number", connected(function(client, peer, server)
    local first = co.spawn(peer.receive, peer)
    co.yield()
    peer:close()
    local more = assert(socket.connect(address_of(server)))
    local other = assert(server:accept())
    local second = co.spawn(other.receive, other)
    assert.same({ nil, "closed", "" }, { first() })
    more:send("to the new one\n")
    assert.equal("to the new one", (second()))
    for _, one in ipairs { more, other, client } do one:close() end
  end))
end)
