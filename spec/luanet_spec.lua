-- SPDX-License-Identifier: MIT

-- The launcher, as a person starts it: a process with arguments, two streams
-- and an exit code.

local lua = os.getenv("LUA") or "lua5.4"

local scratch

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Runs luanet with these words, by the interpreter of the shell's words `command`;
--- `input` is what it finds on standard input.
---@return integer code the exit code
---@return string out standard output
---@return string err standard error
local function luanet_by(command, input, ...)
  local words = { "LUA_PATH=" .. quote(package.path), "LUA_CPATH=" .. quote(package.cpath),
    command, "bin/luanet" }
  for i = 1, select("#", ...) do
    words[#words + 1] = quote((select(i, ...)))
  end
  local stdin = write_file(scratch .. "/in", input)
  local _, _, code = os.execute(("%s <%s >%s/out 2>%s/err"):format(
    table.concat(words, " "), stdin, scratch, scratch))
  return code, read_file(scratch .. "/out"), read_file(scratch .. "/err")
end

local function luanet_with(...)
  return luanet_by(quote(lua), ...)
end

local function luanet(...)
  return luanet_with("", ...)
end

local function script(text)
  return write_file(scratch .. "/script.lua", text)
end

describe("luanet", function()
  setup(function()
    scratch = os.tmpname()
    os.remove(scratch)
    assert(os.execute("mkdir " .. scratch))
  end)

  teardown(function()
    os.execute("rm -r " .. scratch)
  end)

  it("runs a script and then the loop, and exits with 0", function()
    local code, out, err = luanet(script([[
      require("net.timers").setTimeout(function() print("later") end, 1)
      print("first")
    ]]))
    assert.same({ 0, "first\nlater\n", "" }, { code, out, err })
  end)

  it("leaves a script that runs the loop itself alone", function()
    local code, out = luanet(script([[
      require("net.timers").setTimeout(print, 1, "later")
      require("net").run()
      print("last")
    ]]))
    assert.same({ 0, "later\nlast\n" }, { code, out })
  end)

  it("hands the arguments over in 'arg' and in '...'", function()
    local path = script([[
      print(arg[0], arg[-1], #arg, ...)
      print(arg[1], arg[2], arg[3], arg[4], arg[-3])
    ]])
    local code, out = luanet(path, "one", "", "three 3")
    assert.same({ 0, path .. "\tbin/luanet\t3\tone\t\tthree 3\none\t\tthree 3\tnil\tnil\n" },
      { code, out })
  end)

  it("skips a script's first line if that names an interpreter", function()
    assert.same({ 0, "ran\n", "" }, { luanet(script("#!/usr/bin/env luanet\nprint('ran')\n")) })
  end)

  it("runs a piece of Lua given with -e", function()
    assert.same({ 0, "1\ta\tb\n", "" }, { luanet("-e", "print(1, ...)", "a", "b") })
    assert.same({ 0, "print(arg[0])\n", "" }, { luanet("-e", "print(arg[0])") })
  end)

  it("runs what comes on standard input with -", function()
    assert.same({ 0, "-\tx\n", "" }, { luanet_with("print(arg[0], ...)", "-", "x") })
  end)

  it("runs the script as a task, which may wait at its top level", function()
    assert.same({ 0, "true\ta\n", "" },
      { luanet("-e", [[print(require("net.co").sleep(1), ...)]], "a") })
  end)

  it("has a script run the loop itself before its first wait, and not after it", function()
    local code, out = luanet("-e", [[
      local co, net = require("net.co"), require("net")
      print(co.run(function() return co.sleep(1) end), net.run())
      co.sleep(1)
      print(pcall(net.run))
    ]])
    assert.equal(0, code)
    assert.matches("^true\tfalse\nfalse\t.*running already", out)
  end)

  it("exits with 13 if the script waits for what cannot come", function()
    local code, out, err = luanet("-e", [[
      require("net.process"):on("exit", function(code) print("exit", code) end)
      require("net.co").suspend(function() end)
    ]])
    assert.same({ 13, "exit\t13\n" }, { code, out })
    assert.matches("DeadlockWarning: A task waits", err)
    code = luanet("-e", [[
      require("net.process").exitCode = 4
      require("net.co").suspend(function() end)
    ]])
    assert.equal(4, code)
  end)

  it("shows an error that comes after a wait as any other", function()
    local code, _, err = luanet("-e", [[
      require("net.co").sleep(1)
      error("late")
    ]])
    assert.equal(1, code)
    assert.matches("^luanet: %(command line%):2: late\nstack traceback:", err)
  end)

  it("is ended by SIGINT as by any signal, unless somebody listens to it", function()
    local interrupt = [[
      local process = require("net.process")
      local held = require("net").createServer():listen(0)
      require("net.timers").setImmediate(process.kill, process.pid, "SIGINT")
    ]]
    -- A shell says 128 + the signal's number.
    assert.same({ 130, "", "" }, { luanet("-e", interrupt) })
    assert.same({ 0, "SIGINT\n", "" }, { luanet("-e", interrupt .. [[
      process:on("SIGINT", function(name) print(name) held:close() end)
    ]]) })
  end)

  it("exits with process.exitCode", function()
    local code = luanet("-e", [[require("net.process").exitCode = 7]])
    assert.equal(7, code)
  end)

  it("emits 'exit' with the exit code, when the loop has ended and after an error", function()
    local listen = [[require("net.process"):on("exit", function(code) print("exit", code) end) ]]
    local code, out = luanet("-e", listen ..
      [[require("net.timers").setTimeout(print, 1, "timer")]])
    assert.same({ 0, "timer\nexit\t0\n" }, { code, out })
    code, out = luanet("-e", listen .. "error('boom')")
    assert.same({ 1, "exit\t1\n" }, { code, out })
  end)

  it("emits 'beforeExit' when there is no more work, and does what its listeners find", function()
    local code, out = luanet("-e", [[
      local process = require("net.process")
      process:once("beforeExit", function(...)
        print("before", ...)
        require("net.timers").setTimeout(print, 1, "more")
      end)
      process:on("exit", function(...) print("exit", ...) end)
    ]])
    assert.same({ 0, "before\t0\nmore\nexit\t0\n" }, { code, out })
  end)

  it("ends at process.exit, from anywhere", function()
    local code, out, err = luanet("-e", [[
      require("net.timers").setTimeout(function() require("net.process").exit(5) end, 1)
      require("net.timers").setTimeout(print, 2, "never")
    ]])
    assert.same({ 5, "", "" }, { code, out, err })
  end)

  describe("after an error that nobody took", function()
    it("exits with 1 and shows where the script raised it", function()
      local code, out, err = luanet(script("local function inner()\n  error('boom')\nend\ninner()"))
      assert.same({ 1, "" }, { code, out })
      assert.matches("^luanet: .-script%.lua:2: boom\nstack traceback:\n", err)
      assert.matches("script%.lua:2: in .-inner", err)
      assert.matches("script%.lua:4: in main chunk", err)
      assert.equal(1, select(2, err:gsub("boom", "")))
    end)

    it("exits with 1 and shows where a callback raised it", function()
      local code, out, err = luanet(script([[
        require("net.timers").setTimeout(function() error("boom") end, 1)
        require("net.timers").setTimeout(print, 2, "never")
      ]]))
      assert.same({ 1, "" }, { code, out })
      assert.matches("^luanet: .-script%.lua:1: boom\nstack traceback:\n", err)
      assert.equal(1, select(2, err:gsub("boom", "")))
    end)

    it("shows an error table by its text, and one that is nil or a number", function()
      local code, _, err = luanet("-e", [[require("net").connect(70000)]])
      assert.equal(1, code)
      assert.matches("^luanet: RangeError %[ERR_SOCKET_BAD_PORT%]: ", err)
      code, _, err = luanet("-e", "error(nil)")
      assert.equal(1, code)
      assert.matches("^luanet: nil\n", err)
      code, _, err = luanet("-e", "error(12)")
      assert.equal(1, code)
      assert.matches("^luanet: 12\n", err)
    end)

    it("shows an 'error' event that nobody listens to", function()
      local code, _, err = luanet("-e", [[require("net").connect("/no/such/socket")]])
      assert.equal(1, code)
      assert.matches("^luanet: Error: connect ENOENT /no/such/socket\n", err)
    end)
  end)

  it("hands the script's own error to 'uncaughtException', and goes on with the loop", function()
    local code, out, err = luanet("-e", [[
      require("net.process"):on("uncaughtException", function(e) print("took", e) end)
      require("net.timers").setTimeout(print, 1, "later")
      error("boom", 0)
    ]])
    assert.same({ 0, "took\tboom\nlater\n", "" }, { code, out, err })
  end)

  it("dies of an error in the 'uncaughtException' listener", function()
    local code, out, err = luanet("-e", [[
      require("net.process"):on("uncaughtException", function() error("worse", 0) end)
      require("net.timers").setTimeout(print, 1, "never")
      error("bad", 0)
    ]])
    assert.same({ 7, "" }, { code, out })
    assert.matches("^luanet: worse\nstack traceback:\n", err)
  end)

  it("exits with 7, and without 'exit', where a listener for uncaught errors raises", function()
    local raises = [[
      local process = require("net.process")
      local function worse() error("worse", 0) end
      process:on("exit", print)
    ]]
    for _, rest in ipairs({
      [[process:on("uncaughtException", worse)
        require("net.timers").setTimeout(error, 1, "bad")]],
      [[process:on("uncaughtExceptionMonitor", worse) process.exitCode = 3 error("bad")]],
    }) do
      local code, out, err = luanet("-e", raises .. rest)
      assert.same({ 7, "" }, { code, out })
      assert.matches("^luanet: worse\nstack traceback:\n", err)
    end
    local code, out = luanet("-e", raises .. [[
      process:once("uncaughtException", function() end)
      require("net.timers").setTimeout(error, 1, "taken")
      require("net.timers").setTimeout(error, 2, "bad")]])
    assert.same({ 1, "1\n" }, { code, out }, "a listener has taken an earlier one")
  end)

  it("dies of the script's error before any tick of it has run", function()
    local code, out = luanet("-e", [[
      require("net.process").nextTick(print, "never")
      error("bad")
    ]])
    assert.same({ 1, "" }, { code, out })
  end)

  it("dies of an error in 'beforeExit'", function()
    local code, _, err = luanet("-e", [[
      require("net.process"):on("beforeExit", function() error("late", 0) end)
    ]])
    assert.equal(1, code)
    assert.matches("^luanet: late\n", err)
  end)

  it("tells of a missing file", function()
    local code, out, err = luanet(scratch .. "/none.lua")
    assert.same({ 1, "" }, { code, out })
    assert.matches("^luanet: cannot open .-none%.lua", err)
  end)

  it("tells of a syntax error", function()
    local code, out, err = luanet(script("print('x'\nlocal"))
    assert.same({ 1, "" }, { code, out })
    assert.matches("^luanet: .-script%.lua:2: ", err)
    code, out, err = luanet("-e", "x x")
    assert.same({ 1, "" }, { code, out })
    assert.matches("^luanet: %(command line%):1: ", err)
  end)

  it("explains itself", function()
    local code, out, err = luanet("--help")
    assert.same({ 0, "" }, { code, err })
    assert.matches("^usage: luanet ", out)
    code, out = luanet("--version")
    assert.equal(0, code)
    assert.matches("^luanet %S+ on Lua 5%.%d\n$", out)
  end)

  it("refuses what it does not understand", function()
    local code, out, err = luanet()
    assert.same({ 1, "" }, { code, out })
    assert.matches("^usage: luanet ", err)
    assert.same({ 9, "", "luanet: -e needs a piece of Lua\n" }, { luanet("-e") })
    assert.same({ 9, "", "luanet: -- needs a script\n" }, { luanet("--") })
  end)

  it("takes what is behind -- for a file, whatever it begins with", function()
    local path = script("print(arg[0], ...)")
    assert.same({ 0, path .. "\t--y\n", "" }, { luanet("--", path, "--y") })
    local code, out, err = luanet("--", "-x.lua")
    assert.same({ 1, "" }, { code, out })
    assert.equal("luanet: cannot open -x.lua: No such file or directory\n", err)
  end)

  it("has nothing of its own where the system has given it no standard streams", function()
    local shell = "sh -c " .. quote('exec "$@" 3>' .. scratch .. "/three <&- >&- 2>&-") .. " sh "
    local code, out = luanet_by(shell .. quote(lua), "", "-e", [[
      local net, child = require("net"), require("net.child")
      local server = net.createServer():listen(0, "127.0.0.1")
      local shown = print("lost") or io.stderr:write("lost"):flush()
      server:on("listening", function()
        child.spawn("sh", { "-c", "cat; echo lost; echo here >&3" }, { stdio = {
          "inherit", "inherit", "inherit", 3 } }):on("close", function(code)
            server:close()
            os.exit(server:fd() < 0 and shown and code or 1)
          end)
      end)
    ]])
    assert.same({ 0, "" }, { code, out })
    assert.equal("here\n", read_file(scratch .. "/three"))
  end)

  it("refuses an option that it does not know, and says what a parent in Node has to do", function()
    for _, word in ipairs({ "--frob", "--no-warnings", "-x", "--x" }) do
      local code, out, err = luanet(word, script("print('ran')"))
      assert.same({ 9, "" }, { code, out })
      assert.equal("luanet: no such option: " .. word .. "\nA parent in Node puts its own flags "
        .. "before the script, unless it forks with execArgv: [].\n", err)
    end
  end)

  -- The kernel delivers to process 1 no signal that has no handler. Where the system gives
  -- no PID namespace, a program that is told that its number is 1 stands in for it.
  describe("as process 1", function()
    local init = "timeout -s KILL 20 unshare --fork --pid --kill-child "
    local is_real = os.execute(init .. "true 2>/dev/null")
    local stand_in = "require('net.core').pid = function() return 1 end"
    local signals = [[
      local process = require("net.process")
      local held = require("net").createServer():listen(0)
      process:on("exit", function(code) print("exit", code) held:close() end)
      local function kill(name) -- os.execute ignores SIGINT meanwhile
        io.popen("kill -" .. name .. " $PPID"):close()
      end
    ]]

    local function run(text)
      return luanet_by(is_real and init .. quote(lua) or quote(lua) .. " -e " .. quote(stand_in),
        "", "-e", signals .. text)
    end

    it("is process 1, or is told so", function()
      assert.same({ 0, "1\n", "" }, { run("held:close() process:removeAllListeners() print(process.pid)") })
    end)

    for name, code in pairs({ SIGTERM = 143, SIGINT = 130 }) do
      it("is ended by " .. name .. " with " .. code .. ", after 'exit'", function()
        assert.same({ code, "exit\t" .. code .. "\n", "" }, { run(([[
          require("net.timers").setImmediate(kill, %q)]]):format(name:sub(4))) })
      end)

      it("leaves " .. name .. " to a listener, and takes it again when that is gone", function()
        local got, out = run(([[
          process:once(%q, function(name)
            print(name)
            require("net.timers").setImmediate(kill, %q)
          end)
          require("net.timers").setImmediate(kill, %q)]]):format(name, name:sub(4), name:sub(4)))
        assert.same({ code, name .. "\nexit\t" .. code .. "\n" }, { got, out })
      end)
    end

    it("ends by itself where a listener has taken the signal", function()
      local code, out = run([[
        require("net.timers").setTimeout(function()
          process:once("SIGTERM", function() held:close() end)
          kill("TERM")
        end, 1)]])
      assert.same({ 0, "exit\t0\n" }, { code, out })
    end)
  end)
end)
