-- SPDX-License-Identifier: MIT

--- Workers that are replaced: those that died (respawn), and all of them (reload).

local cluster = require("spec.support.cluster")
local within = require("spec.support").within

describe("respawn", function()
  it("forks a worker that died again, with its environment, and tells", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 10 } })
        cluster:on("respawn", function(new, old)
          say("respawn", old.id, new.id, old:isDead(), new.state)
        end)
        cluster:on("exit", function(w, code, signal) say("exit", w.id, code, signal) end)
        cluster:on("giveup", function() say("never") end)
        cluster:on("message", function(w, m)
          say(w.id, m)
          if w.id < 3 then w:kill("SIGKILL") else cluster.disconnect() end
        end)
        cluster.fork({ NAME = "x" })
      else
        process.send(process.env.NAME)
      end
    ]])
    assert.same({ "1 x", "exit 1 nil SIGKILL", "respawn 1 2 true none", "2 x", "exit 2 nil SIGKILL",
      "respawn 2 3 true none", "3 x", "exit 3 0 nil" }, lines)
  end))

  it("leaves those alone that were told to go", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 0 } })
        cluster:on("respawn", function() say("never") end)
        cluster:on("exit", function(w) say("exit", w.id) end)
        cluster.fork():on("online", function() cluster.workers[1]:disconnect() end)
      end
    ]])
    assert.same({ "exit 1" }, lines)
  end))

  it("gives up when too many die, and tells which was the last", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { max = 2, delay = 1 } })
        local started = core.now()
        cluster:on("respawn", function(new, old) say("respawn", old.id, new.id) end)
        cluster:on("giveup", function(old) say("giveup", old.id, cluster.workers[old.id]) end)
        cluster:on("exit", function(w) say("exit", w.id) end)
        cluster.fork()
      else
        process.exit(1)
      end
    ]])
    assert.same({ "exit 1", "respawn 1 2", "exit 2", "respawn 2 3", "exit 3", "giveup 3 nil" }, lines)
  end))

  it("doubles the delay with each death, and counts those of the last time only", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { max = 3, delay = 40, within = 100000 } })
        local died
        local delays = {}
        cluster:on("exit", function() died = core.now() end)
        cluster:on("respawn", function() delays[#delays + 1] = core.now() - died end)
        cluster:on("giveup", function()
          say(#delays)
          for i, least in ipairs({ 40, 80, 160 }) do say(delays[i] >= least - 1) end
        end)
        cluster.fork()
      else
        process.exit(1)
      end
    ]])
    assert.same({ "3", "true", "true", "true" }, lines)
  end))

  it("keeps the port and what connects, for the successor", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 50 } })
        local port
        cluster:on("listening", function(w, a)
          port = port or a.port
          say("listening", w.id, a.port == port)
          if w.id == 1 then w:kill("SIGKILL") end
        end)
        cluster:on("disconnect", function(w)
          if w.id > 1 then return end
          for _ = 1, 3 do
            local client = net.connect(port, "127.0.0.1")
            client:on("error", function(err) say(err.code) end)
            client:on("data", function(data) say(data) end)
            client:on("close", function()
              port = port + 0
              cluster.served = (cluster.served or 0) + 1
              if cluster.served == 3 then cluster.disconnect() end
            end)
          end
        end)
        cluster.fork()
      else
        net.createServer(function(socket) socket:finish("by " .. cluster.worker.id) end):listen(0, "127.0.0.1")
      end
    ]])
    table.sort(lines) -- a worker may serve before it says that it listens
    assert.same({ "by 2", "by 2", "by 2", "listening 1 true", "listening 2 true" }, lines)
  end))

  it("ends with giving up: what waited is closed", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { max = 1, delay = 50 } })
        local port
        cluster:on("listening", function(w, a) port = a.port w:kill("SIGKILL") end)
        cluster:on("disconnect", function(w)
          if w.id > 1 then return end
          local client = net.connect(port, "127.0.0.1"):resume()
          client:on("error", function() end)
          client:on("close", function()
            say("closed")
            net.connect(port, "127.0.0.1"):on("error", function(err) say(err.code) end)
          end)
        end)
        cluster:on("giveup", function(w) say("giveup", w.id) end)
        cluster.fork()
      elseif cluster.worker.id == 1 then
        net.createServer():listen(0, "127.0.0.1")
      else
        process.exit(1)
      end
    ]])
    assert.same({ "giveup 2", "closed", "ECONNREFUSED" }, lines)
  end))

  it("ends with settings that want none, and what waited is closed", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 50 } })
        local function stop(when, port)
          cluster.setupPrimary({ respawn = false })
          net.connect(port, "127.0.0.1"):on("error", function(err) say(when, err.code) end)
            :on("connect", function() say(when, "waits") cluster.disconnect() end)
        end
        cluster:on("respawn", function() say("never") end)
        cluster:on("listening", function(w, a)
          if w.id == 1 then -- amid the death
            cluster:once("exit", function() stop("exit", a.port) end)
          else              -- amid the delay
            cluster.setupPrimary({ respawn = { delay = 50 } })
            cluster:once("exit", function() timers.setTimeout(stop, 1, "delay", a.port) end)
          end
          w:on("exit", function() if w.id == 1 then timers.setTimeout(cluster.fork, 1) end end)
          w:kill("SIGKILL")
        end)
        cluster.fork()
      else
        net.createServer():listen(0, "127.0.0.1")
      end
    ]])
    assert.same({ "exit ECONNREFUSED", "delay ECONNREFUSED" }, lines)
  end))

  it("counts a successor that cannot be started, too", within(function(t)
    local lines, result = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { max = 3, delay = 1 } })
        cluster:on("respawn", function(new)
          if new.id == 3 then cluster.setupPrimary({ exec = 5 }) end
          say("respawn", new.id)
        end)
        cluster:on("giveup", function(old) say("giveup", old.id) end)
        cluster.fork()
        cluster.setupPrimary({ execPath = "/nonexistent" })
      else
        process.exit(1)
      end
    ]], { stderr = true })
    assert.same({ "respawn 2", "respawn 3", "giveup 3" }, lines)
    assert.matches('The "modulePath" argument must be of type string', result.stderr)
    assert.equal(0, result.code)
  end))

  it("ends with cluster.disconnect, also amid the delay", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 100000 } })
        cluster:on("respawn", function() say("never") end)
        cluster:on("exit", function()
          process.nextTick(function() cluster.disconnect(function() say("left") end) end)
        end)
        cluster.fork()
      else
        process.exit(1)
      end
    ]])
    assert.same({ "left" }, lines)
  end))
end)

--- A primary with two workers that serve, and clients that never stop to ask.
local SERVING = [[
  local port, up, going, served, failed = nil, 0, true, 0, 0
  local function visit()
    local client, got = net.connect(port, "127.0.0.1"), false
    client:on("data", function() got = true end)
    client:on("error", function(err) failed = failed + 1 say(err.code) end)
    client:on("close", function()
      if got then served = served + 1 else failed = failed + 1 end
      if going then visit() end
    end)
  end
  local function begin(fn)
    local begun
    cluster:on("listening", function(_, a)
      port, up = a.port, up + 1
      if up == 2 and not begun then begun = true visit() fn() end
    end)
    cluster.fork({ NAME = "a" })
    cluster.fork({ NAME = "b" })
  end
  local function ids()
    local list = {}
    for id, w in pairs(cluster.workers) do list[#list + 1] = id end
    table.sort(list)
    return table.concat(list, ",")
  end
  local function serve()
    net.createServer(function(socket) socket:finish("by " .. cluster.worker.id) end):listen(0, "127.0.0.1")
  end
]]

describe("cluster.reload", function()
  it("replaces the workers one after the other, and refuses nobody", within(function(t)
    local lines = cluster.run(t, SERVING .. [[
      if cluster.isPrimary then
        begin(function()
          cluster:on("exit", function(w, code) say("exit", w.id, code, w.exitedAfterDisconnect) end)
          cluster:on("fork", function(w) say("fork", w.id) end)
          cluster:on("message", function(w, m) say(w.id, m) end)
          cluster.reload(function(err)
            say("reloaded", err, ids(), failed, served > 0)
            going = false
            cluster.disconnect()
          end)
        end)
      else
        if cluster.worker.id > 2 then process.send(process.env.NAME) end
        serve()
      end
    ]])
    local seen = {}
    for _, line in ipairs(lines) do seen[line] = (seen[line] or 0) + 1 end
    for _, line in ipairs({ "fork 3", "fork 4", "3 a", "4 b", "exit 1 0 true", "exit 2 0 true",
      "reloaded nil 3,4 0 true" }) do
      assert.equal(1, seen[line], line)
    end
  end))

  it("ends an old worker that lives on without its channel", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        local old = cluster.fork()
        cluster:on("exit", function(w, code, signal) say("exit", w.id, code, signal) end)
        cluster:once("message", function()
          cluster:once("fork", function() old.process:disconnect() end)
          cluster.reload({ drain = 10 }, function(err)
            say("reloaded", err)
            cluster.disconnect()
          end)
        end)
      elseif cluster.worker.id == 1 then
        process.send("busy", function() while true do end end)
      end
    ]])
    assert.same({ "reloaded nil", "exit 1 nil SIGTERM", "exit 2 0 nil" }, lines)
  end))

  it("waits for all that the old worker listens on", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        local up = 0
        cluster:on("listening", function(w)
          up = up + 1
          say("listening", w.id, cluster.workers[1] ~= nil)
          if up == 2 then
            cluster.reload(function(err)
              say("reloaded", err)
              cluster.disconnect()
            end)
          end
        end)
        cluster.fork()
      else
        net.createServer():listen(0, function()
          timers.setTimeout(function() net.createServer():listen(0) end, 30)
        end)
      end
    ]])
    assert.same({ "listening 1 true", "listening 1 true", "listening 2 true", "listening 2 false",
      "reloaded nil" }, lines)
  end))

  it("goes on when the new worker is online, where the old one listens on nothing", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.fork():on("online", function()
          cluster.reload({ drain = 0 }, function(err)
            say("reloaded", err, next(cluster.workers))
            cluster.disconnect()
          end)
        end)
      end
    ]])
    assert.matches("^reloaded nil 2", lines[1])
  end))

  it("cuts connections that do not end in time", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.fork():on("listening", function(a)
          local client = net.connect(a.port, "127.0.0.1"):resume()
          client:on("error", function() end)
          client:on("connect", function()
            cluster.reload({ drain = 50 }, function(err)
              say("reloaded", err, client.destroyed or client.readableEnded)
              cluster.disconnect()
            end)
          end)
        end)
      else
        net.createServer({ allowHalfOpen = true }, function() end):listen(0, "127.0.0.1")
      end
    ]])
    assert.same({ "reloaded nil true" }, lines)
  end))

  it("ends with a new worker that dies, and leaves the old ones as they are", within(function(t)
    local lines = cluster.run(t, SERVING .. [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 1 } })
        cluster:on("respawn", function() say("never") end)
        begin(function()
          cluster.setupPrimary({ args = { "broken" } })
          cluster.reload(function(err)
            say(err.code, err.worker.id, err.cause ~= nil, ids(), failed)
            going = false
            timers.setTimeout(cluster.disconnect, 30)
          end)
        end)
      elseif arg[1] == "broken" then
        process.exit(7)
      else
        serve()
      end
    ]])
    assert.equal(1, #lines)
    assert.matches("^ERR_CLUSTER_RELOAD 3 true 1,2", lines[1])
  end))

  it("ends with a new worker that is late, which is ended", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster:on("exit", function(w, code, signal) say("exit", w.id, code, signal) end)
        local begun
        cluster:on("listening", function()
          if begun then return end
          begun = true
          cluster.reload({ ready = 100 }, function(err)
            say(err.code, err.message, err.cause.code, err.worker.id)
            err.worker:on("exit", function() cluster.disconnect() end)
          end)
        end)
        cluster.fork()
      elseif cluster.worker.id == 1 then
        net.createServer():listen(0)
      end
    ]])
    assert.same({
      "ERR_CLUSTER_RELOAD The workers could not be replaced: a new worker did not become ready ETIMEDOUT 2",
      "exit 2 nil SIGTERM", "exit 1 0 nil" }, lines)
  end))

  it("is an 'error' of the cluster without a callback", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster:on("error", function(err) say(err.code, err.cause.code) cluster.disconnect() end)
        cluster.fork():on("online", function()
          cluster.setupPrimary({ execPath = "/nonexistent" })
          cluster.reload()
        end)
      end
    ]])
    assert.same({ "ERR_CLUSTER_RELOAD ENOENT" }, lines)
  end))

  it("forks one in the place of one that dies meanwhile, not two", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 0 } })
        cluster:on("respawn", function(_, old) say("respawn", old.id) end)
        cluster.fork():once("listening", function()
          cluster.reload(function(err)
            say("reloaded", err, next(cluster.workers))
            cluster.disconnect()
          end)
          cluster.workers[1]:kill("SIGKILL")
        end)
      else
        net.createServer():listen(0, "127.0.0.1")
      end
    ]])
    assert.equal(1, #lines)
    assert.match("^reloaded nil 2 ", lines[1])
  end))

  it("that fails leaves the place of one that died meanwhile to respawn", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 0 } })
        cluster:on("respawn", function(new, old)
          say("respawn", new.id, old.id)
          new:on("online", function() cluster.disconnect() end)
        end)
        cluster:once("online", function(w)
          cluster:on("exit", function(who) say("exit", who.id) end)
          local own = cluster.settings
          cluster.setupPrimary({ execPath = "sleep", exec = "60", args = {} }) -- is never online
          cluster.reload({ ready = 5000 }, function(err) say(err.code, err.worker.id) end)
          w:on("exit", function()
            cluster.setupPrimary({ execPath = process.execPath, exec = own.exec })
            cluster.workers[2]:kill("SIGKILL")
          end)
          w:kill("SIGKILL")
        end)
        cluster.fork()
      end
    ]])
    assert.equal("exit 3", table.remove(lines))
    table.sort(lines) -- a channel may end before the system tells of an exit, or behind it
    assert.same({ "ERR_CLUSTER_RELOAD 2", "exit 1", "exit 2", "respawn 3 1" }, lines)
  end))

  it("leaves the errors of a new worker to the program from then on", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.fork():on("online", function()
          cluster.reload(function()
            local _, new = next(cluster.workers)
            say(pcall(new.emit, new, "error", "one"))
            cluster.disconnect()
          end)
        end)
      end
    ]])
    assert.equal(1, #lines)
    assert.match("^false .*one", lines[1])
  end))

  it("is one at a time", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.reload(function(err)
          say("none to reload", err)
          cluster.reload(function(e) say("again", e) end)
        end)
        local ok, err = pcall(cluster.reload)
        say(ok, err.code, err.message)
      end
    ]])
    assert.same({ "false ERR_CLUSTER_RELOAD The workers could not be replaced: it is under way already",
      "none to reload nil", "again nil" }, lines)
  end))
end)

describe("disconnect with drain", function()
  it("ends idle connections, and cuts the rest", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.fork():on("listening", function(a)
          local client = net.connect(a.port, "127.0.0.1")
          client:on("data", function(data)
            say(data)
            cluster.disconnect({ drain = 100 }, function() say("left") end)
          end)
          client:on("end", function() say("end") end)
        end)
        cluster:on("exit", function(_, code) say("exit", code) end)
      else
        net.createServer(function(socket) socket:write("hello") end):listen(0, "127.0.0.1")
      end
    ]])
    assert.same({ "hello", "end", "left", "exit 0" }, lines)
  end))

  it("is told to one worker, too", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        local w = cluster.fork()
        w:on("listening", function(a)
          local client = net.connect(a.port, "127.0.0.1"):resume()
          client:on("connect", function() w:disconnect({ drain = 0 }) end)
          client:on("error", function() end)
          client:on("close", function() say("close") end)
        end)
        w:on("exit", function(code) say("exit", code) end)
      else
        net.createServer({ allowHalfOpen = true }, function() end):listen(0, "127.0.0.1")
      end
    ]])
    table.sort(lines)
    assert.same({ "close", "exit 0" }, lines)
  end))

  it("has a worker that does not obey ended by signals #slow", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        local begun = core.now()
        for i = 1, 2 do
          local w = cluster.fork()
          w:on("message", function() w:disconnect({ drain = 0 }) end)
          w:on("exit", function(code, signal)
            say("exit", i, code, signal, core.now() - begun >= i * 4900)
          end)
        end
      else
        if cluster.worker.id == 2 then process:on("SIGTERM", function() end) end
        process.send("busy")
        timers.setTimeout(function() while true do end end, 5)
      end
    ]])
    assert.same({ "exit 1 nil SIGTERM true", "exit 2 nil SIGKILL true" }, lines)
  end))
end)
