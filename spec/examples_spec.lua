-- SPDX-License-Identifier: MIT

-- Every program in examples/ is run as a person runs it, in a process of its
-- own, and spoken to by programs that are not ours: socat, curl, wrk, a Redis
-- server. `make deps` installs them.

local process = require("spec.support.process")

local quote, run = process.quote, process.run

local spawned, scratch = {}, nil

--- Starts an example; it is ended after the spec if it is still there.
local function start(name, ...)
  local p = process.spawn(process.lua("examples/" .. name .. ".lua", ...))
  spawned[#spawned + 1] = p
  return p
end

local function spawn(command)
  local p = process.spawn(command)
  spawned[#spawned + 1] = p
  return p
end

--- Starts an example that listens on a free port; returns it and the port.
local function start_server(name, ...)
  local p = start(name, ...)
  return p, p:expect("^listening on .*:(%d+)$")
end

--- Runs an example to its end: its output and exit code.
local function run_example(name, ...)
  return run(process.lua("examples/" .. name .. ".lua", ...) .. " 2>&1")
end

--- What comes back over a connection to this port after sending `text`.
local function talk(port, text)
  return run(("printf %%b %s | socat -t60 - TCP:127.0.0.1:%d"):format(quote(text), port))
end

--- Has a process end by SIGINT: the rest of its output. It must exit with 0.
local function interrupt(p)
  p:signal("INT")
  local rest, code = p:finish()
  assert.equal(0, code)
  return rest
end

--- Random bytes in a file, and the same bytes back through socat.
local function assert_echoes(address, mebibytes)
  local output, code = run(([[
    cd %s && head -c %d /dev/urandom >sent &&
    socat -t60 - %s <sent >returned && cmp sent returned && echo same]]):format(
    scratch, mebibytes * 1048576, address))
  assert.same({ "same\n", 0 }, { output, code })
end

--- Whether a file is there.
local function exists(path)
  return os.execute("test -e " .. path) == true
end

--- Reads a whole file.
local function read_file(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

describe("the README's first program", function()
  after_each(function()
    spawned[#spawned]:kill()
  end)

  it("runs as pasted, but for its port", function()
    local text = read_file("README.md"):match("```lua\n(.-)```")
    local file = os.tmpname()
    local script = assert(io.open(file, "w"))
    script:write((text:gsub("8124", "0")))
    script:close()
    local server = spawn(process.lua(file))
    local port = server:expect("^listening on port (%d+)$")
    os.remove(file)
    assert.equal("what you type", talk(port, "what you type"))
  end)
end)

describe("the example", function()
  before_each(function()
    scratch = run("mktemp -d"):gsub("\n", "")
  end)

  after_each(function()
    for _, p in ipairs(spawned) do
      p:kill()
    end
    spawned = {}
    run("rm -rf " .. scratch)
  end)

  describe("echo_server.lua", function()
    it("sends back what it gets, and tells who came and went", function()
      local server, port = start_server("echo_server", 0, "127.0.0.1")
      assert.equal("one\ntwo\n", talk(port, "one\\ntwo\\n"))
      local peer = server:expect("^connected: (127%.0%.0%.1:%d+)$")
      assert.equal("closed: " .. peer .. ", 8 bytes", server:line())
      assert.equal("closing\n", interrupt(server))
    end)

    it("listens on all addresses when no host is given", function()
      local server = start("echo_server", 0)
      local port = server:expect("^listening on %[::%]:(%d+)$")
      assert.equal("hi", talk(port, "hi"))
      interrupt(server)
    end)

    it("returns 20 MiB byte for byte", function()
      local _, port = start_server("echo_server", 0, "127.0.0.1")
      assert_echoes("TCP:127.0.0.1:" .. port, 20)
    end)

    it("closes the connections there are on SIGINT", function()
      local server, port = start_server("echo_server", 0, "127.0.0.1")
      local client = io.popen(("socat -t60 - TCP:127.0.0.1:%d >%s/out"):format(port, scratch), "w")
      client:write("text")
      client:flush()
      server:expect("^connected")
      assert.matches("^closing\nclosed: 127%.0%.0%.1:%d+, %d bytes\n$", interrupt(server))
      client:close()
    end)

    it("exits with 1 and a reason where the port is taken", function()
      local _, port = start_server("echo_server", 0, "127.0.0.1")
      local output, code = run_example("echo_server", port, "127.0.0.1")
      assert.same({ "echo_server: Error: listen EADDRINUSE: address already in use 127.0.0.1:" ..
        port .. "\n", 1 }, { output, code })
    end)
  end)

  describe("echo_client.lua", function()
    it("sends lines to the server, and gets them back", function()
      local _, port = start_server("echo_server", 0, "127.0.0.1")
      local output, code = run_example("echo_client", port, "127.0.0.1", "one", "two words")
      assert.equal(("connected to 127.0.0.1:%d\n> one\n< one\n> two words\n< two words\n"
        .. "2 lines came back\n"):format(port), output)
      assert.equal(0, code)
    end)

    it("exits with 1 where a line comes back changed", function()
      local server = spawn("socat -d -d TCP-LISTEN:0,bind=127.0.0.1 'EXEC:sed -u s/two/TWO/'")
      local port = server:expect("listening on AF=2 127%.0%.0%.1:(%d+)")
      local output, code = run_example("echo_client", port, "127.0.0.1", "one", "two")
      assert.matches("< TWO\necho_client: line 2 came back changed\n$", output)
      assert.equal(1, code)
    end)

    it("exits with 1 where the server hangs up", function()
      local server = spawn("socat -d -d TCP-LISTEN:0,bind=127.0.0.1 EXEC:true")
      local port = server:expect("listening on AF=2 127%.0%.0%.1:(%d+)")
      local output, code = run_example("echo_client", port, "127.0.0.1", "one")
      assert.matches("echo_client: ", output)
      assert.equal(1, code)
    end)

    it("exits with 1 and a reason where nobody listens", function()
      local server, port = start_server("echo_server", 0, "127.0.0.1")
      interrupt(server)
      local output, code = run_example("echo_client", port, "127.0.0.1")
      assert.same({ "echo_client: Error: connect ECONNREFUSED 127.0.0.1:" .. port .. "\n", 1 },
        { output, code })
    end)
  end)

  describe("ipc_echo.lua", function()
    local function start_ipc()
      local path = scratch .. "/echo.sock"
      local server = start("ipc_echo", "server", path)
      return server, path
    end

    it("talks over a Unix socket, and removes its file", function()
      local server, path = start_ipc()
      assert.equal("listening on " .. path, server:line())
      local output, code = run_example("ipc_echo", "client", path, "some text")
      assert.same({ "some text\n", 0 }, { output, code })
      assert.equal("echoed 9 bytes", server:line())
      assert.equal("hello", run("printf hello | socat -t60 - UNIX-CONNECT:" .. path))
      assert_echoes("UNIX-CONNECT:" .. path, 20)
      assert.matches("closing\n$", interrupt(server))
      assert.is_false(exists(path))
    end)

    it("takes over the file that a crashed server has left", function()
      local server, path = start_ipc()
      server:expect("^listening on")
      server:signal("HUP") -- ends it there and then
      server:finish()
      assert.is_true(exists(path))
      server = start_ipc()
      assert.equal("removing what a crash left at " .. path, server:line())
      assert.equal("listening on " .. path, server:line())
      assert.equal("again\n", (run_example("ipc_echo", "client", path, "again")))
      interrupt(server)
      assert.is_false(exists(path))
    end)

    it("leaves the file of a living server alone", function()
      local server, path = start_ipc()
      server:expect("^listening on")
      local output, code = run_example("ipc_echo", "server", path)
      assert.same({ "ipc_echo: " .. path .. " is served by another process\n", 1 },
        { output, code })
      assert.equal("still here\n", (run_example("ipc_echo", "client", path, "still here")))
    end)

    it("exits with 1 and a reason where nobody listens", function()
      local path = scratch .. "/none.sock"
      local output, code = run_example("ipc_echo", "client", path)
      assert.same({ "ipc_echo: Error: connect ENOENT " .. path .. "\n", 1 }, { output, code })
    end)
  end)

  describe("chat.lua", function()
    --- Somebody who only reads.
    local function reader(port)
      return spawn(("socat -u TCP:127.0.0.1:%d -"):format(port))
    end

    --- Somebody who only writes, and whose file handle this is.
    local function writer(port)
      return io.popen(("exec socat -t60 - TCP:127.0.0.1:%d >%s/written"):format(port, scratch), "w")
    end

    it("tells everybody what one says, and who comes and goes", function()
      local server, port = start_server("chat", 0, "127.0.0.1")
      local listener = reader(port)
      assert.equal("* welcome, guest1; commands: /name NAME, /who, /quit", listener:line())
      local ann = writer(port)
      assert.equal("* guest2 came", listener:line())
      ann:write("hello\n/name ann\nI am Ann\n")
      ann:flush()
      assert.equal("guest2: hello", listener:line())
      assert.equal("* guest2 is now ann", listener:line())
      assert.equal("ann: I am Ann", listener:line())
      ann:close()
      assert.equal("* ann left", listener:line())
      local out = interrupt(server)
      assert.matches("ann left, 1 here\nclosing\n", out)
      assert.equal("* the server closes, good bye\n", (listener:finish()))
    end)

    it("obeys commands", function()
      local _, port = start_server("chat", 0, "127.0.0.1")
      local listener = reader(port)
      listener:line()
      local answer = talk(port, "/name guest1\\n/name a b\\n/name bob\\n/who\\n/dance\\n/quit\\nx\\n")
      assert.equal(table.concat({
        "* welcome, guest2; commands: /name NAME, /who, /quit",
        "* there is a guest1 already",
        "* a name is up to 20 letters, digits, _ and -",
        "* you are bob",
        "* here are: guest1, bob",
        "* no such command: /dance",
        "* good bye\n" }, "\n"), answer)
      assert.equal("* guest2 came", listener:line())
      assert.equal("* guest2 is now bob", listener:line())
      assert.equal("* bob left", listener:line())
    end)

    it("keeps characters whole that come in pieces", function()
      local _, port = start_server("chat", 0, "127.0.0.1")
      local listener = reader(port)
      listener:line()
      run(("printf 'h\u{e4}\u{20ac}\u{1f600}\\n' | socat -b1 -u - TCP:127.0.0.1:%d"):format(port))
      listener:line()
      assert.equal("guest2: h\u{e4}\u{20ac}\u{1f600}", listener:line())
    end)

    it("drops who sends a line without end", function()
      local server, port = start_server("chat", 0, "127.0.0.1")
      run(("head -c 100000 /dev/zero | tr '\\0' x | socat -u - TCP:127.0.0.1:%d 2>&1")
        :format(port))
      server:expect("^guest1 left %(a line without end%), 0 here$")
    end)

    it("drops who does not read, and nobody else #slow", function()
      local server, port = start_server("chat", 0, "127.0.0.1")
      reader(port):line() -- and no more
      local flood = ("yes $(head -c 1000 /dev/zero | tr '\\0' x) | head -c 40000000 | " ..
        "socat -u - TCP:127.0.0.1:%d"):format(port)
      assert.equal(0, select(2, run(flood)))
      server:expect("^guest1 left %(too slow%), 1 here$")
      server:expect("^guest2 left.*, 0 here$")
    end)
  end)

  describe("proxy.lua", function()
    it("passes on what both sides say, also after one has ended", function()
      local _, target = start_server("echo_server", 0, "127.0.0.1")
      local proxy, port = start_server("proxy", 0, "127.0.0.1:" .. target)
      assert.equal("one\ntwo\n", talk(port, "one\\ntwo\\n"))
      assert.equal("1: open", proxy:line())
      assert.equal("1: closed, 8 bytes to the target, 8 back", proxy:line())
      assert_echoes("TCP:127.0.0.1:" .. port, 20)
      assert.matches("closing\n$", interrupt(proxy))
    end)

    it("serves curl what another server says", function()
      local _, target = start_server("http_hello", 0, "127.0.0.1")
      local _, port = start_server("proxy", 0, "localhost:" .. target)
      assert.same({ "Hello, world!\n", 0 }, { run("curl -sS http://127.0.0.1:" .. port) })
    end)

    it("reaches a target on a Unix socket", function()
      local path = scratch .. "/target.sock"
      start("ipc_echo", "server", path):expect("^listening")
      local _, port = start_server("proxy", 0, path)
      assert.equal("through two", talk(port, "through two"))
    end)

    it("hangs up on its client where the target cannot be reached", function()
      local server, target = start_server("echo_server", 0, "127.0.0.1")
      interrupt(server)
      local proxy, port = start_server("proxy", 0, "127.0.0.1:" .. target)
      assert.equal("", talk(port, "anybody?"))
      assert.equal("1: target: connect ECONNREFUSED 127.0.0.1:" .. target,
        proxy:expect("^1: target: .*$"))
      proxy:expect("^1: closed")
    end)

    it("hangs up on the target when its client breaks off", function()
      local server, target = start_server("echo_server", 0, "127.0.0.1")
      local proxy, port = start_server("proxy", 0, "127.0.0.1:" .. target)
      -- linger=0: closing is a reset
      run(("printf text | socat -u - TCP:127.0.0.1:%d,linger=0"):format(port))
      proxy:expect("^1: closed")
      server:expect("^closed: ")
    end)

    it("goes on serving who is there after SIGINT, and exits with the last", function()
      local _, target = start_server("echo_server", 0, "127.0.0.1")
      local proxy, port = start_server("proxy", 0, "127.0.0.1:" .. target)
      local client = io.popen(("exec socat -t60 - TCP:127.0.0.1:%d >%s/out"):format(port, scratch),
        "w")
      proxy:expect("^1: open$")
      proxy:signal("INT")
      proxy:expect("^closing$")
      client:write("after SIGINT")
      client:close()
      assert.same({ "1: closed, 12 bytes to the target, 12 back\n", 0 }, { proxy:finish() })
      assert.equal("after SIGINT", run("cat " .. scratch .. "/out"))
    end)

    it("refuses a target that is none", function()
      local output, code = run_example("proxy", 0, "nonsense")
      assert.same({ "proxy: TARGET must be HOST:PORT, [IPv6]:PORT or a path\n", 1 },
        { output, code })
    end)
  end)

  describe("static.lua", function()
    local port, server

    before_each(function()
      assert.equal(0, (select(2, run(([[cd %s && mkdir -p site/sub && printf hello >site/index.html &&
        head -c 5000000 /dev/urandom >site/sub/big.bin && : >site/empty.txt]]):format(scratch)))))
      server, port = start_server("static", scratch .. "/site", 0, "127.0.0.1")
    end)

    --- What curl says of a path: all that it prints, with these words before the URL.
    local function curl(words, path)
      return (run(("curl -sS --path-as-is %s 'http://127.0.0.1:%d%s'"):format(words, port, path)))
    end

    local STATUS = "-o /dev/null -w '%{http_code}'"

    it("sends a file byte for byte", function()
      curl("-o " .. scratch .. "/back", "/sub/big.bin")
      assert.equal("same\n", (run(("cd %s && cmp site/sub/big.bin back && echo same"):format(scratch))))
    end)

    it("sends a part of one", function()
      assert.equal("ell", curl("-r 1-3", "/index.html"))
      assert.equal("lo", curl("-r -2", "/index.html"))
      assert.matches("\r\nContent%-Range: bytes 3%-4/5\r\n\r\nlo$", curl("-i -r 3-", "/index.html"))
      assert.equal("416", curl(STATUS .. " -r 5-", "/index.html"))
    end)

    it("answers for a directory with its index, and HEAD without a body", function()
      assert.equal("hello", curl("", "/"))
      assert.matches("\r\nContent%-Length: 5\r\n.*\r\n\r\n$", curl("-I", "/index.html"))
    end)

    it("sends an empty file at once", function()
      assert.matches("^HTTP/1%.1 200 OK\r\n.*\r\nContent%-Length: 0\r\n.*\r\n\r\n$",
        curl("-i", "/empty.txt"))
    end)

    it("has nothing else to show", function()
      for path, status in pairs({ ["/none"] = "404", ["/sub"] = "404", ["/sub/"] = "404",
                                  ["/../sent"] = "404", ["/%2e%2e/x"] = "404", ["/a%00b"] = "404" }) do
        assert.equal(status, curl(STATUS, path), path)
      end
      assert.equal("405", curl(STATUS .. " -d x", "/index.html"))
      assert.matches("^HTTP/1%.1 400 ", talk(port, "nonsense\\r\\n\\r\\n"))
    end)

    it("ends by ^C", function()
      assert.equal("closing", interrupt(server):match("closing"))
    end)
  end)

  describe("http_hello.lua", function()
    local port, server

    before_each(function()
      server, port = start_server("http_hello", 0, "127.0.0.1")
    end)

    --- Runs curl with these words before the URL.
    local function curl(words)
      local output, code = run(("curl -sS %s http://127.0.0.1:%d/"):format(words, port))
      assert.equal(0, code)
      return output
    end

    --- The status codes in what came back over a connection.
    local function statuses(text)
      local list = {}
      for status in text:gmatch("HTTP/1%.1 (%d+)") do
        list[#list + 1] = status
      end
      return table.concat(list, " ")
    end

    local GET = "GET / HTTP/1.1\\r\\nHost: x\\r\\n"

    it("answers curl", function()
      local answer = curl("-i")
      assert.matches("^HTTP/1%.1 200 OK\r\nDate: %a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT\r\n",
        answer)
      assert.matches("\r\nContent%-Length: 14\r\n\r\nHello, world!\n$", answer)
    end)

    it("keeps a connection for the next request", function()
      local url = ("http://127.0.0.1:%d/"):format(port)
      assert.equal("1 0 0 ", (run(("curl -sS -w '%%{num_connects} ' -o /dev/null -o /dev/null "
        .. "-o /dev/null %s %s %s"):format(url, url, url))))
    end)

    it("closes the connection where it is told to, and after HTTP/1.0", function()
      assert.matches("\r\nConnection: close\r\n", curl("-i -H 'Connection: close'"))
      assert.matches("\r\nConnection: close\r\n", curl("-i -0"))
      assert.matches("\r\nConnection: keep%-alive\r\n", curl("-i -0 -H 'Connection: Keep-Alive'"))
      assert.equal("200", statuses(talk(port, GET .. "Connection: close\\r\\n\\r\\n" .. GET ..
        "\\r\\n")))
    end)

    it("answers HEAD without a body", function()
      assert.matches("\r\nContent%-Length: 14\r\n\r\n$", curl("-I"))
    end)

    it("answers requests that come all at once", function()
      local many = (GET .. "\\r\\n"):rep(100)
      assert.equal(("200 "):rep(100), statuses(talk(port, many)) .. " ")
    end)

    it("answers requests that come byte by byte", function()
      local answer = run(("printf %s | socat -b1 -t60 - TCP:127.0.0.1:%d"):format(
        quote((GET .. "\\r\\n"):rep(3)), port))
      assert.equal("200 200 200", statuses(answer))
    end)

    it("accepts lines that end without a carriage return, and empty lines before", function()
      assert.equal("200 200", statuses(talk(port, "\\r\\nGET / HTTP/1.1\\nHost: x\\n\\n\\n" .. GET ..
        "\\r\\n")))
    end)

    it("refuses other methods, and reads over their bodies", function()
      assert.matches("^HTTP/1%.1 405 .*\r\nAllow: GET, HEAD\r\n", curl("-i -d 'a body'"))
      local post = "POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 20\\r\\n\\r\\n"
      assert.equal("405 200", statuses(talk(port, post .. ("x"):rep(20) .. GET .. "\\r\\n")))
      local file = scratch .. "/body"
      run("head -c 1000000 /dev/zero >" .. file)
      assert.matches("^HTTP/1%.1 405 ", curl("-i --data-binary @" .. file))
    end)

    for name, case in pairs({
      ["a request that is none"] = { "garbage\\r\\n\\r\\n", "400" },
      ["a request line without a version"] = { "GET /\\r\\n\\r\\n", "400" },
      ["a header that is none"] = { GET .. "no colon\\r\\n\\r\\n", "400" },
      ["a header with a blank in its name"] = { GET .. "Na me: x\\r\\n\\r\\n", "400" },
      ["HTTP/1.1 without a Host"] = { "GET / HTTP/1.1\\r\\n\\r\\n", "400" },
      ["a length that is none"] = { GET .. "Content-Length: -1\\r\\n\\r\\n", "400" },
      ["two lengths"] = { GET .. "Content-Length: 1\\r\\nContent-Length: 2\\r\\n\\r\\n", "400" },
      ["a body of unknown length"] = { GET .. "Transfer-Encoding: chunked\\r\\n\\r\\n", "411" },
      ["a body that is too long"] = { GET .. "Content-Length: 99999999\\r\\n\\r\\n", "413" },
      ["a header that is too long"] = { GET .. "X: " .. ("x"):rep(20000) .. "\\r\\n\\r\\n", "431" },
      ["a header without end"] = { GET .. "X: " .. ("x"):rep(20000), "431" },
      ["HTTP/2"] = { "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n", "505" },
    }) do
      it(("refuses %s with %s, and closes"):format(name, case[2]), function()
        local answer = talk(port, case[1] .. (GET .. "\\r\\n"):rep(2))
        assert.equal(case[2], statuses(answer))
        assert.matches("\r\nConnection: close\r\n", answer)
      end)
    end

    it("tells curl of a header that is too long", function()
      assert.matches("^HTTP/1%.1 431 ", curl("-i -H X:" .. ("x"):rep(20000)))
    end)

    it("stops reading while its answers are not read #slow", function()
      -- Asks without reading until nothing moves any more, and then reads it all.
      local client = scratch .. "/client.lua"
      local script = assert(io.open(client, "w"))
      script:write([[
        local net, timers = require("net"), require("net.timers")
        local many, request = 2000, ("GET / HTTP/1.1\r\nHost: x\r\n\r\n"):rep(1000)
        local socket = net.connect((...), "127.0.0.1"):pause()
        local sent, answers, stuck = 0, 0, nil
        local function read_all()
          print(sent < many)
          socket:off("drain", write_more)
          socket:resume():finish()
        end
        function write_more()
          timers.clearTimeout(stuck)
          stuck = timers.setTimeout(read_all, 1000)
          repeat sent = sent + 1 until not socket:write(request) or sent == many
        end
        socket:on("connect", write_more):on("drain", write_more)
        socket:on("data", function(chunk) answers = answers + select(2, chunk:gsub("!", "")) end)
        socket:on("end", function() print(answers == sent * 1000) end)
        net.run()]])
      script:close()
      assert.equal("true\ntrue\n", (run(process.lua(client, port) .. " 2>&1")))
    end)

    it("serves wrk without an error #slow", function()
      local report = run(("wrk -t1 -c50 -d1s http://127.0.0.1:%d/"):format(port))
      assert.truthy(tonumber(report:match("(%d+) requests in")) > 100)
      assert.is_nil(report:find("Socket errors"))
      assert.is_nil(report:find("Non%-2xx"))
    end)

    it("ends idle connections on SIGINT", function()
      local client = io.popen(("socat -t60 - TCP:127.0.0.1:%d >%s/out"):format(port, scratch), "w")
      client:write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      client:flush()
      curl("") -- the client before is connected now
      assert.equal("closing\n", interrupt(server))
      client:close()
    end)
  end)

  describe("redis.lua", function()
    local redis, path

    before_each(function()
      path = scratch .. "/redis.sock"
      redis = spawn(("redis-server --port 0 --unixsocket %s --dir %s --save ''"):format(
        path, scratch))
      redis:expect("eady to accept connections")
    end)

    it("sets and gets, in one go and of any bytes, and leaves nothing", function()
      local output, code = run_example("redis", path)
      assert.equal(0, code)
      assert.same({
        "SET text                     OK",
        "GET text                     hello, Redis",
        "GET nothing                  nil",
        "INCR text                    ERR value is not an integer or out of range",
        "SET bytes, 261972 of them    OK",
        "GET bytes, all the same      true",
        "INCR count, 1000 at once     1000",
        "RPUSH list                   3",
        "LRANGE list                  one, two, three",
        "DEL                          4",
      }, { output:match((("([^\n]*)\n"):rep(10))) })
      assert.equal("0\n", (run("redis-cli -s " .. path .. " DBSIZE")))
    end)

    --- Runs a program that has the module as `redis`, and the path as `path`.
    local function run_client(program)
      local file = scratch .. "/client.lua"
      local script = assert(io.open(file, "w"))
      script:write('package.path = "examples/?.lua;" .. package.path\n',
        'local redis, path = require("redis"), ...\n', program, '\nrequire("net").run()\n')
      script:close()
      return run(process.lua(file, path) .. " 2>&1")
    end

    it("is a module, whose writes redis-cli reads", function()
      local output, code = run_client([[
        local client = redis.connect({ path = path })
        client:call("SET", "key", "from Lua"):call("GET", "key", print):quit()]])
      assert.same({ "nil\tfrom Lua\n", 0 }, { output, code })
      assert.equal("from Lua\n", (run("redis-cli -s " .. path .. " GET key")))
    end)

    it("reads nested replies, and errors in them", function()
      local output = run_client([[
        local client = redis.connect({ path = path })
        client:call("MULTI"):call("SET", "a", "text"):call("INCR", "a"):call("LRANGE", "none", 0, 1)
        client:call("EXEC", function(err, list)
          print(err, list.n, list[1], list[2].error, list[3].n)
        end)
        client:quit()]])
      assert.equal("nil\t3\tOK\tERR value is not an integer or out of range\t0\n", output)
    end)

    it("tells every command that still waits of a lost connection", function()
      local output, code = run_client([[
        local client = redis.connect({ path = path })
        client:call("BLPOP", "none", 0, print):call("GET", "x", print)
        client.socket:on("close", function() client:call("GET", "late", print) end)
        client.socket:once("connect", function()
          local other = redis.connect({ path = path })
          other:call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"):quit()
        end)]])
      assert.equal(0, code)
      assert.equal(("the connection was closed\n"):rep(3), output)
    end)

    it("exits with 1 and a reason where nobody listens", function()
      local output, code = run_example("redis", scratch .. "/none.sock")
      assert.same({ ("redis: Error: connect ENOENT %s/none.sock\n"):format(scratch), 1 },
        { output, code })
    end)

    it("exits with 1 where something else answers", function()
      local _, port = start_server("http_hello", 0, "127.0.0.1")
      local output, code = run_example("redis", port, "127.0.0.1")
      assert.same({ "redis: this is no Redis server\n", 1 }, { output, code })
    end)
  end)

  describe("half_open.lua", function()
    local peers -- port -> the client's name

    --- A client that ends when it is told to, and not before.
    local function connect(p, port, name)
      local client = io.popen(("exec socat -t60 - TCP:127.0.0.1:%d"):format(port), "w")
      local line = p:line()
      peers[line:match(":(%d+)$")] = name
      return client, line
    end

    --- Reads lines up to one that matches, into `lines`.
    local function read_to(p, lines, pattern)
      repeat
        lines[#lines + 1] = assert(p:line(), "the process has ended")
      until lines[#lines]:find(pattern)
    end

    --- Plays the whole story with one of the programs; its lines, with names for
    --- the ports, and the exit code.
    local function play(p)
      local lines = {}
      peers = {}
      read_to(p, lines, "^connection count: 0$")
      local port = table.concat(lines, "\n"):match("listening on [%d.]+:(%d+)")
      peers[port] = "PORT"
      local ann, bob
      ann, lines[#lines + 1] = connect(p, port, "ANN")
      read_to(p, lines, "^connection count: 1$")
      bob, lines[#lines + 1] = connect(p, port, "BOB")
      read_to(p, lines, "^connection count: 2$")
      p:signal("INT")
      read_to(p, lines, "^connection count: 2$")
      ann:close() -- socat had our FIN, and now answers it
      read_to(p, lines, "^fully close")
      bob:close()
      local rest, code = p:finish()
      for line in rest:gmatch("[^\n]+") do
        lines[#lines + 1] = line
      end
      local text = table.concat(lines, "\n"):gsub(":(%d+)", function(number)
        return ":" .. peers[number]
      end)
      return text, code
    end

    it("prints each step of its clients' ends, in order, and exits with 0", function()
      local text, code = play(start("half_open", 0, "127.0.0.1"))
      assert.equal([[
server.listening: false
server.listening: true
listening on 127.0.0.1:PORT
im test
connection count: 0
incoming connection: 127.0.0.1:ANN
connection count: 1
incoming connection: 127.0.0.1:BOB
connection count: 2
server.close() called.
connection end,  127.0.0.1:ANN
connection end,  127.0.0.1:BOB
connection count: 2
rec FIN, half close(127.0.0.1:ANN)
fully close(127.0.0.1:ANN)
rec FIN, half close(127.0.0.1:BOB)
server shutdown
server.close callback
fully close(127.0.0.1:BOB)]], text)
      assert.equal(0, code)
    end)

    it("prints what the original prints under Node", function()
      if not os.execute("command -v node >/dev/null") then
        return -- the order above is what it printed where there was one
      end
      local original, code = play(spawn("node spec/data/half_open.js 0 127.0.0.1"))
      assert.equal(0, code)
      assert.equal(original, (play(start("half_open", 0, "127.0.0.1"))))
    end)

    it("exits by itself when clients end first", function()
      local p = start("half_open", 0)
      local port = p:expect("^listening on .*:(%d+)$")
      assert.equal("", (run(("socat -t60 /dev/null TCP:localhost:%d"):format(port))))
      p:expect("^rec FIN, half close")
      p:expect("^fully close")
      assert.equal("server.close() called.\nconnection count: 0\nserver shutdown\n"
        .. "server.close callback\n", interrupt(p))
    end)
  end)

  describe("cluster_echo.lua", function()
    it("echoes by all workers, replaces one that is killed, and ends by SIGTERM", function()
      local p = start("cluster_echo", 0, 2)
      local port = p:expect("^2 workers, listening on 127.0.0.1:(%d+)$")
      assert.same({ "hello\n", 0 }, { talk(port, "hello\\n") })
      local worker = run(("pgrep -P $(pgrep -P %d -f cluster_echo) | head -n 1"):format(p.pid))
      if worker:find("%d") then
        run("kill -9 " .. worker)
        p:expect("^worker %d+ ended with SIGKILL$")
      end
      assert.same({ "hello\n", 0 }, { talk(port, "hello\\n") })
      p:signal("TERM")
      assert.equal(0, select(2, p:finish()))
    end)

    it("serves all but those of workers that are killed #slow", function()
      local output, code = run_example("cluster_echo", "demo", 1, 2)
      assert.matches("worker %d+ ended with SIGKILL\n", output)
      assert.matches("all workers are new\n", output)
      local served, reset, killed = output:match("(%d+) served, (%d+) reset, (%d+) workers killed\n$")
      assert.is_true(tonumber(served) > 100)
      assert.is_true(tonumber(killed) >= 3)
      assert.is_true(tonumber(reset) <= 16 * tonumber(killed))
      assert.equal(0, code)
    end)
  end)

  describe("demo.lua", function()
    --- Runs the demonstration; `init` is Lua that both processes run first. It
    --- must leave no file behind.
    local function demo(init, ...)
      local output, code = run(("TMPDIR=%s LUA_INIT=%s %s 2>&1"):format(scratch,
        quote(init), process.lua("examples/demo.lua", ...)))
      assert.equal("", (run("ls -A " .. scratch)))
      return output, code
    end

    --- Lua that has the server's process call `fn(socket, bytes)` for what it is
    --- about to send, and send what that returns.
    local function tamper(fn)
      return ([[
        if arg[1] == "serve" then
          local net = require("net")
          local create = net.createServer
          function net.createServer(options, listener)
            return create(options, listener and function(socket)
              local write, total = socket.write, 0
              function socket:write(bytes)
                total = total + #bytes
                return write(self, (%s)(self, bytes, total))
              end
              listener(socket)
            end)
          end
        end]]):format(fn)
    end

    it("moves the bytes, compares them, and tells how it went", function()
      local output, code = demo("", 4)
      assert.equal(0, code, output)
      assert.matches("\nTCP +1 +4194304 +%d+ +0\n", output)
      assert.matches("\nUnix socket +1 +4194304 +%d+ +0\n", output)
      assert.matches("\n500 at once +500 +%d+ +%d+ +0\n", output)
      assert.matches("\nall +502 +%d+ +0\n", output)
      assert.matches("At most 500\nconnections were open at once%.", output)
      assert.matches("\nBy hand, next, in this folder:\n", output)
      assert.is_nil(output:find("\r"))
    end)

    it("shows its progress, here in few lines", function()
      local output = demo("", 4)
      for _, name in ipairs({ "the file", "TCP", "Unix socket", "500 at once" }) do
        assert.matches(("  %s +%%[#+ *%%]  50 %%%%"):format(name), output)
        assert.matches(("  %s +%%[#+%%] 100 %%%%"):format(name), output)
      end
    end)

    it("says where a byte has changed, and exits with 1", function()
      local output, code = demo(tamper([[function(_, bytes, total)
        if total < 1000000 or total - #bytes >= 1000000 then
          return bytes
        end
        local at = 1000000 - (total - #bytes)
        return bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 255) .. bytes:sub(at + 1)
      end]]), 4)
      assert.matches("demo: TCP: byte 999999 came back as 0x%x%x, not as 0x%x%x\n", output)
      assert.equal(1, code)
    end)

    it("says when bytes are missing, and exits with 1", function()
      local output, code = demo(tamper("function(_, bytes) return bytes:sub(1, -2) end"), 1)
      assert.matches("demo: TCP: ", output)
      assert.equal(1, code)
    end)

    it("says when the server breaks off, and exits with 1", function()
      local output, code = demo(tamper([[function(socket, bytes, total)
        if total > 1000000 then
          socket:resetAndDestroy()
        end
        return bytes
      end]]), 4)
      assert.matches("demo: TCP: .*ECONNRESET", output)
      assert.equal(1, code)
    end)

    it("says when the server's process dies, and exits with 1", function()
      local output, code = demo(tamper([[function(_, bytes, total)
        return total > 1000000 and os.exit(3) or bytes
      end]]), 4)
      assert.matches("demo: ", output)
      assert.equal(1, code)
    end)

    it("is interrupted without leaving a file or a process #slow", function()
      local p = process.spawn(("env TMPDIR=%s %s"):format(scratch,
        process.lua("examples/demo.lua", 256)))
      spawned[#spawned + 1] = p
      p:expect("^  TCP .* 25 %%")
      -- the [s] keeps this very command out of what it finds
      local server = ("grep -las '[s]erve.*%s' /proc/[0-9]*/cmdline"):format(scratch)
      assert.matches("%d", (run(server)))
      p:signal("INT")
      local rest, code = p:finish()
      assert.matches("demo: interrupted\n$", rest)
      assert.equal(130, code)
      assert.equal("", (run("ls -A " .. scratch)))
      assert.equal("", (run(server)))
    end)
  end)
end)
