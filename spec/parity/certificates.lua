-- SPDX-License-Identifier: MIT

--- The certificates of the scenarios of TLS, in a folder for both languages.
--
--     lua5.4 certificates.lua DIR
--
-- They are made anew each time: what they hold is in no log, only what they are.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
package.path = here .. "../../?.lua;" .. package.path

local made_by = require("spec.support.certificates")

local certificates = {}

--- Their names: of authorities only the certificate is used.
certificates.NAMES = { "ca", "other", "server", "named", "client", "stranger", "lone" }

local function make()
  local ca = made_by.authority()
  local other = made_by.authority({ subject = "/CN=another authority" })
  return {
    ca = ca, other = other,
    server = ca:issue({ san = "DNS:localhost,IP:127.0.0.1" }),
    named = ca:issue({ subject = "/CN=named", san = "DNS:named.test,DNS:*.sub.test" }),
    client = ca:issue({ subject = "/CN=a client" }),
    stranger = other:issue({ subject = "/CN=a stranger" }),
    lone = made_by.self_signed({ san = "DNS:localhost" }),
  }
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

--- Makes all of them; `name` -> `{cert=, key=}`.
---@param dir? string where to write NAME.cert and NAME.key
function certificates.make(dir)
  local made = make()
  for name, one in pairs(dir and made or {}) do
    write(dir .. "/" .. name .. ".cert", one.cert)
    write(dir .. "/" .. name .. ".key", one.key)
  end
  return made
end

--- Those of a folder.
function certificates.read(dir)
  local found = {}
  for _, name in ipairs(certificates.NAMES) do
    local path = dir .. "/" .. name
    found[name] = { cert = made_by.read(path .. ".cert"), key = made_by.read(path .. ".key") }
  end
  return found
end

if arg and arg[0] and arg[0]:match("certificates%.lua$") then certificates.make(arg[1]) end

return certificates
