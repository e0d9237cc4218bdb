-- What the scene "replace" has follow: it serves what it was started with, as an echo, until
-- its input ends. It fails at nothing itself.
local net, process = require("net"), require("net.process")
local server = net.createServer(function(peer)
  peer:on("error", function() end)
  peer:pipe(peer)
end)
server:listen({ activated = "web" }, function() process.notify({ ready = true }) end)
local input = net.Socket({ fd = 0 }):resume()
input:on("end", function() server:close() end)
input:on("error", function() server:close() end)
net.run()
