-- SPDX-License-Identifier: MIT

-- net.luasocket in the main script, as busted's is: what its objects do.
-- What each call gives beside the real one is compared by spec/peers/luasocket_peers.lua.

local socket = require("net.luasocket")
local sockets = require("spec.support.luasockets")
local support = require("spec.support.tasks")
local timers = require("net.timers")
local within = require("spec.support").within

local raised = support.raised

local address_of, complaint = sockets.address_of, sockets.complaint
local connected = sockets.connected

describe("a socket of net.luasocket", function()
  it("is a userdata with LuaSocket's classes", within(function()
    local master = socket.tcp()
    assert.equal("userdata", type(master))
    assert.truthy(tostring(master):find("^tcp{master}: 0x%x+$"))
    assert.equal("tcp{master}", master.class)
    assert.equal(-1, master:getfd())
    assert(master:bind("127.0.0.1", 0))
    assert(master:listen())
    assert.equal("tcp{server}", master.class)
    master:close()
  end))

  it("raises for a method of another class", connected(function(client, _, server)
    assert.equal("calling 'send' on bad self (tcp{client} expected)",
      complaint(server.send, server, "x"))
    assert.equal("calling 'accept' on bad self (tcp{server} expected)",
      complaint(client.accept, client))
    assert.equal("calling 'getfd' on bad self (tcp{any} expected)",
      complaint(client.getfd, socket.unix))
    assert.equal("calling 'getfd' on bad self (tcp{any} expected)",
      complaint(client.getfd, io.stdout))
    local unix = socket.unix()
    assert.equal("calling 'close' on bad self (tcp{any} expected)", complaint(client.close, unix))
    unix:close()
  end))

  it("survives what can be done with its metatable", connected(function(client)
    local meta = getmetatable(client)
    for _, value in pairs { io.stdout, {}, "x", 1 } do
      assert.has_no.errors(function() meta.__gc(value) end)
    end
    local other = setmetatable({}, meta)
    assert.has.errors(function() other:receive() end)
  end))

  it("gives integers where something is counted", connected(function(client, peer)
    local _, port = client:getpeername()
    local received, sent = client:getstats()
    for _, n in ipairs { client:send("abc"), client:getfd(), port, received, sent } do
      assert.equal("integer", math.type(n))
    end
    assert.equal("abc", (peer:receive(3)))
  end))

  it("raises for what is no data, pattern or option", connected(function(client)
    assert.equal("bad argument #1 to 'send' (string expected, got nil)",
      complaint(client.send, client))
    assert.equal("bad argument #1 to 'receive' (invalid receive pattern)",
      complaint(client.receive, client, "*x"))
    assert.equal("bad argument #1 to 'receive' (invalid receive pattern)",
      complaint(client.receive, client, -1))
    assert.equal("bad argument #2 to 'settimeout' (invalid timeout mode)",
      complaint(client.settimeout, client, 1, "x"))
    assert.equal("bad argument #1 to 'setoption' (unsupported option `x')",
      complaint(client.setoption, client, "x"))
    assert.equal("bad argument #2 to 'setoption' (number expected, got string)",
      complaint(client.setoption, client, "recv-buffer-size", "x"))
    assert.equal("bad argument #1 to 'shutdown' (invalid option 'x')",
      complaint(client.shutdown, client, "x"))
  end))

  it("raises at the line of its caller", connected(function(client)
    local line = debug.getinfo(1, "l").currentline + 1
    local _, err = pcall(function() client:receive("*x") end)
    assert.truthy(err:find("luasocket_spec.lua:" .. line .. ":", 1, true), err)
  end))

  it("tells of datagrams that there are none", function()
    local unix = socket.unix
    for _, fn in ipairs { socket.udp, socket.udp4, socket.udp6, unix.dgram, unix.udp } do
      assert.equal("ERR_METHOD_NOT_IMPLEMENTED", raised(fn).code)
    end
  end)
end)

describe("receive", function()
  it("gives lines, counts, and what is left", connected(function(client, peer)
    client:send("one\r\nt\rwo\n12345rest")
    assert.same({ "one", "two", "12345" },
      { (peer:receive()), (peer:receive("*l")), (peer:receive(5)) })
    client:close()
    assert.equal("rest", (peer:receive("*a")))
    assert.same({ nil, "closed", "" }, { peer:receive("*a") })
  end))

  it("gives and takes the part that came in time", connected(function(client, peer)
    client:send("abc")
    peer:settimeout(0.02)
    assert.same({ nil, "timeout", "-abc" }, { peer:receive(9, "-") })
    assert.same({ nil, "timeout", "" }, { peer:receive("*l") })
    client:send("de\n")
    assert.equal("de", (peer:receive("*l")))
  end))

  it("puts a line together however it was cut", connected(function(client, peer)
    for _, part in ipairs { "a", "b\r", "\n", ("x"):rep(30000), "\nend" } do
      client:send(part)
    end
    assert.equal("ab", (peer:receive()))
    assert.equal(30000, #peer:receive())
    assert.equal("end", (peer:receive(3)))
  end))

  it("ends by \"closed\" after a reset, and keeps what came before", connected(
    function(client, peer)
      client:send("before\nrest")
      assert.equal("before", (peer:receive()))
      client:setoption("linger", { on = true, timeout = 0 })
      client:close()
      assert.same({ nil, "closed", "rest" }, { peer:receive() })
      assert.same({ nil, "closed", "" }, { peer:receive() })
    end))

  it("takes an end for all there is, and a reset for none", connected(
    function(client, peer, server)
      client:send("whole")
      client:close()
      assert.equal("whole", (peer:receive("*a")))
      client = assert(socket.connect(address_of(server)))
      local other = assert(server:accept())
      client:send("half")
      other:receive(0)
      client:setoption("linger", { on = true, timeout = 0 })
      client:close()
      assert.same({ nil, "closed", "half" }, { other:receive("*a") })
      other:close()
    end))

  it("has two limits, both from the call's start", connected(function(client, peer)
    peer:settimeout(10)
    peer:settimeout(0.05, "t")
    local dribble = timers.setInterval(function() client:send("x") end, 10)
    assert.equal("timeout", (select(2, peer:receive(1000000))))
    peer:settimeout(0.05)
    peer:settimeout(10, "t")
    assert.equal("timeout", (select(2, peer:receive("*l"))))
    dribble:close()
  end))
end)

describe("send", function()
  it("tells exactly how far the kernel has taken it", connected(function(client, peer)
    local data = ("0123456789"):rep(1000000)
    client:settimeout(0)
    local ok, err, last = client:send(data)
    assert.same({ nil, "timeout" }, { ok, err })
    peer:settimeout(5)
    client:settimeout(5)
    assert.is_true(peer:receive(last) == data:sub(1, last))
    peer:settimeout(0)
    assert.same({ nil, "timeout", "" }, { peer:receive(1) })
    peer:settimeout(5)
    local sent = client:send(data, last + 1, last + 10)
    assert.equal(last + 10, sent)
    assert.equal(data:sub(last + 1, last + 10), (peer:receive(10)))
  end))

  it("ends by \"closed\" where nobody reads any more", connected(function(client, peer)
    peer:setoption("linger", { on = true, timeout = 0 })
    peer:close()
    assert.same({ nil, "closed", 0 }, { client:send("x") })
  end))

  it("gives the last index for any range", connected(function(client, peer)
    assert.same({ 5, 4, 3, 3, 9 }, { (client:send("hello")), (client:send("hello", -3, -2)),
      (client:send("hello", 2, 3)), (client:send("hello", 4, 3)), (client:send("hello", 10)) })
    assert.equal("hellollel", (peer:receive(9)))
  end))
end)

describe("close", function()
  it("does not linger, but for a reset", connected(function(client, peer)
    client:setoption("linger", { on = true, timeout = 60 })
    client:settimeout(0)
    client:send(("x"):rep(10000000))
    client:close() -- which would wait a minute
    peer:settimeout(5)
    assert.truthy(#peer:receive("*a") > 0)
  end))

  it("is done by the collector where the program forgets it", within(function()
    local server = assert(socket.bind("127.0.0.1", 0))
    local client = assert(socket.connect(address_of(server))) -- luacheck: ignore
    local peer = assert(server:accept())
    client = nil
    collectgarbage()
    peer:settimeout(5)
    assert.same({ nil, "closed", "" }, { peer:receive() })
    peer:close()
    server:close()
  end))
end)

describe("connect", function()
  it("goes on after a limit of 0, and a second one tells its result", within(function()
    local server = assert(socket.bind("127.0.0.1", 0))
    local host, port = server:getsockname()
    local client = socket.tcp()
    client:settimeout(0)
    assert.same({ nil, "timeout" }, { client:connect(host, port) })
    local _, writable = socket.select(nil, { client }, 5)
    assert.equal(client, writable[1])
    assert.equal(1, client:connect(host, port))
    assert.same({ nil, "already connected" }, { client:connect(host, port) })
    client:close()
    server:close()
    client = socket.tcp()
    client:settimeout(0)
    client:connect(host, port)
    socket.select(nil, { client }, 5)
    assert.same({ nil, "connection refused" }, { client:connect(host, port) })
    client:close()
  end))

  it("may be tried again after a failure, by one of each kind", within(function()
    for _, make in ipairs { socket.tcp, socket.tcp4 } do
      local server = assert(socket.bind("127.0.0.1", 0))
      local host, port = server:getsockname()
      server:close()
      local client = make()
      assert.same({ nil, "connection refused" }, { client:connect(host, port) })
      assert.is_nil((client:connect(host, port)))
      client:close()
      assert.is_nil((client:connect(host, port)))
      client:close()
    end
  end))

  it("has LuaSocket's words for names and services", within(function()
    local client = socket.tcp()
    assert.same({ nil, "host or service not provided, or not known" },
      { client:connect("no-such-host.invalid", 80) })
    assert.same({ nil, "host or service not provided, or not known" },
      { client:connect("a\0b", 80) })
    assert.same({ nil, "service not supported for socket type" },
      { client:connect("127.0.0.1", "no-such-service") })
    assert.same({ nil, "Address family for hostname not supported" },
      { socket.connect6("127.0.0.1", 80) })
    client:close()
  end))
end)

describe("setfd", function()
  it("moves a connection from one object to another", connected(function(client, peer)
    local other = socket.tcp()
    other:setfd(client:getfd())
    client:setfd(-1)
    client:close()
    peer:send("still there\n")
    local fd = other:getfd()
    other:setfd(-1)
    client:setfd(fd)
    assert.equal("still there", (client:receive()))
    client:setfd(fd) -- which it has
    peer:close()
    assert.same({ nil, "closed", "" }, { client:receive() })
  end))

  it("raises for what is no descriptor", connected(function(client)
    assert.equal("bad argument #1 to 'setfd' (number expected, got nil)",
      complaint(client.setfd, client))
    local other = socket.tcp()
    for _, number in ipairs { 99999, 1 << 40, math.maxinteger } do
      assert.equal("setfd: Bad file descriptor", complaint(other.setfd, other, number))
    end
    assert.equal(-1, other:getfd())
  end))
end)

describe("a receive amid which a finalizer receives", function()
  local text = ("one\rtwo"):rep(1200) .. "\n"

  --- What the finalizer has had, and what the call has. The collector begins with the first
  --- that the call allocates.
  local function both(client, peer, pattern)
    local had
    assert(peer:send(text))
    assert(client:receive(0)) -- all is read by that, and only waits to be taken
    collectgarbage()
    collectgarbage("stop")
    setmetatable({}, { __gc = function() had = client:receive(8000) end })
    collectgarbage("restart")
    local data, _, rest = client:receive(pattern)
    return had, data or rest
  end

  for _, case in ipairs { { pattern = "*l", without = "[\r\n]" },
    { pattern = #text, without = "" } } do
    it("gives each byte to one of them, of " .. case.pattern, connected(function(client, peer)
      client:settimeout(0)
      local mode = collectgarbage("generational")
      local had, data = both(client, peer, case.pattern)
      collectgarbage(mode)
      assert.equal(8000, had and #had)
      assert.equal((text:gsub(case.without, "")), ((had .. data):gsub(case.without, "")))
    end))
  end
end)
