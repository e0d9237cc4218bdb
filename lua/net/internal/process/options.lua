-- SPDX-License-Identifier: MIT

--- net.internal.process.options - the arguments of spawn and fork, checked in Node's order
-- and words.
--
-- Both come down to a plan, a table with all that start.lua needs: nothing has been opened
-- or started when a check raises. What a plan has is at `plan_of`; the entries of `stdio`
-- are stdio.lua's.

local core = require("net.core")
local inspect = require("net.internal.inspect")
local errors = require("net.internal.errors")
local stdio = require("net.internal.process.stdio")
local truthy = require("net.internal.options").truthy
local validate = require("net.internal.validate")

local SAFE_INTEGER = 9007199254740991 -- 2^53 - 1
local LONGEST_LINE = 9007199254740992 -- bytes; 2^53
local SHELL = "/bin/sh"

local signals = core.signals()

local options = {}

-- Arguments

--- What a table in the place of the arguments is: a list, or options.
local function is_options(args)
  local named, listed = false, false
  for key in next, args do
    if type(key) == "string" then
      named = true
    else
      listed = true
    end
  end
  if named and listed then
    errors.raise("ERR_INVALID_ARG_VALUE", 4, "args", args, "must be a list, or options")
  end
  return named
end

--- A copy of a list; raises for one with holes, whatever `#` makes of it.
local function list_of(args, name, level)
  local copy, count, highest = {}, 0, 0
  for key in next, args do
    local is_place = math.type(key) == "integer" and key >= 1
    count, highest = count + 1, math.max(highest, is_place and key or math.huge)
  end
  if count ~= highest then
    errors.raise("ERR_INVALID_ARG_VALUE", level + 1, name, args, "must have no holes")
  end
  for i = 1, count do
    copy[i] = rawget(args, i)
  end
  return copy
end

--- Folds (args, options): a copy of the list, or an empty one, and the options.
local function fold(args, opts, expected)
  if args == nil then
    return {}, opts
  elseif type(args) ~= "table" then
    errors.raise("ERR_INVALID_ARG_TYPE", 4, "args", expected, args)
  elseif is_options(args) then
    return {}, args
  end
  return list_of(args, "args", 4), opts
end

--- A string, or a number as one; without "\0", where the kernel would end it.
local function text_of(value, name)
  if type(value) == "number" then
    return inspect.number(value)
  end
  return validate.string_without_nul(value, name)
end

--- Node counts from 0.
local function check_list(list, name)
  for i = 1, #list do
    list[i] = text_of(list[i], ("%s[%d]"):format(name, i - 1))
  end
end

-- Options

local function optional(check, opts, name)
  if opts[name] ~= nil then
    check(opts[name], "options." .. name)
  end
end

--- An id; numbers alone have a range.
local function check_id(value, name)
  validate.int32(value, name)
end

local function check_shell(value, name)
  if type(value) ~= "boolean" and type(value) ~= "string" then
    errors.raise("ERR_INVALID_ARG_TYPE", 5, name, { "boolean", "string" }, value)
  end
end

--- The number of a signal given by name, in any case, or by number; nil for what is none.
function options.signal_number(signal)
  if type(signal) == "string" then
    return signals[signal:upper()]
  end
  for _, number in next, signals do
    if number == signal then
      return number
    end
  end
end

local function kill_signal(value)
  if value == nil then
    return signals.SIGTERM
  elseif type(value) ~= "string" and type(value) ~= "number" then
    errors.raise("ERR_INVALID_ARG_TYPE", 4, "options.killSignal", { "string", "number" }, value)
  end
  return options.signal_number(value) or errors.raise("ERR_UNKNOWN_SIGNAL", 4, value)
end

local function check_serialization(value)
  if value ~= nil and value ~= "json" then
    errors.raise("ERR_INVALID_ARG_VALUE", 4, "options.serialization", value,
      value == "advanced" and "is V8's own format, and not supported"
      or "must be one of: undefined, 'json', 'advanced'")
  end
end

-- The environment

local function value_of(value, name)
  if type(value) == "boolean" then
    return tostring(value)
  end
  return text_of(value, name)
end

--- The environment as the system wants it, by names in order: that of two runs is the same.
local function environment(env)
  if not truthy(env) then
    return core.child.environ()
  end
  validate.object(env, "options.env")
  local list = {}
  for key, value in next, env do
    if type(key) ~= "string" then
      errors.raise("ERR_INVALID_ARG_TYPE", 4, "options.env", "an object with names as keys", env)
    end
    local name = ("options.env['%s']"):format(key)
    validate.string_without_nul(key, name)
    list[#list + 1] = key .. "=" .. value_of(value, name)
  end
  table.sort(list)
  return list
end

--- The value of a variable in a list of NAME=value; the first counts.
local function variable(list, name)
  for _, entry in ipairs(list) do
    if entry:sub(1, #name + 1) == name .. "=" then
      return entry:sub(#name + 2)
    end
  end
end

--- The files that the kernel is asked for, and whether they come of a search.
local function paths_of(file, env)
  if file:find("/", 1, true) then
    return { file }, false
  end
  local paths = {}
  for folder in ((variable(env, "PATH") or core.child.default_path()) .. ":"):gmatch("([^:]*):") do
    paths[#paths + 1] = folder == "" and file or folder .. "/" .. file
  end
  return paths, true
end

-- Plans

--- Checks what is of the program, with its arguments in `args`, in Node's order.
local function check_options(opts)
  optional(validate.string_without_nul, opts, "cwd")
  optional(validate.boolean, opts, "detached")
  optional(check_id, opts, "uid")
  optional(check_id, opts, "gid")
  optional(check_shell, opts, "shell")
  optional(validate.string_without_nul, opts, "argv0")
  if truthy(opts.shell) and type(opts.shell) == "string" then
    validate.string_without_nul(opts.shell, "options.shell")
  end
end

--- A shell's command line instead of a program and its arguments.
local function apply_shell(file, args, shell)
  if not truthy(shell) then
    return file, args
  end
  local command = table.concat({ file, table.unpack(args) }, " ")
  return shell == true and SHELL or shell, { "-c", command }
end

--- What concerns the life of the child, checked after the rest.
local function check_life(opts, plan)
  if opts.timeout ~= nil then
    plan.timeout = validate.integer(opts.timeout, "timeout", 0, SAFE_INTEGER)
  end
  plan.signal = validate.signal(opts.signal, "options.signal")
  plan.kill_signal = kill_signal(opts.killSignal)
end

local function check_channel(opts, plan)
  check_serialization(opts.serialization)
  if opts.maxMessage ~= nil then
    plan.max_message = validate.integer(opts.maxMessage, "options.maxMessage", 1, LONGEST_LINE)
  end
end

--- The plan of a program: `file`, `args` (from argv[0] on), `env`, `paths`, `searched`,
--- `cwd`, `detached`, `uid`, `gid`, `stdio` (entries) and `ipc` (place), `timeout`,
--- `signal`, `kill_signal`, `max_message`; of a fork `is_lua`, whether it runs what we do.
local function plan_of(file, args, opts)
  check_options(opts)
  file, args = apply_shell(file, args, opts.shell)
  table.insert(args, 1, opts.argv0 or file)
  local env = environment(opts.env)
  local plan = {
    file = file, args = args, env = env, cwd = opts.cwd ~= "" and opts.cwd or nil,
    detached = opts.detached, uid = opts.uid, gid = opts.gid,
  }
  check_life(opts, plan)
  plan.stdio, plan.ipc = stdio.entries(truthy(opts.stdio) and opts.stdio or "pipe")
  check_channel(opts, plan)
  plan.paths, plan.searched = paths_of(file, env)
  return plan
end

local function check_file(file)
  validate.string_without_nul(file, "file")
  if file == "" then
    errors.throw(errors.new("TypeError", "The argument 'file' cannot be empty. Received ''",
      "ERR_INVALID_ARG_VALUE"), 4)
  end
end

--- The plan of child.spawn.
function options.spawn(file, args, opts)
  check_file(file)
  local list, folded = fold(args, opts, "object")
  check_list(list, "args")
  if folded ~= nil then
    validate.object(folded, "options")
  end
  return plan_of(file, list, folded or {})
end

--- The stdio of a fork: the channel is there always.
local function fork_stdio(opts)
  local asked = opts.stdio
  if type(asked) == "string" then
    return stdio.list(asked, "ipc")
  elseif type(asked) ~= "table" then
    return stdio.list(truthy(opts.silent) and "pipe" or "inherit", "ipc")
  elseif not stdio.has_ipc(asked) then
    errors.raise("ERR_CHILD_PROCESS_IPC_REQUIRED", 4, "options.stdio")
  end
  return asked
end

--- Copies the options, which stay the caller's.
local function copy(opts)
  local own = {}
  for key, value in next, opts or {} do
    own[key] = value
  end
  return own
end

--- The plan of child.fork: of `exec_path`, unless the options say another.
function options.fork(script, args, opts, exec_path)
  validate.string_without_nul(script, "modulePath")
  local list, folded = fold(args, opts, "Array")
  if folded ~= nil then
    validate.object(folded, "options")
  end
  local own = copy(folded)
  local file = truthy(own.execPath) and own.execPath or exec_path
  if type(file) == "string" then
    validate.string_without_nul(file, "options.execPath")
  end
  local given = truthy(own.execArgv) and validate.array(own.execArgv, "options.execArgv") or {}
  local all = list_of(given, "options.execArgv", 3)
  check_list(all, "options.execArgv")
  all[#all + 1] = script
  table.move(list, 1, #list, #all + 1, all)
  own.stdio = fork_stdio(own)
  own.shell = nil
  check_file(file)
  check_list(all, "args")
  local plan = plan_of(file, all, own)
  plan.is_lua = not truthy(own.execPath)
  return plan
end

return options
