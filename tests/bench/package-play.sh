#!/bin/bash
# timeout: 900
# Many players of LL-HLS at once (hls-crowd): how late the parts come to them, what each costs the server, and how many
# there may be before the latest of a hundred parts comes more than 50 ms late. Three renditions, parts of 0.2 s.
#
#   tests/bench/package-play.sh [-d SECONDS] [-p PLAYERS] [-r ROW,ROW...] [-m] [-L]
#
# -d 8, of one measurement; -p 2000; -r h1,h2,h1s,h2s,sound: HTTP/1.1 and HTTP/2, in clear and by TLS, of the picture alone,
# and by HTTP/1.1 with the sound, which doubles the requests; -m: and the most that may play, by each.
# BENCH_FIRST=1: what is measured goes before what else the machine does, by the scheduler's real-time class.
#
# The server has a core, the players have the others, and a cable lies between them (wire.sh: what is charged to whom). -L: on
# loopback, where each side's core does much of the other's work.
#
# Of a part's lateness "read" is what the players themselves are to blame for: its playlist and it lay there before they were
# read. The server is given no credit for it, but where it is large, or the players' core is always busy, the figure is theirs.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=../net/netlib.sh
. "$(dirname "$0")/../net/netlib.sh"
# shellcheck source=wire.sh
. "$(dirname "$0")/wire.sh"
need ffmpeg openssl curl taskset

SECONDS_EACH=8 PLAYERS=2000 ROWS=h1,h2,h1s,h2s,sound MOST="" LOOPBACK=""
while getopts d:p:r:mL opt; do
	case $opt in
	d) SECONDS_EACH=$OPTARG ;;
	p) PLAYERS=$OPTARG ;;
	r) ROWS=$OPTARG ;;
	m) MOST=1 ;;
	L) LOOPBACK=1 ;;
	*) exit 64 ;;
	esac
done
ulimit -n "$(ulimit -Hn)"

# The server has core 0 for itself, the players have the others, or share it where there is only one.
CORES=$([ "$(nproc)" -gt 1 ] && echo "1-$(($(nproc) - 1))" || echo 0)
if [ -n "$LOOPBACK" ]; then
	HOST=127.0.0.1 server=() client=() from=127.0.0.2
else
	wire_up 0 "$CORES"
	HOST=10.77.0.2 server=(in_b) client=(in_a) from=10.78.0.1
fi

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>/dev/null
chmod 600 "$TMP/key.pem"
# The server paces it by its own clock, so that no encoder's jitter is in the figures.
ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=s=640x360:r=30 -f lavfi -i sine=r=48000 \
	-filter_complex '[0:v]split=3[a][b][c];[b]scale=426:240[d];[c]scale=320:180[e]' -map '[a]' -map '[d]' -map '[e]' -map 1:a \
	-c:v libx264 -preset ultrafast -tune zerolatency -g 30 -keyint_min 30 -sc_threshold 0 -b:v:0 800k -b:v:1 400k -b:v:2 250k \
	-c:a aac -b:a 64k -t $((SECONDS_EACH + 60)) -f nut "$TMP/source.nut"
[ -z "${BENCH_FIRST-}" ] || chrt -r -p 1 $$

# rss: the server's memory, in kB.
rss() {
	awk '/^VmRSS/ { print $2 }' "/proc/${PID[packager]}/status"
}
there() {
	"${server[@]}" curl -fsS "http://$HOST:$port/live/index.m3u8"
}
# share HUNDREDTHS MS CORES: of the time of those cores, in percent
share() {
	awk -v t="$1" -v ms="$2" -v c="$3" 'BEGIN { n = split(c, r, "-"); printf "%.0f", t * 1000 / ms / (n > 1 ? r[2] - r[1] + 1 : 1) }'
}

# play ROW PLAYERS: so many of them; hls-crowd's account is in $TMP/crowd.log, MEMORY (kB a player), LOAD and THEIRS (how busy
# the server's core and the players' are, in percent) are set.
play() {
	local scheme=http options=() before busy theirs start
	case $1 in
	h2) options=(-2) ;;
	h1s) scheme=https ;;
	h2s) scheme=https options=(-2) ;;
	sound) options=(-a audio) ;;
	esac
	spawn -r packager "${server[@]}" taskset -c 0 "$BUILD/gex-package" -i "file:$TMP/source.nut?realtime=1" -l "http://$HOST:0" \
		-l "https://$HOST:0" -S "http.certificate=$TMP/cert.pem" -S "http.key=$TMP/key.pem" -S http.max_connections=100000
	wait_ready packager
	port=$(sed -n "s|.*serving http://$HOST:\([0-9]*\)/.*|\1|p" "$TMP/packager.log")
	retry 30 there || fail "no playlist"
	before=$(rss)
	[ "$scheme" = http ] || port=$(sed -n "s|.*serving https://$HOST:\([0-9]*\)/.*|\1|p" "$TMP/packager.log")
	spawn crowd "${client[@]}" taskset -c "$CORES" "$BUILD/tests/bench/hls-crowd" -n "$2" -w 6s -t "${SECONDS_EACH}s" -F "$from" \
		"${options[@]}" "$scheme://$HOST:$port/live" 360p 240p 180p
	sleep 6 # they come in
	busy=$(wire_busy 0) theirs=$(wire_busy "$CORES") start=$(now_ms)
	sleep $((SECONDS_EACH - 1))
	start=$(($(now_ms) - start))
	LOAD=$(share $(($(wire_busy 0) - busy)) $start 0)
	THEIRS=$(share $(($(wire_busy "$CORES") - theirs)) $start "$CORES")
	MEMORY=$(awk -v kb=$(($(rss) - before)) -v n="$2" 'BEGIN { printf "%.1f", kb / n }')
	wait_exit crowd 30
	stop packager
}

# got KEY: of the last account.
got() {
	sed -n "s/^$1=//p" "$TMP/crowd.log" | tail -n 1
}

# holds: was the last run within the limit?
holds() {
	awk -v l="$(got late_p99)" -v f="$(got failed)" -v k="$(got skipped)" 'BEGIN { exit !(l != "" && l <= 50 && f + k == 0) }'
}

# row ROW: one line.
row() {
	local text="$PLAYERS play, $1"
	play "$1" "$PLAYERS"
	awk -v t="$text" -v a="$(got late_p50)" -v b="$(got late_p99)" -v c="$(got late_max)" -v f="$(got failed)" -v k="$(got skipped)" \
		-v ok="$(holds && echo ok || echo SHORT)" -v l="$LOAD" -v h="$THEIRS" -v m="$MEMORY" -v r="$(got read_p99)" \
		-v bytes="$(got bytes)" -v s="$SECONDS_EACH" 'BEGIN { printf "%-18s %7.1f %7.1f %7.1f %-6s %7.1f %6d %7d %7.0f %6d %7d %6.1f\n",
			t, a, b, c, ok, r, f, k, bytes / s / 1e6 * 8, l, h, m }'
}

# most ROW: how many, in steps of a tenth of PLAYERS.
most() {
	local n=$PLAYERS step=$((PLAYERS / 10)) up=0
	play "$1" "$n"
	! holds || up=1
	while [ "$n" -ge "$step" ]; do
		if [ $up = 1 ]; then n=$((n + 2 * step)); else n=$((n - step)); fi
		play "$1" "$n"
		if holds; then
			[ $up = 1 ] || break
		elif [ $up = 1 ]; then
			n=$((n - 2 * step))
			break
		fi
	done
	echo "the most that play by $1 with p99 <= 50 ms: $n"
}

line() {
	printf '%-18s %7s %7s %7s %-6s %7s %6s %7s %7s %6s %7s %6s\n' "$@"
}
line "late, ms:" p50 p99 max "<=50" "read" failed skipped Mbit/s server players "kB"
line "${LOOPBACK:+on loopback}" "" "" "" "" p99 "" "" "" "core %" "cores %" "each"
for r in ${ROWS//,/ }; do row "$r"; done
[ -z "$MOST" ] || for r in ${ROWS//,/ }; do most "$r"; done
