-- SPDX-License-Identifier: MIT

--- A TLS server in a cluster: each worker shakes hands, and takes the sessions of the others.

local cluster = require("net.cluster")
local certificates = require("spec.support.certificates")
local co = require("net.co")
local pair = require("spec.support.tlspair")
local process = require("spec.support.process")
local tls = require("net.tls")
local within = require("spec.support").within

local PROGRAM = [[
local cluster = require("net.cluster")
local process = require("net.process")
local tls = require("net.tls")

if cluster.isPrimary then
  cluster.schedulingPolicy = cluster[arg[1] ]
  local listening = 0
  cluster:on("listening", function(_, address)
    listening = listening + 1
    if listening == 2 then
      io.write("listening on ", address.port, "\n")
      io.stdout:flush()
    end
  end)
  for _ = 1, 2 do cluster.fork() end
  process:on("SIGTERM", function() cluster.disconnect() end)
  return
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local server = tls.createServer({
  cert = read(arg[2]), key = read(arg[3]), ticketKeys = arg[4] == "shared" and ("k"):rep(48) or nil,
}, function(socket)
  socket:finish(("%d %s %s"):format(process.pid, socket:isSessionReused(), socket.remoteAddress))
end)
server:listen(0, "127.0.0.1")
]]

--- What four clients, one after the other, are told, each with the session of the one before.
local function visit(port)
  local told, session = {}, nil
  for i = 1, 4 do
    local socket <close> = assert(tls.co.connect({ port = port, host = "localhost", ca = pair.ca.cert,
      session = session }))
    socket:on("session", function(blob) session = blob end)
    told[i] = socket:receive("all")
  end
  return told
end

local function run(policy, keys)
  local p = process.spawn(("%s %s %s %s %s %s"):format(process.lua("bin/luanet"), certificates.write("lua", PROGRAM),
    policy, pair.server.path, pair.server.key_path, keys))
  local port = math.tointeger(tonumber((p:expect("^listening on (%d+)$"))))
  local told
  within(function()
    co.run(function() told = visit(port) end)
  end)()
  p:signal("TERM")
  local rest, code = p:finish()
  assert.equal(0, code, rest)
  return told
end

describe("A cluster's TLS server", function()
  for _, policy in ipairs({ "SCHED_RR", "SCHED_NONE" }) do
    it("resumes with one worker what began with another, where they share keys: " .. policy, function()
      assert(cluster[policy])
      local told = run(policy, "shared")
      for i, text in ipairs(told) do
        assert.matches(("^%%d+ %s 127.0.0.1$"):format(i > 1), text)
      end
    end)
  end

  it("tells a primary under SCHED_LEAST of each connection that has ended, at any point", function()
    local text = [[
      local cluster, net, tls = require("net.cluster"), require("net"), require("net.tls")
      cluster.schedulingPolicy = cluster.SCHED_LEAST
      local keys = require("net.internal.cluster.keys")
      local closed = 0
      function keys.closed(_, message)
        closed = closed + message.count
        if closed == 4 then print("closed 4") cluster.disconnect() end
      end
      cluster.fork():on("listening", function(address)
        for i = 1, 4 do -- two with TLS, one without, one who hangs up
          local where = { port = address.port, host = "127.0.0.1", rejectUnauthorized = false }
          local client = i <= 2 and tls.connect(where) or net.connect(where)
          client:on("error", function() end)
          if i <= 2 then client:on("data", function() client:finish() end) end
          if i == 3 then client:write("hello") end
          if i == 4 then client:finish() end
        end
      end)
    ]]
    local program = PROGRAM:gsub("if cluster.isPrimary then.-\nend\n", function()
      return "if cluster.isPrimary then\n" .. text .. "\nreturn\nend\n"
    end):gsub("socket:finish%(", "socket:write(")
    local output, code = process.run(("%s %s 0 %s %s own 2>&1"):format(process.lua("bin/luanet"),
      certificates.write("lua", program), pair.server.path, pair.server.key_path))
    assert.same({ "closed 4\n", 0 }, { output, code })
  end)

  for _, policy in ipairs({ "SCHED_RR", "SCHED_LEAST", "SCHED_NONE" }) do
    it("has the keys of the worker that listened first, where none are given: " .. policy, function()
      for i, text in ipairs(run(policy, "own")) do
        assert.matches(("^%%d+ %s 127.0.0.1$"):format(i > 1), text)
      end
    end)
  end

  it("keeps its own keys where a primary tells others that are none", function()
    local server = tls.createServer()
    local keys = server:getTicketKeys()
    for _, data in ipairs({ 5, "x", {}, { ticketKeys = 5 }, { ticketKeys = ("0"):rep(95) },
      { ticketKeys = ("g"):rep(96) } }) do
      server:_setServerData(data)
    end
    server:_setServerData(nil)
    assert.equal(keys, server:getTicketKeys())
    local told = server:_getServerData()
    local other = tls.createServer()
    other:_setServerData(told)
    assert.equal(keys, other:getTicketKeys())
  end)
end)
