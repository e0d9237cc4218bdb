-- SPDX-License-Identifier: MIT

-- examples/deploy/haproxy.cfg: a real HAProxy in front of two machines, each a cluster, of
-- which one is restarted, and one is taken out, under load.

local child = require("net.child")
local lfs = require("lfs")
local net = require("net")
local sockets = require("spec.support.sockets")
local within = require("spec.support.init").within

local wait = sockets.wait

local LUANET = lfs.currentdir() .. "/bin/luanet"
local REQUEST = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

local has_haproxy = os.execute("command -v haproxy >/dev/null 2>&1")

local function start(t, words)
  local kid = child.spawn(words[1], table.move(words, 2, #words, 1, {}), { env = {
    LUA_PATH = package.path, LUA_CPATH = package.cpath, PATH = os.getenv("PATH"),
  } })
  local state = { kid = kid, out = "", err = "" }
  kid.stdout:on("data", function(chunk) state.out = state.out .. chunk end)
  kid.stderr:on("data", function(chunk) state.err = state.err .. chunk end)
  kid:on("close", function() state.over = true end)
  t.finally(function()
    if not state.over then kid:kill("SIGKILL") end
  end)
  return state
end

local function machine(t)
  local state = start(t, { LUANET, "examples/deploy/machine.lua", "0", "2" })
  wait(function()
    state.port = state.out:match("listening on port (%d+)")
    return state.port or state.over
  end)
  return state
end

--- HAProxy with the configuration as it is, but for addresses.
local function haproxy(t, one, two)
  local front, stats, path = sockets.free_port(), t.tmpname(".stats"), t.tmpname(".cfg")
  local text = io.open("examples/deploy/haproxy.cfg"):read("a")
  for from, to in pairs({
    ["bind :80"] = "bind 127.0.0.1:" .. front, ["/run/haproxy.sock"] = stats,
    ["10.0.0.1:8000"] = "127.0.0.1:" .. one.port, ["10.0.0.2:8000"] = "127.0.0.1:" .. two.port,
  }) do
    local count
    text, count = text:gsub(from:gsub("%p", "%%%0"), (to:gsub("%%", "%%%%")))
    assert(count > 0, from)
  end
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  file:flush()
  local state = start(t, { "haproxy", "-db", "-f", path })
  state.port, state.stats = front, stats
  wait(function() return lfs.attributes(stats) or state.over end)
  assert.is_nil(state.over, state.err)
  return state
end

--- What HAProxy answers at its socket.
local function ask(balancer, command)
  local said = ""
  local socket = net.connect(balancer.stats)
  socket:on("data", function(chunk) said = said .. chunk end)
  socket:finish(command .. "\n")
  sockets.wait_for(socket, "close")
  return said
end

--- Runs a shell command that the comments of a file have, with parts of it replaced; its output.
local function told(t, path, part, replaced)
  local line
  for text in io.lines(path) do
    line = line or (text:find(part, 1, true) and text:match("^[#-]+ +(.+)$"))
  end
  for from, to in pairs(replaced) do
    line = assert(line, part):gsub(from:gsub("%p", "%%%0"), to)
  end
  local state = start(t, { "/bin/sh", "-c", line })
  wait(function() return state.over end)
  assert.equal("", state.err)
  return state.out
end

--- Clients without a pause, each from an address of its own, by which it has to be greeted.
local function load(port, clients)
  local counts = { sent = 0, served = 0, open = 0, failed = {}, going = true }
  local function one(who)
    if not counts.going then
      return
    end
    counts.sent, counts.open = counts.sent + 1, counts.open + 1
    local got = ""
    local socket = net.connect({ port = port, host = "127.0.0.1", localAddress = who })
    socket:on("error", function(err) counts.failed[#counts.failed + 1] = err.message end)
    socket:on("data", function(chunk) got = got .. chunk end)
    socket:on("close", function()
      counts.open = counts.open - 1
      if got:find("^HTTP/1.1 200 OK\r\n.*\n\r\nHello " .. who .. ", from %d+\n$") then
        counts.served = counts.served + 1
      else
        counts.failed[#counts.failed + 1] = "answered: " .. got
      end
      one(who)
    end)
    socket:write(REQUEST)
  end
  for i = 1, clients do one("127.0.1." .. i) end
  return counts
end

local function serves(counts, more)
  local enough = counts.served + more
  wait(function() return counts.served >= enough or #counts.failed > 0 end)
  assert.same({}, counts.failed)
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
      return select(2, ask(balancer, "show stat"):gsub("\nlua,[ot]%a+,[^\n]*,UP,", "")) == 2
    end)
    local counts = load(balancer.port, 8)
    t.finally(function() counts.going = false end)
    serves(counts, 200)
    one.kid:kill("SIGHUP")
    wait(function() return one.out:find("reloaded\n") end)
    serves(counts, 200)

    local this = { ["/run/haproxy.sock"] = balancer.stats, ["lua/one"] = "lua/two" }
    assert.equal("\n", told(t, "examples/deploy/haproxy.cfg", "state drain", this))
    two.kid:kill("SIGTERM")
    wait(function() return two.over end)
    assert.same({ 0, "" }, { two.kid.exitCode, two.err })
    serves(counts, 200)

    local again = machine(t) -- elsewhere, as the port may be another's by now
    ask(balancer, "set server lua/two addr 127.0.0.1 port " .. again.port)
    assert.equal("\n", told(t, "examples/deploy/haproxy.cfg", "state ready", this))
    serves(counts, 400)
    counts.going = false
    wait(function() return counts.open == 0 end)
    assert.same({}, counts.failed)
    assert.equal(counts.sent, counts.served)
    for _, state in ipairs({ one, again }) do
      state.kid:kill("SIGTERM")
      wait(function() return state.over end)
      assert.same({ 0, "" }, { state.kid.exitCode, state.err })
    end
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
    local here = { ["10.0.0.1:8000"] = "127.0.0.1:" .. one.port, ["`"] = "", ["curl "] = "curl -sS --max-time 30 " }
    assert.matches("^Hello 127.0.0.1, from %d+\n$",
      told(t, "examples/deploy/machine.lua", "--haproxy-protocol", here))
    local socket, got = net.connect(one.port, "127.0.0.1"), ""
    socket:on("data", function(chunk) got = got .. chunk end)
    socket:on("error", function(err) got = got .. err.code end)
    socket:write(REQUEST)
    sockets.wait_for(socket, "close")
    assert.is_true(got == "" or got == "ECONNRESET", got)
    one.kid:kill("SIGTERM")
    wait(function() return one.over end)
    assert.same({ 0, "" }, { one.kid.exitCode, one.err })
  end))
end)
