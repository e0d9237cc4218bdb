-- SPDX-License-Identifier: MIT

--- Lua runs out of memory: at each of the places where it may, for a moment or for
--- long. See support/starve.c, which runs these scripts. Skipped where there is no
--- Lua library to link with.

local lua = require("spec.support.lua")

--- Seconds for all places together, however slow the machine is: what hangs is ended at its own
--- place, by starve.c.
local LIFETIME = 1200

--- What the scripts share: `own` for what is to be closed at the end, and `play`,
--- which runs a function and then the loop, in want of memory, and afterwards, with
--- memory again, closes everything and runs the loop to its end. A stack that has
--- `grown` has room for the calls before; else a call of any function may fail.
local HEAD = [[
local net, core = require("net"), require("net.core")
for name in pairs(package.preload) do
  if name:find("^net%.") then require(name) end
end
local timers, process = require("net.timers"), require("net.process")
local things, count, problem, errors = table.pack(table.unpack({}, 1, 64)), 0, nil, 0

local function own(thing)
  count = count + 1
  things[count] = thing
  if not net.BlockList.isBlockList(thing) and thing.on then
    thing:on("error", function() end)
  end
  return thing
end

local function turn()
  local ok, alive = pcall(net.run, "nowait")
  if not ok then
    errors = errors + 1
    if alive ~= "not enough memory" and (type(alive) ~= "table" or alive.code ~= "ENOMEM") then
      problem = tostring(alive)
    end
    alive = true
  end
  return alive
end

local function close(thing)
  return (net.isSocket(thing) and thing.destroy or thing.close)(thing)
end

local function dig(depth)
  return depth > 0 and (dig(depth - 1)) or select("#", table.unpack(things, 1, 200))
end

-- Before it closes everything it waits, if `is_over` is given, until that returns true.
local function play(fn, is_over)
  collectgarbage()
  collectgarbage("stop")
  if grown then
    dig(40)
  end
  errors, problem = choke(fn, net.run)
  collectgarbage("restart")
  local patience = os.time() + 20
  while is_over and not is_over() and os.time() < patience do
    turn()
    await()
  end
  if is_over and not is_over() then
    problem = "it is never over"
  end
  for i = 1, count do
    pcall(close, things[i])
  end
  local alive = turn()
  patience = os.time() + 20
  while alive and os.time() < patience do
    await()
    alive = turn()
  end
  if alive then
    problem = ("the loop is held: %d references"):format((core.alive()))
  end
end
]]

local ECHO = HEAD .. [[
play(function()
  local list = net.BlockList()
  list:addSubnet("10.0.0.0", 8)
  list:addRange("1.1.1.1", "1.1.1.9")
  local server = own(net.createServer({ noDelay = true, blockList = list }))
  server:on("connection", function(peer) own(peer):pipe(peer) end)
  server:listen(0, "127.0.0.1", function()
    local socket = own(net.Socket())
    socket:setEncoding("utf8"):setTimeout(1000)
    local got = 0
    socket:on("data", function(chunk)
      got = got + #chunk
      if got == 200010 then
        socket:finish()
      end
    end)
    socket:on("close", function() server:close() end)
    socket:connect(server:address().port, "127.0.0.1")
    socket:write("hello", function() end)
    socket:write("world")
    socket:write(("x"):rep(200000), function() end)
    process.nextTick(function() end)
    timers.setImmediate(function() end)
  end)
  own(timers.setTimeout(function() end, 1))
  own(net.BoundSocket({ port = 0 }))
end)
return problem
]]

local FAILURES = HEAD .. [[
play(function()
  local server = own(net.createServer({ allowHalfOpen = true }))
  server:on("connection", function(peer) own(peer):resume() end)
  server:listen(0)
  local port = server:address().port
  local gone = own(net.createServer())
  gone:listen(0)
  local nowhere = gone:address().port
  gone:close()
  local several = own(net.Socket({ allowHalfOpen = true }))
  several:on("readable", function() several:read(1) end)
  several:connect({ host = "some.name", port = port, lookup = function(_, _, done)
    done(nil, { { address = "::2", family = 6 }, { address = "127.0.0.1", family = 4 } })
  end })
  several:cork()
  several:write("x", function() end)
  several:write("y", function() several:resetAndDestroy() end)
  several:uncork()
  local refused, rounds = own(net.Socket()), 0
  refused:on("close", function()
    rounds = rounds + 1
    if rounds < 3 then
      refused:connect(nowhere, "127.0.0.1")
    end
  end)
  refused:connect(nowhere, "127.0.0.1")
  refused:write("x", function() end)
  refused:finish(function() end)
  local cut = own(net.Socket())
  cut:connect(port, "127.0.0.1", function()
    cut:write(("x"):rep(1 << 20), function() end)
    cut:write("x", function() end)
    cut:finish(function() end)
    cut:destroy("mine")
  end)
end)
return problem
]]

--- What was read is told in its order and whole, or the socket tells of an error.
local HOLES = HEAD .. [[
local text = ("abcdefghijklmnopqrstuvwxyz"):rep(8000)
local at, told, ended = 0, false, false -- and nothing below asks for memory
local server = own(net.createServer(function(peer) own(peer):finish(text) end)):listen(0)
local socket = own(net.connect(server:address().port))
socket:once("error", function() told = true end)
socket:once("end", function() ended = true end)
if ... then
  socket:setEncoding(...)
end
socket:on("data", function(chunk)
  if chunk:byte() ~= 97 + at % 26 then
    problem = "bytes are missing"
  end
  at = at + #chunk
end)
play(function() end)
if ended and not told and at < socket.bytesRead then
  problem = "bytes are missing at the end"
end
return problem
]]

--- What both scenes below share: `reader`, which checks what arrives, and what has
--- become of it. An end is only said when all has come.
local READER = HEAD .. [[
local LETTERS, at, told, ended = "abcdefghijklmnopqrstuvwxyz", 0, false, false
local function hear(socket)
  socket:once("error", function() told = true end)
  return own(socket)
end
local reader
local server = own(net.createServer(function(peer)
  reader = hear(peer)
  peer:on("data", function(chunk)
    if chunk:byte() ~= 97 + at % 26 then
      problem = "bytes are missing"
    end
    at = at + #chunk
  end)
  peer:once("end", function() ended = true end)
end)):listen(0)
local socket = hear(net.connect(server:address().port))
repeat turn() until reader and not socket.connecting
local called, whole, whole_length = false, nil, nil
local function is_over()
  whole = not ended or told or not called or at == whole_length
  return ended or told or errors > 0
end
]]

--- The first chunks pass before, so that the quick way is taken, in bulk if there is
--- much, or the pipe begins in want of memory.
local PIPE = READER .. [[
local before, text = ..., LETTERS:rep(SIZE)
whole_length = #text + #LETTERS
local src
local proxy = own(net.createServer(function(peer) src = hear(peer) end)):listen(0)
local feeder = hear(net.connect(proxy:address().port))
repeat turn() until src and not feeder.connecting
src:setTimeout(60000)
socket:setTimeout(60000)
feeder:write(LETTERS)
if before then
  src:pipe(socket)
  repeat turn() until at == #LETTERS
end
play(function()
  if not before then
    src:pipe(socket)
  end
  feeder:finish(text)
  called = true
end, is_over)
return problem or not whole and ("%d bytes of %d"):format(at, whole_length) or nil
]]

--- The source of a pipe() that raised ends, with something to say.
local NO_PIPE = READER .. [[
local src
local proxy = own(net.createServer(function(peer) src = hear(peer) end)):listen(0)
local feeder = hear(net.connect(proxy:address().port))
repeat turn() until src and not feeder.connecting
play(function()
  src:pipe(socket)
  called = true
end, function()
  if not called and not feeder.writableEnded then
    feeder:finish(LETTERS)
    src:resume()
  end
  return called or src.readableEnded
end)
if not called and (socket.bytesWritten > 0) ~= socket.writableEnded then
  problem = "it is there by half"
end
for _, name in ipairs(not called and core.events(socket) or {}) do
  if name == "unpipe" then
    problem = "a listener is left"
  end
end
return problem
]]

local FILE = READER .. [[
local path = os.tmpname()
local file = io.open(path, "wb")
file:write(LETTERS:rep(40000))
file:close()
whole_length = 40002 * 26
local function nothing() end
play(function()
  socket:write("abc")
  socket:sendFile(path, 3, nothing)
  socket:write(LETTERS)
  socket:sendFile(path, 0, 26)
  socket:finish()
  called = true
end, is_over)
os.remove(path)
return problem or not whole and ("%d bytes of %d"):format(at, whole_length) or nil
]]

--- A queue grows by the callback of a write, which may go in, and the chunk, which
--- may not. Large chunks, without a callback, have it grow often; the small ones
--- come later to the same places.
local CALLBACKS = HEAD .. [[
local large, wanted, called = ("x"):rep(3000), 0, 0
local function nothing() end
local function count() called = called + 1 end
local server = own(net.createServer(function(peer) own(peer):resume() end)):listen(0)
local socket = own(net.connect(server:address().port))
repeat turn() until not socket.connecting
local function write_small()
  for _ = 1, 9 do
    socket:write("s")
  end
  socket:write("s", count)
  wanted = 1
end
play(function()
  process.nextTick(function()
    for _ = 1, 3 do
      socket:write(large)
    end
    for _ = 1, 6 do
      pcall(socket.write, socket, "s", nothing)
    end
    timers.setImmediate(timers.setImmediate, write_small)
  end)
end, function() return socket.errored or errors > 0 or called == wanted end)
return problem
]]

--- A socket that was destroyed amid its writes is connected again, and again if that
--- raises.
local AGAIN = HEAD .. [[
local counts = table.pack(0, 0, 0, 0, 0, 0, 0, 0)
local server = own(net.createServer(function(peer) own(peer):resume() end)):listen(0)
local port = server:address().port
local socket = own(net.connect(port))
repeat turn() until not socket.connecting
socket:cork()
for i = 1, 8 do
  local function count() counts[i] = counts[i] + 1 end
  if i <= 5 then
    socket:write("x", count)
  else
    socket:finish(count)
  end
end
socket:destroy()
play(function()
  for _ = 1, 3 do
    if pcall(socket.connect, socket, port) then
      break
    end
  end
end)
for i, times in ipairs(counts) do
  if times > 1 or times == 0 and errors == 0 then
    problem = ("callback %d was called %d times"):format(i, times)
  end
end
return problem
]]

--- A descriptor from outside that a raise has left alone can be had by the next try.
local ADOPT = HEAD .. [[
local fds, sockets = {}, {}
for i = 1, 60, 2 do
  fds[i], fds[i + 1] = pipes()
  sockets[i], sockets[i + 1] = false, false
end
play(function()
  for i, fd in ipairs(fds) do -- so many that the registry has to grow
    sockets[i] = net.Socket({ fd = fd })
    things[i], count = sockets[i], i
  end
end)
for i, fd in ipairs(fds) do
  if not sockets[i] then
    net.Socket({ fd = fd }):destroy()
  end
end
turn()
return problem
]]

--- What listens to several events does so to all or to none; and none is left when the
--- wait is over.
local LISTENERS = HEAD .. [[
local events, abort = require("net.events"), require("net.abort")
local emitter, signal = events.EventEmitter(), abort.AbortController().signal
local function nothing() end
for _ = 1, 3 do
  emitter:on("x", nothing):on("error", nothing)
  signal:addEventListener("abort", function() end)
end
local function counts()
  local n = 0
  for i = 1, #core.events(signal), 2 do
    for _, entry in ipairs(core.events(signal)[i + 1]) do
      n = n + (type(entry) == "userdata" and 0 or 1)
    end
  end
  return ("%d %d %d"):format(emitter:listenerCount("x"), emitter:listenerCount("error"), n)
end
local options = { signal = signal }
local started = false
local function once()
  started = true
  events.once(emitter, "x", options)
end
local function on()
  started = true
  for _ in events.on(emitter, "x", options) do break end
end
local function wait(fn)
  local co = coroutine.create(fn)
  play(function()
    if not coroutine.resume(co) then
      coroutine.close(co)
    end
  end)
  local waits = started and coroutine.status(co) == "suspended"
  if counts() ~= (waits and "4 4 4" or "3 3 3") then
    problem = counts() .. (waits and ", and it waits" or ", and it does not wait")
  end
  if waits then
    emitter:emit("x")
    turn()
    if counts() ~= "3 3 3" then
      problem = counts() .. " when it is over"
    end
  end
end
wait(... and once or on)
return problem
]]

--- What a pair was told to send arrives, and is called back once, or one half is closed.
local PAIR = HEAD .. [[
local one, other = net.duplexPair({ highWaterMark = 8 })
own(one)
own(other)
local got, told, sent = "", 0, false
local function back() told = told + 1 end
play(function()
  other:on("data", function(chunk) got = got .. chunk end)
  one:write("one ", back)
  one:write("", back)
  one:cork()
  one:write("and two ", back)
  one:uncork()
  one:finish("three")
  sent = true
end, function()
  return not sent or one.destroyed or other.destroyed or (one.writableFinished and told == 3)
end)
if told > 3 or got ~= ("one and two three"):sub(1, #got) then
  problem = told .. " " .. got
end
return problem
]]

--- A socket that could not be made has no listener of the signal.
local SIGNAL = HEAD .. [[
local signal = require("net.abort").AbortController().signal
local socket
play(function() socket = net.Socket({ signal = signal }) end)
if (#core.events(signal) > 0) ~= (socket ~= nil) then
  problem = "a listener too many, or none"
end
return problem
]]

--- Names are looked up by threads, whose answers come once.
local NAMES = HEAD .. [[
local server = own(net.createServer(function(peer) own(peer):finish() end)):listen(0)
local dns, asked, answers = require("net.dns"), 0, 0
play(function()
  for _ = 1, 3 do
    dns.lookup("localhost", function() answers = answers + 1 end)
    asked = asked + 1
  end
  local socket = own(net.connect(server:address().port, "localhost"))
  socket:resume()
end, function() return answers == asked or errors > 0 end)
if answers > 3 then
  problem = "answered twice"
end
return problem
]]

--- A server that is drained closes, or was never told to, and calls back once.
local DRAIN = HEAD .. [[
local peers = {}
local server = own(net.createServer(function(peer) peers[#peers + 1] = own(peer) end)):listen(0)
for _ = 1, 3 do own(net.connect(server:address().port)) end
repeat turn() until #peers == 3
local begun, told, cut = false, 0, 0
play(function()
  server:sockets()
  server:closeIdle()
  begun = server:drain(1, function(err, n) told, cut = told + 1, n end)
end, function() return not begun or told == 1 or errors > 0 and server.connections == 0 end)
if told > 1 or cut > 3 then
  problem = "told " .. told .. " times of " .. cut
end
return problem
]]

--- A listener that takes each error does not keep the loop from ending, either.
local TAKEN = HEAD .. [[
local taken = 0
process:on("uncaughtException", function() taken = taken + 1 end)
local function nothing() end
play(function()
  for _ = 1, 3 do
    process.nextTick(nothing, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
    own(timers.setTimeout(function() return {}, {} end, 1))
    timers.setImmediate(nothing)
  end
end)
return problem
]]

--- A message is written and read whole, or the call raises; what it is made of is as before.
local MESSAGES = HEAD .. [[
local json = core.json
local long = ("text \195\169 \n"):rep(3000)
local list, object = {}, {}
for i = 1, 150 do
  list[i], object["name " .. i] = i, i / 3
end
local value = { a = list, b = object, c = long, d = { {}, { 1.5, json.null, { x = "\n" } } } }
value.records = { { x = "\n", y = { "a long one\n" } }, { x = long, y = {} }, { x = "\n", y = { "a long one\n" } } }
local text, broken = json.encode(value), '["' .. long:gsub("\n", "\\ud800") .. '",x'
local bytes, raw = { "\255", ("\255"):rep(9000) }, json.encode({ "\255", ("\255"):rep(9000) }, true)
play(function()
  pcall(json.encode, function() end)
  pcall(json.encode, { a = { "\255" } })
  pcall(json.decode, broken)
  pcall(json.decode, '"\255 \\n"')
  local back = json.decode(json.encode(value))
  if back.c ~= long or #back.a ~= 150 or back.b["name 9"] ~= 3 or back.d[2][2] ~= json.null then
    error("it is another")
  end
  if back.records[3].x ~= "\n" or back.records[3].y[1] ~= "a long one\n" then
    error("a record is another")
  end
  if json.decode(json.encode(bytes, true), true)[2] ~= bytes[2] then
    error("bytes are others")
  end
end)
if #json.encode(value) ~= #text or json.encode(bytes, true) ~= raw then
  problem = "another text"
end
return problem
]]

--- A finalizer goes on amid lua_close, when what is newer has been finalised, and opens
--- what no finalizer is called for any more. The script runs as often as memory is asked
--- for at its end.
local AT_THE_END = HEAD .. [[
local src, sink
local last = net.createServer(function(peer) sink = peer:pause() end):listen(0)
local proxy = net.createServer(function(peer) src = peer end):listen(0)
local feeder, dst = net.connect(proxy:address().port), net.connect(last:address().port)
KEEP = setmetatable({}, { __gc = function()
  feeder:write(("x"):rep(20000000))
  repeat turn() until dst.writableLength > 0
  repeat until not src:write(("x"):rep(100000))
  src:sendFile("LICENSE")
  local server = net.createServer():listen(0)
  net.connect(server:address().port):setTimeout(1000)
  turn()
end })
repeat turn() until src and sink and not feeder.connecting and not dst.connecting
src:pipe(dst)
feeder:write("x")
repeat turn() until dst.bytesWritten > 0
starve(true)
for _ = 1, 5 do pcall(table.pack) end
starve(false)
]]

--- Two channels, and messages both ways, some with callbacks, some long: what `send` took
--- arrives once, in order, and is called back once; of what it raised for nothing is there. A
--- message is lost only with a listener that was not called, which is an error of its own.
local CHANNEL = HEAD .. [[
local channel, events = require("net.internal.process.channel"), require("net.events")
local LAST = 12
local one, other = core.descriptor.pair()
local left, right = events.EventEmitter(), events.EventEmitter()
local a, b = channel.attach(left, one), channel.attach(right, other)
own({ close = function() core.channel.shut(a.native) core.channel.shut(b.native) end })
local taken, got, called = table.pack(table.unpack({}, 1, 50)), table.pack(table.unpack({}, 1, 50)), {}
local replies, is_last, callbacks, order, marked, late = 0, false, {}, 0, false, false
for i = 1, LAST do
  called[i], taken[i], got[i] = 0, false, 0
  callbacks[i] = function() called[i] = called[i] + 1 end
end
left:on("error", function() end)
left:on("message", function() replies = replies + 1 end)
right:on("message", function(m)
  local i = math.type(m) == "integer" and m or m.n
  if i == 0 then
    is_last = true
    return
  end
  got[i] = got[i] + 1
  if marked and SIZE < 100 then late = true end
  problem = i < order and "out of order" or problem
  order = i
  if i % 2 == 0 then b:send(i) end
end)
local filler, turns, wrong = ("x"):rep(SIZE), 0, nil
play(function()
  for i = 1, LAST do
    local message = i % 3 > 0 and i or { n = i, t = filler }
    if i % 4 == 0 then
      a:send(message, callbacks[i])
    else
      a:send(message)
    end
    taken[i] = true
  end
end, function() -- what is there is heard without more to hear
  turns = turns + 1
  marked = turns > 20
  if marked then pcall(a.send, a, 0) end
  return is_last
end)
local missing = 0
for i = 1, LAST do
  if got[i] > 1 or (got[i] == 1 and not taken[i]) then
    wrong = ("message %d came %d times"):format(i, got[i])
  elseif called[i] > 1 or (called[i] == 1 and not taken[i])
    or (called[i] == 0 and taken[i] and i % 4 == 0 and got[i] == 1 and errors == 0) then
    wrong = ("callback %d was called %d times"):format(i, called[i])
  end
  missing = missing + (taken[i] and got[i] == 0 and 1 or 0)
end
if late then
  wrong = "a message came only with another"
elseif missing > errors then
  wrong = ("%d messages are missing, and %d errors were told"):format(missing, errors)
end
return problem or wrong
]]

describe("without memory", function()
  local program = os.tmpname()
  local host

  setup(function()
    host = lua.compile("spec/support/starve.c", program)
  end)

  teardown(function()
    os.remove(program)
  end)

  --- A spec for each length of the shortage: two requests, as Lua collects its
  --- garbage and asks again before it gives up; many; and all from there on. The stack
  --- has grown before, or has not.
  local SHORTAGES = {
    { "2 requests refused", 2, "grown" }, { "30 requests refused", 30, "grown" },
    { "2 requests refused, little stack", 2 }, { "all refused", 0, "grown" },
    { "all refused, little stack", 0 },
  }
  local function promise(name, script)
    for _, shortage in ipairs(SHORTAGES) do
      it(("%s (%s) #slow"):format(name, shortage[1]), function()
        if not host then
          return pending("no Lua library to link with")
        end
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write(script)
        file:close()
        local result = lua.run({
          program = host, args = { path, table.unpack(shortage, 2) }, lifetime = LIFETIME,
        })
        os.remove(path)
        assert.same({ code = 0, stdout = "the end\n", stderr = "" }, result)
      end)
    end
  end

  promise("an echo fails as a whole, and leaves nothing", ECHO)
  promise("what fails anyway fails once, and leaves nothing", FAILURES)
  promise("no byte is missing amid those that arrive", HOLES)
  promise("nor amid decoded ones", (HOLES:gsub("%.%.%.", '"latin1"')))
  for name, size in pairs({ little = 2000, much = 40000 }) do
    local script = PIPE:gsub("SIZE", size)
    promise("nor of those that a pipe passes on, " .. name, (script:gsub("%.%.%.", "true")))
    promise("nor where a pipe begins, " .. name, (script:gsub("%.%.%.", "false")))
  end
  promise("nor amid files", FILE)
  promise("a write that raises takes no later one's callback away", CALLBACKS)
  promise("a pair loses neither bytes nor callbacks", PAIR)
  promise("a connect() that is tried again tells each callback once", AGAIN)
  promise("a pipe() that raises is there wholly, or not at all", NO_PIPE)
  promise("a descriptor that was refused may be tried again", ADOPT)
  promise("names are answered once", NAMES)
  promise("a server that is drained calls back once", DRAIN)
  promise("events.once has all its listeners or none", (LISTENERS:gsub("%.%.%. and", "true and")))
  promise("events.on has all its listeners or none", (LISTENERS:gsub("%.%.%. and", "false and")))
  promise("a signal has no listener of a socket that was not made", SIGNAL)
  promise("what takes each uncaught error ends all the same", TAKEN)
  promise("a message is written and read whole or not at all", MESSAGES)
  for name, size in pairs({ short = 10, long = 400000 }) do
    promise("messages to another process arrive once or not at all, " .. name, (CHANNEL:gsub("SIZE", size)))
  end
  promise("or with it, nothing is left of what a finalizer does at the end", AT_THE_END)
end)
