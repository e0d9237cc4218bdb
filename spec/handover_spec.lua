-- SPDX-License-Identifier: MIT

-- server:handOver and net.takeOver: a listening socket goes from one process to a stranger,
-- and nobody who connects meanwhile meets a closed one.

local child = require("net.child")
local core = require("net.core")
local lua = require("spec.support.lua")
local net = require("net")
local process = require("net.process")
local servers = require("spec.support.servers")
local sockets = require("spec.support.sockets")
local talk = require("net.internal.process.talk")
local timers = require("net.timers")
local within = require("spec.support.init").within

local ASK = '{"cmd":"NODE_LUANET","v":1,"act":"takeOver"}\n'
local ACK = '{"cmd":"NODE_HANDLE_ACK"}\n'
local GIVEN = '{"cmd":"NODE_HANDLE","type":"net.Server","msg":{"cmd":"NODE_LUANET","act":"server","path":%s}}\n'

local wait = sockets.wait

--- A server that listens and answers each connection with its name.
local function named(name, where)
  local server = net.createServer(function(socket)
    socket:on("error", function() end)
    socket:finish(name)
    socket:resume()
  end)
  server:listen(where or { port = 0, host = "127.0.0.1" })
  wait(function() return server.listening end)
  return server
end

--- What whoever accepts says.
local function answer(where)
  local said = ""
  local client = net.connect(where)
  client:on("data", function(chunk) said = said .. chunk end)
  sockets.wait_for(client, "close")
  return said
end

--- What a callback or an event was called with, when it was.
local function noted()
  local args
  return function(...)
    assert.is_nil(args, "called twice")
    args = table.pack(...)
  end, function() return args end
end

--- Sends lines by hand, and collects what comes.
local function raw(path, text)
  local client = net.connect(path)
  local got = { "", over = false }
  client:on("data", function(chunk) got[1] = got[1] .. chunk end)
  client:on("error", function() end)
  client:on("close", function() got.over = true end)
  client:write(text or "")
  return client, got
end

--- The error with which taking over fails.
local function failed(path, options)
  local listener, err = noted()
  local server = net.takeOver(path, options):on("error", listener)
  server:on("listening", function() error("it listens") end)
  wait(err)
  assert.is_false(server.listening)
  return err()[1], server
end

describe("server:handOver", function()
  it("gives the socket to who takes over, and then stops", within(function(t)
    local path = t.tmpname(".sock")
    local old = named("old")
    local where = old:address()
    local callback, over = noted()
    assert.equal(old, old:handOver(path, callback))
    local new = net.takeOver(path, function(socket) socket:finish("new"):resume() end)
    assert.same({ false, nil }, { new.listening, new:address() })
    sockets.wait_for(new, "listening")
    assert.same(where, new:address())
    assert.same({ false, true }, { old.listening, old.draining })
    assert.is_nil(servers.mode(path))
    wait(over)
    assert.same({ n = 2, nil, 0 }, over())
    assert.equal("new", answer(where.port))
    new:close()
  end))

  it("goes on with its connections until they end, or the time is over", within(function(t)
    local path = t.tmpname(".sock")
    local peers = {}
    local old = net.createServer(function(socket) peers[#peers + 1] = socket:on("data", function() end) end)
    old:listen(0)
    local clients = { net.connect(old:address().port), net.connect(old:address().port) }
    wait(function() return #peers == 2 end)
    local busy = timers.setInterval(function() clients[1]:write("x") end, 1)
    clients[1]:on("error", function() end)
    clients[2]:resume()
    local callback, over = noted()
    old:handOver(path, { drain = 400 }, callback)
    local new = net.takeOver(path)
    sockets.wait_for(new, "listening")
    assert.is_nil(over())
    wait(over)
    timers.clearInterval(busy)
    assert.same({ n = 2, nil, 1 }, over())
    assert.is_true(clients[2].readableEnded, "the idle one is ended")
    new:close()
    clients[1]:destroy()
  end))

  it("says what the law says, and closes when it has stopped", within(function(t)
    local path = t.tmpname(".sock")
    local old = named("old")
    old:handOver(path)
    local client, got = raw(path, ASK)
    wait(function() return #got[1] > 0 end)
    assert.equal(GIVEN:format("null"), got[1])
    assert.is_true(old.listening)
    local stopped
    client:once("end", function() stopped = not old.listening and not servers.mode(path) end)
    client:write(ACK)
    wait(function() return got.over end)
    assert.is_true(stopped)
  end))

  it("names the path of a Unix server, whose file goes with it", within(function(t)
    local path, own = t.tmpname(".sock"), t.tmpname(".own")
    local old = named("old", { path = own })
    old:handOver(path)
    local new = net.takeOver(path, function(socket) socket:finish("new"):resume() end)
    sockets.wait_for(new, "listening")
    assert.equal(own, new:address())
    assert.equal("s", servers.mode(own):sub(1, 1))
    assert.equal("new", answer(own))
    new:close()
    assert.is_nil(servers.mode(own))
  end))

  it("hands over a server with an abstract name, and one with a name that is no text", within(function(t)
    for _, own in ipairs({ "\0net-spec-" .. process.pid, t.tmpname("\xff") }) do
      local path = t.tmpname(".sock")
      local old = named("old", { path = own })
      old:handOver(path)
      local new = net.takeOver(path, function(socket) socket:finish("new"):resume() end)
      sockets.wait_for(new, "listening")
      assert.equal(own:byte() == 0 and own or nil, new:address())
      assert.equal("new", answer(own))
      new:close()
    end
  end))

  it("is passed on by who has taken over", within(function(t)
    local server = named("0")
    local port = server:address().port
    for i = 1, 4 do
      local path = t.tmpname(".sock")
      server:handOver(path)
      server = net.takeOver(path, function(socket) socket:finish(tostring(i)):resume() end)
      sockets.wait_for(server, "listening")
      assert.equal(tostring(i), answer(port))
    end
    server:close()
  end))

  it("keeps the backlog, and what waits there", within(function(t)
    local path = t.tmpname(".sock")
    local old = named("old")
    local port = old:address().port
    old:handOver(path)
    local client, got = raw(path, ASK)
    wait(function() return #got[1] > 0 end)
    core.acceptor.hold(old, true) -- as a process does that is busy
    local waiting = {}
    for i = 1, 20 do
      waiting[i] = net.connect(port)
      waiting[i]:on("error", function(err) error(err) end)
    end
    wait(function() return not waiting[20].connecting end)
    client:destroy()
    wait(function() return got.over end)
    local new = net.takeOver(path, function(socket) socket:finish("new"):resume() end)
    local served = 0
    for i = 1, 20 do
      waiting[i]:on("data", function(chunk) served = served + (chunk == "new" and 1 or 0) end)
    end
    wait(function() return served == 20 end)
    new:close()
  end))

  it("makes a file that is its user's alone, at once, and holds no loop", within(function(t)
    local path = t.tmpname(".sock")
    local server = named("x"):unref()
    server:handOver(path)
    assert.matches("^srw%-%-%-%-%-%-%-", servers.mode(path))
    assert.is_false(net.run())
    server:close()
  end))

  it("is withdrawn by close(), which the callback is told", within(function(t)
    local path, other = t.tmpname(".sock"), t.tmpname(".sock")
    local server = named("x")
    local callback, over = noted()
    server:handOver(path, callback)
    server:handOver(other) -- nobody is told
    local _, got = raw(path, ASK)
    wait(function() return #got[1] > 0 end)
    server:close()
    assert.same({}, { servers.mode(path), servers.mode(other) })
    wait(function() return over() and got.over end)
    assert.equal("ERR_SERVER_NOT_RUNNING", over()[1].code)
  end))

  it("takes the place of a file that a crash has left", within(function(t)
    local path = t.tmpname(".sock")
    lua.run({ script = ([[
      local net = require("net")
      net.createServer():listen(%q)
      os.exit(0)
    ]]):format(path) })
    assert.equal("s", servers.mode(path):sub(1, 1))
    local server = named("x")
    server:handOver(path)
    wait(function() return servers.mode(path) == "srw-------" end)
    local new = net.takeOver(path)
    sockets.wait_for(new, "listening")
    new:close()
  end))

  it("tells the callback, or by 'error', that the path is another's", within(function(t)
    local path, file = t.tmpname(".sock"), servers.touch(t.tmpname(".txt"))
    local there, server = named("there", { path = path }), named("x")
    for _, taken in ipairs({ path, file }) do
      local callback, over = noted()
      server:handOver(taken, callback)
      wait(over)
      assert.same({ "EADDRINUSE", "bind", taken }, { over()[1].code, over()[1].syscall, over()[1].address })
    end
    local listener, err = noted()
    server:once("error", listener)
    server:handOver(path)
    wait(err)
    assert.equal("bind EADDRINUSE " .. path, err()[1].message)
    assert.equal("-", servers.mode(file):sub(1, 1))
    assert.equal("there", answer(path))
    there:close()
    server:close()
  end))

  it("tells that a path cannot be", within(function(t)
    local server = named("x")
    for code, path in pairs({ EACCES = t.tmpname("none") .. "/x.sock", EINVAL = "/tmp/" .. ("x"):rep(120) }) do
      local callback, over = noted()
      server:handOver(path, callback)
      wait(over)
      assert.equal(code, over()[1].code)
    end
    assert.is_true(server.listening)
    server:close()
  end))

  it("raises for what cannot be handed over, or not there", within(function(t)
    local path, server = t.tmpname(".sock"), named("x")
    local cases = {
      { "ERR_INVALID_ARG_TYPE" }, { "ERR_INVALID_ARG_TYPE", 7 }, { "ERR_INVALID_ARG_VALUE", "" },
      { "ERR_INVALID_ARG_VALUE", "\0abstract" }, { "ERR_INVALID_ARG_VALUE", "a\0b" },
      { "ERR_INVALID_ARG_TYPE", path, 7 }, { "ERR_INVALID_ARG_TYPE", path, { drain = "1" } },
      { "ERR_OUT_OF_RANGE", path, { drain = -1 } }, { "ERR_OUT_OF_RANGE", path, { drain = 0 / 0 } },
      { "ERR_INVALID_ARG_TYPE", path, {}, "callback" },
    }
    for _, case in ipairs(cases) do
      local err = sockets.raised(server.handOver, server, table.unpack(case, 2, 4))
      assert.equal(case[1], err.code)
    end
    assert.is_nil(servers.mode(path))
    server:close()
    assert.equal("ERR_SERVER_NOT_RUNNING", sockets.raised(server.handOver, server, path).code)
    assert.equal("ERR_SERVER_NOT_RUNNING", sockets.raised(server.handOver, net.createServer(), path).code)
    assert.equal("ERR_INVALID_THIS", sockets.raised(server.handOver, {}, path).code)
  end))

  describe("until it is acknowledged", function()
    local LINES = {
      ["no JSON"] = "nonsense\n", ["an empty line"] = "\n", ["a message"] = '"hello"\n',
      ["another request"] = '{"cmd":"NODE_LUANET","v":1,"act":"giveAll"}\n',
      ["no version"] = '{"cmd":"NODE_LUANET","act":"takeOver"}\n',
      ["version 0"] = '{"cmd":"NODE_LUANET","v":0,"act":"takeOver"}\n',
      ["an early ACK"] = ACK, ["a NACK"] = ASK .. '{"cmd":"NODE_HANDLE_NACK"}\n',
      ["a second request"] = ASK .. ASK, ["a line without end"] = ("x"):rep(100000),
    }
    for name, text in pairs(LINES) do
      it("ends who sends " .. name .. ", and serves on", within(function(t)
        local path, server = t.tmpname(".sock"), named("x")
        server:handOver(path)
        local _, got = raw(path, text)
        wait(function() return got.over end)
        assert.same({ true, "x" }, { server.listening, answer(server:address().port) })
        local new = net.takeOver(path)
        sockets.wait_for(new, "listening")
        new:close()
      end))
    end

    it("bears who leaves at any point, and lets the next one have it", within(function(t)
      local path, server = t.tmpname(".sock"), named("x")
      server:handOver(path)
      for _, text in ipairs({ "", ASK:sub(1, 20), ASK }) do
        local client, got = raw(path, text)
        wait(function() return not client.connecting and (text ~= ASK or #got[1] > 0) end)
        client:destroy()
        wait(function() return got.over end)
      end
      local new = net.takeOver(path)
      sockets.wait_for(new, "listening")
      new:close()
    end))

    it("serves one at a time, and closes the others", within(function(t)
      local path, server = t.tmpname(".sock"), named("x")
      server:handOver(path)
      local first, got = raw(path, ASK)
      wait(function() return #got[1] > 0 end)
      local _, other = raw(path, ASK)
      wait(function() return other.over end)
      assert.equal("", other[1])
      assert.equal("ERR_IPC_CHANNEL_CLOSED", failed(path).code)
      first:write(ACK)
      wait(function() return not server.listening and got.over end)
    end))

    it("closes the copy of its socket that waits behind what the kernel has not taken",
      within(function()
        local mine, theirs = core.descriptor.pair()
        local copy, other = core.descriptor.pair()
        local one = talk.open(mine, { told = error, over = error })
        one:send(("x"):rep(1 << 20))
        one:send("server", copy)
        assert.is_number(copy:number())
        one:close()
        assert.is_nil(copy:number())
        other:close()
        theirs:close()
      end))

    it("waits ten seconds for the next line #slow", within(function(t)
      local path, server = t.tmpname(".sock"), named("x")
      server:handOver(path)
      local before = core.now()
      local _, got = raw(path, ASK)
      wait(function() return got.over end)
      assert.is_true(core.now() - before >= 9990)
      assert.is_true(server.listening)
      server:close()
    end))

    it("ends when the server closes", within(function(t)
      local path, server = t.tmpname(".sock"), named("x")
      server:handOver(path)
      local client, got = raw(path, ASK)
      wait(function() return #got[1] > 0 end)
      server:close()
      client:write(ACK)
      wait(function() return got.over end)
    end))
  end)
end)

describe("net.takeOver", function()
  --- One who offers, by hand: `told(talk, message)` is called for each line.
  local function offers(path, told, over)
    local acceptor
    acceptor = core.acceptor.new(function(descriptor)
      local t
      t = talk.open(descriptor, {
        told = function(message) told(t, message) end,
        over = over or function() end,
      })
      core.server.close(acceptor)
    end)
    core.server.listen_bound(acceptor, net.BoundSocket({ path = path }), 1)
  end

  local function given(path)
    return (GIVEN:format(path or "null"):gsub("\n", ""))
  end

  it("makes a server with the options, which tells its connections to the listener", within(function(t)
    local path, old = t.tmpname(".sock"), named("old")
    old:handOver(path)
    local new = net.takeOver(path, { pauseOnConnect = true, timeout = 5000 }, function(socket)
      assert.is_true(socket:isPaused())
      socket:destroy()
    end)
    assert.is_true(net.isServer(new) and new.pauseOnConnect)
    sockets.wait_for(new, "listening")
    assert.equal("", answer(new:address().port))
    new:close()
  end))

  it("asks, acknowledges, and waits for the other side to close", within(function(t)
    local path, lines, other = t.tmpname(".sock"), {}, named("old")
    offers(path, function(o, message)
      lines[#lines + 1] = message
      if #lines == 1 then
        o:send(given(), core.handles.dup_server(other))
      else
        timers.setImmediate(function()
          other:close()
          o:close()
        end)
      end
    end)
    local new = net.takeOver(path)
    local listening
    new:on("listening", function() listening = not other.listening end)
    wait(function() return listening end)
    assert.same({ { cmd = "NODE_LUANET", v = 1, act = "takeOver" }, { cmd = "NODE_HANDLE_ACK" } }, lines)
    new:close()
  end))

  it("does not wait for ever for one who has given it away", within(function(t)
    local path, other, theirs = t.tmpname(".sock"), named("old"), nil
    offers(path, function(o)
      theirs = o
      o:send(given(), core.handles.dup_server(other))
    end)
    local new = net.takeOver(path, { timeout = 30 })
    sockets.wait_for(new, "listening")
    new:close()
    other:close()
    theirs:close()
  end))

  it("tells that nobody offers anything there", within(function(t)
    local path = t.tmpname(".sock")
    assert.equal("connect ENOENT " .. path, failed(path).message)
    local bound = net.BoundSocket({ path = path })
    assert.equal("ECONNREFUSED", failed(path).code)
    bound:close()
    assert.equal("EINVAL", failed("/tmp/" .. ("x"):rep(120)).code)
  end))

  it("may listen, or try again, after an 'error'", within(function(t)
    local path, old = t.tmpname(".sock"), named("old")
    local _, server = failed(path)
    server:listen(0)
    wait(function() return server.listening end)
    server:close()
    old:handOver(path)
    local new = net.takeOver(path)
    sockets.wait_for(new, "listening")
    new:close()
  end))

  it("tells that the other side has closed, or says something else", within(function(t)
    for line, code in pairs({
      ["-"] = "ERR_IPC_CHANNEL_CLOSED", ['"hello"'] = "ERR_IPC_CHANNEL_CLOSED",
      ['{"cmd":"NODE_HANDLE_ACK"}'] = "ERR_IPC_CHANNEL_CLOSED", nonsense = "SyntaxError",
      ['{"cmd":"NODE_HANDLE","type":"net.Socket","msg":{"cmd":"NODE_LUANET","act":"server"}}'] =
        "ERR_IPC_CHANNEL_CLOSED",
      ['{"cmd":"NODE_HANDLE","type":"net.Server","msg":"server"}'] = "ERR_IPC_CHANNEL_CLOSED",
      [given()] = "ERR_IPC_CHANNEL_CLOSED", -- without a descriptor
      [("x"):rep(70000)] = "ERR_IPC_MESSAGE_TOO_LONG",
    }) do
      local path = t.tmpname(".sock")
      local theirs
      offers(path, function(o)
        theirs = o
        if line == "-" then o:close() else o:send(line) end
      end)
      local err = failed(path)
      assert.equal(code, err.code or err.name, line)
      theirs:close()
    end
  end))

  it("does not listen where the other side has gone before it could hear of it", within(function(t)
    local path, other = t.tmpname(".sock"), named("old")
    offers(path, function(o)
      o:send(given(), core.handles.dup_server(other))
      o:close()
    end)
    assert.equal("ERR_IPC_CHANNEL_CLOSED", failed(path).code)
    assert.equal("old", answer(other:address().port))
    other:close()
  end))

  it("takes nothing but a socket that listens", within(function(t)
    local client, peer = sockets.pair()
    local file = io.open("LICENSE")
    for _, make in ipairs({
      function() return core.descriptor.dup(client:fd()) end,
      function() return (core.handles.dup_file(file)) end,
      function() return (core.descriptor.pair()) end,
    }) do
      local path = t.tmpname(".sock")
      offers(path, function(o) o:send(given(), make()) end)
      assert.equal("takeOver EINVAL " .. path, failed(path).message)
    end
    file:close()
    client:destroy()
    peer:destroy()
  end))

  it("tells that the time is over before anything has come", within(function(t)
    local path = t.tmpname(".sock")
    local theirs
    offers(path, function(o) theirs = o end)
    assert.equal("takeOver ETIMEDOUT", failed(path, { timeout = 20 }).message)
    wait(function() return theirs end)
    theirs:close()
  end))

  it("is cancelled by close() at any point, and the other side serves on", within(function(t)
    for point = 1, 3 do
      local path, old = t.tmpname(".sock"), named("old")
      old:handOver(path)
      local callback, closed = noted()
      local new = net.takeOver(path):on("listening", t.never())
      if point == 2 then
        sockets.settle = sockets.settle -- it may have gone on meanwhile
        net.run("nowait")
      end
      if point < 3 then
        new:close(callback)
        wait(closed)
        assert.equal("ERR_SERVER_NOT_RUNNING", closed()[1].code)
      else
        new:listen(0) -- ends it too
        assert.is_true(new.listening)
        new:removeAllListeners("listening")
        new:close()
      end
      sockets.settle()
      assert.equal("old", answer(old:address().port))
      old:close()
    end
  end))

  it("raises for what is no path, no options and no time", within(function(t)
    local path = t.tmpname(".sock")
    for _, case in ipairs({
      { "ERR_INVALID_ARG_TYPE" }, { "ERR_INVALID_ARG_TYPE", 7 }, { "ERR_INVALID_ARG_VALUE", "" },
      { "ERR_INVALID_ARG_VALUE", "\0abstract" }, { "ERR_INVALID_ARG_TYPE", path, "options" },
      { "ERR_INVALID_ARG_TYPE", path, { timeout = "1" } }, { "ERR_OUT_OF_RANGE", path, { timeout = -1 } },
      { "ERR_INVALID_ARG_TYPE", path, { highWaterMark = "x" } },
    }) do
      assert.equal(case[1], sockets.raised(net.takeOver, table.unpack(case, 2)).code)
    end
  end))
end)

describe("a hand-over between users", function()
  --- Lua as another user, which only root may start.
  local function as_other(script)
    return lua.run({ program = "setpriv", args = { "--reuid", "12345", "--clear-groups", lua.command, "-e", script } })
  end

  local may = os.execute("test $(id -u) = 0 && setpriv --reuid 12345 --clear-groups true 2>/dev/null")

  it("is refused to another user, with one warning", function()
    if not may then
      return pending("only root may be two users")
    end
    local path = os.tmpname()
    os.remove(path)
    local result = lua.start({ script = ([[
      local net = require("net")
      local path = %q
      local server = net.createServer():listen(0)
      server:handOver(path)
      os.execute("chmod 666 " .. path)
      print("ready")
      io.stdout:flush()
      net.run()
    ]]):format(path) })
    assert.equal("ready", result:read())
    for _ = 1, 2 do
      local other = as_other(([[
        local net = require("net")
        net.takeOver(%q):on("error", function(err) print(err.code) end)
        net.run()
      ]]):format(path))
      assert.same({ "ERR_IPC_CHANNEL_CLOSED\n", "" }, { other.stdout, other.stderr })
    end
    result:kill("SIGTERM")
    local err = result:wait().stderr
    assert.equal(1, select(2, err:gsub("another user", "")))
    assert.matches("connected to " .. path, err, 1, true)
    os.remove(path)
  end)

  it("is refused by root, where another user offers", function()
    if not may then
      return pending("only root may be two users")
    end
    local path = os.tmpname()
    os.remove(path)
    local offer = lua.start({ program = "setpriv", args = { "--reuid", "12345", "--clear-groups",
      lua.command, "-e", ([[
      local net = require("net")
      local server = net.createServer():listen(0)
      server:handOver(%q)
      print("ready")
      io.stdout:flush()
      net.run()
    ]]):format(path) } })
    assert.equal("ready", offer:read())
    local listener, err = noted()
    net.takeOver(path):on("error", listener)
    wait(err)
    assert.equal("takeOver EACCES " .. path, err()[1].message)
    offer:kill("SIGTERM")
    offer:wait()
    os.remove(path)
  end)
end)

describe("ten hand-overs under load", function()
  -- One generation: takes over from the one before it, or listens, and offers itself.
  local GENERATION = [[
    local net = require("net")
    local path, port = ...
    local server
    local function serve(socket)
      socket:on("error", function() end)
      socket:once("data", function(request) socket:finish(request) end)
      socket:on("end", function() end)
    end
    local function listening()
      print(server:address().port)
      io.stdout:flush()
      server:handOver(path, { drain = 20000 }, function(err, cut)
        print("over", err, cut)
      end)
    end
    server = net.takeOver(path, serve)
    server:once("error", function(err)
      assert(err.code == "ENOENT", tostring(err))
      server:listen({ port = 0, host = "127.0.0.1" })
    end)
    server:once("listening", listening)
    net.run()
  ]]

  it("refuse, reset and fail nobody #slow", within(function(t)
    local path, script = t.tmpname(".sock"), t.tmpname(".lua")
    local file = assert(io.open(script, "w"))
    file:write(GENERATION)
    file:close()

    local ended = {}
    local function start()
      local kid = child.spawn(lua.command, { script, path }, { env = {
        LUA_PATH = package.path, LUA_CPATH = package.cpath, PATH = os.getenv("PATH"),
      } })
      local state = { out = "" }
      t.finally(function()
        if not kid.exitCode and not kid.signalCode then
          kid:kill("SIGKILL") -- a failed spec has left it
        end
      end)
      kid.stdout:on("data", function(chunk) state.out = state.out .. chunk end)
      kid.stderr:on("data", function(chunk) io.stderr:write(chunk) end)
      kid:on("close", function(code) ended[#ended + 1] = { code, state.out:match("over.*") } end)
      state.kid = kid
      wait(function() return state.out:find("^%d+\n") or kid.exitCode end)
      state.port = tonumber(state.out:match("^%d+"))
      return state
    end

    local first = start()
    local counts = { sent = 0, served = 0, failed = {} }
    local going = true
    local function one()
      if not going then
        return
      end
      counts.sent = counts.sent + 1
      local said, text = "", "request " .. counts.sent
      local client = net.connect(first.port, "127.0.0.1")
      client:on("data", function(chunk) said = said .. chunk end)
      client:on("error", function(err) counts.failed[#counts.failed + 1] = tostring(err) end)
      client:on("close", function()
        if said == text then
          counts.served = counts.served + 1
        else
          counts.failed[#counts.failed + 1] = "answered " .. said
        end
        one()
      end)
      client:write(text)
    end
    for _ = 1, 16 do one() end

    local last = first
    for i = 1, 10 do
      local enough = counts.served + 200
      wait(function() return counts.served >= enough end)
      last = start()
      assert.equal(first.port, last.port)
      wait(function() return #ended >= i end)
    end
    going = false
    wait(function() return counts.served + #counts.failed == counts.sent end)
    assert.same({}, counts.failed)
    assert.is_true(counts.served > 2000)
    last.kid:kill("SIGTERM")
    wait(function() return #ended == 11 end)
    for i = 1, 10 do
      assert.same({ 0, "over\tnil\t0\n" }, ended[i])
    end
    if os.getenv("SHOW") then
      print(("%d requests, %d served, %d failed"):format(counts.sent, counts.served, #counts.failed))
    end
  end))
end)
