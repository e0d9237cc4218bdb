-- SPDX-License-Identifier: MIT

--- net.luasocket - LuaSocket's API over the loop: what is written for it runs in tasks.
--
-- A program that wants its libraries to use it says, before it loads them,
--
--     package.loaded.socket = require("net.luasocket")
--
-- Which is all: LuaSocket's own modules in Lua (socket.http, ltn12, ...) are used as they are.
-- The objects are made by net.internal.luasocket.tcp; how a call waits is told in wait.lua
-- beside it.

local core = require("net.core")
local except = require("net.internal.luasocket.except")
local lazy = require("net.internal.lazy")
local names = require("net.internal.luasocket.names")
local select_ = require("net.internal.luasocket.select")
local streams = require("net.internal.luasocket.streams")
local tcp = require("net.internal.luasocket.tcp")
local wait = require("net.internal.luasocket.wait")
local words = require("net.internal.luasocket.words")

local errors = lazy.module("net.internal.errors")

local plain = core.open_luasocket()
local tasks = core.open_tasks()

--- Raises: there are no datagrams here.
local function refuse(name)
  return function()
    errors.raise("ERR_METHOD_NOT_IMPLEMENTED", 2, name .. "()")
  end
end

---@type net.luasocket
local luasocket = {
  _VERSION = "LuaSocket 3.0.0",
  _SETSIZE = 1024,
  _SOCKETINVALID = -1,
  _DATAGRAMSIZE = 8192,
  BLOCKSIZE = streams.BLOCKSIZE,
  tcp = tcp.tcp,
  tcp4 = tcp.tcp4,
  tcp6 = tcp.tcp6,
  connect = tcp.connect,
  connect4 = tcp.connect4,
  connect6 = tcp.connect6,
  bind = tcp.bind,
  udp = refuse("socket.udp"),
  udp4 = refuse("socket.udp4"),
  udp6 = refuse("socket.udp6"),
  select = select_.select,
  gettime = plain.time,
  try = except.try,
  newtry = except.newtry,
  protect = except.protect,
  skip = except.skip,
  choose = streams.choose,
  sink = streams.sink,
  source = streams.source,
  sinkt = streams.sinkt,
  sourcet = streams.sourcet,
  dns = {
    toip = names.toip,
    tohostname = names.tohostname,
    getaddrinfo = names.getaddrinfo,
    getnameinfo = names.getnameinfo,
    gethostname = names.gethostname,
  },
}

luasocket.unix = setmetatable({
  stream = tcp.unix,
  tcp = tcp.unix,
  dgram = refuse("socket.unix.dgram"),
  udp = refuse("socket.unix.udp"),
}, { __call = function() return tcp.unix() end })

--- Waits so many seconds.
---@param seconds number
function luasocket.sleep(seconds)
  seconds = words.number(seconds, 1, "sleep")
  if seconds > 0 then
    wait.sleep(seconds * 1000)
  elseif tasks.can_wait() then
    tasks.yield()
  end
end

return luasocket
