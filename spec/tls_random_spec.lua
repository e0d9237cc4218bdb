-- SPDX-License-Identifier: MIT

--- Two TLS sockets do what a seed says, over TCP, over a pair without a descriptor, and over
--- TLS again. Whatever that is: each is told the beginning of what the other wrote, and all
--- of it where nobody destroyed; each callback is called once, and each socket closes once.
--- NET_TLS_RANDOM=n does n operations, NET_TLS_SEED=n begins with that seed.

local net = require("net")
local timers = require("net.timers")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local OPERATIONS = tonumber(os.getenv("NET_TLS_RANDOM")) or 6000
local FIRST_SEED = tonumber(os.getenv("NET_TLS_SEED")) or 1
local PERIOD = 251

local pattern = {}
for i = 0, PERIOD - 1 do pattern[#pattern + 1] = string.char(i) end
pattern = table.concat(pattern):rep(800)

--- What stands at that place of what a side writes.
local function text_at(at, n)
  local first = at % PERIOD
  return pattern:sub(first + 1, first + n)
end

--- dice(n) is 1 … n, the same everywhere.
local function new_dice(seed)
  local state = seed * 7919 + 17
  return function(n)
    state = (state * 1103515245 + 12345) % 0x80000000
    return (state >> 8) % n + 1
  end
end

local function callback(side)
  side.waiting = side.waiting + 1
  local called = false
  return function()
    assert(not called, "a callback is called twice")
    called = true
    side.waiting = side.waiting - 1
  end
end

local function write(side, dice, method)
  local n = dice(4) == 1 and dice(150000) or dice(300)
  if not side.ended then
    side.socket[method](side.socket, text_at(side.sent, n), callback(side))
    side.sent = side.sent + n
  end
end

local OPERATION = {
  write = function(side, dice) write(side, dice, "write") end,
  several = function(side, dice)
    for _ = 1, dice(6) do write(side, dice, "write") end
  end,
  finish = function(side, dice)
    if dice(6) == 1 then
      write(side, dice, "finish")
      side.ended = true
    end
  end,
  destroy = function(side, dice)
    if dice(25) == 1 then
      side.socket:destroy(dice(2) == 1 and net.Error { message = "enough" } or nil)
      side.ended, side.destroyed = true, true
    end
  end,
  pause = function(side) side.socket:pause() end,
  resume = function(side) side.socket:resume() end,
  cork = function(side) side.socket:cork() end,
  uncork = function(side) side.socket:uncork() end,
  timeout = function(side, dice) side.socket:setTimeout(dice(3) - 1) end,
  ask = function(side)
    for _, name in ipairs { "getProtocol", "getCipher", "getPeerCertificate", "getSession",
      "isSessionReused", "getFinished", "getTLSTicket", "getSharedSigalgs" } do
      side.socket[name](side.socket)
    end
  end,
  fragment = function(side, dice) side.socket:setMaxSendFragment(511 + dice(16384)) end,
  unread = function(side, dice) -- takes back what it was just told
    if side.last and dice(3) == 1 and not side.over then
      side.got = side.got - #side.last
      side.socket:unshift(side.last)
      side.last = nil
    end
  end,
}
local NAMES = {}
for name in pairs(OPERATION) do NAMES[#NAMES + 1] = name end
table.sort(NAMES)

local function hear(side, other, seed)
  local socket = side.socket
  socket:on("data", function(chunk)
    assert(chunk == text_at(side.got, #chunk), ("seed %d: bytes that nobody wrote"):format(seed))
    side.got, side.last = side.got + #chunk, chunk
  end)
  socket:on("end", function() side.over, side.last, side.ended = true, nil, true end)
  socket:on("error", function(err)
    side.failed = true
    assert(side.destroyed or other.destroyed or other.failed, ("seed %d: %s"):format(seed, err))
  end)
  socket:on("close", function()
    side.closed = side.closed + 1
    side.over = true
  end)
end

--- Has a side do `n` operations, one a turn, and end.
local function act(side, dice, n)
  local function step()
    if n == 0 or side.socket.destroyed then
      while not side.socket.destroyed and side.socket.writableCorked > 0 do side.socket:uncork() end
      side.ended = true
      side.socket:resume():finish()
      return
    end
    n = n - 1
    OPERATION[NAMES[dice(#NAMES)]](side, dice)
    side.last = dice(2) == 1 and side.last or nil
    timers.setImmediate(step)
  end
  timers.setImmediate(step)
end

local function new_side(socket)
  return { socket = socket, sent = 0, got = 0, waiting = 0, closed = 0 }
end

local function options_of(version)
  return { minVersion = version, maxVersion = version, cert = pair.server.cert, key = pair.server.key,
    isServer = true, ca = pair.ca.cert, servername = "localhost" }
end

--- Two TLS sockets over the halves of something.
local function over(version, a, b)
  local server, client = options_of(version), options_of(version)
  server.ca, client.isServer, client.socket = nil, nil, b
  return tls.TLSSocket(a, server), tls.connect(client)
end

local WAYS = {
  function(version, meet)
    local server
    server = pair.listen({ minVersion = version, maxVersion = version }, function(socket)
      server:close()
      meet(socket)
    end)
    meet(nil, pair.connect(server))
  end,
  function(version, meet) meet(over(version, net.duplexPair())) end,
  function(version, meet) meet(over(version, over(version, net.duplexPair()))) end,
}

local function check(seed, one, other)
  local function that(ok, what)
    assert(ok, ("seed %d: %s"):format(seed, what))
  end
  for _, sides in ipairs { { one, other }, { other, one } } do
    local side, peer = sides[1], sides[2]
    that(side.closed == 1, "closed " .. side.closed .. " times")
    that(side.waiting == 0, side.waiting .. " callbacks are not called")
    that(side.got <= peer.sent, "more is told than was written")
    if not (side.destroyed or peer.destroyed) then
      that(not side.failed, "an error that nobody made")
      that(side.got == peer.sent, ("%d bytes of %d"):format(side.got, peer.sent))
    end
  end
end

--- One round; returns how many operations it did.
local function play(seed)
  local dice = new_dice(seed)
  local version = dice(2) == 1 and "TLSv1.2" or "TLSv1.3"
  local n, one, other = dice(60), nil, nil
  WAYS[dice(10) <= 7 and 1 or dice(2) + 1](version, function(server, client)
    one, other = server and new_side(server) or one, client and new_side(client) or other
    if one and other then
      hear(one, other, seed)
      hear(other, one, seed)
      act(one, dice, n)
      act(other, dice, n)
    end
  end)
  sockets.wait(function() return one and other and one.closed > 0 and other.closed > 0 end)
  net.run()
  check(seed, one, other)
  return 2 * n
end

describe("Two TLS sockets that do anything", function()
  it("lose no byte, callback or end", within(function()
    local done, seed = 0, FIRST_SEED
    while done < OPERATIONS do
      done, seed = done + play(seed), seed + 1
    end
  end))
end)
