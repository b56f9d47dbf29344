#!/bin/bash
# timeout: 600
# The ladder beside the ffmpeg command that people write for it: processor time and SSIM of 1080p30 into 720p, 480p and 360p
# (H.264 veryfast, the same x264 settings, decoded once), and how long a frame is on its way through a ladder of three.
#
#   tests/bench/transcode.sh [-s SECONDS] [-n RUNS] [-d]    of the clip (10); of each, of which the median is printed (3; 0: delay
#                                                           only); -d: no delay
#
# BENCH_FIRST=1: all of this goes before what else the machine does, by the scheduler's real-time class.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
need ffmpeg ffprobe curl

bin=$BUILD/gex-transcode
SECONDS_OF_CLIP=10 RUNS=3 DELAY=1
while getopts s:n:d opt; do
	case $opt in
	s) SECONDS_OF_CLIP=$OPTARG ;;
	n) RUNS=$OPTARG ;;
	d) DELAY= ;;
	*) exit 64 ;;
	esac
done
[ -z "${BENCH_FIRST-}" ] || chrt -r -p 1 $$

X264=(-c:v libx264 -preset veryfast -tune zerolatency -profile:v high -threads 1 -bf 0 -sc_threshold 0 -forced-idr 1
	-force_key_frames 'expr:gte(t,n_forced)' -g 9999)

# rates N: of output N of ffmpeg's, as the rungs have them.
rates() {
	local rate
	rate=$(sed -n "$(($1 + 1))p" <<<$'2800\n1400\n800')
	echo -b:v:"$1" "${rate}k" -maxrate:v:"$1" "${rate}k" -bufsize:v:"$1" "$((rate * 3 / 4))k"
}

# cpu NAME COMMAND...: user and system seconds go to CPU.
cpu() {
	local TIMEFORMAT='%U %S'
	{ time "${@:2}" 2>"$TMP/$1.err"; } 2>"$TMP/$1.time" || fail "$1: $(tail -n 3 "$TMP/$1.err")"
	CPU=$(awk '{ print $1 + $2 }' "$TMP/$1.time")
}

by_ffmpeg() {
	# shellcheck disable=SC2046
	ffmpeg -nostdin -loglevel error -y -i "$TMP/clip.ts" -filter_complex \
		'[0:v]split=3[a][b][c];[a]scale=1280:720[p];[b]scale=854:480[q];[c]scale=640:360[r]' \
		-map '[p]' -map '[q]' -map '[r]' -map 0:a "${X264[@]}" $(rates 0) $(rates 1) $(rates 2) -c:a aac -b:a 128k \
		-f nut "$TMP/ffmpeg.nut"
}

by_gex() {
	"$bin" -q -S video.cascade="${1:-yes}" -i "$TMP/clip.ts" -r 720p,2.8M -r 480p,1.4M -r 360p,800k -o "$TMP/gex.nut"
}

# ssim FILE N WxH: of rung N (brightness, all), against the clip scaled with the best that swscale has, told where H.264 has the
# colours if it does not say; by itself swscale shifts them, and a scaler that does not would be blamed for it.
ssim() {
	local at=in_h_chr_pos=0:in_v_chr_pos=128:out_h_chr_pos=0:out_v_chr_pos=128
	ffmpeg -nostdin -hide_banner -i "$1" -i "$TMP/clip.ts" -lavfi \
		"[0:v:$2]setpts=N/30/TB[a];[1:v]scale=$3:flags=lanczos+accurate_rnd:$at,setpts=N/30/TB[b];[a][b]ssim" -f null - 2>&1 |
		sed -n 's/.*SSIM Y:\([0-9.]*\).*All:\([0-9.]*\).*/\1 \2/p'
}

# rate NAME N: kbit/s of rung N.
rate() {
	ffprobe -v quiet -select_streams "v:$2" -show_entries packet=size -of csv=p=0 "$TMP/$1.nut" |
		awk -v s="$SECONDS_OF_CLIP" '{ b += $1 } END { printf "%.0f", b * 8 / s / 1000 }'
}

line() {
	printf '%-34s %10s %10s %8s\n' "$1" "$2" "$3" "$(awk -v a="$2" -v b="$3" 'BEGIN { printf "%.3f", (b ? a / b : 0) }')"
}

cpu_and_ssim() {
	local ours=() theirs=() alone=() size y all their_y their_all n=0
	ffmpeg -nostdin -loglevel error -f lavfi -i mandelbrot=s=1920x1080:r=30 -f lavfi -i sine -t "$SECONDS_OF_CLIP" -pix_fmt yuv420p \
		-c:v libx264 -preset veryfast -b:v 8M -g 60 -bf 2 -c:a aac "$TMP/clip.ts"

	for ((i = 0; i < RUNS; i++)); do
		cpu ffmpeg by_ffmpeg
		theirs+=("$CPU")
		cpu gex by_gex no
		alone+=("$CPU")
		cp "$TMP/gex.nut" "$TMP/alone.nut"
		cpu gex by_gex
		ours+=("$CPU")
	done
	printf '%-34s %10s %10s %8s\n' figure gex ffmpeg ratio
	line "CPU of the ladder, s (<= 0.85)" "$(median "${ours[@]}")" "$(median "${theirs[@]}")"
	line "  each rung from the source" "$(median "${alone[@]}")" "$(median "${theirs[@]}")"
	for size in 1280x720 854x480 640x360; do
		read -r y all <<<"$(ssim "$TMP/gex.nut" $n ${size/x/:})"
		read -r their_y their_all <<<"$(ssim "$TMP/ffmpeg.nut" $n ${size/x/:})"
		line "SSIM of $size, brightness (>= 1)" "$y" "$their_y"
		line "SSIM of $size, all (>= 1)" "$all" "$their_all"
		read -r y all <<<"$(ssim "$TMP/alone.nut" $n ${size/x/:})"
		line "  each rung from the source" "$all" "$their_all"
		line "kbit/s of $size" "$(rate gex $n)" "$(rate ffmpeg $n)"
		n=$((n + 1))
	done
}
[ "$RUNS" = 0 ] || cpu_and_ssim
[ "$DELAY" ] || exit 0

# ---- delay ----
# What a frame of 360p30 takes from camera to reader, less what it takes without the ladder in between, and less the time that
# decoding, scaling and encoding it took by the tool's own metrics: what the pipeline adds.

mkfifo "$TMP/in.nut" "$TMP/out.nut"
mport=$(free_port "")
read_clock() {
	timeout 60 "$BUILD/tests/media/clock-read" --seconds 10 "$@" >"$TMP/figures"
}
# of PREFIX KEY: a figure that was read.
of() {
	sed -n "s/^$1$2=//p" "$TMP/figures"
}
# delay NAME PREFIX: one line; P50 and P99 in ms.
delay() {
	P50=$(of "$2" latency_p50_ms) P99=$(of "$2" latency_p99_ms)
	printf '%-34s p50 %7.1f  p99 %7.1f  max %7.1f ms\n' "$1" "$P50" "$P99" "$(of "$2" latency_max_ms)"
}
# watch_metrics PID: the last ones of a tool that ends with its reader.
watch_metrics() {
	while kill -0 "$1" 2>/dev/null; do
		curl -sf --max-time 5 -o "$TMP/metrics.new" "http://127.0.0.1:$mport/metrics" && mv "$TMP/metrics.new" "$TMP/metrics"
		sleep 1
	done
}
# own: ms for a frame of 360p, by the metrics.
own() {
	awk '
		/^gex_transcode_decode_seconds_total/ { d = $2 }
		/^gex_transcode_input_frames_total/ { n = $2 }
		/^gex_transcode_encode_seconds_sum{rung="360p"}/ { e = $2 }
		/^gex_transcode_encode_seconds_count{rung="360p"}/ { c = $2 }
		END { printf "%.2f", (n ? d / n : 0) * 1000 + (c ? e / c : 0) * 1000 }' "$TMP/metrics"
}
over() {
	awk -v p="$1" -v alone="$2" -v own="$3" 'BEGIN { printf "%.1f", p - alone - own }'
}
live_source direct "$TMP/in.nut"
read_clock --format nut "$TMP/in.nut"
live_stop direct
delay "delay: the source alone" ""
source=$P50
live_source live "$TMP/in.nut"
spawn -i "$TMP/in.nut" -o "$TMP/out.nut" xcode "$bin" -m "127.0.0.1:$mport" -i - -r 360p -r 240p -r 144p -o -
read_clock --all --format nut "$TMP/out.nut" &
watch_metrics $!
wait $!
own=$(own)
live_stop live
wait_exit xcode 10
delay "delay: through gex, 360p" 360p.
printf '%-34s %7.2f ms\n' "  its own decoding and encoding" "$own"
printf '%-34s p50 %7s  p99 %7s ms\n' "  beyond that (p50 <= 25, p99 <= 60)" "$(over "$P50" "$source" "$own")" "$(over "$P99" "$source" "$own")"
live_source again "$TMP/in.nut"
# shellcheck disable=SC2046
spawn -i "$TMP/in.nut" -o "$TMP/out.nut" ff ffmpeg -nostdin -loglevel error -f nut -flags low_delay -probesize 32768 -analyzeduration 0 \
	-fpsprobesize 0 -i - -filter_complex '[0:v]split=3[a][b][c];[b]scale=426:240[q];[c]scale=256:144[r]' -map '[a]' -map '[q]' \
	-map '[r]' -map 0:a -copyts "${X264[@]}" $(rates 2 | sed s/:2/:0/g) -b:v:1 400k -b:v:2 200k -c:a aac -flush_packets 1 \
	-max_interleave_delta 1 -f nut -
read_clock --all --format nut "$TMP/out.nut"
live_stop again
wait_exit ff 10
delay "delay: through ffmpeg, 360p" 0.
printf '%-34s p50 %7s  p99 %7s ms\n' "  beyond gex's decoding and encoding" "$(over "$P50" "$source" "$own")" "$(over "$P99" "$source" "$own")"
