-- The worker of the scene "primary": an echo. It fails at nothing itself. Told "die", it does,
-- as one that crashes.
local net, process = require("net"), require("net.process")
local server = net.createServer(function(peer)
  peer:on("error", function() end)
  peer:pipe(peer)
end)
server:on("error", function() process.exit(2) end)
server:listen(0, "127.0.0.1")
process:on("message", function() process.kill(process.pid, "SIGKILL") end)
net.run()
