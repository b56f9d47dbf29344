#!/bin/bash
# The HTTP server by raw bytes: what it refuses and how, pipelining, HEAD, ranges, conditions, limits. gex-package without
# a source serves it.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl

mkdir "$TMP/share"
head -c 100000 /dev/urandom >"$TMP/share/hls.min.js"
for f in player.html player.js player.css; do echo "this is $f" >"$TMP/share/$f"; done
spawn -r packager "$BUILD/gex-package" -i "udp://127.0.0.1:$(free_port udp)" -l http://127.0.0.1:0 --share "$TMP/share" \
	-S http.max_per_address=20
wait_ready packager
port=$(sed -n 's|.*serving http://127.0.0.1:\([0-9]*\)/.*|\1|p' "$TMP/packager.log")
url=http://127.0.0.1:$port

# raw BYTES: what the server answers to them until it closes.
raw() {
	exec 9<>"/dev/tcp/127.0.0.1/$port"
	printf '%b' "$1" >&9
	patiently 10 cat <&9 || true
	exec 9>&-
}

# answers [STATUS]: how many there are; a body need not end in a newline.
answers() {
	grep -ao "HTTP/1\.1 ${1:-[0-9]*} " "$TMP/raw" | wc -l
}

# status TEXT WANT BYTES: the first status, and that nothing after it is taken for a request.
status() {
	raw "$3" >"$TMP/raw"
	step "$1: $2" grep -q "^HTTP/1.1 $2 " "$TMP/raw"
	step "  and no second answer" test "$(answers)" = 1
}

h='Host: a\r\n'
next="GET /live/time HTTP/1.1\r\n$h\r\n"
status "a body" 413 "GET /live/time HTTP/1.1\r\n${h}Content-Length: 40\r\n\r\n$next"
status "chunked" 400 "GET /live/time HTTP/1.1\r\n${h}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n$next"
status "two lengths" 400 "GET / HTTP/1.1\r\n${h}Content-Length: 0\r\nContent-Length: 40\r\n\r\n$next"
status "two hosts" 400 "GET / HTTP/1.1\r\n$h$h\r\n$next"
status "no host" 400 "GET / HTTP/1.1\r\n\r\n$next"
status "bare LF" 400 "GET / HTTP/1.1\n$h\n$next"
status "bare CR" 400 "GET / HTTP/1.1\r\nA: b\rC: d\r\n$h\r\n$next"
status "folded line" 400 "GET / HTTP/1.1\r\n$h fold\r\n\r\n$next"
status "space before colon" 400 "GET / HTTP/1.1\r\nHost : a\r\n\r\n$next"
status "NUL" 400 "GET / HTTP/1.1\r\n${h}A: \0000b\r\n\r\n$next"
status "POST" 405 "POST /live/time HTTP/1.1\r\n$h\r\n$next"
status "unknown method" 501 "BREW / HTTP/1.1\r\n$h\r\n$next"
status "another version" 505 "GET / HTTP/2.0\r\n$h\r\n$next"
status "nearly a preface of HTTP/2" 505 'PRI * HTTP/2.0\r\n\r\nTM\r\n\r\n'
status "TLS" 400 '\0026\0003\0001'
status "climbing" 400 "GET /live/../../etc/passwd HTTP/1.1\r\n$h\r\n$next"
status "climbing, encoded" 400 "GET /live/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n$h\r\n$next"
status "encoded slash" 400 "GET /live/..%2f..%2fetc HTTP/1.1\r\n$h\r\n$next"
status "long target" 414 "GET /$(head -c 5000 /dev/zero | tr '\0' a) HTTP/1.1\r\n$h\r\n$next"
status "many fields" 431 "GET / HTTP/1.1\r\n$h$(for _ in {1..70}; do printf 'a: b\\r\\n'; done)\r\n$next"
status "long head" 431 "GET / HTTP/1.1\r\n${h}A: $(head -c 20000 /dev/zero | tr '\0' a)"

raw "$next$next${next%\\r\\n}Connection: close\r\n\r\n" >"$TMP/raw"
step "three requests at once" test "$(answers 200)" = 3
step "in their order, the last one closes" test "$(grep -c 'Connection: close' "$TMP/raw")" = 1
raw "GET /live/time HTTP/1.0\r\n\r\n" >"$TMP/raw"
step "HTTP/1.0 closes" grep -q 'Connection: close' "$TMP/raw"
raw "GET http://other/live/time HTTP/1.1\r\n${h}Connection: close\r\n\r\n" >"$TMP/raw"
step "absolute form" grep -q '^HTTP/1.1 200' "$TMP/raw"

curl -sS -o "$TMP/whole" "$url/live/hls.min.js"
same_file "$TMP/whole" "$TMP/share/hls.min.js"
curl -sS -r 1000-1999 -o "$TMP/range" -w '%{http_code}\n' "$url/live/hls.min.js" >"$TMP/code"
step "a range is 206" grep -qx 206 "$TMP/code"
cmp "$TMP/range" <(tail -c +1001 "$TMP/whole" | head -c 1000) || fail "the range has other bytes"
curl -sS -r -10 "$url/live/hls.min.js" | cmp - <(tail -c 10 "$TMP/whole") || fail "the last ten bytes are others"
step "outside is 416" test "$(curl -sS -o /dev/null -r 200000- -w '%{http_code}' "$url/live/hls.min.js")" = 416
step "HEAD has the length and no body" test "$(curl -sSI "$url/live/hls.min.js" | tr -d '\r' | sed -n 's/^Content-Length: //p')" = 100000
etag=$(curl -sSI "$url/live/hls.min.js" | tr -d '\r' | sed -n 's/^ETag: //p')
step "the same again is 304" test "$(curl -sS -o /dev/null -H "If-None-Match: $etag" -w '%{http_code}' "$url/live/hls.min.js")" = 304
step "another is 200" test "$(curl -sS -o /dev/null -H 'If-None-Match: "x"' -w '%{http_code}' "$url/live/hls.min.js")" = 200
date=$(curl -sSI "$url/live/hls.min.js" | tr -d '\r' | sed -n 's/^Last-Modified: //p')
step "not modified since" test "$(curl -sS -o /dev/null -H "If-Modified-Since: $date" -w '%{http_code}' "$url/live/hls.min.js")" = 304
step "modified since" test "$(curl -sS -o /dev/null -H 'If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT' -w '%{http_code}' "$url/live/hls.min.js")" = 200
step "a tag goes before a date" test "$(curl -sS -o /dev/null -H "If-Modified-Since: $date" -H 'If-None-Match: "x"' -w '%{http_code}' "$url/live/hls.min.js")" = 200
step "several ranges are the whole" test "$(curl -sS -o /dev/null -H 'Range: bytes=0-1,5-9' -w '%{http_code} %{size_download}' "$url/live/hls.min.js")" = "200 100000"
step "a range of another version is the whole" test "$(curl -sS -o /dev/null -r 0-9 -H 'If-Range: "x"' -w '%{http_code}' "$url/live/hls.min.js")" = 200
step "of this one it is the range" test "$(curl -sS -o /dev/null -r 0-9 -H "If-Range: $etag" -w '%{http_code}' "$url/live/hls.min.js")" = 206
step "a weak tag is no tag of a range" test "$(curl -sS -o /dev/null -r 0-9 -H "If-Range: W/$etag" -w '%{http_code}' "$url/live/hls.min.js")" = 200
step "OPTIONS" test "$(curl -sS -o /dev/null -X OPTIONS -w '%{http_code}' "$url/live/time")" = 204
step "CORS" grep -qi '^access-control-allow-origin: \*' <(curl -sSI "$url/live/time")
step "the root leads to the page" test "$(curl -sSL "$url/")" = "this is player.html"
step "unknown is 404" test "$(curl -sS -o /dev/null -w '%{http_code}' "$url/live/none")" = 404
step "another name is 404" test "$(curl -sS -o /dev/null -w '%{http_code}' "$url/other/index.m3u8")" = 404

# The cap of an address: the 21st connection is closed, the others live.
fds=()
for _ in {1..20}; do
	exec {fd}<>"/dev/tcp/127.0.0.1/$port"
	fds+=("$fd")
done
refused() { ! curl -sS -m 60 -o /dev/null "$url/live/time"; }
step "beyond the limit of an address" refused
printf '%b' "$next" >&"${fds[0]}"
step "those who were there are served" patiently 2 grep -qm1 '200 OK' <&"${fds[0]}"
for fd in "${fds[@]}"; do exec {fd}>&-; done
step "and others later" retry 3 curl -sS -f -o /dev/null "$url/live/time"
step "it has not crashed" alive packager
stop packager
step "ends with success" test "$STATUS" = 0
