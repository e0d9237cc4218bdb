-- SPDX-License-Identifier: MIT

--- Descriptors that the system does not let out, as too many of the user's are on their way
--- already (ETOOMANYREFS, unix(7)): what becomes of a message with one, and of a cluster's
--- connection. Root may send any number: the programs run as another user.

local lua = require("spec.support.lua")
local support = require("spec.support")

local within = support.within

local is_root = os.execute("test $(id -u) = 0")
local may = not is_root or os.execute("setpriv --reuid 12346 --clear-groups true 2>/dev/null")
local rights = lua.build("spec/support/rights.c", require("spec.support.sockets").path())
local promise = may and rights and it or pending

--- `fill(fn)` has a helper put more descriptors on their way than this process may have open,
--- and calls back; `drain(fn)` takes them back.
local PRELUDE = [[
  local child, core, net = require("net.child"), require("net.core"), require("net")
  local process, timers = require("net.process"), require("net.timers")
  io.stdout:setvbuf("no")
  local helper
  local function fill(fn)
    helper = child.spawn(process.execPath, { arg[0], "helper" })
    helper.stdout:once("data", fn)
  end
  local function drain(fn)
    if fn then helper:on("close", fn) end
    helper.stdin:finish()
  end
  if arg[1] == "helper" then
    local rights = assert(package.loadlib(os.getenv("RIGHTS"), "luaopen_rights"))()
    local list, one, other = {}, core.descriptor.pair()
    for i = 1, 100 do list[i] = one:number() end
    assert(rights.send(one:number(), "x", list))
    io.stdout:write("full")
    return io.read("a")
  end
]]

--- Runs a script as a user who may have few descriptors: its lines.
local function run(t, text)
  local path = t.tmpname(".lua")
  local file = assert(io.open(path, "w"))
  file:write((PRELUDE:gsub("\n", " ")), "\n", text, "\nnet.run()\n")
  file:close()
  local user = is_root and "setpriv --reuid 12346 --clear-groups " or ""
  local result = lua.run({ program = "sh", args = { "-c", "ulimit -n 64; exec " .. user .. '"$0" "$1"',
    require("spec.support.cluster").luanet, path }, env = { RIGHTS = rights } })
  assert.equal("", result.stderr)
  local lines = {}
  for line in result.stdout:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  return lines
end

describe("A handle that the system does not let out, as too many are on their way,", function()
  teardown(function() os.remove(rights or "") end)

  local PARENT = [[
    if arg[1] == "child" then
      process:on("message", function(m, handle)
        if handle then handle:finish("taken") end
        process.send(m)
      end)
      return net.run()
    end
    local kid = child.fork(arg[0], { "child" })
    local function send(name, handle, callback)
      local server
      server = net.createServer(function(socket)
        kid:send(name, socket, callback)
        kid:send("behind " .. name)
        server:close(function() print("server close") end)
      end):listen(0, "127.0.0.1", function()
        local client, got = net.connect(server:address()), ""
        client:on("data", function(data) got = got .. data end)
        client:on("close", function() print("client " .. got) end)
      end)
    end
  ]]

  promise("is an error, and what waits behind it leaves", within(function(t)
    local lines = run(t, PARENT .. [[
      fill(function()
        send("one", nil, function(err) print(err.message, err.errno == core.errnum("ETOOMANYREFS")) end)
      end)
      kid:on("message", function(m)
        print(m)
        kid:disconnect()
        drain()
      end)
    ]])
    table.sort(lines)
    assert.same({ "behind one", "client ", "server close", "write ETOOMANYREFS\ttrue" }, lines)
  end))

  promise("is 'error' without a callback", within(function(t)
    local lines = run(t, PARENT .. [[
      fill(function() send("one") end)
      kid:on("error", function(err) print(err.message) end)
      kid:on("message", function(m)
        print(m)
        kid:disconnect()
        drain()
      end)
    ]])
    table.sort(lines)
    assert.same({ "behind one", "client ", "server close", "write ETOOMANYREFS" }, lines)
  end))

  promise("is no matter for the next one, when there is room again", within(function(t)
    local lines = run(t, PARENT .. [[
      fill(function() send("one", nil, function() end) end)
      kid:on("message", function(m)
        print(m)
        if m == "behind one" then
          drain(function() send("two") end)
        elseif m == "behind two" then
          kid:disconnect()
        end
      end)
    ]])
    table.sort(lines)
    assert.same({ "behind one", "behind two", "client ", "client taken", "server close", "server close",
      "two" }, lines)
  end))

  promise("leaves a server as it was", within(function(t)
    local lines = run(t, PARENT .. [[
      local server = net.createServer()
      server:listen(0, "127.0.0.1", function()
        fill(function()
          kid:send("server", server, function(err) print(err.code, server.listening) end)
          kid:send("behind")
        end)
      end)
      kid:on("message", function(m)
        print(m)
        server:close()
        kid:disconnect()
        drain()
      end)
    ]])
    table.sort(lines)
    assert.same({ "ETOOMANYREFS\ttrue", "behind" }, lines)
  end))

  promise("is tried again by a cluster, of which the connection waits meanwhile", within(function(t)
    local lines = run(t, [[
      local cluster = require("net.cluster")
      if cluster.isWorker then
        net.createServer(function(socket) socket:finish("served") end):listen(0, "127.0.0.1")
        return net.run()
      end
      local w = cluster.fork()
      w:on("error", function(err) print("error", err.message) end)
      w:on("listening", function(at)
        local channel, tries = core.child.life(w.process).channel, 0
        local send = channel.send_internal
        function channel:send_internal(message, ...)
          tries = tries + (message.act == "newconn" and 1 or 0)
          if tries == 3 then
            timers.setImmediate(function() drain() end)
          end
          return send(self, message, ...)
        end
        fill(function()
          net.connect(at.port, "127.0.0.1"):on("data", function(data)
            print(data, tries > 3)
            w:disconnect()
          end)
        end)
      end)
    ]])
    assert.same({ "served\ttrue" }, lines)
  end))

  promise("is the errno that a worker gets which was to listen on it", within(function(t)
    local lines = run(t, [[
      local cluster = require("net.cluster")
      cluster.schedulingPolicy = cluster.SCHED_NONE
      if cluster.isWorker then
        local server = net.createServer()
        server:on("error", function(err) process.send(err.message) end)
        server:on("listening", function() process.send("listening") end)
        process:on("message", function() server:listen(0, "127.0.0.1") end)
        return net.run()
      end
      local w = cluster.fork()
      w:on("error", function(err) print("error", err.message) end)
      w:on("online", function() fill(function() w:send("listen") end) end)
      w:on("message", function(m)
        print(m)
        if m == "listening" then
          w:disconnect()
        else
          drain(function() w:send("listen") end)
        end
      end)
    ]])
    assert.same({ "bind ETOOMANYREFS 127.0.0.1", "listening" }, lines)
  end))
end)
