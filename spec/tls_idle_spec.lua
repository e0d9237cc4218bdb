-- SPDX-License-Identifier: MIT

--- A TLS connection that can do nothing has the loop wait, not go round: whoever it waits for, and
--- whatever lies unread below it. As strace(1) sees it: how often the process polls.

local pair = require("spec.support.tlspair")
local traced = require("spec.support.traced")

-- `client(options)` connects; when all has been said `rest()` waits for a while, in which the loop has
-- nothing to do.
local PROGRAM = [[
  local tls = require("net.tls")
  local cert, key, ca, version = table.unpack(arg)
  local kept = {}
  local function ignore() end
  local function keep(socket)
    kept[#kept + 1] = socket:on("error", ignore)
    return socket
  end
  local options = { cert = cert, key = key, minVersion = version, maxVersion = version }
  local server
  local function client(more)
    local own = { port = server:address().port, host = "127.0.0.1", servername = "localhost", ca = ca }
    for name, value in pairs(more or {}) do own[name] = value end
    return keep(tls.connect(own))
  end
  local function say(line) io.stdout:write(line, "\n") io.stdout:flush() end
  local function rest()
    timers.setTimeout(function()
      say("begin")
      timers.setTimeout(function()
        say("end")
        os.exit(0)
      end, 60)
    end, 60)
  end
  local function serve(on_secure, go, class)
    server = (class or tls).createServer(options, function(socket) on_secure(keep(socket)) end)
    server:on("tlsClientError", ignore)
    server:listen(0, "127.0.0.1", function()
      go()
      rest()
    end)
  end
]]

local CASES = {
  ["its program, asked for a context, and the client has gone"] = [[
    options.SNICallback = ignore
    serve(ignore, function()
      local socket = client()
      timers.setTimeout(function() socket:destroy() end, 20)
    end)
  ]],
  ["its program, asked for a context, and the client has reset"] = [[
    options.SNICallback = ignore
    serve(ignore, function()
      local socket = client()
      timers.setTimeout(function() socket:resetAndDestroy() end, 20)
    end)
  ]],
  ["its program, which is to keep a session, and the client has gone"] = [[
    serve(ignore, function()
      local socket = client()
      timers.setTimeout(function() socket:destroy() end, 20)
    end)
    server:on("newSession", ignore)
  ]],
  ["the rest of a hello"] = [[
    serve(ignore, function()
      keep(net.connect(server:address().port, "127.0.0.1")):write("\22\3\1\2")
    end)
  ]],
  ["a server that says nothing"] = [[
    serve(function(socket) socket:resume() end, client, net)
  ]],
  ["who reads, and all has come, and the end"] = [[
    serve(function(socket) socket:finish(("x"):rep(100000)) end, function() client():pause() end)
  ]],
  ["who reads, and more comes than is kept"] = [[
    serve(function(socket) socket:write(("x"):rep(1000000)) end, function() client():pause() end)
  ]],
  ["who reads, and the peer has reset"] = [[
    serve(function(socket) socket:write("x", function() socket:resetAndDestroy() end) end,
      function() client():pause() end)
  ]],
  ["onread's callback, which wants no more"] = [[
    serve(function(socket) socket:write(("x"):rep(500000)) end, function()
      client { onread = { buffer = 1000, callback = function() return false end } }
    end)
  ]],
  ["a half-open peer"] = [[
    options.allowHalfOpen = true
    serve(function(socket) socket:resume() end, function()
      client({ allowHalfOpen = true }):resume():finish()
    end)
  ]],
  ["the other half of a pair"] = [[
    local half, other = net.duplexPair()
    keep(other)
    keep(tls.connect { socket = half, ca = ca })
    rest()
  ]],
  ["who reads, over TLS"] = [[
    serve(function(outer)
      local socket = keep(tls.TLSSocket(outer, { isServer = true, cert = cert, key = key }))
      socket:on("secure", function() socket:write(("x"):rep(1000000)) end)
    end, function()
      keep(tls.connect { socket = client(), servername = "localhost", ca = ca }):pause()
    end)
  ]],
}

describe("A TLS connection does not have the loop go round while it waits for", function()
  after_each(traced.clean)

  for name, case in pairs(CASES) do
    for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
      it(name .. ": " .. version, traced.spec(pending, function()
        local program = traced.trace(PROGRAM .. case .. "\nnet.run()\n", nil, pair.server.cert,
          pair.server.key, pair.ca.cert, version)
        local polls = traced.count(program:calls(), " epoll_wait epoll_pwait poll ppoll select pselect6 ")
        assert.is_true(polls >= 1 and polls < 50, polls) -- hundreds where it goes round
      end))
    end
  end
end)
