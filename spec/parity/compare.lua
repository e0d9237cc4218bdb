-- SPDX-License-Identifier: MIT

--- Compares logs with the golden ones, scenario by scenario.
--
--     lua5.4 compare.lua node26=DIR node20=DIR lua=DIR node/ours=DIR ... [THEME ...]
--
-- Each DIR holds what a runner wrote with --out, that of a pair, server/client, what each
-- of its seats wrote, in the folders `server` and `client`. Prints what differs, a line for
-- each of them, and last the sum; leaves with 1 if anything differs that no
-- scenario lists. Also gives parity_spec.lua what to expect.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
package.path = here .. "../../?.lua;" .. package.path

local parse = require("spec.parity.parse")
local words = require("spec.parity.words")

local compare = {}

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

--- The logs of a file: title to the lines under it, as one text.
local function logs_of(path)
  local logs, title = {}, nil
  for line in (read(path) or ""):gmatch("([^\n]*)\n") do
    local begins = line:match("^== (.+)$")
    if begins then
      title = begins
      logs[title] = ""
    elseif title and line ~= "" then
      logs[title] = logs[title] .. line .. "\n"
    end
  end
  return logs
end

--- The recorded logs of a theme: title to text.
function compare.golden(theme) return logs_of(here .. "golden/" .. theme .. ".log") end

--- What our module is to log: what the scenario lists, else what Node 26 does, in
--- our words.
---@param scenario table
---@param golden table<string, string>
---@return string? text nil where nothing was recorded
function compare.expected(scenario, golden)
  if scenario.expect then return table.concat(scenario.expect, "\n") .. "\n" end
  return golden[scenario.title] and words.ours(golden[scenario.title])
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

--- The objects of a client's seat are called C, D or E, and numbers behind that.
local function is_of_client(line) return line:find("^[CDE]%d*:") ~= nil end

--- Two seats' logs as one, the objects in order of name.
local function merged(server, client)
  local names, logs = {}, {}
  for _, text in ipairs({ server, client }) do
    for _, line in ipairs(lines_of(text)) do
      local name = line:match("^[^:]*")
      if not logs[name] then
        names[#names + 1], logs[name] = name, {}
      end
      table.insert(logs[name], line .. "\n")
    end
  end
  table.sort(names)
  for i, name in ipairs(names) do names[i] = table.concat(logs[name]) end
  return table.concat(names)
end

local function of_seat(text, is_client)
  local kept = {}
  for _, line in ipairs(lines_of(text or "")) do
    if is_of_client(line) == is_client then kept[#kept + 1] = line .. "\n" end
  end
  return table.concat(kept)
end

--- What a pair of a server and a client is to log: what the scenario says of them, or each
--- what it logs with its like.
local function expected_of_pair(pair, scenario, golden)
  if scenario.expects[pair] then return table.concat(scenario.expects[pair], "\n") .. "\n" end
  local server, client = pair:match("^(%a+)/(%a+)$")
  local function says(who)
    return who == "ours" and compare.expected(scenario, golden) or golden[scenario.title]
  end
  return merged(of_seat(says(server), false), of_seat(says(client), true))
end

--- What `who` should have logged, and whether a difference would be a listed one.
--- Nothing at all where the scenario is not for it.
local function wanted(who, scenario, golden)
  if who:find("/", 1, true) then return expected_of_pair(who, scenario, golden), false end
  local marks = scenario.marks
  if who == "lua" then return compare.expected(scenario, golden), false end
  local is_newer = marks.since or scenario.version
  if marks.lua or who == "node20" and is_newer then return nil, true end
  return golden[scenario.title], who == "node20" and marks.node20 ~= nil
end

--- The first lines in which two texts part, for a reader.
local function first_difference(expected, actual)
  local a, b = lines_of(expected), lines_of(actual)
  local i = 1
  while a[i] and a[i] == b[i] do i = i + 1 end
  local out = {}
  for k = math.max(1, i - 2), i - 1 do out[#out + 1] = "      " .. a[k] end
  for k = i, math.min(i + 2, #a) do out[#out + 1] = "    - " .. a[k] end
  for k = i, math.min(i + 2, #b) do out[#out + 1] = "    + " .. b[k] end
  return table.concat(out, "\n")
end

local function judge(theme, scenario, expected, actual, listed)
  if expected == actual then
    if not listed or not actual then return nil end
    return ("  %s: %s\n    listed as different, but it is not\n"):format(theme, scenario.title)
  end
  if listed then return nil end
  local shown = not expected and "    nothing recorded" or not actual and "    did not run"
    or first_difference(expected, actual)
  return ("  %s: %s\n%s\n"):format(theme, scenario.title, shown)
end

--- What a runner has logged of a theme, or the two of a pair have.
local function actual_of(who, dir, theme)
  if not who:find("/", 1, true) then return logs_of(dir .. "/" .. theme .. ".log") end
  local server = logs_of(dir .. "/server/" .. theme .. ".log")
  local client = logs_of(dir .. "/client/" .. theme .. ".log")
  for title, text in pairs(server) do
    server[title] = client[title] and merged(text, client[title])
  end
  return server
end

local function compare_theme(who, dir, theme, count)
  local golden, actual = compare.golden(theme), actual_of(who, dir, theme)
  for _, scenario in ipairs(parse.file(here .. "scenarios/" .. theme .. ".par")) do
    local expected, listed = wanted(who, scenario, golden)
    local report = judge(theme, scenario, expected, actual[scenario.title], listed)
    count.scenarios = count.scenarios + 1
    if listed or (who == "lua" or who:find("ours")) and scenario.expect then count.listed = count.listed + 1 end
    if report then
      count.differences = count.differences + 1
      io.write(report)
    end
  end
end

local function themes()
  local found = {}
  local list = assert(io.popen("ls '" .. here .. "scenarios'"))
  for name in list:lines() do found[#found + 1] = name:match("^(.+)%.par$") end
  list:close()
  return found
end

--- Compares one runner's logs, prints what it found; counts what was not listed.
local function compare_all(who, dir, chosen)
  local count = { scenarios = 0, listed = 0, differences = 0 }
  local is_pair = who:find("/", 1, true) ~= nil
  for _, theme in ipairs(chosen) do
    if not is_pair or theme:find("^tls_") then compare_theme(who, dir, theme, count) end
  end
  print(("%-9s  %d scenarios, %d differences, %d listed"):format(who, count.scenarios,
    count.differences, count.listed))
  return count
end

local function main(arguments)
  local pairs_given, chosen, differences, scenarios = {}, {}, 0, 0
  for _, word in ipairs(arguments) do
    local who, dir = word:match("^([%w/]+)=(.+)$")
    if who then pairs_given[#pairs_given + 1] = { who, dir } else chosen[#chosen + 1] = word end
  end
  if #chosen == 0 then chosen = themes() end
  for _, pair in ipairs(pairs_given) do
    local count = compare_all(pair[1], pair[2], chosen)
    differences = differences + count.differences
    scenarios = math.max(scenarios, count.scenarios)
  end
  print(("%d scenarios, %d differences"):format(scenarios, differences))
  return differences == 0
end

if arg and arg[0] and arg[0]:match("compare%.lua$") then os.exit(main(arg)) end

return compare
