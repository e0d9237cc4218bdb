-- SPDX-License-Identifier: MIT

--- What a listener does that it should not: it destroys, closes, raises, collects
--- garbage, calls back in. For every event of a socket and of a server, and for
--- every callback, everything that could be done in it is done once; afterwards
--- each socket has closed exactly once, 'error' came at most once and before, and
--- nothing is left. All of it again under three brutal collectors.

local core = require("net.core")
local net = require("net")
local timers = require("net.timers")
local abuse = require("spec.support.abuse")
local hole = require("spec.support.hole")
local lua = require("spec.support.lua")
local sockets = require("spec.support.sockets")
local support = require("spec.support")
local within = support.within

local BIG = ("x"):rep(8 << 20)

local function collect()
  collectgarbage()
  collectgarbage()
end

local function quoted(name)
  return name:find("[ ']") and name or "'" .. name .. "'"
end

--- A spec for each scene, in which each act is played; then all of it under each
--- brutal collector, in a process of its own.
local function specify(title, scenes, acts, transports)
  describe(title, function()
    for _, event in ipairs(abuse.names(abuse[scenes])) do
      for _, transport in ipairs(transports) do
        it(("nothing done in %s does harm (%s)"):format(quoted(event), transport), within(function()
          assert.same({}, abuse.play_each(event, abuse[scenes][event], abuse[acts],
            transport == "unix"))
        end))
      end
    end
    for _, manner in ipairs(abuse.manners) do
      for _, transport in ipairs(transports) do
        it(("anything under %s does no harm (%s) #slow"):format(manner, transport), function()
          local result = lua.run({
            script = 'require("spec.support.abuse").play_all(...)',
            args = { scenes, acts, manner, transport },
          })
          assert.same({ code = 0, stdout = "played\n", stderr = "" }, result)
        end)
      end
    end
  end)
end

specify("in a socket's listener", "listening", "socket_acts", { "tcp", "unix" })
specify("in an accepted socket's listener", "accepted", "socket_acts", { "tcp", "unix" })
specify("in a socket's callback", "callbacks", "socket_acts", { "tcp" })
specify("while a name is looked up,", "lookups", "socket_acts", { "tcp" })
specify("in a server's listener", "server_listening", "server_acts", { "tcp", "unix" })
specify("in a server's callback", "server_callbacks", "server_acts", { "tcp" })

describe("in any listener", function()
  it("what chance does, does no harm", within(function()
    assert.same({}, abuse.play_randoms(1, 20))
  end))

  it("nor what it does two hundred times more #slow", function()
    local result = lua.run({ script = [[
      for _, line in ipairs(require("spec.support.abuse").play_randoms(21, 220)) do print(line) end
      print("played")
    ]] })
    assert.same({ code = 0, stdout = "played\n", stderr = "" }, result)
  end)
end)

describe("in a socket's listener of 'connectionAttemptTimeout'", function()
  it("nothing does harm", within(function(t)
    local port = hole.open(t)
    local harm = abuse.play_each("connectionAttemptTimeout", function(run)
      run:abuse(run:own(net.Socket())):connect({
        host = "some.name", port = port, autoSelectFamilyAttemptTimeout = 10,
        lookup = function(_, _, done)
          done(nil, { { address = "127.0.0.1", family = 4 }, { address = "127.0.0.2", family = 4 } })
        end,
      })
    end, abuse.socket_acts)
    assert.same({}, harm)
  end))
end)

describe("connect() in 'close'", function()
  it("over and over makes as many connections", within(function(t)
    local server, where = sockets.listen()
    server:on("connection", t.calls(50, function(peer) peer:finish("x") end))
    local socket, rounds = net.connect(where), 0
    socket:on("data", t.calls(50))
    socket:on("close", t.calls(50, function()
      rounds = rounds + 1
      if rounds < 50 then
        socket:connect(where)
      else
        server:close()
      end
    end))
    t.run()
  end))
end)

describe("write() in 'data'", function()
  it("bounces a message a thousand times", within(function(t)
    local socket, peer = sockets.pair()
    local left = 1000
    socket:on("data", function(chunk)
      left = left - 1
      if left > 0 then
        socket:write(chunk)
      else
        socket:finish()
      end
    end)
    peer:on("data", function(chunk) peer:write(chunk) end)
    socket:write("ball")
    t.run()
    assert.equal(0, left)
  end))
end)

describe("a finalizer that calls into a socket", function()
  it("amid another call into it does no harm", function()
    local result = lua.run({ script = [[
      local net = require("net")
      collectgarbage("incremental", 1, 1000000, 1)
      for _ = 1, 300 do
        local socket = net.Socket()
        local function arm(n)
          setmetatable({}, { __gc = function()
            socket:setTimeout(1000)
            socket.mine = n
            if n > 0 then arm(n - 1) end
          end })
        end
        arm(30)
        for i = 1, 3 do
          socket:setTimeout(500 + i)
          socket:setTimeout(0)
        end
        socket:setTimeout(500)
        socket:destroy()
        collectgarbage()
      end
      net.run()
      print("done")
    ]] })
    assert.same({ code = 0, stdout = "done\n", stderr = "" }, result)
  end)

  it("amid setTimeout, to destroy it, leaves no timer behind", within(function(t)
    local _ <close> = setmetatable({}, { __close = function()
      collectgarbage("incremental", 200, 100, 13)
    end })
    local socket, before = net.Socket(), { core.alive() }
    socket:on("timeout", t.never())
    socket:on("close", t.calls(1))
    collectgarbage()
    collectgarbage("stop")
    collectgarbage("incremental", 100, 1000, 40)
    setmetatable({}, { __gc = function() socket:destroy() end })
    collectgarbage("restart")
    socket:setTimeout(1)
    assert.is_true(socket.destroyed)
    assert.same(before, { core.alive() })
    t.run()
  end))
end)

-- 1,000 sockets in each of ten ways

local function open_pair(server, where, queue)
  local client = net.connect(where)
  queue[#queue + 1] = client
  return client, server
end

local WAYS = {
  ["their own finish()"] = function(client) client:resume() client:finish() end,
  ["the peer's finish()"] = function(_, peer) peer:finish() end,
  ["destroy()"] = function(client) client:destroy() end,
  ["destroy(err)"] = function(client) client:destroy("mine") end,
  ["destroySoon()"] = function(client) client:write("x") client:destroySoon() end,
  ["resetAndDestroy()"] = function(client) client:resetAndDestroy() end,
  ["the peer's reset"] = function(_, peer) peer:resetAndDestroy() end,
  ["a timeout"] = function(client) client:setTimeout(1, function() client:destroy() end) end,
  ["a raising listener"] = function(client, peer)
    client:on("data", function()
      client:destroy()
      error("mine", 0)
    end)
    peer:write("x")
  end,
  ["destroy() with megabytes unsent"] = function(client)
    client:write(BIG)
    client:write("x", function() end)
    client:finish(function() client:destroy() end)
    client:destroy()
  end,
  ["destroy() of a pipe"] = function(client, peer)
    client:pipe(client)
    peer:write("x")
    client:on("data", function() client:destroy() end)
  end,
}

-- Ways that need no connection.
local LONELY = {
  ["a refused connection"] = function(where)
    local client = net.connect(where)
    client:on("error", function() end)
    return client
  end,
  ["destroy() while connecting"] = function(where)
    local client = net.connect(where)
    client:write("x")
    client:destroy()
    return client
  end,
  ["being forgotten before they connect"] = function()
    local client = net.Socket()
    client:on("close", function() client.closed_it = true end)
    return client
  end,
}

describe("a thousand sockets ended by", function()
  local BATCH, BATCHES = 100, 10

  local function run_all()
    repeat
      local ok = pcall(net.run)
    until ok
  end

  --- Nothing of what was put into `weak` is left, nor a descriptor.
  local function check_gone(weak, before)
    collect()
    collect()
    assert.is_nil(next(weak))
    local now = support.descriptors()
    for fd in pairs(now) do
      assert.is_truthy(before[fd], "descriptor left open: " .. fd)
    end
  end

  for _, name in ipairs(abuse.names(WAYS)) do
    for _, unix in ipairs({ false, true }) do
      if not (unix and name:find("reset")) then
        it(("%s leave nothing%s"):format(name, unix and " (Unix)" or ""), within(function()
          local weak, before = setmetatable({}, { __mode = "k" }), support.descriptors()
          for _ = 1, BATCHES do
            local server, where = sockets.listen({ unix = unix })
            local clients, peers = {}, {}
            server:on("connection", function(peer)
              peer:on("error", function() end)
              peers[#peers + 1] = peer
            end)
            for _ = 1, BATCH do
              open_pair(server, where, clients):on("error", function() end)
            end
            sockets.wait(function() return #peers == BATCH end)
            server:close()
            local closed = 0
            for i = 1, BATCH do
              weak[clients[i]], weak[peers[i]] = true, true
              clients[i]:on("close", function() closed = closed + 1 end)
              WAYS[name](clients[i], peers[i])
              peers[i]:resume()
            end
            local keep = timers.setInterval(function() end, 1)
            while closed < BATCH do
              pcall(net.run, "once")
            end
            keep:close()
            run_all()
          end
          check_gone(weak, before)
        end))
      end
    end
  end

  for _, name in ipairs(abuse.names(LONELY)) do
    it(name .. " leave nothing", within(function()
      local weak, before = setmetatable({}, { __mode = "k" }), support.descriptors()
      local server, where = sockets.listen()
      server:close()
      for _ = 1, BATCHES do
        for _ = 1, BATCH do
          weak[LONELY[name](where)] = true
        end
        run_all()
      end
      check_gone(weak, before)
    end))
  end
end)
