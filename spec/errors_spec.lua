-- SPDX-License-Identifier: MIT

--- The texts are Node 26's, taken from it for the same values.

local core = require("net.core")
local errors = require("net.internal.errors")
local net = require("net")
local process = require("net.process")

local codes = errors.codes

local function class(name)
  return setmetatable({}, { __name = name })
end

--- Checks that errors[code](...) reads as Node's does.
local function reads(expected, code, ...)
  local e = codes[code](...)
  assert.equal(expected, tostring(e))
  assert.equal(code, e.code)
  assert.is_true(errors.is_error(e))
  return e
end

--- The error that a call raises.
local function raised(...)
  local ok, e = pcall(...)
  assert.is_false(ok)
  return e
end

describe("an error value", function()
  it("is a table under the one metatable", function()
    local e = errors.new("Error", "no", "ECODE", { syscall = "read" })
    assert.equal(core.error_metatable, getmetatable(e))
    assert.equal("Error", getmetatable(e).__name)
    assert.same({ name = "Error", message = "no", code = "ECODE", syscall = "read" }, e)
  end)

  it("reads as name and message", function()
    assert.equal("Error: no", tostring(errors.new("Error", "no")))
    assert.equal("Error: no", tostring(errors.new("Error", "no", "EPIPE")))
    assert.equal("AbortError: no", tostring(errors.new("AbortError", "no", "ABORT_ERR")))
  end)

  it("shows a code of Node's in brackets", function()
    assert.equal("TypeError [ERR_X]: no", tostring(errors.new("TypeError", "no", "ERR_X")))
  end)

  it("shows no brackets for ERR_INVALID_ADDRESS, which Node makes in C++", function()
    assert.equal("Error: Invalid socket address", tostring(codes.ERR_INVALID_ADDRESS()))
  end)

  it("reads as its name alone when the message is empty", function()
    assert.equal("AggregateError", tostring(errors.new("AggregateError", "")))
    assert.equal("TypeError", tostring(errors.new("TypeError", "", "ERR_X")))
  end)

  it("can be shown whatever its owner did to it", function()
    local e = errors.new("Error", "no", "ERR_X")
    e.name, e.message, e.code = {}, e, 7
    assert.equal("Error", tostring(e))
    e.message = "no\0way"
    assert.equal("Error: no\0way", tostring(e))
    assert.equal("Error", tostring(setmetatable({}, core.error_metatable)))
  end)

  it("is told from other values by is_error", function()
    assert.is_true(errors.is_error(codes.ERR_SOCKET_CLOSED()))
    for _, v in ipairs({ {}, "Error", 1, io.stdout, setmetatable({}, {}) }) do
      assert.is_false(errors.is_error(v))
    end
    assert.is_false(errors.is_error(nil))
  end)

  it("has a tostring that refuses what is no table", function()
    assert.has_error(function() core.error_metatable.__tostring(1) end)
    assert.has_error(function() core.error_metatable.__tostring() end)
  end)
end)

describe("a system error", function()
  it("names the call and the error", function()
    local e = errors.system(-104, "read")
    assert.equal("Error: read ECONNRESET", tostring(e))
    assert.same({ name = "Error", message = "read ECONNRESET", errno = -104, code = "ECONNRESET",
      syscall = "read" }, e)
    assert.equal("integer", math.type(e.errno))
  end)

  it("names address and port", function()
    local e = errors.system(-111, "connect", "127.0.0.1", 80)
    assert.equal("connect ECONNREFUSED 127.0.0.1:80", e.message)
    assert.equal("127.0.0.1", e.address)
    assert.equal(80, e.port)
    assert.equal("connect ECONNREFUSED ::1:80", errors.system(-111, "connect", "::1", 80).message)
  end)

  it("leaves a port of 0 out", function()
    local e = errors.system(-22, "bind", "::1", 0)
    assert.equal("bind EINVAL ::1", e.message)
    assert.is_nil(e.port)
  end)

  it("names a path", function()
    local e = errors.system(-2, "connect", "/no/such")
    assert.equal("connect ENOENT /no/such", e.message)
    assert.equal("/no/such", e.address)
    assert.is_nil(e.port)
  end)

  it("keeps the NUL of an abstract name", function()
    assert.equal("connect ECONNREFUSED \0name", errors.system(-111, "connect", "\0name").message)
  end)

  it("has no blank behind it for an empty address", function()
    assert.equal("connect ECONNREFUSED", errors.system(-111, "connect", "").message)
  end)

  it("ends with the local side, when that is given", function()
    local e = errors.system(-111, "connect", "127.0.0.1", 80, "0.0.0.0:0")
    assert.equal("connect ECONNREFUSED 127.0.0.1:80 - Local (0.0.0.0:0)", e.message)
  end)

  it("can be asked for by name", function()
    local e = errors.system("ETIMEDOUT", "connect", "10.0.0.1", 1)
    assert.equal(core.errnum("ETIMEDOUT"), e.errno)
    assert.equal("connect ETIMEDOUT 10.0.0.1:1", e.message)
    assert.has_error(function() errors.system("ENOSUCHERROR", "read") end)
  end)

  it("of listen carries the description", function()
    local e = errors.listen(-98, "::", 80)
    assert.equal("listen EADDRINUSE: address already in use :::80", e.message)
    assert.same({ name = "Error", message = e.message, errno = -98, code = "EADDRINUSE",
      syscall = "listen", address = "::", port = 80 }, e)
    assert.equal("listen EACCES: permission denied 0.0.0.0", errors.listen(-13, "0.0.0.0", 0).message)
    assert.equal("listen EINVAL: invalid argument", errors.listen("EINVAL").message)
  end)

  it("of listen on a path has port -1, in the field only", function()
    local e = errors.listen("EADDRINUSE", "/path", -1)
    assert.equal("listen EADDRINUSE: address already in use /path", e.message)
    assert.equal(-1, e.port)
  end)

  it("of a look-up names the host", function()
    local e = errors.lookup(-3008, "nowhere.invalid")
    assert.equal("Error: getaddrinfo ENOTFOUND nowhere.invalid", tostring(e))
    assert.same({ name = "Error", message = e.message, errno = -3008, code = "ENOTFOUND",
      syscall = "getaddrinfo", hostname = "nowhere.invalid" }, e)
    assert.equal("getaddrinfo ENOTFOUND h", errors.lookup(-3007, "h").message)
    assert.equal("getaddrinfo EAI_AGAIN", errors.lookup("EAI_AGAIN").message)
  end)

  it("without a name is UNKNOWN", function()
    assert.equal("read UNKNOWN", errors.system(-9999, "read").message)
    assert.equal("listen UNKNOWN: unknown error /x", errors.listen(-9999, "/x", -1).message)
  end)

  it("wants a number and the name of a call", function()
    assert.has_error(function() core.errno_error() end)
    assert.has_error(function() core.errno_error("x", "read") end)
    assert.has_error(function() core.errno_error(-1) end)
    assert.has_error(function() core.errno_error(-1, "read", {}) end)
    assert.has_error(function() core.errno_error(-1, "read", nil, "x") end)
  end)
end)

describe("errname, errtext and errnum", function()
  local LINUX = {
    { -1, "EPERM", "operation not permitted" },
    { -2, "ENOENT", "no such file or directory" },
    { -11, "EAGAIN", "resource temporarily unavailable" },
    { -13, "EACCES", "permission denied" },
    { -22, "EINVAL", "invalid argument" },
    { -24, "EMFILE", "too many open files" },
    { -32, "EPIPE", "broken pipe" },
    { -88, "ENOTSOCK", "socket operation on non-socket" },
    { -95, "ENOTSUP", "operation not supported on socket" },
    { -97, "EAFNOSUPPORT", "address family not supported" },
    { -98, "EADDRINUSE", "address already in use" },
    { -99, "EADDRNOTAVAIL", "address not available" },
    { -101, "ENETUNREACH", "network is unreachable" },
    { -104, "ECONNRESET", "connection reset by peer" },
    { -105, "ENOBUFS", "no buffer space available" },
    { -110, "ETIMEDOUT", "connection timed out" },
    { -111, "ECONNREFUSED", "connection refused" },
    { -113, "EHOSTUNREACH", "host is unreachable" },
    { -114, "EALREADY", "connection already in progress" },
    { -121, "EREMOTEIO", "remote I/O error" },
    { -125, "ECANCELED", "operation canceled" },
  }
  local RESOLVER = {
    { -3000, "EAI_ADDRFAMILY", "address family not supported" },
    { -3001, "EAI_AGAIN", "temporary failure" },
    { -3002, "EAI_BADFLAGS", "bad ai_flags value" },
    { -3003, "EAI_CANCELED", "request canceled" },
    { -3004, "EAI_FAIL", "permanent failure" },
    { -3005, "EAI_FAMILY", "ai_family not supported" },
    { -3006, "EAI_MEMORY", "out of memory" },
    { -3008, "ENOTFOUND", "unknown node or service" },
    { -3009, "EAI_OVERFLOW", "argument buffer overflow" },
    { -3010, "EAI_SERVICE", "service not available for socket type" },
    { -3011, "EAI_SOCKTYPE", "socket type not supported" },
    { -3013, "EAI_BADHINTS", "invalid value for hints" },
    { -3014, "EAI_PROTOCOL", "resolved protocol is unknown" },
  }

  local function agree(rows)
    for _, row in ipairs(rows) do
      assert.equal(row[2], core.errname(row[1]))
      assert.equal(row[3], core.errtext(row[1]))
      assert.equal(row[1], core.errnum(row[2]))
    end
  end

  it("know libuv's names and texts by Linux's numbers", function()
    if core.errnum("EADDRINUSE") == -98 then
      agree(LINUX)
    end
  end)

  it("know the resolver's, with Node's ENOTFOUND for both that mean it", function()
    agree(RESOLVER)
    assert.equal("ENOTFOUND", core.errname(-3007))
  end)

  it("use the system's text where libuv has none", function()
    assert.equal("EINPROGRESS", core.errname(core.errnum("EINPROGRESS")))
    assert.is_truthy(#core.errtext(core.errnum("EINPROGRESS")) > 0)
  end)

  it("have an answer for what is unknown", function()
    for _, n in ipairs({ 0, 1, 98, -9999, -3012, -4000, -2147483647 }) do
      assert.equal("UNKNOWN", core.errname(n))
      assert.equal("unknown error", core.errtext(n))
    end
    assert.is_nil(core.errnum("ENOSUCHERROR"))
    assert.is_nil(core.errnum(""))
  end)

  it("refuse what is no number or name", function()
    assert.has_error(function() core.errname("EPIPE") end)
    assert.has_error(function() core.errtext() end)
    assert.has_error(function() core.errnum() end)
  end)
end)

describe("ERR_INVALID_ARG_TYPE", function()
  local code = "ERR_INVALID_ARG_TYPE"

  it("speaks of an argument, or of a property where the name has a dot", function()
    reads('TypeError [ERR_INVALID_ARG_TYPE]: The "listener" argument must be of type function. '
      .. "Received nil", code, "listener", "function", nil)
    reads('TypeError [ERR_INVALID_ARG_TYPE]: The "options.fd" property must be of type number. '
      .. "Received type boolean (true)", code, "options.fd", "number", true)
    reads("TypeError [ERR_INVALID_ARG_TYPE]: The first argument must be of type function. "
      .. "Received type number (1)", code, "first argument", "function", 1)
  end)

  it("lists types, classes and other wishes as Node does", function()
    local function must(text, expected)
      reads('TypeError [ERR_INVALID_ARG_TYPE]: The "x" argument must be ' .. text
        .. ". Received type number (1.5)", code, "x", expected, 1.5)
    end
    must("one of type number or string", { "number", "string" })
    must("of type string or an instance of Buffer, TypedArray, or DataView",
      { "string", "Buffer", "TypedArray", "DataView" })
    must("an instance of AbortSignal", "AbortSignal")
    must("of type object", "Object")
    must("of type function", "Function")
    must("an net.BlockList", "net.BlockList")
    must("of type string or string[]", { "string", "string[]" })
    must("of type string or an instance of AbortSignal or Object or an net.X",
      { "string", "Object", "net.X", "AbortSignal" })
    must("one of a, b, or c", { "a", "b", "c" })
    must("of type boolean or b", { "boolean", "b" })
  end)

  it("takes a whole wording as it is", function()
    for _, wording in ipairs({ "of type string or an instance of Buffer, TypedArray, or DataView",
      "one of type number or string", "an instance of AbortSignal", "a dictionary" }) do
      reads('TypeError [ERR_INVALID_ARG_TYPE]: The "x" argument must be ' .. wording
        .. ". Received nil", code, "x", wording, nil)
    end
  end)

  it("tells JSON's null from nil when the caller does", function()
    reads('TypeError [ERR_INVALID_ARG_TYPE]: The "options.port" property must be one of type number '
      .. "or string. Received null", code, "options.port", { "number", "string" }, nil, true)
  end)
end)

describe("errors.received", function()
  it("names the type, and shows what is short", function()
    for _, case in ipairs({
      { 1.5, "type number (1.5)" }, { 80.0, "type number (80)" }, { -0.0, "type number (-0)" },
      { 0 / 0, "type number (NaN)" }, { -math.huge, "type number (-Infinity)" },
      { true, "type boolean (true)" }, { false, "type boolean (false)" },
      { {}, "an instance of Object" }, { { a = 1 }, "an instance of Object" },
      { { 1 }, "an instance of Array" }, { { [2] = 1 }, "an instance of Object" },
      { class("Socket"), "an instance of Socket" }, { io.stdout, "an instance of FILE*" },
      { codes.ERR_SOCKET_CLOSED(), "an instance of Error" },
      { codes.ERR_UNKNOWN_ENCODING("x"), "an instance of TypeError" },
      { setmetatable({}, { __metatable = "hidden" }), "an instance of Object" },
      { print, "function print" }, { function() end, "function " },
      { coroutine.create(print), "an instance of Coroutine" },
    }) do
      assert.equal(case[2], errors.received(case[1]))
    end
  end)

  it("says nil, or null when told so", function()
    assert.equal("nil", errors.received(nil))
    assert.equal("null", errors.received(nil, true))
  end)

  it("cuts a string that is longer than 28 characters", function()
    local x = ("x"):rep(28)
    assert.equal("type string ('" .. x .. "')", errors.received(x))
    assert.equal("type string ('" .. ("x"):rep(25) .. "...')", errors.received(x .. "x"))
    assert.equal("type string ('" .. ("日"):rep(28) .. "')", errors.received(("日"):rep(28)))
    assert.equal("type string ('" .. ("日"):rep(25) .. "...')", errors.received(("日"):rep(29)))
  end)

  it("quotes as JSON what holds a single quote, and nothing else", function()
    assert.equal("type string ('a\n\"b\"')", errors.received('a\n"b"'))
    assert.equal('type string ("it\'s\\u0007\\n\\"\\\\ é\127")', errors.received("it's\a\n\"\\ é\127"))
  end)
end)

describe("ERR_INVALID_ARG_VALUE", function()
  local code = "ERR_INVALID_ARG_VALUE"

  it("shows the value as inspected", function()
    reads("TypeError [ERR_INVALID_ARG_VALUE]: The argument 'a' is invalid. Received \"it's\\x00\"",
      code, "a", "it's\0")
    reads("TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.a' must be good. Received -0",
      code, "options.a", -0.0, "must be good")
    reads("TypeError [ERR_INVALID_ARG_VALUE]: The argument 'options' is invalid. "
      .. "Received { a: { b: { c: [Object] } }, port: true }",
      code, "options", { port = true, a = { b = { c = { d = 1 } } } })
  end)

  it("cuts it after 128 characters", function()
    reads("TypeError [ERR_INVALID_ARG_VALUE]: The argument 'a' is invalid. Received '"
      .. ("x"):rep(127) .. "...", code, "a", ("x"):rep(200))
  end)
end)

describe("ERR_OUT_OF_RANGE", function()
  local function received(text, value)
    reads('RangeError [ERR_OUT_OF_RANGE]: The value of "fd" is out of range. '
      .. "It must be >= 1 && <= 2. Received " .. text, "ERR_OUT_OF_RANGE", "fd", ">= 1 && <= 2", value)
  end

  it("shows the value as inspected", function()
    received("1.5", 1.5)
    received("NaN", 0 / 0)
    received("-Infinity", -math.huge)
    received("'abc'", "abc")
  end)

  it("groups the digits of integers beyond 2^32 only", function()
    received("4294967296", 4294967296)
    received("4_294_967_297", 4294967297)
    received("-4_294_967_297", -4294967297)
    received("4_294_967_297", 4294967297.0)
    received("100_000_000_000_000_000_000", 1e20)
    received("123_456_789_012", 123456789012)
    received("1e_+21", 1e21) -- as Node has it
    received("-9_223_372_036_854_775_808", math.mininteger)
  end)
end)

describe("the other codes", function()
  it("read as in Node", function()
    local cases = {
      { "TypeError", "ERR_MISSING_ARGS",
        'The "options" or "port" or "path" argument must be specified', { "options", "port", "path" } },
      { "TypeError", "ERR_MISSING_ARGS", 'The "a" argument must be specified', "a" },
      { "TypeError", "ERR_MISSING_ARGS", 'The "a" and "b" arguments must be specified', "a", "b" },
      { "TypeError", "ERR_MISSING_ARGS", 'The "a", "b", and "c" arguments must be specified',
        "a", "b", "c" },
      { "RangeError", "ERR_SOCKET_BAD_PORT",
        "Port should be >= 0 and < 65536. Received type number (-1).", "Port", -1 },
      { "RangeError", "ERR_SOCKET_BAD_PORT",
        "options.port should be > 0 and < 65536. Received type string ('').", "options.port", "", false },
      { "TypeError", "ERR_INVALID_IP_ADDRESS", "Invalid IP address: nil" },
      { "TypeError", "ERR_INVALID_IP_ADDRESS", "Invalid IP address: 1%2", "1%2" },
      { "TypeError", "ERR_INVALID_IP_ADDRESS", "Invalid IP address: { a: [Object] }", { a = { b = 1 } } },
      { "TypeError", "ERR_INVALID_FD_TYPE", "Unsupported fd type: FILE", "FILE" },
      { "TypeError", "ERR_INVALID_HANDLE_TYPE", "This handle type cannot be sent" },
      { "TypeError", "ERR_INVALID_THIS", 'Value of "this" must be of type BlockList', "BlockList" },
      { "Error", "ERR_SERVER_ALREADY_LISTEN",
        "Listen method has been called more than once without closing." },
      { "Error", "ERR_SERVER_NOT_RUNNING", "Server is not running." },
      { "Error", "ERR_SOCKET_CLOSED", "Socket is closed" },
      { "Error", "ERR_SOCKET_CLOSED_BEFORE_CONNECTION",
        "Socket closed before the connection was established" },
      { "Error", "ERR_SOCKET_CONNECTION_TIMEOUT", "Socket connection timeout" },
      { "Error", "ERR_SOCKET_HANDLE_ADOPTED",
        "The bound socket has already been adopted by a server or socket" },
      { "Error", "ERR_IP_BLOCKED", "IP(1.1.1.1) is blocked by net.BlockList", "1.1.1.1" },
      { "Error", "ERR_STREAM_WRITE_AFTER_END", "write after end" },
      { "Error", "ERR_STREAM_DESTROYED", "Cannot call write after a stream was destroyed", "write" },
      { "Error", "ERR_STREAM_ALREADY_FINISHED", "Cannot call end after a stream was finished", "end" },
      { "TypeError", "ERR_STREAM_NULL_VALUES", "May not write nil values to stream" },
      { "Error", "ERR_STREAM_PUSH_AFTER_EOF", "stream.push() after EOF" },
      { "Error", "ERR_STREAM_UNSHIFT_AFTER_END_EVENT", "stream.unshift() after end event" },
      { "Error", "ERR_STREAM_PREMATURE_CLOSE", "Premature close" },
      { "Error", "ERR_STREAM_CANNOT_PIPE", "Cannot pipe, not readable" },
      { "Error", "ERR_STREAM_UNABLE_TO_PIPE", "Cannot pipe to a closed or destroyed stream" },
      { "TypeError", "ERR_UNKNOWN_ENCODING", "Unknown encoding: zz", "zz" },
      { "TypeError", "ERR_UNKNOWN_SIGNAL", "Unknown signal: SIGX", "SIGX" },
      { "Error", "ERR_INVALID_STATE", "Invalid state: bad", "bad" },
      { "Error", "ERR_METHOD_NOT_IMPLEMENTED", "The _read() method is not implemented", "_read()" },
      { "Error", "ERR_MULTIPLE_CALLBACK", "Callback called multiple times" },
      { "TypeError", "ERR_ILLEGAL_CONSTRUCTOR", "Illegal constructor" },
    }
    for _, case in ipairs(cases) do
      local expected = ("%s [%s]: %s"):format(case[1], case[2], case[3])
      local e = reads(expected, case[2], table.unpack(case, 4))
      assert.equal(case[1], e.name)
    end
  end)

  it("give ERR_INVALID_ADDRESS_FAMILY its host and port", function()
    local e = reads("RangeError [ERR_INVALID_ADDRESS_FAMILY]: Invalid address family: 7 localhost:80",
      "ERR_INVALID_ADDRESS_FAMILY", 7, "localhost", 80)
    assert.equal("localhost", e.host)
    assert.equal(80, e.port)
  end)

  it("give ERR_UNHANDLED_ERROR the value as its context", function()
    local value = { a = 1 }
    local e = reads("Error [ERR_UNHANDLED_ERROR]: Unhandled error. ({ a: 1 })",
      "ERR_UNHANDLED_ERROR", value)
    assert.equal(value, e.context)
    reads("Error [ERR_UNHANDLED_ERROR]: Unhandled error. ('str')", "ERR_UNHANDLED_ERROR", "str")
    reads("Error [ERR_UNHANDLED_ERROR]: Unhandled error. (nil)", "ERR_UNHANDLED_ERROR", nil)
  end)

  it("include EPIPE as a sentence, without errno", function()
    local e = codes.EPIPE()
    assert.equal("Error: This socket has been ended by the other party", tostring(e))
    assert.equal("EPIPE", e.code)
    assert.is_nil(e.errno)
  end)
end)

describe("codes.TypeError", function()
  it("is JavaScript's own, without a code", function()
    local e = codes.TypeError("Cannot set property")
    assert.equal("TypeError: Cannot set property", tostring(e))
    assert.is_nil(e.code)
  end)
end)

describe("an AbortError", function()
  it("carries the reason as its cause", function()
    local e = errors.abort("why")
    assert.equal("AbortError: The operation was aborted", tostring(e))
    assert.same({ name = "AbortError", message = "The operation was aborted", code = "ABORT_ERR",
      cause = "why" }, e)
    assert.is_nil(errors.abort().cause)
    assert.is_false(errors.abort(false).cause)
  end)
end)

describe("an AggregateError", function()
  it("has no text, and the code of the first error", function()
    local list = { errors.system(-111, "connect"), errors.system(-110, "connect") }
    local e = errors.aggregate(list)
    assert.equal("AggregateError", tostring(e))
    assert.equal("", e.message)
    assert.equal("ECONNREFUSED", e.code)
    assert.equal(list, e.errors)
  end)

  it("shows no code in brackets, even with a text", function()
    local e = errors.aggregate({ codes.ERR_IP_BLOCKED("::1") }, "two failed")
    assert.equal("ERR_IP_BLOCKED", e.code)
    assert.equal("AggregateError: two failed", tostring(e))
  end)

  it("takes a list with no error first", function()
    assert.is_nil(errors.aggregate({}).code)
    assert.is_nil(errors.aggregate({ "text" }).code)
  end)
end)

describe("errors.raise", function()
  local function misuse(level)
    errors.raise("ERR_UNKNOWN_ENCODING", level, "zz")
    return "not a tail call"
  end

  local function user(level)
    local done = misuse(level)
    return done
  end

  --- The first line of the traceback.
  local function top(e)
    return e.stack:match("stack traceback:\n%s*([^\n]*)")
  end

  local function line_of(f)
    return debug.getinfo(f, "S").linedefined + 1
  end

  it("raises the error table", function()
    local e = raised(user)
    assert.is_true(errors.is_error(e))
    assert.equal("TypeError [ERR_UNKNOWN_ENCODING]: Unknown encoding: zz", tostring(e))
  end)

  it("adds a stack that starts where the level says", function()
    assert.truthy(top(raised(user)):find(":" .. line_of(misuse) .. ":", 1, true))
    assert.truthy(top(raised(user, 2)):find(":" .. line_of(user) .. ":", 1, true))
    local e = raised(user)
    assert.equal(1, (e.stack:find(tostring(e), 1, true)))
  end)

  it("complains about a code without a constructor", function()
    assert.has_error(function() errors.raise("ERR_NO_SUCH_CODE", 1) end)
  end)
end)

describe("an error that the core raises", function()
  it("has a stack, be it the system's or ours", function()
    local core_raises = {
      { process.on, process, "SIGKILL", print },
      { process.on, process, "SIGSTOP", print },
      { core.signal_start, process, -1 },
      { core.server.close, 1 },
      { net.createServer().on, net.createServer(), "x" },
      { net.Socket().write, net.Socket() },
    }
    for i, call in ipairs(core_raises) do
      local err = raised(table.unpack(call))
      assert.is_truthy(tostring(err.stack):find(tostring(err) .. "\nstack traceback:", 1, true), i)
    end
  end)
end)

describe("errors.throw", function()
  it("keeps a stack that is there already", function()
    local e = codes.ERR_SOCKET_CLOSED()
    e.stack = "first"
    assert.equal(e, raised(errors.throw, e))
    assert.equal("first", e.stack)
  end)

  it("raises any other value as it is", function()
    assert.equal("text", raised(errors.throw, "text"))
    local reason = {}
    assert.equal(reason, raised(errors.throw, reason))
    assert.is_nil(reason.stack)
    assert.is_nil((raised(errors.throw, nil)))
  end)
end)

describe("constructing an error", function()
  it("leaves no stack, which is for those that are raised", function()
    assert.is_nil(codes.ERR_SOCKET_CLOSED().stack)
  end)
end)

describe("core.set_error_codes", function()
  it("takes nothing but a table", function()
    assert.has_error(function() core.set_error_codes() end)
    assert.has_error(function() core.set_error_codes("x") end)
    core.set_error_codes(codes)
  end)
end)
