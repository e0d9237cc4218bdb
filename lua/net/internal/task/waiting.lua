-- SPDX-License-Identifier: MIT

--- net.internal.task.waiting - what a task waits for, and from whom, in words.
--
-- For `task.waiting` and the report of those that wait for ever; loaded when somebody asks,
-- so that a wait itself makes no text.

local core = require("net.core")

local MOST = 3 -- children that are named

--- In double quotes, on one line; a count as it is.
local function quote(value)
  if type(value) ~= "string" then
    return tostring(value)
  end
  local escapes = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
  return '"' .. value:gsub('[%c"\\]', function(c)
    return escapes[c] or c:find("%c") and ("\\%d"):format(c:byte()) or "\\" .. c
  end) .. '"'
end

local function quote_all(detail)
  if type(detail) ~= "table" then
    return quote(detail)
  end
  local texts = {}
  for i = 1, detail.n do
    texts[i] = quote(detail[i])
  end
  return table.concat(texts, ", ")
end

local function join(host, port)
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

--- The same of an object of net.luasocket.
local function place_of_plain(value)
  local plain = core.open_luasocket()
  if plain.state(value) then
    local host, port = plain.peername(value)
    if not host then
      host, port = plain.sockname(value)
    end
    return host and math.type(port) and join(host, port) or host
  end
end

--- Where a socket is connected to, or a server listens.
local function place_of(value)
  if core.stream.is(value) then
    return value.remoteAddress and join(value.remoteAddress, value.remotePort)
  elseif core.server.is(value) then
    local at = value:address()
    return type(at) == "table" and join(at.address, at.port) or at
  elseif core.child.is(value) then
    return value.pid and "child " .. value.pid
  elseif type(value) == "userdata" then
    return place_of_plain(value)
  end
end

--- Children by their names, the oldest of them.
local function children(set)
  local names, entry = {}, set.behind
  while entry ~= set and #names < MOST do
    names[#names + 1] = tostring(entry.task)
    entry = entry.behind
  end
  local more = set.count - #names
  return table.concat(names, ", ") .. (more > 0 and (" and %d more"):format(more) or "")
end

--- Arguments of `connect` or `listen`: a port and a host, a path, or a table with them.
local function arguments(first, host)
  if type(first) == "table" then
    first, host = first.path or first.port, first.host
  end
  if first == nil then
    return "a descriptor"
  end
  return type(host) == "string" and join(host, first) or tostring(first)
end

local makers = { children = children, arguments = arguments }

local function describe(whose)
  if type(whose) == "table" and makers[whose.as] then
    return makers[whose.as](table.unpack(whose, 1, whose.n))
  end
  return place_of(whose) or tostring(whose)
end

--- `what` with `detail` in the place of its %s, and whose it is.
---@param what string such as "receive %s from"
---@param detail any
---@param whose any
---@return string
return function(what, detail, whose)
  local text = detail == nil and what or what:gsub("%%s", function() return quote_all(detail) end)
  if whose == nil then
    return text
  end
  local ok, name = pcall(describe, whose) -- the user's own __tostring may raise
  return text .. " " .. (ok and name or "?")
end
