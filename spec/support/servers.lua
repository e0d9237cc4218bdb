--- What the specs of net.Server share: files that servers leave and remove, and
--- programs of a few lines that run in a process of their own.

local M = {}

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
