-- SPDX-License-Identifier: MIT

--- The texts are Node 26's.

local errors = require("net.internal.errors")
local validate = require("net.internal.validate")

--- Checks that a validator raises an error that reads as given.
local function refuses(expected, validator, ...)
  local ok, e = pcall(validator, ...)
  assert.is_false(ok, "accepted")
  assert.is_true(errors.is_error(e), tostring(e))
  assert.equal(expected, tostring(e))
end

local function arg_type(name, wanted, received)
  return ('TypeError [ERR_INVALID_ARG_TYPE]: The "%s" argument must be %s. Received %s'):format(
    name, wanted, received)
end

local function out_of_range(wanted, received)
  return ('RangeError [ERR_OUT_OF_RANGE]: The value of "n" is out of range. It must be %s. Received %s')
    :format(wanted, received)
end

describe("the type validators", function()
  it("return what they accept", function()
    assert.equal("x", validate.string("x", "n"))
    assert.equal("", validate.string("", "n"))
    assert.is_false(validate.boolean(false, "n"))
    assert.equal(print, validate.func(print, "n"))
    assert.equal(1.5, validate.number(1.5, "n"))
  end)

  it("take no number for a string, nor the reverse", function()
    refuses(arg_type("host", "of type string", "type number (1)"), validate.string, 1, "host")
    refuses(arg_type("n", "of type number", "type string ('1')"), validate.number, "1", "n")
  end)

  it("refuse nil and everything else", function()
    refuses(arg_type("n", "of type string", "nil"), validate.string, nil, "n")
    refuses(arg_type("n", "of type boolean", "type number (1)"), validate.boolean, 1, "n")
    refuses(arg_type("callback", "of type function", "nil"), validate.func, nil, "callback")
  end)

  it("take no callable table for a function", function()
    local callable = setmetatable({}, { __call = print })
    refuses(arg_type("n", "of type function", "an instance of Object"), validate.func, callable, "n")
  end)
end)

describe("validate.unix_path", function()
  it("takes what a Unix socket can have, and no name of a Windows pipe", function()
    for _, path in ipairs({ "a.sock", "\0abstract", "\\\\server", "" }) do
      assert.equal(path, validate.unix_path(path, "n"))
    end
    refuses(arg_type("n", "of type string", "nil"), validate.unix_path, nil, "n")
    for _, path in ipairs({ [[\\.\pipe\x]], [[\\?\pipe\x]] }) do
      refuses("TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.path' must not be "
        .. "a Windows named pipe on this system. Received '" .. path:gsub("\\", "\\\\") .. "'",
        validate.unix_path, path, "options.path")
    end
  end)
end)

describe("validate.string_without_nul", function()
  it("refuses a NUL", function()
    assert.equal("a", validate.string_without_nul("a", "n"))
    refuses("TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.host' must be a string without "
      .. "null bytes. Received 'a\\x00b'", validate.string_without_nul, "a\0b", "options.host")
    refuses(arg_type("n", "of type string", "nil"), validate.string_without_nul, nil, "n")
  end)
end)

describe("validate.object and validate.array", function()
  it("tell lists from other tables, and take the empty one for both", function()
    local object, list, empty = { a = 1 }, { 1 }, {}
    assert.equal(object, validate.object(object, "n"))
    assert.equal(list, validate.array(list, "n"))
    assert.equal(empty, validate.object(empty, "n"))
    assert.equal(empty, validate.array(empty, "n"))
    refuses(arg_type("n", "of type object", "an instance of Array"), validate.object, list, "n")
    refuses(arg_type("n", "an instance of Array", "an instance of Object"), validate.array, object, "n")
    refuses(arg_type("n", "of type object", "nil"), validate.object, nil, "n")
    refuses(arg_type("n", "an instance of Array", "type string ('a')"), validate.array, "a", "n")
  end)
end)

describe("validate.string_array", function()
  it("names the element that is no string, counting from 0", function()
    assert.same({ "a", "b" }, validate.string_array({ "a", "b" }, "n"))
    assert.same({}, validate.string_array({}, "n"))
    refuses(arg_type("addresses[1]", "of type string", "type number (2)"),
      validate.string_array, { "a", 2 }, "addresses")
    refuses(arg_type("addresses", "an instance of Array", "nil"),
      validate.string_array, nil, "addresses")
  end)
end)

describe("validate.one_of", function()
  it("names what there is to choose from", function()
    assert.equal(4, validate.one_of(4, "n", { 0, 4, 6, "IPv4" }))
    refuses("TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.family' must be one of: 0, 4, "
      .. "6, 'IPv4'. Received '4'", validate.one_of, "4", "options.family", { 0, 4, 6, "IPv4" })
  end)
end)

describe("validate.number", function()
  it("keeps to its limits", function()
    assert.equal(1, validate.number(1, "n", 1, 1))
    refuses(out_of_range(">= 1 && <= 2", "0.5"), validate.number, 0.5, "n", 1, 2)
    refuses(out_of_range(">= 0", "-1"), validate.number, -1, "n", 0)
    refuses(out_of_range("<= 5", "6"), validate.number, 6, "n", nil, 5)
  end)

  it("takes NaN only where there is no limit", function()
    assert.is_true(validate.number(0 / 0, "n") ~= 0)
    refuses(out_of_range(">= 0", "NaN"), validate.number, 0 / 0, "n", 0)
    refuses(out_of_range("<= 0", "NaN"), validate.number, 0 / 0, "n", nil, 0)
  end)
end)

describe("the integer validators", function()
  it("return an integer, whatever the number was", function()
    assert.equal("integer", math.type(validate.int32(80.0, "n")))
    assert.equal("integer", math.type(validate.uint32(4294967295.0, "n")))
    assert.equal("integer", math.type(validate.integer(2.0 ^ 53 - 1, "n")))
    assert.equal("integer", math.type(validate.int32(-0.0, "n")))
  end)

  it("have the limits of their names", function()
    assert.equal(-2147483648, validate.int32(-2147483648, "n"))
    assert.equal(2147483647, validate.int32(2147483647, "n"))
    refuses(out_of_range(">= -2147483648 && <= 2147483647", "2147483648"),
      validate.int32, 2147483648, "n")
    refuses(out_of_range(">= 0 && <= 4294967295", "-1"), validate.uint32, -1, "n")
    refuses(out_of_range(">= 0 && <= 4294967295", "4294967296"), validate.uint32, 4294967296, "n")
    refuses(out_of_range(">= -9007199254740991 && <= 9007199254740991", "9_007_199_254_740_992"),
      validate.integer, 9007199254740992, "n")
  end)

  it("keep to narrower limits", function()
    assert.equal(255, validate.int32(255, "n", 0, 255))
    refuses(out_of_range(">= 0 && <= 255", "256"), validate.int32, 256, "n", 0, 255)
    refuses(out_of_range(">= 1 && <= 2147483647", "0"), validate.int32, 0, "n", 1)
  end)

  it("refuse fractions, NaN and infinities as no integers", function()
    refuses(out_of_range("an integer", "1.5"), validate.int32, 1.5, "n")
    refuses(out_of_range("an integer", "NaN"), validate.int32, 0 / 0, "n")
    refuses(out_of_range("an integer", "Infinity"), validate.uint32, math.huge, "n")
    refuses(out_of_range("an integer", "-Infinity"), validate.integer, -math.huge, "n")
  end)

  it("refuse huge floats and the least integer by their range", function()
    refuses(out_of_range(">= -2147483648 && <= 2147483647", "1e+_300"),
      validate.int32, 1e300, "n")
    refuses(out_of_range(">= 0 && <= 4294967295", "-9_223_372_036_854_775_808"),
      validate.uint32, math.mininteger, "n")
  end)

  it("refuse what is no number by its type", function()
    refuses(arg_type("n", "of type number", "type string ('1')"), validate.int32, "1", "n")
    refuses(arg_type("n", "of type number", "nil"), validate.uint32, nil, "n")
  end)
end)

describe("validate.port", function()
  local function bad_port(received)
    return "RangeError [ERR_SOCKET_BAD_PORT]: options.port should be >= 0 and < 65536. Received "
      .. received .. "."
  end

  it("takes numbers, and strings that JavaScript reads as one", function()
    for _, v in ipairs({ 80, 80.0, "80", " 80 ", "080", "8e1", "0x50", "80.0", "0b1010000" }) do
      local port = validate.port(v, "options.port")
      assert.equal(80, port)
      assert.equal("integer", math.type(port))
    end
    assert.equal(0, validate.port(0))
    assert.equal(0, validate.port(-0.0))
    assert.equal(0, validate.port("0"))
    assert.equal(65535, validate.port(65535))
  end)

  it("refuses numbers out of range, and fractions", function()
    refuses(bad_port("type number (-1)"), validate.port, -1, "options.port")
    refuses(bad_port("type number (65536)"), validate.port, 65536, "options.port")
    refuses(bad_port("type number (1.5)"), validate.port, 1.5, "options.port")
    refuses(bad_port("type number (NaN)"), validate.port, 0 / 0, "options.port")
    refuses(bad_port("type number (Infinity)"), validate.port, math.huge, "options.port")
    refuses(bad_port("type number (4294967376)"), validate.port, 2 ^ 32 + 80, "options.port")
  end)

  it("refuses strings that are blank or no number", function()
    refuses(bad_port("type string ('')"), validate.port, "", "options.port")
    refuses(bad_port("type string (' ')"), validate.port, " ", "options.port")
    refuses(bad_port("type string ('\u{A0}')"), validate.port, "\u{A0}", "options.port")
    refuses(bad_port("type string ('80x')"), validate.port, "80x", "options.port")
    refuses(bad_port("type string ('65536')"), validate.port, "65536", "options.port")
    refuses(bad_port("type string ('-1')"), validate.port, "-1", "options.port")
  end)

  it("refuses other types", function()
    refuses(bad_port("nil"), validate.port, nil, "options.port")
    refuses(bad_port("type boolean (true)"), validate.port, true, "options.port")
    refuses(bad_port("an instance of Object"), validate.port, {}, "options.port")
    refuses(bad_port("function print"), validate.port, print, "options.port")
  end)

  it("is called Port by default, and may exclude 0", function()
    refuses("RangeError [ERR_SOCKET_BAD_PORT]: Port should be > 0 and < 65536. "
      .. "Received type number (0).", validate.port, 0, nil, false)
    refuses("RangeError [ERR_SOCKET_BAD_PORT]: Port should be > 0 and < 65536. "
      .. "Received type string ('0').", validate.port, "0", nil, false)
  end)
end)

describe("validate.signal", function()
  it("takes nil, and a table that knows whether it is aborted", function()
    local signal = { aborted = false }
    assert.equal(signal, validate.signal(signal, "signal"))
    assert.is_nil(validate.signal(nil, "signal"))
    local object = setmetatable({}, { __index = { aborted = true } })
    assert.equal(object, validate.signal(object, "signal"))
  end)

  it("refuses anything else", function()
    local text = 'TypeError [ERR_INVALID_ARG_TYPE]: The "options.signal" property must be an instance '
      .. "of AbortSignal. Received "
    refuses(text .. "an instance of Object", validate.signal, {}, "options.signal")
    refuses(text .. "type string ('x')", validate.signal, "x", "options.signal")
    refuses(text .. "type boolean (false)", validate.signal, false, "options.signal")
  end)
end)

describe("validate.duration", function()
  it("returns milliseconds, fractions too", function()
    assert.equal(0, validate.duration(0, "msecs"))
    assert.equal(1.5, validate.duration(1.5, "msecs"))
    assert.equal(2147483647, (validate.duration(2147483647, "msecs")))
    assert.is_nil(select(2, validate.duration(2147483647, "msecs")))
  end)

  it("cuts what a 32-bit timer cannot hold, with the text of a warning", function()
    local ms, warning = validate.duration(2147483648.0, "msecs")
    assert.equal(2147483647, ms)
    assert.equal("2147483648 does not fit into a 32-bit signed integer.\n"
      .. "Timer duration was truncated to 2147483647.", warning)
  end)

  it("refuses what is negative, infinite or no number", function()
    local text = 'RangeError [ERR_OUT_OF_RANGE]: The value of "msecs" is out of range. '
      .. "It must be a non-negative finite number. Received "
    refuses(text .. "-1", validate.duration, -1, "msecs")
    refuses(text .. "Infinity", validate.duration, math.huge, "msecs")
    refuses(text .. "NaN", validate.duration, 0 / 0, "msecs")
    refuses(arg_type("msecs", "of type number", "type string ('5')"), validate.duration, "5", "msecs")
    refuses(arg_type("msecs", "of type number", "nil"), validate.duration, nil, "msecs")
  end)
end)

describe("validate.high_water_mark", function()
  it("returns bytes as an integer", function()
    assert.equal(0, validate.high_water_mark(0))
    assert.equal("integer", math.type(validate.high_water_mark(65536.0)))
    assert.equal(math.maxinteger, validate.high_water_mark(1e300))
  end)

  it("blames the readable side, unless told otherwise", function()
    local text = "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.%s' is invalid. Received %s"
    for value, shown in pairs({ [-1] = "-1", [1.5] = "1.5", ["5"] = "'5'", [math.huge] = "Infinity" }) do
      refuses(text:format("readableHighWaterMark", shown), validate.high_water_mark, value)
    end
    refuses(text:format("readableHighWaterMark", "NaN"), validate.high_water_mark, 0 / 0)
    refuses(text:format("readableHighWaterMark", "nil"), validate.high_water_mark, nil)
    refuses(text:format("writableHighWaterMark", "-1"), validate.high_water_mark, -1,
      "options.writableHighWaterMark")
  end)
end)

describe("what a validator raises", function()
  --- A public function of the library, as it were.
  local function public(validator, value)
    validator(value, "n")
    return "not a tail call"
  end

  it("has a stack that starts at the user's line", function()
    for _, case in ipairs({
      { validate.string, 1 }, { validate.func, 1 }, { validate.number, "x" }, { validate.int32, 1.5 },
      { validate.uint32, -1 }, { validate.integer, "x" }, { validate.port, -1 },
      { validate.signal, 1 }, { validate.duration, -1 }, { validate.high_water_mark, -1 },
    }) do
      local line = debug.getinfo(1, "l").currentline + 2
      local _, e = pcall(function()
        local done = public(case[1], case[2])
        return done
      end)
      local first = e.stack:match("stack traceback:\n%s*([^\n]*)")
      assert.truthy(first:find(":" .. line .. ":", 1, true), first)
    end
  end)
end)
