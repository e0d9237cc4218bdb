-- SPDX-License-Identifier: MIT

--- A peer that says whatever it likes: lines of the protocol, and mutated ones, with
--- descriptors of any kind where it likes, cut anywhere.
---
---     local result = fuzz.run(seed, lines)     -- {lines =, messages =, errors =, handles =, ends =}
---
--- Raises where a message that was said well is not heard, an error is of no known kind, or
--- a descriptor is left. The same numbers give the same run. As a program:
---
---     eval "$(make env)"; lua5.4 spec/support/channel_fuzz.lua 1000000 [seed]

local channel = require("net.internal.process.channel")
local core = require("net.core")
local events = require("net.events")
local lua = require("spec.support.lua")
local net = require("net")

local frames = lua.module("spec/support/frames.c", "frames")

local M = {}

local MAX_MESSAGE = 4000 -- bytes
local BATCH = 20 -- lines between two that are looked for

--- What is said, as it is or mutated.
local SEEDS = {
  '"hello"', "1", "-0.5e3", "null", "true", "{}", "[]", '{"a":[1,2,{"b":null}],"c":"\\u00e9\\n"}',
  '{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"sock","key":"4:127.0.0.1:0"}',
  '{"cmd":"NODE_HANDLE","type":"net.Server","msg":{"what":"server"}}',
  '{"cmd":"NODE_HANDLE","type":"net.BoundSocket","msg":null}',
  '{"cmd":"NODE_HANDLE","type":"net.Native","msg":{"cmd":"NODE_CLUSTER","act":"newconn","key":"a","seq":1}}',
  '{"cmd":"NODE_HANDLE","type":"net.Native","msg":{"cmd":"NODE_HANDLE","type":"net.Socket","msg":1}}',
  '{"cmd":"NODE_HANDLE","type":"dgram.Socket","dgramType":"udp4","msg":[]}',
  '{"cmd":"NODE_HANDLE","type":"lua.Handles","msg":1,"handles":[{"type":"net.Socket"},{"type":null}]}',
  '{"cmd":"NODE_HANDLE","type":"net.Socket","msg":{"$b":"/w=="},"head":"aGk=","binary":true}',
  '{"cmd":"NODE_HANDLE","type":"lua.Handles","msg":[{"$$b":"x"}],"handles":[{"type":"file","mode":"r"}],"binary":true}',
  '{"cmd":"NODE_LUANET","act":"binary","msg":[{"$b":"/w=="},{"$b":"x"},{"$b":{"$b":"/w=="}}]}',
  '{"cmd":"NODE_HANDLE"}', '{"cmd":"NODE_HANDLE","type":7,"msg":{},"key":[]}',
  '{"cmd":"NODE_HANDLE_ACK"}', '{"cmd":"NODE_HANDLE_NACK"}',
  '{"cmd":"NODE_SOCKET_GET_COUNT","key":"lua:1"}', '{"cmd":"NODE_SOCKET_COUNT","key":"lua:1","count":2}',
  '{"cmd":"NODE_SOCKET_NOTIFY_CLOSE","key":"lua:1"}', '{"cmd":"NODE_SOCKET_ALL_CLOSED","key":"lua:1"}',
  '{"cmd":"NODE_CLUSTER","act":"online","seq":0}', '{"cmd":"NODE_LUANET","v":1}',
  '{"cmd":"NODE_LUANET","act":"binary","msg":{"$b":"aGk="}}', '{"cmd":"NODE_"}', '{"cmd":null}',
  ("["):rep(1200) .. ("]"):rep(1200), '"' .. ("x"):rep(3000) .. '"',
}

local INTERESTING = { "\0", "\n", "\r", '"', "\\", "{", "}", "[", "]", ",", ":", "\xFF", "\xED\xA0\x80",
  "1e999", "-", "\\ud800", "NODE_HANDLE", "null" }

-- A generator of our own: math.random is the library's to use.
local function generator(seed)
  local state = seed * 2654435769 + 1
  return function(n)
    state = state ~ (state << 13)
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    return (state >> 33) % n + 1
  end
end

local function mutate(random, line)
  for _ = 1, random(3) do
    local at, kind = random(#line + 1), random(5)
    if kind == 1 then
      line = line:sub(1, at - 1) .. line:sub(at + random(4))
    elseif kind == 2 then
      line = line:sub(1, at - 1) .. INTERESTING[random(#INTERESTING)] .. line:sub(at)
    elseif kind == 3 then
      line = line:sub(1, at - 1) .. string.char(random(256) - 1) .. line:sub(at + 1)
    elseif kind == 4 then
      line = line:sub(1, at)
    else
      line = line:sub(1, at) .. SEEDS[random(#SEEDS)]:sub(random(10))
    end
  end
  return line
end

local KNOWN = { SyntaxError = true, ERR_IPC_MESSAGE_TOO_LONG = true, EPIPE = true }

local Run = {}
Run.__index = Run

--- A new channel, and the peer's end. Half of the peers greet as this library does.
function Run:connect()
  local mine, theirs = core.descriptor.pair()
  local owner = events.EventEmitter()
  self.theirs, self.hearing = theirs, frames.new(1 << 20)
  owner:on("message", function(message, handle)
    self.messages = self.messages + 1
    self.heard = message
    for _, one in ipairs(type(handle) == "table" and handle or { handle }) do
      if one then
        self.handles = self.handles + 1
        local close = net.isSocket(one) and one.destroy or one.close
        close(one)
      end
    end
  end)
  owner:on("error", function(err)
    self.errors = self.errors + 1
    if not (type(err) == "table" and (KNOWN[err.code] or KNOWN[err.name])) then
      self.problem = "error of no known kind: " .. tostring(err)
    end
  end)
  owner:on("disconnect", function() self.ends = self.ends + 1 end)
  self.channel = channel.attach(owner, mine, { max_message = MAX_MESSAGE })
  if self.random(2) == 1 then
    frames.send(theirs:number(), '{"cmd":"NODE_LUANET","v":1}\n')
  end
  self.channel:on_internal("NODE_CLUSTER", function(message, descriptor)
    if descriptor then descriptor:close() end
    if self.random(2) == 1 then
      self.channel:answer({ ack = message.seq }, function() end)
    end
  end)
end

function Run:disconnect()
  core.channel.shut(self.channel.native)
  self.theirs:close()
  self.hearing:close()
end

--- A descriptor of some kind, as a Descriptor or what has a number.
function Run:some_descriptor()
  local kind = self.random(5)
  if kind == 1 then
    return core.descriptor.dup(self.file)
  elseif kind == 2 then
    return core.descriptor.dup(self.listening)
  end
  local one, other = core.descriptor.pair()
  other:close()
  return one
end

--- Writes bytes, in parts, now and then with descriptors.
function Run:say(text)
  while #text > 0 and self.channel.isOpen do
    local part = text:sub(1, self.random(4) == 1 and self.random(#text) or #text)
    local own, numbers = {}, nil
    if self.random(6) == 1 then
      numbers = {}
      for i = 1, self.random(8) == 1 and 70 or self.random(3) do
        own[i] = self:some_descriptor()
        numbers[i] = own[i]:number()
      end
    end
    local n = frames.send(self.theirs:number(), part, numbers)
    for i = 1, #own do own[i]:close() end
    if n > 0 then
      text = text:sub(n + 1)
    end
    if n < 0 or self.random(3) == 1 then
      self:turn()
    end
  end
end

function Run:turn()
  net.run("nowait")
  if self.random(2) == 1 then
    repeat until self.hearing:read(self.theirs:number()) <= 0 or self.hearing:line() == nil
    while self.hearing:line() do self.hearing:next() end
    repeat
      local group = self.hearing:take()
      for _, number in ipairs(group) do frames.close(number) end
    until #group == 0
  end
end

--- A line that has to be heard, if the channel is still there.
function Run:look()
  self:say("\n")
  if self.channel.isOpen then
    local mark = "mark " .. self.lines
    local text = core.json.encode(mark) .. "\n"
    while frames.send(self.theirs:number(), text) ~= #text and self.channel.isOpen do
      self:turn()
    end
    for _ = 1, 50 do
      self:turn()
      if self.heard == mark then break end
    end
    if self.channel.isOpen and self.heard ~= mark then
      error(("line %d was not heard, but %s"):format(self.lines, tostring(self.heard)))
    end
  end
  if not self.channel.isOpen or self.random(20) == 1 then
    self:disconnect()
    net.run("nowait")
    self:connect()
  end
end

function M.run(seed, lines)
  local self = setmetatable({ random = generator(seed), messages = 0, errors = 0, handles = 0, ends = 0,
    lines = 0 }, Run)
  local file = assert(io.open("LICENSE"))
  local server = net.createServer():listen(0, "127.0.0.1")
  net.run("nowait")
  local copy = core.descriptor.pair()
  self.file, self.listening = copy:number(), server:fd()
  self:connect()
  while self.lines < lines do
    for _ = 1, BATCH do
      local line = SEEDS[self.random(#SEEDS)]
      self.lines = self.lines + 1
      self:say((self.random(2) == 1 and mutate(self.random, line) or line) .. "\n")
    end
    self:look()
    if self.problem then error(self.problem) end
  end
  self:disconnect()
  copy:close()
  file:close()
  server:close()
  for _ = 1, 5 do net.run("nowait") end
  return { lines = self.lines, messages = self.messages, errors = self.errors, handles = self.handles,
    ends = self.ends }
end

if arg and arg[0] and arg[0]:find("channel_fuzz%.lua$") then
  require("net.process").noWarnings = true
  local result = M.run(tonumber(arg[2] or 1), tonumber(arg[1] or 100000))
  for _, name in ipairs({ "lines", "messages", "errors", "handles", "ends" }) do
    print(name, result[name])
  end
end

return M
