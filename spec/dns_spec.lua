-- SPDX-License-Identifier: MIT

--- Names to addresses: the arguments of lookup, its answers, the threads behind
--- it.

local core = require("net.core")
local dns = require("net.dns")
local errors = require("net.internal.errors")
local idna = require("net.internal.idna")
local net = require("net")
local process = require("spec.support.process")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local EAI_AGAIN, ENOTFOUND, ENODATA = -3001, -3008, -3007

local function noop() end

--- What one lookup answers.
local function answer(t, host, ...)
  local got
  local arguments = table.pack(...)
  arguments[arguments.n + 1] = t.calls(1, function(...) got = table.pack(...) end)
  dns.lookup(host, table.unpack(arguments, 1, arguments.n + 1))
  assert.is_nil(got)
  t.run()
  return table.unpack(got, 1, got.n)
end

--- Has lookups answered by the spec; `asked` gets what the core would have got.
local function with_answers(t, code, addresses)
  local real, asked = core.resolve, {}
  t.finally(function() core.resolve = real end)
  core.resolve = function(host, family, hints, callback)
    asked[#asked + 1] = { host = host, family = family, hints = hints }
    core.tick(callback, code, addresses)
    return {}
  end
  return asked
end

local MIXED = {
  { address = "::1", family = 6 }, { address = "10.0.0.1", family = 4 },
  { address = "::2", family = 6 }, { address = "10.0.0.2", family = 4 },
}

describe("net.dns.lookup: arguments", function()
  local function refuses(text, ...)
    local err = sockets.raised(dns.lookup, ...)
    assert.is_true(errors.is_error(err))
    assert.equal(text, tostring(err))
  end

  local CALLBACK = 'TypeError [ERR_INVALID_ARG_TYPE]: The "callback" argument must be of type function. '
  local EMPTY = "TypeError [ERR_INVALID_ARG_VALUE]: The argument 'hostname' must be a non-empty string. "
  local HOSTNAME = 'TypeError [ERR_INVALID_ARG_TYPE]: The "hostname" argument must be of type string. '
  local FAMILY = "TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.family' must be one of: 0, 4, 6. "
  local HINTS = "TypeError [ERR_INVALID_ARG_VALUE]: The argument 'hints' is invalid. "

  it("a callback is needed", function()
    refuses(CALLBACK .. "Received nil", "localhost")
    refuses(CALLBACK .. "Received nil", "localhost", {}, nil)
    refuses(CALLBACK .. "Received nil", "localhost", 4)
    refuses(CALLBACK .. "Received an instance of Object", "localhost", {}, {})
    refuses(CALLBACK .. "Received type string ('x')", "localhost", "x")
    refuses(CALLBACK .. "Received type boolean (false)", "localhost", false)
  end)

  it("the host name is a string with something in it", function()
    refuses(EMPTY .. "Received nil", nil, noop)
    refuses(EMPTY .. "Received ''", "", noop)
    refuses(EMPTY .. "Received false", false, noop)
    refuses(EMPTY .. "Received 0", 0, noop)
    refuses(HOSTNAME .. "Received type number (80)", 80, noop)
    refuses(HOSTNAME .. "Received an instance of Object", {}, noop)
    refuses("TypeError [ERR_INVALID_ARG_VALUE]: The argument 'hostname' must be a string without "
      .. "null bytes. Received 'a\\x00b'", "a\0b", noop)
  end)

  it("options are a table or a family", function()
    refuses('TypeError [ERR_INVALID_ARG_TYPE]: The "options" argument must be of type object or '
      .. "integer. Received type string ('IPv4')", "localhost", "IPv4", noop)
    refuses("TypeError [ERR_INVALID_ARG_VALUE]: The argument 'family' must be one of: 0, 4, 6. "
      .. "Received 5", "localhost", 5, noop)
  end)

  it("options.family is 0, 4, 6, 'IPv4' or 'IPv6'", function()
    refuses(FAMILY .. "Received 5", "localhost", { family = 5 }, noop)
    refuses(FAMILY .. "Received '4'", "localhost", { family = "4" }, noop)
    refuses(FAMILY .. "Received 'ipv4'", "localhost", { family = "ipv4" }, noop)
    refuses(FAMILY .. "Received false", "localhost", { family = false }, noop)
  end)

  it("options.hints has known bits only, without a fraction", function()
    refuses(HINTS .. "Received 1", "localhost", { hints = 1 }, noop)
    refuses(HINTS .. "Received 4294967295", "localhost", { hints = -1 }, noop)
    refuses('TypeError [ERR_INVALID_ARG_TYPE]: The "options.hints" property must be of type number. '
      .. "Received type string ('1')", "localhost", { hints = "1" }, noop)
  end)

  it("options.all and options.verbatim are booleans", function()
    for _, name in ipairs({ "all", "verbatim" }) do
      refuses(('TypeError [ERR_INVALID_ARG_TYPE]: The "options.%s" property must be of type boolean. '
        .. "Received type number (1)"):format(name), "localhost", { [name] = 1 }, noop)
    end
  end)

  it("options.order is one of three words", function()
    refuses("TypeError [ERR_INVALID_ARG_VALUE]: The property 'options.order' must be one of: "
      .. "'verbatim', 'ipv4first', 'ipv6first'. Received 'x'", "localhost", { order = "x" }, noop)
  end)

  it("are checked even where the host name would be refused", function()
    refuses(FAMILY .. "Received 5", "", { family = 5 }, noop)
  end)
end)

describe("net.dns.lookup: an IP literal", function()
  it("is its own answer, on a tick, whatever the family", within(function(t)
    local err, address, family = answer(t, "127.0.0.1", 6)
    assert.same({ nil, "127.0.0.1", 4 }, { err, address, family })
    err, address, family = answer(t, "::1", { family = 4 })
    assert.same({ nil, "::1", 6 }, { err, address, family })
    err, address = answer(t, "fe80::1%lo", { all = true })
    assert.same({ nil, { { address = "fe80::1%lo", family = 6 } } }, { err, address })
  end))

  it("can be cancelled like a name", within(function(t)
    local request = dns.lookup("127.0.0.1", t.never())
    request:cancel()
    t.run()
  end))
end)

describe("net.dns.lookup: a name", function()
  it("gives the first address and its family", within(function(t)
    local err, address, family = answer(t, "localhost", 4)
    assert.same({ nil, "127.0.0.1", 4 }, { err, address, family })
    assert.equal("integer", math.type(family))
  end))

  it("gives a list with all", within(function(t)
    local err, list = answer(t, "localhost", { all = true, family = "IPv4" })
    assert.is_nil(err)
    assert.same({ { address = "127.0.0.1", family = 4 } }, list)
  end))

  it("gives mapped addresses when asked to", within(function(t)
    local err, address, family =
      answer(t, "127.1", { family = 6, hints = dns.V4MAPPED })
    assert.same({ nil, "::ffff:127.0.0.1", 6 }, { err, address, family })
  end))

  it("that nobody has is ENOTFOUND, or EAI_AGAIN without a resolver", within(function(t)
    local err = answer(t, "no.such.name.invalid")
    assert.is_true(err.code == "ENOTFOUND" or err.code == "EAI_AGAIN", err.code)
    assert.equal("getaddrinfo " .. err.code .. " no.such.name.invalid", err.message)
    assert.equal("getaddrinfo", err.syscall)
    assert.equal("no.such.name.invalid", err.hostname)
    assert.is_nil(err.address)
  end))

  it("of more than 255 bytes is EINVAL", within(function(t)
    local err = answer(t, ("a"):rep(256))
    assert.same({ "EINVAL", -22 }, { err.code, err.errno })
  end))

  it("is asked for in ASCII", within(function(t)
    local asked = with_answers(t, ENOTFOUND)
    local err = answer(t, "bücher.example")
    assert.equal("xn--bcher-kva.example", asked[1].host)
    assert.equal("getaddrinfo ENOTFOUND bücher.example", err.message)
  end))

  it("hands family and hints on", within(function(t)
    local asked = with_answers(t, nil, MIXED)
    answer(t, "x", { family = "IPv6", hints = 32.5 })
    answer(t, "x", 4)
    answer(t, "x")
    assert.same({
      { host = "x", family = 6, hints = 32 }, { host = "x", family = 4, hints = 0 },
      { host = "x", family = 0, hints = 0 },
    }, asked)
  end))

  it("is ENOTFOUND also when it has no address", within(function(t)
    with_answers(t, ENODATA)
    local err = answer(t, "x")
    assert.same({ "ENOTFOUND", ENODATA }, { err.code, err.errno })
  end))

  it("is EAI_AGAIN on a tick when the core refuses", within(function(t)
    local real = core.resolve
    t.finally(function() core.resolve = real end)
    core.resolve = function() return nil, EAI_AGAIN end
    local err = answer(t, "x")
    assert.equal("getaddrinfo EAI_AGAIN x", err.message)
  end))
end)

describe("net.dns.lookup: order", function()
  local function order_of(t, options)
    with_answers(t, nil, MIXED)
    options = options or {}
    options.all = true
    local _, list = answer(t, "x", options)
    local texts = {}
    for i, entry in ipairs(list) do texts[i] = entry.address end
    return table.concat(texts, " ")
  end

  it("is the system's unless asked otherwise", within(function(t)
    assert.equal("::1 10.0.0.1 ::2 10.0.0.2", order_of(t))
    assert.equal("10.0.0.1 10.0.0.2 ::1 ::2", order_of(t, { order = "ipv4first" }))
    assert.equal("::1 ::2 10.0.0.1 10.0.0.2", order_of(t, { order = "ipv6first" }))
  end))

  it("can be told by 'verbatim', which 'order' overrules", within(function(t)
    assert.equal("10.0.0.1 10.0.0.2 ::1 ::2", order_of(t, { verbatim = false }))
    assert.equal("::1 10.0.0.1 ::2 10.0.0.2", order_of(t, { verbatim = true }))
    assert.equal("::1 ::2 10.0.0.1 10.0.0.2", order_of(t, { verbatim = false, order = "ipv6first" }))
  end))

  it("has a default that can be set", within(function(t)
    assert.equal("verbatim", dns.getDefaultResultOrder())
    t.finally(function() dns.setDefaultResultOrder("verbatim") end)
    dns.setDefaultResultOrder("ipv4first")
    assert.equal("ipv4first", dns.getDefaultResultOrder())
    assert.equal("10.0.0.1 10.0.0.2 ::1 ::2", order_of(t))
    assert.equal("::1 10.0.0.1 ::2 10.0.0.2", order_of(t, { verbatim = true }))
  end))

  it("refuses another default", function()
    assert.equal("The argument 'dnsOrder' must be one of: 'verbatim', 'ipv4first', 'ipv6first'. "
      .. "Received 'x'", sockets.raised(dns.setDefaultResultOrder, "x").message)
    assert.equal("verbatim", dns.getDefaultResultOrder())
  end)
end)

describe("core.resolve", function()
  it("answers many names at once, each once", within(function(t)
    for _ = 1, 200 do
      dns.lookup("localhost", 4, t.calls(1))
    end
    t.run()
  end))

  it("holds the loop until it has answered", within(function(t)
    local request = core.resolve("localhost", 4, 0, t.calls(1))
    assert.is_userdata(request)
    assert.is_false(t.run())
  end))

  it("is dropped by cancel(), which lets the loop go", within(function(t)
    local requests = {}
    for i = 1, 50 do
      requests[i] = core.resolve("localhost", 4, 0, t.never())
    end
    for _, request in ipairs(requests) do
      request:cancel()
      request:cancel()
    end
    assert.is_false(t.run())
    dns.lookup("localhost", 4, t.calls(1)) -- the threads are still of use
    t.run()
  end))

  it("may be cancelled by the answer of another, or its own", within(function(t)
    local first, second
    local function cancel_both()
      first:cancel()
      second:cancel()
    end
    local answered = t.calls(1, cancel_both)
    first = core.resolve("localhost", 4, 0, answered)
    second = core.resolve("localhost", 4, 0, answered)
    t.run()
  end))

  it("is not collected while it waits", within(function(t)
    for _ = 1, 20 do
      core.resolve("localhost", 4, 0, t.calls(1, function() collectgarbage() end))
    end
    collectgarbage()
    collectgarbage()
    t.run()
  end))

  it("goes on after a callback that raises", within(function(t)
    local raised = 0
    for i = 1, 6 do
      dns.lookup("localhost", 4, t.calls(1, function() error("boom " .. i, 0) end))
    end
    for _ = 1, 6 do
      local err = sockets.raised(net.run)
      assert.truthy(tostring(err):find("^boom %d$"), err)
      raised = raised + 1
    end
    assert.is_false(t.run())
    assert.equal(6, raised)
  end))

  it("refuses what would wait too long", within(function(t)
    local refused, answered, queued = 0, 0, 0
    for _ = 1, 4300 do
      local request, code = core.resolve("localhost", 4, 0, function() answered = answered + 1 end)
      if request then
        queued = queued + 1
      else
        assert.equal(EAI_AGAIN, code)
        refused = refused + 1
      end
    end
    t.run()
    assert.equal(queued, answered)
    assert.equal(4300, queued + refused)
    assert.is_true(queued >= 4096)
  end))

  it("checks its arguments before anything is queued", within(function()
    for _, bad in ipairs({
      { "x", 4, 0 }, { "x", 5, 0, noop }, { "a\0b", 4, 0, noop }, { "x", 4, "?", noop }, { nil, 4, 0, noop },
    }) do
      assert.has_error(function() core.resolve(table.unpack(bad, 1, 4)) end)
    end
    assert.same({ nil, -22 }, { core.resolve("", 4, 0, noop) })
  end))

  it("leaves threads behind that do no harm when the state is closed", within(function(t)
    local script = t.tmpname(".lua")
    local f = assert(io.open(script, "w"))
    f:write([[
      local core = require("net.core")
      for _ = 1, 100 do
        core.resolve("localhost", 0, 0, function() core.stop() end)
      end
      if arg[1] == "run" then core.run() end
      io.write("done\n")
      os.exit(true, true)
    ]])
    f:close()
    for _, mode in ipairs({ "stay", "run", "stay" }) do
      local output, code = process.run(process.lua(script, mode))
      assert.same({ "done\n", 0 }, { output, code })
    end
  end))
end)

describe("net.idna.to_ascii", function()
  local CASES = {
    ["localhost"] = "localhost", ["A.b"] = "A.b", ["bücher.de"] = "xn--bcher-kva.de",
    ["BÜCHER.de"] = "xn--bcher-kva.de", ["faß.de"] = "xn--fa-hia.de",
    ["例え.テスト"] = "xn--r8jz45g.xn--zckzah", ["１２７。0.0.1"] = "127.0.0.1",
    ["ПРИМЕР"] = "xn--e1afmkfd", ["ليهمابتكلموشعربي؟"] = "xn--egbpdaj6bu4bxfgehfvwxn",
    ["a\u{AD}b"] = "ab", ["\u{AD}"] = "", ["\xFF"] = "\xFF", ["ü."] = "xn--tda.",
  }
  for host, expected in pairs(CASES) do
    it(("makes %q of %q"):format(expected, host), function()
      assert.equal(expected, idna.to_ascii(host))
    end)
  end
end)
