-- Children: one that echoes, one that ends at once, of which another is made by fork, as it
-- gets an id, one that is killed, and one with a channel.
local scene = dofile("tools/torture/scene.lua")
local child = require("net.child")
local SIZE = 30000
local text = scene.text(SIZE)

local pipe = assert(io.popen("id -u"))
local uid = pipe:read("n")
pipe:close()

return scene.run(function()
  local echo = scene.own(child.spawn("cat", { cwd = "/", stdio = { "pipe", "pipe", "ignore" } }))
  if echo.stdin then
    scene.own(echo.stdin)
    scene.expect(scene.own(echo.stdout), SIZE)
    echo.stdin:finish(text, scene.done)
  end
  scene.own(child.spawn("true", { stdio = { "ignore", 2, 1, nil, "pipe" } }))
  scene.own(child.spawn("true", { stdio = "ignore", uid = uid }))
  local sleeper = scene.own(child.spawn("sleep", { "60" }, { stdio = "ignore" }))
  sleeper:on("spawn", function() sleeper:kill("SIGKILL") end)
  local talker = scene.own(child.spawn("sh", { "-c", "read -r line <&3; echo \"$line\" >&3" },
    { stdio = { "ignore", "ignore", "ignore", "ipc" } }))
  talker:on("message", function() talker:disconnect() end)
  talker:send("there and back", scene.done)
end)
