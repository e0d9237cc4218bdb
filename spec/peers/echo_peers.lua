-- SPDX-License-Identifier: MIT

--- The plainest meeting with a real Node: each of them connects to the other's server.

local net = require("net")
local node = require("spec.support.node")
local process = require("spec.support.process")
local within = require("spec.support").within

describe("a real Node", function()
  node.each(function(binary, name)
    it("has back what it sent to a server of ours: " .. name, within(function(t)
      local script = node.script(t, [[
        const socket = require("net").connect(process.argv[2], "127.0.0.1");
        socket.end("x".repeat(1000000));
        let got = 0;
        socket.on("data", (chunk) => { got += chunk.length; });
        socket.on("close", (failed) => console.log("got", got, failed));
      ]])
      local program
      local server = net.createServer({ allowHalfOpen = true })
      server:on("connection", function(socket)
        socket:pipe(socket)
        server:close()
      end)
      server:listen(0, "127.0.0.1", function()
        program = process.spawn(node.command(binary, script, server:address().port))
      end)
      t.run()
      assert.equal("got 1000000 false\n", (program:finish()))
    end))

    it("gives back what a client of ours sent: " .. name, within(function(t)
      local script = node.script(t, [[
        const server = require("net").createServer((socket) => {
          socket.pipe(socket);
          server.close();
        });
        server.listen(0, "127.0.0.1", () => console.log(server.address().port));
      ]])
      local program = process.spawn(node.command(binary, script))
      local got = 0
      local socket = net.connect(tonumber(program:line()), "127.0.0.1")
      socket:finish(("x"):rep(1000000))
      socket:on("data", function(chunk) got = got + #chunk end)
      socket:on("close", t.calls(1))
      t.run()
      assert.equal(1000000, got)
      assert.same({ "", 0 }, { program:finish() })
    end))
  end)
end)
