#!/bin/bash
# Where streams come from: publishers at one SRT port led to their inputs, one that takes over, IPv6.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=streamlib.sh
. "$(dirname "$0")/streamlib.sh"
need ffmpeg ffprobe curl

relay=$BUILD/tests/media/relay
PACE='' live 20 mpegts "$TMP/clip.ts"
printf 'passphrase-of-one\n' >"$TMP/one"
printf 'passphrase-of-two\n' >"$TMP/two"
chmod 600 "$TMP/one" "$TMP/two"

push() {
	${EXEC-} ffmpeg -nostdin -v error -re -stream_loop -1 -i "$TMP/clip.ts" -c copy -f mpegts "$1"
}
# pushed TEXT QUERY: a publisher that is refused ends soon.
refused() {
	spawn stranger push "$to&$2"
	wait_exit stranger 20
	[ "$STATUS" != 0 ] || fail "$1: is taken"
	echo "ok - $1: refused"
}

# ---- two inputs at one port ----
port=$(free_port udp)
mport=$(free_port tcp)
to="srt://127.0.0.1:$port?connect_timeout=20000"
spawn -r two "$BUILD/gex-transcode" -i "srt://:$port?streamid=one&passphrase_file=$TMP/one" \
	-i "srt://:$port?streamid=two&passphrase_file=$TMP/two" -r 144p -o "$TMP/two.nut" -m "127.0.0.1:$mport"
wait_ready two
up() {
	curl -sf --max-time 20 "http://127.0.0.1:$mport/metrics" | grep "^gex_transcode_input_up{input=\"$1\"} 1" >/dev/null
}
down() {
	curl -sf --max-time 20 "http://127.0.0.1:$mport/metrics" | grep "^gex_transcode_input_up{input=\"$1\"} 0" >/dev/null
}
refused "a stream id that nobody has" "streamid=three&passphrase=passphrase-of-one"
refused "the other's passphrase" "streamid=two&passphrase=passphrase-of-one"
spawn b push "$to&streamid=#!::m=publish,r=two&passphrase=passphrase-of-two"
step "the second is led to its input" retry 15 up 2
step "and not to the first" down 1
spawn a push "$to&streamid=one&passphrase=passphrase-of-one"
step "the first to its own" retry 15 up 1
refused "a second publisher" "streamid=one&passphrase=passphrase-of-one"
kill9 a
step "the end of one" retry 10 down 1
step "is not the other's" up 2
spawn a push "$to&streamid=one&passphrase=passphrase-of-one"
step "it comes again" retry 15 up 1
stop two
stop a || true
stop b || true
refuse "two inputs with one stream id" 69 "$BUILD/gex-transcode" -i "srt://:$port" -i "srt://:$port" -r 144p -o "$TMP/never.nut"
grep -q 'different stream ids' "$TMP/refused" || fail "$(cat "$TMP/refused")"

# ---- the last publisher, and IPv6 ----
spawn -r last "$relay" "srt://:$port?publisher=last" "$TMP/last.ts"
wait_ready last
spawn first push "srt://127.0.0.1:$port"
step "the first is taken" wait_log last "source is here" 15
spawn second push "srt://[::1]:$port"
step "the second takes over" wait_log last "another publisher takes over from 127.0.0.1" 15
step "and is heard" wait_log last "source is here from \[::1\]" 15
wait_exit first 15
step "in one line" test "$(grep -c 'takes over' "$TMP/last.log")" = 1
stop last
stop second || true
refuse "source without a group" 64 "$relay" "udp://127.0.0.1:$port?source=127.0.0.1" "$TMP/never.nut"

# ---- RTMP: publishers of FLV ----
rtmp() {
	${EXEC-} ffmpeg -nostdin -v error -re -stream_loop -1 -i "$TMP/clip.ts" -c copy -f flv "$1"
}
# called LOG N: so many publishers have been read.
called() {
	[ "$(grep -c 'source is here' "$TMP/$1.log")" -ge "$2" ]
}
port=$(free_port tcp)
spawn -r keyed "$relay" "rtmp://:$port/live/KEY-OF-ONE" "$TMP/keyed.ts"
wait_ready keyed
# Who says nothing is in nobody's way.
exec {mute}<>"/dev/tcp/127.0.0.1/$port"
spawn on rtmp "rtmp://127.0.0.1:$port/live/KEY-OF-ONE"
step "RTMP is taken" retry 15 called keyed 1
spawn stranger rtmp "rtmp://127.0.0.1:$port/live/KEY-OF-TWO"
wait_exit stranger 20
step "another key is refused" grep -q 'refused: no such stream' "$TMP/keyed.log"
spawn stranger rtmp "rtmp://127.0.0.1:$port/live/KEY-OF-ONE"
wait_exit stranger 20
step "a second publisher is refused" grep -q 'refused: another one is publishing' "$TMP/keyed.log"
step "which does nothing to the first" alive on
kill -STOP "${PID[on]}"
# It is let in for a while, or refused at once.
again() {
	called keyed 2 || EXEC='timeout 5' rtmp "rtmp://127.0.0.1:$port/live/KEY-OF-ONE?token=the-encoders" || called keyed 2
}
step "a silent one is replaced" retry 15 again
step "which is told" grep -q 'silent for 2 s; another publisher takes over' "$TMP/keyed.log"
no_key() {
	! grep -q KEY-OF "$TMP/keyed.log"
}
step "no key is in the log" no_key
kill -KILL "${PID[on]}"
wait_exit on 5
exec {mute}<&-
stop keyed
step "frames of both" test "$(frames "$TMP/keyed.ts" 2>/dev/null)" -gt 30

port=$(free_port tcp)
spawn -r late "$BUILD/gex-transcode" -i "rtmp://:$port?publisher=last" -r 144p -o "$TMP/late.nut"
wait_ready late
spawn first rtmp "rtmp://127.0.0.1:$port/any/first"
step "the first is read" wait_log late ' fps' 15
spawn second rtmp "rtmp://[::1]:$port/any/second"
step "the second takes over" wait_log late "another publisher takes over from 127.0.0.1" 15
step "and is read" wait_log late '\[::1\].*fps' 15
wait_exit first 15
stop late
stop second || true
refuse "RTMPS in" 64 "$relay" "rtmps://:$port/a/b" "$TMP/never.nut"
refuse "a word that is neither" 64 "$relay" "rtmp://:$port/a/b?publisher=any" "$TMP/never.nut"
