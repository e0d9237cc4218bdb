-- SPDX-License-Identifier: MIT

--- net.internal.process.takeover - net.takeOver: a server that goes on with the socket of
-- another process, which offers it at a path (handover.lua).
--
-- Connects, asks, keeps what comes, acknowledges, and waits for the other side to close:
-- from then on it is the only one that accepts. Until the acknowledgement whatever goes
-- wrong is an 'error', and the other side serves on; after it there is no way back.

local core = require("net.core")
local handover = require("net.internal.process.handover")
local lazy = require("net.internal.lazy")
local net = lazy.module("net.internal.public")
local server_of = require("net.internal.server.server")
local talk = require("net.internal.process.talk")
local timers = require("net.timers")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")

local TIMEOUT = 10000 -- ms
local USER = 3 -- level of the caller of `takeOver`

--- Lets go of all but what has come.
local function stop(plan)
  plan.over = true
  timers.clearTimeout(plan.timer)
  if plan.socket then
    plan.socket:destroy()
  end
  if plan.talk then
    plan.talk:close()
  end
end

local function cancel(plan)
  stop(plan)
  if plan.descriptor then
    plan.descriptor:close()
  end
end

local function fail(plan, err)
  cancel(plan)
  server_of.settled(plan.server)
  plan.server:emit("error", err)
end

--- The other side accepts no more, or has had the time to stop.
local function go_on(plan)
  stop(plan)
  server_of.settled(plan.server)
  local path = plan.path or nil
  local ok, errno = core.handover.listen(plan.server, plan.descriptor, path)
  server_of.finish(plan.server, ok, errno, path, -1)
end

local function timed_out(plan)
  if plan.acknowledged then
    go_on(plan)
  else
    fail(plan, errors.system("ETIMEDOUT", "takeOver"))
  end
end

local function over(plan, err)
  if plan.acknowledged then
    go_on(plan)
  else
    fail(plan, err or errors.codes.ERR_IPC_CHANNEL_CLOSED())
  end
end

--- Whether the line brings the server, which has to be a socket that listens.
local function is_server(message, group)
  local msg = message.msg
  return message.cmd == "NODE_HANDLE" and message.type == "net.Server" and type(msg) == "table"
    and msg.cmd == "NODE_LUANET" and msg.act == "server" and #group > 0
end

local function told(plan, message, group)
  if plan.descriptor or not is_server(message, group) then
    core.descriptor.close_all(group)
    if not plan.descriptor then
      fail(plan, errors.codes.ERR_IPC_CHANNEL_CLOSED())
    end
    return
  end
  for i = 2, #group do
    group[i]:close()
  end
  if not core.handover.listens(group[1]) then
    group[1]:close()
    return fail(plan, errors.system("EINVAL", "takeOver", plan.at))
  end
  local path = message.msg.path
  plan.descriptor, plan.path = group[1], type(path) == "string" and path
  plan.talk:send('{"cmd":"NODE_HANDLE_ACK"}', nil, function(err)
    plan.acknowledged = not err
    if err and not plan.over then
      over(plan)
    end
  end)
end

--- The connection is there; the socket that made it is not needed any more.
local function ask(plan)
  local descriptor, errno = core.descriptor.dup(plan.socket:fd())
  plan.socket:destroy()
  plan.socket = false
  local may = descriptor
  if descriptor then
    may, errno = core.handover.may(descriptor)
  end
  if not may then
    if descriptor then
      descriptor:close()
    end
    return fail(plan, errors.system(errno, "takeOver", plan.at))
  end
  plan.talk = talk.open(descriptor, {
    told = function(message, group) told(plan, message, group) end,
    over = function(err) over(plan, err) end,
  })
  plan.talk:hold(true)
  plan.talk:send('{"cmd":"NODE_LUANET","v":1,"act":"takeOver"}')
end

local function timeout_of(options)
  local given = type(options) == "table" and options.timeout
  return given and (validate.duration(given, "options.timeout")) or TIMEOUT
end

local function begin(plan, timeout)
  server_of.pend(plan.server, function() cancel(plan) end)
  plan.timer = timers.setInterval(timed_out, timeout, plan) -- again, where that raises
  plan.socket = net.connect(plan.at)
  plan.socket:once("error", function(err)
    if not plan.over then
      fail(plan, err)
    end
  end)
  plan.socket:once("connect", function() ask(plan) end)
end

--- A server that takes over what another process offers at the path: see docs/api.md.
---@param path string
---@param options? table of createServer, and timeout
---@param listener? fun(socket: net.Socket)
---@return net.Server
local function take_over(path, options, listener)
  if type(options) == "function" and listener == nil then
    options, listener = nil, options
  end
  handover.check_path(path, USER)
  local timeout = timeout_of(options)
  -- All fields are there: what is opened must not be lost for want of memory.
  local plan = {
    at = path, server = server_of.createServer(options, listener), over = false,
    timer = false, socket = false, talk = false, descriptor = false, path = false,
    acknowledged = false,
  }
  local ok, err = pcall(begin, plan, timeout)
  if not ok then
    cancel(plan)
    error(err, 0)
  end
  return plan.server
end

return { takeOver = take_over }
