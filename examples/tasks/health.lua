-- SPDX-License-Identifier: MIT
--
-- tasks/health.lua - looks after servers, and tells when one goes or comes back.
--
--     lua5.4 examples/tasks/health.lua [SECONDS] KIND:HOST:PORT...
--     lua5.4 examples/tasks/health.lua 10 http:localhost:8080 redis:localhost:6379 tcp:db:5432
--
-- A line for each target at first, and then for each change: "up", or "down" and why. A target
-- has two seconds to answer; all are asked every SECONDS (10), side by side. SIGHUP asks at once;
-- Ctrl-C ends it.
--
-- Shows: a fixed rate by co.every, a group with a limit, a timeout for each, a queue that a
-- listener fills, and several tasks of which the first to end ends the others.

local co = require("net.co")
local process = require("net.process")

local PATIENCE = 2000 -- milliseconds for a target
local AT_ONCE = 50

io.stdout:setvbuf("line")

--- What is asked of each kind, and how the first line of its answer begins.
local kinds = {
  tcp = {},
  http = { ask = "HEAD / HTTP/1.0\r\n\r\n", answer = "^HTTP/1%.%d [1-4]%d%d" },
  redis = { ask = "PING\r\n", answer = "^%+PONG" },
  smtp = { answer = "^220" },
}

local function parse(word)
  local kind, host, port = word:match("^(%a+):%[?(.-)%]?:(%d+)$")
  if not kinds[kind] then
    error(word .. " is no KIND:HOST:PORT", 0)
  end
  return { name = word, host = host, port = tonumber(port), kind = kinds[kind] }
end

--- True, or nil and what is wrong.
local function check(target)
  local socket <close>, err = co.connect(target.port, target.host)
  if not socket then
    return nil, err
  elseif target.kind.ask then
    socket:send(target.kind.ask)
  end
  if not target.kind.answer then
    return true
  end
  local line
  line, err = socket:receive("line", 1000)
  if line and not line:find(target.kind.answer) then
    return nil, "said " .. line
  end
  return line and true, err
end

local function look(target)
  local up, err = co.timeout(PATIENCE, check, target)
  if up ~= target.up or not target.known then
    target.known, target.up = true, up
    print(target.name, up and "up" or "down: " .. tostring(err))
  end
end

local function look_at_all(targets)
  co.group({ limit = AT_ONCE }, function(group)
    for _, target in ipairs(targets) do
      group:spawn(look, target)
    end
  end)
end

co.run(function(...)
  local targets = { ... }
  local seconds = tonumber(targets[1]) and table.remove(targets, 1) or 10
  for i, word in ipairs(targets) do
    targets[i] = parse(word)
  end
  local due = co.queue(1) -- what is asked for twice meanwhile is done once
  local function ask() due:push(true) end
  process:on("SIGHUP", ask)
  ask()
  co.race({
    function()
      for _ in co.every(seconds * 1000) do
        ask()
      end
    end,
    function()
      for _ in due:items() do
        look_at_all(targets)
      end
    end,
    function() co.await(process, "SIGINT") end,
  })
end, ...)
