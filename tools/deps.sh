#!/bin/sh
# SPDX-License-Identifier: MIT
#
# deps.sh GROUP... - installs what is missing to build, test, check, fuzz, bench, meet peers,
# or meet another OpenSSL.
#
# Looks first, so it is instant and needs no rights where all is there. What is
# missing is installed with the system's package manager, as root or through
# sudo; a package written rock:NAME comes from luarocks. It shows the commands
# first, and asks where somebody is there to answer. Only what the table
# calls 'needed' must be there in the end: without the rest some specs skip, and
# it is tried once, or refused once, which build/unavailable remembers.

# shellcheck disable=SC2046,SC2086,SC2091  # lists of words are meant to fall apart, and to run
# shellcheck disable=SC2030,SC2031         # packages in a loop are other ones
set -eu
cd "$(dirname "$0")"
tried=../build/unavailable

# group need   what         apt-get       dnf               apk               pacman      brew
table='
build needed cc           gcc,libc6-dev gcc               gcc,musl-dev      gcc         -
build needed lua          lua5.4        lua               lua5.4            lua         lua
build needed lua.h        liblua5.4-dev lua-devel         lua5.4-dev        lua         lua
build needed ev.h         libev-dev     libev-devel       libev-dev         libev       libev
build wanted openssl/ssl.h libssl-dev   openssl-devel     openssl-dev       openssl     openssl
test  wanted openssl      openssl       openssl           openssl           openssl     openssl
test  needed luarocks     luarocks      luarocks          luarocks5.4       luarocks    luarocks
test  needed busted       lua-busted    rock:busted       rock:busted       rock:busted rock:busted
test  wanted redis-server redis-server  redis             redis             redis       redis
test  wanted curl         curl          curl              curl              curl        curl
test  wanted wrk          wrk           wrk               wrk               wrk         wrk
test  wanted socat        socat         socat             socat             socat       socat
test  wanted strace       strace        strace            strace            strace      -
check needed luacheck     lua-check     rock:luacheck     rock:luacheck     luacheck    luacheck
check needed clang        clang         clang             clang             clang       -
check needed clang-tidy   clang-tidy    clang-tools-extra clang-extra-tools clang       llvm
check needed cppcheck     cppcheck      cppcheck          cppcheck          cppcheck    cppcheck
check needed libasan.so   gcc           libasan,libubsan  -                 gcc         -
check wanted clang-format clang-format  clang-tools-extra clang-extra-tools clang       clang-format
check wanted valgrind     valgrind      valgrind          valgrind          valgrind    -
peers wanted npm          npm           npm               npm               npm         node
peers wanted haproxy      haproxy       haproxy           haproxy           haproxy     haproxy
peers wanted wrk          wrk           wrk               wrk               wrk         wrk
peers wanted curl         curl          curl              curl              curl        curl
peers wanted redis-server redis-server  redis             redis             redis       redis
peers wanted postgres     postgresql    postgresql-server postgresql        postgresql  postgresql
peers wanted nginx        nginx         nginx             nginx             nginx       nginx
peers wanted nginx-stream libnginx-mod-stream nginx-mod-stream nginx-mod-stream -     -
peers wanted swaks        swaks         swaks             swaks             swaks       swaks
peers wanted python3      python3       python3           python3           python      python
peers wanted pyftpdlib    python3-pyftpdlib python3-pyftpdlib py3-pyftpdlib  python-pyftpdlib -
peers wanted tinyproxy    tinyproxy-bin tinyproxy         tinyproxy         tinyproxy   tinyproxy
peers wanted copas        lua-copas     -                 -                 -           -
peers wanted luasocket    lua-socket    lua-socket        lua5.4-socket     lua-socket  rock:luasocket
peers wanted luasec       lua-sec       lua-sec           lua5.4-sec        lua-sec     rock:luasec
fuzz  needed libfuzzer    libclang-rt-14-dev compiler-rt  compiler-rt       compiler-rt -
bench wanted valgrind     valgrind      valgrind          valgrind          valgrind    -
openssl needed debootstrap debootstrap  debootstrap       debootstrap       debootstrap -
'

say() { echo "deps: $*"; }
die() { echo "deps: $*" >&2; exit 1; }

has_header() { # has_header NAME FLAGS...
  name=$1; shift
  echo "#include <$name>" | ${CC:-cc} "$@" ${CPPFLAGS-} -E -o /dev/null - 2>/dev/null
}

present() { # present WHAT: is it there already?
  case $1 in
    lua) ./find-lua.sh bin >/dev/null ;;
    lua.h) flags=$(./find-lua.sh cflags) && has_header lua.h $flags ;;
    ev.h | openssl/ssl.h) has_header "$1" ;;
    busted) lua=$(./find-lua.sh bin) &&
      "$lua" -e 'assert(package.searchpath("busted.runner", package.path))' 2>/dev/null ;;
    postgres) command -v postgres >/dev/null || ls /usr/lib*/postgresql*/bin/postgres \
      /usr/lib*/postgresql/*/bin/postgres >/dev/null 2>&1 ;;
    nginx-stream) ls /usr/lib*/nginx/modules/ngx_stream_module.so >/dev/null 2>&1 ;;
    pyftpdlib) PATH=/usr/bin:$PATH python3 -c 'import pyftpdlib' 2>/dev/null ;;
    copas) ls /usr/share/lua/5.[23]/copas.lua >/dev/null 2>&1 ;;
    luasocket) lua=$(./find-lua.sh bin) &&
      "$lua" -e 'assert(package.searchpath("socket.core", package.cpath))' 2>/dev/null ;;
    luasec) lua=$(./find-lua.sh bin) &&
      "$lua" -e 'assert(package.searchpath("ssl", package.path))' 2>/dev/null ;;
    libfuzzer) echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
      clang -fsanitize=fuzzer -x c -o /dev/null - 2>/dev/null ;;
    libasan.so) case $(gcc -print-file-name=libasan.so 2>/dev/null) in /*) ;; *) return 1 ;; esac ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing() { # missing needed|wanted: what of our groups is not there yet
  echo "$table" | while read -r group need what packages; do
    case " $groups " in *" $group "*) ;; *) continue ;; esac
    [ "$need" != "$1" ] || present "$what" || echo "$what"
  done | while read -r what; do
    [ "$1" = wanted ] && grep -qsx "$what" "$tried" || echo "$what"
  done
}

packages_of() { # packages_of COLUMN WHAT...: their names in that column, each once
  column=$1; shift
  for what in "$@"; do
    echo "$table" | awk -v c="$column" -v w="$what" '$3 == w && $c != "-" { print $c }'
  done | tr , '\n' | awk '!seen[$0]++'
}

installer() { # the command that installs the packages after it
  case $manager in
    apt-get) echo $root env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends ;;
    dnf) echo $root dnf install -y ;;
    apk) echo $root apk add ;;
    pacman) echo $root pacman -S --noconfirm --needed ;;
    brew) echo brew install ;;
  esac
}

refresher() { # the command that fetches fresh lists of packages, if there is one
  case $manager in
    apt-get) echo $root apt-get update ;;
    apk) echo $root apk update ;;
    pacman) echo $root pacman -Sy ;;
    *) ;;
  esac
}

rocks_installer() {
  lua=$(./find-lua.sh bin) && version=$("$lua" -e 'io.write(_VERSION:match("%d+%.%d+"))') ||
    version=5.4
  echo $root luarocks --lua-version=$version install
}

try() { $(installer) "$@"; } # try PACKAGE...: one attempt

refresh() { $(refresher); }

remember() { # remember WHAT...: that it is not to be had, or not wanted here
  mkdir -p ../build
  printf '%s\n' "$@" >>"$tried"
}

agreed() { # shows the commands, and asks if it may; without a terminal it may
  say "missing: $*. This installs what is:" >&2
  [ -z "$packages" ] || echo "    $(installer)" $packages >&2
  [ -z "$packages" ] || [ -z "$(refresher)" ] ||
    echo "    $(refresher)    # before it, if the lists of packages are missing or old" >&2
  [ -z "$rocks" ] || echo "    $(rocks_installer)" $rocks >&2
  [ -t 0 ] && [ -t 2 ] || return 0
  printf 'deps: go on? [Y/n] ' >&2
  read -r answer || answer=n
  case $answer in '' | [Yy]*) ;; *) return 1 ;; esac
}

# Debian's packages start their servers, now and at each boot. Ours are only for specs, which
# start their own: while we install, the program that apt-get asks says no, if there is none yet.
policy=${DEPS_POLICY:-/usr/sbin/policy-rc.d}
start_nothing() {
  { [ "$manager" = apt-get ] && [ ! -e "$policy" ]; } || return 0
  trap '$root rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
  $root chmod 755 "$policy"
}

enable_nothing() { # enable_nothing PACKAGE...: that were not here before
  [ "$manager" = apt-get ] && command -v systemctl >/dev/null || return 0
  for package in "$@"; do
    case $package in
      redis-server | postgresql | nginx | haproxy) $root systemctl disable -q $package || true ;;
    esac
  done
}

install_all() { # all at once; else with fresh lists; else each by itself
  ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || [ "$manager" != apt-get ] || refresh
  try "$@" && return
  refresh
  try "$@" && return
  for package in "$@"; do
    try "$package" || say "no package $package"
  done
}

groups="$*"
[ -n "$groups" ] || groups="build test check"
set -- $(missing needed) $(missing wanted)
[ $# -gt 0 ] || exit 0

column=3
manager=
for name in apt-get dnf apk pacman brew; do
  column=$((column + 1))
  command -v $name >/dev/null && manager=$name && break
done
root=
problem=
if [ -z "$manager" ]; then
  problem="no package manager that I know (apt-get, dnf, apk, pacman, brew) is here"
elif [ "$(id -u)" != 0 ] && [ "$manager" != brew ]; then
  root=sudo
  command -v sudo >/dev/null || problem="I am not root, and there is no sudo"
fi

if [ -n "$problem" ]; then
  say "missing: $*; but $problem." >&2
  [ -z "$(missing needed)" ] ||
    die "please install these by hand, or run 'make deps' as root. Needed are:" $(missing needed)
  say "they are only wanted: some specs will be skipped" >&2
  exit 0
fi

packages=$(packages_of $column "$@" | grep -v '^rock:' || true)
rocks=$(packages_of $column "$@" | sed -n 's/^rock://p')
if ! agreed "$@"; then
  set -- $(missing wanted)
  [ $# = 0 ] || remember "$@"
  set -- $(missing needed)
  [ $# = 0 ] || die "nothing was installed. Needed are: $*"
  exit 0
fi
if [ -n "$packages" ]; then
  start_nothing
  install_all $packages
  enable_nothing $packages
fi
for rock in $rocks; do
  $(rocks_installer) "$rock" || say "no rock $rock"
done

set -- $(missing wanted)
if [ $# -gt 0 ]; then
  say "not to be had here: $* (what needs them is skipped)"
  remember "$@"
fi
set -- $(missing needed)
[ $# = 0 ] || die "still missing: $*. Please install these by hand, then run make again."
