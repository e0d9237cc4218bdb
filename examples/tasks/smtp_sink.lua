-- SPDX-License-Identifier: MIT
--
-- tasks/smtp_sink.lua - takes mail by SMTP (RFC 5321) and prints a line for each: for tests of
-- programs that send some.
--
--     lua5.4 examples/tasks/smtp_sink.lua [PORT]
--
-- Port 2525 of 127.0.0.1, if nothing else is said. Ctrl-C ends it.
--
-- Shows: a protocol of lines with limits and an idle timeout, receiveUntil.

local co = require("net.co")
local process = require("net.process")

local IDLE = 60000 -- milliseconds
local LINE_MAX = 512 -- bytes
local MAIL_MAX = 10485760 -- bytes

io.stdout:setvbuf("line")

local commands = {}

function commands.HELO() return "250 hello" end
function commands.EHLO() return ("250-hello\r\n250 SIZE %d"):format(MAIL_MAX) end
function commands.NOOP() return "250 ok" end

function commands.RSET(mail)
  mail.from, mail.to = nil, {}
  return "250 ok"
end

function commands.MAIL(mail, rest)
  mail.from = rest:match("^FROM:<(.-)>")
  return mail.from and "250 ok" or "501 MAIL FROM:<address>"
end

function commands.RCPT(mail, rest)
  local address = rest:match("^TO:<(.-)>")
  if not mail.from or not address then
    return mail.from and "501 RCPT TO:<address>" or "503 MAIL first"
  end
  mail.to[#mail.to + 1] = address
  return "250 ok"
end

function commands.DATA(mail, _, socket)
  if #mail.to == 0 then
    return "503 RCPT first"
  end
  socket:send("354 end with a line that is a dot\r\n")
  local text, err = socket:receiveUntil("\r\n.\r\n", MAIL_MAX)
  if not text then
    error(err, 0)
  end
  print(("from %s to %s: %d bytes, subject %q"):format(mail.from, table.concat(mail.to, " "), #text,
    text:match("\n[Ss]ubject: ([^\r\n]*)") or text:match("^[Ss]ubject: ([^\r\n]*)") or ""))
  commands.RSET(mail)
  return "250 taken"
end

local function handle(socket)
  local mail = { to = {} }
  socket:setTimeout(IDLE)
  socket:send("220 a sink\r\n")
  for line in socket:lines(LINE_MAX) do
    local verb, rest = line:match("^(%a+)%s*(.*)$")
    local command = commands[(verb or ""):upper()]
    if (verb or ""):upper() == "QUIT" then
      socket:send("221 bye\r\n")
      return
    end
    socket:send(command and command(mail, rest, socket) or "500 what?", "\r\n")
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
