-- SPDX-License-Identifier: MIT

--- Connections of net.luasec for its specs.

local certificates = require("spec.support.certificates")
local co = require("net.co")
local socket = require("net.luasocket")
local sockets = require("spec.support.luasockets")
local ssl = require("net.luasec")
local within = require("spec.support").within

local M = {}

local made

--- Certificates, made once: an authority, `server` and `client` of it, and `other`, of nobody.
function M.certificates()
  if not made then
    local ca = certificates.authority()
    made = {
      ca = ca,
      server = ca:issue({ san = "DNS:localhost" }),
      client = ca:issue({ subject = "/CN=client" }),
      other = certificates.self_signed({ subject = "/CN=other" }),
    }
  end
  return made
end

local function merged(base, changes)
  for key, value in pairs(changes or {}) do base[key] = value end
  return base
end

--- Parameters of either side, with changes.
function M.client(changes)
  return merged({ mode = "client", protocol = "any", verify = "peer",
    cafile = M.certificates().ca.path }, changes)
end

function M.server(changes)
  local one = M.certificates().server
  return merged({ mode = "server", protocol = "any", key = one.key_path, certificate = one.path },
    changes)
end

--- Two plain sockets that are connected.
function M.pair()
  local server = assert(socket.bind("127.0.0.1", 0))
  local client = assert(socket.connect(sockets.address_of(server)))
  local peer = assert(server:accept())
  server:close()
  return client, peer
end

--- Both ends, before the handshake.
function M.wrapped(client_changes, server_changes)
  local client, peer = M.pair()
  return assert(ssl.wrap(client, M.client(client_changes))),
    assert(ssl.wrap(peer, M.server(server_changes)))
end

--- Both do the handshake, in a task: what each was given.
function M.handshake(client, peer)
  local theirs
  local serving = co.spawn(function() theirs = table.pack(peer:dohandshake()) end)
  local ours = table.pack(client:dohandshake())
  if not ours[1] then
    client:close()
  end
  serving:await()
  return { ours[1], ours[2] }, { theirs[1], theirs[2] }
end

--- Runs `fn(client, peer, t)` in a task, with both ends behind the handshake.
function M.connected(fn, client_changes, server_changes)
  return within(function(t)
    co.run(function()
      local client, peer = M.wrapped(client_changes, server_changes)
      local ours, theirs = M.handshake(client, peer)
      assert(ours[1], ours[2])
      assert(theirs[1], theirs[2])
      fn(client, peer, t)
      client:close()
      peer:close()
    end)
  end)
end

return M
