-- A server that another one takes over at a path, and a client that comes afterwards. A
-- service manager, who is not there, is told of both.
local scene = dofile("tools/torture/scene.lua")
local net, SIZE = scene.net, 3000
local DRAIN = 5 -- ms
local text, path = scene.text(SIZE), scene.path()
local process = require("net.process")
process.noWarnings = true -- the path's acceptor has nobody else to tell that it pauses

local problem = scene.run(function()
  local old = scene.own(net.createServer(scene.echo))
  old:listen(0, "127.0.0.1", function()
    old:handOver(path, { drain = DRAIN }, scene.done)
    local new = scene.own(net.takeOver(path, { timeout = 300 }, scene.echo))
    new:once("error", function()
      if old.listening then old:close() end
    end)
    new:once("listening", function()
      scene.done(select(2, process.notify({ ready = true })))
      local client = scene.own(net.Socket())
      scene.expect(client, SIZE)
      client:on("close", function()
        if new.listening then new:close() end
        if old.listening then old:close() end -- it has not heard of the acknowledgement
      end)
      client:connect(scene.port(new), "127.0.0.1")
      client:finish(text, scene.done)
    end)
  end)
end, function()
  mend()
  scene.timers.setTimeout(function() end, 2 * DRAIN) -- drain sees that the server has closed
end)
if os.remove(path) and victim ~= "unlink" and victim ~= "lstat" then
  problem = problem or "the file is still there"
end
return problem
