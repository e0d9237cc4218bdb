-- SPDX-License-Identifier: MIT
--
-- tls/mutual_client.lua - shows a certificate of its own, sends a line, and prints the answer.
--
--     lua5.4 examples/tls/mutual_client.lua CA CERT KEY HOST:PORT TEXT
--     lua5.4 examples/tls/mutual_client.lua ca.pem ann.pem ann.key localhost:8443 'hello'
--
-- CA is whom it trusts. With "-" as CERT and KEY it has none to show.
--
-- Shows: a client's certificate; that in TLS 1.3 a client is connected before the server has looked
-- at it: a refusal comes with what is read first.

local co = require("net.co")
local tls = require("net.tls")

local DEADLINE = 10000 -- milliseconds

local function read(path)
  local file <close>, err = io.open(path, "rb")
  return file and file:read("a") or error(err, 0)
end

--- What the server's alerts mean for who wanted to be let in.
local alerts = {
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED = "the server wants a certificate",
  ["ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE"] = "the server wants a certificate, maybe", -- in 1.2
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA = "the server does not trust who issued our certificate",
  ["ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED"] = "our certificate has expired",
}

--- An error in words: of a name with several addresses, none of which is reached, that of each.
local function describe(err)
  local words = {}
  for i, one in ipairs(type(err) == "table" and err.errors or { err }) do
    words[i] = tostring(one)
  end
  return table.concat(words, "; ")
end

local function fail(err, when)
  error((alerts[err.code] or describe(err)) .. when, 0)
end

local function ask(ca, cert, key, where, text)
  local host, port = where:match("^([^:]+):(%d+)$")
  if not host then
    error(where .. " is no HOST:PORT", 0)
  end
  local socket <close>, err = tls.co.connect({
    host = host, port = tonumber(port), ca = read(ca),
    cert = cert ~= "-" and read(cert) or nil, key = key ~= "-" and read(key) or nil,
  })
  if not socket then
    fail(err, "")
  end
  socket:send(text, "\n")
  local answer, failure = socket:receive("line")
  return answer or fail(failure, ", which it said once we were connected")
end

if #arg ~= 5 then
  io.stderr:write("mutual_client: CA CERT KEY HOST:PORT TEXT\n")
  os.exit(1)
end
local ok, answer, late = pcall(co.run, co.timeout, DEADLINE, ask, ...)
if not ok or late then
  io.stderr:write("mutual_client: ", tostring(late or answer), "\n")
  os.exit(1)
end
print(answer)
