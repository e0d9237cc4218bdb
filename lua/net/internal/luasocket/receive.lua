-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.receive - reading a plain socket: lines, counts, everything.
--
-- What was read and not yet asked for is the socket's buffer, chunks in a list. A call takes
-- bytes out of it only when it returns: so an interruption in a task loses nothing, and only
-- the limits of settimeout give a part away.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local wait = require("net.internal.luasocket.wait")
local words = require("net.internal.luasocket.words")

local errors = lazy.module("net.internal.errors")

local plain = core.open_luasocket()
local EAGAIN, EBADF = plain.errors.EAGAIN, plain.errors.EBADF

local AHEAD = 8192 -- bytes that are read though perhaps nobody wants them, as LuaSocket does
local CHUNK = 65536 -- bytes of one read where more are wanted

-- The buffer

local receive = {}

--- A new one: chunks `first` to `last`, of the first one the bytes from `pos` on.
---@return table buffer
function receive.buffer()
  return { first = 1, last = 0, pos = 1, size = 0 }
end

local function append(buffer, chunk)
  buffer.last = buffer.last + 1
  buffer[buffer.last] = chunk
  buffer.size = buffer.size + #chunk
end

--- Drops the first chunk; returns what was left of it.
local function shift(buffer)
  local chunk = buffer[buffer.first]:sub(buffer.pos)
  buffer[buffer.first] = nil
  buffer.first = buffer.first + 1
  buffer.pos = 1
  return chunk
end

--- Takes `n` bytes, of which there are so many.
local function take(buffer, n)
  buffer.size = buffer.size - n
  local parts = {}
  while n > 0 do
    local chunk = buffer[buffer.first]
    if #chunk - buffer.pos + 1 > n then
      parts[#parts + 1] = chunk:sub(buffer.pos, buffer.pos + n - 1)
      buffer.pos = buffer.pos + n
      n = 0
    else
      parts[#parts + 1] = shift(buffer)
      n = n - #parts[#parts]
    end
  end
  return parts[2] and table.concat(parts) or parts[1] or ""
end

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

--- Appends what one read gives. Nil and a word: nothing comes any more, or in time; and true
--- if that is the stream's end, which a reset is not.
local function fill(socket, state, most, limit)
  while true do
    local data, err, news = state.via.recv(socket, most)
    if data then
      if data == "" then
        return nil, "closed", true
      end
      append(state.buffer, data)
      return true
    elseif err ~= EAGAIN then
      return nil, reason(socket, err)
    end
    local in_time
    in_time, err = wait_for_more(socket, state, news or wait.READS, limit)
    if not in_time then
      return nil, err and words.of(err) or wait.late(state, news)
    end
  end
end

--- Where the next LF is: the byte's number in the buffer. Searches chunks from `index` on,
--- before which are `before` bytes; returns these two for the next time if there is none.
local function find_line_end(buffer, index, before)
  for i = index, buffer.last do
    local from = i == buffer.first and buffer.pos or 1
    local at = buffer[i]:find("\n", from, true)
    if at then
      return before + at - from + 1
    end
    before = before + #buffer[i] - from + 1
  end
  return nil, buffer.last + 1, before
end

--- Each of these gives how many bytes to take; a word if that is not all, or false; and how
--- many of them are behind what is given.
local patterns = {}

local function line(socket, state, limit)
  local buffer = state.buffer
  local index, before = buffer.first, 0
  while true do
    local at
    at, index, before = find_line_end(buffer, index, before)
    if at then
      return at, false, 1
    end
    local ok, why = fill(socket, state, AHEAD, limit)
    if not ok then
      return buffer.size, why
    end
  end
end

local function all(socket, state, limit)
  local ok, why, is_end
  repeat
    ok, why, is_end = fill(socket, state, CHUNK, limit)
  until not ok
  local size = state.buffer.size
  return size, (not is_end or size == 0) and why
end

local function count(socket, state, limit, n)
  local buffer = state.buffer
  while buffer.size < n or buffer.size == 0 do
    local most = math.max(AHEAD, math.min(n - buffer.size, CHUNK))
    local ok, why = fill(socket, state, most, limit)
    if not ok then
      return buffer.size, why
    end
  end
  return n, false
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

--- What the bytes are, to the caller: a line is without its end, and without any CR.
local function given(pattern, data, behind)
  if pattern ~= line then
    return data
  end
  data = data:sub(1, #data - (behind or 0))
  return data:find("\r", 1, true) and data:gsub("\r", "") or data
end

--- socket:receive([pattern[, prefix]]), for a client.
---@return string? data
---@return string? err
---@return string? partial
function receive.receive(socket, state, what, prefix)
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
  local size, why, behind = pattern(socket, state, limit, n)
  local data = prefix .. given(pattern, take(state.buffer, size), behind)
  state.received = state.received + size
  if why then
    return nil, why, data
  end
  return data, nil, nil
end

return receive
