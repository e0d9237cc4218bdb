-- A channel whose two ends are in this process: a socket that goes there and comes back, a
-- server, a bound socket, and a list with a file and a message that is no text.
local scene = dofile("tools/torture/scene.lua")
local channel = require("net.internal.process.channel")
local core = require("net.core")
local events = require("net.events")
local process = require("net.process")
local servers = require("net.internal.server.server")
local net = scene.net
local SIZE = 30000
local text = scene.text(SIZE)
local server
local ends, given = {}, {} -- given: sockets that are sent, and say nothing any more

process.noWarnings = true
process:removeAllListeners("warning")

--- One end; `hear` is called with what comes.
local function attach(descriptor, options, hear)
  local owner = events.EventEmitter()
  owner:on("message", hear)
  owner:on("error", scene.told)
  ends[#ends + 1] = channel.attach(owner, descriptor, options)
  return ends[#ends]
end

local function warned()
  scene.told({ code = "EPIPE" }) -- what did not arrive is told by a warning
end

return scene.run(function()
  process:on("warning", warned)
  local one, other = core.descriptor.pair()
  if not one then
    return scene.told(core.errno_error(other, "socketpair"))
  end
  server = scene.own(net.createServer({ pauseOnConnect = true }))
  server:listen(0)
  local port = scene.port(server)
  local here, there
  local function finish()
    if here.connected then
      here:disconnect()
    end
    if server.listening then
      server:close()
    end
  end
  here = attach(one, { is_lua = true }, function(message, handle)
    if message == "back" and handle then
      scene.expect(scene.own(handle), SIZE):on("close", finish)
    end
  end)
  there = attach(other, { is_own = true }, function(_, handle)
    if net.isSocket(handle) then
      given[#given + 1] = handle:on("error", scene.told)
      there:send("back", handle, scene.done)
    elseif type(handle) == "table" then
      for _, each in ipairs(handle) do
        if each then
          each:close()
        end
      end
    elseif handle then
      handle:close()
    end
  end)
  there.is_ours = true
  there:send_internal({ cmd = "NODE_LUANET", v = 1 })
  server:on("connection", function(socket)
    given[#given + 1] = socket:on("error", scene.told)
    here:send("server", server, scene.done)
    here:send("socket", socket, scene.done)
    local bound = net.BoundSocket({ host = "127.0.0.1" })
    here:send("bound", bound, scene.done)
    local file = io.tmpfile()
    if file then
      here:send("list \xFF", { file, net.Socket(), server }, { binary = true }, function(err)
        if err and err.code ~= "ERR_INVALID_HANDLE_TYPE" then -- the greeting was lost
          scene.told(err)
        end
      end)
      file:close()
    end
    server:getConnections(function(err)
      if err and err.code ~= "ERR_CHILD_CLOSED_BEFORE_REPLY" then
        scene.told(err)
      end
    end)
  end)
  local client = scene.own(net.connect(port, "127.0.0.1"))
  client:finish(text, scene.done)
end, function()
  process:off("warning", warned)
  for _, each in ipairs(given) do
    each:destroy()
  end
  for _, each in ipairs(ends) do
    each:over() -- as when the peer has gone
  end
  if server and servers.across then
    servers.across.forget(server) -- for want of memory its channels may be shut already
  end
  ends = {}
  collectgarbage()
end)
