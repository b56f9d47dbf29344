#!/bin/bash
# Two gex-transcode at one fan-out by SRT, begun at different times, make the same of it: in all rungs key frames at the same
# instants of UTC, and at each instant the same picture. So either may fail.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=live.sh
. "$(dirname "$0")/live.sh"
need ffmpeg ffprobe curl

export LIVE_SIZE=320x180 LIVE_RATE=300
port=$(free_port udp) first=$(free_port tcp) second=$(free_port tcp)
frames() {
	curl -sf --max-time 20 "http://127.0.0.1:$1/metrics" | sed -n 's/^gex_transcode_frames_total{rung="tiny"} //p'
}
has_made() {
	[ "$(frames "$1")" -ge "$2" ]
}
mkfifo "$TMP/in.ts"
spawn -r fan "$BUILD/gex-transcode" -i "$TMP/in.ts" -r copy -o "srt://:$port?latency=200ms"
wait_ready fan
live_source camera "$TMP/in.ts"
# twin NAME PORT-OF-METRICS
twin() {
	spawn -r "$1" "$BUILD/gex-transcode" -i "srt://127.0.0.1:$port?latency=200ms" -r 'low=320x180@30,300k,preset=ultrafast' \
		-r 'tiny=160x90@30,100k,preset=ultrafast' -o "$TMP/$1.nut" -m "127.0.0.1:$2"
	wait_ready "$1"
}
twin one "$first"
retry 20 has_made "$first" 20 || fail "the first makes nothing of it"
twin two "$second"
retry 20 has_made "$second" 130 || fail "the second makes nothing of it"
stop one
stop two
for twin in one two; do
	on_grid "$TMP/$twin.nut" 2
done
for rung in 0 1; do
	for twin in one two; do
		keys "$TMP/$twin.nut" "v:$rung" >"$TMP/$twin.keys"
	done
	from=$(head -n 1 "$TMP/two.keys") to=$(tail -n 1 "$TMP/one.keys")
	for twin in one two; do
		awk -v a="$from" -v b="$to" '$1 >= a && $1 <= b' "$TMP/$twin.keys" >"$TMP/$twin.both"
	done
	at_least "rung $rung: key frames of the time of both" "$(wc -l <"$TMP/one.both")" 2
	same_file "$TMP/one.both" "$TMP/two.both"
done
for twin in one two; do
	patiently 40 "$BUILD/tests/media/clock-read" --frames "$TMP/$twin.nut" |
		sed -n 's/^frame stream=low utc_ms=\([0-9]*\) pts_us=\([0-9]*\).*/\2 \1/p' | sort >"$TMP/$twin.frames"
done
join "$TMP/one.frames" "$TMP/two.frames" >"$TMP/both.frames"
at_least "pictures of both at one instant" "$(wc -l <"$TMP/both.frames")" 10
figure "of them different" "$(awk '$2 != $3' "$TMP/both.frames" | wc -l)" at_most 0
