-- SPDX-License-Identifier: MIT

--- What a message costs as JSON: codec.lua net|cjson encode|decode BYTES SECONDS
--
-- Does it for that long after a while that does not count, and prints the CPU time of
-- one in ns, and how many there were a second.

package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path

local message = require("message")

local library, what, bytes, seconds = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])
local codec
if library == "cjson" then
  codec = require("cjson")
else
  require("net")
  codec = require("net.core").json
end

local value = message(bytes)
local text = codec.encode(value)
assert(codec.decode(text).id == value.id and math.abs(#text - bytes) < bytes / 10, #text)
local work, argument = codec[what], what == "encode" and value or text

--- Works for some seconds of CPU time: ns for each, and how many.
local function drive(duration)
  local done, start = 0, os.clock()
  local now
  repeat
    for _ = 1, 100 do
      work(argument)
    end
    done = done + 100
    now = os.clock()
  until now - start >= duration
  return (now - start) / done * 1e9, done
end

drive(seconds / 4)
local cost, done = drive(seconds)
print(("%.1f %.0f"):format(cost, done / seconds))
