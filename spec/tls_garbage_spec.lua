-- SPDX-License-Identifier: MIT

--- What is no TLS, or none that its peer has sent, amid a connection that is open: it ends with
--- OpenSSL's word for it. Where that depends on its version a case says so; with 3.5 it is Node 26's,
--- but for a record that is too long, which has one name here.

local co = require("net.co")
local in_task = require("spec.support.tlstasks").in_task
local pair = require("spec.support.tlspair")
local since = require("spec.support.openssl").since
local tls = require("net.tls")
local wires = require("spec.support.wire")

local BAD_MAC, BAD_TYPE = "ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "ERR_SSL_BAD_RECORD_TYPE"
local TOO_LONG, WRONG_VERSION = "ERR_SSL_DATA_LENGTH_TOO_LONG", "ERR_SSL_WRONG_VERSION_NUMBER"

-- Before 3.2 the version of a record is looked at first, in TLS 1.3.
local NO_RECORD = since(3, 2) and BAD_TYPE or WRONG_VERSION

-- A record that is too short for its tag is no business of the ciphers' in 1.1.1, nor in TLS 1.2 up
-- to 3.0.20.
local SHORT_12 = since(3, 0, 22) and BAD_MAC or "ERR_SSL_INTERNAL_ERROR"
local SHORT_13 = since(3, 0) and BAD_MAC or "ERR_SSL_BLOCK_CIPHER_PAD_IS_WRONG"

local BODY = ("h"):rep(32)

--- A record that is not encrypted.
local function record(kind, body, version)
  return string.pack(">BI2s2", kind, version or 0x0303, body)
end

-- what comes, what it is in TLS 1.2, and in TLS 1.3
local CASES = {
  { "HTTP", "GET / HTTP/1.1\r\n\r\n", WRONG_VERSION, NO_RECORD },
  { "text", "hello, who is there?", WRONG_VERSION, NO_RECORD },
  { "zeros", ("\0"):rep(20), WRONG_VERSION, NO_RECORD },
  { "a hello of SSL 2", "\x80\x2e\1\3\1\0\x15\0\0\0\x10" .. BODY, WRONG_VERSION, NO_RECORD },
  { "data that is not encrypted", record(23, BODY), BAD_MAC, BAD_MAC },
  { "data that is too short", record(23, "hello"), SHORT_12, SHORT_13 },
  { "an empty record", record(23, ""), SHORT_12, SHORT_13 },
  { "a handshake that is not encrypted", record(22, "hello"), SHORT_12, BAD_TYPE },
  { "an alert that is not encrypted", record(21, "\1\0"), SHORT_12, BAD_TYPE },
  { "a record of a type that is none", record(99, BODY), BAD_MAC, BAD_TYPE },
  { "an older version", record(23, BODY, 0x0301), WRONG_VERSION, WRONG_VERSION },
  { "a newer version", record(23, BODY, 0x0304), WRONG_VERSION, WRONG_VERSION },
  { "SSL 2's version", record(23, BODY, 0x0200), WRONG_VERSION, WRONG_VERSION },
  { "a record that is too long", "\23\3\3\255\255" .. BODY, TOO_LONG, TOO_LONG },
}

--- Notes what a socket tells, "data" aside.
local function note(log, socket)
  socket:on("end", function() log[#log + 1] = "end" end)
  socket:on("error", function(err) log[#log + 1] = err.code end)
  socket:on("close", function(had_error) log[#log + 1] = "close " .. tostring(had_error) end)
end

--- What the side tells that gets these bytes when both have said hello.
local function tell(version, side, bytes)
  local logs, there = { client = {}, server = {} }, nil
  local server <close> = tls.createServer({ cert = pair.server.cert, key = pair.server.key,
    minVersion = version, maxVersion = version }, function(socket)
    there = socket
    note(logs.server, socket:resume())
    socket:write("hello")
  end)
  server:listen(0, "127.0.0.1")
  co.await(server, "listening")
  local wire <close> = wires.open(server:address().port)
  local client = tls.connect({ port = wire.port, host = "127.0.0.1", servername = "localhost", ca = pair.ca.cert })
  note(logs.client, client)
  assert(co.await(client, "data"))
  client:resume()
  wires.turns()
  local link = wire:link()
  link[side == "server" and "up" or "down"]:take_over(bytes)
  local one = side == "server" and there or client
  co.suspend(function(resume) one:on("close", function() resume() end) end)
  return logs[side]
end

for i, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
  for _, side in ipairs({ "server", "client" }) do
    describe(("A %s of %s that is open gets"):format(side, version), function()
      for _, case in ipairs(CASES) do
        it(case[1], in_task(function()
          assert.same({ case[2 + i], "close true" }, tell(version, side, case[2]))
        end))
      end
    end)
  end
end
