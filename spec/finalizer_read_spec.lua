-- SPDX-License-Identifier: MIT

--- Reading makes strings, a string may start the collector, that a finalizer, and that read the
--- same socket: see support/finalized.lua, which has all of that happen at nearly each string.

local co = require("net.co")
local lua = require("spec.support.lua")
local net = require("net")
local within = require("spec.support").within

--- Runs `fn(near, far)` in a task, with two ends in memory.
local function paired(fn)
  return within(function()
    co.run(function()
      local near, far = net.duplexPair()
      fn(near, far)
      near:destroy()
      far:destroy()
    end)
  end)
end

describe("a socket that finalizers read amid a read", function()
  local WAYS = {
    pair = "of a task", tcp = "of a task, over TCP", cancel = "of a task that they cancel, too",
    read = "by callbacks",
  }
  for way, words in pairs(WAYS) do
    it("gives each byte once " .. words, function()
      local reads = 0
      for seed = 1, 8 do
        local result = lua.run({ file = "spec/support/finalized.lua", args = { way, seed } })
        local count = result.stdout:match("^ok%s+(%d+)")
        assert.truthy(count, result.stdout .. result.stderr)
        reads = reads + count
      end
      assert.is_true(reads > 0)
    end)
  end

  --- Has the `nth` finalizer that runs from here on read; returns a function that ends it.
  local function nth_reads(socket, nth)
    local meta, is_over, had = {}, false, nil
    function meta.__gc()
      nth = nth - 1
      if nth == 0 then had = socket:read(2) end
      if not is_over then setmetatable({}, meta) end
    end
    local mode = collectgarbage("incremental", 1, 1000, 40)
    collectgarbage()
    setmetatable({}, meta)
    return function()
      is_over = true
      collectgarbage("incremental", 200, 100, 13)
      collectgarbage(mode)
      return had or ""
    end
  end

  local function plain(hex)
    return (hex:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
  end

  it("becomes text as a whole where one comes amid setEncoding", paired(function()
    local text, readers = "some text of thirty-two bytes...", 0
    for nth = 1, 12 do
      local near, far = net.duplexPair()
      for i = 1, #text, 4 do far:write(text:sub(i, i + 3)) end
      near:read(0)
      while near.readableLength < #text do co.yield() end
      local stop = nth_reads(near, nth)
      near:setEncoding("hex")
      local had = stop()
      far:finish()
      local rest = near:receive("all")
      if #rest < 2 * #text then readers = readers + 1 end
      if had ~= text:sub(1, #had) then had = plain(had) end -- it was text by then
      assert.equal(text, had .. plain(rest))
      assert.falsy(rest:find("%X"))
      near:destroy()
      far:destroy()
    end
    assert.is_true(readers > 0)
  end))
end)

describe("a task that waits in receive", function()
  it("finds what is put back meanwhile", paired(function(near, far)
    far:write("cd")
    local reader = co.spawn(near.receive, near)
    co.sleep(1)
    near:unshift("ab\n")
    assert.equal("ab", co.timeout(2000, reader))
    far:write("\n")
    assert.equal("cd", near:receive())
  end))

  it("searches it from its first byte", paired(function(near, far)
    far:write("cd")
    local reader = co.spawn(near.receive, near)
    co.sleep(1)
    near:unshift("ab")
    far:write("ef\ngh\n")
    assert.equal("abcdef", co.timeout(2000, reader))
    assert.equal("gh", near:receive())
  end))

  it("hears that an encoding makes it enough", paired(function(near, far)
    far:write("ab")
    local reader = co.spawn(near.receive, near, 4)
    co.sleep(1)
    near:setEncoding("hex")
    assert.equal("6162", co.timeout(2000, reader))
  end))
end)
