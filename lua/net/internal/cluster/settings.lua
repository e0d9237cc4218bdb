-- SPDX-License-Identifier: MIT

--- net.internal.cluster.settings - what setupPrimary says, a worker that is started by it,
-- and the scheduling policy.

local core = require("net.core")
local lazy = require("net.internal.lazy")

local errors = lazy.module("net.internal.errors")
local options = lazy.module("net.internal.process.options")
local process = lazy.module("net.process")
local validate = lazy.module("net.internal.validate")

local POLICIES = { none = 1, rr = 2, least = 3 }
local LONGEST_LINE = 2 ^ 53 -- bytes, see net.internal.process.options
local RESPAWN = { max = 5, within = 60000, delay = 100 }

local settings = {}

-- The policy

--- SCHED_NONE, SCHED_RR or SCHED_LEAST, as the environment says; SCHED_RR if it does not.
---@return integer
function settings.default_policy()
  return POLICIES[os.getenv("NODE_CLUSTER_SCHED_POLICY")] or POLICIES.rr
end

--- The policy that counts from here on.
---@return integer
function settings.check_policy(policy)
  for _, known in pairs(POLICIES) do
    if policy == known then
      return known
    end
  end
  errors.raise("ERR_INVALID_ARG_VALUE", 4, "cluster.schedulingPolicy", policy)
end

-- Settings

local function absolute(path)
  local cwd = path:sub(1, 1) ~= "/" and core.cwd()
  return cwd and cwd .. "/" .. path or path
end

--- The program's own script, as an absolute path; nil where it has none, as by -e. What
--- ran the script stands before it in `arg`.
local function own_script()
  local arg = _G.arg
  local before = type(arg) == "table" and arg[-1]
  if before and before ~= "-e" and type(arg[0]) == "string" and arg[0] ~= "-" then
    return absolute(arg[0])
  end
end

local function own_arguments()
  local arg = _G.arg
  return type(arg) == "table" and table.move(arg, 1, #arg, 1, {}) or {}
end

--- The settings of a program that has said nothing.
local function defaults()
  return { exec = own_script(), args = own_arguments(), execArgv = {}, silent = false }
end

--- Of the settings that Node does not have; what Node has is checked by fork, as there.
function settings.check_max_message(value)
  if value ~= nil then
    validate.integer(value, "settings.maxMessage", 1, LONGEST_LINE)
  end
end

local function number(value, name, default)
  if value == nil then
    return default
  end
  return validate.number(value, name, 0)
end

--- The settings of respawn, with its defaults; nil where nobody is to be forked again.
---@return table?
function settings.respawn(given)
  if given == nil or given == false then
    return nil
  elseif given == true then
    return RESPAWN
  end
  validate.object(given, "settings.respawn")
  local respawn = {}
  for name, default in pairs(RESPAWN) do
    respawn[name] = number(given[name], "settings.respawn." .. name, default)
  end
  return respawn
end

--- New settings: what `given` says over what was set before, over the defaults.
---@param before table?
---@param given table?
---@return table
function settings.merge(before, given)
  local merged = before and next(before) and {} or defaults()
  for _, source in ipairs({ before or {}, given or {} }) do
    for name, value in pairs(source) do
      merged[name] = value
    end
  end
  return merged
end

-- Workers

--- What a worker's environment has beside the primary's own.
local function environment(env, id)
  local merged = process.env
  for name, value in pairs(env or {}) do
    merged[name] = value
  end
  merged.NODE_UNIQUE_ID = tostring(id)
  return merged
end

--- Starts a worker's process; `follow`: see net.internal.process.start.
---@param now table the settings
---@param id integer
---@param env table?
---@param follow fun(kid: net.ChildProcess)
function settings.start(now, id, env, follow)
  if now.exec == nil then
    errors.raise("ERR_INVALID_ARG_VALUE", 4, "settings.exec", now.exec)
  end
  local plan = options.fork(now.exec, now.args, {
    cwd = now.cwd, env = environment(env, id), execArgv = now.execArgv, execPath = now.execPath,
    silent = now.silent, stdio = now.stdio, uid = now.uid, gid = now.gid,
    serialization = now.serialization, maxMessage = now.maxMessage,
  }, process.execPath)
  require("net.internal.process.start")(plan, follow)
end

return settings
