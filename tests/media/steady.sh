#!/bin/bash
# Memory stays as it is: a clip again and again, as fast as it goes. SOAK_SECONDS for longer than the check's few; of
# each hour of the stream its memory is told. With SOAK_HOURS it ends when so many hours of the stream have been.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=metrics.sh
. "$(dirname "$0")/metrics.sh"
need ffmpeg curl

seconds=${SOAK_SECONDS:-6}
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=160x90:r=25 -f lavfi -i sine=r=48000 -t 20 -c:v libx264 -threads 1 \
	-preset ultrafast -g 25 -c:a aac "$TMP/clip.ts"
mport=$(free_port tcp)
rss() {
	awk '/^VmRSS/ { print $2 }' "/proc/${PID[tool]}/status"
}
spawn -r tool "$BUILD/gex-transcode" -i "$TMP/clip.ts?loop=1" -r 'tiny=96x54@25,50k,preset=ultrafast' -o /dev/null \
	-m "127.0.0.1:$mport"
wait_ready tool
# Twice through the clip, and a third of the time: by then there is everything that there will be.
step "frames come" retry 20 beyond frames_total 1000
sleep "$((seconds / 3))"
early=$(rss) before=$(metric frames_total) begun=$(now_ms) hour=0 frames=$before
enough() {
	if [ -n "${SOAK_HOURS-}" ]; then
		[ $((frames - before)) -ge $((SOAK_HOURS * 90000)) ]
	else
		[ $(($(now_ms) - begun)) -ge $((seconds * 1000)) ]
	fi
}
until enough; do
	sleep 0.5
	alive tool || fail "it has ended"
	frames=$(metric frames_total)
	if [ $((frames / 90000)) -gt $hour ]; then
		hour=$((frames / 90000))
		echo "after $hour h of the stream, $((($(now_ms) - begun) / 1000)) s: $(rss) kB"
	fi
done
late=$(rss) frames=$(metric frames_total) seconds=$((($(now_ms) - begun) / 1000))
awk -v f="$frames" -v o="$before" -v s="$seconds" -v a="$early" -v b="$late" 'BEGIN {
	printf "%.2f h of stream in %d s, the clip %d times; memory %d kB after %d s of stream, %d kB at the end\n",
		(f - o) / 25 / 3600, s, f / 500, a, o / 25, b }'
grown=$(awk -v a="$early" -v b="$late" 'BEGIN { printf "%.1f", (b - a) * 100 / a }')
at_most "memory has grown, %" "$grown" 15
figure "memory has grown, %" "$grown" at_most 5
stop tool 60 || fail "it does not end"

# ---- a reader that reads nothing ----

ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:r=25 -f lavfi -i sine=r=48000 -t 10 -c:v libx264 -threads 1 \
	-preset ultrafast -g 25 -b:v 2M -minrate 2M -maxrate 2M -bufsize 1M -x264-params nal-hrd=cbr -c:a aac "$TMP/big.ts"
mkfifo "$TMP/out.nut"
exec {held}<>"$TMP/out.nut"
spawn -r tool "$BUILD/gex-transcode" -i "$TMP/big.ts?loop=1" -r copy -o "$TMP/out.nut" -m "127.0.0.1:$mport"
wait_ready tool
step "frames come" retry 20 beyond frames_total 25
first=$(rss) late=0
# Until it is the same for a second.
for ((same = 0; same < 4; )); do
	sleep 0.25
	now=$(rss)
	[ "$now" = "$late" ] && same=$((same + 1)) || same=0
	late=$now
	[ "$now" -lt $((first + 200000)) ] || break
done
at_most "memory beside a reader that reads nothing has grown, kB" "$((late - first))" 25000
exec {held}<&-
stop tool 60 || fail "it does not end"
