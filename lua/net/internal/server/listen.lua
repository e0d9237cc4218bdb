-- SPDX-License-Identifier: MIT

--- net.internal.server.listen - the rarer ways to listen: on names, Unix sockets, descriptors and
-- handles of others; and until a signal aborts.
--
-- What net.server needs for some calls of `listen` only, so that it is loaded
-- for those only. Functions that listen return `ok, errno, address, port`, from
-- which net.server makes the event; 'port' is -1 where there is none.

local core = require("net.core")
local lazy = require("net.internal.lazy")

local dns = lazy.module("net.dns")
local errors = lazy.module("net.internal.errors")
local onabort = lazy.module("net.internal.onabort")
local validate = lazy.module("net.internal.validate")

local READ_ALL, WRITE_ALL = tonumber("444", 8), tonumber("222", 8)

local native = core.server

local listen = {}

-- Names

--- The address to use of those a name has: the first that is no IPv6 link-local
--- one, which would need a zone.
local function choose(addresses)
  for _, entry in ipairs(addresses) do
    if not entry.address:lower():find("^fe[89ab]%x:") then
      return entry.address
    end
  end
  return addresses[1].address
end

--- Looks a host up, for one address.
---@param callback fun(err?: net.Error, address?: string)
---@return net.LookupRequest request
function listen.lookup(host, callback)
  return dns.lookup(host, { all = true }, function(err, addresses)
    callback(err, not err and choose(addresses) or nil)
  end)
end

-- Unix sockets

local function file_mode(o)
  local read = o.readableAll == true and READ_ALL or 0
  local write = o.writableAll == true and WRITE_ALL or 0
  return read | write ~= 0 and read | write or nil
end

--- An abstract name is no file, and has no mode.
local function check_mode(given, o)
  if o.path:byte() == 0 and (o.readableAll or o.writableAll) then
    errors.raise("ERR_INVALID_ARG_VALUE", 1, "options", given,
      "can not set readableAll or writableAllt to true when path is abstract unix socket")
  end
end

local function check_unix(given, o)
  validate.unix_path(o.path, "options.path")
  check_mode(given, o)
end

--- A path from the root on, without "." and ".."; an abstract name is no path.
local function absolute(path)
  local whole = path:find("^[/\0]") and path or (core.cwd() or "") .. "/" .. path
  if whole:byte() == 0 then
    return whole
  end
  local parts = {}
  for part in whole:gmatch("[^/]+") do
    if part == ".." then
      parts[#parts] = nil
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return "/" .. table.concat(parts, "/")
end

--- What a worker of a cluster asks its primary for.
function listen.path_query(given, o)
  check_unix(given, o)
  return {
    address = absolute(o.path), port = -1, addressType = -1, given = o.path,
    readableAll = o.readableAll == true or nil, writableAll = o.writableAll == true or nil,
  }
end

--- `o` are the options, read; `given` is the user's table.
function listen.unix(server, given, o)
  check_unix(given, o)
  local ok, errno, step = native.listen_unix(server, o.path, o.backlog, file_mode(o))
  if step == "chmod" then
    errors.throw(errors.system(errno, "uv_pipe_chmod"))
  end
  return ok, errno, o.path, -1
end

-- Descriptors and handles of others

function listen.shared(server, handle, backlog)
  local ok, errno = native.listen_shared(server, handle, backlog)
  return ok, errno, nil, -1
end

--- What is no descriptor of a stream is told as EINVAL, whatever it is.
function listen.fd(server, fd, o)
  local ok, errno = native.listen_fd(server, math.tointeger(fd) or -1, o.backlog)
  return ok, errno
end

--- Raises for what names no socket that a process was started with.
function listen.check_activated(which)
  return require("net.internal.process.activated").check(which)
end

--- The socket that the process was started with; raises if there is none.
function listen.activated(which)
  return require("net.internal.process.activated").take(which)
end

-- Signals

--- The signal closes the server, whatever became of this listen.
function listen.obey(server, signal)
  local function close()
    server:close()
  end
  if signal.aborted then
    core.tick(close)
  else
    onabort.follow(server, signal, close)
  end
end

-- What is none of these

--- Raises for what says nothing of where to listen.
function listen.refuse(given)
  local reason = "is invalid"
  if type(given) ~= "table" or (given.port == nil and given.path == nil) then
    reason = 'must have the property "port" or "path"'
  end
  errors.raise("ERR_INVALID_ARG_VALUE", 1, "options", given, reason)
end

return listen
