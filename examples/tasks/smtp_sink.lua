-- SPDX-License-Identifier: MIT
--
-- tasks/smtp_sink.lua - takes mail by SMTP (RFC 5321) and prints a line for each: for tests of
-- programs that send some.
--
--     lua5.4 examples/tasks/smtp_sink.lua [PORT]
--     swaks --server 127.0.0.1:2525 --to you@example.org
--
-- Port 2525 of 127.0.0.1, if nothing else is said. Ctrl-C ends it.
--
-- Shows: a protocol of lines with limits and an idle timeout, which takes pipelined commands.

local co = require("net.co")
local process = require("net.process")

local IDLE = 60000 -- milliseconds
local LINE_MAX = 4096 -- bytes
local MAIL_MAX = 10485760 -- bytes
local RECIPIENTS_MAX = 100

io.stdout:setvbuf("line")

local commands = {}

function commands.NOOP() return "250 ok" end
function commands.VRFY() return "252 send some mail, and see" end

function commands.HELO(mail)
  mail.from, mail.to = nil, {}
  return "250 a sink"
end

function commands.EHLO(mail)
  mail.from, mail.to = nil, {}
  return ("250-a sink\r\n250-SIZE %d\r\n250-8BITMIME\r\n250 PIPELINING"):format(MAIL_MAX)
end

function commands.RSET(mail)
  mail.from, mail.to = nil, {}
  return "250 ok"
end

function commands.MAIL(mail, rest)
  local address, parameters = rest:match("^[Ff][Rr][Oo][Mm]:%s*<(.-)>(.*)$")
  if not address or mail.from then
    return address and "503 one at a time" or "501 MAIL FROM:<address>"
  elseif (tonumber(parameters:upper():match(" SIZE=(%d+)")) or 0) > MAIL_MAX then
    return "552 too much"
  end
  mail.from = address
  return "250 ok"
end

function commands.RCPT(mail, rest)
  local address = rest:match("^[Tt][Oo]:%s*<(.+)>")
  if not mail.from or not address then
    return mail.from and "501 RCPT TO:<address>" or "503 MAIL first"
  elseif #mail.to == RECIPIENTS_MAX then
    return "452 too many"
  end
  table.insert(mail.to, address)
  return "250 ok"
end

--- The lines of a mail up to the dot; beyond MAIL_MAX they are read and forgotten.
local function read_mail(socket)
  local lines, size = {}, 0
  for line in socket:lines(LINE_MAX) do
    if line == "." then
      return size <= MAIL_MAX and lines, size
    end
    local text = line:gsub("^%.", "") -- the client doubles a dot at the start
    size = size + #text + 2
    lines[size <= MAIL_MAX and #lines + 1 or 1] = text
  end
end

local function subject_of(lines)
  for _, line in ipairs(lines) do
    local subject = line:match("^[Ss][Uu][Bb][Jj][Ee][Cc][Tt]:%s*(.*)")
    if subject or line == "" then
      return subject or ""
    end
  end
  return ""
end

function commands.DATA(mail, _, socket)
  if #mail.to == 0 then
    return "503 RCPT first"
  end
  socket:send("354 end with a line that is a dot\r\n")
  local lines, size = read_mail(socket)
  local from, to = mail.from, table.concat(mail.to, " ")
  commands.RSET(mail)
  if not lines then
    return size and "552 too much" -- or the client has gone
  end
  print(("from %s to %s: %d bytes, subject %q"):format(from, to, size, subject_of(lines)))
  return "250 taken"
end

--- One command after the other, until the client says QUIT or goes.
local function serve(socket)
  local mail = { to = {} }
  socket:send("220 a sink\r\n")
  for line in socket:lines(LINE_MAX) do
    local verb, rest = line:match("^(%a+)%s*(.*)$")
    verb = (verb or ""):upper()
    if verb == "QUIT" then
      return "221 bye"
    end
    local answer = "500 what?"
    if commands[verb] then
      answer = commands[verb](mail, rest, socket)
    end
    if answer then
      socket:send(answer, "\r\n")
    end
  end
end

local farewells = {
  ERR_TIMEOUT = "421 too slow",
  ERR_RECEIVE_TOO_LONG = "500 the line is too long",
}

local function handle(socket)
  socket:setTimeout(IDLE)
  local ok, last = co.pcall(serve, socket)
  if not ok then -- what the socket failed with, or an error of ours
    last = farewells[type(last) == "table" and last.code] or error(last, 0)
  end
  if last then
    socket:send(last, "\r\n")
  end
end

co.run(function(port)
  local server = assert(co.listen(tonumber(port) or 2525, "127.0.0.1"))
  print("listening on 127.0.0.1:" .. server:address().port)
  local serving = server:serve(handle)
  co.await(process, "SIGINT")
  serving:cancel()
  serving:await()
end, ...)
