-- SPDX-License-Identifier: MIT

--- What the scenes of `make torture` share. A scene is a small program that a failure
--- befalls; it keeps note here of what it opens and hears, and `scene.run` says what of
--- it should not have been:
---
---   * the program does not end by itself, though it was told of nothing;
---   * an error is none of the failure's;
---   * "close" came twice, or not at all, though there was memory to call its listener;
---   * bytes are missing, or wrong, or a whole text did not come, and nobody was told;
---   * something holds the loop, or is anchored, when all is closed;
---   * a process goes on that a call has started, which then raised.
---
--- What is noted goes where room was made before, as memory may be what fails.

local net, core = require("net"), require("net.core")
for name in pairs(package.preload) do
  if name:find("^net%.") then require(name) end
end
local timers = require("net.timers")

local scene = {}

local MOST = 64 -- things that a scene may own
local TURNS, LASTING = 10000, 40 -- of the loop, of 0.5 ms at most; while a failure lasts
local LETTERS = "abcdefghijklmnopqrstuvwxyz"

local is_kid = core.child.is
local things, closes, count = table.pack(table.unpack({}, 1, MOST)), {}, 0
for i = 1, MOST do
  things[i], closes[i] = false, false
end
local told, problem = 0, nil
local NO_SERVER = {} -- raised where a scene cannot go on

--- What a failed call may be told as, besides its own name.
local EXPECTED = {
  memory = { ENOMEM = true, ["not enough memory"] = true },
  getaddrinfo = {
    EAI_AGAIN = true, EAI_MEMORY = true, EAI_FAIL = true, ENOTFOUND = true, ENOMEM = true,
  },
  pthread_create = { EAI_AGAIN = true },
  recvmsg = { ["not enough memory"] = true }, -- what the system says is taken for its own
  epoll_ctl = { ENOMEM = true }, -- where libev has lost the errno
}

--- Errors that follow from any failure: the other end sees a connection that broke.
local FOLLOWS = {
  ECONNRESET = true, EPIPE = true, ECONNREFUSED = true, ECANCELED = true, ENOTCONN = true,
  ERR_STREAM_DESTROYED = true, ERR_STREAM_PREMATURE_CLOSE = true, ERR_SOCKET_CLOSED = true,
  ERR_SERVER_NOT_RUNNING = true, ETIMEDOUT = true,
  ERR_STREAM_WRITE_AFTER_END = true, ENOENT = true,
  ABORT_ERR = true, EADDRINUSE = true, ERR_SOCKET_CLOSED_BEFORE_CONNECTION = true,
  ERR_IPC_CHANNEL_CLOSED = true, ERR_IPC_DISCONNECTED = true,
  ERR_SOCKET_HANDLE_ADOPTED = true, ERR_INVALID_FD_TYPE = true, EINVAL = true, EACCES = true,
}

local function is_expected(err)
  local code = type(err) == "table" and err.code or err
  if victim == "openssl" then
    return type(err) == "table" or err == "not enough memory" -- OpenSSL may say anything
  elseif code == nil or victim == "none" then
    return false
  elseif FOLLOWS[code] or code == core.errname(-failure) then
    return true
  end
  return EXPECTED[victim] and EXPECTED[victim][code] or false
end

--- An error came, to a listener, a callback or out of a call.
function scene.told(err)
  if err == NO_SERVER then
    return
  end
  told = told + 1
  for _, each in ipairs(type(err) == "table" and err.errors or { err }) do
    if not problem and not is_expected(each) then
      problem = ("told of %s %s"):format(tostring(each), type(each) == "table" and each.stack or "")
    end
  end
end

--- A callback that may get an error.
function scene.done(err)
  if err ~= nil then
    scene.told(err)
  end
end

--- Keeps note of a socket or server; an error of the code `usual` is no news.
function scene.own(thing, usual)
  count = count + 1
  things[count] = thing
  local at = count
  thing:on("error", function(err)
    if not usual or err.code ~= usual then
      scene.told(err)
    end
  end)
  thing:on("close", function() closes[at] = closes[at] + 1 end)
  closes[at] = 0
  return thing
end

--- Owns a socket, and has it give back what it gets.
function scene.echo(socket)
  scene.own(socket)
  socket:on("data", function(chunk) socket:write(chunk, scene.done) end)
end

local unclaimed = false

--- Calls what starts a process. If it raises, nobody has that, and it must have been ended.
function scene.start(fn, ...)
  local ok, result = pcall(fn, ...)
  unclaimed = unclaimed or not ok
  if not ok then
    error(result, 0)
  end
  return result
end

--- The port of a server; one that does not listen has told why.
function scene.port(server)
  local address = server:address()
  if not address then
    error(NO_SERVER, 0)
  end
  return address.port
end

--- A text of so many bytes, in which each byte tells where it should be.
function scene.text(size)
  return LETTERS:rep(size // #LETTERS + 1):sub(1, size)
end

local receivers = {}

--- Checks what a socket reads: the beginning of a text of `size` bytes, and all of it
--- if it ends and nobody is told of anything. What is `skipped` leaves a part out.
function scene.expect(socket, size, skipped)
  local got = { at = 0, size = size }
  receivers[#receivers + 1] = got
  socket:on("data", function(chunk)
    local from = got.at % #LETTERS
    local right = LETTERS:rep(#chunk // #LETTERS + 2):sub(from + 1, from + #chunk)
    if not skipped and chunk ~= right then
      problem = problem or ("wrong bytes after %d"):format(got.at)
    end
    got.at = got.at + #chunk
  end)
  socket:on("end", function() got.ended = true end)
  return socket
end

--- Closes all that is there: the program's own timeout.
local function close_all()
  for i = 1, count do
    local thing = things[i]
    if is_kid(thing) then
      mend()
      pcall(thing.ref, thing)
      pcall(thing.kill, thing, "SIGKILL")
    elseif net.isSocket(thing) then
      pcall(thing.destroy, thing)
    elseif thing.listening then
      pcall(thing.close, thing)
    end
  end
end

--- What memory kept a scene from taking note of.
local function close_strays()
  for key, value in pairs(debug.getregistry()) do
    if math.type(key) == "integer" and net.isSocket(value) and not value.destroyed then
      pcall(value.destroy, value)
    elseif math.type(key) == "integer" and net.isServer(value) and value.listening then
      pcall(value.close, value)
    elseif math.type(key) == "integer" and tostring(value) == "Channel" then
      pcall(core.channel.shut, value)
    elseif math.type(key) == "integer" and is_kid(value) then
      mend()
      pcall(value.ref, value)
      pcall(value.kill, value, "SIGKILL")
    end
  end
end

local function nothing() end

--- The failure goes on, or is over.
local function play_on(turns)
  return play(nothing, net.run, scene.told, turns)
end
local function run_on(turns)
  mend()
  return play_on(turns)
end

local function is_owned(kid)
  for i = 1, count do
    if things[i] == kid then
      return true
    end
  end
  return false
end

--- Is there a process that nobody has? One that was killed ends before long.
local function has_stray()
  for key, value in pairs(debug.getregistry()) do
    if math.type(key) == "integer" and is_kid(value) and not is_owned(value) then
      return true
    end
  end
  return false
end

local function check_strays()
  for _ = 1, unclaimed and TURNS or 0 do
    if not has_stray() then
      return nil
    end
    run_on(1)
  end
  return unclaimed and "a process that nobody has goes on" or nil
end

--- Without memory a listener may not even be called; that is told, and once.
local function check_closes()
  local starved = victim == "memory" and told > 0
  for i = 1, count do
    local socket = things[i]
    local closing = net.isSocket(socket) or is_kid(socket)
    local missed = closes[i] == 0 and closing and not starved
    if missed or closes[i] and closes[i] > 1 then
      return ('%d times "close" of %s'):format(closes[i], tostring(socket))
    end
  end
end

local function check_bytes()
  for _, got in ipairs(receivers) do
    if got.at > got.size or (got.at < got.size and told == 0) then
      return ("%d bytes of %d%s, and nobody was told"):format(got.at, got.size,
        got.ended and " and an end" or "")
    end
  end
end

--- The objects that are anchored, or queued.
local function left()
  local list = {}
  for key, value in pairs(debug.getregistry()) do
    if math.type(key) == "integer" and type(value) == "userdata" then
      list[#list + 1] = ", " .. tostring(value)
    end
  end
  return table.concat(list)
end

--- Runs the scene: `fn`, then the loop to its end.
---@param fn fun()
---@param finish? fun() what else is to be closed
---@return string? problem
function scene.run(fn, finish)
  local refs, anchored = core.alive()
  local alive = play(fn, net.run, scene.told, LASTING)
  if alive and told == 0 then
    alive = (lasting and run_on or play_on)(TURNS)
  end
  if alive and told == 0 then
    problem = problem or "it neither ends nor says why"
  end
  problem = problem or check_strays()
  close_all()
  if victim == "memory" then
    close_strays()
  end
  if finish then
    pcall(finish)
  end
  run_on(TURNS)
  local now_refs, now_anchored = core.alive()
  if now_refs ~= refs or now_anchored ~= anchored then
    problem = problem or ("still there: %d references, %d objects%s"):format(
      now_refs - refs, now_anchored - anchored, left())
  end
  return problem or check_closes() or check_bytes()
end

--- A path that nothing has.
function scene.path()
  local path = os.tmpname()
  os.remove(path)
  return path
end

scene.net, scene.timers = net, timers
return scene
