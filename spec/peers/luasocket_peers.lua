-- SPDX-License-Identifier: MIT

--- net.luasocket beside the real LuaSocket: the same calls give the same.

local process = require("spec.support.process")
local sidebyside = require("spec.support.sidebyside")

local CASES = "spec/peers/luasocket/cases.lua"
local RANDOM = "spec/peers/luasocket/random.lua"
local SEED = os.getenv("NET_LUASOCKET_SEED") or os.time() % 100000

--- Where ours gives something else, by what differences.md says; a pattern of the line's label.
local OTHERWISE = {
  "^connect helper | 6$",
  "^connect helper | family 6$",
  "^options | word [%w-]+$",
  "^options | boolean tcp%-",
}

local has_luasocket = package.searchpath("socket.core", package.cpath)
  and package.searchpath("socket.http", package.path)
local here = has_luasocket and it or function(name) pending(name .. ": there is no LuaSocket") end

describe("net.luasocket", function()
  here("gives what LuaSocket gives, call by call", function()
    assert.is_true(sidebyside.compare(CASES, OTHERWISE, 500) > 0)
  end)
end)

describe("random sends and receives over net.luasocket", function()
  here("give what LuaSocket gives", function()
    local real, code = process.run(process.lua(RANDOM, "real", SEED, 300) .. " 2>&1")
    assert.equal(0, code, real)
    local ours = process.run(process.lua(RANDOM, "ours", SEED, 300) .. " 2>&1")
    local line = 0
    local theirs = ours:gmatch("[^\n]+")
    for expected in real:gmatch("[^\n]+") do
      line = line + 1
      assert.equal(expected, theirs(), ("line %d, NET_LUASOCKET_SEED=%s"):format(line, SEED))
    end
    assert.is_nil(theirs())
  end)
end)
