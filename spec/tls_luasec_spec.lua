-- SPDX-License-Identifier: MIT

-- net.luasec: LuaSec's connections over net.luasocket, in tasks and outside of them. Call by
-- call it is compared with LuaSec itself in spec/peers/luasec_peers.lua.

local certificates = require("spec.support.certificates")
local co = require("net.co")
local luasec = require("spec.support.luasec")
local plain = require("net.core").open_luasocket()
local since = require("spec.support.openssl").since
local sockets = require("spec.support.luasockets")
local socket = require("net.luasocket")
local ssl = require("net.luasec")
local support = require("spec.support")
local tasks = require("spec.support.tasks")

-- OpenSSL's words are passed on, as LuaSec does, and have changed: of the alerts of SSL 3, and
-- of an end without close_notify, which 1.1.1 takes as any other.
local ALERT = since(3, 2) and "ssl/tls alert" or "sslv3 alert"
local CUT = since(3, 0) and "unexpected eof while reading" or "closed"

local connected, raised, within = luasec.connected, tasks.raised, support.within

--- In a task.
local function in_task(fn)
  return within(function(t) co.run(fn, t) end)
end

--- Bytes of the connection's descriptor, below TLS.
local function below(conn)
  local bare = socket.tcp()
  bare:setfd(conn:getfd())
  return bare, function() bare:setfd(-1) end
end

--- Hands bytes from one plain socket to another, in pieces of at most `size`.
local function relay(from, to, size)
  for byte in function() return (from:receive(1)) end do
    local piece = { byte }
    while #piece < size and from:dirty() do
      piece[#piece + 1] = from:receive(1)
    end
    to:send(table.concat(piece))
  end
  to:close()
end

describe("a connection of net.luasec", function()
  it("carries lines, counts and all that comes", connected(function(client, peer)
    assert.equal(13, client:send("hello\r\nworld\n"))
    assert.equal("hello", peer:receive())
    assert.is_true(peer:dirty())
    assert.equal("wor", peer:receive(3))
    assert.equal("ld", peer:receive("*l"))
    local big = ("0123456789abcdef"):rep(65536)
    local sending = co.spawn(function()
      local last = peer:send(big)
      peer:close()
      return last
    end)
    assert.equal(big, client:receive("*a"))
    assert.equal(#big, sending:await())
    assert.same({ nil, "closed", "" }, { client:receive() })
  end))

  it("works in the main script", within(function()
    local client, peer = luasec.wrapped()
    client:settimeout(0)
    peer:settimeout(0)
    local done, served
    repeat
      done = done or client:dohandshake()
      served = served or peer:dohandshake()
    until done and served
    client:settimeout()
    peer:settimeout()
    client:send("ping\n")
    assert.equal("ping", peer:receive())
    assert.same({ nil, "wantread", "" }, { (function()
      client:settimeout(0)
      return client:receive()
    end)() })
    client:close()
    peer:close()
  end))

  it("serves twenty at once", in_task(function()
    local server = assert(socket.bind("127.0.0.1", 0, 64))
    local context = assert(ssl.newcontext(luasec.server()))
    local serving = co.spawn(function()
      for peer in function() return (server:accept()) end do
        co.spawn(function()
          local conn = assert(ssl.wrap(peer, context))
          assert(conn:dohandshake())
          for line in function() return (conn:receive()) end do
            conn:send(line:upper() .. "\n")
          end
          conn:close()
        end)
      end
    end)
    local answers = {}
    co.group(function(group)
      for i = 1, 20 do
        group:spawn(function()
          local client = assert(ssl.wrap(assert(socket.connect(sockets.address_of(server))),
            luasec.client()))
          assert(client:dohandshake())
          for j = 1, 3 do
            client:send("a" .. j .. "\n")
            answers[i] = (answers[i] or "") .. client:receive()
          end
          client:close()
        end)
      end
    end)
    server:close()
    serving:await()
    for i = 1, 20 do assert.equal("A1A2A3", answers[i]) end
  end))

  it("takes the socket's descriptor", in_task(function()
    local client, peer = luasec.pair()
    local fd = client:getfd()
    local conn = assert(ssl.wrap(client, luasec.client()))
    assert.equal(-1, client:getfd())
    assert.equal(fd, conn:getfd())
    assert.same({ nil, "closed", "" }, { client:receive() })
    conn:close()
    assert.equal(-1, conn:getfd())
    peer:close()
  end))

  it("leaves a socket as it is for parameters that are wrong", in_task(function()
    local client, peer = luasec.pair()
    assert.same({ nil, "invalid protocol (x)" }, { ssl.wrap(client, { protocol = "x" }) })
    assert.matches("invalid context", raised(ssl.wrap, client, 3))
    assert.matches("nil value", raised(ssl.wrap, nil, luasec.client()))
    collectgarbage() -- what was begun for it closes nothing
    client:send("x\n")
    assert.equal("x", peer:receive())
    client:close()
    peer:close()
  end))

  it("begins behind plain lines, as after STARTTLS", in_task(function()
    local client, peer = luasec.pair()
    client:send("STARTTLS\n")
    assert.equal("STARTTLS", peer:receive())
    client = assert(ssl.wrap(client, luasec.client()))
    peer = assert(ssl.wrap(peer, luasec.server()))
    assert.same({ { true }, { true } }, { luasec.handshake(client, peer) })
    client:close()
    peer:close()
  end))

  it("comes in records that are cut anywhere", in_task(function()
    for _, size in ipairs { 1, 7, 4096 } do
      local client, outer = luasec.pair()
      local inner, peer = luasec.pair()
      local there = co.spawn(relay, outer, inner, size)
      local back = co.spawn(relay, inner, outer, size)
      client = assert(ssl.wrap(client, luasec.client()))
      peer = assert(ssl.wrap(peer, luasec.server()))
      luasec.handshake(client, peer)
      local text = ("x"):rep(size == 1 and 300 or 40000) .. "\n"
      local sending = co.spawn(client.send, client, text)
      assert.equal(text, peer:receive() .. "\n")
      assert.equal(#text, sending:await())
      client:close()
      peer:close()
      there:await()
      back:await()
    end
  end))

  it("is ready for select with what it has read", connected(function(client, peer)
    client:send("one\ntwo\n")
    assert.equal("one", peer:receive())
    local readers = socket.select({ peer }, nil, 0)
    assert.equal(peer, readers[1])
    assert.equal("two", peer:receive())
    assert.equal("timeout", (select(3, socket.select({ peer }, nil, 0))))
  end))

  it("has its bytes to one another's calls of send together", connected(function(client, peer)
    local parts = { ("a"):rep(200000), ("b"):rep(200000), ("c"):rep(200000) }
    co.group(function(group)
      for _, part in ipairs(parts) do
        group:spawn(function() assert.equal(#part, client:send(part)) end)
      end
      assert.equal(table.concat(parts), peer:receive(600000))
    end)
  end))
end)

describe("a limit of time", function()
  it("ends a handshake by 'wantread', and it can go on", in_task(function()
    local client, peer = luasec.wrapped()
    client:settimeout(0.01)
    assert.same({ false, "wantread" }, { client:dohandshake() })
    assert.equal("read", client:want())
    client:settimeout()
    assert.same({ { true }, { true } }, { luasec.handshake(client, peer) })
    client:close()
    peer:close()
  end))

  it("ends receive by 'wantread' with what has come", connected(function(client, peer)
    client:send("part")
    peer:settimeout(0.01)
    local got = { peer:receive() }
    while got[3] == "" do got = { peer:receive() } end
    assert.same({ nil, "wantread", "part" }, got)
  end))

  it("ends send by 'wantwrite' with the last index, from where it goes on", connected(
    function(client, peer)
      local data = ("0123456789"):rep(3000000)
      client:settimeout(0)
      local last, err, at = client:send(data)
      assert.is_nil(last)
      assert.equal("wantwrite", err)
      assert.equal("write", client:want())
      client:settimeout()
      local sending = co.spawn(client.send, client, data, at + 1)
      assert.is_true(peer:receive(#data) == data)
      assert.equal(#data, sending:await())
    end))
end)

describe("an interrupted send", function()
  local function interrupted(client)
    local data = ("0123456789"):rep(3000000)
    client:settimeout(0)
    local _, _, at = client:send(data)
    return data, at
  end

  it("goes on with the same bytes in another string", connected(function(client, peer)
    local data, at = interrupted(client)
    client:settimeout()
    local sending = co.spawn(client.send, client, data:sub(at + 1) .. "!")
    assert.is_true(peer:receive(#data + 1) == data .. "!")
    sending:await()
  end))

  it("does not take others for them", connected(function(client)
    interrupted(client)
    assert.same({ nil, "bad write retry", 0 }, { client:send(("x"):rep(20000)) })
    assert.same({ nil, "bad write retry", 0 }, { client:send("x") })
  end))

  it("by a cancel, neither", connected(function(client)
    local task = co.spawn(client.send, client, ("x"):rep(30000000))
    co.yield()
    task:cancel()
    co.pcall(task.await, task)
    assert.same({ nil, "bad write retry", 0 }, { client:send("y") })
  end))
end)

describe("an end", function()
  it("by close_notify is one", connected(function(client, peer)
    client:send("bye")
    client:close()
    assert.equal("bye", peer:receive("*a"))
    assert.same({ nil, "closed", "" }, { peer:receive("*a") })
  end))

  it("of one that has tickets of TLS 1.3 unread is no reset", connected(function(client, peer)
    client:send("bye")
    client:close()
    assert.equal("bye", peer:receive("*a"))
    local bare, give_back = below(peer)
    local problem = bare:getoption("error")
    give_back()
    assert.is_nil(problem)
  end))

  it("without it is told, behind what has come", connected(function(client, peer)
    client:send("cut")
    local bare, give_back = below(client)
    plain.shutdown(bare, "send")
    give_back()
    assert.equal("cut", peer:receive(3))
    assert.same({ nil, CUT, "" }, { peer:receive() })
    assert.same({ nil, CUT, "" }, { peer:receive() })
  end))

  it("of one's own wakes who waits", connected(function(_, peer)
    local reading = co.spawn(function() return { peer:receive() } end)
    co.yield()
    peer:close()
    assert.same({ nil, "closed", "" }, reading:await())
    assert.same({ nil, "closed", 0 }, { peer:send("x") })
    assert.same({ false, "closed" }, { peer:dohandshake() })
    assert.matches("%(closed%)$", tostring(peer))
    peer:close()
  end))

  it("comes to one that nobody holds any more", in_task(function()
    local client, peer = luasec.wrapped()
    luasec.handshake(client, peer)
    client = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.same({ nil, "closed", "" }, { peer:receive() })
    peer:close()
  end))

  it("of a to-be-closed variable", connected(function(client, peer)
    do
      local _ <close> = client
    end
    assert.same({ nil, "closed", "" }, { peer:receive() })
  end))

  it("before the handshake", in_task(function()
    local client, peer = luasec.wrapped()
    assert.same({ nil, "closed", 0 }, { client:send("x") })
    assert.same({ nil, "closed", "" }, { client:receive() })
    assert.same({ nil, "closed" }, { client:getpeercertificate() })
    client:close()
    assert.same({ false, CUT }, { peer:dohandshake() })
    peer:close()
  end))
end)

describe("a handshake", function()
  --- What both sides say to parameters.
  local function outcome(client_changes, server_changes)
    local client, peer = luasec.wrapped(client_changes, server_changes)
    local ours, theirs = luasec.handshake(client, peer)
    client:close()
    peer:close()
    return { ours[2] or ours[1], theirs[2] or theirs[1] }
  end

  it("says why it failed, to both", in_task(function()
    local other = luasec.certificates().other
    for _, version in ipairs { "tlsv1_2", "tlsv1_3" } do
      assert.same({ "certificate verify failed", "tlsv1 alert unknown ca" },
        outcome({ protocol = version, cafile = other.path }))
      assert.same({ true, true }, outcome({ protocol = version, verify = "none",
        cafile = other.path }))
    end
    assert.same({ ALERT .. " handshake failure", "peer did not return a certificate" },
      outcome({ protocol = "tlsv1_2" }, { verify = { "peer", "fail_if_no_peer_cert" } }))
    assert.same({ "tlsv1 alert protocol version", "unsupported protocol" },
      outcome({ protocol = "tlsv1_2" }, { protocol = "tlsv1_3" }))
    assert.same({ ALERT .. " handshake failure", "no shared cipher" },
      outcome({ protocol = "tlsv1_2", ciphers = "ECDHE-RSA-AES128-GCM-SHA256" }))
  end))

  it("fails for what is no TLS, and for good", in_task(function()
    local client, peer = luasec.pair()
    peer = assert(ssl.wrap(peer, luasec.server()))
    client:send("GET / HTTP/1.0\r\n\r\n")
    assert.same({ false, "http request" }, { peer:dohandshake() })
    assert.same({ false, "http request" }, { peer:dohandshake() })
    assert.same({ nil, "closed", 0 }, { peer:send("x") })
    assert.equal("nothing", peer:want())
    client:close()
    peer:close()
  end))

  it("goes past faults that are to be noted", connected(function(client)
    local ok, faults = client:getpeerverification()
    assert.is_false(ok)
    assert.equal("unable to get local issuer certificate", faults[1][1])
  end, { cafile = false, verifyext = "lsec_continue" }))

  it("has each verify the other", connected(function(client, peer)
    assert.is_true(client:getpeerverification())
    assert.is_true(peer:getpeerverification())
    assert.equal("client", peer:getpeercertificate():subject()[1].value)
    assert.equal(luasec.certificates().server.cert, client:getpeercertificate():pem())
    assert.is_true(#client:getpeerchain() >= 1)
    assert.same({ nil, "invalid certificate index" }, { client:getpeercertificate(0) })
    assert.equal(client:getfinished(), peer:getpeerfinished())
    assert.equal(client:exportkeyingmaterial("x", 16, "y"), peer:exportkeyingmaterial("x", 16, "y"))
  end, (function()
    local one = luasec.certificates().client
    return { key = one.key_path, certificate = one.path }
  end)(), { verify = { "peer", "fail_if_no_peer_cert" }, cafile = luasec.certificates().ca.path }))

  it("tells its cipher and protocol", connected(function(client)
    local info = client:info()
    assert.equal("TLSv1.2", info.protocol)
    assert.equal("ECDHE-ECDSA-AES128-GCM-SHA256", info.cipher)
    assert.same({ 128, 128, "ECDH", "ECDSA", "AESGCM(128)", "AEAD", false }, { info.bits,
      info.algbits, info.key, info.authentication, info.encryption, info.mac, info.export })
    assert.equal("TLSv1.2", client:info("protocol"))
    assert.is_nil(client:info("none"))
  end, { protocol = "tlsv1_2", ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" }))

  it("agrees on the server's choice of protocols", connected(function(client, peer)
    assert.equal("h2", client:getalpn())
    assert.equal("h2", peer:getalpn())
  end, { alpn = { "x", "h2" } }, { alpn = { "h2", "x" } }))

  it("asks a function for it", connected(function(client)
    assert.equal("x", client:getalpn())
  end, { alpn = { "x", "h2" } }, { alpn = function(offered)
    assert.same({ "x", "h2" }, offered)
    return offered[1]
  end }))

  it("has a server choose a context by the name", in_task(function()
    local other = luasec.certificates().other
    local contexts = { ["other.org"] = assert(ssl.newcontext(luasec.server {
      key = other.key_path, certificate = other.path })) }
    for name, expected in pairs { ["other.org"] = "other", ["third.org"] = "localhost" } do
      local client, peer = luasec.wrapped({ verify = "none" })
      client:sni(name)
      peer:sni(contexts)
      luasec.handshake(client, peer)
      assert.equal(expected, client:getpeercertificate():subject()[1].value)
      assert.equal(name, peer:getsniname())
      client:close()
      peer:close()
    end
    local client, peer = luasec.wrapped({ verify = "none" })
    client:sni("third.org")
    peer:sni(contexts, true)
    assert.same({ { false, "tlsv1 unrecognized name" }, { false, "callback failed" } },
      { luasec.handshake(client, peer) })
    peer:close()
  end))

  it("uses DH parameters that a function gives", connected(function(client)
    assert.equal("DH", client:info("key"))
  end, { protocol = "tlsv1_2", ciphers = "DHE-RSA-AES128-GCM-SHA256" }, (function()
    local rsa = luasec.certificates().ca:issue({ key = "rsa:2048" })
    local pem = certificates.dh(2048)
    return { key = rsa.key_path, certificate = rsa.path, dhparam = function(export, bits)
      assert.same({ false, 1024 }, { export, bits })
      return pem
    end }
  end)()))
end)

describe("a function that a handshake calls", function()
  it("has its error raised by the handshake", in_task(function()
    for _, changes in ipairs {
      { alpn = function() error("mine", 0) end },
      { dhparam = function() error("mine", 0) end },
    } do
      local client, peer = luasec.wrapped({ alpn = "x" }, changes)
      local calling = co.spawn(client.dohandshake, client)
      assert.equal("mine", raised(peer.dohandshake, peer))
      client:close()
      calling:await()
      peer:close()
    end
  end))

  it("cannot use connections", in_task(function()
    local peer, client
    client, peer = luasec.wrapped({ alpn = "x" }, { alpn = function()
      assert.is_nil(peer:getsniname())
      assert.matches("amid a handshake", raised(peer.close, peer))
      assert.matches("amid a handshake", raised(client.dohandshake, client))
      return "x"
    end })
    assert.same({ { true }, { true } }, { luasec.handshake(client, peer) })
    client:close()
    peer:close()
  end))

  it("may close its connection where that is for DH parameters", in_task(function()
    local client, peer
    client, peer = luasec.wrapped({}, { dhparam = function() peer:close() end })
    assert.same({ false, "closed" }, { peer:dohandshake() })
    client:close()
  end))
end)

describe("ssl.newcontext", function()
  local function refusal(params)
    local context, err = ssl.newcontext(params)
    assert.is_nil(context)
    return err
  end

  it("says what is wrong", within(function()
    local made = luasec.certificates()
    for expected, changes in pairs {
      ["invalid protocol (sslv3)"] = { protocol = "sslv3" },
      ["invalid mode (x)"] = { mode = "x" },
      ["invalid verify option (x)"] = { verify = { "peer", "x" } },
      ["invalid option (x)"] = { options = { "all", "x" } },
      ["invalid password type"] = { password = 3 },
      ["invalid DH parameter type"] = { dhparam = "x" },
      ["invalid ALPN parameter"] = { alpn = 3 },
      ["invalid ALPN list (empty)"] = { alpn = {} },
      ["invalid ALPN name (empty string)"] = { alpn = { "" } },
      ["private key does not match public key"] = { certificate = made.client.path },
      ["error loading private key (No such file or directory)"] = { key = "/none" },
      ["error loading certificate (no start line)"] = { certificate = made.server.key_path },
      ["error loading CA locations (No such file or directory)"] = { cafile = "/none" },
      ["error setting cipher list (no cipher match)"] = { ciphers = "nonsense" },
      ["elliptic curve 'nonsense' not supported"] = { curve = "nonsense" },
      ['unknown elliptic curve in "nonsense"'] = { curveslist = "nonsense" },
    } do
      assert.equal(expected, refusal(luasec.server(changes)))
    end
  end))

  it("raises for what has the wrong type", within(function()
    assert.matches("string expected, got nil", raised(ssl.newcontext, {}))
    assert.matches("string expected, got boolean", raised(ssl.newcontext, luasec.server { key = true }))
    assert.matches("number expected", raised(ssl.newcontext, luasec.server { depth = "x" }))
  end))

  it("asks for a key's password by a function, and nobody on the terminal", within(function()
    local locked = certificates.path("locked.key")
    certificates.openssl("ec -in %s -aes128 -passout pass:secret -out %s",
      luasec.certificates().server.key_path, locked)
    assert(ssl.newcontext(luasec.server { key = locked, password = "secret" }))
    assert(ssl.newcontext(luasec.server { key = locked, password = function() return "secret" end }))
    for _, password in ipairs { "wrong", "", ("x"):rep(5000), function() end } do
      assert.equal("error loading private key (bad decrypt)",
        refusal(luasec.server { key = locked, password = password }))
    end
    assert.equal("error loading private key (bad decrypt)", refusal(luasec.server { key = locked }))
    assert.equal("mine", raised(ssl.newcontext,
      luasec.server { key = locked, password = function() error("mine", 0) end }))
  end))
end)

describe("a certificate of net.luasec", function()
  local function load(one) return assert(ssl.loadcertificate(one.cert)) end

  it("tells what it is", within(function()
    local made = luasec.certificates()
    local cert = load(made.server)
    assert.equal(made.server.cert, cert:pem())
    assert.same({ { name = "commonName", oid = "2.5.4.3", value = "an authority" } }, cert:issuer())
    assert.same({ name = "X509v3 Subject Alternative Name", dNSName = { "localhost" } },
      cert:extensions()["2.5.29.17"])
    assert.equal("Jan  1 00:00:00 2024 GMT", cert:notbefore())
    assert.is_true(cert:validat(1735689600))
    assert.is_false(cert:validat(0))
    assert.equal("ecdsa-with-SHA256", cert:getsignaturename())
    assert.same({ "EC", 256 }, { select(2, cert:pubkey()) })
    assert.matches("^%x+$", cert:serial())
    assert.equal(64, #cert:digest("sha256"))
    assert.is_true(load(made.ca):issued(cert))
    assert.same({ nil, "unable to get local issuer certificate" }, { load(made.other):issued(cert) })
  end))

  it("is nil for what is none", within(function()
    assert.is_nil(ssl.loadcertificate("x"))
    assert.is_nil(ssl.loadcertificate(""))
    assert.matches("string expected", raised(ssl.loadcertificate))
    local cert = load(luasec.certificates().ca)
    assert.same({ nil, "digest algorithm not supported (x)" }, { cert:digest("x") })
    assert.is_false(cert:setencode("x"))
    assert.matches("SSL:Certificate expected", raised(cert.issued, cert, 3))
    assert.matches("SSL:Certificate expected", raised(cert.pem, socket))
  end))
end)

describe("methods of net.luasec", function()
  it("raise for what is no connection of it", connected(function(client)
    assert.matches("SSL:Connection", sockets.complaint(client.send, socket.tcp(), "x"))
    assert.matches("string expected", sockets.complaint(client.sni, client))
    assert.matches("invalid receive pattern", sockets.complaint(client.receive, client, "x"))
    assert.matches("number expected", sockets.complaint(client.settimeout, client, "x"))
  end))

  it("of a server take contexts for names", connected(function(_, peer)
    assert.matches("table expected", sockets.complaint(peer.sni, peer, "x"))
    assert.matches("SSL:Context expected, got number", sockets.complaint(peer.sni, peer, { x = 3 }))
  end))

  it("raise for a second reader", connected(function(_, peer)
    local reading = co.spawn(peer.receive, peer)
    co.yield()
    assert.equal("ERR_SOCKET_BUSY", raised(peer.receive, peer).code)
    reading:cancel()
    co.pcall(reading.await, reading)
  end))
end)
