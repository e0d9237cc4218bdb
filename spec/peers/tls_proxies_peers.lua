-- SPDX-License-Identifier: MIT

-- TLS with nginx and HAProxy, as servers of our clients and as clients of our servers, and with curl.

local certificates = require("spec.support.certificates")
local co = require("net.co")
local daemons = require("spec.support.daemons")
local kids = require("spec.support.kids")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local tls = require("net.tls")
local tlstasks = require("spec.support.tlstasks")

local connect, in_task, serve = tlstasks.connect, tlstasks.in_task, tlstasks.serve
local with = daemons.with

--- Certificate and key in one file, as HAProxy wants them.
local function pem(leaf)
  return certificates.write("pem", leaf.cert .. leaf.key)
end

--- Runs curl: what it got, and its exit code. A host in the URL is this machine.
local function curl(...)
  return kids.run("curl %s", kids.words("-sS", "--max-time", 30, "--cacert", pair.ca.path, ...))
end

--- Answers requests of HTTP with what they asked for, and who asks.
local function web(seen)
  return function(socket)
    while true do
      local head = socket:receiveUntil("\r\n\r\n")
      if not head then
        seen[#seen + 1] = socket.closeNotifyReceived and "told" or "cut"
        return
      end
      seen.reused = socket:isSessionReused()
      local method, path = head:match("^(%S+) (%S+)")
      local length = tonumber(head:match("[Cc]ontent%-[Ll]ength: (%d+)") or "0")
      local subject = socket:getPeerCertificate().subject
      local body = ("%s %s %s %d by %s\n"):format(method, path, socket:getProtocol(),
        #socket:receive(length), subject and subject.CN or "nobody")
      socket:send("HTTP/1.1 200 OK\r\nContent-Length: ", tostring(#body), "\r\n\r\n", body)
    end
  end
end

-- nginx

--- nginx with this in its server, and whatever it needs before it; until the spec ends.
local function nginx(t, extra, http)
  local server = daemons.nginx(extra, http)
  t.finally(function() server:stop("INT") end)
  return server
end

describe("A client of nginx", with("nginx", function()
  --- nginx with TLS on a port of its own.
  local function secure(t, more)
    local port = sockets.free_port()
    local server = nginx(t, "", ([[server { listen 127.0.0.1:%d ssl; root www; ssl_certificate %s;
      ssl_certificate_key %s; ssl_protocols TLSv1.2 TLSv1.3; keepalive_requests 1000; %s }]]):format(port,
      pair.server.path, pair.server.key_path, more or ""))
    return port, server
  end

  --- Asks for a page: its body.
  local function get(socket, path)
    socket:send("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n")
    local head = assert(socket:receiveUntil("\r\n\r\n"))
    return socket:receive(tonumber(head:match("Content%-Length: (%d+)")))
  end

  it("asks a hundred times over one connection, for little and for much", in_task(function(t)
    local port, server = secure(t)
    local big = ("0123456789abcdef"):rep(200000)
    for name, text in pairs({ small = "hello", big = big }) do
      local file <close> = assert(io.open(server.folder .. "/www/" .. name, "w"))
      file:write(text)
    end
    for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
      local socket <close> = assert(connect(port, { maxVersion = version }))
      assert.equal(version, socket:getProtocol())
      for i = 1, 100 do
        assert.equal(i % 20 == 0 and big or "hello", get(socket, i % 20 == 0 and "/big" or "/small"))
      end
    end
  end))

  it("resumes its session", in_task(function(t)
    local port = secure(t, "location / { return 200 $ssl_session_reused; }")
    for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
      local session
      for _, expected in ipairs({ ".", "r" }) do
        local socket <close> = assert(connect(port, { maxVersion = version, session = session }))
        session = socket:getSession()
        socket:on("session", function(blob) session = blob end)
        assert.equal(expected, get(socket, "/"))
        assert.equal(expected == "r", socket:isSessionReused())
      end
    end
  end))

  it("shows its certificate, and is told where it has none", in_task(function(t)
    local port = secure(t, "ssl_verify_client on; ssl_client_certificate " .. pair.ca.path
      .. "; location / { return 200 $ssl_client_s_dn; }")
    local known <close> = assert(connect(port, { cert = pair.client.cert, key = pair.client.key }))
    assert.equal("CN=a client", get(known, "/"))
    local unknown <close> = assert(connect(port)) -- nginx says so by HTTP
    unknown:send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert.matches("^HTTP/1.1 400 ", (unknown:receiveUntil("\r\n")))
  end))

  it("hears nginx's end", in_task(function(t)
    local port = secure(t)
    local socket = assert(connect(port, { requireCloseNotify = true }))
    socket:send("GET /none HTTP/1.0\r\n\r\n")
    assert.matches("404 Not Found", socket:receive("all"))
    assert.is_true(socket.closeNotifyReceived)
  end))
end))

describe("A server behind nginx", with("nginx", function()
  local function front(t, port, more)
    return nginx(t, ([[location / { proxy_pass https://lua; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_ssl_verify on; proxy_ssl_trusted_certificate %s; proxy_ssl_name localhost; proxy_ssl_server_name on;
      proxy_ssl_protocols TLSv1.2 TLSv1.3; %s }]]):format(pair.ca.path, more or ""),
      ("upstream lua { server 127.0.0.1:%d; keepalive 4; }"):format(port))
  end

  it("is verified, answers, and takes bodies, over connections that are kept", in_task(function(t)
    local seen = {}
    local server <close>, port = serve(web(seen))
    local proxy <close> = front(t, port)
    local url = ("http://127.0.0.1:%d/"):format(proxy.port)
    for i = 1, 5 do
      assert.same({ ("GET /%d TLSv1.3 0 by nobody\n"):format(i), 0 }, { curl(url .. i) })
    end
    local path = certificates.write("bulk", ("x"):rep(500000))
    assert.same({ "POST /up TLSv1.3 500000 by nobody\n", 0 }, { curl("--data-binary", "@" .. path, url .. "up") })
    assert.same({ reused = false }, seen)
    assert(server)
  end))

  it("knows nginx by its certificate, and does not let it in without", in_task(function(t)
    local server <close>, port, refused = serve(web({}), { requestCert = true, ca = pair.ca.cert })
    local known <close> = front(t, port, ("proxy_ssl_certificate %s; proxy_ssl_certificate_key %s;"):format(
      pair.client.path, pair.client.key_path))
    local unknown <close> = front(t, port)
    assert.equal("GET / TLSv1.3 0 by a client\n", (curl(("http://127.0.0.1:%d/"):format(known.port))))
    assert.equal("502", (curl("-o", "/dev/null", "-w", "%{http_code}",
      ("http://127.0.0.1:%d/"):format(unknown.port))))
    assert.equal("ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE", refused[1])
    assert(server)
  end))

  it("is not asked where nginx does not trust it", in_task(function(t)
    local stranger = pair.other_ca:issue({ san = "DNS:localhost" })
    local seen = {}
    local server <close>, port = serve(web(seen), { cert = stranger.cert, key = stranger.key })
    local proxy <close> = front(t, port)
    assert.equal("502", (curl("-o", "/dev/null", "-w", "%{http_code}",
      ("http://127.0.0.1:%d/"):format(proxy.port))))
    while #seen == 0 do co.yield() end
    assert.same({ "told" }, seen)
    assert(server)
  end))
end))

-- HAProxy

--- HAProxy that listens at a path with `bind`, and passes on by `server`; its path.
local function haproxy(t, bind, server)
  local front = t.tmpname(".front")
  local cfg = daemons.haproxy_cfg(t, ("unix@%s %s"):format(front, bind), server)
  local kid = kids.start("haproxy -db -f %s", cfg)
  while not require("lfs").attributes(front) do
    assert(not kid.over, kid.said)
    co.yield()
  end
  return kid, front
end

describe("HAProxy", with("haproxy", function()
  it("speaks TLS with our client (bind … ssl), and each hears the other's end", in_task(function(t)
    local plain <close> = assert(co.listen({ port = 0, host = "127.0.0.1", allowHalfOpen = true }))
    plain:serve(function(socket)
      socket:send("heard ", socket:receive("all"))
    end)
    local kid <close>, path = haproxy(t, "ssl crt " .. pem(pair.server), "127.0.0.1:" .. plain:address().port)
    for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
      local socket = assert(tls.co.connect({ path = path, servername = "localhost", ca = pair.ca.cert,
        maxVersion = version, requireCloseNotify = true }))
      assert.equal(version, socket:getProtocol())
      local text = ("x"):rep(300000)
      socket:send(text)
      socket:finish()
      assert.equal("heard " .. text, socket:receive("all"))
      assert.is_true(socket.closeNotifyReceived)
    end
    assert(kid)
  end))

  it("verifies our server (server … ssl), and knows when it must not", in_task(function(t)
    local server <close>, port, refused = serve(function(socket)
      socket:send(socket.servername, " ", socket:receive("line"), "\n")
    end)
    local function ask(trusted)
      local kid <close>, path = haproxy(t, "", ("127.0.0.1:%d ssl verify required ca-file %s sni str(localhost) "
        .. "verifyhost localhost"):format(port, trusted))
      local socket <close> = assert(co.connect(path))
      socket:send("hello\n")
      assert(kid)
      return socket:receive("line")
    end
    assert.equal("localhost hello", ask(pair.ca.path))
    assert.is_nil(ask(pair.other_ca.path))
    while #refused == 0 do co.yield() end
    assert.equal("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", refused[1])
    assert(server)
  end))

  for name, option in pairs({ ["1"] = "send-proxy", ["2"] = "send-proxy-v2" }) do
    it(("tells who the client is before the handshake (%s)"):format(option), in_task(function(t)
      local context = tls.createSecureContext({ cert = pair.server.cert, key = pair.server.key })
      local plain <close> = assert(co.listen(0, "127.0.0.1"))
      plain:serve(function(socket)
        local header
        if name == "1" then
          header = socket:receive("line", 107)
        else
          header = socket:receive(16)
          header = header .. socket:receive((string.unpack(">I2", header, 15)))
        end
        local secure = tls.TLSSocket(socket, { isServer = true, secureContext = context })
        assert(co.await(secure, "secure"))
        secure:send(("%d %s "):format(#header, header:match("^%C+") or "?"), secure:receive("line"), "\n")
      end, error)
      local kid <close>, path = haproxy(t, "", ("127.0.0.1:%d ssl verify required ca-file %s %s"):format(
        plain:address().port, pair.ca.path, option))
      local socket <close> = assert(co.connect(path))
      socket:send("hello\n")
      assert.matches(name == "1" and "^%d+ PROXY UNKNOWN hello$" or "^16 %? hello$", (socket:receive("line")))
      assert(kid)
    end))
  end
end))

-- curl

describe("curl", with("curl", function()
  it("sends much and little to our server, and ends as one should", in_task(function()
    local seen = {}
    local server <close>, port = serve(web(seen))
    local url = ("https://localhost:%d/"):format(port)
    local path = certificates.write("bulk", ("x"):rep(3000000))
    for _, version in ipairs({ "1.2", "1.3" }) do
      assert.same({ ("GET /a TLSv%s 0 by nobody\nPOST /b TLSv%s 3000000 by nobody\n"):format(version, version), 0 },
        { curl("--tls-max", version, url .. "a", "--next", "-sS", "--cacert", pair.ca.path, "--tls-max", version,
          "--data-binary", "@" .. path, url .. "b") })
    end
    while #seen < 2 do co.yield() end
    assert.same({ "told", "told", reused = false }, seen)
    assert(server)
  end))

  it("knows our certificate from others, and is known by its own", in_task(function()
    local server <close>, port, refused = serve(web({}), { requestCert = true, ca = pair.ca.cert })
    local url = ("https://localhost:%d/"):format(port)
    assert.same({ "GET / TLSv1.3 0 by a client\n", 0 }, { curl("--cert", pair.client.path, "--key",
      pair.client.key_path, url) })
    assert.equal(56, select(2, curl(url)))
    assert.equal(60, select(2, curl("--cacert", pair.other_ca.path, url)))
    assert.equal(60, select(2, curl("--resolve", ("other:%d:127.0.0.1"):format(port),
      ("https://other:%d/"):format(port))))
    assert.same({ "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE", "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA" },
      { refused[1], refused[2] })
    assert(server)
  end))
end))
