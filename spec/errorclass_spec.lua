-- SPDX-License-Identifier: MIT

--- `net.Error`, errors that a program makes.

local core = require("net.core")
local errors = require("net.internal.errors")
local net = require("net")
local support = require("spec.support")

local within = support.within

local HERE = "errorclass_spec%.lua:"

describe("net.Error", function()
  it("makes an error of the kind that the library makes", function()
    local e = net.Error({ code = "ELATE", message = "too late", seconds = 3 })
    assert.equal(core.error_metatable, getmetatable(e))
    assert.is_true(errors.is_error(e))
    e.stack = nil
    assert.same({ name = "Error", code = "ELATE", message = "too late", seconds = 3 }, e)
    assert.equal("Error: too late", tostring(e))
  end)

  it("takes a text and fields, as Error does in Node", function()
    local cause = {}
    local e = net.Error("too late", { cause = cause, name = "LateError", errno = -62, syscall = "wait" })
    assert.equal("LateError: too late", tostring(e))
    assert.same({ cause, -62, "wait" }, { e.cause, e.errno, e.syscall })
  end)

  it("needs neither", function()
    assert.equal("Error", tostring(net.Error()))
    assert.equal("Error", tostring(net.Error({})))
    assert.equal("", net.Error(nil, nil).message)
  end)

  it("shows a code in brackets as those of the library do", function()
    assert.equal("TypeError [ERR_MINE]: no",
      tostring(net.Error({ name = "TypeError", code = "ERR_MINE", message = "no" })))
  end)

  it("copies the fields, and leaves the table alone", function()
    local fields = setmetatable({ message = "one" }, { __index = { code = "INHERITED" } })
    local e = net.Error(fields)
    fields.message = "two"
    assert.equal("one", e.message)
    assert.is_nil(e.code)
    assert.same({ message = "two" }, fields)
  end)

  it("knows where it was made", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local e = net.Error("here")
    assert.matches("^Error: here\nstack traceback:\n%s+[^\n]*" .. HERE .. line .. ":", e.stack)
  end)

  it("refuses what is no text, and no table of fields, before anything else", function()
    for _, case in ipairs({
      { 'The "message" argument must be of type string. Received type number (5)', 5 },
      { 'The "message" argument must be of type string. Received type boolean (true)', true },
      { 'The "options" argument must be of type object. Received type number (5)', "x", 5 },
      { 'The "options.message" property must be of type string. Received type number (5)',
        { message = 5 } },
      { 'The "options.name" property must be of type string. Received type boolean (false)',
        { name = false } },
      { 'The "options.code" property must be one of type string or number. Received type boolean (true)',
        { code = true } },
    }) do
      local ok, err = pcall(net.Error, case[2], case[3])
      assert.is_false(ok)
      assert.equal("ERR_INVALID_ARG_TYPE", err.code)
      assert.equal(case[1], err.message)
    end
    local ok, err = pcall(function() net.Error(5) end)
    assert.is_false(ok)
    assert.matches(HERE, err.stack)
  end)

  it("takes a number as its code, as an abort's reason has one", function()
    assert.equal(23, net.Error({ code = 23 }).code)
  end)

  it("is for destroy(err): the listener gets that very value", within(function(t)
    local e = net.Error({ code = "ELATE", message = "too late" })
    local socket = net.Socket()
    socket:on("error", t.calls(1, function(got)
      assert.equal(e, got)
      assert.equal(e, socket.errored)
    end))
    socket:destroy(e)
    t.run()
  end))

  it("tells such an error from other values", function()
    assert.is_true(net.Error.isError(net.Error()))
    assert.is_true(net.Error.isError(errors.abort()))
    for _, value in ipairs({ 1, "Error", {}, { name = "Error", message = "" }, net.Error, io.stdout }) do
      assert.is_false(net.Error.isError(value))
    end
    assert.is_false(net.Error.isError())
  end)
end)
