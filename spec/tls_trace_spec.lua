-- SPDX-License-Identifier: MIT

--- The order of events of TLS sockets and servers, in TLS 1.2 and 1.3. Node is the judge,
--- but where docs/differences.md says otherwise. C is a client, S a server's socket; between
--- the two sides only causes come before their effects, so each has a list of its own.

local net = require("net")
local timers = require("net.timers")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local VERSIONS = { "TLSv1.2", "TLSv1.3" }

--- A log without what comes in TLS 1.3 alone, at a time of the peer's: sessions.
local function without(log, name)
  local kept = {}
  for _, line in ipairs(log) do
    if line ~= name then kept[#kept + 1] = line end
  end
  return kept
end

--- A client and a server of one version: what the three of them tell.
---@param t table of `within`
---@param version string
---@param play table server, client: options; on_secure(S), on_client(C, log), log of C
local function scene(t, version, play)
  local options = { minVersion = version, maxVersion = version }
  for name, value in pairs(play.server or {}) do options[name] = value end
  local S, C = {}, {}
  local server, srv = pair.listen(options, function(socket)
    pair.watch(S, socket, { "data", "end", "finish", "error", "close" })
    if play.on_secure then play.on_secure(socket, S) end
  end)
  local client = pair.connect(server, play.client)
  pair.watch(C, client)
  client:on("close", t.calls(1, function() server:close() end))
  if play.on_client then play.on_client(client, C) end
  t.run()
  return C, S, srv
end

local function echo(socket)
  socket:on("data", function(chunk) socket:write(chunk) end)
end

describe("A TLS connection", function()
  for _, version in ipairs(VERSIONS) do
    local is_13 = version == "TLSv1.3"

    it("tells each side in order what comes, and ends as net's: " .. version, within(function(t)
      local C, S, srv = scene(t, version, {
        on_secure = echo,
        on_client = function(client, log)
          client:write("hello", pair.callback(log))
          client:once("data", function() client:finish("bye") end)
        end,
      })
      local expected = is_13
        and { "connect", "ready", "secureConnect", "secure", "wcb", "session", "session", "data hello" }
        or { "connect", "ready", "secureConnect", "session", "secure", "wcb", "data hello" }
      table.move({ "finish", "data bye", "end", "close false" }, 1, 4, #expected + 1, expected)
      assert.same(expected, C)
      assert.same({ "data hello", "data bye", "end", "finish", "close false" }, S)
      assert.same({ "secureConnection" }, srv)
    end))

    it("ends from the server, with what it has written at once: " .. version, within(function(t)
      local C, S = scene(t, version, {
        on_secure = function(socket)
          socket:write("hi")
          socket:finish("!")
        end,
        on_client = function(client) client:setEncoding("utf8") end,
      })
      assert.same({ "finish", "end", "close false" }, S)
      assert.same({ "connect", "ready", "secureConnect", "secure", "data hi!", "end", "finish",
        "close false" }, without(C, "session"))
    end))

    it("fails where the client does not trust the server, and the server hears so: " .. version,
      within(function(t)
        local C, S, srv = scene(t, version, {
          client = { ca = pair.other_ca.cert },
          on_client = function(client, log) client:write("early", pair.callback(log)) end,
        })
        assert.same({ "connect", "ready", "wcb UNABLE_TO_VERIFY_LEAF_SIGNATURE",
          "error UNABLE_TO_VERIFY_LEAF_SIGNATURE", "close true" }, C)
        assert.same({}, S)
        assert.same({ "tlsClientError ERR_SSL_TLSV1_ALERT_UNKNOWN_CA" }, srv)
      end))

    it("fails where the certificate is of another name: " .. version, within(function(t)
      local C, S, srv = scene(t, version, {
        client = { servername = "example.com" },
        on_secure = function(socket) socket:on("data", t.never()) end,
        on_client = function(client) client:write("early") end,
      })
      assert.same({ "connect", "ready", "secure", "error ERR_TLS_CERT_ALTNAME_INVALID",
        "close true" }, without(C, "session"))
      if is_13 then
        assert.same({ "tlsClientError ECONNRESET" }, srv)
      else
        assert.same({ "secureConnection" }, srv)
        assert.same({ "end", "finish", "close false" }, S)
      end
    end))

    it("goes on without a good certificate where the client says so: " .. version, within(function(t)
      local seen
      scene(t, version, {
        client = { ca = pair.other_ca.cert, rejectUnauthorized = false },
        on_client = function(client)
          client:on("secureConnect", function()
            seen = { client.authorized, client.authorizationError }
            client:finish()
          end)
        end,
      })
      assert.same({ false, "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }, seen)
    end))

    it("fails where the server asks for a certificate and gets none: " .. version, within(function(t)
      local C, _, srv = scene(t, version, {
        server = { requestCert = true, ca = pair.ca.cert },
        on_client = function(client, log) client:write("early", pair.callback(log)) end,
      })
      assert.same({ "tlsClientError ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE" }, srv)
      assert.same(is_13 and { "connect", "ready", "secureConnect", "secure", "wcb",
          "error ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "close true" }
        or { "connect", "ready", "wcb ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE",
          "error ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", "close true" }, C)
    end))

    it("fails where the client's certificate is a stranger's: " .. version, within(function(t)
      local C, _, srv = scene(t, version, {
        server = { requestCert = true, ca = pair.ca.cert },
        client = { cert = pair.stranger.cert, key = pair.stranger.key },
      })
      assert.same({ "tlsClientError UNABLE_TO_VERIFY_LEAF_SIGNATURE" }, srv)
      local last = { "error ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "close true" }
      assert.same(last, { C[#C - 1], C[#C] })
    end))

    it("tells a server who only asks what it got: " .. version, within(function(t)
      local seen = {}
      for _, given in ipairs { {}, pair.stranger, pair.client } do
        scene(t, version, {
          server = { requestCert = true, rejectUnauthorized = false, ca = pair.ca.cert },
          client = { cert = given.cert, key = given.key },
          on_secure = function(socket)
            seen[#seen + 1] = { socket.authorized, socket.authorizationError,
              (socket:getPeerCertificate().subject or {}).CN }
            socket:finish()
          end,
        })
      end
      assert.same({ { false, "UNABLE_TO_GET_ISSUER_CERT" },
        { false, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "a stranger" }, { true, nil, "a client" } }, seen)
    end))

    it("is destroyed in secureConnection: " .. version, within(function(t)
      local C, S = scene(t, version, { on_secure = function(socket) socket:destroy() end })
      assert.same({ "close false" }, S)
      assert.same(is_13 and { "connect", "ready", "secureConnect", "secure", "end", "finish",
        "close false" } or { "connect", "ready", "end", "error ECONNRESET", "close true" },
        without(C, "session"))
    end))

    it("is destroyed by the client at 'connect': " .. version, within(function(t)
      local C, _, srv = scene(t, version, {
        on_client = function(client, log)
          client:write("early", pair.callback(log))
          client:on("connect", function() client:destroy() end)
        end,
      })
      assert.same({ "connect", "ready", "wcb ECANCELED", "close false" }, C)
      assert.same({ "tlsClientError ECONNRESET" }, srv)
    end))

    it("is destroyed by the client in secureConnect: " .. version, within(function(t)
      local C, S, srv = scene(t, version, {
        on_client = function(client)
          client:on("secureConnect", function() client:destroy() end)
        end,
      })
      assert.same({ "connect", "ready", "secureConnect", "secure", "close false" },
        without(C, "session"))
      if is_13 then
        assert.same({ "tlsClientError ECONNRESET" }, srv)
      else
        assert.same({ "end", "finish", "close false" }, S)
      end
    end))

    it("sends no close_notify when it is destroyed: " .. version, within(function(t)
      local got
      local C, S = scene(t, version, {
        on_secure = function(socket)
          socket:write("x")
          socket:resume():on("end", function() got = socket.closeNotifyReceived end)
        end,
        on_client = function(client) client:once("data", function() client:destroy() end) end,
      })
      assert.is_false(got)
      assert.equal("close false", C[#C])
      assert.same({ "end", "finish", "close false" }, S)
    end))

    it("says with finish() that it is all, which waits for the handshake: " .. version,
      within(function(t)
        local got
        local C, S = scene(t, version, {
          on_secure = function(socket)
            socket:on("end", function() got = socket.closeNotifyReceived end)
          end,
          on_client = function(client, log) client:finish("q", pair.callback(log, "fcb")) end,
        })
        assert.is_true(got)
        assert.same({ "data q", "end", "finish", "close false" }, S)
        local expected = { "connect", "ready", "secureConnect", "secure", "fcb", "finish", "end", "close false" }
        assert.same(expected, without(C, "session"))
      end))

    it("has the callback of finish() hear that the socket was destroyed before: " .. version,
      within(function(t)
        local C = scene(t, version, {
          on_client = function(client, log)
            client:finish("q", pair.callback(log, "fcb"))
            client:on("connect", function() client:destroy() end)
          end,
        })
        assert.same({ "connect", "ready", "fcb ECANCELED", "close false" }, C)
      end))

    it("is half open as net's is: " .. version, within(function(t)
      local C, S = scene(t, version, {
        client = { allowHalfOpen = true },
        on_secure = function(socket) socket:finish("bye") end,
        on_client = function(client)
          client:on("end", function()
            timers.setImmediate(function()
              assert.equal("writeOnly", client.readyState)
              client:finish("later")
            end)
          end)
        end,
      })
      assert.same({ "finish", "data later", "end", "close false" }, S)
      assert.same({ "connect", "ready", "secureConnect", "secure", "data bye", "end", "finish",
        "close false" }, without(C, "session"))
    end))

    it("lets a half-open server go on when the client has ended: " .. version, within(function(t)
      local C, S = scene(t, version, {
        server = { allowHalfOpen = true },
        on_secure = function(socket)
          socket:resume():on("end", function() socket:finish("answer") end)
        end,
        on_client = function(client) client:finish() end,
      })
      assert.same({ "end", "finish", "close false" }, S)
      assert.same({ "connect", "ready", "secureConnect", "secure", "finish", "data answer", "end",
        "close false" }, without(C, "session"))
    end))

    it("has its idle timeout run from connect() on: " .. version, within(function(t)
      local raw = net.createServer():listen(0, "127.0.0.1")
      sockets.wait(function() return raw.listening end)
      local log = {}
      local client = tls.connect({ port = raw:address().port, host = "127.0.0.1", timeout = 10,
        minVersion = version, maxVersion = version })
      raw:on("connection", function(socket) socket:resume():on("end", function() raw:close() end) end)
      pair.watch(log, client)
      client:on("timeout", t.calls(1, function() client:destroy() end))
      t.run()
      assert.same({ "timeout", "close false" }, { log[#log - 1], log[#log] })
    end))

    it("is paused by pauseOnConnect, and gives what came with resume(): " .. version,
      within(function(t)
        local _, S = scene(t, version, {
          server = { pauseOnConnect = true },
          on_secure = function(socket, log)
            timers.setImmediate(function()
              timers.setImmediate(function()
                log[#log + 1] = "resume"
                socket:resume()
              end)
            end)
          end,
          on_client = function(client) client:finish("hello") end,
        })
        assert.same({ "resume", "data hello", "end", "finish", "close false" }, S)
      end))

    it("is read up to its mark though it is paused: " .. version,
      within(function(t)
        local kept = {}
        local C, S = scene(t, version, {
          server = { pauseOnConnect = true },
          on_secure = function(socket)
            kept.S = socket
            socket:finish("hello")
          end,
          on_client = function(client)
            kept.C = client
            client:pause()
            client:finish("hello")
            sockets.wait(function()
              return kept.S and kept.S.readableLength == 5 and client.readableLength == 5
            end)
            client:resume()
            kept.S:resume()
          end,
        })
        assert.same({ "data hello", "end", "close false" }, { C[#C - 2], C[#C - 1], C[#C] })
        assert.same({ "finish", "data hello", "end", "close false" }, S)
      end))

    it("tells sessions though it is paused: " .. version, within(function(t)
      local server = pair.listen({ minVersion = version, maxVersion = version }, function(socket)
        socket:resume()
      end)
      local client = pair.connect(server)
      client:pause()
      client:once("session", t.calls(1, function()
        assert.is_true(client:isPaused())
        client:destroy()
        server:close()
      end))
      t.run()
    end))

    it("has no protocol in common: " .. version, within(function(t)
      local C, _, srv = scene(t, version, {
        server = { ALPNProtocols = { "a" } }, client = { ALPNProtocols = { "b" } },
      })
      assert.same({ "tlsClientError ERR_SSL_NO_APPLICATION_PROTOCOL" }, srv)
      assert.same({ "connect", "ready", "error ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
        "close true" }, C)
    end))

    it("counts plain bytes, early writes too: " .. version, within(function(t)
      local counts
      scene(t, version, {
        on_secure = echo,
        on_client = function(client)
          assert.is_true(client:write(("x"):rep(65535)))
          assert.is_false(client:write("y"))
          assert.equal(65536, client.writableLength)
          local got = 0
          client:on("data", function(chunk)
            got = got + #chunk
            if got == 65536 then
              counts = { client.bytesRead, client.bytesWritten, client.writableLength }
              client:finish()
            end
          end)
        end,
      })
      assert.same({ 65536, 65536, 0 }, counts)
    end))

  end

  it("goes on behind listeners that raise", within(function(t)
    local got = {}
    local server = pair.listen({}, function(socket)
      socket:on("data", function(chunk) got[#got + 1] = chunk end)
      error("server's", 0)
    end)
    local client = pair.connect(server)
    client:write("early ")
    client:on("secureConnect", function() error("client's", 0) end)
    client:on("close", t.calls(1, function() server:close() end))
    local raised = {}
    for _ = 1, 2 do raised[#raised + 1] = select(2, pcall(net.run)) end
    client:finish("late")
    client:resume()
    t.run()
    table.sort(raised)
    assert.same({ "client's", "server's" }, raised)
    assert.equal("early late", table.concat(got))
  end))

  it("tells 'secure' of a server's socket to who listened before 'secureConnection'",
    within(function(t)
      local server, log = pair.listen({}, function(socket) socket:finish() end)
      server:once("keylog", t.calls(1, function(_, socket)
        socket:on("secure", t.calls(1, function() log[#log + 1] = "secure" end))
      end))
      pair.connect(server):resume():on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "secureConnection", "secure" }, log)
    end))

  it("does not tell 'secure' of a server's socket that nobody knew before", within(function(t)
    local server = pair.listen({}, function(socket)
      socket:on("secure", t.never())
      socket:finish()
    end)
    pair.connect(server):resume():on("close", t.calls(1, function() server:close() end))
    t.run()
  end))

  it("of a server is waited for by close(), amid the handshake too", within(function(t)
    local server, log = pair.listen({}, function(socket) socket:finish() end)
    local client = pair.connect(server)
    server:on("connection", t.calls(1, function() server:close() end))
    server:on("close", t.calls(1, function() log[#log + 1] = "close" end))
    client:resume():on("close", t.calls(1))
    t.run()
    assert.same({ "secureConnection", "close" }, log)
  end))
end)

--- A raw client of a TLS server.
local function raw_client(server, on_connect)
  local socket = net.connect(server:address().port, "127.0.0.1")
  socket:on("connect", function() on_connect(socket) end)
  return socket
end

describe("A TLS server", function()
  it("hears of a client that speaks HTTP, or nothing that is TLS", within(function(t)
    for text, code in pairs {
      ["GET / HTTP/1.1\r\n\r\n"] = "ERR_SSL_HTTP_REQUEST",
      ["PUT me somewhere else, please"] = "ERR_SSL_HTTP_REQUEST",
      ["hello, who is there?"] = "ERR_SSL_WRONG_VERSION_NUMBER",
      ["\22\3\1\255\255" .. ("x"):rep(40)] = "ERR_SSL_DATA_LENGTH_TOO_LONG",
    } do
      local server, log = pair.listen({})
      server:on("connection", t.calls(1, function() log[#log + 1] = "connection" end))
      local client = raw_client(server, function(socket) socket:write(text) end)
      client:resume():on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "connection", "tlsClientError " .. code }, log)
    end
  end))

  it("hears of a client that goes away amid the handshake", within(function(t)
    for _, bytes in ipairs { "", "\22\3\1\2\0\1\0\1\252\3\3" } do
      local server, log = pair.listen({})
      server:on("tlsClientError", t.calls(1, function(err, socket)
        assert.equal("socket hang up", err.message)
        assert.equal("127.0.0.1", socket.remoteAddress)
      end))
      local client = raw_client(server, function(socket) socket:finish(bytes) end)
      client:resume():on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "tlsClientError ECONNRESET" }, log)
    end
  end))

  it("hears of a client that goes away amid the handshake though it is half open", within(function(t)
    local server, log = pair.listen({ allowHalfOpen = true })
    local client = raw_client(server, function(socket) socket:finish("\22\3\1") end)
    client:resume():on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "tlsClientError ECONNRESET" }, log)
  end))

  it("hears of a client that resets amid the handshake", within(function(t)
    local server, log = pair.listen({})
    server:on("tlsClientError", t.calls(1, function(err) assert.equal("read ECONNRESET", err.message) end))
    server:on("connection", function(raw)
      raw.marked = true
    end)
    local client = raw_client(server, function(socket)
      socket:write("\22\3\1", function() socket:resetAndDestroy() end)
    end)
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "tlsClientError ECONNRESET" }, log)
  end))

  it("gives up a client that says nothing, and closes it", within(function(t)
    local server, log = pair.listen({ handshakeTimeout = 10 })
    server:on("tlsClientError", t.calls(1, function(err, socket)
      assert.equal("TLS handshake timeout", err.message)
      timers.setImmediate(function() assert.is_true(socket.destroyed) end)
    end))
    local client = raw_client(server, function() end)
    client:resume():on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "tlsClientError ERR_TLS_HANDSHAKE_TIMEOUT" }, log)
  end))

  it("closes a client that was too slow though a listener raises", within(function(t)
    local server = pair.listen({ handshakeTimeout = 10 })
    server:removeAllListeners("tlsClientError")
    server:on("tlsClientError", function() error("mine", 0) end)
    local client = raw_client(server, function() end)
    client:resume():on("close", t.calls(1, function() server:close() end))
    local ok, err = pcall(t.run)
    assert.same({ false, "mine" }, { ok, err })
    t.run()
  end))

  it("has a socket whose 'error' is a destroy's", within(function(t)
    local log = {}
    local server = pair.listen({}, function(socket)
      pair.watch(log, socket, { "error", "close" })
      socket:destroy(net.Error("mine"))
    end)
    local client = pair.connect(server)
    client:on("error", function() end)
    client:resume():on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "error mine", "close true" }, log)
  end))
end)

describe("A server's TLS socket where nobody listens for an error", function()
  local kinds = {}

  --- Accepted by the server.
  function kinds.accepted(take)
    return (pair.listen({}, take))
  end

  --- Over a socket that another server has accepted.
  function kinds.wrapped(take)
    return sockets.listen():on("connection", function(raw)
      take(tls.TLSSocket(raw, { isServer = true, cert = pair.server.cert, key = pair.server.key }))
    end)
  end

  --- Over one that was given to the server.
  function kinds.given(take)
    local inner = tls.createServer({ cert = pair.server.cert, key = pair.server.key }, take)
    return sockets.listen():on("connection", function(raw) inner:emit("connection", raw) end)
  end

  for kind, listen in pairs(kinds) do
    it("only closes if its client resets: " .. kind, within(function(t)
      local log = {}
      local server = listen(function(socket)
        assert.equal(1, socket:listenerCount("error"))
        pair.watch(log, socket:resume(), { "end", "close" })
        socket:once("data", function() socket:write("reset") end)
      end)
      local raw = net.connect(server:address().port, "127.0.0.1")
      local client = tls.connect({ socket = raw, ca = pair.ca.cert, servername = "localhost" })
      client:write("hello")
      client:once("data", function() raw:resetAndDestroy() end)
      client:on("close", t.calls(1, function() server:close() end))
      t.run() -- raises what is uncaught
      assert.same({ "close true" }, log)
    end))

    it("only closes if it is destroyed with one: " .. kind, within(function(t)
      local log = {}
      local server = listen(function(socket)
        pair.watch(log, socket:resume(), { "close" })
        socket:once("data", function() socket:destroy({ code = "E_OWN" }) end)
      end)
      local client = pair.connect(server)
      client:write("hello")
      client:resume():on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "close true" }, log)
    end))
  end

  it("ends the program if the listener that it comes with is taken away", within(function(t)
    local server = pair.listen({}, function(socket)
      socket:removeAllListeners("error")
      socket:destroy({ code = "E_OWN" })
    end)
    local client = pair.connect(server)
    client:resume():on("close", t.calls(1, function() server:close() end))
    local ok, err = pcall(t.run)
    assert.same({ false, "ERR_UNHANDLED_ERROR" }, { ok, err.code })
    t.run()
  end))
end)

describe("A TLS client", function()
  --- A server that is not TLS's.
  local function plain(t, on_connection)
    local server = net.createServer(on_connection):listen(0, "127.0.0.1")
    sockets.wait(function() return server.listening end)
    t.finally(function() server:close() end)
    return server
  end

  local function trace(t, server, options)
    local log = {}
    local client = pair.connect(server, options)
    pair.watch(log, client)
    client:on("close", t.calls(1, function() server:close() end))
    return client, log
  end

  it("fails at a server that speaks something else", within(function(t)
    local server = plain(t, function(socket) socket:resume():finish("220 mail.example.com ESMTP\r\n") end)
    local _, log = trace(t, server)
    t.run()
    assert.same({ "connect", "ready", "error ERR_SSL_WRONG_VERSION_NUMBER", "close true" }, log)
  end))

  it("fails at a server that ends", within(function(t)
    local server = plain(t, function(socket) socket:resume():finish() end)
    local client, log = trace(t, server)
    client:on("error", t.calls(1, function(err)
      assert.equal("Client network socket disconnected before secure TLS connection was established",
        err.message)
      assert.same({ "localhost", client.remotePort or err.port }, { err.host, err.port })
    end))
    client:on("readable", t.calls(1, function() assert.is_nil(client:read()) end))
    client:on("end", t.calls(1, function()
      assert.same({ true, false }, { client.readableEnded, client.readableAborted })
    end))
    t.run()
    assert.same({ "connect", "ready", "end", "error ECONNRESET", "close true" }, log)
  end))

  it("fails at a server that resets", within(function(t)
    local server = plain(t, function(socket)
      socket:once("data", function() socket:resetAndDestroy() end)
    end)
    local client, log = trace(t, server)
    client:on("error", t.calls(1, function(err) assert.equal("read ECONNRESET", err.message) end))
    t.run()
    assert.same({ "connect", "ready", "error ECONNRESET", "close true" }, log)
  end))

  it("fails where nobody listens, as net's does", within(function(t)
    local server = plain(t)
    local port = server:address().port
    server:close()
    local log = {}
    local client = tls.connect({ port = port, host = "127.0.0.1" })
    pair.watch(log, client)
    client:write("early", pair.callback(log))
    client:on("close", t.calls(1))
    t.run()
    assert.same({ "error ECONNREFUSED", "close true", "wcb ERR_SOCKET_CLOSED_BEFORE_CONNECTION" }, log)
  end))

  it("is destroyed before it has connected", within(function(t)
    local server = plain(t, function(socket) socket:resume() end)
    local client, log = trace(t, server)
    client:write("early", pair.callback(log))
    client:destroy()
    t.run()
    assert.same({ "close false", "wcb ERR_SOCKET_CLOSED_BEFORE_CONNECTION" }, log)
  end))

  it("ends by a signal amid the handshake", within(function(t)
    local controller = net.abort.AbortController()
    local server = plain(t, function(socket)
      socket:once("data", function() controller:abort() end)
    end)
    local _, log = trace(t, server, { signal = controller.signal })
    t.run()
    assert.same({ "connect", "ready", "error ABORT_ERR", "close true" }, log)
  end))

  it("gives up a server that says nothing, where it is told to", within(function(t)
    local server = plain(t, function(socket) socket:resume() end)
    local _, log = trace(t, server, { handshakeTimeout = 10 })
    t.run()
    assert.same({ "connect", "ready", "error ERR_TLS_HANDSHAKE_TIMEOUT", "close true" }, log)
  end))
end)
