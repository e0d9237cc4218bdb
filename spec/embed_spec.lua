-- SPDX-License-Identifier: MIT

--- A C program that runs libev's default loop itself, with Lua in it: see
--- support/host.c. Skipped where there is no Lua library to link with.

local lua = require("spec.support.lua")

local HEAD = [[
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
]]

local host -- the program
local scratch

local function write(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(HEAD, text)
  file:close()
  return path
end

--- What became of the host with these scripts.
local function run(env, ...)
  local paths = {}
  for i, text in ipairs({ ... }) do
    paths[i] = write(text)
  end
  local result = lua.run({ program = host, args = paths, env = env })
  for _, path in ipairs(paths) do
    os.remove(path)
  end
  return result
end

--- What the host prints with these scripts, and what goes to stderr.
local function embed(...)
  local result = run({}, ...)
  assert.equal(0, result.code, result.stderr)
  return result.stdout, result.stderr
end

--- Echoes "hello" to a client that then ends.
local ECHO = [[
  local server = net.createServer(function(peer) peer:pipe(peer) end)
  server:listen(0, "127.0.0.1", function()
    local socket = net.connect(server:address().port, "127.0.0.1")
    socket:write("hello")
    socket:once("data", function(data)
      print(data)
      socket:finish()
      server:close()
    end)
    socket:on("close", function() print("closed") end)
  end)
]]

describe("a C host that runs the loop", function()
  setup(function()
    scratch = os.tmpname()
    host = lua.compile("spec/support/host.c", scratch)
  end)

  teardown(function()
    os.remove(scratch)
  end)

  local function promise(name, fn)
    it(name, function()
      if not host then
        return pending("no Lua library to link with")
      end
      fn()
    end)
  end

  promise("serves ticks, timers and immediates, in the order of a turn", function()
    assert.equal("main\ntick\ntimer\ntick of timer\nimmediate\nhost: the loop has ended\n", (embed([[
      process.nextTick(print, "tick")
      timers.setTimeout(function()
        print("timer")
        process.nextTick(print, "tick of timer")
        timers.setImmediate(print, "immediate")
      end, 1)
      print("main")
    ]])))
  end)

  promise("serves sockets", function()
    assert.equal("hello\nclosed\nhost: the loop has ended\n", (embed(ECHO)))
  end)

  promise("serves them in a thread that is not the main one", function()
    local result = run({ HOST_THREAD = "1" }, ECHO)
    assert.equal(0, result.code, result.stderr)
    assert.equal("hello\nclosed\nhost: the loop has ended\n", result.stdout)
  end)

  promise("sends from there what a listener wrote that calls os.exit", function()
    if not os.execute("command -v socat >/dev/null") then
      return pending("no socat")
    end
    local result = run({ HOST_THREAD = "1" }, [[
      local server = net.createServer(function(peer)
        peer:on("data", function(data)
          print(data)
          peer:write("bye")
          os.exit(3)
        end)
      end)
      server:listen(0, "127.0.0.1", function()
        local pipe = io.popen("socat -t60 - TCP:127.0.0.1:" .. server:address().port, "w")
        pipe:write("hello")
        pipe:flush()
        host.pipe = pipe -- open until the end
      end)
    ]])
    assert.equal(3, result.code, result.stderr)
    assert.equal("hello\nbye", result.stdout)
  end)

  promise("may start things from callbacks of its own", function()
    assert.equal("host's\ntick\ntimer\nhost: the loop has ended\n", (embed([[
      host.after(1, function()
        print("host's")
        process.nextTick(print, "tick")
        timers.setTimeout(print, 1, "timer")
      end)
    ]])))
  end)

  promise("ends when nothing holds the loop, neither of ours nor of its own", function()
    assert.equal("host's\nhost: the loop has ended\n", (embed([[
      timers.setTimeout(print, 100000, "not this"):unref()
      host.after(20, function() print("host's") end)
    ]])))
  end)

  promise("is told of an uncaught error by a warning, and its loop ends; it may go on", function()
    local out, err = embed([[
      local function the_culprit() error("uncaught") end
      timers.setTimeout(function() the_culprit() end, 1)
      timers.setTimeout(print, 1, "second timer")
      local calls = 0
      function ended()
        calls = calls + 1
        return calls == 1
      end
    ]])
    assert.equal("host: the loop has ended\nsecond timer\nhost: the loop has ended\n", out)
    assert.matches("^Lua warning: net: uncaught error: .-: uncaught\nstack traceback:", err)
    assert.matches("in upvalue 'the_culprit'", err)
  end)

  promise("does not hear of an error that 'uncaughtException' takes", function()
    local out, err = embed([[
      process:on("uncaughtException", function(e) print("taken", e) end)
      timers.setTimeout(error, 1, "oh")
      timers.setTimeout(print, 2, "on")
    ]])
    assert.equal("taken\toh\non\nhost: the loop has ended\n", out)
    assert.equal("", err)
  end)

  promise("has its own events served inside of net.run()", function()
    assert.equal("host's\ntimer\nfalse\nhost: the loop has ended\n", (embed([[
      host.after(1, function() print("host's") end)
      timers.setTimeout(print, 20, "timer")
      print(net.run())
    ]])))
  end)

  promise("is refused net.run() inside of a callback of ours", function()
    assert.equal("false\tnet.run() is running already\nhost: the loop has ended\n", (embed([[
      timers.setTimeout(function() print(pcall(net.run)) end, 1)
    ]])))
  end)

  promise("may run the loop from a callback of its own", function()
    assert.equal("timer\ninner loop over\nhost: the loop has ended\n", (embed([[
      host.after(1, function()
        timers.setTimeout(print, 1, "timer")
        host.run()
        print("inner loop over")
      end)
    ]])))
  end)

  promise("may run the loop on in a callback after an error: net.run() raises it still", function()
    assert.equal("callback\nfalse\tfailed\ntimer\ntrue\tfalse\nhost: the loop has ended\n", (embed([[
      timers.setTimeout(function()
        print("callback")
        timers.setImmediate(error, "failed")
        timers.setTimeout(print, 1, "timer")
        host.run()
        host.run()
      end, 1)
      print(pcall(net.run))
      print(pcall(net.run))
    ]])))
  end)

  promise("may run the loop in a callback, within which or before which it is stopped", function()
    assert.equal(("inner loop over\ntrue\n"):rep(2) .. "host: the loop has ended\n", (embed([[
      local holds_the_loop = timers.setTimeout(print, 100000, "much later")
      timers.setTimeout(function()
        net.stop()
        host.run()
        print("inner loop over")
      end, 1)
      print(net.run())
      timers.setTimeout(function()
        timers.setImmediate(net.stop)
        host.run()
        print("inner loop over")
      end, 1)
      print(net.run())
      timers.clearTimeout(holds_the_loop)
    ]])))
  end)

  promise("can have several Lua states, all served", function()
    local out = embed([[
      timers.setTimeout(print, 1, "one")
      timers.setTimeout(print, 20, "one again")
    ]], [[
      timers.setTimeout(print, 10, "two")
      timers.setTimeout(print, 30, "two again")
    ]])
    assert.equal("one\none again\nhost: the loop has ended\n", (out:gsub("two[^\n]*\n", "")))
    assert.equal("two\ntwo again\nhost: the loop has ended\n", (out:gsub("one[^\n]*\n", "")))
  end)

  promise("ends when several Lua states have done their work, side by side", function()
    local stdout = embed(ECHO, ECHO, ECHO)
    assert.equal(3, select(2, stdout:gsub("hello\n", "")))
    assert.matches("closed\nhost: the loop has ended\n$", stdout)
  end)

  promise("may have idle watchers of its own", function()
    assert.equal("hello\nclosed\nhost: the loop has ended\n", (embed("host.idle()" .. ECHO)))
  end)

  promise("closes states with everything live, one after the other", function()
    local live = [[
      local server = net.createServer()
      server:listen(0, "127.0.0.1", function()
        net.connect(server:address().port, "127.0.0.1"):on("close", print)
      end)
      timers.setInterval(print, 100000)
      process:on("SIGUSR2", print)
      host.after(20, net.stop)
      function ended()
        timers.setImmediate(print, "never")
        process.nextTick(print, "never")
        net.connect(server:address().port, "127.0.0.1"):on("close", print)
      end
    ]]
    assert.equal("host: the loop has ended\n", (embed(live, live, live)))
  end)

  --- Runs `first` in a finalizer amid the lua_close of one state, then `second`, amid that
  --- of another.
  local function at_the_end(first, second)
    local script = "KEEP = setmetatable({}, { __gc = function() %s end })"
    return run({}, script:format(first), script:format(second))
  end

  promise("closes a state with what a finalizer opens meanwhile: a server", function()
    local path = os.tmpname()
    os.remove(path)
    local result = at_the_end(("net.createServer():listen(%q)"):format(path), ([[
      local socket = net.connect(%q)
      socket:on("connect", function() print("connected") end)
      socket:on("error", function(err) print(err.code) end)
      repeat net.run("nowait") until not socket.connecting
    ]]):format(path))
    os.remove(path)
    assert.same({ code = 0, stdout = "host: the loop has ended\nECONNREFUSED\n", stderr = "" },
      result)
  end)

  promise("closes a state with what a finalizer opens meanwhile: a connection", function()
    local path = os.tmpname()
    os.remove(path)
    local result = run({}, ([[
      KEEP = setmetatable({}, { __gc = function() net.connect(%q) end })
    ]]):format(path), ([[
      local heard
      local server = net.createServer(function(peer)
        peer:on("end", function() heard = "the end" end):resume()
      end):listen(%q):unref()
      KEEP = setmetatable({}, { __gc = function()
        repeat net.run("once") until heard
        print(heard)
      end })
      function ended() server:ref() end
    ]]):format(path))
    assert.same({ code = 0, stdout = "host: the loop has ended\nthe end\n", stderr = "" }, result)
  end)

  promise("closes a state with what a finalizer opens meanwhile: a signal's watcher", function()
    local result = at_the_end([[
      package.loaded["net.process"] = nil -- another object, newer than this
      require("net.process"):on("SIGTERM", print)
    ]], [[
      process.kill(process.pid, "SIGTERM")
      net.run("nowait")
      print("not this")
    ]])
    assert.same({ 15, "host: the loop has ended\n" }, { result.signal, result.stdout })
  end)
end)
