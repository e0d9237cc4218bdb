-- SPDX-License-Identifier: MIT

--- Handles over a channel, played against a foreign program that says what Node says
--- (support/peer.lua): the lines are those that Node 26 was seen to write.

local core = require("net.core")
local foreign = require("spec.support.peer")
local net = require("net")
local net_process = require("net.process")
local sockets = require("spec.support.sockets")
local support = require("spec.support")

local promise = foreign.rights and it or pending
local pair, wait, wait_for, raised = sockets.pair, sockets.wait, sockets.wait_for, sockets.raised

local ACK = '{"cmd":"NODE_HANDLE_ACK"}'
local NACK = '{"cmd":"NODE_HANDLE_NACK"}'

--- Runs `fn(peer, c, owner, t)` with a channel to a foreign peer.
local function connected(fn, options)
  options = options or {}
  options.quiet = true
  return foreign.connected(function(p, t) fn(p, p.channel, p.owner, t) end, options)
end

--- Collects what the channel's owner says.
local function listen_to(owner)
  local said = {}
  owner:on("message", function(message, handle)
    said[#said + 1] = { message, handle }
  end)
  owner:on("disconnect", function() said[#said + 1] = "disconnect" end)
  owner:on("error", function(err) said[#said + 1] = tostring(err) end)
  return said
end

--- The line of a message with a handle.
local function line_of(kind, message, more)
  return ('{"cmd":"NODE_HANDLE","type":"%s","msg":%s%s}\n'):format(kind, message, more or "")
end

--- Two sockets: one that connect made, which has no key, and the other end.
local function unkeyed()
  local client, peer = pair()
  return peer, client
end

local function destroy(...)
  for _, thing in ipairs({ ... }) do
    if net.isSocket(thing) then
      thing:destroy()
    else
      thing:close()
    end
  end
end

describe("a handle that is sent", function()
  promise("has its line and descriptor, and holds back what follows until its ACK",
    connected(function(peer, c)
      local server, order = sockets.listen(), {}
      local function told(name)
        return function(err) order[#order + 1] = err and tostring(err) or name end
      end
      assert.same({ true, true, false, false }, {
        c:send({ what = "server" }, server, told("server")), c:send("second", told("second")),
        c:send("third", told("third")), c:send("fourth") })
      peer:expect('{"cmd":"NODE_HANDLE","type":"net.Server","msg":{"what":"server"}}')
      peer:expect_nothing()
      assert.same({ "server" }, order)
      assert.equal(1, #peer.fds)
      peer:send(ACK .. "\n"):expect('"second"', '"third"', '"fourth"')
      assert.same({ "server", "second", "third" }, order)
      assert.is_true(c:send("fifth"))
      peer:expect('"fifth"')
      destroy(server)
    end))

  promise("is closed here when it has come there, and not before", connected(function(peer, c)
    local client, socket = unkeyed()
    c:send("sock", socket)
    peer:expect('{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"sock"}')
    peer:drop()
    sockets.settle()
    assert.is_false(client.destroyed)
    peer:send(ACK .. "\n")
    wait_for(client, "close")
  end))

  promise("is the second only after the first, whatever is between", connected(function(peer, c)
    local one, other = sockets.listen(), sockets.listen()
    c:send("one", one)
    c:send("between")
    c:send("other", other)
    c:send("behind")
    peer:expect('{"cmd":"NODE_HANDLE","type":"net.Server","msg":"one"}'):expect_nothing()
    peer:send(ACK .. "\n"):expect('"between"',
      '{"cmd":"NODE_HANDLE","type":"net.Server","msg":"other"}'):expect_nothing()
    peer:send(ACK .. "\n"):expect('"behind"')
    assert.equal(2, #peer.fds)
    destroy(one, other)
  end))

  promise("may be closed right after the call", connected(function(peer, c)
    local one, other = sockets.listen(), sockets.listen()
    local address = other:address()
    c:send("one", one)
    c:send("other", other)
    one:close()
    other:close()
    peer:send(ACK .. "\n"):expect('{"cmd":"NODE_HANDLE","type":"net.Server","msg":"one"}',
      '{"cmd":"NODE_HANDLE","type":"net.Server","msg":"other"}')
    peer:drop()
    local again = net.createServer():listen({ fd = peer:take() })
    assert.same(address, again:address())
    peer:send(ACK .. "\n")
    wait(function() return not c.current end)
    destroy(again)
  end))

  promise("goes as a plain message where there is no descriptor", connected(function(peer, c)
    local client, socket = unkeyed()
    c:send("idle", net.createServer())
    c:send("new", net.Socket())
    c:send("first", socket)
    c:send("again", socket)
    peer:expect('"idle"', '"new"', line_of("net.Socket", '"first"'):sub(1, -2)):expect_nothing()
    peer:send(ACK .. "\n"):expect('"again"')
    destroy(client)
  end))

  promise("waits until its socket has sent what it wrote, and so does what follows",
    connected(function(peer, c)
      local client, socket = unkeyed()
      client:pause()
      socket:write(("x"):rep(8 << 20))
      c:send("sock", socket)
      c:send("behind")
      peer:expect_nothing()
      client:resume()
      peer:expect('{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"sock"}')
      peer:send(ACK .. "\n"):expect('"behind"')
      destroy(client)
    end))

  promise("goes alone if its socket is destroyed before", connected(function(peer, c)
    local client, socket = unkeyed()
    client:pause()
    socket:write(("x"):rep(8 << 20))
    local told
    c:send("sock", socket, function(err) told = err == nil end)
    c:send("behind")
    peer:expect_nothing()
    socket:destroy()
    peer:expect('"sock"', '"behind"')
    assert.is_true(told)
    destroy(client)
  end))

  promise("has its key where a server accepted it, with keepOpen too", connected(function(peer, c)
    local server, where = sockets.listen()
    local client = net.connect(where)
    local socket = wait_for(server, "connection")
    c:send("kept", socket, { keepOpen = true })
    local key = peer:line():match('^{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"kept","key":"(lua:%d+)"}$')
    assert.is_string(key)
    peer:send(ACK .. "\n")
    c:send("given", socket)
    peer:expect(('{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"given","key":"%s"}'):format(key))
    peer:send(ACK .. "\n")
    server:close()
    peer:expect(('{"cmd":"NODE_SOCKET_NOTIFY_CLOSE","key":"%s"}'):format(key))
    peer:send(('{"cmd":"NODE_SOCKET_ALL_CLOSED","key":"%s"}\n'):format(key))
    wait_for(server, "close")
    destroy(client)
  end))

  promise("is sent three times more when it has not come, then given up with a warning",
    connected(function(peer, c, owner)
      local client, socket = unkeyed()
      local said, warnings, told = listen_to(owner), {}, 0
      local function warn(warning) warnings[#warnings + 1] = tostring(warning) end
      net_process.noWarnings = true
      net_process:on("warning", warn)
      c:send("sock", socket, function() told = told + 1 end)
      c:send("behind")
      for n = 1, 4 do
        peer:expect('{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"sock"}'):expect_nothing()
        assert.equal(n, #peer.fds)
        peer:send(NACK .. "\n")
      end
      peer:expect('"behind"')
      while #peer.fds > 0 do peer:drop() end
      wait_for(client, "close")
      net_process:off("warning", warn)
      net_process.noWarnings = false
      assert.same({ "SentHandleNotReceivedWarning: Handle did not reach the receiving process correctly" },
        warnings)
      assert.equal(1, told)
      assert.same({}, said)
    end))

  promise("is given up with its answer, where it asked for one", connected(function(peer, c, owner)
    local link = require("net.internal.cluster.shared").link(c, {}, owner)
    local descriptor, lost = core.descriptor.pair(), false
    link:send({ act = "newconn" }, descriptor, error, nil, function() lost = true end)
    for _ = 1, 4 do
      assert.match('"act":"newconn"', peer:line())
      peer:drop()
      peer:send(NACK .. "\n")
    end
    wait(function() return lost end)
    assert.same({}, link.waiting)
  end))

  promise("is not sent again if it is a server", connected(function(peer, c)
    local server = sockets.listen()
    c:send("server", server)
    c:send("behind")
    peer:expect('{"cmd":"NODE_HANDLE","type":"net.Server","msg":"server"}')
    peer:send(NACK .. "\n"):expect('"behind"')
    destroy(server)
  end))

  promise("takes no notice of an ACK or NACK that it does not wait for", connected(function(peer, c)
    local server = sockets.listen()
    peer:send(ACK .. "\n" .. NACK .. "\n" .. ACK .. "\n")
    c:send("one", server)
    peer:expect('{"cmd":"NODE_HANDLE","type":"net.Server","msg":"one"}'):expect_nothing()
    peer:send((ACK .. "\n"):rep(3))
    c:send("other", server)
    peer:expect('{"cmd":"NODE_HANDLE","type":"net.Server","msg":"other"}'):expect_nothing()
    peer:send(ACK .. "\n")
    destroy(server)
  end))

  promise("and all behind it fails when the peer dies, and is closed", connected(function(peer, c, owner)
    local client, socket = unkeyed()
    local said, order = listen_to(owner), {}
    local function told(err) order[#order + 1] = tostring(err) end
    c:send("sock", socket, told)
    peer:expect('{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"sock"}')
    c:send("behind", told)
    c:send("other", sockets.listen():close(), told)
    peer:drop()
    peer:close()
    wait_for(client, "close")
    wait(function() return #said > 0 end)
    local closed = "Error [ERR_IPC_CHANNEL_CLOSED]: Channel closed"
    assert.same({ "nil", closed, closed }, order)
    assert.same({ "disconnect" }, said)
  end))

  promise("that still waits for its socket is closed when the peer dies", connected(function(peer, c, owner)
    local client, socket = unkeyed()
    client:pause()
    socket:write(("x"):rep(8 << 20))
    c:send("sock", socket)
    peer:close()
    wait_for(owner, "disconnect")
    client:resume()
    wait_for(client, "close")
  end))

  promise("fails at once when the peer is gone and its end was not read", connected(function(peer, c)
    local server = sockets.listen()
    peer:close()
    local told
    assert.is_true(c:send("server", server, function(err) told = err end))
    wait(function() return told end)
    assert.same({ "write EPIPE", "EPIPE", "write", -32 },
      { told.message, told.code, told.syscall, told.errno })
    assert.is_true(server.listening)
    destroy(server)
  end))

  promise("is let go when its channel is disconnected, and leaves before that", connected(function(peer, c, owner)
    local server, said = sockets.listen(), listen_to(owner)
    c:send("server", server)
    c:send("behind")
    c:disconnect()
    assert.is_false(c.connected)
    peer:expect('{"cmd":"NODE_HANDLE","type":"net.Server","msg":"server"}'):expect_nothing()
    assert.same({}, said)
    peer:send(ACK .. "\n"):expect('"behind"'):expect_end()
    wait(function() return said[1] == "disconnect" end)
    destroy(server)
  end))

  promise("raises at the call for what cannot be sent, and sends nothing", connected(function(peer, c)
    local err = raised(c.send, c, "m", {})
    assert.equal("TypeError [ERR_INVALID_HANDLE_TYPE]: This handle type cannot be sent", tostring(err))
    assert.equal("ERR_INVALID_HANDLE_TYPE", raised(c.send, c, "m", 5).code)
    assert.equal("ERR_INVALID_ARG_TYPE", raised(c.send, c, "m", sockets, 5).code)
    local bound = net.BoundSocket({ host = "127.0.0.1" })
    bound:close()
    assert.equal("ERR_WORKER_HANDLE_NOT_TRANSFERABLE", raised(c.send, c, "m", bound).code)
    local client, socket = unkeyed()
    assert.has_error(function() c:send({ cmd = "NODE_HANDLE_ACK" }, socket) end)
    assert.has_error(function() c:send(print, socket) end)
    assert.is_false(socket.pending)
    peer:expect_nothing()
    destroy(client, socket)
  end))
end)

describe("a handle that comes", function()
  promise("is answered before its message is told", connected(function(peer, c, owner)
    local client, theirs = pair()
    local acked
    owner:on("message", function(message, handle)
      local bytes = foreign.rights.recv(peer.descriptor:number())
      acked = { message, bytes, net.isSocket(handle), handle.server, handle.allowHalfOpen,
        handle.readableFlowing, handle.remoteAddress }
      handle:destroy()
    end)
    peer:send(line_of("net.Socket", '"sock"', ',"key":"4:127.0.0.1:0"'), { theirs:fd() })
    theirs:destroy()
    wait(function() return acked end)
    assert.same({ "sock", ACK .. "\n", true, nil, false, nil, "127.0.0.1" },
      table.move(acked, 1, 7, 1, {}))
    wait_for(client, "close")
    assert.is_true(c.connected)
  end))

  promise("is of its own line, whatever comes in the same chunk", connected(function(peer, _, owner)
    local said, server = listen_to(owner), sockets.listen()
    peer:send('"before"\n')
    peer:send(line_of("net.Server", '"server"'), { server:fd() })
    peer:send('"behind"\n')
    wait(function() return #said == 3 end)
    assert.same({ "before", "server", "behind" }, { said[1][1], said[2][1], said[3][1] })
    assert.is_true(said[2][2].listening)
    assert.is_nil(said[1][2])
    assert.is_nil(said[3][2])
    destroy(server, said[2][2])
  end))

  promise("may come with its line's first bytes, its last, or an earlier line", connected(function(peer, _, owner)
    local said, server = listen_to(owner), sockets.listen()
    local text = line_of("net.Server", '"server"')
    peer:send(text:sub(1, 5), { server:fd() })
    sockets.settle()
    peer:send(text:sub(6))
    peer:expect(ACK)
    peer:send(text:sub(1, -2))
    sockets.settle()
    peer:send("\n", { server:fd() }):expect(ACK)
    peer:send('"plain"\n', { server:fd() })
    sockets.settle()
    peer:send(text):expect(ACK)
    wait(function() return #said == 4 end)
    for _, at in ipairs({ 1, 2, 4 }) do
      assert.is_true(said[at][2].listening)
      destroy(said[at][2])
    end
    destroy(server)
  end))

  promise("comes with a message that is as deep as one can be", connected(function(peer, c, owner)
    local said, server = listen_to(owner), sockets.listen()
    local text = ("["):rep(1000) .. ("]"):rep(1000)
    c:send(core.json.decode(text), server)
    local line = line_of("net.Server", text)
    peer:expect((line:gsub("\n", ""))):send(ACK .. "\n")
    peer:send(line, { server:fd() }):expect(ACK)
    peer:send(line_of("net.Native", (line:sub(1, -2))), { server:fd() }):expect(ACK)
    wait(function() return #said == 2 end)
    peer:send(("["):rep(1001) .. ("]"):rep(1001) .. "\n")
    wait(function() return #said == 3 end)
    assert.matches("SyntaxError", said[3])
    destroy(server, said[1][2], said[2][2])
  end))

  promise("uses the first descriptor of several, and closes the others", connected(function(peer, _, owner)
    local said, server, file = listen_to(owner), sockets.listen(), foreign.rights.file()
    peer:send(line_of("net.Server", '"server"'), { server:fd(), file, 2 })
    foreign.rights.close(file)
    peer:send('"next"\n')
    wait(function() return #said == 2 end)
    assert.is_true(said[1][2].listening)
    assert.is_nil(said[2][2])
    destroy(server, said[1][2])
  end))

  promise("is closed at once where it came with a question for a count", connected(function(peer)
    local file, before = foreign.rights.file(), support.descriptors()
    collectgarbage("stop")
    peer:send(line_of("net.Native", '{"cmd":"NODE_SOCKET_GET_COUNT","key":"k"}'), { file })
    peer:expect(ACK, '{"cmd":"NODE_SOCKET_COUNT","key":"k","count":0}')
    local after = support.descriptors()
    collectgarbage("restart")
    foreign.rights.close(file)
    assert.same(before, after)
  end))

  promise("is refused by NACK where no descriptor came, and not told of", connected(function(peer, c, owner)
    local said = listen_to(owner)
    peer:send(line_of("net.Server", '"server"')):expect(NACK):expect_nothing()
    peer:send('"next"\n')
    wait(function() return #said == 1 end)
    assert.equal("next", said[1][1])
    assert.is_true(c.connected)
  end))

  promise("is refused by NACK while this process has no descriptor left, and comes when it has #rlimit",
    connected(function(peer, c, owner)
      local said, server, kept = listen_to(owner), sockets.listen(), {}
      local limit = foreign.rights.limit(64)
      local _ <close> = setmetatable({}, { __close = function() foreign.rights.limit(limit) end })
      repeat kept[#kept + 1] = core.descriptor.dup(2) until not core.descriptor.dup(2)
      peer:send(line_of("net.Server", '"server"'), { server:fd() }):expect(NACK):expect_nothing()
      for _, descriptor in ipairs(kept) do descriptor:close() end
      peer:send(line_of("net.Server", '"server"'), { server:fd() }):expect(ACK)
      wait(function() return said[1] end)
      assert.equal(1, #said)
      assert.is_true(c.connected)
      destroy(server, said[1][2])
    end))

  promise("is one though Node repeats it, and answered once", connected(function(peer, _, owner)
    local said, server = listen_to(owner), sockets.listen()
    peer:send(line_of("net.Native", (line_of("net.Server", '"server"'):sub(1, -2))), { server:fd() })
    peer:expect(ACK):expect_nothing()
    assert.equal("server", said[1][1])
    assert.is_true(said[1][2].listening)
    assert.equal(1, #said)
    destroy(server, said[1][2])
  end))

  promise("comes without the handle if that is of a kind that is unknown, or not that",
    connected(function(peer, _, owner)
      local said = listen_to(owner)
      net_process.noWarnings = true
      local kinds = { "dgram.Socket", "dgram.Native", "net.Native", "lua.Handles", "file",
        "net.Socket", "net.Server", "net.BoundSocket", "" }
      for i, kind in ipairs(kinds) do
        local number = i % 2 == 0 and foreign.rights.file() or foreign.rights.udp()
        peer:send(line_of(kind, ('{"n":%d}'):format(i)), { number }):expect(ACK)
        foreign.rights.close(number)
      end
      peer:send('{"cmd":"NODE_HANDLE"}\n', { 2 }):expect(ACK)
      wait(function() return #said == #kinds + 1 end)
      for i = 1, #kinds do
        assert.same({ { n = i } }, said[i])
      end
      sockets.settle()
      net_process.noWarnings = false
    end))

  promise("is kept with its message until somebody listens, and does nothing before",
    connected(function(peer, _, owner)
      local server, where = sockets.listen()
      peer:send(line_of("net.Server", '"server"'), { server:fd() }):expect(ACK)
      server:close()
      local client = net.connect(where)
      wait_for(client, "connect")
      sockets.settle()
      local received, socket
      owner:on("message", function(_, handle)
        received = handle
        handle:on("connection", function(connection) socket = connection end)
      end)
      wait(function() return socket end)
      destroy(received, socket, client)
    end))

  promise("is closed when nobody has listened to its end", connected(function(peer, c)
    local client, theirs = pair()
    peer:send(line_of("net.Socket", '"sock"'), { theirs:fd() }):expect(ACK)
    local server, where = sockets.listen()
    peer:send(line_of("net.Server", '"server"'), { server:fd() }):expect(ACK)
    theirs:destroy()
    server:close()
    peer:close()
    wait_for(client, "close")
    wait(function() return not c.isOpen end)
    assert.equal("ECONNREFUSED", wait_for(net.connect(where), "error").code)
  end))

  promise("waits for a listener 64 times at most", connected(function(peer, _, owner)
    local server = sockets.listen()
    net_process.noWarnings = true
    for _ = 1, 70 do
      peer:send(line_of("net.Server", '"server"'), { server:fd() }):expect(ACK)
    end
    local said = listen_to(owner)
    wait(function() return #said == 64 end)
    sockets.settle()
    assert.equal(64, #said)
    for i = 1, 64 do destroy(said[i][2]) end
    net_process.noWarnings = false
    destroy(server)
  end))

  promise("may be sent on, and back", connected(function(peer, c, owner)
    local client, theirs = pair()
    owner:on("message", function(_, handle) c:send("back", handle) end)
    peer:send(line_of("net.Socket", '"sock"'), { theirs:fd() })
    theirs:destroy()
    peer:expect(ACK, '{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"back"}')
    peer:send(ACK .. "\n")
    local again = net.Socket({ fd = peer:take() })
    again:write("once more")
    assert.equal("once more", wait_for(client, "data"))
    destroy(client, again)
  end))
end)

describe("connections that were sent", function()
  --- A server whose n connections go to the peer: the server, clients, key.
  local function send_all(peer, c, n)
    local server, where = sockets.listen()
    local clients, key = {}, nil
    for i = 1, n do
      clients[i] = net.connect(where)
      c:send("sock", (wait_for(server, "connection")))
      key = peer:line():match('"key":"(.-)"')
      peer:send(ACK .. "\n")
      wait(function() return not c.current end)
    end
    return server, clients, key
  end

  local function count(server)
    local result = {}
    server:getConnections(function(err, n) result.err, result.n = err, n end)
    return result
  end

  promise("are asked for by getConnections, and added to those here", connected(function(peer, c)
    local server, clients, key = send_all(peer, c, 2)
    clients[3] = net.connect({ port = server:address().port, host = "127.0.0.1" })
    local here = wait_for(server, "connection")
    local result = count(server)
    peer:expect(('{"cmd":"NODE_SOCKET_GET_COUNT","key":"%s"}'):format(key))
    assert.is_nil(result.n)
    peer:send('{"cmd":"NODE_SOCKET_COUNT","key":"other","count":9}\n')
    peer:send(('{"cmd":"NODE_SOCKET_COUNT","key":"%s","count":2}\n'):format(key))
    wait(function() return result.n end)
    assert.same({ n = 3 }, result)
    server:close()
    peer:expect(('{"cmd":"NODE_SOCKET_NOTIFY_CLOSE","key":"%s"}'):format(key))
    peer:send(('{"cmd":"NODE_SOCKET_ALL_CLOSED","key":"%s"}\n'):format(key))
    sockets.settle()
    assert.is_true(server.connections == 1)
    here:destroy()
    wait_for(server, "close")
    destroy(table.unpack(clients))
  end))

  promise("are counted once while the server closes, where Node counts one too many", connected(function(peer, c)
    local server, clients, key = send_all(peer, c, 1)
    local closed = false
    server:close(function() closed = true end)
    peer:expect(('{"cmd":"NODE_SOCKET_NOTIFY_CLOSE","key":"%s"}'):format(key))
    local result = count(server)
    peer:expect(('{"cmd":"NODE_SOCKET_GET_COUNT","key":"%s"}'):format(key))
    peer:send(('{"cmd":"NODE_SOCKET_COUNT","key":"%s","count":1}\n'):format(key))
    wait(function() return result.n end)
    assert.same({ n = 1 }, result)
    assert.is_false(closed)
    peer:send(('{"cmd":"NODE_SOCKET_ALL_CLOSED","key":"%s"}\n'):format(key))
    wait(function() return closed end)
    destroy(table.unpack(clients))
  end))

  promise("let a server close that is closed when the process has ended", connected(function(peer, c, owner)
    local server, clients = send_all(peer, c, 1)
    peer:close()
    wait_for(owner, "disconnect")
    owner:emit("exit", 0)
    server:close()
    wait_for(server, "close")
    destroy(table.unpack(clients))
  end))

  promise("answer each question, in its order", connected(function(peer, c)
    local server, clients, key = send_all(peer, c, 1)
    local one, other = count(server), count(server)
    peer:send(('{"cmd":"NODE_SOCKET_COUNT","key":"%s","count":1}\n'):format(key))
    wait(function() return one.n end)
    assert.is_nil(other.n)
    peer:send(('{"cmd":"NODE_SOCKET_COUNT","key":"%s","count":0}\n'):format(key))
    wait(function() return other.n end)
    assert.same({ 1, 0 }, { one.n, other.n })
    core.channel.shut(c.native)
    destroy(server, table.unpack(clients))
  end))

  promise("are an error, once, where the peer dies before it answers", connected(function(peer, c, owner)
    local server, clients = send_all(peer, c, 1)
    local order = {}
    server:getConnections(function(err, n)
      order[#order + 1] = { tostring(err), n }
    end)
    owner:on("disconnect", function() order[#order + 1] = "disconnect" end)
    peer:close()
    wait(function() return #order == 2 end)
    assert.same({ "disconnect",
      { "Error [ERR_CHILD_CLOSED_BEFORE_REPLY]: Child closed before reply received" } }, order)
    local result = count(server)
    wait(function() return result.err end)
    assert.equal("ERR_CHILD_CLOSED_BEFORE_REPLY", result.err.code)
    owner:emit("exit", 0)
    result = count(server)
    wait(function() return result.n end)
    assert.same({ n = 0 }, result)
    destroy(server, table.unpack(clients))
  end))

  promise("let the server close when the peer is gone", connected(function(peer, c)
    local server, clients = send_all(peer, c, 1)
    server:close()
    peer:close()
    wait_for(server, "close")
    destroy(table.unpack(clients))
  end))

  promise("are waited for no longer than a drain is to take", connected(function(peer, c)
    local server, clients, key = send_all(peer, c, 1)
    local ended
    server:drain(30, function(err, cut) ended = { err, cut } end)
    peer:expect(('{"cmd":"NODE_SOCKET_NOTIFY_CLOSE","key":"%s"}'):format(key))
    wait(function() return ended end)
    assert.same({ nil, 0 }, ended)
    local at = server:listen(0, "127.0.0.1")
    wait_for(at, "listening")
    peer:send(('{"cmd":"NODE_SOCKET_ALL_CLOSED","key":"%s"}\n'):format(key))
    sockets.settle()
    assert.is_true(server.listening)
    server:close()
    peer:expect(('{"cmd":"NODE_SOCKET_NOTIFY_CLOSE","key":"%s"}'):format(key))
    peer:send(('{"cmd":"NODE_SOCKET_ALL_CLOSED","key":"%s"}\n'):format(key))
    wait_for(server, "close")
    destroy(table.unpack(clients))
  end))

  --- A server, and a client of which the connection does not reach the peer.
  local function send_lost(peer, c)
    local server, where = sockets.listen()
    local client = net.connect(where)
    local quiet = net_process.noWarnings
    net_process.noWarnings = true
    c:send("sock", (wait_for(server, "connection")))
    local function lose()
      for _ = 1, 4 do
        assert.match('"msg":"sock"', peer:line())
        peer:send(NACK .. "\n")
      end
      while #peer.fds > 0 do peer:drop() end
      wait_for(client, "close")
      net_process.noWarnings = quiet
    end
    return server, lose
  end

  promise("are not asked for where none has arrived, as Node does not answer then", connected(function(peer, c)
    local server, lose = send_lost(peer, c)
    lose()
    local result = count(server)
    wait(function() return result.n end)
    assert.same({ n = 0 }, result)
    server:close()
    wait_for(server, "close")
    peer:expect_nothing()
  end))

  promise("are none, for who asked before they were lost", connected(function(peer, c)
    local server, lose = send_lost(peer, c)
    local one, other = count(server), count(server)
    server:close()
    lose()
    wait(function() return one.n and other.n end)
    assert.same({ 0, 0 }, { one.n, other.n })
    if not core.server.closed(server) then wait_for(server, "close") end
  end))

  promise("are not asked for where the only one was destroyed before it left", connected(function(peer, c)
    local server, where = sockets.listen()
    local client = net.connect(where)
    local socket = wait_for(server, "connection")
    client:pause()
    while socket:write(("x"):rep(1 << 20)) do sockets.settle() end
    c:send("sock", socket)
    socket:destroy()
    peer:expect('"sock"')
    local result = count(server)
    wait(function() return result.n end)
    assert.equal(0, result.n)
    server:close()
    wait_for(server, "close")
    destroy(client)
  end))

  promise("are asked for where one has arrived, and another one has not", connected(function(peer, c)
    local server, clients, key = send_all(peer, c, 1)
    local client = net.connect({ port = server:address().port, host = "127.0.0.1" })
    local socket = wait_for(server, "connection")
    client:pause()
    while socket:write(("x"):rep(1 << 20)) do sockets.settle() end
    c:send("sock", socket)
    socket:destroy()
    peer:expect('"sock"')
    local result = count(server)
    peer:expect(('{"cmd":"NODE_SOCKET_GET_COUNT","key":"%s"}'):format(key))
    peer:send(('{"cmd":"NODE_SOCKET_COUNT","key":"%s","count":1}\n'):format(key))
    wait(function() return result.n end)
    assert.same({ n = 1 }, result)
    core.channel.shut(c.native)
    destroy(server, client, table.unpack(clients))
  end))

  promise("have a key of their own for each server", connected(function(peer, c)
    local one, clients, key = send_all(peer, c, 1)
    local other, more, other_key = send_all(peer, c, 1)
    assert.not_equal(key, other_key)
    core.channel.shut(c.native)
    destroy(one, other, clients[1], more[1])
  end))

  promise("leave nothing behind when their server has closed, though the channel stays",
    connected(function(peer, c)
      local function serve()
        local server, clients, key = send_all(peer, c, 1)
        local closed = false
        server:close(function() closed = true end)
        peer:expect(('{"cmd":"NODE_SOCKET_NOTIFY_CLOSE","key":"%s"}'):format(key))
        peer:send(('{"cmd":"NODE_SOCKET_ALL_CLOSED","key":"%s"}\n'):format(key))
        destroy(clients[1])
        wait(function() return closed end)
      end
      local function used()
        collectgarbage()
        collectgarbage()
        return collectgarbage("count") * 1024
      end
      serve()
      local before = used()
      for _ = 1, 200 do
        serve()
      end
      assert.is_true((used() - before) / 200 < 400) -- bytes of a server
    end))
end)

describe("connections that came", function()
  local function ask(peer, key)
    peer:send(('{"cmd":"NODE_SOCKET_GET_COUNT","key":"%s"}\n'):format(key))
    return peer
  end

  --- Sends n sockets with that key, and gives their clients and what came of them.
  local function receive(peer, owner, n, key)
    local clients, here = {}, {}
    owner:on("message", function(_, handle) here[#here + 1] = handle end)
    for i = 1, n do
      local client, theirs = pair()
      clients[i] = client
      peer:send(line_of("net.Socket", '"sock"', (',"key":"%s"'):format(key)), { theirs:fd() }):expect(ACK)
      theirs:destroy()
      wait(function() return here[i] end)
    end
    return here, clients
  end

  promise("are counted by their key until they close", connected(function(peer, _, owner)
    local here, clients = receive(peer, owner, 2, "4:127.0.0.1:0")
    ask(peer, "4:127.0.0.1:0"):expect('{"cmd":"NODE_SOCKET_COUNT","key":"4:127.0.0.1:0","count":2}')
    here[1]:destroy()
    wait_for(here[1], "close")
    ask(peer, "4:127.0.0.1:0"):expect('{"cmd":"NODE_SOCKET_COUNT","key":"4:127.0.0.1:0","count":1}')
    here[2]:destroy()
    wait_for(here[2], "close")
    ask(peer, "4:127.0.0.1:0"):expect('{"cmd":"NODE_SOCKET_COUNT","key":"4:127.0.0.1:0","count":0}')
    destroy(table.unpack(clients))
  end))

  promise("are said to be all closed at once where there is none", connected(function(peer)
    peer:send('{"cmd":"NODE_SOCKET_NOTIFY_CLOSE","key":"\\"no\\u00e9\\n"}\n')
    peer:expect('{"cmd":"NODE_SOCKET_ALL_CLOSED","key":"\\"noé\\n"}')
  end))

  promise("tell of the last when it closes", connected(function(peer, _, owner)
    local here, clients = receive(peer, owner, 2, "lua:7")
    peer:send('{"cmd":"NODE_SOCKET_NOTIFY_CLOSE","key":"lua:7"}\n'):expect_nothing()
    here[1]:destroy()
    wait_for(here[1], "close")
    peer:expect_nothing()
    here[2]:destroy()
    peer:expect('{"cmd":"NODE_SOCKET_ALL_CLOSED","key":"lua:7"}')
    destroy(table.unpack(clients))
  end))

  promise("are counted no more when they are sent on", connected(function(peer, c, owner)
    local here, clients = receive(peer, owner, 1, "lua:7")
    c:send("back", here[1])
    peer:expect('{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"back"}')
    peer:send(ACK .. "\n")
    ask(peer, "lua:7"):expect('{"cmd":"NODE_SOCKET_COUNT","key":"lua:7","count":0}')
    destroy(table.unpack(clients))
  end))

  promise("are none of a key that nobody knows, or that is none", connected(function(peer, c)
    ask(peer, "lua:7"):expect('{"cmd":"NODE_SOCKET_COUNT","key":"lua:7","count":0}')
    peer:send('{"cmd":"NODE_SOCKET_GET_COUNT"}\n{"cmd":"NODE_SOCKET_GET_COUNT","key":5}\n')
    peer:send('{"cmd":"NODE_SOCKET_COUNT","key":"lua:1","count":5}\n')
    peer:send('{"cmd":"NODE_SOCKET_ALL_CLOSED","key":"lua:1"}\n{"cmd":"NODE_SOCKET_X","key":"a"}\n')
    peer:expect_nothing()
    assert.is_true(c.connected)
  end))
end)

describe("a list of handles over a channel", function()
  local GREETING = '{"cmd":"NODE_LUANET","v":1}\n'

  promise("goes in one message to a process of ours, and comes as a list", connected(function(peer, c, owner)
    local said = listen_to(owner)
    c.is_ours = false
    local client, socket = unkeyed()
    local server = sockets.listen()
    assert.equal("ERR_INVALID_HANDLE_TYPE", raised(c.send, c, "m", { server, socket }).code)
    peer:send(GREETING)
    wait(function() return c.is_ours end)
    c:send("m", { server, socket, io.stdout, net.createServer() })
    local line = peer:line()
    assert.equal('{"cmd":"NODE_HANDLE","type":"lua.Handles","msg":"m","handles":[{"type":"net.Server"},'
      .. '{"type":"net.Socket"},{"type":"file","mode":"' .. line:match('"mode":"(.-)"') .. '"},'
      .. '{"type":null}]}', line)
    assert.equal(3, #peer.fds)
    peer:send(ACK .. "\n"):send(line .. "\n", { peer.fds[1], peer.fds[2], peer.fds[3] }):expect(ACK)
    wait(function() return said[1] end)
    local list = said[1][2]
    assert.same({ true, true, "file", false },
      { list[1].listening, net.isSocket(list[2]), io.type(list[3]), list[4] })
    destroy(server, client, table.unpack(list, 1, 3))
  end))

  promise("is refused by NACK, all of it closed, where too few descriptors came",
    connected(function(peer, c, owner)
      local said = listen_to(owner)
      local server = sockets.listen()
      peer:send(GREETING)
      peer:send('{"cmd":"NODE_HANDLE","type":"lua.Handles","msg":1,"handles":[{"type":"net.Server"},'
        .. '{"type":"net.Server"}]}\n', { server:fd() }):expect(NACK)
      peer:send('{"cmd":"NODE_HANDLE","type":"lua.Handles","msg":2,"handles":[{"type":null}]}\n'):expect(ACK)
      peer:send('{"cmd":"NODE_HANDLE","type":"lua.Handles","msg":3,"handles":[5,{"type":"x"}]}\n', { 2 })
      peer:expect(ACK)
      wait(function() return #said == 2 end)
      assert.same({ { 2, { false } }, { 3, { false, false } } }, said)
      assert.is_true(c.is_ours)
      sockets.settle()
      destroy(server)
    end))

  promise("is sent again when it has not come, if anything but servers is in it", connected(function(peer, c)
    peer:send(GREETING)
    wait(function() return c.is_ours end)
    local client, socket = unkeyed()
    local server = sockets.listen()
    c:send("m", { server, socket })
    local line = '{"cmd":"NODE_HANDLE","type":"lua.Handles","msg":"m","handles":[{"type":"net.Server"},'
      .. '{"type":"net.Socket"}]}'
    peer:expect(line):send(NACK .. "\n"):expect(line):send(ACK .. "\n")
    c:send("m", { server })
    peer:expect((line:gsub(',{"type":"net.Socket"}', ""))):send(NACK .. "\n")
    c:send("behind")
    peer:expect('"behind"')
    destroy(server, client)
  end))

  promise("waits until a process that is to be ours has greeted, and so does what follows",
    connected(function(peer, c)
      local server = sockets.listen()
      assert.is_true(c:send("m", { server }))
      assert.is_true(c:send("behind"))
      peer:send(GREETING)
      peer:expect('{"cmd":"NODE_HANDLE","type":"lua.Handles","msg":"m","handles":[{"type":"net.Server"}]}')
      peer:send(ACK .. "\n"):expect('"behind"')
      destroy(server)
    end, { is_lua = true }))

  promise("is an error, and closed, if that is another program; what follows goes on",
    connected(function(peer, c, owner)
      for _, first in ipairs({ '"hello"\n' }) do
        local server, said = sockets.listen(), listen_to(owner)
        local told
        c:send("m", { server }, function(err) told = err end)
        c:send("behind")
        peer:send(first):expect('"behind"')
        assert.equal("ERR_INVALID_HANDLE_TYPE", told.code)
        assert.same({ { "hello" } }, said)
        assert.is_false(c.is_ours)
        destroy(server)
      end
    end, { is_lua = true }))

  promise("is an 'error' there, without a callback", connected(function(peer, c, owner)
    local client, socket = unkeyed()
    local said = listen_to(owner)
    c:send("m", { socket })
    peer:send("no JSON\n")
    wait_for(client, "close")
    wait(function() return #said == 2 end)
    assert.is_truthy(table.concat(said):find("ERR_INVALID_HANDLE_TYPE", 1, true))
  end, { is_lua = true }))

  promise("is not asked for by a second greeting, nor undone by one", connected(function(peer, c)
    peer:send('"first"\n' .. GREETING)
    sockets.settle()
    assert.is_false(c.is_ours)
  end, { is_lua = true }))
end)

describe("a binary message with a handle", function()
  local GREETING = '{"cmd":"NODE_LUANET","v":1}\n'
  local BYTES = { binary = true }
  local MESSAGE = { "\xFF" }

  promise("says so in the line of a socket, and of a list, and comes so", connected(function(peer, c, owner)
    local said = listen_to(owner)
    peer:send(GREETING)
    wait(function() return c.is_ours end)
    local client, socket = unkeyed()
    local server = sockets.listen()
    local one = '{"cmd":"NODE_HANDLE","type":"net.Socket","msg":[{"$b":"/w=="}],"binary":true}'
    local other = '{"cmd":"NODE_HANDLE","type":"lua.Handles","msg":[{"$b":"/w=="}],'
      .. '"handles":[{"type":"net.Server"}],"binary":true}'
    c:send(MESSAGE, socket, BYTES)
    c:send(MESSAGE, { server }, BYTES)
    peer:expect(one):send(ACK .. "\n"):expect(other):send(ACK .. "\n")
    peer:send(one .. "\n", { peer.fds[1] }):send(other .. "\n", { peer.fds[2] }):expect(ACK, ACK)
    wait(function() return #said == 2 end)
    assert.same({ MESSAGE, MESSAGE }, { said[1][1], said[2][1] })
    destroy(server, client, said[1][2], said[2][2][1])
  end))

  promise("goes as one alone where there is no descriptor", connected(function(peer, c)
    peer:send(GREETING)
    wait(function() return c.is_ours end)
    local client, socket = unkeyed()
    c:send(MESSAGE, net.Socket(), BYTES)
    client:pause()
    socket:write(("x"):rep(8 << 20))
    c:send("\xFE", socket, BYTES)
    socket:destroy()
    peer:expect('{"cmd":"NODE_LUANET","act":"binary","msg":[{"$b":"/w=="}]}',
      '{"cmd":"NODE_LUANET","act":"binary","msg":{"$b":"/g=="}}')
    destroy(client)
  end))

  promise("raises towards another program, and the handle is as it was", connected(function(peer, c)
    local client, socket = unkeyed()
    assert.equal("ERR_INVALID_ARG_VALUE", raised(c.send, c, MESSAGE, socket, BYTES).code)
    assert.is_false(socket.pending)
    peer:expect_nothing()
    destroy(client, socket)
  end))

  promise("is read as it stands where another program says so", connected(function(peer, _, owner)
    local said, server = listen_to(owner), sockets.listen()
    peer:send('{"cmd":"NODE_HANDLE","type":"net.Server","msg":{"$b":"/w=="},"binary":true}\n',
      { server:fd() }):expect(ACK)
    wait(function() return said[1] end)
    assert.same({ ["$b"] = "/w==" }, said[1][1])
    destroy(server, said[1][2])
  end))

  promise("is an error, and its socket closed, if who was to be ours is another program",
    connected(function(peer, c)
      local client, socket = unkeyed()
      local told
      c:send(MESSAGE, socket, BYTES, function(err) told = err end)
      peer:expect_nothing():send('"hello"\n')
      wait_for(client, "close")
      assert.equal("ERR_INVALID_HANDLE_TYPE", told.code)
    end, { is_lua = true }))
end)

describe("what a socket had read", function()
  local function with_data()
    local client, socket = unkeyed()
    client:write("early")
    wait(function() socket:read(0) return socket.readableLength == 5 end)
    return client, socket
  end

  promise("goes along to a process of ours", connected(function(peer, c, owner)
    peer:send('{"cmd":"NODE_LUANET","v":1}\n')
    wait(function() return c.is_ours end)
    local client, socket = with_data()
    c:send("sock", socket)
    local line = '{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"sock","head":"ZWFybHk="}'
    peer:expect(line):send(ACK .. "\n"):send(line .. "\n", { peer.fds[1] }):expect(ACK):drop()
    client:write(" and late")
    local got = ""
    owner:on("message", function(_, moved)
      moved:on("data", function(chunk)
        got = got .. chunk
        if #got == 14 then moved:destroy() end
      end)
    end)
    wait_for(client, "close")
    assert.equal("early and late", got)
  end))

  promise("stays, with a warning, where that turns out to be another program", connected(function(peer, c)
    local client, socket = with_data()
    net_process.noWarnings = true
    c:send("sock", socket)
    peer:send('{"cmd":"NODE_LUANET","v":"1"}\n')
    peer:expect('{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"sock"}')
    net_process.noWarnings = false
    peer:send(ACK .. "\n")
    wait(function() return not c.current end)
    destroy(client)
  end, { is_lua = true }))

  promise("stays, with a warning, where the peer reads and says nothing", connected(function(peer, c)
    local client, socket = with_data()
    net_process.noWarnings = true
    c:send("sock", socket)
    peer:expect('{"cmd":"NODE_LUANET","v":1}', '{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"sock"}')
    net_process.noWarnings = false
    assert.is_true(c.current.sent) -- it waits for its ACK, as any other
    peer:send(ACK .. "\n")
    wait(function() return not c.current end)
    destroy(client)
  end, { is_lua = true }))
end)
