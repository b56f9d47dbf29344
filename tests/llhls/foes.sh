#!/bin/bash
# What an origin in the open must bear, while GEX_CROWD (150) honest players with a token watch: who says nothing, who speaks a
# byte at a time, heads too long, readers that take nothing, floods of requests, of cancelled ones, of heads without end, of
# pings; paths that lead out, tokens of yesterday and of somebody else. They watch on, others get the right answer, and memory
# is bounded. GEX_FOES (500) connections of those who are many, for GEX_FOES_SECONDS (1).
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/rig.sh"
need ffmpeg curl openssl chrt
PLAYERS=${GEX_CROWD:-150} FOES=${GEX_FOES:-500} LAST=${GEX_FOES_SECONDS:-1}
ulimit -n "$(ulimit -Hn)"
# Under the sanitizers too memory is what the server holds, and not what it has given back.
export ASAN_OPTIONS=quarantine_size_mb=8:malloc_context_size=2${ASAN_OPTIONS:+:$ASAN_OPTIONS}

key=$(openssl rand -hex 32)
echo "may $key" >"$TMP/keys"
chmod 600 "$TMP/keys"
# sign TEXT: the token, as the manual page has it.
sign() {
	printf '%s~%s' "$1" "$(printf %s "$1" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -r | cut -d' ' -f1)"
}
token=$(sign "may~$(($(date +%s) + 3600))~/live/~")

udp=$(free_port udp)
ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=s=320x180:r=30 -c:v libx264 -preset ultrafast -tune zerolatency -g 30 \
	-keyint_min 30 -sc_threshold 0 -b:v 300k -t 10 -f nut "$TMP/clip.nut"
spawn source ffmpeg -nostdin -loglevel error -re -stream_loop -1 -i "$TMP/clip.nut" -c copy -f mpegts -muxdelay 0 -flush_packets 1 \
	"udp://127.0.0.1:$udp?pkt_size=1316"
# An address of a foe has so many connections; the players come from others.
spawn -r packager "$BUILD/gex-package" -i "udp://127.0.0.1:$udp" -l http://127.0.0.1:0 -m 127.0.0.1:0 \
	-S "access.keys=$TMP/keys" -S http.head=1s -S http.stall=1s -S "http.max_per_address=$((FOES / 2))"
wait_ready packager
port=$(sed -n 's|.*serving http://127.0.0.1:\([0-9]*\)/.*|\1|p' "$TMP/packager.log")
metrics=$(sed -n 's|.*\(http://[^ ]*/metrics\)|\1|p' "$TMP/packager.log")
url=http://127.0.0.1:$port
there() {
	curl -fsS "$url/live/180p/index.m3u8?token=$token"
}
retry 30 there || fail "no playlist"

crowd -n "$PLAYERS" -w 0s -q "token=$token" "$url/live" 180p
# of FILE KEY
of() {
	sed -n "s/^$2=//p" "$TMP/$1"
}
# watched WHAT: what the players saw meanwhile.
watched() {
	crowd_turn
	at_most "$1: what the players asked for and did not get" "$(($(of turn failed) + $(of turn broken)))" 0
	figure "$1: parts late, p99, ms" "$(of turn late_p99)" at_most 100
}
all_play() {
	crowd_turn
	[ "$(of turn playing)" = "$PLAYERS" ]
}
retry 20 all_play || fail "only $(of turn playing) of $PLAYERS play"

counted() {
	curl -fsS "$metrics" | awk -v m="$1" 'index($1, m) { n += $2 } END { print n + 0 }'
}
rss() {
	awk -v k="$1:" '$1 == k { print $2 }' "/proc/${PID[packager]}/status"
}
# foe KIND N COUNTER AT_LEAST [ARG...]: N of them, for LAST seconds or until the server has counted so much; their account is
# in $TMP/foe.log, and how many connections there were at last in HERE.
foe() {
	local before
	before=$(counted "$3")
	reached() { [ $(($(counted "$3") - before)) -ge "$4" ]; }
	# Elsewhere, they would take no processor from the server: not even where all this is in the real-time class.
	spawn foe chrt -o 0 "$BUILD/tests/bench/http-foe" "$1" 127.0.0.1 "$port" -n "$2" -t 600s "${@:5}"
	patiently 10 sleep "$LAST"
	retry 5 reached "$@" || fail "$1: $3 is only $(counted "$3")"
	HERE=$(counted gex_package_http_connections)
	stop foe
	echo "ok - $1: $(tr '\n' ' ' <"$TMP/foe.log")and $3 $(($(counted "$3") - before))"
	watched "$1"
}
refused=gex_package_http_refused_total
before=$(rss VmRSS)

patiently 10 sleep 1
watched "quiet"
# Beyond an address's share they are turned away.
foe idle "$FOES" "$refused{reason=\"address\"}" $((FOES / 4))
at_most "of one address stay" "$HERE" "$((FOES / 2 + 2 * PLAYERS + 50))"
foe loris 100 "$refused{reason=\"timeout\"}" 100
at_least "too slow is 408" "$(of foe.log status_408)" 1
foe heads 20 "$refused{reason=\"request\"}" 20
at_least "too long is 431" "$(of foe.log status_431)" 1
segment=$(there | sed -n 's/^\([0-9]*\.m4s.*\)/\1/p' | tail -n 1)
foe sip 50 "$refused{reason=\"slow\"}" 50 -p "/live/180p/$segment"
foe sip 100 gex_package_http_responses_total 100 -p "/live/live.mp4?token=$token"
foe flood 4 gex_package_http_responses_total 500 -p "/live/180p/index.m3u8?token=$token"
foe reset 10 "$refused{reason=\"flood\"}" 10 -p "/live/index.m3u8?token=$token"
foe continuation 10 "$refused" 10 -p "/live/index.m3u8"
foe pings 10 "$refused" 10

code() {
	curl -sS -m 60 -o /dev/null -w '%{http_code}' --path-as-is "$@"
}
ways_out() {
	local path got
	for path in /../etc/passwd /live/../../etc/passwd /live/%2e%2e/%2e%2e/etc/passwd /live/..%2f..%2fetc/passwd '/live/..\..\etc' \
		//etc/passwd /live/180p/../../../etc/passwd /live/%00 /live/180p/%2e%2e%2f1.m4s; do
		got=$(code "$url$path?token=$token")
		case $got in 400 | 403 | 404) ;; *) fail "$path is $got" ;; esac
	done
	echo "ok - paths that lead out are refused"
}
bad_tokens() {
	step "no token is 403" test "$(code "$url/live/index.m3u8")" = 403
	step "one of yesterday is 403" test "$(code "$url/live/index.m3u8?token=$(sign "may~$(($(date +%s) - 86400))~/live/~")")" = 403
	step "a forged one is 403" test "$(code "$url/live/index.m3u8?token=${token%????}0000")" = 403
	step "one for elsewhere is 403" test "$(code "$url/live/index.m3u8?token=$(sign "may~$(($(date +%s) + 60))~/other/~")")" = 403
}
# For as long as the others, so that the players get parts meanwhile.
until=$(($(now_ms) + LAST * 1000))
ways_out
bad_tokens
while [ "$(now_ms)" -lt "$until" ]; do
	ways_out >"$TMP/again"
	bad_tokens >"$TMP/again"
done
watched "paths and tokens"

at_most "most memory, kB more than before" "$(($(rss VmHWM) - before))" 65536
after() {
	[ "$(counted gex_package_http_connections)" -le $((2 * PLAYERS + 2)) ]
}
step "no foe's connection is left" retry 10 after
stop crowd
stop packager
step "it ends in peace" test "$STATUS" = 0
