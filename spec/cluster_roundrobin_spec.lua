-- SPDX-License-Identifier: MIT

--- One key of a primary under SCHED_RR, with real connections; its workers are played by
--- the spec, which sees what each is given and answers for it.

local core = require("net.core")
local net = require("net")
local roundrobin = require("net.internal.cluster.roundrobin")
local within = require("spec.support").within
local sockets = require("spec.support.sockets")

local LOCAL = "127.0.0.1"

--- What the spec sees of one key: `log` has who got which client.
local function new_key(t, backlog, least)
  local handle = roundrobin.new("key", backlog or 511, least or false)
  local at = { handle = handle, log = {}, clients = {}, ports = {} }
  assert(handle:listen({ address = LOCAL, port = 0, backlog = 511 }) == nil)
  at.port = handle.sockname.port
  t.finally(function() handle:close() end)
  return at
end

--- The port of the client at the other end of a connection.
local function port_of(descriptor)
  local copy = assert(core.descriptor.dup(descriptor:number()))
  local found
  local server = net.createServer(function(socket)
    found = socket.remotePort
    socket.server = nil
    socket:destroy()
  end)
  core.server.listen_remote(server, LOCAL, 1)
  core.server.deliver(server, copy)
  server:close()
  return found
end

--- A worker: what it is given is noted as "name client", and kept in `given`.
local function new_worker(at, name, counts)
  local worker = { name = name, given = {}, answers = {} }
  function worker.starve() at.log[#at.log + 1] = { name, "starves" } end
  worker.link = {
    send = function(_, message, descriptor, answered, sent, lost, is_lent)
      assert.equal("newconn", message.act)
      assert.equal("key", message.key)
      assert.is_true(is_lent)
      worker.given[#worker.given + 1] = descriptor
      worker.answers[#worker.answers + 1] = answered
      worker.sent, worker.lost = sent, lost
      at.log[#at.log + 1] = { name, port_of(descriptor) }
    end,
  }
  at.handle:join(worker, counts)
  at.handle:joined(worker)
  return worker
end

--- Answers for the oldest connection that the worker has.
local function answer(worker, accepted)
  table.remove(worker.given, 1)
  table.remove(worker.answers, 1)({ accepted = accepted })
end

--- Has a client connect; returns it when the primary has accepted it.
local function connect(at, seen)
  local client = net.connect(at.port, LOCAL):on("error", function() end):resume()
  at.clients[#at.clients + 1] = client
  sockets.wait_for(client, "connect")
  at.ports[client.localPort] = #at.clients
  if seen then
    sockets.wait(function() return seen() end)
  end
  return client
end

--- Who got which client, from the n-th on.
local function story(at, first)
  local lines = {}
  for i = first or 1, #at.log do
    lines[#lines + 1] = at.log[i][1] .. " " .. tostring(at.ports[at.log[i][2]])
  end
  return lines
end

local function waiting(at) return at.handle.queue:size() end

local function finish(t, at)
  at.handle:close()
  for _, client in ipairs(at.clients) do client:destroy() end
  t.run()
end

describe("round robin", function()
  it("gives connections to the workers in turn, one at a time to each", within(function(t)
    local at = new_key(t)
    local a, b = new_worker(at, "a"), new_worker(at, "b")
    connect(at, function() return #at.log == 1 end)
    connect(at, function() return #at.log == 2 end)
    connect(at, function() return waiting(at) == 1 end)
    assert.same({ "a 1", "b 2" }, story(at))
    answer(b, true)
    assert.same({ "a 1", "b 2", "b 3" }, story(at))
    answer(a, true)
    answer(b, true)
    connect(at, function() return #at.log == 4 end)
    assert.same({ "a 4" }, story(at, 4))
    finish(t, at)
  end))

  it("closes its own copy when the worker has accepted, and not before", within(function(t)
    local at = new_key(t)
    local a = new_worker(at, "a")
    local client = connect(at, function() return #at.log == 1 end)
    local descriptor = a.given[1]
    sockets.settle()
    assert.is_number(descriptor:number())
    answer(a, true)
    assert.is_nil(descriptor:number())
    sockets.wait_for(client, "close")
    finish(t, at)
  end))

  it("keeps what comes when nobody is free, up to its backlog; the kernel keeps the rest", within(function(t)
    local at = new_key(t, 2)
    local a = new_worker(at, "a")
    for _ = 1, 5 do connect(at) end
    sockets.wait(function() return waiting(at) == 2 end)
    sockets.settle()
    assert.equal(2, waiting(at)) -- one is with the worker, two wait, two are the kernel's
    for n = 1, 4 do
      answer(a, true)
      sockets.wait(function() return #at.log == n + 1 end)
      assert.is_true(waiting(at) <= 2)
    end
    assert.same({ "a 1", "a 2", "a 3", "a 4", "a 5" }, story(at))
    finish(t, at)
  end))

  it("puts what is refused at the end, and has the refuser rest", within(function(t)
    local at = new_key(t)
    local a, b = new_worker(at, "a"), new_worker(at, "b")
    connect(at, function() return #at.log == 1 end)
    connect(at, function() return #at.log == 2 end)
    connect(at, function() return waiting(at) == 1 end)
    answer(a, false)
    assert.equal(2, waiting(at))
    assert.equal(2, #at.log) -- not to a again, at once
    answer(b, true)
    assert.same({ "a 1", "b 2", "b 3", "a 1" }, story(at))
    finish(t, at)
  end))

  it("does not offer it again and again where all are full", within(function(t)
    local at = new_key(t)
    local a = new_worker(at, "a")
    connect(at, function() return #at.log == 1 end)
    local before = core.now()
    for n = 1, 3 do
      answer(a, false)
      assert.equal(n, #at.log)
      sockets.wait(function() return #at.log == n + 1 end)
    end
    assert.is_true(core.now() - before >= 3 * 50 - 3)
    finish(t, at)
  end))

  it("gives what a dead worker had to the next, before all others", within(function(t)
    local at = new_key(t)
    local a = new_worker(at, "a")
    for n = 1, 3 do connect(at, function() return waiting(at) == n - 1 and #at.log == 1 end) end
    at.handle:died(a)
    assert.equal(3, waiting(at))
    local b = new_worker(at, "b")
    answer(b, true)
    assert.same({ "a 1", "b 1", "b 2" }, story(at))
    a.answers[1]({ accepted = true }) -- too late: it is nobody's
    assert.same({ "b 2" }, story(at, #at.log))
    assert.is_number(b.given[1]:number())
    finish(t, at)
  end))

  it("leaves what a worker has that has left to its answer", within(function(t)
    local at = new_key(t)
    local a, b = new_worker(at, "a"), new_worker(at, "b")
    connect(at, function() return #at.log == 1 end)
    at.handle:leave(a)
    assert.equal(0, waiting(at))
    connect(at, function() return #at.log == 2 end)
    answer(b, true)
    assert.same({ "a 1", "b 2" }, story(at))
    answer(a, false) -- it does not know the key any more
    assert.same({ "a 1", "b 2", "b 1" }, story(at))
    answer(b, true)
    a = new_worker(at, "a")
    connect(at, function() return #at.log == 4 end)
    at.handle:leave(at.log[4][1] == "a" and a or b)
    answer(at.log[4][1] == "a" and a or b, true)
    assert.equal(0, waiting(at))
    finish(t, at)
  end))

  it("gives what could not be sent to the next", within(function(t)
    local at = new_key(t)
    local a = new_worker(at, "a")
    connect(at, function() return #at.log == 1 end)
    a.sent({ code = "EPIPE" })
    assert.equal(1, waiting(at))
    at.handle:died(a)
    local b = new_worker(at, "b")
    assert.same({ "a 1", "b 1" }, story(at))
    a.answers[1]({ accepted = false })
    assert.equal(0, waiting(at))
    answer(b, true)
    finish(t, at)
  end))

  it("gives what a worker had no room for to the next, at once", within(function(t)
    local at = new_key(t)
    local a, b = new_worker(at, "a"), new_worker(at, "b")
    connect(at, function() return #at.log == 1 end)
    a.lost()
    assert.same({ "a 1", "b 1", "a nil" }, story(at))
    answer(b, true)
    assert.equal(0, waiting(at))
    finish(t, at)
  end))

  it("closes what waits when it closes", within(function(t)
    local at = new_key(t)
    local a = new_worker(at, "a")
    local one = connect(at, function() return #at.log == 1 end)
    local other = connect(at, function() return waiting(at) == 1 end)
    at.handle:leave(a)
    assert.equal(0, at.handle.count)
    at.handle:close()
    sockets.wait(function() return one.destroyed and other.destroyed end)
    a.answers[1]({ accepted = false })
    finish(t, at)
  end))

  it("goes by who has the fewest, where all workers tell", within(function(t)
    local at = new_key(t, nil, true)
    local a, b = new_worker(at, "a", true), new_worker(at, "b", true)
    for n = 1, 4 do
      connect(at, function() return #at.log == n end)
      answer(#a.given > 0 and a or b, true)
    end
    assert.same({ "a 1", "b 2", "a 3", "b 4" }, story(at))
    at.handle:closed(b, 2)
    for n = 5, 6 do
      connect(at, function() return #at.log == n end)
      answer(#a.given > 0 and a or b, true)
    end
    assert.same({ "b 5", "b 6" }, story(at, 5))
    at.handle:closed(a, 100) -- more than there were
    connect(at, function() return #at.log == 7 end)
    assert.same({ "a 7" }, story(at, 7))
    finish(t, at)
  end))

  it("takes turns where one of them does not tell", within(function(t)
    local at = new_key(t, nil, true)
    local a, b = new_worker(at, "a", true), new_worker(at, "b", false)
    for n = 1, 2 do
      connect(at, function() return #at.log == n end)
      answer(#a.given > 0 and a or b, true)
    end
    at.handle:closed(b, 1)
    connect(at, function() return #at.log == 3 end)
    assert.same({ "a 3" }, story(at, 3))
    answer(a, true)
    at.handle:leave(b)
    connect(at, function() return #at.log == 4 end)
    assert.same({ "a 4" }, story(at, 4))
    finish(t, at)
  end))

  it("tells why it cannot listen", within(function(t)
    local at = new_key(t)
    local other = roundrobin.new("key", 511, false)
    assert.equal(core.errnum("EADDRINUSE"), other:listen({ address = LOCAL, port = at.port, backlog = 1 }))
    assert.equal(core.errnum("EACCES"), other:listen({ path = "/nonexist/x", port = -1, backlog = 1 }))
    assert.equal(core.errnum("EINVAL"), other:listen({ fd = 1048575, backlog = 1 }))
    other:close()
    finish(t, at)
  end))
end)
