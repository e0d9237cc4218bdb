-- SPDX-License-Identifier: MIT

--- Results for people: tables on the terminal, in Markdown, and charts.

local chart = require("chart")

local report = {}

local function at_least(value, target) return value >= target end
local function at_most(value, target) return value <= target end

--- What a kind of figure is, how it is written, and when a target is met.
local KINDS = {
  ratio = {
    head = "ratio", format = "%.2f", reference = 1, met = at_least, bound = ">= ",
    axis = "CPU time of %s per %s, over that of the server: more is better, 1 is as cheap",
  },
  over = {
    head = "over, %", format = "%.1f", met = at_most, bound = "<= ",
    axis = "CPU time per message, in %% over that of the same server without it: less is better",
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

--- CPU time per unit.
local function cost(value, per)
  if value and per == "KiB" then
    return ("%.0f ns"):format(value * 1024)
  end
  return number("%.2f us", value and value / 1000)
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
    "CPU/" .. (result.per or "-"), "rate", "p50 us", "p99", "p999", "max", "MiB", "busy",
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

local function markdown_table(rows)
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

local QUIET = 0.5 -- load average; from here on others are at work
local NOTED = 1   -- % of CPU time that the host took

local function conditions(about)
  local busy = (tonumber(about.load_before) or 0) > QUIET
  return ("%s, %d rounds of %g s (%s), %s, %s, %s cores%s%s"):format(about.date, about.rounds,
    about.seconds, about.run, about.cpu or "unknown CPU", about.kernel or "", about.cores or "?",
    busy and (", busy with other things (load %s)"):format(about.load_before) or "",
    (about.stolen or 0) > NOTED and (", %.0f %% of the CPU time taken by the host"):format(
      about.stolen) or "")
end

local function versions(about, keys)
  local names = {}
  for _, key in ipairs(keys) do
    names[#names + 1] = ("%s: %s"):format(key == "bare" and "cc" or key,
      about.versions[key] or "-")
  end
  return table.concat(names, "; ")
end

local PEERS = { "net", "node", "luv", "cqueues", "copas", "haproxy" }
local EVERYONE = { "net", "node", "luv", "cqueues", "copas", "haproxy", "libev", "bare" }

function report.head(about)
  print(conditions(about))
  print(versions(about, EVERYONE))
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
end

function report.print_growth(rows)
  print("\nthe cost of one operation of ours, by how much is open")
  print_table(growth_cells(rows))
end

-- Files

local function svg(result, about)
  local kind, base = KINDS[result.kind], nil
  for _, row in ipairs(result.rows) do
    base = row.who == result.base and row.name or base
  end
  return chart.bars {
    title = result.name, format = kind.format, reference = kind.reference, base = result.base,
    subtitle = "Median and quartiles of the rounds; the red mark is our target.",
    axis = kind.axis:format(base, result.per), rows = result.rows,
    note = about.date .. "; " .. versions(about, PEERS),
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
  local out = { INTRO, conditions(results.about), "\n\n",
    versions(results.about, EVERYONE), "\n" }
  for _, result in ipairs(results.scenarios) do
    out[#out + 1] = ("\n## %s\n\n![%s](%s.svg)\n\n%s\n"):format(
      title(result), result.name, result.key, markdown_table(cells(result)))
    local why = reason(result)
    out[#out + 1] = why and ("\n%s\n"):format(why) or nil
  end
  if results.growth then
    out[#out + 1] = "\n## The cost of one operation of ours, by how much is open\n\n"
      .. markdown_table(growth_cells(results.growth)) .. "\n"
  end
  return table.concat(out)
end

local function write_file(path, content)
  local file = assert(io.open(path, "w"))
  assert(file:write(content))
  assert(file:close())
end

--- Writes results.json, results.md and the charts into a folder, made if need be.
function report.write(folder, results, encoded)
  assert(os.execute("mkdir -p '" .. folder .. "'"))
  write_file(folder .. "/results.json", encoded)
  write_file(folder .. "/results.md", markdown(results))
  for _, result in ipairs(results.scenarios) do
    write_file(("%s/%s.svg"):format(folder, result.key), svg(result, results.about))
  end
end

-- README's table

local SHOWN = { "net", "node", "luv", "cqueues", "copas" }
local UNITS = { ratio = "", over = " %", memory = " KiB", start = " ms" }

local function short_cells(results)
  local out = { { "", "net", "Node", "luv", "cqueues", "copas", "our target" } }
  for i, result in ipairs(results.scenarios) do
    local kind, values, target = KINDS[result.kind], {}, ""
    for _, row in ipairs(result.rows) do
      values[row.who] = row.value and kind.format:format(row.value.median)
      target = row.target and verdict(row, kind) or target
    end
    out[i + 1] = { ("[%s](docs/bench/%s.svg)%s"):format(title(result), result.key,
      UNITS[result.kind] ~= "" and "," .. UNITS[result.kind] or "") }
    for at, who in ipairs(SHOWN) do
      out[i + 1][at + 1] = values[who] or ""
    end
    table.insert(out[i + 1], target)
  end
  return out
end

local FROM, TO = "<!-- bench -->\n", "<!-- end of bench -->"

--- Puts the table between its marks in a file.
function report.readme(path, results)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  local _, from = text:find(FROM, 1, true)
  local to = text:find(TO, 1, true)
  write_file(path, ("%s%s\n\n%s\n%s"):format(text:sub(1, from),
    markdown_table(short_cells(results)), conditions(results.about), text:sub(to)))
end

return report
