-- SPDX-License-Identifier: MIT

--- net.internal.onabort - what ends when a signal aborts.
--
-- The listeners of the library on an AbortSignal. As everywhere they are hidden: a
-- program that counts the listeners of its signal finds its own. A signal that is not
-- of net.abort, but has an `addEventListener` of its own, knows of no hidden ones, and
-- is asked by its methods. Whether a signal has aborted already is for who calls to
-- see: each has its own answer to that.

local core = require("net.core")

local onabort = {}

local ONCE = { once = true }

local function is_foreign(signal)
  return type(signal.addEventListener) == "function" and core.events(signal) == nil
end

--- Has `fn` called when the signal aborts.
---@param signal table
---@param fn fun()
function onabort.listen(signal, fn)
  if is_foreign(signal) then
    signal:addEventListener("abort", fn, ONCE)
  else
    core.listen_hidden(signal, "abort", fn, "once")
  end
end

--- Takes it back, if it has not been called.
---@param signal table
---@param fn fun()
function onabort.unlisten(signal, fn)
  if is_foreign(signal) then
    signal:removeEventListener("abort", fn)
  else
    core.unlisten(signal, "abort", fn)
  end
end

--- Has `fn` called when the signal aborts, if `owner`, a socket or a server, has not
--- emitted "close" before. The signal's listener comes last: where memory runs out, the
--- signal does not hold an owner that nobody has.
---@param owner table|userdata
---@param signal table
---@param fn fun()
function onabort.follow(owner, signal, fn)
  core.listen_hidden(owner, "close", function() onabort.unlisten(signal, fn) end, "once")
  onabort.listen(signal, fn)
end

local unfinished_metatable = {
  __close = function(made)
    if made.socket then
      made.socket:destroy()
    end
  end,
}

--- For who makes a socket that follows a signal, to be closed at the end: what is its
--- `socket` then is destroyed. A signal knows its socket also if connecting that raises,
--- and an abort later on would be an error of a socket that nobody has.
---@return table made
function onabort.unfinished()
  return setmetatable({ socket = false }, unfinished_metatable)
end

return onabort
