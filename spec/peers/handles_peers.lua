-- SPDX-License-Identifier: MIT

--- Servers and sockets sent between this library and a real Node, in both seats: one parent
--- and one child, each written twice, in JavaScript and in Lua (spec/peers/handles). What
--- they say, and what goes over the channel, is compared with what two Nodes say.

local net_child = require("net.child")
local children = require("spec.support.children")
local lfs = require("lfs")
local net_process = require("net.process")
local node = require("spec.support.node")
local process = require("spec.support.process")
local support = require("spec.support")

local LUANET = lfs.currentdir() .. "/bin/luanet"
local HERE = "spec/peers/handles/"
local has_strace = os.execute("strace -o /dev/null true 2>/dev/null")

--- Runs one of the parents with one of the children; `lines` is what goes over the channel, and
--- `sent` the same by who has sent it, as two processes are not in step.
---@return string output, table lines, table sent
local function run(parent, child, binary, version)
  local trace = os.tmpname()
  local execute = child == "child.lua" and LUANET or binary
  local command = parent == "parent.lua"
    and process.lua(HERE .. parent, HERE .. child, execute, version)
    or node.command(binary, HERE .. parent, "./" .. HERE .. child, execute, version)
  local strace = has_strace and ("strace -f -o %s -s 500 -e trace=sendmsg,sendto,write,writev "):format(trace) or ""
  local output = process.run("exec 2>&1; " .. strace .. command)
  local lines, sent, of = {}, {}, {}
  for line in io.lines(trace) do
    local pid = line:match("^%d+")
    for text in line:gmatch('"(.-[^\\])"[,%)]') do
      for message in text:gsub('\\"', '"'):gsub("\\n", "\n"):gmatch("[^\n]+") do
        if message:find('^{"cmd":"NODE_') and not message:find("NODE_LUANET", 1, true) then
          message = message:gsub('"key":"[^"]*"', '"key":"KEY"')
          lines[#lines + 1] = message
          if not of[pid] then
            of[pid] = {}
            sent[#sent + 1] = of[pid]
          end
          table.insert(of[pid], message)
        end
      end
    end
  end
  os.remove(trace)
  return output, lines, sent
end

describe("a server, a socket and a bound socket", function()
  node.each(function(binary, name, version)
    local expected, wire, each
    lazy_setup(function()
      expected, wire, each = run("parent.js", "child.js", binary, version)
    end)

    it("go both ways with a child in Node as between two of those: " .. name, function()
      local output, _, sent = run("parent.lua", "child.js", binary, version)
      assert.equal(expected, output)
      assert.same(each, sent)
    end)

    it("go both ways with a parent in Node as between two of those: " .. name, function()
      local output, _, sent = run("parent.js", "child.lua", binary, version)
      assert.equal(expected, output)
      assert.same(each, sent)
    end)

    it("go both ways between two of ours, too: " .. name, function()
      local output, _, sent = run("parent.lua", "child.lua", binary, version)
      assert.equal(expected, output)
      assert.same(each, sent)
    end)

    it("are what the page of Node's transcripts says: " .. name, function()
      assert.is_truthy(expected:find("P returns true true false\nP listening true\n", 1, true))
      if has_strace then
        assert.same({
          '{"cmd":"NODE_HANDLE","type":"net.Server","msg":{"what":"server"}}',
          '{"cmd":"NODE_HANDLE_ACK"}',
          '{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"sock","key":"KEY"}',
          '{"cmd":"NODE_HANDLE_ACK"}',
          '{"cmd":"NODE_SOCKET_GET_COUNT","key":"KEY"}',
          '{"cmd":"NODE_SOCKET_COUNT","key":"KEY","count":1}',
          '{"cmd":"NODE_SOCKET_NOTIFY_CLOSE","key":"KEY"}',
          '{"cmd":"NODE_SOCKET_ALL_CLOSED","key":"KEY"}',
        }, table.move(wire, 1, 8, 1, {}))
      end
    end)
  end)
end)

describe("A child in Node that was taken for one of ours, and only listens,", function()
  local before = net_process.execPath
  teardown(function() net_process.execPath = before end)

  node.each(function(binary, name)
    it("refuses what it does not know, and gets all else: " .. name, support.within(function(t)
      net_process.execPath = binary
      local path = t.tmpname(".js")
      local file <close> = assert(io.open(path, "w"))
      file:write('process.on("message", (m) => { console.log(JSON.stringify(m)); '
        .. 'if (m === "behind") process.disconnect(); });\n')
      file:close()
      local kid, told = net_child.fork(path, {}, { silent = true }), {}
      local out = children.gather(kid.stdout)
      kid:send("before")
      kid:send("bytes", nil, { binary = true }, function(err) told[#told + 1] = err.code end)
      kid:send("behind", function(err) told[#told + 1] = err or "sent" end)
      kid:on("close", t.calls(1, function(code) told[#told + 1] = code end))
      t.run()
      assert.equal('"before"\n"behind"\n', out.text)
      assert.same({ "ERR_INVALID_HANDLE_TYPE", "sent", 0 }, told)
    end))
  end)
end)
