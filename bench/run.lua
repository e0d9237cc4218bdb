-- SPDX-License-Identifier: MIT

--- make bench: servers on this module and on others, side by side.
--
--     luanet bench/run.lua [quick]
--
-- For each scenario the servers are run one after the other, in rounds (A B C A
-- B C …), each driven by load.c, which checks every byte; server and load have a
-- core each. The figure is the server's CPU time per unit of work, by the
-- kernel's own accounting (/proc/PID/schedstat, ns), as a ratio to bare.c in the
-- same round: 1.00 is as cheap as C on raw epoll, 0.50 costs twice as much.

local quick = arg[1] == "quick"
local ROUNDS, SECONDS, WARM_UP = quick and 3 or 7, quick and 0.5 or 1, 0.3

local HERE = arg[0]:match("^(.*)/") or "."
local OUT = os.getenv("BENCH_OUT") or "build/bench"

--- name, scenario of the programs, connections, bytes, depth, what is counted, Unix path
local SCENARIOS = {
  { "echo, 64 connections x 64 B", "echo", 64, 64, 1, "message" },
  { "echo, 16 in flight on each", "echo", 64, 64, 16, "message" },
  { "echo on a Unix socket", "echo", 64, 64, 1, "message", true },
  { "echo in bulk, 64 KiB, 4 deep", "echo", 1, 65536, 4, "message" },
  { "stream in, discarded", "sink", 1, 0, 1, "byte" },
  { "stream out, with drain", "source", 1, 0, 1, "byte" },
  { "connect, one byte, close", "connect", 32, 1, 1, "connection" },
}

local function shell(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  assert(pipe:close(), command)
  return text
end

local function has(command)
  return (os.execute("command -v " .. command .. " >/dev/null 2>&1"))
end

--- The servers there are: name and command.
local function contestants()
  local list = {
    { "bare C", OUT .. "/bare" },
    { "net", ("'%s' '%s/servers/net.lua'"):format(arg[-1] or "lua5.4", HERE) },
  }
  if has("node") then
    list[#list + 1] = { "Node " .. shell("node --version"):gsub("%s", ""),
      ("node '%s/servers/node.js'"):format(HERE) }
  end
  return list
end

local function pin(cpu)
  return has("taskset") and ("taskset -c %d "):format(cpu) or ""
end

--- CPU time of a process so far, in nanoseconds.
local function cpu_of(pid)
  local file = assert(io.open("/proc/" .. pid .. "/schedstat"))
  local ns = file:read("n")
  file:close()
  return ns
end

--- Starts a server; returns its pid and address, and a function that ends it.
local function start(command, scenario, path)
  local address = path and OUT .. "/bench.sock" or "0"
  if path then
    os.remove(address)
  end
  local pipe = assert(io.popen(("echo $$; exec %s%s %s '%s'"):format(
    pin(0), command, scenario, address)))
  local pid = pipe:read("n", "l")
  local port = pipe:read("n")
  assert(port, "the server did not start: " .. command)
  return pid, path and address or port, function()
    os.execute("kill " .. pid)
    pipe:close()
  end
end

--- One run: nanoseconds of the server's CPU time per unit of work.
local function measure(command, s)
  local pid, address, stop = start(command, s[2], s[7])
  local function load(seconds)
    return shell(("%s%s/load %s '%s' %d %d %d %g"):format(
      pin(1), OUT, s[2], address, s[3], s[4], s[5], seconds))
  end
  load(WARM_UP)
  local before = cpu_of(pid)
  local line = load(SECONDS)
  local spent = cpu_of(pid) - before
  stop()
  return spent / assert(tonumber(line:match('"done":(%d+)')))
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

--- The ratios to bare C of each contestant, by round.
local function run_scenario(servers, s)
  local ratios = {}
  for _ = 1, ROUNDS do
    local bare
    for i, server in ipairs(servers) do
      local cost = measure(server[2], s)
      bare = bare or cost
      ratios[i] = ratios[i] or {}
      table.insert(ratios[i], bare / cost)
    end
  end
  return ratios
end

shell("mkdir -p " .. OUT)
for _, name in ipairs { "load", "bare" } do
  local cc = os.getenv("CC") or "cc"
  shell(("%s -O2 -std=c11 -o %s/%s %s/%s.c"):format(cc, OUT, name, HERE, name))
end

local servers = contestants()
print("CPU time of the server per unit of work; 1.00 = bare C.")
print(("Median (least, most) of %d rounds."):format(ROUNDS))
for _, s in ipairs(SCENARIOS) do
  print("\n" .. s[1])
  local ratios = run_scenario(servers, s)
  for i = 2, #servers do
    local m = median(ratios[i])
    print(("  %-14s %.2f  (%.2f, %.2f)"):format(servers[i][1], m, ratios[i][1], ratios[i][ROUNDS]))
  end
end
