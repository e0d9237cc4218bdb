-- SPDX-License-Identifier: MIT

--- The channel of a process to the one that started it: how it is found, and what
--- `process` has of it. The parent is this process: a real one (net.child.fork), or a
--- foreign one, which has a plain socket in the channel's place.

local core = require("net.core")
local child = require("net.child")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local LUA = os.getenv("LUA") or "lua5.4"
local PRELUDE = 'local net = require("net") local process = require("net.process") '

--- The environment of a child: it finds this library, and what is given besides.
local function environment(more)
  local env = { PATH = os.getenv("PATH"), LUA_PATH = package.path, LUA_CPATH = package.cpath,
    ASAN_OPTIONS = os.getenv("ASAN_OPTIONS"), LSAN_OPTIONS = os.getenv("LSAN_OPTIONS"),
    UBSAN_OPTIONS = os.getenv("UBSAN_OPTIONS") }
  for name, value in pairs(more or {}) do env[name] = value end
  return env
end

local function write_script(t, text)
  local path = t.tmpname(".lua")
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  return path
end

--- What a child has written to a stream, when it has ended.
local function collect(stream)
  local parts = {}
  stream:on("data", function(chunk) parts[#parts + 1] = chunk end)
  return function() return table.concat(parts) end
end

--- A child with a foreign parent: what it says on its channel is `kid.heard()`, and
--- `kid.wire` is a socket.
local function start(t, script, env, place)
  local stdio = { "ignore", "pipe", "pipe" }
  for i = 4, place or 3 do stdio[i] = "ignore" end
  stdio[(place or 3) + 1] = "pipe"
  env = environment(env)
  env.NODE_CHANNEL_FD = env.NODE_CHANNEL_FD or tostring(place or 3)
  local kid = child.spawn(LUA, { write_script(t, PRELUDE .. script) }, { stdio = stdio, env = env })
  local wire = kid.stdio[(place or 3) + 1]
  wire:on("error", function() end)
  return kid, { wire = wire, heard = collect(wire), out = collect(kid.stdout), err = collect(kid.stderr) }
end

--- Waits for the end of a child; its code.
local function finish(kid)
  if kid.exitCode == nil and kid.signalCode == nil then
    sockets.wait_for(kid, "close")
  end
  return kid.exitCode
end

--- Forks a script with a real channel.
local function fork(t, script, options)
  options = options or {}
  options.execPath, options.env = LUA, environment(options.env)
  options.stdio = options.stdio or { "ignore", "inherit", "inherit", "ipc" }
  return child.fork(write_script(t, PRELUDE .. script), {}, options)
end

--- Lines of what a child and its parent saw.
local function trace(kid, seen)
  for _, event in ipairs({ "message", "disconnect", "exit", "close", "error" }) do
    kid:on(event, function(...)
      local words = table.pack(event, ...)
      for i = 2, words.n do
        local value = words[i]
        words[i] = type(value) == "table" and (value.code or core.json.encode(value)) or tostring(value)
      end
      seen[#seen + 1] = table.concat(words, " ")
    end)
  end
  return seen
end

describe("A process without a channel", function()
  it("has nothing to send by", within(function()
    local process = require("net.process")
    assert.is_nil(process.send)
    assert.is_nil(process.disconnect)
    assert.is_nil(process.channel)
    assert.is_false(process.connected)
  end))
end)

describe("The variables of a channel", function()
  local variables = { NODE_CHANNEL_SERIALIZATION_MODE = "json", LUANET_CHANNEL = "1:1" }

  it("are gone when the library is loaded, for the program and its children", within(function(t)
    local kid, peer = start(t, [[
      for _, name in ipairs({ "NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "LUANET_CHANNEL" }) do
        print(os.getenv(name), process.env[name])
      end
      local pipe = io.popen("env") print((pipe:read("a"):gsub("[^\n]*", function(line)
        return line:find("CHANNEL") and line or "" end):gsub("\n", "")))]], variables)
    assert.equal(0, finish(kid))
    assert.equal("nil\tnil\nnil\tnil\nnil\tnil\n\n", peer.out())
    assert.equal("", peer.err())
    assert.equal("", peer.heard()) -- no greeting: the socket is another one
  end))

  it("lead to a channel at any number", within(function(t)
    for _, place in ipairs({ 3, 5, 9 }) do
      local kid, peer = start(t, 'process.send({ place = "' .. place .. '" })', nil, place)
      assert.equal(0, finish(kid))
      assert.equal('{"place":"' .. place .. '"}\n', peer.heard())
      assert.equal("", peer.err())
    end
  end))

  it("lead to one also where net.process is the first to be required", within(function(t)
    for _, module in ipairs({ "net.process", "net.core", "net.events", "net.timers", "net.child", "net" }) do
      local path = write_script(t, ('require("%s") local process = require("net.process") '
        .. 'process:once("message", function(m) process.send({ m, process == require("net").process }) end)'
        .. 'require("net").run()'):format(module))
      local kid = child.spawn(LUA, { path },
        { stdio = { "ignore", "inherit", "inherit", "pipe" }, env = environment({ NODE_CHANNEL_FD = "3" }) })
      local heard = collect(kid.stdio[4])
      kid.stdio[4]:write('"x"\n')
      assert.equal(0, finish(kid))
      assert.equal('["x",true]\n', heard())
    end
  end))

  for _, text in ipairs({ "99", "0", "x", "", "-1", "3.5", "0x3", " 3", "99999999999999999999" }) do
    it(("raise, by require, for the number %q, of which nothing is closed"):format(text), within(function(t)
      local kid, peer = start(t, "print('never')", { NODE_CHANNEL_FD = text })
      assert.equal(1, finish(kid))
      assert.equal("", peer.out())
      assert.truthy(peer.err():find("NODE_CHANNEL_FD' must be the number of an open Unix stream socket. "
        .. "Received '" .. text .. "'", 1, true), peer.err())
    end))
  end

  it("raise that with its code, and once", within(function(t)
    local path = write_script(t, [[
      local ok, err = pcall(require, "net.core")
      io.stderr:write(tostring(ok), " ", err.name, " ", err.code, "\n")
      local process = require("net.process")
      io.stderr:write(tostring(process.send), " ", tostring(process.connected), "\n")
      io.stdout:write("still open\n")]])
    local kid = child.spawn(LUA, { path }, { env = environment({ NODE_CHANNEL_FD = "1x" }) })
    local out, err = collect(kid.stdout), collect(kid.stderr)
    assert.equal(0, finish(kid))
    assert.equal("false TypeError ERR_INVALID_ARG_VALUE\nnil false\n", err())
    assert.equal("still open\n", out())
  end))

  it("end the program with a clear text where they ask for V8's format", within(function(t)
    local kid, peer = start(t, "print('never')", { NODE_CHANNEL_SERIALIZATION_MODE = "advanced" })
    assert.equal(1, finish(kid))
    assert.equal("", peer.out())
    assert.equal("net: this process was started with serialization 'advanced', which only Node has; "
      .. "use 'json'\n", peer.err())
  end))

  it("are those of a worker only beside a channel", within(function(t)
    local path = write_script(t, PRELUDE .. 'print(os.getenv("NODE_UNIQUE_ID"), process.send)')
    local kid = child.spawn(LUA, { path }, { env = environment({ NODE_UNIQUE_ID = "7" }) })
    local out = collect(kid.stdout)
    assert.equal(0, finish(kid))
    assert.equal("7\tnil\n", out())
  end))
end)

describe("A process with a channel", function()
  it("hears what was sent before it was up, and answers", within(function(t)
    local kid, peer = start(t, [[
      process:on("message", function(m)
        process.send({ got = m })
        if m == "bye" then process.disconnect() end
      end)
      process:on("disconnect", function() print(process.connected, process.channel) end)
      net.run()]])
    peer.wire:write('"é\\n"\n[]\n"bye"\n')
    assert.equal(0, finish(kid))
    assert.equal('{"got":"é\\n"}\n{"got":[]}\n{"got":"bye"}\n', peer.heard())
    assert.equal("false\tnil\n", peer.out())
  end))

  it("ends by itself when nobody listens, though the parent has not ended", within(function(t)
    local kid = start(t, "net.run()")
    assert.equal(0, finish(kid))
  end))

  it("lives as long as somebody listens, and ends when the parent does", within(function(t)
    for _, event in ipairs({ "message", "disconnect" }) do
      local kid, peer = start(t, ('process:on("%s", function() end) process.send("up") net.run()'):format(event))
      sockets.wait(function() return peer.heard() == '"up"\n' end)
      peer.wire:finish()
      peer.wire:destroy()
      assert.equal(0, finish(kid))
    end
  end))

  it("has all it sent leave before it ends, and calls back", within(function(t)
    local kid = fork(t, [[
      for i = 1, 3 do process.send(("x"):rep(200000), function(err) print("sent", err) end) end
      net.run()]], { stdio = { "ignore", "pipe", "inherit", "ipc" } })
    local seen, out = {}, collect(kid.stdout)
    kid:on("message", function(m) seen[#seen + 1] = #m end)
    kid:on("disconnect", function() seen[#seen + 1] = "disconnect" end)
    assert.equal(0, finish(kid))
    assert.same({ 200000, 200000, 200000, "disconnect" }, seen)
    assert.equal("sent\tnil\nsent\tnil\nsent\tnil\n", out())
  end))

  for _, exit in ipairs({ "os.exit(5)", "process.exit(5)", "os.exit(5, true)" }) do
    it("has what it sent leave before " .. exit .. ", in a listener and outside", within(function(t)
      for _, script in ipairs({
        'process.send("a") ' .. exit,
        'process.nextTick(function() process.send("a") ' .. exit .. " end) net.run()",
        'process:on("message", function() process.send("a") ' .. exit .. " end) net.run()",
      }) do
        local kid = fork(t, script)
        local seen = trace(kid, {})
        kid:send("go")
        kid:removeAllListeners("error") -- the child may be gone
        kid:on("error", function() end)
        finish(kid)
        assert.same({ "message a", "disconnect", "exit 5 nil", "close 5 nil" }, seen)
      end
    end))
  end

  it("does not leave the channel to what it starts", within(function(t)
    local path = t.tmpname()
    local kid, peer = start(t, ([[
      os.execute("tail -f /dev/null >/dev/null 2>&1 & echo $! >%s")
      process.send("done")]]):format(path))
    peer.wire:once("end", t.calls(1)) -- although that one lives on
    assert.equal(0, finish(kid))
    assert.equal('"done"\n', peer.heard())
    local file <close> = assert(io.open(path))
    assert(os.execute("kill " .. file:read("n")))
  end))

  it("may send after the end, and is told", within(function(t)
    local kid, peer = start(t, [[
      process.disconnect()
      print(process.connected, process.send("x", function(err) print("cb", err.code, err.message) end))
      process:on("error", function(err) print("error", err.code) end)
      process.send("y")
      process.disconnect()
      net.run()]])
    assert.equal(0, finish(kid))
    assert.equal("false\tfalse\nerror\tERR_IPC_DISCONNECTED\ncb\tERR_IPC_CHANNEL_CLOSED\tChannel closed\n"
      .. "error\tERR_IPC_CHANNEL_CLOSED\n", peer.out())
    assert.equal("", peer.heard())
  end))

  it("raises out of the loop for a broken line, unless somebody listens to error", within(function(t)
    local kid, peer = start(t, 'process:on("message", print) net.run()')
    peer.wire:write("1\ngarbage\n2\n")
    assert.equal(1, finish(kid))
    assert.equal("1\n", peer.out())
    assert.truthy(peer.err():find("SyntaxError: Unexpected token 'g', \"garbage\" is not valid JSON", 1, true))
    kid, peer = start(t, [[
      process:on("message", function(m) print(m) if m == 2 then process.disconnect() end end)
      process:on("error", function(err) print(err.name) end) net.run()]])
    peer.wire:write("1\ngarbage\n2\n")
    assert.equal(0, finish(kid))
    assert.equal("1\nSyntaxError\n2\n", peer.out())
  end))

  it("takes a number for the longest line, and ends the channel at a longer", within(function(t)
    local kid, peer = start(t, [[
      process.channel.maxMessage = 20
      print(pcall(function() process.channel.maxMessage = 0 end))
      process:on("message", print)
      process:on("error", function(err) print(err.code, err.message) end)
      process:on("disconnect", function() print("disconnect") end)
      net.run()]])
    peer.wire:write('"short"\n"' .. ("x"):rep(100))
    assert.equal(0, finish(kid))
    assert.truthy(peer.out():find("ERR_OUT_OF_RANGE", 1, true) or peer.out():find("out of range", 1, true))
    assert.equal("short\nERR_IPC_MESSAGE_TOO_LONG\tA message is longer than maxMessage, 20 bytes\ndisconnect\n",
      peer.out():match("\n(.*)"))
  end))
end)

describe("A process that has no descriptor left", function()
  local rights = require("spec.support.peer").rights

  it("says that a handle has not come, and takes it when it is sent again", within(function(t)
    if not rights then return pending("no headers of Lua") end
    local script = write_script(t, PRELUDE .. [[
      process:on("message", function(m, handle)
        process.send({ m, handle ~= nil })
        if m == "free" then for _, file in ipairs(files) do file:close() end files = {} end
        if handle then handle:destroy() process.disconnect() end
      end)
      files = {}
      repeat
        local file = io.open("/dev/null")
        files[#files + 1] = file
      until not file
      process.send("full")
      net.run()]])
    local kid = child.spawn("/bin/sh", { "-c", 'ulimit -n 40; exec "$0" "$1"', LUA, script },
      { stdio = { "ignore", "inherit", "inherit", "pipe" }, env = environment({ NODE_CHANNEL_FD = "3" }) })
    local wire = kid.stdio[4]
    local heard = collect(wire)
    local one, other = core.descriptor.pair()
    local line = '{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"sock"}\n'
    sockets.wait(function() return heard() == '"full"\n' end)
    for _ = 1, 2 do
      rights.send(wire:fd(), line, { one:number() })
    end
    sockets.wait(function() return heard():find("NACK.*NACK") end)
    wire:write('"free"\n')
    sockets.wait(function() return heard():find("free", 1, true) end)
    rights.send(wire:fd(), line, { one:number() })
    assert.equal(0, finish(kid))
    one:close()
    other:close()
    local nack = '{"cmd":"NODE_HANDLE_NACK"}\n'
    assert.equal('"full"\n' .. nack .. nack .. '["free",false]\n{"cmd":"NODE_HANDLE_ACK"}\n["sock",true]\n',
      heard())
  end))
end)

describe("A process made by fork(2)", function()
  local lua = require("spec.support.lua")

  --- Runs a script in a Lua that has fork(), with a channel to a foreign parent.
  local function start_forking(t, script)
    local program = lua.compile("spec/support/forks.c", t.tmpname())
    if not program then
      return nil
    end
    local env = environment({ NODE_CHANNEL_FD = "3" })
    local kid = child.spawn(program, { write_script(t, PRELUDE .. script) },
      { stdio = { "ignore", "pipe", "pipe", "pipe" }, env = env })
    return kid, { wire = kid.stdio[4], heard = collect(kid.stdio[4]), out = collect(kid.stdout),
      err = collect(kid.stderr) }
  end

  it("has no channel: that stays its parent's, whose messages leave once", within(function(t)
    local kid, peer = start_forking(t, [[
      process:on("message", function(m) print("message", m) end)
      process:on("disconnect", function() print("disconnect") end)
      process.nextTick(function()
        process.send("deferred")
        if fork() == 0 then
          print(process.connected, process.channel)
          print(process.send("never", function(err) print(err.code) end))
          return -- nothing holds its loop
        end
        wait()
        process.send("after")
        process.disconnect()
      end)
      io.stdout:setvbuf("no")
      net.run()
      print("over")]])
    if not kid then return pending("no Lua library to link with") end
    assert.equal(0, finish(kid))
    assert.equal('"deferred"\n"after"\n', peer.heard())
    assert.equal("", peer.err())
    assert.equal("false\tnil\nfalse\nERR_IPC_CHANNEL_CLOSED\nover\ndisconnect\nover\n", peer.out())
  end))

  it("does not keep its parent's channel open", within(function(t)
    local kid, peer = start_forking(t, [[
      local timers = require("net.timers")
      process:on("message", function()
        local pid = fork()
        if pid == 0 then
          timers.setInterval(function() end, 20000)
        else
          print(pid)
          os.exit(0)
        end
      end)
      net.run()]])
    if not kid then return pending("no Lua library to link with") end
    peer.wire:write("1\n")
    sockets.wait_for(peer.wire, "end")
    assert.equal("", peer.heard())
    local pid
    sockets.wait(function()
      pid = tonumber(peer.out())
      return pid
    end)
    require("net.process").kill(pid, "SIGKILL")
    assert.equal(0, finish(kid))
  end))
end)

describe("A child that was forked", function()
  it("and does nothing has its parent see disconnect, exit, close", within(function(t)
    local kid = fork(t, "")
    local seen = trace(kid, {})
    assert.is_true(kid.connected)
    assert.equal("Channel", tostring(kid.channel))
    finish(kid)
    assert.same({ "disconnect", "exit 0 nil", "close 0 nil" }, seen)
    assert.is_false(kid.connected)
    assert.is_nil(kid.channel)
  end))

  it("hears all, and then the end, if that comes in the same turn", within(function(t)
    local kid = fork(t, [[
      process:on("message", function(m) io.write(m, " ") end)
      process:on("disconnect", function() print("disconnect") end)
      net.run()]], { stdio = { "ignore", "pipe", "inherit", "ipc" } })
    local seen, out = trace(kid, {}), collect(kid.stdout)
    for i = 1, 3 do assert.is_true(kid:send(i)) end
    kid:disconnect()
    assert.is_false(kid.connected)
    finish(kid)
    assert.equal("1 2 3 disconnect\n", out())
    assert.same({ "disconnect", "exit 0 nil", "close 0 nil" }, seen)
  end))

  it("is gone at once by SIGKILL, and its channel with it", within(function(t)
    local kid = fork(t, 'process:on("message", print) process.send("up") net.run()')
    local seen = trace(kid, {})
    kid:once("message", function() kid:kill("SIGKILL") end)
    finish(kid)
    assert.same({ "message up", "disconnect", "exit nil SIGKILL", "close nil SIGKILL" }, seen)
  end))

  it("lives on when its parent's process is gone, and is told", within(function(t)
    local middle = fork(t, ([[
      local child = require("net.child")
      local kid = child.fork(%q, {}, { execPath = %q })
      kid:on("message", function() process.kill(process.pid, "SIGKILL") end)
      net.run()]]):format(write_script(t, PRELUDE .. [[
        process:on("disconnect", function() print("told") end)
        process.send("up") net.run()]]), LUA), { stdio = { "ignore", "pipe", "inherit", "ipc" } })
    local out = collect(middle.stdout)
    sockets.wait_for(middle.stdout, "end") -- which the other one has too
    assert.equal("told\n", out())
    finish(middle)
    assert.equal("SIGKILL", middle.signalCode)
  end))

  it("of this library has binary strings each way", within(function(t)
    local kid = fork(t, [[
      process:once("message", function(m)
        process.send({ m.bytes .. "\xFF" }, nil, { binary = true })
        process.disconnect()
      end)
      process.send("\0\xFE", nil, { binary = true })
      net.run()]])
    local got = {}
    kid:on("message", function(m)
      got[#got + 1] = m
      if #got == 1 then kid:send({ bytes = m .. "\x80" }, nil, { binary = true }) end
    end)
    assert.equal(0, finish(kid))
    assert.same({ "\0\xFE", { "\0\xFE\x80\xFF" } }, got)
  end))

  it("has binary strings for no parent but one of this library", within(function(t)
    local kid, peer = start(t, [[
      print(pcall(process.send, "\xFF", nil, { binary = true }))
      print(process.send("x"))]])
    assert.equal(0, finish(kid))
    assert.equal('"x"\n', peer.heard())
    assert.matches("^false\t.*ERR_INVALID_ARG_VALUE.*options%.binary.*true\n$", peer.out())
  end))

  it("that was spawned without a channel has none to be sent to", within(function(t)
    local kid = child.spawn(LUA, { "-e", "" }, { stdio = "ignore" })
    local seen = trace(kid, {})
    assert.is_false(kid.connected)
    assert.is_nil(kid.channel)
    assert.is_false(kid:send("x", function(err) seen[#seen + 1] = "cb " .. err.code end))
    assert.is_false(kid:send("y"))
    kid:disconnect()
    assert.same({ "error ERR_IPC_DISCONNECTED" }, seen)
    finish(kid)
    assert.same({ "error ERR_IPC_DISCONNECTED", "cb ERR_IPC_CHANNEL_CLOSED", "error ERR_IPC_CHANNEL_CLOSED",
      "exit 0 nil", "close 0 nil" }, seen)
    assert.is_truthy(t)
  end))

  it("holds the loop by its channel too, until that is unref'd", within(function(t)
    local kid = fork(t, 'process:on("message", function() process.disconnect() end) net.run()')
    kid:unref()
    assert.is_true(core.alive() > 0)
    kid.channel:unref()
    kid.channel:ref()
    kid:ref()
    kid:send("end")
    assert.equal(0, finish(kid))
  end))
end)
