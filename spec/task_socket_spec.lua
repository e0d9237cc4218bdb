-- SPDX-License-Identifier: MIT

local co = require("net.co")
local core = require("net.core")
local net = require("net")
local support = require("spec.support.tasks")
local timers = require("net.timers")
local within = require("spec.support").within

local raised = support.raised

--- Runs `fn(near, far)` in a task, with the two ends of a connection, the far one with
--- callbacks only; both are destroyed afterwards.
local function connected(fn, options)
  return within(function(t)
    co.run(function()
      local server = net.createServer(options or {})
      server:listen(0, "127.0.0.1")
      co.await(server, "listening")
      local far
      server:on("connection", function(socket)
        far = socket
        far:on("error", function() end)
        server:close()
      end)
      local near = assert(co.connect(server:address().port, "127.0.0.1"))
      while not far do co.yield() end
      fn(near, far, t)
      near:destroy()
      far:destroy()
    end)
  end)
end

--- Writes pieces one by one, each in a turn of its own.
local function write_cut(socket, ...)
  local pieces = { ... }
  co.spawn(function()
    for _, piece in ipairs(pieces) do
      socket:write(piece)
      co.sleep(2)
    end
  end)
end

--- A text cut into single bytes.
local function bytes_of(text)
  local list = {}
  for i = 1, #text do list[i] = text:sub(i, i) end
  return table.unpack(list)
end

local function codes(...)
  local value, err, rest = ...
  return { value, err and err.code, rest }
end

describe("socket:receive", function()
  it("gives lines without their ends", connected(function(near, far)
    far:write("one\r\ntwo\n\nthree\rstill\r\r\n")
    assert.same({ "one", "two", "", "three\rstill\r" },
      { (near:receive()), (near:receive("line")), (near:receive("l")), (near:receive("*l")) })
  end))

  it("gives lines with their ends", connected(function(near, far)
    far:write("one\r\ntwo\n")
    assert.same({ "one\r\n", "two\n" }, { (near:receive("L")), (near:receive("*L")) })
  end))

  it("gives the same however the bytes are cut", connected(function(near, far)
    write_cut(far, bytes_of("a\r\nbc\n123"))
    assert.same({ "a", "bc", "123" }, { (near:receive()), (near:receive()), (near:receive(3)) })
  end))

  it("gives exactly n bytes", connected(function(near, far)
    for _, n in ipairs({ 1, 65536, 65537, 10 * 1024 * 1024 }) do
      far:write(("x"):rep(n))
      assert.equal(n, #near:receive(n))
    end
    assert.equal("", near:receive(0))
    far:write("abcdef")
    assert.same({ "ab", "cd", "ef" }, { (near:receive(2)), (near:receive(2)), (near:receive(2)) })
  end))

  it("gives what there is", connected(function(near, far)
    far:write("abc")
    assert.equal("abc", near:receive("some"))
    far:write("abcd")
    assert.equal("ab", near:receive("some", 2))
    assert.equal("cd", near:receive("some", 65536))
  end))

  it("gives everything to the end, once", connected(function(near, far)
    write_cut(far, "one", "two")
    timers.setTimeout(function() far:finish("three") end, 10)
    assert.equal("onetwothree", near:receive("all"))
    assert.same({ "", "" }, { (near:receive("all")), (near:receive("*a")) })
  end))

  it("tells of the end: nil, EOF and the rest", connected(function(near, far)
    far:finish("partial")
    local value, err, rest = near:receive()
    assert.is_nil(value)
    assert.equal(co.EOF, err)
    assert.equal("partial", rest)
    assert.same({ nil, "EOF", "" }, codes(near:receive()))
    assert.same({ nil, "EOF", "" }, codes(near:receive(5)))
    assert.same({ nil, "EOF", "" }, codes(near:receive(0)))
    assert.same({ nil, "EOF", "" }, codes(near:receive("some")))
  end))

  it("tells of a failure after the complete answers, again and again", connected(function(near, far)
    far:write("line\nrest")
    near:peek(9)
    far:resetAndDestroy()
    co.await(near, "close")
    assert.equal("line", near:receive())
    assert.same({ nil, "ECONNRESET", "rest" }, codes(near:receive()))
    assert.same({ nil, "ECONNRESET", "" }, codes(near:receive()))
    assert.same({ nil, "ECONNRESET", "" }, codes(near:receive("all")))
  end))

  it("consumes nothing when it is interrupted", connected(function(near, far)
    far:write("part")
    assert.equal("ERR_TIMEOUT", codes(co.timeout(5, near.receive, near))[2])
    assert.equal("ERR_TIMEOUT", codes(co.timeout(5, near.receive, near, 10))[2])
    assert.equal("ERR_TIMEOUT", codes(co.timeout(5, near.receive, near, "all"))[2])
    far:write("ial\n")
    assert.equal("partial", near:receive())
  end))

  it("leaves the answer of a loser in the buffer", connected(function(near, far)
    local won = co.queue()
    timers.setTimeout(function()
      won:push("won")
      far:write("line\n")
    end, 1)
    assert.same({ 1, "won" }, { co.race({
      function() return won:get() end,
      function() return near:receive() end,
    }) })
    assert.equal("line", near:receive())
  end))

  it("of two in a race that finish in one turn leaves the loser's bytes", connected(function(near, far)
    local other, there = net.duplexPair()
    local a, b = net.duplexPair()
    a:on("data", function() -- so both are written within one callback
      there:write("there\n")
      far:write("far\n")
    end)
    b:write("go")
    local key, line = co.race({
      function() return other:receive() end,
      function() return near:receive() end,
    })
    local left = key == 1 and near or other
    assert.equal(key == 1 and "there" or "far", line)
    assert.equal(key == 1 and "far" or "there", left:receive())
    for _, socket in ipairs({ other, there, a, b }) do socket:destroy() end
  end))

  --- In one turn: so many tasks are woken that no more run in it, then there are bytes for
  --- the reader, which is ready and does not run; then it is cancelled.
  local function cancel_ready(far, reader, bytes)
    local server = net.createServer():listen(0, "127.0.0.1")
    if not server.listening then co.await(server, "listening") end
    local crowd, cancelled, accepted = co.queue(), co.queue(), co.queue()
    for _ = 1, 300 do co.spawn(crowd.get, crowd) end
    server:on("connection", function(socket)
      server:close()
      accepted:push(true)
      socket:on("data", function()
        for _ = 1, 300 do crowd:push(true) end
        timers.setImmediate(function()
          cancelled:push(reader.status)
          reader:cancel()
        end)
        socket:destroy()
      end)
    end)
    local first = assert(co.connect(server:address().port, "127.0.0.1"))
    accepted:get() -- else what it is sent would come in a later turn
    co.yield()
    co.yield()
    first:write("x")
    far:write(bytes)
    local status = cancelled:get()
    first:destroy()
    reader:await()
    return status
  end

  it("gives back what was on its way to one that is cancelled", connected(function(near, far)
    for _, what in ipairs({ "line", "L", "some", 6 }) do
      local reader = co.spawn(near.receive, near, what)
      co.yield()
      assert.equal("ready", cancel_ready(far, reader, "line\r\nrest"))
      assert.equal("cancelled", reader.status)
      assert.equal("line\r\nrest", near:receive(10))
    end
  end))

  it("refuses what is too long, and consumes nothing", connected(function(near, far)
    far:write("12345\r\n")
    assert.same({ nil, "ERR_RECEIVE_TOO_LONG" }, codes(near:receive("line", 4)))
    assert.equal("12345", near:receive("line", 5))
    far:write("12345\r")
    assert.equal("ERR_TIMEOUT", codes(co.timeout(3, near.receive, near, "line", 5))[2])
    far:write("x")
    assert.same({ nil, "ERR_RECEIVE_TOO_LONG" }, codes(near:receive("line", 5)))
    assert.same({ nil, "ERR_RECEIVE_TOO_LONG" }, codes(near:receive(8, 7)))
    assert.equal("12345\rx", near:receive("some"))
    far:write(("x"):rep(70000))
    assert.same({ nil, "ERR_RECEIVE_TOO_LONG" }, codes(near:receive()))
    assert.equal(70000, #near:receive(70000))
    far:finish("abc")
    assert.same({ nil, "ERR_RECEIVE_TOO_LONG" }, codes(near:receive("all", 2)))
    assert.equal("abc", near:receive("all", 3))
  end))

  it("takes a line as long as the default allows", connected(function(near, far)
    far:write(("x"):rep(65536) .. "\r\n")
    assert.equal(65536, #near:receive())
  end))

  it("refuses what it does not know", connected(function(near)
    for _, what in ipairs({ "lines", "", "*x" }) do
      assert.equal("ERR_INVALID_ARG_VALUE", raised(near.receive, near, what).code)
    end
    assert.equal("ERR_OUT_OF_RANGE", raised(near.receive, near, -1).code)
    assert.equal("ERR_OUT_OF_RANGE", raised(near.receive, near, 1.5).code)
    assert.equal("ERR_INVALID_ARG_VALUE", raised(near.receive, near, "7").code)
    assert.equal("ERR_INVALID_ARG_TYPE", raised(near.receive, near, {}).code)
    assert.equal("ERR_OUT_OF_RANGE", raised(near.receive, near, "line", 0).code)
    assert.equal("ERR_INVALID_ARG_TYPE", raised(near.receive, near, "line", "1").code)
    assert.equal("ERR_INVALID_THIS", raised(near.receive, {}).code)
    co.suspend(function(resume)
      assert.equal("ERR_CANNOT_WAIT", raised(near.receive, near).code)
      resume()
    end)
  end))

  it("searches a long line that comes byte by byte once", connected(function(near, far)
    near:setNoDelay(true)
    far:setNoDelay(true)
    co.spawn(function()
      for _ = 1, 3000 do
        far:write("x")
        co.yield()
      end
      far:write("\n")
    end)
    assert.equal(3000, #near:receive())
  end))

  it("is the only reader, and says who the other is", connected(function(near, far)
    local reader = co.spawn(near.receive, near)
    reader.name = "the reader"
    co.yield()
    local err = raised(near.receive, near)
    assert.equal("ERR_SOCKET_BUSY", err.code)
    assert.truthy(err.message:find("the reader", 1, true))
    for _, fn in ipairs({
      function() near:on("data", print) end,
      function() near:on("readable", print) end,
      function() near:once("data", print) end,
      function() near:pipe(far) end,
      function() near:read() end,
      function() near:resume() end,
    }) do
      err = raised(fn)
      assert.equal("ERR_SOCKET_BUSY", err.code)
      assert.truthy(err.message:find("the reader", 1, true), err.message)
    end
    assert.equal(0, near:listenerCount("data"))
    far:write("line\n")
    assert.equal("line", reader:await())
    local function listener() end
    for _, event in ipairs({ "data", "readable" }) do
      near:on(event, listener)
      err = raised(near.receive, near)
      assert.equal("ERR_SOCKET_BUSY", err.code)
      assert.truthy(err.message:find(event, 1, true))
      near:off(event, listener)
    end
  end))

  it("and callbacks may alternate", connected(function(near, far, t)
    far:write("task 1\n")
    assert.equal("task 1", near:receive())
    near:on("data", t.log)
    far:write("callback")
    while #t.lines == 0 do co.sleep(1) end
    near:off("data", t.log)
    near:pause()
    far:write("task 2\n")
    assert.equal("task 2", near:receive())
    near:unshift("again\n")
    assert.equal("again", near:receive())
    assert.same({ "callback" }, t.lines)
  end))

  it("keeps no more than the mark, and one read, while nobody reads", connected(function(near, far)
    far:write(("x"):rep(4 * 1024 * 1024))
    near:peek(1)
    for _ = 1, 20 do co.yield() end
    assert.is_true(near.readableLength <= 2 * 65536)
    assert.equal(4 * 1024 * 1024, #near:receive(4 * 1024 * 1024))
  end))

  it("gives text after setEncoding", connected(function(near, far)
    near:setEncoding("hex")
    far:write("ab")
    assert.equal("6162", near:receive(4))
  end))

  it("fails by the idle timeout, and nothing is lost", connected(function(near, far, t)
    near:setTimeout(5)
    near:on("timeout", function() t.log("timeout") end)
    far:write("par")
    assert.same({ nil, "ERR_TIMEOUT" }, codes(near:receive()))
    assert.same({ "timeout" }, t.lines)
    near:setTimeout(0)
    far:write("tial\n")
    assert.equal("partial", near:receive())
  end))

  it("has premature close after the program's own destroy()", connected(function(near, far)
    far:write("buffered\n")
    near:peek("some")
    local reader = co.spawn(function() return near:receive(1000) end)
    co.yield()
    near:destroy()
    assert.same({ nil, "ERR_STREAM_PREMATURE_CLOSE", "" }, codes(reader:await()))
    assert.same({ nil, "ERR_STREAM_PREMATURE_CLOSE", "" }, codes(near:receive()))
  end))

  it("wakes all who wait when the program destroys the socket", connected(function(near, far, t)
    far:pause()
    local waits = {
      receive = co.spawn(near.receive, near),
      send = co.spawn(near.send, near, ("x"):rep(1 << 23)),
      flush = co.spawn(near.flush, near),
      finished = co.spawn(co.finished, near),
    }
    co.yield()
    for name, task in pairs(waits) do assert.equal("waiting", task.status, name) end
    near:destroy()
    for name, task in pairs(waits) do
      local value, err = task:await()
      t.log(name, value, err and err.code)
    end
    table.sort(t.lines)
    -- ECANCELED is what such a socket's `errored` is in Node, as a write was cut off.
    assert.same({ "finished nil ECANCELED", "flush nil ERR_STREAM_DESTROYED",
      "receive nil ERR_STREAM_PREMATURE_CLOSE", "send nil ERR_STREAM_DESTROYED" }, t.lines)
  end))

  it("fails by no idle timeout while bytes come, however slowly", connected(function(near, far)
    near:setTimeout(300)
    co.spawn(function()
      for _ = 1, 8 do
        far:write("x")
        co.sleep(50)
      end
      far:write("\n")
    end)
    assert.equal("xxxxxxxx", near:receive())
  end))

  it("does not raise a reset that nobody hears: the next call tells", connected(function(near, far)
    near:peek(0)
    far:resetAndDestroy()
    co.await(near, "close")
    assert.same({ nil, "ECONNRESET", "" }, codes(near:receive()))
    assert.same({ nil, "ECONNRESET" }, codes(near:send("x")))
  end))

  it("lets others run, of a socket that has always ended", connected(function(near, far)
    far:finish()
    local done = false
    timers.setTimeout(function() done = true end, 3)
    while not done do near:receive() end
  end))
end)

describe("socket:receiveUntil", function()
  for _, delimiter in ipairs({ ";", "--", "aab", "0123456789" }) do
    it(("finds %q, wherever it is cut"):format(delimiter), connected(function(near, far)
      local text = "head " .. delimiter:sub(1, 1) .. delimiter .. "rest"
      local first = text:find(delimiter, 1, true)
      for cut = 1, #text - 1 do
        write_cut(far, text:sub(1, cut), text:sub(cut + 1))
        assert.equal(text:sub(1, first - 1), near:receiveUntil(delimiter))
        assert.equal(text:sub(first + #delimiter), near:receive(#text - first - #delimiter + 1))
      end
    end))
  end

  it("is not misled by a false start", connected(function(near, far)
    write_cut(far, bytes_of("aaab|ababac|"))
    assert.same({ "a", "|ab" }, { (near:receiveUntil("aab")), (near:receiveUntil("abac")) })
    assert.equal("|", near:receive(1))
  end))

  it("counts what stands before the delimiter", connected(function(near, far)
    far:write("12345--")
    assert.same({ nil, "ERR_RECEIVE_TOO_LONG" }, codes(near:receiveUntil("--", 4)))
    assert.equal("12345", near:receiveUntil("--", 5))
    far:finish("no")
    assert.same({ nil, "EOF", "no" }, codes(near:receiveUntil("--")))
  end))

  it("needs a delimiter", connected(function(near)
    assert.equal("ERR_INVALID_ARG_TYPE", raised(near.receiveUntil, near).code)
    assert.equal("ERR_INVALID_ARG_VALUE", raised(near.receiveUntil, near, "").code)
  end))
end)

describe("socket:peek", function()
  it("takes nothing", connected(function(near, far)
    far:write("line\nrest")
    assert.equal("line", near:peek())
    assert.equal("line", near:peek())
    assert.equal("line\nrest", near:receive(9))
    far:finish("end")
    assert.same({ nil, "EOF", "end" }, codes(near:peek()))
    assert.same({ nil, "EOF", "end" }, codes(near:receive()))
  end))
end)

describe("socket:lines and socket:chunks", function()
  it("end at the end; a last line may lack its own", connected(function(near, far, t)
    far:finish("one\ntwo\r\nthree")
    for line in near:lines() do t.log(line) end
    assert.same({ "one", "two", "three" }, t.lines)
  end))

  it("give what arrives", connected(function(near, far)
    far:finish("abc")
    local all = {}
    for chunk in near:chunks(2) do all[#all + 1] = chunk end
    assert.same({ "ab", "c" }, all)
  end))

  it("do nothing to the socket when they are left", connected(function(near, far)
    far:write("one\ntwo\nthree\n")
    for _ in near:lines() do break end -- luacheck: ignore 512
    assert.equal("two", near:receive())
    for line in near:lines() do -- luacheck: ignore 512
      assert.equal("three", line)
      break
    end
  end))

  it("raise a failure", connected(function(near, far, t)
    far:write("line\n")
    near:peek(5)
    far:resetAndDestroy()
    co.await(near, "close")
    local next_line = near:lines()
    assert.equal("line", next_line())
    assert.equal("ECONNRESET", raised(next_line).code)
    assert.equal("ERR_RECEIVE_TOO_LONG", raised(function()
      local a, b = net.duplexPair()
      t.finally(function()
        a:destroy()
        b:destroy()
        net.run()
      end)
      b:write("12345\n")
      for _ in a:lines(2) do end
    end).code)
  end))
end)

describe("socket:send", function()
  it("sends all its strings together", connected(function(near, far, t)
    far:on("data", t.log)
    assert.is_true(near:send("a", "b", "c"))
    assert.is_true(near:send())
    while #t.lines == 0 do co.sleep(1) end
    assert.same({ "abc" }, t.lines)
  end))

  it("checks before it queues", connected(function(near, far)
    for _, bad in ipairs({ 1, {}, false }) do
      assert.equal("ERR_INVALID_ARG_TYPE", raised(near.send, near, "x", bad).code)
    end
    assert.equal("ERR_INVALID_ARG_TYPE", raised(near.send, near, nil).code)
    near:send("y")
    near:finish()
    local text = ""
    far:on("data", function(chunk) text = text .. chunk end)
    co.await(far, "end")
    assert.equal("y", text)
  end))

  it("waits while more is buffered than the mark allows", connected(function(near, far)
    far:pause()
    local sent = 0
    local sender = co.spawn(function()
      for _ = 1, 100 do
        near:send(("x"):rep(100000))
        sent = sent + 1
      end
    end)
    co.sleep(10)
    assert.is_true(sent < 100)
    local got = 0
    far:on("data", function(chunk) got = got + #chunk end)
    far:resume()
    sender:await()
    near:flush()
    near:finish()
    co.await(far, "end")
    assert.equal(100 * 100000, got)
  end))

  it("keeps each call's bytes together, of ten tasks", connected(function(near, far)
    far:pause()
    co.group(function(g)
      for i = 0, 9 do
        g:spawn(function()
          for _ = 1, 5 do
            assert(near:send(("%d"):format(i):rep(30000), ("%d"):format(i):rep(30000)))
          end
        end)
      end
      co.sleep(2)
      far:resume()
      local runs, last, length = 0, nil, 0
      far:on("data", function(chunk)
        for digit in chunk:gmatch("%d") do
          if digit == last then
            length = length + 1
          else
            runs, last, length = runs + 1, digit, 1
          end
        end
      end)
      g:spawn(function() near:flush() end)
    end)
    near:finish()
    co.await(far, "end")
  end))

  it("gives nil and the error of what is finished, destroyed or has failed", connected(function(near, far)
    near:finish()
    assert.same({ nil, "ERR_STREAM_WRITE_AFTER_END" }, codes(near:send("x")))
    near:destroy()
    assert.same({ nil, "ERR_STREAM_WRITE_AFTER_END" }, codes(near:send("x")))
    far:destroy()
  end))

  it("wakes with the error when the socket is reset meanwhile", connected(function(near, far)
    far:pause()
    local sender = co.spawn(function()
      while true do
        local ok, err = near:send(("x"):rep(1000000))
        if not ok then return err.code end
      end
    end)
    co.sleep(5)
    far:resetAndDestroy()
    local code = sender:await()
    assert.is_true(code == "ECONNRESET" or code == "EPIPE", code)
  end))

  it("fails by the idle timeout of a peer that does not read", connected(function(near, far)
    far:pause()
    near:setTimeout(10)
    local code
    repeat
      local ok, err = near:send(("x"):rep(1000000))
      code = err and err.code
    until not ok
    assert.equal("ERR_TIMEOUT", code)
    assert.is_false(near.destroyed)
  end))

  it("waits on a socket that is connecting, too, and all of it arrives", within(function()
    local server = net.createServer():listen(0, "127.0.0.1")
    co.run(function()
      if not server.listening then co.await(server, "listening") end
      local near = net.connect(server:address().port, "127.0.0.1")
      local sender = co.spawn(near.send, near, ("x"):rep(1 << 20))
      local far = server:incoming()()
      assert.equal("waiting", sender.status)
      assert.equal(1 << 20, #far:receive(1 << 20))
      assert.is_true(sender:await())
      near:destroy()
      far:destroy()
      server:close()
    end)
  end))

  it("lets timers run, to a peer that is as fast", connected(function(near, far)
    far:resume()
    local done = false
    timers.setTimeout(function() done = true end, 5)
    while not done do near:send("x") end
  end))

  it("is sent although its wait is interrupted", connected(function(near, far)
    far:pause()
    co.timeout(5, function()
      for _ = 1, 10 do near:send(("x"):rep(1000000)) end
    end)
    local written = near.bytesWritten
    local got = 0
    far:on("data", function(chunk) got = got + #chunk end)
    far:resume()
    near:finish()
    co.await(far, "end")
    assert.equal(written, got)
  end))
end)

describe("socket:flush", function()
  it("waits until the kernel has what was written, and the end", connected(function(near, far)
    assert.is_true(near:flush())
    far:pause()
    near:write(("x"):rep(8000000))
    local flusher = co.spawn(near.flush, near)
    co.sleep(5)
    assert.equal("waiting", flusher.status)
    assert.matches("^flush to 127.0.0.1:", flusher.waiting)
    far:resume()
    assert.is_true(flusher:await())
    near:finish("last")
    assert.is_true(near:flush())
    assert.is_true(near.writableFinished)
  end))

  it("gives nil and the error", connected(function(near, far)
    far:pause()
    near:write(("x"):rep(8000000))
    timers.setTimeout(function() far:resetAndDestroy() end, 2)
    local ok, err = near:flush()
    assert.is_nil(ok)
    assert.is_true(err.code == "ECONNRESET" or err.code == "EPIPE", err.code)
  end))
end)

describe("a socket in tasks' hands", function()
  it("is finished after the peer's end when the task is over that has it", within(function(t)
    local server = net.createServer()
    server:listen(0, "127.0.0.1")
    server:serve(function(socket)
      local request = socket:receive("all")
      co.sleep(2) -- Node would have ended it by now
      assert(socket:send("answer to " .. request))
    end)
    co.run(function()
      if not server.listening then co.await(server, "listening") end
      local socket = co.connect({ port = server:address().port, host = "127.0.0.1",
        allowHalfOpen = true })
      socket:finish("question")
      t.log(socket:receive("all"))
      server:close()
    end)
    assert.same({ "answer to question" }, t.lines)
  end))

  for _, name in ipairs({ "race", "any", "all" }) do
    it("may be answered by who calls co." .. name .. ", after a child has read", within(function(t)
      local server = net.createServer()
      server:listen(0, "127.0.0.1")
      server:serve(function(socket)
        for _ = 1, 2 do
          local key, line = co[name]({
            function() return socket:receive() end,
            name ~= "all" and support.forever or nil,
          })
          co.sleep(2) -- the end has come by now, too
          assert(socket:send(tostring(line or key[1]), "!\n"))
        end
      end)
      co.run(function()
        if not server.listening then co.await(server, "listening") end
        local socket = co.connect({ port = server:address().port, host = "127.0.0.1",
          allowHalfOpen = true })
        socket:finish("one\ntwo\n")
        t.log(socket:receive("all"))
        server:close()
      end)
      assert.same({ "one!\ntwo!\n" }, t.lines)
    end))
  end

  it("is finished when the task is over that has called co.race", within(function(t)
    local server = net.createServer({ allowHalfOpen = true })
    server:on("connection", function(socket)
      socket:on("end", t.calls(1))
      socket:finish()
      socket:resume()
      server:close()
    end)
    server:listen(0, "127.0.0.1", function()
      co.spawn(function()
        local socket = co.connect(server:address().port, "127.0.0.1")
        co.spawn(function() -- which ends first, and leaves nobody waiting
          co.race({ function() socket:receive("all") end })
        end)
      end)
    end)
    t.run()
  end))

  it("is finished by the end of a task that forgets it", within(function(t)
    local server = net.createServer({ allowHalfOpen = true })
    server:on("connection", function(socket)
      socket:on("end", t.calls(1))
      socket:finish()
      socket:resume()
      server:close()
    end)
    server:listen(0, "127.0.0.1", function()
      co.spawn(function()
        local socket = co.connect(server:address().port, "127.0.0.1")
        socket:receive("all")
      end)
    end)
    t.run()
  end))

  it("stays open with allowHalfOpen", connected(function(near, far)
    local socket = far
    socket:finish()
    assert.same({ nil, "EOF", "" }, codes(near:receive()))
  end))

  it("may be one of a pair", within(function()
    co.run(function()
      local a, b = net.duplexPair()
      co.spawn(function()
        for line in b:lines() do b:send(line:upper(), "\n") end
        b:finish()
      end)
      a:send("hello\n")
      assert.equal("HELLO", a:receive())
      a:finish()
      assert.equal(co.EOF, select(2, a:receive()))
    end)
  end))
end)

describe("co.connect", function()
  it("gives nil and the error, and no descriptor is left", within(function()
    co.run(function()
      local socket, err = co.connect(1, "127.0.0.1")
      assert.is_nil(socket)
      assert.equal("ECONNREFUSED", err.code)
      assert.equal("ERR_SOCKET_BAD_PORT", raised(co.connect, 99999).code)
    end)
  end))

  it("raises for the order of LuaSocket", within(function()
    local err = co.run(function() return raised(co.connect, "localhost", 80) end)
    assert.equal("ERR_INVALID_ARG_VALUE", err.code)
    assert.truthy(err.message:find("(port, host)", 1, true))
  end))

  it("raises outside of a task, and connects nothing", within(function()
    assert.equal("ERR_CANNOT_WAIT", raised(co.connect, 1).code)
  end))

  it("is undone by a cancel", within(function()
    local task = co.spawn(co.connect, { port = 1, host = "name", lookup = function() end })
    co.run(function()
      co.yield()
      task:cancel()
    end)
    assert.equal("cancelled", task.status)
  end))

  it("of two in a race leaves one socket", within(function(t)
    local server = net.createServer():listen(0, "127.0.0.1")
    local count = 0
    server:on("connection", function(socket)
      count = count + 1
      socket:resume()
      socket:on("close", function() t.log("closed") end)
    end)
    co.run(function()
      if not server.listening then co.await(server, "listening") end
      local function connect() return co.connect(server:address().port, "127.0.0.1") end
      local _, socket = co.race({ connect, connect })
      assert.is_false(socket.destroyed)
      socket:destroy()
      server:close()
    end)
    assert.equal(count, #t.lines)
  end))
end)

describe("a task that reads, and waits for its turn", function()
  it("lets nobody else read", connected(function(near, far)
    far:write(("x\n"):rep(200))
    near:peek(400)
    local count = 0
    local task = co.spawn(function()
      while count < 200 and near:receive() do count = count + 1 end
    end)
    co.yield()
    while task.status ~= "waiting" do co.yield() end
    local err = raised(near.on, near, "data", function() end)
    assert.equal("ERR_SOCKET_BUSY", err.code)
    task:await()
    assert.equal(200, count)
  end))
end)

describe("a task that has had its turn, and is hit by a timeout before it runs", function()
  it("is interrupted when it has to wait on", connected(function(near, far)
    local crowd = co.queue()
    for _ = 1, 600 do co.spawn(crowd.get, crowd) end
    far:write(("line\n"):rep(63))
    near:peek(63 * 5)
    local late = timers.setTimeout(function() far:write("late\n") end, 20000)
    local value, err = co.timeout(1, function()
      for _ = 1, 63 do near:receive() end
      local start = core.now()
      repeat until core.now() - start > 2
      -- So many are woken that two turns do not run them all; then it is ready, behind them.
      timers.setImmediate(function()
        for _ = 1, 600 do crowd:push(true) end
      end)
      return near:receive()
    end)
    timers.clearTimeout(late)
    assert.same({ nil, "ERR_TIMEOUT" }, codes(value, err))
  end))
end)

describe("co.finished", function()
  it("comes back at once for a server that was closed", within(function()
    co.run(function()
      local server = assert(co.listen(0, "127.0.0.1"))
      server:close()
      assert.is_true(co.finished(server))
      assert.is_true(co.finished(server))
      server:listen(0, "127.0.0.1")
      co.await(server, "listening")
      local near = assert(co.connect(server:address().port, "127.0.0.1"))
      local far = server:incoming()()
      server:close()
      timers.setTimeout(function() far:destroy() end, 2)
      assert.is_true(co.finished(server))
      assert.is_true(far.destroyed)
      near:destroy()
    end)
  end))

  it("waits for the close, at once if it was", connected(function(near, far)
    far:destroy(net.Error({ message = "own" }))
    local ok, err = co.finished(far)
    assert.is_nil(ok)
    assert.equal("own", err.message)
    timers.setTimeout(function() near:destroy() end, 2)
    assert.is_true(co.finished(near))
    assert.is_true(co.finished(near))
  end))
end)

describe("co.pipeline", function()
  it("fails at once from a socket that was closed before its end", connected(function(near, far)
    local server = assert(co.listen(0, "127.0.0.1"))
    local other = assert(co.connect(server:address().port, "127.0.0.1"))
    local peer = server:incoming()()
    server:close()
    far:destroy()
    co.finished(far)
    co.sleep(1) -- a turn in which nothing of it is queued any more
    local ok, err = co.pipeline(far, other)
    assert.is_nil(ok)
    assert.equal("ERR_STREAM_PREMATURE_CLOSE", err.code)
    assert.is_true(other.destroyed)
    near:destroy()
    peer:destroy()
  end))

  it("is true when the other has all and the end", connected(function(near, far)
    local a, b = net.duplexPair()
    b:finish(("x"):rep(200000))
    local got = 0
    far:on("data", function(chunk) got = got + #chunk end)
    assert.is_true(co.pipeline(a, near))
    co.await(far, "end")
    assert.equal(200000, got)
    a:destroy()
    b:destroy()
  end, { allowHalfOpen = true }))

  it("destroys both on a failure of either, or interrupted", connected(function(near, far)
    local a, b = net.duplexPair()
    timers.setTimeout(function() far:resetAndDestroy() end, 2)
    local ok, err = co.pipeline(a, near)
    assert.is_nil(ok)
    assert.is_true(err.code == "ECONNRESET" or err.code == "EPIPE", err.code)
    assert.same({ true, true }, { a.destroyed, near.destroyed })
    b:destroy()
    local c, d = net.duplexPair()
    local e, f = net.duplexPair()
    assert.equal("ERR_TIMEOUT", codes(co.timeout(2, co.pipeline, c, e))[2])
    assert.same({ true, true }, { c.destroyed, e.destroyed })
    d:destroy()
    f:destroy()
  end))
end)

describe("co.pipeline of a source that is reset", function()
  it("destroys both, with the source's error", connected(function(near, far)
    local a, b = net.duplexPair()
    timers.setTimeout(function() far:resetAndDestroy() end, 2)
    assert.same({ nil, "ECONNRESET" }, codes(co.pipeline(near, a)))
    assert.same({ true, true }, { a.destroyed, near.destroyed })
    b:destroy()
  end))
end)

describe("co.listen and server:incoming", function()
  it("keeps a connection for the next, of a task that is cancelled on its way", within(function()
    co.run(function()
      local server = assert(co.listen(0, "127.0.0.1"))
      local loser = co.spawn(function()
        for socket in server:incoming() do socket:destroy() end
      end)
      co.yield()
      server:once("connection", function() loser:cancel() end)
      local near = assert(co.connect(server:address().port, "127.0.0.1"))
      assert.is_nil((loser:await()))
      local socket = server:incoming()()
      socket:destroy()
      server:close()
      near:destroy()
    end)
  end))

  local function client(port, text)
    local socket = net.connect(port, "127.0.0.1")
    socket:on("error", function() end)
    socket:finish(text)
    socket:resume()
    return socket
  end

  it("accept only when they are asked", within(function(t)
    co.run(function()
      local server = assert(co.listen(0, "127.0.0.1"))
      for i = 1, 3 do client(server:address().port, tostring(i)) end
      co.sleep(5)
      assert.equal(0, server.connections)
      for socket in server:incoming() do
        t.log(socket:receive("all"))
        socket:destroy()
        if #t.lines == 2 then break end
      end
      co.sleep(2)
      assert.equal(0, server.connections)
      for socket in server:incoming() do
        t.log(socket:receive("all"))
        server:close()
      end
    end)
    table.sort(t.lines)
    assert.same({ "1", "2", "3" }, t.lines)
  end))

  it("take two hundred at once", within(function()
    co.run(function()
      local server = assert(co.listen({ port = 0, host = "127.0.0.1", backlog = 511 }))
      for _ = 1, 200 do client(server:address().port, "x") end
      local count = 0
      for socket in server:incoming() do
        socket:destroy()
        count = count + 1
        if count == 200 then server:close() end
      end
      assert.equal(200, count)
    end)
  end))

  it("end when the server closes while somebody waits, and are one loop at a time", within(function()
    co.run(function()
      local server = assert(co.listen(0, "127.0.0.1"))
      timers.setTimeout(function() server:close() end, 3)
      local step = server:incoming()
      assert.equal("ERR_SOCKET_BUSY", raised(server.incoming, server).code)
      assert.is_nil(step())
      assert.is_nil(step())
    end)
  end))

  it("give nil and the error of a port that is taken; a loop raises it", within(function()
    co.run(function()
      local server = assert(co.listen(0, "127.0.0.1"))
      local port = server:address().port
      local other, err = co.listen(port, "127.0.0.1")
      assert.is_nil(other)
      assert.equal("EADDRINUSE", err.code)
      local late = net.createServer():listen(port, "127.0.0.1")
      assert.equal("EADDRINUSE", raised(late:incoming()).code)
      assert.equal("ERR_INVALID_ARG_VALUE", raised(co.listen, "localhost", 80).code)
      server:close()
    end)
  end))

  it("leave a connection to the next when the one who waits is cancelled", within(function(t)
    co.run(function()
      local server = assert(co.listen(0, "127.0.0.1"))
      local step = server:incoming()
      local waiting = co.spawn(step)
      co.yield()
      server:on("connection", function() waiting:cancel() end)
      client(server:address().port, "kept")
      t.log(step():receive("all"))
      server:close()
    end)
    assert.same({ "kept" }, t.lines)
  end))
end)

describe("server:serve", function()
  it("destroys the socket of a handler that the loop has closed", within(function(t)
    local server = net.createServer():listen(0, "127.0.0.1")
    server:serve(function() coroutine.yield() end)
    co.spawn(function()
      local near = assert(co.connect(server:address().port, "127.0.0.1"))
      local _, err = co.timeout(5000, near.receive, near)
      t.log(err.code)
      near:destroy()
      server:close()
    end)
    assert.equal("ERR_STRAY_YIELD", raised(t.run).code)
    t.run()
    assert.same({ "EOF" }, t.lines)
  end))

  --- A server that is served by `handler`, and the answer of one client to `text`.
  local function ask(t, handler, text, on_error)
    local server = net.createServer()
    local task = server:serve(handler, on_error)
    local answer = ""
    server:listen(0, "127.0.0.1", function()
      local socket = net.connect(server:address().port, "127.0.0.1")
      socket:on("error", function(err) t.log(err.code) end)
      socket:on("data", function(chunk) answer = answer .. chunk end)
      socket:on("close", function() server:close() end)
      socket:finish(text)
    end)
    t.run()
    return answer, task
  end

  it("sends what a handler has written before it returns", within(function(t)
    local answer, task = ask(t, function(socket)
      socket:write(("x"):rep(1000000))
    end, "unread")
    assert.equal(1000000, #answer)
    assert.equal("done", task.status)
  end))

  it("destroys the socket of a handler that raises, and goes on", within(function(t)
    local err = raised(ask, t, function() error("mistake", 0) end, "x")
    assert.equal("mistake", err)
    t.run()
  end))

  it("hands errors to onError, with the socket", within(function(t)
    ask(t, function() error("mistake", 0) end, "x", function(err, socket)
      t.log(err, net.isSocket(socket), socket.destroyed)
    end)
    assert.equal("mistake true true", t.lines[1])
  end))

  it("takes the error of the socket itself for its end", within(function(t)
    ask(t, function(socket)
      while true do
        local line, err = socket:receive()
        if not line then error(err, 0) end
      end
    end, "a\nb\n", t.log)
    assert.same({}, t.lines)
  end))

  it("is cancelled with its handlers, and closes the server", within(function(t)
    local server = net.createServer()
    local serving = server:serve(function(socket)
      local _ <close> = support.closable(t, "handler")
      socket:receive()
    end)
    server:listen(0, "127.0.0.1", function()
      local socket = net.connect(server:address().port, "127.0.0.1")
      socket:on("error", function() end)
      socket:on("close", t.calls(1))
      server:once("connection", function()
        timers.setTimeout(function() serving:cancel() end, 2)
      end)
    end)
    t.run()
    assert.same({ "closed handler" }, t.lines)
    assert.equal("cancelled", serving.status)
    assert.is_false(server.listening)
  end))

  it("raises when the server cannot listen", within(function(t)
    co.run(function()
      local server = assert(co.listen(0, "127.0.0.1"))
      local late = net.createServer()
      local serving = late:serve(t.never())
      late:listen(server:address().port, "127.0.0.1")
      assert.equal("EADDRINUSE", raised(serving.await, serving).code)
      server:close()
    end)
  end))

  it("refuses what is no function", within(function()
    local server = net.createServer()
    assert.equal("ERR_INVALID_ARG_TYPE", raised(server.serve, server).code)
    assert.equal("ERR_INVALID_ARG_TYPE", raised(server.serve, server, print, 1).code)
  end))
end)
