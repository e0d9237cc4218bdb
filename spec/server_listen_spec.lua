-- SPDX-License-Identifier: MIT

local errors = require("net.internal.errors")
local net = require("net")
local AbortController = require("net.abort").AbortController
local core = require("net.core")
local within = require("spec.support").within
local servers = require("spec.support.servers")
local sockets = require("spec.support.sockets")

local LOCAL = "127.0.0.1"

--- What an error says: its text, and the fields that Node gives it.
local function facts(err)
  return {
    text = tostring(err), code = err.code, errno = err.errno, syscall = err.syscall,
    address = err.address, port = err.port,
  }
end

--- A server that listens on a port of its own, and the port.
local function taken(host)
  local server = net.createServer():listen(0, host)
  servers.wait_for(server, "listening")
  return server, server:address().port
end

--- The text of what `server:listen(...)` raises.
local function refused(...)
  local server = net.createServer()
  local err = sockets.raised(server.listen, server, ...)
  assert(errors.is_error(err), err)
  assert.is_false(server.listening)
  return tostring(err)
end

--- Whether this machine has IPv6 at all.
local function has_ipv6()
  local server = net.createServer():listen({ port = 0, host = "::1" })
  local ok
  server:once("listening", function() ok = true server:close() end)
  server:once("error", function() ok = false end)
  servers.wait(function() return ok ~= nil end)
  return ok
end

describe("server:listen", function()
  it("takes a free port, and tells which", within(function(t)
    local server = net.createServer()
    local returned = server:listen(0, LOCAL, t.calls(1, function()
      local address = server:address()
      assert.same(LOCAL, address.address)
      assert.same("IPv4", address.family)
      assert.same("integer", math.type(address.port))
      assert.is_true(address.port > 0)
      server:close()
    end))
    assert.equal(server, returned)
    t.run()
  end))

  it("listens at once without a host, and says so on a tick", within(function(t)
    local server = net.createServer()
    local said = false
    assert.is_false(server.listening)
    assert.is_nil(server:address())
    server:listen(0, t.calls(1, function() said = true server:close() end))
    assert.is_true(server.listening)
    assert.is_true(server:address().port > 0)
    assert.is_false(said)
    t.run()
  end))

  it("does not listen before the host was looked up, be it an address", within(function(t)
    local server = net.createServer()
    server:listen(0, LOCAL, t.calls(1, function() server:close() end))
    assert.is_false(server.listening)
    t.run()
  end))

  it("looks a name up", within(function(t)
    local server = net.createServer()
    server:listen({ port = 0, host = "localhost" }, t.calls(1, function()
      local address = server:address().address
      assert.is_true(address == LOCAL or address == "::1")
      server:close()
    end))
    t.run()
  end))

  it("tells of a name that is none, and may be called again", within(function(t)
    local server = net.createServer()
    server:on("error", t.calls(1, function(err)
      assert.same("getaddrinfo", err.syscall)
      assert.same("no.such.host.invalid", err.hostname)
      server:listen(0, LOCAL)
    end))
    server:on("listening", t.calls(1, function() server:close() end))
    server:listen(0, "no.such.host.invalid")
    t.run()
  end))

  it("takes ports as JavaScript writes numbers", within(function(t)
    local first, port = taken(LOCAL)
    first:close()
    for _, spelling in ipairs({ tostring(port), " " .. port .. " ", ("0x%x"):format(port),
      port + 0.0, port .. ".0" }) do
      local server = net.createServer()
      server:listen({ port = spelling, host = LOCAL }, t.calls(1, function()
        assert.same(port, server:address().port)
        server:close()
      end))
      servers.wait_for(server, "close")
    end
    t.run()
  end))

  it("takes a missing port for any free one", within(function(t)
    local any = t.calls(4, function() end)
    for _, listen in ipairs({
      function(server) server:listen(any) end,
      function(server) server:listen(nil, any) end,
      function(server) server:listen(nil, LOCAL, any) end,
      function(server) server:listen() server:once("listening", any) end,
    }) do
      local server = net.createServer()
      server:once("listening", function()
        assert.is_true(server:address().port > 0)
        server:close()
      end)
      listen(server)
    end
    t.run()
  end))

  it("listens on both families without a host, or on IPv4 alone", within(function(t)
    local dual = has_ipv6()
    local server
    server = net.createServer(t.calls(1, function(peer)
      assert.same(dual and "::ffff:127.0.0.1" or LOCAL, peer.remoteAddress)
      peer:destroy()
      server:close()
    end))
    server:listen(0, t.calls(1, function()
      assert.same(dual and "::" or "0.0.0.0", server:address().address)
      net.connect(server:address().port, LOCAL):on("error", function() end):resume()
    end))
    t.run()
  end))

  it("keeps IPv4 out with ipv6Only", within(function(t)
    if not has_ipv6() then
      return
    end
    local server = net.createServer()
    server:listen({ port = 0, ipv6Only = true }, t.calls(1, function()
      local client = net.connect(server:address().port, LOCAL)
      client:on("error", t.calls(1, function(err)
        assert.same("ECONNREFUSED", err.code)
        server:close()
      end))
    end))
    t.run()
  end))

  it("ignores ipv6Only for an IPv4 host", within(function(t)
    local server = net.createServer()
    server:listen({ port = 0, host = LOCAL, ipv6Only = true }, t.calls(1, function()
      server:close()
    end))
    t.run()
  end))

  it("lets two servers share a port with reusePort, and notes exclusive", within(function(t)
    local first, second = net.createServer(), net.createServer()
    local options = { port = 0, host = LOCAL, reusePort = true }
    first:listen(options, t.calls(1, function()
      local port = first:address().port
      second:listen({ port = port, host = LOCAL, reusePort = true }, t.calls(1, function()
        assert.same(port, second:address().port)
        first:close()
        second:close()
      end))
    end))
    t.run()
    assert.is_true(options.exclusive)
  end))

  it("takes a backlog in each of its places", within(function(t)
    for _, arguments in ipairs({ { 0, LOCAL, 5 }, { 0, 5 }, { { port = 0, backlog = 5 } },
      { { port = 0, backlog = "5" } }, { { port = 0 }, 5 } }) do
      local server = net.createServer()
      server:once("listening", t.calls(1, function() server:close() end))
      server:listen(table.unpack(arguments))
    end
    t.run()
  end))

  describe("when the port is taken", function()
    it("emits EADDRINUSE on a tick, in Node's words", within(function(t)
      local first, port = taken(LOCAL)
      local server = net.createServer()
      local told = false
      server:on("error", t.calls(1, function(err)
        told = true
        assert.same({
          text = "Error: listen EADDRINUSE: address already in use 127.0.0.1:" .. port,
          code = "EADDRINUSE", errno = -98, syscall = "listen", address = LOCAL, port = port,
        }, facts(err))
        first:close()
      end))
      server:listen(port, LOCAL)
      assert.is_false(told)
      t.run()
      assert.is_false(server.listening)
      assert.is_nil(server:address())
    end))

    it("does not fall back to IPv4 for it", within(function(t)
      local first, port = taken()
      local server = net.createServer()
      server:on("error", t.calls(1, function(err)
        assert.same(first:address().address, err.address)
        first:close()
      end))
      server:listen(port)
      t.run()
    end))

    it("stays usable, and the callback of the failed call comes too", within(function(t)
      local first, port = taken(LOCAL)
      local seen = {}
      local server = net.createServer()
      server:on("error", t.calls(1, function()
        seen[#seen + 1] = "error"
        server:listen(0, LOCAL, t.calls(1, function() seen[#seen + 1] = "second" end))
      end))
      server:on("listening", t.calls(1, function()
        seen[#seen + 1] = "listening"
        first:close()
        server:close()
      end))
      server:on("close", t.calls(1, function() end))
      server:listen(port, LOCAL, t.calls(1, function() seen[#seen + 1] = "first" end))
      t.run()
      assert.same({ "error", "listening", "first", "second" }, seen)
    end))

    it("raises out of net.run where nobody listens for errors", within(function(t)
      local first, port = taken(LOCAL)
      net.createServer():listen(port, LOCAL)
      local err = sockets.raised(net.run)
      assert.same("EADDRINUSE", err.code)
      first:close()
      t.run()
    end))
  end)

  it("emits what bind says about an address that is not ours", within(function(t)
    local server = net.createServer()
    server:on("error", t.calls(1, function(err)
      assert.same("Error: listen EADDRNOTAVAIL: address not available 192.0.2.1",
        tostring(err))
      assert.is_nil(err.port)
    end))
    server:listen(0, "192.0.2.1")
    t.run()
  end))

  it("raises when it listens already, and changes nothing", within(function(t)
    local server, port = taken(LOCAL)
    local err = sockets.raised(server.listen, server, 0, function() end)
    assert.same("Error [ERR_SERVER_ALREADY_LISTEN]: Listen method has been called more than "
      .. "once without closing.", tostring(err))
    assert.same(port, server:address().port)
    assert.same(0, server:listenerCount("listening"))
    server:close()
    t.run()
  end))

  it("raises for what is no port", function()
    for given, received in pairs({ [-1] = "type number (-1)", [65536] = "type number (65536)",
      [1.5] = "type number (1.5)", [""] = "type string ('')" }) do
      assert.same("RangeError [ERR_SOCKET_BAD_PORT]: options.port should be >= 0 and < 65536. "
        .. "Received " .. received .. ".", refused(given))
    end
    assert.matches("Received type string %('abc'%)%.$", refused({ port = "abc" }))
  end)

  it("raises for options that say nowhere", function()
    local head = "TypeError [ERR_INVALID_ARG_VALUE]: The argument 'options' "
    assert.same(head .. 'must have the property "port" or "path". Received {}', refused({}))
    assert.same(head .. 'must have the property "port" or "path". Received { fd: -1 }',
      refused({ fd = -1 }))
    assert.same(head .. "is invalid. Received { port: true }", refused(true))
    assert.same(head .. "is invalid. Received { path: '80' }", refused({ path = "80" }))
    assert.same(head .. "is invalid. Received { path: '' }", refused({ path = "" }))
    assert.matches('must have the property "port" or "path"', refused(net.createServer()))
    assert.matches('must have the property "port" or "path"', refused(io.stdout))
  end)

  it("raises for a host that is none", function()
    assert.matches('The "hostname" argument must be of type string',
      refused({ port = 0, host = 1 }))
    assert.matches("must be a string without null bytes", refused({ port = 0, host = "a\0b" }))
  end)

  it("keeps the callback of a call that raised for later", within(function(t)
    local server = net.createServer()
    assert.is_false(pcall(server.listen, server, -1,
      t.calls(1, function() server:close() end)))
    server:listen(0, LOCAL)
    t.run()
  end))

  it("raises for the wrong object", function()
    local server = net.createServer()
    for _, wrong in ipairs({ {}, 80, net.Socket() }) do
      local err = sockets.raised(server.listen, wrong, 80)
      assert.same('TypeError [ERR_INVALID_THIS]: Value of "this" must be of type Server',
        tostring(err))
    end
  end)

  describe("with a host, twice in a row", function()
    it("listens where the last call says", within(function(t)
      local first, second = taken(LOCAL), taken(LOCAL)
      local port = second:address().port
      second:close()
      local server = net.createServer()
      server:on("listening", t.calls(1, function()
        assert.same(port, server:address().port)
        server:close()
        first:close()
      end))
      server:listen(first:address().port, LOCAL)
      server:listen(port, LOCAL)
      t.run()
    end))

    it("forgets the first even when the second raises", within(function(t)
      local server = net.createServer()
      server:on("listening", t.calls(0, function() end))
      server:listen(0, LOCAL)
      assert.is_false(pcall(server.listen, server, -1))
      t.run()
      assert.is_false(server.listening)
    end))
  end)

  describe("on a descriptor", function()
    it("refuses what is no stream socket", within(function(t)
      for _, fd in ipairs({ 9999, 1.5, 2 ^ 40 }) do
        local server = net.createServer()
        server:on("error", t.calls(1, function(err)
          assert.same("Error: listen EINVAL: invalid argument", tostring(err))
          assert.is_nil(err.address)
          assert.is_nil(err.port)
        end))
        server:listen({ fd = fd })
      end
      t.run()
    end))

    it("listens on one that was inherited", function()
      local output = servers.child([[
        local net = require("net")
        local server = net.createServer(function(peer) peer:finish("hello") end)
        server:listen({ fd = tonumber(arg[1]) }, function()
          local client = net.connect(server:address().port, "127.0.0.1")
          client:on("data", io.write)
          client:on("close", function() server:close() end)
        end)
        net.run()
        io.write(" and bye")
      ]], nil, [[perl -MSocket -e '$^F = 99; socket(S, PF_INET, SOCK_STREAM, 0);
        bind(S, sockaddr_in(0, INADDR_LOOPBACK)); listen(S, 5); exec @ARGV, fileno(S)']])
      assert.same("hello and bye", output)
    end)
  end)

  describe("on another server's handle", function()
    it("shares it, and outlives the other", within(function(t)
      local first, port = taken(LOCAL)
      local second
      second = net.createServer(t.calls(1, function(peer)
        peer:destroy()
        second:close()
      end))
      second:listen(first, 5, t.calls(1, function()
        assert.same(port, second:address().port)
        first:close(t.calls(1, function()
          net.connect(port, LOCAL):on("error", function() end):resume()
        end))
      end))
      assert.is_true(second.listening)
      t.run()
    end))

    it("takes it out of options too", within(function(t)
      local first, port = taken(LOCAL)
      local second = net.createServer()
      second:listen({ handle = first }, t.calls(1, function()
        assert.same(port, second:address().port)
        first:close()
        second:close()
      end))
      t.run()
    end))

    it("says EINVAL for a connected socket's", within(function(t)
      local client, peer = sockets.pair()
      local server = net.createServer()
      server:on("error", t.calls(1, function(err)
        assert.same("Error: listen EINVAL: invalid argument", tostring(err))
        assert.same(-1, err.port)
        assert.same("open", client.readyState)
        client:destroy()
        peer:destroy()
      end))
      server:listen(client)
      t.run()
    end))
  end)

  describe("with a signal", function()
    --- An AbortSignal as far as a server needs one.
    local function signal(aborted)
      return { aborted = aborted, emit = core.EventEmitter.methods.emit }
    end

    it("closes on the next tick if it was aborted, and never listens", within(function(t)
      local server = net.createServer()
      server:on("listening", t.calls(0, function() end))
      server:on("close", t.calls(1, function() end))
      server:listen({ port = 0, signal = signal(true) })
      assert.is_true(server.listening)
      t.run()
      assert.is_false(server.listening)
    end))

    it("closes when it aborts", within(function(t)
      local server, given = net.createServer(), signal(false)
      server:on("close", t.calls(1, function() end))
      server:listen({ port = 0, signal = given }, t.calls(1, function()
        assert.same(0, server:listenerCount("close") - 1)
        given:emit("abort")
        assert.is_false(server.listening)
      end))
      t.run()
    end))

    it("forgets the signal once it is closed", within(function(t)
      local server, given = net.createServer(), signal(false)
      server:on("close", t.calls(1, function() end))
      server:listen({ port = 0, signal = given }, t.calls(1, function() server:close() end))
      t.run()
      assert.is_false(given:emit("abort"))
    end))

    it("hears one unseen, and one that is not ours by its own methods", within(function(t)
      local ours, heard = AbortController().signal, {}
      local foreign = {
        aborted = false,
        addEventListener = function(_, event, fn) heard[event] = fn end,
        removeEventListener = function(_, event, fn)
          heard[event] = heard[event] ~= fn and heard[event] or nil
        end,
      }
      for _, given in ipairs({ ours, foreign }) do
        local server = net.createServer()
        server:listen({ port = 0, signal = given }, t.calls(1, function()
          assert.equal(0, ours:listenerCount("abort"))
          assert.equal(given == foreign, heard.abort ~= nil)
          server:close()
        end))
        t.run()
      end
      assert.is_nil(heard.abort)
    end))

    it("raises for what is none", function()
      assert.matches('The "options%.signal" property must be an instance of AbortSignal%.',
        refused({ port = 0, signal = 1 }))
      assert.matches("Received an instance of Object", refused({ port = 0, signal = {} }))
    end)
  end)
end)
