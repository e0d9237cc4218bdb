-- SPDX-License-Identifier: MIT

--- Random programs of tasks, held against what must be true whatever happens.
---
---     lua5.4 spec/support/task_random.lua [SEED [PROGRAMS]]
---
--- A program is a set of tasks, each with a list of operations on the same few queues,
--- semaphores and pairs of sockets, in timeouts, shields, groups, races and generators,
--- while others cancel them. At its end every task has ended, every item that was put was
--- got once or is still there, in order for each who put it; every semaphore is free; every
--- byte that was sent was received once, in order; nobody waits in a list, nothing holds the
--- loop, and no error went where it should not.
---
--- A program that fails is named by its seed, and run again with fewer operations as long
--- as it still fails.

local co = require("net.co")
local core = require("net.core")
local net = require("net")

local M = {}

local QUEUES, SEMAPHORES, PAIRS, TASKS = 3, 2, 2, 6

--- Numbers from a seed, the same on each machine.
local function dice(seed)
  local state = seed * 2654435761 % 4294967296 + 1
  return function(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return (state >> 8) % n + 1
  end
end

-- Operations: each is {name, ...}, made before anything runs, so that one may be left out

local make -- forward

local function list(roll, depth, most)
  local ops = {}
  for i = 1, roll(most) do
    ops[i] = make(roll, depth + 1)
  end
  return ops
end

local LEAVES = {
  function(roll) return { "put", roll(QUEUES) } end,
  function(roll) return { "get", roll(QUEUES) } end,
  function(roll) return { "push", roll(QUEUES) } end,
  function(roll) return { "sleep", roll(3) } end,
  function() return { "yield" } end,
  function(roll) return { "send", roll(PAIRS), roll(200) } end,
  function(roll) return { "receive", roll(PAIRS), roll(120) } end,
  function(roll) return { "cancel", roll(TASKS) } end,
  function(roll) return { "await", roll(TASKS) } end,
}

local BRANCHES = {
  function(roll, depth) return { "timeout", roll(6), list(roll, depth, 4) } end,
  function(roll, depth) return { "shield", list(roll, depth, 2) } end,
  function(roll, depth) return { "hold", roll(SEMAPHORES), list(roll, depth, 3) } end,
  function(roll, depth) return { "pcall", list(roll, depth, 3) } end,
  function(roll, depth) return { "group", list(roll, depth, 3), list(roll, depth, 3) } end,
  function(roll, depth) return { "race", list(roll, depth, 3), list(roll, depth, 3) } end,
  function(roll, depth) return { "any", list(roll, depth, 3), list(roll, depth, 3) } end,
  function(roll, depth) return { "all", list(roll, depth, 3), list(roll, depth, 3) } end,
  function(roll, depth) return { "generate", list(roll, depth, 4) } end,
  function(roll, depth) return { "spawn", list(roll, depth, 4) } end,
}

function make(roll, depth)
  if depth < 4 and roll(3) == 1 then
    return BRANCHES[roll(#BRANCHES)](roll, depth)
  end
  return LEAVES[roll(#LEAVES)](roll)
end

-- Running

local run_all

local function count_bytes(world, i, text)
  local pair = world.pairs[i]
  for k = 1, #text do
    local expected = (pair.received + k - 1) % 251
    if text:byte(k) ~= expected then
      error(("pair %d: byte %d is %d, not %d"):format(i, pair.received + k, text:byte(k), expected))
    end
  end
  pair.received = pair.received + #text
end

local run = {}

function run.put(world, op)
  local id = { by = co.current(), n = world.next_id }
  world.next_id = world.next_id + 1
  if world.queues[op[2]]:put(id) then
    world.put = world.put + 1
  end
end

function run.push(world, op)
  local id = { by = co.current(), n = world.next_id }
  world.next_id = world.next_id + 1
  if world.queues[op[2]]:push(id) then
    world.put = world.put + 1
  end
end

function run.get(world, op)
  local id = co.timeout(5, world.queues[op[2]].get, world.queues[op[2]])
  if id then
    assert(not id.got, "an item was got twice")
    id.got = true
    world.got = world.got + 1
  end
end

function run.sleep(_, op) co.sleep(op[2]) end
function run.yield() co.yield() end

function run.send(world, op)
  local pair = world.pairs[op[2]]
  local bytes = {}
  for k = 1, op[3] do bytes[k] = string.char((pair.sent + k - 1) % 251) end
  pair.sent = pair.sent + op[3] -- it is queued in the call, whatever becomes of its wait
  pair.a:send(table.concat(bytes))
end

function run.receive(world, op)
  local pair = world.pairs[op[2]]
  local held <close> = pair.reading:acquire()
  local _ = held
  local kind = op[3] % 4
  local text
  if kind == 0 then
    text = co.timeout(3, pair.b.receive, pair.b, "some", op[3] + 1)
  elseif kind == 1 then
    text = co.timeout(3, pair.b.receive, pair.b, op[3])
  elseif kind == 2 then
    text = co.timeout(3, pair.b.receive, pair.b, "L", 300)
  else
    text = co.timeout(3, pair.b.receiveUntil, pair.b, "\4\5", 300)
    text = text and text .. "\4\5"
  end
  if text then
    count_bytes(world, op[2], text)
  end
end

function run.cancel(world, op)
  local task = world.tasks[op[2]]
  if task then task:cancel() end
end

function run.await(world, op)
  local task = world.tasks[op[2]]
  if task and task ~= co.current() then
    co.timeout(4, pcall, task.await, task)
  end
end

function run.timeout(world, op) co.timeout(op[2], run_all, world, op[3]) end
function run.shield(world, op) co.shield(run_all, world, op[2]) end
function run.pcall(world, op) pcall(run_all, world, op[2]) end

function run.hold(world, op)
  local held = co.timeout(5, world.semaphores[op[2]].acquire, world.semaphores[op[2]])
  if held then
    local closing <close> = held
    local _ = closing
    run_all(world, op[3])
  end
end

local function bodies(world, op)
  local t = {}
  for i = 2, #op do
    t[i - 1] = function()
      run_all(world, op[i])
      return i
    end
  end
  return t
end

function run.group(world, op)
  co.group(function(group)
    for _, body in ipairs(bodies(world, op)) do group:spawn(body) end
  end)
end

function run.race(world, op) co.race(bodies(world, op)) end
function run.any(world, op) co.any(bodies(world, op)) end
function run.all(world, op) co.all(bodies(world, op)) end

function run.generate(world, op)
  for _ in co.generator(function()
    for _, each in ipairs(op[2]) do
      run_all(world, { each })
      coroutine.yield(true)
    end
  end) do end
end

function run.spawn(world, op)
  world.spawned[#world.spawned + 1] = co.spawn(run_all, world, op[2])
end

function run_all(world, ops)
  for _, op in ipairs(ops) do
    world.operations = world.operations + 1
    run[op[1]](world, op)
  end
end

-- One program

local function new_world()
  local world = { queues = {}, semaphores = {}, pairs = {}, tasks = {}, spawned = {}, next_id = 1,
    put = 0, got = 0, operations = 0 }
  for i = 1, QUEUES do world.queues[i] = co.queue(i > 1 and i or nil) end
  for i = 1, SEMAPHORES do world.semaphores[i] = co.semaphore(i) end
  for i = 1, PAIRS do
    local a, b = net.duplexPair()
    world.pairs[i] = { a = a, b = b, sent = 0, received = 0, reading = co.semaphore() }
  end
  return world
end

local function check_ended(world)
  for _, tasks in ipairs({ world.tasks, world.spawned }) do
    for _, task in ipairs(tasks) do
      local status = task.status
      assert(status == "done" or status == "cancelled", tostring(task) .. " is " .. status
        .. (task.waiting and " in " .. task.waiting or ""))
    end
  end
end

--- What is left in the queues, which those who wait to put may still fill.
local function drain(world)
  local left = 0
  for _, queue in ipairs(world.queues) do
    while #queue > 0 do
      assert(not queue:get().got, "an item was got twice")
      left = left + 1
    end
  end
  assert(world.put == world.got + left,
    ("put %d, got %d, left %d"):format(world.put, world.got, left))
end

local function check_world(world)
  drain(world)
  for i, semaphore in ipairs(world.semaphores) do
    assert(semaphore._free == i, "a semaphore is not free")
  end
  for i, pair in ipairs(world.pairs) do
    pair.a:finish()
    count_bytes(world, i, assert(pair.b:receive("all")))
    assert(pair.received == pair.sent, ("sent %d, received %d"):format(pair.sent, pair.received))
    pair.b:destroy()
    pair.a:destroy()
  end
end

--- Runs the lists of operations, one for each task; returns how many were run, or nil and
--- what was wrong.
local function execute(lists)
  local world = new_world()
  local refs = core.alive()
  local ok, err = pcall(function()
    co.run(function()
      for i, ops in ipairs(lists) do world.tasks[i] = co.spawn(run_all, world, ops) end
      for round = 1, 2000 do
        if #co.tasks() == 1 then break end
        co.sleep(1)
        for _, queue in ipairs(round > 200 and world.queues or {}) do
          local id = #queue > 0 and queue:get() -- who waits to put has nobody to take it
          if id then
            assert(not id.got, "an item was got twice")
            id.got, world.got = true, world.got + 1
          end
        end
      end
      check_ended(world)
      check_world(world)
    end)
    assert(#co.tasks() == 0, "there are tasks left")
    assert(core.alive() == refs, "something holds the loop")
  end)
  if not ok then
    for _, task in ipairs(co.tasks()) do task:cancel() end
    for _, pair in ipairs(world.pairs) do
      pair.a:destroy()
      pair.b:destroy()
    end
    pcall(net.run)
    return nil, type(err) == "table" and (net.traceback(err) or tostring(err)) or err
  end
  return world.operations
end

local function program(seed)
  local roll, lists = dice(seed), {}
  for i = 1, TASKS do
    lists[i] = list(roll, 0, 8)
  end
  return lists
end

--- Leaves operations out as long as the program still fails.
local function shrink(lists)
  local smaller = true
  while smaller do
    smaller = false
    for i = 1, #lists do
      for j = #lists[i], 1, -1 do
        local op = table.remove(lists[i], j)
        if execute(lists) then
          table.insert(lists[i], j, op)
        else
          smaller = true
        end
      end
    end
  end
  return lists
end

local function text_of(op)
  local words = {}
  for i, word in ipairs(op) do
    words[i] = type(word) == "table" and text_of(word) or tostring(word)
  end
  return "{" .. table.concat(words, " ") .. "}"
end

--- Runs so many programs from a seed on; returns how many operations that were, or nil and
--- what is wrong with the first that fails.
---@param seed integer
---@param programs integer
---@return integer? operations
---@return string? problem
function M.run(seed, programs)
  local operations = 0
  for i = seed, seed + programs - 1 do
    local lists = program(i)
    local n, err = execute(lists)
    if not n then
      local lines = { ("seed %d: %s"):format(i, err), "smaller:" }
      for k, ops in ipairs(shrink(lists)) do lines[#lines + 1] = k .. " " .. text_of(ops) end
      return nil, table.concat(lines, "\n")
    end
    operations = operations + n
  end
  return operations
end

if arg and arg[0] and arg[0]:find("task_random.lua", 1, true) then
  local operations, problem = M.run(tonumber(arg[1]) or os.time(), tonumber(arg[2]) or 100)
  print(operations and operations .. " operations" or problem)
  os.exit(operations ~= nil)
end

return M
