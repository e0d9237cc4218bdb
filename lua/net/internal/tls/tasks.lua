-- SPDX-License-Identifier: MIT

--- net.internal.tls.tasks - `tls.co`: TLS sockets for tasks. All else that tasks do with
--- sockets and servers they do with these.

local connect = require("net.internal.tls.connect")
local sockets = require("net.internal.task.sockets")

local M = { co = {} }

--- Connects, and waits until the handshake is over and the server verified. Arguments are
--- those of `tls.connect`.
---@param ... any
---@return net.tls.TLSSocket? socket
---@return net.Error? err
function M.co.connect(...)
  sockets.check_order(...)
  return sockets.connect_by(connect.connect, "secureConnect", ...)
end

return M
