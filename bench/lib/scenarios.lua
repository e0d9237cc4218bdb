-- SPDX-License-Identifier: MIT

--- What is measured, and the targets.
--
-- Kinds of figures:
--   ratio    CPU time of the base per unit of work, over that of the contestant,
--            in the same round: 1.00 is as cheap, .50 costs twice as much
--   work     the same, of programs that need no load
--   cost     us of CPU time per unit of work
--   speed    MB for each second of CPU time
--   over     CPU time of one server with something, over that without, in %
--   memory   KiB of resident memory for each connection that is held
--   start    ms from the start of the process until it listens
-- `target` is ours; `why` is shown where it is missed: what was found, and how.
-- `known` are the figures that the targets were set by: older peers on another
-- machine, for comparison only. `again` are those that the target is about, which
-- are measured more often.

local WHY = {
  echo = "perf: 77 % (Unix) to 83 % (TCP) of our server's time is the kernel's, of bare C's 96 %, "
    .. "and as much of it in both. The rest are 2,040 instructions a message (callgrind): 1,120 "
    .. "in Lua, for a string, a listener, and `socket:write`, which is looked up and called; 560 "
    .. "in the core, 250 in libc for the string, 100 in libev. Bare C + Lua, without libev and "
    .. "`socket:write`, has 890. They lie in 170 cache lines of code (its: 86), which the kernel "
    .. "has driven out of the nearest cache by then: gcc's profile (-fprofile-use -flto), at 165, "
    .. "took 4 % off over Unix and 2 % over TCP (117 and 92 pairs) when there were 2,180 in 190, "
    .. "and the calls that were taken out by hand since took as much. They are not spent waiting "
    .. "for data: fetching the next socket's ahead changed nothing (229 pairs: 1.00). To send for "
    .. "16 ready sockets at once, not for each after its listener, would bring 1 to 5 % over TCP "
    .. "(three runs of 60 pairs) and nothing over Unix; but an answer would then wait for other "
    .. "connections' listeners, however long they take, which it does not in Node.",
  copy = "perf: 9 % are the copy of each 64 KiB into a Lua string, which C does not make, and 4 % "
    .. "are that the kernel then reads it from memory that is not as near. Bare C + Lua pays "
    .. "both. The rest are 3,900 instructions a message (callgrind), a third of them the "
    .. "collector's.",
  sink = "It is the copy into a Lua string (perf: 14 % of the time, Lua 4 %, malloc and free 1 "
    .. "%), beside bare C that reads into the same 64 KiB over and over; Lua 5.4 has no strings "
    .. "whose bytes are somebody else's. Collector, in one run: .79 as `lua` sets it "
    .. "(generational, at 20 % growth), .77 to .82 at 10, 5 and 1 %, .56 incremental, .40 "
    .. "generational at 100 %, .04 without: what counts is how soon the same memory is written "
    .. "again. Read size, in one run: .64, .71, .67, .68, .60 with 16, 32, 64, 128, 256 KiB. "
    .. "There is no brk, mmap or page fault while it runs (strace). luv makes the same copy: in "
    .. "five whole runs it had .80, .86, .75, .74 and .77, we .75, .80, .81, .79 and .79. perf "
    .. "found the difference in the copies alone, the kernel's and this one, for as long as a "
    .. "process lives; alignment (of the buffer, 0 to 4,080 bytes) and how often one reads "
    .. "before one polls (8, 32) make none.",
  source = "The system calls are C's, and there are 1,300 instructions for each 64 KiB "
    .. "(callgrind): less than what the clock can tell apart here. See the quartiles.",
  connect = "callgrind: 15,400 instructions for each of many connections, of which C has hardly "
    .. "any: a userdata, its listeners, and the ticks and close events that Node's order of "
    .. "events asks for, in 600 cache lines of code; luv's server takes 19,300. They were 16,700 "
    .. "before steps and helpers were handed the socket, which they had asked Lua for. The one "
    .. "system call more is shutdown(2), as in Node. Sockets have no finalizer, so that Lua frees "
    .. "them a collection sooner: 3 % less (144 pairs), and half of the memory. Beside bare C in "
    .. "one run of 91 rounds: .85 before both, .89 after, luv .87.",
  four = "The system calls are those of C, one recv and one send. The rest is the price of four "
    .. "calls of `socket:write` from Lua: 910 instructions each (callgrind), of which Lua's are "
    .. "690, to look the method up, call it, and read its arguments.",
  proxy = "callgrind: 1,020 instructions for a message and its answer, a fifth of them libev's, "
    .. "with C's system calls. It was 1,660 before what is pumped stopped to ask Lua for "
    .. "anything.",
  start = "callgrind: 3.0 million instructions, of which a Lua that does nothing takes 1.0; a "
    .. "server on luv takes 3.2. Of ours, 0.4 go to loading two libraries, 0.4 to opening the "
    .. "core, 0.5 to reading what is needed of the compiled modules that are in it, 0.4 to "
    .. "compiling the bench's own program. It was 5.4 when the modules were compiled at every "
    .. "start. To leave out lines and names for tracebacks would save 0.17, and 1 % of the time. "
    .. "In 50 rounds of 15 starts each it took as long as luv's (1.00), with 9 system calls and 6 "
    .. "page faults more; in three whole runs 1.01, 1.02 and 1.13 of it.",
  timeout = "callgrind: 40 instructions more for a message, of 2,040 and what the kernel does; 200 "
    .. "when `timeout` was among the fields of the program's own, into which each call of a method "
    .. "of a socket that has any takes a look. With those it was -0.2, -3.9, 4.7 and 2.7 % in four "
    .. "whole runs: two processes that do the same differ as much.",
  ["task-memory"] = "An allocator that counts, and what malloc makes of it, in bytes: socket 416, "
    .. "task 432, what both share 224; Lua's thread 224, its stack 736, three calls amid the wait "
    .. "240; what few sockets have 96, registry and lists 64: 2.37 KiB where a program spawns the "
    .. "task itself. `serve` adds two calls (160), which make an error that is the socket's own "
    .. "end no more than that, and an entry of its list (272). Lua's 960 are the least that it "
    .. "has: a handler that needs more than about 20 slots below its wait, as one with a `for` "
    .. "inside another call may, has a stack of 1,376.",
  ["task-spawn"] = "callgrind: 7,200 instructions, of which 2,300 make the object, collector "
    .. "included, and 700 the thread. A task of cqueues is a coroutine that nobody can await, "
    .. "cancel or ask for.",
  ["task-sleep"] = "See task-spawn. 100,000 of them take 158 MiB, of which 110 are Lua's threads.",
  ["messages-records"] = "It is a hundred records of five fields, one of them a list: 236 tables. "
    .. "Each is read twice and written twice: 167 us of some 185, where Node's JSON, for which "
    .. "records of one shape are one class, takes 136. To make such tables by the fewest calls "
    .. "that Lua's API allows, with nothing to be read, takes 36 us, and to walk them, with "
    .. "nothing to be written, 26; twice that is 124, so a reader and a writer that took no "
    .. "time at all would be level with Node. A record is two tables, four calls of malloc "
    .. "and as many of free, and eight fields set; malloc with a larger cache (tcache_count) "
    .. "takes 8 us off of 52, but is the host's. Strings that came before are found on the "
    .. "stack, and not made or looked at anew, which took 23 % off of the writer's "
    .. "instructions and 14 % off of the reader's. Other settings of the collector "
    .. "(generational at 100 %, incremental at 400) took nothing.",
  ["tls-resumed-12"] = "callgrind: 472,000 instructions, of which C on libssl takes "
    .. "386,000: there is no key "
    .. "to be agreed on, so that the connection is what costs. The rest is Lua's: a socket, "
    .. "its state, a time limit and a listener for its end, three events. Beyond C's system "
    .. "calls there are shutdown(2), as in Node, and setsockopt for noDelay; nginx sends no "
    .. "close_notify where the client has, which Node does. On a busy machine it had .70 "
    .. "before close_notify shared a packet with the FIN and a read for nothing was left "
    .. "out, .78 then, and .82 since a server's connections have its settings in common.",
  ["tls-echo"] = "callgrind: 23,600 instructions a message, of which 13,600 are "
    .. "OpenSSL's to read and "
    .. "to write a record, 16 KiB allocated and freed for each among them: without that an "
    .. "idle connection would keep 33 KiB. The system calls are C's, one recv and one send.",
  idle = "5.5, 3.2, -1.8 and 6.6 % in four whole runs. Two runs of 45 s, one after the other, "
    .. "gave 6.04 us a message without the idle ones and "
    .. "6.20 with them, and bare C 5.31 and 4.91: the difference of two figures needs a steadier "
    .. "machine than this. How often the collector runs (at 20, 5, 1 % growth) made none.",
}

local ALL = { "bare", "libev", "bare-lua", "net", "node", "luv", "cqueues", "copas" }
local RATIO = { "bare", "again", table.unpack(ALL, 2) }

local function ratio(key, name, load, per, target, known, more)
  local s = {
    kind = "ratio", key = key, name = name, load = load, per = per, target = target,
    program = key, base = "bare", who = RATIO, again = { "bare", "net" },
    known = known and {
      node = known[1], luv = known[2], cqueues = known[3], copas = known[4],
      ["bare-lua"] = known[5],
    } or {},
  }
  for k, v in pairs(more or {}) do
    s[k] = v
  end
  return s
end

--- Between a process and its child, both counted, beside Node's child_process.
local function processes(key, name, per, program, load)
  return {
    kind = "work", key = key, name = name, per = per, program = program, load = load,
    base = "node", who = { "node", "net" }, target = 1, known = {}, why = WHY[key],
  }
end

--- Two workers under a primary, all counted, beside Node's cluster. They are not kept to a
--- core, and share what there is with the load.
local function clusters(mode, what, per, name)
  return {
    kind = "work", key = ("cluster-%s-%s"):format(mode, what), name = name, per = per,
    program = "cluster", load = mode .. " " .. what, base = "node", who = { "node", "net" },
    target = 1, known = {},
  }
end

--- Tasks, beside callbacks and the coroutines of others.
local function tasks(key, name, load, per, target, more)
  return ratio("task-" .. key, name, load, per, target, nil, {
    program = key, base = "net", who = { "net", "tasks", "cqueues", "copas" }, ours = "tasks",
    again = { "net", "tasks" }, why = more and more.why, load_as = more and more.load_as,
    unix = more and more.unix,
  })
end

--- What a task costs by itself, beside the coroutines of others.
local function task_work(what, name, per)
  return {
    kind = "work", key = "task-" .. what, name = name, per = per, program = "tasks",
    load = what, alone = true, base = "cqueues", who = { "cqueues", "tasks" }, ours = "tasks",
    target = 1, known = {},
    why = WHY["task-" .. what],
  }
end

--- Servers over TLS. What they are to reach is that of other servers where those do the same,
--- and a figure where they do not.
local function over_tls(kind, key, name, load, per, target, more)
  local s = {
    kind = kind, key = "tls-" .. key, name = name, load = load, per = per, target = target,
    program = key, ours = "tls", known = {}, why = WHY["tls-" .. key],
  }
  for k, v in pairs(more) do
    s[k] = v
  end
  s.again = s.base and { s.base, "tls" } or { "tls" }
  return s
end

--- Handshakes, as many connections, which have nothing else to say.
local function handshakes(key, name, options, base, target)
  local who = { base, "tls", "tls-node", base == "nginx" and "tls-haproxy" or "nginx", "libssl" }
  return over_tls("ratio", key, name, "-c16 " .. options, "handshake", target,
    { program = "handshake", base = base, who = who })
end

--- A message as JSON, beside lua-cjson.
local function codec(what, bytes, size)
  return {
    kind = "work", key = ("json-%s-%d"):format(what, bytes), program = "codec", alone = true,
    name = ("a message of %s as JSON, %sd"):format(size, what), per = "message",
    load = ("%s %d"):format(what, bytes), base = "cjson", who = { "cjson", "net", "node" },
    target = 1, known = {},
  }
end

return {
  ratio("echo", "echo, 64 connections x 64 B", "-c64 -s64", "message", .91,
    { .69, .78, .66, .61, .93 }, { why = WHY.echo }),
  ratio("pipelined", "echo, 16 requests in flight on each", "-c64 -s64 -d16", "message", .91,
    { .70, .78, .67, .61, .92 }, { program = "echo", why = WHY.echo }),
  ratio("unix", "echo on a Unix socket", "-c64 -s64", "message", .86,
    { .49, .62, .46, .42, .88 }, { program = "echo", unix = true, why = WHY.echo }),
  ratio("bulk", "echo in bulk, 1 connection, 64 KiB, 4 deep", "-c1 -s65536 -d4", "message", .88,
    { .33, .48, .49, .40, .89 }, { program = "echo", why = WHY.copy }),
  ratio("sink", "stream in, discarded", "-c1", "KiB", .85, { .22, .82, .46, .31, .78 },
    { why = WHY.sink }),
  ratio("source", "stream out, with drain", "-c1", "KiB", .95, { .71, .69, .56, .62, .98 },
    { why = WHY.source }),
  ratio("connect", "connect, one byte, close, 32 at a time", "-c32 -s1", "connection", .96,
    { .76, .95, .89, .93, .97 }, { why = WHY.connect }),
  ratio("four", "four small writes in answer to one message", "-c64 -s64", "message", .90,
    nil, { why = WHY.four }),
  ratio("proxy", "proxy, small messages", "-c64 -s64", "message", .95, { .63, .69 },
    { base = "copy", who = { "copy", "splice", "haproxy", "net", "node", "luv" }, why = WHY.proxy,
      again = { "copy", "net" }, load_as = "echo" }),
  ratio("proxy-bulk", "proxy in bulk, 64 KiB, 4 deep", "-c1 -s65536 -d4", "message", .90,
    { .36, .46 },
    { program = "proxy", base = "splice", load_as = "echo", again = { "splice", "net" },
      who = { "splice", "copy", "haproxy", "net", "node", "luv" } }),
  {
    kind = "over", key = "timeout", name = "setTimeout on each of 1,000 sockets",
    who = { "net", "node", "luv" }, again = { "net" }, target = 2, known = {}, per = "message",
    why = WHY.timeout, without = { "echo", "-c1000 -s64" }, with = { "timeout", "-c1000 -s64" },
  },
  {
    kind = "over", key = "idle", name = "10,000 connections of which 100 are busy",
    who = { "bare", "net", "node", "luv", "cqueues" }, again = { "net" }, target = 5, known = {},
    why = WHY.idle,
    per = "message",
    without = { "echo", "-c100 -s64" }, with = { "echo", "-c100 -s64 -i9900" },
  },
  {
    kind = "memory", key = "memory", name = "memory for an idle accepted connection",
    who = ALL, target = .60, count = 9900, limits = { copas = 900 },
    known = { node = 4.35, luv = .56, cqueues = 11.8, copas = 14.4, bare = .34 },
  },
  {
    kind = "start", key = "start", name = "from the start of the process to listening",
    who = { "alone", table.unpack(ALL) }, target = 1.5, why = WHY.start,
    known = { node = 54, luv = 1.5, cqueues = 3.6, copas = 1.6, bare = .9 },
  },
  tasks("echo", "echo by a task, 64 connections x 64 B", "-c64 -s64", "message", .90),
  tasks("connect", "connect, one byte, close, by a task", "-c32 -s1", "connection"),
  tasks("timeout", "echo by a task, an idle timeout on each socket", "-c64 -s64", "message", nil,
    { load_as = "echo" }),
  {
    kind = "over", key = "task-deadline", name = "echo by a task, a time limit on each wait",
    who = { "tasks", "cqueues" }, again = { "tasks" }, known = {}, per = "message",
    without = { "echo", "-c64 -s64" }, with = { "deadline", "-c64 -s64" },
  },
  {
    kind = "memory", key = "task-memory", name = "memory for an idle connection and its task",
    who = { "net", "tasks", "cqueues", "copas" }, ours = "tasks", target = 2.2, count = 9900,
    limits = { copas = 900 }, known = {}, why = WHY["task-memory"],
  },
  handshakes("full", "TLS 1.3 handshake, P-256", "-V3", "tls-haproxy", 1 / 1.1),
  handshakes("full-12", "TLS 1.2 handshake, P-256", "-V2", "tls-haproxy", 1 / 1.1),
  handshakes("resumed", "TLS 1.3 handshake, resumed", "-V3 -r", "nginx", 1 / 1.15),
  handshakes("resumed-12", "TLS 1.2 handshake, resumed", "-V2 -r", "nginx", 1 / 1.15),
  over_tls("speed", "source", "stream out over TLS, with drain", "-c1", "KiB", 1250,
    { who = { "tls", "tls-node", "nginx", "libssl" } }),
  over_tls("speed", "sink", "stream in over TLS, discarded", "-c1", "KiB", 1150,
    { who = { "tls", "tls-node", "libssl" } }),
  over_tls("cost", "echo", "echo over TLS, 64 connections x 64 B", "-c64 -s64", "message", 10,
    { who = { "tls", "tls-node", "libssl" } }),
  {
    kind = "memory", key = "tls-memory", name = "memory for an idle TLS connection", ours = "tls",
    who = { "tls", "tls-node", "nginx", "tls-haproxy", "libssl" }, target = 15.5, count = 2000,
    limits = {}, known = {}, why = WHY["tls-memory"],
  },
  task_work("spawn", "a task that does nothing, from start to end", "task"),
  task_work("sleep", "a task that sleeps beside 100,000, from start to end", "task"),
  task_work("line", "a line of 32 B that has arrived, by a task", "line"),
  codec("encode", 100, "100 B"),
  codec("decode", 100, "100 B"),
  codec("encode", 1024, "1 KiB"),
  codec("decode", 1024, "1 KiB"),
  codec("encode", 10240, "10 KiB"),
  codec("decode", 10240, "10 KiB"),
  processes("messages-100", "a message of 100 B to a child and back", "message", "messages",
    "100 records"),
  processes("messages-text", "a message of 10 KiB of text to a child and back", "message",
    "messages", "10240 text"),
  processes("messages-records", "a message of 10 KiB of records to a child and back", "message",
    "messages", "10240 records"),
  processes("sockets", "a socket sent to a child, or back", "socket", "sockets", ""),
  clusters("one", "echo", "message", "echo, 64 connections x 64 B, one process"),
  clusters("rr", "echo", "message", "echo through a cluster of 2, SCHED_RR"),
  clusters("least", "echo", "message", "echo through a cluster of 2, SCHED_LEAST (Node: RR)"),
  clusters("none", "echo", "message", "echo through a cluster of 2, SCHED_NONE"),
  clusters("reuseport", "echo", "message", "echo through a cluster of 2, reusePort"),
  clusters("one", "connect", "connection", "connect, one byte, close, one process"),
  clusters("rr", "connect", "connection", "connect to a cluster of 2, SCHED_RR"),
  clusters("least", "connect", "connection", "connect to a cluster of 2, SCHED_LEAST (Node: RR)"),
  clusters("none", "connect", "connection", "connect to a cluster of 2, SCHED_NONE"),
  clusters("reuseport", "connect", "connection", "connect to a cluster of 2, reusePort"),
  clusters("rr", "primary", "connection", "connect to a cluster of 2, SCHED_RR, for the primary"),
}
