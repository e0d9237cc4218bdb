-- SPDX-License-Identifier: MIT

-- What the functions and methods of net.co say to arguments that make no sense, and to a dot in
-- the place of the colon: the call raises, and nothing has happened.

local abort = require("net.abort")
local co = require("net.co")
local net = require("net")
local support = require("spec.support.tasks")
local within = require("spec.support").within

local raised = support.raised

--- Code and text of the error that a call raises in a task.
local function says(code, text, call)
  return within(function()
    co.run(function()
      local err = raised(call)
      assert.equal(code, err.code)
      assert.matches(text, err.message, 1, true)
    end)
  end)
end

describe("net.co", function()
  local TYPE = "ERR_INVALID_ARG_TYPE"
  local FN = 'The "fn" argument must be of type function. Received nil'

  for name, call in pairs({
    timeout = function() return co.timeout(10) end,
    shield = function() return co.shield() end,
    withSignal = function() return co.withSignal(abort.AbortSignal.abort()) end,
    group = function() return co.group() end,
    spawn = function() return co.spawn() end,
    wrap = function() return co.wrap() end,
    generator = function() return co.generator() end,
  }) do
    it("has " .. name .. " want a function", says(TYPE, FN, call))
  end

  it("has await want an emitter, or a task", within(function()
    co.run(function()
      for _, what in ipairs({ "exit", {}, { on = function() end }, print, io.stdout }) do
        assert.equal(TYPE, raised(co.await, what, "exit").code)
      end
      assert.equal(TYPE, raised(co.await).code)
      assert.equal("ERR_MISSING_ARGS", raised(co.await, net.Socket()).code)
    end)
  end))

  it("has finished want a socket or server", says(TYPE, "an instance of Socket or Server. Received nil",
    function() return co.finished() end))

  it("has pipeline want two sockets, and leaves them as they were", within(function(t)
    co.run(function()
      local a, b = net.duplexPair()
      assert.matches('The "b" argument', raised(co.pipeline, a).message, 1, true)
      assert.matches('The "a" argument', raised(co.pipeline, {}, a).message, 1, true)
      b:finish("still there")
      t.log(a:receive("all"))
      a:finish()
    end)
    assert.same({ "still there" }, t.lines)
  end))

  it("has wrap refuse what cannot be called, at once", function()
    for _, value in ipairs({ 1, "print", {}, true }) do
      assert.equal(TYPE, raised(co.wrap, value).code)
    end
  end)

  it("takes what can be called for a function", within(function()
    co.run(function()
      local task = co.spawn(function() return 5 end)
      assert.equal(5, co.timeout(1000, task))
      assert.equal(5, co.shield(task))
      assert.equal(5, co.withSignal(abort.AbortController().signal, task))
    end)
  end))
end)

describe("With a dot in the place of the colon", function()
  for name, call in pairs({
    ["Queue:put"] = function() return co.queue().put(1) end,
    ["Queue:push"] = function() return co.queue().push(1) end,
    ["Queue:get"] = function() return co.queue().get() end,
    ["Queue:items"] = function() return co.queue().items() end,
    ["Queue:close"] = function() return co.queue().close() end,
    ["Semaphore:acquire"] = function() return co.semaphore().acquire() end,
    ["Held:release"] = function() return co.semaphore():acquire().release() end,
    ["Group:spawn"] = function() return co.group(function(g) g.spawn(print) end) end,
    ["Group:cancel"] = function() return co.group(function(g) g.cancel() end) end,
    ["Server:serve"] = function() return net.createServer().serve(print) end,
    ["Server:incoming"] = function() return net.createServer().incoming() end,
    ["Socket:receive"] = function() return net.Socket().receive("line") end,
    ["Socket:send"] = function() return net.Socket().send("text") end,
    ["Task:await"] = function() return co.current().await() end,
    ["Task:cancel"] = function() return co.current().cancel("why") end,
  }) do
    local class = name:match("^%a+")
    it(name .. " says what it is called on", says("ERR_INVALID_THIS",
      'Value of "this" must be of type ' .. class, call))
  end
end)
