-- SPDX-License-Identifier: MIT

--- net.internal.process.own - the channel of this process to the one that started it.
--
-- Loaded with the core, and only where the environment tells of a channel (NODE_CHANNEL_FD),
-- as Node opens its before it runs the script: the parent may have written already, and has
-- to hear of our end by this end of the channel alone. The variables are gone by then, in C
-- (src/process/inherited.c), so that no child of ours takes them for its own.
--
-- `process` gets send, disconnect, channel and connected, "message" and "disconnect". A
-- parent that is this library, as LUANET_CHANNEL tells, is greeted; a worker of a cluster
-- begins (NODE_UNIQUE_ID).

local core = require("net.core")
local channel = require("net.internal.process.channel")
local errors = require("net.internal.errors")
local process = require("net.process")

local VERSION = 1 -- of what we add to Node's protocol

local own = {}

--- The socket of the parent's, or an error.
local function adopt(text)
  local number = text:find("^%d+$") and math.tointeger(tonumber(text))
  local is_socket = number and number < 2 ^ 31 and core.inherited.is_unix(number)
  local descriptor = is_socket and core.descriptor.adopt(number)
  if not descriptor then
    errors.raise("ERR_INVALID_ARG_VALUE", 3, "NODE_CHANNEL_FD", text,
      "must be the number of an open Unix stream socket")
  end
  return descriptor
end

--- Whether the parent is this library: it has told which socket it means.
local function is_lua(text, descriptor)
  local version, inode = (text or ""):match("^(%d+):(%d+)$")
  return version and tonumber(version) >= VERSION
    and inode == core.child.inode(descriptor)
end

local function open(variables)
  if variables.mode and variables.mode ~= "json" then
    io.stderr:write(("net: this process was started with serialization '%s', which only Node has; "
      .. "use 'json'\n"):format(variables.mode))
    os.exit(1)
  end
  local descriptor = adopt(variables.channel)
  own.is_lua = is_lua(variables.luanet, descriptor)
  local c = channel.attach(process, descriptor, { is_own = true })
  own.channel = c
  local methods, getters = core.Process.methods, core.Process.getters
  methods.send = core.channel.sender(c.native)
  function methods.disconnect() c:disconnect() end
  function getters.channel() return c.isOpen and c.native or nil end
  function getters.connected() return c.connected end
  c.is_ours = own.is_lua
  if own.is_lua then
    core.channel.write(c.native, ('{"cmd":"NODE_LUANET","v":%d}\n'):format(VERSION), nil, true)
  end
  if variables.id then
    own.worker_id = math.tointeger(tonumber(variables.id))
    require("net.internal.cluster.worker").start(c, own.worker_id)
  end
end

local found = core.inherited.take()
if found then
  open(found)
end

return own
