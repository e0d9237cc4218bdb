-- SPDX-License-Identifier: MIT

-- The HTTPS programs of examples/tls/ and what they are meant to talk to: curl, wrk, nginx, servers
-- in Python. Certificates are made here.

local certificates = require("spec.support.certificates")
local daemons = require("spec.support.daemons")
local process = require("spec.support.process")
local programs = require("spec.support.programs").of("examples/tls/")
local sockets = require("spec.support.sockets")

local run = process.run
local curl, daemon, example, interrupt = programs.curl, programs.daemon, programs.example, programs.interrupt
local spawn, start, with, words = programs.spawn, programs.start, programs.with, programs.words
local run_example = programs.run

local ca, localhost, other, stranger, expired -- certificates

setup(function()
  ca = certificates.authority({ subject = "/CN=our authority" })
  localhost = ca:issue({ san = "DNS:localhost" })
  other = ca:issue({ subject = "/CN=other", san = "DNS:localhost" })
  stranger = certificates.self_signed({ subject = "/CN=a stranger", san = "DNS:localhost" })
  expired = ca:issue({ san = "DNS:localhost", to = "20250101000000Z" })
end)

with({ "curl" }, "examples/tls/https_server", function()
  local function served(more)
    local p, port = start("https_server", localhost.path, localhost.key_path, 0)
    return p, ("https://localhost:%d%s"):format(port, more or "")
  end

  it("answers curl, which verifies it, and keeps the connection", function()
    local p, url = served()
    assert.same({ "hello, 127.0.0.1 asks by TLSv1.3 for /a\n1 hello, 127.0.0.1 asks by TLSv1.3 for /b\n0 ", 0 },
      { curl("--cacert", ca.path, "-w", "%{num_connects} ", url .. "/a", url .. "/b") })
    assert.equal("hello, 127.0.0.1 asks by TLSv1.2 for /c\n",
      (curl("--cacert", ca.path, "--tls-max", "1.2", "--http1.0", url .. "/c")))
    assert.equal("closing\n", interrupt(p))
  end)

  it("refuses what is no request for a page", function()
    local _, url = served("/")
    for status, what in pairs({ ["431"] = { "-H", "X: " .. ("x"):rep(9000) }, ["405"] = { "-d", "x" } }) do
      assert.equal(status, (curl("--cacert", ca.path, "-o", "/dev/null", "-w", "%{http_code}", url,
        table.unpack(what))))
    end
  end)

  it("tells of clients with whom it came to nothing", function()
    local p, url = served("/")
    assert.equal(60, select(2, curl(url)))
    assert.matches("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA$", (p:line()))
    curl((url:gsub("^https", "http")))
    assert.matches("ERR_SSL_HTTP_REQUEST$", (p:line()))
    assert.equal(35, select(2, curl("--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", url)))
    assert.matches("ERR_SSL_UNSUPPORTED_PROTOCOL$", (p:line()))
    assert.equal("closing\n", interrupt(p))
  end)

  it("says what is wrong with its files, or its port", function()
    local _, url = served()
    for pattern, arguments in pairs({
      ["which CERT and KEY%?"] = { localhost.path },
      ["/nothing: No such file or directory"] = { "/nothing", localhost.key_path },
      ["ERR_OSSL_X509_KEY_VALUES_MISMATCH"] = { localhost.path, other.key_path },
      ["listen EADDRINUSE"] = { localhost.path, localhost.key_path, url:match("%d+$") },
    }) do
      local output, code = run_example("https_server", table.unpack(arguments))
      assert.equal(1, code)
      assert.matches("^https_server: [^\n]*" .. pattern .. "[^\n]*\n$", output)
    end
  end)

  it("takes new certificates under load, and no request of wrk's fails", function()
    if not daemons.has("wrk") then
      return pending("no wrk here")
    end
    local cert, key = certificates.write("pem", localhost.cert), certificates.write("pem", localhost.key)
    local p, port = start("https_server", cert, key, 0)
    local url = ("https://localhost:%d/"):format(port)
    local loads = {}
    for i, header in ipairs({ "Connection: close", "X: y" }) do
      loads[i] = spawn(("wrk -t 1 -c 8 -d 2s -H '%s' %s"):format(header, url))
    end
    for i = 1, 6 do
      local new, old = i % 2 == 1 and other or localhost, i % 2 == 1 and localhost or other
      run(("cp %s %s"):format(new.path, cert))
      p:signal("HUP") -- the other half is missing yet
      p:expect("^still the old certificates: .*KEY_VALUES_MISMATCH")
      assert.matches("subject: CN=" .. (old == other and "other" or "localhost") .. "\n",
        (curl("-v", "--cacert", ca.path, url)))
      run(("cp %s %s"):format(new.key_path, key))
      p:signal("HUP")
      p:expect("^new certificates$")
      assert.matches("subject: CN=" .. (new == other and "other" or "localhost") .. "\n",
        (curl("-v", "--cacert", ca.path, url)))
    end
    for _, load in ipairs(loads) do
      local said = load:finish()
      assert.is_nil(said:find("Socket errors", 1, true), said)
      assert.is_nil(said:find("Non-2xx", 1, true), said)
      assert.is_true(tonumber(said:match("(%d+) requests in")) > 50, said)
    end
    assert.matches("closing\n", interrupt(p))
  end)
end)

--- A server in Python that sends `text` to one client, and says by TLS that this was all, or not.
local function python_server(text, says_so)
  local p = spawn(words("python3 -u -c", [[
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1])
s = context.wrap_socket(listener.accept()[0], server_side=True, suppress_ragged_eofs=False)
s.recv(65536)
s.sendall(sys.argv[3].encode())
if sys.argv[4] == "yes":
    s.unwrap()
s.close()]], localhost.path, localhost.key_path, text, says_so and "yes" or "no"))
  return ("https://localhost:%d/"):format(p:expect("^port (%d+)$"))
end

with({ "nginx" }, "examples/tls/https_client", function()
  --- nginx with a server for each of the certificates; their ports.
  local function serve(...)
    local http, ports = {}, {}
    for i, leaf in ipairs({ ... }) do
      ports[i] = sockets.free_port()
      http[i] = ("server { listen 127.0.0.1:%d ssl; root www; ssl_protocols TLSv1.2 TLSv1.3; "
        .. "ssl_certificate %s; ssl_certificate_key %s; }"):format(ports[i], leaf.path, leaf.key_path)
    end
    local nginx = daemon("nginx", "", table.concat(http, "\n"))
    return nginx, table.unpack(ports)
  end

  it("fetches a page from nginx, and says who has sent it", function()
    local nginx, port = serve(localhost)
    run(("seq 100000 >%s/www/page"):format(nginx.folder))
    local output, code = run(example("https_client", ("https://localhost:%d/page"):format(port), ca.path)
      .. " 2>/dev/null | cksum")
    assert.same({ run("seq 100000 | cksum"), 0 }, { output, code })
    output, code = run_example("https_client", ("https://localhost:%d/none"):format(port), ca.path)
    assert.equal(0, code)
    assert.matches("^TLSv1.3, TLS_%S+, valid until %a+ %d+ %S+ 2099 GMT, issued by our authority\nstatus 404\n", output)
  end)

  it("refuses the wrong ones, and says why and what to do", function()
    local _, good, old, strange = serve(localhost, expired, stranger)
    for _, row in ipairs({
      { "https://localhost:" .. good, "unable to verify the first certificate\n  nobody whom we trust" },
      { "https://127.0.0.1:" .. good, "Hostname/IP does not match certificate's altnames: IP: 127.0.0.1", ca.path },
      { "https://localhost:" .. old, "certificate has expired\n  the server's owner has to renew it", ca.path },
      { "https://localhost:" .. strange, "self-signed certificate\n  it has signed itself", ca.path },
    }) do
      local output, code = run_example("https_client", row[1], table.unpack(row, 3))
      assert.equal(1, code)
      assert.matches("https_client: Error", output, 1, true)
      assert.matches(row[2], output, 1, true)
      assert.is_nil(output:find("status", 1, true))
    end
    local _, code = run_example("https_client", "https://localhost:" .. strange, stranger.path)
    assert.equal(0, code)
  end)

  it("says what else is wrong", function()
    local nginx = daemon("nginx")
    for url, text in pairs({
      ["http://localhost/"] = "which page? https://HOST[:PORT]/PATH",
      ["https://localhost:1/"] = "connect ECONNREFUSED",
      [("https://localhost:%d/"):format(nginx.port)] = "wrong version number\n  what answers there is not TLS",
    }) do
      local output, code = run_example("https_client", url)
      assert.equal(1, code)
      assert.matches(text, output, 1, true)
    end
    assert.matches("/nothing: No such file", (run_example("https_client", "https://localhost/", "/nothing")))
  end)

  it("takes no body for whole that was cut off", function()
    if not daemons.has("python3") then
      return pending("no python3 here")
    end
    local text = "HTTP/1.0 200 OK\r\n\r\nhalf a page"
    assert.matches("status 200\nhalf a page$", (run_example("https_client", python_server(text, true), ca.path)))
    local output, code = run_example("https_client", python_server(text, false), ca.path)
    assert.equal(1, code)
    assert.matches("status 200\nhttps_client: .*unexpected eof while reading", output)
    assert.is_nil(output:find("half", 1, true))
  end)
end)

with({ "curl", "nginx" }, "examples/tls/sni_proxy", function()
  local a, b

  setup(function()
    a = ca:issue({ subject = "/CN=a", san = "DNS:a.example" })
    b = ca:issue({ subject = "/CN=b", san = "DNS:*.b.example" })
  end)

  local function site(name, leaf, backend)
    return ("%s=%s,%s,%s"):format(name, leaf.path, leaf.key_path, backend)
  end

  local function fetch(port, name, ...)
    return curl("--cacert", ca.path, "--resolve", ("%s:%d:127.0.0.1"):format(name, port),
      ("https://%s:%d/page"):format(name, port), ...)
  end

  it("chooses the backend by the name that the client asks for", function()
    local one, two = daemon("nginx"), daemon("nginx")
    run(("echo one >%s/www/page; seq 1000000 >%s/www/page"):format(one.folder, two.folder))
    local p, port = start("sni_proxy", 0, site("a.example", a, "127.0.0.1:" .. one.port),
      site("*.b.example", b, two.path))
    assert.same({ "one\n", 0 }, { fetch(port, "a.example") })
    assert.same({ "one\n", 0 }, { fetch(port, "A.Example") })
    assert.equal(run("seq 1000000 | cksum"), (run(("for i in 1 2 3 4; do %s | cksum & done; wait"):format(
      words("curl -sS --max-time 60", "--cacert", ca.path, "--resolve", ("x.b.example:%d:127.0.0.1"):format(port),
      ("https://x.b.example:%d/page"):format(port))))):match("^[^\n]*\n"))
    assert.equal("closing\n", interrupt(p))
  end)

  it("refuses a name that it does not have, and who says none", function()
    local p, port = start("sni_proxy", 0, site("a.example", a, "127.0.0.1:1"))
    assert.equal(35, select(2, fetch(port, "b.example")))
    assert.equal("127.0.0.1: nobody here is b.example", (p:line()))
    assert.equal(35, select(2, fetch(port, "x.a.example")))
    assert.equal("127.0.0.1: nobody here is x.a.example", (p:line()))
    assert.equal(35, select(2, curl("-k", ("https://127.0.0.1:%d/"):format(port))))
    assert.equal("127.0.0.1: ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM", (p:line()))
    assert.equal("closing\n", interrupt(p))
  end)

  it("ends the connection to a client whose backend is down, and goes on", function()
    local one = daemon("nginx")
    run(("echo one >%s/www/page"):format(one.folder))
    local p, port = start("sni_proxy", 0, site("a.example", a, "127.0.0.1:" .. one.port),
      site("*.b.example", b, "127.0.0.1:1"))
    local code = select(2, fetch(port, "x.b.example")) -- 56 of a curl that minds that nobody said so
    assert.is_true(code == 52 or code == 56, code)
    assert.equal("127.0.0.1: backend of x.b.example: connect ECONNREFUSED 127.0.0.1:1", (p:line()))
    assert.same({ "one\n", 0 }, { fetch(port, "a.example") })
    assert.equal("closing\n", interrupt(p))
  end)

  it("loses no request of wrk's", function()
    if not daemons.has("wrk") then
      return pending("no wrk here")
    end
    local one = daemon("nginx")
    run(("echo one >%s/www/page"):format(one.folder))
    local p, port = start("sni_proxy", 0, site("localhost", localhost, "127.0.0.1:" .. one.port))
    local said = run(("wrk -t 1 -c 10 -d 1s https://localhost:%d/page 2>&1"):format(port))
    assert.is_nil(said:find("Socket errors", 1, true), said)
    assert.is_nil(said:find("Non-2xx", 1, true), said)
    assert.is_true(tonumber(said:match("(%d+) requests in")) > 50, said)
    assert.matches("closing\n", interrupt(p))
  end)

  it("says which word makes no sense", function()
    for pattern, arguments in pairs({
      ["PORT NAME=CERT,KEY,BACKEND"] = { 0 },
      ["a.example=x is no NAME=CERT,KEY,BACKEND"] = { 0, "a.example=x" },
      ["/nothing: No such file"] = { 0, site("a", { path = "/nothing", key_path = a.key_path }, "x:1") },
      ["KEY_VALUES_MISMATCH"] = { 0, site("a", { path = a.path, key_path = b.key_path }, "x:1") },
      ["x is no"] = { 0, site("a", a, "x") },
    }) do
      local output, code = run_example("sni_proxy", table.unpack(arguments))
      assert.equal(1, code)
      assert.matches("^sni_proxy: [^\n]*" .. pattern, output)
    end
  end)
end)
