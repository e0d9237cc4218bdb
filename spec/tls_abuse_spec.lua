-- SPDX-License-Identifier: MIT

--- What programs do to TLS sockets that nobody should: destroy them where they are asked
--- something, and options that are none.

local net = require("net")
local pair = require("spec.support.tlspair")
local tls = require("net.tls")
local within = require("spec.support").within

--- A server, with `raw()`, the socket of its connection amid the handshake.
local function listen_raw(options)
  local raw
  local server, log = pair.listen(options)
  server:on("connection", function(socket) raw = socket end)
  return server, log, function() return raw end
end

--- A server's TLS socket over each connection of a plain server.
local function listen_over(options, on_socket)
  local own = { isServer = true, cert = pair.server.cert, key = pair.server.key }
  for name, value in pairs(options) do own[name] = value end
  local server = net.createServer(function(socket) on_socket(tls.TLSSocket, socket, own) end)
  server:listen(0, "127.0.0.1")
  require("spec.support.sockets").wait(function() return server.listening end)
  return server
end

local function code_of(fn, ...)
  local ok, err = pcall(fn, ...)
  return not ok and (err.code or err)
end

describe("A TLS socket that is destroyed", function()
  it("in checkServerIdentity is closed, without a word more", within(function(t)
    local server = pair.listen()
    local client
    client = pair.connect(server, { checkServerIdentity = function() client:destroy() end })
    client:on("secureConnect", t.calls(0)):on("error", t.calls(0))
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
  end))

  it("in SNICallback is a hang-up, whatever is answered", within(function(t)
    local server, log, raw
    server, log, raw = listen_raw({ SNICallback = function(_, callback)
      raw():destroy()
      callback(nil, tls.createSecureContext())
    end })
    local client = pair.connect(server)
    client:on("error", t.calls(1))
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "tlsClientError ECONNRESET" }, log)
  end))

  it("in ALPNCallback is a hang-up, whatever is answered", within(function(t)
    local server, log, raw
    server, log, raw = listen_raw({ ALPNCallback = function()
      raw():destroy()
      return "a"
    end })
    local client = pair.connect(server, { ALPNProtocols = { "a" } })
    client:on("error", t.calls(1))
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
    assert.same({ "tlsClientError ECONNRESET" }, log)
  end))

  it("while the wrapped one connects destroys that too", within(function(t)
    local server = pair.listen()
    local raw = net.connect(server:address().port, "127.0.0.1")
    raw:on("close", t.calls(1, function() server:close() end))
    tls.connect({ socket = raw }):on("close", t.calls(1)):destroy()
    t.run()
  end))
end)

describe("A callback that raises nil", function()
  for name, says in pairs { SNICallback = "SNICallback has failed",
    ALPNCallback = "ALPNCallback has failed" } do
    it("fails the handshake with an error: " .. name, within(function(t)
      local server, log = pair.listen({ [name] = function() error() end })
      local client = pair.connect(server, { ALPNProtocols = { "a" } })
      client:on("error", t.calls(1))
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "tlsClientError " .. says }, log)
    end))
  end
end)

describe("A listener of keylog that raises", function()
  it("does not hide why the handshake fails", within(function(t)
    local server, log = pair.listen()
    local client = pair.connect(server, { ca = pair.other_ca.cert })
    client:on("keylog", t.calls(1, function() error("boom") end))
    client:on("error", t.calls(1, function(err)
      assert.equal("UNABLE_TO_VERIFY_LEAF_SIGNATURE", err.code)
    end))
    client:on("close", t.calls(1, function() server:close() end))
    assert.matches("boom", select(2, pcall(net.run)))
    t.run()
    assert.same({ "tlsClientError ERR_SSL_TLSV1_ALERT_UNKNOWN_CA" }, log)
  end))
end)

describe("What cannot go into a handshake", function()
  local LONG = ("a"):rep(256)

  it("raises at the call: a name of 256 bytes", function()
    assert.equal("ERR_INVALID_ARG_VALUE", code_of(tls.connect, { port = 1, servername = LONG }))
    local socket = tls.TLSSocket(nil, { isServer = false }):on("error", function() end)
    assert.equal("ERR_INVALID_ARG_VALUE", code_of(socket.setServername, socket, LONG))
    assert.equal("ERR_INVALID_ARG_VALUE", code_of(socket.setServername, socket, "a\0b"))
  end)

  it("raises at the call: protocols that are cut", function()
    for _, bytes in ipairs { "\5ab", "\0", "\1a\2" } do
      local code = code_of(tls.connect, { port = 1, ALPNProtocols = bytes })
      assert.equal("ERR_INVALID_ARG_VALUE", code)
    end
  end)

  it("is not asked for: a host of 256 bytes", within(function(t)
    local server = pair.listen(nil, t.calls(1, function(socket)
      assert.is_false(socket.servername)
      socket:finish()
    end))
    local client = pair.connect(server, { host = LONG, rejectUnauthorized = false })
    client:resume():on("close", t.calls(1, function() server:close() end))
    t.run()
  end))

  it("does not harm sessions: a host of 70000 bytes", within(function(t)
    local server = pair.listen(nil, function(socket) socket:finish("x") end)
    local client = pair.connect(server, { host = ("a"):rep(70000), rejectUnauthorized = false })
    client:on("session", t.calls(2)):resume()
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
  end))
end)

describe("A function of net.tls", function()
  it("says so where it gets what is none of its things", function()
    assert.equal("ERR_INVALID_ARG_TYPE", code_of(tls.checkServerIdentity, "a.com", nil))
    assert.equal("ERR_INVALID_ARG_TYPE", code_of(tls.connect, io.stdout))
    local emit = tls.createServer().emit
    assert.equal("ERR_INVALID_THIS", code_of(emit, net.createServer(), "connection", net.Socket()))
  end)
end)

describe("TLSSocket over a server's connection", function()
  local GARBAGE = {
    { "ERR_INVALID_ARG_TYPE", { server = 42 } }, { "ERR_INVALID_ARG_TYPE", { server = {} } },
    { "ERR_INVALID_ARG_TYPE", { server = net.Socket() } },
    { "ERR_INVALID_ARG_TYPE", { handshakeTimeout = "x" } },
    { "ERR_OUT_OF_RANGE", { handshakeTimeout = -1 } },
    { "ERR_INVALID_ARG_TYPE", { SNICallback = 5 } }, { "ERR_INVALID_ARG_TYPE", { ALPNCallback = 5 } },
    { "ERR_TLS_ALPN_CALLBACK_WITH_PROTOCOLS", { ALPNCallback = print, ALPNProtocols = { "a" } } },
  }

  it("raises for options that are none, and leaves the connection", within(function(t)
    local server = net.createServer(t.calls(1, function(socket)
      for _, row in ipairs(GARBAGE) do
        row[2].isServer = true
        assert.equal(row[1], code_of(tls.TLSSocket, socket, row[2]))
      end
      socket:finish("plain")
    end)):listen(0, "127.0.0.1", t.calls(1))
    server:on("listening", function()
      local client = net.connect(server:address().port, "127.0.0.1")
      client:on("data", t.calls(1, function(data) assert.equal("plain", data) end))
      client:on("close", t.calls(1, function() server:close() end))
    end)
    t.run()
  end))

  it("asks its own SNICallback and ALPNCallback", within(function(t)
    local name
    local server = listen_over({
      SNICallback = function(asked, callback) name = asked callback() end,
      ALPNCallback = function(offer) return offer.protocols[2] end,
    }, t.calls(1, function(make, socket, options) make(socket, options):resume() end))
    local client = pair.connect(server, { ALPNProtocols = { "a", "b" } })
    client:on("secureConnect", t.calls(1, function()
      assert.same({ "localhost", "b" }, { name, client.alpnProtocol })
      client:finish()
    end)):resume()
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
  end))

  it("may have a server that keeps sessions", within(function(t)
    local keeper = tls.createServer()
    keeper:on("resumeSession", function(_, callback) callback() end)
    local server = listen_over({ server = keeper }, function(make, socket, options)
      make(socket, options):resume()
    end)
    local client = pair.connect(server)
    client:on("secureConnect", t.calls(1, function() client:finish() end)):resume()
    client:on("close", t.calls(1, function() server:close() end))
    t.run()
  end))
end)
