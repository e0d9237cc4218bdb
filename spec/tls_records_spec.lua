-- SPDX-License-Identifier: MIT

--- Odd records of TLS 1.3 behind the handshake: those that are allowed lose nothing, and the others
--- end the connection with OpenSSL's word for it. What Node makes of them is in
--- spec/peers/tls_records_peers.lua.

local co = require("net.co")
local in_task = require("spec.support.tlstasks").in_task
local odd = require("spec.support.tlsodd")
local pair = require("spec.support.tlspair")
local peers = require("spec.support.wirepeers")
local tls = require("net.tls")

describe("A TLS server gets", function()
  odd.each("server", function(case)
    it(case.name, in_task(function()
      local told, over = {}, nil
      local server <close> = tls.createServer({ cert = pair.server.cert, key = pair.server.key }, function(socket)
        socket:on("data", function(chunk) socket:write(chunk) end)
        peers.note(told, socket, { "data", "end", "error", "close" })
        socket:on("close", function() over() end)
      end)
      server:listen(0, "127.0.0.1")
      co.await(server, "listening")
      local lines, got = odd.to_server(case, server:address().port, function()
        co.suspend(function(resume) over = function() resume() end end)
        return peers.lines(told)
      end)
      assert.same(case.told, lines)
      if case.told[#case.told] == "close false" then
        assert.equal(told.got or "", got)
      end
    end))
  end)
end)

describe("A TLS client gets", function()
  odd.each("client", function(case)
    it(case.name, in_task(function()
      local peer = { version = "TLSv1.3", asks = "hello\n", answers = "none" }
      local told = odd.to_client(case, function(port) return peers.visit(port, { peer = peer }) end)
      assert.same(case.told, odd.behind_handshake(peers.lines(told, "finish")))
    end))
  end)
end)
