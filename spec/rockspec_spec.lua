-- SPDX-License-Identifier: MIT

-- The rock lists its files by hand; nothing else would tell that one is missing.

local lfs = require("lfs")

local function rockspec()
  local spec = {}
  assert(loadfile("net-scm-1.rockspec", "t", spec))()
  return spec
end

--- The files of a folder whose names end so, as a sorted list of paths.
local function files(folder, ending)
  local paths = {}
  for name in lfs.dir(folder) do
    if name:sub(-#ending) == ending then
      paths[#paths + 1] = folder .. "/" .. name
    end
  end
  table.sort(paths)
  return paths
end

describe("the rockspec", function()
  local modules = rockspec().build.modules

  it("lists every C source, and nothing else", function()
    local listed = { table.unpack(modules["net.core"].sources) }
    table.sort(listed)
    assert.same(files("src", ".c"), listed)
  end)

  it("lists every Lua module under its name, and nothing else", function()
    local expected = { ["net"] = "lua/net/init.lua", ["net.core"] = modules["net.core"] }
    for _, path in ipairs(files("lua/net", ".lua")) do
      local name = path:match("([^/]+)%.lua$")
      if name ~= "init" then
        expected["net." .. name] = path
      end
    end
    assert.same(expected, modules)
  end)

  it("needs nothing but Lua and libev", function()
    local spec = rockspec()
    assert.equal(1, #spec.dependencies)
    assert.truthy(spec.dependencies[1]:find("^lua "))
    assert.equal("EV", next(spec.external_dependencies))
    assert.is_nil(next(spec.external_dependencies, "EV"))
  end)

  it("makes a tree that works by itself #slow", function()
    local scratch = os.tmpname()
    os.remove(scratch)
    -- luarocks builds where it stands: not in this tree, then. And it asks the lua5.4 in
    -- PATH where Lua lives, which must not be the one of `make asan`.
    local log = assert(io.popen(([[exec 2>&1
      scratch=%s version=%s
      mkdir -p $scratch/copy && cp -r src lua bin net-scm-1.rockspec $scratch/copy
      unset LUA_PATH LUA_CPATH; PATH=${PATH#*/build/asan/bin:}
      cd $scratch/copy &&
      luarocks --lua-version=$version make --tree ../tree && cd / &&
      echo "print('runs', require('net').isIP('::1'), ...)" >$scratch/script.lua &&
      $scratch/tree/bin/luanet $scratch/script.lua an argument]]):format(scratch,
        _VERSION:match("%d%.%d"))))
    local output = log:read("a")
    log:close()
    os.execute("rm -r " .. scratch)
    assert.matches("runs\t6\tan\targument\n$", output)
  end)
end)
