-- SPDX-License-Identifier: MIT

--- The descriptors that a child gets, and what becomes of ours.

local child = require("net.child")
local children = require("spec.support.children")
local core = require("net.core")
local net = require("net")
local support = require("spec.support")
local within = support.within

local gather, sh = children.gather, children.sh

--- The descriptors of the process of that number: number -> what it is.
local LIST = "ls -l /proc/$$/fd; :"

--- Starts a shell that tells of its descriptors by its descriptor `out`, and gives what it
--- says: number -> what it is.
local function descriptors_of(t, stdio, out)
  local kid = child.spawn("sh", { "-c", ("exec >&%d; "):format(out) .. LIST }, { stdio = stdio })
  local got = gather(kid.stdio[out + 1])
  t.run()
  local open = {}
  for fd, what in got.text:gmatch("(%d+) %-> ([^\n]*)") do
    open[tonumber(fd)] = what
  end
  return open
end

local function keys(set)
  local list = {}
  for key in pairs(set) do list[#list + 1] = key end
  table.sort(list)
  return list
end

describe("The stdio of a child", function()
  it("is three pipes by default, and nothing else is open", within(function(t)
    local file <close> = assert(io.open("README.md")) -- Lua opens without close-on-exec
    local server = net.createServer():listen(0)
    server:unref()
    local open = descriptors_of(t, nil, 1)
    server:close()
    t.run()
    assert.same({ 0, 1, 2 }, keys(open))
    for fd = 0, 2 do
      assert.matches("^socket:", open[fd])
    end
    assert.equal("file", io.type(file))
  end))

  it("is /dev/null for 'ignore', and nothing beyond the third", within(function(t)
    local open = descriptors_of(t, { "ignore", "pipe", "ignore", "ignore", nil, false, "pipe" }, 1)
    assert.same({ 0, 1, 2, 6 }, keys(open))
    assert.equal("/dev/null", open[0])
    assert.equal("/dev/null", open[2])
    local kid = child.spawn("sh", { "-c", "read x || exit 7" }, { stdio = "ignore" })
    assert.is_nil(kid.stdin)
    assert.is_nil(kid.stdout)
    assert.same({}, kid.stdio)
    t.run()
    assert.equal(7, kid.exitCode)
  end))

  it("may be inherited", within(function(t)
    local path = t.tmpdir() .. "/out"
    local process = require("spec.support.process")
    local script = os.tmpname()
    local file <close> = assert(io.open(script, "w"))
    file:write([[
      local net, child = require("net"), require("net.child")
      io.write("first\n") -- in Lua's buffer
      local kid = child.spawn("sh", { "-c", "echo second; echo third >&2" }, { stdio = "inherit" })
      assert(kid.stdin == nil and kid.stdout == nil and kid.stderr == nil)
      net.run()
      io.write("fourth\n")
    ]])
    file:close()
    local output, code = process.run(process.lua(script) .. " >" .. path .. " 2>&1; cat " .. path)
    os.remove(script)
    assert.equal(0, code)
    assert.equal("first\nsecond\nthird\nfourth\n", output)
    t.run()
  end))

  it("may be sockets both ways, from the second place on", within(function(t)
    local kid = child.spawn("sh", { "-c", "cat <&3 >&3" }, { stdio = { "ignore", "ignore", "ignore", "pipe" } })
    local pipe = kid.stdio[4]
    assert.is_true(net.isSocket(pipe))
    assert.is_nil(kid.stdio[1])
    local got = gather(pipe)
    kid.stdio[4]:finish("there and back")
    t.run()
    assert.equal("there and back", got.text)
  end))

  it("has a standard input that is only written to", within(function(t)
    local kid = child.spawn("cat")
    local out = gather(kid.stdout)
    assert.is_false(kid.stdin.readable)
    assert.is_true(kid.stdin.writable)
    assert.equal(kid.stdin, kid.stdio[1])
    assert.equal(kid.stdout, kid.stdio[2])
    assert.equal(kid.stderr, kid.stdio[3])
    local closed = t.calls(1)
    kid.stdin:on("close", closed)
    kid.stdin:write("a")
    kid.stdin:finish("b")
    t.run()
    assert.equal("ab", out.text)
  end))

  it("destroys standard input when the child has ended", within(function(t)
    local kid = child.spawn("true")
    kid:on("exit", function() assert.is_true(kid.stdin.destroyed) end)
    kid.stdin:on("close", t.calls(1))
    t.run()
  end))

  it("is read to the end though nobody looks at it, so that 'close' comes", within(function(t)
    local kid = sh("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2")
    local unheard = child.spawn("sh", { "-c", "head -c 100000 /dev/zero" })
    kid:on("close", t.calls(1))
    unheard:on("close", t.calls(1))
    t.run()
  end))

  it("lets who listens only at 'exit' have all of it", within(function(t)
    local kid = child.spawn("sh", { "-c", "echo late" })
    local got
    kid:on("exit", function() got = gather(kid.stdout) end)
    t.run()
    assert.equal("late\n", got.text)
  end))

  it("moves big amounts both ways", within(function(t)
    local kid = child.spawn("cat")
    local out, text = gather(kid.stdout), ("0123456789abcdef"):rep(200000)
    kid.stdin:finish(text)
    t.run()
    assert.is_true(out.text == text)
  end))

  it("takes numbers, Lua files and whatever has fd", within(function(t)
    local dir = t.tmpdir()
    local function written(entry)
      local kid = child.spawn("sh", { "-c", "echo text >&4" }, { stdio = { [5] = entry } })
      t.run()
      assert.equal(0, kid.exitCode)
      local file <close> = assert(io.open(dir .. "/f"))
      return file:read("a")
    end
    local file = assert(io.open(dir .. "/f", "w"))
    local number = core.child.fd(file)
    assert.equal("text\n", written(number))
    assert.equal("text\ntext\n", written({ fd = number }))
    file:write("ours\n") -- still in the buffer: leaves before the child writes
    assert.equal("ours\ntext\n", written(file):sub(-10))
    assert.equal("file", io.type(file))
    file:close()
  end))

  it("takes servers and bound sockets, which stay ours", within(function(t)
    local server = net.createServer(function(peer) peer:destroy() end)
    local bound = net.BoundSocket({ host = "127.0.0.1" })
    local got
    server:listen(0, "127.0.0.1", t.calls(1, function()
      local kid = child.spawn("sh", { "-c", LIST },
        { stdio = { "ignore", "pipe", "ignore", server, bound } })
      got = gather(kid.stdout)
      kid:on("close", t.calls(1, function()
        assert.is_true(server.listening)
        local client = net.connect(server:address().port, "127.0.0.1")
        client:on("close", function() server:close() end)
        client:resume()
      end))
    end))
    t.run()
    bound:close()
    assert.matches("3 %-> socket:.*4 %-> socket:", got.text)
  end))

  it("takes a Socket of ours, which is destroyed where it was made blocking", within(function(t)
    local one = child.spawn("cat")
    local two = child.spawn("sh", { "-c", "echo through; exec cat" }, { stdio = { "ignore", one.stdin, "ignore" } })
    assert.is_true(one.stdin.destroyed)
    assert.is_nil(two.stdout)
    local out = gather(one.stdout)
    t.run()
    assert.equal("through\n", out.text)
  end))

  it("pauses a Socket of ours beyond the third place", within(function(t)
    local one = child.spawn("cat")
    local two = child.spawn("sh", { "-c", "echo through >&3" },
      { stdio = { "ignore", "ignore", "ignore", one.stdin } })
    assert.is_false(one.stdin.destroyed)
    two:on("exit", function() one.stdin:finish("and ours") end)
    local out = gather(one.stdout)
    t.run()
    assert.equal("through\nand ours", out.text)
  end))

  it("has what was written before the call in front of the child's", within(function(t)
    local one = child.spawn("cat")
    one.stdin:write("before ")
    child.spawn("sh", { "-c", "echo behind" }, { stdio = { "ignore", one.stdin, "ignore" } })
    local out = gather(one.stdout)
    t.run()
    assert.equal("before behind\n", out.text)
  end))

  it("may have the same descriptor twice, and descriptors that change places", within(function(t)
    local dir = t.tmpdir()
    local a, b = assert(io.open(dir .. "/a", "w")), assert(io.open(dir .. "/b", "w"))
    local fa, fb = core.child.fd(a), core.child.fd(b)
    local script = "echo one >&1; echo two >&2; "
    local stdio = { "ignore", a, a }
    -- each at the place of the other, and both once more beyond
    for place = 3, math.max(fa, fb) + 2 do
      stdio[place + 1] = place == fa and b or place == fb and a or "ignore"
    end
    stdio[math.max(fa, fb) + 2], stdio[math.max(fa, fb) + 3] = a, b
    script = script .. ("echo swapped-a >&%d; echo swapped-b >&%d; "):format(fb, fa)
    if math.max(fa, fb) + 2 <= 9 then
      script = script .. ("echo again >&%d"):format(math.max(fa, fb) + 1)
    end
    local kid = child.spawn("bash", { "-c", script }, { stdio = stdio })
    kid:on("error", function() end)
    t.run()
    a:close()
    b:close()
    if kid.exitCode == -2 then return end -- there is no bash
    local fa_text, fb_text = assert(io.open(dir .. "/a")):read("a"), assert(io.open(dir .. "/b")):read("a")
    assert.matches("^one\ntwo\nswapped%-a\n", fa_text)
    assert.equal("swapped-b\n", fb_text)
  end))

  it("makes the standard descriptors blocking in the child", within(function(t)
    local open = descriptors_of(t, nil, 1)
    assert.matches("^socket:", open[1])
    local kid = child.spawn("sh", { "-c", "cat /proc/$$/fdinfo/0 /proc/$$/fdinfo/3" },
      { stdio = { "pipe", "pipe", "ignore", "pipe" } })
    local out = gather(kid.stdout)
    t.run()
    local count = 0
    for flags in out.text:gmatch("flags:%s+(%d+)") do
      count = count + 1
      assert.equal(0, tonumber(flags, 8) & 0x800) -- O_NONBLOCK of Linux
    end
    assert.equal(2, count)
  end))

  it("leaves no descriptor with us, whatever the child does with its own", within(function(t)
    local before = support.descriptors()
    local kid = sh("exec 0<&- 1>&- 2>&-; exit 4")
    kid:on("close", t.calls(1, function(code) assert.equal(4, code) end))
    t.run()
    assert.same(before, support.descriptors())
  end))

  it("is closed for 'close' only when grandchildren have closed it too", within(function(t)
    local kid = child.spawn("sh", { "-c", "(read x; echo late) <&3 & exit 0" },
      { stdio = { "ignore", "pipe", "ignore", "pipe" } })
    local out, log = gather(kid.stdout), children.watch(kid)
    kid:on("exit", function()
      assert.is_nil(out.text)
      kid.stdio[4]:finish("go\n")
    end)
    t.run()
    assert.equal("late\n", out.text)
    assert.same({ "spawn", "exit 0 nil", "close 0 nil" }, log)
  end))
end)
