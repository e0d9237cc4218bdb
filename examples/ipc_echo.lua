-- SPDX-License-Identifier: MIT
--
-- ipc_echo.lua - an echo server and client on a Unix socket.
--
--     lua5.4 examples/ipc_echo.lua server [PATH]
--     lua5.4 examples/ipc_echo.lua client [PATH [TEXT]]
--     echo hello | socat - UNIX-CONNECT:/tmp/ipc_echo.sock
--
-- The default path is /tmp/ipc_echo.sock. Who may connect is up to the file's
-- mode, which your umask decides. The server removes the file when Ctrl-C stops
-- it; one that a crash left behind is replaced.
--
-- Shows: listening on and connecting to a path, a stale socket file, half-open
-- connections: the client ends first, and then hears the rest.

local net = require("net")
local process = require("net.process")

io.stdout:setvbuf("line")

local role, path, text = ...
path = path or "/tmp/ipc_echo.sock"

local function die(message)
  io.stderr:write("ipc_echo: ", tostring(message), "\n")
  os.exit(1)
end

--- Listens on `path`. A file that nobody answers at is what a crash has left:
--- it is removed, and listening tried again.
local function listen(server)
  server:once("error", function(err)
    if err.code ~= "EADDRINUSE" then
      die(err)
    end
    local probe = net.connect(path)
    probe:on("connect", function()
      die(path .. " is served by another process")
    end)
    probe:on("error", function(refused)
      if refused.code ~= "ECONNREFUSED" then
        die(refused)
      end
      print("removing what a crash left at " .. path)
      os.remove(path)
      listen(server)
    end)
  end)
  server:listen({ path = path })
end

local function serve()
  local sockets = {}
  local server = net.createServer({ allowHalfOpen = true }, function(socket)
    sockets[socket] = true
    socket:on("error", function(err)
      print("failed: " .. err.message)
    end)
    socket:on("close", function()
      sockets[socket] = nil
      print(("echoed %d bytes"):format(socket.bytesWritten))
    end)
    socket:pipe(socket)
  end)
  server:on("listening", function()
    print("listening on " .. server:address())
  end)
  listen(server)
  process:once("SIGINT", function()
    print("closing")
    server:close() -- this removes the file, too
    for socket in pairs(sockets) do
      socket:unpipe():destroySoon()
    end
  end)
end

local function talk()
  local socket = net.connect(path)
  local answer = {}
  socket:on("data", function(chunk)
    answer[#answer + 1] = chunk
  end)
  socket:on("end", function()
    print(table.concat(answer))
  end)
  socket:on("error", die)
  socket:finish(text or "hello over a Unix socket") -- sent once it is connected
end

if role == "server" then
  serve()
elseif role == "client" then
  talk()
else
  die("usage: ipc_echo.lua server [PATH] | client [PATH [TEXT]]")
end

net.run()
