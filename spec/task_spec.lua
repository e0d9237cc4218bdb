-- SPDX-License-Identifier: MIT

local abort = require("net.abort")
local co = require("net.co")
local events = require("net.events")
local net = require("net")
local process = require("net.process")
local support = require("spec.support.tasks")
local timers = require("net.timers")
local within = require("spec.support").within

local forever, raised, warnings = support.forever, support.raised, support.warnings

--- The error that comes out of the loop.
local function uncaught(t)
  return raised(t.run)
end

describe("co.spawn", function()
  it("only queues: the spawner goes on, and tasks begin in their order", within(function(t)
    co.spawn(function()
      co.spawn(t.log, "second")
      co.spawn(t.log, "third")
      t.log("first")
    end)
    t.log("main")
    t.run()
    assert.same({ "main", "first", "second", "third" }, t.lines)
  end))

  it("hands on its arguments, nils included", within(function(t)
    co.spawn(t.calls(1, function(...)
      assert.same({ n = 4, nil, 1, false, nil }, table.pack(...))
    end), nil, 1, false, nil)
    t.run()
  end))

  it("raises for what is no function", within(function()
    assert.equal("ERR_INVALID_ARG_TYPE", raised(co.spawn, 1).code)
    assert.equal("ERR_INVALID_ARG_TYPE", raised(co.spawn).code)
  end))

  it("nests a thousand deep", within(function()
    local function nest(n)
      if n > 0 then
        return co.spawn(nest, n - 1):await()
      end
      return "bottom"
    end
    assert.equal("bottom", co.run(nest, 1000))
  end))

  it("runs a task when the callback that spawned it, and its ticks, are over", within(function(t)
    timers.setImmediate(function()
      co.spawn(t.log, "task")
      process.nextTick(t.log, "tick")
      t.log("callback")
    end)
    timers.setImmediate(t.log, "next callback")
    t.run()
    assert.same({ "callback", "tick", "task", "next callback" }, t.lines)
  end))
end)

describe("a wait", function()
  local function cannot(where, fn, ...)
    local err = raised(fn, ...)
    assert.equal("ERR_CANNOT_WAIT", err.code)
    assert.truthy(err.message:find(where, 1, true), err.message)
  end

  it("comes behind listeners and ticks of the same event", within(function(t)
    local emitter = events.EventEmitter()
    co.spawn(function()
      co.await(emitter, "x")
      t.log("task")
    end)
    timers.setTimeout(function()
      emitter:on("x", function()
        process.nextTick(t.log, "tick")
        t.log("listener")
      end)
      emitter:emit("x")
    end, 1)
    t.run()
    assert.same({ "listener", "tick", "task" }, t.lines)
  end))

  it("raises outside of a task, also with nothing to wait for", within(function()
    cannot("outside of a task", co.sleep, 1)
    cannot("outside of a task", co.suspend, function(resume) resume() end)
    cannot("outside of a task", co.timeout, 1, function() end)
    local ended = co.spawn(function() end)
    net.run()
    cannot("outside of a task", ended.await, ended)
  end))

  it("raises below what cannot yield", within(function(t)
    co.run(t.calls(1, function()
      local emitter = events.EventEmitter()
      emitter:on("x", t.calls(1, function() cannot("below a call", co.sleep, 1) end))
      emitter:emit("x")
      cannot("below a call", table.sort, { 2, 1 }, function() co.yield() end)
      cannot("below a call", string.gsub, "x", "x", function() co.yield() end)
      co.suspend(function(resume)
        cannot("below a call", co.yield)
        resume()
      end)
    end))
  end))

  it("raises in a coroutine of the user's", within(function(t)
    co.run(t.calls(1, function()
      local inner = coroutine.wrap(function() co.sleep(1) end)
      cannot("in a coroutine of yours", inner)
    end))
  end))

  it("works in to-be-closed variables, from Lua 5.4.3 on; before that it raises", within(function(t)
    local closing = setmetatable({}, {
      __close = function()
        local ok, err = pcall(co.yield)
        t.log(ok or err.code)
      end,
    })
    co.run(function()
      local _ <close> = closing
    end)
    assert.same({ support.CLOSE_WAITS and "true" or "ERR_CANNOT_WAIT" }, t.lines)
  end))

  it("works in pcall, metamethods and iterators", within(function()
    local lazy = setmetatable({}, {
      __index = function(_, key)
        co.yield()
        return key
      end,
    })
    local function count(n, i)
      co.yield()
      return i < n and i + 1 or nil
    end
    assert.equal("value", co.run(function()
      assert.same({ true, true }, { pcall(co.sleep, 1) })
      local sum = 0
      for i in count, 3, 0 do sum = sum + i end
      assert.equal(6, sum)
      return lazy.value
    end))
  end))

  it("works in a function of a required module, whose chunk cannot wait", within(function(t)
    local seen
    package.preload["spec.waits"] = function()
      seen = raised(co.yield).code
      return function() return co.yield() end
    end
    t.finally(function()
      package.preload["spec.waits"], package.loaded["spec.waits"] = nil, nil
    end)
    assert.is_true(co.run(function() return require("spec.waits")() end))
    assert.equal("ERR_CANNOT_WAIT", seen)
  end))

  it("that is a stray yield ends the task, and its variables are closed", within(function(t)
    local task = co.spawn(function()
      local _ <close> = setmetatable({}, { __close = function(_, err) t.log("closed", err) end })
      coroutine.yield(1, 2)
      t.log("never")
    end)
    local err = uncaught(t)
    assert.equal("ERR_STRAY_YIELD", err.code)
    assert.truthy(net.traceback(err):find("task_spec.lua", 1, true))
    assert.equal("failed", task.status)
    assert.same({ "closed nil" }, t.lines)
  end))
end)

describe("an error of a task", function()
  it("comes out of net.run() at once as it is, with the task's traceback", within(function(t)
    local function culprit() error({ own = true }) end
    co.spawn(function()
      culprit()
      return true
    end)
    co.spawn(t.log, "goes on")
    local err = uncaught(t)
    assert.is_true(err.own)
    assert.truthy(net.traceback(err):find("culprit", 1, true))
    t.run()
    assert.same({ "goes on" }, t.lines)
  end))

  for _, value in ipairs({ "text", 12, false }) do
    it("may be a " .. type(value), within(function(t)
      co.spawn(function() error(value, 0) end)
      assert.equal(value, uncaught(t))
    end))
  end

  it("may be nil", within(function(t)
    co.spawn(function() error() end)
    assert.same({ false, nil }, { pcall(t.run) })
  end))

  it("goes to all who await it, and nowhere else", within(function(t)
    local failure = {}
    local task = co.spawn(function()
      co.yield()
      error(failure)
    end)
    for _ = 1, 2 do
      co.spawn(t.calls(1, function()
        assert.equal(failure, raised(task.await, task))
      end))
    end
    t.run()
    assert.equal("failed", task.status)
  end))

  it("is raised again by whoever awaits it after it was reported", within(function(t)
    local task = co.spawn(error, "late", 0)
    assert.equal("late", uncaught(t))
    co.run(t.calls(1, function()
      assert.equal("late", raised(task.await, task))
    end))
  end))

  it("is offered to 'uncaughtException'", within(function(t)
    local take = t.calls(1, function(err) assert.equal("offered", err) end)
    process:on("uncaughtException", take)
    t.finally(function() process:off("uncaughtException", take) end)
    co.spawn(error, "offered", 0)
    t.run()
  end))

  it("is reported if the only one who awaits it is cancelled before he goes on", within(function(t)
    local failing, heir
    failing = co.spawn(function()
      co.yield()
      co.spawn(function() heir:cancel() end)
      error("nobody's", 0)
    end)
    heir = co.spawn(function() failing:await() end)
    -- the heir is woken behind the canceller, which is queued before the failure
    assert.equal("nobody's", uncaught(t))
    t.run()
    assert.equal("cancelled", heir.status)
  end))
end)

describe("task:await()", function()
  it("returns what the function does, as it is", within(function()
    co.run(function()
      local function of(...)
        local values = table.pack(...)
        return table.pack(co.await(co.spawn(function() return table.unpack(values, 1, values.n) end)))
      end
      assert.same({ n = 0 }, of())
      assert.same({ n = 2, nil, "err" }, of(nil, "err"))
      assert.same({ n = 3, 1, nil, 3 }, of(1, nil, 3))
    end)
  end))

  it("is what a call of the task does", within(function()
    assert.equal(7, co.run(function()
      local task = co.spawn(function() return 7 end)
      return co.timeout(1000, task)
    end))
  end))

  it("gives nil and the error of a task that was cancelled", within(function()
    co.run(function()
      local task = co.spawn(forever)
      co.yield()
      task:cancel("why")
      local value, err = task:await()
      assert.is_nil(value)
      assert.same({ "AbortError", "ABORT_ERR", "why" }, { err.name, err.code, err.cause })
    end)
  end))

  it("raises in the task itself", within(function()
    co.run(function()
      local own = co.current()
      assert.equal("ERR_DEADLOCK", raised(own.await, own).code)
    end)
  end))
end)

describe("a task", function()
  it("tells what it is doing", within(function(t)
    local task = co.spawn(function()
      co.sleep(1)
      t.log(co.current().status)
    end)
    assert.equal("ready", task.status)
    co.spawn(function()
      t.log(task.status, task.waiting)
      assert.truthy(task:traceback():find("task_spec.lua", 1, true))
    end)
    t.run()
    assert.equal("done", task.status)
    assert.equal("", task:traceback())
    assert.is_nil(task.waiting)
    assert.same({ "waiting sleep", "running" }, t.lines)
  end))

  it("has a name, which may be changed", within(function(t)
    local task = co.spawn(function() end)
    assert.truthy(tostring(task):find("^task %d+ %(.*task_spec.lua:%d+%)$"), tostring(task))
    task.name = "mine"
    assert.equal("mine", tostring(task))
    assert.equal("ERR_INVALID_ARG_TYPE", raised(function() task.name = 1 end).code)
    assert.equal("TypeError", raised(function() task.status = "done" end).name)
    t.run()
  end))

  it("is listed until it has ended", within(function(t)
    local one, two = co.spawn(function() end), co.spawn(function() co.yield() end)
    assert.same({ one, two }, co.tasks())
    co.spawn(function()
      assert.equal(two, co.tasks()[1])
      assert.equal(co.current(), co.tasks()[2])
    end)
    t.run()
    assert.same({}, co.tasks())
    assert.is_nil(co.current())
  end))

  it("refuses another self", within(function()
    local task = co.spawn(function() end)
    net.run()
    for _, name in ipairs({ "await", "cancel", "ref", "unref", "traceback" }) do
      assert.equal("ERR_INVALID_THIS", raised(task[name], {}).code)
    end
  end))

  it("that is kept by a <close> variable is cancelled, and waited for where Lua can", within(function(t)
    co.run(function()
      local child
      do
        local task <close> = co.spawn(function()
          pcall(forever)
          co.shield(co.sleep, 1)
          t.log("cleaned up")
        end)
        child = task
        co.yield()
      end
      if not support.CLOSE_WAITS then child:await() end
      t.log(child.status)
    end)
    assert.same({ "cleaned up", "cancelled" }, t.lines)
  end))

  it("is not kept by anything once it has ended", within(function(t)
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 10 do
      weak[co.spawn(function() co.yield() end)] = true
    end
    t.run()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end))

  it("is not collected while it waits", within(function(t)
    local resume
    co.spawn(function()
      t.log(co.suspend(function(fn) resume = fn end))
    end)
    timers.setTimeout(function()
      collectgarbage()
      collectgarbage()
      resume("still there")
    end, 1)
    t.run()
    assert.same({ "still there" }, t.lines)
  end))
end)

describe("fairness", function()
  it("lets a timer run beside two tasks that only wake each other", within(function(t)
    local done = false
    timers.setTimeout(function() done = true end, 5)
    local a, b = co.queue(), co.queue()
    local function play(from, to)
      while not done do
        to:put(from:get())
      end
      to:push(0)
    end
    co.spawn(play, a, b)
    co.spawn(play, b, a)
    a:push(1)
    t.run()
    assert.is_true(done)
  end))

  it("lets a timer run beside a task that only yields", within(function(t)
    local done = false
    timers.setTimeout(function() done = true end, 5)
    co.run(function()
      while not done do co.yield() end
    end)
    assert.is_true(done)
    assert.equal(0, #t.lines)
  end))
end)

describe("co.run", function()
  it("leaves an error after net.stop() to the program", within(function(t)
    local _, err = co.run(function()
      co.spawn(net.stop)
      co.sleep(1)
      error("later", 0)
    end)
    assert.equal("ERR_LOOP_STOPPED", err.code)
    assert.equal("later", uncaught(t))
  end))

  it("returns the values, when nothing holds the loop any more", within(function(t)
    assert.same({ 1, nil, 3 }, { co.run(function()
      timers.setTimeout(t.log, 5, "timer")
      return 1, nil, 3
    end) })
    assert.same({ "timer" }, t.lines)
  end))

  it("raises the error at once, and the rest lives on", within(function(t)
    local gate = co.queue()
    co.spawn(function() t.log(gate:get()) end)
    local err = raised(co.run, function()
      co.yield()
      error({ own = true })
    end)
    assert.is_true(err.own)
    assert.same({}, t.lines)
    gate:push("lives on")
    t.run()
    assert.same({ "lives on" }, t.lines)
  end))

  it("gives nil and an error after net.stop()", within(function(t)
    local value, err = co.run(function()
      net.stop()
      co.sleep(2)
      t.log("lives on")
    end)
    assert.is_nil(value)
    assert.equal("ERR_LOOP_STOPPED", err.code)
    t.run()
    assert.same({ "lives on" }, t.lines)
  end))

  it("gives nil and the error of a cancel", within(function()
    local value, err = co.run(function()
      co.current():cancel()
      co.yield()
    end)
    assert.is_nil(value)
    assert.equal("ABORT_ERR", err.code)
  end))

  it("raises what others leave uncaught", within(function()
    assert.equal("other", raised(co.run, function()
      co.spawn(error, "other", 0)
      co.sleep(1)
    end))
    net.run()
  end))

  for where, resume in pairs({ ["a coroutine"] = coroutine.create, ["a call"] = false }) do
    it("left by another's error in " .. where .. " stops no later run", within(function(t)
      local gate = co.queue()
      local function call()
        co.run(function()
          co.spawn(error, "other", 0)
          gate:get()
          error("its own", 0)
        end)
      end
      if resume then
        assert.same({ false, "other" }, { coroutine.resume(resume(call)) })
      else
        assert.equal("other", raised(call))
      end
      gate:push(1)
      timers.setTimeout(t.log, 1, "ran on")
      assert.equal("its own", uncaught(t))
      t.run()
      assert.same({ "ran on" }, t.lines)
    end))
  end

  it("raises when nothing can wake its task, after a report", within(function(t)
    local list = warnings(t)
    local err = raised(co.run, function()
      local own = co.current()
      t.finally(function() own:cancel() net.run() end)
      forever()
    end)
    assert.equal("ERR_DEADLOCK", err.code)
    assert.truthy(err.message:find("task_spec.lua", 1, true))
    t.run()
    assert.equal("DeadlockWarning", list[1].name)
    assert.truthy(list[1].message:find("waits in suspend", 1, true))
    assert.equal(1, #list)
  end))

  it("raises inside of the loop, at the caller's line, and runs nothing", within(function(t)
    timers.setImmediate(t.calls(1, function()
      assert.matches("task_spec.lua:%d+: .*running already", raised(function()
        co.run(t.log)
      end))
    end))
    t.run()
    assert.same({}, t.lines)
  end))
end)

describe("the end of net.run()", function()
  it("names the tasks that await each other", within(function(t)
    local list, b = warnings(t), nil
    local a = co.spawn(function() b:await() end)
    b = co.spawn(function() a:await() end)
    a.name, b.name = "task a", "task b"
    t.run()
    t.run()
    assert.equal("DeadlockWarning", list[1].name)
    for _, text in ipairs({ "2 tasks wait", "task a: waits in await", "task b: waits in await" }) do
      assert.truthy(list[1].message:find(text, 1, true), list[1].message)
    end
    a:cancel()
    t.run()
  end))

  it("says nothing of tasks that are unref'd", within(function(t)
    local list = warnings(t)
    local task = co.spawn(forever):unref()
    t.run()
    assert.same({}, list)
    task:cancel()
    t.run()
  end))

  it("comes after sleeps, and not after waits for nobody", within(function(t)
    local slept = co.spawn(co.sleep, 5)
    t.run()
    assert.equal("done", slept.status)
  end))
end)

describe("co.sleep, co.yield and co.every", function()
  it("waits a millisecond for what is no time, as setTimeout does", within(function()
    co.run(function()
      for _, ms in ipairs { 0, -1, 0.2, "1", "x", 2 ^ 31, 0 / 0, false } do
        assert.is_true(co.sleep(ms))
      end
      assert.is_true(co.sleep())
      assert.is_true(co.sleep(1.9))
    end)
  end))

  it("costs a task that sleeps no more than 1,600 bytes, its thread included", within(function()
    local function sleep() co.sleep(50) end
    co.run(function()
      co.all { sleep, sleep } -- what they need once is there
      collectgarbage()
      collectgarbage()
      local before = collectgarbage("count")
      for _ = 1, 1000 do co.spawn(sleep) end
      co.yield()
      collectgarbage()
      collectgarbage()
      local each = (collectgarbage("count") - before) * 1024 / 1000
      assert.is_true(each < 1600 * math.max(1, string.packsize("T") / 8), each)
    end)
  end))

  it("wait: so long, for what a turn has to read, at a fixed rate", within(function(t)
    co.run(function()
      assert.is_true(co.sleep(1))
      assert.is_true(co.yield())
      local start = require("net.core").now()
      for n in co.every(5) do
        t.log(n)
        if n == 3 then break end
      end
      assert.is_true(require("net.core").now() - start >= 15)
    end)
    assert.same({ "1", "2", "3" }, t.lines)
  end))

  it("skip the periods that a slow body has missed", within(function()
    co.run(function()
      local before = 0
      for n in co.every(3) do
        assert.is_true(n > before)
        if before > 0 then
          assert.is_true(n >= before + 2)
          break
        end
        before = n
        co.sleep(10)
      end
    end)
  end))

  it("raise for a value that goes nowhere", within(function()
    assert.equal("ERR_INVALID_ARG_VALUE", co.run(function() return raised(co.yield, 1) end).code)
  end))
end)

describe("co.suspend", function()
  it("returns what the first resume(...) is called with, now or later", within(function(t)
    co.run(function()
      assert.same({ n = 3, 1, nil, 3 }, table.pack(co.suspend(function(resume) resume(1, nil, 3) end)))
      assert.same({ n = 0 }, table.pack(co.suspend(function(resume) timers.setImmediate(resume) end)))
      assert.equal("one", (co.suspend(function(resume)
        timers.setImmediate(function()
          t.log(resume("one"))
          t.log(resume("two"))
        end)
      end)))
    end)
    assert.same({ "true", "false" }, t.lines)
  end))

  it("calls what start returned when the wait is interrupted, with what had come", within(function(t)
    local function wait()
      co.suspend(function(resume)
        t.resume = resume
        return function(...) t.log("undone", ...) end
      end)
    end
    local waiting = co.spawn(wait)
    co.run(function()
      co.yield()
      waiting:cancel()
      assert.is_false(t.resume("late"))
      local ready = co.spawn(wait)
      co.yield()
      assert.is_true(t.resume("given", 2))
      ready:cancel()
    end)
    assert.same({ "undone", "undone given 2" }, t.lines)
  end))

  it("raises what start raises, and what is no function", within(function()
    co.run(function()
      assert.equal("no", raised(co.suspend, function() error("no", 0) end))
      assert.equal("ERR_INVALID_ARG_TYPE", raised(co.suspend, 1).code)
    end)
  end))

  it("takes nothing from a resume whose start has raised", within(function(t)
    co.run(function()
      assert.equal("no", raised(co.suspend, function(resume)
        t.resume = resume
        error("no", 0)
      end))
      assert.is_false(t.resume("late"))
    end)
  end))
end)

describe("co.await", function()
  it("that raises leaves no listener", within(function()
    co.run(function()
      local emitter = events.EventEmitter()
      local count = 0
      emitter:on("newListener", function()
        count = count + 1
        if count == 3 then error("no", 0) end
      end)
      assert.equal("no", raised(co.await, emitter, "one", "two"))
      for _, event in ipairs({ "one", "two", "error" }) do
        assert.equal(0, emitter:listenerCount(event))
      end
    end)
  end))

  it("gives the event and its arguments, or nil and the error that comes first", within(function(t)
    local emitter = events.EventEmitter()
    co.run(function()
      timers.setImmediate(function() emitter:emit("b", 1, 2) end)
      assert.same({ "b", 1, 2 }, { co.await(emitter, "a", "b") })
      timers.setImmediate(function() emitter:emit("error", "bad") end)
      assert.same({ nil, "bad" }, { co.await(emitter, "a") })
      timers.setImmediate(function() emitter:emit("error", "named") end)
      assert.same({ "error", "named" }, { co.await(emitter, "error") })
      assert.equal("ERR_MISSING_ARGS", raised(co.await, emitter).code)
    end)
    assert.same({}, emitter:eventNames())
    assert.equal(0, #t.lines)
  end))

  it("leaves no listener behind when it is interrupted", within(function()
    local emitter = events.EventEmitter()
    local task = co.spawn(co.await, emitter, "x")
    co.run(function()
      co.yield()
      assert.equal(1, emitter:listenerCount("x"))
      task:cancel()
      assert.equal(0, emitter:listenerCount("x"))
      assert.equal(0, emitter:listenerCount("error"))
    end)
  end))

  it("is what events.once does in a task", within(function()
    local emitter = events.EventEmitter()
    co.run(function()
      timers.setImmediate(function() emitter:emit("x", 5) end)
      assert.same({ 5, n = 1 }, events.once(emitter, "x"))
      local value, err = co.timeout(1, events.once, emitter, "x")
      assert.is_nil(value)
      assert.equal("ERR_TIMEOUT", err.code)
    end)
    assert.same({}, emitter:eventNames())
  end))
end)

describe("co.wrap", function()
  local function later(...)
    local given = table.pack(...)
    return function(callback)
      timers.setImmediate(function() callback(table.unpack(given, 1, given.n)) end)
    end
  end

  it("makes the callback's arguments results", within(function()
    co.run(function()
      assert.same({ 1, 2 }, { co.wrap(later(nil, 1, 2))() })
      assert.same({ nil, "err" }, { co.wrap(later("err"))() })
      assert.is_true(co.wrap(later(nil))())
      assert.equal("arg", co.wrap(function(arg, callback) callback(nil, arg) end)("arg"))
    end)
  end))

  it("closes a result that comes after an interruption", within(function(t)
    local thing = setmetatable({}, { __close = function() t.log("closed") end })
    co.run(function()
      local callback
      local _, err = co.timeout(1, co.wrap(function(fn) callback = fn end))
      assert.equal("ERR_TIMEOUT", err.code)
      callback(nil, thing)
    end)
    assert.same({ "closed" }, t.lines)
  end))
end)

describe("co.lookup", function()
  it("gives an address and its family, or nil and the error", within(function()
    co.run(function()
      assert.same({ "127.0.0.1", 4 }, { co.lookup("127.0.0.1") })
      local address, err = co.lookup("no.such.host.invalid")
      assert.is_nil(address)
      assert.equal("getaddrinfo", err.syscall)
    end)
  end))
end)

describe("co.signal", function()
  it("is aborted when a wait here would be interrupted", within(function(t)
    co.run(function()
      local signal
      co.timeout(1, function()
        signal = co.signal()
        assert.equal(signal, co.signal())
        signal:addEventListener("abort", t.calls(1))
        co.suspend(function() end)
      end)
      assert.is_true(signal.aborted)
      assert.equal("ERR_TIMEOUT", signal.reason.code)
    end)
  end))

  it("is aborted by an outer scope too, and already where that is hit", within(function()
    local signal, late
    local task = co.spawn(function()
      co.timeout(10000, function()
        signal = co.signal()
        pcall(forever)
        late = co.signal()
      end)
    end)
    co.run(function()
      co.yield()
      task:cancel("stop")
    end)
    assert.is_true(signal.aborted)
    assert.equal("stop", signal.reason.cause)
    assert.equal(signal, late)
  end))

  it("ends what callbacks do", within(function()
    co.run(function()
      local reason
      local _, err = co.timeout(1, function()
        local socket = net.connect({ port = 1, host = "name", signal = co.signal(),
          lookup = function() end })
        socket:on("error", function(e) reason = e.cause end)
        co.await(socket, "connect")
      end)
      co.yield()
      assert.equal("ERR_TIMEOUT", err.code)
      assert.equal(err, reason)
    end)
  end))
end)

describe("co.withSignal", function()
  it("interrupts what waits when the signal aborts, with the reason as cause", within(function()
    local controller = abort.AbortController()
    co.run(function()
      timers.setImmediate(function() controller:abort("enough") end)
      local value, err = co.withSignal(controller.signal, forever)
      assert.is_nil(value)
      assert.same({ "AbortError", "ABORT_ERR", "enough" }, { err.name, err.code, err.cause })
      -- before: at the first wait; after: nothing
      err = select(2, co.withSignal(controller.signal, co.sleep, 1))
      assert.equal("enough", err.cause)
      assert.equal(1, (co.withSignal(controller.signal, function() return 1 end)))
    end)
    assert.equal("ERR_INVALID_ARG_TYPE", co.run(function()
      return raised(co.withSignal, {}, forever)
    end).code)
  end))
end)
