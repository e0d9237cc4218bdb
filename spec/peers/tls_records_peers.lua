-- SPDX-License-Identifier: MIT

-- Odd records of TLS 1.3, as in spec/tls_records_spec.lua, to Nodes: what they tell is what ours
-- does, but for what OTHER has.

local in_task = require("spec.support.tlstasks").in_task
local node = require("spec.support.node")
local odd = require("spec.support.tlsodd")
local peers = require("spec.support.wirepeers")

-- Codes that depend on the version of OpenSSL, and ours, which do not.
local CODES = {
  ENCRYPTED_LENGTH_TOO_LONG = "DATA_LENGTH_TOO_LONG",
  ["SSL_SSLV3_ALERT"] = "SSL_SSL/TLS_ALERT",
}

-- Node 26 does not read on behind a warning until more comes; none keeps a session of more than
-- 10 KiB.
local OTHER = {
  ["a warning and the end, as Java says it"] = true,
  ["four warnings"] = true,
  ["five warnings"] = true,
  ["a session ticket of 65000 bytes"] = true,
}

local function each(side, fn)
  odd.each(side, function(case)
    if not OTHER[case.name] then fn(case) end
  end)
end

--- The lines without the "close" behind an error, which Node leaves to the program.
local function without_close(lines)
  local kept = table.move(lines, 1, #lines, 1, {})
  if #kept > 1 and kept[#kept - 1]:find("^error") then table.remove(kept) end
  return kept
end

--- The list that Node has printed.
local function list_of(text)
  local lines = {}
  for line in text:gmatch("[^,]+") do
    for theirs, one in pairs(CODES) do line = line:gsub(theirs, one) end
    lines[#lines + 1] = line
  end
  return without_close(odd.behind_handshake(lines))
end

node.each(function(_, name)
  describe("A server of " .. name .. " gets", function()
    each("server", function(case)
      it(case.name, in_task(function()
        local peer <close> = peers.server(name, "TLSv1.3")
        local lines = odd.to_server(case, peer.port, function()
          return list_of(peer.kid:expect("^told (.*)$"))
        end)
        assert.same(without_close(case.told), lines)
      end))
    end)
  end)

  describe("A client of " .. name .. " gets", function()
    each("client", function(case)
      it(case.name, in_task(function()
        local peer <close> = peers.client(name, "TLSv1.3")
        assert.same(without_close(case.told), list_of(odd.to_client(case, function(port)
          peer:go(port)
          return peer:gone()
        end)))
      end))
    end)
  end)
end)
