-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.receive - reading a plain socket: lines, counts, everything.
--
-- What was read and not yet asked for waits in the socket (src/luasocket/ahead.c). A call
-- takes bytes out of it only when it returns: so an interruption in a task loses nothing, and
-- only the limits of settimeout give a part away.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local wait = require("net.internal.luasocket.wait")
local words = require("net.internal.luasocket.words")

local errors = lazy.module("net.internal.errors")

local plain = core.open_luasocket()
local EAGAIN, EBADF = plain.errors.EAGAIN, plain.errors.EBADF
local size, take, take_line = plain.size, plain.take, plain.take_line
local has_turn = wait.has_turn

local AHEAD = 16384 -- bytes that are read though perhaps nobody wants them; LuaSocket's are 8192
local CHUNK = 65536 -- bytes of one read where more are wanted

local receive = {}

-- Reading

local Reader = { __close = function(reader) reader.waits = false end }

--- Who reads a socket, and what: there is one that waits.
---@return table reader
function receive.reader()
  return setmetatable({ waits = false }, Reader)
end

local function refuse_second(state)
  if state.reader.waits then
    errors.raise("ERR_SOCKET_BUSY", 4, "another receive that waits")
  end
end

--- What a failed read is called, and whether it is an end like any other.
local function reason(socket, err)
  if type(err) == "string" then
    return err, err == "closed"
  elseif err == EBADF and plain.fd(socket) < 0 then
    return "closed", true
  end
  return words.of(err), false
end

local function wait_for_more(socket, state, news, limit)
  local reader <close> = state.reader
  reader.waits = true
  return wait.ready(socket, news, limit, "receive %s from", reader.wants)
end

--- One read, to what waits already: how many bytes have come, 0 at the end; nil, and what
--- `via` says.
local function read(socket, via, most)
  if via.fill then
    return via.fill(socket, most)
  end
  local data, err, news = via.recv(socket, most)
  if data then
    plain.append(socket, data)
  end
  return data and #data, err, news
end

--- Reads something. Nil and a word: nothing comes any more, or in time; and true if that is
--- the stream's end, which a reset is not.
local function fill(socket, state, most, limit)
  while true do
    local n, err, news = read(socket, state.via, most)
    if n then
      if n == 0 then
        return nil, "closed", true
      end
      return true
    elseif err ~= EAGAIN then
      return nil, reason(socket, err)
    end
    local in_time
    in_time, err = wait_for_more(socket, state, news or wait.READS, limit)
    if not in_time then
      return nil, err and words.of(err) or wait.timeout_word(state, news)
    end
  end
end

--- Each of these gives the data, and a word if that is not all of it.
local patterns = {}

local function line(socket, state, limit)
  while true do
    local data = take_line(socket)
    if data then
      return data
    end
    local ok, why = fill(socket, state, AHEAD, limit)
    if not ok then
      return plain.take_text(socket), why
    end
  end
end

local function all(socket, state, limit)
  local ok, why, is_end
  repeat
    ok, why, is_end = fill(socket, state, CHUNK, limit)
  until not ok
  local data = take(socket)
  return data, (not is_end or data == "") and why
end

local function count(socket, state, limit, n)
  while true do
    local have = size(socket)
    local data = have > 0 and take(socket, n)
    if data then
      return data
    end
    local most = math.max(AHEAD, math.min(n - have, CHUNK))
    local ok, why = fill(socket, state, most, limit)
    if not ok then
      return take(socket), why
    end
  end
end

patterns.l, patterns.a = line, all

--- Which of them is asked for, and for how many bytes.
local function pattern_of(what)
  local n = (type(what) == "number" or type(what) == "string") and tonumber(what)
  if n and n >= 0 then
    return count, math.tointeger(n // 1) or math.maxinteger
  elseif n then
    words.bad_argument(1, "receive", "invalid receive pattern", 4)
  end
  what = what == nil and "*l" or words.text(what, 1, "receive")
  local pattern = patterns[what:match("^%*(.)")]
  return pattern or words.bad_argument(1, "receive", "invalid receive pattern", 4)
end

--- What needs neither a read nor a look at limits: a line, or so many bytes, that is there.
local function at_once(socket, state, what, prefix)
  if prefix ~= nil or state.reader.waits or not has_turn() then
    return nil
  elseif what == nil or what == "*l" then
    return take_line(socket)
  elseif math.type(what) == "integer" and what > 0 then
    return take(socket, what)
  end
end

--- socket:receive([pattern[, prefix]]), for a client.
---@return string? data
---@return string? err
---@return string? partial
function receive.receive(socket, state, what, prefix)
  local data = at_once(socket, state, what, prefix)
  if data then
    return data, nil, nil
  end
  local limit = wait.limit(state.block, state.total)
  prefix = prefix == nil and "" or words.text(prefix, 2, "receive")
  local pattern, n = pattern_of(what)
  refuse_second(state)
  if n and prefix ~= "" then
    if n <= #prefix then
      return prefix, nil, nil
    end
    n = n - #prefix
  end
  wait.be_fair(limit)
  state.reader.wants = what or "*l"
  local why
  data, why = pattern(socket, state, limit, n)
  if prefix ~= "" then
    data = prefix .. data
  end
  if why then
    return nil, why, data
  end
  return data, nil, nil
end

return receive
