-- SPDX-License-Identifier: MIT

--- A session that two Nodes had (data/channel_session.txt), with this library in one of the
--- seats and a foreign program in the other one: what it writes is what Node wrote, byte for
--- byte. Where the law on the wire lets us differ, the spec says so.

local child = require("net.child")
local foreign = require("spec.support.peer")
local lua = require("spec.support.lua")
local net = require("net")
local sockets = require("spec.support.sockets")
local support = require("spec.support")

local promise = foreign.rights and it or pending
local within = support.within

local SESSION = "spec/data/channel_session.txt"
local LUA = os.getenv("LUA") or "lua5.4"

--- The lines of one side, as a text, or all lines as a list of { who =, mark =, text = }.
local function recorded(side)
  local own, all = {}, {}
  for line in io.lines(SESSION, "L") do
    local who, mark, text = line:match("^([PC])([ +]) (.*)$")
    own[#own + 1] = who == side and line or nil
    all[#all + 1] = who and { who = who, mark = mark, text = text }
  end
  return table.concat(own), all
end

--- What the recorded parent did, with a kid that says what the recorded child said.
local function be_parent(kid)
  local server, other
  local steps = {
    function() kid:send("hello\nworld é") end,
    function()
      kid:send({ 1, 2.5, -0.0, true, child.null, 'a"\\\b\f\n\r\t\1\u{2028}\127/😀',
        { empty = {} }, child.array({}), 1 << 53, 1e-7, 1e21, -5 })
    end,
    function() for _, message in ipairs({ "a", false, 0, child.null }) do kid:send(message) end end,
    function()
      server = net.createServer():listen(0, "127.0.0.1", function()
        kid:send({ what = "server" }, server)
        kid:send("second")
        kid:send("third")
      end)
    end,
    function() kid:send("full") end,
    function()
      kid:send("lost", server)
      kid:send("behind")
    end,
    function() kid:send("free") end,
    function()
      local socket = net.connect(server:address())
      socket:on("connect", function() kid:send("sock", socket) end)
    end,
    function()
      other = net.createServer({ pauseOnConnect = true }, function(socket) kid:send("kept", socket) end)
      other:listen(0, "127.0.0.1", function()
        net.connect(other:address()):on("error", function() end)
      end)
    end,
    function()
      other:getConnections(function(_, count)
        assert.equal(1, count)
        other:close(function() kid:send("bye") end)
        kid:send("end it")
      end)
    end,
    function() server:close() end,
    function() kid:disconnect() end,
  }
  kid:on("message", function(_, handle)
    if handle then handle:destroy() end
    table.remove(steps, 1)()
  end)
end

--- What the recorded child did.
local CHILD = [[
  local child, process = require("net.child"), require("net.process")
  local files, kept = {}, nil
  local answers = {
    a = function() end, second = function() end, lost = function() end,
    full = function()
      repeat
        local file = io.open("/dev/null")
        files[#files + 1] = file
      until not file
      process.send("full")
    end,
    free = function()
      for _, file in ipairs(files) do file:close() end
      process.send("free")
    end,
    sock = function(handle) process.send({ back = true }, handle) end,
    kept = function(handle)
      kept = handle
      process.send("kept")
    end,
    ["end it"] = function()
      kept:destroy()
      process.send("ended")
    end,
  }
  process:on("message", function(message, handle)
    if message == false or message == 0 then return end
    if type(message) == "table" and message.what then return handle:close() end
    local answer = answers[message]
    if answer then return answer(handle) end
    process.send({ got = message })
  end)
  process.send("ready")
  require("net").run()
]]

describe("A session with a child that is Node", function()
  promise("has the parent write what Node wrote", within(function(t)
    local rights = lua.build("spec/support/rights.c", t.tmpname())
    local log = t.tmpname()
    local kid = child.fork("spec/support/player.lua", { SESSION, log, rights }, { execPath = LUA })
    be_parent(kid)
    sockets.wait_for(kid, "close")
    assert.equal(0, kid.exitCode)
    local file <close> = assert(io.open(log, "rb"))
    local heard = file:read("a")
    local key = heard:match('"key":"(lua:%d+)"') -- of our own choice: it is opaque to the peer
    assert.equal((recorded("P"):gsub('"key":"4:127.0.0.1:0"', '"key":"' .. key .. '"')), heard)
  end))
end)

describe("A session with a parent that is Node", function()
  --- Says a line, with a server or one end of a connection, whose other end is put down.
  local function say(peer, line, clients)
    if line.mark == " " then
      peer:send(line.text)
    elseif line.text:find("net.Server", 1, true) then
      local server = sockets.listen()
      peer:send(line.text, { server:fd() })
      server:close()
    else
      local client, socket = sockets.pair()
      peer:send(line.text, { socket:fd() })
      socket:destroy()
      clients[#clients + 1] = client
    end
  end

  local function play(peer, all)
    local heard, clients = {}, {}
    for _, line in ipairs(all) do
      if line.who == "P" then
        say(peer, line, clients)
      else
        heard[#heard + 1] = ("C%s %s\n"):format(line.mark, peer:line() or "the end")
        if line.mark == "+" then peer:drop() end
      end
    end
    assert.same({}, peer.fds)
    for _, client in ipairs(clients) do client:destroy() end
    return table.concat(heard)
  end

  promise("has the child write what Node wrote", within(function(t)
    local path = t.tmpname(".lua")
    local file = assert(io.open(path, "w"))
    file:write(CHILD)
    file:close()
    local peer, descriptor = foreign.new(t)
    local kid = child.spawn("/bin/sh", { "-c", 'ulimit -n 60; exec "$0" "$1"', LUA, path }, {
      stdio = { "ignore", "inherit", "inherit", descriptor:number() },
      env = { PATH = os.getenv("PATH"), LUA_PATH = package.path, LUA_CPATH = package.cpath,
        ASAN_OPTIONS = os.getenv("ASAN_OPTIONS"), NODE_CHANNEL_FD = "3" },
    })
    descriptor:close()
    local expected, all = recorded("C")
    assert.equal(expected, play(peer, all))
    peer:close()
    sockets.wait_for(kid, "exit")
    assert.equal(0, kid.exitCode)
  end))
end)
