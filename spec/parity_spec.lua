-- SPDX-License-Identifier: MIT

--- Every scenario of spec/parity, against what Node 26 did (spec/parity/golden).

local runner = require("spec.parity.runner")
local compare = require("spec.parity.compare")
local seats = require("spec.parity.tls")
local words = require("spec.parity.words")
local has_epoll = require("spec.support").has_epoll

--- Whether a scenario needs what this machine does not have.
local function ipv6_missing()
  local f = io.open("/proc/net/if_inet6")
  if not f then return false end
  local text = f:read("a")
  f:close()
  return not text:find("00000000000000000000000000000001", 1, true)
end

local function check(scenario, expected, listening)
  if scenario.marks.ipv6 and ipv6_missing() then return pending("no IPv6 here") end
  if scenario.version and not seats.is_there() then return pending("net.tls is not built") end
  if scenario.marks.epoll and not has_epoll() then return pending("libev has no epoll here") end
  local lines = runner.run(scenario, listening)
  assert.equal(expected, #lines > 0 and table.concat(lines, "\n") .. "\n" or "")
end

for _, theme in ipairs(runner.themes()) do
  describe("as under Node 26, " .. theme .. ":", function()
    local golden = compare.golden(theme)
    for _, scenario in ipairs(runner.scenarios(theme)) do
      local expected = compare.expected(scenario, golden)
      local slow = scenario.marks.slow and " #slow" or ""
      it(scenario.title .. slow, function() check(scenario, expected, false) end)
      if expected and expected:find(": uncaught(", 1, true) then
        it(scenario.title .. " (errors taken by a process listener)", function()
          check(scenario, expected, true)
        end)
      end
    end
    teardown(runner.close)
  end)
end

describe("the words of Node's that mean its own values", function()
  it("are all replaced in what is expected here", function()
    for _, theme in ipairs(runner.themes()) do
      for title, log in pairs(compare.golden(theme)) do
        local ours = words.ours(log)
        assert.is_nil(ours:find("undefined"), title)
        assert.is_nil(ours:find("Buffer"), title)
      end
    end
  end)

  it("leave JSON's null and what a program said", function()
    for _, text in ipairs({ "Received null", "Received type string ('undefined')" }) do
      assert.equal(text, words.ours(text))
    end
  end)
end)
