-- SPDX-License-Identifier: MIT

--- The messages of a cluster, of which either side may say what it likes: a worker of which
--- the primary believes nothing, and a primary that a worker survives. Also what is counted
--- under SCHED_LEAST.

local cluster = require("spec.support.cluster")
local within = require("spec.support").within

--- In a worker: `ask(message)` says something to the primary, and `answers` has what it
--- answers, as text.
local WORKER = [[
  local function foreign()
    local channel = require("net.internal.process.own").channel
    local null, seq = core.json.null, 1000
    local waiting = {}
    channel:on_internal("NODE_CLUSTER", function(message, descriptor)
      if descriptor then descriptor:close() end
      if message.act == "disconnect" then process.exit(0) end
      local fn = waiting[message.ack]
      if fn then waiting[message.ack] = nil fn(message) end
    end)
    return function(message, fn)
      seq = seq + 1
      message.cmd, message.seq = "NODE_CLUSTER", seq
      waiting[seq] = fn
      channel:send_internal(message)
    end
  end
]]

describe("a primary", function()
  it("answers EINVAL for what makes no sense, and stays", within(function(t)
    local lines = cluster.run(t, WORKER .. [[
      if cluster.isPrimary then
        local w = cluster.fork()
        w:on("message", function(m) say(m) end)
        w:on("exit", function(code) say("exit", code) end)
        w:on("error", function(err) say("error", err) end)
      else
        local ask = foreign()
        local queries = {
          {}, { port = "80" }, { port = 70000, address = "127.0.0.1" }, { port = 1.5 },
          { port = -2 }, { port = 0, address = "no.ip" }, { port = 0, address = 5 },
          { port = -1 }, { port = -1, address = "" }, { port = -1, address = ("x"):rep(5000) },
          { port = -1, address = ("/x"):rep(200) },
          { fd = -1 }, { fd = "0" }, { fd = 0 }, { fd = 2.5 }, { port = 0, address = { 1 } },
        }
        local left = #queries
        for i, query in ipairs(queries) do
          query.act = "queryServer"
          ask(query, function(reply)
            left = left - 1
            if reply.errno ~= core.errnum("EINVAL") then
              process.send(i .. " " .. tostring(reply.errno))
            end
            if left == 0 then
              process.send("all refused", process.disconnect)
            end
          end)
        end
        for _, message in ipairs({
          { act = "nonsense" }, { act = 5 }, {}, { ack = 77777 }, { ack = "x" }, { ack = { 1 } },
          { act = "close" }, { act = "close", key = "x" }, { act = "closed", key = "x", count = 5 },
          { act = "closed", key = "x", count = "y" }, { act = { "online" } }, { ack = 1e300 },
        }) do ask(message) end
      end
    ]])
    -- the socket of a path that is too long is the system's to refuse, and a name that is no
    -- path from the root is taken as it is
    for i = #lines - 2, 1, -1 do
      assert.matches("^%d+ %-%d+$", lines[i])
    end
    assert.same({ "all refused", "exit 0" }, { lines[#lines - 1], lines[#lines] })
  end))

  it("has 1024 keys of one worker at most", within(function(t)
    local lines = cluster.run(t, WORKER .. [[
      if cluster.isPrimary then
        cluster.schedulingPolicy = cluster.SCHED_RR
        cluster.fork():on("message", function(m) say(m) cluster.disconnect() end)
      else
        local ask = foreign()
        local good, bad = 0, 0
        for i = 1, 1030 do
          local query = { act = "queryServer", port = 0, address = "127.0.0.1", index = i }
          ask(query, function(reply)
            if not reply.errno then
              good = good + 1
            elseif reply.errno == core.errnum("EMFILE") then
              bad = bad + 1
            end
            if good + bad == 1030 then
              process.send(good <= 1024 and bad >= 6 and "bounded" or good)
            end
          end)
        end
      end
    ]])
    assert.same({ "bounded" }, lines)
  end))

  it("takes no second query for one key of one worker", within(function(t)
    local lines = cluster.run(t, WORKER .. [[
      if cluster.isPrimary then
        cluster.fork():on("message", function(m) say(m) cluster.disconnect() end)
      else
        local ask = foreign()
        local function query(fn)
          ask({ act = "queryServer", port = 0, address = "127.0.0.1", addressType = 4 }, fn)
        end
        query(function(one)
          query(function(two)
            ask({ act = "close", key = one.key })
            query(function(three)
              process.send(("%s %s %s"):format(one.errno, two.errno == core.errnum("EADDRINUSE"),
                three.errno))
            end)
          end)
        end)
      end
    ]])
    assert.same({ "nil true nil" }, lines)
  end))

  it("closes what a worker refuses that has said it is leaving", within(function(t)
    local lines = cluster.run(t, WORKER .. [[
      if cluster.isPrimary then
        local w = cluster.fork()
        w:on("message", function(port)
          local client = net.connect(port, "127.0.0.1"):resume()
          client:on("error", function() end)
          client:on("close", function()
            say("closed")
            w:kill("SIGKILL")
          end)
        end)
      else
        local ask = foreign() -- which never answers for a connection
        ask({ act = "queryServer", port = 0, address = "127.0.0.1", addressType = 4 }, function(reply)
          process.send(reply.sockname.port)
          timers.setTimeout(function() ask({ act = "close", key = reply.key }) end, 100)
        end)
        process:on("message", function() end)
      end
    ]])
    assert.same({ "closed" }, lines)
  end))

  it("answers a worker of which it knows nothing, and takes no reply twice", within(function(t)
    local lines = cluster.run(t, WORKER .. [[
      if cluster.isPrimary then
        local w = cluster.fork()
        local served = 0
        w:on("message", function(port)
          for _ = 1, 2 do
            local client = net.connect(port, "127.0.0.1"):resume()
            client:on("error", function() end)
            client:on("close", function()
              served = served + 1
              if served == 2 then say("both") w:kill() end
            end)
          end
        end)
      else
        local channel = require("net.internal.process.own").channel
        local ask = foreign()
        channel:on_internal("NODE_CLUSTER", function(message, descriptor)
          if message.act == "newconn" then
            descriptor:close()
            for _ = 1, 3 do
              channel:send_internal({ cmd = "NODE_CLUSTER", ack = message.seq, accepted = true })
            end
          elseif message.ack then
            process.send(message.sockname.port)
          end
        end)
        ask({ act = "queryServer", port = 0, address = "127.0.0.1", addressType = 4 })
        process:on("message", function() end)
      end
    ]])
    assert.same({ "both" }, lines)
  end))
end)

--- In a program that plays the primary: `play(answers)` starts this script as a worker, and
--- answers its n-th query by what answers[n] makes of it.
local PRIMARY = [[
  local function play(answers)
    local kid = require("net.child").fork(arg[0], {}, { env = (function()
      local env = process.env
      env.NODE_UNIQUE_ID = "1"
      return env
    end)() })
    local channel = core.child.life(kid).channel
    local seen = 0
    channel:on_internal("NODE_CLUSTER", function(message)
      if message.act == "queryServer" then
        seen = seen + 1
        local reply, descriptor = answers[seen](message)
        reply.cmd, reply.ack, reply.seq = "NODE_CLUSTER", message.seq, seen
        channel:send_internal(reply, descriptor)
      elseif message.act ~= "online" and message.act ~= "listening" then
        say("W", message.act or "ack", message.key or message.accepted)
      end
    end)
    kid:on("message", function(m) say(m) end)
    kid:on("exit", function(code) say("exit", code) end)
    return kid, channel
  end
]]

describe("a worker", function()
  it("tells what is wrong with an answer, and may listen again", within(function(t)
    local lines = cluster.run(t, PRIMARY .. [[
      if cluster.isPrimary then
        local kid
        kid = play({
          function() return { errno = -98 } end,
          function() return { errno = "x", key = "k" } end,
          function() return { key = "k", sockname = { address = "127.0.0.1", port = "x" } } end,
          function() return { key = "k", sockname = { address = "no.ip", port = 8125 } } end,
          function() return { key = "k", sockname = { address = "127.0.0.1", port = -1 } } end,
          function(m)
            return { key = "k", sockname = { address = "127.0.0.1", port = m.port + 1 } }
          end,
          function() return {} end,
          function() return { errno = 0, key = "k" }, (core.descriptor.pair()) end,
          function(m) return { key = "k", sockname = { address = "127.0.0.1", port = m.port } } end,
        })
        kid:on("message", function(m) if m == "listening" then kid:disconnect() end end)
      else
        local server = net.createServer()
        server:on("error", function(err)
          process.send(err.syscall .. " " .. err.code)
          server:listen(8125, "127.0.0.1")
        end)
        server:listen(8125, "127.0.0.1", function() process.send("listening") end)
      end
    ]])
    assert.same({
      "bind EADDRINUSE", "bind EINVAL",
      "W close k", "bind EINVAL", "W close k", "bind EINVAL", "W close k", "bind EINVAL",
      "W close k", "bind EADDRINUSE", "bind EADDRINUSE", "W close k", "listen EINVAL",
      "listening", "exit 0",
    }, lines)
  end))

  it("refuses connections for keys that it has not, and descriptors of other kinds", within(function(t)
    local lines = cluster.run(t, PRIMARY .. [[
      if cluster.isPrimary then
        local kid, channel
        kid, channel = play({ function()
          return { key = "k", sockname = { address = "127.0.0.1", port = 5 } }
        end })
        kid:on("message", function(m)
          if m ~= "listening" then return end
          local function newconn(key, descriptor)
            local message = { cmd = "NODE_CLUSTER", act = "newconn", key = key, seq = 7 }
            channel:send_internal(message, descriptor)
          end
          local one = core.descriptor.pair()
          newconn("k", one)                       -- a Unix socket
          newconn("other", (core.descriptor.pair()))
          newconn("k")                            -- nothing
          newconn(nil, (core.descriptor.pair()))
          for _, message in ipairs({ { act = "unknown" }, { ack = 4711 } }) do
            message.cmd = "NODE_CLUSTER"
            channel:send_internal(message, (core.descriptor.pair()))
          end
          channel:send_internal({ cmd = "NODE_CLUSTER", act = "disconnect", drain = 1e300, seq = 10 })
        end)
      else
        net.createServer(function() process.send("never") end):listen(5, "127.0.0.1", function()
          process.send("listening")
        end)
      end
    ]])
    assert.same({ "listening", "W ack false", "W ack false", "W ack false", "W ack false",
      "W close k", "exit 0" }, lines)
  end))
end)

describe("SCHED_LEAST", function()
  it("gives connections to the worker that has the fewest open", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        local up, port, by = 0, nil, {}
        local function connect(fn)
          local client = net.connect(port, "127.0.0.1")
          client:on("error", function() end)
          client:on("data", function(id)
            by[id] = by[id] or {}
            table.insert(by[id], client)
            fn(id)
          end)
        end
        local function connect_many(n, fn)
          if n == 0 then return fn() end
          connect(function() connect_many(n - 1, fn) end)
        end
        cluster:on("listening", function(_, a)
          up, port = up + 1, a.port
          if up < 2 then return end
          connect_many(4, function()
            say("even", #by["1"], #by["2"])
            local gone, mine = 0, by["1"]
            by["1"] = {}
            for _, client in ipairs(mine) do
              client:on("close", function()
                gone = gone + 1
                if gone == 2 then
                  -- the worker hears of it, and the primary from the worker
                  timers.setTimeout(function()
                    connect_many(2, function()
                      say("filled up", #by["1"], #by["2"])
                      cluster.disconnect({ drain = 0 })
                      for _, list in pairs(by) do for _, c in ipairs(list) do c:destroy() end end
                    end)
                  end, 100)
                end
              end)
              client:finish()
            end
          end)
        end)
        cluster.fork() cluster.fork()
      else
        net.createServer(function(socket)
          socket:on("error", function() end)
          socket:write(tostring(cluster.worker.id))
        end):listen(0, "127.0.0.1")
      end
    ]], { env = { NODE_CLUSTER_SCHED_POLICY = "least" } })
    assert.same({ "even 2 2", "filled up 2 2" }, lines)
  end))

  it("is told of those that were dropped or blocked, too", within(function(t)
    local lines = cluster.run(t, PRIMARY .. [[
      if cluster.isPrimary then
        local kid, channel
        kid, channel = play({ function()
          return { key = "k", least = true, sockname = { address = "127.0.0.1", port = 5 } }
        end })
        local given, closed = 0, 0
        local acceptor
        acceptor = core.acceptor.new(function(descriptor)
          given = given + 1
          local message = { cmd = "NODE_CLUSTER", act = "newconn", key = "k", seq = given }
          channel:send_internal(message, descriptor)
        end)
        channel:on_internal("NODE_CLUSTER", function(message)
          if message.act == "closed" then
            closed = closed + message.count
            if closed == 4 then
              say("closed", closed)
              core.server.close(acceptor)
              kid:kill()
            end
          elseif message.act == "queryServer" then
            channel:send_internal({ cmd = "NODE_CLUSTER", ack = message.seq, key = "k", least = true,
              sockname = { address = "127.0.0.1", port = 5 }, seq = 0 })
          end
        end)
        kid:on("message", function(m)
          if m ~= "listening" then return end
          assert(core.server.listen_tcp(acceptor, "127.0.0.1", 0, 5))
          local port = acceptor:address().port
          for _ = 1, 4 do net.connect(port, "127.0.0.1"):on("error", function() end):resume() end
        end)
      else
        local n = 0
        local server = net.createServer(function(socket) socket:destroy() end)
        server.dropMaxConnection = true
        server:on("drop", function() end)
        server.blockList = { check = function()
          n = n + 1
          server.maxConnections = n == 2 and 0 or nil
          return n == 1
        end }
        server:listen(5, "127.0.0.1", function() process.send("listening") end)
      end
    ]])
    assert.same({ "listening", "closed 4", "exit nil" }, lines)
  end))

  it("is told of a connection that has gone to another process, too", within(function(t)
    local lines = cluster.run(t, [[
      if arg[1] == "other" then
        local socket
        process:on("message", function(_, handle)
          if handle then socket = handle else socket:finish("hello from another") end
        end)
      elseif cluster.isPrimary then
        local keys = require("net.internal.cluster.keys")
        function keys.closed(_, message)
          say("closed", message.count)
          cluster.workers[1]:send("end")
        end
        local client
        cluster.fork():on("listening", function(a)
          client = net.connect(a.port, "127.0.0.1")
          client:on("data", function(data) say(data) end)
          client:on("close", function() cluster.disconnect() end)
        end)
      else
        local child = require("net.child")
        local kid = child.fork(arg[0], { "other" })
        process:on("message", function() kid:send("end") kid:disconnect() end)
        net.createServer(function(socket)
          timers.setTimeout(kid.send, 1, kid, "yours", socket) -- not in the turn in which it came
        end):listen(0, "127.0.0.1")
      end
    ]], { env = { NODE_CLUSTER_SCHED_POLICY = "least" } })
    assert.same({ "closed 1", "hello from another" }, lines)
  end))
end)
