-- SPDX-License-Identifier: MIT

-- TLS with programs of others over a wire (spec/support/wire.lua) that cuts what passes at any
-- byte, brings one byte at a time, holds ends back, ends and resets at any byte. With WIRE_STEP=1 and
-- a guard of hours, `NET_SPEC_GUARD`, it does so at each byte there is. Two of ours are in
-- spec/tls_wire_spec.lua.

local node = require("spec.support.node")
local in_task = require("spec.support.tlstasks").in_task
local law = require("spec.support.wirelaw")
local peers = require("spec.support.wirepeers")
local wires = require("spec.support.wire")

--- `it` for each version, with a new session and an old one.
local function each_way(name, text, check)
  for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
    for _, resumes in ipairs(peers.keeps_none(name) and { false } or { false, true }) do
      it(("%s: %s%s"):format(text:format(name), version, resumes and ", resumed" or ""),
        in_task(function() check(name, version, resumes) end))
    end
  end
end

describe("A client of ours over a hostile wire", function()
  peers.each_server(function(name)
    each_way(name, "and %s agree however the bytes come", law.client_agrees)
    each_way(name, "tells what becomes of it where %s is cut off", law.client_tells)
    each_way(name, "hears from %s that its own bytes were cut off", law.client_hears)
  end)
end)

describe("A server of ours over a hostile wire", function()
  peers.each_client(function(name)
    each_way(name, "and %s agree however the bytes come", law.server_agrees)
    each_way(name, "tells what becomes of it where %s is cut off", law.server_tells)
  end)
end)

-- Is that Node's law, too?

local SERVER = {
  "tlsClientError socket hang up",
  "secureConnection,end,close false",
  "secureConnection,data hello,end,close false",
}
local CLIENT = {
  "connect,ready,end,error Client network socket disconnected before secure TLS connection was established,close true",
  "connect,ready,secureConnect,secure,end,close false",
  "connect,ready,secureConnect,secure,data HELLO,end,close false",
}

--- What has been printed, without what depends on when tickets come, and what is told of a write
--- that was early.
local function plain(text)
  for _, word in ipairs({ ",new", ",session", ",wcb ECANCELED" }) do text = text:gsub(word, "") end
  return text
end

node.each(function(_, name)
  describe(name .. " tells what ours do, as more and more bytes come before an end", function()
    for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
      it("as a server: " .. version, in_task(function()
        local peer <close> = peers.server(name, version)
        local wire <close> = wires.open(peer.port)
        local function visit(plan)
          wire.plan = plan
          peers.visit(wire.port, { peer = peer })
          local link, said = wire:link(), peer.kid:expect("^told (.*)$")
          wire:cut()
          return said, link
        end
        local _, link = visit({})
        assert.same(SERVER, law.progress(link.up, function(k)
          return plain((visit({ up = { at = k, what = "end" } })))
        end))
      end))

      it("as a client: " .. version, in_task(function()
        local server <close> = peers.server("ours", version)
        local peer <close> = peers.client(name, version)
        local wire <close> = wires.open(server.port)
        local function visit(plan)
          wire.plan = plan
          peer:go(wire.port)
          local said, link = peer:gone(), wire:link()
          wire:cut()
          return said, link
        end
        local _, link = visit({})
        assert.same(CLIENT, law.progress(link.down, function(k)
          return plain((visit({ down = { at = k, what = "end" } })))
        end))
      end))
    end
  end)
end)
