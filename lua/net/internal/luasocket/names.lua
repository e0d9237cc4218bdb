-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.names - names and addresses, as LuaSocket's `dns` has them.
--
-- What the system has to be asked for is asked on the threads of the core's look-ups.

local core = require("net.core")
local wait = require("net.internal.luasocket.wait")
local words = require("net.internal.luasocket.words")

local plain = core.open_luasocket()

local CANONNAME = 2 -- a hint: the first answer has the name
local FAMILY = { [4] = "inet", [6] = "inet6" }
local NUMBER = { inet = 4, inet6 = 6 }
local NOT_FOUND = "host not found"

local names = {}

--- Waits for a look-up of `name`: `ask(callback)` gives a request, or nil and a code.
local function ask_system(name, ask)
  return table.unpack(wait.suspend(function(resume)
    local request, code = ask(function(err, found)
      resume({ err, found })
    end)
    if not request then
      resume({ code })
    end
    return function()
      if request then
        request:cancel()
      end
    end
  end, "look up %s", name), 1, 2)
end

local function numeric(host, version, family)
  if family ~= 0 and family ~= version then
    return nil, words.OTHER_FAMILY
  end
  return { { address = host, family = version } }
end

--- The addresses of a host.
---@param host string
---@param family? "inet"|"inet6" nil: both
---@param hints? integer
---@return table[]? list
---@return string? err
function names.resolve(host, family, hints)
  local number, version = NUMBER[family] or 0, core.isIP(host)
  if version ~= 0 and not hints then
    return numeric(host, version, number)
  elseif host:find("\0", 1, true) then
    return nil, words.NO_NAME
  end
  local code, list = ask_system(host, function(callback)
    return core.resolve(host, number, hints or 0, callback)
  end)
  if code then
    return nil, words.of_resolver(code)
  end
  return list
end

--- LuaSocket's word for an address' family.
function names.family(entry)
  return FAMILY[entry.family]
end

--- The port that a number, or a service's name, means.
---@param port string
---@return integer? port
---@return string? err
function names.port(port)
  local number = math.tointeger(tonumber(port))
  if number and number >= 0 then
    return number & 0xFFFF
  end
  number = not port:find("\0", 1, true) and plain.service(port)
  return number or nil, not number and words.NO_SERVICE or nil
end

-- dns

local function is_unknown(err)
  return err == words.NO_NAME or err == words.OTHER_FAMILY
end

local function resolved(list, name)
  local info = { name = name, alias = {}, ip = {} }
  for i, entry in ipairs(list) do
    info.ip[i] = entry.address
  end
  return info
end

local function host_error(err)
  return is_unknown(err) and NOT_FOUND or err
end

--- The name of an address; nil and LuaSocket's word.
local function name_of(address)
  local code, name = ask_system(address, function(callback)
    return core.reverse(address, callback)
  end)
  return name, code and words.of_resolver(code)
end

--- The addresses of a host, and its name, which an address may not have.
local function look_up(host, family)
  local list, err = names.resolve(host, family, CANONNAME)
  if not list then
    return nil, host_error(err)
  elseif core.isIP(host) ~= 0 then
    return list, name_of(host)
  end
  return list, list[1].name or host
end

--- dns.toip(host) -> the first IPv4 address, and a table of all
function names.toip(host)
  host = words.text(host, 1, "toip")
  local list, name = look_up(host, "inet")
  if not list then
    return nil, name
  end
  return list[1].address, resolved(list, name or host)
end

--- dns.tohostname(host) -> its name, and a table of all
function names.tohostname(host)
  host = words.text(host, 1, "tohostname")
  local list, name, err = look_up(host)
  if not list or not name then
    return nil, list and host_error(err) or name
  end
  return name, resolved(list, name)
end

--- dns.getaddrinfo(host) -> a list of {family =, addr =}
function names.getaddrinfo(host)
  host = words.text(host, 1, "getaddrinfo")
  local list, err = names.resolve(host)
  if not list then
    return nil, err
  end
  local infos = {}
  for i, entry in ipairs(list) do
    infos[i] = { family = FAMILY[entry.family], addr = entry.address }
  end
  return infos
end

--- The names of all addresses of a host; those that have none stand for themselves.
local function names_of(host)
  local list, err = names.resolve(host)
  local found = list and {}
  for i, entry in ipairs(list or {}) do
    found[i] = name_of(entry.address) or entry.address
  end
  return found, err
end

--- dns.getnameinfo([host[, service]]) -> a list of names, and the service's name
function names.getnameinfo(host, service)
  if host == nil and service == nil then
    error("host and serv cannot be both nil", 2)
  end
  host = host ~= nil and words.text(host, 1, "getnameinfo")
  local port, err = true, nil
  if service ~= nil then
    port, err = names.port(words.text(service, 2, "getnameinfo"))
  end
  local found = port and {}
  if port and host then
    found, err = names_of(host)
  end
  if not found then
    return nil, err
  end
  return found, service ~= nil and plain.service_name(port) or nil
end

--- dns.gethostname() -> the name of this machine
function names.gethostname()
  local name, err = plain.hostname()
  if not name then
    return nil, words.of(err)
  end
  return name
end

return names
