-- Tasks: a server that echoes lines, two clients, a queue, a semaphore, a group and a race,
-- timeouts, a generator and a cancel. What fails is told by a task's error; nobody is left
-- behind, no semaphore stays taken, no line comes twice.
local shared = dofile("tools/torture/taskscene.lua")
local co = require("net.co")
local scene, told = shared.scene, shared.told
local net = scene.net

local function client(port)
  shared.talk(co.connect(port, "127.0.0.1"))
end

local function hand_over()
  local queue, held = co.queue(1), co.semaphore()
  local put = co.spawn(function()
    for n = 1, 4 do queue:put(n) end
    queue:close()
  end)
  local last = 0
  for n in queue:items() do
    local _ <close> = held:acquire()
    if n ~= last + 1 then told("item " .. n) end
    last = n
  end
  put:await()
end

local function several()
  co.group(function(g)
    g:spawn(co.sleep, 1)
    for _ in co.generator(function()
      co.yield()
      coroutine.yield(1)
    end) do co.yield() end
  end)
  co.race { function() co.sleep(60000) end, co.yield }
  local waits = co.spawn(co.suspend, function() return function() end end)
  co.yield()
  waits:cancel()
  waits:await()
end

return scene.run(function()
  local server = scene.own(net.createServer())
  server:listen(0)
  server:serve(shared.echo, told)
  local port = scene.port(server)
  co.spawn(function()
    local ok, err = pcall(co.all, {
      function() client(port) return true end, function() client(port) return true end,
      hand_over, several,
    })
    if server.listening then server:close() end
    if not ok then error(err, 0) end
  end)
end, function()
  for _, task in ipairs(co.tasks()) do task:cancel() end
end)
