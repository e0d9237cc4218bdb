-- SPDX-License-Identifier: MIT

--- net.SocketAddress. All results and texts are those of Node 26, but for port 80 in `parse` and
--- for large flow labels, and for long addresses with a zone;
--- spec/data/socketaddress_golden.lua holds those that it gave in bulk.

local errors = require("net.internal.errors")
local inspect = require("net.internal.inspect").inspect
local net = require("net")
local golden = dofile((debug.getinfo(1, "S").source:match("^@(.*)socketaddress_spec") or "spec/")
  .. "data/socketaddress_golden.lua")

local SocketAddress = net.SocketAddress

--- Checks that a call raises an error that reads as given.
local function refuses(expected, f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok, "accepted")
  assert.is_true(errors.is_error(e), tostring(e))
  assert.equal(expected, tostring(e))
end

local function arg_type(name, word, wanted, received)
  return ('TypeError [ERR_INVALID_ARG_TYPE]: The "%s" %s must be %s. Received %s'):format(
    name, word, wanted, received)
end

local INVALID = "Error: Invalid socket address"

describe("net.SocketAddress", function()
  it("is 127.0.0.1 without options", function()
    local expected = { address = "127.0.0.1", port = 0, family = "ipv4", flowlabel = 0 }
    assert.same(expected, SocketAddress():toJSON())
    assert.same(expected, SocketAddress(nil):toJSON())
    assert.same(expected, SocketAddress({}):toJSON())
  end)

  it("is :: with any other family than \"ipv4\" and no address", function()
    assert.equal("::", SocketAddress({ family = "ipv6" }).address)
    assert.equal("::", SocketAddress({ family = "IPv6" }).address)
    refuses(INVALID, SocketAddress, { family = "IPV4" })
  end)

  it("has the fields that the options gave", function()
    local a = SocketAddress({ address = "::1", family = "IPV6", port = 443, flowlabel = 7 })
    assert.equal("::1", a.address)
    assert.equal(443, a.port)
    assert.equal("ipv6", a.family)
    assert.equal(7, a.flowlabel)
    assert.equal("integer", math.type(SocketAddress({ port = 80.0 }).port))
  end)

  it("reads a port as JavaScript reads numbers", function()
    for _, port in ipairs({ 80, 80.0, "80", "0x50", " 80 ", "8e1" }) do
      assert.equal(80, SocketAddress({ port = port }).port)
    end
    assert.equal(0, SocketAddress({ port = -0.0 }).port)
  end)

  it("has no flow label with IPv4", function()
    assert.equal(0, SocketAddress({ flowlabel = 0xFFFFF }).flowlabel)
    assert.equal(0, SocketAddress({ flowlabel = 0xFFFFFFFF }).flowlabel)
  end)

  it("writes an address in its normal form", function()
    for text, normal in pairs({
      ["FE80:0:0:0:0:0:0:1"] = "fe80::1", ["::FFFF:1.2.3.4"] = "::ffff:1.2.3.4",
      ["::ffff:102:304"] = "::ffff:1.2.3.4", ["::1.2.3.4"] = "::1.2.3.4", ["::1:0"] = "::0.1.0.0",
      ["::2"] = "::2", ["1:0:2:3:4:5:6:7"] = "1:0:2:3:4:5:6:7", ["1:0:0:3:0:0:6:7"] = "1::3:0:0:6:7",
      ["::ffff:0:1.2.3.4"] = "::ffff:0:102:304", ["64:ff9b::1.2.3.4"] = "64:ff9b::102:304",
    }) do
      assert.equal(normal, SocketAddress({ address = text, family = "ipv6" }).address)
    end
  end)

  it("drops a zone, whatever it is", function()
    for _, zone in ipairs({ "%lo", "%", "%1", "%no such interface", "%%€" }) do
      assert.equal("fe80::1", SocketAddress({ address = "fe80::1" .. zone, family = "ipv6" }).address)
    end
    local long = "0000:0000:0000:0000:0000:ffff:255.255.255.255%1" -- which Node cuts
    assert.equal("::ffff:255.255.255.255", SocketAddress({ address = long, family = "ipv6" }).address)
  end)

  it("reads as far as a NUL", function()
    assert.equal("1.2.3.4", SocketAddress({ address = "1.2.3.4\0x" }).address)
    assert.equal("::1", SocketAddress({ address = "::1\0%x", family = "ipv6" }).address)
  end)

  it("agrees with Node about random addresses", function()
    for _, row in ipairs(golden.given) do
      local ok, made = pcall(SocketAddress, { family = row[1], address = row[2] })
      assert.equal(row[3], ok and made.address or made.code, row[1] .. " " .. row[2])
    end
  end)

  it("takes another SocketAddress for options", function()
    local a = SocketAddress({ address = "9.9.9.9", port = 7 })
    assert.same(a:toJSON(), SocketAddress(a):toJSON())
  end)

  it("leaves the options alone", function()
    local options = setmetatable({ family = "IPv6" }, { __newindex = error })
    assert.equal("ipv6", SocketAddress(options).family)
    assert.same({ family = "IPv6" }, options)
  end)

  it("equals nothing but itself", function()
    local a = SocketAddress()
    assert.is_true(a == a)
    assert.is_false(a == SocketAddress())
  end)

  it("has fields that cannot be written to, and room for the user's own", function()
    local a = SocketAddress()
    for _, name in ipairs({ "address", "port", "family", "flowlabel" }) do
      refuses(("TypeError: Cannot set property %s of #<SocketAddress> which has only a getter"):format(name),
        function() a[name] = 1 end)
    end
    a.note = "mine"
    assert.equal("mine", a.note)
    assert.is_nil(a.toString)
  end)

  it("shows itself as text, and as Node does in messages", function()
    local a = SocketAddress({ address = "::1", port = 80, family = "ipv6" })
    assert.equal("SocketAddress [::1]:80", tostring(a))
    assert.equal("SocketAddress 127.0.0.1:0", tostring(SocketAddress()))
    assert.equal("SocketAddress { address: '::1', port: 80, family: 'ipv6', flowlabel: 0 }", inspect(a))
    assert.equal("an instance of SocketAddress", errors.received(a))
  end)

  it("refuses options that are no table", function()
    local function text(received)
      return arg_type("options", "argument", "of type object", received)
    end
    refuses(text("type number (5)"), SocketAddress, 5)
    refuses(text("type string ('1.2.3.4')"), SocketAddress, "1.2.3.4")
    refuses(text("an instance of Array"), SocketAddress, { "1.2.3.4" })
    refuses(text("type boolean (false)"), SocketAddress, false)
  end)

  it("refuses a family that is none", function()
    local text = "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.family' is invalid. Received "
    refuses(text .. "'x'", SocketAddress, { family = "x" })
    refuses(text .. "''", SocketAddress, { family = "" })
    refuses(text .. "4", SocketAddress, { family = 4 })
    refuses(text .. "false", SocketAddress, { family = false })
    refuses(text .. "'ipv4\\x00'", SocketAddress, { family = "ipv4\0" })
  end)

  it("refuses an address that is no string", function()
    local wanted = "of type string"
    refuses(arg_type("options.address", "property", wanted, "type number (5)"), SocketAddress, { address = 5 })
    refuses(arg_type("options.address", "property", wanted, "type boolean (false)"),
      SocketAddress, { address = false })
  end)

  it("refuses a text that is no address of the family", function()
    for _, address in ipairs({ "", "::1", "1.2.3", "01.2.3.4", "1.2.3.4%1", "localhost", " 1.2.3.4" }) do
      refuses(INVALID, SocketAddress, { address = address })
    end
    for _, address in ipairs({ "", "1.2.3.4", "[::1]", "::1 ", ":::", "%lo", ("1"):rep(100000) }) do
      refuses(INVALID, SocketAddress, { address = address, family = "ipv6" })
    end
    local _, e = pcall(SocketAddress, { address = "x" })
    assert.equal("ERR_INVALID_ADDRESS", e.code)
  end)

  it("refuses ports that are none", function()
    local text = "RangeError [ERR_SOCKET_BAD_PORT]: options.port should be >= 0 and < 65536. Received %s."
    refuses(text:format("type number (-1)"), SocketAddress, { port = -1 })
    refuses(text:format("type number (65536)"), SocketAddress, { port = 65536 })
    refuses(text:format("type string ('x')"), SocketAddress, { port = "x" })
    refuses(text:format("type boolean (true)"), SocketAddress, { port = true })
  end)

  it("refuses flow labels that are none, or too large for their 20 bits", function()
    local text = 'RangeError [ERR_OUT_OF_RANGE]: The value of "options.flowlabel" is out of range. It must be '
    local any = text .. ">= 0 && <= 4294967295. Received "
    refuses(any .. "-1", SocketAddress, { flowlabel = -1 })
    refuses(any .. "4294967296", SocketAddress, { flowlabel = 4294967296 })
    refuses(text .. "an integer. Received 1.5", SocketAddress, { flowlabel = 1.5 })
    refuses(arg_type("options.flowlabel", "property", "of type number", "type string ('1')"),
      SocketAddress, { flowlabel = "1" })
    refuses(text .. ">= 0 && <= 1048575. Received 1048576",
      SocketAddress, { flowlabel = 0x100000, family = "ipv6" })
    assert.equal(0xFFFFF, SocketAddress({ flowlabel = 0xFFFFF, family = "ipv6" }).flowlabel)
  end)

  it("checks the options in Node's order", function()
    local _, e = pcall(SocketAddress, { family = 5, address = 5, port = -1, flowlabel = -1 })
    assert.matches("options.family", e.message, 1, true)
    _, e = pcall(SocketAddress, { address = 5, port = -1, flowlabel = -1 })
    assert.matches("options.address", e.message, 1, true)
    _, e = pcall(SocketAddress, { address = "x", port = -1, flowlabel = -1 })
    assert.matches("options.port", e.message, 1, true)
    _, e = pcall(SocketAddress, { address = "x", flowlabel = -1 })
    assert.matches("options.flowlabel", e.message, 1, true)
  end)

  it("raises with a stack that starts at the user's line", function()
    for _, options in ipairs({ 5, { family = 5 }, { address = 5 }, { port = -1 }, { address = "x" } }) do
      local line = debug.getinfo(1, "l").currentline + 2
      local _, e = pcall(function()
        local made = SocketAddress(options)
        return made
      end)
      assert.matches("^[^\n]*\nstack traceback:\n[^\n]*:" .. line .. ":", e.stack)
    end
  end)
end)

describe("SocketAddress.isSocketAddress", function()
  it("knows a SocketAddress from anything else", function()
    assert.is_true(SocketAddress.isSocketAddress(SocketAddress()))
    for _, value in ipairs({ {}, "1.2.3.4", 5, true, print, io.stdout, net.BlockList(), net.Socket() }) do
      assert.is_false(SocketAddress.isSocketAddress(value))
    end
    assert.is_false(SocketAddress.isSocketAddress(nil))
    assert.is_false(SocketAddress.isSocketAddress())
  end)
end)

describe("SocketAddress.parse", function()
  local function parsed(text)
    local a = SocketAddress.parse(text)
    return a and ("%s %s %d"):format(a.family, a.address, a.port)
  end

  it("reads an address with or without a port", function()
    for text, expected in pairs({
      ["1.2.3.4"] = "ipv4 1.2.3.4 0", ["1.2.3.4:443"] = "ipv4 1.2.3.4 443",
      ["[::1]"] = "ipv6 ::1 0", ["[::1]:443"] = "ipv6 ::1 443", ["1.2.3.4:"] = "ipv4 1.2.3.4 0",
      ["[FE80:0::1]:00065535"] = "ipv6 fe80::1 65535", ["[::FFFF:1.2.3.4]"] = "ipv6 ::ffff:1.2.3.4 0",
    }) do
      assert.equal(expected, parsed(text))
    end
  end)

  it("keeps port 80, which Node 26.10 loses", function()
    assert.equal("ipv4 1.2.3.4 80", parsed("1.2.3.4:80"))
    assert.equal("ipv6 ::1 80", parsed("[::1]:0080"))
  end)

  it("reads all that the host of a URL may be", function()
    for text, expected in pairs({
      ["1.2.3"] = "1.2.0.3", ["127.1"] = "127.0.0.1", ["0x7f.1"] = "127.0.0.1",
      ["2130706433:5"] = "127.0.0.1", ["017700000001"] = "127.0.0.1", ["0x"] = "0.0.0.0",
      ["1.2.3.4."] = "1.2.3.4", ["u@1.2.3.4:81"] = "1.2.3.4", ["u:p@x@1.2.3.4"] = "1.2.3.4",
      ["1.2.3.4/path"] = "1.2.3.4", ["1.2.3.4?q"] = "1.2.3.4", ["1.2.3.4#f"] = "1.2.3.4",
      ["1.2.3.4\\x"] = "1.2.3.4", ["//1.2.3.4"] = "1.2.3.4", ["%31.2.3%2e4"] = "1.2.3.4",
      ["1.2.3.4 \n"] = "1.2.3.4", ["1.\t2.3.4"] = "1.2.3.4", ["1.2.3.4/\xFF\xFE"] = "1.2.3.4",
      ["１。２．３｡４"] = "1.2.3.4", ["⑩.²\u{AD}.0ｘ𝐅.𝟘"] = "10.2.15.0",
    }) do
      local a = SocketAddress.parse(text)
      assert.equal(expected, a and a.address, text)
    end
  end)

  it("finds nothing in anything else", function()
    for _, text in ipairs({
      "", " ", "::1", "localhost", "localhost:80", "[1.2.3.4]:80", "1.2.3.4:65536", "1.2.3.4:99999999999",
      "1.2.3.4:x", "1.2.3.4:-1", "1.2.3.4:8 0", " 1.2.3.4", "1.2.3.4.5", "1.2.3.256", "1..2", ".", "08",
      "256.1.1.1", "4294967296", "1.2.65536", "1.16777216", "0xg", "1e1", "+1", "[::1", "::1]", "[::1]x",
      "[[::1]]", "[::1%lo]", "[::1%25lo]", "[::1\0]", "[]", ":80", "@", "u@", "u@:80", "u/x@1.2.3.4", "%",
      "%zz", "%ff", "1.2.3.4\xFF", "１.２.٣.４", "1.2.3.½", "\0", "?1.2.3.4", "99999999999999999999", "-1",
    }) do
      assert.is_nil(parsed(text), ("%q"):format(text))
    end
  end)

  it("agrees with Node about random texts", function()
    for _, row in ipairs(golden.parsed) do
      local a = SocketAddress.parse(row[1])
      assert.equal(row[2], a and a.address .. " " .. a.port or "", ("%q"):format(row[1]))
    end
  end)

  it("takes long texts in its stride", function()
    local long = ("1"):rep(200000)
    for _, text in ipairs({
      long, ("1."):rep(100000), long .. "@1.2.3.4", ("@"):rep(200000), (" "):rep(200000),
      "1.2.3.4:" .. long, "[" .. long .. "]", ("é"):rep(20000), ("%31"):rep(50000), "0x" .. long,
    }) do
      SocketAddress.parse(text)
    end
    assert.equal("ipv4 1.2.3.4 5", parsed(long .. "@1.2.3.4:" .. ("0"):rep(100000) .. "5"))
    assert.equal("ipv4 0.0.0.1 0", parsed(("0"):rep(100000) .. "1"))
  end)

  it("refuses what is no string", function()
    local wanted = "of type string"
    refuses(arg_type("input", "argument", wanted, "type number (5)"), SocketAddress.parse, 5)
    refuses(arg_type("input", "argument", wanted, "nil"), SocketAddress.parse)
    refuses(arg_type("input", "argument", wanted, "an instance of SocketAddress"),
      SocketAddress.parse, SocketAddress())
  end)
end)

describe("SocketAddress:toJSON", function()
  it("says what it is called on where the colon is a dot", function()
    local address = SocketAddress()
    local text = 'TypeError [ERR_INVALID_THIS]: Value of "this" must be of type SocketAddress'
    refuses(text, address.toJSON)
    for _, this in ipairs({ "1.1.1.1", net.BlockList(), {}, 1, io.stdout }) do
      refuses(text, address.toJSON, this)
      refuses(text, getmetatable(address).__inspect, this)
    end
  end)
end)
