-- SPDX-License-Identifier: MIT

--- What the library asks of the system, as strace(1) sees it: one read and one
--- write for a message and nothing besides, one sendmsg for all that a listener
--- writes, and options that are set when they change.

local process = require("spec.support.process")

local traced = require("spec.support.traced")

local READS, WRITES, count, trace = traced.READS, traced.WRITES, traced.count, traced.trace

local function lines(calls)
  local list = {}
  for i, call in ipairs(calls) do list[i] = call.line end
  return table.concat(list, "\n")
end

--- A client in a process that nobody traces: `connections` of it say `messages`
--- each, one after the answer to the other.
local CLIENT = [[
  local port, connections, messages = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3])
  for _ = 1, connections do
    local socket, left = net.connect(port, "127.0.0.1"), messages
    socket:on("data", function()
      left = left - 1
      if left == 0 then
        socket:finish()
      else
        socket:write("message")
      end
    end)
    socket:write("message")
  end
  net.run()
]]

local function run_client(...)
  local path = traced.script_of(CLIENT)
  local output, code = process.run(process.lua(path, ...))
  os.remove(path)
  assert.equal(0, code, output)
end

-- Prints "port", then "begin" once all clients are connected and "end" when the
-- last has gone.
local SERVER = [[
  local connections = tonumber(arg[1])
  local function say(line) io.stdout:write(line, "\n") io.stdout:flush() end
  local came, gone = 0, 0
  local server
  server = net.createServer(function(socket)
    came = came + 1
    serve(socket)
    socket:on("end", function()
      gone = gone + 1
      if gone == connections then
        server:close()
      end
    end)
  end)
  server:listen(0, "127.0.0.1", function()
    say("port " .. server:address().port)
    say("begin")
  end)
  net.run()
  say("end")
]]

local function traced_server(serve, connections, messages)
  local server = trace("function serve(socket)\n" .. serve .. "\nend\n" .. SERVER, nil, connections)
  local port = server.child:expect("^port (%d+)")
  run_client(port, connections, messages)
  server.child:expect("^end")
  return server:calls()
end

local ECHO = 'socket:on("data", function(chunk) socket:write(chunk) end)'

--- Runs a program that talks to itself between "begin" and "end".
local function run_traced(program, limit)
  local self = trace([[
    local function say(line) io.stdout:write(line, "\n") io.stdout:flush() end
  ]] .. program .. "\nnet.run()", limit)
  return self:calls()
end

-- Two ends of one connection; `ready` then runs, and says "begin" and "end".
local PAIR = [[
  local server = net.createServer()
  local peer
  server:on("connection", function(s)
    peer = s
    peer:on("error", function() end)
    server:close()
  end)
  local function pair(options, ready)
    server:listen(0, "127.0.0.1", function()
      options.port, options.host = server:address().port, "127.0.0.1"
      local socket = net.connect(options)
      socket:on("ready", function()
        timers.setTimeout(ready, 20, socket)
      end)
    end)
  end
]]

describe("strace sees of", function()
  local function it_traces(name, fn)
    it(name, traced.spec(pending, fn))
  end

  after_each(traced.clean)

  it_traces("an echo server one read and one write for a message, and no epoll_ctl", function()
    local connections, messages = 1, 1000
    local calls = traced_server(ECHO, connections, messages)
    local total = connections * messages
    assert.equal(total + connections, count(calls, READS), "reads: one a message, one for the end")
    assert.equal(total, count(calls, WRITES), "writes")
    assert.is_true(count(calls, " epoll_ctl ") <= 4 * connections + 4, "epoll_ctl")
    assert.is_true(count(calls, " epoll_wait epoll_pwait epoll_pwait2 ") <= total + 20, "waits")
    local rest = #calls - 2 * total - count(calls, " epoll_wait epoll_pwait epoll_pwait2 ")
    assert.is_true(rest < 60, "other calls: " .. rest)
  end)

  it_traces("an echo server under many connections the same, and fewer waits", function()
    local connections, messages = 50, 100
    local calls = traced_server(ECHO, connections, messages)
    local total = connections * messages
    assert.equal(total + connections, count(calls, READS))
    assert.equal(total, count(calls, WRITES))
    assert.is_true(count(calls, " epoll_ctl ") <= 4 * connections + 4)
    assert.is_true(count(calls, " epoll_wait epoll_pwait epoll_pwait2 ") < total)
    assert.is_true(count(calls, " brk mmap munmap ") < 200)
  end)

  it_traces("a socket piped to itself the same as of an echo server", function()
    local connections, messages = 50, 100
    local calls = traced_server("socket:pipe(socket)", connections, messages)
    local total = connections * messages
    assert.equal(total + connections, count(calls, READS))
    assert.equal(total, count(calls, WRITES))
    assert.equal(0, count(calls, " splice pipe2 "), "splice, of small messages")
  end)

  it_traces("an echo server of tasks the same, also of lines", function()
    for _, what in ipairs({ "some", 7 }) do
      local connections, messages = 50, 100
      local calls = traced_server(([[
        require("net.co").spawn(function()
          local text = socket:receive(WHAT)
          while text do
            socket:send(text)
            text = socket:receive(WHAT)
          end
        end)
      ]]):gsub("WHAT", ("%q"):format(what)), connections, messages)
      local total = connections * messages
      assert.equal(total + connections, count(calls, READS))
      assert.equal(total, count(calls, WRITES))
      assert.is_true(count(calls, " epoll_ctl ") <= 4 * connections + 4, "epoll_ctl")
    end
  end)

  it_traces("a pipeline of tasks splice, once it is in bulk", function()
    local calls = run_traced([[
      local co = require("net.co")
      local SIZE = 32 << 20
      local function connected(server, port)
        local near = co.connect(port, "127.0.0.1")
        return near, server:incoming()()
      end
      co.run(function()
        local one, two = co.listen(0, "127.0.0.1"), co.listen(0, "127.0.0.1")
        local source, a = connected(one, one:address().port)
        local b, sink = connected(two, two:address().port)
        say("begin")
        co.spawn(function()
          for _ = 1, 32 do source:send(("x"):rep(1 << 20)) end
          source:finish()
        end)
        local got = 0
        local reader = co.spawn(function()
          for chunk in sink:chunks() do got = got + #chunk end
        end)
        assert(co.pipeline(a, b))
        reader:await()
        assert(got == SIZE, got)
        say("end")
        one:close()
        two:close()
      end)
    ]])
    assert.is_true(count(calls, " splice ") > 0)
  end)

  it_traces("a head and a file one send that waits for more, and one sendfile", function()
    local messages = 100
    local calls = traced_server([[
      local path = arg[0]
      socket:on("data", function()
        socket:write("the head")
        socket:sendFile(path, 0, 7)
      end)
    ]], 1, messages)
    assert.equal(messages, count(calls, WRITES))
    assert.equal(count(calls, " sendfile ") > 0 and messages or 0, count(calls, WRITES, "MSG_MORE"))
  end)

  it_traces("four small writes in a listener one sendmsg", function()
    local messages = 100
    local calls = traced_server([[
      socket:on("data", function()
        socket:write("HTTP/1.1 200 OK\r\n")
        socket:write("Content-Length: 5\r\n")
        socket:write("\r\n")
        socket:write("hello")
      end)
    ]], 1, messages)
    assert.equal(messages, count(calls, WRITES))
    assert.is_true(count(calls, WRITES, "hello") == messages, lines(calls))
  end)

  it_traces("writes with callbacks one sendmsg as well", function()
    local messages = 100
    local calls = traced_server([[
      socket:on("data", function()
        for i = 1, 4 do
          socket:write("piece " .. i, function() end)
        end
      end)
    ]], 1, messages)
    assert.equal(messages, count(calls, WRITES))
  end)

  it_traces("writes on a tick after those in a listener one sendmsg as well", function()
    local messages = 100
    local calls = traced_server([[
      socket:on("data", function()
        socket:write("now ")
        require("net.process").nextTick(function() socket:write("and on a tick") end)
      end)
    ]], 1, messages)
    assert.equal(messages, count(calls, WRITES))
  end)

  it_traces("corked writes one sendmsg", function()
    local messages = 100
    local calls = traced_server([[
      socket:on("data", function()
        socket:cork()
        for i = 1, 10 do socket:write("piece " .. i) end
        socket:uncork()
      end)
    ]], 1, messages)
    assert.equal(messages, count(calls, WRITES))
  end)

  it_traces("finish(data) one write and one shutdown", function()
    local calls = traced_server([[
      socket:on("data", function(chunk) socket:write("head ") socket:finish(chunk) end)
    ]], 1, 1)
    assert.equal(1, count(calls, WRITES), lines(calls))
    assert.equal(1, count(calls, " shutdown "))
    assert.equal(1, count(calls, " close ") - 1, "closes: the connection and the server")
  end)

  it_traces("an accepted connection one accept, one epoll_ctl, and no fcntl", function()
    local connections = 50
    local calls = traced_server(ECHO, connections, 1)
    assert.is_true(count(calls, " accept4 ") <= 2 * connections + 5)
    assert.equal(0, count(calls, " fcntl ioctl setsockopt getsockname getpeername "), lines(calls))
    assert.is_true(count(calls, " epoll_ctl ") <= 2 * connections + 4)
  end)

  it_traces("a write that the kernel refuses: it is polled only then", function()
    local calls = run_traced(PAIR .. [[
      pair({}, function(socket)
        peer:pause()
        say("begin")
        socket:write("fits")
        timers.setTimeout(function()
          say("end")
          os.exit(0)
        end, 20)
      end)
    ]])
    assert.equal(0, count(calls, " epoll_ctl ", "EPOLLOUT"), lines(calls))
    calls = run_traced(PAIR .. [[
      pair({}, function(socket)
        say("begin")
        socket:write(("x"):rep(32 << 20))
        timers.setTimeout(function()
          say("end")
          os.exit(0)
        end, 20)
      end)
    ]])
    assert.equal(1, count(calls, " epoll_ctl ", "EPOLLOUT"), lines(calls))
  end)

  it_traces("a paused socket with a full buffer no reads", function()
    local calls = run_traced(PAIR .. [[
      pair({ highWaterMark = 1024 }, function(socket)
        peer:write(("x"):rep(4096))
        timers.setTimeout(function()
          say("begin")
          peer:write(("x"):rep(4096))
          timers.setTimeout(function()
            say("end")
            assert(socket.readableLength >= 1024)
            os.exit(0)
          end, 20)
        end, 20)
      end)
    ]])
    assert.equal(0, count(calls, READS), lines(calls))
  end)

  it_traces("an idle timeout no call for each message", function()
    local messages = 500
    local calls = traced_server("socket:setTimeout(60000)\n" .. ECHO, 1, messages)
    assert.is_true(#calls < 3 * messages + 100, "calls: " .. #calls)
  end)

  --- The setsockopt calls of a program that is about `socket`. `before` may make
  --- another server.
  local function options_set(program, options, before)
    local calls = run_traced(PAIR:gsub("local peer", function(line)
      return (before or "") .. line
    end) .. ([[
      pair({ %s }, function(socket)
        say("begin")
        %s
        say("end")
        os.exit(0)
      end)
    ]]):format(options or "", program))
    local list = {}
    for _, call in ipairs(calls) do
      if call.name == "setsockopt" then
        list[#list + 1] = call.args:match("%d+, (.*), 4%)"):gsub("[%[%]]", "")
      end
    end
    return list
  end

  it_traces("setNoDelay() a call only when the value changes", function()
    assert.same({ "SOL_TCP, TCP_NODELAY, 1", "SOL_TCP, TCP_NODELAY, 0" }, options_set([[
      socket:setNoDelay(true)
      socket:setNoDelay(true)
      socket:setNoDelay()
      socket:setNoDelay(false)
      socket:setNoDelay(0)
      socket:setNoDelay("")
    ]]))
  end)

  it_traces("setNoDelay() as an option nothing after the connection", function()
    assert.same({}, options_set("socket:setNoDelay(true)", "noDelay = true"))
    assert.same({ "SOL_TCP, TCP_NODELAY, 1" },
      options_set("socket:setNoDelay(true)", "noDelay = 0"))
  end)

  it_traces("setKeepAlive(true) SO_KEEPALIVE alone", function()
    assert.same({ "SOL_SOCKET, SO_KEEPALIVE, 1", "SOL_SOCKET, SO_KEEPALIVE, 0" }, options_set([[
      socket:setKeepAlive(true)
      socket:setKeepAlive(true)
      socket:setKeepAlive(false)
      socket:setKeepAlive()
    ]]))
  end)

  it_traces("setKeepAlive(true) with less than a second nothing more", function()
    assert.same({ "SOL_SOCKET, SO_KEEPALIVE, 1" },
      options_set("socket:setKeepAlive(true, 999, 5000, 5)"))
  end)

  it_traces("setKeepAlive() with a delay whole seconds, and the defaults", function()
    assert.same({ "SOL_SOCKET, SO_KEEPALIVE, 1", "SOL_TCP, TCP_KEEPIDLE, 5",
      "SOL_TCP, TCP_KEEPINTVL, 1", "SOL_TCP, TCP_KEEPCNT, 10" },
      options_set("socket:setKeepAlive(true, 5999)"))
  end)

  it_traces("setKeepAlive() all that it was told, in both forms", function()
    local expected = { "SOL_SOCKET, SO_KEEPALIVE, 1", "SOL_TCP, TCP_KEEPIDLE, 5",
      "SOL_TCP, TCP_KEEPINTVL, 2", "SOL_TCP, TCP_KEEPCNT, 3" }
    assert.same(expected, options_set("socket:setKeepAlive(true, 5000, 2000, 3)"))
    assert.same(expected, options_set(
      "socket:setKeepAlive({ enable = true, initialDelay = 5000, interval = 2000, count = 3 })"))
  end)

  it_traces("setKeepAlive() with a 0 among the times SO_KEEPALIVE alone", function()
    for _, times in ipairs({ "0", "5000, 0", "5000, 999", "5000, -999", "5000, 1000, 0",
                             "5000, 'x'", "0/0", "1/0" }) do
      assert.same({ "SOL_SOCKET, SO_KEEPALIVE, 1" },
        options_set(("socket:setKeepAlive(true, %s)"):format(times)), times)
    end
  end)

  it_traces("setKeepAlive() a default for what is no interval and no count", function()
    local expected = { "SOL_SOCKET, SO_KEEPALIVE, 1", "SOL_TCP, TCP_KEEPIDLE, 5",
      "SOL_TCP, TCP_KEEPINTVL, 1", "SOL_TCP, TCP_KEEPCNT, 10" }
    for _, times in ipairs({ "-1000", "nil, -1", "nil, 2.5", "nil, 'x'", "1000, 1e300" }) do
      assert.same(expected, options_set(("socket:setKeepAlive(true, 5000, %s)"):format(times)), times)
    end
  end)

  --- The same for a socket that a server with those options has accepted.
  local function accepted_options_set(options, program)
    return options_set(("local socket = peer\n%s"):format(program), nil,
      "server = net.createServer({ " .. options .. " })\n")
  end

  it_traces("setKeepAlive() nothing of what the server had set already", function()
    local options = "keepAlive = true, keepAliveInitialDelay = 5999"
    assert.same({}, accepted_options_set(options, [[
      socket:setKeepAlive(true, 5000)
      socket:setKeepAlive({ enable = true, initialDelay = 5500 })
    ]]))
    assert.same({ "SOL_SOCKET, SO_KEEPALIVE, 0" }, accepted_options_set(options, [[
      socket:setKeepAlive(false)
      socket:setKeepAlive(false, 9000)
    ]]))
    assert.same({ "SOL_SOCKET, SO_KEEPALIVE, 1" }, accepted_options_set(options, [[
      socket:setKeepAlive(true)
      socket:setKeepAlive(true, 0)
    ]]))
    assert.same({}, accepted_options_set("keepAlive = false", "socket:setKeepAlive(false)"))
  end)

  it_traces("setTypeOfService() the IP option", function()
    assert.same({ "SOL_IP, IP_TOS, 16" }, options_set("socket:setTypeOfService(16)"))
  end)

  it_traces("resetAndDestroy() a linger of 0 and a close", function()
    local calls = run_traced(PAIR .. [[
      pair({}, function(socket)
        say("begin")
        socket:resetAndDestroy()
        say("end")
        os.exit(0)
      end)
    ]])
    assert.equal(1, count(calls, " setsockopt ", "SO_LINGER, {l_onoff=1, l_linger=0}"), lines(calls))
    assert.equal(1, count(calls, " close "))
    assert.equal(0, count(calls, " shutdown "))
  end)

  it_traces("a server without descriptors left a few tries to accept, and no spinning", function()
    local calls = run_traced([[
      local path = os.tmpname()
      os.remove(path)
      local server, clients, hoard = net.createServer():listen(path), {}, {}
      for i = 1, 5 do clients[i] = net.connect(path) end
      repeat hoard[#hoard + 1] = io.open("/dev/null") or "no more" until hoard[#hoard] == "no more"
      server:once("error", function()
        say("begin")
        timers.setTimeout(function()
          say("end")
          os.exit(0, true)
        end, 300)
      end)
    ]], 64)
    assert.is_true(count(calls, " accept accept4 ") <= 6, lines(calls))
    assert.is_true(count(calls, " epoll_wait epoll_pwait epoll_pwait2 ") <= 20, lines(calls))
  end)
end)
