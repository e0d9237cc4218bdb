-- A server that another program takes over, with a client of before and one of after; the
-- old one has a client that waits, which is cut in the end.
local scene = dofile("tools/torture/scene.lua")
local child, net, SIZE = require("net.child"), scene.net, 3000
local text = scene.text(SIZE)
local DRAIN = 20 -- ms; it looks after a fourth of them, and may not end who is about to speak
local input

--- The cause of a failure may be a new process that has ended, or been ended.
local function told(err)
  local cause = err.code == "ERR_REPLACE_FAILED" and err.cause or err
  scene.told(cause.code and cause or { code = "EPIPE" })
end

local function ask(port, done)
  local client = scene.own(net.Socket())
  scene.expect(client, SIZE)
  client:on("close", done)
  client:connect(port, "127.0.0.1")
  client:finish(text, scene.done)
end

local function nothing() end

return scene.run(function()
  local server = scene.own(net.createServer(scene.echo))
  server:listen(0, "127.0.0.1", function()
    local port = scene.port(server)
    ask(port, nothing)
    local kid = scene.start(child.replace, "tools/torture/programs/next.lua", {}, {
      servers = { web = server }, execPath = os.getenv("LUA") or "lua5.4",
      stdio = { "pipe", "ignore", "inherit" }, ready = 2000, drain = DRAIN,
    }, function(err)
      if err then
        told(err)
        if server.listening then server:close() end
        return
      end
      ask(port, function()
        if input then input:destroy() end
      end)
    end)
    scene.own(kid)
    input = kid.stdin and scene.own(kid.stdin)
  end)
end, function()
  mend()
  scene.timers.setTimeout(nothing, 2 * DRAIN) -- drain sees that the server has closed, untold
end)
