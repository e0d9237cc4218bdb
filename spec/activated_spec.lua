-- SPDX-License-Identifier: MIT

-- Socket activation: the sockets that a program is started with. spec/support/activate.c
-- starts it as systemd does.

local lua = require("spec.support.lua")
local net = require("net")
local servers = require("spec.support.servers")
local within = require("spec.support.init").within

local HEAD = [[
local net = require("net")
local sockets, names = net.activated()
local function kinds()
  local list = {}
  for i, socket in ipairs(sockets) do
    list[i] = names[i] .. " " .. (net.isSocket(socket) and "Socket" or "BoundSocket")
  end
  return table.concat(list, ", ")
end
local function reached(server, where)
  local times = 0
  server:on("connection", function(socket)
    times = times + 1
    socket:finish()
    socket:resume()
  end)
  net.connect(where or server:address().port):resume():on("close", function() server:close() end)
  net.run()
  return times
end
local function refused(which)
  local server = net.createServer()
  local ok, err = pcall(server.listen, server, { activated = which })
  return not ok and not server.listening and err.code .. " " .. err.message
end
]]

describe("socket activation", function()
  local program = os.tmpname()
  local is_there

  setup(function()
    local cc = os.getenv("CC") or "cc"
    is_there = os.execute(("%s -std=c11 -D_GNU_SOURCE -o %s spec/support/activate.c"):format(cc, program))
  end)

  teardown(function()
    os.remove(program)
  end)

  --- What the script prints, started with these sockets; the rest of the words are for
  --- activate.c.
  local function run(words, script)
    local args = table.move(words, 1, #words, 1, {})
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "w"))
    file:write(script)
    file:close()
    for _, word in ipairs({ "--", lua.command, path }) do
      args[#args + 1] = word
    end
    local result = lua.run({ program = program, args = args })
    os.remove(path)
    assert.same({ 0, "" }, { result.code, result.stderr })
    return result.stdout
  end

  it("has a stand-in for systemd", function()
    assert.is_true(is_there)
  end)

  it("hands over what listens or is bound, and what is connected, with its name", function()
    local path = os.tmpname()
    os.remove(path)
    local out = run({ "web=tcp", "web=tcp6", "admin=unix:" .. path, "x=@net-spec-" .. path:match("%w+$"),
      "later=bound", "peer=client" }, HEAD .. [[
      print(kinds())
      for i = 1, 5 do
        local address = sockets[i]:address()
        print(type(address) == "table" and address.family .. " " .. address.address or (address:gsub("\0", "@")))
      end
      print(sockets[6].readyState, sockets[6].remoteAddress)
    ]])
    assert.equal(table.concat({
      "web BoundSocket, web BoundSocket, admin BoundSocket, x BoundSocket, later BoundSocket, peer Socket",
      "IPv4 127.0.0.1", "IPv6 ::1", path, "@net-spec-" .. path:match("%w+$"), "IPv4 127.0.0.1",
      "open\t127.0.0.1", "" }, "\n"), out)
    assert.is_true(os.remove(path), "nobody removes the file")
  end)

  it("calls what has no name 'unknown'", function()
    assert.equal("unknown BoundSocket, unknown BoundSocket\n",
      run({ "=tcp", "=tcp" }, HEAD .. "print(kinds())"))
    assert.equal("unknown BoundSocket, b BoundSocket\n",
      run({ "=tcp", "b=tcp" }, HEAD .. "print(kinds())"))
  end)

  it("gives the same objects each time, in a list of one's own", function()
    local out = run({ "a=tcp", "b=tcp", "a=tcp" }, HEAD .. [[
      local again = net.activated()
      print(again ~= sockets, again[1] == sockets[1] and again[2] == sockets[2] and again[3] == sockets[3])
      again[1] = nil
      sockets, names = net.activated("a")
      print(#sockets, kinds())
      sockets, names = net.activated("none")
      print(#sockets, #names)
    ]])
    assert.equal("true\ttrue\n2\ta BoundSocket, a BoundSocket\n0\t0\n", out)
  end)

  it("leaves out, and open, what is no stream, has no address or is not there", function()
    local out = run({ "a=udp", "b=tcp", "c=dgram", "d=closed", "e=pipe", "f=plain", "g=tcp" }, [[
      require("net.core") -- libev opens something, which is 6
    ]] .. HEAD .. [[
      print(kinds())
      for fd = 3, 9 do
        io.write(tostring(os.execute(("test -e /proc/%d/fd/%d"):format(net.process.pid, fd)) or false), " ")
      end
    ]])
    assert.equal("b BoundSocket, g BoundSocket\ntrue true true true true true true ", out)
  end)

  it("takes the variables away, and lets no program that it starts have the sockets", function()
    local out = run({ "a=tcp", "b=udp", "c=client" }, [[
      require("net.core")
      print(os.getenv("LISTEN_PID"), os.getenv("LISTEN_FDS"), os.getenv("LISTEN_FDNAMES"))
      io.stdout:flush()
      os.execute("for fd in 3 4 5; do test -S /proc/$$/fd/$fd && echo $fd; done; env | grep -c LISTEN_")
    ]])
    assert.equal("nil\tnil\tnil\n0\n", out)
  end)

  it("leaves alone what is for another process", function()
    for _, pid in ipairs({ "1", "", "x", "-1", "99999999999999999999", "0" }) do
      local out = run({ "-p", pid, "a=tcp" }, HEAD .. [[
        print(#sockets, #names, os.getenv("LISTEN_PID"), os.getenv("LISTEN_FDS"), os.getenv("LISTEN_FDNAMES"))
        io.stdout:flush()
        os.execute("test -S /proc/$$/fd/3 && echo 1")
      ]])
      assert.equal(("0\t0\t%s\t1\ta\n1\n"):format(pid), out)
    end
  end)

  it("bears a count that is none, or beyond what is there", function()
    for count, expected in pairs({ x = 0, [""] = 0, ["-1"] = 0, ["1x"] = 0, ["99999999999999999999"] = 0,
      ["0"] = 0, ["1"] = 1, ["7"] = 2, ["2147483647"] = 2 }) do
      local out = run({ "-n", count, "a=tcp", "b=tcp" }, HEAD .. [[
        print(#sockets, os.getenv("LISTEN_FDS"))
      ]])
      assert.equal(expected .. "\tnil\n", out, count)
    end
  end)

  it("does not read a connected socket before somebody does, nor hold the loop for it", function()
    local out = run({ "a=pair", "b=pair" }, HEAD .. [[
      local one, other = sockets[1], sockets[2]
      print(net.run())
      one:write("x")
      net.run("nowait") net.run("nowait")
      print(other.bytesRead, other.readableFlowing)
      other:on("data", function(chunk) print(chunk) other:destroy() one:destroy() end)
      net.run()
    ]])
    assert.equal("false\n0\tnil\nx\n", out)
  end)

  it("hands over a connection that the peer has reset meanwhile as what it was", function()
    local out = run({ "a=reset" }, HEAD .. [[
      print(kinds())
      sockets[1]:on("error", function(err) print(err) end)
      sockets[1]:on("close", print)
      sockets[1]:resume()
      net.run()
    ]])
    assert.equal("a Socket\nError: read ECONNRESET\ntrue\n", out)
  end)

  it("makes nothing of a number that was closed, and is another's by now", function()
    local out = run({ "a=closed", "b=closed", "c=closed", "d=closed", "e=tcp" }, [[
      local net = require("net")
      local bound = net.BoundSocket()
      local sockets, names = net.activated()
      print(#sockets, names[1], bound:fd() < 7)
    ]])
    assert.equal("1\te\ttrue\n", out)
  end)

  it("keeps the sockets that a program forgets", function()
    local out = run({ "a=tcp" }, HEAD .. [[
      sockets = nil
      collectgarbage() collectgarbage()
      print(reached(net.createServer():listen(net.activated()[1])))
    ]])
    assert.equal("1\n", out)
  end)

  it("passes over a descriptor that the program has used by its number", function()
    local out = run({ "a=tcp", "b=tcp" }, [[
      local net = require("net")
      local server = net.createServer():listen({ fd = 3 })
      local sockets, names = net.activated()
      print(#sockets, names[1], server.listening)
      server:close()
    ]])
    assert.equal("1\tb\ttrue\n", out)
  end)

  describe("listen{activated}", function()
    it("listens on the socket of that name, or that number", function()
      local out = run({ "web=tcp", "other=tcp" }, HEAD .. [[
        local server = net.createServer():listen({ activated = "other" })
        print(server.listening, server:fd(), reached(server))
        server = net.createServer():listen({ activated = 1 }, function() print("listening") end)
        print(server:fd(), reached(server))
      ]])
      assert.equal("true\t4\t1\nlistening\n3\t1\n", out)
    end)

    it("takes of a name the first that nobody has", function()
      local out = run({ "web=client", "web=tcp", "web=tcp" }, HEAD .. [[
        local one = net.createServer():listen({ activated = "web" })
        local two = net.createServer():unref():listen({ activated = "web" })
        print(one:fd(), two:fd())
        print(refused("web"))
        print(reached(one), reached(two:ref()))
      ]])
      assert.equal("4\t5\nERR_INVALID_ARG_VALUE The property 'options.activated' is invalid. "
        .. "Received 'web'\n1\t1\n", out)
    end)

    it("accepts what has waited since before the program began", function()
      local path = os.tmpname()
      os.remove(path)
      local out = run({ "a=unix:" .. path }, HEAD .. ([[
        local client = net.connect(%q) -- nobody accepts yet
        client:once("connect", function()
          local server = net.createServer():listen({ activated = "a" })
          print(server:address())
          server:on("connection", function(socket) print("accepted") socket:destroy() server:close() end)
        end)
        net.run()
      ]]):format(path))
      assert.equal(path .. "\naccepted\n", out)
      assert.equal("s", (servers.mode(path) or "-"):sub(1, 1), "the server left the file")
      os.remove(path)
    end)

    it("goes before a port and a descriptor, with its backlog", function()
      local out = run({ "a=bound" }, HEAD .. [[
        local server = net.createServer():listen({ activated = "a", port = 1, fd = 77, backlog = 3 })
        print(server:fd(), reached(server))
      ]])
      assert.equal("3\t1\n", out)
    end)

    it("raises where there is none, and the server may listen elsewhere", function()
      local out = run({ "a=client", "b=udp", "c=tcp" }, HEAD .. [[
        for _, which in ipairs({ "a", "b", "d", "", 0, 1, 2, 4, 1.5, -1, 0/0, math.huge }) do
          print((refused(which):gsub(" The.*", "")))
        end
        local server = net.createServer()
        pcall(server.listen, server, { activated = "d" })
        print(reached(server:listen(0)))
      ]])
      assert.equal(("ERR_INVALID_ARG_VALUE\n"):rep(12) .. "1\n", out)
    end)

    it("raises for what is neither a name nor a number, and while it listens", function()
      local out = run({ "a=tcp" }, HEAD .. [[
        for _, which in ipairs({ true, false, {}, print }) do
          print((refused(which):gsub(". Received.*", "")))
        end
        local server = net.createServer():listen({ activated = 1 })
        local ok, err = pcall(server.listen, server, { activated = 1 })
        print(err.code, refused(1):match("^%S+"))
        server:close()
        print(refused(1):match("^%S+")) -- gone with the server
      ]])
      assert.equal(("ERR_INVALID_ARG_TYPE The \"options.activated\" property must be one of type string or "
        .. "number\n"):rep(4) .. "ERR_SERVER_ALREADY_LISTEN\tERR_INVALID_ARG_VALUE\nERR_INVALID_ARG_VALUE\n", out)
    end)
  end)

  describe("in a worker of a cluster", function()
    local CLUSTER = [[
      local cluster, net = require("net.cluster"), require("net")
      local process = require("net.process")
      if cluster.isWorker then
        for _, which in ipairs({ WHICH }) do
          local server = net.createServer(function(socket)
            socket:on("error", function() end)
            socket:resume()
            socket:finish(cluster.worker.id .. " " .. tostring(which))
          end)
          server:on("error", function(err) process.send("error " .. err.message) end)
          local ok, err = pcall(server.listen, server, { activated = which }, function()
            process.send("listening " .. type(server:address()))
          end)
          if not ok then process.send("raised " .. err.code) end
        end
        return net.run()
      end
      io.stdout:setvbuf("line")
      cluster.setupPrimary({ execPath = EXEC or arg[-1] })
      local said = {}
      cluster:on("message", function(_, message) said[#said + 1] = message end)
    ]]

    local function of(which, exec)
      return "local EXEC = " .. (exec or "nil") .. "\n" .. CLUSTER:gsub("WHICH", which)
    end

    for policy, address in pairs({ rr = "table", none = "table", least = "table" }) do
      it("listens on the primary's, which goes on when all workers have gone: " .. policy, function()
        local out = run({ "web=tcp", "other=tcp" }, of('"web", 2') .. ([[
          cluster.schedulingPolicy = cluster.SCHED_%s
          local ports = { net.activated()[1]:address().port, net.activated()[2]:address().port }
          local rounds = 0
          local function round()
            rounds = rounds + 1
            said = {}
            for _ = 1, 2 do cluster.fork() end
            local got = {}
            local function visit()
              if #said < 4 then return net.timers.setTimeout(visit, 1) end
              local left = 4
              for i = 1, 4 do
                net.connect(ports[i %% 2 + 1]):on("data", function(d) got[#got + 1] = d:match(" (.*)") end)
                  :on("close", function()
                    left = left - 1
                    if left > 0 then return end
                    table.sort(got)
                    print(table.concat(said, ", "), table.concat(got, " "))
                    cluster.disconnect(function() if rounds < 2 then round() end end)
                  end)
              end
            end
            visit()
          end
          round()
          net.run()
          print(net.activated()[1]:address().port == ports[1])
        ]]):format(policy:upper()))
        local line = ("listening %s, "):format(address):rep(4):sub(1, -3) .. "\t2 2 web web\n"
        assert.equal(line:rep(2) .. "true\n", out)
      end)
    end

    it("is told by 'error' that there is none, and raises for what cannot be one", function()
      local out = run({ "web=tcp", "peer=client" }, of('"none", "peer", 0, 3, 1.5, ("x"):rep(5000), true')
        .. [[
        local worker = cluster.fork()
        worker:on("message", function()
          if #said == 7 then
            table.sort(said)
            print(table.concat(said, "\n"))
            worker:kill()
          end
        end)
        net.run()
      ]])
      assert.equal(("error bind EINVAL\n"):rep(6) .. "raised ERR_INVALID_ARG_TYPE\n", out)
    end)

    it("is told the same where the primary is not this library", function()
      local out = run({ "web=tcp" }, of('"web"', '"sh"') .. [[
        cluster.setupPrimary({ execArgv = { "-c", 'LUANET_CHANNEL=1:1 exec "$0" "$@"', arg[-1] } })
        local worker = cluster.fork()
        worker:on("message", function(message)
          print(message)
          worker:kill()
        end)
        net.run()
      ]])
      assert.equal("error bind EINVAL\n", out)
    end)
  end)

  it("is empty in a program that nobody activates", within(function()
    local sockets, names = net.activated()
    assert.same({ {}, {} }, { sockets, names })
    for _, name in ipairs({ 1, true, {} }) do
      local ok, err = pcall(net.activated, name)
      assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
    end
    local ok, err = pcall(function() net.createServer():listen({ activated = "web" }) end)
    assert.same({ false, "ERR_INVALID_ARG_VALUE" }, { ok, err.code })
  end))
end)
