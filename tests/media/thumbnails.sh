#!/bin/bash
# Thumbnails: whole files, of the picture's shape, from the source, beside rungs and with nothing but a copy.
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
refuse "an ending that is no picture's" 64 "$bin" -i "$TMP/in.ts" -r 144p -o "$TMP/out.nut" -S thumbnail.a.path="$TMP/now.gif"
