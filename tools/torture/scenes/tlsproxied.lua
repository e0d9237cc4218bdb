-- TLS behind a proxy, whose header comes in two pieces; and beside it somebody who has no header,
-- somebody who has one and no TLS, and somebody whom the server blocks.
local scene = dofile("tools/torture/scene.lua")
local tls, pems = dofile("tools/torture/tlsscene.lua").load()
local net, SIZE = scene.net, 30000
local text = scene.text(SIZE)
local server, wrong

local PLAIN = "GET / HTTP/1.1\r\n\r\n"
local HEADER = "PROXY TCP4 192.0.2.%d 192.0.2.9 1000 443\r\n"

local function close()
  if server.listening then
    server:close()
  end
end

--- Connects, and says these pieces, one after the other; then `fn(socket)` is called.
local function dial(pieces, fn)
  local port = scene.port(server) -- it may have closed
  local socket = scene.own(net.Socket(), "ECONNRESET")
  local function say(i)
    if i > #pieces then
      return fn(socket)
    end
    socket:write(pieces[i], function(err)
      scene.done(err)
      if not err then
        say(i + 1)
      end
    end)
  end
  socket:connect(port, "127.0.0.1", function() say(1) end)
  return socket
end

local function ask(socket)
  local client = scene.own(tls.connect({ socket = socket, servername = "localhost", ca = pems.ca }))
  scene.expect(client, SIZE)
  client:on("close", close)
  client:write(text:sub(1, 10), scene.done)
  client:finish(text:sub(11), scene.done)
end

--- None of them is told of anything; the last one begins the echo when it has gone.
local function visit(strangers, i)
  if not strangers[i] then
    local header = HEADER:format(1)
    dial({ header:sub(1, 20), header:sub(21) }, ask):on("close", close)
    return
  end
  local socket = dial({ strangers[i] }, function(socket) socket:finish() end)
  socket:resume()
  socket:on("close", function() visit(strangers, i + 1) end)
end

return scene.run(function()
  local list = net.BlockList()
  list:addAddress("192.0.2.66")
  server = scene.own(tls.createServer({
    cert = pems.cert, key = pems.key, blockList = list, proxyProtocol = { timeout = 200 },
    handshakeTimeout = 1000,
  }))
  server:on("proxyError", function(_, remains) scene.own(remains) end)
  server:on("tlsClientError", function(err, socket)
    scene.own(socket)
    if err.code ~= "ERR_SSL_HTTP_REQUEST" then -- who has no TLS
      scene.told(err)
    end
  end)
  server:on("secureConnection", function(peer)
    scene.own(peer)
    scene.expect(peer, SIZE)
    if peer.remoteAddress ~= "192.0.2.1" then
      wrong = "that is not the client"
    end
    peer:on("data", function(chunk) peer:write(chunk, scene.done) end)
  end)
  server:listen(0, "127.0.0.1", function()
    visit({ PLAIN, HEADER:format(1) .. PLAIN, HEADER:format(66) }, 1)
  end)
end) or wrong
