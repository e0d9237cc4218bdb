-- SPDX-License-Identifier: MIT

--- Lua runs out of memory in a call of tasks: at each place where it may, for two requests and
--- for sixty. What is promised then: it raises, or fails, and is told; nothing is half done, no
--- byte of another call is lost, nobody waits for ever, no place is taken.
--- See support/starve.c, which runs these scripts. Skipped where there is no Lua library to
--- link with; `make torture ROW=memory` does it to a whole program (scenes/tasks.lua).

local lua = require("spec.support.lua")

--- Seconds for all places together, however slow the machine is: what hangs is ended at its own
--- place, by starve.c.
local LIFETIME = 1200

--- `starved(fn, ...)` is pcall in want of memory; `start(fn)` begins a task in it, and gives
--- memory again after a turn; `run` runs the loop to its end, whatever comes out.
local HEAD = [[
local net, co, core = require("net"), require("net.co"), require("net.core")
local timers = require("net.timers")
for name in pairs(package.preload) do
  if name:find("^net%.") then require(name) end
end
require("net.process").noWarnings = true
local told = 0
local function no_memory(err)
  return err == "not enough memory" or type(err) == "table" and err.code == "ENOMEM"
end
local function starved(fn, ...)
  collectgarbage()
  collectgarbage("stop")
  starve(true)
  local ok, a, b = pcall(fn, ...)
  starve(false)
  collectgarbage("restart")
  if not ok then assert(no_memory(a), a) end
  return ok, a, b
end
local function start(fn)
  timers.setImmediate(function() starve(false) end)
  return co.spawn(function()
    starve(true)
    return fn()
  end)
end
local things = {}
local function own(thing, close)
  things[#things + 1] = function() pcall(thing[close], thing) end
  return thing
end
local function run(fn, expected)
  local task, problem, ticks = co.spawn(fn), nil, 0
  local function look_for_waits() -- of tasks whose wakers have had memory
    for _, left in ipairs(task.status ~= "failed" and co.tasks() or {}) do
      problem = problem or tostring(left) .. " waits in " .. tostring(left.waiting)
    end
  end
  timers.setInterval(function() -- what is told of may be what somebody waits for
    if told > 0 or task.status == "failed" then ticks = ticks + 1 end
    if ticks == 40 then
      starve(false)
      look_for_waits()
      for i = 1, #things do things[i]() end
      for _, left in ipairs(co.tasks()) do left:cancel() end
    end
  end, 5):unref()
  for _ = 1, 50 do
    local ok, err = pcall(net.run)
    if ok then break end
    told = told + 1
    if not no_memory(err) and err ~= expected then problem = tostring(err) end
  end
  starve(false)
  look_for_waits()
  for _, left in ipairs(co.tasks()) do left:cancel() end
  pcall(net.run)
  if core.alive() > 0 then problem = problem or "the loop is held" end
  return problem
end
local function connected()
  local server = own(net.createServer():listen(0, "127.0.0.1"), "close")
  local far
  server:on("connection", function(socket) far = own(socket, "destroy") server:close() end)
  if not server.listening then co.await(server, "listening") end
  local near = own(assert(co.connect(server:address().port, "127.0.0.1")), "destroy")
  while not far do co.yield() end
  return near, far
end
]]

local SEND = HEAD .. [[
return run(function()
  local near, far = connected()
  local big = ("x"):rep(3000)
  local ok = starved(near.send, near, "one,", big, "end")
  assert(near:send("next"))
  near:finish()
  local text = far:receive("all")
  assert(text == (ok and "one," .. big .. "end" or "") .. "next", #text .. " bytes")
  far:destroy()
end)
]]

local GIVE_BACK = HEAD .. [[
return run(function()
  local near, far = connected()
  local first, other = connected()
  local reader = co.spawn(near.receive, near)
  local crowd, cancelled = co.queue(), co.queue()
  for _ = 1, 300 do co.spawn(crowd.get, crowd) end
  other:on("data", function()
    for _ = 1, 300 do crowd:push(true) end
    timers.setImmediate(function()
      local ready = reader.status == "ready" -- else the system was late with its bytes
      if ready then starved(reader.cancel, reader) end
      cancelled:push(ready)
    end)
    other:destroy()
  end)
  co.sleep(2) -- until they all wait
  first:write("x")
  far:write("line\r\nmore\n")
  local was_ready = cancelled:get()
  reader:cancel()
  pcall(reader.await, reader)
  first:destroy()
  if not was_ready then
    near:destroy()
    return far:destroy()
  end
  assert(reader.status == "cancelled" or reader.status == "failed", reader.status)
  local text, err, rest = near:receive(10)
  if text then
    assert(text == "line\r\nmore", text)
  else
    assert(no_memory(err) and rest == "", err)
  end
  near:destroy()
  far:destroy()
end)
]]

local KEEPER = HEAD .. [[
return run(function()
  local ok, err = pcall(co.group, function(g)
    g:spawn(co.suspend, function() end)
    timers.setImmediate(function() starve(false) end)
    g:spawn(function()
      co.yield()
      starve(true)
      error("first", 0)
    end)
    co.suspend(function() end)
  end)
  assert(not ok and (err == "first" or no_memory(err)), err)
end, "first")
]]

local SPAWN = HEAD .. [[
return run(function()
  local ran, spawned = 0, 0
  co.group(function(g)
    for _ = 1, 3 do
      if starved(g.spawn, g, function() ran = ran + 1 end) then spawned = spawned + 1 end
    end
  end)
  assert(ran == spawned, "a child that was not spawned has run")
end)
]]

local SEVERAL = HEAD .. [[
return run(function()
  local task = start(function()
    return co.all { co.yield, function() co.yield() return 2 end, x = co.current }
  end)
  local ok, t = pcall(task.await, task)
  starve(false)
  if ok then
    assert(t[1] == true and t[2] == 2 and t.x, "a value is missing")
  else
    assert(no_memory(t), t)
  end
end)
]]

local MESSAGES = HEAD .. [[
return run(function()
  local kid = own(require("net.child").spawn("sleep", { "60" },
    { stdio = { "ignore", "ignore", "ignore", "ipc" } }), "kill")
  local reader = start(function() return kid:receive() end)
  co.yield()
  co.yield()
  reader:cancel()
  pcall(reader.await, reader)
  local message, err = co.timeout(1, kid.receive, kid)
  assert(message == nil and err.code == "ERR_TIMEOUT", err)
  kid:disconnect()
  kid:kill()
end)
]]

local QUEUE = HEAD .. [[
return run(function()
  local queue, n, took, count = co.queue(2), 0, { 0, 0, 0, 0, 0, 0, 0, 0 }, 0
  local function put(v) if starved(queue.push, queue, v) then n = n + 1 end end
  local function get()
    local ok, v = pcall(queue.get, queue)
    if ok and v then
      count = count + 1
      took[count] = v
    end
  end
  put(1)
  local putters = {}
  for i = 2, 4 do
    putters[i] = start(function() return queue:put(i) end)
    co.yield()
    co.yield()
    starve(false)
  end
  local gone = start(get)
  co.yield()
  co.yield()
  starve(false)
  for i = 2, 4 do
    co.timeout(1, get)
    co.timeout(1, get)
  end
  local put_by_now = n
  for i = 2, 4 do
    local ok, put = pcall(putters[i].await, putters[i])
    if ok and put then put_by_now = put_by_now + 1 end
  end
  pcall(gone.await, gone)
  assert(count + #queue == put_by_now, ("%d of %d"):format(count + #queue, put_by_now))
  for i = 2, count do assert(took[i] > took[i - 1], "out of order") end
end)
]]

local CLOSE = HEAD .. [[
return run(function()
  local queue = co.queue()
  local getter = co.spawn(queue.get, queue)
  co.yield()
  starved(queue.close, queue, "why")
  queue:close("why")
  local value, err = getter:await()
  assert(value == nil and err == "why", err)
end)
]]

local SEMAPHORE = HEAD .. [[
return run(function()
  local semaphore = co.semaphore()
  local first = semaphore:acquire()
  local ready = start(function()
    local held <close> = semaphore:acquire()
  end)
  co.yield()
  co.yield()
  starve(false)
  first:release()
  pcall(ready.await, ready)
  for _ = 1, 2 do
    local ok, held = starved(semaphore.acquire, semaphore)
    if ok then held:release() end
  end
  local held <close> = assert(co.timeout(100, semaphore.acquire, semaphore), "it stays taken")
end)
]]

local CONNECT = HEAD .. [[
return run(function()
  local server = own(co.listen(0), "close")
  local port, _, before = server:address().port, core.alive()
  local task = start(function() return co.connect(port, "127.0.0.1") end)
  local ok, socket = pcall(task.await, task)
  starve(false)
  if ok and socket then socket:destroy() end
  for _ = 1, 5 do co.yield() end
  local _, anchored = core.alive()
  server:close()
  assert(anchored <= before, "a socket is there still")
end)
]]

local SERVE = HEAD .. [[
return run(function()
  local server = own(co.listen(0, "127.0.0.1"), "close")
  local serving
  local function hello(socket) socket:send("hello") end
  starved(function() serving = server:serve(hello) end)
  serving = serving or server:serve(hello)
  server:once("connection", function()
    timers.setImmediate(function() starve(false) end)
    starve(true)
  end)
  for _ = 1, 2 do
    local socket = own(assert(co.connect(server:address().port, "127.0.0.1")), "destroy")
    socket:receive("all")
    starve(false)
    socket:destroy()
  end
  serving:cancel()
  pcall(serving.await, serving)
  assert(not server.listening, "it still listens")
end)
]]

local ROOM = HEAD .. [[
return run(function()
  local ran = 0
  local ok, err = pcall(co.group, { limit = 1 }, function(g)
    timers.setImmediate(function() starve(false) end)
    g:spawn(function()
      co.yield()
      starve(true)
    end)
    for _ = 1, 2 do
      g:spawn(function()
        ran = ran + 1
        co.yield()
      end)
    end
  end)
  assert(ok and ran == 2 or no_memory(err), err)
end)
]]

local FINISHED = HEAD .. [[
return run(function()
  local near, far = connected()
  local ending = co.spawn(co.finished, near)
  local piping = co.spawn(co.pipeline, far, near)
  co.yield()
  timers.setImmediate(function() starve(false) end)
  timers.setImmediate(function()
    starve(true)
    near:destroy()
  end)
  local ok, done = pcall(ending.await, ending)
  assert(ok and done or no_memory(done), done)
  local result = table.pack(pcall(piping.await, piping))
  assert(not result[1] and no_memory(result[2]) or result[3], "no error")
  far:destroy()
end)
]]

local INCOMING = HEAD .. [[
return run(function()
  local server, got = own(co.listen(0, "127.0.0.1"), "close"), 0
  local loop = co.spawn(function()
    for socket in server:incoming() do
      own(socket, "destroy")
      got = got + 1
      if got == 1 then starve(true) end
    end
  end)
  timers.setImmediate(function() starve(false) end)
  local first = own(assert(co.connect(server:address().port, "127.0.0.1")), "destroy")
  co.sleep(5)
  starve(false)
  local last = own(assert(co.connect(server:address().port, "127.0.0.1")), "destroy")
  timers.setImmediate(function()
    starve(true)
    local closes = pcall(server.close, server)
    starve(false)
    if not closes then pcall(server.close, server) end
  end)
  local ok, err = pcall(loop.await, loop)
  assert(ok or no_memory(err), err)
  first:destroy()
  last:destroy()
end)
]]

local VALUES = HEAD .. [[
return run(function()
  local go_on
  local task = co.spawn(function()
    return select("#", co.suspend(function(resume) go_on = resume end))
  end)
  co.yield()
  local began, counted = pcall(starved, go_on, 1, 2, 3, 4, 5, 6)
  starve(false)
  if not began or not counted then assert(go_on(1, 2, 3, 4, 5, 6)) end
  local ok, n = pcall(task.await, task)
  assert(ok and n == 6 or no_memory(n), n)
end)
]]

--- A call of co.run that is left by an error of another's, and its task, which fails later.
local LEFT = HEAD .. [[
local go_on, failed, heard, ticked
local ok, err = pcall(co.run, function()
  timers.setImmediate(function()
    starve(true)
    error("another's", 0)
  end)
  co.suspend(function(resume) go_on = resume end)
  failed = true
  error("its own", 0)
end)
starve(false)
assert(not ok and (err == "another's" or no_memory(err)), err)
if go_on then go_on() end
timers.setTimeout(function() ticked = true end, 1)
for _ = 1, 5 do
  local fine, why = pcall(net.run)
  if fine then break end
  heard = why
end
assert(ticked, "the next run was stopped")
assert(not failed or heard == "its own", "nobody heard of its error")
]]

describe("without memory, tasks:", function()
  local program = os.tmpname()
  local host

  setup(function()
    host = lua.compile("spec/support/starve.c", program)
  end)

  teardown(function()
    os.remove(program)
  end)

  local function promise(name, script)
    for what, length in pairs({ ["2 requests"] = 2, ["60 requests"] = 60 }) do
      it(("%s (%s refused) #slow"):format(name, what), function()
        if not host then
          return pending("no Lua library to link with")
        end
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write(script)
        file:close()
        local result = lua.run({ program = host, args = { path, length }, lifetime = LIFETIME })
        os.remove(path)
        assert.same({ code = 0, stdout = "the end\n", stderr = "" }, result)
      end)
    end
  end

  promise("a send of several strings is sent whole or not at all", SEND)
  promise("what was on its way to one who is cancelled comes back, or the socket fails", GIVE_BACK)
  promise("the error of a child ends its group, which raises", KEEPER)
  promise("a group waits for those children that have begun", SPAWN)
  promise("who waits for room in a group gets it, or the group raises", ROOM)
  promise("who waits for an end is told of it", FINISHED)
  promise("a loop over connections ends with its server", INCOMING)
  promise("who waits for values has them, or is told that they are lost", VALUES)
  promise("co.all raises, or has all values", SEVERAL)
  promise("who could not wait for a message is no reader", MESSAGES)
  promise("a queue neither loses nor makes items", QUEUE)
  promise("a queue that is closed wakes all", CLOSE)
  promise("a semaphore stays free", SEMAPHORE)
  promise("one whose co.run is over does not stop the next run, and its error is heard", LEFT)
  promise("a connection that nobody gets is closed", CONNECT)
  promise("a connection that nobody serves is closed", SERVE)
end)
