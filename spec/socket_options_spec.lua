-- SPDX-License-Identifier: MIT

--- What a socket can be told: the constructor's options, idle timeouts, options of
--- the descriptor, ref and unref, signals, and descriptors from outside.

local core = require("net.core")
local net = require("net")
local abort = require("net.abort")
local timers = require("net.timers")
local lua = require("spec.support.lua")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local pair, wait, wait_for, settle = sockets.pair, sockets.wait, sockets.wait_for, sockets.settle
local trace, raised, kind = sockets.trace, sockets.raised, sockets.kind

local NAN = 0 / 0

local function drop(t, ...)
  for i = 1, select("#", ...) do
    (select(i, ...)):destroy()
  end
  t.run()
end

describe("net.Socket()", function()
  for name, case in pairs({
    ["objectMode"] = { { objectMode = true },
      "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.objectMode' is not supported. " ..
      "Received true" },
    ["readableObjectMode"] = { { readableObjectMode = 1 },
      "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.readableObjectMode' is not " ..
      "supported. Received 1" },
    ["writableObjectMode"] = { { writableObjectMode = "x" },
      "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.writableObjectMode' is not " ..
      "supported. Received 'x'" },
    ["a keepAliveInitialDelay that is a string"] = { { keepAliveInitialDelay = "5" },
      'TypeError [ERR_INVALID_ARG_TYPE]: The "options.keepAliveInitialDelay" property must be of ' ..
      "type number. Received type string ('5')" },
    ["a typeOfService that is a string"] = { { typeOfService = "x" },
      'TypeError [ERR_INVALID_ARG_TYPE]: The "options.typeOfService" property must be of type ' ..
      "number. Received type string ('x')" },
    ["a typeOfService of 1.5"] = { { typeOfService = 1.5 },
      'RangeError [ERR_OUT_OF_RANGE]: The value of "options.typeOfService" is out of range. It ' ..
      "must be an integer. Received 1.5" },
    ["a typeOfService of 256"] = { { typeOfService = 256 },
      'RangeError [ERR_OUT_OF_RANGE]: The value of "options.typeOfService" is out of range. It ' ..
      "must be >= 0 && <= 255. Received 256" },
    ["a typeOfService of NaN"] = { { typeOfService = NAN },
      'RangeError [ERR_OUT_OF_RANGE]: The value of "options.typeOfService" is out of range. It ' ..
      "must be an integer. Received NaN" },
    ["a highWaterMark of -1"] = { { highWaterMark = -1 },
      "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.readableHighWaterMark' is " ..
      "invalid. Received -1" },
    ["a highWaterMark of 1.5"] = { { highWaterMark = 1.5 },
      "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.readableHighWaterMark' is " ..
      "invalid. Received 1.5" },
    ["a highWaterMark of NaN"] = { { highWaterMark = NAN },
      "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.readableHighWaterMark' is " ..
      "invalid. Received NaN" },
    ["a highWaterMark that is a string"] = { { highWaterMark = "x" },
      "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.readableHighWaterMark' is " ..
      "invalid. Received 'x'" },
    ["a highWaterMark that is true"] = { { highWaterMark = true },
      "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.readableHighWaterMark' is " ..
      "invalid. Received true" },
    ["a readableHighWaterMark of -1"] = { { readableHighWaterMark = -1 },
      "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.readableHighWaterMark' is " ..
      "invalid. Received -1" },
    ["a writableHighWaterMark of -1"] = { { writableHighWaterMark = -1 },
      "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.writableHighWaterMark' is " ..
      "invalid. Received -1" },
    ["an unknown encoding"] = { { encoding = "nope" },
      "TypeError [ERR_UNKNOWN_ENCODING]: Unknown encoding: nope" },
    ["an encoding that is a number"] = { { encoding = 5 },
      "TypeError [ERR_UNKNOWN_ENCODING]: Unknown encoding: 5" },
    ["an unknown defaultEncoding"] = { { defaultEncoding = "nope" },
      "TypeError [ERR_UNKNOWN_ENCODING]: Unknown encoding: nope" },
    ["an empty defaultEncoding"] = { { defaultEncoding = "" },
      "TypeError [ERR_UNKNOWN_ENCODING]: Unknown encoding: " },
    ["a signal that is a number"] = { { signal = 5 },
      'TypeError [ERR_INVALID_ARG_TYPE]: The "signal" argument must be an instance of ' ..
      "AbortSignal. Received type number (5)" },
    ["a signal that is a plain table"] = { { signal = {} },
      'TypeError [ERR_INVALID_ARG_TYPE]: The "signal" argument must be an instance of ' ..
      "AbortSignal. Received an instance of Object" },
    ["a blockList that is a string"] = { { blockList = "x" },
      'TypeError [ERR_INVALID_ARG_TYPE]: The "options.blockList" property must be an ' ..
      "net.BlockList. Received type string ('x')" },
    ["a blockList that only can check"] = { { blockList = { check = function() end } },
      'TypeError [ERR_INVALID_ARG_TYPE]: The "options.blockList" property must be an ' ..
      "net.BlockList. Received an instance of Object" },
    ["a blockList that is a plain table"] = { { blockList = {} },
      'TypeError [ERR_INVALID_ARG_TYPE]: The "options.blockList" property must be an ' ..
      "net.BlockList. Received an instance of Object" },
    ["an fd of -1"] = { { fd = -1 },
      'RangeError [ERR_OUT_OF_RANGE]: The value of "fd" is out of range. It must be >= 0 && <= ' ..
      "2147483647. Received -1" },
    ["an fd of 1.5"] = { { fd = 1.5 },
      'RangeError [ERR_OUT_OF_RANGE]: The value of "fd" is out of range. It must be an integer. ' ..
      "Received 1.5" },
    ["an fd of 2^31"] = { { fd = 1 << 31 },
      'RangeError [ERR_OUT_OF_RANGE]: The value of "fd" is out of range. It must be >= 0 && <= ' ..
      "2147483647. Received 2147483648" },
    ["an fd of 2^40"] = { { fd = 1 << 40 },
      'RangeError [ERR_OUT_OF_RANGE]: The value of "fd" is out of range. It must be >= 0 && <= ' ..
      "2147483647. Received 1_099_511_627_776" },
    ["an fd of NaN"] = { { fd = NAN },
      'RangeError [ERR_OUT_OF_RANGE]: The value of "fd" is out of range. It must be an integer. ' ..
      "Received NaN" },
    ["an fd that is a string"] = { { fd = "1" },
      'TypeError [ERR_INVALID_ARG_TYPE]: The "fd" argument must be of type number. Received type ' ..
      "string ('1')" },
    ["an fd that is closed"] = { { fd = 99999 },
      "TypeError [ERR_INVALID_FD_TYPE]: Unsupported fd type: UNKNOWN" },
    ["the number of a closed descriptor"] = { 99999,
      "TypeError [ERR_INVALID_FD_TYPE]: Unsupported fd type: UNKNOWN" },
    ["the number -1"] = { -1,
      'RangeError [ERR_OUT_OF_RANGE]: The value of "fd" is out of range. It must be >= 0 && <= ' ..
      "2147483647. Received -1" },
  }) do
    it("refuses " .. name, within(function()
      assert.equal(case[2], tostring(raised(net.Socket, case[1])))
    end))
  end

  for name, options in pairs({
    ["nothing"] = "nothing", ["a string"] = "x", ["true"] = true, ["an empty table"] = {},
    ["a negative keepAliveInitialDelay"] = { keepAlive = true, keepAliveInitialDelay = -5 },
    ["an objectMode of false"] = { objectMode = false }, ["an empty encoding"] = { encoding = "" },
    ["a highWaterMark of 2^40"] = { highWaterMark = 1 << 40 },
    ["a typeOfService of 255"] = { typeOfService = 255 },
    ["unknown options"] = { colour = "red", [1] = 2 },
  }) do
    it("takes " .. name, function()
      if options == "nothing" then
        assert.is_true(net.isSocket(net.Socket()))
      end
      local socket = net.Socket(options)
      assert.same({ "open", true }, { socket.readyState, socket.pending })
    end)
  end

  for _, mark in ipairs({ 2.0 ^ 53, 2.0 ^ 63, 2.0 ^ 64, 1e300, math.maxinteger }) do
    it(("keeps a highWaterMark of %s"):format(mark), function()
      local socket = net.Socket({ highWaterMark = mark })
      assert.same({ true, true },
        { socket.readableHighWaterMark == mark, socket.writableHighWaterMark == mark })
      assert.is_true(socket:unshift("abc"))
      socket:cork()
      assert.same({ true, false }, { socket:write("abc"), socket.writableNeedDrain })
      socket:destroy()
    end)
  end

  it("leaves the caller's table as it is", function()
    local options = { allowHalfOpen = true, highWaterMark = 10, encoding = "hex" }
    net.Socket(options)
    assert.same({ allowHalfOpen = true, highWaterMark = 10, encoding = "hex" }, options)
  end)

  it("sets the encoding of option encoding", function()
    local socket = net.Socket({ encoding = "BINARY" })
    socket:unshift("e9", "hex")
    assert.equal("é", socket:read())
  end)

  it("shows option encoding as it was given, until setEncoding()", function()
    local socket = net.Socket({ encoding = "UCS-2" })
    assert.equal("UCS-2", socket.readableEncoding)
    assert.equal("utf16le", socket:setEncoding("UCS-2").readableEncoding)
  end)

  it("takes a falsy objectMode, and no other", function()
    for _, name in ipairs({ "objectMode", "readableObjectMode", "writableObjectMode" }) do
      for _, falsy in ipairs({ false, 0, "", 0 / 0 }) do
        assert.is_false(net.Socket({ [name] = falsy }).readableObjectMode)
      end
      assert.equal("ERR_INVALID_ARG_VALUE", raised(net.Socket, { [name] = 1 }).code)
    end
  end)

  it("has ended what options readable and writable turn off", function()
    local reads, writes = net.Socket({ writable = false }), net.Socket({ readable = false })
    assert.same({ true, true, "readOnly" },
      { reads.writableEnded, reads.writableFinished, reads.readyState })
    assert.same({ true, false, "writeOnly" },
      { writes.readableEnded, writes.unshift(writes, ""), writes.readyState })
  end)

  it("keeps option writable when it is connected again", within(function(t)
    local socket, peer = pair({ client = { writable = false } })
    socket:destroy()
    wait_for(socket, "close")
    socket:connect(1, "127.0.0.1"):on("error", function() end)
    assert.same({ true, true, false },
      { socket.writableEnded, socket.writableFinished, socket.writable })
    drop(t, peer)
  end))

  it("sets the encoding of writes by option defaultEncoding", within(function(t)
    local socket, peer = pair({ client = { defaultEncoding = "hex" } })
    socket:write("6162")
    assert.equal("ab", wait_for(peer, "data"))
    drop(t, socket, peer)
  end))

  it("raises for a bad option before net.connect() opens anything", within(function()
    local err = raised(net.connect, { port = 1, host = "127.0.0.1", highWaterMark = -1 })
    assert.equal("ERR_INVALID_ARG_VALUE", err.code)
  end))
end)

describe("setTimeout()", function()
  for name, case in pairs({
    ["a string"] = { { "x" }, 'TypeError [ERR_INVALID_ARG_TYPE]: The "msecs" argument must be ' ..
      "of type number. Received type string ('x')" },
    ["-1"] = { { -1 }, 'RangeError [ERR_OUT_OF_RANGE]: The value of "msecs" is out of range. It ' ..
      "must be a non-negative finite number. Received -1" },
    ["NaN"] = { { NAN }, 'RangeError [ERR_OUT_OF_RANGE]: The value of "msecs" is out of range. ' ..
      "It must be a non-negative finite number. Received NaN" },
    ["infinity"] = { { math.huge }, 'RangeError [ERR_OUT_OF_RANGE]: The value of "msecs" is out ' ..
      "of range. It must be a non-negative finite number. Received Infinity" },
    ["nothing"] = { {}, 'TypeError [ERR_INVALID_ARG_TYPE]: The "msecs" argument must be of type ' ..
      "number. Received nil" },
    ["a callback that is a string"] = { { 5, "x" }, "TypeError [ERR_INVALID_ARG_TYPE]: The " ..
      "\"callback\" argument must be of type function. Received type string ('x')" },
    ["a callback that is a number, to turn it off"] = { { 0, 5 }, "TypeError " ..
      '[ERR_INVALID_ARG_TYPE]: The "callback" argument must be of type function. Received type ' ..
      "number (5)" },
  }) do
    it("refuses " .. name, within(function()
      local socket = net.Socket()
      socket:on("timeout", function() error("refused, and set all the same") end)
      local err = raised(socket.setTimeout, socket, table.unpack(case[1]))
      assert.equal(case[2], tostring(err))
      settle()
    end))
  end

  it("takes nil for no callback", within(function(t)
    local socket = net.Socket()
    socket:on("timeout", t.calls(1))
    assert.equal(socket, socket:setTimeout(1, nil))
    settle()
    wait(function() return true end)
    socket:setTimeout(0)
  end))

  it("has 'timeout' come once, and nothing is closed", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:setTimeout(1)
    wait(function() return #seen > 0 end)
    settle()
    assert.same({ "timeout" }, seen)
    assert.is_false(socket.destroyed)
    drop(t, socket, peer)
  end))

  it("has the callback called with 'timeout', once only", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:setTimeout(1, function() seen[#seen + 1] = "callback" end)
    wait(function() return #seen > 1 end)
    socket:write("x") -- activity: the next idle period
    wait(function() return #seen > 2 end)
    assert.same({ "timeout", "callback", "timeout" }, seen)
    drop(t, socket, peer)
  end))

  it("of 0 turns it off and takes the callback away", within(function(t)
    local socket = net.Socket()
    local never = t.calls(0)
    socket:setTimeout(1, never)
    assert.equal(1, socket:listenerCount("timeout"))
    assert.equal(socket, socket:setTimeout(0, never))
    assert.equal(0, socket:listenerCount("timeout"))
    settle()
  end))

  it("of 0 leaves other listeners", within(function(t)
    local socket = net.Socket()
    socket:on("timeout", t.calls(0))
    socket:setTimeout(1)
    socket:setTimeout(0, function() end)
    assert.equal(1, socket:listenerCount("timeout"))
    settle()
  end))

  it("works on a socket never connected", within(function(t)
    local socket = net.Socket()
    socket:once("timeout", t.calls(1))
    socket:setTimeout(1)
    settle()
    wait(function() return socket:listenerCount("timeout") == 0 end)
  end))

  it("never keeps the loop alive", within(function(t)
    local socket = net.Socket():setTimeout(1e6)
    assert.is_false(net.run("nowait"))
    t.run()
    socket:setTimeout(0)
  end))

  it("starts anew with each call", within(function(t)
    local socket = net.Socket()
    socket:setTimeout(1e6)
    socket:setTimeout(1, t.calls(1))
    settle()
    wait(function() return socket:listenerCount("timeout") == 0 end)
    socket:setTimeout(0)
  end))

  it("of a destroyed socket does nothing", within(function(t)
    local socket = net.Socket():destroy()
    assert.equal(socket, socket:setTimeout(1, t.calls(0)))
    assert.is_nil(socket.timeout)
    assert.equal(socket, socket:setTimeout("not even looked at"))
    settle()
  end))

  it("is stopped by destroy()", within(function(t)
    local socket, peer = pair()
    socket:setTimeout(1, t.calls(0))
    socket:destroy()
    settle()
    drop(t, peer)
  end))

  it("too large is cut, with a warning", function()
    local result = lua.run({ script = [[
      local net, process = require("net"), require("net.process")
      process:on("warning", function(warning) print(warning.name) end)
      net.Socket():setTimeout((1 << 31) - 1)
      print(net.Socket():setTimeout(1 << 31).timeout)
      net.run()
    ]] })
    assert.same({ 0, "2147483648\nTimeoutOverflowWarning\n" }, { result.code, result.stdout })
    assert.is_truthy(result.stderr:find("2147483648 does not fit into a 32-bit signed integer", 1, true))
  end)

  it("by option timeout of net.connect() is set from the start", within(function(t)
    local server, where = sockets.listen()
    where.timeout = 1
    server:on("connection", function() server:close() end)
    local socket = net.connect(where)
    assert.equal(1, socket.timeout)
    wait_for(socket, "timeout")
    assert.is_false(socket.destroyed)
    wait(function() return not socket.connecting and not server.listening end)
    socket:finish()
    t.run()
  end))

  for name, value in pairs({ ["-1"] = -1, ["a string"] = "x" }) do
    it("refuses an option timeout of " .. name, within(function()
      local err = raised(net.connect, { port = 1, host = "127.0.0.1", timeout = value })
      assert.is_truthy(err.message:find('"msecs"', 1, true))
    end))
  end

  it("is not looked at by net.Socket()", function()
    assert.is_nil(net.Socket({ timeout = "x" }).timeout)
  end)

  it("may be set again in its own listener", within(function(t)
    local socket, peer = pair()
    local rounds = 0
    socket:on("timeout", function()
      rounds = rounds + 1
      if rounds < 3 then
        socket:setTimeout(1)
      end
    end)
    socket:setTimeout(1)
    wait(function() return rounds == 3 end)
    drop(t, socket, peer)
  end))

  it("has a listener that may destroy the socket", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    socket:setTimeout(1, function() socket:destroy() end)
    wait_for(socket, "close")
    assert.same({ "timeout", "close false" }, seen)
    drop(t, peer)
  end))

  it("has a listener that may raise; the socket lives on", within(function(t)
    local socket, peer = pair()
    socket:setTimeout(1, function() error("mine", 0) end)
    local ok, err = pcall(wait, function() return false end)
    assert.same({ false, "mine" }, { ok, err })
    assert.is_true(socket:write("alive"))
    drop(t, socket, peer)
  end))

  it("counts from the call, however long the program has run since the loop", within(function(t)
    local socket, peer = pair()
    local seen = {}
    local over = core.now() + 30
    repeat until core.now() >= over
    socket:setTimeout(30, function() seen[#seen + 1] = "timeout" end)
    timers.setTimeout(function() seen[#seen + 1] = "a timer of 10 ms" end, 10)
    wait(function() return #seen == 2 end)
    assert.same({ "a timer of 10 ms", "timeout" }, seen)
    drop(t, socket, peer)
  end))

  it("waits while a slow peer takes bytes: the first look never tells", within(function(t)
    local socket, peer = pair()
    local seen = {}
    sockets.fill(socket)
    socket:setTimeout(20, function() seen[#seen + 1] = "timeout" end)
    timers.setTimeout(function() seen[#seen + 1] = "a timer of 30 ms" end, 30)
    wait(function() return #seen == 2 end)
    assert.same({ "a timer of 30 ms", "timeout" }, seen)
    drop(t, socket, peer)
  end))
end)

-- After it has fired, the timeout is armed again by activity and nothing else.
describe("activity", function()
  --- Has the timeout fire once, runs `act`, and returns whether it fires again.
  local function fires_again(t, act, options)
    local socket, peer = pair(options)
    local fired = 0
    socket:on("timeout", function() fired = fired + 1 end)
    socket:setTimeout(1)
    wait(function() return fired == 1 end)
    act(socket, peer)
    local over
    timers.setTimeout(function() over = true end, 30)
    wait(function() return fired > 1 or over end)
    drop(t, socket, peer)
    return fired > 1
  end

  for name, act in pairs({
    ["data that arrives"] = function(socket, peer) socket:resume() peer:write("x") end,
    ["data that nobody listens to yet"] = function(_, peer) peer:write("x") end,
    ["a write"] = function(socket) socket:write("x") end,
    ["a write of nothing"] = function(socket) socket:write("") end,
    ["setTimeout() itself"] = function(socket) socket:setTimeout(1) end,
  }) do
    it("is " .. name, within(function(t)
      assert.is_true(fires_again(t, act))
    end))
  end

  it("is the peer's end", within(function(t)
    assert.is_true(fires_again(t, function(_, peer) peer:finish() end,
      { client = { allowHalfOpen = true } }))
  end))

  for name, act in pairs({
    ["pause() and resume()"] = function(socket) socket:pause() socket:resume() end,
    ["an option"] = function(socket) socket:setNoDelay(true) socket:setKeepAlive(true, 1000) end,
    ["a corked write"] = function(socket) socket:cork() socket:write("x") end,
    ["ref() and unref()"] = function(socket) socket:unref() socket:ref() end,
    ["reading a field"] = function(socket) return socket.remoteAddress, socket:address() end,
    ["a new listener"] = function(socket) socket:on("data", function() end) end,
  }) do
    it("is not " .. name, within(function(t)
      assert.is_false(fires_again(t, act))
    end))
  end

  it("is not what arrives at a socket that does not read", within(function(t)
    assert.is_false(fires_again(t, function(_, peer) peer:write("more") end,
      { client = { highWaterMark = 0, onread = { buffer = 1, callback = function() end } } })
      and false)
  end))

  it("is the call of connect(), on a socket whose timeout has fired", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", function(peer) peer:resume() server:close() end)
    local socket = net.Socket()
    socket:setTimeout(1)
    wait_for(socket, "timeout")
    socket:connect(where)
    wait_for(socket, "timeout")
    wait(function() return not server.listening end)
    socket:finish()
    t.run()
  end))
end)

describe("setNoDelay()", function()
  it("takes anything and never raises, in every state", within(function(t)
    local new = net.Socket()
    local open, peer = pair()
    local unix, other = pair({ unix = true })
    local closed = net.Socket():destroy()
    for _, socket in ipairs({ new, open, unix, closed }) do
      for _, value in ipairs({ true, false, 0, "", "x", {} }) do
        assert.equal(socket, socket:setNoDelay(value))
      end
      assert.equal(socket, socket:setNoDelay())
    end
    drop(t, open, peer, unix, other)
  end))
end)

describe("setKeepAlive()", function()
  it("takes anything and never raises, in every state", within(function(t)
    local new = net.Socket()
    local open, peer = pair()
    local unix, other = pair({ unix = true })
    local closed = net.Socket():destroy()
    for _, socket in ipairs({ new, open, unix, closed }) do
      for _, args in ipairs({
        {}, { true }, { true, 1000 }, { true, 1000, 1000, 5 }, { false }, { true, "x" },
        { true, -5 }, { "x", 5 }, { {} }, { { enable = true, initialDelay = "x" } }, { true, NAN },
        { true, math.huge }, { true, 1e30 }, { true, 5000, -1 }, { true, 5000, 1000, -1 },
        { true, 5000, NAN, NAN }, { true, 1 << 62, 1 << 62, 1 << 62 }, { true, 5000, 1000, 1.5 },
        { { enable = true, initialDelay = 2000, interval = 1000, count = 3 } },
      }) do
        assert.equal(socket, socket:setKeepAlive(table.unpack(args)))
      end
    end
    drop(t, open, peer, unix, other)
  end))
end)

describe("setTypeOfService()", function()
  for name, case in pairs({
    ["a string"] = { "x", 'TypeError [ERR_INVALID_ARG_TYPE]: The "tos" argument must be of type ' ..
      "number. Received type string ('x')" },
    ["-1"] = { -1, 'RangeError [ERR_OUT_OF_RANGE]: The value of "tos" is out of range. It must ' ..
      "be >= 0 && <= 255. Received -1" },
    ["256"] = { 256, 'RangeError [ERR_OUT_OF_RANGE]: The value of "tos" is out of range. It must ' ..
      "be >= 0 && <= 255. Received 256" },
    ["1.5"] = { 1.5, 'RangeError [ERR_OUT_OF_RANGE]: The value of "tos" is out of range. It must ' ..
      "be an integer. Received 1.5" },
    ["NaN"] = { NAN, 'TypeError [ERR_INVALID_ARG_TYPE]: The "tos" argument must be of type ' ..
      "number. Received type number (NaN)" },
    ["nothing"] = { nil, 'TypeError [ERR_INVALID_ARG_TYPE]: The "tos" argument must be of type ' ..
      "number. Received nil" },
  }) do
    it("refuses " .. name, function()
      local socket = net.Socket()
      assert.equal(case[2], tostring(raised(socket.setTypeOfService, socket, case[1])))
      assert.equal(0, socket:getTypeOfService())
    end)
  end

  it("is remembered before there is a connection", function()
    local socket = net.Socket()
    assert.equal(0, socket:getTypeOfService())
    assert.equal(socket, socket:setTypeOfService(16))
    assert.equal(16, socket:getTypeOfService())
    assert.equal(24, net.Socket({ typeOfService = 24 }):getTypeOfService())
  end)

  it("is applied by connecting", within(function(t)
    local socket, peer = pair({ client = { typeOfService = 16 } })
    assert.equal(16, socket:getTypeOfService())
    drop(t, socket, peer)
  end))

  it("asks the kernel, which masks the ECN bits", within(function(t)
    local socket, peer = pair()
    assert.equal(0, socket:getTypeOfService())
    assert.equal(252, socket:setTypeOfService(0xff):getTypeOfService())
    assert.equal(16, socket:setTypeOfService(16.0):getTypeOfService())
    assert.equal("integer", math.type(socket:getTypeOfService()))
    drop(t, socket, peer)
  end))

  it("keeps the wish after destroy(), and takes new ones", within(function(t)
    local socket, peer = pair()
    socket:setTypeOfService(16):destroy()
    assert.equal(16, socket:getTypeOfService())
    assert.equal(8, socket:setTypeOfService(8):getTypeOfService())
    drop(t, peer)
  end))

  it("works over IPv6", within(function(t)
    local server = net.createServer():listen(0, "::1")
    wait(function() return server.listening end)
    server:on("connection", function(peer) peer:resume() server:close() end)
    local socket = net.connect({ port = server:address().port, host = "::1", typeOfService = 16 })
    wait_for(socket, "connect")
    assert.equal(16, socket:getTypeOfService())
    socket:finish()
    t.run()
  end))

  it("of a Unix socket is remembered only", within(function(t)
    local socket, peer = pair({ unix = true })
    assert.equal(0, socket:getTypeOfService())
    assert.equal(8, socket:setTypeOfService(8):getTypeOfService())
    drop(t, socket, peer)
  end))

  it("as an option of a Unix socket does no harm", within(function(t)
    local socket, peer = pair({ unix = true, client = { typeOfService = 16, noDelay = true,
      keepAlive = true } })
    assert.is_false(socket.destroyed)
    drop(t, socket, peer)
  end))
end)

describe("unref()", function()
  it("lets the loop end though the socket is open; ref() holds it again", within(function(t)
    local socket, peer = pair()
    peer:unref()
    assert.is_true(net.run("nowait"))
    assert.equal(socket, socket:unref())
    net.run("nowait") -- what closing the server has left
    assert.is_false(net.run("nowait"))
    assert.equal(socket, socket:ref())
    assert.is_true(net.run("nowait"))
    drop(t, socket, peer)
  end))

  it("twice is as once", within(function(t)
    local socket, peer = pair()
    peer:unref()
    socket:unref():unref()
    net.run("nowait")
    assert.is_false(net.run("nowait"))
    assert.is_true(socket:ref() and net.run("nowait"))
    drop(t, socket, peer)
  end))

  it("before connect() takes effect with 'connect'", within(function(t)
    local server, where = sockets.listen()
    local peer
    server:on("connection", function(s) peer = s:unref() server:close() end)
    server:unref()
    local socket = net.Socket():unref()
    socket:on("connect", t.calls(1))
    socket:connect(where)
    t.run()
    assert.same({ false, false }, { socket.connecting, socket.destroyed })
    wait(function() return peer end)
    drop(t, socket, peer)
  end))

  it("while connecting does not keep it from being connected", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", function(peer) peer:unref() end)
    server:unref()
    local socket = net.connect(where):unref()
    socket:on("connect", t.calls(1))
    t.run()
    socket:destroy()
    server:ref():close()
  end))

  it("of an unref'd socket still lets data through while something else runs", within(function(t)
    local socket, peer = pair()
    socket:unref()
    peer:write("x")
    assert.equal("x", wait_for(socket, "data"))
    drop(t, socket, peer)
  end))

  for name, act in pairs({
    ["paused"] = function(socket) socket:pause() end,
    ["ended by itself"] = function(socket) socket:finish() end,
    ["idle"] = function() end,
  }) do
    it("is needed: a socket that is " .. name .. " holds the loop", within(function(t)
      local socket, peer = pair({ server = { allowHalfOpen = true } })
      peer:unref()
      act(socket)
      settle()
      assert.is_true(net.run("nowait"))
      drop(t, socket, peer)
    end))
  end

  it("waits for what is being written all the same", within(function(t)
    local socket, peer = pair()
    local total = sockets.fill(socket)
    socket:unref()
    peer:unref():resume()
    t.run()
    assert.same({ 0, total }, { socket.writableLength, socket.bytesWritten })
    drop(t, socket, peer)
  end))

  it("lets a program end by itself", function()
    local result = lua.run({ script = [[
      local net = require("net")
      local server = net.createServer()
      server:on("connection", function(peer)
        peer:unref()
        peer:write("hello")
      end)
      server:listen(0, "127.0.0.1", function()
        local socket = net.connect(server:address().port, "127.0.0.1")
        socket:on("data", function(chunk)
          print(chunk)
          socket:unref()
          server:unref()
        end)
        socket:on("close", function() print("closed") end)
      end)
      net.run()
      print("over")
    ]] })
    assert.same({ 0, "hello\nover\n", "" }, { result.code, result.stdout, result.stderr })
  end)

  it("lets a program end by itself under luanet, with a timeout set", function()
    local result = lua.run({ file = "bin/luanet", args = { "-e", [[
      local net = require("net")
      local server = net.createServer(function(peer) peer:unref() end)
      server:listen(0, "127.0.0.1", function()
        local socket = net.connect(server:address().port, "127.0.0.1", function() print("connected") end)
        socket:unref()
        socket:setTimeout(1e6)
        server:unref()
      end)
    ]] } })
    assert.same({ 0, "connected\n", "" }, { result.code, result.stdout, result.stderr })
  end)
end)

describe("option signal", function()
  it("destroys an open socket with an AbortError", within(function(t)
    local controller = abort.AbortController()
    local socket, peer = pair({ client = { signal = controller.signal } })
    local seen = trace(socket)
    controller:abort()
    assert.is_true(socket.destroyed)
    local err = wait_for(socket, "error")
    assert.same({ "AbortError", "ABORT_ERR", "The operation was aborted" },
      { err.name, err.code, err.message })
    assert.equal("AbortError: The operation was aborted", tostring(err))
    assert.equal(controller.signal.reason, err.cause)
    drop(t, peer)
    assert.same({ "error ABORT_ERR", "close true" }, seen)
  end))

  it("has the reason that abort() was given as the cause", within(function(t)
    local controller = abort.AbortController()
    local socket, peer = pair({ client = { signal = controller.signal } })
    controller:abort("because")
    assert.equal("because", wait_for(socket, "error").cause)
    drop(t, peer)
  end))

  it("stops a connecting socket", within(function(t)
    local controller = abort.AbortController()
    local server, where = sockets.listen()
    server:on("connection", t.calls(0))
    where.signal = controller.signal
    local socket = net.connect(where)
    local seen = trace(socket)
    controller:abort()
    wait_for(socket, "close")
    server:close()
    t.run()
    assert.same({ "error ABORT_ERR", "close true" }, seen)
  end))

  it("already aborted: 'error' and 'close', and it never connects", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", t.calls(0))
    where.signal = abort.AbortSignal.abort and abort.AbortSignal.abort()
    if not where.signal then
      local controller = abort.AbortController()
      controller:abort()
      where.signal = controller.signal
    end
    local socket = net.connect(where)
    local seen = trace(socket)
    wait_for(socket, "close")
    settle()
    server:close()
    t.run()
    assert.same({ "error ABORT_ERR" }, { seen[1] })
    assert.equal(2, #seen)
    assert.is_true(socket.destroyed)
  end))

  it("of a new socket that is already aborted: the same", within(function(t)
    local controller = abort.AbortController()
    controller:abort()
    local socket = net.Socket({ signal = controller.signal })
    local seen = trace(socket)
    t.run()
    assert.same({ "error ABORT_ERR", "close" }, seen)
  end))

  it("does nothing after 'close'", within(function(t)
    local controller = abort.AbortController()
    local socket, peer = pair({ client = { signal = controller.signal } })
    socket:on("error", t.calls(0))
    drop(t, socket, peer)
    controller:abort()
    t.run()
    assert.is_nil(socket.errored)
  end))

  it("twice is as once", within(function(t)
    local controller = abort.AbortController()
    local socket, peer = pair({ client = { signal = controller.signal } })
    socket:on("error", t.calls(1))
    controller:abort()
    controller:abort()
    drop(t, peer)
  end))

  it("lets go of the socket when it is closed", within(function(t)
    local controller = abort.AbortController()
    local weak = setmetatable({}, { __mode = "k" })
    local socket, peer = pair({ client = { signal = controller.signal } })
    weak[socket] = true
    drop(t, socket, peer)
    socket, peer = nil, nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
    controller:abort()
  end))
end)

describe("option fd", function()
  local helper

  setup(function()
    helper = os.tmpname()
    local cc = os.getenv("CC") or "cc"
    assert(os.execute(("%s -o %s -x c spec/support/fds.c"):format(cc, helper)))
  end)

  teardown(function()
    os.remove(helper)
  end)

  --- Runs a script that has inherited descriptors (spec/support/fds.c); returns
  --- what it prints.
  local function with_descriptors(script)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write([[
      local net = require("net")
      local function follow(name, socket)
        for _, event in ipairs({ "data", "end", "finish", "error", "close" }) do
          socket:on(event, function(arg) print(name, event, tostring(arg)) end)
        end
        return socket
      end
      local function try(...)
        local ok, err = pcall(net.Socket, ...)
        print(ok or tostring(err))
        return ok and err
      end
    ]] .. script .. "\nnet.run()")
    file:close()
    local result = lua.run({ program = helper, args = { lua.command, path } })
    os.remove(path)
    assert.same({ 0, "" }, { result.code, result.stderr })
    return result.stdout
  end

  --- The same, sorted by what comes before the first tab: each object's own order.
  local function by_name(text)
    local names, lines = {}, {}
    for line in text:gmatch("[^\n]+") do
      local name = line:match("^[^\t]*")
      if not lines[name] then
        lines[name] = {}
        names[#names + 1] = name
      end
      table.insert(lines[name], line)
    end
    table.sort(names)
    local all = {}
    for _, name in ipairs(names) do
      all[#all + 1] = table.concat(lines[name], "\n")
    end
    return table.concat(all, "\n")
  end

  for name, fds in pairs({ ["a Unix socket"] = "10, 11", ["a TCP socket"] = "12, 13" }) do
    it("makes an open socket of " .. name, function()
      local out = with_descriptors([[
        local a, b = ]] .. fds .. [[

        a, b = follow("a", net.Socket({ fd = a })), follow("b", net.Socket(b))
        print(a.pending, a.connecting, a.readyState, a.readable, a.writable)
        a:write("hello")
        b:finish("bye")
      ]])
      assert.equal(table.concat({
        "a\tdata\tbye", "a\tend\tnil", "a\tfinish\tnil", "a\tclose\tfalse",
        "b\tfinish\tnil", "b\tdata\thello", "b\tend\tnil", "b\tclose\tfalse",
        "false\tfalse\topen\ttrue\ttrue",
      }, "\n"):gsub("b\tfinish\tnil\n", ""), (by_name(out):gsub("b\tfinish\tnil\n", "")))
    end)
  end

  it("knows the addresses of a TCP socket", function()
    local out = with_descriptors([[
      local a, b = net.Socket(12), net.Socket(13)
      print(a.localAddress, a.remoteAddress, a.localPort == b.remotePort, a:address().family)
      a:destroy() b:destroy()
    ]])
    assert.equal("127.0.0.1\t127.0.0.1\ttrue\tIPv4\n", out)
  end)

  it("with readable = false never reads", function()
    local out = with_descriptors([[
      local a, b = net.Socket({ fd = 10, readable = false }), follow("b", net.Socket(11))
      follow("a", a)
      print(a.readable, a.writable, a.readyState)
      a:finish("to b")
    ]])
    assert.equal(table.concat({
      "a\tfinish\tnil", "a\tclose\tfalse",
      "b\tdata\tto b", "b\tend\tnil", "b\tfinish\tnil", "b\tclose\tfalse",
      "false\ttrue\twriteOnly",
    }, "\n"), by_name(out))
  end)

  it("with writable = false has no writing side", function()
    local out = with_descriptors([[
      local a, b = net.Socket({ fd = 10, writable = false }), net.Socket(11)
      print(a.readable, a.writable, a.readyState)
      follow("a", a)
      b:finish("to a")
    ]])
    assert.equal("a\tdata\tto a\na\tend\tnil\na\tclose\tfalse\nfalse", (by_name(out)
      :gsub("true\tfalse\treadOnly", "false")))
  end)

  it("takes pipes: one end to read, one to write", function()
    local out = with_descriptors([[
      local r = follow("r", net.Socket({ fd = 14, writable = false }))
      local w = follow("w", net.Socket({ fd = 15, readable = false }))
      w:on("data", print)
      w:finish("through the pipe")
    ]])
    assert.equal(table.concat({
      "r\tdata\tthrough the pipe", "r\tend\tnil", "r\tclose\tfalse", "w\tfinish\tnil",
      "w\tclose\tfalse",
    }, "\n"), by_name(out))
  end)

  for fd, case in pairs({
    [16] = { "a UDP socket", "UDP" }, [17] = { "a Unix datagram socket", "UNKNOWN" },
    [19] = { "a file", "FILE" }, [20] = { "a folder", "UNKNOWN" },
    [22] = { "a closed descriptor", "UNKNOWN" },
  }) do
    it("refuses " .. case[1], function()
      local out = with_descriptors(("try({ fd = %d })\ntry(%d)"):format(fd, fd))
      local line = "TypeError [ERR_INVALID_FD_TYPE]: Unsupported fd type: " .. case[2] .. "\n"
      assert.equal(line .. line, out)
    end)
  end

  it("leaves a refused descriptor open", function()
    local out = with_descriptors([[
      try({ fd = 19 })
      print(io.open("/dev/fd/19") ~= nil)
    ]])
    assert.is_truthy(out:find("\ntrue\n$"))
  end)

  it("refuses a descriptor that a socket has already", function()
    local out = with_descriptors([[
      local a = net.Socket(10)
      try(10)
      a:destroy()
      net.Socket(11):destroy()
    ]])
    assert.equal("Error: open EEXIST\n", out)
  end)

  it("refuses a descriptor that a server has already, and the reverse", function()
    local out = with_descriptors([[
      local server = net.createServer()
      server:listen({ fd = 18 }, function()
        try(18)
        local other = net.createServer():listen({ fd = 18 })
        other:on("error", function(err) print(err) end)
        local a = net.Socket(10)
        net.createServer():listen({ fd = 10 }):on("error", function(err)
          print(err)
          a:destroy()
        end)
        server:close()
      end)
    ]])
    assert.equal("Error: open EEXIST\nError: listen EEXIST: file already exists\n" ..
      "Error: listen EEXIST: file already exists\n", out)
  end)

  it("of a socket that is not connected opens, and fails when used", function()
    local out = with_descriptors([[
      local a = follow("a", net.Socket(21))
      a:write("x", function(err) print("callback", err.code) end)
    ]])
    assert.equal("a\terror\tError: write EPIPE\na\tclose\ttrue\ncallback\tEPIPE", by_name(out))
  end)

  it("closes the descriptor with the socket", function()
    local out = with_descriptors([[
      local a = net.Socket(10)
      a:destroy()
      try(10)
    ]])
    assert.equal("TypeError [ERR_INVALID_FD_TYPE]: Unsupported fd type: UNKNOWN\n", out)
  end)

  it("makes the descriptor close-on-exec and non-blocking", function()
    local out = with_descriptors([[
      local a = net.Socket(10)
      local flags = tonumber(io.open("/proc/self/fdinfo/10"):read("a"):match("flags:%s*(%d+)"), 8)
      print(flags & tonumber("2000000", 8) ~= 0, flags & tonumber("4000", 8) ~= 0)
      a:destroy()
    ]])
    assert.equal("true\ttrue\n", out)
  end)
end)

describe("a bad call", function()
  it("leaves the socket usable", within(function(t)
    local socket, peer = pair()
    for _, call in ipairs({
      function() socket:write(5) end, function() socket:setEncoding("nope") end,
      function() socket:setTimeout(-1) end, function() socket:setTypeOfService(-1) end,
      function() socket.bytesRead = 1 end, function() socket:on("data") end,
      function() socket:setDefaultEncoding("x") end,
    }) do
      assert.equal("table", type(raised(call)))
    end
    assert.equal("TypeError ERR_INVALID_ARG_TYPE", kind(raised(socket.on, socket, "data")))
    peer:write("x")
    assert.equal("x", wait_for(socket, "data"))
    drop(t, socket, peer)
  end))
end)
