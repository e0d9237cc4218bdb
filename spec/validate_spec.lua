-- SPDX-License-Identifier: MIT

--- The texts, and the numbers that strings mean, are Node 26's.

local errors = require("net.errors")
local inspect = require("net.inspect")
local validate = require("net.validate")

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

describe("tonumber_js", function()
  -- A string, and what JavaScript's Number() of it shows as.
  local NUMBERS = {
    { "80", "80" }, { "080", "80" }, { " 80 ", "80" }, { "8e1", "80" }, { "0x50", "80" },
    { "80.0", "80" }, { "00", "0" }, { "0e0", "0" }, { "+5", "5" }, { "-5", "-5" },
    { ".5", "0.5" }, { "5.", "5" }, { "5e+3", "5000" }, { "5E-1", "0.5" }, { "-1.5e2", "-150" },
    { "0b101", "5" }, { "0B1", "1" }, { "0O17", "15" }, { "0o7", "7" }, { "0X1f", "31" },
    { "", "0" }, { "  ", "0" }, { "\t\n\v\f\r ", "0" }, { "\v1\f", "1" },
    { " \u{A0}01\u{FEFF}\u{3000}", "1" }, { "\u{1680}\u{2000}\u{200A}\u{2028}1\u{2029}", "1" },
    { "\u{202F}\u{205F}", "0" },
    { "Infinity", "Infinity" }, { "-Infinity", "-Infinity" }, { "+Infinity ", "Infinity" },
    { "1e400", "Infinity" }, { "1e-400", "0" },
    { "0x" .. ("f"):rep(20), "1.2089258196146292e+24" },
    { "99999999999999999999", "100000000000000000000" },
  }

  local NOT_NUMBERS = {
    "1_000", "0x", "0b", "0o", "0o8", "0b2", "0xg", "+0x5", "-0x5", "0x1.8", "0x1p4", "infinity",
    "inf", "nan", "NaN", ".", "e5", "1e", "1e+", "1e5.5", "1.5.2", "--1", "+-1", "1n", "1 2", "1,5",
    "1\0", "\0", "１", "١", "\u{200B}1", "\u{85}1", "\u{180E}1", "\xA01", "abc", "-", "+", "80x",
  }

  it("reads a string as JavaScript does", function()
    for _, case in ipairs(NUMBERS) do
      assert.equal(case[2], inspect.number(validate.tonumber_js(case[1])), ("%q"):format(case[1]))
    end
  end)

  it("gives NaN for any other string", function()
    for _, text in ipairs(NOT_NUMBERS) do
      assert.equal("NaN", inspect.number(validate.tonumber_js(text)), ("%q"):format(text))
    end
  end)

  it("gives an integer where the number is one", function()
    assert.equal("integer", math.type(validate.tonumber_js("80.0")))
    assert.equal("integer", math.type(validate.tonumber_js("8e1")))
    assert.equal("float", math.type(validate.tonumber_js("0.5")))
  end)

  it("leaves numbers alone, and makes 1 and 0 of booleans", function()
    assert.equal(1.5, validate.tonumber_js(1.5))
    assert.equal(1, validate.tonumber_js(true))
    assert.equal(0, validate.tonumber_js(false))
  end)

  it("gives NaN for nil and for what is no number at all", function()
    for _, v in ipairs({ {}, print, io.stdout }) do
      assert.equal("NaN", inspect.number(validate.tonumber_js(v)))
    end
    assert.equal("NaN", inspect.number(validate.tonumber_js(nil)))
  end)

  it("takes long strings in its stride", function()
    assert.equal(1, validate.tonumber_js((" "):rep(100000) .. "1" .. ("\u{3000}"):rep(100000)))
    assert.equal("NaN", inspect.number(validate.tonumber_js(("1"):rep(100000) .. "x")))
  end)
end)

describe("trim", function()
  it("takes white space off both ends, and none from within", function()
    assert.equal("a b", validate.trim(" \u{A0}\ta b\n\u{FEFF}"))
    assert.equal("", validate.trim("\u{2003} \u{2003}"))
    assert.equal("", validate.trim(""))
  end)

  it("leaves half characters and other bytes alone", function()
    assert.equal("\xA0x\xE2\x80", validate.trim(" \xA0x\xE2\x80 "))
    assert.equal("\u{200B}", validate.trim("\u{200B}"))
  end)
end)

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
    refuses(arg_type("n", "of type string", "undefined"), validate.string, nil, "n")
    refuses(arg_type("n", "of type boolean", "type number (1)"), validate.boolean, 1, "n")
    refuses(arg_type("callback", "of type function", "undefined"), validate.func, nil, "callback")
  end)

  it("take no callable table for a function", function()
    local callable = setmetatable({}, { __call = print })
    refuses(arg_type("n", "of type function", "an instance of Object"), validate.func, callable, "n")
  end)
end)

describe("validate.string_without_nul", function()
  it("refuses a NUL", function()
    assert.equal("a", validate.string_without_nul("a", "n"))
    refuses("TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.host' must be a string without "
      .. "null bytes. Received 'a\\x00b'", validate.string_without_nul, "a\0b", "options.host")
    refuses(arg_type("n", "of type string", "undefined"), validate.string_without_nul, nil, "n")
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
    refuses(arg_type("n", "of type object", "undefined"), validate.object, nil, "n")
    refuses(arg_type("n", "an instance of Array", "type string ('a')"), validate.array, "a", "n")
  end)
end)

describe("validate.string_array", function()
  it("names the element that is no string, counting from 0", function()
    assert.same({ "a", "b" }, validate.string_array({ "a", "b" }, "n"))
    assert.same({}, validate.string_array({}, "n"))
    refuses(arg_type("addresses[1]", "of type string", "type number (2)"),
      validate.string_array, { "a", 2 }, "addresses")
    refuses(arg_type("addresses", "an instance of Array", "undefined"),
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
    refuses(arg_type("n", "of type number", "undefined"), validate.uint32, nil, "n")
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
    refuses(bad_port("undefined"), validate.port, nil, "options.port")
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
    refuses(arg_type("msecs", "of type number", "undefined"), validate.duration, nil, "msecs")
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
    refuses(text:format("readableHighWaterMark", "undefined"), validate.high_water_mark, nil)
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
