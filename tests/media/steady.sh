#!/bin/bash
# Memory stays as it is: a clip again and again, as fast as it goes. SOAK_SECONDS for longer than the check's few.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg curl

seconds=${SOAK_SECONDS:-6}
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=160x90:r=25 -f lavfi -i sine=r=48000 -t 20 -c:v libx264 -threads 1 \
	-preset ultrafast -g 25 -c:a aac "$TMP/clip.ts"
mport=$(free_port tcp)
metric() {
	curl -sf --max-time 5 "http://127.0.0.1:$mport/metrics" | awk -v n="gex_transcode_$1" \
		'index($1, n) == 1 && $1 ~ "^" n "({|$)" { s += $2 } END { print s + 0 }'
}
rss() {
	awk '/^VmRSS/ { print $2 }' "/proc/${PID[tool]}/status"
}
frames_beyond() {
	[ "$(metric frames_total)" -gt "$1" ]
}
spawn -r tool "$BUILD/gex-transcode" -i "$TMP/clip.ts?loop=1" -r 'tiny=96x54@25,50k,preset=ultrafast' -o /dev/null \
	-m "127.0.0.1:$mport"
wait_ready tool
step "frames come" retry 20 frames_beyond 500
begun=$(now_ms) early=0
while [ $(($(now_ms) - begun)) -lt $((seconds * 1000)) ]; do
	sleep 0.5
	alive tool || fail "it has ended"
	[ "$early" != 0 ] || [ $(($(now_ms) - begun)) -lt $((seconds * 300)) ] || early=$(rss)
done
late=$(rss) frames=$(metric frames_total)
awk -v f="$frames" -v s="$seconds" -v a="$early" -v b="$late" 'BEGIN {
	printf "%.2f h of stream in %d s, the clip %d times; memory %d kB at a third, %d kB at the end: %+.1f %%\n",
		f / 25 / 3600, s, f / 500, a, b, (b - a) * 100 / a }'
at_most "memory, kB" "$late" 400000
stop tool 60 || fail "it does not end"
