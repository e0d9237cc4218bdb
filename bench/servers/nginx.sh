#!/bin/sh
# SPDX-License-Identifier: MIT
#
# nginx.sh PORT SCENARIO PEM - nginx as an HTTPS server, in one process.
#
# It serves the folder of PEM, where a file "stream" is for "source".
set -eu
root=$(cd "$(dirname "$3")" && pwd)
pem=$root/$(basename "$3")
dir=$(mktemp -d)
cat >"$dir/nginx.conf" <<EOT
daemon off;
master_process off;
pid $dir/pid;
worker_rlimit_nofile 16384;
events { worker_connections 8000; }
http {
  access_log off;
  client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fastcgi;
  uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
  keepalive_requests 1000000000;
  server {
    listen 127.0.0.1:$1 ssl backlog=511;
    root $root;
    ssl_certificate $pem;
    ssl_certificate_key $pem;
    ssl_protocols TLSv1.2 TLSv1.3;
  }
}
EOT
mkdir "$dir/body" "$dir/proxy" "$dir/fastcgi" "$dir/uwsgi" "$dir/scgi"
(sleep 2; rm -rf "$dir") >/dev/null &
exec nginx -p "$dir" -c "$dir/nginx.conf" -e stderr
