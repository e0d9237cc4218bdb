-- SPDX-License-Identifier: MIT

--- net.internal.socket.connect - net.connect and socket:connect: checks, and the look-up.
--
-- Everything about a call that is wrong is found before the socket changes, in
-- Node's order. An address is tried on the tick, a Unix path inside the call, a
-- name when the look-up has answered; a socket made from a BoundSocket tries an
-- address inside the call, too. The trying itself is net.attempt's.

local core = require("net.core")
local args = require("net.internal.args")
local attempt = require("net.internal.socket.attempt")
local lazy = require("net.internal.lazy")
local options_of = require("net.internal.options")
local net_socket = require("net.internal.socket.socket")
local validate = require("net.internal.validate")

local boundsocket = lazy.module("net.internal.address.boundsocket")
local dns = lazy.module("net.dns")
local errors = lazy.module("net.internal.errors")
local onabort = lazy.module("net.internal.onabort")

local MIN_ATTEMPT_TIMEOUT = 10 -- ms
local FAMILY_WORDS = { IPv4 = 4, IPv6 = 6 }
local USER = 3 -- where a stack starts: who called connect

local stream = core.stream
local truthy = options_of.truthy
local alive, announce = attempt.alive, attempt.announce

local default_auto_select = true
local default_attempt_timeout = 500 -- ms

local M = {}

-- What a look-up answered

local function is_address(ip)
  return core.isIP(ip) ~= 0
end

local function is_family(family)
  return family == 4 or family == 6
end

--- The error of an answer that is no address, nil if it is one.
local function answer_error(plan, ip, family)
  if not is_address(ip) then
    return errors.codes.ERR_INVALID_IP_ADDRESS(ip)
  elseif not is_family(family) then
    return errors.codes.ERR_INVALID_ADDRESS_FAMILY(family, plan.given.host, plan.given.port)
  end
end

--- A single answer: cb(err, ip, family).
local function on_address(plan, err, ip, family)
  if not announce(plan, "lookup", err, ip, family, plan.host) then
    return
  end
  err = truthy(err) and err or answer_error(plan, ip, family)
  if err then
    return attempt.fail_soon(plan, err)
  end
  stream.touch(plan.socket)
  attempt.try_single(plan, ip, math.tointeger(family))
end

--- Sorts an address into its family's list, unless it is there already.
local function keep(families, seen, ip, family)
  local key = family .. ip
  if seen[key] then
    return
  end
  seen[key] = true
  families.first = families.first or family
  local list = families[family]
  list[#list + 1] = { address = ip, family = family }
end

--- Tells each address of a list; returns those to try by family, nil when the
--- plan is over.
local function sift(plan, list)
  local families, seen = { [4] = {}, [6] = {} }, {}
  for _, entry in ipairs(list) do
    local ip, family
    if type(entry) == "table" then
      ip, family = entry.address, entry.family
    end
    if not announce(plan, "lookup", nil, ip, family, plan.host) then
      return nil
    elseif is_address(ip) and is_family(family) then
      keep(families, seen, ip, math.tointeger(family))
    end
  end
  return families
end

--- One of each family in turn, the family of the first address first; then what
--- is left of one.
local function interleave(families)
  local a, b = families[families.first], families[10 - families.first]
  local list = {}
  for i = 1, math.max(#a, #b) do
    list[#list + 1] = a[i]
    list[#list + 1] = b[i]
  end
  return list
end

--- A list as the answer: cb(err, {{address =, family =}, …}).
local function on_addresses(plan, err, list)
  plan.request = nil
  if not alive(plan) then
    return
  elseif truthy(err) then
    announce(plan, "lookup", err, nil, nil, plan.host)
    return attempt.fail_soon(plan, err)
  end
  list = type(list) == "table" and list or {}
  local families = sift(plan, list)
  if not families then
    return
  elseif families.first then
    stream.touch(plan.socket)
    return attempt.try_list(plan, interleave(families))
  end
  local first = type(list[1]) == "table" and list[1] or {}
  attempt.fail_soon(plan, answer_error(plan, first.address, first.family))
end

--- Calls the look-up; it may answer inside the call.
local function look_up(plan, lookup, lookup_options)
  local on_answer = lookup_options.all and on_addresses or on_address
  local request = lookup(plan.host, lookup_options, function(...)
    local _ <close> = plan
    on_answer(plan, ...)
  end)
  if lookup == dns.lookup and lookup_options.all then
    plan.request = request
  end
end

-- Checks

local function check_local(plan, options)
  if plan.bound and (options.localAddress ~= nil or options.localPort ~= nil) then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "options", options,
      "localAddress and localPort cannot be used with an adopted bound socket")
  end
  if truthy(options.localAddress) then
    if not is_address(options.localAddress) then
      errors.raise("ERR_INVALID_IP_ADDRESS", USER, options.localAddress)
    end
    plan.bind_address = options.localAddress
  end
  if truthy(options.localPort) then
    plan.bind_port = validate.number(options.localPort, "options.localPort")
  end
end

local function check_port(port)
  if port == nil then
    return 0 -- there was an empty path
  elseif type(port) ~= "number" and type(port) ~= "string" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, "options.port", { "number", "string" }, port)
  end
  local number = validate.port(port)
  return number
end

--- A time limit for attempts, which is never shorter than 10 ms.
local function check_attempt_timeout(value, name)
  return math.max(MIN_ATTEMPT_TIMEOUT, validate.int32(value, name, 1))
end

--- Fills the plan with what a TCP connection needs, in Node's order of checks.
local function check_tcp(plan, options)
  plan.bound = boundsocket.is_bound(plan.socket)
  plan.host = validate.string_without_nul(truthy(options.host) and options.host or "localhost",
    "options.host")
  check_local(plan, options)
  plan.port = check_port(options.port)
  plan.auto_select = default_auto_select and not plan.bound
  if options.autoSelectFamily ~= nil and not plan.bound then
    plan.auto_select = validate.boolean(options.autoSelectFamily, "options.autoSelectFamily")
  end
  plan.attempt_timeout = default_attempt_timeout
  if options.autoSelectFamilyAttemptTimeout ~= nil then
    plan.attempt_timeout = check_attempt_timeout(options.autoSelectFamilyAttemptTimeout,
      "options.autoSelectFamilyAttemptTimeout")
  end
end

--- The look-up function, and what it gets as options.
local function check_lookup(plan, options)
  local lookup = dns.lookup
  if options.lookup ~= nil then
    lookup = validate.func(options.lookup, "options.lookup")
  end
  local family = FAMILY_WORDS[options.family] or options.family
  local single = family == 4 or family == 6
  local hints = truthy(options.hints) and options.hints or 0
  if not single and hints == 0 then
    hints = dns.ADDRCONFIG
  end
  local lookup_options = { family = family, hints = hints }
  if not single and not plan.bind_address and plan.auto_select then
    lookup_options.all = true
  end
  if lookup == dns.lookup then
    dns._check(lookup_options) -- raises here, before the socket is connecting
  end
  return lookup, lookup_options
end

-- Connecting

local function connect_unix(plan, path)
  local _ <close> = plan
  attempt.start_round(plan, true)
  attempt.try_single(plan, path, nil)
end

local function try_literal(plan)
  local _ <close> = plan
  if alive(plan) then
    attempt.try_single(plan, plan.host, core.isIP(plan.host))
  end
end

local function connect_tcp(plan, options)
  local _ <close> = plan
  if is_address(plan.host) then
    attempt.start_round(plan, false)
    if plan.bound then
      try_literal(plan)
    else
      core.tick(try_literal, plan)
    end
    return
  end
  local lookup, lookup_options = check_lookup(plan, options)
  attempt.start_round(plan, false)
  stream.private(plan.socket).host = plan.host -- whom TLS over this socket has to meet
  look_up(plan, lookup, lookup_options)
end

--- Whether connecting would be against what the socket was made with: a signal
--- that has aborted already ends it before it begins.
local function is_aborted(socket)
  local signal = stream.private(socket).signal
  return signal and signal.aborted
end

--- A socket that is connected refuses to be so twice.
local function refuse_open(plan, path)
  local err = errors.system("EISCONN", "connect", path or plan.host, plan.port)
  core.tick(function()
    plan.socket:destroy(err)
  end)
end

local function is_open(socket)
  return not (socket.pending or socket.destroyed or boundsocket.dial_of(socket))
end

--- The path to connect to, nil for TCP. A descriptor that there is already settles
--- which of them it is, whatever the options have besides.
local function path_of(socket, options)
  local bound, is_unix = boundsocket.dial_of(socket)
  if bound and is_unix or not bound and truthy(options.path) then
    local path = validate.unix_path(options.path, "options.path")
    return path
  end
end

--- Connects a socket as the options say.
local function connect(socket, options, callback)
  if callback then
    socket:once("connect", callback)
  end
  if options.port == nil and options.path == nil then
    errors.raise("ERR_MISSING_ARGS", USER, { "options", "port", "path" })
  end
  local plan = attempt.new_plan(socket, options)
  local path = path_of(socket, options)
  if not path then
    check_tcp(plan, options)
  end
  if is_aborted(socket) then
    return socket
  elseif is_open(socket) then
    refuse_open(plan, path)
  elseif path then
    connect_unix(plan, path)
  else
    connect_tcp(plan, options)
  end
  return socket
end

local function begin(socket, options, callback)
  if truthy(options.timeout) then
    socket:setTimeout(options.timeout)
  end
  return connect(socket, options, callback)
end

--- The same of a new socket that follows a signal.
local function begin_followed(options, callback)
  local made <close> = onabort.unfinished()
  local socket = net_socket.new(options)
  made.socket = socket
  begin(socket, options, callback)
  made.socket = false
  return socket
end

-- Public

--- Makes a socket and connects it.
---
---     connect(options [, onConnect])
---     connect(path [, onConnect])              -- a Unix socket
---     connect(port [, host] [, onConnect])     -- host is "localhost" if left out
---
--- The options are those of net.Socket and of `socket:connect`, and `timeout`.
--- See there for events and errors.
---@param ... any
---@return net.Socket
function M.connect(...)
  local options, callback = args.normalize(...)
  if truthy(options.signal) then
    return begin_followed(options, callback)
  end
  return begin(net_socket.new(options), options, callback)
end

M.createConnection = M.connect

--- Connects the socket; one that is destroyed or closed starts over.
---
---     connect(options [, onConnect])
---     connect(path [, onConnect])              -- a Unix socket
---     connect(port [, host] [, onConnect])     -- host is "localhost" if left out
---
--- `onConnect` listens to 'connect' once. A name is looked up ('lookup' for each
--- address); if it has several, they are tried one after the other, in turns of
--- IPv6 and IPv4, each but the last for `autoSelectFamilyAttemptTimeout` ms:
--- 'connectionAttempt'(ip, port, family), then 'connectionAttemptFailed'(ip, port,
--- family, err) or 'connectionAttemptTimeout'(ip, port, family). Success is
--- 'connect' and 'ready'. Failure is 'error' and 'close': `connect ECONNREFUSED
--- ip:port` and the like, an AggregateError when several were tried.
---
--- Raises for wrong arguments: ERR_MISSING_ARGS, ERR_INVALID_ARG_TYPE,
--- ERR_INVALID_ARG_VALUE, ERR_SOCKET_BAD_PORT, ERR_INVALID_IP_ADDRESS,
--- ERR_OUT_OF_RANGE.
---@param ... any
---@return net.Socket self
function core.Socket.methods:connect(...)
  if not stream.is(self) then
    errors.raise("ERR_INVALID_THIS", 2, "Socket")
  end
  local options, callback = args.normalize(...)
  return connect(self, options, callback)
end

--- Whether several addresses of a name are tried, unless told otherwise.
---@return boolean
function M.getDefaultAutoSelectFamily()
  return default_auto_select
end

--- Sets that default.
---@param value boolean
function M.setDefaultAutoSelectFamily(value)
  default_auto_select = validate.boolean(value, "value")
end

--- How long each address but the last is tried, unless told otherwise.
---@return integer ms
function M.getDefaultAutoSelectFamilyAttemptTimeout()
  return default_attempt_timeout
end

--- Sets that default.
---@param value integer ms, at least 1; below 10 is 10
function M.setDefaultAutoSelectFamilyAttemptTimeout(value)
  default_attempt_timeout = check_attempt_timeout(value, "value")
end

return M
