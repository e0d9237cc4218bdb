-- SPDX-License-Identifier: MIT

--- What a program sees of LuaSec, a line for each call: run under the real LuaSec, on the real
--- LuaSocket, and under net.luasec, and the lines compared (spec/peers/luasec_peers.lua).
---
---     lua5.4 cases.lua real|ours FOLDER
---
--- FOLDER has the files that the spec makes: ca, server, client, other, each .pem and .key;
--- locked.key, of server.pem, with the password "secret"; dh.pem. Both ends of a connection are
--- in this process, and neither waits.

local which, FOLDER = ...

if which == "ours" then
  package.loaded.socket = require("net.luasocket")
  package.loaded.ssl = require("net.luasec")
end

local socket = require("socket")
local ssl = require("ssl")

local section = ""

local function text(v)
  if type(v) == "number" then
    return ("%.14g"):format(v)
  elseif type(v) == "string" then
    local bare = v:gsub("0x%x+", "0x"):gsub("^[%w./]*%.?lua:%d+: ", ""):gsub("^call:1: ", "")
    bare = bare:gsub("^(bad argument #%d to )'[^']*'", "%1f")
    return ("%q"):format(bare)
  elseif type(v) == "userdata" then
    return "<" .. tostring(v):gsub("0x%x+", "0x") .. ">"
  elseif type(v) == "table" then
    local keys = {}
    for key in pairs(v) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for i, key in ipairs(keys) do
      keys[i] = tostring(key) .. "=" .. text(v[key])
    end
    return "{" .. table.concat(keys, " ") .. "}"
  end
  return tostring(v)
end

local function show(label, ...)
  local parts = {}
  for i = 1, select("#", ...) do
    parts[i] = text((select(i, ...)))
  end
  print(section .. " | " .. label .. " | " .. table.concat(parts, ", "):gsub("\n", "\\n"))
end

--- A line: what fn gives, or raises.
local function try(label, fn, ...)
  local function outcome(ok, ...)
    show(ok and label or label .. " RAISES", ...)
  end
  outcome(pcall(fn, ...))
end

--- The same for a method, called as methods are.
local function method(label, object, name, ...)
  try(label, load("local o = (...) return o:" .. name .. "(select(2, ...))", "=call"), object, ...)
end

local function file(name) return FOLDER .. "/" .. name end

local function read(name)
  local f <close> = assert(io.open(file(name), "rb"))
  return f:read("a")
end

--- Parameters, with changes; `false` takes one away.
local function merged(base, changes)
  local all = {}
  for key, value in pairs(base) do all[key] = value end
  for key, value in pairs(changes or {}) do all[key] = value or nil end
  return all
end

local function server_params(changes)
  return merged({ mode = "server", protocol = "any", key = file("server.key"),
    certificate = file("server.pem") }, changes)
end

local function client_params(changes)
  return merged({ mode = "client", protocol = "any" }, changes)
end

-- Connections

--- Two plain sockets that are connected.
local function pair()
  local server <close> = setmetatable({ own = assert(socket.bind("127.0.0.1", 0)) }, {
    __close = function(self) self.own:close() end,
  })
  local host, port = server.own:getsockname()
  local client = assert(socket.connect(host, port))
  return client, assert(server.own:accept())
end

--- Does the handshake of both; what the last call of each gave.
local function handshake(client, server)
  local ours, theirs = {}, {}
  client:settimeout(0)
  server:settimeout(0)
  local function step(conn, got)
    if got.done == nil then
      local ok, err = conn:dohandshake()
      if ok or err ~= "wantread" and err ~= "wantwrite" then
        got.done, got.err = ok, err
      end
    end
  end
  for _ = 1, 500 do
    step(client, ours)
    step(server, theirs)
    if ours.done ~= nil and theirs.done ~= nil then
      break
    end
    socket.select({ client, server }, nil, 0.01)
  end
  return ours, theirs
end

local function wrapped(client_changes, server_changes)
  local client, server = pair()
  return assert(ssl.wrap(client, client_params(client_changes))),
    assert(ssl.wrap(server, server_params(server_changes)))
end

--- Runs `fn` with both ends behind the handshake, whose results are shown.
local function connection(name, client_changes, server_changes, fn)
  section = name
  local client, server = wrapped(client_changes, server_changes)
  if type(client_changes) == "table" and client_changes.name then
    client:sni(client_changes.name)
  end
  local ours, theirs = handshake(client, server)
  show("client", ours.done, ours.err)
  show("server", theirs.done, theirs.err)
  client:settimeout(0.2)
  server:settimeout(0.2)
  if fn then
    fn(client, server)
  end
  client:close()
  server:close()
end

local helpers = {
  client_params = client_params, connection = connection, file = file, handshake = handshake,
  method = method, pair = pair, read = read, server_params = server_params, show = show, try = try,
  wrapped = wrapped, section = function(name) section = name end,
}
for _, name in ipairs { "contexts", "connections", "names", "bytes", "certificates" } do
  assert(loadfile(("spec/peers/luasec/cases/%s.lua"):format(name)))(helpers)
end
