-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.select - which of some sockets are ready.
--
-- Ours, and whatever has a `getfd`: tables around one, sockets of others. What has bytes in
-- its buffer (`dirty`) is ready, whatever the kernel says.

local core = require("net.core")
local wait = require("net.internal.luasocket.wait")
local words = require("net.internal.luasocket.words")

local plain = core.open_luasocket()

--- Descriptor -> our socket that has, or had, it: for tables around one, which know the number.
local known = setmetatable({}, { __mode = "v" })

local function know(fd, socket)
  if fd >= 0 then
    known[fd] = socket
  end
end

--- What is to be watched: one of ours, or a number, -1 for nothing.
local function subject_of(object)
  if plain.state(object) then
    return plain.fd(object) >= 0 and object or -1
  end
  local getfd = object.getfd
  local fd = math.tointeger(tonumber(getfd and getfd(object))) or -1
  local ours = known[fd]
  return ours and plain.fd(ours) == fd and ours or fd
end

local function is_dirty(object)
  local dirty = object.dirty
  return dirty and dirty(object)
end

--- What is asked: `list`, for plain.ready and plain.watch; `objects`, for whom; `dirty`, those
--- with something in their buffers.
local function collect(receivers, senders)
  local asked = { list = {}, objects = {}, dirty = {} }
  local function add(objects, what)
    for _, object in ipairs(objects or {}) do
      local subject = subject_of(object)
      if subject ~= -1 then
        local n = #asked.objects + 1
        asked.objects[n] = object
        asked.list[2 * n - 1], asked.list[2 * n] = subject, what
        asked.dirty[n] = what == wait.READS and is_dirty(object) or false
      end
    end
  end
  add(receivers, wait.READS)
  add(senders, wait.WRITES)
  return asked
end

local function insert(set, object)
  if not set[object] then
    set[#set + 1] = object
    set[object] = #set
  end
end

--- The two results, and whether there is anything in them.
local function sets_of(asked, news)
  local readers, writers, any = {}, {}, false
  for n, object in ipairs(asked.objects) do
    if news[n] ~= 0 or asked.dirty[n] then
      insert(asked.list[2 * n] == wait.READS and readers or writers, object)
      any = true
    end
  end
  return readers, writers, any
end

--- select(receivers, senders[, seconds]) -> those that are ready, by number and by object;
--- "timeout" if there are none
local function select_(receivers, senders, seconds)
  receivers = receivers ~= nil and words.typed(receivers, "table", 1, "select") or nil
  senders = senders ~= nil and words.typed(senders, "table", 2, "select") or nil
  local limit = wait.limit(seconds == nil and -1 or words.number(seconds, 3, "select"), -1)
  while true do
    local asked = collect(receivers, senders)
    local news = plain.ready(asked.list)
    if not news then
      error("select failed", 2)
    end
    local readers, writers, any = sets_of(asked, news)
    if any then
      return readers, writers, nil
    end
    local in_time, err = wait.any(asked.list, limit, "select of %s sockets", #asked.objects)
    if in_time == nil then
      error("select failed: " .. words.of(err), 2)
    elseif not in_time then
      return readers, writers, "timeout"
    end
  end
end

return { select = select_, know = know }
