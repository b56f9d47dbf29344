#!/bin/bash
# timeout: 900
# Many players of LL-HLS at once (hls-crowd): how late the parts come to them, what each costs the server, and how many
# there may be before the latest of a hundred parts comes more than 50 ms late. Three renditions, parts of 0.2 s.
#
#   tests/bench/package-play.sh [-d SECONDS] [-p PLAYERS] [-r ROW,ROW...] [-m]
#
# -d 8, of one measurement; -p 2000; -m: and the most that may play, by each row; -r: those of
#   h1, h2, h1s, h2s     HTTP/1.1 and HTTP/2, in clear and by TLS: each player waits for its playlist and then asks for the part,
#                        as hls.js does
#   h1+, h2+, h1s+, h2s+ the same for players who ask for the hinted part too and wait for both, as Apple's do (RFC 8216bis,
#                        section 6.2.6); those who take low latency only by HTTP/2 and TLS
#   sound                h1, and the sound, which doubles the requests
# BENCH_FIRST=1: what is measured goes before what else the machine does, by the scheduler's real-time class.
#
# The server has a core, the players have the others. On loopback a send runs the receiver's half of TCP before it returns, so
# the server's core does what the players' machines would with its answers, and theirs what it would with their requests. The one
# is about as much as the other: with two namespaces, a veth pair and NAPI threads that have each side receive on its own
# core, a part costs the server 29 us instead of 28.
#
# "read" is what of a part's lateness the players themselves are to blame for: its playlist and it lay there before they were
# read. The server is given no credit for it, but where it is large, or a part costs the players more time than
# the server, the figure is theirs.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg openssl curl taskset

SECONDS_EACH=8 PLAYERS=2000 ROWS=h1,h2,h1s,h2s,h1+,h2s+,sound MOST=""
while getopts d:p:r:m opt; do
	case $opt in
	d) SECONDS_EACH=$OPTARG ;;
	p) PLAYERS=$OPTARG ;;
	r) ROWS=$OPTARG ;;
	m) MOST=1 ;;
	*) exit 64 ;;
	esac
done
ulimit -n "$(ulimit -Hn)"

# The server has core 0 for itself, the players have the others, or share it where there is only one.
CORES=$([ "$(nproc)" -gt 1 ] && echo "1-$(($(nproc) - 1))" || echo 0)
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
	curl -fsS "http://127.0.0.1:$port/live/index.m3u8"
}
# spent NAME: nanoseconds of processor time so far.
spent() {
	cut -d' ' -f1 "/proc/${PID[$1]}/schedstat"
}

# a_part NANOSECONDS MS PLAYERS ROW: of that time, microseconds for each part that they got.
a_part() {
	awk -v ns="$1" -v ms="$2" -v n="$3" -v f="$([ "$4" = sound ] && echo 2 || echo 1)" 'BEGIN { printf "%.1f", ns / (n * f * ms / 200) / 1000 }'
}

# play ROW PLAYERS: so many of them; hls-crowd's account is in $TMP/crowd.log, MEMORY (kB a player), COST and THEIRS (microseconds
# of processor time a part, of the server and of the players) are set.
play() {
	local scheme=http options=() before here theirs start
	case $1 in h2*) options=(-2) ;; sound) options=(-a audio) ;; esac
	case $1 in h?s*) scheme=https ;; esac
	case $1 in *+) options+=(-H) ;; esac
	spawn -r packager taskset -c 0 "$BUILD/gex-package" -i "file:$TMP/source.nut?realtime=1" -l http://127.0.0.1:0 \
		-l https://127.0.0.1:0 -S "http.certificate=$TMP/cert.pem" -S "http.key=$TMP/key.pem" -S http.max_connections=100000
	wait_ready packager
	port=$(sed -n "s|.*serving http://127.0.0.1:\([0-9]*\)/.*|\1|p" "$TMP/packager.log")
	retry 30 there || fail "no playlist"
	before=$(rss)
	[ "$scheme" = http ] || port=$(sed -n "s|.*serving https://127.0.0.1:\([0-9]*\)/.*|\1|p" "$TMP/packager.log")
	spawn crowd taskset -c "$CORES" "$BUILD/tests/bench/hls-crowd" -n "$2" -w 6s -t "${SECONDS_EACH}s" \
		"${options[@]}" "$scheme://127.0.0.1:$port/live" 360p 240p 180p
	sleep 6 # they come in
	here=$(spent packager) theirs=$(spent crowd) start=$(now_ms)
	sleep $((SECONDS_EACH - 1))
	start=$(($(now_ms) - start))
	COST=$(a_part $(($(spent packager) - here)) $start "$2" "$1")
	THEIRS=$(a_part $(($(spent crowd) - theirs)) $start "$2" "$1")
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
		-v ok="$(holds && echo ok || echo SHORT)" -v l="$COST" -v h="$THEIRS" -v m="$MEMORY" -v r="$(got read_p99)" \
		-v bytes="$(got bytes)" -v s="$SECONDS_EACH" 'BEGIN { printf "%-18s %7.1f %7.1f %7.1f %-6s %7.1f %6d %7d %7.0f %7.1f %7.1f %6.1f\n",
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
	printf '%-18s %7s %7s %7s %-6s %7s %6s %7s %7s %7s %7s %6s\n' "$@"
}
line "late, ms:" p50 p99 max "<=50" "read" failed skipped Mbit/s server players "kB"
line "" "" "" "" "" p99 "" "" "" "us/part" "us/part" "each"
for r in ${ROWS//,/ }; do row "$r"; done
[ -z "$MOST" ] || for r in ${ROWS//,/ }; do most "$r"; done
