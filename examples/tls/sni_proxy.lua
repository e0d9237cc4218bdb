-- SPDX-License-Identifier: MIT
--
-- tls/sni_proxy.lua - ends TLS for several names on one port, and passes each on to its backend.
--
--     lua5.4 examples/tls/sni_proxy.lua PORT NAME=CERT,KEY,BACKEND...
--     lua5.4 examples/tls/sni_proxy.lua 8443 a.example=a.pem,a.key,127.0.0.1:8001 \
--       '*.b.example=b.pem,b.key,/run/b.sock'
--
-- NAME may begin with "*." for one label. CERT and KEY are PEM files; BACKEND is HOST:PORT or the
-- path of a Unix socket, and hears plain text. A client that asks for another name, or for none, is
-- refused in the handshake. Port 0 takes a free one. Ctrl-C stops listening, and ends when the last
-- connection has.
--
-- Shows: SNI, pipe between an encrypted and a plain connection; where a backend breaks off, the
-- client does not hear that this was all, and takes nothing for whole that is not.

local net = require("net")
local process = require("net.process")
local tls = require("net.tls")

io.stdout:setvbuf("line")

local function die(text)
  io.stderr:write("sni_proxy: ", text, "\n")
  os.exit(1)
end

local function read(path)
  local file <close>, err = io.open(path, "rb")
  return file and file:read("a") or die(err)
end

--- The options of `net.connect` for a backend.
local function parse_backend(text)
  local host, port = text:match("^%[?([^/]-)%]?:(%d+)$")
  return host and { host = host, port = tonumber(port), allowHalfOpen = true }
    or text:find("/") and { path = text, allowHalfOpen = true } or nil
end

--- A word of the command line: a name, its context, and where its backend is.
local function parse_site(word)
  local name, cert, key, backend = word:match("^([^=]+)=([^,]+),([^,]+),(.+)$")
  local target = backend and parse_backend(backend)
  if not target then
    die(word .. " is no NAME=CERT,KEY,BACKEND, with HOST:PORT or a path as BACKEND")
  end
  local ok, context = pcall(tls.createSecureContext, { cert = read(cert), key = read(key) })
  if not ok then
    die(tostring(context))
  end
  return { name = name:lower(), target = target, context = context }
end

local sites = {} -- by name

--- The site of a name, or nil: that of itself, or that of a star in the place of its first label.
local function site_of(name)
  name = (name or ""):lower()
  return sites[name] or sites[name:gsub("^[^.]+", "*", 1)]
end

--- Has `to` end when `from` has; where `from` breaks off, `to` is cut off too, without a goodbye.
local function forward(from, to)
  from:pipe(to)
  from:on("close", function(had_error)
    if had_error or not from.readableEnded then
      to:destroy()
    end
  end)
end

local function log(who, what)
  io.stderr:write(("%s: %s\n"):format(who or "?", what))
end

local function serve(client)
  local who, name = client.remoteAddress, client.servername
  local backend = net.connect(site_of(name).target)
  client:on("error", function(err) log(who, err.message) end)
  backend:on("error", function(err) log(who, ("backend of %s: %s"):format(name, err.message)) end)
  forward(client, backend)
  forward(backend, client)
end

local port = ...
for i = 2, #arg do
  local site = parse_site(arg[i])
  sites[site.name] = site
end
if not port or not next(sites) then
  die("PORT NAME=CERT,KEY,BACKEND...")
end

local server = tls.createServer({
  allowHalfOpen = true, noDelay = true,
  SNICallback = function(name, callback)
    local site = site_of(name)
    callback(not site and net.Error("nobody here is " .. name) or nil, site and site.context)
  end,
}, serve)

server:on("tlsClientError", function(err, socket)
  log(socket.remoteAddress, err.code or err.message)
end)
server:on("error", function(err) die(tostring(err)) end)
server:listen(port, "127.0.0.1", function()
  print("listening on 127.0.0.1:" .. server:address().port)
end)

process:once("SIGINT", function()
  print("closing")
  server:close()
end)

net.run()
