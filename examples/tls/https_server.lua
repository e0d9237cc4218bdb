-- SPDX-License-Identifier: MIT
--
-- tls/https_server.lua - an HTTPS server, which takes renewed certificates while it serves.
--
--     lua5.4 examples/tls/https_server.lua CERT KEY [PORT [HOST]]
--     lua5.4 examples/tls/https_server.lua fullchain.pem privkey.pem
--     curl --cacert ca.pem -i https://localhost:8443/some/path
--
-- CERT and KEY are PEM files; CERT has the certificates between its own and the root behind it,
-- as Let's Encrypt's fullchain.pem does. Port 8443 of 127.0.0.1, if nothing else is said; port 0
-- takes a free one. SIGHUP reads both files anew: a file that is no good changes nothing. Ctrl-C,
-- or SIGTERM, ends it when the requests under way are answered.
--
-- Shows: serve over TLS, keep-alive, setSecureContext, who could not shake hands and why.

local co = require("net.co")
local process = require("net.process")
local tls = require("net.tls")

local HEAD_MAX = 8192 -- bytes of a request's head
local IDLE = 15000 -- milliseconds without traffic
local GRACE = 5000 -- milliseconds for what is under way at the end

io.stdout:setvbuf("line")

local function read(path)
  local file <close>, err = io.open(path, "rb")
  return file and file:read("a") or error(err, 0)
end

local function respond(socket, status, body, keep)
  return socket:send("HTTP/1.1 ", status, "\r\nContent-Type: text/plain\r\nContent-Length: ",
    ("%d"):format(#body), "\r\nConnection: ", keep and "keep-alive" or "close", "\r\n\r\n", body)
end

--- One request: whether the connection goes on.
local function serve_one(socket, server)
  local head, err = socket:receiveUntil("\r\n\r\n", HEAD_MAX)
  if not head then
    return err.code == "ERR_RECEIVE_TOO_LONG"
      and respond(socket, "431 Request Header Fields Too Large", "", false) and false
  end
  local method, target, minor = head:match("^(%u+) (%S+) HTTP/1%.([01])\r?\n?")
  if not method then
    return respond(socket, "400 Bad Request", "", false) and false
  elseif method ~= "GET" then -- others may have a body, which nobody here reads
    return respond(socket, "405 Method Not Allowed", "", false) and false
  end
  local wants_to_end = head:lower():find("\nconnection: *close")
  local keep = minor == "1" and not wants_to_end and not server.draining
  local text = ("hello, %s asks by %s for %s\n"):format(socket.remoteAddress,
    socket:getProtocol(), target)
  return respond(socket, "200 OK", text, keep) and keep
end

--- Has the server use what is in the files now. Clients that are there notice nothing.
local function reload(server, files)
  local ok, err = pcall(function() server:setSecureContext(files()) end)
  print(ok and "new certificates" or "still the old certificates: " .. tostring(err))
end

local function log(err, socket)
  io.stderr:write(("%s: %s\n"):format(socket.remoteAddress or "?", err.code or tostring(err)))
end

local function main(cert, key, port, host)
  if not key then
    error("which CERT and KEY?", 0)
  end
  local function files()
    return { cert = read(cert), key = read(key), ALPNProtocols = { "http/1.1", "http/1.0" } }
  end

  local server = tls.createServer(files())
  server.noDelay = true -- or an answer waits until the client acknowledges its tickets
  server:on("tlsClientError", log) -- no certificate that he trusts, plain HTTP, a scanner
  local serving = server:serve(function(socket)
    socket:setTimeout(IDLE)
    while serve_one(socket, server) do end
  end, log)
  server:listen(tonumber(port) or 8443, host or "127.0.0.1")
  assert(co.await(server, "listening"))
  process:on("SIGHUP", function() reload(server, files) end)
  print(("listening on https://%s:%d"):format(server:address().address, server:address().port))

  co.await(process, "SIGINT", "SIGTERM")
  print("closing")
  server:drain(GRACE)
  serving:await()
end

local ok, err = pcall(co.run, main, ...)
if not ok then
  io.stderr:write("https_server: ", tostring(err), "\n")
  os.exit(1)
end
