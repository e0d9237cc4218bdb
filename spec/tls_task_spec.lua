-- SPDX-License-Identifier: MIT

--- TLS sockets and servers in tasks' hands.

local co = require("net.co")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local within = require("spec.support").within

--- A TLS server that listens, in a task.
local function listen(options)
  local own = { cert = pair.server.cert, key = pair.server.key }
  for name, value in pairs(options or {}) do own[name] = value end
  local server = tls.createServer(own):listen(0, "127.0.0.1")
  co.await(server, "listening")
  return server, { port = server:address().port, host = "127.0.0.1", ca = pair.ca.cert }
end

local function in_task(fn)
  return within(function(t)
    co.run(function() fn(t) end)
  end)
end

describe("tls.co.connect", function()
  it("gives a socket whose server is verified", in_task(function()
    local server, where = listen()
    co.spawn(function()
      for socket in server:incoming() do
        assert(tls.isTLSSocket(socket))
        for line in socket:lines() do socket:send(line:upper() .. "\n") end
        socket:finish()
        server:close()
      end
    end)
    local socket = assert(tls.co.connect(where))
    assert.is_true(socket.authorized)
    socket:send("hello\n")
    assert.equal("HELLO", socket:receive("l"))
    socket:finish()
    co.finished(socket)
  end))

  it("gives nil and the error of a server that is not", in_task(function()
    local server, where = listen()
    server:on("tlsClientError", function() server:close() end)
    where.ca = pair.other_ca.cert
    local socket, err = tls.co.connect(where)
    assert.is_nil(socket)
    assert.equal("UNABLE_TO_VERIFY_LEAF_SIGNATURE", err.code)
  end))

  it("raises outside of tasks", function()
    local ok, err = pcall(tls.co.connect, { port = 1 })
    assert.same({ false, "ERR_CANNOT_WAIT" }, { ok, err.code })
  end)
end)

describe("A TLS server's serve", function()
  it("has a task for each client whose handshake is over", in_task(function()
    local server, where = listen()
    local served = 0
    co.spawn(function()
      server:serve(function(socket)
        served = served + 1
        socket:send(socket:receive("l") .. "!\n")
        if served == 2 then server:close() end
      end)
    end)
    local refused = tls.co.connect({ port = where.port, host = where.host, ca = pair.other_ca.cert })
    assert.is_nil(refused)
    for i = 1, 2 do
      local socket = assert(tls.co.connect(where))
      socket:send(i .. "\n")
      assert.equal(i .. "!", socket:receive("l"))
      socket:destroy()
    end
    assert.equal(2, served)
  end))
end)

describe("A plain server's serve, whose handler begins TLS", function()
  --- Serves one connection, by TLS, with `handler(secure, socket)`, and calls `fn(secure)` with a
  --- client of it, whose connection was plain before.
  local function meet(handler, fn, on_error)
    local server = assert(co.listen(0, "127.0.0.1"))
    local serving = server:serve(function(socket)
      local secure = tls.TLSSocket(socket, { isServer = true, cert = pair.server.cert, key = pair.server.key })
      server:close()
      assert(co.await(secure, "secure"))
      handler(secure, socket)
    end, on_error)
    local plain <close> = assert(co.connect(server:address().port, "127.0.0.1"))
    fn(assert(tls.co.connect({ socket = plain, host = "localhost", ca = pair.ca.cert })))
    serving:await()
  end

  it("sends what the handler has answered, and says that this was all", in_task(function()
    meet(function(secure)
      secure:send("a ", secure:receive("l"), "\n", ("x"):rep(300000), "bye\n")
    end, function(client)
      client:send("word\n")
      local all = client:receive("all")
      assert.same({ 300011, "a word\nx", "bye\n" }, { #all, all:sub(1, 8), all:sub(-4) })
      assert.is_true(client.closeNotifyReceived)
    end)
  end))

  it("is not told of the client's end as of an error of the handler's", in_task(function()
    meet(function(secure)
      for _ in secure:lines() do end
    end, function(client)
      client:send("hello\n")
      client:resetAndDestroy()
    end, error)
  end))

  it("is not told of a handshake that fails, either", in_task(function()
    local server = assert(co.listen(0, "127.0.0.1"))
    local serving = server:serve(function(socket)
      server:close()
      local secure = tls.TLSSocket(socket, { isServer = true, cert = pair.server.cert, key = pair.server.key })
      error(select(2, co.await(secure, "secure")), 0)
    end, error)
    local plain <close> = assert(co.connect(server:address().port, "127.0.0.1"))
    plain:send("GET / HTTP/1.0\r\n\r\n")
    plain:receive("all")
    serving:await()
  end))

  it("is told of what else the handler raises", in_task(function()
    local told
    meet(function() error("a mistake", 0) end, function(client)
      client:receive("all")
      assert.is_false(client.closeNotifyReceived)
    end, function(err) told = err end)
    assert.equal("a mistake", told)
  end))
end)
