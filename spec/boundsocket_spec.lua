-- SPDX-License-Identifier: MIT

local core = require("net.core")
local inspect = require("net.internal.inspect")
local lua = require("spec.support.lua")
local lfs = require("lfs")
local net = require("net")
local servers = require("spec.support.servers")
local sockets = require("spec.support.sockets")
local support = require("spec.support")
local timers = require("net.timers")

local within = support.within
local raised, wait_for = sockets.raised, sockets.wait_for
local IS_LINUX = io.open("/proc/self/stat") ~= nil
local LOCAL = "127.0.0.1"
local ADOPTED = "Error [ERR_SOCKET_HANDLE_ADOPTED]: "
  .. "The bound socket has already been adopted by a server or socket"

local function collect()
  collectgarbage()
  collectgarbage()
end

--- A server on a loopback port that greets each of `n` clients, and is closed by
--- the last.
local function greeter(t, n)
  local server
  server = net.createServer(t.calls(n, function(peer)
    n = n - 1
    if n == 0 then
      server:close()
    end
    peer:resume()
    peer:finish("hello from " .. tostring(peer.remotePort))
  end))
  server:listen(net.BoundSocket({ host = LOCAL }))
  return server, server:address().port
end

describe("net.BoundSocket", function()
  it("is bound at once, to a free port of all IPv4 addresses", within(function()
    local b <close> = net.BoundSocket()
    local address = b:address()
    assert.same({ "0.0.0.0", "IPv4" }, { address.address, address.family })
    assert.equal("integer", math.type(address.port))
    assert.is_true(address.port > 0)
    assert.is_false(b.isPipe)
  end))

  it("takes host and port, the port as a string as well", within(function()
    local b <close> = net.BoundSocket({ host = LOCAL, port = "0x0" })
    assert.equal(LOCAL, b:address().address)
    local port = b:address().port
    local again <close> = net.BoundSocket({ host = "127.0.0.2", port = port + 0.0 })
    assert.equal(port, again:address().port)
  end))

  it("holds neither the loop nor the object", within(function()
    local b = net.BoundSocket()
    assert.is_false(net.run("nowait"))
    b:close()
  end))

  it("has a descriptor that stays its own", within(function()
    local b = net.BoundSocket()
    assert.is_truthy(support.descriptors()[b:fd()])
    assert.equal(b:fd(), b:fd())
    b:close()
  end))

  it("with ipv6Only leaves the port to IPv4 listeners", within(function(t)
    local ok, six = pcall(net.BoundSocket, { ipv6Only = true })
    if not ok then
      return pending("no IPv6 here")
    end
    assert.same({ "::", "IPv6" }, { six:address().address, six:address().family })
    local four <close> = net.BoundSocket({ port = six:address().port })
    local a, b = net.createServer(), net.createServer()
    a:listen(six, t.calls(1, function() a:close() end))
    b:listen(four, t.calls(1, function() b:close() end))
    t.run()
  end))

  it("with reusePort shares a port with another that has it, both listening", within(function(t)
    local first = net.BoundSocket({ host = LOCAL, reusePort = true })
    local a, b = net.createServer(), net.createServer()
    a:listen(first, t.calls(1, function() a:close() end))
    local port = a:address().port
    b:listen(net.BoundSocket({ host = LOCAL, port = port, reusePort = true }),
      t.calls(1, function() b:close() end))
    assert.equal(port, b:address().port)
    t.run()
  end))

  it("keeps fields of the user's own, and refuses to have isPipe written", within(function()
    local b <close> = net.BoundSocket()
    b.user = "ann"
    assert.equal("ann", b.user)
    local err = raised(function() b.isPipe = true end)
    assert.equal("Cannot set property isPipe of #<BoundSocket> which has only a getter",
      err.message)
  end))

  it("shows where it is bound", within(function(t)
    local b = net.BoundSocket({ host = LOCAL })
    assert.equal("BoundSocket 127.0.0.1:" .. b:address().port, tostring(b))
    assert.equal("BoundSocket {}", inspect.inspect(b))
    b:close()
    assert.equal("BoundSocket (adopted or closed)", tostring(b))
    local path = t.tmpname()
    local unix <close> = net.BoundSocket({ path = path })
    assert.equal("BoundSocket " .. path, tostring(unix))
    local ok, six = pcall(net.BoundSocket, { host = "::1" })
    if ok then
      assert.equal("BoundSocket [::1]:" .. six:address().port, tostring(six))
      six:close()
    end
  end))

  it("refuses methods of what is none", within(function()
    local b <close> = net.BoundSocket()
    for _, name in ipairs({ "address", "fd", "close" }) do
      for _, this in ipairs({ {}, net.createServer(), "text" }) do
        assert.equal("ERR_INVALID_THIS", raised(b[name], this).code)
      end
    end
  end))

  describe("fails", function()
    it("where somebody listens, without leaving a descriptor", within(function()
      local server = net.createServer():listen(net.BoundSocket({ host = LOCAL }))
      local port = server:address().port
      local err = raised(net.BoundSocket, { host = LOCAL, port = port })
      assert.equal(("Error: bind EADDRINUSE 127.0.0.1:%d"):format(port), tostring(err))
      assert.same({ "EADDRINUSE", "bind", LOCAL, port },
        { err.code, err.syscall, err.address, err.port })
      assert.is_true(err.errno < 0)
      server:close()
    end))

    it("on an address of another machine", within(function()
      local err = raised(net.BoundSocket, { host = "192.0.2.77" })
      assert.equal("Error: bind EADDRNOTAVAIL 192.0.2.77", tostring(err))
      assert.is_nil(err.port)
    end))

    it("when the system has no descriptor left", function()
      local output = servers.child([[
        local net = require("net")
        local held = {}
        local ok, err
        repeat
          ok, err = pcall(net.BoundSocket)
          held[#held + 1] = ok and err
        until not ok
        print(err)
        held[1]:close()
        print(pcall(net.BoundSocket, { path = "/nonesuch/x" }))
        print((pcall(net.BoundSocket)))
      ]], "ulimit -n 40")
      assert.equal("Error: bind EMFILE 0.0.0.0\n"
        .. "false\tError: bind EACCES\ntrue\n", output)
    end)

    it("on a name, since nothing is looked up", within(function()
      local err = raised(net.BoundSocket, { host = "localhost" })
      assert.equal("TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.host' must be a "
        .. "numeric IP address; net.BoundSocket does not perform DNS resolution. "
        .. "Received 'localhost'", tostring(err))
    end))

    for name, case in pairs({
      ["a port out of range"] = { { port = 65536 }, "ERR_SOCKET_BAD_PORT" },
      ["a port that is no integer"] = { { port = 1.5 }, "ERR_SOCKET_BAD_PORT" },
      ["an empty host"] = { { host = "" }, "ERR_INVALID_ARG_VALUE" },
      ["a host that is a number"] = { { host = 5 }, "ERR_INVALID_ARG_TYPE" },
      ["ipv6Only = 1"] = { { ipv6Only = 1 }, "ERR_INVALID_ARG_TYPE" },
      ["reusePort = 'yes'"] = { { reusePort = "yes" }, "ERR_INVALID_ARG_TYPE" },
      ["a path that is a number"] = { { path = 5 }, "ERR_INVALID_ARG_TYPE" },
      ["a path and a port"] = { { path = "/x", port = 1 }, "ERR_INVALID_ARG_VALUE" },
      ["a path and a false flag"] = { { path = "/x", ipv6Only = false }, "ERR_INVALID_ARG_VALUE" },
      ["a list"] = { { 1 }, "ERR_INVALID_ARG_TYPE" },
      ["a number"] = { 5, "ERR_INVALID_ARG_TYPE" },
      ["a function"] = { print, "ERR_INVALID_ARG_TYPE" },
      ["a server"] = { net.createServer(), "ERR_INVALID_ARG_TYPE" },
    }) do
      it("with " .. name, within(function()
        assert.equal(case[2], raised(net.BoundSocket, case[1]).code)
      end))
    end
  end)

  describe("with a path", function()
    it("makes the file, and removes it within close", within(function(t)
      local path = t.tmpname()
      local b = net.BoundSocket({ path = path })
      assert.equal(path, b:address())
      assert.is_true(b.isPipe)
      assert.matches("^s", servers.mode(path))
      b:close()
      assert.is_nil(servers.mode(path))
      assert.is_true(b.isPipe)
    end))

    it("leaves a file that has taken its place, closed or collected", within(function(t)
      for _, drop in ipairs({ "close", "collect" }) do
        local path = t.tmpname()
        local bound = net.BoundSocket({ path = path })
        os.remove(path)
        local other = net.BoundSocket({ path = path })
        if drop == "close" then
          bound:close()
        end
        bound = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        assert.equal("socket", lfs.attributes(path, "mode"))
        other:close()
        assert.is_nil(lfs.attributes(path, "mode"))
      end
    end))

    it("leaves a file alone that was there before", within(function(t)
      local path = servers.touch(t.tmpname())
      local err = raised(net.BoundSocket, { path = path })
      assert.equal("Error: bind EADDRINUSE", tostring(err))
      assert.is_nil(err.address)
      collect()
      assert.matches("^-", servers.mode(path))
    end))

    it("fails in a directory that is missing, and on a path that is too long", within(function(t)
      assert.equal("EACCES", raised(net.BoundSocket, { path = t.tmpname() .. "/no/x" }).code)
      assert.equal("EINVAL", raised(net.BoundSocket, { path = "/tmp/" .. ("x"):rep(104) }).code)
      assert.equal("EINVAL", raised(net.BoundSocket, { path = "/tmp/a\0b" }).code)
    end))

    it("takes an abstract name, which has no file", within(function()
      if not IS_LINUX then
        return pending("Linux alone has abstract names")
      end
      local name = "\0net.boundsocket_spec"
      local b = net.BoundSocket({ path = name })
      assert.equal(name, b:address())
      assert.equal("BoundSocket @net.boundsocket_spec", tostring(b))
      assert.equal("EADDRINUSE", raised(net.BoundSocket, { path = name }).code)
      b:close()
      net.BoundSocket({ path = name }):close()
    end))
  end)

  describe("once closed", function()
    it("raises from address, fd and close, and still knows its kind", within(function()
      local b = net.BoundSocket()
      local fd = b:fd()
      assert.is_nil(b:close())
      assert.is_nil(support.descriptors()[fd])
      for _, name in ipairs({ "address", "fd", "close" }) do
        assert.equal(ADOPTED, tostring(raised(b[name], b)))
      end
      assert.is_false(b.isPipe)
    end))

    it("is of no use to a server, whose state stays", within(function(t)
      local b = net.BoundSocket()
      b:close()
      local server = net.createServer()
      assert.equal(ADOPTED, tostring(raised(server.listen, server, b)))
      assert.equal(ADOPTED, tostring(raised(server.listen, server, { handle = b, port = 0 })))
      assert.is_false(server.listening)
      server:listen(0, LOCAL)
      assert.equal(ADOPTED, tostring(raised(server.listen, server, b)))
      server:once("listening", t.calls(1, function() server:close() end))
      t.run() -- the look-up under way was not dropped
    end))

    it("is of no use to a socket", within(function()
      local b = net.BoundSocket()
      b:close()
      assert.equal(ADOPTED, tostring(raised(net.Socket, { handle = b })))
      assert.equal(ADOPTED, tostring(raised(net.connect, { handle = b, port = 1 })))
    end))
  end)

  describe("that nobody closes", function()
    it("is closed at the end of a scope, unless it is gone by then", within(function(t)
      local path = t.tmpname()
      local fd
      do
        local b <close> = net.BoundSocket({ path = path })
        fd = b:fd()
      end
      assert.is_nil(support.descriptors()[fd])
      assert.is_nil(servers.mode(path))
      do
        local b <close> = net.BoundSocket()
        b:close()
      end
      local server = net.createServer()
      do
        local b <close> = net.BoundSocket({ path = path })
        server:listen(b)
      end
      assert.is_true(server.listening)
      assert.is_truthy(servers.mode(path))
      server:close()
      local socket
      do
        local b <close> = net.BoundSocket({ path = path })
        socket = net.Socket({ handle = b })
      end
      assert.is_truthy(servers.mode(path))
      socket:destroy()
      assert.is_nil(servers.mode(path))
    end))

    it("is closed when it is collected, and its file removed", within(function(t)
      local path = t.tmpname()
      local before = support.descriptors()
      for _ = 1, 20 do
        net.BoundSocket()
      end
      net.BoundSocket({ path = path })
      collect()
      assert.same(before, support.descriptors())
      assert.is_nil(servers.mode(path))
    end))

    it("removes its file when the program ends, but not after os.exit", within(function(t)
      local path = t.tmpname()
      local script = ([[
        local net = require("net")
        net.BoundSocket({ path = %q })
        local bound = net.Socket({ handle = net.BoundSocket({ path = %q .. ".2" }) })
        local server = net.createServer(net.stop):listen(%q .. ".server")
        local connected = net.connect({ handle = net.BoundSocket({ path = %q .. ".3" }),
          path = %q .. ".server" })
        net.run()
        os.remove(%q .. ".server")
      ]]):format(path, path, path, path, path, path)
      local function files()
        return servers.mode(path), servers.mode(path .. ".2"), servers.mode(path .. ".3")
      end
      assert.equal("\n", servers.child(script .. "print(bound and connected and '')"))
      assert.same({}, { files() })
      local output, code = servers.child(script .. "os.exit(3)")
      assert.same({ "", 3 }, { output, code })
      assert.equal(3, #{ files() })
    end))
  end)
end)

describe("server:listen with a BoundSocket", function()
  it("listens at once, and says so on the tick", within(function(t)
    local b = net.BoundSocket({ host = LOCAL })
    local address = b:address()
    local server, said = net.createServer(), false
    assert.equal(server, server:listen(b, t.calls(1, function()
      said = true
      server:close()
    end)))
    assert.is_true(server.listening)
    assert.same(address, server:address())
    assert.is_false(said)
    assert.equal(ADOPTED, tostring(raised(b.fd, b)))
    t.run()
  end))

  it("accepts connections there", within(function(t)
    local _, port = greeter(t, 1)
    local client = net.connect(port, LOCAL)
    client:on("data", t.calls(1, function(data)
      assert.equal("hello from " .. client.localPort, data)
    end))
    t.run()
  end))

  it("takes it as the option handle, and heeds no other option", within(function(t)
    local server = net.createServer()
    local given = { handle = net.BoundSocket(), port = 70000, path = 5, signal = 5, backlog = "x" }
    server:listen(given, t.calls(1, function() server:close() end))
    assert.is_true(server.listening)
    assert.equal(70000, given.port)
    t.run()
  end))

  it("takes a backlog behind it", within(function(t)
    local server = net.createServer()
    server:listen(net.BoundSocket(), 1, t.calls(1, function() server:close() end))
    t.run()
  end))

  it("serves on a path, and removes the file within close", within(function(t)
    local path = t.tmpname()
    local server
    server = net.createServer(t.calls(1, function(peer)
      server:close()
      assert.is_nil(servers.mode(path))
      peer:resume()
      peer:finish()
    end))
    server:listen(net.BoundSocket({ path = path }))
    assert.equal(path, server:address())
    net.connect(path):resume()
    t.run()
    assert.equal(path, server:address())
  end))

  it("refuses a server that listens, and leaves both as they were", within(function()
    local server = net.createServer():listen(net.BoundSocket())
    local b = net.BoundSocket()
    local err = raised(server.listen, server, b)
    assert.equal("ERR_SERVER_ALREADY_LISTEN", err.code)
    assert.is_true(server.listening)
    assert.is_true(b:fd() >= 0)
    b:close()
    server:close()
  end))

  it("drops a look-up that an earlier listen waits for", within(function(t)
    local server = net.createServer()
    server:listen(0, "localhost")
    server:listen(net.BoundSocket({ host = "127.0.0.3" }))
    server:on("listening", t.calls(1, function()
      assert.equal("127.0.0.3", server:address().address)
      timers.setTimeout(function() server:close() end, 5)
    end))
    t.run()
  end))

  it("tells of an address that is taken by then, and may be called again", within(function(t)
    local first = net.BoundSocket({ host = LOCAL })
    local port = first:address().port
    local second = net.BoundSocket({ host = LOCAL, port = port })
    local a, b = net.createServer(), net.createServer()
    a:listen(first)
    b:listen(second, t.calls(1, function()
      b:close()
      a:close()
    end))
    assert.is_false(b.listening)
    assert.equal(ADOPTED, tostring(raised(second.close, second)))
    b:on("error", t.calls(1, function(err)
      assert.equal("Error: listen EADDRINUSE: address already in use", tostring(err))
      assert.is_nil(err.address)
      assert.equal(-1, err.port)
      b:listen(net.BoundSocket({ host = LOCAL }))
    end))
    t.run()
  end))

  it("is kept by nobody else when the server is", within(function(t)
    local server = net.createServer()
    server:listen(net.BoundSocket({ host = LOCAL }))
    collect()
    assert.is_true(server.listening)
    server:on("close", t.calls(1))
    server:close()
    t.run()
  end))
end)

describe("a net.Socket made of a BoundSocket", function()
  it("has its local end, and neither connects nor is pending", within(function()
    local b = net.BoundSocket({ host = LOCAL })
    local address = b:address()
    local socket = net.Socket({ handle = b })
    assert.same({ false, false, "open", 0, false },
      { socket.pending, socket.connecting, socket.readyState, socket.bufferSize, socket.destroyed })
    assert.same({ LOCAL, address.port, "IPv4" },
      { socket.localAddress, socket.localPort, socket.localFamily })
    assert.same(address, socket:address())
    assert.is_nil(socket.remoteAddress)
    assert.equal("Socket (bound)", tostring(socket))
    assert.equal(ADOPTED, tostring(raised(b.address, b)))
    socket:destroy()
  end))

  it("shows the path as its local address, and keeps it when closed", within(function(t)
    local path = t.tmpname()
    local socket = net.Socket({ handle = net.BoundSocket({ path = path }) })
    socket:on("close", t.calls(1, function(had_error) assert.is_false(had_error) end))
    assert.equal(path, socket.localAddress)
    assert.same({ address = path }, socket:address())
    assert.same({}, { socket.localPort, socket.localFamily, socket.remoteAddress })
    socket:destroy()
    assert.is_nil(servers.mode(path))
    assert.same({ address = path }, socket:address())
    t.run()
    assert.equal(path, socket.localAddress)
  end))

  it("keeps the file while the BoundSocket is forgotten", within(function(t)
    local path = t.tmpname()
    do
      local socket = net.Socket({ handle = net.BoundSocket({ path = path }) })
      collect()
      assert.is_truthy(servers.mode(path))
      assert.equal(path, socket.localAddress)
      socket:destroy()
      assert.is_nil(servers.mode(path))
    end
    servers.touch(path) -- another's, which the collector is to leave alone
    t.run()
    collect()
    assert.is_truthy(servers.mode(path))
  end))

  it("gives the descriptor back within destroy, and closes once", within(function(t)
    local b = net.BoundSocket()
    local fd = b:fd()
    local socket = net.Socket({ handle = b })
    socket:on("error", t.calls(1))
    socket:on("close", t.calls(1, function(had_error) assert.is_true(had_error) end))
    socket:destroy("reason")
    assert.is_nil(support.descriptors()[fd])
    assert.is_nil(socket.localAddress)
    assert.is_true(socket.pending)
    socket:destroy()
    t.run()
  end))

  it("does not hold the loop", within(function()
    local socket = net.Socket({ handle = net.BoundSocket() })
    assert.is_false(net.run("nowait"))
    socket:ref()
    assert.is_false(net.run("nowait"))
    socket:destroy()
  end))

  it("is closed when it is collected, and its file removed", within(function(t)
    local path = t.tmpname()
    local before = support.descriptors()
    net.Socket({ handle = net.BoundSocket() })
    net.Socket({ handle = net.BoundSocket({ path = path }) })
    collect()
    assert.same(before, support.descriptors())
    assert.is_nil(servers.mode(path))
  end))

  it("is so too while the BoundSocket is remembered", within(function(t)
    local path = t.tmpname()
    local before = support.descriptors()
    local b = net.BoundSocket({ path = path })
    net.Socket({ handle = b })
    collect()
    assert.same(before, support.descriptors())
    assert.is_nil(servers.mode(path))
    assert.equal(ADOPTED, tostring(raised(b.address, b)))
  end))

  it("may have its dial's finalizer called with more than it takes", within(function(t)
    local path = t.tmpname()
    local socket = net.Socket()
    local dial = core.stream.bind(socket, net.BoundSocket({ path = path }))
    getmetatable(dial).__gc(dial, "more")
    assert.is_nil(servers.mode(path))
    assert.is_nil(dial:fd())
  end))

  it("is collected too after its idle timeout", within(function(t)
    local before = support.descriptors()
    local hold = timers.setTimeout(t.never(), 10000)
    net.Socket({ handle = net.BoundSocket() }):setTimeout(1, t.calls(1, function()
      hold:close()
    end))
    t.run()
    collect()
    assert.same(before, support.descriptors())
  end))

  it("remembers what is set before it is connected", within(function()
    local socket = net.Socket({ handle = net.BoundSocket(), noDelay = true, typeOfService = 16 })
    assert.equal(socket, socket:setNoDelay(true))
    assert.equal(socket, socket:setKeepAlive(true, 1000))
    assert.equal(16, socket:getTypeOfService())
    socket:destroy()
  end))

  it("wins over fd", within(function()
    local b = net.BoundSocket({ host = LOCAL })
    local socket = net.Socket({ handle = b, fd = -1 })
    assert.equal(LOCAL, socket.localAddress)
    socket:destroy()
  end))

  it("leaves the BoundSocket alone when another option is refused", within(function()
    for _, options in ipairs({ { highWaterMark = -1 }, { typeOfService = -1 }, { blockList = 1 },
      { signal = 1 }, { objectMode = true } }) do
      local b = net.BoundSocket()
      options.handle = b
      raised(net.Socket, options)
      b:close()
    end
  end))

  for kind, codes in pairs({ tcp = { "EPIPE", "ENOTCONN" }, unix = { "ENOTCONN", "EINVAL" } }) do
    local function unconnected(t)
      return net.Socket({ handle = net.BoundSocket(kind == "unix" and { path = t.tmpname() } or {}) })
    end

    it("fails when it is written to before it is connected: " .. kind, within(function(t)
      local socket = unconnected(t)
      local seen = sockets.trace(socket)
      assert.is_false(socket:write("x", sockets.note(seen, "written")))
      assert.is_false(socket.writable)
      assert.is_false(socket.destroyed)
      t.run()
      assert.same({ "written " .. codes[1], "error " .. codes[1], "close true" }, seen)
    end))

    it("fails when it is read before it is connected: " .. kind, within(function(t)
      local socket = unconnected(t)
      local seen = sockets.trace(socket, { "data" })
      t.run()
      assert.same({ "resume", "error " .. codes[2], "close true" }, seen)
    end))

    it("may be finished before it is connected: " .. kind, within(function(t)
      local socket = unconnected(t)
      local seen = sockets.trace(socket)
      socket:finish(sockets.note(seen, "ended"))
      t.run()
      assert.same({ "prefinish", "ended", "finish" }, seen)
      assert.equal("readOnly", socket.readyState)
      socket:destroy()
    end))
  end
end)

describe("socket:connect of a BoundSocket's", function()
  it("issues connect(2) inside the call: the local end is final", within(function(t)
    local _, port = greeter(t, 1)
    local b = net.BoundSocket()
    local bound_port = b:address().port
    local socket = net.Socket({ handle = b })
    local attempted
    socket:on("connectionAttempt", t.calls(1, function(...) attempted = { ... } end))
    socket:connect(port, LOCAL, t.calls(1))
    assert.same({ LOCAL, port, 4 }, attempted)
    assert.same({ LOCAL, bound_port, true, true },
      { socket.localAddress, socket.localPort, socket.connecting, socket.pending })
    socket:on("data", t.calls(1, function(data) assert.equal("hello from " .. bound_port, data) end))
    t.run()
  end))

  it("is what net.connect does with the option handle", within(function(t)
    local _, port = greeter(t, 1)
    local b = net.BoundSocket({ host = LOCAL })
    local bound_port = b:address().port
    local socket = net.connect({ handle = b, port = port, host = LOCAL, timeout = 5000 })
    assert.same({ true, bound_port, 5000 }, { socket.connecting, socket.localPort, socket.timeout })
    assert.is_true(socket:write("before it is connected"))
    socket:on("data", t.calls(1, function(data) assert.equal("hello from " .. bound_port, data) end))
    socket:on("close", t.calls(1, function(had_error) assert.is_false(had_error) end))
    t.run()
  end))

  it("connects a path from a path, whose file goes when it closes", within(function(t)
    local from, to = t.tmpname(".client"), t.tmpname(".server")
    local server
    server = net.createServer(t.calls(1, function(peer)
      server:close()
      peer:resume()
      peer:finish()
    end))
    server:listen(to)
    local socket = net.connect({ handle = net.BoundSocket({ path = from }), path = to })
    assert.equal(from, socket.localAddress)
    assert.is_truthy(servers.mode(from))
    socket:on("ready", t.calls(1, function() assert.is_truthy(servers.mode(from)) end))
    socket:resume()
    socket:on("close", t.calls(1, function() assert.is_nil(servers.mode(from)) end))
    t.run()
    assert.same({ address = from }, socket:address())
  end))

  it("removes the file once: a new one there is left alone", within(function(t)
    local from = t.tmpname(".client")
    local socket = net.connect({ handle = net.BoundSocket({ path = from }), path = t.tmpname() })
    socket:on("error", t.calls(2, function(err) assert.equal("ENOENT", err.code) end))
    wait_for(socket, "close")
    assert.is_nil(servers.mode(from))
    servers.touch(from)
    socket:connect(t.tmpname("none"))
    wait_for(socket, "error")
    t.run()
    assert.is_truthy(servers.mode(from))
  end))

  it("tells of a refused connection later, and gives the descriptor back", within(function(t)
    local b = net.BoundSocket({ host = LOCAL })
    local fd = b:fd()
    local socket = net.connect({ handle = b, port = 1, host = LOCAL })
    local seen = sockets.trace(socket, { "connectionAttemptFailed" })
    assert.is_true(socket.connecting)
    t.run()
    assert.same({ "connectionAttemptFailed 127.0.0.1 1 4 ECONNREFUSED", "error ECONNREFUSED",
      "close true" }, seen)
    assert.is_nil(support.descriptors()[fd])
  end))

  it("may be tried again after a failure, from any port, by the same rules", within(function(t)
    local _, port = greeter(t, 1)
    local socket = net.connect({ handle = net.BoundSocket({ host = LOCAL }), port = 1, host = LOCAL })
    socket:on("error", t.calls(1))
    wait_for(socket, "close")
    assert.equal("ERR_INVALID_ARG_VALUE",
      raised(socket.connect, socket, { port = port, host = LOCAL, localPort = 1 }).code)
    socket:connect(port, LOCAL)
    assert.equal(LOCAL, socket.localAddress)
    socket:resume()
    t.run()
  end))

  it("fails at once for an address of the other family", within(function(t)
    local ok, six = pcall(net.BoundSocket, { host = "::1" })
    if not ok then
      return pending("no IPv6 here")
    end
    local a, b = net.Socket({ handle = six }), net.Socket({ handle = net.BoundSocket({ host = LOCAL }) })
    local a_port, b_port = a.localPort, b.localPort
    a:on("error", t.calls(1, function(err)
      assert.equal(("Error: connect EINVAL 127.0.0.1:7 - Local (::1:%d)"):format(a_port), tostring(err))
    end))
    b:on("error", t.calls(1, function(err)
      assert.matches(("^Error: connect %%u+ ::1:7 %%- Local %%(127.0.0.1:%d%%)$"):format(b_port),
        tostring(err))
    end))
    a:connect(7, LOCAL)
    b:connect(7, "::1")
    assert.is_true(a.destroyed and b.destroyed)
    t.run()
  end))

  it("looks a name up for one address, whatever autoSelectFamily says", within(function(t)
    local _, port = greeter(t, 1)
    local socket = net.Socket({ handle = net.BoundSocket({ host = LOCAL }) })
    socket:connect({ port = port, host = "name", autoSelectFamily = "junk",
      lookup = t.calls(1, function(host, options, callback)
        assert.equal("name", host)
        assert.is_nil(options.all)
        callback(nil, LOCAL, 4)
      end) })
    assert.is_nil(socket.autoSelectFamilyAttemptedAddresses)
    socket:resume()
    t.run()
  end))

  it("keeps the descriptor while a look-up is under way, and closes it with the socket",
    within(function(t)
      local b = net.BoundSocket()
      local fd = b:fd()
      local socket = net.connect({ handle = b, port = 1, host = "name",
        lookup = t.calls(1) })
      collect()
      assert.is_truthy(support.descriptors()[fd])
      socket:on("close", t.calls(1))
      socket:destroy()
      assert.is_nil(support.descriptors()[fd])
      t.run()
    end))

  it("refuses a local address or port, before anything changes", within(function()
    local socket = net.Socket({ handle = net.BoundSocket() })
    for _, options in ipairs({ { localAddress = LOCAL }, { localPort = 0 } }) do
      options.port = 1
      local err = raised(socket.connect, socket, options)
      assert.equal("ERR_INVALID_ARG_VALUE", err.code)
      assert.matches("localAddress and localPort cannot be used with an adopted bound socket",
        err.message, 1, true)
    end
    assert.is_false(socket.connecting)
    socket:destroy()
  end))

  it("goes by the kind of the descriptor: TCP ignores a path", within(function(t)
    local _, port = greeter(t, 1)
    local socket = net.Socket({ handle = net.BoundSocket() })
    socket:connect({ path = "/nonesuch", port = port, host = LOCAL })
    socket:resume()
    t.run()
  end))

  it("goes by the kind of the descriptor: a Unix one needs a path", within(function(t)
    local socket = net.Socket({ handle = net.BoundSocket({ path = t.tmpname() }) })
    assert.equal('The "options.path" property must be of type string. Received nil',
      raised(socket.connect, socket, 80).message)
    assert.is_false(socket.connecting)
    socket:destroy()
  end))

  it("names the path in the error of a path that cannot be", within(function(t)
    local from = t.tmpname()
    local socket = net.Socket({ handle = net.BoundSocket({ path = from }) })
    socket:on("error", t.calls(1, function(err)
      assert.equal(("Error: connect EINVAL - Local (%s)"):format(from), tostring(err))
      assert.equal("", err.address)
    end))
    socket:connect({ path = "" })
    assert.is_nil(servers.mode(from))
    t.run()
  end))

  it("fails the second time while the first is under way", within(function(t)
    local server, port = sockets.listen()
    port = port.port
    local socket = net.Socket({ handle = net.BoundSocket({ host = LOCAL }) })
    local bound_port = socket.localPort
    socket:connect(port, LOCAL)
    socket:on("error", t.calls(1, function(err)
      assert.equal(("Error: connect EALREADY 127.0.0.1:%d - Local (127.0.0.1:%d)"):format(port,
        bound_port), tostring(err))
    end))
    socket:connect(port, LOCAL)
    server:close()
    t.run()
  end))

  it("fails the second time within 'connectionAttempt', too", within(function(t)
    local server, where = sockets.listen()
    local socket = net.Socket({ handle = net.BoundSocket({ host = LOCAL }) })
    socket:once("connectionAttempt", t.calls(1, function() socket:connect(where) end))
    socket:on("connect", t.never())
    socket:on("error", t.calls(1, function(err) assert.equal("EALREADY", err.code) end))
    socket:connect(where)
    assert.is_true(socket.destroyed)
    server:close()
    t.run()
  end))

  it("tells of the second time on a path when the first is connected", within(function(t)
    local server, where = sockets.listen({ unix = true })
    local from, waiting = t.tmpname(), 2
    local socket = net.Socket({ handle = net.BoundSocket({ path = from }) })
    local plain = net.Socket()
    server:on("connection", t.calls(2, function(peer)
      peer:on("error", function() end)
      peer:resume() -- it ends when its client is destroyed
      waiting = waiting - 1
      if waiting == 0 then
        server:close()
      end
    end))
    for _, s in ipairs({ socket, plain }) do
      s:once("connectionAttempt", t.calls(1, function() s:connect(where) end))
      s:on("connect", t.never())
      s:on("error", t.calls(1, function(err)
        assert.equal("Error: connect EISCONN " .. where.path, tostring(err))
      end))
      s:on("close", t.calls(1))
      s:connect(where)
      assert.is_true(s.connecting)
    end
    t.run()
    assert.is_nil(servers.mode(from))
  end))

  it("stops when a listener destroys it during 'connectionAttempt'", within(function(t)
    local b = net.BoundSocket()
    local fd = b:fd()
    local socket = net.Socket({ handle = b })
    socket:on("connectionAttempt", t.calls(1, function() socket:destroy() end))
    socket:on("close", t.calls(1, function(had_error) assert.is_false(had_error) end))
    socket:connect(1, LOCAL)
    assert.is_nil(support.descriptors()[fd])
    t.run()
  end))

  it("lets a raising listener's error out of the call, and destroys the socket", within(function(t)
    local b = net.BoundSocket()
    local fd = b:fd()
    local socket = net.Socket({ handle = b })
    socket:on("connectionAttempt", t.calls(1, function() error("mine", 0) end))
    assert.equal("mine", raised(socket.connect, socket, 1, LOCAL))
    assert.is_true(socket.destroyed)
    assert.is_nil(support.descriptors()[fd])
    t.run()
  end))

  it("does not begin when the signal has aborted, and closes", within(function(t)
    local abort = require("net.abort").AbortController()
    abort:abort()
    local b = net.BoundSocket()
    local fd = b:fd()
    local socket = net.connect({ handle = b, port = 1, host = LOCAL, signal = abort.signal })
    socket:on("connectionAttempt", t.never())
    socket:on("error", t.calls(1, function(err) assert.equal("ABORT_ERR", err.code) end))
    t.run()
    assert.is_nil(support.descriptors()[fd])
  end))

  it("asks the block list", within(function(t)
    local list = net.BlockList()
    list:addAddress(LOCAL)
    local socket = net.Socket({ handle = net.BoundSocket(), blockList = list })
    socket:on("error", t.calls(1, function(err) assert.equal("ERR_IP_BLOCKED", err.code) end))
    socket:connect(1, LOCAL)
    assert.is_true(socket.destroyed)
    t.run()
  end))

  it("uses the BoundSocket up even if an argument is refused, and leaks nothing", within(function()
    local b = net.BoundSocket()
    assert.equal("ERR_SOCKET_BAD_PORT", raised(net.connect, { handle = b, port = "x" }).code)
    assert.equal(ADOPTED, tostring(raised(b.fd, b)))
  end))
end)

describe("a bound socket's descriptor", function()
  it("can be listened on by a server, which has a duplicate", within(function(t)
    local socket = net.Socket({ handle = net.BoundSocket({ host = LOCAL }) })
    local address = socket:address()
    local server = net.createServer()
    server:listen(socket, t.calls(1, function()
      socket:destroy()
      assert.same(address, server:address())
      server:close()
    end))
    assert.is_true(server.listening)
    t.run()
  end))

  it("keeps its path's file for the server when it is forgotten", within(function(t)
    local path = t.tmpname()
    local before = support.descriptors()
    local server
    server = net.createServer(t.calls(1, function(peer)
      peer:destroy()
      server:close()
    end))
    server:listen(net.Socket({ handle = net.BoundSocket({ path = path }) }))
    collect()
    net.connect(path):resume():on("close", t.calls(1))
    t.run()
    assert.is_truthy(servers.mode(path))
    collect()
    assert.is_nil(servers.mode(path))
    assert.same(before, support.descriptors())
  end))

  it("cannot while it is connecting", within(function(t)
    local listener, where = sockets.listen()
    where.handle = net.BoundSocket({ host = LOCAL })
    local socket = net.connect(where)
    local server = net.createServer()
    server:on("error", t.calls(1, function(err)
      assert.equal("Error: listen EINVAL: invalid argument", tostring(err))
      socket:destroy()
      listener:close()
    end))
    server:listen(socket)
    t.run()
  end))
end)

describe("a descriptor that is ours already", function()
  local function refused(fd)
    assert.equal("Error: open EEXIST", tostring(raised(net.Socket, { fd = fd })))
    local err = raised(net.Socket, fd)
    assert.same({ "EEXIST", "open" }, { err.code, err.syscall })
  end

  it("is refused as fd of a socket, and its owner goes on", within(function(t)
    local b = net.BoundSocket({ host = LOCAL })
    local fd = b:fd()
    refused(fd)
    local server = net.createServer(t.calls(1, function(peer)
      peer:resume()
      peer:finish()
    end))
    server:listen(b, t.calls(1, function()
      refused(fd)
      local client = net.connect(server:address().port, LOCAL)
      client:resume()
      client:on("close", function() server:close() end)
    end))
    t.run()
  end))

  it("is refused as fd of listen, on the tick", within(function(t)
    local b = net.BoundSocket()
    local fd = b:fd()
    local server, other = net.createServer(), net.createServer()
    server:listen(b)
    other:on("error", t.calls(1, function(err)
      assert.equal("Error: listen EEXIST: file already exists", tostring(err))
      assert.is_true(server.listening)
      server:close()
    end))
    other:listen({ fd = fd }, t.never())
    assert.is_false(other.listening)
    t.run()
  end))

  it("is refused in every state of a connection", within(function(t)
    local _, port = greeter(t, 1)
    local b = net.BoundSocket()
    local fd = b:fd()
    local socket = net.Socket({ handle = b })
    refused(fd)
    socket:connect(port, LOCAL)
    refused(fd)
    socket:on("connect", t.calls(1, function() refused(fd) end))
    socket:on("data", t.calls(1, function() refused(fd) end))
    t.run()
  end))

  it("is an unknown one again once it is closed", within(function()
    local b = net.BoundSocket()
    local fd = b:fd()
    b:close()
    assert.equal("ERR_INVALID_FD_TYPE", raised(net.Socket, fd).code)
  end))

  it("is free for another's when that gets the number", function()
    local result = lua.run({ script = [[
      local net = require("net")
      local a, b = net.BoundSocket(), net.BoundSocket()
      local fd = math.max(a:fd(), b:fd())
      a:close() b:close()
      local pipe = io.popen("cat", "w") -- takes both numbers, and gives the lower back
      local socket = net.Socket({ fd = fd, readable = false })
      print((pcall(net.Socket, fd)))
      socket:finish("through the pipe")
      net.run()
    ]] })
    assert.same({ 0, "" }, { result.code, result.stderr })
    assert.equal("false\nthrough the pipe", result.stdout)
  end)

  it("is one too when only a dial has it", within(function()
    local dial <close> = core.dial.new()
    assert.is_true(dial:open(4))
    refused(dial:fd())
  end))
end)
