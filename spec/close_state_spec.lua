-- SPDX-License-Identifier: MIT

--- The end of a Lua state while everything lives: in processes of their own,
--- where a sanitizer would see what is used after it was freed, or leaked.

local net = require("net")
local lua = require("spec.support.lua")
local within = require("spec.support").within

local HEAD = [[
local abort = require("net.abort")
local events = require("net.events")
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
io.stdout:setvbuf("line")

local function never(what)
  return function() print("called at the end: " .. what) end
end
]]

--- Everything that holds memory, a descriptor or the loop.
local ALL = [[
timers.setTimeout(never("timeout"), 100000)
timers.setInterval(never("interval"), 100000)
timers.setTimeout(never("unref'd timeout"), 100000):unref()
abort.AbortSignal.timeout(100000):on("abort", never("abort"))
process:on("SIGUSR1", never("signal"))
process:on("exit", never("exit"))
local emitter = events.EventEmitter()
emitter:on("x", never("event"))
coroutine.wrap(function() events.once(emitter, "y") never("coroutine")() end)()
coroutine.wrap(function() for _ in events.on(emitter, "z") do never("coroutine")() end end)()

local function hear(e, name)
  for _, event in ipairs({ "close", "end", "error", "finish", "drain", "timeout" }) do
    e:on(event, never(name .. " " .. event))
  end
  return e
end
local path = os.tmpname()
os.remove(path)
local much = ("x"):rep(20000000)
local server = hear(net.createServer(function(peer)
  hear(peer, "peer")
  peer:write(much, never("write"))
end), "server")
server:listen(0, "127.0.0.1")
local local_server = hear(net.createServer():listen(path), "local server")
for _ = 1, 5 do
  hear(net.connect(path), "local client"):setTimeout(100000)
end
net.Socket():on("close", never("unused"))
]]

local LATE = [[
timers.setImmediate(never("immediate"))
process.nextTick(never("tick"))
net.createServer():listen(0, "127.0.0.1"):close(never("server close"))
net.connect(server:address().port, "127.0.0.1"):on("connect", never("connect"))
net.connect(1, "localhost", never("look-up"))
net.connect(path):destroy()
]]

--- Lets clients of the TCP server connect, and some turns pass.
local SOME_TURNS = [[
timers.setTimeout(function()
  for _ = 1, 5 do
    local client = hear(net.connect(server:address().port, "127.0.0.1"), "client")
    client:pause()
  end
  timers.setTimeout(net.stop, 20)
end, 5)
net.run()
]]

local END = [[ os.remove(path) print("end") ]]

--- Runs a script, of which only `expected` may be seen.
local function ends(expected, ...)
  local result = lua.run({ script = HEAD .. table.concat({ ... }, "\n") })
  assert.equal(expected, result.stdout)
  assert.equal("", result.stderr)
  assert.equal(0, result.code)
end

describe("lua_close with everything live", function()
  it("is silent before the loop has run", function()
    ends("end\n", ALL, LATE:gsub("net.connect%(server.-\n", ""), END)
  end)

  it("is silent after some turns of the loop", function()
    ends("end\n", ALL, SOME_TURNS, LATE, END)
  end)

  it("is silent with a collector that has run just before", function()
    ends("end\n", ALL, SOME_TURNS, LATE, END, "server = nil collectgarbage() collectgarbage()")
  end)

  it("is silent inside of a callback", function()
    for _, callback in ipairs({
      "timers.setTimeout(function() %s os.exit(0, true) end, 1) net.run()",
      "timers.setImmediate(function() %s os.exit(0, true) end) net.run()",
      "process.nextTick(function() %s os.exit(0, true) end) net.run()",
      "process:once('SIGUSR2', function() %s os.exit(0, true) end) "
        .. "process.kill(process.pid, 'SIGUSR2') net.run()",
    }) do
      ends("end\n", ALL, SOME_TURNS, (callback:format(LATE .. END)))
    end
  end)

  it("is silent after an error", function()
    ends("end\n", ALL, [[
      timers.setTimeout(error, 1, "uncaught")
      assert(not pcall(net.run))
    ]], LATE:gsub("net.connect%(server.-\n", ""), END)
  end)
end)

describe("a finaliser of the user's", function()
  it("may use the loop if it is made after it", function()
    ends("end\ntick\ntimer\n", [[
      KEEP = setmetatable({}, { __gc = function()
        timers.setTimeout(print, 1, "timer")
        process.nextTick(print, "tick")
        process:on("SIGUSR2", print)
        net.run()
      end })
      print("end")
    ]])
  end)

  it("finds sockets open that are newer than it", function()
    ends("end\nheard\tbye\n", [[
      KEEP = setmetatable({}, { __gc = function()
        local heard
        CLIENT:on("data", function(chunk) heard = chunk end)
        PEER:write("bye")
        repeat net.run("nowait") until heard
        print("heard", heard)
        CLIENT:destroy()
      end })
      local server
      server = net.createServer(function(peer)
        PEER = peer
        server:close()
        net.stop()
      end):listen(0, "127.0.0.1", function()
        CLIENT = net.connect(server:address().port, "127.0.0.1")
      end)
      net.run()
      print("end")
    ]])
  end)

  it("may go on with a socket whose file has been closed meanwhile", within(function(t)
    local path = t.tmpname()
    local file <close> = assert(io.open(path, "w"))
    file:seek("set", 20000000 - 1)
    assert(file:write("x"):flush())
    ends("end\nECANCELED\n", [[
      local server = net.createServer(function(peer) PEER = peer:pause() end)
      server:listen(0)
      local client
      client = net.connect({ port = server:address().port, host = "127.0.0.1" }, function()
        KEEP = setmetatable({}, { __gc = function()
          PEER:resume()
          repeat net.run("nowait") until client.destroyed
        end })
        client:sendFile("]] .. path .. [[")
        client:on("error", function(err) print(err.code) end)
        net.stop()
      end)
      net.run()
      print("end")
    ]])
  end))

  it("that comes after the loop's end may use whatever another has made amid lua_close", function()
    local result = lua.run({ script = [[
      local made, kinds = {}, 0
      local function nothing() end
      OLD = setmetatable({}, { __gc = function()
        local class_methods = {
          "refresh", "ref", "unref", "hasRef", "close", "setTimeout", "write", "finish", "pause", "resume",
          "read", "cork", "uncork", "on", "once", "off", "emit", "listen", "address", "getConnections",
          "addAddress", "addRange", "check", "abort", "throwIfAborted", "connect", "pipe", "unshift",
          "setEncoding", "sendFile", "setNoDelay", "setKeepAlive", "destroySoon", "resetAndDestroy", "destroy",
        }
        local timers = package.loaded["net.timers"]
        for _, object in pairs(made) do
          for round = 1, 2 do
            pcall(timers.clearTimeout, object)
            pcall(timers.clearImmediate, object)
            pcall(tostring, object)
            for _, name in ipairs(class_methods) do
              pcall(function() object[name](object) end)
              pcall(function() object[name](object, "data", nothing) end)
              pcall(function() object[name](object, 10) end)
              pcall(function() object[name](object, made.socket) end)
            end
          end
        end
        for _, make in pairs(MAKE) do
          pcall(make)
          collectgarbage()
        end
        pcall(package.loaded.net.run)
        print("used", kinds)
      end })

      local net = require("net")
      local abort, dns, events = require("net.abort"), require("net.dns"), require("net.events")
      local process, timers = require("net.process"), require("net.timers")
      local path = os.tmpname()
      os.remove(path)
      MAKE = {
        timeout = function() return timers.setTimeout(nothing, 100000) end,
        due = function() return timers.setTimeout(nothing, 1) end,
        interval = function() return timers.setInterval(nothing, 100000) end,
        immediate = function() return timers.setImmediate(nothing) end,
        tick = function() return process.nextTick(nothing) end,
        signal = function() return abort.AbortSignal.timeout(100000) end,
        any = function() return abort.AbortSignal.any({ made.signal, made.controller.signal }) end,
        controller = function() return abort.AbortController() end,
        emitter = function() return events.EventEmitter() end,
        once = function() return coroutine.wrap(events.once)(made.emitter, "x", { signal = made.signal }) end,
        blocklist = function() local list = net.BlockList() list:addSubnet("10.0.0.0", 8) return list end,
        address = function() return net.SocketAddress() end,
        lookup = function() return dns.lookup("localhost", nothing) end,
        bound = function() return net.BoundSocket({ path = path }) end,
        server = function() return net.createServer():listen(0, "127.0.0.1") end,
        named = function() return net.createServer():listen({ port = 0, host = "localhost", signal = made.signal }) end,
        socket = function() return net.Socket() end,
        idle = function() return net.connect(made.server:address()):setTimeout(1000) end,
        client = function() return net.connect({ port = 1, host = "localhost", timeout = 100 }) end,
        writing = function() local s = net.connect(1, "127.0.0.1") s:write("x") s:write("y", nothing) return s end,
        process = function() return process:on("SIGUSR2", nothing) end,
      }
      NEW = setmetatable({}, { __gc = function()
        for _ = 1, 2 do  -- what needs another is made when that is there
          for name, make in pairs(MAKE) do
            local ok, object = pcall(make)
            if ok and made[name] == nil then
              made[name] = object or true
              kinds = kinds + 1
            end
          end
        end
        pcall(net.run, "nowait")
        for _, make in pairs(MAKE) do
          pcall(make)
        end
      end })
      print("end")
    ]] })
    assert.equal("end\nused\t20\n", result.stdout)
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
  end)

  it("that comes after the loop's end gets errors, or nothing, but from emitters", function()
    local result = lua.run({ script = [[
      KEEP = setmetatable({}, { __gc = function()
        local timers, process = package.loaded["net.timers"], package.loaded["net.process"]
        print((select(2, pcall(timers.setTimeout, print, 1))))
        print((select(2, pcall(timers.setImmediate, print))))
        print((select(2, pcall(process.nextTick, print))))
        print((select(2, pcall(package.loaded.net.run))))
        pcall(timers.clearTimeout, TIMEOUT)
        pcall(TIMEOUT.refresh, TIMEOUT)
        pcall(TIMEOUT.ref, TIMEOUT)
        pcall(process.on, process, "SIGUSR2", print)
        local heard = 0
        EMITTER:on("data", function(n) heard = heard + n end)
        print(EMITTER:emit("data", 5) and heard == 5 and "an emitter needs no loop")
        pcall(IMMEDIATE.unref, IMMEDIATE)
        pcall(IMMEDIATE.ref, IMMEDIATE)
        for _, socket in ipairs({ OPEN, CONNECTING, NEW }) do
          for _, method in ipairs({ "write", "finish", "pause", "resume", "read", "setTimeout", "ref",
                                    "unref", "cork", "uncork", "destroy", "destroySoon", "resetAndDestroy" }) do
            pcall(socket[method], socket, method == "setTimeout" and 10 or nil)
            pcall(socket[method], socket, "x")
          end
          pcall(socket.connect, socket, 1, "127.0.0.1")
          pcall(socket.connect, socket, "/nowhere")
        end
        for _, method in ipairs({ "ref", "unref", "address", "close", "listen", "getConnections" }) do
          pcall(SERVER[method], SERVER)
          pcall(SERVER[method], SERVER, "/nowhere")
        end
        pcall(BOUND.close, BOUND)
      end })
      local net = require("net")
      require("net.process")
      TIMEOUT = require("net.timers").setTimeout(print, 100000)
      EMITTER = require("net.events").EventEmitter()
      SERVER = net.createServer():listen(0)
      NEW, BOUND = net.Socket(), net.BoundSocket()
      OPEN = net.connect(SERVER:address().port, "127.0.0.1", net.stop)
      net.run()
      CONNECTING = net.connect(SERVER:address().port, "127.0.0.1")
      IMMEDIATE = require("net.timers").setImmediate(print)
    ]] })
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
    local refusals, others = 0, {}
    for line in result.stdout:gmatch("[^\n]*\n") do
      if line:find("the Lua state is closing", 1, true) then
        refusals = refusals + 1
      else
        others[#others + 1] = line
      end
    end
    assert.equal(4, refusals)
    assert.same({ "an emitter needs no loop\n" }, others)
  end)
end)

describe("the end of the program in a listener", function()
  --- What a server gets from a client that does this when it hears "go", and the
  --- client's exit code. `options` are those of lua.start, besides the script, and
  --- `before`, what it does before it connects.
  local function sent_by(t, action, options)
    local got, child = {}
    local server = net.createServer(t.calls(1, function(socket)
      socket:on("data", function(chunk) got[#got + 1] = chunk end)
      socket:on("end", net.stop)
      socket:write("go")
    end))
    server:listen(0, "127.0.0.1", function()
      local program = [[
        local net = require("net")
        local socket
        ]] .. (options.before or "") .. [[

        socket = net.connect(tonumber((...)), "127.0.0.1")
        socket:once("data", function()
          ]] .. action .. [[

        end)
        net.run()
      ]]
      options.args[#options.args + 1] = tostring(server:address().port)
      if options.program then
        local path = t.tmpname(".lua")
        local file <close> = assert(io.open(path, "w"))
        file:write(program)
        table.insert(options.args, 1, path)
      else
        options.script = program
      end
      child = lua.start(options)
    end)
    net.run()
    local result = child:wait()
    server:close()
    t.run()
    assert.equal("", result.stderr)
    return table.concat(got), result.code
  end

  for name, case in pairs({
    ["a small write"] = { 'socket:write("bye")', "bye" },
    ["small writes"] = { 'socket:write("by") socket:write("e") socket:write("!")', "bye!" },
    ["writes that have callbacks"] = {
      'socket:write("by", print) socket:write("e", print)', "bye",
    },
    ["a write of 10,000 bytes"] = { 'socket:write(("x"):rep(10000))', ("x"):rep(10000) },
    ["what is finished"] = { 'socket:finish("bye")', "bye" },
    ["what a coroutine writes"] = {
      'coroutine.wrap(function() socket:write("bye") os.exit(3) end)()', "bye",
    },
    ["what is written before a tick ends it"] = {
      'socket:write("bye") return net.process.nextTick(os.exit, 3)', "bye",
    },
    ["not what cork() holds back"] = { 'socket:write("b") socket:cork() socket:write("ye")', "b" },
  }) do
    it("by os.exit sends " .. name .. ", as Node does", within(function(t)
      local bytes, code = sent_by(t, "do " .. case[1] .. " end os.exit(3)", { args = {} })
      assert.equal(case[2], bytes)
      assert.equal(3, code)
    end))
  end

  it("by lua_close sends what a finaliser writes that is older than the socket", within(function(t)
    local bytes, code = sent_by(t, "os.exit(3, true)", { args = {}, before = [[
      KEEP = setmetatable({}, { __gc = function() socket:write("bye") end })
    ]] })
    assert.equal("bye", bytes)
    assert.equal(3, code)
  end))

  it("by process.exit sends what 'exit' listeners write", within(function(t)
    local bytes, code = sent_by(t, [[
      net.process:on("exit", function() socket:write("bye") end)
      net.process.exit(3)
    ]], { args = {} })
    assert.equal("bye", bytes)
    assert.equal(3, code)
  end))

  for name, case in pairs({
    ["ends by os.exit"] = { "os.exit(0)", "once" },
    ["ends by lua_close"] = { "os.exit(0, true)", "once" },
    ["writes and ends by os.exit"] = { 'socket:write(", child") os.exit(0)', "once, child" },
    ["writes and ends by lua_close"] = {
      'socket:write(", child") os.exit(0, true)', "once, child",
    },
    ["destroys the socket"] = { "socket:destroy() os.exit(0)", "once" },
    ["goes on with the loop"] = { "net.stop() return", "once" },
  }) do
    it("by a child made by fork, which " .. name .. ", sends all once", within(function(t)
      local program = lua.compile("spec/support/forks.c", t.tmpname())
      if not program then
        return pending("no Lua library to link with")
      end
      local bytes, code = sent_by(t, [[
        socket:write("once")
        if fork() == 0 then
          ]] .. case[1] .. [[

        end
        wait()
        socket:finish()
      ]], { program = program, args = {} })
      assert.equal(case[2], bytes)
      assert.equal(0, code)
    end))
  end
end)

describe("a child made by fork", function()
  -- It ends by a signal, or a leak checker would wait for the parent's threads.
  local function forked(t, child)
    local program = lua.compile("spec/support/forks.c", t.tmpname())
    if not program then
      return pending("no Lua library to link with")
    end
    local path = t.tmpname(".lua")
    local file = assert(io.open(path, "w"))
    file:write(child)
    file:close()
    local result = lua.run({ program = program, args = { path } })
    assert.equal("", result.stderr)
    return result.stdout
  end

  it("looks names up although its parent has", within(function(t)
    assert.equal("parent\nchild\n", forked(t, [[
      local net, dns = require("net"), require("net.dns")
      local process = require("net.process")
      local function look_up(who)
        dns.lookup("localhost", function(err) print(err or who) io.stdout:flush() end)
        net.run()
      end
      look_up("parent")
      if fork() == 0 then
        look_up("child")
        process.kill(process.pid, "SIGKILL")
      end
      wait()
    ]]))
  end))

  it("runs the loop while its parent does", within(function(t)
    assert.equal("child\nparent\n", forked(t, [[
      local net, dns, process = require("net"), require("net.dns"), require("net.process")
      local parent = process.pid
      process:on("SIGUSR2", net.stop)
      require("net.timers").setTimeout(process.exit, 20000, 1) -- a guard
      dns.lookup("localhost", net.stop)
      net.run()
      if fork() == 0 then
        local left = 20
        local function again()
          left = left - 1
          if left == 0 then
            print("child")
            io.stdout:flush()
            process.kill(parent, "SIGUSR2")
            process.kill(process.pid, "SIGKILL")
          end
          dns.lookup("localhost", again)
        end
        again()
        net.run()
      end
      net.run()
      wait()
      print("parent")
    ]]))
  end))
end)
