-- SPDX-License-Identifier: MIT

--- net.internal.address.socketaddress - net.SocketAddress: an IP address and a port, as a value.
--
-- The object is src/address/socketaddress.c's userdata; its fields are read there. Here
-- are the options, with Node's defaults and checks, and `parse`.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")

local USER = 2 -- where a stack starts: at the caller of the public function
local FLOWLABEL_MAX = 0xFFFFF -- the field has 20 bits
local KEYS = { "address", "port", "family", "flowlabel" } -- as inspected, in Node's order

local native = core.socketaddress
local methods = core.SocketAddress.methods

--- What stands in the constructor's options if they leave it out.
local function default(value, otherwise)
  if value == nil then
    return otherwise
  end
  return value
end

--- 4 or 6 for "ipv4" or "ipv6" in letters of either case; nil for anything else.
---@param family any
---@return integer?
local function family_number(family)
  local digit = type(family) == "string" and family:match("^[iI][pP][vV]([46])$")
  return digit and tonumber(digit) or nil
end

--- A new SocketAddress.
---
--- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (family), ERR_SOCKET_BAD_PORT,
--- ERR_OUT_OF_RANGE (flowlabel), and ERR_INVALID_ADDRESS for what is no address of
--- the family.
---@param options? net.SocketAddressOptions|net.SocketAddress
---@return net.SocketAddress
local function create(options)
  local o = default(options, {})
  if not native.is(o) then
    validate.object(o, "options")
  end
  local name = default(o.family, "ipv4")
  local family = family_number(name)
  if not family then
    errors.raise("ERR_INVALID_ARG_VALUE", USER, "options.family", name)
  end
  local address = default(o.address, name == "ipv4" and "127.0.0.1" or "::")
  validate.string(address, "options.address")
  local port = validate.port(default(o.port, 0), "options.port")
  local flowlabel = validate.uint32(default(o.flowlabel, 0), "options.flowlabel")
  if family == 6 and flowlabel > FLOWLABEL_MAX then
    local range = ">= 0 && <= " .. FLOWLABEL_MAX
    errors.raise("ERR_OUT_OF_RANGE", USER, "options.flowlabel", range, flowlabel)
  end
  local self = native.new(address, family, port, flowlabel)
  if not self then
    errors.raise("ERR_INVALID_ADDRESS", USER)
  end
  return self
end

--- The SocketAddress in a text such as "1.2.3.4", "1.2.3.4:80", "[::1]:443"; nil
--- if there is none. Without a port it is 0.
---
--- The text is read as a URL behind "http://", so that much else passes too:
--- "0x7f.1" and "2130706433" are 127.0.0.1, and user, password and path are
--- skipped. Names are not looked up.
---
--- Raises ERR_INVALID_ARG_TYPE.
---@param input string
---@return net.SocketAddress?
local function parse(input)
  validate.string(input, "input")
  local url = require("net.internal.url") -- here, as hardly a program needs it
  local address, family, port = url.endpoint(input)
  return address and native.new(address, family, port) or nil
end

--- Whether a value is a SocketAddress.
---@param value any
---@return boolean
local function is_socket_address(value)
  return native.is(value)
end

--- The fields as a plain table.
---@return {address: string, port: integer, family: "ipv4"|"ipv6", flowlabel: integer}
function methods:toJSON()
  if not native.is(self) then
    errors.raise("ERR_INVALID_THIS", USER, "SocketAddress")
  end
  return {
    address = self.address, port = self.port, family = self.family, flowlabel = self.flowlabel,
  }
end

core.SocketAddress.metatable.__inspect = function(self)
  return methods.toJSON(self), KEYS
end

return {
  family_number = family_number,
  SocketAddress = setmetatable({ parse = parse, isSocketAddress = is_socket_address }, {
    __name = "class SocketAddress",
    __index = methods,
    __call = function(_, ...)
      return create(...)
    end,
  }),
}
