-- SPDX-License-Identifier: MIT
--
-- static.lua - serves the files of a directory over HTTP.
--
--     lua5.4 examples/static.lua [DIRECTORY [PORT [HOST]]]
--     curl -O http://localhost:8081/README.md
--     curl -r 100-199 http://localhost:8081/README.md
--
-- The defaults are this directory and port 8081 of all addresses; port 0 takes a
-- free one. Ctrl-C stops listening and ends when the last file is sent.
--
-- GET and HEAD, one request on a connection, ranges (of one part), and the answers
-- 400, 404, 405, 408, 416 and 431.
--
-- Shows: sendFile for a file or a part of it behind a head that was written, so that
-- no byte of the file passes through Lua; what a file that goes away does.

local net = require("net")
local process = require("net.process")

io.stdout:setvbuf("line")

local MAX_HEAD = 16 * 1024 -- bytes of a request line and its headers
local IDLE = 30000 -- ms in which nothing moves

local root, port, host = ...
root = root or "."

local REASONS = {
  [200] = "OK", [206] = "Partial Content", [400] = "Bad Request", [404] = "Not Found",
  [405] = "Method Not Allowed", [408] = "Request Timeout", [416] = "Range Not Satisfiable",
  [431] = "Request Header Fields Too Large",
}

local TYPES = {
  html = "text/html; charset=utf-8", css = "text/css", js = "text/javascript",
  txt = "text/plain; charset=utf-8", md = "text/markdown; charset=utf-8", json = "application/json",
  svg = "image/svg+xml", png = "image/png", jpg = "image/jpeg", gif = "image/gif",
}

-- Files

--- The path of a file for the target of a request, or nil for one that would
--- lead out of the directory.
local function path_of(target)
  local path = target:gsub("[?#].*", ""):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end)
  if path:sub(1, 1) ~= "/" or path:find("%z") or (path .. "/"):find("/%.%./") then
    return nil
  end
  return root .. (path:sub(-1) == "/" and path .. "index.html" or path)
end

--- How many bytes a file has; nil if there is no such file to read.
local function size_of(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local _, err = file:read(0) -- what a directory refuses
  local size = not err and file:seek("end")
  file:close()
  return size or nil
end

--- The part that "bytes=FIRST-LAST" asks for, as offset and length. All of it
--- without such a header, or with one that we do not understand; nil if the file
--- has no such part.
local function range_of(head, size)
  local first, last = head:lower():match("\nrange:[ \t]*bytes=(%d*)%-(%d*)[ \t]*\r?\n")
  first, last = tonumber(first), tonumber(last)
  if not first and not last then
    return 0, size
  elseif not first then -- the last so many bytes
    first, last = math.max(size - last, 0), size - 1
  end
  last = math.min(last or size - 1, size - 1)
  if first > last then
    return nil
  end
  return first, last - first + 1
end

-- Answers

local function head_of(status, headers)
  return ("HTTP/1.1 %d %s\r\nConnection: close\r\n%s\r\n"):format(status, REASONS[status],
    table.concat(headers))
end

--- Answers with the reason why there is nothing else.
local function refuse(socket, status)
  local body = REASONS[status] .. "\n"
  socket:finish(head_of(status, {
    "Content-Type: text/plain\r\n", ("Content-Length: %d\r\n"):format(#body),
    status == 405 and "Allow: GET, HEAD\r\n" or "",
  }) .. body)
end

--- Sends the file, or a part of it. A file that has become shorter since we looked
--- is an error of sendFile, and the socket is destroyed: the client sees that less
--- came than was announced.
local function send(socket, path, size, head, is_head)
  local offset, length = range_of(head, size)
  if not offset then
    return refuse(socket, 416)
  end
  local is_part = length < size
  socket:write(head_of(is_part and 206 or 200, {
    ("Content-Type: %s\r\n"):format(TYPES[path:match("%.(%w+)$")] or "application/octet-stream"),
    ("Content-Length: %d\r\nAccept-Ranges: bytes\r\n"):format(length),
    is_part and ("Content-Range: bytes %d-%d/%d\r\n"):format(
      offset, offset + length - 1, size) or "",
  }))
  if not is_head then
    socket:sendFile(path, offset, length)
  end
  socket:finish()
end

local function respond(socket, head)
  local method, target = head:match("^(%u+) (%g+) HTTP/1%.%d\r?\n")
  if not method then
    return refuse(socket, 400)
  elseif method ~= "GET" and method ~= "HEAD" then
    return refuse(socket, 405)
  end
  local path = path_of(target)
  local size = path and size_of(path)
  if not size then
    return refuse(socket, 404)
  end
  send(socket, path, size, head, method == "HEAD")
end

-- Connections

local server = net.createServer(function(socket)
  local head = ""
  socket:on("data", function(chunk)
    if not head then
      return -- answered already; what else comes is thrown away
    end
    head = head .. chunk
    if head:find("\n\r?\n") or #head > MAX_HEAD then
      local whole = head
      head = nil
      if #whole > MAX_HEAD then
        refuse(socket, 431)
      else
        respond(socket, whole)
      end
    end
  end)
  socket:setTimeout(IDLE, function()
    if head and head ~= "" then
      head = nil
      refuse(socket, 408)
    else
      socket:destroy()
    end
  end)
  socket:on("error", function(err)
    print(tostring(err))
  end)
end)

server:on("error", function(err)
  io.stderr:write("static: ", tostring(err), "\n")
  os.exit(1)
end)

server:listen({ port = port or 8081, host = host, backlog = 1024 }, function()
  local bound = server:address()
  print(((bound.family == "IPv6") and "listening on [%s]:%d" or "listening on %s:%d"):format(
    bound.address, bound.port))
end)

process:once("SIGINT", function()
  print("closing")
  server:close()
end)

net.run()
