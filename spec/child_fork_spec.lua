-- SPDX-License-Identifier: MIT

--- child.fork: a script of Lua in a process of its own, and the channel between the two. The
--- traces are Node 26's, which spec/peers compares, but where it says otherwise.

local child = require("net.child")
local children = require("spec.support.children")
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local support = require("spec.support")
local within = support.within

local watch = children.watch

local HEAD = [[
local process = require("net.process")
local timers = require("net.timers")
io.stdout:setvbuf("no")
]]

--- Forks a script, given as text; its output is gathered.
---@return table kid
---@return table out
local function fork(t, script, args, options)
  local path = t.tmpdir() .. "/script.lua"
  local file <close> = assert(io.open(path, "w"))
  file:write(HEAD, script)
  file:close()
  options = options or {}
  if options.silent == nil then options.silent = true end
  local kid = child.fork(path, args, options)
  local err = kid.stderr and children.gather(kid.stderr)
  return kid, kid.stdout and children.gather(kid.stdout), err
end

describe("child.fork", function()
  local exec_path

  setup(function()
    exec_path = process.execPath
    local here <close> = io.popen("pwd")
    process.execPath = here:read("l") .. "/bin/luanet"
  end)

  teardown(function() process.execPath = exec_path end)

  it("runs a script, and has a channel to it meanwhile", within(function(t)
    local kid = fork(t, [[process:once("message", function() end)]])
    local log = watch(kid)
    assert.is_true(kid.connected)
    assert.is_true(kid.channel ~= nil)
    assert.is_true(kid:send("hi", function(err) log[#log + 1] = "sent " .. tostring(err) end))
    t.run()
    assert.same({ "spawn", "sent nil", "disconnect", "exit 0 nil", "close 0 nil" }, log)
    assert.is_false(kid.connected)
    assert.is_nil(kid.channel)
  end))

  it("sends messages both ways", within(function(t)
    local kid, out = fork(t, [[
      process:on("message", function(m)
        process.send({ got = m, list = { 1, 2.5, "x" } })
        process.disconnect()
      end)
    ]])
    local got
    kid:on("message", function(m) got = m end)
    kid:send({ hello = "w\195\182rld", n = 5 })
    t.run()
    assert.same({ got = { hello = "w\195\182rld", n = 5 }, list = { 1, 2.5, "x" } },
      { got = got.got, list = { table.unpack(got.list) } })
    assert.equal("", out.text)
    assert.equal(0, kid.exitCode)
  end))

  it("passes arguments, execArgv and the environment", within(function(t)
    local env = process.env
    env.MINE = "yes"
    local _, out = fork(t, [[
      print(os.getenv("MINE"), ...)
      for _, name in ipairs{"NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "LUANET_CHANNEL"} do
        print(os.getenv(name), process.env[name]) -- are gone when the script runs
      end
    ]], { "a", 2 }, { env = env })
    t.run()
    assert.equal("yes\ta\t2\nnil\tnil\nnil\tnil\nnil\tnil\n", out.text)
    local log = {}
    local other = child.fork("script", { "z" }, { execPath = "echo", execArgv = { "-n", "x" }, silent = true })
    local echoed = children.gather(other.stdout)
    watch(other, log)
    t.run()
    assert.equal("x script z", echoed.text)
    assert.same({ "echo", "-n", "x", "script", "z" }, other.spawnargs)
    assert.equal("spawn", log[1])
  end))

  it("inherits our standard streams unless it is silent", within(function(t)
    local kid = fork(t, "", nil, { silent = false, stdio = "inherit" })
    assert.is_nil(kid.stdin)
    assert.is_nil(kid.stdout)
    local piped = fork(t, "", nil, { silent = false, stdio = "pipe" })
    assert.is_true(net.isSocket(piped.stdin))
    assert.is_nil(piped.stdio[4]) -- the channel's place
    t.run()
  end))

  it("has the channel at any place", within(function(t)
    local kid, out = fork(t, [[
      local pipe <close> = io.popen("ls /proc/" .. process.pid .. "/fd")
      process.send(pipe:read("a"))
    ]], nil, { stdio = { "ignore", "pipe", "inherit", "ignore", "pipe", "ipc" } })
    local got
    kid:on("message", function(m) got = m end)
    t.run()
    assert.equal("", out.text)
    assert.matches("\n4\n5\n", got)
  end))

  it("gives a child no descriptor of ours but those it is to have", within(function(t)
    local file <close> = assert(io.open("README.md"))
    local other = child.spawn("cat")
    local kid = fork(t, [[
      local pipe <close> = io.popen("ls -l /proc/" .. process.pid .. "/fd")
      process.send(pipe:read("a"))
    ]])
    local got
    kid:on("message", function(m)
      got = m
      other.stdin:finish()
    end)
    t.run()
    assert.equal("file", io.type(file))
    assert.is_nil(got:find("README", 1, true))
    local count = select(2, got:gsub("socket:", ""))
    assert.equal(4, count, got) -- three streams and the channel
  end))

  it("closes as soon as we have disconnected and it has ended", within(function(t)
    local kid, out = fork(t, [[
      process:on("message", function(m) print("message", m) end)
      process:on("exit", function() print("exit") end)
    ]])
    local log = watch(kid)
    kid.stdout:once("data", function() kid:disconnect() end) -- Node never tells "close" then
    kid:send("m")
    t.run()
    assert.same({ "spawn", "disconnect", "exit 0 nil", "close 0 nil" }, log)
    assert.equal("message\tm\nexit\n", out.text)
  end))

  it("hears of it when the child disconnects", within(function(t)
    local kid, out, err = fork(t, [[
      process:on("disconnect", function() print("disconnect") end)
      process.disconnect()
      print(process.connected)
      process.send("x", function(e) print("callback", e.code) end)
      process.send("y")
    ]])
    local log = watch(kid)
    t.run()
    assert.same({ "spawn", "disconnect", "exit 1 nil", "close 1 nil" }, log)
    assert.equal("false\ndisconnect\ncallback\tERR_IPC_CHANNEL_CLOSED\n", out.text)
    assert.matches("ERR_IPC_CHANNEL_CLOSED", err.text)
  end))

  it("has what was sent before the child's end", within(function(t)
    local kid = fork(t, [[process.send("a") process.exit(5)]])
    local log = watch(kid)
    t.run()
    assert.same({ "spawn", "message a", "disconnect", "exit 5 nil", "close 5 nil" }, log)
  end))

  it("lets the child send big messages before it ends", within(function(t)
    local kid, out = fork(t, [[
      for i = 1, 3 do
        process.send(("x"):rep(200000), function(err) print("sent", i, err) end)
      end
      process:on("exit", function() print("exit") end)
    ]])
    local sizes = {}
    kid:on("message", function(m) sizes[#sizes + 1] = #m end)
    t.run()
    assert.same({ 200000, 200000, 200000 }, sizes)
    assert.equal("sent\t1\tnil\nsent\t2\tnil\nsent\t3\tnil\nexit\n", out.text)
    assert.equal(0, kid.exitCode)
  end))

  it("hears of a child that is killed", within(function(t)
    local kid = fork(t, [[process:on("message", function() end) process.send("up")]])
    local log = watch(kid)
    kid:on("message", function() kid:kill("SIGKILL") end)
    t.run()
    assert.same({ "spawn", "message up", "disconnect", "exit nil SIGKILL",
      "close nil SIGKILL" }, log)
  end))

  it("tells of a program that is not there, and of what was sent to it", within(function(t)
    local kid = child.fork("script.lua", { execPath = "/nonexistent" })
    local log = watch(kid)
    assert.is_true(kid.connected)
    assert.is_true(kid:send("x", function(err) log[#log + 1] = "sent " .. tostring(err) end))
    t.run()
    assert.same({ "error Error: spawn /nonexistent ENOENT", "sent Error: write EPIPE",
      "close -2 nil", "disconnect" }, log)
    assert.is_false(kid.connected)
  end))

  it("keeps messages until somebody listens", within(function(t)
    local kid = fork(t, [[
      process:on("message", function() end)
      process.send("a")
      process.send("b", function() print("sent") end)
    ]])
    local log = {}
    kid.stdout:once("data", function()
      timers.setTimeout(function()
        kid:on("message", function(m)
          log[#log + 1] = m
          if m == "b" then kid:disconnect() end -- Node ends here with a TypeError
        end)
        log[#log + 1] = "on"
      end, 20)
    end)
    t.run()
    assert.same({ "on", "a", "b" }, log)
  end))

  it("delivers what was sent before the child was there, and then our end", within(function(t)
    local kid, out = fork(t, [[
      process:on("message", function(m) print("message", m) end)
      process:on("disconnect", function() print("disconnect") end)
    ]])
    local log = watch(kid)
    kid:send(1)
    kid:send(2)
    kid:send(3)
    kid:disconnect()
    assert.is_false(kid.connected)
    t.run()
    assert.same({ "spawn", "disconnect", "exit 0 nil", "close 0 nil" }, log)
    assert.equal("message\t1\nmessage\t2\nmessage\t3\ndisconnect\n", out.text)
  end))

  it("sends what waits behind a handle before it disconnects", within(function(t)
    local kid, out = fork(t, [[
      process:on("message", function(m, handle)
        print(m, handle and "handle")
        if handle then handle:close() end
      end)
      process:on("disconnect", function() print("disconnect") end)
    ]])
    local log = watch(kid)
    local server = net.createServer()
    server:listen(0, "127.0.0.1", t.calls(1, function()
      kid:send("server", server)
      kid:send("behind")
      kid:disconnect()
      assert.is_false(kid.connected)
      assert.is_true(kid.channel ~= nil)
      server:close()
    end))
    t.run()
    assert.same({ "spawn", "disconnect", "exit 0 nil", "close 0 nil" }, log)
    assert.equal("server\thandle\nbehind\tnil\ndisconnect\n", out.text)
  end))

  it("holds the loop by the child and by the channel, each until it is unref'd", within(function(t)
    local kid = fork(t, [[process:on("message", function() end) process.send("up")]])
    kid:once("message", function() net.stop() end)
    t.run()
    kid:unref()
    kid.stdout:destroy()
    kid.stderr:destroy()
    local held = true
    timers.setTimeout(function()
      held = false
      kid.channel:unref()
    end, 10)
    t.run()
    assert.is_false(held) -- the channel alone has held it
    kid:ref()
    kid.channel:ref()
    kid:kill("SIGKILL")
    t.run()
    assert.equal("SIGKILL", kid.signalCode)
  end))

  it("ends no child by our end", within(function(t)
    local path = t.tmpdir() .. "/alive"
    local kid, out = fork(t, ([[
      local child = require("net.child")
      process.execPath = %q
      local grandchild = child.fork(arg[1], { "grandchild" }, { stdio = { "ignore", "ignore", "ignore", "ipc" } })
      grandchild:once("message", function() os.exit(0) end) -- which is the parent of that
    ]]):format(process.execPath), { (function()
      local script = t.tmpdir() .. "/grandchild.lua"
      local file <close> = assert(io.open(script, "w"))
      file:write(([[
        local process = require("net.process")
        process:on("disconnect", function()
          local file = io.open(%q, "w")
          file:write("lives on")
          file:close()
        end)
        process.send("up")
      ]]):format(path))
      return script
    end)() })
    t.run()
    assert.equal(0, kid.exitCode, out.text)
    local text
    local function look()
      local file <close> = io.open(path)
      text = file and file:read("a")
      if text ~= "lives on" then timers.setTimeout(look, 2) end
    end
    look()
    t.run()
    assert.equal("lives on", text)
  end))

  it("leaves no descriptor and no zombie, also of children that break", within(function(t)
    local before = support.descriptors()
    for _, script in ipairs({ "error('broken')", "os.exit(9)", "process.kill(process.pid, 'SIGKILL')",
      "process.disconnect()", "io.stdout:close() io.stderr:close()" }) do
      local kid = fork(t, script)
      kid:on("close", t.calls(1, function() assert.is_false(children.exists(kid.pid)) end))
    end
    t.run()
    assert.same(before, support.descriptors())
  end))

  it("says what a flag of Node's parent has to be, where it is left out", within(function(t)
    local kid = child.fork("script.lua", {}, { execArgv = { "--no-warnings" }, silent = true })
    local err = children.gather(kid.stderr)
    t.run()
    assert.equal(9, kid.exitCode)
    assert.matches("execArgv: %[%]", err.text)
  end))

  it("tells of the child's readiness", within(function(t)
    local kid = fork(t, [[process.notify({ ready = true })]])
    kid:on("ready", t.calls(1))
    t.run()
    assert.equal(0, kid.exitCode)
  end))
end)

describe("A child without a channel", function()
  it("is not connected, and sends nothing", within(function(t)
    local kid = child.spawn("true")
    local log = watch(kid)
    assert.is_false(kid.connected)
    assert.is_nil(kid.channel)
    assert.is_false(kid:send("x", function(err) log[#log + 1] = err.code end))
    assert.is_false(kid:send("x"))
    kid:disconnect()
    t.run()
    assert.same({ "error Error [ERR_IPC_DISCONNECTED]: IPC channel is already disconnected", "spawn",
      "ERR_IPC_CHANNEL_CLOSED", "error Error [ERR_IPC_CHANNEL_CLOSED]: Channel closed" },
      { table.unpack(log, 1, 4) })
  end))
end)

describe("An entry 'ipc' of spawn", function()
  it("is a channel for any program that speaks it", within(function(t)
    local kid = child.spawn("sh", { "-c", [[
      echo "$NODE_CHANNEL_FD $NODE_CHANNEL_SERIALIZATION_MODE ${LUANET_CHANNEL%:*} $(stat -L -c %i /proc/$$/fd/3)" \
        "${LUANET_CHANNEL#*:}"
      echo '{"from":"sh"}' >&3
      read -r line <&3
      echo "$line"
    ]] }, { stdio = { "ignore", "pipe", "inherit", "ipc" } })
    local out, got = children.gather(kid.stdout), nil
    kid:on("message", function(m)
      got = m
      kid:send({ to = "sh" })
    end)
    t.run()
    assert.same({ from = "sh" }, got)
    local inode, own = out.text:match("^3 json 1 (%d+) (%d+)\n")
    assert.equal(inode, own)
    assert.matches('\n{"to":"sh"}\n$', out.text)
  end))

  it("takes the place of what the environment says of channels", within(function(t)
    local kid = child.spawn("env", { stdio = { "ignore", "pipe", "inherit", "ignore", "ipc" },
      env = { NODE_CHANNEL_FD = 99, LUANET_CHANNEL = "1:1", A = 1 } })
    local out = children.gather(kid.stdout)
    t.run()
    assert.matches("^A=1\nNODE_CHANNEL_FD=4\nNODE_CHANNEL_SERIALIZATION_MODE=json\nLUANET_CHANNEL=1:%d+\n$",
      out.text)
  end))
end)
