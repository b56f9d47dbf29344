#!/bin/bash
# Streams between two machines: SRT in rendezvous mode, and multicast from one sender only.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=netlib.sh
. "$(dirname "$0")/netlib.sh"
# shellcheck source=../cli/streamlib.sh
. "$(dirname "$0")/../cli/streamlib.sh"
need ffmpeg

relay=$BUILD/tests/media/relay
PACE='' live 20 mpegts "$TMP/clip.ts"
net_up
link_up --delay 10ms

# Neither side listens; both call, again and again until they meet.
spawn here in_a "$relay" "$TMP/clip.ts?realtime=1&loop=1" "srt://10.77.0.2:9000?mode=rendezvous"
spawn there in_b "$relay" "srt://10.77.0.1:9000?mode=rendezvous" "$TMP/met.ts"
step "both sides call and meet" wait_log there "source is here" 20
stop there
stop here

in_a ip route add 232.0.0.0/8 dev lo
spawn -r only in_a "$relay" "udp://232.77.7.7:9000?interface=lo&source=10.77.0.1" "$TMP/only.nut"
spawn -r other in_a "$relay" "udp://232.77.7.7:9000?interface=lo&source=10.77.0.99" "$TMP/other.nut"
wait_ready only
wait_ready other
spawn sender in_a "$relay" "$TMP/clip.ts?realtime=1&loop=1" "udp://232.77.7.7:9000?interface=lo"
step "the sender that is asked for" wait_log only "source is here from 10.77.0.1" 15
not_here() {
	! grep -q 'source is here' "$TMP/other.log"
}
step "and no other" not_here
