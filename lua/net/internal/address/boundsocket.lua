-- SPDX-License-Identifier: MIT

--- net.internal.address.boundsocket - net.BoundSocket, and how a socket takes one over.
--
-- The object is src/connect/boundsocket.c's userdata. Here are the constructor, with its checks
-- in Node's order and words, and what net.socket and net.attempt need to know: a
-- socket made from a BoundSocket keeps a dial (src/connect/dial.c), which has the
-- descriptor until connect() uses it. That it was made so counts for good, as in
-- Node: it never takes `localAddress`, and tries one address only. A server takes
-- the descriptor in one call, core.server.listen_bound.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local options_of = require("net.internal.options")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")

local USER = 3 -- where a stack starts: who called the constructor
local ANY4, ANY6 = "0.0.0.0", "::"

local native = core.boundsocket
local methods = core.BoundSocket.methods
local stream = core.stream

-- Construction

local function refuse(errno, host, port)
  errors.throw(errors.system(errno, "bind", host, port), USER + 1)
end

local function bind_path(options)
  if options.host ~= nil or options.port ~= nil or options.ipv6Only ~= nil
    or options.reusePort ~= nil then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "options", options,
      "path is mutually exclusive with host, port, ipv6Only, and reusePort")
  end
  local self, errno = native.unix(validate.string(options.path, "options.path"))
  return self or refuse(errno)
end

--- An address, as no resolver is asked.
local function numeric_host(value, name)
  if core.isIP(validate.string(value, name)) == 0 then
    errors.raise("ERR_INVALID_ARG_VALUE", 2, name, value,
      "must be a numeric IP address; net.BoundSocket does not perform DNS resolution")
  end
  return value
end

--- `net.BoundSocket(options)`, without `path`, which stands alone.
local OPTIONS = {
  "port", validate.port,
  "ipv6Only", validate.boolean,
  "reusePort", validate.boolean,
  "host", numeric_host,
}

local function bind_address(options)
  local o = options_of.read(OPTIONS, options)
  local host, port = o.host or (o.ipv6Only and ANY6 or ANY4), o.port or 0
  local self, errno = native.tcp(host, port, o.ipv6Only or false, o.reusePort or false)
  return self or refuse(errno, host, port)
end

--- Binds, at once; no name is looked up.
---
---     BoundSocket([{port =, host =, ipv6Only =, reusePort =}])
---     BoundSocket({path =})
---
--- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_SOCKET_BAD_PORT, and what
--- bind(2) says: `bind EADDRINUSE 127.0.0.1:80`. That an address is taken shows
--- here only if somebody listens on it; otherwise `listen` fails.
---@param options? net.BoundSocketOptions
---@return net.BoundSocket
local function create(options)
  options = options == nil and {} or validate.object(options, "options")
  if options.path ~= nil then
    return (bind_path(options))
  end
  return (bind_address(options))
end

-- Taking over

--- The socket takes the descriptor over; it is not connected yet.
---@param socket net.Socket new, without a descriptor
---@param bound net.BoundSocket
local function attach(socket, bound)
  local kind = bound.isPipe and "unix" or "tcp"
  stream.bind(socket, bound)
  stream.private(socket).bound = kind
end

--- Whether the socket was made from a BoundSocket.
---@param socket net.Socket
---@return boolean
local function is_bound(socket)
  return stream.private(socket).bound ~= nil
end

--- The dial with the descriptor that connect() has not used up yet, if there is
--- one, and whether it is a Unix socket's.
---@param socket net.Socket
---@return userdata? dial
---@return boolean? is_unix
local function dial_of(socket)
  local kind = stream.private(socket).bound
  local dial = kind and stream.adopted(socket)
  if dial then
    return dial, kind == "unix"
  end
end

return {
  attach = attach,
  is_bound = is_bound,
  dial_of = dial_of,
  BoundSocket = setmetatable({}, {
    __name = "class BoundSocket",
    __index = methods,
    __call = function(_, options)
      return create(options)
    end,
  }),
}
