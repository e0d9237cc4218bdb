-- SPDX-License-Identifier: MIT

--- Programs whose instructions are counted: counted.lua WHAT N [PORT]
--
-- Does an operation N times and ends. instructions.lua runs it under valgrind.

local net = require("net")
local events = require("net.events")
local timers = require("net.timers")

local what, N, port = arg[1], math.tointeger(tonumber(arg[2])), tonumber(arg[3])
local WRITES = 10 -- in a turn

local function nothing() end

local run = {}

--- An event with one listener.
function run.emit()
  local emitter = events.EventEmitter()
  emitter:on("event", nothing)
  for i = 1, N do
    emitter:emit("event", i)
  end
end

--- A small write; ten of them leave in each turn, to somebody who discards them.
function run.write()
  local socket
  local left = N
  local function turn()
    for _ = 1, WRITES do
      socket:write("a small message, of which there are many: sixty-four bytes of it")
    end
    left = left - WRITES
    if left > 0 then
      timers.setImmediate(turn)
    else
      socket:destroy()
    end
  end
  socket = net.connect(port, "127.0.0.1", turn)
  net.run()
end

--- Has a timer start anew, while a thousand run.
function run.refresh()
  local running = {}
  for i = 1, 1000 do
    running[i] = timers.setTimeout(nothing, 60000 + i)
  end
  for i = 1, N do
    running[i % 1000 + 1]:refresh()
  end
end

--- Ends a timer and starts another, while a thousand run.
function run.rearm()
  local running = {}
  for i = 1, 1000 do
    running[i] = timers.setTimeout(nothing, 60000 + i)
  end
  for i = 1, N do
    local at = i % 1000 + 1
    timers.clearTimeout(running[at])
    running[at] = timers.setTimeout(nothing, 60000 + i % 1000)
  end
end

--- Starts a task that does nothing, a hundred a turn, to its end.
function run.spawn()
  local co = require("net.co")
  co.run(function()
    for i = 1, N do
      co.spawn(nothing)
      if i % 100 == 0 then
        co.yield()
      end
    end
  end)
end

local function message(bytes)
  package.path = "bench/programs/?.lua;" .. package.path
  return require("message")(bytes)
end

--- Writes a message of 1 KiB as JSON.
function run.encode()
  local value, encode = message(1024), require("net.core").json.encode
  for _ = 1, N do
    encode(value)
  end
end

--- Reads it.
function run.decode()
  local json = require("net.core").json
  local text, decode = json.encode(message(1024)), json.decode
  for _ = 1, N do
    decode(text)
  end
end

--- Sends a message of 100 B to a child, and hears it back.
function run.message()
  local kid = require("net.child").fork("bench/programs/messages.lua", { "child" },
    { execPath = "bin/luanet" })
  local left = N
  kid:on("message", function(value)
    left = left - 1
    if left > 0 then
      kid:send(value)
    else
      kid:disconnect()
    end
  end)
  kid:send(message(100))
  net.run()
end

run[what]()
os.exit(0)
