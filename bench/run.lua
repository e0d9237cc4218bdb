-- SPDX-License-Identifier: MIT

--- make bench: servers on this module and on others, side by side.
--
--     lua bench/run.lua [--quick] [--rounds N] [--keep DIR] [SCENARIO...]
--     lua bench/run.lua --render DIR [README]
--
-- For each scenario all servers are started, a few times anew, and driven in rounds, a
-- tenth of a second each (A B C A B C …), by load.c, which checks every byte; servers
-- and load have a core each. The figure is the server's CPU time per unit of work, by the
-- kernel's own accounting, as a ratio to C in the same round. Writes
-- results.json, results.md and a chart for each scenario into build/bench, and,
-- if all scenarios were run, with --keep into DIR and tables into README.md. A
-- server that answers wrongly, or dies, makes it fail. What was disturbed by others is
-- measured again (lib/quiet.lua). --render measures nothing: it makes all but
-- results.json anew from the one in DIR, and the tables of README.md or of another file.
-- How to read it all: README.md.

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/lib/?.lua;" .. package.path

local contestants = require("contestants")
local firstpage = require("firstpage")
local growth = require("growth")
local json = require("json")
local measure = require("measure")
local quiet = require("quiet")
local report = require("report")
local scenarios = require("scenarios")
local tool = require("tool")

-- `first`: seconds that a server is driven before it counts, and `compiled` one that
-- compiles meanwhile; `fresh`: rounds after which servers are started anew;
-- `warm`, `seconds`: of a round, `long` where a small difference is looked for;
-- `again`: how often what the target is about is measured once more in a round;
-- `few`: rounds where that says enough, or each is long; `least`: see undisturbed;
-- `patience`: seconds that waiting for a quiet machine may take, and measuring again
local FULL = {
  name = "full", rounds = 20, again = 3, few = 10, steady = 3, least = 7,
  first = 0.2, compiled = 0.7, fresh = 5, warm = 0.03, seconds = 0.1, long = 0.2, starts = 21,
  patience = 900,
}
local QUICK = {
  name = "quick", rounds = 3, again = 0, few = 3, steady = 1, least = 3,
  first = 0.2, compiled = 0.2, fresh = 3, warm = 0.03, seconds = 0.1, long = 0.1, starts = 7,
  patience = 10,
}

--- What the command line asks for: times, folder to keep results in, scenarios.
local function parse(args)
  local times, rounds, keep, only, i = FULL, nil, nil, {}, 1
  while args[i] do
    if args[i] == "--quick" then
      times = QUICK
    elseif args[i] == "--rounds" then
      i = i + 1
      rounds = assert(math.tointeger(tonumber(args[i])), "--rounds: a number")
    elseif args[i] == "--keep" then
      i = i + 1
      keep = assert(args[i], "--keep: a folder")
    else
      only[args[i]] = true
    end
    i = i + 1
  end
  times.rounds, times.few = rounds or times.rounds, rounds or times.few
  return times, keep, next(only) and only
end

--- The figure of a scenario's kind, from those of a measurement and of its base's.
local figure = {
  ratio = function(f, base) return base.cost / f.cost end,
  work = function(f, base) return base.cost / f.cost end,
  cost = function(f) return f.cost / 1000 end,
  speed = function(f) return f.bytes / f.server_cpu * 1000 end,
  over = function(f) return f.over end,
  memory = function(f) return f.kib end,
  start = function(f) return f.ms end,
}

local STOLEN = .04 -- of the CPU time of a round: with more it does not count

local SHOWN = { "cost", "p50", "p99", "p999", "max", "rss", "server_busy", "load_busy" }

--- Of a contestant's rounds those from which the host took no time worth
--- mentioning, neither from it nor from its base; at least some, the best.
local function undisturbed(rounds, times)
  local function taken(f)
    return math.max(f.stolen or 0, f.base.stolen or 0)
  end
  local sorted = table.move(rounds, 1, #rounds, 1, {})
  table.sort(sorted, function(a, b) return taken(a) < taken(b) end)
  while #sorted > times.least and taken(sorted[#sorted]) > STOLEN do
    sorted[#sorted] = nil
  end
  return sorted
end

--- Is there nobody to compare with? Then a ratio says nothing.
local function has_no_base(s)
  return s.kind == "ratio" and contestants[s.base].absent ~= nil
end

--- A row of results, of the figures of all rounds, each with its base's.
local function summary(contestant, s, all, times)
  local row = {
    who = contestant.key, name = contestant.name, known = s.known[contestant.key],
    absent = contestant.absent,
  }
  if contestant.key == (s.ours or "net") and not (row.absent or has_no_base(s)) then
    row.target = s.target
  end
  if #all == 0 then
    return row
  end
  local values, rates, rounds = {}, {}, undisturbed(all, times)
  for i, f in ipairs(rounds) do
    values[i] = figure[s.kind](f, f.base)
    rates[i] = f.seconds and f.done / f.seconds
  end
  row.value = not has_no_base(s) and tool.spread(values) or nil
  row.rate = #rates > 0 and tool.spread(rates).median or nil
  row.kept, row.rounds = #rounds, #all
  for _, key in ipairs(SHOWN) do
    local list = {}
    for i, f in ipairs(rounds) do
      list[i] = f[key]
    end
    row[key] = #list > 0 and tool.spread(list).median or nil
    row.costs = key == "cost" and #list > 0 and tool.spread(list) or row.costs
  end
  return row
end

local watched = os.execute("test -t 2")

--- Tells a person what is going on, in a line that is written over.
local function progress(text)
  if not watched then
    return
  end
  io.stderr:write(("\r\27[K%s"):format(text))
  io.stderr:flush()
end

--- Measures each once; the first is the base of the others.
local function run_round(s, list, live, figures)
  local base
  for _, who in ipairs(list) do
    if live[who] then
      progress(("%s: round %d, %s"):format(s.name, #figures[who] + 1, who))
      local f = live[who].run()
      base = base or f
      f.base = base
      table.insert(figures[who], f)
    end
  end
end

local ROUNDS = { ratio = "rounds", cost = "rounds", speed = "rounds", work = "few", over = "few",
  start = "few", memory = "steady" }
--- Kinds of which servers are started anew now and then.
local FRESH = { ratio = true, cost = true, speed = true }

local function close_all(live)
  for _, running in pairs(live) do
    running.close()
  end
end

--- What can be measured of the contestants that are here.
local function open_all(s, times)
  local live = {}
  for _, who in ipairs(s.who) do
    progress(("%s: %s starts"):format(s.name, who))
    if not contestants[who].absent then
      live[who] = measure[s.kind](contestants[who], s, times)
    end
  end
  return live
end

--- Where its memory lies makes a server some per cent faster or slower as long as it
--- lives: so a ratio is of several lives.
local function run_scenario(s, times)
  local figures, rows, live = {}, {}, open_all(s, times)
  for _, who in ipairs(s.who) do
    figures[who] = {}
  end
  for round = 1, times[ROUNDS[s.kind]] do
    if FRESH[s.kind] and round > 1 and round % times.fresh == 1 then
      close_all(live)
      live = open_all(s, times)
    end
    run_round(s, s.who, live, figures)
    for _ = 1, s.again and times.again or 0 do
      run_round(s, s.again, live, figures)
    end
  end
  progress("")
  close_all(live)
  for i, who in ipairs(s.who) do
    rows[i] = summary(contestants[who], s, figures[who], times)
  end
  return rows
end

local function about(times)
  local versions = {}
  for _, c in ipairs(contestants) do
    versions[c.key] = c.version or "- (" .. c.absent .. ")"
  end
  return {
    date = os.date("!%Y-%m-%d"), rounds = times.rounds, seconds = times.seconds,
    run = times.name, kernel = tool.line("uname -sr"), cores = tool.line("nproc"),
    cpu = tool.line("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo"),
    load_before = tool.line("cut -d' ' -f1 /proc/loadavg"), versions = versions,
  }
end

--- A scenario's result, of a machine as quiet as there is patience for.
local function result_of(s, times, patience)
  local rows, others = quiet.measured(function() return run_scenario(s, times) end,
    patience, progress)
  return {
    key = s.key, name = s.name, kind = s.kind, per = s.per, base = s.base, target = s.target,
    why = s.why, rows = rows, others = others * 100, unquiet = others > quiet.LIMIT,
  }
end

--- Notes in what is said of all of it how quiet the machine was for one.
local function note_others(all, result)
  all.others = math.max(all.others, result.others)
  if result.unquiet then
    table.insert(all.unquiet, result.key)
  end
end

local function run_all(times, only)
  local results = { about = about(times), scenarios = {} }
  local patience = { left = times.patience }
  results.about.others, results.about.unquiet = 0, {}
  report.head(results.about)
  for _, s in ipairs(scenarios) do
    if not only or only[s.key] then
      local result = result_of(s, times, patience)
      table.insert(results.scenarios, result)
      note_others(results.about, result)
      report.print(result)
    end
  end
  if not only or only.growth then
    results.growth = growth.run(times, progress)
    report.print_growth(results.growth)
  end
  return results
end

--- Makes the pages of what is kept in a folder: its own, and the tables of another.
local function render(folder, page)
  local file = assert(io.open(folder .. "/results.json"))
  local results = json.decode(file:read("a")) -- its digits, so that it comes out the same again
  file:close()
  report.write(folder, results)
  if page then
    firstpage.write(page, results)
  end
end

local function keep_in(folder, results, page)
  assert(os.execute("mkdir -p '" .. folder .. "'"))
  report.write_file(folder .. "/results.json", json.encode(results))
  render(folder, page)
end

local function main()
  if arg[1] == "--render" then
    return render(assert(arg[2], "--render: a folder"), arg[3] or "README.md")
  end
  local times, keep, only = parse(arg)
  local stolen = tool.watch_host()
  contestants.find()
  local results = run_all(times, only)
  results.about.stolen = stolen() * 100
  print("\n" .. report.conditions(results.about))
  keep_in(tool.out, results)
  if keep and not only then
    keep_in(keep, results, "README.md")
  end
  if tool.folder then
    os.execute("rm -rf '" .. tool.folder .. "'")
  end
end

local ok, problem = pcall(main)
tool.stop_all() -- or their pipes would be waited for
if not ok then
  progress("")
  io.stderr:write("bench: ", tostring(problem), "\n")
  os.exit(1)
end
