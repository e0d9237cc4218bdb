-- TLS whose server asks its program: the context for a name and a protocol, late, the status of a
-- certificate, and keys that both sides know. What the clients read is sent from a file and piped.
local scene = dofile("tools/torture/scene.lua")
local tls, pems = dofile("tools/torture/tlsscene.lua").load()
for _, name in ipairs({ "psk", "tasks" }) do require("net.internal.tls." .. name) end
local SIZE = 30000
local path = scene.path()
local server, shared, wrong, file

local function psk(side)
  side.ciphers = "PSK:TLS_AES_128_GCM_SHA256"
  side.ca = pems.ca
  side.checkServerIdentity = function() end
  return side
end

local function close(one)
  return one.listening and one:close()
end

--- A client that only reads.
local function ask(port, options, fn)
  options.port, options.host, options.ca = port, "127.0.0.1", pems.ca
  local client = scene.own(tls.connect(options))
  scene.expect(client, SIZE)
  client:on("secureConnect", function()
    if victim == "none" and client.alpnProtocol ~= (options.ALPNProtocols and "b" or false) then
      wrong = "another protocol"
    end
  end)
  client:on("OCSPResponse", function() end)
  client:on("close", fn)
end

local function ask_shared()
  ask(scene.port(shared), psk({
    pskCallback = function() return { psk = "a key", identity = "me" } end,
  }), function() close(shared) end)
end

return scene.run(function()
  file = assert(io.open(path, "w+b"))
  file:write(scene.text(SIZE))
  file:close()
  server = scene.own(tls.createServer({
    cert = pems.cert, key = pems.key, ca = pems.ca,
    SNICallback = function(_, done)
      scene.timers.setImmediate(function()
        local ok, context = pcall(tls.createSecureContext, {
          cert = pems.cert, key = pems.key, ca = pems.ca,
        })
        done(not ok and { code = "ECANCELED" } or nil, ok and context or nil)
      end)
    end,
    ALPNCallback = function() return "b" end,
  }))
  server:on("OCSPRequest", function(_, _, done) done(nil, "good") end)
  server:on("tlsClientError", scene.told)
  server:on("secureConnection", function(peer)
    scene.own(peer):resume()
    peer:sendFile(path, function(err)
      scene.done(err)
      peer:finish()
    end)
  end)
  shared = scene.own(tls.createServer(psk({ pskCallback = function() return "a key" end })))
  shared:on("tlsClientError", scene.told)
  shared:on("secureConnection", function(peer)
    scene.own(peer)
    local one, other = scene.net.duplexPair()
    scene.own(one):pipe(peer)
    peer:pipe(one)
    scene.own(other):resume()
    other:finish(scene.text(SIZE), scene.done)
    peer:on("close", function() one:destroy() other:destroy() end)
  end)
  shared:listen(0, "127.0.0.1")
  server:listen(0, "127.0.0.1", function()
    ask(scene.port(server), {
      servername = "localhost", ALPNProtocols = { "a", "b" }, requestOCSP = true,
    }, function()
      close(server)
      if shared.listening then ask_shared() end
    end)
  end)
end, function() os.remove(path) end) or wrong
