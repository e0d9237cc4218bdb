-- SPDX-License-Identifier: MIT
--
-- tasks/pool.lua - a pool of workers: which of these ports answer?
--
--     lua5.4 examples/tasks/pool.lua HOST FIRST LAST [WORKERS]
--
-- Tries to connect to each port, WORKERS (20) at a time, half a second each, and prints those
-- that were open, and how many there were.
--
-- Shows: a queue with a limit, workers that share it, retry with back-off, timeouts.

local co = require("net.co")

local PATIENCE = 500 -- milliseconds for an attempt
local ATTEMPTS = 2

--- Calls fn(...) until it gives something, so often, after pauses that grow.
local function retry(times, fn, ...)
  local value, err = fn(...)
  for attempt = 1, times - 1 do
    if value ~= nil or err.code == "ECONNREFUSED" then
      break
    end
    co.sleep(2 ^ attempt * 50 * (0.5 + math.random()))
    value, err = fn(...)
  end
  return value, err
end

local function is_open(host, port)
  local socket <close> = retry(ATTEMPTS, co.timeout, PATIENCE, co.connect, port, host)
  return socket ~= nil
end

co.run(function(host, first, last, workers)
  local open = {}
  co.group(function(group)
    local jobs = co.queue(100)
    for _ = 1, tonumber(workers) or 20 do
      group:spawn(function()
        for port in jobs:items() do
          if is_open(host, port) then
            open[#open + 1] = port
          end
        end
      end)
    end
    for port = tonumber(first), tonumber(last) do
      jobs:put(port)
    end
    jobs:close()
  end)
  table.sort(open)
  for _, port in ipairs(open) do
    print(port)
  end
  print(("%d of %d are open"):format(#open, last - first + 1))
end, ...)
