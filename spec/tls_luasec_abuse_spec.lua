-- SPDX-License-Identifier: MIT

--- What programs do to objects of net.luasec that nobody should: finalizers called by hand,
--- contexts closed before they are used, a collection amid a handshake.

local S = require("spec.support.luasec")
local co = require("net.co")
local ssl = require("net.luasec")
local within = require("spec.support").within

local function in_task(fn)
  return within(function() co.run(fn) end)
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

--- Each metamethod that ends an object, called for what is none of its kind.
local function misuse(object)
  local meta = getmetatable(object)
  for _, name in ipairs { "__gc", "__close" } do
    for _, other in ipairs { io.stdout, {}, 1, false } do
      meta[name](other)
    end
    meta[name]()
  end
end

describe("a finalizer of net.luasec", function()
  it("does nothing to what is no context, no certificate, no connection", in_task(function()
    local client, peer = S.wrapped()
    misuse(assert(ssl.newcontext(S.server())))
    misuse(assert(ssl.loadcertificate(read(S.certificates().server.path))))
    misuse(client)
    client:close()
    peer:close()
  end))

  it("called by hand leaves a certificate that is none", in_task(function()
    local certificate = assert(ssl.loadcertificate(read(S.certificates().server.path)))
    getmetatable(certificate).__gc(certificate)
    assert.is_false((pcall(certificate.subject, certificate)))
    getmetatable(certificate).__gc(certificate)
  end))
end)

describe("a context of net.luasec that is closed", function()
  it("is none for sni", in_task(function()
    local client, peer = S.wrapped()
    local context = assert(ssl.newcontext(S.server()))
    getmetatable(context).__close(context)
    local ok, err = pcall(peer.sni, peer, { localhost = context })
    assert.is_false(ok)
    assert.matches("SSL:Context expected", err)
    client:close()
    peer:close()
  end))

  it("behind sni has the handshake raise", in_task(function()
    local client, peer = S.wrapped()
    local context <close> = assert(ssl.newcontext(S.server()))
    peer:sni({ localhost = context })
    client:sni("localhost")
    getmetatable(context).__close(context)
    local serving = co.spawn(function()
      local ok, err = pcall(peer.dohandshake, peer)
      peer:close()
      return ok, err
    end)
    assert.is_false((client:dohandshake()))
    local ok, err = serving:await()
    assert.is_false(ok)
    assert.matches("the context of a name is closed", err)
    client:close()
  end))
end)

describe("a function that a handshake calls", function()
  --- Both ends of connections that have done their handshake.
  local function connected()
    local client, peer = S.wrapped()
    assert.same({ { true }, { true } }, { S.handshake(client, peer) })
    return client, peer
  end

  --- A handshake amid which `fn` is called.
  local function amid(fn)
    local client, peer = S.wrapped({ alpn = "x" }, { alpn = function(names)
      fn()
      return names
    end })
    assert.same({ { true }, { true } }, { S.handshake(client, peer) })
    client:close()
    peer:close()
  end

  it("may have the collector end other connections, whose peers hear of it", in_task(function()
    local held = table.pack(connected())
    local peer = table.remove(held)
    amid(function()
      held[1] = nil
      collectgarbage()
      collectgarbage()
    end)
    peer:settimeout(5)
    assert.same({ nil, "closed", "" }, { peer:receive("*l") })
    peer:close()
  end))

  it("may close another connection", in_task(function()
    local other, peer = connected()
    amid(function() other:close() end)
    assert.equal(-1, other:getfd())
    peer:settimeout(5)
    assert.same({ nil, "closed", "" }, { peer:receive("*l") })
    peer:close()
  end))
end)

describe("a connection of net.luasec whose peer has gone", function()
  for _, protocol in ipairs { "tlsv1_2", "tlsv1_3" } do
    it("gives what had arrived, also behind a send that failed, with " .. protocol, in_task(function()
      local client, peer = S.wrapped({ protocol = protocol })
      assert.same({ { true }, { true } }, { S.handshake(client, peer) })
      assert.equal(8, peer:send("refused\n"))
      peer:close()
      local sent, err = true, nil
      for _ = 1, 10000 do -- until the kernel has heard that nobody is there
        if sent then sent, err = client:send("x") end
      end
      assert.equal("closed", err)
      client:settimeout(5)
      assert.equal("refused", (client:receive("*l")))
      assert.same({ nil, "closed", "" }, { client:receive("*l") })
      assert.same({ nil, "closed", 0 }, { client:send("x") })
      client:close()
    end))
  end
end)
