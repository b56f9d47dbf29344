#!/bin/bash
# The live source and its reader: joined by nothing, by an H.264 and AAC encoder, and by streams with known faults,
# which have to be found.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/live.sh"
need ffmpeg

clip=$TMP/clip.nut

# get KEY: a figure of the last reading.
get() {
	sed -n "s/^$1=//p" "$TMP/figures"
}

size() {
	get "$1" | tr -d -
}

read_clock() {
	patiently 30 "$BUILD/tests/media/clock-read" "$@" >"$TMP/figures"
}

# The pipe alone: what the reader itself adds.
raw() {
	"$BUILD/tests/media/clock-source" --seconds 4 2>"$TMP/raw.log" | read_clock --format nut -
}
step "the raw pipe is read" raw
figure "raw pipe, latency p95, ms" "$(get latency_p95_ms)" at_most 20
at_most "raw pipe, A/V offset, ms" "$(size av_offset_worst_ms)" 2
at_most "raw pipe, pts against clock, ms" "$(size pts_offset_ms)" 1
at_most "raw pipe, unreadable" "$(get unreadable)" 0

mkfifo "$TMP/live.ts"
live_source live "$TMP/live.ts"
step "the encoder's stream is read" read_clock --seconds 4 --key-frames "$TMP/live.ts"
step "source and encoder end in order" live_stop live
at_least "frames" "$(get frames)" 10
at_most "unreadable" "$(get unreadable)" 0
at_most "repeats and steps back" "$(($(get repeats) + $(get backward)))" 0
at_least "latency p50, ms" "$(get latency_p50_ms)" 1
figure "frames of four seconds" "$(get frames)" at_least 115
figure "gaps" "$(get gaps)" at_most 0
figure "latency p50, ms" "$(get latency_p50_ms)" at_most 400
at_least "beeps" "$(get beeps)" 3
at_most "A/V offset, ms" "$(size av_offset_worst_ms)" 10
figure "key frames" "$(get key_frames | tr , '\n' | wc -l)" at_least 4

# ---- what is known of the clip, and found ----

step "a clip" "$BUILD/tests/media/clock-source" --fast --seconds 4 -o "$clip"

# encode OPTION...: the clip through ffmpeg, as fast as it goes.
encode() {
	ffmpeg -nostdin -loglevel error -y -f nut -i "$clip" -preset veryfast -tune zerolatency -threads 2 "$@" \
		-f nut "$TMP/coded.nut"
}

step "starved to 100 kbit/s at 256x144" encode -vf scale=256x144 -b:v 100k -maxrate 100k -bufsize 50k \
	-c:v libx264 -c:a aac -b:a 48k
step "is read" read_clock "$TMP/coded.nut"
at_least "frames" "$(get frames)" 115
at_most "unreadable" "$(get unreadable)" 0
at_most "A/V offset, ms" "$(size av_offset_worst_ms)" 10

step "two rungs" encode -map 0:v -map 0:v -map 0:a -c:v libx264 -g 30 -s:v:1 256x144 \
	-metadata:s:v:0 title=360p -metadata:s:v:1 title=144p -c:a libopus
step "are read together" read_clock --all --key-frames "$TMP/coded.nut"
at_least "key frames" "$(get 144p.key_frames | tr , '\n' | wc -l)" 4
step "at the same instants" test "$(get 360p.key_frames)" = "$(get 144p.key_frames)"
at_most "A/V offset of the smaller, ms" "$(size 144p.av_offset_worst_ms)" 10

step "sound put off by 120 ms" encode -c:v libx264 -af adelay=120:all=1 -c:a aac
step "is read" read_clock "$TMP/coded.nut"
at_least "A/V offset, ms" "$(get av_offset_ms)" 115
at_most "A/V offset, ms" "$(get av_offset_ms)" 125

step "three frames taken out, one shown thrice" encode -c:v libx264 -an -fps_mode passthrough \
	-vf "select='not(between(n,40,42))',loop=2:1:80"
step "is read" read_clock "$TMP/coded.nut"
step "one gap of three frames" test "$(get gaps) $(get missing)" = "1 3"
step "two repeats" test "$(get repeats)" = 2

step "a blend of frames" encode -c:v libx264 -an -vf "tmix=2"
read_clock "$TMP/coded.nut" || true
at_least "is no time: unreadable" "$(get unreadable)" 115

ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=d=1 -c:v mpeg4 -f nut "$TMP/other.nut"
refuse "a picture without a clock" 65 "$BUILD/tests/media/clock-read" "$TMP/other.nut"
refuse "no input" 69 "$BUILD/tests/media/clock-read" "$TMP/none.nut"
mkfifo "$TMP/silent"
refuse "an input that never comes" 69 "$BUILD/tests/media/clock-read" --timeout 1 "$TMP/silent"
