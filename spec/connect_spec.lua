-- SPDX-License-Identifier: MIT

--- net.connect and socket:connect: forms, checks, one address, several, and what
--- happens when somebody gets in the way.

local core = require("net.core")
local dns = require("net.dns")
local errors = require("net.internal.errors")
local net = require("net")
local timers = require("net.timers")
local hole = require("spec.support.hole")
local process = require("spec.support.process")
local sockets = require("spec.support.sockets")
local support = require("spec.support")
local within = support.within

local LOCAL = "127.0.0.1"
local ATTEMPT_EVENTS = {
  "lookup", "connectionAttempt", "connectionAttemptFailed", "connectionAttemptTimeout",
}

local function noop() end

--- A server that ends each connection, and its port.
local function listen(options)
  local server, where = sockets.listen(options)
  server:on("connection", function(peer)
    peer:on("error", noop)
    peer:resume()
    peer:finish()
  end)
  return server, where
end

--- A lookup that answers with these addresses.
local function addresses(...)
  local list = {}
  for i, ip in ipairs({ ... }) do
    list[i] = { address = ip, family = net.isIP(ip) }
  end
  return function(_, _, callback)
    callback(nil, list)
  end
end

--- Options that lead to several addresses on one port.
local function several(port, ...)
  return { port = port, host = "name.test", lookup = addresses(...), autoSelectFamilyAttemptTimeout = 20 }
end

--- A socket, and the list of what it says.
local function traced(options)
  local socket = net.Socket(options)
  return socket, sockets.trace(socket, ATTEMPT_EVENTS)
end

--- What a socket says that is told to connect like this.
local function story(t, ...)
  local socket, seen = traced()
  socket:connect(...)
  t.run()
  return seen, socket
end

--- A port of ours on which nobody listens.
local function free_port()
  local server, where = sockets.listen()
  server:close()
  net.run()
  return where.port
end

describe("net.connect: forms", function()
  it("connect(port, host, callback)", within(function(t)
    local server, where = listen()
    net.connect(where.port, LOCAL, t.calls(1, function() server:close() end))
    t.run()
  end))

  it("connect(port, nil, callback) goes to localhost", within(function(t)
    local server, where = listen()
    local socket = net.createConnection(where.port, nil, t.calls(1, function() server:close() end))
    socket:on("lookup", t.calls(1, function(_, ip, family, host)
      assert.same({ LOCAL, 4, "localhost" }, { ip, family, host })
    end))
    t.run()
  end))

  it("connect(options, callback), with the port as a string", within(function(t)
    local server, where = listen()
    where.port = (" %d "):format(where.port)
    net.connect(where, t.calls(1, function() server:close() end))
    t.run()
  end))

  it("connect(path, callback)", within(function(t)
    local server, where = listen({ unix = true })
    net.connect(where.path, t.calls(1, function() server:close() end))
    t.run()
  end))

  it("options.path wins over the port, unless it is empty", within(function(t)
    local server, where = listen({ unix = true })
    net.connect({ path = where.path, port = "nonsense" }, t.calls(1, function() server:close() end))
    t.run()
    assert.same({
      "lookup nil 127.0.0.1 4 localhost", "connectionAttempt 127.0.0.1 0 4",
      "connectionAttemptFailed 127.0.0.1 0 4 ECONNREFUSED", "error ECONNREFUSED", "close true",
    }, (story(t, { path = "", family = 4 })))
  end))

  it("socket:connect returns the socket", within(function(t)
    local socket = net.Socket()
    assert.equal(socket, socket:connect({ port = 1, host = LOCAL }))
    socket:destroy()
    t.run()
  end))

  it("the caller's table is left alone", within(function(t)
    local options = { port = 1, host = "x.test", lookup = addresses(LOCAL) }
    local copy = {}
    for key, value in pairs(options) do copy[key] = value end
    net.connect(options):on("error", noop)
    t.run()
    assert.same(copy, options)
  end))

  it("options.timeout is the idle timeout", within(function(t)
    local port = hole.open(t)
    local socket = net.connect({ port = port, host = LOCAL, timeout = 20 })
    assert.equal(20, socket.timeout)
    socket:on("timeout", t.calls(1, function() socket:destroy() end))
    t.run()
    assert.is_nil(net.connect({ port = port, host = LOCAL, timeout = 0 }):destroy().timeout)
  end))
end)

describe("net.connect: checks", function()
  local function refuses(text, ...)
    local err = sockets.raised(net.connect, ...)
    assert.is_true(errors.is_error(err), err)
    assert.equal(text, tostring(err))
  end

  local MISSING = 'TypeError [ERR_MISSING_ARGS]: The "options" or "port" or "path" argument must be specified'
  local PORT_TYPE = 'TypeError [ERR_INVALID_ARG_TYPE]: The "options.port" property must be one of type '
    .. "number or string. Received "
  local PORT = "RangeError [ERR_SOCKET_BAD_PORT]: Port should be >= 0 and < 65536. Received type "
  local TYPE = 'TypeError [ERR_INVALID_ARG_TYPE]: The "options.%s" property must be of type %s. Received %s'
  local ATTEMPT = 'RangeError [ERR_OUT_OF_RANGE]: The value of "options.autoSelectFamilyAttemptTimeout" is out '
    .. "of range. It must be "

  --- What is refused, and how: from Node 26.
  local cases = {
    { MISSING }, { MISSING, nil }, { MISSING, {} }, { MISSING, nil, noop }, { MISSING, nil, LOCAL },
    { PORT_TYPE .. "type boolean (true)", true },
    { PORT_TYPE .. "an instance of Object", { port = {} } },
    { PORT .. "number (-1).", -1 }, { PORT .. "number (65536).", 65536 }, { PORT .. "number (1.5).", 1.5 },
    { PORT .. "string ('').", "" }, { PORT .. "string ('65536').", "65536" },
    { PORT .. "string ('x').", { port = "x" } },
    { TYPE:format("path", "string", "type number (5)"), { path = 5 } },
    { TYPE:format("path", "string", "type boolean (true)"), { path = true, port = 1 } },
    { TYPE:format("host", "string", "type number (5)"), { port = "x", host = 5 } },
    { "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.host' must be a string without null bytes. "
      .. "Received 'a\\x00b'", { port = 1, host = "a\0b" } },
    { "TypeError [ERR_INVALID_IP_ADDRESS]: Invalid IP address: x", { port = 1, localAddress = "x", localPort = "5" } },
    { "TypeError [ERR_INVALID_IP_ADDRESS]: Invalid IP address: 5", { port = 1, localAddress = 5 } },
    { TYPE:format("localPort", "number", "type string ('5')"), { port = "x", localPort = "5" } },
    { TYPE:format("autoSelectFamily", "boolean", "type number (1)"),
      { port = 1, autoSelectFamily = 1, autoSelectFamilyAttemptTimeout = 0 } },
    { ATTEMPT .. ">= 1 && <= 2147483647. Received 0", { port = 1, autoSelectFamilyAttemptTimeout = 0 } },
    { ATTEMPT .. "an integer. Received 1.5", { port = 1, autoSelectFamilyAttemptTimeout = 1.5 } },
    { TYPE:format("autoSelectFamilyAttemptTimeout", "number", "type string ('1')"),
      { port = 1, autoSelectFamilyAttemptTimeout = "1" } },
    { TYPE:format("lookup", "function", "type number (5)"), { port = 1, lookup = 5, family = 5 } },
    { "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.family' must be one of: 0, 4, 6. Received 5",
      { port = 1, family = 5 } },
    { "TypeError [ERR_INVALID_ARG_VALUE]: The argument 'hints' is invalid. Received 1", { port = 1, hints = 1 } },
    { 'TypeError [ERR_INVALID_ARG_TYPE]: The "msecs" argument must be of type number. Received type string (\'x\')',
      { port = "x", timeout = "x" } },
    { "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.path' must not be a Windows named pipe on this "
      .. "system. Received '\\\\\\\\.\\\\pipe\\\\x'", "\\\\.\\pipe\\x" },
  }

  for _, case in ipairs(cases) do
    it("raises " .. case[1]:sub(1, 100), within(function(t)
      refuses(case[1], table.unpack(case, 2, #case + 2))
      t.run()
    end))
  end

  it("lookup, family and hints do not matter for an address", within(function(t)
    local socket = net.connect({ port = 1, host = LOCAL, lookup = 5, family = 5, hints = 1 })
    socket:on("error", t.calls(1))
    t.run()
  end))

  it("leave the socket as it was, but for the listener", within(function(t)
    local socket = net.Socket()
    local callback = t.calls(1)
    assert.has_error(function() socket:connect({ port = 1, family = 5 }, callback) end)
    assert.has_error(function() socket:connect({ port = "x" }) end)
    assert.same({ false, true, false }, { socket.connecting, socket.pending, socket.destroyed })
    local server, where = listen()
    socket:connect(where, function() server:close() end)
    t.run()
  end))

  it("are made of the receiver too", function()
    assert.equal('Value of "this" must be of type Socket',
      sockets.raised(net.Socket().connect, io.stdout, 1).message)
  end)
end)

describe("connecting to an address", function()
  it("begins on the tick, without a lookup", within(function(t)
    local server, where = listen()
    local socket, seen = traced()
    socket:connect(where)
    assert.same({ {}, true, true, "opening" },
      { seen, socket.connecting, socket.pending, socket.readyState })
    core.tick(function() assert.equal(("connectionAttempt 127.0.0.1 %d 4"):format(where.port), seen[1]) end)
    socket:on("connect", function()
      assert.same({ false, "open" }, { socket.connecting, socket.readyState })
      server:close()
    end)
    t.run()
    assert.same({ "connect", "ready", "end", "prefinish", "finish", "close false" }, { table.unpack(seen, 2) })
  end))

  it("fails with all that Node's error says", within(function(t)
    local port = free_port()
    local socket = net.connect(port, LOCAL)
    local failed
    socket:on("connectionAttemptFailed", t.calls(1, function(ip, p, family, err)
      assert.same({ LOCAL, port, 4 }, { ip, p, family })
      failed = err
    end))
    socket:on("error", t.calls(1, function(err)
      assert.equal(failed, err)
      assert.equal(("Error: connect ECONNREFUSED 127.0.0.1:%d"):format(port), tostring(err))
      assert.same({ "ECONNREFUSED", -111, "connect", LOCAL, port },
        { err.code, err.errno, err.syscall, err.address, err.port })
      assert.is_nil(err.localAddress)
    end))
    socket:on("close", t.calls(1, function(had_error) assert.is_true(had_error) end))
    t.run()
  end))

  it("binds to localAddress and localPort first", within(function(t)
    local server, where = listen()
    where.localAddress = "127.0.0.9"
    local socket = net.connect(where, t.calls(1, function() server:close() end))
    socket:on("ready", t.calls(1, function() assert.equal("127.0.0.9", socket.localAddress) end))
    t.run()
  end))

  it("tells the local end when both were asked for", within(function(t)
    local port = free_port()
    net.connect({ port = 1, host = LOCAL, localPort = port }):on("error", t.calls(1, function(err)
      assert.equal(("connect ECONNREFUSED 127.0.0.1:1 - Local (0.0.0.0:%d)"):format(port), err.message)
      assert.same({ "0.0.0.0", port }, { err.localAddress, err.localPort })
    end))
    net.connect({ port = 1, host = LOCAL, localAddress = LOCAL }):on("error", t.calls(1, function(err)
      assert.equal("connect ECONNREFUSED 127.0.0.1:1", err.message)
    end))
    t.run()
  end))

  for name, case in pairs({
    ["an address that is not ours"] = { { localAddress = "192.0.2.77" }, "bind EADDRNOTAVAIL 192.0.2.77" },
    ["an address of the wrong family"] = { { localAddress = "::1" }, "bind EINVAL ::1" },
    ["a port past 65535"] = { { localPort = 70000 }, "bind EADDRINUSE 0.0.0.0:70000" },
    ["a port past 2^31"] = { { localPort = 2147483648 },
      "bind EADDRINUSE 0.0.0.0:2147483648" },
    ["a port with a fraction past 2^32"] = { { localPort = 4294967376.5 },
      "bind EADDRINUSE 0.0.0.0:4294967376.5" },
  }) do
    it("fails at " .. name .. " without an attempt", within(function(t)
      local options = { port = 1, host = LOCAL }
      for key, value in pairs(case[1]) do options[key] = value end
      local socket, seen = traced()
      socket:once("error", t.calls(1, function(err) assert.equal(case[2], err.message) end))
      socket:connect(options)
      t.run()
      assert.equal(2, #seen)
    end))
  end

  it("fails at a local port that is taken", within(function(t)
    local server, where = listen()
    net.connect({ port = 1, host = LOCAL, localAddress = LOCAL, localPort = where.port })
      :on("error", t.calls(1, function(err)
        assert.equal(("bind EADDRINUSE 127.0.0.1:%d"):format(where.port), err.message)
        server:close()
      end))
    t.run()
  end))

  it("fails when a block list has it", within(function(t)
    local socket, seen = traced()
    socket.blockList = { check = t.calls(1, function(_, ip, family)
      assert.same({ LOCAL, "ipv4" }, { ip, family })
      return true
    end) }
    socket:connect(1, LOCAL)
    t.run()
    assert.same({ "connectionAttempt 127.0.0.1 1 4", "error ERR_IP_BLOCKED", "close true" }, seen)
  end))

  it("asks a BlockList itself, whatever its 'check' was made", within(function(t)
    local socket, seen = traced()
    local list = net.BlockList()
    list:addAddress(LOCAL)
    list.check = t.never()
    socket.blockList = list
    socket:connect(1, LOCAL)
    t.run()
    assert.same({ "connectionAttempt 127.0.0.1 1 4", "error ERR_IP_BLOCKED", "close true" }, seen)
  end))

  it("fails when there is no descriptor left", within(function(t)
    local script = t.tmpname(".lua")
    local f = assert(io.open(script, "w"))
    f:write([[
      local core, net = require("net.core"), require("net")
      local dials = {}
      repeat dials[#dials + 1] = core.dial.new() until not dials[#dials]:open(4)
      net.connect(1, "127.0.0.1"):on("error", function(err) print(err) end)
      net.connect("/no/such/path"):on("error", function(err) print(err) end)
      net.connect({ port = 1, host = "127.0.0.1", localAddress = "127.0.0.1" })
        :on("error", function(err) print(err) end)
      net.run()
    ]])
    f:close()
    local output = process.run("ulimit -n 40; " .. process.lua(script))
    local lines = {}
    for line in output:gmatch("[^\n]+") do lines[#lines + 1] = line end
    table.sort(lines)
    assert.same({
      "Error: bind EMFILE 127.0.0.1",
      "Error: connect EMFILE /no/such/path",
      "Error: connect EMFILE 127.0.0.1:1",
    }, lines)
  end))
end)

describe("connecting to a Unix socket", function()
  it("begins inside the call", within(function(t)
    local server, where = listen({ unix = true })
    local socket, seen = traced()
    socket:connect(where.path, t.calls(1, function() server:close() end))
    assert.same({ "connectionAttempt " .. where.path .. " nil nil" }, seen)
    t.run()
  end))

  it("fails from the loop, whatever the reason", within(function(t)
    local path = t.tmpname()
    local socket, seen = traced()
    socket:connect(path)
    assert.is_true(socket.connecting)
    t.run()
    assert.same({
      "connectionAttempt " .. path .. " nil nil", "connectionAttemptFailed " .. path .. " nil nil ENOENT",
      "error ENOENT", "close true",
    }, seen)
    local _, full = hole.open(t)
    net.connect(full):on("error", t.calls(1, function(err)
      assert.equal("connect EAGAIN " .. full, err.message)
      assert.is_nil(err.port)
    end))
    t.run()
  end))

  it("fails at once for a path that is none", within(function(t)
    local path = ("x"):rep(109)
    local socket = net.connect(path)
    assert.is_true(socket.destroyed)
    socket:on("error", t.calls(1, function(err)
      assert.equal("connect EINVAL " .. path .. "", err.message)
    end))
    t.run()
  end))
end)

describe("connecting to a name", function()
  local function asked_with(options)
    local got
    options.port, options.host = 1, "name.test"
    options.lookup = function(host, lookup_options)
      assert.equal("name.test", host)
      got = lookup_options
    end
    local socket = net.connect(options)
    assert.is_table(got) -- inside the call
    socket:destroy()
    net.run()
    return got
  end

  it("looks it up inside the call, with Node's options", within(function()
    assert.same({ hints = 32, all = true }, asked_with({}))
    assert.same({ family = 4, hints = 0 }, asked_with({ family = "IPv4" }))
    assert.same({ family = 6, hints = 0 }, asked_with({ family = 6 }))
    assert.same({ family = 0, hints = 32, all = true }, asked_with({ family = 0 }))
    assert.same({ hints = 8, all = true }, asked_with({ hints = 8 }))
    assert.same({ hints = 32 }, asked_with({ autoSelectFamily = false }))
    assert.same({ hints = 32 }, asked_with({ localAddress = LOCAL }))
    assert.same({ hints = 32, all = true }, asked_with({ localPort = 5 }))
  end))

  it("connects to the one address of the single form", within(function(t)
    local server, where = listen()
    local socket, seen = traced()
    socket:connect({ port = where.port, host = "name.test", family = 4, lookup = function(_, _, callback)
      callback(nil, LOCAL, 4)
    end }, function() server:close() end)
    t.run()
    assert.same({ "lookup nil 127.0.0.1 4 name.test",
      ("connectionAttempt 127.0.0.1 %d 4"):format(where.port), "connect" }, { table.unpack(seen, 1, 3) })
  end))

  it("fails with the error of the lookup, on a tick", within(function(t)
    for _, auto in ipairs({ true, false }) do
      local boom = errors.new("Error", "boom", "BOOM")
      local socket, seen = traced()
      socket:connect({ port = 1, host = "name.test", autoSelectFamily = auto,
        lookup = function(_, _, callback) callback(boom) end })
      assert.same({ { "lookup BOOM nil nil name.test" }, false }, { seen, socket.destroyed })
      t.run()
      assert.same({ "lookup BOOM nil nil name.test", "error BOOM", "close true" }, seen)
    end
  end))

  for name, case in pairs({
    ["no address"] = { "nonsense", 4, "Invalid IP address: nonsense" },
    ["nothing"] = { nil, nil, "Invalid IP address: nil" },
    ["an unknown family"] = { LOCAL, 7, "Invalid address family: 7 name.test:1" },
  }) do
    it("fails when the lookup answers with " .. name, within(function(t)
      for _, auto in ipairs({ true, false }) do
        local socket = net.connect({ port = 1, host = "name.test", autoSelectFamily = auto,
          lookup = function(_, _, callback)
            callback(nil, auto and { { address = case[1], family = case[2] } } or case[1], case[2])
          end })
        socket:on("error", t.calls(1, function(err) assert.equal(case[3], err.message) end))
        t.run()
      end
    end))
  end

  it("fails when the lookup answers with an empty list, or with no list", within(function(t)
    for _, list in ipairs({ {}, LOCAL }) do
      local socket = net.connect({ port = 1, host = "name.test",
        lookup = function(_, _, callback) callback(nil, list) end })
      socket:on("error", t.calls(1, function(err)
        assert.equal("Invalid IP address: nil", err.message)
      end))
      t.run()
    end
  end))

  it("drops the system's lookup with the socket, which lets the loop go", within(function(t)
    local real, dropped = core.resolve, t.calls(1)
    t.finally(function() core.resolve = real end)
    core.resolve = function() return { cancel = dropped } end
    local socket, seen = traced()
    socket:connect(1, "name.test")
    socket:destroy()
    t.run()
    assert.same({ "close false" }, seen)
  end))

  it("ignores an answer that comes after destroy()", within(function(t)
    local answer
    local socket, seen = traced()
    socket:connect({ port = 1, host = "name.test", lookup = function(_, _, callback) answer = callback end })
    socket:destroy()
    t.run()
    answer(nil, { { address = LOCAL, family = 4 } })
    t.run()
    assert.same({ "close false" }, seen)
  end))
end)

describe("connecting to several addresses", function()
  it("takes them in turns of family, once each", within(function(t)
    local seen, socket = story(t, several(1, LOCAL, "127.0.0.2", LOCAL, "::1", "nonsense", "127.0.0.3"))
    local order, lookups = {}, 0
    for _, line in ipairs(seen) do
      order[#order + 1] = line:match("^connectionAttempt (%S+)")
      lookups = lookups + (line:find("^lookup") and 1 or 0)
    end
    assert.equal(6, lookups)
    assert.same({ LOCAL, "::1", "127.0.0.2", "127.0.0.3" }, order)
    assert.same({ "127.0.0.1:1", "::1:1", "127.0.0.2:1", "127.0.0.3:1" },
      socket.autoSelectFamilyAttemptedAddresses)
  end))

  it("stops at the first that connects", within(function(t)
    local server, where = listen()
    local socket, seen = traced()
    socket:connect(several(where.port, "127.0.0.9", LOCAL, "127.0.0.8"), function() server:close() end)
    t.run()
    assert.equal(("connectionAttemptFailed 127.0.0.9 %d 4 ECONNREFUSED"):format(where.port), seen[5])
    assert.same({ ("connectionAttempt 127.0.0.1 %d 4"):format(where.port), "connect" }, { seen[6], seen[7] })
    assert.equal(2, #socket.autoSelectFamilyAttemptedAddresses)
  end))

  it("fails with an AggregateError of all", within(function(t)
    local port = hole.open(t)
    local socket = net.connect(several(port, LOCAL, "127.0.0.2"))
    socket:on("connectionAttemptTimeout", t.calls(1, function(ip, p, family)
      assert.same({ LOCAL, port, 4 }, { ip, p, family })
    end))
    socket:on("error", t.calls(1, function(err)
      assert.same({ "AggregateError", "", "ETIMEDOUT" }, { err.name, err.message, err.code })
      assert.equal("AggregateError", tostring(err))
      assert.equal(("connect ETIMEDOUT 127.0.0.1:%d"):format(port), err.errors[1].message)
      assert.equal(("connect ECONNREFUSED 127.0.0.2:%d"):format(port), err.errors[2].message)
    end))
    t.run()
  end))

  it("gives the last one all the time it takes", within(function(t)
    local port = hole.open(t)
    local socket = net.connect(several(port, "127.0.0.2", LOCAL))
    socket:on("connectionAttemptTimeout", t.never())
    timers.setTimeout(function() socket:destroy() end, 60)
    t.run()
  end))

  it("treats the only one left as an address", within(function(t)
    local seen, socket = story(t, several(1, LOCAL, "nonsense", LOCAL))
    assert.same({ "connectionAttempt 127.0.0.1 1 4", "connectionAttemptFailed 127.0.0.1 1 4 ECONNREFUSED",
      "error ECONNREFUSED", "close true" }, { table.unpack(seen, 4) })
    assert.is_nil(socket.autoSelectFamilyAttemptedAddresses)
  end))

  it("passes over those a block list has", within(function(t)
    local socket, seen = traced()
    socket.blockList = { check = function(_, ip) return ip ~= "127.0.0.3" end }
    socket:connect(several(1, LOCAL, "::1", "127.0.0.3"))
    t.run()
    assert.same({
      "connectionAttemptFailed 127.0.0.1 1 4 ERR_IP_BLOCKED", "connectionAttemptFailed ::1 1 6 ERR_IP_BLOCKED",
      "connectionAttempt 127.0.0.3 1 4", "connectionAttemptFailed 127.0.0.3 1 4 ECONNREFUSED",
      "error ERR_IP_BLOCKED", "close true",
    }, { table.unpack(seen, 4) })
  end))

  it("keeps what was written and ended before the first one failed", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", t.calls(1, function(peer)
      local got = {}
      peer:on("data", function(chunk) got[#got + 1] = chunk end)
      peer:on("end", t.calls(1, function() assert.equal("abc", table.concat(got)) end))
      server:close()
    end))
    local socket = net.connect(several(where.port, "127.0.0.9", LOCAL))
    socket:write("abc", t.calls(1, function(err) assert.is_nil(err) end))
    socket:finish(t.calls(1))
    socket:resume()
    t.run()
  end))

  it("leaves no descriptor of those that timed out", within(function(t)
    local port = hole.open(t)
    story(t, several(port, LOCAL, "127.0.0.2")) -- 'within' counts them
  end))
end)

describe("destroy() while connecting", function()
  it("is told as a failed attempt, when there are several", within(function(t)
    local port = hole.open(t)
    for _, err in ipairs({ false, errors.new("Error", "enough", "ENOUGH") }) do
      local socket, seen = traced()
      local options = several(port, LOCAL, "127.0.0.2")
      options.autoSelectFamilyAttemptTimeout = 5000
      socket:connect(options)
      socket:destroy(err or nil)
      t.run()
      local failed = ("connectionAttemptFailed 127.0.0.1 %d 4 ECANCELED"):format(port)
      assert.same(err and { "error ENOUGH", failed, "close true" } or { failed, "close false" },
        { table.unpack(seen, 4) })
    end
  end))

  it("is silent, when there is one", within(function(t)
    local port, full = hole.open(t)
    for _, options in ipairs({ { port = port, host = LOCAL }, { path = full } }) do
      local socket, seen = traced()
      socket:connect(options)
      core.tick(function() socket:destroy() end)
      t.run()
      assert.equal(2, #seen)
      assert.equal("close false", seen[2])
    end
  end))

  for _, event in ipairs(ATTEMPT_EVENTS) do
    it("in '" .. event .. "' ends it there", within(function(t)
      local port = hole.open(t)
      local socket, seen = traced()
      local over
      socket:on(event, function()
        over = over or #seen
        socket:destroy()
      end)
      socket:connect(several(event == "connectionAttemptFailed" and 1 or port, LOCAL, "127.0.0.2"))
      t.run()
      assert.same({ "close false" }, { table.unpack(seen, over + 1) })
    end))
  end

  it("in 'connectionAttempt' of a single address ends it there", within(function(t)
    local socket, seen = traced()
    socket:on("connectionAttempt", function() socket:destroy() end)
    socket:connect(1, LOCAL)
    t.run()
    assert.same({ "connectionAttempt 127.0.0.1 1 4", "close false" }, seen)
  end))

  it("in 'connect' leaves 'ready' and 'close'", within(function(t)
    local server, where = listen()
    local socket, seen = traced()
    socket:on("connect", function() socket:destroy() server:close() end)
    socket:connect(where)
    t.run()
    assert.same({ "connect", "ready", "close false" }, { table.unpack(seen, 2) })
  end))

  it("before the tick leaves nothing but 'close'", within(function(t)
    local socket, seen = traced()
    socket:connect(1, LOCAL):destroy()
    t.run()
    assert.same({ "close false" }, seen)
  end))

  it("and connecting anew starts over", within(function(t)
    local port = hole.open(t)
    local server, where = listen()
    local socket, seen = traced()
    socket:connect(several(port, LOCAL, "127.0.0.2"))
    socket:destroy()
    socket:connect(where, t.calls(1, function() server:close() end))
    t.run()
    local rest = table.concat(seen, "; ", 4)
    assert.truthy(rest:find("ECANCELED; close false", 1, true), rest)
    assert.truthy(rest:find("connect; ready;.*close false$"), rest)
    assert.is_nil(rest:find("error", 1, true))
  end))

  it("in a tick after the time limit began is no race", within(function(t)
    local port = hole.open(t)
    local server, where = listen()
    local socket = net.Socket()
    socket:once("connectionAttemptTimeout", t.calls(1, function()
      socket:destroy()
      socket:connect(where, t.calls(1, function() server:close() end))
    end))
    socket:connect(several(port, LOCAL, "127.0.0.2"))
    t.run()
  end))
end)

describe("a listener that raises while connecting", function()
  local function raises_at(event, options)
    it("at '" .. event .. "' gets its error out, and the socket is closed", within(function(t)
      local socket = net.Socket()
      socket:once(event, function() error("boom", 0) end)
      socket:on("close", t.calls(1))
      local ok, err = pcall(function()
        socket:connect(type(options) == "function" and options(t) or options)
        net.run()
      end)
      assert.same({ false, "boom" }, { ok, err })
      assert.is_false(t.run())
      assert.is_true(socket.destroyed)
    end))
  end

  raises_at("lookup", several(1, LOCAL, "127.0.0.2"))
  raises_at("connectionAttempt", { port = 1, host = LOCAL })
  raises_at("connectionAttempt", { path = "/no/such/path" })
  raises_at("connectionAttempt", several(1, LOCAL, "127.0.0.2"))
  raises_at("connectionAttemptFailed", { port = 1, host = LOCAL })
  raises_at("connectionAttemptFailed", several(1, LOCAL, "127.0.0.2"))
  raises_at("connectionAttemptTimeout", function(t) return several(hole.open(t), LOCAL, "127.0.0.2") end)

  it("at an attempt that was cancelled leaves the other listeners of 'close' alone", within(function(t)
    local socket = net.connect(several(hole.open(t), LOCAL, "127.0.0.2"))
    socket:on("connectionAttemptFailed", t.calls(1, function() error("boom", 0) end))
    socket:on("close", t.calls(1))
    socket:destroy()
    assert.equal("boom", sockets.raised(net.run))
    t.run()
  end))

  it("as a lookup does too", within(function(t)
    local socket = net.Socket()
    socket:on("close", t.calls(1))
    assert.equal("boom", sockets.raised(socket.connect, socket,
      { port = 1, host = "name.test", lookup = function() error("boom", 0) end }))
    t.run()
  end))
end)

describe("socket:connect again", function()
  it("while it is connecting fails with EALREADY", within(function(t)
    local server, where = listen()
    local socket, seen = traced()
    socket:connect(where)
    socket:connect(where)
    socket:on("error", t.calls(1, function(err)
      assert.truthy(err.message:find("^connect EALREADY 127.0.0.1:%d+ %- Local %(127.0.0.1:%d+%)$"), err.message)
    end))
    socket:on("close", function() server:close() end)
    t.run()
    assert.equal("connectionAttempt", seen[2]:match("%a+"))
  end))

  --- Connects to two addresses, and to a path in the first 'event'.
  local function twice(t, event, port)
    local path, before = t.tmpname(), support.descriptors()
    local server = net.createServer(function(peer) peer:resume() end):listen(path)
    local socket, seen = traced()
    socket:once(event, t.calls(1, function() socket:connect(path) end))
    local message
    socket:on("connect", t.never())
    socket:on("error", t.calls(1, function(err) message = err.message end))
    socket:on("close", function() server:close() end)
    socket:connect(several(port, LOCAL, "127.0.0.2"))
    t.run()
    assert.same(before, support.descriptors())
    assert.same({ ("connectionAttempt %s nil nil"):format(path), "error EALREADY", "close true" },
      { table.unpack(seen, #seen - 2) })
    return message
  end

  it("before one of several addresses is tried fails, as that comes second", within(function(t)
    local port = hole.open(t)
    assert.equal(("connect EALREADY %s:%d"):format(LOCAL, port), twice(t, "connectionAttempt", port))
  end))

  it("between two of several addresses fails, as the next comes second", within(function(t)
    local port = free_port()
    assert.equal(("connect EALREADY 127.0.0.2:%d"):format(port),
      twice(t, "connectionAttemptFailed", port))
  end))

  it("while it is open fails with EISCONN", within(function(t)
    local client, peer = sockets.pair()
    local callback = t.never()
    client:connect(1, LOCAL, callback)
    assert.is_false(client.connecting)
    client:on("error", t.calls(1, function(err)
      assert.equal("connect EISCONN 127.0.0.1:1", err.message)
    end))
    peer:resume()
    t.run()
  end))

  it("after 'close' works as the first time", within(function(t)
    local server, where = listen()
    local socket = net.Socket()
    local rounds = 0
    socket:on("connect", t.calls(3))
    socket:on("close", function()
      rounds = rounds + 1
      if rounds < 3 then
        socket:connect(where)
      else
        server:close()
      end
    end)
    socket:connect(where)
    t.run()
  end))

  it("after a failure calls the callback that waited", within(function(t)
    local server, where = listen()
    local socket = net.Socket()
    socket:once("error", noop)
    socket:once("close", function() socket:connect(where) end)
    socket:connect(1, LOCAL, t.calls(1, function() server:close() end))
    t.run()
  end))
end)

describe("a signal that has aborted before", function()
  it("keeps net.connect from connecting", within(function(t)
    local signal = require("net.abort").AbortController()
    signal:abort()
    local socket = net.connect({ port = 1, host = LOCAL, signal = signal.signal })
    local seen = sockets.trace(socket, ATTEMPT_EVENTS)
    t.run()
    assert.equal("error ABORT_ERR", seen[1])
    assert.equal(2, #seen)
  end))
end)

describe("a signal that aborts after net.connect has raised", function()
  for name, case in pairs({
    ["no port"] = { {}, "ERR_MISSING_ARGS" },
    ["a port that is none"] = { { port = 99999 }, "ERR_SOCKET_BAD_PORT" },
    ["a host that is none"] = { { port = 1, host = 5 }, "ERR_INVALID_ARG_TYPE" },
    ["a timeout that is none"] = { { port = 1, host = LOCAL, timeout = "x" }, "ERR_INVALID_ARG_TYPE" },
    ["a lookup that raises"] = { { port = 1, host = "a", lookup = function() error({ code = "E" }) end }, "E" },
  }) do
    it("finds no socket: " .. name, within(function(t)
      local options, code = table.unpack(case)
      local controller = require("net.abort").AbortController()
      options.signal = controller.signal
      local ok, err = pcall(net.connect, options)
      assert.same({ false, code }, { ok, err.code })
      controller:abort()
      t.run() -- raises what is uncaught
    end))
  end
end)

describe("a signal that has aborted before net.connect raises", function()
  it("finds no socket", within(function(t)
    local signal = require("net.abort").AbortSignal.abort()
    local ok, err = pcall(net.connect, { port = 99999, signal = signal })
    assert.same({ false, "ERR_SOCKET_BAD_PORT" }, { ok, err.code })
    t.run() -- raises what is uncaught
  end))
end)

describe("the defaults of family autoselection", function()
  it("are true and 500 ms", function()
    assert.same({ true, 500 },
      { net.getDefaultAutoSelectFamily(), net.getDefaultAutoSelectFamilyAttemptTimeout() })
  end)

  it("can be set, and count", within(function(t)
    t.finally(function()
      net.setDefaultAutoSelectFamily(true)
      net.setDefaultAutoSelectFamilyAttemptTimeout(500)
    end)
    net.setDefaultAutoSelectFamily(false)
    local single
    net.connect({ port = 1, host = "x", lookup = function(_, options) single = not options.all end }):destroy()
    assert.is_true(single)
    net.setDefaultAutoSelectFamily(true)
    net.setDefaultAutoSelectFamilyAttemptTimeout(3)
    assert.equal(10, net.getDefaultAutoSelectFamilyAttemptTimeout())
    local port = hole.open(t)
    local socket = net.connect({ port = port, host = "x", lookup = addresses(LOCAL, "127.0.0.2") })
    socket:on("connectionAttemptTimeout", t.calls(1))
    socket:on("error", t.calls(1))
    t.run()
  end))

  it("refuse what is none", function()
    assert.equal('The "value" argument must be of type boolean. Received type number (1)',
      sockets.raised(net.setDefaultAutoSelectFamily, 1).message)
    assert.equal('The value of "value" is out of range. It must be >= 1 && <= 2147483647. Received 0',
      sockets.raised(net.setDefaultAutoSelectFamilyAttemptTimeout, 0).message)
    assert.equal('The value of "value" is out of range. It must be an integer. Received 1.5',
      sockets.raised(net.setDefaultAutoSelectFamilyAttemptTimeout, 1.5).message)
  end)
end)

describe("a connecting socket", function()
  it("is not collected", within(function(t)
    local server, where = listen()
    for _ = 1, 10 do
      net.connect(where.port, LOCAL, t.calls(1, collectgarbage))
      net.connect(where.port, "localhost", t.calls(1, collectgarbage))
    end
    collectgarbage()
    collectgarbage()
    local left = 20
    server:on("connection", function(peer)
      peer:on("close", function()
        left = left - 1
        if left == 0 then server:close() end
      end)
    end)
    t.run()
  end))

  it("asks dns.lookup by default", within(function(t)
    local real = core.resolve
    t.finally(function() core.resolve = real end)
    core.resolve = t.calls(1, function(host, family, hints, callback)
      assert.same({ "name.test", 0, dns.ADDRCONFIG }, { host, family, hints })
      core.tick(callback, -3008)
      return { cancel = noop }
    end)
    net.connect(1, "name.test"):on("error", t.calls(1, function(err)
      assert.equal("getaddrinfo ENOTFOUND name.test", err.message)
    end))
    t.run()
  end))
end)
