#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tls-haproxy.sh PORT SCENARIO PEM - HAProxy as it ends TLS before HTTP, on one thread.
set -eu
config=$(mktemp)
cat >"$config" <<EOT
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen bench
  bind 127.0.0.1:$1 ssl crt $3
  http-request return status 200
EOT
(sleep 2; rm -f "$config") >/dev/null &
exec haproxy -db -q -f "$config"
