-- SPDX-License-Identifier: MIT

--- Programs of others beside a task of the spec's, which goes on while they run.
---
---     local kid <close> = kids.start("openssl s_server -accept 127.0.0.1:0 %s", kids.words("-cert", path))
---     local port = kid:expect("^ACCEPT .*:(%d+)$")
---     kid:say("hello\n")
---     local text, code = kid:finish()
---
--- Both streams come as one. What is still there at the end of the block is killed.

local child = require("net.child")
local co = require("net.co")
local quote = require("spec.support.process").quote

local M = {}

--- Words for the shell.
---@param ... string|number
---@return string
function M.words(...)
  local list = {}
  for i = 1, select("#", ...) do
    list[i] = quote((select(i, ...)))
  end
  return table.concat(list, " ")
end

local Kid = {}
Kid.__index = Kid

--- Has all that it says in `self.said`, whoever reads it when: where nobody has begun to read, what
--- a child has left when it ends is thrown away.
local function listen(self)
  for chunk in self.kid.stdout:chunks() do
    self.said = self.said .. chunk
    self.news:put(true)
  end
  self.over = true
  self.news:put(true)
end

--- Starts a program; the command is `string.format`'s.
---@param command string for the shell; one program, with its arguments
---@return table kid
function M.start(command, ...)
  local kid = child.spawn("exec " .. command:format(...) .. " 2>&1", { shell = true })
  local self = setmetatable({ kid = kid, said = "", news = co.queue() }, Kid)
  kid:once("close", function(code, signal) self.code = code or signal end)
  kid.stdin:on("error", function() end) -- it may end before it has read all
  co.spawn(listen, self)
  return self
end

--- Runs one to its end.
function M.run(...)
  local kid <close> = M.start(...)
  return kid:finish("")
end

--- Waits for the first line that matches: what it captures, or the line. It and what was before it
--- are gone then.
function Kid:expect(pattern)
  local start = 1
  while true do
    local stop = self.said:find("\n", start, true)
    if stop then
      local line = self.said:sub(start, stop - 1)
      if line:find(pattern) then
        self.said = self.said:sub(stop + 1)
        return line:match(pattern)
      end
      start = stop + 1
    elseif self.over then
      error(("no line like %q, but:\n%s"):format(pattern, self.said), 2)
    else
      self.news:get()
    end
  end
end

--- Gives it that to read.
function Kid:say(...)
  self.kid.stdin:send(...)
end

--- Gives it that to read, and the end; waits until it has ended.
---@param last? string nil: it reads on
---@return string output the rest of it
---@return integer|string code the exit code, or the signal
function Kid:finish(last)
  if last then
    self.kid.stdin:finish(last)
  end
  while not self.over do
    self.news:get()
  end
  if not self.code then
    co.await(self.kid, "close")
  end
  return self.said, self.code
end

function Kid:__close()
  if not self.code then
    self.kid:kill("SIGKILL")
    self:finish("")
  end
end

return M
