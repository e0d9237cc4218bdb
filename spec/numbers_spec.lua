-- SPDX-License-Identifier: MIT

--- Numbers in strings, as JavaScript reads them: net.numbers behind
--- args.tonumber_js.

local args = require("net.internal.args")
local inspect = require("net.internal.inspect")
local numbers = require("net.internal.numbers")

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
      assert.equal(case[2], inspect.number(args.tonumber_js(case[1])), ("%q"):format(case[1]))
    end
  end)

  it("gives NaN for any other string", function()
    for _, text in ipairs(NOT_NUMBERS) do
      assert.equal("NaN", inspect.number(args.tonumber_js(text)), ("%q"):format(text))
    end
  end)

  it("gives an integer where the number is one", function()
    assert.equal("integer", math.type(args.tonumber_js("80.0")))
    assert.equal("integer", math.type(args.tonumber_js("8e1")))
    assert.equal("float", math.type(args.tonumber_js("0.5")))
  end)

  it("leaves numbers alone, and makes 1 and 0 of booleans", function()
    assert.equal(1.5, args.tonumber_js(1.5))
    assert.equal(1, args.tonumber_js(true))
    assert.equal(0, args.tonumber_js(false))
  end)

  it("gives NaN for nil and for what is no number at all", function()
    for _, v in ipairs({ {}, print, io.stdout }) do
      assert.equal("NaN", inspect.number(args.tonumber_js(v)))
    end
    assert.equal("NaN", inspect.number(args.tonumber_js(nil)))
  end)

  it("takes long strings in its stride", function()
    assert.equal(1, args.tonumber_js((" "):rep(100000) .. "1" .. ("\u{3000}"):rep(100000)))
    assert.equal("NaN", inspect.number(args.tonumber_js(("1"):rep(100000) .. "x")))
  end)
end)

describe("trim", function()
  it("takes white space off both ends, and none from within", function()
    assert.equal("a b", numbers.trim(" \u{A0}\ta b\n\u{FEFF}"))
    assert.equal("", numbers.trim("\u{2003} \u{2003}"))
    assert.equal("", numbers.trim(""))
  end)

  it("leaves half characters and other bytes alone", function()
    assert.equal("\xA0x\xE2\x80", numbers.trim(" \xA0x\xE2\x80 "))
    assert.equal("\u{200B}", numbers.trim("\u{200B}"))
  end)
end)
