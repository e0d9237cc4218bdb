-- SPDX-License-Identifier: MIT

--- What the bench needs of the system: commands, processes, cores.

local tool = {}

tool.here = "bench"                                  -- this folder
tool.out = os.getenv("BENCH_OUT") or "build/bench"   -- programs and results

--- What a command prints. Raises if it fails.
function tool.shell(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  local ok, _, code = pipe:close()
  if not ok then
    error(("exit code %s of: %s\n%s"):format(code, command, text), 0)
  end
  return text
end

--- The first line a command prints, or nil if it prints none or fails.
function tool.line(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>/dev/null"))
  local text = pipe:read("l")
  return pipe:close() and text or nil
end

function tool.has(command)
  return tool.line("command -v " .. command) ~= nil
end

local cores = tonumber(tool.line("nproc")) or 1

--- What puts a command on the server's core (0) or the load's (1).
function tool.pin(core)
  return cores > 1 and tool.has("taskset") and ("taskset -c %d "):format(core) or ""
end

tool.server_pin, tool.load_pin = tool.pin(0), tool.pin(1)

local paths = 0

--- A path for a Unix socket that no other run of the bench has.
function tool.socket_path()
  paths = paths + 1
  tool.folder = tool.folder or tool.shell("mktemp -d"):gsub("%s", "")
  return ("%s/%d.sock"):format(tool.folder, paths)
end

local running = {} -- pids

--- Ends what a failure has left.
function tool.stop_all()
  for pid in pairs(running) do
    os.execute(("kill %d 2>/dev/null"):format(pid))
  end
end

--- Starts a server, which prints the port it listens on.
--- A command with {address} in it, as haproxy's, is told the port instead.
---@return table server {pid, address, stop()}
function tool.start(command, address, pin)
  local port = command:find("{address}", 1, true) and math.random(20000, 32000)
  command = command:gsub("{address}", tostring(port or address))
  local err = tool.out .. "/stderr"
  local pipe = assert(io.popen(("echo $$; exec %s%s 2>'%s'"):format(pin, command, err)))
  local server = { pid = pipe:read("n", "l") }
  running[server.pid] = true
  port = port or pipe:read("n")
  if not port then
    pipe:close()
    error("the server did not start: " .. command .. "\n" .. tool.shell("cat " .. err), 0)
  end
  server.address = address ~= "0" and address or tostring(port)
  function server.stop()
    local alive = os.execute(("kill %d 2>/dev/null"):format(server.pid))
    pipe:close()
    running[server.pid] = nil
    if not alive then
      error("the server died: " .. command .. "\n" .. tool.shell("cat " .. err), 0)
    end
  end
  return server
end

--- Runs load.c, or what else drives it, against a server: its figures. Raises if that found
--- a byte wrong.
---@param server table
---@param scenario string
---@param options string
---@return table figures
function tool.load(server, scenario, options)
  local line = tool.shell(("%s%s/%s -p %d %s %s %s '%s' 2>&1"):format(tool.load_pin, tool.out,
    server.load or "load", server.pid, server.asks or "", options, scenario, server.address))
  local figures = {}
  for key, value in line:gmatch('"([%w_]+)":(%-?[%d.]+)') do
    figures[key] = tonumber(value)
  end
  return figures
end

--- Waits until a server that told nothing takes connections.
function tool.await(server)
  local try = ("%s/%s %s >/dev/null 2>&1"):format(tool.out,
    server.load == "tlsload" and "tlsload -n1 handshake" or "load -n1 -d1 echo", server.address)
  for _ = 1, 100 do
    if os.execute(try) then
      return
    end
    os.execute("sleep 0.05")
  end
  error("nobody listens on " .. server.address, 0)
end

--- CPU time since the system started, in ticks of 10 ms: what the host gave to
--- others while it was due to us, all there was, and what nobody wanted.
function tool.cpu_time()
  local file = io.open("/proc/stat")
  local line = file and file:read("l") or ""
  if file then
    file:close()
  end
  local all, columns = 0, {}
  for ticks in line:gmatch("%d+") do
    columns[#columns + 1] = tonumber(ticks)
    all = all + (#columns <= 8 and tonumber(ticks) or 0) -- what follows is counted already
  end
  return columns[8] or 0, all, (columns[4] or 0) + (columns[5] or 0)
end

--- Begins to watch the host; what it returns says what part of the CPU time was
--- stolen since.
function tool.watch_host()
  local stolen, all = tool.cpu_time()
  return function()
    local stolen_now, all_now = tool.cpu_time()
    return (stolen_now - stolen) / math.max(1, all_now - all)
  end
end

--- Median and quartiles of a list of numbers.
function tool.spread(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local quarter = math.ceil(#sorted / 4)
  return {
    median = sorted[(#sorted + 1) // 2],
    low = sorted[quarter], high = sorted[#sorted + 1 - quarter],
  }
end

return tool
