-- SPDX-License-Identifier: MIT

--- examples/node_front.js, run as a person runs it: a server in Node, workers in Lua.

local lfs = require("lfs")
local net = require("net")
local node = require("spec.support.node")
local process = require("spec.support.process")
local net_process = require("net.process")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local LUANET = lfs.currentdir() .. "/bin/luanet"

--- Connects, and collects the lines that come.
local function visitor(port)
  local socket, lines, rest = net.connect(port, "127.0.0.1"), {}, ""
  socket:on("data", function(data)
    rest = (rest .. data):gsub("([^\n]*)\n", function(line)
      lines[#lines + 1] = line
      return ""
    end)
  end)
  socket:on("error", function() end)
  return socket, lines
end

--- Ends connections; a blocking read of the program's output comes behind that.
local function finish(...)
  for _, socket in ipairs({ ... }) do
    socket:finish()
    sockets.wait(function() return socket.destroyed end)
  end
end

--- Waits until so many lines are there.
local function lines_of(lines, count)
  sockets.wait(function() return #lines >= count end)
  return lines[count]
end

describe("examples/node_front.js", function()
  node.each(function(binary, name)
    local function start(t)
      local program = process.spawn("env LUANET=" .. process.quote(LUANET) .. " "
        .. node.command(binary, "examples/node_front.js", 0, 2))
      t.finally(function() program:kill() end)
      return program, tonumber(program:line():match("^listening on port (%d+)$"))
    end

    it("has its connections served by Lua, in turn: " .. name, within(function(t)
      local program, port = start(t)
      local one, its_lines = visitor(port)
      assert.matches("^hello .*127.0.0.1:%d+, you are number 1$", lines_of(its_lines, 1))
      local other, other_lines = visitor(port)
      assert.matches("you are number 2$", lines_of(other_lines, 1))
      one:write("abc\r\nwho\n")
      other:write("who\n")
      assert.equal("ABC", lines_of(its_lines, 2))
      local first, second = lines_of(its_lines, 3), lines_of(other_lines, 2)
      assert.matches("^process %d+, in Lua$", first)
      assert.not_equal(first, second)
      program:signal("TERM")
      assert.equal("2 connections are open", program:line())
      one:write("still here\n")
      assert.equal("STILL HERE", lines_of(its_lines, 4))
      finish(one, other)
      assert.same({ "", 0 }, { program:finish() })
    end))

    it("goes on when a worker is killed: " .. name, within(function(t)
      local program, port = start(t)
      local one, its_lines = visitor(port)
      one:write("who\n")
      local pid = lines_of(its_lines, 2):match("%d+")
      net_process.kill(tonumber(pid), "SIGKILL")
      sockets.wait(function() return one.destroyed end)
      assert.equal(("worker %s has ended (SIGKILL), here is another"):format(pid), program:line())
      for _ = 1, 2 do
        local socket, lines = visitor(port)
        socket:write("again\n")
        assert.equal("AGAIN", lines_of(lines, 2))
        finish(socket)
      end
      program:signal("INT")
      program:line()
      assert.same({ "", 0 }, { program:finish() })
    end))
  end)
end)
