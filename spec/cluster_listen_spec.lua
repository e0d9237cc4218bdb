-- SPDX-License-Identifier: MIT

--- What a worker of a cluster listens on: which forms go to the primary, what it answers,
--- and what fails there.

local cluster = require("spec.support.cluster")
local within = require("spec.support").within
local lfs = require("lfs")
local net = require("net")

local POLICIES = { none = "NONE", rr = "RR", least = "LEAST" }

--- A primary that forks `count` workers, prints what they send, and has them leave when all
--- have sent "done"; connects where they tell it to.
local PRIMARY = [[
  local function primary(count)
    local done = 0
    local function visit(where, times)
      local client = net.connect(where)
      client:on("data", function(data) say("got", data) end)
      client:on("error", function(err) say(err.code) end)
      client:on("close", function()
        if times > 1 then visit(where, times - 1) else
          for _, w in pairs(cluster.workers) do w:send("visited") end
        end
      end)
    end
    cluster:on("message", function(w, m)
      if type(m) == "table" then
        visit(m.where, m.times or 1)
      elseif m == "done" then
        done = done + 1
        if done == count then cluster.disconnect() end
      else
        say(m)
      end
    end)
    for _ = 1, count do cluster.fork() end
  end
  local function tell(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    process.send(table.concat(words, " "))
  end
  local function done() process.send("done") end
]]

local function run(t, text, options)
  return cluster.run(t, PRIMARY .. text, options)
end

for name, title in pairs(POLICIES) do
  local options = { env = { NODE_CLUSTER_SCHED_POLICY = name } }

  describe("listen in a worker, SCHED_" .. title, function()
    it("has one port for all, by the number of the listen", within(function(t)
      local lines = run(t, [[
        if cluster.isPrimary then primary(2) else
          local first, second = net.createServer(), net.createServer()
          first:listen(0, "127.0.0.1", function()
            second:listen(0, "127.0.0.1", function()
              tell(first:address().port, second:address().port, first.listening, first:address().family)
              done()
            end)
          end)
        end
      ]], options)
      assert.equal(2, #lines)
      assert.equal(lines[1], lines[2])
      local one, other = lines[1]:match("^(%d+) (%d+) true IPv4$")
      assert.are_not.equal(one, other)
    end))

    it("serves what connects to it", within(function(t)
      local lines = run(t, [[
        if cluster.isPrimary then primary(1) else
          local server = net.createServer({ noDelay = true }, function(socket)
            socket:finish(tostring(socket.localPort == server_port) .. " " .. tostring(socket.server.listening))
          end)
          process:on("message", done)
          server:listen(0, function()
            server_port = server:address().port
            process.send({ where = { port = server_port, host = "127.0.0.1" }, times = 3 })
          end)
        end
      ]], options)
      assert.same({ "got true true", "got true true", "got true true" }, lines)
    end))

    it("has a path as given, and the file goes with the last worker", within(function(t)
      local path = t.tmpname()
      local lines = run(t, [[
        local path = process.env.SPEC_PATH
        if cluster.isPrimary then
          primary(2)
          cluster:on("listening", function(w, a)
            say("listening", a.address, a.port, a.addressType)
          end)
          local gone = 0
          cluster:on("exit", function()
            gone = gone + 1
            if gone == 2 then say("file", (io.open(path))) end
          end)
        else
          local server = net.createServer(function(socket) socket:finish("hi") end)
          process:on("message", function()
            if server.listening then done() else server:once("listening", done) end
          end)
          server:listen({ path = path, readableAll = true, writableAll = true }, function()
            tell(server:address())
            if cluster.worker.id == 1 then process.send({ where = { path = path } }) end
          end)
        end
      ]], { env = { NODE_CLUSTER_SCHED_POLICY = name, SPEC_PATH = path } })
      table.sort(lines)
      local told = "listening " .. path .. " -1 -1"
      local expected = { path, path, "file nil", "got hi", told, told }
      table.sort(expected)
      assert.same(expected, lines)
    end))

    it("tells errors of the primary as `bind`, and may be tried again", within(function(t)
      local lines = run(t, [[
        if cluster.isPrimary then
          local other = net.createServer():listen(0, "127.0.0.1", function()
            cluster.setupPrimary({ args = { cluster.port } })
          end)
          other:on("listening", function()
            cluster.setupPrimary({ args = { tostring(other:address().port) } })
            primary(1)
          end)
          cluster:on("exit", function() other:close() end)
        else
          local port = tonumber(arg[1])
          local server = net.createServer()
          local tries = {
            { port = port, host = "127.0.0.1" }, { path = "/nonexist/x.sock" }, { fd = 0 },
            { fd = 12345 }, { port = 0 },
          }
          local function try(i)
            if tries[i] then server:listen(tries[i]) end
          end
          local at = 1
          server:on("error", function(err)
            tell(err, err.code, err.syscall, err.address, err.port, err.errno, server.listening)
            at = at + 1
            try(at)
          end)
          server:on("listening", function() tell("listening") done() end)
          try(1)
        end
      ]], options)
      assert.matches("^Error: bind EADDRINUSE 127.0.0.1:(%d+) EADDRINUSE bind 127.0.0.1 %1 %-98 false$", lines[1])
      assert.equal("Error: bind EACCES /nonexist/x.sock EACCES bind /nonexist/x.sock -1 -13 false", lines[2])
      assert.equal("Error: bind EINVAL EINVAL bind nil nil -22 false", lines[3])
      assert.equal("Error: bind EINVAL EINVAL bind nil nil -22 false", lines[4])
      assert.equal("listening", lines[5])
    end))

    it("has the primary's descriptor, not its own", within(function(t)
      local lines = run(t, [[
        if cluster.isPrimary then
          primary(1)
        else
          local own = net.createServer()
          own:listen({ port = 0, host = "127.0.0.1", exclusive = true }, function()
            local server = net.createServer()
            server:on("error", function(err) tell(err) done() own:close() end)
            server:listen({ fd = own:fd() }, function() tell("never") end)
          end)
        end
      ]], options)
      assert.equal(1, #lines)
      assert.matches("^Error: bind E[IE][NX][VI]", lines[1]) -- EINVAL, or EEXIST by chance
    end))
  end)
end

describe("listen in a worker", function()
  it("shares out the connections, in turn", within(function(t)
    local lines = run(t, [[
      if cluster.isPrimary then
        local up = 0
        cluster:on("listening", function(_, a)
          up = up + 1
          if up < 2 then return end
          local port, n = a.port, 0
          local function visit()
            net.connect(port, "127.0.0.1"):on("data", say):on("close", function()
              n = n + 1
              if n < 6 then visit() else cluster.disconnect() end
            end)
          end
          visit()
        end)
        cluster.fork() cluster.fork()
      else
        net.createServer(function(socket) socket:finish(tostring(cluster.worker.id)) end):listen(0, "127.0.0.1")
      end
    ]])
    assert.equal(6, #lines)
    for i = 3, 6 do assert.equal(lines[i - 2], lines[i]) end
    assert.are_not.equal(lines[1], lines[2])
  end))

  it("shows nothing until the answer, and the last of several counts", within(function(t)
    local lines = run(t, [[
      if cluster.isPrimary then primary(1) else
        local server, told = net.createServer(), 0
        server:on("listening", function()
          told = told + 1
          tell(server.listening, server:address().address, told)
          timers.setTimeout(done, 20)
        end)
        server:listen(0, "127.0.0.1")
        tell(server.listening, server:address())
        server:listen(0, "127.0.0.2")
        server:listen(0, "127.0.0.3")
      end
    ]])
    assert.same({ "false nil", "true 127.0.0.3 1" }, lines)
  end))

  it("is dropped by close before the answer, and the primary closes its own", within(function(t)
    local lines = run(t, [[
      if cluster.isPrimary then primary(1) else
        local server = net.createServer()
        server:on("listening", function() tell("never") end)
        server:listen(0, "127.0.0.1")
        server:close(function(err)
          tell(err.code)
          server:listen(0, "127.0.0.1") -- the same number again, as all others are closed
          server:removeAllListeners("listening")
          server:once("listening", function()
            local port = server:address().port
            server:close(function(e)
              tell("closed", e)
              process.send({ where = { port = port, host = "127.0.0.1" } })
            end)
          end)
        end)
        process:on("message", done)
      end
    ]])
    assert.same({ "ERR_SERVER_NOT_RUNNING", "closed nil", "ECONNREFUSED" }, lines)
  end))

  it("is undone in the order of the servers, when the worker leaves", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.fork():on("message", function() cluster.disconnect() end)
        return
      end
      local function listen(n)
        if n > 6 then return process.send("all") end
        local server = net.createServer()
        server:on("close", function() say("close", n) end)
        server:listen(0, "127.0.0.1", function() listen(n + 1) end)
      end
      listen(1)
    ]])
    assert.same({ "close 1", "close 2", "close 3", "close 4", "close 5", "close 6" }, lines)
  end))

  it("says EADDRINUSE for a port that this worker has already", within(function(t)
    local lines = run(t, [[
      if cluster.isPrimary then primary(1) else
        local one, other = net.createServer(), net.createServer()
        one:listen(0, function()
          local port = one:address().port
          one:close(function()
            one:listen(port, function()
              other:on("error", function(err) tell(err, err.address, err.port == port) done() end)
              other:listen(port, function() tell("never") end)
            end)
          end)
        end)
      end
    ]])
    assert.matches("^Error: bind EADDRINUSE null:%d+ nil true$", lines[1])
    assert.equal(1, #lines)
  end))

  it("is local where it is exclusive, or reuses the port, or is a handle", within(function(t)
    local lines = run(t, [[
      if cluster.isPrimary then
        cluster:on("listening", function() say("never") end)
        primary(2)
      else
        local a, b, c, d = net.createServer(), net.createServer(), net.createServer(), net.createServer()
        a:listen({ port = 0, host = "127.0.0.1", exclusive = true }, function()
          b:listen(a, function()
            c:listen(net.BoundSocket({ port = 0, host = "127.0.0.1" }), function()
              d:listen({ port = 0, host = "127.0.0.1", reusePort = true }, function()
                tell(a:fd() >= 0, b:fd() >= 0, c:fd() >= 0, d:fd() >= 0)
                for _, s in ipairs({ a, b, c, d }) do s:close() end
                done()
              end)
            end)
          end)
        end)
      end
    ]])
    assert.same({ "true true true true", "true true true true" }, lines)
  end))

  it("looks names up by itself", within(function(t)
    local lines = run(t, [[
      if cluster.isPrimary then
        cluster:on("listening", function(_, a) say(a.address, a.addressType) end)
        primary(1)
      else
        net.createServer():listen({ port = 0, host = "localhost" }, done)
      end
    ]])
    assert.is_true(lines[1] == "127.0.0.1 4" or lines[1] == "::1 6")
  end))

  it("raises for what makes no sense before anybody is asked", within(function(t)
    local lines = run(t, [[
      if cluster.isPrimary then primary(1) else
        local server = net.createServer()
        for _, given in ipairs({
          { port = 70000 }, {}, { path = "\0x", readableAll = true }, { port = 0, signal = 5 },
        }) do
          local ok, err = pcall(server.listen, server, given)
          tell(ok, err.code)
        end
        server:listen(0, function()
          local ok, err = pcall(server.listen, server, 0)
          tell(ok, err.code)
          done()
        end)
      end
    ]])
    assert.same({ "false ERR_SOCKET_BAD_PORT", "false ERR_INVALID_ARG_VALUE", "false ERR_INVALID_ARG_VALUE",
      "false ERR_INVALID_ARG_TYPE", "false ERR_SERVER_ALREADY_LISTEN" }, lines)
  end))

  it("tells that nobody is there to ask", within(function(t)
    local lines = run(t, [[
      if cluster.isPrimary then
        cluster.fork():on("exit", function(code) say("exit", code) end)
      else
        cluster.worker:disconnect()
        cluster.worker:on("disconnect", function()
          local server = net.createServer()
          server:on("error", function(err) say(err.code, server.listening) end)
          server:listen(0)
        end)
      end
    ]])
    assert.same({ "ERR_IPC_CHANNEL_CLOSED false", "exit 0" }, lines)
  end))

  it("finds paths that are too long for a socket, from the primary's directory", within(function(t)
    local directory = t.tmpdir() .. "/" .. ("d"):rep(100)
    assert(lfs.mkdir(directory))
    t.finally(function() lfs.rmdir(directory) end)
    local lines = cluster.spawn(t, [[
      if cluster.isPrimary then
        cluster:on("message", function(_, m)
          say(m)
          if m == "s" then say(io.open("s")) cluster.disconnect() end
        end)
        cluster:on("exit", function() say("file", (io.open("s"))) end)
        cluster.fork()
      else
        local server = net.createServer()
        server:on("error", function(err)
          process.send(err.code)
          server:listen("s")
        end)
        server:on("listening", function() process.send(server:address()) end)
        server:listen("../" .. ("e"):rep(100) .. "/s")
      end
    ]], { cwd = directory })
    assert.equal("EACCES", lines[1])
    assert.equal("s", lines[2])
    assert.matches("No such device or address", lines[3]) -- a socket
    assert.equal("file nil", lines[4])
  end))

  it("takes over a descriptor of the primary's", within(function(t)
    for _, policy in ipairs({ 1, 2 }) do
      local bound = net.BoundSocket({ host = "127.0.0.1", port = 0 })
      local lines = cluster.spawn(t, ([[
        cluster.schedulingPolicy = %d
        local up, port = 0, 0
        if cluster.isPrimary then
          cluster:on("listening", function(w, a)
            up = up + 1
            if up == 1 then
              say(a.fd, a.port, a.addressType)
            else
              local client = net.connect(a.port, "127.0.0.1"):on("data", say)
              client:on("close", function() cluster.disconnect() end)
            end
          end)
          cluster:on("exit", function(_, code) say("exit", code) end)
          cluster.fork()
          cluster:once("listening", function() cluster.fork() end)
        else
          local server = net.createServer(function(socket) socket:finish("served") end)
          server:listen({ fd = 3 })
        end
      ]]):format(policy), { stdio = { bound } })
      assert.same({ "3 " .. bound:address().port .. " nil", "served", "exit 0", "exit 0" }, lines)
      bound:close()
    end
  end))

  it("has the limits and lists of the worker's own server", within(function(t)
    local lines = run(t, [[
      if cluster.isPrimary then primary(1) else
        local server = net.createServer(function(socket) socket:finish("never") end)
        local list = net.BlockList()
        list:addAddress("127.0.0.1")
        server.blockList = list
        server:on("drop", function(data) tell("drop", data.remoteAddress, data.localPort > 0) end)
        server:listen(0, "127.0.0.1", function()
          process.send({ where = { port = server:address().port, host = "127.0.0.1" } })
        end)
        local visits = 0
        process:on("message", function()
          visits = visits + 1
          if visits == 2 then return done() end
          server.blockList = nil
          server.maxConnections, server.dropMaxConnection = 0, true
          process.send({ where = { port = server:address().port, host = "127.0.0.1" } })
        end)
      end
    ]])
    assert.same({ "drop 127.0.0.1 true" }, lines)
  end))
end)
