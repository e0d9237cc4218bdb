-- SPDX-License-Identifier: MIT

--- net.internal.task.queue - what tasks hand to each other: co.queue and co.semaphore.
--
-- Both are first come, first served, also among those that wait. What was handed to a
-- task that is cancelled before it went on goes back to the head, for the next.

local core = require("net.core")
local lazy = require("net.internal.lazy")
local validate = require("net.internal.validate")
local children = require("net.internal.task.children")

local errors = lazy.module("net.internal.errors")

local check_this, check_wait = children.check_this, children.check_wait

local tasks = core.open_tasks()

-- A list with two ends

local function list_new()
  return { first = 1, last = 0 }
end

local function list_append(list, value)
  list[list.last + 1] = value -- first, as it may lack memory
  list.last = list.last + 1
end

local function list_length(list)
  return list.last - list.first + 1
end

--- The first of those that wait, in whose place there is false when it has left.
local function waiter_first(list)
  while list_length(list) > 0 do
    local waiter = list[list.first]
    if waiter then
      return waiter
    end
    list[list.first] = nil
    list.first = list.first + 1
  end
end

--- Wakes them all. Between a wake and what it counts for nothing is called, here and below:
--- any call may lack memory.
local function wake_all(list, ...)
  for waiter in waiter_first, list do
    waiter.resume(...)
    list[list.first], list.first = nil, list.first + 1
  end
end

--- Takes out one that does not wait any more. A hole goes when it has come to an end of
--- the list, so that waits which are given up leave nothing behind.
local function waiter_leave(list, place)
  list[place] = false
  while list.last >= list.first and not list[list.last] do
    list[list.last] = nil
    list.last = list.last - 1
  end
  while list.last >= list.first and not list[list.first] do
    list[list.first] = nil
    list.first = list.first + 1
  end
end

--- Waits in a list; `undo(value)` is called with what had come, if the wait is interrupted.
--- `find(resume, entry)` calls resume if what it is for is there by now, and returns whether it
--- is: whoever was to hand it over, or to wake all, may have lacked memory.
local function wait_in(list, entry, undo, find, what, whose)
  return tasks.suspend(function(resume)
    local place = list.last + 1
    local function leave(...)
      if list[place] == entry then
        waiter_leave(list, place)
      elseif undo then
        undo(...)
      end
    end
    local function look()
      list[place] = false
      if not find(resume, entry) then
        list[place] = entry
      end
    end
    entry.resume = resume
    list_append(list, entry)
    return leave, look
  end, not undo, what, nil, whose)
end

-- Queues

---@class net.Queue
local Queue = {}
Queue.__index = Queue
Queue.__name = "Queue"

--- Gives the value to the first that waits for one; returns whether there was one. `order`
--- is that of a value which was handed out before.
local function hand_over(queue, value, order)
  local getter = waiter_first(queue._getters)
  if not getter then
    return false
  end
  local getters = queue._getters
  getter.order = order or queue._handed + 1
  getter.resume(value)
  if not order then
    queue._handed = getter.order
  end
  getters[getters.first], getters.first = nil, getters.first + 1
  return true
end

--- For a getter: the oldest value, or the end.
local function find_value(queue, resume, getter)
  local list, orders = queue._list, queue._orders
  local first = list.first
  if queue._count == 0 then
    return queue._closed and (resume() or true)
  end
  getter.order = orders and orders[first] or queue._handed + 1
  resume(list[first])
  list[first], list.first, queue._count = nil, first + 1, queue._count - 1
  if orders and orders[first] then
    orders[first] = nil
  else
    queue._handed = getter.order
  end
  return true
end

--- For a putter: room, or the end.
local function find_room(queue, resume, putter)
  if queue._closed or queue._count >= queue._capacity then
    return queue._closed and (resume(false) or true)
  end
  local list = queue._list
  list[list.last + 1] = putter.value -- a place, which may lack memory
  resume(true)
  list.last, queue._count = list.last + 1, queue._count + 1
  return true
end

--- There will be room for one: the first that waits to put has its turn. Before a value is
--- taken, as this may lack memory.
local function let_in(queue)
  while queue._count <= queue._capacity do
    local putter = waiter_first(queue._putters)
    if not putter then
      return
    end
    local list, putters = queue._list, queue._putters
    list[list.last + 1] = false -- a place, which may lack memory
    putter.resume(true)
    list[list.last + 1] = putter.value
    list.last, queue._count = list.last + 1, queue._count + 1
    putters[putters.first], putters.first = nil, putters.first + 1
  end
end

--- Puts a value that was handed to a getter before the others, but behind those that were
--- handed out before it, and are back, too: `orders` has the place of each, by value's index.
local function give_back(queue, value, order)
  if hand_over(queue, value, order) then
    return
  end
  local list, orders = queue._list, queue._orders or {}
  queue._orders = orders
  local place = list.first - 1
  list.first = place
  while orders[place + 1] and orders[place + 1] < order do
    list[place], orders[place] = list[place + 1], orders[place + 1]
    place = place + 1
  end
  list[place], orders[place] = value, order
  queue._count = queue._count + 1
end

local function check_item(value)
  if value == nil then
    errors.raise("ERR_INVALID_ARG_VALUE", 3, "v", value, "cannot be in a queue")
  end
end

--- Puts a value in, and waits while the queue is full.
---@param v any but nil
---@return true? ok
---@return net.Error err when the queue is closed
function Queue:put(v)
  check_this(self, Queue)
  check_wait()
  check_item(v)
  if self._closed then
    return nil, self._err or errors.codes.ERR_QUEUE_CLOSED()
  elseif hand_over(self, v) then
    return true
  elseif self._count < self._capacity then
    list_append(self._list, v)
    self._count = self._count + 1
    return true
  end
  local function find(...) return find_room(self, ...) end
  local put = wait_in(self._putters, { value = v, resume = false }, nil, find, "put to", self)
  if put then
    return true
  end
  return nil, self._err or errors.codes.ERR_QUEUE_CLOSED()
end

--- Puts a value in where that needs no wait; may be called anywhere.
---@param v any but nil
---@return boolean taken false when the queue is full or closed
function Queue:push(v)
  check_this(self, Queue)
  check_item(v)
  if self._closed then
    return false
  elseif hand_over(self, v) then
    return true
  elseif self._count >= self._capacity then
    return false
  end
  list_append(self._list, v)
  self._count = self._count + 1
  return true
end

--- The oldest value. Once it is out nothing is called that may lack memory.
local function take(queue)
  local list, orders = queue._list, queue._orders
  local first = list.first
  local value = list[first]
  if list_length(queue._putters) > 0 then
    let_in(queue)
  end
  list[first] = nil
  list.first, queue._count = first + 1, queue._count - 1
  if orders then
    orders[first] = nil
  end
  return value
end

--- Takes the oldest value, and waits while there is none.
---@return any value nil when the queue is closed and empty
---@return any err what it was closed with
function Queue:get()
  check_this(self, Queue)
  check_wait()
  if self._count > 0 then
    return take(self)
  elseif self._closed then
    return nil, self._err
  end
  local getter = { resume = false, order = false }
  local value = wait_in(self._getters, getter, function(given)
    if given ~= nil then
      give_back(self, given, getter.order)
    end
  end, function(...) return find_value(self, ...) end, "get from", self)
  if value == nil then
    return nil, self._err
  end
  return value
end

--- Ends the queue: what is in it is still handed out.
---@param err? any what `get` gives then, behind nil
function Queue:close(err)
  check_this(self, Queue)
  if not self._closed then
    self._closed, self._err = true, err
  end
  if not (pcall(wake_all, self._getters) and pcall(wake_all, self._putters, false)) then
    tasks.look() -- who was not told for want of memory
  end
end

--- For a `for` loop: each value, until the queue is closed and empty. Raises what it was
--- closed with.
---@return fun(): any
function Queue:items()
  check_this(self, Queue)
  return function()
    local value, err = self:get()
    if value == nil and err ~= nil then
      errors.throw(err, 2)
    end
    return value
  end
end

function Queue:__len()
  check_this(self, Queue)
  return self._count
end

--- A queue between tasks.
---@param capacity? integer how many values it holds before `put` waits; no limit if left out
---@return net.Queue
local function new_queue(capacity)
  if capacity ~= nil then
    validate.integer(capacity, "capacity", 1)
  end
  return setmetatable({ _list = list_new(), _getters = list_new(),
    _putters = list_new(), _handed = 0, _count = 0, _capacity = capacity or math.huge }, Queue)
end

-- Semaphores

---@class net.Semaphore
local Semaphore = {}
Semaphore.__index = Semaphore
Semaphore.__name = "Semaphore"

---@class net.Held
local Held = {}
Held.__index = Held
Held.__name = "Held"

local function hand_on(semaphore)
  local waiters = semaphore._waiters
  local waiter = waiter_first(waiters)
  if waiter then
    waiter.resume(true)
    waiters[waiters.first], waiters.first = nil, waiters.first + 1
  else
    semaphore._free = semaphore._free + 1
  end
end

--- Without memory for that it is free, and those who wait for it look.
local function release(semaphore)
  if not pcall(hand_on, semaphore) then
    semaphore._free = semaphore._free + 1
    tasks.look()
  end
end

--- For one that waits: is one free?
local function find_free(semaphore, resume)
  if semaphore._free == 0 then
    return false
  end
  resume(true)
  semaphore._free = semaphore._free - 1
  return true
end

--- Gives it back, once.
function Held:release()
  check_this(self, Held)
  local semaphore = self._semaphore
  if semaphore then
    self._semaphore = false
    release(semaphore)
  end
end

Held.__close = Held.release

--- Waits until one is free, and takes it.
---@return net.Held held to be released, or kept in a <close> variable
function Semaphore:acquire()
  check_this(self, Semaphore)
  check_wait()
  local held = setmetatable({ _semaphore = false }, Held) -- first, as it may lack memory
  if self._free > 0 then
    self._free = self._free - 1
  else
    wait_in(self._waiters, { resume = false }, function()
      release(self)
    end, function(...) return find_free(self, ...) end, "acquire of", self)
  end
  held._semaphore = self
  return held
end

--- A counting semaphore; with 1, the default, a mutex.
---@param n? integer how many may hold it at once
---@return net.Semaphore
local function new_semaphore(n)
  if n ~= nil then
    validate.integer(n, "n", 1)
  end
  return setmetatable({ _free = n or 1, _waiters = list_new() }, Semaphore)
end

return { queue = new_queue, semaphore = new_semaphore }
