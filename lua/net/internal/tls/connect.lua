-- SPDX-License-Identifier: MIT

--- net.internal.tls.connect - `tls.connect`: a client's side.

local core = require("net.core")
local args = require("net.internal.args")
local alpn = require("net.internal.tls.alpn")
local identity = require("net.internal.tls.identity")
local lazy = require("net.internal.lazy")
local onabort = require("net.internal.onabort")
local socket_of = require("net.internal.tls.socket")
local truthy = require("net.internal.options").truthy
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local psk = lazy.module("net.internal.tls.psk")

local M = {}

local CONNECT_TIMEOUT_MAX = 2147483647 -- ms

--- The argument forms, as one table that is ours.
local function normalize(...)
  local options, callback = args.normalize(...)
  if type(options) ~= "table" then
    errors.raise("ERR_INVALID_ARG_TYPE", 3, "options", "Object", options)
  end
  local merged = {}
  for name, value in pairs(options) do merged[name] = value end
  for i = 2, math.min(select("#", ...), 3) do
    local more = select(i, ...)
    if type(more) == "table" then
      for name, value in pairs(more) do merged[name] = value end
      break
    end
  end
  return merged, callback
end

--- What judges the server.
local function check_judges(options)
  if options.checkServerIdentity ~= nil then
    validate.func(options.checkServerIdentity, "options.checkServerIdentity")
  end
  if options.minDHSize ~= nil then
    validate.number(options.minDHSize, "options.minDHSize", 1)
  end
  if options.handshakeTimeout ~= nil then
    validate.number(options.handshakeTimeout, "options.handshakeTimeout", 0, CONNECT_TIMEOUT_MAX)
  end
end

--- An address is no name that a client may ask for.
local function refuse_address(name)
  if type(name) == "string" and core.isIP(name) ~= 0 then
    errors.raise("ERR_INVALID_ARG_VALUE", 4, "options.servername", name,
      "Setting the TLS ServerName to an IP address is not permitted.") -- the dot is Node's
  end
end

--- The names of protocols as in ALPN's extension.
local function protocols_of(options)
  if options.enableTrace ~= nil then
    validate.boolean(options.enableTrace, "options.enableTrace")
  end
  return alpn.encode(options.ALPNProtocols, 4)
end

--- What is called for a key.
local function psk_of(options)
  if options.session ~= nil then
    validate.string(options.session, "options.session")
  end
  if options.pskCallback ~= nil then
    return (psk.options({ pskCallback = options.pskCallback }, ""))
  end
end

--- The name that the client asks for; nil: none.
local function name_to_send(options)
  local name = options.servername
  if name == nil then
    if type(options.host) ~= "string" or core.isIP(options.host) ~= 0 or truthy(options.path) then
      return nil
    end
    local prepared = identity.prepare(options.host)
    return not prepared.isAddress and not prepared.isOdd and prepared.ascii ~= ""
      and #prepared.ascii <= identity.NAME_MAX and prepared.ascii or nil
  end
  identity.check_sent(name, "options.servername", 3)
  return name ~= "" and name or nil
end

--- Whom the client has to meet; nil: whom the other socket has connected to, which that may
--- not have begun.
local function name_to_meet(options, from)
  return truthy(options.servername) and options.servername
    or truthy(options.host) and tostring(options.host)
    or not from and "localhost" or nil
end

--- Raises for what is wrong with the options, in Node's order.
local function new_state(options, from)
  check_judges(options)
  local context = not options.secureContext and socket_of.context_of(options)
  refuse_address(options.servername)
  local protocols = protocols_of(options)
  context = context or socket_of.context_of(options)
  local psk_callback = psk_of(options)
  return {
    isServer = false, pending = true, requests = true, given = options, context = context,
    rejects = options.rejectUnauthorized ~= false,
    sends = name_to_send(options),
    host = name_to_meet(options, from),
    identity = options.checkServerIdentity,
    traces = options.enableTrace,
    psk = psk_callback, wantsStatus = truthy(options.requestOCSP),
    minDHSize = options.minDHSize or 1024,
    alpn_names = protocols,
    resumes = options.session,
    requireCloseNotify = truthy(options.requireCloseNotify),
    handshakeTimeout = options.handshakeTimeout,
  }
end

--- The options of the socket itself.
local function socket_options(options, from)
  local own = {}
  for name, value in pairs(options) do own[name] = value end
  own.fd, own.handle = nil, nil
  if from then
    own.allowHalfOpen = from.allowHalfOpen
    own.noDelay, own.keepAlive, own.typeOfService = nil, nil, nil
  end
  return own
end

--- A client over another socket, or one that is to connect.
function M.over(from, options)
  local state = new_state(options, from)
  local socket = socket_of.make(socket_options(options, from), state)
  if from then
    socket_of.over(socket, from)
  end
  return socket
end

local function begin(socket, options)
  if truthy(options.timeout) then
    socket:setTimeout(options.timeout)
  end
  socket:connect(options)
end

--- Makes a TLS socket and connects it.
---
---     connect(options [, onSecureConnect])
---     connect(path [, options] [, onSecureConnect])
---     connect(port [, host] [, options] [, onSecureConnect])
---@param ... any
---@return net.tls.TLSSocket
function M.connect(...)
  local options, callback = normalize(...)
  local from = options.socket
  if from ~= nil and not core.stream.is(from) then
    errors.raise("ERR_INVALID_ARG_TYPE", 2, "options.socket", "an instance of net.Socket", from)
  end
  local state = new_state(options, from)
  if not from and options.port == nil and options.path == nil then
    errors.raise("ERR_MISSING_ARGS", 2, { "options", "port", "path" })
  end
  local made <close> = onabort.unfinished()
  local socket = socket_of.make(socket_options(options, from), state)
  made.socket = truthy(options.signal) and socket
  if callback then
    socket:once("secureConnect", callback)
  end
  if from then
    socket_of.over(socket, from)
  else
    begin(socket, options)
  end
  made.socket = false
  return socket
end

return M
