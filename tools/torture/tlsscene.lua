-- SPDX-License-Identifier: MIT

--- What the scenes of `make torture` over TLS share: net.tls with all of its modules loaded,
--- as those come when they are first used, and certificates. Those are made once, by run.lua,
--- and stay in the build folder, so that a case can be run alone afterwards.

local FOLDER = "build/torture/"
local NAMES = { "ca", "cert", "key", "other", "otherkey", "client", "clientkey" }

local MODULES = "alpn authorities connect context errors hello identity server sessions socket "
  .. "state"

local M = {}

local function read(name)
  local file = io.open(FOLDER .. name .. ".pem", "rb")
  local text = file and file:read("a")
  if file then
    file:close()
  end
  return text
end

--- Makes the certificates that are not there: a server's, that of another name, a client's.
function M.make()
  if read(NAMES[#NAMES]) then
    return
  end
  local certificates = require("spec.support.certificates")
  local ca = certificates.authority()
  local server = ca:issue({ san = "DNS:localhost" })
  local other = ca:issue({ san = "DNS:other.example", subject = "/CN=other.example" })
  local client = ca:issue({ subject = "/CN=a client" })
  local made = { ca = ca.cert, cert = server.cert, key = server.key, other = other.cert,
    otherkey = other.key, client = client.cert, clientkey = client.key }
  assert(os.execute("mkdir -p " .. FOLDER))
  for _, name in ipairs(NAMES) do -- the last is there when all are
    local file <close> = assert(io.open(FOLDER .. name .. ".pem", "wb"))
    assert(file:write(made[name]))
  end
end

--- For a scene: net.tls, and the PEMs by their names.
function M.load()
  local tls, pems = require("net.tls"), {}
  for _, name in ipairs({ "connect", "createServer", "TLSSocket" }) do
    assert(tls[name])
  end
  for name in MODULES:gmatch("%l+") do
    require("net.internal.tls." .. name)
  end
  for _, name in ipairs(NAMES) do
    pems[name] = assert(read(name), "run.lua makes the certificates")
  end
  return tls, pems
end

--- Is net.tls built?
function M.is_built()
  return (pcall(require, "net.tls.core"))
end

return M
