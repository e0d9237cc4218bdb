-- SPDX-License-Identifier: MIT

--- A task that is cancelled in each kind of wait: the wait raises, and nothing of it stays: no
--- listener, no waiter, nothing that holds the loop.

local co = require("net.co")
local core = require("net.core")
local events = require("net.events")
local net = require("net")
local process = require("net.process")
local within = require("spec.support").within

--- Each kind: a function that makes what is waited for, and returns the wait, and one that
--- tells of what is left, nil if nothing.
local KINDS = {
  sleep = function() return function() co.sleep(60000) end end,
  yield = function() return function() co.yield() co.yield() co.yield() end end,
  suspend = function()
    local undone
    return function()
      co.suspend(function() return function() undone = true end end)
    end, function() return not undone and "its function was not called" or nil end
  end,
  get = function()
    local queue = co.queue()
    return function() queue:get() end, function()
      queue:put(1)
      return #queue ~= 1 and "a waiter" or nil
    end
  end,
  put = function()
    local queue = co.queue(1)
    queue:push(1)
    return function() queue:put(2) end, function()
      queue:get()
      return #queue ~= 0 and "its item" or nil
    end
  end,
  acquire = function()
    local semaphore = co.semaphore()
    local held = semaphore:acquire()
    return function() semaphore:acquire() end, function()
      held:release()
      return not co.timeout(1000, semaphore.acquire, semaphore) and "its place" or nil
    end
  end,
  ["an event"] = function()
    local emitter = events.EventEmitter()
    return function() co.await(emitter, "a", "b") end, function()
      return emitter:eventNames()[1]
    end
  end,
  ["a task"] = function()
    local other = co.spawn(co.sleep, 60000)
    return function() other:await() end, function()
      local lives = other.status == "waiting"
      other:cancel()
      return not lives and "the other has ended" or nil
    end
  end,
  connect = function()
    return function()
      co.connect({ port = 1, host = "some.host", lookup = function() end })
    end
  end,
  listen = function()
    return function()
      co.listen({ port = 0, host = "localhost" })
    end
  end,
  lookup = function() return function() co.lookup("localhost") end end,
  incoming = function(own)
    local server = own(co.listen(0, "127.0.0.1"), "close")
    return function() for _ in server:incoming() do end end, function() -- luacheck: ignore 542
      return server:listenerCount("connection") > 0 and "a listener" or nil
    end
  end,
  serve = function()
    local server = co.listen(0, "127.0.0.1")
    local serving = server:serve(function() end)
    return function() serving:await() end, function() serving:cancel() end
  end,
  group = function()
    return function() co.group(function(g) g:spawn(co.sleep, 60000) end) end
  end,
  ["room in a group"] = function()
    local owner
    local made = co.queue()
    owner = co.spawn(co.group, { limit = 1 }, function(g)
      g:spawn(co.sleep, 60000)
      made:push(g)
      co.sleep(60000)
    end)
    local group = made:get()
    return function() group:spawn(co.sleep, 60000) end, function() owner:cancel() end
  end,
  all = function() return function() co.all({ function() co.sleep(60000) end, co.current }) end end,
  race = function() return function() co.race({ function() co.sleep(60000) end }) end end,
  timeout = function() return function() co.timeout(60000, co.sleep, 60000) end end,
  generator = function()
    return function() for _ in co.generator(co.sleep, 60000) do end end -- luacheck: ignore 542
  end,
}

--- A name may be found before the next turn: these are cancelled on the tick.
local AT_ONCE = { lookup = true, listen = true }

--- Those of a connection.
local ON_SOCKETS = {
  receive = function(near) near:receive() end,
  ["receive of many bytes"] = function(near) near:receive(1 << 20) end,
  ["lines"] = function(near) for _ in near:lines() do end end, -- luacheck: ignore 542
  send = function(near) near:send(("x"):rep(1 << 23)) end,
  flush = function(near) near:write(("x"):rep(1 << 23)) near:flush() end,
  finished = function(near) co.finished(near) end,
  pipeline = function(near)
    local one, other = net.duplexPair()
    local _ <close> = other
    co.pipeline(near, one)
  end,
}

for name, wait in pairs(ON_SOCKETS) do
  KINDS[name] = function(own)
    local server = own(co.listen(0, "127.0.0.1"), "close")
    local near = own(co.connect(server:address().port, "127.0.0.1"), "destroy")
    own(server:incoming()(), "destroy")
    local mark, count = near.readableHighWaterMark, #near:eventNames()
    return function() wait(near) end, function()
      if name == "pipeline" then
        return not near.destroyed and "the socket is there" or nil
      elseif #near:eventNames() ~= count then
        return "a listener"
      elseif near.readableHighWaterMark ~= mark then
        return "the mark that was raised"
      end
    end
  end
end

describe("a cancel", function()
  for name, make in pairs(KINDS) do
    it("in a wait for " .. name .. " raises, and leaves nothing", within(function(t)
      local refs = core.alive()
      co.run(function()
        local things = {}
        local function own(thing, close)
          things[#things + 1] = function() thing[close](thing) end
          return thing
        end
        local wait, left = make(own)
        local task
        local function cancel()
          assert.equal("waiting", task.status)
          assert.is_true(task:cancel())
        end
        task = co.spawn(function()
          if AT_ONCE[name] then process.nextTick(cancel) end
          local ok, err = pcall(wait)
          t.log(ok, err.code)
          error(err, 0)
        end)
        if not AT_ONCE[name] then
          co.yield()
          cancel()
        end
        task:await()
        assert.equal("cancelled", task.status)
        assert.is_nil(left and left())
        for _, close in ipairs(things) do close() end
      end)
      t.run()
      assert.same({ "false ABORT_ERR" }, t.lines)
      assert.equal(refs, (core.alive()))
      assert.same({}, co.tasks())
    end))
  end
end)
