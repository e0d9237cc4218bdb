-- SPDX-License-Identifier: MIT

--- Results for people: tables on the terminal, in Markdown, and charts.

local chart = require("chart")

local report = {}

local function at_least(value, target) return value >= target end
local function at_most(value, target) return value <= target end

--- What a kind of figure is, how it is written, and when a target is met.
local KINDS = {
  ratio = {
    head = "ratio", format = "%.2f", met = at_least, bound = ">= ",
    axis = "CPU time of the server for each %s, in microseconds: less is better",
  },
  work = {
    head = "ratio", format = "%.2f", met = at_least, bound = ">= ",
    axis = "CPU time for each %s, in microseconds: less is better",
  },
  cost = {
    head = "us", format = "%.2f", met = at_most, bound = "<= ",
    axis = "CPU time of the server for each %s, in microseconds: less is better",
  },
  speed = {
    head = "MB/s a core", format = "%.0f", met = at_least, bound = ">= ",
    axis = "CPU time of the server for each %s, in microseconds: less is better",
  },
  over = {
    head = "over, %", format = "%.1f", met = at_most, bound = "<= ",
    axis = "CPU time of the server for each %s, in microseconds: less is better",
  },
  memory = {
    head = "KiB", format = "%.2f", met = at_most, bound = "<= ",
    axis = "resident memory for each connection, KiB: less is better",
  },
  start = {
    head = "ms", format = "%.2f", met = at_most, bound = "<= ",
    axis = "ms: less is better",
  },
}

-- Tables

local function number(format, value)
  return value and format:format(value) or ""
end

--- Units a second, or MiB/s.
local function rate(value, per)
  if value and per == "KiB" then
    return ("%.0f MiB/s"):format(value / 1048576)
  end
  return number("%.0f/s", value)
end

--- What CPU time is told of: streams have no messages, so 64 KiB stand for one.
local function unit(per)
  return per == "KiB" and "64 KiB" or per or "-"
end

--- CPU time per unit in microseconds, of that in ns; of a stream's, in ns per byte.
function report.micros(value, per)
  return value and value * (per == "KiB" and 65536 or 1) / 1000
end

local function cost(value, per)
  return number("%.2f us", report.micros(value, per))
end

local function is_met(row, kind)
  return row.value and kind.met(row.value.median, row.target)
end

local function verdict(row, kind)
  if not row.target then
    return ""
  end
  return (is_met(row, kind) and "met: " or "MISSED: ") .. kind.bound
    .. kind.format:format(row.target)
end

--- Why a target was missed, or nil where it was not.
local function reason(result)
  for _, row in ipairs(result.rows) do
    if row.target and not is_met(row, KINDS[result.kind]) then
      return result.why
    end
  end
end

local function row_cells(row, kind, per)
  local v, f = row.value or {}, kind.format
  local latency = (row.p50 or 0) > 0 and row or {}
  return {
    row.name, v.median and f:format(v.median) or "-", number(f, v.low), number(f, v.high),
    verdict(row, kind), number(f, row.known),
    row.rounds and ("%d of %d"):format(row.kept, row.rounds) or "",
    cost(row.cost, per), rate(row.rate, per),
    number("%.0f", latency.p50), number("%.0f", latency.p99), number("%.0f", latency.p999),
    number("%.0f", latency.max), number("%.1f", row.rss and row.rss / 1024),
    number("%.0f %%", row.server_busy and row.server_busy * 100),
    number("%.0f %%", row.load_busy and row.load_busy * 100), row.absent or "",
  }
end

--- Leaves out columns that are empty in all rows.
local function without_empty(rows)
  local out = {}
  for i in ipairs(rows) do
    out[i] = {}
  end
  for column = 1, #rows[1] do
    local used = column == 1
    for i = 2, #rows do
      used = used or rows[i][column] ~= ""
    end
    for i, row in ipairs(rows) do
      table.insert(out[i], used and row[column] or nil)
    end
  end
  return out
end

--- The table of a scenario as rows of cells; the first is the head.
local function cells(result)
  local kind = KINDS[result.kind]
  local rows = { { "", kind.head, "low quartile", "high quartile", "target", "known", "rounds",
    "CPU/" .. unit(result.per), "rate", "p50 us", "p99", "p999", "max", "MiB", "busy",
    "load busy", "why" } }
  for _, row in ipairs(result.rows) do
    rows[#rows + 1] = row_cells(row, kind, result.per)
  end
  return without_empty(rows)
end

local SIZES = { 10, 1000, 100000 }

local function growth_cells(rows)
  local out = { { "ns of CPU time", "10", "1,000", "100,000" } }
  for i, row in ipairs(rows) do
    out[i + 1] = { row.name }
    for at, ns in ipairs(row.ns) do
      local cell = ns and ("%.0f"):format(ns) or "too slow"
      if row.sizes[at] ~= SIZES[at] then
        cell = ("%s (at %d)"):format(cell, row.sizes[at])
      end
      out[i + 1][at + 1] = cell
    end
  end
  return out
end

local function print_table(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, #cell)
    end
  end
  for _, row in ipairs(rows) do
    local line = {}
    for i, cell in ipairs(row) do
      local space = (" "):rep(widths[i] - #cell)
      line[i] = i == 1 and cell .. space or space .. cell
    end
    print((("  " .. table.concat(line, "  ")):gsub("%s+$", "")))
  end
end

function report.markdown_table(rows)
  local out = {}
  for i, row in ipairs(rows) do
    out[#out + 1] = "| " .. table.concat(row, " | ") .. " |"
    if i == 1 then
      out[#out + 1] = "| ---" .. (" | ---:"):rep(#row - 1) .. " |"
    end
  end
  return table.concat(out, "\n")
end

-- What is around them

local CALM = 0.5 -- load average; from here on others are at work
local NOTED = 1  -- % of CPU time that the host took

--- Says if anybody else was at work meanwhile. Older results know of the start only.
local function quietness(about)
  local busy = "**The machine was not quiet**: "
  if about.others and #about.unquiet > 0 then
    return busy .. ("others had up to %.0f %% of the CPU time during %s."):format(
      about.others, table.concat(about.unquiet, ", "))
  elseif not about.others and (tonumber(about.load_before) or 0) > CALM then
    return busy .. ("its load was %s when it began."):format(about.load_before)
  end
  return about.others and "The machine was quiet." or "The machine was quiet when it began."
end

--- When and where it was measured, and if the machine was quiet.
function report.conditions(about)
  return ("%s, %d rounds of %g s (%s), %s, %s, %s cores. %s%s"):format(about.date, about.rounds,
    about.seconds, about.run, about.cpu or "unknown CPU", about.kernel or "", about.cores or "?",
    quietness(about), (about.stolen or 0) > NOTED
    and (" The host took %.0f %% of the CPU time."):format(about.stolen) or "")
end

--- Who was measured, in which version; older results do not know of all.
function report.versions(about, keys)
  local names = {}
  for _, key in ipairs(keys) do
    local version = about.versions[key]
    names[#names + 1] = version and ("%s: %s"):format(key == "bare" and "cc" or key, version)
  end
  return table.concat(names, "; ")
end

local PEERS = { "net", "node", "luv", "cqueues", "copas", "haproxy", "nginx", "libssl" }
local EVERYONE = { "net", "node", "luv", "cqueues", "copas", "haproxy", "nginx", "libssl", "cjson",
  "libev", "bare" }

function report.head(about)
  print(("%s, %d rounds (%s), %s"):format(about.date, about.rounds, about.run, about.cpu))
  print(report.versions(about, EVERYONE))
end

local function disturbance(result)
  return result.unquiet and ("Not quiet: others had %.0f %% of the CPU time meanwhile."):format(
    result.others) or nil
end

local function title(result)
  for _, row in ipairs(result.rows) do
    if row.who == result.base then
      return ("%s (1.00: %s)"):format(result.name, row.name)
    end
  end
  return result.name
end

function report.print(result)
  print("\n" .. title(result))
  print_table(cells(result))
  if result.unquiet then
    print("  " .. disturbance(result))
  end
end

function report.print_growth(rows)
  print("\nthe cost of one operation of ours, by how much is open")
  print_table(growth_cells(rows))
end

-- Files

--- The rows of a chart. CPU time is drawn in microseconds, as README's table has it,
--- and of older results without its spread.
local function bars(result)
  if result.kind == "memory" or result.kind == "start" then
    return result.rows
  end
  local rows = {}
  for i, row in ipairs(result.rows) do
    local value = row.cost and { low = row.cost, median = row.cost, high = row.cost }
    for key, ns in pairs(value and row.costs or value or {}) do
      value[key] = report.micros(ns, result.per)
    end
    rows[i] = { who = row.who, name = row.name, absent = row.absent, value = value or nil }
  end
  return rows
end

local function svg(result, about)
  local kind = KINDS[result.kind]
  return chart.bars {
    title = result.name, format = "%.2f", base = result.base, rows = bars(result),
    subtitle = "Median and quartiles of the rounds.", axis = kind.axis:format(unit(result.per)),
    note = about.date .. "; " .. report.versions(about, PEERS),
  }
end

local INTRO = [[
# Measurements

Made by `make bench`; how to read it: [bench/README.md](../../bench/README.md). All figures are in
[results.json](results.json). "known" are the figures by which the targets were set: older versions,
another machine. Where what others reach here is below them, too, C's share is smaller on this one:
its kernel is quicker, or what is not kernel slower.

]]

local function markdown(results)
  local out = { INTRO, report.conditions(results.about), "\n\n",
    report.versions(results.about, EVERYONE), "\n" }
  for _, result in ipairs(results.scenarios) do
    out[#out + 1] = ("\n## %s\n\n![%s](%s.svg)\n\n%s\n"):format(
      title(result), result.name, result.key, report.markdown_table(cells(result)))
    for _, text in ipairs { disturbance(result) or "", reason(result) or "" } do
      out[#out + 1] = text ~= "" and ("\n%s\n"):format(text) or nil
    end
  end
  if results.growth then
    out[#out + 1] = "\n## The cost of one operation of ours, by how much is open\n\n"
      .. report.markdown_table(growth_cells(results.growth)) .. "\n"
  end
  return table.concat(out)
end

function report.write_file(path, content)
  local file = assert(io.open(path, "w"))
  assert(file:write(content))
  assert(file:close())
end

--- Writes results.md and the charts into a folder.
function report.write(folder, results)
  report.write_file(folder .. "/results.md", markdown(results))
  for _, result in ipairs(results.scenarios) do
    report.write_file(("%s/%s.svg"):format(folder, result.key), svg(result, results.about))
  end
end

return report
