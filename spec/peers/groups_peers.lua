-- SPDX-License-Identifier: MIT

--- Descriptors that do not come one by one with their lines, as no library sends them but any
--- program may: several at once, of which the receiver may have no room for all, or with a line
--- that says nothing of them, or with half of one. A foreign program plays the parent of a Node,
--- and of one of ours, and sees what they answer, which descriptor they took, and what becomes
--- of the others.

local child = require("net.child")
local core = require("net.core")
local foreign = require("spec.support.peer")
local lfs = require("lfs")
local net_process = require("net.process")
local node = require("spec.support.node")
local quote = require("spec.support.process").quote
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local LUANET = lfs.currentdir() .. "/bin/luanet"

-- A child that writes the message to the handle that came with it, and says when its channel has
-- ended. A number as the message is how many descriptors it is to have left.
local JS = [[
  const fs = require("fs");
  setInterval(() => {}, 1000);
  process.on("disconnect", () => console.log("gone"));
  process.on("message", (m, handle) => {
    if (typeof m === "number") {
      const files = [];
      try { for (;;) files.push(fs.openSync("/dev/null")); } catch (e) {}
      while (m-- > 0) fs.closeSync(files.pop());
    }
    handle ? handle.write(m) : process.send("plain");
  });
]]
local LUA = [[
  local process = require("net.process")
  require("net.timers").setInterval(function() end, 1000)
  process:on("disconnect", function()
    io.stdout:write("gone\n")
    io.stdout:flush()
  end)
  local files = {}
  process:on("message", function(m, handle)
    if type(m) == "number" then
      local file
      repeat
        file = io.open("/dev/null")
        files[#files + 1] = file
      until not file
      for _ = 1, m do table.remove(files):close() end
    end
    if handle then handle:write(m) else process.send("plain") end
  end)
  require("net").run()
]]

local Kid = {}
Kid.__index = Kid

--- Starts one, of which the spec is the parent.
local function start(t, program, text)
  local path = t.tmpname(".script")
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local peer, descriptor = foreign.new(t)
  local env = net_process.env
  env.LUA_PATH, env.LUA_CPATH, env.NODE_CHANNEL_FD = package.path, package.cpath, "3"
  local kid = child.spawn("ulimit -n 64; exec " .. quote(program) .. " " .. quote(path), {
    shell = true, stdio = { "ignore", "pipe", "inherit", descriptor:number() }, env = env,
  })
  descriptor:close()
  return setmetatable({ peer = peer, kid = kid, own = {}, inodes = {} }, Kid)
end

--- Sends bytes and, with them, one end each of new pairs, whose other ends are kept by name.
function Kid:send(bytes, ...)
  local theirs, numbers = {}, {}
  for i, name in ipairs({ ... }) do
    self.own[name], theirs[i] = core.descriptor.pair()
    self.inodes[name] = core.child.inode(theirs[i])
    numbers[i] = theirs[i]:number()
  end
  self.peer:send(bytes, #numbers > 0 and numbers or nil)
  core.descriptor.close_all(theirs)
end

--- The next that it says: "ACK", "NACK" or "plain".
function Kid:hear()
  local text = assert(self.peer:line())
  return text:match('^{"cmd":"NODE_HANDLE_(N?ACK)"}$') or text:match('^"(plain)"$') or text
end

--- Whether it still has the other end of that.
function Kid:holds(name)
  local folder = ("/proc/%d/fd/"):format(self.kid.pid)
  for number in lfs.dir(folder) do
    if lfs.symlinkattributes(folder .. number, "target") == ("socket:[%s]"):format(self.inodes[name]) then
      return true
    end
  end
  return false
end

--- What it did with a descriptor by the time that it had heard of the channel's end: wrote
--- a message to it, closed it, or forgot it.
function Kid:fate(name)
  local bytes = foreign.rights.recv(self.own[name]:number())
  if bytes and bytes ~= "" then
    return name .. "=" .. bytes
  end
  return name .. (self:holds(name) and ":open" or ":closed")
end

function Kid:__close()
  self.kid:kill("SIGKILL")
  for _, own in pairs(self.own) do
    own:close()
  end
end

local function line(name)
  return ('{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"%s"}\n'):format(name)
end

local PLAIN = '"plain"\n'
local one, two, three, four = line("one"), line("two"), line("three"), line("four")

--- Each: its name; how many descriptors the kid has left, or false for enough; the steps, of which
--- each is bytes, and names of descriptors that go with them; what ours says and does; and a Node,
--- where that differs.
local CASES = {
  { "one with the first half of its line", false,
    { { one:sub(1, 20), "a" }, { one:sub(21) } }, "ACK a=one" },
  { "one with the last byte of its line", false,
    { { one:sub(1, -2) }, { "\n", "a" } }, "ACK a=one" },
  { "one with a plain line before its own", false,
    { { PLAIN, "a" }, { one } }, "plain ACK a=one" },
  { "one with a plain line and the first bytes of its own", false,
    { { PLAIN .. one:sub(1, 9), "a" }, { one:sub(10) } }, "plain ACK a=one" },
  { "one with two lines of which each wants one", false,
    { { one .. two, "a" } }, "ACK NACK a=one" },
  { "two with one line, of which there is room for none", 0,
    { { one, "a", "b" }, { two } }, "NACK NACK a:closed b:closed" },
  { "three with one line, of which there is room for one", 1,
    { { one, "a", "b", "c" }, { two } }, "ACK NACK a=one b:closed c:closed" },
  { "two with one line, and a line without", false,
    { { one, "a", "b" }, { two } }, "ACK NACK a=one b:closed",
    "ACK ACK a=one b=two" },
  { "one with each half of a line, and a line without", false,
    { { one:sub(1, 20), "a" }, { one:sub(21), "b" }, { two } }, "ACK ACK a=one b=two",
    "ACK NACK a:open b=one" },
  { "one with a plain line that no line wants", false,
    { { PLAIN, "a" } }, "plain a:closed",
    "plain a:open" },
  { "one with each of two plain lines, and two lines that want one", false,
    { { PLAIN, "a" }, { PLAIN, "b" }, { one }, { two } }, "plain plain ACK ACK a=one b=two",
    "plain plain ACK NACK a:open b=one" },
  { "one with each of three plain lines, and three lines that want one", false,
    { { PLAIN, "a" }, { PLAIN, "b" }, { PLAIN, "c" }, { one }, { two }, { three } },
    "plain plain plain ACK ACK NACK a:closed b=one c=two",
    "plain plain plain ACK NACK NACK a:open b:open c=one" },
  { "two with each of two plain lines, and four lines that want one", false,
    { { PLAIN, "a", "b" }, { PLAIN, "c", "d" }, { one }, { two }, { three }, { four } },
    "plain plain ACK ACK NACK NACK a=one b:closed c=two d:closed",
    "plain plain ACK ACK NACK NACK a:open b:open c=one d=two" },
}

--- What the kid says of a case's steps, and then what has become of the descriptors.
local function play(k, left, steps)
  local said = {}
  if left then
    k:send(left .. "\n")
    assert.equal("plain", k:hear())
  end
  for _, step in ipairs(steps) do
    k:send(table.unpack(step))
    for _ in step[1]:gmatch("\n") do
      said[#said + 1] = k:hear()
    end
  end
  k.peer:close()
  sockets.wait_for(k.kid.stdout, "data")
  for _, name in ipairs({ "a", "b", "c", "d" }) do
    said[#said + 1] = k.own[name] and k:fate(name)
  end
  return table.concat(said, " ")
end

local promise = foreign.rights and it or pending

describe("Of descriptors that come", function()
  for _, case in ipairs(CASES) do
    local name, left, steps, expected, of_node = table.unpack(case)
    node.each(function(binary, whose)
      promise(("%s: %s"):format(name, whose), within(function(t)
        local k <close> = start(t, binary, JS)
        assert.equal(of_node or expected, play(k, left, steps))
      end))
    end)
    promise(name .. ": this library", within(function(t)
      local k <close> = start(t, LUANET, LUA)
      assert.equal(expected, play(k, left, steps))
    end))
  end
end)
