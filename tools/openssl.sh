#!/bin/sh
# SPDX-License-Identifier: MIT
#
# openssl.sh RELEASE [SPEC...] - builds the library with the OpenSSL of a Debian release, each
# warning an error, and runs the specs of TLS with it, or those that are named.
#
#   tools/openssl.sh bullseye     1.1.1
#   tools/openssl.sh trixie       3.5
#
# All of it in a system of its own, with its gcc and its Lua: trixie, whose busted is for Lua
# 5.4, and in it that release's OpenSSL. debootstrap makes it, once, in build/openssl/RELEASE,
# which takes some minutes and 600 MB; OPENSSL_SYSTEMS is another folder. As root.
set -eu

base=trixie
mirror=http://deb.debian.org/debian
packages=ca-certificates,gcc,libc6-dev,make,lua5.4,liblua5.4-dev,libev-dev,libssl-dev,openssl,lua-busted,procps,strace,curl

case ${1-} in
  '' | -*) echo "usage: openssl.sh RELEASE [SPEC...]" >&2; exit 2 ;;
esac
release=$1; shift
tree=$(cd "$(dirname "$0")/.." && pwd)
systems=${OPENSSL_SYSTEMS:-$tree/build/openssl}
system=$systems/$release

# Mounts are for this command alone, and end with it.
# shellcheck disable=SC2016  # the shell inside is to expand them
inside() { # inside COMMAND: in the system, in /src
  unshare --mount sh -c 'mount --bind /proc "$0/proc" && mount --rbind /dev "$0/dev" &&
    exec chroot "$0" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
      DEBIAN_FRONTEND=noninteractive sh -c "mkdir -p /src && cd /src && $1"' "$system" "$1"
}

make_system() {
  rm -rf "$system"
  mkdir -p "$systems"
  debootstrap --variant=minbase --include=$packages $base "$system" $mirror
  echo '127.0.0.1 localhost' >"$system/etc/hosts"
  if [ "$release" != $base ]; then
    echo "deb $mirror $release main" >"$system/etc/apt/sources.list.d/openssl.list"
    inside "apt-get -q update && apt-get -qy install --no-install-recommends \
      --allow-downgrades openssl/$release libssl-dev/$release"
  fi
  : >"$system/made"
}

[ -e "$system/made" ] || make_system
mkdir -p "$system/src"
find "$system/src" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
cd "$tree"
tar --exclude=./.git --exclude=./build -cf - . | tar -C "$system/src" -xf -
[ $# -gt 0 ] || set -- spec/tls_*_spec.lua
inside "openssl version && make -s DEPS=true WERROR=-Werror all &&
  make -s DEPS=true WERROR=-Werror test SPEC='$*'"
