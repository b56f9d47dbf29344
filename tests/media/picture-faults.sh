#!/bin/bash
# gex-transcode looks at its source: a black picture is told and, where that is asked for, left for a backup; the source is
# taken back when its picture is.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=metrics.sh
. "$(dirname "$0")/metrics.sh"
need ffmpeg curl

bin=$BUILD/gex-transcode

# source_of NAME FILTER: 320x180 at 25 fps in real time, a key frame each half second, into a FIFO.
source_of() {
	[ -p "$TMP/$1.ts" ] || mkfifo "$TMP/$1.ts"
	spawn "$1" ffmpeg -nostdin -loglevel error -re -f lavfi -i "$2" -c:v libx264 -preset ultrafast -tune zerolatency \
		-g 12 -f mpegts -muxdelay 0 -flush_packets 1 -y "$TMP/$1.ts"
}

mport=$(free_port)
mkfifo "$TMP/a.ts" "$TMP/b.ts"
source_of a "testsrc2=s=320x180:r=25,drawbox=c=black:t=fill:enable='between(t,3,8)'"
source_of b testsrc=s=320x180:r=25
spawn -r on "$bin" -i "$TMP/a.ts" -i "$TMP/b.ts" -r low=320x180@25,300k,preset=ultrafast -o "$TMP/out.nut" \
	-m "127.0.0.1:$mport" -S alerts.black=500ms -S input.black=1s -S input.return=1s
wait_ready on
wait_log on 'a\.ts\] the picture is black' 30
wait_log on 'b\.ts\] is on the air now' 20
wait_log on 'a\.ts\] the picture is not black any more' 30
retry 20 is 'input_active{input="1"}' 1 || fail "the source is not taken back"
step "the alert is over" is 'alert{input="1",kind="black"}' 0
step "it was one" is 'alerts_total{input="1",kind="black"}' 1
stop on
step "status 0 after SIGTERM" test "$STATUS" = 0

# ---- a backup that is no better, known before it is ever on the air ----

stop a
stop b
mkfifo "$TMP/c.ts"
source_of a "testsrc2=s=320x180:r=25,drawbox=c=black:t=fill:enable='between(t,4,10)'"
source_of b color=c=black:s=320x180:r=25
spawn -r bad "$bin" -i "$TMP/a.ts" -i "$TMP/b.ts" -i "$TMP/c.ts" -r low=320x180@25,300k,preset=ultrafast -o "$TMP/bad.nut" \
	-m "127.0.0.1:$mport" -S alerts.black=500ms -S input.black=1s -S input.return=1s
wait_ready bad
wait_log bad 'b\.ts\] the picture is black' 30
wait_log bad 'a\.ts\] the picture is black' 30
wait_log bad 'a\.ts\] the picture is not black any more' 30
step "a black one is not left for a black one" test "$(grep -c 'on the air' "$TMP/bad.log")" = 0
kill9 a
source_of c testsrc=s=320x180:r=25
wait_log bad 'c\.ts\] is on the air now' 20
stop bad
step "status 0 after SIGTERM" test "$STATUS" = 0
