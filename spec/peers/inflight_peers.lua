-- SPDX-License-Identifier: MIT

--- A handle that the system does not let out, as too many descriptors of the user's are on their
--- way already: what a Node makes of it, and what one of ours. Both are children of a foreign
--- parent. The promises of ours alone are in handles_inflight_spec.lua.

local child = require("net.child")
local foreign = require("spec.support.peer")
local lfs = require("lfs")
local lua = require("spec.support.lua")
local net_process = require("net.process")
local node = require("spec.support.node")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local LUANET = lfs.currentdir() .. "/bin/luanet"
local AS_OTHER = "setpriv --reuid 12346 --clear-groups "

local may = foreign.rights and os.execute("test $(id -u) = 0 && " .. AS_OTHER .. "true 2>/dev/null")
local promise = may and it or pending

-- Each message but "plain" is answered by itself with a socket, and "behind"; what becomes of that
-- is on the standard output, up to "done".
local JS = [[
  const net = require("net");
  const say = (...words) => console.log(words.map((v) => v === null ? "nil" : v.code ?? String(v)).join(" "));
  process.on("message", (m) => {
    if (m === "plain") {
      say("returns", process.send(m, (err) => say("plain", err)));
      return setImmediate(() => setImmediate(say, "done"));
    }
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const socket = net.connect(server.address().port, "127.0.0.1", () => {
        say("returns", process.send(m, socket, (err) => say("sent", err)),
          process.send("behind", (err) => say("behind", err)));
        server.close();
        setImmediate(() => setImmediate(say, "done"));
      });
    });
  });
]]
local LUA = [[
  local net, process, timers = require("net"), require("net.process"), require("net.timers")
  io.stdout:setvbuf("no")
  local function say(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = type(words[i]) == "table" and words[i].code or tostring(words[i]) end
    print(table.concat(words, " "))
  end
  local function done() timers.setImmediate(function() timers.setImmediate(say, "done") end) end
  process:on("message", function(m)
    if m == "plain" then
      say("returns", process.send(m, function(err) say("plain", err) end))
      return done()
    end
    local server
    server = net.createServer():listen(0, "127.0.0.1", function()
      local socket
      socket = net.connect(server:address().port, "127.0.0.1", function()
        say("returns", process.send(m, socket, function(err) say("sent", err) end),
          process.send("behind", function(err) say("behind", err) end))
        server:close()
        done()
      end)
    end)
  end)
  net.run()
]]
local HELPER = [[
  local rights = assert(package.loadlib(arg[1], "luaopen_rights"))()
  local core = require("net.core")
  local list, one, _ = {}, core.descriptor.pair() -- the latter has them
  for i = 1, 100 do list[i] = one:number() end
  assert(rights.send(one:number(), "x", list))
  io.stdout:write("full")
  io.stdout:flush()
  io.read("a")
]]

local function write(t, text)
  local path = t.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

--- Starts a program as the other user: it may have 64 descriptors.
local function start(t, program, text, stdio, ...)
  local env = net_process.env
  env.LUA_PATH, env.LUA_CPATH = package.path, package.cpath
  env.NODE_CHANNEL_FD = stdio[4] and "3"
  return child.spawn("sh", { "-c", "ulimit -n 64; exec " .. AS_OTHER .. '"$@"', "sh", program, write(t, text), ... },
    { stdio = stdio, env = env })
end

--- The lines that it says next, up to "done".
local function said(kid)
  local text = ""
  while not text:find("done\n$") do
    text = text .. sockets.wait_for(kid.stdout, "data")
  end
  return text
end

--- What it says, and which lines it sends, as it is asked for one with a handle, a plain one, and,
--- when there is room, another one with a handle.
local function play(t, program, text)
  local rights = lua.build("spec/support/rights.c", t.tmpname())
  local helper = start(t, lua.command, HELPER, { "pipe", "pipe", "inherit" }, rights)
  assert.equal("full", sockets.wait_for(helper.stdout, "data"))
  local peer, descriptor = foreign.new(t)
  local kid = start(t, program, text, { "ignore", "pipe", "inherit", descriptor:number() })
  descriptor:close()
  local log = {}
  local function ask(message)
    peer:send(('"%s"\n'):format(message))
    log[#log + 1] = said(kid):gsub("\n", ", ") .. peer:heard():gsub("\n", " ")
  end
  ask("one")
  ask("plain")
  helper.stdin:finish()
  sockets.wait_for(helper, "close")
  ask("two")
  kid:kill("SIGKILL")
  return log
end

describe("A handle that the system does not let out", function()
  node.each(function(binary, name)
    promise("is sent, as it seems, and all that is behind it waits for ever: " .. name, within(function(t)
      assert.same({
        "returns true true, sent nil, done, ",
        "returns false, done, ",
        "returns false false, done, ",
      }, play(t, binary, JS))
    end))
  end)

  promise("is an error, and nothing waits: this library", within(function(t)
    assert.same({
      'returns true true, sent ETOOMANYREFS, behind nil, done, "behind" ',
      'returns true, plain nil, done, "plain" ',
      'returns true true, sent nil, done, {"cmd":"NODE_HANDLE","type":"net.Socket","msg":"two"} ',
    }, play(t, LUANET, LUA))
  end))
end)
