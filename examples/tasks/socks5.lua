-- SPDX-License-Identifier: MIT
--
-- tasks/socks5.lua - a SOCKS5 proxy (RFC 1928) without authentication, for CONNECT.
--
--     lua5.4 examples/tasks/socks5.lua [PORT]
--     curl --socks5-hostname localhost:1080 http://localhost:8080/
--
-- Port 1080 of 127.0.0.1, if nothing else is said. Ctrl-C ends it.
--
-- Shows: a binary protocol by receive(n), a deadline for a handshake, two directions with a
-- half-close in each (co.pipeline).

local co = require("net.co")
local net = require("net")
local process = require("net.process")

local HANDSHAKE = 10000 -- milliseconds
local VERSION, NO_AUTHENTICATION, CONNECT = 5, 0, 1
local OK, FAILED, REFUSED, NOT_SUPPORTED, NO_SUCH_TYPE = 0, 1, 5, 7, 8

io.stdout:setvbuf("line")

--- So many bytes, or an error that ends this connection.
local function take(socket, n)
  local bytes, err = socket:receive(n)
  if not bytes then
    error(err, 0)
  end
  return bytes
end

local function reply(socket, code)
  socket:send(string.char(VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0))
end

--- Host and port that are asked for; nil where they are not.
local function read_request(socket)
  local version, methods = take(socket, 2):byte(1, 2)
  if version ~= VERSION then
    return nil
  end
  if not take(socket, methods):find("\0", 1, true) then
    socket:send("\5\255")
    return nil
  end
  socket:send(string.char(VERSION, NO_AUTHENTICATION))
  local _, command, _, kind = take(socket, 4):byte(1, 4)
  local host
  if kind == 1 then
    host = ("%d.%d.%d.%d"):format(take(socket, 4):byte(1, 4))
  elseif kind == 3 then
    host = take(socket, take(socket, 1):byte())
  elseif kind == 4 then
    host = (("%02x%02x:"):rep(8):format(take(socket, 16):byte(1, 16))):sub(1, -2)
  else
    reply(socket, NO_SUCH_TYPE)
    return nil
  end
  local port = string.unpack(">I2", take(socket, 2))
  if command ~= CONNECT then
    reply(socket, NOT_SUPPORTED)
    return nil
  end
  return host, port
end

--- What a failure to connect is called in the protocol.
local function code_of(err)
  return err.code == "ECONNREFUSED" and REFUSED or FAILED
end

local function handle(client)
  local host, port = co.timeout(HANDSHAKE, read_request, client)
  if not host then
    return
  end
  local upstream <close>, err = co.connect({ host = host, port = port, allowHalfOpen = true })
  if not upstream then
    return reply(client, code_of(err))
  end
  reply(client, OK)
  co.all({
    function() return co.pipeline(client, upstream) end,
    function() return co.pipeline(upstream, client) end,
  })
end

co.run(function(port)
  local server = net.createServer({ allowHalfOpen = true })
  server:listen(tonumber(port) or 1080, "127.0.0.1", function()
    print("listening on 127.0.0.1:" .. server:address().port)
  end)
  local serving = server:serve(handle)
  co.await(process, "SIGINT")
  serving:cancel()
  serving:await()
end, ...)
