-- SPDX-License-Identifier: MIT

--- Random sends and receives over a connection, a line for each: run under the real LuaSocket
--- and under net.luasocket, with one seed, and the lines compared.
---
---     lua5.4 random.lua real|ours SEED ROUNDS

local which, seed, rounds = ...
if which == "ours" then
  package.loaded["socket.unix"] = require("net.luasocket").unix
end
local unix = require("socket.unix") -- what is sent to one is there at once

math.randomseed(tonumber(seed))
local random = math.random

local function show(name, ...)
  local parts = { name }
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    local is_string = type(v) == "string"
    parts[#parts + 1] = is_string and ("%q"):format(v) or type(v) == "number" and ("%g"):format(v)
      or tostring(v)
  end
  print((table.concat(parts, " "):gsub("\\\n", "\\n")))
end

local PIECES = { "a", "bc", "\r", "\n", "\r\n", "\n\n", "\0", "defgh", ("x"):rep(100) }

local function bytes()
  local parts = {}
  for i = 1, random(0, 8) do parts[i] = PIECES[random(#PIECES)] end
  if random(40) == 1 then parts[#parts + 1] = ("y"):rep(random(5000, 20000)) end
  return table.concat(parts)
end

local function pattern()
  local kind = random(6)
  if kind <= 3 then return "*l" end
  if kind == 4 then return "*a" end
  return kind == 5 and random(0, 12) or random(0, 9000)
end

local function prefix()
  return random(4) == 1 and bytes():sub(1, random(0, 6)) or nil
end

local path = os.tmpname()
os.remove(path)
local server = assert(unix())
assert(server:bind(path))
assert(server:listen())

--- What one does with a connection: weights, and what.
local acts = {
  { 6, function(from) show("send", from:send(bytes())) end },
  { 2, function(from) show("part", from:send(bytes(), random(-6, 6), random(-6, 12))) end },
  { 12, function(_, to) show("receive", to:receive(pattern(), prefix())) end },
  { 2, function(from, to)
    show("stats", select(1, from:getstats()), (select(2, to:getstats())))
  end },
  { 1, function(from, to) show("swap", from:send("s\n"), (to:receive(random(0, 3)))) end },
}

local function act(from, to)
  local n = random(23)
  for _, one in ipairs(acts) do
    n = n - one[1]
    if n <= 0 then
      return one[2](from, to)
    end
  end
end

for round = 1, tonumber(rounds) do
  local client = unix()
  assert(client:connect(path))
  local peer = assert(server:accept())
  client:settimeout(0)
  peer:settimeout(0)
  show("round", round)
  for _ = 1, random(1, 30) do
    if random(4) == 1 then
      act(peer, client)
    else
      act(client, peer)
    end
  end
  local closes = random(2) == 1
  if closes then
    client:receive("*a") -- unread bytes would reset it, and how many are is an affair of each
    show("close", client:close())
  else
    show("shutdown", client:shutdown("send"))
  end
  peer:settimeout(5)
  for _ = 1, random(1, 6) do show("at the end", peer:receive(pattern(), prefix())) end
  show("all", peer:receive("*a"))
  show("stats", (peer:getstats()))
  show("answer", peer:close())
  client:settimeout(5)
  if not closes then -- how much was read ahead is an affair of each one
    show("client", client:receive("*a"))
  end
  client:close()
end
os.remove(path)
