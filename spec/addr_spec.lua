-- SPDX-License-Identifier: MIT

--- What of core.isIP, isIPv4 and isIPv6 is promised; the parser behind them
--- (src/base/addr.c) is what listen and connect read addresses with.

local core = require("net.core")

-- The answers of Node 26 to the same strings.
local ANSWERS = {
  [4] = {
    "127.0.0.1", "0.0.0.0", "255.255.255.255", "1.2.3.4", "192.168.1.1", "99.99.99.99",
    "249.250.251.252", "100.200.199.209", "1.2.3.0",
  },
  [6] = {
    "::", "::1", "1::", "::0", "0::0", "0:0:0:0:0:0:0:0", "0:0:0:0:0:0:0:1", "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "1:2:3:4:5:6::8", "fe80::1",
    "FE80::1", "Fe80::aBcD", "2001:db8::", "2001:db8::1",
    "2001:0db8:0000:0000:0000:0000:0000:0001", "::ffff:1.2.3.4", "::FFFF:1.2.3.4", "::1.2.3.4",
    "1:2:3:4:5:6:1.2.3.4", "1::1.2.3.4", "1:2:3:4:5::1.2.3.4", "64:ff9b::192.0.2.33",
    "::ffff:0:0", "::ffff:c0a8:101", "fe80::1%1", "fe80::1%eth0", "fe80::1%eth0.100",
    "fe80::1%en-0", "fe80::1%a:b", "fe80::1%25lo", "::1%lo", "::%0", "1:2:3:4:5:6:7:8%z",
    "::ffff:1.2.3.4%1", "::ffff:1.2.3.4%eth0", "fe80::1%verylonginterfacenamethatcannotexist",
    "1:2:3:4:5:6:7::%q", "fe80::1%.", "fe80::1%-", "0:0:0:0:0:ffff:255.255.255.255",
    "0000:0000:0000:0000:0000:ffff:255.255.255.255", "a:b:c:d:e:f:0:1",
    "abcd:ef01:2345:6789:abcd:ef01:2345:6789", "::abcd:ef01:2345:6789:abcd:ef01:2345",
    "abcd::2345:6789:abcd:ef01:2345:6789", "1:2::7:8", "0::1.2.3.4%a",
  },
  [0] = {
    "10.0.0.01", "010.0.0.1", "00.0.0.0", "256.1.1.1", "1.256.1.1", "1.1.1.256", "1.1.1.1000",
    "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", ".1.2.3.4", "1..2.3", "1.2.3.4 ", " 1.2.3.4",
    "1.2.3.4\n", "\n1.2.3.4", "1.2.3.4\0", "1.2.3.4/24", "1.2.3.4:80", "1.2.3.4%1",
    "1.2.3.4%eth0", "0x7f.1", "0x7f.0.0.1", "2130706433", "1.2.3.a", "a.b.c.d", "+1.2.3.4",
    "-1.2.3.4", "1,2,3,4", "1.2.3.4\t", "1.2.3.300", "1.2.3.04", "0.0.0.00", "127.1",
    "127.0.0.1 127.0.0.1", "127.000.000.001", "1e1.1.1.1", "１.2.3.4", "٠.0.0.0", "1.2.3.4x", "",
    "1:2:3:4:5:6:7::8", "1::2::3", ":::", "::::", "1:::2", ":1", "1:", ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "12345::", "::12345", "::g", "::G",
    "02001:db8::1", "::ffff:01.2.3.4", "::ffff:1.2.3", "::ffff:1.2.3.4.5", "::ffff:256.1.1.1",
    "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:1.2.3.4", "1:2:3:4:5:6::1.2.3.4", "::1.2.3.4:5",
    "1.2.3.4::", "1.2.3.4:1::", "::1.2.3.4.", "[::1]", "[::1", "::1]", "::1/64", "::1/128",
    "::1 ", " ::1", "::1\n", "::1\0", "fe80::1%", "fe80::1%%", "fe80::1%a%b", "fe80::1%a_b",
    "fe80::1%a b", "fe80::1%eth0 ", "fe80::1%eth0\n", "fe80::1%é", "fe80::1%eth0/64", "%lo",
    "::1%1%", "0000:0000:0000:0000:0000:ffff:255.255.255.2555",
    "00000:0000:0000:0000:0000:ffff:255.255.255.255", "localhost", "example.com", "/tmp/sock",
    "80", "::1.2.3", "::.", "::1.", "1.::", "1:2::3:4:5:6:7:8", "::ffff:1.2.3.4.%a", "::-1",
    "::+1", "::0x1", " ", "\0",
  },
}

local function each_answer(check)
  for version, texts in pairs(ANSWERS) do
    for _, text in ipairs(texts) do
      check(text, version, ("%q"):format(text))
    end
  end
end

describe("isIP", function()
  it("answers 4, 6 or 0 as Node does", function()
    each_answer(function(text, version, shown)
      assert.equal(version, core.isIP(text), shown)
    end)
  end)

  it("answers with an integer", function()
    assert.equal("integer", math.type(core.isIP("::1")))
  end)

  it("takes no number for a string", function()
    assert.equal(0, core.isIP(127001))
    assert.equal(0, core.isIP(1.2))
  end)

  it("answers 0 to what is no string, and to nothing", function()
    assert.equal(0, core.isIP())
    assert.equal(0, core.isIP(nil))
    assert.equal(0, core.isIP(true))
    assert.equal(0, core.isIP({ "1.2.3.4" }))
    assert.equal(0, core.isIP(print))
  end)

  it("looks at what an object says of itself, as Node does", function()
    local function saying(value)
      return setmetatable({}, { __tostring = function() return value end })
    end
    assert.equal(4, core.isIP(saying("1.2.3.4")))
    assert.equal(6, core.isIP(saying("::1")))
    assert.equal(0, core.isIP(saying("1.2.3")))
    assert.is_true(core.isIPv4(saying("1.2.3.4")))
    assert.is_false(core.isIPv6(saying("1.2.3.4")))
    assert.is_true(core.isIPv6(saying("::1")))
    assert.is_false(core.isIPv4(io.stdout))
  end)

  it("raises what that raises", function()
    local bad = setmetatable({}, { __tostring = function() error("no text", 0) end })
    for _, fn in ipairs({ core.isIP, core.isIPv4, core.isIPv6 }) do
      assert.has_error(function() fn(bad) end, "no text")
    end
    assert.has_error(function() core.isIP(setmetatable({}, { __tostring = function() end })) end)
  end)

  it("sees a NUL where C would see the end", function()
    assert.equal(0, core.isIP("1.2.3.4\0"))
    assert.equal(0, core.isIP("::1\0%lo"))
    assert.equal(0, core.isIP("::1%lo\0"))
  end)

  it("takes a text of any length", function()
    assert.equal(0, core.isIP(("1"):rep(100000)))
    assert.equal(0, core.isIP((":"):rep(100000)))
    assert.equal(6, core.isIP("fe80::1%" .. ("z"):rep(100000)))
  end)

  it("reads nothing but its first argument", function()
    assert.equal(4, core.isIP("1.2.3.4", "::1"))
    assert.equal(0, core.isIP(nil, "::1"))
  end)
end)

describe("isIPv4", function()
  it("is true exactly where isIP says 4", function()
    each_answer(function(text, version, shown)
      assert.equal(version == 4, core.isIPv4(text), shown)
    end)
  end)

  it("is false, not nil, for what is no string", function()
    assert.is_false(core.isIPv4())
    assert.is_false(core.isIPv4(1.2))
  end)
end)

describe("isIPv6", function()
  it("is true exactly where isIP says 6", function()
    each_answer(function(text, version, shown)
      assert.equal(version == 6, core.isIPv6(text), shown)
    end)
  end)

  it("is false, not nil, for what is no string", function()
    assert.is_false(core.isIPv6())
    assert.is_false(core.isIPv6({}))
  end)
end)
