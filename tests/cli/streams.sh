#!/bin/bash
# Several streams of one gex-package: by a file, listed, counted apart; some come, go and change by SIGHUP while those that
# stay notice nothing; a source that dies and one that sends garbage are their own streams' trouble only.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl ffmpeg

port=$(free_port tcp)
one=$(free_port udp) two=$(free_port udp) three=$(free_port udp) four=$(free_port udp)
url=http://127.0.0.1:$port

# encoder NAME PORT
encoder() {
	spawn "$1" ffmpeg -hide_banner -nostdin -loglevel warning -re -f lavfi -i testsrc2=s=160x90:r=25 \
		-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -keyint_min 25 -sc_threshold 0 -b:v 150k \
		-f mpegts -muxdelay 0 -flush_packets 1 "srt://127.0.0.1:$2?transtype=live&latency=20000"
}

# configure STREAM...: each a text of lines, the section's first.
configure() {
	{
		printf '[package]\nwindow = 6s\n[http]\nlisten = %s\n[process]\nmemory = 64M\n' "$url"
		printf '%b\n' "$@"
	} >"$TMP/package.ini"
}
a="[stream a]\ninput = srt://127.0.0.1:$one?mode=listener"
b="[stream b]\ninput = srt://127.0.0.1:$two?mode=listener"
c="[stream c]\ninput = srt://127.0.0.1:$three?mode=listener\nmemory = 32M"

code() {
	curl -sS -m $((8 * PATIENCE)) -o "$TMP/body" -w '%{http_code}' "$@"
}
# playlist STREAM [QUERY]: of its only rendition.
playlist() {
	curl -sS -m $((8 * PATIENCE)) "$url/$1/90p/index.m3u8${2-}"
}
ready() {
	local s
	for s; do [ "$(code "$url/$s/90p/index.m3u8")" = 200 ] || return 1; done
}
# state STREAM: as streams.json tells.
state() {
	curl -sS "$url/streams.json" | sed -n "s/.*\"name\": \"$1\", \"path\": \"\/$1\/\", \"state\": \"\([a-z]*\)\".*/\1/p"
}
is() {
	[ "$(state "$1")" = "$2" ]
}
hint() {
	playlist "$1" | sed -n 's/.*PRELOAD-HINT.*URI="\([0-9]*\)\.\([0-9]*\)\.m4s".*/\1 \2/p'
}
# reload REGEX: SIGHUP, and the line that answers it.
reload() {
	: >"$TMP/before"
	grep -c . "$TMP/packager.log" >"$TMP/before" || true
	kill -HUP "${PID[packager]}"
	answered() {
		tail -n "+$(($(cat "$TMP/before") + 1))" "$TMP/packager.log" | grep -Eq "$1"
	}
	retry 10 answered "$1" || fail "no line like $1"
	echo "ok - $1"
}

# ---- what a file may not say ----
refused() {
	configure "${@:3}"
	refuse "$1" 78 "$BUILD/gex-package" -t -c "$TMP/package.ini"
	step "  says so" grep -Eq "$2" "$TMP/refused"
}
refused "no stream at all" "no input"
refused "a stream without an input" '\[stream b\]: no input' "$a" "[stream b]"
refused "a name with a slash" 'package.ini:7: \[stream a/b\]: a name is of' "[stream a/b]\ninput = -"
refused "a key that there is not" 'package.ini:9: unknown key "inptu"' "$a\ninptu = x"
refused "a part longer than its segment" '\[stream a\]: chunk must be' "$a\npart = 2s"
refused "two names that are one" 'two streams have the name live' "[package]\ninput = srt://:$two\n[stream live]\ninput = srt://:$three"
refused "standard input twice" 'both x and y would read' "[stream x]\ninput = -\n[stream y]\ninput = -"

# ---- three of them ----
configure "$a" "$b" "$c"
spawn -r packager "$BUILD/gex-package" -c "$TMP/package.ini" -m 127.0.0.1:0
wait_ready packager
metrics=$(sed -n 's|.*\(http://[^ ]*/metrics\)|\1|p' "$TMP/packager.log")
step "a stream without a source is 503" test "$(code "$url/a/index.m3u8")" = 503
step "one that there is not is 404" test "$(code "$url/d/index.m3u8")" = 404
step "and waits, as the list tells" is b waiting
encoder source_a "$one"
encoder source_b "$two"
encoder source_c "$three"
retry 20 ready a b c || fail "not all have a playlist"
step "the list for people names all" test "$(curl -sS "$url/" | grep -o 'href="/[abc]/"' | wc -l)" = 3
step "the list for programs" retry 5 is c live
step "with renditions" grep -q '"name": "b".*"renditions": \[{"name": "90p", "kind": "video", "codec": "avc1' <(curl -sS "$url/streams.json")
curl -sS "$metrics" >"$TMP/metrics"
for s in a b; do
	step "what was sent of $s is counted" grep -qE "^gex_package_sent_bytes_total\\{stream=\"$s\"\\} [1-9]" "$TMP/metrics"
	step "and its answers" grep -qE "^gex_package_responses_total\\{stream=\"$s\",class=\"2xx\"\\} [1-9]" "$TMP/metrics"
done
step "refused ones are those of their stream" test "$(code "$url/a/none.m4s")" = 404
curl -sS "$metrics" >"$TMP/after"
not_found() {
	sed -n "s/^gex_package_responses_total{stream=\"$2\",class=\"4xx\"} //p" "$1"
}
step "counted there" test "$(not_found "$TMP/after" a)" = $(($(not_found "$TMP/metrics" a) + 1))
step "and not elsewhere" test "$(not_found "$TMP/after" b)" = "$(not_found "$TMP/metrics" b)"
step "metrics are by stream" test "$(grep -c '^gex_package_frames_total{stream="[abc]",rendition="90p"} [1-9]' "$TMP/metrics")" = 3
bounds=$(sed -n 's/^gex_package_memory_bytes{stream="[abc]"} //p' "$TMP/metrics" | awk '{ s += $1 } END { printf "%d", s }')
at_most "memory is shared out" "$bounds" 67108864
at_least "  all of it" "$bounds" 67100000

# ---- a file with a mistake changes nothing ----
configure "$a" "$b" "$c" "[stream d]\ninput = srt://127.0.0.1:$four?mode=listener\npart = 1x"
reload 'package.ini:16: part = 1x: not a duration'
configure "$a" "$b" "[stream d]\ninput = udp://127.0.0.1:$four" "[stream e]\ninput = $TMP/nowhere"
reload 'not reloaded: stream e: .*nowhere'
step "not even half of it" test "$(curl -sS "$url/streams.json" | grep -c '"state": "live"')" = 3
step "nor d" test "$(code "$url/d/index.m3u8")" = 404

# ---- one goes, one comes, one changes; the players of the fourth notice nothing ----
number=$(hint a | cut -d" " -f1)
curl -sS -m $((8 * PATIENCE)) -o "$TMP/held" -w '%{http_code} %{num_connects}' "$url/a/90p/index.m3u8?_HLS_msn=$((number + 2))" >"$TMP/held.code" &
holder=$!
curl -sS -o "$TMP/live.mp4" "$url/a/live.mp4" &
liver=$!
held() {
	curl -sS "$metrics" | grep -q '^gex_package_held_requests{stream="a"} [1-9]'
}
retry 5 held || fail "the request is not held"
d="[stream d]\ninput = srt://127.0.0.1:$four?mode=listener"
configure "$a" "$b\npart = 400ms" "$d"
reload 'reloaded: 1 streams begin, 1 change, 1 leave, 1 stay'
step "the one that goes has an end" grep -q '^#EXT-X-ENDLIST' <(playlist c)
step "and no hint" test -z "$(hint c)"
step "its source is let go" retry 10 gone source_c
forget_ source_c
wait "$holder"
step "the player that waited across it is answered" test "$(cat "$TMP/held.code")" = "200 1"
step "by the segment it wanted" grep -q "^$((number + 2)).m4s" "$TMP/held"
step "no gap, no discontinuity, no end in its playlist" test "$(grep -c 'GAP\|DISCONTINUITY\|ENDLIST' "$TMP/held" || true)" = 0
size=$(stat -c %s "$TMP/live.mp4")
grown() {
	[ "$(stat -c %s "$TMP/live.mp4")" -gt "$((size + 20000))" ]
}
step "the file without an end goes on" retry 10 grown
kill "$liver"
wait "$liver" 2>/dev/null || true
encoder source_d "$four"
retry 20 ready d b || fail "what came and what changed have no playlist"
target() {
	playlist b | grep -q 'PART-TARGET=0.36'
}
step "the one that changed has other parts" retry 5 target
step "by the same connection of its source" alive source_b
gone_() {
	[ "$(code "$url/c/index.m3u8")" = 404 ] && ! curl -sS "$metrics" | grep -q 'stream="c"'
}
step "the one that left is gone in the end" retry 15 gone_

# ---- a port goes from one stream to another, in one reload ----
e="[stream e]\ninput = srt://127.0.0.1:$four?mode=listener&latency=50ms"
configure "$a" "$b\npart = 400ms" "$e"
reload 'reloaded: 1 streams begin, 0 change, 1 leave, 2 stay'
wait_exit source_d 10
encoder source_e "$four"
retry 20 ready e || fail "the stream in its place has no playlist"

# ---- a source that dies, and one that is none ----
configure "$a" "$b\npart = 400ms" "$e" "[stream g]\ninput = udp://127.0.0.1:$three"
reload 'reloaded: 1 streams begin, 0 change, 0 leave, 3 stay'
spawn garbage bash -c "while :; do head -c 1316 /dev/urandom >/dev/udp/127.0.0.1/$three; read -rt 0.001 <> <(:) || :; done"
kill9 source_b
step "the dead one is away" retry 10 is b away
number=$(hint a | cut -d" " -f1)
step "another goes on, part by part" test "$(code "$url/a/90p/index.m3u8?_HLS_msn=$((number + 1))&_HLS_part=1")" = 200
step "without a gap" test "$(playlist a | grep -c 'GAP\|DISCONTINUITY' || true)" = 0
step "garbage is no stream" is g waiting
encoder source_b2 "$two"
step "and comes back" retry 15 is b live
stop garbage
stop packager
step "ends with success" test "$STATUS" = 0
