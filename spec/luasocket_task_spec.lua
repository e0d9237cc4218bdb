-- SPDX-License-Identifier: MIT

-- net.luasocket in tasks: calls that would block let others run, and are interrupted as every
-- wait is.

local co = require("net.co")
local core = require("net.core")
local socket = require("net.luasocket")
local sockets = require("spec.support.luasockets")
local support = require("spec.support.tasks")
local timers = require("net.timers")
local within = require("spec.support").within

local raised = support.raised

local address_of, connected = sockets.address_of, sockets.connected_in_task
local stall = sockets.stall

describe("net.luasocket in tasks", function()
  it("serves many at once, each in calls that block", within(function()
    co.run(function()
      local server = assert(socket.bind("127.0.0.1", 0, 64))
      local serving = co.spawn(function()
        while true do
          local peer = server:accept()
          if not peer then return end
          co.spawn(function()
            for line in function() return (peer:receive()) end do
              peer:send(line:upper() .. "\n")
            end
            peer:close()
          end)
        end
      end)
      local answers = {}
      co.group(function(group)
        for i = 1, 20 do
          group:spawn(function()
            local client = assert(socket.connect(address_of(server)))
            for j = 1, 5 do
              client:send("a" .. j .. "\n")
              answers[i] = (answers[i] or "") .. client:receive()
            end
            client:close()
          end)
        end
      end)
      server:close()
      serving:await()
      for i = 1, 20 do assert.equal("A1A2A3A4A5", answers[i]) end
    end)
  end))

  it("lets timers run while nothing has to be waited for", connected(function(client, peer)
    local fired = false
    timers.setTimeout(function() fired = true end, 1)
    local n = 0
    while not fired do
      client:send("x\n")
      peer:receive()
      n = n + 1
      assert(n < 1e7)
    end
  end))

  it("lets timers run in a loop over a dead connection", connected(function(client, peer)
    client:close()
    local fired = false
    timers.setTimeout(function() fired = true end, 1)
    while not fired do peer:receive() end
  end))

  it("raises in a coroutine of the program's", connected(function(_, peer)
    local err
    coroutine.wrap(function() err = raised(peer.receive, peer) end)()
    assert.equal("ERR_CANNOT_WAIT", err.code)
    assert.truthy(err.message:find("co.generator", 1, true))
  end))

  it("raises below what cannot yield", connected(function(_, peer)
    local err
    table.sort({ 2, 1 }, function(a, b)
      err = err or raised(peer.receive, peer)
      return a < b
    end)
    assert.equal("ERR_CANNOT_WAIT", err.code)
  end))

  it("waits in a generator", connected(function(client, peer)
    client:send("a\nb\n")
    client:close()
    local lines = {}
    for line in co.generator(function()
      for line in function() return (peer:receive()) end do coroutine.yield(line) end
    end) do
      lines[#lines + 1] = line
    end
    assert.same({ "a", "b" }, lines)
  end))
end)

describe("an interruption", function()
  it("of receive loses nothing", connected(function(client, peer)
    client:send("par")
    local _, err = co.timeout(20, peer.receive, peer, "*l")
    assert.equal("ERR_TIMEOUT", err.code)
    client:send("tial\nand 10 more")
    assert.equal("partial", (peer:receive()))
    _, err = co.timeout(20, peer.receive, peer, 100)
    assert.equal("ERR_TIMEOUT", err.code)
    client:close()
    assert.equal("and 10 more", (peer:receive("*a")))
  end))

  it("passes through protect, and is not LuaSocket's", connected(function(_, peer)
    local cleaned = 0
    local try = socket.newtry(function() cleaned = cleaned + 1 end)
    local get = socket.protect(function() return try(peer:receive()) end)
    local _, err = co.timeout(20, get)
    assert.equal("ERR_TIMEOUT", err.code)
    local task = co.spawn(get)
    co.yield()
    task:cancel()
    _, err = task:await()
    assert.equal("ABORT_ERR", err.code)
    assert.equal(0, cleaned)
    peer:close()
    assert.same({ nil, "closed" }, { get() })
    assert.equal(1, cleaned)
  end))

  it("leaves nothing of any wait", within(function()
    co.run(function()
      local server = assert(socket.bind("127.0.0.1", 0))
      local client = assert(socket.connect(address_of(server)))
      local peer = assert(server:accept())
      stall(client)
      local refs, anchored = core.alive()
      for _, fn in ipairs {
        function() client:send("x") end,
        function() peer:receive(1e9) end,
        function() server:accept() end,
        function() socket.sleep(100) end,
        function() socket.select({ server }, nil) end,
        function() socket.select({ server, client }, nil, 100) end,
      } do
        local task = co.spawn(fn)
        co.yield()
        assert.equal("waiting", task.status)
        task:cancel()
        task:await()
      end
      assert.same({ refs, anchored }, { core.alive() })
      for _, one in ipairs { server, client, peer } do one:close() end
    end)
  end))

  it("that has come before the call raises at once, and the next call works", connected(
    function(client, peer)
      local task = co.spawn(function()
        local self = co.current()
        self:cancel()
        raised(peer.receive, peer)
        client:settimeout(0)
        assert.equal(2, client:send("x\n"))
      end)
      task:await()
      assert.equal("x", (peer:receive()))
    end))
end)

describe("task.waiting", function()
  it("says what a call waits for, and from whom", connected(function(client, peer, server)
    local near, far = client:getpeername(), select(2, client:getpeername())
    local _, own = client:getsockname()
    local function waiting(fn, ...) -- before a poll could answer
      local task, text = co.spawn(fn, ...), nil
      co.spawn(function() text = task.waiting end)
      co.yield()
      return text
    end
    local at, from = near .. ":" .. far, near .. ":" .. own
    assert.equal('receive "*l" from ' .. at, waiting(client.receive, client))
    assert.equal("receive 7 from " .. from, waiting(peer.receive, peer, 7))
    stall(client)
    assert.equal("send to " .. at, waiting(client.send, client, "x"))
    assert.equal("its turn to send to " .. at, waiting(client.send, client, "x"))
    assert.equal("accept on " .. at, waiting(server.accept, server))
    assert.equal("select of 1 sockets", waiting(socket.select, { server }))
    assert.equal("sleep", waiting(socket.sleep, 100))
    assert.equal('look up "localhost"', waiting(socket.dns.toip, "localhost"))
    for _, task in ipairs(co.tasks()) do
      if task ~= co.current() then task:cancel() end
    end
  end))
end)

describe("protect", function()
  it("keeps an error and its traceback, in a task and outside of one", within(function()
    local function fails() error("mine") end
    for _, run in ipairs { co.run, function(fn) return fn() end } do
      local err = raised(run, socket.protect(fails))
      assert.truthy(err:find("luasocket_task_spec.lua:%d+: mine$"))
    end
    local mine = {}
    assert.equal(mine, raised(socket.protect(function() error(mine) end)))
  end))

  it("catches what its own try has raised, of any kind", within(function()
    local get = socket.protect(function(...) return socket.try(...) end)
    assert.same({ nil, "broken" }, { get(nil, "broken", "more") })
    assert.same({ nil, "no" }, { get(false, "no") })
    assert.same({ 1, nil, 3 }, { get(1, nil, 3) })
    assert.same({ 2, nil, nil }, { select("#", get(nil)), get(nil) })
  end))

  it("tells a finalizer's error instead", within(function()
    local get = socket.protect(function()
      socket.newtry(function() error("in the finalizer", 0) end)(nil, "first")
    end)
    assert.equal("in the finalizer", raised(get))
  end))
end)

describe("dns", function()
  it("looks up side by side with what else runs", within(function()
    co.run(function()
      local ip, all = socket.dns.toip("localhost")
      assert.same({ "127.0.0.1", "127.0.0.1" }, { ip, all.ip[1] })
      assert.equal("localhost", (socket.dns.tohostname("127.0.0.1")))
      assert.equal("inet", socket.dns.getaddrinfo("127.0.0.1")[1].family)
      assert.equal("localhost", socket.dns.getnameinfo("127.0.0.1", 25)[1])
      assert.same({ nil, "host not found" }, { socket.dns.toip("no-such-host.invalid") })
      assert.same({ nil, "host not found" }, { socket.dns.tohostname("no-such-host.invalid") })
      assert.same({ nil, "host or service not provided, or not known" },
        { socket.dns.getaddrinfo("") })
    end)
  end))

  it("raises where it cannot wait for a name", within(function()
    co.run(function()
      local err
      coroutine.wrap(function() err = raised(socket.dns.toip, "localhost") end)()
      assert.equal("ERR_CANNOT_WAIT", err.code)
    end)
  end))
end)

describe("what is put on a socket", function()
  it("reads and writes through it, and waits for what it says", connected(function(client, peer)
    local plain = core.open_luasocket()
    local state = plain.state(peer)
    local through = state.via
    state.via = {
      recv = function(self, most)
        local data, err = through.recv(self, most)
        return data and data:upper(), err
      end,
      send = function(self, data, i, j)
        return through.send(self, data:reverse(), #data - j + 1, #data - i + 1)
      end,
      shutdown = through.shutdown,
    }
    client:send("hello\n")
    assert.equal("HELLO", (peer:receive()))
    peer:send("abc\n\n", 1, 4)
    assert.equal("", (client:receive()))
    assert.equal("cba", (client:receive(3)))
  end))
end)
