-- SPDX-License-Identifier: MIT

--- One contestant in one scenario: made ready, and measured in many rounds.
--
-- measure[kind](contestant, scenario, times) starts what serves these rounds, and
-- returns {run, close}: `run()` is one measurement, a table of figures.

local tool = require("tool")

local measure = {}

--- Starts a contestant's server, and what stands behind it.
local function serve(contestant, program, unix)
  local command, backend = contestant.command, nil
  if program == "proxy" then
    backend = tool.start(tool.out .. "/bare echo 0", "0", tool.load_pin)
    command = command:find("{address}", 1, true) and command .. " " .. backend.address
      or command:find("/proxy ", 1, true) and ("%s 0 %s"):format(command, backend.address)
      or ("%s proxy 0 %s"):format(command, backend.address)
  end
  local address = unix and tool.socket_path() or "0"
  if contestant.load then
    command = command:gsub("{scenario}", program)
  elseif not backend then
    command = ("%s %s '%s'"):format(command, program, address)
  end
  local server = tool.start(command, address, tool.server_pin)
  server.load, server.asks = contestant.load, contestant.asks and contestant.asks[program]
  if contestant.command:find("{address}", 1, true) then
    tool.await(server)
  end
  return server, function()
    server.stop()
    if backend then
      backend.stop()
    end
    if unix then
      os.remove(address)
    end
  end
end

--- Drives a server for a time: `stolen` is the part that the host took meanwhile.
local function drive(server, load_as, options, warm, seconds)
  local stolen = tool.watch_host()
  local f = tool.load(server, load_as, ("-w%g -t%g %s"):format(warm, seconds, options))
  f.stolen = stolen()
  f.cost = f.server_cpu / f.done
  f.server_busy = f.server_cpu / f.seconds / 1e9
  f.load_busy = f.load_cpu / f.seconds / 1e9
  return f
end

--- A server that is driven in rounds.
function measure.ratio(contestant, s, times)
  local server, close = serve(contestant, s.program, s.unix)
  local load_as = s.load_as or s.program
  drive(server, load_as, s.load, 0, contestant.compiles and times.compiled or times.first)
  return {
    run = function() return drive(server, load_as, s.load, times.warm, times.seconds) end,
    close = close,
  }
end

measure.cost, measure.speed = measure.ratio, measure.ratio

--- The figures with it, and `over`: what they cost over those without it, in %. The
--- difference of two figures needs more time to be seen; and before it is, the
--- server has to be done with accepting the thousand.
function measure.over(contestant, s, times)
  local plain, close_plain = serve(contestant, s.without[1])
  local server, close = serve(contestant, s.with[1])
  drive(plain, "echo", s.without[2], 0, times.compiled)
  drive(server, "echo", s.with[2], 0, times.compiled)
  return {
    run = function()
      local a = drive(plain, "echo", s.without[2], times.long / 2, times.long)
      local b = drive(server, "echo", s.with[2], times.long / 2, times.long)
      b.over = (b.cost / a.cost - 1) * 100
      b.stolen = math.max(a.stolen, b.stolen)
      return b
    end,
    close = function()
      close_plain()
      close()
    end,
  }
end

local function nothing() end

--- A hundred connections come and go first, so that code and buffers are there.
function measure.memory(contestant, s)
  local count = s.limits[contestant.key] or s.count
  local function run()
    local server, close = serve(contestant, "hold")
    tool.load(server, "hold", "-i100")
    local f = tool.load(server, "hold", "-i" .. count)
    close()
    f.kib = (f.rss - f.before) / f.done
    return f
  end
  return { run = run, close = nothing }
end

function measure.start(contestant, _, times)
  local command = ("%s%s/starts %d %s echo 0"):format(
    tool.server_pin, tool.out, times.starts, contestant.command)
  return { run = function() return { ms = tonumber(tool.shell(command)) } end, close = nothing }
end

--- A program that needs no load, or starts it itself: it prints the CPU time of a unit of
--- work, in ns, how many units it did in a second, and, if it has them, what part of a core
--- its load took, and the KiB that were resident.
function measure.work(contestant, s, times)
  local command = ("%s%s %s %g"):format(s.alone and tool.server_pin or "",
    contestant.work[s.program], s.load, times.seconds)
  local function run()
    local stolen = tool.watch_host()
    local cost, rate, load, rss = tool.shell(command):match("^(%S+) (%S+) ?(%S*) ?(%S*)")
    return { cost = tonumber(cost), done = tonumber(rate), seconds = 1, stolen = stolen(),
      load_busy = tonumber(load), rss = tonumber(rss) }
  end
  return { run = run, close = nothing }
end

return measure
