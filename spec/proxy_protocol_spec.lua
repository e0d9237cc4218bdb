-- SPDX-License-Identifier: MIT

--- The option proxyProtocol of a server: a connection is told of when the header has been read
--- with which a proxy begins it, and then is that of the client.

local core = require("net.core")
local header = require("spec.support.proxyheader")
local net = require("net")
local process = require("net.process")
local sockets = require("spec.support.sockets")
local timers = require("net.timers")
local within = require("spec.support").within

local LOCAL = "127.0.0.1"
local V1 = header.v1("TCP4", "192.0.2.1", "198.51.100.2", 1000, 443)
local V4 = header.ipv4({ 192, 0, 2, 1 }, { 198, 51, 100, 2 }, 1000, 443)
local V2 = header.v2(0x21, 0x11, V4)

--- A server with that option, or those, which listens.
local function serve(options, listener)
  if type(options) ~= "table" or options.timeout then
    options = { proxyProtocol = options }
  end
  local server = net.createServer(options, listener)
  server:listen(options.path or 0, not options.path and LOCAL or nil)
  sockets.wait(function() return server.listening end)
  return server
end

--- A client that has written the bytes, and minds no error.
local function dial(server, bytes)
  local client = net.connect(server:address())
  if type(server:address()) == "string" then
    client:resume()
  end
  client:on("error", function() end)
  client:resume()
  if bytes and #bytes > 0 then
    client:write(bytes)
  end
  return client
end

--- What a server makes of a connection that begins with those bytes: its socket, or the error;
--- and what came behind the header.
local function given(bytes, options)
  local socket, failure, remains
  local server = serve(options or true, function(peer) socket = peer end)
  server:on("proxyError", function(err, peer) failure, remains = err, peer end)
  local client = dial(server, bytes)
  sockets.wait(function() return socket or failure end)
  server:close()
  return socket, failure, remains, client
end

--- What is read of a socket until the client ends.
local function rest_of(socket, client)
  local chunks = {}
  socket:on("data", function(chunk) chunks[#chunks + 1] = chunk end)
  client:finish()
  sockets.wait_for(socket, "close")
  return table.concat(chunks)
end

local function addresses(socket)
  return { socket.remoteAddress, socket.remotePort, socket.remoteFamily, socket.localAddress,
    socket.localPort, socket.localFamily }
end

describe("a server with proxyProtocol", function()
  it("shows the client's address of a line of version 1, and the one that it dialled", within(function()
    local socket, _, _, client = given(V1 .. "hello")
    assert.same({ "192.0.2.1", 1000, "IPv4", "198.51.100.2", 443, "IPv4" }, addresses(socket))
    assert.same({ address = "198.51.100.2", port = 443, family = "IPv4" }, socket:address())
    assert.equal("Socket 192.0.2.1:1000 (open)", tostring(socket))
    assert.same({ version = 1, command = "PROXY", family = "IPv4", transport = "stream",
      sourceAddress = "192.0.2.1", sourcePort = 1000, destinationAddress = "198.51.100.2",
      destinationPort = 443, proxyAddress = LOCAL, proxyPort = client.localPort, tlvs = {} },
      socket.proxyHeader)
    assert.equal("hello", rest_of(socket, client))
    assert.equal("192.0.2.1", socket.remoteAddress)
  end))

  it("shows IPv6 as well", within(function()
    local socket, _, _, client = given(header.v1("TCP6", "2001:db8::1", "::ffff:10.0.0.1", 0, 65535))
    assert.same({ "2001:db8::1", 0, "IPv6", "::ffff:10.0.0.1", 65535, "IPv6" }, addresses(socket))
    client:destroy()
    socket, _, _, client = given(header.v2(0x21, 0x21, header.ipv6("\x20\x01\x0d\xb8" ..
      ("\0"):rep(11) .. "\1", ("\0"):rep(15) .. "\1", 7, 8)))
    assert.same({ "2001:db8::1", 7, "IPv6", "::1", 8, "IPv6" }, addresses(socket))
    assert.equal(2, socket.proxyHeader.version)
    client:destroy()
  end))

  it("shows the binary header of version 2", within(function()
    for family, transport in pairs({ [0x11] = "stream", [0x12] = "dgram" }) do
      local socket, _, _, client = given(header.v2(0x21, family, V4) .. "x")
      assert.same({ "192.0.2.1", 1000, "IPv4", "198.51.100.2", 443, "IPv4" }, addresses(socket))
      assert.equal(transport, socket.proxyHeader.transport)
      assert.equal("x", rest_of(socket, client))
    end
  end))

  it("has no address of a client that came by a Unix socket, but its path", within(function()
    local socket, _, _, client = given(header.v2(0x21, 0x31, header.unix("", "/run/a\0b")))
    assert.same({}, addresses(socket))
    assert.same({}, socket:address())
    local found = socket.proxyHeader
    assert.same({ "unix", nil, "/run/a" }, { found.family, found.sourceAddress, found.destinationAddress })
    client:destroy()
  end))

  it("leaves the connection's own addresses where the proxy tells of nobody", within(function()
    for name, bytes in pairs({
      ["UNKNOWN"] = "PROXY UNKNOWN\r\n",
      ["UNKNOWN with words"] = "PROXY UNKNOWN ffff:: nobody 1 2\r\n",
      ["LOCAL"] = header.v2(0x20, 0, ""),
      ["LOCAL with addresses"] = header.v2(0x20, 0x11, V4),
      ["LOCAL with less than them"] = header.v2(0x20, 0x21, "abc"),
      ["AF_UNSPEC"] = header.v2(0x21, 0, "what may stand here"),
      ["no transport"] = header.v2(0x21, 0x10, V4),
      ["no family"] = header.v2(0x21, 0x01, ""),
    }) do
      local socket, failure, _, client = given(bytes .. "y")
      assert(socket, name .. ": " .. tostring(failure))
      assert.same({ LOCAL, client.localPort, "IPv4", LOCAL, client.remotePort, "IPv4" },
        addresses(socket), name)
      local found = socket.proxyHeader
      assert.same({ nil, nil, LOCAL, client.localPort },
        { found.family, found.sourceAddress, found.proxyAddress, found.proxyPort }, name)
      assert.equal(name:find("LOCAL") and "LOCAL" or "PROXY", found.command)
      assert.equal("y", rest_of(socket, client), name)
    end
  end))

  it("shows what else a proxy tells, as bytes and by name", within(function()
    local ssl = "\1\0\0\0\0" .. header.tlv(0x21, "TLSv1.3") .. header.tlv(0x23, "a cipher")
    local tlvs = header.tlv(1, "h2") .. header.tlv(2, "example.org") .. header.tlv(5, "id\0")
      .. header.tlv(4, "padding") .. header.tlv(0x20, ssl) .. header.tlv(0xEA, "vpce")
    local socket, _, _, client = given(header.summed(0x21, 0x11, V4 .. tlvs))
    local found = socket.proxyHeader
    assert.same({ "h2", "example.org", "id\0", "vpce", "padding", ssl }, { found.alpn, found.authority,
      found.uniqueId, found.tlvs[0xEA], found.tlvs[4], found.tlvs[0x20] })
    assert.same({ encrypted = true, certificate = false, verified = false, version = "TLSv1.3",
      cipher = "a cipher" }, found.ssl)
    assert.are_not.equal(found, socket.proxyHeader)
    client:destroy()
    local named = "\7\0\0\0\0" .. header.tlv(0x22, "me") .. header.tlv(0x24, "s") .. header.tlv(0x25, "k")
    socket, _, _, client = given(header.v2(0x21, 0x11, V4 .. header.tlv(0x20, named)))
    assert.same({ encrypted = true, certificate = true, verified = true, commonName = "me",
      signatureAlgorithm = "s", keyAlgorithm = "k" }, socket.proxyHeader.ssl)
    client:destroy()
  end))

  it("takes the longest header there is, and not a byte more", within(function()
    local most = V4 .. header.tlv(4, ("z"):rep(65535 - #V4 - 3))
    local socket, _, _, client = given(header.v2(0x21, 0x11, most) .. "behind")
    assert.equal("192.0.2.1", socket.remoteAddress)
    assert.equal(65535 - #V4 - 3, #socket.proxyHeader.tlvs[4])
    assert.equal("behind", rest_of(socket, client))
    assert.equal(6, socket.bytesRead)
  end))

  it("waits for a header that comes byte by byte, and tells of nobody before", within(function(t)
    for _, bytes in ipairs { V1, V2, header.v2(0x20, 0, ""), "PROXY UNKNOWN\r\n" } do
      local came
      local server = serve(true, t.calls(1, function(peer) came = peer end))
      server:on("proxyError", t.never())
      local client = dial(server)
      for i = 1, #bytes do
        assert.is_nil(came)
        client:write(bytes:sub(i, i))
        sockets.wait(function() return client.writableLength == 0 end)
        net.run("nowait")
      end
      sockets.wait(function() return came end)
      assert.equal("rest", (client:write("rest") and sockets.wait_for(came, "data")))
      client:finish()
      server:close()
      t.run()
    end
  end))

  it("does not wake for a part of a header that waits", within(function(t)
    local server = serve(true, t.never())
    local client = dial(server, "PROXY TCP4 ")
    sockets.wait(function() return server.connections == 1 end)
    sockets.settle()
    local turns, over = 0, false
    timers.setTimeout(function() over = true end, 30)
    while not over do
      net.run("once")
      turns = turns + 1
    end
    assert.is_true(turns < 20, turns)
    client:destroy()
    server:close()
  end))

  for name, bytes in pairs({
    ["another protocol"] = "GET / HTTP/1.1\r\n\r\n",
    ["a lower case"] = "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    ["LF alone"] = "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
    ["two spaces"] = "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n",
    ["a space at the end"] = "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
    ["a tab"] = "PROXY TCP4\t1.1.1.1 2.2.2.2 1 2\r\n",
    ["a word too few"] = "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
    ["a word too many"] = "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
    ["a CR inside"] = "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n",
    ["a NUL in an address"] = "PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n",
    ["IPv6 as IPv4"] = "PROXY TCP4 ::1 ::1 1 2\r\n",
    ["IPv4 as IPv6"] = "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
    ["families mixed"] = "PROXY TCP4 1.1.1.1 ::1 1 2\r\n",
    ["an address with a zone"] = "PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
    ["a leading zero in an address"] = "PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n",
    ["half an address"] = "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n",
    ["a leading zero in a port"] = "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
    ["two zeros as a port"] = "PROXY TCP4 1.1.1.1 2.2.2.2 1 00\r\n",
    ["a port with a sign"] = "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
    ["a port beyond 65535"] = "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
    ["no port"] = "PROXY TCP4 1.1.1.1 2.2.2.2  2\r\n",
    ["UDP4"] = "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
    ["no protocol"] = "PROXY \r\n",
    ["more than UNKNOWN"] = "PROXY UNKNOWNS\r\n",
    ["a line of 108 bytes"] = "PROXY UNKNOWN " .. ("x"):rep(92) .. "\r\n",
    ["a line without an end"] = "PROXY UNKNOWN " .. ("x"):rep(200),
    ["version 1 in binary"] = header.v2(0x11, 0x11, V4),
    ["version 3"] = header.v2(0x31, 0x11, V4),
    ["another command"] = header.v2(0x22, 0x11, V4),
    ["another family"] = header.v2(0x21, 0x41, V4),
    ["another transport"] = header.v2(0x21, 0x13, V4),
    ["addresses cut short"] = header.v2(0x21, 0x11, V4:sub(1, -2)),
    ["IPv6 cut short"] = header.v2(0x21, 0x21, ("x"):rep(35)),
    ["paths cut short"] = header.v2(0x21, 0x31, ("x"):rep(215)),
    ["a TLV cut short"] = header.v2(0x21, 0x11, V4 .. "\1\0\5abcd"),
    ["half of a TLV's head"] = header.v2(0x21, 0x11, V4 .. "\4\0"),
    ["a sum that is wrong"] = header.summed(0x21, 0x11, V4, 1),
    ["a sum that is wrong, of LOCAL"] = header.summed(0x20, 0, "", 1),
    ["a sum of three bytes"] = header.v2(0x21, 0x11, V4 .. header.tlv(3, "abc")),
    ["two sums"] = header.summed(0x21, 0x11, V4 .. header.tlv(3, "\0\0\0\0")),
  }) do
    it("refuses " .. name, within(function()
      local socket, err, remains, client = given(bytes)
      assert.is_nil(socket)
      assert.equal("ERR_PROXY_PROTOCOL_INVALID", err.code)
      assert.equal("Error [ERR_PROXY_PROTOCOL_INVALID]: The connection does not begin with a "
        .. "header of the PROXY protocol", tostring(err))
      assert.same({ true, LOCAL, client.localPort, "IPv4", "closed" }, { remains.destroyed,
        remains.remoteAddress, remains.remotePort, remains.remoteFamily, remains.readyState })
      assert.is_nil(remains.proxyHeader)
      sockets.wait(function() return client.destroyed end)
    end))
  end

  it("refuses at the first byte that is wrong, without waiting for more", within(function()
    for _, bytes in ipairs { "G", "PROXX", "\r\n\r\n\1", header.SIGNATURE .. "\x31" } do
      local _, err = given(bytes)
      assert.equal("ERR_PROXY_PROTOCOL_INVALID", err.code)
    end
  end))

  it("takes a line of 107 bytes", within(function()
    local socket, _, _, client = given("PROXY UNKNOWN " .. ("x"):rep(91) .. "\r\n!")
    assert.equal("!", rest_of(socket, client))
  end))

  it("gives up when the time is over", within(function()
    for _, bytes in ipairs { "", "PROXY ", V2:sub(1, -2) } do
      local _, err, remains = given(bytes, { proxyProtocol = { timeout = 20 } })
      assert.equal("ERR_PROXY_PROTOCOL_TIMEOUT", err.code)
      assert.equal("The header of the PROXY protocol has not come within 20 ms", err.message)
      assert.equal(LOCAL, remains.remoteAddress)
    end
  end))

  it("tells of a peer that ends or resets before", within(function(t)
    for _, how in ipairs { "finish", "resetAndDestroy" } do
      local server, err = serve(true, t.never()), nil
      server:on("proxyError", t.calls(1, function(e) err = e end))
      local client = dial(server, "PROXY TCP4")
      sockets.wait(function() return server.connections == 1 and client.writableLength == 0 end)
      sockets.settle()
      client[how](client)
      sockets.wait(function() return err end)
      assert.equal("ECONNRESET", err.code)
      assert.equal(how == "finish" and "socket hang up" or "read ECONNRESET", err.message)
      server:close(t.calls(1))
      t.run()
    end
  end))

  it("drops in silence what is wrong where nobody listens", within(function(t)
    local server = serve(true, t.never())
    server:on("error", t.never())
    local client = dial(server, "hello, world\r\n")
    sockets.wait(function() return client.destroyed end)
    server:close(t.calls(1))
    t.run()
  end))

  it("goes on when a listener for 'proxyError' raises or closes the server", within(function(t)
    local server, caught = serve(true, t.never()), {}
    server:on("proxyError", function() error("a word", 0) end)
    local function take(err) caught[#caught + 1] = err end
    process:on("uncaughtException", take)
    t.finally(function() process:off("uncaughtException", take) end)
    dial(server, "x")
    sockets.wait(function() return #caught == 1 end)
    assert.same({ "a word" }, caught)
    server:removeAllListeners("proxyError")
    server:on("proxyError", function(_, remains)
      server:close(t.calls(1))
      remains:destroy()
      remains:write("z")
      collectgarbage()
    end)
    dial(server, "x")
    t.run()
  end))

  it("shows its option, and takes it at any time", within(function()
    assert.is_false(net.createServer().proxyProtocol)
    assert.is_true(net.createServer({ proxyProtocol = true }).proxyProtocol)
    assert.is_false(net.createServer({ proxyProtocol = false }).proxyProtocol)
    local server, seen = serve(false), {}
    server:on("connection", function(peer)
      seen[#seen + 1] = tostring(peer.proxyHeader ~= nil)
      peer:destroy()
    end)
    for _, on in ipairs { false, true, false, true } do
      server.proxyProtocol = on
      dial(server, V1)
      local count = #seen
      sockets.wait(function() return #seen > count end)
    end
    server.proxyProtocol = nil
    assert.is_false(server.proxyProtocol)
    assert.same({ "false", "true", "false", "true" }, seen)
    server:close()
  end))

  for value, code in pairs({
    [1] = "ERR_INVALID_ARG_TYPE", ["v1"] = "ERR_INVALID_ARG_TYPE", [print] = "ERR_INVALID_ARG_TYPE",
    [{ timeout = "1" }] = "ERR_INVALID_ARG_TYPE", [{ timeout = true }] = "ERR_INVALID_ARG_TYPE",
    [{ timeout = 0 }] = "ERR_OUT_OF_RANGE", [{ timeout = -1 }] = "ERR_OUT_OF_RANGE",
    [{ timeout = 0 / 0 }] = "ERR_OUT_OF_RANGE", [{ timeout = 2147483648 }] = "ERR_OUT_OF_RANGE",
    [{ timeout = 1 / 0 }] = "ERR_OUT_OF_RANGE",
  }) do
    local shown = type(value) == "table" and "timeout = " .. tostring(value.timeout) or type(value)
    it("raises for an option that is none: " .. shown, within(function()
      local name = type(value) == "table" and "options.proxyProtocol.timeout" or "options.proxyProtocol"
      local server = net.createServer({ proxyProtocol = { timeout = 5.5 } })
      for _, try in ipairs {
        function() net.createServer({ proxyProtocol = value }) end,
        function() server.proxyProtocol = value end,
      } do
        local ok, err = pcall(try)
        assert.is_false(ok)
        assert.equal(code, err.code)
        assert.matches(name, err.message, 1, true)
      end
      assert.same({ timeout = 5.5 }, server.proxyProtocol)
    end))
  end
end)

describe("connections that wait for their header", function()
  it("count, for getConnections and maxConnections", within(function(t)
    local server = serve(true, t.never())
    server.maxConnections = 1
    server:on("proxyError", t.calls(1))
    server:on("drop", t.calls(1, function(data) assert.equal(LOCAL, data.remoteAddress) end))
    local first = dial(server, "PRO")
    sockets.wait(function() return server.connections == 1 end)
    local second = dial(server, V1)
    sockets.wait(function() return second.destroyed end)
    server:getConnections(t.calls(1, function(_, count) assert.equal(1, count) end))
    assert.same({}, server:sockets())
    net.run("nowait")
    first:finish()
    sockets.wait(function() return server.connections == 0 end)
    server:close()
  end))

  it("are one connection when they are told of", within(function(t)
    local server
    server = serve(true, t.calls(1, function(peer)
      assert.equal(1, server.connections)
      assert.same({ peer }, server:sockets())
      assert.equal(server, peer.server)
      peer:destroy()
      assert.equal(0, server.connections)
    end))
    dial(server, V2)
    server:once("connection", function() server:close(t.calls(1)) end)
    t.run()
  end))

  it("are waited for by close(), and told of behind it", within(function(t)
    local order = {}
    local server = serve(true, t.calls(1, function(peer)
      order[#order + 1] = "connection"
      peer:destroy()
    end))
    local client = dial(server, V1:sub(1, 10))
    sockets.wait(function() return server.connections == 1 end)
    server:close(function() order[#order + 1] = "close" end)
    sockets.settle()
    assert.same({}, order)
    client:write(V1:sub(11))
    t.run()
    assert.same({ "connection", "close" }, order)
  end))

  it("hold a closed server, and the loop, no longer than their time", within(function(t)
    local server = serve({ timeout = 20 }, t.never())
    server:on("proxyError", t.calls(1))
    local client = dial(server)
    sockets.wait(function() return server.connections == 1 end)
    server:close(t.calls(1))
    t.run()
    assert.equal(0, server.connections)
    assert.is_true(client.destroyed)
  end))

  it("are cut at the end of a drain(), in silence", within(function(t)
    local server = serve(true, t.never())
    server:on("proxyError", t.never())
    local client = dial(server, "PROXY")
    sockets.wait(function() return server.connections == 1 end)
    server:drain(10, t.calls(1, function(err, cut)
      assert.is_nil(err)
      assert.equal(1, cut)
    end))
    t.run()
    assert.is_true(client.destroyed)
  end))

  it("go when the state closes, and cost no descriptor", function()
    local servers = require("spec.support.servers")
    local output, code = servers.child([[
      local net = require("net")
      local server = net.createServer({ proxyProtocol = true })
      server:listen(0, "127.0.0.1", function()
        net.connect(server:address().port, "127.0.0.1"):write("PROXY T")
      end)
      repeat net.run("once") until server.connections == 1
      net.run("nowait")
      print("over")
    ]])
    assert.same({ "over\n", 0 }, { output, code })
  end)

  it("survive a collection, though nobody has them", within(function(t)
    local server = serve(true, t.calls(1, function(peer) peer:destroy() end))
    local client = dial(server, "PROXY")
    sockets.wait(function() return server.connections == 1 end)
    server:close(t.calls(1))
    server = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    client:write(V1:sub(6))
    t.run()
  end))
end)

describe("a blockList behind a proxy", function()
  local function block(...)
    local list = net.BlockList()
    for _, address in ipairs { ... } do
      list:addAddress(address)
    end
    return list
  end

  it("is asked for the proxy when it connects", within(function(t)
    local server = serve({ proxyProtocol = true, blockList = block(LOCAL) }, t.never())
    server:on("proxyError", t.never())
    local client = dial(server, V1)
    sockets.wait(function() return client.destroyed end)
    server:close(t.calls(1))
    t.run()
  end))

  it("is asked for the client when the header is there", within(function(t)
    local server = serve({ proxyProtocol = true, blockList = block("192.0.2.1") },
      t.calls(1, function(peer) peer:destroy() end))
    server:on("proxyError", t.never())
    server:on("drop", t.never())
    local client = dial(server, V1)
    sockets.wait(function() return client.destroyed end)
    assert.equal(0, server.connections)
    dial(server, header.v1("TCP4", "192.0.2.2", "198.51.100.2", 1, 2))
    server:once("connection", function() server:close(t.calls(1)) end)
    t.run()
  end))

  it("may be Lua that raises: the connection is closed", within(function(t)
    local server, caught = serve(true, t.never()), nil
    local asked = 0
    server.blockList = { check = function(_, address)
      asked = asked + 1
      if address == "192.0.2.1" then error("no list", 0) end
    end }
    local function take(err) caught = err end
    process:on("uncaughtException", take)
    t.finally(function() process:off("uncaughtException", take) end)
    local client = dial(server, V2)
    sockets.wait(function() return caught and client.destroyed end)
    assert.same({ "no list", 2, 0 }, { caught, asked, server.connections })
    server:close(t.calls(1))
    t.run()
  end))
end)

describe("a socket behind a proxy", function()
  it("may be paused, half open, and have the server's options", within(function(t)
    local server = serve({ proxyProtocol = true, pauseOnConnect = true, allowHalfOpen = true,
      highWaterMark = 5, noDelay = true }, t.calls(1, function(peer)
      assert.is_true(peer:isPaused())
      assert.is_true(peer.allowHalfOpen)
      assert.equal(5, peer.readableHighWaterMark)
      peer:on("data", function(chunk) t.log(chunk) end)
      peer:on("end", function() peer:finish("bye") end)
      peer:resume()
    end))
    local client = dial(server)
    client:on("data", function(chunk) t.log(chunk) end)
    client:finish(V2 .. "hello")
    server:once("connection", function() server:close() end)
    t.run()
    assert.equal("hellobye", table.concat(t.lines))
  end))

  it("comes by a Unix socket, too", within(function(t)
    local socket, path = nil, t.tmpname()
    local server = serve({ proxyProtocol = true, path = path }, function(peer) socket = peer end)
    local client = dial(server, V1 .. "u")
    sockets.wait(function() return socket end)
    assert.same({ "192.0.2.1", 1000, "IPv4", "198.51.100.2", 443, "IPv4" }, addresses(socket))
    assert.is_nil(socket.proxyHeader.proxyAddress)
    assert.equal("u", rest_of(socket, client))
    local bad
    server:on("proxyError", function(err, remains) bad = { err.code, remains.remoteAddress } end)
    dial(server, "x")
    sockets.wait(function() return bad end)
    assert.same({ "ERR_PROXY_PROTOCOL_INVALID" }, bad)
    local list = net.BlockList()
    list:addAddress("192.0.2.1")
    server.blockList = list
    client = dial(server, V1)
    sockets.wait(function() return client.destroyed end)
    server:close()
  end))

  it("moves bytes in the kernel, as nothing is under it", within(function(t)
    local server = serve(true, function(peer) peer:pipe(peer) end)
    local client, got = dial(server, V1), 0
    client:on("data", function(chunk) got = got + #chunk end)
    client:finish(("x"):rep(300000))
    server:once("connection", function() server:close() end)
    t.run()
    assert.equal(300000, got)
  end))

  it("serves tasks", within(function(t)
    local co = net.co
    co.run(function()
      local server = co.listen({ port = 0, host = LOCAL, proxyProtocol = true })
      dial(server, "PROXY TCP4 192.0.2.")
        :write("7 192.0.2.8 1 2\r\nline\n")
      local socket = server:incoming()()
      t.log(socket.remoteAddress, socket:receive("L"))
      socket:destroy()
      server:close()
    end)
    assert.same({ "192.0.2.7 line\n" }, t.lines)
  end))

  it("forgets the header when it connects anew", within(function()
    local socket, _, _, client = given(V1)
    client:destroy()
    sockets.wait_for(socket, "close")
    local server = net.createServer(function(peer) peer:resume() end):listen(0, LOCAL)
    sockets.wait(function() return server.listening end)
    socket:connect(server:address().port, LOCAL)
    sockets.wait_for(socket, "connect")
    assert.same({ LOCAL, nil }, { socket.remoteAddress, socket.proxyHeader })
    socket:destroy()
    server:close()
  end))

  it("may be accepted by another process", within(function(t)
    local native = core.server
    local found
    local acceptor = core.acceptor.new(t.calls(1, function(descriptor) found = descriptor end))
    assert(native.listen_tcp(acceptor, LOCAL, 0, 5))
    local client = dial(acceptor, V1:sub(1, 20))
    sockets.wait(function() return found end)
    native.close(acceptor)
    local server = net.createServer({ proxyProtocol = true }, t.calls(1, function(peer)
      assert.equal("192.0.2.1", peer.remoteAddress)
      peer:destroy()
    end))
    assert(native.listen_remote(server, LOCAL, 4321))
    native.deliver(server, found)
    assert.equal(1, server.connections)
    server:close(t.calls(1))
    client:write(V1:sub(21))
    t.run()
  end))
end)
