-- SPDX-License-Identifier: MIT

local child = require("net.child")
local co = require("net.co")
local support = require("spec.support.tasks")
local within = require("spec.support").within

local raised = support.raised

--- Starts a script of Lua as a child with a channel.
local function fork(t, text)
  local path = t.tmpname(".lua")
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local env = require("net.process").env
  env.LUA_PATH, env.LUA_CPATH = package.path, package.cpath
  return child.spawn(os.getenv("LUA") or "lua5.4", { "bin/luanet", path },
    { stdio = { "ignore", "inherit", "inherit", "ipc" }, env = env })
end

describe("kid:receive and process.receive", function()
  it("wait for a message, and give nil and the error when the channel has ended", within(function(t)
    co.run(function()
      local kid = fork(t, [[
        local process = require("net.process")
        for message in process.messages() do
          process.send({ got = message })
          if message == "bye" then process.disconnect() end
        end
        local message, err = process.receive()
        assert(message == nil and err.code == "ERR_IPC_CHANNEL_CLOSED")
      ]])
      for i = 1, 3 do kid:send(i) end
      for i = 1, 3 do assert.equal(i, kid:receive().got) end
      kid:send("bye")
      assert.equal("bye", kid:receive().got)
      local message, err = kid:receive()
      assert.is_nil(message)
      assert.equal("ERR_IPC_CHANNEL_CLOSED", err.code)
      assert.equal("ERR_IPC_CHANNEL_CLOSED", select(2, kid:receive()).code)
      assert.equal(0, kid.exitCode or select(2, co.await(kid, "exit")))
    end)
  end))

  it("lose nothing to a timeout, nor to a race", within(function(t)
    co.run(function()
      local kid = fork(t, [[
        local process = require("net.process")
        for message in process.messages() do process.send(message) end
      ]])
      assert.equal("ERR_TIMEOUT", select(2, co.timeout(1, kid.receive, kid)).code)
      local queue = co.queue()
      kid:on("disconnect", function() end)
      local waiting = co.spawn(kid.receive, kid)
      co.yield()
      kid:once("message", function()
        waiting:cancel() -- it has been given the message, and did not go on
        queue:push(true)
      end)
      kid:send("kept")
      queue:get()
      kid:removeAllListeners("message")
      assert.equal("kept", kid:receive())
      kid:disconnect()
      co.await(kid, "exit")
    end)
  end))

  it("are for one at a time", within(function(t)
    co.run(function()
      local kid = fork(t, [[for _ in require("net.process").messages() do end]])
      local waiting = co.spawn(kid.receive, kid)
      co.yield()
      assert.equal("ERR_SOCKET_BUSY", raised(kid.receive, kid).code)
      waiting:cancel()
      kid:on("message", function() end)
      assert.equal("ERR_SOCKET_BUSY", raised(kid.receive, kid).code)
      kid:disconnect()
      co.await(kid, "exit")
    end)
  end))

  it("raise where nothing can wait, also when nothing has to be waited for", within(function(t)
    local process = require("net.process")
    local kid, said = fork(t, [[require("net.process").send("here")]]), {}
    local function step() return kid:messages()() end
    local function note(where)
      for _, fn in ipairs({ function() return kid:receive() end, step, process.receive, process.messages() }) do
        local err = raised(fn)
        assert.equal("ERR_CANNOT_WAIT", err.code)
        said[where] = err.message
      end
    end
    note("main")
    kid:on("spawn", function() note("listener") end)
    coroutine.wrap(note)("coroutine")
    co.run(function()
      coroutine.wrap(note)("coroutine of a task")
      table.sort({ 1, 2 }, function() return note("sort") end)
      assert.equal("here", kid:receive()) -- it is still there
      co.await(kid, "exit")
    end)
    note("closed")
    local outside = "Cannot wait outside of a task: call it in co.run or co.spawn"
    assert.same({
      main = outside, listener = outside, coroutine = outside, closed = outside,
      ["coroutine of a task"] = "Cannot wait in a coroutine of yours: make it with co.generator, or spawn a task",
      sort = "Cannot wait below a call that cannot yield, such as a listener, table.sort or string.gsub",
    }, said)
  end))

  it("raise for what is no ChildProcess, in a task or not", within(function(t)
    local kid = fork(t, "")
    local function check()
      for _, this in ipairs({ false, 1, {}, require("net.process"), kid.channel }) do
        assert.equal("ERR_INVALID_THIS", raised(kid.receive, this or nil).code)
        assert.equal("ERR_INVALID_THIS", raised(kid.messages, this or nil).code)
      end
    end
    check()
    co.run(function()
      check()
      co.await(kid, "exit")
    end)
  end))

  it("give nil and the error, or no round of a loop, where there is no channel", within(function()
    co.run(function()
      local kid = child.spawn("true")
      for _ in kid:messages() do error("a message of nobody") end
      assert.equal("ERR_IPC_CHANNEL_CLOSED", select(2, kid:receive()).code)
      for _ in require("net.process").messages() do error("a message of nobody") end
      assert.equal("ERR_IPC_CHANNEL_CLOSED", select(2, require("net.process").receive()).code)
      co.await(kid, "exit")
    end)
  end))
end)

describe("kid.stdout in a task", function()
  it("may be waited for when the child ends", within(function()
    co.run(function()
      for _ = 1, 10 do
        local kid = child.spawn("sh", { "-c", "exec 3>&1; (sleep 0.01; echo late >&3) & exit 0" })
        assert.equal("late\n", kid.stdout:receive("all"))
      end
    end)
  end))

  it("loses nothing to the child's end between two reads", within(function()
    co.run(function()
      local kid = child.spawn("sh", { "-c", "seq 1 20000" })
      local n, over = 0, false
      kid:on("exit", function() over = true end)
      for line in kid.stdout:lines() do
        n = n + 1
        assert.equal(tostring(n), line)
        while n == 15000 and not over do co.sleep(1) end
      end
      assert.equal(20000, n)
    end)
  end))

  it("is closed when it is read to its end, so that the task may wait for 'close'", within(function()
    co.run(function()
      local kid = child.spawn("sh", { "-c", "echo out; echo err >&2; exit 3" })
      local said = co.all({
        function() return kid.stdout:receive("all") end,
        function() return kid.stderr:receive("all") end,
      })
      assert.same({ "out\n", "err\n" }, said)
      assert.same({ "close", 3, nil }, { co.await(kid, "close") })
      assert.is_true(kid.stdout.destroyed)

      kid = child.spawn("cat", {}, { stdio = { "pipe", "pipe", "inherit" } })
      kid.stdin:finish("through\n")
      for line in kid.stdout:lines() do assert.equal("through", line) end
      assert.same({ "close", 0, nil }, { co.await(kid, "close") })
    end)
  end))

  it("is emptied when the task is over that has read a part of it, so that 'close' comes", within(function(t)
    co.run(function()
      local kid = child.spawn("sh", { "-c", "seq 1 5000" })
      kid:on("close", t.calls(1))
      co.spawn(function()
        kid.stdout:receive()
        co.await(kid, "exit")
        t.log(kid.stdout:receive())
      end)
      co.await(kid, "close")
      t.log("closed")
    end)
    assert.same({ "2", "closed" }, t.lines)
  end))
end)
