#!/bin/bash
# lib/stream by tests/media/relay (a stream_input fed into stream_sinks): every scheme, readers that come, go and stall, and
# what outsiders may do.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=streamlib.sh
. "$(dirname "$0")/streamlib.sh"
need ffmpeg ffprobe

relay=$BUILD/tests/media/relay
sock=$TMP/live.sock
PACE='' live 4 mpegts "$TMP/four.ts"

# ---- files and pipes ----
step "a file to files" "$relay" "$TMP/four.ts" "$TMP/a.nut" "file:$TMP/a.ts" "$TMP/a.mp4"
for f in a.nut a.ts a.mp4; do
	step "$f has all frames" test "$(frames "$TMP/$f")" = 120
done
# Its index is at the end.
ffmpeg -nostdin -v error -y -i "$TMP/four.ts" -c copy "$TMP/four.mp4"
step "an MP4 to a file" "$relay" "$TMP/four.mp4" "$TMP/d.nut"
step "it has all frames" test "$(frames "$TMP/d.nut")" = 120
"$relay" - - <"$TMP/four.ts" 2>"$TMP/pipe.log" >"$TMP/b.nut"
step "standard input to standard output" test "$(frames "$TMP/b.nut")" = 120
begun=$(now_ms)
step "at the pace of its timestamps" "$relay" "$TMP/four.ts?realtime=1" "$TMP/c.nut"
at_least "milliseconds for four seconds" $(($(now_ms) - begun)) 3700
# Whoever reads standard output goes away: the tool ends, with the status of an output error.
{ "$relay" "$TMP/four.ts?realtime=1&loop=1" - 2>"$TMP/epipe.log" || echo $? >"$TMP/epipe.status"; } |
	head -c 20000 >/dev/null
step "a closed standard output ends it" grep -qx 74 "$TMP/epipe.status"
mkfifo "$TMP/fifo"
spawn fifo "$relay" "$TMP/four.ts?realtime=1&loop=1" "$TMP/fifo"
for i in 1 2; do
	step "reader $i of a FIFO" patiently 10 ffmpeg -nostdin -v error -i "$TMP/fifo" -t 1 -c copy -y "$TMP/fifo$i.nut"
	at_least "its frames" "$(frames "$TMP/fifo$i.nut")" 28
done
stop fifo

# ---- a unix socket ----
mkfifo "$TMP/in"
spawn source live 900 nut "$TMP/in"
spawn -r relay "$relay" "$TMP/in" "unix:$sock"
wait_ready relay
step "nobody else may open it" test "$(stat -c %a "$sock")" = 660
refuse "who comes second is refused" 64 "$relay" "$TMP/four.ts" "unix:$sock"
step "since it is in use" grep -q "another process serves there" "$TMP/refused"
# Who looked whether somebody serves there may have been counted as a reader.
readers() {
	[ "$(grep -c "reader [0-9]* is here" "$TMP/relay.log")" -ge "$1" ]
}
before=$(grep -c "reader [0-9]* is here" "$TMP/relay.log" || true)
spawn stalled sh -c "exec ffmpeg -nostdin -v error -i unix:$sock -c copy -f null -"
spawn goes-on ffmpeg -nostdin -v error -i "unix:$sock" -c copy -y "$TMP/goes-on.nut"
step "two readers" retry 10 readers $((before + 2))
stalled_at=$(now_ms)
kill -STOP "${PID[stalled]}"
# One that joins late begins with a key frame, at once.
begun=$(now_ms)
step "a late reader" patiently 10 ffmpeg -nostdin -v error -i "unix:$sock" -frames:v 1 -y -f image2 "$TMP/late.png"
figure "milliseconds to its first picture" $(($(now_ms) - begun)) at_most 1500
# What becomes of the one that is stopped is seen at the end.

# ---- leftovers and mistakes ----
spawn -r dies "$relay" "$TMP/four.ts?realtime=1&loop=1" "unix:$TMP/left.sock"
wait_ready dies
kill9 dies
step "kill -9 leaves the socket" test -S "$TMP/left.sock"
step "the socket of a dead process is replaced" "$relay" "$TMP/four.ts" "unix:$TMP/left.sock"
echo precious >"$TMP/file"
refuse "a file in the place of the socket is kept" 64 "$relay" "$TMP/four.ts" "unix:$TMP/file"
step "as it was" grep -qx precious "$TMP/file"

# ---- SRT ----
port=$(free_port udp)
printf 'a-long-passphrase\n' >"$TMP/pass"
chmod 600 "$TMP/pass"
spawn -r listener "$relay" "srt://:$port?passphrase_file=$TMP/pass&streamid=cam" "$TMP/srt.ts"
wait_ready listener
refuse "the port is taken" 64 "$relay" "srt://:$port" "$TMP/x.nut"
step "which is said" grep -qi "address already in use" "$TMP/refused"
head -c 20000 /dev/urandom >"$TMP/garbage"
for _ in 1 2 3 4 5; do
	head -c 1400 /dev/urandom >"/dev/udp/127.0.0.1/$port"
done
to="srt://127.0.0.1:$port?connect_timeout=20000"
push() {
	patiently 20 ffmpeg -nostdin -v error -re -i "$TMP/four.ts" -c copy -f mpegts "$1"
}
if push "$to&streamid=cam"; then fail "a publisher without the passphrase is taken"; fi
if push "$to&streamid=cam&passphrase=another-passphrase"; then fail "a wrong passphrase is taken"; fi
if push "$to&streamid=spy&passphrase=a-long-passphrase"; then fail "another stream id is taken"; fi
endless() {
	spawn "$1" ffmpeg -nostdin -v error -re -stream_loop -1 -i "$TMP/four.ts" -c copy -f mpegts \
		"$to&streamid=cam&passphrase=a-long-passphrase"
}
endless publisher
step "the right one is taken" wait_log listener "source is here" 10
if push "$to&streamid=cam&passphrase=a-long-passphrase"; then fail "a second publisher is taken"; fi
step "a second one is told off" grep -q "another one is publishing" "$TMP/listener.log"
stop publisher
step "the end of a publisher is seen" wait_log listener "lost: " 10
# An encoder that has lost its network stands there as a ghost; it does not lock its own return out.
endless ghost
connected() {
	[ "$(grep -c "source is here" "$TMP/listener.log")" -ge "$1" ]
}
step "the next is taken" retry 10 connected 2
kill -STOP "${PID[ghost]}"
step "when it is silent another one takes over" retry 8 push "$to&streamid=cam&passphrase=a-long-passphrase"
step "which is told" grep -q "silent for 2 s; another publisher takes over" "$TMP/listener.log"
kill -KILL "${PID[ghost]}"
wait_exit ghost 5
step "SIGTERM" stop listener 5
at_least "frames of all three" "$(frames "$TMP/srt.ts" 2>/dev/null)" 50

# Fan-out over SRT: two callers, one of them a relay.
spawn -r server "$relay" "$TMP/four.ts?realtime=1&loop=1" "srt://:$port?latency=50ms"
wait_ready server
spawn caller "$relay" "srt://127.0.0.1:$port" "$TMP/called.nut"
step "one caller" patiently 15 ffmpeg -nostdin -v error -i "srt://127.0.0.1:$port" -t 2 -c copy -y "$TMP/caller.ts"
step "the other" wait_log caller "source is here" 10
step "the server ends with callers on it" stop server 5
step "its caller sees that" wait_log caller "lost: " 10
step "and ends" stop caller 5
at_least "frames of the one" "$(frames "$TMP/caller.ts")" 5
figure "frames of the one in 2 s" "$(frames "$TMP/caller.ts")" at_least 50

# ---- RTMP in ----
port=$(free_port tcp)
spawn ingest "$relay" "rtmp://127.0.0.1:$port/live/SECRET" "$TMP/rtmp.ts"
wait_bound tcp "$port"
step "RTMP is taken" patiently 20 ffmpeg -nostdin -v error -re -i "$TMP/four.ts" -t 2 -c copy -f flv \
	"rtmp://127.0.0.1:$port/live/SECRET"
step "its end is seen" wait_log ingest "lost: " 10
step "SIGTERM while it waits for the next" stop ingest 5
at_least "frames over RTMP" "$(frames "$TMP/rtmp.ts" 2>/dev/null)" 55
no_key() {
	! grep -q SECRET "$TMP/ingest.log"
}
step "its key is not in the log" no_key

# ---- UDP ----
port=$(free_port udp)
spawn -r receiver "$relay" "udp://127.0.0.1:$port" "$TMP/udp.nut"
wait_ready receiver
step "UDP out" "$relay" "$TMP/four.ts?realtime=1" "udp://127.0.0.1:$port"
step "UDP in: its end is seen" wait_log receiver "lost: " 10
stop receiver 5
at_least "frames over UDP" "$(frames "$TMP/udp.nut")" 5
figure "frames over UDP of 120" "$(frames "$TMP/udp.nut")" at_least 100

# ---- the reader that was stopped ----
step "the one that is stopped is cut" wait_log relay "reader [0-9]* is cut: too slow" 45
kill -CONT "${PID[stalled]}"
stop stalled || true
kill -INT "${PID[goes-on]}"
wait_exit goes-on 10
lived=$((($(now_ms) - stalled_at) * 30 / 1000))
at_least "frames of the reader that went on" "$(frames "$TMP/goes-on.nut")" 100
figure "of those that were live" "$(frames "$TMP/goes-on.nut")" at_least $((lived - 30))
kill -INT "${PID[relay]}"
wait_exit relay 10
step "status 0 on SIGINT" test "$STATUS" = 0
grep "^sink" "$TMP/relay.log"
step "the cut is counted, and what was dropped" grep -qE "^sink .* dropped [1-9][0-9]* cut 1$" "$TMP/relay.log"
step "the socket file is gone" test ! -e "$sock"
stop source || true
