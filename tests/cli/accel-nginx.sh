#!/bin/bash
# A real web server through the accelerator: curl, 50 MB both ways, many requests on one connection and on many.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"
need nginx curl

new_key "$TMP/key"
T=$(free_port both)
read -r L B <<<"$("$BUILD/tests/net/free-port" -n 2 | tr '\n' ' ')"
mkdir -p "$TMP/www/up" "$TMP/body"
cat >"$TMP/nginx.conf" <<EOF2
daemon off; master_process off; pid $TMP/nginx.pid; error_log stderr;
events {}
http {
	access_log off; client_max_body_size 0; client_body_temp_path $TMP/body;
	proxy_temp_path $TMP/p; fastcgi_temp_path $TMP/f; uwsgi_temp_path $TMP/u; scgi_temp_path $TMP/s;
	server { listen 127.0.0.1:$B; root $TMP/www; dav_methods PUT; }
}
EOF2
head -c 50000000 /dev/urandom >"$TMP/www/big"
head -c 1000 /dev/urandom >"$TMP/www/small"
printf '[tunnel]\nlisten = 127.0.0.1:%s\nkey_file = %s\n[service web]\nbackend = tcp:127.0.0.1:%s\n' \
	"$T" "$TMP/key" "$B" >"$TMP/endpoint.ini"
printf '[tunnel]\nendpoint = 127.0.0.1:%s\nkey_file = %s\n[listener web]\nlisten = tcp:127.0.0.1:%s\n' \
	"$T" "$TMP/key" "$L" >"$TMP/listen.ini"
spawn nginx nginx -e stderr -p "$TMP" -c "$TMP/nginx.conf"
spawn -r endpoint "$BUILD/gex-endpoint" -c "$TMP/endpoint.ini"
spawn -r listen "$BUILD/gex-listen" -c "$TMP/listen.ini"
wait_ready endpoint
wait_ready listen
wait_port 127.0.0.1 "$B"
url=http://127.0.0.1:$L

step "50 MB down" curl -fsS -m $((60 * PATIENCE)) -o "$TMP/down" "$url/big"
same_file "$TMP/www/big" "$TMP/down"
step "50 MB up" curl -fsS -m $((60 * PATIENCE)) -T "$TMP/www/big" "$url/up/big"
same_file "$TMP/www/big" "$TMP/www/up/big"
step "100 requests on one connection" curl -fsS -m $((30 * PATIENCE)) "$url/small?[1-100]" -o "$TMP/small#1"
same_file "$TMP/www/small" "$TMP/small100"
step "50 at once" curl -fsS -m $((30 * PATIENCE)) -Z --parallel-max 50 "$url/small?[1-50]" -o "$TMP/par#1"
same_file "$TMP/www/small" "$TMP/par50"
stop nginx || true
# The reset can overtake the end of curl's own connecting: "couldn't connect" (7), else a reset (56).
got=0
curl -sS -m 60 -o /dev/null "$url/small" 2>"$TMP/refused" || got=$?
[ "$got" = 7 ] || { [ "$got" = 56 ] && grep -qi reset "$TMP/refused"; } ||
	fail "curl gave $got with the server gone: $(cat "$TMP/refused")"
echo "ok - with the server gone: $(cat "$TMP/refused")"
