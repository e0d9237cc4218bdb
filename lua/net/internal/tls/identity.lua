-- SPDX-License-Identifier: MIT

--- net.internal.tls.identity - `tls.checkServerIdentity`: is a certificate that of a host?
--
-- By Node's rules, on the table of a certificate. A connection asks the core first, which
-- goes by the certificate's own names and needs no table (src/tls/certificate/identity.h);
-- this says why it is not. What two names have to do to be the same one, both ask the core.
--
-- A host is taken as URLs take it, so that "0x7f.1" is found out to be an address. But what
-- no name can have, a slash, a blank, an escape, makes it no name: Node reads "a.com/x" as
-- "a.com".

local core = require("net.tls.core")
local net = require("net")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")
local idna = lazy.module("net.internal.idna")
local json = require("net.core").json
local url = lazy.module("net.internal.url")
local validate = require("net.internal.validate")

local canonical, matches = core.identity.canonical, core.identity.matches

local FORBIDDEN = "[\0-\32#%%/:<>?@%[\\%]^|\127]"

local M = {
  NAME_MAX = 255, -- bytes of a name that a client asks for
}

--- A name in ASCII, "" for what is none; an address for what a URL takes for one.
local function name_in_ascii(host)
  if host:find(FORBIDDEN) then
    return ""
  end
  local address = url.endpoint(host)
  if address then
    return address, true
  end
  local name = idna.to_ascii(host):lower()
  local last = name:gsub("%.$", ""):match("[^.]*$")
  if last:find("^%d+$") or last:find("^0x%x*$") then
    return "" -- an address that is none
  end
  return name
end

---@class net.tls.Host
---@field shown string as errors show it
---@field ascii string as the core wants it: an address, or a name
---@field isAddress boolean
---@field isOdd boolean it is an address, in a spelling that others may read differently

--- What a host is, for the core and for the errors.
---@param host any
---@return net.tls.Host
function M.prepare(host)
  local shown = tostring(host):gsub("%.$", "")
  if net.isIP(shown) ~= 0 then
    return { shown = shown, ascii = shown, isAddress = true, isOdd = false }
  end
  local ascii, is_odd = name_in_ascii(tostring(host))
  ascii = ascii:gsub("%.$", "")
  return { shown = shown, ascii = ascii, isAddress = false, isOdd = is_odd or false }
end

-- The names of a certificate

--- The JSON string that begins at a quote, decoded, and where it ends.
local function json_string(text, at)
  local to = at + 1
  while true do
    to = text:find('["\\]', to)
    if not to then
      errors.raise("ERR_TLS_CERT_ALTNAME_FORMAT", 4)
    elseif text:sub(to, to) == '"' then
      break
    end
    to = to + 2
  end
  local value = json.decode(text:sub(at, to))
  if type(value) ~= "string" then
    errors.raise("ERR_TLS_CERT_ALTNAME_FORMAT", 4)
  end
  return value, to + 1
end

--- The names in "DNS:a.com, DNS:\"b\\u002c c\"".
local function split_names(text)
  local names, token, at = {}, "", 1
  while at <= #text do
    local comma, quote = text:find(",", at, true), text:find('"', at, true)
    if quote and (not comma or quote < comma) then
      local value, after = json_string(text, quote)
      token = token .. text:sub(at, quote - 1) .. value
      at = after
    elseif comma then
      names[#names + 1] = token .. text:sub(at, comma - 1)
      token, at = "", comma + 2
    else
      token = token .. text:sub(at)
      at = #text + 1
    end
  end
  names[#names + 1] = token
  return names
end

--- Those that are names of hosts, and those that are addresses.
local function hosts_in(altnames)
  local names, addresses = {}, {}
  for _, name in ipairs(altnames and split_names(altnames) or {}) do
    if name:sub(1, 4) == "DNS:" then
      names[#names + 1] = name:sub(5)
    elseif name:sub(1, 11) == "IP Address:" then
      addresses[#addresses + 1] = canonical(name:sub(12)) or ""
    end
  end
  return names, addresses
end

-- The answer

local function any(list, fn)
  for i = 1, #list do
    if fn(list[i]) then
      return true
    end
  end
  return false
end

local function invalid(reason, host, cert)
  return errors.codes.ERR_TLS_CERT_ALTNAME_INVALID(reason, host.shown, cert)
end

local function check_address(host, addresses, cert)
  local address = canonical(host.shown)
  if not any(addresses, function(other) return other == address end) then
    return invalid(("IP: %s is not in the cert's list: %s"):format(host.shown,
      table.concat(addresses, ", ")), host, cert)
  end
end

local function shown_names(cn)
  return type(cn) == "table" and table.concat(cn, ",") or tostring(cn)
end

local function check_name(host, names, cn, cert)
  local function is_host(name)
    return type(name) == "string" and matches(host.ascii, name)
  end
  if #names > 0 then
    if not any(names, is_host) then
      return invalid(("Host: %s. is not in the cert's altnames: %s"):format(host.shown,
        cert.subjectaltname), host, cert)
    end
  elseif not any(type(cn) == "table" and cn or { cn }, is_host) then
    return invalid(("Host: %s. is not cert's CN: %s"):format(host.shown, shown_names(cn)),
      host, cert)
  end
end

--- Whether a certificate is that of a host: nil, or an error that says why not.
---
--- Raises ERR_TLS_CERT_ALTNAME_FORMAT for alternative names that nobody could have written.
---@param host string
---@param cert net.tls.Certificate as `getPeerCertificate` gives it
---@return net.Error? err ERR_TLS_CERT_ALTNAME_INVALID, with `reason`, `host` and `cert`
function M.checkServerIdentity(host, cert)
  validate.object(cert, "cert")
  local subject, prepared = cert.subject, M.prepare(host)
  local names, addresses = hosts_in(cert.subjectaltname)
  local cn = type(subject) == "table" and subject.CN or nil
  if prepared.isOdd then
    return invalid("Host is a non-canonical IP address", prepared, cert)
  elseif prepared.isAddress then
    return check_address(prepared, addresses, cert)
  elseif #names > 0 or (cn and cn ~= "") then
    return check_name(prepared, names, cn, cert)
  end
  return invalid("Cert does not contain a DNS name", prepared, cert)
end

--- Checks a name that a client is to ask for.
---@param name any
---@param what string
---@param level integer where an error's stack starts, 1: at the caller
function M.check_sent(name, what, level)
  validate.string_without_nul(name, what)
  if #name > M.NAME_MAX then
    errors.raise("ERR_INVALID_ARG_VALUE", level + 1, what, name, "is longer than 255 bytes")
  end
end

return M
