-- SPDX-License-Identifier: MIT

--- What single operations cost, by how much is open: inside.lua WHAT N
--
-- Prints the CPU time of one operation in ns. growth.lua runs it for 10, 1,000
-- and 100,000; each figure is to stay about the same.

local net = require("net")
local events = require("net.events")
local timers = require("net.timers")

local what, N = arg[1], math.tointeger(tonumber(arg[2]))
local ENOUGH = 200000 -- operations, so that the clock's grain does not count

local function nothing() end

--- ns of CPU time for each of `count` operations.
local function time(count, fn)
  collectgarbage()
  local before = os.clock()
  fn()
  return (os.clock() - before) / count * 1e9
end

local cost = {}

--- Ends a timer and starts another, while N run.
function cost.timers()
  local running = {}
  for i = 1, N do
    running[i] = timers.setTimeout(nothing, 60000 + i % 5000)
  end
  return time(ENOUGH, function()
    for i = 1, ENOUGH do
      local at = i * 7919 % N + 1
      timers.clearTimeout(running[at])
      running[at] = timers.setTimeout(nothing, 60000 + i % 5000)
    end
  end)
end

--- Calls N listeners: for each of them.
function cost.emit()
  local emitter = events.EventEmitter()
  emitter:setMaxListeners(0)
  for _ = 1, N do
    emitter:on("event", nothing)
  end
  return time(ENOUGH // N * N, function()
    for _ = 1, ENOUGH // N do
      emitter:emit("event")
    end
  end)
end

--- Adds N listeners to one emitter, and to the next: for each listener.
function cost.listeners()
  local emitters = {}
  for i = 1, ENOUGH // N do
    emitters[i] = events.EventEmitter()
    emitters[i]:setMaxListeners(0)
  end
  return time(ENOUGH // N * N, function()
    for _, emitter in ipairs(emitters) do
      for _ = 1, N do
        emitter:on("event", nothing)
      end
    end
  end)
end

--- A connected pair of sockets: ours, and the one that reads and forgets.
local function pair(use)
  local server
  server = net.createServer(function(peer)
    peer:on("data", nothing)
    server:close()
  end)
  server:listen(0, "127.0.0.1", function()
    local socket
    socket = net.connect(server:address().port, "127.0.0.1", function() use(socket) end)
  end)
  net.run()
end

--- Queues N writes, and sends them: for each of them.
function cost.writes()
  local rounds, spent = ENOUGH // N, nil
  pair(function(socket)
    local left, before = rounds, nil
    local function queue()
      left = left - 1
      if left < 0 then
        spent = (os.clock() - before) / (rounds * N) * 1e9
        return socket:destroy()
      end
      socket:cork()
      for _ = 2, N do
        socket:write("sixteen bytes ..")
      end
      socket:write("sixteen bytes ..", queue)
      socket:uncork()
    end
    before = os.clock()
    queue()
  end)
  return spent
end

local function address(i)
  i = i * 2654435761 & 0xffffffff
  return ("%d.%d.%d.%d"):format(i >> 24, i >> 16 & 255, i >> 8 & 255, i & 255)
end

--- Looks up an address in a list of N rules, of all three kinds.
function cost.blocklist()
  local list, asked = net.BlockList(), {}
  for i = 1, N do
    if i % 3 == 0 then
      list:addSubnet(address(i), 28)
    elseif i % 3 == 1 then
      list:addAddress(address(i))
    else
      local first = address(i):gsub("%d+$", "0")
      list:addRange(first, (first:gsub("%d+$", "9")))
    end
  end
  for i = 1, 1000 do
    asked[i] = address(i * 3 + 1000000)
  end
  return time(ENOUGH, function()
    for i = 1, ENOUGH do
      list:check(asked[i % 1000 + 1])
    end
  end)
end

print(("%.1f"):format(cost[what]()))
os.exit(0)
