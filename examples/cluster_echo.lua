-- SPDX-License-Identifier: MIT
--
-- cluster_echo.lua - an echo server on all cores, and what becomes of it when workers die.
--
--     lua5.4 examples/cluster_echo.lua [PORT [WORKERS]]
--     lua5.4 examples/cluster_echo.lua demo [SECONDS [WORKERS]]
--
-- The first form serves, on port 8124 by four workers; end it by Ctrl-C. Kill a worker,
-- `kill -9 PID`, and another one takes its place; `kill -HUP` of the primary replaces all of
-- them, one after the other, and nobody is refused.
--
-- The second form does both to itself while clients talk to it, and counts: a connection
-- that a killed worker served is reset, all others are served.
--
-- Shows: net.cluster, `respawn`, `reload`, a drain at the end, and what belongs in the
-- primary: nothing but that.

local cluster = require("net.cluster")
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")

io.stdout:setvbuf("line")

if cluster.isWorker then
  local server = net.createServer(function(socket)
    socket:on("error", function() end) -- a client that is gone is no news
    socket:pipe(socket)
  end)
  server:listen(tonumber(arg[1]), "127.0.0.1")
  net.run()
  return
end

local demo = arg[1] == "demo"
local port = demo and 0 or tonumber(arg[1] or 8124)
local seconds = demo and tonumber(arg[2] or 3)
local workers = tonumber(arg[demo and 3 or 2] or 4)
local killed, listening = 0, 0

cluster.setupPrimary({
  args = { tostring(port) },
  execPath = arg[-1],  -- the interpreter that runs this
  respawn = { max = 1000, delay = 20 },
})

cluster:on("exit", function(worker, code, signal)
  if not worker.exitedAfterDisconnect then
    print(("worker %d ended with %s"):format(worker.id, signal or code))
  end
end)

cluster:on("giveup", function()
  print("too many workers die")
  process.exit(1)
end)

process:on("SIGHUP", function()
  cluster.reload(function(err) print(err or "all workers are new") end)
end)

local function finish(callback)
  cluster.disconnect({ drain = 1000 }, callback)
end

for _, name in ipairs({ "SIGINT", "SIGTERM" }) do
  process:once(name, function() finish() end)
end

-- The demo: clients that connect, have a word echoed, and go.

local served, reset, going = 0, 0, demo

local function visit()
  local client, echo = net.connect(port, "127.0.0.1"), ""
  client:write("hello")
  client:on("data", function(data)
    echo = echo .. data
    if echo == "hello" then client:finish() end
  end)
  client:on("error", function() end) -- "close" counts it
  client:on("close", function()
    if echo == "hello" then served = served + 1 else reset = reset + 1 end
    if going then visit() end
  end)
end

local function kill_one()
  local _, worker = next(cluster.workers)
  if worker then
    killed = killed + 1
    worker:kill("SIGKILL")
  end
end

local function run_demo()
  for _ = 1, 16 do visit() end
  local killer = timers.setInterval(kill_one, 200)
  timers.setTimeout(function()
    killer:close()
    cluster.reload(function(err)
      print(err or "all workers are new")
      going = false
      finish(function()
        print(("%d served, %d reset, %d workers killed"):format(served, reset, killed))
      end)
    end)
  end, seconds * 1000)
end

cluster:on("listening", function(_, address)
  listening, port = listening + 1, address.port
  if listening == workers then
    print(("%d workers, listening on 127.0.0.1:%d"):format(workers, port))
    if demo then run_demo() end
  end
end)

for _ = 1, workers do
  cluster.fork()
end

net.run()
