-- SPDX-License-Identifier: MIT

--- A channel to a peer that says whatever it likes: see support/channel_fuzz.lua, which by
--- hand says a million lines in two minutes.

local fuzz = require("spec.support.channel_fuzz")
local process = require("net.process")
local within = require("spec.support").within

describe("A channel to a hostile peer", function()
  local quiet = process.noWarnings

  setup(function() process.noWarnings = true end)
  teardown(function() process.noWarnings = quiet end)

  for seed = 1, 5 do
    it(("hears all that is well said among what is not, and keeps nothing (%d) #slow"):format(seed),
      within(function()
        local result = fuzz.run(seed, 6000)
        assert.is_true(result.messages > 1000 and result.errors > 1000 and result.handles > 50)
      end))
  end
end)
