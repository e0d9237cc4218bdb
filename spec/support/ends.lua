-- SPDX-License-Identifier: MIT

--- What Lua states leave behind when they are closed, one after another, in one process:
--- see ends.c.
---
---     local program <close> = ends.compile()              -- nil: no Lua library to link with
---     local bytes, descriptors = program:left_behind(script)
---     program:left_behind(script, { ENDS_THREADS = "1" }) -- each in a thread of its own

local lua = require("spec.support.lua")

local M = {}

local ROUNDS = 5 -- states; the first ones fill what is kept for good

-- What was freed is free: no chunk is kept for the next malloc(3).
local EXACT = "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0:glibc.malloc.arena_max=1"

--- So many bytes are none: a rest of a chunk may be too small to be one of its own.
M.ROUNDING = 100

local Program = {}
Program.__index = Program

function Program:__close()
  os.remove(self.path)
end

--- How many bytes, and descriptors, are in use behind a state that were not behind the one
--- before; each runs that script, which says nothing.
---@param script string
---@param env? table more of its environment
---@return integer bytes, integer descriptors
function Program:left_behind(script, env)
  local own = { GLIBC_TUNABLES = EXACT }
  for name, value in pairs(env or {}) do own[name] = value end
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(script)
  file:close()
  local result = lua.run({ program = self.path, args = { tostring(ROUNDS), path }, env = own })
  os.remove(path)
  assert(result.code == 0 and result.stderr == "", result.stdout .. result.stderr)
  local numbers = {}
  for number in assert(result.stdout:match("^%d+ bytes, %d+ descriptors\n%d+ bytes, %d+ descriptors\n$"),
    result.stdout):gmatch("%d+") do
    numbers[#numbers + 1] = tonumber(number)
  end
  return numbers[3] - numbers[1], numbers[4] - numbers[2]
end

---@return table? program
function M.compile()
  local path = os.tmpname()
  if lua.compile("spec/support/ends.c", path, "-pthread") then
    return setmetatable({ path = path }, Program)
  end
  os.remove(path)
end

return M
