-- SPDX-License-Identifier: MIT

--- net.internal.tls.authorities - whom contexts without `ca` trust: the authorities of the
--- system, or those that a program names for all of its contexts.
--
-- The certificates are in the core (src/tls/context/anchors.h), which reads the system's
-- when they are first needed.

local core = require("net.tls.core")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")

local errors = lazy.module("net.internal.errors")
local process = lazy.module("net.process")

local native = core.context

local M = {}

local warned = false -- said already, or a program has set its own
local generation = 0

--- A number that is another one when others are trusted.
function M.generation()
  return generation
end

--- Says that there is nobody to trust, once a process: each connection of a client will
--- fail for it.
function M.warn_if_none()
  if not warned and native.ca_count() == 0 then
    warned = true
    process.emitWarning("No certificates of authorities were found on this system: "
      .. "no server will be trusted. Set SSL_CERT_FILE, or the option 'ca'.")
  end
end

local CA_TYPES = { default = true, system = true, bundled = false, extra = false }

--- The certificates that contexts without `ca` trust, each as PEM. There are only the
--- system's: "default" and "system" are the same until setDefaultCACertificates, "bundled"
--- and "extra" are empty.
---
--- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
---@param kind? "default"|"system"|"bundled"|"extra" default "default"
---@return string[]
function M.getCACertificates(kind)
  if kind == nil then
    kind = "default"
  end
  validate.string(kind, "type")
  if CA_TYPES[kind] == nil then
    errors.raise("ERR_INVALID_ARG_VALUE", 2, "type", kind)
  end
  if not CA_TYPES[kind] then
    return {}
  end
  return native.ca(kind == "default")
end

--- From now on contexts without `ca` trust these, and nobody else; {} is nobody at all.
---
--- Raises ERR_INVALID_ARG_TYPE; ERR_CRYPTO_OPERATION_FAILED if none of them is a certificate,
--- and then nothing has changed.
---@param certs string[] PEMs
function M.setDefaultCACertificates(certs)
  validate.string_array(certs, "certs")
  if native.set_default_ca(certs) == 0 and #certs > 0 then
    errors.throw(errors.codes.ERR_CRYPTO_OPERATION_FAILED(
      "No valid certificates found in the provided array"), 2)
  end
  warned, generation = true, generation + 1
end

--- `tls.rootCertificates`: those of the system, as there are no others. Read when it is
--- asked for.
return setmetatable(M, {
  __index = function(self, key)
    if key == "rootCertificates" then
      self[key] = native.ca(false)
    end
    return rawget(self, key)
  end,
})
