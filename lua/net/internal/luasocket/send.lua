-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.send - writing to a plain socket.
--
-- Bytes go to the kernel, and nowhere else: what it has not taken when the limit is over is
-- the caller's. Calls of several tasks follow each other, each one's bytes together.

local core = require("net.core")
local wait = require("net.internal.luasocket.wait")
local words = require("net.internal.luasocket.words")

local plain = core.open_luasocket()
local EAGAIN, EBADF = plain.errors.EAGAIN, plain.errors.EBADF

--- The range that i and j mean in `size` bytes, as string.sub has it.
local function range(size, i, j)
  i = i == nil and 1 or words.integer(i, 2, "send")
  j = j == nil and -1 or words.integer(j, 3, "send")
  i = math.max(i < 0 and size + i + 1 or i, 1)
  return i, math.min(j < 0 and size + j + 1 or j, size)
end

local function reason(socket, err)
  if type(err) == "string" then
    return err
  elseif err == EBADF and plain.fd(socket) < 0 then
    return "closed"
  end
  return words.of(err)
end

--- Sends bytes i to j. Nil and a word: not all of them; and the index of the last. Behind a
--- call that has sent all before i, and what it said of the rest.
local function send_all(socket, state, data, i, j, limit, err, news)
  local sent
  while i <= j do
    local in_time = true
    if err == nil then
      sent, err, news = state.via.send(socket, data, i, j)
    end
    if sent then
      state.sent = state.sent + sent
      i = i + sent
    elseif err ~= EAGAIN then
      return nil, reason(socket, err), i - 1
    else
      in_time, err = wait.ready(socket, news or wait.WRITES, limit, "send to")
    end
    if not in_time then
      return nil, err and words.of(err) or wait.timeout_word(state, news), i - 1
    end
    sent, err = nil, nil
  end
  return i - 1, nil, nil
end

--- One call for all of a string, before limits are looked at: how much is sent, and what was
--- said if nothing is.
local function at_once(socket, state, data)
  if data == "" or state.sender.taken or not wait.has_turn() then
    return 0
  end
  local sent, err, news = state.via.send(socket, data, 1, #data)
  state.sent = state.sent + (sent or 0)
  return sent or 0, err, news
end

--- socket:send(data[, i[, j]]), for a client.
---@return integer? last index
---@return string? err
---@return integer? last index, where there is an err
local function send(socket, state, data, i, j)
  local err, news
  if i == nil and j == nil and type(data) == "string" then
    i, err, news = at_once(socket, state, data)
    if i == #data then
      return i, nil, nil
    end
    i = i + 1
  end
  local limit = wait.limit(state.block, state.total)
  data = words.text(data, 1, "send")
  i, j = range(#data, i, j)
  if i > j then
    return i - 1, nil, nil
  end
  if err == nil and i == 1 then -- else it has begun, and nobody may come between
    wait.be_fair(limit)
  end
  if not wait.take_turn(state.sender, limit, socket) then
    return nil, "timeout", i - 1
  end
  local _ <close> = state.sender
  return send_all(socket, state, data, i, j, limit, err, news)
end

return { send = send }
