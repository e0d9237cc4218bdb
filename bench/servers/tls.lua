-- SPDX-License-Identifier: MIT

--- The bench's servers on net.tls: tls.lua SCENARIO 0 PEM
--
-- PEM is a file with a key and a certificate. See net.lua.

package.path = arg[0]:match("^(.*)/") .. "/../lib/?.lua;" .. package.path

local net, tls = require("net"), require("net.tls")
local stream = require("stream")

local scenario, file = arg[1], assert(io.open(arg[3]))
local pem = file:read("a")
file:close()

local function ignore() end

local serve = { handshake = function(socket) socket:resume() end }

serve.hold = serve.handshake

function serve.echo(socket)
  socket:on("data", function(chunk)
    socket:write(chunk)
  end)
end

function serve.sink(socket)
  socket:on("data", ignore)
end

local period = scenario == "source" and stream.period()

function serve.source(socket)
  local function fill()
    while socket:write(period) do end
  end
  socket:on("drain", fill)
  fill()
end

local server = tls.createServer({ key = pem, cert = pem, noDelay = true }, function(socket)
  socket:on("error", ignore) -- the load's sockets just go away
  serve[scenario](socket)
end)

server:listen({ port = 0, host = "127.0.0.1" }, function()
  stream.listening(server:address().port)
end)
net.run()
