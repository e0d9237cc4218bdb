-- SPDX-License-Identifier: MIT

--- A TLS server with proxyProtocol: the header comes before the ClientHello.

local header = require("spec.support.proxyheader")
local net = require("net")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local tls = require("net.tls")
local within = require("spec.support").within

local V1 = header.v1("TCP4", "192.0.2.1", "198.51.100.2", 1000, 443)
local V2 = header.v2(0x21, 0x11, header.ipv4({ 192, 0, 2, 1 }, { 198, 51, 100, 2 }, 1000, 443))

--- A client of TLS over a connection that has begun with those bytes.
local function connect(server, bytes)
  local plain = net.connect(server:address().port, "127.0.0.1")
  plain:on("error", function() end)
  plain:write(bytes)
  local socket = tls.connect({ socket = plain, host = "localhost", ca = pair.ca.cert })
  socket:on("error", function() end)
  return socket
end

describe("a TLS server with proxyProtocol", function()
  it("does the handshake behind the header, and shows the client's address", within(function(t)
    for _, bytes in ipairs { V1, V2 } do
      local server, log = pair.listen({ proxyProtocol = true }, function(peer)
        t.log(peer.remoteAddress, peer.remotePort, peer.localAddress, peer.localPort,
          peer.proxyHeader.proxyAddress)
        peer:on("data", function(chunk) peer:finish(chunk:upper()) end)
      end)
      local client = connect(server, bytes)
      client:write("hello")
      assert.equal("HELLO", (sockets.wait_for(client, "data")))
      client:resume()
      sockets.wait(function() return client.destroyed end)
      server:close()
      assert.same({ "secureConnection" }, log)
    end
    assert.same({ "192.0.2.1 1000 198.51.100.2 443 127.0.0.1",
      "192.0.2.1 1000 198.51.100.2 443 127.0.0.1" }, t.lines)
  end))

  it("shows it to who listens to 'connection', too, and takes the connection back", within(function(t)
    local server = pair.listen({ proxyProtocol = true }, function(peer)
      t.log("secure", peer.remoteAddress, peer.proxyHeader.version)
      peer:finish("bye")
    end)
    server:on("connection", function(raw)
      t.log("raw", raw.remoteAddress, raw.localPort, raw.proxyHeader.version)
    end)
    local client = connect(server, V2)
    client:resume()
    sockets.wait(function() return client.destroyed end)
    server:close()
    assert.same({ "raw 192.0.2.1 443 2", "secure 192.0.2.1 2" }, t.lines)
  end))

  it("refuses who begins with the handshake, and that is no error of TLS", within(function(t)
    local server, log = pair.listen({ proxyProtocol = true })
    server:on("proxyError", t.calls(1, function(err, remains)
      assert.equal("ERR_PROXY_PROTOCOL_INVALID", err.code)
      assert.equal("127.0.0.1", remains.remoteAddress)
      assert.is_true(remains.destroyed)
    end))
    local client = pair.connect(server)
    client:on("error", function() end)
    sockets.wait(function() return client.destroyed end)
    server:close(t.calls(1))
    t.run()
    assert.same({}, log)
  end))

  it("tells of a handshake that fails with the client's address", within(function(t)
    local server = pair.listen({ proxyProtocol = true })
    server:on("proxyError", t.never())
    local said
    server:on("tlsClientError", function(_, socket) said = socket.remoteAddress end)
    local client = net.connect(server:address().port, "127.0.0.1")
    client:on("error", function() end)
    client:finish(V1 .. "this is no handshake at all")
    client:resume()
    sockets.wait(function() return said and client.destroyed end)
    assert.equal("192.0.2.1", said)
    server:close(t.calls(1))
    t.run()
  end))

  it("limits the time for the header by itself", within(function(t)
    local server, log = pair.listen({ proxyProtocol = { timeout = 20 }, handshakeTimeout = 60000 })
    server:on("proxyError", t.calls(1, function(err)
      assert.equal("ERR_PROXY_PROTOCOL_TIMEOUT", err.code)
    end))
    local client = net.connect(server:address().port, "127.0.0.1")
    client:on("error", function() end)
    client:write("PROXY ")
    client:resume()
    sockets.wait(function() return client.destroyed end)
    server:close(t.calls(1))
    t.run()
    assert.same({}, log)
  end))

  it("raises for an option that is none", within(function()
    local ok, err = pcall(tls.createServer, { cert = pair.server.cert, key = pair.server.key,
      proxyProtocol = 1 })
    assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
  end))
end)
