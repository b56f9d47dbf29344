#!/bin/bash
# Licenses of ClearKey by POST, by HTTP/1.1 and HTTP/2: with the keys that are asked for and no others; bodies that are too long,
# without a length, damaged, late, or where none is taken.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl ffmpeg h2load

kid=00112233445566778899aabbccddeeff
id=ABEiM0RVZneImaq7zN3u_w key=ASNFZ4mrze8BI0VniavN7w
echo "$kid:0123456789abcdef0123456789abcdef" >"$TMP/keys"
chmod 600 "$TMP/keys"
udp=$(free_port udp)
port=$(free_port tcp)
url=http://127.0.0.1:$port/live/license
spawn -r packager "$BUILD/gex-package" -i "udp://127.0.0.1:$udp" -l "http://127.0.0.1:$port" -S package.encryption=cbcs \
	-S "package.encryption_keys=$TMP/keys" -S http.head=2s
wait_ready packager
spawn source ffmpeg -hide_banner -nostdin -loglevel warning -re -f lavfi -i testsrc2=s=160x90:r=15 -c:v libx264 -preset ultrafast \
	-tune zerolatency -g 15 -f mpegts -muxdelay 0 -flush_packets 1 "udp://127.0.0.1:$udp?pkt_size=1316"
ready() {
	curl -sf -o /dev/null "http://127.0.0.1:$port/live/index.m3u8"
}
retry 30 ready || fail "no stream"

# post STATUS WHAT CURL-OPTION...
post() {
	local got
	got=$(curl -sS -m $((8 * PATIENCE)) -o "$TMP/body" -w '%{http_code}' "${@:3}")
	[ "$got" = "$1" ] || fail "$2: $got, not $1: $(cat "$TMP/body")"
	echo "ok - $2: $1"
}
ask='{"kids":["'$id'"],"type":"temporary"}'
license='{"keys":[{"kty":"oct","kid":"'$id'","k":"'$key'"}],"type":"temporary"}'
printf '%s' "$ask" >"$TMP/ask"
head -c 20000 /dev/zero | tr '\0' ' ' >"$TMP/long"
for how in --http1.1 --http2-prior-knowledge; do
	post 200 "a license ($how)" $how -H 'Content-Type: application/json' -d "$ask" "$url"
	step "  with the key" test "$(cat "$TMP/body")" = "$license"
	post 200 "of chunks ($how)" $how -H 'Transfer-Encoding: chunked' -H 'Expect: 100-continue' -T "$TMP/ask" -X POST "$url"
	step "  with the key" test "$(cat "$TMP/body")" = "$license"
	post 404 "of a key that is none of its" $how -d '{"kids":["AAAAAAAAAAAAAAAAAAAAAA"]}' "$url"
	post 400 "of what is no request" $how -d 'kids=1' "$url"
	post 413 "too long" $how --data-binary "@$TMP/long" "$url"
	post 413 "too long, of chunks" $how -H 'Transfer-Encoding: chunked' --data-binary "@$TMP/long" "$url"
	post 405 "where none is taken" $how -d "$ask" "http://127.0.0.1:$port/live/index.m3u8"
	post 405 "of a stream that is none" $how -d "$ask" "http://127.0.0.1:$port/other/license"
	post 400 "empty" $how -X POST -H 'Content-Length: 0' "$url"
	post 200 "all that there are, by GET" $how "$url"
	post 204 "other sites may ask" $how -X OPTIONS "$url"
done
step "one connection takes many" test "$(for _ in 1 2 3; do echo "$url"; done | xargs curl -sS --http1.1 -d "$ask" -o /dev/null -o /dev/null \
	-o /dev/null -w '%{http_code}%{num_connects} ')" = "2001 2000 2000 "
# Far more of them than a connection's window would hold, refused or not.
head -c 3000 /dev/zero | tr '\0' ' ' >"$TMP/spaces"
cat "$TMP/ask" >>"$TMP/spaces"
# many STATUS URL: how h2load counts sixty.
many() {
	h2load -n 60 -c 1 -m 4 -d "$TMP/spaces" "$2" >"$TMP/load" && grep -q "status codes: .*60 $1" "$TMP/load"
}
step "sixty on one connection of HTTP/2" many 2xx "$url"
step "sixty that are refused" many 4xx "http://127.0.0.1:$port/live/time"

# raw STATUS WHAT BYTES: as they are.
raw() {
	local line
	exec 3<>"/dev/tcp/127.0.0.1/$port"
	printf '%b' "$3" >&3
	IFS= read -r -t $((8 * PATIENCE)) line <&3 || true
	exec 3>&-
	[[ "$line" = "HTTP/1.1 $1 "* ]] || fail "$2: $line, not $1"
	echo "ok - $2: $1"
}
h='POST /live/license HTTP/1.1\r\nHost: x\r\n'
raw 411 "without a length" "$h\r\n"
raw 400 "with two" "${h}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"
raw 400 "with a length and chunks" "${h}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
raw 501 "of another coding" "${h}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
raw 400 "a chunk without its CR" "${h}Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n"
raw 413 "of more than a number holds" "${h}Content-Length: 99999999999999999999999\r\n\r\n"
raw 100 "waited for" "${h}Content-Length: ${#ask}\r\nExpect: 100-continue\r\n\r\n"
raw 408 "that does not come" "${h}Content-Length: 10\r\n\r\n{"
# What follows a body is the next request.
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf '%b' "${h}Content-Length: ${#ask}\r\n\r\n${ask}GET /live/time HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" >&3
patiently 10 cat <&3 >"$TMP/both"
exec 3>&-
step "and then the next request" test "$(grep -o 'HTTP/1.1 200 OK' "$TMP/both" | wc -l)" = 2
not() {
	! "$@"
}
step "no key in the log" not grep -qiE '0123456789abcdef|ASNFZ4' "$TMP/packager.log"
