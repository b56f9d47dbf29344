#!/bin/bash
# Two packagers of one transcoder, which dies once: both count the discontinuity, and one that is killed and started again counts on
# as the other does.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
need ffmpeg curl

export TMPDIR
TMPDIR=$(mktemp -d /tmp/gex-state.XXXXXX) # sockets want a short path
at_exit "rm -rf $TMPDIR"
srt=$(free_port udp)
declare -A port=([one]=$(free_port tcp) [two]=$(free_port tcp))

transcoder() {
	spawn -r "$1" "$BUILD/gex-transcode" -i "srt://:$srt" -r small=320x180@10,250k,preset=ultrafast -o "unix:$TMPDIR/live.sock"
	wait_ready "$1"
}
# packager NAME PROCESS
packager() {
	spawn -r "$2" "$BUILD/gex-package" -i "unix:$TMPDIR/live.sock" -l "http://127.0.0.1:${port[$1]}" \
		-S "package.state=$TMP/state-$1" -S package.slate=0
	wait_ready "$2"
}
# listed NAME: its playlist is in $TMP/NAME.m3u8 and has segments.
listed() {
	curl -sf -o "$TMP/$1.m3u8" "http://127.0.0.1:${port[$1]}/live/small/index.m3u8" && grep -q '^#EXTINF' "$TMP/$1.m3u8"
}
# returned NAME: there are media again behind the hole.
returned() {
	listed "$1" && awk '/^#EXT-X-(GAP|DISCONTINUITY)$/ { hole = 1; n = 0 } /^#EXTINF/ { n++ }
		END { exit !(hole && n > 2) }' "$TMP/$1.m3u8"
}
kept() {
	sed -n 's/^discontinuities //p' "$TMP/state-$1/live.state"
}
# sequence NAME NUMBER: the discontinuity sequence number of that segment.
sequence() {
	awk -F: -v want="$2" '
		/^#EXT-X-DISCONTINUITY-SEQUENCE:/ { n = $2 }
		/^#EXT-X-DISCONTINUITY$/ { n++ }
		$0 == want ".m4s" { print n + 0 }' "$TMP/$1.m3u8"
}

# live N: the transcoder and its source, for the Nth time.
live() {
	transcoder "transcoder$1"
	LIVE_SIZE=320x180 LIVE_FPS=10 LIVE_RATE=300 live_source "live$1" "srt://127.0.0.1:$srt"
}
counted() {
	[ "$(kept one)" -ge 1 ] && [ "$(kept two)" = "$(kept one)" ]
}

live 0
packager one one
packager two two
for p in one two; do
	retry 20 listed $p || fail "no playlist of $p"
	step "$p counts from 0" test "$(kept $p)" = 0
done
# Where it dies between two segments there is a gap and no discontinuity; then once more.
for n in 1 2 3 4; do
	kill9 "transcoder$((n - 1))"
	live_stop "live$((n - 1))"
	live $n
	for p in one two; do
		retry 20 returned $p || fail "$p has no media again"
	done
	! retry 1 counted || break
done
step "both count a discontinuity" counted

kill9 one
before=$(kept one)
packager one anew
retry 20 listed one || fail "no playlist after the kill"
segment=$(sed -n 's/^\([0-9]*\)\.m4s$/\1/p' "$TMP/one.m3u8" | head -n 1)
at_least "the count goes on" "$(sequence one "$segment")" "$before"
has() {
	listed two && [ -n "$(sequence two "$segment")" ]
}
retry 10 has || fail "the other has no segment $segment"
step "as the other's does" test "$(sequence one "$segment")" = "$(sequence two "$segment")"
echo "discontinuity sequence number of segment $segment: $(sequence one "$segment")"
stop anew
echo garbage >"$TMP/state-one/live.state"
packager one damaged
wait_log damaged 'is damaged'
step "a damaged file begins anew" test "$(kept one)" = 0
