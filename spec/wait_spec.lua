-- SPDX-License-Identifier: MIT

--- Coroutines that wait for what will not happen: each is named when the loop ends.

local lua = require("spec.support.lua")

local HEAD = [[
local net = require("net")
local events, process, timers = net.events, net.process, net.timers
local emitter = events.EventEmitter()
]]

local function run(text, options)
  options = options or {}
  options.script = HEAD .. text
  local result = lua.run(options)
  return result.stderr:gsub("%(lua:%d+%) ", ""):gsub("[^ ]*%.lua:", "x.lua:"), result.stdout, result.code
end

--- What stands for a coroutine that waits, in the script's line `line` behind HEAD.
local function warning(what, line)
  return ("Warning: A coroutine still waits as net.run() ends: %s at x.lua:%d\n"):format(what, line + 3)
end

describe("a coroutine that waits as net.run() ends", function()
  it("is named with what it waits for and where; the exit code stays", function()
    assert.same({ warning("events.once(EventEmitter, 'ready')", 2), "false\n", 0 }, { run([[
      coroutine.wrap(function()
        events.once(emitter, "ready")
      end)()
      print(net.run())
    ]]) })
  end)

  it("is named where it waits in a loop over events.on, too", function()
    assert.equal(warning("events.on(EventEmitter, 'ready')", 2), (run([[
      coroutine.wrap(function()
        for args in events.on(emitter, "ready") do print(args) end
      end)()
      net.run()
    ]])))
  end)

  it("is named by the script's line, however deep it waits", function()
    assert.equal(warning("events.once(Socket, 'connect')", 3), (run([[
      local socket = net.connect(1, "127.0.0.1")
      local function connected()
        local args = events.once(socket, "connect")
        return args
      end
      coroutine.wrap(function() local it = connected() return it end)()
      socket:destroy()
      net.run()
    ]])))
  end)

  it("is named where the launcher runs the loop", function()
    assert.equal("Warning: A coroutine still waits as net.run() ends: "
      .. "events.once(EventEmitter, 'ready') at (command line):3\n", (run("", { file = "bin/luanet",
      args = { "-e", [[
        local events = require("net.events")
        coroutine.wrap(function()
          events.once(events.EventEmitter(), "ready")
        end)()
      ]] } })))
  end)

  local function launched(text)
    local err, out = run("", { file = "bin/luanet", args = { "-e", [[
      local net = require("net")
      local events, process, timers = net.events, net.process, net.timers
      local emitter = events.EventEmitter()
      coroutine.wrap(function() events.once(emitter, "a") print("woken") end)()
    ]] .. text } })
    return { err:gsub(" at .*", ""), out }
  end

  it("is not named where a listener of 'beforeExit' wakes it", function()
    assert.same({ "", "woken\n" }, launched([[
      process:on("beforeExit", function() emitter:emit("a") end)
      net.run()
    ]]))
    assert.same({ "", "woken\n" }, launched([[
      process:once("beforeExit", function() timers.setTimeout(emitter.emit, 1, emitter, "a") end)
    ]]))
  end)

  it("is named after 'beforeExit' where that has not woken it", function()
    local text = "Warning: A coroutine still waits as net.run() ends: events.once(EventEmitter, 'a')"
    assert.same({ text, "before\nexit\n" }, launched([[
      process:once("beforeExit", function() print("before") end)
      process:on("exit", function() print("exit") end)
    ]]))
  end)

  it("is named although it was collected: it waits all the more", function()
    assert.equal(warning("events.once(EventEmitter, 'never')", 2), (run([[
      coroutine.wrap(function()
        events.once(events.EventEmitter(), "never")
      end)()
      collectgarbage() collectgarbage()
      net.run()
    ]])))
  end)

  it("shares its line with all that wait in the same place", function()
    assert.matches("Warning: 3 coroutines still wait as net.run%(%) ends: "
      .. "events.once%(EventEmitter, 'ready'%) at [^\n]*\n$", (run([[
      for i = 1, 3 do
        coroutine.wrap(function() events.once(i == 1 and events.EventEmitter() or emitter, "ready") end)()
      end
      collectgarbage() collectgarbage()
      net.run()
    ]])))
  end)

  it("takes no more memory for it, though each waited for an event of another name", function()
    local err = (run([[
      for i = 1, 1000 do
        coroutine.wrap(function() events.once(events.EventEmitter(), tostring(i)) end)()
      end
      collectgarbage() collectgarbage()
      net.run()
    ]]))
    assert.equal(101, select(2, err:gsub("\n", "")))
    assert.matches("\nWarning: 900 more coroutines still wait as net.run%(%) ends\n$", err)
  end)

  it("is named once, and a later one when it is its turn", function()
    assert.equal(warning("events.once(EventEmitter, 'a')", 1) .. warning("events.once(EventEmitter, 'b')", 4),
      (run([[
      coroutine.wrap(function() events.once(emitter, "a") end)()
      net.run()
      net.run()
      coroutine.wrap(function() events.once(emitter, "b") end)()
      net.run()
    ]])))
  end)

  it("goes on all the same when it happens later", function()
    local _, out = run([[
      coroutine.wrap(function() print(events.once(emitter, "a")[1]) end)()
      net.run()
      emitter:emit("a", "late")
      net.run()
    ]])
    assert.equal("late\n", out)
  end)

  it("is a 'warning' of the process, whose listener may begin more", function()
    assert.same({ warning("events.once(EventEmitter, 'a')", 1), "Warning\nmore\nfalse\n", 0 }, { run([[
      coroutine.wrap(function() events.once(emitter, "a") end)()
      process:on("warning", function(w)
        print(w.name)
        timers.setTimeout(print, 1, "more")
      end)
      print(net.run())
    ]]) })
  end)

  it("is not printed with NET_NO_WARNINGS", function()
    assert.equal("", (run([[
      coroutine.wrap(function() events.once(emitter, "a") end)()
      net.run()
    ]], { env = { NET_NO_WARNINGS = "1" } })))
  end)

  for what, text in pairs({
    ["has come to its end"] = [[
      coroutine.wrap(function() events.once(emitter, "a") end)()
      timers.setTimeout(emitter.emit, 1, emitter, "a")
      net.run()
    ]],
    ["was closed"] = [[
      local co = coroutine.create(function() events.once(emitter, "a") end)
      coroutine.resume(co)
      coroutine.close(co)
      net.run()
    ]],
    ["may still be resumed, as net.stop() ends it"] = [[
      coroutine.wrap(function() events.once(emitter, "a") end)()
      timers.setTimeout(net.stop, 1)
      net.run()
    ]],
    ["may still be resumed, as an error ends it"] = [[
      coroutine.wrap(function() events.once(emitter, "a") end)()
      timers.setTimeout(error, 1, "oh")
      pcall(net.run)
    ]],
    ["may still be resumed, as it is one pass alone"] = [[
      coroutine.wrap(function() events.once(emitter, "a") end)()
      net.run("nowait")
      net.run("once")
    ]],
    ["waits for something else, of the program's own"] = [[
      coroutine.wrap(function() coroutine.yield() end)()
      net.run()
    ]],
  }) do
    it("is not named where it " .. what, function()
      local err, _, code = run(text)
      assert.same({ "", 0 }, { err, code })
    end)
  end
end)
