-- SPDX-License-Identifier: MIT

--- Makes calls that no sane program makes: every method and function of the
--- module, with arguments that are odd or nearly right.
--
-- Each call has an object of its own, A1, A2, ..., which logs what came back or
-- was raised, and what happens to it afterwards; a function gets an emitter to
-- log with. One program makes oddcalls.CALLS of them.

local dice = require("spec.parity.random.dice")
local tree = require("spec.parity.random.tree")

local node, kept = tree.node, tree.kept

local oddcalls = {}

--- Calls in one program.
oddcalls.CALLS = 20

-- Values ------------------------------------------------------------------------

local ODD = {
  "nil", "true", "false", "0", "1", "-1", "1.5", "nan", "inf", "-inf", "negzero", "2147483648",
  "4294967296", "9007199254740992", "1e300", '""', '"0"', '"80"', '"x"', '" "', '"1e3"', '"0x50"',
  '"-1"', '"utf8"', '"\195\169"', '"a\\0b"', "{}", "{a: 1}", "[1, 2]", "fn {}", "EventEmitter()",
  'Error("e")', "net.Socket()", "net.BlockList()", 'rep("long", 20)',
}

--- What is nearly right for a kind of parameter.
local NEAR = {
  chunk = { '"a"', '""', '"68656c"', '"YQ=="' },
  encoding = { '"utf8"', '"UTF-8"', '"hex"', '"ucs2"', '"utf-16le"', '"BINARY"', '"nope"', '"base64"' },
  callback = { 'ME!"callback"', "fn {}" },
  flow = { "0", "1", "1048575" },
  count = { "0", "1", "3", "100", "16384" },
  ms = { "0", "1", "1000", "2147483647", "2147483648", "0.5" },
  flag = { "true", "false" },
  port = { "0", "1", '"1"', "65535", "65536", '"0x1"', "portof(srv)" },
  host = { '"127.0.0.1"', '"::1"', '""', '"127.0.0.1\\0"' },
  listened = { "0", '"0"', "65536", '"nope"' },
  path = { 'tmp("odd")', '""', 'rep("p", 200)' },
  family = { "4", "6", '"IPv4"', '"ipv6"', '"ipv4"', "0", "5" },
  address = { '"1.2.3.4"', '"::"', '"1:2:3:4:5:6:7:8"', '"fe80::1%eth0"', '"01.2.3.4"', '"::ffff:1.2.3.4"' },
  prefix = { "0", "8", "32", "33", "128", "129", "7.5" },
  event = { '"data"', '"x"', '"error"', '"readable"', '"close"' },
  err = { 'Error("own")', 'Error("own", "E_OWN")' },
  emitter = { "EventEmitter()", "ME" },
  signal = { "Abort().signal", "AbortSignal.abort()" },
  socket = { "net.Socket()", "EventEmitter()" },
  handle = { "net.Socket()", "net.createServer()" },
}

--- What is no odd value for a kind: names that a resolver would ask for, ports on
-- which two of these programs would meet.
local NEVER = {
  host = { '"0"', '"80"', '"x"', '" "', '"1e3"', '"0x50"', '"-1"', '"utf8"', '"\195\169"',
    'rep("long", 20)' },
  listened = { "1", "1.5", "true", '"80"', '"1e3"', '"0x50"' },
}
-- A flow label of more than 20 bits aborts Node.
NEVER.flow = { "2147483648", "4294967296", "9007199254740992" }
NEVER.handle, NEVER.path, NEVER.listen = NEVER.listened, NEVER.listened, NEVER.listened

--- The odd values of each kind.
local odd_of = setmetatable({}, { __index = function(made, kind)
  local never, values = {}, {}
  for _, v in ipairs(NEVER[kind] or {}) do never[v] = true end
  for _, v in ipairs(ODD) do
    if not never[v] then values[#values + 1] = v end
  end
  made[kind] = values
  return values
end })

--- Options by the kind of their values, for tables that are made of them.
local OPTIONS = {
  connect = { port = "port", host = "host", path = "path", family = "family", hints = "count",
    localAddress = "address", localPort = "port", timeout = "ms", noDelay = "flag",
    keepAlive = "flag", keepAliveInitialDelay = "ms", allowHalfOpen = "flag", lookup = "callback",
    autoSelectFamily = "flag", autoSelectFamilyAttemptTimeout = "ms", signal = "signal",
    highWaterMark = "count", onread = "chunk" },
  socket = { allowHalfOpen = "flag", readable = "flag", writable = "flag",
    signal = "signal", highWaterMark = "count", readableHighWaterMark = "count",
    writableHighWaterMark = "count", objectMode = "flag", encoding = "encoding", onread = "chunk",
    noDelay = "flag", keepAlive = "flag", keepAliveInitialDelay = "ms", handle = "handle",
    defaultEncoding = "encoding", decodeStrings = "flag", typeOfService = "count" },
  server = { allowHalfOpen = "flag", pauseOnConnect = "flag", noDelay = "flag", keepAlive = "flag",
    keepAliveInitialDelay = "ms", highWaterMark = "count", blockList = "handle" },
  listen = { port = "listened", host = "host", path = "path", backlog = "count", exclusive = "flag",
    readableAll = "flag", writableAll = "flag", ipv6Only = "flag", reusePort = "flag",
    signal = "signal" },
  address = { address = "address", port = "port", family = "family", flowlabel = "flow" },
  lookup = { family = "family", hints = "count", all = "flag", order = "host", verbatim = "flag" },
  pipe = { ["end"] = "flag" },
}

local SOCKET_METHODS = {
  { "write", "chunk", "encoding", "callback" }, { "end", "chunk", "encoding", "callback" },
  { "write", "chunk", "encoding", "callback" }, { "end", "chunk", "encoding", "callback" },
  { "destroy", "err" }, { "destroySoon" }, { "resetAndDestroy" }, { "pause" }, { "resume" },
  { "read", "count" }, { "unshift", "chunk", "encoding" }, { "setEncoding", "encoding" },
  { "setDefaultEncoding", "encoding" }, { "cork" }, { "uncork" }, { "setTimeout", "ms", "callback" },
  { "setNoDelay", "flag" }, { "setKeepAlive", "flag", "ms" }, { "ref" }, { "unref" },
  { "isPaused" }, { "address" }, { "connect", "port", "host", "callback" }, { "connect", "connect" },
  { "connect", "connect", "callback" }, { "connect", "path", "callback" }, { "pipe", "socket", "pipe" },
  { "unpipe", "socket" }, { "getTypeOfService" }, { "setTypeOfService", "count" },
}

local SERVER_METHODS = {
  { "listen", "listened", "host", "count", "callback" }, { "listen", "listen", "callback" },
  { "listen", "listen" }, { "listen", "path", "callback" }, { "listen", "handle" },
  { "close", "callback" }, { "getConnections", "callback" }, { "address" }, { "ref" }, { "unref" },
}

local EMITTER_METHODS = {
  { "on", "event", "callback" }, { "once", "event", "callback" }, { "off", "event", "callback" },
  { "addListener", "event", "callback" }, { "removeListener", "event", "callback" },
  { "prependListener", "event", "callback" }, { "prependOnceListener", "event", "callback" },
  { "removeAllListeners", "event" }, { "setMaxListeners", "count" }, { "getMaxListeners" },
  { "emit", "event", "chunk" }, { "listenerCount", "event", "callback" }, { "listeners", "event" },
  { "rawListeners", "event" }, { "eventNames" },
}

local BLOCKLIST_METHODS = {
  { "addAddress", "address", "family" }, { "addRange", "address", "address", "family" },
  { "addSubnet", "address", "prefix", "family" }, { "check", "address", "family" },
  { "fromJSON", "chunk" }, { "toJSON" },
}

--- Functions: what is called, and its parameters.
local FUNCTIONS = {
  { "net.isIP", "address" }, { "net.isIPv4", "address" }, { "net.isIPv6", "address" },
  { "net.connect", "port", "host", "callback" }, { "net.connect", "connect", "callback" },
  { "net.connect", "path", "callback" }, { "net.createConnection", "connect" },
  { "net.createServer", "server", "callback" }, { "net.Server", "server", "callback" },
  { "net.Socket", "socket" }, { "net.Socket", "socket" }, { "net.SocketAddress", "address" },
  { "net.SocketAddress", "options address" }, { "net.SocketAddress.parse", "address" },
  { "net.SocketAddress.isSocketAddress", "handle" }, { "net.BlockList", "handle" },
  { "net.BlockList.isBlockList", "handle" }, { "net.setDefaultAutoSelectFamily", "flag" },
  { "net.getDefaultAutoSelectFamily" },
  { "net.setDefaultAutoSelectFamilyAttemptTimeout", "ms" },
  { "dns.lookup", "host", "lookup", "callback" }, { "dns.lookup", "host", "callback" },
  { "events.listenerCount", "emitter", "event" }, { "events.getEventListeners", "emitter", "event" },
  { "events.getMaxListeners", "emitter" }, { "events.setMaxListeners", "count", "emitter" },
  { "timer.nextTick", "callback", "chunk" }, { "timer.setTimeout", "callback", "ms" },
  { "timer.setImmediate", "callback" }, { "timer.setInterval", "callback", "ms" },
  { "timer.clearTimeout", "handle" }, { "timer.clearImmediate", "handle" },
}

--- Fields that programs write.
local FIELDS = {
  socket = { "allowHalfOpen", "timeout", "connecting", "bytesRead", "readable", "readableFlowing" },
  server = { "maxConnections", "listening" },
  emitter = { "x" },
}

-- Making them ----------------------------------------------------------------------

local function option_table(d, kinds, value)
  local names, parts = {}, {}
  for name in pairs(kinds) do names[#names + 1] = name end
  table.sort(names)
  for _ = 1, math.min(1 + d:below(3), #names) do
    local name = table.remove(names, d:below(#names) + 1)
    parts[#parts + 1] = ("%s: %s"):format(name, value(kinds[name]))
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

--- A value for a parameter of that kind: odd, or nearly right.
local function value(d, kind)
  local options = OPTIONS[kind:match("^options (.*)") or not NEAR[kind] and kind]
  if options and d:chance(80) then
    return option_table(d, options, function(inner) return value(d, inner) end)
  end
  if NEAR[kind] and d:chance(45) then return d:one(NEAR[kind]) end
  return d:one(odd_of[kind])
end

--- Some of the arguments that `call` has, sometimes one too many.
local function arguments(d, call, me)
  local parts, most = {}, #call - 1
  local n = d:chance(70) and most or d:below(most + 2)
  for i = 1, n do parts[i] = value(d, call[i + 1] or "chunk") end
  return (table.concat(parts, ", "):gsub("%f[%w]ME%f[%W]", me))
end

local KINDS = {
  { 30, { kind = "socket", make = "net.Socket()", methods = SOCKET_METHODS } },
  { 12, { kind = "socket", make = "dial(srv)", methods = SOCKET_METHODS } },
  { 12, { kind = "socket", make = "dial(srv)", settled = true, methods = SOCKET_METHODS } },
  { 4, { kind = "socket", make = "dial(srv)", settled = true, before = "end", methods = SOCKET_METHODS } },
  { 6, { kind = "socket", make = "net.Socket()", before = "destroy", methods = SOCKET_METHODS } },
  { 12, { kind = "server", make = "net.createServer()", methods = SERVER_METHODS } },
  { 6, { kind = "server", make = "net.createServer()", before = "listen", methods = SERVER_METHODS } },
  { 14, { kind = "emitter", make = "EventEmitter()", methods = EMITTER_METHODS } },
  { 6, { kind = "plain", make = "net.Socket()", methods = EMITTER_METHODS } },
  { 14, { kind = "list", make = "net.BlockList()", methods = BLOCKLIST_METHODS } },
  { 40, { kind = "function", make = "EventEmitter()", methods = FUNCTIONS } },
}

--- Classes whose methods are not for such an object.
local FOREIGN = {
  socket = { { "Server", SERVER_METHODS }, { "BlockList", BLOCKLIST_METHODS } },
  server = { { "Socket", SOCKET_METHODS }, { "BlockList", BLOCKLIST_METHODS } },
  emitter = { { "Socket", SOCKET_METHODS }, { "Server", SERVER_METHODS } },
  list = { { "Socket", SOCKET_METHODS }, { "Server", SERVER_METHODS } },
}

--- What is done to an object before its turn comes.
local BEFORE = { ["end"] = "%s.end()", destroy = "%s.destroy()", listen = '%s.listen(0, "127.0.0.1")' }

local function function_line(d, me, call)
  return ('%s << "%s", probe(fn { return %s(%s) })'):format(me, call[1], call[1],
    arguments(d, call, me))
end

--- A method of another class with this object, or none, as where a dot stands for
--- the colon.
local function misapplied_line(d, me, kind)
  local class, methods = table.unpack(d:one(FOREIGN[kind.kind]))
  local call = d:one(methods)
  local given = arguments(d, call, me)
  return ('%s << "%s", misapplied("%s", "%s", %s%s)'):format(me, call[1], class, call[1],
    d:chance(80) and me or d:one({ "nil", '"x"', "1", "{}", "fn {}" }),
    given == "" and "" or ", " .. given)
end

local function call_node(d, me, kind)
  if FOREIGN[kind.kind] and d:chance(5) then return node(misapplied_line(d, me, kind)) end
  local call = d:one(kind.methods)
  if kind.kind == "function" then return node(function_line(d, me, call)) end
  local line = node(('%s << "%s", try %s.%s(%s)'):format(me, call[1], me, call[1],
    arguments(d, call, me)))
  -- Of two attempts, and of one that is open or destroyed already, Node makes a mess.
  if call[1] ~= "connect" then return line end
  return node(("if %s.pending and not (%s.connecting or %s.destroyed)"):format(me, me, me), { line })
end

local function field_lines(d, me, kind)
  local field = d:one(FIELDS[kind.kind])
  return {
    ('%s << "%s", assigns(%s, "%s", %s)'):format(me, field, me, field, d:one(ODD)),
    ("show %s %s"):format(me, field),
  }
end

local function call_nodes(d, me, kind)
  local nodes = {}
  if kind.before then nodes[1] = node(BEFORE[kind.before]:format(me)) end
  if FIELDS[kind.kind] and d:chance(4) then
    for _, line in ipairs(field_lines(d, me, kind)) do nodes[#nodes + 1] = node(line) end
  else
    for _ = 1, d:chance(80) and 1 or 2 do nodes[#nodes + 1] = call_node(d, me, kind) end
  end
  return nodes
end

local WATCHED = { socket = "watch %s +data", server = "watch %s", emitter = nil, list = nil }

--- Lets go of what a call has opened.
local CLOSERS = { socket = "%s.destroy()", server = "if %s.listening { %s.close() }" }

--- Adds nodes that go together, as they are about one object.
local function append(body, nodes, unit)
  for _, one in ipairs(nodes) do
    one.unit, body[#body + 1] = unit, one
  end
end

--- An object, and what is logged of it.
local function setup(me, kind)
  local nodes = { node(("let %s = %s"):format(me, kind.make)) }
  if WATCHED[kind.kind] then nodes[2] = node(WATCHED[kind.kind]:format(me)) end
  return nodes
end

--- The program of odd calls `index` of a run with `seed`.
---@param seed integer
---@param index integer
---@return table program see tree.lua
function oddcalls.make(seed, index)
  local d = dice.new(seed, -index)
  local body, after, close = {}, {}, {}
  body[1] = kept("serve srv times 99 (S) { on S error {}; S.resume() }")
  for i = 1, oddcalls.CALLS do
    local me, kind = "A" .. i, d:weighted(KINDS)
    append(body, setup(me, kind), me)
    append(kind.settled and after or body, call_nodes(d, me, kind), me)
    local closer = CLOSERS[kind.kind]
    if closer then append(close, { node((closer:gsub("%%s", me))) }, me) end
  end
  body[#body + 1] = kept("settle")
  table.move(after, 1, #after, #body + 1, body)
  body[#body + 1] = kept("settle")
  table.move(close, 1, #close, #body + 1, body)
  body[#body + 1] = kept("srv.close()")
  return { title = ("odd calls %d:%d"):format(seed, index), kind = "odd", body = body }
end

return oddcalls
