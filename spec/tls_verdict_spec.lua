-- SPDX-License-Identifier: MIT

--- No byte of the other side's is told before it is verified, whichever way TLS came under the
--- socket, and whatever comes instead of a handshake; what the program itself has put back is its own.

local co = require("net.co")
local in_task = require("spec.support.tlstasks").in_task
local net = require("net")
local pair = require("spec.support.tlspair")
local timers = require("net.timers")
local tls = require("net.tls")
local wires = require("spec.support.wire")

local MARKER = "THIS IS PLAIN TEXT, AND LONGER THAN A RECORD'S HEAD"

local CLIENT = { servername = "localhost" }

local function client_options(more)
  local own = { ca = pair.ca.cert }
  for name, value in pairs(CLIENT) do own[name] = value end
  for name, value in pairs(more or {}) do own[name] = value end
  return own
end

local function connected(port)
  local raw = net.connect(port, "127.0.0.1")
  raw:on("error", function() end)
  return raw
end

-- How a client may come to be; each gives the TLS socket that is to meet the server at that port.
local CLIENTS = {
  ["connects"] = function(port)
    return tls.connect(client_options({ port = port, host = "127.0.0.1" }))
  end,
  ["is over a socket that is open, and has read"] = function(port)
    local raw = connected(port)
    co.await(raw, "connect")
    raw:pause()
    for _ = 1, 10 do wires.turns() end
    return tls.connect(client_options({ socket = raw }))
  end,
  ["is over a socket that flows to another listener"] = function(port)
    local raw = connected(port)
    co.await(raw, "connect")
    raw:on("data", function() end)
    return tls.connect(client_options({ socket = raw }))
  end,
  ["is over a socket that connects"] = function(port)
    return tls.connect(client_options({ socket = connected(port) }))
  end,
  ["is over a socket that is yet to connect"] = function(port)
    local raw = net.Socket()
    local client = tls.connect(client_options({ socket = raw }))
    raw:on("error", function() end)
    timers.setImmediate(function() raw:connect(port, "127.0.0.1") end)
    return client
  end,
  ["is over a socket that connects, and connects by itself"] = function(port)
    local client = tls.connect(client_options({ socket = connected(port) }))
    return client:connect(port, "127.0.0.1")
  end,
  ["is over a pair of sockets"] = function(port)
    local one, other = net.duplexPair()
    local raw = connected(port)
    raw:pipe(other)
    other:pipe(raw)
    other:on("error", function() end)
    one:on("error", function() end)
    one:on("close", function()
      other:destroy()
      raw:destroy()
    end)
    return tls.connect(client_options({ socket = one }))
  end,
  ["is over TLS that is over a socket"] = function(port)
    local below = tls.connect(client_options({ port = port, host = "127.0.0.1" }))
    below:on("error", function() end)
    return tls.connect(client_options({ socket = below }))
  end,
  ["connects again"] = function(port)
    local client = tls.connect(client_options({ port = port, host = "127.0.0.1" }))
    client:destroy()
    return client:connect(port, "127.0.0.1")
  end,
  ["connects again in 'close'"] = function(port)
    local client = tls.connect(client_options({ port = port, host = "127.0.0.1" }))
    client:destroy()
    co.suspend(function(resume) client:once("close", function() resume() end) end)
    return client:connect(port, "127.0.0.1")
  end,
  ["was made without a connection"] = function(port)
    return tls.TLSSocket(nil, client_options()):connect(port, "127.0.0.1")
  end,
}

-- How a program may wait for bytes.
local READERS = {
  ["listens to 'data'"] = function(socket, got)
    socket:on("data", function(chunk) got[#got + 1] = chunk end)
  end,
  ["listens to 'readable'"] = function(socket, got)
    socket:on("readable", function()
      for chunk in function() return socket:read() end do got[#got + 1] = chunk end
    end)
  end,
  ["reads in each turn"] = function(socket, got)
    local function again()
      got[#got + 1] = socket:read()
      if not socket.closed then timers.setImmediate(again) end
    end
    again()
  end,
  ["pipes"] = function(socket, got)
    local one, other = net.duplexPair()
    other:on("data", function(chunk) got[#got + 1] = chunk end)
    socket:pipe(one)
    socket:on("close", function() one:destroy() end)
    one:on("close", function() other:destroy() end)
  end,
}

-- When the other side says it.
local STAGES = {
  ["at once"] = function(peer) peer:write(MARKER) end,
  ["behind the hello"] = function(peer) peer:once("data", function() peer:write(MARKER) end) end,
  ["byte by byte"] = function(peer)
    for byte in MARKER:gmatch(".") do peer:write(byte) end
  end,
  ["and ends"] = function(peer) peer:finish(MARKER) end,
}

--- Waits for the end of a socket, which reads in that way: what it has got.
local function got_by(socket, read)
  local got, failed = {}, nil
  socket:on("error", function(err) failed = err.code end)
  read(socket, got)
  repeat -- one that connects again closes twice
    co.suspend(function(resume) socket:once("close", function() resume() end) end)
  until failed
  return table.concat(got), socket.bytesRead
end

--- A server that says the marker, and no TLS.
local function liar(say)
  local server = net.createServer(function(peer)
    peer:on("error", function() end):resume()
    say(peer)
  end)
  server:listen(0, "127.0.0.1")
  co.await(server, "listening")
  return server
end

for way, make in pairs(CLIENTS) do
  describe("A client that " .. way, function()
    for stage, say in pairs(STAGES) do
      it("tells nothing of a server that is none: " .. stage, in_task(function()
        for _, read in pairs(READERS) do
          local server <close> = liar(say)
          assert.same({ "", 0 }, { got_by(make(server:address().port), read) })
        end
      end))
    end

    it("tells nothing of a server that is not verified", in_task(function()
      for version in pairs({ ["TLSv1.2"] = 1, ["TLSv1.3"] = 1 }) do
        for _, read in pairs(READERS) do
          local server <close> = tls.createServer({ cert = pair.stranger.cert, key = pair.stranger.key,
            minVersion = version, maxVersion = version }, function(socket)
            socket:on("error", function() end):write(MARKER)
          end)
          server:on("tlsClientError", function() end)
          server:listen(0, "127.0.0.1")
          co.await(server, "listening")
          assert.same({ "", 0 }, { got_by(make(server:address().port), read) })
        end
      end
    end))
  end)
end

-- How a server's side may come to be: `hear(socket)` gets its TLS socket, before its handshake where
-- a program can have it by then.
local SERVERS = {
  ["is accepted"] = function(server) return server end,
  ["is accepted by who has listened to the connection"] = function(server)
    server:on("connection", function(raw)
      raw:on("data", function() server:emit("told", "raw") end)
      raw:resume()
    end)
    return server
  end,
  ["is handed over"] = function(server)
    local front = net.createServer(function(raw)
      raw:on("error", function() end)
      server:emit("connection", raw)
    end)
    front:listen(0, "127.0.0.1")
    co.await(front, "listening")
    return front
  end,
  ["is handed over when it has read"] = function(server)
    local front = net.createServer({ pauseOnConnect = true }, function(raw)
      raw:on("error", function() end)
      raw:read(0)
      timers.setTimeout(function() server:emit("connection", raw) end, 5)
    end)
    front:listen(0, "127.0.0.1")
    co.await(front, "listening")
    return front
  end,
}

for way, make in pairs(SERVERS) do
  describe("A server's socket that " .. way, function()
    for stage, say in pairs({ ["at once"] = STAGES["at once"], ["byte by byte"] = STAGES["byte by byte"] }) do
      it("tells nothing of a client that is none: " .. stage, in_task(function()
        local told = {}
        local server <close> = tls.createServer({ cert = pair.server.cert, key = pair.server.key },
          function() told[#told + 1] = "secureConnection" end)
        server:on("told", function(what) told[#told + 1] = what end)
        server:on("tlsClientError", function(err, socket)
          told[#told + 1] = err.code
          told.read = socket.bytesRead
        end)
        server:listen(0, "127.0.0.1")
        co.await(server, "listening")
        local front <close> = make(server)
        local peer = net.connect(front:address().port, "127.0.0.1")
        peer:on("error", function() end):resume()
        say(peer)
        co.suspend(function(resume) peer:on("close", function() resume() end) end)
        assert.same({ "ERR_SSL_WRONG_VERSION_NUMBER", read = 0 }, told)
      end))
    end
  end)
end

describe("What a program has put back itself", function()
  it("is told at once, verified or not, as in Node", in_task(function()
    local server <close> = tls.createServer({ cert = pair.server.cert, key = pair.server.key },
      function(socket) socket:finish("hi") end)
    server:listen(0, "127.0.0.1")
    co.await(server, "listening")
    local client, log = CLIENTS["connects"](server:address().port), {}
    for _, name in ipairs({ "connect", "secureConnect", "data", "close" }) do
      client:on(name, function(value)
        log[#log + 1] = name .. (type(value) == "string" and " " .. value or "")
          .. (client.secureConnecting and ", unverified" or "")
      end)
    end
    client:once("connect", function() client:unshift("mine") end)
    co.suspend(function(resume) client:on("close", function() resume() end) end)
    assert.same({ "connect, unverified", "data mine, unverified", "secureConnect", "data hi", "close" }, log)
  end))
end)
