-- SPDX-License-Identifier: MIT

--- net.luasec.https - LuaSec's `ssl.https`: LuaSocket's socket.http over TLS.
--
-- socket.http, ltn12 and socket.url are LuaSocket's own, which is to be installed, and told to
-- use net.luasocket: over LuaSocket's C code no task can wait.

local socket = require("net.luasocket")

if package.loaded.socket ~= socket then
  error('net.luasec.https needs package.loaded.socket = require("net.luasocket") before it', 0)
end

local connection = require("net.internal.luasec.connection")
local http = require("socket.http")
local ltn12 = require("ltn12")
local url = require("socket.url")

---@type net.luasec.https
local https = {
  _VERSION = "1.2.0",
  PORT = 443,
  TIMEOUT = 60,
}

--- What stands where the request does not say it; an authority to trust is its to say.
local DEFAULTS = {
  protocol = "any",
  options = { "all", "no_sslv2", "no_sslv3", "no_tlsv1" },
  verify = "none",
}

local function with_port(address)
  return url.build(url.parse(address, { port = https.PORT }))
end

--- From here on the object's methods are those of the connection.
local function hand_over(conn)
  for name, method in pairs(getmetatable(conn.sock).__index) do
    if type(method) == "function" then
      conn[name] = function(self, ...) return method(self.sock, ...) end
    end
  end
end

local function connect(conn, params, host, port)
  socket.try(conn.sock:connect(host, port))
  conn.sock = socket.try(connection.wrap(conn.sock, params))
  conn.sock:sni(host)
  conn.sock:settimeout(https.TIMEOUT)
  socket.try(conn.sock:dohandshake())
  hand_over(conn)
  return 1
end

--- tcp([params]) -> a function for `create` of socket.http
function https.tcp(params)
  params = params or {}
  for key, value in pairs(DEFAULTS) do
    params[key] = params[key] or value
  end
  params.mode = "client"
  return function()
    local conn = { sock = socket.try(socket.tcp()) }
    function conn:settimeout() return self.sock:settimeout(https.TIMEOUT) end
    function conn:close() return self.sock:close() end
    function conn:connect(host, port) return connect(self, params, host, port) end
    return conn
  end
end

--- A table as socket.http takes it, and the list that its body goes to.
local function request_of(address, body)
  local parts = {}
  local request = {
    url = with_port(address),
    method = body and "POST" or "GET",
    sink = ltn12.sink.table(parts),
  }
  if body then
    request.source = ltn12.source.string(body)
    request.headers = {
      ["content-length"] = #body,
      ["content-type"] = "application/x-www-form-urlencoded",
    }
  end
  return request, parts
end

--- Why such a request is not made, or nil.
local function refusal(request)
  return (http.PROXY or request.proxy) and "proxy not supported"
    or request.redirect and "redirect not supported"
    or request.create and "create function not permitted"
    or nil
end

--- request(url[, body]) -> body, code, headers, status; request(table) -> 1, code, ...
function https.request(request, body)
  local parts
  if type(request) == "string" then
    request, parts = request_of(request, body)
  else
    request.url = with_port(request.url)
  end
  local why = refusal(request)
  if why then
    return nil, why
  end
  request.create = https.tcp(request)
  local ok, code, headers, status = http.request(request)
  if ok and parts then
    return table.concat(parts), code, headers, status
  end
  return ok, code, headers, status
end

return https
