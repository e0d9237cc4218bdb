-- A name is looked up, and its addresses are tried one after the other.
local scene = dofile("tools/torture/scene.lua")
local net = scene.net
local dns = require("net.dns")

return scene.run(function()
  local server = scene.own(net.createServer())
  server:on("connection", function(peer)
    scene.own(peer):finish("abc")
    server:close()
  end)
  server:listen(0, function()
    local client = scene.own(net.connect({ port = scene.port(server), host = "localhost" }))
    client:on("error", function()
      if server.listening then
        server:close()
      end
    end)
    scene.expect(client, 3)
  end)
  dns.lookup("localhost", { all = true }, scene.done)
end)
