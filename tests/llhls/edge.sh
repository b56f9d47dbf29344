#!/bin/bash
# nginx with examples/nginx-edge.conf before gex-package: a crowd of players costs the origin one request for each address.
# GEX_CROWD players (200) for GEX_CROWD_SECONDS (5).
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/rig.sh"
need ffmpeg curl nginx
PLAYERS=${GEX_CROWD:-200} LASTS=${GEX_CROWD_SECONDS:-5}
ulimit -n "$(ulimit -Hn)"

udp=$(free_port udp) origin=$(free_port) edge=$(free_port)
film "$udp"
spawn -r packager "$BUILD/gex-package" -i "udp://127.0.0.1:$udp" -l "http://127.0.0.1:$origin"
wait_ready packager

# shellcheck disable=SC2016 # for nginx
nginx_edge "$edge" "$origin" '$upstream_cache_status $status $request_uri'
playlist=http://127.0.0.1:$edge/live/180p/index.m3u8
retry 30 curl -fsS -o /dev/null "$playlist" || fail "no playlist through the edge"

: >"$TMP/asked"
patiently 60 "$BUILD/tests/bench/hls-crowd" -n "$PLAYERS" -w 1s -t "${LASTS}s" "http://127.0.0.1:$edge/live" 180p >"$TMP/crowd"
cat "$TMP/crowd"
get() {
	sed -n "s/^$1=//p" "$TMP/crowd"
}
# count PATTERN: lines of nginx's account that fit.
count() {
	grep -cE "$1" "$TMP/asked" || true
}
# Ten to one, for what is of a machine's making.
at_least "requests that the edge answered" "$(get requests)" "$PLAYERS"
at_least "players that play" "$(get playing)" $((PLAYERS / 10))
figure "players that play" "$(get playing)" at_least "$PLAYERS"
parts=$(grep -oE '[0-9]+\.[0-9]+\.m4s' "$TMP/asked" | sort -u | wc -l)
at_least "parts" "$parts" 2
at_most "requests for parts at the origin" "$(count '^(MISS|EXPIRED|BYPASS|-) 200 .*\.m4s')" "$parts"
blocking=$(grep -oE '_HLS_msn=.*' "$TMP/asked" | sort -u | wc -l)
figure "requests for blocked playlists at the origin" "$(count '^(MISS|EXPIRED|BYPASS|-) .*_HLS_msn')" at_most "$blocking"
figure "other requests at the origin, a second" "$(($(count '^(MISS|EXPIRED|BYPASS|-) .*m3u8$') / (LASTS + 1)))" at_most 2
figure "failed" "$(get failed)" at_most 0
figure "a part at the last players, ms after the first (p99)" "$(get spread_p99)" at_most 1200
