-- SPDX-License-Identifier: MIT
--
-- tasks/fetch.lua - fetches pages over HTTP, so many at once, with a deadline for all.
--
--     lua5.4 examples/tasks/fetch.lua URL...
--
-- Prints a line for each, in the order of the arguments: status, bytes and URL, or what
-- went wrong. What is not there after ten seconds is "late".
--
-- Shows: an HTTP/1.1 client: bodies by length, in chunks, to the end; a group with a limit; a
-- deadline that keeps what was there in time.

local co = require("net.co")

local AT_ONCE = 10
local DEADLINE = 10000 -- milliseconds for all
local LINE_MAX = 8192 -- bytes of a line of a head
local BODY_MAX = 16 * 1048576 -- bytes

--- Reads lines up to the empty one as headers.
local function read_headers(socket)
  local headers = {}
  for line in socket:lines(LINE_MAX) do
    if line == "" then
      return headers
    end
    local name, value = line:match("^([^:%s]+):%s*(.-)%s*$")
    if name then
      headers[name:lower()] = value
    end
  end
  error(co.EOF, 0)
end

--- The status and headers of the answer; answers that only announce one (1xx) are skipped.
local function read_head(socket)
  while true do
    local first = assert(socket:receive("line", LINE_MAX))
    local status = tonumber(first:match("^HTTP/1%.%d (%d%d%d)"))
    if not status then
      error("no HTTP: " .. first, 0)
    end
    local headers = read_headers(socket)
    if status >= 200 then
      return status, headers
    end
  end
end

--- A body in chunks, each behind its length as a line in hexadecimal digits.
local function read_chunked(socket)
  local chunks, total = {}, 0
  while true do
    local line = assert(socket:receive("line", LINE_MAX))
    local digits = line:match("^%x+")
    local size = digits and #digits < 16 and tonumber(digits, 16)
    if not size or total + size > BODY_MAX then
      error(size and "the body is too long" or "no chunk: " .. line, 0)
    elseif size == 0 then
      read_headers(socket) -- trailers
      return table.concat(chunks)
    end
    total = total + size
    chunks[#chunks + 1] = assert(socket:receive(size))
    assert(socket:receive("line", LINE_MAX))
  end
end

local function read_body(socket, status, headers)
  if status == 204 or status == 304 then
    return ""
  elseif (headers["transfer-encoding"] or ""):lower():find("chunked%s*$") then
    return read_chunked(socket)
  end
  local length = headers["content-length"]
  if length and (not length:find("^%d+$") or #length > 9) then
    error("a body of " .. length .. " bytes", 0)
  end
  return assert(socket:receive(tonumber(length) or "all", BODY_MAX))
end

--- Status and body; raises what goes wrong.
local function get(url)
  local authority, path = url:match("^http://([^/?#]+)([^#]*)")
  if not authority then
    error("not an http:// address", 0)
  end
  local host, port = authority:match("^%[(.-)%]:?(%d*)$")
  if not host then
    host, port = authority:match("^([^:]*):?(%d*)$")
  end
  local socket <close> = assert(co.connect(tonumber(port) or 80, host or authority))
  socket:send("GET ", path:sub(1, 1) == "/" and path or "/" .. path, " HTTP/1.1\r\nHost: ",
    authority, "\r\nConnection: close\r\n\r\n")
  local status, headers = read_head(socket)
  return status, read_body(socket, status, headers)
end

co.run(function(...)
  local results = {}
  local urls = { ... }
  co.timeout(DEADLINE, co.group, { limit = AT_ONCE }, function(group)
    for i, url in ipairs(urls) do
      group:spawn(function()
        local ok, status, body = co.pcall(get, url)
        results[i] = ok and ("%d %d"):format(status, #body) or tostring(status)
      end)
    end
  end)
  for i, url in ipairs(urls) do
    print(results[i] or "late", url)
  end
end, ...)
