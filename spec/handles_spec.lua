-- SPDX-License-Identifier: MIT

local core = require("net.core")
local arrivals = require("net.internal.process.arrivals")
local handles = require("net.internal.process.handles")
local lfs = require("lfs")
local net = require("net")
local servers = require("spec.support.servers")
local sockets = require("spec.support.sockets")
local support = require("spec.support")

local within = support.within
local pair, wait, wait_for, raised = sockets.pair, sockets.wait, sockets.wait_for, sockets.raised

-- What a handle's owner sees, and what is made of the descriptor, needs no channel: here
-- the descriptor comes back in the same process.

local function channel(is_ours)
  return { owner = require("net.events").EventEmitter(), connected = false, is_ours = is_ours }
end

local FOREIGN, OURS = channel(false), channel(true)

--- What comes out elsewhere of a parcel that waits for nothing; nil if it goes alone.
local function arrive(parcel, on)
  local text, going = handles.line(parcel, '"m"')
  if #going == 0 and not parcel.is_list then
    assert.equal('"m"', text)
    return nil
  end
  local line = core.json.decode(text)
  assert.equal("m", line.msg)
  assert.equal(#going, arrivals.needs(on or FOREIGN, line))
  return arrivals.receive(on or FOREIGN, line, going)
end

--- Prepares a handle, and makes of the parcel what would come out elsewhere.
local function pass(handle, keep_open, on)
  on = on or FOREIGN
  handles.check(handle, on.is_ours)
  local parcel, err = handles.prepare(on, handle, keep_open)
  if not parcel then
    return nil, err
  end
  if parcel.waits > 0 then
    local sent = false
    function parcel.go() sent = true end
    wait(function() return sent end)
  end
  local object = arrive(parcel, on)
  arrivals.deliver(object)
  return object
end

--- Collects what the socket says from here on.
local function listen_to(socket)
  local said = {}
  for _, event in ipairs({ "data", "end", "error", "close", "timeout", "drain", "finish",
    "resume", "connect" }) do
    socket:on(event, function(value)
      said[#said + 1] = value and event .. ":" .. tostring(value) or event
    end)
  end
  return said
end

describe("a socket that is sent", function()
  it("is at once as one without a connection, and says no more", within(function()
    local client, peer = pair()
    peer:setTimeout(50)
    local said = listen_to(peer)
    local moved = pass(peer)
    assert.same({ true, "open", false, 0 },
      { peer.pending, peer.readyState, peer.destroyed, peer.timeout })
    assert.is_nil(peer.remoteAddress)
    assert.is_nil(peer.localAddress)
    assert.same({}, peer:address())
    assert.equal(-1, peer:fd())
    client:write("for the other")
    assert.equal("for the other", wait_for(moved, "data"))
    client:finish()
    moved:destroy()
    wait_for(client, "close")
    assert.same({}, said)
  end))

  it("is one less for its server, which closes when it was the last", within(function(t)
    local server, where = sockets.listen()
    local client = net.connect(where)
    local peer = wait_for(server, "connection")
    assert.equal(1, server.connections)
    local moved = pass(peer)
    assert.equal(0, server.connections)
    server:once("close", t.calls(1))
    server:close()
    wait(function() return not server.listening end)
    moved:destroy()
    client:destroy()
  end))

  it("closes its server that waited for it alone", within(function()
    local server, where = sockets.listen()
    local client = net.connect(where)
    local peer = wait_for(server, "connection")
    server:close()
    local moved = pass(peer)
    wait_for(server, "close")
    moved:destroy()
    client:destroy()
  end))

  it("fails when it is written to, and closes", within(function()
    local client, peer = pair()
    local moved = pass(peer)
    local said, heard = listen_to(peer), nil
    assert.is_false(peer:write("x", function(err) heard = err end))
    wait(function() return #said == 2 end)
    local text = "Error [ERR_SOCKET_CLOSED]: Socket is closed"
    assert.equal(text, tostring(heard))
    assert.same({ "error:" .. text, "close" }, { said[1], said[2]:match("^close") })
    moved:destroy()
    client:destroy()
  end))

  it("may be destroyed, and closes then without touching the connection", within(function()
    local client, peer = pair()
    local moved = pass(peer)
    peer:destroy()
    wait_for(peer, "close")
    moved:write("still there")
    assert.equal("still there", wait_for(client, "data"))
    moved:destroy()
    client:destroy()
  end))

  it("may connect again", within(function()
    local client, peer = pair()
    local moved = pass(peer)
    local server, where = sockets.listen()
    peer:connect(where)
    local other = wait_for(server, "connection")
    assert.is_false(peer.pending)
    assert.is_string(peer.remoteAddress)
    for _, thing in ipairs({ client, moved, peer, other }) do
      thing:destroy()
    end
    server:close()
  end))

  it("goes when what it has written has gone, in that order", within(function()
    local client, peer = pair()
    client:pause()
    local big, done = ("x"):rep(8 << 20), false
    peer:write(big, function(err) done = err == nil end)
    peer:cork()
    peer:write("the last")
    local parcel = handles.prepare(FOREIGN, peer)
    assert.equal(1, parcel.waits)
    assert.same({}, parcel.descriptors)
    assert.is_true(peer.pending)
    assert.is_nil(peer.remoteAddress)
    local moved
    function parcel.go()
      moved = arrive(parcel)
      moved:write(" word")
    end
    local got, size = {}, 0
    client:on("data", function(chunk)
      got[#got + 1] = chunk
      size = size + #chunk
    end)
    client:resume()
    wait(function() return size == #big + 13 end)
    assert.equal("the last word", table.concat(got):sub(-13))
    assert.is_true(done)
    assert.is_false(peer.destroyed)
    moved:destroy()
    client:destroy()
  end))

  it("takes its end along, if that was on its way", within(function()
    local client, peer = pair({ client = { allowHalfOpen = true } })
    client:pause()
    peer:write(("x"):rep(8 << 20))
    peer:finish()
    local parcel = handles.prepare(FOREIGN, peer)
    assert.equal(1, parcel.waits)
    local moved
    function parcel.go() moved = arrive(parcel) end
    client:resume()
    wait_for(client, "end")
    wait(function() return moved end)
    client:write("half")
    arrivals.deliver(moved)
    assert.equal("half", wait_for(moved, "data"))
    moved:destroy()
    client:destroy()
  end))

  it("takes nothing along if it is destroyed before", within(function()
    local client, peer = pair()
    client:pause()
    peer:write(("x"):rep(8 << 20))
    local parcel, told = handles.prepare(FOREIGN, peer), false
    function parcel.go() told = true end
    peer:destroy()
    wait_for(peer, "close")
    assert.is_true(told)
    assert.equal(0, parcel.waits)
    assert.same({}, parcel.descriptors)
    client:destroy()
  end))

  for name, use in pairs({
    write = function(socket) assert.is_false(socket:write("more")) end,
    finish = function(socket) socket:finish("more") end,
  }) do
    it("fails on " .. name .. " while it is still sending, and takes nothing along",
      within(function()
        local client, peer = pair()
        client:pause()
        peer:write(("x"):rep(8 << 20))
        local parcel, told = handles.prepare(FOREIGN, peer), false
        function parcel.go() told = true end
        use(peer)
        assert.equal("ERR_SOCKET_CLOSED", wait_for(peer, "error").code)
        wait(function() return told end)
        assert.same({}, parcel.descriptors)
        client:destroy()
      end))
  end

  it("takes nothing along if its peer is gone before", within(function()
    local client, peer = pair()
    client:pause()
    peer:write(("x"):rep(8 << 20))
    local parcel, told = handles.prepare(FOREIGN, peer), false
    function parcel.go() told = true end
    client:resetAndDestroy()
    wait_for(peer, "error")
    wait(function() return told end)
    assert.same({}, parcel.descriptors)
  end))

  it("does not read on, whatever is asked of it", within(function()
    local client, peer = pair()
    client:pause()
    peer:write(("x"):rep(8 << 20))
    local parcel = handles.prepare(FOREIGN, peer)
    local said = listen_to(peer)
    peer:resume()
    peer:read()
    client:write("for the other")
    local moved
    function parcel.go()
      moved = arrive(parcel)
      arrivals.deliver(moved)
    end
    client:resume()
    wait(function() return moved end)
    assert.equal("for the other", wait_for(moved, "data"))
    assert.same({}, said)
    moved:destroy()
    client:destroy()
  end))

  it("stays, and is read by both, with keepOpen", within(function()
    local client, peer = pair()
    local other = pass(peer, true)
    assert.is_false(peer.pending)
    assert.is_string(peer.remoteAddress)
    peer:write("one ")
    assert.equal("one ", wait_for(client, "data"))
    other:write("two")
    assert.equal("two", wait_for(client, "data"))
    for _, thing in ipairs({ client, peer, other }) do
      thing:destroy()
    end
  end))

  it("has no descriptor if it is not connected, closed, or sent before", within(function()
    local client, peer = pair()
    assert.is_nil((pass(net.Socket())))
    local moved = pass(peer)
    assert.is_nil((pass(peer)))
    client:destroy()
    assert.is_nil((pass(client)))
    moved:destroy()
  end))

  it("is refused if there is no descriptor under it", within(function()
    local a, b = net.duplexPair()
    local err = raised(handles.check, a)
    assert.equal("TypeError [ERR_INVALID_HANDLE_TYPE]: This handle type cannot be sent",
      tostring(err))
    a:destroy()
    b:destroy()
  end))

  it("leaves the file that it was bound to", within(function()
    local server, where = sockets.listen({ unix = true })
    local path = sockets.path()
    local client = net.Socket({ handle = net.BoundSocket({ path = path }) })
    client:connect(where)
    local peer = wait_for(server, "connection")
    local moved = pass(client)
    collectgarbage()
    assert.equal("socket", lfs.attributes(path, "mode"))
    moved:destroy()
    wait_for(peer, "close")
    assert.equal("socket", lfs.attributes(path, "mode"))
    os.remove(path)
    server:close()
  end))
end)

describe("a server that is sent", function()
  it("goes on, and so does the other: closing one leaves the other", within(function()
    local server, where = sockets.listen()
    local other = pass(server)
    assert.same(server:address(), other:address())
    assert.is_true(other.listening)
    server:close()
    wait_for(server, "close")
    local client = net.connect(where)
    local peer = wait_for(other, "connection")
    assert.equal(other, peer.server)
    other:close()
    peer:destroy()
    client:destroy()
  end))

  it("has no descriptor unless it listens", within(function()
    assert.is_nil((pass(net.createServer())))
  end))

  it("leaves its file, on either side", within(function()
    local server, where = sockets.listen({ unix = true })
    local other = pass(server)
    assert.is_nil(other:address())
    server:close()
    assert.equal("socket", lfs.attributes(where.path, "mode"))
    local client = net.connect(where)
    local peer = wait_for(other, "connection")
    other:close()
    assert.equal("socket", lfs.attributes(where.path, "mode"))
    os.remove(where.path)
    peer:destroy()
    client:destroy()
  end))

  it("does not accept before it is delivered", within(function()
    local server, where = sockets.listen()
    local parcel = handles.prepare(FOREIGN, server)
    server:close()
    local other = arrive(parcel)
    local client = net.connect(where)
    wait_for(client, "connect")
    sockets.settle()
    assert.equal(0, other.connections)
    arrivals.deliver(other)
    local peer = wait_for(other, "connection")
    other:close()
    peer:destroy()
    client:destroy()
  end))

  it("may be dropped before it is delivered", within(function()
    local server = sockets.listen()
    local parcel = handles.prepare(FOREIGN, server)
    server:close()
    arrivals.drop(arrive(parcel))
  end))
end)

describe("a BoundSocket that is sent", function()
  it("is adopted at the call", within(function()
    local bound = net.BoundSocket({ host = "127.0.0.1" })
    local address = bound:address()
    local other = pass(bound)
    assert.same(address, other:address())
    assert.equal("ERR_SOCKET_HANDLE_ADOPTED", raised(bound.address, bound).code)
    local server = net.createServer():listen(other)
    wait_for(server, "listening")
    assert.same(address, server:address())
    server:close()
  end))

  it("is refused once it is gone, or has a path", within(function()
    local bound = net.BoundSocket({ host = "127.0.0.1" })
    bound:close()
    assert.equal("Error [ERR_WORKER_HANDLE_NOT_TRANSFERABLE]: net.BoundSocket cannot be "
      .. "transferred in its current state; it must be a freshly created or accepted handle "
      .. "that has not started reading and has no pending writes",
      tostring(raised(handles.check, bound)))
    local path = sockets.path()
    local with_path <close> = net.BoundSocket({ path = path })
    assert.equal("ERR_INVALID_HANDLE_TYPE", raised(handles.check, with_path).code)
  end))
end)

describe("what cannot be sent", function()
  for name, value in pairs({
    ["a table"] = {}, ["a number"] = 3, ["a string"] = "x", ["a file"] = io.stdout,
    ["true"] = true, ["an emitter"] = require("net.events").EventEmitter(),
  }) do
    it("is " .. name .. ", and raises", within(function()
      assert.equal("TypeError [ERR_INVALID_HANDLE_TYPE]: This handle type cannot be sent",
        tostring(raised(handles.check, value)))
    end))
  end
end)

describe("a list of handles", function()
  local function temporary(t, text)
    local path = t.tmpname()
    local file = assert(io.open(path, "w+"))
    file:write(text)
    return path, file
  end

  it("comes as a list, in its order", within(function(t)
    local client, peer = pair()
    local server, bound = sockets.listen(), net.BoundSocket({ host = "127.0.0.1" })
    local address, port = server:address(), bound:address().port
    local _, file = temporary(t, "in the file")
    local list = pass({ file, server, peer, bound }, false, OURS)
    assert.same({ "file", "Server", "Socket", "BoundSocket" }, { io.type(list[1]),
      list[2].listening and "Server", list[3].readable and "Socket",
      list[4]:address().port == port and "BoundSocket" })
    assert.same(address, list[2]:address())
    client:write("to the third")
    assert.equal("to the third", wait_for(list[3], "data"))
    assert.is_true(peer.pending)
    file:close()
    list[1]:seek("set")
    assert.equal("in the file", list[1]:read("a"))
    for _, thing in ipairs({ list[1], server, list[2], list[4] }) do
      thing:close()
    end
    list[3]:destroy()
    client:destroy()
  end))

  it("has false for what has no descriptor, and may have nothing else", within(function()
    local client, peer = pair()
    local list = pass({ net.createServer(), peer, net.Socket() }, false, OURS)
    assert.is_false(list[1])
    assert.is_false(list[3])
    list[2]:destroy()
    assert.same({ false }, pass({ net.createServer() }, false, OURS))
    client:destroy()
  end))

  it("has false for a socket that is destroyed while it still sends", within(function()
    local client, peer = pair()
    local server = sockets.listen()
    client:pause()
    peer:write(("x"):rep(8 << 20))
    local parcel, told = handles.prepare(OURS, { peer, server }), false
    function parcel.go() told = true end
    peer:destroy()
    wait(function() return told end)
    local list = arrive(parcel, OURS)
    assert.is_false(list[1])
    assert.is_true(list[2].listening)
    server:close()
    list[2]:close()
    client:destroy()
  end))

  it("has the file's mode, and its offset is shared", within(function(t)
    local path, file = temporary(t, "0123456789")
    file:close()
    for mode, expected in pairs({ r = "r", w = "w", a = "a", ["r+"] = "r+", ["a+"] = "r+" }) do
      local one = assert(io.open(path, mode))
      local parcel = handles.prepare(OURS, { one })
      assert.equal(expected, parcel.entries[1].mode)
      handles.discard(parcel)
      one:close()
    end
    local one = assert(io.open(path, "w"))
    one:write("one ")
    local other = pass({ one }, false, OURS)[1]
    other:write("two ")
    other:close()
    one:write("three")
    one:close()
    local file_again <close> = assert(io.open(path))
    assert.equal("one two three", file_again:read("a"))
  end))

  it("takes along what a socket had read, and reads it first there", within(function()
    local client, peer = pair()
    peer:setEncoding("utf8")
    client:write("caf\xc3")
    wait(function() return peer.bytesRead == 4 end)
    local parcel = handles.prepare(OURS, peer)
    assert.equal("Y2Fmww==", parcel.entries[1].head)
    local moved = arrive(parcel, OURS)
    client:write("\xa9!")
    local got = ""
    moved:on("data", function(chunk) got = got .. chunk end)
    arrivals.deliver(moved)
    wait(function() return #got == 6 end)
    assert.equal("caf\xc3\xa9!", got)
    moved:destroy()
    client:destroy()
  end))

  it("leaves what was read in another encoding than UTF-8, or is for another program",
    within(function()
      for _, case in ipairs({ { "latin1", OURS }, { "utf8", FOREIGN } }) do
        local client, peer = pair()
        peer:setEncoding(case[1])
        client:write("read")
        wait(function() return peer.readableLength == 4 end)
        local net_process = require("net.process")
        net_process.noWarnings = true
        local parcel = handles.prepare(case[2], peer)
        assert.is_nil(parcel.entries[1].head)
        assert.equal("read", peer:read())
        sockets.settle()
        net_process.noWarnings = false
        arrive(parcel, case[2]):destroy()
        client:destroy()
      end
    end))

  it("is refused whole, and none of it touched, if one cannot be sent, or comes twice",
    within(function()
      local server = sockets.listen()
      local many = {}
      for i = 1, 65 do
        many[i] = net.createServer()
      end
      local closed_file = io.tmpfile()
      closed_file:close()
      for _, list in ipairs({ {}, { server, server }, { server, 5 }, { nil, server },
        { server, nil, server }, { server, name = server }, { server, [1.5] = server }, many,
        { server, closed_file }, { { server } } }) do
        assert.equal("ERR_INVALID_HANDLE_TYPE", raised(handles.check, list, true).code)
      end
      many[65] = nil
      handles.check(many, true)
      assert.equal("ERR_INVALID_HANDLE_TYPE", raised(handles.check, { server }, false).code)
      assert.is_true(server.listening)
      server:close()
    end))
end)

describe("where descriptors run out, what is sent", function()
  --- Runs a script that has a pair of sockets, a server and `fill(left)`, which leaves so
  --- many descriptors.
  local function starved(script)
    return (servers.child([[
      local core, net, sockets = require("net.core"), require("net"), require("spec.support.sockets")
      local handles = require("net.internal.process.handles")
      local channel = { owner = require("net.events").EventEmitter(), is_ours = true }
      local client, peer = sockets.pair()
      local server = sockets.listen()
      local bound = net.BoundSocket({ host = "127.0.0.1" })
      local kept = {}
      local function fill(left)
        repeat kept[#kept + 1] = core.descriptor.dup(0) until not core.descriptor.dup(0)
        for i = 1, left do table.remove(kept):close() end
      end
      ]] .. script, "ulimit -n 60"))
  end

  it("is an error, and stays as it was", function()
    assert.equal("nil\tError: dup EMFILE\t-24\tdup\ttrue\nnil\tError: dup EMFILE\tfalse\n",
      starved([[
        fill(0)
        local parcel, err = handles.prepare(channel, server)
        print(parcel, err, err.errno, err.syscall, server.listening)
        parcel, err = handles.prepare(channel, peer, true)
        print(parcel, err, peer.pending)
      ]]))
  end)

  it("needs none if it is given away", function()
    assert.equal("1\ttrue\n1\n", starved([[
      fill(0)
      print(#handles.prepare(channel, peer).descriptors, peer.pending)
      print(#handles.prepare(channel, bound).descriptors)
    ]]))
  end)

  it("is left whole in a list of which one cannot be duplicated", function()
    assert.equal("nil\tError: dup EMFILE\tfalse\ttrue\ttrue\n", starved([[
      fill(1)
      local parcel, err = handles.prepare(channel, { peer, bound, server, io.stdout })
      print(parcel, err, peer.pending, bound:address() ~= nil, core.descriptor.dup(0) ~= nil)
    ]]))
  end)
end)

describe("what came", function()
  --- The warnings that `fn` gives rise to.
  local function warnings(fn)
    local net_process = require("net.process")
    local list = {}
    local function listener(warning) list[#list + 1] = warning.message end
    net_process:on("warning", listener)
    net_process.noWarnings = true
    fn()
    sockets.settle()
    net_process.noWarnings = false
    net_process:off("warning", listener)
    return list
  end

  local function file_descriptor()
    local file <close> = assert(io.open("README.md"))
    return (core.handles.dup_file(file))
  end

  it("is closed and delivered without handle, with one warning a process, if it is unknown",
    within(function()
      local list = warnings(function()
        for _, kind in ipairs({ "dgram.Socket", "dgram.Native", "net.Native", "file" }) do
          local descriptor = file_descriptor()
          assert.is_nil((arrivals.receive(FOREIGN, { type = kind, mode = "r" }, { descriptor })))
          assert.is_nil(descriptor:number())
        end
        for _, kind in ipairs({ "net.Socket", "net.Server", "net.BoundSocket" }) do
          assert.is_nil((arrivals.receive(FOREIGN, { type = kind }, { file_descriptor() })))
        end
        assert.is_nil((arrivals.receive(FOREIGN, { type = 5 }, { file_descriptor() })))
        assert.is_nil((arrivals.receive(FOREIGN, {}, { file_descriptor() })))
      end)
      assert.equal(1, #list)
      assert.is_truthy(list[1]:find("of the kind dgram.Socket, which is not known", 1, true))
    end))

  it("is used to its first descriptor, and the rest is closed", within(function()
    local client, peer = pair()
    local parcel = handles.prepare(FOREIGN, peer)
    local group = { parcel.descriptors[1], file_descriptor(), file_descriptor() }
    local moved = arrivals.receive(FOREIGN, parcel.entries[1], group)
    assert.is_nil(group[2]:number())
    assert.is_nil(group[3]:number())
    arrivals.drop(moved)
    wait_for(client, "close")
  end))
end)
