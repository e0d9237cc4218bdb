-- SPDX-License-Identifier: MIT

--- Runs the scenarios under this module: the Lua counterpart of runner.js.
--
--     lua5.4 runner.lua [--out DIR] [--only WORDS] [--seat server|client] [THEME ...]
--     lua5.4 runner.lua --batch FILE
--
-- Without --out the logs go to stdout, as do those of a batch, which is a file of
-- scenarios anywhere: each when it ends, so that a crash leaves those before it.
-- With a seat only that side of scenarios of TLS is run: see tls.lua.
-- parity_spec.lua uses this file as a library.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
package.path = here .. "../../?.lua;" .. package.path

local net = require("net")
local events = require("net.events")
local timers = require("net.timers")
local process = require("net.process")
local parse = require("spec.parity.parse")
local interpret = require("spec.parity.interpret")
local builtins = require("spec.parity.builtins")
local seats = require("spec.parity.tls")

local runner = {}

--- Milliseconds: longer than any scenario takes, even on a busy machine.
local GUARD_MS = tonumber(os.getenv("PARITY_GUARD") or 15000)

local DEFAULT_ATTEMPT_TIMEOUT = net.getDefaultAutoSelectFamilyAttemptTimeout()

-- A listener in another process that never accepts, its queue full: SYNs vanish.
local hole = {}

--- What the other process runs. It reads until we close its end of the pipe.
local HOLE = [[
local net = require("net")
local s = net.createServer()
s:listen({ port = 0, host = "127.0.0.1", backlog = 1 }, function()
  local f = assert(io.open("%s", "w"))
  f:write(s:address().port, "\n")
  f:close()
  io.read("a")
  os.exit(true)
end)
net.run()
]]

local function fill(port)
  for _ = 1, 2 do
    local filler = net.connect(port, "127.0.0.1")
    filler:on("connect", function() filler:destroy() end)
    net.run()
  end
end

local function lua_command()
  local i = -1
  while arg and arg[i - 1] do i = i - 1 end
  return os.getenv("LUA") or (arg and arg[i] and arg[i]:match("lua[%d.]*$") and arg[i]) or "lua5.4"
end

local function open_hole()
  local fifo, script = os.tmpname(), os.tmpname()
  os.remove(fifo)
  assert(os.execute("mkfifo " .. fifo))
  local f = assert(io.open(script, "w"))
  f:write(HOLE:format(fifo)):close()
  hole.process = assert(io.popen(lua_command() .. " " .. script, "w"))
  f = assert(io.open(fifo))
  hole.port = f:read("n")
  f:close()
  os.remove(fifo)
  os.remove(script)
  fill(hole.port)
end

local function blackhole(w)
  if not hole.port then open_hole() end
  w.ports[hole.port] = "hole"
  return hole.port
end

--- Lets the helper process go.
function runner.close()
  if hole.process then hole.process:close() end
  hole = {}
end

local function close_handles(w)
  for handle in pairs(w.handles) do
    if not net.isServer(handle) then
      handle:destroy()
    elseif handle.listening then
      handle:close()
    end
  end
end

local function guard(w)
  interpret.log(w, "!!", "guard", "guard: did not end by itself")
  w.stopped = true
  close_handles(w)
end

--- Runs the loop empty; what comes out of it goes to the log, as in Node's
--- 'uncaughtException', and the loop goes on.
local function drain(w)
  for _ = 1, 1000 do
    local ok, err = pcall(net.run)
    if ok then return end
    interpret.log_event(w, w.uncaught, "uncaught", { n = 1, err })
  end
  interpret.log(w, "!!", "uncaught", "uncaught errors without end")
end

local function log_lines(w)
  local names, lines = {}, {}
  for name in pairs(w.logs) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    for _, line in ipairs(w.logs[name]) do lines[#lines + 1] = name .. ": " .. line end
  end
  return lines
end

local function clean_up(w)
  for _, waiter in ipairs(w.waiting) do
    interpret.log(w, "!!", "never", "never: " .. waiter.what)
  end
  w.waiting, w.stopped = {}, true
  local lines = log_lines(w)
  close_handles(w)
  pcall(net.run)
  for path in pairs(w.paths) do os.remove(path) end
  net.setDefaultAutoSelectFamily(true)
  net.setDefaultAutoSelectFamilyAttemptTimeout(DEFAULT_ATTEMPT_TIMEOUT)
  events.setMaxListeners(10)
  return lines
end

--- Runs one scenario to its end.
---@param scenario table as parse.lua gives it
---@param listening? boolean take uncaught errors with a process listener
---@param seat? string the side that this process has, "server" or "client"; nil: both
---@param index? integer the scenario's number, where there are seats
---@return string[] lines its log, "OBJECT: what happened", objects in order of name
function runner.run(scenario, listening, seat, index)
  local tmp = os.tmpname()
  local w = interpret.world(tmp, scenario.marks.global ~= nil)
  w.paths[tmp] = true
  builtins.install(w, blackhole)
  seats.install(w, scenario, seat, index)
  if scenario.marks.blackhole then blackhole(w) end
  local function caught(err) interpret.log_event(w, w.uncaught, "uncaught", { n = 1, err }) end
  if listening then process:on("uncaughtException", caught) end
  local timer = timers.setTimeout(guard, GUARD_MS, w)
  timer:unref()
  local ok, err = pcall(interpret.start, w, scenario.body)
  if not ok then caught(err) end
  drain(w)
  timers.clearTimeout(timer)
  seats.finish(w)
  if listening then process:removeListener("uncaughtException", caught) end
  return clean_up(w)
end

--- The names of the scenario files, sorted, without directory or ending.
function runner.themes()
  local found = {}
  local list = assert(io.popen("ls '" .. here .. "scenarios'"))
  for name in list:lines() do found[#found + 1] = name:match("^(.+)%.par$") end
  list:close()
  return found
end

--- The parsed scenarios of a theme.
function runner.scenarios(theme) return parse.file(here .. "scenarios/" .. theme .. ".par") end

--- Where this directory is, with a slash.
runner.here = here

local function options(words)
  local found, i = { themes = {} }, 1
  while words[i] do
    local name = words[i]:match("^%-%-(%a+)$")
    if name then
      found[name] = words[i + 1]
      i = i + 2
    else
      found.themes[#found.themes + 1] = words[i]
      i = i + 1
    end
  end
  if #found.themes == 0 then found.themes = runner.themes() end
  return found
end

local count = 0

local function write_scenario(out, scenario, seat)
  count = count + 1
  out:write("== ", scenario.title, "\n")
  for _, line in ipairs(runner.run(scenario, false, seat, count)) do out:write(line, "\n") end
  out:write("\n"):flush()
end

local function write_theme(theme, chosen)
  local out = chosen.out and assert(io.open(chosen.out .. "/" .. theme .. ".log", "w")) or io.stdout
  for _, scenario in ipairs(runner.scenarios(theme)) do
    if not chosen.only or scenario.title:find(chosen.only, 1, true) then
      write_scenario(out, scenario, chosen.seat)
    end
  end
  if chosen.out then out:close() end
end

--- One line for each, whatever a text holds.
local function write_batched(scenario)
  io.write("== ", scenario.title, "\n")
  for _, line in ipairs(runner.run(scenario)) do io.write((line:gsub("\n", "\\n")), "\n") end
  io.write("\n"):flush()
end

local function main(chosen)
  if chosen.batch then
    for _, scenario in ipairs(parse.file(chosen.batch)) do write_batched(scenario) end
  else
    for _, theme in ipairs(chosen.themes) do write_theme(theme, chosen) end
  end
  runner.close()
end

if arg and arg[0] and arg[0]:match("runner%.lua$") then main(options(arg)) end

return runner
