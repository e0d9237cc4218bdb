-- SPDX-License-Identifier: MIT

--- TLS servers and clients of ours in tasks, with the certificates of spec.support.tlspair, for
--- peers that run beside them.

local co = require("net.co")
local pair = require("spec.support.tlspair")
local tls = require("net.tls")
local within = require("spec.support").within

local M = {}

--- What `it` takes, of what is to run in a task.
function M.in_task(fn)
  return within(function(t)
    co.run(function() fn(t) end)
  end)
end

--- A TLS server, whose connections `handler` gets, for a `<close>` variable.
---@param handler fun(socket: net.tls.TLSSocket)
---@param options? table
---@return net.tls.Server
---@return integer port
---@return string[] refused codes of "tlsClientError"
function M.serve(handler, options)
  local own = { cert = pair.server.cert, key = pair.server.key }
  for name, value in pairs(options or {}) do own[name] = value end
  local server = tls.createServer(own):listen(0, "127.0.0.1")
  co.await(server, "listening")
  local refused = {}
  server:on("tlsClientError", function(err) refused[#refused + 1] = err.code end)
  server:serve(handler)
  return server, server:address().port, refused
end

--- A client: as tls.co.connect.
function M.connect(port, options)
  local own = { port = port, host = "localhost", ca = pair.ca.cert }
  for name, value in pairs(options or {}) do own[name] = value end
  return tls.co.connect(own)
end

return M
