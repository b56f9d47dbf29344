#!/bin/bash
# timeout: 1200
# The origin under a client that knows the rules, strictly and for long: SECONDS (120; `make conform SECONDS=600`), over
# HTTP/1.1 and over HTTP/2 with TLS at the same time. Meanwhile, each at its part of the time: the source is lost for 5 s and
# comes back (a slate stands in), the packager is killed and started again, the transcoder is started again with another
# encoder preset, so that the parameters of every rendition change.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
need ffmpeg node curl openssl
conform=$(dirname "$0")/../llhls/conform.mjs
SECONDS_ALL=${CONFORM_SECONDS:-120}

srt=$(free_port udp)
port=$(free_port tcp) tls=$(free_port tcp)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>"$TMP/openssl.log"

start_transcoder() {
	spawn -r transcoder "$BUILD/gex-transcode" -i "srt://:$srt" -r "240p=426x240@30,400k,preset=$1" -r "144p=256x144@30,200k,preset=$1" \
		-o "unix:$TMP/live.sock"
	wait_ready transcoder
}

start_packager() {
	spawn -r packager "$BUILD/gex-package" -i "unix:$TMP/live.sock" -l "http://127.0.0.1:$port" -l "https://127.0.0.1:$tls" \
		-S "http.certificate=$TMP/cert.pem" -S "http.key=$TMP/key.pem"
	wait_ready packager
}

ready() {
	curl -sf -o /dev/null "http://127.0.0.1:$port/live/index.m3u8"
}

# until_part N: so many tenths of the time have gone by.
until_part() {
	local at=$((began + SECONDS_ALL * 100 * $1))

	while [ "$(now_ms)" -lt "$at" ]; do sleep 0.2; done
}

start_transcoder veryfast
start_packager
live_source live "srt://127.0.0.1:$srt?latency=100000"
retry 30 ready || fail "no playlist"
began=$(now_ms)
spawn -o "$TMP/http1" http1 node "$conform" --restart 8000 --seconds "$SECONDS_ALL" "http://127.0.0.1:$port/live/index.m3u8"
spawn -o "$TMP/http2" http2 node "$conform" --restart 8000 --seconds "$SECONDS_ALL" --http 2 --insecure \
	"https://127.0.0.1:$tls/live/index.m3u8"

until_part 2
live_stop live
echo "at $((SECONDS_ALL / 5)) s: the source is lost"
sleep 5
live_source live "srt://127.0.0.1:$srt?latency=100000"
until_part 4
kill9 packager
start_packager
echo "at $((SECONDS_ALL * 2 / 5)) s: the packager is killed and started again"
until_part 6
kill9 transcoder
start_transcoder ultrafast
live_stop live || true
live_source live "srt://127.0.0.1:$srt?latency=100000"
echo "at $((SECONDS_ALL * 3 / 5)) s: the transcoder is started again with another preset"

for c in http1 http2; do
	wait_exit "$c" $((SECONDS_ALL + 60))
	sed "s/^/$c: /" "$TMP/$c"
	tail -n 1 "$TMP/$c" | grep -q ' broken=0$' || broken=1
done
[ -z "${broken-}" ] || fail "rules are broken"
