-- SPDX-License-Identifier: MIT

--- What scenarios may call besides the module itself, in Lua.
--
-- The names and what they do are those of builtinsOf() in runner.js.

local net = require("net")
local dns = require("net.dns")
local events = require("net.events")
local process = require("net.process")
local timers = require("net.timers")
local abort = require("net.abort")
local format = require("spec.parity.format")

local builtins = {}

--- Node's `end` is a keyword here; the method is `finish`.
local METHODS = { ["end"] = "finish" }

local function make_error(message, code)
  return net.Error({ message = message, code = code })
end

local function is_handle(v) return net.isSocket(v) or net.isServer(v) end

--- Makes a call for its result alone: whatever it opened is closed again.
local function probe(w, f)
  local ok, result = pcall(f)
  if not ok then return setmetatable({ error = result }, format.Raised) end
  if not is_handle(result) then return result end
  w.handles[result] = true
  result:on("error", function() end)
  if net.isServer(result) then
    result:close()
    return "server"
  end
  result:destroy()
  return "socket"
end

--- Calls a class's method with an object of another class, or what is none: it must
--- refuse it. (Node, which has whatever V8 makes of that, is not asked.)
local function misapplied(class, name, ...)
  local ok, result = pcall(net[class][METHODS[name] or name], ...)
  if not ok and type(result) == "table" and result.code == "ERR_INVALID_THIS" then
    return "refused"
  end
  return ok and result or setmetatable({ error = result }, format.Raised)
end

local function portof(w, server)
  if w.listeners[server] then return w.listeners[server] end
  local address = server:address()
  local at = type(address) == "string" and address or address.port
  w.listeners[server] = at
  if type(at) == "number" then w.ports[at] = w.names[server] or "port" end
  return at
end

--- The functions of timers; what they start is stopped again at once.
local function timer_functions()
  local function stopped(start, stop)
    return function(...)
      stop(start(...))
      return "started"
    end
  end
  return {
    setTimeout = stopped(timers.setTimeout, timers.clearTimeout),
    setInterval = stopped(timers.setInterval, timers.clearInterval),
    setImmediate = stopped(timers.setImmediate, timers.clearImmediate),
    clearTimeout = timers.clearTimeout,
    nextTick = process.nextTick,
    clearImmediate = timers.clearImmediate,
  }
end

--- The options that connect to a server.
local function where(w, server)
  local at = portof(w, server)
  return type(at) == "string" and { path = at } or { port = at, host = "127.0.0.1" }
end

local function dial(w, server, options, cb)
  if type(options) == "function" then options, cb = nil, options end
  local given = where(w, server)
  for key, v in pairs(options or {}) do given[key] = v end
  return net.connect(given, cb)
end

--- A path of this run; padded with ~ to `length` bytes where a length is given.
local function tmp(w, name, length)
  local full = w.tmp .. "." .. name
  if length then full = full .. ("~"):rep(length - #full) end
  w.paths[full] = true
  return full
end

local function touch(path)
  assert(io.open(path, "w")):close()
end

--- Renaming onto itself tells of sockets too, which cannot be opened.
local function exists(path) return (os.rename(path, path)) == true end

local function mode(path)
  local stat = assert(io.popen("stat -c %a '" .. path .. "'"))
  local text = stat:read("l")
  stat:close()
  return text
end

--- Numbers 0..n-1, n <= 32768, the same in both languages.
local function random(w, n)
  w.seed = (w.seed * 1103515245 + 12345) & 0xffffffff
  return ((w.seed >> 16) & 0x7fff) % n
end

--- A random IPv4 text, the numbers below n.
local function ipv4(w, n)
  local parts = {}
  for i = 1, 4 do parts[i] = random(w, n) end
  return table.concat(parts, ".")
end

--- A random IPv6 text, the groups below n, one run of zeros sometimes as `::`.
local function ipv6(w, n)
  local groups = {}
  for i = 1, 8 do groups[i] = ("%x"):format(random(w, n)) end
  local at = random(w, 12)
  if at > 5 then return table.concat(groups, ":") end
  local after = at + 3 + random(w, 6 - at)
  return table.concat(groups, ":", 1, at) .. "::" .. table.concat(groups, ":", after)
end

--- The text with one character changed, doubled or taken out.
local function broken(w, text)
  local at = random(w, #text) + 1
  local char = text:sub(at, at)
  local by = ({ "", char .. char, ".", ":", "g", "0", "%" })[random(w, 7) + 1]
  return text:sub(1, at - 1) .. by .. text:sub(at + 1)
end

local function mixed(w)
  local text = ("%08x"):format(w.hash)
  w.hash = format.FNV_START
  return text
end

local function sorted(w, list)
  local found = table.move(list, 1, #list, 1, {})
  table.sort(found, function(a, b) return format.value(w, a) < format.value(w, b) end)
  return found
end

local function range(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

--- A table with one field, and those of `others`.
local function option(name, v, others)
  local made = {}
  for key, other in pairs(others or {}) do made[key] = other end
  made[name] = v
  return made
end

local function assigns(object, name, v)
  return (pcall(function() object[name] = v end))
end

--- Keeps the program busy for so many milliseconds: timers of that time are due by then.
local function spin(ms)
  local from = os.clock()
  repeat until (os.clock() - from) * 1000 >= ms -- time of ours, hence no less of the clock's
end

--- Gives a world its builtins and tells which tables are called with a dot.
---@param w table the world
---@param blackhole fun(w: table): integer the port of a listener that never accepts
function builtins.install(w, blackhole)
  local timer = timer_functions()
  w.modules = { [timer] = true, [net] = true, [dns] = true, [events] = true, [abort.AbortSignal] = true }
  for _, class in ipairs({ "Socket", "Server", "BlockList", "SocketAddress", "BoundSocket" }) do
    if net[class] then w.modules[net[class]] = true end
  end
  w.builtins = {
    net = net, dns = dns, events = events, process = process,
    AbortSignal = abort.AbortSignal,
    Abort = function() return abort.AbortController() end,
    EventEmitter = events.EventEmitter,
    timer = timer,
    nan = 0 / 0, inf = math.huge, negzero = -0.0,
    Error = make_error,
    raise = function(e) error(e, 0) end,
    assigns = assigns,
    len = function(v) return #v end,
    sub = string.sub,
    rep = string.rep,
    byte = string.char,
    bytes = function(s) return s end,
    text = tostring,
    error = function(raised)
      return getmetatable(raised) == format.Raised and raised.error or nil
    end,
    kind = type,
    range = range,
    push = function(list, v) list[#list + 1] = v end,
    sorted = function(list) return sorted(w, list) end,
    probe = function(f) return probe(w, f) end,
    background = function(ms, f) timers.setTimeout(f, ms):unref() end,
    spin = spin,
    option = option,
    misapplied = misapplied,
    method = function(object, name, ...) return object[name](object, ...) end,
    onread = function(size, f) return { buffer = size, callback = f } end,
    portof = function(server) return portof(w, server) end,
    where = function(server) return where(w, server) end,
    dial = function(server, options, cb) return dial(w, server, options, cb) end,
    tmp = function(name, length) return tmp(w, name, length) end,
    touch = touch,
    exists = exists,
    unlink = os.remove,
    mode = mode,
    blackhole = function() return blackhole(w) end,
    seed = function(n) w.seed = n end,
    random = function(n) return random(w, n) end,
    ipv4 = function(n) return ipv4(w, n) end,
    ipv6 = function(n) return ipv6(w, n) end,
    broken = function(text) return broken(w, text) end,
    mix = function(v) w.hash = format.fnv(format.value(w, v), w.hash) end,
    mixed = function() return mixed(w) end,
  }
end

return builtins
