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
