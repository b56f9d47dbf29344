#!/bin/bash
# timeout: 1800
# Glass to glass at the far end of a bad long-distance link, 100 ms of round trip, 1 % loss each way and 50 Mbit/s: the same
# player in Chromium through gex-listen and gex-endpoint, and by TCP as it is. Camera, ffmpeg, gex-transcode and gex-package
# are at one end, Chromium at the other; the clock is read off the picture.
#
#   tests/bench/watch-wan.sh [-s SECONDS] [-n RUNS] [-r ROW,ROW...] [-w COMMAND]   of one row (180); of each row, all are
#       printed (1); hls, dash, hls-tcp, dash-tcp (all); COMMAND before each run, such as `flock FILE`
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../net/netlib.sh"
. "$(dirname "$0")/../media/live.sh"
. "$(dirname "$0")/../browser/rig.sh"
need openssl
watch=$(dirname "$0")/../browser/watch.mjs

SECONDS_EACH=180 RUNS=1 ROWS=hls,dash,hls-tcp,dash-tcp WITH=
while getopts s:n:r:w: opt; do
	case $opt in
	s) SECONDS_EACH=$OPTARG ;;
	n) RUNS=$OPTARG ;;
	r) ROWS=$OPTARG ;;
	w) WITH=$OPTARG ;;
	*) exit 64 ;;
	esac
done

core=10.77.0.2 sock=$TMPDIR/live.sock
[ -z "${BENCH_FIRST-}" ] || chrt -r -p 1 $$
net_up
link_up --delay 50ms --loss 1% --rate 50M --seed 1
openssl rand -hex 32 >"$TMP/key"
chmod 600 "$TMP/key"

spawn -r transcoder in_b "$BUILD/gex-transcode" -i 'srt://:9000?latency=20ms' -r 360p -r 240p -o "unix:$sock"
spawn -r packager in_b "$BUILD/gex-package" -i "unix:$sock" -l "http://$core:8080" -S package.latency=400ms
spawn -r endpoint in_b "$BUILD/gex-endpoint" -l "$core:7000" -k "$TMP/key" -b "player=tcp:$core:8080"
spawn -r listen in_a "$BUILD/gex-listen" -e "$core:7000" -k "$TMP/key" -l tcp:127.0.0.1:8080=player
for part in transcoder packager endpoint listen; do wait_ready "$part"; done
LIVE_IN=in_b live_source live 'srt://127.0.0.1:9000?latency=20000'
ready() {
	in_a curl -sf -o /dev/null http://127.0.0.1:8080/live/index.m3u8
}
retry 30 ready || fail "no playlist"

# get KEY: a figure of the last watch.
get() {
	sed -n "s/^$1=//p" "$TMP/figures"
}

# busy: processor time in hundredths that was used and that there was, of the machine.
busy() {
	awk '$1 == "cpu" { for (i = 2; i <= 9; i++) all += $i; print all - $5 - $6, all }' /proc/stat
}

# row NAME TEXT MUST URL: RUNS times. MUST 0: nothing is required, it is what there would be without us.
row() {
	local i before after
	[[ ,$ROWS, == *,$1,* ]] || return 0
	for ((i = 0; i < RUNS; i++)); do
		read -ra before < <(busy)
		# shellcheck disable=SC2086
		patiently $((SECONDS_EACH + 120)) $WITH ip netns exec "$NET_A" node "$watch" --seconds "$SECONDS_EACH" --settle 10 "$4" \
			>"$TMP/figures" 2>"$TMP/watch.err" || true
		read -ra after < <(busy)
		awk -v t="$2" -v m="$3" -v p50="$(get latency_p50_ms)" -v p95="$(get latency_p95_ms)" -v st="$(get stalls)" \
			-v ms="$(get stall_ms)" -v e="$(get fatal_errors)" -v h="$(get heights)" \
			-v b=$((100 * (after[0] - before[0]) / (after[1] - before[1]))) 'BEGIN {
			printf "%-32s %7s %7s %7s %6s %8s %6s %8s %7s  %s\n", t, p50, m ? m : "-", p95, st, ms, e, h, b "%",
				(!m ? "" : p50 != "" && p50 <= m && st == 0 && e == 0 ? "ok" : "SHORT") }'
	done
}

printf '%-32s %7s %7s %7s %6s %8s %6s %8s %7s\n' "player" "p50 ms" must "p95 ms" stalls "stall ms" fatal heights cores
row hls "hls.js, through the accelerator" 1300 http://127.0.0.1:8080/live/
row hls-tcp "hls.js, by TCP" 0 "http://$core:8080/live/"
row dash "dash.js, through the accelerator" 900 "http://127.0.0.1:8080/live/?player=dash"
row dash-tcp "dash.js, by TCP" 0 "http://$core:8080/live/?player=dash"
live_stop live
