-- SPDX-License-Identifier: MIT

--- Programs that run beside a spec: living ones, which are read line by line and
--- sent signals, and short ones, of which only the output and the exit code count.
---
--- All run under timeout(1), so that what hangs fails its spec. It hands signals
--- on to the program; once, as it is told to stay in the foreground.

local GUARD = "timeout --foreground -k 5 120 "

local M = {}

--- A word for the shell.
---@param word string|number
---@return string
function M.quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

--- The command that runs a Lua script of the tree with these arguments.
---@param script string
---@param ... string|number
---@return string command for the shell
function M.lua(script, ...)
  local words = { "env", "LUA_PATH=" .. M.quote(package.path),
    "LUA_CPATH=" .. M.quote(package.cpath), M.quote(os.getenv("LUA") or "lua5.4"),
    M.quote(script) }
  for i = 1, select("#", ...) do
    words[#words + 1] = M.quote((select(i, ...)))
  end
  return table.concat(words, " ")
end

--- Runs a shell command to its end.
---@param command string
---@return string output
---@return integer code the exit code
function M.run(command)
  local pipe = assert(io.popen(GUARD .. "sh -c " .. M.quote(command)))
  local output = pipe:read("a")
  local _, _, code = pipe:close()
  return output, code
end

local Process = {}
Process.__index = Process

--- Starts a command, whose standard output and error can be read.
---@param command string for the shell; one program, with its arguments
---@return table process
function M.spawn(command)
  local pipe = assert(io.popen("exec 2>&1; echo $$; exec $(command -v setsid) " .. GUARD .. command))
  return setmetatable({ pipe = pipe, pid = pipe:read("n", "l") }, Process)
end

--- The next line, or nil at the end of the output.
function Process:line()
  return self.pipe:read("l")
end

--- Reads up to the first line that matches, and returns what it captures, or the
--- line.
function Process:expect(pattern)
  local seen = {}
  for line in self.pipe:lines() do
    if line:find(pattern) then
      return line:match(pattern)
    end
    seen[#seen + 1] = line
  end
  error(("no line like %q, but:\n%s"):format(pattern, table.concat(seen, "\n")), 2)
end

--- Sends a signal, by its name without SIG.
function Process:signal(name)
  assert(os.execute(("kill -%s %d"):format(name, self.pid)))
end

--- The rest of the output, when the process has ended, and its exit code.
---@return string rest
---@return integer code
function Process:finish()
  local rest = self.pipe:read("a")
  local _, _, code = self.pipe:close()
  self.pipe = nil
  return rest, code
end

--- For `after_each`: ends what a failed spec has left. The program is a group with its
--- timeout(1), which forgets it if the signal comes just when it has started it.
function Process:kill()
  if self.pipe then
    assert(os.execute(("kill -TERM -%d 2>/dev/null || kill -TERM %d"):format(self.pid, self.pid)))
    self:finish()
  end
end

return M
