-- SPDX-License-Identifier: MIT

--- net.internal.tls.verdict - is the server the one that a client meant? What is wrong with its
--- name, and with its key; of its chain the core knows (`conn:verdict`).

local identity = require("net.internal.tls.identity")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")

local M = {}

--- The error that the peer's certificate is, as it is not that of whom was meant.
local function compare_name(socket, state)
  if state.identity then
    return state.identity(state.host, socket:getPeerCertificate(true))
  end
  local host = identity.prepare(state.host)
  if host.isOdd or not state.conn:is_of(host.ascii) then -- the core has it as others may read it
    return identity.checkServerIdentity(state.host, socket:getPeerCertificate(true))
      or errors.codes.ERR_TLS_CERT_ALTNAME_INVALID("the certificate is not that of the host",
        state.host, socket:getPeerCertificate(true))
  end
end

--- The same; who raises refuses.
---@param socket net.tls.TLSSocket
---@param state net.tls.State
---@return any err
function M.of_name(socket, state)
  local ok, err = pcall(compare_name, socket, state)
  if ok then
    return err or nil
  end
  return err or errors.new("Error", "checkServerIdentity has failed")
end

--- An error as authorizationError has it.
---@param err any
---@return string
function M.word(err)
  return type(err) == "table" and (err.code or err.message) or tostring(err)
end

--- The error that the server's key is, as it is too short.
---@param state net.tls.State
---@return net.Error? err
function M.of_key(state)
  local key = state.conn:ephemeral()
  if key and key.type == "DH" and key.size < state.minDHSize then
    return errors.codes.ERR_TLS_DH_PARAM_SIZE(key.size)
  end
end

return M
