-- SPDX-License-Identifier: MIT
--
-- demo.lua - two processes, and every byte between them looked at.
--
--     make demo
--     lua5.4 examples/demo.lua [MEBIBYTES]         # 256
--
-- One process is a server on TCP and on a Unix socket, the other a client:
--
--   1. a file of pseudo-random bytes is sent through each, and its echo compared
--      with the file byte by byte. The client reads slowly now and then, so both
--      sides have to wait for each other. It ends its side after the last byte
--      and hears the rest then, last of all the checksum of what the server got;
--   2. 500 connections are open at once, each with a message of its own.
--
-- It exits with 0, or says what differed and exits with 1. The file has no name
-- (io.tmpfile), and the socket files are removed however the demonstration ends,
-- Ctrl-C included.
--
-- Shows: backpressure by write's result and 'drain', pause and resume, half-open
-- connections, and what becomes of a server whose client is gone.

local net = require("net")
local process = require("net.process")
local timers = require("net.timers")

local MIB = 1 << 20
local BLOCK = 65536 -- bytes written at once
local CROWD = 500 -- connections at once
local PAUSE_EVERY, PAUSE = 16 * MIB, 20 -- bytes, ms: how slowly the client reads
local PATIENCE = 30 -- seconds without a byte are a failure
local PRIME = 0x100000001b3 -- of the 64-bit FNV hash

-- Checksums: FNV-1a over words of 8 bytes, the end padded with zeros

local Checksum = {}
Checksum.__index = Checksum

local function new_checksum()
  return setmetatable({ value = 0, rest = "" }, Checksum)
end

function Checksum:add(bytes)
  if self.rest ~= "" then
    bytes = self.rest .. bytes
  end
  local unpack, value, whole = string.unpack, self.value, #bytes - #bytes % 64
  for i = 1, whole, 64 do
    local a, b, c, d, e, f, g, h = unpack("<i8i8i8i8i8i8i8i8", bytes, i)
    value = (value ~ a) * PRIME
    value = (value ~ b) * PRIME
    value = (value ~ c) * PRIME
    value = (value ~ d) * PRIME
    value = (value ~ e) * PRIME
    value = (value ~ f) * PRIME
    value = (value ~ g) * PRIME
    value = (value ~ h) * PRIME
  end
  self.value, self.rest = value, bytes:sub(whole + 1)
end

function Checksum:text()
  if self.rest ~= "" then
    self:add(("\0"):rep(64 - #self.rest))
  end
  return ("%016x"):format(self.value)
end

--- What the server says when its client has ended: what it got, and how much.
local function receipt(checksum, count)
  return ("%s %d\n"):format(checksum:text(), count)
end

-- The server process: `demo.lua serve PATH`

--- Sends back what comes, and a receipt at the end.
local function echo(socket, stats)
  local checksum = new_checksum()
  stats.open = stats.open + 1
  stats.most = math.max(stats.most, stats.open)
  socket:on("data", function(chunk)
    checksum:add(chunk)
    if not socket:write(chunk) then
      stats.waits = stats.waits + 1
      socket:pause()
    end
  end)
  socket:on("drain", function()
    socket:resume()
  end)
  socket:on("end", function() -- half open: our side still works
    socket:finish(receipt(checksum, socket.bytesRead))
  end)
  socket:on("error", function()
    stats.errors = stats.errors + 1
  end)
  socket:on("close", function()
    stats.open = stats.open - 1
  end)
end

local function serve(path)
  local stats = { open = 0, most = 0, waits = 0, errors = 0 }
  local servers, sockets = {}, {}

  local function on_connection(socket)
    sockets[socket] = true
    socket:on("close", function()
      sockets[socket] = nil
    end)
    echo(socket, stats)
  end

  local function stop()
    for _, server in ipairs(servers) do
      server:close()
    end
    for socket in pairs(sockets) do
      socket:destroy()
    end
  end

  -- The client holds a connection to this one, and when it goes, we go. It may
  -- die before that, too.
  local nobody = timers.setTimeout(stop, PATIENCE * 1000)
  servers[1] = net.createServer(function(lifeline)
    timers.clearTimeout(nobody)
    lifeline:on("error", function() end)
    lifeline:on("close", stop)
    lifeline:resume()
  end):listen(path .. ".life")
  servers[2] = net.createServer({ allowHalfOpen = true }, on_connection):listen(path)
  servers[3] = net.createServer({ allowHalfOpen = true }, on_connection)
  servers[3]:listen(0, "127.0.0.1", function()
    io.stdout:write("port ", servers[3]:address().port, "\n")
    io.stdout:flush()
  end)
  process:on("SIGINT", function() end) -- a Ctrl-C is the client's business

  net.run()
  io.stdout:write(("%d %d %d\n"):format(stats.most, stats.waits, stats.errors))
end

-- The client process: what it knows

local size = 0 -- bytes of the file
local servers = {} -- name -> options of net.connect
local open = {} -- sockets, as keys
local problems = {} -- what went wrong, as text
local rows = {} -- of the table at the end
local moved = 0 -- bytes so far, of everything

--- Seconds, to the hundredth where the system tells.
local function now()
  local file = io.open("/proc/uptime")
  if not file then
    return os.time()
  end
  local seconds = file:read("n")
  file:close()
  return seconds
end

local function fail(format, ...)
  problems[#problems + 1] = format:format(...)
  for socket in pairs(open) do
    socket:destroy()
  end
end

-- Progress: one line that is written anew on a terminal, else four a step

local progress = { is_tty = os.execute("test -t 1") == true, name = "", shown = 0 }

--- Begins a step of so many bytes, or connections.
function progress.start(name, total, unit)
  progress.name, progress.total, progress.unit = name, total, unit
  progress.done, progress.shown, progress.since = 0, 0, now()
end

local function count_text()
  if progress.unit == "connections" then
    return ("%d connections"):format(progress.done)
  end
  local seconds = math.max(now() - progress.since, 0.01)
  return ("%d MiB, %.0f MB/s"):format(progress.done // MIB, progress.done / seconds / 1e6)
end

local function show_line(share)
  local width = 30
  local filled = share * width // 100
  io.stdout:write(("  %-12s [%s%s] %3d %%  %s%s"):format(progress.name, ("#"):rep(filled),
    (" "):rep(width - filled), share, count_text(), progress.is_tty and "   \r" or "\n"))
  io.stdout:flush()
end

--- Counts something done, and shows it if it changes what is to be seen.
function progress.add(count)
  progress.done = progress.done + count
  moved = moved + count
  local step = progress.is_tty and 1 or 25
  local share = math.min(100, progress.done * 100 // progress.total) // step * step
  if share > progress.shown then
    progress.shown = share
    show_line(share)
  end
end

function progress.stop()
  if progress.is_tty then
    io.stdout:write((" "):rep(78), "\r")
  end
  return now() - progress.since
end

-- The file

--- Makes the file: blocks of the same mebibyte of random words, each cut and
--- swapped at another place, so that one block does not pass for another.
local function make_file()
  local words, checksum = {}, new_checksum()
  for i = 1, MIB // 8 do
    words[i] = string.pack("<i8", math.random(0))
  end
  local random = table.concat(words)
  local file = assert(io.tmpfile())
  progress.start("the file", size, "bytes")
  for _ = 1, size // MIB do
    local cut = math.random(1, MIB)
    local block = random:sub(cut + 1) .. random:sub(1, cut)
    assert(file:write(block))
    checksum:add(block)
    progress.add(MIB)
  end
  progress.stop()
  return file, checksum
end

-- The first part: the file

--- What was sent and has not come back yet, to compare it with.
local function new_comparison()
  local pieces, first, last, offset = {}, 1, 0, 0
  local compared = 0

  local function differ(got, wanted)
    for i = 1, #got do
      if got:byte(i) ~= wanted:byte(i) then
        return ("byte %d came back as 0x%02x, not as 0x%02x"):format(
          compared + i - 1, got:byte(i), wanted:byte(i))
      end
    end
  end

  local function sent(piece)
    last = last + 1
    pieces[last] = piece
  end

  --- Compares what came back; returns what is left of it when all that was sent
  --- has come back, and what differs.
  local function returned(chunk)
    local start = 1
    while start <= #chunk and first <= last do
      local piece = pieces[first]
      local count = math.min(#chunk - start + 1, #piece - offset)
      local got = chunk:sub(start, start + count - 1)
      local wanted = piece:sub(offset + 1, offset + count)
      if got ~= wanted then
        return "", differ(got, wanted)
      end
      start, offset, compared = start + count, offset + count, compared + count
      if offset == #piece then
        pieces[first], first, offset = nil, first + 1, 0
      end
    end
    return chunk:sub(start)
  end

  return sent, returned, function()
    return compared
  end
end

--- Opens a connection whose failure is the demonstration's.
local function connect(name, on_connect)
  local socket = net.connect(servers[name], on_connect)
  open[socket] = true
  socket:on("error", function(err)
    fail("%s: %s", name, tostring(err))
  end)
  socket:on("close", function()
    open[socket] = nil
  end)
  return socket
end

--- Sends the file through the server of that name, and calls `done` at the end.
local function send_file(name, file, expected, done)
  local sent, returned, compared = new_comparison()
  local waits, next_pause, tail, at_finish = 0, PAUSE_EVERY, "", nil
  local socket
  file:seek("set")
  progress.start(name, size, "bytes")

  local function send()
    repeat
      local block = file:read(BLOCK)
      if not block then
        socket:finish(function()
          at_finish = compared()
        end)
        return
      end
      sent(block)
    until not socket:write(block)
    waits = waits + 1 -- until 'drain'
  end

  local function read_slowly()
    if compared() >= next_pause then
      next_pause = next_pause + PAUSE_EVERY
      socket:pause()
      timers.setTimeout(function()
        socket:resume()
      end, PAUSE)
    end
  end

  local function receive(chunk)
    local rest, problem = returned(chunk)
    progress.add(#chunk - #rest)
    tail = tail .. rest
    if problem then
      fail("%s: %s", name, problem)
    elseif #tail > #expected then
      fail("%s: more came back than was sent", name)
    end
    read_slowly()
  end

  local function check()
    local seconds = progress.stop()
    if #problems > 0 then
      return done() -- what is missing is known
    elseif compared() ~= size then
      fail("%s: %d of %d bytes came back", name, compared(), size)
    elseif tail ~= expected then
      fail("%s: the server's checksum is %q, not %q", name, tail, expected)
    end
    rows[#rows + 1] = { name = name, connections = 1, bytes = compared(), seconds = seconds,
      errors = #problems, waits = waits, late = size - (at_finish or size) }
    done()
  end

  socket = connect(name, send)
  socket:on("drain", send)
  socket:on("data", receive)
  socket:on("close", check)
end

-- The second part: the crowd

--- A message that no other connection has, of 1 to 8 KiB.
local function make_message(i)
  return ("connection %d of %d; "):format(i, CROWD):rep(40 + i * 37 % 300)
end

--- Opens all connections at once, has each send a message when all are open, and
--- ends them when all echoes have come.
local function gather_crowd(done)
  local name = CROWD .. " at once"
  local sockets, connected, echoed, closed, bytes = {}, 0, 0, 0, 0
  progress.start(name, CROWD, "connections")

  local function all(method)
    for i, socket in ipairs(sockets) do
      method(socket, i)
    end
  end

  local function on_connect()
    connected = connected + 1
    if connected == CROWD then
      all(function(socket, i)
        socket:write(make_message(i))
      end)
    end
  end

  local function on_echo()
    echoed = echoed + 1
    progress.add(1)
    if echoed == CROWD then
      all(function(socket)
        socket:finish()
      end)
    end
  end

  local function on_close(i, got)
    local message, checksum = make_message(i), new_checksum()
    checksum:add(message)
    if got ~= message .. receipt(checksum, #message) and #problems == 0 then
      fail("connection %d of %d: %d bytes came back, or others, instead of %d", i, CROWD,
        #got, #message)
    end
    closed, bytes = closed + 1, bytes + #message
    if closed == CROWD then
      rows[#rows + 1] = { name = name, connections = CROWD, bytes = bytes,
        seconds = progress.stop(), errors = #problems, waits = 0, late = 0 }
      done()
    end
  end

  for i = 1, CROWD do
    local got, awaited = "", #make_message(i)
    local socket = connect(i % 2 == 0 and "TCP" or "Unix socket", on_connect)
    sockets[i] = socket
    socket:on("data", function(chunk)
      local is_short = #got < awaited
      got = got .. chunk
      if is_short and #got >= awaited then
        on_echo()
      end
    end)
    socket:on("close", function()
      on_close(i, got)
    end)
  end
end

-- The client process: from start to end

--- The words that started this program, quoted for the shell.
local function own_command()
  local first, words = 0, {}
  while arg[first - 1] do
    first = first - 1
  end
  for i = first, 0 do
    words[#words + 1] = "'" .. arg[i]:gsub("'", "'\\''") .. "'"
  end
  return table.concat(words, " ")
end

--- Starts the server process, whose output we read; the shell tells its exit code.
local function start_server(path)
  local child = assert(io.popen(("%s serve '%s'; echo exit $?"):format(own_command(), path)))
  local port = (child:read("l") or ""):match("^port (%d+)$")
  if port then
    servers = { TCP = { port = port, host = "127.0.0.1" }, ["Unix socket"] = { path = path } }
  else
    fail("the server process did not start")
  end
  return child
end

--- Fails when nothing has moved for long.
local function watch()
  local seen, since = moved, now()
  return timers.setInterval(function()
    if moved ~= seen then
      seen, since = moved, now()
    elseif now() - since > PATIENCE then
      fail("%s: nothing moved for %d seconds", progress.name, PATIENCE)
    end
  end, 1000)
end

--- Runs both parts over a connection whose end is the end of the server.
local function run(path, file, checksum)
  local guard, is_over
  local lifeline = net.connect(path .. ".life")
  local steps = {}

  local function next_step()
    local step = #problems == 0 and table.remove(steps, 1)
    if step then
      return step(next_step)
    end
    is_over = true
    timers.clearInterval(guard)
    lifeline:destroySoon()
  end

  local expected = receipt(checksum, size)
  for _, name in ipairs({ "TCP", "Unix socket" }) do
    steps[#steps + 1] = function(done)
      send_file(name, file, expected, done)
    end
  end
  steps[#steps + 1] = gather_crowd

  lifeline:on("error", function(err)
    fail("the server process: %s", tostring(err))
  end)
  lifeline:on("close", function()
    if not is_over then
      fail("the server process has died")
      next_step()
    end
  end)
  guard = watch()
  lifeline:on("connect", next_step)
  net.run()
end

--- Waits for the server process, and reads its last words.
local function collect_server(child)
  local words = child:read("a")
  child:close()
  if #problems > 0 then
    return
  end
  local most, waits, errors = words:match("^(%d+) (%d+) (%d+)\nexit 0\n$")
  if not most then
    fail("the server process failed: %s", words)
  elseif errors ~= "0" then
    fail("the server process had %s errors", errors)
  elseif tonumber(most) < CROWD then
    fail("only %s connections were open at once", most)
  end
  return most, waits
end

local function print_row(name, connections, bytes, rate, errors)
  print(("%-14s%12s%14s%10s%9s"):format(name, connections, bytes, rate, errors))
end

local function print_table(most, server_waits, checksum)
  local all = { connections = 0, bytes = 0, errors = 0, waits = 0, late = 0 }
  print_row("", "connections", "bytes", "MB/s", "errors")
  for _, row in ipairs(rows) do
    print_row(row.name, row.connections, row.bytes,
      ("%.0f"):format(row.bytes / math.max(row.seconds, 0.01) / 1e6), row.errors)
    for key, value in pairs(all) do
      all[key] = value + row[key]
    end
  end
  print_row("all", all.connections, all.bytes, "", all.errors)
  print(([[

Both processes have the checksum %s, and every byte came back as it
was sent, %d of them after the client had ended its side. To wait for a slow
reader the client stopped %d times, and the server %s times. At most %s
connections were open at once.]]):format(checksum, all.late, all.waits, server_waits, most))
end

local NEXT = [[

By hand, next, in this folder:
  eval "$(make env)"
  lua5.4 examples/echo_server.lua       # and in another terminal: nc localhost 8007
  lua5.4 examples/http_hello.lua        # and: curl -i http://localhost:8080/
  lua5.4 examples/chat.lua              # and in two others: nc localhost 8008
]]

local function main(mebibytes)
  local path = ("%s/net-demo-%d"):format(os.getenv("TMPDIR") or "/tmp", process.pid)
  size = mebibytes * MIB
  io.stdout:setvbuf("line")
  print(("%d MiB through TCP and through a Unix socket, then %d connections at once."):format(
    mebibytes, CROWD))
  local code = 1
  process:on("SIGINT", function()
    code = 130
    fail("interrupted")
  end)

  local child = start_server(path)
  local checksum
  local ok, err = xpcall(function()
    if #problems == 0 then
      local file
      file, checksum = make_file()
      run(path, file, checksum)
    end
  end, debug.traceback)
  if not ok then
    fail("%s", err)
  end
  local most, waits = collect_server(child)
  os.remove(path)
  os.remove(path .. ".life")

  if #problems > 0 then
    io.stderr:write("\ndemo: ", table.concat(problems, "\ndemo: "), "\n")
    os.exit(code)
  end
  print_table(most, waits, checksum:text())
  io.stdout:write(NEXT)
end

local first, second = ...
if first == "serve" then
  serve(second)
else
  main(math.tointeger(tonumber(first or 256)) or error("MEBIBYTES must be an integer", 0))
end
