#!/bin/sh
# SPDX-License-Identifier: MIT
#
# haproxy.sh PORT UPSTREAM - HAProxy as a plain TCP proxy, on one thread.
#
# splice-auto lets it move bulk in the kernel where it thinks that this pays.
set -eu
config=$(mktemp)
cat >"$config" <<EOF
global
  nbthread 1
  maxconn 2000
defaults
  mode tcp
  option splice-auto
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen bench
  bind 127.0.0.1:$1
  server upstream 127.0.0.1:$2
EOF
(sleep 2; rm -f "$config") >/dev/null &
exec haproxy -db -q -f "$config"
