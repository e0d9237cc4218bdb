-- SPDX-License-Identifier: MIT

--- What becomes of a program whose system refuses to watch a descriptor: see
--- support/refuse.c. Skipped where there is no epoll, or no Lua library to link with.

local lua = require("spec.support.lua")
local net = require("net")
local support = require("spec.support")
local timers = require("net.timers")

local REFUSE = "spec/support/refuse.c"
local ENOMEM, ENOSPC = 12, 28

--- What all of these programs begin with: `note` has an object counted until its "close".
local HEAD = [[
local net = require("net")
local dns, process, timers = net.dns, net.process, net.timers
local open = 0
local function note(name, object)
  open = open + 1
  object:on("error", function(err) print(name, err.syscall, err.code) end)
  object:on("close", function() open = open - 1 end)
  return object
end
local function serve(count, listener)
  local server
  server = note("server", net.createServer(function(socket)
    count = count - 1
    if count == 0 then server:close() end
    listener(note("accepted", socket))
  end))
  --- What the clients are for will not happen any more.
  function server.give_up()
    timers.setImmediate(function()
      if server.listening then server:close() end
    end)
  end
  server:on("error", server.give_up)
  return server
end
local function dial(server, options)
  options = options or { port = server:address().port, host = "127.0.0.1" }
  local client = note("client", net.connect(options))
  client:on("error", server.give_up)
  return client
end
]]

local TAIL = [[

print("run", net.run())
print("open", open)
]]

local PROGRAMS = {
  ["an echo"] = [[
    local server = serve(1, function(socket)
      socket:on("data", function(data) socket:write(data) end)
      socket:on("end", function() socket:finish() end)
    end)
    server:listen(0, "127.0.0.1", function()
      local client = dial(server)
      client:write("hello")
      client:on("data", function(data) print(data) client:finish() end)
    end)
  ]],
  ["a server of three clients"] = [[
    local server = serve(3, function(socket) socket:finish("bye") socket:resume() end)
    server:listen(0, "127.0.0.1", function()
      for _ = 1, 3 do dial(server):on("data", print) end
    end)
  ]],
  ["a slow reader"] = [[
    local much = ("x"):rep(8000000)
    local server = serve(1, function(socket)
      socket:finish(much)
      socket:resume()
    end)
    server:listen(0, "127.0.0.1", function()
      local client, bytes = dial(server):pause(), 0
      client:on("data", function(data) bytes = bytes + #data end)
      client:on("end", function() print("bytes", bytes) end)
      timers.setTimeout(function() client:resume() end, 2)
    end)
  ]],
  ["a pipe"] = [[
    local far = serve(1, function(socket) socket:pipe(socket) end)
    local near
    near = serve(1, function(socket)
      local onward = dial(far)
      onward:on("close", function() socket:destroy() end)
      socket:on("close", function() onward:destroy() end)
      socket:pipe(onward):pipe(socket)
    end)
    near:on("close", far.give_up)
    far:on("error", near.give_up)
    far:listen(0, "127.0.0.1", function()
      near:listen(0, "127.0.0.1", function()
        local client = dial(near)
        client:write("hello")
        client:on("data", function(data) print(data) client:finish() end)
      end)
    end)
  ]],
  ["clients that are refused"] = [[
    local server = { give_up = function() end }
    for _ = 1, 3 do dial(server, { port = 1, host = "127.0.0.1" }) end
  ]],
  ["a Unix socket"] = [[
    local path = os.tmpname()
    os.remove(path)
    local server = serve(1, function(socket) socket:finish("bye") socket:resume() end)
    server:listen(path, function() dial(server, { path = path }):on("data", print) end)
  ]],
  ["a look-up, a signal and a timer"] = [[
    local function caught() print("signal") process:removeAllListeners("SIGUSR1") end
    process:on("SIGUSR1", caught)
    dns.lookup("localhost", function(err)
      print("looked up", err)
      timers.setTimeout(process.kill, 1, process.pid, "SIGUSR1")
    end)
    local interval
    interval = timers.setInterval(function()
      if process:listenerCount("SIGUSR1") == 0 then interval:close() end
    end, 1)
  ]],
}

describe("A program whose system refuses to watch", function()
  local program, scratch

  setup(function()
    scratch = os.tmpname()
    program = support.has_epoll() and lua.compile(REFUSE, scratch)
  end)

  teardown(function()
    os.remove(scratch)
  end)

  local function refuse(text, call, first, length, errno, env)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    local result = lua.run({ program = program, args = { path, call, first, length, errno }, env = env })
    os.remove(path)
    return result
  end

  local function promise(name, fn)
    it(name, function()
      if not program then
        return pending("no epoll, or no Lua library to link with")
      end
      fn()
    end)
  end

  --- It ends, with nothing left open, and has done all it does elsewhere, or told why not.
  local function check(result, whole, where)
    local text = result.stdout .. result.stderr
    assert.equal(0, result.code, where .. text)
    if result.stdout:find("^error: net: the system refuses to watch descriptors: ") then
      return
    end
    assert.is_truthy(result.stdout:find("run\tfalse\nopen\t0\n", 1, true), where .. text)
    local is_whole = result.stdout:gsub("refused.*", "") == whole:gsub("refused.*", "")
    assert.is_truthy(is_whole or text:find("epoll_ctl", 1, true) or text:find("ENO%a+"), where .. text)
  end

  for name, body in pairs(PROGRAMS) do
    for _, case in ipairs({
      { "once", "epoll_ctl", 1, ENOSPC },
      { "from there on", "epoll_add", 1000000, ENOMEM },
    }) do
      promise(("ends, having told of it: %s, at each place, %s"):format(name, case[1]), function()
        local text = HEAD .. body .. TAIL
        local whole = refuse(text, case[2], 1000000, 1, 0).stdout
        assert.is_truthy(whole:find("open\t0\nrefused none", 1, true), whole)
        local k = 0
        repeat
          k = k + 1
          local result = refuse(text, case[2], k, case[3], case[4])
          check(result, whole, ("at call %d:\n"):format(k))
        until result.stdout:find("refused none", 1, true)
      end)
    end
  end

  --- libev starts all watchers anew there, its own too.
  for _, case in ipairs({
    { "once", "child_epoll_ctl", 1, ENOSPC },
    { "from there on", "child_epoll_add", 1000000, ENOMEM },
  }) do
    promise(("ends, having told of it, in a child made by fork, at each place, %s"):format(case[1]), function()
      local text = HEAD .. [[
        local server = serve(2, function(socket)
          socket:on("data", function(data) socket:write(data) end)
          socket:on("end", function() socket:finish() end)
        end)
        server:listen(0, "127.0.0.1", function()
          local client = dial(server)
          client:on("close", server.give_up)
          client:on("data", function(data) print(data) client:finish() end)
          timers.setTimeout(function()
            become_child()
            client:write("hello")
          end, 5)
        end)
      ]] .. TAIL
      local whole = refuse(text, case[2], 1000000, 1, 0).stdout
      assert.equal("hello\nrun\tfalse\nopen\t0\nrefused none\n", whole)
      local k = 0
      repeat
        k = k + 1
        local result = refuse(text, case[2], k, case[3], case[4])
        check(result, whole, ("at call %d:\n"):format(k))
      until result.stdout:find("refused none", 1, true)
    end)
  end

  promise("gets an error with the call's name, and then 'close', on a socket", function()
    local text = HEAD .. PROGRAMS["an echo"] .. TAIL
    assert.equal("accepted\tepoll_ctl\tENOSPC\nclient\tread\tECONNRESET\nrun\tfalse\nopen\t0\nrefused 1\n",
      refuse(text, "epoll_ctl", 4, 1, ENOSPC).stdout)
  end)

  promise("gets it on an attempt to connect", function()
    local text = HEAD .. PROGRAMS["clients that are refused"] .. TAIL
    assert.equal("client\tconnect\tENOSPC\nclient\tconnect\tECONNREFUSED\nclient\tconnect\tECONNREFUSED\n",
      (refuse(text, "epoll_ctl", 2, 1, ENOSPC).stdout:gsub("run.*", "")))
  end)

  promise("gets it on a server, once, which serves as soon as it can", function()
    local text = HEAD .. [[
      local server = serve(1, function(socket) socket:finish() socket:resume() end)
      server:removeAllListeners("error"):on("error", function(err) print(err) end)
      server:listen(0, "127.0.0.1", function()
        local client = net.connect(server:address().port, "127.0.0.1")
        note("client", client):on("end", function() print("served") end):resume()
      end)
    ]] .. TAIL
    assert.equal("Error: epoll_ctl ENOSPC\nserved\nrun\tfalse\nopen\t0\nrefused 1\n",
      refuse(text, "epoll_ctl", 2, 1, ENOSPC).stdout)
  end)

  promise("hears of it from the next run() if an error ended this one", function()
    local text = HEAD .. [[
      local server = serve(1, function(socket)
        socket:resume()
        timers.setImmediate(function() socket:pause() socket:resume() end)
        process.nextTick(error, "mine", 0)
      end)
      server:listen(0, "127.0.0.1", function() dial(server):resume() end)
      repeat
        local ok, err = pcall(net.run)
        if not ok then print(err) end
      until ok
    ]] .. TAIL
    local out = refuse(text, "epoll_ctl", 3, 1, ENOSPC).stdout
    assert.is_truthy(out:find("client\tconnect\tENOSPC\n", 1, true), out)
    assert.is_truthy(out:find("open\t0\n", 1, true), out)
  end)

  promise("gets an error from require if libev cannot be woken", function()
    assert.equal("error: net: the system refuses to watch descriptors: No space left on device\nrefused 2\n",
      refuse([[require("net")]], "epoll_ctl", 1, 2, ENOSPC).stdout)
  end)

  promise("works without epoll where that cannot be made, and says so where nothing else may be", function()
    local text = HEAD .. PROGRAMS["an echo"] .. TAIL
    assert.equal("hello\nrun\tfalse\nopen\t0\nrefused 1\n",
      refuse(text, "epoll_create", 1, 1000000, ENOMEM).stdout)
    assert.equal("error: net: libev has no event loop for this system\n",
      (refuse([[require("net")]], "epoll_create", 1, 1000000, ENOMEM, { LIBEV_FLAGS = "4" }).stdout
        :gsub("refused.*", "")))
  end)
end)

describe("net.run in mode 'once'", function()
  it("waits for something to happen though a watcher was just started", support.within(function(t)
    local server = net.createServer():listen(0, t.calls(1))
    timers.setTimeout(t.log, 5, "fired")
    net.run("once")
    assert.same({ "fired" }, t.lines)
    server:close()
  end))
end)
