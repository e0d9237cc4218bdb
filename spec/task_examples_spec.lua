-- SPDX-License-Identifier: MIT

-- The programs in examples/tasks/ are run as a person runs them, and spoken to by programs
-- that are not ours: curl, socat, a Redis server. `make deps` installs them.

local process = require("spec.support.process")

local quote, run = process.quote, process.run

local spawned = {}

local function spawn(command)
  local p = process.spawn(command)
  spawned[#spawned + 1] = p
  return p
end

--- Starts an example that listens on a free port; returns it and the port.
local function start_server(name, ...)
  local p = spawn(process.lua("examples/tasks/" .. name .. ".lua", 0, ...))
  return p, math.tointeger(tonumber((p:expect("^listening on .*:(%d+)$"))))
end

local function run_example(name, ...)
  return run(process.lua("examples/tasks/" .. name .. ".lua", ...) .. " 2>&1")
end

--- Has a process end by SIGINT: the rest of its output. It must exit with 0.
local function interrupt(p)
  p:signal("INT")
  local rest, code = p:finish()
  assert.equal(0, code)
  return rest
end

local function curl(...)
  local words = { "curl -sS --max-time 30" }
  for i = 1, select("#", ...) do
    words[#words + 1] = quote((select(i, ...)))
  end
  return run(table.concat(words, " ") .. " 2>&1")
end

--- What comes back over a connection to this port after sending `text`.
local function talk(port, text)
  return (run(("printf %%b %s | socat -t60 - TCP:127.0.0.1:%d"):format(quote(text), port)))
end

after_each(function()
  for _, p in ipairs(spawned) do
    p:kill()
  end
  spawned = {}
end)

describe("examples/tasks/http_server", function()
  it("answers curl, keeps the connection, and takes a body", function()
    local p, port = start_server("http_server")
    local url = ("http://127.0.0.1:%d"):format(port)
    assert.same({ "GET /a, 0 bytes\nGET /b, 0 bytes\n", 0 }, { curl(url .. "/a", url .. "/b") })
    assert.same({ "POST /c, 5 bytes\n", 0 }, { curl("-d", "hello", url .. "/c") })
    assert.equal("closing\n", interrupt(p))
  end)

  it("answers what is pipelined, in order, and refuses what is too much", function()
    local p, port = start_server("http_server")
    local answer = talk(port, "GET /1 HTTP/1.1\\r\\n\\r\\nGET /2 HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n")
    assert.matches("GET /1, 0 bytes.*GET /2, 0 bytes", answer)
    assert.matches("^HTTP/1.1 431", talk(port, ("x"):rep(9000) .. "\\r\\n\\r\\n"))
    assert.matches("^HTTP/1.1 400", talk(port, "nonsense\\r\\n\\r\\n"))
    assert.matches("^HTTP/1.1 413", talk(port, "PUT / HTTP/1.1\\r\\nContent-Length: 99999999\\r\\n\\r\\n"))
    interrupt(p)
  end)

  it("serves many at once", function()
    local p, port = start_server("http_server")
    local output = run(("wrk -c 50 -t 2 -d 1s http://127.0.0.1:%d/ 2>&1"):format(port))
    assert.is_nil(output:find("Socket errors", 1, true), output)
    assert.is_true(tonumber(output:match("(%d+) requests in")) > 100)
    interrupt(p)
  end)
end)

describe("examples/tasks/fetch", function()
  it("prints a line for each page, in order", function()
    local _, port = start_server("http_server")
    local url = ("http://127.0.0.1:%d/x"):format(port)
    local list = {}
    for i = 1, 20 do list[i] = url end
    list[21] = "http://127.0.0.1:1/"
    local output, code = run_example("fetch", table.unpack(list))
    assert.equal(0, code)
    assert.equal(("200 16\t%s\n"):format(url):rep(20)
      .. "Error: connect ECONNREFUSED 127.0.0.1:1\thttp://127.0.0.1:1/\n", output)
  end)
end)

describe("examples/tasks/redis", function()
  it("adds from a hundred tasks over one connection", function()
    local path = os.tmpname()
    os.remove(path)
    local redis = spawn(("redis-server --port 0 --unixsocket %s --save '' --daemonize no"):format(path))
    redis:expect("[Rr]eady to accept connections")
    local output, code = run_example("redis", path)
    redis:kill()
    os.remove(path)
    assert.equal(0, code, output)
    assert.matches("^counter\t1000\nerror\tERR unknown command.*\nclosed\tthe client is closed\n$", output)
  end)
end)

describe("examples/tasks/socks5", function()
  it("takes curl to a server, and says why it cannot", function()
    local _, web = start_server("http_server")
    local p, port = start_server("socks5")
    local proxy = ("127.0.0.1:%d"):format(port)
    assert.same({ "GET /via, 0 bytes\n", 0 },
      { curl("--socks5-hostname", proxy, ("http://localhost:%d/via"):format(web)) })
    local output, code = curl("--socks5", proxy, "http://127.0.0.1:1/")
    assert.equal(97, code, output)
    assert.equal("", talk(port, "GET / HTTP/1.0\\r\\n\\r\\n"))
    assert.equal("", interrupt(p))
  end)
end)

describe("examples/tasks/smtp_sink", function()
  it("takes mail from curl", function()
    local p, port = start_server("smtp_sink")
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("Subject: hi there\r\n\r\nbody\r\n")
    file:close()
    local output, code = curl("--mail-from", "a@x", "--mail-rcpt", "b@y", "-T", path,
      ("smtp://127.0.0.1:%d"):format(port))
    os.remove(path)
    assert.equal(0, code, output)
    assert.equal('from a@x to b@y: 25 bytes, subject "hi there"', (p:line()))
    assert.matches("503 MAIL first\r\n500 what%?\r\n221 bye\r\n$", talk(port, "RCPT TO:<a@b>\\r\\nx\\r\\nQUIT\\r\\n"))
    assert.equal("", interrupt(p))
  end)
end)

describe("examples/tasks/chat", function()
  it("tells what one says to the others", function()
    local p, port = start_server("chat")
    local listener = spawn(("socat -u TCP:127.0.0.1:%d -"):format(port))
    listener:expect("^welcome, you are guest %d+$")
    assert.matches("^welcome", talk(port, "hello room\\n"))
    listener:expect("^guest %d+: hello room$")
    assert.equal("", interrupt(p))
    listener:finish()
  end)
end)

describe("examples/tasks/pool", function()
  it("finds the ports that are open", function()
    local _, port = start_server("http_server")
    local output, code = run_example("pool", "127.0.0.1", port, port)
    assert.same({ ("%d\n1 of 1 are open\n"):format(port), 0 }, { output, code })
  end)
end)
