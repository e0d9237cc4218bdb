-- SPDX-License-Identifier: MIT
--
-- half_open.lua - tells the whole life of a server and its connections.
--
--     lua5.4 examples/half_open.lua [PORT [HOST]]
--     nc localhost 8050            # in one or two other terminals
--
-- The defaults are port 8050 of localhost. Connect, then press Ctrl-C here: the
-- server stops listening and ends its side of each connection, but a connection
-- is fully closed only when its client has ended, too (Ctrl-D in nc); when the
-- last one has, the server is shut down and the process exits by itself.
--
-- It is the same program as spec/data/half_open.js, and prints the same lines.
--
-- Shows: 'listening', 'connection', 'close', getConnections, the two halves of
-- a connection, an end without killing anybody.

local net = require("net")
local process = require("net.process")

io.stdout:setvbuf("line")

local port, host = ...
local sockets = {} -- the open ones, in the order in which they came

local server = net.createServer()

local function count_connections()
  server:getConnections(function(_, count)
    print("connection count: " .. count)
  end)
end

server:on("listening", function()
  local bound = server:address()
  print("server.listening: " .. tostring(server.listening))
  print(("listening on %s:%d"):format(bound.address, bound.port))
  count_connections()
end)

server:on("connection", function(socket)
  local peer = ("%s:%d"):format(socket.remoteAddress, socket.remotePort)
  sockets[#sockets + 1] = socket
  print("incoming connection: " .. peer)
  count_connections()

  socket:on("end", function()
    print(("rec FIN, half close(%s)"):format(peer))
  end)
  socket:on("close", function()
    print(("fully close(%s)"):format(peer))
    for i, other in ipairs(sockets) do
      if other == socket then
        table.remove(sockets, i)
        break
      end
    end
  end)
  socket:on("error", function(err)
    print(("%s(%s)"):format(err.message, peer))
  end)
end)

server:on("close", function()
  print("server shutdown")
end)

server:on("error", function(err)
  io.stderr:write("half_open: ", tostring(err), "\n")
  os.exit(1)
end)

process:once("SIGINT", function()
  print("server.close() called.")
  for _, socket in ipairs(sockets) do
    print(("connection end,  %s:%d"):format(socket.remoteAddress, socket.remotePort))
    socket:finish()
  end
  count_connections()
  server:close(function()
    print("server.close callback")
  end)
end)

print("server.listening: " .. tostring(server.listening))
server:listen(port or 8050, host or "localhost", 5, function()
  print("im test")
end)

net.run()
