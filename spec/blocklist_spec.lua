-- SPDX-License-Identifier: MIT

--- net.BlockList: its methods and their errors. All results and texts are those of Node 26. Random
--- rules, and many, are in rules_spec.lua.

local errors = require("net.internal.errors")
local inspect = require("net.internal.inspect").inspect
local lua = require("spec.support.lua")
local net = require("net")

local BlockList, SocketAddress = net.BlockList, net.SocketAddress

--- Checks that a call raises an error that reads as given.
local function refuses(expected, f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok, "accepted")
  assert.is_true(errors.is_error(e), tostring(e))
  assert.equal(expected, tostring(e))
end

local function arg_type(name, wanted, received)
  return ('TypeError [ERR_INVALID_ARG_TYPE]: The "%s" argument must be %s. Received %s'):format(
    name, wanted, received)
end

local function out_of_range(wanted, received)
  return ('RangeError [ERR_OUT_OF_RANGE]: The value of "prefix" is out of range. It must be %s. Received %s')
    :format(wanted, received)
end

local function cidr_error(reason, shown)
  return ("TypeError [ERR_INVALID_ARG_VALUE]: The argument 'cidr' %s. Received '%s'"):format(reason, shown)
end

local INVALID = "Error: Invalid socket address"
local BAD_FAMILY = "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.family' is invalid. Received "
local NO_PREFIX = 'must contain a prefix length (e.g. "10.0.0.0/8")'
local BAD_PREFIX = "prefix length must be a valid integer"

--- A SocketAddress, of IPv6 if there is a ":" in it.
local function address(text, port)
  return SocketAddress({ address = text, family = text:find(":") and "ipv6" or "ipv4", port = port })
end

--- A list with the rules that calls add: { { "addSubnet", "10.0.0.0", 8 }, … }.
local function list_of(calls)
  local list = BlockList()
  for _, call in ipairs(calls) do
    list[call[1]](list, table.unpack(call, 2))
  end
  return list
end

--- Which of the addresses a list blocks, separated by blanks.
local function blocked(list, ...)
  local out = {}
  for _, text in ipairs({ ... }) do
    if list:check(text, text:find(":") and "ipv6" or "ipv4") then
      out[#out + 1] = text
    end
  end
  return table.concat(out, " ")
end

describe("net.BlockList", function()
  it("is empty when it is made, and blocks nothing", function()
    local list = BlockList()
    assert.equal(0, list.size)
    assert.same({}, list.rules)
    assert.is_false(list:check("127.0.0.1"))
    assert.is_false(list:check("::1", "ipv6"))
  end)

  it("knows its own kind", function()
    assert.is_true(BlockList.isBlockList(BlockList()))
    for _, value in ipairs({ {}, "x", 5, true, print, io.stdout, SocketAddress(), net.Socket(), BlockList }) do
      assert.is_false(BlockList.isBlockList(value))
    end
    assert.is_false(BlockList.isBlockList(nil))
    assert.is_false(BlockList.isBlockList())
  end)

  it("blocks an address, and no other", function()
    local list = list_of({ { "addAddress", "1.2.3.4" }, { "addAddress", "FE80:0::1", "ipv6" } })
    assert.equal("1.2.3.4 fe80::1", blocked(list, "1.2.3.4", "1.2.3.5", "1.2.3.3", "fe80::1", "fe80::2", "::"))
  end)

  it("blocks a range, its ends included", function()
    local list = list_of({ { "addRange", "1.2.3.250", "1.2.4.5" }, { "addRange", "::1", "::1:0", "ipv6" } })
    assert.equal("1.2.3.250 1.2.3.255 1.2.4.0 1.2.4.5 ::1 ::ffff ::1:0", blocked(list, "1.2.3.249", "1.2.3.250",
      "1.2.3.255", "1.2.4.0", "1.2.4.5", "1.2.4.6", "::", "::1", "::ffff", "::1:0", "::1:1"))
    list:addRange("9.9.9.9", "9.9.9.9")
    assert.equal("9.9.9.9", blocked(list, "9.9.9.8", "9.9.9.9", "9.9.9.10"))
  end)

  it("blocks a subnet, whatever host in it was named", function()
    local list = list_of({ { "addSubnet", "1.1.1.77", 20 }, { "addSubnet", "2001:db8::5", 33, "ipv6" } })
    assert.equal("1.1.0.0 1.1.15.255 2001:db8:: 2001:db8:7fff::", blocked(list, "1.0.255.255", "1.1.0.0",
      "1.1.15.255", "1.1.16.0", "2001:db7::", "2001:db8::", "2001:db8:7fff::", "2001:db8:8000::"))
  end)

  it("blocks everything of a family with a prefix of 0, and one address with the longest", function()
    local list = list_of({ { "addSubnet", "9.9.9.9", 0 } })
    assert.equal("0.0.0.0 255.255.255.255 ::ffff:1.2.3.4",
      blocked(list, "0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4", "::1", "::1.2.3.4", "::fffe:1.2.3.4"))
    list = list_of({ { "addSubnet", "::", 0, "ipv6" } })
    assert.equal("0.0.0.0 ::1 ffff::", blocked(list, "0.0.0.0", "::1", "ffff::"))
    list = list_of({ { "addSubnet", "1.2.3.4", 32 }, { "addSubnet", "::5", 128, "ipv6" } })
    assert.equal("1.2.3.4 ::5", blocked(list, "1.2.3.4", "1.2.3.5", "::4", "::5"))
  end)

  it("takes an IPv4 address and its ::ffff: form for the same", function()
    for _, calls in ipairs({
      { { "addAddress", "1.2.3.4" } }, { { "addAddress", "::ffff:1.2.3.4", "ipv6" } },
      { { "addSubnet", "1.2.3.4", 31 } }, { { "addSubnet", "::ffff:1.2.3.4", 127, "ipv6" } },
      { { "addRange", "1.2.3.3", "1.2.3.4" } },
      { { "addRange", "::ffff:1.2.3.3", "::ffff:1.2.3.4", "ipv6" } },
      { { "addRange", address("1.2.3.4"), address("::ffff:1.2.3.4") } },
    }) do
      assert.equal("1.2.3.4 ::ffff:1.2.3.4", blocked(list_of(calls), "1.2.3.4", "::ffff:1.2.3.4", "::1.2.3.4"))
    end
  end)

  it("keeps IPv4 out of a range of IPv6 that goes beyond its ::ffff: form", function()
    local list = list_of({ { "addRange", "::", "ffff::", "ipv6" } })
    assert.equal("::ffff:1.2.3.4 1::", blocked(list, "1.2.3.4", "::ffff:1.2.3.4", "1::"))
  end)

  it("takes ranges that start in one family and end in the other", function()
    local list = list_of({ { "addRange", address("1.1.1.1"), address("2000::") } })
    assert.equal("::ffff:1.2.3.4", blocked(list, "1.2.3.4", "::ffff:1.2.3.4", "1::", "::ffff:1.1.1.0"))
    assert.same({ "Range: IPv4 1.1.1.1-2000::" }, list.rules)
    list = list_of({ { "addRange", address("2000::"), address("1.1.1.1") } }) -- nothing can be in it
    assert.equal("", blocked(list, "1.1.1.0", "::ffff:1.1.1.0", "2000::"))
    assert.equal(1, list.size)
  end)

  it("takes a SocketAddress for an address, and asks neither for its port nor for a family", function()
    local list = BlockList()
    list:addAddress(address("1.2.3.4", 80), 5)
    list:addSubnet(address("::1", 80), 127, "ipv4")
    assert.is_true(list:check(address("1.2.3.4", 81), 5))
    assert.is_true(list:check(address("::"), {}))
    assert.is_false(list:check(address("::2")))
  end)

  it("does without a zone", function()
    local list = list_of({ { "addAddress", "fe80::1%lo", "ipv6" } })
    assert.equal("fe80::1 fe80::1%lo fe80::1%nowhere", blocked(list, "fe80::1", "fe80::1%lo", "fe80::1%nowhere"))
    assert.same({ "Address: IPv6 fe80::1" }, list.rules)
  end)

  it("reads a family in letters of either case", function()
    local list = list_of({ { "addAddress", "::1", "IPv6" }, { "addAddress", "1.1.1.1", "IPV4" } })
    assert.is_true(list:check("::1", "ipV6"))
    assert.is_true(list:check("1.1.1.1", "Ipv4"))
  end)

  it("has the rules as texts: addresses, subnets, ranges, of each the newest first", function()
    local list = list_of({
      { "addSubnet", "10.0.0.1", 8 }, { "addAddress", "1.1.1.1" }, { "addRange", "::1", "::9", "ipv6" },
      { "addAddress", "::ffff:2.2.2.2", "ipv6" }, { "addSubnet", "FC00::", 7, "ipv6" },
      { "addRange", "1.1.1.1", "2.2.2.2" }, { "addSubnet", "10.0.0.1", 8 },
    })
    local texts = {
      "Address: IPv6 ::ffff:2.2.2.2", "Address: IPv4 1.1.1.1", "Subnet: IPv4 10.0.0.1/8",
      "Subnet: IPv6 fc00::/7", "Subnet: IPv4 10.0.0.1/8", "Range: IPv4 1.1.1.1-2.2.2.2", "Range: IPv6 ::1-::9",
    }
    assert.same(texts, list.rules)
    assert.same(texts, list:toJSON())
    assert.equal(7, list.size)
  end)

  it("gives away a new list of texts each time", function()
    local list = list_of({ { "addAddress", "1.1.1.1" } })
    list.rules[1] = "changed"
    assert.same({ "Address: IPv4 1.1.1.1" }, list.rules)
  end)

  it("counts equal addresses once, the form given last staying, and other rules each time", function()
    local list = list_of({
      { "addAddress", "1.1.1.1" }, { "addAddress", "::ffff:1.1.1.1", "ipv6" }, { "addSubnet", "1.1.1.1", 8 },
      { "addSubnet", "1.1.1.1", 8 }, { "addRange", "1.1.1.1", "1.1.1.1" }, { "addRange", "1.1.1.1", "1.1.1.1" },
    })
    assert.equal(5, list.size)
    assert.equal("Address: IPv6 ::ffff:1.1.1.1", list.rules[1])
    list:addAddress(address("1.1.1.1", 80))
    assert.equal("Address: IPv4 1.1.1.1", list.rules[1])
  end)

  it("returns nothing from what changes it", function()
    local list = BlockList()
    for _, call in ipairs({
      { "addAddress", "1.1.1.1" }, { "addAddresses", {} }, { "addRange", "1.1.1.1", "1.1.1.1" },
      { "addSubnet", "1.1.1.1", 8 }, { "addCIDR", "::/1" }, { "addCIDRs", {} }, { "removeAddress", "1.1.1.1" },
      { "removeRange", "1.1.1.1", "1.1.1.1" }, { "removeSubnet", "1.1.1.1", 8 }, { "removeCIDR", "::/1" },
      { "fromJSON", {} }, { "clear" },
    }) do
      assert.equal(0, select("#", list[call[1]](list, table.unpack(call, 2))), call[1])
    end
  end)

  it("shows itself as text, and as Node does in messages", function()
    local list = list_of({ { "addAddress", "1.1.1.1" } })
    assert.equal("BlockList (1 rule)", tostring(list))
    assert.equal("BlockList (0 rules)", tostring(BlockList()))
    assert.equal("BlockList { rules: [ 'Address: IPv4 1.1.1.1' ] }", inspect(list))
    assert.equal("an instance of BlockList", errors.received(list))
  end)

  it("has fields that cannot be written to, and room for the user's own", function()
    local list = BlockList()
    for _, name in ipairs({ "rules", "size" }) do
      refuses(("TypeError: Cannot set property %s of #<BlockList> which has only a getter"):format(name),
        function() list[name] = 1 end)
    end
    list.note = "mine"
    assert.equal("mine", list.note)
  end)

  it("is an option and a field of servers and sockets", function()
    local list = BlockList()
    assert.equal(list, net.createServer({ blockList = list }).blockList)
    assert.equal(list, net.Socket({ blockList = list }).blockList)
  end)

  it("lets its methods be called on nothing else", function()
    for _, name in ipairs({ "check", "clear", "addAddress", "removeAddress", "addCIDR", "addRange" }) do
      local first = name == "addCIDR" and "1.1.1.1/8" or "1.1.1.1"
      local ok, e = pcall(BlockList[name], SocketAddress(), first, name == "addRange" and first or nil)
      assert.is_false(ok)
      assert.matches('Value of "this" must be of type BlockList', tostring(e), 1, true)
    end
  end)

  it("says so of a dot for a colon, whatever the arguments are then", function()
    local list = BlockList()
    for _, name in ipairs({ "check", "clear", "addAddress", "addAddresses", "addRange", "addSubnet",
      "addCIDR", "addCIDRs", "removeAddress", "removeRange", "removeSubnet", "removeCIDR", "toJSON",
      "fromJSON" }) do
      for _, this in ipairs({ "1.1.1.1", net.Socket(), {}, 1 }) do
        local ok, e = pcall(list[name], this, 8)
        assert.is_false(ok)
        assert.equal("ERR_INVALID_THIS", e.code, name)
      end
      assert.equal("ERR_INVALID_THIS", select(2, pcall(list[name])).code, name)
    end
    assert.equal(0, list.size)
  end)
end)

describe("BlockList:check", function()
  it("is false for what is no address of the family", function()
    local list = list_of({ { "addSubnet", "::", 0, "ipv6" }, { "addSubnet", "0.0.0.0", 0 } })
    for _, text in ipairs({ "", "x", "::1", "1.2.3", "1.2.3.4.5", "01.2.3.4", ("1"):rep(100000) }) do
      assert.is_false(list:check(text))
      assert.is_false(list:check(text, "ipv4"))
    end
    assert.is_false(list:check("1.2.3.4", "ipv6"))
  end)

  it("takes any other family than ipv4 for ipv6", function()
    local list = list_of({ { "addAddress", "::1", "ipv6" } })
    assert.is_true(list:check("::1", "x"))
    assert.is_true(list:check("::1", "ipv4\0"))
    assert.is_true(list:check("::1", ""))
    assert.is_false(list:check("::1"))
  end)

  it("reads as far as a NUL", function()
    local list = list_of({ { "addAddress", "1.2.3.4" } })
    assert.is_true(list:check("1.2.3.4\0x"))
  end)

  it("refuses what is no text", function()
    local list = BlockList()
    local wanted = "of type string"
    refuses(arg_type("address", wanted, "nil"), list.check, list)
    refuses(arg_type("address", wanted, "type number (5)"), list.check, list, 5, 5)
    refuses(arg_type("address", wanted, "an instance of BlockList"), list.check, list, list)
    refuses(arg_type("family", wanted, "type number (5)"), list.check, list, "x", 5)
    refuses(arg_type("family", wanted, "type boolean (false)"), list.check, list, "1.2.3.4", false)
  end)
end)

describe("BlockList:addAddress, addRange and addSubnet", function()
  local list
  before_each(function()
    list = BlockList()
  end)
  after_each(function()
    assert.equal(0, list.size)
  end)

  it("refuse addresses that are no text", function()
    local wanted = "of type string"
    refuses(arg_type("address", wanted, "nil"), list.addAddress, list)
    refuses(arg_type("address", wanted, "type number (5)"), list.addAddress, list, 5, 5)
    refuses(arg_type("start", wanted, "an instance of Object"), list.addRange, list, {}, {}, 5)
    refuses(arg_type("end", wanted, "type number (5)"), list.addRange, list, "1.2.3.4", 5)
    refuses(arg_type("network", wanted, "type boolean (true)"), list.addSubnet, list, true, true, 5)
  end)

  it("refuse a family that is no text, or names none", function()
    refuses(arg_type("family", "of type string", "type number (4)"), list.addAddress, list, "x", 4)
    refuses(arg_type("family", "of type string", "type number (7)"), list.addRange, list,
      address("1.2.3.4"), "1.2.3.5", 7)
    refuses(BAD_FAMILY .. "'x'", list.addAddress, list, "1.2.3.4", "x")
    refuses(BAD_FAMILY .. "''", list.addAddress, list, "1.2.3.4", "")
    refuses(BAD_FAMILY .. "'ipvX'", list.addRange, list, "x", 5, "ipvX")
    refuses(BAD_FAMILY .. "'inet'", list.addSubnet, list, "x", "x", "inet")
  end)

  it("refuse a text that is no address of the family", function()
    refuses(INVALID, list.addAddress, list, "::1")
    refuses(INVALID, list.addAddress, list, "1.2.3.4", "ipv6")
    refuses(INVALID, list.addRange, list, "1.2.3.4", "x")
    refuses(INVALID, list.addSubnet, list, "1.2.3", "x")
    local _, e = pcall(list.addAddress, list, "x")
    assert.equal("ERR_INVALID_ADDRESS", e.code)
  end)

  it("refuse a range whose end comes before its start", function()
    local text = "TypeError [ERR_INVALID_ARG_VALUE]: The argument 'start' must come before end. Received "
    refuses(text .. "SocketAddress { address: '1.2.3.4', port: 0, family: 'ipv4', flowlabel: 0 }",
      list.addRange, list, "1.2.3.4", "1.2.3.3")
    refuses(text .. "SocketAddress { address: '2::', port: 0, family: 'ipv6', flowlabel: 0 }",
      list.addRange, list, "2::", "1:ffff::", "ipv6")
    refuses(text .. "SocketAddress { address: '::ffff:1.1.1.2', port: 0, family: 'ipv6', flowlabel: 0 }",
      list.addRange, list, address("::ffff:1.1.1.2"), address("1.1.1.1"))
  end)

  it("refuse a prefix that the family does not have", function()
    refuses(arg_type("prefix", "of type number", "type string ('8')"), list.addSubnet, list, "1.2.3.4", "8")
    refuses(arg_type("prefix", "of type number", "nil"), list.addSubnet, list, "1.2.3.4")
    refuses(out_of_range(">= 0 && <= 32", "33"), list.addSubnet, list, "1.2.3.4", 33)
    refuses(out_of_range(">= 0 && <= 32", "-1"), list.addSubnet, list, "1.2.3.4", -1)
    refuses(out_of_range(">= 0 && <= 128", "129"), list.addSubnet, list, "::", 129, "ipv6")
    refuses(out_of_range(">= 0 && <= 128", "129"), list.addSubnet, list, address("::"), 129, "ipv4")
    refuses(out_of_range("an integer", "1.5"), list.addSubnet, list, "1.2.3.4", 1.5)
    refuses(out_of_range("an integer", "NaN"), list.addSubnet, list, "1.2.3.4", 0 / 0)
  end)

  it("raise with a stack that starts at the user's line", function()
    for _, call in ipairs({
      { "addAddress", 5 }, { "addAddress", "x" }, { "addAddress", "1.1.1.1", 5 }, { "addAddresses", 5 },
      { "addAddresses", { 5 } }, { "addRange", "x" }, { "addRange", "1.1.1.2", "1.1.1.1" }, { "addSubnet", "x" },
      { "addSubnet", "1.1.1.1", 99 }, { "addCIDR", 5 }, { "addCIDR", "x" }, { "addCIDR", "x/1" },
      { "addCIDR", "::/999" }, { "addCIDRs", 5 }, { "addCIDRs", { 5 } }, { "fromJSON", 5 },
      { "removeAddress", 5 }, { "removeRange", 5 }, { "removeSubnet", 5 }, { "removeCIDR", 5 },
    }) do
      local line = debug.getinfo(1, "l").currentline + 2
      local _, e = pcall(function()
        list[call[1]](list, table.unpack(call, 2))
        return "not a tail call"
      end)
      local first = e.stack:match("stack traceback:\n%s*([^\n]*)")
      assert.truthy(first:find(":" .. line .. ":", 1, true), call[1] .. " " .. first)
    end
  end)
end)

describe("BlockList:addAddresses", function()
  it("adds each address of a list", function()
    local list = BlockList()
    list:addAddresses({ "1.1.1.1", address("::2"), address("3.3.3.3"), "1.1.1.1" })
    list:addAddresses({})
    assert.same({ "Address: IPv4 3.3.3.3", "Address: IPv6 ::2", "Address: IPv4 1.1.1.1" }, list.rules)
    list:addAddresses({ "::4", address("5.5.5.5") }, "ipv6")
    assert.equal("::4 5.5.5.5", blocked(list, "::4", "5.5.5.5"))
  end)

  it("adds none if one of them is wrong", function()
    local list = BlockList()
    refuses(arg_type("addresses[1]", "of type string", "type number (5)"), list.addAddresses, list, { "1.1.1.1", 5 })
    refuses(INVALID, list.addAddresses, list, { "1.1.1.1", "::1" })
    refuses(INVALID, list.addAddresses, list, { "::1", "1.1.1.1" }, "ipv6")
    refuses(BAD_FAMILY .. "'x'", list.addAddresses, list, { "1.1.1.1" }, "x")
    assert.equal(0, list.size)
  end)

  it("refuses what is no list, and a family that is no text", function()
    local list = BlockList()
    local wanted = "an instance of Array"
    refuses(arg_type("addresses", wanted, "type string ('1.1.1.1')"), list.addAddresses, list, "1.1.1.1", 5)
    refuses(arg_type("addresses", wanted, "nil"), list.addAddresses, list)
    refuses(arg_type("addresses", wanted, "an instance of Object"), list.addAddresses, list, { a = 1 })
    refuses(arg_type("addresses", wanted, "an instance of SocketAddress"), list.addAddresses, list, SocketAddress())
    refuses(arg_type("family", "of type string", "type number (5)"), list.addAddresses, list, {}, 5)
    list:addAddresses({}, "x") -- as no address is there to need it
  end)
end)

describe("BlockList:addCIDR and addCIDRs", function()
  it("add subnets, of IPv6 where there is a colon", function()
    local list = BlockList()
    list:addCIDR("10.0.0.0/8")
    list:addCIDRs({ "fc00::/7", "::ffff:1.2.3.4/120", "0.0.0.0/0" })
    assert.same({ "Subnet: IPv4 0.0.0.0/0", "Subnet: IPv6 ::ffff:1.2.3.4/120", "Subnet: IPv6 fc00::/7",
      "Subnet: IPv4 10.0.0.0/8" }, list.rules)
  end)

  it("refuse what is no text", function()
    local list = BlockList()
    refuses(arg_type("cidr", "of type string", "type number (5)"), list.addCIDR, list, 5)
    refuses(arg_type("cidr", "of type string", "nil"), list.addCIDR, list)
    refuses(arg_type("cidrs", "an instance of Array", "type string ('1')"), list.addCIDRs, list, "1")
    refuses(arg_type("cidrs[1]", "of type string", "type number (5)"), list.addCIDRs, list, { "1.2.3.0/24", 5 })
    refuses(cidr_error(NO_PREFIX, "x"), list.addCIDRs, list, { "x", 5 })
  end)

  it("refuse a text without a prefix length", function()
    local list = BlockList()
    refuses(cidr_error(NO_PREFIX, "1.2.3.4"), list.addCIDR, list, "1.2.3.4")
    refuses(cidr_error(NO_PREFIX, ""), list.addCIDR, list, "")
  end)

  it("refuse a prefix length that is not written as a number is", function()
    local list = BlockList()
    for _, prefix in ipairs({
      "", "08", "+8", "8 ", " 8", "-0", "x", "8x", "1e1", "0x8", "1.0", "NaN", "Infinity", "９", "8\0",
      "9007199254740993", "999999999999999999999999",
    }) do
      local text = "1.2.3.4/" .. prefix
      refuses(cidr_error(BAD_PREFIX, text:gsub("%z", "\\x00")), list.addCIDR, list, text)
    end
  end)

  it("refuse a prefix length that is out of range, and a bad address before", function()
    local list = BlockList()
    refuses(out_of_range(">= 0 && <= 32", "33"), list.addCIDR, list, "1.2.3.4/33")
    refuses(out_of_range(">= 0 && <= 128", "129"), list.addCIDR, list, "::1/129")
    refuses(out_of_range(">= 0 && <= 32", "-1"), list.addCIDR, list, "1.2.3.4/-1")
    refuses(out_of_range(">= 0 && <= 128", "99_999_999_999"), list.addCIDR, list, "::1/99999999999")
    refuses(INVALID, list.addCIDR, list, "x/99")
    refuses(INVALID, list.addCIDR, list, "/1")
    refuses(INVALID, list.addCIDR, list, "1/2/3")
    refuses(INVALID, list.addCIDR, list, "::x/1")
  end)

  it("add none if one is no CIDR notation, those before one that is merely wrong", function()
    local list = BlockList()
    refuses(cidr_error(NO_PREFIX, "x"), list.addCIDRs, list, { "1.2.3.0/24", "x" })
    refuses(cidr_error(BAD_PREFIX, "::/x"), list.addCIDRs, list, { "1.2.3.0/24", "::/x" })
    assert.equal(0, list.size)
    refuses(INVALID, list.addCIDRs, list, { "1.2.3.0/24", "x/1", "2.2.2.2/2" })
    refuses(out_of_range(">= 0 && <= 32", "33"), list.addCIDRs, list, { "4.4.4.4/4", "1.2.3.0/33" })
    assert.same({ "Subnet: IPv4 4.4.4.4/4", "Subnet: IPv4 1.2.3.0/24" }, list.rules)
  end)
end)

describe("BlockList:removeAddress, removeRange and removeSubnet", function()
  it("take back what was added", function()
    local list = list_of({
      { "addAddress", "1.1.1.1" }, { "addRange", "2.2.2.2", "2.2.2.3" }, { "addSubnet", "3.3.3.3", 24 },
      { "addCIDR", "::/1" },
    })
    list:removeAddress("1.1.1.1")
    list:removeRange("2.2.2.2", "2.2.2.3")
    list:removeSubnet("3.3.3.3", 24)
    list:removeCIDR("::/1")
    assert.equal(0, list.size)
    assert.equal("", blocked(list, "1.1.1.1", "2.2.2.2", "3.3.3.3", "::1"))
  end)

  it("take back an address in either form", function()
    local list = list_of({ { "addAddress", "1.1.1.1" }, { "addAddress", "::ffff:2.2.2.2", "ipv6" } })
    list:removeAddress("::ffff:1.1.1.1", "ipv6")
    list:removeAddress(address("2.2.2.2", 80))
    assert.equal(0, list.size)
  end)

  it("take back the newest of several equal rules", function()
    local list = list_of({
      { "addCIDR", "1.0.0.0/8" }, { "addCIDR", "2.0.0.0/8" }, { "addCIDR", "1.0.0.0/8" },
      { "addRange", "::1", "::2", "ipv6" }, { "addRange", "::3", "::4", "ipv6" }, { "addRange", "::1", "::2", "ipv6" },
    })
    list:removeCIDR("1.0.0.0/8")
    list:removeRange("::1", "::2", "ipv6")
    assert.same({ "Subnet: IPv4 2.0.0.0/8", "Subnet: IPv4 1.0.0.0/8", "Range: IPv6 ::3-::4",
      "Range: IPv6 ::1-::2" }, list.rules)
    assert.equal("1.1.1.1 ::1", blocked(list, "1.1.1.1", "::1"))
  end)

  it("leave what is not just the same: another host, form, port or zone", function()
    local list = list_of({
      { "addSubnet", "1.1.1.1", 24 }, { "addSubnet", address("2.2.2.2", 5), 24 },
      { "addRange", "1.1.1.1", "2.2.2.2" }, { "addRange", address("3.3.3.3", 5), address("4.4.4.4") },
    })
    list:removeSubnet("1.1.1.0", 24)
    list:removeSubnet("1.1.1.1", 25)
    list:removeSubnet("::ffff:1.1.1.1", 24, "ipv6")
    list:removeSubnet("::ffff:1.1.1.1", 120, "ipv6")
    list:removeSubnet("2.2.2.2", 24)
    list:removeRange("1.1.1.1", "2.2.2.1")
    list:removeRange("2.2.2.2", "1.1.1.1")
    list:removeRange("::ffff:1.1.1.1", "::ffff:2.2.2.2", "ipv6")
    list:removeRange("3.3.3.3", "4.4.4.4")
    list:removeAddress("1.1.1.1")
    assert.equal(4, list.size)
    list:removeSubnet(address("2.2.2.2", 5), 24)
    list:removeRange(address("3.3.3.3", 5), address("4.4.4.4"))
    assert.equal(2, list.size)
  end)

  it("check their arguments as adding does", function()
    local list = BlockList()
    refuses(arg_type("address", "of type string", "type number (5)"), list.removeAddress, list, 5)
    refuses(INVALID, list.removeAddress, list, "x")
    refuses(arg_type("end", "of type string", "nil"), list.removeRange, list, "1.1.1.1")
    refuses(out_of_range(">= 0 && <= 32", "33"), list.removeSubnet, list, "1.1.1.1", 33)
    refuses(cidr_error(NO_PREFIX, "x"), list.removeCIDR, list, "x")
    refuses(BAD_FAMILY .. "'x'", list.removeSubnet, list, "1.1.1.1", 3, "x")
  end)
end)

describe("BlockList:clear", function()
  it("takes all rules back, and leaves a list that works", function()
    local list = list_of({ { "addAddress", "1.1.1.1" }, { "addCIDR", "::/1" }, { "addRange", "1.1.1.1", "1.1.1.2" } })
    list:clear()
    list:clear()
    assert.equal(0, list.size)
    assert.same({}, list.rules)
    assert.equal("", blocked(list, "1.1.1.1", "::"))
    list:addAddress("1.1.1.1")
    list:addCIDR("::/1")
    assert.equal("1.1.1.1 ::", blocked(list, "1.1.1.1", "::"))
  end)
end)

describe("BlockList.PRIVATE_RANGES", function()
  local RANGES = {
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10",
    "fc00::/7",
  }

  it("is what no public address is in, ready for addCIDRs", function()
    local list = BlockList()
    list:addCIDRs(BlockList.PRIVATE_RANGES)
    assert.equal(#RANGES, list.size)
    assert.equal("10.1.1.1 172.31.1.1 192.168.1.1 127.0.0.1 ::1 169.254.1.1 fe80::1 fd00::1", blocked(list,
      "10.1.1.1", "172.31.1.1", "172.32.1.1", "192.168.1.1", "127.0.0.1", "::1", "169.254.1.1", "fe80::1", "fd00::1",
      "8.8.8.8", "2001:4860:4860::8888"))
  end)

  it("reads as a list", function()
    local read, by_pairs = {}, 0
    for i, text in ipairs(BlockList.PRIVATE_RANGES) do
      read[i] = text
    end
    for i, text in pairs(BlockList.PRIVATE_RANGES) do
      by_pairs = by_pairs + (RANGES[i] == text and 1 or 0)
    end
    assert.same(RANGES, read)
    assert.equal(#RANGES, by_pairs)
    assert.equal(#RANGES, #BlockList.PRIVATE_RANGES)
    assert.equal(table.concat(RANGES, " "), table.concat(BlockList.PRIVATE_RANGES, " "))
  end)

  it("cannot be written to", function()
    refuses("TypeError: Cannot assign to read only property '0' of object '[object Array]'", function()
      BlockList.PRIVATE_RANGES[1] = "x"
    end)
    refuses("TypeError: Cannot add property 8, object is not extensible", function()
      table.insert(BlockList.PRIVATE_RANGES, "x")
    end)
    refuses("TypeError: Cannot add property x, object is not extensible", function()
      BlockList.PRIVATE_RANGES.x = "x"
    end)
    assert.equal("10.0.0.0/8", BlockList.PRIVATE_RANGES[1])
  end)
end)

describe("BlockList:fromJSON", function()
  local function rules_from(data)
    local list = BlockList()
    list:fromJSON(data)
    return list.rules
  end

  it("takes what rules and toJSON give, as a list or as JSON", function()
    local list = list_of({
      { "addAddress", "1.1.1.1" }, { "addAddress", "::2", "ipv6" }, { "addCIDR", "3.3.3.3/24" }, { "addCIDR", "4::/5" },
      { "addRange", "1.1.1.1", "2.2.2.2" }, { "addRange", "::ffff:1.1.1.1", "::ffff:2.2.2.2", "ipv6" },
    })
    local rules = list.rules
    local copy, again = BlockList(), BlockList()
    copy:fromJSON(rules)
    again:fromJSON('["' .. table.concat(rules, '",\n "') .. '"]')
    assert.same(copy.rules, again.rules)
    table.sort(rules)
    local copied = copy.rules
    table.sort(copied)
    assert.same(rules, copied)
  end)

  it("adds to what is there", function()
    local list = list_of({ { "addAddress", "1.1.1.1" } })
    list:fromJSON({ "Address: IPv4 2.2.2.2" })
    assert.equal(2, list.size)
  end)

  it("finds a rule anywhere in a text, and passes over the others", function()
    assert.same({
      "Address: IPv6 ::2", "Address: IPv4 5.6.7.8", "Address: IPv4 1.2.3.4", "Address: IPv6 ::3", "Address: IPv6 ::1",
      "Subnet: IPv4 5.6.7.8/9", "Subnet: IPv4 1.2.3.4/24", "Range: IPv6 ::2-::3", "Range: IPv4 1.2.3.4-1.2.3.9",
    }, rules_from({
      "Address: ipv6 ::1 IPv6", "zz Subnet: IPv4 1.2.3.4/245 x", "Range: IPv4 1.2.3.4-1.2.3.9",
      "address: ipv6 ::3 IPv6", "ADDRESS: IPV6 ::4", "x", "", "address: IPv4 9.9.9.9", "Address: IPv4 1.2.3.4",
      "Address: IPv4 1.2.3 Address: IPv4 5.6.7.8", "Subnet: IPv4 1.2.3.4/ Subnet: IPv4 5.6.7.8/9",
      "IPv4 Address: IPv6 ::2", "IPv4Range: IPv6 ::2-::3", "Range: IPv4 1.1.1.1-2000::",
      "Subnet: IPv6 " .. ("0"):rep(46) .. "/1", "Subnet: IPv4 1.2.3.4", "Range: IPv6 ::1",
    }))
  end)

  it("reads JSON with all that belongs to it", function()
    assert.same({}, rules_from("[]"))
    assert.same({ "Address: IPv4 1.2.3.4", "Address: IPv6 ::1" },
      rules_from(' [ "\\u0041ddress: IPv6 ::1",\r\n\t"\\ud83d\\ude00\\ud83d\\"\\/\\n Address: IPv4 1.2.3.4" ] '))
  end)

  it("raises what adding raises, after the rules before", function()
    local list = BlockList()
    refuses(INVALID, list.fromJSON, list,
      { "Address: IPv4 1.2.3.4", "Address: IPv4 999.1.1.1", "Address: IPv4 2.2.2.2" })
    refuses(INVALID, list.fromJSON, list, { "Address: IPv4 1.2.3.4567" })
    refuses(INVALID, list.fromJSON, list, { "Range: IPv6 ::-1.1.1.1" })
    refuses(out_of_range(">= 0 && <= 32", "99"), list.fromJSON, list, { "Subnet: IPv4 1.2.3.4/99" })
    refuses("TypeError [ERR_INVALID_ARG_VALUE]: The argument 'start' must come before end. Received "
      .. "SocketAddress { address: '1.2.3.4', port: 0, family: 'ipv4', flowlabel: 0 }",
      list.fromJSON, list, { "Range: IPv4 1.2.3.4-1.2.3.1" })
    assert.same({ "Address: IPv4 1.2.3.4" }, list.rules)
  end)

  it("refuses what is no list of strings", function()
    local list = BlockList()
    for shown, values in pairs({
      ["nil"] = { n = 1 }, ["type number (5)"] = { 5, "5", " 5.0e0" },
      ["an instance of Object"] = { { a = 1 }, "{}", '{"a":[1,{}]}' },
      ["an instance of Array"] = { { 5 }, { "x", 5 }, "[5]", "[null]", '[["x"]]', '["x",{}]' },
      ["null"] = { "null" }, ["type boolean (true)"] = { true, "true" },
      ["type string ('x')"] = { '"x"' },
    }) do
      for i = 1, values.n or #values do
        refuses(arg_type("data", "of type string or string[]", shown), list.fromJSON, list, values[i])
      end
    end
  end)

  it("refuses what is no JSON", function()
    local list = BlockList()
    refuses("SyntaxError: Unexpected end of JSON input", list.fromJSON, list, "[")
    refuses('SyntaxError: "undefined" is not valid JSON', list.fromJSON, list, "undefined")
    assert.equal(0, list.size)
  end)
end)

describe("A BlockList and the collector", function()
  it("get along when a finaliser changes the list that is being read", function()
    local result = lua.run({ script = [[
      local list = require("net").BlockList()
      local finalised, odd = 0, 0
      collectgarbage("incremental", 100, 400)
      local rounds = 0
      while finalised <= 10 and rounds < 5000 do
        rounds = rounds + 1
        list:clear()
        for i = 1, 50 do
          list:addRange("1.1.1." .. i % 250, "2.2.2.2")
        end
        setmetatable({}, { __gc = function()
          finalised = finalised + 1
          list:clear()
          for i = 1, 100 do
            list:addAddress("9.9.9." .. i)
          end
        end })
        for _, rule in ipairs(list.rules) do
          odd = odd + (rule:find("^%u%l+: IPv4 [%d.-]+$") and 0 or 1)
        end
      end
      print(finalised > 10, odd)
    ]] })
    assert.equal(0, result.code, result.stderr)
    assert.equal("true\t0\n", result.stdout)
  end)

  it("get along at the end of the program, whatever is finalised first", function()
    local result = lua.run({ script = [[
      local net = require("net")
      local list
      before = setmetatable({}, { __gc = function() -- after the list's own, as it was made before
        local ok, e = pcall(list.addAddress, list, "1.2.3.4")
        print(list:check("10.0.0.1"), list.size, ok, e)
      end })
      list = net.BlockList()
      list:addCIDRs(net.BlockList.PRIVATE_RANGES)
      after = setmetatable({}, { __gc = function() print(list:check("10.0.0.1"), list.size) end })
    ]] })
    assert.equal(0, result.code, result.stderr)
    assert.equal("", result.stderr)
    assert.matches("^true\t8\nfalse\t0\tfalse\t.*the BlockList was finalised\n$", result.stdout)
  end)
end)
