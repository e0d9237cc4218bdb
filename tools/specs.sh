#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs spec files, each in a process of its own, as many at once as there are cores. Shows a
# line for each that has passed, and all that was printed by one that has not. The last
# line is of all: `N passed, N failed, N skipped`.
#
#   tools/specs.sh [BUSTED'S OPTIONS] [FILE OR FOLDER...]
#
# JOBS   how many at once; default: the number of cores, but not over 8
# LUA    the interpreter; default: lua5.4
# UNDER  what the interpreter is run by, such as valgrind and its options
#
# A single file is run here, and shows how far it is. A file whose process printed no counts,
# or ended in error though they are good, as with a leak, has one failure more.
set -eu

lua=${LUA:-lua5.4}

busted() {
  # shellcheck disable=SC2086  # lists of words
  (unset SPECS_SCRATCH && exec ${UNDER:-} "$lua" tools/busted.lua $SPECS_OPTIONS "$1")
}

# Runs one file for the others below: what it printed goes into the scratch folder, and so
# do its counts.
run_one() {
  log=$SPECS_SCRATCH/$(echo "$1" | tr / _).log
  status=0
  busted "$1" >"$log" 2>&1 </dev/null || status=$?
  counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)
  case "$status $counts" in
    "0 "*" 0 failed"*) echo "$1: $counts" ;;
    *" 0 failed"* | "$status ")
      counts="${counts:-0 passed, 0 failed, 0 skipped}, 1 more"
      printf '%s\n' "$1:" "$(cat "$log")" "$1: exit code $status" ;;
    *) printf '%s\n' "$1:" "$(cat "$log")" ;;
  esac
  echo "$counts" >"$log.counts"
}

if [ -n "${SPECS_SCRATCH:-}" ]; then
  run_one "$1"
  exit
fi

cd "$(dirname "$0")/.."
SPECS_OPTIONS=
excluded=
for word; do
  shift
  case $word in
    --exclude-pattern=*) excluded=${word#*=} ;;
    -*) SPECS_OPTIONS="$SPECS_OPTIONS $word" ;;
    *) set -- "$@" "$word" ;;
  esac
done
[ $# -gt 0 ] || set -- spec

SPECS_SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/specs.XXXXXX")
trap 'rm -rf "$SPECS_SCRATCH"' EXIT
trap 'exit 130' INT TERM
export SPECS_SCRATCH SPECS_OPTIONS

list=$SPECS_SCRATCH/list
for place; do
  if [ -d "$place" ]; then find "$place" -name '*_spec.lua'; else echo "$place"; fi
done | grep -v "/${excluded:-/}" | sort >"$list"

if [ "$(wc -l <"$list")" -eq 1 ]; then
  busted "$(cat "$list")"
  exit
fi

cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
[ "$cores" -le 8 ] || cores=8

# Files with something slow begin first, so that nobody waits for one of them at the end.
while read -r file; do
  if grep -q '#slow' "$file" 2>/dev/null; then echo "$file"; else echo "$file" >&3; fi
done <"$list" >"$list.slow" 3>"$list.quick"
cat "$list.slow" "$list.quick" | xargs -n 1 -P "${JOBS:-$cores}" sh tools/specs.sh

cat "$SPECS_SCRATCH"/*.counts | awk '{ passed += $1; failed += $3 + $7; skipped += $5 }
  END { printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 }'
