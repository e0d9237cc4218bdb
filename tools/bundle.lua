-- SPDX-License-Identifier: MIT

--- bundle.lua OUT FILE... - makes the C file with the compiled Lua modules: the data
-- that src/bundle.h declares. Line numbers stay in them, for tracebacks. It compiles
-- with the headers of this Lua's version alone.

local BYTES_A_LINE = 24

--- The bytes of `code` as C has them between braces.
local function bytes(code)
  local lines = {}
  for i = 1, #code, BYTES_A_LINE do
    lines[#lines + 1] = table.concat({ code:byte(i, i + BYTES_A_LINE - 1) }, ",")
  end
  return table.concat(lines, ",\n")
end

local out = table.remove(arg, 1)
local file = assert(io.open(out, "w"))
local entries = {}
local major, minor = _VERSION:match("(%d+)%.(%d+)")

file:write('/* Made by tools/bundle.lua. */\n#include "bundle.h"\n\n')
file:write(("#if LUA_VERSION_NUM != %d\n"):format(major * 100 + minor),
  '#error "not the headers of the Lua that compiled the modules: set LUA or LUA_CFLAGS"\n',
  "#endif\n\n")
for i, path in ipairs(arg) do
  local code = string.dump(assert(loadfile(path, "t")))
  file:write(("static const unsigned char code_%d[] = {\n%s};\n\n"):format(i, bytes(code)))
  entries[i] = ('    {"%s", code_%d, sizeof code_%d},\n'):format(
    path:match("lua/(.+)%.lua$"):gsub("/", "."), i, i)
end
file:write("const struct net_bundled net_bundled[] = {\n", table.concat(entries),
  "    {NULL, NULL, 0},\n};\n")
assert(file:close())
