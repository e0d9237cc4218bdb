-- The same behind a proxy, whose header comes in two pieces; and somebody who has none.
local scene = dofile("tools/torture/scene.lua")
local net, SIZE = scene.net, 30000
local text = scene.text(SIZE)

return scene.run(function()
  local server = scene.own(net.createServer({ proxyProtocol = { timeout = 200 } }))
  server:on("proxyError", function(err, remains)
    scene.own(remains)
    if err.code ~= "ERR_PROXY_PROTOCOL_INVALID" and remains.remoteAddress == nil then
      error("nobody knows who that was")
    end
    if server.listening then
      server:close()
    end
  end)
  server:on("connection", function(peer)
    scene.echo(peer)
    if peer.remoteAddress ~= "192.0.2.1" then
      error("that is not the client")
    end
    server:close()
  end)
  server:listen(0, "127.0.0.1", function()
    local client = scene.own(net.Socket())
    scene.expect(client, SIZE)
    client:connect(scene.port(server), "127.0.0.1", function()
      client:write("PROXY TCP4 192.0.2.1 192.0.2.", function()
        client:write("2 1000 443\r\n" .. text, scene.done)
        client:finish()
      end)
    end)
  end)
end)
