-- SPDX-License-Identifier: MIT
--
-- echo_server.lua - sends every byte back to whom it came from.
--
--     lua5.4 examples/echo_server.lua [PORT [HOST]]
--     nc localhost 8007            # in another terminal: type lines, Ctrl-D ends
--
-- Without arguments it listens on port 8007 of all addresses; port 0 takes a
-- free one. Ctrl-C stops it; what is on its way back is still sent.
--
-- Shows: createServer, pipe, the error of one connection, a graceful end.

local net = require("net")
local process = require("net.process")

io.stdout:setvbuf("line") -- whoever reads us through a pipe sees each line at once

local port, host = ...
local sockets = {} -- the open ones, as keys

local function text(address, port_number)
  return (address:find(":") and "[%s]:%d" or "%s:%d"):format(address, port_number)
end

local server = net.createServer(function(socket)
  local peer = text(socket.remoteAddress, socket.remotePort)
  sockets[socket] = true
  print("connected: " .. peer)

  socket:on("error", function(err) -- 'close' follows; without this listener it is fatal
    print(("failed: %s: %s"):format(peer, err.message))
  end)
  socket:on("close", function()
    sockets[socket] = nil
    print(("closed: %s, %d bytes"):format(peer, socket.bytesRead))
  end)
  socket:pipe(socket) -- waits while the peer is slow, and ends when the peer does
end)

server:on("error", function(err)
  io.stderr:write("echo_server: ", tostring(err), "\n")
  os.exit(1)
end)

server:listen({ port = port or 8007, host = host }, function()
  local bound = server:address()
  print("listening on " .. text(bound.address, bound.port))
end)

process:once("SIGINT", function() -- once: a second Ctrl-C kills, as it does anywhere
  print("closing")
  server:close()
  for socket in pairs(sockets) do
    socket:unpipe():destroySoon()
  end
end)

net.run()
