#!/bin/bash
# What gex-transcode draws on its rungs: a mark with transparency, a clock; what it refuses.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg

bin=$BUILD/gex-transcode
ffmpeg -nostdin -loglevel error -f lavfi -i color=gray:s=320x180:r=25 -t 1 -c:v libx264 -preset ultrafast -colorspace bt709 "$TMP/in.ts"
# White, its left half transparent.
ffmpeg -nostdin -loglevel error -f lavfi -i "color=white:s=200x100,format=rgba,geq=r=255:g=255:b=255:a='255*gte(X,100)'" \
	-frames:v 1 "$TMP/mark.png"

# luma TRACK X Y: of a pixel of the last picture.
luma() {
	ffmpeg -nostdin -loglevel quiet -i "$TMP/out.nut" -map "0:v:$1" -vf "crop=1:1:$2:$3:exact=1,format=gray" \
		-f rawvideo - | tail -c 1 | od -An -tu1 | tr -d ' '
}

step "a mark and a clock" "$bin" -q -i "$TMP/in.ts" -r same=,2M -r big=640x360,2M -o "$TMP/out.nut" -S overlay.mark.file="$TMP/mark.png" \
	-S overlay.mark.size=20 -S overlay.mark.margin=0 -S overlay.clock.text='%F %T' -S overlay.clock.at=bottom-left
for i in 0 1; do
	scale=$((i + 1))
	ground=$(luma $i $((160 * scale)) $((90 * scale)))
	at_least "rung $i: the mark" "$(luma $i $((300 * scale)) $((18 * scale)))" 230
	at_most "rung $i: its transparent half" "$(luma $i $((260 * scale)) $((18 * scale)))" $((ground + 3))
	at_most "rung $i: below it" "$(luma $i $((300 * scale)) $((44 * scale)))" $((ground + 3))
	at_most "rung $i: the clock's box" "$(luma $i $((10 * scale)) $((172 * scale)))" $((ground - 30))
done
refuse "no such picture" 69 "$bin" -i "$TMP/in.ts" -r 144p -o "$TMP/never.nut" -S overlay.x.file="$TMP/none.png"
refuse "no such font" 69 "$bin" -i "$TMP/in.ts" -r 144p -o "$TMP/never.nut" -S overlay.x.text=x -S overlay.x.font="$TMP/none.ttf"
refuse "neither picture nor text" 64 "$bin" -i "$TMP/in.ts" -r 144p -o "$TMP/never.nut" -S overlay.x.size=5
grep -q 'needs a file or a text' "$TMP/refused" || fail "$(cat "$TMP/refused")"
refuse "no such place" 64 "$bin" -i "$TMP/in.ts" -r 144p -o "$TMP/never.nut" -S overlay.x.at=left
