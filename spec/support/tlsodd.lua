-- SPDX-License-Identifier: MIT

--- Odd records of TLS 1.3, put into a connection behind its handshake, as if its other end had sent
--- them: what no library would send. Both ends are real until then; what comes from there later is
--- thrown away by the wire between them.
---
---     odd.each("server", function(case) ... end)      -- case.name, and what it tells: case.told
---     local told, got = odd.to_server(case, port, function() ... end)
---     local told = odd.to_client(case, function(port) ... end)

local co = require("net.co")
local lua = require("spec.support.lua")
local pair = require("spec.support.tlspair")
local tls = require("net.tls")
local wires = require("spec.support.wire")

local M = {}

local records = lua.module("spec/support/tlsrecords.c", "tlsrecords", "-lcrypto")

local ALERT, HANDSHAKE, APPLICATION = 21, 22, 23
local CLOSE_NOTIFY, USER_CANCELED = "\1\0", "\1\90"
local CHANGE_CIPHER_SPEC = "\20\3\3\0\1\1"
local FULL = 16384 -- bytes of a record

--- A message of the handshake.
local function message(kind, body)
  return string.pack(">B", kind) .. string.pack(">I4", #body):sub(2) .. body
end

local KEY_UPDATE, KEY_UPDATE_ASKED = message(24, "\0"), message(24, "\1")

--- A session ticket of that many bytes, as one that is good for an hour.
local function ticket(size)
  return message(4, string.pack(">I4I4s1s2", 3600, 12345, "\0\0\0\0\0\0\0\0", ("t"):rep(size)) .. "\0\0")
end

--- That in records, as it is too long for one.
local function fragments(keys, kind, bytes)
  local list = {}
  for i = 1, #bytes, FULL do list[#list + 1] = keys:seal(kind, bytes:sub(i, i + FULL - 1)) end
  return table.concat(list)
end

local function repeated(n, fn)
  local list = {}
  for i = 1, n do list[i] = fn(i) end
  return table.concat(list)
end

local function application(keys, bytes, padding) return keys:seal(APPLICATION, bytes, padding) end
local function alert(keys, bytes) return keys:seal(ALERT, bytes) end

local function update(keys, bytes)
  local record = keys:seal(HANDSHAKE, bytes)
  keys:update()
  return record
end

--- The record by which its sender changes its keys.
---@param keys userdata
---@param asks? boolean for new ones of the receiver's, too
function M.update(keys, asks)
  return update(keys, asks and KEY_UPDATE_ASKED or KEY_UPDATE)
end

local WHOLE = { "end", "close false" }

local function told(...)
  local list = { ... }
  if list[#list]:find("^data") then
    table.move(WHOLE, 1, 2, #list + 1, list)
  elseif list[#list]:find("^error") then
    list[#list + 1] = "close true"
  end
  return list
end

-- name, which end it is sent to (or both), what that tells, and the bytes. Where these do not end
-- the connection a close_notify does, which comes behind them.
local CASES = {
  { "records of one byte", "both", told("data 1000 bytes"), function(keys)
    return repeated(1000, function() return application(keys, "x") end)
  end },
  { "empty records, up to 32", "both", told("data x"), function(keys)
    return repeated(32, function() return application(keys, "") end) .. application(keys, "x")
  end },
  { "more empty records than that", "both", told("error ERR_SSL_RECORD_TOO_SMALL"), function(keys)
    return repeated(40, function() return application(keys, "") end) .. application(keys, "x")
  end },
  { "padding as long as a record may be", "both", told("data xx"), function(keys)
    return application(keys, "x", FULL - 1) .. application(keys, "x", FULL - 1)
  end },
  { "more padding than a record has room for", "both", told("error ERR_SSL_DATA_LENGTH_TOO_LONG"), function(keys)
    return application(keys, "x", FULL + 300)
  end },
  { "a full record", "both", told("data 16384 bytes"), function(keys)
    return application(keys, ("x"):rep(FULL))
  end },
  { "a record of a byte more", "both", told("error ERR_SSL_DATA_LENGTH_TOO_LONG"), function(keys)
    return application(keys, ("x"):rep(FULL + 1))
  end },
  { "padding alone", "both", told("error ERR_SSL_BAD_RECORD_TYPE"), function(keys)
    return keys:seal(0, "", 100)
  end },
  { "a record of a type that is none", "both", told("error ERR_SSL_BAD_RECORD_TYPE"), function(keys)
    return keys:seal(99, "x")
  end },
  { "data behind a close_notify", "both", { "end", "close false" }, function(keys)
    return alert(keys, CLOSE_NOTIFY) .. application(keys, "late")
  end },
  { "two close_notify", "both", { "end", "close false" }, function(keys)
    return alert(keys, CLOSE_NOTIFY) .. alert(keys, CLOSE_NOTIFY)
  end },
  { "garbage behind a close_notify", "both", told("data x"), function(keys)
    return application(keys, "x") .. alert(keys, CLOSE_NOTIFY) .. "GET / HTTP/1.0\r\n\r\n"
  end },
  { "a fatal alert", "both", told("data x", "error ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE"), function(keys)
    return application(keys, "x") .. alert(keys, "\2\40")
  end },
  { "half an alert", "both", told("error ERR_SSL_INVALID_ALERT"), function(keys)
    return alert(keys, "\2")
  end },
  { "a warning and the end, as Java says it", "both", told("data x"), function(keys)
    return application(keys, "x") .. alert(keys, USER_CANCELED) .. alert(keys, CLOSE_NOTIFY)
  end },
  { "four warnings", "both", told("data x"), function(keys)
    return repeated(4, function() return alert(keys, USER_CANCELED) end) .. application(keys, "x")
  end },
  { "five warnings", "both", told("error ERR_SSL_TOO_MANY_WARN_ALERTS"), function(keys)
    return repeated(5, function() return alert(keys, USER_CANCELED) end) .. application(keys, "x")
  end },
  { "a change of the cipher, long over", "server", told("error ERR_SSL_BAD_RECORD_TYPE"), function()
    return CHANGE_CIPHER_SPEC
  end },
  { "a record that is not encrypted", "both", told("error ERR_SSL_BAD_RECORD_TYPE"), function()
    return "\21\3\3\0\2\1\0"
  end },
  { "a hundred new keys amid a stream", "both", told("data 101 bytes"), function(keys)
    return application(keys, "x") .. repeated(100, function(i)
      return update(keys, i % 2 == 0 and KEY_UPDATE or KEY_UPDATE_ASKED) .. application(keys, "x")
    end)
  end },
  { "new keys that are neither asked for nor given", "both", told("error ERR_SSL_BAD_KEY_UPDATE"), function(keys)
    return update(keys, message(24, "\2"))
  end },
  { "new keys amid a record", "both", told("error ERR_SSL_NOT_ON_RECORD_BOUNDARY"), function(keys)
    return update(keys, KEY_UPDATE .. KEY_UPDATE)
  end },
  { "another hello", "server", told("error ERR_SSL_UNEXPECTED_MESSAGE"), function(keys)
    return keys:seal(HANDSHAKE, message(1, ("\0"):rep(40)))
  end },
  { "a request to begin anew", "client", told("error ERR_SSL_UNEXPECTED_MESSAGE"), function(keys)
    return keys:seal(HANDSHAKE, message(0, ""))
  end },
  { "a session ticket", "server", told("error ERR_SSL_UNEXPECTED_MESSAGE"), function(keys)
    return keys:seal(HANDSHAKE, ticket(100))
  end },
  { "a session ticket of 65000 bytes", "client", told("session", "data x"), function(keys)
    return fragments(keys, HANDSHAKE, ticket(65000)) .. application(keys, "x")
  end },
  { "a session ticket without a byte", "client", told("error ERR_SSL_LENGTH_MISMATCH"), function(keys)
    return keys:seal(HANDSHAKE, ticket(0))
  end },
  { "a hundred session tickets", "client", nil, function(keys)
    return repeated(100, function() return keys:seal(HANDSHAKE, ticket(100)) end) .. application(keys, "x")
  end },
}
do
  local list = {}
  for i = 1, 100 do list[i] = "session" end
  list[101] = "data x"
  CASES[#CASES][3] = told(table.unpack(list))
end

for i, case in ipairs(CASES) do
  CASES[i] = { name = case[1], to = case[2], told = case[3], bytes = case[4] }
end

function M.each(side, fn)
  for _, case in ipairs(CASES) do
    if case.to == "both" or case.to == side then fn(case) end
  end
end

--- The case of that name.
function M.named(name)
  for _, case in ipairs(CASES) do
    if case.name == name then return case end
  end
end

-- The two ends

local OPTIONS = { minVersion = "TLSv1.3", ciphers = "TLS_AES_128_GCM_SHA256" }

--- Keeps the secrets of a 'keylog' in `secrets`.
local function keep(secrets, line)
  local name, hex = line:match("^(%S+) %S+ (%x+)")
  secrets[name] = hex:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)
end

--- The keys of a direction, whose next record comes behind those that have passed.
local function keys_behind(secret, way)
  local keys = records.keys(secret)
  for record in way:each_record() do
    if record:byte() == APPLICATION then keys:open(record) end
  end
  return keys
end

--- Puts what `make(keys)` gives behind what has passed; from here on the receiver hears nothing else.
function M.take_over(secret, way, make)
  way:take_over(make(keys_behind(secret, way)))
end

--- The same of a case, and a close_notify behind it.
local function put(case, secret, way)
  M.take_over(secret, way, function(keys)
    local bytes = case.bytes(keys)
    return bytes .. keys:seal(ALERT, CLOSE_NOTIFY)
  end)
end

--- How often the sender of what has passed has changed its keys.
function M.updates(secret, way)
  local keys, count = records.keys(secret), 0
  for record in way:each_record() do
    local kind, bytes
    if record:byte() == APPLICATION then kind, bytes = keys:open(record) end
    if kind == HANDSHAKE and bytes:byte() == KEY_UPDATE:byte() then
      keys:update()
      count = count + 1
    end
  end
  return count
end

--- A client of ours, whose secrets come into that table.
function M.client(port, secrets)
  local client = tls.connect({ port = port, host = "127.0.0.1", servername = "localhost", ca = pair.ca.cert,
    minVersion = OPTIONS.minVersion, ciphers = OPTIONS.ciphers })
  client:on("keylog", function(line) keep(secrets, line) end)
  client:on("error", function() end)
  return client
end

--- A client of ours that the wire takes over from, at a server of which `told_of()` waits for what it
--- tells: that, and what the client has got.
function M.to_server(case, port, told_of)
  local wire <close> = wires.open(port)
  local secrets = {}
  local client = M.client(wire.port, secrets)
  local got, is_over, wake = "", false, nil
  client:on("data", function(chunk) got = got .. chunk end)
  client:on("close", function()
    is_over = true
    if wake then wake() end
  end)
  assert(co.await(client, "session"))
  put(case, secrets.CLIENT_TRAFFIC_SECRET_0, wire:link().up)
  local lines = told_of()
  if not is_over then
    co.suspend(function(resume) wake = resume end)
  end
  return lines, got
end

--- What is told behind the handshake, and the tickets that come with it.
function M.behind_handshake(lines)
  local before = { secureConnection = 1, connect = 1, ready = 1, secureConnect = 1, secure = 1, new = 1, session = 2 }
  local list = {}
  for _, line in ipairs(lines) do
    if (before[line] or 0) > 0 then
      before[line] = before[line] - 1
    else
      list[#list + 1] = line
    end
  end
  return list
end

--- A client that `visit(port)` has begun, of a server of ours, of which the wire takes over: what
--- `visit` gives.
function M.to_client(case, visit)
  local secrets, secure = {}, co.queue()
  local server <close> = tls.createServer({ cert = pair.server.cert, key = pair.server.key,
    minVersion = OPTIONS.minVersion, ciphers = OPTIONS.ciphers })
  server:on("keylog", function(line) keep(secrets, line) end)
  server:on("secureConnection", function(socket)
    socket:on("error", function() end)
    socket:resume()
    co.spawn(function() secure:put(socket) end)
  end)
  server:listen(0, "127.0.0.1")
  co.await(server, "listening")
  local wire <close> = wires.open(server:address().port)
  local visiting = co.spawn(visit, wire.port)
  local socket = secure:get()
  wires.turns()
  put(case, secrets.SERVER_TRAFFIC_SECRET_0, wire:link().down)
  local lines = visiting()
  socket:destroy()
  return lines
end

return M
