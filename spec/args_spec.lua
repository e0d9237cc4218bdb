-- SPDX-License-Identifier: MIT

--- The argument forms of connect and listen, which one pure
--- function folds.

local args = require("net.internal.args")

local function callback() end
local NAN = 0 / 0

describe("net.args.normalize", function()
  it("makes empty options of no arguments", function()
    local options, fn = args.normalize()
    assert.same({}, options)
    assert.is_nil(fn)
  end)

  it("hands the caller's own table on", function()
    local given = { port = 1 }
    local options, fn = args.normalize(given, callback)
    assert.equal(given, options)
    assert.same({ port = 1 }, given)
    assert.equal(callback, fn)
  end)

  it("takes a userdata for options too", function()
    assert.equal(io.stdout, (args.normalize(io.stdout)))
  end)

  for _, path in ipairs({ "abc", "/x", "80x", "-1", "NaN", "-0x10", "0x", "1e", "\0name", "8 0" }) do
    it(("takes %q for a path"):format(path), function()
      local options = args.normalize(path, "ignored", callback)
      assert.same({ path = path }, options)
    end)
  end

  for _, port in ipairs({ "80", "", " ", " 80 ", "65536", "1.5", "0x50", "8e1", "-0", "Infinity" }) do
    it(("takes %q for a port"):format(port), function()
      assert.same({ port = port }, (args.normalize(port)))
    end)
  end

  for _, port in ipairs({ 80, 80.0, -1, 1.5, true, false }) do
    it(("takes %s for a port, right or wrong"):format(port), function()
      assert.same({ port = port }, (args.normalize(port)))
    end)
  end

  it("takes a string behind a port for the host", function()
    assert.same({ port = 80, host = "h" }, (args.normalize(80, "h")))
    assert.same({ port = 80, host = "" }, (args.normalize(80, "", callback)))
  end)

  it("ignores anything else behind a port", function()
    assert.same({ port = 80 }, (args.normalize(80, 511, callback)))
    assert.same({ port = 80 }, (args.normalize(80, {}, callback)))
  end)

  it("leaves out a port that is nil", function()
    assert.same({}, (args.normalize(nil)))
    assert.same({ host = "h" }, (args.normalize(nil, "h")))
  end)

  it("takes the last argument for the callback, holes included", function()
    for _, fn in ipairs({
      select(2, args.normalize(80, callback)),
      select(2, args.normalize(80, nil, callback)),
      select(2, args.normalize(80, "h", nil, nil, callback)),
      select(2, args.normalize(nil, nil, callback)),
      select(2, args.normalize("/x", callback)),
    }) do
      assert.equal(callback, fn)
    end
  end)

  it("has no callback when the last argument is none", function()
    assert.is_nil((select(2, args.normalize(80, callback, nil))))
    assert.is_nil((select(2, args.normalize({}, callback, "x"))))
  end)

  it("takes a lone function for the port and the callback", function()
    local options, fn = args.normalize(callback)
    assert.same({ port = callback }, options)
    assert.equal(callback, fn)
  end)
end)

describe("net.args.is_path", function()
  it("is false for what is no string", function()
    for _, value in ipairs({ 1, -1, NAN, true, {}, callback }) do
      assert.is_false(args.is_path(value))
    end
    assert.is_false(args.is_path(nil))
  end)
end)

describe("net.args.uint32", function()
  it("counts as JavaScript's >>> 0 does", function()
    local cases = {
      { 0, 0 }, { 32, 32 }, { 32.7, 32 }, { -0.5, 0 }, { -1, 0xFFFFFFFF }, { -1.5, 0xFFFFFFFF },
      { 0x100000000 + 5, 5 }, { 2.0 ^ 53, 0 }, { NAN, 0 }, { math.huge, 0 }, { -math.huge, 0 },
    }
    for _, case in ipairs(cases) do
      local result = args.uint32(case[1])
      assert.equal(case[2], result)
      assert.equal("integer", math.type(result))
    end
  end)
end)
