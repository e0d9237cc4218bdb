-- SPDX-License-Identifier: MIT

--- net.luasocket under random calls of a dozen tasks that share sockets, cancel each other,
--- close what others wait for, move descriptors about and call finalizers: nothing raises that
--- should not, and nothing is left. NET_LUASOCKET_FUZZ is how many rounds, NET_LUASOCKET_SEED
--- the first seed.

local co = require("net.co")
local socket = require("net.luasocket")
local within = require("spec.support").within

local ROUNDS = tonumber(os.getenv("NET_LUASOCKET_FUZZ")) or 4
local SEED = tonumber(os.getenv("NET_LUASOCKET_SEED")) or os.time() % 100000

local SOCKETS, TASKS, CALLS = 10, 12, 60
local HALVES = { "both", "send", "receive" }

local random = math.random

--- What is no fault: a socket is of another class by now, or somebody else reads it.
local function is_usual(err)
  return type(err) == "table" and err.code == "ERR_SOCKET_BUSY"
    or type(err) == "string" and err:find("on bad self", 1, true) ~= nil
end

--- The calls, over a pool of sockets that any of them may have changed.
local function calls_of(pool, server, unix, path)
  local host, port = server:getsockname()
  local function any()
    return pool[random(SOCKETS + 1)] or server
  end
  local function limited(one)
    one:settimeout(random(3) == 1 and 0 or random() * 0.01, random(2) == 1 and "t" or "b")
    return one
  end
  return {
    function()
      local one = limited(socket.tcp())
      pool[random(SOCKETS)] = one
      one:connect(random(4) == 1 and "localhost" or host, port)
    end,
    function()
      local one = limited(socket.unix())
      pool[random(SOCKETS)] = one
      one:connect(path)
    end,
    function() pool[random(SOCKETS)] = limited(random(2) == 1 and server or unix):accept() end,
    function() limited(any()):receive(({ "*l", "*a", random(0, 100), 100000 })[random(4)]) end,
    function() limited(any()):send(("x\n"):rep(random(5) == 1 and 500000 or random(10))) end,
    function()
      local one = any()
      if one ~= server then one:close() end
    end,
    function() any():shutdown(HALVES[random(3)]) end,
    function()
      local around = { getfd = function() return any():getfd() end }
      socket.select({ any(), any(), around }, { any() }, random() * 0.01)
    end,
    function()
      local one, other = any(), socket.tcp()
      if one ~= server then
        other:setfd(one:getfd())
        one:setfd(-1)
        pool[random(SOCKETS)] = other
      end
    end,
    function() getmetatable(any()).__gc(pool[random(SOCKETS)]) end,
    function() any():setoption("linger", { on = random(2) == 1, timeout = random(0, 2) }) end,
    function() socket.sleep(random() * 0.005) end,
    function() socket.dns.toip("localhost") end,
    function() pool[random(SOCKETS)] = nil end,
    function() collectgarbage() end,
  }
end

--- One task's calls; returns the error that should not have come.
local function play(calls, tasks)
  for _ = 1, CALLS do
    local ok, err = co.pcall(co.timeout, random(20), calls[random(#calls)])
    if not ok and not is_usual(err) then
      return err
    elseif random(20) == 1 then
      co.yield()
    elseif random(300) == 1 then
      tasks[random(TASKS)]:cancel()
    end
  end
end

local function round(seed, path)
  math.randomseed(seed)
  local pool, tasks = {}, {}
  local server, unix = assert(socket.bind("127.0.0.1", 0)), socket.unix()
  assert(unix:bind(path))
  assert(unix:listen())
  local calls = calls_of(pool, server, unix, path)
  for i = 1, TASKS do tasks[i] = co.spawn(play, calls, tasks) end
  for i = 1, TASKS do
    local wrong = tasks[i]:await()
    assert.is_nil(wrong, ("NET_LUASOCKET_SEED=%d: %s"):format(seed, tostring(wrong)))
  end
  for i = 1, SOCKETS do
    if pool[i] then pool[i]:close() end
  end
  server:close()
  unix:close()
end

describe("net.luasocket under random calls", function()
  for i = 0, ROUNDS - 1 do
    it("leaves nothing behind, round " .. i + 1, within(function(t)
      co.run(round, SEED + i, t.tmpname())
      collectgarbage()
    end))
  end
end)
