-- SPDX-License-Identifier: MIT

--- A program of TLS that ends where its seed says, for tls_ends_spec.lua:
---
---     lua5.4 spec/support/tls_ends.lua SEED CERT KEY CA ["CALLBACK ACTION"]
---
--- A few connections, over TCP, over pairs in memory, over TLS again, whose every callback may do
--- what a program may do there: raise, yield, run the loop, destroy, close, collect garbage, start
--- other programs, or end the process, by each of the ways there are; or the one thing in that one
--- callback. It says nothing; that it ends by itself, and leaves nothing behind, is for who runs it
--- to see.

local seed, paths = tonumber(arg[1]), { table.unpack(arg, 2) }
local only = arg[5] -- "CALLBACK ACTION", instead of dice

local child = require("net.child")
local co = require("net.co")
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local tls = require("net.tls")

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end
local cert, key, ca = read(paths[1]), read(paths[2]), read(paths[3])

--- dice(n) is 1 … n, the same everywhere.
local state = seed * 7919 + 17
local function dice(n)
  state = (state * 1103515245 + 12345) % 0x80000000
  return (state >> 8) % n + 1
end

local function ignore() end
local open, deep = {}, 0 -- sockets and servers; loops within loops
local kept = {}

local function keep(object)
  open[#open + 1] = object
  return object
end

local function any() return open[dice(#open)] end

local function close(object)
  if net.isServer(object) then
    if object.listening then object:close() end
  elseif dice(3) == 1 then
    object:destroy(net.Error { message = "enough" })
  else
    object:destroy()
  end
end

-- What may happen in a callback, which has these arguments

local ACTION
ACTION = {
  nothing = ignore,
  raise = function() error("raised", 0) end,
  raise_table = function() error(net.Error { message = "raised" }) end,
  collect = function() collectgarbage() collectgarbage() end,
  run = function()
    if deep < 3 then
      deep = deep + 1
      pcall(net.run, dice(2) == 1 and "nowait" or "once")
      deep = deep - 1
    end
  end,
  yield = function()
    if coroutine.isyieldable() then coroutine.yield() end
  end,
  destroy_self = function(object)
    if object then close(object) end
  end,
  destroy_any = function() close(any()) end,
  destroy_all = function()
    for _, object in ipairs(open) do close(object) end
  end,
  write = function(object)
    if net.isSocket(object) then object:write(("x"):rep(dice(100000)), ignore) end
  end,
  finish = function(object)
    if net.isSocket(object) then object:finish("x") end
  end,
  forget = function()
    for i = 1, #open do
      if dice(2) == 1 then open[i] = open[#open] end
    end
    collectgarbage()
  end,
  spawn = function() child.spawn("true"):on("error", ignore):unref() end,
  popen = function()
    local pipe = io.popen("true")
    if pipe then pipe:close() end
  end,
  execute = function() os.execute("true") end,
  stop = function() net.stop() end,
  finalizer = function()
    setmetatable({}, { __gc = function()
      pcall(tls.createSecureContext, { cert = cert, key = key })
      local ok, socket = pcall(tls.connect, { port = 1, host = "127.0.0.1" })
      if ok then socket:on("error", ignore) end
    end })
  end,
  keep_finalizer = function()
    kept[#kept + 1] = setmetatable({}, { __gc = function()
      for _, object in ipairs(open) do
        pcall(ACTION.write, object)
        pcall(close, object)
      end
      pcall(net.run, "nowait")
    end })
  end,
  exit = function() os.exit(0) end,
  exit_closing = function() os.exit(0, true) end,
  process_exit = function() process.exit(0) end,
}

local NAMES = {}
for name in pairs(ACTION) do NAMES[#NAMES + 1] = name end
table.sort(NAMES)

local CALM <const> = 12 -- of as many callbacks one does something

--- Something happens in the callback of that name, or nothing.
local function happens(name, object)
  if only then
    local which, action = only:match("^(%S+) (%S+)$")
    if which == name then ACTION[action](object) end
  elseif dice(CALM) == 1 then
    ACTION[NAMES[dice(#NAMES)]](object)
  end
end

-- The options of both sides

--- An option that is there, or not.
local function maybe(options, name, value)
  if only or dice(3) == 1 then options[name] = value end
end

--- Calls back at once, later, or never.
local function answer(done, ...)
  local way, values = only and 1 or dice(8), table.pack(...)
  local function say() pcall(done, table.unpack(values, 1, values.n)) end
  if way <= 4 then
    say()
  elseif way <= 7 then
    timers.setImmediate(say)
  end
end

local function context_options(is_psk)
  local options = {}
  local version = ({ "TLSv1.2", "TLSv1.3" })[dice(2)]
  options.minVersion, options.maxVersion = version, version
  if is_psk then options.ciphers = version == "TLSv1.3" and "TLS_AES_128_GCM_SHA256" or "PSK" end
  return options, version
end

local store = {}

local function server_options(is_psk)
  local options = context_options(is_psk)
  options.minVersion, options.maxVersion = nil, nil
  options.cert, options.key = cert, key
  maybe(options, "requestCert", true)
  options.rejectUnauthorized = false
  maybe(options, "SNICallback", function(_, done)
    happens("SNICallback", any())
    answer(done, nil, dice(4) > 1 and tls.createSecureContext({ cert = cert, key = key }) or nil)
  end)
  maybe(options, "ALPNCallback", function(offer)
    happens("ALPNCallback", any())
    return offer.protocols[1]
  end)
  options.handshakeTimeout = 200 + dice(300)
  if is_psk then
    options.ciphers = "PSK:TLS_AES_128_GCM_SHA256"
    options.pskCallback = function(socket)
      happens("pskCallback", socket)
      return dice(5) > 1 and "a key" or nil
    end
  end
  return options
end

local function client_options(is_psk)
  local options = context_options(is_psk)
  options.ca, options.servername, options.handshakeTimeout = ca, "localhost", 200 + dice(300)
  options.rejectUnauthorized = dice(3) > 1
  options.ALPNProtocols = { "a", "b" }
  maybe(options, "checkServerIdentity", function() happens("checkServerIdentity", any()) end)
  maybe(options, "requestOCSP", true)
  maybe(options, "session", store[#store])
  if is_psk then
    options.pskCallback = function()
      happens("clientPskCallback", any())
      return { psk = "a key", identity = "me" }
    end
  end
  return options
end

-- What is heard

local EVENTS = { "secureConnect", "secure", "session", "keylog", "OCSPResponse", "data", "end", "finish",
  "drain", "close", "timeout" }

local function hear(socket)
  keep(socket)
  for _, name in ipairs(EVENTS) do
    if only or dice(3) > 1 then
      socket:on(name, function(value)
        if name == "session" then store[#store + 1] = value end
        happens(name, socket)
      end)
    end
  end
  socket:on("error", function() happens("error", socket) end)
  socket:resume()
  if dice(2) == 1 then socket:write(("y"):rep(dice(50000)), function() happens("written", socket) end) end
  timers.setTimeout(function()
    happens("timer", socket)
    if not socket.destroyed then socket:finish() end
  end, 20 + dice(40))
  return socket
end

local function hear_server(server)
  local function on(name, fn)
    if only or dice(3) == 1 then server:on(name, fn) end
  end
  on("newSession", function(_, _, done)
    happens("newSession", server)
    answer(done)
  end)
  on("resumeSession", function(_, done)
    happens("resumeSession", server)
    answer(done)
  end)
  on("OCSPRequest", function(_, _, done)
    happens("OCSPRequest", server)
    answer(done, nil, "a word")
  end)
  on("keylog", function() happens("serverKeylog", server) end)
  on("connection", function() happens("connection", server) end)
  server:on("tlsClientError", function() happens("tlsClientError", server) end)
  server:on("secureConnection", function(socket)
    happens("secureConnection", socket)
    if not socket.destroyed then hear(socket) end
  end)
end

-- The ways

local function over_tcp()
  local is_psk = only and only:find("[Pp]sk") or dice(4) == 1
  local server = keep(tls.createServer(server_options(is_psk)))
  hear_server(server)
  server:listen(0, "127.0.0.1", function()
    local left = dice(4)
    local function connect()
      if left == 0 or not server.listening then
        if server.listening then server:close() end
        return
      end
      left = left - 1
      local options = client_options(is_psk)
      options.port, options.host = server:address().port, "127.0.0.1"
      hear(tls.connect(options)):on("close", function() timers.setImmediate(connect) end)
    end
    connect()
  end)
end

--- Both ends over the halves of something.
local function over(a, b)
  local server, client = server_options(false), client_options(false)
  server.isServer, client.socket = true, b
  server.ALPNCallback, server.requestCert = nil, nil
  return hear(tls.TLSSocket(a, server)), hear(tls.connect(client))
end

local function over_pair() over(net.duplexPair()) end
local function over_tls() over(over(net.duplexPair())) end

local function in_task()
  co.spawn(function()
    local server = keep(tls.createServer(server_options(false)))
    server:on("tlsClientError", ignore)
    server:listen(0, "127.0.0.1")
    co.await(server, "listening")
    local serving = co.spawn(function()
      local socket = server:incoming()()
      happens("incoming", keep(socket))
      pcall(function()
        for chunk in socket:chunks() do socket:send(chunk) end
      end)
      socket:destroy()
    end)
    local options = client_options(false)
    options.port, options.host = server:address().port, "127.0.0.1"
    local socket = tls.co.connect(options)
    if socket then
      keep(socket):on("error", ignore)
      happens("task", socket)
      pcall(socket.send, socket, ("z"):rep(dice(100000)))
      happens("task", socket)
      socket:destroy()
    end
    server:close()
    serving:cancel()
  end)
end

local WAYS = { over_tcp, over_tcp, over_tcp, over_pair, over_tls, in_task }

if only then
  over_tcp()
else
  for _ = 1, dice(3) do WAYS[dice(#WAYS)]() end
end

local watchdog = timers.setTimeout(function() os.exit(0, true) end, 3000)
watchdog:unref()
for _ = 1, 20 do
  if pcall(net.run) then break end -- what was raised is known
end
if dice(2) == 1 then open = nil end
