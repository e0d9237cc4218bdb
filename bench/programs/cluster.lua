-- SPDX-License-Identifier: MIT

--- What it costs a cluster to serve: cluster.lua MODE WHAT SECONDS
--
-- MODE: "one" process without a cluster, or two workers by "rr", "least", "none" or
-- "reuseport". WHAT: "echo", the CPU time of all processes for each message of 64 B on 64
-- connections; "connect", the same for each connection that says a byte and goes;
-- "primary", that of the primary alone for each of those. The load is load.c's. Prints ns,
-- how many there were a second, and what part of a core the load took.

local here = arg[0]:match("^(.*)/")

local net = require("net")
local child = require("net.child")
local cluster = require("net.cluster")
local process = require("net.process")

local WORKERS, WARM = 2, 0.2 -- s
local LOADS = {
  echo = "-c64 -s64 echo", connect = "-c32 -s1 connect", primary = "-c32 -s1 connect",
}
local POLICIES = {
  rr = cluster.SCHED_RR, least = cluster.SCHED_LEAST, none = cluster.SCHED_NONE,
}

local function ignore() end

local function echo(socket)
  socket:on("error", ignore)
  socket:on("data", function(chunk) socket:write(chunk) end)
end

local function serve(what, port, reuse, on_listening)
  local server = net.createServer({ noDelay = what == "echo" }, echo)
  server:listen({ port = port, host = "127.0.0.1", reusePort = reuse }, function()
    on_listening(server:address().port)
  end)
  return server
end

--- Drives who listens there; the CPU time that counts is that of `pids`.
--- Workers are waited for: so run.lua knows that their CPU time is not somebody else's.
local function end_workers(done)
  local left = 0
  for _, worker in pairs(cluster.workers) do
    left = left + 1
    worker.process:kill()
  end
  cluster:on("exit", function()
    left = left - 1
    if left == 0 then done() end
  end)
  if left == 0 then done() end
end

local function drive(what, seconds, port, pids)
  local binary = (os.getenv("BENCH_OUT") or "build/bench") .. "/load"
  local args = { ("-w%g"):format(WARM), "-t" .. seconds }
  for _, pid in ipairs(pids) do
    args[#args + 1] = "-p" .. pid
  end
  for word in LOADS[what]:gmatch("%S+") do
    args[#args + 1] = word
  end
  args[#args + 1] = tostring(port)
  local load, text = child.spawn(binary, args, { stdio = { "ignore", "pipe", "inherit" } }), ""
  load.stdout:on("data", function(chunk) text = text .. chunk end)
  load:on("close", function(code)
    local figures = {}
    for name, value in text:gmatch('"([%w_]+)":([%d.]+)') do
      figures[name] = tonumber(value)
    end
    if code ~= 0 then
      os.exit(1, true)
    end
    print(("%.1f %.0f %.2f"):format(figures.server_cpu / figures.done,
      figures.done / figures.seconds, figures.load_cpu / figures.seconds / 1e9))
    end_workers(function() os.exit(0, true) end)
  end)
end

local function run_cluster(mode, what, seconds, port)
  cluster.schedulingPolicy = POLICIES[mode] or cluster.SCHED_RR
  cluster.setupPrimary({ exec = here .. "/cluster.lua", execPath = here .. "/../../bin/luanet",
    args = { mode, what, tostring(port) } })
  local pids, left = { process.pid }, WORKERS
  cluster:on("message", function(worker, message) -- "listening" is not told of reusePort
    if what ~= "primary" then
      pids[#pids + 1] = worker.process.pid
    end
    left = left - 1
    if left == 0 then
      drive(what, seconds, message.port, pids)
    end
  end)
  for _ = 1, WORKERS do
    cluster.fork()
  end
end

local mode, what, seconds = table.unpack(arg)
if cluster.isWorker then
  serve(what, tonumber(arg[3]), mode == "reuseport", function(port)
    process.send({ port = port })
  end)
elseif mode == "one" then
  serve(what, 0, false, function(port) drive(what, seconds, port, { process.pid }) end)
elseif mode == "reuseport" then -- workers that are to listen at one port have to be told which
  local server
  server = serve(what, 0, false, function(port)
    server:close(function() run_cluster(mode, what, seconds, port) end)
  end)
else
  run_cluster(mode, what, seconds, 0)
end
net.run()
