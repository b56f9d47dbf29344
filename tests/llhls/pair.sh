#!/bin/bash
# Two packagers of one gex-transcode behind nginx (examples/nginx-edge.conf with its second server): the same bytes under the
# same names, and when one is killed in the middle, players go on without an error, and the conformance client.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/rig.sh"
need ffmpeg node curl nginx
here=$(dirname "$0")
export GEX_SLACK_MS=15000
ulimit -n "$(ulimit -Hn)"

udp=$(free_port udp) one=$(free_port) two=$(free_port) edge=$(free_port)
spawn -r transcode "$BUILD/gex-transcode" -i "udp://127.0.0.1:$udp" -r 'low=320x180@30,300k,preset=ultrafast' -o "unix:$TMP/live.sock"
wait_ready transcode
spawn source ffmpeg -nostdin -loglevel error -re -f lavfi -i testsrc2=s=320x180:r=30 -re -f lavfi -i sine=r=48000 -c:v libx264 \
	-preset ultrafast -tune zerolatency -g 30 -b:v 300k -c:a aac -b:a 64k -f mpegts -muxdelay 0 -flush_packets 1 \
	"udp://127.0.0.1:$udp?pkt_size=1316"
retry 20 test -S "$TMP/live.sock" || fail "no output"
spawn -r one "$BUILD/gex-package" -i "unix:$TMP/live.sock" -l "http://127.0.0.1:$one"
spawn -r two "$BUILD/gex-package" -i "unix:$TMP/live.sock" -l "http://127.0.0.1:$two"
wait_ready one
wait_ready two

# shellcheck disable=SC2016 # for nginx
nginx_edge "$edge" "$one" '$upstream_addr $status $request_uri' "s|# server 127.0.0.1:8081|server 127.0.0.1:$two|"
step "the example has both" grep -q "^	server 127.0.0.1:$two backup;" "$TMP/edge.conf"
for p in $one $two $edge; do
	retry 30 curl -fsS -o /dev/null "http://127.0.0.1:$p/live/index.m3u8" || fail "no playlist at $p"
done

# ---- the same bytes ----
list() {
	curl -fsS "http://127.0.0.1:$1/live/$2/index.m3u8"
}
# both NAME: segments and parts that both list.
both() {
	list "$one" "$1" | sed -n 's/^\([0-9]*\.m4s\)$/\1/p; s/.*EXT-X-PART:.*URI="\([^"]*\)".*/\1/p' | sort >"$TMP/of-one"
	list "$two" "$1" | sed -n 's/^\([0-9]*\.m4s\)$/\1/p; s/.*EXT-X-PART:.*URI="\([^"]*\)".*/\1/p' | sort >"$TMP/of-two"
	comm -12 "$TMP/of-one" "$TMP/of-two" >"$TMP/names"
	[ "$(wc -l <"$TMP/names")" -ge 8 ]
}
same() {
	local name n=0
	retry 20 both "$1" || fail "$1: they do not list the same"
	while read -r name; do
		curl -fsS -o "$TMP/a" "http://127.0.0.1:$one/live/$1/$name"
		curl -fsS -o "$TMP/b" "http://127.0.0.1:$two/live/$1/$name"
		cmp "$TMP/a" "$TMP/b" || fail "$1/$name differs"
		n=$((n + 1))
	done <"$TMP/names"
	at_least "$1: parts and segments that are the same" "$n" 8
}
audio=$(curl -fsS "http://127.0.0.1:$one/live/index.m3u8" | sed -n 's|.*TYPE=AUDIO.*URI="\([^/]*\)/.*|\1|p')
same low
same "$audio"

# ---- one is killed ----
crowd -n 20 -w 2s -a "$audio" "http://127.0.0.1:$edge/live" low
spawn -o "$TMP/conform" conform node "$here/conform.mjs" --cut --seconds 10 "http://127.0.0.1:$edge/live/index.m3u8"
of() {
	sed -n "s/^$1=//p" "$TMP/turn"
}
# play_on N: all players, and by so many parts more.
play_on() {
	crowd_turn
	parts=$((parts + $(of parts))) failed=$((failed + $(of failed) + $(of broken)))
	[ "$(of playing)" = 20 ] && [ "$parts" -ge "$1" ]
}
parts=0 failed=0
retry 20 play_on 100 || fail "only $(of playing) of 20 play"
killed=$(now_ms)
kill9 one
parts=0
retry 20 play_on 400 || fail "only $(of playing) of 20 play on"
at_most "what 20 players asked for and did not get" "$failed" 0
at_least "requests that the second answered" "$(grep -c ":$two 200" "$TMP/asked")" 20
wait_exit conform 30
tail -n 1 "$TMP/conform"
step "the conformance client saw it all, and no broken rule" grep -Eq ' segments=[1-9].* broken=0' "$TMP/conform"
# Nobody can go on with an answer of which a part was there already: what was under way when its server was killed, and nothing else.
at_most "answers cut short" "$(grep -c '^cut: ' "$TMP/conform" || true)" 12
early=$(sed -n 's/^cut: \([0-9]*\):.*/\1/p' "$TMP/conform" | awk -v t="$killed" '$1 < t - 50' | wc -l)
late=$(sed -n 's/^cut: \([0-9]*\):.*/\1/p' "$TMP/conform" | sort -n | tail -n 1)
at_most "of them before the kill" "$early" 0
at_most "the last of them after the kill, ms" "$((${late:-$killed} - killed))" $((1000 * PATIENCE))
figure "the last of them after the kill, ms" "$((${late:-$killed} - killed))" at_most 1000
crowd_turn
figure "parts late, max of the time after, ms" "$(of late_max)" at_most 1500
