-- SPDX-License-Identifier: MIT

-- The programs of docs/guide/processes.md that need no others than ours, as they stand there: each
-- in a process of its own, with a port and paths that are free. What is in front of them, and
-- Node, is in spec/peers/guide_peers.lua.

local guide = require("spec.support.guide").of("docs/guide/processes.md")
local lfs = require("lfs")
local machines = require("spec.support.machines")
local net = require("net")
local process = require("net.process")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local wait = sockets.wait

local LUANET = lfs.currentdir() .. "/bin/luanet"

local SERVER = guide.block("lua", "-- server.lua")
local RELOAD = guide.block("lua", "-- in the primary's branch of server.lua")
local LEAVE = guide.block("lua", "-- in the worker's branch")
local REPLACE = guide.block("lua", "child.replace(arg[0]")
local TAKE_OVER = guide.block("lua", "net.takeOver")
local MESSAGE = guide.block("lua", "binary = true")

--- What a program begins with here: it says at once what it prints.
local BEGINNING = 'io.stdout:setvbuf("line") '

local function start(t, text)
  return machines.start(t, { LUANET, machines.write(t, ".lua", BEGINNING .. text) })
end

--- What one connection is told that says hello; nil where nobody listens.
local function ask(port)
  local got, over, failed = "", false, nil
  local socket = net.connect(port, "127.0.0.1")
  socket:on("data", function(chunk)
    got = got .. chunk
    socket:finish()
  end)
  socket:on("error", function(err) failed = err end)
  socket:on("close", function() over = true end)
  socket:write("hello\n")
  wait(function() return over end)
  return not failed and got or nil
end

local function wait_for_port(state, port)
  wait(function() return ask(port) or state.over end)
  assert.is_nil(state.over, state.err)
end

--- server.lua, with what reloads and ends it where the guide says.
local function server_lua(port)
  return machines.replaced(SERVER, { ["8000"] = port, ["\nelse\n"] = "\n" .. RELOAD .. "\nelse\n" })
end

describe("docs/guide/processes.md", function()
  it("has a cluster, whose workers come back when they die", within(function(t)
    local port = sockets.free_port()
    local text = machines.replaced(SERVER, { ["8000"] = port,
      ["socket:pipe(socket)"] = 'socket:pipe(socket) socket:write(require("net.process").pid .. " ")' })
    local primary = start(t, text)
    wait_for_port(primary, port)
    local pid = tonumber(ask(port):match("^(%d+) "))
    process.kill(pid, "SIGKILL")
    local seen, count = {}, 0
    repeat
      local other = tonumber((ask(port) or ""):match("^(%d+) "))
      if other and other ~= pid and not seen[other] then
        seen[other], count = true, count + 1
      end
    until count == 4
    primary.kid:kill("SIGKILL")
    wait(function() return primary.over end)
    assert.equal("", primary.err)
  end))

  it("has workers that clients may reset", within(function(t)
    local port = sockets.free_port()
    local primary = start(t, machines.replaced(SERVER, { ["8000"] = port }))
    wait_for_port(primary, port)
    for _ = 1, 8 do
      local socket = net.connect(port, "127.0.0.1")
      socket:write("hello\n")
      sockets.wait_for(socket, "data")
      socket:resetAndDestroy()
    end
    assert.equal("hello\n", ask(port))
    primary.kid:kill("SIGKILL")
    wait(function() return primary.over end)
    assert.equal("", primary.err)
  end))

  it("has a cluster that gives up when too many die", within(function(t)
    local text = machines.replaced(SERVER, { ["listen(8000)"] = "listen(1, 2, 3, error('broken'))" })
    local primary = start(t, text)
    wait(function() return primary.over end)
    assert.equal(1, primary.kid.exitCode)
    assert.matches("broken", primary.err)
  end))

  it("has a reload that loses nobody, and an end", within(function(t)
    local port = sockets.free_port()
    local primary = start(t, server_lua(port))
    wait_for_port(primary, port)
    local counts = machines.load({ port = port, request = "hello\n", expected = "^hello\n$" }, 4)
    t.finally(function() counts.going = false end)
    for _ = 1, 2 do
      machines.serves(counts, 100)
      primary.out = ""
      primary.kid:kill("SIGHUP")
      machines.expect(primary, "^all workers are new\n$")
    end
    machines.stop(counts)
    machines.finish(primary)
  end))

  it("bears a second SIGHUP while it reloads", within(function(t)
    local port = sockets.free_port()
    local primary = start(t, server_lua(port))
    wait_for_port(primary, port)
    local held = net.connect(port, "127.0.0.1") -- its worker has a second to leave
    held:write("hello\n")
    sockets.wait_for(held, "data")
    for _ = 1, 3 do
      primary.kid:kill("SIGHUP")
      assert.equal("hello\n", ask(port))
    end
    machines.expect(primary, "all workers are new\n")
    assert.equal("hello\n", ask(port))
    machines.finish(primary)
  end))

  it("has workers that listen by themselves, and leave when they are replaced", within(function(t)
    local port = sockets.free_port()
    local text = server_lua(port):gsub("  (net.createServer.-):listen%(%d+%)", function(server)
      return ("  local server = %s:listen({ port = %d, reusePort = true })\n%s"):format(server, port, LEAVE)
    end)
    local primary = start(t, machines.replaced(text, { ["\nelse\n"] = [[

cluster:on("exit", function(_, code, signal) print("exit", code, signal) end)
print("up") -- it knows what to do by SIGHUP
else
]] }))
    machines.expect(primary, "up\n")
    wait_for_port(primary, port)
    primary.kid:kill("SIGHUP")
    machines.expect(primary, "all workers are new\n")
    assert.equal("hello\n", ask(port))
    machines.finish(primary)
    local _, count = primary.out:gsub("exit\t0\tnil\n", "")
    assert.equal(8, count, primary.out)
  end))

  it("has a program that is replaced as a whole, and loses nobody", within(function(t)
    local port = sockets.free_port()
    local program = start(t, [[
      local function serve(socket)
        socket:on("error", function() end)
        socket:on("data", function() socket:finish(require("net.process").pid .. "\n") end)
      end
    ]] .. machines.replaced(REPLACE, { ["listen(80,"] = ("listen(%d,"):format(port) }))
    wait_for_port(program, port)
    local first = ask(port)
    assert.equal(program.kid.pid .. "\n", first)
    local counts = machines.load({ port = port, request = "hello\n", expected = "^%d+\n$" }, 4)
    t.finally(function() counts.going = false end)
    machines.serves(counts, 50)
    program.kid:kill("SIGHUP")
    local exited
    program.kid:on("exit", function(code) exited = code end)
    wait(function() return exited end) -- its successor has its streams
    assert.equal(0, exited)
    machines.serves(counts, 50)
    machines.stop(counts)
    local second = ask(port)
    assert.not_equal(first, second)
    process.kill(tonumber(second), "SIGTERM")
    wait(function() return program.over end)
    assert.equal("", program.err)
  end))

  it("has one successor, however often it is asked for", within(function(t)
    local port, gate = sockets.free_port(), t.tmpname(".gate")
    local program = start(t, ([[
      local function serve(socket)
        socket:on("error", function() end)
        socket:on("data", function() socket:finish(require("net.process").pid .. "\n") end)
      end
      if #require("net").activated() > 0 then
        print("a successor " .. require("net.process").pid)
        local patience = os.time() + 30
        repeat until io.open(%q) or os.time() > patience -- the spec says when it goes on
      end
    ]]):format(gate) .. machines.replaced(REPLACE, { ["listen(80,"] = ("listen(%d,"):format(port) }))
    t.finally(function() -- where there are two, nobody else ends them
      for pid in program.out:gmatch("a successor (%d+)") do pcall(process.kill, tonumber(pid), "SIGKILL") end
    end)
    wait_for_port(program, port)
    program.kid:kill("SIGHUP")
    machines.expect(program, "a successor %d+\n")
    for _ = 1, 2 do
      program.kid:kill("SIGHUP")
      assert.equal(program.kid.pid .. "\n", ask(port))
    end
    io.open(gate, "w"):close()
    if not program.kid.exitCode then
      sockets.wait_for(program.kid, "exit")
    end
    process.kill(tonumber(ask(port)), "SIGKILL")
    wait(function() return program.over end)
    assert.matches("^a successor %d+\n$", program.out)
    assert.equal("", program.err)
  end))

  it("goes on with the old program where the new one does not become ready", within(function(t)
    local port = sockets.free_port()
    local program = start(t, [[
      if #require("net").activated() > 0 then os.exit(3) end
      local function serve(socket) socket:pipe(socket) end
    ]] .. machines.replaced(REPLACE, { ["listen(80,"] = ("listen(%d,"):format(port) }))
    wait_for_port(program, port)
    program.kid:kill("SIGHUP")
    machines.expect(program, "^[^\n]+: [^\n]*\n", "err")
    assert.equal("hello\n", ask(port))
    program.kid:kill("SIGKILL")
    wait(function() return program.over end)
  end))

  it("has strangers who hand over, and lose nobody", within(function(t)
    local port, path = sockets.free_port(), t.tmpname(".sock")
    local function version(n)
      return start(t, ([[
        local net = require("net")
        local function serve(socket)
          socket:on("error", function() end)
          socket:on("data", function() socket:finish("version %d\n") end)
        end
      ]]):format(n) .. machines.replaced(TAKE_OVER, { ["/run/app/socket"] = path,
        ["listen(80)"] = ("listen(%d)"):format(port) }))
    end
    local old = version(1)
    wait_for_port(old, port)
    local counts = machines.load({ port = port, request = "hello\n", expected = "^version %d\n$" }, 4)
    t.finally(function() counts.going = false end)
    for n = 2, 3 do
      machines.serves(counts, 50)
      local new = version(n)
      wait(function() return old.over end)
      assert.same({ 0, "" }, { old.kid.exitCode, old.err })
      old = new
    end
    machines.serves(counts, 50)
    machines.stop(counts)
    assert.equal("version 3\n", ask(port))
    old.kid:kill("SIGKILL")
    wait(function() return old.over end)
  end))

  it("has a message with any bytes", within(function(t)
    local kid = machines.write(t, ".lua", [[
      local process = require("net.process")
      process:once("message", function(message)
        print(message.name, message.data == "\0\255")
      end)
    ]])
    local parent = start(t, ([[
      require("net.process").execPath = %q
      local kid, bytes = require("net.child").fork(%q), "\0\255"
    ]]):format(LUANET, kid) .. MESSAGE)
    wait(function() return parent.over end)
    assert.same({ "a.png\ttrue\n", "", 0 }, { parent.out, parent.err, parent.kid.exitCode })
  end))

  it("has no program that is not run, here or among others'", function()
    assert.equal("net.cluster", guide.block("lua", "-- primary.lua"):match('require%("(.-)"%)'))
    assert.same({}, guide.unused("lua"))
  end)
end)
