-- SPDX-License-Identifier: MIT

--- net.internal.process.start - from a plan (options.lua) to a ChildProcess, and its life.
--
-- What can fail or wants memory comes before the process is there; only what fails behind
-- that ends the child, by SIGKILL, as nobody would have it.
--
-- The life is a table of a child's own: what `kid` has beside its C half.
--
--     needed, got    how many have to close before "close", and how many have
--     ended          its end is among them
--     refused        the negative errno for which there is no process
--     timer, abort   by which a limit of time and a signal end it
--     channel        what messages go through
--
-- Events: "spawn" (), "exit" (code, signal), "close" (code, signal), "error" (err), and
-- the channel's "message", "disconnect" and "ready".

local core = require("net.core")
local errors = require("net.internal.errors")
local lazy = require("net.internal.lazy")
local onabort = require("net.internal.onabort")
local options = require("net.internal.process.options")
local socket = require("net.internal.socket.socket")
local stdio = require("net.internal.process.stdio")
local timers = require("net.timers")

local native, stream = core.child, core.stream
local methods = core.ChildProcess.methods

core.lazy_methods(core.ChildProcess, {
  messages = "net.internal.task.messages",
  receive = "net.internal.task.messages",
}, lazy.EMITTER)

local SIGKILL = core.signals().SIGKILL
local LONGEST_TIMER = 2147483647 -- ms

--- What is told by "error"; all else that the system refuses is raised.
local TOLD = { EACCES = true, EAGAIN = true, EMFILE = true, ENFILE = true, ENOENT = true }

-- The end

local function count_close(kid, life)
  life.got = life.got + 1
  if life.got == life.needed then
    kid:emit("close", kid.exitCode, kid.signalCode)
  end
end

local function count_end(kid, life)
  if not life.ended then
    life.ended = true
    count_close(kid, life)
  end
end

--- On a tick: pipes that nobody reads are emptied now, so that they can close.
local function flush_stdio(kid)
  for _, pipe in pairs(kid.stdio) do
    if pipe.readable then
      stream.empty(pipe)
    end
  end
  count_end(kid, native.life(kid)) -- where a listener has raised
end

local function end_limits(life)
  if life.timer then
    life.timer:close()
  end
  if life.abort then
    onabort.unlisten(life.signal, life.abort)
  end
end

local function spawn_error(kid, err)
  local e = errors.system(err, "spawn " .. kid.spawnfile)
  e.path = kid.spawnfile
  e.spawnargs = table.move(kid.spawnargs, 2, #kid.spawnargs, 1, {})
  return e
end

--- It has ended, or was refused. What follows the listeners is on a tick, and comes whatever
--- they do. In a process that was made by fork(2) it is `left` to the one that has started
--- it: nobody is told of its end, nor kills it.
local function on_ended(kid, left)
  local life = native.life(kid)
  if left then
    return end_limits(life)
  end
  if life.channel and life.channel.isOpen and not (life.heard or life.refused) then
    life.heard = true -- its last messages, and "disconnect", come before "exit"
    native.again(kid)
    core.channel.read_on(life.channel.native)
    return
  end
  if life.channel and life.channel.isOpen then
    core.channel.abandon(life.channel.native)
  end
  local failure = life.refused and spawn_error(kid, life.refused)
  end_limits(life)
  if kid.stdin then
    kid.stdin:destroy()
  end
  core.tick(flush_stdio, kid)
  native.told(kid)
  if failure then
    kid:emit("error", failure)
  else
    kid:emit("exit", kid.exitCode, kid.signalCode)
  end
  count_end(kid, life)
end

--- The tick after the call.
local function on_started(kid)
  if native.life(kid).refused then
    on_ended(kid)
  elseif kid.pid then
    kid:emit("spawn")
  end
end

-- Limits

local function kill_silently(kid, number)
  local ok, result = pcall(kid.kill, kid, number)
  if not ok then
    kid:emit("error", result)
  end
  return ok and result
end

--- Longer than a timer can be, it is set once more.
local function limit_time(kid, life, ms, number)
  local now = math.min(ms, LONGEST_TIMER)
  life.timer = timers.setTimeout(function()
    if ms > now then
      limit_time(kid, life, ms - now, number)
    else
      kill_silently(kid, number)
    end
  end, now)
end

local function follow_signal(kid, life, signal, number)
  local function abort()
    if kill_silently(kid, number) then
      kid:emit("error", errors.abort(signal.reason))
    end
  end
  if signal.aborted then
    core.tick(abort)
  else
    life.signal, life.abort = signal, abort
    onabort.listen(signal, abort)
  end
end

local function set_limits(kid, life, plan)
  if plan.timeout and plan.timeout > 0 then
    limit_time(kid, life, plan.timeout, plan.kill_signal)
  end
  if plan.signal then
    follow_signal(kid, life, plan.signal, plan.kill_signal)
  end
end

-- Streams

--- A Socket on our end of a pipe; that of the child's standard input is only written to.
local function new_pipe(entry, place)
  local pipe = socket.new({ readable = place > 0 })
  stream.ends_at_once(pipe)
  native.open(pipe, entry.mine)
  return pipe
end

--- The pipes, and what they are called; "close" waits for those that are read.
local function open_pipes(kid, life, entries)
  for i, entry in ipairs(entries) do
    if entry.kind == "pipe" then
      local pipe = new_pipe(entry, i - 1)
      kid.stdio[i] = pipe
      if i > 1 then
        life.needed = life.needed + 1
        core.listen_hidden(pipe, "close", function() count_close(kid, life) end, "once")
        stream.begin(pipe)
      end
    end
  end
  kid.stdin, kid.stdout, kid.stderr = kid.stdio[1], kid.stdio[2], kid.stdio[3]
end

local function close_pipes(kid)
  for _, pipe in pairs(kid.stdio) do
    pipe:destroy()
  end
  kid.stdio = {}
  kid.stdin, kid.stdout, kid.stderr = nil, nil, nil
end

--- Sockets of ours that the child has got. Where it was made blocking the kernel's end is
--- the same one, and ours would block: it is closed. Beyond them the child reads, and we
--- do not.
local function give_away(entries)
  for i, entry in ipairs(entries) do
    if entry.value ~= nil and stream.is(entry.value) then
      if i <= 3 then
        entry.value:destroy()
      else
        entry.value:pause()
      end
    end
  end
end

-- The channel

--- Names of the environment that tell a child of its channel, and of no other.
local CHANNEL_NAMES = {
  NODE_CHANNEL_FD = true, NODE_CHANNEL_SERIALIZATION_MODE = true, LUANET_CHANNEL = true,
}

--- Tells the child of its channel: at which place it is, and which socket that is, by which
--- a process of this library knows that its parent is one too.
local function announce_channel(plan, theirs)
  local env = {}
  for _, entry in ipairs(plan.env) do
    if not CHANNEL_NAMES[entry:match("^[^=]*")] then
      env[#env + 1] = entry
    end
  end
  env[#env + 1] = "NODE_CHANNEL_FD=" .. plan.ipc
  env[#env + 1] = "NODE_CHANNEL_SERIALIZATION_MODE=json"
  local inode = native.inode(theirs)
  env[#env + 1] = inode and "LUANET_CHANNEL=1:" .. inode
  plan.env = env
end

local function open_channel(kid, life, plan)
  life.needed = life.needed + 1
  local channel = require("net.internal.process.channel")
  life.channel = channel.attach(kid, plan.stdio[plan.ipc + 1].mine, {
    max_message = plan.max_message,
    is_lua = plan.is_lua,
    ended = function() count_close(kid, life) end,
  })
  life.channel:on_internal("NODE_LUANET", function(message)
    if message.act == "ready" then -- see net.internal.process.notify
      kid:emit("ready")
    end
  end)
end

-- The start

local function new_kid(plan)
  local life = { needed = 1, got = 0 }
  local kid = native.new(on_ended, life)
  kid.spawnfile, kid.spawnargs, kid.killed, kid.stdio = plan.file, plan.args, false, {}
  return kid, life
end

--- Ends a child that nobody will have, as something was raised behind its start.
local guard_metatable = {
  __close = function(guard)
    if not guard.done then
      native.signal(guard.kid, SIGKILL)
    end
  end,
}

--- Makes the streams, and starts it; 0, or a negative errno.
local function launch(kid, life, plan)
  local entries = plan.stdio
  local ok, err = stdio.open(entries)
  if not ok then
    native.refuse(kid, err)
    return err
  end
  open_pipes(kid, life, entries)
  set_limits(kid, life, plan)
  if plan.ipc then
    announce_channel(plan, entries[plan.ipc + 1].theirs)
  end
  plan.fds, plan.count = stdio.places(entries), #entries
  stdio.flush(entries)
  return native.start(kid, plan)
end

--- Starts the process of the plan.
---@param plan table
---@param follow? fun(kid: net.ChildProcess) what else is to be done for somebody to have it
---@return net.ChildProcess
local function start(plan, follow)
  local kid, life = new_kid(plan)
  local guard <close> = setmetatable({ kid = kid, done = false }, guard_metatable)
  core.tick(on_started, kid)
  local err = launch(kid, life, plan)
  local name = err < 0 and core.errname(err)
  if name and not TOLD[name] then
    end_limits(life)
    close_pipes(kid)
    stdio.close(plan.stdio)
    errors.throw(errors.system(err, "spawn"), 3)
  end
  life.refused = name and err
  if name == "EMFILE" or name == "ENFILE" then
    life.needed = 1 -- as in Node there are neither streams nor a channel then
    close_pipes(kid)
    stdio.close(plan.stdio)
  elseif plan.ipc then
    open_channel(kid, life, plan)
  end
  give_away(plan.stdio)
  if follow then
    follow(kid)
  end
  guard.done = true
  return kid
end

-- Methods

local function signal_number(signal)
  if signal == nil then
    signal = "SIGTERM"
  elseif signal == 0 then
    return 0
  end
  return options.signal_number(signal) or errors.raise("ERR_UNKNOWN_SIGNAL", 3, signal)
end

--- Sends a signal; 0 only looks whether there is such a process.
---@param signal? string|integer "SIGTERM" if left out
---@return boolean sent
function methods:kill(signal)
  local number = signal_number(signal)
  local err = native.signal(self, number)
  if err == 0 then
    self.killed = self.killed or number ~= 0
    return true
  end
  local name = core.errname(err)
  if name == "EINVAL" or name == "ENOSYS" then
    errors.throw(errors.system(err, "kill"), 2)
  elseif name ~= "ESRCH" then
    self:emit("error", errors.system(err, "kill"))
  end
  return false
end

--- Sends a message; without a channel as if that were closed.
function methods:send(...)
  local channel = native.life(self).channel
  if channel then
    return core.channel.send(channel.native, ...)
  end
  return require("net.internal.process.channel").refuse(self, ...)
end

--- Closes the channel, once what was sent has left.
function methods:disconnect()
  local channel = native.life(self).channel
  if channel then
    channel:disconnect()
  else
    self:emit("error", errors.codes.ERR_IPC_DISCONNECTED())
  end
end

function core.ChildProcess.getters:channel()
  local channel = native.life(self).channel
  return channel and channel.isOpen and channel.native or nil
end

function core.ChildProcess.getters:connected()
  local channel = native.life(self).channel
  return channel ~= nil and channel.connected
end

--- Raises for what is no ChildProcess.
local function check_this(self)
  if not native.is(self) then
    errors.raise("ERR_INVALID_THIS", 3, "ChildProcess")
  end
end

core.ChildProcess.metatable.__close = function(self)
  check_this(self)
  if not self.killed then
    self:kill()
  end
end

core.ChildProcess.metatable.__tostring = function(self)
  check_this(self)
  local state = self.exitCode and "exit code " .. self.exitCode or self.signalCode
    or self.pid and "running" or "not started"
  return ("ChildProcess %s(%s)"):format(self.pid and self.pid .. " " or "", state)
end

return start
