-- SPDX-License-Identifier: MIT

--- Connections of net.luasocket for its specs.

local co = require("net.co")
local socket = require("net.luasocket")
local support = require("spec.support.tasks")
local within = require("spec.support").within

local M = {}

--- Where a server is.
---@return string host
---@return string port
function M.address_of(server)
  local host, port = server:getsockname()
  return host, port
end

--- Runs `fn(client, peer, server, t)` with both ends of a connection, closed afterwards.
function M.connected(fn)
  return within(function(t)
    local server = assert(socket.bind("127.0.0.1", 0))
    local client = assert(socket.connect(M.address_of(server)))
    local peer = assert(server:accept())
    t.finally(function()
      client:close()
      peer:close()
      server:close()
    end)
    fn(client, peer, server, t)
    client:close()
    peer:close()
    server:close()
  end)
end

--- Runs `fn(client, peer, server, t)` in a task, with both ends of a connection; else as connected().
function M.connected_in_task(fn)
  return within(function(t)
    co.run(function()
      local server = assert(socket.bind("127.0.0.1", 0))
      local client = assert(socket.connect(M.address_of(server)))
      local peer = assert(server:accept())
      fn(client, peer, server, t)
      client:close()
      peer:close()
      server:close()
    end)
  end)
end

--- Writes until the kernel takes no more; returns how many bytes.
function M.stall(client)
  local data, sum = ("."):rep(1000000), 0
  client:settimeout(0)
  while true do
    local sent, _, last = client:send(data)
    sum = sum + (sent or last)
    if not sent then
      client:settimeout()
      return sum
    end
  end
end

--- What a method says of wrong arguments.
function M.complaint(fn, ...)
  return (tostring(support.raised(fn, ...)):gsub("^[^:]*:%d+: ", ""))
end

return M
