-- SPDX-License-Identifier: MIT
--
-- http_hello.lua - a small HTTP/1.1 server that says hello.
--
--     lua5.4 examples/http_hello.lua [PORT [HOST]]
--     curl -i http://localhost:8080/
--     wrk -c 100 http://localhost:8080/
--
-- The defaults are port 8080 of all addresses; port 0 takes a free one. Ctrl-C
-- stops listening and ends the connections.
--
-- Keep-alive, pipelined requests, Connection: close, HTTP/1.0, HEAD, bodies
-- (read over), and the answers 400, 405, 408, 411, 431 and 505.
--
-- Shows: a protocol parsed from a byte stream that is cut anywhere, all answers
-- to one chunk sent by one write, backpressure for clients that ask and do not
-- read, idle timeouts.

local net = require("net")
local process = require("net.process")

io.stdout:setvbuf("line")

local MAX_HEAD = 16 * 1024 -- bytes of a request line and its headers
local MAX_BODY = 1 << 20 -- bytes
local IDLE = 30000 -- ms without a byte
local BODY = "Hello, world!\n"

local port, host = ...
local sockets = {}

local REASONS = {
  [200] = "OK",
  [400] = "Bad Request",
  [405] = "Method Not Allowed",
  [408] = "Request Timeout",
  [411] = "Length Required",
  [413] = "Content Too Large",
  [431] = "Request Header Fields Too Large",
  [505] = "HTTP Version Not Supported",
}

-- Requests

--- Reads the headers into a table with lower-case names; values of a repeated
--- one are joined by commas. Nil if a line is no header.
local function parse_headers(text)
  local headers = {}
  for line in text:gmatch("([^\n]*)\n") do
    local name, value = line:match("^([%w!#$%%&'*+.^_`|~-]+):[ \t]*([^%c]-)[ \t]*\r?$")
    if not name then
      return nil
    end
    name = name:lower()
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  return headers
end

--- The length of the body that follows, or nil and the status to refuse it with.
local function body_length(headers)
  if headers["transfer-encoding"] then
    return nil, 411 -- we read no chunked bodies
  end
  local text = headers["content-length"] or "0"
  local length = text:find("^%d+$") and #text < 16 and math.tointeger(tonumber(text))
  if not length then
    return nil, 400
  end
  return length <= MAX_BODY and length or nil, 413
end

--- Does the client want the connection to stay?
local function keeps_alive(version, headers)
  local connection = (headers.connection or ""):lower()
  if version == "1.0" then
    return connection:find("keep-alive", 1, true) ~= nil
  end
  return not connection:find("close", 1, true)
end

--- Understands the head of a request, without the empty line that ends it.
--- Returns {method =, version =, keep_alive =, body =}, or nil and a status.
local function parse_request(head)
  local line, rest = head:match("^([^\n]-)\r?\n(.*)$")
  local method, version = line:match("^([%w!#$%%&'*+.^_`|~-]+) [^%c ]+ HTTP/(%d%.%d)$")
  if not method then
    return nil, 400
  elseif version ~= "1.1" and version ~= "1.0" then
    return nil, 505
  end
  local headers = parse_headers(rest)
  if not headers or version == "1.1" and not headers.host then
    return nil, 400
  end
  local length, status = body_length(headers)
  if not length then
    return nil, status
  end
  return {
    method = method,
    version = version,
    keep_alive = keeps_alive(version, headers),
    body = length,
  }
end

-- Answers

local date, date_at -- the Date header, made anew each second

local function date_now()
  local now = os.time()
  if now ~= date_at then
    date, date_at = os.date("!%a, %d %b %Y %H:%M:%S GMT", now), now
  end
  return date
end

local function answer(status, request)
  local body = status == 200 and BODY or REASONS[status] .. "\n"
  local head = {
    ("HTTP/1.1 %d %s"):format(status, REASONS[status]),
    "Date: " .. date_now(),
    "Content-Type: text/plain",
    "Content-Length: " .. #body,
  }
  if status == 405 then
    head[#head + 1] = "Allow: GET, HEAD"
  end
  if not request.keep_alive then
    head[#head + 1] = "Connection: close"
  elseif request.version == "1.0" then
    head[#head + 1] = "Connection: keep-alive"
  end
  return table.concat(head, "\r\n") .. "\r\n\r\n" .. (request.method == "HEAD" and "" or body)
end

local function respond(request)
  local is_known = request.method == "GET" or request.method == "HEAD"
  return answer(is_known and 200 or 405, request)
end

-- Connections

--- Sends the last answer, and reads no more requests. Whatever still comes is
--- thrown away: closing over unread bytes would be a reset, and the client
--- might lose the answer.
local function hang_up(socket, last)
  socket.is_done = true
  socket:finish(last)
end

--- Answers the requests that `text` holds. Returns the answers as one string,
--- what is left of the text, and whether this was the last request.
local function serve(socket, text)
  local answers, start = {}, 1
  while true do
    if socket.body > 0 then -- the rest of a body that we read over
      local skipped = math.min(socket.body, #text - start + 1)
      socket.body, start = socket.body - skipped, start + skipped
    end
    start = text:match("^[\r\n]*()", start) -- empty lines may come before a request
    local _, stop, last = text:find("\n()\r?\n", start)
    if not stop and #text - start < MAX_HEAD then
      return table.concat(answers), text:sub(start), false
    end
    local request, status
    if not stop or stop - start >= MAX_HEAD then
      status = 431
    else
      request, status = parse_request(text:sub(start, last - 1))
    end
    answers[#answers + 1] = request and respond(request) or answer(status, {})
    if not (request and request.keep_alive) then
      return table.concat(answers), "", true
    end
    socket.body, start = request.body, stop + 1
  end
end

local function on_data(socket, chunk)
  if socket.is_done then
    return
  end
  local answers, rest, is_last = serve(socket, socket.rest .. chunk)
  socket.rest = rest
  if is_last then
    hang_up(socket, answers)
  elseif answers ~= "" and not socket:write(answers) then
    socket:pause() -- no more requests until these answers are read
  end
end

local server = net.createServer({ noDelay = true }, function(socket)
  sockets[socket] = true
  socket.rest, socket.body = "", 0 -- an unfinished head; bytes of body to come
  socket:on("data", function(chunk)
    on_data(socket, chunk)
  end)
  socket:on("drain", function()
    socket:resume()
  end)
  socket:setTimeout(IDLE, function()
    if socket.rest ~= "" and not socket.is_done then
      hang_up(socket, answer(408, {}))
    else
      socket:destroy()
    end
  end)
  socket:on("error", function() end) -- a client that breaks off; 'close' follows
  socket:on("close", function()
    sockets[socket] = nil
  end)
end)

server:on("error", function(err)
  io.stderr:write("http_hello: ", tostring(err), "\n")
  os.exit(1)
end)

server:listen({ port = port or 8080, host = host, backlog = 1024 }, function()
  local bound = server:address()
  print(((bound.family == "IPv6") and "listening on [%s]:%d" or "listening on %s:%d"):format(
    bound.address, bound.port))
end)

process:once("SIGINT", function()
  print("closing")
  server:close()
  for socket in pairs(sockets) do
    socket:destroySoon() -- answers that were given are still sent
  end
end)

net.run()
