-- SPDX-License-Identifier: MIT

--- What becomes of a server in tasks' hands, and of its connections, when somebody leaves.

local co = require("net.co")
local net = require("net")
local within = require("spec.support").within

--- Connects to a server; for a task.
local function connect(server)
  return assert(co.connect(server:address().port, "127.0.0.1"))
end

--- Has a connection that was accepted for a task which is cancelled before it goes on.
local function leave_behind(server)
  local loser = co.spawn(function()
    for socket in server:incoming() do socket:destroy() end
  end)
  co.yield()
  local left
  server:once("connection", function(socket)
    left = socket
    loser:cancel()
  end)
  local near = connect(server)
  loser:await()
  return near, left
end

describe("server:incoming", function()
  it("drops a connection that nobody asked for when the server closes", within(function()
    co.run(function()
      local server = co.listen(0, "127.0.0.1")
      local _ <close>, left = leave_behind(server)
      assert.is_false(left.destroyed)
      server:close()
      assert.is_true(left.destroyed)
      assert.is_true(co.finished(server))
    end)
  end))

  it("hands it out first to the next loop, also if the server closes then", within(function()
    co.run(function()
      local server = co.listen(0, "127.0.0.1")
      local near <close>, left = leave_behind(server)
      local got = {}
      local next_one = server:incoming()
      server:close()
      for socket in next_one do got[#got + 1] = socket end
      assert.same({ left }, got)
      left:destroy()
      assert.is_true(near:receive("all") == "")
      assert.is_true(co.finished(server))
    end)
  end))

  it("leaves what comes behind a break to the next loop", within(function()
    co.run(function()
      local server = co.listen(0, "127.0.0.1")
      local first <close> = connect(server)
      local second <close> = connect(server)
      local ports = {}
      for _ = 1, 2 do
        for socket in server:incoming() do
          ports[#ports + 1] = socket.remotePort
          socket:destroy()
          if #ports > 0 then break end
        end
      end
      assert.same({ first.localPort, second.localPort }, ports)
      server:close()
    end)
  end))
end)

describe("server:serve", function()
  for name, begins in pairs({ ["has begun"] = true, ["has not begun"] = false }) do
    it("that is cancelled closes its server once, when it " .. name, within(function(t)
      local server = net.createServer():listen(0)
      server:on("close", t.calls(1))
      local serving = server:serve(function() end)
      co.run(function()
        if begins then co.yield() end
        serving:cancel()
      end)
      t.run()
      assert.equal("cancelled", serving.status)
    end))
  end

  it("that is cancelled closes no server a second time", within(function(t)
    co.run(function()
      local server = co.listen(0, "127.0.0.1")
      server:on("close", t.calls(1))
      local serving = server:serve(function(socket) socket:receive("all") end)
      local _ <close> = connect(server)
      while server.connections == 0 do co.yield() end
      server:close()
      serving:cancel()
      co.finished(server)
    end)
    t.run()
  end))
end)
