-- SPDX-License-Identifier: MIT
--
-- tls/smtp_sink.lua - takes mail by SMTP, after STARTTLS only (RFC 3207), and prints a line for
-- each: for tests of programs that send some.
--
--     lua5.4 examples/tls/smtp_sink.lua CERT KEY [PORT]
--     curl --ssl-reqd --cacert ca.pem --mail-from me@x --mail-rcpt you@y -T mail \
--       smtp://localhost:2525
--
-- CERT and KEY are PEM files. Port 2525 of 127.0.0.1, if nothing else is said; port 0 takes a free
-- one. Ctrl-C ends it. tasks/smtp_sink.lua is one without TLS, and with more of SMTP.
--
-- Shows: TLS over a connection that was plain so far, in a task; what a client sends in plain text
-- behind STARTTLS is no part of the encrypted conversation.

local co = require("net.co")
local process = require("net.process")
local tls = require("net.tls")

local IDLE = 60000 -- milliseconds
local HANDSHAKE = 10000 -- milliseconds
local LINE_MAX = 4096 -- bytes
local MAIL_MAX = 10485760 -- bytes

io.stdout:setvbuf("line")

local function read(path)
  local file <close>, err = io.open(path, "rb")
  return file and file:read("a") or error(err, 0)
end

--- The text of a mail, up to the dot: its bytes, or nil if there are too many.
local function read_mail(socket)
  local size = 0
  for line in socket:lines(LINE_MAX) do
    if line == "." then
      return size <= MAIL_MAX and size or nil
    end
    size = size + #line + (line:find("^%.") and 1 or 2) -- the client doubles a dot at the start
  end
  error(co.EOF, 0)
end

--- What each command of a mail answers.
local commands = {}

function commands.NOOP() return "250 ok" end
function commands.RSET(mail) mail.from, mail.to = nil, {} return "250 ok" end
commands.HELO = commands.RSET

function commands.EHLO(mail)
  mail.from, mail.to = nil, {}
  local offer = mail.encrypted and "" or "250-STARTTLS\r\n"
  return ("250-a sink\r\n%s250 SIZE %d"):format(offer, MAIL_MAX)
end

function commands.MAIL(mail, rest)
  mail.from = rest:match("^[Ff][Rr][Oo][Mm]:%s*<(.-)>")
  return mail.from and "250 ok" or "501 MAIL FROM:<address>"
end

function commands.RCPT(mail, rest)
  local address = rest:match("^[Tt][Oo]:%s*<(.+)>")
  if not mail.from or not address or #mail.to == 100 then
    return mail.from and (address and "452 too many" or "501 RCPT TO:<address>") or "503 MAIL first"
  end
  table.insert(mail.to, address)
  return "250 ok"
end

function commands.DATA(mail, _, socket)
  if #mail.to == 0 then
    return "503 RCPT first"
  end
  socket:send("354 end with a line that is a dot\r\n")
  local size = read_mail(socket)
  if size then
    print(("from %s to %s: %d bytes by %s"):format(mail.from, table.concat(mail.to, " "), size,
      socket:getProtocol()))
  end
  mail.from, mail.to = nil, {}
  return size and "250 taken" or "552 too much"
end

local open_to_all = { EHLO = true, HELO = true, NOOP = true, RSET = true }

--- One command after the other: true if the client wants TLS now, else it is done.
local function converse(socket, mail)
  for line in socket:lines(LINE_MAX) do
    local verb, rest = line:match("^(%a*)%s*(.*)$")
    verb = verb:upper()
    if verb == "QUIT" then
      socket:send("221 bye\r\n")
      return false
    elseif verb == "STARTTLS" and not mail.encrypted then
      socket:send("220 go ahead\r\n")
      return true
    elseif not commands[verb] then
      socket:send("500 what?\r\n")
    elseif not mail.encrypted and not open_to_all[verb] then
      socket:send("530 STARTTLS first\r\n")
    else
      socket:send(commands[verb](mail, rest, socket), "\r\n")
    end
  end
end

--- One client. What it has said before TLS does not count after it.
local function handle(socket, context)
  socket:setTimeout(IDLE)
  socket:send("220 a sink\r\n")
  if converse(socket, { to = {} }) then
    local secure = tls.TLSSocket(socket, { isServer = true, secureContext = context,
      handshakeTimeout = HANDSHAKE })
    secure:setTimeout(IDLE)
    local ok, err = co.await(secure, "secure")
    if not ok then
      error(err, 0)
    end
    converse(secure, { to = {}, encrypted = true })
  end
end

local function main(cert, key, port)
  if not key then
    error("which CERT and KEY?", 0)
  end
  local context = tls.createSecureContext({ cert = read(cert), key = read(key) })
  local server = assert(co.listen(tonumber(port) or 2525, "127.0.0.1"))
  print("listening on 127.0.0.1:" .. server:address().port)
  local serving = server:serve(function(socket)
    local who = socket.remoteAddress
    local ok, err = co.pcall(handle, socket, context)
    if not ok then
      io.stderr:write(("%s: %s\n"):format(who, tostring(err)))
    end
  end)
  co.await(process, "SIGINT")
  serving:cancel()
  serving:await()
end

local ok, err = pcall(co.run, main, ...)
if not ok then
  io.stderr:write("smtp_sink: ", tostring(err), "\n")
  os.exit(1)
end
