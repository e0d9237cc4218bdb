-- SPDX-License-Identifier: MIT

--- What a program sees of LuaSocket, a line for each call: run under the real LuaSocket
--- and under net.luasocket, and the lines compared (spec/peers/luasocket_peers.lua).
---
---     lua5.4 cases.lua real|ours
---
--- Numbers are shown alike whether they are floats or not: all of ours that count
--- something are integers. Ports, addresses in memory and descriptors are not shown.

if ... == "ours" then
  local ours = require("net.luasocket")
  package.loaded.socket = ours
  package.loaded["socket.core"] = ours
  package.loaded["socket.unix"] = ours.unix
end

local socket = require("socket")

local section = ""

local function text(v)
  if type(v) == "number" then
    return ("%.14g"):format(v)
  elseif type(v) == "string" then
    local bare = v:gsub("0x%x+", "0x"):gsub("^[%w./]*%.?lua:%d+: ", ""):gsub("^call:1: ", "")
    bare = bare:gsub("^calling '%w+' on bad self %(", "bad argument self ("):gsub("no value%)", "nil)")
      :gsub(" %(local '%w+'%)$", "")
    bare = bare:gsub("^(bad argument #%d to )'[^']*'", "%1f")
    return ("%q"):format(#bare > 200 and bare:sub(1, 60) .. "..." .. #bare or bare)
  elseif type(v) == "userdata" then
    return "<" .. tostring(v):gsub("0x%x+", "0x") .. ">"
  end
  return type(v) == "table" and "table" or tostring(v)
end

--- A line: what `...` are.
local function show(label, ...)
  local parts = {}
  for i = 1, select("#", ...) do
    parts[i] = text((select(i, ...)))
  end
  print(section .. " | " .. label .. " | " .. table.concat(parts, ", "))
end

--- A line: what fn gives, or raises.
local function try(label, fn, ...)
  local function outcome(ok, ...)
    if ok then
      show(label, ...)
    else
      show(label .. " RAISES", ...)
    end
  end
  outcome(pcall(fn, ...))
end

--- The same for a method, called as methods are, so that arguments are counted as they
--- are everywhere: without self.
local function method(label, object, name, ...)
  try(label, load("local o = (...) return o:" .. name .. "(select(2, ...))", "=call"), object, ...)
end

local function keys(t)
  local list = {}
  for k, v in pairs(t) do
    list[#list + 1] = tostring(k) .. "=" .. type(v)
  end
  table.sort(list)
  return table.concat(list, " ")
end

local cases, order = {}, {}
local function case(name, fn)
  cases[name] = fn
  order[#order + 1] = name
end

--- A client, its peer and the server; all on loopback.
local function pair()
  local server = assert(socket.bind("127.0.0.1", 0))
  local _, port = server:getsockname()
  local client = assert(socket.connect("127.0.0.1", port))
  local peer = assert(server:accept())
  client:settimeout(5)
  peer:settimeout(5)
  return client, peer, server
end

local function free_port()
  local server = assert(socket.bind("127.0.0.1", 0))
  local _, port = server:getsockname()
  server:close()
  return port
end

local helpers = { case = case, free_port = free_port, keys = keys, method = method, pair = pair,
  show = show, try = try }
for _, name in ipairs { "objects", "bytes", "connections", "options", "rest" } do
  dofile(("spec/peers/luasocket/cases/%s.lua"):format(name))(helpers)
end

for _, name in ipairs(order) do
  section = name
  local ok, err = pcall(cases[name])
  if not ok then
    show("THE CASE RAISES", err)
  end
end
