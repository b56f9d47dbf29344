#!/bin/bash
# timeout: 1200
# Glass to glass on this machine, as viewers see it: a camera at 640x360p30, ffmpeg, gex-transcode (360p, 240p), gex-package,
# and one player after the other in Chromium; the clock is read off the picture.
#
#   tests/bench/watch.sh [-s SECONDS] [-n RUNS] [-r ROW,ROW...] [-w COMMAND]   of one row (60); of each row, all are printed
#       (1); hls, dash, mp4, plain-hls, plain-dash, shaka (all); COMMAND before each run, such as `flock FILE`
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
. "$(dirname "$0")/../browser/rig.sh"
watch=$(dirname "$0")/../browser/watch.mjs

SECONDS_EACH=60 RUNS=1 ROWS=hls,dash,mp4,plain-hls,plain-dash,shaka WITH=
while getopts s:n:r:w: opt; do
	case $opt in
	s) SECONDS_EACH=$OPTARG ;;
	n) RUNS=$OPTARG ;;
	r) ROWS=$OPTARG ;;
	w) WITH=$OPTARG ;;
	*) exit 64 ;;
	esac
done
srt=$(free_port udp)
port=$(free_port tcp)
url=http://127.0.0.1:$port/live

ready() {
	curl -sf -o /dev/null "$url/index.m3u8"
}
# The encoder is on this machine: nothing is lost that would have to be sent again.
spawn -r transcoder "$BUILD/gex-transcode" -i "srt://:$srt?latency=20ms" -r 360p -r 240p -o "unix:$TMPDIR/live.sock"
wait_ready transcoder
spawn -r packager "$BUILD/gex-package" -i "unix:$TMPDIR/live.sock" -l "http://127.0.0.1:$port" -m 127.0.0.1:0 \
	-S package.latency=400ms
wait_ready packager
live_source live "srt://127.0.0.1:$srt?latency=20000"
retry 30 ready || fail "no playlist"
metrics=$(sed -n 's|.*\(http://[^ ]*/metrics\)|\1|p' "$TMP/packager.log")

# get KEY: a figure of the last watch.
get() {
	sed -n "s/^$1=//p" "$TMP/figures"
}

# busy: processor time in hundredths that was used and that there was, of the machine.
busy() {
	awk '$1 == "cpu" { for (i = 2; i <= 9; i++) all += $i; print all - $5 - $6, all }' /proc/stat
}

# row NAME TEXT MUST WATCH-ARGUMENT...: one player, RUNS times.
row() {
	local name=$1 text=$2 must=$3 i before after
	shift 3
	[[ ,$ROWS, == *,$name,* ]] || return 0
	for ((i = 0; i < RUNS; i++)); do
		read -ra before < <(busy)
		# shellcheck disable=SC2086
		patiently 120 $WITH node "$watch" --seconds "$SECONDS_EACH" --settle 10 "$@" >"$TMP/figures" 2>"$TMP/watch.err" || true
		read -ra after < <(busy)
		awk -v t="$text" -v m="$must" -v p50="$(get latency_p50_ms)" -v p95="$(get latency_p95_ms)" -v st="$(get stalls)" \
			-v ms="$(get stall_ms)" -v e="$(get fatal_errors)" -v b=$((100 * (after[0] - before[0]) / (after[1] - before[1]))) \
			-v own="$(curl -sf "$metrics" | awk -F'[ ]' '/^gex_package_latency_seconds/ && $2 * 1000 > x { x = $2 * 1000 } END { print x }')" '
			BEGIN { printf "%-26s %7s %7d %7s %6s %8s %6s %8.0f %7s  %s\n", t, p50, m, p95, st, ms, e, own, b "%",
				(p50 != "" && p50 <= m && st == 0 && e == 0 ? "ok" : "SHORT") }'
	done
}

printf '%-26s %7s %7s %7s %6s %8s %6s %8s %7s\n' "player" "p50 ms" "must" "p95 ms" stalls "stall ms" fatal "origin" "cores"
row hls "page, hls.js" 1000 "$url/"
row dash "page, dash.js" 600 "$url/?player=dash"
row mp4 "page, live.mp4 by MSE" 400 "$url/?player=mp4"
row plain-hls "hls.js, speed 1.5" 1500 --player hls "$url/index.m3u8"
row plain-dash "dash.js as it comes" 700 --player dash "$url/manifest.mpd"
row shaka "Shaka, liveSync" 700 --player shaka "$url/manifest.mpd"
live_stop live
