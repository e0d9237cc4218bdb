-- SPDX-License-Identifier: MIT

--- The end of a program amid tasks that wait for all that can be waited for, and what the
--- collector, or a want of descriptors, does to them.

local lua = require("spec.support.lua")
local process = require("spec.support.process")
local random = require("spec.support.task_random")

--- A task in each kind of wait; `waiting` tells when they are there.
local CROWD = [[
  local net, co, events = require("net"), require("net.co"), require("net.events")
  local closed = 0
  local function start(fn, ...)
    local args = table.pack(...)
    return co.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
      return fn(table.unpack(args, 1, args.n))
    end)
  end
  local function crowd(then_)
    co.spawn(function()
      local server = co.listen(0, "127.0.0.1")
      local near = co.connect(server:address().port, "127.0.0.1")
      local far = server:incoming()()
      local queue, full, semaphore = co.queue(), co.queue(1), co.semaphore()
      full:push(1)
      semaphore:acquire()
      start(near.receive, near)
      start(near.send, near, ("x"):rep(1 << 23))
      start(near.flush, near)
      start(co.sleep, 60000)
      start(co.timeout, 60000, co.sleep, 60000)
      start(queue.get, queue)
      start(full.put, full, 2)
      start(semaphore.acquire, semaphore)
      start(co.suspend, function() return function() print("undone") end end)
      start(co.await, events.EventEmitter(), "never")
      start(co.finished, near)
      start(co.group, function(g) g:spawn(co.sleep, 60000) end)
      start(co.race, { function() co.sleep(60000) end, function() return queue:get() end })
      start(co.shield, co.sleep, 60000)
      start(function() for _ in co.generator(function() co.sleep(60000) end) do end end)
      start(function() local task <close> = co.spawn(co.shield, co.sleep, 60000) co.yield() end)
      local other = co.listen(0, "127.0.0.1")
      start(other:incoming())
      co.listen(0, "127.0.0.1"):serve(function() end)
      for _ = 1, 5 do co.yield() end
      then_(closed)
    end)
    net.run()
  end
]]

local function run(script)
  local result = lua.run({ script = CROWD .. script })
  assert.equal("", result.stderr)
  return result.code, result.stdout
end

describe("the end of a program amid waits", function()
  it("by os.exit runs no clean-up of tasks", function()
    assert.same({ 3, "" }, { run("crowd(function() os.exit(3) end)") })
  end)

  it("by os.exit that closes the state runs none either", function()
    assert.same({ 3, "" }, { run("crowd(function() os.exit(3, true) end)") })
  end)

  it("by the end of the script closes the state, and runs none", function()
    assert.same({ 0, "0\n" }, { run("crowd(function(n) print(n) net.stop() end)") })
  end)
end)

describe("the collector", function()
  it("takes nothing from tasks that wait", function()
    assert.same({ 0, "0\t0\n" }, { run([[
      crowd(function()
        local before = #co.tasks()
        for _ = 1, 20 do
          collectgarbage()
          co.yield()
        end
        print(closed, before - #co.tasks())
        os.exit(0)
      end)
    ]]) })
  end)

  it("may run at every operation of random programs #slow", function()
    local mode = collectgarbage("generational")
    local hooked = 0
    local spawn = require("net.co").spawn
    require("net.co").spawn = function(fn, ...) -- so each begins, and ends, amid a collection
      return spawn(function(...)
        collectgarbage()
        hooked = hooked + 1
        return fn(...)
      end, ...)
    end
    local operations, problem = random.run(11, 20)
    require("net.co").spawn = spawn
    collectgarbage(mode)
    assert(operations, problem)
    assert.is_true(hooked > 20)
  end)
end)

describe("a shortage of descriptors", function()
  it("is a warning to a loop over connections, which goes on when there are some", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write([[
      local co, process = require("net.co"), require("net.process")
      process.noWarnings = true
      local warned = 0
      process:on("warning", function() warned = warned + 1 end)
      co.run(function()
        local server = co.listen(0, "127.0.0.1")
        local port, served = server:address().port, 0
        local kept, clients = {}, {}
        for i = 1, 3 do clients[i] = co.connect(port, "127.0.0.1") end
        while true do -- all that are left
          local file = io.open("/dev/null")
          if not file then break end
          kept[#kept + 1] = file
        end
        co.spawn(function()
          co.await(process, "warning")
          for _, file in ipairs(kept) do file:close() end
        end)
        for socket in server:incoming() do
          served = served + 1
          socket:destroy()
          if served == 3 then break end
        end
        for _, client in ipairs(clients) do client:destroy() end
        server:close()
        print(served, warned)
      end)
    ]])
    file:close()
    local output, code = process.run("ulimit -n 60; " .. process.lua(path))
    os.remove(path)
    assert.same({ "3\t1\n", 0 }, { output, code })
  end)
end)
