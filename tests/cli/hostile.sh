#!/bin/bash
# Broken and hostile streams, one after the other: gex-transcode goes on, and so does its output. SOAK_SECONDS for longer than
# the check's few seconds, SOAK_SEED for other damage; `make soak` is both.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=../media/metrics.sh
. "$(dirname "$0")/../media/metrics.sh"
need ffmpeg ffprobe curl

seconds=${SOAK_SECONDS:-6}
seed=${SOAK_SEED:-1}
x264=(-c:v libx264 -threads 1 -preset ultrafast -g 25)
ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=s=160x90:r=25 -f lavfi -i sine=r=48000 \
	-t 7 "${x264[@]}" -bf 2 -c:a aac "$TMP/good.ts" \
	-t 2 "${x264[@]}" -bf 2 -c:a aac "$TMP/a.ts" \
	-t 2 "${x264[@]}" -s 128x96 -c:a aac "$TMP/b.flv" \
	-t 2 "${x264[@]}" -r 15 -c:a libopus -ac 2 "$TMP/c.mkv" \
	-t 2 "${x264[@]}" -c:a aac -movflags frag_keyframe+empty_moov "$TMP/d.mp4" \
	-t 2 -c:v mpeg2video -threads 1 -c:a mp2 "$TMP/e.nut" \
	-t 2 -c:v mpeg2video -threads 1 -c:a ac3 "$TMP/f.ts" \
	-t 1 -s 64x48 -r 5 -an "$TMP/g.y4m" \
	-t 2 -vn "$TMP/h.wav" \
	-t 1 -c:v libx265 -preset ultrafast -x265-params log-level=none:pools=none:frame-threads=1 -c:a aac "$TMP/i.ts"
cp "$TMP/c.mkv" "$TMP/j.ts"
cp "$TMP/b.flv" "$TMP/k.ts"

mport=$(free_port tcp)
rss() {
	awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/${PID[tool]}/status"
}

mkfifo "$TMP/in"
spawn -r tool "$BUILD/gex-transcode" -i "$TMP/in" -r 'tiny=96x54@25,50k,preset=ultrafast' -S slate.after=300ms \
	-o "$TMP/out.nut" -m "127.0.0.1:$mport"
wait_ready tool
# feed COMMAND...: into the FIFO. Who does not read in time is left alone: that is the tool's matter.
feed() {
	patiently 3 "$@" >"$TMP/in" || true
}
# Of what comes at once 3 s are left out.
feed cat "$TMP/good.ts"
retry 20 beyond frames_total 10 || fail "there is no output"

begun=$(now_ms) fed=0 early=0
while [ $(($(now_ms) - begun)) -lt $((seconds * 1000)) ]; do
	feed "$BUILD/tests/media/mangle" "$seed" "$TMP"/[a-k].* 2>>"$TMP/mangle.log"
	seed=$((seed + 1)) fed=$((fed + 1))
	alive tool || fail "ended by $(tail -n 1 "$TMP/mangle.log")"
	[ "$early" != 0 ] || [ $(($(now_ms) - begun)) -lt $((seconds * 333)) ] || early=$(rss)
done
took=$(($(now_ms) - begun))
echo "$fed streams in $((took / 1000)) s, seeds to $((seed - 1)); frames out $(metric frames_total), damaged packets" \
	"$(metric input_damaged_total), undecoded $(metric undecoded_total), slates $(metric slates_total)"
echo "memory at a third and at the end, MB: $early $(rss)"
at_most "memory, MB" "$(rss)" "${SOAK_RSS:-1500}"
before=$(metric input_frames_total)
frames=$(metric frames_total)
feed cat "$TMP/good.ts"
step "a good stream is read after all that" retry 20 beyond input_frames_total "$before"
step "and the output goes on" retry 20 beyond frames_total $((frames + 25))
dropped=$(metric dropped_total)
stop tool || fail "it does not end"
step "status 0" test "$STATUS" = 0

# What came out is one stream: every frame in its place, unless the machine was too slow for it (some may have been dropped
# since they were counted), and a key frame each second.
ffprobe -v quiet -select_streams v:0 -show_entries packet=pts_time,flags -of csv=p=0 "$TMP/out.nut" >"$TMP/packets"
awk -F, -v dropped="$dropped" 'NR == 1 { first = $1 }
	NR > 1 { d = ($1 - last) * 25; n = int(d + 0.5); missing += n - 1
		if (n < 1 || d - n > 0.03 || n - d > 0.03) { print "a step of " d / 25 " s at frame " NR; bad = 1 } }
	{ key = $2 ~ /K/; on = int($1 * 25 + 0.5) % 25 == 0; if (key != on) { print "key frame wrong at " $1; bad = 1 } last = $1 }
	END { print NR " frames in " last - first " s, " missing + 0 " left out, " dropped " counted"
		exit bad || NR < 25 || missing > dropped + 5 }' "$TMP/packets" || fail "the output has a step"
