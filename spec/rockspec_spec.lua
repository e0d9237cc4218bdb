-- SPDX-License-Identifier: MIT

--- The rock: what it needs, and that a tree made of it works.

local lfs = require("lfs")

local function rockspec()
  local spec = {}
  assert(loadfile("net-scm-1.rockspec", "t", spec))()
  return spec
end

describe("the rockspec", function()
  it("needs nothing but Lua and libev", function()
    local spec = rockspec()
    assert.equal(1, #spec.dependencies)
    assert.truthy(spec.dependencies[1]:find("^lua "))
    assert.equal("EV", next(spec.external_dependencies))
    assert.is_nil(next(spec.external_dependencies, "EV"))
  end)

  it("installs every Lua module under its name, and nothing else", function()
    local expected = {}
    for file in lfs.dir("lua/net") do
      local name = file:match("^(.+)%.lua$")
      if name then
        expected[name == "init" and "net" or "net." .. name] = "lua/net/" .. file
      end
    end
    assert.same(expected, rockspec().build.install.lua)
  end)

  it("makes a tree that works by itself, and a rock of it #slow", function()
    local scratch = os.tmpname()
    os.remove(scratch)
    -- luarocks builds where it stands: not in this tree, then. And it asks the lua5.4 in
    -- PATH where Lua lives, which must not be the one of `make asan`.
    local log = assert(io.popen(([[exec 2>&1
      scratch=%s version=%s
      mkdir -p $scratch/copy && cp -r Makefile src lua bin tools *.rockspec $scratch/copy
      unset LUA_PATH LUA_CPATH; export DESTDIR=$scratch/elsewhere; PATH=${PATH#*/build/asan/bin:}
      rocks="luarocks --lua-version=$version"
      cd $scratch/copy && $rocks make --tree ../tree &&
      $rocks make --tree ../unused --pack-binary-rock &&
      $rocks install --tree ../packed net-scm-1.*.rock && cd / &&
      echo "print('runs', require('net').isIP('::1'), ...)" >$scratch/script.lua &&
      $scratch/tree/bin/luanet $scratch/script.lua an argument &&
      $scratch/packed/bin/luanet $scratch/script.lua]]):format(scratch,
        _VERSION:match("%d%.%d"))))
    local output = log:read("a")
    log:close()
    os.execute("rm -r " .. scratch)
    assert.matches("runs\t6\tan\targument\nruns\t6\n$", output)
  end)
end)
