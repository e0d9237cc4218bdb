-- Connections that are refused, cut off, reset and connected again; timers and signals.
local scene = dofile("tools/torture/scene.lua")
local net, timers = scene.net, scene.timers
local process = require("net.process")

local function caught()
  process:off("SIGUSR1", caught)
end

return scene.run(function()
  local server = scene.own(net.createServer({ allowHalfOpen = true }))
  server:on("connection", function(peer)
    scene.own(peer, "ECONNRESET"):resume()
    peer:on("end", function() peer:finish() end)
  end)
  server:listen(0)
  local port = scene.port(server)
  local refused = scene.own(net.Socket(), "ECONNREFUSED")
  refused:connect(1, "127.0.0.1")
  refused:write("x", function() end)
  local cut = scene.own(net.connect(port, "127.0.0.1"))
  cut:on("connect", function()
    cut:write(("x"):rep(100000), function() end)
    cut:destroy()
  end)
  local reset = scene.own(net.connect(port, "127.0.0.1"))
  reset:on("connect", function() reset:resetAndDestroy() end)
  local half = scene.own(net.connect({ port = port, host = "127.0.0.1", allowHalfOpen = true }))
  half:setTimeout(2000)
  half:resume():finish("x", scene.done)
  half:on("close", function()
    if server.listening then
      server:close()
    end
  end)
  process:on("SIGUSR1", caught)
  timers.setTimeout(function()
    if process:listenerCount("SIGUSR1") > 0 then
      process.kill(process.pid, "SIGUSR1")
    end
  end, 1)
  timers.setImmediate(function() end)
end, function() process:removeAllListeners("SIGUSR1") end)
