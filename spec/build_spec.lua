-- SPDX-License-Identifier: MIT

--- The build: when it builds anew, and what it refuses.

--- What a shell script prints. $scratch is a folder of its own, removed after it, and
--- `make` knows nothing of the make that runs the specs.
local function output(script)
  local scratch = os.tmpname()
  os.remove(scratch)
  local pipe = assert(io.popen(([[exec 2>&1
    unset MAKEFLAGS MAKEOVERRIDES MAKELEVEL CFLAGS CPPFLAGS LDFLAGS
    scratch=%s; mkdir $scratch
    %s
    rm -r $scratch]]):format(scratch, script)))
  local text = pipe:read("a")
  pipe:close()
  return text
end

describe("make", function()
  it("takes flags with quotes, and builds anew for other flags only", function()
    assert.equal("made\nkept\nmade\n", output([[
      settings() {
        make -s DEPS=true BUILD=$scratch LUA_CFLAGS= CFLAGS="$1" $scratch/obj/settings
        [ $scratch/obj/settings -nt $scratch/old ] && echo made || echo kept
        touch -t 200101010000 $scratch/obj/settings
      }
      touch -t 200201010000 $scratch/old
      settings "-DTEXT='\"a (b)\"' -DCHAR=\\'c\\'"
      settings "-DTEXT='\"a (b)\"' -DCHAR=\\'c\\'"
      settings "-DTEXT='\"a (c)\"' -DCHAR=\\'c\\'"
    ]]))
  end)

  it("refuses the headers of another Lua than the one that compiles the modules", function()
    local text = output([[
      echo "#define LUA_VERSION_NUM 501" >$scratch/lua.h
      ${LUA:-lua5.4} tools/bundle.lua $scratch/bundled.c lua/net/url.lua
      ${CC:-cc} -fsyntax-only -I$scratch -iquote src $scratch/bundled.c || echo refused
    ]])
    assert.matches("not the headers of the Lua that compiled the modules", text, 1, true)
    assert.matches("refused\n$", text)
  end)
end)
