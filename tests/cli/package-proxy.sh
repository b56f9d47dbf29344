#!/bin/bash
# gex-package behind haproxy and nginx: by the PROXY protocol and by headers the client is who counts, for networks and for
# limits of addresses; and nobody but a trusted proxy is believed.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl haproxy nginx openssl

refuse "a network that is none" 64 "$BUILD/gex-package" -i - -l :0 -S http.trusted=127.0.0.1/8
step "  says which" grep -q "trusted: '127.0.0.1/8' is no address or network" "$TMP/refused"
refuse "a header that is none" 64 "$BUILD/gex-package" -i - -l :0 -S http.forwarded=X-Real-IP
step "  says which" grep -q "forwarded: 'X-Real-IP' is not" "$TMP/refused"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>/dev/null
chmod 600 "$TMP/key.pem"
# The proxies speak from 127.0.0.2 and .3; 127.0.0.66 may not watch.
start() {
	spawn -r "$1" "$BUILD/gex-package" -i "udp://127.0.0.1:$(free_port udp)" -l http://127.0.0.1:0 -l https://127.0.0.1:0 \
		-S "http.certificate=$TMP/cert.pem" -S "http.key=$TMP/key.pem" -S "http.trusted=127.0.0.2, 127.0.0.3" -l "unix:$TMP/$1.sock" \
		-S access.deny=127.0.0.66 -S http.max_per_address=20 "${@:2}"
	wait_ready "$1"
}
start packager -S http.forwarded=X-Forwarded-For
start other -S http.forwarded=Forwarded -S "http.trusted=127.0.0.3, unix"
port() {
	sed -n "s|.*serving $2://127.0.0.1:\([0-9]*\)/.*|\1|p" "$TMP/$1.log"
}
http=$(port packager http) https=$(port packager https)

v1=$(free_port) v2=$(free_port) tls=$(free_port) xff=$(free_port) edge=$(free_port) rfc=$(free_port)
cat >"$TMP/haproxy.cfg" <<CFG
global
	maxconn 500
defaults
	timeout connect 60s
	timeout client 60s
	timeout server 60s
	mode tcp
listen v1
	bind 127.0.0.1:$v1
	server origin 127.0.0.1:$http send-proxy source 127.0.0.2
listen v2
	bind 127.0.0.1:$v2
	server origin 127.0.0.1:$http send-proxy-v2 source 127.0.0.2
listen tls
	bind 127.0.0.1:$tls
	server origin 127.0.0.1:$https send-proxy-v2 source 127.0.0.2
listen xff
	mode http
	bind 127.0.0.1:$xff
	option forwardfor
	server origin 127.0.0.1:$http source 127.0.0.2
CFG
spawn haproxy haproxy -db -f "$TMP/haproxy.cfg"
cat >"$TMP/nginx.conf" <<NGINX
$([ "$(id -u)" != 0 ] || echo "user root;")
daemon off;
pid $TMP/nginx.pid;
error_log stderr error;
events { worker_connections 500; }
http {
	access_log off;
	client_body_temp_path $TMP/nginx-body;
	proxy_temp_path $TMP/nginx-proxy;
	fastcgi_temp_path $TMP/nginx-fastcgi;
	uwsgi_temp_path $TMP/nginx-uwsgi;
	scgi_temp_path $TMP/nginx-scgi;
	proxy_bind 127.0.0.3;
	server {
		listen 127.0.0.1:$edge;
		location / {
			proxy_pass http://127.0.0.1:$xff; # two proxies, one behind the other
			proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
		}
	}
	server {
		listen 127.0.0.1:$rfc;
		location / {
			proxy_pass http://127.0.0.1:$(port other http);
			proxy_set_header Forwarded "for=\$remote_addr;proto=http";
		}
	}
}
NGINX
spawn nginx nginx -c "$TMP/nginx.conf" -p "$TMP"
for p in $v1 $v2 $tls $xff $edge $rfc; do wait_port 127.0.0.1 "$p"; done

# code FROM URL CURL_ARG...
code() {
	curl -ksS -m 60 -o /dev/null -w '%{http_code}' --interface "$1" "${@:2}"
}
# by TEXT PORT [CURL_ARG...]: one may watch, the other not.
by() {
	step "$1: who may" test "$(code 127.0.0.55 "$2/live/time" "${@:3}")" = 200
	step "$1: who may not" test "$(code 127.0.0.66 "$2/live/time" "${@:3}")" = 403
}
by "direct" "http://127.0.0.1:$http"
by "PROXY 1" "http://127.0.0.1:$v1"
by "PROXY 2" "http://127.0.0.1:$v2"
by "PROXY 2, HTTP/2 in clear" "http://127.0.0.1:$v2" --http2-prior-knowledge
by "PROXY 2 before TLS" "https://127.0.0.1:$tls" --http1.1
by "PROXY 2 before TLS, HTTP/2" "https://127.0.0.1:$tls" --http2
by "X-Forwarded-For" "http://127.0.0.1:$xff"
by "X-Forwarded-For by two" "http://127.0.0.1:$edge"
by "Forwarded" "http://127.0.0.1:$rfc"

# ---- who is not believed ----
lie="X-Forwarded-For: 127.0.0.66" truth="X-Forwarded-For: 127.0.0.55"
step "a client's own header names nobody" test "$(code 127.0.0.55 "http://127.0.0.1:$http/live/time" -H "$lie")" = 200
step "and does not open" test "$(code 127.0.0.66 "http://127.0.0.1:$http/live/time" -H "$truth")" = 403
step "before a proxy neither" test "$(code 127.0.0.66 "http://127.0.0.1:$xff/live/time" -H "$truth")" = 403
step "nor before two" test "$(code 127.0.0.66 "http://127.0.0.1:$edge/live/time" -H "$truth")" = 403
step "nor by the other header" test "$(code 127.0.0.66 "http://127.0.0.1:$xff/live/time" -H "Forwarded: for=127.0.0.55")" = 403
step "the PROXY protocol of a client is no request" test "$(code 127.0.0.66 --haproxy-protocol "http://127.0.0.1:$http/live/time")" = 400
step "of a proxy it is" test "$(code 127.0.0.2 --haproxy-protocol "http://127.0.0.1:$http/live/time")" = 200
step "which need not use it" test "$(code 127.0.0.2 "http://127.0.0.1:$http/live/time")" = 200
by_unix() {
	curl -sS -m 60 -o /dev/null -w '%{http_code}' --unix-socket "$TMP/$1.sock" -H "$2" http://x/live/time
}
step "a UNIX socket is trusted where it is said" test "$(by_unix other "Forwarded: for=127.0.0.66")" = 403
step "and else not" test "$(by_unix packager "X-Forwarded-For: 127.0.0.66")" = 200
broken() {
	printf '%b' "$1" | patiently 10 curl -sS -m 60 --interface 127.0.0.2 "telnet://127.0.0.1:$http" 2>/dev/null | wc -c
}
for garbage in 'PROXY TCP4 1 2 3 4\r\nGET /live/time HTTP/1.1\r\nHost: x\r\n\r\n' 'PROXY \r\n\r\n' \
	'\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff'; do
	at_most "bytes in answer to a broken one" "$(broken "$garbage")" 0
done

# ---- limits of addresses ----
hold() {
	exec {fd}<>"/dev/tcp/127.0.0.1/$v1"
	fds+=("$fd")
}
fds=()
for _ in {1..20}; do hold; done
for fd in "${fds[@]}"; do
	printf 'GET /live/time HTTP/1.1\r\nHost: x\r\n\r\n' >&"$fd"
	patiently 5 grep -qm1 '200 OK' <&"$fd" || fail "one of 20 is not served"
done
full() { ! curl -sS -f -m 60 -o /dev/null "http://127.0.0.1:$v1/live/time"; }
step "the 21st of an address is refused, through the proxy too" full
step "another address is not" test "$(code 127.0.0.55 "http://127.0.0.1:$v1/live/time")" = 200
for fd in "${fds[@]}"; do exec {fd}>&-; done
step "and later it is not" retry 5 curl -sS -f -o /dev/null "http://127.0.0.1:$v1/live/time"
stop packager
step "ends with success" test "$STATUS" = 0
