#!/bin/bash
# The track of thumbnails from the camera to players: Shaka by HLS and DASH and dash.js, live and in the window on disk, show of an
# instant the picture that has its clock.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
. "$(dirname "$0")/rig.sh"

srt=$(free_port udp)
port=$(free_port tcp)
url=http://127.0.0.1:$port/live

spawn -r transcoder "$BUILD/gex-transcode" -i "srt://:$srt" -r 240p -o "unix:$TMPDIR/live.sock" -S thumbnail.seek.track=yes
wait_ready transcoder
spawn -r packager "$BUILD/gex-package" -i "unix:$TMPDIR/live.sock" -l "http://127.0.0.1:$port" -S package.dvr="$TMP/dvr"
wait_ready packager
live_source live "srt://127.0.0.1:$srt"
some() {
	curl -sf "$url/thumbnails/dvr.m3u8" | grep -q '\.jpg'
}
retry 20 some || fail "no thumbnails"
players() {
	patiently 60 node "$(dirname "$0")/thumbnails.mjs" "$url/" >"$TMP/said"
}
step "players show them" players
cat "$TMP/said"
at_least "players and playlists" "$(grep -c ' right$' "$TMP/said")" 5
live_stop live
