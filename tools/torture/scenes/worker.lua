-- A worker of a cluster, and its primary, both here: two ends of a channel. The primary
-- accepts for one server, and binds for another one; then the worker is told to leave.
local scene = dofile("tools/torture/scene.lua")
local channel = require("net.internal.process.channel")
local core = require("net.core")
local events = require("net.events")
local keys = require("net.internal.cluster.keys")
local process = require("net.process")
local shared = require("net.internal.cluster.shared")
local net, SIZE = scene.net, 3000
local text = scene.text(SIZE)
local SCHED_NONE, SCHED_LEAST = 1, 3
local ends, servers, record = {}, {}, nil

process.noWarnings = true

local function close_servers()
  for _, server in ipairs(servers) do
    if server.listening then
      server:close()
    else
      server:on("listening", function() server:close() end)
    end
  end
end

--- A worker that has lost its primary ends, whatever that has still answered.
function process.exit()
  scene.told({ code = "EPIPE" })
  close_servers()
end

--- This process has a channel, as net.internal.process.own makes it.
local function start_worker(descriptor)
  local c = channel.attach(process, descriptor, { is_own = true })
  ends[#ends + 1] = c
  local methods, getters = core.Process.methods, core.Process.getters
  methods.send = core.channel.sender(c.native)
  function methods.disconnect() c:disconnect() end
  function getters.channel() return c.isOpen and c.native or nil end
  function getters.connected() return c.connected end
  require("net.internal.cluster.worker").start(c, 1)
end

local function died()
  local gone = record
  record = nil
  if gone then
    keys.died(gone)
  end
end

local function start_primary(descriptor)
  local owner, link = events.EventEmitter(), nil
  local c = channel.attach(owner, descriptor, {})
  local left = 2 -- clients before the worker is to leave
  local function leave()
    left = left - 1
    if left == 0 then
      link:send({ act = "disconnect" })
    end
  end
  ends[#ends + 1] = c
  owner:on("error", scene.told)
  owner:on("disconnect", died)
  link = shared.link(c, {
    queryServer = function(m)
      if record then
        keys.query(record, m, m.index == 0 and SCHED_LEAST or SCHED_NONE)
      end
    end,
    listening = function(m)
      local client = scene.own(net.connect(m.port, "127.0.0.1"))
      scene.expect(client, SIZE)
      client:on("close", leave)
      client:finish(text, scene.done)
    end,
    close = function(m) return record and keys.leave(record, m.key) end,
    closed = function(m) return record and keys.closed(record, m) end,
  }, owner)
  link.sent = scene.done -- a peer that goes is also told by the end of what comes from it
  record = { link = link, keys = {}, held = 0 }
  function record.greeted() return true end
  function record.starve() scene.told({ code = "EPIPE" }) end
end

return scene.run(function()
  local one, other = core.descriptor.pair()
  if not one then
    return scene.told(core.errname(other))
  end
  start_primary(one)
  start_worker(other)
  for _ = 1, 2 do
    local server = scene.own(net.createServer(scene.echo))
    servers[#servers + 1] = server
    server:listen(0, "127.0.0.1")
  end
end, function()
  close_servers()
  for _, each in ipairs(ends) do
    each:over()
  end
  died()
  keys.sweep()
end)
