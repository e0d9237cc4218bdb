-- SPDX-License-Identifier: MIT

--- net.internal.socket.duplexpair - `net.duplexPair`: two sockets joined in memory, as Node's
-- `stream.duplexPair()`.
--
-- The bytes are src/stream/memory.c's, which is a transport as any other: all else about the
-- two is what every socket has.

local core = require("net.core")
local errors = require("net.internal.errors")
local socket = require("net.internal.socket.socket")

-- What a socket's options have that is about a descriptor, or about connecting.
local NOT_FOR_A_PAIR = { "fd", "handle", "blockList", "noDelay", "keepAlive",
  "keepAliveInitialDelay", "typeOfService" }

local M = {}

--- The options of one half: those of a socket, half open unless they say otherwise.
local function half_options(options)
  local own = {}
  for name, value in pairs(options) do
    own[name] = value
  end
  for _, name in ipairs(NOT_FOR_A_PAIR) do
    own[name] = nil
  end
  own.allowHalfOpen = options.allowHalfOpen ~= false
  return own
end

--- Makes two sockets that are connected to each other, without a descriptor.
---@param options? net.DuplexPairOptions of both
---@return net.Socket one
---@return net.Socket other
function M.duplexPair(options)
  if options ~= nil and type(options) ~= "table" then
    errors.raise("ERR_INVALID_ARG_TYPE", 2, "options", "object", options)
  end
  local own = half_options(options or {})
  local one, other = socket.new(own), socket.new(own)
  core.stream.pair(one, other)
  for _, half in ipairs { one, other } do
    if own.readable ~= false then
      core.stream.begin(half)
    end
  end
  return one, other
end

return M
