-- SPDX-License-Identifier: MIT

--- Children that are programs of somebody who means harm, without a line of this library: what
--- they say on their channel has an end, costs the parent no descriptor, and is told of that one
--- child. (The same lines amid one process, and at random: channel_spec, channel_fuzz_spec.)

local child = require("net.child")
local children = require("spec.support.children")
local cluster = require("spec.support.cluster")
local lua = require("spec.support.lua")
local net_process = require("net.process")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local rights = lua.build("spec/support/rights.c", sockets.path())
local promise = rights and it or pending

--- What such a program has: `send(bytes, descriptors)`, which waits for room; `hear()`, a line;
--- `fds`, what came beside; and what rights.c has.
local PRELUDE = [[
  local rights = assert(package.loadlib(os.getenv("RIGHTS"), "luaopen_rights"))()
  local fd, rest, fds = tonumber(os.getenv("NODE_CHANNEL_FD")), "", {}
  local function send(bytes, with)
    while #bytes > 0 do
      local n = rights.send(fd, bytes, with)
      if not n then os.exit(7) end
      bytes, with = bytes:sub(n + 1), nil
    end
  end
  local function hear()
    while not rest:find("\n", 1, true) do
      rights.wait(fd)
      local bytes, more = rights.recv(fd)
      if not bytes or bytes == "" then return nil end
      rest = rest .. bytes
      table.move(more, 1, #more, #fds + 1, fds)
    end
    local line
    line, rest = rest:match("^(.-)\n(.*)$")
    return line
  end
  local ACK, NACK = '{"cmd":"NODE_HANDLE_ACK"}\n', '{"cmd":"NODE_HANDLE_NACK"}\n'
  local function handle(kind, message) return ('{"cmd":"NODE_HANDLE","type":"%s","msg":%s}\n'):format(kind, message) end
]]

local function write(t, text)
  local path = t.tmpname(".lua")
  local file = assert(io.open(path, "w"))
  file:write((PRELUDE:gsub("\n", " ")), text)
  file:close()
  return path
end

--- Starts one, whose events are noted.
local function start(t, text, options)
  options = options or {}
  options.execPath, options.env = lua.command, net_process.env
  options.env.RIGHTS = rights
  options.stdio = { "pipe", "inherit", "inherit", "ipc" }
  local kid = child.fork(write(t, text), {}, options)
  return kid, children.watch(kid)
end

--- A server, and a function that sends one of its connections.
local function connections(kid)
  local server, where = sockets.listen({ server = { pauseOnConnect = true } })
  local clients = {}
  return server, function(message, callback)
    local client = require("net").connect(where)
    client:on("error", function() end)
    clients[#clients + 1] = client
    kid:send(message, (sockets.wait_for(server, "connection")), callback)
    return client
  end
end

--- What a worker says besides: `query(index)` for a port of its own; `ask(text)` an act.
local CLUSTER = [[
  local seq = 0
  local function ask(fields)
    send(('{"cmd":"NODE_CLUSTER","seq":%d,%s}\n'):format(seq, fields))
    seq = seq + 1
  end
  local function query(index)
    ask(('"act":"queryServer","address":"127.0.0.1","port":0,"addressType":4,"index":%d'):format(index))
  end
  local function say(text) send(('"%s"\n'):format(text)) end
  ask('"act":"online"')
]]

teardown(function() os.remove(rights or "") end)

describe("A child", function()
  promise("that says what is no JSON is told of line by line, and heard on", within(function(t)
    local _, log = start(t, [[send('garbage\n\n{"a":\n"good"\n[1,]\n"\xFF"\n')]])
    t.run()
    assert.same({ "spawn", [=[error SyntaxError: Unexpected token 'g', "garbage" is not valid JSON]=],
      "error SyntaxError: Unexpected end of JSON input", "error SyntaxError: Unexpected end of JSON input",
      "message good" }, { table.unpack(log, 1, 5) })
    assert.matches("^error SyntaxError", log[6])
    assert.same({ "message \u{FFFD}", "disconnect", "exit 0 nil", "close 0 nil" }, { table.unpack(log, 7) })
  end))

  promise("whose line never ends is heard up to maxMessage, and no more", within(function(t)
    local _, log = start(t, [[
      send('"before"\n"')
      while true do send(("x"):rep(65536)) end
    ]], { maxMessage = 1000000 })
    t.run()
    assert.equal("message before", log[2])
    assert.matches("ERR_IPC_MESSAGE_TOO_LONG", log[3])
    assert.same({ "disconnect", "exit 7 nil", "close 7 nil" }, { table.unpack(log, 4) })
  end))

  promise("that dies amid a line has said nothing of it", within(function(t)
    local _, log = start(t, [[send('"whole"\n"half')]])
    t.run()
    assert.same({ "spawn", "message whole", "disconnect", "exit 0 nil", "close 0 nil" }, log)
  end))

  promise("that closes its channel and lives on has disconnected, and can be ended", within(function(t)
    local kid, log = start(t, [[
      send('"bye"\n')
      rights.close(fd)
      io.read("a")
    ]])
    kid:once("disconnect", function()
      assert.is_nil(kid.exitCode)
      assert.is_false(kid:send("late", function(err) log[#log + 1] = err.code end))
      kid.stdin:finish()
    end)
    t.run()
    assert.same({ "spawn", "message bye", "disconnect", "ERR_IPC_CHANNEL_CLOSED", "exit 0 nil", "close 0 nil" }, log)
  end))

  promise("that does not read holds back what is sent, also disconnect(), until it has ended", within(function(t)
    local kid, log = start(t, [[
      send('"up"\n')
      io.read("a")
    ]])
    kid:once("message", function()
      local told = 0
      for i = 1, 40 do
        kid:send(("x"):rep(100000), function(err)
          told = told + 1
          if i == 40 then log[#log + 1] = ("%d told, the last %s"):format(told, err and err.code) end
        end)
      end
      kid:disconnect()
      log[#log + 1] = tostring(kid.connected)
      kid.stdin:finish()
    end)
    t.run()
    assert.same({ "spawn", "message up", "false", "40 told, the last ERR_IPC_CHANNEL_CLOSED", "disconnect",
      "exit 0 nil", "close 0 nil" }, log)
  end))

  promise("that acknowledges more than it got, or what it did not get, changes nothing", within(function(t)
    local kid, log = start(t, [[
      send(ACK .. NACK .. ACK)
      send('"up"\n')
      for _ = 1, 3 do
        local line = hear()
        send(line:find("NODE_HANDLE", 1, true) and ACK .. ACK .. NACK .. ACK or "")
        send(('"%s"\n'):format(line:match('one') or line:match('two') or line:match("plain")))
      end
    ]])
    sockets.wait_for(kid, "message")
    local server, send = connections(kid)
    send("one")
    kid:send("plain")
    send("two")
    server:close()
    t.run()
    assert.same({ "spawn", "message up", "message one", "message plain", "message two", "disconnect", "exit 0 nil",
      "close 0 nil" }, log)
  end))

  promise("that acknowledges nothing has what waits for it told of its end", within(function(t)
    local kid, log = start(t, [[
      send('"up"\n')
      io.read("a")
    ]])
    sockets.wait_for(kid, "message")
    local server, send = connections(kid)
    local told = {}
    for i = 1, 5 do
      send("socket", function(err) told[#told + 1] = i .. " " .. tostring(err and err.code) end)
    end
    kid:send("plain", function(err) told[#told + 1] = "plain " .. err.code end)
    local count
    server:getConnections(function(err) count = err.code end)
    server:close(function() told[#told + 1] = "server close" end)
    kid.stdin:finish()
    t.run()
    table.sort(told)
    assert.same({ "1 nil", "2 ERR_IPC_CHANNEL_CLOSED", "3 ERR_IPC_CHANNEL_CLOSED", "4 ERR_IPC_CHANNEL_CLOSED",
      "5 ERR_IPC_CHANNEL_CLOSED", "plain ERR_IPC_CHANNEL_CLOSED", "server close" }, told)
    assert.equal("ERR_CHILD_CLOSED_BEFORE_REPLY", count)
    assert.same({ "disconnect", "exit 0 nil", "close 0 nil" }, { table.unpack(log, 3) })
  end))

  promise("that refuses each handle has them sent four times, and a warning", within(function(t)
    local quiet, warnings = net_process.noWarnings, {}
    net_process.noWarnings = true
    local function note(warning) warnings[#warnings + 1] = warning.name end
    net_process:on("warning", note)
    local kid, log = start(t, [[
      send('"up"\n')
      local count = 0
      repeat
        local line = hear()
        if line:find("NODE_HANDLE", 1, true) then
          count = count + 1
          send(NACK)
        end
      until line == '"plain"'
      send(('"%d %d"\n'):format(count, #fds))
    ]])
    sockets.wait_for(kid, "message")
    local server, send = connections(kid)
    send("one")
    send("two")
    kid:send("plain")
    server:close()
    t.run()
    net_process:off("warning", note)
    net_process.noWarnings = quiet
    assert.equal("message 8 8", log[3])
    assert.same({ "SentHandleNotReceivedWarning", "SentHandleNotReceivedWarning" }, warnings)
  end))

  promise("that sends descriptors of any kind has them closed, or taken for what they are", within(function(t)
    local quiet = net_process.noWarnings
    net_process.noWarnings = true
    local kid = start(t, [[
      local file, udp = rights.file(), rights.udp()
      local answers = {}
      local function ask(line, with)
        send(line, with)
        if line:find("NODE_HANDLE", 1, true) then answers[#answers + 1] = hear():match("N?ACK") end
      end
      ask(handle("net.Socket", '"none"'))
      ask(handle("net.Socket", '"file"'), { file })
      ask(handle("net.Server", '"server"'), { file, udp, file })
      ask(handle("net.BoundSocket", '"udp"'), { udp })
      ask(handle("net.Pony", '"pony"'), { 0 })
      ask(handle("net.Native", '"native"'), { 0 })
      ask(handle("lua.Handles", '"list"'), { 0, 0 })
      ask(handle("net.Socket", handle("net.Socket", '"wrapped"'):sub(1, -2)), { 0 })
      ask('"plain with"\n', { 0, file, udp })
      ask('"plain with"\n', { 0 })
      ask('"plain with"\n', { 0 })
      send(('"%s"\n'):format(table.concat(answers, " ")))
    ]])
    local told = {}
    kid:on("message", function(m, one)
      told[#told + 1] = m .. (one and " " .. tostring(require("net").isSocket(one)) or "")
      if one then one:destroy() end
    end)
    t.run()
    net_process.noWarnings = quiet
    assert.same({ "file", "server", "udp", "pony", "native", "list", "wrapped true", "plain with", "plain with",
      "plain with", "NACK ACK ACK ACK ACK ACK ACK ACK" }, told)
  end))

  promise("that sends the end of its channel itself is told to have ended all the same", within(function(t)
    for _, line in ipairs({ "'\"plain\"\\n'", "handle('net.Pony', '\"plain\"')", "'{\"cmd\":\"NODE_HANDLE\",'" }) do
      local _, log = start(t, ("send(%s, { fd })"):format(line))
      t.run()
      table.sort(log)
      assert.same({ "close 0 nil", "disconnect", "exit 0 nil" }, { table.unpack(log, 1, 3) })
    end
  end))

  promise("that says it is of this library, and is not, is believed what it can have", within(function(t)
    local _, log = start(t, [[
      send('{"cmd":"NODE_LUANET","v":1}\n')
      local function list(entries)
        return ('{"cmd":"NODE_HANDLE","type":"lua.Handles","msg":"list","handles":%s}\n'):format(entries)
      end
      local one = '{"type":"net.Socket","head":"no base64 \\u0001","key":7}'
      send(list("[" .. (one .. ","):rep(63) .. one .. "]"), { 0, 0, 0 })
      send(list("[1,null,[],{\"type\":{}},\"x\"]"), { 0 })
      send(list('{"1":2}'), { 0 })
      send(list("[]"))
      send('{"cmd":"NODE_LUANET","act":"binary","msg":{"$b":"?"}}\n')
      send('{"cmd":"NODE_LUANET","act":"binary"}\n')
      send('{"cmd":"NODE_LUANET","v":-1}\n{"cmd":"NODE_LUANET","act":"ready"}\n{"cmd":"NODE_LUANET","act":{}}\n')
      send('"last"\n')
    ]])
    local quiet = net_process.noWarnings
    net_process.noWarnings = true
    t.run()
    net_process.noWarnings = quiet
    for i, line in ipairs(log) do log[i] = line:gsub("table: 0x%x+", "a table") end
    assert.same({ "spawn", "message list a table", "message list a table", "message list a table",
      "message a table nil", "message null nil", "message last", "disconnect", "exit 0 nil", "close 0 nil" }, log)
  end))
end)

--- A primary with a good worker and one that means harm, whose script this is; `visit(n, fn)` has
--- n clients served, one after the other, by whom is said to fn. The lines that it prints; at last how
--- many descriptors it has more than before the bad one.
local function run(t, bad, text)
  local good = cluster.script(t, [[
    net.createServer(function(socket) socket:finish("good") end):listen(0, "127.0.0.1")
  ]])
  return cluster.run(t, ([[
    local lfs = require("lfs")
    local function descriptors()
      local count = 0
      for _ in lfs.dir("/proc/self/fd") do count = count + 1 end
      return count
    end
    local port, good, before
    local waits = 1 -- for the bad one's end, and visits
    local function over()
      waits = waits - 1
      if waits > 0 then return end
      say("more", descriptors() - before)
      good:disconnect()
    end
    local function visit(n, fn)
      local got = ""
      waits = waits + 1
      local client = net.connect(port, "127.0.0.1")
      client:on("data", function(data) got = got .. data end)
      client:on("close", function()
        say("served by", got)
        if n > 1 then visit(n - 1, fn) elseif fn then fn() end
        over()
      end)
    end
    local function start_bad()
      cluster.setupPrimary({ exec = %q, execPath = %q })
      return cluster.fork()
    end
    cluster.setupPrimary({ exec = %q, args = {} })
    good = cluster.fork()
    good:on("listening", function(at)
      port, before = at.port, descriptors()
      local bad = start_bad()
      for _, event in ipairs({ "online", "listening", "disconnect", "exit" }) do
        bad:on(event, function(code, signal) say("bad", event, event == "exit" and (signal or code) or "") end)
      end
      bad:on("error", function(err) say("bad error", err) end)
      bad.process:on("close", over)
      %s
    end)
  ]]):format(write(t, CLUSTER .. bad), lua.command, good, text), { env = { RIGHTS = rights } })
end

describe("A worker", function()
  promise("that floods its primary with queries has 1024 keys, which end with it", within(function(t)
    local lines = run(t, [[
      local good, bad = 0, 0
      for i = 1, 2000 do query(i) end
      for _ = 1, 2000 do
        local line = hear()
        if line:find('"errno":null', 1, true) then good = good + 1
        elseif line:find('"errno":-24', 1, true) then bad = bad + 1 end
      end
      say(good .. " " .. bad)
      while hear() do end
    ]], [[
      bad:on("message", function(m)
        say(m)
        visit(2, function() bad:kill("SIGKILL") end)
      end)
    ]])
    assert.same({ "bad online ", "1024 976", "served by good", "served by good", "bad disconnect ", "bad exit SIGKILL",
      "more 0" }, lines)
  end))

  promise("that says what it likes, when it likes, leaves the others to serve", within(function(t)
    local lines = run(t, [[
      ask('"act":"online"')
      ask('"act":"listening","port":1e300,"address":[]')
      ask('"ack":0,"accepted":true')
      ask('"ack":1,"accepted":false')
      ask('"ack":"0","accepted":{}')
      ask('"act":"close","key":"127.0.0.1:0:4:undefined:0"')
      ask('"act":"closed","key":"127.0.0.1:0:4:undefined:0","count":-5')
      ask('"act":"newconn","key":"127.0.0.1:0:4:undefined:0"')
      ask('"act":"disconnect"')
      query(0)
      query(0)
      ask('"act":"close","key":"127.0.0.1:0:4:undefined:0"')
      ask('"act":"close","key":"127.0.0.1:0:4:undefined:0"')
      ask('"act":"queryServer"')
      ask('"act":"queryServer","fd":4')
      send('{"cmd":"NODE_CLUSTER"}\n')
      send('{"cmd":"NODE_CLUSTER","seq":[],"act":"queryServer","port":-1,"address":""}\n')
      send('{"cmd":"NODE_HANDLE","type":"net.Native","msg":{"cmd":"NODE_CLUSTER","act":"newconn"}}\n', { fd })
      send('{"cmd":"NODE_HANDLE","type":"net.Native","msg":{"cmd":"NODE_CLUSTER","act":"queryServer"}}\n', { fd })
      ask('"act":"exitedAfterDisconnect"')
      ask('"act":"exitedAfterDisconnect"')
      query(0)
      say("said")
      while hear() do end
    ]], [[
      bad:on("message", function(m)
        say(m)
        visit(3, function() bad:kill("SIGKILL") end)
      end)
    ]])
    assert.same({ "bad online ", "bad online ", "bad listening ", "said", "served by good", "served by good",
      "served by good", "bad disconnect ", "bad exit SIGKILL", "more 0" }, lines)
  end))

  --- Joins the good one's key, and does that with the first connection.
  local function first(what)
    return [[
      query(0)
      repeat local line = hear() until line:find('"sockname"', 1, true)
      say("up")
      repeat local line = hear() until line:find("newconn", 1, true)
      local number = line
    ]] .. what
  end

  local VISIT = [[
    bad:on("message", function(m)
      say(m)
      if m == "up" then visit(1) end
      if m == "up" then visit(1) end
    end)
  ]]

  for name, what in pairs({
    ["dies"] = "",
    ["says that it has the descriptor, and dies"] = "send(ACK)",
    ["says that it has none, and dies"] = "send(NACK)",
    ["dies amid its answer"] = [[send(ACK .. '{"cmd":"NODE_CLUSTER","seq":9,"ack":')]],
    ["closes its channel, and lives"] = "rights.close(fd) os.execute('kill -STOP $PPID')",
    ["says what is no answer, and dies"] = [[send(ACK .. 'no\n{"cmd":"NODE_CLUSTER","accepted":true}\n')]],
  }) do
    promise("that " .. name .. " when it gets a connection leaves that to the next", within(function(t)
      local lines = run(t, first(what), VISIT .. [[
        bad:on("disconnect", function() bad:kill("SIGKILL") end)
        bad:on("error", function() end)
      ]])
      table.sort(lines)
      local text = table.concat(lines, "\n")
      assert.matches("more 0\nserved by good\nserved by good", text)
    end))
  end
end)
