-- SPDX-License-Identifier: MIT
--
-- node_worker.lua - serves the connections that node_front.js, a program in Node, gives it.
--
-- Each line comes back in capitals; "who" tells which process it is. Not to be started by
-- itself: see node_front.js.
--
-- Shows: a child of Node in Lua, whose sockets come with messages; a socket that came is as
-- any other. The process ends when Node has disconnected, and the last connection is gone.

local net = require("net")
local process = require("net.process")

local MAX_LINE = 1024 -- bytes

if not process.connected then
  io.stderr:write("node_worker.lua is started by node_front.js\n")
  os.exit(1)
end

local function answer(line)
  if line == "who" then
    return ("process %d, in Lua"):format(process.pid)
  end
  return line:upper()
end

--- `about` is what Node has said of the connection; it is never nil, the socket may be, if
--- it was closed before it could be sent.
process:on("message", function(about, socket)
  if not socket then
    return
  end
  local rest = ""
  socket:setEncoding("utf8")
  socket:on("error", function() end) -- "close" follows
  socket:write(("hello %s, you are number %d\n"):format(about.from, about.number))
  socket:on("data", function(chunk)
    rest = rest .. chunk
    for line in rest:gmatch("([^\r\n]*)\r?\n") do
      socket:write(answer(line) .. "\n")
    end
    rest = rest:match("[^\n]*$")
    if #rest > MAX_LINE then
      socket:destroy()
    end
  end)
end)

net.run()
