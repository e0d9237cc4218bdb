-- SPDX-License-Identifier: MIT

--- net.internal.process.replace - child.replace: another program in the place of this one,
-- which has its servers' sockets before this one lets go of them.
--
-- The new program is started as by socket activation, so that it needs to know nothing of
-- its parent but that it says when it is ready: activated.lua and notify.lua are all there
-- is in it. Both accept until then. What fails before leaves this program as it was.

local core = require("net.core")
local errors = require("net.internal.errors")
local finish = require("net.internal.server.drain").finish
local options = require("net.internal.process.options")
local process = require("net.process")
local start = require("net.internal.process.start")
local timers = require("net.timers")
local truthy = require("net.internal.options").truthy
local validate = require("net.internal.validate")

local READY, DRAIN = 10000, 30000 -- ms
local GRACE = 5000 -- ms from SIGTERM to SIGKILL
local ENDING = 200 -- ms that a process may take to end behind its channel
local STANDARD = 3 -- places before the servers

-- Arguments

--- Folds ([args,] options [, callback]).
local function fold(args, opts, callback)
  if type(opts) == "function" and callback == nil then
    opts, callback = nil, opts
  end
  if opts == nil and type(args) == "table" and type(next(args)) == "string" then
    args, opts = nil, args
  end
  validate.object(opts, "options")
  return args, opts, callback
end

local function refuse(name, value, reason)
  errors.raise("ERR_INVALID_ARG_VALUE", 4, "options." .. name, value, reason)
end

--- The names in byte order; raises unless each is of a server that listens by itself.
local function names_of(servers)
  if type(servers) ~= "table" or next(servers) == nil then
    refuse("servers", servers, "must be servers, each with a name")
  end
  local names = {}
  for name, server in next, servers do
    if type(name) ~= "string" or name == "" or name:find("[:%c]") then
      refuse("servers", servers, "must have names that are text without ':'")
    elseif not core.server.is(server) or core.Server.methods.fd(server) < 0 then
      refuse("servers", servers, ("must have servers that listen: '%s' does not"):format(name))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- The first three places as the options say, then the servers, then the channel.
local function stdio_of(opts, names)
  local given, list = opts.stdio, {}
  if type(given) == "table" then
    for place, entry in next, given do
      if math.type(place) ~= "integer" or place < 1 or place > STANDARD or entry == "ipc" then
        refuse("stdio", given, "must be about the first three places")
      end
    end
    list = table.move(given, 1, STANDARD, 1, {})
  else
    for place = 1, STANDARD do
      list[place] = given or truthy(opts.silent) and "pipe" or "inherit"
    end
  end
  for i, name in ipairs(names) do
    list[STANDARD + i] = opts.servers[name]
  end
  list[STANDARD + #names + 1] = "ipc"
  return list
end

--- The environment with the variables of socket activation, as the system wants it;
--- LISTEN_PID is written by the child. Whose watchdog watched us watches the new one.
local function announce(env, names)
  local list = {}
  for _, entry in ipairs(env) do
    if not entry:find("^LISTEN_") and not entry:find("^WATCHDOG_PID=") then
      list[#list + 1] = entry
    end
  end
  list[#list + 1] = "LISTEN_FDS=" .. #names
  list[#list + 1] = "LISTEN_FDNAMES=" .. table.concat(names, ":")
  return list
end

local function time_of(opts, name, default)
  local value = opts[name]
  return value == nil and default or (validate.duration(value, "options." .. name))
end

-- The end of the old one

--- Lets go of the servers, and calls back when the last has closed.
local function let_go(state)
  local waits, cut = 0, 0
  local function closed(_, n)
    waits, cut = waits - 1, cut + n
    if waits == 0 and state.callback then
      state.callback(nil, state.kid, cut)
    end
  end
  for _, server in pairs(state.servers) do
    waits = waits + 1
    core.handles.keep_file(server)
  end
  for _, server in pairs(state.servers) do
    finish(server, state.drain, closed)
  end
end

local function settle(state)
  state.over = true
  timers.clearTimeout(state.timer)
end

local function on_ready(state)
  if state.over then
    return
  end
  settle(state)
  state.kid:disconnect()
  state.kid:unref()
  let_go(state)
end

-- A new one that does not become ready

local function exit_error(code, signal)
  return errors.new("Error", ("The new process has ended, by %s"):format(
    signal or "exit code " .. code), nil, { exitCode = code, signalCode = signal })
end

--- Ends the new process, which may have ended by itself.
local function end_it(kid)
  if kid.pid and not kid.exitCode and not kid.signalCode then
    kid:kill("SIGTERM")
    local timer = timers.setTimeout(function() kid:kill("SIGKILL") end, GRACE):unref()
    kid:once("exit", function() timers.clearTimeout(timer) end)
  end
end

local function fail(state, cause)
  if state.over then
    return
  end
  settle(state)
  end_it(state.kid)
  if state.callback then
    local err = errors.codes.ERR_REPLACE_FAILED()
    err.cause = cause
    state.callback(err)
  end
end

--- The channel ends before the process does: its end says more, if it comes by itself.
local function on_disconnect(state)
  if not state.over and not state.closed then
    state.closed = errors.codes.ERR_IPC_CHANNEL_CLOSED()
    timers.setTimeout(end_it, ENDING, state.kid)
  end
end

local function follow(state, kid, ready)
  state.kid = kid
  state.timer = timers.setTimeout(function()
    fail(state, errors.system("ETIMEDOUT", "replace"))
  end, ready)
  kid:once("ready", function() on_ready(state) end)
  kid:on("error", function(err) fail(state, err) end)
  kid:once("disconnect", function() on_disconnect(state) end)
  kid:once("exit", function(code, signal)
    local is_ours = state.closed and signal == "SIGTERM"
    fail(state, is_ours and state.closed or exit_error(code, signal))
  end)
end

--- Starts a script that is to serve in this program's place: see docs/api.md.
---
---     replace(script [, args], options [, callback])
---@return net.ChildProcess
local function replace(script, args, opts, callback)
  args, opts, callback = fold(args, opts, callback)
  if callback ~= nil then
    validate.func(callback, "callback")
  end
  if truthy(opts.shell) then
    refuse("shell", opts.shell, "cannot hand sockets on")
  end
  local names = names_of(opts.servers)
  local ready, drain = time_of(opts, "ready", READY), time_of(opts, "drain", DRAIN)
  local own = {}
  for key, value in next, opts do
    own[key] = value
  end
  own.stdio = stdio_of(opts, names)
  local plan = options.fork(script, args or {}, own, process.execPath)
  plan.env, plan.listen_pid = announce(plan.env, names), true
  local servers = {}
  for _, name in ipairs(names) do
    servers[name] = opts.servers[name]
  end
  local state = { servers = servers, drain = drain, callback = callback }
  return start(plan, function(kid) follow(state, kid, ready) end)
end

return replace
