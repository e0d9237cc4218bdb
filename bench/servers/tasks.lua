-- SPDX-License-Identifier: MIT

--- The bench's servers on this module's tasks: tasks.lua SCENARIO ADDRESS. See net.lua.
--
-- A task for each connection.

package.path = arg[0]:match("^(.*)/") .. "/../lib/?.lua;" .. package.path

local net = require("net")
local co = require("net.co")
local stream = require("stream")

local scenario, address = arg[1], arg[2]
local is_path = address:find("/", 1, true)
local TIMEOUT = 60000 -- ms

local serve = {}

function serve.echo(socket)
  for chunk in socket:chunks() do
    socket:send(chunk)
  end
end

serve.connect = serve.echo

--- Each wait is limited by the socket.
function serve.timeout(socket)
  socket:setTimeout(TIMEOUT)
  serve.echo(socket)
end

--- Each wait is limited by the task.
function serve.deadline(socket)
  local chunk = co.timeout(TIMEOUT, socket.receive, socket, "some")
  while chunk do
    socket:send(chunk)
    chunk = co.timeout(TIMEOUT, socket.receive, socket, "some")
  end
end

function serve.sink(socket)
  while socket:receive("some") do end
end

serve.hold = serve.sink

local server = net.createServer({ noDelay = scenario ~= "connect" })
server:listen(is_path and { path = address } or { port = 0, host = "127.0.0.1" }, function()
  stream.listening(not is_path and server:address().port)
end)
server:serve(serve[scenario])
net.run()
