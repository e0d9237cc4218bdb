-- SPDX-License-Identifier: MIT

--- The address of who has connected to a server, and is gone already.

local lua = require("spec.support.lua")
local net = require("net")
local sockets = require("spec.support.sockets")
local support = require("spec.support")

local within, wait, wait_for = support.within, sockets.wait, sockets.wait_for

--- Has a process connect to the server and reset the connection, all of it while no
--- loop runs here; returns the port that it had.
local function reset_by_another(server, host)
  local result = lua.run({ script = ([[
    local socket = require("net").connect(%d, %q)
    socket:on("connect", function()
      print(socket.localPort)
      socket:resetAndDestroy()
    end)
    require("net").run()
  ]]):format(server:address().port, host) })
  assert.same({ 0, "" }, { result.code, result.stderr })
  return math.tointeger(tonumber(result.stdout))
end

--- Whether this machine has IPv6 at all.
local function has_ipv6()
  local server = net.createServer():listen(0, "::1")
  local ok
  server:once("listening", function() ok = true server:close() end)
  server:once("error", function() ok = false end)
  wait(function() return ok ~= nil end)
  return ok
end

local function listening(host)
  local server = net.createServer():listen(0, host)
  wait(function() return server.listening end)
  return server
end

describe("the address of a peer that has reset its connection before it was accepted", function()
  for name, case in pairs({
    ["an IPv4 one"] = { "127.0.0.1", "127.0.0.1", "127.0.0.1", "IPv4" },
    ["an IPv6 one"] = { "::1", "::1", "::1", "IPv6" },
    ["an IPv4 one at an IPv6 server"] = { "::", "127.0.0.1", "::ffff:127.0.0.1", "IPv6" },
  }) do
    local host, to, address, family = table.unpack(case)

    --- Says what is promised of such a peer.
    local function promise(text, fn)
      it(text .. ": " .. name, within(function(t)
        if host ~= "127.0.0.1" and not has_ipv6() then
          return pending("no IPv6 here")
        end
        fn(t)
      end))
    end

    promise("is known in 'connection', and after", function(t)
      local server = listening(host)
      local port = reset_by_another(server, to)
      server:on("connection", t.calls(1, function(peer)
        local function look()
          assert.same({ address, port, family },
            { peer.remoteAddress, peer.remotePort, peer.remoteFamily })
        end
        look()
        peer:on("error", t.calls(1, function(err)
          assert.equal("ECONNRESET", err.code)
          look()
        end))
        peer:on("close", t.calls(1, look))
        server:close()
      end))
      t.run()
    end)

    promise("is known in 'error', though nobody has looked before", function(t)
      local server = listening(host)
      local port = reset_by_another(server, to)
      server:on("connection", t.calls(1, function(peer)
        peer:on("error", t.calls(1, function()
          assert.same({ address, port, family },
            { peer.remoteAddress, peer.remotePort, peer.remoteFamily })
        end))
        server:close()
      end))
      t.run()
    end)
  end

  it("is no more after another connect() of that socket", within(function(t)
    for _, host in ipairs({ "127.0.0.1", has_ipv6() and "::1" or nil }) do
      local server = listening(host)
      reset_by_another(server, host)
      local peer = wait_for(server, "connection")
      wait_for(peer, "error")
      if not peer.closed then wait_for(peer, "close") end
      server:close()
      peer:connect({ path = "/no/such/socket" })
      assert.is_nil(peer.remoteAddress)
      assert.equal("ENOENT", wait_for(peer, "error").code)
      assert.is_nil(peer.remoteAddress)
    end
    t.run()
  end))

  it("is nil after an orderly end if nobody has looked, as in Node", within(function(t)
    local server = listening("127.0.0.1")
    local socket = net.connect(server:address().port, "127.0.0.1")
    local peer = wait_for(server, "connection")
    peer:resume()
    socket:finish()
    wait_for(peer, "close")
    assert.is_nil(peer.remoteAddress)
    server:close()
    t.run()
  end))
end)
