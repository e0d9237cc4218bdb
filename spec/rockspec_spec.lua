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
end)
