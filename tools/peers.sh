#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs the specs of spec/peers, in which this module speaks to programs that are not
# ours: Node 20 and 26, and what Debian has. What is not to be had here is named, and
# its specs are skipped.
#
#   tools/peers.sh [SPEC...]
#
# PARITY_NODE    a Node 26 binary; without it npm fetches one into a scratch folder
# PARITY_NODE20  a Node 20 binary; default: `node`, left out if it is not a Node 20
# BUSTED         options for busted
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/peers.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
. "$root/tools/find-node.sh"

if [ -n "${PARITY_NODE:-}" ] || command -v npm >/dev/null; then
  find_node26 "$scratch"
  export PEER_NODE26="$node26"
else
  echo "peers: no Node 26: there is no npm to fetch it with" >&2
fi
node20=${PARITY_NODE20:-$(command -v node || true)}
case $([ -z "$node20" ] || "$node20" --version) in
  v20.*) export PEER_NODE20="$node20" ;;
  *) echo "peers: no Node 20 here" >&2 ;;
esac

[ $# -gt 0 ] || set -- "$root/spec/peers"
cd "$root"
# shellcheck disable=SC2086  # BUSTED is a list of words
"${LUA:-lua5.4}" tools/busted.lua --pattern=_peers ${BUSTED:-} "$@"
