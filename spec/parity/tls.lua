-- SPDX-License-Identifier: MIT

--- What scenarios of TLS may call, in Lua, and how the two sides of one find each other
--- where each runs in a process of its own: the Lua half of what runner.js does.
--
-- A seat is one side of a scenario. The process that has the server's writes a line for each
-- scenario into a pipe, the name and port of what its client is to connect to; the one that has
-- the client's waits for that. Both go through the same scenarios in the same order, and a line
-- begins with the number of its scenario, so that one that never offers is not missed.

local net = require("net")
local timers = require("net.timers")

local seats = {}

--- The pipe, opened when it is first used.
local pipe

local function open_pipe(w)
  pipe = pipe or assert(io.open(os.getenv("PARITY_PIPE"), w.seat == "client" and "rb" or "wb"))
  return pipe
end

-- A line that was read for a scenario that is still to come.
local ahead

--- What the server's seat has said of this scenario: a name and where it is.
local function read_offer(w)
  local line = ahead or open_pipe(w):read("l") or ""
  local index, name, at = line:match("^(%d+) (%S+) (%S+)$")
  if not index then error("the server's seat is gone", 0) end
  ahead = tonumber(index) > w.index and line or nil
  if tonumber(index) < w.index then return read_offer(w) end
  if name == "-" or ahead then return nil end
  return name, math.tointeger(at) or at
end

local certificates

local function certificate_of(name)
  if not certificates then
    local made = require("spec.parity.certificates")
    local dir = os.getenv("PARITY_CERTS")
    certificates = dir and made.read(dir) or made.make()
  end
  return certificates[name]
end

--- The options of this scenario's version, under those given.
local function with_version(w, options, more)
  local made = { minVersion = "TLSv" .. w.version, maxVersion = "TLSv" .. w.version }
  for key, v in pairs(more or {}) do made[key] = v end
  for key, v in pairs(options or {}) do made[key] = v end
  return made
end

local function where(w)
  local at = w.offered
  return type(at) == "string" and { path = at } or { port = at, host = "127.0.0.1" }
end

--- What connects to the server that was offered, by TLS or not.
local function secure(w, tls, options, cb)
  local own = where(w)
  own.servername, own.ca = "localhost", certificate_of("ca").cert
  return tls.connect(with_version(w, options, own), cb)
end

local function plain(w, options, cb)
  local own = where(w)
  for key, v in pairs(options or {}) do own[key] = v end
  return net.connect(own, cb)
end

--- Bytes with the last one's bits turned.
local function spoilt(bytes)
  return bytes:sub(1, -2) .. string.char(bytes:byte(-1) ~ 0xff)
end

--- Of bytes that are others each time, how many; all else as it is.
local function sized(v) return type(v) == "string" and #v or v end

local function offer(w, server)
  local at = w.builtins.portof(server)
  w.has_offered = true
  if w.seat == "server" then
    open_pipe(w):write(("%d %s %s\n"):format(w.index, w.names[server], at))
    pipe:flush()
  else
    w.offered = at
    if w.on_offer then timers.setImmediate(w.on_offer) end
  end
end

local function when_offered(w, f)
  if w.seat ~= "client" then
    if w.offered then timers.setImmediate(f) else w.on_offer = f end
    return
  end
  local name, at = read_offer(w)
  if not name then return end
  if math.type(at) then w.ports[at] = name end
  w.offered = at
  timers.setImmediate(f)
end

--- Gives a world what scenarios of TLS need.
---@param w table the world, with its builtins
---@param scenario table
---@param seat? string "server" or "client": the one that this process has
---@param index? integer the scenario's number
function seats.install(w, scenario, seat, index)
  if not scenario.version then return end
  local tls = require("net.tls")
  w.version, w.seat, w.index = scenario.version, seat, index
  w.modules[tls] = true
  w.tls = {
    is = function(v) return tls.isTLSSocket(v) or net.isServer(v) and v.setSecureContext ~= nil end,
    server = function(options, cb)
      local own = certificate_of("server")
      return tls.createServer(with_version(w, options, { cert = own.cert, key = own.key }), cb)
    end,
    when_offered = function(f) when_offered(w, f) end,
  }
  local more = {
    tls = tls, version = scenario.version, noTickets = tls.constants.SSL_OP_NO_TICKET,
    pem = function(name) return certificate_of(name).cert end,
    keyof = function(name) return certificate_of(name).key end,
    offer = function(server) offer(w, server) end,
    secure = function(options, cb) return secure(w, tls, options, cb) end,
    plain = function(options, cb) return plain(w, options, cb) end,
    spoilt = spoilt, sized = sized,
    pair = function() return { net.duplexPair() } end,
    versioned = function(options) return with_version(w, options) end,
  }
  for name, v in pairs(more) do w.builtins[name] = v end
end

--- Says that a scenario is over, if it has offered nothing.
function seats.finish(w)
  if w.seat == "server" and not w.has_offered then
    open_pipe(w):write(("%d - -\n"):format(w.index))
    pipe:flush()
  end
end

--- Whether net.tls was built.
function seats.is_there() return (pcall(require, "net.tls")) end

return seats
