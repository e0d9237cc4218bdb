-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.except - LuaSocket's try, newtry and protect.
--
-- What `try` raises is a table of ours around the error, which `protect` alone unwraps. All
-- else passes through, the errors of cancels and timeouts too, with its traceback.

local core = require("net.core")
require("net.internal.lazy") -- by which the core knows errors
local words = require("net.internal.luasocket.words")

local tasks = core.open_tasks()

local except = {}

local Raised = { __metatable = false }
local raised = setmetatable({}, { __mode = "k" }) -- the tables that `try` has raised

local function nothing() end

--- newtry([finalizer]) -> a function that returns its arguments, or calls the finalizer and
--- raises the second one if the first is nil or false.
function except.newtry(finalizer)
  finalizer = finalizer or nothing
  return function(...)
    if ... then
      return ...
    end
    finalizer()
    local wrapped = setmetatable({ (select(2, ...)) }, Raised)
    raised[wrapped] = true
    error(wrapped, 0)
  end
end

except.try = except.newtry()

local function unwrap(ok, ...)
  if ok then
    return ...
  end
  local err = ...
  if type(err) == "table" and raised[err] then
    return nil, err[1]
  end
  tasks.rethrow(err)
end

--- protect(fn) -> a function that calls it, and gives nil and the error where it has raised
--- one by `try`.
function except.protect(fn)
  return function(...)
    return unwrap(tasks.pcall(fn, ...))
  end
end

--- skip(n, ...) -> what is behind the first n
function except.skip(n, ...)
  n = words.integer(n, 1, "skip")
  if n < 0 then
    return n, ...
  end
  return select(n + 1, ...)
end

return except
