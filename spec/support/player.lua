-- SPDX-License-Identifier: MIT

--- A foreign child of the parent under test: it plays the child's lines of a recorded session
--- on its channel, and has no line of the library in it.
---
---     lua player.lua SESSION LOG RIGHTS
---
--- Before it says something all that the session has before has to have come. LOG is what
--- came: the lines as they were, with P, or P+ where a descriptor was beside. RIGHTS is
--- rights.c, built. A socket that it says it sends is the one that came last, and a key is
--- that which it has heard: the parent's to choose.

local session, log, path = table.unpack(arg)
local rights = assert(package.loadlib(path, "luaopen_rights"))()
local fd = math.tointeger(os.getenv("NODE_CHANNEL_FD"))

local rest, marks, last = "", {}, nil -- marks: at which bytes of all a descriptor has come
local key
local told = 0
local out = {}

--- Waits for a line, and notes it; nothing at the end.
local function hear()
  while not rest:find("\n", 1, true) do
    rights.wait(fd)
    local bytes, numbers = rights.recv(fd)
    if bytes == "" then
      out[#out + 1] = rest
      return nil
    elseif bytes then
      -- The kernel ends a read behind what had descriptors; what has none may be before.
      marks[#marks + 1] = #numbers > 0 and told + #rest + #bytes - 1 or nil
      last = numbers[1] or last
      rest = rest .. bytes
    end
  end
  local line, behind = rest:match("^([^\n]*\n)(.*)$")
  local has = marks[1] and marks[1] < told + #line
  if has then
    table.remove(marks, 1)
  end
  told, rest = told + #line, behind
  key = line:match('"key":"[^"]*"') or key
  out[#out + 1] = (has and "P+ " or "P  ") .. line
  return line
end

local function play()
  for line in io.lines(session, "L") do
    local who, mark, text = line:match("^([PC])([ +]) (.*)$")
    if who == "P" and not hear() then
      return
    elseif who == "C" then
      text = key and text:gsub('"key":"[^"]*"', key) or text
      assert(rights.send(fd, text, mark == "+" and { last } or nil) == #text)
    end
  end
  while hear() do end
end

play()
local file = assert(io.open(log, "wb"))
file:write(table.concat(out))
file:close()
