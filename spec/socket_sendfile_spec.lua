-- SPDX-License-Identifier: MIT

--- socket:sendFile(): a file, or a part of it, in its turn among the writes, with
--- their backpressure, callbacks and errors; and what is said of a file that is
--- not there, is no file, or changes while it is sent.

local lua = require("spec.support.lua")
local net = require("net")
local process = require("spec.support.process")
local sockets = require("spec.support.sockets")
local support = require("spec.support")
local within = support.within

local pair, wait, wait_for, settle = sockets.pair, sockets.wait, sockets.wait_for, sockets.settle
local trace, note, raised, kind = sockets.trace, sockets.note, sockets.raised, sockets.kind

local BIG = ("0123456789abcdef"):rep(1 << 20) -- 16 MiB

local function drop(t, ...)
  for i = 1, select("#", ...) do
    (select(i, ...)):destroy()
  end
  t.run()
end

local function collect(socket)
  local got = { bytes = 0 }
  socket:on("data", function(chunk)
    got[#got + 1] = chunk
    got.bytes = got.bytes + #chunk
  end)
  return got
end

--- A file with that content; returns its path.
local function file_with(t, content)
  local path = t.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(content)
  file:close()
  return path
end

--- The descriptor of a file that is open by that path.
local function descriptor_of(path)
  for fd, what in pairs(support.descriptors()) do
    if what == path then
      return fd
    end
  end
end

local function is_open(path)
  return descriptor_of(path) ~= nil
end

describe("sendFile()", function()
  it("sends a file, and its callback hears when it is gone", within(function(t)
    local socket, peer = pair()
    local path, got = file_with(t, "content"), collect(peer)
    assert.is_true(socket:sendFile(path, t.calls(1, function(err) assert.is_nil(err) end)))
    assert.equal(7, socket.bytesWritten)
    wait(function() return got.bytes == 7 end)
    assert.equal("content", table.concat(got))
    assert.is_false(is_open(path))
    drop(t, socket, peer)
  end))

  for name, options in pairs({ TCP = {}, Unix = { unix = true } }) do
    it("sends 16 MiB byte for byte over " .. name, within(function(t)
      local socket, peer = pair(options)
      local got = collect(peer)
      socket:sendFile(file_with(t, BIG))
      socket:finish()
      t.run()
      assert.is_true(table.concat(got) == BIG)
      assert.equal(#BIG, socket.bytesWritten)
    end))
  end

  it("keeps its place among the writes", within(function(t)
    local socket, peer = pair()
    local got, seen = collect(peer), {}
    local one, two = file_with(t, "[one]"), file_with(t, BIG)
    socket:write("head ", note(seen, "head"))
    socket:sendFile(one, note(seen, "one"))
    socket:write(" between ", note(seen, "between"))
    socket:sendFile(two, note(seen, "two"))
    socket:sendFile(one, note(seen, "again"))
    socket:finish(" tail", note(seen, "tail"))
    t.run()
    assert.is_true(table.concat(got) == "head [one] between " .. BIG .. "[one] tail")
    assert.same({ "head", "one", "between", "two", "again", "tail" }, seen)
  end))

  local parts = {
    { 0, nil, "0123456789" }, { 3, nil, "3456789" }, { 3, 4, "3456" }, { nil, 4, "0123" },
    { 10, nil, "" }, { 99, nil, "" }, { 4, 0, "" }, { 0, 10, "0123456789" }, { 2.0, 3.0, "234" },
  }
  for _, part in ipairs(parts) do
    it(("from %s for %s sends %q"):format(part[1], part[2], part[3]), within(function(t)
      local socket, peer = pair()
      local got, path = collect(peer), file_with(t, "0123456789")
      socket:sendFile(path, part[1], part[2], t.calls(1, function(err) assert.is_nil(err) end))
      assert.equal(#part[3], socket.bytesWritten)
      socket:finish("!")
      t.run()
      assert.equal(part[3] .. "!", table.concat(got))
    end))
  end

  it("takes the callback in place of what is left out", within(function(t)
    local socket, peer = pair()
    local got, path = collect(peer), file_with(t, "abc")
    socket:sendFile(path, t.calls(1))
    socket:sendFile(path, 1, t.calls(1))
    socket:sendFile(path, 1, 1, t.calls(1))
    socket:finish()
    t.run()
    assert.equal("abcbcb", table.concat(got))
  end))

  it("knows offsets beyond 4 GiB", within(function(t)
    local socket, peer = pair()
    local got, path = collect(peer), t.tmpname()
    local file = assert(io.open(path, "wb"))
    file:seek("set", 5 << 30)
    file:write("far away")
    file:close()
    socket:sendFile(path, 5 << 30)
    socket:finish()
    t.run()
    assert.equal("far away", table.concat(got))
  end))

  it("of a descriptor leaves it open, and where it was", within(function(t)
    local socket, peer = pair()
    local got, path = collect(peer), file_with(t, "0123456789")
    local file = assert(io.open(path, "rb"))
    file:setvbuf("no")
    assert.equal("01", file:read(2))
    socket:sendFile(descriptor_of(path), 1, 3)
    socket:finish()
    t.run()
    assert.equal("123", table.concat(got))
    assert.equal("2345", file:read(4))
    file:close()
  end))

  it("of a descriptor that is closed meanwhile goes on", within(function(t)
    local socket, peer = pair()
    local path = file_with(t, BIG)
    local file = assert(io.open(path, "rb"))
    assert.is_false(socket:sendFile(descriptor_of(path)))
    file:close()
    local got = collect(peer)
    socket:finish()
    t.run()
    assert.is_true(table.concat(got) == BIG)
  end))

  it("while connecting waits for the connection", within(function(t)
    local server, where = sockets.listen()
    local got
    server:on("connection", function(peer)
      got = collect(peer)
      server:close()
    end)
    local socket = net.connect(where)
    assert.is_true(socket:sendFile(file_with(t, "early")))
    assert.equal(5, socket.writableLength)
    socket:finish()
    t.run()
    assert.equal("early", table.concat(got))
  end))

  it("is held back by cork()", within(function(t)
    local socket, peer = pair()
    local got, path = collect(peer), file_with(t, "file ")
    socket:cork()
    socket:write("head ")
    socket:sendFile(path)
    socket:write("tail")
    settle()
    assert.same({ 14, 0 }, { socket.writableLength, got.bytes })
    assert.is_true(is_open(path))
    socket:uncork()
    wait(function() return got.bytes == 14 end)
    assert.equal("head file tail", table.concat(got))
    drop(t, socket, peer)
  end))
end)

describe("a file larger than the kernel takes", function()
  it("has sendFile() return false, and 'drain' follows", within(function(t)
    local socket, peer = pair()
    local seen = trace(socket)
    assert.is_false(socket:sendFile(file_with(t, BIG), note(seen, "sent")))
    assert.same({ true, #BIG, #BIG },
      { socket.writableNeedDrain, socket.writableLength, socket.bytesWritten })
    peer:resume()
    wait_for(socket, "drain")
    assert.equal(0, socket.writableLength)
    wait(function() return #seen == 2 end)
    assert.same({ "drain", "sent" }, seen)
    drop(t, socket, peer)
  end))

  it("is closed by destroy(), its callback hears of it", within(function(t)
    local socket, peer = pair()
    local path, seen = file_with(t, BIG), {}
    socket:sendFile(path, note(seen, "sent"))
    socket:sendFile(path, note(seen, "second"))
    assert.is_true(is_open(path))
    socket:destroy()
    wait_for(socket, "close")
    assert.is_false(is_open(path))
    assert.equal(2, #seen)
    drop(t, peer)
  end))

  it("is closed when the peer goes", within(function(t)
    local socket, peer = pair()
    local path, seen = file_with(t, BIG), trace(socket)
    socket:sendFile(path, note(seen, "sent"))
    wait(function() return socket.writableNeedDrain end)
    peer:resetAndDestroy()
    wait_for(socket, "close")
    assert.is_true(seen[1]:find("^sent E") ~= nil or seen[1]:find("^error E") ~= nil)
    assert.is_false(is_open(path))
    t.run()
  end))

  it("is closed when the socket connects anew at once", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", function(peer) peer:resume() end)
    local socket, peer = pair()
    local path = file_with(t, BIG)
    socket:sendFile(path)
    socket:sendFile(path)
    socket:destroy()
    socket:connect(where)
    wait_for(socket, "connect")
    settle()
    assert.is_false(is_open(path))
    server:close()
    drop(t, socket, peer)
  end))

  it("is closed by destroy() before the connection stands", within(function(t)
    local server, where = sockets.listen()
    local socket = net.connect(where)
    local path, seen = file_with(t, BIG), trace(socket)
    assert.is_false(socket:sendFile(path, note(seen, "sent")))
    socket:destroy()
    wait_for(socket, "close")
    settle()
    assert.same({ "close false", "sent ERR_SOCKET_CLOSED_BEFORE_CONNECTION" }, seen)
    assert.is_false(is_open(path))
    server:close()
    t.run()
  end))

  it("keeps the idle timeout away as long as it moves", within(function(t)
    local socket, peer = pair()
    local got = collect(peer)
    socket:setTimeout(10000, t.never())
    socket:sendFile(file_with(t, BIG))
    socket:finish()
    t.run()
    assert.equal(#BIG, got.bytes)
  end))

  it("does not hold up lua_close", within(function()
    local out, code = process.run(process.lua("-e", [[
      local net = require("net")
      local path = os.tmpname()
      local file = io.open(path, "wb")
      file:write(("x"):rep(1 << 24))
      file:close()
      local server = net.createServer(function() end)
      server:listen(0, "127.0.0.1", function()
        local socket = net.connect(server:address().port, "127.0.0.1", function() end)
        socket:on("connect", function()
          socket:sendFile(path)
          socket:sendFile(path, 5)
          os.remove(path)
          os.exit(true, true)
        end)
      end)
      net.run()
    ]]))
    assert.equal(0, code, out)
  end))
end)

describe("a peer that closes in the midst of a file", function()
  --- Sends its file to `connections` clients one after the other.
  local SERVER = [[
    local net = require("net")
    local path, file, left = arg[1], arg[2], tonumber(arg[3])
    local server
    server = net.createServer(function(socket)
      socket:on("error", function() end)
      socket:on("close", function()
        left = left - 1
        if left == 0 then
          server:close()
        end
      end)
      socket:sendFile(file)
    end)
    server:listen(path, function()
      print("ready")
      io.stdout:flush()
    end)
    net.run()
  ]]

  --- Connects again and again, each time to go after some bytes more.
  local function leave_early(path, connections)
    local left = connections
    local function again()
      if left == 0 then
        return
      end
      left = left - 1
      local want = (connections - left) * 7919 % 400000
      local socket = net.connect(path)
      socket:on("error", function() end)
      socket:on("data", function(chunk)
        want = want - #chunk
        if want <= 0 then
          socket:destroy()
        end
      end)
      socket:on("close", again)
    end
    again()
  end

  it("kills nobody by SIGPIPE, which sendfile(2) may raise and yet succeed", within(function(t)
    local path, connections = sockets.path(), 500
    local server = lua.start({
      script = SERVER, args = { path, file_with(t, BIG), connections },
    })
    assert.equal("ready", server:read())
    leave_early(path, connections)
    t.run()
    assert.same({ code = 0, stdout = "", stderr = "" }, server:wait())
  end))
end)

describe("a file that changes while it is sent", function()
  it("and shrinks destroys the socket: what was promised cannot be sent", within(function(t)
    local socket, peer = pair()
    local path = file_with(t, BIG)
    local seen = trace(socket)
    socket:sendFile(path, note(seen, "sent"))
    file_with(t, "") -- another one
    assert(io.open(path, "wb")):close()
    local got = collect(peer)
    wait_for(socket, "close")
    assert.same({ "sent ERR_FILE_TOO_SHORT", "error ERR_FILE_TOO_SHORT", "close true" }, seen)
    assert.is_true(got.bytes < #BIG)
    t.run()
  end))

  it("and grows is sent as long as it was", within(function(t)
    local socket, peer = pair()
    local path = file_with(t, BIG)
    socket:sendFile(path)
    local file = assert(io.open(path, "ab"))
    file:write("more")
    file:close()
    local got = collect(peer)
    socket:finish()
    t.run()
    assert.is_true(table.concat(got) == BIG)
  end))

  it("and is removed is sent all the same", within(function(t)
    local socket, peer = pair()
    local path = file_with(t, BIG)
    socket:sendFile(path)
    os.remove(path)
    local got = collect(peer)
    socket:finish()
    t.run()
    assert.equal(#BIG, got.bytes)
  end))
end)

--- What is no file, and what is said of it.
local BAD = {
  ["a path that is not there"] = { function(t) return t.tmpname() end, "open ENOENT" },
  ["a directory"] = { function(t) return t.tmpdir() end, "sendfile EISDIR" },
  ["a device"] = { function() return "/dev/null" end, "sendfile ESPIPE" },
  ["a descriptor that is not open"] = { function() return 12345 end, "dup EBADF" },
}

describe("what cannot be sent", function()
  for name, bad in pairs(BAD) do
    it("goes to the callback, on a tick, and leaves the socket alone: " .. name, within(function(t)
      local socket, peer = pair()
      local got, seen = collect(peer), trace(socket)
      local file, told = bad[1](t), nil
      assert.is_true(socket:sendFile(file, function(err) told = err end))
      assert.is_nil(told)
      wait(function() return told end)
      assert.equal("Error: " .. bad[2], tostring(told))
      assert.equal(type(file) == "string" and file or nil, told.path)
      assert.same({ 0, true }, { socket.bytesWritten, socket.writable })
      assert.same({}, seen)
      socket:finish("404")
      t.run()
      assert.equal("404", table.concat(got))
    end))

    it("without a callback destroys the socket: " .. name, within(function(t)
      local socket, peer = pair()
      peer:resume()
      local errors = {}
      socket:on("error", function(err) errors[#errors + 1] = tostring(err) end)
      assert.is_false(socket:sendFile(bad[1](t)))
      t.run()
      assert.same({ "Error: " .. bad[2] }, errors)
    end))
  end

  it("is a descriptor that is open for writing only", within(function(t)
    local socket, peer = pair()
    peer:resume()
    local path = file_with(t, "abc")
    local file = assert(io.open(path, "ab"))
    local told
    assert.is_true(socket:sendFile(descriptor_of(path), function(err) told = err end))
    wait(function() return told end)
    file:close()
    assert.equal("Error: sendfile EBADF", tostring(told))
    assert.is_true(socket.writable)
    drop(t, socket, peer)
  end))

  it("is a length that the file does not have", within(function(t)
    local socket, peer = pair()
    local path, told = file_with(t, "abc"), nil
    socket:sendFile(path, 1, 3, function(err) told = err end)
    wait(function() return told end)
    assert.equal("Error ERR_FILE_TOO_SHORT", kind(told))
    assert.equal(0, socket.bytesWritten)
    drop(t, socket, peer)
  end))

  it("is anything after finish()", within(function(t)
    local socket, peer = pair({ client = { allowHalfOpen = true } })
    local path, seen = file_with(t, BIG), trace(socket)
    peer:resume()
    socket:finish()
    assert.is_false(socket:sendFile(path, note(seen, "sent")))
    wait_for(socket, "close")
    assert.equal("sent ERR_STREAM_WRITE_AFTER_END", seen[1])
    assert.is_false(is_open(path))
    drop(t, peer)
  end))

  it("is anything after destroy()", within(function(t)
    local socket, peer = pair()
    local path, told = file_with(t, BIG), nil
    socket:destroy()
    assert.is_false(socket:sendFile(path, function(err) told = err end))
    wait(function() return told end)
    assert.equal("Error ERR_STREAM_DESTROYED", kind(told))
    drop(t, peer)
  end))

  it("is anything without a connection", within(function(t)
    local socket = net.Socket()
    local path, seen = file_with(t, BIG), trace(socket)
    assert.is_false(socket:sendFile(path, note(seen, "sent")))
    t.run()
    assert.same({ "sent ERR_SOCKET_CLOSED", "error ERR_SOCKET_CLOSED", "close" }, seen)
    assert.is_false(is_open(path))
  end))
end)

describe("wrong arguments of sendFile()", function()
  for _, case in ipairs({
    { "ERR_INVALID_ARG_TYPE", "file" }, { "ERR_INVALID_ARG_TYPE", "file", {} },
    { "ERR_INVALID_ARG_VALUE", "file", "a\0b" }, { "ERR_OUT_OF_RANGE", "file", -1 },
    { "ERR_OUT_OF_RANGE", "file", 1.5 }, { "ERR_INVALID_ARG_TYPE", "offset", "x", "1" },
    { "ERR_OUT_OF_RANGE", "offset", "x", -1 }, { "ERR_OUT_OF_RANGE", "offset", "x", 0.5 },
    { "ERR_OUT_OF_RANGE", "offset", "x", 0 / 0 }, { "ERR_INVALID_ARG_TYPE", "length", "x", 0, true },
    { "ERR_OUT_OF_RANGE", "length", "x", 0, -1 }, { "ERR_OUT_OF_RANGE", "length", "x", 0, 2 ^ 60 },
    { "ERR_INVALID_ARG_TYPE", "callback", "x", 0, 1, "fn" },
  }) do
    local shown = {}
    for i = 3, #case do shown[#shown + 1] = tostring(case[i]):gsub("[^%w.-]", "?"):sub(1, 5) end
    it(("(%s) raise %s about %s"):format(table.concat(shown, ", "), case[1], case[2]),
      within(function(t)
        local socket, peer = pair()
        local err = raised(socket.sendFile, socket, table.unpack(case, 3))
        assert.equal(case[1], err.code)
        assert.is_truthy(err.message:find(case[2], 1, true))
        assert.same({ 0, true }, { socket.bytesWritten, socket.writable })
        drop(t, socket, peer)
      end))
  end
end)
