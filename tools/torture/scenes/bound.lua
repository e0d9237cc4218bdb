-- Sockets that are bound first, and what is asked of them.
local scene = dofile("tools/torture/scene.lua")
local net = scene.net
local path = scene.path()

local problem = scene.run(function()
  local server = scene.own(net.createServer())
  server:on("connection", function(peer)
    scene.own(peer)
    if peer.remoteAddress and peer.remoteAddress ~= "127.0.0.1" then
      scene.told(peer.remoteAddress)
    end
    peer:setKeepAlive(true, 1000)
    peer:setTypeOfService(16)
    peer:finish("abc")
    server:close()
  end)
  server:listen(net.BoundSocket({ host = "127.0.0.1", port = 0 }))
  local bound = net.BoundSocket({ host = "127.0.0.1", port = 0 })
  local client = scene.own(net.Socket({ handle = bound, typeOfService = 16 }))
  scene.expect(client, 3)
  client:connect({ port = scene.port(server), host = "127.0.0.1", keepAlive = true })
  local other = net.createServer()
  other:on("connection", function(peer)
    scene.own(peer):destroy()
    other:close()
  end)
  scene.own(other):listen(net.BoundSocket({ path = path }))
  local second = scene.own(net.connect({ path = path }))
  second:resume()
end, collectgarbage)
collectgarbage()
if os.remove(path) and victim ~= "unlink" and victim ~= "lstat" then
  problem = problem or "the file is still there"
end
return problem
