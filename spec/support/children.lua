-- SPDX-License-Identifier: MIT

--- What the specs of child processes share: what a kid's events say, in order, and what
--- its pipes have brought.

local child = require("net.child")

local M = {}

local KID = { "spawn", "message", "disconnect", "exit", "close" }
local PIPE = { "end", "close" }

local function words(...)
  local list = table.pack(...)
  for i = 1, list.n do
    list[i] = tostring(list[i])
  end
  return table.concat(list, " ", 1, list.n)
end

--- Writes down the events of a kid and of its stdout and stderr; "error" as its text.
---@param kid net.ChildProcess
---@param log? string[] to go on with
---@return string[] log
function M.watch(kid, log)
  log = log or {}
  for _, event in ipairs(KID) do
    kid:on(event, function(...)
      log[#log + 1] = (event .. " " .. words(...)):gsub(" +$", "")
    end)
  end
  kid:on("error", function(err) log[#log + 1] = "error " .. tostring(err) end)
  return log
end

--- The same of a pipe, under a name.
function M.watch_pipe(pipe, name, log)
  for _, event in ipairs(PIPE) do
    pipe:on(event, function() log[#log + 1] = name .. " " .. event end)
  end
  return log
end

--- Gathers what a pipe brings; `got.text` has it at its end.
function M.gather(pipe)
  local got, parts = {}, {}
  pipe:on("data", function(chunk) parts[#parts + 1] = chunk end)
  pipe:on("end", function() got.text = table.concat(parts) end)
  return got
end

--- Starts `sh -c script`, and gathers what it prints: kid, out, err.
function M.sh(script, options)
  local kid = child.spawn("sh", { "-c", script }, options)
  local out = kid.stdout and M.gather(kid.stdout)
  return kid, out, kid.stderr and M.gather(kid.stderr)
end

--- Whether a process of that number is there, also as a zombie.
function M.exists(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  return file ~= nil
end

return M
