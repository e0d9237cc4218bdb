-- SPDX-License-Identifier: MIT

--- The parent of channel_peers.lua: parent.lua CHILD EXECPATH SCENARIO. As parent.js, line
--- by line.

local child = require("net.child")
local core = require("net.core")
local net = require("net")

local script, exec_path, scenario = arg[1], arg[2], arg[3]

local function shown(value)
  if value == nil then return "null" end
  return type(value) == "table" and value.code and tostring(value) or tostring(value)
end

local function log(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = shown(words[i]) end
  print("P " .. table.concat(words, " "))
end

local function start()
  local kid = child.fork(script, { scenario }, { execPath = exec_path, silent = true })
  local out = {}
  local function keep(chunk) out[#out + 1] = chunk end
  kid.stdout:on("data", keep)
  kid.stderr:on("data", keep)
  kid:on("message", function(m)
    log("message", type(m) == "string" and #m > 1000 and #m or core.json.encode(m))
  end)
  kid:on("disconnect", function() log("disconnect", kid.connected) end)
  local ends = 0
  local function finish()
    ends = ends + 1
    if ends == 3 then io.write(table.concat(out)) end
  end
  kid.stdout:on("end", finish)
  kid.stderr:on("end", finish)
  kid:on("exit", function(code, signal) log("exit", code, signal) finish() end)
  return kid
end

local SCENARIOS = {}

function SCENARIOS.values()
  local kid = start()
  for _, m in ipairs({ "", "hello\nworld é", "\u{2028}\127/\"\\\b\f\r\t\1", 0, -1, 1.5, 1e21, 123456789012345, true,
    false, child.array({}), { 1, { 2 } }, { a = 1 }, { b = { c = { child.null, "x" } } }}) do
    kid:send(m)
  end
  kid:send("bye")
end

function SCENARIOS.order()
  local kid = start()
  for i = 1, 3 do kid:send(i) end
end

function SCENARIOS.answers()
  local kid = start()
  log(kid.connected, kid:send("a", function(err) log("callback", err) end),
    kid:send("b", nil, function(err) log("callback", err) end))
end

function SCENARIOS.disconnect()
  local kid = start()
  kid:once("message", function()
    kid:disconnect()
    log(kid.connected)
    log(kid:send("late", function(err) log("callback", err.code, err.message) end))
    kid:on("error", function(err) log("error", err.code, err.message) end)
    kid:send("later")
    kid:disconnect()
  end)
end

function SCENARIOS.early()
  local kid = start()
  for i = 1, 3 do kid:send(i) end
  kid:disconnect()
end

function SCENARIOS.late()
  local kid = start()
  kid:send("a")
  kid:send("b")
end

function SCENARIOS.killed()
  local kid = start()
  kid:once("message", function() kid:kill("SIGKILL") end)
end

function SCENARIOS.raises()
  local kid = start()
  for _, args in ipairs({ { n = 0 }, { nil, n = 1 }, { print, n = 1 }, { 1, {}, n = 2 }, { 1, nil, 5, n = 3 } }) do
    local _, err = pcall(kid.send, kid, table.unpack(args, 1, args.n))
    log(err.name, err.code)
  end
  kid:send("bye")
end

(SCENARIOS[scenario] or start)()
net.run()
