-- SPDX-License-Identifier: MIT

--- Clusters for the specs: a script that is primary and worker, run by luanet in
--- processes of their own, with the lines that all of them print.
---
---     local lines = cluster.run(t, [[
---       if cluster.isPrimary then cluster.fork() else process.exit(3) end
---     ]])
---
--- The script begins with `cluster`, `net`, `process`, `timers`, `core`, and `say(...)`, which
--- prints a line. What it leaves on stderr fails the spec.

local child = require("net.child")
local lua = require("spec.support.lua")
local lfs = require("lfs")
local process = require("net.process")

local M = {}

--- What starts a script by luanet, in this tree.
M.luanet = lfs.currentdir() .. "/bin/luanet"

local PRELUDE = [[
local core, net, timers = require("net.core"), require("net"), require("net.timers")
local process, cluster = require("net.process"), require("net.cluster")
process.execPath = os.getenv("SPEC_LUANET")
io.stdout:setvbuf("full")
local function say(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  io.stdout:write(table.concat(words, " "), "\n")
  io.stdout:flush()
end
]]

--- Writes a script down, with its beginning in the same line so that errors tell the right
--- one; it goes with the spec.
---@param t table of `within`
---@param text string
---@return string path
function M.script(t, text)
  local path = t.tmpname(".lua")
  local file <close> = assert(io.open(path, "w"))
  file:write((PRELUDE:gsub("\n", " ")), text)
  return path
end

local function options_of(path, options)
  local env = { SPEC_LUANET = M.luanet }
  for name, value in pairs(options and options.env or {}) do
    env[name] = value
  end
  return { program = M.luanet, args = { path, table.unpack(options and options.args or {}) }, env = env }
end

--- Runs a cluster to its end.
---@param t table of `within`
---@param text string
---@param options? {env: table, args: table, stderr: boolean}
---@return string[] lines
---@return table result as of spec.support.lua
function M.run(t, text, options)
  local result = lua.run(options_of(M.script(t, text), options))
  if not (options and options.stderr) and result.stderr ~= "" then
    error("the cluster says: " .. result.stderr .. "\nafter: " .. result.stdout, 2)
  end
  local lines = {}
  for line in result.stdout:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  return lines, result
end

--- Starts a cluster, as lua.start does.
---@param t table of `within`
---@param text string
---@param options? table
---@return table child
function M.start(t, text, options)
  return lua.start(options_of(M.script(t, text), options))
end

--- Runs a cluster in a directory, or with descriptors, of the spec's choice.
---@param t table of `within`
---@param text string
---@param options table of child.spawn; its stdout and env are set here
---@return string[] lines
function M.spawn(t, text, options)
  local env = process.env
  env.SPEC_LUANET, env.LUA_PATH, env.LUA_CPATH = M.luanet, package.path, package.cpath
  options.env = env
  options.stdio = { "ignore", "pipe", "inherit", table.unpack(options.stdio or {}) }
  local output = {}
  local program = child.spawn(M.luanet, { M.script(t, text) }, options)
  program.stdout:on("data", function(data) output[#output + 1] = data end)
  program:on("close", t.calls(1))
  t.run()
  local lines = {}
  for line in table.concat(output):gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  return lines
end

return M
