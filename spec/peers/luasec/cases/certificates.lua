-- SPDX-License-Identifier: MIT

--- Cases of ../cases.lua: certificates alone.

local ssl = require("ssl")

local h = ...
local method, read, show, try = h.method, h.read, h.show, h.try

h.section("loadcertificate")
try("not PEM", ssl.loadcertificate, "x")
try("nothing", ssl.loadcertificate)
try("a number", ssl.loadcertificate, 3)
for _, name in ipairs { "ca", "server", "client", "other", "rich" } do
  local cert = assert(ssl.loadcertificate(read(name .. ".pem")))
  show(name .. " tostring", tostring(cert))
  for _, key in ipairs { "subject", "issuer", "serial", "notbefore", "notafter", "pem", "pubkey",
    "extensions", "digest", "getsignaturename" } do
    method(name .. " " .. key, cert, key)
  end
  for _, kind in ipairs { "sha1", "sha256", "sha512", "md5", "x", 3 } do
    method(name .. " digest " .. kind, cert, "digest", kind)
  end
  method(name .. " validat", cert, "validat", os.time())
  method(name .. " validat 0", cert, "validat", 0)
  method(name .. " validat x", cert, "validat", "x")
  for _, encoding in ipairs { "utf8", "ai5", "x", 3 } do
    method(name .. " setencode " .. encoding, cert, "setencode", encoding)
    method(name .. " subject " .. encoding, cert, "subject")
  end
end
local ca = ssl.loadcertificate(read("ca.pem"))
local server = ssl.loadcertificate(read("server.pem"))
local other = ssl.loadcertificate(read("other.pem"))
method("issued", ca, "issued", server)
method("issued by another", other, "issued", server)
method("issued itself", ca, "issued", ca)
method("issued nothing", ca, "issued")
method("issued something", ca, "issued", 3)
method("issued, between", ca, "issued", server, other)
method("issued, wrong between", ca, "issued", server, 3)
method("digest of a table", ca, "digest", {})
