-- SPDX-License-Identifier: MIT

--- What the scenes of `make torture` with tasks share: a server's task, a client's, and where what
--- their calls return is told.

local scene = dofile("tools/torture/scene.lua")
local co = require("net.co")
local process = require("net.process")

local LINES, SIZE = 3, 9000
local line = scene.text(SIZE)

local M = { scene = scene, line = line }

process.noWarnings = true
process:on("warning", function(warning)
  if warning.name ~= "DeadlockWarning" then scene.told("not enough memory") end
end)

--- An error that a call has returned.
function M.told(err)
  if err ~= nil and err ~= co.EOF then scene.told(err) end
end

--- Gives back each line of a socket.
function M.echo(socket)
  scene.own(socket)
  for text in socket:lines() do
    local ok, err = socket:send(text, "\n")
    if not ok then return M.told(err) end
  end
end

--- Speaks to such a server by the socket that was connected, or tells why it was not.
function M.talk(socket, err)
  if not socket then return M.told(err) end
  scene.own(socket)
  for n = 1, LINES do
    local ok
    ok, err = socket:send(line:sub(1, 10), line:sub(11), "\n")
    if not ok then return M.told(err) end
    co.timeout(1, socket.receive, socket, SIZE * 2) -- takes nothing
    local text
    text, err = socket:receive("line")
    if not text then return M.told(err or "short") end
    if text ~= line then M.told(n .. " is another line") end
  end
  socket:finish()
  M.told(select(2, socket:receive("all")))
  socket:destroy()
end

return M
