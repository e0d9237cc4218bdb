-- SPDX-License-Identifier: MIT

--- A case that two sides play, each of them a Node or ours: all four ways tell the same.
---
---     local sides = { Node = nodesides.of(NODE, SCRIPT, words), ours = { server = ..., client = ... } }
---     nodesides.compare(t, sides, version, case)
---
--- `server(t, version, case)` gives a port, and a function that gives its log in the end;
--- `client(t, version, case, port)` the latter.

local assert = require("luassert")
local child = require("net.child")
local json = require("net.core").json
local node = require("spec.support.node")
local process = require("spec.support.process")

local M = {}

--- Both sides by a script of JavaScript, of which each prints its log as a line of JSON in the end,
--- and a server "port N" before. Its arguments are the side, the version, and `words(case, port)`,
--- of which the port is 0 for a server.
---@param binary string of Node
---@param script string
---@param words fun(case, port: integer): string|number ...
function M.of(binary, script, words)
  local sides = {}
  function sides.server(t, version, case)
    local p = process.spawn(node.command(binary, node.script(t, script), "server", version, words(case, 0)))
    t.finally(function() p:kill() end)
    return tonumber(p:expect("^port (%d+)$")), function() return json.decode((p:finish())) end
  end
  function sides.client(t, version, case, port)
    local text = ""
    local kid = child.spawn(binary, { "--no-warnings", node.script(t, script), "client", version,
      words(case, port) }, { stdio = { "ignore", "pipe", "inherit" } })
    kid.stdout:setEncoding("utf8")
    kid.stdout:on("data", function(more) text = text .. more end)
    kid:on("close", t.calls(1))
    return function() return json.decode(text) end
  end
  return sides
end

--- What both tell.
local function meet(t, sides, version, case, client, server)
  local port, of_server = sides[server].server(t, version, case)
  local of_client = sides[client].client(t, version, case, port)
  t.run()
  return { client = of_client(), server = of_server() }
end

--- Is it as between two Nodes, with ours on either side, and on both? `plain(log)` takes out of both
--- logs, before they are compared, what may differ.
---@param plain? fun(log: string[])
function M.compare(t, sides, version, case, plain)
  local theirs
  for _, who in ipairs({ { "Node", "Node" }, { "Node", "ours" }, { "ours", "Node" }, { "ours", "ours" } }) do
    local told = meet(t, sides, version, case, who[1], who[2])
    if plain then
      plain(told.client)
      plain(told.server)
    end
    theirs = theirs or told
    assert.same(theirs, told)
  end
end

return M
