-- SPDX-License-Identifier: MIT

--- TLS sockets that connect by themselves: again, or for the first time behind a connection
--- that they had from elsewhere. What they send is TLS, and what became of the connection
--- before is nothing to the new one.

local net = require("net")
local sockets = require("spec.support.sockets")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local within = require("spec.support").within

local HANDSHAKE = 22 -- the type of a record

local function listening(server)
  server:listen(0, "127.0.0.1")
  sockets.wait(function() return server.listening end)
  return server
end

--- A server without TLS that hears out one client; what is heard goes to `heard`.
local function listener(heard)
  local server
  server = listening(net.createServer(function(socket)
    socket:on("data", function(chunk) heard[#heard + 1] = chunk end)
    socket:on("error", function() end)
    socket:once("data", function() socket:destroy() end)
    server:close()
  end))
  return server
end

--- Connects a socket that is closed to a server without TLS: what that one hears.
local function heard_of(t, socket)
  local heard = {}
  local server = listener(heard)
  socket:on("error", function() end)
  socket:connect(server:address().port, "127.0.0.1")
  socket:write("a secret")
  t.run()
  return table.concat(heard)
end

local function wrapped()
  local one, other = net.duplexPair()
  other:destroy()
  return tls.connect { socket = one, ca = pair.ca.cert }
end

local function accepted(t)
  local kept
  local server = pair.listen({}, function(socket)
    kept = socket
    socket:finish()
  end)
  pair.connect(server):resume():on("close", function() server:close() end)
  t.run()
  return kept
end

describe("A TLS socket that connects again", function()
  for name, make in pairs {
    ["was over another socket"] = wrapped,
    ["was over another socket, by TLSSocket"] = function()
      local one, other = net.duplexPair()
      other:destroy()
      return tls.TLSSocket(one, { ca = pair.ca.cert })
    end,
  } do
    it("sends nothing plain, if it " .. name, within(function(t)
      local socket = make()
      socket:on("error", function() end)
      sockets.wait_for(socket, "close")
      assert.equal(HANDSHAKE, heard_of(t, socket):byte())
    end))
  end

  it("sends nothing at all as a server, before a client has begun", within(function(t)
    local served = { accepted(t), tls.TLSSocket(nil, { isServer = true, handshakeTimeout = 20 }) }
    for _, socket in ipairs(served) do
      local heard = {}
      local server = listener(heard)
      local log = pair.watch({}, socket, { "connect", "error", "close" })
      socket:connect(server:address().port, "127.0.0.1")
      socket:write("a secret")
      if socket.server then
        sockets.wait_for(socket, "connect")
        socket:destroy()
      end
      t.run()
      assert.same({}, heard)
      assert.equal("connect", log[1])
    end
  end))

  it("may be a server whose client listens", within(function(t)
    local log = {}
    local client = listening(net.createServer(function(raw)
      local socket = tls.connect { socket = raw, ca = pair.ca.cert, servername = "localhost" }
      pair.watch(log, socket, { "secureConnect", "data", "error" })
      socket:on("end", function() log[#log + 1] = "end" end)
    end))
    local socket = tls.TLSSocket(nil, { isServer = true, cert = pair.server.cert,
      key = pair.server.key })
    socket:connect(client:address().port, "127.0.0.1")
    socket:finish("hi")
    socket:resume():on("close", t.calls(1, function() client:close() end))
    t.run()
    assert.same({ "secureConnect", "data hi", "end" }, log)
  end))

  it("is limited in time, though the 'close' of before comes behind", within(function(t)
    local server
    server = listening(net.createServer(function(raw)
      raw:on("error", function() end):resume() -- and says nothing
    end))
    local socket = pair.connect(server, { handshakeTimeout = 60 })
    local log = pair.watch({}, socket, { "connect", "error", "close" })
    socket:destroy()
    socket:connect(server:address().port, "127.0.0.1")
    socket:once("close", t.calls(1, function() -- which is that of before
      assert.is_true(socket.secureConnecting)
      socket:once("close", t.calls(1, function() server:close() end))
    end))
    t.run()
    assert.same({ "connect", "close false", "error ERR_TLS_HANDSHAKE_TIMEOUT", "close true" }, log)
  end))

  it("is not ended by the error of before", within(function(t)
    local plain
    plain = listening(net.createServer(function(raw)
      raw:on("error", function() end):resume():finish()
      plain:close()
    end))
    local server = pair.listen({}, function(peer) peer:resume():finish("hi") end)
    local socket = pair.connect(plain)
    local log = pair.watch({}, socket, { "secureConnect", "data", "error", "close" })
    socket:write("early", function() end)
    socket:once("end", t.calls(1, function()
      socket:destroy()
      socket:connect(server:address().port, "127.0.0.1")
      socket:on("end", function() server:close() end)
    end))
    t.run()
    assert.same({ "close false", "secureConnect", "data hi", "close false" }, log)
  end))
end)

describe("A TLS socket that is destroyed, connected again and destroyed in one turn", function()
  it("has sent what it wrote first, and not what it wrote then", within(function(t)
    local told, heard = {}, {}
    local server = pair.listen({}, function(socket)
      socket:on("data", function(chunk) heard[#heard + 1] = chunk end)
      socket:write("go")
    end)
    local client = pair.connect(server)
    client:once("data", function()
      client:write("one", pair.callback(told, "first"))
      client:destroy()
      client:connect(server:address().port, "127.0.0.1")
      client:write("two", pair.callback(told, "second"))
      client:destroy()
      server:close()
    end)
    t.run()
    assert.same({ "first", "second ERR_SOCKET_CLOSED_BEFORE_CONNECTION" }, told)
    assert.equal("one", table.concat(heard))
  end))
end)
