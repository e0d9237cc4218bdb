-- SPDX-License-Identifier: MIT

--- What it costs both processes to send a socket to a child, or back: sockets.lua SECONDS
--
-- Sixteen connections go to and fro. After a while that does not count, does so for that
-- long, and prints the CPU time of one way, in ns, and how many there were a second.

local here = arg[0]:match("^(.*)/")

local net = require("net")
local child = require("net.child")
local process = require("net.process")
local timers = require("net.timers")

local CONNECTIONS = 16

--- The child: sends back what it gets; a message without a socket asks for its CPU time.
local function answer()
  process:on("message", function(message, socket)
    if socket then
      process.send(message, socket)
    else
      process.send({ clock = os.clock() })
    end
  end)
end

local function measure(seconds)
  local kid = child.fork(here .. "/sockets.lua", { "child" },
    { execPath = here .. "/../../bin/luanet" })
  local done, begun, has_ended = 0, nil, false

  local function on_clock(clock)
    local now = { cpu = os.clock() + clock, done = done }
    if not begun then
      begun = now
      timers.setTimeout(function() kid:send("clock") end, seconds * 1000)
      return
    end
    has_ended = true
    print(("%.1f %.0f"):format((now.cpu - begun.cpu) / (now.done - begun.done) * 1e9,
      (now.done - begun.done) / seconds))
    timers.setTimeout(function() kid:disconnect() end, 50) -- the last ones come back
  end

  kid:on("exit", function() process.exit(0) end) -- waited for: its CPU time is known to be ours
  kid:on("message", function(message, socket)
    if message.clock then
      on_clock(message.clock)
    elseif not has_ended then
      done = done + 2
      assert(socket, "a socket is lost")
      kid:send({ n = done }, socket)
    end
  end)

  local server = net.createServer({ pauseOnConnect = true }, function(socket)
    kid:send({ n = 0 }, socket)
  end)
  server:listen(0, "127.0.0.1", function()
    for _ = 1, CONNECTIONS do
      net.connect(server:address().port, "127.0.0.1"):on("error", function() end)
    end
  end)
  timers.setTimeout(function() kid:send("clock") end, 200)
end

if arg[1] == "child" then
  answer()
else
  measure(tonumber(arg[1]))
  net.run()
end
