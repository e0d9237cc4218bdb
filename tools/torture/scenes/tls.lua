-- An echo over TLS 1.3 and 1.2: with a client's certificate, by a name that has a context of
-- its own, and again with the session of the connection before.
local scene = dofile("tools/torture/scene.lua")
local tls, pems = dofile("tools/torture/tlsscene.lua").load()
local SIZE = 30000
local text = scene.text(SIZE)

local STEPS = {
  { name = "localhost", version = "TLSv1.3" },
  { name = "localhost", version = "TLSv1.3", again = true },
  { name = "other.example", version = "TLSv1.2" },
  { name = "other.example", version = "TLSv1.2", again = true },
}
local server, port, session, wrong

--- What holds when nothing has failed.
local function check(step, client)
  if victim == "none" and (client:getProtocol() ~= step.version
      or client:isSessionReused() ~= (step.again or false)
      or client:getPeerCertificate().subject.CN ~= step.name) then
    wrong = "another connection than was asked for: " .. step.name
  end
end

local function ask(i)
  local step = STEPS[i]
  if not step then
    return server.listening and server:close()
  end
  local client = scene.own(tls.connect({
    port = port, host = "127.0.0.1", servername = step.name, ca = pems.ca, cert = pems.client,
    key = pems.clientkey, minVersion = step.version, maxVersion = step.version,
    session = step.again and session or nil,
  }))
  scene.expect(client, SIZE)
  client:on("session", function(blob) session = blob end)
  client:on("secureConnect", function() check(step, client) end)
  client:on("close", function() ask(i + 1) end)
  client:write(text:sub(1, 10), scene.done)
  client:finish(text:sub(11), scene.done)
end

return scene.run(function()
  server = scene.own(tls.createServer({
    cert = pems.cert, key = pems.key, ca = pems.ca, requestCert = true,
  }))
  server:addContext("other.example", { cert = pems.other, key = pems.otherkey, ca = pems.ca })
  server:on("tlsClientError", scene.told)
  server:on("secureConnection", function(peer)
    scene.own(peer)
    scene.expect(peer, SIZE)
    if not peer.authorized then
      wrong = "a client without its certificate"
    end
    peer:on("data", function(chunk) peer:write(chunk, scene.done) end)
  end)
  server:listen(0, "127.0.0.1", function()
    port = scene.port(server)
    ask(1)
  end)
end) or wrong
