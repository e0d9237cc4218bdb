-- SPDX-License-Identifier: MIT
--
-- tasks/http_server.lua - an HTTP/1.1 server with limits, timeouts and a clean end.
--
--     lua5.4 examples/tasks/http_server.lua [PORT [HOST]]
--     curl -i localhost:8080/some/path
--
-- Port 8080 of 127.0.0.1, if nothing else is said; port 0 takes a free one. Ctrl-C, or
-- SIGTERM, ends it: requests under way are answered, idle connections are ended, and what
-- is left after ten seconds is cut off.
--
-- Shows: serve, receive with a limit, keep-alive, an idle timeout, a graceful shutdown.

local co = require("net.co")
local net = require("net")
local process = require("net.process")

local HEAD_MAX = 8192 -- bytes of a line of the head
local HEADERS_MAX = 100 -- lines
local BODY_MAX = 1048576 -- bytes
local IDLE = 15000 -- milliseconds without traffic
local GRACE = 10000 -- milliseconds for what is under way at the end

io.stdout:setvbuf("line")

local port, host = ...
local draining = false
local idle = {} -- sockets between two requests, as keys

--- Reads the head of a request: method, target and headers; nil where there is none, and
--- nil and a status for one that is refused.
local function read_head(socket)
  local first, err = socket:receive("line", HEAD_MAX)
  if not first then
    return nil, err.code == "ERR_RECEIVE_TOO_LONG" and "431 Request Header Fields Too Large"
  end
  local method, target = first:match("^(%u+) (%S+) HTTP/1%.[01]$")
  if not method then
    return nil, "400 Bad Request"
  end
  local headers = {}
  for _ = 1, HEADERS_MAX do
    local line = socket:receive("line", HEAD_MAX)
    if line == "" then
      return { method = method, target = target, headers = headers }
    end
    local name, value = (line or ""):match("^([^:%s]+):%s*(.-)%s*$")
    if not name then
      return nil, line and "400 Bad Request"
    end
    headers[name:lower()] = value
  end
  return nil, "431 Request Header Fields Too Large"
end

local function respond(socket, status, body, keep)
  return socket:send("HTTP/1.1 ", status, "\r\nContent-Type: text/plain\r\nContent-Length: ",
    ("%d"):format(#body), "\r\nConnection: ", keep and "keep-alive" or "close", "\r\n\r\n", body)
end

--- The body of a request, or nil and a status.
local function read_body(socket, headers)
  local length = tonumber(headers["content-length"] or "0", 10)
  if headers["transfer-encoding"] then
    return nil, "501 Not Implemented"
  elseif not length or length > BODY_MAX then
    return nil, length and "413 Content Too Large" or "400 Bad Request"
  end
  return socket:receive(length)
end

--- One request: whether the connection goes on.
local function serve_one(socket)
  idle[socket] = true
  local request, status = read_head(socket)
  idle[socket] = nil
  if not request then
    if status then
      respond(socket, status, status .. "\n", false)
    end
    return false
  end
  local body
  body, status = read_body(socket, request.headers)
  if not body then
    if type(status) == "string" then
      respond(socket, status, status .. "\n", false)
    end
    return false
  end
  local keep = not draining and (request.headers.connection or ""):lower() ~= "close"
  return respond(socket, "200 OK", ("%s %s, %d bytes\n"):format(request.method, request.target,
    #body), keep) and keep
end

local function handle(socket)
  socket:setTimeout(IDLE)
  while serve_one(socket) do end
  idle[socket] = nil
end

co.run(function()
  local server = assert(co.listen(tonumber(port) or 8080, host or "127.0.0.1"))
  local bound = server:address()
  print(("listening on http://%s:%d"):format(bound.address, bound.port))
  local serving = server:serve(handle, function(err, socket)
    io.stderr:write(("%s: %s\n"):format(socket.remoteAddress or "?", tostring(err)))
  end)

  co.await(process, "SIGINT", "SIGTERM")
  print("closing")
  draining = true
  server:close()
  for socket in pairs(idle) do
    socket:destroySoon()
  end
  if not co.timeout(GRACE, serving) then
    serving:cancel()
  end
end)

net.run()
