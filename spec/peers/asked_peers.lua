-- SPDX-License-Identifier: MIT

--- What a process hears of a question to another one: of the connections of a server that is
--- closing, and where the other process is killed before it answers. Who is to die stops itself
--- when it has said so: what was asked then stays unanswered until the other one kills it.

local seats = require("spec.support.seats")

--- The child of the cases in which a parent asks, and the parents of those in which a child
--- does: they keep what they get, and do what they are told.
local KEEPER_JS = [[
  const kept = [];
  const told = {
    stop, end: () => kept.pop().destroy(), bye: () => { kept.forEach((s) => s.destroy()); process.disconnect(); },
    keep: (socket) => { kept.push(socket); process.send("have"); },
  };
  process.on("message", (m, handle) => told[m](handle));
]]
local KEEPER_LUA = [[
  local kept = {}
  local told = {
    stop = stop, ["end"] = function() table.remove(kept):destroy() end,
    bye = function()
      for _, socket in ipairs(kept) do socket:destroy() end
      process.disconnect()
    end,
    keep = function(socket)
      table.insert(kept, socket)
      process.send("have")
    end,
  }
  process:on("message", function(m, handle) told[m](handle) end)
]]
local PARENT_JS = [[
  const kept = [];
  kid.on("message", (m, handle) => {
    kept.push(handle);
    kid.send("stopped", () => {});
    process.kill(process.pid, "SIGSTOP");
  });
]]
local PARENT_LUA = [[
  local kept = {}
  kid:on("message", function(_, handle)
    table.insert(kept, handle)
    kid:send("stopped", function() end)
    process.kill(process.pid, "SIGSTOP")
  end)
]]
local PRIMARY_JS = [[
  const w = fork();
  w.on("online", () => {
    w.send("stopped", () => {});
    process.kill(process.pid, "SIGSTOP");
  });
]]
local PRIMARY_LUA = [[
  local w = fork()
  w:on("online", function()
    w:send("stopped", function() end)
    process.kill(process.pid, "SIGSTOP")
  end)
]]

local CASES = {
  {
    "for the connections of a server that is closing",
    parent_js = [[
      serve((server, socket) => {
        kid.send("keep", socket);
        kid.on("message", () => server.getConnections((err, before) => {
          server.close(() => { say("server close"); kid.send("bye"); });
          server.getConnections((err, closing) => {
            say("connections", before, closing);
            kid.send("end");
          });
        }));
      });
    ]],
    parent_lua = [[
      serve(function(server, socket)
        kid:send("keep", socket)
        kid:on("message", function()
          server:getConnections(function(_, before)
            server:close(function()
              say("server close")
              kid:send("bye")
            end)
            server:getConnections(function(_, closing)
              say("connections", before, closing)
              kid:send("end")
            end)
          end)
        end)
      end)
    ]],
    child_js = KEEPER_JS, child_lua = KEEPER_LUA,
    P = { "connections 1 1", "server close", "disconnect", "exit 0 nil", "close 0 nil" },
    C = { "disconnect", "exit 0" },
    node = { P = { "connections 1 2", "server close", "disconnect", "exit 0 nil", "close 0 nil" } },
  },
  {
    "for the connections that it has, when it is killed",
    parent_js = [[
      serve((server, socket) => {
        kid.send("keep", socket);
        kid.once("message", () => kid.send("stop"));
        kid.on("message", (m) => {
          if (m !== "stopped") return;
          server.getConnections((err, count) => {
            say("connections", err, count);
            server.close();
          });
          kid.kill("SIGKILL");
        });
      });
    ]],
    parent_lua = [[
      serve(function(server, socket)
        kid:send("keep", socket)
        kid:once("message", function() kid:send("stop") end)
        kid:on("message", function(m)
          if m ~= "stopped" then return end
          server:getConnections(function(err, count)
            say("connections", err, count)
            server:close()
          end)
          kid:kill("SIGKILL")
        end)
      end)
    ]],
    child_js = KEEPER_JS, child_lua = KEEPER_LUA,
    P = { "disconnect", "connections ERR_CHILD_CLOSED_BEFORE_REPLY nil", "exit nil SIGKILL",
      "close nil SIGKILL" },
    C = {},
  },
  {
    "to say when its connections have closed, when it is killed",
    parent_js = [[
      serve((server, socket) => {
        kid.send("keep", socket);
        kid.once("message", () => kid.send("stop"));
        kid.on("message", (m) => {
          if (m !== "stopped") return;
          server.close(tells("server close"));
          kid.kill("SIGKILL");
        });
      });
    ]],
    parent_lua = [[
      serve(function(server, socket)
        kid:send("keep", socket)
        kid:once("message", function() kid:send("stop") end)
        kid:on("message", function(m)
          if m ~= "stopped" then return end
          server:close(tells("server close"))
          kid:kill("SIGKILL")
        end)
      end)
    ]],
    child_js = KEEPER_JS, child_lua = KEEPER_LUA,
    P = { "disconnect", "server close", "exit nil SIGKILL", "close nil SIGKILL" },
    C = {},
  },
  {
    "which has ended, before a server closes that has sent it a connection",
    parent_js = [[
      serve((server, socket) => {
        kid.send("keep", socket);
        kid.on("message", () => kid.send("bye"));
        kid.on("close", () => server.close(tells("server close")));
      });
    ]],
    parent_lua = [[
      serve(function(server, socket)
        kid:send("keep", socket)
        kid:on("message", function() kid:send("bye") end)
        kid:on("close", function() server:close(tells("server close")) end)
      end)
    ]],
    child_js = KEEPER_JS, child_lua = KEEPER_LUA,
    P = { "disconnect", "server close", "exit 0 nil", "close 0 nil" },
    C = { "disconnect", "exit 0" },
    node = { P = { "disconnect", "exit 0 nil", "close 0 nil" } },
  },
  {
    "to acknowledge a socket, when it is killed",
    parent_js = [[
      serve((server, socket) => {
        kid.send("stop");
        kid.on("message", () => {
          kid.send("keep", socket, tells("sent"));
          kid.send("behind", tells("behind"));
          server.close();
          kid.kill("SIGKILL");
        });
      });
      kid.on("exit", () => leave());
    ]],
    parent_lua = [[
      serve(function(server, socket)
        kid:send("stop")
        kid:on("message", function()
          kid:send("keep", socket, result("sent"))
          kid:send("behind", result("behind"))
          server:close()
          kid:kill("SIGKILL")
        end)
      end)
    ]],
    child_js = KEEPER_JS, child_lua = KEEPER_LUA,
    P = { "sent nil", "behind ERR_IPC_CHANNEL_CLOSED", "disconnect", "exit nil SIGKILL",
      "close nil SIGKILL" },
    C = {},
    node = { P = { "sent nil", "exit nil SIGKILL", "close nil SIGKILL" } },
  },
  {
    "to take a connection of the cluster, when it is killed",
    primary_js = [[
      const one = fork();
      let got = 0;
      process.on("exit", () => say("served", got));
      one.on("listening", () => one.send("stop"));
      one.on("message", () => {
        const two = fork();
        const served = () => { if (++got === 2) cluster.disconnect(); };
        two.on("listening", ({ port }) => {
          for (let i = 0; i < 2; i++) net.connect(port, "127.0.0.1").on("data", served).on("error", () => {});
        });
        two.process.on("exit", () => leave());
        one.on("exit", () => two.disconnect());
        const sent = () => got === 1 && one.process._handleQueue ? one.process.kill("SIGKILL") : setImmediate(sent);
        sent();
      });
    ]],
    primary_lua = [[
      local one, got = fork(), 0
      process:on("exit", function() say("served", got) end)
      one:on("listening", function() one:send("stop") end)
      one:on("message", function()
        local two = fork()
        local function served()
          got = got + 1
          if got == 2 then cluster.disconnect() end
        end
        two:on("listening", function(at)
          for _ = 1, 2 do net.connect(at.port, "127.0.0.1"):on("data", served) end
        end)
        local function sent()
          local current = core.child.life(one.process).channel.current
          if got == 1 and current then one.process:kill("SIGKILL") else timers.setImmediate(sent) end
        end
        sent()
      end)
    ]],
    child_js = [[
      process.on("message", stop);
      net.createServer((socket) => socket.end("hello")).listen(0, "127.0.0.1");
    ]],
    child_lua = [[
      process:on("message", stop)
      net.createServer(function(socket) socket:finish("hello") end):listen(0, "127.0.0.1")
    ]],
    P = { "1 disconnect false", "1 exit nil SIGKILL false", "2 disconnect true", "2 exit 0 nil true",
      "served 2" },
    C = { "worker disconnect", "disconnect", "exit 0" },
    node = { P = { "1 exit nil SIGKILL false", "2 disconnect true", "2 exit 0 nil true", "served 1" } },
  },
  {
    "to leave the cluster, when it is killed",
    primary_js = [[
      const one = fork();
      one.on("online", () => one.send("stop"));
      one.on("message", () => {
        cluster.disconnect(tells("all gone"));
        one.process.kill("SIGKILL");
      });
    ]],
    primary_lua = [[
      local one = fork()
      one:on("online", function() one:send("stop") end)
      one:on("message", function()
        cluster.disconnect(tells("all gone"))
        one.process:kill("SIGKILL")
      end)
    ]],
    child_js = 'process.on("message", stop);',
    child_lua = 'process:on("message", stop)',
    P = { "1 disconnect true", "1 exit nil SIGKILL true", "all gone" }, C = {},
  },
  {
    "that has started this one, for the connections that it has, when it is killed",
    parent_js = PARENT_JS, parent_lua = PARENT_LUA,
    child_js = [[
      serve((server, socket) => {
        process.send("keep", socket);
        process.on("message", () => {
          server.getConnections((err, count) => {
            say("connections", err, count);
            server.close(tells("server close"));
          });
          process.kill(process.ppid, "SIGKILL");
        });
      });
    ]],
    child_lua = [[
      serve(function(server, socket)
        process.send("keep", socket)
        process:on("message", function()
          server:getConnections(function(err, count)
            say("connections", err, count)
            server:close(tells("server close"))
          end)
          process.kill(parent(), "SIGKILL")
        end)
      end)
    ]],
    P = {}, C = { "disconnect", "connections ERR_CHILD_CLOSED_BEFORE_REPLY nil", "server close", "exit 0" },
  },
  {
    "that has started this one, to say when its connections have closed, when it is killed",
    parent_js = PARENT_JS, parent_lua = PARENT_LUA,
    child_js = [[
      serve((server, socket) => {
        process.send("keep", socket);
        process.on("message", () => {
          server.close(tells("server close"));
          process.kill(process.ppid, "SIGKILL");
        });
      });
    ]],
    child_lua = [[
      serve(function(server, socket)
        process.send("keep", socket)
        process:on("message", function()
          server:close(tells("server close"))
          process.kill(parent(), "SIGKILL")
        end)
      end)
    ]],
    P = {}, C = { "disconnect", "server close", "exit 0" },
  },
  {
    "that has started this one, to acknowledge a socket, when it is killed",
    parent_js = PARENT_JS, parent_lua = PARENT_LUA,
    child_js = [[
      serve((server, socket) => {
        process.send("stop");
        process.on("message", () => {
          process.send("keep", socket, tells("sent"));
          process.send("behind", tells("behind"));
          server.close();
          const was = process.ppid;
          process.kill(was, "SIGKILL");
          orphaned(was);
        });
      });
    ]],
    child_lua = [[
      serve(function(server, socket)
        process.send("stop")
        process:on("message", function()
          process.send("keep", socket, result("sent"))
          process.send("behind", result("behind"))
          server:close()
          process.kill(parent(), "SIGKILL")
        end)
      end)
    ]],
    P = {}, C = { "sent nil", "behind ERR_IPC_CHANNEL_CLOSED", "disconnect", "exit 0" },
    node = { C = { "sent nil", "exit 0" } },
  },
  {
    "that is the primary, to listen, when it is killed",
    primary_js = PRIMARY_JS, primary_lua = PRIMARY_LUA,
    child_js = [[
      process.on("message", () => {
        net.createServer().on("error", tells("error")).listen(0, "127.0.0.1", tells("listening"));
        setImmediate(() => process.kill(process.ppid, "SIGKILL"));
      });
    ]],
    child_lua = [[
      process:on("message", function()
        net.createServer():on("error", tells("error")):listen(0, "127.0.0.1", tells("listening"))
        timers.setImmediate(function() process.kill(parent(), "SIGKILL") end)
      end)
    ]],
    P = {}, C = { "worker disconnect", "exit 0" },
  },
  {
    "that is the primary, to be let go, when it is killed",
    primary_js = PRIMARY_JS, primary_lua = PRIMARY_LUA,
    child_js = [[
      process.on("message", () => {
        require("cluster").worker.disconnect();
        process.kill(process.ppid, "SIGKILL");
      });
    ]],
    child_lua = [[
      process:on("message", function()
        cluster.worker:disconnect()
        process.kill(parent(), "SIGKILL")
      end)
    ]],
    P = {}, C = { "worker disconnect", "disconnect", "exit 0" },
  },
  {
    "that is the primary, to note that this one ends itself, when it is killed",
    primary_js = PRIMARY_JS, primary_lua = PRIMARY_LUA,
    child_js = [[
      process.on("message", () => {
        require("cluster").worker.kill();
        process.kill(process.ppid, "SIGKILL");
      });
    ]],
    child_lua = [[
      process:on("message", function()
        cluster.worker:kill()
        process.kill(parent(), "SIGKILL")
      end)
    ]],
    P = {}, C = { "worker disconnect", "disconnect", "exit 0" },
  },
}

describe("What is asked of another process", function()
  seats.define(CASES)
end)
