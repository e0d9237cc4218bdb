-- SPDX-License-Identifier: MIT

--- Which OpenSSL the specs of TLS meet, for what differs among its versions:
---
---     local since = require("spec.support.openssl").since
---     if since(3, 2) then ... end

local core = require("net.tls.core")

local M = {}

local major, minor = core.openssl:match("^OpenSSL (%d+)%.(%d+)")
major, minor = tonumber(major), tonumber(minor)

--- Is it of that version, or a later one?
---@param of_major integer
---@param of_minor integer
---@return boolean
function M.since(of_major, of_minor)
  return major > of_major or (major == of_major and minor >= of_minor)
end

return M
