-- SPDX-License-Identifier: MIT

--- The files of this tree, for specs that compare lists with what is there.

local lfs = require("lfs")

local M = {}

--- Iterates over the paths of the files below a folder whose names end so.
---@param folder string
---@param ending string such as ".lua"
---@return fun(): string?
function M.below(folder, ending)
  return coroutine.wrap(function()
    local function walk(path)
      for name in lfs.dir(path) do
        local inner = path .. "/" .. name
        if name:sub(1, 1) == "." then -- itself, what is above, hidden files
          goto continue
        elseif lfs.attributes(inner, "mode") == "directory" then
          walk(inner)
        elseif name:sub(-#ending) == ending then
          coroutine.yield(inner)
        end
        ::continue::
      end
    end
    walk(folder)
  end)
end

--- Iterates over the Lua modules: the name for `require`, and the path.
---@return fun(): string?, string?
function M.modules()
  local next_path = M.below("lua", ".lua")
  return function()
    local path = next_path()
    if path then
      local name = path:match("^lua/(.+)%.lua$"):gsub("/", ".")
      return name == "net.init" and "net" or name, path
    end
  end
end

--- Whether a module is of the rock net-tls.
---@param name string
---@return boolean
function M.is_of_tls(name)
  local public = name:gsub("^net%.internal%.", "net.") .. "."
  return (public:find("^net%.tls%.") or public:find("^net%.luasec%.")) ~= nil
end

return M
