-- A cluster of two workers, an echo, whose connections the primary accepts. One dies, and is
-- followed by another; then all leave.
local scene = dofile("tools/torture/scene.lua")
local cluster, net, SIZE = require("net.cluster"), scene.net, 3000
local text = scene.text(SIZE)

require("net.process").noWarnings = true

local function ask(port, done)
  local client = scene.own(net.Socket())
  scene.expect(client, SIZE)
  client:on("close", done)
  client:connect(port, "127.0.0.1")
  client:finish(text, scene.done)
end

local function fork()
  local worker = scene.start(cluster.fork)
  scene.own(worker.process)
  worker:on("error", scene.told)
  return worker
end

return scene.run(function()
  cluster:removeAllListeners()
  cluster.setupPrimary({
    exec = "tools/torture/programs/worker.lua", execPath = os.getenv("LUA") or "lua5.4",
  })
  local first = fork()
  local asked, port
  cluster:on("listening", function(worker, address)
    port = address.port
    if worker == first then
      ask(port, function()
        if first:isConnected() then
          first:send("die", scene.done)
        end
      end)
    elseif not asked then
      asked = true
      ask(port, function() cluster.disconnect() end)
    end
  end)
  cluster:on("exit", function(worker)
    if worker == first then
      fork()
    end
  end)
end)
