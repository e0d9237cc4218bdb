-- SPDX-License-Identifier: MIT
--
-- echo_client.lua - sends lines to an echo server, and checks what comes back.
--
--     lua5.4 examples/echo_server.lua                # in another terminal
--     lua5.4 examples/echo_client.lua [PORT [HOST [LINE...]]]
--
-- Without arguments it talks to port 8007 of localhost. It exits with 0 if each
-- line came back as it was sent.
--
-- Shows: connect, writing, cutting the byte stream into lines (a chunk is
-- whatever the network made of it), an idle timeout, finish.

local net = require("net")

io.stdout:setvbuf("line")

local PATIENCE = 5000 -- ms

local port, host = ...
local lines = { select(3, ...) }
if #lines == 0 then
  lines = { "hello", "how are you?", "good bye" }
end

local sent, returned = 0, 0
local failure

local socket = net.connect({ port = port or 8007, host = host })

local function send_next()
  if sent == #lines then
    socket:finish() -- nothing more from us; the server ends in turn
    return
  end
  sent = sent + 1
  print("> " .. lines[sent])
  socket:write(lines[sent] .. "\n")
end

local function receive(line)
  print("< " .. line)
  returned = returned + 1
  if line ~= lines[returned] then
    socket:destroy(("line %d came back changed"):format(returned))
    return
  end
  send_next()
end

socket:on("connect", function()
  local address = socket.remoteAddress
  print((address:find(":") and "connected to [%s]:%d" or "connected to %s:%d"):format(
    address, socket.remotePort))
  send_next()
end)

local rest = "" -- an unfinished line
socket:on("data", function(chunk)
  rest = rest .. chunk
  local stop = rest:find("\n", 1, true)
  while stop do
    receive(rest:sub(1, stop - 1))
    rest = rest:sub(stop + 1)
    stop = rest:find("\n", 1, true)
  end
end)

socket:setTimeout(PATIENCE, function()
  socket:destroy(("nothing came for %d ms"):format(PATIENCE))
end)

socket:on("error", function(err)
  failure = tostring(err)
end)

socket:on("close", function()
  if not failure and returned < #lines then
    failure = "the server hung up"
  end
end)

net.run()

if failure then
  io.stderr:write("echo_client: ", failure, "\n")
  os.exit(1)
end
print(("%d lines came back"):format(returned))
