-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.class - the classes of LuaSocket's objects, and what TCP sockets and
--- Unix sockets share.
--
-- An object is a plain socket of the core, a userdata, with its class as metatable, and a
-- table that only methods see, its state:
--
--     family    "inet", "inet6" or "unix", or nil: not known yet
--     block, total   limits in seconds, negative for none (settimeout)
--     reader, sender   who waits
--     options   name -> value, as set before it was connected
--     wanted    the family that it has to be of; bound: its address was chosen
--     via       what moves its bytes: recv, send and shutdown, as the core's plain socket has
--               them. Who puts a layer on it, TLS say, gives it another: its recv and send may
--               say behind EAGAIN what they wait for, wait.READS or wait.WRITES, for which
--               its `timeout_words` have one when the time is over; and fail with a word of theirs.
--               The plain one reads without a string between, by `fill`
--
-- A socket changes its class as it is used: master, then client or server.

local core = require("net.core")
local options = require("net.internal.luasocket.options")
local receive = require("net.internal.luasocket.receive")
local select_ = require("net.internal.luasocket.select")
local send = require("net.internal.luasocket.send")
local wait = require("net.internal.luasocket.wait")
local words = require("net.internal.luasocket.words")

local plain = core.open_luasocket()
local EAGAIN, EBADF = plain.errors.EAGAIN, plain.errors.EBADF

-- What each send and receive uses.
local state_of, receive_from, send_to = plain.state, receive.receive, send.send

local BACKLOG = 32
local RETRY = 0.01 -- seconds

local VIA = { fill = plain.fill, recv = plain.recv, send = plain.send, shutdown = plain.shutdown }

local Class = {}
Class.__index = Class

-- Making

--- A new object of a class.
---@param which "master"|"client"|"server"
---@param family? "inet"|"inet6"|"unix"
function Class:new(which, family)
  return plain.new(self.metatables[which], {
    class = self,
    which = which,
    family = family,
    block = -1,
    total = -1,
    reader = receive.reader(),
    sender = wait.turn(),
    options = {},
    sent = 0,
    born = plain.time(),
    via = VIA,
  })
end

--- The object is of that class from here on.
function Class:become(socket, which)
  plain.state(socket).which = which
  plain.become(socket, self.metatables[which])
end

--- The state of what a method is called for; raises if it is of another class.
---@param which "master"|"client"|"server"|"any"
---@param name string of the method
function Class:check(socket, which, name)
  local state = state_of(socket)
  if state and state.class == self and (which == "any" or state.which == which) then
    return state
  end
  error(("calling '%s' on bad self (%s{%s} expected)"):format(name, self.name, which), 3)
end

--- Gives the object a socket of the system, if it has none of that family.
function Class.open(socket, state, family)
  if plain.fd(socket) >= 0 and state.family == family then
    return true
  end
  local ok, err = plain.open(socket, family)
  if not ok then
    return nil, err
  end
  state.family = family
  for name, value in pairs(state.options) do
    options.set(socket, "set", name, value)
  end
  return true
end

-- Connecting

local function is_writable(socket)
  local news = plain.ready({ plain.fd(socket), wait.WRITES })
  return not news or news[1] ~= 0
end

--- Waits for an attempt that is under way.
local function finish_connect(socket, limit)
  while not is_writable(socket) do
    local in_time, err = wait.ready(socket, wait.WRITES, limit, "connect by")
    if not in_time then
      return nil, err and words.of(err) or "timeout"
    end
    if plain.fd(socket) < 0 then
      return nil, "closed"
    end
  end
  local ok, err = plain.error(socket)
  if not ok then
    return nil, words.of(err)
  end
  return 1
end

--- Connects to an address: a port, or none for a path.
---@return 1|nil ok
---@return string? err
function Class.connect(socket, limit, address, port)
  local e = plain.errors
  local ok, err = plain.connect(socket, address, port)
  while err == EAGAIN do -- no room in the backlog of a Unix socket, of which no poll tells
    if limit == false or limit and limit < plain.now() then
      return nil, "timeout"
    end
    wait.any({}, wait.limit(RETRY, -1), "connect to %s", address)
    ok, err = plain.connect(socket, address, port)
  end
  if ok then
    return 1
  elseif err == e.EINPROGRESS and limit == false then
    return nil, "timeout" -- as it may be ready already; LuaSocket's programs expect that
  elseif err == e.EINPROGRESS or err == e.EALREADY and limit ~= false then
    return finish_connect(socket, limit)
  end
  return nil, words.of(err)
end

-- Methods

local function add_servers(class, methods)
  --- listen([backlog]) -> 1
  function methods:listen(backlog)
    class:check(self, "master", "listen")
    backlog = backlog == nil and BACKLOG or words.integer(backlog, 1, "listen")
    local ok, err = plain.listen(self, math.max(0, math.min(backlog, 0x7FFFFFFF)))
    if not ok then
      return nil, words.of(err)
    end
    class:become(self, "server")
    return 1
  end

  --- accept() -> client
  function methods:accept()
    local state = class:check(self, "server", "accept")
    local limit = wait.limit(state.block, state.total)
    local client = class:new("client", state.family)
    wait.be_fair(limit)
    while true do
      local ok, err = plain.accept(self, client)
      if ok then
        return client
      elseif err == EBADF and plain.fd(self) < 0 then
        return nil, "closed"
      elseif err ~= EAGAIN then
        return nil, words.of(err)
      end
      local in_time
      in_time, err = wait.ready(self, wait.READS, limit, "accept on")
      if not in_time then
        return nil, err and words.of(err) or "timeout"
      end
    end
  end
end

local function add_clients(class, methods)
  function methods:receive(pattern, prefix)
    return receive_from(self, class:check(self, "client", "receive"), pattern, prefix)
  end

  function methods:send(data, i, j)
    return send_to(self, class:check(self, "client", "send"), data, i, j)
  end

  --- shutdown([half]) -> 1
  function methods:shutdown(half)
    local state = class:check(self, "client", "shutdown")
    half = half == nil and "both" or words.text(half, 1, "shutdown")
    if half ~= "both" and half ~= "send" and half ~= "receive" then
      words.bad_argument(1, "shutdown", "invalid option '" .. half .. "'")
    end
    state.via.shutdown(self, half)
    return 1
  end

  --- getstats() -> bytes received, bytes sent, seconds
  function methods:getstats()
    local state = class:check(self, "client", "getstats")
    return plain.received(self), state.sent, plain.time() - state.born
  end

  --- setstats([received[, sent[, age]]]) -> 1
  function methods:setstats(received, sent, age)
    local state = class:check(self, "client", "setstats")
    plain.received(self, received ~= nil and words.integer(received, 1, "setstats") or nil)
    state.sent = sent == nil and state.sent or words.integer(sent, 2, "setstats")
    state.born = age == nil and state.born or plain.time() - words.number(age, 3, "setstats")
    return 1
  end
end

--- The limit that a mode names.
local function limit_named(mode)
  mode = mode == nil and "b" or words.text(mode, 2, "settimeout"):sub(1, 1)
  if mode == "b" then
    return "block"
  elseif mode == "t" or mode == "r" then
    return "total"
  end
  words.bad_argument(2, "settimeout", "invalid timeout mode", 4)
end

local function add_to_all(class, methods)
  --- close() -> 1; whoever waits for it is told
  function methods:close()
    class:check(self, "any", "close")
    plain.close(self)
    return 1
  end

  --- dirty() -> has it bytes that were read and nobody has received?
  function methods:dirty()
    class:check(self, "any", "dirty")
    return plain.size(self) > 0
  end

  --- settimeout(seconds[, mode]) -> 1
  function methods:settimeout(seconds, mode)
    local state = class:check(self, "any", "settimeout")
    local value = seconds == nil and -1 or words.number(seconds, 1, "settimeout")
    state[limit_named(mode)] = value
    return 1
  end

  --- setoption(name, value) -> 1
  function methods:setoption(name, value)
    local state = class:check(self, "any", "setoption")
    local ok, err = options.set(self, class.option_use, name, value)
    if not ok then
      return nil, err
    end
    state.options[name] = value
    return 1
  end

  --- getfd() -> the number of its descriptor, -1 for none
  function methods:getfd()
    class:check(self, "any", "getfd")
    local fd = plain.fd(self)
    select_.know(fd, self)
    return fd
  end

  --- setfd(number): it has that one from here on; the one before is left as it is
  function methods:setfd(fd)
    class:check(self, "any", "setfd")
    local ok, err = plain.set_fd(self, words.integer(fd, 1, "setfd"))
    if not ok then
      error("setfd: " .. words.of(err), 2)
    end
  end
end

--- A class without methods and metatables.
---@param name string
function Class.bare(name)
  return setmetatable({ name = name, metatables = {} }, Class)
end

--- The methods that its clients share with those of all classes.
---@return table methods
function Class:client_methods()
  local methods = {}
  add_clients(self, methods)
  add_to_all(self, methods)
  return methods
end

--- A class of sockets, with the methods that all have.
---@param name string "tcp", "unixstream"
---@param option_use "set"|"unix" which options they have
---@param add fun(class: table, methods: table) adds its own
function Class.define(name, option_use, add)
  local class = Class.bare(name)
  class.option_use = option_use
  local methods = class:client_methods()
  add_servers(class, methods)
  add(class, methods)
  for _, which in ipairs { "master", "client", "server" } do
    local full = name .. "{" .. which .. "}"
    local own = { class = full }
    for key, fn in pairs(methods) do
      own[key] = fn
    end
    class.metatables[which] = {
      __index = own,
      __name = full,
      __gc = plain.gc,
      __tostring = function(socket) return ("%s: %p"):format(full, socket) end,
      [name .. "{any}"] = true,
    }
  end
  return class
end

return Class
