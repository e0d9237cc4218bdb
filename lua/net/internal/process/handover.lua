-- SPDX-License-Identifier: MIT

--- net.internal.process.handover - server:handOver: offers a listening socket at a path, to
-- a process that nobody here has started.
--
-- The socket itself goes over, so that no connection meets a closed one: those that wait
-- are in its queue, whoever accepts from it. The other side (takeover.lua) asks, is sent a
-- duplicate, and acknowledges; then this side stops accepting, and by closing the talk says
-- that it has. Before the acknowledgement whatever goes wrong ends that talk alone.
--
-- An offer is an acceptor at the path that holds no loop. It ends with the server's close.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local net = lazy.module("net.internal.public")
local server_of = require("net.internal.server.server")
local talk = require("net.internal.process.talk")
local timers = require("net.timers")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local process = lazy.module("net.process")

local DRAIN = 30000 -- ms
local PATIENCE = 10000 -- ms for the other side to say what it has to
local BACKLOG = 8 -- connections; one at a time is served
local USER = 3 -- level of the caller of `handOver`

local ADDRESS_IN_USE = core.errnum("EADDRINUSE")

local native = core.server
local server_fd = core.Server.methods.fd

-- Server -> { offers…, talking = the one connection }.
local offers = setmetatable({}, { __mode = "k" })

local warned = false

local function warn_of_stranger(path)
  if not warned then
    warned = true
    process.emitWarning(("A process of another user, which may not take the server over, has "
      .. "connected to %s"):format(path))
  end
end

-- One connection

local function hang_up(offer, conn)
  if offer.all.talking == conn then
    offer.all.talking = false
  end
  timers.clearTimeout(conn.timer)
  if conn.talk then
    conn.talk:close()
  end
end

local function is_request(message)
  return message.cmd == "NODE_LUANET" and message.act == "takeOver"
    and math.type(message.v) == "integer" and message.v >= 1
end

--- The server's own Unix path, as JSON; null for a name that JSON does not have.
local function path_of(server)
  local address = server:address()
  return type(address) == "string" and utf8.len(address) and core.json.encode(address) or "null"
end

local function give(offer, conn)
  local copy = core.handles.dup_server(offer.server)
  if not copy then
    return hang_up(offer, conn)
  end
  conn.given = true
  conn.talk:send(('{"cmd":"NODE_HANDLE","type":"net.Server","msg":{"cmd":"NODE_LUANET",'
    .. '"act":"server","path":%s}}'):format(path_of(offer.server)), copy)
end

--- The other side has it. This connection is closed last, by which it learns that it is
--- the only one.
local function let_go(offer, conn)
  offer.all.talking, offer.given = false, true
  timers.clearTimeout(conn.timer)
  core.handles.keep_file(offer.server)
  local callback = offer.callback
  local ok, err = pcall(offer.server.drain, offer.server, offer.drain, function(_, cut)
    if callback then
      callback(nil, cut)
    end
  end)
  conn.talk:close()
  if not ok then
    error(err, 0)
  end
end

local function told(offer, conn, message, group)
  core.descriptor.close_all(group)
  if not conn.given and is_request(message) then
    give(offer, conn)
  elseif conn.given and message.cmd == "NODE_HANDLE_ACK" then
    let_go(offer, conn)
  else
    hang_up(offer, conn)
  end
end

local function begin(offer, conn, descriptor)
  conn.talk = talk.open(descriptor, {
    told = function(message, group) told(offer, conn, message, group) end,
    over = function() hang_up(offer, conn) end,
  })
  conn.timer = timers.setInterval(hang_up, PATIENCE, offer, conn) -- again, where that raises
  conn.timer:unref()
end

--- Somebody has connected to the path.
local function meet(offer, descriptor)
  local may, errno = core.handover.may(descriptor)
  if not may and errno == core.errnum("EACCES") then
    warn_of_stranger(offer.path)
  end
  if not may or offer.all.talking then
    descriptor:close()
    return
  end
  local conn = { offer = offer, talk = false, timer = false, given = false }
  offer.all.talking = conn
  local ok, err = pcall(begin, offer, conn, descriptor)
  if not ok then
    hang_up(offer, conn)
    error(err, 0)
  end
end

-- The path

local function emit_error(server, err)
  server:emit("error", err)
end

--- The offer could not be made, or is over without having been taken.
local function refuse(offer, err)
  if offer.callback then
    core.tick(offer.callback, err)
  elseif err.code ~= "ERR_SERVER_NOT_RUNNING" then
    core.tick(emit_error, offer.server, err)
  end
end

local function withdraw(offer)
  offer.over = true
  if offer.acceptor then
    native.close(offer.acceptor) -- and removes the file
  end
  if offer.all.talking and offer.all.talking.offer == offer then
    hang_up(offer, offer.all.talking)
  end
  if not offer.given then
    refuse(offer, errors.codes.ERR_SERVER_NOT_RUNNING())
  end
end

local function remove(list, value)
  for i, other in ipairs(list) do
    if other == value then
      return table.remove(list, i)
    end
  end
end

local function fail(offer, errno)
  remove(offer.all, offer)
  offer.over = true
  refuse(offer, errors.system(errno, "bind", offer.path))
end

local function open(offer, bound)
  local ok, listens, errno = pcall(native.listen_bound, offer.acceptor, bound, BACKLOG)
  if not ok then
    bound:close()
    error(listens, 0)
  elseif not listens then
    fail(offer, errno)
  end
end

--- The file there may be of a process that has crashed: then nobody answers.
local function look_who_is_there(offer, bind_again)
  local socket = net.connect(offer.path)
  socket:once("connect", function()
    socket:destroy()
    if not offer.over then
      fail(offer, ADDRESS_IN_USE)
    end
  end)
  socket:once("error", function(err)
    if offer.over then
      return
    elseif err.code == "ECONNREFUSED" then
      core.handover.remove_stale(offer.path)
    elseif err.code ~= "ENOENT" then
      return fail(offer, ADDRESS_IN_USE)
    end
    bind_again(offer)
  end)
end

local function bind(offer)
  if not offer.acceptor then
    offer.acceptor = core.acceptor.new(function(descriptor)
      meet(offer, descriptor)
    end)
    offer.acceptor:unref()
  end
  local bound, errno = core.boundsocket.unix(offer.path, true)
  if bound then
    open(offer, bound)
  elseif errno == ADDRESS_IN_USE and not offer.looked then
    offer.looked = true
    look_who_is_there(offer, bind)
  else
    fail(offer, errno)
  end
end

-- The method

local function withdraw_all(server)
  local all = offers[server] or {}
  while all[1] do
    withdraw(all[1])
    table.remove(all, 1)
  end
  offers[server] = nil
end

--- The path; raises for what is none, or an abstract name, which everybody may connect to.
---@param path any
---@param level integer of the user's line
---@return string
local function check_path(path, level)
  if type(path) ~= "string" then
    errors.raise("ERR_INVALID_ARG_TYPE", level, "path", "string", path)
  elseif path == "" or path:find("\0", 1, true) then
    errors.raise("ERR_INVALID_ARG_VALUE", level, "path", path,
      "must be the path of a file: an abstract name has no owner")
  end
  return path
end

local function drain_of(options)
  if options == nil then
    return DRAIN
  end
  validate.object(options, "options")
  return options.drain == nil and DRAIN or (validate.duration(options.drain, "options.drain"))
end

--- Offers the server at the path: see docs/api.md.
---@param path string
---@param options? {drain: number?}
---@param callback? fun(err?: net.Error, cut?: integer)
---@return net.Server self
function core.Server.methods:handOver(path, options, callback)
  if type(options) == "function" and callback == nil then
    options, callback = nil, options
  end
  local fd = server_fd(self)
  check_path(path, USER)
  local offer = {
    server = self, path = path, drain = drain_of(options), callback = callback,
    acceptor = false, all = false, looked = false, given = false, over = false,
  }
  if callback ~= nil then
    validate.func(callback, "callback")
  end
  if fd < 0 then
    errors.raise("ERR_SERVER_NOT_RUNNING", 2)
  end
  local all = offers[self] or { talking = false }
  offer.all, all[#all + 1] = all, offer
  offers[self] = all
  server_of.pend(self, withdraw_all)
  bind(offer)
  return self
end

return { check_path = check_path }
