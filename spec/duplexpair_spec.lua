-- SPDX-License-Identifier: MIT

--- net.duplexPair: two sockets joined in memory. What the specs of sockets say holds for
--- them too; here is what is about the pair. Node's stream.duplexPair is the judge.

local net = require("net")
local support = require("spec.support")

local within = support.within

--- Notes the events of a socket, in order.
local function watch(socket, names)
  local seen = {}
  for _, name in ipairs(names) do
    socket:on(name, function(value)
      seen[#seen + 1] = name == "data" and value or name
    end)
  end
  return seen
end

local LIFE = { "data", "drain", "prefinish", "finish", "end", "error", "close" }

describe("net.duplexPair", function()
  it("gives two open sockets, without addresses or a descriptor", within(function()
    local a, b = net.duplexPair()
    for _, half in ipairs { a, b } do
      assert.is_true(net.isSocket(half))
      assert.same({ "open", false, false, true },
        { half.readyState, half.pending, half.connecting, half.allowHalfOpen })
      assert.is_nil(half.remoteAddress)
      assert.is_nil(half.localAddress)
      assert.same({}, half:address())
      assert.equal(-1, half:fd())
    end
    a:destroy()
    b:destroy()
  end))

  it("lets each half read what the other writes, and both end", within(function(t)
    local a, b = net.duplexPair()
    local seen_a, seen_b = watch(a, LIFE), watch(b, LIFE)
    b:once("data", t.calls(1, function() b:finish("answer") end))
    b:on("end", t.calls(1))
    a:on("end", t.calls(1, function() a:finish() end))
    assert.is_true(a:write("question"))
    t.run()
    assert.same({ "answer", "end", "prefinish", "finish", "close" }, seen_a)
    assert.same({ "question", "prefinish", "finish", "end", "close" }, seen_b)
    assert.same({ 6, 8, 8, 6 }, { a.bytesRead, a.bytesWritten, b.bytesRead, b.bytesWritten })
  end))

  it("tells nothing amid a write", within(function(t)
    local a, b = net.duplexPair()
    local told = false
    b:on("data", t.calls(1, function() told = true end))
    b:resume()
    net.process.nextTick(function()
      a:write("x")
      assert.is_false(told)
    end)
    t.run()
    a:destroy()
    b:destroy()
  end))

  it("counts a write as buffered until the other asks for more, which calls back", within(function(t)
    local a, b = net.duplexPair({ highWaterMark = 4 })
    local order = {}
    b:write("few", t.calls(1, function() -- and no more is asked for behind the next
      assert.is_false(b:write("12345678", t.calls(1, function(err)
        assert.is_nil(err)
        order[#order + 1] = "written"
      end)))
      b:on("drain", t.calls(1, function() order[#order + 1] = "drain" end))
      assert.equal(8, b.writableLength)
      net.timers.setImmediate(function()
        assert.same({}, order)
        assert.equal(8, b.writableLength)
        a:resume()
      end)
    end))
    t.run()
    assert.same({ "drain", "written" }, order)
    assert.equal(0, b.writableLength)
    a:destroy()
    b:destroy()
  end))

  it("tells each write when the other asks for more, and 'drain' before the last", within(function(t)
    local a, b = net.duplexPair({ highWaterMark = 4 })
    local order = {}
    local function told(name)
      return t.calls(1, function() order[#order + 1] = name .. a.writableLength end)
    end
    a:on("drain", told("drain"))
    for _, text in ipairs { "123", "456", "", "789" } do
      a:write(text, told(text))
    end
    local seen
    net.timers.setImmediate(function()
      seen = { table.concat(order, " "), b.readableLength }
      b:resume()
    end)
    t.run()
    assert.same({ "1236", 6 }, seen)
    assert.equal("1236 4563 3 drain0 7890", table.concat(order, " "))
    a:destroy()
    b:destroy()
  end))

  it("may be corked while the other has not read what came before", within(function(t)
    local a, b = net.duplexPair({ highWaterMark = 1 })
    local got = {}
    a:write("one ")
    a:write("two ", t.calls(1))
    net.timers.setImmediate(function()
      a:cork()
      a:write("three ", t.calls(1))
      b:on("data", function(chunk) got[#got + 1] = chunk end)
      net.timers.setImmediate(function()
        assert.equal("one ", table.concat(got))
        a:finish("four")
      end)
    end)
    b:on("end", t.calls(1, function() b:finish() end))
    t.run()
    assert.equal("one two three four", table.concat(got))
  end))

  it("sends many small writes within one turn", within(function(t)
    local a, b = net.duplexPair()
    local got, count = 0, 0
    b:on("data", function(chunk) got, count = got + #chunk, count + 1 end)
    for _ = 1, 100 do a:write("x") end
    a:write("x", t.calls(1))
    net.timers.setImmediate(t.calls(1, function() assert.same({ 101, 101 }, { got, count }) end))
    t.run()
    a:destroy()
    b:destroy()
  end))

  it("loses no byte of many, in pieces of any size", within(function(t)
    local a, b = net.duplexPair()
    local sent, got = {}, {}
    for i = 1, 60 do sent[i] = string.rep(string.char(64 + i), i * 997) end
    b:on("data", function(chunk)
      assert.is_true(#chunk <= 65536)
      got[#got + 1] = chunk
    end)
    b:on("end", t.calls(1, function() b:finish() end))
    for i = 1, #sent do a:write(sent[i]) end
    a:finish()
    t.run()
    assert.equal(table.concat(sent), table.concat(got))
  end))

  it("sends files, and is piped, as any socket", within(function(t)
    local a, b = net.duplexPair()
    local c, d = net.duplexPair()
    b:pipe(c)
    local got = {}
    d:on("data", function(chunk) got[#got + 1] = chunk end)
    d:on("end", t.calls(1, function() d:finish() b:finish() end))
    a:write("head ")
    a:sendFile("README.md", t.calls(1, function(err) assert.is_nil(err) end))
    a:finish()
    t.run()
    local file <close> = assert(io.open("README.md"))
    assert.equal("head " .. file:read("a"), table.concat(got))
  end))

  it("decodes, with what is left at the end", within(function(t)
    local a, b = net.duplexPair({ encoding = "base64" })
    local seen = watch(b, { "data", "end" })
    a:write("abc")
    a:finish("d")
    t.run()
    assert.same({ "YWJj", "ZA==", "end" }, seen)
    a:destroy()
    b:destroy()
  end))

  it("has an idle timeout", within(function(t)
    local a, b = net.duplexPair()
    local guard = net.timers.setTimeout(function() end, 10000)
    a:setTimeout(1, t.calls(1, function()
      a:destroy()
      b:destroy()
      net.timers.clearTimeout(guard)
    end))
    t.run()
  end))

  it("does not hold the loop", within(function()
    local a, b = net.duplexPair()
    b:on("data", function() end)
    assert.is_false(net.run())
    a:destroy()
    b:destroy()
  end))

  it("ends the other on its own if that is not half open", within(function(t)
    local a, b = net.duplexPair({ allowHalfOpen = false })
    local seen = watch(b, LIFE)
    b:on("close", t.calls(1))
    a:finish("bye")
    t.run()
    assert.same({ "bye", "end", "prefinish", "finish", "close" }, seen)
  end))
end)

describe("finish() of a half", function()
  it("is done when the other has emitted 'end'", within(function(t)
    local a, b = net.duplexPair()
    local done = false
    a:finish("x", t.calls(1, function() done = true end))
    net.timers.setImmediate(function()
      assert.is_false(done)
      b:on("end", t.calls(1, function() assert.is_false(done) end))
      b:resume()
    end)
    t.run()
    assert.is_true(done)
    a:destroy()
    b:destroy()
  end))

  it("is done when the other is destroyed", within(function(t)
    local a, b = net.duplexPair()
    a:finish("x", t.calls(1))
    net.timers.setImmediate(function() b:destroy() end)
    a:on("close", t.calls(1))
    t.run()
  end))
end)

describe("destroy() of a half", function()
  it("gives the other its end", within(function(t)
    local a, b = net.duplexPair()
    local seen = watch(b, LIFE)
    b:on("end", t.calls(1, function() b:finish() end))
    a:write("last")
    a:destroy()
    t.run()
    assert.same({ "last", "end", "prefinish", "finish", "close" }, seen)
  end))

  it("with an error destroys the other, which hears of none", within(function(t)
    local a, b = net.duplexPair()
    local seen_a, seen_b = watch(a, LIFE), watch(b, LIFE)
    a:write("last")
    a:destroy("broken")
    t.run()
    assert.same({ "error", "close" }, seen_a)
    assert.same({ "last", "close" }, seen_b)
    assert.is_nil(b.errored)
  end))

  it("with an error destroys the other though it has paused by then", within(function(t)
    local a, b = net.duplexPair({ highWaterMark = 4 })
    local seen = watch(b, { "end", "error", "close" })
    a:write("12345678")
    a:destroy("broken")
    a:on("error", t.calls(1))
    b:on("close", t.calls(1))
    t.run()
    assert.same({ "close" }, seen)
  end))

  it("makes a write to it fail with EPIPE", within(function(t)
    local a, b = net.duplexPair()
    a:on("error", t.calls(1, function(err) assert.equal("write EPIPE", err.message) end))
    b:destroy()
    net.timers.setImmediate(function()
      a:write("lost", t.calls(1, function(err) assert.equal("EPIPE", err.code) end))
    end)
    t.run()
    assert.is_true(a.destroyed)
  end))

  it("may come from any listener of the other", within(function(t)
    for _, event in ipairs { "data", "end", "readable", "finish", "drain", "close" } do
      local a, b = net.duplexPair({ highWaterMark = 1 })
      local other = (event == "finish" or event == "drain") and b or a
      local half = other == a and b or a
      half:on(event, function() other:destroy() half:destroy() end)
      a:write("some")
      a:finish()
      if event ~= "readable" then b:resume() end
      a:resume()
      net.run()
      a:destroy()
      b:destroy()
    end
    t.run()
  end))
end)

describe("net.duplexPair's options", function()
  it("are those of a socket", within(function()
    local a, b = net.duplexPair({ readableHighWaterMark = 10, writableHighWaterMark = 20 })
    assert.same({ 10, 20, 10, 20 }, { a.readableHighWaterMark, a.writableHighWaterMark,
      b.readableHighWaterMark, b.writableHighWaterMark })
    a:destroy()
    b:destroy()
  end))

  it("raise what those of a socket raise", function()
    for options, code in pairs({
      [{ highWaterMark = -1 }] = "ERR_INVALID_ARG_VALUE",
      [{ encoding = "nope" }] = "ERR_UNKNOWN_ENCODING",
      [{ objectMode = true }] = "ERR_INVALID_ARG_VALUE",
      ["text"] = "ERR_INVALID_ARG_TYPE",
    }) do
      local ok, err = pcall(net.duplexPair, options)
      assert.is_false(ok)
      assert.equal(code, err.code)
    end
  end)

  it("leave out what is about a descriptor", within(function()
    local a, b = net.duplexPair({ fd = 0, noDelay = true, typeOfService = 999 })
    a:destroy()
    b:destroy()
  end))

  it("destroy both by a signal", within(function(t)
    local controller = net.abort.AbortController()
    local a, b = net.duplexPair({ signal = controller.signal })
    for _, half in ipairs { a, b } do
      half:on("error", t.calls(1, function(err) assert.equal("ABORT_ERR", err.code) end))
    end
    controller:abort()
    t.run()
  end))
end)
