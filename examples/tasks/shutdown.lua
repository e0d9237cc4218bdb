-- SPDX-License-Identifier: MIT
--
-- tasks/shutdown.lua - a server that ends without losing work.
--
--     lua5.4 examples/tasks/shutdown.lua [PORT]
--     echo 'sleep 3000' | nc localhost 7000 &
--     kill -TERM PID
--
-- A client sends jobs, a line each: "sleep MS" is answered by "slept MS" when it is over. Port
-- 7000 of 127.0.0.1, if nothing else is said.
--
-- SIGTERM or SIGINT: nobody new is accepted; jobs that have been sent are done and answered; an
-- idle client hears "bye"; what takes more than ten seconds, or a second signal, cuts the rest
-- off. Each step is told.
--
-- Shows: how serve, timeout, race and cancel make a clean end; clean-up by a to-be-closed variable.

local co = require("net.co")
local process = require("net.process")

local GRACE = 10000 -- milliseconds
local IDLE = 60000 -- milliseconds
local LINE_MAX = 200 -- bytes

io.stdout:setvbuf("line")

local ending = co.queue(1) -- closed, when it is time
local open = 0 -- connections

local function work(line)
  local ms = tonumber(line:match("^sleep (%d+)$"))
  if not ms then
    return "what?"
  end
  co.sleep(ms)
  return "slept " .. ms
end

--- The next line, or nil: at its end, when the client is idle, or when the server ends and
--- nothing has come: `race` begins with the first.
local function next_job(socket)
  local who, line = co.race({
    function() return socket:receive("line", LINE_MAX) end,
    function() return ending:get() end,
  })
  return who == 1 and line or nil
end

local function handle(socket)
  local _ <close> = setmetatable({}, { __close = function() open = open - 1 end })
  open = open + 1
  socket:setTimeout(IDLE)
  for line in next_job, socket do
    socket:send(work(line), "\n")
  end
  socket:send("bye\n")
end

co.run(function(port)
  local server = assert(co.listen(tonumber(port) or 7000, "127.0.0.1"))
  local serving = server:serve(handle)
  local signals = co.queue() -- as co.await hears a signal only while it waits
  for _, name in ipairs({ "SIGTERM", "SIGINT" }) do
    process:on(name, function() signals:push(name) end)
  end
  print("listening on 127.0.0.1:" .. server:address().port)

  print(signals:get(), "closing, open connections: " .. open)
  server:close()
  ending:close()
  local why = co.race({
    ["all is done"] = function() return serving:await() end,
    ["it takes too long"] = function() return co.sleep(GRACE) end,
    ["a second signal"] = function() return signals:get() end,
  })
  print(why)
  serving:cancel()
  serving:await()
  print("ended, open connections: " .. open)
end, ...)
