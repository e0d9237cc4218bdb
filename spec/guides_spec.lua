-- SPDX-License-Identifier: MIT

-- The code of docs/guide/ is run: whole programs in processes of their own, the clients against
-- the servers of the same pages; functions that stand alone against a socket. A page's code of
-- other libraries is marked by their names behind "lua".

local child = require("net.child")
local co = require("net.co")
local files = require("spec.support.files")
local net = require("net")
local process = require("spec.support.process")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local PORT = "8007" -- of all programs in the guides

--- The blocks of a page that are code for this library, in their order.
local function blocks_of(path)
  local list = {}
  for text in io.open(path):read("a"):gmatch("\n```lua\n(.-\n)```") do
    list[#list + 1] = text
  end
  return list
end

--- The only block of a page that has this.
local function block(page, part)
  local found
  for _, text in ipairs(blocks_of("docs/guide/" .. page)) do
    if text:find(part, 1, true) then
      assert(not found, part .. " is in two blocks")
      found = text
    end
  end
  return assert(found, part .. " is in no block")
end

local spawned, ran = {}, {}

--- The command that runs a block with another port, as a page says: by luanet where it does not
--- run the loop itself.
local function command(text, port)
  ran[text] = true
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write((text:gsub(PORT, tostring(port))))
  spawned[#spawned + 1] = { kill = function() os.remove(path) end }
  if text:find("co.run(", 1, true) or text:find("net.run(", 1, true) then
    return process.lua(path)
  end
  return process.lua("bin/luanet", path)
end

--- Starts a block that is a server; returns it and its port, when it listens.
local function serve(text)
  local port = sockets.free_port()
  local p = process.spawn(command(text, port))
  table.insert(spawned, 1, p)
  co.run(function()
    repeat
      local socket <close> = co.connect(port, "127.0.0.1")
    until socket or not co.sleep(5)
  end)
  return p, port
end

local function run(text, port)
  local output, code = process.run(command(text, port) .. " 2>&1")
  assert.equal(0, code, output)
  return output
end

--- The function that a block defines, which is all it does.
local function defined(text)
  ran[text] = true
  local name = text:match("^local function (%w+)")
  return assert(load(text .. "return " .. name, "@guide", "t", setmetatable({ co = co }, { __index = _G })))()
end

--- Calls `fn(near, far)` in a task, with the ends of a connection.
local function connected(fn)
  return within(function()
    co.run(function()
      local near <close>, far = net.duplexPair()
      fn(near, far)
      far:destroy()
    end)
  end)
end

after_each(function()
  for _, p in ipairs(spawned) do
    p:kill()
  end
  spawned = {}
end)

describe("docs/guide/tasks.md", function()
  local function beside_server(part, expected)
    return function()
      local _, port = serve(block("tasks.md", "you said"))
      assert.equal(expected, run(block("tasks.md", part), port))
    end
  end

  it("has a client", beside_server("co.run(function()\n  local socket = assert", "you said hello\n"))

  it("has one for luanet", beside_server('co")\n\nlocal socket <close> =', "you said hello\n"))

  it("has timeouts", beside_server("how are you?", "you said how are you?\n"))

  it("has several at once", beside_server("limit = 10", "100\n2\tyou said hello\n"))

  it("has what goes wrong", function()
    local text = block("tasks.md", "cannot connect")
    local p, port = serve(block("tasks.md", "you said"))
    assert.equal("answer\tyou said hello\n", run(text, port))
    p:kill()
    assert.equal("cannot connect\tECONNREFUSED\n", run(text, port))
  end)

  it("has a timeout that comes, and the end of who does not answer", function()
    co.run(function()
      local server <close> = assert(co.listen(0, "127.0.0.1"))
      server:serve(function(socket)
        socket:receive("line")
        socket:send("half")
      end)
      local text = block("tasks.md", "cannot connect")
      local kid = child.spawn("sh", { "-c", command(text, server:address().port) })
      assert.equal("ended\thalf\n", kid.stdout:receive("all"))
    end)
    co.run(function()
      local server <close> = assert(co.listen(0, "127.0.0.1"))
      local serving <close> = server:serve(function(socket) socket:receive("all") end)
      assert(serving)
      local text = block("tasks.md", "how are you?"):gsub("5000", "50")
      local kid = child.spawn("sh", { "-c", command(text, server:address().port) })
      assert.equal("no answer in time\n", kid.stdout:receive("all"))
    end)
  end)

  it("has limits", connected(function(near, far)
    local request = defined(block("tasks.md", "8192"))
    far:write("PUT /\r\nContent-Length: 3\r\n\r\nabcGET /\r\n\r\n")
    assert.same({ "PUT /\r\nContent-Length: 3", "abc" }, { request(near) })
    assert.same({ "GET /", "" }, { request(near) })
    far:write("Content-Length: 1000001\r\n\r\n")
    assert.same({ nil, "too much" }, { request(near) })
    far:write(("x"):rep(9000))
    assert.equal("ERR_RECEIVE_TOO_LONG", select(2, request(near)).code)
  end))

  it("has a wait for one of two things", connected(function(near, far)
    local fn, orders = defined(block("tasks.md", "orders:get")), co.queue()
    local task = co.spawn(fn, near, orders)
    far:write("hello\n")
    assert.equal("client says hello", far:receive())
    orders:push("halt")
    assert.equal("order says halt", far:receive())
    far:finish()
    task:await()
  end))

  it("has clean-up after a cancel", function()
    co.run(function()
      local server <close> = assert(co.listen(0, "127.0.0.1"))
      local got
      local serving <close> = server:serve(function(socket) got = socket:receive("all") end)
      assert(serving)
      local kid = child.spawn("sh", { "-c",
        command(block("tasks.md", "task:cancel()"), server:address().port) })
      assert.matches("^nil\tAbortError: The task was cancelled\n$", kid.stdout:receive("all"))
      while not got do co.yield() end
      assert.equal("bye\n", got)
    end)
  end)

  it("has a server with limits, timeouts and a clean end", function()
    local p, port = serve(block("tasks.md", "drain"))
    p:expect("^listening on port")
    co.run(function()
      local busy <close> = assert(co.connect(port, "127.0.0.1"))
      local idle <close> = assert(co.connect(port, "127.0.0.1"))
      local long <close> = assert(co.connect(port, "127.0.0.1"))
      idle:send("hello\n")
      assert.equal("HELLO", idle:receive())
      long:send(("x"):rep(1001))
      assert.equal(co.EOF, select(2, long:receive()))
      busy:send(("y"):rep(500), "\na\n")
      assert.equal(("Y"):rep(500), busy:receive())
      p:signal("TERM")
      assert.equal("A", busy:receive())
      assert.equal(co.EOF, select(2, idle:receive()))
    end)
    assert.same({ "ended\n", 0 }, { p:finish() })
  end)

  it("tells where a task is", function()
    local output = run(block("tasks.md", "task.waiting"), 0)
    assert.matches("^reader\twaiting\tget from Queue: [^\n]*\n.*reader: waits.*\nat last\n$", output)
  end)

  it("has functions with callbacks", function()
    assert.equal("done\ndone\n", run(block("tasks.md", "resume"), 0))
  end)
end)

describe("docs/guide/from-*.md", function()
  for _, page in ipairs({ "from-node.md", "from-cqueues.md" }) do
    it("has a client: " .. page, function()
      local _, port = serve(block("from-copas.md", "serve"))
      assert.equal("hello\n", run(block(page, "co.connect"), port))
    end)
  end

  it("has a server: from-copas.md", function()
    local _, port = serve(block("from-copas.md", "serve"))
    co.run(function()
      local socket <close> = assert(co.connect(port, "127.0.0.1"))
      socket:send("a\nb\n")
      assert.same({ "a", "b" }, { socket:receive(), socket:receive() })
    end)
  end)
end)

describe("README.md", function()
  it("has servers that give back what you type, with callbacks and in tasks", function()
    local texts = blocks_of("README.md")
    assert.equal(2, #texts)
    for _, text in ipairs(texts) do
      local _, port = serve((text:gsub("8124", PORT)))
      co.run(function()
        local socket <close> = assert(co.connect(port, "127.0.0.1"))
        socket:send("what you type")
        assert.equal("what you type", socket:receive(13))
      end)
    end
  end)
end)

describe("The pages of docs/guide/", function()
  it("have no code that is not Lua", function()
    for path in files.below("docs/guide", ".md") do
      for i, text in ipairs(blocks_of(path)) do
        assert(load(text, ("@%s, block %d"):format(path, i), "t"))
      end
    end
  end)

  it("have no code about tasks that is not run here", function()
    for _, page in ipairs({ "tasks", "from-node", "from-copas", "from-cqueues" }) do
      for i, text in ipairs(blocks_of("docs/guide/" .. page .. ".md")) do
        assert.is_true(ran[text], ("%s, block %d"):format(page, i))
      end
    end
  end)
end)
