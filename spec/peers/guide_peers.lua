-- SPDX-License-Identifier: MIT

-- docs/guide/processes.md among programs of others: its configurations of HAProxy and nginx, as
-- they stand there, in front of two machines that run its server.lua; and its clusters of Lua
-- and Node. Machines are addresses of the loopback.

local daemons = require("spec.support.daemons")
local guide = require("spec.support.guide").of("docs/guide/processes.md")
local lfs = require("lfs")
local machines = require("spec.support.machines")
local net = require("net")
local node = require("spec.support.node")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local wait = sockets.wait

local LUANET = lfs.currentdir() .. "/bin/luanet"
local SERVER = guide.block("lua", "-- server.lua")
local RELOAD = guide.block("lua", "-- in the primary's branch of server.lua")
local HAPROXY, COMMANDS = guide.block("haproxy", "balance leastconn"), guide.block("sh", "state drain")
local NGINX = guide.block("nginx", "least_conn")
local IN_NODE, IN_LUA = guide.block("js", "primary.js"), guide.block("lua", "-- primary.lua")
local ONE, TWO = "127.0.0.2", "127.0.0.3"

--- A port that nobody has at these addresses at this moment.
local function free_port()
  local bound <close> = net.BoundSocket({ host = ONE })
  local also <close> = net.BoundSocket({ host = TWO, port = bound:address().port })
  return also:address().port
end

--- Whether anybody listens there.
local function answers(host, port)
  local socket, over, connected = net.connect(port, host), false, false
  socket:on("connect", function() connected = true socket:destroy() end)
  socket:on("error", function() end)
  socket:on("close", function() over = true end)
  wait(function() return over end)
  return connected
end

--- server.lua, with what reloads and ends it in the primary's branch, on a machine of that address.
local function machine(t, host, port)
  local text = machines.replaced(SERVER, {
    ["listen(8000)"] = ("listen(%d, %q)"):format(port, host),
    ["\nelse\n"] = "\n" .. RELOAD .. "\nelse\n",
  })
  local state = machines.start(t, { LUANET, machines.write(t, ".lua", 'io.stdout:setvbuf("line") ' .. text) })
  wait(function() return state.over or answers(host, port) end)
  assert.is_nil(state.over, state.err)
  return state
end

--- Kills a machine's primary, and waits until its workers have gone, too.
local function kill(state, host, port)
  state.kid:kill("SIGKILL")
  wait(function() return state.over end)
  assert.is_false(answers(host, port))
end

--- A load of echoes, through whom listens at that port.
local function load(t, port, clients)
  local counts = machines.load({ port = port, request = "hello\n", expected = "^hello\n$" }, clients)
  t.finally(function() counts.going = false end)
  return counts
end

local function reload(state)
  state.kid:kill("SIGHUP")
  machines.expect(state, "all workers are new\n")
end

--- Under load `take_out` and `put_back` do as the guide says with the second machine, and `blind`
--- is called when it has died and the balancer cannot know that yet.
local function exercise(t, front, port, one, two, steps)
  local counts = load(t, front, 8)
  machines.serves(counts, 100)
  reload(one)
  machines.serves(counts, 100)
  steps.take_out()
  machines.finish(two)
  machines.serves(counts, 200)
  two = machine(t, TWO, port)
  steps.put_back()
  machines.serves(counts, 200)
  machines.stop(counts)
  kill(two, TWO, port)
  counts = load(t, front, 4)
  machines.serves(counts, 40)
  machines.stop(counts)
  steps.blind()
  machines.finish(one)
end

describe("The HAProxy of docs/guide/processes.md", function()
  if not daemons.has("haproxy") or not daemons.has("socat") then
    return pending("no haproxy or socat here", function() end)
  end

  it("loses nobody in reloads, and when machines are taken out, come back and die", within(function(t)
    local port, front, stats = free_port(), sockets.free_port(), t.tmpname(".stats")
    local one, two = machine(t, ONE, port), machine(t, TWO, port)
    local text = machines.replaced(HAPROXY, {
      ["bind :80"] = "bind 127.0.0.1:" .. front, ["/run/haproxy.sock"] = stats,
      ["10.0.0.1:8000"] = ONE .. ":" .. port, ["10.0.0.2:8000"] = TWO .. ":" .. port,
    })
    local balancer = machines.start(t, { "haproxy", "-db", "-f", machines.write(t, ".cfg", text .. "\n") })
    wait(function() return lfs.attributes(stats) or balancer.over end)
    assert.is_nil(balancer.over, balancer.err)
    local function say(state)
      local line = COMMANDS:match("[^\n]*state " .. state .. "[^\n]*")
      assert.equal("\n", machines.shell(t, machines.replaced(line, { ["lua/one"] = "lua/two",
        ["/run/haproxy.sock"] = stats })))
    end
    exercise(t, front, port, one, two, {
      take_out = function() say("drain") end,
      put_back = function()
        say("ready")
        wait(function() return machines.ask(stats, "show stat"):find("\nlua,two,[^\n]*,UP,") end)
      end,
      blind = function()
        local row = machines.ask(stats, "show stat"):match("\nlua,two,([^\n]*)")
        local names = machines.ask(stats, "show stat"):match("^# pxname,svname,([^\n]*)")
        local values = {}
        for value in (row .. ","):gmatch("([^,]*),") do values[#values + 1] = value end
        for name in names:gmatch("([^,]*),") do values[name] = table.remove(values, 1) end
        assert.is_true(tonumber(values.wredis) > 0, "somebody was sent to the other machine")
      end,
    })
    balancer.kid:kill("SIGTERM")
    wait(function() return balancer.over end)
  end))
end)

describe("The nginx of docs/guide/processes.md", function()
  local MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
  if not daemons.has("nginx") or not lfs.attributes(MODULE) then
    return pending("no nginx with streams here", function() end)
  end

  it("loses nobody in reloads, and when machines are taken out, come back and die", within(function(t)
    local port, front, folder = free_port(), sockets.free_port(), t.tmpdir()
    local one, two = machine(t, ONE, port), machine(t, TWO, port)
    local conf = machines.replaced(NGINX, {
      ["listen 80"] = "listen 127.0.0.1:" .. front, ["10.0.0.1:8000"] = ONE .. ":" .. port,
      ["10.0.0.2:8000"] = TWO .. ":" .. port,
    })
    local function configure(text)
      local file <close> = assert(io.open(folder .. "/nginx.conf", "w"))
      file:write(("load_module %s;\ndaemon off; worker_processes 1; pid nginx.pid; error_log stderr notice;\n"
        .. "events {}\n%s"):format(MODULE, text))
    end
    configure(conf)
    local words = { "nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr" }
    local balancer = machines.start(t, words)
    machines.expect(balancer, "start worker process %d", "err")

    --- nginx -s reload, until the old worker takes nothing new.
    local function nginx_reload()
      local _, before = balancer.err:gsub("gracefully shutting down", "")
      local signal = machines.start(t, { "nginx", "-s", "reload", table.unpack(words, 2) })
      wait(function() return signal.over end)
      wait(function() return select(2, balancer.err:gsub("gracefully shutting down", "")) > before end)
    end
    exercise(t, front, port, one, two, {
      take_out = function()
        configure(machines.replaced(conf, { [TWO .. ":" .. port] = TWO .. ":" .. port .. " down" }))
        nginx_reload()
      end,
      put_back = function()
        configure(conf)
        nginx_reload()
      end,
      blind = function()
        local _, failed = balancer.err:gsub("Connection refused%) while connecting to upstream", "")
        assert.is_true(failed > 0, "somebody was sent to the other machine")
      end,
    })
    balancer.kid:kill("SIGTERM")
    wait(function() return balancer.over end)
  end))
end)

-- Clusters of Lua and Node

--- A worker in Node that does as that of server.lua.
local WORKER_JS = [[
const net = require("node:net");
net.createServer((socket) => {
  socket.on("error", () => {});
  socket.pipe(socket);
  socket.write("node ");
}).listen(%d);
]]

--- The worker of server.lua in a file of its own, which says who it is, too.
local function worker_lua(port)
  local body = SERVER:match("\nelse\n(.*)\nend$")
  return machines.replaced('local net = require("net")\n' .. body, {
    ["8000"] = port, ["socket:pipe(socket)"] = 'socket:pipe(socket) socket:write("lua ")',
  })
end

--- What one connection after the other is answered, until all of these have.
local function answers_of(port, wanted, program)
  local found = {}
  local function has_all()
    for _, text in ipairs(wanted) do
      if not found[text] then return false end
    end
    return true
  end
  repeat
    assert(not program.over, program.out .. program.err)
    local got, over = "", false
    local socket = net.connect(port, "127.0.0.1")
    socket:on("data", function(chunk) got = got .. chunk end)
    socket:on("error", function() end)
    socket:on("close", function() over = true end)
    socket:finish("hello\n")
    wait(function() return over end)
    found[got] = got ~= "" or nil
  until has_all()
  return found
end

describe("The clusters with Node of docs/guide/processes.md", function()
  node.each(function(binary, name)
    --- A folder with both workers, and this Node as "node".
    local function folder_of(t, port)
      local folder = t.tmpdir()
      for file, text in pairs({ ["worker.lua"] = worker_lua(port), ["worker.js"] = WORKER_JS:format(port) }) do
        local handle <close> = assert(io.open(folder .. "/" .. file, "w"))
        handle:write(text)
      end
      assert(lfs.link(binary, folder .. "/node", true))
      return folder
    end

    local function start(t, folder, program, file, text)
      local handle <close> = assert(io.open(folder .. "/" .. file, "w"))
      handle:write(text)
      handle:flush()
      return machines.start(t, { program, file }, { PATH = folder .. ":" .. os.getenv("PATH") }, folder)
    end

    it("has a primary in Node, with workers in both: " .. name, within(function(t)
      local port = sockets.free_port()
      local text = machines.replaced(IN_NODE, { ["/usr/local/bin/luanet"] = LUANET })
      local primary = start(t, folder_of(t, port), "node", "primary.js", text)
      local wanted = { "lua hello\n", "node hello\n" }
      assert.same({ [wanted[1]] = true, [wanted[2]] = true }, answers_of(port, wanted, primary))
      primary.kid:kill("SIGKILL")
      wait(function() return primary.over end)
      assert.equal("", primary.err)
    end))

    it("has a primary in Lua, with workers in Node: " .. name, within(function(t)
      local port = sockets.free_port()
      local primary = start(t, folder_of(t, port), LUANET, "primary.lua", IN_LUA)
      assert.same({ ["node hello\n"] = true }, answers_of(port, { "node hello\n" }, primary))
      primary.kid:kill("SIGKILL")
      wait(function() return primary.over end)
      assert.equal("", primary.err)
    end))
  end)
end)

describe("docs/guide/processes.md", function()
  it("has nothing for others that is not run here", function()
    for _, language in ipairs({ "haproxy", "js", "nginx", "sh" }) do
      assert.same({}, guide.unused(language))
    end
  end)
end)
