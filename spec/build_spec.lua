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

  it("has files beyond 2 GiB, wherever the system can", function()
    assert.matches("%-D_FILE_OFFSET_BITS=64 %-D_TIME_BITS=64", output("make -n -B V=1 DEPS=true BUILD=$scratch"))
  end)

  it("and does not build without, where a number of a file would have 32 bits", function()
    local text = output([[
      echo 'int main(void) { return 0; }' | ${CC:-cc} -m32 -x c - -o $scratch/x 2>/dev/null || echo none
      ${CC:-cc} -m32 -std=c11 -fsyntax-only -iquote src -iquote include src/base/sys.c || echo refused
      ${CC:-cc} -m32 -std=c11 -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -fsyntax-only -iquote src \
        -iquote include src/base/sys.c && echo built
    ]])
    if text:find("none", 1, true) then
      return pending("no compiler for a 32-bit system")
    end
    assert.matches("FILE_OFFSET_BITS.*refused\nbuilt\n$", text)
  end)

  it("refuses the headers of another Lua than the one that compiles the modules", function()
    local text = output([[
      echo "#define LUA_VERSION_NUM 501" >$scratch/lua.h
      ${LUA:-lua5.4} tools/bundle.lua $scratch/bundled.c lua/net/internal/url.lua
      ${CC:-cc} -fsyntax-only -I$scratch -iquote src $scratch/bundled.c || echo refused
    ]])
    assert.matches("not the headers of the Lua that compiled the modules", text, 1, true)
    assert.matches("refused\n$", text)
  end)

  it("leaves net.tls out where OpenSSL's headers are not, and its specs, and says so", function()
    assert.equal("net.tls is left out: there is no openssl/ssl.h (libssl-dev)\nnothing\n"
      .. "its specs are left out\n--exclude-pattern=tls_\nnot installed\n", output([[
      mkdir -p $scratch/headers/openssl $scratch/build/net/tls
      echo '#error none' >$scratch/headers/openssl/ssl.h
      touch $scratch/build/net/tls/core.so # of a time when they were there
      settings="-o core DEPS=true BUILD=$scratch/build CPPFLAGS=-I$scratch/headers"
      make -s $settings tls
      [ -z "$(ls $scratch/build/net/tls)" ] && echo nothing
      make -n $settings test >$scratch/said
      grep -o -- 'its specs are left out\|--exclude-pattern=tls_' $scratch/said
      make -n $settings install >$scratch/said
      grep -o 'lua/net/tls.lua' $scratch/said || echo not installed
    ]]))
  end)

  it("removes with uninstall what install has put there, and nothing else #slow", function()
    local tls = pcall(require, "net.tls") and "lib/lua/5.4/net/tls/core.so\n" or ""
    assert.equal("bin/luanet\ninclude/net_capi.h\nlib/lua/5.4/net/core.so\n" .. tls
      .. "runs\nlib/mine\nshare/lua/5.4/net/mine.lua\nsame\n", (output([[
      version=$(${LUA:-lua5.4} -e 'io.write(_VERSION:match("%d+%.%d+"))')
      settings="DEPS=true BUILD=$scratch/build CFLAGS=-O0 DESTDIR=$scratch/to PREFIX=/usr"
      mkdir -p $scratch/to/usr/share/lua/$version/net $scratch/to/usr/lib
      touch $scratch/to/usr/share/lua/$version/net/mine.lua $scratch/to/usr/lib/mine
      (cd $scratch/to && find . | sort) >$scratch/before
      make -s install $settings LUA=${LUA:-lua5.4} >$scratch/log || cat $scratch/log
      cd $scratch/to/usr; find bin include lib/lua -type f | sort
      LUA_PATH="$PWD/share/lua/$version/?.lua;$PWD/share/lua/$version/?/init.lua" \
        LUA_CPATH="$PWD/lib/lua/$version/?.so" ${LUA:-lua5.4} bin/luanet -e 'print("runs")'
      cd - >/dev/null
      make -s uninstall $settings LUA=${LUA:-lua5.4}
      cd $scratch/to; find usr -type f | sed 's/^usr.//' | sort
      rmdir usr/bin usr/include usr/lib/lua/$version usr/lib/lua
      find . | sort | cmp - $scratch/before && echo same
    ]]):gsub("lua/5%.%d+", "lua/5.4")))
  end)
end)

--- In a copy, as it remembers what it was refused, and with an apt-get that writes down
--- how it was called. No compiler is there, so the headers are missing.
local function deps(command)
  return output([[
    mkdir -p $scratch/bin && cp -r tools $scratch/tools
    printf '#!/bin/sh\necho "$@" >>%s/called\n' $scratch >$scratch/bin/apt-get
    printf '#!/bin/sh\nexec "$@"\n' >$scratch/bin/sudo
    printf '#!/bin/sh\nexit 1\n' >$scratch/bin/no-compiler
    chmod +x $scratch/bin/*; export PATH=$scratch/bin:$PATH CC=no-compiler
    ]] .. command .. [[ >$scratch/said 2>&1 || echo failed
    tr -d '\r' <$scratch/said | grep -o 'apt-get install .*\|go on?\|nothing was installed'
    grep -s '^install ' $scratch/called]])
end

local INSTALL = "install -y --no-install-recommends liblua5.4-dev libev-dev libssl-dev\n"

describe("make deps", function()
  it("shows the command and goes on where nobody can answer", function()
    assert.equal("failed\napt-get " .. INSTALL .. INSTALL,
      deps("$scratch/tools/deps.sh build </dev/null"))
  end)

  it("has apt-get start and enable no server, and leaves nothing behind", function()
    assert.equal("101\ndisable -q redis-server\nnothing is left\n", (output([[
      mkdir -p $scratch/bin && cp -r tools $scratch/tools
      for name in sh ls env cat grep awk sed tr dirname mkdir chmod rm tee id seq sort; do
        ln -s "$(command -v $name)" $scratch/bin/$name
      done
      printf '#!/bin/sh\n[ "$1" = update ] || { $DEPS_POLICY; echo $?; } >>$scratch/called\n' >$scratch/bin/apt-get
      printf '#!/bin/sh\necho "$@" >>$scratch/called\n' >$scratch/bin/systemctl
      printf '#!/bin/sh\nexec "$@"\n' >$scratch/bin/sudo
      for name in busted curl wrk socat strace luarocks; do cp $scratch/bin/sudo $scratch/bin/$name; done
      sed -i '/^    busted)/s/)/) return 0 ;; x)/' $scratch/tools/deps.sh
      chmod +x $scratch/bin/*
      export DEPS_POLICY=$scratch/policy scratch
      PATH=$scratch/bin $scratch/tools/deps.sh test </dev/null >$scratch/said 2>&1
      cat $scratch/called; [ -e $scratch/policy ] || echo nothing is left
    ]])))
  end)

  it("keeps the policy of a machine that has one", function()
    assert.equal("7\nkept\n", (output([[
      mkdir -p $scratch/bin && cp -r tools $scratch/tools
      printf '#!/bin/sh\n[ "$1" = update ] || { $DEPS_POLICY; echo $?; } >>$scratch/called\n' >$scratch/bin/apt-get
      printf '#!/bin/sh\nexec "$@"\n' >$scratch/bin/sudo
      printf '#!/bin/sh\nexit 1\n' >$scratch/bin/no-compiler
      printf '#!/bin/sh\nexit 7\n' >$scratch/policy
      chmod +x $scratch/bin/* $scratch/policy
      export PATH=$scratch/bin:$PATH CC=no-compiler DEPS_POLICY=$scratch/policy scratch
      $scratch/tools/deps.sh build </dev/null >$scratch/said 2>&1
      sort -u $scratch/called; [ -x $scratch/policy ] && echo kept
    ]])))
  end)

  it("shows the command, and asks on a terminal", function()
    if not os.execute("script --version 2>/dev/null | grep -q util-linux") then
      return pending("no script(1) of util-linux here")
    end
    local ask = [[echo %s | script -qec "$scratch/tools/deps.sh build" /dev/null]]
    assert.equal("failed\napt-get " .. INSTALL .. "go on?\nnothing was installed\n",
      deps(ask:format("n")))
    assert.equal("failed\napt-get " .. INSTALL .. "go on?\n" .. INSTALL, deps(ask:format("y")))
  end)

  it("is silent where all is there, and with DEPS=true does nothing", function()
    assert.equal("", output("tools/deps.sh build"))
    assert.equal("", output("CC=no-compiler make -s DEPS=true deps"))
  end)
end)
