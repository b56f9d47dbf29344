#!/bin/bash
# gex-transcode never stops: a source that dies and comes back as another, the slate meanwhile, a backup that takes over and
# gives back. The output goes on without a step, with its key frames on the seconds of the epoch.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=metrics.sh
. "$(dirname "$0")/metrics.sh"
. "$(dirname "$0")/live.sh"
need ffmpeg ffprobe curl

bin=$BUILD/gex-transcode
export LIVE_SIZE=320x180 LIVE_RATE=300

read_frames() {
	patiently 40 "$BUILD/tests/media/clock-read" --frames "$1" | sed -n 's/^frame stream=[^ ]* //p'
}


# ---- one source, killed again and again ----

mport=$(free_port)
mkfifo "$TMP/in.ts"
spawn -r one "$bin" -i "$TMP/in.ts" -r 'low=320x180@30,300k,preset=ultrafast' -r 'tiny=160x90@30,100k,preset=ultrafast' \
	-o "$TMP/one.nut" -m "127.0.0.1:$mport" -S slate.text=hall-1
wait_ready one

# turn N SIZE FPS MUX-OPTIONS: the source comes for a while, is killed, and the slate comes.
turn() {
	local before
	before=$(metric input_frames_total)
	LIVE_SIZE=$2 LIVE_FPS=$3 LIVE_MUX=$4 live_source "turn$1" "$TMP/in.ts"
	retry 15 beyond input_frames_total "$((before + 60))" || fail "turn $1 is not read"
	kill9 "turn$1-encoder"
	kill9 "turn$1-camera"
	retry 3 is slate 1 || fail "no slate after turn $1"
	echo "ok - turn $1: $2 at $3 fps $4"
}
turn 1 320x180 30 ""
turn 2 426x240 25 "-ar 44100 -ac 1"
turn 3 320x180 60000/1001 "-c:v mpeg2video -profile:v main -b:v 1M -maxrate 1M -bufsize 1M -c:a mp2"
turn 4 256x144 30 "-c:v libx265 -profile:v main -preset ultrafast -x265-params log-level=none:bframes=0 -ar 32000"
# make soak goes on.
turns=${SOAK_TURNS:-4}
for ((i = 5; i <= turns; i++)); do
	case $((i % 5)) in
	0) turn "$i" 320x180 25 "-ac 1" ;;
	1) turn "$i" 192x108 50 "-ar 22050" ;;
	2) turn "$i" 426x240 24 "-c:v mpeg2video -profile:v main -b:v 1M -maxrate 1M -bufsize 1M" ;;
	3) turn "$i" 320x180 30 "-an" ;;
	4) turn "$i" 256x144 30 "-c:a mp2 -ar 32000" ;;
	esac
done
stop one
step "status 0 after SIGTERM" test "$STATUS" = 0
on_grid "$TMP/one.nut" 2
read_frames "$TMP/one.nut" >"$TMP/frames"

# The clock stands still in each hole for a second at most, then the slate has none; a turn's first picture is there soon
# after the camera's first.
figure "the last picture stands for, frames" "$(awk '
	/unreadable/ { n = 0; next }
	{ if ($1 == last) { if (++n > most) most = n } else n = 0; last = $1 }
	END { print most + 0 }' "$TMP/frames")" at_most 36
at_least "slates between pictures" "$(awk '/unreadable/ { if (!dark) n++; dark = 1; next } { dark = 0 } END { print n }' \
	"$TMP/frames")" 4
for ((i = 2; i <= turns; i++)); do
	start=$(sed -n 's/^start_ms=\([0-9]*\).*/\1/p' "$TMP/turn$i-camera.log")
	shown=$(awk -v s="$start" '!/unreadable/ { split($1, u, "="); split($2, p, "=")
		if (u[2] >= s) { printf "%.0f\n", p[2] / 1000; exit } }' "$TMP/frames")
	[ -n "$shown" ] || fail "no picture of turn $i is shown"
	figure "turn $i: from the camera's first frame to its picture, ms" "$((shown - start))" at_most 2500
done

# ---- a backup ----

mport=$(free_port)
mkfifo "$TMP/a.ts" "$TMP/b.ts"
live_source a "$TMP/a.ts"
spawn -r two "$bin" -i "$TMP/a.ts" -i "$TMP/b.ts" -r 'low=320x180@30,300k,preset=ultrafast' -o "$TMP/two.nut" \
	-m "127.0.0.1:$mport" -S input.return=1s
wait_ready two
wait_log two '\[audio\]' 15
LIVE_FPS=25 LIVE_SIZE=426x240 live_source b "$TMP/b.ts"

# on_air N: is input N encoded?
on_air() {
	[ "$(curl -sf --max-time 20 "http://127.0.0.1:$mport/metrics" | sed -n 's/^gex_transcode_input_active{input="'"$1"'"} //p')" = 1 ]
}
retry 5 on_air 1 || fail "the first input is not encoded"
retry 10 is input_up 2 || fail "the backup is not there"
retry 5 beyond input_frames_total "$(($(metric input_frames_total) + 60))"
kill -STOP "${PID[a-encoder]}"
retry 2 on_air 2 || fail "the backup does not take over from a silent source"
kill -CONT "${PID[a-encoder]}"
retry 8 on_air 1 || fail "the source is not taken back"
retry 5 beyond input_frames_total "$(($(metric input_frames_total) + 60))"
kill9 a-encoder
kill9 a-camera
retry 2 on_air 2 || fail "the backup does not take over from a dead source"
retry 5 beyond input_frames_total "$(($(metric input_frames_total) + 60))"
figure "slates" "$(metric slates_total)" at_most 0
stop two
live_stop b
on_grid "$TMP/two.nut" 1
read_frames "$TMP/two.nut" >"$TMP/frames"
at_least "pictures with a clock" "$(grep -vc unreadable "$TMP/frames" || true)" 100
figure "pictures without a clock" "$(grep -c unreadable "$TMP/frames" || true)" at_most 0
figure "the picture stands still, ms" "$(awk '{ split($1, u, "="); split($2, p, "=")
	if (u[2] != last) since = p[2]; last = u[2]; if (p[2] - since > most) most = p[2] - since }
	END { print most / 1000 + 33 }' "$TMP/frames")" at_most 500

# ---- what the line has lost ----

patiently 30 "$BUILD/tests/media/clock-source" --fast --size 320x180 --seconds 6 2>/dev/null |
	ffmpeg -nostdin -loglevel error -f nut -i - -c:v libx264 -preset veryfast -tune zerolatency -g 30 -b:v 500k -c:a aac \
		-f mpegts "$TMP/whole.ts"
packets=$(($(stat -c %s "$TMP/whole.ts") / 188))
# Three packets of MPEG-TS, at a third and at two thirds.
for third in 1 2; do
	dd if="$TMP/whole.ts" bs=188 skip=$((packets * (third - 1) / 3)) count=$((packets / 3 - 3)) status=none
done >"$TMP/lossy.ts"
step "a file with holes" "$bin" -i "$TMP/lossy.ts" -r low=320x180@30,500k -o "$TMP/mended.nut"
read_frames "$TMP/mended.nut" >"$TMP/frames"
at_least "frames" "$(wc -l <"$TMP/frames")" 110
at_most "of them damaged" "$(grep -c unreadable "$TMP/frames" || true)" 0
