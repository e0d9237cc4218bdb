-- SPDX-License-Identifier: MIT

local co = require("net.co")
local support = require("spec.support.tasks")
local timers = require("net.timers")
local within = require("spec.support").within

local closable, forever, raised = support.closable, support.forever, support.raised
local warnings = support.warnings

local function fail(err)
  co.yield()
  error(err, 0)
end

describe("co.group", function()
  it("waits for a child that is started just after the last has ended", within(function()
    co.run(function()
      local late
      co.group(function(group)
        group:spawn(function() end)
        co.spawn(function()
          late = group:spawn(function() co.sleep(1) end)
        end)
      end)
      assert.equal("done", late.status)
    end)
  end))

  it("returns the function's values when all children have ended", within(function(t)
    co.run(function()
      t.log(co.group(function(g)
        for i = 1, 3 do
          g:spawn(function()
            co.sleep(i)
            t.log("child", i)
          end)
        end
        return "values", 2
      end))
    end)
    assert.same({ "child 1", "child 2", "child 3", "values 2" }, t.lines)
  end))

  it("raises the first error of a child as it is, when the others have ended", within(function(t)
    co.run(function()
      local first = { code = "OWN" }
      assert.equal(first, raised(co.group, function(g)
        g:spawn(function()
          pcall(forever)
          co.shield(co.sleep, 1)
          t.log("cleaned up")
        end)
        g:spawn(fail, first)
        t.log("fn", raised(forever).code)
      end))
      t.log("raised")
    end)
    assert.same({ "fn ABORT_ERR", "cleaned up", "raised" }, t.lines)
  end))

  it("tells of further errors by warnings", within(function(t)
    local list = warnings(t)
    co.run(function()
      assert.equal("one", raised(co.group, function(g)
        g:spawn(fail, "one")
        g:spawn(function()
          pcall(forever)
          error("two", 0)
        end)
      end))
    end)
    t.run()
    assert.equal(1, #list)
    assert.truthy(list[1].message:find("two", 1, true))
  end))

  it("raises the function's own error, and cancels the children", within(function(t)
    co.run(function()
      assert.equal("own", raised(co.group, function(g)
        g:spawn(function()
          t.log(raised(forever).code)
        end)
        co.yield()
        error("own", 0)
      end))
    end)
    assert.same({ "ABORT_ERR" }, t.lines)
  end))

  it("leaves the error of a child to who awaits it", within(function(t)
    co.run(function()
      t.log(co.group(function(g)
        local child = g:spawn(fail, "heard")
        return select(2, pcall(child.await, child))
      end))
    end)
    assert.same({ "heard" }, t.lines)
  end))

  it("is cancelled with its owner, and waits for the children", within(function(t)
    local child
    local owner = co.spawn(co.group, function(g)
      child = g:spawn(function()
        pcall(forever)
        co.shield(co.sleep, 1)
        t.log("child ends")
      end)
      forever()
    end)
    co.run(function()
      co.yield()
      owner:cancel()
      owner:await()
      t.log(child.status, owner.status)
    end)
    assert.same({ "child ends", "cancelled cancelled" }, t.lines)
  end))

  it("raises its first error though its owner is cancelled while the others end", within(function(t)
    local list, go = support.warnings(t), nil
    local owner = co.spawn(co.group, function(g)
      g:spawn(function()
        pcall(forever)
        co.shield(co.suspend, function(resume) go = resume end)
        t.log("child ends")
        error("second", 0)
      end)
      g:spawn(error, "first", 0)
      forever()
    end)
    co.run(function()
      repeat co.yield() until go
      owner:cancel()
      go()
      assert.equal("first", raised(owner.await, owner))
      assert.equal("failed", owner.status)
    end)
    assert.same({ "child ends" }, t.lines)
    assert.equal(1, #list)
    assert.truthy(list[1].message:find("second", 1, true))
  end))

  it("tells of an error that comes when its owner is cancelled, which ends cancelled", within(function(t)
    local list = support.warnings(t)
    local owner = co.spawn(co.group, function(g)
      g:spawn(function()
        pcall(forever)
        error("late", 0)
      end)
    end)
    co.run(function()
      for _ = 1, 2 do co.yield() end
      owner:cancel()
      owner:await()
      assert.equal("cancelled", owner.status)
    end)
    assert.equal(1, #list)
    assert.truthy(list[1].message:find("late", 1, true))
  end))

  it("cancels its children with the reason itself", within(function()
    local child
    co.run(function()
      co.group(function(g)
        child = g:spawn(forever)
        co.yield()
        g:cancel("why")
      end)
      assert.equal("why", select(2, child:await()).cause)
    end)
  end))

  it("is cancelled with its owner while it waits for children only", within(function()
    co.run(function()
      local owner = co.spawn(co.group, function(g) g:spawn(forever) end)
      co.yield()
      co.yield()
      owner:cancel()
      owner:await()
      assert.equal("cancelled", owner.status)
    end)
  end))

  it("returns nil and the error after g:cancel(), or the values of what was not interrupted", within(function()
    co.run(function()
      local value, err = co.group(function(g)
        timers.setImmediate(function() g:cancel("why") end)
        forever()
      end)
      assert.is_nil(value)
      assert.same({ "ABORT_ERR", "why" }, { err.code, err.cause })
      assert.equal("values", (co.group(function(g)
        g:spawn(forever)
        co.yield()
        g:cancel()
        return "values"
      end)))
    end)
  end))

  it("lets so many run at once", within(function()
    co.run(function()
      local running, most = 0, 0
      co.group({ limit = 3 }, function(g)
        for _ = 1, 10 do
          g:spawn(function()
            running = running + 1
            most = math.max(most, running)
            co.yield()
            running = running - 1
          end)
        end
      end)
      assert.same({ 0, 3 }, { running, most })
    end)
  end))

  it("goes on when one that waits for room is cancelled", within(function(t)
    co.run(function()
      co.group({ limit = 1 }, function(g)
        local queue = co.queue()
        g:spawn(queue.get, queue)
        local one = co.spawn(function() g:spawn(t.log, "one") end)
        local two = co.spawn(function() g:spawn(t.log, "two") end)
        co.yield()
        one:cancel()
        queue:push(1)
        two:await()
      end)
    end)
    assert.same({ "two" }, t.lines)
  end))

  it("with a limit takes no child where nobody may wait, also when there is room", within(function(t)
    co.run(function()
      co.group({ limit = 2 }, function(g)
        timers.setImmediate(t.calls(1, function()
          assert.equal("ERR_CANNOT_WAIT", raised(g.spawn, g, t.log).code)
        end))
        co.sleep(2)
      end)
    end)
    assert.same({}, t.lines)
  end))

  it("takes no child after its end", within(function()
    co.run(function()
      local kept
      co.group(function(g) kept = g end)
      assert.equal("ERR_GROUP_CLOSED", raised(kept.spawn, kept, forever).code)
      kept:cancel()
    end)
  end))

  it("refuses what is no function, and no limit", within(function()
    co.run(function()
      assert.equal("ERR_INVALID_ARG_TYPE", raised(co.group, 1).code)
      assert.equal("ERR_OUT_OF_RANGE", raised(co.group, { limit = 0 }, forever).code)
    end)
  end))

  it("is cancelled when the loop closes its task", within(function(t)
    local child
    local task = co.spawn(co.group, function(g)
      child = g:spawn(forever)
      while true do pcall(forever) end
    end)
    co.run(function()
      co.yield()
      task:cancel()
    end)
    t.run()
    assert.same({ "cancelled", "cancelled" }, { task.status, child.status })
  end))
end)

describe("co.all", function()
  it("gives each first value by its key", within(function()
    co.run(function()
      assert.same({}, co.all({}))
      assert.same({ 1, "two", key = "k" }, co.all({
        function() co.sleep(2) return 1 end,
        function() return "two", "ignored" end,
        key = co.spawn(function() return "k" end),
      }))
    end)
  end))

  it("begins them in the order 1 to #t", within(function(t)
    co.run(function()
      co.all({ function() t.log(1) end, function() t.log(2) end, x = function() t.log("x") end })
    end)
    assert.same({ "1", "2", "x" }, t.lines)
  end))

  it("is ended by the first failure, raised or returned", within(function(t)
    co.run(function()
      assert.equal("raised", raised(co.all, { forever, function() fail("raised") end }))
      local value, err = co.all({
        function()
          co.yield()
          return nil, "returned"
        end,
        function() t.log(raised(forever).code) end,
      })
      assert.same({ nil, "returned" }, { value, err })
    end)
    assert.same({ "ABORT_ERR" }, t.lines)
  end))

  it("fails with a task that is cancelled, and cancels none that it did not start", within(function()
    co.run(function()
      local other, gone = co.spawn(function() co.sleep(5) return "lives" end), co.spawn(forever)
      gone:cancel()
      local value, err = co.all({ other, gone })
      assert.is_nil(value)
      assert.equal("ABORT_ERR", err.code)
      assert.equal("lives", other:await())
    end)
  end))

  it("closes what it does not hand out", within(function(t)
    co.run(function()
      co.all({
        function() return closable(t, "one") end,
        function()
          co.yield()
          return nil, "fails"
        end,
      })
    end)
    assert.same({ "closed one" }, t.lines)
  end))

  it("refuses what is no table of functions", within(function()
    co.run(function()
      assert.equal("ERR_INVALID_ARG_TYPE", raised(co.all, 1).code)
      assert.equal("ERR_INVALID_ARG_TYPE", raised(co.all, { 1 }).code)
    end)
  end))

  it("is interrupted when its children have ended", within(function(t)
    local task = co.spawn(co.all, { function()
      pcall(forever)
      co.shield(co.sleep, 1)
      t.log("child")
    end })
    co.run(function()
      co.yield()
      co.yield()
      task:cancel()
      task:await()
      t.log(task.status)
    end)
    assert.same({ "child", "cancelled" }, t.lines)
  end))
end)

describe("co.any", function()
  it("gives the key and values of the first that does not fail", within(function(t)
    co.run(function()
      assert.same({ "good", 1, nil, 3 }, { co.any({
        bad = function() error("raised", 0) end,
        worse = function() return nil, "returned" end,
        good = function() co.yield() return 1, nil, 3 end,
        slow = forever,
      }) })
    end)
    t.run()
  end))

  it("gives all errors by key when all fail", within(function()
    co.run(function()
      local value, err = co.any({
        a = function() error("raised", 0) end,
        b = function() return nil, "returned" end,
        c = function() return nil, false end,
      })
      assert.is_nil(value)
      assert.equal("AggregateError", err.name)
      assert.same({ a = "raised", b = "returned", c = false }, err.errors)
      assert.equal("ERR_INVALID_ARG_VALUE", raised(co.any, {}).code)
    end)
  end))

  it("takes a nil without an error for a success", within(function()
    co.run(function()
      assert.same({ 1, nil }, { co.any({ function() return nil end }) })
    end)
  end))
end)

describe("co.race", function()
  it("gives the key and values of the first to end, or raises its error", within(function(t)
    local list = warnings(t)
    co.run(function()
      assert.same({ "fast", 1 }, { co.race({ fast = function() return 1 end, slow = forever }) })
      assert.equal("lost", raised(co.race, { forever, function() fail("lost") end }))
      assert.same({ 1, nil, "err" }, { co.race({ function() return nil, "err" end }) })
      assert.equal("ERR_INVALID_ARG_VALUE", raised(co.race, {}).code)
    end)
    t.run()
    assert.same({}, list)
  end))

  it("of two that have each got an item leaves the loser's where it was", within(function()
    co.run(function()
      local a, b = co.queue(), co.queue()
      timers.setImmediate(function()
        a:push("a")
        b:push("b")
      end)
      assert.same({ 1, "a" }, { co.race({
        function() return a:get() end,
        function() return b:get() end,
      }) })
      assert.same({ 0, 1 }, { #a, #b })
      assert.equal("b", b:get())
    end)
  end))

  it("closes what a loser returns, and tells of its error", within(function(t)
    local list = warnings(t)
    co.run(function()
      co.race({
        function() return "won" end,
        function()
          pcall(forever)
          return closable(t, "late")
        end,
        function()
          pcall(forever)
          error("loser", 0)
        end,
      })
    end)
    t.run()
    assert.same({ }, t.lines) -- neither had begun to wait: they never ran
    co.run(function()
      co.race({
        function() co.yield() return "won" end,
        function()
          pcall(forever)
          return closable(t, "late")
        end,
        function()
          pcall(forever)
          error("loser", 0)
        end,
      })
    end)
    t.run()
    assert.same({ "closed late" }, t.lines)
    assert.equal(1, #list)
    assert.truthy(list[1].message:find("loser", 1, true))
  end))
end)
