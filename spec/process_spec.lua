-- SPDX-License-Identifier: MIT

--- The expectations are what Node 26 does with the same calls.

local core = require("net.core")
local errors = require("net.internal.errors")
local lua = require("spec.support.lua")
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local within = require("spec.support").within

local HEAD = [[
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
io.stdout:setvbuf("line")
]]

--- Runs a script under plain Lua; what it does at its end is up to it.
local function run(script, more)
  local options = { script = HEAD .. script }
  for name, value in pairs(more or {}) do
    options[name] = value
  end
  return lua.run(options)
end

local function text_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(err)
end

describe("process", function()
  it("knows its pid, which cannot be set", function()
    assert.equal(core.pid(), process.pid)
    assert.equal("TypeError: Cannot set property pid of #<process> which has only a getter",
      text_of(function() process.pid = 1 end))
  end)

  it("keeps other fields", function()
    process.user = "ann"
    assert.equal("ann", process.user)
    process.user = nil
  end)
end)

describe("process.kill", function()
  it("sends a signal, or looks whether it could", function()
    assert.is_true(process.kill(process.pid, 0))
    assert.is_true(process.kill(tostring(process.pid), 0))
  end)

  it("raises what the system says", function()
    local _, err = pcall(process.kill, 99999999, 0)
    assert.equal("Error: kill ESRCH", tostring(err))
    assert.same({ "ESRCH", "kill", -3 }, { err.code, err.syscall, err.errno })
    assert.equal("Error: kill EINVAL", text_of(process.kill, process.pid, 1000))
  end)

  it("raises for a pid or a signal that is none", function()
    assert.equal("TypeError [ERR_UNKNOWN_SIGNAL]: Unknown signal: SIGFOO",
      text_of(process.kill, process.pid, "SIGFOO"))
    assert.equal("TypeError [ERR_UNKNOWN_SIGNAL]: Unknown signal: 1.5",
      text_of(process.kill, process.pid, 1.5))
    for _, bad in ipairs({ "x", 1.5, 2 ^ 40, 0 / 0, {} }) do
      assert.matches('The "pid" argument must be of type number', text_of(process.kill, bad, 0))
    end
    assert.matches("Received nil", text_of(process.kill))
  end)
end)

describe("a signal", function()
  it("is an event of its name, with name and number", within(function(t)
    local timeout = timers.setTimeout(t.never(), 100000)
    process:once("SIGUSR2", t.calls(1, function(...)
      assert.same({ "SIGUSR2", core.signals().SIGUSR2 }, { ... })
      timeout:close()
    end))
    process.kill(process.pid, "SIGUSR2")
    t.run()
  end))

  it("listener does not hold the loop", within(function(t)
    local listener = t.never()
    process:on("SIGUSR2", listener)
    assert.is_false(t.run())
    process:off("SIGUSR2", listener)
  end))

  it("reaches every listener, and each name of its number", within(function(t)
    local timeout = timers.setTimeout(t.never(), 100000)
    process:once("SIGUSR1", t.calls(1))
    process:once("SIGUSR1", t.calls(1, function() timeout:close() end))
    process.kill(process.pid, "SIGUSR1")
    t.run()
    if core.signals().SIGIOT == core.signals().SIGABRT then
      timeout = timers.setTimeout(t.never(), 100000)
      local left = 2
      for _, name in ipairs({ "SIGABRT", "SIGIOT" }) do
        process:once(name, t.calls(1, function(got)
          assert.equal(name, got)
          left = left - 1
          if left == 0 then timeout:close() end
        end))
      end
      process.kill(process.pid, "SIGABRT")
      t.run()
    end
  end))

  it("that came while an error was on its way out is told by the next run()", within(function(t)
    timers.setTimeout(function()
      process.kill(process.pid, "SIGUSR2")
      error("first", 0)
    end, 1)
    local timeout = timers.setTimeout(t.never(), 100000)
    process:once("SIGUSR2", t.calls(1, function() timeout:close() end))
    assert.has_error(net.run, "first")
    t.run()
  end))

  it("that cannot be caught raises, and no listener is added", function()
    for _, name in ipairs({ "SIGKILL", "SIGSTOP" }) do
      local _, err = pcall(process.on, process, name, print)
      assert.equal("Error: uv_signal_start EINVAL", tostring(err))
      assert.same({ "EINVAL", "uv_signal_start" }, { err.code, err.syscall })
      assert.equal(0, process:listenerCount(name))
    end
  end)

  it("of an unknown name is an ordinary event", function()
    local got
    process:once("SIGFOO", function(value) got = value end)
    process:emit("SIGFOO", 5)
    assert.equal(5, got)
  end)

  it("shows in no count of listeners", function()
    assert.equal(0, process:listenerCount("newListener"))
    assert.equal(0, process:listenerCount("removeListener"))
  end)

  it("kills as ever once its last listener is gone", function()
    for _, removal in ipairs({
      [[local function f() end process:on("SIGTERM", f) process:off("SIGTERM", f)]],
      [[process:on("SIGTERM", print) process:removeAllListeners("SIGTERM")]],
      [[process:on("SIGTERM", print) process:removeAllListeners()]],
      [[process:once("SIGTERM", print) process:emit("SIGTERM")]],
    }) do
      local result = run(removal .. [[
        process.kill(process.pid, "SIGTERM")
        timers.setTimeout(print, 20000, "alive")
        net.run()
      ]])
      assert.equal(core.signals().SIGTERM, result.signal)
    end
  end)

  it("can end a server by itself", function()
    local child = lua.start({ script = HEAD .. [[
      local timeout = timers.setTimeout(print, 100000)
      process:on("SIGTERM", function(...) print(...) timeout:close() end)
      process:on("SIGHUP", function(...) print(...) end)
      print("ready")
      print(net.run())
    ]] })
    assert.equal("ready", child:read())
    child:kill("SIGHUP")
    assert.equal("SIGHUP\t1", child:read())
    child:kill("SIGTERM")
    assert.equal("SIGTERM\t15", child:read())
    assert.equal("false", child:read())
    assert.equal(0, child:wait().code)
  end)

  it("SIGINT that nobody listens to ends run() under lua5.4 as any other Lua code", function()
    local child = lua.start({ script = HEAD .. [[
      timers.setTimeout(print, 100000)
      print("ready")
      net.run()
    ]] })
    assert.equal("ready", child:read())
    child:kill("SIGINT")
    local result = child:wait()
    assert.equal(1, result.code)
    assert.matches("interrupted!", result.stderr)
  end)
end)

describe("process 'uncaughtException'", function()
  local function cleanup(t)
    t.finally(function()
      process:removeAllListeners("uncaughtException")
      process:removeAllListeners("uncaughtExceptionMonitor")
    end)
  end

  it("takes an error, and the loop goes on", within(function(t)
    cleanup(t)
    process:on("uncaughtExceptionMonitor", t.calls(1, function(err, origin)
      t.log("monitor", err, origin)
    end))
    process:on("uncaughtException", t.calls(1, function(err, origin)
      t.log("taken", err, origin)
    end))
    timers.setTimeout(error, 1, "oh")
    timers.setTimeout(t.log, 2, "on")
    t.run()
    assert.same({ "monitor oh uncaughtException", "taken oh uncaughtException", "on" }, t.lines)
  end))

  -- In a process of its own: a timer that another spec left behind may be due here, and
  -- would be the next callback.
  it("takes the error of a tick, and the ticks behind it run behind the next callback", function()
    local result = run [[
      process:on("uncaughtException", function(err) print("taken " .. err) end)
      process.nextTick(error, "tick")
      process.nextTick(print, "next tick")
      timers.setImmediate(print, "immediate")
      net.run()
    ]]
    assert.equal("taken tick\nimmediate\nnext tick\n", result.stdout)
  end)

  it("may be nil", within(function(t)
    cleanup(t)
    process:on("uncaughtException", t.calls(1, function(err) assert.is_nil(err) end))
    timers.setTimeout(error, 1, nil)
    t.run()
  end))

  it("of a monitor alone is not taken", within(function(t)
    cleanup(t)
    process:on("uncaughtExceptionMonitor", t.calls(1))
    timers.setTimeout(error, 1, "oh")
    assert.has_error(net.run, "oh")
  end))

  it("whose listener fails gives that error instead", within(function(t)
    cleanup(t)
    process:on("uncaughtException", t.calls(1, function() error("second", 0) end))
    timers.setTimeout(error, 1, "first")
    assert.has_error(net.run, "second")
  end))
end)

describe("process.emitWarning", function()
  local seen

  local function listener(warning)
    seen[#seen + 1] = warning
  end

  before_each(function()
    seen = {}
    process.noWarnings = true
    process:on("warning", listener)
  end)

  after_each(function()
    process:off("warning", listener)
    process.noWarnings = false
  end)

  it("emits 'warning' on the next tick", function()
    process.emitWarning("plain")
    process.emitWarning("typed", "MyWarning", "C001")
    process.emitWarning("with options", { type = "Ty", code = "X", detail = "some detail" })
    local err = errors.new("Error", "an error")
    process.emitWarning(err)
    assert.equal(0, #seen)
    net.run()
    assert.same({ "Warning: plain", "MyWarning: typed", "Ty: with options", "Error: an error" },
      { tostring(seen[1]), tostring(seen[2]), tostring(seen[3]), tostring(seen[4]) })
    assert.equal("C001", seen[2].code)
    assert.same({ "X", "some detail" }, { seen[3].code, seen[3].detail })
    assert.equal(err, seen[4])
  end)

  it("prints a line for each, unless told not to", function()
    local script = [[
      process.emitWarning("plain")
      process.emitWarning("typed", "MyWarning", "C001")
      process.emitWarning("opt", { type = "Ty", code = "X", detail = "some detail" })
      net.run()
      print(process.pid)
    ]]
    local result = run(script)
    local pid = result.stdout:match("%d+")
    assert.equal(("(lua:PID) Warning: plain\n(lua:PID) [C001] MyWarning: typed\n"
      .. "(lua:PID) [X] Ty: opt\nsome detail\n"):gsub("PID", pid), result.stderr)
    assert.equal("", run(script, { env = { NET_NO_WARNINGS = "1" } }).stderr)
    assert.equal("", run("process.noWarnings = true " .. script).stderr)
  end)

  it("raises for what is no warning", function()
    local head = "TypeError [ERR_INVALID_ARG_TYPE]: The "
    assert.equal(head .. '"warning" argument must be of type string or an instance of Error. '
      .. "Received nil", text_of(process.emitWarning))
    assert.equal(head .. '"type" argument must be of type string. Received type number (5)',
      text_of(process.emitWarning, "m", 5))
    assert.equal(head .. '"code" argument must be of type string. Received type number (5)',
      text_of(process.emitWarning, "m", "T", 5))
  end)
end)

describe("process.exitCode", function()
  after_each(function() process.exitCode = nil end)

  it("takes whole numbers, as text too, and nil", function()
    process.exitCode = 3
    assert.equal(3, process.exitCode)
    process.exitCode = "5"
    assert.equal(5, process.exitCode)
    process.exitCode = nil
    assert.is_nil(process.exitCode)
  end)

  it("raises for anything else", function()
    local function set(value)
      return text_of(function() process.exitCode = value end)
    end
    assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "code" argument must be of type number. '
      .. "Received type string ('abc')", set("abc"))
    assert.matches("Received type boolean %(true%)$", set(true))
    assert.matches("Received an instance of Object$", set({}))
    assert.equal('RangeError [ERR_OUT_OF_RANGE]: The value of "code" is out of range. It must be an '
      .. "integer. Received 1.5", set(1.5))
    assert.is_nil(process.exitCode)
  end)
end)

describe("process.exit", function()
  local EXIT = [[process:on("exit", function(code) print("exit", code) end)]]

  --- {exit code, standard output} of a script.
  local function ends(script)
    local result = run(script)
    assert.equal("", result.stderr)
    return { result.code, result.stdout }
  end

  it("emits 'exit' and ends the process", function()
    assert.same({ 0, "exit\t0\n" }, ends(EXIT .. [[process.exit() print("not here")]]))
    assert.same({ 7, "exit\t7\n" }, ends(EXIT .. [[process.exit(7)]]))
    assert.same({ 9, "exit\t9\n" }, ends(EXIT .. [[process.exitCode = 9 process.exit()]]))
    assert.same({ 0, "exit\t0\n" }, ends(EXIT .. [[process.exitCode = 9 process.exit(nil)]]))
    assert.same({ 44, "exit\t300\n" }, ends(EXIT .. [[process.exit(300)]]))
    assert.same({ 255, "exit\t-1\n" }, ends(EXIT .. [[process.exit(-1)]]))
  end)

  it("ends it from any depth", function()
    for _, how in ipairs({
      "timers.setTimeout(process.exit, 1, 3) net.run()",
      "process.nextTick(process.exit, 3) net.run()",
      "timers.setImmediate(process.exit, 3) net.run()",
      "coroutine.wrap(function() timers.setTimeout(process.exit, 1, 3) net.run() end)()",
      "coroutine.wrap(function() process.exit(3) end)()",
      [[process:on("SIGTERM", function() process.exit(3) end) process.kill(process.pid, "SIGTERM")
        timers.setTimeout(print, 100000) net.run()]],
      [[process:on("uncaughtException", function() process.exit(3) end)
        timers.setTimeout(error, 1) net.run()]],
      "pcall(process.exit, 3)",
    }) do
      assert.same({ 3, "exit\t3\n" }, ends(EXIT .. how))
    end
  end)

  it("lets a listener change the code, or end it there", function()
    assert.same({ 4, "exit\t0\n" },
      ends(EXIT .. [[process:on("exit", function() process.exitCode = 4 end) process.exit()]]))
    assert.same({ 3, "exit\t0\n" },
      ends(EXIT .. [[process:on("exit", function() process.exit(3) end) process.exit()]]))
  end)

  it("runs no ticks any more, and writes what was printed", function()
    assert.same({ 0, "partexit\t0\n" }, ends(EXIT .. [[
      io.stdout:setvbuf("full")
      process.nextTick(print, "tick")
      process:on("exit", function() process.nextTick(print, "tick") end)
      io.write("part")
      process.exit()
    ]]))
  end)

  it("ends with 1 and a traceback when a listener of 'exit' fails", function()
    local result = run(EXIT .. [[
      local function the_culprit() error("in exit") end
      process:on("exit", function() the_culprit() end)
      process.exit()
    ]])
    assert.same({ 1, "exit\t0\n" }, { result.code, result.stdout })
    assert.matches("in exit", result.stderr)
    assert.matches("the_culprit", result.stderr)
  end)

  it("raises for a code that is none, and goes on", function()
    local result = run(EXIT .. [[print(select(2, pcall(process.exit, "abc")))]])
    assert.same({ 0, 'TypeError [ERR_INVALID_ARG_TYPE]: The "code" argument must be of type number. '
      .. "Received type string ('abc')\n" }, { result.code, result.stdout })
  end)
end)

describe("process.finish", function()
  local BOTH = [[
    process:on("beforeExit", function(code) print("beforeExit", code) end)
    process:on("exit", function(code) print("exit", code) end)
  ]]

  it("leaves children to io.popen, also while it tells of them who listens to SIGCHLD", function()
    assert.equal("nil\texit\t3\nchild\nnil\texit\t4\nnil\texit\t5\n", run(BOTH .. [[
      local function status(code) -- of a child that ends while the loop runs
        local child = io.popen("echo $$; exit " .. code)
        local stat, left = "/proc/" .. child:read("n") .. "/stat", 3
        local look <close> = timers.setInterval(function()
          local file <close> = io.open(stat)
          if not file or file:read("a"):find(") Z ", 1, true) then
            left = left - 1 -- a few turns in which libev could reap it
          end
          if left == 0 then net.stop() end
        end, 1)
        net.run()
        return child:close()
      end
      print(status(3))
      local guard, ended = timers.setTimeout(function() end, 10000), nil
      process:on("SIGCHLD", function()
        if not ended then print("child") end
        ended = true
        guard:close()
      end)
      local child = io.popen("exit 4")
      net.run()
      print(child:close())
      print(status(5))
    ]]).stdout)
  end)

  it("hears SIGCHLD beside a handler that was there before, and gives that back", function()
    local ok, lib = pcall(lua.module, "spec/support/chld.c", "net_spec_chld")
    if not ok or not lib then
      return pending("there are no headers of Lua")
    end
    lib.install()
    local heard = 0
    local guard = timers.setTimeout(function() end, 10000)
    local function listener()
      heard = heard + 1
      guard:close()
    end
    process:on("SIGCHLD", listener)
    local child = io.popen("exit 0")
    net.run()
    child:close()
    assert.is_true(heard > 0)
    local before = lib.count()
    assert.is_true(before > 0)
    process:off("SIGCHLD", listener)
    io.popen("exit 0"):close()
    assert.is_true(lib.count() > before)
    assert.is_true(lib.is_installed())
    lib.restore()
  end)

  it("emits 'beforeExit' as long as that brings new work, then 'exit'", function()
    assert.equal("beforeExit\t2\nwork\nbeforeExit\t2\nexit\t2\ncode\t2\n", run(BOTH .. [[
      process.exitCode = 2
      process:once("beforeExit", function() timers.setTimeout(print, 1, "work") end)
      net.run()
      print("code", process.finish())
    ]]).stdout)
    assert.equal("beforeExit\t0\ntick\nwork\nbeforeExit\t0\nexit\t0\n", run(BOTH .. [[
      process:once("beforeExit", function()
        process.nextTick(function()
          print("tick")
          timers.setImmediate(print, "work")
        end)
      end)
      process.finish()
    ]]).stdout)
  end)

  it("emits 'exit' alone after an error, with its code", function()
    assert.equal("exit\t1\ncode\t1\n", run(BOTH .. [[print("code", process.finish(1))]]).stdout)
  end)

  it("emits 'exit' alone when the loop was stopped", function()
    assert.equal("exit\t0\n", run(BOTH .. [[
      timers.setTimeout(print, 100000)
      timers.setTimeout(net.stop, 1)
      net.run()
      process.finish()
    ]]).stdout)
  end)

  it("emits 'exit' once", function()
    assert.equal("beforeExit\t0\nexit\t0\n", run(BOTH .. [[
      process.finish()
      process.finish(1)
      process.exit()
    ]]).stdout)
  end)
end)
