-- SPDX-License-Identifier: MIT

-- A server that ends without cutting anybody off: its open connections, those that are
-- idle, and server:drain().

local core = require("net.core")
local net = require("net")
local lua = require("spec.support.lua")
local process = require("net.process")
local sockets = require("spec.support.sockets")
local timers = require("net.timers")
local within = require("spec.support.init").within

local LONG = 600000 -- ms; a deadline that no spec sees
local LOOKS = 400   -- ms; looks at the connections every 100

local wait = sockets.wait

--- A server with `n` connections: clients, and the server's sockets in their order.
local function served(n, options)
  local server, where = sockets.listen({ server = options })
  local clients, peers = {}, {}
  for i = 1, n do
    server:once("connection", function(socket) peers[i] = socket end)
    clients[i] = net.connect(where)
    wait(function() return peers[i] and not clients[i].connecting end)
  end
  return server, clients, peers, where
end

local function close_all(server, clients, peers)
  for i, client in ipairs(clients) do
    client:destroy()
    peers[i]:destroy()
  end
  server:close()
  wait(function() return server.connections == 0 end)
end

local function set_of(list)
  local set = {}
  for _, value in ipairs(list) do
    assert.is_nil(set[value], "there twice")
    set[value] = true
  end
  return set
end

--- The arguments with which `drain` called back, when it has.
local function drained(server, ms)
  local result
  server:drain(ms, function(...)
    assert.is_nil(result)
    result = table.pack(...)
  end)
  return function() return result end
end

describe("server:sockets()", function()
  it("lists the open connections, each once", within(function()
    local server, clients, peers = served(3)
    local reference = debug.getregistry()
    reference[#reference + 1] = peers[1] -- as luaL_ref of another library does
    local place = #reference
    assert.same(set_of(peers), set_of(server:sockets()))
    reference[place] = nil
    assert.not_equal(server:sockets(), server:sockets())
    close_all(server, clients, peers)
  end))

  it("leaves out what is destroyed, at once, and what others have", within(function()
    local server, clients, peers = served(2)
    local other, other_clients, other_peers = served(1)
    peers[1]:destroy()
    assert.same({ peers[2] }, server:sockets())
    assert.same({ other_peers[1] }, other:sockets())
    close_all(server, clients, peers)
    assert.same({}, server:sockets())
    close_all(other, other_clients, other_peers)
  end))

  it("has those of a server that has closed", within(function()
    local server, clients, peers = served(1)
    server:close()
    assert.same(peers, server:sockets())
    close_all(server, clients, peers)
  end))

  it("is empty for a new server, and raises for what is none", within(function()
    local server = net.createServer()
    assert.same({}, server:sockets())
    for _, value in ipairs({ false, {}, "x", io.stdout, net.Socket() }) do
      for _, name in ipairs({ "sockets", "closeIdle", "drain" }) do
        local err = sockets.raised(server[name], value or nil)
        assert.equal("TypeError ERR_INVALID_THIS", sockets.kind(err), name)
      end
    end
  end))

  it("is not changed by a program that changes the list", within(function()
    local server, clients, peers = served(2)
    local list = server:sockets()
    list[1], list[2] = nil, nil
    assert.equal(2, #server:sockets())
    close_all(server, clients, peers)
  end))
end)

describe("server:closeIdle()", function()
  it("ends what has nothing buffered, and says how many", within(function()
    local server, clients, peers = served(2)
    assert.equal(2, server:closeIdle())
    assert.is_true(peers[1].writableEnded and peers[2].writableEnded)
    assert.is_true(server.listening)
    for _, client in ipairs(clients) do
      client:resume()
    end
    wait(function() return clients[1].destroyed and clients[2].destroyed end)
    server:close()
  end))

  it("leaves what nobody has read yet, and what has not been sent", within(function()
    local server, clients, peers = served(3, { pauseOnConnect = true })
    clients[1]:write("a request")
    sockets.fill(peers[2])
    peers[1]:read(0)
    wait(function() return peers[1].readableLength > 0 end)
    assert.equal(1, server:closeIdle())
    assert.same({ false, false, true },
      { peers[1].writableEnded, peers[2].writableEnded, peers[3].writableEnded })
    close_all(server, clients, peers)
  end))

  it("does not count what has ended before", within(function()
    local server, clients, peers = served(2)
    peers[1]:finish()
    assert.equal(1, server:closeIdle())
    assert.equal(0, server:closeIdle())
    close_all(server, clients, peers)
  end))

  it("is 0 without connections, also when the server does not listen", within(function()
    assert.equal(0, net.createServer():closeIdle())
  end))
end)

describe("server:drain()", function()
  it("closes the server, and says so at once", within(function(t)
    local server = sockets.listen()
    assert.is_false(server.draining)
    assert.equal(server, server:drain(LONG, t.calls(1, function(...)
      assert.same({ n = 2, nil, 0 }, table.pack(...))
    end)))
    assert.same({ true, false }, { server.draining, server.listening })
    server:once("close", t.calls(1))
    t.run()
    assert.is_true(server.draining)
    assert.has_error(function() server.draining = false end)
  end))

  it("ends what is idle", within(function()
    local server, clients, peers = served(2)
    local result = drained(server, LOOKS * 100)
    for _, client in ipairs(clients) do
      client:resume()
    end
    wait(result)
    assert.same({ n = 2, nil, 0 }, result())
    assert.is_true(clients[1].readableEnded and peers[1].readableEnded)
    net.run()
  end))

  it("does not end what has moved since it looked last", within(function()
    local server, clients, peers = served(2)
    peers[1]:resume()
    peers[2]:resume()
    local result = drained(server, LOOKS)
    local busy = timers.setInterval(function()
      for _, client in ipairs(clients) do client:write("x") end
    end, 1)
    for _, client in ipairs(clients) do
      client:on("error", function() end) -- what it sends last meets a closed socket
    end
    wait(result)
    timers.clearInterval(busy)
    assert.same({ n = 2, nil, 2 }, result())
    net.run()
  end))

  it("does not end what still has something to send or to be read", within(function()
    local server, clients, peers = served(2, { pauseOnConnect = true })
    sockets.fill(peers[1])
    clients[2]:write("a request")
    peers[2]:read(0)
    wait(function() return peers[2].readableLength > 0 end)
    local result = drained(server, LOOKS)
    wait(result)
    assert.same({ n = 2, nil, 2 }, result())
    assert.same({ false, false }, { peers[1].writableEnded, peers[2].writableEnded })
    close_all(server, clients, peers)
  end))

  it("cuts off after the time what is left, also a peer that never ends", within(function()
    local server, clients, peers = served(3, { allowHalfOpen = true })
    for _, client in ipairs(clients) do
      client.allowHalfOpen = true
    end
    local seen = sockets.trace(peers[1])
    local result = drained(server, LOOKS)
    wait(result)
    assert.same({ n = 2, nil, 3 }, result())
    close_all(server, clients, peers)
    net.run()
    assert.same({ "prefinish", "finish", "close false" }, seen) -- idle it was, and ended
  end))

  it("waits for a peer that goes on until the time is over", within(function()
    local server, clients, peers = served(1)
    local result = drained(server, LONG)
    sockets.settle()
    assert.is_nil(result())
    clients[1]:destroy()
    peers[1]:resume()
    wait(result)
    assert.same({ n = 2, nil, 0 }, result())
  end))

  it("does not wait beyond the time for connections that other processes have", within(function()
    local counting = require("net.internal.process.counting")
    for _, is_over in ipairs({ false, true }) do
      local server, clients, peers = served(1)
      local lines = {}
      local channel = { owner = require("net.events").EventEmitter(), connected = true,
        send_internal = function(_, line) lines[#lines + 1] = line end }
      counting.sent(channel, peers[1], true)
      peers[1]:destroy()
      clients[1]:destroy()
      local result = drained(server, is_over and 1 or LONG)
      assert.matches("NODE_SOCKET_NOTIFY_CLOSE", lines[1])
      sockets.settle()
      if not is_over then
        assert.is_nil(result())
        channel.owner:emit("disconnect")
      end
      wait(result)
      assert.same({ n = 2, nil, 0 }, result())
      channel.owner:emit("disconnect") -- late, and once too often
    end
  end))

  it("tells a server that does not listen, and leaves its connections", within(function(t)
    local idle = net.createServer()
    idle:drain(LONG, t.calls(1, function(err, cut)
      assert.same({ "ERR_SERVER_NOT_RUNNING", 0 }, { err.code, cut })
    end))
    assert.is_true(idle.draining)
    t.run()

    local server, clients, peers = served(1)
    server:close()
    local result = drained(server, 1)
    sockets.settle()
    assert.is_nil(result())
    assert.is_false(peers[1].destroyed)
    clients[1]:destroy()
    peers[1]:resume()
    wait(result)
    assert.equal("ERR_SERVER_NOT_RUNNING", result()[1].code)
  end))

  it("counts the earlier end when it is called again, and calls every callback", within(function()
    local server, clients, peers = served(1)
    local first, second, third = drained(server, LONG), drained(server, 1), drained(server, LONG)
    assert.equal(server, server:drain(LONG))
    wait(function() return first() and second() and third() end)
    assert.same({ { n = 2, nil, 1 }, { n = 2, nil, 1 }, { n = 2, nil, 1 } },
      { first(), second(), third() })
    close_all(server, clients, peers)
  end))

  it("is over when the server listens again", within(function()
    local server, clients, peers, where = served(1)
    local first = drained(server, 20)
    server:listen(where)
    wait(function() return server.listening end)
    assert.same({ false, true }, { server.draining, server.listening })
    local over
    timers.setTimeout(function() over = true end, 40)
    wait(function() return over end)
    assert.same({ false, false }, { peers[1].destroyed, peers[1].writableEnded })
    local second = drained(server, 1) -- a drain of its own
    wait(second)
    assert.same({ { n = 2, nil, 0 }, { n = 2, nil, 1 } }, { first(), second() })
    close_all(server, clients, peers)
  end))

  it("takes its time as setTimeout does, and no callback for none", within(function()
    local texts, quiet = {}, process.noWarnings
    process.noWarnings = true
    process:on("warning", function(warning) texts[#texts + 1] = warning.name end)
    for _, ms in ipairs({ false, "1", 0 / 0, -5 }) do
      local server, clients, peers = served(1)
      server:drain(ms or nil, "no callback")
      wait(function() return peers[1].destroyed end)
      close_all(server, clients, peers)
    end
    process:removeAllListeners("warning")
    process.noWarnings = quiet
    table.sort(texts)
    assert.same({ "TimeoutNaNWarning", "TimeoutNegativeWarning" }, texts)
  end))

  it("holds no loop that its connections do not hold", within(function()
    local server, clients, peers = served(1)
    clients[1]:unref()
    peers[1]:unref()
    server:drain(LONG)
    assert.is_false(net.run())
    close_all(server, clients, peers)
  end))

  it("goes on with the others when an end raises", within(function()
    local server, clients, peers = served(2)
    local result = drained(server, LOOKS)
    for _, peer in ipairs(peers) do
      peer.finish = function() error("no end", 0) end
    end
    local raised = {}
    process:on("uncaughtException", function(err) raised[#raised + 1] = err end)
    wait(result)
    process:removeAllListeners("uncaughtException")
    assert.same({ n = 2, nil, 2 }, result())
    assert.equal("no end", raised[1])
    close_all(server, clients, peers)
  end))

  it("leaves the server listening when close() raises", within(function()
    local server, clients, peers = served(1)
    server.close = function() error("not now", 0) end
    assert.equal("not now", sockets.raised(server.drain, server, 1))
    assert.same({ false, true }, { server.draining, server.listening })
    server.close = nil
    sockets.settle()
    assert.is_false(peers[1].destroyed)
    close_all(server, clients, peers)
  end))

  it("lets the program end when the last connection does", function()
    local result = lua.run({ script = [[
      local net = require("net")
      local server = net.createServer(function(socket) socket:resume() end):listen(0)
      server:once("listening", function()
        local client = net.connect(server:address().port)
        client:once("connect", function()
          server:drain(4000, print)
          client:resume()
        end)
      end)
      net.run()
      print("over")
    ]] })
    assert.same({ 0, "nil\t0\nover\n", "" }, { result.code, result.stdout, result.stderr })
  end)

  it("costs a server that is never drained nothing", function()
    local result = lua.run({ script = [[
      local net = require("net")
      net.createServer():listen(0):close()
      net.run()
      print(package.loaded["net.internal.server.drain"])
    ]] })
    assert.equal("nil\n", result.stdout)
  end)
end)

describe("the registry's census", function()
  it("does not meet what a finalizer adds to the registry", within(function()
    local server, clients, peers, where = served(20)
    local more = {}
    setmetatable({}, { __gc = function()
      for i = 1, 40 do more[i] = net.connect(where) end
    end })
    for _ = 1, 20 do
      assert.is_true(#server:sockets() >= 20)
      collectgarbage("step")
    end
    for _, socket in ipairs(more) do socket:destroy() end
    close_all(server, clients, peers)
    for _, socket in ipairs(server:sockets()) do socket:destroy() end
    net.run()
    assert.equal(0, core.Server.getters.connections(server))
  end))
end)
