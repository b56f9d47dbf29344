#!/bin/bash
# The live source and its reader, joined by what lies between them in every test: an H.264 and AAC encoder.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/live.sh"
need ffmpeg

# get KEY: a figure of the last reading.
get() {
	sed -n "s/^$1=//p" "$TMP/figures"
}

read_clock() {
	timeout 30 "$BUILD/tests/media/clock-read" "$@" >"$TMP/figures"
}

# The pipe alone: what the reader itself adds.
raw() {
	"$BUILD/tests/media/clock-source" --seconds 3 2>"$TMP/raw.log" | read_clock --format nut -
}
step "the raw pipe is read" raw
at_most "raw pipe, latency p95, ms" "$(get latency_p95_ms)" 20
at_most "raw pipe, A/V offset, ms" "$(get av_offset_worst_ms | tr -d -)" 2
at_most "raw pipe, unreadable" "$(get unreadable)" 0

mkfifo "$TMP/live.ts"
live_source live "$TMP/live.ts"
step "the encoder's stream is read" read_clock --seconds 4 --key-frames "$TMP/live.ts"
step "source and encoder end in order" live_stop live
at_least "frames" "$(get frames)" 115
at_most "unreadable" "$(get unreadable)" 0
at_most "repeats, steps back and gaps" "$(($(get repeats) + $(get backward) + $(get gaps)))" 0
at_most "latency p50, ms" "$(get latency_p50_ms)" 400
at_least "latency p50, ms" "$(get latency_p50_ms)" 1
at_least "beeps" "$(get beeps)" 3
at_most "A/V offset, ms" "$(get av_offset_worst_ms | tr -d -)" 10
at_least "key frames" "$(get key_frames | tr , '\n' | wc -l)" 4

# The smallest rung, at a starved bitrate and with another clock.
small() {
	"$BUILD/tests/media/clock-source" --seconds 4 --fps 30000/1001 2>"$TMP/small.log" |
		ffmpeg -nostdin -loglevel warning -f nut -i - -vf scale=256x144 -c:v libx264 -preset veryfast \
			-tune zerolatency -b:v 100k -maxrate 100k -bufsize 50k -g 30 -c:a aac -b:a 48k \
			-f nut - | read_clock --format nut -
}
step "256x144 at 100 kbit/s is read" small
at_least "frames" "$(get frames)" 115
at_most "unreadable" "$(get unreadable)" 0
at_most "gaps" "$(get gaps)" 0
at_most "A/V offset, ms" "$(get av_offset_worst_ms | tr -d -)" 10

nothing_to_read() {
	ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=d=1 -c:v mpeg4 -f nut "$TMP/other.nut"
	refuse "a picture without a clock" 65 "$BUILD/tests/media/clock-read" "$TMP/other.nut"
	refuse "no input" 69 "$BUILD/tests/media/clock-read" "$TMP/none.nut"
}
nothing_to_read
