-- SPDX-License-Identifier: MIT

--- net.internal.process.counting - the connections of a server that are in other processes.
--
-- The server's process names it by a key in each line with a socket of its, and asks by
-- that key: how many are there still, tell me when there is none. Node's keys are the
-- address as asked for, so that two servers on port 0 share one; ours are numbers. The
-- other process counts what it got by each key until it is closed, or given on to yet
-- another one, which nobody can ask.
--
-- server.lua knows nothing of this until a first socket was sent: it then finds `across` in
-- its table.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local server_module = require("net.internal.server.server")

local errors = lazy.module("net.internal.errors")

local native = core.server
local stream = core.stream

local counting = {}

--- Loaded long since, if there is a channel.
local function process()
  return require("net.process")
end

local function hidden(emitter, event, fn)
  core.listen_hidden(emitter, event, fn, "once")
end

-- Of a server here

local shares = setmetatable({}, { __mode = "k" }) -- server -> { key =, channels = list,
-- awaited = set of those that close waits for }
local shares_of = setmetatable({}, { __mode = "k" }) -- channel -> set of them
local asked = setmetatable({}, { __mode = "k" }) -- channel -> reply's cmd .. key -> callbacks
local last_key = 0
local STALE = "stale" -- in `awaited`: nobody was asked

-- The way of a server's sockets over one channel, { share =, channel =, under_way = count,
-- known = has one arrived }. Before one has, a Node at the other end does not answer to the
-- key: so it is asked behind those that are under way, and not where all of them were lost.

local function remove(list, value)
  for i = #list, 1, -1 do
    if list[i] == value then
      table.remove(list, i)
    end
  end
end

local function share_of(server)
  local share = shares[server]
  if not share then
    last_key = last_key + 1
    share = {
      key = "lua:" .. last_key, channels = {}, awaited = {},
      ways = setmetatable({}, { __mode = "k" }),
    }
    shares[server] = share
  end
  return share
end

--- The channel is one of those to be asked, until its process has ended. A channel outlives
--- many servers, so it keeps none of what they share.
local function join(share, channel)
  for _, other in ipairs(share.channels) do
    if other == channel then
      return
    end
  end
  local joined = shares_of[channel]
  if not joined then
    joined = setmetatable({}, { __mode = "k" })
    hidden(channel.owner, channel.owner == process() and "disconnect" or "exit", function()
      for other in pairs(joined) do
        remove(other.channels, channel)
      end
    end)
    shares_of[channel] = joined
  end
  joined[share] = true
  table.insert(share.channels, channel)
end

local function way_of(share, channel)
  local way = share.ways[channel]
  if not way then
    way = { share = share, channel = channel, under_way = 0, known = false }
    share.ways[channel] = way
  end
  return way
end

--- Notes that a socket goes over a channel.
---@param channel table
---@param socket net.Socket
---@param leaves boolean it does not stay here
---@return string? key nil for one that no server of ours has accepted
---@return table? way for `settled`, when it has arrived, or will not
function counting.sent(channel, socket, leaves)
  if leaves then
    counting.gave(socket)
  end
  local server = socket.server
  if not native.is(server) then
    return nil
  end
  local share = share_of(server)
  local way = way_of(share, channel)
  join(share, channel)
  way.under_way = way.under_way + 1
  return share.key, way
end

--- What becomes of it nobody waits for.
local function ignore() end

--- Sends `{"cmd":…,"key":…}`, the fields in Node's order, and `more` behind them.
local function tell(channel, cmd, key, more, is_answer, sent)
  channel:send_internal(('{"cmd":"%s","key":%s%s}'):format(cmd, core.json.encode(key), more or ""),
    nil, sent or ignore, is_answer)
end

--- As `tell`, to a question. A peer that asks and does not read is not heard before it does:
--- the channel counts what it is owed.
local function answer(channel, cmd, key, more)
  tell(channel, cmd, key, more, true)
end

--- Sends a request and calls back with the reply: (nil, message), or with an error if the
--- channel is gone, or goes before it is there.
local function request(channel, cmd, reply, key, callback)
  local function on_end()
    callback(errors.codes.ERR_CHILD_CLOSED_BEFORE_REPLY())
  end
  if not channel.connected then
    core.tick(on_end)
    return
  end
  local waiting, name = asked[channel] or {}, reply .. " " .. key
  local function finish(message, err)
    core.unlisten(channel.owner, "disconnect", on_end)
    callback(err, message)
  end
  asked[channel] = waiting
  waiting[name] = waiting[name] or {}
  table.insert(waiting[name], finish)
  hidden(channel.owner, "disconnect", on_end)
  tell(channel, cmd, key, nil, false, function(err)
    if err and err.code == "ENOBUFS" then -- other ends are told by 'disconnect'
      local list = waiting[name]
      remove(list, finish)
      waiting[name] = #list > 0 and list or nil
      finish(nil, err)
    end
  end)
end

--- A reply has come: to the request that waits longest.
local function on_reply(channel, message)
  local waiting = asked[channel]
  local name = type(message.key) == "string" and message.cmd .. " " .. message.key
  local list = waiting and waiting[name]
  if list then
    local finish = table.remove(list, 1)
    waiting[name] = #list > 0 and list or nil
    finish(message)
  end
end

--- Of what was sent by that way nothing has arrived: nobody is asked there any more, and who
--- has asked is told.
local function nobody_there(way)
  local channel, key = way.channel, way.share.key
  if way.known or way.under_way > 0 then
    return
  end
  remove(way.share.channels, channel)
  for _, cmd in ipairs({ "NODE_SOCKET_COUNT", "NODE_SOCKET_ALL_CLOSED" }) do
    local list = asked[channel] and asked[channel][cmd .. " " .. key] or {}
    for i, finish in ipairs({ table.unpack(list) }) do
      list[i] = ignore -- one of ours does answer
      finish({ count = 0 })
    end
    if #list > 0 and not channel.is_ours then
      asked[channel][cmd .. " " .. key] = nil
    end
  end
end

--- One that `sent` was told of has arrived, or will not.
---@param way table
---@param has_arrived boolean
function counting.settled(way, has_arrived)
  if not has_arrived and not way.known and way.under_way == 1 then
    core.tick(nobody_there, way)
  end
  way.known = way.known or has_arrived
  way.under_way = way.under_way - 1
end

local function count_of(message)
  local n = message.count
  return math.type(n) == "integer" and n >= 0 and n or 0
end

local across = {}

--- For server:getConnections: whether others have to be asked, who then are. Calls back on a
--- tick, as in Node: whoever listens to the same end of a channel hears of that before.
---@param server net.Server
---@param count integer those here
---@param callback fun(err?: net.Error, count?: integer)
---@return boolean
function across.count(server, count, callback)
  local share = shares[server]
  local left = share and #share.channels or 0
  for _, channel in ipairs(left > 0 and { table.unpack(share.channels) } or {}) do
    request(channel, "NODE_SOCKET_GET_COUNT", "NODE_SOCKET_COUNT", share.key,
      function(err, message)
        if left <= 0 then
          return
        end
        left = err and 0 or left - 1
        count = count + (message and count_of(message) or 0)
        if left == 0 then
          core.tick(callback, err, not err and count or nil)
        end
      end)
  end
  return share ~= nil and #share.channels > 0
end

--- One of those for whom 'close' waits is done, or is not waited for any more.
local function expected(server, share, awaited)
  if share.awaited[awaited] then
    native.expected(server)
  end
  share.awaited[awaited] = nil
end

--- Asks one to tell when it has no connection of the server's any more.
local function await(server, share, channel)
  local awaited = {}
  local function done() expected(server, share, awaited) end
  share.awaited[awaited] = false -- the room for it
  native.expect(server)
  share.awaited[awaited] = true
  local ok, err = pcall(request, channel, "NODE_SOCKET_NOTIFY_CLOSE", "NODE_SOCKET_ALL_CLOSED",
    share.key, done)
  if not ok then
    share.awaited[awaited] = STALE
    done()
    error(err, 0)
  end
end

--- Where there was no memory to take one back it is done before the next.
local function clear_stale(server, share)
  for awaited, state in pairs(share.awaited) do
    if state == STALE then
      expected(server, share, awaited)
    end
  end
end

--- For server:drain, when its time is over: 'close' does not wait for others any more.
---@param server net.Server
function across.forget(server)
  local share = shares[server]
  while share and next(share.awaited) do
    expected(server, share, (next(share.awaited)))
  end
end

--- For server:close, before it closes: 'close' waits until all have told that they have no
--- connection of its any more, or are gone.
---@param server net.Server
function across.close(server)
  local share = shares[server]
  if not share then
    return
  end
  clear_stale(server, share)
  for _, channel in ipairs(share.channels) do
    await(server, share, channel)
  end
end

-- Of servers elsewhere

local received = setmetatable({}, { __mode = "k" }) -- channel -> key -> { count =, notify = }

local function less(channel, key)
  local keys = received[channel]
  local entry = keys[key]
  entry.count = entry.count - 1
  if entry.count == 0 then
    keys[key] = nil
    if entry.notify and channel.connected then
      tell(channel, "NODE_SOCKET_ALL_CLOSED", key)
    end
  end
end

--- A socket has come that the other side counts by that key.
---@param channel table
---@param key string
---@param socket net.Socket
function counting.received(channel, key, socket)
  local keys = received[channel] or {}
  received[channel] = keys
  keys[key] = keys[key] or { count = 0 }
  keys[key].count = keys[key].count + 1
  local private, counted = stream.private(socket), true
  function private.uncount()
    if counted then
      counted = false
      less(channel, key)
    end
  end
  hidden(socket, "close", private.uncount)
end

--- A socket that came is given on: it never closes here.
function counting.gave(socket)
  local uncount = stream.private(socket).uncount
  if uncount then
    uncount()
  end
end

-- What the channel hands over

local ANSWER = {
  NODE_SOCKET_COUNT = on_reply,
  NODE_SOCKET_ALL_CLOSED = on_reply,
  NODE_SOCKET_GET_COUNT = function(channel, message)
    local keys = received[channel]
    local entry = keys and keys[message.key]
    answer(channel, "NODE_SOCKET_COUNT", message.key,
      (',"count":%d'):format(entry and entry.count or 0))
  end,
  NODE_SOCKET_NOTIFY_CLOSE = function(channel, message)
    local keys = received[channel]
    local entry = keys and keys[message.key]
    if entry then
      entry.notify = true
    else
      answer(channel, "NODE_SOCKET_ALL_CLOSED", message.key)
    end
  end,
}

--- An internal message of these has come; others, and those without a key, mean nothing.
---@param channel table
---@param message table
function counting.hear(channel, message)
  local hear = ANSWER[message.cmd]
  if hear and type(message.key) == "string" then
    hear(channel, message)
  end
end

server_module.across = across

return counting
