-- SPDX-License-Identifier: MIT

local core = require("net.core")
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local within = require("spec.support").within

--- Keeps the loop from seeing the clock for that many milliseconds.
local function be_busy(ms)
  local stop = os.clock() + ms / 1000
  repeat until os.clock() > stop
end

describe("setTimeout", function()
  it("calls back once, with its arguments", within(function(t)
    timers.setTimeout(t.calls(1, function(...)
      assert.same({ n = 3, 1, nil, "x" }, { n = select("#", ...), ... })
    end), 1, 1, nil, "x")
    t.run()
  end))

  it("orders by due time, and equal ones by starting", within(function(t)
    timers.setTimeout(t.log, 40, "c")
    timers.setTimeout(t.log, 20, "b")
    timers.setTimeout(t.log, 1, "a1")
    timers.setTimeout(t.log, 1, "a2")
    t.run()
    assert.same({ "a1", "a2", "b", "c" }, t.lines)
  end))

  it("keeps that order for many", within(function(t)
    local last = 0
    for i = 1, 40 do
      timers.setTimeout(function()
        assert.is_true(i % 4 >= last)
        last = i % 4
      end, (i % 4) * 100 + 1)
    end
    t.run()
    assert.equal(3, last)
  end))

  it("counts from the call, however long the callback took until then", within(function(t)
    timers.setTimeout(function()
      be_busy(30)
      timers.setTimeout(t.log, 20, "twenty")
      timers.setTimeout(t.log, 1, "one")
    end, 1)
    timers.setTimeout(t.log, 15, "overdue")
    t.run()
    assert.same({ "overdue", "one", "twenty" }, t.lines)
  end))

  it("lets a timer that a callback starts wait for the next turn", within(function(t)
    timers.setTimeout(function()
      timers.setTimeout(t.log, 1, "timer")
      timers.setImmediate(t.log, "immediate")
      be_busy(5)
    end, 1)
    t.run()
    assert.same({ "immediate", "timer" }, t.lines)
  end))

  it("takes what makes no sense for 1, with Node's warning", within(function(t)
    process.noWarnings = true
    t.finally(function() process.noWarnings = false end)
    local seen = {}
    local function listener(warning) seen[#seen + 1] = tostring(warning) end
    process:on("warning", listener)
    t.finally(function() process:off("warning", listener) end)
    timers.setTimeout(t.calls(1), 2147483648)
    timers.setTimeout(t.calls(1), math.huge)
    for _, ms in ipairs({ 0, -1, 0 / 0, "text", {}, true, 0.5 }) do
      timers.setTimeout(t.calls(1), ms)
    end
    timers.setTimeout(t.calls(1))
    t.run()
    assert.equal("TimeoutOverflowWarning: 2147483648 does not fit into a 32-bit signed integer.\n"
      .. "Timeout duration was set to 1.", seen[1])
    assert.equal("TimeoutOverflowWarning: Infinity does not fit into a 32-bit signed integer.\n"
      .. "Timeout duration was set to 1.", seen[2])
    for i = 3, #seen do -- these two come once in a process
      assert.matches("^TimeoutN[egativ]*[aN]*Warning: ", seen[i])
    end
  end))

  it("reads a string as JavaScript does, and drops a fraction", within(function(t)
    timers.setTimeout(t.log, " 3e1 ", "30")
    timers.setTimeout(t.log, 1.9, "1")
    t.run()
    assert.same({ "1", "30" }, t.lines)
  end))

  it("raises for a callback that is none", function()
    for _, bad in ipairs({ 5, "x", {} }) do
      assert.is_false((pcall(timers.setTimeout, bad, 1)))
      assert.is_false((pcall(timers.setInterval, bad, 1)))
    end
    local ok, err = pcall(timers.setTimeout)
    assert.is_false(ok)
    assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "callback" argument must be of type '
      .. "function. Received nil", tostring(err))
  end)
end)

describe("a Timeout", function()
  it("never fires once cleared", within(function(t)
    local timeout = timers.setTimeout(t.never(), 1)
    timers.clearTimeout(timeout)
    timers.clearTimeout(timeout)
    assert.equal(timeout, timeout:close())
    timers.clearInterval(timers.setTimeout(t.never(), 1))
    t.run()
  end))

  it("can be cleared by one that is due at the same time", within(function(t)
    local second
    timers.setTimeout(t.calls(1, function() timers.clearTimeout(second) end), 1)
    second = timers.setTimeout(t.never(), 1)
    t.run()
  end))

  it("holds the loop while it runs, unless unref'd", within(function(t)
    local timeout = timers.setTimeout(t.never(), 1)
    assert.is_true(timeout:hasRef())
    assert.equal(timeout, timeout:unref())
    assert.is_false(timeout:hasRef())
    assert.is_false(t.run())
    timeout:ref()
    timeout:close()
  end))

  it("that is unref'd still fires while something else holds the loop", within(function(t)
    timers.setTimeout(t.calls(1), 1):unref()
    timers.setTimeout(t.calls(1), 20)
    t.run()
  end))

  it("keeps what was asked of ref() and unref() when it has fired", within(function(t)
    local one = timers.setTimeout(t.calls(1), 1)
    local two = timers.setTimeout(t.calls(1), 1):unref()
    timers.setTimeout(t.calls(1, function()
      assert.is_true(one:hasRef())
      assert.is_false(two:hasRef())
      local before = core.alive()
      two:refresh() -- does not hold the loop
      assert.equal(before, core.alive())
      one:refresh() -- does again
      assert.equal(before + 1, core.alive())
      one:close()
      two:close()
    end), 10)
    t.run()
  end))

  it("starts anew with refresh(), before and after it has fired", within(function(t)
    local early = timers.setTimeout(t.log, 20, "refreshed")
    timers.setTimeout(function() early:refresh() end, 10)
    timers.setTimeout(t.log, 25, "between")
    t.run()
    assert.same({ "between", "refreshed" }, t.lines)
    assert.equal(early, early:refresh())
    t.run()
    assert.same({ "between", "refreshed", "refreshed" }, t.lines)
  end))

  it("can refresh itself in its own callback", within(function(t)
    local timeout, left = nil, 3
    timeout = timers.setTimeout(t.calls(3, function()
      left = left - 1
      if left > 0 then
        timeout:refresh()
      end
    end), 1)
    t.run()
  end))

  it("cannot be refreshed once cleared, fired or not", within(function(t)
    timers.setTimeout(t.never(), 1):close():refresh()
    local fired = timers.setTimeout(t.calls(1), 1)
    t.run()
    fired:close():refresh()
    t.run()
  end))

  it("is cleared where its variable ends", within(function(t)
    do
      local timeout <close> = timers.setTimeout(t.never(), 1)
      assert.is_true(timeout:hasRef())
    end
    t.run()
  end))

  it("is kept from the collector while it runs, and free afterwards", within(function(t)
    local kept = setmetatable({}, { __mode = "v" })
    kept.timeout = timers.setTimeout(t.calls(1), 1, {})
    collectgarbage()
    assert.is_userdata(kept.timeout)
    t.run()
    collectgarbage()
    assert.is_nil(kept.timeout)
    kept.timeout = timers.setTimeout(t.never(), 1)
    timers.clearTimeout(kept.timeout)
    collectgarbage()
    assert.is_nil(kept.timeout)
  end))

  it("may be collected in its own callback", within(function(t)
    timers.setTimeout(t.calls(1, function() collectgarbage() end), 1)
    local interval
    interval = timers.setInterval(t.calls(1, function()
      timers.clearInterval(interval)
      interval = nil
      collectgarbage()
      collectgarbage()
    end), 1)
    t.run()
  end))

  it("has fields of the user's own, and no others", within(function()
    local timeout = timers.setTimeout(print, 1):close()
    timeout.user = "ann"
    assert.equal("ann", timeout.user)
    assert.is_nil(timeout.unknown)
    local ok, err = pcall(timeout.ref, {})
    assert.is_false(ok)
    assert.equal('TypeError [ERR_INVALID_THIS]: Value of "this" must be of type Timeout', tostring(err))
  end))
end)

describe("setInterval", function()
  it("calls back until it is cleared, also from inside", within(function(t)
    local interval, left = nil, 3
    interval = timers.setInterval(t.calls(3, function(x)
      assert.equal("x", x)
      left = left - 1
      if left == 0 then
        timers.clearTimeout(interval)
      end
    end), 1, "x")
    t.run()
  end))

  it("counts from the start of the callback", within(function(t)
    local interval
    local calls = 0
    interval = timers.setInterval(function()
      calls = calls + 1
      t.log("interval")
      if calls == 2 then
        interval:close()
        return
      end
      timers.setTimeout(t.log, 60, "later")
      be_busy(40)
    end, 50)
    t.run()
    assert.same({ "interval", "interval", "later" }, t.lines)
  end))

  it("comes after the timers that its callback has started for the same time", within(function(t)
    -- The clock may move on between the two, so once in twenty has to be enough.
    local interval
    local calls, waiting, in_order = 0, false, 0
    interval = timers.setInterval(function()
      calls = calls + 1
      in_order = in_order + (not waiting and calls > 1 and 1 or 0)
      if calls == 20 then
        interval:close()
        return
      end
      waiting = true
      timers.setTimeout(function() waiting = false end, 5)
    end, 5)
    t.run()
    assert.is_true(in_order > 0)
  end))

  it("can be unref'd from inside, and then ends with the loop", within(function(t)
    local interval
    interval = timers.setInterval(t.calls(1, function() interval:unref() end), 1)
    assert.is_false(t.run())
    interval:close()
  end))

  it("goes on after an error", within(function(t)
    local interval
    interval = timers.setInterval(t.calls(2, function()
      if interval.failed then
        interval:close()
      else
        interval.failed = true
        error("once", 0)
      end
    end), 1)
    assert.has_error(net.run, "once")
    t.run()
  end))
end)

describe("clearTimeout", function()
  it("ignores what is no Timeout", within(function(t)
    timers.clearTimeout()
    timers.clearTimeout({})
    timers.clearTimeout("x")
    timers.clearTimeout(io.stdout)
    timers.clearTimeout(timers.setImmediate(t.calls(1)))
    t.run()
  end))
end)
