-- SPDX-License-Identifier: MIT

--- Makes a random program: a server or two sockets' worth of trouble.
--
-- A program ends by itself: what could feed itself is done `once`, between its
-- steps it waits until nothing happens any more (`settle`), and the last step
-- destroys all. Its objects are C1.. (clients), P1.. (accepted) and srv.

local dice = require("spec.parity.random.dice")
local tree = require("spec.parity.random.tree")

local node, kept = tree.node, tree.kept

local programs = {}

-- Values ------------------------------------------------------------------------

local ENCODINGS = {
  "utf8", "latin1", "hex", "base64", "ascii", "utf16le", "base64url", "binary", "ucs2", "UTF-8",
}

local CHUNKS = {
  { 10, '"a"' }, { 10, '"hello"' }, { 4, '""' }, { 4, '"68656c6c6f"' }, { 4, '"YWJjZA=="' },
  { 4, 'x"ff80c3"' }, { 3, 'x"e282"' }, { 3, '"\195\169t\195\169"' }, { 3, 'rep("x", 20000)' },
  { 3, 'rep("yz", 40000)' },
}

local MARKS = { "0", "1", "4", "16", "1000", "65536" }

local ERRORS = { 'Error("own")', 'Error("own", "E_OWN")' }

local SOCKET_EVENTS = {
  { 10, "data" }, { 6, "end" }, { 6, "close" }, { 6, "error" }, { 8, "connect" }, { 4, "ready" },
  { 4, "finish" }, { 3, "drain" }, { 5, "readable" }, { 2, "pause" }, { 2, "resume" },
  { 2, "timeout" }, { 1, "pipe" }, { 1, "unpipe" }, { 1, "prefinish" },
}

--- Of programs with one log for all objects: added to the index for a roll of its own.
local GLOBAL = 1 << 40

--- What may stand in `show`: what no cut of a stream by the kernel changes much.
local FIELDS = {
  "readyState destroyed closed", "readable readableEnded readableFlowing readableLength",
  "writable writableEnded writableFinished writableLength writableNeedDrain",
  "bytesRead bytesWritten bufferSize", "errored readableAborted readableDidRead",
  "writableCorked allowHalfOpen connecting pending timeout",
}

-- Making one ----------------------------------------------------------------------

--- What is known while a program is made.
---@class parity.Maker
---@field d table dice
---@field depth integer how deep listeners are nested
---@field calls integer numbers the callbacks
---@field sockets string[] variables of sockets; those of accepted ones may be nil
---@field kit table what it is made of: `calls`, `events`, `fields`, `statements`, and of a hundred
--- statements the `own` that are about whose turn it is

local function label(m, name)
  m.calls = m.calls + 1
  return name .. m.calls
end

local function callback(m, who, name) return who .. '!"' .. label(m, name .. " callback ") .. '"' end

--- Arguments of write, end and unshift: data, maybe an encoding, maybe a callback.
--- Bytes get no encoding, and are not put back behind a decoder, as Node takes a
--- Buffer for what it is, and a string of ours is always both.
local function chunk_arguments(m, who, name, needed)
  local parts = {}
  if needed or m.d:chance(50) then
    repeat parts[1] = m.d:weighted(CHUNKS) until name or not parts[1]:find('^x"')
    if not parts[1]:find('^x"') and m.d:chance(20) then parts[2] = '"' .. m.d:one(ENCODINGS) .. '"' end
  end
  if name and m.d:chance(40) then parts[#parts + 1] = callback(m, who, name) end
  return table.concat(parts, ", ")
end

--- A socket besides `who`, or it itself.
local function other(m) return m.d:one(m.sockets) end

local block

--- Calls that a program makes on a socket: name to arguments.
local SOCKET_CALLS = {
  { 22, function(m, who) return "write", chunk_arguments(m, who, "write", true) end },
  { 8, function(m, who) return "end", chunk_arguments(m, who, "end", false) end },
  { 5, function(m) return "destroy", m.d:chance(40) and m.d:one(ERRORS) or "" end },
  { 2, function() return "destroySoon", "" end },
  { 2, function() return "resetAndDestroy", "" end },
  { 6, function() return "pause", "" end },
  { 8, function() return "resume", "" end },
  { 7, function(m) return "read", m.d:one({ "", "", "1", "3", "0", "100" }) end },
  { 3, function(m) return "unshift", chunk_arguments(m, nil, nil, true) end },
  { 4, function(m) return "setEncoding", '"' .. m.d:one(ENCODINGS) .. '"' end },
  { 1, function(m) return "setDefaultEncoding", '"' .. m.d:one(ENCODINGS) .. '"' end },
  { 4, function() return "cork", "" end },
  { 4, function() return "uncork", "" end },
  { 3, function(m, who)
    local ms = m.d:one({ "0", "4" })
    return "setTimeout", m.d:chance(40) and ms .. ", " .. callback(m, who, "timeout") or ms
  end },
  { 1, function(m) return "setNoDelay", m.d:one({ "", "true", "false" }) end },
  { 1, function(m) return "setKeepAlive", m.d:one({ "", "true", "false", "true, 1000" }) end },
  { 1, function(m) return m.d:one({ "ref", "unref" }), "" end },
  { 1, function() return "isPaused", "" end },
  { 5, function(m) return "pipe", other(m) .. (m.d:chance(20) and ", {end: false}" or "") end },
  { 3, function(m) return "unpipe", m.d:chance(50) and other(m) or "" end },
  { 2, function(m)
    return "removeAllListeners", '"' .. m.d:one({ "data", "readable", "end", "drain" }) .. '"'
  end },
  { 2, function(m)
    return m.d:one({ "off", "on", "prependListener" }),
      '"' .. m.d:one({ "data", "readable", "end" }) .. '", fn {}'
  end },
}

--- Gives `who` its turn: accepted sockets, and the second client, may not be there.
local function guarded(who, nodes)
  if who:sub(1, 1) ~= "P" and who ~= "C2" then return nodes end
  return { node("if " .. who, nodes) }
end

local function socket_call(m, who)
  local name, arguments = m.d:weighted(m.kit.calls)(m, who)
  local line = node(('%s << "%s", try %s.%s(%s)'):format(who, name, who, name, arguments))
  -- A pipe to a socket that is not there is no call at all.
  local target = (name == "pipe" or name == "unpipe") and arguments:match("^%w%d")
  return target and target ~= who and guarded(target, { line })[1] or line
end

--- Connects a socket without a connection, as Node's with one are not sane.
local function connect(m, who)
  return node(("if %s.pending and not %s.connecting"):format(who, who), {
    node(('%s << "connect", try method(%s, "connect", where(srv)%s)'):format(who, who,
      m.d:chance(50) and ", " .. callback(m, who, "connect") or "")),
  })
end

--- Connects a client again, once it is closed for good.
local function reconnect(m, who)
  if who:sub(1, 1) ~= "C" then return socket_call(m, who) end
  return node(("once %s close"):format(who), { node("immediate", { connect(m, who) }) })
end

local function server_call(m)
  local line = m.d:weighted({
    { 4, 'srv << "close", try srv.close(' .. (m.d:chance(60) and callback(m, "srv", "close") or "")
      .. ")" },
    { 2, "srv.maxConnections = " .. m.d:below(3) },
    { 2, 'srv << "getConnections", try srv.getConnections(' ..
      callback(m, "srv", "getConnections") .. ")" },
    { 1, "show srv listening maxConnections" },
    { 1, 'srv << "unref", try srv.unref()' },
  })
  return node(line)
end

local function listener(m, who)
  local event = m.d:weighted(m.kit.events)
  return node("once " .. who .. " " .. event, block(m, who, 2))
end

local function later(m, who)
  local head = m.d:weighted({ { 4, "tick" }, { 3, "immediate" },
    { 2, "after " .. m.d:one({ "0", "1", "3" }) } })
  return node(head, block(m, who, 2))
end

--- On a tick, as what a step raises would end the steps.
local function raise(m)
  local line = node("raise(" .. m.d:one(ERRORS) .. ")")
  return m.depth > 1 and line or node("tick", { line })
end

local STATEMENTS = {
  { 50, socket_call },
  { 10, function(m, who) return m.depth < 3 and listener(m, who) or socket_call(m, who) end },
  { 10, function(m, who) return m.depth < 3 and later(m, who) or socket_call(m, who) end },
  { 8, function(m, who) return node("show " .. who .. " " .. m.d:one(m.kit.fields)) end },
  { 2, function(_, who) return node("state " .. who) end },
  { 1, reconnect },
  { 3, server_call },
  { 2, function(m) return m.abort and node('abort.abort(' ..
    (m.d:chance(30) and m.d:one(ERRORS) or "") .. ")") or nil end },
  { 1, raise },
}

--- Statements of a listener or a step; most are about `who`.
function block(m, who, most)
  local nodes = {}
  m.depth = m.depth + 1
  for _ = 1, 1 + m.d:below(most) do
    local target = m.d:chance(m.kit.own) and who or other(m)
    local made = m.d:weighted(m.kit.statements)(m, target)
    if made and target ~= who then
      for _, one in ipairs(guarded(target, { made })) do nodes[#nodes + 1] = one end
    else
      nodes[#nodes + 1] = made
    end
  end
  m.depth = m.depth - 1
  return nodes
end

local KIT = {
  calls = SOCKET_CALLS, events = SOCKET_EVENTS, fields = FIELDS, statements = STATEMENTS, own = 75,
}

-- The frame ------------------------------------------------------------------------

--- Some options. Only the first client has a signal: one that is aborted before
-- a socket is made with it is a defect of Node's.
local function options_text(m, list, who)
  local parts, seen = {}, { signal = who ~= "C1" }
  for _ = 1, m.d:chance(60) and 1 + m.d:below(2) or 0 do
    local name, v = table.unpack(m.d:one(list))
    if v == "MARK" then v = m.d:one(MARKS) end
    if not seen[name] then parts[#parts + 1] = name .. ": " .. v end
    seen[name] = true
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

local SERVER_OPTIONS = {
  { "allowHalfOpen", "true" }, { "allowHalfOpen", "true" }, { "pauseOnConnect", "true" },
  { "highWaterMark", "MARK" }, { "noDelay", "true" }, { "keepAlive", "true" },
}

local CLIENT_OPTIONS = {
  { "allowHalfOpen", "true" }, { "allowHalfOpen", "true" }, { "highWaterMark", "MARK" },
  { "readableHighWaterMark", "MARK" }, { "writableHighWaterMark", "MARK" },
  { "encoding", '"hex"' }, { "encoding", '"utf8"' }, { "timeout", "4" }, { "signal", "abort.signal" },
  { "decodeStrings", "false" }, { "readable", "false" }, { "writable", "false" },
  { "emitClose", "false" }, { "autoDestroy", "false" },
}

local function watch(m, who)
  local text = "watch " .. who
  if m.d:chance(60) then text = text .. " +data" end
  if m.d:chance(15) then text = text .. " +readable" end
  if m.d:chance(15) then text = text .. " +prefinish" end
  if m.d:chance(5) then text = text .. " -error" end
  return node(text)
end

--- The server, and what becomes of the sockets it accepts.
local function server(m, clients)
  local body = {
    kept("if P1 == nil { P1 = S } else { P2 = S }"),
    watch(m, "S"),
  }
  local outer = m.sockets
  m.sockets = { "S", "S", table.unpack(outer) }
  table.move(block(m, "S", 5), 1, 5, #body + 1, body)
  m.sockets = outer
  local times = m.d:chance(50) and clients or 9
  local head = ("serve srv times %d %s%s (S)"):format(times, options_text(m, SERVER_OPTIONS),
    m.d:chance(15) and ' at "path"' or "")
  local made = node(head, body)
  made.keep = true
  return made
end

local function client_by_socket(m, who)
  local options = options_text(m, CLIENT_OPTIONS, who)
  local nodes = { node("let " .. who .. " = net.Socket(" .. options .. ")"), watch(m, who) }
  nodes[1].keep = true
  if m.d:chance(40) then table.move(block(m, who, 2), 1, 2, #nodes + 1, nodes) end
  nodes[#nodes + 1] = connect(m, who)
  return nodes
end

--- A client that connects, or is refused.
local function client(m, who)
  if m.d:chance(25) then return client_by_socket(m, who) end
  local options = options_text(m, CLIENT_OPTIONS, who)
  local made
  if m.d:chance(88) then
    made = ("dial(srv, %s%s)"):format(options,
      m.d:chance(40) and ", " .. callback(m, who, "connect") or "")
  else
    made = ('net.connect(option("port", 1, option("host", "127.0.0.1", %s)))'):format(options)
  end
  return { kept("let " .. who .. " = " .. made), watch(m, who) }
end

local function append(body, nodes)
  for _, one in ipairs(nodes) do body[#body + 1] = one end
end

local function finale(clients)
  local body = { kept("settle") }
  for i = 1, clients do body[#body + 1] = kept("C" .. i .. ".destroy()") end
  for i = 1, 2 do body[#body + 1] = kept(("if P%d { P%d.destroy() }"):format(i, i)) end
  body[#body + 1] = kept("if srv.listening { srv.close() }")
  body[#body + 1] = kept("settle")
  for i = 1, clients do body[#body + 1] = node("state C" .. i) end
  for i = 1, 2 do body[#body + 1] = node(("if P%d"):format(i), { node("state P" .. i) }) end
  return body
end

--- The program `index` of a run with `seed`.
---@param seed integer
---@param index integer
---@return table program see tree.lua
function programs.make(seed, index)
  local m = { d = dice.new(seed, index), depth = 0, calls = 0, abort = true, kit = KIT }
  local clients = m.d:chance(75) and 1 or 2
  m.sockets = { "P1" }
  for i = 1, clients do table.insert(m.sockets, "C" .. i) end
  local body = { kept("let P1 = nil; let P2 = nil; let abort = Abort()") }
  for i = 1, clients do body[#body + 1] = kept(("let C%d = nil"):format(i)) end
  body[#body + 1] = server(m, clients)
  for i = 1, clients do
    -- One after the other: how many are accepted at once is listed.
    if i > 1 then body[#body + 1] = kept("settle") end
    append(body, client(m, "C" .. i))
  end
  append(body, block(m, "C1", 6))
  for _ = 1, m.d:below(3) do
    body[#body + 1] = node("settle")
    local who = other(m)
    append(body, guarded(who, block(m, who, 3)))
  end
  append(body, finale(clients))
  return { title = ("program %d:%d"):format(seed, index), kind = "program", body = body,
    global = dice.new(seed, index + GLOBAL):chance(25) or nil }
end

--- What programs of TLS are made of as well.
programs.parts = {
  kit = KIT, errors = ERRORS, marks = MARKS, block = block, callback = callback, guarded = guarded,
  watch = watch, append = append, finale = finale, server_call = server_call, reconnect = reconnect,
}

return programs
