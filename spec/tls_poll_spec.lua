-- SPDX-License-Identifier: MIT

--- What is never so when the loop polls, whatever connections do: bytes that were decrypted and
--- nobody has had, an error that OpenSSL still has, a BIO of OpenSSL's in memory. See
--- support/tlspoll.c.

local lua = require("spec.support.lua")
local pair = require("spec.support.tlspair")
local support = require("spec.support")

--- An echo of pieces of all sizes, to who reads at once, by small parts, and late; then clients with
--- whom it comes to nothing, one whose connection is broken, and TLS in TLS.
local PROGRAM = [[
  local net, timers, tls = require("net"), require("net.timers"), require("net.tls")
  local cert, key, ca, other, version = table.unpack(arg)
  local function ignore() end
  local server, left = nil, 0

  local function client(options)
    left = left + 1
    options.port, options.host = server:address().port, "127.0.0.1"
    options.servername, options.ca = "localhost", options.ca or ca
    local socket = tls.connect(options)
    socket:on("error", ignore)
    socket:on("close", function()
      left = left - 1
      if left == 0 then server:close() end
    end)
    return socket
  end

  local function say(socket)
    for i = 0, 5 do socket:write(("x"):rep(9 ^ i // 1 | 0)) end
    socket:finish(("y"):rep(200000))
  end

  server = tls.createServer({ cert = cert, key = key, minVersion = version, maxVersion = version },
    function(socket)
      socket:on("error", ignore)
      socket:setMaxSendFragment(3000) -- of which no number makes what is read at once
      if socket.alpnProtocol == "inner" then
        socket = tls.TLSSocket(socket, { isServer = true, cert = cert, key = key })
        socket:on("error", ignore)
      end
      socket:pipe(socket)
    end)
  server:on("tlsClientError", ignore)
  server:listen(0, "127.0.0.1", function()
    say(client({}):resume())
    say(client { onread = { buffer = 700, callback = ignore } })
    local late = client({}):pause()
    say(late)
    timers.setTimeout(function() late:resume() end, 30)
    client { ca = other }
    client { maxVersion = "TLSv1.1", minVersion = "TLSv1", ciphers = "DEFAULT@SECLEVEL=0" }
    local cut = client {}
    cut:write("word")
    cut:once("data", function() cut:resetAndDestroy() end)
    local plain = net.connect(server:address().port, "127.0.0.1")
    plain:on("error", ignore):resume():finish("GET / HTTP/1.0\r\n\r\n")
    local outer = client { ALPNProtocols = { "inner" } }
    local inner = tls.connect { socket = outer, servername = "localhost", ca = ca }
    inner:on("error", ignore):resume()
    say(inner)
  end)
  net.run()
]]

describe("When the loop polls, of connections of TLS", function()
  local library

  setup(function()
    local can = support.has_epoll() and not os.getenv("NET_SANITIZE") -- which has to be loaded first
    library = can and lua.build("spec/support/tlspoll.c", os.tmpname(), "-ldl -lssl -lcrypto")
  end)
  teardown(function() if library then os.remove(library) end end)

  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    it("nothing is pending, and OpenSSL has said all: " .. version, function()
      if not library then
        return pending("no epoll, or no headers of Lua, or a sanitizer")
      end
      local result = lua.run { script = PROGRAM, env = { LD_PRELOAD = library },
        args = { pair.server.cert, pair.server.key, pair.ca.cert, pair.other_ca.cert, version } }
      local polls, calls, most = result.stderr:match("^(%d+) polls, (%d+) calls, (%d+) at once\n$")
      assert(polls, result.stderr)
      assert.same({ 0, true, true, true },
        { result.code, tonumber(polls) > 1, tonumber(calls) > 100, tonumber(most) > 4 })
    end)
  end
end)
