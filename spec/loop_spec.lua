-- SPDX-License-Identifier: MIT

local core = require("net.core")
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local within = require("spec.support").within

describe("net.run", function()
  it("comes back at once, with false, when nothing holds the loop", function()
    assert.is_false(net.run())
    assert.is_false(net.run("once"))
    assert.is_false(net.run("nowait"))
  end)

  it("runs until the last timer has fired", within(function(t)
    timers.setTimeout(t.calls(1, function()
      timers.setTimeout(t.calls(1), 1)
    end), 1)
    assert.is_false(t.run())
  end))

  it("does not wait for what was unref'd", within(function(t)
    local timeout = timers.setTimeout(t.never(), 1000):unref()
    assert.is_false(t.run())
    timeout:close()
  end))

  --- Passes `ms` without the loop.
  local function spend(ms)
    local over = core.now() + ms
    repeat until core.now() >= over
  end

  it("calls an unref'd timer that is due when the loop runs empty", within(function(t)
    local interval
    timers.setImmediate(function()
      timers.setTimeout(t.calls(1), 1):unref()
      interval = timers.setInterval(t.calls(1), 1):unref()
      spend(3)
    end)
    assert.is_false(t.run())
    interval:close()
  end))

  it("goes on if such a timer begins something", within(function(t)
    timers.setImmediate(function()
      timers.setTimeout(t.calls(1, function()
        timers.setImmediate(t.calls(1))
      end), 1):unref()
      spend(3)
    end)
    assert.is_false(t.run())
  end))

  it("calls one that is due when a server has closed", within(function(t)
    local server
    server = net.createServer():listen(0, "127.0.0.1", function()
      server:close(function()
        timers.setTimeout(t.calls(1), 1):unref()
        timers.setImmediate(t.calls(1)):unref()
        spend(3)
      end)
    end)
    assert.is_false(t.run())
  end))

  it("calls none, and no unref'd immediate, behind the last thing that held it", within(function(t)
    local timeout, immediate
    timers.setTimeout(t.calls(1, function()
      timeout = timers.setTimeout(t.never(), 1):unref()
      immediate = timers.setImmediate(t.never()):unref()
      spend(3)
    end), 10)
    assert.is_false(t.run())
    timeout:close()
    timers.clearImmediate(immediate)
  end))

  it("calls none where nothing held it to begin with", within(function(t)
    local timeout = timers.setTimeout(t.never(), 1):unref()
    spend(3)
    assert.is_false(t.run())
    timeout:close()
  end))

  it("in mode 'nowait' drains ticks and makes one pass that does not wait", within(function(t)
    local timeout = timers.setTimeout(t.never(), 100000)
    process.nextTick(t.calls(1))
    timers.setImmediate(t.calls(1))
    assert.is_true(net.run("nowait"))
    timeout:close()
  end))

  it("in mode 'once' waits until something has happened", within(function(t)
    timers.setTimeout(t.calls(1), 5)
    local last = timers.setTimeout(t.never(), 100000)
    assert.is_true(net.run("once"))
    last:close()
  end))

  it("raises for a mode that there is not", function()
    local ok, err = pcall(net.run, "twice")
    assert.is_false(ok)
    assert.equal("ERR_INVALID_ARG_VALUE", err.code)
    ok, err = pcall(net.run, 1)
    assert.is_false(ok)
    assert.equal("ERR_INVALID_ARG_TYPE", err.code)
  end)

  it("refuses to run inside itself", within(function(t)
    timers.setTimeout(t.calls(1, function()
      assert.has_error(net.run, "net.run() is running already")
    end), 1)
    t.run()
  end))

  it("runs in a coroutine, and calls back on it", within(function(t)
    local co = coroutine.create(function()
      local me = coroutine.running()
      timers.setTimeout(t.calls(1, function()
        assert.equal(me, coroutine.running())
        assert.is_false(coroutine.isyieldable())
      end), 1)
      return net.run()
    end)
    assert.same({ true, false }, { coroutine.resume(co) })
    timers.setTimeout(t.calls(1), 1) -- and back on the main thread
    t.run()
  end))

  it("orders a turn: timers, immediates, and ticks after each of them", within(function(t)
    timers.setTimeout(function()
      t.log("timer")
      timers.setImmediate(function()
        t.log("immediate")
        process.nextTick(t.log, "tick of immediate")
      end)
      timers.setImmediate(t.log, "second immediate")
      process.nextTick(t.log, "tick of timer")
    end, 1)
    timers.setTimeout(t.log, 1, "second timer")
    process.nextTick(t.log, "tick of main")
    local due = core.now() + 2
    repeat until core.now() > due -- both timers are due in the first turn
    t.run()
    assert.same({
      "tick of main", "timer", "tick of timer", "second timer", "immediate",
      "tick of immediate", "second immediate",
    }, t.lines)
  end))
end)

describe("net.stop", function()
  it("has run() come back although something holds the loop", within(function(t)
    local timeout = timers.setTimeout(t.never(), 100000)
    timers.setTimeout(t.calls(1, net.stop), 1)
    assert.is_true(t.run())
    timeout:close()
  end))

  it("works from a tick of the main script", within(function(t)
    local timeout = timers.setTimeout(t.never(), 100000)
    process.nextTick(net.stop)
    assert.is_true(t.run())
    timeout:close()
  end))

  it("does nothing outside of run()", within(function(t)
    net.stop()
    timers.setTimeout(t.calls(1), 1)
    assert.is_false(t.run())
  end))

  it("leaves what is queued for the next run()", within(function(t)
    timers.setImmediate(function()
      net.stop()
      process.nextTick(t.log, "tick")
      timers.setImmediate(t.log, "later")
    end)
    timers.setImmediate(t.log, "immediate")
    while t.run() do t.log("stopped") end
    table.sort(t.lines)
    assert.same({ "immediate", "later", "stopped", "tick" }, t.lines)
  end))
end)

describe("an uncaught error", function()
  it("comes out of run() as that very value", within(function()
    local value = { "an error of the user's" }
    timers.setTimeout(error, 1, value)
    local ok, err = pcall(net.run)
    assert.is_false(ok)
    assert.equal(value, err)
  end))

  it("may be nil", within(function()
    timers.setTimeout(error, 1, nil)
    assert.same({ n = 2, false, nil }, table.pack(pcall(net.run)))
    assert.is_false(net.run())
  end))

  it("has its traceback in net.traceback", within(function()
    local function the_culprit() error("text") end
    timers.setTimeout(function() the_culprit() end, 1)
    local _, err = pcall(net.run)
    assert.matches("loop_spec.lua:%d+: text$", err)
    assert.matches("the_culprit", net.traceback(err))
    assert.is_nil(net.traceback("another"))
  end))

  it("has it there also when it is a table", within(function()
    local value = {}
    local function the_culprit() error(value) end
    process.nextTick(function() the_culprit() end)
    assert.has_error(net.run)
    assert.matches("the_culprit", net.traceback(value))
  end))

  it("of this library has it in its field 'stack' too", within(function()
    local function the_culprit() timers.setTimeout("no function") end
    process.nextTick(function() the_culprit() end)
    local _, err = pcall(net.run)
    assert.equal("ERR_INVALID_ARG_TYPE", err.code)
    assert.matches("the_culprit", err.stack)
  end))

  it("does not keep its table alive", within(function()
    local kept = setmetatable({ {} }, { __mode = "v" })
    process.nextTick(function() error(kept[1]) end)
    pcall(net.run)
    collectgarbage()
    assert.is_nil(kept[1])
  end))

  it("loses nothing that was queued: the next run() goes on", within(function(t)
    process.nextTick(error, "tick")
    process.nextTick(t.log, "second tick")
    timers.setTimeout(error, 1, "timer")
    timers.setTimeout(t.log, 1, "second timer")
    timers.setImmediate(error, "immediate")
    timers.setImmediate(t.log, "second immediate")
    local errors = {}
    repeat
      local ok, err = pcall(net.run)
      errors[#errors + 1] = not ok and err or nil
    until ok
    table.sort(errors)
    assert.same({ "immediate", "tick", "timer" }, errors)
    table.sort(t.lines)
    assert.same({ "second immediate", "second tick", "second timer" }, t.lines)
  end))

  for when, wait in pairs { ["as the loop begins"] = 3, ["behind a poll"] = 0 } do
    it(("in a timer's tick, %s, has the poll come before timers that are due meanwhile"):format(when),
      within(function(t)
        local function pass(ms)
          local over = core.now() + ms
          repeat until core.now() >= over
        end
        timers.setTimeout(function()
          process.nextTick(error, "tick", 0)
          timers.setImmediate(t.log, "immediate")
          timers.setTimeout(t.log, 1, "timer")
        end, 1)
        pass(wait)
        assert.has_error(net.run, "tick")
        pass(3)
        t.run()
        assert.same({ "immediate", "timer" }, t.lines)
      end))
  end

  it("does not end an interval", within(function(t)
    local interval
    interval = timers.setInterval(t.calls(2, function()
      if t.lines[1] then
        interval:close()
      end
      t.log("called")
      error("each time", 0)
    end), 1)
    assert.has_error(net.run, "each time")
    assert.has_error(net.run, "each time")
  end))

  it("in a tick of an error's turn comes out of the run() after", within(function()
    timers.setTimeout(function()
      process.nextTick(error, "second", 0)
      error("first", 0)
    end, 1)
    assert.has_error(net.run, "first")
    assert.has_error(net.run, "second")
  end))

  it("comes out of a run() in a coroutine, which can be called again elsewhere", within(function(t)
    timers.setTimeout(error, 1, "in a coroutine")
    timers.setTimeout(t.calls(1), 2)
    local co = coroutine.create(net.run)
    assert.same({ false, "in a coroutine" }, { coroutine.resume(co) })
    t.run()
  end))

  it("survives a stack overflow", within(function(t)
    local function deeper() return 1 + deeper() end
    timers.setTimeout(deeper, 1)
    timers.setTimeout(t.calls(1), 2)
    local ok, err = pcall(net.run)
    assert.is_false(ok)
    assert.matches("stack overflow", err)
    t.run()
  end))
end)

describe("the core", function()
  it("is the same one when it is required anew", function()
    package.loaded["net.core"] = nil
    assert.equal(core, require("net.core"))
  end)

  it("does not take fields or methods for another kind of object", function()
    local meta = core.EventEmitter.metatable
    for _, value in ipairs({ 5, "text", io.stdout, {} }) do
      pcall(meta.__index, value, "on")
      pcall(meta.__newindex, value, "field", 1)
      assert.is_false((pcall(core.EventEmitter.methods.on, value == io.stdout and value or 5, "x", print)))
    end
  end)
end)

--- Lua allows some 200 calls within calls of C. With hardly one left, net.run() cannot
--- even begin to call what waits.
describe("net.run() amid as many calls as Lua allows", function()
  it("comes back at any depth; what it could not run, it raises or runs later", within(function(t)
    local ran, raised = 0, 0
    local function dive(depth)
      if depth > 0 then
        return string.gsub("x", "x", function() dive(depth - 1) end)
      end
      local ok = pcall(net.run, "nowait")
      raised = raised + (ok and 0 or 1)
    end
    for depth = 150, 200 do
      process.nextTick(function() ran = ran + 1 end)
      pcall(dive, depth)
    end
    t.run()
    assert.is_true(raised > 0)
    assert.is_true(ran <= 51 and ran >= 51 - raised, ran .. " of 51, raised " .. raised)
  end))
end)
