-- SPDX-License-Identifier: MIT

-- Programs of examples/tls/ and what they are meant to talk to: curl, PostgreSQL, Python's ssl and
-- smtplib. Those that speak HTTPS are in tls_https_peers.lua. Certificates are made here.

local certificates = require("spec.support.certificates")
local co = require("net.co")
local daemons = require("spec.support.daemons")
local postgres = require("examples.tasks.postgres")
local process = require("spec.support.process")
local programs = require("spec.support.programs").of("examples/tls/")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local quote, run = process.quote, process.run
local curl, example, interrupt, python = programs.curl, programs.example, programs.interrupt, programs.python
local spawn, start, with, words = programs.spawn, programs.start, programs.with, programs.words
local run_example = programs.run

local ca, localhost, other, stranger -- certificates

setup(function()
  ca = certificates.authority({ subject = "/CN=our authority" })
  localhost = ca:issue({ san = "DNS:localhost" })
  other = ca:issue({ subject = "/CN=other", san = "DNS:localhost" })
  stranger = certificates.self_signed({ subject = "/CN=a stranger", san = "DNS:localhost" })
end)

-- SMTP

with({ "python3", "curl" }, "examples/tls/smtp_sink", function()
  it("takes mail from Python's smtplib, once that has begun TLS", function()
    local p, port = start("smtp_sink", localhost.path, localhost.key_path, 0)
    local output, code = python([[
import smtplib, ssl, sys
s = smtplib.SMTP("localhost", int(sys.argv[1]))
try:
    s.sendmail("a@x", ["b@y"], "Subject: plain\r\n")
except smtplib.SMTPException as err:
    print(type(err).__name__, err.smtp_code)
s.starttls(context=ssl.create_default_context(cafile=sys.argv[2]))
print(s.docmd("STARTTLS")[0], s.docmd("RCPT TO:<a@b>")[0], s.docmd("DATA")[0])
s.sendmail("a@x", ["b@y", "c@z"], "Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n")
s.sendmail("a@x", ["b@y"], "Subject: big\r\n\r\n" + ("x" * 70 + "\r\n") * 40000)
s.quit()]], port, ca.path)
    assert.same({ "SMTPSenderRefused 530\n500 503 503\n", 0 }, { output, code })
    assert.equal("from a@x to b@y c@z: 28 bytes by TLSv1.3", (p:line()))
    assert.equal("from a@x to b@y: 2880016 bytes by TLSv1.3", (p:line()))
    assert.equal("", interrupt(p))
  end)

  it("takes mail from curl, which would not send it in plain text", function()
    local p, port = start("smtp_sink", localhost.path, localhost.key_path, 0)
    local function send(...)
      return run("printf 'Subject: hi\\r\\n\\r\\nbody\\r\\n' | " .. words("curl -sS --max-time 30", "--ssl-reqd",
        "--mail-from", "a@x", "--mail-rcpt", "b@y", "-T", "-", ("smtp://localhost:%d"):format(port), ...))
    end
    assert.same({ "", 0 }, { send("--cacert", ca.path) })
    assert.equal("from a@x to b@y: 21 bytes by TLSv1.3", (p:line()))
    assert.equal(60, select(2, send()))
    assert.matches("^127.0.0.1: .*unknown ca", (p:line()))
    assert.equal("", interrupt(p))
  end)

  it("takes nothing that comes in plain text behind STARTTLS", function()
    local p, port = start("smtp_sink", localhost.path, localhost.key_path, 0)
    local output = python([[
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"EHLO me\r\nSTARTTLS\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n")
answer = b""
while True:
    more = s.recv(4096)
    if not more:
        break
    answer += more
print(answer.split(b"go ahead\r\n")[0].decode(), answer.split(b"go ahead\r\n")[1][:1])]], port)
    assert.matches("250%-STARTTLS\r\n250 SIZE %d+\r\n220  b''\n$", output)
    assert.matches("^127.0.0.1: .*wrong version number", (p:line()))
    assert.equal("", interrupt(p))
  end)
end)

describe("examples/tls/smtp_send", function()
  local function send(mail, ...)
    return run(("printf %s | %s 2>&1"):format(quote(mail), example("smtp_send", ...)))
  end

  it("sends to the sink, dots and all", function()
    local p, port = start("smtp_sink", localhost.path, localhost.key_path, 0)
    assert.same({ "sent by TLSv1.3\n", 0 },
      { send("Subject: x\\n\\n.hello\\n..\\nx\\n", "localhost:" .. port, "a@x", "b@y", ca.path) })
    assert.equal("from a@x to b@y: 29 bytes by TLSv1.3", (p:line()))
    assert.equal("", interrupt(p))
  end)

  it("sends nothing to who is not the server, or has no TLS", function()
    local p, port = start("smtp_sink", localhost.path, localhost.key_path, 0)
    for pattern, arguments in pairs({
      ["unable to verify the first certificate"] = { "localhost:" .. port, "a@x", "b@y" },
      ["Hostname/IP does not match"] = { "127.0.0.1:" .. port, "a@x", "b@y", ca.path },
      ["connect ECONNREFUSED"] = { "localhost:1", "a@x", "b@y" },
      ["HOST%[:PORT%] FROM TO"] = { "localhost" },
      ['to "RCPT TO:<>" the server says: 501'] = { "localhost:" .. port, "a@x", "", ca.path },
    }) do
      local output, code = send("Subject: x", table.unpack(arguments))
      assert.equal(1, code)
      assert.matches("^smtp_send: .*" .. pattern, output)
    end
    assert.is_nil(interrupt(p):find("from ", 1, true))
  end)

  it("does not go on where somebody hides STARTTLS", function()
    local plain = spawn(process.lua("examples/tasks/smtp_sink.lua", 0))
    local port = plain:expect("^listening on .*:(%d+)$")
    local output, code = send("Subject: x", "localhost:" .. port, "a@x", "b@y")
    assert.same({ "smtp_send: the server has no STARTTLS, or somebody on the way hides it\n", 1 }, { output, code })
    assert.equal("", interrupt(plain))
  end)
end)

-- PostgreSQL

with({ "postgres" }, "examples/tls/postgres", function()
  local server, plain

  setup(function()
    server = daemons.postgres({
      ["server.crt"] = localhost.cert, ["server.key"] = localhost.key, ["root.crt"] = ca.cert,
      hba = "hostssl all postgres 127.0.0.1/32 trust\nhostssl all ann 127.0.0.1/32 cert\n",
    }, "-c ssl=on -c ssl_cert_file=%s/server.crt -c ssl_key_file=%s/server.key "
      .. "-c ssl_ca_file=%s/root.crt -c hba_file=%s/hba")
    plain = daemons.postgres()
  end)

  teardown(function()
    server:stop("INT")
    plain:stop("INT")
  end)

  local function ask(where, user, trusts, ...)
    return run_example("postgres", where .. ":" .. server.port, user, trusts, ...)
  end

  it("asks over TLS", function()
    assert.same({ "true\tTLSv1.3\t42\nSELECT 1\n", 0 }, { ask("localhost", "postgres", ca.path,
      "select ssl, version, $1::int + 1 from pg_stat_ssl where pid = pg_backend_pid()", 41) })
    assert.matches("^postgres: ERROR 42601: syntax error", (ask("localhost", "postgres", ca.path, "selec 1")))
  end)

  it("asks nothing of who is not the server, or has no TLS", function()
    assert.same({ "postgres: Error: self-signed certificate in certificate chain\n", 1 },
      { ask("localhost", "postgres", "system", "select 1") })
    assert.matches("^postgres: Error %[ERR_TLS_CERT_ALTNAME_INVALID%]",
      (ask("127.0.0.1", "postgres", ca.path, "select 1")))
    assert.same({ "postgres: the server has no TLS\n", 1 },
      { run_example("postgres", "localhost:" .. plain.port, "postgres", ca.path, "select 1") })
  end)

  it("shows a certificate of its own to who asks for one", function()
    local ann = ca:issue({ subject = "/CN=ann" })
    assert.equal(0, select(2, ask("localhost", "postgres", ca.path, "create role ann login")))
    local as_ann = ("PGDATABASE=postgres PGSSLCERT=%s PGSSLKEY=%s "):format(ann.path, ann.key_path)
    assert.equal("ann\nSELECT 1\n", (run(as_ann .. example("postgres", "localhost:" .. server.port, "ann", ca.path,
      "select current_user"))))
    assert.matches("postgres: FATAL 28000: connection requires a valid client certificate",
      (ask("localhost", "ann", ca.path, "select 1")))
    assert.matches("postgres: FATAL 28000: certificate authentication failed", (run(as_ann:gsub(ann.path, other.path)
      :gsub(ann.key_path, other.key_path) .. example("postgres", "localhost:" .. server.port, "ann", ca.path,
      "select 1") .. " 2>&1")))
  end)

  it("cancels over TLS what is interrupted, and the connection goes on", within(function()
    co.run(function()
      local db <close> = assert(postgres.connect({ host = "localhost", port = server.port }, "postgres", nil,
        { ca = ca.cert }))
      for i = 1, 5 do
        local result, err = co.timeout(5, db.query, db, "select pg_sleep(600)")
        assert.same({ nil, "ERR_TIMEOUT" }, { result, err.code })
        assert.equal(i, db:query("select $1::int as n", i).rows[1].n)
      end
      assert.same({}, db:query("select pid from pg_stat_activity where state = 'active' "
        .. "and pid <> pg_backend_pid()").rows)
      local rows = assert(db:query("select i, repeat('x', 200) as t from generate_series(1, 30000) i")).rows
      assert.same({ 30000, 30000, 200 }, { #rows, rows[30000].i, #rows[30000].t })
    end)
  end))
end)

describe("the client of PostgreSQL", function()
  for name, row in pairs({
    ["does not go on with who has smuggled in an answer behind the server's"] =
      { "SZ\0\0\0\5I", "wrong version number" },
    ["tells an old server, or what is none, by its answer"] = { "E", "not PostgreSQL, or an old one" },
    ["says that there is no TLS where there is none"] = { "N", "the server has no TLS" },
    ["hears that the server has gone"] = { "", "end of the stream" },
  }) do
    it(name, within(function()
      co.run(function()
        local server <close> = assert(co.listen(0, "127.0.0.1"))
        local serving <close> = server:serve(function(socket)
          assert.equal("\0\0\0\8\4\210\22\47", socket:receive(8))
          socket:send(row[1])
        end)
        assert(serving)
        local db, err = postgres.connect(server:address(), "me", nil, { ca = ca.cert, host = "localhost" })
        assert.is_nil(db)
        assert.matches(row[2], tostring(err), 1, true)
      end)
    end))
  end
end)

-- Names of several addresses

describe("a client of examples/tls", function()
  -- No name has two addresses on every machine; this program knows one.
  local TWO = [[
    require("net.dns").lookup = function(_, _, callback)
      callback(nil, { { address = "127.0.0.2", family = 4 }, { address = "127.0.0.3", family = 4 } })
    end
    arg[0] = table.remove(arg, 1)
    assert(loadfile(arg[0]))(table.unpack(arg))
  ]]

  for name, arguments in pairs({
    smtp_send = { "two.example:%d", "a@x", "b@y" },
    https_client = { "https://two.example:%d/" },
    postgres = { "two.example:%d", "ann", "system", "select 1" },
    mutual_client = { "CA", "-", "-", "two.example:%d", "hello" },
  }) do
    it("says of each address why it was not reached: " .. name, within(function(t)
      local path, port = t.tmpname(".lua"), sockets.free_port()
      do
        local file <close> = assert(io.open(path, "w"))
        file:write(TWO)
      end
      for i, word in ipairs(arguments) do
        arguments[i] = word == "CA" and ca.path or word:format(port)
      end
      local expected = ("%s: Error: connect ECONNREFUSED 127.0.0.2:%d; Error: connect ECONNREFUSED 127.0.0.3:%d\n")
      assert.same({ expected:format(name, port, port), 1 }, { run(process.lua(path,
        "examples/tls/" .. name .. ".lua", table.unpack(arguments)) .. " 2>&1 </dev/null") })
    end))
  end
end)

-- Certificates of clients

describe("examples/tls/mutual_server", function()
  local ann, old

  setup(function()
    ann = ca:issue({ subject = "/CN=ann" })
    old = ca:issue({ subject = "/CN=ann", to = "20250101000000Z" })
  end)

  local function ask(port, cert, key)
    return run_example("mutual_client", ca.path, cert, key, "localhost:" .. port, "hello")
  end

  it("knows who has a certificate", function()
    local p, port = start("mutual_server", ca.path, localhost.path, localhost.key_path, 0)
    assert.same({ "ann says hello\n", 0 }, { ask(port, ann.path, ann.key_path) })
    assert.equal("127.0.0.1 is ann", (p:line()))
    assert.equal("", interrupt(p))
  end)

  it("refuses others, who hear why behind the handshake", function()
    local p, port = start("mutual_server", ca.path, localhost.path, localhost.key_path, 0)
    for _, row in ipairs({
      { "-", "-", "the server wants a certificate", "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE" },
      { stranger.path, stranger.key_path, "the server does not trust who issued our certificate",
        "DEPTH_ZERO_SELF_SIGNED_CERT" },
      { old.path, old.key_path, "our certificate has expired", "CERT_HAS_EXPIRED" },
    }) do
      assert.same({ ("mutual_client: %s, which it said once we were connected\n"):format(row[3]), 1 },
        { ask(port, row[1], row[2]) })
      assert.equal("127.0.0.1: " .. row[4], (p:line()))
    end
    assert.matches("^mutual_client: .*KEY_VALUES_MISMATCH", (ask(port, ann.path, old.key_path)))
    assert.equal("", interrupt(p))
  end)

  it("refuses curl without one, in 1.2 and 1.3", function()
    if not daemons.has("curl") then
      return pending("no curl here")
    end
    local p, port = start("mutual_server", ca.path, localhost.path, localhost.key_path, 0)
    local url = ("https://localhost:%d/"):format(port)
    assert.equal(35, select(2, curl("--cacert", ca.path, "--tls-max", "1.2", url)))
    assert.equal("127.0.0.1: ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE", (p:line()))
    assert.equal(56, select(2, curl("--cacert", ca.path, url)))
    assert.equal("127.0.0.1: ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE", (p:line()))
    assert.equal("", interrupt(p))
  end)

  it("knows Python with one", function()
    if not daemons.has("python3") then
      return pending("no python3 here")
    end
    local p, port = start("mutual_server", ca.path, localhost.path, localhost.key_path, 0)
    assert.same({ "b'ann says hi\\n'\n", 0 }, { python([[
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
context.load_cert_chain(sys.argv[3], sys.argv[4])
plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s = context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
s.sendall(b"hi\n")
print(s.recv(100))
s.unwrap()]], port, ca.path, ann.path, ann.key_path) })
    assert.equal("127.0.0.1 is ann", (p:line()))
    assert.equal("", interrupt(p))
  end)
end)
