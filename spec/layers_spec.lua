-- SPDX-License-Identifier: MIT

--- `make check-layers`: who may call whom in src/, on this tree, and on copies of it that
--- break the rule.

local files = require("spec.support.files")
local layers = require("tools.layers")
local process = require("spec.support.process")

--- The rows of a page's picture: room -> the rooms that it may use.
local function picture(page)
  local file <close> = assert(io.open(page))
  local rooms = {}
  for room, uses in file:read("a"):gmatch("\n src/([%w/]+)/ [^|\n]+| ([%w/ -]+)") do
    rooms[room] = {}
    for name in uses:gmatch("[%w/]+") do
      table.insert(rooms[room], name)
    end
  end
  return rooms
end

describe("the table of rooms", function()
  for _, page in ipairs { "README.md", "docs/internals.md" } do
    it("is the picture in " .. page, function()
      assert.same(layers.table, picture(page))
    end)
  end

  it("has every folder of src/", function()
    for path in files.below("src", ".c") do
      local room = path:match("^src/(.+)/")
      assert.truthy(room == nil or room == "tls" or layers.table[room], path)
    end
  end)
end)

--- What is said of a few C files, compiled in a folder of their own. `sources` maps
--- "room/file.c" to text.
local function said_of(sources)
  local scratch = os.tmpname()
  os.remove(scratch)
  local objects = {}
  for path, text in pairs(sources) do
    local folder = scratch .. "/src/" .. path:match("^(.-)/?[^/]+$")
    os.execute(("mkdir -p '%s' '%s'"):format(folder, (folder:gsub("/src", "/obj"))))
    local file <close> = assert(io.open(scratch .. "/src/" .. path, "w"))
    file:write(text)
  end
  for path in pairs(sources) do
    if path:find("%.c$") then
      local object = ("%s/obj/%s.o"):format(scratch, path:sub(1, -3))
      local text, code = process.run(("${CC:-cc} -iquote '%s/src' -c -o '%s' '%s/src/%s' 2>&1"):format(
        scratch, object, scratch, path))
      assert.equal(0, code, text)
      objects[#objects + 1] = object
    end
  end
  local problems = layers.check(scratch .. "/src", objects)
  os.execute(("rm -r '%s'"):format(scratch))
  return (table.concat(problems, "\n"):gsub("[^ ]*/obj/", ""))
end

describe("the check of the layers", function()
  it("takes a call downwards, also past the room right below", function()
    assert.equal("", said_of {
      ["base/low.h"] = "int low(void);",
      ["base/low.c"] = '#include "base/low.h"\nint low(void) { return 1; }',
      ["server/high.c"] = '#include "base/low.h"\nint high(void) { return low(); }',
    })
  end)

  it("takes what the roof of a library of its own calls in its rooms", function()
    assert.equal("", said_of {
      ["tls/base/low.c"] = "int low(void) { return 1; }",
      ["tls/core.c"] = "int low(void);\nint core(void) { return low(); }",
    })
  end)

  it("tells of what that roof calls in another library's", function()
    assert.equal("tls/core.o may not use low of base/low.o", said_of {
      ["base/low.c"] = "int low(void) { return 1; }",
      ["tls/core.c"] = "int low(void);\nint core(void) { return low(); }",
    })
  end)

  it("tells of a room within a folder that calls upwards", function()
    assert.equal("tls/base/low.o may not use high of tls/context/high.o", said_of {
      ["tls/base/low.c"] = "int high(void);\nint low(void) { return high(); }",
      ["tls/context/high.c"] = "int high(void) { return 1; }",
    })
  end)

  it("tells of an include upwards", function()
    assert.equal("base/low.c:1: base may not include loop/high.h", said_of {
      ["loop/high.h"] = "#define HIGH 1",
      ["base/low.c"] = '#include "loop/high.h"\nint low(void) { return HIGH; }',
    })
  end)

  it("tells of a call upwards by a declaration of one's own", function()
    assert.equal("base/low.o may not use high of loop/high.o", said_of {
      ["base/low.c"] = "int high(void);\nint low(void) { return high(); }",
      ["loop/high.c"] = "int high(void) { return 1; }",
    })
  end)

  it("tells of an include without its folder", function()
    assert.matches('^loop/a.c:1: "b.h" is not folder/file.h', said_of {
      ["loop/b.h"] = "",
      ["loop/a.c"] = '#include "b.h"\nint a;',
    })
  end)

  it("tells of files that call each other in a circle", function()
    assert.equal("these files call each other in a circle: a b", said_of {
      ["loop/a.c"] = "int b(void);\nint a(void) { return b(); }",
      ["loop/b.c"] = "int a(void);\nint b(void) { return a(); }",
    })
  end)

  it("tells of a name that is defined twice", function()
    assert.matches("^same is defined in loop/%a.o and in loop/%a.o", said_of {
      ["loop/a.c"] = "int same(void) { return 1; }",
      ["loop/b.c"] = "int same(void) { return 2; }",
    })
  end)
end)
