-- SPDX-License-Identifier: MIT

--- Headers of the PROXY protocol that are random, or were changed in a place: what a server makes
--- of one does not depend on how it is cut into pieces, and no byte behind it is lost or told
--- twice. NET_FUZZ_SEED and NET_FUZZ_ROUNDS choose others.

local header = require("spec.support.proxyheader")
local net = require("net")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local SEED = tonumber(os.getenv("NET_FUZZ_SEED")) or 1
local ROUNDS = tonumber(os.getenv("NET_FUZZ_ROUNDS")) or 60
local BEHIND = "bytes behind"

local function bytes(n)
  local list = {}
  for i = 1, n do
    list[i] = string.char(math.random(0, 255))
  end
  return table.concat(list)
end

local function ip4()
  return ("%d.%d.%d.%d"):format(math.random(0, 255), math.random(0, 255), math.random(0, 255),
    math.random(0, 255))
end

local function tlvs()
  local list = {}
  for i = 1, math.random(0, 4) do
    list[i] = header.tlv(math.random(4, 255), bytes(math.random(0, 40)))
  end
  return table.concat(list)
end

--- Makers of headers that are right.
local MAKERS = {
  function() return header.v1("TCP4", ip4(), ip4(), math.random(0, 65535), math.random(0, 65535)) end,
  function()
    return header.v1("TCP6", ("%x::%x"):format(math.random(0, 65535), math.random(0, 65535)),
      "::ffff:" .. ip4(), math.random(0, 65535), math.random(0, 65535))
  end,
  function() return "PROXY UNKNOWN " .. ("w"):rep(math.random(0, 91)) .. "\r\n" end,
  function() return header.v2(0x21, 0x11, bytes(12) .. tlvs()) end,
  function() return header.v2(0x21, 0x22, bytes(36) .. tlvs()) end,
  function() return header.v2(0x21, 0x31, bytes(216) .. tlvs()) end,
  function() return header.v2(0x20, math.random(0, 3) << 4, bytes(math.random(0, 300))) end,
  function() return header.summed(0x21, 0x11, bytes(12) .. tlvs()) end,
}

--- A byte changed, removed, put in, or all behind a place cut off.
local CHANGES = {
  function(s, i) return s:sub(1, i - 1) .. bytes(1) .. s:sub(i + 1) end,
  function(s, i) return s:sub(1, i - 1) .. s:sub(i + 1) end,
  function(s, i) return s:sub(1, i) .. bytes(1) .. s:sub(i + 1) end,
  function(s, i) return s:sub(1, i - 1) .. string.char(s:byte(i) ~ (1 << math.random(0, 7))) .. s:sub(i + 1) end,
  function(s, i) return s:sub(1, i - 1) end,
}

local function changed(text)
  return CHANGES[math.random(#CHANGES)](text, math.random(#text))
end

--- What a header says, in words.
local function words_of(socket)
  local found = socket.proxyHeader
  local list = {}
  for _, name in ipairs { "version", "command", "family", "transport", "sourceAddress", "sourcePort",
                          "destinationAddress", "destinationPort" } do
    list[#list + 1] = tostring(found[name])
  end
  for kind, value in pairs(found.tlvs) do
    list[#list + 1] = ("%d=%q"):format(kind, value)
  end
  table.sort(list, function(a, b) return a < b end)
  return table.concat(list, " ")
end

--- What a server makes of the pieces, one after the other, and then the end: an error's code, or
--- what the header says, and what was read behind it.
local function made_of(server, path, pieces)
  local outcome
  local function hear(socket)
    local said, rest = words_of(socket), {}
    socket:on("data", function(chunk) rest[#rest + 1] = chunk end)
    socket:on("error", function() end)
    socket:on("close", function() outcome = said .. " | " .. table.concat(rest) end)
  end
  local function fail(err) outcome = err.code end
  server:on("connection", hear):on("proxyError", fail)
  local client = net.connect(path)
  client:on("error", function() end)
  client:resume()
  for _, piece in ipairs(pieces) do
    client:write(piece)
    net.run("nowait")
    net.run("nowait")
  end
  client:finish()
  sockets.wait(function() return outcome and client.destroyed end)
  server:off("connection", hear):off("proxyError", fail)
  return outcome
end

--- The same bytes, one by one, and cut in two at a place.
local function each_byte(text)
  local pieces = {}
  for i = 1, #text do
    pieces[i] = text:sub(i, i)
  end
  return pieces
end

local function serve(t)
  local path = t.tmpname()
  local server = net.createServer({ proxyProtocol = true }):listen(path)
  sockets.wait(function() return server.listening end)
  return server, path
end

describe("headers of the PROXY protocol", function()
  it("are read alike however they are cut, and end where they end", within(function(t)
    math.randomseed(SEED)
    local server, path = serve(t)
    for round = 1, ROUNDS do
      local text = MAKERS[round % #MAKERS + 1]()
      local whole = made_of(server, path, { text .. BEHIND })
      assert.matches(" | " .. BEHIND, whole, 1, true, ("%q"):format(text))
      local cut = math.random(#text)
      assert.equal(whole, made_of(server, path, { text:sub(1, cut), text:sub(cut + 1) .. BEHIND }))
      assert.equal(whole, made_of(server, path, each_byte(text .. BEHIND)), ("%q"):format(text))
    end
    server:close()
  end))

  it("are read alike when they are wrong", within(function(t)
    math.randomseed(SEED)
    local server, path = serve(t)
    local refused = 0
    for round = 1, ROUNDS do
      local text = MAKERS[round % #MAKERS + 1]()
      for _ = 1, math.random(3) do
        text = #text > 0 and changed(text) or text
      end
      text = text .. BEHIND
      local whole = made_of(server, path, { text })
      refused = refused + (whole:find("^E") and 1 or 0)
      assert.equal(whole, made_of(server, path, each_byte(text)), ("%q"):format(text))
    end
    assert.is_true(refused > ROUNDS / 10, refused)
    server:close()
  end))

  it("that are no more than noise are refused", within(function(t)
    math.randomseed(SEED)
    local server, path = serve(t)
    for _ = 1, ROUNDS do
      local outcome = made_of(server, path, { bytes(math.random(1, 300)) })
      assert.is_truthy(outcome:find("^E"), outcome)
      outcome = made_of(server, path, { header.SIGNATURE .. "\x21" .. bytes(math.random(3, 300)) })
      assert.is_string(outcome)
    end
    server:close()
  end))

  it("that end early, at each byte, are a peer that hung up", within(function(t)
    local server, path = serve(t)
    for _, text in ipairs { header.v1("TCP4", "1.2.3.4", "5.6.7.8", 1, 65535),
                            header.summed(0x21, 0x11, ("x"):rep(12)) } do
      for i = 0, #text - 1 do
        assert.equal("ECONNRESET", made_of(server, path, { text:sub(1, i) }))
      end
    end
    server:close()
  end))
end)
