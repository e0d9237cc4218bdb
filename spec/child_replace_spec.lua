-- SPDX-License-Identifier: MIT

-- child.replace: another program in the place of this one, with its servers' sockets; and
-- "ready", by which it says that it serves.

local child = require("net.child")
local lua = require("spec.support.lua")
local net = require("net")
local process = require("net.process")
local servers = require("spec.support.servers")
local sockets = require("spec.support.sockets")
local timers = require("net.timers")
local within = require("spec.support.init").within

local wait = sockets.wait

--- Listens on what it was given, and answers each connection with its name.
local NEW = [[
local net, process = require("net"), require("net.process")
local bound, names = net.activated()
local left = #names
for i, name in ipairs(names) do
  net.createServer(function(socket)
    socket:on("error", function() end)
    socket:resume()
    socket:finish(name)
  end):listen(bound[i], function()
    left = left - 1
    if left == 0 then process.notify({ ready = true }) end
  end)
end
]]

local function options(more)
  local opts = { execPath = lua.command, stdio = { "ignore", "pipe", "inherit" } }
  for key, value in pairs(more) do opts[key] = value end
  opts.env = opts.env or {}
  opts.env.LUA_PATH, opts.env.LUA_CPATH, opts.env.PATH = package.path, package.cpath, os.getenv("PATH")
  return opts
end

local function script(t, text)
  local path = t.tmpname(".lua")
  local file <close> = assert(io.open(path, "w"))
  file:write(text, "\nrequire('net').run()\n")
  return path
end

local function named(name, where)
  local server = net.createServer(function(socket)
    socket:on("error", function() end)
    socket:resume()
    socket:finish("old " .. name)
  end)
  server:listen(where or { port = 0, host = "127.0.0.1" })
  wait(function() return server.listening end)
  return server
end

local function answer(where)
  local said = ""
  local client = net.connect(where)
  client:on("data", function(chunk) said = said .. chunk end)
  sockets.wait_for(client, "close")
  return said
end

--- Children that a failed spec has left; a child of `replace` is nobody's.
local kids = {}

local function kept(kid)
  kids[#kids + 1] = kid
  return kid
end

after_each(function()
  for _, kid in ipairs(kids) do
    if kid.pid and not kid.exitCode and not kid.signalCode then
      kid:kill("SIGKILL")
    end
  end
  kids = {}
end)

local function noted()
  local args
  return function(...)
    assert.is_nil(args, "called twice")
    args = table.pack(...)
  end, function() return args end
end

--- Ends a child for good, and waits for that.
local function finish(kid)
  kid:ref()
  if not kid.exitCode and not kid.signalCode then
    kid:kill("SIGKILL")
    sockets.wait_for(kid, "close")
  end
  net.run()
end

--- Replaces, and gives back what the callback got when it was called.
local function replaced(path, opts)
  local callback, args = noted()
  local kid = kept(child.replace(path, options(opts), callback))
  wait(args)
  return kid, args()
end

describe("child.replace", function()
  it("hands the servers over, by name, when the new program is ready", within(function(t)
    local a, b = named("a"), named("b")
    local where, other = a:address().port, b:address().port
    local kid, args = replaced(script(t, NEW), { servers = { zulu = a, alpha = b } })
    assert.same({ n = 3, nil, kid, 0 }, args)
    assert.same({ false, false, true }, { a.listening, b.listening, a.draining })
    assert.is_false(kid.connected)
    assert.same({ "zulu", "alpha" }, { answer(where), answer(other) })
    finish(kid)
  end))

  it("starts it as by socket activation, with names in byte order", within(function(t)
    local servers_of = { b = named("b"), B = named("B"), a = named("a") }
    local kid = child.replace(script(t, [[
      print(os.getenv("LISTEN_FDS"), os.getenv("LISTEN_FDNAMES"), os.getenv("MINE"),
        tonumber(os.getenv("LISTEN_PID")) == tonumber(io.open("/proc/self/stat"):read("n")))
      for fd = 3, 6 do
        io.write(io.popen("readlink /proc/$PPID/fd/" .. fd):read("a"):match("^%a*"), " ")
      end
      print(arg[1], os.getenv("NODE_CHANNEL_FD"))
    ]]), { "argument" }, options({ servers = servers_of, env = { MINE = "yes", LISTEN_FDS = "77", LISTEN_PID = "1" } }))
    local out = ""
    kid.stdout:on("data", function(chunk) out = out .. chunk end)
    sockets.wait_for(kid, "close")
    assert.equal("3\tB:a:b\tyes\ttrue\nsocket socket socket socket argument\t6\n", out)
    for _, server in pairs(servers_of) do server:close() end
  end))

  it("lets the program end, whose child goes on", within(function(t)
    local server = named("x")
    local kid = replaced(script(t, NEW), { servers = { x = server }, stdio = "ignore" })
    assert.is_false(net.run())
    assert.is_nil(kid.exitCode)
    finish(kid)
  end))

  it("leaves the file of a Unix server", within(function(t)
    local path = t.tmpname(".sock")
    local kid = replaced(script(t, NEW), { servers = { x = named("x", { path = path }) } })
    assert.equal("s", servers.mode(path):sub(1, 1))
    assert.equal("x", answer(path))
    finish(kid)
  end))

  it("drains, and says how many connections were cut off", within(function(t)
    local peers = {}
    local server = net.createServer(function(socket) peers[#peers + 1] = socket end):listen(0)
    local where = { port = server:address().port, allowHalfOpen = true } -- they never end
    local clients = { net.connect(where), net.connect(where) }
    wait(function() return #peers == 2 end)
    local kid, args = replaced(script(t, NEW), { servers = { x = server }, drain = 5 })
    assert.same({ n = 3, nil, kid, 2 }, args)
    for _, client in ipairs(clients) do client:destroy() end
    finish(kid)
  end))

  it("does without a callback", within(function(t)
    local server = named("x")
    local kid = kept(child.replace(script(t, NEW), options({ servers = { x = server } })))
    sockets.wait_for(server, "close")
    finish(kid)
  end))

  it("bears a server that closes by itself meanwhile, and tells of that once", within(function(t)
    local a, b = named("a"), named("b")
    local callback, args = noted()
    b:on("close", t.calls(1))
    local kid = kept(child.replace(script(t, NEW), options({ servers = { a = a, b = b } }), callback))
    b:close()
    wait(args)
    assert.same({ n = 3, nil, kid, 0 }, args())
    finish(kid)
  end))

  describe("with a server that the program closes meanwhile", function()
    --- Replaces once there is a connection; what the callback got.
    local function closes(t, server, opts)
      local callback, args = noted()
      server:on("close", t.calls(1))
      opts.servers = { x = server }
      local kid = kept(child.replace(script(t, NEW), options(opts), callback))
      server:close()
      return kid, function()
        wait(args)
        return args()
      end
    end

    local function connected(server)
      sockets.wait_for(server, "listening")
      local client = net.connect({ port = server:address().port, host = "127.0.0.1", allowHalfOpen = true })
      local peer = sockets.wait_for(server, "connection")
      return client, peer
    end

    it("gives its connections no more time than others", within(function(t)
      local server = net.createServer({ allowHalfOpen = true }, function(socket)
        socket:on("error", function() end)
      end):listen(0, "127.0.0.1")
      local client = connected(server)
      local kid, args = closes(t, server, { drain = 5 })
      assert.same({ n = 3, nil, kid, 1 }, args())
      client:destroy()
      finish(kid)
    end))

    --- A child that keeps what it gets until it is told, or for good.
    local function keeper(t)
      return kept(child.fork(script(t, [[
        local process, got = require("net.process")
        process:on("message", function(message, socket)
          if message == "end" then got:destroy() end
          got = socket or got
          process.send("got")
        end)
      ]]), options({ stdio = "inherit" })))
    end

    --- A server of which the only connection is in another process, that process, the client.
    local function elsewhere(t)
      local other = keeper(t)
      local server = net.createServer({ pauseOnConnect = true }):listen(0, "127.0.0.1")
      local client, peer = connected(server)
      other:send("socket", peer)
      sockets.wait_for(other, "message")
      return server, other, client
    end

    it("waits for its connections in other processes", within(function(t)
      local server, other, client = elsewhere(t)
      local kid, args = closes(t, server, {})
      sockets.wait_for(kid, "disconnect") -- it serves
      local told = false
      timers.setImmediate(function() told = server.draining end)
      wait(function() return told end)
      other:send("end")
      assert.same({ n = 3, nil, kid, 0 }, args())
      client:destroy()
      other:kill("SIGKILL")
      finish(kid)
    end))

    it("does not wait for them beyond that time", within(function(t)
      local server, other, client = elsewhere(t)
      local kid, args = closes(t, server, { drain = 5 })
      assert.same({ n = 3, nil, kid, 0 }, args())
      client:destroy()
      other:kill("SIGKILL")
      finish(kid)
    end))
  end)

  describe("where the new program does not become ready", function()
    --- The old one serves on; returns the cause.
    local function fails(t, text, more)
      local server = named("x")
      local opts = { servers = { x = server } }
      for key, value in pairs(more or {}) do opts[key] = value end
      local kid, args = replaced(script(t, text), opts)
      assert.equal("ERR_REPLACE_FAILED", args[1].code)
      assert.same({ true, false, "old x" }, { server.listening, server.draining, answer(server:address().port) })
      server:close()
      return args[1].cause, kid
    end

    it("tells that it has ended", within(function(t)
      local cause, kid = fails(t, "os.exit(3)")
      assert.same({ 3, "The new process has ended, by exit code 3" }, { cause.exitCode, cause.message })
      finish(kid)
      cause, kid = fails(t, [[
        local process = require("net.process")
        process.kill(process.pid, "SIGKILL")
      ]])
      assert.equal("SIGKILL", cause.signalCode)
      finish(kid)
    end))

    it("tells that it could not be started", within(function(t)
      local cause = fails(t, "", { execPath = "/no/such/program" })
      assert.equal("spawn /no/such/program ENOENT", cause.message)
    end))

    it("tells that the time is over, and ends it", within(function(t)
      local cause, kid = fails(t, "require('net').createServer():listen(0)", { ready = 30 })
      assert.equal("replace ETIMEDOUT", cause.message)
      if not kid.signalCode then
        sockets.wait_for(kid, "exit")
      end
      assert.equal("SIGTERM", kid.signalCode)
      net.run()
    end))

    it("ends one that bears SIGTERM after five seconds #slow", within(function(t)
      local cause, kid = fails(t, [[
        require("net.process"):on("SIGTERM", function() end)
        require("net").createServer():listen(0)
        print("ready to bear it")
      ]], { ready = 1000 })
      assert.equal("ETIMEDOUT", cause.code)
      sockets.wait_for(kid, "exit")
      assert.equal("SIGKILL", kid.signalCode)
      net.run()
    end))

    it("tells that it has closed its channel, and ends it", within(function(t)
      local cause, kid = fails(t, [[
        require("net.process").disconnect()
        require("net").createServer():listen(0)
      ]])
      assert.equal("ERR_IPC_CHANNEL_CLOSED", cause.code)
      finish(kid)
      assert.equal("SIGTERM", kid.signalCode)
    end))
  end)

  it("raises for what it cannot do, and then starts nothing", within(function(t)
    local server = named("x")
    local path = script(t, NEW)
    for _, case in ipairs({
      { "ERR_INVALID_ARG_TYPE" }, { "ERR_INVALID_ARG_TYPE", {}, nil },
      { "ERR_INVALID_ARG_VALUE", {}, {} }, { "ERR_INVALID_ARG_VALUE", {}, { servers = {} } },
      { "ERR_INVALID_ARG_VALUE", {}, { servers = { server } } },
      { "ERR_INVALID_ARG_VALUE", {}, { servers = { ["a:b"] = server } } },
      { "ERR_INVALID_ARG_VALUE", {}, { servers = { [""] = server } } },
      { "ERR_INVALID_ARG_VALUE", {}, { servers = { x = net.createServer() } } },
      { "ERR_INVALID_ARG_VALUE", {}, { servers = { x = net.Socket() } } },
      { "ERR_INVALID_ARG_VALUE", {}, { servers = { x = server }, shell = true } },
      { "ERR_INVALID_ARG_VALUE", {}, { servers = { x = server }, stdio = { "pipe", "pipe", "pipe", "pipe" } } },
      { "ERR_INVALID_ARG_VALUE", {}, { servers = { x = server }, stdio = { "ipc" } } },
      { "ERR_INVALID_ARG_TYPE", {}, { servers = { x = server }, ready = "1" } },
      { "ERR_OUT_OF_RANGE", {}, { servers = { x = server }, drain = -1 } },
      { "ERR_INVALID_ARG_TYPE", {}, { servers = { x = server } }, "callback" },
      { "ERR_INVALID_ARG_TYPE", 7, { servers = { x = server } } },
    }) do
      local err = sockets.raised(child.replace, path, table.unpack(case, 2, 4))
      assert.equal(case[1], err.code, err.message)
    end
    assert.equal("ERR_INVALID_ARG_TYPE", sockets.raised(child.replace, nil, { servers = { x = server } }).code)
    server:close()
  end))
end)

describe("'ready'", function()
  it("is what a child of this library says of itself", within(function(t)
    local kid = child.fork(script(t, [[
      local process = require("net.process")
      print(process.notify({ status = "starting" }), process.notify({ ready = true, status = "serving" }))
      process.disconnect()
    ]]), options({ stdio = { "ignore", "pipe", "inherit", "ipc" } }))
    local out, seen = "", {}
    kid.stdout:on("data", function(chunk) out = out .. chunk end)
    for _, event in ipairs({ "message", "ready", "disconnect", "close" }) do
      kid:on(event, function() seen[#seen + 1] = event end)
    end
    sockets.wait_for(kid, "close")
    assert.same({ { "ready", "disconnect", "close" }, "false\ttrue\n" }, { seen, out })
  end))

  it("goes to nobody without a channel, behind one that is closed, or to another program", within(function(t)
    local text = [[
      local process = require("net.process")
      if process.connected and arg[1] then process.disconnect() end
      print(process.notify({ ready = true }))
      if process.connected then process.disconnect() end
    ]]
    local path = script(t, text)
    for _, case in ipairs({
      { child.spawn, { path }, false }, { child.fork, path, "closed" },
    }) do
      local kid = case[1] == child.spawn
        and child.spawn(lua.command, { path }, options({}))
        or child.fork(path, { case[3] }, options({ stdio = { "ignore", "pipe", "inherit", "ipc" } }))
      local out = ""
      kid:on("ready", t.never())
      kid.stdout:on("data", function(chunk) out = out .. chunk end)
      sockets.wait_for(kid, "close")
      assert.equal("false\n", out)
    end
    -- A parent that is not this library sets no LUANET_CHANNEL, or has another socket in it.
    for _, value in ipairs({ "unset", "1:1", "x" }) do
      local kid = child.fork(script(t, ([[
        local C = os.getenv("AGAIN")
        if not C then os.exit(9) end
      ]]) .. text), options({ stdio = { "ignore", "pipe", "inherit", "ipc" }, execPath = "sh",
        execArgv = { "-c", value == "unset" and 'unset LUANET_CHANNEL; exec "$0" "$1"'
          or ('LUANET_CHANNEL=%s exec "$0" "$1"'):format(value), lua.command }, env = { AGAIN = "1" } }))
      local out = ""
      kid:on("ready", t.never())
      kid.stdout:on("data", function(chunk) out = out .. chunk end)
      sockets.wait_for(kid, "close")
      assert.equal("false\n", out, value)
    end
    assert.is_nil(process.send)
    timers.clearTimeout(nil)
  end))
end)
