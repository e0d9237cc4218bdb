-- SPDX-License-Identifier: MIT

--- An address that lets nobody in: a server in a process of its own, which
--- listens, never accepts, and whose queue is full. A TCP connect to it hangs; a
--- Unix one fails with EAGAIN.

local net = require("net")
local process = require("spec.support.process")

local M = {}

local PROGRAM = [[
  local net = require("net")
  local tcp, unix = net.createServer(), net.createServer()
  tcp:listen({ port = 0, host = "127.0.0.1", backlog = 1 }, function()
    unix:listen({ path = assert(arg[1]), backlog = 1 }, function()
      io.write(tcp:address().port, "\n")
      io.flush()
      os.execute("mkfifo " .. arg[2])
      io.open(arg[2]) -- waits for a writer who never comes
    end)
  end)
  net.run()
]]

--- Takes a place in the queue, which stays taken.
local function fill(...)
  local filler = net.connect(...)
  filler:on("connect", function() filler:destroy() end)
  net.run()
end

--- Opens one for as long as the spec runs.
---@param t table what `within` gives
---@return integer port on 127.0.0.1
---@return string path of the Unix socket
function M.open(t)
  local script, path, fifo = t.tmpname(".lua"), t.tmpname(".sock"), t.tmpname(".fifo")
  local f = assert(io.open(script, "w"))
  f:write(PROGRAM)
  f:close()
  local child = process.spawn(process.lua(script, path, fifo))
  t.finally(function() child:kill() end)
  local port = math.tointeger(child:expect("^(%d+)$"))
  for _ = 1, 2 do -- the kernel keeps one more than the backlog
    fill(port, "127.0.0.1")
    fill(path)
  end
  return port, path
end

return M
