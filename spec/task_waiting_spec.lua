-- SPDX-License-Identifier: MIT

--- What a task tells of its wait: what for, and from whom.

local child = require("net.child")
local co = require("net.co")
local events = require("net.events")
local net = require("net")
local support = require("spec.support.tasks")
local within = require("spec.support").within

local forever = support.forever

--- What a task that calls `fn(...)` waits for. It is asked before the loop polls, which may
--- end the wait, and is cancelled.
local function told(fn, ...)
  local task = co.spawn(fn, ...)
  local text = co.spawn(function() return task.waiting end):await()
  task:cancel("seen")
  return text
end

--- A connection, in a task; `fn` gets its ends, and the server's address as text.
local function connected(fn)
  return within(function()
    co.run(function()
      local server = co.listen(0, "127.0.0.1")
      local near <close> = co.connect(server:address().port, "127.0.0.1")
      local far <close> = server:incoming()()
      fn(near, far, "127.0.0.1:" .. server:address().port)
      server:close()
    end)
  end)
end

describe("task.waiting", function()
  it("tells what is to be received, and from whom", connected(function(near, _, where)
    for what, text in pairs({
      line = '"line"', ["*l"] = '"line"', L = '"L"', some = '"some"', all = '"all"', [7] = "7",
    }) do
      assert.equal("receive " .. text .. " from " .. where, told(near.receive, near, what))
    end
    assert.equal('peek "line" from ' .. where, told(near.peek, near))
    assert.equal('receiveUntil "\\r\\n\\1\\"" from ' .. where,
      told(near.receiveUntil, near, '\r\n\1"'))
    assert.equal('receive "line" from ' .. where, told(near:lines()))
    assert.equal('receive "some" from ' .. where, told(near:chunks()))
  end))

  it("tells it of a generator's wait, too", connected(function(near, _, where)
    assert.equal('receive "line" from ' .. where, told(co.generator(function() near:receive() end)))
  end))

  it("tells to whom is sent", connected(function(near, _, where)
    local text = ("x"):rep(1 << 22)
    assert.equal("send to " .. where, told(near.send, near, text))
    assert.equal("flush to " .. where, told(near.flush, near))
    assert.equal("finished of " .. where, told(co.finished, near))
  end))

  it("tells which server is asked", within(function()
    co.run(function()
      local server = co.listen(0, "127.0.0.1")
      local where = "127.0.0.1:" .. server:address().port
      assert.equal("incoming on " .. where, told(server:incoming()))
      assert.equal("finished of " .. where, told(co.finished, server))
      local serving = server:serve(function() end)
      co.yield()
      assert.equal("serve on " .. where, serving.waiting)
      serving:cancel()
      local task = co.spawn(co.listen, 0, "::1")
      assert.is_nil(task.waiting)
      co.yield()
      if task.status == "waiting" then
        assert.equal("listen on [::1]:0", task.waiting)
      end
      local other = task:await()
      if other then other:close() end
    end)
  end))

  it("tells whom it connects to", within(function()
    co.run(function()
      local function lookup() end -- never answers
      assert.equal("connect to some.host:80",
        told(co.connect, { port = 80, host = "some.host", lookup = lookup }))
      assert.equal('lookup "localhost"', told(co.lookup, "localhost"))
    end)
  end))

  it("tells which events it awaits, and of what", within(function()
    co.run(function()
      local emitter = setmetatable({}, {
        __index = events.EventEmitter(), __tostring = function() return "it" end,
      })
      assert.equal('await "x", "y" of it', told(co.await, emitter, "x", "y"))
      assert.equal('events.once "x" of it', told(events.once, emitter, "x"))
      local rude = setmetatable({}, {
        __index = events.EventEmitter(), __tostring = function() error("no") end,
      })
      assert.equal('await "x" of ?', told(co.await, rude, "x"))
    end)
  end))

  it("tells which task, queue or semaphore", within(function()
    co.run(function()
      local other <close> = co.spawn(forever)
      other.name = "the other"
      assert.equal("await the other", told(other.await, other))
      local queue, semaphore = co.queue(1), co.semaphore()
      assert.matches("^get from Queue: 0x", told(queue.get, queue))
      queue:put(1)
      assert.matches("^put to Queue: 0x", told(queue.put, queue, 2))
      semaphore:acquire()
      assert.matches("^acquire of Semaphore: 0x", told(semaphore.acquire, semaphore))
    end)
  end))

  it("tells which children a group waits for", within(function()
    co.run(function()
      local group
      local owner = co.spawn(co.group, { limit = 1 }, function(g)
        group = g
        g:spawn(forever).name = "the child"
      end)
      co.yield()
      assert.equal("the end of the child", owner.waiting)
      assert.equal("room in a group", told(group.spawn, group, forever))
      owner:cancel()
    end)
  end))

  it("tells the kind of a wait that is from nobody", within(function()
    co.run(function()
      assert.equal("sleep", told(co.sleep, 60000))
      assert.equal("suspend", told(forever))
      assert.equal("wrap", told(co.wrap(function() end)))
    end)
  end))

  it("tells which child a message is awaited from", within(function()
    co.run(function()
      local kid = child.spawn("sleep", { "60" }, { stdio = { "ignore", "ignore", "ignore", "ipc" } })
      assert.equal("message from child " .. kid.pid, told(kid.receive, kid))
      kid:disconnect()
      kid:kill()
    end)
  end))

  it("tells no more than the kind when its thread was closed by hand", connected(function(near)
    local thread
    local task = co.spawn(function()
      thread = coroutine.running()
      near:receive()
    end)
    co.yield()
    coroutine.close(thread)
    assert.equal("receive", task.waiting)
    task:cancel()
    pcall(task.await, task)
  end))

  it("is in the report of those that wait for ever", within(function(t)
    local list = support.warnings(t)
    local queue = co.queue()
    local task = co.spawn(queue.get, queue)
    t.run()
    assert.truthy(list[1].message:find("waits in get from Queue: 0x", 1, true), list[1].message)
    local err = support.raised(co.run, function()
      t.finally(function() queue:close() net.run() end)
      return queue:get()
    end)
    assert.truthy(err.message:find("waits in get from Queue: 0x", 1, true), err.message)
    task:cancel()
  end))
end)
