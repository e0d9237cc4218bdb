-- SPDX-License-Identifier: MIT

--- Messages between this library and real Nodes, in each seat: what parent and child print
--- is what two Nodes print.

local lua = require("spec.support.process")
local node = require("spec.support.node")

local FOLDER = "spec/peers/channel/"
local LUA = os.getenv("LUA") or "lua5.4"

local SCENARIOS = { "values", "order", "answers", "big", "nothing", "exit", "own", "late", "disconnect", "early",
  "killed", "raises" }

--- Node writes each message by itself: how many of them a child reads at once, and hence whether
--- ticks come between, is the system's. The same text with the ticks behind all messages.
local function ticks_last(text)
  local ticks = {}
  text = text:gsub("C tick of (%d)\n", function(i)
    ticks[#ticks + 1] = i
    assert(text:find("C message " .. i .. "\n.*C tick of " .. i), text)
    return ""
  end)
  return (text:gsub("C message 3\n", "%0C tick of " .. table.concat(ticks, "\nC tick of ") .. "\n"))
end

--- The text that a pair of programs prints. As the child's end and that of its channel are
--- two descriptors to the parent, also Node tells now the one first and now the other.
local function run(parent, child, binary, scenario)
  local script = FOLDER .. "child." .. child
  local exec_path = child == "js" and binary or LUA
  local command = parent == "js" and node.command(binary, FOLDER .. "parent.js", script, exec_path, scenario)
    or lua.lua(FOLDER .. "parent.lua", script, exec_path, scenario)
  local output, code = lua.run(command)
  if parent == "js" and scenario == "order" then
    output = ticks_last(output)
  end
  local exit = output:match("P exit [^\n]*\n") or ""
  local others = output:gsub("P exit [^\n]*\n", "")
  return ("%s%s%d\n"):format(others, exit, code)
end

describe("Messages of another process", function()
  node.each(function(binary, name)
    for _, scenario in ipairs(SCENARIOS) do
      it(("are as with two of it, with %s: %s"):format(name, scenario), function()
        local expected = run("js", "js", binary, scenario)
        assert.equal(expected, run("js", "lua", binary, scenario))
        assert.equal(expected, run("lua", "js", binary, scenario))
        assert.equal(expected, run("lua", "lua", binary, scenario))
      end)
    end
  end)
end)
