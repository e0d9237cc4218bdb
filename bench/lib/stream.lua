-- SPDX-License-Identifier: MIT

--- The bytes that load.c expects from the servers in Lua; see pattern.h.

local stream = {}

local PERIOD = 65521 -- bytes; prime

--- One period of the stream: what "source" sends, over and over.
function stream.period()
  local bytes = {}
  for i = 0, PERIOD - 1 do
    -- in doubles too, so that Lua 5.1 could run it: the product stays below 2^53
    bytes[#bytes + 1] = string.char(math.floor(i * 2654435761 % 4294967296 / 8192) % 256)
  end
  return table.concat(bytes)
end

--- The answer of "four": four pieces of 16 bytes, ' ' to '_'.
function stream.four()
  local pieces = {}
  for first = 32, 80, 16 do
    local bytes = {}
    for i = first, first + 15 do
      bytes[#bytes + 1] = string.char(i)
    end
    pieces[#pieces + 1] = table.concat(bytes)
  end
  return (table.unpack or unpack)(pieces) -- luacheck: std max
end

--- Prints the port, for run.lua.
function stream.listening(port)
  io.write(port or 0, "\n")
  io.flush()
end

return stream
