-- SPDX-License-Identifier: MIT

--- Servers and sockets sent to children that are processes.

local child = require("net.child")
local lfs = require("lfs")
local net = require("net")
local net_process = require("net.process")
local sockets = require("spec.support.sockets")
local support = require("spec.support")

local wait, wait_for, within = sockets.wait, sockets.wait_for, support.within

local LUANET = lfs.currentdir() .. "/bin/luanet"

--- Starts a script with a channel.
local function fork(t, script, options)
  local path = t.tmpname(".lua")
  local file = assert(io.open(path, "w"))
  file:write('local net, process = require("net"), require("net.process")\n', script,
    "\nnet.run()\n")
  file:close()
  options = options or {}
  options.execPath = LUANET
  return child.fork(path, {}, options)
end

--- The number of descriptors of a process.
local function descriptors(pid)
  local count = 0
  for _ in lfs.dir("/proc/" .. pid .. "/fd") do
    count = count + 1
  end
  return count
end

describe("a child", function()
  it("serves the connections of a server that was sent to it", within(function(t)
    local kid = fork(t, [[
      process:once("message", function(_, server)
        server:on("connection", function(socket)
          socket:finish("served by " .. process.pid)
          server:close()
          process.disconnect()
        end)
        process.send("ready")
      end)
    ]])
    local server = net.createServer()
    server:listen(0, "127.0.0.1", function() kid:send("server", server) end)
    kid:on("message", t.calls(1, function()
      local port = server:address().port
      server:close()
      net.connect(port, "127.0.0.1"):on("data", t.calls(1, function(data)
        assert.equal("served by " .. kid.pid, data)
      end))
    end))
    kid:on("exit", t.calls(1, function(code) assert.equal(0, code) end))
    t.run()
  end))

  it("gets a socket, and gives it back", within(function(t)
    local kid = fork(t, [[
      process:on("message", function(_, socket)
        socket:once("data", function(data)
          socket:write("child got " .. data .. ", ", function() process.send("back", socket) end)
        end)
      end)
    ]])
    local server = net.createServer({ pauseOnConnect = true }, function(socket)
      kid:send("socket", socket)
    end)
    kid:on("message", t.calls(1, function(_, socket)
      socket:finish("parent has it")
      server:close()
      kid:disconnect()
    end))
    server:listen(0, "127.0.0.1", function()
      local client, got = net.connect(server:address().port, "127.0.0.1"), ""
      client:write("hello")
      client:on("data", function(data) got = got .. data end)
      client:on("close", t.calls(1, function()
        assert.equal("child got hello, parent has it", got)
      end))
    end)
    kid:on("exit", t.calls(1))
    t.run()
  end))

  it("that is killed takes its connections along, and the server closes", within(function(t)
    local kid = fork(t, [[
      local kept = {}
      process:on("message", function(_, socket)
        kept[#kept + 1] = socket
        process.send("got")
      end)
    ]])
    local order = {}
    local server = net.createServer({ pauseOnConnect = true }, function(socket)
      kid:send("socket", socket)
    end)
    kid:on("message", function()
      server:getConnections(t.calls(1, function(err, count)
        assert.same({ nil, 1 }, { err, count })
        server:close(function() order[#order + 1] = "server close" end)
        kid:kill("SIGKILL")
      end))
    end)
    kid:on("exit", function() order[#order + 1] = "exit" end)
    server:listen(0, "127.0.0.1", function()
      net.connect(server:address().port, "127.0.0.1"):on("close", t.calls(1)):on("error", function() end)
    end)
    t.run()
    table.sort(order)
    assert.same({ "exit", "server close" }, order)
  end))

  it("that dies with a handle on its way to it ends the channel, and all who wait are told",
    within(function(t)
      local kid = fork(t, [[
        process:on("message", function()
          process.kill(process.pid, "SIGSTOP")
        end)
      ]])
      local told = {}
      local server, client
      local function note(name) return function(err) told[#told + 1] = name .. " " .. tostring(err) end end
      kid:on("disconnect", function() told[#told + 1] = "disconnect" end)
      server = net.createServer({ pauseOnConnect = true }, function(socket)
        kid:send("stop")
        require("net.timers").setTimeout(function()
          kid:send("socket", socket, note("socket"))
          kid:send("behind", note("behind"))
          kid:kill("SIGKILL")
        end, 100)
      end)
      server:listen(0, "127.0.0.1", function()
        client = net.connect(server:address().port, "127.0.0.1")
        client:on("error", function() end)
        client:on("close", t.calls(1, function() server:close() end))
      end)
      t.run()
      assert.same({ "socket nil",
        "behind Error [ERR_IPC_CHANNEL_CLOSED]: Channel closed", "disconnect" }, told)
    end))

  it("of ours gets a list, and bytes, in one message, before it has greeted", within(function(t)
    local before = net_process.execPath
    t.finally(function() net_process.execPath = before end)
    net_process.execPath = LUANET
    local path, data = t.tmpname(".lua"), t.tmpname()
    local file = assert(io.open(path, "w"))
    file:write([[
      local net, process = require("net"), require("net.process")
      process:once("message", function(message, list)
        process.send({ net.isServer(list[1]), io.type(list[2]), list[3], list[2]:read("a") })
        process.send(message, nil, { binary = true })
        list[1]:close()
        process.disconnect()
      end)
      net.run()
    ]])
    file:close()
    file = assert(io.open(data, "w+"))
    file:write("from the file")
    file:seek("set", 5)
    local kid = child.fork(path)
    local server = sockets.listen()
    kid:send("\xFF list", { server, file, net.Socket() }, { binary = true })
    local got = {}
    kid:on("message", t.calls(2, function(message) got[#got + 1] = message end))
    wait(function() return #got == 2 end)
    assert.same({ { true, "file", false, "the file" }, "\xFF list" }, got)
    file:close()
    server:close()
    t.run()
  end))

  it("that is another program, and never says a word, gets what it can have", within(function(t)
    local before = net_process.execPath
    t.finally(function() net_process.execPath = before end)
    net_process.execPath = "/bin/sh" -- as if it were this library
    local path = t.tmpname(".sh")
    local file = assert(io.open(path, "w"))
    file:write('while read -r line <&3; do case $line in *LUANET*) ;; *) echo "$line";; esac; done\n')
    file:close()
    local kid = child.fork(path, {}, { silent = true })
    local got, told = "", {}
    kid.stdout:on("data", function(chunk) got = got .. chunk end)
    kid:send("before")
    kid:send("bytes", nil, { binary = true }, function(err) told[#told + 1] = err.code end)
    kid:send("list", { net.createServer() }, function(err) told[#told + 1] = err.code end)
    kid:send("behind", function(err) told[#told + 1] = err or "sent" end)
    wait(function() return got:find("behind", 1, true) end)
    kid:disconnect()
    kid:on("close", t.calls(1, function(code) told[#told + 1] = code end))
    t.run()
    assert.equal('"before"\n"behind"\n', got)
    assert.same({ "ERR_INVALID_HANDLE_TYPE", "ERR_INVALID_HANDLE_TYPE", "sent", 0 }, told)
  end))

  it("has ten thousand sockets, each of which comes back, and no descriptor stays #slow",
    within(function(t)
      local COUNT, AT_ONCE = 10000, 50
      local kid = fork(t, [[
        process:on("message", function(message, socket)
          process.send(message, socket)
        end)
      ]])
      local started, done, lost = 0, 0, {}
      local server
      local function start()
        started = started + 1
        local id, got = started, ""
        local client = net.connect(server:address().port, "127.0.0.1")
        client:write(id .. "\n")
        client:on("data", function(data) got = got .. data end)
        client:on("close", function()
          if got ~= "echo " .. id then
            lost[#lost + 1] = id
          end
          done = done + 1
          if started < COUNT then
            start()
          end
        end)
      end
      kid:on("message", function(_, socket)
        if socket then
          socket:once("data", function(data) socket:finish("echo " .. data:match("%d+")) end)
        end
      end)
      server = net.createServer({ pauseOnConnect = true }, function(socket)
        kid:send("socket", socket)
      end)
      server:listen(0, "127.0.0.1")
      wait_for(server, "listening")
      kid:send("are you there?")
      wait_for(kid, "message")
      local here, there = descriptors("self"), descriptors(kid.pid)
      for _ = 1, AT_ONCE do
        start()
      end
      wait(function() return done == COUNT end)
      assert.same({}, lost)
      local counted
      server:getConnections(function(_, count) counted = count end)
      wait(function() return counted end)
      assert.equal(0, counted)
      collectgarbage()
      assert.is_true(descriptors("self") <= here)
      assert.equal(there, descriptors(kid.pid))
      server:close()
      kid:disconnect()
      kid:on("exit", t.calls(1))
      t.run()
    end))
end)
