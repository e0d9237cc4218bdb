-- SPDX-License-Identifier: MIT

--- The option proxyProtocol in clusters, under each policy, and in servers that are drained,
--- replaced or handed over while connections wait for their header.

local child = require("net.child")
local cluster = require("spec.support.cluster")
local lua = require("spec.support.lua")
local net = require("net")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local wait = sockets.wait

--- In the primary `serving(fn)` forks two workers and calls fn(port) when both listen;
--- `dial(port, n)` connects as client n, with a header if there is one; `closed` counts what
--- workers tell to have closed.
local PRELUDE = [[
  local POLICY = os.getenv("NODE_CLUSTER_SCHED_POLICY")
  local function header(n) return ("PROXY TCP4 10.0.0.%d 10.0.1.1 %d 80\r\n"):format(n, 1000 + n) end
  local function serving(fn, count)
    local up = 0
    local function ready(port)
      up = up + 1
      if up == (count or 2) then fn(port) end
    end
    cluster:on("message", function(worker, m)
      if type(m) ~= "table" or not m.port then return end
      if up == 0 then cluster.fork({ PORT = m.port }) end
      ready(m.port)
    end)
    if POLICY == "reuseport" then return cluster.fork() end
    cluster:on("listening", function(_, a) ready(a.port) end)
    for _ = 1, count or 2 do cluster.fork() end
  end
  local function dial(port, text)
    local client = net.connect(port, "127.0.0.1")
    client:on("error", function() end)
    client.got = ""
    client:on("data", function(chunk) client.got = client.got .. chunk end)
    if text then client:write(text) end
    return client
  end
  local closed, on_closed = 0, nil
  if cluster.isPrimary then
    local keys = require("net.internal.cluster.keys")
    local tell = keys.closed
    function keys.closed(worker, message)
      tell(worker, message)
      closed = closed + message.count
      if on_closed then on_closed(closed) end
    end
  end
  local function listen(server)
    if POLICY == "reuseport" then
      server:listen({ port = tonumber(process.env.PORT or 0), host = "127.0.0.1", reusePort = true }, function()
        process.send({ port = server:address().port })
      end)
    else
      server:listen(0, "127.0.0.1")
    end
    return server
  end
]]

local function run(t, policy, text)
  return cluster.run(t, PRELUDE .. text, { env = { NODE_CLUSTER_SCHED_POLICY = policy } })
end

describe("A cluster of servers with proxyProtocol", function()
  for _, policy in ipairs({ "rr", "least", "none", "reuseport" }) do
    it("shows each worker whose its connections are, and what is no header: " .. policy, within(function(t)
      local lines = run(t, policy, [[
        if cluster.isPrimary then
          local wrong, over = 0, 0
          local function done()
            if wrong < 2 or over < 10 then return end
            for _, worker in pairs(cluster.workers) do worker:kill() end -- reusePort is not the primary's to close
          end
          cluster:on("message", function(_, m)
            if m.error then wrong = wrong + 1 say(m.error, m.from) done() end
          end)
          serving(function(port)
            for n = 1, 10 do
              local client = dial(port, n <= 8 and header(n) or "GET / HTTP/1.1\r\n\r\n")
              client:on("close", function()
                over = over + 1
                say(n, client.got)
                done()
              end)
            end
          end)
        else
          local server = net.createServer({ proxyProtocol = true }, function(socket)
            socket:finish(("%s %d %s"):format(socket.remoteAddress, socket.remotePort,
              socket.proxyHeader.proxyAddress))
          end)
          server:on("proxyError", function(err, socket)
            process.send({ error = err.code, from = socket.remoteAddress })
          end)
          listen(server)
        end
      ]])
      local expected = { "10 ", "9 ", "ERR_PROXY_PROTOCOL_INVALID 127.0.0.1",
        "ERR_PROXY_PROTOCOL_INVALID 127.0.0.1" }
      for n = 1, 8 do
        expected[#expected + 1] = ("%d 10.0.0.%d %d 127.0.0.1"):format(n, n, 1000 + n)
      end
      table.sort(expected)
      table.sort(lines)
      assert.same(expected, lines)
    end))
  end

  it("counts those that wait for their header, as maxConnections has it: a worker is full", within(function(t)
    local lines = run(t, "rr", [[
      if cluster.isPrimary then
        serving(function(port)
          local silent = { dial(port), dial(port) }
          local told = 0
          cluster:on("message", function()
            told = told + 1
            if told < 2 then return end
            local third = dial(port, header(3))
            third:on("data", function() say("the third is served by", third.got) cluster.disconnect() end)
            silent[1]:destroy()
            silent[2]:on("close", function() say("the second", silent[2].got) end)
            third:on("close", function() silent[2]:write(header(2)) end)
          end)
        end)
      else
        local server = net.createServer({ proxyProtocol = true }, function(socket)
          socket:finish(socket.remoteAddress)
        end)
        server.maxConnections = 1
        listen(server)
        local timer
        timer = timers.setInterval(function()
          if server.connections > 0 then
            timer:close()
            process.send("full")
          end
        end, 1)
      end
    ]])
    assert.same({ "the third is served by 10.0.0.3", "the second 10.0.0.2" }, lines)
  end))
end)

describe("SCHED_LEAST with proxyProtocol", function()
  it("counts a connection from the hand-over on, not from its header on", within(function(t)
    local lines = run(t, "least", [[
      if cluster.isPrimary then
        serving(function(port)
          local counts, clients = {}, {}
          cluster:on("message", function(worker, m)
            counts[worker.id] = m
            local sum = (counts[1] or 0) + (counts[2] or 0)
            if sum < 6 then
              clients[sum + 1] = clients[sum + 1] or dial(port) -- when the last one has a worker
              return
            end
            say(counts[1], counts[2], closed)
            for _, client in ipairs(clients) do client:destroy() end
            cluster.disconnect()
          end)
          clients[1] = dial(port)
        end)
      else
        local server = net.createServer({ proxyProtocol = true })
        listen(server)
        local told = 0
        local timer = timers.setInterval(function()
          if told ~= server.connections and process.connected then
            told = server.connections
            process.send(told)
          end
        end, 1)
        process:on("disconnect", function() timer:close() end)
      end
    ]])
    assert.same({ "3 3 0" }, lines)
  end))

  for how, row in pairs({
    ["what is no header, which is told"] = { say = [["hello"]], listens = true },
    ["what is no header, which nobody hears"] = { say = [["hello"]] },
    ["a client who is blocked"] = { say = [["PROXY TCP4 10.0.0.66 10.0.1.1 1 80\r\n"]] },
    ["an end amid the header"] = { say = [["PROXY "]], next = "client:finish()" },
    ["a reset amid the header"] = { say = [["PROXY "]], next = "client:resetAndDestroy()" },
    ["a wrong end of the header"] = { say = [["PROXY "]], next = [[client:write("\r\n")]] },
    ["the end of the time"] = { say = [["PROXY "]], timeout = 20 },
    ["an ordinary end"] = { say = [[header(1) .. "bye"]] },
  }) do
    it("is told of the end of each, by " .. how, within(function(t)
      local lines = run(t, "least", ([[
        if cluster.isPrimary then
          on_closed = function(count)
            if count == 5 then
              say("closed", count)
              cluster.disconnect()
            end
          end
          serving(function(port)
            local clients = {}
            for i = 1, 5 do clients[i] = dial(port, %s) end
            cluster:on("message", function() -- all wait for more
              for _, client in ipairs(clients) do %s end
            end)
          end, 1)
        else
          local list = net.BlockList()
          list:addAddress("10.0.0.66")
          local server = net.createServer({ proxyProtocol = { timeout = %d }, blockList = list }, function(socket)
            socket:on("data", function() socket:destroy() end)
          end)
          if %s then server:on("proxyError", function() end) end
          listen(server)
          local timer
          timer = timers.setInterval(function()
            if server.connections == 5 and process.connected then
              timer:close()
              process.send("all wait")
            end
          end, 1)
          process:on("disconnect", function() timer:close() end)
        end
      ]]):format(row.say, row.next or "", row.timeout or 60000, row.listens or false))
      assert.same({ "closed 5" }, lines)
    end))
  end

  it("is told of each of those whose headers came at once", within(function(t)
    local lines = run(t, "least", [[
      if cluster.isPrimary then
        local clients, served = {}, 0
        on_closed = function(count)
          if count < 4 then return clients[count + 1]:finish() end
          say("closed", count)
          cluster.disconnect()
        end
        serving(function(port)
          for i = 1, 4 do
            clients[i] = dial(port)
            clients[i]:on("data", function()
              served = served + 1
              if served == 4 then clients[1]:finish() end
            end)
          end
          cluster:once("message", function() -- all wait for their headers
            for i, client in ipairs(clients) do client:write(header(i)) end
          end)
        end, 1)
      else
        local server = net.createServer({ proxyProtocol = true }, function(socket) socket:write("hello") end)
        listen(server)
        local timer
        timer = timers.setInterval(function()
          if server.connections == 4 then
            timer:close()
            process.send("all wait")
          end
        end, 1)
      end
    ]])
    assert.same({ "closed 4" }, lines)
  end))
end)

-- One server that waits for headers, and another one in its place

local V1 = "PROXY TCP4 10.0.0.1 10.0.1.1 1001 80\r\n"

--- A server that answers by the client's address; with two connections that wait, of which the
--- first has begun its header.
local function waiting(name)
  local server = net.createServer({ proxyProtocol = true }, function(socket)
    socket:on("error", function() end)
    socket:resume()
    socket:finish(name .. " " .. socket.remoteAddress)
  end)
  server:listen(0, "127.0.0.1")
  wait(function() return server.listening end)
  local function dial(text)
    local client = net.connect(server:address().port, "127.0.0.1")
    client.said = ""
    client:on("data", function(chunk) client.said = client.said .. chunk end)
    client:on("error", function() end)
    client:write(text)
    return client
  end
  local begun, silent = dial(V1:sub(1, 9)), dial("")
  wait(function() return server.connections == 2 end)
  return server, begun, silent, dial
end

describe("Connections that wait for their header when their server goes", function()
  --- What becomes of them: `go(server, callback)` has the server drain for a while.
  local function outcome(go)
    local server, begun, silent, dial = waiting("old")
    local cut
    go(server, function(err, n) cut = err or n end)
    wait(function() return not server.listening end)
    assert.is_true(server.draining)
    begun:write(V1:sub(10))
    sockets.wait_for(begun, "close")
    wait(function() return cut and silent.destroyed end)
    assert.same({ "old 10.0.0.1", "", 1 }, { begun.said, silent.said, cut })
    return dial
  end

  it("are served if it comes while the server drains, and cut at the end", within(function()
    outcome(function(server, callback) server:drain(150, callback) end)
  end))

  it("stay with who hands over, and new ones are the new server's", within(function(t)
    local path, new = t.tmpname(".sock"), nil
    local function answer(socket) socket:resume():finish("new " .. socket.remoteAddress) end
    local dial = outcome(function(server, callback)
      server:handOver(path, { drain = 150 }, callback)
      new = net.takeOver(path, { proxyProtocol = true }, answer)
    end)
    wait(function() return new.listening end)
    assert.is_true(new.proxyProtocol)
    local client = net.connect(new:address().port, "127.0.0.1")
    client.said = ""
    client:on("data", function(chunk) client.said = client.said .. chunk end)
    client:write(V1)
    sockets.wait_for(client, "close")
    assert.equal("new 10.0.0.1", client.said)
    new:close()
    assert(dial)
  end))

  it("wait for who takes over, where nobody has accepted them yet", within(function(t)
    local path = t.tmpname(".sock")
    local old = net.createServer({ proxyProtocol = true }, t.never()):listen(0, "127.0.0.1")
    wait(function() return old.listening end)
    require("net.core").server.hold(old, true)
    local client = net.connect(old:address().port, "127.0.0.1")
    client.said = ""
    client:on("data", function(chunk) client.said = client.said .. chunk end)
    client:write(V1)
    sockets.wait_for(client, "connect")
    old:handOver(path, t.calls(1))
    local new = net.takeOver(path, { proxyProtocol = true }, function(socket)
      socket:resume():finish("new " .. socket.remoteAddress)
    end)
    sockets.wait_for(client, "close")
    assert.equal("new 10.0.0.1", client.said)
    new:close()
  end))

  it("stay with who is replaced by another program", within(function(t)
    local script = t.tmpname(".lua")
    do
      local file <close> = assert(io.open(script, "w"))
      file:write([[
        local net, process = require("net"), require("net.process")
        net.createServer({ proxyProtocol = true }, function(socket)
          socket:resume():finish("new " .. socket.remoteAddress)
        end):listen({ activated = "web" }, function() process.notify({ ready = true }) end)
        net.run()
      ]])
    end
    local port, kid
    local dial = outcome(function(server, callback)
      port = server:address().port
      kid = child.replace(script, {
        servers = { web = server }, drain = 150, execPath = lua.command,
        env = { LUA_PATH = package.path, LUA_CPATH = package.cpath, PATH = os.getenv("PATH") },
      }, function(err, _, cut) callback(err, cut) end)
      t.finally(function() kid:kill("SIGKILL") end)
    end)
    local client = net.connect(port, "127.0.0.1")
    client.said = ""
    client:on("data", function(chunk) client.said = client.said .. chunk end)
    client:write(V1)
    sockets.wait_for(client, "close")
    assert.equal("new 10.0.0.1", client.said)
    kid:ref()
    kid:kill()
    sockets.wait_for(kid, "close")
    assert(dial)
  end))
end)
