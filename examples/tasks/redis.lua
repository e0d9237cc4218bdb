-- SPDX-License-Identifier: MIT
--
-- tasks/redis.lua - a Redis client: one connection for any number of tasks, pipelined.
--
--     lua5.4 examples/tasks/redis.lua [PORT | PATH] [COUNT]
--
-- A hundred tasks each add to the same counter COUNT times (10), over one connection, and
-- then it is read. Default: port 6379 of 127.0.0.1.
--
-- Shows: a reader task, a queue that pairs replies with calls, errors for every caller.

local co = require("net.co")

--- One reply of the protocol: its value, or nil and an error.
local function read_reply(socket)
  local line, err = socket:receive()
  if not line then
    return nil, err
  end
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == "+" then
    return rest
  elseif kind == "-" then
    return nil, rest
  elseif kind == ":" then
    return tonumber(rest)
  elseif kind == "$" then
    local length = tonumber(rest)
    if length < 0 then
      return false -- Redis' nil
    end
    local text
    text, err = socket:receive(length + 2)
    if not text then
      return nil, err
    end
    return text:sub(1, -3)
  elseif kind == "*" then
    local list = {}
    for i = 1, tonumber(rest) do
      list[i] = read_reply(socket)
    end
    return list
  end
  return nil, "not the protocol of Redis: " .. line
end

local function encode(...)
  local parts = { ("*%d\r\n"):format(select("#", ...)) }
  for _, word in ipairs({ ... }) do
    word = tostring(word)
    parts[#parts + 1] = ("$%d\r\n%s\r\n"):format(#word, word)
  end
  return table.concat(parts)
end

--- A client with `call(...)` for any number of tasks, and `close()`.
local function connect(...)
  local socket, err = co.connect(...)
  if not socket then
    return nil, err
  end
  local waiting = co.queue() -- one queue for each call, in the order of the calls
  local reader = co.spawn(function()
    for reply in waiting:items() do
      reply:push(table.pack(read_reply(socket)))
    end
  end)
  local client = {}
  function client.call(...)
    local reply = co.queue()
    if not waiting:push(reply) then -- no wait between this and the send
      return nil, "the client is closed"
    end
    local ok, problem = socket:send(encode(...))
    if not ok then
      return nil, problem
    end
    local result = reply:get()
    return table.unpack(result, 1, result.n)
  end
  function client.close()
    waiting:close()
    socket:finish()
    return reader:await()
  end
  return client
end

co.run(function(where, count)
  local client = assert(connect(tonumber(where) or where or 6379))
  assert(client.call("SET", "net:counter", 0))
  co.group(function(group)
    for _ = 1, 100 do
      group:spawn(function()
        for _ = 1, tonumber(count) or 10 do
          assert(client.call("INCR", "net:counter"))
        end
      end)
    end
  end)
  print("counter", client.call("GET", "net:counter"))
  print("error", select(2, client.call("NOSUCH")))
  client.call("DEL", "net:counter")
  client.close()
  print("closed", select(2, client.call("PING")))
end, ...)
