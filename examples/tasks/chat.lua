-- SPDX-License-Identifier: MIT
--
-- tasks/chat.lua - a chat: what one says all others read.
--
--     lua5.4 examples/tasks/chat.lua [PORT]
--     nc localhost 6000            # in as many terminals as you like
--
-- Port 6000 of 127.0.0.1, if nothing else is said. A reader who is too slow loses lines, and
-- does not slow down the room. Ctrl-C ends it.
--
-- Shows: two tasks for a connection, of which the first that ends ends the other; queues
-- with a limit; clean-up by a to-be-closed variable.

local co = require("net.co")
local process = require("net.process")

local INBOX = 100 -- lines that wait for one reader
local LINE_MAX = 500 -- bytes

io.stdout:setvbuf("line")

local room = {} -- inboxes, as keys

local function say(text, except)
  for inbox in pairs(room) do
    if inbox ~= except then
      inbox:push(text)
    end
  end
end

local function handle(socket)
  local name = ("guest %d"):format(socket.remotePort)
  local inbox = co.queue(INBOX)
  local _ <close> = setmetatable({}, {
    __close = function()
      room[inbox] = nil
      say(name .. " has left\n")
    end,
  })
  room[inbox] = true
  inbox:push("welcome, you are " .. name .. "\n")
  say(name .. " is here\n", inbox)
  co.race({
    function()
      for line in socket:lines(LINE_MAX) do
        say(name .. ": " .. line .. "\n", inbox)
      end
    end,
    function()
      for text in inbox:items() do
        socket:send(text)
      end
    end,
  })
end

co.run(function(port)
  local server = assert(co.listen(tonumber(port) or 6000, "127.0.0.1"))
  print("listening on 127.0.0.1:" .. server:address().port)
  local serving = server:serve(handle)
  co.await(process, "SIGINT")
  serving:cancel()
  serving:await()
end, ...)
