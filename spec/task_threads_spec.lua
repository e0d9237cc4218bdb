-- SPDX-License-Identifier: MIT

--- What Lua's own functions can do to the thread of a task, which coroutine.running() gives
--- away: nothing that ends in a signal.

local co = require("net.co")
local net = require("net")
local support = require("spec.support.tasks")
local within = require("spec.support").within

local raised = support.raised

--- Has freed memory used again.
local function collect()
  collectgarbage()
  collectgarbage()
  local list = {}
  for i = 1, 500 do list[i] = ("x"):rep(i) end
  return list
end

--- Starts `fn`, which is told of threads, and lets it wait.
local function waiting(fn)
  local threads = {}
  local task = co.spawn(fn, function() threads[#threads + 1] = coroutine.running() end)
  co.yield()
  return task, threads
end

local DEAD = "cannot resume dead coroutine"

describe("the thread of a task", function()
  it("waits on when somebody else resumes it", within(function(t)
    co.run(function()
      local answer
      local task, threads = waiting(function(note)
        note()
        t.log(co.suspend(function(resume) answer = resume end))
        return "end"
      end)
      for _ = 1, 3 do assert.same({ true }, { coroutine.resume(threads[1], "stranger") }) end
      assert.equal("waiting", task.status)
      answer("answer")
      assert.equal("end", task:await())
    end)
    assert.same({ "answer" }, t.lines)
  end))

  it("waits on in its generators, too", within(function()
    co.run(function()
      local answer
      local task, threads = waiting(function(note)
        note()
        return co.generator(function()
          note()
          return co.suspend(function(resume) answer = resume end)
        end)()
      end)
      for _, thread in ipairs(threads) do assert.is_true(coroutine.resume(thread)) end
      answer("answer")
      assert.equal("answer", task:await())
    end)
  end))

  it("that is closed ends the task when it is woken", within(function()
    co.run(function()
      local answer
      local task, threads = waiting(function(note)
        note()
        co.suspend(function(resume) answer = resume end)
      end)
      assert.is_true(coroutine.close(threads[1]))
      collect()
      answer(1)
      assert.equal(DEAD, raised(task.await, task))
      assert.equal("failed", task.status)
    end)
  end))

  it("that is closed ends the task when it is cancelled, its wait undone", within(function(t)
    co.run(function()
      local task, threads = waiting(function(note)
        note()
        co.suspend(function() return function() t.log("undone") end end)
      end)
      coroutine.close(threads[1])
      collect()
      assert.is_true(task:cancel())
      assert.equal(DEAD, raised(task.await, task))
    end)
    assert.same({ "undone" }, t.lines)
  end))

  it("that is closed amid timeouts leaves none of them behind", within(function()
    co.run(function()
      local task, threads = waiting(function(note)
        note()
        co.timeout(60000, co.timeout, 60000, co.sleep, 60000)
      end)
      coroutine.close(threads[1])
      collect()
      assert.is_true(task:cancel())
      assert.equal(DEAD, raised(task.await, task))
    end)
  end))

  it("that is closed while it reads takes nothing with it", within(function()
    co.run(function()
      local server = co.listen(0)
      local near = co.connect(server:address().port)
      local far = server:incoming()()
      local task, threads = waiting(function(note)
        note()
        return near:receive()
      end)
      coroutine.close(threads[1])
      collect()
      far:send("line\n")
      assert.equal(DEAD, raised(task.await, task))
      assert.equal("line", near:receive())
      near:destroy()
      far:destroy()
      server:close()
    end)
  end))

  it("that is closed lets go of a socket that nobody has any more", within(function()
    co.run(function()
      local task, threads = waiting(function(note)
        note()
        return net.Socket():receive()
      end)
      coroutine.close(threads[1])
      collect()
      task:cancel()
      assert.equal(DEAD, raised(task.await, task))
    end)
  end))

  it("goes on when the one of a generator in it is closed amid a wait", within(function()
    co.run(function()
      for which = 2, 3 do
        local answer
        local task, threads = waiting(function(note)
          note()
          local inner = co.generator(function()
            note()
            co.suspend(function(resume) answer = resume end)
          end)
          local err = raised(co.generator(function()
            note()
            inner()
          end))
          co.sleep(1)
          return err
        end)
        assert.is_true(coroutine.close(threads[which]))
        collect()
        answer(1)
        assert.equal(DEAD, task:await())
        assert.is_false(coroutine.resume(threads[3]))
        threads = nil -- luacheck: ignore
        collect()
      end
    end)
  end))
end)

describe("the thread of a generator", function()
  it("may outlive its iterator", within(function()
    local thread
    do
      local step = co.generator(function()
        thread = coroutine.running()
        coroutine.yield(1)
        return 2
      end)
      step()
    end
    collect()
    assert.same({ true, 2 }, { coroutine.resume(thread) })
    collect()
    assert.same({ false, DEAD }, { coroutine.resume(thread) })
  end))
end)
