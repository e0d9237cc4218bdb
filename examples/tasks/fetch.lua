-- SPDX-License-Identifier: MIT
--
-- tasks/fetch.lua - fetches pages over HTTP, so many at once, with a deadline for all.
--
--     lua5.4 examples/tasks/fetch.lua URL...
--
-- Prints a line for each, in the order of the arguments: status, bytes and URL, or what
-- went wrong. What is not there after ten seconds is "late".
--
-- Shows: connect, receive by length and to the end, group with a limit, timeout.

local co = require("net.co")

local AT_ONCE = 10
local DEADLINE = 10000 -- milliseconds for all

local function read_head(socket)
  local first, err = socket:receive("line", 8192)
  if not first then
    return nil, err
  end
  local headers = {}
  for line in socket:lines(8192) do
    if line == "" then
      return tonumber(first:match("^HTTP/1%.%d (%d%d%d)")), headers
    end
    local name, value = line:match("^([^:%s]+):%s*(.-)%s*$")
    if name then
      headers[name:lower()] = value
    end
  end
  return nil, co.EOF
end

local function get(url)
  local host, port, path = url:match("^http://([^:/]+):?(%d*)(.*)$")
  if not host then
    return nil, "not an http:// address"
  end
  local socket <close>, err = co.connect(tonumber(port) or 80, host)
  if not socket then
    return nil, err
  end
  socket:send("GET ", path == "" and "/" or path, " HTTP/1.1\r\nHost: ", host,
    "\r\nConnection: close\r\n\r\n")
  local status, headers = read_head(socket)
  if not status then
    return nil, headers
  end
  local body
  body, err = socket:receive(tonumber(headers["content-length"]) or "all")
  return body and status, body or err
end

co.run(function(...)
  local results = {}
  local urls = { ... }
  co.timeout(DEADLINE, co.group, { limit = AT_ONCE }, function(group)
    for i, url in ipairs(urls) do
      group:spawn(function()
        local status, body = get(url)
        results[i] = status and ("%d %d"):format(status, #body) or tostring(body)
      end)
    end
  end)
  for i, url in ipairs(urls) do
    print(results[i] or "late", url)
  end
end, ...)
