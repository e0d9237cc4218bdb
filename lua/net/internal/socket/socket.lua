-- SPDX-License-Identifier: MIT

--- net.Socket - construction, and the methods that are policy.
---
--- The object is the core's userdata; this module adds methods to its class.
--- What touches bytes is in C (src/socket/socket.c, src/socket/fields.c); here are option
--- checks, the option setters with their caching rule, timeouts, and the text
--- that `tostring` shows. Connecting is net.connect's, piping net.pipe's.

local core = require("net.core")
local args = require("net.internal.args")
local lazy = require("net.internal.lazy")
local truthy = require("net.internal.options").truthy
local validate = require("net.internal.validate")

local boundsocket = lazy.module("net.internal.address.boundsocket")
local errors = lazy.module("net.internal.errors")
local onabort = lazy.module("net.internal.onabort")
local process = lazy.module("net.process")
local socket_options = lazy.module("net.internal.socket.options")

local stream = core.stream
local methods = core.Socket.methods

local KEEP_ALIVE_INTERVAL = 1 -- s
local KEEP_ALIVE_COUNT = 10 -- probes

local M = {}

-- Construction

--- Whole seconds of milliseconds, as JavaScript's `~~(ms / 1000)`; 0 for what is no
--- number.
local function whole_seconds(ms)
  local seconds = type(ms) == "number" and args.uint32(ms / 1000) or 0
  return seconds < 0x80000000 and seconds or seconds - 0x100000000
end

--- A signal that aborts destroys the socket.
local function follow_signal(socket, signal)
  local function abort()
    socket:destroy(errors.abort(signal.reason))
  end
  stream.private(socket).signal = signal -- one that has aborted keeps connect() back
  if signal.aborted then
    core.tick(abort)
  else
    onabort.follow(socket, signal, abort)
  end
end

local function open_fd(socket, fd, readable)
  local ok, err = stream.adopt(socket, math.tointeger(fd))
  if not ok then
    errors.throw(errors.system(err, "open"), 4)
  end
  if readable ~= false then
    stream.begin(socket)
  end
end

--- Makes a socket without connecting it.
---
---     net.Socket(options)
---     net.Socket(fd)        -- short for {fd = fd}
---
--- With `fd` it is open at once; with a BoundSocket as `handle` it has its local end,
--- and `connect` goes on from there.
---
---@param options? net.SocketOptions|integer
---@return net.Socket
function M.new(options)
  return M.make(options, stream.new)
end

--- The same, of another class.
---@param options? net.SocketOptions|integer
---@param new fun(): net.Socket makes a closed one
---@return net.Socket
function M.make(options, new)
  if type(options) == "number" then
    options = { fd = options }
  elseif options ~= nil and type(options) ~= "table" then
    options = nil
  end
  options = options or {}
  local bound = args.bound_socket(options)
  socket_options.check(options, bound)
  local socket = new()
  socket_options.apply(socket, options)
  if bound then
    boundsocket.attach(socket, bound)
  elseif options.fd ~= nil then
    open_fd(socket, options.fd, options.readable)
  end
  if truthy(options.signal) then
    follow_signal(socket, options.signal)
  end
  return socket
end

--- Whether a value is a socket of this module.
---@param v any
---@return boolean
function M.is_socket(v)
  return stream.is(v)
end

-- Options of the descriptor

--- The receiver of a method written here, checked as the core's are.
local function check_self(self)
  if not stream.is(self) then
    errors.raise("ERR_INVALID_THIS", 3, "Socket")
  end
end

--- Sets an idle timeout: after `msecs` without activity 'timeout' is emitted,
--- once per idle period; nothing is closed. 0 turns it off.
---@param msecs number milliseconds; >= 0, above 2^31 - 1 cut with a warning
---@param callback? fun() listens to 'timeout' once; with 0: no longer
---@return net.Socket self
function methods:setTimeout(msecs, callback)
  check_self(self)
  if self.destroyed then
    return self
  end
  local duration, warning = validate.duration(msecs, "msecs")
  if callback ~= nil then
    validate.func(callback, "callback")
  end
  self.timeout = msecs
  if warning then
    process.emitWarning(warning, "TimeoutOverflowWarning")
  end
  if duration == 0 then
    stream.timeout(self, 0)
    if callback then
      self:off("timeout", callback)
    end
    return self
  end
  stream.timeout(self, math.max(1, duration // 1 | 0))
  if callback then
    self:once("timeout", callback)
  end
  return self
end

--- Turns Nagle's algorithm off (the default of the argument) or on (TCP_NODELAY).
--- Before there is a descriptor the wish is remembered. Never raises.
---@param no_delay? boolean default true
---@return net.Socket self
function methods:setNoDelay(no_delay)
  check_self(self)
  stream.nodelay(self, no_delay == nil or no_delay and no_delay ~= 0 and no_delay ~= "")
  return self
end

--- What Node's binding makes of an interval and a count: a default for what is no
--- unsigned integer. With a zero among them, none of the times is set.
local function apply_keep_alive(socket, wish)
  local interval, count = wish.interval, wish.count
  if interval == nil or interval < 0 then
    interval = KEEP_ALIVE_INTERVAL
  end
  count = type(count) == "number" and math.tointeger(count) or -1
  if count < 0 or count > 0xFFFFFFFF then
    count = KEEP_ALIVE_COUNT
  end
  stream.keepalive(socket, wish.enable, wish.delay, interval, count)
end

--- What is applied as soon as there is a descriptor, before 'connect'.
local function on_connected(socket)
  local private = stream.private(socket)
  private.on_connected = on_connected  -- the next connection wants it again
  if private.opens then
    private.opens(socket) -- first: a listener below may raise
  end
  if private.keep_alive then
    apply_keep_alive(socket, private.keep_alive)
  end
  if private.tos then
    local ok, err = stream.set_tos(socket, private.tos)
    if not ok and core.errname(err) ~= "EBADF" then
      socket:emit("error", errors.system(err, "setTypeOfService"))
    end
  end
end

--- The hook by which a layer comes under a socket before anything is sent: private.opens.
M.on_connected = on_connected

--- Folds both forms of setKeepAlive into one table: seconds, counts.
local function keep_alive_wish(enable, initial_delay, interval, count)
  if type(enable) == "table" then
    enable, initial_delay, interval, count =
      enable.enable, enable.initialDelay, enable.interval, enable.count
  end
  return {
    enable = truthy(enable),
    delay = whole_seconds(initial_delay),
    interval = interval ~= nil and whole_seconds(interval) or nil,
    count = count,
  }
end

--- What keep-alive is set to now: what was asked for last, by the server if the
--- socket was accepted and nobody has asked since.
local function keep_alive_now(socket)
  local wish = stream.private(socket).keep_alive
  if wish then
    return wish
  end
  local delay = stream.server_keepalive(socket)
  return { enable = delay ~= nil, delay = delay or 0 }
end

local function same_wish(a, b)
  return a.enable == b.enable and (not a.enable or a.delay == b.delay and
    a.interval == b.interval and a.count == b.count)
end

--- Turns TCP keep-alive on or off (SO_KEEPALIVE, and with an initial delay of a
--- second or more TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT; tcp(7)).
---
---     socket:setKeepAlive([enable [, initialDelay [, interval [, count]]]])
---     socket:setKeepAlive({enable =, initialDelay =, interval =, count =})
---
--- Before there is a descriptor the wish is remembered; afterwards the system is
--- asked only if something changes. Never raises. An interval or a count of 0, an
--- interval below a second too, leaves all three times as they are.
---@param enable? boolean|table default false
---@param initial_delay? number milliseconds, cut to whole seconds
---@param interval? number milliseconds, cut to whole seconds; default 1000
---@param count? integer probes; default 10
---@return net.Socket self
function methods:setKeepAlive(enable, initial_delay, interval, count)
  check_self(self)
  local wish = keep_alive_wish(enable, initial_delay, interval, count)
  if not same_wish(keep_alive_now(self), wish) then
    local private = stream.private(self)
    private.keep_alive, private.on_connected = wish, on_connected
    apply_keep_alive(self, wish)
  end
  return self
end

--- Sets the IP type of service (IP_TOS, IPV6_TCLASS; ip(7)).
---@param tos integer 0..255
---@return net.Socket self
function methods:setTypeOfService(tos)
  check_self(self)
  if tos ~= tos then
    errors.raise("ERR_INVALID_ARG_TYPE", 2, "tos", "of type number", tos)
  end
  validate.int32(tos, "tos", 0, 255)
  local private = stream.private(self)
  private.tos, private.on_connected = tos, on_connected
  local ok, err = stream.set_tos(self, math.tointeger(tos))
  if not ok then
    errors.throw(errors.system(err, "setTypeOfService"), 2)
  end
  return self
end

--- The type of service: what was asked for before there is a descriptor, the
--- kernel's word afterwards.
---@return integer tos
function methods:getTypeOfService()
  check_self(self)
  local tos, err = stream.get_tos(self)
  if not tos then
    errors.throw(errors.system(err, "getTypeOfService"), 2)
  end
  return tos
end

-- Fields

--- The addresses tried by family autoselection, as "ip:port"; nil before.
function core.Socket.getters.autoSelectFamilyAttemptedAddresses(self)
  return stream.private(self).attempted
end

--- Node's opaque handle: something while there is one, else nil.
function core.Socket.getters._handle(self)
  return (not self.pending or self.connecting) and stream.private(self) or nil
end

local function describe(self)
  local address = self.remoteAddress
  if not address then
    return ""
  end
  if address:find(":", 1, true) then
    address = "[" .. address .. "]"
  end
  return " " .. address .. ":" .. self.remotePort
end

core.Socket.metatable.__tostring = function(self)
  if not stream.is(self) then
    errors.raise("ERR_INVALID_THIS", 2, "Socket")
  end
  local state = self.destroyed and "closed" or self.pending and not self.connecting and "new"
    or not self.connecting and boundsocket.dial_of(self) and "bound" or self.readyState
  return ("%s%s (%s)"):format(getmetatable(self).__name, describe(self), state)
end

return M
