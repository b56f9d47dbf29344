#!/bin/bash
# timeout: 1500
# Encrypted streams in Chromium, with keys that change while they play: cbcs by ClearKey in hls.js, the player page, dash.js and
# Shaka, which ask for licenses as they come; VP9 and AV1 in dash.js; AES-128 in hls.js.
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
	spawn -r "$name" "$BUILD/gex-package" -i "unix:$TMPDIR/${input:-live}.sock" -l "http://127.0.0.1:${port[$name]}" \
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
for codec in vp9 av1; do
	spawn -r "transcode-$codec" "$BUILD/gex-transcode" -i "unix:$TMPDIR/live.sock" -r "$codec=256x144@10,200k,codec=$codec,preset=ultrafast" \
		-S audio.codec=opus -o "unix:$TMPDIR/$codec.sock"
	wait_ready "transcode-$codec"
	input=$codec packager $codec encryption=cbcs encryption_rotate=6s
done
packager aes encryption=aes-128 encryption_rotate=6s
live_source live "srt://127.0.0.1:$srt"
retry 20 ready cbcs || fail "no playlist"
for codec in vp9 av1; do retry 30 ready $codec || fail "no playlist of $codec"; done
retry 20 ready aes || fail "no playlist"

shown() {
	[ "$(sed -n 's/^at_ms=.* frames=\([0-9]*\) .*/\1/p' "$TMP/player.log" | awk '{ n += $1 } END { print n + 0 }')" -ge "$1" ]
}
# plays WHAT STREAM PLAYER PATH: what is decrypted by EME a page cannot read, so the clock is read off a picture of the page; one
# that was taken while the page changes has none.
plays() {
	local read=unreadable
	while [ "$read" = unreadable ]; do
		play "$@"
		[ "$3" != page ] || return 0
		read=$(ffmpeg -nostdin -v error -i "$TMP/page.png" -vf crop="${PICTURE:-426:240}":8:8,scale=256:144 -f rawvideo -pix_fmt rgba - |
			node "$(dirname "$0")/read-rgba.mjs" 256 144)
	done
	at_least "  the clock on the page, s" "$((read / 1000))" $((began - 5))
}
play() {
	spawn player node "$watch" --start 400 --progress --player "$3" --screenshot "$TMP/page.png" "http://127.0.0.1:${port[$2]}/live/$4"
	retry 45 shown "${FRAMES:-240}" || fail "$1 does not play"
	stop player 20
	figure "$1: stalls" "$(get stalls)" at_most 0
	figure "  fatal errors" "$(get fatal_errors)" at_most 0
}
began=$(date +%s)
# At 30 frames a second, these are a change of the key or two.
FRAMES=240 plays "hls.js, cbcs" cbcs hls-keys index.m3u8
FRAMES=240 plays "dash.js, cbcs" cbcs dash manifest.mpd
FRAMES=240 plays "Shaka by LL-DASH, cbcs" cbcs shaka manifest.mpd
FRAMES=240 plays "hls.js, AES-128" aes hls index.m3u8
FRAMES=80 PICTURE=256:144 plays "dash.js, cbcs of VP9" vp9 dash manifest.mpd
FRAMES=80 PICTURE=256:144 plays "dash.js, cbcs of AV1" av1 dash manifest.mpd
FRAMES=60 plays "the player page, cbcs" cbcs page ""
live_stop live
