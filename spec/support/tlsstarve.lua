-- SPDX-License-Identifier: MIT

--- Scripts in which Lua, OpenSSL or the C code between them runs out of memory: see tlsstarve.c.
---
---     local program <close> = tlsstarve.compile()        -- nil: no Lua library to link with
---     local result = program:run(script, "openssl", "once")
---
--- In the script `try(fn)` calls a function in want of memory, after it was called once with enough,
--- and gives what it has raised but for a want of memory; `read(path)` is a file's text.

local certificates = require("spec.support.certificates")
local lua = require("spec.support.lua")

local M = {}

local LIFETIME = 300 -- seconds; of which a few are computed

local HEAD = [[
local core, tls = require("net.tls.core"), require("net.tls")
local function read(path)
  local file <close> = io.open(path)
  return file:read("a")
end
local function is_no_memory(err) -- OpenSSL may say anything
  return err == "not enough memory" or type(err) == "table"
end
local function try(fn)
  fn()
  collectgarbage()
  starve(true)
  local ok, err = pcall(fn)
  starve(false)
  return not ok and not is_no_memory(err) and err or nil
end
]]

local Program = {}
Program.__index = Program

function Program:__close()
  os.remove(self.path)
end

--- Runs the script again and again, while `who` has no memory from one request on, or for one.
---@param script string
---@param who "lua"|"openssl"|"ours"
---@param once? "once"
---@param env? table<string, string> variables of its environment
---@return table result of lua.run
function Program:run(script, who, once, env)
  local path = certificates.write("lua", HEAD .. script)
  return lua.run({ program = self.path, args = { path, who, once }, lifetime = LIFETIME, env = env })
end

function M.compile()
  local path = os.tmpname()
  if lua.compile("spec/support/tlsstarve.c", path, "-Wl,--no-as-needed -lcrypto") then
    return setmetatable({ path = path }, Program)
  end
  os.remove(path)
end

return M
