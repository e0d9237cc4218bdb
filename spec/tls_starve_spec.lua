-- SPDX-License-Identifier: MIT

--- TLS without memory, at each of the places where Lua may ask for some: see
--- memory_spec.lua, whose preamble this uses, and support/starve.c. Skipped where there is no
--- Lua library to link with.

local lua = require("spec.support.lua")
local pair = require("spec.support.tlspair")

--- What the scripts of memory_spec.lua begin with.
local function preamble()
  local file <close> = assert(io.open("spec/memory_spec.lua"))
  return assert(file:read("a"):match("\nlocal HEAD = %[%[\n(.-)\n%]%]"))
end

local ECHO = [[

local tls = require("net.tls")
for name in ("alpn connect context errors hello identity psk server sessions socket state"):gmatch("%%l+") do
  require("net.internal.tls." .. name)
end
local cert, key, ca = %q, %q, %q
local _ = tls.connect, tls.createServer

--- A proxy's connection: what it says of its client leaves before TLS begins.
local function dial(port)
  local socket = own(net.connect(port, "127.0.0.1"))
  socket:write("PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n", function() end)
  return socket
end

play(function()
  local server = own(tls.createServer({ cert = cert, key = key, %s }))
  server:on("OCSPRequest", function(_, _, callback) callback(nil, "a word") end)
  server:on("secureConnection", function(peer) own(peer):pipe(peer) end)
  server:on("tlsClientError", function() end)
  server:on("proxyError", function(_, remains) own(remains) end)
  server:listen(0, "127.0.0.1", function()
    local got = 0
    local port = server:address().port
    local socket = own(tls.connect({ %s,
      servername = "localhost", ca = ca, requestOCSP = true, %s }))
    socket:on("OCSPResponse", function() end)
    socket:on("session", function() end)
    socket:on("data", function(chunk)
      got = got + #chunk
      if got == 30005 then socket:finish() end
    end)
    socket:on("close", function() server:close() end)
    socket:write("hello", function() end)
    socket:write(("x"):rep(30000), function() end)
  end)
end)
return problem
]]

-- What both sides say besides.
local KEYS = [[ciphers = "PSK:TLS_AES_128_GCM_SHA256",
  pskCallback = function() return { psk = "a key", identity = "me" } end]]
local OLD_KEYS = 'maxVersion = "TLSv1.2", checkServerIdentity = function() end, ' .. KEYS

local DIRECT = 'port = port, host = "127.0.0.1"'

local LIFETIME = 300 -- seconds; of which six are computed

describe("TLS without memory", function()
  local program = os.tmpname()
  local host

  setup(function() host = lua.compile("spec/support/starve.c", program) end)
  teardown(function() os.remove(program) end)

  local function promise(name, length, options, of_server, way)
    it("fails as a whole, and leaves nothing: " .. name .. " #slow", function()
      if not host then
        return pending("no Lua library to link with")
      end
      local path = os.tmpname()
      local file = assert(io.open(path, "w"))
      file:write(preamble(), ECHO:format(pair.server.cert, pair.server.key, pair.ca.cert,
        of_server or options, way or DIRECT, options))
      file:close()
      local result = lua.run({ program = host, args = { path, length, "grown" },
        lifetime = LIFETIME })
      os.remove(path)
      assert.same({ code = 0, stdout = "the end\n", stderr = "" }, result)
    end)
  end

  promise("for a moment", 2, "")
  promise("from there on", 0, "")
  promise("for a moment, by keys that both know", 2, KEYS)
  promise("from there on, by such keys in TLS 1.2", 0, OLD_KEYS)
  promise("for a moment, behind a proxy", 2, "", "proxyProtocol = { timeout = 200 }", "socket = dial(port)")
  promise("from there on, behind a proxy", 0, "", "proxyProtocol = { timeout = 200 }", "socket = dial(port)")
end)
