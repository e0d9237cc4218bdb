-- SPDX-License-Identifier: MIT

--- In which order several objects hear of what one poll found. What depends on the
--- clock of no kernel is compared with Node in spec/parity/scenarios/order.par.

local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local sockets = require("spec.support.sockets")
local support = require("spec.support")
local within = support.within

local function kernel_order(name, fn)
  it(name, function()
    if not support.has_epoll() then
      return pending("libev has no epoll here")
    end
    within(fn)()
  end)
end

--- As many connections: the accepted sockets, their clients, and what closes all.
local function connections(count)
  local accepted, clients = {}, {}
  local server, where = sockets.listen()
  server:on("connection", function(socket) accepted[#accepted + 1] = socket end)
  for i = 1, count do
    clients[i] = net.connect(where)
    sockets.wait(function() return #accepted == i and not clients[i].connecting end)
  end
  sockets.settle()  -- all of them are in the poller, and nothing is ready
  return accepted, clients, function()
    for i = 1, count do
      accepted[i]:destroy()
      clients[i]:destroy()
    end
    server:close()
  end
end

describe("Objects that one poll found ready", function()
  kernel_order("are told in the order in which the kernel had them, each with its ticks", function(t)
    local accepted, clients, close = connections(4)
    for i, socket in ipairs(accepted) do
      socket:on("data", function(data)
        t.log("data", i, data)
        process.nextTick(t.log, "tick", i)
      end)
    end
    sockets.settle()
    for _, i in ipairs({ 3, 2, 4, 1 }) do
      clients[i]:write("x")
    end
    sockets.wait(function() return #t.lines == 8 end)
    close()
    assert.same({ "data 3 x", "tick 3", "data 2 x", "tick 2", "data 4 x", "tick 4", "data 1 x", "tick 1" },
      t.lines)
  end)

  kernel_order("are so whether they have data or a connection that waits", function(t)
    local accepted, clients, close = connections(2)
    local first, to_first = sockets.listen()
    local second, to_second = sockets.listen()
    first:on("connection", function(socket) t.log("first server") socket:destroy() end)
    second:on("connection", function(socket) t.log("second server") socket:destroy() end)
    for i, socket in ipairs(accepted) do
      socket:on("data", function() t.log("data", i) end)
    end
    sockets.settle()
    local function connect(where)
      net.connect(where):on("error", function() end):resume()
    end
    -- The address of each attempt is a number: it starts on the tick.
    clients[2]:write(("x"):rep(20000))  -- large enough to be sent at once
    connect(to_second)
    process.nextTick(function() clients[1]:write(("x"):rep(20000)) end)
    connect(to_first)
    sockets.wait(function() return #t.lines >= 4 end)
    local seen, order = {}, {}
    for _, line in ipairs(t.lines) do
      if not seen[line] then
        order[#order + 1] = line
      end
      seen[line] = true
    end
    close()
    first:close()
    second:close()
    assert.same({ "data 2", "second server", "data 1", "first server" }, order)
  end)

  it("hear of each other: one that is closed by one before it says nothing more", within(function()
    local accepted, clients, close = connections(3)
    local heard = {}
    for i, socket in ipairs(accepted) do
      socket:on("data", function()
        heard[#heard + 1] = i
        for _, other in ipairs(accepted) do
          if other ~= socket then
            other:destroy()
          end
        end
      end)
    end
    sockets.settle()
    for i = 1, 3 do
      clients[i]:on("error", function() end)
      clients[i]:write("x")
    end
    sockets.settle()
    close()
    assert.equal(1, #heard)
  end))

  it("hear of each other: so do servers and attempts to connect", within(function()
    local first, to_first = sockets.listen()
    local second, to_second = sockets.listen()
    local told = 0
    local function connection(socket)
      told = told + 1
      socket:destroy()
      first:close()
      second:close()
      collectgarbage()
    end
    first:on("connection", connection)
    second:on("connection", connection)
    sockets.settle()
    local clients = {}
    local function connected()
      clients[1]:destroy()
      clients[2]:destroy()
      collectgarbage()
    end
    for i, where in ipairs({ to_first, to_second }) do
      clients[i] = net.connect(where, connected)
      clients[i]:on("error", function() end)
    end
    sockets.wait(function() return clients[1].closed and clients[2].closed end)
    sockets.settle()
    assert.equal(1, told)
  end))

  it("come before signals", within(function(t)
    local accepted, clients, close = connections(1)
    local function hup() t.log("SIGHUP") end
    local function usr2() t.log("SIGUSR2") end
    process:on("SIGHUP", hup)
    process:on("SIGUSR2", usr2)
    accepted[1]:on("data", function() t.log("data") end)
    sockets.settle()
    timers.setImmediate(function()
      process.kill(process.pid, "SIGUSR2")
      process.kill(process.pid, "SIGHUP")
      clients[1]:write(("x"):rep(20000))
    end)
    sockets.wait(function() return #t.lines >= 3 end)
    process:off("SIGHUP", hup)
    process:off("SIGUSR2", usr2)
    close()
    assert.equal("data", t.lines[1])
  end))
end)
