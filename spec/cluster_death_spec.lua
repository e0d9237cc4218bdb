-- SPDX-License-Identifier: MIT

--- Workers that die, stop or are full: what becomes of the connections.

local cluster = require("spec.support.cluster")
local within = require("spec.support").within

local SECONDS = tonumber(os.getenv("SPEC_CLUSTER_SECONDS")) or 3 -- that workers are killed for
local TELL = os.getenv("SPEC_TELL") -- with a value: how many were served

describe("a connection", function()
  it("in flight to a worker that dies is served by another", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        local up, port = 0, nil
        local function visit(name)
          local client = net.connect(port, "127.0.0.1")
          client:on("data", function(data) say(name, data) end)
          client:on("error", function(err) say(name, err.code) end)
          client:on("close", function() cluster.disconnect() end)
          return client
        end
        local first, second = cluster.fork(), nil
        first:on("listening", function(a)
          port = a.port
          process.kill(first.process.pid, "SIGSTOP") -- it will not answer
          visit("a"):on("connect", function()
            second = cluster.fork()
            second:on("listening", function() first:kill("SIGKILL") end)
          end)
        end)
        cluster:on("exit", function(w, code, signal) say("exit", w.id, code, signal) end)
      else
        net.createServer(function(socket) socket:finish("by " .. cluster.worker.id) end):listen(0, "127.0.0.1")
      end
    ]])
    table.sort(lines)
    assert.same({ "a by 2", "exit 1 nil SIGKILL", "exit 2 0 nil" }, lines)
  end))

  it("that waits is closed when the last worker dies, and nobody listens then", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        local w = cluster.fork()
        w:on("listening", function(a)
          process.kill(w.process.pid, "SIGSTOP")
          local ended, connected = 0, 0
          for _ = 1, 3 do
            local client = net.connect(a.port, "127.0.0.1"):resume()
            client:on("error", function() end)
            client:on("connect", function()
              connected = connected + 1
              if connected == 3 then timers.setTimeout(function() w:kill("SIGKILL") end, 20) end
            end)
            client:on("close", function()
              ended = ended + 1
              if ended == 3 then
                say("all ended")
                net.connect(a.port, "127.0.0.1"):on("error", function(err) say(err.code) end)
              end
            end)
          end
        end)
      else
        net.createServer():listen(0, "127.0.0.1")
      end
    ]])
    assert.same({ "all ended", "ECONNREFUSED" }, lines)
  end))

  it("waits with the kernel when too many wait for workers", within(function(t)
    local lines = cluster.run(t, [[
      if arg[1] == "clients" then
        local connected, served = 0, 0
        for _ = 1, 16 do
          local client = net.connect(tonumber(arg[2]), "127.0.0.1")
          client:on("error", function(err) process.send(err.code) end)
          client:on("connect", function()
            connected = connected + 1
            if connected == 16 then
              timers.setTimeout(function() process.send("connected") end, 50)
            end
          end)
          client:on("data", function()
            served = served + 1
            if served == 16 then process.send("all served") end
          end)
        end
        process:on("disconnect", function() end)
      elseif cluster.isPrimary then
        local function descriptors()
          local n = 0
          for _ in require("lfs").dir("/proc/self/fd") do n = n + 1 end
          return n
        end
        local w = cluster.fork()
        w:on("listening", function(a)
          process.kill(w.process.pid, "SIGSTOP")
          local before = descriptors()
          local kid = require("net.child").fork(arg[0], { "clients", tostring(a.port) })
          kid:on("message", function(m)
            if m == "connected" then
              local more = descriptors() - before
              say("descriptors", more <= 14 or more) -- 8 wait, one is in flight twice, and the child
              process.kill(w.process.pid, "SIGCONT")
            else
              say(m)
              kid:disconnect()
              cluster.disconnect()
            end
          end)
        end)
      else
        local server = net.createServer(function(socket) socket:finish("x") end)
        server:listen(0, "127.0.0.1", 8)
      end
    ]])
    assert.same({ "descriptors true", "all served" }, lines)
  end))

  it("that all workers refuse is not offered again without pause", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        local w = cluster.fork()
        local client
        w:on("listening", function(a)
          client = net.connect(a.port, "127.0.0.1")
          client:on("data", function(data) say("got", data) client:destroy() w:send("leave") end)
        end)
        w:on("message", function(m) say(m) end)
      else
        local asked = 0
        local accepts = core.server.accepts
        core.server.accepts = function(...)
          asked = asked + 1
          return accepts(...)
        end
        local server = net.createServer(function(socket) socket:finish("x") end)
        server.maxConnections = 0
        server:listen(0, "127.0.0.1")
        timers.setTimeout(function()
          process.send(asked > 1 and asked <= 12 and "few" or asked)
          server.maxConnections = 1
        end, 500)
        process:on("message", function() cluster.worker:disconnect() end)
      end
    ]])
    assert.same({ "few", "got x" }, lines)
  end))

  it("waits for a worker that has run out of descriptors", within(function(t)
    local lines, result = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({
          execPath = "/bin/sh",
          execArgv = { "-c", 'ulimit -n 40; exec "$0" "$@"', process.execPath },
        })
        local w = cluster.fork()
        w:on("message", function(port)
          net.connect(port, "127.0.0.1"):on("data", say):on("close", function() cluster.disconnect() end)
        end)
      else
        local server = net.createServer(function(socket) socket:finish("served at last") end)
        server:listen(0, "127.0.0.1", function()
          local files = {}
          while #files < 100 do
            local file = io.open("/dev/null")
            if not file then break end
            files[#files + 1] = file
          end
          process.send(server:address().port)
          timers.setTimeout(function()
            for _, file in ipairs(files) do file:close() end
          end, 300)
        end)
      end
    ]], { stderr = true })
    assert.same({ "served at last" }, lines)
    local _, warnings = result.stderr:gsub("SentHandleNotReceivedWarning", "")
    assert.equal(1, warnings)
  end))

  it("is served, late, by a primary that runs out of descriptors", within(function(t)
    local lines, result = cluster.run(t, [[
      if cluster.isWorker then
        net.createServer(function(socket) socket:finish("x") end):listen(0, "127.0.0.1")
      elseif arg[1] == "primary" then
        process:on("message", function() cluster.disconnect(process.disconnect) end)
        local w = cluster.fork()
        w:on("listening", function(a)
          process.kill(w.process.pid, "SIGSTOP")
          process.send(a.port)
          timers.setTimeout(function() process.kill(w.process.pid, "SIGCONT") end, 300)
        end)
      else
        local kid = require("net.child").fork(arg[0], { "primary" }, {
          execPath = "/bin/sh",
          execArgv = { "-c", 'ulimit -n 32; exec "$0" "$@"', process.execPath },
        })
        local served, ended = 0, 0
        kid:on("message", function(port)
          for _ = 1, 60 do
            local client = net.connect(port, "127.0.0.1")
            client:on("data", function() served = served + 1 end)
            client:on("error", function(err) say(err.code) end)
            client:on("close", function()
              ended = ended + 1
              if ended == 60 then
                say("served", served)
                kid:send("end")
              end
            end)
          end
        end)
        kid:on("exit", function(code, signal) say("exit", code, signal) end)
      end
    ]], { stderr = true })
    assert.same({ "served 60", "exit 0 nil" }, lines)
    assert.matches("accept EMFILE, accepting pauses", result.stderr)
  end))

  it("that one worker refuses goes to another", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        local up = 0
        cluster:on("listening", function(_, a)
          up = up + 1
          if up < 2 then return end
          local served = 0
          for _ = 1, 6 do
            net.connect(a.port, "127.0.0.1"):on("data", function(data)
              served = served + 1
              say(data)
              if served == 6 then cluster.disconnect() end
            end)
          end
        end)
        cluster.fork({ FULL = 1 })
        cluster.fork()
      else
        local server = net.createServer(function(socket) socket:finish("by " .. cluster.worker.id) end)
        if process.env.FULL then server.maxConnections = 0 end
        server:on("drop", function() say("never") end)
        server:listen(0, "127.0.0.1")
      end
    ]])
    assert.same({ "by 2", "by 2", "by 2", "by 2", "by 2", "by 2" }, lines)
  end))
end)

describe("a cluster under load", function()
  it("has every connection served or reset while its workers are killed #slow", within(function(t)
    local lines, result = cluster.run(t, [[
      local SECONDS = tonumber(process.env.SPEC_SECONDS)
      if arg[1] == "clients" then
        local port, going, open = tonumber(arg[2]), true, 0
        local served, broken, hung = 0, 0, 0
        local visit
        local function ended()
          open = open - 1
          if going then
            visit()
          elseif open == 0 then
            process.send({ served = served, broken = broken, hung = hung })
          end
        end
        function visit()
          open = open + 1
          local client, got = net.connect(port, "127.0.0.1"), ""
          client:setTimeout(20000, function() hung = hung + 1 client:destroy() end)
          client:on("connect", function() client:write("hello") end)
          client:on("data", function(data)
            got = got .. data
            if got == "hello" then client:finish() end
          end)
          client:on("error", function() end)
          client:on("close", function()
            if got == "hello" then served = served + 1 else broken = broken + 1 end
            ended()
          end)
        end
        for _ = 1, 16 do visit() end
        process:on("message", function() going = false end)
      elseif cluster.isPrimary then
        local WORKERS, killing, port, kid, before = 3, false, nil, nil, nil
        local function descriptors()
          collectgarbage()
          local n = 0
          for _ in require("lfs").dir("/proc/self/fd") do n = n + 1 end
          return n
        end
        local function alive()
          local list = {}
          for _, w in pairs(cluster.workers) do
            if w.state == "listening" and w:isConnected() then list[#list + 1] = w end
          end
          return list
        end
        local kills = 0
        local function kill_one()
          local list = alive()
          if #list > 1 then
            list[math.random(#list)]:kill("SIGKILL")
            kills = kills + 1
          end
        end
        local function finish(result)
          say("hung", result.hung)
          say("served", result.served > 100, "killed", kills > 10)
          if os.getenv("SPEC_TELL") then
            io.stderr:write(("%d served, %d broken, %d killed\n"):format(
              result.served, result.broken, kills))
          end
          kid:disconnect()
          kid:on("close", function()
            local looks, again = 0, nil
            again = timers.setInterval(function() -- what is still on its way is soon gone
              looks = looks + 1
              local more = descriptors() - before
              if more == 0 or looks == 100 then
                again:close()
                say("descriptors", more)
                cluster.disconnect()
              end
            end, 20)
          end)
        end
        local function begin()
          before = descriptors()
          kid = require("net.child").fork(arg[0], { "clients", tostring(port) })
          kid:on("message", finish)
          local killer = timers.setInterval(kill_one, 30)
          timers.setTimeout(function()
            killer:close()
            local calm
            calm = timers.setInterval(function()
              if #alive() == WORKERS then
                calm:close()
                kid:send("stop")
              end
            end, 10)
          end, SECONDS * 1000)
        end
        cluster:on("listening", function(_, a)
          port = port or a.port
          if not before and #alive() == WORKERS then begin() end
        end)
        cluster:on("exit", function(w)
          if not w.exitedAfterDisconnect then cluster.fork() end
        end)
        for _ = 1, WORKERS do cluster.fork() end
      else
        net.createServer(function(socket)
          socket:on("error", function() end)
          socket:pipe(socket)
        end):listen(0, "127.0.0.1")
      end
    ]], { env = { SPEC_SECONDS = SECONDS, SPEC_TELL = TELL }, stderr = TELL ~= nil })
    if TELL then print(result.stderr) end
    assert.same({ "hung 0", "served true killed true", "descriptors 0" }, lines)
  end))
end)
