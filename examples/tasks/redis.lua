-- SPDX-License-Identifier: MIT
--
-- tasks/redis.lua - a client of Redis (RESP2): one connection for any number of tasks;
-- tasks/counter.lua uses it.
--
--     local db = assert(redis.connect({ port = 6379, host = "db" }, { { "SELECT", 2 } }))
--     db:call("SET", "key", "value")
--     print(db:call("GET", "key"))
--     local first, second = table.unpack(db:pipeline({ { "INCR", "a" }, { "INCR", "b" } }))
--
-- Calls of several tasks are sent as they come, and answered in that order: nobody waits for
-- another's answer before he asks. A call gives `nil, err` for what Redis refuses (`err.code` is
-- "ERR", "WRONGTYPE", ...), and where the connection is lost; the next one connects again, with
-- pauses that grow, and says first what the second argument of `connect` has. Redis' nil is false.
-- A call that is interrupted by co.timeout leaves the others' answers in order.
--
-- Shows: a task that reads, a queue that pairs answers with questions, a semaphore, reconnection.

local co = require("net.co")

local BULK_MAX, LIST_MAX = 512 * 1048576, 1048576 -- bytes; values
local ATTEMPTS, PAUSE = 5, 50 -- connects, and milliseconds after the first that failed

local ReplyError = {
  __name = "redis.ReplyError",
  __tostring = function(err) return err.code .. " " .. err.message end,
}

local function length_of(text, max)
  local n = math.tointeger(tonumber(text))
  if not n or n < -1 or n > max then
    return nil, "not Redis: a length of " .. text
  end
  return n
end

local read = {} -- readers, by the first byte of an answer

--- One answer: its value, or nil and an error that ends the connection.
local function read_reply(socket)
  local line, err = socket:receive("line")
  if not line then
    return nil, err
  end
  local reader = read[line:sub(1, 1)]
  if not reader then
    return nil, "not Redis: " .. line
  end
  return reader(line:sub(2), socket)
end

read["+"] = function(text) return text end

read["-"] = function(text)
  local code, message = text:match("^(%S*) ?(.*)$")
  return setmetatable({ code = code, message = message }, ReplyError)
end

read[":"] = function(text)
  local n = math.tointeger(tonumber(text))
  return n, not n and "not Redis: an integer " .. text or nil
end

read["$"] = function(text, socket)
  local n, err = length_of(text, BULK_MAX)
  if not n then
    return nil, err
  elseif n == -1 then
    return false
  end
  local bytes
  bytes, err = socket:receive(n + 2)
  return bytes and bytes:sub(1, -3), err
end

read["*"] = function(text, socket)
  local n, err = length_of(text, LIST_MAX)
  if not n then
    return nil, err
  elseif n == -1 then
    return false
  end
  local list = {}
  for i = 1, n do
    list[i], err = read_reply(socket)
    if list[i] == nil then
      return nil, err
    end
  end
  return list
end

local function encode(words)
  local parts = { ("*%d\r\n"):format(#words) }
  for i, word in ipairs(words) do
    word = tostring(word)
    parts[i + 1] = ("$%d\r\n%s\r\n"):format(#word, word)
  end
  return table.concat(parts)
end

--- Hands each answer to who asked, until the connection ends; then tells those who wait.
local function deliver(link)
  local value, err
  repeat
    value, err = read_reply(link.socket)
    local answer = #link.asked > 0 and link.asked:get()
    if value == nil then
      err = err == co.EOF and "Redis has closed the connection" or err
    elseif not answer then
      err = "not Redis: an answer that nobody has asked for"
    end
    if answer then
      answer:push({ value, err })
    end
  until err
  link.failure = err
  link.socket:destroy()
  link.asked:close()
  for answer in link.asked:items() do
    answer:push({ nil, err })
  end
end

--- Sends commands over a connection, in one piece, and waits for their answers: a list.
local function ask(link, commands)
  local text, answers = {}, {}
  for i, words in ipairs(commands) do
    text[i], answers[i] = encode(words), co.queue(1)
    if not link.asked:push(answers[i]) then -- no wait from here to `send`
      return nil, link.failure
    end
  end
  local ok, err = link.socket:send(table.concat(text))
  if not ok then
    return nil, link.failure or err
  end
  local replies = {}
  for i, answer in ipairs(answers) do
    local reply = answer:get()
    if reply[1] == nil then
      return nil, reply[2]
    end
    replies[i] = reply[1]
  end
  return replies
end

local Client = {}
Client.__index = Client

--- Connects, and has the first commands accepted.
local function open(client)
  local socket, err = co.connect(client.where)
  if not socket then
    return nil, err
  end
  local link = { socket = socket, asked = co.queue() }
  local _ <close> = setmetatable({}, {
    __close = function() -- also where this is interrupted
      if not link.ready then
        socket:destroy()
      end
    end,
  })
  co.spawn(deliver, link)
  local replies
  replies, err = ask(link, client.first)
  for _, reply in ipairs(replies or {}) do
    if getmetatable(reply) == ReplyError then
      err = reply
    end
  end
  link.ready = not err
  return link.ready and link or nil, err
end

--- The connection, a new one if that before is lost; one task makes it, the others wait for it.
local function link_of(client)
  if client.link and not client.link.failure then
    return client.link
  end
  local _ <close> = client.connecting:acquire()
  local err = "the client is closed"
  for attempt = 1, client.closed and 0 or ATTEMPTS do
    if client.link and not client.link.failure or getmetatable(err) == ReplyError then
      break
    elseif attempt > 1 then
      co.sleep(PAUSE * 2 ^ (attempt - 2) * (0.5 + math.random()))
    end
    client.link, err = open(client)
  end
  return client.link, err
end

--- Sends several commands at once: a list of their answers, errors of Redis among them, or nil
--- and an error if the connection is lost: then it is not known which of them were obeyed.
function Client:pipeline(commands)
  local link, err = link_of(self)
  if not link then
    return nil, err
  end
  return ask(link, commands)
end

--- Sends a command, and gives its answer.
function Client:call(...)
  local replies, err = self:pipeline({ { ... } })
  local reply = replies and replies[1]
  if reply == nil or getmetatable(reply) == ReplyError then
    return nil, reply or err
  end
  return reply
end

--- Says goodbye, when all that was asked is answered.
function Client:close()
  self.closed = true
  local _ <close> = self.connecting:acquire()
  local link = self.link
  self.link = nil
  if link then
    ask(link, { { "QUIT" } })
    link.socket:destroy()
  end
end

local redis = {}

--- Connects; `where` is what co.connect takes in one argument: a port, a path, or a table.
function redis.connect(where, first)
  local client = setmetatable({ where = where, first = first or {}, connecting = co.semaphore() },
    Client)
  local link, err = link_of(client)
  if not link then
    return nil, err
  end
  return client
end

return redis
