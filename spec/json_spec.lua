-- SPDX-License-Identifier: MIT

--- net.json, which reads what BlockList's fromJSON is given. The words are those of Node 26.

local errors = require("net.internal.errors")
local json = require("net.internal.json")

--- Checks that a text is refused with that message.
local function refuses(message, text)
  local ok, e = pcall(json.read, text)
  assert.is_false(ok, "accepted")
  assert.is_true(errors.is_error(e), tostring(e))
  assert.equal("SyntaxError: " .. message, tostring(e), ("%q"):format(text))
end

describe("json.read", function()
  it("gives a list of strings", function()
    assert.same({}, json.read(" [ ] "))
    assert.same({ "a", "", "é" }, json.read('["a",\r\n\t"" , "é"]'))
  end)

  it("reads every escape", function()
    assert.same({ '"\\/\b\f\n\r\tAé€😀\0' },
      json.read([=[["\"\\\/\b\f\n\r\t\u0041\u00E9\u20ac\ud83d\uDE00\u0000"]]=]))
  end)

  it("puts U+FFFD for half of a pair", function()
    assert.same({ "\u{FFFD}x", "\u{FFFD}\u{FFFD}", "\u{FFFD}\u{FFFD}" },
      json.read([=[["\ud800x", "\udc00\ud800", "\ud800\ud800"]]=]))
  end)

  it("gives a scalar as what it is", function()
    assert.equal("x", json.read('"x"'))
    assert.is_true(json.read(" true "))
    assert.is_false(json.read("false"))
    assert.equal(json.null, json.read("null"))
    for text, number in pairs({ ["5"] = 5, ["-0.5e+1"] = -5, ["1E2"] = 100, ["0"] = 0, ["10.25"] = 10.25 }) do
      assert.equal(number, json.read(text))
    end
  end)

  it("reads over all else", function()
    assert.equal(json.object, json.read('{"a":[1,{"b":null}],"":{}}'))
    assert.same({ json.object, json.object, 1.5, json.null, false, "x" },
      json.read('[{"a":"b"},["c",["d"]],1.5,null,false,"x"]'))
  end)

  it("refuses what is no JSON in JSON.parse's words", function()
    for text, message in pairs({
      [""] = "Unexpected end of JSON input", ["["] = "Unexpected end of JSON input",
      ["nul"] = "Unexpected end of JSON input", ["x"] = "Unexpected token 'x', \"x\" is not valid JSON",
      ["undefined"] = '"undefined" is not valid JSON', ["[,]"] = "Unexpected token ',', \"[,]\" is not valid JSON",
      ['["a",]'] = "Unexpected token ']', \"[\"a\",]\" is not valid JSON",
      ["['a']"] = "Unexpected token ''', \"['a']\" is not valid JSON",
      [".5"] = "Unexpected token '.', \".5\" is not valid JSON",
      ["\u{A0}[]"] = "Unexpected token '\u{A0}', \"\u{A0}[]\" is not valid JSON",
      [("a"):rep(99)] = "Unexpected token 'a', \"aaaaaaaaaa\"... is not valid JSON",
      ['["01234567890", x, "01234567890"]'] =
        "Unexpected token 'x', ...\"4567890\", x, \"012345\"... is not valid JSON",
      ['["01234567890", x]'] = "Unexpected token 'x', \"[\"01234567890\", x]\" is not valid JSON",
      ['["012345678901234567890", x]'] = "Unexpected token 'x', ...\"4567890\", x]\" is not valid JSON",
      ['["a"'] = "Expected ',' or ']' after array element in JSON at position 4 (line 1 column 5)",
      ['["a" "b"]'] = "Expected ',' or ']' after array element in JSON at position 5 (line 1 column 6)",
      ['["é😀"\r\n\n  x]'] = "Expected ',' or ']' after array element in JSON at position 11 (line 3 column 3)",
      ["[01]"] = "Unexpected number in JSON at position 2 (line 1 column 3)",
      ["[-]"] = "No number after minus sign in JSON at position 2 (line 1 column 3)",
      ["[1."] = "Unterminated fractional number in JSON at position 3 (line 1 column 4)",
      ["[1e]"] = "Exponent part is missing a number in JSON at position 3 (line 1 column 4)",
      ['["\\x"]'] = "Bad escaped character in JSON at position 3 (line 1 column 4)",
      ['["\\u12"]'] = "Bad Unicode escape in JSON at position 6 (line 1 column 7)",
      ['["a\nb"]'] = "Bad control character in string literal in JSON at position 3 (line 1 column 4)",
      ['"abc'] = "Unterminated string in JSON at position 4 (line 1 column 5)",
      ['["x"] y'] = "Unexpected non-whitespace character after JSON at position 6 (line 1 column 7)",
      ["{a}"] = "Expected property name or '}' in JSON at position 1 (line 1 column 2)",
      ['{"a"}'] = "Expected ':' after property name in JSON at position 4 (line 1 column 5)",
      ['{"a":1,}'] = "Expected double-quoted property name in JSON at position 7 (line 1 column 8)",
      ['{"a":1 "b":2}'] = "Expected ',' or '}' after property value in JSON at position 7 (line 1 column 8)",
    }) do
      refuses(message, text)
    end
  end)

  it("takes values nested a hundred thousand deep", function()
    local deep = ("["):rep(100000)
    refuses("Unexpected end of JSON input", deep)
    assert.same({ json.object }, json.read(deep .. ("]"):rep(100000)))
  end)
end)
