-- SPDX-License-Identifier: MIT

--- One measurement of one contestant in one scenario.

local tool = require("tool")

local measure = {}

--- Starts a contestant's server, and what stands behind it; calls `use` with it.
local function with_server(contestant, program, unix, use)
  local command, backend = contestant.command, nil
  if program == "proxy" then
    backend = tool.start(tool.out .. "/bare echo 0", "0", tool.load_pin)
    command = command:find("{address}", 1, true) and command .. " " .. backend.address
      or command:find("/proxy ", 1, true) and ("%s 0 %s"):format(command, backend.address)
      or ("%s proxy 0 %s"):format(command, backend.address)
  end
  local address = unix and tool.socket_path() or "0"
  if not backend then
    command = ("%s %s '%s'"):format(command, program, address)
  end
  local server = tool.start(command, address, tool.server_pin)
  if contestant.key == "haproxy" then
    tool.await(server)
  end
  local figures = use(server)
  server.stop()
  if backend then
    backend.stop()
  end
  if unix then
    os.remove(address)
  end
  return figures
end

--- Servers take a second to warm up at most; Node needs it for its compiler.
local function drive(contestant, program, load_as, options, unix, times)
  return with_server(contestant, program, unix, function(server)
    local f = tool.load(server, load_as or program,
      ("-w%g -t%g %s"):format(times.warm, times.seconds, options))
    f.cost = f.server_cpu / f.done
    f.server_busy = f.server_cpu / f.seconds / 1e9
    f.load_busy = f.load_cpu / f.seconds / 1e9
    return f
  end)
end

function measure.ratio(contestant, s, times)
  return drive(contestant, s.program, s.load_as, s.load, s.unix, times)
end

--- The figures with it, and `over`: what they cost over those without it, in %. The
--- difference of two figures needs more time to be seen.
function measure.over(contestant, s, times)
  times = { warm = times.warm, seconds = times.seconds * 2 }
  local a = drive(contestant, s.without[1], "echo", s.without[2], false, times)
  local b = drive(contestant, s.with[1], "echo", s.with[2], false, times)
  b.over = (b.cost / a.cost - 1) * 100
  return b
end

--- A hundred connections come and go first, so that code and buffers are there.
function measure.memory(contestant, s)
  local count = s.limits[contestant.key] or s.count
  return with_server(contestant, "hold", false, function(server)
    tool.load(server, "hold", "-i100")
    local f = tool.load(server, "hold", "-i" .. count)
    f.kib = (f.rss - f.before) / f.done
    return f
  end)
end

function measure.start(contestant, _, times)
  local ms = tool.shell(("%s%s/starts %d %s echo 0"):format(
    tool.server_pin, tool.out, times.starts, contestant.command))
  return { ms = tonumber(ms) }
end

return measure
