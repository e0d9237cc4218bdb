-- SPDX-License-Identifier: MIT

--- A parent that is killed by SIGKILL at each step of what it does with its children: those end,
--- or go on, as if it had left in peace, and keep no descriptor that was only for it. It kills
--- itself, so that the step is always the same one. With Node in one of the seats:
--- spec/peers/asked_peers.lua.

local child = require("net.child")
local children = require("spec.support.children")
local lfs = require("lfs")
local net = require("net")
local net_process = require("net.process")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local LUANET = lfs.currentdir() .. "/bin/luanet"

--- The script of all processes: who has been started by one has its role in ROLE, or is a worker.
--- `follow()` tells of the channel's end, and of the process': how many descriptors more, or less,
--- it has then than at its beginning.
local PRELUDE = [[
  local child, core, net = require("net.child"), require("net.core"), require("net")
  local process, timers, cluster = require("net.process"), require("net.timers"), require("net.cluster")
  local lfs = require("lfs")
  process.execPath = os.getenv("SPEC_LUANET")
  local role = cluster.isWorker and "worker" or os.getenv("ROLE")
  local function say(...)
    local words = table.pack(role or "parent", ...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    io.stdout:write(table.concat(words, " "), "\n")
    io.stdout:flush()
  end
  local function die() process.kill(process.pid, "SIGKILL") end
  local function die_behind(name, nth)
    local native, count = core.channel[name], 0
    core.channel[name] = function(...)
      count = count + 1
      if count < (nth or 1) then return native(...) end
      native(...)
      die()
    end
  end
  local function descriptors()
    local count = 0
    for _ in lfs.dir("/proc/self/fd") do count = count + 1 end
    return count
  end
  local function with(role)
    local env = process.env
    env.ROLE = role
    return env
  end
  local function fork(role) return child.fork(arg[0], {}, { env = with(role) }) end
  local function follow()
    local before = descriptors()
    process:on("disconnect", function() say("disconnect") end)
    process:on("exit", function(code) say("exit", code, descriptors() - before) end)
  end
]]

--- Starts the program, in a group of its own.
local function start(t, text)
  local path = t.tmpname(".lua")
  local file = assert(io.open(path, "w"))
  file:write((PRELUDE:gsub("\n", " ")), text, "\nnet.run()\n")
  file:close()
  local env = net_process.env
  env.LUA_PATH, env.LUA_CPATH, env.SPEC_LUANET = package.path, package.cpath, LUANET
  local kid = child.spawn(LUANET, { path }, { detached = true, env = env })
  t.finally(function() pcall(net_process.kill, -kid.pid, "SIGKILL") end)
  local program = { kid = kid, text = "", err = children.gather(kid.stderr) }
  kid:on("close", function() program.closed = true end)
  kid.stdout:on("data", function(data) program.text = program.text .. data end)
  return program
end

--- What the pattern captures, as soon as some process of the program says it.
local function hear(program, pattern)
  sockets.wait(function() return program.text:find(pattern) or program.closed end)
  return assert(program.text:match(pattern), program.text)
end

--- Waits until a worker listens, and its primary knows; its port.
local function hear_up(program)
  hear(program, "parent up")
  return hear(program, "listening (%d+)")
end

--- What all have said when nobody is there any more, sorted; the parent has to have been killed.
local function finish(program)
  sockets.wait(function() return program.closed end)
  assert.same({ "SIGKILL", "" }, { program.kid.signalCode, program.err.text })
  local lines = {}
  for line in program.text:gmatch("[^\n]+") do
    lines[#lines + 1] = not line:find("^parent") and line or nil
  end
  return lines
end

--- Connects, and gathers what comes: `got.text`, and `got.over` at the end, or the error.
local function visit(port)
  local got = { text = "" }
  got.socket = net.connect(port, "127.0.0.1")
  got.socket:on("data", function(data) got.text = got.text .. data end)
  got.socket:on("error", function(err) got.over = err.code end)
  got.socket:on("close", function() got.over = got.over or "end" end)
  return got
end

local function wait_over(got)
  sockets.wait(function() return got.over end)
  return got.text .. "|" .. got.over
end

describe("A parent that is killed", function()
  it("before its child is up leaves one that ends", within(function(t)
    local program = start(t, [[
      if role == "child" then
        process:on("message", function(m) say("message", m) end)
        return follow()
      end
      local kid = fork("child")
      kid:send("behind", function() die() end)
    ]])
    assert.same({ "child message behind", "child disconnect", "child exit 0 -1" }, finish(program))
  end))

  it("before it has sent anything leaves one that ends", within(function(t)
    local program = start(t, [[
      if role == "child" then return follow() end
      fork("child")
      die()
    ]])
    assert.same({ "child disconnect", "child exit 0 -1" }, finish(program))
  end))

  it("amid a message leaves none of it", within(function(t)
    local program = start(t, [[
      if role == "child" then
        process:on("message", function(m) say("message", #m) end)
        return follow()
      end
      local kid = fork("child")
      kid:send("whole")
      kid:send(("x"):rep(1 << 23))
      die()
    ]])
    assert.same({ "child message 5", "child disconnect", "child exit 0 -1" }, finish(program))
  end))

  it("amid its child's message leaves that without 'error', and its callback with one", within(function(t)
    local program = start(t, [[
      if role == "child" then
        follow()
        process:on("message", function(parent)
          process.send(("x"):rep(1 << 23), function(err) say("sent", err.code) end)
          process.send("behind", function(err) say("behind", err.code) end)
          timers.setImmediate(process.kill, parent, "SIGKILL")
        end)
        return
      end
      local kid = fork("child")
      kid:on("message", function() say("all of it") end)
      kid:send(process.pid, function() end)
      process.kill(process.pid, "SIGSTOP")
    ]])
    assert.same({ "child sent ERR_IPC_CHANNEL_CLOSED", "child behind ERR_IPC_CHANNEL_CLOSED",
      "child disconnect", "child exit 0 -1" }, finish(program))
  end))

  it("with a socket on its way, and a message behind it, leaves the socket, which is served", within(function(t)
    local program = start(t, [[
      if role == "child" then
        process:on("message", function(m, socket)
          say("message", m)
          if not socket then return end
          socket:on("data", function(data) socket:finish("child got " .. data) end)
          process:on("disconnect", function() socket:write("alone ") end)
        end)
        return follow()
      end
      local kid = fork("child")
      local server = net.createServer({ pauseOnConnect = true }, function(socket)
        die_behind("send_with")
        kid:send("socket", socket)
      end)
      server:listen(0, "127.0.0.1", function() say("port", server:address().port) end)
    ]])
    local got = visit(hear(program, "port (%d+)"))
    sockets.wait(function() return got.text == "alone " end)
    got.socket:write("hello")
    assert.equal("alone child got hello|end", wait_over(got))
    assert.same({ "child message socket", "child disconnect", "child exit 0 -1" }, finish(program))
  end))

  it("with a server on its way leaves that to the child, which accepts what waits", within(function(t)
    local program = start(t, [[
      if role == "child" then
        process:on("message", function(m, server)
          server:on("connection", function(socket)
            socket:finish("by the child")
            server:close()
          end)
        end)
        return follow()
      end
      local kid, server = fork("child"), net.createServer()
      server:listen(0, "127.0.0.1", function()
        say("port", server:address().port)
        die_behind("send_with")
        kid:send("server", server)
      end)
    ]])
    local got = visit(hear(program, "port (%d+)"))
    assert.equal("by the child|end", wait_over(got))
    finish(program)
  end))
end)

describe("A primary that is killed", function()
  --- A worker that serves, and tells by whom it is left.
  local WORKER = [[
    if role == "worker" then
      cluster.worker:on("disconnect", function() say("left") end)
      follow()
      local server = net.createServer(function(socket)
        say("connection")
        socket:write("hello ")
        socket:on("data", function(data) socket:finish(data) end)
      end)
      server:listen({ port = 0, host = "127.0.0.1", exclusive = OPTIONS and OPTIONS.exclusive }, function()
        say("listening", server:address().port)
        process.send(process.pid, function() end) -- it may be killed by now
      end)
      return
    end
  ]]

  for _, policy in ipairs({ "SCHED_RR", "SCHED_NONE", "SCHED_LEAST" }) do
    it("leaves workers that exit at once, though they serve: " .. policy, within(function(t)
      local program = start(t, WORKER .. ([[
        cluster.schedulingPolicy = cluster.%s
        process:on("SIGUSR2", die)
        cluster.fork():on("message", function() say("up") end)
      ]]):format(policy))
      local got = visit(hear_up(program))
      sockets.wait(function() return got.text == "hello " end)
      net_process.kill(program.kid.pid, "SIGUSR2")
      assert.matches("^hello |", wait_over(got))
      local lines = finish(program)
      assert.same({ "worker connection", "worker left" }, { lines[2], lines[3] })
      assert.matches("^worker exit 0", lines[4])
    end))
  end

  it("with a connection on its way to a worker leaves nobody who serves it", within(function(t)
    local program = start(t, WORKER .. [[
      cluster.fork():on("message", function(pid)
        die_behind("send_with")
        process.kill(pid, "SIGSTOP")
        say("up", pid)
      end)
    ]])
    local port, pid = hear_up(program), hear(program, "up (%d+)")
    local got = visit(port)
    sockets.wait_for(program.kid, "exit")
    net_process.kill(pid, "SIGCONT")
    assert.matches("^|", wait_over(got))
    assert.same({ "worker left", "worker exit 0 -1" }, { table.unpack(finish(program), 2) })
  end))

  it("when it has told a worker to leave leaves it its connections, until they end", within(function(t)
    local program = start(t, WORKER .. [[
      local w = cluster.fork():on("message", function() say("up") end)
      process:on("SIGUSR2", function()
        w:disconnect()
        timers.setImmediate(die)
      end)
    ]])
    local got = visit(hear_up(program))
    sockets.wait(function() return got.text == "hello " end)
    net_process.kill(program.kid.pid, "SIGUSR2")
    hear(program, "worker left")
    got.socket:write("bye")
    assert.equal("hello bye|end", wait_over(got))
    local lines = finish(program)
    assert.same({ "worker left", "worker disconnect" }, { table.unpack(lines, 3, 4) })
    assert.matches("^worker exit 0", lines[5])
  end))

  it("before it has answered a worker that leaves has that hear so", within(function(t)
    local program = start(t, [[
      if role == "worker" then
        cluster.worker:on("disconnect", function() say("left") end)
        follow()
        process:on("message", function(primary)
          for _, host in ipairs({ "127.0.0.1", "127.0.0.2" }) do
            local server = net.createServer()
            server:on("error", function(err) say(err.code, server.listening) end)
            server:listen(0, host, function() say("listening") end)
          end
          cluster.worker:disconnect()
          timers.setImmediate(process.kill, primary, "SIGKILL")
        end)
        return
      end
      local w = cluster.fork()
      w:on("online", function()
        w:send(process.pid, function() end)
        process.kill(process.pid, "SIGSTOP")
      end)
    ]])
    assert.same({ "worker left", "worker disconnect", "worker ERR_IPC_CHANNEL_CLOSED false",
      "worker ERR_IPC_CHANNEL_CLOSED false", "worker exit 0 -1" }, finish(program))
  end))

  it("when it has told a worker to drain leaves it to that", within(function(t)
    local program = start(t, WORKER .. [[
      local w = cluster.fork():on("message", function() say("up") end)
      process:on("SIGUSR2", function()
        w:disconnect({ drain = 50 })
        timers.setImmediate(die)
      end)
    ]])
    local got = visit(hear_up(program))
    sockets.wait(function() return got.text == "hello " end)
    net_process.kill(program.kid.pid, "SIGUSR2")
    assert.matches("^hello |", wait_over(got))
    finish(program)
  end))

  it("amid a reload leaves the old worker to its connections, and no new one", within(function(t)
    for _, step in ipairs({ "online", "listening", "disconnect" }) do
      local program = start(t, WORKER .. ([[
        process:on("SIGUSR2", function()
          cluster:once(%q, function() timers.setImmediate(die) end)
          cluster.reload()
        end)
        cluster.fork():on("message", function() say("up") end)
      ]]):format(step))
      local got = visit(hear_up(program))
      sockets.wait(function() return got.text == "hello " end)
      net_process.kill(program.kid.pid, "SIGUSR2")
      if step == "disconnect" then
        got.socket:write("bye")
      end
      assert.matches("^hello ", wait_over(got))
      finish(program)
    end
  end))

  it("leaves a worker that has left with a server of its own, as an orphan that serves", within(function(t)
    local program = start(t, "local OPTIONS = { exclusive = true }" .. WORKER .. [[
      local w = cluster.fork():on("message", function() say("up") end)
      process:on("SIGUSR2", function()
        w:disconnect()
        timers.setImmediate(die)
      end)
    ]])
    local port = hear_up(program)
    net_process.kill(program.kid.pid, "SIGUSR2")
    hear(program, "worker left")
    local got = visit(port)
    got.socket:write("bye")
    assert.equal("hello bye|end", wait_over(got))
    net_process.kill(-program.kid.pid, "SIGTERM")
    finish(program)
  end))
end)

describe("A program that is killed", function()
  --- The old one, which listens, and the new one, which takes its socket, and tells what it serves.
  local REPLACE = [[
    local function answer(socket) socket:finish("by the " .. (role or "old")) end
    if role == "new" then
      follow()
      local server = net.createServer(answer)
      local function ready() say("ready", process.notify({ ready = true })) end
      server:listen({ activated = "web" }, function()
        if EARLY then process:once("disconnect", ready) else ready() end
      end)
      process:once("SIGTERM", function() server:close() end)
      say("pid", process.pid)
      return
    end
    local server = net.createServer(answer)
    server:listen(0, "127.0.0.1", function()
      say("port", server:address().port)
      local kid = child.replace(arg[0], { servers = { web = server }, env = with("new") })
      if EARLY then
        process:on("SIGUSR2", die)
      else
        kid:once("ready", function() timers.setImmediate(die) end)
      end
      say("up")
    end)
  ]]

  it("before the one in its place is ready leaves that to serve", within(function(t)
    local program = start(t, "local EARLY = true" .. REPLACE)
    local port, pid = hear(program, "port (%d+)"), hear(program, "new pid (%d+)")
    hear(program, "up")
    net_process.kill(program.kid.pid, "SIGUSR2")
    hear(program, "new ready")
    assert.equal("by the new|end", wait_over(visit(port)))
    net_process.kill(pid, "SIGTERM")
    assert.same({ "new disconnect", "new ready false", "new exit 0 -2" }, { table.unpack(finish(program), 2) })
  end))

  it("when the one in its place is ready leaves that to serve", within(function(t)
    local program = start(t, "local EARLY = false" .. REPLACE)
    local port, pid = hear(program, "port (%d+)"), hear(program, "new pid (%d+)")
    hear(program, "new disconnect")
    sockets.wait(function() return program.kid.signalCode end)
    assert.equal("by the new|end", wait_over(visit(port)))
    net_process.kill(pid, "SIGTERM")
    finish(program)
  end))

  --- One that offers its server, and ends itself at a step.
  local function offer(t, step)
    local path = t.tmpname(".sock")
    local program = start(t, ([[
      local server = net.createServer(function(socket) socket:finish("old") end)
      server:listen(0, "127.0.0.1", function()
        server:handOver(%q)
        %s
        say("port", server:address().port)
      end)
    ]]):format(path, step))
    return path, program, hear(program, "port (%d+)")
  end

  --- What becomes of a server that takes over: "listening", or the error's code.
  local function outcome(server)
    local told
    server:on("listening", function() told = "listening" end)
    server:on("error", function(err) told = err.code end)
    sockets.wait(function() return told end)
    return told
  end

  --- As the system tells: "T" is stopped, "Z" is dead.
  local function state(program)
    local file <close> = assert(io.open(("/proc/%d/stat"):format(program.kid.pid)))
    return file:read("a"):match("%) (%a)")
  end

  --- Who takes over asks, while the other one is stopped.
  local function ask(path, program)
    sockets.wait(function() return state(program) == "T" end)
    local server = net.takeOver(path)
    for _ = 1, 8 do net.run("nowait") end
    return server
  end

  local STOP = 'process.kill(process.pid, "SIGSTOP")'

  it("before it has handed its socket over leaves who asks with an error", within(function(t)
    local path, program = offer(t, "timers.setImmediate(function() " .. STOP .. " end)")
    local server = ask(path, program)
    program.kid:kill("SIGKILL")
    assert.matches("^E", outcome(server))
    finish(program)
  end))

  it("when it has sent it, and nobody has read that, leaves nobody who serves", within(function(t)
    local path, program, port = offer(t,
      'die_behind("send_with") timers.setImmediate(function() ' .. STOP .. " end)")
    local server = ask(path, program)
    program.kid:kill("SIGCONT")
    repeat until state(program) == "Z" -- the loop does not run before
    assert.equal("ERR_IPC_CHANNEL_CLOSED", outcome(server))
    assert.equal("|ECONNREFUSED", wait_over(visit(port)))
    finish(program)
  end))

  it("when it has heard that it is there leaves that to serve", within(function(t)
    local path, program, port = offer(t, "server.drain = die")
    local server = net.takeOver(path, function(socket) socket:finish("new") end)
    assert.equal("listening", outcome(server))
    assert.equal("new|end", wait_over(visit(port)))
    server:close()
    finish(program)
  end))
end)
