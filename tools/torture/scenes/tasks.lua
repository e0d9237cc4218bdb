-- Tasks: a server that echoes lines, two clients, a queue, a semaphore, a group and a race,
-- timeouts, a generator and a cancel. What fails is told by a task's error; nobody is left
-- behind, no semaphore stays taken, no line comes twice.
local scene = dofile("tools/torture/scene.lua")
local co = require("net.co")
local net = scene.net
local LINES, SIZE = 3, 9000
local line = scene.text(SIZE)

require("net.process").noWarnings = true
local warned = require("net.process")
warned:on("warning", function(warning)
  if warning.name ~= "DeadlockWarning" then scene.told("not enough memory") end
end)

--- An error that a call has returned.
local function told(err)
  if err ~= nil and err ~= co.EOF then scene.told(err) end
end

local function echo(socket)
  scene.own(socket)
  for text in socket:lines() do
    local ok, err = socket:send(text, "\n")
    if not ok then return told(err) end
  end
end

local function client(port)
  local socket, err = co.connect(port, "127.0.0.1")
  if not socket then return told(err) end
  scene.own(socket)
  for n = 1, LINES do
    local ok
    ok, err = socket:send(line:sub(1, 10), line:sub(11), "\n")
    if not ok then return told(err) end
    co.timeout(1, socket.receive, socket, SIZE * 2) -- takes nothing
    local text
    text, err = socket:receive("line")
    if not text then return told(err or "short") end
    if text ~= line then told(n .. " is another line") end
  end
  socket:finish()
  told(select(2, socket:receive("all")))
  socket:destroy()
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
  server:serve(echo, function(err) told(err) end)
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
