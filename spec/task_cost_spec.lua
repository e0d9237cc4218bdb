-- SPDX-License-Identifier: MIT

--- What tasks cost, where it can be counted: requests for memory (support/allocations.c) and
--- instructions, by callgrind. Skipped where there is no Lua library to link with, or no
--- valgrind. What takes time is in `make bench`, and docs/bench.

local lua = require("spec.support.lua")

--- Of `total` receives of a message, `ahead` of which are sent before they are asked for:
--- prints how many requests there were. Each text is a new one, as a short one that Lua has
--- costs nothing.
local RECEIVES = [[
local net, co = require("net"), require("net.co")
local cases = { %s }
local function texts(size, mark)
  local list = {}
  for i = 1, 800 do
    local text = i .. mark
    list[i] = text .. ("x"):rep(size - 1 - #text) .. "\n"
  end
  return list
end
local function rounds(near, far, list, case)
  for i = 1, #list, case.ahead do
    for k = i, i + case.ahead - 1 do far:send(list[k]) end
    for _ = 1, case.ahead do assert(near:receive(case.what)) end
  end
end
co.run(function()
  local server = co.listen(0, "127.0.0.1")
  local near = assert(co.connect(server:address().port, "127.0.0.1"))
  local far = server:incoming()()
  server:close()
  for _, case in ipairs(cases) do
    rounds(near, far, texts(case.size, "warm"), case)
    local list = texts(case.size, "hot")
    collectgarbage()
    collectgarbage("stop")
    counted()
    rounds(near, far, list, case)
    print((counted()))
    collectgarbage("restart")
  end
  near:destroy()
  far:destroy()
end)
]]

--- An echo by callbacks of so many messages; a collection amid it would cost by what else is
--- in memory.
local ECHO = [[
local left, modules = ...
for name in modules:gmatch("%S+") do require(name) end
local net = require("net")
local server = net.createServer(function(socket)
  socket:on("data", function(chunk) socket:write(chunk) end)
end)
server:listen(0, "127.0.0.1", function()
  local socket = net.connect(server:address().port, "127.0.0.1")
  socket:on("connect", function() socket:write(("x"):rep(64)) end)
  socket:on("data", function(chunk)
    left = left - 1
    if left > 0 then return socket:write(chunk) end
    socket:destroy()
    server:close()
  end)
end)
collectgarbage()
collectgarbage("stop")
net.run()
]]

describe("socket:receive", function()
  it("asks for memory once, for the string #slow", function()
    local program = os.tmpname()
    if not lua.compile("spec/support/allocations.c", program) then
      return pending("no Lua library to link with")
    end
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(RECEIVES:format([[
      { what = "line", size = 64, ahead = 1 }, { what = "L", size = 64, ahead = 1 },
      { what = 64, size = 64, ahead = 1 }, { what = "some", size = 64, ahead = 1 },
      { what = "line", size = 20, ahead = 1 }, { what = "line", size = 64, ahead = 8 },
      { what = 64, size = 64, ahead = 8 },
    ]]))
    file:close()
    local result = lua.run({ program = program, args = { path } })
    os.remove(path)
    os.remove(program)
    -- What comes in one piece and is not asked for yet is a string of its own: one for eight.
    assert.same({ code = 0, stdout = ("800\n"):rep(5) .. ("900\n"):rep(2), stderr = "" }, result)
  end)
end)

describe("net.co", function()
  --- Instructions of a program that echoes so many messages; nil where nobody counts.
  local function instructions(n, modules)
    local log = os.tmpname()
    local script = ECHO:gsub("%.%.%.", ("%d, %q"):format(n, modules))
    local result = lua.run({
      program = "valgrind",
      args = { "--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-file=" .. log,
        lua.command, "-e", script },
    })
    local file <close> = io.open(log)
    local count = file and file:read("a"):match("Collected : (%d+)")
    os.remove(log)
    return result.code == 0 and tonumber(count) or nil
  end

  local function each(modules)
    local short, long = instructions(500, modules), instructions(4500, modules)
    return short and long and (long - short) / 4000
  end

  it("that is loaded costs callbacks nothing #slow", function()
    if os.getenv("NET_SANITIZE") then
      return pending("what is counted would be the sanitizers'")
    end
    local without = each("net")
    if not without then
      return pending("no valgrind to count with")
    end
    local with = each("net net.co")
    assert.is_true(with <= without * 1.01, ("%.0f instructions, not %.0f"):format(with, without))
  end)
end)
