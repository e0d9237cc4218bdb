-- SPDX-License-Identifier: MIT

-- examples/deploy/haproxy.cfg: a real HAProxy in front of two machines, each a cluster, of
-- which one is restarted, and one is taken out, under load.

local lfs = require("lfs")
local machines = require("spec.support.machines")
local net = require("net")
local sockets = require("spec.support.sockets")
local within = require("spec.support.init").within

local wait = sockets.wait

local LUANET = lfs.currentdir() .. "/bin/luanet"
local REQUEST = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

local has_haproxy = os.execute("command -v haproxy >/dev/null 2>&1")

local function machine(t)
  local state = machines.start(t, { LUANET, "examples/deploy/machine.lua", "0", "2" })
  machines.expect(state, "listening on port %d+")
  state.port = state.out:match("listening on port (%d+)")
  return state
end

--- HAProxy with the configuration as it is, but for addresses.
local function haproxy(t, one, two)
  local front, stats = sockets.free_port(), t.tmpname(".stats")
  local text = machines.replaced(io.open("examples/deploy/haproxy.cfg"):read("a"), {
    ["bind :80"] = "bind 127.0.0.1:" .. front, ["/run/haproxy.sock"] = stats,
    ["10.0.0.1:8000"] = "127.0.0.1:" .. one.port, ["10.0.0.2:8000"] = "127.0.0.1:" .. two.port,
  })
  local state = machines.start(t, { "haproxy", "-db", "-f", machines.write(t, ".cfg", text) })
  state.port, state.stats = front, stats
  wait(function() return lfs.attributes(stats) or state.over end)
  assert.is_nil(state.over, state.err)
  return state
end

--- Runs a shell command that the comments of a file have, with parts of it replaced; its output.
local function told(t, path, part, replaced)
  for line in io.lines(path) do
    if line:find(part, 1, true) then
      return machines.shell(t, machines.replaced(line:match("^[#-]+ +(.+)$"), replaced))
    end
  end
  error(part .. " is not in " .. path)
end

describe("examples/deploy/haproxy.cfg", function()
  if not has_haproxy then
    return pending("no haproxy here", function() end)
  end

  it("is a configuration", function()
    assert.is_true(os.execute("haproxy -c -f examples/deploy/haproxy.cfg >/dev/null"))
  end)

  it("loses no request while machines reload their workers, end, and come back", within(function(t)
    local one, two = machine(t), machine(t)
    local balancer = haproxy(t, one, two)
    wait(function()
      return select(2, machines.ask(balancer.stats, "show stat"):gsub("\nlua,[ot]%a+,[^\n]*,UP,", "")) == 2
    end)
    local counts = machines.load({ port = balancer.port, request = REQUEST,
      expected = "^HTTP/1.1 200 OK\r\n.*\n\r\nHello WHO, from %d+\n$" }, 8)
    t.finally(function() counts.going = false end)
    machines.serves(counts, 200)
    one.kid:kill("SIGHUP")
    machines.expect(one, "reloaded\n")
    machines.serves(counts, 200)

    local this = { ["/run/haproxy.sock"] = balancer.stats, ["lua/one"] = "lua/two" }
    assert.equal("\n", told(t, "examples/deploy/haproxy.cfg", "state drain", this))
    machines.finish(two)
    machines.serves(counts, 200)

    local again = machine(t) -- elsewhere, as the port may be another's by now
    machines.ask(balancer.stats, "set server lua/two addr 127.0.0.1 port " .. again.port)
    assert.equal("\n", told(t, "examples/deploy/haproxy.cfg", "state ready", this))
    machines.serves(counts, 400)
    machines.stop(counts)
    machines.finish(one)
    machines.finish(again)
    balancer.kid:kill("SIGTERM")
    wait(function() return balancer.over end)
    if os.getenv("SHOW") then
      print(("through HAProxy: %d requests, all served"):format(counts.served))
    end
  end))
end)

describe("examples/deploy/machine.lua", function()
  it("answers who says whose the connection is, and nobody else", within(function(t)
    if not os.execute("command -v curl >/dev/null 2>&1") then
      return pending("no curl here", function() end)
    end
    local one = machine(t)
    local here = { ["10.0.0.1:8000"] = "127.0.0.1:" .. one.port, ["curl "] = "curl -sS --max-time 30 " }
    assert.matches("^Hello 127.0.0.1, from %d+\n$",
      told(t, "examples/deploy/machine.lua", "--haproxy-protocol", here))
    local socket, got = net.connect(one.port, "127.0.0.1"), ""
    socket:on("data", function(chunk) got = got .. chunk end)
    socket:on("error", function(err) got = got .. err.code end)
    socket:write(REQUEST)
    sockets.wait_for(socket, "close")
    assert.is_true(got == "" or got == "ECONNRESET", got)
    machines.finish(one)
  end))
end)
