#!/bin/bash
# An SRT session through the pair: it outlives both ends of the tunnel, and its caller is told when the listener dies.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"
need ffmpeg srt-live-transmit

new_key "$TMP/key"
T=$(free_port both)
U=$(free_port udp)
S=$(free_port udp)

start_receiver() {
	spawn -o "$TMP/received" receiver srt-live-transmit -a no "srt://127.0.0.1:$S?mode=listener" file://con
	wait_bound udp "$S"
}
start_endpoint() { endpoint endpoint "$T" -b "ingest=udp:127.0.0.1:$S"; }
start_listen() { listener listen "$T" -l "udp:127.0.0.1:$U=ingest"; }
start_sender() {
	spawn sender ffmpeg -hide_banner -nostdin -nostats -loglevel warning -re -f lavfi -i testsrc2=s=320x180:r=30 \
		-c:v libx264 -preset ultrafast -g 30 -f mpegts "srt://127.0.0.1:$U?latency=200000"
}

# arrives: does more come than has come? A second or so of the stream, so that it is not what the receiver still held.
arrives() {
	local size
	size=$(stat -c %s "$TMP/received")
	retry 8 more_than $((size + 40000))
}
more_than() {
	[ "$(stat -c %s "$TMP/received")" -gt "$1" ]
}

start_receiver
start_endpoint
start_listen
start_sender
retry 10 more_than 100000 || fail "nothing arrives"

# SRT itself gives up a session after 5 s without a word: a machine that needs so long to start a tool proves nothing.
for part in listen endpoint; do
	at=$(now_ms)
	kill9 $part
	start_$part
	wait_log endpoint 'up.* over udp$' 3 # over tls for a moment, perhaps, as udp was refused one before
	took=$(($(now_ms) - at))
	[ "$took" -lt 4000 ] || skip "the machine is too busy: $part was started again in $took ms"
	step "the stream goes on after $part was killed" arrives
	alive sender || fail "the sender lost its session when $part was killed"
	alive receiver || fail "the receiver lost its session when $part was killed"
done

at=$(now_ms)
kill9 receiver
wait_exit sender 4
figure "the sender knows that the receiver died after, ms" $(($(now_ms) - at)) at_most 2500
