-- SPDX-License-Identifier: MIT

--- Runs programs under Node and here, many of them in one process.
--
-- A process that dies, or is killed since it hangs, costs the program it was
-- at; the others go on in a new one.

local parse = require("spec.parity.parse")
local words = require("spec.parity.words")
local tree = require("spec.parity.random.tree")

local runs = {}

--- How many programs one process runs, and how many seconds it gets for them.
local BATCH, SECONDS = 100, 60

local function write_file(path, text)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
end

local function read_file(path)
  local f = io.open(path, "rb")
  if not f then return "" end
  local text = f:read("a")
  f:close()
  return text
end

--- The shell command by which a side runs the scenarios of `base`.par or .json.
local function command(sides, side, base)
  if side == "node" then
    return ("timeout -s KILL %d '%s' --no-warnings '%s/runner.js' --batch '%s.json'"):format(
      SECONDS, sides.node, sides.parity, base)
  end
  local of = side == "eager" and ("LUA_CPATH='%s' "):format(sides.eager) or ""
  return of .. ("NET_NO_WARNINGS=1 timeout -s KILL %d '%s' '%s/runner.lua' --batch '%s.par'"):format(
    SECONDS, sides.lua, sides.parity, base)
end

--- A batch's programs, named by their place, as the side wants them.
local function write_batch(batch, from)
  local parts = {}
  for i = from, #batch.programs do parts[#parts + 1] = tree.text(batch.programs[i], tostring(i)) end
  local text = table.concat(parts, "\n")
  if batch.side ~= "node" then return write_file(batch.base .. ".par", text) end
  write_file(batch.base .. ".json", parse.json(parse.text("program", text)))
end

--- Takes the logs that are whole, which end with an empty line; answers how many
--- of the batch have one now.
local function read_batch(batch)
  local done, title, lines = 0, nil, nil
  for line in read_file(batch.base .. ".out"):gmatch("([^\n]*)\n") do
    local begins = line:match("^== (%d+)%f[,\0]") -- behind it a version of TLS
    if begins then
      title, lines = tonumber(begins), {}
    elseif line == "" and title then
      local log = table.concat(lines, "\n") .. "\n"
      batch.logs[title] = batch.side == "node" and words.ours(log) or log
      done, title = title, nil
    elseif title then
      lines[#lines + 1] = line
    end
  end
  return done
end

local function start_all(sides, batches)
  local commands = {}
  for i, batch in ipairs(batches) do
    write_batch(batch, batch.from)
    -- A directory of its own: a call may make files where it is.
    commands[i] = ("(mkdir -p '%s.dir'; cd '%s.dir'; %s >'%s.out' 2>'%s.err') &"):format(batch.base,
      batch.base, command(sides, batch.side, batch.base), batch.base, batch.base)
  end
  os.execute(table.concat(commands, "\n") .. "\nwait")
end

--- The batches that are not at their end: their next program is what ended them.
local function unfinished(batches)
  local left = {}
  for _, batch in ipairs(batches) do
    local before = batch.from - 1
    local done = math.max(read_batch(batch), before)
    if done < #batch.programs and batch.logs[done] and batch.logs[done]:find("!!: guard", 1, true)
      and done > before then
      batch.from = done + 1
      left[#left + 1] = batch
    elseif done < #batch.programs then
      batch.logs[done + 1] = "!!: the process ended: "
        .. (read_file(batch.base .. ".err"):match("[^\n]+") or "killed") .. "\n"
      batch.from = done + 2
      if batch.from <= #batch.programs then left[#left + 1] = batch end
    end
  end
  return left
end

--- Runs what is asked for, `sides.jobs` processes at a time.
---@param sides table `{node=, lua=, parity=, scratch=, jobs=}`
---@param wanted table[] `{program, side}`; each gets its log as `log`
function runs.all(sides, wanted)
  local batches, open = {}, {}
  for _, want in ipairs(wanted) do
    local side = want[2]
    local batch = open[side]
    if not batch or #batch.programs == BATCH then
      batch = { side = side, programs = {}, wants = {}, logs = {}, from = 1,
        base = ("%s/batch%d"):format(sides.scratch, #batches + 1) }
      open[side], batches[#batches + 1] = batch, batch
    end
    batch.programs[#batch.programs + 1], batch.wants[#batch.wants + 1] = want[1], want
  end
  for first = 1, #batches, sides.jobs do
    local left = table.move(batches, first, math.min(first + sides.jobs - 1, #batches), 1, {})
    while #left > 0 do
      start_all(sides, left)
      left = unfinished(left)
    end
  end
  for _, batch in ipairs(batches) do
    for i, want in ipairs(batch.wants) do want.log = batch.logs[i] end
  end
end

return runs
