-- SPDX-License-Identifier: MIT

--- The child of channel_peers.lua: child.lua SCENARIO. As child.js, line by line.

local net = require("net")
local process = require("net.process")
local timers = require("net.timers")

local scenario = arg[1]

local function log(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = words[i] == nil and "null" or tostring(words[i]) end
  print("C " .. table.concat(words, " "))
end

local SCENARIOS = {}

function SCENARIOS.values()
  process:on("message", function(m)
    process.send({ got = m })
    if m == "bye" then process.disconnect() end
  end)
end

function SCENARIOS.order()
  process:on("message", function(m)
    log("message", m)
    process.nextTick(function() log("tick of", m) end)
    if m == 3 then process.disconnect() end
  end)
  process:on("disconnect", function() log("disconnect", process.connected) end)
end

function SCENARIOS.answers()
  local seen = {}
  process:on("message", function(m)
    seen[#seen + 1] = m
    if #seen == 2 then process.send(seen, function() process.disconnect() end) end
  end)
end

function SCENARIOS.big()
  for _ = 1, 3 do
    process.send(("x"):rep(200000), function(err) log("sent", err) end)
  end
end

function SCENARIOS.nothing() end

function SCENARIOS.exit()
  process.send("a")
  process.exit(5)
end

function SCENARIOS.own()
  process.disconnect()
  log(process.connected, process.send("x", function(err) log("callback", err.code, err.message) end))
  process:on("error", function(err) log("error", err.code, err.message) end)
  process.send("y")
  process.disconnect()
end

function SCENARIOS.late()
  process.send("up")
  process:on("disconnect", function() log("disconnect") end)
  timers.setTimeout(function()
    process.nextTick(function() log("tick") end)
    process:on("message", function(m)
      log("message", m)
      if m == "b" then timers.setImmediate(process.disconnect) end
    end)
  end, 300)
end

function SCENARIOS.disconnect()
  process:on("message", function() end)
  process:on("disconnect", function() log("disconnect", process.connected) end)
  process.send("up")
end

function SCENARIOS.early()
  process:on("message", function(m) log("message", m) end)
  process:on("disconnect", function() log("disconnect") end)
end

function SCENARIOS.killed()
  process:on("message", function() end)
  process.send("up")
end

function SCENARIOS.raises()
  process:on("message", function(m)
    if m == "bye" then process.disconnect() end
  end)
end

SCENARIOS[scenario]()
net.run()
