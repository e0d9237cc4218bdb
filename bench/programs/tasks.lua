-- SPDX-License-Identifier: MIT

--- What a task costs: tasks.lua LIBRARY WHAT SECONDS
--
-- LIBRARY: net or cqueues; copas runs for ever. WHAT: "spawn", from the start to the end of
-- one that does nothing, a thousand at a time; "sleep", the same of one that sleeps, with as
-- many others as to make 100,000; "line", a line of 32 bytes that has arrived. Does it for
-- that long after a while that does not count, and prints the CPU time of one in ns, and how
-- many a second; of "sleep", once, and behind a "-" the KiB of all while they sleep.

local library, what, seconds = arg[1], arg[2], tonumber(arg[3])
local SPAWNED, SLEEPERS, LINES = 1000, 100000, 200
local LINE = ("x"):rep(31) .. "\n"

local function nothing() end

-- The libraries: run(fn) runs fn in a task until all have ended, spawn(fn), sleep(s), and
-- reader(text) -> a function that reads the next line of that text, which has arrived.

local open = {}

function open.net()
  local net, co = require("net"), require("net.co")
  return {
    run = co.run,
    spawn = co.spawn,
    sleep = function(s) co.sleep(s * 1000) end,
    reader = function(text)
      local a, b = net.duplexPair()
      a:send(text)
      b:peek(#text)
      return function() return b:receive("line") end
    end,
  }
end

function open.cqueues()
  local cqueues, socket = require("cqueues"), require("cqueues.socket")
  local queue
  return {
    run = function(fn)
      queue = cqueues.new()
      queue:wrap(fn)
      assert(queue:loop())
    end,
    spawn = function(fn) queue:wrap(fn) end,
    sleep = cqueues.sleep,
    reader = function(text)
      local a, b = socket.pair()
      b:setbufsiz(65536, 65536)
      a:write(text)
      a:flush()
      b:fill(#text)
      return function() return b:read("*l") end
    end,
  }
end

local lib = open[library]()
local work = {} -- does some: the seconds of CPU time that they took, and how many

function work.spawn()
  local start = os.clock()
  lib.run(function()
    for _ = 1, SPAWNED do
      lib.spawn(nothing)
    end
  end)
  return os.clock() - start, SPAWNED
end

function work.line()
  local start, read
  lib.run(function()
    read = read or lib.reader(LINE:rep(LINES))
    start = os.clock()
    for _ = 1, LINES do
      assert(#read() == #LINE - 1)
    end
    start = os.clock() - start
  end)
  return start, LINES
end

local function drive(duration)
  local spent, done = 0, 0
  repeat
    local took, n = work[what]()
    spent, done = spent + took, done + n
  until spent >= duration
  return spent / done * 1e9, done / spent
end

--- KiB of memory that are resident.
local function resident()
  for line in io.lines("/proc/self/smaps_rollup") do
    local kib = line:match("^Rss:%s*(%d+)")
    if kib then return tonumber(kib) end
  end
end

local function sleep()
  lib.sleep(3)
end

local function sleepers()
  local before, start = resident(), os.clock()
  local most
  lib.run(function()
    for _ = 1, SLEEPERS do
      lib.spawn(sleep)
    end
    lib.sleep(1)
    most = resident()
  end)
  local spent = os.clock() - start
  print(("%.1f %.0f - %d"):format(spent / SLEEPERS * 1e9, SLEEPERS / spent, most - before))
end

if what == "sleep" then
  sleepers()
else
  drive(seconds / 4)
  print(("%.1f %.0f"):format(drive(seconds)))
end
