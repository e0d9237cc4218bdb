#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes random programs and odd calls, runs them under Node 26 and here, and prints
# what differs and is not listed, shrunk. Fails if anything does.
#
#   tools/parity-random.sh [SEED=n] [N=programs] [TLS=programs] [ODD=calls] [JOBS=n]
#                          [FROM=index] [ONLY=index] [SHRINK=n]
#
# SEED   what they are made from; by default another each time, and printed
# N TLS ODD  how many programs (1000), those of TLS (0) and odd calls (5000)
# JOBS   processes at a time (4), which wait more than they work
# FROM   the index of the first (1)
# ONLY   the index of the one program (or, with N=0, of TLS, with TLS=0 too, of the odd calls)
#        to run again
# SHRINK how many programs with one kind of difference are made small and printed (1)
# PARITY_NODE and LUA are those of tools/parity.sh.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
LUA=$(command -v "${LUA:-lua5.4}")
export LUA
export PARITY_GUARD="${PARITY_GUARD:-1500}" # milliseconds; a program takes fifty
scratch=$(mktemp -d "${TMPDIR:-/tmp}/parity.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
. "$root/tools/find-node.sh"

find_node26 "$scratch"
export LUA_PATH="$root/lua/?.lua;$root/lua/?/init.lua;${LUA_PATH:-;}"
export PARITY_EAGER="$root/build/eager/?.so" # made by `make parity-random`; see edits.lua
export LUA_CPATH="$root/build/?.so;${LUA_CPATH:-;}"
mkdir "$scratch/certs"
export PARITY_CERTS="$scratch/certs"
"$LUA" "$root/spec/parity/certificates.lua" "$PARITY_CERTS"
"$LUA" "$root/spec/parity/random/main.lua" "$node26" "$scratch" "$@"
