-- SPDX-License-Identifier: MIT

--- What the specs share: `within`, which runs a spec beside the loop and then
--- demands that nothing is left of it.
---
---     it("does what it says", within(function(t)
---       server:once("close", t.calls(1))
---       t.run()
---     end))
---
--- Afterwards each counted callback has run as often as promised, nothing holds
--- the loop, and the process has as many open descriptors as before. An error in
--- a listener fails the spec with its traceback. The guard timer can only fail a
--- spec; NET_SPEC_GUARD is its length in seconds.

local core = require("net.core")
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local lfs = require("lfs")

local M = {}

local GUARD = tonumber(os.getenv("NET_SPEC_GUARD")) or 10 -- seconds

-- Descriptors

local FD_DIR = lfs.attributes("/proc/self/fd") and "/proc/self/fd" or "/dev/fd"

--- The open descriptors: number -> what it is, as far as the system tells.
function M.descriptors()
  local open = {}
  for name in lfs.dir(FD_DIR) do
    local path = FD_DIR .. "/" .. name
    local mode = tonumber(name) and lfs.attributes(path, "mode")
    if mode and mode ~= "directory" then -- that is the one being listed
      open[tonumber(name)] = lfs.symlinkattributes(path, "target") or "?"
    end
  end
  return open
end

--- Whether libev has epoll, and was not told otherwise (LIBEV_FLAGS=1: select): only
--- that has descriptors in the order in which they became ready.
function M.has_epoll()
  for _, what in pairs(M.descriptors()) do
    if what:find("eventpoll", 1, true) then
      return true
    end
  end
  return false
end

--- libev makes its pipe with the first signal; that one is not a leak.
local function warm_up()
  local function listener() end
  process:on("SIGUSR2", listener)
  process:off("SIGUSR2", listener)
end

local function opened_since(before)
  collectgarbage()
  collectgarbage()
  local names = {}
  for fd, what in pairs(M.descriptors()) do
    -- The C library's resolver reads what is in /etc; what has no name has been closed meanwhile.
    if not before[fd] and not what:find("^/etc/") and what ~= "?" then
      names[#names + 1] = fd .. " " .. what
    end
  end
  table.sort(names)
  return names
end

-- One run of a spec

local function where(level)
  local info = debug.getinfo(level + 1, "Sl")
  return info.short_src .. ":" .. info.currentline
end

local Run = {}
Run.__index = Run

function Run:problem(text)
  self.problems[#self.problems + 1] = text
end

--- A callback that must be called `n` times, and hands its arguments to `fn`.
local function counted(run, n, fn, place)
  local promise = { n = n, got = 0, place = place }
  run.promises[#run.promises + 1] = promise
  return function(...)
    promise.got = promise.got + 1
    if promise.got > n then
      local text = ("%s: called %d times, not %d"):format(place, promise.got, n)
      run:problem(text)
      error(text, 2)
    end
    if fn then
      return fn(...)
    end
  end
end

local function new_directory()
  local path = os.tmpname()
  os.remove(path)
  assert(lfs.mkdir(path))
  return path
end

local function remove_directory(path)
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then
      os.remove(path .. "/" .. name)
    end
  end
  lfs.rmdir(path)
end

--- What a spec gets.
local function tools(run)
  local t = { lines = {} }

  --- A callback that must be called exactly `n` times.
  function t.calls(n, fn)
    return counted(run, n, fn, where(2))
  end

  --- A callback that must not be called.
  function t.never()
    return counted(run, 0, nil, where(2))
  end

  --- Runs the loop until nothing holds it, or net.stop().
  function t.run()
    return net.run()
  end

  --- Notes a line; `t.lines` has them all.
  function t.log(...)
    local words = table.pack(...)
    for i = 1, words.n do
      words[i] = tostring(words[i])
    end
    t.lines[#t.lines + 1] = table.concat(words, " ")
  end

  --- A directory of this spec's own, removed with its files afterwards.
  function t.tmpdir()
    run.directory = run.directory or new_directory()
    return run.directory
  end

  --- A path that nothing has, in that directory.
  function t.tmpname(suffix)
    run.names = (run.names or 0) + 1
    return t.tmpdir() .. "/" .. run.names .. (suffix or "")
  end

  --- Has `fn` called at the end, whatever happens.
  function t.finally(fn)
    table.insert(run.finally, 1, fn)
  end

  return t
end

--- Closes what a failed spec has left, so that the next one starts clean.
local function sweep()
  for key, value in pairs(debug.getregistry()) do
    if math.type(key) == "integer" and type(value) == "userdata" then
      local ours = (getmetatable(value) or {}).__index and value
      pcall(function()
        return (ours.destroy or ours.close)(ours)
      end)
    end
  end
  pcall(net.run, "nowait")
  pcall(net.run, "nowait")
end

local function check(run)
  for _, promise in ipairs(run.promises) do
    if promise.got < promise.n then
      run:problem(("%s: called %d times, not %d"):format(promise.place, promise.got, promise.n))
    end
  end
  local refs, anchored = core.alive()
  if refs ~= run.refs or anchored ~= run.anchored then
    run:problem(("still alive: %d references, %d objects"):format(
      refs - run.refs, anchored - run.anchored))
  end
  for _, name in ipairs(opened_since(run.descriptors)) do
    run:problem("still open: descriptor " .. name)
  end
end

--- A failure of an assertion stays as it is, for busted; other errors become
--- text with the traceback of where they were raised.
local function with_trace(err)
  if type((getmetatable(err) or {}).__type) == "string" then
    return err
  end
  local trace = net.traceback(err) or (type(err) == "table" and rawget(err, "stack"))
  return trace or debug.traceback(tostring(err), 2)
end

local function start_guard(run)
  local guard = timers.setTimeout(function()
    error(("still running after %g s; called so far: %s"):format(GUARD, run:progress()), 0)
  end, GUARD * 1000)
  return guard:unref()
end

function Run:progress()
  local list = {}
  for _, promise in ipairs(self.promises) do
    list[#list + 1] = ("%s %d/%d"):format(promise.place, promise.got, promise.n)
  end
  return table.concat(list, ", ")
end

local function finish(run)
  for _, fn in ipairs(run.finally) do
    fn()
  end
  if run.directory then
    remove_directory(run.directory)
  end
end

--- What an object has in those fields, as a list.
---@param object table
---@param ... string
---@return table
function M.fields(object, ...)
  local list = {}
  for i, name in ipairs { ... } do
    list[i] = object[name]
  end
  return list
end

--- Makes the function that `it` takes of one that takes `t`.
---@param fn fun(t: table)
---@return fun()
function M.within(fn)
  return function()
    warm_up()
    local run = setmetatable({ promises = {}, problems = {}, finally = {} }, Run)
    run.descriptors = M.descriptors()
    run.refs, run.anchored = core.alive()
    local guard = start_guard(run)
    local ok, err = xpcall(function()
      fn(tools(run))
      net.run() -- what is left, as close events
    end, with_trace)
    guard:close()
    finish(run)
    if ok then
      check(run)
    end
    if not ok or #run.problems > 0 then
      sweep()
    end
    if not ok then
      error(err, 0)
    elseif #run.problems > 0 then
      error(table.concat(run.problems, "\n"), 0)
    end
  end
end

return M
