-- SPDX-License-Identifier: MIT

--- Real programs at the other end of a wire (spec.support.wire), and what our end of it tells, for
--- spec/peers/tls_wire_peers.lua. All of it runs in tasks.
---
---     local peer <close> = peers.server("Python", "TLSv1.3")     -- which listens at peer.port
---     local told = peers.visit(wire.port, { peer = peer })       -- a client of ours: what it tells
---
---     local peer <close> = peers.client("curl", "TLSv1.3")
---     peer:go(wire.port)                                         -- it connects, and says hello
---     peer:gone()                                                -- and is over: what it says

local certificates = require("spec.support.certificates")
local co = require("net.co")
local daemons = require("spec.support.daemons")
local kids = require("spec.support.kids")
local lfs = require("lfs")
local net = require("net")
local node = require("spec.support.node")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local tls = require("net.tls")

local M = {}

local FLAGS = { ["TLSv1.2"] = "-tls1_2", ["TLSv1.3"] = "-tls1_3" }

local SHORT = 40 -- bytes of a line that are shown

-- What is told

--- How an error stands in a line: by its code, and those that share one by their texts.
function M.word(value)
  if type(value) == "table" and value.code == "ECONNRESET" then
    return value.message
  end
  return pair.word(value)
end

--- Notes what an emitter tells in `told`: each entry has its `line`, and, in `at`, what `where()`
--- says. Bytes that follow each other are one line, which has the last one of theirs, or how many
--- there are.
function M.note(told, emitter, names, where)
  for _, name in ipairs(names) do
    emitter:on(name, function(value)
      local last, word = told[#told], ""
      if name == "data" then
        told.got = (told.got or "") .. value
        word = told.got:match("([^\n]*)\n?$")
        word = " " .. (#word > SHORT and #word .. " bytes" or word)
        if last and last.line:find("^data") then table.remove(told) end
      elseif value ~= nil and name ~= "session" then
        word = " " .. M.word(value)
      end
      told[#told + 1] = { line = name .. word, at = where and where() }
    end)
  end
end

--- The lines of that, without the names: "finish" comes when this side has ended, before or behind
--- the peer's end as the bytes come.
function M.lines(told, ...)
  local lines, left_out = {}, {}
  for _, name in ipairs({ ... }) do left_out[name] = true end
  for _, entry in ipairs(told) do
    if not left_out[entry.line:match("^%S+")] then lines[#lines + 1] = entry.line end
  end
  return lines
end

-- Clients of ours

local READS = { "connect", "ready", "secureConnect", "secure", "session", "data", "end", "finish",
  "error", "close" }

--- A socket that has connected there, of which TLS then tells nothing.
local function connected(port, told)
  local socket = net.connect(port, "127.0.0.1")
  co.await(socket, "connect")
  for _, line in ipairs({ "connect", "ready" }) do
    told[#told + 1] = { line = line, at = { records = 0, bytes = 0 } }
  end
  return socket
end

--- A client of ours connects there, asks at once what the peer answers, and ends when it has; until
--- it is closed. What it has told; `where()` is noted beside.
---@param port integer
---@param options table peer; of tls.connect session, requireCloseNotify; over: another socket
---@param where? fun(): any
function M.visit(port, options, where)
  local peer, told = options.peer, {}
  local given = { servername = "localhost", ca = pair.ca.cert, minVersion = peer.version,
    maxVersion = peer.version, session = options.session, requireCloseNotify = options.requireCloseNotify }
  if options.over then
    given.socket = connected(port, told)
  else
    given.port, given.host = port, "127.0.0.1"
  end
  local socket = tls.connect(given)
  M.note(told, socket, READS, where)
  socket:on("session", function(session) told.session = session end)
  socket:on("secureConnect", function() told.resumed = socket:isSessionReused() end)
  socket:write(peer.asks, function(err) told.written = err and err.code or "written" end)
  socket:on("data", function()
    if told.got:sub(-#peer.answers) == peer.answers then socket:finish() end
  end)
  co.suspend(function(resume) socket:on("close", function() resume() end) end)
  return told
end

-- What our servers do

--- What our server does with a connection: it answers in capitals.
local function shout(_, socket)
  socket:on("data", function(chunk) socket:write(chunk:upper()) end)
end

--- The same by HTTP, to a request with a body, and ends.
local function answer_http(_, socket)
  local got = ""
  socket:on("data", function(chunk)
    got = got .. chunk
    local body = got:match("\r\n\r\n(hello)$")
    if body then
      socket:finish("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n" .. body:upper())
    end
  end)
end

-- Servers

local Peer = {}
Peer.__index = Peer

function Peer:__close()
  for _, one in ipairs(self.closes) do
    getmetatable(one).__close(one)
  end
end

local function new_peer(version, fields, ...)
  fields.version, fields.closes = version, { ... }
  return setmetatable(fields, Peer)
end

local function credentials()
  return kids.words(pair.server.path, pair.server.key_path, pair.ca.path)
end

--- A server that says "port N" when it listens.
local function echo(version, command, ...)
  local kid = kids.start(command, ...)
  return new_peer(version, { kid = kid, port = math.tointeger(kid:expect("^port (%d+)$")),
    asks = "hello\n", answers = "HELLO\n" }, kid)
end

local function pem()
  return certificates.write("pem", pair.server.cert .. pair.server.key)
end

local HAPROXY = [[
global
  log stdout format raw local0
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:%d ssl crt %s
  bind unix@%s
  http-request return status 200 content-type text/plain string hello
]]

local HTTP = { asks = "GET / HTTP/1.0\r\n\r\n", answers = "hello" }

local servers = {
  ours = function(version)
    local server = tls.createServer({ cert = pair.server.cert, key = pair.server.key,
      minVersion = version, maxVersion = version }, function(socket)
        shout(nil, socket)
        socket:on("error", function() end)
      end)
    server:listen(0, "127.0.0.1")
    co.await(server, "listening")
    return new_peer(version, { port = server:address().port, asks = "hello\n", answers = "HELLO\n" }, server)
  end,
  ["s_server"] = function(version)
    local kid = kids.start("openssl s_server -accept 127.0.0.1:0 %s", kids.words("-cert",
      pair.server.path, "-key", pair.server.key_path, FLAGS[version], "-rev"))
    return new_peer(version, { port = math.tointeger(kid:expect("^ACCEPT .*:(%d+)$")),
      asks = "hello\n", answers = "olleh\n" }, kid)
  end,
  nginx = function(version)
    local port = sockets.free_port()
    local server = daemons.nginx("", ([[server { listen 127.0.0.1:%d ssl; ssl_certificate %s;
      ssl_certificate_key %s; ssl_protocols TLSv1.2 TLSv1.3; location / { return 200 hello; } }]]):format(
      port, pair.server.path, pair.server.key_path))
    return new_peer(version, { port = port, asks = HTTP.asks, answers = HTTP.answers }, server)
  end,
  haproxy = function(version)
    for _ = 1, 3 do -- that a port was free does not mean that it is
      local port, ready = sockets.free_port(), certificates.path("sock")
      local kid = kids.start("haproxy -db -f %s", certificates.write("cfg", HAPROXY:format(port, pem(), ready)))
      while not kid.over and not lfs.attributes(ready) do co.yield() end
      if not kid.over then
        return new_peer(version, { port = port, asks = HTTP.asks, answers = HTTP.answers }, kid)
      end
    end
  end,
  Python = function(version)
    return echo(version, "python3 -u spec/peers/wire/peer.py server %s %s",
      version:gsub("%.", "_"), credentials())
  end,
}

local function peer_js(binary, role, version, more)
  return ("%s --no-warnings spec/peers/wire/peer.js %s %s %s %s"):format(kids.words(binary), role,
    version, credentials(), more or "")
end

for name, binary in pairs(node.binaries) do
  servers[name] = function(version) return echo(version, "%s", peer_js(binary, "server", version)) end
end

-- Clients

--- One that connects to each port that it reads, and says what became of it.
local function asker(version, command, ...)
  local kid = kids.start(command, ...)
  return new_peer(version, {
    serve = shout,
    go = function(_, port) kid:say(port .. "\n") end,
    gone = function() return kid:expect("^told (.*)$") end,
  }, kid)
end

--- Speaks by s_client, up to its end: what it has said.
local function hear(kid)
  kid.kid.stdin:write("hello\n")
  local ok, how = pcall(kid.expect, kid, "^(%a+), TLSv")
  local has_heard = ok and pcall(kid.expect, kid, "^HELLO$")
  kid.kid.stdin:finish()
  return ("%s %s"):format(how == "Reused" and "resumed" or "new", has_heard and "HELLO" or "nothing")
end

local clients = {
  ours = function(version, resume)
    local session
    local asked = new_peer(version, { asks = "hello\n", answers = "HELLO\n" })
    return new_peer(version, {
      serve = shout,
      go = function(self, port)
        self.visit = co.spawn(M.visit, port, { peer = asked, session = resume and session or nil })
      end,
      gone = function(self)
        local told = self.visit()
        session = session or told.session
        return ("%s %s"):format(told.resumed and "resumed" or "new", told.got or "nothing")
      end,
    })
  end,
  ["s_client"] = function(version, resume)
    local path = resume and certificates.path("session")
    local first = true
    return new_peer(version, {
      serve = shout,
      go = function(self, port)
        local session = path and kids.words(first and "-sess_out" or "-sess_in", path) or ""
        first = false
        self.kid = kids.start("openssl s_client -connect 127.0.0.1:%d %s %s", port, kids.words("-CAfile",
          pair.ca.path, "-verify_return_error", "-verify_hostname", "localhost", FLAGS[version]), session)
        self.reader = co.spawn(hear, self.kid)
      end,
      gone = function(self)
        local said = self.reader()
        local _, code = self.kid:finish()
        return code == 0 and said or tostring(code)
      end,
    })
  end,
  curl = function(version)
    return new_peer(version, {
      serve = answer_http,
      go = function(self, port)
        self.kid = kids.start("curl -sS --max-time 30 --cacert %s --resolve localhost:%d:127.0.0.1 --tls-max %s "
          .. "--data hello https://localhost:%d/", kids.words(pair.ca.path), port, version:sub(5), port)
      end,
      gone = function(self)
        local said, code = self.kid:finish("")
        return ("%s %s"):format(code == 0 and "new" or code, said:match("HELLO") or "")
      end,
    })
  end,
  Python = function(version, resume)
    return asker(version, "python3 -u spec/peers/wire/peer.py client %s %s %s",
      version:gsub("%.", "_"), credentials(), resume and "resume" or "")
  end,
}

for name, binary in pairs(node.binaries) do
  clients[name] = function(version, resume)
    return asker(version, "%s", peer_js(binary, "client", version, resume and "resume"))
  end
end

-- All of them

local PROGRAMS = { ["s_server"] = "openssl", ["s_client"] = "openssl", Python = "python3" }

local function each(list, fn)
  local names = {}
  for name in pairs(list) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if name ~= "ours" and (name:find("^Node") or daemons.has(PROGRAMS[name] or name)) then fn(name) end
  end
end

--- Calls `fn(name)` for each server, or client, that there is here.
function M.each_server(fn) each(servers, fn) end
function M.each_client(fn) each(clients, fn) end

--- Whether a client keeps no sessions between two connections.
function M.keeps_none(name) return name == "curl" end

---@param name string
---@param version string
function M.server(name, version) return servers[name](version) end

---@param name string
---@param version string
---@param resume? boolean the second visit and all later ones resume the first one's session
function M.client(name, version, resume) return clients[name](version, resume) end

return M
