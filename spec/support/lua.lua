-- SPDX-License-Identifier: MIT

--- Lua in processes of their own, for what a process does as a whole: its exit
--- code, its streams, signals, its end.
---
---     local result = lua.run({ script = "os.exit(3)" })     -- result.code == 3
---
---     local child = lua.start({ script = "... print('ready') net.run()" })
---     assert.equal("ready", child:read())
---     child:kill("SIGTERM")
---     local result = child:wait()
---
--- No call waits for ever: a child that lives too long is killed. What it ends
--- with is written down by the shell around it, since libev reaps children of
--- the process whose loop it is.

local process = require("net.process")

local M = {}

local MAX_SIGNAL = 64 -- beyond it a status over 128 is a code
local LIFETIME = tonumber(os.getenv("NET_SPEC_GUARD")) or 30 -- seconds

M.command = os.getenv("LUA") or "lua5.4"

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end
M.quote = quote

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- LeakSanitizer says so of a thread that ends amid its check, and goes on without its
--- registers: the kernel shows a thread for a moment after pthread_join(3). That is no leak.
local REMARK = "==%d+==Unable to get registers from thread %d+%.\n?"

--- What a program said, without remarks of the sanitizer that tell of nothing wrong.
---@param text string
---@return string
function M.without_remarks(text)
  return (text:gsub(REMARK, ""))
end

local function take_file(path)
  local file = io.open(path, "rb")
  local text = file and file:read("a") or ""
  if file then
    file:close()
  end
  os.remove(path)
  return text
end

local has_timeout = os.execute("command -v timeout >/dev/null 2>&1")

--- `NAME='value' ... interpreter script arguments`
local function command_line(options, script)
  local words = { "exec", "env" }
  local env = { LUA_PATH = package.path, LUA_CPATH = package.cpath }
  for name, value in pairs(options.env or {}) do
    env[name] = value
  end
  for name, value in pairs(env) do
    words[#words + 1] = name .. "=" .. quote(value)
  end
  if options.program then
    words[#words + 1] = quote(options.program)
  else
    words[#words + 1] = quote(M.command)
    for _, word in ipairs(options.options or {}) do
      words[#words + 1] = quote(word)
    end
    words[#words + 1] = script
  end
  for _, word in ipairs(options.args or {}) do
    words[#words + 1] = quote(word)
  end
  return table.concat(words, " ")
end

--- Writes the script down and returns the shell's line for it, and the names of
--- all files that come of it.
local function prepare(options)
  local base = os.tmpname()
  local files = {
    base = base, script = base .. ".lua", out = base .. ".out", err = base .. ".err",
    status = base .. ".status", input = base .. ".in",
  }
  if options.script then
    write_file(files.script, options.script)
  end
  local line = "echo $$ && " .. command_line(options, options.file or files.script)
  local limit = has_timeout and ("timeout -s KILL %d "):format(options.lifetime or LIFETIME) or ""
  return ("%ssh -c %s <%s 2>%s; echo $? >%s"):format(
    limit, quote(line), quote(files.input), quote(files.err), quote(files.status)), files
end

--- {code, signal, stdout, stderr} of a process that has ended; `signal` is the
--- number of the one that killed it, and then there is no code.
local function result_of(files, stdout)
  local status = tonumber(take_file(files.status))
  os.remove(files.base)
  os.remove(files.script)
  os.remove(files.input)
  local killed = status and status > 128 and status <= 128 + MAX_SIGNAL
  return {
    code = not killed and status or nil,
    signal = killed and status - 128 or nil,
    stdout = stdout,
    stderr = M.without_remarks(take_file(files.err)),
  }
end

local function shell(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read("a")
  return pipe:close(), output
end

--- The compiler's command line as far as programs and modules share it, with the
--- sanitizers that the core was compiled with.
local function compiler()
  local includes = select(2, shell("tools/find-lua.sh cflags")):gsub("\n", " ")
  return ("%s -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror %s %s"):format(
    os.getenv("CC") or "cc", os.getenv("NET_SANITIZE") or "", includes)
end

--- Compiles a C program with Lua in it; nil where there is no Lua library to link with.
---@param source string path
---@param program string path
---@param flags? string further ones
---@return string? program
function M.compile(source, program, flags)
  local version, command = _VERSION:match("%d+%.%d+"), compiler()
  for _, library in ipairs({ "lua" .. version, "lua-" .. version, "lua" .. version:gsub("%.", ""), "lua" }) do
    if shell(("%s %s -o %s %s -l%s -lev -lm -ldl"):format(command, flags or "", quote(program), source, library)) then
      return program
    end
  end
end

--- Compiles a C module that takes sources of the core in; nil where there are no headers of
--- Lua. One that does not compile for another reason raises.
---@param source string path
---@param path string where it goes
---@param libraries? string "-lssl" and the like
---@return string? path
function M.build(source, path, libraries)
  local command = compiler()
  local shared = select(2, shell("uname -s")):find("Darwin") and "-bundle -undefined dynamic_lookup" or "-shared"
  if not shell(("echo '#include <lua.h>' | %s -E -xc -"):format(command)) then
    return nil
  end
  local built, output = shell(("%s %s %s -fPIC -fvisibility=hidden -iquote src -iquote include -o %s %s %s"):format(
    command, os.getenv("CPPFLAGS") or "", shared, quote(path), source, libraries or ""))
  return assert(built and path, output)
end

--- As `build`, and loads it.
---@param source string path
---@param name string as in luaopen_name
---@param libraries? string
---@return table? module
function M.module(source, name, libraries)
  local path = M.build(source, os.tmpname(), libraries)
  if not path then
    return nil
  end
  local open, problem = package.loadlib(path, "luaopen_" .. name)
  os.remove(path)
  return assert(open, problem)()
end

--- Runs a script to its end.
---@param options table script (text) or file (path), or program (a command); args, env, stdin,
---   options (of the interpreter), lifetime (seconds, where the usual is too short)
---@return {code: integer?, signal: integer?, stdout: string, stderr: string}
function M.run(options)
  local line, files = prepare(options)
  write_file(files.input, options.stdin or "")
  local pipe = assert(io.popen(line, "r"))
  local stdout = pipe:read("a")
  pipe:close()
  return result_of(files, (stdout:gsub("^%d+\n", "")))
end

local Child = {}
Child.__index = Child

--- Starts a script, and returns while it runs. Its standard input is a pipe.
---@param options table as for `run`, without stdin
---@return table child `pid`; `read`, `write`, `kill`, `wait`
function M.start(options)
  local line, files = prepare(options)
  assert(os.execute("mkfifo " .. quote(files.input)))
  local out = assert(io.popen(line, "r"))
  local input = assert(io.open(files.input, "w")) -- waits for the child's end
  local pid = math.tointeger(tonumber(out:read("l")))
  return setmetatable({ files = files, out = out, input = input, pid = pid }, Child)
end

--- The next line that the child prints; nil when it has ended.
function Child:read()
  return self.out:read("l")
end

--- Gives the child something to read.
function Child:write(text)
  self.input:write(text)
  self.input:flush()
end

--- Closes the child's standard input.
function Child:finish()
  if self.input then
    self.input:close()
    self.input = nil
  end
end

---@param signal? string|integer
function Child:kill(signal)
  process.kill(self.pid, signal)
end

--- Waits for the end; the result's `stdout` is what has not been read before.
function Child:wait()
  local rest = self.out:read("a")
  self:finish()
  self.out:close()
  return result_of(self.files, rest)
end

return M
