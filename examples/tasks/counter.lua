-- SPDX-License-Identifier: MIT
--
-- tasks/counter.lua - a hundred tasks add to one counter in Redis, over one connection.
--
--     lua5.4 examples/tasks/counter.lua [PORT|PATH] [COUNT]
--
-- Each adds COUNT times (10), and then the counter is read. Default: port 6379 of this machine.
--
-- Shows: a client (tasks/redis.lua) that is shared by tasks.

package.path = arg[0]:match("^(.-)[^/]*$") .. "?.lua;" .. package.path

local co = require("net.co")
local redis = require("redis")

local KEY = "net:counter"
local TASKS = 100

co.run(function(where, count)
  local db = assert(redis.connect(tonumber(where) or where or 6379))
  assert(db:call("SET", KEY, 0))
  co.group(function(group)
    for _ = 1, TASKS do
      group:spawn(function()
        for _ = 1, tonumber(count) or 10 do
          assert(db:call("INCR", KEY))
        end
      end)
    end
  end)
  print("counter", db:call("GET", KEY))
  print("error", select(2, db:call("LPUSH", KEY, "x")))
  db:call("DEL", KEY)
  db:close()
  print("closed", select(2, db:call("PING")))
end, ...)
