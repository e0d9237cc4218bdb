-- SPDX-License-Identifier: MIT

--- net.connect - net.connect, socket:connect, and all between call and 'connect'.
--
-- Argument checks, the look-up, local binding, trying one address or several
-- ("happy eyeballs", strictly one at a time), the errors. One attempt at one
-- address is a Dial of the core's (src/dial.c); the stream takes the winner's
-- descriptor (core.stream.connected) and knows nothing of the others.
--
-- What one call is about is a plan: the socket, the options as checked, the
-- list of addresses if there is one. Any listener may destroy the socket, or
-- connect it anew, so each step asks first whether the plan still counts. A
-- plan is also to-be-closed around whatever runs a user's code: if that raises,
-- nobody would carry on, so the socket is destroyed rather than left connecting
-- for ever (Node leaves it).

local core = require("net.core")
local args = require("net.args")
local dns = require("net.dns")
local errors = require("net.errors")
local net_socket = require("net.socket")
local options_of = require("net.options")
local timers = require("net.timers")
local validate = require("net.validate")

local MIN_ATTEMPT_TIMEOUT = 10 -- ms
local ANY = { [4] = "0.0.0.0", [6] = "::" }
local USER = 3 -- where a stack starts: who called connect

local stream = core.stream
local truthy = options_of.truthy

local default_auto_select = true
local default_attempt_timeout = 500 -- ms

local M = {}

---@class net.ConnectOptions: net.SocketOptions
---@field port? integer|string 0..65535
---@field host? string default "localhost"
---@field path? string a Unix socket's; wins over port
---@field localAddress? string IP to connect from
---@field localPort? integer port to connect from
---@field family? 0|4|6|"IPv4"|"IPv6" default 0, both
---@field hints? integer see net.dns
---@field lookup? fun(host: string, options: table, callback: function) default net.dns.lookup
---@field autoSelectFamily? boolean default getDefaultAutoSelectFamily()
---@field autoSelectFamilyAttemptTimeout? integer ms, at least 10; default 500
---@field timeout? number ms of idleness until 'timeout'; net.connect only

-- Plans

---@class net.ConnectPlan
---@field socket net.Socket
---@field round table identity of this try of the socket
---@field host? string
---@field port? integer nil for a path
---@field bind_address? string localAddress, if asked for
---@field bind_port? number localPort, if asked for
---@field attempt_timeout integer ms
---@field given table the user's options
---@field addresses? net.LookupAddress[] what to try, one by one
---@field current integer index in them
---@field failures net.Error[] of those tried
---@field dial? userdata the attempt under way
---@field address? string its address
---@field family? 4|6 its family; nil for a path
---@field local_address? string where it was bound to
---@field timer? table its time limit
---@field request? table the look-up, if destroy() may cancel it

local Plan = {}

--- Whether the plan still counts: its socket is connecting, and not anew.
local function alive(plan)
  return plan.socket.connecting and stream.private(plan.socket).round == plan.round
end

--- A user's code raised, and nobody would carry on.
function Plan.__close(plan, err)
  if err ~= nil and alive(plan) then
    plan.socket:destroy()
  end
end

--- Emits an event of the socket; returns whether the plan still counts.
local function announce(plan, event, ...)
  local _ <close> = plan
  plan.socket:emit(event, ...)
  return alive(plan)
end

local function destroy_later(plan, err)
  if alive(plan) then
    plan.socket:destroy(err)
  end
end

--- Node defers errors of a look-up, as nobody can listen yet if it answered
--- inside net.connect.
local function fail_soon(plan, err)
  core.tick(destroy_later, plan, err)
end

-- Errors

--- The two local values as text, when Node shows them: both or none.
local function local_details(plan)
  if plan.local_address and plan.bind_port then
    return ("%s:%s"):format(plan.local_address, errors.inspect(plan.bind_port))
  end
end

--- The error of an attempt that failed after it began.
local function attempt_error(plan, errno)
  local details = local_details(plan)
  local e = errors.system(errno, "connect", plan.address, plan.port, details)
  if details then
    e.localAddress, e.localPort = plan.local_address, plan.bind_port
  end
  return e
end

--- The error of an attempt that could not begin; it names the local end that
--- the system had chosen by then.
local function refusal_error(plan, errno, dial)
  local name = dial:sockname()
  local details = name and name.address .. ":" .. name.port or "undefined:undefined"
  return errors.system(errno, "connect", plan.address, plan.port, details)
end

--- The error of a local end that could not be had.
local function bind_error(plan, errno)
  local port = math.tointeger(plan.bind_port)
  return errors.system(errno, "bind", plan.local_address, port)
end

-- One attempt

--- The attempt with that dial is over, without a connection.
local function drop(plan, dial)
  plan.dial = nil
  if alive(plan) then
    stream.private(plan.socket).dialing = nil
    stream.dial(plan.socket, nil)
  end
  dial:close()
end

local function stop_timer(plan)
  if plan.timer then
    timers.clearTimeout(plan.timer)
    plan.timer = nil
  end
end

--- Binds as libuv does: the low 16 bits of the port count, and a port other than
--- the one asked for is as good as one in use.
local function bind(plan, dial)
  local port = plan.bind_port or 0
  local ok, errno = dial:bind(plan.local_address, args.uint32(port) & 0xFFFF)
  if ok and port > 0 and dial:sockname().port ~= port then
    return nil, core.errnum("EADDRINUSE")
  end
  return ok, errno
end

--- Opens a descriptor for plan.address; `ok`, `errno` tell what socket(2) said.
--- The one place that would take a bound socket's descriptor instead.
local function open(plan)
  local dial = core.dial()
  stream.dial(plan.socket, dial)
  if plan.family and not plan.local_address and core.isIP(plan.address) ~= plan.family then
    return dial, nil, core.errnum("EINVAL") -- a look-up that mixed them up
  end
  return dial, dial:open(plan.family or "unix")
end

--- Whether the socket's block list has plan.address.
local function is_blocked(plan)
  local _ <close> = plan
  local list = plan.family and plan.socket.blockList
  return list and list:check(plan.address, plan.family == 6 and "ipv6" or "ipv4")
end

--- The connection is made.
local function succeed(plan)
  local dial, private = plan.dial, stream.private(plan.socket)
  stop_timer(plan)
  plan.dial = nil
  private.dialing, private.round, private.plan, private.on_destroy = nil, nil, nil, nil
  stream.connected(plan.socket, dial)
end

--- Issues connect(2); `on_answer(plan, errno or nil)` is called from the loop,
--- unless this returns nil and an errno.
local function begin(plan, dial, on_answer)
  local ok, errno = dial:connect(plan.address, plan.port, function(failed)
    on_answer(plan, failed)
  end)
  if ok then
    plan.dial = dial
    stream.private(plan.socket).dialing = dial
  end
  return ok, errno
end

--- Names the address that is tried next.
local function aim(plan, address, family)
  plan.address, plan.family = address, family
  plan.local_address = plan.bind_address or (plan.bind_port and ANY[family]) or nil
end

-- A single address

local function on_single_answer(plan, failed)
  if not failed then
    return succeed(plan)
  end
  local err = attempt_error(plan, failed)
  drop(plan, plan.dial)
  if announce(plan, "connectionAttemptFailed", plan.address, plan.port, plan.family, err) then
    plan.socket:destroy(err)
  end
end

--- A second connect() on a socket that is at it already.
local function refuse_second(plan, dialing)
  plan.socket:destroy(refusal_error(plan, core.errnum("EALREADY"), dialing))
end

--- Tries one address; 'family' is nil for a Unix path.
local function try_single(plan, address, family)
  local socket = plan.socket
  local dialing = stream.private(socket).dialing
  local dial, ok, errno
  aim(plan, address, family)
  if not dialing then
    dial, ok, errno = open(plan)
    if plan.local_address then
      if ok then
        ok, errno = bind(plan, dial)
      end
      if not ok then
        return socket:destroy(bind_error(plan, errno))
      end
    end
  end
  if not announce(plan, "connectionAttempt", address, plan.port, family) then
    return
  elseif is_blocked(plan) then
    return socket:destroy(errors.codes.ERR_IP_BLOCKED(address))
  elseif dialing then
    return refuse_second(plan, dialing)
  end
  if ok then
    ok, errno = begin(plan, dial, on_single_answer)
  end
  if not ok then
    socket:destroy(refusal_error(plan, errno, dial))
  end
end

-- Several addresses

local try_addresses

--- Notes why the address that was tried is out.
local function note(plan, err)
  plan.failures[#plan.failures + 1] = err
  return err
end

--- Notes the failure, and tells of it; returns whether to go on.
local function tell_failed(plan, err)
  note(plan, err)
  return announce(plan, "connectionAttemptFailed", plan.address, plan.port, plan.family, err)
end

local function on_attempt_answer(plan, failed)
  if not failed then
    return succeed(plan)
  end
  stop_timer(plan)
  local err = attempt_error(plan, failed)
  drop(plan, plan.dial)
  if tell_failed(plan, err) then
    try_addresses(plan)
  end
end

local function on_attempt_timeout(plan)
  plan.timer = nil
  local dial = plan.dial
  plan.dial = nil -- from here on destroy() has no attempt to tell about
  local go_on = announce(plan, "connectionAttemptTimeout", plan.address, plan.port, plan.family)
  note(plan, attempt_error(plan, "ETIMEDOUT"))
  drop(plan, dial)
  if go_on then
    try_addresses(plan)
  end
end

--- Tells what became of an address that could not be tried.
local function give_up(plan, dial, err)
  drop(plan, dial)
  tell_failed(plan, err)
end

--- Gets a descriptor for plan.address, bound if asked for. Returns nil, with the
--- failure noted, when the local end cannot be had.
local function open_bound(plan)
  local dial, ok, errno = open(plan)
  if not plan.local_address then
    return dial, ok, errno
  end
  if ok then
    ok, errno = bind(plan, dial)
  end
  if ok then
    return dial, true
  end
  note(plan, bind_error(plan, errno))
  drop(plan, dial)
end

--- Tries the address at plan.current. Returns true while an attempt is under way.
local function try_current(plan)
  local entry = plan.addresses[plan.current]
  aim(plan, entry.address, entry.family)
  local dial, ok, errno = open_bound(plan)
  if not dial then
    return false
  elseif is_blocked(plan) then
    give_up(plan, dial, errors.codes.ERR_IP_BLOCKED(plan.address))
    return false
  elseif not announce(plan, "connectionAttempt", plan.address, plan.port, plan.family) then
    return false
  end
  local attempted = stream.private(plan.socket).attempted
  attempted[#attempted + 1] = plan.address .. ":" .. plan.port
  if ok then
    ok, errno = begin(plan, dial, on_attempt_answer)
  end
  if not ok then
    give_up(plan, dial, refusal_error(plan, errno, dial))
    return false
  end
  if plan.current < #plan.addresses then
    plan.timer = timers.setTimeout(on_attempt_timeout, plan.attempt_timeout, plan)
  end
  return true
end

--- Tries the addresses from the next one on, until an attempt is under way or
--- none is left.
function try_addresses(plan)
  repeat
    if plan.current == #plan.addresses then
      return plan.socket:destroy(errors.aggregate(plan.failures))
    end
    plan.current = plan.current + 1
  until try_current(plan) or not alive(plan)
end

local function try_all(plan, addresses)
  local private = stream.private(plan.socket)
  if private.dialing then
    aim(plan, addresses[1].address, addresses[1].family)
    return refuse_second(plan, private.dialing)
  end
  private.attempted = {}
  plan.addresses, plan.current, plan.failures = addresses, 0, {}
  try_addresses(plan)
end

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
    return fail_soon(plan, err)
  end
  stream.touch(plan.socket)
  try_single(plan, ip, math.tointeger(family))
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

--- A list of addresses to try.
local function try_list(plan, addresses)
  stream.touch(plan.socket)
  if #addresses == 1 then
    return try_single(plan, addresses[1].address, addresses[1].family)
  end
  try_all(plan, addresses)
end

--- A list as the answer: cb(err, {{address =, family =}, …}).
local function on_addresses(plan, err, list)
  plan.request = nil
  if not alive(plan) then
    return
  elseif truthy(err) then
    announce(plan, "lookup", err, nil, nil, plan.host)
    return fail_soon(plan, err)
  end
  list = type(list) == "table" and list or {}
  local families = sift(plan, list)
  if not families then
    return
  elseif families.first then
    return try_list(plan, interleave(families))
  end
  local first = type(list[1]) == "table" and list[1] or {}
  fail_soon(plan, answer_error(plan, first.address, first.family))
end

--- Calls the look-up; it may answer inside the call.
local function look_up(plan, lookup, lookup_options)
  local _ <close> = plan
  local on_answer = lookup_options.all and on_addresses or on_address
  local request = lookup(plan.host, lookup_options, function(...)
    on_answer(plan, ...)
  end)
  if lookup == dns.lookup and lookup_options.all then
    plan.request = request
  end
end

-- Checks

--- Raises for a name of Windows's, which no Unix socket has.
local function check_path(path)
  validate.string(path, "options.path")
  if path:find("^\\\\[.?]\\") then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "options.path", path,
      "must not be a Windows named pipe on this system")
  end
  return path
end

local function check_local(plan, options)
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
  plan.host = validate.string_without_nul(truthy(options.host) and options.host or "localhost",
    "options.host")
  check_local(plan, options)
  plan.port = check_port(options.port)
  plan.auto_select = default_auto_select
  if options.autoSelectFamily ~= nil then
    plan.auto_select = validate.boolean(options.autoSelectFamily, "options.autoSelectFamily")
  end
  plan.attempt_timeout = default_attempt_timeout
  if options.autoSelectFamilyAttemptTimeout ~= nil then
    plan.attempt_timeout = check_attempt_timeout(options.autoSelectFamilyAttemptTimeout,
      "options.autoSelectFamilyAttemptTimeout")
  end
end

local FAMILY_WORDS = { IPv4 = 4, IPv6 = 6 }

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
    dns.check(lookup_options) -- raises here, before the socket is connecting
  end
  return lookup, lookup_options
end

-- Connecting

--- destroy() of a connecting socket: an attempt among several is told as failed
--- before 'close', a look-up is dropped.
local function on_destroy(socket)
  local private = stream.private(socket)
  local plan = private.plan
  private.plan, private.round, private.dialing = nil, nil, nil
  stop_timer(plan)
  if plan.request then
    plan.request:cancel()
    plan.request = nil
  end
  if not plan.addresses or not plan.dial then
    return
  end
  local err = note(plan, attempt_error(plan, "ECANCELED"))
  local function tell()
    core.unlisten(socket, "close", tell)
    socket:emit("connectionAttemptFailed", plan.address, plan.port, plan.family, err)
  end
  core.listen_hidden(socket, "close", tell, "first")
end

--- From now on the socket is connecting. A second connect() joins the round that
--- is under way, and fails when it comes to its own attempt.
local function start_round(plan, is_unix)
  local socket = plan.socket
  local private = stream.private(socket)
  if socket.connecting and private.round then
    plan.round = private.round
    stream.touch(socket)
    return
  end
  stream.connecting(socket, is_unix)
  private.round, private.plan, private.dialing = plan.round, plan, nil
  private.on_destroy = on_destroy
end

local function connect_unix(plan, path)
  start_round(plan, true)
  try_single(plan, path, nil)
end

local function try_literal(plan)
  if alive(plan) then
    try_single(plan, plan.host, core.isIP(plan.host))
  end
end

local function connect_tcp(plan, options)
  if is_address(plan.host) then
    start_round(plan, false)
    core.tick(try_literal, plan)
    return
  end
  local lookup, lookup_options = check_lookup(plan, options)
  start_round(plan, false)
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
  return not socket.pending and not socket.destroyed
end

--- Connects a socket as the options say.
local function connect(socket, options, callback)
  if callback then
    socket:once("connect", callback)
  end
  if options.port == nil and options.path == nil then
    errors.raise("ERR_MISSING_ARGS", USER, { "options", "port", "path" })
  end
  local plan = setmetatable({ socket = socket, given = options, round = {} }, Plan)
  local path = truthy(options.path) and check_path(options.path) or nil
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
  local socket = net_socket.new(options)
  if truthy(options.timeout) then
    socket:setTimeout(options.timeout)
  end
  return connect(socket, options, callback)
end

--- Adds `connect` to the methods of net.Socket.
---@param methods table
function M.install(methods)
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
  function methods:connect(...)
    if not stream.is_socket(self) then
      errors.raise("ERR_INVALID_THIS", 2, "Socket")
    end
    local options, callback = args.normalize(...)
    return connect(self, options, callback)
  end
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
