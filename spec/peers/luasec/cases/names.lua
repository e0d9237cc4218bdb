-- SPDX-License-Identifier: MIT

--- Cases of ../cases.lua: which context a server has for a name.

local ssl = require("ssl")

local h = ...
local client_params, file, handshake, method, server_params, show, wrapped
  = h.client_params, h.file, h.handshake, h.method, h.server_params, h.show, h.wrapped

h.section("sni")

local function other_context()
  return assert(ssl.newcontext(server_params { key = file("other.key"),
    certificate = file("other.pem") }))
end

local function named(label, name, ...)
  local client, server = wrapped()
  client:sni(name)
  server:sni(...)
  local ours, theirs = handshake(client, server)
  show(label .. " client", ours.done, ours.err)
  show(label .. " server", theirs.done, theirs.err)
  if ours.done then
    show(label .. " certificate", client:getpeercertificate():subject())
    method(label .. " name", server, "getsniname")
  end
  client:close()
  server:close()
end

named("known", "other", { other = other_context() })
named("unknown", "third", { other = other_context() })
named("unknown, strict", "third", { other = other_context() }, true)
named("known, strict", "other", { other = other_context() }, true)

do
  local client, server = wrapped()
  method("server with a string", server, "sni", "x")
  method("client with a table", client, "sni", {})
  method("client with nothing", client, "sni")
  method("client with a number", client, "sni", 3)
  method("client with an address", client, "sni", "127.0.0.1")
  method("client with a long name", client, "sni", ("x"):rep(256))
  method("server with nothing", server, "sni")
  method("server with no context", server, "sni", { x = 3 })
  method("server with a client's", server, "sni", { x = ssl.newcontext(client_params()) })
  method("server with a number", server, "sni", { other_context() })
  client:close()
  server:close()
end
