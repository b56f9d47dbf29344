#!/bin/bash
# nginx with examples/nginx-edge.conf before gex-package: a crowd of players costs the origin one request for each address.
# GEX_CROWD players (200) for GEX_CROWD_SECONDS (5).
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg curl nginx
here=$(dirname "$0")
PLAYERS=${GEX_CROWD:-200} LASTS=${GEX_CROWD_SECONDS:-5}
ulimit -n "$(ulimit -Hn)"

udp=$(free_port udp) origin=$(free_port) edge=$(free_port)
spawn source ffmpeg -nostdin -loglevel error -re -f lavfi -i testsrc2=s=320x180:r=30 -c:v libx264 -preset ultrafast \
	-tune zerolatency -g 30 -keyint_min 30 -sc_threshold 0 -b:v 300k -f mpegts -muxdelay 0 -flush_packets 1 \
	"udp://127.0.0.1:$udp?pkt_size=1316"
spawn -r packager "$BUILD/gex-package" -i "udp://127.0.0.1:$udp" -l "http://127.0.0.1:$origin"
wait_ready packager

# The example, with ports and folders of this test.
sed -e "s|/var/cache/nginx/gex|$TMP/cache|; s|127.0.0.1:8080|127.0.0.1:$origin|; s|listen 80;|listen 127.0.0.1:$edge;|" \
	"$here/../../examples/nginx-edge.conf" >"$TMP/edge.conf"
cat >"$TMP/nginx.conf" <<NGINX
$([ "$(id -u)" != 0 ] || echo "user root;")
daemon off;
worker_processes 1;
pid $TMP/nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
	log_format asked '\$upstream_cache_status \$status \$request_uri';
	access_log $TMP/asked asked;
	client_body_temp_path $TMP/nginx-body;
	proxy_temp_path $TMP/nginx-proxy;
	fastcgi_temp_path $TMP/nginx-fastcgi;
	uwsgi_temp_path $TMP/nginx-uwsgi;
	scgi_temp_path $TMP/nginx-scgi;
	include $TMP/edge.conf;
}
NGINX
spawn edge nginx -c "$TMP/nginx.conf" -p "$TMP"
wait_port 127.0.0.1 "$edge"
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
