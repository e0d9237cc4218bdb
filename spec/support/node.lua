-- SPDX-License-Identifier: MIT

--- Real Nodes, for the specs of spec/peers: those that tools/peers.sh has found.
---
---     node.each(function(binary, name)
---       it("does what it says, with " .. name, function() ... binary ... end)
---     end)

local busted = require("busted")
local process = require("spec.support.process")

local M = {}

--- Their paths: "Node 20" and "Node 26" -> path, or nil where there is none.
M.binaries = {
  ["Node 20"] = os.getenv("PEER_NODE20"),
  ["Node 26"] = os.getenv("PEER_NODE26"),
}

--- Calls `define(binary, name, version)` for each Node there is; for each that is not, a
--- pending spec says so.
---@param define fun(binary: string, name: string, version: integer)
function M.each(define)
  for _, version in ipairs({ 20, 26 }) do
    local name = "Node " .. version
    if M.binaries[name] then
      define(M.binaries[name], name, version)
    else
      busted.pending(name .. " is not here", function() end)
    end
  end
end

--- Writes a script of JavaScript, whose file goes with the spec.
---@param t table of `within`
---@param text string
---@return string path
function M.script(t, text)
  local path = t.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  return path
end

--- The command that runs a script with that Node, without its warnings, in this tree's
--- settings: a Lua child that it starts finds the library.
---@param binary string
---@param script string path
---@param ... string|number arguments
---@return string command for the shell
function M.command(binary, script, ...)
  local words = { "env", "LUA_PATH=" .. process.quote(package.path),
    "LUA_CPATH=" .. process.quote(package.cpath), process.quote(binary), "--no-warnings",
    process.quote(script) }
  for i = 1, select("#", ...) do
    words[#words + 1] = process.quote((select(i, ...)))
  end
  return table.concat(words, " ")
end

return M
