-- Messages by a channel, both ways, some with callbacks and one with a server; the side that
-- has had all of them disconnects. A message that could not be sent is missing amid the
-- others, and told; none comes out of order.
local scene = dofile("tools/torture/scene.lua")
local channel = require("net.internal.process.channel")
local core = require("net.core")
local events = require("net.events")
local net = require("net")
local COUNT = 8

require("net.process").noWarnings = true -- a message may come without its server

local channels = table.pack(table.unpack({}, 1, 2))

--- One end: `text` tells what it got, and "end" that it is over.
local function attach(descriptor)
  local owner, text = events.EventEmitter(), events.EventEmitter()
  local c = channel.attach(owner, descriptor)
  channels[#channels + 1] = c
  owner:on("error", function(err)
    scene.told(err)
    if c.connected then c:disconnect() end
  end)
  owner:on("disconnect", function() text:emit("end") end)
  return c, owner, text
end

return scene.run(function()
  local one, other = core.descriptor.pair()
  if not one then
    return scene.told(core.errname(other))
  end
  local server = scene.own(net.createServer()):listen(0)
  local a, left, answers = attach(one)
  local b, right, texts = attach(other)
  local part, done, newest = scene.text(26 * 1600), 0, 0
  scene.expect(texts, COUNT * #part, true)
  scene.expect(answers, COUNT, true)
  left:on("message", function(m)
    answers:emit("data", m)
    done = done + 1
    if done == COUNT then b:disconnect() end
  end)
  left:on("disconnect", function() server:close() end)
  right:on("message", function(m, handle)
    if handle then handle:close() end
    if m.n <= newest or m.text ~= part then scene.told("out of order") end
    newest = m.n
    texts:emit("data", m.text)
    b:send(scene.text(26):sub(m.n, m.n), scene.done)
  end)
  for n = 1, COUNT do
    a:send({ n = n, text = part }, n == 3 and server or nil, n % 2 == 0 and scene.done or nil)
  end
end, function()
  for _, c in ipairs(channels) do core.channel.shut(c.native) end
end)
