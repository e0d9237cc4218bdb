-- The child of handles_peers.lua. As child.js, line by line.
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local lines, bare = {}, 0
local function log(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  lines[#lines + 1] = table.concat(words, " ")
end
local last

local COUNTED = { one = true, two = true, three = true, four = true, five = true }
process:on("message", function(m, handle)
  if m == "second" or m == "third" then
    log(m, handle)
    if m == "third" then process.send("served") end
  elseif m == "sock" then
    log("socket", net.isSocket(handle), handle.allowHalfOpen, handle.readableFlowing,
      handle.server, handle.remoteAddress)
    last = handle
    handle:on("data", function(data)
      handle:write("got " .. data)
      process.send("socked")
    end)
  elseif m == "quiet" then
    handle:on("data", function() log("never") end)
    handle:write("x", function()
      handle:destroy()
      timers.setTimeout(function() process.send("quieted") end, 100)
    end)
  elseif m == "keep" then
    last = handle
    process.send("kept")
  elseif m == "end" then
    last:finish()
    last:destroy()
  elseif m == "bare" then
    log("bare", handle)
    bare = bare + 1
    if bare == 2 then process.send("bared") end
  elseif m == "bound" then
    log("bound", net.BoundSocket and handle.close ~= nil, handle:address().address, handle.isPipe)
    local server = net.createServer()
    server:listen(handle, function()
      log("listens", server:address().address)
      server:close()
      process.send("bounded")
    end)
  elseif m == "sync" then
    process.send("synced")
  elseif m == "log" then
    process.send({ log = lines })
  elseif m == "done" then
    process.disconnect()
  elseif COUNTED[m] then
    log(m, handle and net.isServer(handle))
    if handle then handle:close() end
    if m == "five" then process.send("fived") end
  elseif m.what == "server" then
    log("server", net.isServer(handle), handle.listening, handle:address().address)
    handle:close()
  elseif m.connect then
    local socket
    socket = net.connect(m.connect, "127.0.0.1", function()
      socket:pause()
      log("returns", process.send("connected", socket))
    end)
  end
end)
net.run()
