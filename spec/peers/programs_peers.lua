-- SPDX-License-Identifier: MIT

-- The programs of examples/tasks/ and what they are meant to talk to: curl, wrk, nginx, Python's
-- servers and clients, Redis, PostgreSQL, swaks. What they do alone is in task_examples_spec.

local co = require("net.co")
local daemons = require("spec.support.daemons")
local postgres = require("examples.tasks.postgres")
local process = require("spec.support.process")
local redis = require("examples.tasks.redis")
local within = require("spec.support").within

local quote, run = process.quote, process.run

local spawned, running = {}, {}

--- A server of spec.support.daemons that ends with the spec.
local function daemon(name, ...)
  local server = daemons[name](...)
  table.insert(running, server)
  return server
end

local function spawn(command)
  local p = process.spawn(command)
  spawned[#spawned + 1] = p
  return p
end

--- Starts an example that listens on a free port; returns it and the port.
local function start(name, ...)
  local p = spawn(process.lua("examples/tasks/" .. name .. ".lua", 0, ...))
  return p, math.tointeger(tonumber((p:expect("^listening on .*:(%d+)$"))))
end

local function run_example(name, ...)
  return run(process.lua("examples/tasks/" .. name .. ".lua", ...) .. " 2>&1")
end

--- Has an example end by SIGINT: the rest of its output. It must exit with 0.
local function interrupt(p)
  p:signal("INT")
  local rest, code = p:finish()
  assert.equal(0, code, rest)
  return rest
end

local function words(program, ...)
  local list = { program }
  for i = 1, select("#", ...) do
    list[#list + 1] = quote((select(i, ...)))
  end
  return table.concat(list, " ") .. " 2>&1"
end

local function curl(...)
  return run(words("curl -sS --max-time 30", ...))
end

--- A file of so many bytes that differ, in a folder.
local function write_file(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

--- A `describe` that is skipped where one of the programs is not here.
local function with(programs, name, define)
  describe(name, function()
    for _, program in ipairs(programs) do
      if not daemons.has(program) then
        return pending("no " .. program .. " here", function() end)
      end
    end
    define()
  end)
end

after_each(function()
  for _, p in ipairs(spawned) do
    p:kill()
  end
  for _, server in ipairs(running) do
    server:stop("INT")
  end
  spawned, running = {}, {}
end)

with({ "curl" }, "examples/tasks/http_server", function()
  it("answers curl, keeps the connection, takes bodies, and waits to be asked for them", function()
    local p, port = start("http_server")
    local url = ("http://127.0.0.1:%d"):format(port)
    assert.same({ "GET /a, 0 bytes\n1 GET /b, 0 bytes\n0 ", 0 },
      { curl("-w", "%{num_connects} ", url .. "/a", url .. "/b") })
    assert.same({ "POST /c, 5 bytes\n", 0 }, { curl("-d", "hello", url .. "/c") })
    assert.same({ "PUT /d, 1048576 bytes\n", 0 }, { run("head -c 1048576 /dev/zero | "
      .. words("curl -sS --max-time 30 --expect100-timeout 20 -H 'Content-Length: 1048576' "
      .. "-H 'Transfer-Encoding:' -H 'Expect: 100-continue' -T -", url .. "/d")) })
    assert.matches("^HTTP/1.1 200 OK\r\n.*\r\n\r\n$", (curl("-I", url .. "/e")))
    assert.equal("closing\n", interrupt(p))
  end)

  it("refuses what is too much, or makes no sense", function()
    local _, port = start("http_server")
    local url = ("http://127.0.0.1:%d"):format(port)
    for code, what in pairs({
      ["431"] = { "-H", "X: " .. ("x"):rep(9000) },
      ["413"] = { "-H", "Content-Length: 99999999", "-d", "x" },
      ["501"] = { "-H", "Transfer-Encoding: chunked", "-d", "x" },
      ["400"] = { "-H", "Content-Length: -5", "-X", "PUT" },
    }) do
      local text = curl("-o", "/dev/null", "-w", "%{http_code}", url, table.unpack(what))
      assert.matches(code .. "$", text)
    end
  end)

  it("loses no request of wrk's by its end", function()
    if not daemons.has("wrk") then
      return pending("no wrk here")
    end
    local p, port = start("http_server")
    local output = run(("wrk -c 50 -t 1 -d 1s http://127.0.0.1:%d/ 2>&1"):format(port))
    assert.is_nil(output:find("Socket errors", 1, true), output)
    assert.is_nil(output:find("Non-2xx", 1, true), output)
    assert.is_true(tonumber(output:match("(%d+) requests in")) > 100)
    assert.equal("closing\n", interrupt(p))
  end)

  it("stands behind nginx, which keeps its connections", function()
    if not daemons.has("nginx") then
      return pending("no nginx here")
    end
    local p, port = start("http_server")
    local nginx = daemon("nginx", [[location / { proxy_pass http://lua;
      proxy_http_version 1.1; proxy_set_header Connection ""; }]],
      ("upstream lua { server 127.0.0.1:%d; keepalive 4; }"):format(port))
    local url = ("http://127.0.0.1:%d"):format(nginx.port)
    for i = 1, 5 do
      assert.same({ ("POST /%d, 70000 bytes\n"):format(i), 0 }, { run("head -c 70000 /dev/zero | "
        .. words("curl -sS --max-time 30 --data-binary @-", url .. "/" .. i)) })
    end
    assert.equal("closing\n", interrupt(p))
    assert.equal("502", (curl("-o", "/dev/null", "-w", "%{http_code}", url)))
  end)
end)

with({ "nginx" }, "examples/tasks/fetch", function()
  it("reads bodies by length, in chunks, and none, and prints them in order", function()
    local nginx = daemon("nginx", [[ssi on; ssi_types text/plain; default_type text/plain;
      location /none { return 204; } location /gone { return 301 /; }]])
    write_file(nginx.folder .. "/www/plain.html", ("x"):rep(300000))
    write_file(nginx.folder .. "/www/chunked", ("y"):rep(100000) .. "<!--# echo var=\"host\" -->")
    local url = ("http://127.0.0.1:%d/"):format(nginx.port)
    assert.matches("\r\nTransfer%-Encoding: chunked\r\n", (curl("-i", url .. "chunked")))
    local list, expected = {}, {}
    for i, page in ipairs({ "plain.html 200 300000", "chunked 200 100009", "none 204 0",
      "missing 404 153" }) do
      local name, answer = page:match("^(%S+) (.*)$")
      for round = 0, 4 do
        list[i + 4 * round] = url .. name
        expected[i + 4 * round] = answer .. "\t" .. url .. name .. "\n"
      end
    end
    assert.same({ table.concat(expected), 0 }, { run_example("fetch", table.unpack(list)) })
  end)

  it("reads to the end what Python serves in HTTP/1.0, and names what goes wrong", function()
    if not daemons.has("python3") then
      return pending("no python3 here")
    end
    local p = spawn("python3 -u -m http.server --bind 127.0.0.1 --directory docs/guide 0")
    local url = ("http://127.0.0.1:%d/"):format(p:expect("port (%d+)"))
    local output = run_example("fetch", url .. "tasks.md", url .. "none", "http://127.0.0.1:1/", "ftp://x")
    local size = #io.open("docs/guide/tasks.md"):read("a")
    assert.matches("^200 " .. size .. "\t[^\n]*\n404 %d+\t[^\n]*\nError: connect ECONNREFUSED 127.0.0.1:1\t"
      .. "[^\n]*\nnot an http:// address\tftp://x\n$", output)
  end)
end)

with({ "redis-server" }, "examples/tasks/redis", function()
  local function beside_redis(fn)
    return function()
      local server = daemon("redis")
      within(function() fn(server) end)()
    end
  end

  it("adds from a hundred tasks over one connection, to a port and a path", function()
    local server = daemon("redis")
    for _, where in ipairs({ server.port, server.path }) do
      local output, code = run_example("counter", where, 20)
      assert.equal(0, code, output)
      assert.matches("^counter\t2000\nerror\tWRONGTYPE .*\nclosed\tthe client is closed\n$", output)
    end
  end)

  it("knows all types of RESP2, and pipelines", beside_redis(function(server)
    co.run(function()
      local db = assert(redis.connect(server.path, { { "SELECT", 2 } }))
      local replies = assert(db:pipeline({
        { "SET", "key", "a\r\nb\0c" }, { "GET", "key" }, { "GET", "none" }, { "LPUSH", "key", 1 },
        { "STRLEN", "key" }, { "ECHO", "" }, { "EVAL", "return {1, {'x', {}}, false}", 0 },
        { "SET", "big", ("z"):rep(3000000) }, { "GET", "big" },
      }))
      assert.equal("WRONGTYPE", replies[4].code)
      assert.equal(3000000, #replies[9])
      replies[4], replies[9] = nil, nil
      assert.same({ "OK", "a\r\nb\0c", false, nil, 6, "", { 1, { "x", {} }, false }, "OK" }, replies)
      assert.same({ nil, "ERR" }, { nil, select(2, db:call("NOSUCH")).code })
      db:close()
    end)
  end))

  it("keeps answers in order when some calls are given up", beside_redis(function(server)
    co.run(function()
      local db = assert(redis.connect(server.port))
      assert.equal("ERR_TIMEOUT", select(2, co.timeout(1, db.call, db, "BLPOP", "nothing", 0.05)).code)
      co.group(function(group)
        for i = 1, 100 do
          group:spawn(function() assert.equal(tostring(i), db:call("ECHO", i)) end)
        end
      end)
      db:close()
    end)
  end))

  it("tells all who wait that the connection is lost, and connects again", beside_redis(function(server)
    co.run(function()
      local db = assert(redis.connect(server.port, { { "SELECT", 2 } }))
      local other = assert(redis.connect(server.path))
      db:call("SET", "key", "value")
      local id = db:call("CLIENT", "ID")
      local first = co.spawn(db.call, db, "BLPOP", "nothing", 0)
      local second = co.spawn(db.call, db, "PING")
      while not other:call("CLIENT", "LIST", "ID", id):find("cmd=blpop") do co.yield() end
      assert.equal(1, other:call("CLIENT", "KILL", "ID", id))
      assert.same({ n = 2, nil, "Redis has closed the connection" }, table.pack(first()))
      assert.same({ n = 2, nil, "Redis has closed the connection" }, table.pack(second()))
      assert.equal("value", db:call("GET", "key"))
      db:close()
      other:close()
    end)
  end))

  it("says why it cannot connect, or log in", beside_redis(function(server)
    co.run(function()
      local db, err = redis.connect(server.port, { { "AUTH", "me", "no" } })
      assert.same({ nil, "WRONGPASS" }, { db, err.code })
    end)
    server:stop()
    co.run(function()
      assert.equal("ECONNREFUSED", select(2, redis.connect(server.port)).code)
      assert.equal("ENOENT", select(2, redis.connect(server.path)).code)
    end)
  end))
end)

with({ "postgres" }, "examples/tasks/postgres", function()
  local server

  setup(function() server = daemons.postgres() end)
  teardown(function() server:stop("INT") end)

  local function connected(fn, by_path)
    return within(function()
      co.run(function()
        local db <close> = assert(postgres.connect(by_path and server.path or server.port, "postgres"))
        fn(db)
      end)
    end)
  end

  it("prints rows, of a port and a path", function()
    for _, where in ipairs({ server.port, server.path }) do
      assert.same({ "n\tt\n42\tit's\nSELECT 1\n", 0 }, { run_example("query", where, "postgres",
        "select $1::int + 1 as n, $2::text as t", 41, "it's") })
      assert.same({ "query: ERROR 42601: syntax error at or near \"selec\"\n", 1 },
        { run_example("query", where, "postgres", "selec 1") })
      assert.same({ 'query: FATAL 28000: role "nobody" does not exist\n', 1 },
        { run_example("query", where, "nobody", "select 1") })
    end
  end)

  for name, by_path in pairs({ ["a port"] = false, ["a path"] = true }) do
    it("gives types, NULL, and the last of several statements, by " .. name, connected(function(db)
      local result = assert(db:query("select 1; select 7 as i, 1.5::float8 as f, true as t, false as f2, "
        .. "null::int as nothing, '' as empty, 9007199254740993::int8 as big"))
      assert.equal("SELECT 1", result.command)
      local row = result.rows[1]
      assert.same({ 7, 1.5, true, false, nil, "", 9007199254740993 }, { table.unpack(row, 1, 7) })
      assert.same({ 7, false, nil, 9007199254740993 }, { row.i, row.f2, row.nothing, row.big })
      assert.equal("nothing", result.columns[5].name)
      assert.same({ rows = {} }, db:query(""))
    end, by_path))
  end

  it("takes parameters as they are, also NULL", connected(function(db)
    local nasty = "'; drop table goods; --\n\xc3\xa9"
    local row = db:query("select $1::text, $2::int is null as none, $3::text", nasty, nil, nil).rows[1]
    assert.same({ n = 3, nasty, true, nil }, { n = 3, row[1], row.none, row[3] })
    assert.equal("INSERT 0 2", (function()
      assert(db:query("create temporary table goods (name text, price int)"))
      return db:query("insert into goods values ($1, $2), ($3, null)", "tea", 4, "air").command
    end)())
    assert.same({ "air", nil }, { db:query("select * from goods where price is null").rows[1].name, nil })
  end))

  it("gives an error's fields, and goes on", connected(function(db)
    assert(db:query("create temporary table t (a int constraint positive check (a > 0))"))
    for _, ask in ipairs({
      function() return db:query("insert into t values (-1)") end,
      function() return db:query("insert into t values ($1)", -1) end,
    }) do
      local result, err = ask()
      assert.is_nil(result)
      assert.same({ "ERROR", "23514", "t", "positive" }, { err.severity, err.code, err.table, err.constraint })
      assert.matches("violates check constraint", err.message)
    end
    assert.equal("22P02", select(2, db:query("select $1::int", "x")).code)
    assert.equal("8", select(2, db:query("select nothing")).position)
    assert.equal("57014", select(2, db:query("copy t from stdin")).code)
    assert.equal(1, db:query("select 1 as n").rows[1].n)
  end))

  it("cancels at the server what is interrupted, and the connection goes on", connected(function(db)
    local pid = db:query("select pg_backend_pid() as pid").rows[1].pid
    for i = 1, 10 do
      local ask = i % 2 == 0 and { "select pg_sleep(600)" } or { "select pg_sleep($1)", 600 }
      local result, err = co.timeout(5, db.query, db, table.unpack(ask))
      assert.same({ nil, "ERR_TIMEOUT" }, { result, err.code })
      assert.equal(pid, db:query("select pg_backend_pid() as pid").rows[1].pid)
    end
    assert.same({}, db:query("select pid from pg_stat_activity where state = 'active' and pid <> $1", pid).rows)
  end))

  it("loses nothing when rows are interrupted half-way", connected(function(db)
    for ms = 1, 12 do
      co.timeout(ms, db.query, db, "select i, repeat('x', 200) from generate_series(1, 100000) i")
      assert.equal(ms, db:query("select $1::int as n", ms).rows[1].n)
    end
  end))

  it("is shared by tasks, which take turns; one that is cancelled leaves its turn", connected(function(db)
    co.group(function(group)
      local slow = group:spawn(db.query, db, "select pg_sleep(600)")
      for i = 1, 50 do
        group:spawn(function() assert.equal(i, db:query("select $1::int as n", i).rows[1].n) end)
      end
      co.sleep(5)
      slow:cancel()
    end)
    db:close()
    assert.equal("ERR_STREAM_WRITE_AFTER_END", select(2, db:query("select 1")).code)
  end))

  it("tells why the server has ended it", connected(function(db)
    local pid = db:query("select pg_backend_pid() as pid").rows[1].pid
    local waiting = co.spawn(db.query, db, "select pg_sleep(600)")
    local other <close> = assert(postgres.connect(server.port, "postgres"))
    other:query("select pg_terminate_backend($1)", pid)
    local result, err = waiting()
    assert.same({ nil, "FATAL", "57P01" }, { result, err.severity, err.code })
    assert.is_nil((db:query("select 1")))
  end))
end)

with({ "swaks" }, "examples/tasks/smtp_sink", function()
  it("takes mail from swaks, pipelined or not", function()
    local p, port = start("smtp_sink")
    for _, more in ipairs({ "", "--pipeline" }) do
      local output, code = run(("swaks --server 127.0.0.1:%d --from a@x --to b@y,c@z --body 'hello' "
        .. "--h-Subject 'from swaks' %s"):format(port, more))
      assert.equal(0, code, output)
      assert.matches('^from a@x to b@y c@z: %d+ bytes, subject "from swaks"$', (p:line()))
    end
    assert.equal("", interrupt(p))
  end)
end)

with({ "python3", "curl" }, "examples/tasks/smtp_sink", function()
  it("takes mail from Python's smtplib: lines of dots, none at all, megabytes, too much", function()
    local p, port = start("smtp_sink")
    local output, code = run(("python3 - %d <<'end'\n"):format(port) .. [[
import smtplib, sys
s = smtplib.SMTP("127.0.0.1", int(sys.argv[1]))
s.sendmail("a@x", ["b@y"], "Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n")
s.mail("a@x"); s.rcpt("b@y"); s.putcmd("data"); s.getreply(); s.send(b".\r\n"); print(s.getreply()[0])
s.sendmail("a@x", ["b@y"], "Subject: big\r\n\r\n" + ("x" * 70 + "\r\n") * 40000)
try:
    s.sendmail("a@x", ["b@y"], "x\r\n" * 4000000)
except smtplib.SMTPException as err:
    print(type(err).__name__)
s.ehlo_or_helo_if_needed()
s.mail("a@x"); s.rcpt("b@y"); s.putcmd("data"); s.getreply()
s.send((b"y" * 70 + b"\r\n") * 160000 + b".\r\n"); print(s.getreply()[0])
print(s.docmd("x" * 5000)[0])
end]])
    assert.equal(0, code, output)
    assert.equal("250\nSMTPSenderRefused\n552\n500\n", output)
    assert.equal('from a@x to b@y: 28 bytes, subject "dots"', (p:line()))
    assert.equal('from a@x to b@y: 0 bytes, subject ""', (p:line()))
    assert.equal('from a@x to b@y: 2880016 bytes, subject "big"', (p:line()))
    assert.equal("", interrupt(p))
  end)

  it("takes mail from curl", function()
    local p, port = start("smtp_sink")
    local output, code = run([[printf 'Subject: hi there\r\n\r\nbody\r\n' | ]] .. words("curl -sS --max-time 30",
      "--mail-from", "a@x", "--mail-rcpt", "b@y", "-T", "-", ("smtp://127.0.0.1:%d"):format(port)))
    assert.equal(0, code, output)
    assert.equal('from a@x to b@y: 27 bytes, subject "hi there"', (p:line()))
    assert.equal("", interrupt(p))
  end)
end)

with({ "curl", "nginx" }, "examples/tasks/socks5", function()
  it("takes curl to nginx, ten times at once, and says why it cannot", function()
    local nginx = daemon("nginx")
    write_file(nginx.folder .. "/www/big", ("0123456789abcdef"):rep(500000))
    local p, port = start("socks5")
    local proxy = ("127.0.0.1:%d"):format(port)
    local url = ("http://localhost:%d/big"):format(nginx.port)
    local output, code = run(("for i in 1 2 3 4 5 6 7 8 9 10; do %s | cksum & done; wait"):format(
      words("curl -4 -sS --max-time 30", "--socks5-hostname", proxy, url)))
    assert.same({ run("cksum <" .. nginx.folder .. "/www/big"):rep(10), 0 }, { output, code })
    output, code = curl("--socks5", proxy, "http://127.0.0.1:1/")
    assert.equal(97, code, output)
    assert.matches("%(5%)", output) -- connection refused
    output, code = curl("--socks4", proxy, url)
    assert.equal(97, code, output)
    assert.equal("", interrupt(p))
  end)
end)

with({ "redis-server", "nginx" }, "examples/tasks/health", function()
  it("tells what is up, and what goes down and comes back", function()
    local cache, web = daemon("redis"), daemon("nginx", "location / { return 503; }")
    local targets = { ("redis:127.0.0.1:%d"):format(cache.port), ("tcp:127.0.0.1:%d"):format(web.port),
      ("http:127.0.0.1:%d"):format(web.port), ("redis:127.0.0.1:%d"):format(web.port) }
    local p = spawn(process.lua("examples/tasks/health.lua", 3600, table.unpack(targets)))
    local said = {}
    for _ = 1, #targets do
      local target, state = p:line():match("^(%S+)\t(.*)$")
      said[target] = state
    end
    assert.same({ [targets[1] ] = "up", [targets[2] ] = "up",
      [targets[3] ] = "down: said HTTP/1.1 503 Service Temporarily Unavailable",
      [targets[4] ] = "down: said HTTP/1.1 400 Bad Request" }, said)
    cache:stop()
    p:signal("HUP")
    assert.equal(targets[1] .. "\tdown: Error: connect ECONNREFUSED 127.0.0.1:" .. cache.port, p:line())
    assert.equal("", interrupt(p))
  end)
end)
