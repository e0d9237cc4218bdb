-- SPDX-License-Identifier: MIT

--- core.descriptor: a userdata that owns one descriptor (src/process/descriptor.c).

local core = require("net.core")
local net = require("net")
local support = require("spec.support")

local within, descriptors = support.within, support.descriptors

local EBADF, EEXIST = core.errnum("EBADF"), core.errnum("EEXIST")

local pair = core.descriptor.pair

local function is_open(number)
  return descriptors()[number] ~= nil
end

--- Runs `fn`, and says whether the descriptor that it returned the number of is open after.
local function open_after(fn)
  local number = fn()
  collectgarbage()
  collectgarbage()
  return is_open(number)
end

describe("core.descriptor", function()
  it("has both ends of a pair, two numbers", within(function()
    local a <close>, keep = pair()
    local b <close> = keep
    assert.equal("PIPE", a:kind())
    assert.equal("PIPE", b:kind())
    assert.is_true(is_open(a:number()) and is_open(b:number()))
    assert.not_equal(a:number(), b:number())
    assert.equal("Descriptor " .. a:number(), tostring(a))
  end))

  it("closes what it has by close(), once", within(function()
    local a, b = pair()
    local number = a:number()
    a:close()
    assert.is_false(is_open(number))
    local other = core.descriptor.dup(b:number()) -- may have the number now
    assert.is_nil(a:close())
    assert.is_true(is_open(other:number()))
    other:close()
    b:close()
  end))

  it("has no number when it is closed, and is of no kind", within(function()
    local a, b = pair()
    local _ <close> = b
    a:close()
    assert.is_nil(a:number())
    assert.equal("UNKNOWN", a:kind())
    assert.equal("Descriptor (closed)", tostring(a))
  end))

  it("closes it when a scope is left, also by an error", within(function()
    local number
    assert.is_false(pcall(function()
      local a <close>, keep = pair()
      local _ <close> = keep
      number = a:number()
      error("out of here")
    end))
    assert.is_false(is_open(number))
  end))

  it("closes it when nobody has it any more", within(function()
    assert.is_false(open_after(function()
      return (pair()):number()
    end))
  end))

  it("makes duplicates, which stay open by themselves", within(function()
    local a, b = pair()
    local _ <close> = b
    local copy <close> = core.descriptor.dup(a:number())
    a:close()
    assert.equal("PIPE", copy:kind())
  end))

  it("tells why there is no duplicate", within(function()
    local a, b = pair()
    local _ <close> = b
    local number = a:number()
    a:close()
    assert.same({ n = 2, nil, EBADF }, table.pack(core.descriptor.dup(number)))
    assert.same({ n = 2, nil, EBADF }, table.pack(core.descriptor.dup(-1)))
  end))

  it("takes over what is open, and not what is ours or closed", within(function()
    local a <close>, keep = pair()
    local _ <close> = keep
    assert.same({ n = 2, nil, EEXIST }, table.pack(core.descriptor.adopt(a:number())))
    local bound <close> = net.BoundSocket({ host = "127.0.0.1", port = 0 })
    assert.same({ n = 2, nil, EEXIST }, table.pack(core.descriptor.adopt(bound:fd())))
    assert.same({ n = 2, nil, EBADF }, table.pack(core.descriptor.adopt(1023)))
  end))

  it("owns what it took over, and closes that", within(function()
    local file = assert(io.open("/dev/null"))
    local number
    for n in pairs(descriptors()) do -- the newest is the file's
      if descriptors()[n] == "/dev/null" and n > 2 then number = math.max(number or 0, n) end
    end
    if not number then return end
    local d = core.descriptor.adopt(number)
    assert.equal("FILE", d:kind())
    assert.same({ n = 2, nil, EEXIST }, table.pack(core.descriptor.adopt(number)))
    d:close()
    assert.is_false(is_open(number))
    file:close()
  end))

  for _, method in ipairs({ "close", "number", "kind" }) do
    it("raises where the self of " .. method .. " is none of them", within(function()
      local a <close>, keep = pair()
      local _ <close> = keep
      for _, self in ipairs({ "x", 1, {}, io.stdout, net.Socket() }) do
        local ok, err = pcall(a[method], self)
        assert.is_false(ok)
        assert.equal("ERR_INVALID_ARG_TYPE", err.code)
      end
      assert.is_false(pcall(a[method]))
    end))
  end

  it("raises for a number that is none", within(function()
    for _, make in ipairs({ core.descriptor.dup, core.descriptor.adopt }) do
      assert.is_false(pcall(make, "x"))
      assert.is_false(pcall(make, 1.5))
      assert.is_false(pcall(make))
    end
  end))
end)
