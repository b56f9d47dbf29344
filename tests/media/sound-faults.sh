#!/bin/bash
# gex-transcode listens to its source: silence is told and, where that is asked for, left for a backup; the source is taken back
# when there is sound again. And what packets tell of an encoder.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=metrics.sh
. "$(dirname "$0")/metrics.sh"
need ffmpeg curl

bin=$BUILD/gex-transcode

# source_of NAME FILTER: this sound beside a picture, 25 fps in real time, a key frame each half second, into a FIFO.
source_of() {
	[ -p "$TMP/$1.ts" ] || mkfifo "$TMP/$1.ts"
	spawn "$1" ffmpeg -nostdin -loglevel error -re -f lavfi -i testsrc2=s=160x90:r=25 -re -f lavfi -i "$2" -c:v libx264 \
		-preset ultrafast -tune zerolatency -g 12 -c:a aac -f mpegts -muxdelay 0 -flush_packets 1 -y "$TMP/$1.ts"
}

mport=$(free_port)
source_of a "sine=f=500:r=48000,volume=0.002:enable='between(t,3,8)'"
source_of b sine=f=1000:r=48000
spawn -r on "$bin" -i "$TMP/a.ts" -i "$TMP/b.ts" -r low=160x90@25,100k,preset=ultrafast -o "$TMP/out.nut" \
	-m "127.0.0.1:$mport" -S alerts.silence=500ms -S input.silence=1s -S input.silence_level=-40dB -S input.return=1s
wait_ready on
wait_log on 'a\.ts\] there is no sound' 30
wait_log on 'b\.ts\] is on the air now' 20
wait_log on 'a\.ts\] there is sound again' 30
retry 20 is 'input_active{input="1"}' 1 || fail "the source is not taken back"
step "the alert is over" is 'alert{input="1",kind="silent"}' 0
step "it was one" is 'alerts_total{input="1",kind="silent"}' 1
stop on
step "status 0 after SIGTERM" test "$STATUS" = 0

# ---- what packets tell ----

ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc2=s=160x90:r=25 -t 8 -c:v libx264 -preset ultrafast -bf 2 -g 250 "$TMP/b.mkv"
"$bin" -i "$TMP/b.mkv" -r low=160x90@25,100k,preset=ultrafast -o "$TMP/b.nut" 2>"$TMP/told" || fail "a file"
step "B-frames are told" grep -q 'b\.mkv\] it has B-frames' "$TMP/told"
step "and a long GOP, once" test "$(grep -c 'key frames are far apart' "$TMP/told")" = 1
"$bin" -i "$TMP/b.mkv" -r low=160x90@25,100k,preset=ultrafast -S alerts.gop=0 -S alerts.bframes=no -o "$TMP/b.nut" 2>"$TMP/told"
step "or not" test "$(grep -c warning "$TMP/told")" = 0
