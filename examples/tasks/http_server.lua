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
local process = require("net.process")

local HEAD_MAX = 8192 -- bytes of a line of the head
local HEADERS_MAX = 100 -- lines
local BODY_MAX = 1048576 -- bytes
local IDLE = 15000 -- milliseconds without traffic
local GRACE = 10000 -- milliseconds for what is under way at the end

local BAD, TOO_LONG = "400 Bad Request", "431 Request Header Fields Too Large"

io.stdout:setvbuf("line")

local draining = false
local idle = {} -- sockets between two requests, as keys

--- The headers, up to the empty line; nil where the client has gone, and nil and a status where
--- they are refused.
local function read_headers(socket)
  local headers = {}
  for _ = 0, HEADERS_MAX do
    local line, err = socket:receive("line", HEAD_MAX)
    if line == "" then
      return headers
    elseif not line then
      return nil, err.code == "ERR_RECEIVE_TOO_LONG" and TOO_LONG or nil
    end
    local name, value = line:match("^([^:%s]+):%s*(.-)%s*$")
    if not name then
      return nil, BAD
    end
    headers[name:lower()] = value
  end
  return nil, TOO_LONG
end

--- A request without its body; nil, or nil and a status, as above.
local function read_head(socket)
  idle[socket] = true
  local first, err = socket:receive("line", HEAD_MAX)
  idle[socket] = nil
  if not first then
    return nil, err.code == "ERR_RECEIVE_TOO_LONG" and TOO_LONG or nil
  end
  local method, target, minor = first:match("^(%u+) (%S+) HTTP/1%.([01])$")
  if not method then
    return nil, BAD
  end
  local headers, status = read_headers(socket)
  if not headers then
    return nil, status
  end
  local connection = (headers.connection or ""):lower()
  local keep = connection ~= "close" and (minor == "1" or connection == "keep-alive")
  return { method = method, target = target, headers = headers, keep = keep }
end

--- The body of a request; nil, or nil and a status, as above.
local function read_body(socket, headers)
  local length = headers["content-length"] or "0"
  if headers["transfer-encoding"] then
    return nil, "501 Not Implemented"
  elseif not length:find("^%d+$") then
    return nil, BAD
  elseif #length > 9 or tonumber(length) > BODY_MAX then
    return nil, "413 Content Too Large"
  elseif (headers.expect or ""):lower() == "100-continue" then
    socket:send("HTTP/1.1 100 Continue\r\n\r\n")
  end
  return (socket:receive(tonumber(length)))
end

local function respond(socket, status, body, request)
  return socket:send("HTTP/1.1 ", status, "\r\nContent-Type: text/plain\r\nContent-Length: ",
    ("%d"):format(#body), "\r\nConnection: ", request.keep and "keep-alive" or "close",
    "\r\n\r\n", request.method ~= "HEAD" and body or "")
end

--- One request: whether the connection goes on.
local function serve_one(socket)
  local body
  local request, status = read_head(socket)
  if request then
    body, status = read_body(socket, request.headers)
  end
  if not body then -- without a status nobody is there to hear one
    return status and respond(socket, status, status .. "\n", {}) and false
  end
  request.keep = request.keep and not draining
  local text = ("%s %s, %d bytes\n"):format(request.method, request.target, #body)
  return respond(socket, "200 OK", text, request) and request.keep
end

local function handle(socket)
  socket:setTimeout(IDLE)
  while serve_one(socket) do end
end

co.run(function(port, host)
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
end, ...)
