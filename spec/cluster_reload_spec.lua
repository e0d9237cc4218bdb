-- SPDX-License-Identifier: MIT

--- How long respawn waits, and a reload while workers wait to be forked again.

local cluster = require("spec.support.cluster")
local within = require("spec.support").within

describe("The delay of respawn", function()
  it("is not longer than deaths count, however many there were", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then -- the last delay would be 82 seconds
        cluster.setupPrimary({ respawn = { max = 100, delay = 10, within = 1000 } })
        local respawns = 0
        cluster:on("respawn", function()
          respawns = respawns + 1
          if respawns == 14 then say("all are back") cluster.disconnect() end
        end)
        cluster:on("listening", function()
          for _, w in pairs(cluster.workers) do
            if w.id <= 14 and w.state ~= "listening" then return end
          end
          for _, w in pairs(cluster.workers) do
            if w.id <= 14 then w:kill("SIGKILL") end
          end
        end)
        for _ = 1, 14 do cluster.fork() end
      elseif cluster.worker.id <= 14 then -- the others are told to go before they could listen
        net.createServer():listen(0, "127.0.0.1")
      end
    ]])
    assert.same({ "all are back" }, lines)
  end))

  it("is what was asked for, if that is longer", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 60, within = 1 } })
        local died
        cluster:on("exit", function() died = core.now() end)
        cluster:on("respawn", function()
          say(core.now() - died >= 59)
          cluster.disconnect()
        end)
        cluster.fork()
      elseif cluster.worker.id == 1 then
        process.exit(1)
      end
    ]])
    assert.same({ "true" }, lines)
  end))

  it("may be none, after any number of deaths", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 0, max = math.huge, within = math.huge } })
        cluster:on("respawn", function(new) if new.id == 4 then say("back") cluster.disconnect() end end)
        cluster.fork()
      elseif cluster.worker.id < 4 then
        process.exit(1)
      end
    ]])
    assert.same({ "back" }, lines)
  end))
end)

--- Two workers that serve, and are killed when both do: their successors come in a day. With
--- `arg[1]` a later worker does what that says.
local DEAD = [[
  local DAY = 86400000
  local function when_dead(fn)
    cluster.setupPrimary({ respawn = { delay = DAY, within = DAY, max = 10 } })
    local up, down, port, done = 0, 0, nil, false
    cluster:on("listening", function(w, a)
      port, up = a.port, up + 1
      if up == 2 and not done then
        for _, worker in pairs(cluster.workers) do worker:kill("SIGKILL") end
      end
    end)
    cluster:on("exit", function()
      down = down + 1
      if down == 2 and not done then done = true process.nextTick(fn, port) end
    end)
    cluster:on("respawn", function(new, old) say("respawn", new.id, old.id) end)
    cluster.fork({ NAME = "a" })
    cluster.fork({ NAME = "b" })
  end
  local function serve()
    net.createServer(function(socket) socket:finish("by " .. process.env.NAME) end):listen(0, "127.0.0.1")
  end
]]

describe("cluster.reload while workers wait to be forked again", function()
  it("forks them now, and is over when they serve", within(function(t)
    local lines = cluster.run(t, DEAD .. [[
      if cluster.isPrimary then
        when_dead(function(port)
          local todo = 2
          local function done()
            todo = todo - 1
            if todo == 0 then cluster.disconnect() end
          end
          local client = net.connect(port, "127.0.0.1")
          client:on("data", function(data) say("served") end)
          client:on("close", done)
          cluster.reload(function(err)
            local states = {}
            for id, w in pairs(cluster.workers) do states[#states + 1] = id .. " " .. w.state end
            table.sort(states)
            say("reloaded", err, table.unpack(states))
            done()
          end)
        end)
      else
        serve()
      end
    ]])
    local seen = {}
    for _, line in ipairs(lines) do seen[line] = true end
    assert.same({ ["respawn 3 1"] = true, ["respawn 4 2"] = true, served = true,
      ["reloaded nil 3 listening 4 listening"] = true }, seen)
  end))

  it("fails if one dies again before it serves, though it was online, and leaves it to respawn", within(function(t)
    local lines = cluster.run(t, DEAD .. [[
      if cluster.isPrimary then
        when_dead(function(port)
          cluster.setupPrimary({ args = { "broken" } })
          cluster:on("online", function(w) say("online", w.id) end)
          cluster.reload(function(err)
            say(err.code, err.worker.id, err.cause.message)
            cluster.setupPrimary({ args = {} })
            cluster.reload(function(again)
              say("again", again)
              cluster.disconnect()
            end)
          end)
        end)
      elseif arg[1] then
        process.exit(1)
      else
        serve()
      end
    ]])
    assert.same({ "respawn 3 1", "online 3", "ERR_CLUSTER_RELOAD 3 the worker has gone", "respawn 4 1",
      "online 4", "respawn 5 2", "online 5", "again nil" }, lines)
  end))

  it("fails if one cannot be started, and leaves it to respawn once", within(function(t)
    local lines = cluster.run(t, DEAD .. [[
      if cluster.isPrimary then
        when_dead(function(port)
          cluster.setupPrimary({ execPath = "/nonexistent" })
          cluster.reload(function(err)
            say(err.code, err.cause.code)
            cluster.setupPrimary({ execPath = process.execPath, exec = 5 })
            cluster.reload(function(again)
              say(again.code, again.cause.code, again.worker)
              cluster.setupPrimary({ exec = arg[0] })
              cluster.reload(function(last)
                local count = 0
                for _ in pairs(cluster.workers) do count = count + 1 end
                say("at last", last, count)
                cluster.disconnect()
              end)
            end)
          end)
        end)
      else
        serve()
      end
    ]])
    assert.same({ "respawn 3 1", "ERR_CLUSTER_RELOAD ENOENT", "ERR_CLUSTER_RELOAD ERR_INVALID_ARG_TYPE nil",
      "respawn 5 1", "respawn 6 2", "at last nil 2" }, lines)
  end))

  it("tells of giving up where it was one death too many", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 86400000, within = 86400000, max = 1 } })
        cluster:on("giveup", function(old) say("giveup", old.id) end)
        cluster:once("exit", function() -- its successor is not even planned
          cluster.reload(function(err) say(err.code, err.worker.id) end)
        end)
        cluster.fork():on("listening", function(a) cluster.workers[1]:kill("SIGKILL") end)
      elseif cluster.worker.id == 1 then
        net.createServer():listen(0, "127.0.0.1")
      else
        process.exit(1)
      end
    ]])
    assert.same({ "giveup 1", "ERR_CLUSTER_RELOAD 2" }, lines)
  end))

  it("also forks who dies amid it, before its turn", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 86400000, within = 86400000 } })
        cluster:on("respawn", function(new, old) say("respawn", new.id, old.id) end)
        cluster:on("exit", function(w)
          if w.id == 2 then process.nextTick(cluster.workers[3].send, cluster.workers[3], "listen") end
        end)
        local up = 0
        cluster:on("listening", function()
          up = up + 1
          if up == 2 then
            cluster.reload(function(err)
              local ids = {}
              for id in pairs(cluster.workers) do ids[#ids + 1] = id end
              table.sort(ids)
              say("reloaded", err, table.concat(ids, ","))
              cluster.disconnect()
            end)
            cluster.workers[2]:kill("SIGKILL")
          end
        end)
        cluster.fork()
        cluster.fork()
      else
        local function serve() net.createServer():listen(0, "127.0.0.1") end
        if cluster.worker.id == 3 then process:once("message", serve) else serve() end
      end
    ]])
    assert.same({ "respawn 4 2", "reloaded nil 3,4" }, lines)
  end))

  it("waits for who came by respawn amid it", within(function(t)
    local lines = cluster.run(t, [[
      if cluster.isPrimary then
        cluster.setupPrimary({ respawn = { delay = 0 } })
        local up, late = 0, nil
        cluster:on("respawn", function(new, old)
          say("respawn", new.id, old.id)
          late = new
          cluster.workers[3]:send("listen")
        end)
        cluster:on("exit", function(w) -- all old ones have gone then
          if w.id == 1 then late:send("listen") end
        end)
        cluster:on("listening", function()
          up = up + 1
          if up == 2 then
            cluster.reload(function(err)
              say("reloaded", err, late.state)
              cluster.disconnect()
            end)
            cluster.workers[2]:kill("SIGKILL")
          end
        end)
        cluster.fork()
        cluster.fork()
      else
        local function serve() net.createServer():listen(0, "127.0.0.1") end
        if cluster.worker.id > 2 then process:once("message", serve) else serve() end
      end
    ]])
    assert.same({ "respawn 4 2", "reloaded nil listening" }, lines)
  end))

  it("is nothing where no more are to come", within(function(t)
    local lines = cluster.run(t, DEAD .. [[
      if cluster.isPrimary then
        when_dead(function(port)
          cluster.setupPrimary({ respawn = false })
          cluster.reload(function(err) say("reloaded", err, next(cluster.workers)) end)
        end)
      else
        serve()
      end
    ]])
    assert.same({ "reloaded nil nil" }, lines)
  end))
end)
