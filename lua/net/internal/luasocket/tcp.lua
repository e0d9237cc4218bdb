-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.tcp - LuaSocket's TCP and Unix sockets.

local core = require("net.core")
local Class = require("net.internal.luasocket.class")
local names = require("net.internal.luasocket.names")
local options = require("net.internal.luasocket.options")
local wait = require("net.internal.luasocket.wait")
local words = require("net.internal.luasocket.words")

local plain = core.open_luasocket()

local ANY = { inet = "0.0.0.0", inet6 = "::" }

local tcp = {}

-- TCP

--- Tries addresses until `try(entry, i)` gives something or says "timeout".
local function first_of(list, try)
  local err
  for i, entry in ipairs(list) do
    local ok
    ok, err = try(entry, i)
    if ok then
      return ok
    elseif err == "timeout" then
      break
    end
  end
  return nil, err
end

--- The addresses and the port that two arguments mean, or nil and a word.
local function target(state, host, port)
  local list, err = names.resolve(host, state.wanted)
  local number
  if list then
    number, err = names.port(port)
  end
  return number and list, number or err
end

--- A socket that has failed to connect cannot be relied on to connect again. One that needs
--- not be of this family, or whose address nobody has chosen, is made anew.
local function connect_to(socket, state, limit, address, port, family)
  local before = state.family
  local ok, err = Class.open(socket, state, family)
  if not ok then
    return nil, words.of(err)
  end
  ok, err = Class.connect(socket, limit, address, port)
  if not ok and err ~= "timeout" and not state.wanted then
    state.family = before
  end
  return ok, err
end

local function connect(class, socket, host, port)
  local state = plain.state(socket)
  local limit = wait.limit(state.block, state.total)
  local list, number = target(state, host, port)
  class:become(socket, "client")
  if not list then
    return nil, number
  end
  return first_of(list, function(entry, i)
    if i > 1 and not state.bound then
      state.family = nil
    end
    return connect_to(socket, state, limit, entry.address, number, names.family(entry))
  end)
end

local function bind(socket, host, port)
  local state = plain.state(socket)
  host = host == "*" and ANY[state.wanted or "inet"] or host
  local list, number = target(state, host, port)
  if not list then
    return nil, number
  end
  return first_of(list, function(entry)
    local ok, err = Class.open(socket, state, names.family(entry))
    if ok then
      ok, err = plain.bind(socket, entry.address, number)
    end
    state.bound = ok
    return ok and 1, not ok and words.of(err) or nil
  end)
end

--- Address and port, or nil and a word.
local function name_of(get, socket)
  local address, port, family = get(socket)
  if not address then
    return nil, words.of(port)
  end
  return address, port, family
end

local function add_names(class, methods)
  --- getpeername() -> address, port, family
  function methods:getpeername()
    class:check(self, "any", "getpeername")
    return name_of(plain.peername, self)
  end

  --- getsockname() -> address, the port as a string, family
  function methods:getsockname()
    class:check(self, "any", "getsockname")
    local address, port, family = name_of(plain.sockname, self)
    if not address then
      return nil, port
    end
    return address, tostring(port), family
  end

  --- getfamily() -> "inet4" or "inet6"
  function methods:getfamily()
    return class:check(self, "any", "getfamily").family == "inet6" and "inet6" or "inet4"
  end
end

tcp.class = Class.define("tcp", "set", function(class, methods)
  --- connect(host, port) -> 1
  for _, name in ipairs { "connect", "setpeername" } do
    methods[name] = function(self, host, port)
      class:check(self, "any", name)
      host = words.text(host, 1, name)
      return connect(class, self, host, words.text(port, 2, name))
    end
  end

  --- bind(host, port) -> 1; "*" for any address
  for _, name in ipairs { "bind", "setsockname" } do
    methods[name] = function(self, host, port)
      class:check(self, "master", name)
      host = words.text(host, 1, name)
      return bind(self, host, words.text(port, 2, name))
    end
  end

  add_names(class, methods)

  function methods:getoption(name)
    class:check(self, "any", "getoption")
    return options.get(self, name)
  end

  --- gettimeout() -> the two limits in seconds, negative for none
  function methods:gettimeout()
    local state = class:check(self, "any", "gettimeout")
    return state.block, state.total
  end
end)

--- A new TCP socket; of a family, or of the one that it will need.
---@param family? "inet"|"inet6"
local function new(family)
  local socket = tcp.class:new("master", nil)
  local state = plain.state(socket)
  state.wanted = family
  if family then
    local ok, err = Class.open(socket, state, family)
    if not ok then
      return nil, words.of(err)
    end
  end
  return socket
end

function tcp.tcp() return new() end
function tcp.tcp4() return new("inet") end
function tcp.tcp6() return new("inet6") end

local FAMILIES = { unspec = false, inet = "inet", inet6 = "inet6" }

--- connect(host, port[, local host[, local port[, family]]]) -> client
function tcp.connect(host, port, own_host, own_port, family)
  host, port = words.text(host, 1, "connect"), words.text(port, 2, "connect")
  local wanted = FAMILIES[family == nil and "unspec" or family]
  if wanted == nil then
    words.bad_argument(5, "connect", "invalid option '" .. tostring(family) .. "'")
  end
  local socket, err = new(wanted or nil)
  local ok = socket
  if ok and own_host ~= nil then
    ok, err = socket:bind(own_host, own_port == nil and "0" or own_port)
  end
  if ok then
    ok, err = socket:connect(host, port)
  end
  if ok then
    return socket
  elseif socket then
    socket:close()
  end
  return nil, err
end

function tcp.connect4(host, port, own_host, own_port)
  return tcp.connect(host, port, own_host, own_port, "inet")
end

function tcp.connect6(host, port, own_host, own_port)
  return tcp.connect(host, port, own_host, own_port, "inet6")
end

--- A server at one address, or nil and a word.
local function listen_at(entry, port, backlog)
  local socket, err = new(names.family(entry))
  if not socket then
    return nil, err
  end
  socket:setoption("reuseaddr", true)
  local ok
  ok, err = socket:bind(entry.address, port)
  if ok then
    ok, err = socket:listen(backlog)
  end
  if ok then
    return socket
  end
  socket:close()
  return nil, err
end

--- bind(host, port[, backlog]) -> server; "*" for any IPv4 address
function tcp.bind(host, port, backlog)
  host, port = words.text(host, 1, "bind"), words.text(port, 2, "bind")
  local list, err = names.resolve(host == "*" and ANY.inet or host)
  if not list then
    return nil, err
  end
  return first_of(list, function(entry)
    return listen_at(entry, port, backlog)
  end)
end

-- Unix sockets

local MAX_PATH = 108 -- bytes

local function path_error(path, err)
  return #path >= MAX_PATH and "path too long" or words.of(err)
end

local unix_class = Class.define("unixstream", "unix", function(class, methods)
  --- bind(path) -> 1
  function methods:bind(path)
    local state = class:check(self, "master", "bind")
    path = words.text(path, 1, "bind")
    local ok, err = Class.open(self, state, "unix")
    if ok then
      ok, err = plain.bind(self, path)
    end
    if not ok then
      return nil, path_error(path, err)
    end
    return 1
  end

  --- connect(path) -> 1
  function methods:connect(path)
    local state = class:check(self, "any", "connect")
    path = words.text(path, 1, "connect")
    local limit = wait.limit(state.block, state.total)
    local ok, err = Class.open(self, state, "unix")
    if not ok then
      return nil, words.of(err)
    end
    class:become(self, "client")
    if #path >= MAX_PATH then
      return nil, "path too long"
    end
    return Class.connect(self, limit, path)
  end

  methods.setpeername, methods.setsockname = methods.connect, methods.bind

  --- getsockname() -> path
  function methods:getsockname()
    class:check(self, "any", "getsockname")
    return (name_of(plain.sockname, self))
  end
end)

--- A new Unix socket.
function tcp.unix()
  local socket = unix_class:new("master", "unix")
  local ok, err = plain.open(socket, "unix")
  if not ok then
    return nil, words.of(err)
  end
  return socket
end

return tcp
