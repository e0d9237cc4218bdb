-- SPDX-License-Identifier: MIT

--- The expectations are what Node 26 does with the same calls.

local abort = require("net.abort")
local core = require("net.core")
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local validate = require("net.internal.validate")
local within = require("spec.support").within

local AbortController, AbortSignal = abort.AbortController, abort.AbortSignal

local function text_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(err)
end

describe("AbortController", function()
  it("has a signal that is not aborted", function()
    local controller = AbortController()
    assert.is_false(controller.signal.aborted)
    assert.is_nil(controller.signal.reason)
    assert.equal(controller.signal, controller.signal)
    assert.equal("[object AbortController]", tostring(controller))
    assert.equal("[object AbortSignal]", tostring(controller.signal))
  end)

  it("aborts with a reason", function()
    local controller = AbortController()
    assert.equal(0, select("#", controller:abort("why")))
    assert.is_true(controller.signal.aborted)
    assert.equal("why", controller.signal.reason)
  end)

  it("aborts with an AbortError where there is none", function()
    local controller = AbortController()
    controller:abort()
    assert.equal("AbortError: This operation was aborted", tostring(controller.signal.reason))
    assert.equal(20, controller.signal.reason.code)
  end)

  it("aborts once", function()
    local controller, calls = AbortController(), 0
    controller.signal:on("abort", function() calls = calls + 1 end)
    controller:abort(1)
    controller:abort(2)
    assert.equal(1, calls)
    assert.equal(1, controller.signal.reason)
  end)
end)

describe("a signal whose listener another signal takes back", function()
  it("is not kept alive by that, which forgets it", function()
    local long = abort.AbortController()
    local gone = setmetatable({}, { __mode = "k" })
    local before
    for round = 1, 2 do
      for _ = 1, 200 do
        local short = abort.AbortController()
        short.signal:addEventListener("abort", function() end, { signal = long.signal })
        gone[short.signal] = true
      end
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(gone))
      before = before or collectgarbage("count")
      assert.is_true(round == 1 or collectgarbage("count") < before + 20) -- KiB, of 200 signals
    end
    long:abort()
  end)

  it("hears no more once that has aborted", function()
    local one, other = abort.AbortController(), abort.AbortController()
    local heard = 0
    one.signal:addEventListener("abort", function() heard = heard + 1 end, { signal = other.signal })
    collectgarbage()
    other:abort()
    one:abort()
    assert.equal(0, heard)
  end)
end)

describe("AbortSignal", function()
  it("tells listeners of every kind, in order, inside abort()", function()
    local controller, seen = AbortController(), {}
    local signal = controller.signal
    local function note(name)
      return function(event)
        assert.equal("abort", event.type)
        assert.equal(signal, event.target)
        assert.is_true(signal.aborted)
        seen[#seen + 1] = name
      end
    end
    signal.onabort = note("replaced")
    signal:addEventListener("abort", note("added"))
    signal:on("abort", note("on"))
    signal:once("abort", note("once"))
    signal:addEventListener("abort", note("added once"), { once = true })
    core.listen_hidden(signal, "abort", note("hidden"), "once")
    signal.onabort = note("onabort")
    controller:abort()
    assert.same({ "onabort", "added", "on", "once", "added once", "hidden" }, seen)
    assert.equal(2, signal:listenerCount("abort"))
  end)

  it("adds a listener only once, and takes it back", function()
    local controller, calls = AbortController(), 0
    local function listener() calls = calls + 1 end
    controller.signal:addEventListener("abort", listener)
    controller.signal:addEventListener("abort", listener, { once = true })
    assert.equal(1, controller.signal:listenerCount("abort"))
    controller.signal:removeEventListener("abort", listener)
    controller.signal:removeEventListener("abort", listener)
    controller:abort()
    assert.equal(0, calls)
  end)

  it("has onabort as a field that can be read and cleared", function()
    local controller = AbortController()
    local function listener() error("not called") end
    assert.is_nil(controller.signal.onabort)
    controller.signal.onabort = listener
    assert.equal(listener, controller.signal.onabort)
    controller.signal.onabort = nil
    assert.is_nil(controller.signal.onabort)
    controller:abort()
  end)

  it("calls the next listener though one failed, whose error is uncaught", within(function(t)
    local controller = AbortController()
    controller.signal:on("abort", function() error("in a listener", 0) end)
    controller.signal:on("abort", t.calls(1))
    controller:abort()
    assert.has_error(net.run, "in a listener")
  end))

  it("raises its reason from throwIfAborted", function()
    local controller = AbortController()
    controller.signal:throwIfAborted()
    controller:abort("why")
    assert.equal("why", text_of(controller.signal.throwIfAborted, controller.signal))
    controller = AbortController()
    controller:abort()
    local _, err = pcall(controller.signal.throwIfAborted, controller.signal)
    assert.equal(controller.signal.reason, err)
  end)

  it("takes any number of listeners", function()
    local signal = AbortController().signal
    assert.equal(0, signal:getMaxListeners())
  end)

  it("cannot be made by hand", function()
    assert.equal("TypeError [ERR_ILLEGAL_CONSTRUCTOR]: Illegal constructor", text_of(AbortSignal))
  end)

  it("is what the options called 'signal' want", function()
    local signal = AbortController().signal
    assert.equal(signal, validate.signal(signal, "options.signal"))
  end)

  it("takes a table with handleEvent, which it looks for when it aborts", function()
    local controller, seen = AbortController(), {}
    local listener = { name = "mine" }
    controller.signal:addEventListener("abort", listener)
    controller.signal:addEventListener("abort", listener)
    controller.signal:addEventListener("abort", {})
    function listener:handleEvent(event) seen[#seen + 1] = self.name .. " " .. event.type end
    controller:abort()
    assert.same({ "mine abort" }, seen)
  end)

  it("takes back a table, and knows one that captures from one that does not", function()
    local controller, calls = AbortController(), 0
    local listener = { handleEvent = function() calls = calls + 1 end }
    local signal = controller.signal
    signal:addEventListener("abort", listener)
    signal:removeEventListener("abort", listener)
    signal:addEventListener("abort", listener.handleEvent, true)
    signal:addEventListener("abort", listener.handleEvent, { capture = 1 })
    signal:addEventListener("abort", listener.handleEvent, { capture = false })
    signal:removeEventListener("abort", listener.handleEvent, { capture = true })
    controller:abort()
    assert.equal(1, calls)
  end)

  it("takes a listener back when the option signal aborts", function()
    local controller, other = AbortController(), AbortController()
    local function listener() error("not called") end
    controller.signal:addEventListener("abort", listener, { signal = other.signal })
    controller.signal:addEventListener("abort", listener, { signal = AbortSignal.abort() })
    other:abort()
    controller:abort()
    assert.equal(0, controller.signal:listenerCount("abort"))
  end)

  it("raises for options that are none", function()
    local signal = AbortController().signal
    for given, received in pairs({ [5] = "type number (5)", x = "type string ('x')" }) do
      assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "options" argument must be of type object. '
        .. "Received " .. received,
        text_of(signal.addEventListener, signal, "abort", function() end, given))
    end
    assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "options.signal" property must be an '
      .. "instance of AbortSignal. Received type number (5)",
      text_of(signal.addEventListener, signal, "abort", function() end, { signal = 5 }))
    for _, fine in ipairs({ true, false, {}, function() end }) do
      signal:addEventListener("abort", function() end, fine)
    end
  end)

  it("warns of a listener that is nil, and adds nothing", function()
    local signal, warned = AbortController().signal, {}
    local warn = process.emitWarning
    finally(function() process.emitWarning = warn end)
    process.emitWarning = function(text, name) warned = { text, name } end
    signal:addEventListener("abort", nil)
    signal:removeEventListener("abort", nil)
    assert.same({ "addEventListener called with nil which has no effect.",
      "AddEventListenerArgumentTypeWarning" }, warned)
    assert.equal(0, signal:listenerCount("abort"))
  end)

  it("raises for listeners that are none", function()
    local signal = AbortController().signal
    assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "listener" argument must be an instance of '
      .. "EventListener. Received type number (5)", text_of(signal.addEventListener, signal, "abort", 5))
    assert.equal('TypeError [ERR_MISSING_ARGS]: The "type" and "listener" arguments must be specified',
      text_of(signal.addEventListener, signal, "abort"))
  end)
end)

describe("AbortSignal.abort", function()
  it("gives a signal that is aborted already", function()
    local signal = AbortSignal.abort()
    assert.is_true(signal.aborted)
    assert.equal("AbortError: This operation was aborted", tostring(signal.reason))
    assert.equal(5, AbortSignal.abort(5).reason)
  end)
end)

describe("AbortSignal.timeout", function()
  it("aborts by itself, with a TimeoutError", within(function(t)
    local signal = AbortSignal.timeout(1)
    local other = timers.setTimeout(t.never(), 100000)
    signal.onabort = t.calls(1, function()
      assert.equal("TimeoutError: The operation was aborted due to timeout", tostring(signal.reason))
      assert.equal(23, signal.reason.code)
      other:close()
    end)
    t.run()
  end))

  it("does not hold the loop", within(function(t)
    AbortSignal.timeout(1).onabort = t.calls(1)
    assert.is_false(t.run())
    timers.setTimeout(t.calls(1), 20) -- lets it fire all the same
    t.run()
  end))

  it("takes a count of milliseconds", function()
    assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "delay" argument must be of type number. '
      .. "Received type string ('a')", text_of(AbortSignal.timeout, "a"))
    assert.equal('RangeError [ERR_OUT_OF_RANGE]: The value of "delay" is out of range. It must be '
      .. ">= 0 && <= 4294967295. Received -1", text_of(AbortSignal.timeout, -1))
    assert.matches("It must be an integer. Received 1.5$", text_of(AbortSignal.timeout, 1.5))
  end)
end)

describe("AbortSignal.any", function()
  it("aborts with the first of its sources, which finds it aborted", function()
    local one, two, seen = AbortController(), AbortController(), {}
    local signal = AbortSignal.any({ one.signal, two.signal })
    signal.onabort = function() seen[#seen + 1] = "any " .. signal.reason end
    one.signal.onabort = function() seen[#seen + 1] = "one " .. tostring(signal.aborted) end
    one:abort("R")
    two:abort("R2")
    assert.same({ "one true", "any R" }, seen)
    assert.equal("R", signal.reason)
  end)

  it("is aborted from the start if a source is", function()
    local one, two = AbortController(), AbortController()
    two:abort("two")
    local signal = AbortSignal.any({ one.signal, two.signal })
    assert.same({ true, "two" }, { signal.aborted, signal.reason })
    assert.is_false(AbortSignal.any({}).aborted)
  end)

  it("can be a source itself", function()
    local one = AbortController()
    local inner = AbortSignal.any({ one.signal })
    local outer, seen = AbortSignal.any({ inner }), {}
    inner:on("abort", function() seen[#seen + 1] = "inner " .. tostring(outer.aborted) end)
    outer:on("abort", function() seen[#seen + 1] = "outer" end)
    one:abort("R")
    assert.same({ "inner true", "outer" }, seen)
  end)

  it("is not collected by its sources, unless somebody listens", function()
    local source, calls = AbortController(), 0
    local kept = setmetatable({}, { __mode = "v" })
    local function listener() calls = calls + 1 end
    do
      local silent = AbortSignal.any({ source.signal })
      local heard = AbortSignal.any({ source.signal }):on("abort", listener)
      local left = AbortSignal.any({ source.signal }):on("abort", listener):off("abort", listener)
      kept.silent, kept.heard, kept.left = silent, heard, left
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(kept.silent)
    assert.is_nil(kept.left)
    source:abort()
    assert.equal(1, calls)
    collectgarbage()
    assert.is_nil(kept.heard)
  end)

  it("wants a list of signals", function()
    assert.equal("TypeError [ERR_INVALID_ARG_TYPE]: signals cannot be converted to sequence.",
      text_of(AbortSignal.any, 5))
    assert.equal("TypeError [ERR_INVALID_ARG_TYPE]: signals[0] is not of type AbortSignal.",
      text_of(AbortSignal.any, { 5 }))
  end)
end)

describe("with a dot in the place of the colon", function()
  local controller = AbortController()
  for name, case in pairs({
    ["AbortController:abort"] = { controller.abort, "AbortController" },
    ["AbortSignal:addEventListener"] = { controller.signal.addEventListener, "EventTarget" },
    ["AbortSignal:removeEventListener"] = { controller.signal.removeEventListener, "EventTarget" },
    ["AbortSignal:throwIfAborted"] = { controller.signal.throwIfAborted, "AbortSignal" },
  }) do
    local method, class = table.unpack(case)
    it(name .. " says what it is called on, before it looks at the arguments", function()
      local expected = ('TypeError [ERR_INVALID_THIS]: Value of "this" must be of type %s'):format(class)
      assert.equal(expected, text_of(method))
      for _, this in ipairs({ "abort", 5, {}, print, io.stdout, net.Socket() }) do
        assert.equal(expected, text_of(method, this, print))
      end
      assert.is_false(controller.signal.aborted)
    end)
  end
end)
