-- SPDX-License-Identifier: MIT

--- What a message to a child and back costs both processes: messages.lua BYTES records|text SECONDS
--
-- Sixteen are under way at a time; the child sends back what it got. After a while that
-- does not count, does so for that long, and prints the CPU time of one, there and back,
-- in ns, and how many there were a second.

local here = arg[0]:match("^(.*)/")
package.path = here .. "/?.lua;" .. package.path

local net = require("net")
local child = require("net.child")
local process = require("net.process")
local timers = require("net.timers")

local UNDER_WAY = 16

--- The child: a message that asks for its CPU time, in seconds, is answered by that.
local function answer()
  process:on("message", function(message)
    process.send(message.clock and { clock = os.clock() } or message)
  end)
end

local function measure(bytes, is_text, seconds)
  local value = require("message")(bytes, is_text)
  local kid = child.fork(here .. "/messages.lua", { "child" },
    { execPath = here .. "/../../bin/luanet" })
  local done, begun, has_ended = 0, nil, false

  --- CPU time of both, told by the child.
  local function on_clock(clock)
    local now = { cpu = os.clock() + clock, done = done }
    if not begun then
      begun = now
      timers.setTimeout(function() kid:send({ clock = true }) end, seconds * 1000)
      return
    end
    has_ended = true
    print(("%.1f %.0f"):format((now.cpu - begun.cpu) / (now.done - begun.done) * 1e9,
      (now.done - begun.done) / seconds))
    timers.setTimeout(function() kid:disconnect() end, 50) -- the last ones come back
  end

  kid:on("message", function(message)
    if message.clock then
      on_clock(message.clock)
    elseif not has_ended then
      done = done + 1
      kid:send(message)
    end
  end)
  for _ = 1, UNDER_WAY do
    kid:send(value)
  end
  timers.setTimeout(function() kid:send({ clock = true }) end, 200)
end

if arg[1] == "child" then
  answer()
else
  measure(tonumber(arg[1]), arg[2] == "text", tonumber(arg[3]))
  net.run()
end
