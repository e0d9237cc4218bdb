-- SPDX-License-Identifier: MIT

--- net.internal.tls.errors - the texts of TLS's errors, beside those of net's.
--
-- Loaded with net.tls, and added to `net.internal.errors.codes`, by which C finds them too.
-- What OpenSSL says is made in C, src/tls/base/error.c.

local errors = require("net.internal.errors")

local SIMPLE = {
  ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED = { "Error",
    "Custom engines not supported by this OpenSSL" },
  ERR_CRYPTO_UNSUPPORTED_OPERATION = { "Error", "%s" },
  ERR_TLS_ALPN_CALLBACK_INVALID_RESULT = { "TypeError", "ALPN callback returned a value (%s) "
    .. "that did not match any of the client's offered protocols (%s)" },
  ERR_TLS_ALPN_CALLBACK_WITH_PROTOCOLS = { "TypeError",
    "The ALPNCallback and ALPNProtocols TLS options are mutually exclusive" },
  ERR_TLS_CERT_ALTNAME_FORMAT = { "SyntaxError", "Invalid subject alternative name string" },
  ERR_TLS_DH_PARAM_SIZE = { "Error", "DH parameter size %s is less than 2048" },
  ERR_TLS_HANDSHAKE_TIMEOUT = { "Error", "TLS handshake timeout" },
  ERR_TLS_INVALID_CONTEXT = { "TypeError", "context must be a SecureContext" },
  ERR_TLS_INVALID_PROTOCOL_METHOD = { "TypeError", "%s" },
  ERR_TLS_INVALID_PROTOCOL_VERSION = { "TypeError",
    "%s is not a valid %s TLS protocol version" },
  ERR_TLS_INVALID_STATE = { "Error", "TLS socket connection must be securely established" },
  ERR_TLS_PROTOCOL_VERSION_CONFLICT = { "TypeError",
    "TLS protocol version %s conflicts with secureProtocol %s" },
  ERR_TLS_PSK_SET_IDENTITY_HINT_FAILED = { "Error", "Failed to set PSK identity hint" },
  ERR_TLS_RENEGOTIATION_DISABLED = { "Error",
    "TLS session renegotiation disabled for this socket" },
  ERR_TLS_REQUIRED_SERVER_NAME = { "Error",
    '"servername" is required parameter for Server.addContext' },
  ERR_TLS_SNI_FROM_SERVER = { "Error", "Cannot issue SNI from a TLS server-side socket" },
}

for code, row in pairs(SIMPLE) do
  local name, message = row[1], row[2]
  errors.codes[code] = function(...)
    local words = table.pack(...)
    local i = 0
    local text = message:gsub("%%s", function()
      i = i + 1
      return tostring(words[i])
    end)
    return errors.new(name, text, code)
  end
end

--- What OpenSSL refused without a word, in Node's.
---@param message string
---@return net.Error
function errors.codes.ERR_CRYPTO_OPERATION_FAILED(message)
  return errors.new("Error", message or "Operation failed", "ERR_CRYPTO_OPERATION_FAILED")
end

--- A certificate that is not that of the host.
---@param reason string
---@param host string
---@param cert net.tls.Certificate
---@return net.Error
function errors.codes.ERR_TLS_CERT_ALTNAME_INVALID(reason, host, cert)
  return errors.new("Error", "Hostname/IP does not match certificate's altnames: " .. reason,
    "ERR_TLS_CERT_ALTNAME_INVALID", { reason = reason, host = host, cert = cert })
end

return errors
