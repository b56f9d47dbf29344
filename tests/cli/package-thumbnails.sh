#!/bin/bash
# A track of JPEG beside the video of any source: playlists and files of it, live and on disk, over kill -9; damaged ones are dropped
# and counted; with encryption there are none.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl ffmpeg

port=$(free_port tcp)
url=http://127.0.0.1:$port/live

packager() {
	local name=$1
	shift
	spawn -r "$name" "$BUILD/gex-package" -i "unix:$TMP/live.sock" -l "http://127.0.0.1:$port" -m 127.0.0.1:0 \
		-S package.dvr="$TMP/dvr" -S package.window=6s -S package.segment=500ms "$@"
	wait_ready "$name"
}

# source NAME [OPTION...]: pictures twice a second, those of a test card, as an encoder sends them that knows nothing of us.
source_on() {
	local name=$1
	shift
	spawn "$name" ffmpeg -hide_banner -nostdin -loglevel error -re -f lavfi -i testsrc2=s=320x180:r=30 -map 0:v -map 0:v \
		-c:v:0 libx264 -preset ultrafast -tune zerolatency -g 15 -keyint_min 15 -sc_threshold 0 -b:v:0 300k \
		-c:v:1 mjpeg -s:v:1 128x72 -r:v:1 2 -pix_fmt:v:1 yuvj420p "$@" -flush_packets 1 -f nut -listen 1 "unix:$TMP/live.sock"
}

code() {
	curl -sS -m $((8 * PATIENCE)) -o "$TMP/body" -w '%{http_code}' "$@"
}

metric() {
	curl -sS "$(sed -n 's|.*\(http://[^ ]*/metrics\)|\1|p' "$TMP/$1.log")" | sed -n "s/^$2{stream=\"live\"} //p"
}

# listed PATH N: the playlist has N pictures or more.
listed() {
	curl -sf -m $((8 * PATIENCE)) "$url/$1" >"$TMP/list" && [ "$(grep -c 'jpg$' "$TMP/list")" -ge "$2" ]
}

packager one
step "none yet is 503" test "$(code "$url/thumbnails/index.m3u8")" = 503
source_on first
retry 20 listed thumbnails/index.m3u8 4 || fail "no thumbnails"
step "a playlist of images" grep -q '^#EXT-X-IMAGES-ONLY' "$TMP/list"
step "as tiles of one" grep -q '^#EXT-X-TILES:RESOLUTION=128x72,LAYOUT=1x1,DURATION=0.500' "$TMP/list"
n=$(grep -m 1 'jpg$' "$TMP/list")
step "a picture" test "$(code "$url/thumbnails/$n")" = 200
cp "$TMP/body" "$TMP/live.jpg"
step "which is one" test "$(ffprobe -v error -show_entries stream=codec_name,width,height -of csv=p=0 "$TMP/live.jpg")" = mjpeg,128,72
step "is told of" curl -sf -o "$TMP/master" "$url/index.m3u8"
step "in HLS" grep -q '^#EXT-X-IMAGE-STREAM-INF:.*RESOLUTION=128x72.*URI="thumbnails/index.m3u8"' "$TMP/master"
step "the video is one track" test "$(grep -c '^#EXT-X-STREAM-INF' "$TMP/master")" = 1
step "and in DASH" test "$(curl -sf "$url/manifest.mpd" | grep -c 'thumbnail_tile" value="1x1"')" = 1
step "one that is not there is 404" test "$(code "$url/thumbnails/1.jpg")" = 404
step "and what is none" test "$(code "$url/thumbnails/x.jpg")" = 404
retry 20 listed thumbnails/dvr.m3u8 6 || fail "nothing is kept on disk"
at_least "taken" "$(metric one gex_package_thumbnails_total)" 6
at_most "dropped" "$(metric one gex_package_thumbnails_dropped_total)" 2
kill9 one
stop first

packager two
step "those on disk are there after kill -9" listed thumbnails/dvr.m3u8 4
n=$(grep -m 1 'jpg$' "$TMP/list")
step "in the playlists of the past" test "$(curl -sf "$url/dvr.m3u8" | grep -c 'URI="thumbnails/dvr.m3u8"')" = 1
step "and its MPD" test "$(curl -sf "$url/dvr.mpd" | grep -c 'contentType="image"')" -ge 1
step "a picture from disk" test "$(code -D "$TMP/head" "$url/thumbnails/$n")" = 200
step "is one" grep -qi '^content-type: image/jpeg' "$TMP/head"
step "and whole" test "$(ffprobe -v error -show_entries stream=codec_name,width -of csv=p=0 "$TMP/body")" = mjpeg,128
# Every byte of some is another: the video goes on without them.
source_on damaged -bsf:v:1 noise=amount=1
dropped() {
	[ "0$(metric two gex_package_thumbnails_dropped_total)" -ge 4 ]
}
step "damaged ones are dropped" retry 20 dropped
step "and the stream goes on" retry 20 curl -sf -o /dev/null "$url/index.m3u8"
stop damaged
stop two

openssl rand -hex 32 | sed 's/^\(.\{32\}\)/\1:/' >"$TMP/keys"
chmod 600 "$TMP/keys"
packager three -S package.encryption=cbcs -S package.encryption_keys="$TMP/keys" -S package.dvr=
source_on last
retry 20 curl -sf -o "$TMP/master" "$url/index.m3u8" || fail "no stream"
step "an encrypted stream has none" test "$(grep -c IMAGE "$TMP/master" || true)" = 0
step "nor their playlist" test "$(code "$url/thumbnails/index.m3u8")" = 404
