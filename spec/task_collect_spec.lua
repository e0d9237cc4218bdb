-- SPDX-License-Identifier: MIT

--- The specs of tasks once more, in a Lua that collects all garbage before each wait and each
--- resume of a coroutine (support/collects.c): what only a wait or a C local holds is gone then.
--- Skipped where there is no Lua library to link with.

local lfs = require("lfs")
local lua = require("spec.support.lua")

--- Their names, without the slow ones and this; `make peers` and TLS have others.
local function specs_of_tasks()
  local names = {}
  for name in lfs.dir("spec") do
    if name:find("^task_.*spec%.lua$") or name == "luasocket_task_spec.lua" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local ELSEWHERE = {
  ["task_collect_spec.lua"] = true,
  ["task_examples_spec.lua"] = true, -- programs of their own, under the usual Lua
  ["task_memory_spec.lua"] = true, ["task_random_spec.lua"] = true, -- all slow
}

describe("with a collection at every wait", function()
  local program = os.tmpname()
  local host

  setup(function()
    host = lua.compile("spec/support/collects.c", program)
  end)

  teardown(function()
    os.remove(program)
  end)

  for _, name in ipairs(specs_of_tasks()) do
    if not ELSEWHERE[name] then
      it(name .. " holds #slow", function()
        if not host then
          return pending("no Lua library to link with")
        end
        local path = os.tmpname()
        local result = lua.run({
          program = host, args = { "tools/busted.lua", "--exclude-tags=slow", "spec/" .. name },
          env = { NET_COLLECTED = path, NET_SPEC_GUARD = "60" },
        })
        local file <close> = assert(io.open(path))
        local collections = file:read("n")
        os.remove(path)
        assert.equal(0, result.code, result.stdout .. result.stderr)
        assert.truthy(collections, "it was not written down how often")
      end)
    end
  end

  it("is what these specs have", function()
    if not host then
      return pending("no Lua library to link with")
    end
    local script, path = os.tmpname(), os.tmpname()
    local file <close> = assert(io.open(script, "w"))
    file:write([[
      local co = require("net.co")
      co.run(function() for _ = 1, 10 do co.yield() end end)
    ]])
    file:flush()
    assert.equal(0, lua.run({ program = host, args = { script }, env = { NET_COLLECTED = path } }).code)
    local counted <close> = assert(io.open(path))
    assert.is_true(counted:read("n") > 20)
    os.remove(script)
    os.remove(path)
  end)
end)
