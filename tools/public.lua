-- SPDX-License-Identifier: MIT

--- tools.public - what the module shows a program, found by reflection.
--
-- A name is public if it does not begin with "_" and can be reached from
-- require("net"): the tables of the module, and the objects that they make, of
-- each of which one is made here. Found names are compared with lua/net/meta.lua,
-- whose classes have the names that `owners` uses.

local core = require("net.core")
local meta = require("tools.meta")
local net = require("net")
local options = require("net.internal.options")

local METHODS, GETTERS = 1, 2 -- upvalues of an object's __index, src/loop/object.c
local UV_FIELDS = 2 -- user value with an object's own fields, src/loop/object.h

local M = {}

-- One object of each class

local function nothing() end

local function socket()
  local it = net.Socket({ blockList = net.BlockList() })
  return it:setTimeout(1):setTimeout(0) -- gives it the field `timeout`
end

local function server()
  local it = net.createServer({ blockList = net.BlockList() })
  it.maxConnections, it.dropMaxConnection = 1, true
  return it
end

local function bound_socket()
  local it = net.BoundSocket({ host = "127.0.0.1" })
  it:close()
  return it
end

local function timeout()
  local it = net.timers.setTimeout(nothing)
  net.timers.clearTimeout(it)
  return it
end

local function immediate()
  local it = net.timers.setImmediate(nothing)
  net.timers.clearImmediate(it)
  return it
end

local function lookup(name)
  local it = net.dns.lookup(name, nothing)
  it:cancel()
  return it
end

local function lookup_of_name()
  return lookup("localhost")
end

local function lookup_of_address()
  return lookup("::1")
end

local function signal()
  local it = net.abort.AbortSignal.abort("why")
  it.onabort = nothing
  return it
end

--- One that could not be started, with pipes.
local function child_process()
  local it = net.child.spawn("/nonexistent")
  it:on("error", nothing)
  net.run()
  return it
end

--- One that is closed.
local function channel()
  local one = core.descriptor.pair()
  local it = require("net.internal.process.channel").attach(net.events.EventEmitter(), one).native
  core.channel.shut(it)
  return it
end

--- One whose process could not be started.
local function worker()
  net.cluster.setupPrimary({ exec = "nothing", execPath = "/nonexistent" })
  local it = net.cluster.fork()
  it:on("error", nothing)
  net.run()
  return it
end

local function composite()
  return net.abort.AbortSignal.any({ net.abort.AbortController().signal })
end

local function task()
  return net.co.spawn(nothing)
end

local function group()
  return net.co.run(net.co.group, function(it) return it end)
end

local function held()
  return net.co.run(function() return net.co.semaphore():acquire() end)
end

local MAKE = {
  ["net.Server"] = { server }, ["net.Socket"] = { socket },
  ["net.BlockList"] = { net.BlockList }, ["net.SocketAddress"] = { net.SocketAddress },
  ["net.BoundSocket"] = { bound_socket }, ["net.EventEmitter"] = { net.events.EventEmitter },
  ["net.Timeout"] = { timeout }, ["net.Immediate"] = { immediate },
  ["net.LookupRequest"] = { lookup_of_name, lookup_of_address },
  ["net.ChildProcess"] = { child_process }, ["net.Channel"] = { channel },
  ["net.Worker"] = { worker },
  ["net.Task"] = { task }, ["net.Group"] = { group }, ["net.Queue"] = { net.co.queue },
  ["net.Semaphore"] = { net.co.semaphore }, ["net.Held"] = { held },
  ["net.LuaSocket"] = { net.luasocket.tcp },
  ["net.AbortController"] = { net.abort.AbortController },
  ["net.AbortSignal"] = { signal, composite },
}

--- What `process` has only where it was started with a channel.
local OF_A_CHILD = { send = "function", disconnect = "function", channel = "field" }

local TABLES = {
  net = net, ["net.events"] = net.events, ["net.timers"] = net.timers, ["net.dns"] = net.dns,
  ["net.abort"] = net.abort, ["net.child"] = net.child,
  ["net.cluster"] = net.cluster, ["net.co"] = net.co,
  ["net.luasocket"] = net.luasocket, ["net.LuaSocketUnixClass"] = net.luasocket.unix,
  ["net.ServerClass"] = net.Server, ["net.SocketClass"] = net.Socket,
  ["net.BlockListClass"] = net.BlockList, ["net.SocketAddressClass"] = net.SocketAddress,
  ["net.BoundSocketClass"] = net.BoundSocket, ["net.EventEmitterClass"] = net.events.EventEmitter,
  ["net.AbortControllerClass"] = net.abort.AbortController,
  ["net.AbortSignalClass"] = net.abort.AbortSignal, ["net.ErrorClass"] = net.Error,
}

--- Classes of net.tls and net.luasec, which are not there without OpenSSL.
local OPTIONAL = { ["net.tls"] = true, ["net.tls.co"] = true, ["net.tls.Server"] = true,
  ["net.tls.TLSSocket"] = true, ["net.luasec"] = true, ["net.LuaSecConnection"] = true }
local has_tls, tls = pcall(require, "net.tls")
if has_tls then
  local luasec = require("net.luasec")
  TABLES["net.tls"], TABLES["net.tls.co"], TABLES["net.luasec"] = tls, tls.co, luasec
  MAKE["net.tls.Server"] = { tls.createServer }
  MAKE["net.tls.TLSSocket"] = { tls.TLSSocket }
  MAKE["net.LuaSecConnection"] = { function()
    return (assert(luasec.wrap(net.luasocket.tcp(), { mode = "client", protocol = "any" })))
  end }
end

-- Members

local function is_public(name)
  return type(name) == "string" and not name:find("^_")
end

local function kind_of(value)
  local mt = type(value) == "table" and getmetatable(value)
  return type(value) == "function" and "function" or mt and mt.__call and "class" or "field"
end

--- Adds the public keys of a table; of one kind, if it is given.
local function add(members, from, kind)
  for name, value in pairs(from or {}) do
    if is_public(name) then
      members[name] = kind or kind_of(value)
    end
  end
end

--- Adds what a table's metatable gives to it, if that is a class in Lua.
local function add_class(members, object)
  local class = getmetatable(object)
  add(members, class)
  class = type(class.__index) == "table" and class.__index
  add(members, class)
end

local function add_object(members, object)
  if type(object) == "table" then
    add(members, object, "field")
    add_class(members, object)
    return
  end
  local index = getmetatable(object).__index
  if type(index) == "table" then
    add(members, index)
    return
  end
  add(members, (select(2, debug.getupvalue(index, METHODS))))
  add(members, (select(2, debug.getupvalue(index, GETTERS))), "field")
  add(members, (debug.getuservalue(object, UV_FIELDS)), "field")
end

--- The public names of the module.
---@return table owners class -> { members = name -> kind, objects = what was looked at }
function M.owners()
  local owners = {}
  for class, value in pairs(TABLES) do
    owners[class] = { members = {}, objects = { value } }
    add(owners[class].members, value)
  end
  owners["net.process"] = { members = {}, objects = { net.process } }
  for name, kind in pairs(OF_A_CHILD) do
    owners["net.process"].members[name] = kind
  end
  owners["net.cluster"].members.worker = "field" -- in a worker
  for class, makers in pairs(MAKE) do
    owners[class] = { members = {}, objects = {} }
    for i, make in ipairs(makers) do
      owners[class].objects[i] = make()
    end
  end
  for class, owner in pairs(owners) do
    for _, object in ipairs(TABLES[class] and {} or owner.objects) do
      add_object(owner.members, object)
    end
  end
  return owners
end

--- The classes of the core that `owners` does not know.
---@return string[]
function M.strangers()
  local known, strangers = {}, {}
  for _, owner in pairs(M.owners()) do
    known[debug.getmetatable(owner.objects[1]) or false] = true -- getmetatable gives a copy of some
  end
  for name, class in pairs(core) do
    local is_class = type(class) == "table" and class.metatable
    if is_class and not known[class.metatable] then
      strangers[#strangers + 1] = name
    end
  end
  return strangers
end

-- Comparing

local function sorted(list)
  table.sort(list)
  return list
end

--- Public names that lua/net/meta.lua does not have, or has as something else.
---@return string[]
function M.undocumented(model)
  local list = {}
  for class, owner in pairs(M.owners()) do
    for name, kind in pairs(owner.members) do
      local known = model.classes[class] and meta.member(model, class, name)
      if not known then
        list[#list + 1] = ("%s.%s is not in lua/net/meta.lua"):format(class, name)
      elseif known ~= kind then
        list[#list + 1] = ("%s.%s is a %s, and a %s in lua/net/meta.lua"):format(class, name,
          kind, known)
      end
    end
  end
  return sorted(list)
end

--- Whether any of the objects has a member, though it may be computed, or nil.
local function has(owner, name)
  if owner.members[name] then
    return true
  end
  for _, object in ipairs(owner.objects) do
    if object[name] ~= nil then
      return true
    end
  end
  return false
end

--- Names of lua/net/meta.lua that the module does not have.
---@return string[]
function M.missing(model)
  local owners, list = M.owners(), {}
  for name, class in pairs(model.classes) do
    local owner = owners[name]
    if not owner and class.kind == "class" and not (OPTIONAL[name] and not has_tls) then
      list[#list + 1] = name
    end
    for member in pairs(owner and class.members or {}) do
      list[#list + 1] = not has(owner, member) and name .. "." .. member or nil
    end
  end
  for i, name in ipairs(list) do
    list[i] = name .. " is in lua/net/meta.lua, and not in the module"
  end
  return sorted(list)
end

-- Options

local SECTIONS = { server = "net.ServerOptions", listen = "net.ListenOptions" }

--- The names that only one of two sets has, in the list.
local function tell_missing(list, names, others, text)
  for name in pairs(names) do
    if not others[name] then
      list[#list + 1] = text:format(name)
    end
  end
end

--- Where lua/net/internal/options.lua and lua/net/meta.lua have not the same options.
---@return string[]
function M.options(model)
  local list = {}
  for section, class in pairs(SECTIONS) do
    local read, documented = {}, {}
    for i = 1, #options[section], 2 do
      read[options[section][i]] = true
    end
    for _, field in ipairs(model.classes[class].fields) do
      documented[field.name] = true
    end
    tell_missing(list, read, documented, class .. ".%s is in lua/net/internal/options.lua only")
    tell_missing(list, documented, read, class .. ".%s is in lua/net/meta.lua only")
  end
  return sorted(list)
end

return M
