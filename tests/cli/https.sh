#!/bin/bash
# HTTPS and HTTP/2 with others' clients (curl, nghttp, openssl), several listeners, UNIX sockets and socket activation,
# certificates replaced while it runs.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl nghttp openssl

mkdir "$TMP/share"
head -c 3000000 /dev/urandom >"$TMP/share/hls.min.js"
for f in player.html player.js player.css; do echo "this is $f" >"$TMP/share/$f"; done

# certificate NAME: a self-signed one for this host, $TMP/NAME.pem and .key.
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-addext subjectAltName=IP:127.0.0.1,DNS:localhost -keyout "$TMP/$1.key" -out "$TMP/$1.pem" 2>/dev/null
	chmod 600 "$TMP/$1.key"
}

certificate one
certificate two
cp "$TMP/one.pem" "$TMP/cert.pem"
cp -p "$TMP/one.key" "$TMP/cert.key"
gex=("$BUILD/gex-package" -i "udp://127.0.0.1:$(free_port udp)" --share "$TMP/share")
tls=(-S "http.certificate=$TMP/cert.pem" -S "http.key=$TMP/cert.key")

# ---- what is refused at the start ----
refuse "https without a certificate" 64 "${gex[@]}" -l https://127.0.0.1:0
refuse "a certificate that is not there" 64 "${gex[@]}" -l https://127.0.0.1:0 -S "http.certificate=$TMP/none" -S "http.key=$TMP/cert.key"
step "  names the file" grep -q "$TMP/none: No such file" "$TMP/refused"
refuse "a key of another certificate" 64 "${gex[@]}" -l https://127.0.0.1:0 -S "http.certificate=$TMP/cert.pem" -S "http.key=$TMP/two.key"
step "  says so" grep -q "two.key: the private key is another certificate's" "$TMP/refused"
cp "$TMP/one.key" "$TMP/open.key"
chmod 644 "$TMP/open.key"
refuse "a key that others can read" 64 "${gex[@]}" -l https://127.0.0.1:0 -S "http.certificate=$TMP/cert.pem" -S "http.key=$TMP/open.key"

# ---- three listeners ----
spawn -r packager "${gex[@]}" -l http://127.0.0.1:0 -l https://127.0.0.1:0 -l "unix:$TMP/sock" "${tls[@]}" -m 127.0.0.1:0
wait_ready packager
clear=$(sed -n 's|.*serving \(http://127.0.0.1:[0-9]*\)/.*|\1|p' "$TMP/packager.log")
secure=$(sed -n 's|.*serving \(https://127.0.0.1:[0-9]*\)/.*|\1|p' "$TMP/packager.log")
file=$secure/live/hls.min.js

# get WANT CURL_ARG...: the version of HTTP and the status are WANT, and the body is the file.
get() {
	local want=$1 got
	shift
	got=$(curl -sS -m 120 --cacert "$TMP/one.pem" -o "$TMP/got" -w '%{http_version} %{http_code}' "$@")
	[ "$got" = "$want" ] && cmp -s "$TMP/got" "$TMP/share/hls.min.js"
}
step "HTTP/2 by ALPN" get "2 200" "$file"
# Each time frames of the reader come in at other moments of what waits for its socket.
often() {
	local i
	for i in {1..10}; do
		get "2 200" "$file" || { echo "$i" && return 1; }
	done
}
step "ten times over" often
step "HTTP/1.1 by ALPN" get "1.1 200" --http1.1 "$file"
step "no ALPN is HTTP/1.1" get "1.1 200" --no-alpn "$file"
step "TLS 1.2" get "2 200" --tlsv1.2 --tls-max 1.2 "$file"
step "TLS 1.3" get "2 200" --tlsv1.3 "$file"
step "HTTP/2 in clear" get "2 200" --http2-prior-knowledge "$clear/live/hls.min.js"
step "HTTP/1.1 in clear" get "1.1 200" "$clear/live/hls.min.js"
step "by the UNIX socket" get "1.1 200" --unix-socket "$TMP/sock" http://any/live/hls.min.js
old_tls() {
	! openssl s_client -connect "${secure#https://}" -tls1_1 -cipher ALL:@SECLEVEL=0 </dev/null >/dev/null 2>&1
}
step "TLS 1.1 is refused" old_tls
step "a plain request to the TLS port ends" test "$(curl -sS -m 60 -o /dev/null -w '%{http_code}' "http://${secure#https://}/live/time" 2>/dev/null || true)" = 000

# ---- HTTP/2, in particular ----
step "a range" test "$(curl -sS --cacert "$TMP/one.pem" -r 100-199 -o /dev/null -w '%{http_code} %{size_download}' "$file")" = "206 100"
step "HEAD has the length" grep -q '^content-length: 3000000' <(curl -sSI --cacert "$TMP/one.pem" "$file")
step "unknown is 404" test "$(curl -sS --cacert "$TMP/one.pem" -o /dev/null -w '%{http_code}' "$secure/live/none")" = 404
step "climbing is 400" test "$(curl -sS --path-as-is --cacert "$TMP/one.pem" -o /dev/null -w '%{http_code}' "$secure/live/../../etc/passwd")" = 400
step "a body is 413" test "$(curl -sS --cacert "$TMP/one.pem" -X GET -d x=y -o /dev/null -w '%{http_code}' "$secure/live/time")" = 413
step "POST is 405" test "$(curl -sS --cacert "$TMP/one.pem" -X POST -o /dev/null -w '%{http_code}' "$secure/live/time")" = 405
step "a large head is 431" test "$(curl -sS --cacert "$TMP/one.pem" -H "A: $(head -c 20000 /dev/zero | tr '\0' a)" -o /dev/null -w '%{http_code}' "$secure/live/time")" = 431
step "a preflight" grep -qi '^access-control-allow-headers: .*range' <(curl -sS --cacert "$TMP/one.pem" -D - -X OPTIONS -o /dev/null "$secure/live/time")
# Ten at once on one connection, each whole.
nghttp -n -s -m 10 "$file" >"$TMP/nghttp" 2>&1 || fail "nghttp gives an error"
step "ten streams at once" test "$(grep -c ' 200 .*2M /live/hls.min.js' "$TMP/nghttp")" = 10

# ---- tickets ----
session=("openssl" s_client -connect "${secure#https://}" -CAfile "$TMP/one.pem" -verify_return_error)
# The ticket of TLS 1.3 comes with the answer, so something has to be asked.
talk() {
	printf 'GET /live/time HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' | "${session[@]}" -ign_eof "$@" >"$TMP/s_client" 2>&1
}
talk -sess_out "$TMP/ticket" || fail "s_client: $(tail -3 "$TMP/s_client")"
talk -sess_in "$TMP/ticket" || fail "s_client: $(tail -3 "$TMP/s_client")"
step "a session is resumed" grep -q '^Reused, TLSv1.3' "$TMP/s_client"

# ---- another certificate ----
subject() {
	openssl s_client -connect "${secure#https://}" </dev/null 2>/dev/null | sed -n 's/^subject=CN = //p'
}
is_served() {
	[ "$(subject)" = "$1" ]
}
step "the first certificate" is_served one
echo garbage >"$TMP/cert.pem"
kill -HUP "${PID[packager]}"
wait_log packager "not reloaded: .*cert.pem: no certificate in PEM"
step "one line, and the old one stays" is_served one
talk -sess_in "$TMP/ticket" || fail "s_client: $(tail -3 "$TMP/s_client")"
cp "$TMP/two.pem" "$TMP/cert.pem"
cp -p "$TMP/two.key" "$TMP/cert.key"
kill -HUP "${PID[packager]}"
wait_log packager "info: reloaded"
step "a good one is served from then on" is_served two
session[5]=$TMP/two.pem
talk -sess_in "$TMP/ticket" || true
step "tickets outlive it" grep -q '^Reused, TLSv1.3' "$TMP/s_client"

metrics=$(sed -n 's|.*\(http://[^ ]*/metrics\)|\1|p' "$TMP/packager.log")
step "failed handshakes are counted" grep -q 'refused_total{reason="tls"} [1-9]' <(curl -sS "$metrics")
refuse "the UNIX socket is taken" 69 "${gex[@]}" -l "unix:$TMP/sock"
stop packager
step "ends with success" test "$STATUS" = 0
step "and takes its UNIX socket away" test ! -e "$TMP/sock"

# ---- left from one that was killed ----
spawn -r killed "${gex[@]}" -l "unix:$TMP/sock"
wait_ready killed
kill9 killed
step "the socket is left" test -S "$TMP/sock"
spawn -r heir "${gex[@]}" -l "unix:$TMP/sock"
wait_ready heir
step "another takes its place" get "1.1 200" --unix-socket "$TMP/sock" http://any/live/hls.min.js
stop heir

# ---- socket activation: the socket is made by somebody else ----
port=$(free_port)
spawn -r active "$BUILD/tests/net/pass-socket" "$port" "${gex[@]}" -l "http://127.0.0.1:$port"
wait_ready active
step "a passed socket is used" get "1.1 200" "http://127.0.0.1:$port/live/hls.min.js"
step "and is the one" grep -q '^socket:' <(readlink "/proc/${PID[active]}/fd/3")
step "nothing is said of it" test "$(grep -c 'waits in vain' "$TMP/active.log")" = 0
stop active
spawn -r active "$BUILD/tests/net/pass-socket" "$port" "${gex[@]}" -l http://127.0.0.1:0
wait_log active "1 sockets that were passed have the address of no 'listen'"
echo "ok - one that no address is for is told of"
stop active
