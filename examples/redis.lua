-- SPDX-License-Identifier: MIT
--
-- redis.lua - a small Redis client, and a demonstration of it.
--
--     lua5.4 examples/redis.lua [PORT [HOST]]      # 6379 of localhost
--     lua5.4 examples/redis.lua /run/redis/redis-server.sock
--
-- As a module:
--
--     local redis = require("redis")
--     local client = redis.connect({ port = 6379 })     -- options of net.connect
--     client:call("SET", "key", "value")
--     client:call("GET", "key", function(err, reply) print(err, reply) end)
--     client:quit()
--
-- A reply is a string, an integer, nil, or a list of replies with their number
-- in `n`. What the server refuses is the first argument of the callback, a
-- string such as "ERR unknown command"; so is the end of the connection, for
-- every command that still waits. The demonstration writes a few keys that start
-- with "net:demo:" and removes them; it exits with 1 if a reply is not the
-- right one.
--
-- Shows: a protocol parsed wherever its bytes are cut, by a coroutine that
-- yields when it needs more of them; requests that do not wait for each other.

local net = require("net")
local process = require("net.process")

local redis = {}

-- Replies (RESP 2, https://redis.io/docs/latest/develop/reference/protocol-spec)

local MORE = {} -- what the parser yields to ask for another chunk

local read_reply

--- A reader over the chunks it is resumed with: `line()` takes a line, and
--- `bytes(n)` so many bytes; both yield MORE while there is not enough.
local function new_reader()
  local text, start = "", 1
  local reader = {}

  function reader.line()
    local stop = text:find("\r\n", start, true)
    while not stop do
      text, start = text:sub(start) .. coroutine.yield(MORE), 1
      stop = text:find("\r\n", 1, true)
    end
    local line = text:sub(start, stop - 1)
    start = stop + 2
    return line
  end

  --- A long value is joined once, not at each of its chunks.
  function reader.bytes(count)
    local parts = {}
    while #text - start + 1 < count do
      parts[#parts + 1] = text:sub(start)
      count = count - #parts[#parts]
      text, start = coroutine.yield(MORE), 1
    end
    parts[#parts + 1] = text:sub(start, start + count - 1)
    start = start + count
    return table.concat(parts)
  end

  return reader
end

--- What follows each kind of first byte; gives an error or nil, and a reply.
local kinds = {
  ["+"] = function(text)
    return nil, text
  end,
  ["-"] = function(text)
    return text
  end,
  [":"] = function(text)
    return nil, math.tointeger(tonumber(text))
  end,
  ["$"] = function(text, reader)
    local length = math.tointeger(tonumber(text))
    if length < 0 then
      return nil, nil
    end
    return nil, reader.bytes(length + 2):sub(1, -3)
  end,
  ["*"] = function(text, reader)
    local list = { n = math.tointeger(tonumber(text)) }
    if list.n < 0 then
      return nil, nil
    end
    for i = 1, list.n do
      local err, reply = read_reply(reader)
      list[i] = err and { error = err } or reply
    end
    return nil, list
  end,
}

function read_reply(reader)
  local line = reader.line()
  local kind = kinds[line:sub(1, 1)] or error("this is no Redis server", 0)
  return kind(line:sub(2), reader)
end

--- The body of the parser: `deliver` gets each reply that is complete.
local function parse(deliver)
  local reader = new_reader()
  while true do
    deliver(read_reply(reader))
  end
end

-- The client

local Client = {}
Client.__index = Client

local function ignore_reply(err)
  if err then
    error("redis: " .. err, 0)
  end
end

--- A command as bytes: an array of strings, each with its length.
local function encode(words)
  local parts = { ("*%d\r\n"):format(words.n) }
  for i = 1, words.n do
    local word = tostring(words[i])
    parts[#parts + 1] = ("$%d\r\n%s\r\n"):format(#word, word)
  end
  return table.concat(parts)
end

--- Sends a command, such as `client:call("SET", key, value)`. The last argument
--- may be a function: it is called with an error or nil, and the reply. Without
--- one an error comes out of net.run().
function Client:call(...)
  local words = table.pack(...)
  local callback = ignore_reply
  if type(words[words.n]) == "function" then
    callback = words[words.n]
    words.n = words.n - 1
  end
  if self.ended then
    process.nextTick(callback, self.ended)
    return self
  end
  self.last = self.last + 1
  self.waiting[self.last] = callback
  self.socket:write(encode(words))
  return self
end

--- Closes the connection when all replies that are due have come.
function Client:quit()
  self.quitting = true
  if self.first > self.last then
    self.socket:finish()
  end
end

--- Gives the oldest command its reply; on a tick, so that an error in one
--- callback does not cost the next one its reply.
local function deliver(client, err, reply)
  local callback = client.waiting[client.first]
  if not callback then
    error("a reply to nothing", 0)
  end
  client.waiting[client.first] = nil
  client.first = client.first + 1
  process.nextTick(callback, err, reply)
  if client.quitting and client.first > client.last then
    client.socket:finish()
  end
end

--- Connects; takes the options of net.connect, and returns the client, to which
--- commands may be given at once.
function redis.connect(options)
  local socket = net.connect(options)
  local client = setmetatable({
    socket = socket,
    waiting = {}, -- callbacks of the commands [first, last]
    first = 1,
    last = 0,
    ended = nil, -- the reason, once the connection is gone
  }, Client)
  local parser = coroutine.create(parse)
  coroutine.resume(parser, function(err, reply)
    deliver(client, err, reply)
  end)

  socket:setNoDelay()
  socket:on("data", function(chunk)
    local ok, problem = coroutine.resume(parser, chunk)
    if not ok then
      socket:destroy(problem)
    end
  end)
  socket:on("error", function(err)
    client.ended = tostring(err)
  end)
  socket:on("close", function()
    client.ended = client.ended or "the connection was closed"
    for i = client.first, client.last do
      process.nextTick(client.waiting[i], client.ended)
    end
    client.waiting, client.first = {}, client.last + 1
  end)
  return client
end

if not (arg and arg[0] and arg[0]:find("redis%.lua$")) then
  return redis -- we were required
end

-- The demonstration

io.stdout:setvbuf("line")

local KEY = "net:demo:"
local PIPELINED = 1000 -- commands

local function fail(problem)
  io.stderr:write("redis: ", problem, "\n")
  os.exit(1)
end

--- Shows a command's reply, and ends with 1 if it is not the one expected.
local function show(title, expected)
  return function(err, reply)
    local text = err or (type(reply) == "table" and table.concat(reply, ", ")) or tostring(reply)
    print(("%-28s %s"):format(title, text))
    if text ~= expected then
      fail(("expected %s"):format(expected))
    end
  end
end

local first, host = ...
local is_path = first and first:find("/")
local client = redis.connect({
  path = is_path and first or nil,
  port = not is_path and (first or 6379) or nil,
  host = host,
})

client:call("DEL", KEY .. "text", KEY .. "bytes", KEY .. "count", KEY .. "list", function(err)
  if err then
    fail(err)
  end
end)
client:call("SET", KEY .. "text", "hello, Redis", show("SET text", "OK"))
client:call("GET", KEY .. "text", show("GET text", "hello, Redis"))
client:call("GET", KEY .. "nothing", show("GET nothing", "nil"))
client:call("INCR", KEY .. "text",
  show("INCR text", "ERR value is not an integer or out of range"))

local bytes = {} -- every byte there is, "\r\n" among them, in 256 KiB
for i = 0, 255 do
  bytes[i + 1] = string.char(i)
end
local blob = table.concat(bytes, "\r\n"):rep(342)
client:call("SET", KEY .. "bytes", blob, show(("SET bytes, %d of them"):format(#blob), "OK"))
client:call("GET", KEY .. "bytes", function(err, reply)
  show("GET bytes, all the same", "true")(err, reply == blob)
end)

for _ = 2, PIPELINED do
  client:call("INCR", KEY .. "count")
end
client:call("INCR", KEY .. "count",
  show(("INCR count, %d at once"):format(PIPELINED), tostring(PIPELINED)))
client:call("RPUSH", KEY .. "list", "one", "two", "three", show("RPUSH list", "3"))
client:call("LRANGE", KEY .. "list", 0, -1, show("LRANGE list", "one, two, three"))
client:call("DEL", KEY .. "text", KEY .. "bytes", KEY .. "count", KEY .. "list",
  show("DEL", "4"))
client:quit()

net.run()
