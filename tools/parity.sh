#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs the scenarios of spec/parity under Node 26, Node 20 and our module, and
# compares what they log with the golden files; before them the specs of spec/peers in
# which processes of Node's and ours are each other's parent and child, primary and worker.
# Fails on any unlisted difference.
#
#   tools/parity.sh            compare; the last line is "N scenarios, 0 differences"
#   tools/parity.sh --record   rewrite the golden files from Node 26
#
# PARITY_NODE    a Node 26 binary; without it npm fetches one into a scratch folder
# PARITY_NODE20  a Node 20 binary; default: `node`, left out if it is not a Node 20
# PARITY_RUNS    how often --record runs each scenario to see that it is stable (5)
# LUA            the Lua 5.4 interpreter; default: lua5.4
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
parity=$root/spec/parity
LUA=${LUA:-lua5.4}
export LUA
scratch=$(mktemp -d "${TMPDIR:-/tmp}/parity.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
mkdir "$scratch/certs"
export PARITY_CERTS="$scratch/certs"
. "$root/tools/find-node.sh"

# as_ours ARGUMENT...: the runner, with this tree's module.
as_ours() {
  LUA_PATH="$root/lua/?.lua;$root/lua/?/init.lua;${LUA_PATH:-;}" \
  LUA_CPATH="$root/build/?.so;${LUA_CPATH:-;}" \
    "$LUA" "$parity/runner.lua" "$@"
}

as_node() { "$node26" --no-warnings "$parity/runner.js" "$@"; }

# The scenarios of TLS, by which each side can be played by either language.
tls_themes() { (cd "$parity/scenarios" && ls tls_*.par | sed 's/\.par$//'); }

# run_pair SERVER CLIENT: their logs, into a folder of the two.
run_pair() {
  dir=$scratch/$1-$2
  mkdir -p "$dir/server" "$dir/client"
  mkfifo "$dir/pipe"
  # shellcheck disable=SC2046  # the themes are words
  PARITY_PIPE=$dir/pipe "as_$1" --seat server --out "$dir/server" $(tls_themes) &
  # shellcheck disable=SC2046
  PARITY_PIPE=$dir/pipe "as_$2" --seat client --out "$dir/client" $(tls_themes) ||
    echo "$1/$2: the client's runner failed" >&2
  wait $! || echo "$1/$2: the server's runner failed" >&2
}

# run_node BINARY DIR: the logs of all scenarios, into DIR.
run_node() {
  mkdir -p "$2"
  "$1" --no-warnings "$parity/runner.js" --out "$2"
}

record() {
  runs=${PARITY_RUNS:-5}
  for run in $(seq "$runs"); do
    run_node "$node26" "$scratch/run$run"
    diff -r "$scratch/run1" "$scratch/run$run" || {
      echo "unstable: make these scenarios deterministic" >&2; exit 1; }
  done
  if grep -n -e '^!!:' -e '^uncaught:' "$scratch"/run1/*.log; then
    echo "these scenarios do not end as they should" >&2; exit 1
  fi
  rm -f "$parity"/golden/*.log
  cp "$scratch"/run1/*.log "$parity/golden/"
  echo "recorded $(cat "$parity"/golden/*.log | grep -c '^== ') scenarios from $("$node26" --version)"
}

# The logs of our module, theme by theme, so that a crash costs one of them.
run_lua() {
  mkdir -p "$1"
  for file in "$parity"/scenarios/*.par; do
    theme=$(basename "$file" .par)
    as_ours --out "$1" "$theme" || echo "$theme: the runner failed" >&2
  done
}

# The four seats of a channel, each with real processes. Nodes are found as here.
seats() {
  set -- channel children handles cluster
  for spec; do set -- "$@" "$root/spec/peers/${spec}_peers.lua"; shift; done
  PARITY_NODE=$node26 "$root/tools/peers.sh" "$@"
}

check() {
  seats && failed= || failed=1
  run_node "$node26" "$scratch/node26"
  run_lua "$scratch/lua"
  set -- "node26=$scratch/node26" "lua=$scratch/lua"
  node20=${PARITY_NODE20:-$(command -v node || true)}
  case $([ -n "$node20" ] && "$node20" --version) in
    v20.*)
      run_node "$node20" "$scratch/node20"
      set -- "$@" "node20=$scratch/node20"
      ;;
    *) echo "no Node 20 here, left out" ;;
  esac
  for server in node ours; do
    for client in node ours; do
      run_pair "$server" "$client"
      set -- "$@" "$server/$client=$scratch/$server-$client"
    done
  done
  "$LUA" "$parity/compare.lua" "$@" && [ -z "$failed" ]
}

find_node26 "$scratch"
"$LUA" "$parity/certificates.lua" "$PARITY_CERTS"
if [ "${1:-}" = --record ]; then record; else check; fi
