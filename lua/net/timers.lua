-- SPDX-License-Identifier: MIT

--- net.timers - functions that the loop calls later.
--
-- The objects, their heap and their methods (`ref`, `unref`, `hasRef`,
-- `refresh`, `close`) are src/loop/timeout.c's; here are Node's rules for arguments.
-- Times are in milliseconds. A timer never fires early by the monotonic clock
-- of whole milliseconds, and those due at once run in the order of starting.

local core = require("net.core")
local args = require("net.internal.args")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")

local inspect = lazy.module("net.internal.inspect")

local MAX = 2147483647 -- milliseconds, about 24.8 days

local timers = {}

local new_timeout, new_immediate = core.timeout.new, core.immediate.new

local warned = {} -- kinds of warning that come only once

local function warn(kind, ms, text)
  if warned[kind] then
    return
  end
  warned[kind] = kind ~= "TimeoutOverflowWarning"
  require("net.process").emitWarning(
    inspect.number(ms) .. text .. ".\nTimeout duration was set to 1.", kind)
end

--- The duration that Node makes of its argument: whole, 1 to 2^31-1.
local function duration(ms)
  if ms == nil then
    return 1
  end
  ms = args.tonumber_js(ms)
  if ms >= 1 and ms <= MAX then
    return ms // 1 | 0
  elseif ms > MAX then
    warn("TimeoutOverflowWarning", ms, " does not fit into a 32-bit signed integer")
  elseif ms < 0 then
    warn("TimeoutNegativeWarning", ms, " is a negative number")
  elseif ms ~= ms then
    warn("TimeoutNaNWarning", ms, " is not a number")
  end
  return 1
end

core.timeout.duration = duration

--- Calls `fn(...)` once, after `ms`.
---@param fn function
---@param ms? number milliseconds, at least 1; 1 if it makes no sense
---@param ... any arguments of `fn`
---@return net.Timeout
function timers.setTimeout(fn, ms, ...)
  validate.func(fn, "callback")
  return new_timeout(fn, duration(ms), false, ...)
end

--- Calls `fn(...)` every `ms`, counted from the start of the last call.
---@param fn function
---@param ms? number milliseconds, at least 1; 1 if it makes no sense
---@param ... any arguments of `fn`
---@return net.Timeout
function timers.setInterval(fn, ms, ...)
  validate.func(fn, "callback")
  return new_timeout(fn, duration(ms), true, ...)
end

--- Calls `fn(...)` once, in this turn of the loop after what there is to read.
---@param fn function
---@param ... any arguments of `fn`
---@return net.Immediate
function timers.setImmediate(fn, ...)
  validate.func(fn, "callback")
  return new_immediate(fn, ...)
end

--- Ends a timer for good. Anything else is ignored, as in Node.
---@type fun(timeout: any)
timers.clearTimeout = core.timeout.clear

---@type fun(timeout: any)
timers.clearInterval = core.timeout.clear

---@type fun(immediate: any)
timers.clearImmediate = core.immediate.clear

return timers
