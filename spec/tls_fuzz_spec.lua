-- SPDX-License-Identifier: MIT

--- What comes from the wire is anything: records that are damaged, cut, doubled, swapped or
--- made up, at any point of a connection. Each side closes, and no byte is told that the
--- other has not written. For AddressSanitizer, above all. NET_TLS_FUZZ=n plays n rounds.

local net = require("net")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local ROUNDS = tonumber(os.getenv("NET_TLS_FUZZ")) or 60
local TEXT = ("what was written, and nothing else. "):rep(3000)

--- A generator of numbers that is the same everywhere: dice(n) is 1 … n.
local function new_dice(seed)
  local state = seed * 7919 + 17
  return function(n)
    state = (state * 1103515245 + 12345) % 0x80000000
    return (state >> 8) % n + 1
  end
end

local function random_bytes(dice, n)
  local bytes = {}
  for i = 1, n do bytes[i] = string.char(dice(256) - 1) end
  return table.concat(bytes)
end

--- What may become of a chunk on its way; nil: it is the last.
local MISHAPS = {
  function(chunk, dice) -- a bit is another
    local at = dice(#chunk)
    return chunk:sub(1, at - 1) .. string.char(chunk:byte(at) ~ 1 << (dice(8) - 1)) .. chunk:sub(at + 1)
  end,
  function(chunk, dice) return chunk:sub(1, dice(#chunk) - 1), true end, -- cut, and the end
  function(chunk) return chunk .. chunk end,
  function(chunk, dice) return random_bytes(dice, dice(300)) .. chunk end,
  function(_, dice) return string.pack(">BI2s2", 19 + dice(6), 0x300 + dice(4), random_bytes(dice, dice(200))) end,
  function(_, dice) -- an alert that nobody has given
    return string.pack(">BI2s2", 21, 0x303, string.char(dice(2), dice(120)))
  end,
  function(chunk, dice) -- parts in another order
    local at = dice(#chunk)
    return chunk:sub(at + 1) .. chunk:sub(1, at)
  end,
}

--- A relay that lets `count` chunks pass, and then has a mishap.
local function hazard(dice, port)
  local left, happens = dice(9) - 1, MISHAPS[dice(#MISHAPS)]
  local front
  front = net.createServer({ allowHalfOpen = true }, function(from)
    front:close()
    local to = net.connect({ port = port, host = "127.0.0.1", allowHalfOpen = true })
    for _, ends in ipairs { { from, to }, { to, from } } do
      local a, b = ends[1], ends[2]
      a:on("data", function(chunk)
        local last
        left = left - 1
        if left == -1 then chunk, last = happens(chunk, dice) end
        b:write(chunk)
        if last then
          a:destroy()
          b:finish()
        end
      end)
      a:on("end", function() b:finish() end)
      a:on("error", function() b:destroy() end)
      a:on("close", function() b:finish() end)
    end
  end):listen(0, "127.0.0.1")
  sockets.wait(function() return front.listening end)
  return front
end

--- All that a side was told is the beginning of what the other wrote.
local function check(socket)
  local got = {}
  socket:on("data", function(chunk) got[#got + 1] = chunk end)
  socket:on("error", function() end)
  socket:on("close", function()
    local text = table.concat(got)
    assert(text == TEXT:sub(1, #text), "bytes that nobody wrote")
  end)
end

describe("A TLS connection with mishaps on its way", function()
  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    it("closes on both sides, and tells nothing that was not written: " .. version, within(function(t)
      local there
      local server = pair.listen({ minVersion = version, maxVersion = version, requestCert = true,
        rejectUnauthorized = false, handshakeTimeout = 1000 }, function(socket)
        there = socket
        check(socket)
        socket:finish(TEXT)
      end)
      server:on("tlsClientError", function(_, socket) there = socket end)
      for round = 1, ROUNDS do
        local dice = new_dice(round)
        there = nil
        local front = hazard(dice, server:address().port)
        local client = pair.connect(front, { handshakeTimeout = 1000, cert = pair.client.cert,
          key = pair.client.key })
        check(client)
        client:finish(TEXT)
        client:setTimeout(300, function() client:destroy() end)
        sockets.wait(function() return client.destroyed end)
        sockets.wait(function()
          if there and not there.destroyed then there:setTimeout(100, function() there:destroy() end) end
          return not there or there.destroyed
        end)
      end
      server:close()
      t.run()
    end))
  end

  it("is none for what is made up", within(function(t)
    local server, log = pair.listen({ handshakeTimeout = 50 })
    local left = ROUNDS
    for round = 1, ROUNDS do
      local dice = new_dice(round)
      local client = net.connect(server:address().port, "127.0.0.1")
      client:on("error", function() end)
      client:write(string.pack(">BI2s2", 22, 0x301, string.pack(">Bs3", dice(25), random_bytes(dice, dice(400)))))
      client:resume():on("close", function()
        left = left - 1
        if left == 0 then server:close() end
      end)
    end
    t.run()
    assert.equal(ROUNDS, #log)
    for _, line in ipairs(log) do assert.matches("^tlsClientError E", line) end
  end))

  it("fails as a client at what is made up", within(function(t)
    local round = 0
    local server = net.createServer(function(socket)
      round = round + 1
      local dice = new_dice(round)
      socket:on("error", function() end)
      socket:resume():write(string.pack(">BI2s2", 22, 0x303,
        string.pack(">Bs3", dice(4) == 1 and 2 or dice(25), random_bytes(dice, dice(200)))))
    end):listen(0, "127.0.0.1")
    sockets.wait(function() return server.listening end)
    local left = ROUNDS
    for _ = 1, ROUNDS do
      local client = tls.connect({ port = server:address().port, host = "127.0.0.1", ca = pair.ca.cert,
        handshakeTimeout = 100 })
      client:on("error", t.calls(1, function(err) assert.matches("^E", err.code) end))
      client:on("secureConnect", t.never())
      client:on("close", function()
        left = left - 1
        if left == 0 then server:close() end
      end)
    end
    t.run()
  end))
end)
