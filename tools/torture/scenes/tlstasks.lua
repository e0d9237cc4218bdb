-- TLS in tasks: a server that serves lines, a client of each version and again with the session of
-- one, another that is cancelled amid its handshake, and one of LuaSec's. What fails is
-- told by the error that a call gives; nobody is left behind.
local shared = dofile("tools/torture/taskscene.lua")
local co = require("net.co")
local tls, pems = dofile("tools/torture/tlsscene.lua").load()
require("net.internal.tls.tasks")
local luasec, plain = require("net.luasec"), require("net.luasocket")
local scene, told, line = shared.scene, shared.told, shared.line
local session, wrong, secured

local function connect(port, version)
  local client, err = tls.co.connect({
    port = port, host = "127.0.0.1", servername = "localhost", ca = pems.ca, minVersion = version,
    maxVersion = version, session = session,
  })
  return client and client:on("session", function(blob) session = blob end), err
end

--- A handshake that is ended by who began it.
local function give_up(port)
  local waits = co.spawn(function() shared.talk(connect(port)) end)
  co.yield()
  waits:cancel()
  waits:await()
end

--- LuaSec gives words.
local function check(ok, err)
  if not ok then scene.told({ code = "ECANCELED", message = err }) end
  return ok
end

local function talk_as_luasec(port)
  local tcp = plain.tcp()
  secured = tcp
  if not check(tcp:connect("127.0.0.1", port)) then return end
  local wrapped = check(luasec.wrap(tcp, { mode = "client", protocol = "tlsv1_2" }))
  if not wrapped then return end
  secured = wrapped
  if check(wrapped:dohandshake()) and check(wrapped:send(line .. "\n")) then
    local text = check(wrapped:receive("*l"))
    if text and text ~= line then wrong = "another line came to LuaSec" end
  end
  wrapped:close()
end

return scene.run(function()
  local server = scene.own(tls.createServer({ cert = pems.cert, key = pems.key }))
  server:on("tlsClientError", function(err)
    if err.code ~= "ECONNRESET" then scene.told(err) end -- that of the client that was cancelled
  end)
  server:listen(0)
  server:serve(shared.echo, told)
  local port = scene.port(server)
  co.spawn(function()
    local ok, err = pcall(function()
      shared.talk(connect(port, "TLSv1.2"))
      shared.talk(connect(port, "TLSv1.2"))
      session = nil
      shared.talk(connect(port, "TLSv1.3"))
      give_up(port)
      talk_as_luasec(port)
    end)
    if secured then secured:close() end
    if server.listening then server:close() end
    if not ok then error(err, 0) end
  end)
end, function()
  for _, task in ipairs(co.tasks()) do task:cancel() end
  if secured then secured:close() end
end) or wrong
