#!/bin/bash
# `make demo`: a live source through all six tools on this machine, until Ctrl-C or for SECONDS_TO_RUN seconds.
#
#   camera, ffmpeg ─SRT─ gex-listen ══ gex-endpoint ── gex-transcode ── unix socket ┬ gex-package ══ (tunnel) ══ browser
#                                                                                   ├ gex-record   -> build/demo/dvr
#                                                                                   └ gex-restream -> nginx-rtmp
# PORT is the player's port (default 8080, or one that is free).
cd "$(dirname "$0")/.." || exit
. tests/lib.sh
. tests/media/live.sh

OUT=$BUILD/demo
SOCK=$TMP/live.sock
rm -rf "$OUT"
mkdir -p "$OUT/dvr" "$TMP/nginx"
openssl rand -hex 32 >"$TMP/key"
chmod 600 "$TMP/key"

port_is_free() {
	! bound_ '' tcp "$1"
}

PORT=${PORT:-8080}
port_is_free "$PORT" || PORT=$(free_port)
ingest=$(free_port udp) tunnel=$(free_port both) srt=$(free_port udp)
player=$(free_port) rtmp=$(free_port) figures=$(free_port)

cat >"$TMP/nginx.conf" <<EOF
daemon off;
worker_processes 1;
pid $TMP/nginx/pid;
error_log stderr;
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
events { worker_connections 64; }
rtmp { server { listen 127.0.0.1:$rtmp; application live { live on; } } }
EOF

# begin NAME COMMAND...: starts a stage and waits until it serves.
begin() {
	spawn -r "$@"
	wait_ready "$1"
}

spawn platform nginx -e stderr -c "$TMP/nginx.conf"
begin endpoint "$BUILD/gex-endpoint" -l "127.0.0.1:$tunnel" -k "$TMP/key" \
	-b "ingest=udp:127.0.0.1:$srt" -b "player=tcp:127.0.0.1:$player"
begin listen "$BUILD/gex-listen" -e "127.0.0.1:$tunnel" -k "$TMP/key" \
	-l "udp:127.0.0.1:$ingest=ingest" -l "tcp:127.0.0.1:$PORT=player"
begin transcode "$BUILD/gex-transcode" -i "srt://:$srt?latency=60ms" -r 360p -r 240p -r 144p -o "unix:$SOCK"
begin package "$BUILD/gex-package" -i "unix:$SOCK" -l "http://127.0.0.1:$player" -m "127.0.0.1:$figures"
begin record "$BUILD/gex-record" -i "unix:$SOCK" -r 360p -d "$OUT/dvr"
begin restream "$BUILD/gex-restream" -i "unix:$SOCK" -r 360p -o "rtmp://127.0.0.1:$rtmp/live/copy"
live_source live "srt://127.0.0.1:$ingest?latency=60000"

URL=http://127.0.0.1:$PORT/live/

# figure NAME: a metric of gex-package, or 0.
figure() {
	awk -v n="$1" 'index($0, n) == 1 { v = $NF } END { print v + 0 }' "$TMP/metrics"
}

status() {
	curl -s --max-time 5 "http://127.0.0.1:$figures/metrics" >"$TMP/metrics" || true
	printf '%4d s   %3.0f ms from gex-transcode to the playlist   viewers %d   recorded %s   %d stages up\n' \
		$((SECONDS - began)) "$(figure 'gex_package_latency_seconds{stream="live",rendition="360p"}' | awk '{ print $1 * 1000 }')" \
		"$(figure gex_package_viewers)" "$(du -sh "$OUT/dvr" | cut -f1)" "$(jobs -pr | wc -l)"
}

playlist_is_there() {
	curl -sf --max-time 5 "${URL}index.m3u8" | grep -q '#EXTM3U'
}

retry 20 playlist_is_there || fail "no playlist after 20 s"
echo
echo "  Player:     $URL"
echo "  LL-HLS:     ${URL}index.m3u8"
echo "  LL-DASH:    ${URL}manifest.mpd"
echo "  Recording:  $OUT/dvr"
echo "  Copy:       rtmp://127.0.0.1:$rtmp/live/copy"
echo "  Ctrl-C ends all of it."
echo

# Ctrl-C reaches the stages as well as this script: what they say about it is not news.
trap 'trap - ERR; echo; echo "ending"; exit 0' INT TERM
began=$SECONDS
while [ -z "${SECONDS_TO_RUN:-}" ] || [ $((SECONDS - began)) -lt "$SECONDS_TO_RUN" ]; do
	status
	sleep 1 || true
	for name in endpoint listen transcode package record restream live-encoder; do
		alive "$name" || { sleep 0.5 || true; fail "$name has ended"; }
	done
done
