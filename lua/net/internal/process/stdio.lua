-- SPDX-License-Identifier: MIT

--- net.internal.process.stdio - the descriptors that a child is to have.
--
-- First the option is read, into a list of entries, one a place, and nothing is opened:
--
--     { kind = "pipe" | "ipc" }                a socket pair of our own
--     { kind = "ignore" }                      /dev/null, or nothing beyond the third place
--     { kind = "fd", fd = number, value = any }  that descriptor of ours; of a Socket, file…
--
-- `open` then makes the pairs, as Descriptors, so that none is lost when something raises.

local core = require("net.core")
local errors = require("net.internal.errors")
local inspect = require("net.internal.inspect")

local STANDARD = 3 -- places that every child has
local MAX_FD = 2147483647
local MAX_PLACES = 65536 -- far beyond what a process may have open
local CLOSED, NULL = -1, -2 -- as NET_SPAWN_*

local WORDS = { pipe = true, ignore = true, inherit = true }

local stdio = {}

-- Reading the option

--- The list that a single word stands for, with one more entry behind it if there is one.
---@param word string
---@param more? string
---@return string[]
function stdio.list(word, more)
  if not WORDS[word] then
    errors.raise("ERR_INVALID_ARG_VALUE", 5, "stdio", word)
  end
  local list = {}
  for i = 1, STANDARD do
    list[i] = word
  end
  list[STANDARD + 1] = more
  return list
end

--- The highest place of a list, which may have holes; raises for what is no list.
local function length(list)
  local highest = 0
  for key in next, list do
    if math.type(key) ~= "integer" or key < 1 or key > MAX_PLACES then
      errors.raise("ERR_INVALID_ARG_VALUE", 5, "stdio", list)
    end
    highest = math.max(highest, key)
  end
  return highest
end

--- Whether a list has a channel among its entries.
---@param list table
---@return boolean
function stdio.has_ipc(list)
  for _, entry in next, list do
    if entry == "ipc" then
      return true
    end
  end
  return false
end

--- The number of a value's descriptor: a Socket's, a Server's, a Lua file's, or what its
--- `fd` says; nil if it has none.
local function descriptor_of(value)
  local fd = core.child.fd(value)
  if fd == nil and (type(value) == "table" or type(value) == "userdata") then
    local ok, field = pcall(function() return value.fd end)
    if ok and type(field) == "function" then
      ok, field = pcall(field, value)
    end
    fd = ok and field or nil
  end
  return math.type(fd) and math.tointeger(fd) or nil
end

local function fd_entry(entry)
  local fd = math.type(entry) and math.tointeger(entry) or descriptor_of(entry)
  if fd == nil or fd < 0 or fd > MAX_FD then
    errors.raise("ERR_INVALID_ARG_VALUE", 6, "stdio", entry)
  end
  return { kind = "fd", fd = fd, value = entry }
end

--- The entry at a place, counted from 0.
local function entry_of(entry, place)
  entry = entry or place < STANDARD and "pipe" or "ignore"
  if entry == "pipe" or entry == "ignore" or entry == "ipc" then
    return { kind = entry }
  elseif entry == "inherit" then
    return { kind = "fd", fd = place }
  elseif type(entry) == "string" then
    errors.raise("ERR_INVALID_SYNC_FORK_INPUT", 5, inspect.inspect(entry))
  elseif math.type(entry) and entry < 0 then
    return { kind = "pipe" } -- as in Node
  end
  return fd_entry(entry)
end

--- The entries that the option says, and the place of the channel, counted from 0.
---@param option string|table
---@return table[] entries
---@return integer? ipc
function stdio.entries(option)
  if type(option) == "string" then
    option = stdio.list(option)
  elseif type(option) ~= "table" then
    errors.raise("ERR_INVALID_ARG_VALUE", 4, "stdio", option)
  end
  local entries, ipc = {}, nil
  for place = 0, math.max(length(option), STANDARD) - 1 do
    local entry = entry_of(option[place + 1], place)
    if entry.kind == "ipc" then
      if ipc then
        errors.raise("ERR_IPC_ONE_PIPE", 4)
      end
      ipc = place
    end
    entries[place + 1] = entry
  end
  return entries, ipc
end

-- Opening

--- Makes the pairs: entry.mine and entry.theirs, Descriptors. True, or nil and a negative
--- errno, and what has been made is closed.
---@param entries table[]
---@return true?
---@return integer? err
function stdio.open(entries)
  for _, entry in ipairs(entries) do
    if entry.kind == "pipe" or entry.kind == "ipc" then
      local mine, theirs = core.descriptor.pair()
      local ok, err = mine, theirs
      if mine then
        entry.mine, entry.theirs = mine, theirs
        ok, err = core.child.blocking(theirs) -- a child takes what it inherits for that
      end
      if not ok then
        stdio.close(entries)
        return nil, err
      end
    end
  end
  return true
end

--- Closes what `open` has made, as far as nobody has taken it.
---@param entries table[]
function stdio.close(entries)
  for _, entry in ipairs(entries) do
    if entry.mine then
      entry.mine:close()
      entry.theirs:close()
    end
  end
end

--- What core.child.start wants: at each place a number or the child's Descriptor.
---@param entries table[]
---@return table fds
function stdio.places(entries)
  local fds = {}
  for i, entry in ipairs(entries) do
    fds[i] = entry.theirs or entry.fd or (i <= STANDARD and NULL or CLOSED)
  end
  return fds
end

--- What this process has written to the files and streams that the child gets too leaves
--- before the child is there.
---@param entries table[]
function stdio.flush(entries)
  for _, entry in ipairs(entries) do
    if io.type(entry.value) == "file" then
      entry.value:flush()
    elseif entry.fd == 1 then
      io.stdout:flush()
    end
  end
end

return stdio
