#!/bin/bash
# timeout: 1500
# Chromium plays what gex-transcode makes of VP9, AV1 and Opus: from live.mp4 and by LL-DASH, the clock read off the picture.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
. "$(dirname "$0")/rig.sh"
watch=$(dirname "$0")/watch.mjs
srt=$(free_port udp)
port=$(free_port tcp)
url=http://127.0.0.1:$port/live

# shellcheck disable=SC2034 # for live.sh
LIVE_SIZE=320x180 LIVE_FPS=10 LIVE_RATE=300
spawn -r transcoder "$BUILD/gex-transcode" -i "srt://:$srt" -r vp9=320x180@10,250k,codec=vp9,preset=ultrafast \
	-r av1=320x180@10,250k,codec=av1,preset=ultrafast -S audio.codec=opus -o "unix:$TMPDIR/live.sock"
wait_ready transcoder
spawn -r packager "$BUILD/gex-package" -i "unix:$TMPDIR/live.sock" -l "http://127.0.0.1:$port"
wait_ready packager
live_source live "srt://127.0.0.1:$srt"
ready() {
	curl -sf -o "$TMP/index" "$url/index.m3u8"
}
retry 30 ready || fail "no playlist"

# plays TEXT WATCH-ARGUMENT...: frames are shown and their clock is read; no error.
plays() {
	local text=$1
	shift
	spawn watch node "$watch" --seconds 2 --settle 1 "$@"
	wait_exit watch 60
	[ "$STATUS" = 0 ] || fail "$text: status $STATUS: $(cat "$TMP/watch.log")"
	grep -qx 'fatal_errors=0' "$TMP/watch.log" || fail "$text: $(cat "$TMP/watch.log")"
	echo "ok - $text: $(sed -n 's/^frames=//p' "$TMP/watch.log") frames, $(sed -n 's/^unreadable=//p' "$TMP/watch.log") of them without a clock"
}
for codec in vp9 av1; do
	name=$(grep -B 1 "^$codec/" "$TMP/index" | sed -n 's/.*CODECS="\([^"]*\)".*/\1/p')
	plays "$name by MSE" --player mp4 --codecs "$name" "$url/live.mp4?rendition=$codec"
done
plays "dash.js" --player dash "$url/manifest.mpd"
live_stop live
