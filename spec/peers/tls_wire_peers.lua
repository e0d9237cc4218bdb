-- SPDX-License-Identifier: MIT

-- TLS with programs of others over a wire (spec/support/wire.lua) that cuts what passes at any
-- byte, brings one byte at a time, holds ends back, ends and resets at any byte. With WIRE_STEP=1 and
-- a guard of hours, `NET_SPEC_GUARD`, it does so at each byte there is. Two of ours are in
-- spec/tls_wire_spec.lua.

local in_task = require("spec.support.tlstasks").in_task
local law = require("spec.support.wirelaw")
local peers = require("spec.support.wirepeers")

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
