-- SPDX-License-Identifier: MIT

local co = require("net.co")
local support = require("spec.support.tasks")
local within = require("spec.support").within

local raised = support.raised

describe("co.queue and co.semaphore", function()
  it("raise where nobody may wait, also when they need not", function()
    local queue, semaphore = co.queue(), co.semaphore()
    assert.is_true(queue:push(1))
    for _, call in ipairs({ { queue.put, queue, 1 }, { queue.get, queue },
      { semaphore.acquire, semaphore } }) do
      assert.equal("ERR_CANNOT_WAIT", raised(table.unpack(call)).code)
    end
    assert.equal(1, #queue)
  end)
end)

describe("co.queue", function()
  it("keeps its order when several that were handed an item are cancelled", within(function()
    co.run(function()
      for first = 1, 3 do
        local queue, getters = co.queue(), {}
        for i = 1, 3 do
          getters[i] = co.spawn(queue.get, queue)
        end
        co.yield()
        for i = 1, 4 do queue:push(i) end
        for i = 0, 2 do getters[(first + i) % 3 + 1]:cancel() end
        assert.same({ 1, 2, 3, 4 }, { queue:get(), queue:get(), queue:get(), queue:get() })
      end
    end)
  end))

  it("hands out in order, and knows how much is in it", within(function()
    co.run(function()
      local queue = co.queue()
      for i = 1, 3 do assert.is_true(queue:put(i)) end
      assert.equal(3, #queue)
      assert.same({ 1, 2, 3 }, { queue:get(), queue:get(), queue:get() })
      assert.is_true(queue:put(false))
      assert.is_false(queue:get())
    end)
  end))

  it("has put wait while it is full, and push say no", within(function(t)
    co.run(function()
      local queue = co.queue(2)
      co.spawn(function()
        for i = 1, 4 do
          queue:put(i)
          t.log("put", i)
        end
      end)
      co.yield()
      assert.is_false(queue:push(5))
      assert.equal(2, #queue)
      for i = 1, 4 do
        assert.equal(i, queue:get())
        co.yield()
      end
      assert.is_true(queue:push(5))
    end)
    assert.same({ "put 1", "put 2", "put 3", "put 4" }, t.lines)
  end))

  it("serves those who wait in their order", within(function(t)
    co.run(function()
      local queue = co.queue()
      for i = 1, 3 do
        co.spawn(function() t.log(i, queue:get()) end)
      end
      co.yield()
      for _, v in ipairs({ "a", "b", "c" }) do queue:push(v) end
    end)
    assert.same({ "1 a", "2 b", "3 c" }, t.lines)
  end))

  it("skips one that does not wait any more, and loses nothing", within(function(t)
    co.run(function()
      local queue = co.queue()
      local getters = {}
      for i = 1, 3 do
        getters[i] = co.spawn(function() t.log(i, queue:get()) end)
      end
      co.yield()
      getters[1]:cancel() -- waits
      queue:push("a")
      getters[2]:cancel() -- has been given it
      queue:push("b")
      co.yield()
      assert.equal("b", queue:get())
    end)
    assert.same({ "3 a" }, t.lines)
  end))

  it("gives what a cancelled one was given to the head", within(function()
    co.run(function()
      local queue = co.queue()
      local getter = co.spawn(queue.get, queue)
      co.yield()
      queue:push(1)
      queue:push(2)
      getter:cancel()
      assert.same({ 1, 2 }, { queue:get(), queue:get() })
    end)
  end))

  it("hands out what is in it after close, then nil and the error", within(function()
    co.run(function()
      local queue = co.queue()
      queue:put(1)
      queue:close("why")
      queue:close("again")
      assert.equal(1, queue:get())
      assert.same({ nil, "why" }, { queue:get() })
      local ok, err = queue:put(2)
      assert.same({ nil, "why" }, { ok, err })
      assert.is_false(queue:push(2))
      local other = co.queue()
      other:close()
      assert.same({ n = 2 }, table.pack(other:get()))
      assert.equal("ERR_QUEUE_CLOSED", select(2, other:put(1)).code)
    end)
  end))

  it("wakes those who wait on either side when it is closed", within(function(t)
    co.run(function()
      local empty, full = co.queue(), co.queue(1)
      full:put(1)
      co.spawn(function() t.log("get", empty:get()) end)
      co.spawn(function() t.log("put", select(2, full:put(2)).code) end)
      co.yield()
      empty:close()
      full:close()
      co.yield()
      assert.equal(1, full:get())
    end)
    assert.same({ "get nil nil", "put ERR_QUEUE_CLOSED" }, t.lines)
  end))

  it("iterates to its end, and raises what it was closed with", within(function(t)
    co.run(function()
      local queue = co.queue()
      for i = 1, 2 do queue:push(i) end
      queue:close()
      for v in queue:items() do t.log(v) end
      local bad = co.queue()
      bad:close("bad")
      assert.equal("bad", raised(bad:items()))
    end)
    assert.same({ "1", "2" }, t.lines)
  end))

  it("takes no nil, and no capacity below one", within(function()
    local queue = co.queue()
    assert.equal("ERR_INVALID_ARG_VALUE", raised(queue.push, queue, nil).code)
    assert.equal("ERR_OUT_OF_RANGE", raised(co.queue, 0).code)
    assert.equal("ERR_INVALID_ARG_TYPE", raised(co.queue, "1").code)
    assert.equal("ERR_OUT_OF_RANGE", raised(co.queue, 1.5).code)
  end))

  it("keeps nothing of waits that were given up", within(function()
    co.run(function()
      local queue = co.queue()
      for _ = 1, 50 do
        co.timeout(1, queue.get, queue)
      end
      assert.is_true(queue._getters.last < queue._getters.first)
    end)
  end))
end)

describe("co.semaphore", function()
  it("lets so many hold it at once, in their order", within(function(t)
    co.run(function()
      local semaphore = co.semaphore(2)
      for i = 1, 4 do
        co.spawn(function()
          local held <close> = semaphore:acquire()
          t.log("in", i)
          co.yield()
          t.log("out", i)
          held:release()
          held:release()
        end)
      end
    end)
    assert.same({ "in 1", "in 2", "out 1", "in 3", "out 2", "in 4", "out 3", "out 4" }, t.lines)
  end))

  it("is a mutex by default, handed on by one that is cancelled", within(function(t)
    co.run(function()
      local mutex = co.semaphore()
      local held = mutex:acquire()
      local one = co.spawn(function() mutex:acquire() end)
      local two = co.spawn(function()
        local _ <close> = mutex:acquire()
        t.log("two")
      end)
      co.yield()
      held:release() -- one has it
      one:cancel()
      two:await()
      t.log(mutex:acquire():release())
    end)
    assert.same({ "two", "" }, t.lines)
  end))

  it("refuses less than one", within(function()
    assert.equal("ERR_OUT_OF_RANGE", raised(co.semaphore, 0).code)
  end))
end)
