-- SPDX-License-Identifier: MIT

--- `make torture`: each system call fails, and memory runs out, at each place where it may.
---
---     run.lua [ROW ...]           -- "recv", "memory": those rows only
---     SCENES="tls tlsproxied" run.lua recv       -- in those scenes only
---
--- A row is what fails. In each scene that comes to it, it fails once and for long, with
--- each error that fits, the first time, the second, and so on until the scene passes
--- without a failure (fail.c). One line a row: cases run, and failures of ours among them,
--- each of which is told with how to run it alone. Ends with 1 if there was one.
---
--- Four scenes run at a time, or AT_ONCE, as most of what they do is to wait. LOG=1 tells of
--- each.

local lua = require("spec.support.lua")
local tlsscene = dofile("tools/torture/tlsscene.lua")

local SCENES = {
  "echo", "unix", "proxied", "pipe", "file", "name", "bound", "ends", "child", "channel", "handles",
  "handover", "activated", "replace", "primary", "worker", "tasks", "luasocket",
  "tls", "tlsmore", "tlsover", "tlsproxied", "tlstasks",
}
local AT_ONCE = tonumber(os.getenv("AT_ONCE")) or 4
local SHORT, LATE = -1, -2

--- Numbers of Linux, as the system calls have them; those of getaddrinfo are EAI_*.
local E = {
  EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, E2BIG = 7, EBADF = 9, ECHILD = 10,
  EAGAIN = 11, ENOMEM = 12, EACCES = 13, EINVAL = 22,
  ENODEV = 19, ENOSYS = 38,
  ENFILE = 23, EMFILE = 24, ENOSPC = 28, EPIPE = 32, EPROTO = 71, EADDRINUSE = 98,
  EADDRNOTAVAIL = 99, ENETUNREACH = 101, ECONNABORTED = 103, ECONNRESET = 104, ENOBUFS = 105,
  ENOTCONN = 107, ETIMEDOUT = 110, ECONNREFUSED = 111, EAFNOSUPPORT = 97, EHOSTUNREACH = 113,
  EAI_AGAIN = 3, EAI_FAIL = 4, EAI_MEMORY = 10, EAI_SYSTEM = 11, short = SHORT, late = LATE,
  memory = 1,
}

--- What fails, and how. An error behind "once" would last for ever where it lasted: a
--- program that is told to try again does so.
local ROWS = {
  { "memory", "memory" },
  { "openssl", "memory" },
  { "socket", "EMFILE ENFILE ENOBUFS ENOMEM EAFNOSUPPORT EACCES" },
  { "bind", "EADDRINUSE EADDRNOTAVAIL EACCES ENOMEM" },
  { "listen", "EADDRINUSE ENOBUFS" },
  { "accept4", "EMFILE ENFILE ENOBUFS ENOMEM once ECONNABORTED EPROTO EPERM EINTR EAGAIN" },
  { "connect", "ECONNREFUSED ETIMEDOUT ENETUNREACH EADDRNOTAVAIL EACCES EAGAIN ENOBUFS once late" },
  { "recv", "ECONNRESET ETIMEDOUT ENOMEM EHOSTUNREACH once short EINTR EAGAIN" },
  { "send", "EPIPE ECONNRESET ETIMEDOUT ENOBUFS ENOMEM EACCES once short EINTR EAGAIN" },
  { "sendmsg", "EPIPE ECONNRESET ETIMEDOUT ENOBUFS ENOMEM once short EINTR EAGAIN" },
  { "recvmsg", "ENOMEM ENOBUFS once short EINTR EAGAIN" },
  { "splice", "EPIPE ECONNRESET ENOMEM EINVAL once short EINTR EAGAIN" },
  { "sendfile", "EPIPE ECONNRESET EIO ENOMEM EINVAL once short EINTR EAGAIN" },
  { "pread", "EIO ENOMEM once EINTR short", scene = "file" },
  { "shutdown", "ENOBUFS ECONNRESET" },
  { "close", "EIO EINTR" },
  { "setsockopt", "EINVAL ENOBUFS ENOMEM" },
  { "getsockopt", "ENOBUFS ENOMEM" },
  { "getsockname", "ENOBUFS EINVAL" },
  { "getpeername", "ENOTCONN ENOBUFS" },
  -- A poll tells of a descriptor that is closed if its socket lives under another number, as
  -- that of a server that was handed over does. libev then makes its poller anew, and calls
  -- abort(3) where it cannot, or where it cannot watch what a signal wakes it by: nothing here
  -- can mend that.
  { "epoll_ctl", "ENOSPC ENOMEM", not_for_long = { replace = true } },
  { "epoll_wait", "once EINTR" },
  { "epoll_create1", "EMFILE ENFILE ENOMEM", first = 2,
    at_start_only = { handover = true, replace = true } },
  { "eventfd", "EMFILE ENFILE ENOMEM EINVAL", first = 2 },
  { "timerfd_create", "EMFILE ENOMEM", first = 2 },
  { "pipe2", "EMFILE ENFILE" },
  { "socketpair", "EMFILE ENFILE ENOMEM ENOBUFS" },
  { "vfork", "EAGAIN ENOMEM ENOSYS" },
  { "fork", "EAGAIN ENOMEM" },
  { "dup2", "EBADF EMFILE once EINTR" },
  { "close_range", "ENOSYS EPERM" },
  { "chdir", "ENOENT EACCES EIO" },
  { "setuid", "EPERM EAGAIN" },
  { "execve", "ENOENT EACCES ENOMEM E2BIG" },
  { "read", "once EINTR" },
  { "pidfd_open", "ENOSYS EPERM EMFILE ENODEV" },
  { "waitpid", "ECHILD once EINTR" },
  { "kill", "EPERM EINVAL" },
  { "open", "EMFILE ENFILE ENOMEM EACCES ENOENT once EINTR" },
  { "fcntl", "EMFILE EINVAL" },
  { "fstat", "EIO ENOMEM" },
  { "lstat", "EACCES ENOENT" },
  { "unlink", "EACCES ENOENT EPERM" },
  { "chmod", "EPERM EIO" },
  { "fchmod", "EPERM EIO" },
  { "pthread_create", "EAGAIN", first = 2 },
  { "getaddrinfo", "EAI_AGAIN EAI_FAIL EAI_MEMORY EAI_SYSTEM" },
}

local program = os.tmpname()

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Starts fail.c's program; `first` is the only n, if it is given.
local function start(scene, call, error, length, first, grown)
  local script = ("tools/torture/scenes/%s.lua"):format(scene)
  local words = {
    quote(program), script, call, E[error] or 0, length, first or 0, grown and "grown" or "",
  }
  local command = table.concat(words, " ")
  return {
    pipe = assert(io.popen("exec 2>&1; " .. command .. "; echo status $?")),
    what = ("%s, %s%s"):format(scene, error, length == 0 and " for long" or ""), command = command,
  }
end

--- What came of it: the number of cases, and the lines that tell of a failure.
local function wait_for(run)
  local cases, problems, status = 0, {}, nil
  for line in run.pipe:lines() do
    local ended, code = line:match("^end (%d+)$"), line:match("^status (%d+)$")
    if ended then
      cases = math.tointeger(tonumber(ended))
    elseif code then
      status = tonumber(code)
    elseif lua.without_remarks(line) ~= "" then
      problems[#problems + 1] = line
    end
  end
  run.pipe:close()
  if status ~= 0 then
    problems[#problems + 1] = ("ended with status %s"):format(status)
  end
  return cases, problems
end

--- Does the scene ever come to that call?
local comes_to = {}
local function count_calls()
  for _, scene in ipairs(SCENES) do
    comes_to[scene] = {}
    local run = start(scene, "none", "none", 1)
    for line in run.pipe:lines() do
      local name, times = line:match("^([%w_]+) (%d+)$")
      if name and name ~= "end" and name ~= "status" then
        comes_to[scene][name] = tonumber(times)
      elseif not name and lua.without_remarks(line) ~= "" then
        error(("%s fails by itself: %s"):format(scene, line), 0)
      end
    end
    run.pipe:close()
  end
end

--- The runs that make up a row, as functions that start them.
local function runs_of(row)
  local list = {}
  local function add(...)
    local args = table.pack(...)
    list[#list + 1] = function() return start(table.unpack(args, 1, args.n)) end
  end
  for _, scene in ipairs(SCENES) do
    local once = false
    for error in row[2]:gmatch("%S+") do
      once = once or error == "once"
      if error == "once" or not (row.first or row.scene == scene or comes_to[scene][row[1]]) then
        error = nil
      end
      once = once or row.not_for_long and row.not_for_long[scene]
      local lengths = once and { 1 } or row[1] == "memory" and { 2, 0 } or { 1, 0 }
      for _, length in ipairs(error and lengths or {}) do
        local at_start = row.at_start_only and row.at_start_only[scene]
        local last = at_start and 1 or row.first or 0
        for first = row.first and 1 or 0, last do
          add(scene, row[1], error, length, first, row[1] ~= "memory")
        end
        if row[1] == "memory" then
          add(scene, row[1], error, length, 0, true)
        end
      end
    end
  end
  return list
end

--- Runs them, a few at a time; returns cases and failures.
local function run_row(row)
  local cases, failures, waiting, list = 0, 0, {}, runs_of(row)
  for i = 1, #list + AT_ONCE do
    if list[i] then
      waiting[#waiting + 1] = list[i]()
    end
    if i >= AT_ONCE and waiting[1] then
      local run = table.remove(waiting, 1)
      local more, problems = wait_for(run)
      cases, failures = cases + more, failures + #problems
      if #problems > 0 or os.getenv("LOG") then
        print(("  %s: %d cases; %s"):format(run.what, more, run.command))
      end
      for n = 1, math.min(#problems, 5) do
        print("    " .. problems[n])
      end
    end
  end
  return cases, failures
end

local function wanted(row)
  for _, name in ipairs(arg) do
    if name == row[1] then
      return true
    end
  end
  return #arg == 0
end

--- Leaves out the scenes that were not asked for, or cannot be.
local function choose_scenes()
  local asked, chosen = os.getenv("SCENES"), {}
  local is_built = tlsscene.is_built()
  for _, scene in ipairs(SCENES) do
    local is_asked = not asked or (" " .. asked .. " "):find(" " .. scene .. " ", 1, true)
    if is_asked and (is_built or not scene:find("^tls")) then
      chosen[#chosen + 1] = scene
    end
  end
  SCENES = chosen
  if is_built then
    tlsscene.make()
  else
    print("torture: net.tls is not built, so the scenes over TLS are left out")
  end
end

choose_scenes()
local with_openssl = tlsscene.is_built() and " -DWITH_OPENSSL -Wl,--no-as-needed -lcrypto" or ""
if not lua.compile("tools/torture/fail.c", program, "-Wl,-E -pthread" .. with_openssl) then
  print("torture: there is no Lua library to link with")
  os.exit(1)
end
count_calls()
local all_cases, all_failures = 0, 0
for _, row in ipairs(ROWS) do
  if wanted(row) then
    local cases, failures = run_row(row)
    print(("%-16s %6d cases  %4d failures   %s"):format(row[1], cases, failures, row[2]))
    io.stdout:flush()
    all_cases, all_failures = all_cases + cases, all_failures + failures
  end
end
os.remove(program)
print(("%-16s %6d cases  %4d failures"):format("all", all_cases, all_failures))
os.exit(all_failures == 0 and all_cases > 0)
