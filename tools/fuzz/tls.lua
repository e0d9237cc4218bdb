-- SPDX-License-Identifier: MIT

--- What comes from the wire, for `make fuzz` (fuzz.c): one input is one TLS connection.
---
--- The input's first byte says who plays: whether our side is the server, in TLS 1.2 alone,
--- with a certificate asked for, in a chain of two; and whether the rest are bytes of a peer
--- that is nobody, in pieces, or mishaps on the way between two that are real. Promised is:
--- both sides close, nothing is told that was not written, and nothing at all of a stranger.
---
---     lua5.4 tools/fuzz/tls.lua DIR      -- writes inputs to begin with into DIR

local net = require("net")
local tls = require("net.tls")
local timers = require("net.timers")
local certificates = require("spec.support.certificates")

local SERVER, OLD, ASKS, RELAY = 1, 2, 4, 8
local TEXT = ("what was written, and nothing else. "):rep(40)

local ca = certificates.authority()
local leaf = ca:issue({ san = "DNS:localhost" })
local contexts = {}

--- Contexts are made once: what differs between inputs is what comes from the wire.
local function context(old)
  local version = old and "TLSv1.2" or "TLSv1.3"
  contexts[version] = contexts[version] or tls.createSecureContext({ ca = ca.cert, cert = leaf.cert,
    key = leaf.key, minVersion = "TLSv1.2", maxVersion = version })
  return contexts[version]
end

--- Notes what a side is told, all of which has to be the beginning of TEXT.
local function listen(socket, sides)
  local side = { socket = socket, got = "" }
  socket:on("data", function(chunk) side.got = side.got .. chunk end)
  socket:on("error", function() end)
  socket:on("close", function() side.closed = true end)
  sides[#sides + 1] = side
  return socket
end

local function server_over(half, how, sides)
  return listen(tls.TLSSocket(half, { isServer = true, secureContext = context(how & OLD ~= 0),
    requestCert = how & ASKS ~= 0, ALPNProtocols = { "one", "two" },
    SNICallback = function(name, callback)
      callback(nil, #name % 2 == 0 and context(false) or nil)
    end,
  }), sides)
end

local function client_over(half, how, sides)
  return listen(tls.connect({ socket = half, secureContext = context(how & OLD ~= 0),
    servername = "localhost", ALPNProtocols = { "two", "three" } }), sides)
end

--- Bytes of nobody: each piece has its length in a byte before it.
local function play_stranger(how, rest, sides)
  local here, there = net.duplexPair()
  local socket = (how & SERVER ~= 0 and server_over or client_over)(here, how, sides)
  socket:finish(TEXT)
  there:resume():on("error", function() end)
  local at = 1
  local function feed()
    if there.destroyed then
      return
    elseif at > #rest then
      return there:finish()
    end
    local n = rest:byte(at)
    there:write(rest:sub(at + 1, at + n))
    at = at + 1 + n
    timers.setImmediate(feed)
  end
  feed()
end

--- Mishaps, four bytes each: before which chunk, what, and where.
local MISHAPS = {
  [0] = function(chunk, at, by)
    return chunk:sub(1, at - 1) .. string.char(chunk:byte(at) ~ by) .. chunk:sub(at + 1)
  end,
  function(chunk, at) return chunk:sub(1, at - 1) end,
  function(chunk, at) return chunk:sub(1, at) .. chunk end,
  function(chunk, at, by) return chunk:sub(1, at) .. string.char(by) .. chunk:sub(at + 1) end,
  function(chunk, at) return chunk:sub(at) .. chunk:sub(1, at - 1) end,
  function(chunk, at, by)
    return string.pack(">BI2s2", 20 + by % 5, 0x303, chunk:sub(at, at + 40)) .. chunk
  end,
}

local function relay(from, to, mishaps, counter)
  from:on("data", function(chunk)
    counter.n = counter.n + 1
    for _, one in ipairs(mishaps) do
      if one.before == counter.n and #chunk > 0 then
        chunk = MISHAPS[one.what](chunk, one.at % #chunk + 1, one.by)
      end
    end
    to:write(chunk)
  end)
  from:on("end", function() to:finish() end)
  from:on("error", function() end)
  from:on("close", function() to:destroy() end)
end

local function play_relay(how, rest, sides)
  local mishaps, counter = {}, { n = 0 }
  for before, what, at, by in rest:sub(1, 64):gmatch("(.)(.)(.)(.)") do
    mishaps[#mishaps + 1] = { before = before:byte() % 12 + 1, what = what:byte() % (#MISHAPS + 1),
      at = at:byte() * 7, by = by:byte() }
  end
  local a, one = net.duplexPair()
  local other, b = net.duplexPair()
  relay(one, other, mishaps, counter)
  relay(other, one, mishaps, counter)
  server_over(b, how, sides):finish(TEXT)
  client_over(a, how, sides):finish(TEXT)
end

local function play(input)
  local how, rest, sides = input:byte(1) or 0, input:sub(2), {}
  local is_relay = how & RELAY ~= 0
  (is_relay and play_relay or play_stranger)(how, rest, sides)
  net.run()
  for _, side in ipairs(sides) do
    side.socket:destroy()
  end
  net.run()
  for _, side in ipairs(sides) do
    assert(side.closed, "a side that does not close")
    assert(side.got == TEXT:sub(1, #side.got), "bytes that nobody wrote")
    assert(is_relay or side.got == "", "bytes of a stranger")
  end
end

--- Inputs to begin with: what two that are real say to each other, and a few mishaps.
local function write_seeds(folder)
  local function write(name, text)
    local file = assert(io.open(("%s/%s"):format(folder, name), "wb"))
    file:write(text)
    file:close()
  end
  for how = 0, 7 do
    local sides, said = {}, { "", "" }
    local a, one = net.duplexPair()
    local other, b = net.duplexPair()
    local function pieces(index)
      return function(chunk)
        for at = 1, #chunk, 255 do
          said[index] = said[index] .. string.pack("s1", chunk:sub(at, at + 254))
        end
      end
    end
    one:on("data", pieces(1)):on("data", function(chunk) other:write(chunk) end)
    other:on("data", pieces(2)):on("data", function(chunk) one:write(chunk) end)
    server_over(b, how, sides):finish("a")
    client_over(a, how, sides):finish("b")
    net.run()
    for _, side in ipairs(sides) do side.socket:destroy() end
    net.run()
    write("stranger" .. how, string.char(how) .. (how & SERVER ~= 0 and said[1] or said[2]))
    write("relay" .. how, string.char(how | RELAY) .. string.char(how, how, how * 5, how * 31))
  end
end

if arg then
  return write_seeds(arg[1])
end
return play
