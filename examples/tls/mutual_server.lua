-- SPDX-License-Identifier: MIT
--
-- tls/mutual_server.lua - serves only who has a certificate of our own authority.
--
--     lua5.4 examples/tls/mutual_server.lua CA CERT KEY [PORT]
--     lua5.4 examples/tls/mutual_client.lua CA ann.pem ann.key localhost:8443 'hello'
--
-- CA is the authority that has issued the clients' certificates; docs/guide/tls.md tells how to
-- make one. Port 8443 of 127.0.0.1, if nothing else is said; port 0 takes a free one. Ctrl-C
-- ends it.
--
-- Shows: requestCert; who a client is, by its certificate; whom the handshake has refused.

local co = require("net.co")
local process = require("net.process")
local tls = require("net.tls")

local IDLE = 60000 -- milliseconds
local LINE_MAX = 1000 -- bytes

io.stdout:setvbuf("line")

local function read(path)
  local file <close>, err = io.open(path, "rb")
  return file and file:read("a") or error(err, 0)
end

--- Whoever gets here has shown a certificate of the authority, and that he has its key.
local function handle(socket)
  socket:setTimeout(IDLE)
  local name = socket:getPeerCertificate().subject.CN
  print(("%s is %s"):format(socket.remoteAddress, name))
  for line in socket:lines(LINE_MAX) do
    socket:send(name, " says ", line, "\n")
  end
end

local function log(err, socket)
  io.stderr:write(("%s: %s\n"):format(socket.remoteAddress or "?", err.code or tostring(err)))
end

local function main(ca, cert, key, port)
  if not key then
    error("which CA, CERT and KEY?", 0)
  end
  local server = tls.createServer({
    ca = read(ca), cert = read(cert), key = read(key), requestCert = true,
    noDelay = true, -- or an answer waits until the client acknowledges its tickets
  })
  server:on("tlsClientError", log) -- none, a stranger's, an old one
  local serving = server:serve(handle, log)
  server:listen(tonumber(port) or 8443, "127.0.0.1")
  assert(co.await(server, "listening"))
  print("listening on 127.0.0.1:" .. server:address().port)
  co.await(process, "SIGINT")
  serving:cancel()
  serving:await()
end

local ok, err = pcall(co.run, main, ...)
if not ok then
  io.stderr:write("mutual_server: ", tostring(err), "\n")
  os.exit(1)
end
