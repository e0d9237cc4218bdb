-- SPDX-License-Identifier: MIT

--- Programs whose system calls strace(1) tells.
---
---     local program = traced.trace([[ print("begin") ... print("end") ]])
---     traced.count(program:calls(), traced.READS)
---
--- A spec is pending where strace is not there, by `traced.spec`; `traced.clean` ends what is
--- left of it.

local process = require("spec.support.process")

local M = {}

-- strace and LeakSanitizer cannot both trace a process.
local ENV = "env ASAN_OPTIONS=detect_leaks=0 "

local function can_trace()
  local _, code = process.run("command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null")
  return code == 0
end

local started = {}

--- A file with that program.
function M.script_of(program)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write('local net, timers = require("net"), require("net.timers")\n', program)
  file:close()
  return path
end

--- A traced program. What it prints is read as of any process; `calls` then has
--- the system calls it made between its lines "begin" and "end".
local Traced = {}
Traced.__index = Traced

--- `limit` is how many descriptors it may have, or nil.
function M.trace(program, limit, ...)
  local self = setmetatable({ script = M.script_of(program), log = os.tmpname() }, Traced)
  local command = process.lua(self.script, ...)
  if limit then
    command = "sh -c " .. process.quote(("ulimit -Sn %d; exec %s"):format(limit, command))
  end
  self.child = process.spawn(ENV .. ("strace -f -qq -s 64 -o %s %s"):format(self.log, command))
  started[#started + 1] = self
  return self
end

--- The calls as {name, arguments, result}, of the thread that runs Lua.
function Traced:calls()
  local rest, code = self.child:finish()
  assert(code == 0, rest)
  local calls, main, is_on = {}, nil, false
  for line in io.lines(self.log) do
    local pid, name, args, result = line:match("^(%d+)%s+([%w_]+)(%(.*%))%s*=%s*(%-?%w+)")
    main = main or pid
    if name == "write" and args:find('"begin\\n"', 1, true) then
      is_on, calls = true, {}
    elseif name == "write" and args:find('"end\\n"', 1, true) then
      is_on = false
    elseif name and pid == main and is_on then
      calls[#calls + 1] = { name = name, args = args, result = tonumber(result), line = line }
    end
  end
  return calls
end

--- How many calls bear one of the names, and have the text in their arguments.
function M.count(calls, names, text)
  local n = 0
  for _, call in ipairs(calls) do
    if names:find(" " .. call.name .. " ", 1, true)
      and (not text or call.args:find(text, 1, true)) then
      n = n + 1
    end
  end
  return n
end

M.READS = " read readv recv recvfrom recvmsg "
M.WRITES = " write writev send sendto sendmsg "

--- A spec's function, which is pending where system calls cannot be told.
function M.spec(pending, fn)
  return function()
    if not can_trace() then
      pending("strace(1) is not here, or may not trace")
      return
    end
    fn()
  end
end

--- For after_each.
function M.clean()
  for _, s in ipairs(started) do
    s.child:kill()
    os.remove(s.script)
    os.remove(s.log)
  end
  started = {}
end

return M
