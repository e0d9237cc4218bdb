-- TLS over what is there: a socket that was plain until STARTTLS, TLS within that TLS, and the
-- two ends of net.duplexPair.
local scene = dofile("tools/torture/scene.lua")
local tls, pems = dofile("tools/torture/tlsscene.lua").load()
local net, SIZE = scene.net, 30000
local text = scene.text(SIZE)
local streams = { false, false }

local function over(stream)
  return scene.own(tls.connect({ socket = stream, servername = "localhost", ca = pems.ca }))
end

local function serve(stream)
  return scene.own(tls.TLSSocket(stream, { isServer = true, cert = pems.cert, key = pems.key }))
end

local function echo(peer)
  scene.expect(peer, SIZE)
  peer:on("data", function(chunk) peer:write(chunk, scene.done) end)
  peer:on("end", function() peer:finish() end)
end

local function ask(client)
  scene.expect(client, SIZE)
  client:write(text:sub(1, 10), scene.done)
  client:finish(text:sub(11), scene.done)
end

--- Calls `fn` once `socket` has said `word`, all of it.
local function on_word(socket, word, fn)
  local got = ""
  local function hear(chunk)
    got = got .. chunk
    if got == word then
      socket:off("data", hear)
      fn()
    end
  end
  socket:on("data", hear)
end

return scene.run(function()
  local server = scene.own(net.createServer())
  server:on("connection", function(peer)
    scene.own(peer)
    server:close()
    on_word(peer, "STARTTLS\n", function()
      peer:write("go\n", scene.done)
      echo(serve(serve(peer)))
    end)
  end)
  server:listen(0, "127.0.0.1", function()
    local client = scene.own(net.connect(scene.port(server), "127.0.0.1"))
    client:write("STARTTLS\n", scene.done)
    on_word(client, "go\n", function() ask(over(over(client))) end)
    streams[1], streams[2] = net.duplexPair()
    scene.own(streams[1])
    scene.own(streams[2])
    echo(serve(streams[2]))
    ask(over(streams[1]))
  end)
end, function()
  for _, stream in ipairs(streams) do
    if stream then stream:destroy() end
  end
end)
