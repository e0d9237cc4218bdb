-- SPDX-License-Identifier: MIT

-- The programs in examples/tasks/ are run as a person runs them, and spoken to over sockets of
-- this library; its clients of Redis and PostgreSQL meet servers that play a part. Beside the
-- real ones they are in spec/peers/programs_peers.lua.

local child = require("net.child")
local co = require("net.co")
local postgres = require("examples.tasks.postgres")
local process = require("spec.support.process")
local redis = require("examples.tasks.redis")
local within = require("spec.support").within

local spawned = {}

--- Starts an example that listens on a free port; returns it and the port.
local function start(name, ...)
  local p = process.spawn(process.lua("examples/tasks/" .. name .. ".lua", 0, ...))
  spawned[#spawned + 1] = p
  return p, math.tointeger(tonumber((p:expect("^listening on .*:(%d+)$"))))
end

local function run_example(name, ...)
  return process.run(process.lua("examples/tasks/" .. name .. ".lua", ...) .. " 2>&1")
end

--- Has a process end by a signal: the rest of its output. It must exit with 0.
local function interrupt(p, signal)
  p:signal(signal or "INT")
  local rest, code = p:finish()
  assert.equal(0, code, rest)
  return rest
end

--- Runs `fn` in a task.
local function task(fn)
  return within(function() co.run(fn) end)()
end

local function connect(port)
  return assert(co.connect({ port = port, host = "127.0.0.1", allowHalfOpen = true }))
end

--- What comes back over a connection to this port after sending `text`, and the end.
local function talk(port, text)
  return co.run(function()
    local socket <close> = connect(port)
    socket:send(text)
    socket:finish()
    return socket:receive("all")
  end)
end

after_each(function()
  for _, p in ipairs(spawned) do
    p:kill()
  end
  spawned = {}
end)

describe("examples/tasks/http_server", function()
  it("answers what is pipelined, in order", function()
    local p, port = start("http_server")
    local answer = talk(port, "GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
      .. "HEAD /3 HTTP/1.1\r\n\r\nGET /4 HTTP/1.0\r\n\r\nGET /5 HTTP/1.1\r\n\r\n")
    assert.matches("\r\n\r\nGET /1, 0 bytes\nHTTP/1.1 200 OK\r\n.*POST /2, 3 bytes\nHTTP/1.1 200 OK\r\n"
      .. ".*\r\n\r\nHTTP/1.1 200 OK\r\n.*GET /4, 0 bytes\n$", answer)
    assert.is_nil(answer:find("HEAD /3", 1, true))
    assert.equal("closing\n", interrupt(p))
  end)

  it("asks for a body that waits to be asked for", function()
    local _, port = start("http_server")
    co.run(function()
      local socket <close> = connect(port)
      socket:send("PUT / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
      assert.equal("HTTP/1.1 100 Continue", socket:receiveUntil("\r\n\r\n"))
      socket:send("ok")
      assert.matches("PUT /, 2 bytes\n$", (socket:receiveUntil("bytes\n")) .. "bytes\n")
    end)
  end)

  it("refuses what is too much, or makes no sense", function()
    local _, port = start("http_server")
    for request, status in pairs({
      [("x"):rep(9000)] = 431,
      ["GET / HTTP/1.1\r\n" .. ("a: b\r\n"):rep(101)] = 431,
      ["GET / HTTP/1.1\r\nX: " .. ("x"):rep(9000)] = 431,
      ["nonsense"] = 400,
      ["GET / HTTP/1.1\r\nno header"] = 400,
      ["GET / HTTP/1.1\r\nContent-Length: -1"] = 400,
      ["GET / HTTP/1.1\r\nContent-Length: 0x1"] = 400,
      ["GET / HTTP/1.1\r\nContent-Length: 99999999"] = 413,
      ["GET / HTTP/1.1\r\nContent-Length: 99999999999999999999"] = 413,
      ["GET / HTTP/1.1\r\nTransfer-Encoding: chunked"] = 501,
    }) do
      assert.matches("^HTTP/1.1 " .. status, talk(port, request .. "\r\n\r\n"))
    end
    assert.equal("", talk(port, "GET / HTTP/1.1\r\nHo"))
    assert.equal("", talk(port, "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"))
  end)

  it("answers what is under way when it is told to end, and ends idle connections", function()
    local p, port = start("http_server")
    co.run(function()
      local busy <close> = connect(port)
      local idle <close> = connect(port)
      idle:send("GET / HTTP/1.1\r\n\r\n")
      idle:receiveUntil("bytes\n")
      busy:send("PUT / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
      busy:receiveUntil("\r\n\r\n")
      p:signal("TERM")
      assert.equal(co.EOF, select(2, idle:receive()))
      busy:send("ok")
      assert.matches("Connection: close\r\n\r\nPUT /, 2 bytes\n$", busy:receive("all"))
    end)
    assert.same({ "closing\n", 0 }, { p:finish() })
  end)
end)

--- The port of a server in this process that sends this to each client and ends.
local function says(text)
  local server = co.listen(0, "127.0.0.1")
  server:serve(function(socket)
    socket:receiveUntil("\r\n\r\n")
    socket:send(text)
  end)
  return server, ("http://127.0.0.1:%d/"):format(server:address().port)
end

describe("examples/tasks/fetch", function()
  it("prints a line for each page, in order", function()
    local _, port = start("http_server")
    local url = ("http://127.0.0.1:%d/x"):format(port)
    local list = {}
    for i = 1, 20 do list[i] = url end
    list[21] = "http://127.0.0.1:1/"
    local output, code = run_example("fetch", table.unpack(list))
    assert.equal(0, code)
    assert.equal(("200 16\t%s\n"):format(url):rep(20)
      .. "Error: connect ECONNREFUSED 127.0.0.1:1\thttp://127.0.0.1:1/\n", output)
  end)

  local answers = {
    ["200 5"] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more",
    ["200 7"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "3;x=y\r\nabc\r\n0004\r\ndefg\r\n0\r\nt: 1\r\n\r\n",
    ["404 3"] = "HTTP/1.0 404 No\r\n\r\nabc",
    ["204 0"] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n",
    ["no HTTP: what"] = "what\r\n\r\n",
    ["no chunk: g"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ng\r\n",
    ["the body is too long"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
    ["a body of -1 bytes"] = "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ["Error: The end of the stream"] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
  }
  for expected, answer in pairs(answers) do
    it("takes an answer for what it is: " .. expected, function()
      task(function()
        local server <close>, url = says(answer)
        assert(server.listening)
        local words = { "examples/tasks/fetch.lua", url }
        local kid = child.spawn(os.getenv("LUA") or "lua5.4", words, { env = {
          LUA_PATH = package.path, LUA_CPATH = package.cpath, PATH = os.getenv("PATH") } })
        assert.equal(expected .. "\t" .. url .. "\n", kid.stdout:receive("all"))
      end)
    end)
  end
end)

describe("examples/tasks/socks5", function()
  local function greet(socket, request)
    socket:send("\5\1\0", request)
    assert.equal("\5\0", socket:receive(2))
    return socket:receive(10)
  end

  local function request_to(port) return string.pack(">BBBB BBBB I2", 5, 1, 0, 1, 127, 0, 0, 1, port) end

  it("goes on in each direction after the end of the other", function()
    local p, port = start("socks5")
    task(function()
      local server <close> = assert(co.listen({ port = 0, host = "127.0.0.1", allowHalfOpen = true }))
      server:serve(function(socket) socket:send("heard " .. socket:receive("all")) end)
      local socket <close> = connect(port)
      assert.equal("\5\0\0\1\0\0\0\0\0\0", greet(socket, request_to(server:address().port)))
      socket:send(("x"):rep(100000))
      socket:finish()
      assert.equal("heard " .. ("x"):rep(100000), socket:receive("all"))
    end)
    assert.equal("", interrupt(p))
  end)

  it("says what it cannot", function()
    local _, port = start("socks5")
    task(function()
      for request, code in pairs({
        [request_to(1)] = 5,
        ["\5\2" .. request_to(1):sub(3)] = 7, -- BIND
        ["\5\1\0\2"] = 8, -- no such kind of address
        ["\5\1\0\3\18nothing.in.invalid" .. "\0\80"] = 1,
      }) do
        local socket <close> = connect(port)
        assert.equal(string.char(5, code), (greet(socket, request) or ""):sub(1, 2))
        assert.equal(co.EOF, select(2, socket:receive()))
      end
    end)
    assert.equal("", talk(port, "GET / HTTP/1.0\r\n\r\n"))
    assert.equal("\5\255", talk(port, "\5\1\2")) -- a password
    assert.equal("", talk(port, ""))
  end)
end)

describe("examples/tasks/smtp_sink", function()
  local function session(port, ...)
    local answer = talk(port, table.concat({ ... }, "\r\n") .. "\r\n")
    local codes = {}
    for code in answer:gmatch("(%d%d%d) [^\r\n]*\r\n") do codes[#codes + 1] = code end
    return table.concat(codes, " ")
  end

  it("takes several mails in one piece, with dots doubled, and prints a line for each", function()
    local p, port = start("smtp_sink")
    assert.equal("220 250 250 250 354 250 250 250 250 354 250 221", session(port, "EHLO me",
      "MAIL FROM:<a@x> SIZE=12", "RCPT TO:<b@y>", "DATA", "Subject: one", "", "..", ".",
      "mail from: <>", "rcpt to:<c@z>", "rcpt TO:<d@z>", "DATA", ".", "QUIT", "NOOP"))
    assert.equal('from a@x to b@y: 19 bytes, subject "one"', p:line())
    assert.equal('from  to c@z d@z: 0 bytes, subject ""', p:line())
    assert.equal("", interrupt(p))
  end)

  it("refuses what is out of order, or too much", function()
    local p, port = start("smtp_sink")
    assert.equal("220 503 503 501 250 503 501 250 500 500 552 252 221", session(port, "RCPT TO:<a@b>", "DATA",
      "MAIL you", "MAIL FROM:<a@b>", "MAIL FROM:<a@b>", "RCPT you", "RSET", "WHAT", "!",
      "MAIL FROM:<a@b> SIZE=99999999", "VRFY x", "QUIT"))
    assert.equal("220 500", session(port, ("x"):rep(5000)))
    assert.equal("220 250 250 354", session(port, "MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA", "half a mail"))
    assert.equal("", interrupt(p))
  end)
end)

describe("examples/tasks/chat", function()
  it("tells what one says to the others, who comes and who goes", function()
    local p, port = start("chat")
    co.run(function()
      local one <close> = connect(port)
      assert.matches("^welcome, you are guest %d+$", one:receive())
      local two <close> = connect(port)
      two:receive()
      assert.matches("^guest %d+ is here$", one:receive())
      two:send("hello room\n")
      assert.matches("^guest %d+: hello room$", one:receive())
      two:destroy()
      assert.matches("^guest %d+ has left$", one:receive())
      one:send(("x"):rep(600), "\n")
      assert.equal(co.EOF, select(2, one:receive()))
    end)
    assert.equal("", interrupt(p))
  end)

  it("goes on where somebody does not read", function()
    local _, port = start("chat")
    co.run(function()
      local lazy <close> = connect(port)
      lazy:pause()
      local one <close> = connect(port)
      local two <close> = connect(port)
      one:receive("line")
      two:receive("line")
      while not one:receive("line"):find("is here") do end
      local text = ("x"):rep(480)
      for i = 1, 20000 do
        two:send(text, " ", ("%05d"):format(i), "\n")
        if i % 50 == 0 then -- the room has 100 lines for each
          for _ = 1, 50 do assert.matches("x %d+$", one:receive()) end
        end
      end
    end)
  end)
end)

describe("examples/tasks/pool", function()
  it("finds the ports that are open", function()
    local _, port = start("http_server")
    local output, code = run_example("pool", "127.0.0.1", port, port)
    assert.same({ ("%d\n1 of 1 are open\n"):format(port), 0 }, { output, code })
  end)
end)

describe("examples/tasks/health", function()
  it("tells once what is up, and again when that changes", function()
    local web, port = start("http_server")
    local p = process.spawn(process.lua("examples/tasks/health.lua", 3600, "http:127.0.0.1:" .. port))
    spawned[#spawned + 1] = p
    assert.equal(("http:127.0.0.1:%d\tup"):format(port), p:line())
    p:signal("HUP")
    interrupt(web)
    p:signal("HUP")
    assert.matches("\tdown: .*$", (p:line()))
    assert.equal("", interrupt(p))
  end)

  it("says which word is no target", function()
    local output, code = run_example("health", "ftp:x:1")
    assert.equal(1, code)
    assert.matches("ftp:x:1 is no KIND:HOST:PORT", output, 1, true)
  end)
end)

describe("examples/tasks/shutdown", function()
  it("does what it was sent, says bye to who is idle, and tells each step", function()
    local p, port = start("shutdown")
    co.run(function()
      local busy <close> = connect(port)
      local idle <close> = connect(port)
      idle:send("nonsense\n")
      assert.equal("what?", idle:receive())
      busy:send("sleep 0\nsleep 300\nsleep 1\n")
      assert.equal("slept 0", busy:receive())
      p:signal("TERM")
      assert.equal("bye\n", idle:receive("all"))
      assert.equal("slept 300\nslept 1\nbye\n", busy:receive("all"))
    end)
    assert.same({ "SIGTERM\tclosing, open connections: 2\nall is done\nended, open connections: 0\n", 0 },
      { p:finish() })
  end)

  it("is cut off by a second signal", function()
    local p, port = start("shutdown")
    co.run(function()
      local busy <close> = connect(port)
      busy:send("sleep 0\nsleep 3600000\n")
      assert.equal("slept 0", busy:receive())
      p:signal("TERM")
      p:expect("closing")
      p:signal("INT")
      assert.is_nil((busy:receive()))
    end)
    assert.same({ "a second signal\nended, open connections: 0\n", 0 }, { p:finish() })
  end)
end)

--- Runs `fn(where)` beside a server that calls `play(socket, n)` for the nth connection.
local function beside(play, fn)
  return within(function()
    co.run(function()
      local n = 0
      local server <close> = assert(co.listen(0, "127.0.0.1"))
      local serving <close> = server:serve(function(socket)
        n = n + 1
        play(socket, n)
      end, function() end)
      assert(serving)
      fn(server:address().port)
    end)
  end)
end

--- Sends each byte by itself.
local function trickle(socket, text)
  socket:setNoDelay(true)
  for i = 1, #text do
    socket:send(text:sub(i, i))
    co.yield()
  end
end

describe("the client of Redis", function()
  it("reads replies that come byte by byte", beside(function(socket)
    socket:receive("some")
    trickle(socket, "*5\r\n:-7\r\n$4\r\n\r\n\r\n\r\n$-1\r\n*-1\r\n*2\r\n+OK\r\n-ERR bad luck\r\n")
    socket:receive("all")
  end, function(where)
    local db = assert(redis.connect(where))
    local reply = db:call("ANY")
    assert.equal("ERR bad luck", tostring(reply[5][2]))
    reply[5][2] = nil
    assert.same({ -7, "\r\n\r\n", false, false, { "OK" } }, reply)
    co.timeout(10, db.close, db)
  end))

  it("sends a pipeline in one piece, words with whatever is in them", beside(function(socket)
    assert.equal("*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n*2\r\n$4\r\nECHO\r\n$2\r\n17\r\n", socket:receive("some"))
    socket:send("$-1\r\n$2\r\n17\r\n")
    socket:receive("some")
    socket:send("+OK\r\n")
  end, function(where)
    local db = assert(redis.connect(where))
    assert.same({ false, "17" }, db:pipeline({ { "GET", "a\r\n" }, { "ECHO", 17 } }))
    db:close()
  end))

  for text, expected in pairs({
    ["HTTP/1.1 400 Bad Request\r\n"] = "not Redis: HTTP/1.1 400 Bad Request",
    ["$x\r\n"] = "not Redis: a length of x",
    ["*99999999\r\n"] = "not Redis: a length of 99999999",
    [":one\r\n"] = "not Redis: an integer one",
    ["$10\r\nhalf"] = "Redis has closed the connection",
    ["*2\r\n:1\r\n"] = "Redis has closed the connection",
    ["+OK\r\n+OK\r\n+OK\r\n"] = "OK",
  }) do
    it("is not misled by " .. text:gsub("%c+", " "), beside(function(socket)
      socket:receive("some")
      socket:send(text)
    end, function(where)
      local db = assert(redis.connect(where))
      local value, err = db:call("PING")
      assert.equal(expected, value or tostring(err))
      db:close()
    end))
  end

  it("connects again for the next call, and says first what it has to", beside(function(socket, n)
    if n == 2 then -- a server that is not ready yet
      return
    end
    assert.equal("*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n", socket:receive(23))
    socket:send("+OK\r\n")
    if n == 3 then
      socket:receive("some")
      socket:send("+back\r\n")
      socket:receive("some")
      socket:send("+OK\r\n")
    end
  end, function(where)
    local db = assert(redis.connect(where, { { "SELECT", 7 } }))
    while not db.link.failure do co.yield() end
    assert.equal("back", db:call("GET", "x"))
    db:close()
  end))

  it("leaves no connection behind when it is given up while it connects", beside(function(socket)
    socket:receive("all")
  end, function(where)
    assert.equal("ERR_TIMEOUT", select(2, co.timeout(20, redis.connect, where, { { "PING" } })).code)
  end))
end)

local function message(kind, body)
  return kind .. string.pack(">I4", #body + 4) .. body
end

local WELCOME = message("R", "\0\0\0\0") .. message("S", "server_version\00017\0")
  .. message("K", "\0\0\0\1\0\0\0\2") .. message("Z", "I")
local COLUMN = message("T", "\0\1n\0" .. ("\0"):rep(6) .. "\0\0\0\23" .. ("\0"):rep(8))

local function welcome(socket)
  local length = string.unpack(">I4", socket:receive(4))
  socket:receive(length - 4)
  socket:send(WELCOME)
end

describe("the client of PostgreSQL", function()
  it("reads rows that come byte by byte", beside(function(socket)
    welcome(socket)
    socket:receive("some")
    trickle(socket, COLUMN .. message("D", "\0\1\0\0\0\00242") .. message("N", "SNOTICE\0\0")
      .. message("D", "\0\1\255\255\255\255") .. message("C", "SELECT 2\0") .. message("Z", "I"))
    socket:receive("all")
  end, function(where)
    local db <close> = assert(postgres.connect(where, "me"))
    local result = assert(db:query("select n"))
    assert.same({ { 42, n = 42 }, {} }, result.rows)
    assert.equal("SELECT 2", result.command)
  end))

  for name, play in pairs({
    ["the server asks for a password, of kind 5"] = message("R", "\0\0\0\5salt"),
    ["FATAL 3D000: no such database"] = message("E", "SFATAL\0VFATAL\0C3D000\0Mno such database\0\0"),
    ["not PostgreSQL: a message \"H\" of 1414811695 bytes"] = "HTTP/1.1 400 Bad Request\r\n\r\n",
    ["not PostgreSQL: a message \"R\" that has no sense"] = message("R", "\0"),
    ["Error: The end of the stream"] = message("R", "\0\0\0\0"),
  }) do
    it("says why it cannot begin: " .. name, beside(function(socket)
      socket:receive("some")
      socket:send(play)
    end, function(where)
      local db, err = postgres.connect(where, "me")
      assert.is_nil(db)
      assert.equal(name, tostring(err))
    end))
  end

  it("gives nil and the error where the server goes half-way", beside(function(socket)
    welcome(socket)
    socket:receive("some")
    socket:send(COLUMN .. message("D", "\0\1\0\0\0\00242"):sub(1, -2))
  end, function(where)
    local db <close> = assert(postgres.connect(where, "me"))
    assert.same({ nil, co.EOF }, { db:query("select n") })
    assert.is_nil((db:query("select n")))
  end))

  it("gives nil and the error where a row has no columns", beside(function(socket)
    welcome(socket)
    socket:receive("some")
    socket:send(message("D", "\0\1\0\0\0\00242"))
    socket:receive("all")
  end, function(where)
    local db <close> = assert(postgres.connect(where, "me"))
    assert.equal("not PostgreSQL: a message \"D\" that has no sense", select(2, db:query("select n")))
  end))

  local cancelled = co.queue()

  it("asks on a second connection that the first be cancelled", beside(function(socket, n)
    if n == 2 then
      assert.equal(string.pack(">I4I4I4I4", 16, 80877102, 1, 2), socket:receive(16))
      cancelled:push(true)
      return
    end
    welcome(socket)
    socket:receive("some")
    socket:send(COLUMN:sub(1, 9)) -- half of a message is there when it is given up
    cancelled:get()
    socket:send(COLUMN:sub(10), message("E", "SERROR\0C57014\0Mcancelled\0\0"), message("Z", "I"))
    socket:receive("some")
    socket:send(message("I", ""), message("Z", "I"))
    socket:receive("all")
  end, function(where)
    local db <close> = assert(postgres.connect(where, "me"))
    assert.equal("ERR_TIMEOUT", select(2, co.timeout(20, db.query, db, "select n")).code)
    assert.same({ rows = {} }, db:query(""))
  end))
end)
