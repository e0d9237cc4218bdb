#!/bin/sh
# SPDX-License-Identifier: MIT
#
# asan-lua.sh LUA DIR - makes in DIR a command of LUA's name that runs it with
# libasan loaded first, as an interpreter that was not built for it needs.
#
# A second preloaded library then takes LD_PRELOAD out of the environment again,
# so that what Lua starts (node, redis, shells) runs as it always does. The name
# goes on as argv[0], so that arg[-1] leads a spec back to this command.

set -eu
lua=$(command -v "$1") dir=$2  # a bare name would find the command made here
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
libasan=$(gcc -print-file-name=libasan.so)
gcc -std=c11 -D_GNU_SOURCE -O1 -fPIC -shared -o "$dir/forget.so" -x c - <<'END'
#include <stdlib.h>
__attribute__((constructor)) static void forget(void) { unsetenv("LD_PRELOAD"); }
END
cat >"$dir/$(basename "$lua")" <<END
#!/usr/bin/env bash
LD_PRELOAD="$libasan $dir/forget.so" exec -a "\$0" "$lua" "\$@"
END
chmod +x "$dir/$(basename "$lua")"
