-- SPDX-License-Identifier: MIT

--- The bench's load generator: what it says is only worth something if it finds
--- every wrong byte. Runs it against the yardstick, which is right, and against a
--- server that is wrong on purpose (support/faulty.lua).

local process = require("spec.support.process")

local run, spawn = process.run, process.spawn

local scratch, spawned = nil, {}

local function compile(name, flags)
  local output, code = run(("%s -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -o %s/%s bench/%s.c %s 2>&1"):format(
    os.getenv("CC") or "cc", scratch, name, name, flags or ""))
  assert.same({ "", 0 }, { output, code })
end

--- Starts a server; returns its port, or what `address` says.
local function start(command, address)
  local server = spawn(command)
  spawned[#spawned + 1] = server
  local port = server:expect("^(%d+)$")
  return address or port
end

local function bare(scenario, address)
  return start(("%s/bare %s %s"):format(scratch, scenario, address or "0"), address)
end

local function faulty(fault)
  return start(process.lua("spec/support/faulty.lua", fault))
end

--- The output and exit code of the load generator.
local function load(options, scenario, address)
  return run(("%s/load %s %s %s 2>&1"):format(scratch, options, scenario, address))
end

--- It must find nothing, and tell its figures.
local function assert_right(options, scenario, address)
  local output, code = load(options, scenario, address)
  assert.equal(0, code, output)
  assert.matches('^{"done":[1-9]', output)
end

--- It must find the fault: exit code 3, and a reason that matches.
local function assert_wrong(pattern, options, scenario, address)
  local output, code = load(options, scenario, address)
  assert.matches(pattern, output)
  assert.equal(3, code)
end

--- The output of a shell script whose `server` and `load` end with it, whatever happens:
--- timeout(1) ends the shell alone. A wait for what one of them does ends with it, too.
local function beside(text)
  return (run([[
    server= load=
    trap 'kill -KILL $server $load 2>/dev/null' EXIT
    trap 'exit 1' TERM INT
    until_true() { until eval "$1"; do kill -0 $server $load || exit 1; done; }
    descriptors() { ls /proc/$server/fd | wc -l; }
  ]] .. text))
end

describe("the bench's load generator #slow", function()
  setup(function()
    scratch = run("mktemp -d"):gsub("%s", "")
    compile("load")
    compile("bare")
  end)

  teardown(function()
    run("rm -rf " .. scratch)
  end)

  after_each(function()
    for _, server in ipairs(spawned) do
      server:kill()
    end
    spawned = {}
  end)

  for _, scenario in ipairs { "echo", "four", "sink", "source", "connect" } do
    it("passes bare C in " .. scenario, function()
      assert_right("-c4 -t0.05", scenario, bare(scenario))
    end)
  end

  it("passes bare C on a Unix socket", function()
    assert_right("-c4 -d16 -t0.05", "echo", bare("echo", scratch .. "/bare.sock"))
  end)

  it("passes bare C beside idle connections", function()
    assert_right("-c4 -i300 -t0.05", "echo", bare("echo"))
  end)

  --- Else it would still be at that while the next server is measured.
  it("waits until the server has closed the idle connections", function()
    local output = beside(([[
      cd '%s' && rm -f port
      ./bare echo 0 >port & server=$!
      until_true '[ -s port ]'
      until_true 'ls -l /proc/$server/fd | grep -q eventpoll'
      before=$(descriptors)
      ./load -p $server -c4 -i300 -t0.05 echo "$(cat port)" >/dev/null
      [ $(descriptors) -lt $((before + 15)) ] && echo closed
    ]]):format(scratch))
    assert.equal("closed\n", output)
  end)

  it("sends exactly the messages it is told to", function()
    local output = load("-c3 -s64 -d4 -n100", "echo", bare("echo"))
    assert.matches('"done":300,"bytes":19200,', output)
  end)

  it("passes the server of these specs when it is right", function()
    assert_right("-c2 -n1000", "echo", faulty("none"))
  end)

  it("finds a byte that is changed", function()
    assert_wrong("is wrong", "-c2 -n1000", "echo", faulty("swap"))
  end)

  it("finds a byte that is lost between others", function()
    assert_wrong("is wrong", "-c2 -d16 -n1000", "echo", faulty("lose"))
  end)

  it("finds a byte that is lost and leaves it waiting", function()
    assert_wrong("bytes must be lost", "-c1 -s10000 -n1 -l0.2", "echo", faulty("lose"))
  end)

  it("finds a byte that is lost at the end of its time", function()
    assert_wrong("bytes must be lost", "-c1 -s10000 -t0.1 -l0.2", "echo", faulty("lose"))
  end)

  it("finds a byte that comes twice", function()
    assert_wrong("is wrong", "-c2 -d16 -n1000", "echo", faulty("double"))
  end)

  it("finds a connection that is closed", function()
    assert_wrong("closed a connection", "-c1 -s100 -n1000", "echo", faulty("close"))
  end)

  it("finds a server that answers what it should discard", function()
    assert_wrong("a byte came", "-c1 -t0.2", "sink", bare("echo"))
  end)

  it("finds a server that answers with the wrong stream", function()
    assert_wrong("is wrong", "-c1 -n10", "four", bare("echo"))
  end)

  it("finds that nobody listens", function()
    local _, code = load("-n1", "echo", scratch .. "/nobody.sock")
    assert.equal(2, code)
  end)
end)

--- A module of the bench, which has a folder of its own.
local function of_bench(name)
  local path = package.path
  package.path = "bench/lib/?.lua;" .. path
  local module = require(name)
  package.path = path
  return module
end

describe("the bench's JSON", function()
  local json = of_bench("json")

  it("reads what it has written", function()
    local text = json.encode {
      list = { 1, -2.5, false, true, { { a = ' "b" ' } } }, none = {}, [' "k\\\n'] = "\1\\n ",
    }
    assert.equal(text, json.encode(json.decode(text)))
  end)

  it("refuses what is cut short", function()
    local text = json.encode { a = { "b", 1 } }
    for length = 0, #text - 2 do
      assert.is_false((pcall(json.decode, text:sub(1, length))))
    end
  end)
end)

describe("the bench on a machine where others are at work", function()
  local quiet = of_bench("quiet")
  local clock, naps, runs

  --- A machine where the n-th time that is watched has `others` of that number.
  local function measured(patience, others)
    clock, naps, runs = 0, 0, 0
    local watched = 0
    local machine = {
      now = function() return clock end,
      nap = function() clock, naps = clock + 1, naps + 1 end,
      watch = function()
        watched = watched + 1
        local share = others[watched]
        return function() return share end
      end,
    }
    local result, least = quiet.measured(function()
      clock, runs = clock + 10, runs + 1
      return "run " .. runs
    end, patience, function() end, machine)
    assert.equal(#others, watched)
    return result, least
  end

  it("measures once when it is quiet", function()
    local patience = { left = 100 }
    assert.same({ "run 1", .01 }, { measured(patience, { .02, .01 }) })
    assert.same({ 1, 99 }, { naps, patience.left })
  end)

  it("waits until it is quiet", function()
    assert.same({ "run 1", .01 }, { measured({ left = 100 }, { .9, .5, .02, .01 }) })
    assert.equal(3, naps)
  end)

  it("measures again what was disturbed", function()
    local patience = { left = 100 }
    assert.same({ "run 2", .03 }, { measured(patience, { .01, .4, .01, .03 }) })
    assert.equal(100 - 1 - 1 - 10, patience.left) -- the first run is no waiting
  end)

  it("ends when its patience does, with the quietest of what it has", function()
    local patience = { left = 25 }
    assert.same({ "run 2", .2 },
      { measured(patience, { 0, .4, 0, .2, 0, .3 }) })
    assert.equal(3, runs)
    assert.is_true(patience.left < 10)
  end)

  it("measures once, and waits for nothing, without patience", function()
    assert.same({ "run 1", .9 }, { measured({ left = 0 }, { .9 }) })
    assert.equal(0, naps)
  end)

  it("takes for its own work that of children that have ended", function()
    local before = quiet.own_time() -- ticks of 10 ms
    local burn = process.quote("while os.clock() < .3 do end")
    assert.same({ "", 0 }, { run(("%s -e %s"):format(os.getenv("LUA") or "lua5.4", burn)) })
    assert.is_true(quiet.own_time() - before >= 28)
  end)
end)

describe("README's tables", function()
  local firstpage = of_bench("firstpage")

  local function results(about)
    about.date, about.rounds, about.seconds, about.run = "2026-01-02", 3, .1, "quick"
    about.versions = { net = "1", node = "-", haproxy = "2" }
    return { about = about, scenarios = {
      { key = "sink", name = "in", kind = "ratio", per = "KiB",
        rows = { { who = "net", cost = .5, value = { median = .9 } }, { who = "node" } } },
      { key = "proxy", name = "through", kind = "ratio", per = "message",
        rows = { { who = "net", cost = 9994 }, { who = "haproxy", cost = 123456 } } },
      { key = "echo", name = "echo", kind = "ratio", per = "message",
        rows = { { who = "bare", cost = 5200 }, { who = "again", cost = 1 }, { who = "luv" },
          { who = "net", cost = 6000 }, { who = "node", cost = 11000 } } },
      { key = "tls-full", name = "handshake", kind = "ratio", per = "handshake",
        rows = { { who = "tls", cost = 400000 }, { who = "nginx", cost = 350000 },
          { who = "tls-haproxy", absent = "no haproxy here" } } },
      { key = "tls-memory", name = "idle", kind = "memory",
        rows = { { who = "tls", value = { median = 15 } } } },
      { key = "json-decode-100", name = "read", kind = "work", per = "message",
        rows = { { who = "cjson", cost = 950 }, { who = "net", cost = 500 } } },
      { key = "sockets", name = "sent", kind = "work", per = "message",
        rows = { { who = "node", cost = 50000 }, { who = "net", cost = 30000 } } },
      { key = "task-deadline", name = "echo by a task", kind = "over", per = "message",
        rows = { { who = "tasks", cost = 8000 }, { who = "cqueues", cost = 9000 } } },
      { key = "task-memory", name = "its task", kind = "memory",
        rows = { { who = "tasks", value = { median = 2.5 } } } },
      { key = "start", name = "start", kind = "start", rows = { { who = "net", value = { median = 1.5 } } } },
    } }
  end

  it("have microseconds of CPU time, and HAProxy where there are proxies", function()
    local text = firstpage.text(results { others = 1, unquiet = {} })
    for _, row in ipairs {
      "| µs | net | bare C | Node | luv | cqueues | copas |",
      "| [in](docs/bench/sink.svg), each 64 KiB | 32.8 |  |  |  |  |  |",
      "To echo a small message takes 6.00 µs; 5.20 in bare C, 11.0 in Node.\n",
      "| as a proxy, µs | net | C, copying | C, splice | HAProxy | Node | luv |",
      "| [through](docs/bench/proxy.svg) | 9.99 |  |  | 123 |  |  |",
      "| over TLS, µs | net | C on libssl | Node | nginx | HAProxy |",
      "| [handshake](docs/bench/tls-full.svg) | 400 |  |  | 350 |  |",
      "| [idle](docs/bench/tls-memory.svg), KiB | 15.0 |  |  |  |  |",
      "| [start](docs/bench/start.svg), ms | 1.50 |  |  |  |  |  |",
      "| in coroutines, µs | net, tasks | net, callbacks | cqueues | copas |\n| --- | ---: | ---: | "
        .. "---: | ---: |\n| [echo by a task](docs/bench/task-deadline.svg) | 8.00 |  | 9.00 |  |",
      "| [its task](docs/bench/task-memory.svg), KiB | 2.50 |  |  |  |",
      "| between processes, µs | net | Node |",
      "| [sent](docs/bench/sockets.svg) | 30.0 | 50.0 |",
      "net: 1; node: -",
    } do
      assert.matches(row, text, 1, true)
    end
    assert.matches("The machine was quiet.", text, 1, true)
    assert.not_matches("json", text) -- a detail: results.md has it
  end)

  it("say what was measured while others were at work", function()
    local text = firstpage.text(results { others = 42, unquiet = { "echo", "four" } })
    assert.matches("**The machine was not quiet**: others had up to 42 % of the CPU time "
      .. "during echo, four.", text, 1, true)
  end)
end)

describe("the bench's work without a server", function()
  it("prints the CPU time of one, and how many there were a second", function()
    for _, what in ipairs { "encode 100", "decode 1024", "encode 10240" } do
      local output, code = run(process.lua("bench/programs/codec.lua", "net") .. " " .. what .. " 0.01")
      assert.equal(0, code, output)
      assert.matches("^%d+%.%d %d+\n$", output)
    end
  end)
end)

describe("the bench's work of two processes #slow", function()
  local function prints(program, ...)
    local output, code = run(process.lua(program, ...))
    assert.equal(0, code, output)
    assert.matches("^%d+%.%d %d+\n$", output)
  end

  it("prints what a message cost both", function()
    prints("bench/programs/messages.lua", 100, "records", 0.05)
    prints("bench/programs/messages.lua", 10240, "text", 0.05)
  end)

  it("prints what a socket cost both", function()
    prints("bench/programs/sockets.lua", 0.05)
  end)

  it("prints what a task cost, and the memory of those that sleep", function()
    prints("bench/programs/tasks.lua", "net", "spawn", 0.01)
    prints("bench/programs/tasks.lua", "net", "line", 0.01)
    local output, code = run(process.lua("bench/programs/tasks.lua", "net", "sleep", 0))
    assert.equal(0, code, output)
    assert.matches("^%d+%.%d %d+ %- %d+\n$", output)
  end)

  it("prints what a cluster cost, and what part of a core its load took", function()
    scratch = run("mktemp -d"):gsub("%s", "")
    compile("load")
    for _, what in ipairs { "one echo", "rr echo", "least connect", "none echo", "reuseport echo",
      "rr primary" } do
      local mode, work = what:match("(%w+) (%w+)")
      local output, code = run(("BENCH_OUT='%s' %s"):format(scratch,
        process.lua("bench/programs/cluster.lua", mode, work, 0.05)))
      assert.equal(0, code, output)
      assert.matches("^%d+%.%d %d+ %d%.%d%d\n$", output)
    end
    run("rm -rf " .. scratch)
  end)

  it("fails where a cluster's load does", function()
    local output, code = run("BENCH_OUT=/nonexistent " ..
      process.lua("bench/programs/cluster.lua", "one", "echo", 0.05) .. " 2>&1")
    assert.not_equal(0, code)
    assert.matches("ENOENT", output)
  end)
end)

describe("the kept figures of the bench", function()
  local function content(path)
    local file = assert(io.open(path))
    local text = file:read("a")
    file:close()
    return text
  end

  it("are what README and docs/bench show", function()
    local folder = run("mktemp -d"):gsub("%s", "")
    assert.same({ "", 0 }, { run(([[
      cp docs/bench/results.json README.md '%s' &&
      %s --render '%s' '%s/README.md' 2>&1]]):format(
      folder, process.lua("bench/run.lua"), folder, folder)) })
    assert.equal(content("README.md"), content(folder .. "/README.md"))
    assert.equal("", run(("diff -r -x README.md -x instructions.txt docs/bench '%s' 2>&1"):format(folder)))
    run("rm -r " .. folder)
  end)
end)

describe("bare C #slow", function()
  setup(function()
    scratch = run("mktemp -d"):gsub("%s", "")
    compile("load")
    compile("bare")
  end)

  teardown(function()
    run("rm -rf " .. scratch)
  end)

  --- It once waited for ever to send to a peer that had gone, and so spent, idle,
  --- what the next measurement counted.
  it("is idle when a peer went away with an answer due", function()
    local output = beside(([[
      cd '%s' && rm -f port
      ./bare echo ./gone.sock >port & server=$!
      until_true '[ -s port ]' # the file of the socket is there before somebody listens
      until_true 'ls -l /proc/$server/fd | grep -q eventpoll'
      before=$(descriptors)
      ./load -c8 -d64 -t60 echo ./gone.sock & load=$!
      until_true '[ $(descriptors) -eq $((before + 8)) ]'
      kill -STOP $server; kill -KILL $load; wait $load 2>/dev/null; load=; kill -CONT $server
      until_true '[ $(descriptors) -eq $before ]'
      echo dropped
    ]]):format(scratch))
    assert.equal("dropped\n", output)
  end)
end)
