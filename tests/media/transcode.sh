#!/bin/bash
# gex-transcode on a real encoder's stream: the rungs' key frames, sound beside picture, delay; a source that dies and comes
# back with another size and frame rate.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/live.sh"
need ffmpeg ffprobe

bin=$BUILD/gex-transcode
LADDER=(-r 360p -r 240p -r 144p)

# get FILE KEY: a figure of a reading.
get() {
	sed -n "s/^$2=//p" "$TMP/$1"
}

read_clock() {
	patiently 60 "$BUILD/tests/media/clock-read" "$@"
}

# ---- delay, key frames, sound ----

mkfifo "$TMP/in.nut" "$TMP/out.nut"
live_source direct "$TMP/in.nut"
step "the encoder alone is read" read_clock --seconds 5 --format nut "$TMP/in.nut" >"$TMP/direct"
live_stop direct

# ladder: a reading of all rungs while the encoder runs.
ladder() {
	live_source live "$TMP/in.nut"
	spawn -i "$TMP/in.nut" -o "$TMP/out.nut" xcode "$bin" -i - "${LADDER[@]}" -o -
	read_clock --all --seconds 6 --key-frames --format nut "$TMP/out.nut" >"$TMP/ladder" || fail "the ladder is not read"
	live_stop live
	wait_exit xcode 10
}

# smooth: no rung has a frame twice or none. Where that is asked for, a machine that has other work too gets more looks.
smooth() {
	local i looks=1
	[ -z "${GEX_FIGURES-}" ] || looks=3
	for ((i = 1; i <= looks; i++)); do
		ladder
		[ "$(sed -nE 's/^[0-9]+p\.(repeats|backward|gaps)=//p' "$TMP/ladder" | sort -u)" != 0 ] || return 0
		echo "look $i: $(grep -E '(repeats|gaps)=' "$TMP/ladder" | tr '\n' ' ')"
	done
	return 1
}
smooth || true
same_keys "$TMP/ladder" 360p 240p 144p
for rung in 360p 240p 144p; do
	at_least "$rung: frames" "$(get ladder $rung.frames)" 30
	at_most "$rung: steps back" "$(get ladder $rung.backward)" 0
	figure "$rung: frames" "$(get ladder $rung.frames)" at_least 175
	figure "$rung: frames twice, or none" "$(($(get ladder $rung.repeats) + $(get ladder $rung.gaps)))" at_most 0
	figure "$rung: unreadable" "$(get ladder $rung.unreadable)" at_most 0
	figure "$rung: A/V offset, ms" "$(get ladder $rung.av_offset_worst_ms | tr -d -)" at_most 40
	figure "$rung: pts against the camera's clock, ms" "$(get ladder $rung.pts_offset_ms | tr -d -)" at_most 100
	figure "$rung: delay p50 over the encoder's, ms" \
		"$(awk -v a="$(get direct latency_p50_ms)" -v b="$(get ladder $rung.latency_p50_ms)" 'BEGIN { print b - a }')" at_most 25
done

# ---- the end of a pipe: all of it is written, status 0 ----

live_source short "$TMP/in.nut" --seconds 6
spawn -i "$TMP/in.nut" -o "$TMP/short.nut" short "$bin" -i - "${LADDER[@]}" -o -
wait_exit short 20
step "status 0 at the end of the input" test "$STATUS" = 0
on_grid "$TMP/short.nut" 3

# ---- the source dies and comes back, as another ----

port=$(free_port udp)
spawn -r again "$bin" -i "srt://127.0.0.1:$port?mode=listener" "${LADDER[@]}" -o "$TMP/again.nut" -m "127.0.0.1:$(free_port)"
wait_ready again
live_source one "srt://127.0.0.1:$port"
wait_log again '\[audio\]' 15

# written BYTES: the recording is longer than that.
written() {
	[ "$(stat -c %s "$TMP/again.nut")" -gt "$1" ]
}

# An encoder that was cut off comes again until it is let in: its old connection counts as alive for a moment.
decided() {
	grep -q '426x240 at 25 fps' "$TMP/again.log" || gone two-encoder
}
come_again() {
	local i
	for i in {1..30}; do
		LIVE_SIZE=426x240 LIVE_FPS=25 live_source two "srt://127.0.0.1:$port"
		retry 10 decided || return 1
		alive two-encoder && return 0
		kill9 two-encoder
		kill9 two-camera
	done
	return 1
}

retry 15 written 300000 || fail "nothing is written"
kill9 one-encoder
kill9 one-camera
before=$(stat -c %s "$TMP/again.nut")
step "the source comes again, as another" come_again
retry 15 written $((before + 400000)) || fail "nothing more is written"
stop again
step "status 0 after SIGTERM" test "$STATUS" = 0
kill9 two-encoder
kill9 two-camera
on_grid "$TMP/again.nut" 3
