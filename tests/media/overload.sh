#!/bin/bash
# More than the machine holds: noise at a preset that no processor is fast enough for, then nothing to see. Pictures are left
# out, evenly and counted, the sound is whole, key frames stand where they belong; and all is well again when the load goes.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=metrics.sh
. "$(dirname "$0")/metrics.sh"
# shellcheck source=live.sh
. "$(dirname "$0")/live.sh"
need ffmpeg ffprobe curl

mport=$(free_port tcp)
# Noise for 3 s, black for 7.
ffmpeg -nostdin -v error -f lavfi -i "color=gray:s=1280x720:r=60,noise=alls=60:allf=t,trim=end=3" \
	-f lavfi -i "color=black:s=1280x720:r=60,trim=end=7" -f lavfi -i "sine=r=48000,atrim=end=10" \
	-filter_complex "[0][1]concat=n=2[v]" -map "[v]" -map 2 -c:v libx264 -preset ultrafast -threads 1 -g 60 -b:v 6M \
	-maxrate 6M -bufsize 2M -pix_fmt yuv420p -c:a aac "$TMP/clip.ts"
spawn -r tool "$BUILD/gex-transcode" -i "$TMP/clip.ts?realtime=1" -r 'slow=1280x720@60,4M,preset=veryslow' \
	-r 'low=854x480@60,1M,preset=veryslow' -o "$TMP/out.nut" -m "127.0.0.1:$mport"
wait_ready tool
retry 15 beyond input_frames_total 240 || fail "the clip is not read"
figure "pictures dropped under the load" "$(metric dropped_total)" at_least 60
retry 15 beyond input_frames_total 390 || fail "the clip is not read further"
before=$(metric dropped_total) skipped=$(metric skipped_total)
retry 15 beyond input_frames_total 560 || fail "the clip is not read to its end"
figure "pictures dropped when it has gone" "$(($(metric dropped_total) - before))" at_most 0
figure "pictures not decoded" "$skipped" at_most 0
figure "silence where there was sound, s" "$(metric silence_seconds_total)" at_most 0
wait_exit tool 30
step "status 0 at the end" test "$STATUS" = 0

[ "$(steps "$TMP/out.nut" a:0 | wc -l)" = 1 ] || fail "the sound has holes: $(steps "$TMP/out.nut" a:0 | tr '\n' ' ')"
at_least "blocks of sound without a hole" "$(ffprobe -v quiet -select_streams a:0 -show_entries packet=pts -of csv=p=0 \
	"$TMP/out.nut" | wc -l)" 400
for rung in 0 1; do
	keys "$TMP/out.nut" "v:$rung" >"$TMP/keys"
	at_least "rung $rung: key frames" "$(wc -l <"$TMP/keys")" 7
	awk 'NR > 1 && $1 - last != 90000 { exit 1 } { last = $1 }' "$TMP/keys" || fail "rung $rung has lost a key frame"
	figure "rung $rung: longest step between frames, ms" "$(steps "$TMP/out.nut" "v:$rung" | tail -n 1 |
		awk '{ printf "%.0f", $1 / 90 }')" at_most 700
done
