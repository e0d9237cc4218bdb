-- SPDX-License-Identifier: MIT

--- The rocks, of the tree and of the version: what they need, and that what is made of
--- them works.

local files = require("spec.support.files")

local net = require("net")

local function rockspec(version, rock)
  local spec = {}
  assert(loadfile(("%s-%s.rockspec"):format(rock or "net", version or "scm-1"), "t", spec))()
  return spec
end

--- The Lua modules of a rock: name -> path.
local function modules_of(rock)
  local found = {}
  for name, path in files.modules() do
    found[name] = files.is_of_tls(name) == (rock == "net-tls") and path or nil
  end
  return found
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
    for _, rock in ipairs { "net", "net-tls" } do
      assert.same(modules_of(rock), rockspec(nil, rock).build.install.lua)
    end
  end)

  it("is that of this version but for the version and the tag", function()
    for _, rock in ipairs { "net", "net-tls" } do
      local scm, spec = rockspec(nil, rock), rockspec(net.version .. "-1", rock)
      assert.same({ net.version .. "-1", "v" .. net.version }, { spec.version, spec.source.tag })
      spec.version, spec.source.tag = scm.version, nil
      assert.same(scm, spec)
    end
  end)

  it("of net.tls needs net, Lua and OpenSSL", function()
    local spec = rockspec(nil, "net-tls")
    assert.same({ "lua >= 5.4, < 5.5", "net >= " .. net.version }, spec.dependencies)
    assert.equal("OPENSSL", next(spec.external_dependencies))
    assert.is_nil(next(spec.external_dependencies, "OPENSSL"))
  end)

  it("makes a tree that works by itself, and a rock of it #slow", function()
    local scratch = os.tmpname()
    os.remove(scratch)
    -- luarocks builds where it stands: not in this tree, then. And it asks the lua5.4 in
    -- PATH where Lua lives, which must not be the one of `make asan`.
    local log = assert(io.popen(([[exec 2>&1
      scratch=%s version=%s
      mkdir -p $scratch/copy && cp -r Makefile src include lua bin tools *.rockspec $scratch/copy
      unset LUA_PATH LUA_CPATH; export DESTDIR=$scratch/elsewhere; PATH=${PATH#*/build/asan/bin:}
      rocks="luarocks --lua-version=$version"
      cd $scratch/copy && $rocks make --tree ../tree net-scm-1.rockspec &&
      $rocks make --tree ../unused --pack-binary-rock net-%s-1.rockspec &&
      $rocks install --tree ../packed net-%s-1.*.rock && cd / &&
      echo "print('runs', require('net').version, ...)" >$scratch/script.lua &&
      $scratch/tree/bin/luanet $scratch/script.lua an argument &&
      $scratch/packed/bin/luanet $scratch/script.lua &&
      for tree in tree packed; do
        ls $scratch/$tree/lib/luarocks/rocks-$version/net/*/include
      done]]):format(scratch, _VERSION:match("%d%.%d"), net.version, net.version)))
    local output = log:read("a")
    log:close()
    os.execute("rm -r " .. scratch)
    assert.equal(("runs\t%s\tan\targument\nruns\t%s\nnet_capi.h\nnet_capi.h\n"):format(net.version,
      net.version), output:match("runs.*$"), output)
  end)
end)
