-- SPDX-License-Identifier: MIT

--- The texts are those of Node 26's util.inspect for the same values.

local core = require("net.core")
local inspect = require("net.internal.inspect")

--- Checks pairs of a value and its text.
local function shows(pairs_of)
  for _, case in ipairs(pairs_of) do
    assert.equal(case[2], inspect.inspect(case[1]))
  end
end

local function class(name, metamethods)
  metamethods = metamethods or {}
  metamethods.__name = name
  return setmetatable({}, metamethods)
end

describe("inspect of a number", function()
  it("has no '.0' on an integral float", function()
    shows({ { 80, "80" }, { 80.0, "80" }, { -3.0, "-3" }, { 2 ^ 53, "9007199254740992" } })
  end)

  it("spells zero, NaN and the infinities as JavaScript does", function()
    shows({
      { 0.0, "0" }, { -0.0, "-0" }, { 0 / 0, "NaN" }, { -(0 / 0), "NaN" },
      { math.huge, "Infinity" }, { -math.huge, "-Infinity" },
    })
  end)

  it("shows the shortest digits that read back the same", function()
    shows({
      { 0.1, "0.1" }, { 0.1 + 0.2, "0.30000000000000004" }, { 1 / 3, "0.3333333333333333" },
      { 4294967296.5, "4294967296.5" }, { 5e-324, "5e-324" },
    })
  end)

  it("changes to an exponent where JavaScript does", function()
    shows({
      { 0.000001, "0.000001" }, { 1e-7, "1e-7" }, { -1.5e-10, "-1.5e-10" },
      { 123456789012345680000.0, "123456789012345680000" }, { 1e21, "1e+21" },
      { 1.7976931348623157e308, "1.7976931348623157e+308" },
    })
  end)

  it("shows all digits of a Lua integer", function()
    shows({ { math.mininteger, "-9223372036854775808" }, { math.maxinteger, "9223372036854775807" } })
  end)
end)

describe("inspect of a string", function()
  it("prefers the quotes that need no escape", function()
    shows({
      { "abc", "'abc'" },
      { 'say "x"', "'say \"x\"'" },
      { "it's", '"it\'s"' },
      { "it's \"q\"", "`it's \"q\"`" },
      { "it's \"q\" `b`", "'it\\'s \"q\" `b`'" },
      { "it's \"q\" ${b}", "'it\\'s \"q\" ${b}'" },
    })
  end)

  it("escapes control characters and backslashes", function()
    shows({
      { "a\nb\0\127\u{80}\\", "'a\\nb\\x00\\x7F\\x80\\\\'" },
      { "\b\t\v\f\r\27", "'\\b\\t\\x0B\\f\\r\\x1B'" },
    })
  end)

  it("leaves other UTF-8 alone, and escapes bytes that are none", function()
    shows({
      { "héllo 日本 😀", "'héllo 日本 😀'" },
      { "\xff\xfeé\xc3", "'\\xFF\\xFEé\\xC3'" },
    })
  end)

  it("breaks a long one behind its newlines", function()
    local line = "line one is long enough\n"
    local quoted = "'line one is long enough\\n'"
    shows({
      { line:rep(4), table.concat({ quoted, quoted, quoted, quoted }, " +\n  ") },
      { line:rep(3), "'" .. ("line one is long enough\\n"):rep(3) .. "'" },
      { { s = line:rep(4) },
        "{\n  s: " .. table.concat({ quoted, quoted, quoted, quoted }, " +\n    ") .. "\n}" },
    })
  end)

  it("is cut after 10000 characters", function()
    shows({
      { ("x"):rep(10001), "'" .. ("x"):rep(10000) .. "'... 1 more character" },
      { ("é"):rep(10002), "'" .. ("é"):rep(10000) .. "'... 2 more characters" },
    })
  end)
end)

describe("inspect of a table", function()
  it("shows the empty one as an Object", function()
    shows({ { {}, "{}" }, { { a = {} }, "{ a: {} }" } })
  end)

  it("shows keys in order, quoted where they are no identifiers", function()
    shows({
      { { port = true }, "{ port: true }" },
      { { b = 1, a = "x", ["x-y"] = 2, [2] = 3 }, "{ '2': 3, a: 'x', b: 1, 'x-y': 2 }" },
      { { [1.5] = 1, [true] = 2 }, "{ '1.5': 1, [true]: 2 }" },
    })
  end)

  it("shows one with a first element as an Array, with what else it has behind", function()
    shows({
      { { 1 }, "[ 1 ]" },
      { { 1, "b", { 2 }, n = 3 }, "[ 1, 'b', [ 2 ], n: 3 ]" },
    })
  end)

  it("counts the holes of an Array", function()
    shows({ { { nil, 1, nil, nil, 2 }, "[ <1 empty item>, 1, <2 empty items>, 2 ]" } })
  end)

  it("shows two levels below the outermost", function()
    shows({
      { { a = { b = { c = { d = 1 } } } }, "{ a: { b: { c: [Object] } } }" },
      { { a = { b = { c = { 1 } } } }, "{ a: { b: { c: [Array] } } }" },
      { { a = { b = { c = {} } } }, "{ a: { b: { c: {} } } }" },
    })
    assert.equal("{ a: [Object] }", inspect.inspect({ a = { b = 1 } }, 0))
  end)

  it("names what it meets again", function()
    local a = {}
    a.a = a
    local b = { a = {} }
    b.a.p, b.z = b.a, b
    shows({
      { a, "<ref *1> { a: [Circular *1] }" },
      { b, "<ref *2> { a: <ref *1> { p: [Circular *1] }, z: [Circular *2] }" },
    })
    local twice = {}
    shows({ { { twice, twice }, "[ {}, {} ]" } })
  end)

  it("puts an entry on each line when one does not hold them", function()
    local long = { aaaaaaaaaaaaaaaaaaaaaaaaa = 1, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb = 2,
      cccccccccccccccccccccc = 3, d = { 1, 2, { e = 1 } } }
    assert.equal("{\n  aaaaaaaaaaaaaaaaaaaaaaaaa: 1,\n  bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: 2,\n"
      .. "  cccccccccccccccccccccc: 3,\n  d: [ 1, 2, { e: 1 } ]\n}", inspect.inspect(long))
  end)

  it("puts more than six elements into columns", function()
    local ones, names = {}, { "abc", "defghijkl", "m", "n", "o", "p", "q", "r" }
    for i = 1, 102 do
      ones[i] = 1
    end
    shows({
      { { 1, 2, 3, 4, 5, 6, 7 }, "[\n  1, 2, 3, 4,\n  5, 6, 7\n]" },
      { { 100, 2, 3, 4, 5, 6, 7 }, "[\n  100, 2, 3, 4,\n    5, 6, 7\n]" },
      { { "a", "bb", "c", "d", "e", "f", "g" },
        "[\n  'a', 'bb', 'c',\n  'd', 'e',  'f',\n  'g'\n]" },
      { names, "[ 'abc', 'defghijkl', 'm', 'n', 'o', 'p', 'q', 'r' ]" },
      { ones, "[\n" .. ("  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,\n"):rep(8)
        .. "  1, 1, 1, 1,\n  ... 2 more items\n]" },
    })
  end)

  it("runs no metamethod of the user's", function()
    local trap = function() error("called") end
    local t = setmetatable({ a = 1 },
      { __index = trap, __len = trap, __pairs = trap, __tostring = trap })
    shows({ { t, "{ a: 1 }" } })
    shows({ { setmetatable({ a = 1 }, { __metatable = false }), "{ a: 1 }" } })
  end)
end)

describe("inspect of other values", function()
  it("shows nil as Lua does", function()
    assert.equal("nil", inspect.inspect(nil))
    shows({ { true, "true" }, { false, "false" } })
  end)

  it("shows a function by its global name, if it has one", function()
    shows({ { print, "[Function: print]" }, { function() end, "[Function (anonymous)]" } })
  end)

  it("shows objects of a class by its name", function()
    local mixed = class("Mixed")
    mixed.a = 1
    shows({
      { class("Socket"), "Socket {}" },
      { mixed, "Mixed { a: 1 }" },
      { { a = { b = { c = mixed } } }, "{ a: { b: { c: [Mixed] } } }" },
      { io.stdout, "FILE* {}" },
      { coroutine.create(print), "[Coroutine]" },
    })
  end)

  it("shows what a class wants to be shown, in its order", function()
    local address = class("SocketAddress", {
      __inspect = function()
        return { address = "1.1.1.9", port = 0, family = "ipv4", flowlabel = 0 },
          { "address", "port", "family", "flowlabel" }
      end,
    })
    local text = "SocketAddress { address: '1.1.1.9', port: 0, family: 'ipv4', flowlabel: 0 }"
    shows({
      { address, text },
      { { a = address }, "{\n  a: " .. text .. "\n}" },
      { { a = { b = address } }, "{\n  a: {\n    b: " .. text .. "\n  }\n}" },
      { { a = { b = { c = address } } }, "{ a: { b: { c: [SocketAddress] } } }" },
    })
  end)

  it("shows an error by its text, with its fields behind", function()
    local bare = setmetatable({ name = "Error", message = "x", stack = "y" }, core.error_metatable)
    local coded = setmetatable({ name = "TypeError", message = "x", code = 5, cause = { 1 } },
      core.error_metatable)
    shows({
      { bare, "[Error: x]" },
      { coded, "[TypeError: x] { code: 5, [cause]: [ 1 ] }" },
    })
  end)
end)

describe("inspect.length and inspect.prefix", function()
  it("count as JavaScript does: two for a character beyond the BMP", function()
    assert.equal(0, inspect.length(""))
    assert.equal(4, inspect.length("a日😀"))
    assert.equal("a日", inspect.prefix("a日😀b", 2))
    assert.equal("a日😀", inspect.prefix("a日😀b", 4))
    assert.equal("ab", inspect.prefix("ab", 5))
  end)

  it("never cut a character in two", function()
    assert.equal("a日", inspect.prefix("a日😀b", 3))
  end)

  it("count bytes in what is not UTF-8", function()
    assert.equal(3, inspect.length("\xff\xe2a"))
    assert.equal("\xff\xe2", inspect.prefix("\xff\xe2a", 2))
  end)
end)
