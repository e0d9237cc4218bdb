-- SPDX-License-Identifier: MIT

--- net.tls - Node's `tls`: the sockets and servers of net, encrypted.
--
--     local tls = require("net.tls")
--
-- A rock of its own, net-tls, over net: nothing of it is loaded, nor is OpenSSL, before a
-- program requires it. What is in the table that this returns is made by the modules below
-- net.internal.tls.

local core = require("net.tls.core")
local lazy = require("net.internal.lazy")

require("net.internal.tls.errors")

---@type net.tls
local tls = {
  constants = core.constants,
  DEFAULT_CIPHERS = table.concat({
    "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256", "DHE-RSA-AES128-SHA256",
    "ECDHE-RSA-AES256-SHA384", "DHE-RSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA256",
    "DHE-RSA-AES256-SHA256", "HIGH", "!aNULL", "!eNULL", "!EXPORT", "!DES", "!RC4", "!MD5",
    "!PSK", "!SRP", "!CAMELLIA",
  }, ":"),
  DEFAULT_ECDH_CURVE = "auto",
  DEFAULT_MIN_VERSION = "TLSv1.2",
  DEFAULT_MAX_VERSION = "TLSv1.3",
}

local ciphers

--- The names of the ciphers that OpenSSL has, in lower case and sorted.
---@return string[]
function tls.getCiphers()
  if not ciphers then
    local seen = {}
    ciphers = {}
    for _, name in ipairs(core.ciphers()) do
      name = name:lower()
      if not seen[name] then
        seen[name] = true
        ciphers[#ciphers + 1] = name
      end
    end
    table.sort(ciphers)
  end
  return table.move(ciphers, 1, #ciphers, 1, {})
end

-- The rest: the module that has it.
return lazy.public(tls, "tls", {
  SecureContext = "net.internal.tls.context",
  Server = "net.internal.tls.server",
  TLSSocket = "net.internal.tls.socket",
  checkServerIdentity = "net.internal.tls.identity",
  co = "net.internal.tls.tasks",
  connect = "net.internal.tls.connect",
  createSecureContext = "net.internal.tls.context",
  createServer = "net.internal.tls.server",
  getCACertificates = "net.internal.tls.authorities",
  isTLSSocket = "net.internal.tls.socket",
  rootCertificates = "net.internal.tls.authorities",
  setDefaultCACertificates = "net.internal.tls.authorities",
})
