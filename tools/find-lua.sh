#!/bin/sh
# SPDX-License-Identifier: MIT
#
# find-lua.sh bin      prints the path of a Lua 5.4 or later interpreter
# find-lua.sh cflags   prints the compiler flags for the headers of that Lua
#
# The interpreter is asked for its version, as plain `lua` may be any. Prints
# nothing and exits 1 where there is none. LUA in the environment wins.

modern='local v = tonumber(_VERSION:match("%d+%.%d+")) os.exit(v and v >= 5.4 or false)'

find_bin() {
  for name in ${LUA:-lua5.4 lua54 lua-5.4 lua5.5 lua55 lua-5.5 lua}; do
    path=$(command -v "$name") && "$path" -e "$modern" 2>/dev/null && echo "$path" && return
  done
  return 1
}

find_cflags() {
  lua=$(find_bin) && version=$("$lua" -e 'io.write(_VERSION:match("%d+%.%d+"))') || version=5.4
  short=$(echo "$version" | tr -d .)
  for name in "lua$version" "lua-$version" "lua$short" lua; do
    pkg-config --cflags "$name >= $version" 2>/dev/null && return
  done
  for root in /usr/include /usr/local/include /opt/homebrew/include /opt/local/include; do
    for dir in "$root/lua$version" "$root/lua-$version" "$root/lua$short" "$root/lua" "$root"; do
      grep -qs "LUA_VERSION_MINOR[_N]*[[:space:]\"]*${version#5.}" "$dir/lua.h" &&
        echo "-I$dir" && return
    done
  done
  return 1
}

case ${1-} in
  bin) find_bin ;;
  cflags) find_cflags ;;
  *) echo "usage: find-lua.sh bin|cflags" >&2; exit 2 ;;
esac
