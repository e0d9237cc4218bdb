-- SPDX-License-Identifier: MIT

-- TLS with the programs `openssl s_client` and `s_server`, in 1.2 and 1.3: what is said, how it
-- ends, and what each hears of the other's end. Python is in tls_python_peers.lua; nginx, HAProxy
-- and curl are in tls_proxies_peers.lua.

local certificates = require("spec.support.certificates")
local co = require("net.co")
local kids = require("spec.support.kids")
local pair = require("spec.support.tlspair")
local tlstasks = require("spec.support.tlstasks")
local wires = require("spec.support.wire")

local connect, in_task, serve = tlstasks.connect, tlstasks.in_task, tlstasks.serve

local VERSIONS = { ["TLSv1.2"] = "-tls1_2", ["TLSv1.3"] = "-tls1_3" }
local ALERT = 21 -- the type of a record
local EOF_CODE = "ERR_SSL_UNEXPECTED_EOF_WHILE_READING"

--- `it` for each version, of whose name the text has an %s.
local function each_version(text, fn)
  for version, flag in pairs(VERSIONS) do
    it(text:format(version), in_task(function() fn(version, flag) end))
  end
end

local function s_server(...)
  local kid = kids.start("openssl s_server -accept 127.0.0.1:0 %s", kids.words("-cert", pair.server.path,
    "-key", pair.server.key_path, ...))
  return kid, math.tointeger(kid:expect("^ACCEPT .*:(%d+)$"))
end

local function s_client(port, ...)
  return kids.start("openssl s_client -connect 127.0.0.1:%d %s", port, kids.words("-CAfile", pair.ca.path,
    "-verify_return_error", "-verify_hostname", "localhost", ...))
end

describe("A client and openssl s_server", function()
  each_version("understand each other by %s, and end for good", function(version, flag)
    local kid <close>, port = s_server(flag, "-rev")
    local socket = assert(connect(port))
    assert.equal(version, socket:getProtocol())
    for i = 1, 100 do
      socket:send(("%03d"):format(i), ("x"):rep(i), "\n")
      assert.equal(("x"):rep(i) .. ("%03d"):format(i):reverse(), socket:receive("line"))
    end
    socket:finish()
    assert.equal("", socket:receive("all"))
    assert.is_true(socket.closeNotifyReceived)
    kid:expect("^CONNECTION CLOSED$")
  end)

  each_version("hear the end that s_server makes, in %s", function(_, flag)
    local kid <close>, port = s_server(flag, "-rev")
    local socket = assert(connect(port, { requireCloseNotify = true }))
    socket:send("CLOSE\n")
    assert.equal("", socket:receive("all"))
    assert.is_true(socket.closeNotifyReceived)
    assert(kid)
  end)

  each_version("know an end that nobody has told from one that was, in %s", function(_, flag)
    for requires, expected in pairs({ [true] = EOF_CODE, [false] = "ERR_STREAM_EOF" }) do
      local kid <close>, port = s_server(flag, "-rev")
      local socket = assert(connect(port, { requireCloseNotify = requires }))
      socket:send("hello\n")
      assert.equal("olleh", socket:receive("line"))
      kid.kid:kill("SIGKILL")
      local _, err = socket:receive("line")
      assert.equal(expected, err == co.EOF and "ERR_STREAM_EOF" or err.code)
      assert.is_false(socket.closeNotifyReceived)
    end
  end)

  each_version("resume a session by %s", function(_, flag)
    local kid <close>, port = s_server(flag, "-rev")
    local first = assert(connect(port))
    local session = first:getSession() -- in 1.3 there is one only when that was told
    first:on("session", function(blob) session = blob end)
    first:send("hello\n")
    first:receive("line")
    first:destroy()
    local again <close> = assert(connect(port, { session = session }))
    assert.is_true(again:isSessionReused())
    assert.equal("CN=localhost", "CN=" .. again:getPeerCertificate().subject.CN)
    again:send("hello\n")
    assert.equal("olleh", again:receive("line"))
    assert(kid)
  end)

  each_version("move megabytes by %s", function(_, flag)
    local path = certificates.write("bulk", ("0123456789abcdef"):rep(500000))
    local folder, name = path:match("^(.*)/([^/]*)$")
    local kid <close> = kids.start("sh -c %s", kids.words(("cd %s && exec openssl s_server "
      .. "-accept 127.0.0.1:0 -WWW -cert %s -key %s %s"):format(folder, pair.server.path,
      pair.server.key_path, flag)))
    local socket = assert(connect(math.tointeger(kid:expect("^ACCEPT .*:(%d+)$"))))
    socket:send("GET /", name, " HTTP/1.0\r\n\r\n")
    assert.matches("^HTTP/1.0 200 ok", (socket:receiveUntil("\r\n\r\n")))
    assert.equal(certificates.read(path), socket:receive("all"))
  end)

  it("meet by a certificate of the client's, and not without", in_task(function()
    for version, flag in pairs(VERSIONS) do
      local kid <close>, port = s_server(flag, "-rev", "-Verify", 1, "-verify_return_error", "-CAfile", pair.ca.path)
      local known = assert(connect(port, { cert = pair.client.cert, key = pair.client.key }))
      known:send("hello\n")
      assert.equal("olleh", known:receive("line"))
      kid:expect("CN ?= ?a client")
      known:destroy() -- s_server has one at a time
      local socket <close>, err = connect(port)
      if version == "TLSv1.3" then
        socket:send("hello\n")
        err = select(2, socket:receive("line"))
      end
      assert.equal(version == "TLSv1.3" and "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"
        or "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", err.code)
    end
  end))

  it("do not renegotiate: it is refused by an alert, and nothing but that", in_task(function()
    local kid <close>, port = s_server("-tls1_2")
    local wire <close> = wires.open(port)
    local socket = assert(connect(wire.port))
    kid:say("hello\n")
    assert.equal("hello", socket:receive("line"))
    local records = #wire:link().up:records()
    kid:say("r\n") -- asks the client to
    local _, err = socket:receive("line")
    assert.equal("ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", err.code) -- by which s_server takes leave
    assert.same({ ALERT }, table.move(wire:link().up:records(), records + 1, records + 9, 1, {}))
    kid:expect("no renegotiation")
  end))

  each_version("part where we do not trust it, which it hears, in %s", function(_, flag)
    local kid <close>, port = s_server(flag)
    local socket, err = connect(port, { ca = pair.other_ca.cert })
    assert.same({ nil, "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }, { socket, err.code })
    kid:expect("alert unknown ca")
  end)
end)

--- Answers each line in capitals; what became of the end is in `ends`.
local function shouting(ends)
  return function(socket)
    local ok, err = pcall(function()
      for line in socket:lines() do
        if line == "bye" then return socket:finish() end
        if line == "die" then return socket:destroy() end
        socket:send(line:upper(), "\n")
      end
    end)
    ends[#ends + 1] = ok and (socket.closeNotifyReceived and "told" or "cut") or err.code
    ends.socket = socket
  end
end

describe("A server and openssl s_client", function()
  each_version("understand each other by %s, and end for good", function(version, flag)
    local ends = {}
    local server <close>, port = serve(shouting(ends))
    local kid <close> = s_client(port, flag, "-brief")
    kid:say("hello\n")
    kid:expect("^Protocol version: " .. version)
    kid:expect("^HELLO$")
    assert.equal(0, select(2, kid:finish("")))
    assert.same({ "told", socket = ends.socket }, ends)
    assert(server)
  end)

  each_version("hear each other's end, and that there was none, in %s", function(_, flag)
    local ends = {}
    local server <close>, port = serve(shouting(ends))
    for last, shown in pairs({ bye = 0, die = 1 }) do
      local kid <close> = s_client(port, flag, "-brief")
      kid:say(last, "\n")
      local output, code = kid:finish()
      assert.equal(shown, code, output)
      assert.equal(last == "die", output:find("unexpected eof while reading", 1, true) ~= nil)
    end
    local kid <close> = s_client(port, flag, "-brief")
    kid:say("hello\n")
    kid:expect("^HELLO$")
    kid.kid:kill("SIGKILL")
    kid:finish()
    while #ends < 3 do co.yield() end
    assert.equal("cut", ends[3])
    assert(server)
  end)

  it("go on with new keys, of either side", in_task(function()
    local ends = {}
    local server <close>, port = serve(shouting(ends))
    local kid <close> = s_client(port, "-tls1_3", "-brief")
    for _, command in ipairs({ "k", "K", "K" }) do -- ours, and with K the peer's too
      kid:say(command, "\n")
      kid:expect("^KEYUPDATE$")
      kid:say("hello\n")
      kid:expect("^HELLO$")
    end
    assert.equal(0, select(2, kid:finish("")))
    assert.equal("told", ends[1])
    assert(server)
  end))

  it("do not renegotiate: it is refused by an alert, and nothing but that", in_task(function()
    local told = {}
    local server <close>, port = serve(function(socket)
      socket:on("error", function(err) told[#told + 1] = err.code end)
      for line in socket:lines() do socket:send(line:upper(), "\n") end
    end)
    local wire <close> = wires.open(port)
    local kid <close> = s_client(wire.port, "-tls1_2")
    kid:say("hello\n")
    kid:expect("^HELLO$")
    local records = #wire:link().down:records()
    kid:say("R\n")
    assert.matches("no renegotiation", (kid:finish()))
    while #told == 0 do co.yield() end
    assert.same({ "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE" }, told) -- by which s_client takes leave
    assert.same({ ALERT }, table.move(wire:link().down:records(), records + 1, records + 9, 1, {}))
    assert(server)
  end))

  each_version("resume a session by %s", function(_, flag)
    local reused = {}
    local server <close>, port = serve(function(socket)
      reused[#reused + 1] = socket:isSessionReused()
      socket:receive("line")
    end)
    local path = certificates.path("session")
    for _, option in ipairs({ "-sess_out", "-sess_in" }) do
      local kid <close> = s_client(port, flag, "-ign_eof", option, path)
      kid:say("hello\n")
      assert.equal(0, select(2, kid:finish()))
    end
    assert.same({ false, true }, reused)
    assert(server)
  end)

  it("agree on each cipher, group and kind of key that both have", in_task(function()
    local rsa = pair.ca:issue({ san = "DNS:localhost", key = "rsa:2048" })
    local seen
    local server <close>, port = serve(function(socket)
      seen = socket:getCipher().standardName
      socket:receive("line")
    end, { cert = { rsa.cert, pair.server.cert }, key = { rsa.key, pair.server.key } })
    local function meets(...)
      local kid <close> = s_client(port, "-brief", ...)
      local output, code = kid:finish("\n")
      assert.equal(0, code, table.concat({ ... }, " ") .. output)
      return seen
    end
    for _, suite in ipairs({ "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256" }) do
      assert.equal(suite, meets("-tls1_3", "-ciphersuites", suite))
    end
    for _, cipher in ipairs({ "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
      "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA256", "AES256-GCM-SHA384", "AES128-SHA" }) do
      assert.matches("^TLS_", (meets("-tls1_2", "-cipher", cipher)))
    end
    for _, group in ipairs({ "X25519", "P-256", "P-384", "P-521", "X448" }) do
      meets("-groups", group)
    end
    assert(server)
  end))

  it("part over what only one of them has", in_task(function()
    local server <close>, port, refused = serve(shouting({}), { requestCert = true, ca = pair.ca.cert })
    for _, row in ipairs({
      { "ERR_SSL_UNSUPPORTED_PROTOCOL", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0" },
      { "ERR_SSL_NO_SHARED_CIPHER", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA" },
      { "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE", "-tls1_2" },
      { "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE", "-tls1_3", "-ign_eof" },
      { "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "-tls1_3", "-ign_eof", "-cert", pair.stranger.path,
        "-key", pair.stranger.key_path },
    }) do
      local kid <close> = s_client(port, table.unpack(row, 2))
      local output, code = kid:finish("")
      assert.equal(1, code, output)
      while #refused == 0 do co.yield() end
      assert.equal(row[1], table.remove(refused))
    end
    local kid <close> = s_client(port, "-brief", "-cert", pair.client.path, "-key", pair.client.key_path)
    kid:say("hello\n")
    kid:expect("^HELLO$")
    assert(server)
  end))
end)
