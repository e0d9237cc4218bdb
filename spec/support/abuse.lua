-- SPDX-License-Identifier: MIT

--- What a listener does that it should not, and where it does it: scenes in which
--- an event comes to pass, and acts that are played in them. socket_abuse_spec.lua
--- makes specs of them; it also has them played in processes of their own, where a
--- brutal collector has little to look at.

local core = require("net.core")
local net = require("net")
local timers = require("net.timers")
local sockets = require("spec.support.sockets")

local M = {}

local BIG = ("x"):rep(8 << 20)

-- One run

local Run = {}
Run.__index = Run

--- A place where nobody listens.
local function nowhere(unix)
  if unix then
    return { path = sockets.path() }
  end
  local server, where = sockets.listen()
  server:close()
  return where
end

local function new_run(unix)
  return setmetatable({
    unix = unix, things = {}, fired = 0, raised = {}, problems = {}, nowhere = nowhere(unix),
  }, Run)
end

function Run:problem(text)
  self.problems[#self.problems + 1] = text
end

--- Has the run watch over a socket or server, and destroy it at its end.
function Run:own(thing)
  self.things[#self.things + 1] = thing
  if net.isSocket(thing) then
    local state = { closed = 0, errors = 0 }
    self.things[thing] = state
    thing:on("error", function()
      state.errors = state.errors + 1
      if state.closed > 0 then
        self.late_error = true
      end
    end)
    thing:on("close", function() state.closed = state.closed + 1 end)
  else
    thing:on("error", function() end)
  end
  return thing
end

--- A callback that does the abuse the first time.
function Run:callback(emitter)
  return function(...)
    self.fired = self.fired + 1
    if self.fired == 1 then
      return self.act(emitter, self, ...)
    end
  end
end

--- Has the abuse done by a listener of the event this run is about.
function Run:abuse(emitter)
  emitter:on(self.event, self:callback(emitter))
  return emitter
end

--- Is it the error of the guard in `within`?
local function is_guard(err)
  return type(err) == "string" and err:find("^still running")
end

--- Runs the loop; what comes out of it is kept, but for the guard's error.
function Run:turn(mode)
  local ok, err = pcall(net.run, mode)
  if not ok then
    if is_guard(err) then
      error(err, 0)
    end
    table.insert(self.raised, err == nil and "nil" or err)
  end
end

function Run:listen(options)
  local server, where = sockets.listen({ unix = self.unix, server = options })
  return self:own(server), where
end

function Run:pair(client, server)
  local a, b = sockets.pair({ unix = self.unix, client = client, server = server })
  return self:own(a), self:own(b)
end

function Run:soon(fn)
  timers.setImmediate(fn)
  return self
end

function Run:destroy_all()
  for _, thing in ipairs(self.things) do
    if net.isSocket(thing) then
      thing:destroy()
    else
      thing:close()
    end
  end
end

function Run:check()
  for _, thing in ipairs(self.things) do
    local state = self.things[thing]
    if state and not self.lax then
      if state.closed ~= 1 then
        self:problem(("'close' came %d times"):format(state.closed))
      end
      if state.errors > 1 then
        self:problem(("'error' came %d times"):format(state.errors))
      end
    end
  end
  if self.late_error and not self.lax then
    self:problem("'error' came after 'close'")
  end
  if not self.raises and #self.raised > 0 then
    self:problem("raised: " .. tostring(self.raised[1]))
  end
  if #self.problems > 0 then
    error(table.concat(self.problems, "\n"), 0)
  end
end

--- Plays a scene with an abuse in it, and demands that all is well afterwards.
---@param event string
---@param scene fun(run: table)
---@param act function|table
---@param unix? boolean
function M.play(event, scene, act, unix)
  local run = new_run(unix)
  run.event = event
  run.act = type(act) == "table" and act.act or act
  if type(act) == "table" then
    run.raises, run.lax = act.raises, act.lax
  end
  scene(run)
  run:turn("nowait")
  while run.fired == 0 do
    run:turn("once")
    run:turn("nowait")
  end
  for _ = 1, 4 do
    run:turn("nowait")
  end
  run:destroy_all()
  if run.keep then
    run.keep:close()
  end
  for _ = 1, 4 do
    run:turn()
  end
  if type(run.raises) == "function" then
    run.raises(run.raised)
  end
  run:check()
end

-- What is done

--- An error value that must come out of net.run() as it is.
local MINE = setmetatable({}, { __tostring = function() return "mine" end })

local function collect()
  collectgarbage()
  collectgarbage()
end

local COMMON = {
  ["a full collection"] = collect,
  ["raising"] = {
    act = function() error(MINE) end,
    raises = function(raised) assert(raised[1] == MINE, "not the error that was raised") end,
  },
  ["raising nil"] = {
    act = function() error(nil) end,
    raises = function(raised) assert(raised[1], "nothing was raised") end,
  },
  ["yielding where it cannot"] = {
    act = function() coroutine.yield() end,
    raises = function(raised) assert(raised[1], "nothing was raised") end,
  },
  ["overflowing the stack"] = {
    act = function()
      local function deeper() return (("x"):gsub("x", deeper)) end
      deeper()
    end,
    raises = function(raised) assert(raised[1], "nothing was raised") end,
  },
  ["running the loop inside"] = { act = function() pcall(net.run, "nowait") end, raises = true },
  ["stopping the loop"] = function() net.stop() end,
  ["removing all listeners"] = { act = function(e) e:removeAllListeners() end, lax = true, raises = true },
  ["saying it again"] = { act = function(e, run, ...)
    if run.event then
      e:emit(run.event, ...)
    end
  end, lax = true, raises = true },
  ["a hundred new listeners"] = function(e, run)
    e:setMaxListeners(0)
    for _ = 1, 100 do
      e:on(run.event or "close", function() end)
    end
  end,
}

local function quietly(method, ...)
  local args = table.pack(...)
  return function(s) pcall(s[method], s, table.unpack(args, 1, args.n)) end
end

M.socket_acts = {
  ["destroy()"] = quietly("destroy"),
  ["destroy(err)"] = quietly("destroy", "mine"),
  ["destroy() twice"] = function(s) s:destroy() s:destroy("mine") end,
  ["destroy() and a collection"] = function(s) s:destroy() collect() end,
  ["destroySoon()"] = quietly("destroySoon"),
  ["resetAndDestroy()"] = quietly("resetAndDestroy"),
  ["finish()"] = quietly("finish"),
  ["finish(data)"] = quietly("finish", "last words"),
  ["finish() twice with callbacks"] = function(s)
    s:finish(function() end)
    s:finish("more", function() end)
  end,
  ["write()"] = quietly("write", "x"),
  ["a write whose callback destroys"] = function(s) s:write("x", function() s:destroy() end) end,
  ["filling the kernel"] = function(s) s:write(BIG) s:write("x") end,
  ["filling the kernel, and destroy()"] = function(s)
    s:write(BIG, function() collect() end)
    s:write("x", function() s:destroy() end)
    s:destroy()
  end,
  ["cork() and write()"] = function(s) s:cork() s:write("x") s:write("y") end,
  ["uncork() too often"] = function(s) s:uncork() s:uncork() end,
  ["pause()"] = quietly("pause"),
  ["resume()"] = quietly("resume"),
  ["pause() and resume()"] = function(s) s:pause():resume():pause():resume() end,
  ["read()"] = function(s) s:read() s:read(1) s:read(0) end,
  ["unshift()"] = quietly("unshift", "x"),
  ["unshift() of the wrong thing"] = quietly("unshift", 5),
  ["setEncoding()"] = quietly("setEncoding", "utf16le"),
  ["a new 'data' listener"] = function(s) s:on("data", function() end) end,
  ["a new 'readable' listener"] = function(s) s:on("readable", function() s:read() end) end,
  ["pipe() to itself"] = function(s) s:pipe(s) end,
  ["pipe() to nothing"] = quietly("pipe"),
  ["pipe() and unpipe()"] = function(s) s:pipe(s) s:unpipe(s) end,
  ["setTimeout()"] = function(s) s:setTimeout(1, function() s:destroy() end) end,
  ["setTimeout(0)"] = quietly("setTimeout", 0),
  ["ref() and unref()"] = function(s) s:unref():ref():unref() end,
  ["the options"] = function(s)
    s:setNoDelay(true):setNoDelay(false):setKeepAlive(true, 5000):setKeepAlive(false)
    pcall(s.setTypeOfService, s, 16)
  end,
  ["allowHalfOpen"] = function(s) s.allowHalfOpen = not s.allowHalfOpen end,
  ["connect() again"] = { act = function(s, run)
    pcall(s.connect, s, run.nowhere)
  end, lax = true },
  ["destroy() and connect()"] = { act = function(s, run)
    s:destroy()
    pcall(s.connect, s, run.nowhere)
  end, lax = true },
  ["a whole new connection"] = function(_, run)
    local s = run:own(net.Socket())
    s:connect(run.nowhere)
    s:write("x")
  end,
  ["destroying everything"] = function(_, run) run:destroy_all() end,
  ["destroying everything, and a collection"] = function(_, run) run:destroy_all() collect() end,
}

M.server_acts = {
  ["close()"] = quietly("close"),
  ["close() twice"] = function(s) s:close() s:close() end,
  ["close() with a callback that raises"] = {
    act = function(s) s:close(function() error(MINE) end) end,
    raises = function(raised) assert(raised[1] == MINE, "not the error that was raised") end,
  },
  ["close() and a collection"] = function(s) s:close() collect() end,
  ["listen() again"] = function(s, run)
    pcall(s.listen, s, run.unix and { path = sockets.path() } or { port = 0 })
  end,
  ["close() and listen()"] = function(s, run)
    s:close()
    s:listen(run.unix and { path = sockets.path() } or { port = 0 })
  end,
  ["getConnections()"] = function(s) s:getConnections(function() s:close() end) end,
  ["ref() and unref()"] = function(s) s:unref():ref():unref() end,
  ["changing its limits"] = function(s) s.maxConnections = 0 s.highWaterMark = 1 end,
  ["destroying everything"] = function(_, run) run:destroy_all() end,
  ["destroying what came"] = function(_, _, socket)
    if net.isSocket(socket) then
      socket:destroy()
    end
  end,
}

for name, act in pairs(COMMON) do
  M.socket_acts[name], M.server_acts[name] = act, act
end

-- Where it is done: each scene has the event come to pass

local function connecting(run)
  local server, where = run:listen()
  server:on("connection", function(peer) run:own(peer) end)
  run:abuse(run:own(net.Socket())):connect(where)
end

M.listening = {
  ["connect"] = connecting,
  ["ready"] = connecting,
  ["connectionAttempt"] = function(run)
    local server, where = run:listen()
    server:on("connection", function(peer) run:own(peer) end)
    local s = run:abuse(run:own(net.Socket()))
    run:soon(function() s:connect(where) end)
  end,
  ["connectionAttemptFailed"] = function(run)
    local s = run:abuse(run:own(net.Socket()))
    run:soon(function() s:connect(run.nowhere) end)
  end,
  ["error"] = function(run)
    run:abuse(run:own(net.Socket())):connect(run.nowhere)
  end,
  ["data"] = function(run)
    local s, peer = run:pair()
    run:abuse(s)
    peer:write("x")
  end,
  ["readable"] = function(run)
    local s, peer = run:pair()
    run:abuse(s)
    peer:write("x")
  end,
  ["end"] = function(run)
    local s, peer = run:pair()
    run:abuse(s)
    peer:finish()
  end,
  ["finish"] = function(run)
    local s = run:pair()
    run:abuse(s)
    s:finish("x")
  end,
  ["prefinish"] = function(run)
    local s = run:pair()
    run:abuse(s)
    s:finish("x")
  end,
  ["drain"] = function(run)
    local s, peer = run:pair()
    run:abuse(s)
    s:write(BIG)
    peer:resume()
  end,
  ["pause"] = function(run)
    local s = run:abuse((run:pair()))
    run:soon(function() s:pause() end)
  end,
  ["resume"] = function(run)
    local s = run:abuse((run:pair()))
    s:resume()
  end,
  ["pipe"] = function(run)
    local src, dest = run:pair(), run:pair()
    run:abuse(dest)
    run:soon(function() src:pipe(dest) end)
  end,
  ["unpipe"] = function(run)
    local src, dest = run:pair(), run:pair()
    run:abuse(dest)
    src:pipe(dest)
    run:soon(function() src:unpipe(dest) end)
  end,
  ["timeout"] = function(run)
    local s = run:abuse((run:pair()))
    s:setTimeout(1)
    run.keep = timers.setInterval(function() end, 1000) -- as an idle timer holds no loop
  end,
  ["close"] = function(run)
    local s = run:abuse((run:pair()))
    s:destroy()
  end,
  ["newListener"] = function(run)
    local s = run:abuse((run:pair()))
    run:soon(function() s:on("end", function() end) end)
  end,
  ["removeListener"] = function(run)
    local s = run:pair()
    local function listener() end
    s:on("end", listener)
    run:abuse(s)
    run:soon(function() s:off("end", listener) end)
  end,
}

-- The same on the accepted side.
M.accepted = {
  ["data"] = function(run)
    local c, s = run:pair()
    run:abuse(s)
    c:write("x")
  end,
  ["end"] = function(run)
    local c, s = run:pair()
    run:abuse(s)
    c:finish()
  end,
  ["error"] = function(run)
    local c, s = run:pair()
    run:abuse(s)
    if run.unix then -- which cannot be reset, but knows of what was not read
      s:write("x")
      sockets.wait(function() return c.readableLength == 1 end)
      s:write("y")
      c:pause()
      s:destroy("mine")
    else
      c:resetAndDestroy()
    end
  end,
  ["close"] = function(run)
    local c, s = run:pair()
    run:abuse(s)
    c:destroy()
  end,
  ["finish"] = function(run)
    local _, s = run:pair()
    run:abuse(s)
    s:finish("x")
  end,
}

M.callbacks = {
  ["the callback of write()"] = function(run)
    local s = run:pair()
    run.event = nil
    s:write("x", run:callback(s))
    s:write("y", function() end)
  end,
  ["the callback of a write that waited"] = function(run)
    local s, peer = run:pair()
    run.event = nil
    s:write(BIG, run:callback(s))
    s:write("y", function() end)
    peer:resume()
  end,
  ["the callback of a write that fails"] = function(run)
    local s, peer = run:pair()
    run.event = nil
    s:pause()
    s:write(BIG, run:callback(s))
    s:write("y", function() end)
    s:finish(function() end)
    peer:destroy()
  end,
  ["the callback of a corked write that is dropped"] = function(run)
    local s = run:pair()
    run.event = nil
    s:cork()
    s:write("x", run:callback(s))
    s:write("y", function() end)
    s:destroy("mine")
  end,
  ["the callback of finish()"] = function(run)
    local s = run:pair()
    run.event = nil
    s:finish("x", run:callback(s))
    s:finish(function() end)
  end,
  ["the callback of connect()"] = function(run)
    local server, where = run:listen()
    server:on("connection", function(peer) run:own(peer) end)
    local s = run:own(net.Socket())
    run.event = nil
    s:connect(where, run:callback(s))
    s:write("x")
  end,
  ["the callback of a write made while connecting"] = function(run)
    local server, where = run:listen()
    server:on("connection", function(peer) run:own(peer) end)
    local s = run:own(net.Socket())
    run.event = nil
    s:connect(where)
    s:write("x", run:callback(s))
    s:finish(function() end)
  end,
  ["the callback of option onread"] = function(run)
    local s
    run.event = nil
    local callback
    local peer
    s, peer = run:pair({ onread = { buffer = 2, callback = function(...) return callback(...) end } })
    callback = run:callback(s)
    peer:write("12345")
  end,
  ["the function of option onread's buffer"] = function(run)
    local s, peer, callback
    run.event = nil
    s, peer = run:pair({ onread = {
      buffer = function()
        if callback then
          callback()
        end
        return 2
      end,
      callback = function() end,
    } })
    callback = run:callback(s)
    peer:write("12345")
  end,
}

M.lookups = {
  ["lookup"] = function(run)
    local server, where = run:listen()
    server:on("connection", function(peer) run:own(peer) end)
    where.host = "some.name"
    where.lookup = function(_, _, done)
      timers.setImmediate(done, nil, { { address = "127.0.0.1", family = 4 } })
    end
    run:abuse(run:own(net.Socket())):connect(where)
  end,
  ["option lookup's function"] = function(run)
    local server, where = run:listen()
    server:on("connection", function(peer) run:own(peer) end)
    local s = run:own(net.Socket())
    run.event = nil
    local callback = run:callback(s)
    where.host = "some.name"
    where.lookup = function(_, _, done)
      callback()
      done(nil, { { address = "127.0.0.1", family = 4 } })
    end
    run:soon(function() s:connect(where) end)
  end,
  ["an early connectionAttemptFailed of two"] = function(run)
    local server, where = run:listen()
    server:on("connection", function(peer) run:own(peer) end)
    where.host = "some.name"
    where.lookup = function(_, _, done)
      done(nil, { { address = "127.0.0.2", family = 4 }, { address = "127.0.0.1", family = 4 } })
    end
    run.event = "connectionAttemptFailed"
    run:abuse(run:own(net.Socket())):connect(where)
  end,
}

local function serve(run, options)
  local server = run:own(net.createServer(options))
  run:abuse(server)
  server:listen(run.unix and { path = sockets.path() } or { port = 0, host = "127.0.0.1" })
  return server
end

--- A client for `server`, once it listens.
local function visit(run, server)
  sockets.wait(function() return server.listening end)
  local at = server:address()
  run:own(net.Socket()):connect(run.unix and { path = at } or { port = at.port, host = at.address })
end

M.server_listening = {
  ["listening"] = function(run) serve(run) end,
  ["connection"] = function(run)
    local server = serve(run)
    server:prependListener("connection", function(peer) run:own(peer) end)
    visit(run, server)
  end,
  ["close"] = function(run)
    local server = serve(run)
    sockets.wait(function() return server.listening end)
    server:close()
  end,
  ["error"] = function(run)
    local first = run:own(net.createServer())
    first:listen(run.unix and { path = sockets.path() } or { port = 0 })
    local at = first:address()
    local server = run:own(net.createServer())
    run:abuse(server)
    server:listen(run.unix and { path = at } or { port = at.port })
  end,
  ["drop"] = function(run)
    local server = serve(run)
    server.maxConnections = 0
    visit(run, server)
  end,
}

M.server_callbacks = {
  ["the callback of listen()"] = function(run)
    local server = run:own(net.createServer())
    run.event = nil
    server:listen(run.unix and { path = sockets.path() } or { port = 0 }, run:callback(server))
  end,
  ["the callback of close()"] = function(run)
    local server = run:listen()
    run.event = nil
    server:close(run:callback(server))
  end,
  ["the callback of getConnections()"] = function(run)
    local server = run:listen()
    run.event = nil
    server:getConnections(run:callback(server))
  end,
}

-- All of it, for a process of its own

local BRUTAL = {
  ["a collector that never rests"] = function()
    collectgarbage("setpause", 0)
    collectgarbage("setstepmul", 1000)
  end,
  ["a generational collector"] = function()
    collectgarbage("generational", 1, 1)
  end,
  ["a full collection every few instructions"] = function()
    debug.sethook(function() collectgarbage() end, "", 300)
  end,
}

M.manners = {}
for name in pairs(BRUTAL) do
  M.manners[#M.manners + 1] = name
end
table.sort(M.manners)

--- The names of a table, in order.
function M.names(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Anything anywhere: acts that chance picks, in events that come of it

local EVENTS = {
  "connect", "ready", "data", "readable", "end", "finish", "prefinish", "drain", "pause", "resume",
  "pipe", "unpipe", "timeout", "error", "close",
}

--- Acts after which the rules hold that `check` looks at.
local function lawful_acts()
  local acts = {}
  for _, name in ipairs(M.names(M.socket_acts)) do
    local act = M.socket_acts[name]
    if type(act) == "function" and name ~= "a hundred new listeners" then
      acts[#acts + 1] = act
    end
  end
  acts[#acts + 1] = M.socket_acts["raising"].act
  return acts
end

--- Has each event of the sockets do something by chance, at most `most` times in all.
local function let_chance_act(run, most)
  local acts, done = lawful_acts(), 0
  return function(socket)
    for _, event in ipairs(EVENTS) do
      if math.random(3) > 1 then
        socket:on(event, function()
          if done < most and math.random(2) == 1 then
            done = done + 1
            acts[math.random(#acts)](socket, run)
          end
        end)
      end
    end
    return socket
  end
end

--- Plays a scene of five connections in which chance acts; raises if it did harm.
---@param seed integer
---@param unix? boolean
function M.play_random(seed, unix)
  math.randomseed(seed)
  local run = new_run(unix)
  run.raises = true
  local live, pairs_made = let_chance_act(run, 40), {}
  for i = 1, 5 do
    local options = { allowHalfOpen = math.random(2) == 1, highWaterMark = 1 << math.random(0, 17) }
    pairs_made[i] = { run:pair(options, { allowHalfOpen = math.random(2) == 1 }) }
  end
  for _, pair in ipairs(pairs_made) do
    local a, b = live(pair[1]), live(pair[2])
    a:write(("x"):rep(math.random(0, 1 << 18)))
    b:write("hello", function() end)
    if math.random(2) == 1 then
      b:finish()
    end
  end
  for _ = 1, 20 do
    run:turn("nowait")
  end
  run:destroy_all()
  for _ = 1, 40 do -- what still raises
    run:turn()
  end
  run:check()
end

--- Plays one random scene after the other; returns a line for each that did harm.
---@param first integer seed
---@param last integer seed
---@return string[] harm
function M.play_randoms(first, last)
  local harm = {}
  for seed = first, last do
    local refs, anchored = core.alive()
    local ok, err = pcall(M.play_random, seed, seed % 2 == 0)
    local refs_now, anchored_now = core.alive()
    if is_guard(err) then
      error(seed .. ": " .. err, 0)
    elseif not ok then
      harm[#harm + 1] = ("seed %d: %s"):format(seed, tostring(err))
    elseif refs_now ~= refs or anchored_now ~= anchored then
      harm[#harm + 1] = ("seed %d: something is left alive"):format(seed)
    end
  end
  return harm
end

--- Plays each act in the scene; returns a line for each that did harm.
---@param scene fun(run: table)
---@param event string
---@param acts table
---@param unix? boolean
---@return string[] harm
function M.play_each(event, scene, acts, unix)
  local harm = {}
  for _, name in ipairs(M.names(acts)) do
    local refs, anchored = core.alive()
    local ok, err = pcall(M.play, event, scene, acts[name], unix)
    local refs_now, anchored_now = core.alive()
    if is_guard(err) then
      error(name .. ": " .. err, 0)
    elseif not ok then
      harm[#harm + 1] = ("%s in %s: %s"):format(name, event, tostring(err))
    elseif refs_now ~= refs or anchored_now ~= anchored then
      harm[#harm + 1] = ("%s in %s: something is left alive"):format(name, event)
    end
  end
  return harm
end

--- Plays each act in each scene under a brutal collector, and prints the harm.
---@param scenes string the name of a table of scenes
---@param acts string the name of a table of acts
---@param manner string one of M.manners
---@param transport? "unix"
function M.play_all(scenes, acts, manner, transport)
  BRUTAL[manner]()
  for _, event in ipairs(M.names(M[scenes])) do
    for _, line in ipairs(M.play_each(event, M[scenes][event], M[acts], transport == "unix")) do
      print(line)
    end
  end
  net.run()
  print("played")
end

return M
