-- SPDX-License-Identifier: MIT

--- Another library's module in C, foreign.c, built as it would be: against the header
--- that `make install` puts down, and with the example of docs/internals.md in it.

local lua = require("spec.support.lua")

local M = {}

local function shell(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read("a")
  return pipe:close(), output
end

--- The C code of the documentation, as a file.
local function write_example(path)
  local docs <close> = assert(io.open("docs/internals.md"))
  local file <close> = assert(io.open(path, "w"))
  file:write(assert(docs:read("a"):match("\n```c\n(.-)\n```\n")), "\n")
end

--- Builds it in a folder, where require("foreign") finds it by `cpath`.
---@param folder string made here
---@param abi? integer another number than the header's
---@return string cpath
function M.build(folder, abi)
  assert(shell(("mkdir %s && unset MAKEFLAGS MAKEOVERRIDES MAKELEVEL; make -s install-header "
    .. "DESTDIR=%s PREFIX=/usr INCDIR=/usr/include"):format(lua.quote(folder), lua.quote(folder))))
  if abi then
    assert(shell(("sed -i.old 's/NET_CAPI_ABI 1$/NET_CAPI_ABI %d/' %s/usr/include/net_capi.h"):format(abi,
      lua.quote(folder))))
  end
  write_example(folder .. "/example.h")
  local ok, output = shell(([[%s -std=c11 -D_DEFAULT_SOURCE -O1 -g -Wall -Wextra -Werror -shared \
    -fPIC %s %s -DEXAMPLE='"%s/example.h"' -I%s/usr/include -o %s/foreign.so \
    spec/support/foreign.c]]):format(os.getenv("CC") or "cc", os.getenv("NET_SANITIZE") or "",
    select(2, shell("tools/find-lua.sh cflags")):gsub("\n", " "), folder, folder, folder))
  assert(ok, output)
  return folder .. "/?.so;" .. package.cpath
end

return M
