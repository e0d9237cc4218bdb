-- SPDX-License-Identifier: MIT

--- Which OpenSSL the specs of TLS meet, for what differs among its versions:
---
---     local since = require("spec.support.openssl").since
---     if since(3, 2) then ... end

local core = require("net.tls.core")

local M = {}

local have = table.pack(core.openssl:match("^OpenSSL (%d+)%.(%d+)%.(%d+)"))

--- Is it of that version, or a later one?
---@param ... integer major, minor and, if it matters, patch
---@return boolean
function M.since(...)
  for i, wanted in ipairs({ ... }) do
    local number = math.tointeger(tonumber(have[i]))
    if number ~= wanted then
      return number > wanted
    end
  end
  return true
end

return M
