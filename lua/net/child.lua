-- SPDX-License-Identifier: MIT

--- net.child - other processes: Node's `child_process`.
--
--     local kid = child.spawn("cat")
--     kid.stdout:on("data", print)
--     kid.stdin:finish("hello")
--
-- The functions of the module are here; what they make of their arguments is in
-- lua/net/internal/process, and what starts a process and hears of its end in
-- src/process.

local core = require("net.core")
local options = require("net.internal.process.options")
local process = require("net.process")
local start = require("net.internal.process.start")

local child = {}

--- Starts a program.
---
---     spawn(file [, args] [, options])
---@param file string looked for in the PATH of the given environment, unless it has a "/"
---@param args? string[]|net.SpawnOptions
---@param opts? net.SpawnOptions
---@return net.ChildProcess
function child.spawn(file, args, opts)
  return start(options.spawn(file, args, opts))
end

--- Starts a Lua script in a process of its own, with a channel for messages.
---
---     fork(script [, args] [, options])
---@param script string
---@param args? string[]|net.ForkOptions
---@param opts? net.ForkOptions
---@return net.ChildProcess
function child.fork(script, args, opts)
  return start(options.fork(script, args, opts, process.execPath))
end

--- Starts a script that is to serve in the place of this program, with its servers' sockets.
---
---     replace(script [, args], options [, callback])
---@param script string
---@param args? string[]|net.ReplaceOptions
---@param opts? net.ReplaceOptions
---@param callback? fun(err?: net.Error, kid?: net.ChildProcess, cut?: integer)
---@return net.ChildProcess
function child.replace(script, args, opts, callback)
  return require("net.internal.process.replace")(script, args, opts, callback)
end

--- Whether a value is a child process of this module.
---@type fun(v: any): boolean
child.isChildProcess = core.child.is

--- JSON's null in a message: where it came in an array, or as the whole message. A true
--- value of its own.
child.null = core.json.null

--- Marks a table, so that it is an array in a message although it is empty. Those in
--- messages that came are marked.
---
--- Raises ERR_INVALID_ARG_TYPE for what is no table, ERR_INVALID_ARG_VALUE for one that
--- has a metatable.
---@type fun(list: table): table
child.array = core.json.array

return child
