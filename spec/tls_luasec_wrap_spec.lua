-- SPDX-License-Identifier: MIT

--- What net.luasec makes of a socket that was read from before, and of words that C would
--- cut: LuaSec loses the bytes, and takes what is before a NUL.

local S = require("spec.support.luasec")
local certificates = require("spec.support.certificates")
local co = require("net.co")
local ssl = require("net.luasec")
local within = require("spec.support").within

local function in_task(fn)
  return within(function() co.run(fn) end)
end

describe("wrap of a socket that was read from", function()
  it("has the bytes that came behind the line for the handshake", in_task(function()
    local client, peer = S.pair()
    local greeted, ours
    local dialling = co.spawn(function()
      client:send("STARTTLS\n")
      client = assert(ssl.wrap(client, S.client()))
      greeted = true
      ours = table.pack(client:dohandshake())
    end)
    while not greeted do co.sleep(1) end -- the hello is sent by then
    assert.equal("STARTTLS", peer:receive("*l"))
    assert.is_true(peer:dirty())
    peer = assert(ssl.wrap(peer, S.server()))
    assert.is_true(peer:dirty())
    assert.is_true(peer:dohandshake())
    dialling:await()
    assert.is_true(ours[1])
    client:send("hi\n")
    assert.equal("hi", peer:receive("*l"))
    client:close()
    peer:close()
  end))

  it("does not take plain text for a secret: what was injected fails", in_task(function()
    local client, peer = S.pair()
    client:send("STARTTLS\nRCPT TO: somebody\n")
    assert.equal("STARTTLS", peer:receive("*l"))
    peer = assert(ssl.wrap(peer, S.server()))
    local ok, err = peer:dohandshake()
    assert.same({ false, "wrong version number" }, { ok, err })
    client:close()
    peer:close()
  end))
end)

describe("wrap of a descriptor that the system refuses", function()
  it("is nil and its word, and the socket has it still", function()
    local fd = 1 << 30 -- which nobody has
    local socket = { getfd = function() return fd end, setfd = function(_, n) fd = n end }
    assert.same({ nil, "Bad file descriptor" }, { ssl.wrap(socket, S.client()) })
    assert.equal(1 << 30, fd)
  end)
end)

describe("a context of net.luasec", function()
  for name, params in pairs {
    ciphers = { ciphers = "HIGH\0:!aNULL" },
    cafile = { cafile = "/etc/passwd\0.pem" },
    protocol = { protocol = "tlsv1_2\0x" },
    mode = { mode = "client\0x" },
    options = { options = { "all\0x" } },
    curve = { curve = "P-256\0x" },
    key = { key = "/etc/passwd\0.pem" },
  } do
    it("raises where a NUL would cut its parameter: " .. name, function()
      assert.error_matches(function() ssl.newcontext(S.client(params)) end, "string contains zeros")
    end)
  end

  it("has no lower depth than it is told, however large", in_task(function()
    local between = S.certificates().ca:intermediate()
    local leaf = between:issue({ san = "DNS:localhost" })
    local path = certificates.write("chain", leaf.cert .. between.cert)
    local function handshake(depth)
      local client, peer = S.wrapped({ depth = depth }, { key = leaf.key_path, certificate = path })
      local ours = S.handshake(client, peer)
      client:close()
      peer:close()
      return ours[1]
    end
    assert.is_false(handshake(0))
    assert.is_true(handshake(1 << 32))
  end))
end)
