#!/bin/bash
# Players go on, without a reload of the page, when what carries gex-transcode's output to gex-package is gone for a while, when
# gex-package is killed, and when the pictures have another size from then on, after a while or at once.
#
#   tests/browser/gaps.sh [-g SECONDS,...] [-k SECONDS,...] [-t SECONDS,...] [-f 1] [-p PLAYER,...]   gaps of the source (2), kills of
#       gex-package after which it is started again after so long (0), of gex-transcode, which then makes other pictures ();
#       of each player one after the other: the page's hls, dash, mp4; as they come hls.js, dash.js, shaka (dash.js)
#       -f 1: without gex-transcode, and the encoder is followed by another in the same connection
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
. "$(dirname "$0")/rig.sh"
watch=$(dirname "$0")/watch.mjs
export LIVE_SIZE=320x180 LIVE_RATE=300

GAPS=2 KILLS=0 TURNS='' PLAYERS=dash.js CALM=2 FOREIGN=
while getopts g:k:t:f:p: opt; do
	case $opt in
	t) TURNS=${OPTARG//,/ } ;;
	f) FOREIGN=$OPTARG ;;
	g) GAPS=${OPTARG//,/ } ;;
	k) KILLS=${OPTARG//,/ } ;;
	p) PLAYERS=${OPTARG//,/ } ;;
	*) exit 64 ;;
	esac
done

srt=$(free_port udp)
port=$(free_port tcp)
url=http://127.0.0.1:$port/live
declare -A how=(
	[hls]="$url/" [dash]="$url/?player=dash" [mp4]="$url/?player=mp4"
	[hls.js]="--player hls $url/index.m3u8" [dash.js]="--player dash $url/manifest.mpd"
	[shaka]="--player shaka $url/manifest.mpd" [mse]="--player mp4 --codecs avc1.42c00d,mp4a.40.2 $url/live.mp4"
)

ready() {
	curl -sf -o /dev/null "$url/index.m3u8"
}
relay() {
	spawn relay "$BUILD/tests/media/relay" "unix:$TMPDIR/from.sock" "unix:$TMPDIR/to.sock"
	retry 10 test -S "$TMPDIR/to.sock" || fail "no relay"
}
packager() {
	spawn -r packager "$BUILD/gex-package" -i "$input" -l "http://127.0.0.1:$port" -S package.latency=400ms
	wait_ready packager
}
size=320x180
# Of another size each time that it is called.
another_size() {
	[ $size = 320x180 ] && size=426x240 || size=320x180
}
transcoder() {
	spawn -r transcoder "$BUILD/gex-transcode" -i "srt://:$srt?latency=20ms" -r "low=$size@30,300k,preset=ultrafast" \
		-o "unix:$TMPDIR/from.sock"
	wait_ready transcoder
	another_size
	LIVE_SIZE=320x180 live_source live "srt://127.0.0.1:$srt?latency=20000"
}
# The next encoder's time goes on where the clock is.
began=$(now_ms)
live-encoder() {
	LIVE_SIZE=$size LIVE_MUX="-output_ts_offset $((($(now_ms) - began) / 1000 + 1))" live_source live "$TMP/in.ts"
	another_size
}
if [ "$FOREIGN" ]; then
	GAPS='' KILLS='' TURNS=''
	input=$TMP/in.ts
	mkfifo "$input"
	exec {hold}<>"$input" # its end is never seen
	live-encoder
else
	input=unix:$TMPDIR/to.sock
	transcoder
	retry 20 test -S "$TMPDIR/from.sock" || fail "no output"
	relay
fi
packager
retry 30 ready || fail "no playlist"

# get KEY: a figure of the last watch.
get() {
	sed -n "s/^$1=//p" "$TMP/player.log"
}
# shown_after MS: a frame whose clock is later is shown; *at is when that was seen first.
shown_after() {
	at=$(sed -n 's/^at_ms=\([0-9]*\) frames=[0-9]* clock_ms=\([0-9]*\) .*/\1 \2/p' "$TMP/player.log" |
		awk -v t="$1" '$2 > t { print $1; exit }')
	[ "$at" ]
}
plays() {
	[ "$(grep -c 'latency_ms=[0-9]' "$TMP/player.log")" -ge $((4 * CALM)) ]
}

# without PROCESS SECONDS MS: it is killed, and started again after so long; the player goes on, and should within MS.
without() {
	local back
	kill9 "$1"
	case $1 in
	live-encoder) kill9 live-camera ;;
	transcoder) # what sends to it ends with it
		kill9 live-encoder
		kill9 live-camera
		;;
	esac
	sleep "$2" # this is what is tried
	"$1"
	back=$(now_ms)
	retry 20 shown_after "$back" || fail "$player does not go on after $2 s without the $1"
	echo "ok - $player goes on after $2 s without the $1"
	figure "$player: after $2 s without the $1, ms" "$((at - back))" at_most "$3"
	retry 20 shown_after $((back + 1000 * CALM)) || fail "$player does not go on for long"
}

for player in $PLAYERS; do
	# shellcheck disable=SC2086
	spawn player node "$watch" --seconds 600 --settle 1 --progress ${how[$player]}
	retry 60 plays || fail "$player does not play"
	for gap in $GAPS; do without relay "$gap" 3000; done
	for gap in $TURNS; do without transcoder "$gap" 6000; done
	for gap in $KILLS; do without packager "$gap" 3000; done
	for gap in ${FOREIGN:+0 0}; do without live-encoder "$gap" 6000; done
	stop player
	echo "$player: $(get stalls) stalls, the longest $(get stall_max_ms) ms"
	figure "$player: fatal errors" "$(get fatal_errors)" at_most 0
	grep '^error=' "$TMP/player.log" || true
done
