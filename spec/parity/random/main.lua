-- SPDX-License-Identifier: MIT

--- Random programs and odd calls against Node: what `make parity-random` runs.
--
--     lua5.4 main.lua NODE SCRATCH [SEED=n] [N=programs] [TLS=programs] [ODD=calls] [FROM=index]
--         [ONLY=index] [SHRINK=n]
--
-- A program whose log differs is explained by the rows of listed.lua (explain.lua).
-- What they leave is run nine more times by Node; if Node is not at one with
-- itself, or this module agrees in one of nine runs, of both builds, it depends on
-- timing and is unstable. Else it is a difference: it is shrunk and printed. Leaves
-- with 1 if there is one.

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "../../../?.lua;" .. package.path

local tree = require("spec.parity.random.tree")
local programs = require("spec.parity.random.programs")
local tlsprograms = require("spec.parity.random.tlsprograms")
local oddcalls = require("spec.parity.random.oddcalls")
local runs = require("spec.parity.random.runs")
local differ = require("spec.parity.random.differ")
local edits = require("spec.parity.random.edits")
local explain = require("spec.parity.random.explain")
local listed = require("spec.parity.random.listed")
local shrink = require("spec.parity.random.shrink")

--- Programs at a time; how often each side repeats a candidate.
local CHUNK, NODE_AGAIN, LUA_AGAIN = 400, 9, 4

--- What is made, in the order in which it runs; `calls`, how many of its word are in one.
local KINDS = {
  { name = "program", word = "N", make = programs.make, calls = 1 },
  { name = "TLS program", word = "TLS", make = tlsprograms.make, calls = 1 },
  { name = "odd", word = "ODD", make = oddcalls.make, calls = oddcalls.CALLS },
}

local function options(words)
  local chosen = { SEED = os.time() & 0xffff, N = 1000, TLS = 0, ODD = 5000, JOBS = 4, FROM = 1, SHRINK = 1 }
  for i = 3, #words do
    local name, v = words[i]:match("^(%u+)=(%w+)$")
    if not name then error("unknown: " .. words[i], 0) end
    chosen[name] = math.tointeger(tonumber(v)) or v
  end
  chosen.sides = { node = words[1], scratch = words[2], parity = here .. "..",
    lua = os.getenv("LUA") or "lua5.4", eager = os.getenv("PARITY_EAGER"), jobs = chosen.JOBS }
  return chosen
end

--- Runs each of the programs once on both sides; gives pairs of logs.
local function run_both(sides, list)
  local wanted = {}
  for i, program in ipairs(list) do
    wanted[2 * i - 1], wanted[2 * i] = { program, "node" }, { program, program.side or "lua" }
  end
  runs.all(sides, wanted)
  local logs = {}
  for i = 1, #list do logs[i] = { node = wanted[2 * i - 1].log, lua = wanted[2 * i].log } end
  return logs
end

--- A timer that is due when bytes may arrive is a race; with one that is due much
--- later there is none.
local LATER = edits.all(edits.instead("^after %d+$", "after 20"),
  edits.instead("timeout: 4", "timeout: 30"), edits.instead("setTimeout%([04]", "setTimeout(30"))

--- Marks those whose difference goes when their timers are later.
local function mark_races(sides, candidates)
  local later, of = {}, {}
  for _, candidate in ipairs(candidates) do
    local program = LATER(candidate.program)
    later[#later + 1], of[#of + 1] = program, program and candidate
  end
  for i, logs in ipairs(run_both(sides, later)) do
    of[i].unstable = of[i].unstable or #explain.unlisted(later[i], logs) == 0
  end
end

--- Of candidates `{program=, logs=}` those that are stable: marks the others.
local function mark_unstable(sides, candidates)
  local wanted = {}
  for _, candidate in ipairs(candidates) do
    candidate.again = {}
    for i = 1, NODE_AGAIN + 2 * LUA_AGAIN do
      local side = i <= NODE_AGAIN and "node" or i > NODE_AGAIN + LUA_AGAIN and "eager"
      local want = { candidate.program, side or candidate.program.side or "lua" }
      candidate.again[i], wanted[#wanted + 1] = want, want
    end
  end
  runs.all(sides, wanted)
  for _, candidate in ipairs(candidates) do
    for _, want in ipairs(candidate.again) do
      local agrees = want.log == candidate.logs.node
      if want[2] ~= "node" then
        agrees = #differ.between(candidate.logs.node, want.log, candidate.program.blind) == 0
      end
      if agrees ~= (want[2] == "node") then candidate.unstable = true end
    end
  end
  mark_races(sides, candidates)
end

local function signatures(differences)
  local set = {}
  for _, difference in ipairs(differences) do set[differ.signature(difference)] = true end
  return set
end

--- Judges candidates of shrinking: each must differ in one of the same ways.
local function still_fails(sides, wanted)
  return function(candidates)
    local list, failed = {}, {}
    for i, candidate in ipairs(candidates) do list[i] = candidate.program end
    for i, logs in ipairs(run_both(sides, list)) do
      failed[i] = false
      for signature in pairs(signatures(explain.unlisted(list[i], logs))) do
        failed[i] = failed[i] or wanted[signature] == true
      end
    end
    return failed
  end
end

local function print_logs(logs, blind)
  for _, difference in ipairs(differ.between(logs.node, logs.lua, blind)) do
    print(("  %s\n    node  %s\n    here  %s"):format(difference.object, difference.node,
      difference.lua))
  end
end

--- Prints a difference, as small as it gets.
local function report(chosen, candidate)
  local program = candidate.program
  local small = shrink.run(program, still_fails(chosen.sides, signatures(candidate.left)))
  local again = { program = small, logs = run_both(chosen.sides, { small })[1] }
  if #explain.unlisted(small, again.logs) == 0 then again = candidate end
  mark_unstable(chosen.sides, { again })
  if again.unstable then again = candidate end
  local by = program.side and ", sent at once" or ""
  print("\n" .. tree.text(again.program, program.title .. by))
  print_logs(again.logs, program.blind)
  io.stdout:flush()
end

--- One line for a difference of a kind that was printed already.
local function mention(candidate, signature)
  print(("  also %s: %s"):format(candidate.program.title, signature))
end

local function report_all(chosen, candidates, seen)
  for _, candidate in ipairs(candidates) do
    local first = differ.signature(candidate.left[1])
    seen[first] = (seen[first] or 0) + 1
    if seen[first] <= chosen.SHRINK then report(chosen, candidate) else mention(candidate, first) end
  end
end

--- Explains what differs among the items; counts it, and answers what is left.
local function candidates_of(chosen, items, count)
  local candidates = {}
  explain.all(function(list) return run_both(chosen.sides, list) end, items)
  for _, item in ipairs(items) do
    for _, row in ipairs(item.rows) do row.seen = (row.seen or 0) + 1 end
    if #item.left > 0 then
      candidates[#candidates + 1] = item
    elseif item.differs and #item.rows == 0 then
      count.unstable = count.unstable + 1 -- it differed the first time only
    elseif item.differs then
      count.listed = count.listed + 1
    end
  end
  return candidates
end

local function run_chunk(chosen, kind, first, last, count)
  local list, items, real = {}, {}, {}
  for i = first, last do list[#list + 1] = kind.make(chosen.SEED, i) end
  for i, logs in ipairs(run_both(chosen.sides, list)) do
    items[i] = { program = list[i], logs = logs }
  end
  local candidates = candidates_of(chosen, items, count)
  mark_unstable(chosen.sides, candidates)
  for _, candidate in ipairs(candidates) do
    if candidate.unstable then
      count.unstable = count.unstable + 1
    else
      real[#real + 1] = candidate
    end
  end
  count.differences = count.differences + #real
  report_all(chosen, real, count.seen)
end

local function run_kind(chosen, kind, wanted, count)
  local last = chosen.FROM - 1 + (wanted + kind.calls - 1) // kind.calls
  if chosen.ONLY and wanted > 0 then return run_chunk(chosen, kind, chosen.ONLY, chosen.ONLY, count) end
  for first = chosen.FROM, last, CHUNK do
    local upto = math.min(first + CHUNK - 1, last)
    run_chunk(chosen, kind, first, upto, count)
    io.stderr:write(("%s %d of %d: %d differences\n"):format(kind.name, upto, last,
      count.differences))
  end
end

--- How often each row was a reason.
local function print_rows()
  local seen, lines = {}, {}
  for _, row in ipairs(listed) do
    if row.seen then
      if not seen[row.line] then lines[#lines + 1] = row.line end
      seen[row.line] = (seen[row.line] or 0) + row.seen
    end
  end
  table.sort(lines, function(a, b) return seen[a] > seen[b] or seen[a] == seen[b] and a < b end)
  for _, line in ipairs(lines) do print(("%6d  %s"):format(seen[line], line)) end
end

local function main()
  io.stdout:setvbuf("line")
  local chosen = options(arg)
  local count = { differences = 0, listed = 0, unstable = 0, seen = {} }
  print("seed " .. chosen.SEED)
  for _, kind in ipairs(KINDS) do run_kind(chosen, kind, chosen[kind.word], count) end
  print_rows()
  print(("%d programs, %d of TLS, %d odd calls: %d differences, %d listed, %d unstable"):format(
    chosen.N, chosen.TLS, chosen.ODD, count.differences, count.listed, count.unstable))
  os.exit(count.differences == 0)
end

main()
