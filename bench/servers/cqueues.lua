-- SPDX-License-Identifier: MIT

--- The bench's servers on cqueues: cqueues.lua SCENARIO ADDRESS. See net.lua.
--
-- A coroutine for each connection. Output is unbuffered ("n"), or each answer
-- would need a flush; in "four" it is fully buffered, and flushed once.

package.path = arg[0]:match("^(.*)/") .. "/../lib/?.lua;" .. package.path

local cqueues = require("cqueues")
local socket = require("cqueues.socket")
local stream = require("stream")

local scenario, address = arg[1], arg[2]
local is_path = address:find("/", 1, true)
local CHUNK = -65536 -- bytes: up to so many

local serve = {}

function serve.echo(client)
  for chunk in client:lines(CHUNK) do
    if not client:write(chunk) then
      return
    end
  end
end

serve.connect = serve.echo

local TIMEOUT = 60 -- s

function serve.timeout(client)
  client:settimeout(TIMEOUT)
  serve.echo(client)
end

function serve.deadline(client)
  local chunk = client:xread(CHUNK, nil, TIMEOUT)
  while chunk do
    client:write(chunk)
    chunk = client:xread(CHUNK, nil, TIMEOUT)
  end
end

local head, name, value, tail = stream.four()

function serve.four(client)
  client:setmode("b", "bf")
  while client:read(CHUNK) do
    client:write(head, name, value, tail)
    client:flush()
  end
end

function serve.sink(client)
  while client:read(CHUNK) do end
end

serve.hold = serve.sink

local period = scenario == "source" and stream.period()

function serve.source(client)
  while client:write(period) do end
end

local queue = cqueues.new()
local server = assert(socket.listen(is_path and { path = address } or
  { host = "127.0.0.1", port = 0, nodelay = scenario ~= "connect" }))
server:listen()

queue:wrap(function()
  for client in server:clients() do
    queue:wrap(function()
      client:onerror(function(_, _, code) return code end) -- told, not raised
      client:setmode("b", "bn")
      if scenario ~= "hold" then
        client:setbufsiz(65536, 65536)
      end
      serve[scenario](client)
      client:close()
    end)
  end
end)
stream.listening(not is_path and select(3, server:localname()))
assert(queue:loop())
