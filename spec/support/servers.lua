-- SPDX-License-Identifier: MIT

--- What the specs of net.Server share: files that servers leave and remove, and
--- programs of a few lines that run in a process of their own.

local net = require("net")

local M = {}

--- Runs the loop until `holds()` does. Ticks alone may bring that about, hence
--- the pass that does not wait.
function M.wait(holds)
  while not holds() do
    net.run("nowait")
    if not holds() and not net.run("once") and not holds() then
      error("the loop has run empty, and what was waited for is not there", 2)
    end
  end
end

--- Runs the loop until `emitter` says `event`.
function M.wait_for(emitter, event)
  local said = false
  emitter:once(event, function() said = true end)
  M.wait(function() return said end)
end

--- What `ls` says of a file: "srw-rw-rw-"; nil where there is none.
---@param path string
---@return string?
function M.mode(path)
  local ls = assert(io.popen("ls -ld '" .. path .. "' 2>/dev/null"))
  local mode = ls:read("a"):match("^%S+")
  ls:close()
  return mode
end

--- Makes a regular file.
function M.touch(path)
  assert(io.open(path, "w")):close()
  return path
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Runs a Lua program in a new process, whose standard output comes back.
---@param program string
---@param setup? string shell commands that come before, such as "ulimit -n 40"
---@param prefix? string a command that runs the interpreter
---@return string output
---@return integer code the exit code
function M.child(program, setup, prefix)
  local file = os.tmpname()
  local script = assert(io.open(file, "w"))
  script:write(program)
  script:close()
  local command = ("%s LUA_PATH=%s LUA_CPATH=%s exec %s %s %s"):format(
    setup and setup .. ";" or "", quote(package.path), quote(package.cpath), prefix or "",
    quote(os.getenv("LUA") or "lua5.4"), file)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read("a")
  local _, _, code = pipe:close()
  os.remove(file)
  return output, code
end

return M
