-- SPDX-License-Identifier: MIT

-- examples/deploy: the units as systemd reads them, the programs as it starts them, and what
-- becomes of those who are connected meanwhile. spec/support/notified.c and activate.c stand
-- in for systemd; HAProxy is in spec/peers/deploy_peers.lua.

local child = require("net.child")
local lfs = require("lfs")
local net = require("net")
local process = require("net.process")
local support = require("spec.support.process")
local sockets = require("spec.support.sockets")
local timers = require("net.timers")
local within = require("spec.support.init").within

local quote, wait = support.quote, sockets.wait

local LUANET = lfs.currentdir() .. "/bin/luanet"

local REQUEST = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

--- A program that runs beside the spec: `out` and `err` are what it has printed.
local function start(t, words, env)
  local all = { LUA_PATH = package.path, LUA_CPATH = package.cpath, PATH = os.getenv("PATH") }
  for name, value in pairs(env or {}) do all[name] = value end
  local kid = child.spawn(words[1], table.move(words, 2, #words, 1, {}), { env = all })
  local state = { kid = kid, out = "", err = "" }
  kid.stdout:on("data", function(chunk) state.out = state.out .. chunk end)
  kid.stderr:on("data", function(chunk) state.err = state.err .. chunk end)
  kid:on("close", function() state.over = true end)
  t.finally(function()
    for pid in state.out:gmatch("ready (%d+)") do -- what a failed spec has left
      pcall(process.kill, tonumber(pid), "SIGKILL")
    end
    if not state.over then
      kid:kill("SIGKILL")
    end
  end)
  return state
end

--- Waits for a line of the program's, the `n`-th of its kind; returns what it captures.
local function expect(state, pattern, n)
  local found
  wait(function()
    local count = 0
    for capture in state.out:gmatch(pattern) do
      count = count + 1
      found = capture
      if count == n then return true end
    end
    if state.over then
      error(("it has ended: %s%s"):format(state.out, state.err), 3)
    end
    return false
  end)
  return found
end

--- Clients without a pause: `once` of them open a connection for each request, `kept` go on
--- with theirs until the server says `Connection: close`. Each begins with `header`, if there is one.
local current
local function load(where, once, kept, header)
  local counts = { sent = 0, served = 0, open = 0, failed = {}, going = true }
  current = counts
  local function fail(text)
    counts.failed[#counts.failed + 1] = text
  end
  local function client(is_kept)
    if not counts.going then
      return
    end
    local socket, got, last = net.connect(where), "", false
    counts.open = counts.open + 1
    if header then
      socket:write(header)
    end
    local function ask()
      counts.sent = counts.sent + 1
      socket:write(is_kept and REQUEST or (REQUEST:gsub("\r\n\r\n", "\r\nConnection: close\r\n\r\n")))
    end
    socket:on("error", function(err) fail(err.message) end)
    socket:on("data", function(chunk)
      got = got .. chunk
      local head, body = got:match("^(HTTP/1.1 200 OK\r\n.-\r\n\r\n)(Hello %S+, from %d+\n)$")
      if not head then
        return
      end
      counts.served, got, last = counts.served + 1, "", head:find("Connection: close", 1, true)
      counts.by = body
      if not last and counts.going then
        ask()
      elseif not last then
        last = true
        socket:finish()
      end
    end)
    socket:on("close", function()
      counts.open = counts.open - 1
      if not last or got ~= "" then
        fail("closed amid a request: " .. got)
      end
      client(is_kept)
    end)
    ask()
  end
  for i = 1, once + kept do client(i > once) end
  return counts
end

local function stop(counts)
  counts.going = false
  wait(function() return counts.open == 0 end)
  assert.same({}, counts.failed)
  assert.equal(counts.sent, counts.served)
  return counts.served
end

local function serves(counts, more)
  local enough = counts.served + more
  wait(function() return counts.served >= enough or #counts.failed > 0 end)
  assert.same({}, counts.failed)
end

after_each(function()
  if current then
    current.going = false -- where a spec has failed
  end
end)

describe("examples/deploy", function()
  local stand_in = { notified = os.tmpname(), activate = os.tmpname() }

  setup(function()
    for name, path in pairs(stand_in) do
      local cc = os.getenv("CC") or "cc"
      assert(os.execute(("%s -std=c11 -D_GNU_SOURCE -o %s spec/support/%s.c"):format(cc, path, name)))
    end
  end)

  teardown(function()
    for _, path in pairs(stand_in) do os.remove(path) end
  end)

  --- Starts web.lua of that folder as systemd does; it listens on a Unix path.
  local function systemd(t, folder, env)
    local path = t.tmpname(".web")
    return start(t, { stand_in.notified, t.tmpname(".notify"), "--", stand_in.activate,
      "web=unix:" .. path, "--", LUANET, folder .. "/web.lua" }, env), path
  end

  describe("its units", function()
    it("are what systemd takes", within(function(t)
      if not os.execute("command -v systemd-analyze >/dev/null 2>&1") then
        return pending("no systemd-analyze here")
      end
      local names = {}
      for _, unit in ipairs({ "web.service", "web.socket" }) do
        local text = io.open("examples/deploy/" .. unit):read("a")
        local file <close> = assert(io.open(t.tmpdir() .. "/" .. unit, "w"))
        file:write((text:gsub("/usr/local/bin/luanet", LUANET)))
        names[#names + 1] = quote(t.tmpdir() .. "/" .. unit)
      end
      local output, code = support.run("systemd-analyze verify --man=no " .. table.concat(names, " ") .. " 2>&1")
      assert.same({ "", 0 }, { output, code })
    end))

    it("name the socket as web.lua does, and let a successor speak", function()
      local socket = io.open("examples/deploy/web.socket"):read("a")
      local service = io.open("examples/deploy/web.service"):read("a")
      assert.equal("web", socket:match("\nFileDescriptorName=(%w+)"))
      assert.matches("\nType=notify\n.*\nNotifyAccess=all\n.*\nExecReload=/bin/kill %-HUP %$MAINPID\n", service)
    end)
  end)

  describe("web.lua", function()
    it("is replaced ten times under load, and nobody is refused, reset or left alone #slow", within(function(t)
      local program, path = systemd(t, "examples/deploy")
      local pid = expect(program, "ready (%d+)", 1)
      local counts = load({ path = path }, 6, 6)
      for i = 1, 10 do
        serves(counts, 100)
        process.kill(tonumber(pid), "SIGHUP")
        local old = pid
        pid = expect(program, "ready (%d+)", i + 1)
        assert.not_equal(old, pid)
      end
      serves(counts, 100)
      local served = stop(counts)
      assert.equal(("Hello you, from %s\n"):format(pid), counts.by)
      process.kill(tonumber(pid), "SIGTERM")
      wait(function() return program.over end)
      assert.same({ 0, "" }, { program.kid.exitCode, program.err })
      assert.equal(11, select(2, program.out:gsub("READY=1|STATUS=serving|MAINPID=%d+\n", "")))
      assert.equal(10, select(2, program.out:gsub("RELOADING=1|MONOTONIC_USEC=%d+|STATUS=starting a successor\n", "")))
      assert.matches("\nREADY=1|STATUS=serving|MAINPID=" .. pid .. "\nSTOPPING=1\n$", program.out)
      if os.getenv("SHOW") then
        print(("ten times replaced: %d requests, %d served, 0 failed"):format(counts.sent, served))
      end
    end))

    it("goes on where its successor fails, and says so", within(function(t)
      local folder = t.tmpdir()
      assert(os.execute(("cp examples/deploy/web.lua examples/deploy/hello.lua %s"):format(quote(folder))))
      local program, path = systemd(t, folder)
      local pid = expect(program, "ready (%d+)", 1)
      local file = assert(io.open(folder .. "/web.lua", "w"))
      file:write("error('broken')")
      file:close()
      process.kill(tonumber(pid), "SIGHUP")
      wait(function() return program.err:find("web: .*exit code 1\n") end)
      assert.matches("broken", program.err, 1, true)
      local counts = load({ path = path }, 2, 2)
      serves(counts, 20)
      stop(counts)
      process.kill(tonumber(pid), "SIGTERM")
      wait(function() return program.over end)
      assert.matches("RELOADING=1|[^\n]*\nREADY=1|STATUS=serving; a successor has failed\nSTOPPING=1\n$", program.out)
    end))

    it("tells a watchdog that it is alive, and so does its successor", within(function(t)
      local program = systemd(t, "examples/deploy", { WATCHDOG_USEC = "40000" })
      local pid = expect(program, "ready (%d+)", 1)
      process.kill(tonumber(pid), "SIGHUP")
      local other = expect(program, "ready (%d+)", 2)
      local over
      timers.setTimeout(function() over = true end, 100)
      wait(function() return over end)
      process.kill(tonumber(other), "SIGTERM")
      wait(function() return program.over end)
      assert.matches("MAINPID=" .. other .. "\n.*WATCHDOG=1\n", program.out)
      assert.equal("", program.err)
    end))

    it("listens on a port of its own where nobody activates it, and drains at SIGTERM", within(function(t)
      local held = net.BoundSocket({ host = "127.0.0.1" })
      local port = held:address().port
      held:close()
      local program = start(t, { LUANET, "examples/deploy/web.lua", tostring(port) })
      local pid = expect(program, "ready (%d+)", 1)
      local counts = load({ port = port, host = "127.0.0.1" }, 0, 3)
      serves(counts, 10)
      counts.going = false -- each goes on until it is told that the server ends
      process.kill(tonumber(pid), "SIGTERM")
      wait(function() return program.over end)
      stop(counts)
      assert.same({ 0, "" }, { program.kid.exitCode, program.err })
    end))
  end)

  describe("machine.lua", function()
    it("replaces its workers under load, and ends when it is told to #slow", within(function(t)
      local program = start(t, { LUANET, "examples/deploy/machine.lua", "0", "2" })
      local port = tonumber(expect(program, "listening on port (%d+)", 1))
      local counts = load({ port = port, host = "127.0.0.1" }, 4, 4, "PROXY TCP4 10.1.2.3 10.0.0.1 4567 80\r\n")
      for i = 1, 2 do
        serves(counts, 100)
        program.kid:kill("SIGHUP")
        serves(counts, 1)
        program.kid:kill("SIGHUP") -- while it reloads, mostly, which has to do no harm
        expect(program, "(reloaded)\n", i)
      end
      serves(counts, 100)
      stop(counts)
      assert.matches("^Hello 10.1.2.3, from ", counts.by)
      program.kid:kill("SIGTERM")
      wait(function() return program.over end)
      assert.same({ 0, "" }, { program.kid.exitCode, program.err })
    end))
  end)
end)
