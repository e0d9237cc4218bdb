-- SPDX-License-Identifier: MIT

--- make bench-instructions: how many instructions the hot paths take.
--
--     lua bench/instructions.lua [--keep]
--
-- Counted by valgrind's callgrind, in user space only. Two runs of different
-- length are compared, so that the start is not counted; what require("net") takes is
-- a row of its own. The figures hardly change from run to run, and not at all with how
-- busy the machine is: a later change that costs 5 % is seen here, where the clock would
-- not show it. They do change with the compiler, Lua and libev. Prints them beside those
-- kept in docs/bench/instructions.txt, and fails where one grew by more than 5 %; with
-- --keep it writes that file.

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/lib/?.lua;" .. package.path

local contestants = require("contestants")
local tool = require("tool")

local KEPT = "docs/bench/instructions.txt"
local SHORT, LONG = 2000, 12000 -- operations
local ALLOWED = 5               -- %

local CALLGRIND = "valgrind --tool=callgrind --callgrind-out-file=/dev/null "

--- The instructions that callgrind told of in a file.
local function collected(path)
  local count = tool.line(("sed -n 's/.*Collected : //p' '%s'"):format(path))
  return tonumber(count) or error("callgrind counted nothing:\n" .. tool.shell("cat " .. path), 0)
end

--- Of a server of ours that answers n messages.
local function serving(program, load, n, scenario, upstream, by)
  local log = tool.out .. "/callgrind"
  local server = tool.start(("%s--log-file='%s' %s %s 0 %s"):format(CALLGRIND, log,
    contestants[by or "net"].command, program, upstream or ""), "0", tool.server_pin)
  tool.load(server, scenario or "echo", ("%s -n%d"):format(load, n))
  server.stop()
  return collected(log)
end

--- Of our server over TLS.
local function serving_tls(scenario, options, n)
  local log, tls = tool.out .. "/callgrind", contestants.tls
  if tls.absent then
    return nil
  end
  local server = tool.start(("%s--log-file='%s' %s"):format(CALLGRIND, log,
    tls.command:gsub("{scenario}", scenario)), "0", tool.server_pin)
  server.load = tls.load
  tool.load(server, scenario, ("%s -n%d -l60"):format(options, n))
  server.stop()
  return collected(log)
end

--- Of our proxy that passes n messages on, and their answers back.
local function piping(load, n)
  local backend = tool.start(tool.out .. "/bare echo 0", "0", tool.load_pin)
  local count = serving("proxy", load, n, "echo", backend.address)
  backend.stop()
  return count
end

--- Of require("net"), in a program that does nothing else.
local function requiring()
  local log = tool.out .. "/callgrind"
  local function count(text)
    tool.shell(("%s--log-file='%s' '%s' -e '%s'"):format(
      CALLGRIND, log, os.getenv("LUA") or "lua5.4", text))
    return collected(log)
  end
  return count('require("net")') - count("")
end

--- Of counted.lua doing something n times.
local function counted(what, n)
  local log = tool.out .. "/callgrind"
  local sink = tool.start(tool.out .. "/bare sink 0", "0", tool.load_pin)
  tool.shell(("%s--log-file='%s' '%s' %s/counted.lua %s %d %s"):format(
    CALLGRIND, log, os.getenv("LUA") or "lua5.4", here, what, n, sink.address))
  sink.stop()
  return collected(log)
end

local OPERATIONS = {
  { "echo", "echo of a message", function(n) return serving("echo", "-c1", n) end },
  { "pipelined", "echo, 16 messages at a time, each",
    function(n) return serving("echo", "-c1 -d16", n) end },
  { "task", "echo of a message, by a task",
    function(n) return serving("echo", "-c1", n, "echo", nil, "tasks") end },
  { "timeout", "echo with an idle timeout", function(n) return serving("timeout", "-c1", n) end },
  { "four", "four small writes in answer to a message",
    function(n) return serving("four", "-c1", n, "four") end },
  { "connect", "a connection that says one byte and goes",
    function(n) return serving("connect", "-c1", n, "connect") end },
  { "pipe", "a message and its answer, by pipe()", function(n) return piping("-c1", n) end },
  { "tls", "echo of a message over TLS", function(n) return serving_tls("echo", "-c1", n) end },
  { "handshake", "a handshake of TLS 1.2, resumed",
    function(n) return serving_tls("handshake", "-c1 -V2 -r", n) end, nil, 10 },
  { "emit", "an event with one listener", function(n) return counted("emit", n) end },
  { "write", "a small write, ten of them a turn", function(n) return counted("write", n) end },
  { "refresh", "a timer that starts anew", function(n) return counted("refresh", n) end },
  { "rearm", "a timer that is ended, and another started",
    function(n) return counted("rearm", n) end },
  { "spawn", "a task that does nothing, to its end", function(n) return counted("spawn", n) end },
  { "encode", "a message of 1 KiB as JSON", function(n) return counted("encode", n) end },
  { "decode", "the same, read", function(n) return counted("decode", n) end },
  { "message", "a message of 100 B to a child and back, for the parent",
    function(n) return counted("message", n) end },
  { "require", "require(\"net\"), in all", nil, requiring },
}

--- The figures of the file, by key.
local function read_kept()
  local kept = {}
  for line in io.lines(KEPT) do
    local key, figure = line:match("^(%l+)%s+(%d+)")
    if key then
      kept[key] = tonumber(figure)
    end
  end
  return kept
end

local function write_kept(lines)
  os.execute("mkdir -p " .. KEPT:match("^(.*)/"))
  local file = assert(io.open(KEPT, "w"))
  file:write("# Instructions per operation, in user space: make bench-instructions.\n",
    ("# %s; %s; libev %s\n"):format(contestants.bare.version, _VERSION,
      contestants.libev.version), table.concat(lines, "\n"), "\n")
  assert(file:close())
  print("kept in " .. KEPT)
end

--- Prints a figure beside the kept one; true if it grew too much.
local function compare(name, now, before)
  local change = before and (now / before - 1) * 100
  local grew = change and change > ALLOWED
  print(("%-44s %8d %8s %9s%s"):format(name, now, before or "-",
    change and ("%+.1f %%"):format(change) or "", grew and "  GREW" or ""))
  return grew
end

--- What an operation costs: by the difference of two runs, in which it is done by `part` of
--- the times. nil if it cannot be counted.
local function each(count, part)
  local short, long = SHORT // (part or 1), LONG // (part or 1)
  local least = count(short)
  return least and math.floor((count(long) - least) / (long - short) + 0.5)
end

local function main()
  if not tool.has("valgrind") then
    error("no valgrind here", 0)
  end
  contestants.find()
  local keep = arg[1] == "--keep"
  local readable, kept = pcall(read_kept)
  local lines, worse = {}, false
  print(("%-44s %8s %8s"):format("instructions in user space", "now", "kept"))
  for _, operation in ipairs(OPERATIONS) do
    local key, name = operation[1], operation[2]
    local now = operation[4] and operation[4]() or each(operation[3], operation[5])
    if now then
      worse = compare(name, now, readable and kept[key]) or worse
      lines[#lines + 1] = ("%-10s %7d  %s"):format(key, now, name)
    end
  end
  if keep then
    write_kept(lines)
  elseif worse then
    error(("something grew by more than %d %%"):format(ALLOWED), 0)
  end
end

local ok, problem = pcall(main)
tool.stop_all()
if not ok then
  io.stderr:write("bench: ", tostring(problem), "\n")
  os.exit(1)
end
