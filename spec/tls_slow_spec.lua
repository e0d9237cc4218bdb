-- SPDX-License-Identifier: MIT

--- Handshakes whose bytes come, but slowly: each byte is news, and none buys more time. They are no
--- traffic of the program's either, so its idle timeout goes on as well.

local net = require("net")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local timers = require("net.timers")
local within = require("spec.support").within

local STEP = 4 -- ms between two bytes: a hello takes a second, and the limits are far below

--- A relay in front of a server, of which one way goes byte by byte, "up" or "down".
local function relay(t, server, slow)
  local front
  front = net.createServer({ allowHalfOpen = true, noDelay = true }, function(from)
    local to = net.connect({ port = server:address().port, host = "127.0.0.1", noDelay = true })
    local function pass(way, a, b)
      local waiting = {}
      local function drip()
        if b.destroyed then return end
        if waiting[1] then b:write(table.remove(waiting, 1)) end
        timers.setTimeout(drip, STEP)
      end
      if way == slow then drip() end
      a:on("data", function(chunk)
        if way ~= slow then return b:write(chunk) end
        for i = 1, #chunk do waiting[#waiting + 1] = chunk:sub(i, i) end
      end)
      a:on("error", function() end)
      a:on("close", t.calls(1, function()
        b:destroy()
        front:close()
      end))
    end
    pass("up", from, to)
    pass("down", to, from)
  end):listen(0, "127.0.0.1")
  sockets.wait(function() return front.listening end)
  return front
end

for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
  local function of(options)
    options.minVersion, options.maxVersion = version, version
    return options
  end

  describe("A handshake in " .. version .. " that goes byte by byte", function()
    it("is over for a server when its time is, and never succeeds later", within(function(t)
      local server, log = pair.listen(of { handshakeTimeout = 60 })
      local client = pair.connect(relay(t, server, "up"))
      client:write("early")
      client:on("error", function() end):resume()
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "tlsClientError ERR_TLS_HANDSHAKE_TIMEOUT" }, log)
    end))

    it("is over for a client when its time is", within(function(t)
      local server = pair.listen(of {})
      local client = pair.connect(relay(t, server, "down"), { handshakeTimeout = 60 })
      local log = pair.watch({}, client)
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "connect", "ready", "error ERR_TLS_HANDSHAKE_TIMEOUT", "close true" }, log)
    end))

    it("does not move a client's idle timeout", within(function(t)
      local server = pair.listen(of {})
      local client = pair.connect(relay(t, server, "down"), { timeout = 60 })
      local log = pair.watch({}, client)
      client:on("timeout", t.calls(1, function() client:destroy() end))
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "connect", "ready", "timeout", "close false" }, log)
    end))
  end)
end
