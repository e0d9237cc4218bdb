-- A file, between two texts.
local scene = dofile("tools/torture/scene.lua")
local net, SIZE = scene.net, 26 * 20000
local text, path = scene.text(SIZE), scene.path()
local file = io.open(path, "wb")
file:write(text)
file:close()

local problem = scene.run(function()
  local server = scene.own(net.createServer())
  server:on("connection", function(peer)
    scene.own(peer)
    server:close()
    peer:write(text:sub(1, 10))
    peer:sendFile(path, 10, SIZE - 36, scene.done)
    peer:finish(text:sub(-26))
  end)
  server:listen(0)
  scene.expect(scene.own(net.connect(scene.port(server), "127.0.0.1")), SIZE,
    victim == "open" or victim == "fstat")
end)
os.remove(path)
return problem
