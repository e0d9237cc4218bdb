-- SPDX-License-Identifier: MIT

--- The events of a cluster in their order, its API, and what is wrong with calls of it.
--- All programs are real processes; each says what happens to it, a line at a time.

local cluster = require("spec.support.cluster")
local within = require("spec.support").within

--- Lines of one process alone: those that begin with the word.
local function of(lines, word)
  local own = {}
  for _, line in ipairs(lines) do
    if line:find("^" .. word .. " ") then
      own[#own + 1] = line:sub(#word + 2)
    end
  end
  return own
end

--- What a primary says of the events of its one worker.
local EVENTS = [[
  local function watch(w)
    for _, name in ipairs({ "online", "listening", "disconnect", "exit" }) do
      w:on(name, function(...)
        local a, b = ...
        if name == "listening" then a, b = a.address, a.addressType end
        say("P worker", name, name == "exit" and tostring(a) .. " " .. tostring(b) or
          name == "listening" and tostring(a) .. " " .. tostring(b) or "")
      end)
      cluster:on(name, function(worker)
        assert(worker == w)
        say("P cluster", name, tostring(w.exitedAfterDisconnect), w.state)
      end)
    end
    w.process:on("close", function() say("P process close") end)
  end
]]

local function trace(t, text, options)
  local lines = cluster.run(t, EVENTS .. text, options)
  return of(lines, "P"), of(lines, "W"), lines
end

describe("a cluster's events", function()
  it("begin with setup, spawn, fork, online and listening", within(function(t)
    local primary = trace(t, [[
      if cluster.isPrimary then
        cluster:on("setup", function(settings) say("P setup", settings == cluster.settings) end)
        cluster:on("fork", function(w) say("P fork", w.id) end)
        local w = cluster.fork()
        say("P state", w.state, w:isConnected(), w:isDead(), w.exitedAfterDisconnect)
        w.process:on("spawn", function() say("P spawn") end)
        watch(w)
        w:on("listening", function(a)
          say("P address", a.address, a.addressType, a.port > 0, a.fd)
          w:kill("SIGKILL")
        end)
      else
        net.createServer():listen(0)
      end
    ]])
    assert.same({
      "state none true false nil", "setup true", "spawn", "fork 1",
      "worker online ", "cluster online nil online",
      "worker listening nil 4", "address nil 4 true nil", "cluster listening nil listening",
      "worker disconnect ", "cluster disconnect false disconnected",
      "worker exit nil SIGKILL", "cluster exit false dead", "process close",
    }, primary)
  end))

  it("end with disconnect and exit where the primary has a worker leave", within(function(t)
    local primary, worker = trace(t, [[
      if cluster.isPrimary then
        local w = cluster.fork()
        watch(w)
        w:once("listening", function()
          say("P left", w:disconnect() == w, cluster.workers[1], w.exitedAfterDisconnect)
        end)
      else
        local server = net.createServer():listen(0, "127.0.0.1")
        server:on("close", function() say("W server close", process.connected) end)
        cluster.worker:on("disconnect", function()
          say("W worker disconnect", cluster.worker.exitedAfterDisconnect)
        end)
        process:on("disconnect", function() say("W process disconnect", process.connected) end)
      end
    ]])
    assert.same({
      "worker online ", "cluster online nil online",
      "worker listening 127.0.0.1 4", "left true nil true", "cluster listening true listening",
      "worker disconnect ", "cluster disconnect true disconnected",
      "worker exit 0 nil", "cluster exit true dead", "process close",
    }, primary)
    assert.same({ "server close true", "worker disconnect true", "process disconnect false" }, worker)
  end))

  it("wait for the worker's connections when it is to leave", within(function(t)
    local primary = trace(t, [[
      if cluster.isPrimary then
        local w = cluster.fork()
        w:once("listening", function(address)
          local client = net.connect(address.port, "127.0.0.1")
          client:once("data", function()
            w:disconnect()
            local refused = net.connect(address.port, "127.0.0.1")
            refused:on("error", function(err)
              say("P", err.code)
              client:finish("bye")
            end)
          end)
          client:on("data", function(data) say("P", data) end)
          client:on("end", function() say("P end") end)
        end)
        w:on("disconnect", function() say("P disconnect") end)
      else
        net.createServer({ allowHalfOpen = true }, function(socket)
          socket:write("hello")
          socket:on("data", function(data)
            say("W", data)
            socket:finish("good " .. data)
          end)
        end):listen(0, "127.0.0.1")
      end
    ]])
    assert.same({ "hello", "ECONNREFUSED" }, table.move(primary, 1, 2, 1, {}))
    table.sort(primary)
    assert.same({ "ECONNREFUSED", "disconnect", "end", "good bye", "hello" }, primary)
  end))

  it("tell a worker that exits by itself", within(function(t)
    local primary = trace(t, [[
      if cluster.isPrimary then
        watch(cluster.fork())
      else
        process.exit(3)
      end
    ]])
    assert.same({
      "worker online ", "cluster online nil online",
      "worker disconnect ", "cluster disconnect false disconnected",
      "worker exit 3 nil", "cluster exit false dead", "process close",
    }, primary)
  end))

  it("have the disconnect before the exit, however fast that is", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        for _ = 1, 10 do
          local w, said = cluster.fork(), {}
          w:on("message", function(m) said[#said + 1] = m end)
          w:on("disconnect", function() said[#said + 1] = "disconnect" end)
          w:on("exit", function(code) say(table.concat(said, " "), code) end)
        end
      else
        process.send("last words")
        process.exit(3)
      end
    ]])
    assert.equal(10, #lines)
    for _, line in ipairs(lines) do assert.equal("last words disconnect 3", line) end
  end))

  it("tell one that is killed, which is dead then and no longer there", within(function(t)
    local primary = trace(t, [[
      if cluster.isPrimary then
        local w = cluster.fork()
        watch(w)
        w:on("online", function()
          say("P kill", select("#", w:kill()), w.exitedAfterDisconnect)
        end)
        w:on("disconnect", function() say("P there", cluster.workers[1] == w) end)
        w:on("exit", function() say("P dead", w:isDead(), w:isConnected(), cluster.workers[1]) end)
      end
    ]])
    assert.same({
      "worker online ", "kill 0 nil", "cluster online nil online",
      "worker disconnect ", "there true", "cluster disconnect false disconnected",
      "worker exit nil SIGTERM", "dead true false nil", "cluster exit false dead", "process close",
    }, primary)
  end))

  it("tell a worker that leaves by itself", within(function(t)
    local primary, worker = trace(t, [[
      if cluster.isPrimary then
        watch(cluster.fork())
      else
        local server = net.createServer()
        server:listen(0, "127.0.0.1", function()
          local w = cluster.worker
          say("W returns", w:disconnect() == w, w.exitedAfterDisconnect, w:disconnect() == w)
        end)
        server:on("close", function() say("W server close") end)
        cluster.worker:on("disconnect", function() say("W worker disconnect", process.connected) end)
        process:on("disconnect", function() say("W process disconnect") end)
      end
    ]])
    assert.same({ "returns true true true", "server close", "worker disconnect false",
      "process disconnect" }, worker)
    assert.same({ "worker disconnect ", "cluster disconnect true disconnected",
      "worker exit 0 nil", "cluster exit true dead", "process close" },
      table.move(primary, #primary - 4, #primary, 1, {}))
  end))

  it("tell one that kills itself, which waits for no connection", within(function(t)
    local primary, worker = trace(t, [[
      if cluster.isPrimary then
        local w = cluster.fork()
        watch(w)
        w:on("listening", function(address)
          net.connect(address.port, "127.0.0.1"):on("error", function() end):resume()
        end)
      else
        net.createServer(function()
          process:on("exit", function(code) say("W exit", code) end)
          process:on("disconnect", function() say("W disconnect") end)
          cluster.worker:kill()
          cluster.worker:kill()
          process:on("disconnect", function() say("W too late") end)
          timers.setInterval(function() end, 1000)
        end):listen(0, "127.0.0.1")
      end
    ]])
    assert.same({ "disconnect", "exit 0" }, worker)
    assert.same({ "worker disconnect ", "cluster disconnect true disconnected",
      "worker exit 0 nil", "cluster exit true dead", "process close" },
      table.move(primary, #primary - 4, #primary, 1, {}))
  end))

  it("have cluster.disconnect call back after the last disconnect, before the exits", within(function(t)
    local primary = trace(t, [[
      if cluster.isPrimary then
        local up = 0
        for _ = 1, 2 do cluster.fork() end
        cluster:on("listening", function()
          up = up + 1
          if up == 2 then cluster.disconnect(function() say("P all", next(cluster.workers)) end) end
        end)
        cluster:on("disconnect", function(w) say("P disconnect", w.id) end)
        cluster:on("exit", function(w) say("P exit", w.id) end)
      else
        net.createServer():listen(0)
      end
    ]])
    local at = {}
    for i, line in ipairs(primary) do at[line] = i end
    assert.equal(5, #primary)
    local last = at["disconnect 1"] > at["disconnect 2"] and 1 or 2
    assert.equal(at["disconnect " .. last] + 1, at["all nil"])
    assert.is_true(at["all nil"] < at["exit " .. last])
    assert.is_true(at["disconnect 1"] < at["exit 1"] and at["disconnect 2"] < at["exit 2"])
  end))

  it("have cluster.disconnect call back on a tick where there is no worker", within(function(t)
    assert.same({ "now", "then" }, trace(t, [[
      cluster.disconnect(function() say("P then") end)
      cluster.disconnect()
      say("P now")
    ]]))
  end))

  it("tell a worker that cannot be started, and have no exit for it", within(function(t)
    local primary = trace(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ execPath = "/nonexistent" })
        local w = cluster.fork()
        watch(w)
        cluster:on("fork", function() say("P fork") end)
        w:on("error", function(err) say("P", err.code, err.syscall) end)
        w.process:on("close", function(code)
          say("P code", code)
          process.nextTick(function()
            timers.setImmediate(function() say("P dead", w:isDead(), cluster.workers[1]) end)
          end)
        end)
      end
    ]])
    assert.same({ "ENOENT spawn /nonexistent", "fork", "process close", "code -2",
      "worker disconnect ", "cluster disconnect false disconnected", "dead true nil" }, primary)
  end))
end)

describe("a worker of a cluster", function()
  it("is told apart, and has neither workers nor their makers", within(function(t)
    local lines = cluster.run(t, [[
      say(cluster.isPrimary, cluster.isWorker, cluster.worker and cluster.worker.id, cluster.fork,
        cluster.settings, cluster.workers, cluster.disconnect, cluster.SCHED_RR,
        os.getenv("NODE_UNIQUE_ID"), os.getenv("NODE_CHANNEL_FD"), process.env.NODE_UNIQUE_ID)
      if cluster.isPrimary then
        cluster.fork():on("disconnect", function() end)
      else
        local w = cluster.worker
        say(w.process == process, w:isDead(), w:isConnected(), w.state)
        cluster.worker:disconnect()
      end
    ]])
    assert.matches("^true false nil function", lines[1])
    assert.equal("false true 1 nil nil nil nil nil nil nil nil", lines[2])
    assert.equal("true false true online", lines[3])
  end))

  it("exits with 0 when its channel ends, and process listeners hear nothing", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.fork():on("exit", function(code, signal) say(code, signal) end)
      else
        cluster.worker:on("disconnect", function() say("worker") end)
        process:on("disconnect", function() say("never") end)
        timers.setInterval(function() end, 1000)
        process.disconnect()
      end
    ]])
    assert.same({ "worker", "0 nil" }, lines)
  end))

  it("exits when the primary is killed", within(function(t)
    local child = cluster.start(t, [[
      if cluster.isPrimary then
        local w = cluster.fork()
        w:on("listening", function() process.kill(process.pid, "SIGKILL") end)
      else
        net.createServer():listen(0)
        process:on("exit", function(code) say("gone", code) end)
      end
    ]])
    assert.equal("gone 0", child:read())
    child:wait()
  end))

  it("that left on purpose lives on for what it listens on by itself", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        local w = cluster.fork()
        w:on("message", function(port)
          w:disconnect()
          w:on("disconnect", function()
            say("disconnect")
            local client = net.connect(port, "127.0.0.1"):resume()
            client:on("close", function() say("served") end)
          end)
        end)
        w:on("exit", function(code) say("exit", code) end)
        cluster:on("listening", function() say("never") end)
      else
        local server = net.createServer()
        server:on("connection", function(socket)
          socket:finish()
          server:close()
        end)
        server:listen({ port = 0, host = "127.0.0.1", exclusive = true }, function()
          process.send(server:address().port)
        end)
      end
    ]])
    assert.same({ "disconnect", "served", "exit 0" }, lines)
  end))

  it("has its messages heard by the cluster first, and hears the primary's twice", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        local w = cluster.fork({ GREETING = "hello" })
        w:on("message", function(m) say("worker", m) end)
        cluster:on("message", function(from, m) say("cluster", m, from == w) end)
        w.process:on("message", function(m)
          say("process", m)
          if m == "done" then w:disconnect() else say(w:send("back")) end
        end)
      else
        process:on("message", function(m) say("W process", m) cluster.worker:send("done") end)
        cluster.worker:on("message", function(m) say("W worker", m) end)
        process.send(os.getenv("GREETING"))
      end
    ]])
    assert.same({ "cluster hello true", "worker hello", "process hello", "true",
      "W worker back", "W process back",
      "cluster done true", "worker done", "process done" }, lines)
  end))

  it("has its own children be no workers", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary and not process.env.GRANDCHILD then
        cluster.fork({ GRANDCHILD = "1" })
      elseif cluster.isWorker then
        local kid = require("net.child").fork(arg[0])
        kid:on("exit", function() cluster.worker:disconnect() end)
      else
        say("grandchild", cluster.isPrimary, cluster.isWorker)
      end
    ]])
    assert.same({ "grandchild true false" }, lines)
  end))
end)

describe("setupPrimary and fork", function()
  it("have defaults, and settings over settings, told each time", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        say(next(cluster.settings))
        cluster.setupPrimary()
        say(cluster.settings.exec == arg[0], cluster.settings.args[1], cluster.settings.silent)
        cluster.setupPrimary({ args = { "b" } })
        cluster:on("setup", function(settings) say("setup", settings.args[1], settings.cwd) end)
        cluster.fork({ N = 1 })
        cluster.setupPrimary({ args = { "c" }, cwd = "/" })
        cluster.fork({ N = 2 }):on("exit", function(code) say(code) end)
        say(cluster.workers[1].id, cluster.workers[2].id)
      else
        cluster.worker:on("disconnect", function() end)
        if cluster.worker.id == 2 then say("args", arg[1], process.env.N, core.cwd()) end
        process.exit(0)
      end
    ]], { args = { "a" } })
    local primary, worker = {}, {}
    for _, line in ipairs(lines) do
      local list = line:find("^args") and worker or primary
      list[#list + 1] = line
    end
    assert.same({ "nil", "true a false", "1 2", "setup a nil", "setup b nil", "setup b nil",
      "setup c /", "setup c /", "0" }, primary)
    assert.same({ "args c 2 /" }, worker)
  end))

  it("refuse what makes no sense, and nothing has happened", within(function(t)
    local lines = cluster.run(t, [[
      local function try(fn, ...)
        local ok, err = pcall(fn, ...)
        say(ok, err and err.code, err and err.message)
      end
      try(cluster.setupPrimary, 5)
      try(cluster.setupPrimary, { respawn = 5 })
      try(cluster.setupPrimary, { respawn = { max = "a" } })
      try(cluster.setupPrimary, { respawn = { delay = -1 } })
      try(cluster.fork, "x")
      try(cluster.disconnect, 5)
      try(cluster.disconnect, { drain = "x" })
      try(cluster.disconnect, { drain = -1 })
      try(cluster.reload, 5)
      try(cluster.reload, { ready = "soon" })
      cluster.schedulingPolicy = 7
      try(cluster.fork)
      cluster.schedulingPolicy = cluster.SCHED_RR
      cluster.setupPrimary({ exec = 5 })
      try(cluster.fork)
      say(next(cluster.workers))
      try(cluster.setupPrimary, { maxMessage = 0 })
    ]])
    assert.matches('^false ERR_OUT_OF_RANGE The value of "settings.maxMessage"', table.remove(lines))
    assert.matches('^false ERR_INVALID_ARG_TYPE The "settings" argument must be of type object', lines[1])
    assert.matches('^false ERR_INVALID_ARG_TYPE The "settings.respawn" property', lines[2])
    assert.matches('^false ERR_INVALID_ARG_TYPE The "settings.respawn.max" property', lines[3])
    assert.matches("^false ERR_OUT_OF_RANGE", lines[4])
    assert.matches('^false ERR_INVALID_ARG_TYPE The "env" argument', lines[5])
    assert.matches('^false ERR_INVALID_ARG_TYPE The "options" argument', lines[6])
    assert.matches('^false ERR_INVALID_ARG_TYPE The "options.drain" property', lines[7])
    assert.matches("^false ERR_OUT_OF_RANGE", lines[8])
    assert.matches('^false ERR_INVALID_ARG_TYPE The "options" argument', lines[9])
    assert.matches('^false ERR_INVALID_ARG_TYPE The "options.ready" property', lines[10])
    assert.matches("^false ERR_INVALID_ARG_VALUE The property 'cluster.schedulingPolicy' is invalid",
      lines[11])
    assert.matches('^false ERR_INVALID_ARG_TYPE The "modulePath" argument', lines[12])
    assert.equal("nil", lines[13])
  end))

  it("have no script to run under -e, and say so at fork", within(function()
    local lua = require("spec.support.lua")
    local result = lua.run({ program = cluster.luanet, args = { "-e", [[
      local cluster = require("net.cluster")
      cluster.setupPrimary()
      local ok, err = pcall(cluster.fork)
      print(ok, err.code, err.message)
    ]] } })
    assert.matches("^false\tERR_INVALID_ARG_VALUE\tThe property 'settings.exec' is invalid", result.stdout)
  end))

  it("take the policy from the environment, and freeze it", within(function(t)
    local text = [[
      if cluster.isPrimary then
        say(cluster.schedulingPolicy)
        cluster.setupPrimary()
        cluster.schedulingPolicy = 99
        cluster.fork():on("exit", function(code) say(code) end)
      end
    ]]
    for name, number in pairs({ none = 1, rr = 2, least = 3, other = 2 }) do
      local lines = cluster.run(t, text .. [[ if cluster.isWorker then process.exit(4) end ]],
        { env = { NODE_CLUSTER_SCHED_POLICY = name } })
      assert.same({ tostring(number), "4" }, lines)
    end
  end))
end)
