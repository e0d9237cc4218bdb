-- SPDX-License-Identifier: MIT

--- How the end of a child is heard, and that nobody else's child is touched by it.

local child = require("net.child")
local children = require("spec.support.children")
local lua = require("spec.support.lua")
local process = require("net.process")
local within = require("spec.support").within

local watch = children.watch

describe("A child beside io.popen", function()
  it("leaves it its status, whichever ends first", within(function(t)
    local popen = io.popen("exit 3")
    local kid = child.spawn("sh", { "-c", "exit 4" }, { stdio = "ignore" })
    local second = io.popen("exit 5")
    t.run()
    assert.equal(4, kid.exitCode)
    assert.same({ nil, "exit", 3, n = 3 }, table.pack(popen:close()))
    assert.same({ nil, "exit", 5, n = 3 }, table.pack(second:close()))
  end))

  it("leaves it its status while somebody listens to SIGCHLD", within(function(t)
    local heard = 0
    local function listener() heard = heard + 1 end
    process:on("SIGCHLD", listener)
    local popen = io.popen("exit 3")
    local kid = child.spawn("sh", { "-c", "exit 4" }, { stdio = "ignore" })
    t.run()
    assert.equal(4, kid.exitCode)
    assert.same({ nil, "exit", 3, n = 3 }, table.pack(popen:close()))
    process:off("SIGCHLD", listener)
    kid = child.spawn("sh", { "-c", "exit 5" }, { stdio = "ignore" })
    t.run()
    assert.equal(5, kid.exitCode)
  end))

  it("tells of both os.execute's end and its own", within(function(t)
    local kid = child.spawn("sh", { "-c", "exit 6" }, { stdio = "ignore" })
    assert.same({ nil, "exit", 2, n = 3 }, table.pack(os.execute("exit 2")))
    t.run()
    assert.equal(6, kid.exitCode)
  end))
end)

--- Runs a script in a process of its own.
local function run(script, more)
  local options = { script = [[
    local net, child = require("net"), require("net.child")
    local process, timers = require("net.process"), require("net.timers")
    local function tell(kid)
      kid:on("spawn", function() print("spawn") end)
      kid:on("exit", function(...) print("exit", ...) end)
      kid:on("close", function(...) print("close", ...) end)
      return kid
    end
    local function zombies()
      local pipe <close> = io.popen("cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z " .. process.pid .. " '")
      return pipe:read("l")
    end
  ]] .. script }
  for name, value in pairs(more or {}) do
    options[name] = value
  end
  return lua.run(options)
end

describe("The end of a child", function()
  it("is heard where SIGCHLD was ignored from the start", function()
    -- a shell cannot ignore CHLD for others everywhere; the parent's trap is inherited by exec
    local result = lua.run({ program = "sh", args = { "-c", [[
      trap '' CHLD
      exec "$0" -e 'local net, child = require("net"), require("net.child")
        child.spawn("sh", {"-c", "exit 3"}, {stdio = "ignore"}):on("exit", print)
        net.run() print(io.popen("exit 4"):close())']], lua.command } })
    assert.equal("3\tnil\nnil\texit\t4\n", result.stdout)
  end)

  it("leaves no zombie", function()
    assert.equal("spawn\nexit\t0\tnil\nclose\t0\tnil\n0\n", run([[
      tell(child.spawn("true"))
      child.spawn("/nonexistent"):on("error", function() end)
      net.run()
      print(zombies())
    ]]).stdout)
  end)

  it("is looked for once more when the Lua state closes", function()
    local result = run([[
      local kid = child.spawn("true", {stdio = "ignore"})
      local stat = "/proc/" .. kid.pid .. "/stat"
      repeat
        local file <close> = io.open(stat)
      until file:read("a"):find(") Z ", 1, true)
      local keep = setmetatable({}, { __gc = function()
        local file = io.open(stat)
        print(file and "zombie" or "gone")
      end })
      _G.keep = keep
      os.exit(0, true)
    ]])
    -- the loop's own finalizer is the last one: what can be seen is that nothing breaks
    assert.matches("^%a+\n$", result.stdout)
    assert.equal(0, result.code)
    assert.equal("", result.stderr)
  end)

  it("is heard after an error that nobody took", within(function(t)
    local kid = child.spawn("sh", { "-c", "exit 3" })
    local log = watch(kid)
    kid:once("spawn", function() error("once") end)
    assert.is_false(pcall(t.run))
    t.run()
    assert.same({ "spawn", "exit 3 nil", "close 3 nil" }, log)
  end))
end)

--- Each system: what it lacks, and whose libev's loop is.
local SYSTEMS = {
  { "has all" }, { "has no pidfd_open(2)", "pidfd" }, { "has no close_range(2)", "close_range" },
  { "has a loop of its host's", "loop" }, { "has a loop of its host's and no pidfd_open(2)",
    "loop", "pidfd" },
}

describe("A child on a system that", function()
  local program

  setup(function()
    local path = os.tmpname()
    program = lua.compile("spec/support/nosyscall.c", path, "-Wl,-E")
  end)

  teardown(function() os.remove(program or "") end)

  local SCRIPT = [[
    local net, child = require("net"), require("net.child")
    local process, timers = require("net.process"), require("net.timers")
    local file <close> = assert(io.open("README.md")) -- not close-on-exec
    local popen = not words.loop and io.popen("exit 9")
    local function caught() end
    process:on("SIGCHLD", caught)
    local codes, left = {}, 12
    for i = 1, 10 do
      child.spawn("sh", {"-c", "exit " .. i}, {stdio = "ignore"}):on("exit", function(code)
        codes[#codes + 1] = code
        left = left - 1
      end)
    end
    process:off("SIGCHLD", caught)
    local kid = child.spawn("sh", {"-c", "ls -l /proc/$$/fd; :"})
    kid.stdout:on("data", function(text)
      for fd in text:gmatch("(%d+) %->") do io.write(fd, " ") end
    end)
    local sleeper = child.spawn("sleep", {"60"}, {stdio = "ignore"})
    sleeper:on("exit", function(code, signal) print(code, signal) end)
    kid:on("close", function() sleeper:kill("SIGKILL") end)
    net.run()
    table.sort(codes)
    print(table.concat(codes, " "))
    print(popen and select(3, popen:close()) or 9)
    local stat <close> = io.popen("cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z " .. process.pid .. " '")
    print(stat:read("l"))
  ]]

  for _, system in ipairs(SYSTEMS) do
    it(system[1] .. " is started and reaped", function()
      if not program then
        return pending("no Lua library to link with")
      end
      local script = os.tmpname()
      local file <close> = assert(io.open(script, "w"))
      file:write(SCRIPT)
      file:close()
      local result = lua.run({ program = program, args = { script, table.unpack(system, 2) } })
      os.remove(script)
      assert.equal("0 1 2 nil\tSIGKILL\n1 2 3 4 5 6 7 8 9 10\n9\n0\n", result.stdout)
      assert.equal(0, result.code, result.stderr)
    end)
  end
end)

describe("A child for which there are too few descriptors", function()
  local SCRIPT = [[
    local net, child = require("net"), require("net.child")
    local told, closed, held
    child.isChildProcess() -- all that is loaded when it is first used is there
    pcall(child.spawn, "true", 5)
    for i = 1, 64 do
      held = { io.open("/dev/null"), held }
      if not held[1] then break end
    end
    for _ = 0, FREE do
      if held[1] then held[1]:close() end
      held = held[2]
    end
    local kid = child.spawn("true", { stdio = { "pipe", "pipe", "pipe", "ipc" } })
    kid:on("error", function(err) told = err end)
    kid:on("close", function(code) closed = code end)
    if not kid.pid then
      assert(kid.stdin == nil and kid.stdout == nil and next(kid.stdio) == nil)
      assert(kid.channel == nil and kid.connected == false)
    end
    net.run()
    if kid.pid then
      assert(closed == 0)
    else
      assert(tostring(told) == "Error: spawn true EMFILE" and closed == -24, tostring(told) .. tostring(closed))
    end
    print(kid.pid and "started" or "refused")
  ]]

  it("is told of by 'error' and 'close', and has no streams and no channel", within(function(t)
    for free = 0, 10 do
      local kid, out, err = children.sh('ulimit -n 32; exec "$0" -e "$SCRIPT"', {
        argv0 = lua.command,
        env = (function()
          local env = process.env
          env.SCRIPT = SCRIPT:gsub("FREE", free)
          return env
        end)(),
      })
      t.run()
      assert.equal("", err.text)
      -- four pairs, and both ends of what the child tells by
      assert.equal(free < 10 and "refused\n" or "started\n", out.text)
      assert.equal(0, kid.exitCode)
    end
  end))
end)

describe("A signal of a child", function()
  it("never goes to a process that is not its own", within(function(t)
    local kid = child.spawn("true", { stdio = "ignore" })
    local log = watch(kid)
    kid:on("exit", function()
      assert.is_false(kid:kill())
      assert.is_false(kid:kill(0))
    end)
    t.run()
    assert.same({ "spawn", "exit 0 nil", "close 0 nil" }, log)
    assert.is_false(kid.killed)
  end))

  it("is taken by one that has ended, but was not waited for yet", within(function(t)
    local kid = child.spawn("true", { stdio = "ignore" })
    repeat
      local file <close> = io.open(("/proc/%d/stat"):format(kid.pid))
    until file:read("a"):find(") Z ", 1, true)
    assert.is_true(kid:kill()) -- as kill(2) has it, and Node
    t.run()
    assert.equal(0, kid.exitCode)
  end))
end)

describe("A child that somebody else has waited for", function()
  it("has exit code -10", within(function(t)
    local ok, lib = pcall(lua.module, "spec/support/waitall.c", "net_spec_waitall")
    if not ok or not lib then
      return pending("there are no headers of Lua")
    end
    local kid = child.spawn("true", { stdio = "ignore" })
    local log = watch(kid)
    lib.wait() -- as waitpid(-1) does
    t.run()
    assert.same({ "spawn", "exit -10 nil", "close -10 nil" }, log)
    assert.is_false(kid:kill())
  end))
end)

describe("A child beside a process that fork(2) has made", function()
  --- What a script prints, in a Lua that has fork() and wait().
  local function forking(t, script)
    local program = lua.compile("spec/support/forks.c", t.tmpname())
    if not program then
      return pending("no Lua library to link with")
    end
    local path = t.tmpname(".lua")
    local file <close> = assert(io.open(path, "w"))
    file:write([[
      io.stdout:setvbuf("no")
      local net, child, process = require("net"), require("net.child"), require("net.process")
      require("net.timers").setTimeout(process.exit, 20000, 1):unref() -- a guard
      local function sleeper(options)
        local kid = child.spawn("sleep", { "20" }, options)
        kid:on("exit", function(...) print("exit", ...) end)
        return kid
      end
      local function descriptors()
        local pipe <close> = io.popen("ls -l /proc/" .. process.pid .. "/fd")
        return select(2, pipe:read("a"):gsub("pidfd", ""))
      end
      local function over() -- a leak checker would wait for the parent's threads
        process.kill(process.pid, "SIGKILL")
      end
    ]], script)
    file:close()
    local result = lua.run({ program = program, args = { path } })
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
    return result.stdout
  end

  it("is not its: it hears nothing, is not held and kills nobody", within(function(t)
    local text = forking(t, [[
      local kid = sleeper({ stdio = "ignore" })
      local pid = fork()
      if pid == 0 then
        print("before a turn", kid:kill("SIGKILL"), kid:kill(0), kid.killed)
        net.run() -- nothing holds it
        print("after", kid:kill("SIGKILL"), kid.pid ~= nil, kid.exitCode, kid.signalCode)
        over()
      end
      wait(pid)
      kid:kill("SIGTERM")
      net.run()
    ]])
    if not text then return end
    assert.equal("before a turn\tfalse\tfalse\tfalse\nafter\tfalse\ttrue\tnil\tnil\nexit\tnil\tSIGTERM\n",
      text)
  end))

  it("has its end told once, by the process that has started it", within(function(t)
    local text = forking(t, [[
      local kid = child.spawn("sh", { "-c", "exit 3" }, { stdio = "ignore" })
      kid:on("exit", function(...) print("exit", ...) end)
      kid:on("close", function() print("close") end)
      local state
      repeat -- the end waits to be heard
        for line in io.lines("/proc/" .. kid.pid .. "/status") do
          state = line:match("^State:%s*(%u)") or state
        end
      until state == "Z"
      local pid = fork()
      if pid == 0 then
        require("net.timers").setTimeout(function() print("child's loop") end, 10)
        net.run()
        over()
      end
      wait(pid)
      net.run()
    ]])
    if not text then return end
    assert.equal("child's loop\nexit\t3\tnil\nclose\n", text)
  end))

  it("leaves it no descriptor and no limit of time", within(function(t)
    local text = forking(t, [[
      local controller = net.abort.AbortController()
      local kid = sleeper({ stdio = "ignore", timeout = 15000, signal = controller.signal })
      kid:on("error", function(err) print("error", err.code) end)
      print("parent", descriptors())
      local pid = fork()
      if pid == 0 then
        print("child", descriptors())
        net.run()
        controller:abort()
        net.run()
        print("child is done")
        over()
      end
      wait(pid)
      controller:abort()
      net.run()
    ]])
    if not text then return end
    assert.equal("parent\t1\nchild\t0\nchild is done\nerror\tABORT_ERR\nexit\tnil\tSIGTERM\n", text)
  end))

  it("does not disturb the children that it starts itself", within(function(t)
    local text = forking(t, [[
      local kid = sleeper({ stdio = "ignore" })
      local pid = fork()
      if pid == 0 then
        local own = child.spawn("sh", { "-c", "echo 5 >&3; exit 4" },
          { stdio = { "ignore", "ignore", "ignore", "ipc" } })
        own:on("message", print)
        own:on("exit", function(...) print("own", ...) end)
        net.run()
        print(own.exitCode, kid.exitCode)
        over()
      end
      wait(pid)
      kid:kill()
      net.run()
    ]])
    if not text then return end
    assert.equal("5\nown\t4\tnil\n4\tnil\nexit\tnil\tSIGTERM\n", text)
  end))

  it("is let go of by a process that only closes its Lua state", within(function(t)
    local text = forking(t, [[
      local kid = sleeper({ stdio = "ignore" })
      kid:unref()
      local pid = fork()
      if pid == 0 then
        return
      end
      wait(pid)
      print(kid:kill(0), kid:kill())
      kid:ref()
      net.run()
    ]])
    if not text then return end
    assert.equal("true\ttrue\nexit\tnil\tSIGTERM\n", text)
  end))
end)
