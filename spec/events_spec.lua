-- SPDX-License-Identifier: MIT

--- The expectations are what Node 26 does with the same calls.

local core = require("net.core")
local abort = require("net.abort")
local errors = require("net.internal.errors")
local events = require("net.events")
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")
local within = require("spec.support").within

local EventEmitter = events.EventEmitter

--- The error that a call raises.
local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

--- What it says, as text.
local function text_of(fn, ...)
  return tostring(raised(fn, ...))
end

--- A listener that notes its name, and the note-book.
local function notes()
  local seen = {}
  return seen, function(name, more)
    return function(...)
      seen[#seen + 1] = name
      if more then
        more(...)
      end
    end
  end
end

--- Every kind of emitter: an object, a table of a class, a bare table.
local kinds = {
  ["EventEmitter()"] = EventEmitter,
  ["a class made by extend"] = function()
    local Class = EventEmitter.extend()
    return setmetatable({}, Class)
  end,
  ["a table with the prototype's methods"] = function()
    return setmetatable({}, { __index = EventEmitter.prototype })
  end,
}

for kind, new in pairs(kinds) do
  describe("emit of " .. kind, function()
    it("calls the listeners in order, with all arguments, and tells whether there were any", function()
      local e, seen = new(), {}
      e:on("x", function(...) seen[#seen + 1] = table.pack("a", ...) end)
      e:on("x", function(...) seen[#seen + 1] = table.pack("b", ...) end)
      assert.is_true(e:emit("x", 1, nil, "z", nil))
      assert.same({ { "a", 1, nil, "z", nil, n = 5 }, { "b", 1, nil, "z", nil, n = 5 } }, seen)
      assert.is_false(e:emit("y"))
      assert.is_true(e:emit("x"))
      assert.same({ "a", n = 1 }, seen[3])
    end)

    it("works on those there were at the start", function()
      local e, seen, note = new(), notes()
      local removed = note("removed")
      e:on("x", note("first", function()
        e:on("x", note("added"))
        e:off("x", removed)
      end))
      e:on("x", removed)
      e:emit("x")
      assert.same({ "first", "removed" }, seen)
      e:emit("x")
      assert.same({ "first", "removed", "first", "added" }, seen)
    end)

    -- With two or more listeners, they stand in a list, which grows in place.
    it("does not call what is added behind many, by them or by an emit within", function()
      local e, seen, note = new(), notes()
      e:on("x", note("A", function()
        if #seen == 1 then
          e:on("x", note("C"))
          e:emit("x")
          e:on("x", note("D"))
        end
      end))
      e:on("x", note("B"))
      e:emit("x")
      assert.same({ "A", "A", "B", "C", "B" }, seen)
      e:emit("x")
      assert.equal("ABCD", table.concat(seen, "", 6))
    end)

    -- Each was once a copy of all that were there: this took minutes.
    it("calls a hundred thousand listeners", function()
      local e, count = new(), 0
      local function listener() count = count + 1 end
      e:setMaxListeners(0)
      for _ = 1, 100000 do
        e:on("x", listener)
      end
      e:emit("x")
      assert.equal(100000, count)
    end)

    it("stops with the first error, which comes out of it", function()
      local e, seen, note = new(), notes()
      e:on("x", note("first"))
      e:on("x", function() error("oh", 0) end)
      e:on("x", note("third"))
      assert.equal("oh", raised(e.emit, e, "x"))
      assert.same({ "first" }, seen)
    end)

    it("calls a once listener once, also when emitted from inside", function()
      local e, seen, note = new(), notes()
      e:once("x", note("A", function()
        if #seen == 1 then e:emit("x") end
      end))
      e:once("x", note("B"))
      e:emit("x")
      assert.same({ "A", "B" }, seen)
      assert.equal(0, e:listenerCount("x"))
      assert.is_false(e:emit("x"))
    end)

    it("calls a once listener that one before it has removed", function()
      local e, seen, note = new(), notes()
      local second = note("second")
      e:on("x", function() e:off("x", second) end)
      e:once("x", second)
      e:emit("x")
      e:emit("x")
      assert.same({ "second" }, seen)
    end)

    it("passes many arguments on", function()
      local e, many, count = new(), {}, nil
      for i = 1, 240 do many[i] = i end
      e:on("x", function(...) count = select("#", ...) end)
      e:on("x", function() end)
      e:emit("x", table.unpack(many))
      assert.equal(240, count)
    end)

    it("takes any value but nil for a name", function()
      local e, seen, note = new(), notes()
      for _, name in ipairs({ 1, true, {}, print, ("long"):rep(50), "data", 1.5 }) do
        e:on(name, note(name))
        e:emit(name)
        assert.equal(name, table.remove(seen))
        assert.equal(1, e:listenerCount(name))
      end
      assert.equal(7, #e:eventNames())
      assert.equal("ERR_INVALID_ARG_TYPE", raised(e.on, e, nil, print).code)
      assert.equal("ERR_INVALID_ARG_TYPE", raised(e.emit, e).code)
    end)
  end)

  describe("the listeners of " .. kind, function()
    it("are added behind or before", function()
      local e, seen, note = new(), notes()
      assert.equal(e, e:on("x", note("b")))
      assert.equal(e, e:addListener("x", note("c")))
      assert.equal(e, e:prependListener("x", note("a")))
      assert.equal(e, e:prependOnceListener("x", note("once")))
      e:emit("x")
      e:emit("x")
      assert.same({ "once", "a", "b", "c", "a", "b", "c" }, seen)
    end)

    it("are removed one at a time, the newest match first", function()
      local e = new()
      local function a() end
      local function b() end
      e:on("x", a):on("x", b):on("x", a)
      assert.equal(e, e:off("x", a))
      assert.same({ a, b }, e:listeners("x"))
      e:removeListener("x", a):removeListener("x", a):off("y", a)
      assert.same({ b }, e:listeners("x"))
      e:once("z", a):off("z", a)
      assert.same({ "x" }, e:eventNames())
    end)

    it("are announced before they are added, and after they were removed", function()
      local e, seen = new(), {}
      local function a() end
      local function b() end
      local names = { [a] = "a", [b] = "b" }
      local function tell(what)
        return function(name, fn)
          seen[#seen + 1] = ("%s %s %s %d"):format(what, name, names[fn] or "?", e:listenerCount("x"))
          if what == "new" and not e.nested then
            e.nested = true
            e:on("x", b)
          end
        end
      end
      e:on("newListener", tell("new"))
      e:on("x", a)
      assert.same({ "new x a 0", "new x b 0" }, seen)
      assert.same({ b, a }, e:listeners("x"))
      seen = {}
      e:once("x", a)
      assert.same({ "new x a 2" }, seen)
      seen = {}
      e:on("removeListener", tell("removed"))
      assert.same({ "new removeListener ? 3" }, seen)
      seen = {}
      e:emit("x")
      e:off("x", a)
      e:off("x", a)
      assert.same({ "removed x a 2", "removed x a 1" }, seen)
    end)

    it("are removed all together, each with 'removeListener' if somebody listens to that", function()
      local e, seen = new(), {}
      local function a() end
      local function b() end
      local function c() end
      local names = { [a] = "a", [b] = "b", [c] = "c" }
      local function on_remove(name, fn) seen[#seen + 1] = name .. names[fn] end
      e:on("removeListener", on_remove)
      e:on("x", a):on("x", b):once("y", c):on("x", a)
      assert.equal(e, e:removeAllListeners())
      assert.same({ "xa", "xb", "xa", "yc" }, seen)
      assert.same({}, e:eventNames())

      seen = {}
      e:on("x", a):on("y", b):removeAllListeners("x")
      assert.same({ "y" }, e:eventNames())
      assert.same({}, seen)
    end)

    it("are removed all together without an emit that nobody listens to", function()
      local e = new()
      e.emit = function() error("emitted") end
      e:on("x", print):on("x", error):on("y", print)
      e:removeAllListeners("x"):removeAllListeners()
      assert.same({}, e:eventNames())
    end)

    it("are counted, and listed as they were given", function()
      local e = new()
      local function a() end
      local function b() end
      e:on("x", a):on("x", a):once("x", b)
      assert.equal(3, e:listenerCount("x"))
      assert.equal(2, e:listenerCount("x", a))
      assert.equal(1, e:listenerCount("x", b))
      assert.equal(0, e:listenerCount("y"))
      assert.same({ a, a, b }, e:listeners("x"))
      assert.same({}, e:listeners("y"))
    end)

    it("are wrapped in rawListeners if they are called once", function()
      local e, seen, note = new(), notes()
      local function plain() end
      local once = note("called")
      e:on("x", plain):once("x", once)
      local raw = e:rawListeners("x")
      assert.equal(plain, raw[1])
      assert.equal(once, raw[2].listener)
      raw[2]()
      assert.same({ "called" }, seen)
      assert.same({ plain }, e:listeners("x"))
    end)

    it("have to be functions", function()
      local e = new()
      for _, method in ipairs({ "on", "once", "off", "prependListener", "prependOnceListener" }) do
        assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "listener" argument must be of type '
          .. "function. Received type number (5)", text_of(e[method], e, "x", 5))
        assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "listener" argument must be of type '
          .. "function. Received nil", text_of(e[method], e, "x"))
      end
      assert.same({}, e:eventNames())
    end)

    it("of ours are never seen", function()
      local e, seen, note = new(), notes()
      local hidden = note("hidden")
      core.listen_hidden(e, "x", hidden, "keep")
      core.listen_hidden(e, "x", note("hidden once"), "once")
      assert.same({}, e:eventNames())
      assert.equal(0, e:listenerCount("x"))
      assert.same({}, e:listeners("x"))
      assert.same({}, e:rawListeners("x"))
      e:on("x", note("user's"))
      core.listen_hidden(e, "x", note("hidden first"), "first")
      assert.equal(1, e:listenerCount("x"))
      e:removeAllListeners()
      e:on("x", note("user's"))
      e:emit("x")
      assert.same({ "hidden first", "hidden", "hidden once", "user's" }, seen)
      assert.is_true(core.unlisten(e, "x", hidden))
      assert.is_false(core.unlisten(e, "x", hidden))
      seen[1], seen[2], seen[3], seen[4] = nil, nil, nil, nil
      e:emit("x")
      assert.same({ "hidden first", "user's" }, seen)
    end)
  end)

  describe("'error' of " .. kind, function()
    it("is raised as it is when nobody listens", function()
      local e = new()
      local err = errors.new("Error", "boo")
      assert.equal(err, raised(e.emit, e, "error", err))
      local own = setmetatable({}, { __tostring = function() return "own" end })
      assert.equal(own, raised(e.emit, e, "error", own))
    end)

    it("becomes ERR_UNHANDLED_ERROR if it is no error", function()
      local e = new()
      local function unhandled(...)
        return text_of(e.emit, e, "error", ...)
      end
      local head = "Error [ERR_UNHANDLED_ERROR]: Unhandled error. "
      assert.equal(head .. "(nil)", unhandled())
      assert.equal(head .. "('text')", unhandled("text"))
      assert.equal(head .. "(5)", unhandled(5))
      assert.equal(head .. "({ a: 1 })", unhandled({ a = 1 }))
      assert.equal("text", raised(e.emit, e, "error", "text").context)
    end)

    it("goes by the errorMonitor first, which does not count as handling", function()
      local e, seen = new(), {}
      e:on("error", function(err) seen[#seen + 1] = "listener " .. err end)
      e:on(events.errorMonitor, function(err, more) seen[#seen + 1] = "monitor " .. err .. more end)
      assert.is_true(e:emit("error", "E", 2))
      assert.same({ "monitor E2", "listener E" }, seen)
      e:removeAllListeners("error")
      assert.equal("ERR_UNHANDLED_ERROR", raised(e.emit, e, "error", "E", 3).code)
      assert.equal("monitor E3", seen[3])
      assert.same({ events.errorMonitor }, e:eventNames())
    end)
  end)
end

describe("an emit in a listener of an emit", function()
  local function nest(depth)
    local emitter = EventEmitter()
    local reached = 0
    emitter:on("x", function(left)
      reached = reached + 1
      if left > 1 then
        emitter:emit("x", left - 1)
      end
    end)
    local ok, err = pcall(emitter.emit, emitter, "x", depth)
    return ok, reached, tostring(err), emitter
  end

  it("may be a hundred deep", function()
    local ok, reached = nest(100)
    assert.is_true(ok)
    assert.equal(100, reached)
  end)

  it("raises beyond what Lua allows of C, at its line, and leaves the emitter as it was", function()
    local ok, reached, text, emitter = nest(10000)
    assert.is_false(ok)
    assert.is_true(reached > 100)
    assert.is_truthy(text:find("events_spec.lua:%d+: .*C stack overflow"), text)
    assert.is_true(emitter:emit("x", 1))
  end)
end)

describe("the maximum of listeners", function()
  local seen, last

  local function listener(warning)
    seen[#seen + 1], last = tostring(warning), warning
  end

  before_each(function()
    seen, last = {}, nil
    process.noWarnings = true
    process:on("warning", listener)
  end)

  after_each(function()
    process:off("warning", listener)
    process.noWarnings = false
    events.defaultMaxListeners = 10
  end)

  local function add(e, n, event)
    for _ = 1, n do
      e:on(event or "x", function() end)
    end
    net.run()
  end

  it("is 10; the eleventh brings a warning, once", function()
    local e = EventEmitter()
    assert.equal(10, e:getMaxListeners())
    add(e, 10)
    assert.same({}, seen)
    add(e, 10)
    assert.same({ "MaxListenersExceededWarning: Possible EventEmitter memory leak detected. 11 x "
      .. "listeners added to [EventEmitter]. MaxListeners is 10. Use emitter.setMaxListeners() to "
      .. "increase limit" }, seen)
    assert.same({ e, "x", 11 }, { last.emitter, last.type, last.count })
    e:off("x", e:listeners("x")[1])
    add(e, 1)
    assert.equal(1, #seen)
    e:removeAllListeners("x")
    add(e, 11)
    assert.equal(2, #seen)
  end)

  it("is counted for each event", function()
    local e = EventEmitter()
    add(e, 10, "x")
    add(e, 10, "y")
    add(e, 10, "data")
    assert.same({}, seen)
    add(e, 1, "data")
    assert.matches("11 data listeners", seen[1])
  end)

  it("can be set, 0 standing for any number", function()
    local e = EventEmitter()
    assert.equal(e, e:setMaxListeners(1))
    assert.equal(1, e:getMaxListeners())
    add(e, 2)
    assert.matches("2 x listeners added to %[EventEmitter%]%. MaxListeners is 1%.", seen[1])
    local any = EventEmitter():setMaxListeners(0)
    add(any, 50)
    assert.equal(1, #seen)
  end)

  it("does not count what is hidden", function()
    local e = EventEmitter():setMaxListeners(2)
    for _ = 1, 5 do
      core.listen_hidden(e, "x", function() end, "keep")
    end
    add(e, 2)
    assert.same({}, seen)
    add(e, 1)
    assert.matches("3 x listeners", seen[1])
  end)

  it("has a default for all that have none", function()
    events.defaultMaxListeners = 1
    assert.equal(1, EventEmitter.defaultMaxListeners)
    EventEmitter.defaultMaxListeners = 3
    assert.equal(3, events.defaultMaxListeners)
    local e = EventEmitter()
    add(e, 3)
    assert.same({}, seen)
    add(e, 1)
    assert.equal(1, #seen)
    events.setMaxListeners(7)
    assert.equal(7, e:getMaxListeners())
    events.setMaxListeners(5, e)
    assert.equal(5, events.getMaxListeners(e))
  end)

  it("is the module's and the class's, as all that the module has", function()
    for _, name in ipairs({ "once", "on", "listenerCount", "getEventListeners", "getMaxListeners",
                            "setMaxListeners", "errorMonitor", "EventEmitter" }) do
      assert.is_not_nil(events[name])
      assert.equal(events[name], EventEmitter[name])
    end
    assert.is_nil(EventEmitter.nothing)
    assert.is_nil(EventEmitter.emit)
  end)

  it("is a number that is not negative", function()
    local e = EventEmitter()
    assert.equal('RangeError [ERR_OUT_OF_RANGE]: The value of "setMaxListeners" is out of range. '
      .. "It must be >= 0. Received -1", text_of(e.setMaxListeners, e, -1))
    assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "setMaxListeners" argument must be of type '
      .. "number. Received type string ('a')", text_of(e.setMaxListeners, e, "a"))
    assert.matches("ERR_OUT_OF_RANGE", text_of(e.setMaxListeners, e, 0 / 0))
    assert.matches('The value of "defaultMaxListeners" is out of range',
      text_of(function() events.defaultMaxListeners = -1 end))
  end)
end)

describe("a table without methods, as an emitter,", function()
  local prototype = EventEmitter.prototype

  it("hears 'removeListener' of removeAllListeners", function()
    local plain, seen = {}, {}
    prototype.on(plain, "removeListener", function(event) seen[#seen + 1] = event end)
    prototype.on(plain, "x", function() end)
    prototype.removeAllListeners(plain, "x")
    assert.same({ "x" }, seen)
  end)

  it("has raw listeners that can be called", function()
    local plain, seen = {}, {}
    prototype.once(plain, "x", function(...) seen[#seen + 1] = ... end)
    prototype.rawListeners(plain, "x")[1](7)
    assert.same({ 7 }, seen)
    assert.equal(0, events.listenerCount(plain, "x"))
  end)
end)

describe("EventEmitter", function()
  it("takes captureRejections, which means nothing here", function()
    assert.is_userdata(EventEmitter({ captureRejections = true }))
    assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "options.captureRejections" property must '
      .. "be of type boolean. Received type number (5)",
      text_of(EventEmitter, { captureRejections = 5 }))
  end)

  it("makes objects that keep fields", function()
    local e = EventEmitter()
    e.name = "front"
    assert.equal("front", e.name)
    assert.is_nil(e.other)
  end)

  it("makes classes, of tables there are too", function()
    local Base = { greet = function() return "hello" end, on = "own" }
    Base.__index = Base
    local Class = setmetatable({}, Base)
    assert.equal(Class, EventEmitter.extend(Class))
    local object, got = setmetatable({}, Class), nil
    assert.equal("hello", object:greet())
    assert.equal("own", object.on)
    object:once("x", function(value) got = value end)
    object:emit("x", 5)
    assert.equal(5, got)
  end)

  it("refuses a self that cannot emit", function()
    local e = EventEmitter()
    for _, bad in ipairs({ 5, "x", io.stdout, print }) do
      assert.equal('TypeError [ERR_INVALID_THIS]: Value of "this" must be of type EventEmitter',
        text_of(e.on, bad, "x", print))
      assert.equal("ERR_INVALID_THIS", raised(e.emit, bad, "x").code)
      assert.equal("ERR_INVALID_THIS", raised(e.eventNames, bad).code)
    end
  end)

  it("is collected with its listeners, though they know it", function()
    local kept = setmetatable({}, { __mode = "v" })
    do
      local e = EventEmitter()
      e:on("x", function() return e end)
      e:once("data", function() return e end)
      kept.emitter = e
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(kept.emitter)
  end)

  it("stands a collector that runs at every step", function()
    local e, calls = EventEmitter(), 0
    local function listener()
      calls = calls + 1
      collectgarbage()
    end
    collectgarbage("generational")
    for _ = 1, 50 do
      e:on("x", listener)
      e:once("data", listener)
      collectgarbage("step")
      e:emit("x")
      e:emit("data")
      e:off("x", listener)
    end
    collectgarbage("incremental")
    assert.equal(100, calls)
  end)
end)

describe("functions of net.events", function()
  it("look at an emitter from outside", function()
    local e = EventEmitter()
    e:on("x", print)
    assert.equal(1, events.listenerCount(e, "x"))
    assert.same({ print }, events.getEventListeners(e, "x"))
    for _, name in ipairs({ "listenerCount", "getEventListeners", "getMaxListeners" }) do
      assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "emitter" argument must be an instance of '
        .. "EventEmitter or EventTarget. Received type number (5)", text_of(events[name], 5, "x"))
    end
    assert.matches('The "eventTargets" argument must be an instance of',
      text_of(events.setMaxListeners, 3, 5))
  end)
end)

--- Runs `fn` in a coroutine now, and its error out of here.
local function task(fn)
  local co = coroutine.create(fn)
  local ok, err = coroutine.resume(co)
  if not ok then
    error(err, 0)
  end
  return co
end

describe("events.once", function()
  it("waits for an event and returns its arguments", within(function(t)
    local e = EventEmitter()
    timers.setTimeout(e.emit, 1, e, "x", 1, nil, 3)
    task(t.calls(1, function()
      assert.same({ n = 3, 1, nil, 3 }, (events.once(e, "x")))
      assert.same({}, e:eventNames())
      t.log("done")
    end))
    t.log("started")
    t.run()
    assert.same({ "started", "done" }, t.lines)
  end))

  it("takes a table without methods, as any is an emitter", within(function(t)
    local plain = {}
    timers.setTimeout(EventEmitter.prototype.emit, 1, plain, "x", 1)
    task(t.calls(1, function()
      assert.same({ n = 1, 1 }, (events.once(plain, "x")))
      assert.equal(0, events.listenerCount(plain, "error"))
    end))
    t.run()
  end))

  it("gives nil and the error when there is one first", within(function(t)
    local e = EventEmitter()
    timers.setTimeout(e.emit, 1, e, "error", "boo")
    task(t.calls(1, function()
      assert.same({ n = 2, nil, "boo" }, table.pack(events.once(e, "x")))
      assert.same({}, e:eventNames())
    end))
    t.run()
  end))

  it("can wait for 'error' itself", within(function(t)
    local e = EventEmitter()
    timers.setTimeout(e.emit, 1, e, "error", "boo")
    task(t.calls(1, function()
      assert.same({ n = 1, "boo" }, (events.once(e, "error")))
    end))
    t.run()
  end))

  it("ends with an AbortError when its signal aborts, before or later", within(function(t)
    local e, controller = EventEmitter(), abort.AbortController()
    timers.setTimeout(controller.abort, 1, controller, "why")
    task(t.calls(1, function()
      for _ = 1, 2 do
        local args, err = events.once(e, "x", { signal = controller.signal })
        assert.is_nil(args)
        assert.equal("AbortError: The operation was aborted", tostring(err))
        assert.equal("ABORT_ERR", err.code)
        assert.equal("why", err.cause)
        assert.same({}, e:eventNames())
      end
    end))
    t.run()
  end))

  it("leaves nothing in a signal that did not abort", within(function(t)
    local e, controller = EventEmitter(), abort.AbortController()
    timers.setTimeout(e.emit, 1, e, "x")
    task(t.calls(1, function()
      events.once(e, "x", { signal = controller.signal })
      assert.equal(0, #core.events(controller.signal))
    end))
    t.run()
  end))

  it("goes on outside of the emit, so that it can wait again", within(function(t)
    local e = EventEmitter()
    task(t.calls(1, function()
      events.once(e, "x")
      t.log("first")
      events.once(e, "y")
      t.log("second")
    end))
    timers.setTimeout(function()
      e:emit("x")
      t.log("emitted x")
      process.nextTick(function()
        e:emit("y")
        t.log("emitted y")
      end)
    end, 1)
    t.run()
    assert.same({ "emitted x", "first", "emitted y", "second" }, t.lines)
  end))

  it("is not woken by others who resume the coroutine", within(function(t)
    local e = EventEmitter()
    local co = task(t.calls(1, function()
      assert.same({ n = 1, 5 }, (events.once(e, "x")))
    end))
    coroutine.resume(co)
    coroutine.resume(co)
    timers.setTimeout(e.emit, 1, e, "x", 5)
    t.run()
  end))

  it("lets an error behind it come out of run(), with the coroutine's traceback", within(function()
    local e = EventEmitter()
    local function the_culprit() error("behind", 0) end
    task(function()
      events.once(e, "x")
      the_culprit()
    end)
    timers.setTimeout(e.emit, 1, e, "x")
    assert.has_error(net.run, "behind")
    assert.matches("the_culprit", net.traceback("behind"))
  end))

  it("leaves no listener when its coroutine is closed", function()
    local e = EventEmitter()
    local co = coroutine.create(function() events.once(e, "x") end)
    coroutine.resume(co)
    assert.same({ "x", "error" }, e:eventNames())
    coroutine.close(co)
    assert.same({}, e:eventNames())
  end)

  it("raises for bad arguments, and outside of a coroutine", function()
    local e = EventEmitter()
    assert.equal("events.once has to wait, and so must be called in a coroutine",
      text_of(events.once, e, "x"):match("events%.once.*"))
    assert.same({}, e:eventNames())
    task(function()
      assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "options.signal" property must be an '
        .. "instance of AbortSignal. Received type number (5)", text_of(events.once, e, "x", { signal = 5 }))
      assert.equal('TypeError [ERR_INVALID_ARG_TYPE]: The "emitter" argument must be an instance of '
        .. "EventEmitter. Received type number (5)", text_of(events.once, 5, "x"))
      assert.matches('The "options" argument must be of type object', text_of(events.once, e, "x", 5))
      assert.equal("ERR_INVALID_ARG_TYPE", raised(events.once, e, nil).code)
    end)
  end)
end)

describe("events.on", function()
  it("hands out what came while the body was busy, and ends with an event of 'close'", within(function(t)
    local e = EventEmitter()
    timers.setTimeout(function()
      e:emit("x", 1)
      e:emit("x", 2, 3)
      e:emit("end")
      e:emit("x", 4)
    end, 1)
    task(t.calls(1, function()
      for args in events.on(e, "x", { close = { "end" } }) do
        t.log(table.unpack(args, 1, args.n))
      end
      assert.same({}, e:eventNames())
    end))
    t.run()
    assert.same({ "1", "2 3" }, t.lines)
  end))

  it("takes a table without methods, as any is an emitter", within(function(t)
    local plain = {}
    timers.setTimeout(EventEmitter.prototype.emit, 1, plain, "x", 1)
    task(t.calls(1, function()
      for args in events.on(plain, "x") do
        if args[1] == 1 then break end
      end
      assert.equal(0, events.listenerCount(plain, "x"))
    end))
    t.run()
  end))

  it("detaches itself when the loop is left", within(function(t)
    local e = EventEmitter()
    timers.setTimeout(e.emit, 1, e, "x", 1)
    task(t.calls(1, function()
      for args in events.on(e, "x") do
        assert.same({ "x", "error" }, e:eventNames())
        if args[1] == 1 then break end
      end
      assert.same({}, e:eventNames())
      assert.is_false((pcall(function()
        timers.setTimeout(e.emit, 1, e, "x", 1)
        for _ in events.on(e, "x") do error("left") end
      end)))
      assert.same({}, e:eventNames())
    end))
    t.run()
  end))

  it("raises an 'error' after what came before it", within(function(t)
    local e = EventEmitter()
    timers.setTimeout(function()
      e:emit("x", 1)
      e:emit("error", "boo")
    end, 1)
    task(t.calls(1, function()
      local _, err = pcall(function()
        for args in events.on(e, "x") do t.log(args[1]) end
      end)
      assert.equal("boo", err)
      assert.same({}, e:eventNames())
    end))
    t.run()
    assert.same({ "1" }, t.lines)
  end))

  it("raises an AbortError when its signal aborts, before or later", within(function(t)
    local e, controller = EventEmitter(), abort.AbortController()
    timers.setTimeout(function()
      e:emit("x", 1)
      controller:abort("r")
      e:emit("x", 2)
    end, 1)
    task(t.calls(1, function()
      local _, err = pcall(function()
        for args in events.on(e, "x", { signal = controller.signal }) do t.log(args[1]) end
      end)
      assert.same({ "ABORT_ERR", "r" }, { err.code, err.cause })
      assert.same({}, e:eventNames())
    end))
    t.run()
    assert.same({ "1" }, t.lines)
    assert.equal("ABORT_ERR", raised(events.on, e, "x", { signal = controller.signal }).code)
  end))

  it("pauses an emitter of which too much is waiting", within(function(t)
    local e = EventEmitter()
    e.pause = function() t.log("pause") end
    e.resume = function() t.log("resume") end
    timers.setTimeout(function()
      for i = 0, 3 do e:emit("x", i) end
      timers.setTimeout(e.emit, 1, e, "end")
    end, 1)
    task(t.calls(1, function()
      for args in events.on(e, "x", { close = { "end" }, highWaterMark = 2, lowWaterMark = 1 }) do
        t.log(args[1])
      end
    end))
    t.run()
    assert.same({ "pause", "0", "1", "2", "resume", "3" }, t.lines)
  end))

  it("raises for bad options, and when it has to wait outside of a coroutine", function()
    local e = EventEmitter()
    local function bad(options)
      return text_of(events.on, e, "x", options)
    end
    assert.equal('RangeError [ERR_OUT_OF_RANGE]: The value of "options.highWaterMark" is out of '
      .. "range. It must be >= 1 && <= 9007199254740991. Received 0", bad({ highWaterMark = 0 }))
    assert.matches("It must be an integer. Received 1.5$", bad({ highWaterMark = 1.5 }))
    assert.matches('The "options.lowWaterMark" property must be of type number', bad({ lowWaterMark = "a" }))
    assert.matches("an instance of AbortSignal", bad({ signal = 1 }))
    assert.matches('The "options" argument must be of type object', bad(5))
    assert.matches('The "emitter" argument must be an instance of EventEmitter', text_of(events.on, 5, "x"))
    assert.matches("events.on has to wait, and so must be called in a coroutine",
      text_of(function()
        for args in events.on(e, "x") do print(args) end
      end))
    assert.same({}, e:eventNames())
  end)
end)

describe("a finalizer that runs amid a change of listeners", function()
  --- Has a finalizer call `fn` amid the next request for memory, made by `change`.
  local function amid(change, fn)
    local ran = false
    collectgarbage()
    collectgarbage("stop")
    collectgarbage("incremental", 100, 1000, 40)
    setmetatable({}, { __gc = function()
      if not ran then
        ran = true
        fn()
      end
    end })
    collectgarbage("restart")
    change()
    collectgarbage("incremental", 200, 100, 13)
    assert.is_true(ran)
  end

  for name, make in pairs({ ["an emitter"] = EventEmitter, ["a socket"] = net.Socket }) do
    local function started(first, ...)
      local e, seen = make(), {}
      local heard = {}
      for _, n in ipairs({ "a", "b", "c", "d" }) do
        heard[n] = function() seen[#seen + 1] = n end
      end
      for _, n in ipairs({ first, ... }) do e:on("connect", heard[n]) end
      return e, heard, seen
    end

    it("may add the first of another event, of " .. name, function()
      local e, heard, seen = started()
      amid(function() e:on("connect", heard.a) end, function() e:on("drain", heard.b) end)
      e:emit("connect")
      e:emit("drain")
      assert.same({ "a", "b" }, seen)
    end)

    it("may add the first of the same event, of " .. name, function()
      local e, heard, seen = started()
      amid(function() e:on("connect", heard.a) end, function() e:on("connect", heard.b) end)
      e:emit("connect")
      assert.same({ "b", "a" }, seen)
    end)

    it("may take away those of an event before it, of " .. name, function()
      local e, heard, seen = started()
      e:on("drain", heard.d)
      e:on("connect", heard.a)
      amid(function() e:on("connect", heard.b) end, function() e:off("drain", heard.d) end)
      e:emit("drain")
      e:emit("connect")
      assert.same({ "a", "b" }, seen)
    end)

    it("may take away the only other, of " .. name, function()
      local e, heard, seen = started("a")
      amid(function() e:on("connect", heard.b) end, function() e:off("connect", heard.a) end)
      e:emit("connect")
      assert.same({ "b" }, seen)
    end)

    it("may add another while one is put before, of " .. name, function()
      local e, heard, seen = started("a", "b")
      amid(function() e:prependListener("connect", heard.c) end,
        function() e:on("connect", heard.d) end)
      e:emit("connect")
      assert.same({ "c", "a", "b", "d" }, seen)
    end)

    it("may add another while one is taken away, of " .. name, function()
      local e, heard, seen = started("a", "b", "c")
      amid(function() e:off("connect", heard.b) end, function() e:on("connect", heard.d) end)
      e:emit("connect")
      assert.same({ "a", "c", "d" }, seen)
    end)
  end
end)
