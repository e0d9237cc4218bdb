-- SPDX-License-Identifier: MIT

--- One attempt to connect: what it answers at once, what from the loop, and that
--- nothing of it is left (src/connect/dial.c).

local core = require("net.core")
local net = require("net")
local timers = require("net.timers")
local hole = require("spec.support.hole")
local process = require("spec.support.process")
local sockets = require("spec.support.sockets")
local support = require("spec.support")
local within = support.within

local LOCAL = "127.0.0.1"
local EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, EINVAL, ENOENT, EAGAIN =
  core.errnum("EADDRINUSE"), core.errnum("EADDRNOTAVAIL"), core.errnum("ECONNREFUSED"),
  core.errnum("EINVAL"), core.errnum("ENOENT"), core.errnum("EAGAIN")

--- An open dial.
local function opened(family)
  local dial = core.dial.new()
  assert(dial:open(family))
  return dial
end

local function noop() end

--- Runs the loop until `holds()` does; a dial would not keep it running.
local function wait(holds)
  local holder = timers.setTimeout(noop, 60000)
  repeat
    net.run("nowait")
  until holds() or not net.run("once")
  holder:close()
end

--- A server that drops connections, and holds nothing.
local function listen(t, where)
  local server = net.createServer(function(peer) peer:destroy() end)
  server:listen(where)
  wait(function() return server.listening end)
  server:unref()
  t.finally(function() server:close() net.run() end)
  return server
end

local function listen_tcp(t)
  return listen(t, { port = 0, host = LOCAL }):address().port
end

local function listen_unix(t)
  local path = t.tmpname()
  listen(t, { path = path })
  return path
end

--- Runs the loop until a dial has answered.
local function answered(...)
  local got
  local dial, host, port = ...
  local ok, errno = dial:connect(host, port, function(...) got = table.pack(...) end)
  if not ok then
    return "at once", errno
  end
  assert.is_nil(got)
  wait(function() return got end)
  assert.equal(1, got.n)
  return "later", got[1]
end

describe("dial:connect", function()
  it("connects over TCP, and tells from the loop", within(function(t)
    local dial = opened(4)
    assert.same({ "later" }, { answered(dial, LOCAL, listen_tcp(t)) })
    local name = dial:sockname()
    assert.same({ LOCAL, "IPv4" }, { name.address, name.family })
    assert.is_true(name.port > 0)
    dial:close()
  end))

  it("connects to a Unix socket, and tells from the loop", within(function(t)
    local dial = opened("unix")
    assert.same({ "later" }, { answered(dial, listen_unix(t)) })
    assert.is_nil(dial:sockname())
    dial:close()
  end))

  it("comes behind the server's 'connection'", within(function(t)
    local seen = {}
    local server = net.createServer(function(peer)
      seen[#seen + 1] = "connection"
      peer:destroy()
    end)
    server:listen(0, LOCAL)
    wait(function() return server.listening end)
    timers.setTimeout(function()
      local dial = opened(4)
      dial:connect(LOCAL, server:address().port, function()
        seen[#seen + 1] = "connect"
        dial:close()
        server:close()
      end)
    end, 1)
    t.run()
    assert.same({ "connection", "connect" }, seen)
  end))

  it("tells a refusal from the loop", within(function()
    local dial = opened(4)
    assert.same({ "later", ECONNREFUSED }, { answered(dial, LOCAL, 1) })
    dial:close()
  end))

  it("tells every failure of a Unix socket from the loop", within(function(t)
    local _, full = hole.open(t)
    local plain = t.tmpname()
    assert(io.open(plain, "w")):close()
    for path, errno in pairs({
      [t.tmpname()] = ENOENT, [plain] = ECONNREFUSED, [full] = EAGAIN,
      [t.tmpdir() .. "/" .. ("x"):rep(107 - #t.tmpdir())] = ENOENT,
    }) do
      local dial = opened("unix")
      assert.same({ "later", errno }, { answered(dial, path) })
      dial:close()
    end
  end))

  it("says at once what can never be", within(function()
    local four, six, unix = opened(4), core.dial.new(), opened("unix")
    assert.same({ "at once", EINVAL }, { answered(four, "::1", 1) })
    assert.same({ "at once", EINVAL }, { answered(four, "localhost", 1) })
    assert.same({ "at once", EINVAL }, { answered(four, LOCAL, 65536) })
    assert.same({ "at once", EINVAL }, { answered(unix, ("x"):rep(109)) })
    assert.same({ "at once", EINVAL }, { answered(unix, "a\0b") })
    if six:open(6) then
      assert.same({ "at once", EINVAL }, { answered(six, LOCAL, 1) })
    end
    for _, dial in ipairs({ four, six, unix }) do
      dial:close()
    end
  end))

  it("may be tried again after a refusal at once", within(function(t)
    local dial = opened(4)
    assert.same({ "at once", EINVAL }, { answered(dial, "nonsense", 1) })
    assert.same({ "later" }, { answered(dial, LOCAL, listen_tcp(t)) })
    dial:close()
  end))

  it("does not hold the loop", within(function(t)
    local port = hole.open(t)
    local dial = opened(4)
    assert.is_true(dial:connect(LOCAL, port, t.never()))
    assert.is_false(t.run())
    dial:close()
  end))

  it("keeps the dial while it waits, and lets go afterwards", within(function()
    local weak = setmetatable({}, { __mode = "v" })
    local done
    weak.dial = opened(4)
    weak.dial:connect(LOCAL, 1, function() done = true end)
    collectgarbage()
    collectgarbage()
    assert.is_userdata(weak.dial)
    wait(function() return done end)
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak.dial)
  end))

  it("lets an error of the callback out of the loop", within(function(t)
    local dial = opened(4)
    dial:connect(LOCAL, 1, function() error("boom", 0) end)
    local timer = timers.setTimeout(noop, 60000)
    assert.equal("boom", sockets.raised(net.run))
    timer:close()
    dial:close()
    assert.is_false(t.run())
  end))
end)

describe("dial:close", function()
  it("is silent, in every state, any number of times", within(function(t)
    local port = hole.open(t)
    local new, open, waiting, failing = core.dial.new(), opened(4), opened(4), opened("unix")
    assert(waiting:connect(LOCAL, port, t.never()))
    assert(failing:connect(t.tmpname(), nil, t.never()))
    for _ = 1, 2 do
      for _, dial in ipairs({ new, open, waiting, failing }) do
        dial:close()
        assert.is_nil(dial:fd())
        assert.is_nil(dial:sockname())
      end
    end
    t.run()
  end))

  it("may come inside the callback", within(function(t)
    local dial = opened(4)
    local done
    dial:connect(LOCAL, 1, t.calls(1, function()
      dial:close()
      done = true
    end))
    wait(function() return done end)
  end))

  it("may come from the callback of another that is ready too", within(function(t)
    local dials, calls = {}, 0
    for i = 1, 2 do
      dials[i] = opened("unix")
      dials[i]:connect(t.tmpname(), nil, function()
        calls = calls + 1
        dials[3 - i]:close()
      end)
    end
    wait(function() return calls > 0 end)
    net.run("nowait")
    assert.equal(1, calls)
    dials[1]:close()
    dials[2]:close()
  end))

  it("comes by itself with the collector", within(function()
    local before = support.descriptors()
    opened(4)
    opened("unix")
    collectgarbage()
    collectgarbage()
    assert.same(before, support.descriptors())
  end))

  it("comes by itself with a to-be-closed variable", within(function()
    local fd
    do
      local dial <close> = opened(4)
      fd = dial:fd()
      assert.is_truthy(support.descriptors()[fd])
    end
    assert.is_nil(support.descriptors()[fd])
  end))
end)

describe("dial:bind", function()
  it("binds to an address, a port, or both", within(function(t)
    local port = listen_tcp(t)
    local dial = opened(4)
    assert.is_true(dial:bind("127.0.0.9", 0))
    assert.equal("127.0.0.9", dial:sockname().address)
    local chosen = dial:sockname().port
    dial:close()

    dial = opened(4)
    assert.is_true(dial:bind(nil, chosen))
    assert.same({ address = "0.0.0.0", family = "IPv4", port = chosen }, dial:sockname())
    assert.same({ "later" }, { answered(dial, LOCAL, port) })
    dial:close()
  end))

  it("says what went wrong", within(function(t)
    local port = listen_tcp(t)
    for _, case in ipairs({
      { LOCAL, port, EADDRINUSE }, { "192.0.2.77", 0, EADDRNOTAVAIL }, { "::1", 0, EINVAL },
      { "nonsense", 0, EINVAL },
    }) do
      local dial = opened(4)
      assert.same({ nil, case[3] }, { dial:bind(case[1], case[2]) })
      dial:close()
    end
  end))
end)

describe("a dial", function()
  it("raises what is called out of order", within(function(t)
    local dial = core.dial.new()
    local function raises(text, method, ...)
      local err = sockets.raised(dial[method], dial, ...)
      assert.truthy(tostring(err):find(text, 1, true), err)
    end
    raises("the dial is new", "bind", nil, 0)
    raises("the dial is new", "connect", LOCAL, 1, function() end)
    raises("must be 4, 6", "open", 5)
    raises("invalid option", "open", "tcp")
    dial:open(4)
    raises("the dial is open", "open", 4)
    raises("function expected", "connect", LOCAL, 1)
    dial:connect(LOCAL, 1, t.never())
    raises("the dial is connecting", "connect", LOCAL, 1, function() end)
    raises("the dial is connecting", "bind", nil, 0)
    dial:close()
    raises("the dial is closed", "open", 4)
    assert.has_error(function() dial.close(io.stdout) end)
  end))

  it("says so when there is no descriptor left", within(function(t)
    local script = t.tmpname(".lua")
    local f = assert(io.open(script, "w"))
    f:write([[
      local core = require("net.core")
      local dials, ok, errno = {}
      repeat
        local dial = core.dial.new()
        dials[#dials + 1] = dial
        ok, errno = dial:open(4)
      until not ok
      print(core.errname(errno), #dials > 10, dials[#dials]:fd())
    ]])
    f:close()
    local output = process.run("ulimit -n 40; " .. process.lua(script))
    assert.equal("EMFILE\ttrue\tnil\n", output)
  end))

  it("may be connecting when the state is closed", within(function(t)
    local port = hole.open(t)
    local script = t.tmpname(".lua")
    local f = assert(io.open(script, "w"))
    f:write(([[
      local core = require("net.core")
      local tcp, unix = core.dial.new(), core.dial.new()
      tcp:open(4)
      tcp:connect("127.0.0.1", %d, print)
      unix:open("unix")
      unix:connect("/no/such/socket", nil, print)
      core.run("nowait")
      unix = core.dial.new()
      unix:open("unix")
      unix:connect("/no/such/socket", nil, print)
      os.exit(true, true)
    ]]):format(port))
    f:close()
    local output, code = process.run(process.lua(script))
    assert.same({ ENOENT .. "\n", 0 }, { output, code })
  end))
end)
