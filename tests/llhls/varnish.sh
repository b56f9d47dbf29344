#!/bin/bash
# Varnish with examples/varnish-edge.vcl before gex-package: a crowd of players costs the origin one request for each address.
# GEX_CROWD players (100) for GEX_CROWD_SECONDS (4).
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/rig.sh"
# Not always on the path of who is not root.
PATH=$PATH:/usr/sbin
need ffmpeg curl varnishd varnishlog
here=$(dirname "$0")
PLAYERS=${GEX_CROWD:-100} LASTS=${GEX_CROWD_SECONDS:-4}
ulimit -n "$(ulimit -Hn)"

udp=$(free_port udp) origin=$(free_port) edge=$(free_port)
film "$udp"
spawn -r packager "$BUILD/gex-package" -i "udp://127.0.0.1:$udp" -l "http://127.0.0.1:$origin"
wait_ready packager

# The example, with a port and a folder of this test.
sed -e "s|\"8080\"|\"$origin\"|" "$here/../../examples/varnish-edge.vcl" >"$TMP/edge.vcl"
spawn edge varnishd -j none -F -n "$TMP/varnish" -a "127.0.0.1:$edge" -f "$TMP/edge.vcl" -s malloc,100m -p default_grace=0 \
	-p http_gzip_support=off
wait_port 127.0.0.1 "$edge" 30
playlist=http://127.0.0.1:$edge/live/180p/index.m3u8
retry 30 curl -fsS -o /dev/null "$playlist" || fail "no playlist through the edge"
# What the origin is asked, a line each.
spawn -o "$TMP/asked" log varnishlog -n "$TMP/varnish" -b -i BereqURL -g raw
wait_log edge 'Child launched OK'
seen() {
	curl -fsS -o /dev/null "http://127.0.0.1:$edge/live/nothing-$RANDOM" || grep -q nothing "$TMP/asked"
}
retry 20 seen || fail "varnishlog tells nothing"

patiently 60 "$BUILD/tests/bench/hls-crowd" -n "$PLAYERS" -w 1s -t "${LASTS}s" "http://127.0.0.1:$edge/live" 180p >"$TMP/crowd"
got() {
	sed -n "s/^$1=//p" "$TMP/crowd"
}
tr '\n' ' ' <"$TMP/crowd" && echo
at_least "players that play" "$(got playing)" $((PLAYERS / 10))
figure "players that play" "$(got playing)" at_least "$PLAYERS"
at_least "requests that the edge answered" "$(got requests)" "$PLAYERS"
stop log || true
sed -n 's|.*BereqURL *b* *\(/.*\)|\1|p' "$TMP/asked" >"$TMP/urls"
count() {
	grep -cE "$1" "$2" || true
}
sort -u "$TMP/urls" >"$TMP/different"
at_least "parts" "$(count '[0-9]+\.[0-9]+\.m4s' "$TMP/different")" 2
at_most "requests for parts at the origin" "$(count '[0-9]+\.[0-9]+\.m4s' "$TMP/urls")" "$(count '[0-9]+\.[0-9]+\.m4s' "$TMP/different")"
figure "requests for blocked playlists at the origin" "$(count _HLS_msn "$TMP/urls")" at_most "$(count _HLS_msn "$TMP/different")"
figure "failed" "$(got failed)" at_most 0
figure "a part at the last players, ms after the first (p99)" "$(got spread_p99)" at_most 100
