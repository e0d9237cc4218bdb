-- SPDX-License-Identifier: MIT

--- net.internal.socket.attempt - trying the addresses that a socket may connect to.
--
-- Internal; net.connect has checked the arguments and knows the addresses. One
-- address is tried as it is; several ("happy eyeballs") strictly one at a time,
-- each but the last for a limited time. An attempt is a Dial of the core's
-- (src/connect/dial.c). The stream keeps it (core.stream.dial), tells whether it still
-- waits for its answer, which nobody notes here, and takes the winner's descriptor
-- (core.stream.connected).
--
-- What one connect() is about is a plan, and the socket's is the one that began its try
-- (private.plan), a round. Any listener may destroy the socket, or connect it anew, so
-- each step asks first whether its round is still the socket's. A plan
-- is also to-be-closed in whatever the user or the loop calls: if a listener raises
-- there, or memory runs out, nobody would carry on, so the socket is destroyed
-- rather than left connecting for ever (Node leaves it).

local core = require("net.core")
local args = require("net.internal.args")
local lazy = require("net.internal.lazy")
local timers = require("net.timers")

local boundsocket = lazy.module("net.internal.address.boundsocket")
local errors = lazy.module("net.internal.errors")
local inspect = lazy.module("net.internal.inspect")

local ANY = { [4] = "0.0.0.0", [6] = "::" }

local stream = core.stream
local own_address = core.Socket.methods.address

-- Plans

---@class net.ConnectPlan
---@field socket net.Socket
---@field round net.ConnectPlan the one that began this try of the socket: itself, or
---  that which was under way when it came
---@field timer? table of a round: the time limit of the attempt under way
---@field second? net.ConnectPlan of a round: one that is told when the first has its answer
---@field host? string
---@field port? integer nil for a path
---@field bound? boolean the socket was made from a BoundSocket; nil for a path
---@field bind_address? string localAddress, if asked for
---@field bind_port? number localPort, if asked for
---@field attempt_timeout integer ms
---@field given table the user's options
---@field addresses? net.LookupAddress[] what to try, one by one
---@field current integer index in them
---@field failures net.Error[] of those tried
---@field address? string that of the attempt
---@field family? 4|6 its family; nil for a path
---@field local_address? string where it was bound to
---@field request? table the look-up, if destroy() may cancel it

local Plan = {}

--- A plan for a call of connect().
---@param socket net.Socket
---@param given net.ConnectOptions the user's options
---@return net.ConnectPlan
local function new_plan(socket, given)
  local plan = setmetatable({ socket = socket, given = given }, Plan)
  plan.round = plan
  return plan
end

--- Whether the plan still counts: its socket is connecting, and not anew.
local function alive(plan)
  return plan.socket.connecting and stream.private(plan.socket).plan == plan.round
end

--- Something raised, and nobody would carry on.
function Plan.__close(plan, err)
  if err ~= nil and stream.private(plan.socket).plan == plan.round then
    plan.socket:destroy()
  end
end

--- Emits an event of the socket; returns whether the plan still counts.
local function announce(plan, event, ...)
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
    return ("%s:%s"):format(plan.local_address, inspect.inspect(plan.bind_port))
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
--- the system had chosen by then, if any.
local function refusal_error(plan, errno, dial)
  local name = dial:sockname() or own_address(plan.socket)
  local details = name.address and name.port and name.address .. ":" .. name.port or name.address
  return errors.system(errno, "connect", plan.address, plan.port, details)
end

--- The error of a local end that could not be had.
local function bind_error(plan, errno)
  return errors.system(errno, "bind", plan.local_address, plan.bind_port)
end

-- One attempt

local function stop_timer(plan)
  local round = plan.round
  if round.timer then
    timers.clearTimeout(round.timer)
    round.timer = nil
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
--- That of a BoundSocket, if the socket has one, is open already.
local function open(plan)
  local bound = boundsocket.dial_of(plan.socket)
  local dial = bound or core.dial.new()
  stream.dial(plan.socket, dial)
  if plan.family and not plan.local_address and core.isIP(plan.address) ~= plan.family then
    return dial, nil, core.errnum("EINVAL") -- a look-up that mixed them up
  elseif bound then
    return dial, true
  end
  return dial, dial:open(plan.family or "unix")
end

--- Whether the socket's block list has plan.address. The field may hold anything
--- that checks; a BlockList is asked by the core's own function, as a server's is.
local function is_blocked(plan)
  local list = plan.family and plan.socket.blockList
  if not list then
    return false
  end
  local check = core.blocklist.is(list) and core.BlockList.methods.check or list.check
  return check(list, plan.address, plan.family == 6 and "ipv6" or "ipv4")
end

--- The connection is made.
local function succeed(plan)
  local private = stream.private(plan.socket)
  stop_timer(plan)
  private.plan, private.on_destroy = nil, nil
  stream.connected(plan.socket)
end

--- Issues connect(2); `on_answer(plan, errno or nil, dial)` is called from the loop,
--- unless this returns nil and an errno.
local function begin(plan, dial, on_answer)
  return dial:connect(plan.address, plan.port, function(failed)
    local _ <close> = plan
    on_answer(plan, failed, dial)
  end)
end

--- Names the address that is tried next.
local function aim(plan, address, family)
  plan.address, plan.family = address, family
  plan.local_address = plan.bind_address or (plan.bind_port and ANY[family]) or nil
end

-- A single address

--- The only attempt has failed: destroys the socket, whatever a listener has done
--- with it, as Node does. The descriptor stays until then.
local function fail_single(plan, err)
  local _ <close> = plan
  stream.failed(plan.socket)
  plan.socket:emit("connectionAttemptFailed", plan.address, plan.port, plan.family, err)
  plan.socket:destroy(err)
end

local function on_single_answer(plan, failed)
  local second = plan.round.second
  if not failed and not second then
    return succeed(plan)
  end
  plan = second or plan
  fail_single(plan, attempt_error(plan, failed or core.errnum("EISCONN")))
end

--- A second connect() on a socket that is at it already, with what it may have
--- opened for itself. A path is told when the first has its answer, as the kernel
--- knows then that it is connected.
local function refuse_second(plan, dialing, dial)
  if dial and dial ~= dialing then
    dial:close()
  end
  if not plan.family then
    plan.round.second = plan
    return
  end
  plan.socket:destroy(refusal_error(plan, core.errnum("EALREADY"), dialing))
end

--- Tries one address; 'family' is nil for a Unix path.
local function try_single(plan, address, family)
  local socket = plan.socket
  local dialing = stream.dialing(socket)
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
  end
  dialing = stream.dialing(socket) -- a listener may have called connect(), too
  if dialing then
    return refuse_second(plan, dialing, dial)
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

local function on_attempt_answer(plan, failed, dial)
  if not failed then
    return succeed(plan)
  end
  stop_timer(plan)
  local go_on = tell_failed(plan, attempt_error(plan, failed))
  stream.undial(plan.socket, dial)
  if go_on then
    try_addresses(plan)
  end
end

local function on_attempt_timeout(plan, dial)
  local _ <close> = plan
  plan.round.timer = nil
  note(plan, attempt_error(plan, "ETIMEDOUT"))
  local go_on = announce(plan, "connectionAttemptTimeout", plan.address, plan.port, plan.family)
  stream.undial(plan.socket, dial)
  if go_on then
    try_addresses(plan)
  end
end

--- Tells what became of an address that could not be tried.
local function give_up(plan, dial, err)
  tell_failed(plan, err)
  stream.undial(plan.socket, dial)
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
  stream.undial(plan.socket, dial)
end

--- Whether another connect() has an attempt under way, by a listener's call: there is
--- one at a time. Then this one fails, as the second.
local function is_second(plan, dial)
  local dialing = stream.dialing(plan.socket)
  if dialing then
    plan.addresses = nil -- none of them is being tried
    refuse_second(plan, dialing, dial)
  end
  return dialing ~= nil
end

--- Tries the address at plan.current. Returns true while an attempt is under way.
local function try_current(plan)
  local entry = plan.addresses[plan.current]
  aim(plan, entry.address, entry.family)
  if is_second(plan) then
    return false
  end
  local dial, ok, errno = open_bound(plan)
  if not dial then
    return false
  elseif is_blocked(plan) then
    give_up(plan, dial, errors.codes.ERR_IP_BLOCKED(plan.address))
    return false
  elseif not announce(plan, "connectionAttempt", plan.address, plan.port, plan.family)
    or is_second(plan, dial) then
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
    plan.round.timer = timers.setTimeout(on_attempt_timeout, plan.attempt_timeout, plan, dial)
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
  aim(plan, addresses[1].address, addresses[1].family)
  if is_second(plan) then
    return
  end
  stream.private(plan.socket).attempted = {}
  plan.addresses, plan.current, plan.failures = addresses, 0, {}
  try_addresses(plan)
end

--- Tries a list of addresses, in its order; the only one is tried as it is.
local function try_list(plan, addresses)
  if #addresses == 1 then
    return try_single(plan, addresses[1].address, addresses[1].family)
  end
  try_all(plan, addresses)
end

-- Rounds

--- Whether destroy() cuts off an attempt among several of which nobody was told how it
--- ended, although it began.
local function cuts_off(plan)
  return plan.addresses and #plan.failures < plan.current and stream.dialing(plan.socket)
end

--- destroy() of a connecting socket: an attempt among several is told as failed
--- before 'close', a look-up is dropped.
local function on_destroy(socket)
  local private = stream.private(socket)
  local plan = private.plan
  private.plan = nil
  stop_timer(plan)
  if plan.request then
    plan.request:cancel()
    plan.request = nil
  end
  if not cuts_off(plan) then
    return
  end
  local err = note(plan, attempt_error(plan, "ECANCELED"))
  local function tell()
    core.unlisten(socket, "close", tell)
    local ok, raised = pcall(socket.emit, socket, "connectionAttemptFailed", plan.address,
      plan.port, plan.family, err)
    if not ok then
      core.tick(error, raised, 0) -- 'close' comes all the same
    end
  end
  core.listen_hidden(socket, "close", tell, "first")
end

--- From now on the socket is connecting. A second connect() joins the round that
--- is under way, and fails when it comes to its own attempt.
local function start_round(plan, is_unix)
  local socket = plan.socket
  local private = stream.private(socket)
  if socket.connecting and private.plan then
    plan.round = private.plan
    stream.touch(socket)
    return
  end
  private.plan, private.on_destroy = plan, on_destroy
  stream.connecting(socket, is_unix)
end

return {
  new_plan = new_plan,
  alive = alive,
  announce = announce,
  fail_soon = fail_soon,
  try_single = try_single,
  try_list = try_list,
  start_round = start_round,
}
