#!/bin/bash
# timeout: 1800
#
# The main job. Two regions, joined by a bad long-distance link: 100 ms of round trip, 1 % loss each way, 50 Mbit/s.
#
#   region a: users                      region b: core
#   ffmpeg ─SRT─ gex-listen ══ tunnel 1 ══ gex-endpoint ── gex-transcode ── unix socket ┬ gex-package
#                                                                                      ├ gex-record
#                                                                                      └ gex-restream ── nginx-rtmp
#   Chromium ─── gex-listen ══ tunnel 2 ══ gex-endpoint ── gex-package
#   curl ─────── gex-listen ══ tunnel 2 ══ gex-endpoint ── nginx
#
# Here it has to work at all: it plays, bytes are the same, what is killed comes back and takes nothing else with it. What
# it reaches are figures: `make bench-job` looks for longer and fails where they fall short.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/netlib.sh"
. "$(dirname "$0")/../media/live.sh"
need ffmpeg ffprobe chromium node nginx curl openssl
[ -e /usr/lib/nginx/modules/ngx_rtmp_module.so ] || skip "needs nginx's RTMP module"

CORE=10.77.0.2 SOCK=$TMP/live.sock
WAN=(--delay 50ms --loss 1% --rate 50M --seed 1)
RTT_MS=100 RATE=50000000
LOOK_S=15 FILE_MB=20
[ -z "${GEX_FIGURES-}" ] || LOOK_S=60 FILE_MB=100

net_up
link_up "${WAN[@]}"
openssl rand -hex 32 >"$TMP/key"
chmod 600 "$TMP/key"
mkdir -p "$TMP/www/up" "$TMP/dvr" "$TMP/nginx"
head -c ${FILE_MB}000000 /dev/urandom >"$TMP/www/big"
head -c 1024 /dev/urandom >"$TMP/www/1KB"

cat >"$TMP/nginx.conf" <<EOF
daemon off;
user root;
worker_processes 1;
pid $TMP/nginx/pid;
error_log $TMP/nginx/error.log;
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
events { worker_connections 256; }
rtmp { server { listen 127.0.0.1:1935; application live { live on; } } }
http {
	access_log off;
	client_body_temp_path $TMP/nginx/body;
	client_max_body_size 200m;
	server {
		listen 127.0.0.1:8081;
		root $TMP/www;
		location /up/ { dav_methods PUT; }
	}
}
EOF

# ---- the parts of the chain, each in a function so that it can be started again ----

start_origin() { spawn origin in_b nginx -e "$TMP/nginx/error.log" -c "$TMP/nginx.conf"; }
start_endpoint_up() {
	spawn -r endpoint_up in_b "$BUILD/gex-endpoint" -l "$CORE:7000" -k "$TMP/key" -b ingest=udp:127.0.0.1:9000
}
start_endpoint_view() {
	spawn -r endpoint_view in_b "$BUILD/gex-endpoint" -l "$CORE:7001" -k "$TMP/key" \
		-b player=tcp:127.0.0.1:8080 -b web=tcp:127.0.0.1:8081
}
start_listen_up() {
	spawn -r listen_up in_a "$BUILD/gex-listen" -e "$CORE:7000" -k "$TMP/key" -l udp:127.0.0.1:9000=ingest
}
start_listen_view() {
	spawn -r listen_view in_a "$BUILD/gex-listen" -e "$CORE:7001" -k "$TMP/key" \
		-l tcp:127.0.0.1:8080=player -l tcp:127.0.0.1:8081=web
}
start_transcode() {
	spawn -r transcode in_b "$BUILD/gex-transcode" -i 'srt://:9000?latency=400ms' -m 127.0.0.1:9101 \
		-r 360p -r 240p -r 144p -o "unix:$SOCK"
}
start_package() {
	spawn -r package in_b "$BUILD/gex-package" -i "unix:$SOCK" -l http://127.0.0.1:8080 -m 127.0.0.1:9102 \
		-S package.part=333ms
}
start_record() { spawn -r record in_b "$BUILD/gex-record" -i "unix:$SOCK" -r 360p -d "$TMP/dvr"; }
start_restream() {
	spawn -r restream in_b "$BUILD/gex-restream" -i "unix:$SOCK" -r 360p -o rtmp://127.0.0.1:1935/live/copy
}
# ffmpeg ends when its SRT connection does, so it is run as people run it: again and again.
start_encoder() { LIVE_IN=in_a live_source live 'srt://127.0.0.1:9000?latency=400000'; }

PARTS=(origin endpoint_up endpoint_view listen_up listen_view transcode package record restream)

all_alive() {
	local p
	for p in "${PARTS[@]}"; do
		[ "$p" = "${1-}" ] || alive "$p" || fail "$p has ended${1:+ when $1 was killed}"
	done
}

# ---- start ----

for part in "${PARTS[@]}"; do
	"start_$part"
	[ "$part" = origin ] || wait_ready "$part"
done
start_encoder

# get FILE KEY: a figure of an account of key=value lines.
get() {
	sed -n "s/^$2=//p" "$1" | tail -n 1
}

# ---- the picture ----

# Machines are noisy: when a minute falls short of its figures, two more are watched, and the medians count.
look() {
	spawn -o "$TMP/look" watch in_a node tests/browser/watch.mjs --seconds $LOOK_S --settle 10 \
		--screenshot "$TMP/player.png" http://127.0.0.1:8080/live/
	wait_exit watch $((LOOK_S + 60))
	cat "$TMP/look"
	[ "$STATUS" = 0 ] || fail "the browser saw nothing: status $STATUS"
	at_least "frames shown" "$(get "$TMP/look" frames)" 2
	at_most "requests to another host" "$(get "$TMP/look" foreign)" 0
	stalls+=("$(get "$TMP/look" stalls)") p50s+=("$(get "$TMP/look" latency_p50_ms)")
}
stalls=() p50s=()
look
if [ -n "${GEX_FIGURES-}" ] && [ "${stalls[0]}" != 0 ]; then
	echo "note: ${stalls[0]} stalls, $(get "$TMP/look" stall_ms) ms; two more looks"
	look
	look
fi
figure "glass to glass in Chromium, p50, ms" "$(median "${p50s[@]}")" at_most 2500
figure "stalls after the first 10 s" "$(median "${stalls[@]}")" at_most 0
figure "fatal player errors" "$(get "$TMP/look" fatal_errors)" at_most 0
all_alive

# ---- the rungs ----

read_rungs() {
	patiently 30 in_b "$BUILD/tests/media/clock-read" --seconds 8 --all --key-frames \
		"unix:$SOCK" >"$TMP/rungs"
}
step "the three rungs are read" read_rungs
cat "$TMP/rungs"
same_keys "$TMP/rungs" 360p 240p 144p
for rung in 360p 240p 144p; do
	figure "$rung: unreadable frames" "$(get "$TMP/rungs" "$rung.unreadable")" at_most 0
	figure "$rung: A/V offset, ms" "$(get "$TMP/rungs" "$rung.av_offset_worst_ms" | tr -d -)" at_most 40
done
SOCKET_LATENCY=$(get "$TMP/rungs" 360p.latency_p50_ms)
SOCKET_LATENCY=${SOCKET_LATENCY%.*}

# ---- the copy ----

read_copy() {
	patiently 30 in_b ffprobe -v error -rw_timeout 60000000 -show_entries stream=codec_name,width,height \
		-of csv=p=0 rtmp://127.0.0.1:1935/live/copy >"$TMP/copy"
}
step "ffprobe reads the copy at nginx" read_copy
grep -q h264,640,360 "$TMP/copy" || fail "the copy is $(cat "$TMP/copy")"
grep -q aac "$TMP/copy" || fail "the copy has no sound: $(cat "$TMP/copy")"

# ---- each tool killed and started again; nobody else is touched ----

last_recording() {
	find "$TMP/dvr" -name '*.mp4' | sort | tail -n 1
}

# newest_shown: the clock of the newest frame that the page has shown, of the watch's own progress lines.
newest_shown() {
	sed -n 's/.*\bclock_ms=\([0-9]*\).*/\1/p' "$TMP/progress" | tail -n 1
}

# plays_steadily: has the page shown frames all the time for the last 4 s? Without figures: at all?
plays_steadily() {
	if [ -z "${GEX_FIGURES-}" ]; then
		shows_after "$STEADY_FROM"
	else
		tail -n 16 "$TMP/progress" | grep -c ' frames=[1-9]' | grep -qx 16
	fi
}

shows_after() {
	# The encoder is run as people run it: again, whenever it ended.
	alive live-encoder || restart_encoder
	[ "0$(newest_shown)" -gt "$1" ]
}

restart_encoder() {
	local p
	for p in live-camera live-encoder; do
		[ -z "${PID[$p]-}" ] || stop "$p" 5
	done
	start_encoder
}

copy_is_live() {
	in_b timeout $((4 * PATIENCE)) "$BUILD/tests/media/clock-read" --seconds 0 --timeout 3 rtmp://127.0.0.1:1935/live/copy >"$TMP/copy" &&
		[ "$(get "$TMP/copy" last_ms)" -gt "$1" ]
}

recording_is_live() {
	local f
	f=$(last_recording)
	[ "$f" != "$2" ] && [ "$(stat -c %Y "$f")" -ge $(($1 / 1000)) ] && [ "$(stat -c %s "$f")" -gt 10000 ]
}

spawn -o "$TMP/progress" watch in_a node tests/browser/watch.mjs --seconds 1500 --progress http://127.0.0.1:8080/live/
retry 30 shows_after 0 || fail "the page does not play"

# kill_and_start PART: sets TOOK to the milliseconds from its kill -9 to the first sign of new life at the chain's end.
kill_and_start() {
	local part=$1 at
	STEADY_FROM=$(now_ms)
	retry 30 plays_steadily || fail "the page does not play steadily before $part is killed"
	recorded=$(last_recording)
	at=$(now_ms)
	kill9 "$part"
	"start_$part"
	case $part in
	record) retry 10 recording_is_live "$at" "$recorded" || fail "no new recording" ;;
	restream) retry 10 copy_is_live "$at" || fail "the copy does not come back" ;;
	*) retry 20 shows_after "$at" || fail "the page does not play again after $part was killed" ;;
	esac
	TOOK=$(($(now_ms) - at)) KILLED_AT=$at
}

# The recorder first: its file is looked at below, and what the tunnels lose while they are down would be in it.
for part in record restream endpoint_up endpoint_view listen_up listen_view transcode package; do
	kill_and_start "$part"
	if [ -n "${GEX_FIGURES-}" ] && [ "$TOOK" -gt 5000 ]; then
		echo "note: $part: plays again after $TOOK ms; twice more, the median counts"
		took=("$TOOK")
		for _ in 1 2; do
			kill_and_start "$part"
			took+=("$TOOK")
		done
		TOOK=$(median "${took[@]}")
	fi
	echo "ok - $part was killed and started again, and the chain plays"
	figure "$part killed and started again: plays again after, ms" "$TOOK" at_most 5000
	all_alive "$part"
	[ "$part" != record ] || killed_recording=$recorded killed_at=$KILLED_AT
done
stop watch

# ---- what the killed recorder left ----

step "the recording plays" ffprobe -v error -show_entries format=duration -of csv=p=0 "$killed_recording"
"$BUILD/tests/media/clock-read" "$killed_recording" >"$TMP/recording"
figure "recording: unreadable frames" "$(get "$TMP/recording" unreadable)" at_most 0
figure "recording: lost at its end, ms" \
	$((killed_at - SOCKET_LATENCY - $(get "$TMP/recording" last_ms))) at_most 1000

# ---- an application beside it ----

for part in live-camera live-encoder; do stop "$part" || true; done

mbit() {
	awk -v b="$1" 'BEGIN { printf "%.1f", b * 8 / 1000000 }'
}

down() {
	patiently 60 in_a curl -sSf -o "$TMP/down" -w '%{speed_download}' http://127.0.0.1:8081/big >"$TMP/speed"
}
up() {
	patiently 60 in_a curl -sSf -T "$TMP/www/big" -w '%{speed_upload}' http://127.0.0.1:8081/up/big >"$TMP/speed"
}
step "$FILE_MB MB down" down
same_file "$TMP/www/big" "$TMP/down"
figure "$FILE_MB MB down, Mbit/s" "$(mbit "$(cat "$TMP/speed")")" at_least "$(mbit $((RATE * 7 / 80)))"
step "$FILE_MB MB up" up
same_file "$TMP/www/big" "$TMP/www/up/big"
figure "$FILE_MB MB up, Mbit/s" "$(mbit "$(cat "$TMP/speed")")" at_least "$(mbit $((RATE * 7 / 80)))"

fetches=()
for _ in {1..15}; do
	fetches+=("$(in_a curl -sSf -o "$TMP/small" -w '%{time_total}' http://127.0.0.1:8081/1KB)")
	cmp "$TMP/small" "$TMP/www/1KB"
done
figure "1 KB fetch on a new connection, median of 15, ms" \
	"$(median "${fetches[@]}" | awk '{ print $1 * 1000 }')" at_most $((RTT_MS + 10))
