-- SPDX-License-Identifier: MIT

--- Walks the tree of one scenario: the Lua half of what runner.js does.
--
-- Keep the two alike, function by function. A world is one run of a scenario:
-- its logs, the names of its objects, what it waits for. Nothing here knows
-- how scenarios are started or compared (runner.lua, compare.lua).

local net = require("net")
local timers = require("net.timers")
local process = require("net.process")
local format = require("spec.parity.format")

local interpret = {}

local WATCHED = {
  "lookup", "connectionAttempt", "connectionAttemptFailed", "connectionAttemptTimeout",
  "connect", "ready", "end", "drain", "finish", "pipe", "unpipe", "pause", "resume",
  "timeout", "error", "close", "listening", "connection", "drop",
}

local STATE = {
  "connecting", "pending", "readyState", "destroyed", "closed", "readable",
  "writable", "readableEnded", "writableEnded", "writableFinished", "readableFlowing",
  "bufferSize", "bytesRead", "bytesWritten", "timeout", "errored", "readableAborted",
  "readableDidRead", "readableLength", "readableEncoding", "readableObjectMode",
  "writableLength", "writableCorked", "writableNeedDrain", "writableObjectMode",
  "allowHalfOpen", "localAddress", "localPort", "localFamily",
  "autoSelectFamilyAttemptedAddresses",
}

-- Logs -----------------------------------------------------------------------

--- The log that `who` shares with others, or nil; that of the guard is its own.
local function joint_of(w, who) return w.joined[who] or who ~= "!!" and w.global or nil end

local function log_of(w, who)
  local name = joint_of(w, who) or who
  if not w.logs[name] then w.logs[name] = {} end
  return w.logs[name], name
end

local function wake(w)
  local still = {}
  for _, waiter in ipairs(w.waiting) do
    if waiter.ready() then timers.setImmediate(waiter.go) else still[#still + 1] = waiter end
  end
  w.waiting = still
end

--- Appends `text` to the log of `who`; `label` is what `wait` knows it by.
local function log(w, who, label, text)
  local lines, name = log_of(w, who)
  if joint_of(w, who) then
    label, text = who .. "." .. label, who .. "." .. text
  end
  w.said = w.said + 1
  lines[#lines + 1] = format.normal(w, text)
  local key = name .. "." .. label
  w.counts[key] = (w.counts[key] or 0) + 1
  wake(w)
end
interpret.log = log

local function log_event(w, who, label, args)
  local text = format.arguments(w, args)
  log(w, who, label, text == "" and label or label .. "(" .. text .. ")")
end
interpret.log_event = log_event

--- Adjacent 'data' lines are one: where a stream is cut is up to the kernel.
local function log_data(w, who, chunk)
  local lines = log_of(w, who)
  local last = w.data[who]
  if last and lines[#lines] == last.line then
    last.bytes = last.bytes .. chunk
    lines[#lines] = nil
  else
    last = { bytes = chunk }
    w.data[who] = last
  end
  log_event(w, who, "data", { n = 1, last.bytes })
  last.line = lines[#lines]
end

--- Names an object after the variable that first held it: S, S2, S3, …
local function name_object(w, name, v)
  local t = type(v)
  if t ~= "userdata" and t ~= "table" or not format.class(v) then return end
  if net.isSocket(v) or net.isServer(v) then w.handles[v] = true end
  if w.names[v] then return end
  local n = (w.uses[name] or 0) + 1
  w.uses[name] = n
  w.names[v] = n == 1 and name or name .. n
end

-- Variables --------------------------------------------------------------------

local function inner(scope) return { vars = {}, known = {}, up = scope } end

local function owner(scope, name)
  while scope and not scope.known[name] do scope = scope.up end
  return scope
end

local function lookup(scope, name)
  local found = owner(scope, name)
  return found and found.vars[name]
end

local function declare(w, scope, name, v)
  name_object(w, name, v)
  scope.known[name] = true
  scope.vars[name] = v
end

local function log_name(w, scope, name)
  local v = lookup(scope, name)
  return v ~= nil and w.names[v] or name
end

-- Expressions --------------------------------------------------------------------

local evaluate, run

--- A function of the scenario as one of Lua's.
local function closure(w, node, scope)
  return function(...)
    local own = inner(scope)
    for i, name in ipairs(node.params) do declare(w, own, name, (select(i, ...))) end
    local frame = {}
    own.known["return"], own.vars["return"] = true, frame
    run(w, node.body, 1, own)
    return frame.result
  end
end

local function arguments(w, node, scope)
  local args = { n = #node.args }
  for i, arg in ipairs(node.args) do args[i] = evaluate(w, arg, scope) end
  return args
end

--- Node's `end` is a keyword here; the method is `finish`.
local METHODS = { ["end"] = "finish" }

local function call(w, node, scope)
  local f = node.f
  if f.k ~= "get" then
    local fn = evaluate(w, f, scope)
    local args = arguments(w, node, scope)
    return fn(table.unpack(args, 1, args.n))
  end
  local object = evaluate(w, f.o, scope)
  local name = METHODS[f.name] or f.name
  local fn = object[name]
  if fn == nil then error(("no method '%s'"):format(name), 0) end
  local args = arguments(w, node, scope)
  if w.modules[object] then return fn(table.unpack(args, 1, args.n)) end
  return fn(object, table.unpack(args, 1, args.n))
end

local function attempt(w, node, scope)
  local ok, v = pcall(evaluate, w, node.e, scope)
  if ok then return v end
  return setmetatable({ error = v }, format.Raised)
end

--- Both operands are given as functions, for `and` and `or` leave the second alone.
local OPERATORS = {
  ["and"] = function(a, b) return a() and b() end,
  ["or"] = function(a, b) return a() or b() end,
  ["+"] = function(a, b)
    local x, y = a(), b()
    if type(x) == "string" then return x .. y end
    return x + y
  end,
  ["-"] = function(a, b) return a() - b() end,
  ["*"] = function(a, b) return a() * b() end,
  ["%"] = function(a, b) return a() % b() end,
  ["=="] = function(a, b) return a() == b() end,
  ["!="] = function(a, b) return a() ~= b() end,
  ["<"] = function(a, b) return a() < b() end,
  [">"] = function(a, b) return a() > b() end,
  ["<="] = function(a, b) return a() <= b() end,
  [">="] = function(a, b) return a() >= b() end,
}

local function nothing() return nil end

local EXPRESSIONS = {
  value = function(_, node) return node.v end,
  bytes = function(_, node)
    return (node.hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
  end,
  ["nil"] = nothing,
  null = nothing,
  name = function(_, node, scope) return lookup(scope, node.name) end,
  get = function(w, node, scope) return evaluate(w, node.o, scope)[node.name] end,
  at = function(w, node, scope)
    return evaluate(w, node.o, scope)[evaluate(w, node.i, scope)]
  end,
  call = call,
  list = function(w, node, scope)
    local v = {}
    for i, item in ipairs(node.items) do v[i] = evaluate(w, item, scope) end
    return v
  end,
  table = function(w, node, scope)
    local v = {}
    for _, pair in ipairs(node.pairs) do v[pair.key] = evaluate(w, pair.e, scope) end
    return v
  end,
  fn = closure,
  callback = function(w, node, scope)
    local who = log_name(w, scope, node.who)
    return function(...) log_event(w, who, node.label, table.pack(...)) end
  end,
  ["try"] = attempt,
  ["not"] = function(w, node, scope) return not evaluate(w, node.e, scope) end,
  op = function(w, node, scope)
    return OPERATORS[node.op](function() return evaluate(w, node.a, scope) end,
      function() return evaluate(w, node.b, scope) end)
  end,
}

function evaluate(w, node, scope) return EXPRESSIONS[node.k](w, node, scope) end

-- Statements ------------------------------------------------------------------
-- Each gets `rest`, which runs what follows it. One that must wait keeps `rest`
-- for later and answers PENDING; RETURN leaves the function.

local PENDING, RETURN = 1, 2
local STATEMENTS

--- Runs body[i...]. Answers nil when it came to the end by itself; `done` is
--- called only when it gets there later, after a wait.
function run(w, body, i, scope, done, resumed)
  while i <= #body do
    local after = i + 1
    local function rest() return run(w, body, after, scope, done, true) end
    local state = STATEMENTS[body[i].s](w, body[i], scope, rest)
    if state then return state end
    i = after
  end
  if resumed and done then return done() end
end

--- `wait`: so often since the start; `next`: so often from now on.
local function wait(w, st, _, rest)
  local keys, times = {}, {}
  for i, c in ipairs(st.conditions) do
    keys[i] = c.log .. "." .. c.label
    times[i] = c.times + (st.next and w.counts[keys[i]] or 0)
  end
  local function ready()
    for i, key in ipairs(keys) do
      if (w.counts[key] or 0) < times[i] then return false end
    end
    return true
  end
  w.waiting[#w.waiting + 1] = { what = table.concat(keys, " "), ready = ready, go = rest }
  wake(w)
  return PENDING
end

--- Looks again each turn; the loop stays awake meanwhile, so the guard can fail it.
local function until_true(w, st, scope, rest)
  local function look()
    if w.stopped then return end
    if evaluate(w, st.e, scope) then rest() else timers.setImmediate(look) end
  end
  if evaluate(w, st.e, scope) then return nil end
  timers.setImmediate(look)
  return PENDING
end

--- How a program is seen to be quiet: so many looks in a row, so far apart in
--- milliseconds, at which the logs had not grown; one that never is goes on anyway.
--- A handshake has turns in which nothing is told.
local QUIET_LOOKS, QUIET_LOOKS_TLS, QUIET_MS, QUIET_MOST = 4, 10, 2, 60

local function settle(w, _, _, rest)
  local quiet, looks, said = 0, 0, w.said
  local enough = w.version and QUIET_LOOKS_TLS or QUIET_LOOKS
  local function look()
    if w.stopped then return end
    quiet, looks = w.said == said and quiet + 1 or 0, looks + 1
    said = w.said
    if quiet == enough or looks == QUIET_MOST then return rest() end
    timers.setTimeout(look, QUIET_MS)
  end
  timers.setTimeout(look, QUIET_MS)
  return PENDING
end

--- What to walk, with its length: a list that is written out may hold nil.
local function items_of(w, e, scope)
  if e.k ~= "list" then
    local items = evaluate(w, e, scope)
    return items, #items
  end
  local items = {}
  for i, item in ipairs(e.items) do items[i] = evaluate(w, item, scope) end
  return items, #e.items
end

local function each(w, st, scope, rest)
  local items, n = items_of(w, st.e, scope)
  local function from(first, resumed)
    for i = first, n do
      local own = inner(scope)
      declare(w, own, st.name, items[i])
      local state = run(w, st.body, 1, own, function() return from(i + 1, true) end)
      if state then return state end
    end
    if resumed then return rest() end
  end
  return from(1, false)
end

--- Events whose arguments are another time others.
local SECRET = { session = true, keylog = true }

local function watch_one(w, object, who, event)
  object:on(event, function(...)
    if event == "data" then return log_data(w, who, (...)) end
    if SECRET[event] then return log(w, who, event, event) end
    log_event(w, who, event, table.pack(...))
  end)
end

--- What is also watched of an object of TLS, and what not: who hears 'connection' of a TLS
--- server has it make an object.
local function watched_of(w, object, dropped)
  if not w.tls or not w.tls.is(object) then return {} end
  dropped.connection = net.isServer(object) or nil
  return net.isServer(object) and { "secureConnection", "tlsClientError" }
    or { "secureConnect", "secure", "session" }
end

local function watch(w, st, scope)
  local object, who = lookup(scope, st.who), log_name(w, scope, st.who)
  local dropped = {}
  local added = watched_of(w, object, dropped)
  for _, e in ipairs(st.events) do
    if e.on then added[#added + 1] = e.event else dropped[e.event] = true end
  end
  for i = #added, 1, -1 do
    if dropped[added[i]] then table.remove(added, i) end
  end
  for _, event in ipairs(WATCHED) do
    if not dropped[event] then watch_one(w, object, who, event) end
  end
  for _, event in ipairs(added) do watch_one(w, object, who, event) end
end

--- A server that takes so many connections and then closes itself. One of TLS counts
--- those that were refused, too.
local function serve(w, st, scope, rest)
  local block, left, server = closure(w, st.fn, scope), st.times, nil
  local options = st.options and evaluate(w, st.options, scope) or {}
  local function count()
    left = left - 1
    if left == 0 then server:close() end
  end
  local function on_connection(socket)
    count()
    block(socket)
  end
  if st.tls then
    server = w.tls.server(options, on_connection)
    server:on("tlsClientError", count)
  else
    server = net.createServer(options, on_connection)
  end
  declare(w, scope, st.who, server)
  local where = st.at and { path = w.builtins.tmp(st.at) } or { port = 0, host = "127.0.0.1" }
  server:listen(where, function()
    w.builtins.portof(server)
    timers.setImmediate(rest)
  end)
  return PENDING
end

--- A block of one side of a connection. The client's begins when a server is offered; where
--- this process has one seat alone, the other's block is not for it.
local function seat(w, st, scope)
  if w.seat and w.seat ~= st.seat then return end
  local own = inner(scope)
  if st.seat == "server" then
    run(w, st.body, 1, own)
  else
    w.tls.when_offered(function() run(w, st.body, 1, own) end)
  end
end

local function field_text(w, object, name)
  return name .. "=" .. format.value(w, object[name], name)
end

local function show(w, st, scope)
  local who, object = log_name(w, scope, st.who), lookup(scope, st.who)
  local parts = {}
  for i, name in ipairs(st.names) do parts[i] = field_text(w, object, name) end
  log(w, who, "show", "  " .. table.concat(parts, " "))
end

--- Every field the first time, afterwards those that changed since.
local function state(w, st, scope)
  local who, object = log_name(w, scope, st.who), lookup(scope, st.who)
  local before, now, changed = w.states[who] or {}, {}, {}
  for _, name in ipairs(STATE) do
    now[name] = field_text(w, object, name)
    if now[name] ~= before[name] then changed[#changed + 1] = now[name] end
  end
  w.states[who] = now
  if #changed == 0 then log(w, who, "state", "  unchanged") end
  for i = 1, #changed, 6 do
    local last = math.min(i + 5, #changed)
    log(w, who, "state", "  " .. table.concat(changed, " ", i, last))
  end
end

local function set(w, st, scope)
  local target, v = st.target, evaluate(w, st.e, scope)
  if target.k == "get" then
    evaluate(w, target.o, scope)[target.name] = v
  else
    declare(w, owner(scope, target.name) or scope, target.name, v)
  end
end

local function log_line(w, st, scope)
  local values = { n = #st.args }
  for i, arg in ipairs(st.args) do values[i] = evaluate(w, arg, scope) end
  local label, first = "log", 1
  if type(values[1]) == "string" then label, first = values[1], 2 end
  local parts = {}
  for i = first, values.n do parts[#parts + 1] = format.value(w, values[i]) end
  local text = #parts > 0 and label .. ": " .. table.concat(parts, ", ") or label
  log(w, log_name(w, scope, st.who), label, text)
end

STATEMENTS = {
  let = function(w, st, scope) declare(w, scope, st.name, evaluate(w, st.e, scope)) end,
  set = set,
  expr = function(w, st, scope) evaluate(w, st.e, scope) end,
  log = log_line,
  on = function(w, st, scope)
    local object = lookup(scope, st.who)
    object[st.once and "once" or "on"](object, st.event, closure(w, st.fn, scope))
  end,
  watch = watch,
  wait = wait,
  settle = settle,
  ["until"] = until_true,
  tick = function(w, st, scope) process.nextTick(closure(w, st.fn, scope)) end,
  immediate = function(w, st, scope) timers.setImmediate(closure(w, st.fn, scope)) end,
  after = function(w, st, scope)
    timers.setTimeout(closure(w, st.fn, scope), evaluate(w, st.ms, scope))
  end,
  each = each,
  ["if"] = function(w, st, scope, rest)
    local body = evaluate(w, st.e, scope) and st.body or nil
    if not body then body = st.other end
    return body and run(w, body, 1, inner(scope), rest)
  end,
  show = show,
  state = state,
  uncaught = function(w, st) w.uncaught = st.who end,
  together = function(w, st)
    for _, name in ipairs(st.names) do w.joined[name] = "all" end
  end,
  serve = serve,
  seat = seat,
  ["return"] = function(w, st, scope)
    local frame = lookup(scope, "return")
    if frame then frame.result = evaluate(w, st.e, scope) end
    return RETURN
  end,
}

-- Worlds -------------------------------------------------------------------------

--- A fresh world.
---@param tmp string what all its temporary paths begin with
---@param global boolean whether all its objects share one log
---@return table world
function interpret.world(tmp, global)
  return {
    tmp = tmp, global = global and "all" or nil, said = 0,
    logs = {}, counts = {}, waiting = {}, data = {}, states = {}, joined = {},
    names = setmetatable({}, { __mode = "k" }), uses = {}, handles = {}, ports = {},
    listeners = {}, paths = {}, uncaught = "uncaught", seed = 1, hash = format.FNV_START,
    stopped = false,
  }
end

--- Runs a scenario's statements until its first wait.
---@param w table a world whose `builtins` and `modules` are set
---@param body table[] the statements
function interpret.start(w, body)
  local scope = inner(nil)
  for name, v in pairs(w.builtins) do scope.vars[name], scope.known[name] = v, true end
  run(w, body, 1, inner(scope))
end

return interpret
