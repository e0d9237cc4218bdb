-- The same over a Unix socket, whose file goes with the server.
local scene = dofile("tools/torture/scene.lua")
local net, SIZE = scene.net, 30000
local text, path = scene.text(SIZE), scene.path()

local problem = scene.run(function()
  local server = scene.own(net.createServer())
  server:on("connection", function(peer)
    scene.echo(peer)
    server:close()
  end)
  server:listen({ path = path, readableAll = true }, function()
    local client = scene.own(net.Socket())
    scene.expect(client, SIZE)
    client:connect(path)
    client:finish(text, scene.done)
  end)
end)
if os.remove(path) and victim ~= "unlink" and victim ~= "lstat" then
  problem = problem or "the file is still there"
end
return problem
