-- SPDX-License-Identifier: MIT

--- What a TLS socket asks of the system, as strace(1) sees it: nothing in vain.

local child = require("net.child")
local net = require("net")
local pair = require("spec.support.tlspair")
local process = require("spec.support.process")
local tls = require("net.tls")
local traced = require("spec.support.traced")
local within = require("spec.support").within

-- A client of TLS 1.2, whose handshake's last word is the server's: "begin" when it is secure,
-- "end" two turns later. In the meantime nobody says anything.
local PROGRAM = [[
  local timers, tls = require("net.timers"), require("net.tls")
  local function say(line) io.stdout:write(line, "\n") io.stdout:flush() end
  local function read(path) return assert(io.open(path)):read("a") end
  local ca, cert, key = read(arg[1]), read(arg[2]), read(arg[3])
  local server
  server = tls.createServer({ cert = cert, key = key, maxVersion = "TLSv1.2" }, function(socket)
    socket:resume():on("close", function() server:close() end)
  end)
  server:listen(0, "127.0.0.1", function()
    local client
    client = tls.connect({ port = server:address().port, ca = ca, servername = "localhost" },
      function()
        say("begin")
        timers.setImmediate(timers.setImmediate, function()
          say("end")
          client:finish()
        end)
      end)
    client:resume()
  end)
  require("net").run()
]]

local function can_trace()
  local _, code = process.run("command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null")
  return code == 0
end

--- The lines of strace's log between the program's "begin" and "end".
local function between(log)
  local found, is_on = {}, false
  for line in io.lines(log) do
    if line:find('write(1, "end', 1, true) then break end
    if is_on then found[#found + 1] = line end
    is_on = is_on or line:find('write(1, "begin', 1, true) ~= nil
  end
  assert.is_true(is_on)
  return found
end

local function file_with(t, text)
  local path = t.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  return path
end

describe("A TLS client", function()
  (can_trace() and it or pending)("reads nothing when its handshake is over, before something comes",
    within(function(t)
      local log = t.tmpname()
      local output, code = process.run("env ASAN_OPTIONS=detect_leaks=0 strace -f -qq "
        .. "-e trace=recvfrom,recvmsg,read,write -o " .. log .. " " .. process.lua(file_with(t, PROGRAM),
          file_with(t, pair.ca.cert), file_with(t, pair.server.cert), file_with(t, pair.server.key)))
      assert.equal(0, code, output)
      assert.same({}, between(log))
    end))
end)

-- A client that raises when it is told that the system has refused its type of service.
local RAISES = [[
  require("net.process"):on("uncaughtException", function() end)
  local client = require("net.tls").connect { port = tonumber(arg[1]), host = "127.0.0.1",
    rejectUnauthorized = false, typeOfService = 16 }
  client:on("error", error)
  client:write("secret")
  require("net").run()
]]

describe("A TLS client whose type of service the system refuses", function()
  (can_trace() and it or pending)("says nothing in plain text, though a listener raises", within(function(t)
    local server, client
    server = net.createServer(t.calls(1, function(socket)
      socket:on("data", t.calls(1, function(chunk)
        assert.equal(22, chunk:byte(1)) -- a handshake (RFC 8446, 5.1)
        socket:destroy()
        server:close()
      end))
    end))
    server:listen(0, "127.0.0.1", function()
      client = process.spawn("env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null "
        .. "-e inject=setsockopt:error=EPERM " .. process.lua(file_with(t, RAISES),
          tostring(server:address().port)))
    end)
    t.run()
    client:finish()
  end))
end)

local count, READS, WRITES = traced.count, traced.READS, traced.WRITES

--- Echoes to one client, and ends with it; "begin" comes when it is "accepted", or "secure".
local SERVER = [[
  local tls = require("net.tls")
  local function say(line) io.stdout:write(line, "\n") io.stdout:flush() end
  local server = tls.createServer({ cert = arg[1], key = arg[2] }, function(socket)
    if arg[3] == "secure" then say("begin") end
    socket:pipe(socket)
    socket:on("close", function() say("end") end)
  end)
  if arg[3] == "accepted" then server:once("connection", function() say("begin") end) end
  server:listen(0, "127.0.0.1", function() say("port " .. server:address().port) end)
  server:once("secureConnection", function() server:close() end)
  net.run()
]]

local function serve(t, options, messages, from)
  local server = traced.trace(SERVER, nil, pair.server.cert, pair.server.key, from)
  local port = server.child:expect("^port (%d+)")
  local client = tls.connect { port = port, ca = pair.ca.cert, host = "localhost",
    maxVersion = options.maxVersion,
    lookup = function(_, _, callback) callback(nil, { { address = "127.0.0.1", family = 4 } }) end }
  local left = messages
  client:on("data", function()
    left = left - 1
    if left > 0 then
      client:write("message")
    else
      client:finish()
    end
  end)
  client:write("message")
  client:on("close", t.calls(1))
  t.run()
  server.child:expect("^end")
  return server:calls()
end

--- A server that says something: in "secureConnection", in a task of its own, or when it has heard
--- something. All its system calls are between the lines.
local SPEAKER = [[
  local tls = require("net.tls")
  local function say(line) io.stdout:write(line, "\n") io.stdout:flush() end
  local version, way = arg[3], arg[4]
  local server = tls.createServer { cert = arg[1], key = arg[2], maxVersion = version }
  if way == "task" then
    server:serve(function(socket)
      socket:send("word")
      socket:receive("some")
    end)
  else
    server:on("secureConnection", function(socket)
      local function speak() socket:finish("word") end
      socket:once("data", way == "answer" and speak or function() end)
      if way == "at once" then speak() end
    end)
  end
  server:once("secureConnection", function(socket)
    socket:on("close", function() say("end") end)
    server:close()
  end)
  server:listen(0, "127.0.0.1", function()
    say("port " .. server:address().port)
    say("begin")
  end)
  net.run()
]]

--- A client that says something as soon as it may: in "secureConnect", or in a task.
local CLIENT = [[
  local co, tls = require("net.co"), require("net.tls")
  local options = { port = tonumber(arg[1]), host = "127.0.0.1", servername = "localhost", ca = arg[2],
    maxVersion = arg[3] }
  io.stdout:write("begin\n") io.stdout:flush()
  co.run(function()
    local socket = assert(tls.co.connect(options))
    socket:send("word")
    socket:receive("all")
    socket:finish()
    co.finished(socket)
  end)
  io.stdout:write("end\n") io.stdout:flush()
]]

--- How often the calls have sent something by a socket.
local function sends(calls)
  return count(calls, " send sendto sendmsg ") -- print() writes
end

describe("strace sees of a TLS server", function()
  local function it_traces(name, fn)
    it(name, traced.spec(pending, within(fn)))
  end

  --- How often a server sends whom a client greets early.
  local function sends_of(t, version, way)
    local server = traced.trace(SPEAKER, nil, pair.server.cert, pair.server.key, version, way)
    local client = tls.connect { port = server.child:expect("^port (%d+)"), host = "127.0.0.1",
      servername = "localhost", ca = pair.ca.cert, noDelay = true }
    client:write("early")
    local got = ""
    client:on("data", function(chunk) got = got .. chunk end)
    client:on("close", t.calls(1))
    t.run()
    assert.equal("word", got)
    server.child:expect("^end")
    return sends(server:calls())
  end

  -- Its first flight, the last one, and the end. In TLS 1.2 nothing can come with the end of the
  -- client's part.
  for version, answer in pairs { ["TLSv1.2"] = 4, ["TLSv1.3"] = 3 } do
    it_traces("one send for the handshake's end and what is said then: " .. version, function(t)
      assert.equal(3, sends_of(t, version, "at once"))
      assert.equal(3, sends_of(t, version, "task"))
      assert.equal(answer, sends_of(t, version, "answer"))
    end)
  end

  after_each(traced.clean)

  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    it_traces("one read and one send for a message: " .. version, function(t)
      local calls = serve(t, { maxVersion = version }, 200, "secure")
      assert.is_true(count(calls, READS) <= 200 + 3, "more for the handshake, and the end")
      assert.is_true(count(calls, WRITES) <= 200 + 2)
    end)
  end

  --- Before it is answered nothing more can have come.
  it_traces("no read of nothing behind what a client says in its handshake", function(t)
    for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
      local before
      for _, call in ipairs(serve(t, { maxVersion = version }, 1, "accepted")) do
        if READS:find(" " .. call.name .. " ", 1, true) then
          assert.is_false(call.result < 0 and before == "read", call.line)
          before = call.result > 0 and "read"
        elseif WRITES:find(" " .. call.name .. " ", 1, true) then
          before = nil
        end
      end
    end
  end)

  it_traces("close_notify with more to follow, so that the FIN goes along", function(t)
    local calls = serve(t, {}, 1, "secure")
    for i, call in ipairs(calls) do
      if call.name == "shutdown" then
        assert.matches("MSG_MORE", calls[i - 1].args)
        return
      end
    end
    error("no shutdown")
  end)
end)

describe("A TLS 1.2 client that is asked to begin anew", function()
  --- Its handshake's last word was the server's, so there is nothing that its answer could wait for.
  it("refuses at once", within(function(t)
    local kid = child.spawn("openssl", { "s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-cert",
      pair.server.path, "-key", pair.server.key_path }, { stdio = { "pipe", "pipe", "ignore" } })
    local client, told
    local said = ""
    kid.stdout:setEncoding("utf8")
    kid.stdout:on("data", function(text)
      said = said .. text
      local port = not client and said:match("ACCEPT %S*:(%d+)\n")
      if not port then return end
      client = tls.connect { port = port, host = "127.0.0.1", servername = "localhost", ca = pair.ca.cert }
      client:on("secureConnect", function() kid.stdin:write("r\n") end) -- asks to
      client:on("error", function(err) told = err.code end)
      client:resume():on("close", t.calls(1, function() kid:kill() end))
    end)
    kid:on("close", t.calls(1))
    t.run()
    assert.matches("^E", told) -- OpenSSL's program takes leave
  end))
end)

describe("strace sees of a TLS client", function()
  after_each(traced.clean)

  it("one send for the handshake's end and what a task says then", traced.spec(pending, within(function(t)
    local server = pair.listen({ maxVersion = "TLSv1.3" }, function(socket)
      socket:once("data", function() socket:finish() end)
    end)
    local client = traced.trace(CLIENT, nil, server:address().port, pair.ca.cert, "TLSv1.3")
    server:on("secureConnection", function(socket)
      socket:on("close", t.calls(1, function() server:close() end))
    end)
    t.run()
    client.child:expect("^end")
    assert.equal(3, sends(client:calls())) -- its hello, that, and the end
  end)))
end)
