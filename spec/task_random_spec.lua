-- SPDX-License-Identifier: MIT

local random = require("spec.support.task_random")

describe("random programs of tasks", function()
  it("lose nothing, leave nothing, and end #slow", function()
    local operations, problem = random.run(1, 100)
    assert(operations, problem)
    assert.is_true(operations > 3000)
  end)
end)
