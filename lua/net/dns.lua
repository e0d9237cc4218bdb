-- SPDX-License-Identifier: MIT

--- net.dns - names to addresses, as the system resolves them.
--
-- `lookup` is what connect and listen use by default, and programs may call or
-- replace. The work is done by getaddrinfo(3) on threads of the core, so hosts,
-- search domains and nsswitch count as they do for `ping`. Addresses in the
-- place of names never go there.

local core = require("net.core")
local args = require("net.internal.args")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local idna = lazy.module("net.internal.idna")

local FAMILIES = { 0, 4, 6 }
local FAMILY_WORDS = { IPv4 = 4, IPv6 = 6 }
local ORDERS = { "verbatim", "ipv4first", "ipv6first" }
local CALLER = 4 -- where the stack of an error starts: who called lookup

local default_order = "verbatim"

local dns = {
  ADDRCONFIG = 32, -- only families of which this machine has an address
  V4MAPPED = 8, -- with family 6: IPv4 addresses as ::ffff:a.b.c.d, if there are no others
  ALL = 16, -- with V4MAPPED: both
}

local ALL_HINTS = dns.ADDRCONFIG | dns.V4MAPPED | dns.ALL

-- Requests that need no thread

--- What `lookup` returns when the answer is known; like a Lookup of the core's.
local Request = {}
Request.__index = Request

function Request:cancel()
  self._cancelled = true
end

Request.close = Request.cancel -- as everything else that is open has it

local function answer(request, callback, ...)
  if not request._cancelled then
    callback(...)
  end
end

--- Answers on a tick.
local function answer_soon(callback, ...)
  local request = setmetatable({}, Request)
  core.tick(answer, request, callback, ...)
  return request
end

-- Arguments

local function check_hints(value)
  local hints = args.uint32(validate.number(value, "options.hints"))
  if hints & ~ALL_HINTS ~= 0 then
    errors.raise("ERR_INVALID_ARG_VALUE", CALLER, "hints", hints)
  end
  return hints
end

local function check_family(value)
  local family = FAMILY_WORDS[value] or validate.one_of(value, "options.family", FAMILIES)
  return math.tointeger(family)
end

local function check_order(options)
  local order = default_order
  if options.verbatim ~= nil then
    order = validate.boolean(options.verbatim, "options.verbatim") and "verbatim" or "ipv4first"
  end
  if options.order ~= nil then
    order = validate.one_of(options.order, "options.order", ORDERS)
  end
  return order
end

--- Reads the options of a lookup, or raises: ERR_INVALID_ARG_TYPE,
--- ERR_INVALID_ARG_VALUE. The table is left alone.
---@param options? net.LookupOptions
---@return integer family 0, 4 or 6
---@return integer hints
---@return boolean all
---@return string order
function dns._check(options)
  local family, hints, all = 0, 0, false
  if options == nil then
    return family, hints, all, default_order
  end
  if options.hints ~= nil then
    hints = check_hints(options.hints)
  end
  if options.family ~= nil then
    family = check_family(options.family)
  end
  if options.all ~= nil then
    all = validate.boolean(options.all, "options.all")
  end
  return family, hints, all, check_order(options)
end

--- Raises for options of a type that says nothing.
local function refuse_options(count, options, callback)
  if count == 2 then
    callback = options
  end
  validate.func(callback, "callback")
  errors.raise("ERR_INVALID_ARG_TYPE", 3, "options", { "integer", "object" }, options)
end

--- Folds what stands behind the host name; 'count' arguments were given.
local function fold(count, options, callback)
  local kind = type(options)
  if kind == "function" then
    return options, dns._check(nil)
  elseif kind == "number" then
    validate.func(callback, "callback")
    local family = math.tointeger(validate.one_of(options, "family", FAMILIES))
    return callback, family, 0, false, default_order
  elseif options ~= nil and kind ~= "table" then
    refuse_options(count, options, callback)
  end
  validate.func(callback, "callback")
  return callback, dns._check(options)
end

--- What is nil, false, 0 or "" counts as no name.
local function is_blank(hostname)
  return not hostname or hostname == "" or hostname == 0
end

-- Answers

--- The addresses with those of 'family' first, otherwise in their order.
local function sorted(addresses, family)
  local list = {}
  for _, entry in ipairs(addresses) do
    if entry.family == family then
      list[#list + 1] = entry
    end
  end
  for _, entry in ipairs(addresses) do
    if entry.family ~= family then
      list[#list + 1] = entry
    end
  end
  return list
end

local function in_order(addresses, order)
  if order == "verbatim" then
    return addresses
  end
  return sorted(addresses, order == "ipv6first" and 6 or 4)
end

--- Asks the system.
local function resolve(hostname, callback, family, hints, all, order)
  local request, code = core.resolve(idna.to_ascii(hostname), family, hints,
    function(failed, addresses)
      if failed then
        return callback(errors.lookup(failed, hostname))
      end
      addresses = in_order(addresses, order)
      if all then
        return callback(nil, addresses)
      end
      callback(nil, addresses[1].address, addresses[1].family)
    end)
  return request or answer_soon(callback, errors.lookup(code, hostname))
end

local function start(hostname, callback, family, hints, all, order)
  if is_blank(hostname) then
    errors.raise("ERR_INVALID_ARG_VALUE", 3, "hostname", hostname, "must be a non-empty string")
  end
  local version = core.isIP(hostname)
  if version == 0 then
    return resolve(hostname, callback, family, hints, all, order)
  elseif all then
    return answer_soon(callback, nil, { { address = hostname, family = version } })
  end
  return answer_soon(callback, nil, hostname, version)
end

-- Public

--- Looks a host name up, as the system does.
---
---     lookup(hostname, callback)
---     lookup(hostname, family, callback)
---     lookup(hostname, options, callback)
---
--- The callback gets `(nil, address, family)`, or with `all` `(nil, list)`, never
--- before this returns. An IP literal is its own answer, whatever `family` says.
--- A name that is not found gives `getaddrinfo ENOTFOUND host`, a resolver that
--- cannot be reached, or more than 4096 names waiting, `getaddrinfo EAI_AGAIN host`.
---
--- Raises ERR_INVALID_ARG_TYPE and ERR_INVALID_ARG_VALUE.
---@param hostname string
---@param ... any
---@return net.LookupRequest request `cancel()`: the callback is not called
function dns.lookup(hostname, ...)
  if not is_blank(hostname) then
    validate.string_without_nul(hostname, "hostname")
  end
  return start(hostname, fold(select("#", ...) + 1, ...))
end

--- The order of results when `lookup` is not told one: "verbatim", as the
--- system gave them, unless it was set.
---@return "verbatim"|"ipv4first"|"ipv6first"
function dns.getDefaultResultOrder()
  return default_order
end

--- Sets that order.
---@param order "verbatim"|"ipv4first"|"ipv6first"
function dns.setDefaultResultOrder(order)
  default_order = validate.one_of(order, "dnsOrder", ORDERS)
end

return dns
