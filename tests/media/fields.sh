#!/bin/bash
# Interlaced pictures: 25 frames become 50 pictures, in the order of their fields, much like the ones that they were made of.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg ffprobe

bin=$BUILD/gex-transcode
film=testsrc2=s=320x180:r=50

# made ORDER: a film of 50 pictures a second as 25 frames of two fields each, upper (t) or lower (b) first.
made() {
	local mode=4 # interleave_top
	[ "$1" = t ] || mode=5
	ffmpeg -nostdin -loglevel error -y -f lavfi -i $film -t 3 -vf "tinterlace=mode=$mode,setfield=${1}ff" \
		-c:v libx264 -preset veryfast -crf 12 -flags +ildct+ilme -x264-params "${1}ff=1" "$TMP/$1.ts"
}
# like FILE: how much (PSNR, dB) its pictures are like those of the film.
like() {
	ffmpeg -nostdin -hide_banner -i "$1" -f lavfi -i $film -lavfi \
		"[0:v]setpts=N/50/TB[a];[1:v]setpts=N/50/TB[b];[a][b]psnr=shortest=1" -f null - 2>&1 |
		sed -n 's/.*average:\([0-9.]*\).*/\1/p'
}

for order in t b; do
	made $order
	step "${order}ff, by fields" "$bin" -q -i "$TMP/$order.ts" -r same=,4M -S video.deinterlace=field -o "$TMP/$order.nut"
	step "has 50 pictures a second" test "$(ffprobe -v quiet -count_packets -show_entries stream=r_frame_rate,nb_read_packets \
		-of csv=p=0 "$TMP/$order.nut")" = 50/1,150
	at_least "like the film, dB" "$(like "$TMP/$order.nut")" 29
done
step "by frames" "$bin" -q -i "$TMP/t.ts" -r same=,4M -o "$TMP/frames.nut"
step "has 25" test "$(ffprobe -v quiet -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$TMP/frames.nut")" = 75
step "by fields for a rung of 25" "$bin" -q -i "$TMP/t.ts" -r same=@25,4M -S video.deinterlace=field -o "$TMP/half.nut"
step "has 25" test "$(ffprobe -v quiet -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$TMP/half.nut")" = 75
