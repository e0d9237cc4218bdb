-- Calls that block, as LuaSocket's do, in two tasks: an echo, by a name that is looked up.
local scene = dofile("tools/torture/scene.lua")
local co = require("net.co")
local core = require("net.core")
local socket = require("net.luasocket")
local plain = core.open_luasocket()
local text = scene.text(30000)

local sockets, tasks = table.pack(false, false, false), table.pack(false, false)
local wrong

local function close_all()
  for _, one in ipairs(sockets) do
    if one then one:close() end
  end
end

--- Words that follow from any failure.
local USUAL = { closed = true, timeout = true, ["connection refused"] = true,
  ["setsockopt failed"] = true, ["permission denied"] = true, ["address already in use"] = true,
  ["already connected"] = true, ["Bad file descriptor"] = true }

--- What a call gives; where that is nil and a word, the scene is over.
local function check(...)
  local ok, err = ...
  if ok == nil then
    local follows = USUAL[err] or err == plain.text(-failure)
      or victim == "getaddrinfo" or victim == "pthread_create"
    scene.told(follows and { code = "ECANCELED" } or err)
    close_all()
    error("over", 0)
  end
  return ...
end

local function spawn(i, fn)
  tasks[i] = co.spawn(function()
    local ok, err = co.pcall(fn)
    if not ok and err ~= "over" then
      local refused = type(err) == "string" and err:match("select failed: (.*)$")
      scene.told(refused == plain.text(-failure) and { code = "ECANCELED" } or err)
      close_all()
    end
  end)
end

local function ask(port)
  local client = socket.tcp()
  sockets[3] = client
  check(client:connect("localhost", port))
  check(client:setoption("tcp-nodelay", true))
  check(client:send(text))
  check(client:shutdown("send"))
  check(#socket.select({ client }, nil, 20) == 1 or nil, "closed")
  if check(client:receive("*a")) ~= text then
    wrong = "another text came back"
  end
  client:close()
end

local function serve()
  local server = check(socket.tcp4())
  sockets[1] = server
  check(server:bind("127.0.0.1", 0))
  check(server:listen())
  local _, port = check(server:getsockname())
  spawn(2, function() ask(port) end)
  local peer = check(server:accept())
  sockets[2] = peer
  check(peer:getpeername())
  check(peer:send(check(peer:receive(#text))))
  peer:close()
  server:close()
end

return scene.run(function() spawn(1, serve) end, function()
  close_all()
  for _, task in ipairs(tasks) do
    if task then task:cancel() end
  end
end) or wrong
