-- SPDX-License-Identifier: MIT
--
-- tls/smtp_send.lua - sends a mail by SMTP with STARTTLS (RFC 3207).
--
--     lua5.4 examples/tls/smtp_send.lua HOST[:PORT] FROM TO [CA] <mail
--     printf 'Subject: hello\n\nI am here.\n' |
--       lua5.4 examples/tls/smtp_send.lua mail.example.org me@example.org you@example.org
--
-- The mail, with its headers, comes by standard input. Port 587, if nothing else is said. CA is a
-- file with the certificates to trust instead of the system's. Nothing of the mail is sent before
-- the server has shown that it is HOST; the exit code is 1 if it was not taken.
--
-- Not here: logging in.
--
-- Shows: tls.co.connect over a socket that was plain so far.

local co = require("net.co")
local tls = require("net.tls")

local DEADLINE = 60000 -- milliseconds
local LINE_MAX = 4096 -- bytes

local function read(path)
  local file <close>, err = io.open(path, "rb")
  return file and file:read("a") or error(err, 0)
end

--- Sends a command, if there is one, and gives the lines of the answer. Another code than the
--- expected is an error.
local function ask(socket, expected, command)
  if command then
    assert(socket:send(command, "\r\n"))
  end
  local lines = {}
  repeat
    local line = assert(socket:receive("line", LINE_MAX))
    lines[#lines + 1] = line
  until not line:find("^%d%d%d%-")
  if lines[#lines]:sub(1, #expected) ~= expected then
    error(("to %q the server says: %s"):format(command or "", lines[#lines]), 0)
  end
  return "\n" .. table.concat(lines, "\n"):upper() .. "\n"
end

--- From here on the same connection is encrypted, and with whom we meant.
local function start_tls(socket, host, ca)
  if not ask(socket, "250", "EHLO localhost"):find("\n250[- ]STARTTLS\n") then
    error("the server has no STARTTLS, or somebody on the way hides it", 0)
  end
  ask(socket, "220", "STARTTLS")
  return assert(tls.co.connect({ socket = socket, host = host, ca = ca and read(ca) }))
end

--- The mail with the ends of lines that SMTP wants, its dots doubled, and the dot behind it.
local function as_data(mail)
  local text = "\n" .. mail:gsub("\r\n", "\n"):gsub("\n$", "")
  return text:gsub("\n%.", "\n.."):gsub("\n", "\r\n"):sub(3) .. "\r\n."
end

local function send(mail, where, from, to, ca)
  local host, port = where:match("^([^:]+):?(%d*)$")
  local plain <close> = assert(co.connect(tonumber(port) or 587, host or where))
  ask(plain, "220")
  local socket <close> = start_tls(plain, host, ca)
  ask(socket, "250", "EHLO localhost") -- what was said in plain text is forgotten
  ask(socket, "250", "MAIL FROM:<" .. from .. ">")
  ask(socket, "25", "RCPT TO:<" .. to .. ">")
  ask(socket, "354", "DATA")
  ask(socket, "250", as_data(mail))
  ask(socket, "221", "QUIT")
  print("sent by " .. socket:getProtocol())
end

--- An error in words: of a name with several addresses, none of which is reached, that of each.
local function describe(err)
  local words = {}
  for i, one in ipairs(type(err) == "table" and err.errors or { err }) do
    words[i] = tostring(one)
  end
  return table.concat(words, "; ")
end

local where, from, to, ca = ...
if not to then
  io.stderr:write("smtp_send: HOST[:PORT] FROM TO [CA] <mail\n")
  os.exit(1)
end
local ok, err, late = pcall(co.run, co.timeout, DEADLINE, send, io.read("a"), where, from, to, ca)
if not ok or late then
  io.stderr:write("smtp_send: ", describe(late or err), "\n")
  os.exit(1)
end
