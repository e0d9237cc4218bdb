-- SPDX-License-Identifier: MIT

--- net.luasocket beside the real LuaSocket: the same calls give the same.

local process = require("spec.support.process")

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

local function is_known(label)
  for _, pattern in ipairs(OTHERWISE) do
    if label:find(pattern) then
      return true
    end
  end
  return false
end

--- The lines that the cases print, label -> what came; labels that come again are numbered.
local function lines_of(which)
  local output, code = process.run(process.lua(CASES, which) .. " 2>&1")
  assert.equal(0, code, output)
  local lines, count, list = {}, {}, {}
  for label, rest in output:gmatch("([^\n]- | [^|\n]-) | ([^\n]*)") do
    label = label:gsub(" RAISES$", "")
    count[label] = (count[label] or 0) + 1
    local name = count[label] == 1 and label or label .. " " .. count[label]
    lines[name] = rest
    list[#list + 1] = name
  end
  return lines, list
end

describe("net.luasocket", function()
  here("gives what LuaSocket gives, call by call", function()
    local real, list = lines_of("real")
    local ours = lines_of("ours")
    assert.is_true(#list > 500)
    local wrong, otherwise = {}, 0
    for _, label in ipairs(list) do
      if real[label] ~= ours[label] then
        otherwise = otherwise + 1
        if not is_known(label) then
          wrong[#wrong + 1] = ("%s: %s, and not %s"):format(label, tostring(ours[label]),
            real[label])
        end
      end
      ours[label] = nil
    end
    for label in pairs(ours) do wrong[#wrong + 1] = label .. ": only of ours" end
    assert.same({}, wrong)
    assert.is_true(otherwise > 0)
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
