-- SPDX-License-Identifier: MIT

--- Lua, OpenSSL, or the C code between them, runs out of memory amid connections of net.luasec: in
--- tasks, in calls that block the main script, and in requests of https, which are LuaSocket's. The
--- server of the last two is a process of its own. Skipped where there is no Lua library to link
--- with, and https where LuaSocket is not installed.

local lua = require("spec.support.lua")
local pair = require("spec.support.tlspair")
local tlsstarve = require("spec.support.tlsstarve")

--- Gives back lines, and a page to who asks for one.
local SERVER = [==[
local net, tls = require("net"), require("net.tls")
local function read(path)
  local file <close> = io.open(path)
  return file:read("a")
end
local PAGE = ("x"):rep(20000)
local HEAD = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 20000\r\n\r\n"
local server = tls.createServer({ cert = read("$CERT"), key = read("$KEY") })
server:on("tlsClientError", function() end)
server:on("secureConnection", function(socket)
  local got = ""
  socket:on("error", function() end)
  socket:on("data", function(chunk)
    got = got .. chunk
    if got:find("\r\n\r\n", 1, true) then
      socket:finish(HEAD .. PAGE)
    elseif got:find("\n$") and not got:find("^GET") then
      socket:finish(got)
    end
  end)
end)
server:listen(0, "127.0.0.1", function()
  print(server:address().port)
  io.stdout:flush()
end)
net.run()
]==]

--- Both ends of one of net.luasec, in two tasks.
local TASKS = [==[
local co, socket, ssl = require("net.co"), require("net.luasocket"), require("net.luasec")
local server = ssl.newcontext { mode = "server", protocol = "any", key = "$KEY", certificate = "$CERT" }
local client = ssl.newcontext { mode = "client", protocol = "any" }
local TEXT = ("x"):rep(20000)

local function serve(theirs)
  local ok, err = pcall(function()
    assert(theirs:dohandshake())
    local line = theirs:receive("*l")
    if line then theirs:send(line .. "\n") end
  end)
  theirs:close()
  return ok, err
end

local function ask(ours)
  assert(ours:dohandshake())
  assert(ours:send(TEXT .. "\n"))
  return assert(ours:receive("*l"))
end

--- What came back; or nil, and why.
local function talk()
  local ok, got, err = pcall(co.run, function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local host, port = listener:getsockname()
    local near = assert(socket.connect(host, port))
    local far = assert(listener:accept())
    listener:close()
    local ours, problem = ssl.wrap(near, client)
    local theirs, another = ssl.wrap(far, server)
    if not ours or not theirs then
      near:close()
      far:close()
      error(problem or another, 0)
    end
    local serving = co.spawn(serve, theirs)
    local fine, line = pcall(ask, ours)
    ours:close()
    pcall(serving.await, serving)
    return fine and line or error(line, 0)
  end)
  return ok and got, ok and err or got
end

local problem
local starved = try(function()
  local got, err = talk()
  if got ~= TEXT and err == nil then problem = "it was lost" end
end)
local got, err
for _, task in ipairs(co.tasks()) do task:cancel() end -- that wait for who found no memory to close
collectgarbage()
for _ = 1, 3 do -- what a task of before has to tell comes out of the loop
  got, err = talk()
  if got == TEXT then break end
end
return type(starved) ~= "string" and starved or problem or got ~= TEXT and "the next one: " .. tostring(err) or nil
]==]

--- What `ask()` gives in want of memory, and with enough afterwards: the text, or nil and why not.
local TRIES = [==[
local socket, ssl = require("net.luasocket"), require("net.luasec")
local TEXT = ("x"):rep(20000)

--- ASK

local problem
local starved = try(function()
  local ok, got, err = pcall(ask)
  if not ok then error(got, 0) end
  if got and got ~= TEXT then problem = #got .. " bytes are taken for all" end
  if not got and not err then problem = "nobody is told" end
end)
collectgarbage() -- what nobody could close
local got, err = ask()
return type(starved) ~= "string" and starved or problem or got ~= TEXT and "the next one: " .. tostring(err) or nil
]==]

local BLOCKS = [==[
local client = ssl.newcontext { mode = "client", protocol = "any", verify = "peer", cafile = "$CA" }

local function ask()
  local near = assert(socket.connect("127.0.0.1", $PORT))
  local ours <close> = assert(ssl.wrap(near, client))
  local ok, err = ours:dohandshake()
  if not ok then return nil, err end
  ok, err = ours:send(TEXT .. "\n")
  if not ok then return nil, err end
  return ours:receive("*l")
end
]==]

local HTTPS = [==[
package.loaded.socket = socket
local https = require("net.luasec.https")

local function ask()
  local page, status = https.request("https://127.0.0.1:$PORT/")
  return status == 200 and page or nil, status
end
]==]

describe("without memory", function()
  local program, words, server

  setup(function()
    program = tlsstarve.compile()
    words = { CERT = pair.server.path, KEY = pair.server.key_path, CA = pair.ca.path }
    server = lua.start({ script = SERVER:gsub("%$(%u+)", words) .. "", lifetime = 300 })
    words.PORT = server:read()
  end)
  teardown(function()
    server:kill("SIGKILL")
    server:wait()
    return program and program:__close()
  end)

  local function promise(name, script, who, once)
    it(("%s (%s has none%s) #slow"):format(name, who, once and ", once" or ""), function()
      if not program then pending("no Lua library to link with") return end
      local result = program:run(script:gsub("%$(%u+)", words), who, once)
      assert.same({ code = 0, stdout = "the end\n", stderr = "" }, result)
    end)
  end

  local function tries(ask)
    return (TRIES:gsub("%-%-%- ASK", (ask:gsub("%%", "%%%%"))))
  end

  for _, who in ipairs { "lua", "openssl", "ours" } do
    for _, once in ipairs { false, "once" } do
      promise("a connection of LuaSec's in two tasks is told as lost, or whole", TASKS, who, once or nil)
      promise("one in the main script is told as lost, or whole", tries(BLOCKS), who, once or nil)
      if package.searchpath("socket.http", package.path) then
        promise("a page of https is whole, or an error", tries(HTTPS), who, once or nil)
      end
    end
  end
end)
