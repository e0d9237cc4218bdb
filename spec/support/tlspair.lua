-- SPDX-License-Identifier: MIT

--- What the specs of TLS's sockets share: certificates, a server and its clients, and what
--- each of the three has told.

local sockets = require("spec.support.sockets")
local tls = require("net.tls")
local certificates = require("spec.support.certificates")

local M = {}

local made = {}

local MAKE = {
  ca = function() return certificates.authority() end,
  other_ca = function() return certificates.authority({ subject = "/CN=another authority" }) end,
  server = function() return M.ca:issue({ san = "DNS:localhost,IP:127.0.0.1" }) end,
  client = function() return M.ca:issue({ subject = "/CN=a client" }) end,
  stranger = function() return M.other_ca:issue({ subject = "/CN=a stranger" }) end,
}

--- M.ca, M.server and so on are made when they are first asked for.
setmetatable(M, {
  __index = function(_, name)
    if MAKE[name] then
      made[name] = made[name] or MAKE[name]()
      return made[name]
    end
  end,
})

M.EVENTS = { "connect", "ready", "secureConnect", "secure", "session", "data", "end", "finish",
  "drain", "error", "close", "timeout" }

--- How a value stands in a log: an error by its code, or what it says.
local function word(value)
  if type(value) == "table" then
    return value.code or value.message or "a table"
  end
  return #tostring(value) > 30 and "bytes" or tostring(value)
end
M.word = word

--- Notes the events of a socket in 'log', as "data hello" and "close false".
function M.watch(log, socket, names)
  for _, name in ipairs(names or M.EVENTS) do
    socket:on(name, function(value)
      local says = value ~= nil and name ~= "session"
      log[#log + 1] = says and name .. " " .. word(value) or name
    end)
  end
  return log
end

--- A server that listens on a free port, and what it tells: "secureConnection",
--- "tlsClientError CODE". `on_secure(socket)` hears of its sockets.
---@param options? table more of createServer's
---@param on_secure? fun(socket: net.tls.TLSSocket)
---@return net.tls.Server
---@return string[] log
function M.listen(options, on_secure)
  local own = { cert = M.server.cert, key = M.server.key }
  for name, value in pairs(options or {}) do own[name] = value end
  local log = {}
  local server = tls.createServer(own, function(socket)
    log[#log + 1] = "secureConnection"
    if on_secure then on_secure(socket) end
  end)
  server:on("tlsClientError", function(err) log[#log + 1] = "tlsClientError " .. word(err) end)
  server:listen(0, "127.0.0.1")
  sockets.wait(function() return server.listening end)
  return server, log
end

--- A client of it.
function M.connect(server, options, ...)
  local own = { port = server:address().port, host = "localhost", ca = M.ca.cert,
    lookup = function(_, _, callback) callback(nil, { { address = "127.0.0.1", family = 4 } }) end }
  for name, value in pairs(options or {}) do own[name] = value end
  return tls.connect(own, ...)
end

--- A callback of a write, which notes in 'log' what it hears.
function M.callback(log, name)
  return function(err) log[#log + 1] = (name or "wcb") .. (err and " " .. word(err) or "") end
end

return M
