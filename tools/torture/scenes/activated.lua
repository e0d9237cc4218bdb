-- A program that was started with a server and with a connection: it serves by one, and
-- echoes by the other.
local peer = activate()
local scene = dofile("tools/torture/scene.lua")
local net, SIZE = scene.net, 30000
local text = scene.text(SIZE)
local process = require("net.process")
local core = require("net.core")

local function echo(socket)
  scene.own(socket)
  socket:on("data", function(chunk) socket:write(chunk, scene.done) end)
end

local function ask(socket, done)
  scene.expect(scene.own(socket), SIZE)
  socket:on("close", done)
  socket:finish(text, scene.done)
end

local function nothing() end

--- Of a socket that the system does not tell about the program does not know.
local function left_out()
  scene.told({ code = "EPIPE" })
end

local function serve(server)
  local ok, err = pcall(server.listen, server, { activated = "web" })
  if not ok then
    return (err.code == "ERR_INVALID_ARG_VALUE" and left_out or scene.told)(err)
  end
  server:on("listening", function()
    scene.done(select(2, process.notify({ ready = true })))
    local client = net.connect(scene.port(server), "127.0.0.1")
    ask(client, function()
      if server.listening then server:close() end
    end)
  end)
end

--- For want of memory there may be none at first: they are not lost by that.
local function peer_of(times)
  local ok, given = pcall(net.activated, "peer")
  if ok then
    return given[1] or left_out()
  end
  scene.told(given)
  return times > 1 and peer_of(times - 1) or nil
end

return scene.run(function()
  serve(scene.own(net.createServer(echo)))
  local given = peer_of(3)
  if not given then
    return
  end
  local other = net.Socket({ fd = peer })
  peer = nil
  echo(given)
  ask(other, nothing)
end, function()
  mend()
  if peer then
    core.descriptor.adopt(peer):close()
  end
  local all = net.activated()
  if #all < 2 and victim == "memory" then
    scene.told("a socket is lost") -- which is none of what it may be told
  end
  for _, each in ipairs(all) do
    pcall(each.destroy or each.close, each) -- unless a server has it
  end
end)
