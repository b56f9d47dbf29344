#!/bin/bash
# Two packagers of one gex-transcode behind nginx, and the first is killed: a viewer in Chromium does not see it.
# `-p PLAYER,PLAYER...`: hls, dash as the page plays them (hls).
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
. "$(dirname "$0")/rig.sh"
. "$(dirname "$0")/../llhls/rig.sh"
need nginx
watch=$(dirname "$0")/watch.mjs
export LIVE_SIZE=320x180 LIVE_RATE=300

PLAYERS=hls
while getopts p: opt; do
	case $opt in
	p) PLAYERS=${OPTARG//,/ } ;;
	*) exit 64 ;;
	esac
done

srt=$(free_port udp) one=$(free_port) two=$(free_port) edge=$(free_port)
packager() {
	spawn -r "$1" "$BUILD/gex-package" -i "unix:$TMPDIR/live.sock" -l "http://127.0.0.1:$2" -S package.latency=1s
	wait_ready "$1"
}
ready() {
	curl -sf -o /dev/null "http://127.0.0.1:$1/live/index.m3u8"
}
spawn -r transcoder "$BUILD/gex-transcode" -i "srt://:$srt?latency=20ms" -r 'low=320x180@30,300k,preset=ultrafast' \
	-o "unix:$TMPDIR/live.sock"
wait_ready transcoder
live_source live "srt://127.0.0.1:$srt?latency=20000"
packager two "$two"
# shellcheck disable=SC2016 # for nginx
nginx_edge "$edge" "$one" '$upstream_addr $status $request_uri' "s|# server 127.0.0.1:8081|server 127.0.0.1:$two|"

# get KEY: a figure of the last watch.
get() {
	sed -n "s/^$1=//p" "$TMP/player.log"
}
# shown MS: a frame whose clock is later has been shown.
shown() {
	[ "0$(sed -n 's/.* clock_ms=\([0-9]*\) .*/\1/p' "$TMP/player.log" | tail -n 1)" -gt "$1" ]
}
for player in $PLAYERS; do
	packager one "$one"
	for port in "$one" "$two" "$edge"; do retry 30 ready "$port" || fail "no playlist at $port"; done
	began=$(now_ms)
	spawn player node "$watch" --seconds 600 --settle 2 --progress "http://127.0.0.1:$edge/live/?player=$player"
	retry 40 shown $((began + 5000)) || fail "$player does not play"
	killed=$(now_ms)
	kill9 one
	retry 40 shown $((killed + 5000)) || fail "$player does not go on"
	stop player
	echo "ok - $player goes on"
	figure "$player: stalls" "$(get stalls)" at_most 0
	figure "$player: longest, ms" "$(get stall_max_ms)" at_most 0
	figure "$player: fatal errors" "$(get fatal_errors)" at_most 0
done
