-- SPDX-License-Identifier: MIT

--- Clusters of this library and of Node: each of them as the primary of the other's
--- workers. What goes over the channel is compared with what Node's own would say.

local core = require("net.core")
local lua = require("spec.support.lua")
local node = require("spec.support.node")
local support = require("spec.support.cluster")
local within = require("spec.support").within

local POLICIES = { "rr", "none" }

--- Lines of a Node primary over Lua workers.
local function node_primary(t, binary, primary, worker, policy)
  local script = support.script(t, worker)
  local main = node.script(t, ([[
    const cluster = require("cluster"), net = require("net");
    const say = (...words) => console.log(words.join(" "));
    process.execPath = %q;
    cluster.setupPrimary({ exec: %q, execArgv: [] });
    const stay = setInterval(() => {}, 1000);
    const wire = (w) => w.process.on("internalMessage", (m) => say("wire", JSON.stringify(m)));
  ]]):format(support.luanet, script) .. primary)
  local result = lua.run({ program = binary, args = { "--no-warnings", main },
    env = { SPEC_LUANET = support.luanet, NODE_CLUSTER_SCHED_POLICY = policy or "rr" } })
  assert.equal("", (result.stderr:gsub("^Killed\n", "")))
  return result.stdout
end

--- Lines of a Lua primary over Node's workers.
local function lua_primary(t, binary, primary, worker, policy)
  local script = node.script(t, [[
    const cluster = require("cluster"), net = require("net");
    const say = (...words) => console.log(words.join(" "));
    const wire = () => process.on("internalMessage", (m) => say("wire", JSON.stringify(m)));
  ]] .. worker)
  local lines = support.run(t, ([[
    cluster.setupPrimary({ exec = %q, execPath = %q, args = {} })
  ]]):format(script, binary) .. primary, { env = { NODE_CLUSTER_SCHED_POLICY = policy } })
  return table.concat(lines, "\n") .. "\n"
end

--- The messages of a transcript, decoded.
local function wire_of(output)
  local list = {}
  for line in output:gmatch("wire ([^\n]+)") do
    list[#list + 1] = core.json.decode(line)
  end
  return list
end

--- Visits a port, or a path, so many times, one after the other.
local VISIT_JS = [[
  function visit(where, times, done) {
    const socket = net.connect(where);
    socket.on("data", (data) => say("got", data));
    socket.on("error", (err) => say(err.code));
    socket.on("close", () => times > 1 ? visit(where, times - 1, done) : done());
  }
]]
local VISIT_LUA = [[
  local function visit(where, times, done)
    local socket = net.connect(where)
    socket:on("data", function(data) say("got", data) end)
    socket:on("error", function(err) say(err.code) end)
    socket:on("close", function()
      if times > 1 then visit(where, times - 1, done) else done() end
    end)
  end
]]

node.each(function(binary, name)
  describe("Lua workers of " .. name, function()
    it("say what Node's do, and serve in turn", within(function(t)
      local output = node_primary(t, binary, VISIT_JS .. [[
        const w = cluster.fork();
        wire(w);
        w.on("listening", (a) => visit({ port: a.port, host: "127.0.0.1" }, 1, () => w.disconnect()));
        w.on("disconnect", () => say("disconnect", w.exitedAfterDisconnect));
        w.on("exit", (code) => { say("exit", code); clearInterval(stay); });
      ]], [[
        local server = net.createServer(function(socket) socket:finish("hello") end)
        server:listen(0, "127.0.0.1")
      ]])
      local wire = wire_of(output)
      local port, key = wire[3].port, wire[6].key
      local null = core.json.null
      assert.equal("string", type(key))
      assert.same({
        { cmd = "NODE_CLUSTER", act = "online", seq = 0 },
        { cmd = "NODE_CLUSTER", act = "queryServer", index = 0, address = "127.0.0.1", port = 0,
          addressType = 4, flags = 0, backlog = false, seq = 1 },
        { cmd = "NODE_CLUSTER", act = "listening", index = 0, address = "127.0.0.1", port = port,
          addressType = 4, flags = 0, backlog = false, seq = 2 },
        { cmd = "NODE_HANDLE_ACK" },
        { cmd = "NODE_CLUSTER", ack = wire[5].ack, accepted = true, seq = 3 },
        { cmd = "NODE_CLUSTER", act = "close", key = key, seq = 4 },
      }, wire)
      assert.matches('"data":null', output) -- null, which a table does not show
      assert.is_not_nil(null)
      assert.matches("got hello\n", output)
      assert.matches("exit 0\n", output)
    end))

    it("say null for all addresses, and the absolute path", within(function(t)
      local path = t.tmpname(".sock")
      local output = node_primary(t, binary, VISIT_JS .. [[
        const w = cluster.fork();
        wire(w);
        w.on("listening", (a) => {
          say("listening", a.address, a.port, a.addressType);
          if (a.port === -1) visit(a.address, 2, () => w.disconnect());
        });
        w.on("exit", (code) => { say("exit", code); clearInterval(stay); });
      ]], ([[
        local server = net.createServer(function(socket) socket:finish("hello") end)
        net.createServer():listen({ port = 0, ipv6Only = true, backlog = 5 }, function()
          server:listen({ path = %q, readableAll = true })
        end)
      ]]):format(path))
      assert.matches('"address":null', output)
      local wire = wire_of(output)
      assert.same({ 4, 1, 5 }, { wire[2].addressType, wire[2].flags, wire[2].backlog })
      local query = wire[3].act == "queryServer" and wire[3] or wire[4]
      assert.same({ path, -1, -1, false, true }, { query.address, query.port, query.addressType,
        query.backlog, query.readableAll })
      assert.is_nil(query.given)
      assert.matches("listening " .. path:gsub("%p", "%%%0") .. " %-1 %-1\n", output)
      assert.equal(2, select(2, output:gsub("got hello\n", "")))
      assert.matches("exit 0\n", output)
    end))

    it("take turns with each other, and share with Node's own", within(function(t)
      local output = node_primary(t, binary, VISIT_JS .. [[
        let up = 0;
        const done = () => { for (const w of Object.values(cluster.workers)) w.disconnect(); clearInterval(stay); };
        cluster.on("listening", (w, a) => {
          if (++up === 3) visit({ port: a.port, host: "127.0.0.1" }, 6, done);
        });
        cluster.fork();
        cluster.fork();
        process.execPath = process.argv[0];
        cluster.setupPrimary({ exec: __filename + ".js" });
        require("fs").writeFileSync(__filename + ".js",
          `require("net").createServer((s) => s.end("by " + require("cluster").worker.id)).listen(0, "127.0.0.1")`);
        cluster.fork();
      ]], [[
        net.createServer(function(socket) socket:finish("by " .. cluster.worker.id) end):listen(0, "127.0.0.1")
      ]])
      local turns = {}
      for who in output:gmatch("got by (%d)") do turns[#turns + 1] = who end
      assert.equal(6, #turns)
      assert.same({ turns[1], turns[2], turns[3] }, { turns[4], turns[5], turns[6] })
      table.sort(turns)
      assert.equal("112233", table.concat(turns))
    end))

    it("listen on what the primary has bound, under SCHED_NONE", within(function(t)
      local output = node_primary(t, binary, VISIT_JS .. [[
        const w = cluster.fork();
        wire(w);
        w.on("listening", (a) => visit({ port: a.port, host: "127.0.0.1" }, 2, () => w.disconnect()));
        w.on("exit", (code) => { say("exit", code); clearInterval(stay); });
      ]], [[
        local server = net.createServer(function(socket) socket:finish("fd " .. tostring(server_fd() >= 0)) end)
        function server_fd() return server:fd() end
        server:listen(0, "127.0.0.1")
      ]], "none")
      assert.matches("got fd true\ngot fd true\n", output)
      assert.matches('"NODE_HANDLE_ACK"', output)
      assert.matches("exit 0\n", output)
    end))

    it("tell errors of the primary as Node's do, and listen again", within(function(t)
      for _, policy in ipairs(POLICIES) do
        local output = node_primary(t, binary, [[
          const other = net.createServer().listen(0, "127.0.0.1", () => {
            cluster.setupPrimary({ args: [String(other.address().port)] });
            const w = cluster.fork();
            w.on("message", (m) => { say(m); if (m === "up") w.disconnect(); });
            w.on("exit", (code) => { say("exit", code); clearInterval(stay); other.close(); });
          });
        ]], [[
          local server = net.createServer()
          server:once("error", function(err)
            process.send(tostring(err) .. " " .. err.errno)
            server:listen(0, "127.0.0.1", function() process.send("up") end)
          end)
          server:listen(tonumber(arg[1]), "127.0.0.1")
        ]], policy)
        assert.matches("^Error: bind EADDRINUSE 127.0.0.1:%d+ %-98\nup\nexit 0\n$", output)
      end
    end))

    it("leave, and kill themselves, by Node's messages", within(function(t)
      local output = node_primary(t, binary, [[
        let left = 0;
        for (const how of ["disconnect", "kill"]) {
          const w = cluster.fork({ HOW: how });
          w.process.on("internalMessage", (m) => { if (m.act !== "online") say(how, m.act); });
          w.on("exit", (code) => {
            say(how, "exit", code, w.exitedAfterDisconnect);
            if (++left === 2) clearInterval(stay);
          });
        }
      ]], [[
        net.createServer():listen(0, "127.0.0.1", function()
          process.nextTick(function()
            cluster.worker[process.env.HOW](cluster.worker)
          end)
        end)
      ]])
      assert.matches("disconnect queryServer\n", output)
      assert.matches("disconnect close\n", output)
      assert.matches("disconnect exitedAfterDisconnect\n", output)
      assert.matches("disconnect exit 0 true\n", output)
      assert.matches("kill exitedAfterDisconnect\n", output)
      assert.is_nil(output:match("kill close"))
      assert.matches("kill exit 0 true\n", output)
    end))

    it("refuse when they are full, and are asked again", within(function(t)
      local output = node_primary(t, binary, VISIT_JS .. [[
        const full = cluster.fork({ FULL: "1" });
        full.process.on("internalMessage", (m) => { if (m.accepted === false) say("refused"); });
        full.on("listening", (a) => {
          const other = cluster.fork();
          other.on("listening", () => visit({ port: a.port, host: "127.0.0.1" }, 3, () => {
            full.disconnect(); other.disconnect(); clearInterval(stay);
          }));
        });
      ]], [[
        local server = net.createServer(function(socket) socket:finish("by " .. cluster.worker.id) end)
        if process.env.FULL then server.maxConnections = 0 end
        server:listen(0, "127.0.0.1")
      ]])
      assert.matches("refused\n", output)
      local _, served = output:gsub("got by 2\n", "")
      assert.equal(3, served)
    end))

    it("exit when the primary is killed", within(function(t)
      local output = node_primary(t, binary, [[
        const w = cluster.fork();
        w.on("listening", () => { setTimeout(() => process.kill(process.pid, "SIGKILL"), 10); });
      ]], [[
        process:on("exit", function(code) say("worker exits", code) end)
        net.createServer():listen(0, "127.0.0.1")
      ]])
      assert.matches("worker exits 0\n", output)
    end))
  end)

  describe(name .. "'s workers of a Lua primary", function()
    it("hear what Node's primary says", within(function(t)
      local output = lua_primary(t, binary, VISIT_LUA .. [[
        local w = cluster.fork()
        w:on("listening", function(a)
          say("listening", a.address, a.addressType, a.port > 0)
          visit({ port = a.port, host = "127.0.0.1" }, 1, function() w:disconnect() end)
        end)
        w:on("disconnect", function() say("disconnect", w.exitedAfterDisconnect) end)
        w:on("exit", function(code) say("exit", code) end)
      ]], [[
        wire();
        const server = net.createServer((socket) => socket.end("hello"));
        server.listen(0, "127.0.0.1", () => say("port", server.address().port));
      ]])
      local wire, port = wire_of(output), tonumber(output:match("port (%d+)"))
      local key = wire[1].key
      assert.matches("^127.0.0.1:0:4:undefined:0$", key)
      assert.same({
        { cmd = "NODE_CLUSTER", key = key, ack = wire[1].ack, seq = 0,
          sockname = { address = "127.0.0.1", family = "IPv4", port = port } },
        { cmd = "NODE_HANDLE", type = "net.Native",
          msg = { cmd = "NODE_CLUSTER", act = "newconn", key = key, seq = 1 } },
        { cmd = "NODE_CLUSTER", act = "newconn", key = key, seq = 1 }, -- as Node unwraps it
        { cmd = "NODE_CLUSTER", act = "disconnect", seq = 2 },
      }, wire)
      assert.matches('"errno":null', output)
      assert.matches('"data":null', output)
      assert.matches("listening 127.0.0.1 4 true\n", output)
      assert.matches("got hello\n", output)
      assert.matches("disconnect true\nexit 0\n$", output)
    end))

    it("take turns, with Lua's among them", within(function(t)
      local script = support.script(t, [[
        net.createServer(function(socket) socket:finish("by " .. cluster.worker.id) end):listen(0, "127.0.0.1")
      ]])
      local output = lua_primary(t, binary, VISIT_LUA .. ([[
        local up = 0
        cluster:on("listening", function(_, a)
          up = up + 1
          if up == 3 then visit({ port = a.port, host = "127.0.0.1" }, 6, cluster.disconnect) end
        end)
        cluster.fork()
        cluster.fork()
        cluster.setupPrimary({ exec = %q, execPath = process.execPath })
        cluster.fork()
      ]]):format(script), [[
        net.createServer((socket) => socket.end("by " + cluster.worker.id)).listen(0, "127.0.0.1");
      ]])
      local turns = {}
      for who in output:gmatch("got by (%d)") do turns[#turns + 1] = who end
      assert.equal(6, #turns)
      assert.same({ turns[1], turns[2], turns[3] }, { turns[4], turns[5], turns[6] })
    end))

    it("listen on what the Lua primary has bound", within(function(t)
      local path = t.tmpname(".sock")
      local output = lua_primary(t, binary, VISIT_LUA .. [[
        local w, up = nil, 0
        w = cluster.fork()
        w:on("listening", function(a)
          up = up + 1
          if up == 2 then w:send("go") end
        end)
        w:on("message", function(m)
          visit({ port = m.port, host = "127.0.0.1" }, 1, function()
            visit({ path = m.path }, 1, function()
              w:disconnect()
            end)
          end)
        end)
        w:on("exit", function(code) say("exit", code) end)
      ]], ([[
        const answer = (socket) => socket.end("hello");
        const one = net.createServer(answer).listen(0, "127.0.0.1");
        net.createServer(answer).listen(%q);
        process.on("message", () => process.send({ port: one.address().port, path: %q }));
      ]]):format(path, path), "none")
      assert.equal("got hello\ngot hello\nexit 0\n", output)
      assert.is_nil(io.open(path))
    end))

    it("are told why they cannot listen", within(function(t)
      for _, policy in ipairs(POLICIES) do
        local output = lua_primary(t, binary, [[
          local other = net.createServer()
          other:listen(0, "127.0.0.1", function()
            cluster.setupPrimary({ args = { tostring(other:address().port) } })
            local w = cluster.fork()
            w:on("message", function(m) say(m) if m == "up" then w:disconnect() end end)
            w:on("exit", function(code) say("exit", code) other:close() end)
          end)
        ]], [[
          const server = net.createServer();
          server.once("error", (err) => {
            process.send(err.message + " " + err.errno);
            server.listen(0, "127.0.0.1", () => process.send("up"));
          });
          server.listen(+process.argv[2], "127.0.0.1");
        ]], policy)
        assert.matches("^bind EADDRINUSE 127.0.0.1:%d+ %-98\nup\nexit 0\n$", output)
      end
    end))

    it("leave, and kill themselves", within(function(t)
      local output = lua_primary(t, binary, [[
        for _, how in ipairs({ "disconnect", "kill" }) do
          local w = cluster.fork({ HOW = how })
          w:on("disconnect", function() say(how, "disconnect", w.exitedAfterDisconnect) end)
          w:on("exit", function(code) say(how, "exit", code) end)
        end
      ]], [[
        net.createServer().listen(0, "127.0.0.1", () => setImmediate(() => cluster.worker[process.env.HOW]()));
      ]])
      for _, how in ipairs({ "disconnect", "kill" }) do
        assert.matches(how .. " disconnect true\n", output)
        assert.matches(how .. " exit 0\n", output)
      end
    end))

    it("are replaced, one after the other", within(function(t)
      local output = lua_primary(t, binary, [[
        local begun
        cluster:on("listening", function(w, a)
          say("listening", w.id)
          if not begun then
            begun = true
            cluster.reload({ drain = 100 }, function(err)
              say("reloaded", err)
              cluster.disconnect()
            end)
          end
        end)
        cluster.fork()
      ]], [[
        net.createServer().listen(0, "127.0.0.1");
      ]])
      assert.equal("listening 1\nlistening 2\nreloaded nil\n", output)
    end))

    it("count as turns only under SCHED_LEAST", within(function(t)
      local output = lua_primary(t, binary, VISIT_LUA .. [[
        local up = 0
        cluster:on("listening", function(_, a)
          up = up + 1
          if up == 2 then visit({ port = a.port, host = "127.0.0.1" }, 4, cluster.disconnect) end
        end)
        cluster.fork()
        cluster.fork()
      ]], [[
        net.createServer((socket) => socket.end("by " + cluster.worker.id)).listen(0, "127.0.0.1");
      ]], "least")
      local turns = {}
      for who in output:gmatch("got by (%d)") do turns[#turns + 1] = who end
      assert.same({ turns[1], turns[2] }, { turns[3], turns[4] })
      assert.are_not.equal(turns[1], turns[2])
    end))
  end)
end)
