-- SPDX-License-Identifier: MIT
--
-- tls/https_client.lua - fetches one page over HTTPS, and says who has sent it.
--
--     lua5.4 examples/tls/https_client.lua URL [CA]
--     lua5.4 examples/tls/https_client.lua https://example.org/ >page.html
--     lua5.4 examples/tls/https_client.lua https://localhost:8443/ ca.pem
--
-- The body goes to standard output, all else to standard error; the exit code is 1 if there is no
-- page. CA is a file with the certificates to trust instead of the system's.
--
-- Shows: tls.co.connect, what a certificate says and why one is refused, a body that ends with the
-- connection and must not be cut off.

local co = require("net.co")
local tls = require("net.tls")

local DEADLINE = 30000 -- milliseconds
local HEAD_MAX = 65536 -- bytes
local BODY_MAX = 64 * 1048576 -- bytes

--- What to say to who gets such an error; for others their own message is clear enough.
local advice = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE = "nobody whom we trust has signed it: is CA right, and does the "
    .. "server send its whole chain?",
  DEPTH_ZERO_SELF_SIGNED_CERT = "it has signed itself: if you know it, give it as CA",
  SELF_SIGNED_CERT_IN_CHAIN = "its root is not trusted here: if you know that, give it as CA",
  CERT_HAS_EXPIRED = "the server's owner has to renew it, or this machine's clock is wrong",
  ERR_SSL_WRONG_VERSION_NUMBER = "what answers there is not TLS",
}

--- Host, port and path of an address.
local function parse_url(url)
  local authority, path = (url or ""):match("^https://([^/?#@]+)([^#]*)$")
  if not authority then
    error("which page? https://HOST[:PORT]/PATH", 0)
  end
  local host, port = authority:match("^%[(.-)%]:?(%d*)$")
  if not host then
    host, port = authority:match("^([^:]+):?(%d*)$")
  end
  return host, tonumber(port) or 443, path:find("^/") and path or "/" .. path, authority
end

local function read(path)
  local file <close>, err = io.open(path, "rb")
  return file and file:read("a") or error(err, 0)
end

--- Status and headers of the answer, by lower-case names.
local function read_head(socket)
  local text = assert(socket:receiveUntil("\r\n\r\n", HEAD_MAX))
  local status, rest = text:match("^HTTP/1%.%d (%d%d%d)[^\n]*\n?(.*)$")
  if not status then
    error("that is not HTTP: " .. text:match("^[^\r\n]*"), 0)
  end
  local headers = {}
  for name, value in rest:gmatch("([^:\r\n]+):[ \t]*([^\r\n]*)") do
    headers[name:lower()] = value
  end
  return status, headers
end

--- The body. One without a length ends with the connection: if the server has not said by TLS
--- that this was all, it may have been cut off, and the wait fails.
local function read_body(socket, headers)
  local length = headers["content-length"]
  if length and not (length:find("^%d+$") and #length < 10) then
    error("a body of " .. length .. " bytes", 0)
  end
  return assert(socket:receive(tonumber(length) or "all", BODY_MAX))
end

local function get(url, ca)
  local host, port, path, authority = parse_url(url)
  local socket <close> = assert(tls.co.connect({
    host = host, port = port, ca = ca and read(ca), ALPNProtocols = { "http/1.1" },
    requireCloseNotify = true,
  }))
  local cert = socket:getPeerCertificate()
  io.stderr:write(("%s, %s, valid until %s, issued by %s\n"):format(socket:getProtocol(),
    socket:getCipher().name, cert.valid_to, cert.issuer.CN or cert.issuer.O or "?"))
  -- HTTP/1.0: then no server sends the body in chunks
  socket:send("GET ", path, " HTTP/1.0\r\nHost: ", authority, "\r\n\r\n")
  local status, headers = read_head(socket)
  io.stderr:write("status ", status, "\n")
  io.stdout:write(read_body(socket, headers))
end

--- An error in words: of a name with several addresses, none of which is reached, that of each.
local function describe(err)
  local words = {}
  for i, one in ipairs(type(err) == "table" and err.errors or { err }) do
    words[i] = tostring(one)
  end
  return table.concat(words, "; ")
end

local function fail(err)
  io.stderr:write("https_client: ", describe(err), "\n")
  if type(err) == "table" and advice[err.code] then
    io.stderr:write("  ", advice[err.code], "\n")
  end
  os.exit(1)
end

local url, ca = ...
local ok, err, late = pcall(co.run, co.timeout, DEADLINE, get, url, ca)
if not ok or late then
  fail(late or err)
end
