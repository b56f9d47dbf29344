#!/bin/bash
# Encrypted streams in Chromium: cbcs by ClearKey in hls.js and the player page, with keys that change while they play, and in
# dash.js and Shaka; AES-128 in hls.js, with keys that change.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
. "$(dirname "$0")/rig.sh"
watch=$(dirname "$0")/watch.mjs

for i in 1 2 3; do echo "$(openssl rand -hex 16):$(openssl rand -hex 16)"; done >"$TMP/keys"
chmod 600 "$TMP/keys"
srt=$(free_port udp)
declare -A port
# packager NAME KEY=VALUE...
packager() {
	local name=$1 args=() kv
	shift
	port[$name]=$(free_port tcp)
	for kv in "$@"; do args+=(-S "package.$kv"); done
	spawn -r "$name" "$BUILD/gex-package" -i "unix:$TMPDIR/live.sock" -l "http://127.0.0.1:${port[$name]}" \
		-S "package.encryption_keys=$TMP/keys" "${args[@]}"
	wait_ready "$name"
}
ready() {
	curl -sf -o /dev/null "http://127.0.0.1:${port[$1]}/live/index.m3u8"
}
get() {
	sed -n "s/^$1=//p" "$TMP/player.log"
}

spawn -r transcoder "$BUILD/gex-transcode" -i "srt://:$srt" -r 240p -o "unix:$TMPDIR/live.sock"
wait_ready transcoder
packager cbcs encryption=cbcs encryption_rotate=6s
packager still encryption=cbcs
packager aes encryption=aes-128 encryption_rotate=6s
live_source live "srt://127.0.0.1:$srt"
retry 20 ready cbcs || fail "no playlist"
retry 20 ready still || fail "no playlist"
retry 20 ready aes || fail "no playlist"

shown() {
	[ "$(sed -n 's/^at_ms=.* frames=\([0-9]*\) .*/\1/p' "$TMP/player.log" | awk '{ n += $1 } END { print n + 0 }')" -ge "$1" ]
}
# plays WHAT STREAM PLAYER PATH: what is decrypted by EME a page cannot read, so the clock is read off a picture of the page.
plays() {
	local read
	spawn player node "$watch" --start 400 --progress --player "$3" --screenshot "$TMP/page.png" "http://127.0.0.1:${port[$2]}/live/$4"
	retry 45 shown "${FRAMES:-240}" || fail "$1 does not play"
	stop player 20
	figure "$1: stalls" "$(get stalls)" at_most 0
	figure "  fatal errors" "$(get fatal_errors)" at_most 0
	[ "$3" != page ] || return 0
	read=$(ffmpeg -nostdin -v error -i "$TMP/page.png" -vf crop=426:240:8:8,scale=256:144 -f rawvideo -pix_fmt rgba - |
		node "$(dirname "$0")/read-rgba.mjs" 256 144)
	at_least "  the clock on the page, s" "$((read / 1000))" $((began - 5))
}
began=$(date +%s)
# At 30 frames a second, these are a change of the key or two.
FRAMES=240 plays "hls.js, cbcs" cbcs hls-keys index.m3u8
FRAMES=60 plays "dash.js, cbcs" still dash-keys manifest.mpd
FRAMES=60 plays "Shaka by LL-DASH, cbcs" still shaka-keys manifest.mpd
FRAMES=240 plays "hls.js, AES-128" aes hls index.m3u8
FRAMES=60 plays "the player page, cbcs" cbcs page ""
live_stop live
