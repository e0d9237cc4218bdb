-- SPDX-License-Identifier: MIT

local co = require("net.co")
local net = require("net")
local support = require("spec.support.tasks")
local timers = require("net.timers")
local within = require("spec.support").within

local forever, raised, warnings = support.forever, support.raised, support.warnings

--- Runs `fn` as a task that has begun to wait, beside one that goes on with `then_do(task)`.
local function beside(fn, then_do)
  return co.run(function()
    local task = co.spawn(fn)
    co.yield()
    then_do(task)
    return task
  end)
end

describe("task:cancel()", function()
  it("of a task that has not begun: it never runs", within(function(t)
    local task = co.spawn(t.never())
    assert.is_true(task:cancel())
    assert.equal("cancelled", task.status)
    t.run()
    assert.is_false(task:cancel())
  end))

  it("raises in the wait, and what is to be closed is, newest first", within(function(t)
    local task = beside(function()
      local _ <close> = support.closable(t, "first")
      local _ <close> = setmetatable({}, {
        __close = function(_, err) t.log("second", err.code, err.cause) end,
      })
      forever()
    end, function(task) assert.is_true(task:cancel("why")) end)
    assert.equal("cancelled", task.status)
    assert.same({ "second ABORT_ERR why", "closed first" }, t.lines)
  end))

  it("as an error and a timeout do, closes variables with what ends their block", within(function(t)
    local function block(stop)
      local _ <close> = support.closable(t, "first")
      local _ <close> = setmetatable({}, { __close = function(_, err)
        if support.CLOSE_WAITS then
          co.shield(co.sleep, 1)
        end
        t.log("last", type(err) == "table" and err.code or err)
      end })
      stop()
    end
    co.run(function()
      assert.equal("mistake", raised(block, function() error("mistake", 0) end))
      co.timeout(1, block, forever)
      local task = co.spawn(block, forever)
      co.yield()
      task:cancel()
      task:await()
    end)
    assert.same({ "last mistake", "closed first", "last ERR_TIMEOUT", "closed first",
      "last ABORT_ERR", "closed first" }, t.lines)
  end))

  it("never waits, and resumes nobody at once", within(function(t)
    beside(function()
      pcall(forever)
      t.log("interrupted")
    end, function(task)
      task:cancel()
      t.log("cancel returned")
    end)
    assert.same({ "cancel returned", "interrupted" }, t.lines)
  end))

  it("of itself raises at the next wait, and not in between", within(function(t)
    co.run(function()
      local own = co.current()
      assert.is_true(own:cancel())
      assert.is_true(co.cancelled())
      t.log(own.status)
      co.suspend(function(resume)
        t.never()
        resume()
      end)
    end)
    assert.same({ "running" }, t.lines)
  end))

  it("keeps its first reason, and is no news the second time", within(function()
    beside(function()
      local err = raised(forever)
      assert.equal("one", err.cause)
    end, function(task)
      task:cancel("one")
      task:cancel("two")
    end)
  end))

  it("ends as cancelled whatever the function returns then", within(function()
    local task = beside(function()
      pcall(forever)
      return 1
    end, function(task) task:cancel() end)
    assert.equal("cancelled", task.status)
  end))

  it("ends as done when no wait was interrupted", within(function(t)
    local task = co.spawn(function()
      co.current():cancel()
      return 1
    end)
    t.run()
    assert.equal("done", task.status)
  end))

  it("ends as failed with another error of the function's", within(function(t)
    local task
    assert.equal("other", raised(function()
      co.run(function()
        task = co.spawn(function()
          pcall(forever)
          error("other", 0)
        end)
        co.yield()
        task:cancel()
        co.sleep(1)
      end)
    end))
    assert.equal("failed", task.status)
    t.run()
  end))

  it("gives a sleep that is over, or an event, to the one who waits first", within(function(t)
    local emitter = require("net.events").EventEmitter()
    co.run(function()
      local sleeper = co.spawn(function()
        t.log("slept", co.sleep(1))
        t.log(raised(co.sleep, 60000).code)
      end)
      local listener = co.spawn(function()
        t.log(co.await(emitter, "x"))
        t.log(raised(co.sleep, 60000).code)
      end)
      co.yield()
      emitter:on("x", function() listener:cancel() end)
      emitter:emit("x")
      timers.setTimeout(function() sleeper:cancel() end, 1)
    end)
    table.sort(t.lines)
    assert.equal("x", t.lines[#t.lines])
  end))

  it("keeps raising, each time a turn later", within(function(t)
    local turns = 0
    local function count()
      turns = turns + 1
      t.timer = timers.setImmediate(count)
    end
    beside(function()
      for _ = 1, 10 do
        assert.equal("ABORT_ERR", raised(forever).code)
      end
      timers.clearImmediate(t.timer)
    end, function(task)
      task:cancel()
      count()
    end)
    assert.is_true(turns >= 9)
  end))

  it("lets a call go through that has nothing to wait for", within(function()
    beside(function()
      pcall(forever)
      local queue = co.queue()
      assert.is_true(queue:put(1))
      assert.equal(1, queue:get())
    end, function(task) task:cancel() end)
  end))

  it("closes a task that catches it for ever, which then is cancelled", within(function(t)
    local list, waits = warnings(t), 0
    local task = beside(function()
      local _ <close> = setmetatable({}, {
        __close = function(_, err)
          t.log("closed", err)
          t.log(raised(co.sleep, 1).code)
          error("while closing", 0)
        end,
      })
      while true do
        waits = waits + 1
        pcall(forever)
      end
    end, function(task) task:cancel() end)
    t.run()
    assert.equal("cancelled", task.status)
    assert.equal(100, waits)
    assert.same({ "closed nil", "ERR_CANNOT_WAIT" }, t.lines)
    assert.equal(1, #list)
    assert.truthy(list[1].message:find("while closing", 1, true))
  end))
end)

describe("co.timeout", function()
  it("returns what the function does in time", within(function()
    co.run(function()
      assert.same({ n = 3, 1, nil, 3 }, table.pack(co.timeout(1000, function(...) return ... end, 1, nil, 3)))
      assert.same({ n = 0 }, table.pack(co.timeout(1000, function() end)))
      assert.is_true(co.timeout(math.huge, co.sleep, 1))
    end)
  end))

  it("returns nil and a TimeoutError, late", within(function()
    co.run(function()
      local value, err = co.timeout(1, forever)
      assert.is_nil(value)
      assert.same({ "TimeoutError", "ERR_TIMEOUT" }, { err.name, err.code })
    end)
  end))

  it("returns them always once it has interrupted, and what came after that behind", within(function()
    co.run(function()
      local value, err, extra = co.timeout(1, function()
        pcall(forever)
        return 1
      end)
      assert.is_nil(value)
      assert.equal("ERR_TIMEOUT", err.code)
      assert.equal(1, extra)
    end)
  end))

  it("raises another error of the function's", within(function()
    co.run(function()
      local own = {}
      assert.equal(own, raised(co.timeout, 1, function()
        pcall(forever)
        error(own)
      end))
      assert.equal(own, raised(co.timeout, 1000, error, own))
    end)
  end))

  it("does nothing to what never waits", within(function()
    co.run(function()
      local start = os.clock()
      assert.equal("done", co.timeout(1, function()
        repeat until os.clock() - start > 0.01
        return "done"
      end))
    end)
  end))

  it("knows its own error among nested ones", within(function()
    co.run(function()
      -- the inner is due first
      local value, err = co.timeout(1000, co.timeout, 1, forever)
      assert.is_nil(value)
      assert.equal("ERR_TIMEOUT", err.code)
      -- the outer is due first: it passes the inner as an error
      local reached
      value, err = co.timeout(1, function()
        local ok, inner = pcall(co.timeout, 1000, forever)
        reached = { ok, inner }
        error(inner, 0)
      end)
      assert.is_nil(value)
      assert.same({ false, err }, reached)
      assert.equal(err, reached[2])
    end)
  end))

  it("of two that are due at once is the outer one's", within(function()
    co.run(function()
      local inner_returned = false
      local _, err = co.timeout(2, function()
        local _, inner = co.timeout(2, function()
          local start = os.clock()
          co.yield()
          repeat until os.clock() - start > 0.01
          forever()
        end)
        inner_returned = inner
      end)
      assert.equal("ERR_TIMEOUT", err.code)
      assert.is_false(inner_returned)
    end)
  end))

  it("lets what has arrived in the same turn be in time", within(function(t)
    co.run(function()
      local queue = co.queue()
      timers.setTimeout(function()
        local start = os.clock()
        repeat until os.clock() - start > 0.02
        timers.setImmediate(function() queue:push("data") end)
      end, 1)
      t.log(co.timeout(5, queue.get, queue))
    end)
    assert.same({ "data" }, t.lines)
  end))

  it("fails a task that catches it for ever", within(function(t)
    local task = co.spawn(co.timeout, 1, function()
      while true do pcall(forever) end
    end)
    local err = raised(t.run)
    assert.equal("ERR_CANCEL_IGNORED", err.code)
    assert.truthy(net.traceback(err):find("task_scope_spec.lua", 1, true))
    assert.equal("failed", task.status)
  end))

  it("refuses what is no time, and works in tasks alone", within(function()
    co.run(function()
      assert.equal("ERR_OUT_OF_RANGE", raised(co.timeout, -1, forever).code)
      assert.equal("ERR_OUT_OF_RANGE", raised(co.timeout, 0 / 0, forever).code)
      assert.equal("ERR_INVALID_ARG_TYPE", raised(co.timeout, "1", forever).code)
      assert.equal("ERR_TIMEOUT", select(2, co.timeout(0, forever)).code)
    end)
    assert.equal("ERR_CANNOT_WAIT", raised(co.timeout, 1, forever).code)
  end))

  it("holds the loop while it runs, and leaves nothing behind", within(function(t)
    local task = co.spawn(co.timeout, 5, forever)
    t.run()
    assert.equal("done", task.status)
    for _ = 1, 3 do
      co.run(co.timeout, 100000, co.yield)
    end
  end))
end)

describe("co.shield", function()
  it("without a function raises, and shields nothing from then on", within(function()
    co.run(function()
      local task = co.spawn(function()
        raised(co.shield)
        forever()
      end)
      co.yield()
      task:cancel()
      task:await()
      assert.equal("cancelled", task.status)
    end)
  end))

  it("is not reached by a cancel, which counts after it", within(function(t)
    local task = beside(function()
      t.log(co.shield(function()
        co.sleep(2)
        return "whole"
      end))
      co.sleep(1)
      t.log("never")
    end, function(task) task:cancel() end)
    assert.equal("cancelled", task.status)
    assert.same({ "whole" }, t.lines)
  end))

  it("has timeouts inside that count", within(function(t)
    beside(function()
      co.shield(function()
        t.log(select(2, co.timeout(1, forever)).code)
      end)
    end, function(task) task:cancel() end)
    assert.same({ "ERR_TIMEOUT" }, t.lines)
  end))

  it("passes errors and values on", within(function()
    co.run(function()
      assert.equal("own", raised(co.shield, error, "own", 0))
      assert.same({ 1, 2 }, { co.shield(function(...) return ... end, 1, 2) })
    end)
  end))
end)

describe("co.pcall", function()
  it("lets a cancel pass, and catches an error", within(function(t)
    local task = beside(function()
      assert.same({ false, "own" }, { co.pcall(error, "own", 0) })
      assert.same({ true, 1, 2 }, { co.pcall(function() return 1, 2 end) })
      co.pcall(forever)
      t.log("never")
    end, function(task) task:cancel() end)
    assert.equal("cancelled", task.status)
    assert.same({}, t.lines)
  end))

  it("catches the error of a scope that is not around", within(function()
    co.run(function()
      local _, err = co.timeout(1, forever)
      assert.same({ false, err }, { co.pcall(error, err, 0) })
    end)
  end))

  it("is Lua's outside of tasks", within(function()
    assert.same({ false, "x" }, { co.pcall(error, "x", 0) })
  end))
end)

describe("co.generator", function()
  local function count(n)
    for i = 1, n do
      co.yield()
      coroutine.yield(i)
    end
  end

  it("gives what its body yields, which may wait", within(function(t)
    co.run(function()
      for i in co.generator(count, 3) do t.log(i) end
    end)
    assert.same({ "1", "2", "3" }, t.lines)
  end))

  it("nests", within(function(t)
    local function doubled(n)
      for i in co.generator(count, n) do
        co.sleep(1)
        coroutine.yield(i * 2)
      end
    end
    co.run(function()
      for i in co.generator(function() for j in co.generator(doubled, 3) do coroutine.yield(j) end end) do
        t.log(i)
      end
    end)
    assert.same({ "2", "4", "6" }, t.lines)
  end))

  it("is closed by break, and its variables with it, which cannot wait", within(function(t)
    co.run(function()
      for _ in co.generator(function() -- luacheck: ignore 512
        local _ <close> = setmetatable({}, {
          __close = function() t.log("closed", raised(co.sleep, 1).code) end,
        })
        count(10)
      end) do
        break
      end
    end)
    assert.same({ "closed ERR_CANNOT_WAIT" }, t.lines)
  end))

  it("raises the error of its body with its traceback", within(function()
    local err = raised(co.run, function()
      for _ in co.generator(function()
        local function culprit() error({ own = true }) end
        co.yield()
        culprit()
        return true
      end) do end
    end)
    assert.is_true(err.own)
    assert.truthy(net.traceback(err):find("culprit", 1, true))
  end))

  it("is interrupted inside, and closes what is there", within(function(t)
    local task = beside(function()
      for _ in co.generator(function()
        local _ <close> = support.closable(t, "inner")
        forever()
      end) do end
    end, function(task)
      t.log(task.status, task.waiting)
      task:cancel()
    end)
    assert.equal("cancelled", task.status)
    assert.same({ "waiting suspend", "closed inner" }, t.lines)
  end))

  it("has scopes of its own, which count while its body runs", within(function(t)
    co.run(function()
      local step = co.generator(function()
        t.log(select(2, co.timeout(1, function()
          coroutine.yield("first")
          co.sleep(1000)
        end)).code)
        coroutine.yield("second")
      end)
      t.log(step())
      co.sleep(5) -- its time is over; here nobody is interrupted
      t.log(step())
    end)
    assert.same({ "first", "ERR_TIMEOUT", "second" }, t.lines)
  end))

  it("cannot wait below what cannot yield, nor outside of tasks", within(function()
    co.run(function()
      local err = raised(table.sort, { 2, 1 }, co.generator(count, 1))
      assert.equal("ERR_CANNOT_WAIT", err.code)
    end)
    assert.equal("ERR_CANNOT_WAIT", raised(co.generator(count, 1)).code)
    local plain = co.generator(function(n) coroutine.yield(n) end, 5)
    assert.equal(5, plain())
  end))

  it("is called by one at a time, and not after its end", within(function(t)
    co.run(function()
      local go_on
      local step = co.generator(function()
        co.suspend(function(resume) go_on = resume end)
        coroutine.yield(1)
      end)
      local caller = co.spawn(function() t.log(step()) end)
      co.yield()
      assert.truthy(raised(step):find("non-suspended", 1, true))
      go_on()
      caller:await()
      assert.is_nil(step())
      assert.truthy(raised(step):find("dead", 1, true))
      assert.equal("ERR_INVALID_ARG_TYPE", raised(co.generator, 1).code)
    end)
    assert.same({ "1" }, t.lines)
  end))

  it("is closed with a task that catches its cancel for ever", within(function(t)
    local task = beside(function()
      for _ in co.generator(function()
        local _ <close> = support.closable(t, "inner")
        while true do pcall(forever) end
      end) do end
    end, function(task) task:cancel() end)
    t.run()
    assert.equal("cancelled", task.status)
    assert.same({ "closed inner" }, t.lines)
  end))

  it("leaves no timer when it is forgotten in a timeout", within(function()
    co.run(function()
      local step = co.generator(function()
        co.timeout(100000, coroutine.yield, 1)
      end)
      assert.equal(1, step())
    end)
    collectgarbage()
    collectgarbage()
  end))
end)
