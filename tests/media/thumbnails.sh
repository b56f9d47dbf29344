#!/bin/bash
# Thumbnails: whole files, of the picture's shape, from the source, beside rungs and with nothing but a copy; and a track of them.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg ffprobe

bin=$BUILD/gex-transcode
ffmpeg -nostdin -loglevel error -f lavfi -i color=0xff8000:s=320x180:r=25 -t 4 -c:v libx264 -preset ultrafast -bsf:v \
	h264_metadata=matrix_coefficients=1 -vf scale=out_color_matrix=bt709 "$TMP/in.ts"

# size FILE
size() {
	ffprobe -v error -show_entries stream=codec_name,width,height -of csv=p=0 "$1"
}
# near FILE: is its middle that orange?
near() {
	ffmpeg -nostdin -loglevel error -i "$1" -vf format=rgb24,crop=1:1 -f rawvideo - | od -An -tu1 |
		awk '{ exit !($1 > 245 && $2 > 120 && $2 < 136 && $3 < 10) }'
}
for rung in 144p copy; do
	rm -f "$TMP/now.jpg" "$TMP/now.webp"
	step "beside $rung" "$bin" -q -i "$TMP/in.ts" -r $rung -o "$TMP/out.nut" -S thumbnail.a.path="$TMP/now.jpg" -S thumbnail.a.every=1s \
		-S thumbnail.b.path="$TMP/now.webp" -S thumbnail.b.height=90
	step "JPEG" test "$(size "$TMP/now.jpg")" = mjpeg,320,180
	step "WebP" test "$(size "$TMP/now.webp")" = webp,160,90
	step "the colour of the JPEG" near "$TMP/now.jpg"
	step "the colour of the WebP" near "$TMP/now.webp"
done
# packets FILE: of the track of thumbnails.
packets() {
	ffprobe -v error -select_streams v:1 -show_entries packet=pts_time,flags -of csv=p=0 "$1"
}
step "a track of them" "$bin" -i "$TMP/in.ts" -r 144p -o "$TMP/track.nut" -o "$TMP/track.ts" -S thumbnail.a.track=yes \
	-S thumbnail.a.every=1s -S thumbnail.b.path="$TMP/b.jpg" 2>"$TMP/said"
step "is told of" grep -q '\[thumbnails\] 160x90, one in 1 s' "$TMP/said"
step "and where it cannot be, that too" grep -q 'track.ts\] mpegts carries no thumbnails' "$TMP/said"
at_least "pictures in it" "$(packets "$TMP/track.nut" | wc -l)" 3
step "each a key frame on its second" test -z "$(packets "$TMP/track.nut" | grep -v '\.0[0-9]*,K' || true)"
ffmpeg -nostdin -loglevel error -i "$TMP/track.nut" -map 0:v:1 -c copy -frames:v 1 -f image2 "$TMP/first.jpg"
step "JPEG" test "$(size "$TMP/first.jpg")" = mjpeg,160,90
step "the colour of it" near "$TMP/first.jpg"
step "none in MPEG-TS" test "$(ffprobe -v error -select_streams v -show_entries stream=codec_name -of csv=p=0 "$TMP/track.ts" | sort -u | tr -d '\n')" = h264
step "a source with such a track" "$bin" -q -i "$TMP/track.nut" -r 144p -o "$TMP/again.nut"
step "is taken for what it shows" test "$(ffprobe -v error -show_entries stream=codec_name,height -of csv=p=0 "$TMP/again.nut")" = h264,144
refuse "two tracks" 64 "$bin" -i "$TMP/in.ts" -r 144p -o "$TMP/out.nut" -S thumbnail.a.track=yes -S thumbnail.b.track=yes
refuse "a track of WebP" 64 "$bin" -i "$TMP/in.ts" -r 144p -o "$TMP/out.nut" -S thumbnail.a.track=yes -S thumbnail.a.path="$TMP/a.webp"
refuse "neither file nor track" 64 "$bin" -i "$TMP/in.ts" -r 144p -o "$TMP/out.nut" -S thumbnail.a.every=5s
refuse "an ending that is no picture's" 64 "$bin" -i "$TMP/in.ts" -r 144p -o "$TMP/out.nut" -S thumbnail.a.path="$TMP/now.gif"
