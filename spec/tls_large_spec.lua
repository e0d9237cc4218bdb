-- SPDX-License-Identifier: MIT

--- What TLS has of unusual size: certificates and names of protocols by the hundred, tickets as long
--- as they may be, and what waits for a client that does not read.

local co = require("net.co")
local in_task = require("spec.support.tlstasks").in_task
local odd = require("spec.support.tlsodd")
local pair = require("spec.support.tlspair")
local peers = require("spec.support.wirepeers")
local sockets = require("spec.support.sockets")
local timers = require("net.timers")
local tls = require("net.tls")
local wires = require("spec.support.wire")
local within = require("spec.support").within

--- What a client and a server of those options tell; the server ends at once. In a task.
local function meet(version, server_options, client_options)
  local told, over = { client = {}, server = {} }, 0
  local own = { cert = pair.server.cert, key = pair.server.key, minVersion = version, maxVersion = version }
  for name, value in pairs(server_options) do own[name] = value end
  local server <close> = tls.createServer(own, function(socket)
    table.insert(told.server, { line = "secureConnection" })
    told.protocol = socket.alpnProtocol
    socket:resume():finish("bye")
  end)
  server:on("tlsClientError", function(err)
    table.insert(told.server, { line = err.code })
    over = over + 1
  end)
  server:listen(0, "127.0.0.1")
  co.await(server, "listening")
  local given = { port = server:address().port, host = "127.0.0.1", servername = "localhost", ca = pair.ca.cert,
    minVersion = version, maxVersion = version }
  for name, value in pairs(client_options) do given[name] = value end
  local client = tls.connect(given)
  peers.note(told.client, client, { "data", "end", "error", "close" })
  co.suspend(function(resume) client:on("close", function() resume() end) end)
  while #told.server == 0 do co.yield() end
  return peers.lines(told.client), peers.lines(told.server), told.protocol
end

local WHOLE = { "data bye", "end", "close false" }

--- That many names of protocols, each as long as it may be.
local function protocols(count)
  local names = {}
  for i = 1, count do names[i] = ("%03d"):format(i) .. ("n"):rep(252) end
  return names
end

--- How many of them there is room for; in TLS 1.3 there are keys of 1.3 KiB besides, where OpenSSL
--- has ML-KEM.
local MOST = { ["TLSv1.2"] = 255, ["TLSv1.3"] = 250 }

for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
  describe("A handshake of " .. version, function()
    it("shows a hundred certificates", in_task(function()
      local more = pair.other_ca.cert:rep(99)
      local client, server = meet(version, { cert = pair.server.cert .. more }, {})
      assert.same({ WHOLE, { "secureConnection" } }, { client, server })
    end))

    it("fails where they are more than 100 KiB: both hear so", in_task(function()
      local long = pair.ca:issue({ ext = { "1.2.3.4=DER:04820400" .. ("AA"):rep(1024) } })
      local client, server = meet(version, { cert = pair.server.cert .. long.cert:rep(100) }, {})
      assert.same({ { "error ERR_SSL_EXCESSIVE_MESSAGE_SIZE", "close true" },
        { "ERR_SSL_SSL/TLS_ALERT_ILLEGAL_PARAMETER" } }, { client, server })
    end))

    it("may begin with as many protocols as a hello has room for", in_task(function()
      local names, asked = protocols(MOST[version]), nil
      local client, _, protocol = meet(version, {
        ALPNCallback = function(given)
          asked = given.protocols
          return asked[200]
        end,
      }, { ALPNProtocols = names })
      assert.same(names, asked)
      assert.equal(names[200], protocol)
      assert.same(WHOLE, client)
    end))

    it("fails with more of them, before the client has said a word", in_task(function()
      local client, server = meet(version, {}, { ALPNProtocols = protocols(256) })
      assert.same({ { "error ERR_SSL_INTERNAL_ERROR", "close true" }, { "ERR_SSL_UNEXPECTED_MESSAGE" } },
        { client, server })
    end))
  end)
end

describe("A session of TLS 1.3", function()
  it("whose ticket leaves no room in a hello is not offered", in_task(function()
    local kept
    odd.to_client(odd.named("a session ticket of 65000 bytes"), function(port)
      local peer = { version = "TLSv1.3", asks = "hello\n", answers = "none" }
      kept = peers.visit(port, { peer = peer }).session
    end)
    assert.is_true(#kept > 65000)
    local client, server = meet("TLSv1.3", {}, { session = kept })
    assert.same({ WHOLE, { "secureConnection" } }, { client, server })
  end))
end)

describe("A TLS server whose client does not read", function()
  it("keeps what was written, and calls back when it is read; the time for its handshake is over #slow",
    within(function(t)
      local WRITES, SIZE, HANDSHAKE = 200, 65536, 1000 -- the last one in ms
      local called, taken = 0, 0
      local server, log = pair.listen({ handshakeTimeout = HANDSHAKE }, function(socket)
        local function more()
          while taken < WRITES do
            taken = taken + 1
            if not socket:write(("x"):rep(SIZE), function() called = called + 1 end) then return end
          end
          socket:finish()
        end
        socket:on("drain", more)
        socket:resume()
        more()
      end)
      local client = pair.connect(server):pause()
      sockets.wait_for(client, "secureConnect")
      local is_late
      timers.setTimeout(function() is_late = true end, HANDSHAKE + 100)
      sockets.wait(function() return is_late end) -- and the kernel takes no more
      assert.is_true(taken < WRITES)
      assert.is_true(taken - called <= 5) -- what one write may encrypt, and the next
      local got = 0
      client:on("data", function(chunk) got = got + #chunk end)
      client:resume()
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ WRITES, WRITES * SIZE, "secureConnection" }, { called, got, table.unpack(log) })
    end))

  it("has new keys when it is asked for them meanwhile, and no byte is lost", in_task(function()
    local sent, server_socket = ("0123456789abcdef"):rep(1 << 20), nil
    local server <close> = tls.createServer({ cert = pair.server.cert, key = pair.server.key }, function(socket)
      server_socket = socket
      socket:once("data", function()
        socket:write(sent)
        socket:on("data", function(chunk) socket:write(chunk) end)
      end)
    end)
    server:listen(0, "127.0.0.1")
    co.await(server, "listening")
    local wire <close> = wires.open(server:address().port)
    local secrets, got = {}, {}
    local client <close> = odd.client(wire.port, secrets)
    client:on("data", function(chunk) got[#got + 1] = chunk end)
    assert(co.await(client, "secureConnect"))
    wire:link().server:pause()
    client:write("go")
    local before = -1
    while not server_socket or server_socket.writableLength ~= before or before == 0 do
      before = server_socket and server_socket.writableLength or -1
      for _ = 1, 10 do wires.turns() end
    end
    odd.take_over(secrets.CLIENT_TRAFFIC_SECRET_0, wire:link().up, function(keys)
      return odd.update(keys, true) .. odd.update(keys, true) .. keys:seal(23, "end")
    end)
    wires.turns()
    wire:link().server:resume()
    while not (#got > 0 and got[#got]:find("end$")) do co.yield() end
    assert.is_true(table.concat(got) == sent .. "end")
    assert.is_true(odd.updates(secrets.SERVER_TRAFFIC_SECRET_0, wire:link().down) >= 1)
  end))
end)
