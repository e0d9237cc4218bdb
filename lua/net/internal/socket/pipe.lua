-- SPDX-License-Identifier: MIT

--- net.internal.socket.pipe - pipe and unpipe.
---
--- The destination is a socket or any emitter with `write` and `finish` (or
--- `["end"]`). The listeners that hold a pipe together are hidden: nobody's
--- listenerCount sees them. Where several destinations are slow the source waits
--- for all of them.
---
--- Between two sockets the core moves the bytes itself (src/stream/pump.c), as long as
--- nobody else listens to 'data': then our listener hears only of chunks after
--- which the destination is slow.

local core = require("net.core")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")

local stream = core.stream
local methods = core.Socket.methods
local WRITTEN = stream.written

--- Listens without being seen, if the emitter is one of ours.
local function listen(emitter, event, fn, kind, pump)
  if emitter.on == methods.on then
    core.listen_hidden(emitter, event, fn, kind, pump)
  elseif kind == "once" then
    emitter:once(event, fn)
  elseif kind == "first" then
    emitter:prependListener(event, fn)
  else
    emitter:on(event, fn)
  end
end

local function unlisten(emitter, event, fn)
  if emitter.on == methods.on then
    core.unlisten(emitter, event, fn)
  else
    emitter:off(event, fn)
  end
end

--- Does anybody at all, hidden or not, listen to the event?
local function is_listened(emitter, event)
  if emitter.on ~= methods.on then
    return emitter:listenerCount(event) > 0
  end
  return core.listens(emitter, event)
end

--- Raises unless `dest` can be listened to.
local function check_dest(dest)
  local kind = type(dest)
  if not (kind == "table" or kind == "userdata") or dest.on == nil then
    errors.raise("ERR_INVALID_ARG_TYPE", 3, "dest", "an instance of Stream", dest)
  end
end

local function finish(dest)
  local method = dest.finish or dest["end"]
  method(dest)
end

--- The pipes of a source: a list of destinations, the set of slow ones, and `several`
--- once there were two, until a single one is slow: then each that goes has the source
--- resume, as Node's set of slow ones counts although it is empty.
local function pipes_of(src)
  local private = stream.private(src)
  private.pipes = private.pipes or { waiting = {} }
  return private.pipes
end

local function index_of(list, value)
  for i, v in ipairs(list) do
    if v == value then
      return i
    end
  end
end

--- One write of the pipe; an exception out of a `write` that is not ours
--- destroys the destination. Ours raises for want of memory only: then bytes are
--- missing, and the source fails.
local function write(src, dest, chunk)
  local ok, result = pcall(dest.write, dest, chunk)
  if ok then
    return result
  elseif dest.write == methods.write then
    stream.lost(src)
    error(result, 0)
  end
  dest:destroy(result)
  return true
end

--- Sends what arrives to `dest`, as fast as it takes it; at 'end' `dest` is
--- ended too.
---@param dest net.Socket|table anything with write, finish and events
---@param options? {end: boolean} `{["end"] = false}` leaves `dest` open
---@return net.Socket|table dest
function methods:pipe(dest, options)
  stream.check_free(self) -- first: with a dot for the colon, dest is not the first argument
  check_dest(dest)
  local src, pipes = self, pipes_of(self)
  local ends = not (type(options) == "table" and options["end"] == false)
  local listeners, awaits_drain, is_clean, is_whole = {}, false, false, false

  local function add(emitter, event, kind, fn, pump)
    listeners[#listeners + 1] = { emitter, event, fn }
    listen(emitter, event, fn, kind, pump)
  end

  local function unpipe()
    src:unpipe(dest)
  end

  local function on_drain()
    pipes.waiting[dest] = nil
    if not next(pipes.waiting) and is_listened(src, "data") then
      src:resume()
    end
  end

  --- What may raise comes first: a source that is paused has somebody to resume it.
  local function wait_for_drain()
    if not awaits_drain then
      add(dest, "drain", "keep", on_drain)
      awaits_drain = true
    end
    if not is_clean then
      pipes.several = pipes.several and #pipes > 1
      pipes.waiting[dest] = true
      src:pause()
    end
  end

  local function clean_up()
    is_clean = true
    for _, l in ipairs(listeners) do
      unlisten(l[1], l[2], l[3])
    end
    if awaits_drain and (pipes.several or pipes.waiting[dest]) then
      on_drain()
    end
  end

  local function on_data(chunk)
    if chunk == WRITTEN or write(src, dest, chunk) == false then
      wait_for_drain()
    end
  end

  local function on_end()
    if not is_whole then
      return
    elseif ends then
      finish(dest)
    else
      unpipe()
    end
  end

  --- Goes itself, as what unpipe cleans up is the oldest of several pipes to `dest`.
  local function on_error(err)
    unpipe()
    unlisten(dest, "error", on_error)
    if not is_listened(dest, "error") then
      dest:emit("error", err)
    end
  end

  local function add_all()
    if src.readableEnded then
      core.tick(on_end)  -- before that of "resume"
    else
      add(src, "end", "once", on_end)
    end
    add(dest, "unpipe", "keep", function(source, info)
      if source == src and info and not info.hasUnpiped then
        info.hasUnpiped = true
        clean_up()
      end
    end)
    add(dest, "error", "first", on_error)
    add(dest, "close", "once", unpipe)
    add(dest, "finish", "once", unpipe)
    pipes.several = pipes.several or #pipes == 1
    pipes[#pipes + 1] = dest
    add(src, "data", "keep", on_data, stream.is(dest) and dest or nil)
  end

  -- Should one of these raise, for want of memory, none is left, and what moves the bytes
  -- comes last. Behind the pcall only functions of C are called: there is room for one.
  local ok, err = pcall(add_all)
  if not ok then
    for _, l in ipairs(listeners) do
      if l[1].on == methods.on then
        core.forget(l[1], l[2], l[3])
      else
        pcall(unlisten, l[1], l[2], l[3])
      end
    end
    if pipes[#pipes] == dest then
      pipes[#pipes] = nil
    end
    error(err, 0)
  end
  is_whole = true

  dest:emit("pipe", src)
  if dest.writableNeedDrain then
    wait_for_drain()
  elseif not src.readableFlowing then
    src:resume()
  end
  return dest
end

--- Ends the pipe to `dest`, or all pipes; the source is paused after its last.
---@param dest? net.Socket|table
---@return net.Socket self
function methods:unpipe(dest)
  local pipes = pipes_of(self)
  if dest == nil then
    local all = table.move(pipes, 1, #pipes, 1, {})
    for i = #pipes, 1, -1 do
      pipes[i] = nil
    end
    if #all > 0 then
      self:pause()
    end
    for _, d in ipairs(all) do
      d:emit("unpipe", self, { hasUnpiped = false })
    end
    return self
  end
  local i = index_of(pipes, dest)
  if i then
    table.remove(pipes, i)
    if #pipes == 0 then
      self:pause()
    end
    dest:emit("unpipe", self, { hasUnpiped = false })
  end
  return self
end
