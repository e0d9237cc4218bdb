-- SPDX-License-Identifier: MIT

local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local within = require("spec.support").within

describe("process.nextTick", function()
  it("calls back first thing in run(), in order of queueing", within(function(t)
    process.nextTick(t.log, "one")
    process.nextTick(t.log, "two")
    t.log("main")
    t.run()
    assert.same({ "main", "one", "two" }, t.lines)
  end))

  it("drains what ticks queue before anything else runs", within(function(t)
    timers.setImmediate(t.log, "immediate")
    process.nextTick(function()
      t.log("tick")
      process.nextTick(function()
        t.log("tick of tick")
        process.nextTick(t.log, "and its tick")
      end)
    end)
    t.run()
    assert.same({ "tick", "tick of tick", "and its tick", "immediate" }, t.lines)
  end))

  it("runs after each callback, not after all of a phase", within(function(t)
    for i = 1, 3 do
      timers.setTimeout(function()
        t.log("timer", i)
        process.nextTick(t.log, "tick", i)
      end, 1)
    end
    t.run()
    assert.same({ "timer 1", "tick 1", "timer 2", "tick 2", "timer 3", "tick 3" }, t.lines)
  end))

  it("passes arguments on, nils included", within(function(t)
    process.nextTick(t.calls(1, function(...)
      assert.same({ n = 4, nil, 1, false, nil }, table.pack(...))
    end), nil, 1, false, nil)
    t.run()
  end))

  it("passes on as many as a call can have", within(function(t)
    local many = {}
    for i = 1, 200 do many[i] = i end
    process.nextTick(t.calls(1, function(...)
      assert.equal(200, select("#", ...))
      assert.equal(200, (select(200, ...)))
    end), table.unpack(many))
    t.run()
  end))

  it("refuses more than there may ever be room for, and holds up no other", within(function(t)
    local many = {}
    for i = 1, 999900 do many[i] = i end
    local ok, err = coroutine.wrap(function() -- on a stack that has nothing else
      return pcall(process.nextTick, print, table.unpack(many))
    end)()
    assert.is_false(ok)
    assert.matches("too many arguments", err)
    process.nextTick(t.calls(1, function(...) assert.equal(60000, select("#", ...)) end),
      table.unpack(many, 1, 60000))
    t.run()
  end))

  it("does not hold the loop, and needs none", within(function(t)
    process.nextTick(t.calls(1))
    assert.is_false(net.run("nowait"))
  end))

  it("raises for a callback that is none", function()
    for _, bad in ipairs({ 5, "text", {}, true }) do
      local ok, err = pcall(process.nextTick, bad)
      assert.is_false(ok)
      assert.equal("ERR_INVALID_ARG_TYPE", err.code)
      assert.matches('^The "callback" argument must be of type function%. Received ', err.message)
    end
    assert.is_false((pcall(process.nextTick)))
  end)

  it("goes on behind an error with the next run()", within(function(t)
    process.nextTick(error, "stop")
    process.nextTick(t.log, "after")
    assert.has_error(net.run, "stop")
    assert.same({}, t.lines)
    t.run()
    assert.same({ "after" }, t.lines)
  end))

  it("keeps its arguments from the collector, and frees them afterwards", within(function(t)
    local kept = setmetatable({}, { __mode = "v" })
    do
      local value = {}
      kept[1] = value
      process.nextTick(function(got)
        assert.is_table(got)
      end, value)
    end
    collectgarbage()
    assert.is_table(kept[1])
    t.run()
    collectgarbage()
    assert.is_nil(kept[1])
  end))

  it("takes a long queue without growing for ever", within(function(t)
    local left = 20000
    local function again()
      left = left - 1
      if left > 0 then
        process.nextTick(again)
      end
    end
    process.nextTick(again)
    process.nextTick(t.calls(1))
    t.run()
    assert.equal(0, left)
  end))
end)

describe("setImmediate", function()
  it("runs in its turn; one that another queues waits for the next", within(function(t)
    timers.setImmediate(function()
      t.log("first")
      timers.setImmediate(t.log, "of the first")
    end)
    timers.setImmediate(t.log, "second")
    t.run()
    assert.same({ "first", "second", "of the first" }, t.lines)
  end))

  it("passes arguments on, nils included", within(function(t)
    timers.setImmediate(t.calls(1, function(...)
      assert.same({ n = 3, nil, "x", nil }, table.pack(...))
    end), nil, "x", nil)
    t.run()
  end))

  it("can be cleared, from the one before it too", within(function(t)
    local cleared = timers.setImmediate(t.never())
    timers.clearImmediate(cleared)
    local second
    timers.setImmediate(t.calls(1, function() timers.clearImmediate(second) end))
    second = timers.setImmediate(t.never())
    t.run()
  end))

  it("holds the loop until it has run, unless unref'd", within(function(t)
    local immediate = timers.setImmediate(t.calls(1))
    assert.is_true(immediate:hasRef())
    assert.is_false(immediate:unref():hasRef())
    assert.is_true(immediate:ref():hasRef())
    t.run()
    assert.is_false(immediate:hasRef())
    immediate:ref()

    local loose = timers.setImmediate(t.never()):unref()
    assert.is_false(t.run())
    timers.clearImmediate(loose)
  end))

  it("goes on behind an error with the next run()", within(function(t)
    timers.setImmediate(error, "stop")
    timers.setImmediate(t.calls(1))
    assert.has_error(net.run, "stop")
    t.run()
  end))

  it("is cleared where its variable ends", within(function(t)
    do
      local immediate <close> = timers.setImmediate(t.never())
      assert.is_true(immediate:hasRef())
    end
    t.run()
  end))

  it("raises for a callback that is none", function()
    local ok, err = pcall(timers.setImmediate, 5)
    assert.is_false(ok)
    assert.equal('The "callback" argument must be of type function. Received type number (5)',
      err.message)
  end)

  it("ignores the clearing of what is no immediate", within(function(t)
    timers.clearImmediate()
    timers.clearImmediate({})
    timers.clearImmediate(timers.setTimeout(t.calls(1), 1))
    t.run()
  end))
end)
