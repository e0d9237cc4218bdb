-- SPDX-License-Identifier: MIT
--
-- hello.lua - what the programs of this folder serve: HTTP/1.1, and to everybody the same answer.
--
-- Not a program: web.lua and machine.lua require it. What matters here is how it ends. A
-- server that drains says `Connection: close` in its next answer, so that no client sends a
-- request into a connection that is about to end; a whole server of HTTP is
-- examples/http_hello.lua.

local process = require("net.process")

local MAX_HEAD = 16384 -- bytes
local IDLE = 30000 -- ms

local hello = {}

local function answer(server, socket, head)
  head = head:lower()
  local last = server.draining or head:find("\r\nconnection: *close") or head:find(" http/1%.0\r\n")
  local body = ("Hello %s, from %d\n"):format(socket.remoteAddress or "you", process.pid)
  socket:write(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n%s"):format(
    #body, last and "close" or "keep-alive", body))
  if last then
    socket:finish()
  end
end

--- Answers the requests of a connection, as they come.
local function serve(server, socket)
  local pending = ""
  socket:on("error", function() end) -- a client that is gone is no news
  socket:setTimeout(IDLE, function() socket:destroy() end)
  socket:on("data", function(chunk)
    pending = pending .. chunk
    for head in pending:gmatch("(.-\r\n)\r\n") do
      answer(server, socket, head)
    end
    pending = pending:match("^.*\r\n\r\n(.*)$") or pending
    if #pending > MAX_HEAD then
      socket:destroy()
    end
  end)
end

--- Has the server say hello to whoever connects.
---@param server net.Server
---@return net.Server server
function hello.to(server)
  return server:on("connection", function(socket) serve(server, socket) end)
end

return hello
