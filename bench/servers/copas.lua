-- SPDX-License-Identifier: MIT

--- The bench's servers on copas: copas.lua SCENARIO ADDRESS. See net.lua.
--
-- Debian has copas below the folder of Lua 5.2; it is plain Lua and runs on
-- LuaSocket for 5.4. LuaSocket waits with select, so that only descriptors below
-- 1024 can be served.

package.path = arg[0]:match("^(.*)/") .. "/../lib/?.lua;" .. package.path ..
  ";/usr/share/lua/5.2/?.lua"

local copas = require("copas")
local socket = require("socket")
local stream = require("stream")

local scenario, address = arg[1], arg[2]
local is_path = address:find("/", 1, true)
local CHUNK = 65536 -- bytes: up to so many

--- What there is, or nil at the end.
local function receive(client)
  local chunk, err, part = client:receive(CHUNK)
  if chunk or (err == "timeout" and part ~= "") then
    return chunk or part
  end
end

local serve = {}

function serve.echo(client)
  for chunk in receive, client do
    if not client:send(chunk) then
      return
    end
  end
end

serve.connect = serve.echo
serve.timeout = serve.echo -- it takes what there is, which has no time limit there

local four = table.concat({ stream.four() })

--- As LuaSocket has no writev, its users join the pieces.
function serve.four(client)
  for _ in receive, client do
    client:send(four)
  end
end

function serve.sink(client)
  while receive(client) do end
end

serve.hold = serve.sink

local period = scenario == "source" and stream.period()

function serve.source(client)
  while client:send(period) do end
end

local function listen()
  if not is_path then
    return assert(socket.bind("127.0.0.1", 0, 511))
  end
  local server = require("socket.unix").stream()
  assert(server:bind(address))
  assert(server:listen(511))
  return server
end

local server = listen()
copas.addserver(server, function(raw)
  if not is_path and scenario ~= "connect" then
    raw:setoption("tcp-nodelay", true)
  end
  local client = copas.wrap(raw)
  client:settimeout(0) -- take what there is
  serve[scenario](client)
end)
stream.listening(not is_path and select(2, server:getsockname()))
copas.loop()
