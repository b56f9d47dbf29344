#!/bin/bash
# A network that lets no UDP through, and then does, and then does not: downloads go on.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/netlib.sh"
need iptables

PEER=$BUILD/tests/net/tcp-peer
value() {
	sed -n "s/^$1=//p" "$2"
}
udp() { # udp -A|-D: blocked, or not
	in_b iptables "$1" INPUT -p udp -j DROP
}
download() { # download BYTES: begins it
	patiently 100 in_a "$PEER" pull 127.0.0.1 8001 "$1" >"$TMP/pull" &
	pull=$!
}
downloaded() { # downloaded TEXT MS: its end; the longest pause
	wait "$pull" || fail "$1: the download broke"
	figure "$1: longest pause of the download, ms" "$(value gap_ms "$TMP/pull")" at_most "$2"
}

net_up
link_up --delay 20ms --loss 0.1% --rate 30M
udp -A 2>/dev/null || skip "no iptables here"
(umask 077 && openssl rand -hex 32 >"$TMP/key")
spawn -r source in_b "$PEER" serve source 127.0.0.1 8001
wait_ready source
endpoint() {
	spawn -r endpoint in_b "$BUILD/gex-endpoint" -l 10.77.0.2:7000 -k "$TMP/key" -b source=tcp:127.0.0.1:8001
	wait_ready endpoint
}
endpoint
start=$(now_ms)
spawn -r listen in_a "$BUILD/gex-listen" -e 10.77.0.2:7000 -k "$TMP/key" -l tcp:127.0.0.1:8001=source \
	-S tunnel.udp_retry=3s
wait_ready listen
wait_log listen 'up after [0-9.]+ ms over tls'
figure "ms until there is a tunnel over tls" $(($(now_ms) - start)) at_most 5000
wait_log listen 'goes over tls, as udp does not pass; that is tried again every 3 s'
download 30000000
downloaded "over tls" 1000
figure "30 MB over tls, Mbit/s of 30" "$(value mbit "$TMP/pull")" at_least 18

# Udp passes again, in the middle of a download.
download 40000000
sleep 2
udp -D
wait_log listen 'udp passes again, tls is left' 15
downloaded "back to udp" 1000

# And not any more: tls stood by.
: >"$TMP/listen.log"
download 40000000
sleep 2
udp -A
wait_log listen 'udp is down, 1 of 2 paths left'
wait_log listen 'goes over tls, as udp does not pass'
downloaded "udp dies" 4000
[ "$(grep -c 'up after' "$TMP/listen.log")" = 0 ] || fail "there was another tunnel"

# The same when nothing passes for a while, TCP neither: resets of TCP on the way harm nothing.
download 20000000
sleep 1
in_b iptables -A INPUT -p tcp --dport 7000 -j REJECT --reject-with tcp-reset
sleep 2
in_b iptables -D INPUT -p tcp --dport 7000 -j REJECT --reject-with tcp-reset
downloaded "a reset of the TCP connection" 8000

# A restarted endpoint is found again the way it was: over tls, first.
kill9 endpoint
: >"$TMP/listen.log"
sleep 1
endpoint
start=$(now_ms)
wait_log listen 'up after [0-9.]+ ms over tls'
figure "ms until the restarted endpoint is found" $(($(now_ms) - start)) at_most 3000
stop listen
[ "$STATUS" = 0 ] || fail "gex-listen ended with $STATUS"

# Udp refused, and let through a moment after the tunnel came up over tls, as when an endpoint starts again.
udp -D
in_b iptables -A INPUT -p udp -j REJECT
spawn -r listen in_a "$BUILD/gex-listen" -e 10.77.0.2:7000 -k "$TMP/key" -l tcp:127.0.0.1:8001=source
wait_log listen 'up after [0-9.]+ ms over tls'
in_b iptables -D INPUT -p udp -j REJECT
start=$(now_ms)
wait_log listen 'tunnel.*: udp is up'
figure "ms until it goes over udp that was refused before" $(($(now_ms) - start)) at_most 2000
stop listen
