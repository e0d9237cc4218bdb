-- SPDX-License-Identifier: MIT

--- core.json, the messages of a channel between processes: values as JSON, and back.

require("net")
local core = require("net.core")
local errors = require("net.internal.errors")
local lua = require("spec.support.lua")

local json = core.json
local encode, decode, null = json.encode, json.decode, json.null

--- The error of a value that has no JSON.
local function refusal(value, binary)
  local ok, e = pcall(encode, value, binary)
  assert.is_false(ok, "accepted")
  assert.is_true(errors.is_error(e), tostring(e))
  return e
end

local function refuses(message, value)
  local e = refusal(value)
  assert.equal(message, e.message)
  assert.equal("ERR_INVALID_ARG_VALUE", e.code)
  assert.equal("TypeError", e.name)
  assert.equal("string", type(e.stack))
end

local function deep(depth)
  local outer = {}
  local inner = outer
  for _ = 2, depth do
    inner[1] = {}
    inner = inner[1]
  end
  return outer, inner
end

describe("core.json.encode", function()
  it("writes scalars", function()
    assert.equal("true", encode(true))
    assert.equal("false", encode(false))
    assert.equal('""', encode(""))
    assert.equal('"x"', encode("x"))
    assert.equal("null", encode(null))
  end)

  it("escapes what JSON.stringify does, and nothing else", function()
    local named = { [8] = "\\b", [9] = "\\t", [10] = "\\n", [12] = "\\f", [13] = "\\r",
      [34] = '\\"', [92] = "\\\\" }
    for byte = 0, 127 do
      local c = string.char(byte)
      local want = named[byte] or byte < 32 and ("\\u%04x"):format(byte) or c
      for _, around in ipairs({ "", "a", "abcdefg", ("x"):rep(30) }) do
        assert.equal('"' .. around .. want .. around .. '"', encode(around .. c .. around))
      end
    end
    assert.equal('"/\127\u{2028}\u{2029}é\u{10FFFF}"', encode("/\127\u{2028}\u{2029}é\u{10FFFF}"))
  end)

  it("writes integers digit by digit", function()
    for text in ("0 7 -1 10 99 100 101 65536 9007199254740993 -9007199254740993"):gmatch("%S+") do
      assert.equal(text, encode(math.tointeger(text)))
    end
    assert.equal("9223372036854775807", encode(math.maxinteger))
    assert.equal("-9223372036854775808", encode(math.mininteger))
  end)

  it("writes whole floats up to 2^53 without a point", function()
    for _, n in ipairs({ 1, -1, 5, 1e15, 2^53, -2^53 }) do
      assert.equal(("%d"):format(n), encode(n + 0.0))
    end
    assert.equal("0", encode(-0.0))
    assert.equal("0", encode(0.0))
  end)

  it("writes other floats with the fewest digits that read back", function()
    for text in ("0.1 -0.5 3.14 3.141 3.1415 0.001 0.002 0.0001 0.999 1.01 100.25 99.95 1718000000.123 "
      .. "1e-7 0.000001 1.5e-10 1e+21 1.2345e+300 5e-324 "
      .. "2.2250738585072014e-308 1.7976931348623157e+308 0.30000000000000004 4503599627370495.5 "
      .. "1.152921504606847e+18 5.684341886080802e-14 2.9802322387695312e-8"):gmatch("%S+") do
      assert.equal(text, encode(tonumber(text)))
    end
  end)

  it("writes null for what is no number", function()
    assert.equal("[null,null,null]", encode({ 0 / 0, 1 / 0, -1 / 0 }))
    assert.equal('{"x":null}', encode({ x = 0 / 0 }))
  end)

  it("writes tables with the keys 1 to n as arrays", function()
    assert.equal('[1,"b",[true]]', encode({ 1, "b", { true } }))
    local backwards = {}
    for i = 300, 1, -1 do
      backwards[i] = i
    end
    assert.equal("[" .. table.concat(backwards, ",") .. "]", encode(backwards))
    local later = { n = 1, 1, 2 }
    later[3] = 3
    later.n = nil
    assert.equal("[1,2,3]", encode(later))
  end)

  it("writes tables whose keys are strings as objects", function()
    assert.equal('{"a":{"b\\n":1}}', encode({ a = { ["b\n"] = 1 } }))
    assert.equal('{"1":2}', encode({ ["1"] = 2 }))
    assert.equal('{"a":null}', encode({ a = null }))
  end)

  it("writes an empty table as an object, unless it is marked", function()
    assert.equal("{}", encode({}))
    assert.equal("[]", encode(json.array({})))
    assert.equal("[1]", encode(json.array({ 1 })))
    assert.equal("{}", encode(setmetatable({}, {})))
  end)

  it("calls no metamethod", function()
    local touched = 0
    local function touch()
      touched = touched + 1
    end
    local mt = { __index = touch, __len = touch, __pairs = touch, __name = "x", __tostring = touch }
    assert.equal('{"a":1}', encode(setmetatable({ a = 1 }, mt)))
    assert.equal("[1]", encode(setmetatable({ 1 }, mt)))
    assert.equal(0, touched)
  end)

  it("refuses what has no JSON, with the path to it", function()
    local valid = "must be a string, number, boolean, table or child.null. Received "
    refuses("The argument 'message' " .. valid .. "[Function: print]", print)
    refuses("The property 'message.a.b[3].c' " .. valid .. "[Function (anonymous)]",
      { a = { b = { 1, 2, { c = function() end } } } })
    refuses("The argument 'message[1]' " .. valid .. "[Coroutine]", { coroutine.create(print) })
    refuses("The argument 'message['a b']' " .. valid .. "FILE* {}", { ["a b"] = io.stdout })
  end)

  it("refuses text that is no UTF-8, with the path to it", function()
    refuses("The argument 'message' must be valid UTF-8. Received 'a\\xFF'", "a\xff")
    refuses("The property 'message.a[2]' must be valid UTF-8. Received '\\xFF'", { a = { "ok", "\xff" } })
    refuses("The property 'message.a' must have names of valid UTF-8. Received '\\xC3'", { a = { ["\xc3"] = 1 } })
    for _, bad in ipairs({ "\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x98",
      "\xe2\x82" }) do
      for _, around in ipairs({ "", "abcdefgh", ("é"):rep(600), ("x"):rep(1023) }) do
        assert.equal("ERR_INVALID_ARG_VALUE", refusal(around .. bad).code)
        assert.equal("ERR_INVALID_ARG_VALUE", refusal(around .. bad .. around).code)
      end
    end
  end)

  it("refuses holes and keys that are neither", function()
    local either = "must have the keys 1 to n, or strings. Received "
    refuses("The argument 'message' must have no holes. Received [ 1, <1 empty item>, 3 ]", { 1, nil, 3 })
    refuses("The argument 'message[1]' must have no holes. Received { '2': 1 }", { { [2] = 1 } })
    refuses("The argument 'message' " .. either .. "'x'", { 1, 2, x = 1 })
    refuses("The property 'message.t' " .. either .. "1.5", { t = { [1.5] = 1 } })
    refuses("The argument 'message' " .. either .. "true", { [true] = 1 })
    refuses("The argument 'message' " .. either .. "0", { [0] = 1 })
    refuses("The argument 'message' " .. either .. "-1", { [-1] = 1 })
    refuses("The argument 'message' " .. either .. "'x'", json.array({ x = 1 }))
  end)

  it("takes tables nested 1000 deep, and refuses more", function()
    assert.equal(("["):rep(999) .. "{}" .. ("]"):rep(999), encode((deep(1000))))
    local message = refusal((deep(1001))).message
    assert.matches("^The property 'message%[1%]%[1%].*%.%.%.' must not be nested deeper than 1000", message)
  end)

  it("refuses a table that is inside of itself in JSON.stringify's words", function()
    local function circle(text, value)
      local e = refusal(value)
      assert.equal("TypeError: Converting circular structure to JSON\n" .. text, tostring(e))
      assert.is_nil(e.code)
    end
    local t = {}
    t.a = t
    circle("    --> starting at object with constructor 'Object'\n    --- property 'a' closes the circle", t)
    t = { { x = { 3 } } }
    t[1].x[2] = t
    circle("    --> starting at object with constructor 'Array'\n"
      .. "    |     index 0 -> object with constructor 'Object'\n"
      .. "    |     property 'x' -> object with constructor 'Array'\n"
      .. "    --- index 1 closes the circle", t)
    t = { b = { c = { d = { e = {} } } } }
    t.b.c.d.e.f = t
    circle("    --> starting at object with constructor 'Object'\n"
      .. "    |     property 'b' -> object with constructor 'Object'\n"
      .. "    |     property 'c' -> object with constructor 'Object'\n"
      .. "    |     ...\n"
      .. "    |     property 'e' -> object with constructor 'Object'\n"
      .. "    --- property 'f' closes the circle", { t })
    local outer, inner = deep(900)
    inner[1] = outer
    assert.matches("closes the circle$", refusal(outer).message)
  end)

  it("takes the same table twice in different places", function()
    local t = { 1 }
    assert.equal("[[1],[1],[[1]]]", encode({ t, t, { t } }))
  end)

  --- Strings that are next to each other in length, plain, escaped and not ASCII, some of them
  --- too long to be kept: more than there are places for.
  local function strings()
    local list = {}
    for n = 0, 70 do
      list[#list + 1] = ("x"):rep(n)
      list[#list + 1] = ("x"):rep(n) .. '"\n'
      list[#list + 1] = "é" .. ("x"):rep(n)
    end
    return list
  end

  local function quoted(s)
    return '"' .. s:gsub('"', '\\"'):gsub("\n", "\\n") .. '"'
  end

  it("writes strings of records that come again as it did before", function()
    local list, records, want = strings(), {}, {}
    for i = 1, 3 * #list do
      local name, text = list[i % #list + 1], list[(i - 1) // 3 + 1]
      records[i] = { [name] = text }
      want[i] = ("{%s:%s}"):format(quoted(name), quoted(text))
    end
    assert.equal("[" .. table.concat(want, ",") .. "]", encode(records))
    assert.equal("[[" .. table.concat(want, ",") .. "],1]", encode({ records, 1 }))
    assert.equal('{"a":[' .. table.concat(want, ",") .. "]}", encode({ a = records }))
  end)

  it("writes records however deep, large or out of order they are", function()
    local deeper = { { a = { { a = { { "a", { b = deep(20) } } } } } }, deep(30), { a = "a" } }
    assert.equal('[{"a":[{"a":[["a",{"b":' .. ("["):rep(19) .. "{}" .. ("]"):rep(19) .. "}]]}]},"
      .. ("["):rep(29) .. "{}" .. ("]"):rep(29) .. ',{"a":"a"}]', encode(deeper))
    local backwards, want = {}, {}
    for i = 300, 1, -1 do
      backwards[i] = { a = { { b = "b" } } }
      want[i] = '{"a":[{"b":"b"}]}'
    end
    assert.equal("[" .. table.concat(want, ",") .. "]", encode(backwards))
    local rows = { { a = "a" }, { a = ("x"):rep(100000) }, { a = "a" }, { a = ("x"):rep(100000) } }
    local long = '{"a":"' .. ("x"):rep(100000) .. '"}'
    assert.equal('[{"a":"a"},' .. long .. ',{"a":"a"},' .. long .. "]", encode(rows))
  end)

  it("refuses what has no JSON in a later record", function()
    refuses("The property 'message[3].a' must be valid UTF-8. Received '\\xFF'",
      { { a = "a" }, { a = "a" }, { a = "\xff" } })
    refuses("The property 'message.l[2].a[2].b' must be a string, number, boolean, table or child.null. "
      .. "Received [Function: print]", { l = { { a = { "b" } }, { a = { "b", { b = print } } } } })
    for name in ("abcdefghijklmnop"):gmatch(".") do -- of which some come first, and others second
      for _, key in ipairs({ 1, 1.5, true, false, print }) do
        assert.equal("ERR_INVALID_ARG_VALUE", refusal({ { a = 1 }, { [name] = 1, [key] = 2 } }).code)
      end
    end
    assert.equal("ERR_INVALID_ARG_VALUE", refusal({ { a = 1 }, [3] = { a = 1 } }).code)
    assert.equal("ERR_INVALID_ARG_VALUE", refusal({ { a = 1 }, { a = 1 }, a = 1 }).code)
    local t = { { a = "a" }, { a = "a" } }
    t[2].b = t
    assert.matches("closes the circle$", refusal(t).message)
  end)

  it("writes texts of any length", function()
    for _, n in ipairs({ 4000, 4090, 4094, 4095, 4096, 5000, 100000 }) do
      assert.equal('"' .. ("x"):rep(n) .. '"', encode(("x"):rep(n)))
      assert.equal('"' .. ("\\u0000"):rep(n) .. '"', encode(("\0"):rep(n)))
      assert.equal('["' .. ("é"):rep(n) .. '","\\n"]', encode({ ("é"):rep(n), "\n" }))
    end
  end)

  it("works near the end of Lua's stack", function()
    local co = coroutine.wrap(function()
      return select("#", table.unpack({}, 1, 100000)), encode((deep(1000)))
    end)
    local n, text = co()
    assert.equal(100000, n)
    assert.equal(2000, #text)
  end)
end)

describe("core.json.decode", function()
  it("reads scalars", function()
    assert.equal("x", decode(' "x" '))
    assert.is_true(decode("true"))
    assert.is_false(decode("\r\n\tfalse"))
    assert.equal(null, decode("null"))
  end)

  it("reads numbers without point and exponent that fit 64 bits as integers", function()
    for text in ("0 -0 5 -17 9007199254740993 9223372036854775807 -9223372036854775808"):gmatch("%S+") do
      local n = decode(text)
      assert.equal("integer", math.type(n))
      assert.equal(math.tointeger(text), n)
    end
  end)

  it("reads all others as floats", function()
    for text in ("0.0 1.5 -2.50 1e2 1E+2 1e-2 9223372036854775808 -9223372036854775809 "
      .. "12345678901234567890 0.1 123456789012345678e-5 2.2250738585072011e-308 4.9e-324 2.4e-324 "
      .. "1.7976931348623157e308 9007199254740993.0 0.000000000000000000000000000123"):gmatch("%S+") do
      local n = decode(text)
      assert.equal("float", math.type(n), text)
      assert.equal(tonumber(text .. (text:find("[.eE]") and "" or ".0")), n, text)
    end
    assert.equal(math.huge, decode("1e400"))
    assert.equal(-math.huge, decode("-1e400"))
    assert.equal(0, decode("1e-400"))
    assert.equal(-math.huge, 1 / decode("-0.0"))
    assert.equal(1e100, decode("1" .. ("0"):rep(100)))
    assert.equal(1e-100, decode("0." .. ("0"):rep(99) .. "1"))
    assert.equal(math.huge, decode("1e99999999999999999999"))
    assert.equal(0, decode("0e99999999999999999999"))
    assert.equal(1, decode("1" .. ("0"):rep(2000) .. "e-2000"))
    assert.equal(1, decode("0." .. ("0"):rep(1999) .. "1e2000"))
  end)

  it("rounds by all digits, however many", function()
    -- 2^53 + 1 is half way between two floats, and goes to the even one.
    assert.equal(2^53, decode("9007199254740993.0"))
    assert.equal(2^53, decode("9007199254740993." .. ("0"):rep(2000)))
    assert.equal(2^53 + 2, decode("9007199254740993." .. ("0"):rep(2000) .. "1"))
    assert.equal(2^53, decode("9007199254740992." .. ("9"):rep(2000)))
  end)

  it("reads numbers of up to 21 digits as Lua does, wherever the point is", function()
    local state = 1
    local function below(n)
      state = state * 6364136223846793005 + 1442695040888963407
      return (state >> 33) % n
    end
    for _ = 1, 5000 do
      local digits, count = {}, 2 + below(20)
      for i = 1, count do
        digits[i] = below(8) == 0 and (i > 1 and "0" or "9") or 1 + below(9)
      end
      local text = table.concat(digits)
      local point = 1 + below(count - 1)
      text = text:sub(1, point) .. "." .. text:sub(point + 1)
      assert.equal(tonumber(text), decode(text), text)
    end
  end)

  it("reads every escape", function()
    assert.equal('"\\/\b\f\n\r\tAé€😀\0',
      decode([["\"\\\/\b\f\n\r\t\u0041\u00E9\u20ac\ud83d\uDE00\u0000"]]))
  end)

  it("puts U+FFFD for half of a pair, and for what is no UTF-8", function()
    for text, value in pairs({
      ["\\ud800"] = "\u{FFFD}", ["\\ud800x"] = "\u{FFFD}x", ["\\udc00\\ud800"] = "\u{FFFD}\u{FFFD}",
      ["\\ud800\\ud83d\\ude00"] = "\u{FFFD}😀", ["\\ud800\\n"] = "\u{FFFD}\n", ["\\ud800\\u0041"] = "\u{FFFD}A",
      ["\xff"] = "\u{FFFD}", ["a\xe0\x80b"] = "a\u{FFFD}\u{FFFD}b", ["\xf0\x9f\x98"] = "\u{FFFD}",
      ["\xed\xa0\x80"] = "\u{FFFD}\u{FFFD}\u{FFFD}", ["\xffé\\n"] = "\u{FFFD}é\n",
    }) do
      assert.equal(value, decode('"' .. text .. '"'))
      assert.equal(value, next(decode('{"' .. text .. '":1}')))
    end
    assert.equal(("\u{FFFD}"):rep(5000), decode('"' .. ("\xff"):rep(5000) .. '"'))
  end)

  it("keeps what JSON leaves raw", function()
    assert.equal("\127\u{2028}é😀", decode('"\127\u{2028}é😀"'))
  end)

  it("gives null in an array a place, and in an object none", function()
    assert.same({ 1, null, 3 }, { table.unpack(decode("[1,null,3]")) })
    assert.is_nil(next(decode('{"a":null}')))
    assert.same({ b = 1 }, decode('{"a":null,"b":1}'))
  end)

  it("lets the last of two equal names count", function()
    assert.same({ a = 2 }, decode('{"a":1,"a":2}'))
    assert.is_nil(next(decode('{"a":1,"a":null}')))
    assert.same({ a = 1 }, decode('{"a":null,"a":1}'))
  end)

  it("marks arrays", function()
    local list = decode("[[],{}]")
    assert.equal("[[],{}]", encode(list))
    assert.equal(getmetatable(json.array({})), getmetatable(list[1]))
    assert.is_nil(getmetatable(list[2]))
    assert.equal(list, json.array(list))
  end)

  it("reads tables of any size", function()
    for _, n in ipairs({ 1, 2, 31, 32, 33, 63, 64, 65, 66, 127, 128, 129, 1000 }) do
      local list, object = {}, {}
      for i = 1, n do
        list[i] = i % 3 == 0 and "{}" or i
        object[i] = ('"%d":%s'):format(i, i % 3 == 0 and "[]" or i)
      end
      local text = "[" .. table.concat(list, ",") .. "]"
      assert.equal(text, encode(decode(text)))
      assert.equal(n, #decode(text))
      local t, count = decode("{" .. table.concat(object, " , ") .. "}"), 0
      for name, value in pairs(t) do
        assert.equal(tonumber(name) % 3 == 0 and 0 or tonumber(name), type(value) == "table" and #value or value)
        count = count + 1
      end
      assert.equal(n, count)
    end
  end)

  it("reads tables that are others than those before them", function()
    local texts = {}
    for i = 1, 70 do
      local names = {}
      for at = 1, i * 37 % 71 do
        names[at] = ('"%d":[%s]'):format(at, ("{},"):rep(i * at % 5) .. at)
      end
      texts[i] = i % 3 == 0 and "[" .. ("[1],"):rep(i) .. "[]]" or "{" .. table.concat(names, ",") .. "}"
    end
    local list = decode("[" .. table.concat(texts, ",") .. "]")
    for i, text in ipairs(texts) do
      assert.same(decode(text), list[i])
      assert.equal(getmetatable(decode(text)), getmetatable(list[i]))
      assert.equal(#text, #encode(list[i]))
    end
    assert.same({ { a = 2 }, { a = 2 }, { b = 1 } }, { table.unpack(
      decode('[{"a":1,"a":2},{"a":1,"a":2},{"a":1,"a":null,"b":1}]')) })
  end)

  it("reads what is nested 1000 deep, and refuses more", function()
    for _, pair in ipairs({ { "[", "]" }, { '{"a":', "}" } }) do
      local last = pair[1] == "[" and "[]" or "{}"
      local text = pair[1]:rep(999) .. last .. pair[2]:rep(999)
      assert.equal(text, encode(decode(text)))
      local value, problem = decode(pair[1]:rep(1000) .. last .. pair[2]:rep(1000))
      assert.is_nil(value)
      assert.matches("^Nesting deeper than 1000 in JSON at position %d+ %(line 1 column %d+%)$", problem)
    end
    assert.is_nil((decode(("["):rep(1000000))))
  end)

  it("tells what is no JSON in JSON.parse's words", function()
    for text, message in pairs({
      [""] = "Unexpected end of JSON input", ["["] = "Unexpected end of JSON input",
      ["nul"] = "Unexpected end of JSON input", [" "] = "Unexpected end of JSON input",
      ["garbage"] = "Unexpected token 'g', \"garbage\" is not valid JSON",
      ["undefined"] = '"undefined" is not valid JSON',
      ["{a"] = "Expected property name or '}' in JSON at position 1 (line 1 column 2)",
      ["{"] = "Expected property name or '}' in JSON at position 1 (line 1 column 2)",
      ['{"a":1,}'] = "Expected double-quoted property name in JSON at position 7 (line 1 column 8)",
      ['{"a"}'] = "Expected ':' after property name in JSON at position 4 (line 1 column 5)",
      ['{"a":1 "b":2}'] = "Expected ',' or '}' after property value in JSON at position 7 (line 1 column 8)",
      ["[1 2]"] = "Expected ',' or ']' after array element in JSON at position 3 (line 1 column 4)",
      ["[1}"] = "Expected ',' or ']' after array element in JSON at position 2 (line 1 column 3)",
      ["[1,]"] = "Unexpected token ']', \"[1,]\" is not valid JSON",
      ["1 2"] = "Unexpected non-whitespace character after JSON at position 2 (line 1 column 3)",
      ["01"] = "Unexpected number in JSON at position 1 (line 1 column 2)",
      ["-"] = "No number after minus sign in JSON at position 1 (line 1 column 2)",
      ["1."] = "Unterminated fractional number in JSON at position 2 (line 1 column 3)",
      ["1e+x"] = "Exponent part is missing a number in JSON at position 3 (line 1 column 4)",
      ['"a'] = "Unterminated string in JSON at position 2 (line 1 column 3)",
      ['"\\'] = "Unexpected end of JSON input",
      ['"\\x'] = "Bad escaped character in JSON at position 2 (line 1 column 3)",
      ['"\\u12x"'] = "Bad Unicode escape in JSON at position 5 (line 1 column 6)",
      ['"a\tb"'] = "Bad control character in string literal in JSON at position 2 (line 1 column 3)",
      ["\0"] = "Unexpected token '\0', \"\0\" is not valid JSON",
      ["\xff"] = "Unexpected token '\u{FFFD}', \"\u{FFFD}\" is not valid JSON",
      ['["\xff" x'] = "Expected ',' or ']' after array element in JSON at position 5 (line 1 column 6)",
      [("x"):rep(50)] = "Unexpected token 'x', \"xxxxxxxxxx\"... is not valid JSON",
      ["[" .. ("é"):rep(50)] = "Unexpected token 'é', \"[" .. ("é"):rep(10) .. "\"... is not valid JSON",
    }) do
      local value, problem = decode(text)
      assert.is_nil(value)
      assert.equal(message, problem, ("%q"):format(text))
    end
  end)

  it("reads strings of records that come again as it did before", function()
    local list = { "", "x", '\\"', "\\n", "é", "\\u00e9", "\\ud83d\\ude00", "\\ud800", "\xff", "seven b", "eight by",
      "nine byte", "nine bytE", 'a \\"q\\"\\n', 'a \\"q\\"\\t', ("x"):rep(30), ("x"):rep(31), ("x"):rep(32),
      ("x"):rep(33), ("x"):rep(30) .. "y", "eight by\\n", "eight by\\t", "eight by\\\\",
      ("x"):rep(14) .. '\\"', ("x"):rep(14) .. "\\\\" }
    for _, s in ipairs(list) do
      local alone = decode('"' .. s .. '"')
      for _, other in ipairs(list) do
        local text = ('{"%s":"%s","b":"%s"}'):format(s, s, other)
        local long = "[" .. (text .. ","):rep(40) .. text .. "]"
        local records = decode(long)
        assert.is_true(#long >= 512)
        for _, record in ipairs(records) do
          assert.equal(decode('"' .. other .. '"'), record.b)
          assert.equal(s == "b" and record.b or alone, record[alone])
        end
      end
    end
  end)

  it("finds what is wrong in a string that began as one before", function()
    local before = '["nine bytes","a \\"q\\"\\n",' .. ("1,"):rep(300)
    for text, problem in pairs({
      ['"nine bytes'] = "Unterminated string",
      ['"nine byt'] = "Unterminated string",
      ['"nine by\1es"]'] = "Bad control character",
      ['"nine byt\\qs"]'] = "Bad escaped character",
      ['"a \\"q\\"\\'] = "Unexpected end of JSON input",
      ['"a \\"q\\"\n"]'] = "Bad control character",
      ['"\0\0\0\0\0\0\0\0"]'] = "Bad control character",
      ['"a\0\0\0\0\0\0\2"]'] = "Bad control character",
    }) do
      local value, words = decode(before .. text)
      assert.is_nil(value)
      assert.matches(problem, words, 1, true)
    end
  end)

  it("takes numbers and names up to the last byte of the text", function()
    for _, text in ipairs({ "1", "-1", "1.5", "1e5", "true", '"x"', "[]", "{}" }) do
      assert.is_not_nil((decode(text)))
      for cut = 1, #text - 1 do
        decode(text:sub(1, cut)) -- reads beyond no end: AddressSanitizer tells
      end
    end
  end)

  it("leaves Lua's stack as it was where a text fails deep inside", function()
    for _ = 1, 100 do
      assert.is_nil((decode(('[1,2,{"a":'):rep(300) .. "x")))
    end
  end)
end)

describe("what core.json writes", function()
  it("reads back as what it was", function()
    local value = { a = { 1, 2.5, "x", { b = true } }, ["\0"] = "\0\127\u{2028}", n = math.mininteger, big = 2.0^70,
      float = 2.0^60 }
    assert.same(value.a[4], decode(encode(value)).a[4])
    local back = decode(encode(value))
    assert.equal("\0\127\u{2028}", back["\0"])
    assert.equal(math.mininteger, back.n)
    assert.equal(2.0^70, back.big)
    assert.equal("float", math.type(back.float))
    assert.equal(2.0^60, back.float)
  end)

  it("has a point whatever the locale #slow", function()
    local folder = os.tmpname()
    os.remove(folder)
    local command = "mkdir %s && localedef -c -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1"
    if not os.execute(command:format(folder, folder)) then
      os.execute("rm -rf " .. folder)
      return pending("no localedef, or no sources of locales")
    end
    local result = lua.run({ env = { LOCPATH = folder }, script = [[
      require("net")
      local json = require("net.core").json
      assert(os.setlocale("de_DE.UTF-8", "numeric"))
      assert(("%.1f"):format(0.5) == "0,5")
      for _, text in ipairs({ "0.5", "3.14", "1.5e-10", "1.2345e+300", "0.30000000000000004", "123456.789",
        "2.2250738585072014e-308", "1.7976931348623157e+308" }) do
        print(json.encode(json.decode(text)) == text)
      end
    ]] })
    os.execute("rm -rf " .. folder)
    assert.same({ code = 0, stdout = ("true\n"):rep(8), stderr = "" }, result)
  end)
end)

describe("core.json, binary,", function()
  local bytes = {}
  for i = 0, 255 do
    bytes[#bytes + 1] = string.char(i)
  end
  local all = table.concat(bytes)

  it("takes strings that are no UTF-8", function()
    assert.equal('{"$b":"Yf9i"}', encode("a\xffb", true))
    assert.equal('["x",{"$b":"/w=="}]', encode({ "x", "\xff" }, true))
    for n = 1, 300 do
      local s = all:sub(128, 128) .. all:rep(2):sub(1, n)
      assert.equal(s, decode(encode(s, true), true))
      assert.same({ x = s }, decode(encode({ x = s }, true), true))
    end
    local long = all:rep(1000)
    assert.equal(long, decode(encode(long, true), true))
  end)

  it("has names of UTF-8 alone", function()
    assert.equal("ERR_INVALID_ARG_VALUE", refusal({ ["\xff"] = 1 }, true).code)
  end)

  it("keeps objects that look like such a string", function()
    for _, name in ipairs({ "$b", "$$b", "$$$$b" }) do
      for _, value in ipairs({ 1, "Yf9i", "\xff", { ["$b"] = 1 } }) do
        local text = encode({ [name] = value }, true)
        assert.equal('{"$' .. name .. '"', text:sub(1, #name + 4))
        assert.same({ [name] = value }, decode(text, true))
      end
    end
    assert.equal('{"$b":1}', encode({ ["$b"] = 1 }))
    for _, name in ipairs({ "b", "$", "$a", "$bb", "x$b", "" }) do
      assert.same({ [name] = "\xff" }, decode(encode({ [name] = "\xff" }, true), true))
      assert.equal('{"' .. name .. '":1}', encode({ [name] = 1 }, true))
    end
    local both = { ["$b"] = 1, ["$$b"] = 2 }
    assert.same(both, decode(encode(both, true), true))
    assert.matches('"$b":1', encode(both, true), 1, true)
  end)

  it("leaves alone what it would not have written", function()
    for _, text in ipairs({ '{"$b":1}', '{"$b":"*"}', '{"$b":"Yf9"}', '{"$b":"Yf9=="}', '{"$b":"/x=="}',
      '{"$b":"-_=="}', '{"$b":["Yf9i"]}', '{"$b":"===="}' }) do
      assert.equal(text, encode(decode(text, true)))
    end
    assert.same({ ["$b"] = "Yf9i", x = 1 }, decode('{"$b":"Yf9i","x":1}', true))
    assert.same({ ["$b"] = "Yf9i" }, decode('{"$b":"Yf9i"}'))
  end)

  it("holds them in the deepest table, too", function()
    local outer, inner = deep(1000)
    inner[1] = "\xff"
    assert.equal(encode(outer, true), encode(decode(encode(outer, true), true), true))
    assert.is_nil((decode(("["):rep(1000) .. '{"b":1}' .. ("]"):rep(1000), true)))
    assert.is_nil((decode(("["):rep(1000) .. '{"$$b":1}' .. ("]"):rep(1000), true)))
    assert.is_nil((decode(("["):rep(1000) .. "[]" .. ("]"):rep(1000), true)))
    assert.is_nil((decode(("["):rep(1000) .. "{" .. ('"a":1,'):rep(100) .. '"b":2}' .. ("]"):rep(1000), true)))
  end)
end)

describe("core.json.decode of a long text", function()
  local function quoted(list)
    local out = {}
    for i, text in ipairs(list) do out[i] = encode(text) end
    return "[" .. table.concat(out, ",") .. "]"
  end

  it("tells short strings apart, as often as they come", function()
    local list, alphabet = { "" }, { "a", "b", "_", "\0", "\n", '"', "\\", "é" }
    for _ = 1, 4 do
      for i = #list, math.max(1, #list - 299), -1 do
        for _, letter in ipairs(alphabet) do list[#list + 1] = list[i] .. letter end
      end
    end
    for n = 1, 9 do list[#list + 1] = ("x"):rep(n) end
    for i = 1, #list do list[#list + 1] = list[#list + 1 - i] end
    local back = decode(quoted(list))
    assert.equal(#list, #back)
    for i, text in ipairs(list) do
      assert.equal(text, back[i])
    end
  end)

  it("takes one that is cut off in the last bytes for none", function()
    local text = quoted({ ("x"):rep(600), "abc", "abc" })
    for cut = 1, 12 do
      assert.is_nil((decode(text:sub(1, -1 - cut))))
    end
  end)
end)

describe("core.json.null", function()
  it("is a true value of its own that prints as null", function()
    assert.equal("null", tostring(null))
    assert.is_true(null and true)
    assert.equal(null, decode("[null]")[1])
    assert.equal("null", require("net.internal.inspect").inspect(null))
    assert.equal("null", errors.received(null))
  end)
end)

describe("net.child", function()
  it("has JSON's null and the mark of arrays", function()
    local child = require("net.child")
    assert.equal(null, child.null)
    assert.equal("[]", encode(child.array({})))
  end)
end)

describe("core.json.array", function()
  it("marks a table and gives it back", function()
    local t = {}
    assert.equal(t, json.array(t))
    assert.equal(t, json.array(t))
  end)

  it("refuses what is no table, or has a metatable", function()
    local ok, e = pcall(json.array, 5)
    assert.is_false(ok)
    assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "list" argument must be an instance of Array. '
      .. "Received type number (5)", tostring(e))
    local mt = {}
    local t = setmetatable({}, mt)
    ok, e = pcall(json.array, t)
    assert.is_false(ok)
    assert.equal("The argument 'list' must have no metatable. Received {}", e.message)
    assert.equal(mt, getmetatable(t))
  end)
end)
