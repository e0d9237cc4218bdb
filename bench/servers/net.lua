-- SPDX-License-Identifier: MIT

--- The bench's servers on this module: net.lua SCENARIO ADDRESS
--
-- ADDRESS is 0 for a free port of 127.0.0.1, or a Unix path. Prints the port (0
-- for a path) once it listens, then serves until it is ended.

local net = require("net")

local scenario, address = arg[1], arg[2]
local PERIOD = 65521 -- bytes; as load.c and bare.c have it

--- One period of the stream that load.c expects.
local function make_period()
  local bytes = {}
  for i = 0, PERIOD - 1 do
    bytes[#bytes + 1] = string.char(i * 2654435761 >> 13 & 255)
  end
  return table.concat(bytes)
end

local serve = {}

function serve.echo(socket)
  socket:on("data", function(chunk)
    socket:write(chunk)
  end)
end

function serve.sink(socket)
  socket:on("data", function() end)
end

local period = scenario == "source" and make_period()

function serve.source(socket)
  local function fill()
    while socket:write(period) do end
  end
  socket:on("drain", fill)
  fill()
end

serve.connect = serve.echo

local server = net.createServer(function(socket)
  socket:on("error", function() end) -- the load's sockets just go away
  serve[scenario](socket)
end)

local is_path = address:find("/", 1, true)
server:listen(is_path and { path = address } or { port = 0, host = "127.0.0.1" }, function()
  io.write(is_path and 0 or server:address().port, "\n")
  io.flush()
end)
net.run()
