# shellcheck shell=bash
# live.sh: the live source that the tests and the demo have in common. Source it after ../lib.sh.
#
# live_source NAME URL [CLOCK-SOURCE-OPTION...]: what people run at a venue: clock-source as the camera, ffmpeg as
# the encoder (H.264 and AAC, low delay, a key frame each second), pushed to URL (srt://, rtmp://, udp://, a file or
# FIFO). Two processes, NAME-camera and NAME-encoder, each in the hands of lib.sh. The variables below change it;
# LIVE_IN is a command before the encoder's, for a network namespace.
#
# live_stop NAME: ends both; the encoder by the end of its input, so that what it has is written.

LIVE_SIZE=${LIVE_SIZE:-640x360}
LIVE_FPS=${LIVE_FPS:-30}
LIVE_RATE=${LIVE_RATE:-800}
LIVE_MUX=${LIVE_MUX:-} # more of ffmpeg's output options
LIVE_IN=${LIVE_IN:-}

# The container that goes with a URL.
live_format() {
	case $1 in
	rtmp://* | rtmps://* | *.flv) echo flv ;;
	*.nut | unix:*) echo nut ;;
	*.mp4) echo mp4 ;;
	*) echo mpegts ;;
	esac
}

live_source() {
	local name=$1 url=$2 fifo=$TMP/$1.pipe format gop mux=()
	shift 2
	format=$(live_format "$url")
	# Pictures need not wait for the sound, save where the container wants all in the order of time.
	[ "$format" = flv ] || mux=(-max_interleave_delta 1)
	gop=$(awk -v f="$LIVE_FPS" 'BEGIN { n = split(f, a, "/"); printf "%.0f", a[1] / (n > 1 ? a[2] : 1) }')
	[ -p "$fifo" ] || mkfifo "$fifo"
	spawn -o "$fifo" "$name-camera" "$BUILD/tests/media/clock-source" \
		--size "$LIVE_SIZE" --fps "$LIVE_FPS" "$@"
	# Frames that the camera has left out are not made up for: an encoder that has too little of a core would have the more
	# to do the later it is.
	# shellcheck disable=SC2086
	spawn "$name-encoder" $LIVE_IN ffmpeg -hide_banner -nostdin -nostats -loglevel warning \
		-f nut -probesize 32768 -analyzeduration 0 -fpsprobesize 0 -i "$fifo" -map 0:v -map 0:a \
		-c:v libx264 -preset veryfast -tune zerolatency -profile:v high -threads 1 -bf 0 \
		-g "$gop" -keyint_min "$gop" -sc_threshold 0 -fps_mode passthrough \
		-b:v "${LIVE_RATE}k" -maxrate "${LIVE_RATE}k" -bufsize "$((LIVE_RATE / 2))k" \
		-c:a aac -b:a 96k -ar 48000 -ac 2 -muxdelay 0 -muxpreload 0 -flush_packets 1 \
		-output_ts_offset 1 "${mux[@]}" $LIVE_MUX -y -f "$format" "$url"
}

live_stop() {
	stop "$1-camera"
	wait_exit "$1-encoder" 10
}

# ---- what gex-transcode has written ----

# steps FILE STREAM: the distances of the packets' times, one of a kind a line.
steps() {
	ffprobe -v quiet -select_streams "$2" -show_entries packet=pts -of csv=p=0 "$1" |
		awk -F, 'NR > 1 { print $1 - last } { last = $1 }' | sort -nu
}

# keys FILE STREAM: the times of the key frames.
keys() {
	ffprobe -v quiet -select_streams "$2" -show_entries packet=pts,flags -of csv=p=0 "$1" | awk -F, '/K/ { print $1 }'
}

# same_keys FILE RUNG...: in this account of clock-read (--all --key-frames) the rungs have a key frame at each second of the
# epoch and nowhere else, over what was read of all of them.
same_keys() {
	local file=$1 rung first last
	shift
	read -r first last < <(sed -n 's/^[^ =]*key_pts_ms=//p' "$file" | awk -F, '
		NR == 1 || $1 > first { first = $1 }
		NR == 1 || $NF < last { last = $NF }
		END { print first, last }')
	[ $((first % 1000)) = 0 ] || fail "a key frame stands at $first, not on a second of the epoch"
	seq "$first" 1000 "$last" >"$TMP/seconds"
	at_least "key frames in all rungs" "$(wc -l <"$TMP/seconds")" 3
	for rung; do
		sed -n "s/^$rung.key_pts_ms=//p" "$file" | tr , '\n' | awk -v a="$first" -v b="$last" '$1 >= a && $1 <= b' |
			diff "$TMP/seconds" - || fail "$rung: its key frames are not one at each second"
	done
	echo "ok - key frames of $* at the same instants, one each second: $(tr '\n' ' ' <"$TMP/seconds")"
}

# on_grid FILE RUNGS: all rungs of a recording, made at 30 fps, have key frames at each second of the epoch and nowhere else,
# frames on the grid between them, and sound without a step. Frames are missing only where the machine did not keep up.
on_grid() {
	local s first last step
	keys "$1" v:0 >"$TMP/keys"
	first=$(head -n 1 "$TMP/keys") last=$(tail -n 1 "$TMP/keys")
	at_least "key frames" "$(wc -l <"$TMP/keys")" 4
	[ $((first % 90000)) = 0 ] || fail "the first key frame is not on a second of the epoch: $first"
	seq "$first" 90000 "$last" | cmp - "$TMP/keys" || fail "key frames are not one a second"
	for ((s = 1; s < $2; s++)); do
		keys "$1" "v:$s" | cmp - "$TMP/keys" || fail "the key frames of rung $s are others"
	done
	for ((s = 0; s < $2; s++)); do
		for step in $(steps "$1" "v:$s"); do
			[ $((step % 3000)) = 0 ] || fail "a step of rung $s is $step"
		done
		figure "rung $s: longest step between frames, ticks" "${step:-none}" at_most 3000
	done
	[ "$(steps "$1" a:0)" = 1024 ] || fail "the steps of the sound: $(steps "$1" a:0 | tr '\n' ' ')"
	echo "ok - every rung is on the grid, with its key frames on the seconds of the epoch"
}
