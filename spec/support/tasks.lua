-- SPDX-License-Identifier: MIT

--- What the specs of tasks share.

local co = require("net.co")
local process = require("net.process")

local M = {}

local function close_yields()
  return coroutine.wrap(function()
    local _ <close> = setmetatable({}, { __close = coroutine.yield })
  end)() ~= nil
end

--- May a to-be-closed variable wait while it is closed? Before Lua 5.4.3 none may.
M.CLOSE_WAITS = pcall(close_yields)

--- The error that a function raises.
---@param fn function
---@param ... any
---@return any err
function M.raised(fn, ...)
  local ok, err = pcall(fn, ...)
  assert(not ok, "nothing was raised")
  return err
end

--- Waits until it is interrupted.
function M.forever()
  return co.suspend(function() end)
end

--- The warnings of a spec, without their lines on stderr: a list that grows.
---@param t table of `within`
---@return table[] warnings
function M.warnings(t)
  local list, quiet = {}, process.noWarnings
  local function note(warning) list[#list + 1] = warning end
  process.noWarnings = true
  process:on("warning", note)
  t.finally(function()
    process:off("warning", note)
    process.noWarnings = quiet
  end)
  return list
end

--- A value that logs when it is closed.
---@param t table of `within`
---@param name string
---@return table
function M.closable(t, name)
  return setmetatable({ name = name }, {
    __close = function() t.log("closed", name) end,
  })
end

return M
