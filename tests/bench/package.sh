#!/bin/bash
# timeout: 900
# The origin beside nginx on the same file and core: requests a second of a small file, bytes a second of a large one, in
# clear and by TLS, HTTP/1.1 (wrk) and HTTP/2 (h2load); and what a player that waits for its playlist costs in memory.
#
#   tests/bench/package.sh [-d SECONDS] [-n RUNS] [-p PLAYERS] [-r ROW,ROW...]
#
# -d 3, of one measurement; -n 3, of each, of which the median is printed; -p 2000, that wait; -r small,large,wait.
# BENCH_FIRST=1: what is measured goes before what else the machine does, by the scheduler's real-time class.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need nginx wrk h2load openssl ffmpeg curl taskset

SECONDS_EACH=3 RUNS=3 PLAYERS=2000 ROWS=small,large,wait
while getopts d:n:p:r: opt; do
	case $opt in
	d) SECONDS_EACH=$OPTARG ;;
	n) RUNS=$OPTARG ;;
	p) PLAYERS=$OPTARG ;;
	r) ROWS=$OPTARG ;;
	*) exit 64 ;;
	esac
done
[ -z "${BENCH_FIRST-}" ] || chrt -r -p 1 $$
ulimit -n "$(ulimit -Hn)"

# The server has core 0 for itself; clients and the source have the others, or share it where there is only one.
SERVER=(taskset -c 0) CLIENT=(taskset -c "$([ "$(nproc)" -gt 1 ] && echo "1-$(($(nproc) - 1))" || echo 0)")

mkdir "$TMP/live"
head -c 4000 /dev/urandom >"$TMP/live/player.css"    # a playlist's size
head -c 1000000 /dev/urandom >"$TMP/live/hls.min.js" # a segment's
for f in player.html player.js; do echo x >"$TMP/live/$f"; done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>/dev/null
chmod 600 "$TMP/key.pem"

clear=$(free_port) secure=$(free_port) h2c=$(free_port)
cat >"$TMP/nginx.conf" <<NGINX
$([ "$(id -u)" != 0 ] || echo "user root;")
daemon off;
worker_processes 1;
worker_cpu_affinity 1;
pid $TMP/nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 10000000;
	open_file_cache max=16;
	ssl_certificate $TMP/cert.pem;
	ssl_certificate_key $TMP/key.pem;
	ssl_protocols TLSv1.2 TLSv1.3;
	ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
	ssl_buffer_size 16k;
	http2_max_requests 10000000;
	client_body_temp_path $TMP/nginx-body;
	proxy_temp_path $TMP/nginx-proxy;
	fastcgi_temp_path $TMP/nginx-fastcgi;
	uwsgi_temp_path $TMP/nginx-uwsgi;
	scgi_temp_path $TMP/nginx-scgi;
	server {
		listen 127.0.0.1:$clear;
		listen 127.0.0.1:$h2c http2;
		listen 127.0.0.1:$secure ssl http2;
		root $TMP;
	}
}
NGINX
spawn nginx "${SERVER[@]}" nginx -c "$TMP/nginx.conf" -p "$TMP"
wait_port 127.0.0.1 "$clear"
spawn -r gex "${SERVER[@]}" "$BUILD/gex-package" -i "udp://127.0.0.1:$(free_port udp)" --share "$TMP/live" \
	-l http://127.0.0.1:0 -l https://127.0.0.1:0 -S "http.certificate=$TMP/cert.pem" -S "http.key=$TMP/key.pem"
wait_ready gex
gex_clear=$(sed -n 's|.*serving http://127.0.0.1:\([0-9]*\)/.*|\1|p' "$TMP/gex.log")
gex_secure=$(sed -n 's|.*serving https://127.0.0.1:\([0-9]*\)/.*|\1|p' "$TMP/gex.log")

# by_wrk URL, by_h2load URL: requests a second.
by_wrk() {
	"${CLIENT[@]}" wrk -t1 -c16 -d"${SECONDS_EACH}s" "$1" | sed -n 's/^Requests\/sec: *//p'
}
by_h2load() {
	"${CLIENT[@]}" h2load -t1 -c8 -m4 -w20 -W24 -D"$SECONDS_EACH" "$1" 2>/dev/null | sed -n 's/^finished in .*, \([0-9.]*\) req\/s.*/\1/p'
}

# worker NAME: the process that serves.
worker() {
	case $1 in
	nginx) cat "/proc/${PID[nginx]}/task/${PID[nginx]}/children" ;;
	*) echo "${PID[$1]}" ;;
	esac
}

# ticks NAME: its processor time so far, in hundredths of a second.
ticks() {
	awk '{ print $14 + $15 }' "/proc/$(worker "$1" | tr -d ' ')/stat"
}

# measure NAME CLIENT URL: requests a second, and microseconds of the server's processor time a request, to RATE and COST.
measure() {
	local before
	before=$(ticks "$1")
	RATE=$("$2" "$3")
	COST=$(awk -v t=$(($(ticks "$1") - before)) -v r="$RATE" -v s="$SECONDS_EACH" 'BEGIN { print t * 1e4 / (r * s) }')
}

# row TEXT CLIENT FACTOR UNIT GEX_URL NGINX_URL: medians side by side. The machine may be busy: processor time tells more.
row() {
	local i gex=() nginx=() gex_us=() nginx_us=()
	for ((i = 0; i < RUNS; i++)); do
		measure gex "$2" "$5"
		gex+=("$RATE") gex_us+=("$COST")
		measure nginx "$2" "$6"
		nginx+=("$RATE") nginx_us+=("$COST")
	done
	awk -v t="$1" -v g="$(median "${gex[@]}")" -v n="$(median "${nginx[@]}")" -v gc="$(median "${gex_us[@]}")" \
		-v nc="$(median "${nginx_us[@]}")" -v f="$3" -v u="$4" 'BEGIN {
		printf "%-24s %8.1f %8.1f %-6s %5.2f  %-5s %8.0f %8.0f us CPU\n", t, g * f, n * f, u, g / n,
			(g / n >= 0.8 ? "ok" : "SHORT"), gc, nc }'
}

# wanted ROW: is it one of those asked for?
wanted() {
	[[ ,$ROWS, == *,$1,* ]]
}

[ "$ROWS" = wait ] || printf '%-24s %8s %8s %-6s %5s  %-5s %8s %8s\n' "served from core 0" gex nginx "" ratio ">=0.8" gex nginx
for size in small large; do
	case $size in
	small) file=player.css what="4 kB" factor=0.001 unit="kreq/s" ;;
	*) file=hls.min.js what="1 MB" factor=1 unit="MB/s" ;;
	esac
	wanted $size || continue
	row "$what, HTTP/1.1" by_wrk $factor $unit "http://127.0.0.1:$gex_clear/live/$file" "http://127.0.0.1:$clear/live/$file"
	row "$what, HTTP/1.1 by TLS" by_wrk $factor $unit "https://127.0.0.1:$gex_secure/live/$file" "https://127.0.0.1:$secure/live/$file"
	row "$what, HTTP/2" by_h2load $factor $unit "http://127.0.0.1:$gex_clear/live/$file" "http://127.0.0.1:$h2c/live/$file"
	row "$what, HTTP/2 by TLS" by_h2load $factor $unit "https://127.0.0.1:$gex_secure/live/$file" "https://127.0.0.1:$secure/live/$file"
done
stop nginx
stop gex

wanted wait || exit 0

# ---- players that wait ----

rss() {
	awk '/^VmRSS/ { print $2 }' "/proc/${PID[$1]}/status"
}

udp=$(free_port udp)
spawn source "${CLIENT[@]}" ffmpeg -nostdin -loglevel error -re -f lavfi -i testsrc2=s=320x180:r=30 -c:v libx264 \
	-preset ultrafast -tune zerolatency -g 30 -keyint_min 30 -sc_threshold 0 -b:v 300k -f mpegts -muxdelay 0 \
	-flush_packets 1 "udp://127.0.0.1:$udp?pkt_size=1316"
spawn -r held "${SERVER[@]}" "$BUILD/gex-package" -i "udp://127.0.0.1:$udp" -l http://127.0.0.1:0 -l https://127.0.0.1:0 \
	-S "http.certificate=$TMP/cert.pem" -S "http.key=$TMP/key.pem" -S package.segment=10s -S package.window=60s \
	-S http.max_per_address=0 -m 127.0.0.1:0
wait_ready held
port=$(sed -n 's|.*serving http://127.0.0.1:\([0-9]*\)/.*|\1|p' "$TMP/held.log")
secure=$(sed -n 's|.*serving https://127.0.0.1:\([0-9]*\)/.*|\1|p' "$TMP/held.log")
metrics=$(sed -n 's|.*\(http://[^ ]*/metrics\)|\1|p' "$TMP/held.log")
there() {
	curl -fsS "http://127.0.0.1:$port/live/180p/index.m3u8"
}
retry 60 there || fail "no playlist"

held() {
	curl -fsS "$metrics" | awk '$1 ~ /^gex_package_held_requests/ { print int($2) }'
}
all_held() {
	[ "$(held)" -ge "$PLAYERS" ]
}

# What the handshakes took has been given back: the server looks twice a second.
settled() {
	local a
	a=$(rss held)
	sleep 1
	[ "$(rss held)" = "$a" ]
}

# crowd TEXT URL H2LOAD_ARG...: what each of them costs while all wait for the end of the next segment.
crowd() {
	local text=$1 before after next
	before=$(rss held)
	next=$(curl -fsS "http://127.0.0.1:$port/live/180p/index.m3u8" | sed -n 's/.*HINT.*URI="\([0-9]*\)\..*/\1/p')
	spawn "crowd" "${CLIENT[@]}" h2load -n "$PLAYERS" -c "$PLAYERS" -m1 "${@:3}" "$2/live/180p/index.m3u8?_HLS_msn=$((next + 1))"
	if retry 18 all_held; then
		retry 2 settled || true
		after=$(rss held)
		awk -v t="$text" -v n="$PLAYERS" -v kb="$((after - before))" 'BEGIN {
			printf "%-34s %10.1f %-17s %6s  %s\n", t, kb / n, "kB a player", "", (kb / n <= 40 ? "ok" : "SHORT") }'
	else
		echo "$text: only $(held) of $PLAYERS were held at once"
	fi
	wait_exit crowd 60
}
crowd "$PLAYERS wait, HTTP/1.1" "http://127.0.0.1:$port" --h1
crowd "$PLAYERS wait, HTTP/2 by TLS" "https://127.0.0.1:$secure"
