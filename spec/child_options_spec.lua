-- SPDX-License-Identifier: MIT

--- What net.child says of arguments and options. The texts are Node 26's, measured, but for
--- nil and the like; where it says "Lua", Node takes what makes no sense.

local child = require("net.child")
local children = require("spec.support.children")
local net = require("net")
local within = require("spec.support").within

local function nothing() end

--- The error that a call raises: "Name CODE text".
local function refusal(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal("table", type(err), tostring(err))
  assert.is_true(err.stack ~= nil)
  return ("%s %s %s"):format(err.name, err.code, err.message)
end

--- Each row: what is refused, and the text that comes.
local function check_all(rows, call)
  return within(function(t)
    for i = 1, #rows, 2 do
      assert.equal(rows[i + 1], refusal(call, rows[i]))
    end
    t.run() -- nothing was opened or started, which `within` looks at
  end)
end

local TYPE, VALUE = "TypeError ERR_INVALID_ARG_TYPE ", "TypeError ERR_INVALID_ARG_VALUE "
local RANGE = "RangeError ERR_OUT_OF_RANGE "

local function spawn_with(options)
  return child.spawn("true", {}, options)
end

describe("child.spawn", function()
  it("checks the file", within(function(t)
    assert.equal(TYPE .. 'The "file" argument must be of type string. Received nil',
      refusal(child.spawn))
    assert.equal(TYPE .. 'The "file" argument must be of type string. Received type number (5)',
      refusal(child.spawn, 5))
    assert.equal(VALUE .. "The argument 'file' cannot be empty. Received ''",
      refusal(child.spawn, ""))
    assert.equal(VALUE
      .. "The argument 'file' must be a string without null bytes. Received 'a\\x00b'",
      refusal(child.spawn, "a\0b"))
    t.run()
  end))

  it("checks the arguments", check_all({
    5, TYPE .. 'The "args" argument must be of type object. Received type number (5)',
    "x", TYPE .. 'The "args" argument must be of type object. Received type string (\'x\')',
    false, TYPE .. 'The "args" argument must be of type object. Received type boolean (false)',
    { "a", "a\0b" },
    VALUE .. "The argument 'args[1]' must be a string without null bytes. Received 'a\\x00b'",
    { {} }, TYPE .. 'The "args[0]" argument must be of type string. Received an instance of Object',
    { true }, TYPE .. 'The "args[0]" argument must be of type string. Received type boolean (true)',
    { "a", cwd = "/" }, VALUE
      .. "The argument 'args' must be a list, or options. Received [ 'a', cwd: '/' ]",
    { [1] = "a", [3] = "c" }, VALUE .. "The argument 'args' must have no holes. Received [ 'a', '3': 'c' ]",
    { "a", nil, "c" },
    VALUE .. "The argument 'args' must have no holes. Received [ 'a', <1 empty item>, 'c' ]",
  }, function(args) child.spawn("true", args) end))

  it("checks the options", within(function(t)
    assert.equal(TYPE .. 'The "options" argument must be of type object. Received type number (5)',
      refusal(child.spawn, "true", {}, 5))
    assert.equal(TYPE .. 'The "options" argument must be of type object. Received an instance of Array',
      refusal(child.spawn, "true", {}, { "x" }))
    t.run()
  end))

  it("checks cwd, detached, shell and argv0", check_all({
    { cwd = 5 }, TYPE .. 'The "options.cwd" property must be of type string. Received type number (5)',
    { cwd = false },
    TYPE .. 'The "options.cwd" property must be of type string. Received type boolean (false)',
    { cwd = "a\0" }, VALUE .. "The property 'options.cwd' must be a string without null bytes. "
      .. "Received 'a\\x00'",
    { detached = 1 },
    TYPE .. 'The "options.detached" property must be of type boolean. Received type number (1)',
    { shell = 5 }, TYPE .. 'The "options.shell" property must be one of type boolean or string. '
      .. "Received type number (5)",
    { shell = {} }, TYPE .. 'The "options.shell" property must be one of type boolean or string. '
      .. "Received an instance of Object",
    { shell = "a\0b" }, VALUE .. "The property 'options.shell' must be a string without null bytes. "
      .. "Received 'a\\x00b'",
    { argv0 = 5 },
    TYPE .. 'The "options.argv0" property must be of type string. Received type number (5)',
    { argv0 = "a\0b" }, VALUE .. "The property 'options.argv0' must be a string without null bytes. "
      .. "Received 'a\\x00b'",
  }, spawn_with))

  it("checks uid and gid", within(function(t)
    for _, name in ipairs({ "uid", "gid" }) do
      local subject = 'The value of "options.' .. name .. '" is out of range. It must be '
      for bad, text in pairs({
        x = TYPE .. ('The "options.%s" property must be of type number. Received type string (\'x\')')
          :format(name),
        [1.5] = RANGE .. subject .. "an integer. Received 1.5",
        [2147483648] = RANGE .. subject .. ">= -2147483648 && <= 2147483647. Received 2147483648",
      }) do
        assert.equal(text, refusal(spawn_with, { [name] = bad }))
      end
    end
    t.run()
  end))

  it("checks the environment", check_all({
    { env = 5 }, TYPE .. 'The "options.env" property must be of type object. Received type number (5)',
    { env = { "A=1" } },
    TYPE .. 'The "options.env" property must be of type object. Received an instance of Array',
    { env = { [true] = "x" } },
    TYPE .. 'The "options.env" property must be an object with names as keys. '
      .. "Received an instance of Object",
    { env = { A = {} } }, TYPE .. "The \"options.env['A']\" property must be of type string. "
      .. "Received an instance of Object",
    { env = { A = "x\0" } }, VALUE .. "The property 'options.env['A']' must be a string without null "
      .. "bytes. Received 'x\\x00'",
    { env = { ["a\0"] = "x" } }, VALUE .. "The property 'options.env['a\0']' must be a string without "
      .. "null bytes. Received 'a\\x00'",
  }, spawn_with))

  it("checks timeout", check_all({
    { timeout = "x" }, TYPE .. 'The "timeout" argument must be of type number. Received type string (\'x\')',
    { timeout = false },
    TYPE .. 'The "timeout" argument must be of type number. Received type boolean (false)',
    { timeout = -1 }, RANGE .. 'The value of "timeout" is out of range. '
      .. "It must be >= 0 && <= 9007199254740991. Received -1",
    { timeout = 1.5 },
    RANGE .. 'The value of "timeout" is out of range. It must be an integer. Received 1.5',
    { timeout = math.huge },
    RANGE .. 'The value of "timeout" is out of range. It must be an integer. Received Infinity',
    { timeout = 9007199254740992 }, RANGE .. 'The value of "timeout" is out of range. '
      .. "It must be >= 0 && <= 9007199254740991. Received 9_007_199_254_740_992",
  }, spawn_with))

  it("checks killSignal", check_all({
    { killSignal = "SIGX" }, "TypeError ERR_UNKNOWN_SIGNAL Unknown signal: SIGX",
    { killSignal = 0 }, "TypeError ERR_UNKNOWN_SIGNAL Unknown signal: 0",
    { killSignal = 1.5 }, "TypeError ERR_UNKNOWN_SIGNAL Unknown signal: 1.5",
    { killSignal = 40 }, "TypeError ERR_UNKNOWN_SIGNAL Unknown signal: 40",
    { killSignal = "" }, "TypeError ERR_UNKNOWN_SIGNAL Unknown signal: ",
    { killSignal = "9" }, "TypeError ERR_UNKNOWN_SIGNAL Unknown signal: 9",
    { killSignal = {} }, TYPE .. 'The "options.killSignal" property must be one of type string or '
      .. "number. Received an instance of Object",
    { killSignal = true }, TYPE .. 'The "options.killSignal" property must be one of type string or '
      .. "number. Received type boolean (true)",
  }, spawn_with))

  it("checks signal, serialization and maxMessage", check_all({
    { signal = "x" }, TYPE .. 'The "options.signal" property must be an instance of AbortSignal. '
      .. "Received type string ('x')",
    { signal = {} }, TYPE .. 'The "options.signal" property must be an instance of AbortSignal. '
      .. "Received an instance of Object",
    { signal = false }, TYPE .. 'The "options.signal" property must be an instance of AbortSignal. '
      .. "Received type boolean (false)",
    { serialization = "xml" }, VALUE .. "The property 'options.serialization' must be one of: "
      .. "undefined, 'json', 'advanced'. Received 'xml'",
    { serialization = false }, VALUE .. "The property 'options.serialization' must be one of: "
      .. "undefined, 'json', 'advanced'. Received false",
    { serialization = "advanced" }, VALUE .. "The property 'options.serialization' is V8's own "
      .. "format, and not supported. Received 'advanced'", -- Lua
    { maxMessage = 0 }, RANGE .. 'The value of "options.maxMessage" is out of range. It must be '
      .. ">= 1 && <= 9007199254740992. Received 0", -- Lua
    { maxMessage = "1" }, TYPE .. 'The "options.maxMessage" property must be of type number. '
      .. "Received type string ('1')", -- Lua
  }, spawn_with))

  it("checks stdio", check_all({
    { stdio = "foo" }, VALUE .. "The argument 'stdio' is invalid. Received 'foo'",
    { stdio = "ipc" }, VALUE .. "The argument 'stdio' is invalid. Received 'ipc'",
    { stdio = 5 }, VALUE .. "The argument 'stdio' is invalid. Received 5",
    { stdio = true }, VALUE .. "The argument 'stdio' is invalid. Received true",
    { stdio = { stdin = "pipe" } }, VALUE .. "The argument 'stdio' is invalid. Received { stdin: 'pipe' }",
    { stdio = { [1e9] = "pipe" } }, VALUE .. "The argument 'stdio' is invalid. Received { '1000000000': 'pipe' }",
    { stdio = { "foo" } }, "TypeError ERR_INVALID_SYNC_FORK_INPUT Asynchronous forks do not support "
      .. "Buffer, TypedArray, DataView or string input: 'foo'",
    { stdio = { "" } }, "TypeError ERR_INVALID_SYNC_FORK_INPUT Asynchronous forks do not support "
      .. "Buffer, TypedArray, DataView or string input: ''",
    { stdio = { "ipc", "ipc" } }, "Error ERR_IPC_ONE_PIPE Child process can have only one IPC pipe",
    { stdio = { {} } }, VALUE .. "The argument 'stdio' is invalid. Received {}",
    { stdio = { true } }, VALUE .. "The argument 'stdio' is invalid. Received true",
    { stdio = { { fd = "1" } } }, VALUE .. "The argument 'stdio' is invalid. Received { fd: '1' }",
    { stdio = { nothing } }, VALUE .. "The argument 'stdio' is invalid. Received [Function (anonymous)]",
    { stdio = { 1.5 } }, VALUE .. "The argument 'stdio' is invalid. Received 1.5", -- Node aborts
    { stdio = { 4294967296 } }, VALUE .. "The argument 'stdio' is invalid. Received 4294967296",
  }, spawn_with))

  it("checks in Node's order", check_all({
    { cwd = 5, stdio = "foo" },
    TYPE .. 'The "options.cwd" property must be of type string. Received type number (5)',
    { stdio = "foo", timeout = -1, killSignal = "SIGX", signal = 5 }, RANGE
      .. 'The value of "timeout" is out of range. It must be >= 0 && <= 9007199254740991. Received -1',
    { stdio = "foo", killSignal = "SIGX", signal = 5 }, TYPE
      .. 'The "options.signal" property must be an instance of AbortSignal. Received type number (5)',
    { stdio = "foo", killSignal = "SIGX" }, "TypeError ERR_UNKNOWN_SIGNAL Unknown signal: SIGX",
    { stdio = "foo", serialization = "xml" }, VALUE .. "The argument 'stdio' is invalid. Received 'foo'",
  }, spawn_with))

  it("refuses sockets without a descriptor", within(function(t)
    local socket = net.Socket()
    assert.matches("The argument 'stdio' is invalid. Received Socket", refusal(spawn_with,
      { stdio = { socket } }))
    local server = net.createServer()
    assert.matches("The argument 'stdio' is invalid. Received Server", refusal(spawn_with,
      { stdio = { server } }))
    local path = t.tmpdir() .. "/f"
    local file = assert(io.open(path, "w"))
    file:close()
    assert.matches("The argument 'stdio' is invalid", refusal(spawn_with, { stdio = { file } }))
    t.run()
  end))

  it("takes what Node takes", within(function(t)
    for _, options in ipairs({
      { cwd = "" }, { detached = false }, { shell = false }, { shell = "" }, { argv0 = "" },
      { env = false }, { timeout = 0 }, { killSignal = "sigterm" }, { killSignal = 9 },
      { serialization = "json" }, { maxMessage = 9007199254740992 }, { stdio = false },
      { stdio = "" }, { stdio = {} }, { stdio = { -1 } }, { stdio = { nil, false, "ignore" } },
      { stdio = { nil, nil, nil, nil, "pipe" } }, { stdio = { "ignore", { fd = 1 }, 2 } },
    }) do
      local kid = child.spawn("true", {}, options)
      local log = children.watch(kid)
      t.run()
      assert.same({ "spawn", "exit 0 nil", "close 0 nil" }, log)
    end
    local kid = child.spawn("true", nil, nil)
    t.run()
    assert.equal(0, kid.exitCode)
  end))
end)

describe("child.fork", function()
  it("checks the script", check_all({
    5, TYPE .. 'The "modulePath" argument must be of type string. Received type number (5)',
    "a\0b", VALUE .. "The argument 'modulePath' must be a string without null bytes. Received 'a\\x00b'",
  }, function(script) child.fork(script) end))

  it("checks the arguments", check_all({
    5, TYPE .. 'The "args" argument must be an instance of Array. Received type number (5)',
    "x", TYPE .. 'The "args" argument must be an instance of Array. Received type string (\'x\')',
    { "a\0" }, VALUE .. "The argument 'args[1]' must be a string without null bytes. Received 'a\\x00'",
  }, function(args) child.fork("script.lua", args) end))

  it("checks its options", check_all({
    5, TYPE .. 'The "options" argument must be of type object. Received type number (5)',
    { "x" }, TYPE .. 'The "options" argument must be of type object. Received an instance of Array',
    { execPath = 5 }, TYPE .. 'The "file" argument must be of type string. Received type number (5)',
    { execPath = "a\0b" }, VALUE .. "The property 'options.execPath' must be a string without null "
      .. "bytes. Received 'a\\x00b'",
    { execArgv = { "a\0" } }, VALUE .. "The property 'options.execArgv[0]' must be a string without "
      .. "null bytes. Received 'a\\x00'",
    { execArgv = { "a", nil, "c" } }, VALUE .. "The property 'options.execArgv' must have no holes. "
      .. "Received [ 'a', <1 empty item>, 'c' ]",
    { execArgv = "x" }, TYPE .. 'The "options.execArgv" property must be an instance of Array. '
      .. "Received type string ('x')", -- Node takes its letters
    { stdio = "foo" }, VALUE .. "The argument 'stdio' is invalid. Received 'foo'",
    { stdio = "ipc" }, VALUE .. "The argument 'stdio' is invalid. Received 'ipc'",
    { stdio = "" }, VALUE .. "The argument 'stdio' is invalid. Received ''",
    { stdio = {} }, "Error ERR_CHILD_PROCESS_IPC_REQUIRED Forked processes must have an IPC channel, "
      .. "missing value 'ipc' in options.stdio",
    { stdio = { 0, 1, 2 } }, "Error ERR_CHILD_PROCESS_IPC_REQUIRED Forked processes must have an IPC "
      .. "channel, missing value 'ipc' in options.stdio",
    { stdio = { "ipc", "ipc" } }, "Error ERR_IPC_ONE_PIPE Child process can have only one IPC pipe",
    { stdio = { 0, 1, 2, "foo", "ipc" } }, "TypeError ERR_INVALID_SYNC_FORK_INPUT Asynchronous forks "
      .. "do not support Buffer, TypedArray, DataView or string input: 'foo'",
  }, function(options) child.fork("script.lua", {}, options) end))
end)
