-- SPDX-License-Identifier: MIT

--- The bench's servers on this module: net.lua SCENARIO ADDRESS [UPSTREAM]
--
-- ADDRESS is 0 for a free port of 127.0.0.1, or a Unix path; UPSTREAM, for
-- "proxy", a port. Prints the port (0 for a path) once it listens, then serves
-- until it is ended. The other files here do the same with what they are named
-- after, each as its own users would write it.

package.path = arg[0]:match("^(.*)/") .. "/../lib/?.lua;" .. package.path

local net = require("net")
local stream = require("stream")

local scenario, address, upstream = arg[1], arg[2], tonumber(arg[3])

local serve = {}

function serve.echo(socket)
  socket:on("data", function(chunk)
    socket:write(chunk)
  end)
end

serve.connect = serve.echo

local head, name, value, tail = stream.four()

function serve.four(socket)
  socket:on("data", function()
    socket:write(head)
    socket:write(name)
    socket:write(value)
    socket:write(tail)
  end)
end

local function ignore() end

function serve.sink(socket)
  socket:on("data", ignore)
end

serve.hold = serve.sink

local period = scenario == "source" and stream.period()

function serve.source(socket)
  local function fill()
    while socket:write(period) do end
  end
  socket:on("drain", fill)
  fill()
end

function serve.timeout(socket)
  socket:setTimeout(60000)
  socket:on("timeout", function() socket:destroy() end)
  serve.echo(socket)
end

function serve.proxy(socket)
  local peer = net.connect({ port = upstream, host = "127.0.0.1", noDelay = true })
  peer:on("error", function() socket:destroy() end)
  socket:pipe(peer)
  peer:pipe(socket)
end

-- Four small writes need no noDelay here: they leave together.
local no_delay = scenario ~= "four" and scenario ~= "connect"
local server = net.createServer({ noDelay = no_delay }, function(socket)
  if scenario ~= "hold" then
    socket:on("error", ignore) -- the load's sockets just go away
  end
  serve[scenario](socket)
end)

local is_path = address:find("/", 1, true)
server:listen(is_path and { path = address } or { port = 0, host = "127.0.0.1" }, function()
  stream.listening(not is_path and server:address().port)
end)
net.run()
