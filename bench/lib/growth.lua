-- SPDX-License-Identifier: MIT

--- The cost of an operation by how much is open: 10, 1,000 and 100,000.
--
-- Each is to grow with the work and not with what is open. inside.lua measures
-- what needs no second process; accepts are measured as in the other scenarios,
-- beside idle connections, as many as this machine allows a process.

local contestants = require("contestants")
local tool = require("tool")

local growth = {}

local SIZES = { 10, 1000, 100000 }
local LIMIT = 10 -- seconds; what takes longer has no figure

local OPERATIONS = {
  { "timers", "end a timer, start another, among so many" },
  { "emit", "call so many listeners: each" },
  { "listeners", "add so many listeners: each" },
  { "writes", "queue so many writes and send them: each" },
  { "blocklist", "look up an address among so many rules" },
}

--- CPU time of a connection that comes and goes beside `open` others, in ns.
local function accept_cost(open)
  local server = tool.start(contestants.net.command .. " connect 0", "0", tool.server_pin)
  local f = tool.load(server, "connect",
    ("-c32 -s1 -w0.2 -t0.4 -i%d"):format(open))
  server.stop()
  return f.server_cpu / f.done
end

--- How many connections a process may have, with room for others.
local function most_open()
  local limit = tonumber(tool.line("ulimit -Hn"))
  return limit and math.max(10, limit - 200) or 100000
end

local function inside_cost(what, n)
  local line = tool.line(("%stimeout %d '%s' %s/inside.lua %s %d"):format(
    tool.server_pin, LIMIT, os.getenv("LUA") or "lua5.4", tool.here, what, n))
  return tonumber(line)
end

--- Medians by size; false where the limit was exceeded, which is not tried twice.
local function row(what, name, rounds, progress, cost, sizes)
  local values, figures = {}, {}
  for round = 1, rounds do
    for i, n in ipairs(sizes) do
      progress(("%s: round %d, %d"):format(what, round, n))
      values[i] = values[i] or {}
      if #values[i] == round - 1 then
        table.insert(values[i], cost(n))
      end
    end
  end
  for i = 1, #sizes do
    figures[i] = #values[i] > 0 and tool.spread(values[i]).median or false
  end
  progress("")
  return { key = what, name = name, sizes = sizes, ns = figures }
end

--- The rows: key, name, sizes, and the ns of each.
---@param times table
---@param progress fun(text: string)
function growth.run(times, progress)
  local rounds, most = times.steady, most_open()
  local rows = {
    row("accept", "a connection that comes and goes beside so many", rounds, progress,
      accept_cost, { 10, math.min(1000, most), math.min(100000, most) }),
  }
  for _, operation in ipairs(OPERATIONS) do
    local what, name = operation[1], operation[2]
    rows[#rows + 1] = row(what, name, rounds, progress,
      function(n) return inside_cost(what, n) end, SIZES)
  end
  return rows
end

return growth
