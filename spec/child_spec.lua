-- SPDX-License-Identifier: MIT

--- Processes that net.child starts: their life, events and end. The traces are Node 26's,
--- where nothing else is said.

local child = require("net.child")
local children = require("spec.support.children")
local net = require("net")
local process = require("net.process")
local within = require("spec.support").within
local timers = require("net.timers")

local watch, sh = children.watch, children.sh

describe("child.spawn", function()
  it("starts a program, and tells what it ends with", within(function(t)
    local kid, out = sh("echo hello; exit 3")
    local log = children.watch_pipe(kid.stdout, "stdout", watch(kid))
    assert.is_true(math.type(kid.pid) == "integer")
    assert.is_nil(kid.exitCode)
    assert.is_nil(kid.signalCode)
    assert.is_true(child.isChildProcess(kid))
    kid:on("exit", function()
      assert.equal(3, kid.exitCode)
      assert.is_false(children.exists(kid.pid)) -- no zombie
      assert.is_false(kid:kill())
      assert.is_false(kid.killed)
    end)
    t.run()
    assert.equal("hello\n", out.text)
    assert.equal("spawn", log[1])
    assert.is_true(log[#log] == "close 3 nil" or log[#log] == "stdout close")
    local seen = {}
    for _, line in ipairs(log) do seen[line] = (seen[line] or 0) + 1 end
    assert.same({ ["spawn"] = 1, ["exit 3 nil"] = 1, ["close 3 nil"] = 1, ["stdout end"] = 1,
      ["stdout close"] = 1 }, seen)
    assert.equal(3, kid.exitCode)
  end))

  it("passes arguments as they are", within(function(t)
    local kid = child.spawn("printf", { "%s|", "a b", "", "'\"$x", "\255", 5, 1.5 })
    local out = children.gather(kid.stdout)
    t.run()
    assert.equal("a b||'\"$x|\255|5|1.5|", out.text)
    assert.same({ "printf", "%s|", "a b", "", "'\"$x", "\255", "5", "1.5" }, kid.spawnargs)
    assert.equal("printf", kid.spawnfile)
  end))

  it("emits 'spawn' on a tick, before the loop looks at anything", within(function(t)
    local log, called = {}, false
    local kid = sh("exit 0")
    kid:on("spawn", function()
      log[#log + 1] = "spawn"
      assert.is_true(called)
    end)
    timers.setImmediate(function() log[#log + 1] = "immediate" end)
    called = true
    t.run()
    assert.same({ "spawn", "immediate" }, log)
  end))

  it("tells of a file that is not there by 'error' and 'close' alone", within(function(t)
    local kid = child.spawn("/nonexistent/x", { "a", "b" }, { argv0 = "zero" })
    local log, failure = watch(kid), nil
    kid:on("error", function(err)
      failure = err
      assert.equal(-2, kid.exitCode)
    end)
    assert.is_nil(kid.pid)
    assert.is_nil(kid.exitCode)
    assert.is_false(kid:kill())
    assert.is_false(kid.killed)
    assert.same({ "zero", "a", "b" }, kid.spawnargs)
    t.run()
    assert.same({ "error Error: spawn /nonexistent/x ENOENT", "close -2 nil" }, log)
    assert.equal("ENOENT", failure.code)
    assert.equal(-2, failure.errno)
    assert.equal("spawn /nonexistent/x", failure.syscall)
    assert.equal("/nonexistent/x", failure.path)
    assert.same({ "a", "b" }, failure.spawnargs)
  end))

  it("raises an 'error' that nobody listens to", within(function(t)
    child.spawn("/nonexistent")
    local ok, err = pcall(t.run)
    assert.is_false(ok)
    assert.equal("ENOENT", err.code)
    t.run() -- 'close' comes all the same
  end))

  it("tells of a file that may not be run, and of a directory that is not there", within(function(t)
    local log = watch(child.spawn("/etc/passwd"))
    t.run()
    assert.same({ "error Error: spawn /etc/passwd EACCES", "close -13 nil" }, log)
    log = watch(child.spawn("true", { cwd = "/nonexistent" }))
    t.run()
    assert.same({ "error Error: spawn true ENOENT", "close -2 nil" }, log)
  end))

  it("raises what the system refuses otherwise, and leaves nothing", within(function(t)
    local ok, err = pcall(child.spawn, "/etc/passwd/x")
    assert.is_false(ok)
    assert.equal("Error: spawn ENOTDIR", tostring(err))
    assert.equal(-20, err.errno)
    assert.equal("spawn", err.syscall)
    ok, err = pcall(child.spawn, "true", { ("x"):rep(3 * 1024 * 1024) })
    assert.is_true(ok or tostring(err) == "Error: spawn E2BIG") -- valgrind runs it
    ok, err = pcall(child.spawn, "true", {}, { stdio = { 9999 } })
    assert.is_false(ok)
    assert.equal("Error: spawn EBADF", tostring(err))
    t.run()
  end))

  it("runs a file without #! by the shell, as execvp does", within(function(t)
    local path = t.tmpdir() .. "/script"
    local file <close> = assert(io.open(path, "w"))
    file:write("echo \"$0 $1\"\n")
    file:close()
    assert(os.execute("chmod +x " .. path))
    local kid = child.spawn(path, { "one" })
    local out = children.gather(kid.stdout)
    t.run()
    assert.equal(path .. " one\n", out.text)
  end))

  it("looks a name up in the PATH of the given environment", within(function(t)
    local dir = t.tmpdir()
    local file <close> = assert(io.open(dir .. "/own-program", "w"))
    file:write("#!/bin/sh\necho found\n")
    file:close()
    assert(os.execute("chmod +x " .. dir .. "/own-program"))
    local kid = child.spawn("own-program", { env = { PATH = "/nonexistent:" .. dir } })
    local out = children.gather(kid.stdout)
    t.run()
    assert.equal("found\n", out.text)
    assert.same({ "error Error: spawn own-program ENOENT", "close -2 nil" },
      (function()
        local log = watch(child.spawn("own-program"))
        t.run()
        return log
      end)())
    kid = child.spawn("sh", { "-c", "echo default" }, { env = {} }) -- none: the system's default
    out = children.gather(kid.stdout)
    t.run()
    assert.equal("default\n", out.text)
    kid = child.spawn("own-program", { cwd = dir, env = { PATH = "" } }) -- the directory itself
    out = children.gather(kid.stdout)
    t.run()
    assert.equal("found\n", out.text)
  end))

  it("passes over what may not be run, and says so if there is nothing else", within(function(t)
    local dir = t.tmpdir()
    local file <close> = assert(io.open(dir .. "/sh", "w"))
    file:write("no program\n")
    file:close()
    local kid = child.spawn("sh", { "-c", "echo next" }, { env = { PATH = dir .. ":/bin:/usr/bin" } })
    local out = children.gather(kid.stdout)
    t.run()
    assert.equal("next\n", out.text)
    local log = watch(child.spawn("sh", { env = { PATH = dir .. ":/nonexistent" } }))
    t.run()
    assert.same({ "error Error: spawn sh EACCES", "close -13 nil" }, log)
  end))

  it("gives the child exactly the environment that was asked for", within(function(t)
    local kid = child.spawn("env", { env = { B = "2", A = "1 x", N = 5, F = 1.5, T = true } })
    local out = children.gather(kid.stdout)
    t.run()
    assert.equal("A=1 x\nB=2\nF=1.5\nN=5\nT=true\n", out.text)
  end))

  it("hands on our own environment otherwise", within(function(t)
    local kid = child.spawn("env")
    local out = children.gather(kid.stdout)
    t.run()
    local names = {}
    for name in out.text:gmatch("([^\n=]+)=") do names[name] = true end
    assert.is_true(names.PATH)
    local env = process.env
    assert.equal(os.getenv("PATH"), env.PATH)
    env.PATH = nil
    assert.equal(os.getenv("PATH"), process.env.PATH) -- each read is a new table
  end))

  it("starts it in a directory, under another name, in a session of its own", within(function(t)
    local kid = child.spawn("sh", { "-c", "pwd; echo $0" }, { cwd = "/", argv0 = "another" })
    local out = children.gather(kid.stdout)
    t.run()
    assert.equal("/\nanother\n", out.text)
    kid = child.spawn("sh", { "-c", "cut -d' ' -f1,6 /proc/$$/stat" }, { detached = true })
    out = children.gather(kid.stdout)
    t.run()
    local pid, session = out.text:match("(%d+) (%d+)")
    assert.equal(pid, session)
  end))

  it("joins file and arguments for a shell", within(function(t)
    local kid = child.spawn("echo $((1+1));", { "echo", "a  b" }, { shell = true })
    local out = children.gather(kid.stdout)
    t.run()
    assert.equal("2\na b\n", out.text)
    assert.equal("/bin/sh", kid.spawnfile)
    assert.same({ "/bin/sh", "-c", "echo $((1+1)); echo a  b" }, kid.spawnargs)
    kid = child.spawn("echo $0", { shell = "/bin/sh" })
    out = children.gather(kid.stdout)
    t.run()
    assert.equal("/bin/sh\n", out.text)
  end))

  it("takes options in the place of the arguments", within(function(t)
    local options = { stdio = "ignore", cwd = "/" }
    local kid = child.spawn("true", options)
    local log = watch(kid)
    t.run()
    assert.same({ "spawn", "exit 0 nil", "close 0 nil" }, log)
    assert.same({ stdio = "ignore", cwd = "/" }, options)
  end))

  it("leaves no signal blocked or ignored in the child", within(function(t)
    local listener = function() end
    process:on("SIGTERM", listener)
    local kid, out = sh("grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status")
    t.run()
    process:off("SIGTERM", listener)
    assert.matches("SigBlk:%s+0+\n", out.text)
    -- 32 and 33 are the C library's own, and it keeps them as they are
    assert.matches("SigIgn:%s+0+[01]?[08]?0+\n", out.text)
    assert.equal(0, kid.exitCode)
  end))

  it("drops its rights as it is told, or raises what the system says", within(function(t)
    local is_root = io.popen("id -u"):read("l") == "0"
    if not is_root then
      local ok, err = pcall(child.spawn, "true", { uid = 0 })
      assert.is_false(ok)
      assert.equal("Error: spawn EPERM", tostring(err))
      return t.run()
    end
    local kid = child.spawn("id", { "-u" }, { uid = 12345, gid = 23456 })
    local out = children.gather(kid.stdout)
    local kid2 = child.spawn("sh", { "-c", "id -g; id -G" }, { uid = 12345, gid = 23456 })
    local out2 = children.gather(kid2.stdout)
    t.run()
    assert.equal("12345\n", out.text)
    assert.equal("23456\n23456\n", out2.text)
    local ok, err = pcall(child.spawn, "true", { uid = -1 })
    assert.is_false(ok)
    assert.equal("Error: spawn EINVAL", tostring(err))
    t.run()
  end))

  it("holds the loop until the child has ended, unless it is unref'd", within(function(t)
    local kid = child.spawn("sleep", { "60" }, { stdio = "ignore" })
    kid:unref()
    t.run() -- comes back at once
    assert.is_nil(kid.exitCode)
    kid:ref()
    kid:ref()
    kid:kill("SIGKILL")
    t.run()
    assert.equal("SIGKILL", kid.signalCode)
    kid:unref()
    kid:ref()
  end))

  it("is kept while the child runs, though nobody holds it", within(function(t)
    local ended = t.calls(1)
    do sh("exit 0"):on("exit", ended) end
    collectgarbage()
    collectgarbage()
    t.run()
  end))

  it("goes on when a listener raises: 'close' comes all the same", within(function(t)
    local kid = sh("exit 0")
    kid:on("exit", function() error("out of exit") end)
    kid:on("close", t.calls(1))
    local ok, err = pcall(t.run)
    assert.is_false(ok)
    assert.matches("out of exit", tostring(err))
    t.run()
  end))

  it("starts many at once, and tells of each", within(function(t)
    local codes, n = {}, 50
    for i = 1, n do
      child.spawn("sh", { "-c", "exit " .. i }, { stdio = "ignore" }):on("exit", function(code)
        codes[#codes + 1] = code
      end)
    end
    t.run()
    table.sort(codes)
    assert.equal(n, #codes)
    for i = 1, n do assert.equal(i, codes[i]) end
  end))
end)

describe("process.execPath", function()
  it("is luanet by name, its own path under luanet, and may be set", within(function(t)
    local was = process.execPath
    assert.equal("luanet", was)
    process.execPath = "/usr/bin/other"
    assert.equal("/usr/bin/other", process.execPath)
    process.execPath = was
    local kid, out = sh("exec \"$LUA\" bin/luanet -e 'print(process.execPath)'", {
      env = (function()
        local env = process.env
        env.LUA = env.LUA or "lua5.4"
        env.LUA_INIT = "package.path, package.cpath, process = " .. ("%q, %q"):format(package.path,
          package.cpath) .. " process = require('net.process')"
        return env
      end)(),
    })
    t.run()
    assert.equal(0, kid.exitCode)
    assert.equal(process.env.PWD .. "/bin/luanet\n", out.text)
  end))
end)

describe("kid:kill", function()
  it("sends SIGTERM, and tells of it by 'exit'", within(function(t)
    local kid = child.spawn("sleep", { "60" })
    local log = watch(kid)
    assert.is_true(kid:kill())
    assert.is_true(kid.killed)
    t.run()
    assert.same({ "spawn", "exit nil SIGTERM", "close nil SIGTERM" }, log)
    assert.equal("SIGTERM", kid.signalCode)
    assert.is_nil(kid.exitCode)
    assert.is_false(kid:kill())
  end))

  it("takes names in any case and numbers, and 0 to look", within(function(t)
    local kid = child.spawn("sleep", { "60" })
    assert.is_true(kid:kill(0))
    assert.is_false(kid.killed) -- unlike in Node: none was sent
    assert.is_true(kid:kill("sigcont"))
    assert.is_true(kid.killed)
    assert.is_true(kid:kill(0))
    assert.is_true(kid.killed)
    assert.is_true(kid:kill(9))
    t.run()
    assert.equal("SIGKILL", kid.signalCode)
    assert.is_false(kid:kill(0))
  end))

  it("raises for what is no signal, and sends nothing", within(function(t)
    local kid = child.spawn("sleep", { "60" })
    for _, bad in ipairs({ "SIGX", "", 1.5, -1, 99, false, {}, "9" }) do
      local ok, err = pcall(kid.kill, kid, bad)
      assert.is_false(ok)
      assert.equal("ERR_UNKNOWN_SIGNAL", err.code)
    end
    assert.is_false(kid.killed)
    kid:kill("SIGKILL")
    t.run()
  end))

  it("of 0 does not keep a <close> variable from ending the child", within(function(t)
    do
      local kid <close> = child.spawn("sleep", { "60" })
      kid:on("exit", t.calls(1, function(_, signal) assert.equal("SIGTERM", signal) end))
      kid:kill(0)
    end
    t.run()
  end))

  it("is what leaving the scope of a <close> variable does", within(function(t)
    local log
    do
      local kid <close> = child.spawn("sleep", { "60" })
      log = watch(kid)
    end
    t.run()
    assert.same({ "spawn", "exit nil SIGTERM", "close nil SIGTERM" }, log)
  end))

  it("names a signal that has no name by its number", within(function(t)
    local kid = sh("kill -40 $$")
    local log = watch(kid)
    t.run()
    assert.equal("SIG40", kid.signalCode)
    assert.is_nil(kid.exitCode)
    assert.same({ "spawn", "exit nil SIG40", "close nil SIG40" }, log)
  end))
end)

describe("The options timeout and signal", function()
  it("end the child after so long", within(function(t)
    local kid = child.spawn("sleep", { "60" }, { timeout = 20, killSignal = "SIGKILL" })
    local log = watch(kid)
    t.run()
    assert.same({ "spawn", "exit nil SIGKILL", "close nil SIGKILL" }, log)
    assert.is_true(kid.killed)
  end))

  it("do not hold the loop once the child has ended", within(function(t)
    local kid = child.spawn("true", { timeout = 1000000 })
    local late = child.spawn("true", { timeout = 9007199254740991 }) -- beyond any timer
    t.run()
    assert.equal(0, kid.exitCode)
    assert.equal(0, late.exitCode)
    local refused = child.spawn("/nonexistent", { timeout = 1000000 })
    refused:on("error", t.calls(1))
    t.run()
  end))

  it("end the child when the signal aborts, with an AbortError", within(function(t)
    local controller = net.abort.AbortController()
    local kid = child.spawn("sleep", { "60" }, { signal = controller.signal })
    local log, failure = watch(kid), nil
    kid:on("error", function(err) failure = err end)
    kid:on("spawn", function()
      controller:abort("why")
      assert.is_true(kid.killed)
    end)
    t.run()
    assert.same({ "spawn", "error AbortError: The operation was aborted", "exit nil SIGTERM",
      "close nil SIGTERM" }, log)
    assert.equal("ABORT_ERR", failure.code)
    assert.equal("why", failure.cause)
  end))

  it("start the process also when the signal has aborted already", within(function(t)
    local kid = child.spawn("sleep", { "60" }, { signal = net.abort.AbortSignal.abort("early") })
    local log = watch(kid)
    assert.is_true(kid.pid ~= nil)
    t.run()
    assert.same({ "spawn", "error AbortError: The operation was aborted", "exit nil SIGTERM",
      "close nil SIGTERM" }, log)
  end))

  it("leave the signal alone when the child has ended", within(function(t)
    local controller = net.abort.AbortController()
    for _, file in ipairs({ "true", "/nonexistent" }) do
      local kid = child.spawn(file, { signal = controller.signal })
      local log = watch(kid)
      t.run()
      local n = #log
      controller:abort()
      t.run()
      assert.equal(n, #log)
      controller = net.abort.AbortController()
    end
  end))
end)
