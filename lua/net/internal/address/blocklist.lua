-- SPDX-License-Identifier: MIT

--- net.internal.address.blocklist - net.BlockList: addresses, subnets and ranges that are blocked.
--
-- The rules and the matching are src/address/rules.c, the object around them is
-- src/address/blocklist.c, with `check`, `clear`, `rules` and `size`. Here are the other
-- methods: their checks, in Node's order and words, CIDR notation, and `fromJSON`,
-- which reads the texts of `rules`.

local core = require("net.core")
local args = require("net.internal.args")
local lazy = require("net.internal.lazy")
local socketaddress = require("net.internal.address.socketaddress")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local inspect = lazy.module("net.internal.inspect")

local USER = 3 -- where a stack starts: at the caller of the method that calls a helper here
local PREFIX_MAX = { ipv4 = 32, ipv6 = 128 } -- bits
local ADDRESS_MAX = 45 -- characters of the longest IPv6 address in a rule's text

local native = core.blocklist
local new_address = core.socketaddress.new
local is_address = core.socketaddress.is
local methods = core.BlockList.methods

-- Arguments

--- The first thing of each method: with a dot instead of the colon, what is said is
--- not of the arguments, which are one place off then.
local function check_self(self)
  if not native.is(self) then
    errors.raise("ERR_INVALID_THIS", USER, "BlockList")
  end
end

--- The SocketAddress that an argument is, or stands for.
---@param value any
---@param name string the argument, for messages
---@param family any nil is "ipv4"
---@return net.SocketAddress
local function to_address(value, name, family)
  if is_address(value) then
    return value
  elseif type(value) ~= "string" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, name, "string", value)
  elseif family ~= nil and type(family) ~= "string" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, "family", "string", family)
  end
  local number = socketaddress.family_number(family or "ipv4")
  if not number then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "options.family", family)
  end
  local address = new_address(value, number)
  if not address then
    errors.raise("ERR_INVALID_ADDRESS", USER)
  end
  return address
end

--- An integer as JavaScript prints it, so that "08", "+8" and "8.0" are none; nil
--- for anything else.
local function printed_integer(text)
  local n = text:find("^-?%d+$") and args.tonumber_js(text)
  if n and inspect.number(n + 0.0) == text then
    return n
  end
end

--- Takes CIDR notation apart.
---@param cidr any
---@param name? string the argument, for messages, if it is not "cidr"
---@return string address
---@return integer prefix unchecked
---@return string family
local function split_cidr(cidr, name)
  if type(cidr) ~= "string" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, name or "cidr", "string", cidr)
  end
  local address, digits = cidr:match("^(.*)/([^/]*)$")
  if not address then
    local reason = 'must contain a prefix length (e.g. "10.0.0.0/8")'
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "cidr", cidr, reason)
  end
  local prefix = printed_integer(digits)
  if not prefix then
    local reason = "prefix length must be a valid integer"
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "cidr", cidr, reason)
  end
  return address, prefix, address:find(":", 1, true) and "ipv6" or "ipv4"
end

-- Adding

--- Blocks one address. It is one rule however often it is added.
---
--- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (family), ERR_INVALID_ADDRESS,
--- as do the other methods that take an address.
---@param address string|net.SocketAddress
---@param family? string of a string, "ipv4" (default) or "ipv6"
function methods:addAddress(address, family)
  check_self(self)
  native.add_address(self, to_address(address, "address", family))
end

--- Blocks each address of a list; none if one of them is wrong.
---@param addresses (string|net.SocketAddress)[]
---@param family? string of the strings, "ipv4" (default) or "ipv6"
function methods:addAddresses(addresses, family)
  check_self(self)
  validate.array(addresses, "addresses")
  if family ~= nil then
    validate.string(family, "family")
  end
  local list = {}
  for i = 1, #addresses do
    list[i] = to_address(addresses[i], ("addresses[%d]"):format(i - 1), family)
  end
  native.add_addresses(self, list)
end

--- Blocks all addresses from one to another, both included.
---
--- Raises ERR_INVALID_ARG_VALUE, too, if the end comes before the start.
---@param start string|net.SocketAddress
---@param last string|net.SocketAddress called "end" in messages
---@param family? string of the strings, "ipv4" (default) or "ipv6"
function methods:addRange(start, last, family)
  check_self(self)
  start = to_address(start, "start", family)
  last = to_address(last, "end", family)
  if not native.add_range(self, start, last) then
    errors.raise("ERR_INVALID_ARG_VALUE", 2, "start", start, "must come before end")
  end
end

--- Blocks a subnet.
---
--- Raises ERR_OUT_OF_RANGE, too.
---@param network string|net.SocketAddress any address in it
---@param prefix integer bits, 0 .. 32, or 128 of IPv6
---@param family? string of a string, "ipv4" (default) or "ipv6"
function methods:addSubnet(network, prefix, family)
  check_self(self)
  network = to_address(network, "network", family)
  prefix = validate.int32(prefix, "prefix", 0, PREFIX_MAX[network.family])
  native.add_subnet(self, network, prefix)
end

--- Blocks a subnet in CIDR notation. What has a ":" in it is IPv6.
---
--- Raises ERR_INVALID_ARG_VALUE, too, for what is no CIDR notation, and
--- ERR_OUT_OF_RANGE.
---@param cidr string "10.0.0.0/8"
function methods:addCIDR(cidr)
  check_self(self)
  local address, prefix, family = split_cidr(cidr)
  local network = to_address(address, "network", family)
  prefix = validate.int32(prefix, "prefix", 0, PREFIX_MAX[family])
  native.add_subnet(self, network, prefix)
end

--- Blocks each subnet of a list. If one of them is no CIDR notation, none is added;
--- if only its address or prefix is wrong, those before it are.
---@param cidrs string[] `BlockList.PRIVATE_RANGES`, for one
function methods:addCIDRs(cidrs)
  check_self(self)
  validate.array(cidrs, "cidrs")
  local parsed = {}
  for i = 1, #cidrs do
    parsed[i] = table.pack(split_cidr(cidrs[i], ("cidrs[%d]"):format(i - 1)))
  end
  for i = 1, #parsed do
    self:addSubnet(table.unpack(parsed[i], 1, 3))
  end
end

-- Removing

--- Takes back what addAddress added; nothing happens if there is no such rule.
---@param address string|net.SocketAddress
---@param family? string of a string, "ipv4" (default) or "ipv6"
function methods:removeAddress(address, family)
  check_self(self)
  native.remove_address(self, to_address(address, "address", family))
end

--- Takes back the newest range from just that start to just that end, if there is
--- one.
---@param start string|net.SocketAddress
---@param last string|net.SocketAddress
---@param family? string of the strings, "ipv4" (default) or "ipv6"
function methods:removeRange(start, last, family)
  check_self(self)
  start = to_address(start, "start", family)
  last = to_address(last, "end", family)
  native.remove_range(self, start, last)
end

--- Takes back the newest subnet of just that address and prefix, if there is one:
--- "10.0.0.0/8" is not "10.0.0.1/8".
---@param network string|net.SocketAddress
---@param prefix integer bits
---@param family? string of a string, "ipv4" (default) or "ipv6"
function methods:removeSubnet(network, prefix, family)
  check_self(self)
  network = to_address(network, "network", family)
  prefix = validate.int32(prefix, "prefix", 0, PREFIX_MAX[network.family])
  native.remove_subnet(self, network, prefix)
end

--- Takes back what addCIDR added.
---@param cidr string
function methods:removeCIDR(cidr)
  check_self(self)
  local address, prefix, family = split_cidr(cidr)
  local network = to_address(address, "network", family)
  prefix = validate.int32(prefix, "prefix", 0, PREFIX_MAX[family])
  native.remove_subnet(self, network, prefix)
end

-- Texts

-- Four groups of one to three digits.
local V4 = "(%d%d?%d?%.%d%d?%d?%.%d%d?%d?%.%d%d?%d?)"

--- Adds the IPv4 rule that stands anywhere in a text; false if there is none.
local function add_v4_text(list, text)
  local network, prefix = text:match("Subnet: IPv4 " .. V4 .. "/(%d%d?)")
  if network then
    list:addSubnet(network, tonumber(prefix))
    return true
  end
  local address = text:match("Address: IPv4 " .. V4)
  if address then
    list:addAddress(address)
    return true
  end
  local start, last = text:match("Range: IPv4 " .. V4 .. "%-" .. V4)
  if start then
    list:addRange(start, last)
  end
  return start ~= nil
end

--- The captures of the first match whose first capture is no longer than an
--- address.
local function match_address(text, pattern)
  for address, rest in text:gmatch(pattern) do
    if #address <= ADDRESS_MAX then
      return address, rest
    end
  end
end

--- As add_v4_text, for IPv6, where letters of either case will do.
local function add_v6_text(list, text)
  text = text:lower()
  local network, prefix = match_address(text, "subnet: ipv6 ([%x:.]+)/(%d%d?%d?)")
  if network then
    return list:addSubnet(network, tonumber(prefix), "ipv6")
  end
  local address = text:match("address: ipv6 ([%x:.]+)")
  if address then
    return list:addAddress(address:sub(1, ADDRESS_MAX), "ipv6")
  end
  local start, last = match_address(text, "range: ipv6 ([%x:.]+)%-([%x:.]+)")
  if start then
    return list:addRange(start, last:sub(1, ADDRESS_MAX), "ipv6")
  end
end

--- Whether a value is a list of nothing but strings; the empty table is one.
local function is_string_list(value)
  if type(value) ~= "table" or (next(value) ~= nil and not inspect.is_array(value)) then
    return false
  end
  for i = 1, #value do
    if type(value[i]) ~= "string" then
      return false
    end
  end
  return true
end

--- The rules, as a list of texts that fromJSON takes.
---@return string[]
function methods:toJSON()
  check_self(self)
  return self.rules
end

--- Adds the rules that `rules` or `toJSON` gave, here or in Node, to those there
--- are. A text in which no rule is found is passed over.
---
--- Raises ERR_INVALID_ARG_TYPE, a SyntaxError for what is no JSON, and what adding
--- raises; the rules before have been added then.
---@param data string|string[] such a list, or one as JSON
function methods:fromJSON(data)
  check_self(self)
  local is_null = false
  if type(data) == "string" then
    local json = require("net.internal.json") -- here, as hardly a program needs it
    data = json.read(data)
    is_null = data == json.null
  end
  if not is_string_list(data) then
    local shown = not is_null and data or nil
    errors.raise("ERR_INVALID_ARG_TYPE", 2, "data", { "string", "string[]" }, shown, is_null)
  end
  for i = 1, #data do
    local text = data[i]
    local done = text:find("IPv4", 1, true) and add_v4_text(self, text)
    if not done and text:find("IPv6", 1, true) then
      add_v6_text(self, text)
    end
  end
end

core.BlockList.metatable.__inspect = function(self)
  if not native.is(self) then
    errors.raise("ERR_INVALID_THIS", 2, "BlockList")
  end
  return { rules = self.rules }
end

-- The class

local PRIVATE_RANGES = {
  "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", -- RFC 1918
  "127.0.0.0/8", "::1/128", -- loopback
  "169.254.0.0/16", "fe80::/10", -- link-local
  "fc00::/7", -- unique local, RFC 4193
}

local READ_ONLY = "Cannot assign to read only property '%s' of object '[object Array]'"
local NOT_EXTENSIBLE = "Cannot add property %s, object is not extensible"

--- A list that reads as the given one, and cannot be written to.
local function frozen(list)
  return setmetatable({}, {
    __name = "Array",
    __index = list,
    __newindex = function(_, key)
      local text = list[key] and READ_ONLY or NOT_EXTENSIBLE
      errors.raise("TypeError", 2, text:format(math.type(key) == "integer" and key - 1 or key))
    end,
    __len = function()
      return #list
    end,
    __pairs = function()
      return next, list, nil
    end,
  })
end

--- Whether a value is a BlockList.
---@param value any
---@return boolean
local function is_block_list(value)
  return native.is(value)
end

return {
  --- A new list, without rules.
  BlockList = setmetatable({
    isBlockList = is_block_list,
    --- Addresses that are not of the public Internet, in CIDR notation; read-only.
    PRIVATE_RANGES = frozen(PRIVATE_RANGES),
  }, {
    __name = "class BlockList",
    __index = methods,
    __call = function()
      return native.new()
    end,
  }),
}
