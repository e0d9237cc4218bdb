-- SPDX-License-Identifier: MIT

--- Programs that read a socket while the collector runs at nearly each thing that is made, and
--- finalizers read the same socket, put back what they read, or cancel who reads.
---
---     lua5.4 spec/support/finalized.lua WAY [SEED [LINES]]
---
--- WAY is how the program reads: "pair" and "tcp" in a task, "cancel" in tasks that finalizers
--- cancel, "read" by callbacks. Whoever gets bytes notes them: put together, they are what was
--- sent. Prints "ok" and how often a finalizer read, or what is wrong.

local co = require("net.co")
local net = require("net")

local way, seed, lines = arg[1], tonumber(arg[2]) or 1, tonumber(arg[3]) or 100
local random = math.random
math.randomseed(seed)
require("net.process").noWarnings = true

local text = {}
for i = 1, lines do
  text[i] = ("%04d%s%s"):format(i, ("x"):rep(random(0, 60)), i % 3 == 0 and "\r\n" or "\n")
end
text = table.concat(text)

-- Room for all of it, so that noting allocates nothing
local log, count = table.pack(table.unpack({}, 1, 4000)), 0
local function note(bytes)
  count = count + 1
  log[count] = bytes
end

-- Finalizers

local socket, reader -- reader: the task that reads
local is_armed, is_over, reads = false, false, 0

local ACTIONS = {
  function() return socket:read(random(30)) end,
  function() return socket:read() end,
  function()
    local bytes = socket:read(random(30))
    if bytes then socket:unshift(bytes) end
  end,
  function()
    local bytes = socket:read()
    if bytes and #bytes > 4 then
      socket:unshift(bytes:sub(5))
      bytes = bytes:sub(1, 4)
    end
    if bytes then socket:unshift(bytes) end
  end,
  function()
    if way == "cancel" and reader then reader:cancel() end
  end,
}

local function act()
  local ok, bytes = pcall(ACTIONS[random(#ACTIONS)]) -- ERR_SOCKET_BUSY where a task waits
  if ok and bytes then
    note(bytes)
    reads = reads + 1
  end
end

local phoenix = {}
function phoenix.__gc()
  if is_armed and random(3) == 1 then
    is_armed = false
    act()
    is_armed = true
  end
  if not is_over then setmetatable({}, phoenix) end
end

-- Ways to read

--- One answer, noted; whether more may come.
local function receive()
  local form = random(5)
  local bytes, rest, _
  if form == 1 then
    bytes, _, rest = socket:receive("L")
  elseif form == 2 then
    bytes, _, rest = socket:receiveUntil("\n")
  elseif form == 3 then
    bytes, _, rest = socket:receive(random(40))
  else
    if form == 4 then socket:peek("some") end
    bytes, _, rest = socket:receive("some", random(50))
  end
  note(bytes or rest)
  if bytes and form == 2 then note("\n") end
  return bytes ~= nil
end

--- The same in tasks of which any may be cancelled.
local function receive_in_tasks()
  local more = true
  local function one() more = receive() end
  while more do
    reader = co.spawn(one)
    reader:await()
  end
end

local function read_by_callbacks()
  local is_ended = false
  socket:on("readable", function()
    while true do
      local bytes = socket:read(random(4) > 1 and random(40) or nil) or socket:read()
      if not bytes then break end
      note(bytes)
    end
  end)
  socket:on("end", function() is_ended = true end)
  while not is_ended do co.yield() end
end

local function connect()
  if way ~= "tcp" then
    return net.duplexPair()
  end
  local server, far = assert(co.listen({ port = 0, host = "127.0.0.1" })), nil
  server:on("connection", function(accepted)
    far = accepted
    server:close()
  end)
  local near = assert(co.connect(server:address().port, "127.0.0.1"))
  while not far do co.yield() end
  return near, far
end

local function send(far)
  local at = 1
  while at <= #text do
    local size = random(300)
    assert(far:send(text:sub(at, at + size - 1)))
    at = at + size
    if random(3) == 1 then co.yield() end
  end
  far:finish()
end

local function run()
  local far
  socket, far = connect()
  is_armed = true
  local sender = co.spawn(send, far)
  if way == "read" then
    read_by_callbacks()
  elseif way == "cancel" then
    receive_in_tasks()
  else
    while receive() do end
  end
  is_armed = false
  sender:await()
  socket:destroy()
  far:destroy()
end

collectgarbage("incremental", 1, 1000, 40)
collectgarbage()
setmetatable({}, phoenix)
local ok, err = pcall(co.run, run)
is_armed, is_over = false, true
collectgarbage("incremental", 200, 100, 13)

local got = table.concat(log, "", 1, count)
if not ok then
  print(("seed %d: %s"):format(seed, type(err) == "table" and net.traceback(err) or tostring(err)))
elseif got == text then
  print("ok", reads)
else
  local at = 1
  while got:byte(at) == text:byte(at) do at = at + 1 end
  print(("seed %d: %q where %q was sent, at %d"):format(seed, got:sub(at - 10, at + 20),
    text:sub(at - 10, at + 20), at))
end
